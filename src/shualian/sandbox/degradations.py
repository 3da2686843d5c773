"""Pictures made worse on purpose: known defects, drawn or simulated, to test quality measures.

Nothing here is a recording of a real defect. Light is a change of the encoded pixel values and not
of the light itself, masks and glasses are flat drawings laid over the face, a turned head is a
rough depth map that is turned, and the second person is a mirrored copy of the first. A measure
that finds these finds the real ones only as far as the drawing is like them.

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

from shualian.face.alignment import TEMPLATE, similarity_transform
from shualian.face.model import Box, DetectedFace, Hint, Picture, QualityMeasure

FRAME_WIDTH = 640
"""Pixels of a terminal's frame."""
FRAME_HEIGHT = 480
"""Pixels of a terminal's frame."""
FACE_HEIGHT_SHARE = 0.36
"""Of the frame's height, for a person who stands where the terminal asks."""

_CANVAS_ZOOM = 4
_CANVAS_MARGIN = 44
_CANVAS_SIDE = (112 + 2 * _CANVAS_MARGIN) * _CANVAS_ZOOM


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
    MASK = "mask"
    SUNGLASSES = "sunglasses"
    GLARE = "glare"
    SECOND_PERSON = "second_person"


_Change = Callable[[Picture, DetectedFace, float, np.random.Generator], Picture]


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
    change: _Change

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
    return spec.change(picture, face, spec.native(min(strength, 1.0)), random)


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
    source = picture
    if scale < 0.5:  # halves first: bilinear sampling alone would alias
        source, factor = _reduced(picture, scale)
        matrix = _similarity(scale / factor, 0.0, shift)
    else:
        matrix = _similarity(scale, 0.0, shift)
    frame = _warped(source, matrix, (FRAME_WIDTH, FRAME_HEIGHT))
    return frame, _moved_face(face, scale, shift)


def with_sensor_noise(picture: Picture, sigma: float, *, seed: int) -> Picture:
    """The picture with Gaussian noise of a standard deviation in grey levels."""
    return _noisy(picture.astype(np.float32), sigma, np.random.default_rng(seed))


def _reduced(picture: Picture, scale: float) -> tuple[Picture, float]:
    height, width = picture.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.uint8), size[0] / width


def _moved_face(face: DetectedFace, scale: float, shift: NDArray[np.float64]) -> DetectedFace:
    box = face.box
    return replace(
        face,
        box=Box(
            box.x * scale + shift[0],
            box.y * scale + shift[1],
            box.width * scale,
            box.height * scale,
        ),
        landmarks=(face.landmarks * scale + shift).astype(np.float32),
    )


# --- light ---------------------------------------------------------------------------------------


def _dark(
    picture: Picture, face: DetectedFace, gain: float, random: np.random.Generator
) -> Picture:
    """Less of everything, and the noise that a camera has in the dark."""
    return _noisy(picture.astype(np.float32) * gain, 2.0, random)


def _bright(
    picture: Picture, face: DetectedFace, gain: float, random: np.random.Generator
) -> Picture:
    return _as_picture(picture.astype(np.float32) * gain)


def _back_lit(
    picture: Picture, face: DetectedFace, gain: float, random: np.random.Generator
) -> Picture:
    """The person darker by ``gain``, everything behind nearly white."""
    person = _silhouette(picture, face)[:, :, None]
    behind = 255.0 - (255.0 - picture.astype(np.float32)) * gain * 0.5
    return _noisy(picture * gain * person + behind * (1 - person), 2.0, random)


def _one_sided(
    picture: Picture, face: DetectedFace, gain: float, random: np.random.Generator
) -> Picture:
    """Full light on one cheek, falling to ``gain`` on the other."""
    across = np.arange(picture.shape[1], dtype=np.float32) - np.float32(face.box.centre[0])
    side = random.choice([-1.0, 1.0])
    ramp = 1 / (1 + np.exp(-side * across * 12 / max(face.box.width, 1.0)))
    factor = gain + (1 - gain) * ramp
    return _as_picture(picture * factor.astype(np.float32)[None, :, None])


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


