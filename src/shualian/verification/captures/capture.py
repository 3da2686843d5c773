"""One running capture: frames come in, a hint goes back, and a few good frames decide.

A room of its own because it holds what nothing else here may hold: pixels, in memory, until the
capture is finished or dropped.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from shualian.core.refusals import Refused
from shualian.face.liveness.challenge import (
    Challenge,
    ChallengeJudge,
    ChallengeResult,
    Observation,
    Turn,
    direction,
)
from shualian.face.liveness.decision import (
    FRAMES_MIN,
    AttackDetectionErrorRates,
    LivenessLevel,
    decide_liveness,
)
from shualian.face.model import (
    NO_FACE,
    Box,
    Embedding,
    Hint,
    Inspection,
    Measurement,
    Picture,
    Profile,
    Purpose,
)
from shualian.face.pictures import FRAME_BYTES_MAX, FRAME_PIXELS_MAX, decode_picture, turned_upright
from shualian.gallery.model import Probe
from shualian.verification.ports import Captured, NewTemplate

FRAMES_KEPT = FRAMES_MIN
"""Good frames that are measured; the newest of equal quality replace older ones."""

LOOKING_SHARE = 0.4
"""Of the progress that is shown, what the good frames are worth when a challenge follows."""

_WHILE_TURNING = frozenset(
    (
        Hint.NO_FACE,
        Hint.SEVERAL_PEOPLE,
        Hint.TOO_DARK,
        Hint.TOO_BRIGHT,
        Hint.BACK_LIT,
        Hint.TOO_FAR,
        Hint.TOO_CLOSE,
        Hint.OFF_CENTRE,
        Hint.MASK,
        Hint.SUNGLASSES,
    )
)
"""Hints that make sense to somebody who was asked to turn; the others would contradict it."""


class Engine(Protocol):
    """The face engine as a capture uses it; safe for several threads."""

    def inspect(
        self, frame: Picture, *, profile: Profile, previous: Inspection | None
    ) -> Inspection:
        """What one frame of the live loop shows."""
        ...

    def measure(self, frame: Picture, purpose: Purpose, *, profile: Profile) -> Measurement:
        """All that a decision needs of one frame."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What the good frames of a capture came to.

    Attributes:
        best: Of the one best frame, as the calibration was made.
        passive_scores: Of every frame.
        picture: The best frame as the terminal sent it, for the police registry; turned upright
            where the head lay, because the registry expects people who stand.
        enrolment: The best frame measured by what enrolment asks; None when that was not asked.
        profile: How the person was in front of the camera.
    """

    best: Measurement
    passive_scores: tuple[float, ...]
    picture: bytes = field(repr=False)
    enrolment: Measurement | None
    profile: Profile


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    score: int
    measured: Measurement
    encoded: bytes


class Capture:
    """Good frames of one person in front of one terminal; not for use by several threads."""

    def __init__(
        self,
        engine: Engine,
        *,
        purpose: Purpose = Purpose.PROBE,
        profile: Profile = Profile.STANDING,
    ) -> None:
        """Begin with no frame; consent has been given before."""
        self._engine = engine
        self._purpose = purpose
        self._profile = profile
        self._last: Inspection | None = None
        self._kept: list[_Kept] = []
        self._digests: set[bytes] = set()

    def take(self, encoded: bytes) -> Hint:
        """Look at one frame as the terminal sent it; gives the one thing to tell the person.

        A good frame is measured at once, so that the decision does not wait for all of them; what
        is kept is what was measured and the frame as it was sent. The very same picture a second
        time is looked at and not kept: a camera never gives one twice, and a still picture sent
        five times is not five frames.

        Raises:
            Refused: ``face.picture_...`` when it is no picture of a size that terminals send.
        """
        frame, seen = self.look(encoded)
        if seen.quality.acceptable and self._is_new(encoded):
            self._keep(seen.quality.score, frame, encoded)
        return seen.quality.hint

    def look(self, encoded: bytes) -> tuple[Picture, Inspection]:
        """The frame and what it shows; nothing is kept but the inspection.

        Raises:
            Refused: As :meth:`take`.
        """
        frame = _decoded(encoded)
        seen = self._engine.inspect(frame, profile=self._profile, previous=self._last)
        self._last = seen
        return frame, seen

    def measure_face(self, frame: Picture) -> Measurement | None:
        """All that a decision needs of one more frame; None when the finer look finds no face."""
        try:
            return self._engine.measure(frame, self._purpose, profile=self._profile)
        except Refused as refused:
            if refused.kind is not NO_FACE:
                raise
            return None

    @property
    def box(self) -> Box | None:
        """Where the face was in the last frame, in pixels."""
        return self._last.face.box if self._last is not None and self._last.face else None

    @property
    def good_frames(self) -> int:
        """How many good frames there are, at most :data:`FRAMES_KEPT`."""
        return len(self._kept)

    @property
    def ready(self) -> bool:
        """Whether there are enough good frames for a decision."""
        return len(self._kept) == FRAMES_KEPT

    def measured(self, *, enrol: bool) -> Measured:
        """What the kept frames came to; they are forgotten, whatever comes of it.

        Args:
            enrol: Whether the best frame is also measured by what enrolment asks.

        Raises:
            Refused: ``face.no_face`` when no good frame was seen.
        """
        kept, self._kept = self._kept, []
        if not kept:
            raise Refused(NO_FACE)
        best = max(kept, key=lambda one: one.measured.quality.score)
        return Measured(
            best=best.measured,
            passive_scores=tuple(one.measured.passive_liveness for one in kept),
            picture=turned_upright(best.encoded, best.measured.face.rotation),
            enrolment=self._measured_for_enrolment(best.encoded) if enrol else None,
            profile=self._profile,
        )

    def finish(
        self,
        *,
        level: LivenessLevel,
        error_rates: AttackDetectionErrorRates,
        challenge: ChallengeResult | None = None,
    ) -> Captured:
        """Forget the kept frames, and give what the decision needs.

        The probe is the vector of the one best frame, as the calibration was made; liveness is
        decided over all kept frames.

        Raises:
            Refused: ``face.no_face`` when no good frame was seen.
        """
        measured = self.measured(enrol=level is LivenessLevel.ACTIVE)
        return captured_of(measured, level=level, error_rates=error_rates, challenge=challenge)

    def drop(self) -> None:
        """Forget every pixel and what was seen last."""
        self._kept, self._last = [], None

    def _is_new(self, encoded: bytes) -> bool:
        digest = sha256(encoded).digest()
        is_new = digest not in self._digests
        self._digests.add(digest)
        return is_new

    def _keep(self, score: int, frame: Picture, encoded: bytes) -> None:
        measured = self.measure_face(frame)
        if measured is not None:
            self._kept.append(_Kept(score, measured, encoded))
            self._kept = sorted(self._kept, key=lambda kept: -kept.score)[:FRAMES_KEPT]

    def _measured_for_enrolment(self, encoded: bytes) -> Measurement:
        return self._engine.measure(_decoded(encoded), Purpose.ENROL, profile=self._profile)


def _decoded(encoded: bytes) -> Picture:
    return decode_picture(encoded, bytes_max=FRAME_BYTES_MAX, pixels_max=FRAME_PIXELS_MAX)


def captured_of(
    measured: Measured,
    *,
    level: LivenessLevel,
    error_rates: AttackDetectionErrorRates,
    challenge: ChallengeResult | None,
) -> Captured:
    """What the decision needs, from what was measured and how the challenge went.

    A template is offered only after a passed challenge of a live person, and only from a frame
    that is good enough to be kept for years.
    """
    liveness = decide_liveness(
        measured.passive_scores, challenge, level=level, error_rates=error_rates
    )
    active = liveness.live and challenge is not None and challenge.passed
    return Captured(
        probe=Probe(measured.best.embedding, measured.best.path_id),
        qualities=(measured.best.quality,),
        liveness=liveness,
        picture=measured.picture,
        enrolment=_template(measured.enrolment) if active else None,
        active=active,
        profile=measured.profile,
    )


def _template(measured: Measurement | None) -> NewTemplate | None:
    if measured is None or not measured.quality.acceptable:
        return None
    return NewTemplate(measured.embedding, measured.path_id, measured.quality.score)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one frame of a live capture came to.

    Attributes:
        hint: The one thing to tell the person; None while the prompt says all.
        progress: 0..1, never falls.
        box: Of the face, in pixels of the frame.
        prompt: Where the head is to go now.
        enough: Whether no more frames are needed.
    """

    hint: Hint | None
    progress: float
    box: Box | None
    prompt: Turn | None
    enough: bool


