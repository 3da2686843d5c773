"""Whose frame is looked at next, when more captures wait than there are cores."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shualian.verification.api import Turns


@dataclass(eq=False)
class Somebody:
    """A capture."""

    name: str
    turning: bool = False
    about_to_turn: bool = False


class Room:
    """Frames of several captures: which were begun, in which order, and which are let go."""

    def __init__(self, *, frames_max: int = 1, turning_max: int = 1) -> None:
        self.turns = Turns(frames_max=frames_max, turning_max=turning_max)
        self.begun: list[str] = []
        self.now: set[str] = set()
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def send(self, *people: Somebody) -> None:
        for each in people:
            self._leave[each.name] = asyncio.Event()
            self.tasks[each.name] = asyncio.create_task(self._look(each))
        await _settled()

    async def end(self, somebody: Somebody, *, asked_to_turn: bool = False) -> None:
        somebody.turning, somebody.about_to_turn = asked_to_turn, False
        self._leave[somebody.name].set()
        await _settled()

    async def cancel(self, somebody: Somebody) -> None:
        self.tasks[somebody.name].cancel()
        await _settled()

    async def _look(self, somebody: Somebody) -> None:
        async with self.turns.turn(somebody):
            self.begun.append(somebody.name)
            self.now.add(somebody.name)
            try:
                await self._leave[somebody.name].wait()
            finally:
                self.now.discard(somebody.name)


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def _run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def test_a_turning_head_is_seen_before_those_who_came_earlier() -> None:
    async def work() -> None:
        room, first, turns = Room(), Somebody("first"), Somebody("turns", turning=True)
        others = [Somebody("second"), Somebody("third")]
        await room.send(first, *others, turns)
        await room.end(first)
        await room.end(turns)
        await room.end(others[0])

        assert room.begun == ["first", "turns", "second", "third"]
        await room.end(others[1])

    _run(work())


def test_nobody_is_asked_to_turn_while_enough_others_turn_but_who_only_looks_goes_on() -> None:
    async def work() -> None:
        room, one = Room(frames_max=2), Somebody("one", about_to_turn=True)
        two, looks = Somebody("two", about_to_turn=True), Somebody("looks")
        await room.send(one)
        await room.end(one, asked_to_turn=True)
        await room.send(two, looks)
        assert room.now == {"looks"}

        one.turning = False
        room.turns.forget(one)
        await _settled()
        assert room.now == {"looks", "two"}
        await room.end(two)
        await room.end(looks)

    _run(work())


def test_a_frame_that_was_not_good_after_all_lets_the_next_one_turn() -> None:
    async def work() -> None:
        room = Room(frames_max=2)
        one, two = (Somebody(name, about_to_turn=True) for name in ("one", "two"))
        await room.send(one, two)
        assert room.now == {"one"}
        await room.end(one)
        assert room.now == {"two"}
        await room.end(two)

    _run(work())


def test_a_socket_that_is_lost_while_it_waits_takes_no_turn() -> None:
    async def work() -> None:
        room, first, lost, last = Room(), *map(Somebody, ("first", "lost", "last"))
        await room.send(first, lost, last)
        await room.cancel(lost)
        await room.end(first)

        assert room.begun == ["first", "last"]
        await room.end(last)

    _run(work())


def test_a_socket_that_is_lost_while_it_is_looked_at_gives_its_turn_back() -> None:
    async def work() -> None:
        room, lost, last = Room(), *map(Somebody, ("lost", "last"))
        await room.send(lost, last)
        await room.cancel(lost)

        assert room.now == {"last"}
        await room.end(last)

    _run(work())


_PEOPLE = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12)


@given(_PEOPLE, st.integers(1, 3), st.integers(1, 3))
def test_everybody_is_seen_once_and_never_more_than_there_are_places(
    found: Sequence[tuple[bool, bool]], frames_max: int, turning_max: int
) -> None:
    people = [
        Somebody(str(number), turning, about and not turning)
        for number, (turning, about) in enumerate(found)
    ]

    async def work() -> None:
        room = Room(frames_max=frames_max, turning_max=turning_max)
        await room.send(*people)
        while room.now:
            assert len(room.now) <= frames_max
            await room.end(people[int(min(room.now))])
        assert sorted(room.begun, key=int) == [each.name for each in people]

    _run(work())
