"""The steps of a demo as they went, and how a demo says that something did not hold."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from shualian.core.refusals import Refused
from shualian.terminals.model import TerminalClass, label


class VisitWentWrong(Exception):  # noqa: N818 - the name tells the story of the demo
    """A step did not hold what it promises; says what was found."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a demo as it went.

    Attributes:
        step: Its name.
        ok: Whether it held what it promises.
        detail: What happened, labelled with the terminal's class.
        ms: How long it took.
    """

    step: str
    ok: bool
    detail: str
    ms: int


def timed(name: str, act: Callable[[], str]) -> Step:
    """One step as it went, marked as a simulated terminal's; what it refuses ends the demo."""
    began = time.perf_counter()
    try:
        ok, detail = True, act()
    except (Refused, VisitWentWrong) as failure:
        ok, detail = False, str(failure)
    return Step(name, ok, marked(detail), round((time.perf_counter() - began) * 1000))


def marked(detail: str) -> str:
    """A line with the mark of the terminal's class before it."""
    words = label(TerminalClass.SIMULATED)
    return f"{words.zh if words else ''} {detail}"


def expect(held: bool, expected: str, found: object) -> None:  # noqa: FBT001
    """Check that a step holds what it promises.

    Raises:
        VisitWentWrong: When it does not.
    """
    if not held:
        raise VisitWentWrong(f"expected {expected}, found {found}")
