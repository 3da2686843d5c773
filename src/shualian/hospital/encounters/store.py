"""Table of encounters."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    false,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.database.rows import find, sought
from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    RecordNo,
    StaffId,
    TerminalId,
    VisitId,
)
from shualian.core.refusals import Refused
from shualian.hospital.encounters.model import (
    OPEN_STATES,
    Encounter,
    EncounterState,
    Override,
    OverrideReason,
)
from shualian.hospital.model import Channel, refusal_from_text, refusal_to_text
from shualian.hospital.queues.model import Standing, Turn
from shualian.hospital.records.model import NOBODY
from shualian.hospital.scheduling.model import ClinicSessionNo, Department, Doctor

T = TypeVar("T")

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
    Column("dept_name_en", String(100), nullable=False, server_default=""),
    Column("caty", String(6), nullable=False),
    Column("queue_letter", String(2), nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("dr_name", String(50), nullable=False),
    Column("dr_name_en", String(50), nullable=False, server_default=""),
    Column("insutype", String(6), nullable=False),
    Column("med_type", String(6), nullable=False),
    Column("intent_id", _IDENTIFIER),
    Column("channel", String(10)),
    Column("terminal_id", _IDENTIFIER),
    Column("first_frame_at", UtcTime),
    Column("age_band", String(5), nullable=False),
    Column("begntime", UtcTime, nullable=False),
    Column("day", Date, nullable=False),
    Column("evidence_sealed", LargeBinary),
    Column("state", String(15), nullable=False),
    Column("mdtrt_id", _IDENTIFIER),
    Column("queue_place", Integer),
    Column("queue_turn", Integer),
    Column("queue_rank", BigInteger),
    Column("session_no", _IDENTIFIER, index=True),
    Column("aged", Boolean, nullable=False, server_default=false()),
    Column("triage", Integer),
    Column("seen_by", _IDENTIFIER),
    Column("override_by", _IDENTIFIER),
    Column("override_reason", String(20)),
    Column("identity_verified_at", UtcTime),
    Column("identity_channel", String(10)),
    Column("identified_by_command", _IDENTIFIER),
    Column("identity_told_by", String(10)),
    Column("called_at", UtcTime),
    Column("called_to", _IDENTIFIER),
    Column("returned_at", UtcTime),
    Column("misses", Integer, nullable=False, server_default="0"),
    Column("acted_by", _IDENTIFIER),
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
        evidence_sealed: With what it was registered, encrypted; none without evidence.
        refused: What the insurer refused it with, if it did.
        identified_by: The command that attached an identity to an unknown patient's.
        told_by: Through whom that was.
    """

    encounter: Encounter
    evidence_sealed: bytes | None
    refused: Refused | None = None
    identified_by: CommandId | None = None
    told_by: str | None = None


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
        .values(_changing(stored))
    )


def identify(connection: Connection, stored: StoredEncounter) -> None:
    """Store whose visit it is that nobody knew."""
    found = stored.encounter
    connection.execute(
        update(encounters)
        .where(
            encounters.c.institution == found.institution,
            encounters.c.encounter_no == found.encounter_no,
        )
        .values(
            record_no=found.record_no,
            psn_no=found.psn_no,
            intent_id=found.intent_id,
            channel=_value(found.channel),
            terminal_id=found.terminal_id,
            first_frame_at=found.first_frame_at,
            age_band=found.age_band,
            aged=found.aged,
            seen_by=found.seen_by,
            evidence_sealed=stored.evidence_sealed,
            acted_by=found.acted_by,
            identified_by_command=stored.identified_by,
            identity_told_by=stored.told_by,
            **_changing(stored),
        )
    )


def by_number(
    connection: Connection, institution: InstitutionCode, encounter_no: EncounterNo
) -> StoredEncounter | None:
    """The encounter with this number."""
    return _one(connection, institution=institution, encounter_no=encounter_no)


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> StoredEncounter | None:
    """The encounter that a command registers."""
    return _one(connection, institution=institution, command_id=command_id)


def by_intent(
    connection: Connection, institution: InstitutionCode, intent_id: IntentId
) -> StoredEncounter | None:
    """The encounter that a confirmation registers."""
    return _one(connection, institution=institution, intent_id=intent_id)


