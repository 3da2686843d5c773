"""The client: a verdict that is proven, or that nothing was learnt; never an error, never long."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.police_registry.exchange import (
    ORIGIN,
    PLATFORM,
    REGISTRY,
    START,
    Counted,
    Handler,
    Platform,
    answer_to,
    query,
    response,
)
from shualian.core.clock import SettableClock
from shualian.core.database import SqliteDatabase, WorkInTransactionError
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.gateway.police_registry.model import (
    ANSWER_BYTES_MAX,
    FAILURES_MAX,
    INTRODUCTION_PATH,
    PAUSE_S,
    CallLimits,
    Introduction,
    Verdict,
    public_key_text,
)
from shualian.gateway.police_registry.service import (
    FirstUseKey,
    NoRegistry,
    PinnedKey,
    PoliceRegistryClient,
    http_client,
    open_police_registry,
    signing_key,
)
from shualian.gateway.police_registry.store import NotedKey
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.registry.model import RegistryQuery, RegistryVerdict
from shualian.verification.registry.ports import PoliceRegistry

STRANGER = SigningKey.generate(Algorithm.SM2_SM3)


def raising(failure: type[Exception]) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise failure("boom")

    return handler


def learnt(handler: Handler, *, mode: Mode = Mode.SANDBOX) -> tuple[RegistryVerdict, list[str]]:
    """What one question gives, and what was counted."""
    platform = Platform(handler, mode=mode)
    registry: PoliceRegistry = platform.client
    verdict = registry.compare(query())
    platform.client.close()
    return verdict, list(platform.counted.names)


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.BUSY])
def test_every_verdict_of_the_registry_is_passed_on(verdict: Verdict) -> None:
    assert learnt(lambda request: answer_to(request, verdict)) == (
        RegistryVerdict(verdict.value),
        [],
    )


@pytest.mark.parametrize(
    ("handler", "counted"),
    [
        (lambda request: answer_to(request, Verdict.BUSY), "busy"),
        (raising(httpx.ReadTimeout), "timed_out"),
        (raising(httpx.ConnectTimeout), "timed_out"),
        (raising(httpx.ConnectError), "unreachable"),
        (raising(httpx.RemoteProtocolError), "unreachable"),
        (raising(RuntimeError), "not_sent"),
        (lambda _: response(b"", status=503), "refused"),
        (lambda _: response(b"", status=302, headers={"location": "http://elsewhere/"}), "refused"),
        (lambda request: answer_to(request, status=409), "refused"),
        (lambda _: response(b'{"verdict": "match"}'), "not_believed"),
        (lambda request: answer_to(request, key=STRANGER), "not_believed"),
        (lambda request: answer_to(request, request_id="0" * 26), "not_believed"),
        (lambda _: response(b"x" * (ANSWER_BYTES_MAX + 9)), "not_believed"),
    ],
)
def test_whatever_is_no_believable_answer_is_unavailable(handler: Handler, counted: str) -> None:
    assert learnt(handler) == (RegistryVerdict.UNAVAILABLE, [counted])


def test_a_stand_ins_answer_is_not_believed_in_production() -> None:
    unavailable = (RegistryVerdict.UNAVAILABLE, ["stand_in"])
    assert learnt(answer_to, mode=Mode.PRODUCTION) == unavailable
    real = learnt(lambda request: answer_to(request, stand_in=False), mode=Mode.PRODUCTION)
    assert real == (RegistryVerdict.MATCH, [])


def test_a_cut_connection_is_tried_once_more_with_a_new_signature() -> None:
    cut = iter([True, False])

    def handler(request: httpx.Request) -> httpx.Response:
        if next(cut):
            raise httpx.RemoteProtocolError("gone")
        return answer_to(request)

    platform = Platform(handler)
    assert platform.client.compare(query()) is RegistryVerdict.MATCH
    first, second = platform.requests
    assert first.content == second.content
    assert first.headers["signature-input"] != second.headers["signature-input"]


def test_a_slow_registry_is_not_asked_again() -> None:
    platform = Platform(raising(httpx.ReadTimeout))
    assert platform.client.compare(query()) is RegistryVerdict.UNAVAILABLE
    assert len(platform.requests) == 1


def test_a_question_that_does_not_fit_the_wire_is_not_sent() -> None:
    platform = Platform(answer_to)
    asked = query()
    nameless = RegistryQuery(asked.request_id, asked.id_number, "", asked.picture)
    assert platform.client.compare(nameless) is RegistryVerdict.UNAVAILABLE
    assert platform.requests == []


def test_a_dead_registry_costs_the_fourth_scan_nothing() -> None:
    platform = Platform(raising(httpx.ReadTimeout))
    for _ in range(10):
        assert platform.client.compare(query()) is RegistryVerdict.UNAVAILABLE
    assert len(platform.requests) == FAILURES_MAX
    assert platform.counted.names["paused"] == 10 - FAILURES_MAX


def test_after_the_pause_one_scan_tries_and_a_verdict_ends_it() -> None:
    alive: list[bool] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if not alive:
            raise httpx.ConnectError("dead")
        return answer_to(request)

    platform = Platform(handler)
    for _ in range(FAILURES_MAX):
        platform.client.compare(query())
    alive.append(True)
    assert platform.client.compare(query()) is RegistryVerdict.UNAVAILABLE
    platform.seconds += PAUSE_S
    assert platform.client.compare(query()) is RegistryVerdict.MATCH
    assert platform.client.compare(query()) is RegistryVerdict.MATCH


def test_a_registry_that_sends_a_byte_now_and_then_does_not_hold_a_scan() -> None:
    held = threading.Event()

    def handler(request: httpx.Request) -> httpx.Response:
        held.wait()
        return answer_to(request)

    platform = Platform(handler, total_s=0.05)
    try:
        assert platform.client.compare(query()) is RegistryVerdict.UNAVAILABLE
        assert list(platform.counted.names) == ["timed_out"]
    finally:
        held.set()


def test_after_closing_nothing_is_learnt_and_nothing_raised() -> None:
    platform = Platform(answer_to)
    platform.client.close()
    assert platform.client.compare(query()) is RegistryVerdict.UNAVAILABLE


def test_many_scans_at_once_each_get_their_own_answer() -> None:
    verdicts = {f"0{at:025d}": list(Verdict)[at % 5] for at in range(40)}

    def handler(request: httpx.Request) -> httpx.Response:
        asked = next(each for each in verdicts if each.encode() in request.content)
        return answer_to(request, verdicts[asked])

    platform = Platform(handler)
    with ThreadPoolExecutor(8) as scans:
        found = list(scans.map(lambda each: platform.client.compare(query(each)), verdicts))
    assert found == [RegistryVerdict(verdict.value) for verdict in verdicts.values()]


def test_no_question_is_asked_inside_a_transaction(sqlite_database: SqliteDatabase) -> None:
    platform = Platform(answer_to)
    with pytest.raises(WorkInTransactionError):
        sqlite_database.write(lambda _: platform.client.compare(query()))
    assert platform.requests == []


def test_the_client_takes_no_proxy_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Faces and numbers must not go to wherever a variable points."""
    with socket.socket() as proxy, socket.socket() as registry:
        for listening in (proxy, registry):
            listening.bind(("127.0.0.1", 0))
            listening.listen()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        origin = f"http://127.0.0.1:{registry.getsockname()[1]}"
        client = PoliceRegistryClient(
            http=http_client(origin, CallLimits(read_s=0.05)),
            origin=origin,
            key=PLATFORM,
            registry=PinnedKey(REGISTRY.public_key),
            clock=SettableClock(START),
            mode=Mode.SANDBOX,
            counter=Counted(),
        )
        assert client.compare(query()) is RegistryVerdict.UNAVAILABLE
        client.close()
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


