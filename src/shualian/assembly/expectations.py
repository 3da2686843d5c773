"""Between the halves: a hospital's port ``Expectations`` over an insurer in the same process."""

from datetime import date

from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId
from shualian.verification.expectations.model import ExpectedFor
from shualian.verification.expectations.service import ExpectedPeople


class LocalExpectations:
    """Whom one hospital expects and calls, told without a wire."""

    def __init__(self, people: ExpectedPeople, institution: InstitutionCode) -> None:
        self._people = people
        self._institution = institution

    def expect(self, psn_no: PersonNo, day: date) -> None:
        """Somebody has a slot on a day."""
        forbid_in_transaction("a message to the insurer")
        self._people.expect(self._institution, psn_no, day=day, why=ExpectedFor.APPOINTMENT)

    def forget(self, psn_no: PersonNo, day: date) -> None:
        """Somebody has no slot on a day any more."""
        forbid_in_transaction("a message to the insurer")
        self._people.forget(self._institution, psn_no, day=day, why=ExpectedFor.APPOINTMENT)

    def call(self, terminal_id: TerminalId, psn_no: PersonNo) -> None:
        """Arm a terminal of the hospital for the called patient."""
        forbid_in_transaction("a message to the insurer")
        self._people.call(terminal_id, self._institution, psn_no)

    def end_call(self, terminal_id: TerminalId) -> None:
        """Disarm a terminal of the hospital."""
        forbid_in_transaction("a message to the insurer")
        self._people.end_call(terminal_id, self._institution)
