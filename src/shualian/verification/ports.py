"""What verification needs from outside: people's templates, proven error rates, liveness."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from shualian.core.identifiers import PersonNo
from shualian.face.calibration import OperatingPoint as ProvenPoint
from shualian.face.model import Quality
from shualian.gallery.model import Candidate, Probe


class Gallery(Protocol):
    """Where the templates of insured people are compared."""

    def identify(
        self, probe: Probe, among: Collection[PersonNo], limit: int
    ) -> Sequence[Candidate]:
        """The nearest ``limit`` people of ``among``, each with the best of their templates.

        Never anybody else; people without a template are left out.

        Raises:
            Refused: When the probe is no valid vector or the gallery is not ready.
        """
        ...


class ErrorRates(Protocol):
    """What the calibration in use has proven."""

    def at(self, fmr: float, *, population: str | None) -> ProvenPoint:
        """The operating point for a false match rate of ``fmr`` per comparison, 0..1.

        Args:
            fmr: At most so many false matches.
            population: The group of the calibration's data that stands for the people served.

        Raises:
            Refused: When the calibration's data cannot prove so low a rate.
        """
        ...


class LivenessDecision(Protocol):
    """The answer of presentation attack detection over the whole capture (ISO/IEC 30107-3)."""

    @property
    def live(self) -> bool:
        """Whether a live person was in front of the camera."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """What the face engine made of one capture; holds no pixels.

    Attributes:
        probe: The one vector to compare, made of the frames by the rule that was calibrated.
        qualities: Of the frames from which the probe was made, at least one.
        liveness: The decision over the capture.
    """

    probe: Probe
    qualities: Sequence[Quality]
    liveness: LivenessDecision