class TestTheKeyOfAStandIn:
    @pytest.fixture
    def noted(self, tmp_path: Path) -> NotedKey:
        return NotedKey(tmp_path / "registry.pub")

    def first_use(self, noted: NotedKey, key: SigningKey) -> FirstUseKey:
        def introduce(request: httpx.Request) -> httpx.Response:
            assert request.url.path == INTRODUCTION_PATH
            met = Introduction.model_validate_json(request.content)
            assert met.public_key == public_key_text(PLATFORM.public_key)
            answer = Introduction(public_key=public_key_text(key.public_key))
            return httpx.Response(200, content=answer.model_dump_json())

        http = httpx.Client(transport=httpx.MockTransport(introduce), base_url=ORIGIN)
        return FirstUseKey(http=http, noted=noted, own=PLATFORM.public_key)

    def test_is_noted_on_first_use_and_stays(self, noted: NotedKey) -> None:
        assert self.first_use(noted, REGISTRY).public_key() == REGISTRY.public_key
        assert noted.read() == REGISTRY.public_key
        assert self.first_use(noted, REGISTRY).public_key() == REGISTRY.public_key

    def test_another_key_later_is_refused(self, noted: NotedKey) -> None:
        self.first_use(noted, REGISTRY).public_key()
        with pytest.raises(Refused, match="registry_key_changed"):
            self.first_use(noted, STRANGER).public_key()

    def test_a_stand_in_that_does_not_answer_is_unreachable(self, noted: NotedKey) -> None:
        http = httpx.Client(
            transport=httpx.MockTransport(raising(httpx.ConnectError)), base_url=ORIGIN
        )
        key = FirstUseKey(http=http, noted=noted, own=PLATFORM.public_key)
        with pytest.raises(Refused, match="registry_unreachable"):
            key.public_key()