class LiveCapture:
    """Good frames first, then the challenge turn by turn; not for use by several threads.

    The frames that decide come before the first prompt, so that a turned head is never compared.
    Each is measured as it comes; what stays of the best one is the picture as it was sent, which
    the police registry will see. Frontal faces of the challenge must be the face that was measured.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        level: LivenessLevel,
        challenge: Challenge | None,
        error_rates: AttackDetectionErrorRates,
        profile: Profile = Profile.STANDING,
    ) -> None:
        """Begin with no frame.

        Args:
            engine: Measures.
            level: What the session asks for.
            challenge: Drawn for this capture; only looked at when ``level`` is active.
            error_rates: Of the passive score.
            profile: How the person is in front of the camera.
        """
        self._capture = Capture(engine, profile=profile)
        self._level = level
        self._challenge = challenge if level is LivenessLevel.ACTIVE else None
        self._error_rates = error_rates
        self._measured: Measured | None = None
        self._judge: ChallengeJudge | None = None

    def take(self, encoded: bytes, *, seconds: float) -> Sight:
        """Look at the next frame.

        Args:
            encoded: As the terminal sent it.
            seconds: Since the capture began, ascending.

        Raises:
            Refused: ``face.picture_...`` when it is no picture of a size that terminals send.
        """
        if self._judge is None:
            hint: Hint | None = self._take_good_frame(encoded)
        else:
            hint = self._take_turn(self._judge, encoded, seconds)
        return Sight(
            hint=hint,
            progress=self._progress(),
            box=self._capture.box,
            prompt=self._judge.asked if self._judge else None,
            enough=self.enough,
        )

    @property
    def turning(self) -> bool:
        """Whether the challenge runs, which a face that is not seen for a second fails."""
        return self._judge is not None and self._judge.decided is None

    @property
    def about_to_turn(self) -> bool:
        """Whether one more good frame begins the challenge."""
        looked = self._measured is not None or self._capture.good_frames < FRAMES_KEPT - 1
        return self._challenge is not None and not looked

    @property
    def enough(self) -> bool:
        """Whether a decision can be made: it may be that nobody passed."""
        if self._measured is None:
            return False
        return self._judge is None or self._judge.decided is not None

    def finish(self) -> Captured:
        """What the decision needs; nothing of the capture is kept.

        Raises:
            Refused: ``face.no_face`` when there was no good frame.
        """
        try:
            measured = self._measured or self._capture.measured(enrol=False)
            return captured_of(
                measured,
                level=self._level,
                error_rates=self._error_rates,
                challenge=self._judge.result if self._judge else None,
            )
        finally:
            self.drop()

    def drop(self) -> None:
        """Forget everything that was seen."""
        self._capture.drop()
        self._measured = self._judge = None

    def _take_good_frame(self, encoded: bytes) -> Hint:
        hint = self._capture.take(encoded)
        if self._capture.ready:
            self._measured = self._capture.measured(enrol=self._challenge is not None)
            if self._challenge is not None:
                face = self._measured.best.embedding
                self._judge = ChallengeJudge(self._challenge, expected_face=face)
        return hint

    def _take_turn(self, judge: ChallengeJudge, encoded: bytes, seconds: float) -> Hint | None:
        frame, seen = self._capture.look(encoded)
        judge.take(self._observed(frame, seen, seconds))
        hint = seen.quality.hint
        return hint if hint in _WHILE_TURNING or judge.asked is None else None

    def _observed(self, frame: Picture, seen: Inspection, seconds: float) -> Observation:
        if seen.face is None or seen.pose is None:
            return Observation(seconds, None)
        embedding = None
        if direction(seen.pose.yaw) is Turn.BACK:
            embedding = self._embedding(frame)
        return Observation(seconds, seen.pose.yaw, seen.face.box, embedding)

    def _embedding(self, frame: Picture) -> Embedding | None:
        measured = self._capture.measure_face(frame)
        return measured.embedding if measured else None

    def _progress(self) -> float:
        looked = 1.0 if self._measured is not None else self._capture.good_frames / FRAMES_KEPT
        if self._challenge is None:
            return looked
        turns = len(self._challenge.turns)
        done = self._judge.completed / turns if self._judge else 0.0
        return LOOKING_SHARE * looked + (1 - LOOKING_SHARE) * done
