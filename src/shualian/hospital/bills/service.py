"""Use cases of the own bills."""

from collections.abc import Sequence

from shualian.core.identifiers import PersonNo, SessionId, TerminalId
from shualian.hospital.bills.model import OwnBill, own_bill
from shualian.hospital.bills.ports import PeopleAtTerminals
from shualian.hospital.cashier.window.service import Window
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.model import Evidence
from shualian.hospital.records.service import Records


class OwnBills:
    """What people at terminals have to pay.

    The bill is shown before the person confirms it, so before there is a proof: it is found by the
    capture itself. A capture confirms one thing, and that is the payment.
    """

    def __init__(
        self,
        *,
        window: Window,
        records: Records,
        encounters: Encounters,
        people: PeopleAtTerminals,
    ) -> None:
        self._window = window
        self._records = records
        self._encounters = encounters
        self._people = people

    def of_captured(
        self,
        terminal_id: TerminalId,
        *,
        session_id: SessionId,
        relative: PersonNo | None = None,
    ) -> Sequence[OwnBill]:
        """What is open of the person whose face was just captured, the newest visit first.

        With ``relative`` of the one for whom that person may act.

        Raises:
            Refused: What refuses the capture.
        """
        return self._of(
            self._people.person_at(terminal_id, session_id=session_id, relative=relative)
        )

    def of_shown(self, *, evidence: Evidence) -> Sequence[OwnBill]:
        """What is open of the person who shows a code or a card; uses nothing of it up.

        Raises:
            Refused: What refuses the evidence.
        """
        return self._of(self._records.person_of(evidence, scenes=frozenset()).psn_no)

    def _of(self, psn_no: PersonNo) -> Sequence[OwnBill]:
        record = self._records.find_by_person(psn_no=psn_no)
        if record is None:
            return ()
        found = (
            own_bill(self._encounters.get(encounter_no=each.encounter_no), each)
            for each in self._window.of_record(record_no=record.record_no)
        )
        return [each for each in found if each is not None]
