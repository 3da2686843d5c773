"""The face engine: loaded once, warm, safe for many threads; one thread a request."""

import numpy as np

from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.face.alignment import ALIGNMENT_ID, TEMPLATE, align
from shualian.face.calibration import OperationalPath
from shualian.face.detection import CAPTURE_SIDE, DETECTION_ID, LIVE_SIDE, FaceDetector
from shualian.face.embedding import FaceEmbedder
from shualian.face.liveness.passive import PassiveLiveness
from shualian.face.model import (
    NO_FACE,
    Box,
    DetectedFace,
    Inspection,
    Measurement,
    Picture,
    Profile,
    Purpose,
)
from shualian.face.pose import estimate_pose
from shualian.face.quality import assess
from shualian.face.weights.source import WeightSource
from shualian.face.weights.table import MINIFASNET_V1SE, MINIFASNET_V2, SFACE, YUNET

DEFAULT_PATH = OperationalPath(
    weights=(YUNET.sha256, SFACE.sha256),
    detection=DETECTION_ID,
    alignment=ALIGNMENT_ID,
    flip=True,
)
"""The operational path of the default weights."""

_IMAGINED_FACE = DetectedFace(
    box=Box(220.0, 140.0, 200.0, 200.0),
    landmarks=(TEMPLATE * 1.8 + [220.0, 140.0]).astype(np.float32),
    score=1.0,
)


class FaceEngine:
    """Pixels in, measurements out."""

    def __init__(self, source: WeightSource, *, path: OperationalPath = DEFAULT_PATH) -> None:
        """Load the weights and run every network once, so that the first request is not slow.

        Raises:
            Refused: ``face.weights_missing``, ``face.weights_altered``.
        """
        self.path = path
        self._detector = FaceDetector(source.read(YUNET))
        self._embedder = FaceEmbedder(source.read(SFACE))
        self._liveness = PassiveLiveness(source.read(MINIFASNET_V2), source.read(MINIFASNET_V1SE))
        self._warm_up()

    @property
    def path_id(self) -> str:
        """Names the operational path of every embedding that this engine makes."""
        return self.path.path_id

    @property
    def dimension(self) -> int:
        """Length of the embeddings."""
        return self._embedder.dimension

    def inspect(
        self,
        frame: Picture,
        *,
        profile: Profile = Profile.STANDING,
        previous: Inspection | None = None,
    ) -> Inspection:
        """What the live loop tells the person about one frame.

        Args:
            frame: Height x width x 3, BGR.
            profile: How the person is in front of the camera.
            previous: Of the frame before, to tell motion.
        """
        faces = self._detector.detect(
            frame,
            side_max=LIVE_SIDE,
            profile=profile,
            expected_rotation=previous.face.rotation if previous and previous.face else None,
        )
        quality, thumbnail = assess(
            frame, faces, profile=profile, previous=previous.thumbnail if previous else None
        )
        face = faces[0] if faces else None
        return Inspection(
            face=face,
            faces=len(faces),
            quality=quality,
            pose=estimate_pose(face.landmarks) if face else None,
            thumbnail=thumbnail,
        )

    def measure(
        self,
        frame: Picture,
        purpose: Purpose = Purpose.PROBE,
        *,
        profile: Profile = Profile.STANDING,
    ) -> Measurement:
        """All that a decision needs of the largest face in a frame; keeps no pixels.

        Raises:
            Refused: ``face.no_face``.
        """
        faces = self._detector.detect(
            frame,
            side_max=CAPTURE_SIDE,
            profile=profile,
            expected_rotation=self._rotation(frame, profile),
        )
        if not faces:
            raise Refused(NO_FACE)
        face = self._detector.refine_landmarks(frame, faces[0])
        quality, _ = assess(frame, [face, *faces[1:]], profile=profile, purpose=purpose)
        crop = align(frame, face.landmarks)
        return Measurement(
            face=face,
            quality=quality,
            pose=estimate_pose(face.landmarks),
            passive_liveness=self._liveness.score(frame, face),
            embedding=self._embedder.embed(crop, flip=self.path.flip),
            path_id=self.path_id,
        )

    def _rotation(self, frame: Picture, profile: Profile) -> int | None:
        """How a head lies, by all turns of the small picture: together they cost one large one."""
        if profile is Profile.STANDING:
            return None
        faces = self._detector.detect(frame, side_max=LIVE_SIDE, profile=profile)
        return faces[0].rotation if faces else None

    def _warm_up(self) -> None:
        """Let every network meet the shapes of a 640 x 480 frame."""
        frame, face = np.zeros((480, 640, 3), np.uint8), _IMAGINED_FACE
        self._detector.detect(frame, side_max=LIVE_SIDE)
        self._detector.detect(frame)
        self._detector.refine_landmarks(frame, face)
        self._liveness.score(frame, face)
        self._embedder.embed(align(frame, face.landmarks), flip=self.path.flip)


def load_engine(settings: Settings) -> FaceEngine:
    """The engine of this process, from the operator's folder or the installed packages."""
    return FaceEngine(WeightSource(settings.weights_dir))
