"""Who sees patients where and when, numbered slots, and who has which.

A session (班次) is a doctor in a room for a part of a day; its slots are numbered from 1. An
appointment holds one slot of one session for one patient:
``booked -> checking_in -> checked_in``; from ``booked`` also to ``cancelled`` and ``missed``; from
``checking_in`` back to ``booked`` (or to ``cancelled``, for a same-day registration) when the
insurer refuses; from ``checked_in`` to ``cancelled`` when the visit is cancelled. Only
``booked``, ``checking_in`` and ``checked_in`` hold their slot.
"""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, NewType

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shualian.core.clock import CHINA, business_date
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    RecordNo,
    StaffId,
    TerminalId,
    new_identifier,
)
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Helper, Refused
from shualian.hospital.model import COMMAND_DIFFERS, Channel, hospital_kind
from shualian.verification.model import Scene

ClinicSessionNo = NewType("ClinicSessionNo", str)
"""Names a doctor's session in a room."""
AppointmentNo = NewType("AppointmentNo", str)

BOOKING_SCENES = frozenset((Scene.REGISTRATION,))
"""For which scenes a face may book, move, cancel and check in."""


@dataclass(frozen=True, slots=True)
class Department:
    """A department with a queue of its own.

    Attributes:
        dept_code: 科室编码.
        dept_name: 科室名称.
        caty: 科别, the national category of the department.
        queue_letter: Stands before its queue numbers, such as ``A`` in ``A036``.
        name_en: The name in English, for screens; no part of what makes a command the same.
    """

    dept_code: str
    dept_name: str
    caty: str
    queue_letter: str
    name_en: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Doctor:
    """A doctor as messages to the insurer name them.

    Attributes:
        dr_code: 医师编码, national.
        dr_name: 医师姓名.
        name_en: The name in Latin letters, for screens; no part of what makes a command the same.
    """

    dr_code: str
    dr_name: str
    name_en: str = field(default="", compare=False)


class Title(StrEnum):
    """职称, on which the registration fee depends."""

    ORDINARY = "ordinary"
    ASSOCIATE_CHIEF = "associate_chief"
    CHIEF = "chief"

    @property
    def zh(self) -> str:
        """As the sign at the door says it."""
        return _TITLES[self][0]

    @property
    def en(self) -> str:
        """The same in English."""
        return _TITLES[self][1]


_TITLES = {
    Title.ORDINARY: ("普通门诊", "General clinic"),
    Title.ASSOCIATE_CHIEF: ("副主任医师", "Associate chief physician"),
    Title.CHIEF: ("主任医师", "Chief physician"),
}


@dataclass(frozen=True, slots=True)
class Practitioner:
    """A doctor at this hospital.

    Attributes:
        doctor: As the insurer knows them.
        dept_code: Where they see patients.
        title: 职称.
        staff_id: Their account, if they have one.
    """

    doctor: Doctor
    dept_code: str
    title: Title
    staff_id: StaffId | None = None


class Period(StrEnum):
    """The part of a day."""

    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"
    NIGHT = "night"

    @property
    def zh(self) -> str:
        """As schedules say it."""
        return _PERIODS[self][0]

    @property
    def en(self) -> str:
        """The same in English."""
        return _PERIODS[self][1]


_PERIODS = {
    Period.MORNING: ("上午", "Morning"),
    Period.AFTERNOON: ("下午", "Afternoon"),
    Period.EVENING: ("晚上", "Evening"),
    Period.NIGHT: ("夜间", "Night"),
}


@dataclass(frozen=True, slots=True)
class ClinicSession:
    """班次: a doctor in a room for a part of a day.

    Attributes:
        session_no: Its number.
        dept_code: Where.
        dr_code: Who.
        day: Business day.
        period: Part of the day.
        starts_at: UTC.
        ends_at: UTC, after ``starts_at``.
        room: As people find it, such as ``二楼 203 诊室``.
        room_en: The same in English.
        terminal_id: The consulting room's, armed by a call; none without.
        slots: How many patients.
    """

    session_no: ClinicSessionNo
    dept_code: str
    dr_code: str
    day: date
    period: Period
    starts_at: datetime
    ends_at: datetime
    room: str
    room_en: str
    terminal_id: TerminalId | None
    slots: int

    def slot_begins_at(self, slot_no: int) -> datetime:
        """About when the patient with this slot is seen: the session in equal parts, UTC."""
        part = (self.ends_at - self.starts_at) / self.slots
        begin = self.starts_at + part * (slot_no - 1)
        return begin.replace(second=0, microsecond=0)


