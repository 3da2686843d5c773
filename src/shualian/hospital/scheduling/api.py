"""Scheduling over HTTP: set-up for administrators, slots for patients at terminals and windows."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field, StringConstraints, model_validator

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import CommandId, InstitutionCode, RecordNo, StaffId
from shualian.hospital.api import (
    Body,
    CallerOf,
    Code,
    Identifier,
    Words,
    own_staff,
    words,
)
from shualian.hospital.encounters.model import Encounter, EncounterState, Override, OverrideReason
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.evidence_body import (
    EvidenceAtTerminal,
    EvidenceAtWindow,
    evidence_at_terminal,
    evidence_at_window,
)
from shualian.hospital.model import AtTerminal, Evidence
from shualian.hospital.scheduling.model import (
    AppointmentNo,
    AppointmentState,
    ClinicSession,
    ClinicSessionNo,
    Department,
    Doctor,
    Offer,
    OwnAppointment,
    Period,
    Practitioner,
    Slot,
    Title,
)
from shualian.hospital.scheduling.service import Appointments, Schedule
from shualian.staff.model import Caller, Role

DEPARTMENTS_PATH = "/terminal/v1/hospital/scheduling/departments"
DOCTORS_PATH = "/terminal/v1/hospital/scheduling/doctors"
SESSIONS_PATH = "/terminal/v1/hospital/scheduling/sessions"
SLOTS_PATH = "/terminal/v1/hospital/scheduling/slots"
BOOK_PATH = "/terminal/v1/hospital/scheduling/book"
MOVE_PATH = "/terminal/v1/hospital/scheduling/move"
CANCEL_PATH = "/terminal/v1/hospital/scheduling/cancel"
OWN_PATH = "/terminal/v1/hospital/scheduling/own"
CHECK_IN_PATH = "/terminal/v1/hospital/scheduling/check-in"
REGISTER_PATH = "/terminal/v1/hospital/scheduling/register"

_DAYS_MAX = 31
_ADMINISTRATORS = frozenset((Role.ADMINISTRATOR,))
_AT_WINDOWS = frozenset((Role.CLERK, Role.NURSE))
_ANYBODY = frozenset(Role)
_Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_ShortName = Annotated[str, StringConstraints(min_length=1, max_length=50)]
_Slot = Annotated[int, Field(ge=1, le=300)]


class Nothing(Body):
    """A question that needs nothing."""


class DoctorsBody(Body):
    """Whose doctors are asked for; everybody by default."""

    dept_code: Code | None = None


class SessionsBody(Body):
    """Which sessions are asked for; today's and the next week's by default."""

    dept_code: Code | None = None
    dr_code: Code | None = None
    first: date | None = None
    days: Annotated[int, Field(ge=1, le=_DAYS_MAX)] = 8


class SlotsBody(Body):
    """Whose slots are asked for."""

    session_no: Identifier


class OwnBody(Body):
    """Who asks for something of their own."""

    evidence: EvidenceAtTerminal


class BookBody(OwnBody):
    """Take a slot: book it, or register with it today."""

    command_id: Identifier
    session_no: Identifier
    slot_no: _Slot | None = None


class RegisterBody(BookBody):
    """Register for a session of today."""

    self_paid: bool = False


class MoveBody(BookBody):
    """Another slot for a booking."""

    appointment_no: Identifier


class AppointmentBody(OwnBody):
    """Something with a booking: cancel it, or take its number."""

    command_id: Identifier
    appointment_no: Identifier


class CheckInBody(AppointmentBody):
    """Take the number of a booking."""

    self_paid: bool = False


class OwnAtWindowBody(Body):
    """Who stands at the window."""

    evidence: EvidenceAtWindow


class BookAtWindowBody(OwnAtWindowBody):
    """Take a slot for who stands at the window."""

    command_id: Identifier
    session_no: Identifier
    slot_no: _Slot | None = None


class MoveAtWindowBody(BookAtWindowBody):
    """Another slot for a booking of who stands at the window."""

    appointment_no: Identifier


class AppointmentAtWindowBody(OwnAtWindowBody):
    """Something with a booking of who stands at the window."""

    command_id: Identifier
    appointment_no: Identifier


class CheckInAtWindowBody(AppointmentAtWindowBody):
    """Take the number of a booking of who stands at the window."""

    self_paid: bool = False


class OverrideBody(Body):
    """Why somebody is registered who shows nothing, and whose record it is."""

    record_no: Identifier
    reason: OverrideReason


class RegisterAtWindowBody(Body):
    """Register who stands at the window: with evidence, or with a reason for none."""

    command_id: Identifier
    session_no: Identifier
    slot_no: _Slot | None = None
    evidence: EvidenceAtWindow | None = None
    override: OverrideBody | None = None
    self_paid: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> "RegisterAtWindowBody":
        if (self.evidence is None) is (self.override is None):
            raise ValueError("either evidence or an override")
        return self


class DepartmentBody(Body):
    """A department."""

    dept_code: Code
    dept_name: _Name
    name_en: _Name
    caty: Annotated[str, StringConstraints(min_length=1, max_length=6)]
    queue_letter: Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}$")]


class DepartmentsBody(Body):
    """Departments that are new or changed."""

    departments: Annotated[list[DepartmentBody], Field(min_length=1, max_length=200)]


class DoctorBody(Body):
    """A doctor."""

    dr_code: Code
    dr_name: _ShortName
    name_en: _ShortName
    dept_code: Code
    title: Title
    staff_id: Identifier | None = None


class PractitionersBody(Body):
    """Doctors who are new or changed."""

    doctors: Annotated[list[DoctorBody], Field(min_length=1, max_length=500)]


class ImportBody(Body):
    """A list of sessions as CSV."""

    csv: Annotated[str, StringConstraints(min_length=1, max_length=500_000)]


class ImportAnswer(Body):
    """How many sessions are new."""

    added: int


class DepartmentAnswer(Body):
    """A department."""

    dept_code: str
    name: Words
    queue_letter: str


class DoctorAnswer(Body):
    """A doctor."""

    dr_code: str
    name: Words
    dept_code: str
    title: Title
    title_words: Words


class SessionAnswer(Body):
    """A session as people choose it."""

    session_no: str
    department: DepartmentAnswer
    doctor: DoctorAnswer
    day: date
    period: Period
    period_words: Words
    starts_at: datetime
    ends_at: datetime
    room: Words
    slots: int
    left: int
    fee_fen: int


class SlotAnswer(Body):
    """A slot of a session."""

    slot_no: int
    begins_at: datetime
    free: bool


class AppointmentAnswer(Body):
    """An appointment as its patient sees it."""

    appointment_no: str
    state: AppointmentState
    session_no: str
    slot_no: int
    begins_at: datetime
    day: date
    period_words: Words
    department: DepartmentAnswer
    doctor: DoctorAnswer
    room: Words
    encounter_no: str | None


class RegistrationAnswer(Body):
    """A registered visit: the number and where to wait."""

    encounter_no: str
    record_no: str
    queue_no: str
    state: EncounterState
    ahead: int | None
    department: Words
    doctor: Words


def terminal_routes(
    signed: APIRouter,
    schedule: Schedule,
    appointments: Appointments,
    encounters: Encounters,
    at: Callable[[Request], AtTerminal],
    *,
    clock: Clock,
) -> APIRouter:
    """What people do about their own visits at a terminal.

    Args:
        signed: An empty router whose requests are verified before their bodies are read.
        schedule: Departments, doctors, sessions.
        appointments: Who holds which slot.
        encounters: For the place in the queue.
        at: The terminal of the verified request.
        clock: For today.
    """
    _add_lists(signed, schedule, at, clock)
    _add_own(signed, appointments, encounters, at)
    return signed


def _add_lists(
    signed: APIRouter, schedule: Schedule, at: Callable[[Request], AtTerminal], clock: Clock
) -> None:
    known = [Depends(at)]

    @signed.post(DEPARTMENTS_PATH, dependencies=known)
    def departments(_: Nothing) -> list[DepartmentAnswer]:
        """Every department."""
        return [_department_answer(each) for each in schedule.departments()]

    @signed.post(DOCTORS_PATH, dependencies=known)
    def doctors(body: DoctorsBody) -> list[DoctorAnswer]:
        """Every doctor, or those of a department."""
        return [_doctor_answer(each) for each in schedule.practitioners(dept_code=body.dept_code)]

    @signed.post(SESSIONS_PATH, dependencies=known)
    def sessions(body: SessionsBody) -> list[SessionAnswer]:
        """Sessions that are not over, with what is left of them."""
        return _sessions(schedule, body, clock)

    @signed.post(SLOTS_PATH, dependencies=known)
    def slots(body: SlotsBody) -> list[SlotAnswer]:
        """The slots of a session."""
        found = schedule.slots(session_no=ClinicSessionNo(body.session_no))
        return [_slot_answer(each) for each in found]


def _add_own(
    signed: APIRouter,
    appointments: Appointments,
    encounters: Encounters,
    at: Callable[[Request], AtTerminal],
) -> None:
    here = Annotated[AtTerminal, Depends(at)]

    @signed.post(BOOK_PATH)
    def book(body: BookBody, where: here) -> AppointmentAnswer:
        """Book a slot in the own name."""
        return _booked(appointments, body, evidence_at_terminal(body.evidence, where), where)

    @signed.post(MOVE_PATH)
    def move(body: MoveBody, where: here) -> AppointmentAnswer:
        """Move the own booking."""
        return _moved(appointments, body, evidence_at_terminal(body.evidence, where))

    @signed.post(CANCEL_PATH)
    def cancel(body: AppointmentBody, where: here) -> AppointmentAnswer:
        """Give the own slot back."""
        return _cancelled(appointments, body, evidence_at_terminal(body.evidence, where))

    @signed.post(OWN_PATH)
    def own(body: OwnBody, where: here) -> list[AppointmentAnswer]:
        """The own appointments, the latest first."""
        found = appointments.own(evidence=evidence_at_terminal(body.evidence, where))
        return [_appointment_answer(each) for each in found]

    @signed.post(CHECK_IN_PATH)
    def check_in(
        body: CheckInBody,
        where: here,
    ) -> RegistrationAnswer:
        """Take the number of the own booking of today."""
        encounter = appointments.check_in(
            command_id=CommandId(body.command_id),
            appointment_no=AppointmentNo(body.appointment_no),
            evidence=evidence_at_terminal(body.evidence, where),
            terminal_id=where.terminal_id,
            self_paid=body.self_paid,
        )
        return _registration_answer(encounter, encounters)

    @signed.post(REGISTER_PATH)
    def register(body: RegisterBody, where: here) -> RegistrationAnswer:
        """Register for a session of today."""
        encounter = appointments.register(
            command_id=CommandId(body.command_id),
            session_no=ClinicSessionNo(body.session_no),
            slot_no=body.slot_no,
            evidence=evidence_at_terminal(body.evidence, where),
            terminal_id=where.terminal_id,
            self_paid=body.self_paid,
        )
        return _registration_answer(encounter, encounters)


def staff_routes(
    schedule: Schedule,
    appointments: Appointments,
    encounters: Encounters,
    caller: CallerOf,
    *,
    institution: InstitutionCode,
    clock: Clock,
) -> APIRouter:
    """Set-up for administrators, lists for all staff, slots for patients who stand at a window.

    Args:
        schedule: Departments, doctors, sessions.
        appointments: Who holds which slot.
        encounters: For the place in the queue.
        caller: Finds who is signed in.
        institution: Whose staff.
        clock: For today.
    """
    routes = APIRouter(prefix="/hospital/v1/scheduling", tags=["scheduling"])
    _add_set_up(routes, schedule, own_staff(institution, caller, _ADMINISTRATORS))
    _add_staff_lists(routes, schedule, own_staff(institution, caller, _ANYBODY), clock)
    window = own_staff(institution, caller, _AT_WINDOWS)
    _add_window(routes, appointments, window, clock)
    _add_window_visits(routes, appointments, encounters, window, clock)
    return routes


def _add_set_up(routes: APIRouter, schedule: Schedule, administrator: Any) -> None:
    @routes.post("/departments", status_code=204)
    def put_departments(body: DepartmentsBody, who: Annotated[Caller, administrator]) -> None:
        """Add departments, or change what is known of them."""
        found = [
            Department(each.dept_code, each.dept_name, each.caty, each.queue_letter, each.name_en)
            for each in body.departments
        ]
        schedule.put_departments(caller=who, departments=found)

    @routes.post("/doctors", status_code=204)
    def put_doctors(body: PractitionersBody, who: Annotated[Caller, administrator]) -> None:
        """Add doctors, or change what is known of them."""
        schedule.put_practitioners(
            caller=who, practitioners=[_practitioner(each) for each in body.doctors]
        )

    @routes.post("/sessions")
    def import_sessions(body: ImportBody, who: Annotated[Caller, administrator]) -> ImportAnswer:
        """Take a list of sessions in whole, or nothing of it."""
        return ImportAnswer(added=schedule.import_sessions(caller=who, text=body.csv))


def _add_staff_lists(routes: APIRouter, schedule: Schedule, anybody: Any, clock: Clock) -> None:
    known = [anybody]

    @routes.get("/departments", dependencies=known)
    def departments() -> list[DepartmentAnswer]:
        """Every department."""
        return [_department_answer(each) for each in schedule.departments()]

    @routes.get("/doctors", dependencies=known)
    def doctors(dept_code: Code | None = None) -> list[DoctorAnswer]:
        """Every doctor, or those of a department."""
        return [_doctor_answer(each) for each in schedule.practitioners(dept_code=dept_code)]

    @routes.get("/sessions", dependencies=known)
    def sessions(
        dept_code: Code | None = None, dr_code: Code | None = None, first: date | None = None
    ) -> list[SessionAnswer]:
        """Sessions that are not over, of eight days."""
        body = SessionsBody(dept_code=dept_code, dr_code=dr_code, first=first)
        return _sessions(schedule, body, clock)

    @routes.get("/sessions/{session_no}/slots", dependencies=known)
    def slots(session_no: Identifier) -> list[SlotAnswer]:
        """The slots of a session."""
        found = schedule.slots(session_no=ClinicSessionNo(session_no))
        return [_slot_answer(each) for each in found]


def _add_window(routes: APIRouter, appointments: Appointments, window: Any, clock: Clock) -> None:
    def shown(body: OwnAtWindowBody, who: Caller) -> Evidence:
        today = business_date(clock.now())
        return evidence_at_window(body.evidence, seen_by=who.staff_id, today=today)

    @routes.post("/book")
    def book(body: BookAtWindowBody, who: Annotated[Caller, window]) -> AppointmentAnswer:
        """Book a slot for who stands at the window."""
        return _booked(appointments, body, shown(body, who), None)

    @routes.post("/move")
    def move(body: MoveAtWindowBody, who: Annotated[Caller, window]) -> AppointmentAnswer:
        """Move a booking of who stands at the window."""
        return _moved(appointments, body, shown(body, who))

    @routes.post("/cancel")
    def cancel(body: AppointmentAtWindowBody, who: Annotated[Caller, window]) -> AppointmentAnswer:
        """Give a slot of who stands at the window back."""
        return _cancelled(appointments, body, shown(body, who))

    @routes.post("/own")
    def own(body: OwnAtWindowBody, who: Annotated[Caller, window]) -> list[AppointmentAnswer]:
        """The appointments of who stands at the window."""
        found = appointments.own(evidence=shown(body, who))
        return [_appointment_answer(each) for each in found]


def _add_window_visits(
    routes: APIRouter,
    appointments: Appointments,
    encounters: Encounters,
    window: Any,
    clock: Clock,
) -> None:
    @routes.post("/check-in")
    def check_in(body: CheckInAtWindowBody, who: Annotated[Caller, window]) -> RegistrationAnswer:
        """Take the number of a booking of who stands at the window."""
        today = business_date(clock.now())
        encounter = appointments.check_in(
            command_id=CommandId(body.command_id),
            appointment_no=AppointmentNo(body.appointment_no),
            evidence=evidence_at_window(body.evidence, seen_by=who.staff_id, today=today),
            self_paid=body.self_paid,
        )
        return _registration_answer(encounter, encounters)

    @routes.post("/register")
    def register(body: RegisterAtWindowBody, who: Annotated[Caller, window]) -> RegistrationAnswer:
        """Register who stands at the window, with evidence or with a reason for none."""
        evidence, override = None, None
        if body.evidence is not None:
            today = business_date(clock.now())
            evidence = evidence_at_window(body.evidence, seen_by=who.staff_id, today=today)
        if body.override is not None:
            override = Override(who.staff_id, body.override.reason)
        encounter = appointments.register(
            command_id=CommandId(body.command_id),
            session_no=ClinicSessionNo(body.session_no),
            slot_no=body.slot_no,
            evidence=evidence,
            override=override,
            record_no=None if body.override is None else RecordNo(body.override.record_no),
            self_paid=body.self_paid,
        )
        return _registration_answer(encounter, encounters)


def _sessions(schedule: Schedule, body: SessionsBody, clock: Clock) -> list[SessionAnswer]:
    first = body.first or business_date(clock.now())
    found = schedule.offers(
        first=first,
        last=first + timedelta(days=body.days - 1),
        dept_code=body.dept_code,
        dr_code=body.dr_code,
    )
    return [_session_answer(each) for each in found]


def _booked(
    appointments: Appointments,
    body: BookBody | BookAtWindowBody,
    evidence: Evidence,
    where: AtTerminal | None,
) -> AppointmentAnswer:
    booked = appointments.book(
        command_id=CommandId(body.command_id),
        session_no=ClinicSessionNo(body.session_no),
        slot_no=body.slot_no,
        evidence=evidence,
        terminal_id=None if where is None else where.terminal_id,
    )
    return _appointment_answer(appointments.get(appointment_no=booked.appointment_no))


def _moved(
    appointments: Appointments, body: MoveBody | MoveAtWindowBody, evidence: Evidence
) -> AppointmentAnswer:
    moved = appointments.move(
        command_id=CommandId(body.command_id),
        appointment_no=AppointmentNo(body.appointment_no),
        session_no=ClinicSessionNo(body.session_no),
        slot_no=body.slot_no,
        evidence=evidence,
    )
    return _appointment_answer(appointments.get(appointment_no=moved.appointment_no))


def _cancelled(
    appointments: Appointments,
    body: AppointmentBody | AppointmentAtWindowBody,
    evidence: Evidence,
) -> AppointmentAnswer:
    cancelled = appointments.cancel(
        command_id=CommandId(body.command_id),
        appointment_no=AppointmentNo(body.appointment_no),
        evidence=evidence,
    )
    return _appointment_answer(appointments.get(appointment_no=cancelled.appointment_no))


def _practitioner(body: DoctorBody) -> Practitioner:
    return Practitioner(
        doctor=Doctor(body.dr_code, body.dr_name, body.name_en),
        dept_code=body.dept_code,
        title=body.title,
        staff_id=None if body.staff_id is None else StaffId(body.staff_id),
    )


def _department_answer(found: Department) -> DepartmentAnswer:
    return DepartmentAnswer(
        dept_code=found.dept_code,
        name=words(found.dept_name, found.name_en),
        queue_letter=found.queue_letter,
    )


def _doctor_answer(found: Practitioner) -> DoctorAnswer:
    return DoctorAnswer(
        dr_code=found.doctor.dr_code,
        name=words(found.doctor.dr_name, found.doctor.name_en),
        dept_code=found.dept_code,
        title=found.title,
        title_words=words(found.title.zh, found.title.en),
    )


def _session_answer(offer: Offer) -> SessionAnswer:
    session = offer.session
    return SessionAnswer(
        session_no=session.session_no,
        department=_department_answer(offer.department),
        doctor=_doctor_answer(offer.practitioner),
        day=session.day,
        period=session.period,
        period_words=words(session.period.zh, session.period.en),
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        room=_room(session),
        slots=session.slots,
        left=offer.left,
        fee_fen=offer.fee_fen,
    )


def _slot_answer(slot: Slot) -> SlotAnswer:
    return SlotAnswer(slot_no=slot.slot_no, begins_at=slot.begins_at, free=slot.free)


def _appointment_answer(own: OwnAppointment) -> AppointmentAnswer:
    found, session = own.appointment, own.session
    return AppointmentAnswer(
        appointment_no=found.appointment_no,
        state=found.state,
        session_no=session.session_no,
        slot_no=found.slot_no,
        begins_at=session.slot_begins_at(found.slot_no),
        day=session.day,
        period_words=words(session.period.zh, session.period.en),
        department=_department_answer(own.department),
        doctor=_doctor_answer(own.practitioner),
        room=_room(session),
        encounter_no=found.encounter_no,
    )


def _room(session: ClinicSession) -> Words:
    return words(session.room, session.room_en)


def _registration_answer(encounter: Encounter, encounters: Encounters) -> RegistrationAnswer:
    number = encounter.encounter_no
    return RegistrationAnswer(
        encounter_no=number,
        record_no=encounter.record_no,
        queue_no=encounter.queue_no,
        state=encounter.state,
        ahead=encounters.ahead(encounter_no=number),
        department=words(encounter.department.dept_name, encounter.department.name_en),
        doctor=words(encounter.doctor.dr_name, encounter.doctor.name_en),
    )
