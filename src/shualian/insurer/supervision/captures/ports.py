"""What captures of known people need from outside: templates, and what follows a match."""

from collections.abc import Collection, Sequence
from typing import Protocol

from sqlalchemy import Connection

from shualian.gallery.model import Candidate, Probe
from shualian.insurer.supervision.captures.model import KnownCapture, KnownPerson
from shualian.verification.ports import NewTemplate


class Templates(Protocol):
    """A gallery; ``gallery.service.Gallery`` is one."""

    def identify(
        self, probe: Probe, among: Collection[str] | None, limit: int
    ) -> Sequence[Candidate]:
        """The nearest ``limit`` people of ``among``."""
        ...


class Subjects(Protocol):
    """The people whom captures of one kind are about."""

    @property
    def templates(self) -> Templates:
        """Where their templates are."""
        ...

    def known(self, subject: str) -> KnownPerson:
        """Who somebody is.

        Raises:
            Refused: When there is no such person.
        """
        ...

    def matched(self, capture: KnownCapture, new_template: NewTemplate | None) -> None:
        """Do what follows a match at once, outside of every transaction; again is harmless.

        Args:
            capture: Matched.
            new_template: What could become a template; only after active liveness.

        Raises:
            Refused: When it cannot be done; then the capture is refused too.
        """
        ...

    def differed(self, connection: Connection, capture: KnownCapture) -> None:
        """Note that a capture was refused after another live face was seen; again is harmless.

        Args:
            connection: Of the transaction that refuses it.
            capture: Refused.
        """
        ...
