"""Face masks, dark glasses and shining glasses drawn on a face; drawings, not recordings.

They are drawn flat in the place of the aligned crop (112 x 112, where eyes, nose and mouth have
known places) and laid over the face by its landmarks.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from shualian.face.alignment import TEMPLATE, similarity_transform
from shualian.face.model import DetectedFace, Picture

MASK_COLOURS = ((214, 196, 150), (238, 238, 236), (38, 36, 36), (150, 150, 150), (190, 170, 225))
"""BGR: light blue, white, black, grey, pink."""

_ZOOM = 2
_MARGIN = 44
_SIDE = (112 + 2 * _MARGIN) * _ZOOM

_TOP_OF_MASK = ((12, 62), (32, 64), (46, 62), (56, 56), (66, 62), (80, 64), (100, 62))
_CHIN_OF_MASK = ((97, 88), (88, 108), (72, 122), (56, 127), (40, 122), (24, 108), (15, 88))
_FOLDS_OF_MASK = (76, 88, 100)
_LENS = (14.0, 11.0)
_BARS = ((51.5, 60.5), (10.0, 24.0), (88.0, 102.0))

_Layer = NDArray[np.float32]


def draw_mask(
    picture: Picture, face: DetectedFace, *, cover: float, colour: tuple[int, int, int]
) -> Picture:
    """A face mask with folds, under the light of the face.

    Args:
        picture: That is drawn on; not changed.
        face: Who wears it.
        cover: 1 from the bridge of the nose to the chin; less hangs lower.
        colour: BGR.
    """
    outline = np.array((*_TOP_OF_MASK, *_CHIN_OF_MASK), np.float64)
    outline[:, 1] = 127 - (127 - outline[:, 1]) * cover
    cloth = np.full((_SIDE, _SIDE, 3), colour, np.float32)
    for y in _FOLDS_OF_MASK:
        fold = np.array([(14, y), (56, y + 5), (98, y), (98, y + 1.2), (56, y + 6.2)])
        cloth *= 1 - np.float32(0.18) * _filled(fold)[:, :, None]
    return _laid_over(picture, face, _lit(cloth, picture, face), 0.97 * _filled(outline))


def draw_sunglasses(picture: Picture, face: DetectedFace, *, opacity: float) -> Picture:
    """Dark lenses of an opacity 0..1 in a frame."""
    dark = np.full((_SIDE, _SIDE, 3), 18.0, np.float32)
    return _laid_over(picture, face, dark, np.maximum(opacity * _lenses(*_LENS), 0.95 * _frame()))


def draw_glare(
    picture: Picture,
    face: DetectedFace,
    *,
    share: float,
    offset: tuple[float, float],
    tilts: tuple[float, float],
) -> Picture:
    """Clear spectacles in which a lamp shines: a white ellipse on each lens.

    Args:
        picture: That is drawn on; not changed.
        face: Who wears them.
        share: Size of the ellipses by that of the lens, 0..1.
        offset: Where on the lens, -1..1 to the right and down, as far as there is room.
        tilts: Of the two ellipses in degrees.
    """
    rims = np.full((_SIDE, _SIDE, 3), 40.0, np.float32)
    worn = _laid_over(picture, face, rims, 0.9 * _frame())
    across, down = (0.35 * (1 - share) * half * o for half, o in zip(_LENS, offset, strict=True))
    shine = np.zeros((_SIDE, _SIDE), np.float32)
    for (x, y), tilt in zip(TEMPLATE[:2], tilts, strict=True):
        lamp = _ellipse((x + across, y + down), (13.0 * share, 9.0 * share), tilt)
        shine = np.maximum(shine, lamp)
    white = np.full((_SIDE, _SIDE, 3), 255.0, np.float32)
    return _laid_over(worn, face, white, 0.97 * shine)


def _lenses(half_width: float, half_height: float) -> _Layer:
    both = np.zeros((_SIDE, _SIDE), np.float32)
    for x, y in TEMPLATE[:2]:
        both = np.maximum(both, _ellipse((x, y + 1.5), (half_width, half_height), 0.0))
    return both


def _frame() -> _Layer:
    """Rims around the lenses, the bridge, and the arms towards the ears."""
    inside, outside = _lenses(*_LENS), _lenses(*(half + 1.4 for half in _LENS))
    drawn = outside
    for left, right in _BARS:
        bar = np.array([(left, 48.5), (right, 48.5), (right, 50.5), (left, 50.5)])
        drawn = np.maximum(drawn, _filled(bar))
    return drawn * (1 - inside)


def _filled(corners: NDArray[np.float64]) -> _Layer:
    drawn = np.zeros((_SIDE, _SIDE), np.float32)
    cv2.fillPoly(drawn, [_on_canvas(corners)], (1.0,), cv2.LINE_8)
    return drawn


def _ellipse(centre: tuple[float, float], half_axes: tuple[float, float], tilt: float) -> _Layer:
    drawn = np.zeros((_SIDE, _SIDE), np.float32)
    x, y = (int(value) for value in _on_canvas(np.array(centre)))
    width, height = (max(1, round(half * _ZOOM)) for half in half_axes)
    cv2.ellipse(drawn, (x, y), (width, height), tilt, 0, 360, (1.0,), -1)
    return drawn


def _on_canvas(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.asarray(np.rint((points + _MARGIN) * _ZOOM), np.int32)


def _lit(layer: _Layer, picture: Picture, face: DetectedFace) -> _Layer:
    """The layer under the light that falls on the face, mostly."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    side = max(1, round(0.4 * face.box.width))
    light = cv2.blur(grey, (side, side), borderType=cv2.BORDER_REPLICATE).astype(np.float32)
    on_canvas = cv2.warpAffine(
        light, _to_picture(face), (_SIDE, _SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    lit: _Layer = layer * (np.float32(0.4) + np.float32(0.6 / 160) * on_canvas[:, :, None])
    return lit


def _to_picture(face: DetectedFace) -> NDArray[np.float64]:
    """From the canvas to the picture, 2 x 3."""
    transform = similarity_transform(TEMPLATE, face.landmarks)
    linear = transform[:, :2] / _ZOOM
    shift = transform[:, 2] - transform[:, :2] @ np.full(2, float(_MARGIN))
    return np.hstack([linear, shift[:, None]])


def _laid_over(picture: Picture, face: DetectedFace, layer: _Layer, opacity: _Layer) -> Picture:
    """A layer of colours laid over the face, with the softness of a pixel at its edges."""
    matrix = _to_picture(face)
    size = (picture.shape[1], picture.shape[0])
    scale = max(math.hypot(matrix[0, 0], matrix[1, 0]), 1e-3)
    soft = cv2.GaussianBlur(opacity, (0, 0), max(0.3, 0.4 / scale))
    alpha = cv2.warpAffine(soft, matrix, size)[:, :, None]
    colours = cv2.warpAffine(layer, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    mixed = colours * alpha + picture * (1 - alpha)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)
