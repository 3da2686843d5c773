"""How many signed requests a second are verified: the arithmetic, the whole door, and over HTTP.

One caller after another, one connection, one process. Every rate stands beside the one that bounds
it: the door beside the bare signature, HTTP beside an unsigned answer of the same listener.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from shualian.core.clock import Clock
from shualian.core.settings import Settings
from shualian.sandbox.district import ALLOWED, Call, District
from shualian.terminals.api import WHO_AM_I_PATH
from shualian.terminals.requests.model import SignedRequest
from shualian.trust.signatures import Algorithm, verify

_MESSAGE = b"x" * 300
"""As long as the base that a request's signature covers."""


@dataclass(frozen=True, slots=True)
class SignedRates:
    """Requests a second of one algorithm.

    Attributes:
        algorithm: Which.
        signed_per_s: Bare signatures made.
        verified_per_s: Bare signatures verified.
        door_per_s: The whole verification: fields, register, signature, nonce, standing.
        http_per_s: Signed requests answered over loopback HTTP.
        unsigned_http_per_s: Unsigned health answers of the same listener, for comparison.
        door_share: ``door_per_s`` of ``verified_per_s``.
        http_share: ``http_per_s`` of ``unsigned_http_per_s``.
    """

    algorithm: str
    signed_per_s: int
    verified_per_s: int
    door_per_s: int
    http_per_s: int
    unsigned_http_per_s: int
    door_share: float
    http_share: float


def measure(settings: Settings, *, clock: Clock, requests: int) -> Iterator[SignedRates]:
    """Rates of SM2 and of P-256, each over ``requests`` requests."""
    with ExitStack() as opened:
        district = District(settings, opened, clock=clock)
        district.register_model()
        district.wait_after_start()
        for algorithm in Algorithm:
            yield _rates(district, algorithm, requests)


def _rates(district: District, algorithm: Algorithm, requests: int) -> SignedRates:
    terminal = district.install(algorithm.value, algorithm=algorithm)
    key = terminal.key()
    signature = key.sign(_MESSAGE)
    verified = _rate(lambda: verify(key.public_key, _MESSAGE, signature), requests)
    door = _door(district, [district.call(terminal) for _ in range(requests)])
    unsigned = _rate(lambda: district.http.get("/health").raise_for_status(), requests)
    http = _http(district, [district.call(terminal) for _ in range(requests)])
    return SignedRates(
        algorithm=algorithm.value,
        signed_per_s=_rate(lambda: key.sign(_MESSAGE), requests),
        verified_per_s=verified,
        door_per_s=door,
        http_per_s=http,
        unsigned_http_per_s=unsigned,
        door_share=round(door / verified, 2),
        http_share=round(http / unsigned, 2),
    )


def _door(district: District, calls: Sequence[Call]) -> int:
    door = district.side.terminals.requests
    signed = iter([_arrived(district, call) for call in calls])
    return _rate(lambda: door.verify(next(signed)), len(calls))


def _http(district: District, calls: Sequence[Call]) -> int:
    waiting = iter(calls)

    def send() -> None:
        call = next(waiting)
        district.http.post(
            call.url, content=call.body, headers=dict(call.headers)
        ).raise_for_status()

    return _rate(send, len(calls))


def _arrived(district: District, call: Call) -> SignedRequest:
    return SignedRequest(
        method="POST",
        target_uri=district.origin + WHO_AM_I_PATH,
        signature_input=[call.headers["signature-input"]],
        signature=[call.headers["signature"]],
        content_digest=[call.headers["content-digest"]],
        address=ALLOWED,
        body=call.body,
    )


def _rate(work: Callable[[], object], times: int) -> int:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return round(times / (time.perf_counter() - began))
