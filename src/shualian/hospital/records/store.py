"""Tables of patient records: name and ID number sealed, equal ID numbers found by keyed hash."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, InstitutionCode, PersonNo, RecordNo

metadata = MetaData()

_IDENTIFIER = String(30)

patient_record = Table(
    "patient_record",
    metadata,
    Column("record_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("id_number_hash", LargeBinary, nullable=False),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("id_number_sealed", LargeBinary, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    UniqueConstraint("institution", "psn_no", name="uq_patient_record_psn_no"),
    UniqueConstraint("institution", "id_number_hash", name="uq_patient_record_id_number"),
)

record_opening = Table(
    "record_opening",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("record_no", ForeignKey(patient_record.c.record_no), nullable=False),
    Column("intent_id", _IDENTIFIER, nullable=False),
    Column("channel", String(10), nullable=False),
    Column("terminal_id", _IDENTIFIER, nullable=False),
    Column("first_frame_at", UtcTime, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
)
"""One row for each time that somebody opened the record, the first time or again."""


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A record as the database holds it."""

    record_no: RecordNo
    institution: InstitutionCode
    psn_no: PersonNo
    id_number_hash: bytes
    name_sealed: bytes
    id_number_sealed: bytes
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of a record by a command."""

    institution: InstitutionCode
    command_id: CommandId
    record_no: RecordNo
    intent_id: str
    channel: str
    terminal_id: str
    first_frame_at: datetime
    opened_at: datetime


def by_number(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo
) -> SealedRecord | None:
    """The record with this number."""
    return _one(connection, institution, patient_record.c.record_no == record_no)


def by_person(
    connection: Connection, institution: InstitutionCode, psn_no: PersonNo
) -> SealedRecord | None:
    """The record of the person with the insurer's number."""
    return _one(connection, institution, patient_record.c.psn_no == psn_no)


def by_id_number(
    connection: Connection, institution: InstitutionCode, id_number_hash: bytes
) -> SealedRecord | None:
    """The record whose ID number has this keyed hash."""
    return _one(connection, institution, patient_record.c.id_number_hash == id_number_hash)


def _one(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> SealedRecord | None:
    query = select(patient_record).where(patient_record.c.institution == institution, condition)
    row = connection.execute(query).one_or_none()
    return None if row is None else SealedRecord(**row._mapping)


def add_record(connection: Connection, record: SealedRecord) -> None:
    """Insert a new record."""
    connection.execute(insert(patient_record).values(_row(record)))


def opening_of(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> Opening | None:
    """What a command opened."""
    row = connection.execute(
        select(record_opening).where(
            record_opening.c.institution == institution,
            record_opening.c.command_id == command_id,
        )
    ).one_or_none()
    return None if row is None else Opening(**row._mapping)


def add_opening(connection: Connection, opening: Opening) -> None:
    """Insert what a command opened."""
    connection.execute(insert(record_opening).values(_row(opening)))


def _row(stored: SealedRecord | Opening) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in stored.__slots__}
