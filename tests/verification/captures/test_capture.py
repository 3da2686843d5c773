from collections.abc import Mapping

import numpy as np
import pytest

from shualian.core.refusals import Refused
from shualian.face.calibration import load_calibration
from shualian.face.comparison import similarity
from shualian.face.engine import DEFAULT_PATH, FaceEngine
from shualian.face.liveness.challenge import (
    ChallengeFailure,
    ChallengeResult,
)
from shualian.face.liveness.decision import (
    AttackDetectionErrorRates,
    LivenessLevel,
    LivenessReason,
)
from shualian.face.model import NO_FACE, PICTURE_TOO_LARGE, Hint, Profile
from shualian.face.pictures import decode_picture
from shualian.face.weights.source import WeightSource
from shualian.sandbox.player import Actor, FaceVideo, Scene, encode_frame
from shualian.sandbox.samples import SamplePicture, sample_pictures
from shualian.verification.captures.capture import FRAMES_KEPT, Capture


@pytest.fixture(scope="module")
def engine() -> FaceEngine:
    return FaceEngine(WeightSource(None))


@pytest.fixture(scope="module")
def samples() -> Mapping[str, SamplePicture]:
    return sample_pictures()


@pytest.fixture(scope="module")
def rates() -> AttackDetectionErrorRates:
    found = load_calibration(DEFAULT_PATH).attack_detection
    assert found is not None
    return found


def _video(samples: Mapping[str, SamplePicture], scene: Scene = Scene.GOOD) -> FaceVideo:
    return FaceVideo(Actor.of(samples["minister_a_1"]), scene=scene)


def test_good_frames_make_a_capture_ready_and_live(
    engine: FaceEngine, samples: Mapping[str, SamplePicture], rates: AttackDetectionErrorRates
) -> None:
    capture = Capture(engine)

    hints = [capture.take(frame) for frame in _video(samples).encoded_frames(FRAMES_KEPT)]
    captured = capture.finish(level=LivenessLevel.PASSIVE, error_rates=rates)

    assert hints == [Hint.HOLD_STILL] * FRAMES_KEPT
    assert captured.liveness.live
    assert captured.probe.path_id == engine.path_id
    assert all(quality.acceptable for quality in captured.qualities)


def test_frames_that_need_a_hint_are_not_kept(
    engine: FaceEngine, samples: Mapping[str, SamplePicture]
) -> None:
    capture = Capture(engine)

    for frame in _video(samples, Scene.DARK).encoded_frames(FRAMES_KEPT + 1):
        assert capture.take(frame) is Hint.TOO_DARK

    assert not capture.ready


def test_pixels_are_forgotten_when_the_capture_is_finished(
    engine: FaceEngine, samples: Mapping[str, SamplePicture], rates: AttackDetectionErrorRates
) -> None:
    capture = Capture(engine)
    for frame in _video(samples).encoded_frames(FRAMES_KEPT):
        capture.take(frame)

    capture.finish(level=LivenessLevel.PASSIVE, error_rates=rates)

    assert not capture.ready
    with pytest.raises(Refused) as refused:
        capture.finish(level=LivenessLevel.PASSIVE, error_rates=rates)
    assert refused.value.kind is NO_FACE


def test_a_failed_challenge_makes_the_capture_not_live(
    engine: FaceEngine, samples: Mapping[str, SamplePicture], rates: AttackDetectionErrorRates
) -> None:
    capture = Capture(engine)
    for frame in _video(samples).encoded_frames(FRAMES_KEPT):
        capture.take(frame)
    missed = ChallengeResult(1, ChallengeFailure.TOO_LATE)

    captured = capture.finish(level=LivenessLevel.ACTIVE, error_rates=rates, challenge=missed)

    assert not captured.liveness.live


def test_few_frames_are_no_live_person(
    engine: FaceEngine, samples: Mapping[str, SamplePicture], rates: AttackDetectionErrorRates
) -> None:
    capture = Capture(engine)
    capture.take(next(iter(_video(samples).encoded_frames(1))))

    captured = capture.finish(level=LivenessLevel.PASSIVE, error_rates=rates)

    assert not captured.liveness.live
    assert getattr(captured.liveness, "reason", None) is LivenessReason.TOO_FEW_FRAMES


def test_a_frame_larger_than_terminals_send_is_refused(engine: FaceEngine) -> None:
    huge = encode_frame(np.zeros((2000, 3000, 3), np.uint8))

    with pytest.raises(Refused) as refused:
        Capture(engine).take(huge)

    assert refused.value.kind is PICTURE_TOO_LARGE


def _lying(samples: Mapping[str, SamplePicture], rotated: int) -> list[bytes]:
    """A head on its side or upside down, in less than half of the light."""
    frames = _video(samples).frames(FRAMES_KEPT)
    dim = ((frame * 0.45).astype(np.uint8) for frame in frames)
    return [encode_frame(np.ascontiguousarray(np.rot90(each, rotated // 90))) for each in dim]


@pytest.mark.parametrize("rotated", [0, 90, 180, 270])
def test_a_lying_face_is_taken_at_the_bedside_and_shown_upright_to_the_registry(
    engine: FaceEngine,
    samples: Mapping[str, SamplePicture],
    rates: AttackDetectionErrorRates,
    rotated: int,
) -> None:
    capture = Capture(engine, profile=Profile.BEDSIDE)
    for frame in _lying(samples, rotated):
        assert capture.take(frame) is Hint.HOLD_STILL

    captured = capture.finish(level=LivenessLevel.PASSIVE, error_rates=rates)

    assert captured.profile is Profile.BEDSIDE
    assert captured.picture is not None
    # The registry expects people who stand, and finds the same face.
    upright = engine.measure(decode_picture(captured.picture))
    assert upright.face.rotation == 0
    assert abs(upright.pose.roll) < 20
    assert similarity(upright.embedding, captured.probe.embedding) > 0.9


def test_a_lying_face_is_not_taken_by_a_terminal_for_people_who_stand(
    engine: FaceEngine, samples: Mapping[str, SamplePicture]
) -> None:
    capture = Capture(engine)

    for frame in _lying(samples, 90):
        capture.take(frame)

    assert not capture.ready


def test_a_standing_face_is_shown_to_the_registry_as_the_terminal_sent_it(
    engine: FaceEngine, samples: Mapping[str, SamplePicture], rates: AttackDetectionErrorRates
) -> None:
    capture, frames = Capture(engine), list(_video(samples).encoded_frames(FRAMES_KEPT))
    for frame in frames:
        capture.take(frame)

    captured = capture.finish(level=LivenessLevel.PASSIVE, error_rates=rates)

    assert captured.picture in frames
    assert captured.profile is Profile.STANDING
