"""Native measures of a face picture: small pure functions in their own units.

Most look at the aligned crop of 112 x 112 pixels, in which eyes, nose and mouth have known places,
so that they do not depend on the size, the tilt or the place of the face. The names follow the
components of ISO/IEC 29794-5:2025 where there is one; the algorithms are our own and the values
are not comparable with those of that standard's reference implementation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shualian.face.alignment import CROP_SIDE, align
from shualian.face.model import Box, DetectedFace, Picture, Pose
from shualian.face.pose import estimate_pose
from shualian.face.quality.symmetry import PATCH_SHARE, symmetry_lean

THUMBNAIL_SIDE = 32
"""Pixels of the square grey thumbnail of a whole frame."""

SECOND_FACE_SCORE_MIN = 0.6
"""Detector's confidence from which another face counts."""

MOTION_PER_FACE_WIDTH = 5.1
"""Thumbnail difference per shift by one face width; measured, see ``docs/biometrics.md``."""

HEIGHT_PER_WIDTH = 1.4
"""Of a face box seen from the front; the median of studio portraits."""

Crop = NDArray[np.uint8]
_Area = tuple[slice, slice]

# Rows and columns of the aligned crop.
_SKIN: _Area = (slice(24, 104), slice(24, 88))
_NOSE_SIDE: _Area = (slice(24, 104), slice(36, 76))
_LEFT_HALF: _Area = (slice(30, 104), slice(24, 54))
_RIGHT_HALF: _Area = (slice(30, 104), slice(58, 88))
_DETAIL: _Area = (slice(24, 104), slice(20, 92))
_EYES: tuple[_Area, ...] = ((slice(44, 60), slice(26, 50)), (slice(44, 60), slice(62, 86)))
_UNDER_EYES: tuple[_Area, ...] = ((slice(54, 62), slice(30, 48)), (slice(54, 62), slice(64, 82)))
_CHEEKS: tuple[_Area, ...] = ((slice(68, 84), slice(28, 44)), (slice(68, 84), slice(68, 84)))
_BAND_IN_SKIN = slice(42 - 24, 64 - 24)
_FOREHEAD: _Area = (slice(20, 38), slice(38, 74))
_MOUTH: _Area = (slice(84, 108), slice(40, 72))


@dataclass(frozen=True, slots=True, eq=False)
class FaceView:
    """What the measures look at, with the face upright.

    Attributes:
        crop: Aligned face, 112 x 112 x 3, BGR.
        luma: Of the crop, 0..255.
        middle: Of the face by its box, 112 x 112, grey; does not lean on the landmarks.
        box: Of the face, in pixels of the upright frame.
        frame_width: Of the upright frame.
        frame_height: Of the upright frame.
        pose: Of the face, its roll against the upright frame.
        thumbnail: Of the whole upright frame, 32 x 32, grey.
        place: Rows and columns of the thumbnail that the face covers.
    """

    crop: Crop
    luma: Crop
    middle: Crop
    box: Box
    frame_width: int
    frame_height: int
    pose: Pose
    thumbnail: NDArray[np.uint8]
    place: _Area

    @classmethod
    def of(cls, picture: Picture, face: DetectedFace, thumbnail: NDArray[np.uint8]) -> "FaceView":
        """The view of a face in a picture whose thumbnail has been made."""
        height, width = picture.shape[:2]
        box = upright_box(face, width, height)
        if face.rotation % 180:
            width, height = height, width
        crop = align(picture, face.landmarks)
        pose = estimate_pose(face.landmarks)
        return cls(
            crop=crop,
            luma=np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8),
            middle=turned_upright(_middle(picture, face.box, box.height), face),
            box=box,
            frame_width=width,
            frame_height=height,
            pose=Pose(pose.yaw, _wrapped(pose.roll - face.rotation)),
            thumbnail=turned_upright(thumbnail, face),
            place=_cells(box, width, height),
        )


