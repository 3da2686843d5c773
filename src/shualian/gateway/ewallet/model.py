"""What a hospital and an e-wallet say to each other, and when it is believed; pure.

Requests and notifications are signed as a terminal's requests are
(:mod:`shualian.terminals.requests.model`), answers as the police registry's
(:mod:`shualian.gateway.police_registry.model`): an answer holds for one request as it was sent
once, and for nothing else. An answer that has an outcome has the status 200; any other status,
signed or not, says nothing about the outcome.

What is proven: the holder of the wallet's key said this, about exactly this request or to exactly
this address. What is not: that the money is where the wallet says.
"""

import base64
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shualian.core.identifiers import CommandId, InstitutionCode
from shualian.core.money import Fen
from shualian.core.refusals import Finality, KindsOf, RefusalKind, Refused
from shualian.gateway.police_registry.model import (
    REGISTRY_KEY_CHANGED,
    REGISTRY_KEY_INVALID,
    ReceivedAnswer,
    SentRequest,
    answer_base,
)
from shualian.hospital.wallet.model import (
    Agreement,
    CaptureCommand,
    Command,
    CommandReport,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    Movement,
    MovementKind,
    News,
    NotificationId,
    PayerRef,
    PaymentState,
    PaymentStatus,
    RefundCommand,
    Statement,
    VoidCommand,
    WalletNo,
    check_status,
)
from shualian.terminals.enrolment.model import key_id_of
from shualian.terminals.requests.model import (
    FreshnessLimits,
    SignedRequest,
    check_freshness,
    content_digest_of,
    parse_signature_headers,
    verify_request,
)
from shualian.trust.signatures import PublicKey, verify

NOTIFICATION_PATH = "/wallet/v1/notifications"
"""At the hospital: POST :class:`NotificationBody`, signed by the wallet; answers 204."""
INTRODUCTION_PATH = "/sandbox/v1/introduction"
"""Of the stand-in only: POST :class:`Introduction`; answers :class:`Introduced`."""
REQUEST_BYTES_MAX = 8 * 2**10
ANSWER_BYTES_MAX = 8 * 2**20
"""A statement of 20,000 movements."""
AMOUNT_FEN_MAX = 10**10
FRESHNESS = FreshnessLimits()
"""Of requests, answers and notifications."""
SIGNING_PURPOSE = "gateway.ewallet"
"""A hospital's key for requests is derived from its provider's keys of this purpose."""

_COVERED = (
    '("@status" "content-digest" "@method";req "@target-uri";req "content-digest";req '
    '"signature";req)'
)
_SIGNATURE_INPUT = re.compile(
    re.escape(f"sig={_COVERED}") + r';created=(0|[1-9][0-9]{0,10});keyid="([0-9a-f]{64})"'
)
_SIGNATURE = re.compile(r"sig=:([A-Za-z0-9+/]{86}==):")
_KEY_TEXT = r"^(ecdsa-p256-sha256|sm2-sm3):04[0-9a-f]{128}$"

_kind = KindsOf("gateway").kind

WALLET_NOT_BELIEVED = _kind(
    "wallet_not_believed",
    "支付机构的消息不能采信",
    "A message of the e-wallet cannot be believed",
    "请核对支付机构的公钥和双方时钟，并报告安全负责人",
    "Compare the e-wallet's public key and both clocks, and tell the security officer",
)
WALLET_KEY_MISSING = _kind(
    "wallet_key_missing",
    "没有设置支付机构的公钥",
    "The e-wallet's public key is not set",
    "请向支付机构索取公钥并设置",
    "Get the key from the payment institution and set it",
)
WALLET_KEY_INVALID = _kind(
    "wallet_key_invalid",
    "支付机构的公钥格式不对",
    "The e-wallet's public key does not have its form",
    "格式是“算法:十六进制公钥”，例如 sm2-sm3:04……",
    "It is written as algorithm:hexadecimal point, beginning with sm2-sm3:04",
)
WALLET_KEY_CHANGED = _kind(
    "wallet_key_changed",
    "电子支付替身的公钥和第一次见到的不同",
    "The stand-in's public key is not the one that was seen first",
    "如果是重新建立的替身，请删除记下的公钥文件",
    "If the stand-in was made anew, delete the file with the key that was noted",
)
WALLET_NOT_REACHED = _kind(
    "wallet_not_reached",
    "连不上支付机构",
    "The e-wallet cannot be reached",
    "请检查网络；恢复前请用其他方式付款",
    "Check the network; until then people pay in another way",
    finality=Finality.TEMPORARY,
)
WALLET_NOT_ENCRYPTED = _kind(
    "wallet_not_encrypted",
    "支付机构的地址没有加密（不是 https）",
    "The e-wallet's address is not encrypted (not https)",
    "正式环境请使用 https 地址",
    "Use an https address in production",
)

