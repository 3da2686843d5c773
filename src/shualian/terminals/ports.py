"""What terminals need from outside."""

from typing import Protocol


class CodeHasher(Protocol):
    """A keyed hash, so that a stolen database does not give the one-time codes away."""

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """A value that only equal values share and that says nothing without the key."""
        ...


class RefusalCounter(Protocol):
    """Where refused requests are counted: the metrics."""

    def count(self, name: str) -> None:
        """Add one to the counter of this name; must not fail and must not wait."""
        ...
