"""Tables of departments, doctors, sessions and appointments.

A slot is held by one appointment: ``held_slot`` and ``held_by`` are filled while an appointment
holds its slot and empty afterwards, and both are unique inside a session.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
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
from shualian.hospital.model import Channel
from shualian.hospital.scheduling.model import (
    HOLDING,
    Act,
    Appointment,
    AppointmentNo,
    AppointmentState,
    ClinicSession,
    ClinicSessionNo,
    Department,
    Doctor,
    Done,
    Fee,
    FeeReason,
    Origin,
    Period,
    Practitioner,
    Title,
)

metadata = MetaData()

_IDENTIFIER = String(30)
_HOLDING = [state.value for state in HOLDING]

departments = Table(
    "department",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("dept_code", _IDENTIFIER, primary_key=True),
    Column("dept_name", String(100), nullable=False),
    Column("name_en", String(100), nullable=False),
    Column("caty", String(6), nullable=False),
    Column("queue_letter", String(2), nullable=False),
)

practitioners = Table(
    "practitioner",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("dr_code", _IDENTIFIER, primary_key=True),
    Column("dr_name", String(50), nullable=False),
    Column("name_en", String(50), nullable=False),
    Column("dept_code", _IDENTIFIER, nullable=False, index=True),
    Column("title", String(20), nullable=False),
    Column("staff_id", _IDENTIFIER),
)

sessions = Table(
    "clinic_session",
    metadata,
    Column("session_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("dept_code", _IDENTIFIER, nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("day", Date, nullable=False),
    Column("period", String(10), nullable=False),
    Column("starts_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("room", String(50), nullable=False),
    Column("room_en", String(50), nullable=False),
    Column("terminal_id", _IDENTIFIER),
    Column("slots", Integer, nullable=False),
    UniqueConstraint("institution", "dr_code", "day", "period", name="uq_clinic_session_doctor"),
    Index("ix_clinic_session_day", "institution", "day", "dept_code"),
)

appointments = Table(
    "appointment",
    metadata,
    Column("appointment_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("session_no", ForeignKey(sessions.c.session_no), nullable=False),
    Column("slot_no", Integer, nullable=False),
    Column("held_slot", Integer),
    Column("held_by", _IDENTIFIER),
    Column("record_no", _IDENTIFIER, nullable=False, index=True),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("origin", String(10), nullable=False),
    Column("state", String(15), nullable=False),
    Column("channel", String(10)),
    Column("terminal_id", _IDENTIFIER),
    Column("booked_at", UtcTime, nullable=False),
    Column("encounter_no", _IDENTIFIER, index=True),
    Column("register_command", _IDENTIFIER),
    Column("asked_at", UtcTime),
    Column("fee_command", _IDENTIFIER),
    Column("fee_reason", String(20)),
    Column("fee_code", String(50)),
    Column("fee_earlier", _IDENTIFIER),
    Column("fee_charged", Boolean),
    UniqueConstraint("session_no", "held_slot", name="uq_appointment_slot"),
    UniqueConstraint("session_no", "held_by", name="uq_appointment_person"),
    Index("ix_appointment_state", "institution", "state"),
)

commands = Table(
    "scheduling_command",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("act", String(10), nullable=False),
    Column("asked", String(100), nullable=False),
    Column("appointment_no", ForeignKey(appointments.c.appointment_no), nullable=False),
)

news = Table(
    "expectation_news",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("psn_no", _IDENTIFIER, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("mark", _IDENTIFIER, nullable=False),
)
"""People and days of which the insurer's side is still to be told whether they are expected."""


@dataclass(frozen=True, slots=True)
class StoredAppointment:
    """An appointment with what only its registration needs.

    Attributes:
        appointment: The appointment.
        register_command: Of the visit that it becomes.
        asked_at: When that was begun, UTC.
        fee_command: Of the order of its fee; made before the fee is ordered.
        fee: What the visit costs; none before it is checked in.
        fee_charged: Whether the fee stands on the bill, or there is none.
    """

    appointment: Appointment
    register_command: CommandId | None = None
    asked_at: datetime | None = None
    fee_command: CommandId | None = None
    fee: Fee | None = None
    fee_charged: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """Somebody and a day of which the insurer's side is to be told.

    Attributes:
        psn_no: Who.
        day: When.
        mark: Changes with every change, so that a later one is not taken for told.
        expected: Whether they have a slot that day.
    """

    psn_no: PersonNo
    day: date
    mark: str
    expected: bool


