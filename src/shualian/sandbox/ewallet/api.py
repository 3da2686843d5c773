"""The stand-in over HTTP: the wallet's protocol, and the knobs of whoever sits at this machine.

The server listens on loopback only; a page of another origin in a browser of this machine is
refused.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.gateway.ewallet.model import (
    AMOUNT_FEN_MAX,
    COMMANDS,
    INTRODUCTION_PATH,
    REQUEST_BYTES_MAX,
    AgreementAnswer,
    AgreementBody,
    Answer,
    Call,
    CaptureBody,
    CommandAnswer,
    HoldBody,
    Introduced,
    Introduction,
    QueryAnswer,
    QueryBody,
    RefundBody,
    StatementAnswer,
    StatementBody,
    VoidBody,
    Wire,
)
from shualian.gateway.police_registry.model import parse_public_key, public_key_text
from shualian.hospital.wallet.model import DeclineReason, PayerRef
from shualian.sandbox.ewallet.model import (
    DESK_FOREIGN,
    STAND_IN_EN,
    STAND_IN_HEADER,
    STAND_IN_ZH,
    Fault,
    FaultKind,
    NewsFault,
    NewsFaultKind,
    Terms,
)
from shualian.sandbox.ewallet.service import StandInWallet
from shualian.terminals.requests.model import SignedRequest
from shualian.web.application import StandIn, build_listener
from shualian.web.problems import problem

_HERE = frozenset(("127.0.0.1", "localhost"))
_SECURITY = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
_CUT = "shualian.cut"
_FORMS: dict[Call, tuple[type[Wire], type[Answer], str]] = {
    Call.HOLD: (HoldBody, CommandAnswer, "Hold money of a payer until a moment."),
    Call.CAPTURE: (CaptureBody, CommandAnswer, "Take held money, once; the rest is released."),
    Call.VOID: (VoidBody, CommandAnswer, "Make sure that nothing is held, nor will be."),
    Call.REFUND: (RefundBody, CommandAnswer, "Give captured money back, whole or in part."),
    Call.QUERY: (QueryBody, QueryAnswer, "Tell what came of a command."),
    Call.AGREEMENT: (AgreementBody, AgreementAnswer, "Tell what a payer authorised."),
    Call.STATEMENT: (StatementBody, StatementAnswer, "Tell the movements of one business day."),
}

_Payer = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{8,64}$")]
_Amount = Annotated[int, Field(gt=0, le=AMOUNT_FEN_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PayerBody(_Body):
    """A fictional account."""

    payer: _Payer = Field(repr=False)


class AccountBody(PayerBody):
    """A fictional account to open."""

    last_four: str = Field(pattern=r"^[0-9]{4}$")
    balance_fen: int = Field(default=0, ge=0, le=AMOUNT_FEN_MAX)


class TopUpBody(PayerBody):
    """Fictional money for an account."""

    amount_fen: _Amount


class TermsBody(PayerBody):
    """What the payer authorises."""

    transaction_max_fen: _Amount
    day_max_fen: _Amount
    valid_from: AwareDatetime
    valid_until: AwareDatetime


class PayerAnswer(_Body):
    """An account."""

    payer: str = Field(repr=False)
    last_four: str
    closed: bool
    free_fen: int


class PayersAnswer(_Body):
    """Every account."""

    stand_in: str = STAND_IN_ZH
    payers: list[PayerAnswer]


class BooksAnswer(_Body):
    """Whether the books are coherent, and how many notifications wait."""

    coherent: bool
    sum_of_entries_fen: int
    postings_unbalanced: int
    accounts_differing: int
    held_differing: int
    merchants_differing: int
    news_waiting: int


class FaultBody(_Body):
    """What goes wrong with calls."""

    kind: FaultKind
    delay_s: float = Field(default=0.0, ge=0, le=3_600, description="For slow, seconds")
    reason: DeclineReason = Field(default=DeclineReason.TOO_LITTLE_MONEY, description="For refuse")
    calls: frozenset[Call] = Field(default=COMMANDS, description="To which it happens")
    times: int | None = Field(default=None, ge=0, description="How often; none: until mended")


class NewsFaultBody(_Body):
    """What goes wrong with notifications."""

    kind: NewsFaultKind
    delay_s: float = Field(default=0.0, ge=0, le=86_400, description="For late, seconds")


class ExpiredAnswer(_Body):
    """How many holds were given back."""

    holds: int


def build_stand_in(wallet: StandInWallet) -> ASGIApp:
    """The whole application; run it on loopback only."""
    listener = build_listener(
        "e-wallet stand-in",
        routers=[_protocol(wallet), _desk(wallet), _knobs(wallet)],
        mode=Mode.SANDBOX,
        stand_ins=[StandIn("e_wallet", STAND_IN_ZH, STAND_IN_EN)],
        body_bytes_max=REQUEST_BYTES_MAX,
    )
    return _Door(listener)


def own_program(request: Request) -> None:
    """Refuse what a page of another origin sends from this machine's browser.

    Raises:
        Refused: ``sandbox.wallet_desk_foreign``.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if (origin is not None and origin != own) or site not in {"same-origin", "none"}:
        raise Refused(DESK_FOREIGN)


