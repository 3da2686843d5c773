"""Faces before the camera of a terminal: real pixels, sent and answered over the real socket.

The people are sample pictures in small motion, so that what they show is plumbing and no error
rate. A head at the bedside is the same video turned by a quarter and made dim.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np

from shualian.core.clock import Clock
from shualian.core.identifiers import new_identifier
from shualian.face.liveness.challenge import GAP_SECONDS_MAX
from shualian.face.model import Box, Picture, Profile
from shualian.sandbox.player import FRAMES_PER_SECOND, Actor
from shualian.sandbox.samples import SamplePicture
from shualian.sandbox.simulated_person import Habit, Person, obeys
from shualian.sandbox.steps import VisitWentWrong
from shualian.sandbox.visit.clients import AnsweredNo, TerminalAtPlace
from shualian.verification.captures.client import Camera, CaptureStream
from shualian.verification.captures.model import (
    BeginAnswer,
    IntentBody,
    LookForBody,
    RefusedMessage,
    ResultMessage,
    SeenMessage,
)
from shualian.verification.model import NOT_LIVE, ConsentPurpose, Scene, SessionState

TRIES = 3
"""Captures of one person, and attempts of each."""
TRIES_WHEN_SLOW = 8
SLOW_S = 0.8 * GAP_SECONDS_MAX
"""So long between two frames that one of them may have come too late for a challenge."""

EVERYTHING = (
    ConsentPurpose.COMPARISON,
    ConsentPurpose.TEMPLATE,
    ConsentPurpose.ONE_SCAN_PAYMENT,
)
"""All three ticks of the notice."""

_DEGREES_A_SECOND = 150.0
"""A calm turn of a head."""
_DEGREES_A_FRAME_MAX = 24.0
"""However late a frame is: the one after it may come at once."""
_DIM = 0.45
_NOTICE_PATH = "/terminal/v1/notice"

NOT_LIVE_CODE = NOT_LIVE.code

Answer = ResultMessage | RefusedMessage
FaceFinder = Callable[[Picture], Box]
"""Where the largest face of a picture is, in pixels."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A capture as it went.

    Attributes:
        begun: What the insurer opened.
        answer: What it decided.
        first_frame_at: When the first frame was taken, UTC.
        frames: How many were sent.
        slowest_s: The longest time between two of them.
    """

    begun: BeginAnswer
    answer: Answer
    first_frame_at: datetime
    frames: int
    slowest_s: float

    @property
    def verified(self) -> bool:
        """Whether it was who it had to be, also where the answer does not say who."""
        answer = self.answer
        return isinstance(answer, ResultMessage) and answer.state is SessionState.VERIFIED

    @property
    def missed(self) -> bool:
        """Whether nobody was decided on because liveness was not shown."""
        return isinstance(self.answer, RefusedMessage) and self.answer.code == NOT_LIVE.code

    @property
    def told(self) -> str:
        """What the answer came to, without anything about a person."""
        return f"{told(self.answer)}, slowest frame {self.slowest_s:.2f} s"

    @property
    def found(self) -> ResultMessage:
        """The decision, where somebody was recognised.

        Raises:
            VisitWentWrong: When nobody was.
        """
        if isinstance(self.answer, ResultMessage) and self.answer.person is not None:
            return self.answer
        raise VisitWentWrong(f"expected a person, found {self.told}")


@dataclass(frozen=True, slots=True)
class Proven:
    """What a terminal holds after the person confirmed.

    Attributes:
        auth_no: Number of the proof.
        intent_id: What was confirmed.
        scene: For what.
        terminal_id: Where.
        first_frame_at: When the first frame was taken, UTC.
    """

    auth_no: str
    intent_id: str
    scene: Scene
    terminal_id: str
    first_frame_at: datetime

    @property
    def at_terminal(self) -> Mapping[str, Any]:
        """As evidence in a request of the terminal itself."""
        return {
            "kind": "face",
            "auth_no": self.auth_no,
            "intent_id": self.intent_id,
            "scene": self.scene.value,
            "first_frame_at": self.first_frame_at.isoformat(),
        }

    @property
    def at_window(self) -> Mapping[str, Any]:
        """As evidence in a request of the staff at whose window the terminal stands."""
        return {**self.at_terminal, "terminal_id": self.terminal_id}

    @property
    def own_act(self) -> Mapping[str, Any]:
        """As what carries a person's own act with the insurer."""
        return {"auth_no": self.auth_no, "intent_id": self.intent_id}