def _motion_blur(
    picture: Picture, face: DetectedFace, share: float, random: np.random.Generator
) -> Picture:
    """Smeared along a line of ``share`` of the face's width, in any direction."""
    length = max(1, round(share * face.box.width))
    side = length | 1
    line = np.zeros((side, side), np.float32)
    line[side // 2] = 1
    turn = cv2.getRotationMatrix2D((side // 2, side // 2), float(random.uniform(0, 180)), 1)
    kernel = cv2.warpAffine(line, turn, (side, side))
    smeared = cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smeared, np.uint8)


def _defocus(
    picture: Picture, face: DetectedFace, share: float, random: np.random.Generator
) -> Picture:
    """A Gaussian of a standard deviation of ``share`` of the face's width."""
    blurred = cv2.GaussianBlur(picture, (0, 0), max(0.1, share * face.box.width))
    return np.asarray(blurred, np.uint8)


# --- place ---------------------------------------------------------------------------------------


def _small(
    picture: Picture, face: DetectedFace, scale: float, random: np.random.Generator
) -> Picture:
    smaller, factor = _reduced(picture, scale)
    centre = np.array(face.box.centre)
    matrix = _similarity(scale / factor, 0.0, centre - scale * centre)
    return _warped(smaller, matrix, (picture.shape[1], picture.shape[0]))


def _close(
    picture: Picture, face: DetectedFace, scale: float, random: np.random.Generator
) -> Picture:
    centre = np.array(face.box.centre)
    matrix = _similarity(scale, 0.0, centre - scale * centre)
    return _warped(picture, matrix, (picture.shape[1], picture.shape[0]))


def _shifted(
    picture: Picture, face: DetectedFace, share: float, random: np.random.Generator
) -> Picture:
    """Sideways by ``share`` of the picture's width, or up or down by that of its height."""
    height, width = picture.shape[:2]
    direction = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)][random.integers(4)])
    shift = direction * share * np.array([width, height])
    return _warped(picture, _similarity(1.0, 0.0, shift), (width, height))


def _rolled(
    picture: Picture, face: DetectedFace, degrees: float, random: np.random.Generator
) -> Picture:
    centre = np.array(face.box.centre)
    matrix = _similarity(1.0, degrees * random.choice([-1.0, 1.0]), np.zeros(2))
    matrix[:, 2] = centre - matrix[:, :2] @ centre
    return _warped(picture, matrix, (picture.shape[1], picture.shape[0]))


