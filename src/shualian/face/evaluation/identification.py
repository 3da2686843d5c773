"""Open-set 1:N identification rates after ISO/IEC 19795-1, over random galleries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shualian.face.evaluation.recognition import Indices, Scores
from shualian.face.evaluation.statistics import Estimate, percentile_estimate

DRAWS = 20
"""Random galleries when nothing else is asked."""

FPIR_LIMIT = 0.01
"""False positive identification rate at which the FNIR is stated."""


@dataclass(frozen=True, slots=True)
class Identification:
    """Means over the draws; ``low`` and ``high`` hold the central 95 % of the draws.

    All draws use the same people, so that span shows the luck of the draw and is no confidence
    interval.

    Attributes:
        gallery: Identities enrolled, one picture each.
        draws: Random galleries that had both kinds of searches.
        mated_searches: Mean number of searches of enrolled people per draw.
        non_mated_searches: Mean number of searches of others per draw.
        fpir_limit: Highest share of non-mated searches that may name somebody.
        fnir: FNIR(N, R=1, T): share of mated searches whose right person is not first, or is
            first below the threshold.
        rank_1: Share of mated searches whose right person is first, at any score.
    """

    gallery: int
    draws: int
    mated_searches: float
    non_mated_searches: float
    fpir_limit: float
    fnir: Estimate
    rank_1: Estimate


@dataclass(frozen=True, slots=True)
class _Draw:
    mated: int
    non_mated: int
    fnir: float
    rank_1: float


def measure_identification(
    similarities: Scores,
    identities: Indices,
    *,
    generator: np.random.Generator,
    draws: int = DRAWS,
    fpir_limit: float = FPIR_LIMIT,
) -> Identification | None:
    """Rates of open-set searches.

    In each draw a random half of the identities (rounded down) is enrolled with one random
    picture each. Searched are all other pictures of the enrolled and all pictures of the others.
    The threshold of a draw is the smallest whose FPIR keeps the limit.

    Args:
        similarities: n x n.
        identities: n numbers, 0...
        generator: Seeded.
        draws: Random galleries.
        fpir_limit: 0..1.

    Returns:
        None if no draw had both kinds of searches.
    """
    taken = (_one_draw(similarities, identities, generator, fpir_limit) for _ in range(draws))
    usable = [draw for draw in taken if draw is not None]
    if not usable:
        return None
    return Identification(
        gallery=len(np.unique(identities)) // 2,
        draws=len(usable),
        mated_searches=float(np.mean([draw.mated for draw in usable])),
        non_mated_searches=float(np.mean([draw.non_mated for draw in usable])),
        fpir_limit=fpir_limit,
        fnir=_over_draws([draw.fnir for draw in usable]),
        rank_1=_over_draws([draw.rank_1 for draw in usable]),
    )


def _over_draws(values: list[float]) -> Estimate:
    samples = np.asarray(values)
    return percentile_estimate(float(samples.mean()), samples)


def _one_draw(
    similarities: Scores, identities: Indices, generator: np.random.Generator, fpir_limit: float
) -> _Draw | None:
    gallery = _enrol(identities, generator)
    if not len(gallery):
        return None
    probes = np.setdiff1d(np.arange(len(identities)), gallery)
    mated = np.isin(identities[probes], identities[gallery])
    if mated.all() or not mated.any():
        return None
    searched = similarities[np.ix_(probes, gallery)]
    first = identities[gallery[searched.argmax(axis=1)]]
    top = searched.max(axis=1)
    strangers = np.sort(top[~mated])[::-1]
    # The first stranger who would be one too many must stay below the threshold.
    refused = min(int(fpir_limit * len(strangers) * (1 + 1e-12)), len(strangers) - 1)
    right = (first == identities[probes])[mated]
    found = right & (top[mated] > strangers[refused])
    return _Draw(len(right), len(strangers), 1 - float(found.mean()), float(right.mean()))


def _enrol(identities: Indices, generator: np.random.Generator) -> NDArray[np.intp]:
    """One random picture of each of a random half of the identities, in rising order."""
    everybody = np.unique(identities)
    enrolled = generator.choice(everybody, size=len(everybody) // 2, replace=False)
    shuffled = generator.permutation(len(identities))
    _, first = np.unique(identities[shuffled], return_index=True)
    chosen = shuffled[first]
    return np.sort(chosen[np.isin(identities[chosen], enrolled)]).astype(np.intp)