def put_departments(
    connection: Connection, institution: InstitutionCode, found: Iterable[Department]
) -> None:
    """Insert departments, or what changed of them."""
    for each in found:
        key = {"institution": institution, "dept_code": each.dept_code}
        values = {
            "dept_name": each.dept_name,
            "name_en": each.name_en,
            "caty": each.caty,
            "queue_letter": each.queue_letter,
        }
        _put(connection, departments, key, values)


def put_practitioners(
    connection: Connection, institution: InstitutionCode, found: Iterable[Practitioner]
) -> None:
    """Insert doctors, or what changed of them."""
    for each in found:
        key = {"institution": institution, "dr_code": each.doctor.dr_code}
        values = {
            "dr_name": each.doctor.dr_name,
            "name_en": each.doctor.name_en,
            "dept_code": each.dept_code,
            "title": each.title.value,
            "staff_id": each.staff_id,
        }
        _put(connection, practitioners, key, values)


def _put(connection: Connection, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    condition = [table.c[name] == value for name, value in key.items()]
    changed = connection.execute(update(table).where(*condition).values(values)).rowcount
    if not changed:
        connection.execute(insert(table).values(key | values))


def all_departments(connection: Connection, institution: InstitutionCode) -> Sequence[Department]:
    """Every department, by code."""
    query = (
        select(departments)
        .where(departments.c.institution == institution)
        .order_by(departments.c.dept_code)
    )
    return [_department(row) for row in connection.execute(query)]


def department(
    connection: Connection, institution: InstitutionCode, dept_code: str
) -> Department | None:
    """The department with this code."""
    query = select(departments).where(
        departments.c.institution == institution, departments.c.dept_code == dept_code
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _department(row)


def practitioners_of(
    connection: Connection, institution: InstitutionCode, dept_code: str | None = None
) -> Sequence[Practitioner]:
    """Every doctor, or those of a department, by code."""
    query = select(practitioners).where(practitioners.c.institution == institution)
    if dept_code is not None:
        query = query.where(practitioners.c.dept_code == dept_code)
    rows = connection.execute(query.order_by(practitioners.c.dr_code))
    return [_practitioner(row) for row in rows]


def practitioner(
    connection: Connection, institution: InstitutionCode, dr_code: str
) -> Practitioner | None:
    """The doctor with this code."""
    query = select(practitioners).where(
        practitioners.c.institution == institution, practitioners.c.dr_code == dr_code
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _practitioner(row)


def practitioner_of_staff(
    connection: Connection, institution: InstitutionCode, staff_id: StaffId
) -> Practitioner | None:
    """The doctor who has this account."""
    key = {"institution": institution, "staff_id": staff_id}
    row = connection.execute(select(practitioners).filter_by(**key)).first()
    return None if row is None else _practitioner(row)


def add_session(
    connection: Connection, institution: InstitutionCode, session: ClinicSession
) -> None:
    """Insert a session."""
    values = {name: getattr(session, name) for name in session.__slots__}
    values |= {"institution": institution, "period": session.period.value}
    connection.execute(insert(sessions).values(values))


def session_of_doctor(
    connection: Connection,
    institution: InstitutionCode,
    *,
    dr_code: str,
    day: date,
    period: Period,
) -> ClinicSession | None:
    """A doctor's session in a part of a day."""
    query = select(sessions).where(
        sessions.c.institution == institution,
        sessions.c.dr_code == dr_code,
        sessions.c.day == day,
        sessions.c.period == period.value,
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _session(row)


def session(
    connection: Connection,
    institution: InstitutionCode,
    session_no: ClinicSessionNo,
    *,
    locked: bool = False,
) -> ClinicSession | None:
    """The session with this number; ``locked`` until the transaction ends."""
    query = select(sessions).where(
        sessions.c.institution == institution, sessions.c.session_no == session_no
    )
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    return None if row is None else _session(row)


def sessions_on(
    connection: Connection,
    institution: InstitutionCode,
    *,
    first: date,
    last: date,
    dept_code: str | None = None,
    dr_code: str | None = None,
) -> Sequence[ClinicSession]:
    """The sessions from ``first`` to ``last``, in the order of their beginning."""
    query = select(sessions).where(
        sessions.c.institution == institution, sessions.c.day.between(first, last)
    )
    if dept_code is not None:
        query = query.where(sessions.c.dept_code == dept_code)
    if dr_code is not None:
        query = query.where(sessions.c.dr_code == dr_code)
    rows = connection.execute(query.order_by(sessions.c.starts_at, sessions.c.session_no))
    return [_session(row) for row in rows]


def ended_with_bookings(
    connection: Connection, institution: InstitutionCode, *, now: datetime, limit: int
) -> Sequence[AppointmentNo]:
    """Bookings of sessions that ended, at most ``limit``."""
    query = (
        select(appointments.c.appointment_no)
        .join(sessions, sessions.c.session_no == appointments.c.session_no)
        .where(
            appointments.c.institution == institution,
            appointments.c.state == AppointmentState.BOOKED.value,
            sessions.c.ends_at <= now,
        )
        .order_by(appointments.c.appointment_no)
        .limit(limit)
    )
    return [AppointmentNo(number) for number in connection.scalars(query)]


def taken_slots(connection: Connection, session_no: ClinicSessionNo) -> Collection[int]:
    """The slots of a session that somebody holds."""
    query = select(appointments.c.held_slot).where(
        appointments.c.session_no == session_no, appointments.c.held_slot.is_not(None)
    )
    return {int(slot) for slot in connection.scalars(query)}


def taken_counts(
    connection: Connection, session_nos: Collection[ClinicSessionNo]
) -> dict[ClinicSessionNo, int]:
    """How many slots of each session somebody holds; a session without one is not there."""
    query = (
        select(appointments.c.session_no, func.count())
        .where(appointments.c.session_no.in_(session_nos), appointments.c.held_slot.is_not(None))
        .group_by(appointments.c.session_no)
    )
    return {ClinicSessionNo(number): count for number, count in connection.execute(query)}


def holds_in(connection: Connection, session_no: ClinicSessionNo, record_no: RecordNo) -> bool:
    """Whether somebody holds a slot of a session."""
    query = select(appointments.c.appointment_no).where(
        appointments.c.session_no == session_no, appointments.c.held_by == record_no
    )
    return connection.scalar(query) is not None


def bookings_of(connection: Connection, institution: InstitutionCode, record_no: RecordNo) -> int:
    """How many bookings somebody holds that are not checked in."""
    query = select(func.count()).where(
        appointments.c.institution == institution,
        appointments.c.record_no == record_no,
        appointments.c.state == AppointmentState.BOOKED.value,
    )
    return connection.scalar(query) or 0


def is_expected(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo, *, day: date
) -> bool:
    """Whether somebody holds a slot on ``day`` or the day after."""
    query = (
        select(appointments.c.appointment_no)
        .join(sessions, sessions.c.session_no == appointments.c.session_no)
        .where(
            appointments.c.institution == institution,
            appointments.c.record_no == record_no,
            appointments.c.held_by.is_not(None),
            sessions.c.day.between(day, day + timedelta(days=1)),
        )
        .limit(1)
    )
    return connection.scalar(query) is not None


def add(connection: Connection, stored: StoredAppointment) -> None:
    """Insert an appointment, and mark that the insurer's side is to be told."""
    found = stored.appointment
    values = {
        "appointment_no": found.appointment_no,
        "institution": found.institution,
        "record_no": found.record_no,
        "psn_no": found.psn_no,
        "origin": found.origin.value,
        "channel": None if found.channel is None else found.channel.value,
        "terminal_id": found.terminal_id,
        "booked_at": found.booked_at,
        **_changing(stored),
    }
    connection.execute(insert(appointments).values(values))
    _mark(connection, found)


def change(connection: Connection, stored: StoredAppointment) -> None:
    """Store where an appointment stands now, and mark that the insurer's side is to be told."""
    found = stored.appointment
    own = appointments.c.appointment_no == found.appointment_no
    before = connection.execute(select(appointments.c.session_no).where(own)).scalar_one()
    if before != found.session_no:
        _mark(connection, found, ClinicSessionNo(before))
    connection.execute(update(appointments).where(own).values(_changing(stored)))
    _mark(connection, found)


def _mark(
    connection: Connection, found: Appointment, session_no: ClinicSessionNo | None = None
) -> None:
    number = session_no or found.session_no
    day = connection.execute(
        select(sessions.c.day).where(sessions.c.session_no == number)
    ).scalar_one()
    key = {"institution": found.institution, "psn_no": found.psn_no, "day": day}
    _put(connection, news, key, {"mark": new_identifier()})


def to_tell(connection: Connection, institution: InstitutionCode, limit: int) -> Sequence[News]:
    """Of whom the insurer's side is still to be told, at most ``limit``."""
    query = select(news).where(news.c.institution == institution).order_by(news.c.mark).limit(limit)
    return [
        News(
            PersonNo(row.psn_no),
            row.day,
            row.mark,
            _has_slot(connection, institution, row.psn_no, row.day),
        )
        for row in connection.execute(query).all()
    ]


def _has_slot(connection: Connection, institution: InstitutionCode, psn_no: str, day: date) -> bool:
    query = (
        select(appointments.c.appointment_no)
        .join(sessions, sessions.c.session_no == appointments.c.session_no)
        .where(
            appointments.c.institution == institution,
            appointments.c.psn_no == psn_no,
            appointments.c.held_by.is_not(None),
            sessions.c.day == day,
        )
        .limit(1)
    )
    return connection.scalar(query) is not None


def told(connection: Connection, institution: InstitutionCode, each: News) -> None:
    """Forget what was told, unless it changed meanwhile."""
    connection.execute(
        delete(news).where(
            news.c.institution == institution,
            news.c.psn_no == each.psn_no,
            news.c.day == each.day,
            news.c.mark == each.mark,
        )
    )


def appointment(
    connection: Connection,
    institution: InstitutionCode,
    appointment_no: AppointmentNo,
    *,
    locked: bool = False,
) -> StoredAppointment | None:
    """The appointment with this number; ``locked`` until the transaction ends."""
    condition = appointments.c.appointment_no == appointment_no
    return _one(connection, institution, condition, locked=locked)


def by_register_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> StoredAppointment | None:
    """The appointment that a command registers."""
    return _one(connection, institution, appointments.c.register_command == command_id)


def by_encounter(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> StoredAppointment | None:
    """The appointment that became an encounter."""
    return _one(connection, institution, appointments.c.encounter_no == encounter_no)


def of_record(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo, limit: int
) -> Sequence[Appointment]:
    """The latest appointments of a patient, the latest first."""
    query = (
        select(appointments)
        .where(appointments.c.institution == institution, appointments.c.record_no == record_no)
        .order_by(appointments.c.booked_at.desc(), appointments.c.appointment_no.desc())
        .limit(limit)
    )
    return [_appointment(row) for row in connection.execute(query)]


def unfinished(
    connection: Connection, institution: InstitutionCode, limit: int
) -> Sequence[AppointmentNo]:
    """Appointments whose registration or fee is under way, the oldest first."""
    table = appointments
    fee_due = (table.c.state == AppointmentState.CHECKED_IN.value) & (
        table.c.fee_charged.is_(False)
    )
    query = (
        select(table.c.appointment_no)
        .where(
            table.c.institution == institution,
            (table.c.state == AppointmentState.CHECKING_IN.value) | fee_due,
        )
        .order_by(table.c.appointment_no)
        .limit(limit)
    )
    return [AppointmentNo(number) for number in connection.scalars(query)]


def done(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> Done | None:
    """What a command did."""
    query = select(commands).where(
        commands.c.institution == institution, commands.c.command_id == command_id
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Done(
        InstitutionCode(row.institution),
        CommandId(row.command_id),
        Act(row.act),
        row.asked,
        AppointmentNo(row.appointment_no),
    )


def add_done(connection: Connection, did: Done) -> None:
    """Insert what a command did."""
    values = {name: getattr(did, name) for name in did.__slots__} | {"act": did.act.value}
    connection.execute(insert(commands).values(values))


def forget_done(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> None:
    """A command came to nothing and may be sent again."""
    connection.execute(
        delete(commands).where(
            commands.c.institution == institution, commands.c.command_id == command_id
        )
    )


def _one(
    connection: Connection,
    institution: InstitutionCode,
    condition: ColumnElement[bool],
    *,
    locked: bool = False,
) -> StoredAppointment | None:
    query = select(appointments).where(appointments.c.institution == institution, condition)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    return None if row is None else _stored(row)


def _changing(stored: StoredAppointment) -> dict[str, Any]:
    found, fee = stored.appointment, stored.fee
    return {
        "session_no": found.session_no,
        "slot_no": found.slot_no,
        "held_slot": found.slot_no if found.holds else None,
        "held_by": found.record_no if found.holds else None,
        "state": found.state.value,
        "encounter_no": found.encounter_no,
        "register_command": stored.register_command,
        "asked_at": stored.asked_at,
        "fee_command": stored.fee_command,
        "fee_reason": None if fee is None else fee.reason.value,
        "fee_code": None if fee is None else fee.medins_list_codg,
        "fee_earlier": None if fee is None else fee.earlier,
        "fee_charged": None if fee is None else stored.fee_charged,
    }


def _department(row: Row[Any]) -> Department:
    return Department(row.dept_code, row.dept_name, row.caty, row.queue_letter, row.name_en)


def _practitioner(row: Row[Any]) -> Practitioner:
    return Practitioner(
        doctor=Doctor(row.dr_code, row.dr_name, row.name_en),
        dept_code=row.dept_code,
        title=Title(row.title),
        staff_id=None if row.staff_id is None else StaffId(row.staff_id),
    )


def _session(row: Row[Any]) -> ClinicSession:
    return ClinicSession(
        session_no=ClinicSessionNo(row.session_no),
        dept_code=row.dept_code,
        dr_code=row.dr_code,
        day=row.day,
        period=Period(row.period),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        room=row.room,
        room_en=row.room_en,
        terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
        slots=row.slots,
    )


def _stored(row: Row[Any]) -> StoredAppointment:
    command, fee = row.register_command, row.fee_command
    return StoredAppointment(
        appointment=_appointment(row),
        register_command=None if command is None else CommandId(command),
        asked_at=row.asked_at,
        fee_command=None if fee is None else CommandId(fee),
        fee=_fee(row),
        fee_charged=bool(row.fee_charged),
    )


def _fee(row: Row[Any]) -> Fee | None:
    if row.fee_reason is None:
        return None
    earlier = None if row.fee_earlier is None else EncounterNo(row.fee_earlier)
    return Fee(FeeReason(row.fee_reason), row.fee_code, earlier)


def _appointment(row: Row[Any]) -> Appointment:
    number = row.encounter_no
    return Appointment(
        appointment_no=AppointmentNo(row.appointment_no),
        institution=InstitutionCode(row.institution),
        session_no=ClinicSessionNo(row.session_no),
        slot_no=row.slot_no,
        record_no=RecordNo(row.record_no),
        psn_no=PersonNo(row.psn_no),
        origin=Origin(row.origin),
        state=AppointmentState(row.state),
        channel=None if row.channel is None else Channel(row.channel),
        terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
        booked_at=row.booked_at,
        encounter_no=None if number is None else EncounterNo(number),
    )
