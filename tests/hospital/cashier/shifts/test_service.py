from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital.cashier.desk import (
    DUE,
    OTHER_CLERK,
    handed_over,
    in_cash,
    mixed,
    pieces,
    refusal,
)
from hospital.world import CLERK, World, command, in_parallel
from shualian.core.identifiers import StaffId
from shualian.core.money import Fen
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.cashier.refunds.model import RefundDue
from shualian.hospital.cashier.shifts.model import (
    COUNT_INVALID,
    DENOMINATIONS,
    DIFFERENCE_UNEXPLAINED,
    FLOAT_DIFFERS,
    NO_OPEN_SHIFT,
    SHIFT_NOT_FOUND,
    SHIFT_OPEN,
    SHIFT_STEP,
    Count,
    DifferenceReason,
    DrawerNo,
    Shift,
    ShiftId,
    ShiftState,
    counted,
)
from shualian.hospital.model import COMMAND_DIFFERS
from shualian.staff.model import SAME_PERSON


def count_it(
    world: World, count: Count, left_fen: int, reason: DifferenceReason, by: StaffId = CLERK
) -> Shift:
    return world.desk.shifts.hand_over(
        shift_id=world.shift.shift_id,
        clerk=by,
        count=count,
        left_fen=Fen(left_fen),
        reason=reason,
    )


@given(st.dictionaries(st.sampled_from(sorted(DENOMINATIONS)), st.integers(0, 500)))
def test_a_count_is_the_sum_of_its_pieces(count: dict[Fen, int]) -> None:
    expected = [denomination for denomination, pieces in count.items() for _ in range(pieces)]
    assert counted(count) == sum(expected)


@pytest.mark.parametrize("count", [{Fen(3_00): 1}, {Fen(1_00): -1}, {Fen(1_00): 100_001}])
def test_a_count_of_notes_that_do_not_exist_is_none(count: dict[Fen, int]) -> None:
    assert refusal(lambda: counted(count)) is COUNT_INVALID


def test_a_drawer_holds_its_float_and_the_cash_but_no_card_slips(any_world: World) -> None:
    shift = any_world.opened(OTHER_CLERK, "2", 200_00)
    mixed(any_world, any_world.settled())
    first = any_world.desk.shifts.of_clerk(clerk=CLERK)
    assert (first.expected_fen, first.card_fen, first.epay_fen) == (34_80, 50_00, 30_00)
    assert first.takings == 1
    assert any_world.desk.shifts.standing(shift_id=shift.shift_id).expected_fen == 200_00
    assert [view.shift.clerk for view in any_world.desk.shifts.not_closed()] == [
        CLERK,
        OTHER_CLERK,
    ]


def test_a_handover_is_counted_by_one_and_confirmed_by_another(any_world: World) -> None:
    in_cash(any_world, any_world.settled())
    after = count_it(any_world, pieces(DUE), 14_80, DifferenceReason.NONE)
    assert after.state is ShiftState.COUNTED
    assert count_it(any_world, pieces(DUE), 14_80, DifferenceReason.NONE) == after
    shifts, number = any_world.desk.shifts, any_world.shift.shift_id
    assert refusal(lambda: shifts.confirm(shift_id=number, by=CLERK)) is SAME_PERSON
    closed = shifts.confirm(shift_id=number, by=OTHER_CLERK)
    assert (closed.state, closed.confirmed_by) == (ShiftState.CLOSED, OTHER_CLERK)
    assert shifts.confirm(shift_id=number, by=OTHER_CLERK) == closed
    assert refusal(lambda: shifts.dispute(shift_id=number, by=OTHER_CLERK)) is SHIFT_STEP


def test_a_difference_is_recorded_with_its_reason_and_no_reason_hides_none(
    world: World,
) -> None:
    in_cash(world, world.settled())
    short = pieces(DUE - 5_00)
    for count, reason in (
        (short, DifferenceReason.NONE),
        (pieces(DUE), DifferenceReason.CHANGE),
    ):
        kind = refusal(partial(count_it, world, count, 0, reason))
        assert kind is DIFFERENCE_UNEXPLAINED
    after = count_it(world, short, 0, DifferenceReason.CHANGE)
    assert after.handover is not None
    assert after.handover.difference_fen == -5_00
    assert refusal(lambda: count_it(world, pieces(DUE), 0, DifferenceReason.NONE)) is SHIFT_STEP


