"""Records over HTTP: opened at terminals and windows, looked at by staff, watched by patients."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode, RecordNo, StaffId
from shualian.hospital.api import (
    Body,
    CallerOf,
    Identifier,
    IdentifierPath,
    Words,
    own_staff,
    words,
)
from shualian.hospital.evidence_body import (
    EvidenceAtTerminal,
    EvidenceAtWindow,
    evidence_at_terminal,
    evidence_at_window,
)
from shualian.hospital.model import AtTerminal
from shualian.hospital.records.model import (
    READING_ROLES,
    WRITING_ROLES,
    Chart,
    Entry,
    EntryKind,
    EntryNo,
    Look,
    LookReason,
    PatientRecord,
    Sex,
)
from shualian.hospital.records.service import Records
from shualian.staff.model import Caller, Role

OPEN_PATH = "/terminal/v1/hospital/records/open"
LOOKS_PATH = "/terminal/v1/hospital/records/looks"

_OPENING = frozenset((Role.CLERK, Role.NURSE, Role.DOCTOR))
_ROLES = {
    Role.CLERK: ("窗口工作人员", "Clerk"),
    Role.DOCTOR: ("医生", "Doctor"),
    Role.TECHNICIAN: ("技师", "Technician"),
    Role.NURSE: ("护士", "Nurse"),
    Role.PHARMACIST: ("药师", "Pharmacist"),
}
_Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Note = Annotated[str, StringConstraints(max_length=500)]


class OpenBody(Body):
    """Open the record of who shows this."""

    command_id: Identifier
    evidence: EvidenceAtTerminal


class OpenAtWindowBody(Body):
    """Open the record of who stands at the window."""

    command_id: Identifier
    evidence: EvidenceAtWindow


class OwnBody(Body):
    """Who asks for something of their own."""

    evidence: EvidenceAtTerminal


class LookBody(Body):
    """Why a whole record is looked at."""

    why: LookReason
    note: _Note = Field(default="", repr=False)
    encounter_no: Identifier | None = None


class EntryBody(Body):
    """A new entry."""

    command_id: Identifier
    kind: EntryKind
    text: _Text = Field(repr=False)
    code: Annotated[str, StringConstraints(max_length=50)] = ""


class RemovalBody(Body):
    """Why an entry holds no more."""

    reason: _Text = Field(repr=False)


class RecordAnswer(Body):
    """A record as screens show it."""

    record_no: str
    masked_name: str
    masked_id_number: str
    person_known: bool
    opened_at: datetime


class LookAnswer(Body):
    """That somebody looked at the patient's record."""

    at: datetime
    by: str
    role: Words
    why: Words
    note: str
    related: bool


class EntryAnswer(Body):
    """An entry of a record."""

    entry_no: str
    kind: EntryKind
    text: str
    code: str
    added_by: str
    added_at: datetime
    removed_by: str | None
    removed_at: datetime | None
    removal_reason: str | None


class ChartAnswer(Body):
    """A whole record."""

    record: RecordAnswer
    name: str
    sex: Sex
    birth_date: date | None
    age_band: str
    entries: list[EntryAnswer]


def terminal_routes(
    signed: APIRouter,
    records: Records,
    at: Callable[[Request], AtTerminal],
    *,
    names: Callable[[StaffId], str] = str,
) -> APIRouter:
    """What people do about their own record at a terminal.

    Args:
        signed: An empty router whose requests are verified before their bodies are read.
        records: Of the hospital.
        at: The terminal of the verified request.
        names: How a member of staff is called, for the list of looks.
    """

    @signed.post(OPEN_PATH)
    def open_record(body: OpenBody, here: Annotated[AtTerminal, Depends(at)]) -> RecordAnswer:
        """Open the own record, or find it."""
        opened = records.open_record(
            command_id=CommandId(body.command_id),
            evidence=evidence_at_terminal(body.evidence, here),
            terminal_id=here.terminal_id,
        )
        return record_answer(opened)

    @signed.post(LOOKS_PATH)
    def looks(body: OwnBody, here: Annotated[AtTerminal, Depends(at)]) -> list[LookAnswer]:
        """Who looked at the own record, the latest first."""
        found = records.looks(evidence=evidence_at_terminal(body.evidence, here))
        return [_look_answer(each, names) for each in found]

    return signed


