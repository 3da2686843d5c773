import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from hospital.world import (
    CHEST_CT,
    CLERK,
    LI,
    OTHER_HOSPITAL,
    PAYERS,
    VITAMINS,
    WALLET_MONEY,
    ZHANG,
    Fault,
    PowerCutError,
    World,
    command,
    in_parallel,
)
from shualian.core.money import Fen
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.cashier.model import CASH_OPEN
from shualian.hospital.cashier.wording import render_receipt
from shualian.hospital.model import OUTCOME_UNKNOWN, Channel
from shualian.hospital.orders.model import BatchState
from shualian.hospital.orders.store import batches_of
from shualian.hospital.payments.model import (
    PAYMENT_CANCELLED,
    PAYMENT_CASH_TAKEN,
    PAYMENT_GIVEN_UP,
    PAYMENT_IN_PROGRESS,
    PAYMENT_LAPSED,
    PAYMENT_STEP,
    PAYMENT_WITHDRAWN,
    SEND_WITHIN,
    SLIP_NOT_FOUND,
    WALLET_SHARE_INVALID,
    Payment,
    PaymentState,
    printed_slip_no,
)
from shualian.hospital.payments.store import wallet_parts
from shualian.hospital.wallet.model import (
    WALLET_HOLD_ENDED,
    WALLET_NO_AGREEMENT,
    WALLET_OUTCOME_UNKNOWN,
    WALLET_OVER_TRANSACTION_LIMIT,
    WALLET_TOO_LITTLE_MONEY,
    DeclineReason,
)
from shualian.hospital.wallet.model import PaymentState as WalletState
from shualian.hospital.wallet.store import payers
from shualian.trust.audit.store import events
from shualian.verification.model import PROOF_EXPIRED

DUE = 114_80
"""What of the sample bill is left to pay: 245 yuan less the fund's and the account's part."""


def billed(world: World, *codes: str) -> Payment:
    encounter = world.registered()
    world.ordered(encounter, *codes)
    return world.prepared(encounter)


def scan(world: World, payment: Payment, from_wallet_fen: int = DUE) -> Payment:
    return world.payments.settle(
        command_id=payment.command_id,
        evidence=world.confirmed(payment),
        from_wallet_fen=Fen(from_wallet_fen),
    )


def scanned(world: World, from_wallet_fen: int = DUE) -> Payment:
    world.agreed()
    return scan(world, billed(world), from_wallet_fen)


def refusal(world: World, payment: Payment, from_wallet_fen: int = DUE) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        scan(world, payment, from_wallet_fen)
    return refused.value.kind


def now(world: World, payment: Payment) -> Payment:
    return world.payments.get(command_id=payment.command_id)


def wallet_state(world: World, payment: Payment) -> WalletState:
    part = now(world, payment).wallet
    assert part is not None
    return part.held.state


def batch_state(world: World, payment: Payment) -> BatchState:
    (batch,) = world.database.read(
        lambda connection: batches_of(connection, payment.institution, payment.encounter_no)
    )
    return batch.state


def take_cash(world: World, payment: Payment, tendered_fen: int) -> int:
    return world.cashier.take_cash(
        command_id=command(),
        payment=payment.command_id,
        tendered_fen=Fen(tendered_fen),
        taken_by=CLERK,
    ).due_fen


