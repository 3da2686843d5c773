"""Passive liveness of one frame: the MiniFASNet pair (Silent-Face-Anti-Spoofing)."""

import cv2
import numpy as np

from shualian.face.model import DetectedFace, Picture
from shualian.face.weights.minifasnet import INPUT_SIDE, minifasnet_graph
from shualian.face.weights.session import Network, as_batch
from shualian.face.weights.torch_reader import read_checkpoint

NEAR_SCALE = 2.7
"""Side of the crop of MiniFASNetV2, in face boxes."""

WIDE_SCALE = 4.0
"""Side of the crop of MiniFASNetV1SE, in face boxes: it looks for the edges of a medium."""

_LIVE = 1


class PassiveLiveness:
    """Both networks behind one verb; thread-safe."""

    def __init__(self, near: bytes, wide: bytes) -> None:
        """Load the published checkpoints of MiniFASNetV2 and MiniFASNetV1SE."""
        self._near = _network(near, "2.7_80x80_MiniFASNetV2.pth")
        self._wide = _network(wide, "4_0_0_80x80_MiniFASNetV1SE.pth")

    def score(self, picture: Picture, face: DetectedFace) -> float:
        """0..1: the mean of both networks' probability that a live person stands there.

        One frame says little; :mod:`shualian.face.liveness.decision` takes the median of several.
        """
        scores = [
            network.run(as_batch(_surroundings(picture, face, scale)))["score"][0, _LIVE]
            for network, scale in ((self._near, NEAR_SCALE), (self._wide, WIDE_SCALE))
        ]
        return float(np.mean(scores))


def _network(checkpoint: bytes, name: str) -> Network:
    return Network(minifasnet_graph(read_checkpoint(checkpoint, name=name)))


def _surroundings(picture: Picture, face: DetectedFace, scale: float) -> Picture:
    """A crop of ``scale`` face boxes, shrunk and shifted to lie inside the picture, upright."""
    height, width = picture.shape[:2]
    box = face.box
    scale = max(0.0, min(scale, (width - 1) / box.width, (height - 1) / box.height))
    left, right = _inside(box.x + box.width / 2, box.width * scale, width)
    top, bottom = _inside(box.y + box.height / 2, box.height * scale, height)
    crop = np.rot90(picture[top : bottom + 1, left : right + 1], face.rotation // 90)
    resized = cv2.resize(np.ascontiguousarray(crop), (INPUT_SIDE, INPUT_SIDE))
    return np.asarray(resized, np.uint8)


def _inside(centre: float, length: float, limit: int) -> tuple[int, int]:
    start = min(max(centre - length / 2, 0.0), max(limit - 1 - length, 0.0))
    return int(start), min(int(start + length), limit - 1)
