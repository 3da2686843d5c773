"""Table of encounters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
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
    IntentId,
    PersonNo,
    RecordNo,
    TerminalId,
    VisitId,
)
from shualian.core.refusals import Refused
from shualian.hospital.encounters.model import Encounter, EncounterState
from shualian.hospital.model import Channel, refusal_from_text, refusal_to_text
from shualian.hospital.scheduling.model import Department, Doctor

metadata = MetaData()

_IDENTIFIER = String(30)

encounters = Table(
    "encounter",
    metadata,
    Column("encounter_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("record_no", _IDENTIFIER, nullable=False, index=True),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("dept_code", _IDENTIFIER, nullable=False),
    Column("dept_name", String(100), nullable=False),
    Column("caty", String(6), nullable=False),
    Column("queue_letter", String(2), nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("dr_name", String(50), nullable=False),
    Column("insutype", String(6), nullable=False),
    Column("med_type", String(6), nullable=False),
    Column("intent_id", _IDENTIFIER, nullable=False),
    Column("channel", String(10), nullable=False),
    Column("terminal_id", _IDENTIFIER, nullable=False),
    Column("first_frame_at", UtcTime, nullable=False),
    Column("age_band", String(5), nullable=False),
    Column("begntime", UtcTime, nullable=False),
    Column("day", Date, nullable=False),
    Column("evidence_sealed", LargeBinary, nullable=False),
    Column("state", String(15), nullable=False),
    Column("mdtrt_id", _IDENTIFIER),
    Column("queue_place", Integer),
    Column("refusal", Text),
    UniqueConstraint("institution", "command_id", name="uq_encounter_command"),
    UniqueConstraint("institution", "intent_id", name="uq_encounter_intent"),
    UniqueConstraint("institution", "day", "dept_code", "queue_place", name="uq_encounter_queue"),
    Index("ix_encounter_state", "institution", "state"),
)


@dataclass(frozen=True, slots=True)
class StoredEncounter:
    """An encounter with what only its registration needs.

    Attributes:
        encounter: The encounter.
        evidence_sealed: With what it was registered, encrypted.
        refused: What refused it, if anything did.
    """

    encounter: Encounter
    evidence_sealed: bytes
    refused: Refused | None = None


def add(connection: Connection, stored: StoredEncounter) -> None:
    """Insert a new encounter."""
    connection.execute(insert(encounters).values(_values(stored)))


def change(connection: Connection, stored: StoredEncounter) -> None:
    """Store where an encounter stands now."""
    found = stored.encounter
    connection.execute(
        update(encounters)
        .where(
            encounters.c.institution == found.institution,
            encounters.c.encounter_no == found.encounter_no,
        )
        .values(
            state=found.state.value,
            mdtrt_id=found.mdtrt_id,
            queue_place=found.queue_place,
            refusal=None if stored.refused is None else refusal_to_text(stored.refused),
        )
    )


def by_number(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> StoredEncounter | None:
    """The encounter with this number."""
    return _one(connection, institution, encounters.c.encounter_no == encounter_no)


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> StoredEncounter | None:
    """The encounter that a command registers."""
    return _one(connection, institution, encounters.c.command_id == command_id)


def by_intent(
    connection: Connection, institution: InstitutionCode, intent_id: IntentId
) -> StoredEncounter | None:
    """The encounter that a confirmation registers."""
    return _one(connection, institution, encounters.c.intent_id == intent_id)


def of_record(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo, limit: int
) -> Sequence[Encounter]:
    """The latest ``limit`` encounters of a record, the latest first."""
    query = (
        select(encounters)
        .where(encounters.c.institution == institution, encounters.c.record_no == record_no)
        .order_by(encounters.c.begntime.desc(), encounters.c.encounter_no.desc())
        .limit(limit)
    )
    return [_stored(row).encounter for row in connection.execute(query)]


def commands_in_state(
    connection: Connection, institution: InstitutionCode, state: EncounterState, limit: int
) -> Sequence[CommandId]:
    """The oldest ``limit`` registrations that stand in ``state``."""
    query = (
        select(encounters.c.command_id)
        .where(encounters.c.institution == institution, encounters.c.state == state.value)
        .order_by(encounters.c.encounter_no)
        .limit(limit)
    )
    return [CommandId(command_id) for command_id in connection.scalars(query)]


def in_queue(
    connection: Connection,
    institution: InstitutionCode,
    *,
    dept_code: str,
    day: date,
    state: EncounterState,
) -> Sequence[Encounter]:
    """The encounters of a department's queue that stand in ``state``, by their place in it."""
    query = (
        select(encounters)
        .where(_queue(institution, dept_code, day), encounters.c.state == state.value)
        .order_by(encounters.c.queue_place)
    )
    return [_stored(row).encounter for row in connection.execute(query)]


def next_place(
    connection: Connection, institution: InstitutionCode, *, dept_code: str, day: date
) -> int:
    """The next place in a department's queue of a day, from 1."""
    last = select(func.max(encounters.c.queue_place)).where(_queue(institution, dept_code, day))
    return (connection.scalar(last) or 0) + 1


def _queue(institution: InstitutionCode, dept_code: str, day: date) -> ColumnElement[bool]:
    return (
        (encounters.c.institution == institution)
        & (encounters.c.day == day)
        & (encounters.c.dept_code == dept_code)
    )


def _one(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> StoredEncounter | None:
    query = select(encounters).where(encounters.c.institution == institution, condition)
    row = connection.execute(query).one_or_none()
    return None if row is None else _stored(row)


def _values(stored: StoredEncounter) -> dict[str, Any]:
    found = stored.encounter
    return {
        "encounter_no": found.encounter_no,
        "institution": found.institution,
        "command_id": found.command_id,
        "record_no": found.record_no,
        "psn_no": found.psn_no,
        "dept_code": found.department.dept_code,
        "dept_name": found.department.dept_name,
        "caty": found.department.caty,
        "queue_letter": found.department.queue_letter,
        "dr_code": found.doctor.dr_code,
        "dr_name": found.doctor.dr_name,
        "insutype": found.insutype,
        "med_type": found.med_type,
        "intent_id": found.intent_id,
        "channel": found.channel.value,
        "terminal_id": found.terminal_id,
        "first_frame_at": found.first_frame_at,
        "age_band": found.age_band,
        "begntime": found.begntime,
        "day": found.day,
        "evidence_sealed": stored.evidence_sealed,
        "state": found.state.value,
        "mdtrt_id": found.mdtrt_id,
        "queue_place": found.queue_place,
    }


def _stored(row: Row[Any]) -> StoredEncounter:
    encounter = Encounter(
        encounter_no=EncounterNo(row.encounter_no),
        institution=InstitutionCode(row.institution),
        command_id=CommandId(row.command_id),
        record_no=RecordNo(row.record_no),
        psn_no=PersonNo(row.psn_no),
        department=Department(row.dept_code, row.dept_name, row.caty, row.queue_letter),
        doctor=Doctor(row.dr_code, row.dr_name),
        insutype=row.insutype,
        med_type=row.med_type,
        intent_id=IntentId(row.intent_id),
        channel=Channel(row.channel),
        terminal_id=TerminalId(row.terminal_id),
        first_frame_at=row.first_frame_at,
        age_band=row.age_band,
        begntime=row.begntime,
        day=row.day,
        state=EncounterState(row.state),
        mdtrt_id=None if row.mdtrt_id is None else VisitId(row.mdtrt_id),
        queue_place=row.queue_place,
    )
    refused = None if row.refusal is None else refusal_from_text(row.refusal)
    return StoredEncounter(encounter, row.evidence_sealed, refused)
