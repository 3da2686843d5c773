"""Tables of examinations and reports; what a report says is sealed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
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
)
from shualian.hospital.clinical.model import OrderKind, OrderNo
from shualian.hospital.examinations.model import Collection as Collected
from shualian.hospital.examinations.model import Examination, ExamState
from shualian.hospital.model import Channel

metadata = MetaData()

_IDENTIFIER = String(30)

examinations = Table(
    "examination",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("order_no", _IDENTIFIER, primary_key=True),
    Column("encounter_no", _IDENTIFIER, nullable=False),
    Column("record_no", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("kind", String(15), nullable=False),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("channel", String(10), nullable=False),
    Column("arrived_at", UtcTime, nullable=False),
    Column("terminal_id", _IDENTIFIER),
    Column("received_by", _IDENTIFIER),
    Column("state", String(10), nullable=False),
    Column("performed_at", UtcTime),
    Column("performed_by", _IDENTIFIER),
    Index("ix_examination_state", "institution", "state"),
    Index("ix_examination_person", "institution", "psn_no"),
)

reports = Table(
    "report_version",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("order_no", _IDENTIFIER, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("encounter_no", _IDENTIFIER, nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("content_sealed", LargeBinary, nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("entered_by", _IDENTIFIER, nullable=False),
    Column("entered_at", UtcTime, nullable=False),
    Column("signed_by", _IDENTIFIER),
    Column("signed_at", UtcTime),
    Column("seen_by", _IDENTIFIER),
    Column("seen_at", UtcTime),
    UniqueConstraint("institution", "command_id", name="uq_report_version_command"),
    Index("ix_report_version_encounter", "institution", "encounter_no"),
    Index("ix_report_version_doctor", "institution", "dr_code", "critical"),
    ForeignKeyConstraint(
        ["institution", "order_no"], [examinations.c.institution, examinations.c.order_no]
    ),
)
"""Every version; the newest signed one holds."""

collections = Table(
    "report_collection",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("order_no", _IDENTIFIER, nullable=False),
    Column("version", Integer, nullable=False),
    Column("collected_at", UtcTime, nullable=False),
    Column("channel", String(10), nullable=False),
    Column("collector", _IDENTIFIER, nullable=False),
    Column("is_proxy", Boolean, nullable=False),
    Column("terminal_id", _IDENTIFIER),
    Column("given_by", _IDENTIFIER),
    Index("ix_report_collection_order", "institution", "order_no"),
)
"""One row for each time that somebody took a report away."""


@dataclass(frozen=True, slots=True)
class SealedReport:
    """A version of a report as the database holds it."""

    institution: InstitutionCode
    order_no: OrderNo
    version: int
    encounter_no: EncounterNo
    dr_code: str
    command_id: CommandId
    content_sealed: bytes
    critical: bool
    entered_by: StaffId
    entered_at: datetime
    signed_by: StaffId | None = None
    signed_at: datetime | None = None
    seen_by: StaffId | None = None
    seen_at: datetime | None = None


def add(connection: Connection, examination: Examination) -> None:
    """Insert an examination whose patient has come."""
    connection.execute(insert(examinations).values(_row(examination)))


def change(connection: Connection, examination: Examination) -> None:
    """Store where an examination stands now."""
    key = {"institution": examination.institution, "order_no": examination.order_no}
    connection.execute(update(examinations).filter_by(**key).values(_row(examination)))


def by_order(
    connection: Connection, institution: InstitutionCode, order_no: OrderNo
) -> Examination | None:
    """The examination of an order."""
    found = _found(connection, institution, examinations.c.order_no == order_no)
    return found[0] if found else None


def in_states(
    connection: Connection, institution: InstitutionCode, states: Collection[ExamState]
) -> Sequence[Examination]:
    """The examinations that stand in one of the states, by their arrival."""
    state = examinations.c.state.in_([each.value for each in states])
    return _found(connection, institution, state)


def of_person(
    connection: Connection, institution: InstitutionCode, psn_no: PersonNo
) -> Sequence[Examination]:
    """All examinations of a person here, by their arrival."""
    return _found(connection, institution, examinations.c.psn_no == psn_no)


def add_report(connection: Connection, report: SealedReport) -> None:
    """Insert a version."""
    row = {name: getattr(report, name) for name in report.__slots__}
    connection.execute(insert(reports).values(row))


def change_report(connection: Connection, report: SealedReport) -> None:
    """Store who answers for a version, or who took note of it; never what it says."""
    key = {
        "institution": report.institution,
        "order_no": report.order_no,
        "version": report.version,
    }
    names = ("signed_by", "signed_at", "seen_by", "seen_at")
    values = {name: getattr(report, name) for name in names}
    connection.execute(update(reports).filter_by(**key).values(values))


def report_of_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> SealedReport | None:
    """The version that a command entered."""
    found = _reports(connection, institution, reports.c.command_id == command_id)
    return found[0] if found else None


def reports_of(
    connection: Connection, institution: InstitutionCode, orders: Collection[OrderNo]
) -> Sequence[SealedReport]:
    """All versions of the reports of some orders, by order and version."""
    return _reports(connection, institution, reports.c.order_no.in_(list(orders)))


def reports_of_encounters(
    connection: Connection, institution: InstitutionCode, encounters: Collection[EncounterNo]
) -> Sequence[SealedReport]:
    """All versions of the reports of some visits, by order and version."""
    return _reports(connection, institution, reports.c.encounter_no.in_(list(encounters)))


def critical_unseen(
    connection: Connection, institution: InstitutionCode, dr_code: str
) -> Sequence[SealedReport]:
    """Signed critical versions of a doctor's orders of which nobody took note."""
    of = reports.c
    waits = of.critical & of.signed_at.is_not(None) & of.seen_at.is_(None)
    return _reports(connection, institution, (of.dr_code == dr_code) & waits)


