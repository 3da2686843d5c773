"""From native measures to scores 0..100 and to the one hint.

Every score is piecewise linear in its native measure between four anchors: 0, 50, 75 and 100.
50 is the limit of a picture that is compared (probe) and 75 that of a picture that is kept
(enrolment), so that one rule holds for all: a score below the limit gives the measure's hint.
ISO/IEC 29794-5:2025 maps to 0..100 as well, by sigmoids of its own; the numbers are not
comparable. Where the anchors come from, what each defect costs and how reliable each rule is on
degraded pictures is written in ``docs/biometrics.md``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from shualian.face.model import (
    DetectedFace,
    Hint,
    Picture,
    Profile,
    Purpose,
    Quality,
    QualityMeasure,
)
from shualian.face.quality import measures as native
from shualian.face.quality.measures import FaceView

LIMITS: Mapping[Purpose, int] = MappingProxyType({Purpose.PROBE: 50, Purpose.ENROL: 75})
"""A score below it gives the hint."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Native values that score 0, 50, 75 and 100; they rise or fall, and beyond them it is flat."""

    zero: float
    probe: float
    enrol: float
    full: float

    def score(self, value: float) -> int:
        """The score 0..100 of a native value, rounded down."""
        anchors, scores = [self.zero, self.probe, self.enrol, self.full], [0, 50, 75, 100]
        if self.zero > self.full:
            anchors.reverse()
            scores.reverse()
        return int(np.interp(value, anchors, scores))


_M = QualityMeasure

SCALES: Mapping[QualityMeasure, Scale] = MappingProxyType(
    {
        _M.SINGLE_FACE: Scale(0.8, 0.4, 0.3, 0.0),
        _M.ILLUMINATION: Scale(0.05, 0.3, 0.5, 0.9),
        _M.UNDER_EXPOSURE: Scale(12, 28, 38, 90),
        _M.OVER_EXPOSURE: Scale(0.6, 0.15, 0.06, 0.0),
        _M.BACKGROUND_LIGHT: Scale(10.0, 4.5, 3.5, 1.0),
        _M.SHARPNESS: Scale(0.08, 0.15, 0.17, 0.22),
        _M.MOTION: Scale(0.3, 0.1, 0.05, 0.01),
        _M.FACE_SIZE: Scale(40, 80, 100, 160),
        _M.CLOSENESS: Scale(0.8, 0.48, 0.44, 0.38),
        _M.CENTRING: Scale(0.4, 0.2, 0.13, 0.0),
        _M.POSE_YAW: Scale(60, 25, 15, 0),
        _M.POSE_ROLL: Scale(45, 18, 12, 0),
        _M.MOUTH_VISIBLE: Scale(-6.0, -0.5, -0.2, 6.0),
        _M.EYES_VISIBLE: Scale(0.2, 0.52, 0.56, 0.8),
        _M.GLARE_FREE: Scale(0.3, 0.03, 0.015, 0.0),
    }
)
"""In the units of :mod:`shualian.face.quality.measures`."""

DIM_LIGHT = Scale(8, 20, 28, 90)
"""Under-exposure at the bedside, where lights are low at night."""

LIT_IN_FRONT = Scale(15, 40, 50, 90)
"""Grey level at which a face is bright enough whatever is behind it."""

ORDER: tuple[tuple[QualityMeasure, Hint], ...] = (
    (_M.SINGLE_FACE, Hint.SEVERAL_PEOPLE),
    (_M.OVER_EXPOSURE, Hint.TOO_BRIGHT),
    (_M.BACKGROUND_LIGHT, Hint.BACK_LIT),
    (_M.UNDER_EXPOSURE, Hint.TOO_DARK),
    (_M.ILLUMINATION, Hint.TOO_DARK),
    (_M.FACE_SIZE, Hint.TOO_FAR),
    (_M.CLOSENESS, Hint.TOO_CLOSE),
    (_M.CENTRING, Hint.OFF_CENTRE),
    (_M.MOUTH_VISIBLE, Hint.MASK),
    (_M.POSE_ROLL, Hint.TILTED),
    (_M.POSE_YAW, Hint.TURN_FRONT),
    (_M.GLARE_FREE, Hint.GLARE),
    (_M.EYES_VISIBLE, Hint.SUNGLASSES),
    (_M.SHARPNESS, Hint.MOVING),
    (_M.MOTION, Hint.MOVING),
)
"""The first measure below its limit gives the hint.

A cause comes before what it spoils, so that nobody is told a wrong reason: bad light spoils every
other measure, a face cut off by the frame is not where the crop expects it, landmarks are lost
under a mask and pose with them, background shows beside a head askew, and covered faces have less
detail. Inside light, frame, pose, glasses and blur the order is that of the measured effect on the
comparison (``docs/biometrics.md``).
"""

