"""What a server has loaded is not looked through for garbage; what comes later is."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from shualian.core.memory import keep_what_was_loaded


class Loop:
    """Holds itself, so that only the collector ends it."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_was_loaded_is_left_out_of_later_searches() -> None:
    held = [Loop() for _ in range(100)]

    keep_what_was_loaded()

    assert gc.get_freeze_count() > len(held)
    searched = gc.get_objects()
    assert not any(each is held for each in searched)


def test_garbage_before_and_after_is_still_found() -> None:
    before = weakref.ref(Loop())
    keep_what_was_loaded()
    after = weakref.ref(Loop())

    gc.collect()

    assert before() is None
    assert after() is None
