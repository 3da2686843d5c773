import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.face.alignment import TEMPLATE
from shualian.face.model import Box, DetectedFace, Picture
from shualian.sandbox.degradations import (
    DEFECTS,
    FRAME_HEIGHT,
    FRAME_WIDTH,
    Defect,
    degrade,
    terminal_frame,
    with_sensor_noise,
)

FACE = DetectedFace(
    box=Box(260.0, 160.0, 120.0, 160.0),
    landmarks=(TEMPLATE * 1.3 + [247.0, 165.0]).astype(np.float32),
    score=0.95,
)


def _textured() -> Picture:
    grain = np.random.default_rng(7).integers(40, 200, (480, 640, 3)).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(grain, (0, 0), 2), np.uint8)


PICTURE = _textured()
strengths = st.floats(0, 1)


@pytest.mark.parametrize("defect", Defect)
def test_a_defect_changes_the_picture_and_not_its_size_nor_the_original(defect: Defect) -> None:
    original = PICTURE.copy()

    worse = degrade(PICTURE, FACE, defect, 0.5, seed=3)

    assert worse.shape == PICTURE.shape
    assert worse.dtype == np.uint8
    assert np.any(worse != PICTURE)
    np.testing.assert_array_equal(PICTURE, original)


@pytest.mark.parametrize("defect", Defect)
def test_no_strength_changes_nothing(defect: Defect) -> None:
    same = degrade(PICTURE, FACE, defect, 0.0)

    np.testing.assert_array_equal(same, PICTURE)
    assert same is not PICTURE


@pytest.mark.parametrize("defect", Defect)
def test_the_same_seed_gives_the_same_pixels(defect: Defect) -> None:
    first, second = (degrade(PICTURE, FACE, defect, 0.6, seed=11) for _ in range(2))

    np.testing.assert_array_equal(first, second)


@given(st.sampled_from(Defect), strengths, st.integers(0, 2**32))
def test_any_strength_and_seed_give_a_picture(defect: Defect, strength: float, seed: int) -> None:
    assert degrade(PICTURE, FACE, defect, strength, seed=seed).shape == PICTURE.shape


@given(st.sampled_from(Defect), strengths, strengths)
def test_a_greater_strength_is_further_from_neutral(
    defect: Defect, one: float, other: float
) -> None:
    spec, (less, more) = DEFECTS[defect], sorted((one, other))

    assert abs(spec.native(less) - spec.neutral) <= abs(spec.native(more) - spec.neutral)
    assert spec.native(1.0) == pytest.approx(spec.severe)


def test_every_defect_is_described() -> None:
    assert set(DEFECTS) == set(Defect)


@given(strengths, strengths)
def test_darkness_darkens_and_glare_brightens(one: float, other: float) -> None:
    less, more = sorted((one, other))
    dark = [degrade(PICTURE, FACE, Defect.DARK, strength).mean() for strength in (less, more)]
    bright = [degrade(PICTURE, FACE, Defect.BRIGHT, strength).mean() for strength in (less, more)]

    assert dark[1] <= dark[0] + 0.1
    assert bright[0] <= bright[1] + 0.1


def test_back_light_darkens_the_face_and_lights_the_wall() -> None:
    lit = degrade(PICTURE, FACE, Defect.BACK_LIT, 0.8)

    assert lit[200:280, 280:360].mean() < 0.5 * PICTURE[200:280, 280:360].mean()
    assert lit[:100, :100].mean() > 200


def test_a_mask_covers_the_mouth_and_leaves_the_eyes() -> None:
    masked = degrade(PICTURE, FACE, Defect.MASK, 1.0)
    mouth, eyes = (slice(270, 300), slice(300, 340)), (slice(215, 232), slice(285, 355))

    assert np.abs(masked[mouth].astype(float) - PICTURE[mouth]).mean() > 15
    np.testing.assert_array_equal(masked[eyes], PICTURE[eyes])


def test_dark_glasses_darken_the_eyes_and_leave_the_mouth() -> None:
    worn = degrade(PICTURE, FACE, Defect.SUNGLASSES, 1.0)
    mouth, eye = (slice(270, 300), slice(300, 340)), (slice(228, 238), slice(292, 302))

    assert worn[eye].mean() < 40
    np.testing.assert_array_equal(worn[mouth], PICTURE[mouth])


def test_a_frame_puts_the_face_in_the_middle_at_the_asked_size() -> None:
    large = DetectedFace(Box(50.0, 60.0, 240.0, 320.0), FACE.landmarks, 0.9)

    frame, face = terminal_frame(PICTURE, large, face_height_share=0.4)

    assert frame.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    assert face.box.centre == pytest.approx((FRAME_WIDTH / 2, FRAME_HEIGHT / 2))
    assert face.box.height == pytest.approx(0.4 * FRAME_HEIGHT)
    np.testing.assert_allclose(
        face.landmarks - face.box.centre,
        (large.landmarks - large.box.centre) * face.box.height / large.box.height,
        rtol=1e-4,
        atol=1e-2,
    )


def test_a_small_face_is_not_enlarged() -> None:
    _, face = terminal_frame(PICTURE, FACE, face_height_share=0.9)

    assert face.box.height == pytest.approx(FACE.box.height)


def test_sensor_noise_has_the_deviation_that_was_asked_for() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)

    noisy = with_sensor_noise(grey, 5.0, seed=1)

    assert (noisy.astype(float) - 128).std() == pytest.approx(5.0, rel=0.05)
