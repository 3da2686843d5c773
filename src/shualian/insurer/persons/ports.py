"""What the register of insured persons needs from outside."""

from typing import Protocol


class PersonSealer(Protocol):
    """Authenticated encryption at rest, and a keyed hash by which equal values are found."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: When the content, the purpose or the context is another.
        """
        ...

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """A value that only equal values share and that says nothing without the key."""
        ...
