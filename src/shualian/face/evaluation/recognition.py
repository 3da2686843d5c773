"""Comparison error rates after ISO/IEC 19795-1: FMR, FNMR, EER, DET, by group.

One rule holds everywhere: a pair matches when its score is at or above the threshold.
``FMR(t)`` is the share of impostor pairs that match at ``t``, ``FNMR(t)`` the share of genuine
pairs that do not. Both only change at measured scores, so the DET curve is a staircase. All
functions take arrays: no picture, no model.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shualian.face.evaluation.statistics import (
    Estimate,
    Proportion,
    Samples,
    percentile_estimate,
    resample_identities,
)

FMR_LIMITS = (1e-2, 1e-3, 1e-4)
"""False match rates at which the FNMR is stated."""

REPLICATES = 1000
"""Bootstrap replicates when nothing else is asked."""

_DET_POINTS = 81
_DET_FMR_MAX = 0.5

Scores = NDArray[np.float64]
Indices = NDArray[np.int32]
Multiplicities = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Comparisons of one kind, highest score first.

    Attributes:
        scores: n similarities, falling.
        first: n picture numbers.
        second: n picture numbers, of the other picture.
    """

    scores: Scores
    first: Indices
    second: Indices

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Every picture against every other once.

    Attributes:
        identities: Number of the identity, 0.., of each picture.
        genuine: Pairs of one identity.
        impostor: Pairs of two identities.
    """

    identities: Indices
    genuine: Pairs
    impostor: Pairs


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The smallest threshold whose FMR does not pass a limit, and what it costs.

    Attributes:
        fmr_limit: The limit, 0..1.
        threshold: Just above the highest impostor score that must not match; infimum of all
            thresholds that keep the limit.
        fnmr: Share of genuine pairs below the threshold. In each bootstrap replicate the
            threshold is chosen anew, so the interval holds the doubt about the threshold too.
        false_matches: Impostor pairs at or above the threshold; when 0, fewer impostor pairs
            were compared than the limit needs and the threshold is only the highest score seen.
        false_non_matches: Genuine pairs below the threshold.
    """

    fmr_limit: float
    threshold: Estimate
    fnmr: Estimate
    false_matches: int
    false_non_matches: int


@dataclass(frozen=True, slots=True)
class DetPoint:
    """FNMR at one FMR of the DET curve."""

    fmr: float
    fnmr: Estimate


@dataclass(frozen=True, slots=True)
class Recognition:
    """Comparison errors of one set of pictures.

    Attributes:
        genuine_pairs: Pairs of one identity that were compared.
        impostor_pairs: Pairs of two identities that were compared.
        eer: Where the DET staircase, its corners joined by straight lines, has FMR = FNMR.
        operating_points: One per limit of the FMR.
        det: The curve from the smallest FMR that the pairs resolve up to one half.
        replicates: Bootstrap replicates behind the intervals.
    """

    genuine_pairs: int
    impostor_pairs: int
    eer: Estimate
    operating_points: tuple[OperatingPoint, ...]
    det: tuple[DetPoint, ...]
    replicates: int


@dataclass(frozen=True, slots=True)
class GroupRates:
    """Errors inside one group at one threshold.

    Attributes:
        pictures: Of the group.
        identities: With a picture in the group.
        fnmr: Genuine pairs with both pictures in the group.
        fmr: Impostor pairs with both pictures in the group: people who resemble one another.
    """

    pictures: int
    identities: int
    fnmr: Proportion
    fmr: Proportion


