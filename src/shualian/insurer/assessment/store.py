"""Tables of assessments and of the day on which filing became a duty."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Date,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    distinct,
    func,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.insurer.assessment.model import Assessment, AssessmentId, FilingMark
from shualian.trust.audit.model import Digest
from shualian.verification.store import persons

metadata = MetaData()

assessments = Table(
    "privacy_assessment",
    metadata,
    Column("assessment_id", String(30), primary_key=True),
    Column("made_at", UtcTime, nullable=False),
    Column("document", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("configuration_digest", String(64), nullable=False, index=True),
)
filing_mark = Table(
    "filing_mark",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("reached_on", Date, nullable=False),
    Column("people", Integer, nullable=False),
    CheckConstraint("id = 1", name="ck_filing_mark_one_row"),
)
"""One row: when the law's number of people was first counted."""


def add(connection: Connection, made: Assessment) -> None:
    """Insert an assessment."""
    connection.execute(
        insert(assessments).values(
            assessment_id=made.assessment_id,
            made_at=made.made_at,
            document=made.document,
            digest=made.digest,
            configuration_digest=made.configuration_digest,
        )
    )


def find(connection: Connection, assessment_id: AssessmentId) -> Assessment | None:
    """The assessment with this number."""
    query = select(assessments).where(assessments.c.assessment_id == assessment_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _assessment(row)


def everything(connection: Connection) -> Sequence[Assessment]:
    """Every assessment, the newest first."""
    query = select(assessments).order_by(
        assessments.c.made_at.desc(), assessments.c.assessment_id.desc()
    )
    return [_assessment(row) for row in connection.execute(query)]


def remove(connection: Connection, assessment_id: AssessmentId) -> None:
    """Delete an assessment."""
    connection.execute(delete(assessments).where(assessments.c.assessment_id == assessment_id))


def is_assessed(connection: Connection, configuration: Digest) -> bool:
    """Whether there is an assessment of this configuration."""
    query = select(assessments.c.assessment_id).where(
        assessments.c.configuration_digest == configuration
    )
    return connection.execute(query.limit(1)).first() is not None


def mark(connection: Connection) -> FilingMark | None:
    """When the law's number of people was first reached."""
    row = connection.execute(select(filing_mark)).one_or_none()
    return None if row is None else FilingMark(row.reached_on, row.people)


def put_mark(connection: Connection, made: FilingMark) -> None:
    """Note that the number was reached, once."""
    connection.execute(
        insert(filing_mark).values(id=1, reached_on=made.reached_on, people=made.people)
    )


def count_compared(connection: Connection) -> int:
    """How many people were verified in the sessions that are kept."""
    return connection.scalar(select(func.count(distinct(persons.c.subject)))) or 0


def _assessment(row: Row[Any]) -> Assessment:
    return Assessment(
        AssessmentId(row.assessment_id),
        row.made_at,
        row.document,
        Digest(row.digest),
        Digest(row.configuration_digest),
    )