def _turned(
    picture: Picture, face: DetectedFace, degrees: float, random: np.random.Generator
) -> Picture:
    """The head turned to a side: each pixel moves as a point of a rough head of that depth would.

    Orthographic: a point at ``x`` from the axis with depth ``z`` towards the camera is seen at
    ``x cos + z sin``; solved for ``x`` by fixed-point iteration. Outside the head nothing moves.
    """
    height, width = picture.shape[:2]
    to_template = similarity_transform(face.landmarks, TEMPLATE)
    seen = _grid(width, height) @ to_template[:, :2].T + to_template[:, 2]
    angle = math.radians(degrees) * random.choice([-1.0, 1.0])
    x_seen, y = seen[..., 0] - 56.0, seen[..., 1]
    x = x_seen.copy()
    for _ in range(12):
        x = 0.5 * x + 0.5 * (x_seen - _head_depth(x, y) * math.sin(angle)) / math.cos(angle)
    inside = _head_weight(x_seen, y)
    x = inside * x + (1 - inside) * x_seen
    back = similarity_transform(TEMPLATE, face.landmarks)
    source = np.stack([x + 56.0, y], axis=-1) @ back[:, :2].T + back[:, 2]
    turned = cv2.remap(
        picture,
        source[..., 0].astype(np.float32),
        source[..., 1].astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(turned, np.uint8)


def _head_depth(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth of a head in units of the crop: an ellipsoid with a nose, 0 at the plane of the eyes."""
    skull = 52.0 * np.sqrt(np.clip(1 - (x / 50.0) ** 2 - ((y - 58.0) / 90.0) ** 2, 0.0, 1.0)) - 48.0
    nose = 14.0 * np.exp(-((x / 8.0) ** 2) - ((y - 72.0) / 12.0) ** 2)
    depth: NDArray[np.float64] = skull + nose
    return depth


def _head_weight(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    radius = np.hypot(x / 62.0, (y - 62.0) / 80.0)
    weight: NDArray[np.float64] = np.clip((1.25 - radius) / 0.3, 0.0, 1.0)
    return weight


def _second_person(
    picture: Picture, face: DetectedFace, share: float, random: np.random.Generator
) -> Picture:
    """A mirrored copy of the head beside it, ``share`` as large."""
    box, side = face.box, random.choice([-1.0, 1.0])
    head = _silhouette(picture, face)
    x, y = box.centre
    target = x + side * 1.55 * box.width
    matrix = np.array([[-share, 0.0, target + share * x], [0.0, share, y - share * y]])
    size = (picture.shape[1], picture.shape[0])
    copy = _warped(picture, matrix, size).astype(np.float32)
    alpha = cv2.warpAffine(head, matrix, size)[:, :, None]
    return _as_picture(copy * alpha + picture * (1 - alpha))


# --- things on the face --------------------------------------------------------------------------

_MASK_COLOURS = ((214, 196, 150), (238, 238, 236), (38, 36, 36), (150, 150, 150), (190, 170, 225))
"""BGR: light blue, white, black, grey, pink."""

_MASK_OUTLINE = (
    ((12, 62), (32, 64), (46, 62), (56, 56), (66, 62), (80, 64), (100, 62))
    + ((97, 88), (88, 108), (72, 122), (56, 127), (40, 122), (24, 108), (15, 88))
)  # fmt: skip
"""Corners in the aligned crop, from ear to ear over the nose and round the chin."""


def _mask(
    picture: Picture, face: DetectedFace, cover: float, random: np.random.Generator
) -> Picture:
    """A face mask: ``cover`` 1 from the bridge of the nose to the chin, less hangs lower."""
    colour = np.array(_MASK_COLOURS[random.integers(len(_MASK_COLOURS))], np.float32)
    outline = np.array(_MASK_OUTLINE, np.float64)
    outline[:, 1] = 127 - (127 - outline[:, 1]) * cover
    alpha = _filled(outline)
    layer = np.broadcast_to(colour, (_CANVAS_SIDE, _CANVAS_SIDE, 3)).copy()
    for y in (76, 88, 100):
        fold = _filled(np.array([(14, y), (56, y + 5), (98, y), (98, y + 1.2), (56, y + 6.2)]))
        layer *= 1 - 0.18 * fold[:, :, None]
    return _laid_over(picture, face, layer, alpha * 0.97, shading=0.6)


def _sunglasses(
    picture: Picture, face: DetectedFace, opacity: float, random: np.random.Generator
) -> Picture:
    """Dark lenses of an opacity in 0..1, with a frame."""
    alpha = np.maximum(opacity * _lenses(14.5, 11.5), 0.95 * _spectacle_frame(14.5, 11.5))
    layer = np.full((_CANVAS_SIDE, _CANVAS_SIDE, 3), 18.0, np.float32)
    return _laid_over(picture, face, layer, alpha, shading=0.0)


def _glare(
    picture: Picture, face: DetectedFace, share: float, random: np.random.Generator
) -> Picture:
    """Spectacles with a thin frame; ``share`` of each lens's width and height shines white."""
    frame = np.full((_CANVAS_SIDE, _CANVAS_SIDE, 3), 40.0, np.float32)
    worn = _laid_over(picture, face, frame, 0.9 * _spectacle_frame(14.0, 11.0), shading=0.0)
    shine = np.zeros((_CANVAS_SIDE, _CANVAS_SIDE), np.float32)
    offset = random.uniform(-0.35, 0.35, 2) * (1 - share)
    for x, y in TEMPLATE[:2]:
        centre = (x + 14.0 * offset[0], y + 11.0 * offset[1])
        tilt = float(random.uniform(-25, 25))
        shine = np.maximum(shine, _ellipse(centre, (13.0 * share, 9.0 * share), tilt))
    soft = cv2.GaussianBlur(shine, (0, 0), 0.5 * _CANVAS_ZOOM)
    white = np.full((_CANVAS_SIDE, _CANVAS_SIDE, 3), 255.0, np.float32)
    return _laid_over(worn, face, white, soft * 0.97, shading=0.0)


def _lenses(half_width: float, half_height: float) -> NDArray[np.float32]:
    both = np.zeros((_CANVAS_SIDE, _CANVAS_SIDE), np.float32)
    for x, y in TEMPLATE[:2]:
        both = np.maximum(both, _ellipse((x, y + 1.5), (half_width, half_height), 0.0))
    return both


def _spectacle_frame(half_width: float, half_height: float) -> NDArray[np.float32]:
    """Rims around the lenses, the bridge, and the arms towards the ears."""
    rims = _lenses(half_width + 1.4, half_height + 1.4) - _lenses(half_width, half_height)
    bars = [(51.5, 60.5), (10.0, 24.0), (88.0, 102.0)]
    for left, right in bars:
        bar = np.array([(left, 48.5), (right, 48.5), (right, 50.5), (left, 50.5)])
        rims = np.maximum(rims, _filled(bar) * (1 - _lenses(half_width, half_height)))
    return np.clip(rims, 0, 1)


def _on_canvas(points: NDArray[np.float64]) -> NDArray[np.int32]:
    scaled = (points + _CANVAS_MARGIN) * _CANVAS_ZOOM
    return np.asarray(np.rint(scaled), np.int32)


def _filled(corners: NDArray[np.float64]) -> NDArray[np.float32]:
    drawn = np.zeros((_CANVAS_SIDE, _CANVAS_SIDE), np.float32)
    cv2.fillPoly(drawn, [_on_canvas(corners)], 1.0, cv2.LINE_8)
    return drawn


def _ellipse(
    centre: tuple[float, float], half_axes: tuple[float, float], tilt: float
) -> NDArray[np.float32]:
    drawn = np.zeros((_CANVAS_SIDE, _CANVAS_SIDE), np.float32)
    x, y = (int(value) for value in _on_canvas(np.array(centre)))
    width, height = (max(1, round(half * _CANVAS_ZOOM)) for half in half_axes)
    cv2.ellipse(drawn, (x, y), (width, height), tilt, 0, 360, 1.0, -1)
    return drawn


def _laid_over(
    picture: Picture,
    face: DetectedFace,
    layer: NDArray[np.float32],
    alpha: NDArray[np.float32],
    *,
    shading: float,
) -> Picture:
    """A layer drawn in the place of the aligned crop, laid over the face.

    Args:
        picture: That is drawn on.
        face: Whose landmarks carry the layer.
        layer: Colours on the canvas.
        alpha: Opacity on the canvas, 0..1.
        shading: How much the layer takes on the light of the face, 0..1.
    """
    size = (picture.shape[1], picture.shape[0])
    to_picture = similarity_transform(TEMPLATE, face.landmarks)
    matrix = to_picture.copy()
    matrix[:, :2] /= _CANVAS_ZOOM
    matrix[:, 2] -= to_picture[:, :2] @ np.full(2, float(_CANVAS_MARGIN))
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    sigma = max(0.3, 0.4 / max(scale, 1e-3))
    opacity = cv2.warpAffine(cv2.GaussianBlur(alpha, (0, 0), sigma), matrix, size)[:, :, None]
    colours = cv2.warpAffine(layer, matrix, size)
    light = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (0, 0), 112 / 6 * 4 * scale)
    level = light.astype(np.float32)[:, :, None] / 160
    lit = colours * ((1 - shading) + shading * level)
    return _as_picture(lit * opacity + picture * (1 - opacity))


# --- pixels --------------------------------------------------------------------------------------


def _similarity(scale: float, degrees: float, shift: NDArray[np.float64]) -> NDArray[np.float64]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[scale * c, -scale * s, shift[0]], [scale * s, scale * c, shift[1]]])