class TestOpening:
    @pytest.fixture
    def keys(self, tmp_path: Path) -> DevelopmentKeys:
        return DevelopmentKeys(tmp_path / "keys")

    def open(
        self,
        keys: DevelopmentKeys,
        folder: Path,
        *,
        origin: str | None,
        public_key: str | None = None,
        mode: Mode = Mode.SANDBOX,
    ) -> PoliceRegistryClient | NoRegistry:
        return open_police_registry(
            origin=origin,
            public_key=public_key,
            keys=keys,
            first_use_file=folder / "registry.pub",
            clock=SettableClock(START),
            mode=mode,
            counter=Counted(),
        )

    def test_without_an_origin_every_scan_is_degraded(
        self, keys: DevelopmentKeys, tmp_path: Path
    ) -> None:
        client = self.open(keys, tmp_path, origin=None)
        assert client.compare(query()) is RegistryVerdict.UNAVAILABLE

    def test_production_wants_a_pinned_key_and_encryption(
        self, keys: DevelopmentKeys, tmp_path: Path
    ) -> None:
        pinned, production = public_key_text(REGISTRY.public_key), Mode.PRODUCTION
        with pytest.raises(Refused, match="registry_not_encrypted"):
            self.open(keys, tmp_path, origin=ORIGIN, public_key=pinned, mode=production)
        with pytest.raises(Refused, match="registry_key_missing"):
            self.open(keys, tmp_path, origin="https://registry.example", mode=production)
        opened = self.open(
            keys,
            tmp_path,
            origin="https://registry.example",
            public_key=pinned,
            mode=production,
        )
        opened.close()

    def test_nobody_there_is_unavailable(self, keys: DevelopmentKeys, tmp_path: Path) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            origin = f"http://127.0.0.1:{unused.getsockname()[1]}"
            client = self.open(keys, tmp_path, origin=origin)
            assert client.compare(query()) is RegistryVerdict.UNAVAILABLE
            client.close()

    def test_the_platforms_key_stays_the_same(self, keys: DevelopmentKeys) -> None:
        assert signing_key(keys).public_key == signing_key(keys).public_key
