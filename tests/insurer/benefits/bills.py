"""Policies, bills and strategies for the tests of benefits."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import ZERO, Fen
from shualian.insurer.benefits import store
from shualian.insurer.benefits.model import (
    Beneficiary,
    CarePlace,
    ClassifiedItem,
    ItemLevel,
    Policy,
    Ratio,
    Settlement,
    UseLimits,
    VisitFacts,
)
from shualian.insurer.benefits.policy import parse_policy
from shualian.insurer.benefits.soundness import visit_of

DAY = date(2026, 5, 1)
CLINIC = VisitFacts(med_type="11", institution_level="1", acct_used=True)
DEDUCTIBLE_BORNE = {"otp_dedc": Fen(500_00)}


def sample_policy() -> Policy:
    book = store.load_policies(store.packaged_policies())
    return book.policy_for(region="990000", insutype="310", day=DAY)


POLICIES = tuple(
    parse_policy(entry.read_text("utf-8"))
    for entry in sorted(store.packaged_policies().iterdir(), key=lambda entry: entry.name)
)
"""Employees and residents of two regions, in the order of their files."""


def worker(balance: int = 0) -> Beneficiary:
    return Beneficiary(psn_type="1101", account_balance=Fen(balance))


def item(
    number: str,
    amount: int,
    level: ItemLevel = ItemLevel.A,
    *,
    ratio: int = 0,
    ceiling: Decimal | None = None,
    cnt: str = "1",
    limits: UseLimits | None = None,
    hosp_appr_flag: str = "0",
) -> ClassifiedItem:
    share = {ItemLevel.A: 0, ItemLevel.B: ratio, ItemLevel.C: 10_000}[level]
    return ClassifiedItem(
        feedetl_sn=ChargeItemNo(number),
        name_zh=f"项目{number}",
        name_en=f"item {number}",
        chrgitm_lv=level,
        med_chrgitm_type="09",
        det_item_fee_sumamt=Fen(amount),
        cnt=Decimal(cnt),
        pric=Decimal(amount) / 100 / Decimal(cnt),
        selfpay_prop=Ratio(share),
        pric_uplmt_amt=ceiling,
        limits=limits,
        hosp_appr_flag=hosp_appr_flag,
    )


some = st.none() | st.frozensets(st.sampled_from(["1", "2", "3", "11", "21", "M03900"]), min_size=1)
limits = st.none() | st.builds(UseLimits, some, some, some, st.booleans())


@st.composite
def classified_items(draw: st.DrawFn, number: str) -> ClassifiedItem:
    ceiling = st.none() | st.decimals("0.01", "3000", places=6)
    level = draw(st.sampled_from(ItemLevel))
    return item(
        number,
        draw(st.integers(0, 5_000_00)),
        level,
        ratio=draw(st.integers(0, 10_000)),
        ceiling=None if level is ItemLevel.C else draw(ceiling),
        cnt=str(draw(st.integers(1, 9))),
        limits=None if level is ItemLevel.C else draw(limits),
        hosp_appr_flag=draw(st.sampled_from("0012")),
    )


@st.composite
def bills(draw: st.DrawFn, prefix: str = "L", *, min_size: int = 0) -> list[ClassifiedItem]:
    count = draw(st.integers(min_size, 6))
    return [draw(classified_items(f"{prefix}{i}")) for i in range(count)]


beneficiaries = st.builds(
    Beneficiary,
    psn_type=st.sampled_from(["11", "1101", "12"]),
    account_balance=st.integers(0, 3_000_00).map(Fen),
)
visits = st.builds(
    VisitFacts,
    med_type=st.just("11"),
    institution_level=st.sampled_from("123"),
    acct_used=st.booleans(),
)
years = st.fixed_dictionaries(
    {},
    optional={
        "otp_dedc": st.integers(0, 500_00).map(Fen),
        "otp_scope": st.integers(0, 30_000_00).map(Fen),
        "otp_hifp": st.integers(0, 10_000_00).map(Fen),
        "otp_hifob": st.integers(0, 20_000_00).map(Fen),
    },
)


@dataclass(frozen=True)
class Occasion:
    """Everything that a bill meets."""

    policy: Policy = field(repr=False)
    person: Beneficiary
    year: Mapping[str, Fen]
    visit: VisitFacts

    def after(self, settlement: Settlement, *, same_visit: bool) -> "Occasion":
        """The occasion on which the next bill is settled."""
        account = Fen(self.person.account_balance - settlement.amounts.acct_pay)
        family = Fen(self.person.family_balance - settlement.amounts.acct_mulaid_pay)
        person = replace(self.person, account_balance=account, family_balance=family)
        so_far = grown(self.visit.so_far, settlement) if same_visit else {}
        visit = replace(self.visit, so_far=so_far)
        return Occasion(self.policy, person, grown(self.year, settlement), visit)


def grown(counters: Mapping[str, Fen], settlement: Settlement) -> dict[str, Fen]:
    after = dict(counters)
    for counter, amount in settlement.accrual.items():
        after[counter] = Fen(after.get(counter, ZERO) + amount)
    return after


@st.composite
def occasions(draw: st.DrawFn) -> Occasion:
    """Any policy, any of its cases, any year; the visit is new or was settled in part."""
    policy = draw(st.sampled_from(POLICIES))
    case = draw(st.sampled_from(sorted(policy.schedules)))
    person = Beneficiary(
        draw(st.sampled_from([kind for kind, of in policy.groups.items() if of == case.group])),
        Fen(draw(st.integers(0, 3_000_00))),
        Fen(draw(st.sampled_from([0, 500_00]))),
        draw(st.frozensets(st.sampled_from(["civil_servant", "assistance", "honoured"]))),
    )
    place = draw(st.sampled_from([CarePlace.LOCAL, *sorted(policy.out_of_region)]))
    visit = replace(visit_of(policy, case, place), acct_used=draw(st.booleans()))
    year: dict[str, Fen] = {}
    so_far: dict[str, Fen] = {}
    for layer in policy.schedules[case].layers:
        for counter in {layer.deductible.counter, layer.counter, *(c.counter for c in layer.caps)}:
            year[counter] = Fen(draw(st.integers(0, 300_000_00)))
            so_far[counter] = Fen(draw(st.integers(0, year[counter])))
        if layer.deductible.admissions:
            year[layer.deductible.admissions] = Fen(draw(st.integers(1, 4)))
            so_far[layer.deductible.admissions] = Fen(1)
    if draw(st.booleans()):
        return Occasion(policy, person, year, visit)
    return Occasion(policy, person, year, replace(visit, so_far=so_far))


@st.composite
def dearer(draw: st.DrawFn, bill: list[ClassifiedItem]) -> list[ClassifiedItem]:
    """The same bill with one line that costs more."""
    at = draw(st.integers(0, len(bill) - 1))
    more = Fen(bill[at].det_item_fee_sumamt + draw(st.integers(1, 50_00)))
    return [*bill[:at], replace(bill[at], det_item_fee_sumamt=more), *bill[at + 1 :]]