def staff_routes(
    records: Records, caller: CallerOf, *, institution: InstitutionCode, clock: Clock
) -> APIRouter:
    """What staff do about records.

    Args:
        records: Of the hospital.
        caller: Finds who is signed in.
        institution: Whose staff.
        clock: For the check of ID numbers.
    """
    routes = APIRouter(prefix="/hospital/v1/records", tags=["records"])
    opening = own_staff(institution, caller, _OPENING)
    reading = own_staff(institution, caller, READING_ROLES)
    writing = own_staff(institution, caller, WRITING_ROLES)

    @routes.post("/open")
    def open_record(body: OpenAtWindowBody, who: Annotated[Caller, opening]) -> RecordAnswer:
        """Open the record of who stands at the window, or find it."""
        evidence = evidence_at_window(
            body.evidence, seen_by=who.staff_id, today=business_date(clock.now())
        )
        opened = records.open_record(command_id=CommandId(body.command_id), evidence=evidence)
        return record_answer(opened)

    @routes.post("/{record_no}/looks")
    def look(
        record_no: IdentifierPath, body: LookBody, who: Annotated[Caller, reading]
    ) -> ChartAnswer:
        """The whole record; the look is logged and the patient can see it."""
        number = body.encounter_no
        chart = records.look(
            caller=who,
            record_no=RecordNo(record_no),
            why=body.why,
            note=body.note,
            encounter_no=None if number is None else EncounterNo(number),
        )
        return _chart_answer(chart)

    @routes.post("/{record_no}/entries", status_code=201)
    def add_entry(
        record_no: IdentifierPath, body: EntryBody, who: Annotated[Caller, writing]
    ) -> EntryAnswer:
        """Add an entry."""
        added = records.add_entry(
            caller=who,
            command_id=CommandId(body.command_id),
            record_no=RecordNo(record_no),
            kind=body.kind,
            text=body.text,
            code=body.code,
        )
        return _entry_answer(added)

    @routes.post("/entries/{entry_no}/removal")
    def remove_entry(
        entry_no: IdentifierPath, body: RemovalBody, who: Annotated[Caller, writing]
    ) -> EntryAnswer:
        """Say that an entry holds no more."""
        return _entry_answer(
            records.remove_entry(caller=who, entry_no=EntryNo(entry_no), reason=body.reason)
        )

    return routes


def record_answer(record: PatientRecord) -> RecordAnswer:
    """The record as screens show it."""
    return RecordAnswer(
        record_no=record.record_no,
        masked_name=record.masked_name,
        masked_id_number=record.masked_id_number,
        person_known=record.person_known,
        opened_at=record.opened_at,
    )


def _look_answer(look: Look, names: Callable[[StaffId], str]) -> LookAnswer:
    return LookAnswer(
        at=look.at,
        by=names(look.by),
        role=words(*_ROLES.get(look.role, (look.role.value, look.role.value))),
        why=words(look.why.zh, look.why.en),
        note=look.note,
        related=look.related,
    )


def _chart_answer(chart: Chart) -> ChartAnswer:
    return ChartAnswer(
        record=record_answer(chart.record),
        name=chart.name,
        sex=chart.sex,
        birth_date=chart.birth_date,
        age_band=chart.age_band,
        entries=_entry_answers(chart.entries),
    )


def _entry_answers(entries: Sequence[Entry]) -> list[EntryAnswer]:
    return [_entry_answer(each) for each in entries]


def _entry_answer(entry: Entry) -> EntryAnswer:
    removal = entry.removal
    return EntryAnswer(
        entry_no=entry.entry_no,
        kind=entry.kind,
        text=entry.text,
        code=entry.code,
        added_by=entry.added_by,
        added_at=entry.added_at,
        removed_by=None if removal is None else removal.by,
        removed_at=None if removal is None else removal.at,
        removal_reason=None if removal is None else removal.reason,
    )
