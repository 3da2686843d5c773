"""Use cases of scheduling: set up, look, book, move, cancel, take a number.

**How a slot is sold once.** Whoever takes a slot locks the patient and then the session, looks,
and writes, in one transaction; the keys of the table stand behind that.

**How taking a number survives a crash.** The appointment is stored as ``checking_in`` with the
command of the registration before the insurer is asked (by ``encounters``, under the same command).
Whoever repeats the command, or :meth:`Appointments.resume_all` after a restart, brings the
appointment to where its encounter stands: ``checked_in`` with the fee on the bill, or back.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.database.statements import own_locks
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    RecordNo,
    TerminalId,
    new_identifier,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store as encounter_store
from shualian.hospital.encounters.model import (
    EVIDENCE_MISSING,
    Encounter,
    EncounterState,
    Override,
    check_cancellable,
    moved,
)
from shualian.hospital.encounters.service import ORDINARY_OUTPATIENT, Encounters
from shualian.hospital.model import Channel, DocumentEvidence, Evidence
from shualian.hospital.orders import store as order_store
from shualian.hospital.orders.model import OrderLine, line_amount
from shualian.hospital.orders.service import Orders
from shualian.hospital.records import store as record_store
from shualian.hospital.records.model import PatientRecord
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling import store
from shualian.hospital.scheduling.model import (
    ALREADY_BOOKED,
    APPOINTMENT_NOT_FOUND,
    APPOINTMENT_STEP,
    BOOKING_SCENES,
    DEPARTMENT_NOT_FOUND,
    DOCTOR_NOT_FOUND,
    SCHEDULE_INVALID,
    SESSION_INVALID,
    SESSION_NOT_FOUND,
    TOO_MANY_BOOKINGS,
    Act,
    Appointment,
    AppointmentNo,
    AppointmentState,
    BookingPolicy,
    ClinicSession,
    ClinicSessionNo,
    Department,
    Doctor,
    Done,
    EarlierVisit,
    Fee,
    Offer,
    Origin,
    OwnAppointment,
    Practitioner,
    SessionRow,
    Slot,
    Title,
    check_arrival,
    check_bookable,
    check_changeable,
    check_same_command,
    check_session,
    chosen_slot,
    continued_visits,
    fee_of,
    parse_sessions,
    stepped,
)
from shualian.hospital.scheduling.ports import Expectations, Fees, ResultsReady
from shualian.hospital.scheduling.store import StoredAppointment
from shualian.staff.model import Caller, Role, check_role

_ADMINISTRATORS = frozenset((Role.ADMINISTRATOR,))
_LIMIT = 100
_SHOWN_MAX = 50
ABANDONED_AFTER = timedelta(minutes=10)
"""When a registration that never reached the insurer gives its slot back."""


class Schedule:
    """Departments, doctors and sessions of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        fees: Fees,
        policy: BookingPolicy,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._fees = fees
        self._policy = policy

    def put_departments(self, *, caller: Caller, departments: Sequence[Department]) -> None:
        """Add departments, or change what is known of them.

        Raises:
            Refused: ``staff.role_missing``.
        """
        check_role(caller, _ADMINISTRATORS)
        self._database.write(
            lambda connection: store.put_departments(connection, self._institution, departments)
        )

    def put_practitioners(self, *, caller: Caller, practitioners: Sequence[Practitioner]) -> None:
        """Add doctors, or change what is known of them.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.department_not_found``.
        """
        check_role(caller, _ADMINISTRATORS)

        def work(connection: Connection) -> None:
            for each in practitioners:
                self._department(connection, each.dept_code)
            store.put_practitioners(connection, self._institution, practitioners)

        self._database.write(work)

    def import_sessions(self, *, caller: Caller, text: str) -> int:
        """Take a list of sessions in whole (CSV), or nothing of it; gives how many are new.

        A session that is known already is left as it is: somebody may hold its slots.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.schedule_invalid``, ``session_invalid``.
        """
        check_role(caller, _ADMINISTRATORS)
        rows = parse_sessions(text)

        def work(connection: Connection) -> int:
            return sum(
                self._add_row(connection, row, place) for place, row in enumerate(rows, start=1)
            )

        return self._database.write(work)

    def _add_row(self, connection: Connection, row: SessionRow, place: int) -> int:
        practitioner = store.practitioner(connection, self._institution, row.dr_code)
        if practitioner is None:
            raise Refused(SCHEDULE_INVALID, row=place, at="dr_code", found="no such doctor")
        session = row.session(practitioner)
        try:
            check_session(session)
        except Refused as refused:
            raise Refused(SESSION_INVALID, row=place, **refused.details) from None
        known = store.session_of_doctor(
            connection,
            self._institution,
            dr_code=session.dr_code,
            day=session.day,
            period=session.period,
        )
        if known is None:
            store.add_session(connection, self._institution, session)
        return int(known is None)

    def departments(self) -> Sequence[Department]:
        """Every department, by code."""
        return self._database.read(
            lambda connection: store.all_departments(connection, self._institution)
        )

    def department(self, *, dept_code: str) -> Department:
        """The department with this code.

        Raises:
            Refused: ``hospital.department_not_found``.
        """
        return self._database.read(lambda connection: self._department(connection, dept_code))

    def practitioners(self, *, dept_code: str | None = None) -> Sequence[Practitioner]:
        """Every doctor, or those of a department, by code."""
        return self._database.read(
            lambda connection: store.practitioners_of(connection, self._institution, dept_code)
        )

    def practitioner(self, *, dr_code: str) -> Practitioner:
        """The doctor with this code.

        Raises:
            Refused: ``hospital.doctor_not_found``.
        """
        found = self._database.read(
            lambda connection: store.practitioner(connection, self._institution, dr_code)
        )
        if found is None:
            raise Refused(DOCTOR_NOT_FOUND)
        return found

    def doctor_of(self, caller: Caller) -> Doctor:
        """The doctor whose account this is; what is signed stands under that name.

        Raises:
            Refused: ``hospital.doctor_not_found``.
        """
        found = self._database.read(
            lambda connection: store.practitioner_of_staff(
                connection, self._institution, caller.staff_id
            )
        )
        if found is None:
            raise Refused(DOCTOR_NOT_FOUND)
        return found.doctor

    def offers(
        self,
        *,
        first: date,
        last: date,
        dept_code: str | None = None,
        dr_code: str | None = None,
    ) -> Sequence[Offer]:
        """The sessions from ``first`` to ``last`` that are not over, by their beginning."""
        now, fees = self._clock.now(), self._fees_today()

        def work(connection: Connection) -> Sequence[Offer]:
            found = store.sessions_on(
                connection,
                self._institution,
                first=first,
                last=last,
                dept_code=dept_code,
                dr_code=dr_code,
            )
            return self._offers(connection, [each for each in found if each.ends_at > now], fees)

        return self._database.read(work)

    def slots(self, *, session_no: ClinicSessionNo) -> Sequence[Slot]:
        """The slots of a session, in their order.

        Raises:
            Refused: ``hospital.session_not_found``.
        """

        def work(connection: Connection) -> Sequence[Slot]:
            session = store.session(connection, self._institution, session_no)
            if session is None:
                raise Refused(SESSION_NOT_FOUND)
            taken = store.taken_slots(connection, session_no)
            return [
                Slot(number, session.slot_begins_at(number), number not in taken)
                for number in range(1, session.slots + 1)
            ]

        return self._database.read(work)

    def _offers(
        self,
        connection: Connection,
        sessions: Sequence[ClinicSession],
        fees: Mapping[Title, Fen],
    ) -> Sequence[Offer]:
        institution = self._institution
        taken = store.taken_counts(connection, [each.session_no for each in sessions])
        departments = {
            each.dept_code: each for each in store.all_departments(connection, institution)
        }
        doctors = {
            each.doctor.dr_code: each for each in store.practitioners_of(connection, institution)
        }
        return [
            Offer(
                session=each,
                department=departments[each.dept_code],
                practitioner=doctors[each.dr_code],
                left=each.slots - taken.get(each.session_no, 0),
                fee_fen=fees.get(doctors[each.dr_code].title, ZERO),
            )
            for each in sessions
        ]

    def _fees_today(self) -> Mapping[Title, Fen]:
        """What a registration costs by title; prices have a transaction of their own."""
        return {title: self._fees.amount(code) for title, code in self._policy.fees.items()}

    def _department(self, connection: Connection, dept_code: str) -> Department:
        found = store.department(connection, self._institution, dept_code)
        if found is None:
            raise Refused(DEPARTMENT_NOT_FOUND)
        return found