def test_who_takes_over_and_counts_something_else_sends_it_back(world: World) -> None:
    count_it(world, {}, 0, DifferenceReason.NONE)
    again = world.desk.shifts.dispute(shift_id=world.shift.shift_id, by=OTHER_CLERK)
    assert (again.state, again.handover) == (ShiftState.OPEN, None)
    assert handed_over(world, world.shift).state is ShiftState.CLOSED


def test_a_drawer_begins_with_what_was_left_in_it(any_world: World) -> None:
    in_cash(any_world, any_world.settled())
    handed_over(any_world, any_world.shift, left_fen=100_00)
    assert refusal(lambda: any_world.opened(OTHER_CLERK, "1", 99_00)) is FLOAT_DIFFERS
    shift = any_world.opened(OTHER_CLERK, "1", 100_00)
    assert any_world.desk.shifts.standing(shift_id=shift.shift_id).expected_fen == 100_00


def test_no_more_stays_in_the_drawer_than_was_counted(world: World) -> None:
    assert refusal(lambda: count_it(world, {}, 1, DifferenceReason.NONE)) is COUNT_INVALID


@pytest.mark.parametrize(
    ("clerk", "drawer"), [(OTHER_CLERK, "1"), (CLERK, "2")], ids=["the drawer", "the clerk"]
)
def test_a_drawer_and_a_clerk_have_one_shift_at_a_time(
    world: World, clerk: StaffId, drawer: str
) -> None:
    assert refusal(lambda: world.opened(clerk, drawer)) is SHIFT_OPEN


def test_two_clerks_who_want_one_drawer_at_once_do_not_both_get_it(any_world: World) -> None:
    clerks = [StaffId(f"S10{number}") for number in range(3)]
    results = in_parallel([partial(any_world.opened, clerk, "7") for clerk in clerks])
    assert [each.kind for each in results if isinstance(each, Refused)] == [SHIFT_OPEN] * 2


def test_a_repeated_opening_is_the_same_shift(world: World) -> None:
    number = command()

    def open_with(float_fen: int) -> Shift:
        return world.desk.shifts.open(
            command_id=number,
            drawer=DrawerNo("3"),
            clerk=OTHER_CLERK,
            count=pieces(float_fen),
        )

    assert open_with(50_00) == open_with(50_00)
    assert refusal(lambda: open_with(60_00)) is COMMAND_DIFFERS


def test_nobody_hands_over_a_shift_that_is_not_theirs_or_not_there(world: World) -> None:
    kinds: list[RefusalKind] = [
        refusal(lambda: count_it(world, {}, 0, DifferenceReason.NONE, OTHER_CLERK)),
        refusal(lambda: world.desk.shifts.confirm(shift_id=ShiftId("X1"), by=CLERK)),
        refusal(lambda: world.desk.shifts.of_clerk(clerk=OTHER_CLERK)),
    ]
    assert kinds == [NO_OPEN_SHIFT, SHIFT_NOT_FOUND, NO_OPEN_SHIFT]


@settings(max_examples=20)
@given(st.data())
def test_a_drawer_is_the_sum_of_what_went_in_and_out_and_never_below_zero(
    make_world: Callable[[], World], data: st.DataObject
) -> None:
    world = make_world()
    number = world.shift.shift_id
    inside, due = 0, list[RefundDue]()
    for gives in data.draw(st.lists(st.booleans(), min_size=1, max_size=5)):
        if gives and due:
            refund = due.pop()
            world.desk.refunds.pay_out(command_id=command(), refund_id=refund.refund_id, by=CLERK)
            inside -= refund.amount_fen
        else:
            payment = world.settled()
            inside += in_cash(world, payment).cash_fen
            due += world.desk.refunds.cancel(payment=payment.command_id, by=CLERK).dues
        assert world.desk.shifts.standing(shift_id=number).expected_fen == inside >= 0
    for refund in due:
        world.desk.refunds.pay_out(command_id=command(), refund_id=refund.refund_id, by=CLERK)
    assert world.desk.shifts.standing(shift_id=number).expected_fen == 0
