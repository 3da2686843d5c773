"""Benefits: what each payer owes of one bill, as pure values and one pure function.

Money is integer fen, ratios are integer ten-thousandths; there is no float and no clock here.
Field names of amounts are those of the national interface (transactions 2204, 2206, 2207).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple, NewType

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import ZERO, Fen, allocate
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused

Ratio = NewType("Ratio", int)
"""A fraction in ten-thousandths, 0..10000: the N5,4 of the national interface without a point."""

WHOLE = Ratio(10_000)
NOTHING = Ratio(0)


class ItemLevel(StrEnum):
    """``chrgitm_lv`` 收费项目等级: what the catalogue says of an item."""

    A = "01"
    """甲类: all of it inside the policy's scope."""
    B = "02"
    """乙类: the person first pays a share, the rest is inside the scope."""
    C = "03"
    """丙类: wholly self-paid."""


class Fund(StrEnum):
    """The funds, by the field of ``setlinfo`` that says what each pays."""

    POOLED = "hifp_pay"
    CIVIL_SERVANTS = "cvlserv_pay"
    ENTERPRISE = "hifes_pay"
    CRITICAL_ILLNESS = "hifmi_pay"
    LARGE_AMOUNT = "hifob_pay"
    ASSISTANCE = "maf_pay"
    DISABLED = "hifdm_pay"
    OTHER = "oth_pay"


class PersonPart(StrEnum):
    """The kinds of money that a person bears; a policy says which the personal account may pay."""

    DEDUCTIBLE = "act_pay_dedc"
    SCOPE_SHARE = "inscp_selfpay"
    UPFRONT = "preselfpay_amt"
    OVER_LIMIT = "overlmt_selfpay"
    OWN = "fulamt_ownpay_amt"


class Case(NamedTuple):
    """What a policy tells apart before it looks at amounts."""

    med_type: str
    group: str
    institution_level: str


@dataclass(frozen=True, slots=True)
class Deductible:
    """起付线: what a person bears in a year before a fund pays.

    Attributes:
        clause: Of the policy file.
        counter: The year's counter of what was borne already.
        amount: For the whole year.
    """

    clause: str
    counter: str
    amount: Fen


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the year's in-scope amount above the deductible, and who pays how much of it.

    Attributes:
        clause: Of the policy file.
        above: Where the stretch begins, exclusive.
        up_to: Where it ends, inclusive; none for the last.
        fund: Who pays.
        ratio: The fund's part of the stretch.
    """

    clause: str
    above: Fen
    up_to: Fen | None
    fund: Fund
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class AboveCap:
    """Another fund pays a part of what a capped fund would have paid."""

    clause: str
    fund: Fund
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class Cap:
    """封顶线: the most that a fund pays for a person in a year.

    Attributes:
        clause: Of the policy file.
        fund: Whose payments are capped.
        counter: The year's counter of what it paid already.
        amount: For the whole year.
        beyond: Who pays of the rest; the person does when nobody is named.
    """

    clause: str
    fund: Fund
    counter: str
    amount: Fen
    beyond: AboveCap | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The rules of one case, complete: segments touch, the first begins at 0, the last is open.

    Attributes:
        deductible: Borne first.
        scope_counter: The year's counter of the in-scope amount above the deductible.
        segments: In ascending order.
        caps: In the order in which they are applied.
    """

    deductible: Deductible
    scope_counter: str
    segments: tuple[Segment, ...]
    caps: tuple[Cap, ...]


@dataclass(frozen=True, slots=True)
class FundName:
    """How a fund is called in ``setldetail``."""

    fund_pay_type: str
    name: str


