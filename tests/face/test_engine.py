import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shualian.core.database import SqliteDatabase, WorkInTransactionError
from shualian.core.refusals import Refused
from shualian.face.comparison import similarity
from shualian.face.engine import FaceEngine
from shualian.face.model import NO_FACE, Hint, Picture, Profile, Purpose
from shualian.sandbox.player import Actor, FaceVideo, Scene
from shualian.sandbox.samples import SamplePicture


def test_a_good_frame_gets_the_hint_to_hold_still_and_a_measurement(
    engine: FaceEngine, portrait_actor: Actor
) -> None:
    frame = next(iter(FaceVideo(portrait_actor).frames(1)))

    seen = engine.inspect(frame)
    measured = engine.measure(frame)

    assert seen.quality.hint is Hint.HOLD_STILL
    assert seen.faces == 1
    assert measured.quality.acceptable
    assert 0 <= measured.passive_liveness <= 1
    assert np.linalg.norm(measured.embedding) == pytest.approx(1.0, abs=1e-5)
    assert measured.embedding.shape == (engine.dimension,)
    assert measured.path_id == engine.path_id


def test_an_empty_frame_is_refused_and_inspected_as_no_face(engine: FaceEngine) -> None:
    frame = np.full((480, 640, 3), 127, np.uint8)

    with pytest.raises(Refused) as refused:
        engine.measure(frame)

    assert refused.value.kind is NO_FACE
    assert engine.inspect(frame).quality.hint is Hint.NO_FACE


def test_two_pictures_of_one_person_match_and_of_two_people_do_not(
    engine: FaceEngine, samples: Mapping[str, SamplePicture]
) -> None:
    enrolled, probe, other = (
        engine.measure(samples[name].picture(), Purpose.ENROL).embedding
        for name in ("minister_a_2", "minister_a_1", "minister_b_1")
    )

    assert similarity(enrolled, probe) > 0.5
    assert similarity(enrolled, other) < 0.3


def test_at_the_bedside_a_lying_face_gives_the_same_person(
    engine: FaceEngine, portrait: Picture
) -> None:
    lying = np.ascontiguousarray(np.rot90(portrait))

    upright = engine.measure(portrait).embedding
    at_bedside = engine.measure(lying, profile=Profile.BEDSIDE).embedding

    assert similarity(upright, at_bedside) > 0.9


def test_many_threads_get_the_answers_that_one_gets(
    engine: FaceEngine, portrait_actor: Actor
) -> None:
    frames = list(FaceVideo(portrait_actor).frames(6))
    alone = [engine.measure(frame).embedding for frame in frames]
    gate = threading.Barrier(3)

    def measure_all(_: int) -> list[np.ndarray]:
        gate.wait()
        return [engine.measure(frame).embedding for frame in frames]

    with ThreadPoolExecutor(3) as pool:
        for together in pool.map(measure_all, range(3)):
            np.testing.assert_allclose(np.stack(together), np.stack(alone), atol=1e-6)


def test_looking_at_a_face_inside_a_transaction_is_a_fault(
    engine: FaceEngine, sqlite_database: SqliteDatabase, portrait: Picture
) -> None:
    with pytest.raises(WorkInTransactionError):
        sqlite_database.write(lambda _: engine.measure(portrait))


@pytest.mark.parametrize(
    ("scene", "hint"),
    [
        (Scene.NOBODY, Hint.NO_FACE),
        (Scene.DARK, Hint.TOO_DARK),
        (Scene.FAR, Hint.TOO_FAR),
        (Scene.TURNED, Hint.TURN_FRONT),
        (Scene.BACK_LIT, Hint.BACK_LIT),
        (Scene.CLOSE, Hint.TOO_CLOSE),
        (Scene.OFF_CENTRE, Hint.OFF_CENTRE),
    ],
)
def test_each_scene_gets_the_hint_that_helps(
    engine: FaceEngine, portrait_actor: Actor, scene: Scene, hint: Hint
) -> None:
    frames = list(FaceVideo(portrait_actor, scene=scene).frames(3))

    hints = [engine.inspect(frame).quality.hint for frame in frames]

    assert hints == [hint] * 3
