"""Pictures made worse on purpose: known defects, drawn or simulated, to test quality measures.

Nothing here is a recording of a real defect. Light is a change of the encoded pixel values and not
of the light itself, masks and glasses are drawn, a turned head is a rough model of its depth that
is turned, and the second person is a mirrored copy of the first. A measure that finds these finds
the real ones only as far as these are like them.

Everything random comes from the seed; the same call gives the same pixels.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from shualian.face.model import Box, DetectedFace, Hint, Picture, QualityMeasure
from shualian.sandbox.face_drawings import MASK_COLOURS, draw_glare, draw_mask, draw_sunglasses
from shualian.sandbox.player import turn_head

FRAME_WIDTH = 640
"""Pixels of a terminal's frame."""
FRAME_HEIGHT = 480
"""Pixels of a terminal's frame."""
FACE_HEIGHT_SHARE = 0.36
"""Of the frame's height, for a person who stands where the terminal asks."""


class Defect(StrEnum):
    """What can be made wrong with a picture."""

    DARK = "dark"
    BRIGHT = "bright"
    BACK_LIT = "back_lit"
    ONE_SIDED = "one_sided"
    MOTION_BLUR = "motion_blur"
    DEFOCUS = "defocus"
    SMALL = "small"
    CLOSE = "close"
    SHIFTED = "shifted"
    TURNED = "turned"
    ROLLED = "rolled"
    MOVED = "moved"
    MASK = "mask"
    SUNGLASSES = "sunglasses"
    GLARE = "glare"
    SECOND_PERSON = "second_person"


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    picture: Picture
    face: DetectedFace
    value: float
    random: np.random.Generator


@dataclass(frozen=True, slots=True)
class DefectSpec:
    """How a defect is made and what should notice it.

    Attributes:
        hint: That a person should be given.
        measure: That should fall below its limit.
        unit: Of ``neutral`` and ``severe``.
        neutral: Value at strength 0: nothing is changed.
        severe: Value at strength 1.
        change: Makes the picture.
    """

    hint: Hint
    measure: QualityMeasure
    unit: str
    neutral: float
    severe: float
    change: Callable[[_Case], Picture]

    def native(self, strength: float) -> float:
        """The value in ``unit`` at a strength in 0..1."""
        return self.neutral + (self.severe - self.neutral) * strength


def degrade(
    picture: Picture, face: DetectedFace, defect: Defect, strength: float, *, seed: int = 0
) -> Picture:
    """A copy of the picture with one defect.

    Args:
        picture: Height x width x 3, BGR; not changed.
        face: Where the face is.
        defect: What to do.
        strength: 0 (unchanged) to 1 (severe); meaning in ``DEFECTS``.
        seed: Of everything random: noise, direction, colour, side.
    """
    if strength <= 0:
        return picture.copy()
    spec = DEFECTS[defect]
    random = np.random.default_rng(seed)
    return spec.change(_Case(picture, face, spec.native(min(strength, 1.0)), random))


def terminal_frame(
    picture: Picture,
    face: DetectedFace,
    *,
    face_height_share: float = FACE_HEIGHT_SHARE,
) -> tuple[Picture, DetectedFace]:
    """The picture as a terminal would see it: 640 x 480, the face in the middle.

    A face with fewer pixels than asked for keeps its own size, because enlarging makes no pixels.
    Beyond the edges of the picture its edge pixels are repeated.
    """
    scale = min(1.0, FRAME_HEIGHT * face_height_share / face.box.height)
    x, y = face.box.centre
    shift = np.array([FRAME_WIDTH / 2 - scale * x, FRAME_HEIGHT / 2 - scale * y])
    frame = _placed(picture, scale, shift, (FRAME_WIDTH, FRAME_HEIGHT))
    return frame, _placed_face(face, scale, shift)


def with_sensor_noise(picture: Picture, sigma: float, *, seed: int) -> Picture:
    """The picture with Gaussian noise of a standard deviation in grey levels."""
    return _noisy(picture.astype(np.float32), sigma, np.random.default_rng(seed))


def _placed(
    picture: Picture, scale: float, shift: NDArray[np.float64], size: tuple[int, int]
) -> Picture:
    """The picture scaled and then shifted, on a frame of ``size`` (width, height)."""
    if scale >= 1:
        return _warped(picture, _similarity(scale, 0.0, shift), size)
    # Means over areas first: sampling single pixels of a larger picture would alias.
    width, height = (max(1, round(side * scale)) for side in _size(picture))
    smaller = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    left = scale * _size(picture)[0] / width
    return _warped(np.asarray(smaller, np.uint8), _similarity(left, 0.0, shift), size)


def _placed_face(face: DetectedFace, scale: float, shift: NDArray[np.float64]) -> DetectedFace:
    box, (right, down) = face.box, (float(value) for value in shift)
    return replace(
        face,
        box=Box(box.x * scale + right, box.y * scale + down, box.width * scale, box.height * scale),
        landmarks=(face.landmarks * scale + shift).astype(np.float32),
    )


# --- light ---------------------------------------------------------------------------------------


