from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shualian.face.model import (
    Box,
    DetectedFace,
    Hint,
    Profile,
    Purpose,
    Quality,
    QualityMeasure,
)
from shualian.face.quality import assess
from shualian.face.quality.rules import DEMANDS, DIM_LIGHT, LIMITS, ORDER, SCALES, Scale, decide

PERFECT = dict.fromkeys(SCALES, 100)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
places = st.floats(-2000, 2000, width=32)
scales = st.sampled_from([*SCALES.values(), DIM_LIGHT])


def _decide(
    changed: Mapping[QualityMeasure, int],
    profile: Profile = Profile.STANDING,
    purpose: Purpose = Purpose.PROBE,
) -> Quality:
    return decide({**PERFECT, **changed}, profile=profile, purpose=purpose)


@given(scales, numbers, numbers)
def test_a_score_lies_in_0_to_100_and_follows_its_native_value(
    scale: Scale, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    scores = scale.score(low), scale.score(high)

    assert all(0 <= score <= 100 for score in scores)
    assert (scores[0] <= scores[1]) == (scale.zero < scale.full) or scores[0] == scores[1]


@pytest.mark.parametrize("scale", [*SCALES.values(), DIM_LIGHT])
def test_the_anchors_score_0_50_75_and_100(scale: Scale) -> None:
    anchors = (scale.zero, scale.probe, scale.enrol, scale.full)

    assert [scale.score(anchor) for anchor in anchors] == [0, 50, 75, 100]


def test_every_measure_has_a_place_in_the_order_and_every_hint_a_measure() -> None:
    measures = [measure for measure, _ in ORDER]
    hints = {hint for _, hint in ORDER}

    assert sorted(measures) == sorted(SCALES)
    # Closed eyes need the extended weights; the other two are not of a face.
    assert hints == set(Hint) - {Hint.EYES_CLOSED, Hint.NO_FACE, Hint.HOLD_STILL}
    assert set(SCALES) == set(QualityMeasure) - {QualityMeasure.EYES_OPEN}


def test_nothing_wrong_means_hold_still() -> None:
    quality = _decide({})

    assert quality.hint is Hint.HOLD_STILL
    assert quality.acceptable
    assert quality.score == 100


@pytest.mark.parametrize(("measure", "hint"), ORDER)
def test_a_measure_below_its_limit_gives_its_hint(measure: QualityMeasure, hint: Hint) -> None:
    assert _decide({measure: LIMITS[Purpose.PROBE] - 1}).hint is hint
    assert _decide({measure: LIMITS[Purpose.PROBE]}).hint is Hint.HOLD_STILL


@given(st.lists(st.sampled_from(ORDER), min_size=1))
def test_of_several_defects_the_gravest_is_told(low: list[tuple[QualityMeasure, Hint]]) -> None:
    quality = _decide({measure: 0 for measure, _ in low})

    assert quality.hint is min(low, key=ORDER.index)[1]
    assert quality.score == 0


@given(st.dictionaries(st.sampled_from(list(SCALES)), st.integers(0, 100)))
def test_enrolment_never_accepts_what_a_probe_does_not(scores: dict[QualityMeasure, int]) -> None:
    enrolment, probe = (
        _decide(scores, purpose=purpose) for purpose in (Purpose.ENROL, Purpose.PROBE)
    )

    assert probe.acceptable or not enrolment.acceptable


def test_enrolment_asks_for_more() -> None:
    soft = {QualityMeasure.SHARPNESS: 60}

    assert _decide(soft, purpose=Purpose.ENROL).hint is Hint.MOVING
    assert _decide(soft, purpose=Purpose.PROBE).acceptable


@pytest.mark.parametrize(
    "measure",
    [QualityMeasure.POSE_YAW, QualityMeasure.POSE_ROLL, QualityMeasure.CENTRING],
)
def test_at_the_bedside_nobody_is_told_to_sit_up(measure: QualityMeasure) -> None:
    quality = _decide({measure: 0}, Profile.BEDSIDE)

    assert quality.hint is Hint.HOLD_STILL
    assert quality.measures[measure] == 0
    assert quality.score == 100


def test_the_score_is_the_lowest_that_counts() -> None:
    quality = _decide({QualityMeasure.MOTION: 70, QualityMeasure.POSE_YAW: 55}, Profile.BEDSIDE)

    assert quality.score == 70


def test_every_profile_demands_one_clear_face() -> None:
    always = {QualityMeasure.SINGLE_FACE, QualityMeasure.SHARPNESS, QualityMeasure.MOUTH_VISIBLE}

    assert all(always <= demanded for demanded in DEMANDS.values())


def test_dim_light_is_enough_at_the_bedside() -> None:
    assert DIM_LIGHT.probe < SCALES[QualityMeasure.UNDER_EXPOSURE].probe


def _face(box: tuple[float, ...], landmarks: np.ndarray, rotation: int = 0) -> DetectedFace:
    return DetectedFace(Box(*box), landmarks.astype(np.float32), 0.9, rotation)


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 90), st.just(3))),
    st.tuples(places, places, st.floats(0.25, 4000), st.floats(0.25, 4000)),
    arrays.arrays(np.float32, (5, 2), elements=places),
    st.sampled_from([0, 90, 180, 270]),
    st.sampled_from(Profile),
    st.sampled_from(Purpose),
    st.booleans(),
)
def test_any_picture_and_any_box_get_scores_and_a_hint(
    picture: np.ndarray,
    box: tuple[float, ...],
    landmarks: np.ndarray,
    rotation: int,
    profile: Profile,
    purpose: Purpose,
    again: bool,
) -> None:
    face = _face(box, landmarks, rotation)
    previous = np.zeros((32, 32), np.uint8) if again else None

    quality, thumbnail = assess(
        picture, [face, face], profile=profile, purpose=purpose, previous=previous
    )

    assert all(0 <= score <= 100 for score in quality.measures.values())
    assert 0 <= quality.score <= 100
    assert quality.hint in Hint
    assert (thumbnail is None) == (quality.hint is Hint.NO_FACE)
    assert thumbnail is None or thumbnail.shape == (32, 32)
    assert (QualityMeasure.MOTION in quality.measures) == (again and thumbnail is not None)


