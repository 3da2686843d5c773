"""Taps and sentences of a visit, and how long a slow person would take for them, by a model.

Two seconds for each sentence that is read, one and a half for each tap, eight for a scan with its
turn of the head. Somebody who has never seen a page reads everything that is new on it and nothing
that she has read before. Machines are left out: what they take is measured by benchmarks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pages.kiosk import Kiosk

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
    """Touches a kiosk as a person does who reads first, and counts."""

    def __init__(self, kiosk: Kiosk) -> None:
        self._kiosk = kiosk
        self._read: set[str] = set()
        self._parts: list[_Part] = []
        self._walked: list[Callable[[], object]] = []

    def begins(self, name: str) -> None:
        """What is done from now on."""
        self._parts.append(_Part(name))
        self._walked.clear()

    def touch(self, *names: str) -> Kiosk:
        """Read what is new, then touch."""
        for name in names:
            self._before_tap(name)
            self._walk(partial(self._kiosk.touch, name))
        return self._kiosk

    def touch_nth(self, name: str, place: int, text: str = "") -> Kiosk:
        """One of several, of those with a text."""
        self._before_tap(name)
        self._walk(self._kiosk.part(name).filter(has_text=text).nth(place).click)
        return self._kiosk

    def types(self, keys: str) -> None:
        """On the keys of the page."""
        self._before_tap("ok")
        self._parts[-1].taps += len(keys) - 1
        self._walk(partial(self._kiosk.types, keys))

    def scans(self) -> None:
        """Look at the screen and turn the head, until it is known who it is."""
        self._parts[-1].scans += 1
        self._kiosk.found(self._anew)

    def table(self) -> Sequence[str]:
        """The report, line by line."""
        total = _Part("all of it")
        for each in self._parts:
            total.taps += each.taps
            total.sentences += each.sentences
            total.scans += each.scans
        return [_row(each) for each in (*self._parts, total)]

    def _walk(self, step: Callable[[], object]) -> None:
        self._walked.append(step)
        step()

    def _anew(self) -> None:
        """The same way again from the home page; what a busy machine costs is not counted."""
        for step in self._walked[1:]:
            step()

    def _before_tap(self, name: str) -> None:
        self._kiosk.part(name).first.wait_for()
        texts: list[str] = self._kiosk.page.evaluate(_BLOCKS)
        new = {text for text in texts if text not in self._read}
        self._read |= new
        self._parts[-1].sentences += len(new)
        self._parts[-1].taps += 1


def written_in(document: str) -> Sequence[str]:
    """The lines of the report in a document of the repository."""
    lines = (_ROOT / document).read_text("utf-8").splitlines()
    at = lines.index(_HEAD) + 2
    return lines[at : lines.index("", at)]


def _row(part: _Part) -> str:
    counted = f"{part.taps} | {part.sentences} | {part.scans} | {part.seconds:.0f}"
    return f"| {part.name} | {counted} |"
