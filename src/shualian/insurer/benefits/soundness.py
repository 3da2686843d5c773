"""What no policy may do, asked of the compiled rules: pay less for more, promise what never comes.

``check_soundness`` is decided from the rules alone and is part of reading a file.
``check_by_trial`` settles bills of many amounts through the calculation itself; it proves nothing
between them, and finds what the first did not think of.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import ZERO, Fen
from shualian.insurer.benefits.model import (
    NOTHING,
    WHOLE,
    Beneficiary,
    Cap,
    CarePlace,
    Case,
    ClassifiedItem,
    ItemLevel,
    Layer,
    Mode,
    Period,
    Policy,
    Ratio,
    Segment,
    VisitFacts,
    settle,
)
from shualian.insurer.benefits.tables import refuse

_TRIAL_BILL_MAX = Fen(2_000_000_00)
_TRIAL_STEP = 1.5


def check_soundness(policy: Policy) -> None:
    """Check the compiled rules against each other.

    With marginal ratios in 0..1 a dearer bill cannot cost less: every payer takes at most one
    fen of each further fen. A ratio for the whole bill can jump, and may only jump down.

    Raises:
        Refused: ``insurer.policy_invalid``.
    """
    layers = [layer for schedule in policy.schedules.values() for layer in schedule.layers]
    for layer in layers:
        if layer.mode is Mode.WHOLE:
            _check_jumps(layer)
    _check_paying(policy, layers)


def _check_jumps(layer: Layer) -> None:
    for segment, following in pairwise(layer.segments):
        if following.ratio > segment.ratio:
            refuse(
                f"clause {following.clause}",
                f"a dearer bill would cost the person less: past {segment.up_to} fen all of it is "
                f"paid at {following.ratio} instead of {segment.ratio} of {WHOLE}",
            )


def _check_paying(policy: Policy, layers: Sequence[Layer]) -> None:
    """Each segment pays in one of its cases at least, before a cap has stopped its fund."""
    off = Fen(max((rule.ratio_off for rule in policy.out_of_region.values()), default=NOTHING))
    stopped: dict[str, Cap] = {}
    paying: set[str] = set()
    for layer in layers:
        for segment in layer.segments:
            cap = _stopped_by(segment, layer, layers, off)
            if cap is None:
                paying.add(segment.clause)
            else:
                stopped[segment.clause] = cap
    for clause, cap in stopped.items():
        if clause not in paying:
            refuse(f"clause {clause}", f"unreachable: cap {cap.clause} stops its fund before it")


def _stopped_by(segment: Segment, layer: Layer, layers: Sequence[Layer], off: int) -> Cap | None:
    """The cap, with nobody beyond, that is used up wherever this segment begins."""
    for cap in layer.caps:
        over_other_time = (cap.period, layer.period) == (Period.VISIT, Period.YEAR)
        if cap.fund is not segment.fund or cap.beyond is not None or over_other_time:
            continue
        together = [layer]
        if layer.period is Period.YEAR:
            together = [each for each in layers if each.counter == layer.counter]
        if min(_least_paid(each, cap, segment.above, off) for each in together) >= cap.amount:
            return cap
    return None


def _least_paid(layer: Layer, cap: Cap, position: Fen, off: int) -> Fen:
    """The least that the capped counter can stand at when the segments have come to here."""
    if all(each.counter != cap.counter for each in layer.caps):
        return ZERO
    paid = 0
    for segment in layer.segments:
        end = position if segment.up_to is None else min(position, segment.up_to)
        if segment.fund is cap.fund and end > segment.above:
            ratio = max(0, segment.ratio - off)
            paid += (end - segment.above) * ratio // WHOLE
    return Fen(paid)


def check_by_trial(policy: Policy) -> int:
    """Settle bills of many amounts and compare neighbours; gives how many were settled.

    Each case is tried as the first visit of the year and with every deductible borne, here and
    elsewhere, without and with an equal amount outside the scope, at the edges of its rules to
    the fen.

    Raises:
        Refused: ``insurer.policy_invalid`` when the dearer of two bills costs the person less.
    """
    settled = 0
    for case, schedule in policy.schedules.items():
        person = person_of(policy, case)
        amounts = _amounts_to_try(schedule.layers)
        for visit in _visits(policy, case):
            for year in ({}, _all_borne(schedule.layers)):
                for outside in (False, True):
                    costs = [
                        _cost(policy, person, year, visit, amount, outside=outside)
                        for amount in amounts
                    ]
                    settled += len(costs)
                    _check_rising(case, amounts, costs)
    return settled


def _check_rising(case: Case, amounts: Sequence[Fen], costs: Sequence[Fen]) -> None:
    for (amount, cost), (dearer, less) in pairwise(zip(amounts, costs, strict=True)):
        if less < cost:
            refuse(
                f"case {'/'.join(case)}".rstrip("/"),
                f"a bill of {amount} fen costs the person {cost} fen, one of {dearer} only {less}",
            )


def person_of(policy: Policy, case: Case) -> Beneficiary:
    """Somebody of the group of a case, with an empty account."""
    psn_type = next(kind for kind, group in policy.groups.items() if group == case.group)
    return Beneficiary(psn_type, ZERO)


def visit_of(policy: Policy, case: Case, place: CarePlace = CarePlace.LOCAL) -> VisitFacts:
    """A visit of a case."""
    codes = (code for code, group in policy.diseases.items() if group == case.disease)
    return VisitFacts(
        med_type=case.med_type,
        institution_level=case.institution_level,
        acct_used=False,
        dise_codg=next(codes, ""),
        place=place,
    )


def _visits(policy: Policy, case: Case) -> Iterator[VisitFacts]:
    for place in (CarePlace.LOCAL, *policy.out_of_region):
        yield visit_of(policy, case, place)


def _all_borne(layers: Sequence[Layer]) -> dict[str, Fen]:
    return {layer.deductible.counter: layer.deductible.amounts[0] for layer in layers}


def _amounts_to_try(layers: Sequence[Layer]) -> list[Fen]:
    edges = [0, *(cap.amount for layer in layers for cap in layer.caps)]
    for layer in layers:
        starts = (0, *layer.deductible.amounts)
        bounds = [0, *(segment.above for segment in layer.segments)]
        edges += [start + bound for start in starts for bound in bounds]
    amount = 100.0
    while amount < _TRIAL_BILL_MAX:
        edges.append(int(amount))
        amount *= _TRIAL_STEP
    return sorted({Fen(edge + fen) for edge in edges for fen in (0, 1)})


def _cost(
    policy: Policy,
    person: Beneficiary,
    year: dict[str, Fen],
    visit: VisitFacts,
    amount: Fen,
    *,
    outside: bool,
) -> Fen:
    bill = [trial_item("1", ItemLevel.A, amount)]
    if outside:
        bill.append(trial_item("2", ItemLevel.C, amount))
    return settle(policy, person, year, visit, bill).amounts.psn_part_amt


def trial_item(number: str, level: ItemLevel, amount: Fen) -> ClassifiedItem:
    """A charge item without ceiling or limit, class B with an upfront share of a tenth."""
    share = {ItemLevel.A: NOTHING, ItemLevel.B: WHOLE // 10, ItemLevel.C: WHOLE}[level]
    return ClassifiedItem(
        feedetl_sn=ChargeItemNo(number),
        name_zh={ItemLevel.A: "甲类项目", ItemLevel.B: "乙类项目", ItemLevel.C: "丙类项目"}[level],
        name_en=f"class {level.name} item",
        chrgitm_lv=level,
        med_chrgitm_type="14",
        det_item_fee_sumamt=amount,
        cnt=Decimal(1),
        pric=Decimal(amount) / 100,
        selfpay_prop=Ratio(share),
        pric_uplmt_amt=None,
    )
