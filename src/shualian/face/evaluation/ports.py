"""What an evaluation needs from outside: an engine, a reader of pictures, somebody who waits."""

from pathlib import Path
from typing import Protocol

from shualian.face.model import Measurement, Picture


class Measurer(Protocol):
    """The face engine as far as an evaluation uses it; called from two threads."""

    @property
    def path_id(self) -> str:
        """The operational path that makes the vectors."""
        ...

    def measure(self, picture: Picture, /) -> Measurement:
        """Everything about the main face; refuses with ``face.no_face`` when there is none."""
        ...


class PictureReader(Protocol):
    """Reads one picture file."""

    def __call__(self, path: Path) -> Picture:
        """The decoded picture; refuses what cannot be read."""
        ...


class Progress(Protocol):
    """Is told how far the work has come."""

    def begin(self, stage: str, steps: int) -> None:
        """A stage of so many steps begins."""
        ...

    def advance(self) -> None:
        """One step is done."""
        ...