class AppointmentState(StrEnum):
    """Where an appointment stands."""

    BOOKED = "booked"
    CHECKING_IN = "checking_in"
    """A visit is asked of the insurer; not known to be registered."""
    CHECKED_IN = "checked_in"
    CANCELLED = "cancelled"
    MISSED = "missed"


_NEXT: Mapping[AppointmentState, frozenset[AppointmentState]] = MappingProxyType(
    {
        AppointmentState.BOOKED: frozenset(
            (AppointmentState.CHECKING_IN, AppointmentState.CANCELLED, AppointmentState.MISSED)
        ),
        AppointmentState.CHECKING_IN: frozenset(
            (AppointmentState.CHECKED_IN, AppointmentState.BOOKED, AppointmentState.CANCELLED)
        ),
        AppointmentState.CHECKED_IN: frozenset((AppointmentState.CANCELLED,)),
        AppointmentState.CANCELLED: frozenset(),
        AppointmentState.MISSED: frozenset(),
    }
)
HOLDING = frozenset(
    (AppointmentState.BOOKED, AppointmentState.CHECKING_IN, AppointmentState.CHECKED_IN)
)
"""In which an appointment holds its slot."""


class Origin(StrEnum):
    """How a slot was taken."""

    BOOKED = "booked"
    SAME_DAY = "same_day"


@dataclass(frozen=True, slots=True)
class Appointment:
    """One slot of one session for one patient.

    Attributes:
        appointment_no: Its number.
        institution: Whose.
        session_no: Which session.
        slot_no: Which slot of it, from 1; of an appointment that holds it no more, the last one.
        record_no: Whose.
        psn_no: The insurer's number of the person.
        origin: How it was taken.
        state: Where it stands.
        channel: By what the person showed who they are; none without evidence.
        terminal_id: Where; none at a window.
        booked_at: UTC.
        encounter_no: The visit that it became.
    """

    appointment_no: AppointmentNo
    institution: InstitutionCode
    session_no: ClinicSessionNo
    slot_no: int
    record_no: RecordNo
    psn_no: PersonNo
    origin: Origin
    state: AppointmentState
    channel: Channel | None
    terminal_id: TerminalId | None
    booked_at: datetime
    encounter_no: EncounterNo | None = None

    @property
    def holds(self) -> bool:
        """Whether it holds its slot."""
        return self.state in HOLDING


class Act(StrEnum):
    """What a command about an appointment asks for."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    CHECK_IN = "check_in"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that was done.

    Attributes:
        institution: Whose.
        command_id: Which.
        act: What it asked for.
        asked: For which session or appointment, and which slot, as text.
        appointment_no: What it was done to.
    """

    institution: InstitutionCode
    command_id: CommandId
    act: Act
    asked: str
    appointment_no: AppointmentNo


