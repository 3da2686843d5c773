"""What the stand-in of the e-wallet holds, decides and refuses; pure.

Its books are double entry: every posting adds up to zero, so that all accounts together always
hold nothing. Only the bank, where payers' money comes from, may be below zero.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import CommandId, InstitutionCode
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.gateway.ewallet.model import COMMANDS, Call, command_body
from shualian.hospital.wallet.model import (
    Agreement,
    Command,
    DeclineReason,
    HoldCommand,
    PayerRef,
    PaymentState,
    PaymentStatus,
)

STAND_IN_ZH = "演练用替身，不是支付机构，没有真钱"
STAND_IN_EN = "Stand-in for exercises, not a payment institution; no real money"
STAND_IN_HEADER = "x-shualian-stand-in"
"""Stands on every response."""
HOLD_MAX = timedelta(hours=24)
"""No hold lasts longer, whatever is asked."""
NEWS_TRIES_MAX = 12
NEWS_PAUSE_MAX = timedelta(seconds=60)

Account = NewType("Account", str)
BANK = Account("bank")
"""Where payers' money comes from."""

_kind = KindsOf("sandbox", Helper.SELF).kind

CALLER_UNKNOWN = _kind(
    "wallet_caller_unknown",
    "不认识这把密钥的医院",
    "No hospital with this key is known here",
    "请先登记医院的公钥",
    "Make the hospital's public key known first",
    Helper.TECHNICIAN,
)
REQUEST_REPLAYED = _kind(
    "wallet_request_replayed",
    "这个请求已经收到过",
    "This request was received before",
    "重发时请重新签名",
    "Sign again to repeat it",
    Helper.TECHNICIAN,
)
BODY_INVALID = _kind(
    "wallet_body_invalid",
    "请求的内容不对",
    "The content of the request is not valid",
    "请按接口说明检查请求",
    "Check the request against the OpenAPI document",
    Helper.TECHNICIAN,
)
BUSY = _kind(
    "wallet_busy",
    "支付替身正忙（演练故障）",
    "The stand-in is busy (a fault that was turned on)",
    "请稍后用同一个编号再发",
    "Send it again later under the same identifier",
    finality=Finality.TEMPORARY,
)
DESK_FOREIGN = _kind(
    "wallet_desk_foreign",
    "这个操作只能在这台机器上直接做",
    "Only a program on this machine may do this, not a page of another origin",
    "请用替身自己的地址",
    "Use the stand-in's own address",
)
PAYER_NOT_FOUND = _kind(
    "wallet_payer_not_found",
    "没有这个付款账户",
    "There is no such payer",
    "请先开户",
    "Open an account first",
)
PAYER_KNOWN = _kind(
    "wallet_payer_known",
    "这个付款账户已经有了",
    "There is such a payer already",
    "请用别的编号",
    "Use another reference",
)
LIMITS_INVALID = _kind(
    "wallet_limits_invalid",
    "限额或有效期不对",
    "The limits or the time of the agreement are not valid",
    "单笔限额不能大于每日限额，开始要早于结束",
    "One payment is at most a day's limit, and the beginning lies before the end",
)
SERVER_NOT_STARTED = _kind(
    "wallet_not_started",
    "替身没能启动，端口可能被占用",
    "The stand-in did not start; its port may be taken",
    "请换一个端口",
    "Choose another port",
    Helper.TECHNICIAN,
    Finality.TEMPORARY,
)

REFUSALS = (
    CALLER_UNKNOWN,
    REQUEST_REPLAYED,
    BODY_INVALID,
    BUSY,
    DESK_FOREIGN,
    PAYER_NOT_FOUND,
    PAYER_KNOWN,
    LIMITS_INVALID,
    SERVER_NOT_STARTED,
)


class FaultKind(StrEnum):
    """What goes wrong on purpose with calls."""

    NONE = "none"
    BUSY = "busy"
    """Nothing is done."""
    SLOW = "slow"
    """Done at once, answered late."""
    CUT_BEFORE = "cut_before"
    """Nothing is done, the connection is cut."""
    CUT_AFTER = "cut_after"
    """Done, then the connection is cut."""
    REFUSE = "refuse"
    """Commands are declined, for good; questions are answered."""
    WRONG_SIGNATURE = "wrong_signature"
    """Done, but the answer proves nothing."""
    OTHER_REQUEST = "other_request"
    """Done, but the answer is signed for another request."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of calls.

    Attributes:
        kind: What goes wrong.
        delay_s: For ``SLOW``.
        reason: For ``REFUSE``.
        calls: To which calls it happens; commands by default, so that a query tells the truth.
        times: How often; then all is well again. None: until it is turned off.
    """

    kind: FaultKind = FaultKind.NONE
    delay_s: float = 0.0
    reason: DeclineReason = DeclineReason.TOO_LITTLE_MONEY
    calls: frozenset[Call] = COMMANDS
    times: int | None = None


