"""Every hint on sample faces with simulated defects, through detection."""

from collections.abc import Mapping

import numpy as np
import pytest

from shualian.face.detection import LIVE_SIDE, FaceDetector
from shualian.face.model import DetectedFace, Hint, Picture, Profile, Purpose, Quality
from shualian.face.quality import assess
from shualian.sandbox.degradations import DEFECTS, Defect, degrade, terminal_frame
from shualian.sandbox.samples import SamplePicture

# Side, direction and colour depend on the seed.
HINTED = [
    (Defect.DARK, 1.0, 1),
    (Defect.BRIGHT, 0.6, 1),
    (Defect.BACK_LIT, 0.9, 1),
    (Defect.ONE_SIDED, 1.0, 1),
    (Defect.MOTION_BLUR, 1.0, 1),
    (Defect.DEFOCUS, 0.75, 1),
    (Defect.SMALL, 0.75, 1),
    (Defect.CLOSE, 0.75, 1),
    (Defect.SHIFTED, 0.65, 1),
    (Defect.TURNED, 0.95, 1),
    (Defect.ROLLED, 0.65, 2),
    (Defect.MASK, 1.0, 1),
    (Defect.SUNGLASSES, 0.8, 1),
    (Defect.GLARE, 0.75, 1),
    (Defect.SECOND_PERSON, 0.75, 1),
]


@pytest.fixture(scope="module", params=["minister_a_1", "minister_b_1"])
def scene(
    request: pytest.FixtureRequest,
    samples: Mapping[str, SamplePicture],
    detector: FaceDetector,
) -> tuple[Picture, DetectedFace]:
    picture = samples[request.param].picture()
    frame, _ = terminal_frame(picture, detector.detect(picture)[0])
    return frame, detector.detect(frame)[0]


def _look(
    detector: FaceDetector,
    frame: Picture,
    *,
    profile: Profile = Profile.STANDING,
    purpose: Purpose = Purpose.PROBE,
    previous: np.ndarray | None = None,
) -> tuple[Quality, np.ndarray | None]:
    faces = detector.detect(frame, side_max=LIVE_SIDE, profile=profile)
    return assess(frame, faces, profile=profile, purpose=purpose, previous=previous)


def test_a_good_frame_is_told_to_hold_still(
    detector: FaceDetector, scene: tuple[Picture, DetectedFace]
) -> None:
    frame, _ = scene

    quality, thumbnail = _look(detector, frame)
    again, _ = _look(detector, frame, previous=thumbnail)

    assert quality.hint is Hint.HOLD_STILL
    assert again.hint is Hint.HOLD_STILL


def test_an_empty_frame_has_no_face(detector: FaceDetector) -> None:
    quality, thumbnail = _look(detector, np.full((480, 640, 3), 120, np.uint8))

    assert quality.hint is Hint.NO_FACE
    assert thumbnail is None


@pytest.mark.parametrize(("defect", "strength", "seed"), HINTED)
def test_a_defect_gets_its_hint(
    detector: FaceDetector,
    scene: tuple[Picture, DetectedFace],
    defect: Defect,
    strength: float,
    seed: int,
) -> None:
    quality, _ = _look(detector, degrade(*scene, defect, strength, seed=seed))

    assert quality.hint is DEFECTS[defect].hint


def test_a_face_that_moves_between_frames_is_told_to_stop(
    detector: FaceDetector, scene: tuple[Picture, DetectedFace]
) -> None:
    _, thumbnail = _look(detector, scene[0])

    quality, _ = _look(detector, degrade(*scene, Defect.MOVED, 0.5, seed=1), previous=thumbnail)

    assert quality.hint is Hint.MOVING


def test_every_hint_has_a_picture_that_gets_it() -> None:
    shown = {DEFECTS[defect].hint for defect, _, _ in HINTED} | {Hint.NO_FACE, Hint.HOLD_STILL}

    assert shown == set(Hint) - {Hint.EYES_CLOSED}


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_at_the_bedside_a_lying_face_is_good(
    detector: FaceDetector, scene: tuple[Picture, DetectedFace], quarters: int
) -> None:
    lying = np.ascontiguousarray(np.rot90(scene[0], quarters))

    quality, _ = _look(detector, lying, profile=Profile.BEDSIDE)

    assert quality.hint is Hint.HOLD_STILL


@pytest.mark.parametrize(("defect", "strength"), [(Defect.TURNED, 0.95), (Defect.SHIFTED, 0.65)])
def test_at_the_bedside_nobody_is_told_to_turn_or_to_move_to_the_middle(
    detector: FaceDetector, scene: tuple[Picture, DetectedFace], defect: Defect, strength: float
) -> None:
    worse = degrade(*scene, defect, strength, seed=1)

    assert _look(detector, worse)[0].hint is DEFECTS[defect].hint
    assert _look(detector, worse, profile=Profile.BEDSIDE)[0].hint is Hint.HOLD_STILL


def test_some_light_is_too_dark_at_a_terminal_and_enough_at_the_bedside(
    detector: FaceDetector, scene: tuple[Picture, DetectedFace]
) -> None:
    darker = [degrade(*scene, Defect.DARK, 0.8 + step / 50, seed=1) for step in range(10)]

    at_terminal = [_look(detector, frame)[0].acceptable for frame in darker]
    in_bed = [_look(detector, frame, profile=Profile.BEDSIDE)[0].acceptable for frame in darker]

    assert sum(in_bed) > sum(at_terminal) > 0
    assert in_bed == sorted(in_bed, reverse=True)


def test_a_dark_face_before_a_bright_wall_is_not_back_lit_unless_it_is_in_shadow(
    detector: FaceDetector, scene: tuple[Picture, DetectedFace]
) -> None:
    hints = [
        _look(detector, degrade(*scene, Defect.BACK_LIT, strength))[0].hint
        for strength in (0.3, 0.5, 0.9)
    ]

    assert hints == [Hint.HOLD_STILL, Hint.HOLD_STILL, Hint.BACK_LIT]


def test_between_too_soft_to_compare_and_sharp_enough_to_keep_a_picture_is_only_compared(
    detector: FaceDetector, scene: tuple[Picture, DetectedFace]
) -> None:
    softer = [degrade(*scene, Defect.DEFOCUS, step / 20, seed=1) for step in range(1, 15)]

    probed = [_look(detector, frame)[0].acceptable for frame in softer]
    kept = [_look(detector, frame, purpose=Purpose.ENROL)[0].acceptable for frame in softer]

    assert sum(probed) > sum(kept) > 0
    assert probed == sorted(probed, reverse=True)