def number_identities(names: Sequence[str]) -> Indices:
    """Each name as a number from 0 in alphabetical order; equal names get equal numbers."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int32)


def cosine_similarities(embeddings: NDArray[np.float32]) -> Scores:
    """All cosine similarities.

    Args:
        embeddings: n x d unit vectors of one operational path.

    Returns:
        n x n, symmetric, -1..1.
    """
    return (embeddings @ embeddings.T).astype(np.float64)


def pair_up(similarities: Scores, identities: Indices) -> Comparisons:
    """Each picture against each other once, split into genuine and impostor pairs.

    Args:
        similarities: n x n; the upper triangle is read.
        identities: n numbers from ``number_identities``.
    """
    first, second = (axis.astype(np.int32) for axis in np.triu_indices(len(identities), k=1))
    scores = similarities[first, second]
    same = identities[first] == identities[second]

    def chosen(mask: NDArray[np.bool_]) -> Pairs:
        order = np.argsort(-scores[mask], kind="stable")
        return Pairs(scores[mask][order], first[mask][order], second[mask][order])

    return Comparisons(identities, chosen(same), chosen(~same))


@dataclass(frozen=True, slots=True, eq=False)
class ErrorRates:
    """The DET staircase of one weighting of the pairs.

    Attributes:
        stairs: Ranks of the scores among one another.
        genuine: Weight of the first k genuine pairs, k = 0..n.
        impostor: Weight of the first k impostor pairs, k = 0..n.
    """

    stairs: "Staircase"
    genuine: NDArray[np.int64]
    impostor: NDArray[np.int64]

    @property
    def defined(self) -> bool:
        """Whether both kinds of pairs have weight; rates of nothing do not exist."""
        return bool(self.genuine[-1] and self.impostor[-1])

    def at_fmr(self, limits: NDArray[np.float64]) -> tuple[Samples, Samples]:
        """FNMR and threshold at the smallest threshold whose FMR is at most each limit."""
        # Limits such as 0.07 of 100 are not exact in binary; a pair more would break no limit.
        allowed = limits * float(self.impostor[-1]) * (1 + 1e-12)
        # The first impostor that would be one too many must stay below the threshold.
        refused = np.searchsorted(self.impostor[1:], allowed, side="right")
        matched = self.genuine[self.stairs.genuine_above[refused]]
        return (self.genuine[-1] - matched) / self.genuine[-1], self.stairs.just_above[refused]

    def equal_error_rate(self) -> float:
        """FMR = FNMR on the straight lines between the corners of the staircase."""
        step = bisect_left(range(len(self.stairs.impostor_at)), 0.0, key=self._excess)
        fmr_before, fnmr_before = self._corner(step - 1)
        fmr_after, fnmr_after = self._corner(step)
        below, above = fnmr_before - fmr_before, fmr_after - fnmr_after
        return fmr_before + (fmr_after - fmr_before) * below / (below + above)

    def _corner(self, step: int) -> tuple[float, float]:
        matched = self.genuine[self.stairs.genuine_at[step]]
        fmr = self.impostor[self.stairs.impostor_at[step]] / self.impostor[-1]
        return float(fmr), float((self.genuine[-1] - matched) / self.genuine[-1])

    def _excess(self, step: int) -> float:
        fmr, fnmr = self._corner(step)
        return fmr - fnmr


class Staircase:
    """Scores sorted once, so that many weightings of the same pairs cost only running sums.

    Attributes:
        genuine_above: Genuine pairs that score above each impostor pair; last entry: all.
        just_above: Next number above each impostor score; last entry: the lowest score of all.
        genuine_at: Genuine pairs at or above each distinct score, highest first, after a 0.
        impostor_at: The same of the impostor pairs.
    """

    def __init__(self, comparisons: Comparisons) -> None:
        self._comparisons = comparisons
        genuine, impostor = comparisons.genuine.scores, comparisons.impostor.scores
        levels = np.unique(np.concatenate([genuine, impostor]))[::-1]
        self.genuine_above = np.append(_count(genuine, impostor, "right"), len(genuine))
        self.just_above = np.append(np.nextafter(impostor, np.inf), levels[-1:])
        self.genuine_at = np.append(0, _count(genuine, levels, "left"))
        self.impostor_at = np.append(0, _count(impostor, levels, "left"))

    def weigh(self, multiplicities: Multiplicities) -> ErrorRates:
        """Error rates when identity i was drawn ``multiplicities[i]`` times.

        A genuine pair counts once for each copy of its identity, an impostor pair once for each
        two copies; two copies of one identity are not compared with each other, because that
        would be a picture against itself.
        """
        pairs = self._comparisons
        of_picture = multiplicities[pairs.identities]
        genuine = of_picture[pairs.genuine.first]
        impostor = of_picture[pairs.impostor.first] * of_picture[pairs.impostor.second]
        return ErrorRates(self, _running_sum(genuine), _running_sum(impostor))

    def unweighted(self) -> ErrorRates:
        """Error rates with each pair counted once."""
        identities = int(self._comparisons.identities.max(initial=-1)) + 1
        return self.weigh(np.ones(identities, np.int32))


def _count(scores: Scores, thresholds: Scores, side: str) -> NDArray[np.int64]:
    """Falling ``scores`` at or above (``left``) or above (``right``) each threshold."""
    rising = scores[::-1]
    below = np.searchsorted(rising, thresholds, side="left" if side == "left" else "right")
    return len(scores) - below


def _running_sum(weights: Multiplicities) -> NDArray[np.int64]:
    sums = np.zeros(len(weights) + 1, np.int64)
    np.cumsum(weights, out=sums[1:])
    return sums


@dataclass(frozen=True, slots=True, eq=False)
class _Replicates:
    """What each bootstrap replicate gave; NaN where it drew no genuine or no impostor pair."""

    eer: Samples
    fnmr: Samples
    threshold: Samples


def measure_recognition(
    comparisons: Comparisons,
    *,
    generator: np.random.Generator,
    replicates: int = REPLICATES,
    fmr_limits: Sequence[float] = FMR_LIMITS,
    on_replicate: Callable[[], None] | None = None,
) -> Recognition:
    """EER, FNMR at limits of the FMR and the DET curve, with intervals by identity bootstrap.

    Args:
        comparisons: At least one genuine and one impostor pair.
        generator: Seeded; the same seed gives the same intervals.
        replicates: Bootstrap replicates.
        fmr_limits: 0..1 each.
        on_replicate: Told after each replicate.

    Raises:
        ValueError: If there is no genuine or no impostor pair.
    """
    stairs = Staircase(comparisons)
    measured = stairs.unweighted()
    if not measured.defined:
        raise ValueError("error rates need a genuine and an impostor pair")
    grid = _det_grid(len(comparisons.impostor))
    limits = np.concatenate([np.asarray(fmr_limits, np.float64), grid])
    identities = int(comparisons.identities.max()) + 1
    drawn = resample_identities(identities, replicates, generator)
    sampled = _bootstrap(stairs, drawn, limits, on_replicate)
    fnmr, threshold = measured.at_fmr(limits)
    fnmrs = _estimates(fnmr, sampled.fnmr)
    points = zip(fmr_limits, _estimates(threshold, sampled.threshold), fnmrs, strict=False)
    curve = zip(grid.tolist(), fnmrs[len(fmr_limits) :], strict=True)
    return Recognition(
        genuine_pairs=len(comparisons.genuine),
        impostor_pairs=len(comparisons.impostor),
        eer=percentile_estimate(measured.equal_error_rate(), sampled.eer),
        operating_points=tuple(_operating_point(comparisons, *point) for point in points),
        det=tuple(DetPoint(fmr, estimate) for fmr, estimate in curve),
        replicates=replicates,
    )


def _bootstrap(
    stairs: Staircase,
    drawn: Multiplicities,
    limits: Samples,
    on_replicate: Callable[[], None] | None,
) -> _Replicates:
    shape = (len(drawn), len(limits))
    sampled = _Replicates(
        np.full(len(drawn), np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
    )
    for number, multiplicities in enumerate(drawn):
        rates = stairs.weigh(multiplicities)
        if rates.defined:
            sampled.eer[number] = rates.equal_error_rate()
            sampled.fnmr[number], sampled.threshold[number] = rates.at_fmr(limits)
        if on_replicate is not None:
            on_replicate()
    return sampled


def _estimates(values: Samples, samples: Samples) -> list[Estimate]:
    columns = zip(values, samples.T, strict=True)
    return [percentile_estimate(float(value), column) for value, column in columns]


def _det_grid(impostor_pairs: int) -> Samples:
    """False match rates, evenly spaced by factor, from one false match to one half."""
    lowest = min(1 / impostor_pairs, _DET_FMR_MAX)
    return np.geomspace(lowest, _DET_FMR_MAX, _DET_POINTS)


def _operating_point(
    comparisons: Comparisons, fmr_limit: float, threshold: Estimate, fnmr: Estimate
) -> OperatingPoint:
    genuine, impostor = comparisons.genuine.scores, comparisons.impostor.scores
    return OperatingPoint(
        fmr_limit=fmr_limit,
        threshold=threshold,
        fnmr=fnmr,
        false_matches=int(np.count_nonzero(impostor >= threshold.value)),
        false_non_matches=int(np.count_nonzero(genuine < threshold.value)),
    )


def measure_groups(
    comparisons: Comparisons, labels: Sequence[str], threshold: float
) -> dict[str, GroupRates]:
    """Errors inside each group, at a threshold that was set for all.

    Args:
        comparisons: Of all pictures.
        labels: Group of each picture.
        threshold: Scores at or above it match.

    Returns:
        By label, in alphabetical order. The bounds of the proportions take pairs as independent;
        pairs share people, so they are optimistic.
    """
    of_picture = np.asarray(labels)
    return {
        str(label): _measure_group(comparisons, of_picture == label, threshold)
        for label in np.unique(of_picture)
    }


def _measure_group(
    comparisons: Comparisons, member: NDArray[np.bool_], threshold: float
) -> GroupRates:
    def inside(pairs: Pairs) -> Scores:
        return pairs.scores[member[pairs.first] & member[pairs.second]]

    genuine, impostor = inside(comparisons.genuine), inside(comparisons.impostor)
    return GroupRates(
        pictures=int(member.sum()),
        identities=len(np.unique(comparisons.identities[member])),
        fnmr=Proportion(int(np.count_nonzero(genuine < threshold)), len(genuine)),
        fmr=Proportion(int(np.count_nonzero(impostor >= threshold)), len(impostor)),
    )
