import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from shualian.face.evaluation.statistics import (
    Proportion,
    clopper_pearson_upper,
    percentile_estimate,
    resample_identities,
)


@pytest.mark.parametrize("trials", [30, 300, 3000])
def test_no_error_is_bounded_by_the_rule_of_three(trials: int) -> None:
    bound = clopper_pearson_upper(0, trials)
    assert bound == pytest.approx(1 - 0.05 ** (1 / trials))
    assert 2.8 / trials < bound < 3.0 / trials


def test_one_error_in_ten_has_the_bound_of_the_published_table() -> None:
    assert clopper_pearson_upper(1, 10) == pytest.approx(0.3942, abs=5e-5)


@given(st.data(), st.integers(1, 500), st.floats(0.5, 0.999))
def test_at_the_bound_so_few_errors_are_as_rare_as_the_confidence_says(
    data: st.DataObject, trials: int, confidence: float
) -> None:
    errors = data.draw(st.integers(0, trials - 1))
    bound = clopper_pearson_upper(errors, trials, confidence)
    assert errors / trials < bound < 1
    assert float(binom.cdf(errors, trials, bound)) == pytest.approx(1 - confidence, abs=1e-6)


def test_nothing_tried_and_everything_wrong_are_bounded_by_one() -> None:
    assert clopper_pearson_upper(0, 0) == 1.0
    assert clopper_pearson_upper(7, 7) == 1.0


@pytest.mark.parametrize(
    ("errors", "trials", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (0, 5, 1.0), (0, 5, 0.0)]
)
def test_impossible_counts_are_an_error(errors: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="need 0 <= errors"):
        clopper_pearson_upper(errors, trials, confidence)


def test_a_proportion_of_nothing_has_no_rate_and_the_widest_bound() -> None:
    nothing = Proportion(0, 0)
    assert math.isnan(nothing.rate)
    assert nothing.upper95 == 1.0
    assert Proportion(1, 4).rate == 0.25


def test_an_interval_is_the_middle_of_the_samples_without_the_undefined_ones() -> None:
    samples = np.append(np.linspace(0, 1, 1001), [np.nan, np.nan])
    found = percentile_estimate(0.4, samples)
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.025, 0.975))


def test_an_interval_of_undefined_samples_is_undefined() -> None:
    found = percentile_estimate(0.4, np.array([np.nan]))
    assert found.value == 0.4
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_each_replicate_draws_as_many_identities_as_there_are() -> None:
    drawn = resample_identities(7, 400, np.random.default_rng(1))
    assert drawn.shape == (400, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)


def test_the_same_seed_draws_the_same_people() -> None:
    first, second, other = (
        resample_identities(5, 20, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert (first == second).all()
    assert (first != other).any()
