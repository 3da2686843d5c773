"""Lines that are given back: the rest stays paid, and each fen goes back to where it came from."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from hospital.world import (
    CHEST_CT,
    CLERK,
    CONSULTATION,
    VITAMINS,
    WALLET_MONEY,
    Fault,
    PowerCutError,
    World,
    command,
    in_parallel,
)
from shualian.core.identifiers import ChargeItemNo, CommandId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.refunds.model import RefundCause
from shualian.hospital.cashier.wording import paid_by
from shualian.hospital.model import ANSWER_INVALID, COMMAND_DIFFERS, OUTCOME_UNKNOWN
from shualian.hospital.orders.model import ORDER_INVALID, OrderLine
from shualian.hospital.payments.model import (
    PAYMENT_CASH_TAKEN,
    PAYMENT_IN_PROGRESS,
    PAYMENT_STEP,
    REFUND_ITEMS_INVALID,
    ItemRefund,
    Payment,
    PaymentState,
    RefundSources,
)

ALL = (CONSULTATION, CHEST_CT, VITAMINS)


def lines(world: World, payment: Payment, *codes: str) -> Sequence[ChargeItemNo]:
    items = world.orders.items(encounter_no=payment.encounter_no)
    return [item.feedetl_sn for item in items if item.medins_list_codg in codes]


def refunded(world: World, payment: Payment, *codes: str) -> ItemRefund:
    return world.payments.refund_items(
        command_id=command(), payment=payment.command_id, items=lines(world, payment, *codes)
    )


def now(world: World, payment: Payment) -> Payment:
    return world.payments.get(command_id=payment.command_id)


def paid(world: World, *, from_wallet_fen: Fen = ZERO, cash: bool = False) -> Payment:
    encounter = world.registered()
    if from_wallet_fen:
        world.agreed()
    world.ordered(encounter, *ALL)
    payment = world.paid(encounter, from_wallet_fen=from_wallet_fen)
    if cash:
        world.cashier.take_cash(
            command_id=command(),
            payment=payment.command_id,
            tendered_fen=payment.cash_due_fen,
            taken_by=CLERK,
        )
    return payment


def test_the_rest_stays_paid_and_what_was_given_back_is_on_no_bill(any_world: World) -> None:
    payment = paid(any_world)
    before = payment.answer.amounts

    refund = refunded(any_world, payment, CHEST_CT)

    rest = now(any_world, payment).answer.amounts
    assert rest.medfee_sumamt == 43_00
    assert refund.back == RefundSources(
        fund_fen=Fen(before.fund_pay_sumamt - rest.fund_pay_sumamt),
        account_fen=Fen(before.acct_pay - rest.acct_pay),
        wallet_fen=ZERO,
        window_fen=ZERO,
    )
    items = any_world.orders.items(encounter_no=payment.encounter_no)
    assert {item.medins_list_codg for item in items} == {CONSULTATION, VITAMINS}
    assert any_world.insurer.standing == {payment.command_id: now(any_world, payment).answer}


def test_cash_that_was_not_paid_yet_is_only_asked_for_less(world: World) -> None:
    payment = paid(world)
    refunded(world, payment, CHEST_CT)

    after = now(world, payment)

    assert world.desk.refunds.open() == []
    assert after.cash_due_fen == after.answer.amounts.psn_cash_pay < payment.cash_due_fen


def test_cash_that_was_paid_is_due_back_at_the_window_once(any_world: World) -> None:
    payment = paid(any_world, cash=True)
    refund = refunded(any_world, payment, CHEST_CT)
    rest = now(any_world, payment).answer.amounts

    (due,) = any_world.desk.refunds.open()

    assert refund.back is not None
    assert (due.cause, due.cause_id) == (RefundCause.PARTIAL, refund.command_id)
    assert due.amount_fen == refund.back.window_fen
    assert due.amount_fen == payment.answer.amounts.psn_cash_pay - rest.psn_cash_pay > 0
    any_world.payments.refund_items(
        command_id=refund.command_id, payment=payment.command_id, items=refund.items
    )
    assert any_world.desk.refunds.open() == [due]


def test_what_came_from_an_account_goes_back_to_it_first(any_world: World) -> None:
    payment = paid(any_world, from_wallet_fen=Fen(50_00), cash=True)

    refund = refunded(any_world, payment, CHEST_CT)

    assert refund.back is not None
    assert refund.back.wallet_fen == 50_00
    rest = now(any_world, payment).answer.amounts
    cash_back = payment.answer.amounts.psn_cash_pay - rest.psn_cash_pay - 50_00
    assert refund.back.window_fen == cash_back > 0
    assert any_world.wallet.taken == {}
    assert now(any_world, payment).done


def test_a_second_refund_gives_back_only_what_is_left(world: World) -> None:
    payment = paid(world, from_wallet_fen=Fen(90_00))
    first = refunded(world, payment, VITAMINS)
    assert first.back is not None
    assert first.back.wallet_fen == 18_00
    assert sum(world.wallet.taken.values()) == 72_00

    second = refunded(world, payment, CHEST_CT)

    assert second.back is not None
    rest = now(world, payment).answer.amounts
    assert sum(world.wallet.taken.values()) == 72_00 - second.back.wallet_fen
    assert now(world, payment).cash_due_fen == rest.psn_cash_pay - sum(world.wallet.taken.values())


def test_giving_everything_back_ends_the_payment_and_returns_everything(world: World) -> None:
    payment = paid(world, from_wallet_fen=Fen(50_00))

    refunded(world, payment, *ALL)

    after = now(world, payment)
    assert (after.state, after.undone) == (PaymentState.CANCELLED, True)
    assert world.insurer.balances[payment.psn_no] == 30_00
    assert set(world.wallet.free.values()) == {WALLET_MONEY}
    assert world.insurer.standing == {}


@pytest.mark.parametrize("cash", [False, True])
@pytest.mark.parametrize("wallet_fen", [0, 50_00])
def test_the_receipt_of_what_was_kept_adds_up(world: World, *, cash: bool, wallet_fen: int) -> None:
    payment = paid(world, from_wallet_fen=Fen(wallet_fen), cash=cash)
    refunded(world, payment, CHEST_CT)
    if not cash and now(world, payment).cash_due_fen:
        world.cashier.take_cash(
            command_id=command(),
            payment=payment.command_id,
            tendered_fen=Fen(500_00),
            taken_by=CLERK,
        )

    receipt = world.cashier.receipt(payment=payment.command_id)

    assert len(receipt.lines) == 2
    assert sum(paid_by(receipt.amounts).values()) == 43_00


def test_a_repeated_refund_is_answered_as_the_first_time(world: World) -> None:
    payment, command_id = paid(world), command()
    items = lines(world, payment, CHEST_CT)

    def refund(items: Sequence[ChargeItemNo]) -> ItemRefund:
        return world.payments.refund_items(
            command_id=command_id, payment=payment.command_id, items=items
        )

    assert refund(items) == refund(items)
    assert len(world.insurer.refunded) == 1
    with pytest.raises(Refused) as refused:
        refund(lines(world, payment, VITAMINS))
    assert refused.value.kind is COMMAND_DIFFERS


def test_lines_are_given_back_once_and_only_from_their_own_bill(world: World) -> None:
    payment, other = paid(world), paid(world)
    given = lines(world, payment, CHEST_CT)
    refunded(world, payment, CHEST_CT)

    for items in ([], given, lines(world, other, VITAMINS)):
        with pytest.raises(Refused) as refused:
            world.payments.refund_items(
                command_id=command(), payment=payment.command_id, items=items
            )
        assert refused.value.kind is REFUND_ITEMS_INVALID


def test_what_is_not_settled_is_not_refunded(world: World) -> None:
    encounter = world.registered()
    world.ordered(encounter, *ALL)
    payment = world.prepared(encounter)
    with pytest.raises(Refused) as refused:
        refunded(world, payment, CHEST_CT)
    assert refused.value.kind is PAYMENT_STEP


def test_many_refunds_of_one_line_at_once_give_it_back_once(any_world: World) -> None:
    payment = paid(any_world)
    items = lines(any_world, payment, CHEST_CT)

    results = in_parallel(
        [
            lambda: any_world.payments.refund_items(
                command_id=command(), payment=payment.command_id, items=items
            )
        ]
        * 4
    )

    assert sum(isinstance(result, ItemRefund) for result in results) == 1
    assert now(any_world, payment).answer.amounts.medfee_sumamt == 43_00


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.BUSY, Fault.LATE])
def test_a_refund_without_an_answer_is_a_state_that_the_resolver_ends(
    world: World, fault: Fault
) -> None:
    payment = paid(world, cash=True)
    world.insurer.break_next("refund", fault)
    with pytest.raises(Refused) as refused:
        refunded(world, payment, CHEST_CT)
    assert refused.value.kind is OUTCOME_UNKNOWN
    assert now(world, payment).state is PaymentState.REFUNDING
    with pytest.raises(Refused) as waits:
        world.payments.prepare(command_id=command(), encounter_no=payment.encounter_no)
    assert waits.value.kind is PAYMENT_IN_PROGRESS

    assert world.payments.resolve_all() == []
    world.insurer.deliver_late()

    assert now(world, payment).answer.amounts.medfee_sumamt == 43_00
    assert len(world.insurer.refunded) == len(world.desk.refunds.open()) == 1


@pytest.mark.parametrize("steps", range(12))
def test_wherever_the_power_is_cut_a_refund_ends_whole(world: World, steps: int) -> None:
    payment = paid(world, from_wallet_fen=Fen(50_00), cash=True)
    command_id, items = command(), lines(world, payment, CHEST_CT)
    world.breaker.steps_left = steps
    try:
        refund_with(world, command_id, payment, items)
    except PowerCutError:
        world.start()

    world.start()
    assert world.payments.resolve_all() == []
    refund_with(world, command_id, payment, items)

    assert now(world, payment).done
    assert world.wallet.taken == {}
    assert len(world.insurer.refunded) == len(world.desk.refunds.open()) == 1


def refund_with(
    world: World, command_id: CommandId, payment: Payment, items: Sequence[ChargeItemNo]
) -> None:
    world.payments.refund_items(command_id=command_id, payment=payment.command_id, items=items)


def test_a_refund_whose_money_the_wallet_does_not_answer_for_is_led_on(world: World) -> None:
    payment = paid(world, from_wallet_fen=Fen(50_00))
    world.wallet.break_next("refund", Fault.REPLY_LOST)
    with pytest.raises(Refused):
        refunded(world, payment, CHEST_CT)
    assert not now(world, payment).done
    with pytest.raises(Refused) as waits:
        world.payments.cancel(command_id=payment.command_id)
    assert waits.value.kind is PAYMENT_IN_PROGRESS

    assert world.payments.resolve_all() == []

    assert now(world, payment).done
    assert world.wallet.taken == {}


def test_a_refusal_of_the_insurer_leaves_the_payment_as_it_was(world: World) -> None:
    payment, command_id = paid(world), command()
    items = lines(world, payment, CHEST_CT)
    # The insurer knows nothing of the lines, and says so for good.
    for number in items:
        del world.insurer.lines[number]

    for _ in range(2):
        with pytest.raises(Refused) as refused:
            refund_with(world, command_id, payment, items)
        assert refused.value.kind.code == "insurer.nothing_open"

    assert now(world, payment) == payment
    assert set(lines(world, payment, CHEST_CT)) == set(items)


def test_a_rest_that_is_not_what_stays_on_the_bill_is_not_taken(world: World) -> None:
    payment = paid(world)
    # A line that the hospital believes to be kept is missing at the insurer.
    (vitamins,) = lines(world, payment, VITAMINS)
    del world.insurer.lines[vitamins]

    with pytest.raises(Refused) as refused:
        refunded(world, payment, CHEST_CT)

    assert refused.value.kind is ANSWER_INVALID
    assert now(world, payment).state is PaymentState.REFUNDING


def test_the_rest_of_a_refund_can_be_cancelled_whole(world: World) -> None:
    payment = paid(world, from_wallet_fen=Fen(50_00))
    refunded(world, payment, VITAMINS)

    after = world.payments.cancel(command_id=payment.command_id)

    assert after.undone
    assert world.insurer.standing == {}
    assert set(world.wallet.free.values()) == {WALLET_MONEY}
    assert (
        world.prepared(
            world.encounters.get(encounter_no=payment.encounter_no)
        ).confirmed.amounts.medfee_sumamt
        == 245_00
    )


def test_a_payment_whose_cash_was_taken_is_still_refunded_and_not_cancelled(world: World) -> None:
    payment = paid(world, cash=True)
    with pytest.raises(Refused) as refused:
        world.payments.cancel(command_id=payment.command_id)
    assert refused.value.kind is PAYMENT_CASH_TAKEN

    refund = refunded(world, payment, *ALL)

    assert refund.back is not None
    assert refund.back.window_fen == payment.answer.amounts.psn_cash_pay


# A part of a line


def paid_for(world: World, cnt: int) -> Payment:
    encounter = world.registered()
    world.orders.order(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        lines=[OrderLine(VITAMINS, Decimal(cnt)), OrderLine(CONSULTATION, Decimal(1))],
    )
    world.orders.upload(encounter_no=encounter.encounter_no)
    return world.paid(encounter)


def returned(world: World, payment: Payment, keep: Decimal) -> ItemRefund:
    (line,) = lines(world, payment, VITAMINS)
    return world.payments.refund_items(
        command_id=command(), payment=payment.command_id, items=[line], keep={line: keep}
    )


def test_a_part_of_a_line_is_given_back_and_the_kept_quantity_stands_under_a_new_number(
    any_world: World,
) -> None:
    payment = paid_for(any_world, 3)
    (old,) = lines(any_world, payment, VITAMINS)

    refund = returned(any_world, payment, Decimal(2))

    (kept,) = [
        item
        for item in any_world.orders.items(encounter_no=payment.encounter_no)
        if item.medins_list_codg == VITAMINS
    ]
    assert refund.instead == {old: kept.feedetl_sn}
    assert (kept.cnt, kept.det_item_fee_sumamt) == (Decimal(2), Fen(36_00))
    assert kept.split is not None
    assert kept.feedetl_sn in any_world.insurer.lines
    assert now(any_world, payment).answer.amounts.medfee_sumamt == 61_00


def test_what_was_kept_can_be_given_back_later_too(world: World) -> None:
    payment = paid_for(world, 3)
    returned(world, payment, Decimal(2))
    returned(world, payment, Decimal(1))

    refunded(world, payment, VITAMINS)

    assert now(world, payment).answer.amounts.medfee_sumamt == 25_00


@pytest.mark.parametrize("keep", ["0", "3", "4", "-1", "0.00001", "NaN"])
def test_what_is_kept_is_a_part_of_the_line(world: World, keep: str) -> None:
    payment = paid_for(world, 3)
    with pytest.raises(Refused) as refused:
        returned(world, payment, Decimal(keep))
    assert refused.value.kind is ORDER_INVALID
    assert now(world, payment) == payment


def test_the_command_that_ordered_is_still_known_after_a_part_went_back(world: World) -> None:
    encounter, command_id = world.registered(), command()

    def order() -> None:
        world.orders.order(
            command_id=command_id,
            encounter_no=encounter.encounter_no,
            lines=[OrderLine(VITAMINS, Decimal(3))],
        )

    order()
    world.orders.upload(encounter_no=encounter.encounter_no)
    returned(world, world.paid(encounter), Decimal(1))

    order()

    assert len(world.orders.items(encounter_no=encounter.encounter_no)) == 1
