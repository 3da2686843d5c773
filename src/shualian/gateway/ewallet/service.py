"""The client of the e-wallet: commands it, believes only what is proven, never waits long.

A command is sent once more only when the connection was cut, under its own identifier and newly
signed; the wallet answers such a copy as the first. Everything else that is no proven outcome is
``Unknown``, and asking again is the resolver's business.
"""

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from shualian.core.clock import Clock
from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import CommandId, InstitutionCode
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.gateway.ewallet.model import (
    ANSWER_BYTES_MAX,
    INTRODUCTION_PATH,
    SIGNING_PURPOSE,
    WALLET_KEY_MISSING,
    WALLET_NOT_ENCRYPTED,
    WALLET_NOT_REACHED,
    AgreementAnswer,
    AgreementBody,
    Answer,
    Call,
    CommandAnswer,
    Introduced,
    Introduction,
    QueryAnswer,
    QueryBody,
    StatementAnswer,
    StatementBody,
    Wire,
    believed_answer,
    command_body,
    keys_in_own_words,
    payment_of,
)
from shualian.gateway.ewallet.ports import FailureCounter, WalletKey
from shualian.gateway.police_registry.model import (
    CallLimits,
    ReceivedAnswer,
    SentRequest,
    parse_public_key,
    public_key_text,
)
from shualian.gateway.police_registry.service import PinnedKey, http_client
from shualian.gateway.police_registry.store import NotedKey
from shualian.hospital.wallet.model import (
    WALLET_UNREACHABLE,
    Agreement,
    CaptureCommand,
    Command,
    CommandReport,
    Declined,
    HoldCommand,
    Outcome,
    PayerRef,
    RefundCommand,
    Silence,
    Statement,
    Unknown,
    VoidCommand,
    shows,
)
from shualian.terminals.agent.model import sign_request
from shualian.trust.keys import KeyProvider
from shualian.trust.signatures import PublicKey, SigningKey

LIMITS = CallLimits(connect_s=1.0, read_s=5.0, total_s=8.0)
"""The kiosk says after 15 s that there is no result yet; a payment is up to two commands."""

_JSON = "application/json"
_Form = TypeVar("_Form", bound=Answer)
_Found = TypeVar("_Found")


class FirstUseKey:
    """The key of the stand-in on this machine: exchanged on first use, then noted in a file.

    It proves that the stand-in is the one that was met first and nothing more; in production there
    is no first use.
    """

    def __init__(self, *, http: httpx.Client, noted: NotedKey, introduction: Introduction) -> None:
        """Describe it.

        Args:
            http: Reaches the stand-in.
            noted: Where its key is kept.
            introduction: The hospital, which the stand-in notes in turn.
        """
        self._http = http
        self._noted = noted
        self._introduction = introduction
        self._known: PublicKey | None = None
        self._lock = threading.Lock()

    def public_key(self) -> PublicKey:
        """See :meth:`WalletKey.public_key`; asks the stand-in once a process.

        Raises:
            Refused: ``gateway.wallet_not_reached``, ``gateway.wallet_key_changed``,
                ``gateway.wallet_key_invalid``.
        """
        with self._lock:
            if self._known is None:
                with keys_in_own_words():
                    self._known = self._noted.keep(self._introduce())
            return self._known

    def _introduce(self) -> PublicKey:
        content = self._introduction.model_dump_json()
        try:
            response = self._http.post(
                INTRODUCTION_PATH, content=content, headers={"content-type": _JSON}
            )
            answer = Introduced.model_validate_json(response.content)
        except (httpx.HTTPError, ValueError):
            raise Refused(WALLET_NOT_REACHED) from None
        return parse_public_key(answer.public_key)


class NoWallet:
    """Stands where no wallet is set up: nobody has an agreement, and nothing is sent.

    What was sent under an earlier setting stays unknown until there is a wallet again.
    """

    def agreement(self, payer: PayerRef) -> Agreement | None:  # noqa: ARG002 - of the port
        """Nobody's."""
        return None

    def hold(self, command: HoldCommand) -> Outcome:
        """Not sent."""
        return Unknown(command.command_id, Silence.NOT_SENT)

    def capture(self, command: CaptureCommand) -> Outcome:
        """Not sent."""
        return Unknown(command.command_id, Silence.NOT_SENT)

    def void(self, command: VoidCommand) -> Outcome:
        """Not sent."""
        return Unknown(command.command_id, Silence.NOT_SENT)

    def refund(self, command: RefundCommand) -> Outcome:
        """Not sent."""
        return Unknown(command.command_id, Silence.NOT_SENT)

    def query(self, command_id: CommandId) -> CommandReport:  # noqa: ARG002 - of the port
        """Nobody can say.

        Raises:
            Refused: ``hospital.wallet_unreachable``.
        """
        raise Refused(WALLET_UNREACHABLE, found=Silence.NOT_SENT.value)

    def statement(self, day: date) -> Statement:  # noqa: ARG002 - of the port
        """Nobody can say.

        Raises:
            Refused: ``hospital.wallet_unreachable``.
        """
        raise Refused(WALLET_UNREACHABLE, found=Silence.NOT_SENT.value)

    def close(self) -> None:
        """Nothing to end."""


