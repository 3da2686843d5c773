"""What clinical orders need from beside them: allergies, and a pharmacy that hears of them."""

from typing import Protocol

from shualian.core.identifiers import CommandId, EncounterNo, RecordNo


class Allergies(Protocol):
    """The allergies in a patient's record."""

    def substances(self, record_no: RecordNo) -> frozenset[str]:
        """Ingredients and groups, in the words of the price list (``penicillins``)."""
        ...


class Pharmacy(Protocol):
    """Where signed prescriptions go."""

    def prescribed(self, *, command_id: CommandId, encounter_no: EncounterNo) -> None:
        """Put what of a visit's medicine is on no request yet into the queue; once a command.

        Nothing happens when there is none.
        """
        ...