class _Door:
    """Outermost: marks every response, knows its own names, and cuts answers on purpose."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        answering = _cut(_marked(send), lambda: bool(state.get(_CUT)))
        if _is_addressed_here(Request(scope)):
            await self._app(scope, receive, answering)
        else:
            # A name that was made to point here (DNS rebinding) is nobody's own program.
            await problem(Request(scope), Refused(DESK_FOREIGN))(scope, receive, answering)


def _marked(send: Send) -> Send:
    async def mark(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers[STAND_IN_HEADER] = "e-wallet"
            for name, value in _SECURITY.items():
                headers[name] = value
        await send(message)

    return mark


def _cut(send: Send, is_cut: Callable[[], bool]) -> Send:
    """Sends half of an answer and no end: the server then closes the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body" and is_cut():
            half = message.get("body", b"")
            await send({**message, "body": half[: len(half) // 2], "more_body": True})
            return
        await send(message)

    return cut


def _is_addressed_here(request: Request) -> bool:
    return urlsplit(f"//{request.headers.get('host', '')}").hostname in _HERE


def _protocol(wallet: StandInWallet) -> APIRouter:
    routes = APIRouter(tags=["wallet"])
    for call, (body, answer, words) in _FORMS.items():
        content = {"application/json": {"schema": body.model_json_schema()}}
        routes.add_api_route(
            call.path,
            _answering(wallet, call),
            methods=["POST"],
            name=call.name.lower(),
            description=f"{words} Signed by the hospital (RFC 9421); the answer is signed too.",
            response_model=None,
            responses={200: {"model": answer}},
            openapi_extra={"requestBody": {"required": True, "content": content}},
        )

    def introduction(body: Introduction) -> Introduced:
        """Exchange public keys with a hospital on this machine; only a stand-in does that."""
        key = parse_public_key(body.public_key)
        wallet.admit(InstitutionCode(body.merchant), key, notify_url=body.notify_url)
        return Introduced(public_key=public_key_text(wallet.public_key))

    routes.add_api_route(
        INTRODUCTION_PATH, introduction, methods=["POST"], dependencies=[Depends(own_program)]
    )
    return routes


def _answering(wallet: StandInWallet, call: Call) -> Callable[[Request], Awaitable[Response]]:
    async def answering(request: Request) -> Response:
        signed = _signed_request(request, await request.body(), wallet.origin)
        answer = await run_in_threadpool(wallet.answer, call, signed)
        request.scope["state"][_CUT] = answer.cut
        return Response(answer.content, media_type="application/json", headers=dict(answer.headers))

    return answering


def _desk(wallet: StandInWallet) -> APIRouter:
    """Accounts and agreements, as people have them in the wallet's own app."""
    routes = APIRouter(prefix="/desk/v1", tags=["desk"], dependencies=[Depends(own_program)])

    @routes.post("/payers", status_code=HTTPStatus.CREATED)
    def open_account(body: AccountBody) -> None:
        """Open a fictional account."""
        balance = Fen(body.balance_fen)
        wallet.open_account(PayerRef(body.payer), last_four=body.last_four, balance=balance)

    @routes.get("/payers")
    def payers() -> PayersAnswer:
        """Every account."""
        found = [
            PayerAnswer(payer=one.payer, last_four=one.last_four, closed=one.closed, free_fen=free)
            for one, free in wallet.payers()
        ]
        return PayersAnswer(payers=found)

    @routes.post("/top-ups", status_code=HTTPStatus.NO_CONTENT)
    def top_up(body: TopUpBody) -> None:
        """Put fictional money into an account."""
        wallet.top_up(PayerRef(body.payer), Fen(body.amount_fen))

    @routes.post("/agreements", status_code=HTTPStatus.CREATED)
    def agree(body: TermsBody) -> None:
        """Authorise one-scan payment, in the place of an earlier authorisation."""
        terms = Terms(
            Fen(body.transaction_max_fen),
            Fen(body.day_max_fen),
            body.valid_from,
            body.valid_until,
        )
        wallet.agree(PayerRef(body.payer), terms)

    @routes.post("/revocations", status_code=HTTPStatus.NO_CONTENT)
    def revoke(body: PayerBody) -> None:
        """Take the authorisation back."""
        wallet.revoke(PayerRef(body.payer))

    @routes.post("/closings", status_code=HTTPStatus.NO_CONTENT)
    def close(body: PayerBody) -> None:
        """Close an account."""
        wallet.close_account(PayerRef(body.payer))

    return routes


def _knobs(wallet: StandInWallet) -> APIRouter:
    """Faults, and whether the books are right."""
    routes = APIRouter(prefix="/desk/v1", tags=["knobs"], dependencies=[Depends(own_program)])

    @routes.get("/books")
    def books() -> BooksAnswer:
        """Whether the books are coherent."""
        found = wallet.check_books()
        return BooksAnswer(
            coherent=found.coherent,
            sum_of_entries_fen=found.sum_of_entries,
            postings_unbalanced=found.postings_unbalanced,
            accounts_differing=found.accounts_differing,
            held_differing=found.held_differing,
            merchants_differing=found.merchants_differing,
            news_waiting=wallet.waiting_news(),
        )

    @routes.post("/expiries")
    def expire() -> ExpiredAnswer:
        """Give back at once what was held for too long."""
        return ExpiredAnswer(holds=wallet.expire_due())

    @routes.get("/fault")
    def fault() -> FaultBody:
        """What goes wrong with calls now, and how often still."""
        now = wallet.faults.current
        return FaultBody(
            kind=now.kind, delay_s=now.delay_s, reason=now.reason, calls=now.calls, times=now.times
        )

    @routes.put("/fault")
    def turn(body: FaultBody) -> FaultBody:
        """Let something go wrong with calls, or mend it."""
        wallet.faults.set(Fault(body.kind, body.delay_s, body.reason, body.calls, body.times))
        return body

    @routes.get("/news-fault")
    def news_fault() -> NewsFaultBody:
        """What goes wrong with notifications now."""
        current = wallet.faults.news
        return NewsFaultBody(kind=current.kind, delay_s=current.delay_s)

    @routes.put("/news-fault")
    def turn_news(body: NewsFaultBody) -> NewsFaultBody:
        """Let something go wrong with notifications, or mend it."""
        wallet.faults.set_news(NewsFault(body.kind, body.delay_s))
        return body

    return routes


def _signed_request(request: Request, body: bytes, origin: str) -> SignedRequest:
    query = request.scope["query_string"].decode("latin-1")
    target = origin + request.scope["path"] + (f"?{query}" if query else "")
    return SignedRequest(
        method=request.method,
        target_uri=target,
        signature_input=request.headers.getlist("signature-input"),
        signature=request.headers.getlist("signature"),
        content_digest=request.headers.getlist("content-digest"),
        address=request.client.host if request.client else "",
        body=body,
    )
