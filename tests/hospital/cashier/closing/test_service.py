from dataclasses import replace
from datetime import date

import pytest

from hospital.cashier.desk import (
    ADMINISTRATOR_CALLS,
    CLERK_CALLS,
    DUE,
    OTHER_CLERK,
    approved,
    handed_over,
    in_cash,
    mixed,
    next_day,
    pieces,
    refusal,
)
from hospital.world import CLERK, START, Fault, World, command, in_parallel
from shualian.core.clock import business_date
from shualian.core.identifiers import CommandId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.closing.model import (
    DAY_CLOSED,
    DAY_NOT_CLOSED,
    DAY_NOT_OVER,
    DIFFERENCES_OPEN,
    SHIFTS_NOT_CLOSED,
    Cause,
    Closing,
    Repair,
)
from shualian.hospital.cashier.closing.service import DayReport
from shualian.hospital.cashier.overrides.model import OverrideKind
from shualian.hospital.cashier.shifts.model import DifferenceReason
from shualian.hospital.cashier.tenders.model import TenderKind
from shualian.hospital.model import COMMAND_DIFFERS, INSURER_UNREACHABLE, OUTCOME_UNKNOWN
from shualian.hospital.payments.model import Payment, PaymentState
from shualian.hospital.wallet.model import WALLET_UNREACHABLE
from shualian.staff.model import ROLE_MISSING

DAY = business_date(START)


def close(
    world: World, day: date = DAY, number: CommandId | None = None, reason: str = ""
) -> Closing:
    return world.desk.closings.close(
        command_id=number or command(), day=day, caller=ADMINISTRATOR_CALLS, reason=reason
    )


def report(world: World, day: date = DAY) -> DayReport:
    return world.desk.closings.report(day=day)


def one_scan(world: World) -> Payment:
    world.agreed()
    encounter = world.registered()
    world.ordered(encounter)
    payment = world.prepared(encounter)
    due = payment.confirmed.amounts.psn_cash_pay
    return world.payments.settle(
        command_id=payment.command_id, evidence=world.confirmed(payment), from_wallet_fen=due
    )


def a_day(world: World) -> None:
    """Mixed tenders, one scan, one cancellation of each, all paid out; the shift handed over."""
    kept, taken_back = world.settled(), world.settled()
    mixed(world, kept)
    in_cash(world, taken_back)
    one_scan(world)
    scanned_back = one_scan(world)
    for payment in (taken_back, scanned_back):
        for due in world.desk.refunds.cancel(payment=payment.command_id, by=CLERK).dues:
            world.desk.refunds.pay_out(command_id=command(), refund_id=due.refund_id, by=CLERK)
    handed_over(world, world.shift)


def test_a_day_in_which_all_went_well_agrees_with_insurer_and_wallet(any_world: World) -> None:
    a_day(any_world)
    found = report(any_world)
    assert found.differences == ()
    assert found.shifts == ()
    assert found.hospital.totals == found.insurer.totals
    assert found.hospital.by_fund == found.insurer.by_fund
    assert found.hospital.taken[TenderKind.CARD] == 50_00
    cash_back = found.hospital.given_back[TenderKind.CASH]
    assert found.hospital.taken[TenderKind.CASH] == 34_80 + cash_back
    assert found.hospital.wallet_fen == sum(any_world.wallet.taken.values()) > 0

    next_day(any_world)
    closing = close(any_world)
    assert closing.hospital == found.hospital
    assert any_world.desk.closings.get(day=DAY) == closing
    assert report(any_world).closed


def test_what_people_paid_is_what_the_day_says_they_owed(world: World) -> None:
    a_day(world)
    day = report(world).hospital
    taken = sum(day.taken.values()) - sum(day.given_back.values()) + day.wallet_fen
    assert day.totals.cash_fen == taken
    parts = day.totals.fund_fen + day.totals.account_fen + day.totals.cash_fen
    assert day.totals.medfee_fen == parts


def test_a_day_is_closed_when_it_is_over_and_its_shifts_are_handed_over(world: World) -> None:
    assert refusal(lambda: close(world)) is DAY_NOT_OVER
    next_day(world)
    assert refusal(lambda: close(world)) is SHIFTS_NOT_CLOSED
    world.desk.shifts.hand_over(
        shift_id=world.shift.shift_id, clerk=CLERK, count={}, left_fen=Fen(0)
    )
    assert refusal(lambda: close(world)) is SHIFTS_NOT_CLOSED
    world.desk.shifts.confirm(shift_id=world.shift.shift_id, by=OTHER_CLERK)
    world.opened(CLERK, "2")
    assert close(world).day == DAY


def test_only_an_administrator_closes(world: World) -> None:
    kind = refusal(
        lambda: world.desk.closings.close(command_id=command(), day=DAY, caller=CLERK_CALLS)
    )
    assert kind is ROLE_MISSING


def test_a_day_is_closed_once(any_world: World) -> None:
    handed_over(any_world, any_world.shift)
    next_day(any_world)
    next_day(any_world)
    number = command()
    first = close(any_world, number=number)
    assert close(any_world, number=number) == first
    results = in_parallel([lambda: close(any_world)] * 3)
    assert [each.kind for each in results if isinstance(each, Refused)] == [DAY_CLOSED] * 3
    tomorrow = business_date(any_world.clock.now()).replace(day=DAY.day + 1)
    assert refusal(lambda: close(any_world, tomorrow, number)) is COMMAND_DIFFERS
    assert refusal(lambda: any_world.desk.closings.get(day=tomorrow)) is DAY_NOT_CLOSED


