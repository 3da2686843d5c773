import numpy as np
import pytest

from shualian.face.detection import FaceDetector
from shualian.face.liveness.decision import PASSIVE_SCORE_MIN
from shualian.face.liveness.passive import PassiveLiveness
from shualian.face.model import Box, DetectedFace, Picture
from shualian.face.weights.source import WeightSource
from shualian.face.weights.table import MINIFASNET_V1SE, MINIFASNET_V2
from shualian.sandbox.player import Actor, FaceVideo
from shualian.sandbox.presentation_attacks import AttackKind, simulate, simulate_bona_fide


@pytest.fixture(scope="module")
def passive(source: WeightSource) -> PassiveLiveness:
    return PassiveLiveness(source.read(MINIFASNET_V2), source.read(MINIFASNET_V1SE))


def test_a_frame_of_a_portrait_is_scored_as_live(
    passive: PassiveLiveness, detector: FaceDetector, portrait_actor: Actor
) -> None:
    frames = list(FaceVideo(portrait_actor).frames(5))

    scores = [passive.score(frame, detector.detect(frame)[0]) for frame in frames]

    assert np.median(scores) >= PASSIVE_SCORE_MIN


def test_a_simulated_print_with_its_edges_in_view_is_scored_below_the_living_face(
    passive: PassiveLiveness, detector: FaceDetector, portrait: Picture
) -> None:
    shown = [
        simulate_bona_fide(portrait, seed=1),
        simulate(portrait, AttackKind.PRINT_SHEET_VISIBLE, seed=1),
    ]

    live, attack = (passive.score(picture, detector.detect(picture)[0]) for picture in shown)

    assert attack < PASSIVE_SCORE_MIN
    assert attack < live


@pytest.mark.parametrize(
    "box",
    [Box(-50, -50, 100, 120), Box(600, 440, 200, 200), Box(0, 0, 640, 480), Box(1, 1, 2000, 3000)],
)
def test_a_box_that_reaches_past_the_picture_still_gives_a_score(
    passive: PassiveLiveness, portrait: Picture, box: Box
) -> None:
    frame = np.ascontiguousarray(portrait[:480, :640])

    score = passive.score(frame, DetectedFace(box, np.zeros((5, 2), np.float32), 0.9))

    assert 0.0 <= score <= 1.0
