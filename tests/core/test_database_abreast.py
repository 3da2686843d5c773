"""Fewer serializable writes at once after a conflict, more again after calm."""

import threading
from collections.abc import Callable

from shualian.core.database.abreast import CALM_WRITES, Abreast


def places(abreast: Abreast, wanted: int) -> list[Callable[[], None]]:
    """Takes so many places; whoever cannot have one at once would wait for ever."""
    taken: list[Callable[[], None]] = []
    thread = threading.Thread(
        target=lambda: taken.extend(abreast.enter() for _ in range(wanted)), daemon=True
    )
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    return taken


def waits(abreast: Abreast) -> tuple[threading.Thread, list[Callable[[], None]]]:
    """Somebody who finds no place."""
    taken: list[Callable[[], None]] = []
    thread = threading.Thread(target=lambda: taken.append(abreast.enter()), daemon=True)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    return thread, taken


def test_a_conflict_halves_the_places_and_one_is_always_left() -> None:
    abreast = Abreast(4)
    for left in (2, 1, 1):
        abreast.met()
        taken = places(abreast, left)
        thread, more = waits(abreast)
        for leave in taken:
            leave()
        thread.join(10)
        more[0]()


def test_a_calm_stretch_gives_one_more_and_never_more_than_at_first() -> None:
    abreast = Abreast(2)
    abreast.met()
    for _ in range(3 * CALM_WRITES):
        abreast.passed()

    taken = places(abreast, 2)
    thread, more = waits(abreast)

    taken[0]()
    thread.join(10)
    assert len(more) == 1


def test_a_conflict_in_between_begins_the_calm_anew() -> None:
    abreast = Abreast(2)
    abreast.met()
    for _ in range(CALM_WRITES - 1):
        abreast.passed()
    abreast.met()
    abreast.passed()

    places(abreast, 1)
    waits(abreast)


def test_leaving_twice_gives_up_one_place() -> None:
    abreast = Abreast(2)
    abreast.met()
    (leave,) = places(abreast, 1)
    leave()
    leave()

    places(abreast, 1)
    waits(abreast)


def test_nobody_enters_while_it_is_closed() -> None:
    abreast = Abreast(2)
    abreast.close()
    thread, entered = waits(abreast)

    abreast.open()
    thread.join(10)

    assert len(entered) == 1
