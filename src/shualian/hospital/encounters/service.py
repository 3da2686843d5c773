"""Use cases of encounters.

**How a registration survives a crash.** The command, the encounter and the sealed evidence are
stored as ``registering`` before the insurer is asked. The insurer is asked outside of every
transaction. Its answer makes the encounter ``registered`` or ``refused``; no answer leaves it
``registering``. Whoever repeats the command, or :meth:`Encounters.resume_all` after a restart,
sends the same message under the same identifiers, which the insurer answers as the first time.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    RecordNo,
    TerminalId,
    VisitId,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store
from shualian.hospital.encounters.model import (
    ATTENDED_STATES,
    CONSULTATION_SCENES,
    ENCOUNTER_CHARGED,
    ENCOUNTER_NOT_FOUND,
    EVIDENCE_MISSING,
    INTENT_USED,
    OTHER_PERSON,
    REGISTRATION_SCENES,
    WAITING_STATES,
    Encounter,
    EncounterState,
    Override,
    called,
    check_cancellable,
    check_same_registration,
    insurance_in_force,
    missed,
    moved,
    registered,
    returned,
    verified,
)
from shualian.hospital.encounters.store import StoredEncounter
from shualian.hospital.model import (
    ANSWER_INVALID,
    SELF_PAID,
    CardEvidence,
    Certificate,
    CertificateType,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
    InsuredPerson,
    NumberClaim,
    OpenedVisit,
    PersonQuery,
    VisitCancellation,
    VisitOpening,
    acted_by,
    age_band,
    any_evidence_from_bytes,
    check_document,
    evidence_to_bytes,
    is_final,
    without_pin,
    years_old,
)
from shualian.hospital.orders import store as orders
from shualian.hospital.ports import (
    FieldSealer,
    InsurerPlatform,
    ask_insurer,
    command_insurer,
)
from shualian.hospital.queues.model import Queued, QueuePolicy, calling_order
from shualian.hospital.records.model import PATIENT_UNKNOWN, Identity, identity_of
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling import store as scheduling
from shualian.hospital.scheduling.model import ClinicSessionNo, Department, Doctor
from shualian.hospital.scheduling.ports import Expectations

ORDINARY_OUTPATIENT = "11"
"""``med_type`` 普通门诊."""
_EVIDENCE = "hospital.encounter.evidence"
_RESUMED_MAX = 100


@dataclass(frozen=True, slots=True)
class Called:
    """A patient who was called.

    Attributes:
        encounter: Of the patient.
        armed: Whether the terminal of the room waits for exactly this patient; a call that arms
            none still stands, and is heard.
    """

    encounter: Encounter
    armed: bool


class Encounters:
    """The encounters of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        insurer: InsurerPlatform,
        sealer: FieldSealer,
        expectations: Expectations | None = None,
        queue: QueuePolicy | None = None,
    ) -> None:
        """Describe them.

        Args:
            institution: Whose.
            database: The hospital's.
            clock: For moments and business days.
            records: Of its patients.
            insurer: Is told of visits.
            sealer: For evidence at rest.
            expectations: Arms terminals; without it calls are only heard.
            queue: Who is called before whom.
        """
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._insurer = insurer
        self._sealer = sealer
        self._expectations = expectations
        self._queue_policy = queue or QueuePolicy()

    def register(
        self,
        *,
        command_id: CommandId,
        record_no: RecordNo,
        department: Department,
        doctor: Doctor,
        evidence: Evidence | None,
        med_type: str = ORDINARY_OUTPATIENT,
        terminal_id: TerminalId | None = None,
        session_no: ClinicSessionNo | None = None,
        override: Override | None = None,
        triage: int | None = None,
        self_paid: bool = False,
    ) -> Encounter:
        """Register a visit with the insurer (2201) and give it a place in the queue.

        A repeated command is answered from its stored outcome before any evidence is looked at;
        one that was interrupted is carried on with what was stored. A face or a code is used up at
        the insurer; on a card, a document or an override the visit is a claim, and its settlement
        brings evidence of its own.

        Args:
            command_id: Made and stored by the caller.
            record_no: Whose visit.
            department: Where.
            doctor: By whom.
            evidence: That the record's person is here and wants it; a face was taken for it. None
                with an override.
            med_type: 医疗类别.
            terminal_id: Where a code or a card was read; a face says it itself.
            session_no: Of which session.
            override: Who of the staff registers without evidence, and why.
            triage: Of an emergency, 1 the most urgent.
            self_paid: Without insurance, because there is none in force, the person wants none
                this time, or the insurer is away; then a document is compared with the record.

        Raises:
            Refused: ``hospital.command_differs``, ``intent_used``, ``evidence_missing``,
                ``scene_not_allowed``, ``proof_not_fitting``, ``no_insurance``,
                ``record_not_found``, ``patient_unknown``; what the insurer refuses, now or the
                first time; ``hospital.outcome_unknown``.
        """
        stored = self._by_command(command_id)
        if stored is None:
            wanted = _Wanted(
                command_id=command_id,
                record_no=record_no,
                department=department,
                doctor=doctor,
                evidence=evidence,
                med_type=med_type,
                terminal_id=terminal_id,
                session_no=session_no,
                override=override,
                triage=triage,
                self_paid=self_paid,
            )
            asked = self._asked(wanted)
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
        """Carry an interrupted registration on, with the evidence that was stored.

        Raises:
            Refused: ``hospital.encounter_not_found``; else as :meth:`register`.
        """
        stored = self._by_command(command_id)
        if stored is None:
            raise Refused(ENCOUNTER_NOT_FOUND)
        return self._finish(stored)

    def resume_all(self) -> Sequence[CommandId]:
        """Carry on what was interrupted, at most 100 of each kind.

        Registrations, visits of patients whose identity was attached, cancellations; gives the
        registrations that are still without an answer.
        """
        for command_id in self._unfinished(EncounterState.REGISTERING):
            # What still has no answer is told at the end, by what is stored.
            with suppress(Refused):
                self.resume(command_id=command_id)
        unopened = self._database.read(
            lambda connection: store.unopened(connection, self._institution, _RESUMED_MAX)
        )
        for encounter_no in unopened:
            with suppress(Refused):
                self.open_visit(encounter_no=encounter_no)
        for command_id in self._unfinished(EncounterState.CANCELLING):
            with suppress(Refused):
                stored = self._by_command(command_id)
                if stored is not None:
                    self.cancel(encounter_no=stored.encounter.encounter_no)
        return self._unfinished(EncounterState.REGISTERING)

    def open_visit(self, *, encounter_no: EncounterNo) -> Encounter:
        """Tell the insurer of a visit that began before anybody knew whose it is (2201).

        Its begin is the arrival. What the insurer refuses is kept: the visit goes on and is
        self-paid. Again changes nothing.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``patient_unknown``, ``outcome_unknown``.
        """
        stored = self._database.read(lambda connection: self._by_number(connection, encounter_no))
        encounter = stored.encounter
        if not encounter.person_known:
            raise Refused(PATIENT_UNKNOWN)
        if encounter.mdtrt_id is not None or stored.refused is not None:
            return encounter
        answer = self._send(stored)
        refused = answer if isinstance(answer, Refused) else None
        if isinstance(answer, Refused):
            stored = replace(stored, encounter=replace(encounter, insutype=SELF_PAID))
            answer = self._send(stored)
            if isinstance(answer, Refused):
                raise answer
        insutype, number = stored.encounter.insutype, answer

        def work(connection: Connection) -> Encounter:
            now = self._by_number(connection, encounter_no)
            if now.encounter.mdtrt_id is not None or now.refused is not None:
                return now.encounter
            opened = replace(now.encounter, mdtrt_id=number, insutype=insutype)
            after = replace(now, encounter=opened, refused=refused)
            store.change(connection, after)
            return after.encounter

        return self._database.write(work)

    def get(self, *, encounter_no: EncounterNo) -> Encounter:
        """The encounter with this number.

        Raises:
            Refused: ``hospital.encounter_not_found``.
        """
        return self._database.read(
            lambda connection: self._by_number(connection, encounter_no).encounter
        )

    def of_record(self, *, record_no: RecordNo) -> Sequence[Encounter]:
        """Every encounter of a patient, the oldest first."""
        found = self._database.read(
            lambda connection: store.of_record(connection, self._institution, record_no)
        )
        return [each.encounter for each in found]

    def waiting(
        self, *, department: Department, session_no: ClinicSessionNo | None = None
    ) -> Sequence[Encounter]:
        """Who waits to be called in a department or a session today, in the order of calling."""
        return self._database.read(
            lambda connection: self._waiting(connection, department.dept_code, session_no)
        )

    def called(
        self, *, department: Department, session_no: ClinicSessionNo | None = None
    ) -> Sequence[Encounter]:
        """Who was called in a department or a session today and is not done with.

        They come, sit there, or are away until their results come; a doctor finds each again.
        """
        return self._database.read(
            lambda connection: self._queue(
                connection, department.dept_code, session_no, ATTENDED_STATES
            )
        )

    def ahead(self, *, encounter_no: EncounterNo) -> int | None:
        """How many are called before this patient; none for somebody who does not wait.

        Raises:
            Refused: ``hospital.encounter_not_found``.
        """

        def work(connection: Connection) -> int | None:
            found = self._by_number(connection, encounter_no).encounter
            waiting = self._waiting(connection, found.department.dept_code, found.session_no)
            numbers = [each.encounter_no for each in waiting]
            return numbers.index(encounter_no) if encounter_no in numbers else None

        return self._database.read(work)

    def call(
        self, *, encounter_no: EncounterNo, terminal_id: TerminalId | None = None
    ) -> Encounter:
        """Call a waiting patient; again changes nothing. See :meth:`call_to`.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """
        return self.call_to(encounter_no=encounter_no, terminal_id=terminal_id).encounter

    def call_to(
        self, *, encounter_no: EncounterNo, terminal_id: TerminalId | None = None
    ) -> Called:
        """Call a waiting patient and arm the terminal of the room for exactly this patient.

        Args:
            encounter_no: Whose turn it is.
            terminal_id: In the room; that of the visit's session by default.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """

        def work(connection: Connection) -> Encounter:
            return self._call(connection, self._by_number(connection, encounter_no), terminal_id)

        return self._armed(self._database.write(work))

    def call_next(
        self,
        *,
        department: Department,
        session_no: ClinicSessionNo | None = None,
        terminal_id: TerminalId | None = None,
    ) -> Called | None:
        """Call whose turn it is in a department or a session; none when nobody waits.

        Two doctors who call at once call two patients.
        """

        def work(connection: Connection) -> Encounter | None:
            waiting = self._waiting(connection, department.dept_code, session_no)
            if not waiting:
                return None
            first = self._by_number(connection, waiting[0].encounter_no)
            return self._call(connection, first, terminal_id)

        found = self._database.write(work)
        return None if found is None else self._armed(found)

    def missed(self, *, encounter_no: EncounterNo) -> Encounter:
        """The called patient did not come and goes back a few places.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """

        def work(connection: Connection) -> tuple[Encounter, Encounter]:
            stored = self._by_number(connection, encounter_no)
            before = stored.encounter
            waiting = self._waiting(connection, before.department.dept_code, before.session_no)
            after = missed(before, _queued(waiting), policy=self._queue_policy)
            store.change(connection, replace(stored, encounter=after))
            return before, after

        before, after = self._database.write(work)
        self._disarm(before)
        return after

    def begin_consultation(
        self, *, encounter_no: EncounterNo, evidence: Evidence | None = None
    ) -> Encounter:
        """The called patient sits down; again changes nothing.

        Args:
            encounter_no: Whose visit.
            evidence: What the patient showed in the room, if anything; a face was taken for it.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``,
                ``hospital.other_person`` when somebody else sits there; what refuses the
                evidence.
        """
        if evidence is not None:
            self.verify_identity(encounter_no=encounter_no, evidence=evidence)
        return self._move(encounter_no, EncounterState.IN_CONSULTATION)

    def verify_identity(self, *, encounter_no: EncounterNo, evidence: Evidence) -> Encounter:
        """The patient of a visit shows again who they are; the doctor sees when and by what.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.other_person``,
                ``hospital.patient_unknown``; what refuses the evidence.
        """
        expected = self.get(encounter_no=encounter_no)
        if not expected.person_known:
            raise Refused(PATIENT_UNKNOWN)
        person = self._records.person_of(evidence, scenes=CONSULTATION_SCENES)
        if person.psn_no != expected.psn_no:
            raise Refused(OTHER_PERSON)
        now = self._clock.now()

        def work(connection: Connection) -> Encounter:
            stored = self._by_number(connection, encounter_no)
            after = verified(stored.encounter, channel=evidence.channel, at=now)
            store.change(connection, replace(stored, encounter=after))
            return after

        return self._database.write(work)

    def await_results(self, *, encounter_no: EncounterNo) -> Encounter:
        """The patient goes to an examination and will come back; again changes nothing.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """
        return self._move(encounter_no, EncounterState.WAITING_RESULTS)

    def return_with_results(self, *, encounter_no: EncounterNo) -> Encounter:
        """The patient is back and is called before those who have not been seen; no second fee.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Encounter:
            stored = self._by_number(connection, encounter_no)
            after = returned(stored.encounter, at=now)
            store.change(connection, replace(stored, encounter=after))
            return after

        return self._database.write(work)

    def close(self, *, encounter_no: EncounterNo) -> Encounter:
        """End the visit; again changes nothing.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``.
        """
        closed = self._move(encounter_no, EncounterState.CLOSED)
        self._disarm(closed)
        return closed

    def cancel(self, *, encounter_no: EncounterNo) -> Encounter:
        """Cancel a visit before the consultation and without charges; again changes nothing.

        The insurer is asked to cancel it (2202) after the visit is given up here, so that nothing
        is ordered meanwhile; without an answer it stays ``cancelling`` and is asked again.

        Raises:
            Refused: ``hospital.encounter_not_found``, ``hospital.encounter_step``,
                ``hospital.encounter_charged``, ``hospital.outcome_unknown``; what the insurer
                refuses, and then the visit stands again.
        """

        def give_up(connection: Connection) -> Encounter:
            stored = self._by_number(connection, encounter_no)
            found = stored.encounter
            if found.state is EncounterState.CANCELLED:
                return found
            check_cancellable(found)
            if orders.items_of(connection, self._institution, encounter_no):
                raise Refused(ENCOUNTER_CHARGED)
            after = moved(found, EncounterState.CANCELLING)
            store.change(connection, replace(stored, encounter=after))
            return after

        given_up = self._database.write(give_up)
        if given_up.state is EncounterState.CANCELLED:
            return given_up
        self._tell_cancelled(given_up)
        return self._move(encounter_no, EncounterState.CANCELLED)

    def _tell_cancelled(self, encounter: Encounter) -> None:
        if encounter.mdtrt_id is None:
            return
        cancellation = VisitCancellation(
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            mdtrt_id=encounter.mdtrt_id,
            ipt_otp_no=encounter.encounter_no,
        )
        try:
            command_insurer(self._insurer.cancel_visit, cancellation)
        except Refused as refused:
            if is_final(refused):
                self._move(encounter.encounter_no, EncounterState.REGISTERED)
            raise

    def _asked(self, wanted: "_Wanted") -> StoredEncounter:
        """The encounter that a new command asks for, once person and insurance are known."""
        identity = self._records.identity(record_no=wanted.record_no)
        insutype, evidence = self._insured(identity, wanted)
        now = self._clock.now()
        # Whoever acts for a relative has shown their own face and not the patient's.
        seen = None if acted_by(evidence) is not None else evidence
        birth_date, day = identity.id_number.birth_date, business_date(now)
        encounter = Encounter(
            encounter_no=EncounterNo(new_identifier()),
            institution=self._institution,
            command_id=wanted.command_id,
            record_no=wanted.record_no,
            psn_no=identity.psn_no,
            department=wanted.department,
            doctor=wanted.doctor,
            insutype=insutype,
            med_type=wanted.med_type,
            intent_id=None if evidence is None else evidence.intent_id,
            channel=None if evidence is None else evidence.channel,
            terminal_id=wanted.terminal_id,
            first_frame_at=None,
            age_band=age_band(birth_date, day),
            begntime=now,
            day=day,
            session_no=wanted.session_no,
            aged=years_old(birth_date, day) >= self._queue_policy.aged_from,
            triage=wanted.triage,
            override=wanted.override,
            identity_verified_at=None if seen is None else now,
            identity_channel=None if seen is None else seen.channel,
        )
        if evidence is None:
            return StoredEncounter(encounter, None)
        return StoredEncounter(
            with_evidence(encounter, evidence), self.sealed_evidence(encounter, evidence)
        )

    def sealed_evidence(self, encounter: Encounter, evidence: Evidence) -> bytes:
        """Evidence as it is kept with an encounter: without a PIN, bound to its number."""
        content, context = evidence_to_bytes(without_pin(evidence)), encounter.encounter_no.encode()
        return self._sealer.seal(content, purpose=_EVIDENCE, context=context)

    def _insured(self, identity: Identity, wanted: "_Wanted") -> tuple[str, Evidence | None]:
        """Under which insurance the visit is, and the evidence with who acted.

        That the record's person is here, or a relative who may act for them, is checked by it.
        """
        shown = wanted.evidence
        if not wanted.self_paid:
            person, evidence = self._person(identity, wanted)
            return insurance_in_force(person), evidence
        check_document(shown, identity.id_number)
        if shown is None and wanted.override is None:
            raise Refused(EVIDENCE_MISSING)
        # An insurer that is away must not keep somebody who pays alone from being treated.
        if isinstance(shown, FaceEvidence | CodeEvidence | CardEvidence):
            _, shown = self._person(identity, wanted)
        return SELF_PAID, shown

    def _person(
        self, identity: Identity, wanted: "_Wanted"
    ) -> tuple[InsuredPerson, Evidence | None]:
        """The record's person, as the insurer knows them, and the evidence with who acted."""
        if wanted.evidence is not None:
            found = self._records.shown(
                wanted.evidence, scenes=REGISTRATION_SCENES, for_relatives=True
            )
            # The record must be of the person who stood there, or for whom somebody did.
            identity_of(found.person, expected_person=identity.psn_no)
            return found.person, found.evidence
        if wanted.override is None:
            raise Refused(EVIDENCE_MISSING)
        claim = NumberClaim(identity.id_number, wanted.override.by)
        query = PersonQuery(self._institution, identity.psn_no, claim)
        return ask_insurer(self._insurer.person_information, query), None

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

    def add_unknown(self, connection: Connection, encounter: Encounter) -> Encounter:
        """Take somebody whom nobody knows into the queue, inside the caller's transaction.

        A command that did so already gives what it did.
        """
        earlier = store.by_command(connection, self._institution, encounter.command_id)
        if earlier is not None:
            return earlier.encounter
        queued = self._queued(connection, encounter, None)
        store.add(connection, StoredEncounter(queued, None))
        return queued

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
        encounter, evidence = stored.encounter, self._evidence(stored)
        identity = self._records.identity(record_no=encounter.record_no)
        return VisitOpening(
            command_id=encounter.command_id,
            fixmedins_code=self._institution,
            psn_no=encounter.psn_no,
            insutype=encounter.insutype,
            begntime=encounter.begntime,
            certificate=certificate_of(evidence, identity),
            ipt_otp_no=encounter.encounter_no,
            atddr_no=encounter.doctor.dr_code,
            dr_name=encounter.doctor.dr_name,
            dept_code=encounter.department.dept_code,
            dept_name=encounter.department.dept_name,
            caty=encounter.department.caty,
            evidence=evidence,
        )

    def _evidence(self, stored: StoredEncounter) -> Evidence | None:
        sealed, context = stored.evidence_sealed, stored.encounter.encounter_no.encode()
        if sealed is None:
            return None
        content = self._sealer.open(sealed, purpose=_EVIDENCE, context=context)
        return any_evidence_from_bytes(content)

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

    def _queued(
        self, connection: Connection, encounter: Encounter, mdtrt_id: VisitId | None
    ) -> Encounter:
        place = store.next_place(
            connection,
            self._institution,
            dept_code=encounter.department.dept_code,
            day=encounter.day,
        )
        return registered(
            encounter, mdtrt_id=mdtrt_id, queue_place=place, policy=self._queue_policy
        )

    def _unfinished(self, state: EncounterState) -> Sequence[CommandId]:
        return self._database.read(
            lambda connection: store.commands_in_state(
                connection, self._institution, state, _RESUMED_MAX
            )
        )

    def _queue(
        self,
        connection: Connection,
        dept_code: str,
        session_no: ClinicSessionNo | None,
        states: frozenset[EncounterState],
    ) -> Sequence[Encounter]:
        return store.in_queue(
            connection,
            self._institution,
            dept_code=dept_code,
            day=business_date(self._clock.now()),
            states=states,
            session_no=session_no,
        )

    def _waiting(
        self, connection: Connection, dept_code: str, session_no: ClinicSessionNo | None
    ) -> Sequence[Encounter]:
        found = self._queue(connection, dept_code, session_no, WAITING_STATES)
        by_number = {each.encounter_no: each for each in found}
        return [by_number[each.encounter_no] for each in calling_order(_queued(found))]

    def _call(
        self, connection: Connection, stored: StoredEncounter, terminal_id: TerminalId | None
    ) -> Encounter:
        found, to = stored.encounter, terminal_id
        if to is None and found.session_no is not None:
            session = scheduling.session(connection, self._institution, found.session_no)
            to = None if session is None else session.terminal_id
        after = called(found, at=self._clock.now(), to=to)
        store.change(connection, replace(stored, encounter=after))
        return after

    def _armed(self, encounter: Encounter) -> Called:
        to = encounter.called_to
        if self._expectations is None or to is None or not encounter.person_known:
            return Called(encounter, armed=False)
        try:
            self._expectations.call(to, encounter.psn_no)
        except Refused:
            return Called(encounter, armed=False)
        return Called(encounter, armed=True)

    def _disarm(self, encounter: Encounter) -> None:
        if self._expectations is None or encounter.called_to is None:
            return
        # A call that is not ended here ends by itself in some minutes.
        with suppress(Refused):
            self._expectations.end_call(encounter.called_to)

    def _move(self, encounter_no: EncounterNo, to: EncounterState) -> Encounter:
        def work(connection: Connection) -> Encounter:
            stored = self._by_number(connection, encounter_no)
            after = moved(stored.encounter, to)
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


