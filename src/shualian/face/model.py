"""Values of the face part: faces, quality, pose, measurements, and its closed set of refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from shualian.core.refusals import Finality, Helper, KindsOf

Picture = NDArray[np.uint8]
"""One frame: height x width x 3, BGR, 0..255."""

Embedding = NDArray[np.float32]
"""A biometric feature vector of unit length, 1-D."""


class Profile(StrEnum):
    """How a person is in front of the camera."""

    STANDING = "standing"
    BEDSIDE = "bedside"


class Purpose(StrEnum):
    """What a measurement is for; enrolment asks more of a picture than a comparison."""

    ENROL = "enrol"
    PROBE = "probe"


class Hint(StrEnum):
    """The one thing to tell a person now (wording: frontend, section 9); a closed set."""

    NO_FACE = "no_face"
    SEVERAL_PEOPLE = "several_people"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BACK_LIT = "back_lit"
    TOO_FAR = "too_far"
    TOO_CLOSE = "too_close"
    OFF_CENTRE = "off_centre"
    MASK = "mask"
    SUNGLASSES = "sunglasses"
    GLARE = "glare"
    EYES_CLOSED = "eyes_closed"
    TURN_FRONT = "turn_front"
    TILTED = "tilted"
    MOVING = "moving"
    HOLD_STILL = "hold_still"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the picture; may reach past its edges."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """A face that the detector found.

    Attributes:
        box: Around the face.
        landmarks: 5 x 2 pixels, in the order of the picture from left to right for an upright
            face: eye, eye, nose tip, mouth corner, mouth corner.
        score: The detector's confidence, 0..1.
        rotation: Degrees (0, 90, 180, 270) by which the picture was turned counter-clockwise to
            find the face; box and landmarks are in the unturned picture.
    """

    box: Box
    landmarks: NDArray[np.float32]
    score: float
    rotation: int = 0


@dataclass(frozen=True, slots=True)
class Pose:
    """Head pose in degrees.

    ``yaw`` is positive when the nose points to the right-hand side of the (unmirrored) picture's
    viewer, that is when the person turned to their own left; ``roll`` is positive when the head
    leans clockwise as seen in the picture.
    """

    yaw: float
    roll: float


class QualityMeasure(StrEnum):
    """Measures of a face picture, each 0..100, higher is better (ISO/IEC 29794-5 spirit)."""

    SINGLE_FACE = "single_face"
    ILLUMINATION = "illumination"
    UNDER_EXPOSURE = "under_exposure_prevention"
    OVER_EXPOSURE = "over_exposure_prevention"
    BACKGROUND_LIGHT = "background_light"
    SHARPNESS = "sharpness"
    MOTION = "motion_prevention"
    FACE_SIZE = "face_size"
    CLOSENESS = "closeness"
    CENTRING = "centring"
    POSE_YAW = "pose_yaw"
    POSE_ROLL = "pose_roll"
    MOUTH_VISIBLE = "mouth_visible"
    EYES_VISIBLE = "eyes_visible"
    GLARE_FREE = "glare_free"
    EYES_OPEN = "eyes_open"


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured of a face picture and the gravest thing to tell the person.

    Attributes:
        measures: 0..100 each; only those that could be measured are present.
        hint: The one hint to show; ``HOLD_STILL`` when nothing is wrong.
        score: 0..100 overall, the lowest of the measures that count for the profile.
    """

    measures: Mapping[QualityMeasure, int]
    hint: Hint
    score: int

    @property
    def acceptable(self) -> bool:
        """Whether the picture may be compared."""
        return self.hint is Hint.HOLD_STILL


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """What the live loop sees in one frame; cheap, gives the hint.

    Attributes:
        face: The face that counts, if any.
        faces: How many faces were found.
        quality: Measures and hint.
        pose: Of ``face``.
        thumbnail: 32 x 32 grey of the whole frame, to tell motion in the face's place against the
            next frame.
    """

    face: DetectedFace | None
    faces: int
    quality: Quality
    pose: Pose | None
    thumbnail: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """All that the decision needs of one frame; holds no pixels.

    Attributes:
        face: The face that was measured.
        quality: Of the full frame.
        pose: Of the face.
        passive_liveness: 0..1, higher is more like a live person (one frame says little).
        embedding: Unit vector under ``path_id``.
        path_id: The operational path (weights, detector, alignment, flip) that made the vector;
            vectors of different paths must not be compared.
    """

    face: DetectedFace
    quality: Quality
    pose: Pose
    passive_liveness: float
    embedding: Embedding
    path_id: str


_kind = KindsOf("face").kind


PICTURE_UNREADABLE = _kind(
    "picture_unreadable",
    "图片打不开",
    "The picture cannot be read",
    "请用 JPEG、PNG 或 WebP 的静态图片",
    "Use a still picture in JPEG, PNG or WebP",
    Helper.TECHNICIAN,
)
PICTURE_TOO_LARGE = _kind(
    "picture_too_large",
    "图片太大",
    "The picture is too large",
    "请把图片缩小后再试",
    "Make the picture smaller and try again",
    Helper.TECHNICIAN,
)
PICTURE_TOO_SMALL = _kind(
    "picture_too_small",
    "图片太小",
    "The picture is too small",
    "请用更大的图片",
    "Use a larger picture",
    Helper.TECHNICIAN,
)
NO_FACE = _kind(
    "no_face",
    "没有看到人脸",
    "No face was found",
    "请站到屏幕前，脸对准框",
    "Stand in front of the screen, face in the oval",
    Helper.SELF,
    Finality.TEMPORARY,
)
WEIGHTS_MISSING = _kind(
    "weights_missing",
    "缺少人脸模型文件",
    "A face model file is missing",
    "运行 make weights，或把文件放进 SHUALIAN_WEIGHTS_DIR",
    "Run `make weights`, or put the file into SHUALIAN_WEIGHTS_DIR",
    Helper.TECHNICIAN,
)
WEIGHTS_ALTERED = _kind(
    "weights_altered",
    "人脸模型文件和登记的不一致",
    "A face model file is not the registered one",
    "不要使用这个文件；删除后运行 make weights 重新安装",
    "Do not use the file; delete it and run `make weights` to install it again",
    Helper.TECHNICIAN,
)
NOT_CALIBRATED = _kind(
    "not_calibrated",
    "这套模型没有经过标定",
    "There is no calibration for this operational path",
    "运行 shualian face calibrate，或换回已标定的模型",
    "Run `shualian face calibrate`, or go back to calibrated weights",
    Helper.TECHNICIAN,
)
ERROR_RATE_NOT_PROVEN = _kind(
    "error_rate_not_proven",
    "标定数据不足以证明这个误识率",
    "The calibration data cannot prove this error rate",
    "请用更高的误识率，或用更多人的数据重新标定",
    "Ask for a higher rate, or calibrate with more people",
    Helper.TECHNICIAN,
)
MANIFEST_INVALID = _kind(
    "manifest_invalid",
    "清单文件有错误",
    "The manifest is not valid",
    "表头应为 identity,file（活体为 file,kind），文件要存在",
    "The header is identity,file (for PAD: file,kind) and each file must exist",
    Helper.TECHNICIAN,
)

REFUSALS = (
    PICTURE_UNREADABLE,
    PICTURE_TOO_LARGE,
    PICTURE_TOO_SMALL,
    NO_FACE,
    WEIGHTS_MISSING,
    WEIGHTS_ALTERED,
    NOT_CALIBRATED,
    ERROR_RATE_NOT_PROVEN,
    MANIFEST_INVALID,
)