class TestOneScan:
    def test_settles_and_takes_the_cash_share_from_the_account(self, any_world: World) -> None:
        payment = scanned(any_world)
        assert payment.done
        assert payment.wallet is not None
        assert payment.wallet.taken_fen == DUE
        assert payment.cash_due_fen == 0
        assert any_world.wallet.asked == ["hold", "capture"]
        assert any_world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY - DUE
        assert any_world.payments.get(command_id=payment.command_id) == payment
        receipt = any_world.cashier.receipt(payment=payment.command_id)
        assert (receipt.wallet_fen, receipt.cash) == (DUE, None)
        assert "其中从授权账户扣 114.80 元" in "\n".join(render_receipt(receipt, "zh"))

    def test_shows_before_from_which_account(self, world: World) -> None:
        world.agreed()
        assert world.payments.offer(command_id=billed(world).command_id).last_four == "1234"

    def test_is_not_offered_without_an_agreement_or_above_its_limit(self, world: World) -> None:
        payment = billed(world)
        with pytest.raises(Refused) as refused:
            world.payments.offer(command_id=payment.command_id)
        assert refused.value.kind is WALLET_NO_AGREEMENT
        world.agreed()
        dear = billed(world, *[CHEST_CT] * 10)
        with pytest.raises(Refused) as refused:
            world.payments.offer(command_id=dear.command_id)
        assert refused.value.kind is WALLET_OVER_TRANSACTION_LIMIT

    def test_without_an_agreement_leaves_the_share_open_in_cash(self, world: World) -> None:
        payment = scan(world, billed(world))
        assert payment.done
        assert (payment.wallet, payment.cash_due_fen) == (None, DUE)
        assert world.wallet.asked == []

    def test_after_the_agreement_was_withdrawn_asks_no_wallet(self, world: World) -> None:
        world.agreed()
        world.agreements.unlink(psn_no=ZHANG.psn_no)
        assert scan(world, billed(world)).wallet is None

    def test_takes_nothing_that_was_not_confirmed(self, world: World) -> None:
        payment = scanned(world, 0)
        assert (payment.wallet, payment.cash_due_fen) == (None, DUE)

    def test_takes_a_part_and_leaves_the_rest_in_cash(self, any_world: World) -> None:
        payment = scanned(any_world, 100_00)
        assert payment.cash_due_fen == 14_80
        with pytest.raises(Refused) as refused:
            any_world.cashier.receipt(payment=payment.command_id)
        assert refused.value.kind is CASH_OPEN
        assert take_cash(any_world, payment, 20_00) == 14_80
        receipt = any_world.cashier.receipt(payment=payment.command_id)
        assert receipt.cash is not None
        assert (receipt.wallet_fen, receipt.cash.due_fen) == (100_00, 14_80)

    def test_takes_no_more_than_the_cash_share(self, world: World) -> None:
        world.agreed()
        payment = billed(world)
        for amount in (DUE + 1, -1):
            assert refusal(world, payment, amount) is WALLET_SHARE_INVALID
        assert now(world, payment) == payment

    def test_sent_many_times_at_once_settles_and_takes_once(self, any_world: World) -> None:
        any_world.agreed()
        payment = billed(any_world)
        evidence = any_world.confirmed(payment)
        results = in_parallel(
            [
                lambda: any_world.payments.settle(
                    command_id=payment.command_id, evidence=evidence, from_wallet_fen=Fen(DUE)
                )
            ]
            * 5
        )
        assert [each for each in results if not isinstance(each, Payment)] == []
        assert len(any_world.insurer.settlements) == 1
        assert list(any_world.wallet.taken.values()) == [DUE]

    def test_repeated_asks_nobody_again(self, world: World) -> None:
        payment = scanned(world)
        asked = len(world.wallet.asked), len(world.insurer.messages), world.proofs.looked_at
        world.wait(timedelta(days=1))
        assert scan(world, payment, 0) == payment
        seen = len(world.wallet.asked), len(world.insurer.messages), world.proofs.looked_at
        assert seen == asked

    def test_keeps_no_reference_of_the_payer_in_the_clear(self, world: World) -> None:
        scanned(world)
        for table in (wallet_parts, payers):
            rows = world.database.read(
                lambda connection, table=table: connection.execute(select(table)).all()  # type: ignore[misc]
            )
            assert rows
            payer = PAYERS[ZHANG.psn_no].encode()
            assert payer not in b"".join(str(each).encode() for row in rows for each in row)