def add_collection(
    connection: Connection, institution: InstitutionCode, collected: Collected
) -> None:
    """Insert that a report was taken away."""
    row = {name: getattr(collected, name) for name in collected.__slots__}
    row |= {"institution": institution, "channel": collected.channel.value}
    connection.execute(insert(collections).values(row))


def collection_of_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> Collected | None:
    """What a command took away."""
    found = _collected(connection, institution, collections.c.command_id == command_id)
    return found[0] if found else None


def collections_of(
    connection: Connection, institution: InstitutionCode, order_no: OrderNo
) -> Sequence[Collected]:
    """Who took a report away, the earliest first."""
    return _collected(connection, institution, collections.c.order_no == order_no)


def _found(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[Examination]:
    query = (
        select(examinations)
        .where(examinations.c.institution == institution, condition)
        .order_by(examinations.c.arrived_at, examinations.c.order_no)
    )
    return [_examination(row) for row in connection.execute(query)]


def _reports(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[SealedReport]:
    query = (
        select(reports)
        .where(reports.c.institution == institution, condition)
        .order_by(reports.c.order_no, reports.c.version)
    )
    return [SealedReport(**row._mapping) for row in connection.execute(query)]


def _collected(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[Collected]:
    query = (
        select(collections)
        .where(collections.c.institution == institution, condition)
        .order_by(collections.c.collected_at, collections.c.command_id)
    )
    return [_collection(row) for row in connection.execute(query)]


def _row(examination: Examination) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(examination, name) for name in examination.__slots__}
    return row | {
        "kind": examination.kind.value,
        "channel": examination.channel.value,
        "state": examination.state.value,
    }


def _examination(row: Row[Any]) -> Examination:
    return Examination(
        order_no=OrderNo(row.order_no),
        institution=InstitutionCode(row.institution),
        encounter_no=EncounterNo(row.encounter_no),
        record_no=RecordNo(row.record_no),
        psn_no=PersonNo(row.psn_no),
        kind=OrderKind(row.kind),
        command_id=CommandId(row.command_id),
        channel=Channel(row.channel),
        arrived_at=row.arrived_at,
        terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
        received_by=None if row.received_by is None else StaffId(row.received_by),
        state=ExamState(row.state),
        performed_at=row.performed_at,
        performed_by=None if row.performed_by is None else StaffId(row.performed_by),
    )


def _collection(row: Row[Any]) -> Collected:
    return Collected(
        command_id=CommandId(row.command_id),
        order_no=OrderNo(row.order_no),
        version=row.version,
        collected_at=row.collected_at,
        channel=Channel(row.channel),
        collector=PersonNo(row.collector),
        is_proxy=row.is_proxy,
        terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
        given_by=None if row.given_by is None else StaffId(row.given_by),
    )
