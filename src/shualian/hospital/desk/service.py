"""The doctor's view of a visit, put together from the rooms that know its parts."""

from collections.abc import Sequence

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import EncounterNo, InstitutionCode
from shualian.hospital.clinical.model import Statement
from shualian.hospital.clinical.service import ClinicalOrders, Diagnoses
from shualian.hospital.desk.model import DoctorView, EarlierVisit, OwnDesk, SignInStanding
from shualian.hospital.encounters import store as encounters
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.examinations.model import Report
from shualian.hospital.examinations.service import Examinations
from shualian.hospital.orders.ports import DoctorSignIns
from shualian.hospital.records.model import LookReason
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.service import Schedule
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
        clock: Clock,
        schedule: Schedule,
        sign_ins: DoctorSignIns,
        records: Records,
        visits: Encounters,
        diagnoses: Diagnoses,
        clinical: ClinicalOrders,
        examinations: Examinations,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._schedule = schedule
        self._sign_ins = sign_ins
        self._records = records
        self._visits = visits
        self._diagnoses = diagnoses
        self._clinical = clinical
        self._examinations = examinations

    def own(self, *, caller: Caller) -> OwnDesk:
        """The doctor's sessions of today, and whether the doctor is signed in at the insurer.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.doctor_not_found``; when the insurer does
                not answer.
        """
        check_role(caller, {Role.DOCTOR})
        doctor, now = self._schedule.doctor_of(caller), self._clock.now()
        today = business_date(now)
        at_work = self._sign_ins.at_work(doctor.dr_code, institution=self._institution, at=now)
        return OwnDesk(
            practitioner=self._schedule.practitioner(dr_code=doctor.dr_code),
            sessions=self._schedule.offers(first=today, last=today, dr_code=doctor.dr_code),
            sign_in=None if at_work is None else SignInStanding(at_work.ends_at, at_work.confirmed),
        )

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
        dept_name_en=encounter.department.name_en,
        dr_name=encounter.doctor.dr_name,
        statement=statement,
        reports=reports,
    )
