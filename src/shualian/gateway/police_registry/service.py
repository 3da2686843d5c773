"""The client of the police registry: asks, believes only what is proven, and never waits long."""

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from shualian.core.clock import Clock
from shualian.core.database import forbid_in_transaction
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.gateway.police_registry.model import (
    ANSWER_BYTES_MAX,
    COMPARISON_PATH,
    INTRODUCTION_PATH,
    REGISTRY_KEY_MISSING,
    REGISTRY_NOT_ENCRYPTED,
    REGISTRY_UNREACHABLE,
    SIGNING_PURPOSE,
    Backoff,
    CallLimits,
    ComparisonBody,
    Failure,
    Introduction,
    ReceivedAnswer,
    SentRequest,
    ask,
    believed_answer,
    failed,
    learnt,
    parse_public_key,
    public_key_text,
)
from shualian.gateway.police_registry.ports import FailureCounter, RegistryKey
from shualian.gateway.police_registry.store import NotedKey
from shualian.terminals.agent.model import sign_request
from shualian.trust.keys import KeyProvider
from shualian.trust.signatures import PublicKey, SigningKey
from shualian.verification.registry.model import RegistryQuery, RegistryVerdict

_JSON = "application/json"


class PinnedKey:
    """The registry's key as the operator was given it."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key

    def public_key(self) -> PublicKey:
        """See :meth:`RegistryKey.public_key`."""
        return self._key


class FirstUseKey:
    """The key of the stand-in on this machine: exchanged on first use, then noted in a file.

    It proves that the stand-in is the one that was met first and nothing more; in production there
    is no first use.
    """

    def __init__(self, *, http: httpx.Client, noted: NotedKey, own: PublicKey) -> None:
        """Describe it.

        Args:
            http: Reaches the stand-in.
            noted: Where its key is kept.
            own: The platform's, which the stand-in notes in turn.
        """
        self._http = http
        self._noted = noted
        self._own = own
        self._known: PublicKey | None = None
        self._lock = threading.Lock()

    def public_key(self) -> PublicKey:
        """See :meth:`RegistryKey.public_key`; asks the stand-in once a process.

        Raises:
            Refused: ``gateway.registry_unreachable``, ``gateway.registry_key_changed``,
                ``gateway.registry_key_invalid``.
        """
        with self._lock:
            if self._known is None:
                self._known = self._noted.keep(self._introduce())
            return self._known

    def _introduce(self) -> PublicKey:
        body = Introduction(public_key=public_key_text(self._own)).model_dump_json()
        try:
            response = self._http.post(
                INTRODUCTION_PATH, content=body, headers={"content-type": _JSON}
            )
            answer = Introduction.model_validate_json(response.content)
        except (httpx.HTTPError, ValueError):
            raise Refused(REGISTRY_UNREACHABLE) from None
        return parse_public_key(answer.public_key)


class NoRegistry:
    """Stands where no registry is configured: every scan is degraded."""

    def compare(self, query: RegistryQuery) -> RegistryVerdict:  # noqa: ARG002 - of the port
        """Nothing is learnt."""
        return RegistryVerdict.UNAVAILABLE

    def close(self) -> None:
        """Nothing to end."""


class PoliceRegistryClient:
    """Implements :class:`shualian.verification.registry.ports.PoliceRegistry` over HTTP.

    A question costs its scan at most ``limits.total_s``, whatever the registry does; when it fails
    again and again the next scans pay nothing (:class:`Backoff`).
    """

    def __init__(
        self,
        *,
        http: httpx.Client,
        origin: str,
        key: SigningKey,
        registry: RegistryKey,
        clock: Clock,
        mode: Mode,
        counter: FailureCounter,
        limits: CallLimits | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe the client; it owns ``http`` and closes it.

        Args:
            http: With ``base_url``, times and no redirects: :func:`http_client`.
            origin: The registry's canonical origin, which is signed.
            key: The platform's.
            registry: The registry's key.
            clock: For signatures.
            mode: In production a stand-in's answer is not believed.
            counter: Counts ``gateway_registry_<failure>_total``.
            limits: Times.
            seconds: A clock that never goes back, for pauses.
        """
        self._http = http
        self._origin = origin.rstrip("/")
        self._key = key
        self._registry = registry
        self._clock = clock
        self._mode = mode
        self._counter = counter
        self._limits = limits or CallLimits()
        self._seconds = seconds
        self._backoff = Backoff()
        self._lock = threading.Lock()
        # A thread of its own bounds a call also when the registry sends a byte now and then.
        self._callers = ThreadPoolExecutor(self._limits.calls_max, "police-registry")

    def compare(self, query: RegistryQuery) -> RegistryVerdict:
        """See :meth:`PoliceRegistry.compare`: never an error, never longer than ``total_s``."""
        forbid_in_transaction("a question to the police registry")
        if not self._may_ask():
            self._count(Failure.PAUSED)
            return RegistryVerdict.UNAVAILABLE
        found = self._within_time(query)
        if isinstance(found, RegistryVerdict):
            with self._lock:
                self._backoff = Backoff()
            return found
        with self._lock:
            self._backoff = failed(self._backoff, now_s=self._seconds())
        self._count(found)
        return RegistryVerdict.UNAVAILABLE

    def close(self) -> None:
        """Close the connections; a question on its way ends as unavailable."""
        self._http.close()
        self._callers.shutdown(wait=False, cancel_futures=True)

    def _may_ask(self) -> bool:
        with self._lock:
            allowed, self._backoff = ask(self._backoff, now_s=self._seconds())
            return allowed

    def _within_time(self, query: RegistryQuery) -> RegistryVerdict | Failure:
        try:
            call = self._callers.submit(self._ask, query)
            return call.result(self._limits.total_s)
        except TimeoutError:
            call.cancel()
            return Failure.TIMED_OUT
        except Exception:  # noqa: BLE001 - the port promises an answer: what is unknown is no match
            return Failure.NOT_SENT

    def _ask(self, query: RegistryQuery) -> RegistryVerdict | Failure:
        """Send it, and once more, newly signed, when the connection was cut; never after waiting.

        A connection that was kept open may have been closed by the registry in the meantime.
        """
        ends = time.monotonic() + self._limits.total_s
        content = ComparisonBody.made(query).model_dump_json().encode("utf-8")
        found: RegistryVerdict | Failure = Failure.UNREACHABLE
        for _ in range(2):
            found = self._send(content, query.request_id)
            if found is not Failure.UNREACHABLE or time.monotonic() >= ends:
                break
        return found

    def _send(self, content: bytes, request_id: str) -> RegistryVerdict | Failure:
        try:
            expected_key = self._registry.public_key()
            sent, received = self._post(content)
            if received.status != httpx.codes.OK:
                return Failure.REFUSED
            answer = believed_answer(
                received,
                sent=sent,
                expected_request_id=request_id,
                expected_key=expected_key,
                now=self._clock.now(),
            )
        except httpx.TimeoutException:
            return Failure.TIMED_OUT
        except httpx.TransportError:
            return Failure.UNREACHABLE
        except Refused as refused:
            unreachable = refused.kind is REGISTRY_UNREACHABLE
            return Failure.UNREACHABLE if unreachable else Failure.NOT_BELIEVED
        if answer.stand_in and self._mode is Mode.PRODUCTION:
            return Failure.STAND_IN
        return learnt(answer)

    def _post(self, content: bytes) -> tuple[SentRequest, ReceivedAnswer]:
        """Send it signed; reads no more of the answer than fits one."""
        target = self._origin + COMPARISON_PATH
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
        with self._http.stream(
            "POST", COMPARISON_PATH, content=content, headers=headers
        ) as response:
            return sent, ReceivedAnswer(
                response.status_code, dict(response.headers), _limited(response)
            )

    def _count(self, failure: Failure) -> None:
        self._counter.count(f"gateway_registry_{failure.value}_total")