class Appointments:
    """Who holds which slot of one hospital."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        records: Records,
        encounters: Encounters,
        fees: Fees,
        results: ResultsReady,
        expectations: Expectations,
        policy: BookingPolicy,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._records = records
        self._encounters = encounters
        self._fees = fees
        self._results = results
        self._expectations = expectations
        self._policy = policy

    def book(
        self,
        *,
        command_id: CommandId,
        session_no: ClinicSessionNo,
        evidence: Evidence,
        slot_no: int | None = None,
        terminal_id: TerminalId | None = None,
    ) -> Appointment:
        """Book a slot in one's own name or a relative's; a record is opened if needed.

        A repeated command is answered with the appointment as it stands now, before any evidence
        is looked at. The evidence is read and not used up.

        Args:
            command_id: Made and stored by the caller.
            session_no: Which session.
            evidence: Of the patient.
            slot_no: Which slot; the first free one by default.
            terminal_id: Where a code or a card was read; a face says it itself.

        Raises:
            Refused: ``hospital.session_not_found``, ``session_closed``, ``session_full``,
                ``slot_taken``, ``slot_invalid``, ``already_booked``, ``too_many_bookings``,
                ``command_differs``; those of ``Records.open_record``.
        """
        asked = _asked(session_no, slot_no)
        earlier = self._done(command_id, Act.BOOK, asked)
        if earlier is not None:
            return earlier.appointment
        record = self._records.open_record(
            command_id=command_id, evidence=evidence, terminal_id=terminal_id
        )
        now, number = self._clock.now(), AppointmentNo(new_identifier())

        def work(connection: Connection, session: ClinicSession) -> StoredAppointment:
            check_bookable(session, policy=self._policy, now=now)
            if store.bookings_of(connection, self._institution, record.record_no) >= (
                self._policy.together_max
            ):
                raise Refused(TOO_MANY_BOOKINGS, limit=self._policy.together_max)
            slot = self._slot(connection, session, record.record_no, slot_no)
            booked = StoredAppointment(
                Appointment(
                    appointment_no=number,
                    institution=self._institution,
                    session_no=session_no,
                    slot_no=slot,
                    record_no=record.record_no,
                    psn_no=record.psn_no,
                    origin=Origin.BOOKED,
                    state=AppointmentState.BOOKED,
                    channel=evidence.channel,
                    terminal_id=terminal_id,
                    booked_at=now,
                )
            )
            store.add(connection, booked)
            return booked

        done = Done(self._institution, command_id, Act.BOOK, asked, number)
        return self._deciding(done, record.record_no, session_no, work).appointment

    def move(
        self,
        *,
        command_id: CommandId,
        appointment_no: AppointmentNo,
        session_no: ClinicSessionNo,
        evidence: Evidence,
        slot_no: int | None = None,
    ) -> Appointment:
        """Move one's own booking to another session or slot; the old slot is free at once.

        Raises:
            Refused: As :meth:`book`; ``hospital.appointment_not_found``, ``appointment_step``.
        """
        asked = _asked(appointment_no, session_no, slot_no)
        earlier = self._done(command_id, Act.MOVE, asked)
        if earlier is not None:
            return earlier.appointment
        record = self._own_record(evidence)
        now = self._clock.now()

        def work(connection: Connection, session: ClinicSession) -> StoredAppointment:
            stored = self._own(connection, appointment_no, record.record_no)
            found = stored.appointment
            if found.state is not AppointmentState.BOOKED:
                raise Refused(APPOINTMENT_STEP, found=found.state.value, asked="moved")
            check_changeable(
                self._session(connection, found.session_no), policy=self._policy, now=now
            )
            check_bookable(session, policy=self._policy, now=now)
            within = found.session_no == session_no
            slot = self._slot(connection, session, None if within else record.record_no, slot_no)
            after = replace(found, session_no=session_no, slot_no=slot)
            changed = replace(stored, appointment=after)
            store.change(connection, changed)
            return changed

        done = Done(self._institution, command_id, Act.MOVE, asked, appointment_no)
        return self._deciding(done, record.record_no, session_no, work).appointment

    def cancel(
        self, *, command_id: CommandId, appointment_no: AppointmentNo, evidence: Evidence
    ) -> Appointment:
        """Give one's own slot back; after check-in the visit is cancelled with it.

        The visit must not have begun, and its fee not be paid: what is paid is given back by a
        refund first.

        Raises:
            Refused: ``hospital.appointment_not_found``, ``appointment_step``, ``session_closed``,
                ``command_differs``; what refuses the evidence; those of ``Encounters.cancel``.
        """
        earlier = self._done(command_id, Act.CANCEL, appointment_no)
        if earlier is not None:
            return earlier.appointment
        record = self._own_record(evidence)
        stored = self._database.read(
            lambda connection: self._own(connection, appointment_no, record.record_no, lock=False)
        )
        if stored.appointment.state is AppointmentState.CHECKED_IN:
            self._cancel_visit(stored)
        now = self._clock.now()

        def work(connection: Connection, session: ClinicSession) -> StoredAppointment:
            found = self._own(connection, appointment_no, record.record_no)
            if found.appointment.state is AppointmentState.BOOKED:
                check_changeable(session, policy=self._policy, now=now)
            if found.appointment.state is AppointmentState.CHECKING_IN:
                raise Refused(APPOINTMENT_STEP, found="checking_in", asked="cancelled")
            after = stepped(found.appointment, AppointmentState.CANCELLED)
            changed = replace(found, appointment=after)
            store.change(connection, changed)
            return changed

        done = Done(self._institution, command_id, Act.CANCEL, appointment_no, appointment_no)
        session_no = stored.appointment.session_no
        return self._deciding(done, record.record_no, session_no, work).appointment

    def check_in(
        self,
        *,
        command_id: CommandId,
        appointment_no: AppointmentNo,
        evidence: Evidence,
        terminal_id: TerminalId | None = None,
        self_paid: bool = False,
    ) -> Encounter:
        """取号: turn one's own booking of today into a registered visit with a queue number.

        Args:
            command_id: Made and stored by the caller; also of the visit.
            appointment_no: Which booking.
            evidence: Of the patient.
            terminal_id: Where a code or a card was read.
            self_paid: Without insurance this time.

        Raises:
            Refused: ``hospital.appointment_not_found``, ``appointment_step``, ``session_closed``,
                ``command_differs``; those of ``Encounters.register``.
        """
        if self._done(command_id, Act.CHECK_IN, appointment_no) is None:
            self._begin_check_in(command_id, appointment_no, evidence)
        return self._carry(
            command_id, appointment_no, evidence, terminal_id, None, self_paid=self_paid
        )

    def register(
        self,
        *,
        command_id: CommandId,
        session_no: ClinicSessionNo,
        evidence: Evidence | None,
        slot_no: int | None = None,
        terminal_id: TerminalId | None = None,
        override: Override | None = None,
        record_no: RecordNo | None = None,
        self_paid: bool = False,
    ) -> Encounter:
        """挂号: take a slot of a session of today and register the visit at once.

        Args:
            command_id: Made and stored by the caller; also of the visit.
            session_no: Which session.
            evidence: Of the patient; none with an override.
            slot_no: Which slot; the first free one by default.
            terminal_id: Where a code or a card was read.
            override: Who of the staff registers without evidence, and why.
            record_no: Whose visit, with an override.
            self_paid: Without insurance this time; with the document of somebody who has a record
                the insurer is not asked anything.

        Raises:
            Refused: As :meth:`book` and ``Encounters.register``.
        """
        asked = _asked(session_no, slot_no)
        earlier = self._done(command_id, Act.REGISTER, asked)
        if earlier is None:
            record = self._patient(
                command_id, evidence, terminal_id, record_no, self_paid=self_paid
            )
            channel = None if evidence is None else evidence.channel
            earlier = self._take_now(
                command_id, asked, session_no, slot_no, record, channel, terminal_id
            )
        number = earlier.appointment.appointment_no
        return self._carry(command_id, number, evidence, terminal_id, override, self_paid=self_paid)

    def own(self, *, evidence: Evidence) -> Sequence[OwnAppointment]:
        """The latest appointments of who shows this, the latest first.

        Raises:
            Refused: What refuses the evidence; ``hospital.record_not_found``.
        """
        record = self._own_record(evidence)

        def work(connection: Connection) -> Sequence[OwnAppointment]:
            found = store.of_record(connection, self._institution, record.record_no, _SHOWN_MAX)
            return [self._shown(connection, each) for each in found]

        return self._database.read(work)

    def get(self, *, appointment_no: AppointmentNo) -> OwnAppointment:
        """An appointment with its session.

        Raises:
            Refused: ``hospital.appointment_not_found``.
        """
        return self._database.read(
            lambda connection: self._shown(
                connection, self._stored(connection, appointment_no).appointment
            )
        )

    def mark_missed(self) -> int:
        """Mark the bookings of sessions that are over; how many. Run it now and then."""
        now = self._clock.now()

        def work(connection: Connection) -> int:
            numbers = store.ended_with_bookings(
                connection, self._institution, now=now, limit=_LIMIT
            )
            for number in numbers:
                stored = self._stored(connection, number)
                after = stepped(stored.appointment, AppointmentState.MISSED)
                store.change(connection, replace(stored, appointment=after))
            return len(numbers)

        missed = self._database.write(work)
        self.tell_expected()
        return missed

    def resume_all(self) -> None:
        """Carry on what was interrupted: registrations, fees, and what the insurer is told."""
        numbers = self._database.read(
            lambda connection: store.unfinished(connection, self._institution, _LIMIT)
        )
        for number in numbers:
            # What still has no answer stays as it is stored and is carried on the next time.
            with suppress(Refused):
                self._resume(number)
        self.tell_expected()

    def tell_expected(self) -> None:
        """Tell the insurer's side of the slots that were taken and given back since the last time.

        What cannot be told now is told the next time.
        """
        today = business_date(self._clock.now())
        waiting = self._database.read(
            lambda connection: store.to_tell(connection, self._institution, _LIMIT)
        )
        for each in waiting:
            with suppress(Refused):
                if each.day >= today:
                    self._tell(each)
                self._database.write(
                    lambda connection, each=each: store.told(  # type: ignore[misc]
                        connection, self._institution, each
                    )
                )

    def _tell(self, each: store.News) -> None:
        say = self._expectations.expect if each.expected else self._expectations.forget
        say(each.psn_no, each.day)

    def _resume(self, appointment_no: AppointmentNo) -> None:
        stored = self._database.read(lambda c: self._stored(c, appointment_no))
        command_id, asked_at = stored.register_command, stored.asked_at
        if stored.appointment.state is AppointmentState.CHECKING_IN and command_id and asked_at:
            begun = self._database.read(
                lambda c: encounter_store.by_command(c, self._institution, command_id)
            )
            if begun is None and self._clock.now() < asked_at + ABANDONED_AFTER:
                return
            if begun is not None:
                with suppress(Refused):
                    self._encounters.resume(command_id=command_id)
        self._settle(appointment_no)

    def _deciding(
        self,
        done: Done,
        record_no: RecordNo,
        session_no: ClinicSessionNo,
        work: Callable[[Connection, ClinicSession], StoredAppointment],
    ) -> StoredAppointment:
        """Decide about a patient's slot of a session, alone; once for a command."""

        def alone(connection: Connection) -> StoredAppointment:
            own_locks(connection)
            record_store.lock(connection, self._institution, record_no)
            session = self._session(connection, session_no, lock=True)
            earlier = self._done_in(connection, done.command_id, done.act, done.asked)
            if earlier is not None:
                return earlier
            decided = work(connection, session)
            store.add_done(connection, done)
            return decided

        decided = self._database.write(alone)
        self.tell_expected()
        return decided

    def _slot(
        self,
        connection: Connection,
        session: ClinicSession,
        record_no: RecordNo | None,
        asked: int | None,
    ) -> int:
        if record_no is not None and store.holds_in(connection, session.session_no, record_no):
            raise Refused(ALREADY_BOOKED)
        return chosen_slot(session, store.taken_slots(connection, session.session_no), asked)

    def _own_record(self, evidence: Evidence) -> PatientRecord:
        """The record of who showed this, or of the relative for whom they came."""
        return self._records.own_record(evidence, scenes=BOOKING_SCENES, for_relatives=True)

    def _begin_check_in(
        self, command_id: CommandId, appointment_no: AppointmentNo, evidence: Evidence
    ) -> None:
        record = self._own_record(evidence)
        session_no, now = self._session_of(appointment_no, record.record_no), self._clock.now()
        fee = self._fee(record.record_no, session_no)

        def work(connection: Connection, session: ClinicSession) -> StoredAppointment:
            stored = self._own(connection, appointment_no, record.record_no)
            check_arrival(session, policy=self._policy, now=now)
            if stored.appointment.state is not AppointmentState.BOOKED:
                found = stored.appointment.state.value
                raise Refused(APPOINTMENT_STEP, found=found, asked="checked_in")
            after = stepped(stored.appointment, AppointmentState.CHECKING_IN)
            changed = replace(
                stored,
                appointment=after,
                register_command=command_id,
                asked_at=now,
                fee_command=CommandId(new_identifier()),
                fee=fee,
                fee_charged=fee.medins_list_codg is None,
            )
            store.change(connection, changed)
            return changed

        done = Done(self._institution, command_id, Act.CHECK_IN, appointment_no, appointment_no)
        self._deciding(done, record.record_no, session_no, work)

    def _take_now(
        self,
        command_id: CommandId,
        asked: str,
        session_no: ClinicSessionNo,
        slot_no: int | None,
        record: PatientRecord,
        channel: Channel | None,
        terminal_id: TerminalId | None,
    ) -> StoredAppointment:
        now, number = self._clock.now(), AppointmentNo(new_identifier())
        fee = self._fee(record.record_no, session_no)

        def work(connection: Connection, session: ClinicSession) -> StoredAppointment:
            check_arrival(session, policy=self._policy, now=now)
            taken = StoredAppointment(
                Appointment(
                    appointment_no=number,
                    institution=self._institution,
                    session_no=session_no,
                    slot_no=self._slot(connection, session, record.record_no, slot_no),
                    record_no=record.record_no,
                    psn_no=record.psn_no,
                    origin=Origin.SAME_DAY,
                    state=AppointmentState.CHECKING_IN,
                    channel=channel,
                    terminal_id=terminal_id,
                    booked_at=now,
                ),
                register_command=command_id,
                asked_at=now,
                fee_command=CommandId(new_identifier()),
                fee=fee,
                fee_charged=fee.medins_list_codg is None,
            )
            store.add(connection, taken)
            return taken

        done = Done(self._institution, command_id, Act.REGISTER, asked, number)
        return self._deciding(done, record.record_no, session_no, work)

    def _patient(
        self,
        command_id: CommandId,
        evidence: Evidence | None,
        terminal_id: TerminalId | None,
        record_no: RecordNo | None,
        *,
        self_paid: bool,
    ) -> PatientRecord:
        if evidence is None and record_no is not None:
            return self._records.get(record_no=record_no)
        if self_paid and isinstance(evidence, DocumentEvidence):
            known = self._records.find_by_id_number(id_number=evidence.id_number)
            if known is not None:
                return known
        if evidence is None:
            raise Refused(EVIDENCE_MISSING)
        return self._records.open_record(
            command_id=command_id, evidence=evidence, terminal_id=terminal_id
        )

    def _carry(
        self,
        command_id: CommandId,
        appointment_no: AppointmentNo,
        evidence: Evidence | None,
        terminal_id: TerminalId | None,
        override: Override | None,
        *,
        self_paid: bool,
    ) -> Encounter:
        """Register the visit of an appointment, and bring the appointment to where it stands."""
        shown = self.get(appointment_no=appointment_no)
        try:
            encounter = self._encounters.register(
                command_id=command_id,
                record_no=shown.appointment.record_no,
                department=shown.department,
                doctor=shown.practitioner.doctor,
                evidence=evidence,
                med_type=ORDINARY_OUTPATIENT,
                terminal_id=terminal_id,
                session_no=shown.session.session_no,
                override=override,
                self_paid=self_paid,
            )
        except Refused:
            self._settle(appointment_no)
            raise
        self._settle(appointment_no)
        return encounter

    def _settle(self, appointment_no: AppointmentNo) -> None:
        """Bring an appointment to where its encounter stands, and its fee onto the bill."""

        def work(connection: Connection) -> StoredAppointment:
            own_locks(connection)
            stored = self._stored(connection, appointment_no, lock=True)
            after = self._settled(connection, stored)
            if after != stored:
                store.change(connection, after)
            return after

        settled = self._database.write(work)
        self._charge(settled)
        self.tell_expected()

    def _settled(self, connection: Connection, stored: StoredAppointment) -> StoredAppointment:
        found, command_id = stored.appointment, stored.register_command
        if found.state is not AppointmentState.CHECKING_IN or command_id is None:
            return stored
        begun = encounter_store.by_command(connection, self._institution, command_id)
        if begun is not None and begun.encounter.state is EncounterState.REGISTERING:
            return stored
        if begun is not None and begun.encounter.state is not EncounterState.REFUSED:
            after = stepped(found, AppointmentState.CHECKED_IN)
            number = begun.encounter.encounter_no
            return replace(stored, appointment=replace(after, encounter_no=number))
        if begun is None:
            # Nothing was begun: the same command may come again, with other evidence.
            store.forget_done(connection, self._institution, command_id)
        same_day = found.origin is Origin.SAME_DAY
        back = AppointmentState.CANCELLED if same_day else AppointmentState.BOOKED
        return replace(stored, appointment=stepped(found, back), fee=None, fee_charged=False)

    def _charge(self, stored: StoredAppointment) -> None:
        found, fee = stored.appointment, stored.fee
        due = found.state is AppointmentState.CHECKED_IN and not stored.fee_charged
        if not due or fee is None or fee.medins_list_codg is None:
            return
        if found.encounter_no is None or stored.fee_command is None:
            return
        self._fees.charge(
            command_id=stored.fee_command,
            encounter_no=found.encounter_no,
            code=fee.medins_list_codg,
        )

        def work(connection: Connection) -> None:
            now = self._stored(connection, found.appointment_no)
            if now.fee_command == stored.fee_command:
                store.change(connection, replace(now, fee_charged=True))

        self._database.write(work)

    def _cancel_visit(self, stored: StoredAppointment) -> None:
        number, command_id = stored.appointment.encounter_no, stored.fee_command
        if number is None:
            return
        encounter = self._encounters.get(encounter_no=number)
        if encounter.state is EncounterState.CANCELLED:
            return
        check_cancellable(encounter)
        moved(encounter, EncounterState.CANCELLING)
        if command_id is not None and stored.fee and stored.fee.medins_list_codg:
            self._fees.withdraw(command_id=command_id, encounter_no=number)
        try:
            self._encounters.cancel(encounter_no=number)
        except Refused:
            self._charge_again(stored)
            raise

    def _charge_again(self, stored: StoredAppointment) -> None:
        """The visit stands after all: so does its fee, under a command of its own."""

        def work(connection: Connection) -> StoredAppointment:
            now = self._stored(connection, stored.appointment.appointment_no)
            free = now.fee is None or now.fee.medins_list_codg is None
            again = replace(now, fee_command=CommandId(new_identifier()), fee_charged=free)
            store.change(connection, again)
            return again

        again = self._database.write(work)
        number = again.appointment.encounter_no
        state = None if number is None else self._encounters.get(encounter_no=number).state
        # While it is not known whether the visit stands, nothing is charged to it.
        if state is not EncounterState.CANCELLING:
            self._charge(again)

    def _fee(self, record_no: RecordNo, session_no: ClinicSessionNo) -> Fee:
        """What a visit will cost; results are asked for outside of every transaction."""

        def work(connection: Connection) -> tuple[ClinicSession, Practitioner]:
            session = self._session(connection, session_no)
            return session, self._practitioner(connection, session.dr_code)

        session, practitioner = self._database.read(work)
        visits = continued_visits(
            [
                EarlierVisit(
                    each.encounter_no, each.department.dept_code, each.doctor.dr_code, each.day
                )
                for each in self._encounters.of_record(record_no=record_no)
                if each.state in _SEEN
            ],
            dept_code=session.dept_code,
            dr_code=session.dr_code,
            day=session.day,
            policy=self._policy,
        )
        covered = next(
            (each.encounter_no for each in visits if self._results.since(each.encounter_no)), None
        )
        return fee_of(practitioner.title, covered_by=covered, policy=self._policy)

    def _done(self, command_id: CommandId, act: Act, asked: str) -> StoredAppointment | None:
        return self._database.read(
            lambda connection: self._done_in(connection, command_id, act, asked)
        )

    def _done_in(
        self, connection: Connection, command_id: CommandId, act: Act, asked: str
    ) -> StoredAppointment | None:
        did = store.done(connection, self._institution, command_id)
        if did is None:
            return None
        check_same_command(did, act, asked)
        return self._stored(connection, did.appointment_no)

    def _stored(
        self, connection: Connection, appointment_no: AppointmentNo, *, lock: bool = False
    ) -> StoredAppointment:
        found = store.appointment(connection, self._institution, appointment_no, locked=lock)
        if found is None:
            raise Refused(APPOINTMENT_NOT_FOUND)
        return found

    def _own(
        self,
        connection: Connection,
        appointment_no: AppointmentNo,
        record_no: RecordNo,
        *,
        lock: bool = True,
    ) -> StoredAppointment:
        found = self._stored(connection, appointment_no, lock=lock)
        # Somebody else's appointment does not exist for whoever asks.
        if found.appointment.record_no != record_no:
            raise Refused(APPOINTMENT_NOT_FOUND)
        return found

    def _session_of(self, appointment_no: AppointmentNo, record_no: RecordNo) -> ClinicSessionNo:
        own = self._database.read(
            lambda connection: self._own(connection, appointment_no, record_no, lock=False)
        )
        return own.appointment.session_no

    def _session(
        self, connection: Connection, session_no: ClinicSessionNo, *, lock: bool = False
    ) -> ClinicSession:
        found = store.session(connection, self._institution, session_no, locked=lock)
        if found is None:
            raise Refused(SESSION_NOT_FOUND)
        return found

    def _practitioner(self, connection: Connection, dr_code: str) -> Practitioner:
        found = store.practitioner(connection, self._institution, dr_code)
        if found is None:
            raise Refused(DOCTOR_NOT_FOUND)
        return found

    def _shown(self, connection: Connection, appointment: Appointment) -> OwnAppointment:
        session = self._session(connection, appointment.session_no)
        department = store.department(connection, self._institution, session.dept_code)
        if department is None:
            raise Refused(DEPARTMENT_NOT_FOUND)
        practitioner = self._practitioner(connection, session.dr_code)
        return OwnAppointment(appointment, session, department, practitioner)