class TestWhatIsDeclined:
    @pytest.mark.parametrize("money", [0, DUE - 1])
    def test_a_hold_undoes_everything(self, any_world: World, money: int) -> None:
        any_world.agreed()
        any_world.wallet.free[PAYERS[ZHANG.psn_no]] = Fen(money)
        payment = billed(any_world)
        assert refusal(any_world, payment).code == WALLET_TOO_LITTLE_MONEY.code
        found = now(any_world, payment)
        assert found.undone
        assert any_world.insurer.settlements == {}
        assert "2207" not in any_world.insurer.messages
        assert batch_state(any_world, payment) is BatchState.OPEN
        assert refusal(any_world, payment).code == WALLET_TOO_LITTLE_MONEY.code

    def test_a_settlement_voids_the_hold(self, any_world: World) -> None:
        any_world.agreed()
        payment = billed(any_world)
        any_world.insurer.balances[ZHANG.psn_no] = Fen(1_00)
        assert refusal(any_world, payment).code == "insurer.amounts_differ"
        assert now(any_world, payment).undone
        assert any_world.wallet.asked == ["hold", "void"]
        assert any_world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY

    def test_a_capture_is_asked_for_again_under_another_identifier(self, world: World) -> None:
        world.agreed()
        payment = billed(world)
        world.wallet.refuse_next = "capture", DeclineReason.CLOSED
        assert refusal(world, payment).code == "hospital.wallet_closed"
        assert now(world, payment).state is PaymentState.SETTLED
        with pytest.raises(Refused) as refused:
            take_cash(world, payment, DUE)
        assert refused.value.kind is PAYMENT_IN_PROGRESS
        assert world.payments.resolve_all() == []
        assert list(world.wallet.taken.values()) == [DUE]


class TestWhatIsUnknown:
    @pytest.mark.parametrize("fault", Fault)
    @pytest.mark.parametrize("name", ["hold", "capture"])
    def test_at_the_wallet_is_repeated_until_known(
        self, world: World, name: str, fault: Fault
    ) -> None:
        world.agreed()
        payment = billed(world)
        world.wallet.break_next(name, fault)
        assert refusal(world, payment) is WALLET_OUTCOME_UNKNOWN
        assert not now(world, payment).done
        assert world.payments.resolve_all() == []
        world.wallet.deliver_late()
        assert now(world, payment).done
        assert list(world.wallet.taken.values()) == [DUE]

    @pytest.mark.parametrize("fault", Fault)
    def test_of_a_void_keeps_no_money(self, world: World, fault: Fault) -> None:
        world.agreed()
        payment = billed(world)
        world.insurer.balances[ZHANG.psn_no] = Fen(1_00)
        world.wallet.break_next("void", fault)
        assert refusal(world, payment) is WALLET_OUTCOME_UNKNOWN
        assert world.payments.resolve_all() == []
        world.wallet.deliver_late()
        assert now(world, payment).undone
        assert world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY

    def test_of_a_hold_whose_identifier_is_said_to_be_taken_is_ruled_out(
        self, world: World
    ) -> None:
        # Found by `shualian chaos settlement --seed 1015`.
        world.agreed()
        payment = billed(world)
        world.wallet.refuse_next = "hold", DeclineReason.COMMAND_DIFFERS
        assert refusal(world, payment) == WALLET_HOLD_ENDED
        assert now(world, payment).undone
        assert world.payments.resolve_all() == []
        assert world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY
        assert "2207" not in world.insurer.messages

    def test_at_the_insurer_keeps_the_hold_until_it_is_known(self, world: World) -> None:
        world.agreed()
        payment = billed(world)
        world.insurer.break_next("2207", Fault.REPLY_LOST)
        assert refusal(world, payment) is OUTCOME_UNKNOWN
        assert wallet_state(world, payment) is WalletState.HELD
        assert world.payments.resolve_all() == []
        assert now(world, payment).done

    def test_that_turns_out_never_done_is_voided(self, world: World) -> None:
        world.agreed()
        payment = billed(world)
        world.insurer.break_next("2207", Fault.REQUEST_LOST)
        assert refusal(world, payment) is OUTCOME_UNKNOWN
        world.wait(timedelta(minutes=6))
        assert world.payments.resolve_all() == []
        assert now(world, payment).undone
        assert refusal(world, payment).code == PROOF_EXPIRED.code
        assert world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY

    def test_of_a_hold_for_too_long_sends_the_insurer_nothing(self, world: World) -> None:
        world.agreed()
        payment = billed(world)
        world.wallet.break_next("hold", Fault.LATE)
        assert refusal(world, payment) is WALLET_OUTCOME_UNKNOWN
        world.wait(SEND_WITHIN)
        assert world.payments.resolve_all() == []
        world.wallet.deliver_late()
        assert now(world, payment).undone
        assert refusal(world, payment).code == WALLET_HOLD_ENDED.code
        assert world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY
        assert "2207" not in world.insurer.messages

    @pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REQUEST_LOST])
    def test_longer_than_the_hold_is_undone(self, any_world: World, fault: Fault) -> None:
        world = any_world
        world.agreed()
        payment = billed(world)
        world.insurer.break_next("2207", fault)
        assert refusal(world, payment) is OUTCOME_UNKNOWN
        world.wait(timedelta(hours=3))
        assert world.payments.resolve_all() == []
        assert now(world, payment).undone
        assert world.insurer.standing == {}
        assert refusal(world, payment) is PAYMENT_GIVEN_UP
        assert world.insurer.messages.count("2207") == 1

    def test_of_a_capture_longer_than_the_hold_leaves_the_share_open_in_cash(
        self, world: World
    ) -> None:
        world.agreed()
        payment = billed(world)
        world.wallet.break_next("capture", Fault.REQUEST_LOST)
        assert refusal(world, payment) is WALLET_OUTCOME_UNKNOWN
        world.wait(timedelta(hours=3))
        assert world.payments.resolve_all() == []
        found = now(world, payment)
        assert found.done
        assert found.cash_due_fen == DUE
        assert take_cash(world, payment, DUE) == DUE


