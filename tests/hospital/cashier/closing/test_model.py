from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital.world import START, command
from shualian.core.clock import business_date
from shualian.core.identifiers import SettlementId
from shualian.core.money import Fen
from shualian.hospital.cashier.closing.model import (
    REPAIR_OF,
    Cause,
    DrawerLine,
    HospitalDay,
    InsurerDay,
    Line,
    Near,
    Repair,
    WalletLine,
    bounds_of,
    differences,
    totals_of,
)
from shualian.hospital.wallet.model import Movement, MovementKind, WalletNo

HOLD, PAYMENT = command(), command()


def line(number: int, fen: int = 100_00, *, cancels: bool = False) -> Line:
    sign = -1 if cancels else 1
    fund = fen // 2
    return Line(
        SettlementId(f"S{number}"),
        command(),
        cancels,
        Fen(sign * fen),
        Fen(sign * fund),
        Fen(0),
        Fen(sign * (fen - fund)),
    )


def at_insurer(*lines: Line) -> InsurerDay:
    fund = Fen(sum(each.fund_fen for each in lines))
    return InsurerDay(lines, totals_of(lines), {"hifp_pay": fund} if fund else {})


def at_hospital(*lines: Line) -> HospitalDay:
    fund = Fen(sum(each.fund_fen for each in lines))
    return HospitalDay(lines, {"hifp_pay": fund} if fund else {})


def moved(fen: int, kind: MovementKind = MovementKind.CAPTURE) -> Movement:
    return Movement(WalletNo("W"), kind, command(), HOLD, Fen(fen), START)


ONE, BACK = line(1), line(1, cancels=True)
PAID = WalletLine(HOLD, PAYMENT, MovementKind.CAPTURE, Fen(5_00))
HAS_PAID = HospitalDay((), {}, wallet=(PAID,))
CASES: list[tuple[Cause, HospitalDay, InsurerDay, tuple[Movement, ...], Near]] = [
    (Cause.ONLY_AT_INSURER, at_hospital(), at_insurer(ONE), (), Near()),
    (Cause.ONLY_AT_HOSPITAL, at_hospital(ONE), at_insurer(), (), Near()),
    (Cause.CANCELLED_AT_INSURER_ONLY, at_hospital(ONE), at_insurer(ONE, BACK), (), Near()),
    (Cause.CANCELLED_AT_HOSPITAL_ONLY, at_hospital(ONE, BACK), at_insurer(ONE), (), Near()),
    (
        Cause.AMOUNTS_DIFFER,
        at_hospital(ONE),
        at_insurer(replace(ONE, medfee_fen=Fen(1))),
        (),
        Near(),
    ),
    (Cause.OTHER_DAY, at_hospital(ONE), at_insurer(), (), Near(insurer=frozenset([ONE.key]))),
    (Cause.OTHER_DAY, at_hospital(), at_insurer(ONE), (), Near(lines=frozenset([ONE.key]))),
    (
        Cause.UNKNOWN_HERE,
        replace(at_hospital(), undecided=(ONE.command_id or PAYMENT,)),
        at_insurer(ONE),
        (),
        Near(undecided=frozenset([ONE.command_id or PAYMENT])),
    ),
    (Cause.UNDECIDED, replace(at_hospital(), undecided=(PAYMENT,)), at_insurer(), (), Near()),
    (
        Cause.TOTALS_DIFFER,
        at_hospital(ONE),
        replace(at_insurer(ONE), totals=totals_of([])),
        (),
        Near(),
    ),
    (
        Cause.FUND_DIFFERS,
        replace(at_hospital(ONE), by_fund={"hifp_pay": Fen(50_00), "oth_pay": Fen(1)}),
        at_insurer(ONE),
        (),
        Near(),
    ),
    (Cause.WALLET_ONLY, at_hospital(), at_insurer(), (moved(5_00),), Near()),
    (Cause.WALLET_MISSING, HAS_PAID, at_insurer(), (), Near()),
    (Cause.WALLET_AMOUNT, HAS_PAID, at_insurer(), (moved(4_99),), Near()),
    (
        Cause.WALLET_ONLY,
        HAS_PAID,
        at_insurer(),
        (moved(5_00), moved(5_00, MovementKind.REFUND)),
        Near(),
    ),
    (Cause.OTHER_DAY, HAS_PAID, at_insurer(), (), Near(wallet=(moved(5_00),))),
    (
        Cause.OTHER_DAY,
        at_hospital(),
        at_insurer(),
        (moved(5_00),),
        Near(holds=frozenset([(HOLD, MovementKind.CAPTURE)])),
    ),
    (
        Cause.CASH_UNPAID,
        replace(at_hospital(), unpaid=((PAYMENT, Fen(3)),)),
        at_insurer(),
        (),
        Near(),
    ),
    (
        Cause.DRAWER,
        replace(at_hospital(), drawers=(DrawerLine("X", Fen(10), Fen(9)),)),
        at_insurer(),
        (),
        Near(),
    ),
]