def thumbnail_of(picture: Picture) -> NDArray[np.uint8]:
    """The whole frame as 32 x 32 grey."""
    # Two steps: bilinear to four times the side is quick at any frame size, then exact means.
    step = cv2.resize(picture, (4 * THUMBNAIL_SIDE, 4 * THUMBNAIL_SIDE))
    grey = cv2.cvtColor(step, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def turned_upright(square: NDArray[np.uint8], face: DetectedFace) -> NDArray[np.uint8]:
    """A square of the frame turned so that the face in it is upright."""
    return np.rot90(square, face.rotation // 90)


def upright_box(face: DetectedFace, width: int, height: int) -> Box:
    """The face's box in the frame (``width`` x ``height``) after the turn that makes it upright."""
    box = face.box
    match face.rotation:
        case 90:
            return Box(box.y, width - box.x - box.width, box.height, box.width)
        case 180:
            x, y = width - box.x - box.width, height - box.y - box.height
            return Box(x, y, box.width, box.height)
        case 270:
            return Box(height - box.y - box.height, box.x, box.height, box.width)
        case _:
            return box


def second_face_share(faces: Sequence[DetectedFace]) -> float:
    """Height of the highest other face by the height of the first, 0 if there is none."""
    others = (face.box.height for face in faces[1:] if face.score >= SECOND_FACE_SCORE_MIN)
    return max(others, default=0.0) / faces[0].box.height


def mean_luma(view: FaceView) -> float:
    """Mean grey level of the face, 0..255."""
    return float(view.luma[_SKIN].mean())


def over_exposed_share(view: FaceView) -> float:
    """Share of the face's pixels that are burnt out (grey level above 250).

    Only of its middle: beside a turned head the crop shows what is behind.
    """
    return float((view.luma[_NOSE_SIDE] > 250).mean())


def darker_half(view: FaceView) -> float:
    """Median grey level of the darker cheek's half of the face by that of the other, 0..1."""
    halves = sorted(float(np.median(view.luma[half])) for half in (_LEFT_HALF, _RIGHT_HALF))
    return halves[0] / max(halves[1], 1.0)


def background_ratio(view: FaceView) -> float:
    """Mean grey level beside and above the head by that of the face; 0 if nothing is left there."""
    box = view.box
    head = Box(
        box.x - 0.25 * box.width, box.y - 0.3 * box.height, 1.5 * box.width, 2.0 * view.frame_height
    )
    rows, columns = _cells(head, view.frame_width, view.frame_height)
    behind = np.ones(view.thumbnail.shape, bool)
    behind[rows, columns] = False
    if not behind.any():
        return 0.0
    return float(view.thumbnail[behind].mean()) / max(mean_luma(view), 1.0)


def detail(view: FaceView) -> float:
    """How much fine detail there is in every direction, by the contrast of the face.

    Square root of the smaller eigenvalue of the mean structure tensor (gradients after a Gaussian
    of one pixel; Förstner and Gülch, 1987) over the standard deviation without the slow changes of
    the light: a picture smeared along a line has no gradients along that line, a defocused one has
    few anywhere. In logarithms, so that half a face in shadow counts as much as the other half. On
    simulated blur it orders pictures by their loss of similarity better than the variance of the
    Laplacian does (``docs/biometrics.md``).
    """
    # 16 levels keep the noise of a dark picture from counting as detail.
    logarithms = np.log(view.luma[_DETAIL].astype(np.float32) + 16)
    smooth = cv2.GaussianBlur(logarithms, (0, 0), 1.0)
    across, down = np.diff(smooth, axis=1)[:-1], np.diff(smooth, axis=0)[:, :-1]
    xx, yy, xy = float(np.mean(across**2)), float(np.mean(down**2)), float(np.mean(across * down))
    smaller = (xx + yy) / 2 - math.hypot((xx - yy) / 2, xy)
    contrast = float((smooth - cv2.blur(smooth, (33, 33))).std())
    return math.sqrt(max(smaller, 0.0)) / (contrast + 0.03)


def motion(view: FaceView, previous: NDArray[np.uint8]) -> float:
    """How far the face moved since the frame before, about, in face widths.

    Mean absolute difference of the two thumbnails in the face's place, each without its mean (the
    light may change), by the contrast there; see :data:`MOTION_PER_FACE_WIDTH`.

    Args:
        view: Of the face now.
        previous: Thumbnail of the frame before, turned like the view's.
    """
    now, before = (thumb[view.place].astype(np.float32) for thumb in (view.thumbnail, previous))
    if not now.size:
        return 0.0
    difference = np.abs((now - now.mean()) - (before - before.mean())).mean()
    return float(difference / max(float(now.std()), 4.0)) / MOTION_PER_FACE_WIDTH


def face_width(view: FaceView) -> float:
    """Width in pixels that the face has or, where the head is turned, would have from the front."""
    return max(view.box.width, view.box.height / HEIGHT_PER_WIDTH)


def height_share(view: FaceView) -> float:
    """Height of the face by the height of the frame."""
    return view.box.height / view.frame_height


def off_centre_share(view: FaceView) -> float:
    """Distance of the face's middle from the frame's, by the frame's width or height."""
    x, y = view.box.centre
    return max(abs(x / view.frame_width - 0.5), abs(y / view.frame_height - 0.5))


def yaw(view: FaceView) -> float:
    """Degrees that the head is turned to either side."""
    return abs(view.pose.yaw)


def lean(view: FaceView) -> float:
    """Degrees that the head leans to either side, by its landmarks or its symmetry: the larger."""
    return max(abs(view.pose.roll), abs(symmetry_lean(view.middle)))


def mouth_redness(view: FaceView) -> float:
    """How much redder the reddest tenth around the mouth is than the forehead, in percent.

    Red is (R - G) / (R + G + B), which does not change with the light's strength. Lips are the
    reddest part of an uncovered face, also in a beard; a face mask is redder than the forehead
    only if it is red or pink. A colourless picture gives 0.
    """
    mouth, forehead = (_redness(view.crop[area]) for area in (_MOUTH, _FOREHEAD))
    return 100 * (float(np.percentile(mouth, 90)) - float(np.median(forehead)))


def eye_brightness(view: FaceView) -> float:
    """Grey level of the eyes by that of the cheeks.

    The larger of two ratios, that of the eyes and that of the strips below them: deep eyes in
    shadow have bright strips below, dark lenses cover both.
    """
    cheeks = max(float(np.median(_joined(view.luma, _CHEEKS))), 1.0)
    eyes = float(_joined(view.luma, _EYES).mean())
    below = float(np.median(_joined(view.luma, _UNDER_EYES)))
    return max(eyes, below) / cheeks


def glare_share(view: FaceView) -> float:
    """How much more of the band of the eyes shines than of the rest of the face, by share.

    Shining is nearly white and much brighter than the face. Skin that is burnt out shines all over
    and does not count, nor do single pixels: every eye has a small highlight.
    """
    white = max(240, int(np.median(view.luma[_SKIN])) + 30)
    shining = (view.luma[_SKIN] >= white).astype(np.uint8)
    blobs = cv2.morphologyEx(shining, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    band = blobs[_BAND_IN_SKIN]
    elsewhere = (blobs.sum() - band.sum()) / (blobs.size - band.size)
    return max(0.0, float(band.mean() - elsewhere))


def _middle(picture: Picture, box: Box, height: float) -> Crop:
    """The square of :data:`PATCH_SHARE` of the face's height in the middle of its box, grey."""
    scale = CROP_SIDE / (PATCH_SHARE * height)
    x, y = box.centre
    half = CROP_SIDE / 2
    matrix = np.array([[scale, 0, half - scale * x], [0, scale, half - scale * y]])
    patch = cv2.warpAffine(picture, matrix, (CROP_SIDE, CROP_SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY), np.uint8)


def _redness(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    # Four levels on each channel keep black pixels, whose colour is noise, from counting.
    levels = pixels.astype(np.float32) + 4
    redness: NDArray[np.float32] = (levels[..., 2] - levels[..., 1]) / levels.sum(axis=-1)
    return redness


def _joined(luma: Crop, areas: Sequence[_Area]) -> Crop:
    return np.concatenate([luma[area].ravel() for area in areas])


def _cells(box: Box, width: int, height: int) -> _Area:
    """Rows and columns of the thumbnail that a box touches; empty outside the frame."""
    rows = _span(box.y, box.y + box.height, THUMBNAIL_SIDE / height)
    return rows, _span(box.x, box.x + box.width, THUMBNAIL_SIDE / width)


def _span(low: float, high: float, scale: float) -> slice:
    first = math.floor(min(max(low * scale, 0.0), THUMBNAIL_SIDE))
    last = math.ceil(min(max(high * scale, 0.0), THUMBNAIL_SIDE))
    return slice(first, last)


def _wrapped(degrees: float) -> float:
    return (degrees + 180) % 360 - 180
