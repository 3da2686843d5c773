# ruff: noqa: ARG002 - stand-ins take what the real ones take
"""A stage for captures without a network: painted faces, an engine that reads them, sessions.

A painted frame says in three colours who is seen, how far the head is turned and how good the
picture is, so that a whole capture takes milliseconds. What the real engine sees is the matter of
``test_people.py``.
"""

import weakref
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from shualian.core.clock import SettableClock
from shualian.core.identifiers import InstitutionCode, SessionId, TerminalId
from shualian.core.refusals import Refused
from shualian.face.liveness.challenge import Challenge, Turn
from shualian.face.liveness.decision import AttackDetectionErrorRates, LivenessLevel
from shualian.face.model import (
    Box,
    DetectedFace,
    Hint,
    Inspection,
    Measurement,
    Picture,
    Pose,
    Profile,
    Purpose,
    Quality,
)
from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.heartbeat.model import CaptureOutcome
from shualian.terminals.model import Place, Terminal, TerminalClass
from shualian.terminals.requests.model import SIGNATURE_WRONG, VerifiedRequest
from shualian.trust.signatures import Algorithm, SigningKey, verify
from shualian.verification.captures.model import (
    CaptureLimits,
    Chain,
    OpenMessage,
    RefusedMessage,
    SeenMessage,
    end_message,
    pack_frame,
)
from shualian.verification.captures.service import Answer, Captures
from shualian.verification.failures.service import ScanFailures
from shualian.verification.model import (
    NOT_LIVE,
    SESSION_NONCE_WRONG,
    TICKET_WRONG,
    FaceProof,
    IdentificationOutcome,
    Intent,
    LookFor,
    SessionResult,
    SessionState,
    UnknownReason,
)
from shualian.verification.ports import Captured
from shualian.verification.sessions.model import OpenedSession, RunningCapture

LEFT_BACK_RIGHT = Challenge((Turn.LEFT, Turn.BACK, Turn.RIGHT))
RATES = AttackDetectionErrorRates(
    apcer={"print": 0.1},
    bpcer=0.05,
    attacks={"print": 100},
    bona_fide=100,
    simulated=("print",),
    frames=5,
)
PATH_ID = "painted"
START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
TERMINAL = TerminalId("K02")
HOSPITAL = InstitutionCode("H99000000001")
NONCE, TICKET = "nonce-of-this-session", "ticket-of-this-session"
SESSION = SessionId("0" * 25 + "1")
ME, SOMEBODY_ELSE = 1, 3
FRAME_SECONDS = 0.2
_YAW = {Turn.LEFT: 32, Turn.RIGHT: -32, Turn.BACK: 0}


def painted(
    yaw: int = 0, *, who: int = ME, hint: Hint = Hint.HOLD_STILL, live: bool = True, serial: int = 0
) -> bytes:
    """A frame as JPEG; ``serial`` makes it another picture of the same."""
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[:, :, 0] = yaw + 128
    frame[:, :, 1] = who * 40 + (20 if live else 0)
    frame[:, :, 2] = list(Hint).index(hint) * 12 + 20
    frame[:16, :16] = serial % 256
    frame[:16, 16:32] = serial // 256
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


