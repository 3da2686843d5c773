"""The active challenge: a random sequence of three head turns, judged from pose over time.

What it shows: somebody or something with a head's depth moved as asked, in time, and the face
stayed the same. A flat picture that is turned keeps its nose between its eyes and shows no yaw.
It does not stop a screen that plays a recording of the right sequence (one chance in eight).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from shualian.face.comparison import similarity
from shualian.face.model import Box, Embedding

TURNED_YAW = 18.0
"""Degrees from which a head counts as turned (starting value, face-models 9)."""

FRONTAL_YAW = 12.0
"""Degrees up to which a head counts as facing the camera."""

TURN_SECONDS_MAX = 6.0
"""Time for each turn; slow necks are given time."""

HOLD_SECONDS_MIN = 0.4
"""A direction counts once it was kept this long; passing through is not arriving."""

GAP_SECONDS_MAX = 1.0
"""The face may be unseen this long (a detector loses profiles)."""

OVERLAP_MIN = 0.2
"""Intersection over union of the face's place between two frames that follow each other."""

YAW_SPEED_MAX = 300.0
"""Degrees a second; heads turn slower, exchanged pictures jump (starting value)."""

SAME_FACE_MIN = 0.45
"""Cosine similarity between the frontal faces of one challenge (starting value)."""

TURNS = 3


class Turn(StrEnum):
    """Where the head is to go; left and right are the person's own."""

    LEFT = "left"
    RIGHT = "right"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the person is asked to do, in order, beginning from the front."""

    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One frame of the challenge.

    Attributes:
        seconds: Since the challenge began, ascending.
        yaw: Degrees, positive to the person's left; None when no face was seen.
        box: Of the face.
        embedding: Unit vector, present on frames that face the camera.
    """

    seconds: float
    yaw: float | None
    box: Box | None = None
    embedding: Embedding | None = None


class ChallengeFailure(StrEnum):
    """Why a challenge was not passed."""

    NO_FRONTAL_START = "no_frontal_start"
    WRONG_WAY = "wrong_way"
    TOO_LATE = "too_late"
    FACE_LOST = "face_lost"
    FACE_JUMPED = "face_jumped"
    ANOTHER_FACE = "another_face"
    NOT_FINISHED = "not_finished"


@dataclass(frozen=True, slots=True)
class ChallengeResult:
    """How far the person came, and why no further."""

    completed: int
    failure: ChallengeFailure | None

    @property
    def passed(self) -> bool:
        """Whether every turn was done with one continuous face."""
        return self.failure is None


def new_challenge(randomness: random.Random) -> Challenge:
    """One of eight sequences of three turns; no turn repeats the one before, none begins "back".

    Args:
        randomness: ``random.SystemRandom()`` in service; a seeded one in a simulation.
    """
    turns = [Turn.BACK]
    for _ in range(TURNS):
        turns.append(randomness.choice([turn for turn in Turn if turn is not turns[-1]]))
    return Challenge(tuple(turns[1:]))


def judge_challenge(challenge: Challenge, observations: Sequence[Observation]) -> ChallengeResult:
    """Whether the observations answer the challenge.

    The face must begin facing the camera, stay in view and in place, reach and keep each asked
    direction within :data:`TURN_SECONDS_MAX` of the one before without visiting the opposite side,
    and every frontal face must be the face of the first frontal frame.
    """
    judge = ChallengeJudge(challenge)
    for observation in observations:
        if judge.take(observation) is not None:
            break
    return judge.result