def test_no_face_is_said_and_nothing_is_measured() -> None:
    quality, thumbnail = assess(np.zeros((480, 640, 3), np.uint8), [], profile=Profile.STANDING)

    assert quality == Quality(measures={}, hint=Hint.NO_FACE, score=0)
    assert not quality.acceptable
    assert thumbnail is None


@pytest.mark.parametrize(
    ("box", "landmarks"),
    [
        ((10, 10, 0, 20), np.arange(10).reshape(5, 2)),
        ((10, 10, float("nan"), 20), np.arange(10).reshape(5, 2)),
        ((10, 10, 20, 20), np.full((5, 2), 7)),
        ((10, 10, 20, 20), np.full((5, 2), np.inf)),
    ],
)
def test_a_face_without_extent_is_no_face(box: tuple[float, ...], landmarks: np.ndarray) -> None:
    picture = np.full((60, 80, 3), 128, np.uint8)

    quality, thumbnail = assess(picture, [_face(box, landmarks)], profile=Profile.STANDING)

    assert quality.hint is Hint.NO_FACE
    assert thumbnail is None


def test_a_thumbnail_of_another_size_is_not_compared() -> None:
    picture = np.full((60, 80, 3), 128, np.uint8)
    face = _face((10, 10, 20, 20), np.arange(10).reshape(5, 2))

    quality, _ = assess(
        picture, [face], profile=Profile.STANDING, previous=np.zeros((8, 8), np.uint8)
    )

    assert QualityMeasure.MOTION not in quality.measures
