"""Tables of patient records: what is personal is sealed, equal ID numbers meet in a keyed hash.

Entries, removals and looks are inserted and never changed; the migrations let the database itself
refuse it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    ForeignKey,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    or_,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.database.rows import find, sought
from shualian.core.identifiers import CommandId, InstitutionCode, PersonNo, RecordNo

metadata = MetaData()

_IDENTIFIER = String(30)

patient_record = Table(
    "patient_record",
    metadata,
    Column("record_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER),
    Column("id_number_hash", LargeBinary),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("id_number_sealed", LargeBinary),
    Column("opened_at", UtcTime, nullable=False),
    Column("estimated_sex", String(1)),
    Column("estimated_age_band", String(5)),
    Column("unknown_day", Date),
    Column("merged_into", _IDENTIFIER, index=True),
    UniqueConstraint("institution", "psn_no", name="uq_patient_record_psn_no"),
    UniqueConstraint("institution", "id_number_hash", name="uq_patient_record_id_number"),
)
"""Of an unknown patient there is no number; once it is known who that is, ``merged_into`` names
the record of the person."""

record_opening = Table(
    "record_opening",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("record_no", ForeignKey(patient_record.c.record_no), nullable=False),
    Column("intent_id", _IDENTIFIER),
    Column("channel", String(10)),
    Column("terminal_id", _IDENTIFIER),
    Column("first_frame_at", UtcTime),
    Column("opened_at", UtcTime, nullable=False),
    Column("opened_by", _IDENTIFIER),
)
"""One row for each time that somebody opened the record, the first time or again."""

record_entry = Table(
    "record_entry",
    metadata,
    Column("entry_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("record_no", ForeignKey(patient_record.c.record_no), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("content_sealed", LargeBinary, nullable=False),
    Column("added_by", _IDENTIFIER, nullable=False),
    Column("added_at", UtcTime, nullable=False),
    UniqueConstraint("institution", "command_id", name="uq_record_entry_command"),
)

record_entry_removal = Table(
    "record_entry_removal",
    metadata,
    Column("entry_no", ForeignKey(record_entry.c.entry_no), primary_key=True),
    Column("reason_sealed", LargeBinary, nullable=False),
    Column("removed_by", _IDENTIFIER, nullable=False),
    Column("removed_at", UtcTime, nullable=False),
)

record_look = Table(
    "record_look",
    metadata,
    Column("look_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("record_no", ForeignKey(patient_record.c.record_no), nullable=False, index=True),
    Column("staff_id", _IDENTIFIER, nullable=False),
    Column("role", String(20), nullable=False),
    Column("why", String(20), nullable=False),
    Column("note_sealed", LargeBinary, nullable=False),
    Column("related", Boolean, nullable=False),
    Column("encounter_no", _IDENTIFIER),
    Column("looked_at", UtcTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A record as the database holds it."""

    record_no: RecordNo
    institution: InstitutionCode
    psn_no: PersonNo | None
    id_number_hash: bytes | None
    name_sealed: bytes
    id_number_sealed: bytes | None
    opened_at: datetime
    estimated_sex: str | None = None
    estimated_age_band: str | None = None
    unknown_day: date | None = None
    merged_into: RecordNo | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of a record by a command.

    Attributes:
        institution: Whose record.
        command_id: Which command.
        record_no: What it opened.
        intent_id: What was confirmed; none for a patient whom nobody knows.
        channel: Of the evidence; none without.
        terminal_id: Where; none at a window.
        first_frame_at: Of the capture, UTC; none without a face.
        opened_at: UTC.
        opened_by: The member of staff who saw a document or brought the patient in.
    """

    institution: InstitutionCode
    command_id: CommandId
    record_no: RecordNo
    intent_id: str | None
    channel: str | None
    terminal_id: str | None
    first_frame_at: datetime | None
    opened_at: datetime
    opened_by: str | None


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry as the database holds it."""

    entry_no: str
    institution: InstitutionCode
    command_id: CommandId
    record_no: RecordNo
    kind: str
    content_sealed: bytes
    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class SealedRemoval:
    """A removal as the database holds it."""

    entry_no: str
    reason_sealed: bytes
    removed_by: str
    removed_at: datetime


@dataclass(frozen=True, slots=True)
class SealedLook:
    """A look as the database holds it."""

    look_no: str
    institution: InstitutionCode
    record_no: RecordNo
    staff_id: str
    role: str
    why: str
    note_sealed: bytes
    related: bool
    encounter_no: str | None
    looked_at: datetime


def by_number(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo
) -> SealedRecord | None:
    """The record with this number, or the one that it was merged into."""
    found = _one(connection, institution=institution, record_no=record_no)
    if found is None or found.merged_into is None:
        return found
    return _one(connection, institution=institution, record_no=found.merged_into)