REFUSALS = (
    WALLET_NOT_BELIEVED,
    WALLET_KEY_MISSING,
    WALLET_KEY_INVALID,
    WALLET_KEY_CHANGED,
    WALLET_NOT_REACHED,
    WALLET_NOT_ENCRYPTED,
)


class Call(StrEnum):
    """What a wallet can be asked; the value ends the path."""

    HOLD = "holds"
    CAPTURE = "captures"
    VOID = "voids"
    REFUND = "refunds"
    QUERY = "queries"
    AGREEMENT = "agreements"
    STATEMENT = "statements"

    @property
    def path(self) -> str:
        """Where it is posted, signed by the hospital."""
        return f"/wallet/v1/{self.value}"


COMMANDS = frozenset((Call.HOLD, Call.CAPTURE, Call.VOID, Call.REFUND))
"""Calls that move money; the others are questions."""


class Wire(BaseModel):
    """A message: no field more, no field less, and never shown when it is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{8,64}$")]
_Payer = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{8,64}$")]
_Amount = Annotated[int, Field(gt=0, le=AMOUNT_FEN_MAX)]
_AmountOrNone = Annotated[int, Field(ge=0, le=AMOUNT_FEN_MAX)]
_KeyText = Annotated[str, StringConstraints(pattern=_KEY_TEXT)]
_Merchant = Annotated[str, StringConstraints(pattern=r"^[HP][0-9]{11}$")]


class HoldBody(Wire):
    """:class:`HoldCommand` on the wire."""

    command_id: _Identifier = Field(description="Names the payment; the same again: the same")
    payer: _Payer = Field(repr=False)
    amount_fen: _Amount
    expires_at: AwareDatetime

    def command(self) -> HoldCommand:
        """As it was meant."""
        return HoldCommand(
            CommandId(self.command_id),
            PayerRef(self.payer),
            Fen(self.amount_fen),
            self.expires_at.astimezone(UTC),
        )


class CaptureBody(Wire):
    """:class:`CaptureCommand` on the wire."""

    command_id: _Identifier
    payment: _Identifier
    amount_fen: _Amount

    def command(self) -> CaptureCommand:
        """As it was meant."""
        return CaptureCommand(
            CommandId(self.command_id), CommandId(self.payment), Fen(self.amount_fen)
        )


class VoidBody(Wire):
    """:class:`VoidCommand` on the wire."""

    command_id: _Identifier
    payment: _Identifier

    def command(self) -> VoidCommand:
        """As it was meant."""
        return VoidCommand(CommandId(self.command_id), CommandId(self.payment))


class RefundBody(Wire):
    """:class:`RefundCommand` on the wire."""

    command_id: _Identifier
    payment: _Identifier
    amount_fen: _Amount

    def command(self) -> RefundCommand:
        """As it was meant."""
        return RefundCommand(
            CommandId(self.command_id), CommandId(self.payment), Fen(self.amount_fen)
        )


CommandBody = HoldBody | CaptureBody | VoidBody | RefundBody


class QueryBody(Wire):
    """What came of this command?"""

    command_id: _Identifier


class AgreementBody(Wire):
    """What did the person authorise?"""

    payer: _Payer = Field(repr=False)


class StatementBody(Wire):
    """What moved on this business day (Asia/Shanghai)?"""

    day: date


class StatusBody(Wire):
    """:class:`PaymentStatus` on the wire; one that contradicts itself is no message."""

    payment: _Identifier
    version: int = Field(ge=1)
    state: PaymentState
    amount_fen: _AmountOrNone
    captured_fen: _AmountOrNone
    refunded_fen: _AmountOrNone
    expires_at: AwareDatetime

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        try:
            check_status(self.status())
        except Refused as refused:
            raise ValueError(refused.kind.code) from None
        return self

    @classmethod
    def made(cls, status: PaymentStatus) -> "StatusBody":
        """A status on the wire."""
        return cls(**{name: getattr(status, name) for name in PaymentStatus.__slots__})

    def status(self) -> PaymentStatus:
        """As it was meant."""
        return PaymentStatus(
            payment=CommandId(self.payment),
            version=self.version,
            state=self.state,
            amount_fen=Fen(self.amount_fen),
            captured_fen=Fen(self.captured_fen),
            refunded_fen=Fen(self.refunded_fen),
            expires_at=self.expires_at.astimezone(UTC),
        )


class DoneBody(Wire):
    """:class:`Done` on the wire."""

    command_id: _Identifier
    status: StatusBody
    wallet_no: _Identifier
    at: AwareDatetime

    @classmethod
    def made(cls, done: Done) -> "DoneBody":
        """An outcome on the wire."""
        status = StatusBody.made(done.status)
        return cls(command_id=done.command_id, status=status, wallet_no=done.wallet_no, at=done.at)

    def outcome(self) -> Done:
        """As it was meant."""
        return Done(
            CommandId(self.command_id),
            self.status.status(),
            WalletNo(self.wallet_no),
            self.at.astimezone(UTC),
        )


class DeclinedBody(Wire):
    """:class:`Declined` on the wire."""

    command_id: _Identifier
    reason: DeclineReason

    @classmethod
    def made(cls, declined: Declined) -> "DeclinedBody":
        """An outcome on the wire."""
        return cls(command_id=declined.command_id, reason=declined.reason)

    def outcome(self) -> Declined:
        """As it was meant."""
        return Declined(CommandId(self.command_id), self.reason)


OutcomeBody = DoneBody | DeclinedBody


class Answer(Wire):
    """What every answer says of itself."""

    stand_in: bool = Field(default=False, description="Refused in production")


class CommandAnswer(Answer):
    """To a command."""

    outcome: OutcomeBody

    @classmethod
    def made(cls, outcome: Done | Declined, *, stand_in: bool) -> "CommandAnswer":
        """An outcome as an answer."""
        return cls(outcome=outcome_body(outcome), stand_in=stand_in)


class QueryAnswer(Answer):
    """To a query: what came of the command, and the payment as it stands now."""

    command_id: _Identifier
    outcome: OutcomeBody | None
    payment: StatusBody | None

    @classmethod
    def made(cls, report: CommandReport, *, stand_in: bool) -> "QueryAnswer":
        """A report as an answer."""
        return cls(
            command_id=report.command_id,
            outcome=None if report.outcome is None else outcome_body(report.outcome),
            payment=None if report.payment is None else StatusBody.made(report.payment),
            stand_in=stand_in,
        )

    def report(self) -> CommandReport:
        """As it was meant."""
        return CommandReport(
            CommandId(self.command_id),
            None if self.outcome is None else self.outcome.outcome(),
            None if self.payment is None else self.payment.status(),
        )


class AgreementDetails(Wire):
    """:class:`Agreement` on the wire, without the reference that was asked for."""

    last_four: str = Field(pattern=r"^[0-9]{4}$")
    transaction_max_fen: _Amount
    day_max_fen: _Amount
    left_today_fen: _AmountOrNone
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    revoked_at: AwareDatetime | None


class AgreementAnswer(Answer):
    """To a question for an agreement; none when there never was one."""

    agreement: AgreementDetails | None

    @classmethod
    def made(cls, agreement: Agreement | None, *, stand_in: bool) -> "AgreementAnswer":
        """An agreement as an answer."""
        if agreement is None:
            return cls(agreement=None, stand_in=stand_in)
        names = AgreementDetails.model_fields
        details = AgreementDetails(**{name: getattr(agreement, name) for name in names})
        return cls(agreement=details, stand_in=stand_in)

    def of(self, payer: PayerRef) -> Agreement | None:
        """As it was meant."""
        found = self.agreement
        if found is None:
            return None
        return Agreement(
            payer=payer,
            last_four=found.last_four,
            transaction_max_fen=Fen(found.transaction_max_fen),
            day_max_fen=Fen(found.day_max_fen),
            left_today_fen=Fen(found.left_today_fen),
            valid_from=found.valid_from.astimezone(UTC),
            valid_until=found.valid_until.astimezone(UTC),
            revoked_at=None if found.revoked_at is None else found.revoked_at.astimezone(UTC),
        )


class MovementBody(Wire):
    """:class:`Movement` on the wire."""

    wallet_no: _Identifier
    kind: MovementKind
    command_id: _Identifier
    payment: _Identifier
    amount_fen: _Amount
    at: AwareDatetime

    @classmethod
    def made(cls, movement: Movement) -> "MovementBody":
        """A movement on the wire."""
        return cls(**{name: getattr(movement, name) for name in Movement.__slots__})

    def movement(self) -> Movement:
        """As it was meant."""
        return Movement(
            WalletNo(self.wallet_no),
            self.kind,
            CommandId(self.command_id),
            CommandId(self.payment),
            Fen(self.amount_fen),
            self.at.astimezone(UTC),
        )


class StatementAnswer(Answer):
    """To a question for a statement."""

    day: date
    movements: tuple[MovementBody, ...]

    @classmethod
    def made(cls, statement: Statement, *, stand_in: bool) -> "StatementAnswer":
        """A statement as an answer."""
        movements = tuple(MovementBody.made(each) for each in statement.movements)
        return cls(day=statement.day, movements=movements, stand_in=stand_in)

    def statement(self) -> Statement:
        """As it was meant."""
        return Statement(self.day, tuple(each.movement() for each in self.movements))


class NotificationBody(Answer):
    """What happened to a payment, told by the wallet itself."""

    notification_id: _Identifier = Field(description="The same when it is sent again")
    merchant: _Merchant
    status: StatusBody
    cause: _Identifier | None = Field(description="The command; none when a hold expired")
    at: AwareDatetime

    @classmethod
    def made(cls, news: News, *, merchant: InstitutionCode, stand_in: bool) -> "NotificationBody":
        """News on the wire."""
        return cls(
            notification_id=news.notification_id,
            merchant=merchant,
            status=StatusBody.made(news.status),
            cause=news.cause,
            at=news.at,
            stand_in=stand_in,
        )

    def news(self) -> News:
        """As it was meant."""
        return News(
            NotificationId(self.notification_id),
            self.status.status(),
            None if self.cause is None else CommandId(self.cause),
            self.at.astimezone(UTC),
        )


class Introduction(Wire):
    """A hospital makes itself known to the stand-in on this machine."""

    merchant: _Merchant
    public_key: _KeyText
    notify_url: str | None = Field(
        default=None,
        pattern=r"^http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?(/[0-9A-Za-z._/-]*)?$",
        description="Where notifications go, on this machine; none: nowhere",
    )


class Introduced(Wire):
    """The stand-in's public key, as ``algorithm:hexadecimal point``."""

    public_key: _KeyText
    stand_in: Literal[True] = True