@dataclass(frozen=True, slots=True)
class Shown:
    """What was sent in one capture.

    Attributes:
        session_id: Of the capture.
        frames: JPEG, in order.
    """

    session_id: str
    frames: tuple[bytes, ...]


class Faces:
    """Who can stand before a camera.

    Attributes:
        shown: Everything that was sent, for whoever looks afterwards where frames remain.
        auth_nos: Numbers of all proofs, for the same.
    """

    def __init__(self, samples: Mapping[str, SamplePicture], *, seed: int, clock: Clock) -> None:
        """Take the sample pictures; ``seed`` is of motion and noise."""
        self.shown: list[Shown] = []
        self.auth_nos: list[str] = []
        self._samples = samples
        self._seed = seed
        self._clock = clock

    def picture(self, seen: str) -> Picture:
        """The sample picture with this name."""
        return self._samples[seen].picture()

    def person(self, seen: str, habit: Habit = obeys) -> Person:
        """Somebody who stands there."""
        return self._before_camera(Actor.of(self._samples[seen]), habit)

    def lying(self, seen: str) -> Person:
        """Somebody who lies in a dim room."""
        actor = Actor.of(self._samples[seen])
        return self._before_camera(actor, obeys, held=_in_bed)

    def instrument(self, actor: Actor, habit: Habit) -> Person:
        """What somebody holds before the camera."""
        return self._before_camera(actor, habit)

    def scan(
        self,
        terminal: TerminalAtPlace,
        person: Person,
        *,
        scene: Scene,
        look_for: LookForBody,
        amount_fen: int = 0,
        consents: Collection[ConsentPurpose] = (ConsentPurpose.COMPARISON,),
        profile: Profile = Profile.STANDING,
        tries: int = TRIES,
    ) -> Scan:
        """Touch, notice, frames, decision.

        Raises:
            Refused: When the insurer does not open the capture.
        """

        def begin() -> BeginAnswer:
            return terminal.captures.begin(
                scene=scene,
                notice_version=notice_of(terminal, scene),
                consents=consents,
                look_for=look_for,
                amount_max_fen=amount_fen,
            )

        return self.watched(
            terminal, person, begin, look_for=look_for, profile=profile, tries=tries
        )

    def watched(
        self,
        terminal: TerminalAtPlace,
        person: Person,
        begin: Callable[[], BeginAnswer],
        *,
        look_for: LookForBody,
        profile: Profile = Profile.STANDING,
        tries: int = TRIES,
    ) -> Scan:
        """Captures that ``begin`` opens, until somebody is decided on.

        A turn that was missed is tried again, as people do; more often where the machine was too
        busy to look at every frame in time, which is not the person's fault.
        """
        for tried in range(1, TRIES_WHEN_SLOW + 1):
            terminal.beat()
            scan = self._once(terminal, person, begin(), look_for, profile, tries)
            slow = scan.slowest_s > SLOW_S and tries > 1
            if not scan.missed or (tried >= tries and not slow):
                break
        return scan

    def _once(
        self,
        terminal: TerminalAtPlace,
        person: Person,
        begun: BeginAnswer,
        look_for: LookForBody,
        profile: Profile,
        tries: int,
    ) -> Scan:
        began, before, camera = self._clock.now(), len(person.shown), _Timed(person)
        with terminal.captures.stream(begun) as stream:
            opened = stream.open(profile)
            answer = (
                opened
                if isinstance(opened, RefusedMessage)
                else _attempts(stream, camera, look_for, tries)
            )
        frames = tuple(person.shown[before:])
        self.shown.append(Shown(begun.session_id, frames))
        return Scan(begun, answer, began, len(frames), camera.slowest_s)

    def prove(
        self,
        terminal: TerminalAtPlace,
        scan: Scan,
        scene: Scene,
        *,
        intent_id: str | None = None,
        amount_fen: int = 0,
        pin: str | None = None,
    ) -> Proven:
        """The person confirms what is on the screen.

        Raises:
            Refused: When the policy asks for more at this amount.
        """
        _ = scan.found
        intent = IntentBody(
            intent_id=intent_id or new_identifier(), scene=scene, amount_max_fen=amount_fen
        )
        proof = terminal.captures.prove(scan.begun.session_id, intent, pin=pin)
        self.auth_nos.append(proof.auth_no)
        return Proven(
            proof.auth_no, intent.intent_id, scene, terminal.terminal_id, scan.first_frame_at
        )

    def _before_camera(
        self,
        actor: Actor,
        habit: Habit,
        *,
        held: Callable[[Picture], Picture] = lambda frame: frame,
    ) -> Person:
        pace = _Pace()
        return Person(
            actor,
            habit,
            held=held,
            each=pace.wait,
            seed=self._seed,
            degrees_a_frame=pace.degrees,
        )


