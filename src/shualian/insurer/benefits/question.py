"""A bill as JSON, and what each payer owes of it as JSON: for people who want to ask "what if".

The question is checked by a schema that can be printed; the answer has the names and the yuan of
the national interface (2.11) and the sentences of the trace.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import ZERO, Fen, format_yuan, parse_yuan
from shualian.core.refusals import Refused
from shualian.insurer.benefits.amounts import AMOUNT_NAMES, WHOLE, Ratio
from shualian.insurer.benefits.catalogue import Catalogue, CatalogueBook
from shualian.insurer.benefits.lines import ClassifiedItem
from shualian.insurer.benefits.model import (
    BILL_INVALID,
    LinePayers,
    Settlement,
    payers_by_line,
    settle,
)
from shualian.insurer.benefits.policy import PolicyBook
from shualian.insurer.benefits.rules import Beneficiary, CarePlace, Policy, VisitFacts
from shualian.insurer.benefits.tables import Counter, Name
from shualian.insurer.benefits.wording import render_trace

Yuan = Annotated[
    str, Field(pattern=r"^[0-9]{1,14}(\.[0-9]{1,2})?$", description="yuan as text, such as 12.50")
]
Region = Annotated[str, Field(pattern=r"^\d{6}$")]
ITEMS_MAX = 2_000


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PersonOfBill(_Part):
    """Who is treated; no name and no number."""

    psn_type: Name
    account_balance: Yuan = "0"
    family_balance: Yuan = "0"
    identities: list[Name] = Field(
        default=[], description="such as civil_servant, assistance, honoured"
    )


class VisitOfBill(_Part):
    """What kind of visit it is."""

    med_type: Name
    institution_level: Name = Field(description="1 to 3; 0 for a pharmacy")
    acct_used_flag: Literal["0", "1"] = "1"
    dise_codg: str = ""
    care_region: Region | None = Field(
        default=None, description="就医地, by default the insured region"
    )
    filed: bool = Field(default=False, description="异地就医 was filed or referred")
    mdtrt_cert_type: Literal["01", "02", "03"] | None = Field(
        default=None, description="how the person was recognised; changes no amount"
    )
    so_far: dict[Counter, int] = Field(
        default={}, description="accrual of earlier settlements of the visit, fen"
    )


class ItemOfBill(_Part):
    """One charge item (2204)."""

    feedetl_sn: Annotated[str, Field(min_length=1, max_length=30)]
    med_list_codg: Annotated[str, Field(min_length=1, max_length=50)]
    cnt: Annotated[Decimal, Field(gt=0, le=100_000_000, decimal_places=4)] = Decimal(1)
    pric: Annotated[Decimal, Field(ge=0, le=10_000_000, decimal_places=6)]
    det_item_fee_sumamt: Yuan
    hosp_appr_flag: Literal["0", "1", "2"] = "0"


class Question(_Part):
    """A bill and everything that the calculation needs to know.

    ``year`` holds the year's counters before the bill, by the names of the policy: fen, and
    numbers of admissions.
    """

    insuplc_admdvs: Region
    insutype: Annotated[str, Field(pattern=r"^\d{3}$")]
    day: date
    person: PersonOfBill
    year: dict[Counter, int] = {}
    visit: VisitOfBill
    items: Annotated[list[ItemOfBill], Field(min_length=1, max_length=ITEMS_MAX)]

    @field_validator("year")
    @classmethod
    def _at_least_zero(cls, year: dict[str, int]) -> dict[str, int]:
        if any(amount < 0 for amount in year.values()):
            raise ValueError("a counter of the year is at least 0")
        return year


@dataclass(frozen=True, slots=True)
class Answer:
    """A question answered.

    Attributes:
        policy: By which it was answered.
        catalogue: By which the items were classified.
        settlement: The amounts and the trace.
        payers: Who pays each line.
    """

    policy: Policy
    catalogue: Catalogue
    settlement: Settlement
    payers: tuple[LinePayers, ...]


def parse_question(text: str | bytes) -> Question:
    """Read a bill from JSON text.

    Raises:
        Refused: ``insurer.bill_invalid``; ``at`` names the place, ``found`` what is wrong.
    """
    try:
        return Question.model_validate_json(text)
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise Refused(BILL_INVALID, at=place, found=first["msg"]) from None


def question_schema() -> dict[str, object]:
    """The JSON Schema of a question."""
    return Question.model_json_schema()


def at_level(question: Question, level: str) -> Question:
    """The same bill at an institution of another level."""
    visit = question.visit.model_copy(update={"institution_level": level})
    return question.model_copy(update={"visit": visit})


def answer(question: Question, policies: PolicyBook, catalogues: CatalogueBook) -> Answer:
    """Settle the bill: catalogue of the care region, policy of the insured region.

    Raises:
        Refused: ``insurer.no_policy``, ``no_benefit_rule``, ``item_not_in_catalogue``,
            ``charge_invalid``.
    """
    region = question.insuplc_admdvs
    policy = policies.policy_for(region=region, insutype=question.insutype, day=question.day)
    visit = _visit(question)
    care_region = question.visit.care_region or region
    catalogue = catalogues.catalogue_for(region=care_region, day=question.day)
    items = [_classified(catalogue, item) for item in question.items]
    year = {counter: Fen(amount) for counter, amount in question.year.items()}
    settlement = settle(policy, _person(question.person), year, visit, items)
    return Answer(policy, catalogue, settlement, payers_by_line(policy, settlement))


def _person(person: PersonOfBill) -> Beneficiary:
    return Beneficiary(
        psn_type=person.psn_type,
        account_balance=parse_yuan(person.account_balance),
        family_balance=parse_yuan(person.family_balance),
        identities=frozenset(person.identities),
    )


def _visit(question: Question) -> VisitFacts:
    visit, region = question.visit, question.insuplc_admdvs
    return VisitFacts(
        med_type=visit.med_type,
        institution_level=visit.institution_level,
        acct_used=visit.acct_used_flag == "1",
        dise_codg=visit.dise_codg,
        place=CarePlace.of(
            care_region=visit.care_region or region, insured_region=region, filed=visit.filed
        ),
        so_far={counter: Fen(amount) for counter, amount in visit.so_far.items()},
        care_region=visit.care_region or region,
    )


def _classified(catalogue: Catalogue, item: ItemOfBill) -> ClassifiedItem:
    return catalogue.classify(
        feedetl_sn=ChargeItemNo(item.feedetl_sn),
        med_list_codg=item.med_list_codg,
        det_item_fee_sumamt=parse_yuan(item.det_item_fee_sumamt),
        cnt=item.cnt,
        pric=item.pric,
        hosp_appr_flag=item.hosp_appr_flag,
    )


def as_json(found: Answer) -> dict[str, object]:
    """The answer with the names of the national interface; amounts are texts in yuan."""
    settlement, policy = found.settlement, found.policy
    return {
        "policy": {
            "policy_id": policy.policy_id,
            "version": policy.version,
            "illustrative": policy.illustrative,
            "title": {"zh": policy.title_zh, "en": policy.title_en},
        },
        "catalogue": {
            "catalogue_id": found.catalogue.catalogue_id,
            "version": found.catalogue.version,
        },
        "setlinfo": setlinfo(settlement),
        "setldetail": [
            {
                "fund_pay_type": row.fund_pay_type,
                "fund_pay_type_name": row.fund_pay_type_name,
                "inscp_scp_amt": format_yuan(row.inscp_scp_amt),
                "crt_payb_lmt_amt": format_yuan(row.crt_payb_lmt_amt),
                "fund_payamt": format_yuan(row.fund_payamt),
            }
            for row in settlement.details
        ],
        "lines": _lines(found),
        "accrual": dict(settlement.accrual),
        "trace": _trace(settlement),
    }


def setlinfo(settlement: Settlement) -> dict[str, str]:
    """The amounts of ``setlinfo`` in yuan, and ``pool_prop_selfpay`` as a fraction."""
    amounts = {name: format_yuan(getattr(settlement.amounts, name)) for name in AMOUNT_NAMES}
    return {**amounts, "pool_prop_selfpay": fraction(settlement.pool_prop_selfpay)}


def fraction(ratio: Ratio) -> str:
    """A ratio as N5,4 of the interface: ``Ratio(8000)`` as ``0.8000``."""
    return f"{Decimal(ratio) / WHOLE:.4f}"


def _lines(found: Answer) -> list[dict[str, object]]:
    return [
        {
            "feedetl_sn": line.item.feedetl_sn,
            "name": {"zh": line.item.name_zh, "en": line.item.name_en},
            "chrgitm_lv": line.item.chrgitm_lv.value,
            "selfpay_prop": fraction(line.item.selfpay_prop),
            "lmt_used_flag": "0" if line.item.limits is None else "1",
            "det_item_fee_sumamt": format_yuan(line.item.det_item_fee_sumamt),
            "fulamt_ownpay_amt": format_yuan(line.fulamt_ownpay_amt),
            "overlmt_amt": format_yuan(line.overlmt_amt),
            "preselfpay_amt": format_yuan(line.preselfpay_amt),
            "inscp_scp_amt": format_yuan(line.inscp_scp_amt),
            "paid_by": _paid_by(paid),
        }
        for line, paid in zip(found.settlement.lines, found.payers, strict=True)
    ]


def _paid_by(paid: LinePayers) -> dict[str, str]:
    columns: dict[str, Fen] = {fund.value: amount for fund, amount in paid.funds.items()}
    for name in ("hosp_part_amt", "acct_pay", "acct_mulaid_pay", "psn_cash_pay"):
        columns[name] = getattr(paid, name)
    return {name: format_yuan(amount) for name, amount in columns.items() if amount != ZERO}


def _trace(settlement: Settlement) -> list[dict[str, object]]:
    sentences = zip(render_trace(settlement, "zh"), render_trace(settlement, "en"), strict=True)
    return [
        {
            "rule": step.rule.value,
            "clause": step.clause,
            "subject": step.subject,
            "before": format_yuan(step.before),
            "after": format_yuan(step.after),
            "zh": zh,
            "en": en,
        }
        for step, (zh, en) in zip(settlement.trace, sentences, strict=True)
    ]