Form = TypeVar("Form", bound=Answer)


def outcome_body(outcome: Done | Declined) -> OutcomeBody:
    """An outcome on the wire."""
    return DoneBody.made(outcome) if isinstance(outcome, Done) else DeclinedBody.made(outcome)


def command_body(command: Command) -> tuple[Call, CommandBody]:
    """A command on the wire, and where it is posted.

    Raises:
        ValueError: When it does not fit the wire.
    """
    values = {name: getattr(command, name) for name in command.__slots__}
    match command:
        case HoldCommand():
            return Call.HOLD, HoldBody(**values)
        case CaptureCommand():
            return Call.CAPTURE, CaptureBody(**values)
        case VoidCommand():
            return Call.VOID, VoidBody(**values)
        case RefundCommand():
            return Call.REFUND, RefundBody(**values)


def payment_of(command: Command) -> CommandId:
    """Which payment a command is about."""
    return command.command_id if isinstance(command, HoldCommand) else command.payment


def believed_answer(
    received: ReceivedAnswer,
    form: type[Form],
    *,
    sent: SentRequest,
    expected_key: PublicKey,
    now: datetime,
    limits: FreshnessLimits = FRESHNESS,
) -> Form:
    """The answer, when it is the wallet's, to exactly this request, and just given.

    Raises:
        Refused: ``gateway.wallet_not_believed`` with what was found.
    """
    claimed = _SIGNATURE_INPUT.fullmatch(received.headers.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(received.headers.get("signature", ""))
    # One form and nothing beside it, so that nothing signed can be read in two ways.
    if claimed is None or signature is None:
        raise _not_believed("no signature of the agreed form")
    if claimed[2] != key_id_of(expected_key):
        raise _not_believed("another key")
    with _in_own_words():
        check_freshness(_moment(claimed[1]), now=now, limits=limits)
    digest = received.headers.get("content-digest", "")
    if not hmac.compare_digest(digest.encode(), content_digest_of(received.content).encode()):
        raise _not_believed("another content")
    parameters = received.headers["signature-input"].removeprefix("sig=")
    base = answer_base(sent, status=received.status, content_digest=digest, parameters=parameters)
    if not verify(expected_key, base, base64.b64decode(signature[1])):
        raise _not_believed("a wrong signature, or the answer to another request")
    return _parsed(received.content, form)


def believed_notification(
    received: SignedRequest,
    *,
    expected_key: PublicKey,
    expected_merchant: InstitutionCode,
    stand_in_allowed: bool,
    now: datetime,
    limits: FreshnessLimits = FRESHNESS,
) -> News:
    """The news, when the wallet signed it just now for this address and this hospital.

    Whether it was heard before is for :meth:`WalletNews.heard` to say, in its transaction.

    Args:
        received: As it came, with the target that the hospital itself is configured with.
        expected_key: The wallet's.
        expected_merchant: The hospital.
        stand_in_allowed: Only in the sandbox.
        now: UTC.
        limits: How old and how early the signature may be; what it tells may be older.

    Raises:
        Refused: ``gateway.wallet_not_believed`` with what was found.
    """
    with _in_own_words():
        claimed = parse_signature_headers(
            signature_input=received.signature_input,
            signature=received.signature,
            content_digest=received.content_digest,
        )
        if not hmac.compare_digest(claimed.key_id, key_id_of(expected_key)):
            raise _not_believed("another key")
        verify_request(
            claimed,
            method=received.method,
            target_uri=received.target_uri,
            body=received.body,
            expected_key=expected_key,
            now=now,
            limits=limits,
        )
    body = _parsed(received.body, NotificationBody)
    if body.merchant != expected_merchant:
        raise _not_believed("news for another hospital")
    if body.stand_in and not stand_in_allowed:
        raise _not_believed("news of a stand-in")
    return body.news()


@contextmanager
def keys_in_own_words() -> Iterator[None]:
    """What the registry's rules refuse about a public key, said of the wallet's.

    Raises:
        Refused: ``gateway.wallet_key_invalid``, ``gateway.wallet_key_changed``.
    """
    try:
        yield
    except Refused as refused:
        raise Refused(_OF_WALLET.get(refused.kind, refused.kind), **refused.details) from None


_OF_WALLET: dict[RefusalKind, RefusalKind] = {
    REGISTRY_KEY_INVALID: WALLET_KEY_INVALID,
    REGISTRY_KEY_CHANGED: WALLET_KEY_CHANGED,
}


@contextmanager
def _in_own_words() -> Iterator[None]:
    """What the rules of terminals' signatures refuse is about the wallet here."""
    try:
        yield
    except Refused as refused:
        if refused.kind is WALLET_NOT_BELIEVED:
            raise
        raise _not_believed(refused.kind.code) from None


def _parsed(content: bytes, form: type[Form]) -> Form:
    try:
        return form.model_validate_json(content)
    except ValueError:
        raise _not_believed("another form") from None


def _moment(digits: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(digits), UTC)
    except (ValueError, OverflowError, OSError):
        raise _not_believed("no such moment") from None


def _not_believed(found: str) -> Refused:
    return Refused(WALLET_NOT_BELIEVED, found=found)
