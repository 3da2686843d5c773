"""One charge item, split by class, limit of use and price ceiling (2204 of the interface)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import NamedTuple

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.insurer.benefits.amounts import ItemLevel, Ratio, portion
from shualian.insurer.benefits.rules import Policy, VisitFacts
from shualian.insurer.benefits.trace import Rule, Step

APPROVED = "1"
"""``hosp_appr_flag`` 医院审批标志: the hospital says that the limit of use is kept."""
APPROVAL_REFUSED = "2"
"""``hosp_appr_flag``: the hospital says that it is not."""

CHARGE_INVALID = KindsOf("insurer").kind(
    "charge_invalid",
    "费用明细的金额、数量或流水号不对",
    "The amount, quantity or number of a charge item is not right",
    "请核对这一条费用再上传",
    "Check this charge item and send it again",
    Helper.CLERK,
)


@dataclass(frozen=True, slots=True)
class UseLimits:
    """限用: when an item is inside the scope; every limit that is named must be kept.

    Attributes:
        med_types: Kinds of visit, or any.
        institution_levels: Levels of institution, or any.
        diseases: ``dise_codg`` of the visit, or any.
        approval: Whether the hospital must say that the indication is there.
        text_zh: The limit in words.
        text_en: The same in English.
    """

    med_types: frozenset[str] | None = None
    institution_levels: frozenset[str] | None = None
    diseases: frozenset[str] | None = None
    approval: bool = False
    text_zh: str = ""
    text_en: str = ""

    def kept_at(self, visit: VisitFacts) -> bool:
        """Whether a visit keeps them; the approval is the item's own."""
        return (
            (self.med_types is None or visit.med_type in self.med_types)
            and (
                self.institution_levels is None
                or visit.institution_level in self.institution_levels
            )
            and (self.diseases is None or visit.dise_codg in self.diseases)
        )


@dataclass(frozen=True, slots=True)
class ClassifiedItem:
    """A charge item with what the catalogue says of it.

    Attributes:
        feedetl_sn: Unique inside the visit.
        name_zh: For sentences.
        name_en: For sentences.
        chrgitm_lv: Class.
        med_chrgitm_type: 医疗收费项目类别.
        det_item_fee_sumamt: The line's amount, at least 0.
        cnt: Quantity, above 0, at most 4 decimals.
        pric: Unit price in yuan, at most 6 decimals.
        selfpay_prop: Share that the person pays first; 0 for class A, 1 for class C.
        pric_uplmt_amt: Highest unit price in yuan that is inside the scope, or none.
        limits: When it is inside the scope (``lmt_used_flag``), or none.
        hosp_appr_flag: 医院审批标志: ``0`` nothing said, ``1`` approved, ``2`` refused.
    """

    feedetl_sn: ChargeItemNo
    name_zh: str
    name_en: str
    chrgitm_lv: ItemLevel
    med_chrgitm_type: str
    det_item_fee_sumamt: Fen
    cnt: Decimal
    pric: Decimal
    selfpay_prop: Ratio
    pric_uplmt_amt: Decimal | None
    limits: UseLimits | None = None
    hosp_appr_flag: str = "0"

    def outside_limits(self, visit: VisitFacts | None) -> bool:
        """Whether it was used outside its limits; without a visit only the approval counts."""
        if self.hosp_appr_flag == APPROVAL_REFUSED:
            return True
        limits = self.limits
        if limits is None:
            return False
        if limits.approval and self.hosp_appr_flag != APPROVED:
            return True
        return visit is not None and not limits.kept_at(visit)


class LineSplit(NamedTuple):
    """The split of one charge item (2204 ``result``); the four amounts add up to the line."""

    item: ClassifiedItem
    fulamt_ownpay_amt: Fen
    overlmt_amt: Fen
    preselfpay_amt: Fen
    inscp_scp_amt: Fen


def split_items(
    policy: Policy, items: Sequence[ClassifiedItem], visit: VisitFacts | None = None
) -> tuple[LineSplit, ...]:
    """The split of each item by class, limit of use and price ceiling (2204), by ``feedetl_sn``.

    Args:
        policy: Names the clauses.
        items: What was charged.
        visit: For the limits of use; before it is known only the hospital's approval counts.

    Raises:
        Refused: ``insurer.charge_invalid``.
    """
    return split_with_trace(policy, items, visit, [])


def split_with_trace(
    policy: Policy,
    items: Sequence[ClassifiedItem],
    visit: VisitFacts | None,
    trace: list[Step],
) -> tuple[LineSplit, ...]:
    """As :func:`split_items`, and the steps are added to ``trace``."""
    if len({item.feedetl_sn for item in items}) != len(items):
        raise Refused(CHARGE_INVALID, found="a feedetl_sn twice")
    ordered = sorted(items, key=attrgetter("feedetl_sn"))
    # Looked up once for a bill: a key that is an enum costs as much as the rest of a line.
    clauses = (policy.class_clauses[ItemLevel.A], policy.class_clauses[ItemLevel.B])
    return tuple([_split(policy, clauses, item, visit, trace) for item in ordered])


def _split(
    policy: Policy,
    clauses: tuple[str, str],
    item: ClassifiedItem,
    visit: VisitFacts | None,
    trace: list[Step],
) -> LineSplit:
    amount, level, number = item.det_item_fee_sumamt, item.chrgitm_lv, item.feedetl_sn
    if amount < 0:
        raise Refused(CHARGE_INVALID, feedetl_sn=number, found="a negative amount")
    if level is ItemLevel.C:
        step = Step(Rule.OWN, policy.class_clauses[level], number, amount, ZERO, {})
        trace.append(step)
        return LineSplit(item, amount, ZERO, ZERO, ZERO)
    if item.outside_limits(visit):
        trace.append(Step(Rule.LIMIT_OF_USE, policy.limit_clause, number, amount, ZERO, {}))
        return LineSplit(item, amount, ZERO, ZERO, ZERO)
    over = ZERO if item.pric_uplmt_amt is None else _over_ceiling(policy, item, trace)
    kept = Fen(amount - over)
    if level is ItemLevel.A:
        trace.append(Step(Rule.IN_SCOPE, clauses[0], number, kept, kept, {}))
        return LineSplit(item, ZERO, over, ZERO, kept)
    upfront = portion(kept, item.selfpay_prop)
    scope = Fen(kept - upfront)
    facts = {"ratio": item.selfpay_prop, "upfront": upfront}
    trace.append(Step(Rule.UPFRONT, clauses[1], number, kept, scope, facts))
    return LineSplit(item, ZERO, over, upfront, scope)


def _over_ceiling(policy: Policy, item: ClassifiedItem, trace: list[Step]) -> Fen:
    amount = item.det_item_fee_sumamt
    limit = ceiling_of(item)
    if amount <= limit:
        return ZERO
    over = Fen(amount - limit)
    facts = {"limit": limit, "over": over}
    trace.append(Step(Rule.CEILING, policy.ceiling_clause, item.feedetl_sn, amount, limit, facts))
    return over


def ceiling_of(item: ClassifiedItem) -> Fen:
    """The most of a line that is inside the scope: price limit times quantity, half up."""
    yuan = (item.pric_uplmt_amt or 0) * item.cnt
    return Fen(int((yuan * 100).to_integral_value(ROUND_HALF_UP)))