def _warped(picture: Picture, matrix: NDArray[np.float64], size: tuple[int, int]) -> Picture:
    warped = cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _grid(width: int, height: int) -> NDArray[np.float64]:
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    return np.stack([x, y], axis=-1)


def _noisy(pixels: NDArray[np.float32], sigma: float, random: np.random.Generator) -> Picture:
    noise = random.standard_normal(pixels.shape, dtype=np.float32) * np.float32(sigma)
    return _as_picture(pixels + noise)


def _as_picture(pixels: NDArray[np.floating]) -> Picture:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


DEFECTS: Mapping[Defect, DefectSpec] = MappingProxyType(
    {
        Defect.DARK: DefectSpec(
            Hint.TOO_DARK, QualityMeasure.UNDER_EXPOSURE, "gain", 1.0, 0.05, _dark
        ),
        Defect.BRIGHT: DefectSpec(
            Hint.TOO_BRIGHT, QualityMeasure.OVER_EXPOSURE, "gain", 1.0, 4.0, _bright
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
            Hint.BACK_LIT, QualityMeasure.ILLUMINATION, "gain of one cheek", 1.0, 0.05, _one_sided
        ),
        Defect.MOTION_BLUR: DefectSpec(
            Hint.MOVING, QualityMeasure.SHARPNESS, "length / face width", 0.0, 0.2, _motion_blur
        ),
        Defect.DEFOCUS: DefectSpec(
            Hint.MOVING, QualityMeasure.SHARPNESS, "sigma / face width", 0.0, 0.06, _defocus
        ),
        Defect.SMALL: DefectSpec(Hint.TOO_FAR, QualityMeasure.FACE_SIZE, "scale", 1.0, 0.2, _small),
        Defect.CLOSE: DefectSpec(
            Hint.TOO_CLOSE, QualityMeasure.CLOSENESS, "scale", 1.0, 2.6, _close
        ),
        Defect.SHIFTED: DefectSpec(
            Hint.OFF_CENTRE, QualityMeasure.CENTRING, "shift / frame side", 0.0, 0.4, _shifted
        ),
        Defect.TURNED: DefectSpec(
            Hint.TURN_FRONT, QualityMeasure.POSE_YAW, "degrees", 0.0, 45.0, _turned
        ),
        Defect.ROLLED: DefectSpec(
            Hint.TILTED, QualityMeasure.POSE_ROLL, "degrees", 0.0, 45.0, _rolled
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
