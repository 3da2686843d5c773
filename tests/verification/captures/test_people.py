"""Whole captures of simulated people with the real engine: they prove plumbing, not error rates.

Nobody is recorded here: faces are moved by :mod:`shualian.sandbox.player`, attacks are simulated.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shualian.core.id_number import parse_id_number
from shualian.face.calibration import load_calibration
from shualian.face.engine import DEFAULT_PATH, FaceEngine
from shualian.face.liveness.challenge import Challenge, Turn
from shualian.face.model import Hint
from shualian.face.weights.source import WeightSource
from shualian.sandbox.player import Actor, FaceVideo, encode_frame
from shualian.sandbox.presentation_attacks import AttackKind, simulate
from shualian.sandbox.samples import sample_pictures
from shualian.sandbox.simulated_person import (
    Habit,
    Person,
    does_nothing,
    obeys,
    turns_the_wrong_way,
)
from shualian.verification.captures.model import (
    EnoughMessage,
    RefusedMessage,
    ResultMessage,
    SeenMessage,
    TypedNumberBody,
    pack_frame,
)
from shualian.verification.model import ConsentPurpose, SessionState, VoucherStanding
from verification.captures.hall import Hall, Visitor, visiting
from verification.captures.stage import refused_code
from verification.world import ID_NUMBERS, ZHANG

RIGHT_BACK_LEFT = Challenge((Turn.RIGHT, Turn.BACK, Turn.LEFT))
_RATES = load_calibration(DEFAULT_PATH).attack_detection


@pytest.fixture(scope="module")
def engine() -> FaceEngine:
    return FaceEngine(WeightSource(None))


@pytest.fixture(scope="module")
def actors() -> Mapping[str, Actor]:
    samples = sample_pictures()
    names = ("minister_a_1", "minister_a_2", "president_a_1")
    return {name: Actor.of(samples[name]) for name in names}


@pytest.fixture(scope="module")
def visitor(
    engine: FaceEngine, actors: Mapping[str, Actor], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitor]:
    """One served hall for the module; the called patient is enrolled with another picture."""
    assert _RATES is not None
    folder: Path = tmp_path_factory.mktemp("hall")
    hall = Hall(folder, engine=engine, path_id=engine.path_id, error_rates=_RATES)
    hall.office.calls[hall.device.terminal_id] = ZHANG
    frame = next(FaceVideo(actors["minister_a_2"], seed=3).frames(1))
    hall.templates.of = {ZHANG: engine.measure(frame).embedding}
    with visiting(hall) as served:
        yield served
    hall.close()


@pytest.fixture
def person(visitor: Visitor, actors: Mapping[str, Actor]) -> Callable[..., Person]:
    """Somebody before the camera; some time goes by between two frames."""

    def stands(
        name: str = "minister_a_1", habit: Habit = obeys, seconds: float = 0.2, **how: Any
    ) -> Person:
        return Person(actors[name], habit, each=lambda: visitor.hall.wait(seconds), **how)

    return stands


def test_whoever_follows_the_prompts_is_verified(
    visitor: Visitor, person: Callable[..., Person]
) -> None:
    visitor.hall.challenge = RIGHT_BACK_LEFT
    begun = visitor.begin()
    prompts: list[Turn] = []
    boxes = []
    stands = person()

    def camera(seen: SeenMessage | None) -> bytes:
        if seen is not None and seen.prompt is not None and prompts[-1:] != [seen.prompt]:
            prompts.append(seen.prompt)
        if seen is not None:
            boxes.append(seen.box)
        return stands(seen)

    result = visitor.client.capture(begun, camera)

    assert isinstance(result, ResultMessage)
    assert result.state is SessionState.VERIFIED
    assert tuple(prompts) == RIGHT_BACK_LEFT.turns
    assert all(box is not None and 0.3 < box.height / 480 < 0.5 for box in boxes)


def test_a_first_activation_offers_a_template_of_the_best_frame(
    visitor: Visitor, person: Callable[..., Person], engine: FaceEngine
) -> None:
    office = visitor.hall.office
    office.stands(ZHANG, VoucherStanding.NOT_ACTIVATED)
    number = TypedNumberBody(kind="typed_number", id_number=ID_NUMBERS[ZHANG].value)
    consents = [ConsentPurpose.COMPARISON, ConsentPurpose.TEMPLATE]
    result = visitor.client.capture(visitor.begin(number, consents=consents), person())

    assert isinstance(result, ResultMessage)
    assert result.activated
    session, template = office.followed[-1]
    assert session.person is not None
    assert template is not None
    assert template.path_id == engine.path_id
    assert np.linalg.norm(template.embedding) == pytest.approx(1)
    assert 50 <= template.quality <= 100


@pytest.mark.parametrize("habit", [turns_the_wrong_way, does_nothing])
def test_whoever_does_not_follow_the_prompts_is_refused_and_may_begin_again(
    visitor: Visitor, person: Callable[..., Person], habit: Habit
) -> None:
    answer = visitor.client.capture(visitor.begin(), person(habit=habit, seconds=0.9))

    assert refused_code(answer) == "verification.not_live"
    assert isinstance(answer, RefusedMessage)
    assert answer.told == "challenge_missed"


def test_another_face_during_the_challenge_is_refused(
    visitor: Visitor, person: Callable[..., Person], actors: Mapping[str, Actor]
) -> None:
    stands = person()

    def swapped_in_when_prompted(seen: SeenMessage | None) -> bytes:
        if seen is not None and seen.prompt is Turn.BACK:
            stands.becomes(actors["president_a_1"])
        return stands(seen)

    visitor.hall.challenge = RIGHT_BACK_LEFT
    answer = visitor.client.capture(visitor.begin(), swapped_in_when_prompted)

    assert refused_code(answer) == "verification.not_live"
    assert isinstance(answer, RefusedMessage)
    assert answer.told == "not_live"


def test_a_stranger_who_follows_the_prompts_is_not_the_called_patient(
    visitor: Visitor, person: Callable[..., Person]
) -> None:
    answer = visitor.client.capture(visitor.begin(), person("president_a_1"))

    assert isinstance(answer, ResultMessage)
    assert answer.state is not SessionState.VERIFIED
    assert answer.unknown is not None


def test_a_screen_that_plays_a_face_is_refused(
    visitor: Visitor, person: Callable[..., Person]
) -> None:
    """Simulated: a tablet with its bezel in view, that plays a video of the right prompts."""
    serial = iter(range(1000))
    stands = person(
        held=lambda frame: simulate(frame, AttackKind.SCREEN_BEZEL_VISIBLE, next(serial))
    )
    begun = visitor.begin()
    with visitor.client.stream(begun) as stream:
        stream.open()
        for _ in range(12):
            answer = stream.show(stands(None))
            if not isinstance(answer, SeenMessage):
                break
        ended = stream.end() if isinstance(answer, EnoughMessage) else answer

    # Either its edge gives it away at once, or it never shows five good frames.
    assert not isinstance(ended, ResultMessage)
    assert visitor.client.result(begun.session_id).state is not SessionState.VERIFIED


def test_recorded_frames_of_an_earlier_capture_pass_neither_as_they_are_nor_chained_anew(
    visitor: Visitor, person: Callable[..., Person]
) -> None:
    hall, stands = visitor.hall, person()
    hall.challenge = RIGHT_BACK_LEFT
    assert isinstance(visitor.client.capture(visitor.begin(), stands), ResultMessage)
    first, second = visitor.begin(), visitor.begin()
    hall.challenge = Challenge((Turn.LEFT, Turn.BACK, Turn.RIGHT))

    with visitor.client.stream(first) as stream:
        chain = stream.chain
        stream.open()
        chain, _ = pack_frame(chain, stands.shown[1])
        stream.send(pack_frame(chain, stands.shown[0])[1])
        assert refused_code(stream.hear()) == "verification.frame_out_of_order"
    recorded = iter(stands.shown)

    def plays(_: SeenMessage | None) -> bytes:
        hall.wait(0.2)
        return next(recorded)

    assert refused_code(visitor.client.capture(second, plays)) == "verification.not_live"


def test_an_empty_room_is_told_so_and_is_never_enough(visitor: Visitor) -> None:
    empty = [encode_frame(np.full((480, 640, 3), 100 + i, np.uint8)) for i in range(3)]
    with visitor.client.stream(visitor.begin()) as stream:
        stream.open()
        for jpeg in empty:
            visitor.hall.wait(0.2)
            seen = stream.show(jpeg)
            assert isinstance(seen, SeenMessage)
            assert (seen.hint, seen.progress, seen.box) == (Hint.NO_FACE, 0, None)


def test_the_sample_number_is_a_right_one() -> None:
    number = ID_NUMBERS[ZHANG].value
    assert parse_id_number(number, today=date(2026, 3, 2)) == ID_NUMBERS[ZHANG]
