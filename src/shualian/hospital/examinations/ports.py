"""What examinations need from beside them: who shows what, and who waits for results."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shualian.core.identifiers import EncounterNo
from shualian.hospital.examinations.model import ResultReady
from shualian.hospital.model import Evidence, InsuredPerson
from shualian.verification.model import Scene


class Identities(Protocol):
    """Who showed a code, a card or a document."""

    def person_of(self, evidence: Evidence, *, scenes: frozenset[Scene]) -> InsuredPerson:
        """Who showed this, by the insurer; uses nothing up.

        Raises:
            Refused: What refuses the evidence.
        """
        ...


class ResultsReady(Protocol):
    """For the queue: a patient whose results are there comes back without a second fee."""

    def results_since(self, *, encounter_no: EncounterNo, at: datetime) -> Sequence[ResultReady]:
        """The reports of a visit that were signed at ``at`` (UTC) or later, the oldest first."""
        ...