def _queued(waiting: Sequence[Encounter]) -> Sequence[Queued]:
    return [
        Queued(each.encounter_no, each.standing) for each in waiting if each.standing is not None
    ]


def with_evidence(encounter: Encounter, evidence: Evidence) -> Encounter:
    """The encounter with what of its evidence is kept in plain: where, when, who saw it."""
    after = replace(encounter, intent_id=evidence.intent_id, channel=evidence.channel)
    if isinstance(evidence, FaceEvidence):
        return replace(
            after,
            terminal_id=evidence.terminal_id,
            first_frame_at=evidence.first_frame_at,
            acted_by=acted_by(evidence),
        )
    if isinstance(evidence, DocumentEvidence):
        return replace(after, seen_by=evidence.seen_by)
    return after


def certificate_of(evidence: Evidence | None, identity: Identity) -> Certificate:
    """就诊凭证 of a registration: the code or the card that was shown, else the ID number."""
    if isinstance(evidence, CodeEvidence):
        return Certificate(CertificateType.E_VOUCHER, evidence.token)
    if isinstance(evidence, CardEvidence):
        return Certificate(CertificateType.SOCIAL_SECURITY_CARD, evidence.card_no)
    return Certificate(CertificateType.ID_CARD, identity.id_number.value)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What :meth:`Encounters.register` was asked for."""

    command_id: CommandId
    record_no: RecordNo
    department: Department
    doctor: Doctor
    evidence: Evidence | None
    med_type: str
    terminal_id: TerminalId | None
    session_no: ClinicSessionNo | None
    override: Override | None
    triage: int | None
    self_paid: bool
