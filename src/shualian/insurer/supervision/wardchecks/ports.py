"""What ward checks need from outside: who a patient is, a seal, captures at terminals."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from shualian.core.identifiers import PersonNo
from shualian.gallery.model import Candidate, Probe
from shualian.verification.model import Identity, Standing


class Patients(Protocol):
    """The insured people, as a check needs them."""

    def identity(self, subject: PersonNo) -> Identity:
        """Name and number.

        Raises:
            Refused: When there is no such person.
        """
        ...

    def standing(self, subject: PersonNo, *, now: datetime) -> Standing:
        """Whether a template may be kept, among others.

        Raises:
            Refused: When there is no such person.
        """
        ...


class InsuredGallery(Protocol):
    """The gallery of insured people; ``gallery.service.Gallery`` is one."""

    def identify(
        self, probe: Probe, among: Collection[str] | None, limit: int
    ) -> Sequence[Candidate]:
        """The nearest of ``among``."""
        ...
