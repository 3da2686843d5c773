"""The stand-in over HTTP with the client of the platform: every verdict, every fault."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from sandbox.police_registry.world import GREY, NAME, NUMBER, fictional, jpeg
from shualian.core.clock import SystemClock
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import new_identifier
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.face.engine import FaceEngine
from shualian.gateway.police_registry.model import (
    COMPARISON_PATH,
    INTRODUCTION_PATH,
    CallLimits,
    public_key_text,
)
from shualian.gateway.police_registry.service import (
    NoRegistry,
    open_police_registry,
    signing_key,
)
from shualian.sandbox.police_registry.model import STAND_IN_HEADER, Fault, FaultKind
from shualian.sandbox.police_registry.server import (
    RunningRegistry,
    put_people,
    running_registry,
)
from shualian.sandbox.samples import SamplePicture
from shualian.trust.keys import DevelopmentKeys
from shualian.verification.registry.model import RegistryQuery, RegistryVerdict
from shualian.verification.registry.ports import PoliceRegistry

Samples = Mapping[str, SamplePicture]
LIMITS = CallLimits(connect_s=5, read_s=20, total_s=30)
"""Wide: a busy machine must not look like a slow registry."""


class Counted:
    def __init__(self) -> None:
        self.names: list[str] = []

    def count(self, name: str) -> None:
        self.names.append(name)


@pytest.fixture(scope="module")
def running(
    engine: FaceEngine, samples: Samples, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningRegistry]:
    folder = tmp_path_factory.mktemp("registry") / "state"
    with running_registry(folder, engine=engine) as made:
        made.registry.put_photo(NUMBER, NAME, samples["minister_a_2"].encoded)
        yield made


@pytest.fixture
def mended(running: RunningRegistry) -> Iterator[RunningRegistry]:
    yield running
    running.registry.faults.set(Fault())


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def client(running: RunningRegistry, tmp_path: Path, counted: Counted) -> Iterator[PoliceRegistry]:
    with closing(platform(running, tmp_path, counted)) as opened:
        yield opened


def platform(
    running: RunningRegistry,
    folder: Path,
    counted: Counted,
    *,
    limits: CallLimits = LIMITS,
    pinned: bool = False,
) -> Any:
    made = open_police_registry(
        origin=running.origin,
        public_key=public_key_text(running.registry.public_key) if pinned else None,
        keys=DevelopmentKeys(folder / "keys"),
        first_use_file=folder / "registry.pub",
        clock=SystemClock(),
        mode=Mode.SANDBOX,
        counter=counted,
        limits=limits,
    )
    assert not isinstance(made, NoRegistry)
    return made


def query(picture: bytes, *, number: str = NUMBER, name: str = NAME) -> RegistryQuery:
    return RegistryQuery(new_identifier(), IdNumber(number), name, picture)


@pytest.fixture
def patient_seen(samples: Samples) -> bytes:
    return jpeg(samples["minister_a_1"].picture())


class TestTheClientAtTheStandIn:
    def test_learns_every_verdict(
        self,
        mended: RunningRegistry,
        client: PoliceRegistry,
        samples: Samples,
        patient_seen: bytes,
    ) -> None:
        photoless = fictional("19750702", "024")
        mended.registry.put_person(photoless, "李示例")
        stranger = jpeg(samples["minister_b_1"].picture())
        asked = {
            RegistryVerdict.MATCH: query(patient_seen),
            RegistryVerdict.NO_MATCH: query(stranger),
            RegistryVerdict.NAME_NUMBER_MISMATCH: query(patient_seen, name="张示列"),
            RegistryVerdict.NO_USABLE_PHOTO: query(patient_seen, number=photoless, name="李示例"),
            RegistryVerdict.NOT_FOUND: query(patient_seen, number=fictional("19801111")),
        }
        assert {expected: client.compare(each) for expected, each in asked.items()} == {
            expected: expected for expected in asked
        }

    @pytest.mark.parametrize(
        ("kind", "counts"),
        [
            (FaultKind.BUSY, "busy"),
            (FaultKind.CUT, "unreachable"),
            (FaultKind.UNREACHABLE, "unreachable"),
            (FaultKind.WRONG_SIGNATURE, "not_believed"),
            (FaultKind.OTHER_REQUEST, "not_believed"),
        ],
    )
    def test_learns_nothing_while_a_fault_is_on_and_all_again_after_it(
        self,
        mended: RunningRegistry,
        client: PoliceRegistry,
        counted: Counted,
        patient_seen: bytes,
        kind: FaultKind,
        counts: str,
    ) -> None:
        mended.registry.faults.set(Fault(kind))
        assert client.compare(query(patient_seen)) is RegistryVerdict.UNAVAILABLE
        assert counted.names == [f"gateway_registry_{counts}_total"]
        mended.registry.faults.set(Fault())
        assert client.compare(query(patient_seen)) is RegistryVerdict.MATCH

    def test_does_not_wait_for_a_slow_registry(
        self, mended: RunningRegistry, tmp_path: Path, counted: Counted, patient_seen: bytes
    ) -> None:
        impatient = CallLimits(connect_s=5, read_s=0.1, total_s=30)
        mended.registry.admit(signing_key(DevelopmentKeys(tmp_path / "keys")).public_key)
        with closing(platform(mended, tmp_path, counted, limits=impatient, pinned=True)) as client:
            mended.registry.faults.set(Fault(FaultKind.SLOW, delay_s=60))
            assert client.compare(query(patient_seen)) is RegistryVerdict.UNAVAILABLE
        assert counted.names == ["gateway_registry_timed_out_total"]

    def test_gets_its_verdict_at_once_when_the_delay_is_ended(
        self, mended: RunningRegistry, client: PoliceRegistry, patient_seen: bytes
    ) -> None:
        mended.registry.faults.set(Fault(FaultKind.SLOW, delay_s=3_600))
        found: list[RegistryVerdict] = []
        asking = threading.Thread(target=lambda: found.append(client.compare(query(patient_seen))))
        asking.start()
        while asking.is_alive() and not found:
            mended.registry.faults.set(Fault())
            asking.join(0.05)
        assert found == [RegistryVerdict.MATCH]

    def test_is_not_known_before_it_was_introduced(
        self, mended: RunningRegistry, tmp_path: Path, counted: Counted, patient_seen: bytes
    ) -> None:
        with closing(platform(mended, tmp_path, counted, pinned=True)) as stranger:
            assert stranger.compare(query(patient_seen)) is RegistryVerdict.UNAVAILABLE
        assert counted.names == ["gateway_registry_refused_total"]


class TestTheDesk:
    @pytest.fixture
    def http(self, mended: RunningRegistry) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=mended.origin, trust_env=False, timeout=30) as opened:
            yield opened

    def test_every_answer_says_that_it_is_a_stand_ins(self, http: httpx.Client) -> None:
        paths = ("/", "/page.js", "/health", "/desk/v1/people", "/openapi.json", "/nowhere")
        for path in paths:
            assert http.get(path).headers[STAND_IN_HEADER] == "police-registry"
        foreign = http.get("/", headers={"host": "registry.example"})
        assert foreign.headers[STAND_IN_HEADER] == "police-registry"
        assert "演练用替身" in http.get("/").text
        assert http.get("/health").json()["stand_ins"][0]["part"] == "police_registry"

    def test_the_page_may_load_only_its_own(self, http: httpx.Client) -> None:
        page = http.get("/")
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        for text in (page.text, http.get("/page.js").text, http.get("/page.css").text):
            assert "://" not in text

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://elsewhere.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"host": "rebound.example"},
        ],
    )
    def test_a_page_of_another_origin_is_refused(
        self, http: httpx.Client, headers: dict[str, str]
    ) -> None:
        calls = [
            http.get("/desk/v1/people", headers=headers),
            http.put("/desk/v1/fault", json={"kind": "busy"}, headers=headers),
            http.post(INTRODUCTION_PATH, json={"public_key": "x"}, headers=headers),
        ]
        assert {call.json()["code"] for call in calls} == {"sandbox.registry_page_foreign"}
        assert http.get("/desk/v1/fault").json()["kind"] == "none"

    def test_a_fault_is_turned_on_and_off(self, http: httpx.Client, client: PoliceRegistry) -> None:
        assert http.put("/desk/v1/fault", json={"kind": "busy"}).json()["kind"] == "busy"
        assert client.compare(query(GREY)) is RegistryVerdict.UNAVAILABLE
        assert http.put("/desk/v1/fault", json={"kind": "none"}).status_code == 200
        assert client.compare(query(GREY)) is RegistryVerdict.NO_MATCH
        assert http.put("/desk/v1/fault", json={"kind": "fire"}).status_code == 422

    def test_a_wrong_call_never_repeats_what_was_sent(self, http: httpx.Client) -> None:
        sent = {"id_number": NUMBER[:-2] + "00", "name": "无名氏"}
        refused = http.post("/desk/v1/people", json=sent)
        assert refused.json()["code"] == "core.id_number_invalid"
        wrong = http.post("/desk/v1/people", json={**sent, "picture": "no base64 !"})
        assert wrong.status_code == 422
        for answer in (refused, wrong):
            assert sent["id_number"] not in answer.text
            assert sent["name"] not in answer.text

    def test_an_unsigned_comparison_is_refused(self, http: httpx.Client) -> None:
        refused = http.post(COMPARISON_PATH, json={})
        assert refused.json()["code"] == "terminals.signature_malformed"

    def test_too_large_a_request_is_refused_unread(self, http: httpx.Client) -> None:
        refused = http.post(COMPARISON_PATH, content=bytes(4 * 2**20))
        assert refused.status_code == 413

    def test_the_document_states_at_which_error_rate_it_compares(
        self, http: httpx.Client, running: RunningRegistry
    ) -> None:
        operation = http.get("/openapi.json").json()["paths"][COMPARISON_PATH]["post"]
        words = operation["responses"]["200"]["description"]
        assert str(running.registry.point.threshold) in words
        assert "0.001" in words
        assert running.registry.point.data in words


class TestRunning:
    def test_it_listens_on_loopback_only(self, running: RunningRegistry) -> None:
        assert running.origin.startswith("http://127.0.0.1:")

    def test_a_taken_port_is_told(self, engine: FaceEngine, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with (
                pytest.raises(Refused, match="registry_not_started"),
                running_registry(tmp_path / "state", engine=engine, port=port),
            ):
                pass

    def test_its_people_and_its_key_outlive_it(
        self, engine: FaceEngine, samples: Samples, tmp_path: Path
    ) -> None:
        person = SimpleNamespace(name=NAME, id_number=NUMBER, enrolled="minister_a_2")
        with running_registry(tmp_path / "state", engine=engine) as first:
            put_people(first.registry, [cast("Any", person)], samples)
            key = first.registry.public_key
        with running_registry(tmp_path / "state", engine=engine) as second:
            assert second.registry.public_key == key
            assert [one.masked_name for one in second.registry.people()] == ["张*例"]

    def test_no_log_line_names_a_person(
        self,
        mended: RunningRegistry,
        client: PoliceRegistry,
        patient_seen: bytes,
        log_of_the_suite: list[str],
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        asked = query(patient_seen, number=fictional("19540520", "055"), name="赵样本")
        before = len(log_of_the_suite)
        client.compare(asked)
        with httpx.Client(base_url=mended.origin, trust_env=False) as http:
            http.post(
                "/desk/v1/people", json={"id_number": asked.id_number.value, "name": asked.name}
            )
            http.post("/desk/v1/people", json={"id_number": "1", "name": asked.name})
        printed = "\n".join((*log_of_the_suite[before:], *capfd.readouterr()))
        assert COMPARISON_PATH in printed
        assert asked.id_number.value not in printed
        assert asked.name not in printed
        assert json.dumps(asked.name) not in printed
