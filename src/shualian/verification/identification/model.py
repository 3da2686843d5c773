"""How many people may be searched, and when a score names one of them; pure rules."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from shualian.core.identifiers import PersonNo
from shualian.verification.model import OperatingPoint, Policy, UnknownReason
from shualian.verification.sessions.model import Spent


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person that a search or a comparison came back with.

    Attributes:
        subject: Who.
        score: Similarity, higher is more alike; its range belongs to the operational path.
    """

    subject: PersonNo
    score: float


def candidate_limit(
    *,
    fpir_max: float,
    fmr_upper95: float,
    templates_per_person: int,
    frames: int,
    attempts: int,
) -> int:
    """How many people a session may search so that a wrong name stays as rare as promised.

    The chance to name a wrong person is at most the sum over all comparisons (Boole's inequality),
    so ``fpir_max / fmr_upper95`` comparisons are allowed per session, and every person costs
    ``templates_per_person * frames * attempts`` of them. Counted in decimals, as the rates are
    written.

    Args:
        fpir_max: Highest false positive identification rate (ISO/IEC 19795-1), 0..1.
        fmr_upper95: Proven upper bound of the false match rate of one comparison, above 0.
        templates_per_person: The most that a person has, at least 1.
        frames: Probes compared separately; 1 when the frames are fused into one probe.
        attempts: How often the session may search, at least 1.

    Returns:
        At least 0; 0 means that nobody may be searched without a claim.
    """
    if fmr_upper95 <= 0 or min(templates_per_person, frames, attempts) < 1:
        raise ValueError("an error bound is above 0 and every count at least 1")
    comparisons = Decimal(repr(float(fpir_max))) // Decimal(repr(float(fmr_upper95)))
    return int(comparisons) // (templates_per_person * frames * attempts)


def people_limit(identification: OperatingPoint, policy: Policy) -> int:
    """How many people a session may search under a policy: :func:`candidate_limit` of one probe."""
    return candidate_limit(
        fpir_max=policy.fpir_max,
        fmr_upper95=identification.fmr_upper95,
        templates_per_person=policy.templates_per_person_max,
        frames=1,
        attempts=policy.attempts_max,
    )


def decide_identification(
    candidates: Collection[Candidate], *, threshold: float, margin: float
) -> Candidate | UnknownReason:
    """Who of the candidates it is, or why that stays unknown (1:N).

    Several scores of one person count as one, the best. A score that is no number matches nobody.

    Args:
        candidates: What the search came back with, in any order.
        threshold: The least score that counts.
        margin: The least lead over the second person, in score units.
    """
    best: dict[PersonNo, Candidate] = {}
    for candidate in sorted(filter(_has_score, candidates), key=lambda found: found.score):
        best[candidate.subject] = candidate
    ranked = sorted(best.values(), key=lambda found: found.score, reverse=True)
    if not ranked:
        return UnknownReason.NO_TEMPLATE
    if not ranked[0].score >= threshold:
        return UnknownReason.BELOW_THRESHOLD
    if len(ranked) > 1 and not ranked[0].score - ranked[1].score >= margin:
        return UnknownReason.NOT_CLEAR
    return ranked[0]


def decide_verification(
    candidates: Collection[Candidate], claimed: PersonNo, *, threshold: float
) -> Candidate | UnknownReason:
    """Whether it is the claimed person (1:1).

    Args:
        candidates: What the comparison came back with; others than the claimed do not count.
        claimed: Who it is said to be.
        threshold: The least score that counts.
    """
    of_claimed = [candidate for candidate in candidates if candidate.subject == claimed]
    return decide_identification(of_claimed, threshold=threshold, margin=0)


def _has_score(candidate: Candidate) -> bool:
    return isfinite(candidate.score)


def spent(point: OperatingPoint, people: int, policy: Policy) -> Spent:
    """What comparing with ``people`` enrolled people adds to the session's error bound.

    The chance that any of the comparisons names a wrong person is at most their sum (Boole's
    inequality).
    """
    comparisons = people * policy.templates_per_person_max
    return Spent(comparisons, comparisons * point.fmr_upper95)
