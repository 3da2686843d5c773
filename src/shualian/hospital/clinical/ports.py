"""What clinical orders need from beside them: what a patient is allergic to."""

from typing import Protocol

from shualian.core.identifiers import RecordNo


class Allergies(Protocol):
    """The allergies in a patient's record."""

    def substances(self, record_no: RecordNo) -> frozenset[str]:
        """Ingredients and groups, in the words of the price list (``penicillins``)."""
        ...
