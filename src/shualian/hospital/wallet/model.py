"""An e-payment account as a hospital sees it: agreement, commands, outcomes, one payment; pure.

``requested -> held -> captured -> refunded``; a hold ends as ``declined``, ``voided`` or
``expired`` instead. The wallet numbers what happens to a payment, and every message carries the
whole :class:`PaymentStatus`; so messages may come late, twice or out of order (:func:`learnt`).

What is proven: that the wallet said so. What is not: that it keeps its own limits.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import NewType, TypeAlias

from shualian.core.identifiers import CommandId
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.hospital.model import hospital_kind

PayerRef = NewType("PayerRef", str)
"""The wallet's opaque reference to a person's account; it says nothing of the person."""
WalletNo = NewType("WalletNo", str)
"""The wallet's own number of one thing that it did."""
NotificationId = NewType("NotificationId", str)

WALLET_NO_AGREEMENT = hospital_kind(
    "wallet_no_agreement",
    "您还没有授权一脸付，或授权已经失效",
    "There is no authorisation for one-scan payment, or it has ended",
    "请扫码、刷银行卡或到窗口付款；也可以重新授权",
    "Pay by code, bank card or at a window, or authorise it again",
    Helper.SELF,
)
WALLET_OVER_TRANSACTION_LIMIT = hospital_kind(
    "wallet_over_transaction_limit",
    "超过了您设的单笔限额",
    "The amount is above the limit for one payment",
    "请扫码、刷银行卡或到窗口付款",
    "Pay by code, bank card or at a window",
    Helper.SELF,
)
WALLET_OVER_DAY_LIMIT = hospital_kind(
    "wallet_over_day_limit",
    "超过了您设的每日限额",
    "The amount is above what is left of the limit for one day",
    "请扫码、刷银行卡或到窗口付款",
    "Pay by code, bank card or at a window",
    Helper.SELF,
)
WALLET_TOO_LITTLE_MONEY = hospital_kind(
    "wallet_too_little_money",
    "授权的账户余额不够",
    "The authorised account does not hold enough",
    "请充值，或用其他方式付款",
    "Put money in, or pay in another way",
    Helper.SELF,
)
WALLET_CLOSED = hospital_kind(
    "wallet_closed",
    "授权的账户已经停用",
    "The authorised account is closed",
    "请用其他方式付款，并联系支付机构",
    "Pay in another way and ask the payment institution",
    Helper.SELF,
)
WALLET_HOLD_ENDED = hospital_kind(
    "wallet_hold_ended",
    "这笔预留的钱已经退回账户",
    "The money is not held any more",
    "没有扣钱，请重新付款",
    "Nothing was taken; pay again",
)
WALLET_ALREADY_CAPTURED = hospital_kind(
    "wallet_already_captured",
    "这笔钱已经扣款，不能再取消预留",
    "The payment was captured and cannot be voided",
    "请办理退款",
    "Refund it",
)
WALLET_NOT_CAPTURED = hospital_kind(
    "wallet_not_captured",
    "这笔钱没有扣款，不用退款",
    "The payment was not captured, so there is nothing to refund",
    "请先查询这笔付款的状态",
    "Look at the state of the payment first",
)
WALLET_OVER_HELD = hospital_kind(
    "wallet_over_held",
    "扣款不能多于预留的钱",
    "More cannot be captured than is held",
    "请核对金额",
    "Check the amount",
)
WALLET_OVER_CAPTURED = hospital_kind(
    "wallet_over_captured",
    "退款不能多于已扣的钱",
    "More cannot be refunded than was captured",
    "请核对金额和以前的退款",
    "Check the amount and earlier refunds",
)
WALLET_PAYMENT_NOT_FOUND = hospital_kind(
    "wallet_payment_not_found",
    "支付机构没有这笔付款",
    "The payment institution does not know this payment",
    "请核对付款编号",
    "Check the identifier of the payment",
    Helper.TECHNICIAN,
)
WALLET_COMMAND_DIFFERS = hospital_kind(
    "wallet_command_differs",
    "这个付款编号已经用在别的内容上",
    "This command identifier was used with another content at the wallet",
    "请用新的编号办理",
    "Use a new identifier for another command",
    Helper.TECHNICIAN,
)
WALLET_OUTCOME_UNKNOWN = hospital_kind(
    "wallet_outcome_unknown",
    "还没收到支付机构的结果，正在核对",
    "It is not known yet whether the payment institution has done this",
    "请稍等，不要重复付款；系统会用同一个编号再问一次",
    "Wait and do not pay again; the same command is asked for again",
    finality=Finality.UNKNOWN,
)
WALLET_UNREACHABLE = hospital_kind(
    "wallet_unreachable",
    "支付机构暂时没有回应",
    "The payment institution does not answer",
    "请稍后再试，或用其他方式付款",
    "Try again in a moment, or pay in another way",
    finality=Finality.TEMPORARY,
)
WALLET_ANSWER_INVALID = hospital_kind(
    "wallet_answer_invalid",
    "支付机构返回的内容对不上",
    "What the payment institution says contradicts itself or what it said before",
    "请不要重复收费，通知技术人员和支付机构核对",
    "Take no money again; tell the technicians and the payment institution",
    Helper.TECHNICIAN,
)
WALLET_STEP = hospital_kind(
    "wallet_step",
    "这笔付款现在不能做这一步",
    "The payment cannot take this step now",
    "请先查询付款状态再办理",
    "Look at the state of the payment first",
)

