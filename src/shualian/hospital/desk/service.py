"""The doctor's view of a visit, put together from the rooms that know its parts."""

from collections.abc import Sequence

from shualian.core.database import Database
from shualian.core.identifiers import EncounterNo, InstitutionCode
from shualian.hospital.clinical.model import Statement
from shualian.hospital.clinical.service import ClinicalOrders, Diagnoses
from shualian.hospital.desk.model import DoctorView, EarlierVisit
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.examinations.model import Report
from shualian.hospital.examinations.service import Examinations
from shualian.hospital.records.model import LookReason
from shualian.hospital.records.service import Records
from shualian.staff.model import Caller, Role, check_role

EARLIER_MAX = 20
"""How many visits before this one are shown."""


class DoctorDesk:
    """The consulting rooms of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        records: Records,
        visits: Encounters,
        diagnoses: Diagnoses,
        clinical: ClinicalOrders,
        examinations: Examinations,
    ) -> None:
        self._institution = institution
        self._database = database
        self._records = records
        self._visits = visits
        self._diagnoses = diagnoses
        self._clinical = clinical
        self._examinations = examinations

    def view(self, *, caller: Caller, encounter_no: EncounterNo) -> DoctorView:
        """Everything about a visit, as its patient sits down; the look is logged first.

        Args:
            caller: The doctor who looks.
            encounter_no: Which visit.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.encounter_not_found``; what refuses the
                look.
        """
        check_role(caller, {Role.DOCTOR})
        encounter = self._visits.get(encounter_no=encounter_no)
        chart = self._records.look(
            caller=caller,
            record_no=encounter.record_no,
            why=LookReason.CONSULTATION,
            encounter_no=encounter_no,
        )
        others = self._earlier(encounter)
        numbers = [encounter_no, *[other.encounter_no for other in others]]
        stated = self._diagnoses.of_encounters(numbers)
        reports = self._examinations.of_encounters(numbers)
        return DoctorView(
            chart=chart,
            encounter=encounter,
            statement=stated.get(encounter_no),
            orders=tuple(self._clinical.of_encounter(encounter_no=encounter_no)),
            reports=_of(reports, encounter_no),
            earlier=tuple(
                _visit(other, stated.get(other.encounter_no), _of(reports, other.encounter_no))
                for other in others
            ),
        )

    def _earlier(self, encounter: Encounter) -> Sequence[Encounter]:
        found = self._database.read(
            lambda connection: encounters.latest_of_record(
                connection, self._institution, encounter.record_no, EARLIER_MAX + 1
            )
        )
        others = [each for each in found if each.encounter_no != encounter.encounter_no]
        return others[:EARLIER_MAX]


def _of(reports: Sequence[Report], encounter_no: EncounterNo) -> tuple[Report, ...]:
    return tuple(report for report in reports if report.encounter_no == encounter_no)


def _visit(
    encounter: Encounter, statement: Statement | None, reports: tuple[Report, ...]
) -> EarlierVisit:
    return EarlierVisit(
        encounter_no=encounter.encounter_no,
        day=encounter.day,
        dept_name=encounter.department.dept_name,
        dr_name=encounter.doctor.dr_name,
        statement=statement,
        reports=reports,
    )
