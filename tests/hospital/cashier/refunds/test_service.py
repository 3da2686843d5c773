from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from hospital.cashier.desk import (
    DUE,
    ORDER,
    OTHER_CLERK,
    SLIP,
    approved,
    in_cash,
    mixed,
    next_day,
    refusal,
)
from hospital.world import (
    CLERK,
    HOSPITAL,
    START,
    Fault,
    PowerCutError,
    World,
    command,
    in_parallel,
)
from shualian.core.identifiers import CommandId
from shualian.core.money import Fen, total
from shualian.core.refusals import Refused
from shualian.hospital.cashier.overrides.model import OVERRIDE_NEEDED, OverrideKind
from shualian.hospital.cashier.refunds import store
from shualian.hospital.cashier.refunds.model import (
    REFUND_NOT_FOUND,
    REFUND_OTHER_WAY,
    REFUND_STEP,
    REFUND_TOO_MUCH,
    RefundCause,
    RefundDue,
    RefundId,
    RefundState,
    open_fen,
    parts_due,
)
from shualian.hospital.cashier.shifts.model import DRAWER_SHORT, NO_OPEN_SHIFT
from shualian.hospital.cashier.tenders.model import (
    TENDER_REFERENCE,
    Offer,
    Taking,
    TenderKind,
    tenders_for,
)
from shualian.hospital.model import COMMAND_DIFFERS, OUTCOME_UNKNOWN
from shualian.hospital.payments.model import PAYMENT_CANCELLED, Payment, PaymentState


def cancelled(world: World, payment: Payment) -> tuple[RefundDue, ...]:
    return world.desk.refunds.cancel(payment=payment.command_id, by=CLERK).dues


def pay_out(world: World, due: RefundDue, number: CommandId | None = None) -> RefundDue:
    return world.desk.refunds.pay_out(
        command_id=number or command(),
        refund_id=due.refund_id,
        by=CLERK,
    )


def drawer(world: World) -> int:
    return world.desk.shifts.standing(shift_id=world.shift.shift_id).expected_fen


def test_each_part_goes_back_where_it_came_from(any_world: World) -> None:
    payment = any_world.settled()
    mixed(any_world, payment)
    dues = cancelled(any_world, payment)
    assert [(due.source, due.reference, due.amount_fen) for due in dues] == [
        (TenderKind.CARD, SLIP, 50_00),
        (TenderKind.EPAY, ORDER, 30_00),
        (TenderKind.CASH, "", 34_80),
    ]
    assert any_world.insurer.standing == {}
    card, code, cash = dues
    assert pay_out(any_world, cash).state is RefundState.PAID
    assert drawer(any_world) == 0
    for due, reference in ((card, "991234567890"), (code, "5" * 28)):
        refunds = any_world.desk.refunds
        asked = refunds.ask(command_id=command(), refund_id=due.refund_id, by=CLERK)
        assert asked.state is RefundState.ASKED
        given = refunds.given(refund_id=due.refund_id, reference=reference, by=CLERK)
        assert refunds.given(refund_id=due.refund_id, reference=reference, by=CLERK) == given
        assert (given.state, given.given_reference) == (RefundState.PAID, reference)
    assert any_world.desk.refunds.open() == []


def test_what_came_from_the_account_goes_back_by_the_saga_and_only_the_rest_here(
    any_world: World,
) -> None:
    any_world.agreed()
    encounter = any_world.registered()
    any_world.ordered(encounter)
    payment = any_world.prepared(encounter)
    payment = any_world.payments.settle(
        command_id=payment.command_id,
        evidence=any_world.confirmed(payment),
        from_wallet_fen=Fen(100_00),
    )
    in_cash(any_world, payment)
    (due,) = cancelled(any_world, payment)
    assert due.amount_fen == 14_80
    assert any_world.wallet.taken == {}
    assert any_world.payments.get(command_id=payment.command_id).undone


def test_a_cancelled_bill_can_be_prepared_and_paid_anew(world: World) -> None:
    payment = world.settled()
    in_cash(world, payment)
    (due,) = cancelled(world, payment)
    again = world.payments.prepare(command_id=command(), encounter_no=payment.encounter_no)
    again = world.payments.settle(command_id=again.command_id, evidence=world.confirmed(again))
    in_cash(world, again)
    pay_out(world, due)
    assert drawer(world) == DUE
    kind = refusal(
        lambda: world.payments.settle(
            command_id=payment.command_id, evidence=world.confirmed(payment)
        )
    )
    assert kind is PAYMENT_CANCELLED


