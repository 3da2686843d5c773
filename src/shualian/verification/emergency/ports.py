"""What an emergency search needs from outside: eyes, the gallery, masked names, a seal."""

from collections.abc import Collection, Sequence
from typing import Protocol

from shualian.core.identifiers import PersonNo
from shualian.face.model import Measurement, Picture, Profile, Purpose
from shualian.gallery.model import Candidate, Probe
from shualian.verification.model import Identity


class EmergencyEngine(Protocol):
    """The face engine, for one picture of somebody who lies."""

    def measure(self, frame: Picture, purpose: Purpose, *, profile: Profile) -> Measurement:
        """The largest face of a picture.

        Raises:
            Refused: ``face.no_face``.
        """
        ...


class WholeGallery(Protocol):
    """Where the templates of all insured people are compared."""

    def identify(
        self, probe: Probe, among: Collection[str] | None, limit: int
    ) -> Sequence[Candidate]:
        """The nearest ``limit`` people; of everybody when ``among`` is ``None``."""
        ...


class Identities(Protocol):
    """Who a person is, to be masked."""

    def identity(self, subject: PersonNo) -> Identity:
        """Name, number and region.

        Raises:
            Refused: When there is no such person.
        """
        ...


class WordsSealer(Protocol):
    """Authenticated encryption at rest."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: When the content, the purpose or the context is another.
        """
        ...
