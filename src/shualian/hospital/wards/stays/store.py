"""Tables of wards, beds, stays, placements and wristbands."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Index,
    LargeBinary,
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
    IntentId,
    PersonNo,
    RecordNo,
    StaffId,
    TerminalId,
    VisitId,
)
from shualian.core.refusals import Refused
from shualian.hospital.model import Channel, refusal_from_text, refusal_to_text
from shualian.hospital.scheduling.model import Department, Doctor
from shualian.hospital.wards.stays.model import (
    LIVE,
    UNDER_WAY,
    Bed,
    CheckReason,
    NursingClass,
    Placement,
    StaffCheck,
    Stay,
    StayState,
    Ward,
)

metadata = MetaData()

_IDENTIFIER = String(30)
_BED_NO = String(20)

wards = Table(
    "ward",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("code", _IDENTIFIER, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("caty", String(6), nullable=False),
    Column("letter", String(2), nullable=False),
    Column("nursing", Text, nullable=False),
)
beds = Table(
    "ward_bed",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("ward", _IDENTIFIER, primary_key=True),
    Column("bed_no", _BED_NO, primary_key=True),
    Column("item", String(50), nullable=False),
    Column("stay_no", _IDENTIFIER),
    # One patient lies in one bed; that a bed holds one patient is its row.
    UniqueConstraint("institution", "stay_no", name="uq_ward_bed_stay"),
)
stays = Table(
    "stay",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("stay_no", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("record_no", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("dept_code", _IDENTIFIER, nullable=False),
    Column("dept_name", String(100), nullable=False),
    Column("caty", String(6), nullable=False),
    Column("letter", String(2), nullable=False),
    Column("dr_code", _IDENTIFIER, nullable=False),
    Column("dr_name", String(50), nullable=False),
    Column("insutype", String(6), nullable=False),
    Column("med_type", String(6), nullable=False),
    Column("intent_id", _IDENTIFIER),
    Column("channel", String(10)),
    Column("terminal_id", _IDENTIFIER),
    Column("first_frame_at", UtcTime),
    Column("checked_by", _IDENTIFIER),
    Column("check_reason", String(20)),
    Column("age_band", String(5), nullable=False),
    Column("admitted_at", UtcTime, nullable=False),
    Column("day", Date, nullable=False),
    Column("state", String(15), nullable=False),
    Column("mdtrt_id", _IDENTIFIER),
    Column("discharged_at", UtcTime),
    Column("evidence_sealed", LargeBinary),
    Column("refusal", Text),
    UniqueConstraint("institution", "command_id", name="uq_stay_command"),
    UniqueConstraint("institution", "intent_id", name="uq_stay_intent"),
    Index("ix_stay_state", "institution", "state"),
    Index("ix_stay_record", "institution", "record_no"),
)
placements = Table(
    "stay_placement",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("stay_no", _IDENTIFIER, primary_key=True),
    Column("since", UtcTime, primary_key=True),
    Column("ward", _IDENTIFIER, nullable=False),
    Column("bed_no", _BED_NO, nullable=False),
    Column("bed_item", String(50), nullable=False),
    Column("nursing", String(10), nullable=False),
    Column("nursing_item", String(50), nullable=False),
)
wristbands = Table(
    "stay_wristband",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("code_hash", LargeBinary, primary_key=True),
    Column("stay_no", _IDENTIFIER, nullable=False, index=True),
    Column("printed_by", _IDENTIFIER, nullable=False),
    Column("printed_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
)


@dataclass(frozen=True, slots=True)
class StoredStay:
    """A stay with what only its admission needs.

    Attributes:
        stay: The stay.
        evidence_sealed: With what it was admitted, encrypted; none without evidence.
        refused: What refused the admission, if anything did.
    """

    stay: Stay
    evidence_sealed: bytes | None = None
    refused: Refused | None = None


def put_ward(connection: Connection, institution: InstitutionCode, ward: Ward) -> None:
    """Insert a ward or replace what is known of it."""
    key = (wards.c.institution == institution) & (wards.c.code == ward.code)
    connection.execute(delete(wards).where(key))
    nursing = {each.value: ward.nursing[each] for each in sorted(ward.nursing)}
    connection.execute(
        insert(wards).values(
            institution=institution,
            code=ward.code,
            name=ward.department.dept_name,
            caty=ward.department.caty,
            letter=ward.department.queue_letter,
            nursing=json.dumps(nursing),
        )
    )


def all_wards(connection: Connection, institution: InstitutionCode) -> Sequence[Ward]:
    """The wards of an institution."""
    query = select(wards).filter_by(institution=institution).order_by(wards.c.code)
    return [_ward(row) for row in connection.execute(query)]


def find_ward(connection: Connection, institution: InstitutionCode, code: str) -> Ward | None:
    """The ward with this code."""
    row = connection.execute(
        select(wards).filter_by(institution=institution, code=code)
    ).one_or_none()
    return None if row is None else _ward(row)


def beds_of(connection: Connection, institution: InstitutionCode, ward: str) -> Sequence[Bed]:
    """The beds of a ward, by their number."""
    query = select(beds).filter_by(institution=institution, ward=ward).order_by(beds.c.bed_no)
    return [_bed(row) for row in connection.execute(query)]


def add_beds(connection: Connection, institution: InstitutionCode, new: Collection[Bed]) -> None:
    """Insert beds."""
    rows = [
        {"institution": institution, "ward": bed.ward, "bed_no": bed.bed_no, "item": bed.item}
        for bed in new
    ]
    if rows:
        connection.execute(insert(beds), rows)


def remove_bed(connection: Connection, institution: InstitutionCode, bed: Bed) -> None:
    """Delete an empty bed."""
    connection.execute(
        delete(beds).where(_of_bed(institution, bed.ward, bed.bed_no), beds.c.stay_no.is_(None))
    )


def put_bed_item(connection: Connection, institution: InstitutionCode, bed: Bed) -> None:
    """Say anew what a day in a bed is called by the price list."""
    connection.execute(
        update(beds).where(_of_bed(institution, bed.ward, bed.bed_no)).values(item=bed.item)
    )


def find_bed(
    connection: Connection, institution: InstitutionCode, ward: str, bed_no: str
) -> Bed | None:
    """A bed."""
    row = connection.execute(select(beds).where(_of_bed(institution, ward, bed_no))).one_or_none()
    return None if row is None else _bed(row)


def take_bed(
    connection: Connection, institution: InstitutionCode, bed: Bed, stay_no: EncounterNo
) -> bool:
    """Lay a patient into a bed if nobody lies in it; whether it is so now."""
    taken = connection.execute(
        update(beds)
        .where(_of_bed(institution, bed.ward, bed.bed_no), beds.c.stay_no.is_(None))
        .values(stay_no=stay_no)
    )
    return taken.rowcount == 1


def free_bed_of(connection: Connection, institution: InstitutionCode, stay_no: EncounterNo) -> None:
    """Free the bed in which a patient lies."""
    connection.execute(
        update(beds)
        .where(beds.c.institution == institution, beds.c.stay_no == stay_no)
        .values(stay_no=None)
    )


def add(connection: Connection, stored: StoredStay) -> None:
    """Insert a stay with its first placement."""
    stay = stored.stay
    connection.execute(insert(stays).values(_row(stored)))
    add_placement(connection, stay.institution, stay.stay_no, stay.placement)


def change(connection: Connection, stored: StoredStay) -> None:
    """Store where a stay stands now."""
    stay = stored.stay
    connection.execute(
        update(stays)
        .where(stays.c.institution == stay.institution, stays.c.stay_no == stay.stay_no)
        .values(
            state=stay.state.value,
            mdtrt_id=stay.mdtrt_id,
            discharged_at=stay.discharged_at,
            dr_code=stay.doctor.dr_code,
            dr_name=stay.doctor.dr_name,
            refusal=None if stored.refused is None else refusal_to_text(stored.refused),
        )
    )


def add_placement(
    connection: Connection,
    institution: InstitutionCode,
    stay_no: EncounterNo,
    placement: Placement,
) -> None:
    """Insert where a patient lies from a moment on; of the same moment the last word counts."""
    key = (
        (placements.c.institution == institution)
        & (placements.c.stay_no == stay_no)
        & (placements.c.since == placement.since)
    )
    connection.execute(delete(placements).where(key))
    connection.execute(
        insert(placements).values(
            institution=institution,
            stay_no=stay_no,
            since=placement.since,
            ward=placement.ward,
            bed_no=placement.bed_no,
            bed_item=placement.bed_item,
            nursing=placement.nursing.value,
            nursing_item=placement.nursing_item,
        )
    )


def placements_of(
    connection: Connection, institution: InstitutionCode, stay_no: EncounterNo
) -> Sequence[Placement]:
    """Where a patient lay, the earliest first."""
    query = (
        select(placements)
        .filter_by(institution=institution, stay_no=stay_no)
        .order_by(placements.c.since)
    )
    return [_placement(row) for row in connection.execute(query)]


def by_number(
    connection: Connection, institution: InstitutionCode, stay_no: EncounterNo
) -> StoredStay | None:
    """The stay with this number."""
    found = _stays(connection, institution, stays.c.stay_no == stay_no)
    return found[0] if found else None


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> StoredStay | None:
    """The stay that a command admits."""
    found = _stays(connection, institution, stays.c.command_id == command_id)
    return found[0] if found else None


def by_intent(
    connection: Connection, institution: InstitutionCode, intent_id: IntentId
) -> StoredStay | None:
    """The stay that a confirmation admits."""
    found = _stays(connection, institution, stays.c.intent_id == intent_id)
    return found[0] if found else None


def live_of_record(
    connection: Connection, institution: InstitutionCode, record_no: RecordNo
) -> StoredStay | None:
    """The stay that a person has now."""
    condition = (stays.c.record_no == record_no) & stays.c.state.in_(_values(LIVE))
    found = _stays(connection, institution, condition)
    return found[0] if found else None


def in_states(
    connection: Connection,
    institution: InstitutionCode,
    states: Collection[StayState],
    limit: int = 2_000,
) -> Sequence[StoredStay]:
    """The stays that stand in one of ``states``, the earliest first."""
    return _stays(connection, institution, stays.c.state.in_(_values(states)), limit)


def under_way(
    connection: Connection, institution: InstitutionCode, limit: int
) -> Sequence[EncounterNo]:
    """The earliest stays of which the insurer was asked something."""
    query = (
        select(stays.c.stay_no)
        .where(stays.c.institution == institution, stays.c.state.in_(_values(UNDER_WAY)))
        .order_by(stays.c.stay_no)
        .limit(limit)
    )
    return [EncounterNo(number) for number in connection.scalars(query)]


def add_wristband(
    connection: Connection,
    institution: InstitutionCode,
    code_hash: bytes,
    stay_no: EncounterNo,
    *,
    by: StaffId,
    at: datetime,
) -> None:
    """Insert a wristband."""
    connection.execute(
        insert(wristbands).values(
            institution=institution,
            code_hash=code_hash,
            stay_no=stay_no,
            printed_by=by,
            printed_at=at,
        )
    )


def end_wristbands(
    connection: Connection,
    institution: InstitutionCode,
    stay_no: EncounterNo,
    *,
    at: datetime,
) -> None:
    """Make every wristband of a stay good for nothing."""
    connection.execute(
        update(wristbands)
        .where(
            wristbands.c.institution == institution,
            wristbands.c.stay_no == stay_no,
            wristbands.c.ended_at.is_(None),
        )
        .values(ended_at=at)
    )


def stay_of_wristband(
    connection: Connection, institution: InstitutionCode, code_hash: bytes
) -> EncounterNo | None:
    """Whose wristband it is, while it is valid."""
    query = select(wristbands.c.stay_no).where(
        wristbands.c.institution == institution,
        wristbands.c.code_hash == code_hash,
        wristbands.c.ended_at.is_(None),
    )
    number = connection.scalar(query)
    return None if number is None else EncounterNo(number)


def _of_bed(institution: InstitutionCode, ward: str, bed_no: str) -> ColumnElement[bool]:
    return (beds.c.institution == institution) & (beds.c.ward == ward) & (beds.c.bed_no == bed_no)


def _values(states: Collection[StayState]) -> list[str]:
    return sorted(state.value for state in states)


def _stays(
    connection: Connection,
    institution: InstitutionCode,
    condition: ColumnElement[bool],
    limit: int = 2_000,
) -> list[StoredStay]:
    query = (
        select(stays)
        .where(stays.c.institution == institution, condition)
        .order_by(stays.c.admitted_at, stays.c.stay_no)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    return [_stored(connection, institution, row) for row in rows]


def _ward(row: Row[Any]) -> Ward:
    nursing = {NursingClass(each): item for each, item in json.loads(row.nursing).items()}
    return Ward(Department(row.code, row.name, row.caty, row.letter), nursing)


def _bed(row: Row[Any]) -> Bed:
    stay_no = None if row.stay_no is None else EncounterNo(row.stay_no)
    return Bed(row.ward, row.bed_no, row.item, stay_no)


def _placement(row: Row[Any]) -> Placement:
    return Placement(
        since=row.since,
        ward=row.ward,
        bed_no=row.bed_no,
        bed_item=row.bed_item,
        nursing=NursingClass(row.nursing),
        nursing_item=row.nursing_item,
    )


def _row(stored: StoredStay) -> dict[str, Any]:
    stay = stored.stay
    check = stay.check
    return {
        "institution": stay.institution,
        "stay_no": stay.stay_no,
        "command_id": stay.command_id,
        "record_no": stay.record_no,
        "psn_no": stay.psn_no,
        "dept_code": stay.department.dept_code,
        "dept_name": stay.department.dept_name,
        "caty": stay.department.caty,
        "letter": stay.department.queue_letter,
        "dr_code": stay.doctor.dr_code,
        "dr_name": stay.doctor.dr_name,
        "insutype": stay.insutype,
        "med_type": stay.med_type,
        "intent_id": stay.intent_id,
        "channel": None if stay.channel is None else stay.channel.value,
        "terminal_id": stay.terminal_id,
        "first_frame_at": stay.first_frame_at,
        "checked_by": None if check is None else check.by,
        "check_reason": None if check is None else check.reason.value,
        "age_band": stay.age_band,
        "admitted_at": stay.admitted_at,
        "day": stay.day,
        "state": stay.state.value,
        "mdtrt_id": stay.mdtrt_id,
        "discharged_at": stay.discharged_at,
        "evidence_sealed": stored.evidence_sealed,
    }


def _stored(connection: Connection, institution: InstitutionCode, row: Row[Any]) -> StoredStay:
    check = None
    if row.checked_by is not None:
        check = StaffCheck(StaffId(row.checked_by), CheckReason(row.check_reason))
    stay_no = EncounterNo(row.stay_no)
    stay = Stay(
        stay_no=stay_no,
        institution=institution,
        command_id=CommandId(row.command_id),
        record_no=RecordNo(row.record_no),
        psn_no=PersonNo(row.psn_no),
        department=Department(row.dept_code, row.dept_name, row.caty, row.letter),
        doctor=Doctor(row.dr_code, row.dr_name),
        insutype=row.insutype,
        med_type=row.med_type,
        placement=placements_of(connection, institution, stay_no)[-1],
        intent_id=None if row.intent_id is None else IntentId(row.intent_id),
        channel=None if row.channel is None else Channel(row.channel),
        terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
        first_frame_at=row.first_frame_at,
        check=check,
        age_band=row.age_band,
        admitted_at=row.admitted_at,
        day=row.day,
        state=StayState(row.state),
        mdtrt_id=None if row.mdtrt_id is None else VisitId(row.mdtrt_id),
        discharged_at=row.discharged_at,
    )
    refused = None if row.refusal is None else refusal_from_text(row.refusal)
    return StoredStay(stay, row.evidence_sealed, refused)
