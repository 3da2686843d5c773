"""Tables of draws and ward checks, and the question which stays are open."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import (
    EncounterNo,
    InstitutionCode,
    PersonNo,
    StaffId,
    TerminalId,
    VisitId,
)
from shualian.insurer.settlement.model import VisitKind
from shualian.insurer.settlement.store import insurer_visit
from shualian.insurer.supervision.wardchecks.model import (
    CheckId,
    CheckState,
    ExceptionReason,
    Stay,
    WardCheck,
)

metadata = MetaData()

_IDENTIFIER = String(30)

plans = Table(
    "ward_check_plan",
    metadata,
    Column("institution", String(12), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("commitment", String(64), nullable=False),
    Column("seed_sealed", LargeBinary, nullable=False),
    Column("draws", Integer, nullable=False),
    Column("published", Boolean, nullable=False),
)
draws = Table(
    "ward_check_draw",
    metadata,
    Column("institution", String(12), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("draw", Integer, primary_key=True, autoincrement=False),
    Column("drawn_at", UtcTime, nullable=False),
    # Who could have been picked, and how risky each ward was taken for: what repeats the draw.
    Column("population", Text, nullable=False),
    Column("weights", Text, nullable=False),
    ForeignKeyConstraint(
        ["institution", "day"], ["ward_check_plan.institution", "ward_check_plan.day"]
    ),
)
checks = Table(
    "ward_check",
    metadata,
    Column("check_id", _IDENTIFIER, primary_key=True),
    Column("institution", String(12), nullable=False),
    Column("day", Date, nullable=False),
    Column("draw", Integer, nullable=False),
    Column("mdtrt_id", _IDENTIFIER, nullable=False),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("ward", _IDENTIFIER, nullable=False),
    Column("ipt_otp_no", _IDENTIFIER, nullable=False),
    Column("told_at", UtcTime, nullable=False),
    Column("deadline", UtcTime, nullable=False),
    Column("state", String(15), nullable=False),
    Column("terminal_id", _IDENTIFIER),
    Column("reason", String(25)),
    Column("proposed_by", _IDENTIFIER),
    Column("countersigned_by", _IDENTIFIER),
    Column("ended_at", UtcTime),
    UniqueConstraint("institution", "day", "draw", "mdtrt_id", name="uq_ward_check_once"),
    ForeignKeyConstraint(
        ["institution", "day", "draw"],
        ["ward_check_draw.institution", "ward_check_draw.day", "ward_check_draw.draw"],
    ),
    Index("ix_ward_check_stay", "mdtrt_id"),
    Index("ix_ward_check_state", "state", "deadline"),
    Index("ix_ward_check_institution", "institution", "day"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A day of an institution.

    Attributes:
        institution: Where.
        day: Business day.
        commitment: Of the seed.
        seed_sealed: Encrypted until the day is over, and after.
        draws: How many draws the day has.
        published: Whether the seed may be shown.
    """

    institution: InstitutionCode
    day: date
    commitment: str
    seed_sealed: bytes
    draws: int
    published: bool = False


@dataclass(frozen=True, slots=True)
class MadeDraw:
    """A draw that was made.

    Attributes:
        draw: Which of the day.
        population: Who could have been picked, as (stay, ward).
        weights: By ward.
    """

    draw: int
    population: tuple[tuple[VisitId, str], ...]
    weights: Mapping[str, int]


def open_stays(connection: Connection, institution: InstitutionCode) -> Sequence[Stay]:
    """The in-patients of an institution who were not discharged, the longest there first."""
    visit = insurer_visit.c
    query = (
        select(visit.mdtrt_id, visit.psn_no, visit.dept_code, visit.ipt_otp_no)
        .where(
            visit.institution == institution,
            visit.kind == VisitKind.INPATIENT.value,
            visit.state == "open",
            visit.discharged_at.is_(None),
        )
        .order_by(visit.begntime, visit.mdtrt_id)
    )
    return [
        Stay(VisitId(row[0]), PersonNo(row[1]), row[2], EncounterNo(row[3]))
        for row in connection.execute(query)
    ]


def institutions_with_stays(connection: Connection) -> Sequence[InstitutionCode]:
    """Where somebody is an in-patient."""
    visit = insurer_visit.c
    query = (
        select(visit.institution)
        .where(
            visit.kind == VisitKind.INPATIENT.value,
            visit.state == "open",
            visit.discharged_at.is_(None),
        )
        .distinct()
        .order_by(visit.institution)
    )
    return [InstitutionCode(code) for code in connection.scalars(query)]


def add_plan(connection: Connection, plan: Plan) -> None:
    """Insert a plan."""
    connection.execute(
        insert(plans).values(
            institution=plan.institution,
            day=plan.day,
            commitment=plan.commitment,
            seed_sealed=plan.seed_sealed,
            draws=plan.draws,
            published=plan.published,
        )
    )


def plan_of(connection: Connection, institution: InstitutionCode, day: date) -> Plan | None:
    """The plan of an institution's day."""
    row = connection.execute(
        select(plans).filter_by(institution=institution, day=day)
    ).one_or_none()
    return None if row is None else _plan(row)


