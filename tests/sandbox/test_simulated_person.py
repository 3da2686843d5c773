import pytest

from shualian.face.liveness.challenge import Turn
from shualian.face.pictures import decode_picture
from shualian.sandbox.player import Actor
from shualian.sandbox.simulated_person import (
    Habit,
    Person,
    does_nothing,
    obeys,
    turns_the_wrong_way,
)
from shualian.verification.captures.model import SeenMessage


def asked(turn: Turn | None) -> SeenMessage:
    return SeenMessage(number=1, hint=None, progress=0.5, box=None, prompt=turn)


def shown_when_asked(actor: Actor, habit: Habit, turn: Turn) -> bytes:
    """What is shown three frames after a prompt, when a head has had time to turn."""
    person = Person(actor, habit)
    person(None)
    for _ in range(3):
        frame = person(asked(turn))
    return frame


@pytest.mark.parametrize(
    ("habit", "turn", "done"),
    [
        (obeys, Turn.LEFT, Turn.LEFT),
        (obeys, Turn.BACK, Turn.BACK),
        (turns_the_wrong_way, Turn.LEFT, Turn.RIGHT),
        (turns_the_wrong_way, Turn.RIGHT, Turn.LEFT),
        (turns_the_wrong_way, None, None),
        (does_nothing, Turn.LEFT, None),
    ],
)
def test_habits_do_as_they_are_called(habit: Habit, turn: Turn | None, done: Turn | None) -> None:
    assert habit(turn) is done


def test_who_obeys_shows_what_the_other_shows_who_was_asked_the_opposite(actor: Actor) -> None:
    obeyed = shown_when_asked(actor, obeys, Turn.LEFT)

    assert obeyed == shown_when_asked(actor, turns_the_wrong_way, Turn.RIGHT)
    assert obeyed != shown_when_asked(actor, does_nothing, Turn.LEFT)


def test_every_frame_is_kept_with_what_is_held_before_the_face(actor: Actor) -> None:
    waited = []
    person = Person(actor, held=lambda frame: frame // 2, each=lambda: waited.append(1))

    frames = [person(None), person(asked(None))]

    assert person.shown == frames
    assert len(waited) == 2
    bright = decode_picture(Person(actor)(None)).mean()
    assert decode_picture(frames[0]).mean() == pytest.approx(bright / 2, rel=0.05)