class EWalletClient:
    """Implements :class:`shualian.hospital.wallet.ports.EWallet` over HTTP.

    A call costs at most ``limits.total_s``, whatever the wallet does.
    """

    def __init__(
        self,
        *,
        http: httpx.Client,
        origin: str,
        key: SigningKey,
        wallet: WalletKey,
        clock: Clock,
        mode: Mode,
        counter: FailureCounter,
        limits: CallLimits = LIMITS,
    ) -> None:
        """Describe the client; it owns ``http`` and closes it.

        Args:
            http: With ``base_url``, times and no redirects.
            origin: The wallet's canonical origin, which is signed.
            key: The hospital's.
            wallet: The wallet's key.
            clock: For signatures.
            mode: In production a stand-in's answer is not believed.
            counter: Counts ``gateway_wallet_<silence>_total``.
            limits: Times.
        """
        self._http = http
        self._origin = origin.rstrip("/")
        self._key = key
        self._wallet = wallet
        self._clock = clock
        self._mode = mode
        self._counter = counter
        self._limits = limits
        # A thread of its own bounds a call also when the wallet sends a byte now and then.
        self._callers = ThreadPoolExecutor(limits.calls_max, "e-wallet")

    @property
    def key(self) -> WalletKey:
        """The wallet's key, which signs notifications too."""
        return self._wallet

    def agreement(self, payer: PayerRef) -> Agreement | None:
        """See :meth:`EWallet.agreement`."""
        return self._question(
            Call.AGREEMENT, lambda: AgreementBody(payer=payer), AgreementAnswer
        ).of(payer)

    def hold(self, command: HoldCommand) -> Outcome:
        """See :meth:`EWallet.hold`."""
        return self._command(command)

    def capture(self, command: CaptureCommand) -> Outcome:
        """See :meth:`EWallet.capture`."""
        return self._command(command)

    def void(self, command: VoidCommand) -> Outcome:
        """See :meth:`EWallet.void`."""
        return self._command(command)

    def refund(self, command: RefundCommand) -> Outcome:
        """See :meth:`EWallet.refund`."""
        return self._command(command)

    def query(self, command_id: CommandId) -> CommandReport:
        """See :meth:`EWallet.query`."""
        body = lambda: QueryBody(command_id=command_id)  # noqa: E731 - made inside the call
        report = self._question(Call.QUERY, body, QueryAnswer).report()
        about = report.outcome.command_id if report.outcome is not None else command_id
        if not report.command_id == about == command_id:
            raise self._unanswered(Silence.NOT_BELIEVED)
        return report

    def statement(self, day: date) -> Statement:
        """See :meth:`EWallet.statement`."""
        body = lambda: StatementBody(day=day)  # noqa: E731 - made inside the call
        statement = self._question(Call.STATEMENT, body, StatementAnswer).statement()
        if statement.day != day:
            raise self._unanswered(Silence.NOT_BELIEVED)
        return statement

    def close(self) -> None:
        """Close the connections; a command on its way ends as unknown."""
        self._http.close()
        self._callers.shutdown(wait=False, cancel_futures=True)

    def _command(self, command: Command) -> Outcome:
        forbid_in_transaction("a command to the e-wallet")
        found: Outcome | Silence = self._within_time(lambda: self._commanded(command))
        if isinstance(found, Silence):
            self._count(found)
            return Unknown(command.command_id, found)
        return found

    def _commanded(self, command: Command) -> Outcome | Silence:
        call, body = command_body(command)
        answer = self._ask(call, body, CommandAnswer)
        if isinstance(answer, Silence):
            return answer
        outcome = answer.outcome.outcome()
        # The signature binds the answer to the request; the body must speak of the same things.
        fits = isinstance(outcome, Declined) or (
            outcome.status.payment == payment_of(command) and shows(command, outcome.status)
        )
        fits = fits and outcome.command_id == command.command_id
        return outcome if fits else Silence.NOT_BELIEVED

    def _question(self, call: Call, body: Callable[[], Wire], form: type[_Form]) -> _Form:
        forbid_in_transaction("a question to the e-wallet")
        answer = self._within_time(lambda: self._ask(call, body(), form))
        if isinstance(answer, Silence):
            raise self._unanswered(answer)
        return answer

    def _unanswered(self, silence: Silence) -> Refused:
        self._count(silence)
        return Refused(WALLET_UNREACHABLE, found=silence.value)

    def _within_time(self, ask: Callable[[], _Found]) -> _Found | Silence:
        try:
            call = self._callers.submit(ask)
        except RuntimeError:
            return Silence.NOT_SENT
        try:
            return call.result(self._limits.total_s)
        except TimeoutError:
            call.cancel()
            return Silence.TIMED_OUT
        except Exception:  # noqa: BLE001 - whatever happened on the way, the outcome is not known
            return Silence.NOT_SENT

    def _ask(self, call: Call, body: Wire, form: type[_Form]) -> _Form | Silence:
        """Send it, and once more, newly signed, when the connection was cut; never after waiting.

        A connection that was kept open may have been closed by the wallet in the meantime.
        """
        ends = time.monotonic() + self._limits.total_s
        content = body.model_dump_json().encode("utf-8")
        found: _Form | Silence = Silence.UNREACHABLE
        for _ in range(2):
            found = self._send(call.path, content, form)
            if found is not Silence.UNREACHABLE or time.monotonic() >= ends:
                break
        return found

    def _send(self, path: str, content: bytes, form: type[_Form]) -> _Form | Silence:
        try:
            expected_key = self._wallet.public_key()
            sent, received = self._post(path, content)
            if received.status != httpx.codes.OK:
                busy = received.status == httpx.codes.SERVICE_UNAVAILABLE
                return Silence.BUSY if busy else Silence.REFUSED
            answer = believed_answer(
                received, form, sent=sent, expected_key=expected_key, now=self._clock.now()
            )
        except httpx.TimeoutException:
            return Silence.TIMED_OUT
        except httpx.TransportError:
            return Silence.UNREACHABLE
        except Refused as refused:
            unreachable = refused.kind is WALLET_NOT_REACHED
            return Silence.UNREACHABLE if unreachable else Silence.NOT_BELIEVED
        if answer.stand_in and self._mode is Mode.PRODUCTION:
            return Silence.STAND_IN
        return answer

    def _post(self, path: str, content: bytes) -> tuple[SentRequest, ReceivedAnswer]:
        """Send it signed; reads no more of the answer than fits one."""
        target = self._origin + path
        fields = sign_request(
            self._key,
            method="POST",
            target_uri=target,
            body=content,
            created=self._clock.now(),
            nonce=secrets.token_urlsafe(16),
        )
        sent = SentRequest("POST", target, fields["content-digest"], fields["signature"])
        headers = {"content-type": _JSON, "accept-encoding": "identity", **fields}
        with self._http.stream("POST", path, content=content, headers=headers) as response:
            return sent, ReceivedAnswer(
                response.status_code, dict(response.headers), _limited(response)
            )

    def _count(self, silence: Silence) -> None:
        self._counter.count(f"gateway_wallet_{silence.value}_total")


