"""Between the halves: a hospital's port ``Expectations`` over an insurer in the same process."""

from datetime import date

from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId
from shualian.verification.expectations.model import ExpectedFor
from shualian.verification.expectations.service import ExpectedPeople


class LocalExpectations:
    """Whom one hospital expects and whom its doctors call, told without a wire."""

    def __init__(self, expected: ExpectedPeople, institution: InstitutionCode) -> None:
        self._expected = expected
        self._institution = institution

    def expect(self, psn_no: PersonNo, day: date) -> None:
        """See :class:`Expectations`."""
        forbid_in_transaction("a message to the insurer")
        why = ExpectedFor.APPOINTMENT
        self._expected.expect(self._institution, psn_no, day=day, why=why)

    def forget(self, psn_no: PersonNo, day: date) -> None:
        """See :class:`Expectations`."""
        forbid_in_transaction("a message to the insurer")
        why = ExpectedFor.APPOINTMENT
        self._expected.forget(self._institution, psn_no, day=day, why=why)

    def call(self, terminal_id: TerminalId, psn_no: PersonNo) -> None:
        """See :class:`Expectations`."""
        forbid_in_transaction("a message to the insurer")
        self._expected.call(terminal_id, self._institution, psn_no)

    def end_call(self, terminal_id: TerminalId) -> None:
        """See :class:`Expectations`."""
        forbid_in_transaction("a message to the insurer")
        self._expected.end_call(terminal_id, self._institution)
