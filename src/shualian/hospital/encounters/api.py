"""Encounters over HTTP: the queue and its steps for staff, the own place in it for patients."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import EncounterNo, InstitutionCode, TerminalId
from shualian.hospital.api import (
    Body,
    CallerOf,
    Identifier,
    IdentifierPath,
    Words,
    own_staff,
    words,
)
from shualian.hospital.encounters.model import Encounter, EncounterState, OverrideReason
from shualian.hospital.encounters.service import Called, Encounters
from shualian.hospital.evidence_body import EvidenceAtWindow, evidence_at_window
from shualian.hospital.model import AtTerminal, Channel
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.model import ClinicSessionNo, Department
from shualian.staff.model import Caller, Role

POSITION_PATH = "/terminal/v1/hospital/encounters/position"

_CALLING = frozenset((Role.DOCTOR, Role.NURSE))
_LOOKING = _CALLING | {Role.CLERK}


class PositionBody(Body):
    """The visit whose number stands on a slip."""

    encounter_no: Identifier


class CallBody(Body):
    """To where a patient is called; the terminal of the session's room by default."""

    terminal_id: Identifier | None = None


class CallNextBody(CallBody):
    """In which queue it is whose turn."""

    dept_code: Identifier
    session_no: Identifier | None = None


class BeginBody(Body):
    """What the patient showed in the room, if anything."""

    evidence: EvidenceAtWindow | None = None


class PositionAnswer(Body):
    """How far the queue is."""

    queue_no: str
    state: EncounterState
    ahead: int | None
    department: Words
    doctor: Words


class EncounterAnswer(Body):
    """A visit as staff see it: who, by what it is known, and where it stands.

    ``identity_verified_at`` and ``identity_channel`` are for the bar above the doctor's screen:
    when the patient last showed who they are, and by what. ``by_relative`` says that a relative
    registered by their own face: then the patient has shown nothing yet.
    """

    encounter_no: str
    record_no: str
    queue_no: str
    state: EncounterState
    masked_name: str
    person_known: bool
    age_band: str
    aged: bool
    triage: int | None
    returned: bool
    misses: int
    department: Words
    doctor: Words
    session_no: str | None
    registered_at: datetime
    channel: Channel | None
    identity_verified_at: datetime | None
    identity_channel: Channel | None
    override_reason: OverrideReason | None
    called_at: datetime | None
    insured: bool
    by_relative: bool


class QueueAnswer(Body):
    """Who waits, in the order of calling, and who was called and is not done with."""

    waiting: list[EncounterAnswer]
    called: list[EncounterAnswer]


class CalledAnswer(Body):
    """Who was called, and whether the room's terminal waits for exactly this patient."""

    encounter: EncounterAnswer
    armed: bool


def terminal_routes(
    signed: APIRouter, encounters: Encounters, at: Callable[[Request], AtTerminal]
) -> APIRouter:
    """What people ask about their own visit at a terminal.

    Args:
        signed: An empty router whose requests are verified before their bodies are read.
        encounters: Of the hospital.
        at: The terminal of the verified request.
    """

    @signed.post(POSITION_PATH, dependencies=[Depends(at)])
    def position(body: PositionBody) -> PositionAnswer:
        """How many are called before; says nothing of whose visit it is."""
        number = EncounterNo(body.encounter_no)
        found = encounters.get(encounter_no=number)
        return PositionAnswer(
            queue_no=found.queue_no,
            state=found.state,
            ahead=encounters.ahead(encounter_no=number),
            department=words(found.department.dept_name, found.department.name_en),
            doctor=words(found.doctor.dr_name, found.doctor.name_en),
        )

    return signed


def staff_routes(
    encounters: Encounters,
    records: Records,
    department: Callable[[str], Department],
    caller: CallerOf,
    *,
    institution: InstitutionCode,
    clock: Clock,
) -> APIRouter:
    """The queue and the steps of a visit, for doctors and nurses.

    Args:
        encounters: Of the hospital.
        records: For masked names.
        department: Finds a department by its code.
        caller: Finds who is signed in.
        institution: Whose staff.
        clock: For the check of ID numbers.
    """
    routes = APIRouter(prefix="/hospital/v1/encounters", tags=["encounters"])
    calling = own_staff(institution, caller, _CALLING)
    looking = own_staff(institution, caller, _LOOKING)
    _add_queue(routes, encounters, records, department, calling, looking)
    _add_steps(routes, encounters, records, calling, clock)
    return routes


