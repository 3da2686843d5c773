"""Tables of standing orders and dialysis sessions."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    RecordNo,
    StaffId,
)
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.scheduling.model import Doctor
from shualian.hospital.wards.dialysis.model import DialysisNo, DialysisSession, StandingOrder

metadata = MetaData()

_IDENTIFIER = String(30)

standing_orders = Table(
    "dialysis_standing_order",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("record_no", _IDENTIFIER, primary_key=True),
    Column("lines", Text, nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("dr_name", String(50), nullable=False),
    Column("since", UtcTime, nullable=False),
)
sessions = Table(
    "dialysis_session",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("session_no", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("record_no", _IDENTIFIER, nullable=False),
    Column("encounter_no", _IDENTIFIER, nullable=False),
    Column("day", Date, nullable=False),
    Column("nurse", _IDENTIFIER, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    UniqueConstraint("institution", "command_id", name="uq_dialysis_session_command"),
    UniqueConstraint("institution", "record_no", "day", name="uq_dialysis_session_day"),
)


def put_standing_order(
    connection: Connection, institution: InstitutionCode, order: StandingOrder
) -> None:
    """Insert a standing order or replace the patient's."""
    table = standing_orders
    connection.execute(
        delete(table).where(
            table.c.institution == institution, table.c.record_no == order.record_no
        )
    )
    lines = [[line.medins_list_codg, str(line.cnt)] for line in order.lines]
    connection.execute(
        insert(table).values(
            institution=institution,
            record_no=order.record_no,
            lines=json.dumps(lines),
            dr_code=order.doctor.dr_code,
            dr_name=order.doctor.dr_name,
            since=order.since,
        )
    )


def standing_order_of(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo
) -> StandingOrder | None:
    """The patient's standing order."""
    row = connection.execute(
        select(standing_orders).filter_by(institution=institution, record_no=record_no)
    ).one_or_none()
    if row is None:
        return None
    lines = tuple(OrderLine(code, Decimal(cnt)) for code, cnt in json.loads(row.lines))
    return StandingOrder(record_no, lines, Doctor(row.dr_code, row.dr_name), row.since)


def add(connection: Connection, institution: InstitutionCode, session: DialysisSession) -> None:
    """Insert a session."""
    connection.execute(
        insert(sessions).values(
            institution=institution,
            session_no=session.session_no,
            command_id=session.command_id,
            record_no=session.record_no,
            encounter_no=session.encounter_no,
            day=session.day,
            nurse=session.nurse,
            started_at=session.started_at,
        )
    )


def put_end(
    connection: Connection,
    institution: InstitutionCode,
    session_no: DialysisNo,
    *,
    at: datetime,
) -> None:
    """Store when a session ended; the first word counts."""
    connection.execute(
        update(sessions)
        .where(
            sessions.c.institution == institution,
            sessions.c.session_no == session_no,
            sessions.c.ended_at.is_(None),
        )
        .values(ended_at=at)
    )


def find(
    connection: Connection, institution: InstitutionCode, session_no: DialysisNo
) -> DialysisSession | None:
    """The session with this number."""
    return _one(connection, institution, sessions.c.session_no == session_no)


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> DialysisSession | None:
    """The session that a command began."""
    return _one(connection, institution, sessions.c.command_id == command_id)


def of_day(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo, day: date
) -> DialysisSession | None:
    """A patient's session of a day."""
    condition = (sessions.c.record_no == record_no) & (sessions.c.day == day)
    return _one(connection, institution, condition)


def since(
    connection: Connection, institution: InstitutionCode, day: date
) -> Sequence[DialysisSession]:
    """All sessions of a day and later, the earliest first."""
    query = (
        select(sessions)
        .where(sessions.c.institution == institution, sessions.c.day >= day)
        .order_by(sessions.c.started_at, sessions.c.session_no)
    )
    return [_session(row) for row in connection.execute(query)]


def _one(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> DialysisSession | None:
    query = select(sessions).where(sessions.c.institution == institution, condition)
    row = connection.execute(query).one_or_none()
    return None if row is None else _session(row)


def _session(row: Row[Any]) -> DialysisSession:
    return DialysisSession(
        session_no=DialysisNo(row.session_no),
        command_id=CommandId(row.command_id),
        record_no=RecordNo(row.record_no),
        encounter_no=EncounterNo(row.encounter_no),
        day=row.day,
        nurse=StaffId(row.nurse),
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