class NewsFaultKind(StrEnum):
    """What goes wrong on purpose with notifications."""

    NONE = "none"
    LATE = "late"
    TWICE = "twice"
    OUT_OF_ORDER = "out_of_order"
    """The newest first, and never a single one."""
    NEVER = "never"
    """Those that are due are lost for good."""


@dataclass(frozen=True, slots=True)
class NewsFault:
    """One fault of notifications; ``delay_s`` counts for ``LATE`` only."""

    kind: NewsFaultKind = NewsFaultKind.NONE
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Payer:
    """Somebody's account, fictional.

    Attributes:
        payer: The opaque reference.
        last_four: For the screen.
        closed: Whether nothing may be held any more.
    """

    payer: PayerRef = field(repr=False)
    last_four: str
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What a payer authorised once.

    Attributes:
        transaction_max_fen: The most of one payment, above 0.
        day_max_fen: The most of one business day, not below that.
        valid_from: UTC.
        valid_until: UTC, exclusive.
        revoked_at: UTC.
    """

    transaction_max_fen: Fen
    day_max_fen: Fen
    valid_from: datetime
    valid_until: datetime
    revoked_at: datetime | None = None

    def hold_at(self, now: datetime) -> bool:
        """Whether the authorisation is good at ``now``."""
        return self.revoked_at is None and self.valid_from <= now < self.valid_until


@dataclass(frozen=True, slots=True)
class HeldPayment:
    """A payment as the wallet keeps it.

    Attributes:
        merchant: Whose.
        payer: Whose money; none for a hold that was ruled out before it arrived.
        day: Business day on which it counts for the limit.
        status: As it is told.
    """

    merchant: InstitutionCode
    payer: PayerRef | None = field(repr=False)
    day: date
    status: PaymentStatus


@dataclass(frozen=True, slots=True)
class BooksCheck:
    """Whether the books are coherent.

    Attributes:
        sum_of_entries: Over all accounts; 0 in right books.
        postings_unbalanced: How many postings do not add up to zero.
        accounts_differing: How many balances differ from the sum of their entries.
        held_differing: How many payers hold another sum than their open holds.
        merchants_differing: How many hospitals hold another sum than captured less refunded.
    """

    sum_of_entries: Fen
    postings_unbalanced: int
    accounts_differing: int
    held_differing: int
    merchants_differing: int

    @property
    def coherent(self) -> bool:
        """Whether nothing is wrong."""
        return self == BooksCheck(ZERO, 0, 0, 0, 0)


def free_money(payer: PayerRef) -> Account:
    """What a payer can still spend."""
    return Account(f"payer/{payer}")


def held_money(payer: PayerRef) -> Account:
    """What is held of a payer."""
    return Account(f"held/{payer}")


def clearing(merchant: InstitutionCode) -> Account:
    """What a hospital has to get."""
    return Account(f"merchant/{merchant}")


def top_up_entries(payer: PayerRef, amount: Fen) -> Mapping[Account, Fen]:
    """Money of the bank becomes a payer's."""
    return {BANK: Fen(-amount), free_money(payer): amount}


def hold_entries(payer: PayerRef, amount: Fen) -> Mapping[Account, Fen]:
    """A payer's money is set aside."""
    return {free_money(payer): Fen(-amount), held_money(payer): amount}


def release_entries(payer: PayerRef, amount: Fen) -> Mapping[Account, Fen]:
    """Money that was set aside is the payer's again."""
    return {held_money(payer): Fen(-amount), free_money(payer): amount}


def capture_entries(
    payer: PayerRef, merchant: InstitutionCode, *, held: Fen, taken: Fen
) -> Mapping[Account, Fen]:
    """Money that was set aside becomes the hospital's; the rest is the payer's again."""
    entries = {held_money(payer): Fen(-held), clearing(merchant): taken}
    rest = Fen(held - taken)
    return {**entries, free_money(payer): rest} if rest else entries


def refund_entries(
    payer: PayerRef, merchant: InstitutionCode, amount: Fen
) -> Mapping[Account, Fen]:
    """Money of the hospital is the payer's again."""
    return {clearing(merchant): Fen(-amount), free_money(payer): amount}


def check_terms(terms: Terms) -> None:
    """Check limits and times of a new agreement.

    Raises:
        Refused: ``sandbox.wallet_limits_invalid``.
    """
    limits_fit = 0 < terms.transaction_max_fen <= terms.day_max_fen
    if not limits_fit or terms.valid_from >= terms.valid_until:
        raise Refused(LIMITS_INVALID)


def counted(statuses: Iterable[PaymentStatus]) -> Fen:
    """What payments of one day take of its limit: holds whole, captures as taken; refunds not."""
    return total([_counted(status) for status in statuses])


def agreement_of(payer: Payer, terms: Terms, *, spent: Fen) -> Agreement:
    """What a hospital is told of an agreement."""
    return Agreement(
        payer=payer.payer,
        last_four=payer.last_four,
        transaction_max_fen=terms.transaction_max_fen,
        day_max_fen=terms.day_max_fen,
        left_today_fen=Fen(max(ZERO, terms.day_max_fen - spent)),
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
        revoked_at=terms.revoked_at,
    )


