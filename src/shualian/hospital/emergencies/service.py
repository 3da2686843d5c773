"""Use cases of the emergency desk.

Somebody whom nobody knows (无名氏) is received at once: a record under a label, an encounter in the
queue, orders from the first moment. The insurer hears of it when it is known who they are: the
label's record goes on in the person's own, the visit is opened (2201) with the arrival as its
begin, and the charge items are uploaded. Until then nothing can be settled by the insurance.
"""

from contextlib import suppress
from dataclasses import replace

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    RecordNo,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.hospital.emergencies.model import ToldBy, check_triage
from shualian.hospital.encounters import store
from shualian.hospital.encounters.model import (
    ENCOUNTER_NOT_FOUND,
    INTENT_USED,
    NO_INSURANCE,
    OPEN_STATES,
    REGISTRATION_SCENES,
    Encounter,
    EncounterState,
    insurance_in_force,
)
from shualian.hospital.encounters.service import Encounters, with_evidence
from shualian.hospital.encounters.store import StoredEncounter
from shualian.hospital.model import SELF_PAID, Evidence, InsuredPerson, age_band, years_old
from shualian.hospital.orders.service import Orders
from shualian.hospital.queues.model import QueuePolicy
from shualian.hospital.records import store as record_store
from shualian.hospital.records.model import NOBODY, PATIENT_KNOWN, Estimate, PatientRecord
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.model import Department, Doctor
from shualian.staff.model import Caller, Role, check_role

EMERGENCY = "13"
"""``med_type`` 急诊."""
_TOLD = OPEN_STATES | {EncounterState.CLOSED}
RECEIVING_ROLES = frozenset((Role.DOCTOR, Role.NURSE, Role.CLERK))


class EmergencyDesk:
    """Receives people first and asks who they are later."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        encounters: Encounters,
        orders: Orders,
        queue: QueuePolicy | None = None,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._encounters = encounters
        self._orders = orders
        self._queue = queue or QueuePolicy()

    def receive(
        self,
        *,
        caller: Caller,
        command_id: CommandId,
        department: Department,
        doctor: Doctor,
        triage: int,
        estimate: Estimate,
    ) -> Encounter:
        """Receive somebody whom nobody knows; at once in the queue, without the insurer.

        Args:
            caller: Who receives.
            command_id: Made and stored by the caller; the same gives the same visit.
            department: Of the emergency desk.
            doctor: Who treats.
            triage: 1, the most urgent, to 4.
            estimate: What is seen of the patient.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.triage_invalid``, ``command_differs``.
        """
        check_role(caller, RECEIVING_ROLES)
        check_triage(triage)
        record = self._records.open_unknown(
            command_id=command_id, estimate=estimate, by=caller.staff_id
        )
        now = self._clock.now()
        arrived = Encounter(
            encounter_no=EncounterNo(new_identifier()),
            institution=self._institution,
            command_id=command_id,
            record_no=record.record_no,
            psn_no=NOBODY,
            department=department,
            doctor=doctor,
            insutype="",
            med_type=EMERGENCY,
            intent_id=None,
            channel=None,
            terminal_id=None,
            first_frame_at=None,
            age_band=estimate.age_band,
            begntime=now,
            day=business_date(now),
            triage=triage,
        )
        return self._database.write(
            lambda connection: self._encounters.add_unknown(connection, arrived)
        )

    def identify(
        self,
        *,
        caller: Caller,
        command_id: CommandId,
        encounter_no: EncounterNo,
        evidence: Evidence,
        told_by: ToldBy = ToldBy.PATIENT,
    ) -> Encounter:
        """Attach an identity to somebody whom nobody knew; every visit under the label follows.

        What the insurer refuses (no insurance in force, an arrival too long ago) does not keep the
        identity from being attached; the visit is then self-paid. A repeated
        command carries on what was interrupted.

        Args:
            caller: Who attaches it and answers for it.
            command_id: Made and stored by the caller.
            encounter_no: A visit of the patient.
            evidence: Of the patient; a document may be brought by relatives.
            told_by: Who brought it.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.encounter_not_found``, ``patient_known``,
                ``intent_used``; what refuses the evidence; ``hospital.outcome_unknown`` when the
                insurer has not answered: then the identity is attached.
        """
        check_role(caller, RECEIVING_ROLES)
        stored = self._stored(encounter_no)
        if not stored.encounter.person_known:
            person = self._records.person_of(evidence, scenes=REGISTRATION_SCENES)
            record = self._records.open_record(command_id=command_id, evidence=evidence)
            unknown = stored.encounter.record_no
            self._database.write(
                lambda connection: self._attach(
                    connection, unknown, encounter_no, command_id, person, record, evidence, told_by
                )
            )
        elif stored.identified_by != command_id:
            raise Refused(PATIENT_KNOWN)
        return self._tell(encounter_no)

    def _attach(
        self,
        connection: Connection,
        unknown: RecordNo,
        encounter_no: EncounterNo,
        command_id: CommandId,
        person: InsuredPerson,
        record: PatientRecord,
        evidence: Evidence,
        told_by: ToldBy,
    ) -> None:
        visits = store.of_record(connection, self._institution, unknown)
        named = [each for each in visits if each.encounter.encounter_no == encounter_no]
        # Somebody else attached one meanwhile, and the visits stand under another record.
        if not named or named[0].encounter.person_known:
            raise Refused(PATIENT_KNOWN)
        if store.by_intent(connection, self._institution, evidence.intent_id) is not None:
            raise Refused(INTENT_USED)
        for each in visits:
            # The evidence carries the visit for which it was shown; the others are claims.
            shown = evidence if each.encounter.encounter_no == encounter_no else None
            known = self._known(each.encounter, person, record, shown)
            sealed = None if shown is None else self._encounters.sealed_evidence(known, shown)
            after = StoredEncounter(known, sealed, each.refused, command_id, told_by.value)
            store.identify(connection, after)
        record_store.merge(connection, self._institution, unknown, record.record_no)

    def _known(
        self,
        encounter: Encounter,
        person: InsuredPerson,
        record: PatientRecord,
        evidence: Evidence | None,
    ) -> Encounter:
        birth_date = person.certno.birth_date
        after = replace(
            encounter,
            record_no=record.record_no,
            psn_no=person.psn_no,
            insutype=_insutype(person),
            age_band=age_band(birth_date, encounter.day),
            aged=years_old(birth_date, encounter.day) >= self._queue.aged_from,
            identity_verified_at=self._clock.now(),
        )
        if evidence is None:
            return after
        return replace(with_evidence(after, evidence), identity_channel=evidence.channel)

    def _tell(self, encounter_no: EncounterNo) -> Encounter:
        """Open at the insurer whatever of the patient is not, and upload what was ordered."""
        record_no = self._stored(encounter_no).encounter.record_no
        for each in self._encounters.of_record(record_no=record_no):
            if each.mdtrt_id is None and each.state in _TOLD:
                opened = self._encounters.open_visit(encounter_no=each.encounter_no)
                if opened.mdtrt_id is not None:
                    # A line that is not uploaded now is uploaded before its payment is shown.
                    with suppress(Refused):
                        self._orders.upload(encounter_no=each.encounter_no)
        return self._encounters.get(encounter_no=encounter_no)

    def _stored(self, encounter_no: EncounterNo) -> StoredEncounter:
        found = self._database.read(
            lambda connection: store.by_number(connection, self._institution, encounter_no)
        )
        if found is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return found


def _insutype(person: InsuredPerson) -> str:
    try:
        return insurance_in_force(person)
    except Refused as refused:
        if refused.kind is not NO_INSURANCE:
            raise
        return SELF_PAID
