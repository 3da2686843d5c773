"""What the doctor's desk needs from the records: that every look is logged."""

from typing import Protocol

from shualian.core.identifiers import EncounterNo, RecordNo
from shualian.staff.model import Caller


class Looks(Protocol):
    """Logs a look at a record, which the patient sees."""

    def consulted(self, caller: Caller, record_no: RecordNo, encounter_no: EncounterNo) -> None:
        """Log that a record is looked at for a consultation, before anything is shown.

        Raises:
            Refused: When the caller may not look.
        """
        ...
