"""What the gallery needs from outside."""

from typing import Protocol


class TemplateSealer(Protocol):
    """Authenticated encryption at rest; ``trust.sealing.Sealer`` is one."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: ``trust.seal_broken`` when content, purpose or context is another.
        """
        ...


class ProtectionKeys(Protocol):
    """Keys of the template transform; an operator adds a new one, then rotates.

    ``trust.sealing.DerivedSecrets`` is one; each gallery has a purpose of its own.
    """

    def current_key_id(self) -> str:
        """The key under which templates should stand."""
        ...

    def secret(self, key_id: str) -> bytes:
        """The 32 bytes or more of a key, the current or an older one.

        Raises:
            Refused: When there is no such key.
        """
        ...