def notice_of(terminal: TerminalAtPlace, scene: Scene) -> str:
    """Version of the notice that a terminal shows before its camera runs.

    Raises:
        AnsweredNo: When the terminal is not fit to show it.
    """
    body = {"scene": scene.value, "claim": terminal.claim().model_dump(exclude_none=True)}
    return str(terminal.post(_NOTICE_PATH, body)["version"])


def told(answer: object) -> str:
    """What an answer came to, without anything about a person."""
    if isinstance(answer, RefusedMessage):
        return f"{answer.code} ({answer.told})"
    if isinstance(answer, ResultMessage):
        return answer.unknown.value if answer.unknown else answer.state.value
    return type(answer).__name__


def refused_as(act: Callable[[], object], code: str) -> str:
    """How a server refused, in words.

    Raises:
        VisitWentWrong: When it did not, or for another reason.
    """
    try:
        act()
    except AnsweredNo as refused:
        if refused.code != code:
            raise VisitWentWrong(f"expected {code}, found {refused.code}") from None
        return f"被拒绝：{refused.words}（{code}）"
    raise VisitWentWrong(f"expected {code}, found no refusal")


def _attempts(stream: CaptureStream, camera: Camera, look_for: LookForBody, tries: int) -> Answer:
    """Watch until somebody is decided on; a turn that was missed is tried again."""
    answer = stream.capture(camera)
    for _ in range(tries - 1):
        missed = isinstance(answer, RefusedMessage) and answer.code == NOT_LIVE.code
        if not missed or not answer.may_go_on:
            break
        opened = stream.again(look_for)
        answer = opened if isinstance(opened, RefusedMessage) else stream.capture(camera)
    return answer


class _Timed:
    """A camera that remembers the longest time between two frames."""

    def __init__(self, camera: Camera) -> None:
        self.slowest_s = 0.0
        self._camera = camera
        self._last: float | None = None

    def __call__(self, seen: SeenMessage | None) -> bytes:
        """The next frame."""
        jpeg, now = self._camera(seen), time.monotonic()
        if self._last is not None and seen is not None:
            self.slowest_s = max(self.slowest_s, now - self._last)
        self._last = now
        return jpeg


class _Pace:
    """A camera gives a frame each fifteenth of a second and not sooner."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._passed_s = 0.0

    def wait(self) -> None:
        """Until the next frame is there."""
        due = self._last + 1 / FRAMES_PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        self._passed_s, self._last = now - self._last, now

    def degrees(self) -> float:
        """How far a head turns in the time that has passed since the frame before."""
        return min(_DEGREES_A_FRAME_MAX, _DEGREES_A_SECOND * self._passed_s)


def _in_bed(frame: Picture) -> Picture:
    """Turned by a quarter, with less than half of the light."""
    turned = np.rot90(frame)
    return cast("Picture", np.ascontiguousarray((turned * _DIM).astype(np.uint8)))