def held(
    command: HoldCommand,
    *,
    payer: Payer | None,
    terms: Terms | None,
    spent: Fen,
    balance: Fen,
    now: datetime,
) -> PaymentStatus | DeclineReason:
    """The payment of a hold, or why there is none.

    Args:
        command: What is asked for.
        payer: Whose account; none when nobody's.
        terms: What the payer authorised.
        spent: What today's payments take of the day's limit.
        balance: What the payer can spend.
        now: UTC.
    """
    if payer is None or terms is None or not terms.hold_at(now):
        return DeclineReason.NO_AGREEMENT
    checks = (
        (payer.closed, DeclineReason.CLOSED),
        # A copy that was under way for too long does nothing.
        (command.expires_at <= now, DeclineReason.HOLD_ENDED),
        (command.amount_fen > terms.transaction_max_fen, DeclineReason.OVER_TRANSACTION_LIMIT),
        (command.amount_fen + spent > terms.day_max_fen, DeclineReason.OVER_DAY_LIMIT),
        (command.amount_fen > balance, DeclineReason.TOO_LITTLE_MONEY),
    )
    declined = next((reason for broken, reason in checks if broken), None)
    if declined is not None:
        return declined
    ends = min(command.expires_at, now + HOLD_MAX)
    return _status(command.command_id, PaymentState.HELD, command.amount_fen, ends)


def captured(before: PaymentStatus | None, amount: Fen) -> PaymentStatus | DeclineReason:
    """The payment once ``amount`` of it is taken, or why it is not."""
    if before is None:
        return DeclineReason.PAYMENT_NOT_FOUND
    if before.captured_fen:
        return DeclineReason.ALREADY_CAPTURED
    if before.state is not PaymentState.HELD:
        return DeclineReason.HOLD_ENDED
    if amount > before.amount_fen:
        return DeclineReason.OVER_HELD
    return _next(before, PaymentState.CAPTURED, captured_fen=amount)


def voided(
    before: PaymentStatus | None, payment: CommandId, *, now: datetime
) -> PaymentStatus | DeclineReason:
    """The payment once nothing of it is held; the same when nothing was, ruled out when unknown."""
    if before is None:
        return _status(payment, PaymentState.VOIDED, ZERO, now)
    if before.captured_fen:
        return DeclineReason.ALREADY_CAPTURED
    if before.state is not PaymentState.HELD:
        return before
    return _next(before, PaymentState.VOIDED)


def refunded(before: PaymentStatus | None, amount: Fen) -> PaymentStatus | DeclineReason:
    """The payment once ``amount`` more of it is given back, or why it is not."""
    if before is None:
        return DeclineReason.PAYMENT_NOT_FOUND
    if not before.captured_fen:
        return DeclineReason.NOT_CAPTURED
    if amount > before.refundable_fen:
        return DeclineReason.OVER_CAPTURED
    refunded_fen = Fen(before.refunded_fen + amount)
    whole = refunded_fen == before.captured_fen
    state = PaymentState.REFUNDED if whole else PaymentState.CAPTURED
    return _next(before, state, refunded_fen=refunded_fen)


def expired(before: PaymentStatus) -> PaymentStatus:
    """The payment once its hold's time is over."""
    return _next(before, PaymentState.EXPIRED)


def digest_of(command: Command) -> bytes:
    """32 bytes that only the same kind of command with the same content shares."""
    call, body = command_body(command)
    if isinstance(command, HoldCommand):
        # One moment can be written in many zones.
        moment = command.expires_at.astimezone(UTC)
        call, body = command_body(replace(command, expires_at=moment))
    return hashlib.sha256(f"{call.value}\0{body.model_dump_json()}".encode()).digest()


def next_try(tries: int, *, now: datetime) -> datetime | None:
    """When a notification is sent again after so many tries in vain; none when it is given up."""
    if tries >= NEWS_TRIES_MAX:
        return None
    return now + min(NEWS_PAUSE_MAX, timedelta(seconds=2 ** min(tries, 6)))


def _counted(status: PaymentStatus) -> Fen:
    return status.amount_fen if status.state is PaymentState.HELD else status.captured_fen


def _status(
    payment: CommandId, state: PaymentState, amount: Fen, expires_at: datetime
) -> PaymentStatus:
    return PaymentStatus(payment, 1, state, amount, ZERO, ZERO, expires_at)


def _next(
    before: PaymentStatus,
    state: PaymentState,
    *,
    captured_fen: Fen | None = None,
    refunded_fen: Fen | None = None,
) -> PaymentStatus:
    return replace(
        before,
        version=before.version + 1,
        state=state,
        captured_fen=before.captured_fen if captured_fen is None else captured_fen,
        refunded_fen=before.refunded_fen if refunded_fen is None else refunded_fen,
    )