def test_cash_is_given_once_however_often_and_wherever_it_is_asked_for(any_world: World) -> None:
    payment = any_world.settled()
    in_cash(any_world, payment)
    in_cash(any_world, any_world.settled())
    (due,) = cancelled(any_world, payment)
    number = command()
    first = pay_out(any_world, due, number)
    assert pay_out(any_world, due, number) == first
    results = in_parallel([lambda: pay_out(any_world, due) for _ in range(3)])
    assert [each.kind for each in results if isinstance(each, Refused)] == [REFUND_STEP] * 3


def test_a_command_that_gave_one_part_gives_no_other(world: World) -> None:
    payments = [world.settled(), world.settled()]
    for payment in payments:
        in_cash(world, payment)
    one, other = (cancelled(world, payment)[0] for payment in payments)
    number = command()
    pay_out(world, one, number)
    assert refusal(lambda: pay_out(world, other, number)) is COMMAND_DIFFERS


def test_cash_that_is_not_in_the_drawer_is_not_given(world: World) -> None:
    payment = world.settled()
    in_cash(world, payment)
    (due,) = cancelled(world, payment)
    world.opened(OTHER_CLERK, "2", 10_00)
    kind = refusal(
        lambda: world.desk.refunds.pay_out(
            command_id=command(), refund_id=due.refund_id, by=OTHER_CLERK
        )
    )
    assert kind is DRAWER_SHORT
    assert open_fen(world.desk.refunds.open()) == DUE
    assert pay_out(world, due).state is RefundState.PAID


def test_a_part_takes_its_own_way_only(world: World) -> None:
    payment = world.settled()
    mixed(world, payment)
    card, _, cash = cancelled(world, payment)
    refunds = world.desk.refunds
    kinds = [
        refusal(lambda: pay_out(world, card)),
        refusal(lambda: refunds.ask(command_id=command(), refund_id=cash.refund_id, by=CLERK)),
        refusal(lambda: refunds.given(refund_id=card.refund_id, reference=SLIP, by=CLERK)),
        refusal(lambda: refunds.not_given(refund_id=RefundId("X"), by=CLERK)),
        refusal(
            lambda: refunds.ask(command_id=command(), refund_id=card.refund_id, by=OTHER_CLERK)
        ),
    ]
    assert kinds == [
        REFUND_OTHER_WAY,
        REFUND_OTHER_WAY,
        REFUND_STEP,
        REFUND_NOT_FOUND,
        NO_OPEN_SHIFT,
    ]


def test_a_card_that_takes_nothing_back_is_paid_in_cash_when_two_people_agree(
    world: World,
) -> None:
    payment = world.settled()
    mixed(world, payment)
    in_cash(world, world.settled())
    card = cancelled(world, payment)[0]
    refunds, number = world.desk.refunds, card.refund_id
    refunds.ask(command_id=command(), refund_id=number, by=CLERK)
    kind = refusal(lambda: refunds.given(refund_id=number, reference="1", by=CLERK))
    assert kind is TENDER_REFERENCE
    assert refunds.not_given(refund_id=number, by=CLERK).state is RefundState.DUE
    override = approved(world, OverrideKind.REFUND_OTHER_SOURCE, payment, 50_00)

    def divert() -> RefundDue:
        return refunds.divert(
            refund_id=number, way=TenderKind.CASH, override_id=override.override_id, by=CLERK
        )

    assert divert() == divert()
    paid = pay_out(world, card)
    assert (paid.source, paid.way, paid.state) == (
        TenderKind.CARD,
        TenderKind.CASH,
        RefundState.PAID,
    )


def test_a_settlement_of_yesterday_is_taken_back_with_two_keys_only(world: World) -> None:
    payment = world.settled()
    in_cash(world, payment)
    next_day(world)
    assert refusal(lambda: cancelled(world, payment)) is OVERRIDE_NEEDED
    override = approved(world, OverrideKind.LATE_CANCELLATION, payment)
    dues = world.desk.refunds.cancel(
        payment=payment.command_id, by=CLERK, override_id=override.override_id
    ).dues
    assert [due.amount_fen for due in dues] == [DUE]