def _add_queue(
    routes: APIRouter,
    encounters: Encounters,
    records: Records,
    department: Callable[[str], Department],
    calling: Any,
    looking: Any,
) -> None:
    @routes.get("/queue", dependencies=[looking])
    def queue(dept_code: Identifier, session_no: Identifier | None = None) -> QueueAnswer:
        """Who waits, and who was called today and is not done with."""
        where, session = department(dept_code), _session(session_no)
        waiting = encounters.waiting(department=where, session_no=session)
        called = encounters.called(department=where, session_no=session)
        return QueueAnswer(
            waiting=[encounter_answer(each, records) for each in waiting],
            called=[encounter_answer(each, records) for each in called],
        )

    @routes.post("/call-next", dependencies=[calling])
    def call_next(body: CallNextBody) -> CalledAnswer | None:
        """Call whose turn it is; nothing when nobody waits."""
        called = encounters.call_next(
            department=department(body.dept_code),
            session_no=_session(body.session_no),
            terminal_id=_terminal(body.terminal_id),
        )
        return None if called is None else _called_answer(called, records)

    @routes.get("/{encounter_no}", dependencies=[looking])
    def get(encounter_no: IdentifierPath) -> EncounterAnswer:
        """One visit."""
        found = encounters.get(encounter_no=EncounterNo(encounter_no))
        return encounter_answer(found, records)

    @routes.post("/{encounter_no}/call", dependencies=[calling])
    def call(encounter_no: IdentifierPath, body: CallBody) -> CalledAnswer:
        """Call one patient out of the order."""
        called = encounters.call_to(
            encounter_no=EncounterNo(encounter_no), terminal_id=_terminal(body.terminal_id)
        )
        return _called_answer(called, records)


def _add_steps(
    routes: APIRouter, encounters: Encounters, records: Records, calling: Any, clock: Clock
) -> None:
    @routes.post("/{encounter_no}/begin")
    def begin(
        encounter_no: IdentifierPath,
        body: BeginBody,
        who: Annotated[Caller, calling],
    ) -> EncounterAnswer:
        """The called patient sits down, and may show who they are."""
        evidence = None
        if body.evidence is not None:
            today = business_date(clock.now())
            evidence = evidence_at_window(body.evidence, seen_by=who.staff_id, today=today)
        number = EncounterNo(encounter_no)
        begun = encounters.begin_consultation(encounter_no=number, evidence=evidence)
        return encounter_answer(begun, records)

    def step(path: str, act: Callable[[EncounterNo], Encounter], says: str) -> None:
        def taken(encounter_no: IdentifierPath) -> EncounterAnswer:
            return encounter_answer(act(EncounterNo(encounter_no)), records)

        routes.add_api_route(
            f"/{{encounter_no}}/{path}",
            taken,
            methods=["POST"],
            name=path,
            description=says,
            dependencies=[calling],
        )

    step("missed", lambda number: encounters.missed(encounter_no=number), "Did not come.")
    step(
        "awaiting-results",
        lambda number: encounters.await_results(encounter_no=number),
        "Goes to an examination and comes back.",
    )
    step(
        "returned",
        lambda number: encounters.return_with_results(encounter_no=number),
        "Is back with results.",
    )
    step("close", lambda number: encounters.close(encounter_no=number), "The visit is over.")


def encounter_answer(encounter: Encounter, records: Records) -> EncounterAnswer:
    """A visit as staff see it."""
    override = encounter.override
    return EncounterAnswer(
        encounter_no=encounter.encounter_no,
        record_no=encounter.record_no,
        queue_no=encounter.queue_no,
        state=encounter.state,
        masked_name=records.get(record_no=encounter.record_no).masked_name,
        person_known=encounter.person_known,
        age_band=encounter.age_band,
        aged=encounter.aged,
        triage=encounter.triage,
        returned=encounter.returned_at is not None,
        misses=encounter.misses,
        department=words(encounter.department.dept_name, encounter.department.name_en),
        doctor=words(encounter.doctor.dr_name, encounter.doctor.name_en),
        session_no=encounter.session_no,
        registered_at=encounter.begntime,
        channel=encounter.channel,
        identity_verified_at=encounter.identity_verified_at,
        identity_channel=encounter.identity_channel,
        override_reason=None if override is None else override.reason,
        called_at=encounter.called_at,
        insured=encounter.mdtrt_id is not None,
        by_relative=encounter.acted_by is not None,
    )


def _called_answer(called: Called, records: Records) -> CalledAnswer:
    return CalledAnswer(encounter=encounter_answer(called.encounter, records), armed=called.armed)


def _session(number: str | None) -> ClinicSessionNo | None:
    return None if number is None else ClinicSessionNo(number)


def _terminal(number: str | None) -> TerminalId | None:
    return None if number is None else TerminalId(number)