class PaintedEngine:
    """Reads painted frames; remembers each, weakly, to tell whether somebody still holds it."""

    def __init__(self) -> None:
        self.pixels: list[weakref.ref[Picture]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.box = Box(40, 20, 40, 50)

    def inspect(
        self, frame: Picture, *, profile: Profile, previous: Inspection | None
    ) -> Inspection:
        self.pixels.append(weakref.ref(frame))
        self.meanwhile()
        yaw, _, hint = _read(frame)
        if hint is Hint.NO_FACE:
            return Inspection(None, 0, Quality({}, hint, 0), None)
        turned = hint is Hint.HOLD_STILL and abs(yaw) > 15
        quality = Quality({}, Hint.TURN_FRONT if turned else hint, 80)
        return Inspection(self._face(), 1, quality, Pose(yaw, 0.0))

    def measure(self, frame: Picture, purpose: Purpose, *, profile: Profile) -> Measurement:
        yaw, (who, live), hint = _read(frame)
        return Measurement(
            face=self._face(),
            quality=Quality({}, hint, 60 if purpose is Purpose.ENROL else 80),
            pose=Pose(yaw, 0.0),
            passive_liveness=0.9 if live else 0.1,
            embedding=np.eye(8, dtype=np.float32)[who],
            path_id=PATH_ID,
        )

    def held(self) -> int:
        """How many frames are still in memory."""
        return sum(one() is not None for one in self.pixels)

    def _face(self) -> DetectedFace:
        return DetectedFace(self.box, np.zeros((5, 2), np.float32), 1.0)


def _read(frame: Picture) -> tuple[float, tuple[int, bool], Hint]:
    blue, green, red = (round(float(value)) for value in frame[60, 60])
    who, rest = divmod(green + 10, 40)
    return float(blue - 128), (who, rest >= 20), list(Hint)[round((red - 20) / 12)]


class KnownSessions:
    """Sessions in memory, with as much of the rules as a conversation can notice."""

    def __init__(self, clock: SettableClock) -> None:
        self.clock = clock
        self.level = LivenessLevel.PASSIVE
        self.seconds = 90
        self.captured: list[Captured] = []
        self.looked_for: list[LookFor | None] = []
        self.abandoned: list[tuple[SessionId, str]] = []
        self.attempts_left = 2
        self.state = SessionState.OPENED
        self.unknown: UnknownReason | None = None
        self.answers: list[UnknownReason | Refused | Exception | None] = []

    def begin(self, terminal: Terminal, **_: object) -> OpenedSession:
        return OpenedSession(SESSION, NONCE, TICKET, self.level, self._expires_at())

    def open_capture(self, session_id: SessionId, *, ticket: str, nonce: str) -> RunningCapture:
        if nonce != NONCE:
            raise Refused(SESSION_NONCE_WRONG)
        if ticket != TICKET or self.state is not SessionState.OPENED:
            raise Refused(TICKET_WRONG)
        self.state = SessionState.CAPTURING
        return RunningCapture(session_id, TERMINAL, KEY_ID, self.level, self._expires_at())

    def verify(
        self,
        session_id: SessionId,
        *,
        nonce: str,
        captured: Captured,
        look_for: LookFor | None = None,
    ) -> IdentificationOutcome:
        self.captured.append(captured)
        self.looked_for.append(look_for)
        self.attempts_left -= 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            self._decided(SessionState.REFUSED, final=isinstance(answer, Refused))
            raise answer
        if not captured.liveness.live:
            self._decided(SessionState.REFUSED, final=True)
            raise Refused(NOT_LIVE)
        self.unknown = answer
        self._decided(SessionState.VERIFIED, final=answer is None)
        if answer is not None and not self.attempts_left:
            self._decided(SessionState.REFUSED, final=True)
        return IdentificationOutcome(None, answer, self.attempts_left)

    def abandon(self, session_id: SessionId, *, reason: str) -> None:
        self.abandoned.append((session_id, reason))
        if self.state is SessionState.CAPTURING:
            self.state = SessionState.REFUSED

    def result(self, session_id: SessionId, *, terminal_id: TerminalId) -> SessionResult:
        assert terminal_id == TERMINAL
        undecided = self.state is SessionState.CAPTURING
        left = self.attempts_left if undecided else 0
        return SessionResult(self.state, None, self.unknown, None, left)

    def issue_proof(
        self,
        session_id: SessionId,
        *,
        terminal_id: TerminalId,
        intent: Intent,
        pin: str | None = None,
    ) -> FaceProof:
        raise NotImplementedError

    def _decided(self, state: SessionState, *, final: bool) -> None:
        if final:
            self.state = state

    def _expires_at(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.seconds)


KEY = SigningKey.generate(Algorithm.ECDSA_P256_SHA256)
KEY_ID = KeyId("0" * 64)


class OneKey:
    """Knows the terminal's key."""

    def verify_message(self, key_id: KeyId, message: bytes, signature: bytes) -> Terminal:
        assert key_id == KEY_ID
        if not verify(KEY.public_key, message, signature):
            raise Refused(SIGNATURE_WRONG)
        place = Place(name="一层 3 号", department="收费处")
        return Terminal(TERMINAL, HOSPITAL, TerminalClass.SCAN_FACE_PAY, place)


class Tallies:
    """Counts what captures came to."""

    def __init__(self) -> None:
        self.counted: list[CaptureOutcome] = []
        self.checked = 0

    def check_capture(self, verified: VerifiedRequest) -> None:
        self.checked += 1

    def count_capture(self, *, terminal_id: TerminalId, outcome: CaptureOutcome) -> None:
        assert terminal_id == TERMINAL
        self.counted.append(outcome)


class Refusals:
    """Counts refusals by name."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def count(self, name: str) -> None:
        self.counted[name] += 1


class Stage:
    """Captures over all of these, and a terminal that talks to one conversation."""

    def __init__(self, **limits: float) -> None:
        self.clock = SettableClock(START)
        self.engine = PaintedEngine()
        self.sessions = KnownSessions(self.clock)
        self.tallies = Tallies()
        self.refusals = Refusals()
        self.captures = Captures(
            sessions=self.sessions,
            engine=self.engine,
            error_rates=RATES,
            messages=OneKey(),
            health=self.tallies,
            counter=self.refusals,
            failures=ScanFailures(self.refusals),
            clock=self.clock,
            limits=CaptureLimits.model_validate(limits),
            captures_max=2,
            new_challenge=lambda: LEFT_BACK_RIGHT,
        )
        self.conversation = self.captures.conversation()
        self.chain = Chain.begun(NONCE)
        self.serial = 0

    def active(self) -> "Stage":
        """This session asks for a challenge."""
        self.sessions.level = LivenessLevel.ACTIVE
        return self

    def wait(self, seconds: float) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def open(self, *, ticket: str = TICKET, nonce: str = NONCE) -> Answer:
        message = OpenMessage(type="open", session_id=SESSION, ticket=ticket, nonce=nonce)
        return self.conversation.answer(message.model_dump_json())

    def next_frame(self, yaw: int = 0, **looks: object) -> bytes:
        """The next binary message, for a frame that nobody has seen."""
        self.serial += 1
        jpeg = painted(yaw, serial=self.serial, **looks)  # type: ignore[arg-type]
        self.chain, message = pack_frame(self.chain, jpeg)
        return message

    def show(self, yaw: int = 0, **looks: object) -> Answer:
        """A fifth of a second later, the next frame."""
        self.wait(FRAME_SECONDS)
        return self.conversation.answer(self.next_frame(yaw, **looks))

    def show_good_frames(self) -> Answer:
        """As many as are enough for passive liveness."""
        answers = [self.show() for _ in range(5)]
        return answers[-1]

    def follow(self, who: int = ME, *, frames_max: int = 60) -> Answer:
        """Do what is asked until it is enough."""
        answer: Answer | None = None
        for _ in range(frames_max):
            asked = answer.prompt if isinstance(answer, SeenMessage) else None
            answer = self.show(_YAW[asked or Turn.BACK], who=who)
            if not isinstance(answer, SeenMessage):
                return answer
        raise AssertionError("never enough")

    def end(self, *, key: SigningKey = KEY, chain: Chain | None = None) -> Answer:
        message = end_message(SESSION, nonce=NONCE, chain=chain or self.chain, key=key)
        return self.conversation.answer(message.model_dump_json())


def refused_code(answer: object) -> str:
    assert isinstance(answer, RefusedMessage), answer
    return answer.code