_SEEN = frozenset(
    (
        EncounterState.IN_CONSULTATION,
        EncounterState.WAITING_RESULTS,
        EncounterState.RETURNED,
        EncounterState.CLOSED,
    )
)
"""In which a doctor has seen the patient of a visit."""


def _asked(*parts: str | int | None) -> str:
    return "/".join("" if part is None else str(part) for part in parts)


class OrderedFees:
    """Registration fees as orders by the system, settled like everything else."""

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        orders: Orders,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._orders = orders

    def amount(self, code: str) -> Fen:
        """See :class:`Fees`."""
        return line_amount(self._orders.prices_today().priced(code).pric_yuan, Decimal(1))

    def charge(self, *, command_id: CommandId, encounter_no: EncounterNo, code: str) -> None:
        """See :class:`Fees`."""
        lines = [OrderLine(code, Decimal(1))]
        self._orders.order(command_id=command_id, encounter_no=encounter_no, lines=lines)

    def withdraw(self, *, command_id: CommandId, encounter_no: EncounterNo) -> None:
        """See :class:`Fees`."""
        now = self._clock.now()

        def work(connection: Connection) -> None:
            standing = order_store.items_of(connection, self._institution, encounter_no)
            items = [item for item in standing if item.command_id == command_id]
            if items:
                self._orders.withdraw_within(connection, items, at=now)

        self._database.write(work)
        # The insurer forgets here what it had heard of them.
        self._orders.upload(encounter_no=encounter_no)
