"""Taps and sentences of a visit, and how long a slow person would take for them, by a model.

Two seconds for each sentence that is read, one and a half for each tap, eight for a scan with its
turn of the head. Somebody who has never seen a page reads everything that is new on it and nothing
that she has read before. Machines are left out: what they take is measured by benchmarks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Locator, Page

SLOW_PERSON_PAYS_S = 60.0
"""What a payment may take by the model, of somebody who reads every word that is new to her."""

SENTENCE_S, TAP_S, SCAN_S = 2.0, 1.5, 8.0
_ROOT = Path(__file__).parents[2]
_HEAD = "| what | taps | sentences | scans | seconds by the model |"

_BLOCKS = """() => [...document.querySelectorAll('.stage *')]
  .filter((element) => element.checkVisibility() &&
    !element.closest('.key, .out-of-sight, .slip, .id-boxes, .pin, svg, .leaving, .code'))
  .map((element) => [...element.childNodes]
    .filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent.trim())
    .join(''))
  .filter((text) => /[\\u4e00-\\u9fff]/.test(text))"""
"""Texts that somebody reads: numbers alone and the keys of a keypad are looked at, not read."""


class Screen(Protocol):
    """What somebody stands before: a kiosk, or the terminal at a desk."""

    @property
    def page(self) -> Page:
        """The page."""
        ...

    def part(self, name: str) -> Locator:
        """A part of it."""
        ...

    def touch(self, *names: str) -> object:
        """Touch one after the other."""
        ...

    def found(self, anew: Callable[[], object] | None = None) -> object:
        """Wait through the scan."""
        ...


@dataclass(slots=True)
class _Part:
    name: str
    taps: int = 0
    sentences: int = 0
    scans: int = 0

    @property
    def seconds(self) -> float:
        return self.taps * TAP_S + self.sentences * SENTENCE_S + self.scans * SCAN_S


class Pace:
    """Touches a screen as a person does who reads first, and counts."""

    def __init__(self, kiosk: Screen) -> None:
        self._kiosk = kiosk
        self._read: set[str] = set()
        self._parts: list[_Part] = []
        self._walked: list[Callable[[], object]] = []

    def begins(self, name: str) -> None:
        """What is done from now on."""
        self._parts.append(_Part(name))
        self._walked.clear()

    def touch(self, *names: str) -> None:
        """Read what is new, then touch."""
        for name in names:
            self._before_tap(name)
            self._walk(partial(self._kiosk.touch, name))

    def touch_nth(self, name: str, place: int, text: str = "") -> None:
        """One of several, of those with a text."""
        self._before_tap(name)
        self._walk(self._kiosk.part(name).filter(has_text=text).nth(place).click)

    def reads(self, name: str) -> None:
        """What is on the page of this part, with nothing to touch."""
        self._kiosk.part(name).first.wait_for()
        self._parts[-1].sentences += len(self._new())

    def knows(self, name: str) -> None:
        """She has read the page of this part on an earlier day."""
        self._kiosk.part(name).first.wait_for()
        self._new()

    def clerk_presses(self, keys: int) -> None:
        """Meanwhile a clerk does, for whom she waits; a tap for each key."""
        self._parts[-1].taps += keys

    def types(self, keys: str) -> None:
        """On the keys of the page."""
        self._before_tap("ok")
        self._parts[-1].taps += len(keys) - 1
        self._walk(partial(self._type, keys))

    def _type(self, keys: str) -> None:
        for key in keys:
            self._kiosk.page.locator(".key", has_text=key).first.click()

    def scans(self) -> None:
        """Look at the screen and turn the head, until it is known who it is."""
        self._parts[-1].scans += 1
        self._kiosk.found(self._anew)

    def table(self) -> Mapping[str, str]:
        """The report, line by line, by what the lines are about."""
        total = _Part("all of it")
        for each in self._parts:
            total.taps += each.taps
            total.sentences += each.sentences
            total.scans += each.scans
        return {each.name: _row(each) for each in (*self._parts, total)}

    def _walk(self, step: Callable[[], object]) -> None:
        self._walked.append(step)
        step()

    def _anew(self) -> None:
        """The same way again from the home page; what a busy machine costs is not counted."""
        for step in self._walked[1:]:
            step()

    def seconds(self, name: str) -> float:
        """What a part takes by the model."""
        return next(each.seconds for each in self._parts if each.name == name)

    def _before_tap(self, name: str) -> None:
        self.reads(name)
        self._parts[-1].taps += 1

    def _new(self) -> set[str]:
        texts: list[str] = self._kiosk.page.evaluate(_BLOCKS)
        new = {text for text in texts if text not in self._read}
        self._read |= new
        return new


def written_in(document: str) -> Mapping[str, str]:
    """The lines of the report in a document of the repository, by what they are about."""
    lines = (_ROOT / document).read_text("utf-8").splitlines()
    at = lines.index(_HEAD) + 2
    rows = lines[at : lines.index("", at)]
    return {row.split("|")[1].strip(): row for row in rows}


def _row(part: _Part) -> str:
    counted = f"{part.taps} | {part.sentences} | {part.scans} | {part.seconds:.0f}"
    return f"| {part.name} | {counted} |"