def test_a_closed_day_stays_as_it_is_whatever_comes_later(any_world: World) -> None:
    payment = any_world.settled()
    in_cash(any_world, payment)
    scanned = one_scan(any_world)
    handed_over(any_world, any_world.shift, left_fen=DUE)
    next_day(any_world)
    closing = close(any_world)
    any_world.opened(CLERK, "9", 200_00)
    for each in (payment, scanned):
        override = approved(any_world, OverrideKind.LATE_CANCELLATION, each)
        any_world.desk.refunds.cancel(
            payment=each.command_id, by=CLERK, override_id=override.override_id
        )
    for due in any_world.desk.refunds.open():
        any_world.desk.refunds.pay_out(command_id=command(), refund_id=due.refund_id, by=CLERK)
    again = report(any_world)
    assert (again.hospital, again.differences) == (closing.hospital, ())
    assert any_world.desk.closings.get(day=DAY) == closing
    today = report(any_world, business_date(any_world.clock.now()))
    assert today.differences == ()
    assert today.hospital.totals.medfee_fen == -closing.hospital.totals.medfee_fen
    assert today.hospital.given_back == {TenderKind.CASH: DUE}


def test_no_money_moves_on_a_day_that_is_closed(world: World) -> None:
    payment = world.settled()
    now = world.clock.now()
    handed_over(world, world.shift)
    next_day(world)
    close(world, reason="病人明天来付")
    world.clock.set(now)
    assert refusal(lambda: world.opened(CLERK, "2")) is DAY_CLOSED
    assert refusal(lambda: in_cash(world, payment)) is DAY_CLOSED


def test_closing_a_day_ends_the_slips_that_nobody_paid(world: World) -> None:
    encounter = world.registered()
    world.ordered(encounter)
    payment = world.payments.reserve(command_id=world.prepared(encounter).command_id)
    handed_over(world, world.shift)
    next_day(world)
    tomorrow = world.registered()
    world.ordered(tomorrow)
    waiting = world.payments.reserve(command_id=world.prepared(tomorrow).command_id)
    close(world)
    assert world.payments.get(command_id=payment.command_id).state is PaymentState.LAPSED
    assert world.payments.get(command_id=waiting.command_id).state is PaymentState.RESERVED


def test_differences_are_mended_or_accepted_with_a_reason(world: World) -> None:
    payment = world.settled()
    handed_over(world, world.shift)
    next_day(world)
    assert refusal(lambda: close(world)) is DIFFERENCES_OPEN
    closing = close(world, reason="病人次日来付")
    (found,) = closing.differences
    assert (found.cause, found.repair) == (Cause.CASH_UNPAID, Repair.COLLECT_OR_CANCEL)
    assert (found.subject, found.expected_fen) == (payment.command_id, DUE)
    assert world.desk.closings.get(day=DAY).differences == (found,)


def test_a_lost_answer_is_found_and_what_it_proposes_mends_it(world: World) -> None:
    encounter = world.registered()
    world.ordered(encounter)
    payment = world.prepared(encounter)
    world.insurer.break_next("2207", Fault.REPLY_LOST)
    evidence = world.confirmed(payment)
    kind = refusal(lambda: world.payments.settle(command_id=payment.command_id, evidence=evidence))
    assert kind is OUTCOME_UNKNOWN
    (found,) = report(world).differences
    assert (found.cause, found.repair) == (Cause.UNKNOWN_HERE, Repair.RESOLVE)
    world.payments.resolve(command_id=payment.command_id)
    in_cash(world, world.payments.get(command_id=payment.command_id))
    assert report(world).differences == ()


def test_a_question_that_never_arrived_is_undecided_until_it_is_resolved(world: World) -> None:
    encounter = world.registered()
    world.ordered(encounter)
    payment = world.prepared(encounter)
    world.insurer.break_next("2207", Fault.REQUEST_LOST)
    evidence = world.confirmed(payment)
    refusal(lambda: world.payments.settle(command_id=payment.command_id, evidence=evidence))
    assert [each.cause for each in report(world).differences] == [Cause.UNDECIDED]


def test_a_drawer_that_was_short_is_shown_with_its_shift(world: World) -> None:
    in_cash(world, world.settled())
    shift = world.shift
    world.desk.shifts.hand_over(
        shift_id=shift.shift_id,
        clerk=CLERK,
        count=pieces(DUE - 1_00),
        left_fen=Fen(0),
        reason=DifferenceReason.UNEXPLAINED,
    )
    (found,) = report(world).differences
    assert (found.cause, found.subject) == (Cause.DRAWER, shift.shift_id)
    assert found.found_fen - found.expected_fen == -1_00


def test_money_that_only_the_wallet_knows_of_is_found(world: World) -> None:
    one_scan(world)
    (captured,) = world.wallet.moved
    world.wallet.moved.append(replace(captured, payment=command()))
    assert [each.cause for each in report(world).differences] == [Cause.WALLET_ONLY]
    world.wallet.moved.clear()
    assert [each.cause for each in report(world).differences] == [Cause.WALLET_MISSING]


@pytest.mark.parametrize("silent", ["insurer", "wallet"])
def test_a_day_is_not_closed_unseen(
    world: World, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_over(world, world.shift)
    next_day(world)

    def no_insurer(_day: date) -> object:
        raise ConnectionError

    def no_wallet(_day: date) -> object:
        raise Refused(WALLET_UNREACHABLE)

    if silent == "insurer":
        monkeypatch.setattr(world.insurer, "of_day", no_insurer)
    else:
        monkeypatch.setattr(world.wallet, "statement", no_wallet)
    expected = INSURER_UNREACHABLE if silent == "insurer" else WALLET_UNREACHABLE
    assert refusal(lambda: close(world)) is expected
    assert refusal(lambda: world.desk.closings.get(day=DAY)) is DAY_NOT_CLOSED
