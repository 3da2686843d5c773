"""Tables and queries of emergency searches and of who was suggested."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from shualian.core.clock import business_date
from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, PersonNo, StaffId
from shualian.verification.emergency.model import (
    Access,
    Emergency,
    EmergencyId,
    EmergencyReason,
    ReviewFinding,
)

metadata = MetaData()

emergencies = Table(
    "verification_emergency",
    metadata,
    Column("emergency_id", String(30), primary_key=True),
    Column("institution", String(30), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("words_sealed", LargeBinary, nullable=False),
    Column("proposed_by", String(64), nullable=False),
    Column("proposed_at", UtcTime, nullable=False),
    Column("approved_by", String(64)),
    Column("approved_at", UtcTime),
    # Business day of the approval, by which the uses of a day are counted.
    Column("used_on", Date),
    Column("suggestions", Integer),
    Column("reviewed_by", String(64)),
    Column("reviewed_at", UtcTime),
    Column("finding", String(20)),
    Index("ix_verification_emergency_institution_used_on", "institution", "used_on"),
)

suggested = Table(
    "verification_emergency_suggested",
    metadata,
    Column("emergency_id", ForeignKey(emergencies.c.emergency_id), primary_key=True),
    Column("psn_no", String(30), primary_key=True, index=True),
)


def add(connection: Connection, emergency: Emergency) -> None:
    """Insert a proposal."""
    connection.execute(
        insert(emergencies).values(
            emergency_id=emergency.emergency_id,
            institution=emergency.institution,
            reason=emergency.reason.value,
            words_sealed=emergency.words_sealed,
            proposed_by=emergency.proposed_by,
            proposed_at=emergency.proposed_at,
        )
    )


def find(connection: Connection, emergency_id: EmergencyId) -> Emergency | None:
    """One use."""
    row = connection.execute(
        select(emergencies).where(emergencies.c.emergency_id == emergency_id)
    ).one_or_none()
    return None if row is None else _emergency(row)


def used_on(connection: Connection, institution: InstitutionCode, day: date) -> int:
    """How many searches of an institution were approved on a business day."""
    query = (
        select(func.count())
        .select_from(emergencies)
        .where(emergencies.c.institution == institution, emergencies.c.used_on == day)
    )
    return connection.scalar(query) or 0


def put_approval(
    connection: Connection, emergency_id: EmergencyId, *, by: StaffId, at: datetime
) -> None:
    """The second of the two has approved; the search counts from now on."""
    _update(connection, emergency_id, approved_by=by, approved_at=at, used_on=business_date(at))


def put_answer(
    connection: Connection, emergency_id: EmergencyId, people: Sequence[PersonNo]
) -> None:
    """Who is about to be shown."""
    _update(connection, emergency_id, suggestions=len(people))
    if people:
        rows = [{"emergency_id": emergency_id, "psn_no": each} for each in people]
        connection.execute(insert(suggested), rows)


def put_review(connection: Connection, emergency: Emergency) -> None:
    """What a supervisor found."""
    _update(
        connection,
        emergency.emergency_id,
        reviewed_by=emergency.reviewed_by,
        reviewed_at=emergency.reviewed_at,
        finding=emergency.finding and emergency.finding.value,
    )


def open_reviews(connection: Connection) -> Sequence[Emergency]:
    """Every search that nobody reviewed yet, the oldest first."""
    query = (
        select(emergencies)
        .where(emergencies.c.approved_at.is_not(None), emergencies.c.reviewed_at.is_(None))
        .order_by(emergencies.c.approved_at, emergencies.c.emergency_id)
    )
    return [_emergency(row) for row in connection.execute(query)]


def accesses_of(connection: Connection, psn_no: PersonNo) -> Sequence[Access]:
    """Every time a person was suggested, the latest first."""
    query = (
        select(emergencies)
        .join(suggested, suggested.c.emergency_id == emergencies.c.emergency_id)
        .where(suggested.c.psn_no == psn_no)
        .order_by(emergencies.c.approved_at.desc(), emergencies.c.emergency_id.desc())
    )
    return [
        Access(
            at=row.approved_at,
            institution=InstitutionCode(row.institution),
            reason=EmergencyReason(row.reason),
            finding=None if row.finding is None else ReviewFinding(row.finding),
        )
        for row in connection.execute(query)
    ]


def remove_unused(connection: Connection, before: datetime) -> int:
    """Delete proposals that nobody approved in time; how many."""
    unused = emergencies.c.approved_at.is_(None) & (emergencies.c.proposed_at <= before)
    return connection.execute(delete(emergencies).where(unused)).rowcount


def forget(connection: Connection, before: datetime) -> int:
    """Delete reviewed searches approved before a moment, with their suggestions; how many."""
    old = (emergencies.c.approved_at < before) & emergencies.c.reviewed_at.is_not(None)
    ids = select(emergencies.c.emergency_id).where(old)
    connection.execute(delete(suggested).where(suggested.c.emergency_id.in_(ids)))
    return connection.execute(delete(emergencies).where(old)).rowcount


def _update(connection: Connection, emergency_id: EmergencyId, **values: object) -> None:
    own = emergencies.c.emergency_id == emergency_id
    connection.execute(update(emergencies).where(own).values(**values))


def _emergency(row: Row[Any]) -> Emergency:
    return Emergency(
        emergency_id=EmergencyId(row.emergency_id),
        institution=InstitutionCode(row.institution),
        reason=EmergencyReason(row.reason),
        words_sealed=row.words_sealed,
        proposed_by=StaffId(row.proposed_by),
        proposed_at=row.proposed_at,
        approved_by=None if row.approved_by is None else StaffId(row.approved_by),
        approved_at=row.approved_at,
        suggestions=row.suggestions,
        reviewed_by=None if row.reviewed_by is None else StaffId(row.reviewed_by),
        reviewed_at=row.reviewed_at,
        finding=None if row.finding is None else ReviewFinding(row.finding),
    )
