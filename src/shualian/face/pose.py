"""Head pose from the five landmarks: yaw and roll; pitch cannot be had from them."""

import math

import numpy as np
from numpy.typing import NDArray

from shualian.face.model import Pose

# An average adult face in millimetres, x to the right of the picture, y down, z away from the
# camera: eyes, nose tip, mouth corners. Round anthropometric means; only angles are taken.
_MODEL = np.array(
    [
        [-31.5, -32.0, 26.0],
        [31.5, -32.0, 26.0],
        [0.0, 0.0, 0.0],
        [-25.0, 32.0, 22.0],
        [25.0, 32.0, 22.0],
    ],
    np.float64,
)


def estimate_pose(landmarks: NDArray[np.float32]) -> Pose:
    """Yaw and roll in degrees from 5 x 2 landmarks in pixels, any scale and place.

    Weak perspective: the affine camera that maps an average face onto the points is fitted by
    least squares and made orthonormal; its rotation gives the angles. Accuracy on frontal studio
    portraits is measured in ``docs/biometrics.md``.
    """
    points = landmarks.astype(np.float64)
    roll = _roll(points)
    levelled = _rotated(points, -roll)
    rotation = _rotation(levelled)
    yaw = math.degrees(math.atan2(-rotation[0, 2], math.hypot(rotation[0, 0], rotation[0, 1])))
    return Pose(yaw=yaw, roll=roll)


def _roll(points: NDArray[np.float64]) -> float:
    """Angle of the line through the eyes, blended with that through the mouth corners."""
    across = (points[1] - points[0]) + (points[4] - points[3])
    return math.degrees(math.atan2(across[1], across[0]))


def _rotated(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    centred = points - points.mean(axis=0)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned: NDArray[np.float64] = centred @ np.array([[c, s], [-s, c]])
    return turned


def _rotation(points: NDArray[np.float64]) -> NDArray[np.float64]:
    model = _MODEL - _MODEL.mean(axis=0)
    affine, *_ = np.linalg.lstsq(model, points, rcond=None)
    first, second = affine.T
    u, _, vt = np.linalg.svd(np.stack([first, second]), full_matrices=False)
    rows = u @ vt
    return np.vstack([rows, np.cross(rows[0], rows[1])])