@pytest.mark.parametrize("steps", range(8))
def test_a_cancellation_ends_whole_wherever_the_power_is_cut(world: World, steps: int) -> None:
    world.agreed()
    encounter = world.registered()
    world.ordered(encounter)
    payment = world.prepared(encounter)
    payment = world.payments.settle(
        command_id=payment.command_id,
        evidence=world.confirmed(payment),
        from_wallet_fen=Fen(100_00),
    )
    in_cash(world, payment)
    world.breaker.steps_left = steps
    with suppress(PowerCutError):
        cancelled(world, payment)
    world.start()
    assert world.payments.resolve_all() == []
    after = world.payments.get(command_id=payment.command_id)
    dues = world.desk.refunds.of_payment(payment=payment.command_id)
    if after.state is PaymentState.SETTLED:
        assert (len(world.insurer.standing), dues, drawer(world)) == (1, [], 14_80)
        (due,) = cancelled(world, payment)
    else:
        (due,) = dues
    assert world.insurer.standing == {}
    assert world.wallet.taken == {}
    assert pay_out(world, due).amount_fen == 14_80
    assert drawer(world) == 0


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST])
def test_a_cancellation_without_an_answer_owes_nothing_until_it_is_known(
    world: World, fault: Fault
) -> None:
    payment = world.settled()
    in_cash(world, payment)
    world.insurer.break_next("2208", fault)
    assert refusal(lambda: cancelled(world, payment)) is OUTCOME_UNKNOWN
    assert world.desk.refunds.open() == []
    world.wait(timedelta(minutes=1))
    assert world.payments.resolve_all() == []
    assert [due.amount_fen for due in world.desk.refunds.open()] == [DUE]


def taking_of(due: int, by_card: int, by_code: int) -> Taking:
    offers = [
        Offer(TenderKind.CARD, Fen(by_card), SLIP),
        Offer(TenderKind.EPAY, Fen(by_code), ORDER),
        Offer(TenderKind.CASH, Fen(due - by_card - by_code)),
    ]
    given = [offer for offer in offers if offer.given_fen]
    return Taking(command(), HOSPITAL, command(), tenders_for(Fen(due), given), CLERK, START)


@given(
    st.integers(3, 100_000).flatmap(
        lambda due: st.tuples(st.just(due), st.integers(0, due // 3), st.integers(0, due // 3))
    ),
    st.lists(st.integers(0, 60_000), max_size=6),
)
def test_no_source_ever_gets_more_back_than_it_gave(
    paid: tuple[int, int, int], wanted: list[int]
) -> None:
    taking = taking_of(*paid)
    noted: list[RefundDue] = []
    for amount in wanted:
        if amount > taking.due_fen - total([due.amount_fen for due in noted]):
            with pytest.raises(Refused) as refused:
                parts_due(taking, noted, amount_fen=Fen(amount))
            assert refused.value.kind is REFUND_TOO_MUCH
            continue
        parts = parts_due(taking, noted, amount_fen=Fen(amount))
        assert sum(part.amount_fen for part in parts) == amount
        noted += [
            RefundDue(
                RefundId(command()),
                HOSPITAL,
                taking.payment,
                RefundCause.PARTIAL,
                command(),
                part.source,
                part.reference,
                part.amount_fen,
                START,
                part.source,
            )
            for part in parts
        ]
    for tender in taking.tenders:
        back = [due.amount_fen for due in noted if due.source is tender.kind]
        assert sum(back) <= tender.amount_fen
    rest = parts_due(taking, noted)
    everything = sum(due.amount_fen for due in noted) + sum(part.amount_fen for part in rest)
    assert everything == taking.due_fen


def test_a_part_is_noted_once_for_its_cause_in_the_transaction_of_its_cause(
    any_world: World,
) -> None:
    payment, cause_id = any_world.settled(), command()
    mixed(any_world, payment)

    def note(amount_fen: int) -> Callable[[Connection], object]:
        return lambda connection: store.make_due(
            connection,
            HOSPITAL,
            payment.command_id,
            cause=RefundCause.PARTIAL,
            cause_id=cause_id,
            amount_fen=Fen(amount_fen),
            now=any_world.clock.now(),
        )

    first = any_world.database.write(note(60_00))
    assert any_world.database.write(note(60_00)) == first
    dues = any_world.desk.refunds.of_payment(payment=payment.command_id)
    assert [(due.source, due.amount_fen) for due in dues] == [
        (TenderKind.CARD, 50_00),
        (TenderKind.EPAY, 10_00),
    ]
    rest = cancelled(any_world, payment)
    assert sum(due.amount_fen for due in rest) == DUE