class TestGivingUp:
    def unknown(self, world: World, fault: Fault = Fault.REPLY_LOST) -> Payment:
        world.agreed()
        payment = billed(world)
        world.insurer.break_next("2207", fault)
        assert refusal(world, payment) is OUTCOME_UNKNOWN
        return payment

    @pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REQUEST_LOST, Fault.LATE])
    def test_leaves_nothing_standing_whatever_came_of_it(self, world: World, fault: Fault) -> None:
        payment = self.unknown(world, fault)

        ended = world.payments.give_up(command_id=payment.command_id)

        world.insurer.deliver_late()
        assert ended.undone
        assert ended == world.payments.give_up(command_id=payment.command_id)
        assert world.insurer.standing == {}
        assert world.wallet.taken == {}
        assert world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY
        assert batch_state(world, payment) is BatchState.OPEN
        assert (ended.cancellation is not None) is (fault is Fault.REPLY_LOST)

    def test_a_hold_that_never_was_is_ruled_out_even_when_that_is_declined_at_first(
        self, world: World
    ) -> None:
        world.agreed()
        payment = billed(world)
        world.wallet.break_next("hold", Fault.REQUEST_LOST)
        assert refusal(world, payment) is not None
        world.wallet.refuse_next = "void", DeclineReason.TOO_LITTLE_MONEY

        with pytest.raises(Refused):
            world.payments.give_up(command_id=payment.command_id)

        assert world.payments.resolve_all() == []
        assert now(world, payment).undone
        assert world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY

    @pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REQUEST_LOST, Fault.LATE])
    def test_without_an_answer_is_ended_by_the_resolver(self, world: World, fault: Fault) -> None:
        payment = self.unknown(world)
        world.insurer.break_next("2601", fault)

        with pytest.raises(Refused) as caught:
            world.payments.give_up(command_id=payment.command_id)

        assert caught.value.kind is OUTCOME_UNKNOWN
        assert now(world, payment).state is PaymentState.GIVING_UP
        assert world.payments.resolve_all() == []
        world.insurer.deliver_late()
        assert now(world, payment).undone
        assert world.insurer.standing == {}

    @pytest.mark.parametrize("steps", range(10))
    def test_killed_anywhere_ends_in_one_story(self, world: World, steps: int) -> None:
        payment = self.unknown(world)
        world.breaker.steps_left = steps
        with suppress(PowerCutError):
            world.payments.give_up(command_id=payment.command_id)
        world.start()
        assert world.payments.resolve_all() == []
        found = now(world, payment)
        assert found.done is (found.command_id in world.insurer.standing)
        assert found.done or found.undone

    def test_while_the_wallet_is_asked_tells_the_insurer_nothing(self, world: World) -> None:
        world.agreed()
        payment = billed(world)
        world.wallet.break_next("hold", Fault.LATE)
        assert refusal(world, payment) is WALLET_OUTCOME_UNKNOWN

        assert world.payments.give_up(command_id=payment.command_id).undone

        world.wallet.deliver_late()
        assert world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY
        assert not {"2207", "2601"} & set(world.insurer.messages)

    def test_of_a_bill_that_was_not_confirmed_withdraws_it(self, world: World) -> None:
        payment = billed(world)
        ended = world.payments.give_up(command_id=payment.command_id)
        assert ended.state is PaymentState.WITHDRAWN
        assert world.payments.give_up(command_id=payment.command_id) == ended

    def test_is_not_for_what_is_settled(self, world: World) -> None:
        payment = scanned(world)
        with pytest.raises(Refused) as caught:
            world.payments.give_up(command_id=payment.command_id)
        assert caught.value.kind is PAYMENT_STEP

    def test_that_the_insurer_refuses_lets_the_outcome_count(self, world: World) -> None:
        payment = self.unknown(world)
        world.insurer.unreversible = True
        world.wait(timedelta(hours=1))
        assert world.payments.give_up(command_id=payment.command_id).done
        assert payment.command_id in world.insurer.standing

    def test_happens_at_closing_time_to_what_has_no_outcome(self, world: World) -> None:
        payment = self.unknown(world)
        assert world.payments.close_day(now=world.clock.now()) == [payment.command_id]
        assert now(world, payment).state is PaymentState.GIVING_UP
        assert world.payments.close_day(now=world.clock.now()) == []
        assert world.payments.resolve_all() == []
        assert now(world, payment).undone