def by_person(
    connection: Connection, institution: InstitutionCode, psn_no: PersonNo
) -> SealedRecord | None:
    """The record of the person with the insurer's number."""
    return _one(connection, institution=institution, psn_no=psn_no)


def by_id_number(
    connection: Connection, institution: InstitutionCode, id_number_hash: bytes
) -> SealedRecord | None:
    """The record whose ID number has this keyed hash."""
    return _one(connection, institution=institution, id_number_hash=id_number_hash)


def _one(connection: Connection, **key: str | bytes) -> SealedRecord | None:
    (rows,) = find(connection, sought(patient_record, **key))
    return SealedRecord(**rows[0]._asdict()) if rows else None


def add_record(connection: Connection, record: SealedRecord) -> None:
    """Insert a new record."""
    connection.execute(insert(patient_record).values(_row(record)))


def lock(connection: Connection, institution: InstitutionCode, record_no: RecordNo) -> None:
    """Let only one transaction at a time decide about this patient."""
    query = select(patient_record.c.record_no).where(
        patient_record.c.institution == institution, patient_record.c.record_no == record_no
    )
    connection.execute(query.with_for_update()).all()


def unknown_on(connection: Connection, institution: InstitutionCode, day: date) -> int:
    """How many patients whom nobody knew came on a day."""
    query = select(func.count()).where(
        patient_record.c.institution == institution, patient_record.c.unknown_day == day
    )
    return connection.scalar(query) or 0


def merge(
    connection: Connection, institution: InstitutionCode, unknown: RecordNo, into: RecordNo
) -> None:
    """Let the record of somebody whom nobody knew go on in the person's own."""
    table = patient_record
    change = update(table).where(
        table.c.institution == institution,
        table.c.record_no == unknown,
        table.c.psn_no.is_(None),
        table.c.merged_into.is_(None),
    )
    connection.execute(change.values(merged_into=into))


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


def add_entry(connection: Connection, entry: SealedEntry) -> None:
    """Insert an entry."""
    connection.execute(insert(record_entry).values(_row(entry)))


def add_removal(connection: Connection, removal: SealedRemoval) -> None:
    """Insert that an entry holds no more."""
    connection.execute(insert(record_entry_removal).values(_row(removal)))


def add_look(connection: Connection, look: SealedLook) -> None:
    """Insert that somebody looked."""
    connection.execute(insert(record_look).values(_row(look)))


EntryRow = tuple[SealedEntry, SealedRemoval | None]


def entry_of_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> EntryRow | None:
    """The entry that a command added."""
    found = _entries(connection, institution, record_entry.c.command_id == command_id)
    return found[0] if found else None


def entry(connection: Connection, institution: InstitutionCode, entry_no: str) -> EntryRow | None:
    """The entry with this number."""
    found = _entries(connection, institution, record_entry.c.entry_no == entry_no)
    return found[0] if found else None


def entries_of(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo
) -> Sequence[EntryRow]:
    """The entries of a record and of those that were merged into it, the oldest first."""
    parts = _parts(institution, record_no)
    return _entries(connection, institution, record_entry.c.record_no.in_(parts))


def looks_at(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo, limit: int
) -> Sequence[SealedLook]:
    """The latest looks at a record and at those that were merged into it, the latest first."""
    query = (
        select(record_look)
        .where(
            record_look.c.institution == institution,
            record_look.c.record_no.in_(_parts(institution, record_no)),
        )
        .order_by(record_look.c.looked_at.desc(), record_look.c.look_no.desc())
        .limit(limit)
    )
    return [SealedLook(**row._mapping) for row in connection.execute(query)]


def _parts(institution: InstitutionCode, record_no: RecordNo) -> Any:
    table = patient_record
    return select(table.c.record_no).where(
        table.c.institution == institution,
        or_(table.c.record_no == record_no, table.c.merged_into == record_no),
    )


def _entries(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[EntryRow]:
    removal = record_entry_removal
    query = (
        select(record_entry, removal.c.reason_sealed, removal.c.removed_by, removal.c.removed_at)
        .select_from(record_entry.outerjoin(removal))
        .where(record_entry.c.institution == institution, condition)
        .order_by(record_entry.c.added_at, record_entry.c.entry_no)
    )
    return [_entry_row(row) for row in connection.execute(query)]


def _entry_row(row: Row[Any]) -> EntryRow:
    values = dict(row._mapping)
    removal = {name: values.pop(name) for name in ("reason_sealed", "removed_by", "removed_at")}
    found = SealedEntry(**values)
    if removal["removed_at"] is None:
        return found, None
    return found, SealedRemoval(entry_no=found.entry_no, **removal)


def _row(stored: Any) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in stored.__slots__}
