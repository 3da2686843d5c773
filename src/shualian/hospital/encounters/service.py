"""Use cases of encounters.

**How a registration survives a crash.** The command, the encounter and the sealed evidence are
stored as ``registering`` before the insurer is asked. The insurer is asked outside of every
transaction. Its answer makes the encounter ``registered`` or ``refused``; no answer leaves it
``registering``. Whoever repeats the command, or :meth:`Encounters.resume_all` after a restart,
sends the same message under the same identifiers, which the insurer answers as the first time.
"""

from collections.abc import Callable, Sequence
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
    VisitId,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store
from shualian.hospital.encounters.model import (
    ENCOUNTER_CHARGED,
    ENCOUNTER_NOT_FOUND,
    INTENT_USED,
    REGISTRATION_SCENES,
    Encounter,
    EncounterState,
    check_same_registration,
    insurance_in_force,
    moved,
    registered,
)
from shualian.hospital.encounters.store import StoredEncounter
from shualian.hospital.model import (
    ANSWER_INVALID,
    PROOF_NOT_FITTING,
    Certificate,
    CertificateType,
    FaceEvidence,
    OpenedVisit,
    PersonQuery,
    VisitOpening,
    age_band,
    check_proof,
    evidence_from_bytes,
    evidence_to_bytes,
    is_final,
)
from shualian.hospital.orders import store as orders
from shualian.hospital.ports import (
    FaceProofs,
    FieldSealer,
    InsurerPlatform,
    ask_insurer,
    command_insurer,
)
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.model import Department, Doctor

ORDINARY_OUTPATIENT = "11"
"""``med_type`` 普通门诊."""
_EVIDENCE = "hospital.encounter.evidence"
_RESUMED_MAX = 100


