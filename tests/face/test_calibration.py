import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shualian.core.refusals import Refused
from shualian.face.calibration import (
    ALL_PEOPLE,
    THRESHOLDS,
    Calibration,
    OperationalPath,
    Sample,
    calibration_as_json,
    calibration_from_json,
    calibration_from_samples,
    count_errors,
    load_calibration,
)
from shualian.face.engine import DEFAULT_PATH
from shualian.face.model import ERROR_RATE_NOT_PROVEN, NOT_CALIBRATED

PATH = OperationalPath(("a" * 64,), "detection", "alignment", flip=True)
SHIPPED = load_calibration(DEFAULT_PATH)


def _people(
    identities: int, pictures: int, *, spread: float, seed: int = 1, group: str = ""
) -> list[Sample]:
    """Random people on the sphere, each with some scatter."""
    random = np.random.default_rng(seed)
    samples = []
    for person in range(identities):
        centre = random.normal(size=64)
        for _ in range(pictures):
            vector = centre + spread * random.normal(size=64)
            vector /= np.linalg.norm(vector)
            samples.append(Sample(f"{group}{seed}-{person}", group, vector.astype(np.float32)))
    return samples


def _calibration(samples: list[Sample]) -> Calibration:
    return calibration_from_samples(
        PATH, samples, comparator="cosine", data="simulated", data_sha256="0" * 64
    )


@given(hnp.arrays(np.float32, (9, 4), elements=st.floats(-1, 1, width=32)), st.data())
def test_counts_are_those_of_a_plain_loop(vectors: np.ndarray, data: st.DataObject) -> None:
    vectors = vectors + np.float32(2.5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [data.draw(st.sampled_from("abcd")) for _ in vectors]
    counts = count_errors(vectors, names)
    index = data.draw(st.integers(0, len(THRESHOLDS) - 1))
    threshold = THRESHOLDS[index]

    pairs = [(i, j) for i in range(9) for j in range(i)]
    impostor = [(i, j) for i, j in pairs if names[i] != names[j]]
    matched = [(i, j) for i, j in impostor if np.einsum("i,i", vectors[i], vectors[j]) >= threshold]
    assert counts.impostor_pairs == len(impostor)
    assert counts.genuine_pairs == len(pairs) - len(impostor)
    assert counts.false_matches[index] == len(matched)
    assert counts.identity_pairs == len({frozenset((names[i], names[j])) for i, j in impostor})
    people = {frozenset((names[i], names[j])) for i, j in matched}
    assert counts.falsely_matched_identity_pairs[index] == len(people)


def test_a_higher_threshold_never_matches_more_strangers() -> None:
    for group in SHIPPED.groups.values():
        assert list(group.false_matches) == sorted(group.false_matches, reverse=True)
        assert list(group.false_non_matches) == sorted(group.false_non_matches)


def test_the_proven_rate_is_never_better_than_the_measured_one() -> None:
    for group in SHIPPED.groups.values():
        for index in range(len(SHIPPED.thresholds)):
            if group.impostor_pairs:
                assert group.fmr_lower95(index) <= 1
                assert group.fmr(index) <= group.fmr_upper95(index) <= 1


def test_an_operating_point_keeps_the_rate_it_was_asked_for() -> None:
    point = SHIPPED.at(1e-3)

    assert point.fmr_upper95 <= 1e-3
    assert 0.3 < point.threshold < 0.7
    assert point.path_id == DEFAULT_PATH.path_id


@given(st.floats(3e-4, 0.05), st.floats(3e-4, 0.05))
def test_a_lower_rate_never_gives_a_lower_threshold(a: float, b: float) -> None:
    low, high = sorted((a, b))

    assert SHIPPED.at(low).threshold >= SHIPPED.at(high).threshold


@given(st.floats(1e-9, 2e-4))
def test_a_rate_below_what_the_data_carry_is_refused(fmr: float) -> None:
    with pytest.raises(Refused) as refused:
        SHIPPED.at(fmr)

    assert refused.value.kind is ERROR_RATE_NOT_PROVEN
    assert float(refused.value.details["lowest_proven"]) > fmr


def test_a_population_without_enough_people_is_not_proven() -> None:
    assert not SHIPPED.at(1e-3, population="east_asian").proven_for_population
    assert not SHIPPED.at(1e-3, population="martian").proven_for_population
    assert not SHIPPED.at(1e-3).proven_for_population


def test_a_population_with_enough_people_is_proven_and_sets_the_threshold() -> None:
    calibration = _calibration(_people(100, 2, spread=0.3, group="many"))

    point = calibration.at(1e-2, population="many")

    assert point.proven_for_population


def test_a_group_that_is_shown_to_be_worse_lifts_the_threshold_for_all() -> None:
    ordinary = _people(90, 2, spread=0.3, group="ordinary")
    look_alikes = [
        Sample(sample.identity, "alike", _towards_one(sample.embedding))
        for sample in _people(10, 2, spread=0.3, seed=2)
    ]

    without = _calibration(ordinary).at(1e-2)
    with_them = _calibration(ordinary + look_alikes).at(1e-2)

    assert with_them.threshold > without.threshold


def _towards_one(vector: np.ndarray) -> np.ndarray:
    moved = vector.copy()
    moved[0] += 0.8
    return np.asarray(moved / np.linalg.norm(moved), np.float32)


def test_a_path_without_calibration_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        load_calibration(PATH)

    assert refused.value.kind is NOT_CALIBRATED


def test_everything_about_the_path_changes_its_name() -> None:
    others = [
        OperationalPath(("b" * 64,), "detection", "alignment", flip=True),
        OperationalPath(PATH.weights, "other", "alignment", flip=True),
        OperationalPath(PATH.weights, "detection", "other", flip=True),
        OperationalPath(PATH.weights, "detection", "alignment", flip=False),
    ]

    assert len({PATH.path_id, *(other.path_id for other in others)}) == 5


def test_a_calibration_survives_being_written_and_read() -> None:
    calibration = _calibration(_people(5, 3, spread=0.5, group="few"))

    assert calibration_from_json(calibration_as_json(calibration)) == calibration


def test_the_shipped_calibration_names_its_data_and_its_groups() -> None:
    everybody = SHIPPED.groups[ALL_PEOPLE]

    assert SHIPPED.data
    assert everybody.identities > 100
    assert everybody.impostor_pairs > 50_000
    assert {"east_asian", "black", "white"} <= set(SHIPPED.groups)
    assert SHIPPED.attack_detection is not None
    assert SHIPPED.attack_detection.simulated
