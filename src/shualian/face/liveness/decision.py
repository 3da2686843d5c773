"""One decision on liveness, which states the error rates at which it was made."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from shualian.face.liveness.challenge import ChallengeFailure, ChallengeResult

FRAMES_MIN = 5
"""Passive scores needed for a decision (starting value, face-models 9)."""

PASSIVE_SCORE_MIN = 0.5
"""Median passive score from which a capture passes (face-models 4: mean of the pair >= 0.5)."""


class LivenessLevel(StrEnum):
    """How much liveness a scene asks for."""

    PASSIVE = "passive"
    ACTIVE = "active"


class LivenessReason(StrEnum):
    """Why a capture was or was not taken for live; a closed set."""

    LIVE = "live"
    TOO_FEW_FRAMES = "too_few_frames"
    PASSIVE_SCORE_LOW = "passive_score_low"
    CHALLENGE_MISSING = "challenge_missing"
    CHALLENGE_NOT_PASSED = "challenge_not_passed"


@dataclass(frozen=True, slots=True)
class AttackDetectionErrorRates:
    """Measured error rates of the passive score at its threshold (ISO/IEC 30107-3).

    Attributes:
        apcer: Share of attack presentations taken for live, per attack type (PAI species).
        bpcer: Share of bona fide presentations taken for attacks.
        attacks: How many attack presentations were measured, per attack type.
        bona_fide: How many bona fide presentations were measured.
        simulated: Attack types that are simulated, not recorded from real attacks.
        frames: Frames per presentation when the rates were measured.
    """

    apcer: dict[str, float]
    bpcer: float
    attacks: dict[str, int]
    bona_fide: int
    simulated: tuple[str, ...]
    frames: int

    @property
    def apcer_max(self) -> float:
        """The APCER of the attack type that succeeds most often, which is the one to quote."""
        return max(self.apcer.values())


@dataclass(frozen=True, slots=True)
class LivenessDecision:
    """Whether a capture is taken for a live person, why, and how often that is wrong.

    ``error_rates`` are those of the passive score alone. What the challenge adds has not been
    measured: no recordings of attacks on it exist here.
    """

    live: bool
    reason: LivenessReason
    level: LivenessLevel
    passive_score: float | None
    challenge_failure: ChallengeFailure | None
    error_rates: AttackDetectionErrorRates


def decide_liveness(
    passive_scores: Sequence[float],
    challenge: ChallengeResult | None,
    *,
    level: LivenessLevel,
    error_rates: AttackDetectionErrorRates,
) -> LivenessDecision:
    """Decide from the passive scores of a capture's frames and the result of its challenge.

    Args:
        passive_scores: One per frame, 0..1.
        challenge: Its result, when one was asked.
        level: What the scene asks for; ACTIVE needs a passed challenge besides the passive score.
        error_rates: Measured for this score at this threshold.
    """
    score = median(passive_scores) if passive_scores else None
    reason = _reason(len(passive_scores), score, challenge, level)
    return LivenessDecision(
        live=reason is LivenessReason.LIVE,
        reason=reason,
        level=level,
        passive_score=score,
        challenge_failure=challenge.failure if challenge else None,
        error_rates=error_rates,
    )


def _reason(
    frames: int, score: float | None, challenge: ChallengeResult | None, level: LivenessLevel
) -> LivenessReason:
    if frames < FRAMES_MIN or score is None:
        return LivenessReason.TOO_FEW_FRAMES
    # Written so that a score that is not a number is refused too.
    if not score >= PASSIVE_SCORE_MIN:
        return LivenessReason.PASSIVE_SCORE_LOW
    if level is LivenessLevel.ACTIVE and challenge is None:
        return LivenessReason.CHALLENGE_MISSING
    if challenge is not None and not challenge.passed:
        return LivenessReason.CHALLENGE_NOT_PASSED
    return LivenessReason.LIVE
