"""A real insurer behind the pages: listener, sockets, models, registry's stand-in, sample people.

Only who stands before the camera is played: the page's camera is a canvas on which a simulated
person is drawn, who looks at the screen and turns the head as it asks. It proves the plumbing and
says nothing about live people.
"""

import time
from contextlib import ExitStack
from datetime import date
from itertools import count
from pathlib import Path
from threading import Lock

from fastapi import FastAPI, Response

from shualian.assembly import InsurerSide, open_insurer_side
from shualian.core.clock import SystemClock, business_date
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import PersonNo, TerminalId
from shualian.core.mode import Mode
from shualian.core.settings import Settings
from shualian.insurer.persons.model import Insurance
from shualian.sandbox import city
from shualian.sandbox.city import SamplePerson
from shualian.sandbox.loopback import free_socket, served
from shualian.sandbox.player import Actor, FaceVideo, encode_frame
from shualian.sandbox.police_registry.server import put_people, running_registry
from shualian.sandbox.presentation_attacks import AttackKind, simulate
from shualian.sandbox.samples import SamplePicture, sample_pictures
from shualian.terminals.enrolment.model import Invitation, KeyId
from shualian.terminals.model import Place, TerminalClass
from shualian.terminals.register.model import CertifiedModel, Coordinates, PlaceSpec
from shualian.verification.expectations.model import ExpectedFor
from shualian.verification.model import Scene
from shualian.web.listeners import build_terminal_listener

CERTIFICATE = "BROWSER-0001"
FRAME_PATH = "/a-simulated-person/frame"
PLACE = "一层大厅"
_TURNED = 30.0
_DEGREES_A_SECOND = 150.0
"""A calm turn of a head, by the time that passes: a busy machine sees fewer frames of it."""
_DEGREES_A_FRAME = 5.0
_DEGREES_A_FRAME_MAX = 24.0
_MODEL = CertifiedModel(
    certificate=CERTIFICATE,
    maker="示例",
    model="Chromium",
    terminal_class=TerminalClass.BROWSER,
    valid_until=date(2099, 12, 31),
    software_min=(0,),
    software_current=(0, 1),
)
_SCENES = frozenset(
    scene.value
    for scene in (
        Scene.REGISTRATION,
        Scene.SETTLEMENT,
        Scene.REPORT_COLLECTION,
        Scene.INSURED_SERVICES,
    )
)


class Somebody:
    """A simulated head that turns to where the screen asks, as fast as heads turn."""

    def __init__(self, actor: Actor) -> None:
        self._wanted = 0.0
        self._yaw = 0.0
        self._drawn_at = 0.0
        self._lock = Lock()
        self._frames = FaceVideo(actor, seed=7, yaw_at=self._turn).frames(100_000)

    def frame(self, prompt: str) -> bytes:
        """The next frame as JPEG, of a head that was shown ``prompt``."""
        with self._lock:
            self._wanted = {"left": _TURNED, "right": -_TURNED}.get(prompt, 0.0)
            return encode_frame(next(self._frames))

    def _turn(self, _seconds: float) -> float:
        now = time.monotonic()
        by_time = (now - self._drawn_at) * _DEGREES_A_SECOND
        self._drawn_at = now
        most = min(max(by_time, _DEGREES_A_FRAME), _DEGREES_A_FRAME_MAX)
        self._yaw += max(-most, min(most, self._wanted - self._yaw))
        return self._yaw


class HeldScreen:
    """A screen with somebody's face, held still before the camera (a simulated attack)."""

    def __init__(self, sample: SamplePicture) -> None:
        picture = simulate(sample.picture(), AttackKind.SCREEN_BEZEL_VISIBLE, seed=7)
        self._frame = encode_frame(picture)

    def frame(self, prompt: str) -> bytes:
        """The same whatever is asked for."""
        del prompt
        return self._frame


