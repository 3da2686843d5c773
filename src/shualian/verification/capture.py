"""One running capture: frames come in, a hint goes back, and a few good frames decide.

A room of its own because it holds what nothing else here may hold: pixels, in memory, until the
capture is finished or dropped.
"""

from collections.abc import Sequence
from typing import Protocol

from shualian.core.refusals import Refused
from shualian.face.liveness.challenge import ChallengeResult
from shualian.face.liveness.decision import (
    FRAMES_MIN,
    AttackDetectionErrorRates,
    LivenessLevel,
    decide_liveness,
)
from shualian.face.model import (
    NO_FACE,
    Hint,
    Inspection,
    Measurement,
    Picture,
    Profile,
    Purpose,
)
from shualian.face.pictures import FRAME_BYTES_MAX, FRAME_PIXELS_MAX, decode_picture
from shualian.gallery.model import Probe
from shualian.verification.ports import Captured

FRAMES_KEPT = FRAMES_MIN
"""Good frames that are measured; the newest of equal quality replace older ones."""


class Engine(Protocol):
    """The face engine as a capture uses it."""

    def inspect(
        self, frame: Picture, *, profile: Profile, previous: Inspection | None
    ) -> Inspection:
        """What one frame of the live loop shows."""
        ...

    def measure(self, frame: Picture, purpose: Purpose, *, profile: Profile) -> Measurement:
        """All that a decision needs of one frame."""
        ...


class Capture:
    """Frames of one person in front of one terminal; not for use by several threads."""

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
        self._kept: list[tuple[int, Picture]] = []

    def take(self, encoded: bytes) -> Hint:
        """Look at one frame as the terminal sent it; gives the one thing to tell the person.

        Raises:
            Refused: ``face.picture_...`` when it is no picture of a size that terminals send.
        """
        frame = decode_picture(encoded, bytes_max=FRAME_BYTES_MAX, pixels_max=FRAME_PIXELS_MAX)
        seen = self._engine.inspect(frame, profile=self._profile, previous=self._last)
        self._last = seen
        if seen.quality.acceptable:
            self._kept.append((seen.quality.score, frame))
            self._kept = sorted(self._kept, key=lambda kept: -kept[0])[:FRAMES_KEPT]
        return seen.quality.hint

    @property
    def ready(self) -> bool:
        """Whether there are enough good frames for a decision."""
        return len(self._kept) == FRAMES_KEPT

    def finish(
        self,
        *,
        level: LivenessLevel,
        error_rates: AttackDetectionErrorRates,
        challenge: ChallengeResult | None = None,
    ) -> Captured:
        """Measure the kept frames, forget their pixels, and give what the decision needs.

        The probe is the vector of the one best frame, as the calibration was made; liveness is
        decided over all kept frames.

        Raises:
            Refused: ``face.no_face`` when no good frame was seen.
        """
        frames, self._kept = [frame for _, frame in self._kept], []
        measured = [
            self._engine.measure(frame, self._purpose, profile=self._profile) for frame in frames
        ]
        best = _best(measured)
        return Captured(
            probe=Probe(best.embedding, best.path_id),
            qualities=(best.quality,),
            liveness=decide_liveness(
                [one.passive_liveness for one in measured],
                challenge,
                level=level,
                error_rates=error_rates,
            ),
        )


def _best(measured: Sequence[Measurement]) -> Measurement:
    if not measured:
        raise Refused(NO_FACE)
    return max(measured, key=lambda one: one.quality.score)
