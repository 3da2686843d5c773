"""An insurer whose listener terminals reach over real loopback HTTP and WebSocket, and terminals.

Register, enrolment, signatures, nonces, the database and the audit are the real ones; terminals
are simulated and their keys lie in files. Staff decide through the use cases directly; their
sign-in has its own tests.
"""

import secrets
import socket
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import httpx

from shualian.assembly import InsurerSide, open_insurer_side
from shualian.core.clock import Clock
from shualian.core.identifiers import StaffId, TerminalId
from shualian.core.mode import Mode
from shualian.core.settings import Settings
from shualian.sandbox import city
from shualian.sandbox.loopback import free_socket, served
from shualian.sandbox.police_registry.server import RunningRegistry, running_registry
from shualian.terminals.agent.model import ClaimBody, sign_request
from shualian.terminals.agent.service import TerminalAgent
from shualian.terminals.agent.store import AgentFolder
from shualian.terminals.api import WHO_AM_I_PATH, WhoAmIBody
from shualian.terminals.enrolment.model import EnrolmentCode, KeyId
from shualian.terminals.heartbeat.model import HeartbeatReport
from shualian.terminals.model import InstitutionStaff, InsurerStaff, Place, TerminalClass
from shualian.terminals.register.model import (
    CertifiedModel,
    Coordinates,
    PlaceClaim,
    PlaceSpec,
    Position,
    SoftwareVersion,
)
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.captures.client import CaptureClient
from shualian.web.listeners import build_terminal_listener

ALLOWED, ELSEWHERE = "127.0.0.1", "127.0.0.2"
"""Both are loopback; the listener's allow-list holds the first only."""
CERTIFICATE = "SIM-0001"
SCENE, OTHER_SCENE = "01101", "01202"
HALL = Coordinates(39.9042, 116.4074)
FAR = Coordinates(39.99, 116.4074)
SOFTWARE: SoftwareVersion = (2, 1)

ADMINISTRATOR = InstitutionStaff(StaffId("SIM-ADMINISTRATOR"), city.HOSPITAL.fixmedins_code)
SUPERVISOR = InsurerStaff(StaffId("SIM-SUPERVISOR"))

_MODEL = CertifiedModel(
    certificate=CERTIFICATE,
    maker="示例终端厂",
    model="SIM",
    terminal_class=TerminalClass.SIMULATED,
    valid_until=date(2099, 12, 31),
    software_min=(2,),
    software_current=SOFTWARE,
)
_REGISTRY_FOLDER = "police-registry"
_AFTER_START = timedelta(seconds=10)
_TIMEOUT_S = 30


