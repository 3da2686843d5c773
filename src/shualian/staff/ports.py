"""What staff needs from outside: encryption at rest."""

from typing import Protocol


class StaffSealer(Protocol):
    """Authenticated encryption and keyed hashes; ``trust.sealing.Sealer`` is one."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: ``trust.seal_broken`` when content, purpose or context is another.
        """
        ...

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """32 bytes that only equal values share and that say nothing without the key."""
        ...
