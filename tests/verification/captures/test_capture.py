from collections.abc import Mapping

import numpy as np
import pytest

from shualian.core.refusals import Refused
from shualian.face.calibration import load_calibration
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
from shualian.face.model import NO_FACE, PICTURE_TOO_LARGE, Hint
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