@dataclass(frozen=True, slots=True)
class Offer:
    """A session as people choose it.

    Attributes:
        session: Which.
        department: Where.
        practitioner: Who, with the title.
        left: Slots that nobody holds.
        fee_fen: The registration fee.
    """

    session: ClinicSession
    department: Department
    practitioner: Practitioner
    left: int
    fee_fen: Fen


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a session as people choose it.

    Attributes:
        slot_no: From 1.
        begins_at: About when, UTC.
        free: Whether nobody holds it.
    """

    slot_no: int
    begins_at: datetime
    free: bool


@dataclass(frozen=True, slots=True)
class OwnAppointment:
    """An appointment as its patient sees it."""

    appointment: Appointment
    session: ClinicSession
    department: Department
    practitioner: Practitioner


@dataclass(frozen=True, slots=True)
class BookingPolicy:
    """What a hospital decides about booking; set by its operator.

    Attributes:
        ahead_days: How far ahead is booked; the insurer is told of a month at most.
        change_before: Until how long before its session a booking may be moved or cancelled.
        arrive_before: From how long before its session a number is taken.
        return_days: For how many days the talk about results costs no second fee.
        fees: The charge item of the registration fee by title; a title without one is free.
        together_max: How many bookings one person may hold at once.
    """

    ahead_days: int = 14
    change_before: timedelta = timedelta(0)
    arrive_before: timedelta = timedelta(hours=12)
    return_days: int = 3
    fees: Mapping[Title, str] = field(default_factory=dict)
    together_max: int = 5


@dataclass(frozen=True, slots=True)
class EarlierVisit:
    """A visit that another one may carry on.

    Attributes:
        encounter_no: Which.
        dept_code: Where.
        dr_code: By whom.
        day: When.
    """

    encounter_no: EncounterNo
    dept_code: str
    dr_code: str
    day: date


class FeeReason(StrEnum):
    """Why a registration costs what it costs."""

    BY_TITLE = "by_title"
    FREE_OF_CHARGE = "free_of_charge"
    RETURN_WITH_RESULTS = "return_with_results"


@dataclass(frozen=True, slots=True)
class Fee:
    """挂号费 of one visit.

    Attributes:
        reason: Why.
        medins_list_codg: The charge item; none when there is none to pay.
        earlier: The visit whose fee covers this one.
    """

    reason: FeeReason
    medins_list_codg: str | None = None
    earlier: EncounterNo | None = None


DEPARTMENT_NOT_FOUND = hospital_kind(
    "department_not_found",
    "没有这个科室",
    "There is no such department",
    "请从列表里选",
    "Choose from the list",
)
DOCTOR_NOT_FOUND = hospital_kind(
    "doctor_not_found",
    "没有这位医生",
    "There is no such doctor",
    "请从列表里选",
    "Choose from the list",
)
SESSION_NOT_FOUND = hospital_kind(
    "session_not_found",
    "没有这个班次",
    "There is no such session",
    "请从列表里选",
    "Choose from the list",
)
SESSION_INVALID = hospital_kind(
    "session_invalid",
    "排班不对",
    "The session is not right",
    "请核对医生、日期、时间和号数",
    "Check doctor, day, times and number of slots",
    Helper.TECHNICIAN,
)
SCHEDULE_INVALID = hospital_kind(
    "schedule_invalid",
    "排班表有错误",
    "The list of sessions is not valid",
    "按提示的行改正后再导入；没有导入任何一行",
    "Correct the row named and import again; nothing was taken in",
    Helper.TECHNICIAN,
)
SESSION_FULL = hospital_kind(
    "session_full",
    "这个班次的号已经挂完",
    "The session has no slot left",
    "请选其他医生或其他时间",
    "Choose another doctor or time",
    Helper.SELF,
    Finality.TEMPORARY,
)
SLOT_TAKEN = hospital_kind(
    "slot_taken",
    "这个号刚被别人挂走",
    "Somebody else has just taken this slot",
    "请选另一个号",
    "Choose another slot",
    Helper.SELF,
)
SLOT_INVALID = hospital_kind(
    "slot_invalid",
    "没有这个号",
    "There is no such slot",
    "请从列表里选",
    "Choose from the list",
    Helper.SELF,
)
SESSION_CLOSED = hospital_kind(
    "session_closed",
    "这个班次不在可以办理的时间内",
    "The session is not open for this now",
    "请看班次的日期和时间",
    "Look at the day and time of the session",
    Helper.SELF,
)
ALREADY_BOOKED = hospital_kind(
    "already_booked",
    "您在这个班次已经有一个号",
    "You have a slot in this session already",
    "请用已有的号，或先改约",
    "Use the one that you have, or move it",
    Helper.SELF,
)
TOO_MANY_BOOKINGS = hospital_kind(
    "too_many_bookings",
    "您同时有的预约太多",
    "You hold too many bookings at once",
    "请先取消不用的预约",
    "Cancel one that you do not need",
    Helper.SELF,
)
APPOINTMENT_NOT_FOUND = hospital_kind(
    "appointment_not_found",
    "没有这个预约",
    "There is no such appointment",
    "请核对预约记录",
    "Look at your appointments",
)
APPOINTMENT_STEP = hospital_kind(
    "appointment_step",
    "这个预约现在不能这样办理",
    "This cannot be done with the appointment now",
    "请看预约的状态",
    "Look at the state of the appointment",
)
REFUSALS = (
    DEPARTMENT_NOT_FOUND,
    DOCTOR_NOT_FOUND,
    SESSION_NOT_FOUND,
    SESSION_INVALID,
    SCHEDULE_INVALID,
    SESSION_FULL,
    SLOT_TAKEN,
    SLOT_INVALID,
    SESSION_CLOSED,
    ALREADY_BOOKED,
    TOO_MANY_BOOKINGS,
    APPOINTMENT_NOT_FOUND,
    APPOINTMENT_STEP,
)


class SessionRow(BaseModel):
    """One row of a list of sessions.

    Attributes:
        dr_code: 医师编码 of a doctor who is known here.
        day: As ``2026-01-05``.
        period: Part of the day.
        starts: In China, as ``08:00``.
        ends: In China; not after ``starts``: on the next day.
        room: As people find it.
        room_en: The same in English.
        terminal_id: In the room; may be empty.
        slots: How many patients.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dr_code: Annotated[str, Field(min_length=1, max_length=30)]
    day: date
    period: Period
    starts: time
    ends: time
    room: Annotated[str, Field(min_length=1, max_length=50)]
    room_en: Annotated[str, Field(max_length=50)] = ""
    terminal_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{0,30}$")] = ""
    slots: Annotated[int, Field(ge=1, le=300)]

    def session(self, practitioner: Practitioner) -> ClinicSession:
        """The session of a doctor, under a number of its own."""
        begin = datetime.combine(self.day, self.starts, CHINA)
        end = datetime.combine(self.day, self.ends, CHINA)
        if end <= begin:
            end += timedelta(days=1)
        return ClinicSession(
            session_no=ClinicSessionNo(new_identifier()),
            dept_code=practitioner.dept_code,
            dr_code=self.dr_code,
            day=self.day,
            period=self.period,
            starts_at=begin.astimezone(UTC),
            ends_at=end.astimezone(UTC),
            room=self.room,
            room_en=self.room_en or self.room,
            terminal_id=TerminalId(self.terminal_id) if self.terminal_id else None,
            slots=self.slots,
        )