_NOT_AT_THE_BEDSIDE = frozenset({_M.POSE_YAW, _M.POSE_ROLL, _M.CENTRING, _M.ILLUMINATION})

DEMANDS: Mapping[Profile, frozenset[QualityMeasure]] = MappingProxyType(
    {
        Profile.STANDING: frozenset(SCALES),
        Profile.BEDSIDE: frozenset(SCALES) - _NOT_AT_THE_BEDSIDE,
    }
)
"""Measures that count; the others are stated and ignored."""

_LANDMARK_SPREAD_MIN = 1.0


def assess(
    picture: Picture,
    faces: Sequence[DetectedFace],
    *,
    profile: Profile,
    purpose: Purpose = Purpose.PROBE,
    previous: NDArray[np.uint8] | None = None,
) -> tuple[Quality, NDArray[np.uint8] | None]:
    """Measure the first face of a frame and choose the one hint.

    Args:
        picture: Height x width x 3, BGR.
        faces: Of the picture, the one that counts first.
        profile: How the person is in front of the camera.
        purpose: Enrolment asks for 75 of every measure, a probe for 50.
        previous: Thumbnail of the frame before; without it motion is not measured.

    Returns:
        The quality, and the thumbnail (32 x 32, grey, whole frame) to give with the next frame;
        none where there is no face. A face whose box or landmarks are no numbers or have no extent
        counts as none.
    """
    if not faces or not _has_extent(faces[0]):
        return Quality(measures={}, hint=Hint.NO_FACE, score=0), None
    thumbnail = native.thumbnail_of(picture)
    scores = _scores(picture, faces, profile, thumbnail, previous)
    return decide(scores, profile=profile, purpose=purpose), thumbnail


def decide(scores: Mapping[QualityMeasure, int], *, profile: Profile, purpose: Purpose) -> Quality:
    """The quality of a face from its scores: the gravest hint, and the lowest score that counts."""
    demanded = {measure: scores[measure] for measure in DEMANDS[profile] if measure in scores}
    limit = LIMITS[purpose]
    hints = (hint for measure, hint in ORDER if demanded.get(measure, limit) < limit)
    return Quality(
        measures=dict(scores),
        hint=next(hints, Hint.HOLD_STILL),
        score=min(demanded.values(), default=0),
    )


def _scores(
    picture: Picture,
    faces: Sequence[DetectedFace],
    profile: Profile,
    thumbnail: NDArray[np.uint8],
    previous: NDArray[np.uint8] | None,
) -> dict[QualityMeasure, int]:
    face = faces[0]
    view = FaceView.of(picture, face, thumbnail)
    values = {
        _M.SINGLE_FACE: native.second_face_share(faces),
        _M.ILLUMINATION: native.darker_half(view),
        _M.OVER_EXPOSURE: native.over_exposed_share(view),
        _M.SHARPNESS: native.detail(view),
        _M.FACE_SIZE: native.face_width(view),
        _M.CLOSENESS: native.height_share(view),
        _M.CENTRING: native.off_centre_share(view),
        _M.POSE_YAW: native.yaw(view),
        _M.POSE_ROLL: native.lean(view),
        _M.MOUTH_VISIBLE: native.mouth_redness(view),
        _M.EYES_VISIBLE: native.eye_brightness(view),
        _M.GLARE_FREE: native.glare_share(view),
    }
    if previous is not None and previous.shape == thumbnail.shape:
        values[_M.MOTION] = native.motion(view, native.turned_upright(previous, face))
    scores = {measure: SCALES[measure].score(value) for measure, value in values.items()}
    return scores | _exposure(view, profile)


def _exposure(view: FaceView, profile: Profile) -> dict[QualityMeasure, int]:
    """A bright background is a defect only as far as the face in front of it is dark.

    A dark skin before a white wall is neither under-exposed nor back-lit.
    """
    luma = native.mean_luma(view)
    scale = DIM_LIGHT if profile is Profile.BEDSIDE else SCALES[_M.UNDER_EXPOSURE]
    behind = SCALES[_M.BACKGROUND_LIGHT].score(native.background_ratio(view))
    return {
        _M.UNDER_EXPOSURE: scale.score(luma),
        _M.BACKGROUND_LIGHT: max(behind, LIT_IN_FRONT.score(luma)),
    }


def _has_extent(face: DetectedFace) -> bool:
    box = face.box
    numbers = [box.x, box.y, box.width, box.height, *face.landmarks.ravel().tolist()]
    if not all(math.isfinite(number) for number in numbers) or min(box.width, box.height) <= 0:
        return False
    return float(np.ptp(face.landmarks, axis=0).max()) >= _LANDMARK_SPREAD_MIN
