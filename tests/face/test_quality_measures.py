from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.face.alignment import TEMPLATE
from shualian.face.model import Box, DetectedFace, Picture
from shualian.face.quality import measures
from shualian.face.quality.measures import FaceView
from shualian.face.quality.symmetry import symmetry_lean

WIDTH, HEIGHT = 640, 480
ZOOM = 1.3
ORIGIN = np.array([247.0, 165.0])
FACE = DetectedFace(
    box=Box(260.0, 160.0, 120.0, 160.0),
    landmarks=(TEMPLATE * ZOOM + ORIGIN).astype(np.float32),
    score=0.95,
)

gains = st.floats(0.05, 1.0)


def _at(x: float, y: float) -> tuple[int, int]:
    """A point of the aligned crop in the frame."""
    return round(x * ZOOM + ORIGIN[0]), round(y * ZOOM + ORIGIN[1])


def _spot(
    frame: Picture, at: tuple[float, float], axes: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    cv2.ellipse(frame, _at(*at), axes, 0, 0, 360, colour, -1)


def drawn_face() -> Picture:
    """A face of simple shapes in front of a grey wall, with the fine grain of skin."""
    frame = np.full((HEIGHT, WIDTH, 3), 130, np.uint8)
    _spot(frame, (56, 68), (64, 84), (120, 140, 185))
    for x, y in TEMPLATE[:2]:
        _spot(frame, (x, y), (11, 6), (225, 225, 225))
        _spot(frame, (x, y), (5, 5), (30, 40, 50))
        _spot(frame, (x, y - 10), (14, 3), (40, 50, 60))
    _spot(frame, (56, 71.7), (7, 10), (105, 125, 170))
    _spot(frame, (56, 92.3), (20, 6), (80, 80, 190))
    grain = np.random.default_rng(1).normal(0, 10, frame.shape[:2])[:, :, None]
    return np.asarray(np.clip(cv2.GaussianBlur(frame, (0, 0), 0.8) + grain, 0, 255), np.uint8)


PLAIN = drawn_face()


def view(picture: Picture, face: DetectedFace = FACE) -> FaceView:
    return FaceView.of(picture, face, measures.thumbnail_of(picture))


def _times(picture: Picture, gain: float) -> Picture:
    return np.asarray(np.clip(picture * gain, 0, 255), np.uint8)


def _shifted(picture: Picture, right: float, down: float) -> Picture:
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float64)
    shifted = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shifted, np.uint8)


def test_another_face_counts_by_its_height_if_the_detector_is_sure() -> None:
    half = replace(FACE, box=Box(0, 0, 60, 80))

    assert measures.second_face_share([FACE]) == 0
    assert measures.second_face_share([FACE, half]) == pytest.approx(0.5)
    assert measures.second_face_share([FACE, replace(half, score=0.5)]) == 0


@given(gains, gains)
def test_less_light_never_makes_a_face_brighter(one: float, other: float) -> None:
    less, more = sorted((one, other))

    darker, brighter = view(_times(PLAIN, less)), view(_times(PLAIN, more))

    assert measures.mean_luma(darker) <= measures.mean_luma(brighter)


@given(st.floats(1, 4), st.floats(1, 4))
def test_more_light_never_burns_out_less(one: float, other: float) -> None:
    less, more = sorted((one, other))

    weaker, stronger = view(_times(PLAIN, less)), view(_times(PLAIN, more))

    assert measures.over_exposed_share(weaker) <= measures.over_exposed_share(stronger)


def test_a_shadow_on_either_half_is_measured_alike() -> None:
    left, right = PLAIN.copy(), PLAIN.copy()
    left[:, :320] = _times(left[:, :320], 0.2)
    right[:, 320:] = _times(right[:, 320:], 0.2)

    assert measures.darker_half(view(PLAIN)) > 0.9
    assert measures.darker_half(view(left)) == pytest.approx(0.2, abs=0.03)
    assert measures.darker_half(view(right)) == pytest.approx(0.2, abs=0.03)


def test_the_background_is_compared_with_the_face_and_not_with_the_clothes() -> None:
    bright_wall, bright_clothes = PLAIN.copy(), PLAIN.copy()
    bright_wall[:, :200] = bright_wall[:, 440:] = 255
    bright_clothes[360:, 240:400] = 255

    assert measures.background_ratio(view(bright_wall)) > 1.5
    assert measures.background_ratio(view(bright_clothes)) == pytest.approx(
        measures.background_ratio(view(PLAIN)), rel=0.02
    )


def test_a_face_that_fills_the_frame_has_no_background() -> None:
    filling = replace(FACE, box=Box(-50, -50, 740, 580))

    assert measures.background_ratio(view(PLAIN, filling)) == 0


@given(st.floats(0.3, 3), st.floats(0.3, 3))
def test_more_blur_never_adds_detail(one: float, other: float) -> None:
    less, more = sorted((one, other))

    sharper, softer = (
        view(np.asarray(cv2.GaussianBlur(PLAIN, (0, 0), sigma), np.uint8)) for sigma in (less, more)
    )

    assert measures.detail(softer) <= measures.detail(sharper) + 1e-3


@pytest.mark.parametrize("degrees", [0, 45, 90, 135])
def test_a_smear_in_any_direction_loses_detail(degrees: int) -> None:
    line = np.zeros((15, 15), np.float32)
    line[7] = 1
    turn = cv2.getRotationMatrix2D((7, 7), degrees, 1)
    kernel = cv2.warpAffine(line, turn, (15, 15))
    smeared = np.asarray(cv2.filter2D(PLAIN, -1, kernel / kernel.sum()), np.uint8)

    assert measures.detail(view(smeared)) < 0.6 * measures.detail(view(PLAIN))


