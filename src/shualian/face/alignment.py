"""Bringing a face to the place that the embedding expects."""

import cv2
import numpy as np
from numpy.typing import NDArray

from shualian.face.model import Picture

CROP_SIDE = 112
"""Pixels of the square aligned crop."""

ALIGNMENT_ID = "similarity-112-bilinear"
"""Names this alignment in an operational path."""

# Where eyes, nose tip and mouth corners lie in the crop (the template of ArcFace and SFace).
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float64,
)


def similarity_transform(
    source: NDArray[np.floating], target: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The 2 x 3 similarity (rotation, scale, shift) that best maps ``source`` to ``target``.

    Least squares over n x 2 points, no reflection (Umeyama, PAMI 13(4), 1991, eq. 40-43).
    """
    source, target = source.astype(np.float64), target.astype(np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred = source - source_mean
    covariance = (target - target_mean).T @ centred / len(source)
    u, singular, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = (singular * sign).sum() / (centred**2).sum() * len(source)
    shift = target_mean - scale * rotation @ source_mean
    return np.hstack([scale * rotation, shift[:, None]])


def align(picture: Picture, landmarks: NDArray[np.float32]) -> Picture:
    """The face as a 112 x 112 crop with eyes, nose and mouth in their places."""
    transform = similarity_transform(landmarks, TEMPLATE)
    crop = cv2.warpAffine(picture, transform, (CROP_SIDE, CROP_SIDE), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)