def parse_sessions(text: str) -> Sequence[SessionRow]:
    """Read a list of sessions: CSV with the fields of :class:`SessionRow` in its first row.

    Raises:
        Refused: ``hospital.schedule_invalid``; ``row`` counts from 1 with the first session.
    """
    try:
        rows = list(csv.DictReader(text.splitlines(), strict=True))
    except csv.Error as invalid:
        raise Refused(SCHEDULE_INVALID, row=0, found=str(invalid)) from None
    if not rows:
        raise Refused(SCHEDULE_INVALID, row=0, found="no session")
    return [_session_row(fields, row) for row, fields in enumerate(rows, start=1)]


def _session_row(fields: Mapping[str, str], row: int) -> SessionRow:
    try:
        return SessionRow.model_validate(fields)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(SCHEDULE_INVALID, row=row, at=place, found=first["msg"]) from None


SLOTS_MAX = 300
"""The most slots of one session."""


def stepped(appointment: Appointment, to: AppointmentState) -> Appointment:
    """The appointment one step further; a step that was made already changes nothing.

    Raises:
        Refused: ``hospital.appointment_step`` when no such step leads on from where it stands.
    """
    if appointment.state is to:
        return appointment
    if to not in _NEXT[appointment.state]:
        raise Refused(APPOINTMENT_STEP, found=appointment.state.value, asked=to.value)
    return replace(appointment, state=to)