class TestTheAudit:
    def changes(self, world: World) -> list[str]:
        rows = world.database.read(
            lambda connection: connection.execute(
                select(events.c.kind, events.c.payload).order_by(events.c.event_id)
            ).all()
        )
        return [json.loads(row.payload)["change"] for row in rows if row.kind == "hospital.payment"]

    def test_holds_every_decision_on_money_once(self, any_world: World) -> None:
        world = any_world
        payment = scanned(world)
        scan(world, payment)
        world.payments.cancel(command_id=payment.command_id)
        assert self.changes(world) == [
            "confirmed",
            "wallet_held",
            "settled",
            "wallet_captured",
            "cancelled",
            "wallet_refunded",
        ]

    def test_holds_what_was_given_up_and_what_came_back(self, world: World) -> None:
        payment = TestGivingUp().unknown(world)
        world.payments.give_up(command_id=payment.command_id)
        expected = ["confirmed", "wallet_held", "given_up", "wallet_released"]
        assert self.changes(world) == expected

    def test_holds_nothing_of_a_bill_that_was_only_shown(self, world: World) -> None:
        payment = billed(world)
        world.payments.withdraw(command_id=payment.command_id)
        assert self.changes(world) == []

    def test_names_nobody(self, world: World) -> None:
        scanned(world)
        text = str(world.database.read(lambda connection: connection.execute(select(events)).all()))
        assert ZHANG.psn_name not in text
        assert ZHANG.certno.value not in text


@pytest.mark.parametrize("steps", range(16))
def test_a_payment_killed_anywhere_is_done_once(world: World, steps: int) -> None:
    world.agreed()
    payment = billed(world)
    evidence = world.confirmed(payment)

    def pay() -> Payment:
        return world.payments.settle(
            command_id=payment.command_id, evidence=evidence, from_wallet_fen=Fen(DUE)
        )

    world.breaker.steps_left = steps
    try:
        pay()
        survived = True
    except PowerCutError:
        survived = False
    assert survived is (steps >= 14)
    world.start()
    assert world.payments.resolve_all() == []
    assert pay().done
    assert len(world.insurer.settlements) == 1
    assert list(world.wallet.taken.values()) == [DUE]