class Encounters:
    """The encounters of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        proofs: FaceProofs,
        insurer: InsurerPlatform,
        sealer: FieldSealer,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._proofs = proofs
        self._insurer = insurer
        self._sealer = sealer

    def register(
        self,
        *,
        command_id: CommandId,
        record_no: RecordNo,
        department: Department,
        doctor: Doctor,
        evidence: FaceEvidence,
        med_type: str = ORDINARY_OUTPATIENT,
    ) -> Encounter:
        """Register a visit with the insurer (2201) and give it a place in the queue.

        A repeated command is answered from its stored outcome before any proof is looked at; one
        that was interrupted is carried on with what was stored.

        Args:
            command_id: Made and stored by the caller.
            record_no: Whose visit.
            department: Where.
            doctor: By whom.
            evidence: A face taken for the registration of the record's person.
            med_type: 医疗类别.

        Raises:
            Refused: ``hospital.command_differs``, ``intent_used``, ``scene_not_allowed``,
                ``proof_not_fitting``, ``no_insurance``, ``record_not_found``; what the insurer
                refuses, now or the first time; ``hospital.outcome_unknown``.
        """
        stored = self._by_command(command_id)
        if stored is None:
            asked = self._asked(command_id, record_no, department, doctor, evidence, med_type)
            stored = self._database.write(lambda connection: self._begin(connection, asked))
        check_same_registration(
            stored.encounter,
            record_no=record_no,
            department=department,
            doctor=doctor,
            med_type=med_type,
        )
        return self._finish(stored)

    def resume(self, *, command_id: CommandId) -> Encounter:
        """Carry an interrupted registration on, with the proof that was stored.

        Raises:
            Refused: ``hospital.encounter_not_found``; else as :meth:`register`.
        """
        stored = self._by_command(command_id)
        if stored is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return self._finish(stored)

    def resume_all(self) -> Sequence[CommandId]:
        """Carry on what was interrupted, at most 100; gives what is still without an answer."""
        for command_id in self._unfinished():
            # What still has no answer is told at the end, by what is stored.
            with suppress(Refused):
                self.resume(command_id=command_id)
        return self._unfinished()

    def get(self, *, encounter_no: EncounterNo) -> Encounter:
        """The encounter with this number.

        Raises:
            Refused: ``hospital.encounter_not_found``.
        """
        return self._database.read(
            lambda connection: self._by_number(connection, encounter_no).encounter
        )

    def waiting(self, *, department: Department) -> Sequence[Encounter]:
        """Who waits to be called in a department today, by their place in the queue."""
        return self._queue(department, EncounterState.REGISTERED)

    def called(self, *, department: Department) -> Sequence[Encounter]:
        """Who was called in a department today and has not sat down yet."""
        return self._queue(department, EncounterState.CALLED)

    def call(self, *, encounter_no: EncounterNo) -> Encounter:
        """Call a waiting patient; again changes nothing.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """
        return self._move(encounter_no, EncounterState.CALLED)

    def begin_consultation(self, *, encounter_no: EncounterNo) -> Encounter:
        """The called patient sits down; again changes nothing.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """
        return self._move(encounter_no, EncounterState.IN_CONSULTATION)

    def close(self, *, encounter_no: EncounterNo) -> Encounter:
        """End the visit; again changes nothing.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """
        return self._move(encounter_no, EncounterState.CLOSED)

    def cancel(self, *, encounter_no: EncounterNo) -> Encounter:
        """Cancel a visit before the consultation and without charges; again changes nothing.

        The insurer keeps the visit, without a bill.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``,
                ``hospital.encounter_charged``.
        """

        def nothing_charged(connection: Connection, encounter: Encounter) -> None:
            if orders.items_of(connection, self._institution, encounter.encounter_no):
                raise Refused(ENCOUNTER_CHARGED)

        return self._move(encounter_no, EncounterState.CANCELLED, nothing_charged)

    def _asked(
        self,
        command_id: CommandId,
        record_no: RecordNo,
        department: Department,
        doctor: Doctor,
        evidence: FaceEvidence,
        med_type: str,
    ) -> StoredEncounter:
        """The encounter that a new command asks for, once person and insurance are known."""
        identity = self._records.identity(record_no=record_no)
        proof = self._proofs.check(evidence.auth_no, expected_institution=self._institution)
        # The record must be of the person who stood there.
        if check_proof(evidence, proof, REGISTRATION_SCENES) != identity.psn_no:
            raise Refused(PROOF_NOT_FITTING, differs="person")
        query = PersonQuery(self._institution, identity.psn_no, evidence)
        insutype = insurance_in_force(ask_insurer(self._insurer.person_information, query))
        now = self._clock.now()
        encounter = Encounter(
            encounter_no=EncounterNo(new_identifier()),
            institution=self._institution,
            command_id=command_id,
            record_no=record_no,
            psn_no=identity.psn_no,
            department=department,
            doctor=doctor,
            insutype=insutype,
            med_type=med_type,
            intent_id=evidence.intent_id,
            channel=evidence.channel,
            terminal_id=evidence.terminal_id,
            first_frame_at=evidence.first_frame_at,
            age_band=age_band(identity.id_number.birth_date, business_date(now)),
            begntime=now,
            day=business_date(now),
        )
        content, context = evidence_to_bytes(evidence), encounter.encounter_no.encode()
        sealed = self._sealer.seal(content, purpose=_EVIDENCE, context=context)
        return StoredEncounter(encounter, sealed)

    def _begin(self, connection: Connection, asked: StoredEncounter) -> StoredEncounter:
        wanted = asked.encounter
        earlier = store.by_command(connection, self._institution, wanted.command_id)
        if earlier is not None:
            return earlier
        # One confirmation registers once.
        intent_id = wanted.intent_id
        if intent_id and store.by_intent(connection, self._institution, intent_id) is not None:
            raise Refused(INTENT_USED)
        store.add(connection, asked)
        return asked

    def _finish(self, stored: StoredEncounter) -> Encounter:
        if stored.refused is not None:
            raise stored.refused
        if stored.encounter.state is not EncounterState.REGISTERING:
            return stored.encounter
        answer = self._send(stored)
        number = stored.encounter.encounter_no
        after = self._database.write(
            lambda connection: self._record_answer(connection, number, answer)
        )
        if after.refused is not None:
            raise after.refused
        return after.encounter

    def _send(self, stored: StoredEncounter) -> VisitId | Refused:
        opening = self._opening(stored)
        try:
            opened = command_insurer(self._insurer.open_visit, opening)
        except Refused as refused:
            if is_final(refused):
                return refused
            raise
        _check_opened(opened, opening)
        return opened.mdtrt_id

    def _opening(self, stored: StoredEncounter) -> VisitOpening:
        encounter = stored.encounter
        identity = self._records.identity(record_no=encounter.record_no)
        return VisitOpening(
            command_id=encounter.command_id,
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            insutype=encounter.insutype,
            begntime=encounter.begntime,
            certificate=Certificate(CertificateType.ID_CARD, identity.id_number.value),
            ipt_otp_no=encounter.encounter_no,
            atddr_no=encounter.doctor.dr_code,
            dr_name=encounter.doctor.dr_name,
            dept_code=encounter.department.dept_code,
            dept_name=encounter.department.dept_name,
            caty=encounter.department.caty,
            evidence=self._evidence(stored),
        )

    def _evidence(self, stored: StoredEncounter) -> FaceEvidence:
        context = stored.encounter.encounter_no.encode()
        sealed = stored.evidence_sealed
        return evidence_from_bytes(self._sealer.open(sealed, purpose=_EVIDENCE, context=context))

    def _record_answer(
        self, connection: Connection, encounter_no: EncounterNo, answer: VisitId | Refused
    ) -> StoredEncounter:
        stored = self._by_number(connection, encounter_no)
        # Somebody else carried the same command on meanwhile and got the same answer.
        if stored.encounter.state is not EncounterState.REGISTERING:
            return stored
        if isinstance(answer, Refused):
            refused = moved(stored.encounter, EncounterState.REFUSED)
            after = replace(stored, encounter=refused, refused=answer)
        else:
            after = replace(stored, encounter=self._queued(connection, stored.encounter, answer))
        store.change(connection, after)
        return after

    def _queued(self, connection: Connection, encounter: Encounter, mdtrt_id: VisitId) -> Encounter:
        place = store.next_place(
            connection,
            self._institution,
            dept_code=encounter.department.dept_code,
            day=encounter.day,
        )
        return registered(encounter, mdtrt_id=mdtrt_id, queue_place=place)

    def _unfinished(self) -> Sequence[CommandId]:
        return self._database.read(
            lambda connection: store.commands_in_state(
                connection, self._institution, EncounterState.REGISTERING, _RESUMED_MAX
            )
        )

    def _queue(self, department: Department, state: EncounterState) -> Sequence[Encounter]:
        today = business_date(self._clock.now())
        return self._database.read(
            lambda connection: store.in_queue(
                connection,
                self._institution,
                dept_code=department.dept_code,
                day=today,
                state=state,
            )
        )

    def _move(
        self,
        encounter_no: EncounterNo,
        to: EncounterState,
        check: Callable[[Connection, Encounter], None] = lambda _connection, _encounter: None,
    ) -> Encounter:
        def work(connection: Connection) -> Encounter:
            stored = self._by_number(connection, encounter_no)
            after = moved(stored.encounter, to)
            check(connection, stored.encounter)
            store.change(connection, replace(stored, encounter=after))
            return after

        return self._database.write(work)

    def _by_command(self, command_id: CommandId) -> StoredEncounter | None:
        return self._database.read(
            lambda connection: store.by_command(connection, self._institution, command_id)
        )

    def _by_number(self, connection: Connection, encounter_no: EncounterNo) -> StoredEncounter:
        stored = store.by_number(connection, self._institution, encounter_no)
        if stored is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return stored


def _check_opened(opened: OpenedVisit, opening: VisitOpening) -> None:
    # The answer to another message must not become the number of this visit.
    if (opened.psn_no, opened.ipt_otp_no) != (opening.psn_no, opening.ipt_otp_no):
        raise Refused(ANSWER_INVALID, infno="2201")