def plans_of(connection: Connection, day: date) -> Sequence[Plan]:
    """All plans of a day."""
    query = select(plans).filter_by(day=day).order_by(plans.c.institution)
    return [_plan(row) for row in connection.execute(query)]


def publish_before(connection: Connection, day: date) -> Sequence[Plan]:
    """Let the seeds of days before this one be shown; which were not yet."""
    due = (plans.c.day < day) & plans.c.published.is_(False)
    found = [_plan(row) for row in connection.execute(select(plans).where(due))]
    connection.execute(update(plans).where(due).values(published=True))
    return found


def add_draw(connection: Connection, plan: Plan, made: MadeDraw, *, at: datetime) -> None:
    """Insert a draw."""
    connection.execute(
        insert(draws).values(
            institution=plan.institution,
            day=plan.day,
            draw=made.draw,
            drawn_at=at,
            population=json.dumps(made.population),
            weights=json.dumps(dict(made.weights), sort_keys=True),
        )
    )


def draws_of(connection: Connection, institution: InstitutionCode, day: date) -> Sequence[MadeDraw]:
    """The draws of an institution's day that were made."""
    query = select(draws).filter_by(institution=institution, day=day).order_by(draws.c.draw)
    return [
        MadeDraw(
            draw=row.draw,
            population=tuple((VisitId(stay), ward) for stay, ward in json.loads(row.population)),
            weights=json.loads(row.weights),
        )
        for row in connection.execute(query)
    ]


def add_checks(connection: Connection, new: Sequence[WardCheck]) -> None:
    """Insert checks."""
    if new:
        connection.execute(insert(checks), [_row(check) for check in new])


def change(connection: Connection, check: WardCheck) -> None:
    """Store where a check stands."""
    connection.execute(
        update(checks).where(checks.c.check_id == check.check_id).values(_row(check))
    )


def find(connection: Connection, check_id: CheckId) -> WardCheck | None:
    """The check with this number."""
    row = connection.execute(select(checks).filter_by(check_id=check_id)).one_or_none()
    return None if row is None else _check(row)


def open_at(connection: Connection, institution: InstitutionCode) -> Sequence[WardCheck]:
    """Checks of an institution that are not answered, the most urgent first."""
    query = (
        select(checks)
        .filter_by(institution=institution, state=CheckState.OPEN.value)
        .order_by(checks.c.deadline, checks.c.check_id)
    )
    return [_check(row) for row in connection.execute(query)]


def overdue(connection: Connection, now: datetime) -> Sequence[WardCheck]:
    """Unanswered checks whose time is over."""
    query = (
        select(checks)
        .where(checks.c.state == CheckState.OPEN.value, checks.c.deadline <= now)
        .order_by(checks.c.deadline)
    )
    return [_check(row) for row in connection.execute(query)]


def of_stay(connection: Connection, mdtrt_id: VisitId) -> Sequence[WardCheck]:
    """All checks of a stay, the oldest first."""
    query = (
        select(checks).filter_by(mdtrt_id=mdtrt_id).order_by(checks.c.told_at, checks.c.check_id)
    )
    return [_check(row) for row in connection.execute(query)]


def since(
    connection: Connection, institution: InstitutionCode | None, day: date
) -> Sequence[WardCheck]:
    """All checks drawn on ``day`` or later, of one institution or of all, the oldest first."""
    query = select(checks).where(checks.c.day >= day)
    if institution is not None:
        query = query.where(checks.c.institution == institution)
    query = query.order_by(checks.c.told_at, checks.c.check_id)
    return [_check(row) for row in connection.execute(query)]


def _row(check: WardCheck) -> dict[str, Any]:
    return {
        "check_id": check.check_id,
        "institution": check.institution,
        "day": check.day,
        "draw": check.draw,
        "mdtrt_id": check.stay.mdtrt_id,
        "psn_no": check.stay.psn_no,
        "ward": check.stay.ward,
        "ipt_otp_no": check.stay.ipt_otp_no,
        "told_at": check.told_at,
        "deadline": check.deadline,
        "state": check.state.value,
        "terminal_id": check.terminal_id,
        "reason": check.reason.value if check.reason else None,
        "proposed_by": check.proposed_by,
        "countersigned_by": check.countersigned_by,
        "ended_at": check.ended_at,
    }


def _check(row: Row[Any]) -> WardCheck:
    stay = Stay(VisitId(row.mdtrt_id), PersonNo(row.psn_no), row.ward, EncounterNo(row.ipt_otp_no))
    return WardCheck(
        check_id=CheckId(row.check_id),
        institution=InstitutionCode(row.institution),
        day=row.day,
        draw=row.draw,
        stay=stay,
        told_at=row.told_at,
        deadline=row.deadline,
        state=CheckState(row.state),
        terminal_id=None if row.terminal_id is None else TerminalId(row.terminal_id),
        reason=None if row.reason is None else ExceptionReason(row.reason),
        proposed_by=None if row.proposed_by is None else StaffId(row.proposed_by),
        countersigned_by=None if row.countersigned_by is None else StaffId(row.countersigned_by),
        ended_at=row.ended_at,
    )


def _plan(row: Row[Any]) -> Plan:
    return Plan(
        InstitutionCode(row.institution),
        row.day,
        row.commitment,
        row.seed_sealed,
        row.draws,
        row.published,
    )