class TestCancelling:
    def test_gives_back_what_was_taken_and_opens_the_items(self, any_world: World) -> None:
        payment = scanned(any_world)
        cancelled = any_world.payments.cancel(command_id=payment.command_id)
        assert cancelled.undone
        assert cancelled.cancellation is not None
        assert now(any_world, payment) == cancelled
        assert any_world.payments.cancel(command_id=payment.command_id) == cancelled
        assert any_world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY
        assert any_world.insurer.standing == {}
        assert batch_state(any_world, payment) is BatchState.OPEN
        with pytest.raises(Refused) as refused:
            scan(any_world, payment)
        assert refused.value.kind is PAYMENT_CANCELLED

    @pytest.mark.parametrize("fault", Fault)
    @pytest.mark.parametrize("name", ["2208", "refund"])
    def test_without_an_answer_is_repeated(self, world: World, name: str, fault: Fault) -> None:
        payment = scanned(world)
        outside = world.insurer if name == "2208" else world.wallet
        outside.break_next(name, fault)
        with pytest.raises(Refused) as refused:
            world.payments.cancel(command_id=payment.command_id)
        assert refused.value.kind in {OUTCOME_UNKNOWN, WALLET_OUTCOME_UNKNOWN}
        assert world.payments.resolve_all() == []
        outside.deliver_late()
        assert now(world, payment).undone
        assert world.wallet.free[PAYERS[ZHANG.psn_no]] == WALLET_MONEY

    @pytest.mark.parametrize("steps", range(8))
    def test_killed_anywhere_ends_in_one_story(self, world: World, steps: int) -> None:
        payment = scanned(world)
        world.breaker.steps_left = steps
        with pytest.raises(PowerCutError):
            world.payments.cancel(command_id=payment.command_id)
        world.start()
        assert world.payments.resolve_all() == []
        found = now(world, payment)
        assert found.done if steps == 0 else found.undone
        assert bool(world.wallet.taken) is bool(world.insurer.standing) is found.done

    def test_that_the_insurer_refuses_leaves_it_settled(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = scanned(world)

        def refusing(_sent: object) -> None:
            raise Refused(PROOF_EXPIRED)

        monkeypatch.setattr(world.insurer, "cancel_settlement", refusing)
        with pytest.raises(Refused):
            world.payments.cancel(command_id=payment.command_id)
        assert now(world, payment) == payment

    def test_is_for_what_is_settled_and_not_paid_in_cash(self, world: World) -> None:
        payment = billed(world)
        with pytest.raises(Refused) as refused:
            world.payments.cancel(command_id=payment.command_id)
        assert refused.value.kind is PAYMENT_STEP
        take_cash(world, scan(world, payment), DUE)
        with pytest.raises(Refused) as refused:
            world.payments.cancel(command_id=payment.command_id)
        assert refused.value.kind is PAYMENT_CASH_TAKEN


class TestTheWalletsNews:
    def test_says_what_the_answer_did_not(self, any_world: World) -> None:
        any_world.agreed()
        payment = billed(any_world)
        any_world.wallet.break_next("capture", Fault.REPLY_LOST)
        assert refusal(any_world, payment) is WALLET_OUTCOME_UNKNOWN
        for _ in range(2):
            for news in reversed(any_world.wallet.news):
                any_world.payments.heard(news)
        assert now(any_world, payment).done
        assert any_world.wallet.asked == ["hold", "capture"]

    def test_of_a_hold_that_ended_ends_a_bill_that_was_not_sent(self, world: World) -> None:
        world.agreed()
        payment = billed(world)
        world.wallet.break_next("hold", Fault.REPLY_LOST)
        assert refusal(world, payment) is WALLET_OUTCOME_UNKNOWN
        world.wait(timedelta(hours=3))
        world.wallet.query(payment.command_id)
        world.payments.heard(world.wallet.news[-1])
        assert now(world, payment).undone
        assert world.payments.resolve_all() == []

    def test_of_a_payment_that_is_not_known_here_changes_nothing(self, world: World) -> None:
        payment = scanned(world)
        other = world.hospital_of(OTHER_HOSPITAL).payments
        for news in world.wallet.news:
            other.heard(news)
        assert now(world, payment) == payment

    def test_that_contradicts_itself_is_heard_again(self, world: World) -> None:
        payment = scanned(world)
        last = world.wallet.news[-1]
        wrong = replace(last, status=replace(last.status, captured_fen=Fen(DUE - 1)))
        for _ in range(2):
            with pytest.raises(Refused):
                world.payments.heard(wrong)
        assert now(world, payment) == payment


class TestASlip:
    def reserved(self, world: World, *codes: str) -> Payment:
        return world.payments.reserve(command_id=billed(world, *codes).command_id)

    def test_keeps_the_bill_under_one_number(self, any_world: World) -> None:
        payment = self.reserved(any_world)
        assert payment.slip_no is not None
        assert any_world.payments.reserve(command_id=payment.command_id) == payment
        printed = printed_slip_no(payment.slip_no)
        assert any_world.payments.by_slip(slip_no=printed.lower()) == payment
        assert batch_state(any_world, payment) is BatchState.HELD
        assert "2207" not in any_world.insurer.messages

    def test_is_finished_by_one_scan(self, any_world: World) -> None:
        payment = self.reserved(any_world)
        any_world.wait(timedelta(hours=2))
        settled = any_world.payments.settle(
            command_id=payment.command_id, evidence=any_world.confirmed(payment)
        )
        assert settled.answer.amounts == payment.confirmed.amounts
        assert take_cash(any_world, payment, DUE) == DUE

    def test_is_finished_by_a_document_that_a_clerk_saw(self, any_world: World) -> None:
        payment = self.reserved(any_world)
        any_world.wait(timedelta(hours=2))
        settled = any_world.payments.settle(
            command_id=payment.command_id, evidence=any_world.shown(payment)
        )
        assert (settled.channel, settled.terminal_id) == (Channel.DOCUMENT, None)
        ((sent, _),) = any_world.insurer.settlements.values()
        assert sent.evidence == any_world.shown(payment)
        assert take_cash(any_world, payment, DUE) == DUE
        assert any_world.cashier.receipt(payment=payment.command_id).cash is not None

    def test_is_not_finished_by_another_persons_document(self, world: World) -> None:
        payment = self.reserved(world)
        with pytest.raises(Refused):
            world.payments.settle(command_id=payment.command_id, evidence=world.shown(payment, LI))
        assert world.insurer.settlements == {}

    def test_unpaid_at_closing_time_is_void(self, any_world: World) -> None:
        payment, other = self.reserved(any_world), self.reserved(any_world, VITAMINS)
        any_world.payments.settle(command_id=other.command_id, evidence=any_world.confirmed(other))
        any_world.wait(timedelta(hours=8))
        closing = any_world.clock.now()
        assert any_world.payments.close_day(now=closing) == [payment.command_id]
        assert any_world.payments.close_day(now=closing) == []
        assert now(any_world, payment).undone
        assert batch_state(any_world, payment) is BatchState.OPEN
        assert set(any_world.insurer.settlements) == {other.command_id}
        with pytest.raises(Refused) as refused:
            scan(any_world, payment)
        assert refused.value.kind is PAYMENT_LAPSED

    def test_gives_way_to_a_new_bill(self, world: World) -> None:
        payment = self.reserved(world)
        new = world.payments.prepare(command_id=command(), encounter_no=payment.encounter_no)
        with pytest.raises(Refused) as refused:
            scan(world, payment)
        assert refused.value.kind is PAYMENT_WITHDRAWN
        assert scan(world, new).done

    def test_of_another_hospital_or_of_nobody_is_not_found(self, world: World) -> None:
        payment = self.reserved(world)
        other = world.hospital_of(OTHER_HOSPITAL).payments
        for place, text in ((other, payment.slip_no), (world.payments, "00000000")):
            with pytest.raises(Refused) as refused:
                place.by_slip(slip_no=str(text))
            assert refused.value.kind is SLIP_NOT_FOUND
        assert other.close_day(now=world.clock.now()) == []

    def test_is_for_a_bill_that_was_not_confirmed(self, world: World) -> None:
        payment = scan(world, billed(world))
        with pytest.raises(Refused) as refused:
            world.payments.reserve(command_id=payment.command_id)
        assert refused.value.kind is PAYMENT_STEP
