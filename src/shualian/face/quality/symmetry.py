"""How far a head leans: the axis about which the pixels of the face mirror themselves.

The detector has seen upright faces, and its five points lag behind a head that leans: at 40 degrees
they lean by 20, and by 5 in the small picture of the live loop. The pixels are not fooled. For a
set of axes through the middle of the face, pixels on one side are correlated with their mirror
images on the other; the axis of the highest correlation is the face's own (the idea of Sun and Si,
1999, on grey levels instead of gradients).
"""

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

PATCH_SHARE = 0.8
"""Side of the square patch by the height of the face's box, in whose middle it lies."""

_SIDE = 56
_CENTRE = (28.0, 32.0)
_ANGLES = np.arange(-45.0, 46.0, 5.0)
_SHIFTS = (-6.0, -3.0, 0.0, 3.0, 6.0)
_REACH = 20.0
_STEP = 2.0
_WEIGHT_SIGMA = 17.0
_SLOW_SIGMA = 6.0

CORRELATION_MIN = 0.35
"""Below it nothing is symmetric enough to say."""

GAIN_MIN = 0.1
"""By which the best axis must beat the vertical one, after the penalty."""

PENALTY = 0.125
"""Taken from the correlation at 45 degrees, less by the square of the angle: cheeks and hair are
symmetric about odd axes of their own."""


def symmetry_lean(patch: NDArray[np.uint8]) -> float:
    """Degrees, clockwise positive, by which the face in a square grey patch leans.

    Between -45 and 45; 0 where no axis is clearly better than the vertical one, as in a face that
    is turned to the side.

    Args:
        patch: The middle of a face, see :data:`PATCH_SHARE`.
    """
    correlations = _symmetry(_flattened(patch))
    scores = correlations - PENALTY * (_ANGLES / _ANGLES[-1]) ** 2
    best = int(scores.argmax())
    gain = float(scores[best] - scores[len(_ANGLES) // 2])
    if correlations[best] < CORRELATION_MIN or gain < GAIN_MIN:
        return 0.0
    return float(_ANGLES[best]) + _between(scores, best)


def _flattened(patch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """56 x 56, without the slow changes of the light and with strong contrasts cut off."""
    small = cv2.resize(patch, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    fine, slow = (cv2.GaussianBlur(small.astype(np.float32), (0, 0), s) for s in (0.8, _SLOW_SIGMA))
    detail = np.asarray(fine - slow, np.float32)
    return np.asarray(np.clip(detail / (3 * np.abs(detail).mean() + 1), -1, 1), np.float32)


def _symmetry(flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each angle the highest correlation of the two sides, over small shifts of the axis."""
    right, left, weights = _mirror_pairs()
    a, b = flat.ravel().take(right), flat.ravel().take(left)
    mean = (a @ weights + b @ weights) / 2
    shared = (a * b) @ weights - mean**2
    own = ((a * a + b * b) @ weights) / 2 - mean**2
    correlation = np.asarray(shared / (own + 1e-3), np.float32)
    return np.asarray(correlation.reshape(len(_ANGLES), len(_SHIFTS)).max(axis=1), np.float32)


def _between(scores: NDArray[np.float64], best: int) -> float:
    """Degrees from the best angle to the top of the parabola through it and its neighbours."""
    if not 0 < best < len(scores) - 1:
        return 0.0
    before, top, after = (float(scores[best + i]) for i in (-1, 0, 1))
    bend = before - 2 * top + after
    step = float(_ANGLES[1] - _ANGLES[0])
    return step * (before - after) / (2 * bend) if bend < 0 else 0.0


@cache
def _mirror_pairs() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Places of the pixels right and left of each axis (axes x pixels), and their weights."""
    down, out = np.meshgrid(
        np.arange(-_REACH, _REACH + 0.1, _STEP), np.arange(_STEP / 2, _REACH, _STEP), indexing="ij"
    )
    weights = np.exp(-(out**2 + down**2) / (2 * _WEIGHT_SIGMA**2)).astype(np.float32).ravel()
    axes = [(math.radians(angle), shift) for angle in _ANGLES for shift in _SHIFTS]
    right = np.stack([_places(axis, out, down) for axis in axes])
    left = np.stack([_places(axis, -out, down) for axis in axes])
    return right, left, weights / weights.sum()


def _places(
    axis: tuple[float, float], out: NDArray[np.float64], down: NDArray[np.float64]
) -> NDArray[np.intp]:
    angle, shift = axis
    c, s = math.cos(angle), math.sin(angle)
    x = _CENTRE[0] + c * (out + shift) - s * down
    y = _CENTRE[1] + s * (out + shift) + c * down
    columns, rows = (np.clip(np.rint(place), 0, _SIDE - 1).astype(np.intp) for place in (x, y))
    return (rows * _SIDE + columns).ravel()