@pytest.mark.parametrize(("cause", "ours", "theirs", "wallet", "near"), CASES)
def test_a_difference_has_one_cause_and_one_repair(
    cause: Cause,
    ours: HospitalDay,
    theirs: InsurerDay,
    wallet: tuple[Movement, ...],
    near: Near,
) -> None:
    (found,) = differences(ours, theirs, wallet, near)
    assert found.cause is cause
    assert found.repair is REPAIR_OF[cause]


def test_every_cause_is_met_by_a_case_and_has_a_repair() -> None:
    assert {case[0] for case in CASES} == set(Cause) == set(REPAIR_OF)
    assert [cause for cause in Cause if REPAIR_OF[cause] is Repair.NOTHING] == [Cause.OTHER_DAY]


LINES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 1_000_00), st.booleans()),
    max_size=12,
    unique_by=lambda each: (each[0], each[2]),
)


@given(LINES, st.permutations(range(12)))
def test_books_with_the_same_lines_agree_in_any_order(
    drawn: list[tuple[int, int, bool]], order: list[int]
) -> None:
    lines = [line(number, fen, cancels=cancels) for number, fen, cancels in drawn]
    shuffled = [lines[place] for place in order if place < len(lines)]
    wallet = (moved(5_00),)
    ours = replace(at_hospital(*lines), wallet=(PAID,))
    assert differences(ours, at_insurer(*shuffled), wallet) == ()


@given(LINES.filter(bool), st.data())
def test_whatever_one_book_lacks_or_tells_otherwise_is_found_and_nothing_else(
    drawn: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    lines = [line(number, fen, cancels=cancels) for number, fen, cancels in drawn]
    place = data.draw(st.integers(0, len(lines) - 1))
    spoilt = lines[place]
    changes: list[Callable[[], list[Line]]] = [
        lambda: lines[:place] + lines[place + 1 :],
        lambda: [
            *lines[:place],
            replace(spoilt, cash_fen=Fen(spoilt.cash_fen + 1)),
            *lines[place + 1 :],
        ],
    ]
    other = data.draw(st.sampled_from(changes))()
    for ours, theirs in ((lines, other), (other, lines)):
        (found,) = differences(at_hospital(*ours), at_insurer(*theirs), ())
        assert found.subject == spoilt.setl_id


def test_a_settlement_and_its_cancellation_add_up_to_nothing() -> None:
    totals = totals_of([ONE, BACK])
    assert (totals.lines, totals.medfee_fen, totals.fund_fen, totals.cash_fen) == (2, 0, 0, 0)


@given(st.dates(date(2020, 1, 1), date(2090, 1, 1)))
def test_a_day_begins_and_ends_at_midnight_in_china(day: date) -> None:
    begin, end = bounds_of(day)
    assert business_date(begin) == day
    assert (end - begin).total_seconds() == 24 * 3600
    assert business_date(end) > day
