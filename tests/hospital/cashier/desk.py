"""What the tests of the windows share: second people, offers, whole days."""

from collections.abc import Callable
from datetime import timedelta

from hospital.world import CLERK, HOSPITAL, World, command
from shualian.core.clock import business_date
from shualian.core.identifiers import StaffId
from shualian.core.money import Fen
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.cashier.overrides.model import Override, OverrideKind, ReasonCode
from shualian.hospital.cashier.shifts.model import DifferenceReason, Shift
from shualian.hospital.cashier.tenders.model import Offer, Taking, TenderKind
from shualian.hospital.payments.model import Payment
from shualian.staff.model import Caller, Employer, Role

OTHER_CLERK = StaffId("S002")
ADMINISTRATOR = StaffId("S009")
DUE = 114_80
"""The cash share of a consultation and a chest CT in the tests' world."""
SLIP, ORDER = "241105123456", "4200002345202611051234567890"


def caller(staff_id: StaffId, *roles: Role) -> Caller:
    return Caller(staff_id, Employer(HOSPITAL), frozenset(roles))


CLERK_CALLS = caller(CLERK, Role.CLERK)
OTHER_CALLS = caller(OTHER_CLERK, Role.CLERK)
ADMINISTRATOR_CALLS = caller(ADMINISTRATOR, Role.ADMINISTRATOR)


def mixed(world: World, payment: Payment) -> Taking:
    """50 yuan by card, 30 by code, the rest in cash with change."""
    offers = [
        Offer(TenderKind.CARD, Fen(50_00), SLIP),
        Offer(TenderKind.EPAY, Fen(30_00), ORDER),
        Offer(TenderKind.CASH, Fen(40_00)),
    ]
    return world.cashier.take(
        command_id=command(), payment=payment.command_id, offers=offers, taken_by=CLERK
    )


def in_cash(world: World, payment: Payment, by: StaffId = CLERK) -> Taking:
    return world.cashier.take_cash(
        command_id=command(),
        payment=payment.command_id,
        tendered_fen=payment.cash_due_fen,
        taken_by=by,
    )


def approved(world: World, kind: OverrideKind, payment: Payment, amount_fen: int = 0) -> Override:
    proposed = world.desk.overrides.propose(
        command_id=command(),
        kind=kind,
        payment=payment.command_id,
        amount_fen=Fen(amount_fen),
        reason=ReasonCode.OTHER,
        text="系统故障",
        caller=CLERK_CALLS,
    )
    return world.desk.overrides.decide(
        override_id=proposed.override_id, approves=True, caller=ADMINISTRATOR_CALLS
    )


def pieces(fen: int) -> dict[Fen, int]:
    """An amount in yuan, jiao and fen."""
    return {Fen(1_00): fen // 1_00, Fen(10): fen % 1_00 // 10, Fen(1): fen % 10}


def handed_over(world: World, shift: Shift, *, left_fen: int = 0) -> Shift:
    """The shift's drawer holds what it must, and somebody else agrees."""
    expected = world.desk.shifts.standing(shift_id=shift.shift_id).expected_fen
    world.desk.shifts.hand_over(
        shift_id=shift.shift_id,
        clerk=shift.clerk,
        count=pieces(expected),
        left_fen=Fen(left_fen),
        reason=DifferenceReason.NONE,
    )
    return world.desk.shifts.confirm(shift_id=shift.shift_id, by=OTHER_CLERK)


def next_day(world: World) -> None:
    day = business_date(world.clock.now())
    world.wait(timedelta(hours=24))
    assert business_date(world.clock.now()) > day


def refusal(work: Callable[[], object]) -> RefusalKind:
    """For what a callable is refused."""
    try:
        work()
    except Refused as refused:
        return refused.kind
    raise AssertionError("it was not refused")
