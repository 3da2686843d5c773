"""A wallet payment under words that come late, twice, out of order, or cannot be true."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import CommandId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Finality, Refused
from shualian.hospital.wallet.model import (
    REFUSALS,
    Agreement,
    CaptureCommand,
    Command,
    Declined,
    DeclineReason,
    HoldCommand,
    Movement,
    MovementKind,
    PayerRef,
    PaymentState,
    PaymentStatus,
    RefundCommand,
    Silence,
    Statement,
    Unknown,
    VoidCommand,
    WalletNo,
    WalletPayment,
    check_agreement,
    check_capture,
    check_refund,
    check_status,
    check_void,
    declined,
    is_overdue,
    learnt,
    refusal_of,
    requested,
    shows,
)

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=15)
HOLD = HoldCommand(CommandId("hold-0001"), PayerRef("payer-0001"), Fen(1_200), UNTIL)
REQUESTED = requested(HOLD, now=NOW)


def status(
    state: PaymentState, *, version: int, captured: int = 0, refunded: int = 0, amount: int = 1_200
) -> PaymentStatus:
    return PaymentStatus(
        HOLD.command_id, version, state, Fen(amount), Fen(captured), Fen(refunded), UNTIL
    )


HELD = status(PaymentState.HELD, version=1)
CAPTURED = status(PaymentState.CAPTURED, version=2, captured=1_000)
PARTLY = status(PaymentState.CAPTURED, version=3, captured=1_000, refunded=400)
REFUNDED = status(PaymentState.REFUNDED, version=4, captured=1_000, refunded=1_000)
VOIDED = status(PaymentState.VOIDED, version=2)
EXPIRED = status(PaymentState.EXPIRED, version=2)
HISTORIES = [[HELD, CAPTURED, PARTLY, REFUNDED], [HELD, VOIDED], [HELD, EXPIRED], [HELD, CAPTURED]]


def after(*words: PaymentStatus) -> WalletPayment:
    payment = REQUESTED
    for word in words:
        payment = learnt(payment, word)
    return payment


def refusal(word: PaymentStatus, *before: PaymentStatus) -> str:
    with pytest.raises(Refused) as refused:
        learnt(after(*before), word)
    assert refused.value.kind.code == "hospital.wallet_answer_invalid"
    return str(refused.value.details["found"])


@given(st.data())
def test_words_in_any_order_any_number_of_times_end_with_the_newest_that_was_heard(
    data: st.DataObject,
) -> None:
    history = data.draw(st.sampled_from(HISTORIES))
    heard = data.draw(st.lists(st.sampled_from(history), min_size=1, max_size=12))
    payment, newest = REQUESTED, 0
    for word in heard:
        payment = learnt(payment, word)
        newest = max(newest, word.version)
        truth = next(each for each in history if each.version == newest)
        assert (payment.version, payment.state) == (newest, truth.state)
        assert (payment.captured_fen, payment.refunded_fen) == (
            truth.captured_fen,
            truth.refunded_fen,
        )


@given(
    st.builds(
        PaymentStatus,
        payment=st.just(HOLD.command_id),
        version=st.integers(-1, 5),
        state=st.sampled_from(PaymentState),
        amount_fen=st.sampled_from([Fen(0), Fen(1_200), Fen(1_300)]),
        captured_fen=st.integers(-1, 1_300).map(Fen),
        refunded_fen=st.integers(-1, 1_300).map(Fen),
        expires_at=st.just(UNTIL),
    ),
    st.sampled_from([[], [HELD], [HELD, CAPTURED], [HELD, CAPTURED, PARTLY], [HELD, VOIDED]]),
)
def test_whatever_is_said_no_more_is_taken_than_held_nor_given_back_than_taken(
    word: PaymentStatus, before: list[PaymentStatus]
) -> None:
    payment = after(*before)
    found = payment
    with suppress(Refused):
        found = learnt(payment, word)
    assert 0 <= found.refunded_fen <= found.captured_fen <= found.amount_fen
    assert found.refunded_fen >= payment.refunded_fen
    assert found.version >= payment.version


@pytest.mark.parametrize(
    ("word", "before", "found"),
    [
        (status(PaymentState.HELD, version=0), [], "amounts that cannot be"),
        (status(PaymentState.HELD, version=1, captured=1), [], "amounts of another state"),
        (status(PaymentState.HELD, version=1, amount=0), [], "amounts of another state"),
        (status(PaymentState.REQUESTED, version=1), [], "amounts of another state"),
        (status(PaymentState.CAPTURED, version=2, captured=1_201), [], "amounts that cannot be"),
        (
            status(PaymentState.CAPTURED, version=2, captured=9, refunded=9),
            [],
            "amounts of another state",
        ),
        (status(PaymentState.HELD, version=1, amount=1_300), [], "another amount"),
        (replace(HELD, payment=CommandId("other-0001")), [], "another payment"),
        (replace(HELD, version=3), [HELD, CAPTURED], "captured became held"),
        (replace(CAPTURED, version=3), [HELD, VOIDED], "voided became captured"),
        (replace(VOIDED, version=3), [HELD, CAPTURED], "captured became voided"),
        (replace(VOIDED, version=1), [HELD], "two words of one version"),
        (
            status(PaymentState.CAPTURED, version=3, captured=900),
            [CAPTURED],
            "another captured amount",
        ),
        (
            status(PaymentState.CAPTURED, version=4, captured=1_000, refunded=300),
            [CAPTURED, PARTLY],
            "refunds were taken back",
        ),
    ],
)
def test_a_word_that_cannot_be_true_is_refused(
    word: PaymentStatus, before: list[PaymentStatus], found: str
) -> None:
    assert refusal(word, *before) == found


class TestADeclinedHold:
    def test_ends_the_payment_with_its_reason(self) -> None:
        found = declined(REQUESTED, DeclineReason.TOO_LITTLE_MONEY)
        assert found.state is PaymentState.DECLINED
        assert declined(found, DeclineReason.TOO_LITTLE_MONEY) == found

    def test_may_be_voided_all_the_same_and_stays_without_money(self) -> None:
        ruled_out = status(PaymentState.VOIDED, version=1, amount=0)
        found = learnt(declined(REQUESTED, DeclineReason.CLOSED), ruled_out)
        assert (found.state, found.captured_fen) == (PaymentState.VOIDED, ZERO)
        assert declined(found, DeclineReason.HOLD_ENDED) == found

    def test_cannot_be_declined_after_it_was_held(self) -> None:
        with pytest.raises(Refused, match="wallet_answer_invalid"):
            declined(after(HELD), DeclineReason.CLOSED)

    def test_cannot_be_held_after_it_was_declined(self) -> None:
        with pytest.raises(Refused, match="wallet_answer_invalid"):
            learnt(declined(REQUESTED, DeclineReason.CLOSED), HELD)


class TestBeforeSending:
    @pytest.mark.parametrize("amount", [0, -1, 1_201])
    def test_a_capture_takes_something_and_at_most_what_is_held(self, amount: int) -> None:
        check_capture(after(HELD), amount_fen=Fen(1_200))
        with pytest.raises(Refused, match="wallet_over_held"):
            check_capture(after(HELD), amount_fen=Fen(amount))

    @pytest.mark.parametrize("before", [[], [HELD, CAPTURED], [HELD, VOIDED], [HELD, EXPIRED]])
    def test_only_what_is_held_can_be_captured(self, before: list[PaymentStatus]) -> None:
        with pytest.raises(Refused, match="wallet_step"):
            check_capture(after(*before), amount_fen=Fen(1))

    def test_what_was_captured_cannot_be_voided(self) -> None:
        check_void(REQUESTED)
        check_void(after(HELD))
        with pytest.raises(Refused, match="wallet_step"):
            check_void(after(HELD, CAPTURED))

    @pytest.mark.parametrize("amount", [0, 601])
    def test_refunds_together_give_back_at_most_what_was_taken(self, amount: int) -> None:
        partly = after(HELD, CAPTURED, PARTLY)
        assert partly.refundable_fen == 600
        check_refund(partly, amount_fen=Fen(600))
        with pytest.raises(Refused, match="wallet_over_captured"):
            check_refund(partly, amount_fen=Fen(amount))
        with pytest.raises(Refused, match="wallet_step"):
            check_refund(after(HELD), amount_fen=Fen(1))

    def test_a_hold_is_overdue_at_its_end_unless_something_came_of_it(self) -> None:
        assert not is_overdue(after(HELD), now=UNTIL - timedelta(seconds=1))
        assert is_overdue(after(HELD), now=UNTIL)
        assert is_overdue(REQUESTED, now=UNTIL)
        assert not is_overdue(after(HELD, CAPTURED), now=UNTIL)


class TestTheAgreement:
    AGREED = Agreement(
        HOLD.payer, "1234", Fen(5_000), Fen(8_000), Fen(3_000), NOW, NOW + timedelta(days=365)
    )

    def refusal(self, agreement: Agreement | None, amount: int, now: datetime = NOW) -> str:
        with pytest.raises(Refused) as refused:
            check_agreement(agreement, amount_fen=Fen(amount), now=now)
        return refused.value.kind.code.removeprefix("hospital.wallet_")

    def test_within_its_limits_may_be_offered(self) -> None:
        assert check_agreement(self.AGREED, amount_fen=Fen(3_000), now=NOW) is self.AGREED

    def test_above_a_limit_is_not_offered(self) -> None:
        assert self.refusal(self.AGREED, 5_001) == "over_transaction_limit"
        assert self.refusal(self.AGREED, 3_001) == "over_day_limit"

    def test_none_early_late_or_revoked_is_no_agreement(self) -> None:
        revoked = replace(self.AGREED, revoked_at=NOW)
        early, late = NOW - timedelta(seconds=1), NOW + timedelta(days=365)
        assert self.refusal(None, 1) == "no_agreement"
        assert self.refusal(revoked, 1) == "no_agreement"
        assert self.refusal(self.AGREED, 1, early) == "no_agreement"
        assert self.refusal(self.AGREED, 1, late) == "no_agreement"

    def test_does_not_print_whose_it_is(self) -> None:
        assert "payer-0001" not in repr((self.AGREED, HOLD, REQUESTED))


class TestRefusals:
    @pytest.mark.parametrize("reason", DeclineReason)
    def test_every_reason_has_words_and_is_final(self, reason: DeclineReason) -> None:
        kind = refusal_of(Declined(HOLD.command_id, reason)).kind
        assert kind.finality is Finality.FINAL
        assert kind.code == f"hospital.wallet_{reason.value}"
        assert kind in REFUSALS

    @pytest.mark.parametrize("why", Silence)
    def test_silence_is_unknown_and_says_not_to_pay_again(self, why: Silence) -> None:
        kind = refusal_of(Unknown(HOLD.command_id, why)).kind
        assert kind.finality is Finality.UNKNOWN
        assert "不要重复付款" in kind.next_zh

    def test_codes_are_short_and_named_once(self) -> None:
        assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
        assert all(len(kind.code) <= 48 for kind in REFUSALS)


def test_a_statement_nets_what_was_taken_and_given_back() -> None:
    def line(kind: MovementKind, amount: int) -> Movement:
        command_id = CommandId(f"c-{kind}-{amount:05}")
        return Movement(WalletNo("w-000001"), kind, command_id, HOLD.command_id, Fen(amount), NOW)

    lines = (line(MovementKind.CAPTURE, 1_000), line(MovementKind.REFUND, 400))
    assert Statement(NOW.date(), lines).net_fen == 600
    assert Statement(NOW.date(), ()).net_fen == 0


def test_a_status_of_the_wallet_that_holds_together_is_taken() -> None:
    for history in HISTORIES:
        for word in history:
            check_status(word)


@pytest.mark.parametrize(
    ("command", "right", "wrong"),
    [
        (HOLD, HELD, [CAPTURED, VOIDED, status(PaymentState.HELD, version=1, amount=1_300)]),
        (
            CaptureCommand(CommandId("capture-01"), HOLD.command_id, Fen(1_000)),
            CAPTURED,
            [HELD, VOIDED, REFUNDED, status(PaymentState.CAPTURED, version=2, captured=999)],
        ),
        (VoidCommand(CommandId("void-00001"), HOLD.command_id), VOIDED, [HELD, CAPTURED]),
        (
            RefundCommand(CommandId("refund-001"), HOLD.command_id, Fen(400)),
            PARTLY,
            [HELD, CAPTURED, VOIDED],
        ),
    ],
)
def test_a_command_was_not_carried_out_when_its_payment_does_not_show_it(
    command: Command, right: PaymentStatus, wrong: list[PaymentStatus]
) -> None:
    assert shows(command, right)
    assert not any(shows(command, each) for each in wrong)
