from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import CommandId, SettlementId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.reconciliation.model import (
    REPAIR_OF,
    Cause,
    Difference,
    Movement,
    Repair,
    State,
    differences,
)

BILL = Movement(
    CommandId("K1"),
    State.DONE,
    SettlementId("S1"),
    medfee_fen=Fen(92_00),
    fund_fen=Fen(62_00),
    account_fen=Fen(20_00),
    cash_fen=Fen(10_00),
)
AT_HOSPITAL = replace(BILL, wallet=True)
PAID = Movement(CommandId("K1"), State.DONE, None, Fen(10_00), Fen(0), Fen(0), Fen(10_00))


def at(movement: Movement, state: State) -> Movement:
    return replace(movement, state=state)


def causes(
    insurer: Sequence[Movement], hospital: Sequence[Movement], wallet: Sequence[Movement]
) -> list[Cause]:
    return [each.cause for each in differences(insurer, hospital, wallet)]


def test_three_books_that_tell_the_same_do_not_differ() -> None:
    assert causes([BILL], [AT_HOSPITAL], [PAID]) == []
    cash = replace(AT_HOSPITAL, wallet=False)
    assert causes([BILL], [cash], []) == []


@pytest.mark.parametrize(
    ("insurer", "hospital", "wallet", "cause"),
    [
        ([BILL], [], [PAID], Cause.ONLY_AT_INSURER),
        ([], [replace(AT_HOSPITAL, wallet=False)], [], Cause.ONLY_AT_HOSPITAL),
        ([BILL], [at(AT_HOSPITAL, State.UNKNOWN)], [PAID], Cause.UNKNOWN_AND_DONE),
        ([], [at(AT_HOSPITAL, State.UNKNOWN)], [], Cause.UNKNOWN_AND_NOT_DONE),
        (
            [at(BILL, State.UNDONE)],
            [at(AT_HOSPITAL, State.UNKNOWN)],
            [],
            Cause.UNKNOWN_AND_NOT_DONE,
        ),
        (
            [at(BILL, State.UNDONE)],
            [replace(AT_HOSPITAL, wallet=False)],
            [],
            Cause.CANCELLED_AT_INSURER_ONLY,
        ),
        ([BILL], [at(AT_HOSPITAL, State.UNDONE)], [PAID], Cause.CANCELLED_AT_HOSPITAL_ONLY),
        ([BILL], [replace(AT_HOSPITAL, fund_fen=Fen(61_99))], [PAID], Cause.AMOUNTS_DIFFER),
        ([], [], [PAID], Cause.PAID_NOT_SETTLED),
        (
            [at(BILL, State.UNDONE)],
            [at(AT_HOSPITAL, State.UNDONE)],
            [PAID],
            Cause.PAID_NOT_SETTLED,
        ),
        ([BILL], [AT_HOSPITAL], [], Cause.SETTLED_NOT_PAID),
        ([BILL], [AT_HOSPITAL], [at(PAID, State.UNDONE)], Cause.SETTLED_NOT_PAID),
        ([BILL], [AT_HOSPITAL], [replace(PAID, cash_fen=Fen(9_99))], Cause.PAID_OTHER_AMOUNT),
        ([BILL], [AT_HOSPITAL], [at(PAID, State.UNKNOWN)], Cause.WALLET_UNKNOWN),
        ([BILL], [AT_HOSPITAL], [PAID, PAID], Cause.PAID_TWICE),
    ],
)
def test_each_difference_has_its_cause(
    insurer: list[Movement], hospital: list[Movement], wallet: list[Movement], cause: Cause
) -> None:
    assert causes(insurer, hospital, wallet) == [cause]


def test_a_bill_that_both_undid_is_no_difference() -> None:
    undone = at(AT_HOSPITAL, State.UNDONE)

    assert causes([at(BILL, State.UNDONE)], [undone], [at(PAID, State.UNDONE)]) == []
    assert causes([], [undone], []) == []
    assert causes([at(BILL, State.UNDONE)], [], []) == []


def test_every_cause_proposes_a_repair() -> None:
    assert set(REPAIR_OF) == set(Cause)
    assert set(REPAIR_OF.values()) == set(Repair)
    found = Difference(CommandId("K1"), Cause.PAID_NOT_SETTLED, Fen(1), Fen(0))
    assert found.repair is Repair.REFUND_WALLET


def test_a_difference_says_both_amounts() -> None:
    (found,) = differences([BILL], [AT_HOSPITAL], [replace(PAID, cash_fen=Fen(9_99))])

    assert (found.found_fen, found.expected_fen) == (9_99, 10_00)


def test_a_book_with_one_number_for_two_bills_is_not_compared() -> None:
    with pytest.raises(Refused) as refused:
        differences([BILL, replace(BILL, cash_fen=Fen(1))], [], [])

    assert refused.value.kind.code == "insurer.book_ambiguous"


states = st.sampled_from(State)
commands = st.sampled_from("ABCDE").map(CommandId)


@st.composite
def books(draw: st.DrawFn) -> list[Movement]:
    chosen = draw(st.lists(commands, unique=True))
    return [
        replace(AT_HOSPITAL, command_id=each, state=draw(states), setl_id=None) for each in chosen
    ]


@given(books(), books(), st.randoms(use_true_random=False))
def test_the_order_of_movements_does_not_matter(
    insurer: list[Movement], hospital: list[Movement], chance: object
) -> None:
    before = differences(insurer, hospital, [])
    for book in (insurer, hospital):
        chance.shuffle(book)  # type: ignore[attr-defined]

    assert differences(insurer, hospital, []) == before


@given(books())
def test_a_book_without_open_outcomes_agrees_with_itself(book: list[Movement]) -> None:
    settled = [at(each, State.DONE) for each in book]
    paid = [replace(each, cash_fen=BILL.cash_fen) for each in settled]

    assert differences(settled, settled, paid) == ()
