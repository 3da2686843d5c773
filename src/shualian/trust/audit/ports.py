"""What the audit needs from outside: a second place for its checkpoints."""

from typing import Protocol


class CheckpointPlace(Protocol):
    """Keeps lines about each chain and only ever adds to them.

    Whoever can change the database should not be able to change this place.
    """

    def append(self, chain: str, line: bytes) -> None:
        """Add a line (no line feed in it) and return once it is durable.

        Raises:
            Refused: ``trust.audit_place_unavailable``.
        """
        ...

    def lines(self, chain: str) -> list[bytes]:
        """Every finished line about a chain, in order; none for an unknown chain.

        Raises:
            Refused: ``trust.audit_place_unavailable``.
        """
        ...

    def everything(self) -> dict[str, list[bytes]]:
        """Every finished line by chain.

        Raises:
            Refused: ``trust.audit_place_unavailable``.
        """
        ...
