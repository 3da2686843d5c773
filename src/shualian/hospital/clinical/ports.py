"""What clinical orders need from beside them: a patient's allergies, and the pharmacy's queue."""

from typing import Protocol

from sqlalchemy import Connection

from shualian.core.identifiers import CommandId, EncounterNo, RecordNo


class Allergies(Protocol):
    """The allergies in a patient's record."""

    def substances(self, record_no: RecordNo) -> frozenset[str]:
        """Ingredients and groups, in the words of the price list (``penicillins``)."""
        ...


class Pharmacy(Protocol):
    """The pharmacy's queue; asked inside the transaction that changes the order."""

    def prescribed(
        self, connection: Connection, *, command_id: CommandId, encounter_no: EncounterNo
    ) -> None:
        """Queue the medicine that ``command_id`` charged; again changes nothing."""
        ...

    def withdrawn(self, connection: Connection, *, command_id: CommandId) -> None:
        """Take that off the queue, where nothing of it was given out; again changes nothing."""
        ...
