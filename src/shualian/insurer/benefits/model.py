"""Benefits: what each payer owes of one bill, as pure values and one pure function.

Money is integer fen, ratios are integer ten-thousandths; there is no float and no clock here.
Field names of amounts are those of the national interface (transactions 2204, 2206, 2207).

The parts of the calculation: ``lines`` splits each charge item, ``rules`` is the policy as it is
asked, ``amounts`` and ``outcome`` what comes out, ``trace`` why. This module is the bill as a
whole, and every name of the subject can be had from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Helper, KindsOf
from shualian.insurer.benefits.amounts import (
    NOTHING,
    WHOLE,
    Amounts,
    Fund,
    FundDetail,
    ItemLevel,
    PersonPart,
    Ratio,
    broken_identities,
    portion,
)
from shualian.insurer.benefits.lines import (
    CHARGE_INVALID,
    ClassifiedItem,
    LineSplit,
    UseLimits,
    split_items,
    split_with_trace,
)
from shualian.insurer.benefits.outcome import (
    LinePayers,
    Settlement,
    mirrored,
    payers_by_line,
)
from shualian.insurer.benefits.rules import (
    NO_BENEFIT_RULE,
    AboveCap,
    AccountRule,
    Beneficiary,
    Cap,
    CarePlace,
    Case,
    Deductible,
    FundName,
    HospitalRule,
    Layer,
    Mode,
    OutOfRegion,
    Period,
    Policy,
    Schedule,
    Segment,
    VisitFacts,
)
from shualian.insurer.benefits.trace import Rule, Step

__all__ = [
    "BILL_INVALID",
    "CHARGE_INVALID",
    "ITEM_NOT_IN_CATALOGUE",
    "NOTHING",
    "NO_BENEFIT_RULE",
    "NO_POLICY",
    "POLICY_INVALID",
    "REFUSALS",
    "WHOLE",
    "AboveCap",
    "AccountRule",
    "Amounts",
    "Beneficiary",
    "Cap",
    "CarePlace",
    "Case",
    "ClassifiedItem",
    "Deductible",
    "Fund",
    "FundDetail",
    "FundName",
    "HospitalRule",
    "ItemLevel",
    "Layer",
    "LinePayers",
    "LineSplit",
    "Mode",
    "OutOfRegion",
    "Period",
    "PersonPart",
    "Policy",
    "Ratio",
    "Rule",
    "Schedule",
    "Segment",
    "Settlement",
    "Step",
    "UseLimits",
    "VisitFacts",
    "broken_identities",
    "mirrored",
    "payers_by_line",
    "portion",
    "settle",
    "split_items",
]

_kind = KindsOf("insurer", Helper.TECHNICIAN).kind

POLICY_INVALID = _kind(
    "policy_invalid",
    "待遇政策文件有错误",
    "A policy file is not valid",
    "按提示的位置改正文件，再重新启动",
    "Correct the file at the place named and start again",
)
NO_POLICY = _kind(
    "no_policy",
    "这个参保地、险种和日期没有待遇政策",
    "There is no policy for this region, insurance and day",
    "请联系医保经办机构；也可以先自费结算",
    "Ask the insurer; the bill can be paid in full by oneself meanwhile",
    Helper.INSURER,
)
ITEM_NOT_IN_CATALOGUE = _kind(
    "item_not_in_catalogue",
    "医保目录里没有这个编码",
    "The catalogue has no such code",
    "请核对目录编码；自费项目也要用目录里的自费编码",
    "Check the catalogue code; a self-paid item has a code in the catalogue too",
    Helper.CLERK,
)
BILL_INVALID = _kind(
    "bill_invalid",
    "这份账单的格式不对",
    "The bill is not written as the schema demands",
    "请用 shualian settle schema 查看格式，按提示的位置改正",
    "See the schema with: shualian settle schema; correct the place named",
    Helper.SELF,
)

REFUSALS = (
    POLICY_INVALID,
    NO_POLICY,
    NO_BENEFIT_RULE,
    ITEM_NOT_IN_CATALOGUE,
    CHARGE_INVALID,
    BILL_INVALID,
)


Burden = dict[PersonPart, Fen]

_BASIC_RULES = (Rule.DEDUCTIBLE, Rule.SEGMENT)
_LATER_RULES = (Rule.THRESHOLD, Rule.SUPPLEMENT)


@dataclass(slots=True)
class _Course:
    """One calculation on its way: what it reads of the year and visit, what it has written."""

    year: Mapping[str, Fen]
    visit: Mapping[str, Fen]
    trace: list[Step]
    funds: dict[Fund, Fen]
    rooms: dict[Fund, Fen]
    accrual: dict[str, Fen]
    reached: Ratio

    def counted(self, counter: str, period: Period) -> Fen:
        """What stands in a counter for the time that the rule looks at."""
        return (self.year if period is Period.YEAR else self.visit).get(counter, ZERO)

    def grow(self, counter: str, amount: Fen) -> None:
        """Let a counter grow."""
        if amount:
            self.accrual[counter] = Fen(self.accrual.get(counter, 0) + amount)

    def step(self, rule: Rule, clause: str, moved: tuple[Fen, Fen], **facts: int) -> None:
        """Add a step that belongs to the bill, not to a line or fund."""
        self.trace.append(Step(rule, clause, "", moved[0], moved[1], facts))


def settle(
    policy: Policy,
    person: Beneficiary,
    accumulators: Mapping[str, Fen],
    visit: VisitFacts,
    items: Sequence[ClassifiedItem],
) -> Settlement:
    """Split one bill among funds, hospital, accounts and person.

    Rounding as the policies demand: half up, per item for the classes, per segment on the bill
    for the funds. The order of ``items`` does not matter.

    Args:
        policy: Of the insured region, valid on the day of the visit.
        person: Who is treated.
        accumulators: The year's counters before this bill, by name; a missing one is 0.
        visit: Kind of visit.
        items: The bill, classified by the catalogue of the care region.

    Raises:
        Refused: ``insurer.no_benefit_rule``, ``insurer.charge_invalid``.
    """
    schedule = policy.schedule_for(person, visit)
    place = policy.rule_of_place(visit.place)
    course = _Course(accumulators, visit.so_far, [], {}, {}, {}, NOTHING)
    lines = split_with_trace(policy, items, visit, course.trace)
    burden, whole = _outside_scope(lines)
    scope = Fen(whole - sum(burden.values()))
    regions = _NO_REGIONS if place is None else _regions(policy, visit)
    deductible = _layers(course, schedule.layers, person, place, regions, scope)
    fund_sum = Fen(sum(course.funds.values()))
    burden[PersonPart.DEDUCTIBLE] = deductible
    burden[PersonPart.SCOPE_SHARE] = Fen(scope - deductible - fund_sum)
    outside = dict(burden)
    hospital = _hospital(course, schedule.hospital, burden, whole)
    paid = _accounts(course, policy, person, visit, burden)
    amounts = _amounts(outside, scope, course.funds, hospital, paid, person.account_balance)
    return Settlement(
        policy_id=policy.policy_id,
        policy_version=policy.version,
        amounts=amounts,
        pool_prop_selfpay=course.reached,
        lines=lines,
        details=_details(policy, schedule, person, amounts, course.rooms),
        accrual=course.accrual,
        trace=tuple(course.trace),
    )


_NO_REGIONS: Mapping[str, int] = {}


def _regions(policy: Policy, visit: VisitFacts) -> Mapping[str, int]:
    """Whose catalogue and whose policy, as facts of the trace, where they were told."""
    if not visit.care_region:
        return _NO_REGIONS
    return {"care_region": int(visit.care_region), "insured_region": int(policy.region)}


def _outside_scope(lines: Sequence[LineSplit]) -> tuple[Burden, Fen]:
    """What of the bill is outside the scope, by part; and the whole bill."""
    own = over = upfront = scope = 0
    for line in lines:
        own += line.fulamt_ownpay_amt
        over += line.overlmt_amt
        upfront += line.preselfpay_amt
        scope += line.inscp_scp_amt
    parts = {
        PersonPart.UPFRONT: Fen(upfront),
        PersonPart.OVER_LIMIT: Fen(over),
        PersonPart.OWN: Fen(own),
    }
    return parts, Fen(own + over + upfront + scope)


def _layers(
    course: _Course,
    layers: tuple[Layer, ...],
    person: Beneficiary,
    place: OutOfRegion | None,
    regions: Mapping[str, int],
    scope: Fen,
) -> Fen:
    """Let every layer pay; gives the deductible of the basic insurance that was borne.

    A later layer looks at what the earlier ones leave with the person above the deductible:
    the national arithmetic (2.12) lets no fund pay of the deductible.
    """
    base = _after_share(course, place, regions, scope)
    ratio_off = NOTHING if place is None else place.ratio_off
    deductible, course.reached = _pay(course, layers[0], base, ratio_off, _BASIC_RULES)
    above = Fen(base - deductible)
    for layer in layers[1:]:
        left = Fen(above - sum(course.funds.values()))
        if left and (layer.identity is None or layer.identity in person.identities):
            _pay(course, layer, left, NOTHING, _LATER_RULES)
    return deductible


def _after_share(
    course: _Course, place: OutOfRegion | None, regions: Mapping[str, int], scope: Fen
) -> Fen:
    if place is None:
        return scope
    borne = portion(scope, place.share)
    left = Fen(scope - borne)
    course.step(
        Rule.OUT_OF_REGION,
        place.clause,
        (scope, left),
        ratio=place.share,
        share=place.ratio_off,
        borne=borne,
        **regions,
    )
    return left


def _pay(
    course: _Course, layer: Layer, base: Fen, ratio_off: Ratio, named: tuple[Rule, Rule]
) -> tuple[Fen, Ratio]:
    """Let one layer pay of ``base``; gives its deductible and the last ratio that was reached."""
    borne = _deductible(course, layer.deductible, base, named[0])
    above = Fen(base - borne)
    pays, reached = _segments(course, layer, above, ratio_off, named[1])
    _caps(course, layer.caps, pays)
    course.grow(layer.counter, above)
    course.funds.update(pays)
    return borne, reached


def _deductible(course: _Course, rule: Deductible, base: Fen, named: Rule) -> Fen:
    facts: dict[str, int] = {}
    standard = rule.amounts[0]
    if rule.admissions is not None:
        here = course.visit.get(rule.admissions, ZERO)
        before = course.year.get(rule.admissions, ZERO) - here
        standard = rule.amounts[min(max(0, before), len(rule.amounts) - 1)]
        facts["admission"] = before + 1
        course.grow(rule.admissions, Fen(0 if here else 1))
    if not base:
        return ZERO
    if rule.period is not Period.YEAR:
        facts["visit"] = 1
    used = course.counted(rule.counter, rule.period)
    borne = Fen(min(base, max(0, standard - used)))
    facts |= {"standard": standard, "used": used, "borne": borne}
    course.trace.append(Step(named, rule.clause, "", base, Fen(base - borne), facts))
    course.grow(rule.counter, borne)
    return borne


def _segments(
    course: _Course, layer: Layer, above: Fen, ratio_off: Ratio, named: Rule
) -> tuple[dict[Fund, Fen], Ratio]:
    position = course.counted(layer.counter, layer.period)
    end = position + above
    if layer.mode is Mode.WHOLE:
        return _whole(course, layer, (above, end), ratio_off, named)
    funds: dict[Fund, Fen] = {}
    reached = NOTHING
    for clause, low, high, fund, ratio in layer.segments:
        top = end if high is None or end < high else high
        part = Fen(top - (position if position > low else low))
        if part <= 0:
            continue
        reached = Ratio(max(0, ratio - ratio_off))
        pays = portion(part, reached)
        funds[fund] = Fen(funds.get(fund, 0) + pays)
        facts = {"above": low, "ratio": reached, "part": part, "pays": pays}
        if high is not None:
            facts["up_to"] = high
        if layer.period is not Period.YEAR:
            facts["visit"] = 1
        left = Fen(above - part)
        course.trace.append(Step(named, clause, fund, above, left, facts))
        above = left
    return funds, reached


def _whole(
    course: _Course, layer: Layer, reach: tuple[Fen, int], ratio_off: Ratio, named: Rule
) -> tuple[dict[Fund, Fen], Ratio]:
    """The ratio of the segment in which the visit ends, for all that is new of it."""
    above, end = reach
    if not above:
        return {}, NOTHING
    segment = next(each for each in layer.segments if each.up_to is None or end <= each.up_to)
    ratio = Ratio(max(0, segment.ratio - ratio_off))
    pays = portion(above, ratio)
    facts = {"above": segment.above, "ratio": ratio, "part": above, "pays": pays}
    if segment.up_to is not None:
        facts["up_to"] = segment.up_to
    facts["visit"] = facts["whole"] = 1
    course.trace.append(Step(named, segment.clause, segment.fund, above, ZERO, facts))
    return {segment.fund: pays}, ratio


def _caps(course: _Course, caps: tuple[Cap, ...], funds: dict[Fund, Fen]) -> None:
    """Cut ``funds`` to their caps, hand the rest on, and count what they pay."""
    for cap in caps:
        used = course.counted(cap.counter, cap.period)
        room = Fen(max(0, cap.amount - used))
        course.rooms[cap.fund] = Fen(min(room, course.rooms.get(cap.fund, room)))
        would = funds.get(cap.fund, ZERO)
        if would <= room:
            continue
        funds[cap.fund] = room
        facts: dict[str, int] = {"limit": cap.amount, "used": used}
        if cap.period is Period.VISIT:
            facts["visit"] = 1
        course.trace.append(Step(Rule.CAP, cap.clause, cap.fund, would, room, facts))
        if cap.beyond is not None:
            _pay_beyond(course, cap.beyond, Fen(would - room), funds)
    for counter, fund in {cap.counter: cap.fund for cap in caps}.items():
        course.grow(counter, funds.get(fund, ZERO))


def _pay_beyond(course: _Course, rule: AboveCap, excess: Fen, funds: dict[Fund, Fen]) -> None:
    pays = portion(excess, rule.ratio)
    funds[rule.fund] = Fen(funds.get(rule.fund, 0) + pays)
    facts = {"ratio": rule.ratio, "pays": pays}
    left = Fen(excess - pays)
    course.trace.append(Step(Rule.ABOVE_CAP, rule.clause, rule.fund, excess, left, facts))


def _hospital(course: _Course, rule: HospitalRule | None, burden: Burden, whole: Fen) -> Fen:
    """Relieve ``burden`` of what the hospital bears; gives its part."""
    if rule is None:
        return ZERO
    may_have = portion(whole, rule.above)
    found = Fen(sum([burden[part] for part in rule.parts]))
    if found <= may_have:
        return ZERO
    bears = Fen(found - may_have)
    before = Fen(sum(burden.values()))
    _take(burden, rule.parts, bears)
    moved = (before, Fen(before - bears))
    facts = {"ratio": rule.above, "limit": may_have, "found": found, "pays": bears}
    course.step(Rule.HOSPITAL, rule.clause, moved, **facts)
    return bears


def _take(burden: Burden, parts: tuple[PersonPart, ...], amount: Fen) -> Fen:
    """Take at most ``amount`` from parts of a burden, in order; gives what was taken."""
    left = amount
    for part in parts:
        here = min(left, burden[part])
        burden[part] = Fen(burden[part] - here)
        left = Fen(left - here)
    return Fen(amount - left)


def _accounts(
    course: _Course, policy: Policy, person: Beneficiary, visit: VisitFacts, burden: Burden
) -> tuple[Fen, Fen]:
    """What the person's own account and relatives' accounts pay, in this order; rest in cash."""
    own = family = ZERO
    if visit.acct_used and policy.account is not None:
        rule = policy.account
        own = _from_account(course, Rule.ACCOUNT, rule, person.account_balance, burden)
    if person.family_balance and policy.family_account is not None:
        rule = policy.family_account
        family = _from_account(course, Rule.FAMILY, rule, person.family_balance, burden)
    course.step(Rule.CASH, policy.cash_clause, (Fen(sum(burden.values())), ZERO))
    return own, family


def _from_account(
    course: _Course, named: Rule, rule: AccountRule, balance: Fen, burden: Burden
) -> Fen:
    before = Fen(sum(burden.values()))
    pays = _take(burden, rule.pays, Fen(max(0, balance)))
    moved = (before, Fen(before - pays))
    course.step(named, rule.clause, moved, balance=balance, pays=pays, left=balance - pays)
    return pays


def _amounts(
    burden: Mapping[PersonPart, Fen],
    scope: Fen,
    funds: Mapping[Fund, Fen],
    hospital: Fen,
    accounts: tuple[Fen, Fen],
    balance: Fen,
) -> Amounts:
    own, over = burden[PersonPart.OWN], burden[PersonPart.OVER_LIMIT]
    upfront = burden[PersonPart.UPFRONT]
    psn_part = Fen(sum(burden.values()) - hospital)
    account, family = accounts
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
        acct_mulaid_pay=family,
        psn_cash_pay=Fen(psn_part - account - family),
        hosp_part_amt=hospital,
        balc=Fen(balance - account),
    )


def _details(
    policy: Policy,
    schedule: Schedule,
    person: Beneficiary,
    amounts: Amounts,
    rooms: Mapping[Fund, Fen],
) -> tuple[FundDetail, ...]:
    rows = [
        (name, rooms.get(fund, ZERO), amounts.paid_by(fund)) for fund, name in policy.funds.items()
    ]
    if schedule.hospital is not None:
        rows.append((schedule.hospital.name, ZERO, amounts.hosp_part_amt))
    if policy.account is not None:
        rows.append((policy.account.name, person.account_balance, amounts.acct_pay))
    if policy.family_account is not None:
        name = policy.family_account.name
        rows.append((name, person.family_balance, amounts.acct_mulaid_pay))
    scope = amounts.inscp_scp_amt
    return tuple(
        [
            FundDetail(name.fund_pay_type, name.name, scope, room, paid)
            for name, room, paid in rows
            if paid
        ]
    )
