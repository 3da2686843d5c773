from functools import partial

import pytest

from hospital.cashier.desk import (
    CLERK_CALLS,
    DUE,
    ORDER,
    OTHER_CLERK,
    SLIP,
    approved,
    caller,
    handed_over,
    in_cash,
    mixed,
    refusal,
)
from hospital.world import CLERK, PowerCutError, World, command, in_parallel
from shualian.core.identifiers import StaffId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.overrides.model import (
    OVERRIDE_DIFFERS,
    OVERRIDE_NOT_FOUND,
    OVERRIDE_STEP,
    OverrideKind,
    ReasonCode,
)
from shualian.hospital.cashier.shifts.model import NO_OPEN_SHIFT
from shualian.hospital.cashier.tenders.model import (
    CASH_TAKEN,
    TENDER_USED,
    Offer,
    Taking,
    TenderKind,
)
from shualian.hospital.cashier.wording import render_receipt
from shualian.hospital.model import COMMAND_DIFFERS
from shualian.hospital.payments.model import Payment
from shualian.staff.model import Role


def test_card_code_and_cash_pay_one_bill_and_the_receipt_lists_them(any_world: World) -> None:
    payment = any_world.settled()
    taking = mixed(any_world, payment)
    assert (taking.due_fen, taking.change_fen, taking.cash_fen) == (DUE, 5_20, 34_80)
    receipt = any_world.cashier.receipt(payment=payment.command_id)
    assert receipt.cash == taking
    zh, en = ("\n".join(render_receipt(receipt, language)) for language in ("zh", "en"))
    assert f"刷银行卡 50.00 元（参考号 {SLIP}）" in zh
    assert f"扫付款码 30.00 元（单号 {ORDER}），收 40.00 元，找零 5.20 元" in zh
    assert f"50.00 yuan by bank card (reference {SLIP})" in en


def test_the_account_pays_a_part_and_the_window_takes_the_rest(any_world: World) -> None:
    any_world.agreed()
    encounter = any_world.registered()
    any_world.ordered(encounter)
    payment = any_world.prepared(encounter)
    payment = any_world.payments.settle(
        command_id=payment.command_id,
        evidence=any_world.confirmed(payment),
        from_wallet_fen=Fen(100_00),
    )
    taking = any_world.cashier.take(
        command_id=command(),
        payment=payment.command_id,
        offers=[Offer(TenderKind.CARD, Fen(10_00), SLIP), Offer(TenderKind.CASH, Fen(5_00))],
        taken_by=CLERK,
    )
    assert (taking.due_fen, taking.change_fen) == (14_80, 20)
    assert any_world.cashier.receipt(payment=payment.command_id).wallet_fen == 100_00


def test_a_repeated_command_takes_nothing_more_and_another_body_is_refused(world: World) -> None:
    payment, number = world.settled(), command()
    offers = [Offer(TenderKind.CARD, Fen(DUE), SLIP)]

    def take(given: list[Offer]) -> Taking:
        return world.cashier.take(
            command_id=number, payment=payment.command_id, offers=given, taken_by=CLERK
        )

    first = take(offers)
    assert take(offers) == first
    assert refusal(lambda: take([Offer(TenderKind.CASH, Fen(DUE))])) is COMMAND_DIFFERS


def test_one_slip_pays_one_bill_however_many_windows_use_it_at_once(any_world: World) -> None:
    payments = [any_world.settled() for _ in range(3)]
    due = max(payment.cash_due_fen for payment in payments)
    payments = [payment for payment in payments if payment.cash_due_fen == due]
    assert len(payments) >= 2

    def take(place: int) -> Taking:
        return any_world.cashier.take(
            command_id=command(),
            payment=payments[place].command_id,
            offers=[Offer(TenderKind.CARD, due, SLIP)],
            taken_by=CLERK,
        )

    results = in_parallel([partial(take, place) for place in range(len(payments))])
    refusals = [each.kind for each in results if isinstance(each, Refused)]
    assert refusals == [TENDER_USED] * (len(payments) - 1)


def test_no_money_is_taken_without_an_open_shift(world: World) -> None:
    payment = world.settled()
    assert refusal(lambda: in_cash(world, payment, OTHER_CLERK)) is NO_OPEN_SHIFT
    handed_over(world, world.shift)
    assert refusal(lambda: in_cash(world, payment)) is NO_OPEN_SHIFT
    world.opened(OTHER_CLERK, "2")
    assert in_cash(world, payment, OTHER_CLERK).due_fen == DUE


@pytest.mark.parametrize("steps", range(2))
def test_a_bill_is_paid_and_in_the_drawer_or_neither(world: World, steps: int) -> None:
    payment = world.settled()
    world.breaker.steps_left = steps
    with pytest.raises(PowerCutError):
        mixed(world, payment)
    world.start()
    drawer = world.desk.shifts.standing(shift_id=world.shift.shift_id)
    assert drawer.expected_fen == (34_80 if steps else 0)
    if steps:
        assert refusal(lambda: mixed(world, payment)) is CASH_TAKEN
    else:
        assert mixed(world, payment).due_fen == DUE


def test_a_part_is_waived_with_two_keys_only_once_and_never_more_than_agreed(
    world: World,
) -> None:
    payment, other = world.settled(), world.settled()
    override = approved(world, OverrideKind.WAIVER, payment, 20_00)

    def take(of: Payment, waived: int, reference: str) -> Taking:
        due = of.cash_due_fen
        return world.cashier.take(
            command_id=command(),
            payment=of.command_id,
            offers=[
                Offer(TenderKind.WAIVER, Fen(waived), reference),
                Offer(TenderKind.CASH, Fen(due - waived)),
            ],
            taken_by=CLERK,
        )

    number = override.override_id
    assert refusal(lambda: take(payment, 20_01, number)) is OVERRIDE_DIFFERS
    assert refusal(lambda: take(other, 20_00, number)) is OVERRIDE_DIFFERS
    assert refusal(lambda: take(payment, 20_00, command())) is OVERRIDE_NOT_FOUND
    taking = take(payment, 20_00, number)
    assert taking.cash_fen == DUE - 20_00
    assert world.cashier.receipt(payment=payment.command_id).cash == taking


def test_a_waiver_that_only_one_person_wants_is_none(world: World) -> None:
    payment = world.settled()
    proposed = world.desk.overrides.propose(
        command_id=command(),
        kind=OverrideKind.WAIVER,
        payment=payment.command_id,
        amount_fen=Fen(DUE),
        reason=ReasonCode.HARDSHIP,
        text="家庭困难",
        caller=caller(StaffId("S003"), Role.CLERK),
    )
    offer = Offer(TenderKind.WAIVER, Fen(DUE), proposed.override_id)
    kind = refusal(
        lambda: world.cashier.take(
            command_id=command(),
            payment=payment.command_id,
            offers=[offer],
            taken_by=CLERK_CALLS.staff_id,
        )
    )
    assert kind is OVERRIDE_STEP
