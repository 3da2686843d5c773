"""A platform and a registry without a network: keys, a question, answers signed as wished."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import httpx

from shualian.core.clock import SettableClock
from shualian.core.id_number import SANDBOX_REGION, IdNumber, check_character
from shualian.core.mode import Mode
from shualian.gateway.police_registry.model import (
    CallLimits,
    ComparisonAnswer,
    ComparisonBody,
    SentRequest,
    Verdict,
    sign_answer,
)
from shualian.gateway.police_registry.service import PinnedKey, PoliceRegistryClient
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.registry.model import RegistryQuery

ORIGIN = "http://127.0.0.1:8609"
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
PLATFORM = SigningKey.generate(Algorithm.ECDSA_P256_SHA256)
REGISTRY = SigningKey.generate(Algorithm.SM2_SM3)
Handler = Callable[[httpx.Request], httpx.Response]


def number(born: str = "19620314", sequence: str = "018") -> str:
    body = f"{SANDBOX_REGION}{born}{sequence}"
    return body + check_character(body)


def query(request_id: str = "01K00000000000000000000001") -> RegistryQuery:
    return RegistryQuery(request_id, IdNumber(number()), "张示例", b"\xff\xd8 a picture")


def sent(request: httpx.Request) -> SentRequest:
    fields = request.headers
    return SentRequest(
        "POST", ORIGIN + request.url.path, fields["content-digest"], fields["signature"]
    )


def response(
    content: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """As it comes over a wire: in pieces that are read once."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def answer_to(
    request: httpx.Request,
    verdict: Verdict = Verdict.MATCH,
    *,
    request_id: str | None = None,
    key: SigningKey = REGISTRY,
    created: datetime = START,
    status: int = 200,
    stand_in: bool = True,
) -> httpx.Response:
    """What a registry sends; by default what a good one does."""
    asked = request_id or ComparisonBody.model_validate_json(request.content).request_id
    made = ComparisonAnswer(request_id=asked, verdict=verdict, stand_in=stand_in)
    content = made.model_dump_json().encode()
    fields = sign_answer(key, sent(request), status=status, content=content, created=created)
    return response(content, status=status, headers=dict(fields))


class Counted:
    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def count(self, name: str) -> None:
        self.names[name.removeprefix("gateway_registry_").removesuffix("_total")] += 1


class Platform:
    """The client over a handler in the place of the network, and what it counted."""

    def __init__(self, handler: Handler, *, mode: Mode = Mode.SANDBOX, total_s: float = 5) -> None:
        self.counted = Counted()
        self.seconds = 0.0
        self.requests: list[httpx.Request] = []
        self.clock = SettableClock(START)

        def follow(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            return handler(request)

        self.client = PoliceRegistryClient(
            http=httpx.Client(transport=httpx.MockTransport(follow), base_url=ORIGIN),
            origin=ORIGIN,
            key=PLATFORM,
            registry=PinnedKey(REGISTRY.public_key),
            clock=self.clock,
            mode=mode,
            counter=self.counted,
            limits=CallLimits(total_s=total_s),
            seconds=lambda: self.seconds,
        )