def check_session(session: ClinicSession) -> None:
    """Check times and number of slots of a new session.

    Raises:
        Refused: ``hospital.session_invalid``.
    """
    for name, holds in (
        ("times", session.starts_at < session.ends_at <= session.starts_at + timedelta(hours=24)),
        ("day", business_date(session.starts_at) == session.day),
        ("slots", 1 <= session.slots <= SLOTS_MAX),
        ("room", bool(session.room.strip())),
    ):
        if not holds:
            raise Refused(SESSION_INVALID, differs=name)


def check_bookable(session: ClinicSession, *, policy: BookingPolicy, now: datetime) -> None:
    """Check that a session can be booked: not begun, and not too far ahead.

    Raises:
        Refused: ``hospital.session_closed``.
    """
    last = business_date(now) + timedelta(days=policy.ahead_days)
    if now >= session.starts_at or session.day > last:
        raise Refused(SESSION_CLOSED, day=session.day.isoformat(), last=last.isoformat())


def check_changeable(session: ClinicSession, *, policy: BookingPolicy, now: datetime) -> None:
    """Check that a booking of a session may still be moved or cancelled.

    Raises:
        Refused: ``hospital.session_closed``.
    """
    if now >= session.starts_at - policy.change_before:
        raise Refused(SESSION_CLOSED, day=session.day.isoformat())


def check_arrival(session: ClinicSession, *, policy: BookingPolicy, now: datetime) -> None:
    """Check that a number of a session can be taken now: on its day, before its end.

    Raises:
        Refused: ``hospital.session_closed``.
    """
    today = business_date(now)
    too_early = now < session.starts_at - policy.arrive_before or session.day > today
    if too_early or now >= session.ends_at:
        raise Refused(SESSION_CLOSED, day=session.day.isoformat(), today=today.isoformat())


def chosen_slot(session: ClinicSession, taken: Collection[int], asked: int | None) -> int:
    """The slot that is taken: the one asked for, or the first free one.

    Raises:
        Refused: ``hospital.slot_invalid``, ``slot_taken``, ``session_full``.
    """
    if asked is None:
        free = first_free(session, taken)
        if free is None:
            raise Refused(SESSION_FULL)
        return free
    if not 1 <= asked <= session.slots:
        raise Refused(SLOT_INVALID, found=asked, limit=session.slots)
    if asked in taken:
        raise Refused(SLOT_TAKEN, found=asked)
    return asked


def first_free(session: ClinicSession, taken: Collection[int]) -> int | None:
    """The lowest slot that nobody holds."""
    return next((slot for slot in range(1, session.slots + 1) if slot not in taken), None)


def check_same_command(done: Done, act: Act, asked: str) -> None:
    """Check that a repeated command asks for what it asked for the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if (done.act, done.asked) != (act, asked):
        raise Refused(COMMAND_DIFFERS)


def continued_visits(
    earlier: Iterable[EarlierVisit],
    *,
    dept_code: str,
    dr_code: str,
    day: date,
    policy: BookingPolicy,
) -> tuple[EarlierVisit, ...]:
    """The visits whose results a visit of ``day`` may be about, the latest first.

    Same department, same doctor, at most ``policy.return_days`` before.
    """
    oldest = day - timedelta(days=policy.return_days)
    found = [
        visit
        for visit in earlier
        if (visit.dept_code, visit.dr_code) == (dept_code, dr_code) and oldest <= visit.day <= day
    ]
    return tuple(sorted(found, key=lambda visit: (visit.day, visit.encounter_no), reverse=True))


def fee_of(title: Title, *, covered_by: EncounterNo | None, policy: BookingPolicy) -> Fee:
    """What a registration costs.

    Args:
        title: Of the doctor.
        covered_by: The visit whose results this one is about, if it is about some.
        policy: With the fees.
    """
    if covered_by is not None:
        return Fee(FeeReason.RETURN_WITH_RESULTS, earlier=covered_by)
    code = policy.fees.get(title)
    return Fee(FeeReason.FREE_OF_CHARGE if code is None else FeeReason.BY_TITLE, code)
