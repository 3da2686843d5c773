"""Table of what followed from each verified session."""

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import PersonNo, SessionId
from shualian.insurer.activation.model import ScanFollowed, TemplateStep
from shualian.insurer.vouchers.model import VoucherState

metadata = MetaData()

scan_followed = Table(
    "scan_followed",
    metadata,
    Column("session_id", String(30), primary_key=True),
    Column("psn_no", String(30), nullable=False, index=True),
    Column("before", String(20), nullable=False),
    Column("activated", Boolean, nullable=False),
    Column("template", String(20), nullable=False),
    Column("at", UtcTime, nullable=False),
)


def find(connection: Connection, session_id: SessionId) -> ScanFollowed | None:
    """What followed from a session."""
    table = scan_followed
    row = connection.execute(select(table).where(table.c.session_id == session_id)).one_or_none()
    if row is None:
        return None
    return ScanFollowed(
        session_id=SessionId(row.session_id),
        psn_no=PersonNo(row.psn_no),
        before=VoucherState(row.before),
        activated=row.activated,
        template=TemplateStep(row.template),
        at=row.at,
    )


def add(connection: Connection, followed: ScanFollowed) -> None:
    """Insert what followed."""
    connection.execute(
        insert(scan_followed).values(
            session_id=followed.session_id,
            psn_no=followed.psn_no,
            before=followed.before.value,
            activated=followed.activated,
            template=followed.template.value,
            at=followed.at,
        )
    )


def put_template(connection: Connection, session_id: SessionId, step: TemplateStep) -> None:
    """Change what became of the template."""
    table = scan_followed
    change = update(table).where(table.c.session_id == session_id)
    connection.execute(change.values(template=step.value))