class ChallengeJudge:
    """Judges a challenge frame by frame, so that the next turn is shown only when it is its time.

    Each ``_check`` states one rule. What was decided stays: frames after the end change nothing.
    """

    def __init__(self, challenge: Challenge, *, expected_face: Embedding | None = None) -> None:
        """Begin with no frame seen.

        Args:
            challenge: What is asked.
            expected_face: Unit vector of the face that will be compared with a person's template;
                then every frontal face must be this one. Without it, the first frontal face counts.
        """
        self._turns = challenge.turns
        self._completed = 0
        self._failure: ChallengeFailure | None = None
        self._began: float | None = None
        self._arrived: float | None = None
        self._seen_last: Observation | None = None
        self._first_frontal = expected_face

    @property
    def asked(self) -> Turn | None:
        """The turn to show now; None before a face was seen from the front and after the end."""
        if self._began is None or self.decided is not None:
            return None
        return self._turns[self._completed]

    @property
    def decided(self) -> ChallengeResult | None:
        """The result once there is one: all turns done, or a rule broken."""
        finished = self._completed == len(self._turns)
        if self._failure is None and not finished:
            return None
        return ChallengeResult(self._completed, self._failure)

    @property
    def result(self) -> ChallengeResult:
        """The result if no more frames come."""
        if self.decided is not None:
            return self.decided
        unfinished = ChallengeFailure.NOT_FINISHED
        if self._began is None:
            unfinished = ChallengeFailure.NO_FRONTAL_START
        return ChallengeResult(self._completed, unfinished)

    @property
    def completed(self) -> int:
        """Turns done so far."""
        return self._completed

    def take(self, seen: Observation) -> ChallengeResult | None:
        """Judge the next frame; gives :attr:`decided`."""
        if self.decided is None:
            self._failure = self._judge(seen)
        return self.decided

    def _judge(self, seen: Observation) -> ChallengeFailure | None:
        if self._began is None:
            return self._begin(seen)
        failure = (
            self._check_in_view(seen)
            or self._check_time(seen)
            or self._check_place(seen)
            or self._check_speed(seen)
            or self._check_same_face(seen)
            or self._check_direction(seen)
        )
        if seen.yaw is not None:
            self._seen_last = seen
        return failure

    def _begin(self, seen: Observation) -> ChallengeFailure | None:
        if direction(seen.yaw) is not Turn.BACK or seen.embedding is None:
            return None
        self._began, self._seen_last = seen.seconds, seen
        if self._first_frontal is None:
            self._first_frontal = seen.embedding
        return self._check_same_face(seen)

    def _check_in_view(self, seen: Observation) -> ChallengeFailure | None:
        last = self._seen_last
        lost = last is not None and seen.seconds - last.seconds > GAP_SECONDS_MAX
        return ChallengeFailure.FACE_LOST if lost else None

    def _check_time(self, seen: Observation) -> ChallengeFailure | None:
        late = self._began is not None and seen.seconds - self._began > TURN_SECONDS_MAX
        return ChallengeFailure.TOO_LATE if late else None

    def _check_place(self, seen: Observation) -> ChallengeFailure | None:
        if self._seen_last is None or seen.box is None or self._seen_last.box is None:
            return None
        jumped = overlap(seen.box, self._seen_last.box) < OVERLAP_MIN
        return ChallengeFailure.FACE_JUMPED if jumped else None

    def _check_speed(self, seen: Observation) -> ChallengeFailure | None:
        last = self._seen_last
        if last is None or last.yaw is None or seen.yaw is None:
            return None
        allowed = YAW_SPEED_MAX * (seen.seconds - last.seconds)
        jumped = abs(seen.yaw - last.yaw) > max(allowed, FRONTAL_YAW)
        return ChallengeFailure.FACE_JUMPED if jumped else None

    def _check_same_face(self, seen: Observation) -> ChallengeFailure | None:
        if self._first_frontal is None or seen.embedding is None:
            return None
        other = similarity(seen.embedding, self._first_frontal) < SAME_FACE_MIN
        return ChallengeFailure.ANOTHER_FACE if other else None

    def _check_direction(self, seen: Observation) -> ChallengeFailure | None:
        asked, shown = self._turns[self._completed], direction(seen.yaw)
        if shown is not asked:
            self._arrived = None
            before = self._turns[self._completed - 1] if self._completed else Turn.BACK
            stray = shown is not None and shown not in (Turn.BACK, before)
            return ChallengeFailure.WRONG_WAY if stray else None
        if self._arrived is None:
            self._arrived = seen.seconds
        # A turn back to the front counts only on a frame whose face was compared.
        compared = asked is not Turn.BACK or seen.embedding is not None
        if compared and seen.seconds - self._arrived >= HOLD_SECONDS_MIN:
            self._completed += 1
            self._began, self._arrived = seen.seconds, None
        return None


def direction(yaw: float | None) -> Turn | None:
    """Where a head with this yaw looks; None between the zones or when no face was seen."""
    if yaw is None:
        return None
    if abs(yaw) <= FRONTAL_YAW:
        return Turn.BACK
    if abs(yaw) < TURNED_YAW:
        return None
    return Turn.LEFT if yaw > 0 else Turn.RIGHT


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)
