"""A hospital and a wallet without a network: keys, commands, answers signed as wished."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx

from shualian.core.clock import SettableClock
from shualian.core.identifiers import CommandId, InstitutionCode
from shualian.core.mode import Mode
from shualian.core.money import ZERO, Fen
from shualian.gateway.ewallet.model import (
    AgreementAnswer,
    Answer,
    Call,
    CommandAnswer,
    NotificationBody,
    QueryAnswer,
    StatementAnswer,
    command_body,
)
from shualian.gateway.ewallet.service import EWalletClient
from shualian.gateway.police_registry.model import CallLimits, SentRequest, sign_answer
from shualian.gateway.police_registry.service import PinnedKey
from shualian.hospital.wallet.model import (
    Agreement,
    CaptureCommand,
    Command,
    CommandReport,
    Declined,
    DeclineReason,
    Done,
    HoldCommand,
    News,
    NotificationId,
    PayerRef,
    PaymentState,
    PaymentStatus,
    RefundCommand,
    Statement,
    VoidCommand,
    WalletNo,
)
from shualian.terminals.agent.model import sign_request
from shualian.terminals.requests.model import SignedRequest
from shualian.trust.signatures import Algorithm, SigningKey

ORIGIN = "http://127.0.0.1:8619"
NEWS_URL = "http://localhost:8000/wallet/v1/notifications"
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
UNTIL = START + timedelta(minutes=15)
MERCHANT = InstitutionCode("H99000000001")
HOSPITAL = SigningKey.generate(Algorithm.ECDSA_P256_SHA256)
WALLET = SigningKey.generate(Algorithm.SM2_SM3)
STRANGER = SigningKey.generate(Algorithm.SM2_SM3)
PAYER = PayerRef("payer-0001")
PAYMENT = CommandId("payment-0001")
HOLD = HoldCommand(PAYMENT, PAYER, Fen(1_200), UNTIL)
COMMANDS: tuple[Command, ...] = (
    HOLD,
    CaptureCommand(CommandId("capture-0001"), PAYMENT, Fen(1_200)),
    VoidCommand(CommandId("void-00001"), PAYMENT),
    RefundCommand(CommandId("refund-0001"), PAYMENT, Fen(200)),
)
HELD = PaymentStatus(PAYMENT, 1, PaymentState.HELD, Fen(1_200), ZERO, ZERO, UNTIL)
STATUS_AFTER: Mapping[type[Command], PaymentStatus] = {
    HoldCommand: HELD,
    CaptureCommand: replace(HELD, version=2, state=PaymentState.CAPTURED, captured_fen=Fen(1_200)),
    VoidCommand: replace(HELD, version=2, state=PaymentState.VOIDED),
    RefundCommand: replace(
        HELD,
        version=3,
        state=PaymentState.CAPTURED,
        captured_fen=Fen(1_200),
        refunded_fen=Fen(200),
    ),
}
AGREED = Agreement(
    PAYER, "1234", Fen(5_000), Fen(8_000), Fen(8_000), START, START + timedelta(days=365)
)
NEWS = News(NotificationId("notification-1"), HELD, PAYMENT, START)
Handler = Callable[[httpx.Request], httpx.Response]


def done(command: Command, status: PaymentStatus | None = None) -> Done:
    """As a good wallet says it."""
    said = status or STATUS_AFTER[type(command)]
    return Done(command.command_id, said, WalletNo("wallet-0001"), START)


def response(
    content: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """As it comes over a wire: in pieces that are read once."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def signed(
    request: httpx.Request,
    answer: Answer,
    *,
    key: SigningKey = WALLET,
    created: datetime = START,
    status: int = 200,
) -> httpx.Response:
    """What a wallet sends; by default what a good one does."""
    content = answer.model_dump_json().encode()
    fields = request.headers
    sent = SentRequest(
        "POST", ORIGIN + request.url.path, fields["content-digest"], fields["signature"]
    )
    headers = sign_answer(key, sent, status=status, content=content, created=created)
    return response(content, status=status, headers=dict(headers))


def command_answer(outcome: Done | Declined, *, stand_in: bool = True) -> CommandAnswer:
    return CommandAnswer.made(outcome, stand_in=stand_in)


def good(request: httpx.Request) -> httpx.Response:
    """A wallet that does all that it is asked."""
    for command in COMMANDS:
        if request.url.path == command_body(command)[0].path:
            return signed(request, command_answer(done(command)))
    answers: dict[str, Answer] = {
        Call.QUERY.path: QueryAnswer.made(CommandReport(PAYMENT, done(HOLD), HELD), stand_in=True),
        Call.AGREEMENT.path: AgreementAnswer.made(AGREED, stand_in=True),
        Call.STATEMENT.path: StatementAnswer.made(Statement(START.date(), ()), stand_in=True),
    }
    return signed(request, answers[request.url.path])


def declining(reason: DeclineReason) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        return signed(request, command_answer(Declined(PAYMENT, reason)))

    return handler


class Counted:
    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def count(self, name: str) -> None:
        self.names[name.removeprefix("gateway_wallet_").removesuffix("_total")] += 1


class Hospital:
    """The client over a handler in the place of the network, and what it counted."""

    def __init__(self, handler: Handler, *, mode: Mode = Mode.SANDBOX, total_s: float = 5) -> None:
        self.counted = Counted()
        self.requests: list[httpx.Request] = []

        def follow(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return handler(request)

        self.client = EWalletClient(
            http=httpx.Client(transport=httpx.MockTransport(follow), base_url=ORIGIN),
            origin=ORIGIN,
            key=HOSPITAL,
            wallet=PinnedKey(WALLET.public_key),
            clock=SettableClock(START),
            mode=mode,
            counter=self.counted,
            limits=CallLimits(total_s=total_s),
        )


def notification(
    news: News = NEWS,
    *,
    key: SigningKey = WALLET,
    merchant: InstitutionCode = MERCHANT,
    created: datetime = START,
    target: str = NEWS_URL,
    stand_in: bool = True,
    content: bytes | None = None,
) -> SignedRequest:
    """A notification as it comes; by default a good one."""
    body = NotificationBody.made(news, merchant=merchant, stand_in=stand_in)
    said = content if content is not None else body.model_dump_json().encode()
    fields = sign_request(
        key, method="POST", target_uri=target, body=said, created=created, nonce="n" * 22
    )
    return SignedRequest(
        method="POST",
        target_uri=NEWS_URL,
        signature_input=[fields["signature-input"]],
        signature=[fields["signature"]],
        content_digest=[fields["content-digest"]],
        address="127.0.0.1",
        body=said,
    )
