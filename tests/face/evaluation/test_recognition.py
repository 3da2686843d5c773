"""Hand-computed figures, an independent slow implementation, and what must always hold."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.face.evaluation.recognition import (
    Comparisons,
    Pairs,
    Staircase,
    cosine_similarities,
    measure_groups,
    measure_recognition,
    number_identities,
    pair_up,
)
from shualian.face.evaluation.statistics import Estimate

SCORES = st.lists(st.integers(-6, 6).map(lambda number: number / 8), min_size=1, max_size=25)
LIMITS = st.sampled_from([0.0, 1e-4, 0.01, 0.05, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.75, 1.0])


def of_scores(genuine: Sequence[float], impostor: Sequence[float]) -> Comparisons:
    """Pairs with these scores: genuine between pictures 0 and 1, impostor between 0 and 2."""

    def pairs(scores: Sequence[float], second: int) -> Pairs:
        falling = np.array(sorted(scores, reverse=True), np.float64)
        at = np.zeros(len(scores), np.int32)
        return Pairs(falling, at, at + np.int32(second))

    return Comparisons(np.array([0, 0, 1], np.int32), pairs(genuine, 1), pairs(impostor, 2))


def eer(genuine: Sequence[float], impostor: Sequence[float]) -> float:
    return Staircase(of_scores(genuine, impostor)).unweighted().equal_error_rate()


def at_fmr(
    genuine: Sequence[float], impostor: Sequence[float], *limits: float
) -> tuple[list[float], list[float]]:
    rates = Staircase(of_scores(genuine, impostor)).unweighted()
    fnmr, threshold = rates.at_fmr(np.array(limits))
    return fnmr.tolist(), threshold.tolist()


def naive_rates(
    genuine: Sequence[float], impostor: Sequence[float], threshold: float
) -> tuple[Fraction, Fraction]:
    false_matches = sum(score >= threshold for score in impostor)
    false_non_matches = sum(score < threshold for score in genuine)
    return Fraction(false_matches, len(impostor)), Fraction(false_non_matches, len(genuine))


def naive_corners(
    genuine: Sequence[float], impostor: Sequence[float]
) -> list[tuple[Fraction, Fraction]]:
    levels = [float("inf"), *sorted({*genuine, *impostor}, reverse=True)]
    return [naive_rates(genuine, impostor, level) for level in levels]


def naive_eer(genuine: Sequence[float], impostor: Sequence[float]) -> Fraction:
    corners = naive_corners(genuine, impostor)
    for (fmr0, fnmr0), (fmr1, fnmr1) in pairwise(corners):
        if fmr1 >= fnmr1:
            part = (fnmr0 - fmr0) / ((fnmr0 - fmr0) + (fmr1 - fnmr1))
            return fmr0 + part * (fmr1 - fmr0)
    raise AssertionError("the last corner has FMR 1 and FNMR 0")


def naive_fnmr(genuine: Sequence[float], impostor: Sequence[float], limit: float) -> Fraction:
    corners = naive_corners(genuine, impostor)
    return min(fnmr for fmr, fnmr in corners if float(fmr) <= limit)


# --- by hand -------------------------------------------------------------------------------------


def test_the_eer_is_where_both_rates_are_a_quarter() -> None:
    assert eer([0.9, 0.6, 0.4, 0.2], [0.5, 0.3, 0.1, 0.0]) == 0.25


def test_the_eer_lies_on_the_line_between_two_corners() -> None:
    # Corners (1/3, 1/2) and (2/3, 1/2) around the diagonal.
    assert eer([0.9, 0.5], [0.7, 0.6, 0.1]) == pytest.approx(0.5)
    # A tie of one genuine and one impostor pair: from (0, 1/2) straight to (1/2, 0).
    assert eer([0.9, 0.5], [0.5, 0.1]) == 0.25


def test_fnmr_at_a_limit_uses_the_smallest_threshold_that_keeps_it() -> None:
    genuine = [0.95, 0.85, 0.75, 0.65]
    impostor = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    fnmr, threshold = at_fmr(genuine, impostor, 0.0, 0.1, 0.19, 0.2, 0.3)
    assert fnmr == [0.75, 0.5, 0.5, 0.25, 0.0]
    assert threshold == pytest.approx([0.9, 0.8, 0.8, 0.7, 0.6], abs=1e-12)


def test_a_genuine_pair_that_ties_with_a_refused_impostor_does_not_match() -> None:
    fnmr, threshold = at_fmr([0.9, 0.5], [0.5, 0.1], 0.4)
    assert fnmr == [0.5]
    assert threshold[0] > 0.5


def test_a_limit_that_is_not_exact_in_binary_allows_its_whole_number_of_pairs() -> None:
    impostor = [number / 100 for number in range(100)]
    fnmr, _ = at_fmr([0.925], impostor, 0.07)
    assert fnmr == [0.0]


def test_pairs_count_each_two_pictures_once() -> None:
    identities = number_identities(["b", "a", "b", "a", "b"])
    similarities = np.arange(25, dtype=np.float64).reshape(5, 5) / 25
    comparisons = pair_up(similarities, identities)
    assert len(comparisons.genuine) == 3 + 1
    assert len(comparisons.impostor) == 2 * 3
    assert (np.diff(comparisons.impostor.scores) <= 0).all()
    first, second = comparisons.genuine.first[0], comparisons.genuine.second[0]
    assert comparisons.genuine.scores[0] == similarities[first, second]


def test_cosine_similarities_of_unit_vectors_are_their_products() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    assert cosine_similarities(vectors)[2] == pytest.approx([0.6, 0.8, 1.0])


def test_groups_count_only_pairs_inside_the_group() -> None:
    identities = number_identities(["a", "a", "b", "c", "c"])
    similarities = np.full((5, 5), 0.1)
    similarities[0, 1] = 0.9  # genuine, in x
    similarities[3, 4] = 0.3  # genuine, in y
    similarities[0, 2] = 0.7  # impostors, in x
    similarities[1, 3] = 0.8  # impostors, x against y: counts nowhere
    groups = measure_groups(pair_up(similarities, identities), ["x", "x", "x", "y", "y"], 0.5)
    assert list(groups) == ["x", "y"]
    x, y = groups["x"], groups["y"]
    assert (x.pictures, x.identities) == (3, 2)
    assert (x.fnmr.errors, x.fnmr.trials) == (0, 1)
    assert (x.fmr.errors, x.fmr.trials) == (1, 2)
    assert (y.pictures, y.identities) == (2, 1)
    assert (y.fnmr.errors, y.fnmr.trials) == (1, 1)
    assert (y.fmr.errors, y.fmr.trials) == (0, 0)


# --- against the slow implementation -------------------------------------------------------------


@given(SCORES, SCORES)
def test_the_eer_is_that_of_the_naive_walk(genuine: list[float], impostor: list[float]) -> None:
    assert eer(genuine, impostor) == pytest.approx(float(naive_eer(genuine, impostor)))


@given(SCORES, SCORES, LIMITS)
def test_the_fnmr_is_the_best_of_all_thresholds_within_the_limit(
    genuine: list[float], impostor: list[float], limit: float
) -> None:
    (fnmr,), (threshold,) = at_fmr(genuine, impostor, limit)
    assert fnmr == pytest.approx(float(naive_fnmr(genuine, impostor, limit)))
    fmr_there, fnmr_there = naive_rates(genuine, impostor, threshold)
    assert float(fmr_there) <= limit
    assert float(fnmr_there) == pytest.approx(fnmr)


@given(SCORES, SCORES, st.floats(0, 0.99))
def test_any_lower_threshold_would_break_the_limit(
    genuine: list[float], impostor: list[float], limit: float
) -> None:
    _, (threshold,) = at_fmr(genuine, impostor, limit)
    lower = float(np.nextafter(threshold, -np.inf))
    assert float(naive_rates(genuine, impostor, lower)[0]) > limit


@given(st.integers(0, 2**32 - 1))
def test_weighted_pairs_equal_a_bootstrap_that_copies_people(seed: int) -> None:
    generator = np.random.default_rng(seed)
    identities = np.sort(generator.integers(0, 4, size=9)).astype(np.int32)
    similarities = generator.integers(0, 9, size=(9, 9)) / 8
    multiplicities = generator.integers(0, 4, size=4).astype(np.int32)
    genuine, impostor = naive_copies(similarities, identities, multiplicities)
    rates = Staircase(pair_up(similarities, identities)).weigh(multiplicities)
    assert rates.defined == bool(genuine and impostor)
    if not rates.defined:
        return
    assert rates.equal_error_rate() == pytest.approx(float(naive_eer(genuine, impostor)))
    for limit in (0.01, 0.1, 0.3):
        fnmr, _ = rates.at_fmr(np.array([limit]))
        assert fnmr[0] == pytest.approx(float(naive_fnmr(genuine, impostor, limit)))


def naive_copies(
    similarities: np.ndarray, identities: np.ndarray, multiplicities: np.ndarray
) -> tuple[list[float], list[float]]:
    """Scores of a sample in which each identity stands as often as it was drawn."""
    pictures = [
        (identity, copy, picture)
        for identity, times in enumerate(multiplicities)
        for copy in range(times)
        for picture in np.flatnonzero(identities == identity)
    ]
    genuine, impostor = [], []
    for (who, copy, one), (whom, other_copy, other) in combinations(pictures, 2):
        score = float(similarities[min(one, other), max(one, other)])
        if who != whom:
            impostor.append(score)
        elif copy == other_copy:
            genuine.append(score)
    return genuine, impostor


# --- what must always hold -----------------------------------------------------------------------


@given(SCORES, SCORES)
def test_fnmr_never_grows_with_the_limit(genuine: list[float], impostor: list[float]) -> None:
    fnmr, threshold = at_fmr(genuine, impostor, *np.linspace(0, 1, 30))
    assert all(later <= earlier for earlier, later in pairwise(fnmr))
    assert all(later <= earlier for earlier, later in pairwise(threshold))


@given(SCORES, SCORES)
def test_separable_scores_have_no_error(genuine: list[float], impostor: list[float]) -> None:
    apart = [score + 2 for score in genuine]
    assert eer(apart, impostor) == 0.0
    assert at_fmr(apart, impostor, 0.0)[0] == [0.0]


@given(SCORES)
def test_scores_that_say_nothing_are_wrong_half_of_the_time(scores: list[float]) -> None:
    assert eer(scores, scores) == pytest.approx(0.5)


@given(SCORES, SCORES)
def test_rates_do_not_depend_on_the_scale_of_the_score(
    genuine: list[float], impostor: list[float]
) -> None:
    curved, bent = ([score**3 for score in scores] for scores in (genuine, impostor))
    assert eer(curved, bent) == pytest.approx(eer(genuine, impostor))
    assert at_fmr(curved, bent, 0.1)[0] == at_fmr(genuine, impostor, 0.1)[0]


# --- the whole -----------------------------------------------------------------------------------


def people(seed: int, *, noise: float) -> Comparisons:
    generator = np.random.default_rng(seed)
    names = [f"p{person:02d}" for person in range(20) for _ in range(4)]
    centres = generator.normal(size=(20, 16)).repeat(4, axis=0)
    vectors = centres + noise * generator.normal(size=centres.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    similarities = cosine_similarities(vectors.astype(np.float32))
    return pair_up(similarities, number_identities(names))


def test_measured_rates_lie_in_their_intervals_and_count_the_pairs() -> None:
    comparisons = people(5, noise=0.9)
    told: list[int] = []
    found = measure_recognition(
        comparisons,
        generator=np.random.default_rng(1),
        replicates=200,
        on_replicate=lambda: told.append(1),
    )
    assert len(told) == 200
    assert (found.genuine_pairs, found.impostor_pairs) == (20 * 6, 80 * 79 // 2 - 120)
    assert 0 < found.eer.low < found.eer.value < found.eer.high < 0.5
    for point in found.operating_points:
        assert point.fnmr.low <= point.fnmr.value <= point.fnmr.high
        assert point.false_non_matches / found.genuine_pairs == pytest.approx(point.fnmr.value)
        assert point.false_matches <= point.fmr_limit * found.impostor_pairs
    assert [point.false_matches for point in found.operating_points] == [30, 3, 0]
    fnmr = [point.fnmr.value for point in found.det]
    assert fnmr == sorted(fnmr, reverse=True)


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    comparisons = people(6, noise=0.9)
    first, second, other = (
        measure_recognition(comparisons, generator=np.random.default_rng(seed), replicates=50)
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first.eer.value == other.eer.value
    assert first.eer != other.eer


def test_intervals_are_wider_with_fewer_people() -> None:
    comparisons = people(7, noise=0.8)
    few = comparisons.identities < 5
    similarities = np.zeros((80, 80))
    for pairs in (comparisons.genuine, comparisons.impostor):
        similarities[pairs.first, pairs.second] = pairs.scores
    some = pair_up(similarities[np.ix_(few, few)], comparisons.identities[few])
    all_found, some_found = (
        measure_recognition(sample, generator=np.random.default_rng(1), replicates=300)
        for sample in (comparisons, some)
    )
    assert width(some_found.eer) > width(all_found.eer)


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_rates_of_one_kind_of_pairs_alone_do_not_exist() -> None:
    alone = of_scores([0.5], [])
    with pytest.raises(ValueError, match="a genuine and an impostor pair"):
        measure_recognition(alone, generator=np.random.default_rng(1), replicates=1)
