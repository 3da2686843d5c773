"""The stand-in: holds, captures, voids, refunds, limits, repeats, notifications, faults."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.ewallet.world import (
    HOSPITAL,
    NEWS_URL,
    OTHER,
    PAYER,
    START,
    TERMS,
    Box,
    World,
    done,
    reason,
)
from shualian.core.clock import business_date
from shualian.core.identifiers import CommandId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.gateway.ewallet.model import (
    Call,
    CommandAnswer,
    HoldBody,
    QueryBody,
    Wire,
    believed_notification,
)
from shualian.hospital.wallet.model import (
    CaptureCommand,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    MovementKind,
    PayerRef,
    PaymentState,
    VoidCommand,
)
from shualian.hospital.wallet.ports import EWallet
from shualian.sandbox.ewallet.model import (
    HOLD_MAX,
    NEWS_TRIES_MAX,
    REFUSALS,
    Fault,
    FaultKind,
    NewsFault,
    NewsFaultKind,
    next_try,
)
from shualian.sandbox.ewallet.service import DirectWallet
from shualian.terminals.requests.model import SignedRequest
from shualian.trust.signatures import Algorithm, SigningKey

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


class TestAPayment:
    def test_is_held_then_captured_in_part_and_the_rest_goes_back(self, world: World) -> None:
        payment = world.held(1_000)
        assert world.free() == 9_000
        status = done(world.capture(payment, 700))
        assert (status.state, status.captured_fen, status.version) == (
            PaymentState.CAPTURED,
            700,
            2,
        )
        assert world.free() == 9_300

    def test_is_refunded_in_parts_and_no_further(self, world: World) -> None:
        payment = world.captured(1_000)
        assert done(world.refund(payment, 400)).state is PaymentState.CAPTURED
        assert reason(world.refund(payment, 601)) is DeclineReason.OVER_CAPTURED
        assert done(world.refund(payment, 600)).state is PaymentState.REFUNDED
        assert reason(world.refund(payment, 1)) is DeclineReason.OVER_CAPTURED
        assert world.free() == 10_000

    def test_is_captured_once_and_not_beyond_its_hold(self, world: World) -> None:
        payment = world.held(1_000)
        assert reason(world.capture(payment, 1_001)) is DeclineReason.OVER_HELD
        done(world.capture(payment, 500))
        assert reason(world.capture(payment, 500)) is DeclineReason.ALREADY_CAPTURED

    def test_is_voided_once_and_voiding_again_is_done_without_effect(self, world: World) -> None:
        payment = world.held(1_000)
        first, second = done(world.void(payment)), done(world.void(payment))
        assert first == second
        assert first.state is PaymentState.VOIDED
        assert world.free() == 10_000
        assert reason(world.capture(payment, 1_000)) is DeclineReason.HOLD_ENDED
        assert reason(world.refund(payment, 1)) is DeclineReason.NOT_CAPTURED

    def test_that_was_captured_is_not_voided(self, world: World) -> None:
        payment = world.captured()
        assert reason(world.void(payment)) is DeclineReason.ALREADY_CAPTURED

    def test_that_nobody_knows_is_neither_captured_nor_refunded(self, world: World) -> None:
        nobodys = CommandId("nobody-0001")
        assert reason(world.capture(nobodys, 1)) is DeclineReason.PAYMENT_NOT_FOUND
        assert reason(world.refund(nobodys, 1)) is DeclineReason.PAYMENT_NOT_FOUND

    def test_of_another_hospital_is_nobodys(self, world: World) -> None:
        payment = world.held(1_000)
        capture = CaptureCommand(world.new_id(), payment, Fen(1))
        outcome = world.wallet.carry_out(OTHER, capture)
        assert reason(outcome) is DeclineReason.PAYMENT_NOT_FOUND
        assert world.wallet.query(OTHER, payment).outcome is None

    def test_ends_by_itself_when_its_time_is_over(self, world: World) -> None:
        payment = world.held(1_000)
        world.wait(15 * MINUTE)
        assert world.wallet.expire_due() == 1
        assert world.wallet.expire_due() == 0
        assert world.free() == 10_000
        assert reason(world.capture(payment, 1_000)) is DeclineReason.HOLD_ENDED

    def test_is_not_captured_after_its_time_also_when_nobody_looked(self, world: World) -> None:
        payment = world.held(1_000)
        world.wait(15 * MINUTE)
        assert reason(world.capture(payment, 1_000)) is DeclineReason.HOLD_ENDED
        now = world.report(payment).payment
        assert now is not None
        assert now.state is PaymentState.EXPIRED

    def test_is_not_held_when_its_command_arrives_after_its_time(self, world: World) -> None:
        late = HoldCommand(world.new_id(), PAYER, Fen(1_000), START)
        assert reason(world.wallet.carry_out(HOSPITAL, late)) is DeclineReason.HOLD_ENDED
        assert world.free() == 10_000

    def test_is_never_held_longer_than_a_day(self, world: World) -> None:
        assert done(world.hold(1_000, minutes=5_000)).expires_at == START + HOLD_MAX


class TestAVoidBeforeItsHold:
    def test_rules_the_hold_out(self, world: World) -> None:
        late = HoldCommand(CommandId("late-hold"), PAYER, Fen(1_000), START + 15 * MINUTE)
        status = done(world.void(late.command_id))
        assert (status.state, status.amount_fen) == (PaymentState.VOIDED, 0)
        assert reason(world.wallet.carry_out(HOSPITAL, late)) is DeclineReason.HOLD_ENDED
        assert world.free() == 10_000

    def test_may_be_repeated_and_reported(self, world: World) -> None:
        void = VoidCommand(world.new_id(), CommandId("late-hold"))
        first = world.wallet.carry_out(HOSPITAL, void)
        assert world.wallet.carry_out(HOSPITAL, void) == first
        assert done(world.void(CommandId("late-hold"))) == done(first)
        assert world.report(CommandId("late-hold")).outcome == Declined(
            CommandId("late-hold"), DeclineReason.HOLD_ENDED
        )


class TestLimits:
    def test_one_payment_and_one_day_have_their_limits(self, world: World) -> None:
        assert reason(world.hold(5_001)) is DeclineReason.OVER_TRANSACTION_LIMIT
        world.held(5_000)
        assert reason(world.hold(3_001)) is DeclineReason.OVER_DAY_LIMIT
        world.held(3_000)
        agreed = world.wallet.agreement(PAYER)
        assert agreed is not None
        assert agreed.left_today_fen == 0

    def test_what_was_voided_expired_or_not_taken_counts_no_more_and_a_refund_does(
        self, world: World
    ) -> None:
        done(world.void(world.held(3_000)))
        done(world.capture(world.held(3_000), 1_000))
        done(world.refund(world.captured(2_000), 2_000))
        world.held(3_000)
        world.wait(15 * MINUTE)
        world.wallet.expire_due()
        agreed = world.wallet.agreement(PAYER)
        assert agreed is not None
        assert agreed.left_today_fen == 8_000 - 1_000 - 2_000

    def test_a_new_business_day_in_china_begins_anew(self, world: World) -> None:
        world.captured(5_000)
        world.wallet.top_up(PAYER, Fen(10_000))
        world.clock.set(START.replace(hour=15, minute=59))
        assert reason(world.hold(4_000)) is DeclineReason.OVER_DAY_LIMIT
        world.clock.set(START.replace(hour=16, minute=0))
        done(world.hold(4_000))

    def test_no_agreement_no_money_or_a_closed_account_hold_nothing(self, world: World) -> None:
        poor, stranger = PayerRef("payer-0002"), PayerRef("payer-0003")
        world.wallet.open_account(poor, last_four="5678", balance=Fen(0))
        assert reason(world.hold(1, payer=poor)) is DeclineReason.NO_AGREEMENT
        assert reason(world.hold(1, payer=stranger)) is DeclineReason.NO_AGREEMENT
        world.wallet.agree(poor, TERMS)
        assert reason(world.hold(1, payer=poor)) is DeclineReason.TOO_LITTLE_MONEY
        world.wallet.top_up(poor, Fen(1))
        done(world.hold(1, payer=poor))
        world.wallet.close_account(PAYER)
        assert reason(world.hold(1)) is DeclineReason.CLOSED

    def test_an_agreement_that_is_early_late_or_revoked_is_none(self, world: World) -> None:
        payment = world.held(1_000)
        world.wallet.agree(PAYER, replace(TERMS, valid_from=START + MINUTE))
        assert reason(world.hold(1)) is DeclineReason.NO_AGREEMENT
        world.wait(MINUTE)
        done(world.hold(1))
        world.wallet.revoke(PAYER)
        assert reason(world.hold(1)) is DeclineReason.NO_AGREEMENT
        agreed = world.wallet.agreement(PAYER)
        assert agreed is not None
        assert agreed.revoked_at == START + MINUTE
        done(world.capture(payment, 1_000))
        world.wallet.agree(PAYER, TERMS)
        world.clock.set(TERMS.valid_until)
        assert reason(world.hold(1)) is DeclineReason.NO_AGREEMENT

    @pytest.mark.parametrize(
        "terms",
        [
            replace(TERMS, transaction_max_fen=Fen(0)),
            replace(TERMS, day_max_fen=Fen(4_999)),
            replace(TERMS, valid_until=TERMS.valid_from),
        ],
    )
    def test_limits_that_cannot_be_are_not_agreed(self, world: World, terms: object) -> None:
        with pytest.raises(Refused, match="wallet_limits_invalid"):
            world.wallet.agree(PAYER, terms)  # type: ignore[arg-type]

    def test_accounts_are_opened_once_and_must_be_there(self, world: World) -> None:
        with pytest.raises(Refused, match="wallet_payer_known"):
            world.wallet.open_account(PAYER, last_four="1234", balance=Fen(1))
        with pytest.raises(Refused, match="wallet_payer_not_found"):
            world.wallet.top_up(PayerRef("payer-0009"), Fen(1))
        assert world.wallet.agreement(PayerRef("payer-0009")) is None


class TestARepeat:
    def test_is_answered_as_the_first_time_also_after_more_has_happened(self, world: World) -> None:
        hold = HoldCommand(world.new_id(), PAYER, Fen(1_000), START + 15 * MINUTE)
        first = world.wallet.carry_out(HOSPITAL, hold)
        done(world.capture(hold.command_id, 1_000))
        world.wait(DAY)
        assert world.wallet.carry_out(HOSPITAL, hold) == first
        assert world.free() == 9_000

    def test_of_a_declined_command_is_declined_also_when_it_could_be_done_now(
        self, world: World
    ) -> None:
        hold = HoldCommand(world.new_id(), PAYER, Fen(5_001), START + 15 * MINUTE)
        first = world.wallet.carry_out(HOSPITAL, hold)
        world.wallet.agree(PAYER, replace(TERMS, transaction_max_fen=Fen(6_000)))
        assert world.wallet.carry_out(HOSPITAL, hold) == first

    def test_with_another_content_is_declined_and_changes_nothing(self, world: World) -> None:
        hold = HoldCommand(world.new_id(), PAYER, Fen(1_000), START + 15 * MINUTE)
        first = world.wallet.carry_out(HOSPITAL, hold)
        for other in (
            replace(hold, amount_fen=Fen(1_001)),
            replace(hold, expires_at=START + 16 * MINUTE),
            CaptureCommand(hold.command_id, hold.command_id, Fen(1_000)),
        ):
            outcome = world.wallet.carry_out(HOSPITAL, other)
            assert reason(outcome) is DeclineReason.COMMAND_DIFFERS
        assert world.report(hold.command_id).outcome == first
        assert world.free() == 9_000

    def test_survives_a_restart(self, world: World) -> None:
        hold = HoldCommand(world.new_id(), PAYER, Fen(1_000), START + 15 * MINUTE)
        first = world.wallet.carry_out(HOSPITAL, hold)
        key = world.wallet.public_key
        world.restart()
        assert world.wallet.public_key == key
        assert world.wallet.carry_out(HOSPITAL, hold) == first


class TestReports:
    def test_tell_the_first_outcome_and_how_the_payment_stands_now(self, world: World) -> None:
        held = world.hold(1_000)
        payment = done(held).payment
        done(world.capture(payment, 1_000))
        report = world.report(payment)
        assert report.outcome == held
        assert report.payment is not None
        assert report.payment.state is PaymentState.CAPTURED

    def test_say_that_a_command_has_not_arrived(self, world: World) -> None:
        report = world.report(CommandId("nobody-0001"))
        assert (report.outcome, report.payment) == (None, None)

    def test_of_a_day_list_what_moved_under_the_hospitals_identifiers(self, world: World) -> None:
        payment = world.held(1_000)
        capture = CaptureCommand(CommandId("capture-1"), payment, Fen(900))
        done(world.wallet.carry_out(HOSPITAL, capture))
        world.wait(MINUTE)
        done(world.refund(payment, 300))
        done(world.void(world.held(500)))
        today = business_date(START)
        statement = world.wallet.statement(HOSPITAL, today)
        assert [(each.kind, each.amount_fen) for each in statement.movements] == [
            (MovementKind.CAPTURE, 900),
            (MovementKind.REFUND, 300),
        ]
        assert statement.movements[0].command_id == "capture-1"
        assert {each.payment for each in statement.movements} == {payment}
        assert statement.net_fen == 600
        assert world.wallet.statement(OTHER, today).movements == ()
        assert world.wallet.statement(HOSPITAL, today + DAY).movements == ()


class TestNotifications:
    def test_tell_every_change_once_signed_and_in_order(self, world: World) -> None:
        payment = world.captured(1_000)
        box = Box()
        assert world.wallet.send_due_news(box) == 2
        assert world.wallet.send_due_news(box) == 0
        assert box.versions == [1, 2]
        assert {each.status.payment for each in box.heard} == {payment}
        assert all(each.stand_in for each in box.heard)
        assert all(url == NEWS_URL for url, _, _ in box.raw)

    def test_are_believed_by_a_hospital(self, world: World) -> None:
        payment = world.held(1_000)
        box = Box()
        world.wallet.send_due_news(box)
        url, content, headers = box.raw[0]
        news = believed_notification(
            SignedRequest(
                method="POST",
                target_uri=url,
                signature_input=[headers["signature-input"]],
                signature=[headers["signature"]],
                content_digest=[headers["content-digest"]],
                address="",
                body=content,
            ),
            expected_key=world.wallet.public_key,
            expected_merchant=HOSPITAL,
            stand_in_allowed=True,
            now=START,
        )
        assert news.cause == payment
        assert news.status == world.report(payment).payment

    def test_name_no_cause_when_a_hold_expires(self, world: World) -> None:
        world.held(1_000)
        world.wait(15 * MINUTE)
        world.wallet.expire_due()
        box = Box()
        world.wallet.send_due_news(box)
        assert [each.cause is None for each in box.heard] == [False, True]

    def test_are_sent_again_until_they_are_taken_and_given_up_after_long(
        self, world: World
    ) -> None:
        world.held(1_000)
        deaf = Box(takes=False)
        assert world.wallet.send_due_news(deaf) == 1
        assert world.wallet.send_due_news(deaf) == 0
        world.wait(MINUTE)
        world.wallet.send_due_news(deaf)
        assert len({each.notification_id for each in deaf.heard}) == 1
        world.wait(MINUTE)
        good = Box()
        world.wallet.send_due_news(good)
        assert len(good.heard) == 1
        assert world.wallet.waiting_news() == 0
        assert next_try(NEWS_TRIES_MAX, now=START) is None

    def test_come_twice(self, world: World) -> None:
        world.wallet.faults.set_news(NewsFault(NewsFaultKind.TWICE))
        world.captured(1_000)
        box = Box()
        world.wallet.send_due_news(box)
        assert box.versions == [1, 1, 2, 2]
        signatures = {headers["signature"] for _, _, headers in box.raw}
        assert len(signatures) == 4

    def test_come_late(self, world: World) -> None:
        world.wallet.faults.set_news(NewsFault(NewsFaultKind.LATE, delay_s=600))
        world.held(1_000)
        box = Box()
        assert world.wallet.send_due_news(box) == 0
        world.wait(10 * MINUTE)
        assert world.wallet.send_due_news(box) == 1
        assert box.heard[0].at == START

    def test_come_out_of_order(self, world: World) -> None:
        world.wallet.faults.set_news(NewsFault(NewsFaultKind.OUT_OF_ORDER))
        payment = world.held(1_000)
        box = Box()
        assert world.wallet.send_due_news(box) == 0
        world.wait(MINUTE)
        done(world.capture(payment, 1_000))
        world.wallet.send_due_news(box)
        assert box.versions == [2, 1]

    def test_never_come(self, world: World) -> None:
        world.wallet.faults.set_news(NewsFault(NewsFaultKind.NEVER))
        world.held(1_000)
        box = Box()
        world.wallet.send_due_news(box)
        world.wallet.faults.set_news(NewsFault())
        world.wait(DAY)
        world.wallet.send_due_news(box)
        assert [each.status.state for each in box.heard] == []
        assert world.wallet.waiting_news() == 0

    def test_go_nowhere_without_an_address(self, world: World) -> None:
        world.wallet.admit(HOSPITAL, world.key.public_key)
        world.held(1_000)
        box = Box()
        world.wallet.send_due_news(box)
        assert box.heard == []
        assert world.wallet.waiting_news() == 0


class TestASignedCall:
    def body(self, world: World) -> HoldBody:
        until = world.clock.now() + 15 * MINUTE
        return HoldBody(command_id=world.new_id(), payer=PAYER, amount_fen=1_000, expires_at=until)

    def refusal(self, world: World, request: SignedRequest, call: Call = Call.HOLD) -> str:
        with pytest.raises(Refused) as refused:
            world.wallet.answer(call, request)
        return refused.value.kind.code

    def test_of_a_stranger_is_refused(self, world: World) -> None:
        stranger = SigningKey.generate(Algorithm.SM2_SM3)
        request = world.signed(Call.HOLD, self.body(world), key=stranger)
        assert self.refusal(world, request) == "sandbox.wallet_caller_unknown"

    def test_that_was_received_before_is_refused(self, world: World) -> None:
        request = world.signed(Call.HOLD, self.body(world))
        world.wallet.answer(Call.HOLD, request)
        assert self.refusal(world, request) == "sandbox.wallet_request_replayed"
        world.wallet.forget_nonces()
        assert self.refusal(world, request) == "sandbox.wallet_request_replayed"
        world.wait(2 * MINUTE)
        world.wallet.forget_nonces()
        assert self.refusal(world, request) == "terminals.signature_stale"
        assert world.free() == 9_000

    def test_for_another_address_or_with_another_body_is_refused(self, world: World) -> None:
        elsewhere = world.signed(Call.HOLD, self.body(world), path=Call.CAPTURE.path)
        assert self.refusal(world, elsewhere) == "terminals.signature_wrong"
        request = world.signed(Call.HOLD, self.body(world))
        altered = replace(request, body=request.body.replace(b"1000", b"2000"))
        assert self.refusal(world, altered) == "terminals.body_altered"
        assert world.free() == 10_000

    def test_of_another_form_is_refused(self, world: World) -> None:
        wrong: Wire = QueryBody(command_id="command-0001")
        request = world.signed(Call.HOLD, wrong)
        assert self.refusal(world, request) == "sandbox.wallet_body_invalid"


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "carried_out"),
        [
            (FaultKind.NONE, True),
            (FaultKind.BUSY, False),
            (FaultKind.SLOW, True),
            (FaultKind.CUT_BEFORE, False),
            (FaultKind.CUT_AFTER, True),
            (FaultKind.WRONG_SIGNATURE, True),
            (FaultKind.OTHER_REQUEST, True),
        ],
    )
    def test_do_or_leave_the_command_as_they_say(
        self, world: World, kind: FaultKind, carried_out: bool
    ) -> None:
        world.wallet.faults.set(Fault(kind, times=1))
        body = TestASignedCall().body(world)
        with suppress(Refused):
            world.wallet.answer(Call.HOLD, world.signed(Call.HOLD, body))
        assert (world.report(CommandId(body.command_id)).outcome is not None) is carried_out
        again = world.wallet.answer(Call.HOLD, world.signed(Call.HOLD, body))
        answer = CommandAnswer.model_validate_json(again.content)
        assert isinstance(answer.outcome.outcome(), Done)
        assert world.free() == 9_000

    def test_decline_for_good(self, world: World) -> None:
        world.wallet.faults.set(Fault(FaultKind.REFUSE, reason=DeclineReason.CLOSED, times=1))
        body = TestASignedCall().body(world)
        for _ in range(2):
            given = world.wallet.answer(Call.HOLD, world.signed(Call.HOLD, body))
            outcome = CommandAnswer.model_validate_json(given.content).outcome.outcome()
            assert outcome == Declined(CommandId(body.command_id), DeclineReason.CLOSED)

    def test_leave_questions_alone_unless_told_otherwise(self, world: World) -> None:
        question = QueryBody(command_id="command-0001")
        world.wallet.faults.set(Fault(FaultKind.BUSY))
        world.wallet.answer(Call.QUERY, world.signed(Call.QUERY, question))
        world.wallet.faults.set(Fault(FaultKind.BUSY, calls=frozenset((Call.QUERY,))))
        with pytest.raises(Refused, match="wallet_busy"):
            world.wallet.answer(Call.QUERY, world.signed(Call.QUERY, question))


def test_the_direct_wallet_is_an_e_wallet(world: World) -> None:
    wallet: EWallet = DirectWallet(world.wallet, HOSPITAL)
    hold = HoldCommand(world.new_id(), PAYER, Fen(1_000), START + 15 * MINUTE)
    held = wallet.hold(hold)
    taken = wallet.capture(CaptureCommand(world.new_id(), hold.command_id, Fen(1_000)))
    assert isinstance(held, Done)
    assert isinstance(taken, Done)
    assert wallet.query(hold.command_id).payment == taken.status
    assert wallet.statement(business_date(START)).net_fen == 1_000
    assert isinstance(wallet.void(VoidCommand(world.new_id(), hold.command_id)), Declined)
    assert wallet.agreement(PAYER) is not None


def test_every_refusal_is_of_this_part_and_named_once() -> None:
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    assert all(kind.code.startswith("sandbox.wallet_") for kind in REFUSALS)
    assert all(len(kind.code) <= 48 for kind in REFUSALS)


def test_nothing_prints_a_payers_reference(world: World) -> None:
    hold = HoldCommand(world.new_id(), PAYER, Fen(1_000), START + 15 * MINUTE)
    done(world.wallet.carry_out(HOSPITAL, hold))
    assert PAYER not in repr((world.wallet.payers(), hold, world.wallet.agreement(PAYER)))
