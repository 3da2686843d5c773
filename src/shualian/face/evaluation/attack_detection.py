"""Presentation attack detection error rates after ISO/IEC 30107-3.

A presentation is taken as bona fide when its liveness score is at or above the threshold. A
presentation without a score (no face found, unreadable) is a non-response: it is left out of
APCER and BPCER and counted by APNRR and BPNRR.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shualian.face.evaluation.statistics import Proportion


@dataclass(frozen=True, slots=True)
class Presentation:
    """One presentation to the sensor and how it was scored.

    Attributes:
        attack_type: PAI species; None for a bona fide presentation.
        liveness: 0..1, higher is more like a live person; None for a non-response.
    """

    attack_type: str | None
    liveness: float | None


@dataclass(frozen=True, slots=True)
class AttackTypeRates:
    """Errors of one PAI species.

    Attributes:
        apcer: Attack presentations with a response that passed as bona fide.
        apnrr: Attack presentations without a response.
    """

    apcer: Proportion
    apnrr: Proportion


@dataclass(frozen=True, slots=True)
class AttackDetection:
    """Errors at one threshold.

    Attributes:
        threshold: Of the liveness score, 0..1.
        attack_types: By PAI species, in alphabetical order.
        bpcer: Bona fide presentations with a response that were taken for attacks.
        bpnrr: Bona fide presentations without a response.
    """

    threshold: float
    attack_types: dict[str, AttackTypeRates]
    bpcer: Proportion
    bpnrr: Proportion

    @property
    def apcer_max(self) -> float:
        """The highest APCER over the PAI species with a response; NaN if there is none.

        ISO/IEC 30107-3 states the worst species, never the mean over all attacks.
        """
        rates = [found.apcer.rate for found in self.attack_types.values() if found.apcer.trials]
        return max(rates, default=float("nan"))


def measure_attack_detection(
    presentations: Sequence[Presentation], *, threshold: float
) -> AttackDetection:
    """APCER and APNRR per PAI species, BPCER and BPNRR.

    Args:
        presentations: In any order.
        threshold: A score at or above it passes as bona fide, 0..1.
    """
    species = sorted({shown.attack_type for shown in presentations if shown.attack_type})
    live = [shown.liveness for shown in presentations if shown.attack_type is None]
    return AttackDetection(
        threshold=threshold,
        attack_types={name: _attack_type(presentations, name, threshold) for name in species},
        bpcer=_wrong(live, passes=False, threshold=threshold),
        bpnrr=_silent(live),
    )


def _attack_type(
    presentations: Sequence[Presentation], name: str, threshold: float
) -> AttackTypeRates:
    scores = [shown.liveness for shown in presentations if shown.attack_type == name]
    return AttackTypeRates(_wrong(scores, passes=True, threshold=threshold), _silent(scores))


def _wrong(scores: Sequence[float | None], *, passes: bool, threshold: float) -> Proportion:
    """Presentations with a response whose answer is the wrong one."""
    answers = [score >= threshold for score in scores if score is not None]
    return Proportion(answers.count(passes), len(answers))


def _silent(scores: Sequence[float | None]) -> Proportion:
    return Proportion(scores.count(None), len(scores))
