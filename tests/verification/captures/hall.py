# ruff: noqa: ARG002 - stand-ins take what the real ones take
"""A hall with one terminal: the real listener on loopback, real sessions, a clock that is set."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import PersonNo, TemplateId, TerminalId
from shualian.core.mode import Mode
from shualian.face.calibration import OperatingPoint as ProvenPoint
from shualian.face.liveness.challenge import Challenge, Turn
from shualian.face.liveness.decision import AttackDetectionErrorRates
from shualian.face.model import Embedding
from shualian.gallery.model import Candidate, Probe
from shualian.sandbox.loopback import free_socket, served
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.agent.service import RequestSigner
from shualian.terminals.heartbeat.model import CaptureOutcome
from shualian.terminals.heartbeat.service import Heartbeats
from shualian.terminals.register.model import parse_networks
from shualian.terminals.requests.model import VerifiedRequest
from shualian.terminals.requests.service import SignedRequests
from shualian.terminals.requests.store import MemoryNonces
from shualian.terminals.service import TerminalServices
from shualian.verification.api import terminal_routes
from shualian.verification.captures.capture import Engine
from shualian.verification.captures.client import CaptureClient
from shualian.verification.captures.model import (
    BeginAnswer,
    CalledBody,
    CaptureLimits,
    LookForBody,
    SeenMessage,
)
from shualian.verification.captures.service import Captures
from shualian.verification.failures.service import ScanFailures
from shualian.verification.model import ConsentPurpose, Scene
from shualian.verification.service import Verification
from shualian.web.application import build_listener
from terminals.district import LIMITS, ORIGIN, Device, District
from verification.captures.stage import LEFT_BACK_RIGHT, PATH_ID, RATES, PaintedEngine, painted
from verification.world import DEGRADED_MAX, Doors, Family, PinPad, World

LOOPBACK = parse_networks("127.0.0.0/8")
YAW = {Turn.LEFT: 32, Turn.RIGHT: -32, Turn.BACK: 0}


class Templates:
    """A gallery of a few vectors."""

    def __init__(self) -> None:
        self.of: dict[PersonNo, Embedding] = {}

    def identify(self, probe: Probe, among: Collection[PersonNo], limit: int) -> list[Candidate]:
        found = [
            Candidate(who, TemplateId(f"T{who}"), float(np.dot(vector, probe.embedding)))
            for who, vector in self.of.items()
            if who in among
        ]
        return sorted(found, key=lambda each: -each.score)[:limit]


class Rates:
    """Thresholds that belong to one operational path."""

    def __init__(self, path_id: str) -> None:
        self._path_id = path_id

    def at(self, fmr: float, *, population: str | None) -> ProvenPoint:
        return ProvenPoint(
            fmr=fmr,
            fmr_upper95=2.4 * fmr,
            fnmr=0.03,
            threshold=0.45,
            path_id=self._path_id,
            data="an imaginary calibration",
            proven_for_population=False,
        )


class Watched:
    """The terminals' health; tells when a capture has ended."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats
        self.ended = threading.Semaphore(0)
        self.counted: list[CaptureOutcome] = []

    def check_capture(self, verified: VerifiedRequest) -> None:
        self._heartbeats.check_capture(verified)

    def count_capture(self, *, terminal_id: TerminalId, outcome: CaptureOutcome) -> None:
        self._heartbeats.count_capture(terminal_id=terminal_id, outcome=outcome)
        self.counted.append(outcome)
        self.ended.release()