def open_ewallet(
    *,
    origin: str | None,
    public_key: str | None,
    merchant: InstitutionCode,
    notify_url: str | None,
    keys: KeyProvider,
    first_use_file: Path,
    clock: Clock,
    mode: Mode,
    counter: FailureCounter,
    limits: CallLimits = LIMITS,
) -> EWalletClient | NoWallet:
    """The client of one hospital as the settings describe it.

    Args:
        origin: Of the wallet; without one nobody pays by it.
        public_key: The wallet's, ``algorithm:hexadecimal point``; needed in production.
        merchant: The hospital.
        notify_url: Where the stand-in sends notifications; a real wallet is told otherwise.
        keys: The hospital's; its key for requests is derived from purpose
            :data:`SIGNING_PURPOSE`.
        first_use_file: In the sandbox, where the stand-in's key is noted.
        clock: For signatures.
        mode: Sandbox or production.
        counter: Metrics.
        limits: Times.

    Raises:
        Refused: ``gateway.wallet_key_missing``, ``gateway.wallet_not_encrypted``,
            ``gateway.wallet_key_invalid``, ``trust.key_missing``.
    """
    if origin is None:
        return NoWallet()
    if mode is Mode.PRODUCTION:
        _check_production(origin, public_key)
    http = http_client(origin, limits)
    key = signing_key(keys, merchant)
    wallet: WalletKey
    if public_key is not None:
        wallet = _pinned(public_key)
    else:
        own = public_key_text(key.public_key)
        introduction = Introduction(merchant=merchant, public_key=own, notify_url=notify_url)
        noted = NotedKey(first_use_file)
        wallet = FirstUseKey(http=http, noted=noted, introduction=introduction)
    return EWalletClient(
        http=http,
        origin=origin,
        key=key,
        wallet=wallet,
        clock=clock,
        mode=mode,
        counter=counter,
        limits=limits,
    )


def signing_key(keys: KeyProvider, merchant: InstitutionCode) -> SigningKey:
    """A hospital's key for its commands; its public half is given to the payment institution.

    Raises:
        Refused: ``trust.key_missing``.
    """
    info = b"requests/" + merchant.encode("ascii")
    return SigningKey.derive(keys.current(SIGNING_PURPOSE), info=info)


def _pinned(public_key: str) -> PinnedKey:
    with keys_in_own_words():
        return PinnedKey(parse_public_key(public_key))


def _check_production(origin: str, public_key: str | None) -> None:
    if urlsplit(origin).scheme != "https":
        raise Refused(WALLET_NOT_ENCRYPTED)
    if public_key is None:
        raise Refused(WALLET_KEY_MISSING)


def _limited(response: httpx.Response) -> bytes:
    """The content, cut one byte behind the limit: it then fails its digest or its form."""
    content = bytearray()
    for piece in response.iter_raw():
        content += piece
        if len(content) > ANSWER_BYTES_MAX:
            break
    return bytes(content[: ANSWER_BYTES_MAX + 1])