class AheadClock:
    """Another clock and a span that it is ahead of it: runs by itself, and need not be waited for.

    A span may be added from any one thread at a time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """The moment, UTC."""
        return self._clock.now() + self._ahead

    def wait(self, span: timedelta) -> None:
        """Move on by ``span``, at least 0."""
        if span < timedelta(0):
            raise ValueError("no clock goes back")
        self._ahead += span


@dataclass(frozen=True)
class Call:
    """A business request as it goes over the wire; a forger changes one thing of it.

    Attributes:
        url: Of the connection.
        body: As sent.
        headers: With the signature.
        address: From where the connection is made.
    """

    url: str
    body: bytes
    headers: Mapping[str, str]
    address: str = ALLOWED

    def send(self) -> httpx.Response:
        """Over a connection of its own."""
        transport = httpx.HTTPTransport(local_address=self.address)
        with httpx.Client(transport=transport) as http:
            return http.post(self.url, content=self.body, headers=dict(self.headers))


@dataclass(frozen=True)
class SimulatedTerminal:
    """An agent with its folder, and the key that a thief of the folder would have."""

    agent: TerminalAgent
    folder: AgentFolder

    def key(self) -> SigningKey:
        """The present key."""
        return self.folder.key()

    def claim(self) -> ClaimBody:
        """Where it says that it stands: at its place, without a position."""
        return ClaimBody.made(PlaceClaim(self.agent.identity().place_id))


class District:
    """The insurer, its terminal listener, the police registry's stand-in, and simulated terminals.

    Attributes:
        clock: Of everything here; :meth:`wait` moves it on.
        origin: What terminals sign.
        base: Where the listener is reached.
        http: A client of it.
        side: The insurer.
        police: The stand-in of the police registry, a server of its own; the notice promises that
            the registry is asked, so no listener opens without one.
    """

    def __init__(self, settings: Settings, opened: ExitStack, *, clock: Clock) -> None:
        """Open all of it in the settings' data folder; ``opened`` closes it."""
        self.clock = AheadClock(clock)
        listening = opened.enter_context(free_socket())
        self.origin = _origin(listening)
        self.police = self._registry(settings, opened)
        self.settings = settings.model_copy(
            update={
                "terminal_origin": self.origin,
                "terminal_networks": f"{ALLOWED}/32",
                "registry_url": self.police.origin,
            }
        )
        self.side: InsurerSide = open_insurer_side(
            self.settings, mode=Mode.SANDBOX, clock=self.clock
        )
        opened.callback(self.side.close)
        listener = build_terminal_listener(self.side, self.settings)
        self.base = opened.enter_context(served(listener, listening))
        self.http = opened.enter_context(
            httpx.Client(base_url=self.base, timeout=_TIMEOUT_S, trust_env=False)
        )

    def wait(self, span: timedelta) -> None:
        """Let the demo's clock run on."""
        self.clock.wait(span)

    def register_model(self) -> None:
        """Take the simulated model into the register."""
        self.side.terminals.register.register_model(actor=SUPERVISOR, model=_MODEL)

    def terminal(self, algorithm: Algorithm) -> SimulatedTerminal:
        """A new terminal without a key."""
        folder = AgentFolder(
            self.settings.data_dir / f"terminal-{secrets.token_hex(4)}", mode=Mode.SANDBOX
        )
        agent = TerminalAgent(
            http=self.http, origin=self.origin, folder=folder, algorithm=algorithm, clock=self.clock
        )
        return SimulatedTerminal(agent, folder)

    def invite(self, name: str, *, scenes: Collection[str] = (SCENE,)) -> EnrolmentCode:
        """A place in the hall and the code for its terminal."""
        spec = PlaceSpec(
            place=Place(name=name, department="门诊大厅"),
            coordinates=HALL,
            fence_m=100,
            terminal_class=TerminalClass.SIMULATED,
            scenes=frozenset(scenes),
        )
        enrolments = self.side.terminals.enrolments
        return enrolments.create_place(actor=ADMINISTRATOR, spec=spec).code

    def enrol(self, terminal: SimulatedTerminal, code: EnrolmentCode) -> TerminalId:
        """Enrol over HTTP; the terminal then waits for approval."""
        answer = terminal.agent.enrol(code=code, certificate=CERTIFICATE, software=SOFTWARE)
        return TerminalId(answer.terminal_id)

    def approve(
        self, terminal_id: TerminalId, fingerprint: KeyId, *, actor: InsurerStaff = SUPERVISOR
    ) -> None:
        """The supervisor's decision."""
        self.side.terminals.enrolments.approve(
            actor=actor, terminal_id=terminal_id, expected_key_id=fingerprint
        )

    def install(
        self,
        name: str,
        *,
        scenes: Collection[str] = (SCENE,),
        algorithm: Algorithm = Algorithm.SM2_SM3,
    ) -> SimulatedTerminal:
        """A terminal that is invited, enrolled, approved and has sent a heartbeat.

        The model must be registered, and the clock past the listener's start
        (:meth:`wait_after_start`).
        """
        terminal = self.terminal(algorithm)
        terminal_id = self.enrol(terminal, self.invite(name, scenes=scenes))
        self.approve(terminal_id, terminal.agent.fingerprint())
        self.beat(terminal)
        return terminal

    def wait_after_start(self) -> None:
        """Move the clock past the moments that count as before the listener's start."""
        self.wait(_AFTER_START)

    def beat(self, terminal: SimulatedTerminal, *, software: SoftwareVersion = SOFTWARE) -> str:
        """A heartbeat of a terminal that fares well; the state that the insurer sees."""
        claim = PlaceClaim(terminal.agent.identity().place_id, Position(HALL, 10.0))
        report = HeartbeatReport(
            software=software, camera_ok=True, disk_free_percent=60, tampered=False, claim=claim
        )
        return terminal.agent.heartbeat(report).state

    def capture_client(self, terminal: SimulatedTerminal) -> CaptureClient:
        """The terminal's side of captures."""
        return CaptureClient(
            http=self.http,
            signer=terminal.agent.signer(),
            key=terminal.key(),
            claim=terminal.claim(),
            stream_origin=self.base.replace("http", "ws", 1),
        )

    def call(
        self,
        terminal: SimulatedTerminal,
        *,
        key: SigningKey | None = None,
        origin: str | None = None,
        scene: str = SCENE,
        position: Position | None = None,
        late: timedelta = timedelta(0),
    ) -> Call:
        """A signed business request of a terminal."""
        claim = PlaceClaim(terminal.agent.identity().place_id, position)
        body = WhoAmIBody(scene=scene, claim=ClaimBody.made(claim)).model_dump_json().encode()
        headers = sign_request(
            key or terminal.key(),
            method="POST",
            target_uri=(origin or self.origin) + WHO_AM_I_PATH,
            body=body,
            created=self.clock.now() - late,
            nonce=secrets.token_urlsafe(16),
        )
        json = {"content-type": "application/json"}
        return Call(self.base + WHO_AM_I_PATH, body, {**headers, **json})

    def _registry(self, settings: Settings, opened: ExitStack) -> RunningRegistry:
        return opened.enter_context(
            running_registry(
                settings.data_dir / _REGISTRY_FOLDER,
                clock=self.clock,
                weights_dir=settings.weights_dir,
            )
        )


def _origin(listening: socket.socket) -> str:
    return f"http://localhost:{listening.getsockname()[1]}"