class World:
    """The insurer and its terminal listener, over loopback."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self.clock = SystemClock()
        self.samples = sample_pictures()
        self._places = count(1)
        self._police = opened.enter_context(running_registry(folder / "police", clock=self.clock))
        listening = opened.enter_context(free_socket())
        self.origin = f"http://localhost:{listening.getsockname()[1]}"
        self.settings = self._settings(folder, opened)
        self.side: InsurerSide = open_insurer_side(
            self.settings, mode=Mode.SANDBOX, clock=self.clock
        )
        opened.callback(self.side.close)
        self.side.institutions.contract(city.HOSPITAL)
        self.side.terminals.register.register_model(actor=city.SUPERVISOR, model=_MODEL)
        self.somebody: Somebody | HeldScreen = Somebody(Actor.of(self.samples[city.PATIENT_SEEN]))
        self.listener = self._terminal_listener(opened)
        self.listener.add_api_route(FRAME_PATH, self._frame, include_in_schema=False)
        opened.enter_context(served(self.listener, listening))

    def _settings(self, folder: Path, _: ExitStack) -> Settings:
        return Settings(
            data_dir=folder,
            terminal_origin=self.origin,
            terminal_networks="127.0.0.1/32",
            registry_url=self._police.origin,
        )

    def _terminal_listener(self, _: ExitStack) -> FastAPI:
        return build_terminal_listener(self.side, self.settings)

    def invite(self) -> Invitation:
        """A new place for a browser terminal, and the code that is typed there."""
        spec = PlaceSpec(
            place=Place(name=f"{PLACE} {next(self._places)} 号机", department="门诊大厅"),
            coordinates=Coordinates(39.9042, 116.4074),
            fence_m=100,
            terminal_class=TerminalClass.BROWSER,
            scenes=_SCENES,
        )
        return self.side.terminals.enrolments.create_place(actor=city.ADMINISTRATOR, spec=spec)

    def approve(self, terminal_id: TerminalId, fingerprint: str) -> None:
        """The supervisor has compared the fingerprint with the one on the screen."""
        self.side.terminals.enrolments.approve(
            actor=city.SUPERVISOR,
            terminal_id=terminal_id,
            expected_key_id=KeyId(fingerprint.replace(" ", "")),
        )

    def suspend(self, terminal_id: TerminalId) -> None:
        """The insurer stops believing a terminal."""
        self.side.terminals.enrolments.suspend(actor=city.SUPERVISOR, terminal_id=terminal_id)

    def resume(self, terminal_id: TerminalId) -> None:
        """The insurer believes it again."""
        self.side.terminals.enrolments.resume(actor=city.SUPERVISOR, terminal_id=terminal_id)

    def insure(self, person: SamplePerson) -> PersonNo:
        """Somebody who is insured and known to the registry, and has never scanned."""
        today = business_date(self.clock.now())
        insured = self.side.insured.persons.register_insured(
            id_number=parse_id_number(person.id_number, today=today),
            name=person.name,
            insurances=[Insurance(city.EMPLOYEES, person.psn_type, "990000")],
        )
        put_people(self._police.registry, [person], self.samples)
        return insured.psn_no

    def expect_today(self, psn_no: PersonNo) -> None:
        """Somebody has an appointment here today, so that a search may find them."""
        self.side.insured.expectations.expect(
            city.HOSPITAL.fixmedins_code,
            psn_no,
            day=business_date(self.clock.now()),
            why=ExpectedFor.APPOINTMENT,
        )

    def stands_there(self, name: str) -> None:
        """Who is before the camera from now on, by the name of a sample picture."""
        self.somebody = Somebody(Actor.of(self.samples[name]))

    def holds_a_screen(self, name: str) -> None:
        """Whose face is on the screen that is before the camera from now on."""
        self.somebody = HeldScreen(self.samples[name])

    def _frame(self, prompt: str = "") -> Response:
        return Response(self.somebody.frame(prompt), media_type="image/jpeg")
