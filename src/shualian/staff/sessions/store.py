"""Table of sessions; of a token the SHA-256 is kept, which suffices for 256 random bits."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import StaffId
from shualian.staff.accounts.store import staff_account
from shualian.staff.model import StaffSessionId
from shualian.staff.sessions.model import Method, Session
from shualian.staff.store import metadata

staff_session = Table(
    "staff_session",
    metadata,
    Column("session_id", String(30), primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("staff_id", ForeignKey(staff_account.c.staff_id), nullable=False),
    Column("account_version", Integer, nullable=False),
    Column("method", String(10), nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index("ix_staff_session_staff_id", "staff_id"),
    Index("ix_staff_session_expires_at", "expires_at"),
)

_SESSION = [column for column in staff_session.c if column is not staff_session.c.token_hash]


def add(connection: Connection, session: Session, token_hash: bytes) -> None:
    """Insert a session and delete all that are too old for anybody."""
    table = staff_session
    connection.execute(delete(table).where(table.c.expires_at <= session.opened_at))
    connection.execute(
        insert(table).values(
            session_id=session.session_id,
            token_hash=token_hash,
            staff_id=session.staff_id,
            account_version=session.account_version,
            method=session.method.value,
            opened_at=session.opened_at,
            seen_at=session.seen_at,
            expires_at=session.expires_at,
        )
    )


def by_token(connection: Connection, token_hash: bytes) -> Session | None:
    """The session whose token has this hash."""
    query = select(*_SESSION).where(staff_session.c.token_hash == token_hash)
    row = connection.execute(query).one_or_none()
    return None if row is None else _session(row)


def find(
    connection: Connection, session_id: StaffSessionId | None, staff_id: StaffId
) -> Session | None:
    """A session of this account."""
    chosen = (staff_session.c.session_id == session_id) & (staff_session.c.staff_id == staff_id)
    row = connection.execute(select(*_SESSION).where(chosen)).one_or_none()
    return None if row is None else _session(row)


def of(connection: Connection, staff_id: StaffId) -> list[Session]:
    """The sessions of an account, the newest first."""
    query = select(*_SESSION).where(staff_session.c.staff_id == staff_id)
    rows = connection.execute(query.order_by(staff_session.c.opened_at.desc()))
    return [_session(row) for row in rows]


def seen(connection: Connection, session_id: StaffSessionId, at: datetime) -> None:
    """The session was used."""
    chosen = staff_session.c.session_id == session_id
    connection.execute(update(staff_session).where(chosen).values(seen_at=at))


def end(connection: Connection, session_id: StaffSessionId | None, staff_id: StaffId) -> bool:
    """End a session of this account; whether there was one."""
    chosen = (staff_session.c.session_id == session_id) & (staff_session.c.staff_id == staff_id)
    return connection.execute(delete(staff_session).where(chosen)).rowcount == 1


def end_token(connection: Connection, token_hash: bytes) -> None:
    """End the session whose token has this hash, if there is one."""
    connection.execute(delete(staff_session).where(staff_session.c.token_hash == token_hash))


def end_all(connection: Connection, staff_id: StaffId) -> int:
    """End every session of an account; how many there were."""
    chosen = staff_session.c.staff_id == staff_id
    return connection.execute(delete(staff_session).where(chosen)).rowcount


def _session(row: Row[Any]) -> Session:
    return Session(
        session_id=StaffSessionId(row.session_id),
        staff_id=StaffId(row.staff_id),
        account_version=row.account_version,
        method=Method(row.method),
        opened_at=row.opened_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
    )