def test_light_from_one_side_is_not_taken_for_blur() -> None:
    ramp = np.linspace(0.3, 1.0, WIDTH)[None, :, None]
    lit = np.asarray(PLAIN * ramp, np.uint8)

    assert measures.detail(view(lit)) > 0.85 * measures.detail(view(PLAIN))


def test_a_still_face_does_not_move_when_the_light_changes() -> None:
    before = measures.thumbnail_of(_times(PLAIN, 0.9))

    assert measures.motion(view(PLAIN), before) < 0.02


def test_a_face_that_moved_further_has_moved_more() -> None:
    before = measures.thumbnail_of(PLAIN)
    moved = []
    for pixels in (0, 5, 15, 30):
        there = replace(FACE, box=replace(FACE.box, x=FACE.box.x + pixels))
        moved.append(measures.motion(view(_shifted(PLAIN, pixels, 0), there), before))

    assert moved == sorted(moved)
    assert moved[0] < 0.01
    assert moved[-1] > 0.1


def test_size_and_place_are_those_of_the_box() -> None:
    seen = view(PLAIN, replace(FACE, box=Box(100, 60, 120, 160)))

    assert measures.face_width(seen) == 120
    assert measures.height_share(seen) == pytest.approx(160 / 480)
    assert measures.off_centre_share(seen) == pytest.approx(0.25)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_lying_face_is_measured_as_if_it_were_upright(rotation: int) -> None:
    upright = view(PLAIN)

    lying = view(*turned(PLAIN, rotation))

    for measure in (
        measures.mean_luma,
        measures.background_ratio,
        measures.height_share,
        measures.off_centre_share,
        measures.yaw,
        measures.lean,
        measures.mouth_redness,
        measures.eye_brightness,
    ):
        assert measure(lying) == pytest.approx(measure(upright), rel=0.05, abs=0.5), measure


def turned(picture: Picture, rotation: int) -> tuple[Picture, DetectedFace]:
    """The picture clockwise by ``rotation``, and the face that a detector would give."""
    lying = np.ascontiguousarray(np.rot90(picture, -rotation // 90))
    box = FACE.box
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
    points = np.vstack([corners, FACE.landmarks])
    for _ in range(rotation // 90):
        height = HEIGHT if _ % 2 == 0 else WIDTH
        points = np.stack([height - 1 - points[:, 1], points[:, 0]], axis=1)
    low, high = np.sort(points[:2], axis=0)
    place = Box(*(float(value) for value in (*low, *(high - low))))
    face = DetectedFace(place, points[2:].astype(np.float32), 0.95, rotation)
    return lying, face


def test_lips_are_redder_than_the_forehead_and_a_mask_is_not() -> None:
    masked = PLAIN.copy()
    cv2.rectangle(masked, _at(10, 64), _at(102, 125), (230, 235, 235), -1)

    assert measures.mouth_redness(view(PLAIN)) > 3
    assert measures.mouth_redness(view(masked)) < -3


def test_a_colourless_picture_says_nothing_about_a_mask() -> None:
    grey = np.repeat(cv2.cvtColor(PLAIN, cv2.COLOR_BGR2GRAY)[:, :, None], 3, axis=2)

    assert measures.mouth_redness(view(np.asarray(grey, np.uint8))) == pytest.approx(0, abs=1e-4)


@given(st.floats(0.4, 1.2))
def test_redness_does_not_depend_on_the_strength_of_the_light(gain: float) -> None:
    assert measures.mouth_redness(view(_times(PLAIN, gain))) > 3


def test_dark_lenses_make_the_eyes_dark_and_deep_eyes_do_not() -> None:
    lenses, shadow = PLAIN.copy(), PLAIN.copy()
    for x, y in TEMPLATE[:2]:
        _spot(lenses, (x, y + 2), (19, 15), (25, 25, 25))
        _spot(shadow, (x, y - 4), (19, 9), (60, 70, 90))

    assert measures.eye_brightness(view(lenses)) < 0.4
    assert measures.eye_brightness(view(shadow)) > 0.7


def test_a_lamp_on_a_lens_shines_and_the_highlight_of_an_eye_does_not() -> None:
    lamp, highlight = PLAIN.copy(), PLAIN.copy()
    for x, y in TEMPLATE[:2]:
        _spot(lamp, (x, y), (9, 6), (255, 255, 255))
    column, row = _at(*TEMPLATE[0])
    highlight[row, column] = 255

    assert measures.glare_share(view(lamp)) > 0.05
    assert measures.glare_share(view(highlight)) == 0


def test_skin_that_is_burnt_out_all_over_is_no_glare() -> None:
    burnt = np.full_like(PLAIN, 255)
    burnt[::9, ::9] = 0

    assert measures.glare_share(view(burnt)) < 0.03


@pytest.mark.parametrize("degrees", [-40, -30, -20, 0, 20, 30, 40])
def test_a_lean_is_seen_in_the_pixels_when_the_landmarks_miss_it(degrees: int) -> None:
    turn = cv2.getRotationMatrix2D(FACE.box.centre, -degrees, 1)
    leaning = cv2.warpAffine(PLAIN, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)

    seen = view(np.asarray(leaning, np.uint8))

    assert seen.pose.roll == pytest.approx(0, abs=1)
    assert symmetry_lean(seen.middle) == pytest.approx(degrees, abs=4)
    assert measures.lean(seen) == pytest.approx(abs(degrees), abs=4)


def test_a_surface_without_symmetry_leans_nowhere() -> None:
    ramp = np.tile(np.linspace(0, 255, 112), (112, 1)).astype(np.uint8)

    assert symmetry_lean(ramp) == 0
    assert symmetry_lean(np.full((112, 112), 90, np.uint8)) == 0