REFUSALS = (
    WALLET_NO_AGREEMENT,
    WALLET_OVER_TRANSACTION_LIMIT,
    WALLET_OVER_DAY_LIMIT,
    WALLET_TOO_LITTLE_MONEY,
    WALLET_CLOSED,
    WALLET_HOLD_ENDED,
    WALLET_ALREADY_CAPTURED,
    WALLET_NOT_CAPTURED,
    WALLET_OVER_HELD,
    WALLET_OVER_CAPTURED,
    WALLET_PAYMENT_NOT_FOUND,
    WALLET_COMMAND_DIFFERS,
    WALLET_OUTCOME_UNKNOWN,
    WALLET_UNREACHABLE,
    WALLET_ANSWER_INVALID,
    WALLET_STEP,
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a person authorised once: that own shares are taken without a password (一脸付).

    Attributes:
        payer: By which the account is named.
        last_four: Of the account, for the screen.
        transaction_max_fen: The most of one payment.
        day_max_fen: The most of one business day.
        left_today_fen: What is left of it now, 0..day_max_fen.
        valid_from: UTC.
        valid_until: UTC, exclusive.
        revoked_at: When the person took it back, UTC.
    """

    payer: PayerRef = field(repr=False)
    last_four: str
    transaction_max_fen: Fen
    day_max_fen: Fen
    left_today_fen: Fen
    valid_from: datetime
    valid_until: datetime
    revoked_at: datetime | None = None

    def holds_at(self, now: datetime) -> bool:
        """Whether the person's authorisation is good at ``now``."""
        return self.revoked_at is None and self.valid_from <= now < self.valid_until


@dataclass(frozen=True, slots=True)
class HoldCommand:
    """Hold money of a payer; its identifier names the payment from then on.

    Attributes:
        command_id: Made and stored before it is sent.
        payer: Whose money.
        amount_fen: Above 0.
        expires_at: When the wallet gives it back by itself, UTC; a copy that arrives later is
            declined.
    """

    command_id: CommandId
    payer: PayerRef = field(repr=False)
    amount_fen: Fen
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CaptureCommand:
    """Take held money, once and at most what is held; the rest goes back to the payer."""

    command_id: CommandId
    payment: CommandId
    amount_fen: Fen


@dataclass(frozen=True, slots=True)
class VoidCommand:
    """Give held money back.

    Done means that nothing is held and nothing will be: a hold that has not arrived at the wallet
    is ruled out, so that a copy still under way does nothing.
    """

    command_id: CommandId
    payment: CommandId


@dataclass(frozen=True, slots=True)
class RefundCommand:
    """Give captured money back, whole or in part; all refunds together at most what was taken."""

    command_id: CommandId
    payment: CommandId
    amount_fen: Fen


Command: TypeAlias = HoldCommand | CaptureCommand | VoidCommand | RefundCommand


class PaymentState(StrEnum):
    """Where a wallet payment stands."""

    REQUESTED = "requested"
    """Stored here; the wallet was asked or is about to be."""
    DECLINED = "declined"
    HELD = "held"
    CAPTURED = "captured"
    """Taken, and not wholly given back."""
    VOIDED = "voided"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    """Wholly given back."""


ENDED_UNTAKEN = frozenset((PaymentState.DECLINED, PaymentState.VOIDED, PaymentState.EXPIRED))
"""In which the payer has all money and nothing more happens."""


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """A payment as the wallet tells it, whole.

    Attributes:
        payment: Identifier of the command that asked for the hold.
        version: 1 and up; each change of the payment adds 1.
        state: ``held``, ``captured``, ``voided``, ``expired`` or ``refunded``.
        amount_fen: What was held; 0 for a hold that was ruled out.
        captured_fen: What was taken.
        refunded_fen: What was given back of it, over all refunds.
        expires_at: When a hold ends, UTC.
    """

    payment: CommandId
    version: int
    state: PaymentState
    amount_fen: Fen
    captured_fen: Fen
    refunded_fen: Fen
    expires_at: datetime

    @property
    def refundable_fen(self) -> Fen:
        """What can still be given back."""
        return Fen(self.captured_fen - self.refunded_fen)


class DeclineReason(StrEnum):
    """Why the wallet did nothing; final."""

    NO_AGREEMENT = "no_agreement"
    """None, not valid yet or any more, or revoked."""
    OVER_TRANSACTION_LIMIT = "over_transaction_limit"
    OVER_DAY_LIMIT = "over_day_limit"
    TOO_LITTLE_MONEY = "too_little_money"
    CLOSED = "closed"
    HOLD_ENDED = "hold_ended"
    ALREADY_CAPTURED = "already_captured"
    NOT_CAPTURED = "not_captured"
    OVER_HELD = "over_held"
    OVER_CAPTURED = "over_captured"
    PAYMENT_NOT_FOUND = "payment_not_found"
    COMMAND_DIFFERS = "command_differs"
    """The identifier was used with another content, which may have been done."""

    @property
    def kind(self) -> RefusalKind:
        """The refusal that says so."""
        return _KIND_OF[self]


class Silence(StrEnum):
    """Why it is not known what the wallet did; the name of a counter."""

    BUSY = "busy"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    """No connection, or one that was cut."""
    REFUSED = "refused"
    """An answer without an outcome: the wallet does not take the request."""
    NOT_BELIEVED = "not_believed"
    """Another signature, another request, another form."""
    STAND_IN = "stand_in"
    """A stand-in answered in production."""
    NOT_SENT = "not_sent"
    """It does not fit the wire, there is no key, or no wallet is set up."""


@dataclass(frozen=True, slots=True)
class Done:
    """The command was carried out, now or when an earlier copy arrived.

    Attributes:
        command_id: Of the command.
        status: Of the payment when it was carried out.
        wallet_no: The wallet's number of it.
        at: When, UTC.
    """

    command_id: CommandId
    status: PaymentStatus
    wallet_no: WalletNo
    at: datetime


@dataclass(frozen=True, slots=True)
class Declined:
    """The command was not carried out and never will be, by no copy of it."""

    command_id: CommandId
    reason: DeclineReason


@dataclass(frozen=True, slots=True)
class Unknown:
    """It is not known whether the command was carried out; only a query or a repeat tells."""

    command_id: CommandId
    why: Silence


Outcome: TypeAlias = Done | Declined | Unknown


@dataclass(frozen=True, slots=True)
class CommandReport:
    """What the wallet knows of a command.

    Attributes:
        command_id: Which was asked for.
        outcome: As it was answered first; none when the command has not arrived, which does not
            mean that a copy under way will not.
        payment: The command's payment as it stands now; none when there is none.
    """

    command_id: CommandId
    outcome: Done | Declined | None
    payment: PaymentStatus | None


class MovementKind(StrEnum):
    """How money of the hospital moved."""

    CAPTURE = "capture"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of a statement.

    Attributes:
        wallet_no: The wallet's number of it.
        kind: Taken or given back.
        command_id: The hospital's identifier of the command.
        payment: The hospital's identifier of the payment.
        amount_fen: Above 0.
        at: UTC.
    """

    wallet_no: WalletNo
    kind: MovementKind
    command_id: CommandId
    payment: CommandId
    amount_fen: Fen
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """All movements of the hospital's money on one business day, in the wallet's order."""

    day: date
    movements: tuple[Movement, ...]

    @property
    def net_fen(self) -> Fen:
        """Taken less given back."""
        return Fen(self._sum(MovementKind.CAPTURE) - self._sum(MovementKind.REFUND))

    def _sum(self, kind: MovementKind) -> Fen:
        return total([each.amount_fen for each in self.movements if each.kind is kind])


@dataclass(frozen=True, slots=True)
class News:
    """A notification whose signature was verified.

    Attributes:
        notification_id: The same when it is sent again.
        status: Of the payment after what happened.
        cause: The command that did it; none when a hold expired.
        at: When it happened, UTC; a notification may come much later.
    """

    notification_id: NotificationId
    status: PaymentStatus
    cause: CommandId | None
    at: datetime


@dataclass(frozen=True, slots=True)
class WalletPayment:
    """One payment as the hospital keeps it.

    Attributes:
        command_id: Of the hold.
        payer: Whose money; none where the reference is kept sealed beside it.
        amount_fen: What is to be held.
        requested_at: UTC.
        expires_at: Of the hold, UTC; the wallet may say an earlier time.
        state: Where it stands, as far as the wallet told.
        captured_fen: What was taken.
        refunded_fen: What was given back.
        version: Of the wallet's last word; 0 before.
        declined: Why the hold was declined.
    """

    command_id: CommandId
    payer: PayerRef | None = field(repr=False)
    amount_fen: Fen
    requested_at: datetime
    expires_at: datetime
    state: PaymentState = PaymentState.REQUESTED
    captured_fen: Fen = ZERO
    refunded_fen: Fen = ZERO
    version: int = 0
    declined: DeclineReason | None = None

    @property
    def refundable_fen(self) -> Fen:
        """What can still be given back."""
        return Fen(self.captured_fen - self.refunded_fen)


_KIND_OF = {
    DeclineReason.NO_AGREEMENT: WALLET_NO_AGREEMENT,
    DeclineReason.OVER_TRANSACTION_LIMIT: WALLET_OVER_TRANSACTION_LIMIT,
    DeclineReason.OVER_DAY_LIMIT: WALLET_OVER_DAY_LIMIT,
    DeclineReason.TOO_LITTLE_MONEY: WALLET_TOO_LITTLE_MONEY,
    DeclineReason.CLOSED: WALLET_CLOSED,
    DeclineReason.HOLD_ENDED: WALLET_HOLD_ENDED,
    DeclineReason.ALREADY_CAPTURED: WALLET_ALREADY_CAPTURED,
    DeclineReason.NOT_CAPTURED: WALLET_NOT_CAPTURED,
    DeclineReason.OVER_HELD: WALLET_OVER_HELD,
    DeclineReason.OVER_CAPTURED: WALLET_OVER_CAPTURED,
    DeclineReason.PAYMENT_NOT_FOUND: WALLET_PAYMENT_NOT_FOUND,
    DeclineReason.COMMAND_DIFFERS: WALLET_COMMAND_DIFFERS,
}
_TAKEN = frozenset((PaymentState.CAPTURED, PaymentState.REFUNDED))
_AFTER_HELD = _TAKEN | {PaymentState.VOIDED, PaymentState.EXPIRED}
# Steps may be missed, because messages are lost; none leads back.
_AFTER: dict[PaymentState, frozenset[PaymentState]] = {
    PaymentState.REQUESTED: _AFTER_HELD | {PaymentState.HELD},
    PaymentState.HELD: _AFTER_HELD,
    PaymentState.CAPTURED: _TAKEN,
    # A void of what was declined is done, and leaves a ruled-out payment at the wallet.
    PaymentState.DECLINED: frozenset((PaymentState.VOIDED,)),
    PaymentState.VOIDED: frozenset(),
    PaymentState.EXPIRED: frozenset(),
    PaymentState.REFUNDED: frozenset(),
}


def refusal_of(outcome: Declined | Unknown) -> Refused:
    """An outcome that is not *done* as the refusal that people are told."""
    if isinstance(outcome, Declined):
        return Refused(outcome.reason.kind)
    return Refused(WALLET_OUTCOME_UNKNOWN, found=outcome.why.value)


def check_agreement(agreement: Agreement | None, *, amount_fen: Fen, now: datetime) -> Agreement:
    """Check before anybody is asked to confirm that the account may be used for an amount.

    Raises:
        Refused: ``hospital.wallet_no_agreement``, ``wallet_over_transaction_limit``,
            ``wallet_over_day_limit`` with the limit.
    """
    if agreement is None or not agreement.holds_at(now):
        raise Refused(WALLET_NO_AGREEMENT)
    if amount_fen > agreement.transaction_max_fen:
        limit = agreement.transaction_max_fen
        raise Refused(WALLET_OVER_TRANSACTION_LIMIT, found_fen=amount_fen, limit_fen=limit)
    if amount_fen > agreement.left_today_fen:
        limit = agreement.left_today_fen
        raise Refused(WALLET_OVER_DAY_LIMIT, found_fen=amount_fen, limit_fen=limit)
    return agreement


def requested(command: HoldCommand, *, now: datetime) -> WalletPayment:
    """The payment that is stored before its hold is asked for."""
    return WalletPayment(
        command.command_id, command.payer, command.amount_fen, now, command.expires_at
    )


def learnt(payment: WalletPayment, status: PaymentStatus) -> WalletPayment:
    """The payment after a word of the wallet, from an answer, a query or a notification.

    An older word changes nothing, and so does the same one again.

    Raises:
        Refused: ``hospital.wallet_answer_invalid`` when the word contradicts itself, what was
            asked for, or what the wallet said before.
    """
    check_status(status)
    if status.payment != payment.command_id:
        raise _invalid("another payment")
    if status.amount_fen not in {payment.amount_fen, ZERO}:
        raise _invalid("another amount")
    if status.version < payment.version:
        return payment
    after = replace(
        payment,
        state=status.state,
        captured_fen=status.captured_fen,
        refunded_fen=status.refunded_fen,
        expires_at=status.expires_at,
        version=status.version,
    )
    if status.version == payment.version and after != payment:
        raise _invalid("two words of one version")
    if status.version > payment.version:
        _check_moves_on(payment, after)
    return after


def declined(payment: WalletPayment, reason: DeclineReason) -> WalletPayment:
    """The payment after its hold was declined.

    Raises:
        Refused: ``hospital.wallet_answer_invalid`` when the wallet said before that it was held.
    """
    if payment.state in {PaymentState.DECLINED, PaymentState.VOIDED}:
        return payment
    if payment.state is not PaymentState.REQUESTED:
        raise _invalid("declined what was held")
    return replace(payment, state=PaymentState.DECLINED, declined=reason)


def check_capture(payment: WalletPayment, *, amount_fen: Fen) -> None:
    """Check a capture before it is stored and sent.

    Raises:
        Refused: ``hospital.wallet_step``, ``wallet_over_held``.
    """
    _check_state(payment, PaymentState.HELD)
    if not 0 < amount_fen <= payment.amount_fen:
        raise Refused(WALLET_OVER_HELD, found_fen=amount_fen, limit_fen=payment.amount_fen)


def check_void(payment: WalletPayment) -> None:
    """Check a void before it is stored and sent; what was only requested can be voided too.

    Raises:
        Refused: ``hospital.wallet_step``.
    """
    _check_state(payment, PaymentState.REQUESTED, PaymentState.HELD)


def check_refund(payment: WalletPayment, *, amount_fen: Fen) -> None:
    """Check a refund before it is stored and sent.

    Raises:
        Refused: ``hospital.wallet_step``, ``wallet_over_captured``.
    """
    _check_state(payment, PaymentState.CAPTURED)
    if not 0 < amount_fen <= payment.refundable_fen:
        raise Refused(WALLET_OVER_CAPTURED, found_fen=amount_fen, limit_fen=payment.refundable_fen)


def is_overdue(payment: WalletPayment, *, now: datetime) -> bool:
    """Whether the hold's time is over; only the wallet can say whether it was captured before."""
    open_states = {PaymentState.REQUESTED, PaymentState.HELD}
    return payment.state in open_states and now >= payment.expires_at


def shows(command: Command, status: PaymentStatus) -> bool:
    """Whether a status can be what a payment was when the command was carried out."""
    match command:
        case HoldCommand():
            expected = (PaymentState.HELD, command.amount_fen)
            return (status.state, status.amount_fen) == expected
        case CaptureCommand():
            expected = (PaymentState.CAPTURED, command.amount_fen)
            return (status.state, status.captured_fen) == expected
        case VoidCommand():
            return status.state in ENDED_UNTAKEN
        case RefundCommand():
            return status.state in _TAKEN and status.refunded_fen >= command.amount_fen


def check_status(status: PaymentStatus) -> None:
    """Check that a word of the wallet does not contradict itself.

    Raises:
        Refused: ``hospital.wallet_answer_invalid`` with what is broken.
    """
    amount, captured, refunded = status.amount_fen, status.captured_fen, status.refunded_fen
    if status.version < 1 or not 0 <= refunded <= captured <= amount:
        raise _invalid("amounts that cannot be")
    fits = {
        PaymentState.HELD: captured == 0 < amount,
        PaymentState.VOIDED: captured == 0,
        PaymentState.EXPIRED: captured == 0,
        PaymentState.CAPTURED: refunded < captured,
        PaymentState.REFUNDED: 0 < refunded == captured,
    }
    if not fits.get(status.state, False):
        raise _invalid("amounts of another state")


def _check_moves_on(before: WalletPayment, after: WalletPayment) -> None:
    if after.state not in _AFTER[before.state]:
        raise _invalid(f"{before.state.value} became {after.state.value}")
    taken_before = before.state in _TAKEN
    if taken_before and after.captured_fen != before.captured_fen:
        raise _invalid("another captured amount")
    if after.refunded_fen < before.refunded_fen:
        raise _invalid("refunds were taken back")


def _check_state(payment: WalletPayment, *expected: PaymentState) -> None:
    if payment.state not in expected:
        raise Refused(WALLET_STEP, found=payment.state.value, expected=",".join(sorted(expected)))


def _invalid(found: str) -> Refused:
    return Refused(WALLET_ANSWER_INVALID, found=found)