def http_client(origin: str, limits: CallLimits) -> httpx.Client:
    """A client for one registry: no redirects, and no proxy from the environment."""
    times = httpx.Timeout(limits.read_s, connect=limits.connect_s, pool=limits.total_s)
    connections = httpx.Limits(max_connections=limits.calls_max)
    return httpx.Client(
        base_url=origin,
        timeout=times,
        limits=connections,
        trust_env=False,
        follow_redirects=False,
    )


def open_police_registry(
    *,
    origin: str | None,
    public_key: str | None,
    keys: KeyProvider,
    first_use_file: Path,
    clock: Clock,
    mode: Mode,
    counter: FailureCounter,
    limits: CallLimits | None = None,
) -> PoliceRegistryClient | NoRegistry:
    """The client as the settings describe it.

    Args:
        origin: Of the registry; without one every scan is degraded.
        public_key: The registry's, ``algorithm:hexadecimal point``; needed in production.
        keys: The platform's; its key for requests is derived from purpose
            :data:`SIGNING_PURPOSE`.
        first_use_file: In the sandbox, where the stand-in's key is noted.
        clock: For signatures.
        mode: Sandbox or production.
        counter: Metrics.
        limits: Times.

    Raises:
        Refused: ``gateway.registry_key_missing``, ``gateway.registry_not_encrypted``,
            ``gateway.registry_key_invalid``, ``trust.key_missing``.
    """
    if origin is None:
        return NoRegistry()
    if mode is Mode.PRODUCTION:
        _check_production(origin, public_key)
    chosen = limits or CallLimits()
    http = http_client(origin, chosen)
    key = signing_key(keys)
    registry: RegistryKey = (
        PinnedKey(parse_public_key(public_key))
        if public_key is not None
        else FirstUseKey(http=http, noted=NotedKey(first_use_file), own=key.public_key)
    )
    return PoliceRegistryClient(
        http=http,
        origin=origin,
        key=key,
        registry=registry,
        clock=clock,
        mode=mode,
        counter=counter,
        limits=chosen,
    )


def signing_key(keys: KeyProvider) -> SigningKey:
    """The platform's key for its questions; its public half is given to the registry's office.

    Raises:
        Refused: ``trust.key_missing``.
    """
    return SigningKey.derive(keys.current(SIGNING_PURPOSE), info=b"requests")


def _check_production(origin: str, public_key: str | None) -> None:
    if urlsplit(origin).scheme != "https":
        raise Refused(REGISTRY_NOT_ENCRYPTED)
    if public_key is None:
        raise Refused(REGISTRY_KEY_MISSING)


def _limited(response: httpx.Response) -> bytes:
    """The content, cut one byte behind the limit: it then fails its digest or its form."""
    content = bytearray()
    for piece in response.iter_raw():
        content += piece
        if len(content) > ANSWER_BYTES_MAX:
            break
    return bytes(content[: ANSWER_BYTES_MAX + 1])
