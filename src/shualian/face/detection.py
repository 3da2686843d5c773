"""Finding faces with YuNet (Wu, Peng, Yu: a tiny millisecond-level face detector, 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from shualian.face.model import Box, DetectedFace, Picture, Pose, Profile
from shualian.face.pose import estimate_pose
from shualian.face.weights.graph import with_free_image_size
from shualian.face.weights.session import Network, as_batch

SCORE_MIN = 0.6
"""Below it a detection is dropped (OpenCV Zoo's operating point is 0.6 to 0.9)."""

SURE_SCORE = 0.8
"""From here on a head that lies as it lay a moment ago is not looked for in other turns (starting
value): three of four detections are saved in every frame of a live loop at the bedside."""

OVERLAP_MAX = 0.3
"""Intersection over union above which the weaker of two boxes is dropped."""

LIVE_SIDE = 320
"""Longest side, pixels, of the picture in the live loop."""

CAPTURE_SIDE = 640
"""Longest side, pixels, of a picture that is measured."""

DETECTION_ID = "yunet-640-landmarks-median-640-160m-256m"
"""Names detection with refined landmarks in an operational path."""

_REFINING_SIDES = (160, 256)
_REFINING_MARGIN = 2.0
_MIRRORED_ORDER = [1, 0, 2, 4, 3]
_STRIDES = (8, 16, 32)
_MULTIPLE = 32
_BEDSIDE_ROTATIONS = (0, 90, 180, 270)
_UPRIGHT_ROLL_MAX = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class _Scaled:
    picture: Picture
    scale: float


class FaceDetector:
    """YuNet behind one verb; thread-safe."""

    def __init__(self, content: bytes) -> None:
        """Load the published ONNX file's bytes."""
        self._network = Network(with_free_image_size(content))

    def detect(
        self,
        picture: Picture,
        *,
        side_max: int = CAPTURE_SIDE,
        profile: Profile = Profile.STANDING,
        expected_rotation: int | None = None,
    ) -> list[DetectedFace]:
        """All faces, largest first.

        Args:
            picture: Height x width x 3, BGR.
            side_max: The picture is made smaller, never larger, to this longest side in pixels.
            profile: At the bedside the picture is also tried turned by 90, 180 and 270 degrees,
                and the turn with the most confident upright face is taken.
            expected_rotation: How the head lay a moment ago, see ``DetectedFace``; where it still
                lies so beyond doubt, the other turns are not tried. It must come from a look at
                all turns: a head that is upside down is found upright too, with less confidence.
        """
        scaled = _scaled_down(picture, side_max)
        if profile is Profile.STANDING:
            faces = self._detect_upright(scaled.picture)
        else:
            faces = self._detect_turned(scaled.picture, expected_rotation)
        faces = [_rescaled(face, scaled.scale) for face in faces]
        return sorted(faces, key=lambda face: face.box.width * face.box.height, reverse=True)

    def refine_landmarks(self, picture: Picture, face: DetectedFace) -> DetectedFace:
        """The face with its landmarks estimated five times and the median taken, point by point.

        Besides the first estimate, the face's surroundings are cut out, brought to two sizes and
        detected as they are and mirrored. The detector's points scatter by some pixels with scale
        and mirroring; the median is steadier, which lowers the false non-match rate of the
        comparison (measured in ``docs/biometrics.md``) for about 3 ms.
        """
        crop, origin = _surroundings(picture, face.box)
        upright = np.ascontiguousarray(np.rot90(crop, face.rotation // 90))
        estimates = [face.landmarks]
        for side in _REFINING_SIDES:
            scale = side / len(upright)
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            resized = np.asarray(cv2.resize(upright, (side, side), interpolation=how), np.uint8)
            for points in self._landmarks_of_central_face(resized):
                in_crop = (points + 0.5) / np.float32(scale) - 0.5
                estimates.append(_unturn(in_crop, face.rotation, crop.shape) + origin)
        landmarks = np.median(np.stack(estimates), axis=0).astype(np.float32)
        return replace(face, landmarks=landmarks)

    def _landmarks_of_central_face(self, square: Picture) -> list[NDArray[np.float32]]:
        side = len(square)
        found = []
        if face := _most_central(self._detect_upright(square), side):
            found.append(face.landmarks)
        mirrored = np.ascontiguousarray(square[:, ::-1])
        if face := _most_central(self._detect_upright(mirrored), side):
            points = face.landmarks[_MIRRORED_ORDER].copy()
            points[:, 0] = side - 1 - points[:, 0]
            found.append(points)
        return found

    def _detect_turned(self, picture: Picture, expected: int | None) -> list[DetectedFace]:
        best: list[DetectedFace] = []
        for rotation in sorted(_BEDSIDE_ROTATIONS, key=lambda each: each != expected):
            turned = np.ascontiguousarray(np.rot90(picture, rotation // 90))
            found = [face for face in self._detect_upright(turned) if _is_upright(face)]
            if _best_score(found) > _best_score(best):
                best = [_turned_back(face, rotation, picture.shape) for face in found]
            if rotation == expected and _best_score(best) >= SURE_SCORE:
                break
        return best

    def _detect_upright(self, picture: Picture) -> list[DetectedFace]:
        height, width = picture.shape[:2]
        padded = cv2.copyMakeBorder(
            picture, 0, -height % _MULTIPLE, 0, -width % _MULTIPLE, cv2.BORDER_CONSTANT
        )
        outputs = self._network.run(as_batch(np.asarray(padded, np.uint8)))
        columns = padded.shape[1]
        rows = [_decode(outputs, stride, columns // stride) for stride in _STRIDES]
        return _suppress_overlaps(np.concatenate(rows))


def _scaled_down(picture: Picture, side_max: int) -> _Scaled:
    height, width = picture.shape[:2]
    scale = min(1.0, side_max / max(height, width))
    if scale == 1.0:
        return _Scaled(picture, 1.0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return _Scaled(np.asarray(smaller, np.uint8), scale)


def _decode(
    outputs: Mapping[str, NDArray[np.float32]], stride: int, columns: int
) -> NDArray[np.float32]:
    """Rows of x, y, width, height, ten landmark numbers and score for one stride."""
    cls, obj, box, kps = (outputs[f"{kind}_{stride}"][0] for kind in ("cls", "obj", "bbox", "kps"))
    score = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
    cells = np.flatnonzero(score >= SCORE_MIN)
    origin = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    centre = (origin + box[cells, :2]) * stride
    size = np.exp(box[cells, 2:]) * stride
    points = (kps[cells].reshape(-1, 5, 2) + origin[:, None]) * stride
    return np.concatenate(
        [centre - size / 2, size, points.reshape(-1, 10), score[cells, None]], axis=1
    )


def _suppress_overlaps(rows: NDArray[np.float32]) -> list[DetectedFace]:
    if not len(rows):
        return []
    boxes, scores = rows[:, :4].tolist(), rows[:, 14].tolist()
    kept = np.asarray(cv2.dnn.NMSBoxes(boxes, scores, SCORE_MIN, OVERLAP_MAX)).ravel()
    return [
        DetectedFace(
            box=Box(*(float(value) for value in row[:4])),
            landmarks=row[4:14].reshape(5, 2).astype(np.float32),
            score=float(row[14]),
        )
        for row in rows[kept]
    ]


def _surroundings(picture: Picture, box: Box) -> tuple[Picture, NDArray[np.float32]]:
    """The square of twice the face's size, black past the picture's edge, and its origin."""
    side = max(2, int(_REFINING_MARGIN * max(box.width, box.height)))
    left, top = (int(centre - side / 2) for centre in box.centre)
    height, width = picture.shape[:2]
    square = np.zeros((side, side, 3), np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x0 < x1 and y0 < y1:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
    return square, np.array([left, top], np.float32)


def _most_central(faces: list[DetectedFace], side: int) -> DetectedFace | None:
    def distance(face: DetectedFace) -> float:
        x, y = face.box.centre
        return float(np.hypot(x - side / 2, y - side / 2))

    return min(faces, key=distance, default=None)


def _rescaled(face: DetectedFace, scale: float) -> DetectedFace:
    box = face.box
    return replace(
        face,
        box=Box(box.x / scale, box.y / scale, box.width / scale, box.height / scale),
        landmarks=face.landmarks / np.float32(scale),
    )


def _is_upright(face: DetectedFace) -> bool:
    pose: Pose = estimate_pose(face.landmarks)
    return abs(pose.roll) <= _UPRIGHT_ROLL_MAX


def _best_score(faces: list[DetectedFace]) -> float:
    return max((face.score for face in faces), default=0.0)


def _turned_back(face: DetectedFace, rotation: int, shape: tuple[int, ...]) -> DetectedFace:
    """The face of a picture turned counter-clockwise by ``rotation``, in the unturned picture."""
    box = face.box
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]], np.float32)
    low, high = np.sort(_unturn(corners, rotation, shape), axis=0)
    return DetectedFace(
        box=Box(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])),
        landmarks=_unturn(face.landmarks, rotation, shape),
        score=face.score,
        rotation=rotation,
    )


def _unturn(
    points: NDArray[np.float32], rotation: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    height, width = shape[:2]
    x, y = points[:, 0], points[:, 1]
    match rotation:
        case 90:
            return np.stack([width - 1 - y, x], axis=1)
        case 180:
            return np.stack([width - 1 - x, height - 1 - y], axis=1)
        case 270:
            return np.stack([y, height - 1 - x], axis=1)
        case _:
            return points