def _dark(case: _Case) -> Picture:
    """Less of everything, and the noise that a camera has in the dark."""
    return _noisy(case.picture.astype(np.float32) * case.value, 4.0, case.random)


def _bright(case: _Case) -> Picture:
    return _as_picture(case.picture.astype(np.float32) * case.value)


def _back_lit(case: _Case) -> Picture:
    """The person darker by the value, everything behind nearly white."""
    person = _silhouette(case.picture, case.face)[:, :, None]
    behind = 255.0 - (255.0 - case.picture.astype(np.float32)) * case.value * 0.5
    return _noisy(case.picture * case.value * person + behind * (1 - person), 2.0, case.random)


def _one_sided(case: _Case) -> Picture:
    """Full light on one cheek, falling to the value on the other."""
    box, side = case.face.box, case.random.choice([-1.0, 1.0])
    across = np.arange(case.picture.shape[1], dtype=np.float32) - np.float32(box.centre[0])
    ramp = 1 / (1 + np.exp(np.clip(-side * across * 12 / box.width, -30, 30)))
    factor = case.value + (1 - case.value) * ramp
    return _as_picture(case.picture * factor.astype(np.float32)[None, :, None])


def _silhouette(picture: Picture, face: DetectedFace) -> NDArray[np.float32]:
    """1 on head and shoulders, 0 behind them, soft between."""
    height, width = picture.shape[:2]
    box = face.box
    drawn = np.zeros((height, width), np.uint8)
    x, y = box.centre
    head = (round(0.68 * box.width), round(0.72 * box.height))
    cv2.ellipse(drawn, (round(x), round(y - 0.08 * box.height)), head, 0, 0, 360, 255, -1)
    chest = (round(1.5 * box.width), round(1.2 * box.height))
    cv2.ellipse(drawn, (round(x), round(y + 1.6 * box.height)), chest, 0, 0, 360, 255, -1)
    soft = cv2.GaussianBlur(drawn, (0, 0), max(1.0, 0.04 * box.width))
    return soft.astype(np.float32) / np.float32(255)


# --- sharpness -----------------------------------------------------------------------------------


def _motion_blur(case: _Case) -> Picture:
    """Smeared along a line of the value of the face's width, in any direction."""
    length = case.value * case.face.box.width
    return _smeared(case.picture, length, float(case.random.uniform(0, 180)))


def _smeared(picture: Picture, length: float, degrees: float) -> Picture:
    side = max(1, round(length)) | 1
    line = np.zeros((side, side), np.float32)
    line[side // 2] = 1
    # OpenCV counts angles against the clock, the pictures here with it.
    turn = cv2.getRotationMatrix2D((side // 2, side // 2), -degrees, 1)
    kernel = cv2.warpAffine(line, turn, (side, side))
    smeared = cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smeared, np.uint8)


def _defocus(case: _Case) -> Picture:
    """A Gaussian of a standard deviation of the value of the face's width."""
    sigma = max(0.1, case.value * case.face.box.width)
    blurred = cv2.GaussianBlur(case.picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.uint8)


# --- place ---------------------------------------------------------------------------------------


def _scaled(case: _Case) -> Picture:
    """Smaller or larger by the value about the middle of the face."""
    centre = np.array(case.face.box.centre)
    return _placed(case.picture, case.value, centre - case.value * centre, _size(case.picture))


def _shifted(case: _Case) -> Picture:
    """Sideways by the value of the picture's width, or up or down by that of its height."""
    height, width = case.picture.shape[:2]
    direction = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)][case.random.integers(4)])
    shift = direction * case.value * np.array([width, height])
    return _warped(case.picture, _similarity(1.0, 0.0, shift), (width, height))


def _rolled(case: _Case) -> Picture:
    centre = np.array(case.face.box.centre)
    matrix = _similarity(1.0, case.value * case.random.choice([-1.0, 1.0]), np.zeros(2))
    matrix[:, 2] = centre - matrix[:, :2] @ centre
    return _warped(case.picture, matrix, _size(case.picture))


def _turned(case: _Case) -> Picture:
    side = -1 if case.random.integers(2) else 1
    return turn_head(case.picture, case.face.box, side * case.value)


def _moved(case: _Case) -> Picture:
    """Shifted since the frame before by the value of the face's width, in any direction.

    The shutter is open for half the time between two frames, so that half the way is a smear.
    """
    angle = float(case.random.uniform(0, 2 * math.pi))
    way = case.value * case.face.box.width
    smeared = _smeared(case.picture, way / 2, math.degrees(angle))
    shift = way * np.array([math.cos(angle), math.sin(angle)])
    return _warped(smeared, _similarity(1.0, 0.0, shift), _size(case.picture))