class Hall:
    """Everything behind the listener, and one active terminal before it."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: Engine | None = None,
        path_id: str = PATH_ID,
        error_rates: AttackDetectionErrorRates = RATES,
        limits: CaptureLimits | None = None,
    ) -> None:
        self.database = SqliteDatabase(f"sqlite:///{folder}/insurer.db")
        self.district = District(self.database)
        self.district.register_models()
        self.clock = self.district.clock
        self.world = World(database=self.database)
        self.world.clock = self.clock
        self.world.gallery = Templates()  # type: ignore[assignment]
        self.templates: Templates = self.world.gallery  # type: ignore[assignment]
        self.office = self.world.office
        self.engine = engine or PaintedEngine()
        self.verification = self._verification(path_id)
        self.services = self._terminal_services()
        self.health = Watched(self.services.heartbeats)
        self.challenge = LEFT_BACK_RIGHT
        self.captures = Captures(
            sessions=self.verification,
            engine=self.engine,
            error_rates=error_rates,
            messages=self.services.requests,
            health=self.health,
            counter=self.district.counters,
            failures=ScanFailures(self.district.counters),
            clock=self.clock,
            limits=limits,
            captures_max=2,
            new_challenge=self._drawn,
        )
        self.device = self.district.active()
        routes = terminal_routes(self.captures, self.services, origin=ORIGIN)
        self.listener = build_listener("terminal", routers=[routes], mode=Mode.SANDBOX)

    def _drawn(self) -> Challenge:
        return self.challenge

    def _verification(self, path_id: str) -> Verification:

        office = self.office
        return Verification(
            database=self.database,
            clock=self.clock,
            gallery=self.templates,
            error_rates=Rates(path_id),
            policy=self.world.policy,
            mode=Mode.SANDBOX,
            people=office,
            expectations=office,
            pins=PinPad(office),
            relations=Family(office),
            pauses=Doors(office),
            registry=self.world.police,
            aftermath=office,
            degraded_max_fen=DEGRADED_MAX,
        )

    def _terminal_services(self) -> TerminalServices:
        district = self.district
        started_at = self.clock.now() - timedelta(minutes=5)
        requests = SignedRequests(
            database=self.database,
            clock=self.clock,
            nonces=MemoryNonces(started_at=started_at, limits=LIMITS),
            counter=district.counters,
            mode=Mode.SANDBOX,
            networks=LOOPBACK,
            limits=LIMITS,
        )
        return TerminalServices(
            register=district.register,
            enrolments=district.enrolments,
            requests=requests,
            heartbeats=district.heartbeats,
        )

    def wait(self, seconds: float) -> None:
        self.district.wait(timedelta(seconds=seconds))

    def close(self) -> None:
        self.database.close()


class Visitor:
    """A terminal and whoever stands before it."""

    def __init__(self, hall: Hall, http: httpx.Client, device: Device, address: str) -> None:
        self.hall = hall
        self.device = device
        self.serial = 0
        self.stream_origin = address.replace("http", "ws", 1)
        self.client = CaptureClient(
            http=http,
            signer=RequestSigner(device.key, origin=ORIGIN, clock=hall.clock),
            key=device.key,
            claim=ClaimBody.made(device.claim()),
            stream_origin=self.stream_origin,
        )

    def begin(self, look_for: LookForBody | None = None, **asked: Any) -> BeginAnswer:
        return self.client.begin(
            scene=asked.pop("scene", Scene.SETTLEMENT),
            notice_version="2026-01",
            consents=asked.pop("consents", [ConsentPurpose.COMPARISON]),
            look_for=look_for or CalledBody(kind="called"),
            **asked,
        )

    def camera(self, **looks: Any) -> Callable[[SeenMessage | None], bytes]:
        """A painted person who does what is asked, five frames a second."""

        def frame(seen: SeenMessage | None) -> bytes:
            self.hall.wait(0.2)
            self.serial += 1
            yaw = YAW[seen.prompt] if seen is not None and seen.prompt is not None else 0
            return painted(yaw, serial=self.serial, **looks)

        return frame


@contextmanager
def visiting(hall: Hall) -> Iterator[Visitor]:
    """The listener served on loopback, and its terminal."""
    listening = free_socket()
    with (
        listening,
        served(hall.listener, listening) as address,
        httpx.Client(base_url=address, trust_env=False) as http,
    ):
        yield Visitor(hall, http, hall.device, address)