@dataclass(frozen=True, slots=True)
class AccountRule:
    """What the personal account may pay (``acct_pay``).

    Attributes:
        clause: Of the policy file.
        name: Its row in ``setldetail``.
        pays: Parts of the person's burden that it may pay.
    """

    clause: str
    name: FundName
    pays: frozenset[PersonPart]


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy, ready to be asked; made by ``policy.parse_policy``.

    Attributes:
        policy_id: Stable over versions.
        version: Of this text.
        region: ``insuplc_admdvs`` for which it holds.
        insutype: For which it holds.
        valid_from: First day.
        valid_to: Last day, or none.
        illustrative: Not the law of any place.
        class_clauses: Clause for each item class.
        ceiling_clause: Clause of the price ceiling.
        cash_clause: Clause that leaves the rest to the person.
        groups: Group of each ``psn_type``.
        funds: Names of the funds that it uses.
        account: Rule of the personal account.
        schedules: Rules of every case that it covers.
    """

    policy_id: str
    version: str
    region: str
    insutype: str
    valid_from: date
    valid_to: date | None
    illustrative: bool
    class_clauses: Mapping[ItemLevel, str]
    ceiling_clause: str
    cash_clause: str
    groups: Mapping[str, str]
    funds: Mapping[Fund, FundName]
    account: AccountRule
    schedules: Mapping[Case, Schedule]

    def schedule_for(self, person: "Beneficiary", visit: "VisitFacts") -> Schedule:
        """The rules for this person at this visit.

        Raises:
            Refused: ``insurer.no_benefit_rule`` when the policy does not speak of the case.
        """
        group = self.groups.get(person.psn_type, "")
        case = Case(visit.med_type, group, visit.institution_level)
        schedule = self.schedules.get(case)
        if schedule is None:
            raise Refused(
                NO_BENEFIT_RULE,
                policy=self.policy_id,
                med_type=visit.med_type,
                psn_type=person.psn_type,
                institution_level=visit.institution_level,
            )
        return schedule


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """What the calculation needs to know of a person.

    Attributes:
        psn_type: 人员类别, opaque text that the policy groups.
        account_balance: Of the personal account, at least 0.
    """

    psn_type: str
    account_balance: Fen


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """What the calculation needs to know of a visit.

    Attributes:
        med_type: 医疗类别, such as ``11`` 普通门诊.
        institution_level: ``1`` to ``3``.
        acct_used: ``acct_used_flag``: whether the personal account is to be used.
    """

    med_type: str
    institution_level: str
    acct_used: bool


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


@dataclass(frozen=True, slots=True)
class LineSplit:
    """The split of one charge item (2204 ``result``); the four amounts add up to the line."""

    item: ClassifiedItem
    fulamt_ownpay_amt: Fen
    overlmt_amt: Fen
    preselfpay_amt: Fen
    inscp_scp_amt: Fen


@dataclass(frozen=True, slots=True)
class Amounts:
    """The money of one settlement, by the names of ``setlinfo`` (2.11 of the interface).

    ``fund_pay_sumamt`` leaves the personal account out; a region that counts it in does so when
    the reply is written. ``acct_mulaid_pay`` is a third part of ``psn_part_amt`` beside the
    person's own account and cash. ``balc`` is the account's balance afterwards, never negated.
    """

    medfee_sumamt: Fen
    fulamt_ownpay_amt: Fen
    overlmt_selfpay: Fen
    preselfpay_amt: Fen
    inscp_scp_amt: Fen
    act_pay_dedc: Fen
    hifp_pay: Fen
    cvlserv_pay: Fen
    hifes_pay: Fen
    hifmi_pay: Fen
    hifob_pay: Fen
    maf_pay: Fen
    hifdm_pay: Fen
    oth_pay: Fen
    fund_pay_sumamt: Fen
    psn_part_amt: Fen
    acct_pay: Fen
    acct_mulaid_pay: Fen
    psn_cash_pay: Fen
    hosp_part_amt: Fen
    balc: Fen

    def paid_by(self, fund: Fund) -> Fen:
        """What ``fund`` pays."""
        amount: Fen = getattr(self, fund.value)
        return amount


class FundDetail(NamedTuple):
    """One row of ``setldetail``.

    ``crt_payb_lmt_amt`` is what the payer could have paid at most this time: the rest under its
    cap, the account's balance, or 0 where there is no limit.
    """

    fund_pay_type: str
    fund_pay_type_name: str
    inscp_scp_amt: Fen
    crt_payb_lmt_amt: Fen
    fund_payamt: Fen


class Rule(StrEnum):
    """Which rule made a step of the trace, and what ``before`` and ``after`` mean there."""

    OWN = "class.own"
    """Line: the amount, then 0."""
    CEILING = "ceiling"
    """Line: the amount, then what is left of it under the ceiling."""
    UPFRONT = "class.upfront"
    """Line: the amount under the ceiling, then what of it is inside the scope."""
    IN_SCOPE = "class.in_scope"
    """Line: the amount under the ceiling, all of it inside the scope."""
    DEDUCTIBLE = "deductible"
    """Bill: the in-scope amount, then what is left of it above the deductible."""
    SEGMENT = "segment"
    """Bill: what no segment has taken yet, before and after this one."""
    CAP = "cap"
    """Fund: what it would pay, then what it pays."""
    ABOVE_CAP = "above_cap"
    """Bill: what the capped fund leaves, then what of it stays with the person."""
    ACCOUNT = "account"
    """Person: the burden, then what is left of it after the personal account."""
    CASH = "cash"
    """Person: what is left to pay, then 0."""


class Step(NamedTuple):
    """One step of the trace, as data; sentences are made of it on demand.

    Attributes:
        rule: Which rule.
        clause: Of the policy file.
        subject: A ``feedetl_sn`` for a line, the name of a fund, or empty.
        before: See :class:`Rule`.
        after: See :class:`Rule`.
        facts: Amounts in fen that the rule used, and ``ratio`` in ten-thousandths.
    """

    rule: Rule
    clause: str
    subject: str
    before: Fen
    after: Fen
    facts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Settlement:
    """Every amount of one bill, and why.

    Attributes:
        policy_id: Whose clauses the trace names.
        policy_version: Of it.
        amounts: The bill.
        pool_prop_selfpay: The ratio of the last segment that the bill reached, 0 when it reached
            none: no client can depend on this field (2.12 of the interface, 8 no. 7).
        lines: By ``feedetl_sn``.
        details: ``setldetail``, funds first, the personal account last.
        accrual: By how much each of the year's counters grows.
        trace: Steps in the order in which the rules were applied.
    """

    policy_id: str
    policy_version: str
    amounts: Amounts
    pool_prop_selfpay: Ratio
    lines: tuple[LineSplit, ...]
    details: tuple[FundDetail, ...]
    accrual: Mapping[str, Fen]
    trace: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class LinePayers:
    """Who pays one line; all amounts add up to the line.

    Attributes:
        feedetl_sn: The line.
        funds: What each fund pays of it.
        acct_pay: From the personal account.
        psn_cash_pay: By the person.
    """

    feedetl_sn: ChargeItemNo
    funds: Mapping[Fund, Fen]
    acct_pay: Fen
    psn_cash_pay: Fen


POLICY_INVALID = RefusalKind(
    code="insurer.policy_invalid",
    zh="待遇政策文件有错误",
    en="A policy file is not valid",
    next_zh="按提示的位置改正文件，再重新启动",
    next_en="Correct the file at the place named and start again",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
NO_POLICY = RefusalKind(
    code="insurer.no_policy",
    zh="这个参保地、险种和日期没有待遇政策",
    en="There is no policy for this region, insurance and day",
    next_zh="请联系医保经办机构；也可以先自费结算",
    next_en="Ask the insurer; the bill can be paid in full by oneself meanwhile",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
NO_BENEFIT_RULE = RefusalKind(
    code="insurer.no_benefit_rule",
    zh="待遇政策没有规定这种情况",
    en="The policy has no rule for this case",
    next_zh="请核对医疗类别；需要时自费结算并联系医保经办机构",
    next_en="Check the kind of visit; if it is right, pay in full and ask the insurer",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
ITEM_NOT_IN_CATALOGUE = RefusalKind(
    code="insurer.item_not_in_catalogue",
    zh="医保目录里没有这个编码",
    en="The catalogue has no such code",
    next_zh="请核对目录编码；自费项目也要用目录里的自费编码",
    next_en="Check the catalogue code; a self-paid item has a code in the catalogue too",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
CHARGE_INVALID = RefusalKind(
    code="insurer.charge_invalid",
    zh="费用明细的金额、数量或流水号不对",
    en="The amount, quantity or number of a charge item is not right",
    next_zh="请核对这一条费用再上传",
    next_en="Check this charge item and send it again",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)

REFUSALS = (POLICY_INVALID, NO_POLICY, NO_BENEFIT_RULE, ITEM_NOT_IN_CATALOGUE, CHARGE_INVALID)


def portion(amount: Fen, ratio: Ratio) -> Fen:
    """``amount * ratio`` rounded half up to whole fen; ``amount`` is at least 0."""
    return Fen((amount * ratio + 5_000) // 10_000)


def settle(
    policy: Policy,
    person: Beneficiary,
    accumulators: Mapping[str, Fen],
    visit: VisitFacts,
    items: Sequence[ClassifiedItem],
) -> Settlement:
    """Split one bill among funds, personal account and person.

    Rounding as the policies demand: half up, per item for the classes, per segment on the bill
    for the funds. The order of ``items`` does not matter.

    Args:
        policy: Of the insured region, valid on the day of the visit.
        person: Who is treated.
        accumulators: The year's counters before this bill, by name; a missing one is 0.
        visit: Kind of visit.
        items: The bill.

    Raises:
        Refused: ``insurer.no_benefit_rule``, ``insurer.charge_invalid``.
    """
    schedule = policy.schedule_for(person, visit)
    trace: list[Step] = []
    lines = _split_all(policy, items, trace)
    own = Fen(sum(line.fulamt_ownpay_amt for line in lines))
    over = Fen(sum(line.overlmt_amt for line in lines))
    upfront = Fen(sum(line.preselfpay_amt for line in lines))
    scope = Fen(sum(line.inscp_scp_amt for line in lines))
    deductible = _deductible(schedule.deductible, accumulators, scope, trace)
    funds, ratio = _segments(schedule, accumulators, Fen(scope - deductible), trace)
    rooms = _caps(schedule.caps, accumulators, funds, trace)
    fund_sum = Fen(sum(funds.values()))
    burden = {
        PersonPart.DEDUCTIBLE: deductible,
        PersonPart.SCOPE_SHARE: Fen(scope - deductible - fund_sum),
        PersonPart.UPFRONT: upfront,
        PersonPart.OVER_LIMIT: over,
        PersonPart.OWN: own,
    }
    account = _account(policy, person, visit, burden, trace)
    amounts = _amounts(burden, funds, scope, account, person.account_balance)
    return Settlement(
        policy_id=policy.policy_id,
        policy_version=policy.version,
        amounts=amounts,
        pool_prop_selfpay=ratio,
        lines=lines,
        details=_details(policy, amounts, funds, rooms, person.account_balance),
        accrual=_accrual(schedule, deductible, Fen(scope - deductible), funds),
        trace=tuple(trace),
    )


def split_items(policy: Policy, items: Sequence[ClassifiedItem]) -> tuple[LineSplit, ...]:
    """The split of each item by class and price ceiling (2204), by ``feedetl_sn``.

    Raises:
        Refused: ``insurer.charge_invalid``.
    """
    return _split_all(policy, items, [])


def _split_all(
    policy: Policy, items: Sequence[ClassifiedItem], trace: list[Step]
) -> tuple[LineSplit, ...]:
    if len({item.feedetl_sn for item in items}) != len(items):
        raise Refused(CHARGE_INVALID, found="a feedetl_sn twice")
    ordered = sorted(items, key=lambda item: item.feedetl_sn)
    return tuple([_split(policy, item, trace) for item in ordered])


def _split(policy: Policy, item: ClassifiedItem, trace: list[Step]) -> LineSplit:
    amount, level, number = item.det_item_fee_sumamt, item.chrgitm_lv, item.feedetl_sn
    if amount < 0:
        raise Refused(CHARGE_INVALID, feedetl_sn=number, found="a negative amount")
    clause = policy.class_clauses[level]
    if level is ItemLevel.C:
        trace.append(Step(Rule.OWN, clause, number, amount, ZERO, {}))
        return LineSplit(item, amount, ZERO, ZERO, ZERO)
    over = _over_ceiling(policy, item, trace)
    kept = Fen(amount - over)
    if level is ItemLevel.A:
        trace.append(Step(Rule.IN_SCOPE, clause, number, kept, kept, {}))
        return LineSplit(item, ZERO, over, ZERO, kept)
    upfront = portion(kept, item.selfpay_prop)
    scope = Fen(kept - upfront)
    facts = {"ratio": item.selfpay_prop, "upfront": upfront}
    trace.append(Step(Rule.UPFRONT, clause, number, kept, scope, facts))
    return LineSplit(item, ZERO, over, upfront, scope)


def _over_ceiling(policy: Policy, item: ClassifiedItem, trace: list[Step]) -> Fen:
    if item.pric_uplmt_amt is None:
        return ZERO
    amount = item.det_item_fee_sumamt
    yuan = item.pric_uplmt_amt * item.cnt
    limit = int((yuan * 100).to_integral_value(ROUND_HALF_UP))
    over = Fen(max(0, amount - limit))
    if over:
        facts = {"limit": limit, "over": over}
        step = Step(Rule.CEILING, policy.ceiling_clause, item.feedetl_sn, amount, Fen(limit), facts)
        trace.append(step)
    return over


def _deductible(
    rule: Deductible, accumulators: Mapping[str, Fen], scope: Fen, trace: list[Step]
) -> Fen:
    if not scope:
        return ZERO
    used = accumulators.get(rule.counter, ZERO)
    borne = Fen(min(scope, max(0, rule.amount - used)))
    facts = {"standard": rule.amount, "used": used, "borne": borne}
    trace.append(Step(Rule.DEDUCTIBLE, rule.clause, "", scope, Fen(scope - borne), facts))
    return borne


def _segments(
    schedule: Schedule, accumulators: Mapping[str, Fen], above: Fen, trace: list[Step]
) -> tuple[dict[Fund, Fen], Ratio]:
    position = accumulators.get(schedule.scope_counter, ZERO)
    end = position + above
    funds: dict[Fund, Fen] = {}
    reached = NOTHING
    for segment in schedule.segments:
        top = end if segment.up_to is None else min(end, segment.up_to)
        part = Fen(top - max(position, segment.above))
        if part <= 0:
            continue
        pays = portion(part, segment.ratio)
        reached = segment.ratio
        funds[segment.fund] = Fen(funds.get(segment.fund, 0) + pays)
        facts = {"above": segment.above, "ratio": reached, "part": part, "pays": pays}
        if segment.up_to is not None:
            facts["up_to"] = segment.up_to
        left = Fen(above - part)
        trace.append(Step(Rule.SEGMENT, segment.clause, segment.fund, above, left, facts))
        above = left
    return funds, reached


def _caps(
    caps: tuple[Cap, ...],
    accumulators: Mapping[str, Fen],
    funds: dict[Fund, Fen],
    trace: list[Step],
) -> dict[Fund, Fen]:
    """Cut ``funds`` to their caps and hand the rest on; gives the room that each cap left."""
    rooms: dict[Fund, Fen] = {}
    for cap in caps:
        used = accumulators.get(cap.counter, ZERO)
        rooms[cap.fund] = room = Fen(max(0, cap.amount - used))
        would = funds.get(cap.fund, ZERO)
        if would <= room:
            continue
        funds[cap.fund] = room
        facts = {"limit": cap.amount, "used": used}
        trace.append(Step(Rule.CAP, cap.clause, cap.fund, would, room, facts))
        if cap.beyond is not None:
            _pay_beyond(cap.beyond, Fen(would - room), funds, trace)
    return rooms


def _pay_beyond(rule: AboveCap, excess: Fen, funds: dict[Fund, Fen], trace: list[Step]) -> None:
    pays = portion(excess, rule.ratio)
    funds[rule.fund] = Fen(funds.get(rule.fund, 0) + pays)
    facts = {"ratio": rule.ratio, "pays": pays}
    trace.append(Step(Rule.ABOVE_CAP, rule.clause, rule.fund, excess, Fen(excess - pays), facts))


def _account(
    policy: Policy,
    person: Beneficiary,
    visit: VisitFacts,
    burden: Mapping[PersonPart, Fen],
    trace: list[Step],
) -> Fen:
    whole = Fen(sum(burden.values()))
    pays = ZERO
    if visit.acct_used:
        may_pay = sum([burden[part] for part in policy.account.pays])
        balance = person.account_balance
        pays = Fen(min(max(0, balance), may_pay))
        facts = {"balance": balance, "pays": pays, "left": balance - pays}
        step = Step(Rule.ACCOUNT, policy.account.clause, "", whole, Fen(whole - pays), facts)
        trace.append(step)
    trace.append(Step(Rule.CASH, policy.cash_clause, "", Fen(whole - pays), ZERO, {}))
    return pays


def _amounts(
    burden: Mapping[PersonPart, Fen],
    funds: Mapping[Fund, Fen],
    scope: Fen,
    account: Fen,
    balance: Fen,
) -> Amounts:
    own, over = burden[PersonPart.OWN], burden[PersonPart.OVER_LIMIT]
    upfront = burden[PersonPart.UPFRONT]
    psn_part = Fen(sum(burden.values()))
    return Amounts(
        medfee_sumamt=Fen(own + over + upfront + scope),
        fulamt_ownpay_amt=own,
        overlmt_selfpay=over,
        preselfpay_amt=upfront,
        inscp_scp_amt=scope,
        act_pay_dedc=burden[PersonPart.DEDUCTIBLE],
        hifp_pay=funds.get(Fund.POOLED, ZERO),
        cvlserv_pay=funds.get(Fund.CIVIL_SERVANTS, ZERO),
        hifes_pay=funds.get(Fund.ENTERPRISE, ZERO),
        hifmi_pay=funds.get(Fund.CRITICAL_ILLNESS, ZERO),
        hifob_pay=funds.get(Fund.LARGE_AMOUNT, ZERO),
        maf_pay=funds.get(Fund.ASSISTANCE, ZERO),
        hifdm_pay=funds.get(Fund.DISABLED, ZERO),
        oth_pay=funds.get(Fund.OTHER, ZERO),
        fund_pay_sumamt=Fen(sum(funds.values())),
        psn_part_amt=psn_part,
        acct_pay=account,
        acct_mulaid_pay=ZERO,
        psn_cash_pay=Fen(psn_part - account),
        hosp_part_amt=ZERO,
        balc=Fen(balance - account),
    )


def _details(
    policy: Policy,
    amounts: Amounts,
    funds: Mapping[Fund, Fen],
    rooms: Mapping[Fund, Fen],
    balance: Fen,
) -> tuple[FundDetail, ...]:
    scope = amounts.inscp_scp_amt
    rows = [
        FundDetail(name.fund_pay_type, name.name, scope, rooms.get(fund, ZERO), funds[fund])
        for fund, name in policy.funds.items()
        if funds.get(fund)
    ]
    if amounts.acct_pay:
        name = policy.account.name
        rows.append(FundDetail(name.fund_pay_type, name.name, scope, balance, amounts.acct_pay))
    return tuple(rows)


def _accrual(
    schedule: Schedule, deductible: Fen, above: Fen, funds: Mapping[Fund, Fen]
) -> dict[str, Fen]:
    grown = {schedule.deductible.counter: deductible, schedule.scope_counter: above}
    for cap in schedule.caps:
        grown[cap.counter] = funds.get(cap.fund, ZERO)
    return {counter: amount for counter, amount in grown.items() if amount}


def mirrored(settlement: Settlement, *, balc: Fen) -> Settlement:
    """The cancellation of a settlement (2208): every amount negated, no rule applied.

    Args:
        settlement: The one that is undone.
        balc: Balance of the personal account after the refund; the one amount not negated.
    """
    money = {field.name: Fen(-getattr(settlement.amounts, field.name)) for field in fields(Amounts)}
    lines = tuple(
        LineSplit(
            line.item,
            Fen(-line.fulamt_ownpay_amt),
            Fen(-line.overlmt_amt),
            Fen(-line.preselfpay_amt),
            Fen(-line.inscp_scp_amt),
        )
        for line in settlement.lines
    )
    details = tuple(
        row._replace(
            inscp_scp_amt=Fen(-row.inscp_scp_amt),
            crt_payb_lmt_amt=ZERO,
            fund_payamt=Fen(-row.fund_payamt),
        )
        for row in settlement.details
    )
    return Settlement(
        policy_id=settlement.policy_id,
        policy_version=settlement.policy_version,
        amounts=Amounts(**{**money, "balc": balc}),
        pool_prop_selfpay=settlement.pool_prop_selfpay,
        lines=lines,
        details=details,
        accrual={counter: Fen(-amount) for counter, amount in settlement.accrual.items()},
        trace=(),
    )


def broken_identities(amounts: Amounts) -> tuple[str, ...]:
    """The identities of 2.12 of the interface that do not hold; empty for right amounts.

    They hold for settlements and, with signs, for cancellations.
    """
    a = amounts
    sign = -1 if a.medfee_sumamt < 0 else 1
    funds = sum(a.paid_by(fund) for fund in Fund)
    person = a.acct_pay + a.acct_mulaid_pay + a.psn_cash_pay
    scopes = a.fulamt_ownpay_amt + a.overlmt_selfpay + a.preselfpay_amt + a.inscp_scp_amt
    rules = {
        "medfee_sumamt is the sum of its four scopes": a.medfee_sumamt == scopes,
        "fund_pay_sumamt is the sum of the funds": a.fund_pay_sumamt == funds,
        "psn_part_amt is accounts and cash": a.psn_part_amt == person,
        "medfee_sumamt is funds, person and hospital": a.medfee_sumamt
        == a.fund_pay_sumamt + a.psn_part_amt + a.hosp_part_amt,
        "act_pay_dedc lies inside inscp_scp_amt": sign * a.act_pay_dedc <= sign * a.inscp_scp_amt,
        "the funds pay at most what is above the deductible": sign * funds
        <= sign * (a.inscp_scp_amt - a.act_pay_dedc),
        "no amount has the wrong sign": a.balc >= 0
        and all(
            sign * getattr(a, field.name) >= 0 for field in fields(Amounts) if field.name != "balc"
        ),
    }
    return tuple(rule for rule, holds in rules.items() if not holds)


def payers_by_line(policy: Policy, settlement: Settlement) -> tuple[LinePayers, ...]:
    """Who pays each fen of each line, by ``feedetl_sn``; lines and columns both add up exactly.

    Each bill amount is spread over what is still open of the lines, in proportion; the remainder
    goes to the largest fraction, then to the lowest ``feedetl_sn``. Not for cancellations.
    """
    amounts, lines = settlement.amounts, settlement.lines
    scope = [line.inscp_scp_amt for line in lines]
    deductible = allocate(amounts.act_pay_dedc, scope)
    left = [Fen(whole - part) for whole, part in zip(scope, deductible, strict=True)]
    shares: dict[Fund, list[Fen]] = {}
    for fund in Fund:
        if paid := amounts.paid_by(fund):
            shares[fund] = allocate(paid, left)
            left = [Fen(open_ - part) for open_, part in zip(left, shares[fund], strict=True)]
    burdens = [
        _line_burden(line, borne, share)
        for line, borne, share in zip(lines, deductible, left, strict=True)
    ]
    may_pay = [sum(burden[part] for part in policy.account.pays) for burden in burdens]
    account = allocate(amounts.acct_pay, may_pay)
    return tuple(
        LinePayers(
            feedetl_sn=line.item.feedetl_sn,
            funds={fund: parts[i] for fund, parts in shares.items() if parts[i]},
            acct_pay=account[i],
            psn_cash_pay=Fen(sum(burdens[i].values()) - account[i]),
        )
        for i, line in enumerate(lines)
    )


def _line_burden(line: LineSplit, deductible: Fen, share: Fen) -> dict[PersonPart, Fen]:
    return {
        PersonPart.DEDUCTIBLE: deductible,
        PersonPart.SCOPE_SHARE: share,
        PersonPart.UPFRONT: line.preselfpay_amt,
        PersonPart.OVER_LIMIT: line.overlmt_amt,
        PersonPart.OWN: line.fulamt_ownpay_amt,
    }