def _second_person(case: _Case) -> Picture:
    """A mirrored copy of the head beside it, the value as large."""
    box, side = case.face.box, case.random.choice([-1.0, 1.0])
    head = _silhouette(case.picture, case.face)
    x, y = box.centre
    target = x + side * 1.55 * box.width
    matrix = np.array(
        [[-case.value, 0.0, target + case.value * x], [0.0, case.value, y - case.value * y]]
    )
    size = _size(case.picture)
    copy = _warped(case.picture, matrix, size).astype(np.float32)
    alpha = cv2.warpAffine(head, matrix, size)[:, :, None]
    return _as_picture(copy * alpha + case.picture * (1 - alpha))


# --- things on the face --------------------------------------------------------------------------


def _mask(case: _Case) -> Picture:
    colour = MASK_COLOURS[case.random.integers(len(MASK_COLOURS))]
    return draw_mask(case.picture, case.face, cover=case.value, colour=colour)


def _sunglasses(case: _Case) -> Picture:
    return draw_sunglasses(case.picture, case.face, opacity=case.value)


def _glare(case: _Case) -> Picture:
    x, y, left_tilt, right_tilt = case.random.uniform(-1, 1, 4)
    return draw_glare(
        case.picture,
        case.face,
        share=case.value,
        offset=(float(x), float(y)),
        tilts=(25 * float(left_tilt), 25 * float(right_tilt)),
    )


# --- pixels --------------------------------------------------------------------------------------


def _similarity(scale: float, degrees: float, shift: NDArray[np.float64]) -> NDArray[np.float64]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[scale * c, -scale * s, shift[0]], [scale * s, scale * c, shift[1]]])


def _warped(picture: Picture, matrix: NDArray[np.float64], size: tuple[int, int]) -> Picture:
    warped = cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _size(picture: Picture) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _noisy(pixels: NDArray[np.float32], sigma: float, random: np.random.Generator) -> Picture:
    noise = random.standard_normal(pixels.shape, dtype=np.float32) * np.float32(sigma)
    return _as_picture(pixels + noise)


def _as_picture(pixels: NDArray[np.floating]) -> Picture:
    return np.asarray(np.clip(np.rint(pixels), 0, 255), np.uint8)


DEFECTS: Mapping[Defect, DefectSpec] = MappingProxyType(
    {
        Defect.DARK: DefectSpec(
            Hint.TOO_DARK, QualityMeasure.UNDER_EXPOSURE, "gain", 1.0, 0.08, _dark
        ),
        Defect.BRIGHT: DefectSpec(
            Hint.TOO_BRIGHT, QualityMeasure.OVER_EXPOSURE, "gain", 1.0, 3.0, _bright
        ),
        Defect.BACK_LIT: DefectSpec(
            Hint.BACK_LIT,
            QualityMeasure.BACKGROUND_LIGHT,
            "gain of the person",
            1.0,
            0.08,
            _back_lit,
        ),
        Defect.ONE_SIDED: DefectSpec(
            Hint.TOO_DARK, QualityMeasure.ILLUMINATION, "gain of one cheek", 1.0, 0.05, _one_sided
        ),
        Defect.MOTION_BLUR: DefectSpec(
            Hint.MOVING, QualityMeasure.SHARPNESS, "length / face width", 0.0, 0.2, _motion_blur
        ),
        Defect.DEFOCUS: DefectSpec(
            Hint.MOVING, QualityMeasure.SHARPNESS, "sigma / face width", 0.0, 0.06, _defocus
        ),
        Defect.SMALL: DefectSpec(
            Hint.TOO_FAR, QualityMeasure.FACE_SIZE, "scale", 1.0, 0.2, _scaled
        ),
        Defect.CLOSE: DefectSpec(
            Hint.TOO_CLOSE, QualityMeasure.CLOSENESS, "scale", 1.0, 2.6, _scaled
        ),
        Defect.SHIFTED: DefectSpec(
            Hint.OFF_CENTRE, QualityMeasure.CENTRING, "shift / frame side", 0.0, 0.4, _shifted
        ),
        Defect.TURNED: DefectSpec(
            Hint.TURN_FRONT, QualityMeasure.POSE_YAW, "degrees", 0.0, 40.0, _turned
        ),
        Defect.ROLLED: DefectSpec(
            Hint.TILTED, QualityMeasure.POSE_ROLL, "degrees", 0.0, 45.0, _rolled
        ),
        Defect.MOVED: DefectSpec(
            Hint.MOVING, QualityMeasure.MOTION, "way / face width", 0.0, 0.4, _moved
        ),
        Defect.MASK: DefectSpec(Hint.MASK, QualityMeasure.MOUTH_VISIBLE, "cover", 0.0, 1.0, _mask),
        Defect.SUNGLASSES: DefectSpec(
            Hint.SUNGLASSES, QualityMeasure.EYES_VISIBLE, "opacity", 0.0, 0.96, _sunglasses
        ),
        Defect.GLARE: DefectSpec(
            Hint.GLARE, QualityMeasure.GLARE_FREE, "lit share of the lens side", 0.0, 1.0, _glare
        ),
        Defect.SECOND_PERSON: DefectSpec(
            Hint.SEVERAL_PEOPLE,
            QualityMeasure.SINGLE_FACE,
            "size / first",
            0.0,
            1.0,
            _second_person,
        ),
    }
)
"""Every defect."""