def latest_of_record(
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


def unopened(
    connection: Connection, institution: InstitutionCode, limit: int
) -> Sequence[EncounterNo]:
    """The oldest ``limit`` visits that are known and not told to the insurer yet."""
    table = encounters
    query = (
        select(table.c.encounter_no)
        .where(
            table.c.institution == institution,
            table.c.mdtrt_id.is_(None),
            table.c.refusal.is_(None),
            table.c.psn_no != NOBODY,
            table.c.state.in_([each.value for each in (*OPEN_STATES, EncounterState.CLOSED)]),
        )
        .order_by(table.c.encounter_no)
        .limit(limit)
    )
    return [EncounterNo(number) for number in connection.scalars(query)]


def of_record(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo
) -> Sequence[StoredEncounter]:
    """Every encounter of a record, the oldest first."""
    query = (
        select(encounters)
        .where(encounters.c.institution == institution, encounters.c.record_no == record_no)
        .order_by(encounters.c.encounter_no)
    )
    return [_stored(row) for row in connection.execute(query)]


def open_of_record(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo
) -> Collection[EncounterNo]:
    """The open encounters of a record."""
    table = encounters
    query = select(table.c.encounter_no).where(
        table.c.institution == institution,
        table.c.record_no == record_no,
        table.c.state.in_([each.value for each in OPEN_STATES]),
    )
    return {EncounterNo(number) for number in connection.scalars(query)}


def in_queue(
    connection: Connection,
    institution: InstitutionCode,
    *,
    dept_code: str,
    day: date,
    states: Collection[EncounterState],
    session_no: ClinicSessionNo | None = None,
) -> Sequence[Encounter]:
    """The encounters of a department's or a session's queue in one of ``states``, by number."""
    query = (
        select(encounters)
        .where(
            _queue(institution, dept_code, day),
            encounters.c.state.in_([state.value for state in states]),
        )
        .order_by(encounters.c.queue_place)
    )
    if session_no is not None:
        query = query.where(encounters.c.session_no == session_no)
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


def _one(connection: Connection, **key: str) -> StoredEncounter | None:
    (rows,) = find(connection, sought(encounters, **key))
    return _stored(rows[0]) if rows else None


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
        "dept_name_en": found.department.name_en,
        "caty": found.department.caty,
        "queue_letter": found.department.queue_letter,
        "dr_code": found.doctor.dr_code,
        "dr_name": found.doctor.dr_name,
        "dr_name_en": found.doctor.name_en,
        "med_type": found.med_type,
        "intent_id": found.intent_id,
        "channel": _value(found.channel),
        "terminal_id": found.terminal_id,
        "first_frame_at": found.first_frame_at,
        "age_band": found.age_band,
        "begntime": found.begntime,
        "day": found.day,
        "evidence_sealed": stored.evidence_sealed,
        "acted_by": found.acted_by,
        "session_no": found.session_no,
        "aged": found.aged,
        "triage": found.triage,
        "seen_by": found.seen_by,
        "override_by": None if found.override is None else found.override.by,
        "override_reason": None if found.override is None else found.override.reason.value,
        **_changing(stored),
    }


def _changing(stored: StoredEncounter) -> dict[str, Any]:
    found, standing = stored.encounter, stored.encounter.standing
    return {
        "state": found.state.value,
        "insutype": found.insutype,
        "mdtrt_id": found.mdtrt_id,
        "queue_place": found.queue_place,
        "queue_turn": None if standing is None else standing.turn.value,
        "queue_rank": None if standing is None else standing.rank,
        "identity_verified_at": found.identity_verified_at,
        "identity_channel": _value(found.identity_channel),
        "called_at": found.called_at,
        "called_to": found.called_to,
        "returned_at": found.returned_at,
        "misses": found.misses,
        "refusal": None if stored.refused is None else refusal_to_text(stored.refused),
    }


def _value(channel: Channel | None) -> str | None:
    return None if channel is None else channel.value


def _stored(row: Any) -> StoredEncounter:
    refused = None if row.refusal is None else refusal_from_text(row.refusal)
    return StoredEncounter(
        encounter=_encounter(row),
        evidence_sealed=row.evidence_sealed,
        refused=refused,
        identified_by=_optional(CommandId, row.identified_by_command),
        told_by=row.identity_told_by,
    )


def _encounter(row: Row[Any]) -> Encounter:
    return Encounter(
        encounter_no=EncounterNo(row.encounter_no),
        institution=InstitutionCode(row.institution),
        command_id=CommandId(row.command_id),
        record_no=RecordNo(row.record_no),
        psn_no=PersonNo(row.psn_no),
        department=Department(
            row.dept_code, row.dept_name, row.caty, row.queue_letter, row.dept_name_en
        ),
        doctor=Doctor(row.dr_code, row.dr_name, row.dr_name_en),
        insutype=row.insutype,
        med_type=row.med_type,
        intent_id=_optional(IntentId, row.intent_id),
        channel=_optional(Channel, row.channel),
        terminal_id=_optional(TerminalId, row.terminal_id),
        first_frame_at=row.first_frame_at,
        age_band=row.age_band,
        begntime=row.begntime,
        day=row.day,
        state=EncounterState(row.state),
        mdtrt_id=_optional(VisitId, row.mdtrt_id),
        queue_place=row.queue_place,
        standing=_standing(row),
        session_no=_optional(ClinicSessionNo, row.session_no),
        aged=row.aged,
        triage=row.triage,
        seen_by=_optional(StaffId, row.seen_by),
        override=_override(row),
        identity_verified_at=row.identity_verified_at,
        identity_channel=_optional(Channel, row.identity_channel),
        called_at=row.called_at,
        called_to=_optional(TerminalId, row.called_to),
        returned_at=row.returned_at,
        misses=row.misses,
        acted_by=_optional(PersonNo, row.acted_by),
    )


def _standing(row: Row[Any]) -> Standing | None:
    if row.queue_turn is None:
        return None
    return Standing(Turn(row.queue_turn), row.queue_rank, row.queue_place)


def _override(row: Row[Any]) -> Override | None:
    if row.override_by is None:
        return None
    return Override(StaffId(row.override_by), OverrideReason(row.override_reason))


def _optional(kind: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else kind(value)
