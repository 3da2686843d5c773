"""Tables of sealed password hashes and of failures in a row."""

from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    delete,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import StaffId
from shualian.staff.accounts.store import staff_account
from shualian.staff.passwords.model import FORGOTTEN_AFTER, Attempts
from shualian.staff.store import metadata

staff_password = Table(
    "staff_password",
    metadata,
    Column("staff_id", ForeignKey(staff_account.c.staff_id), primary_key=True),
    Column("hash_sealed", LargeBinary, nullable=False),
)

staff_sign_in_attempt = Table(
    "staff_sign_in_attempt",
    metadata,
    # By account name and not by account: unknown names are counted just the same.
    Column("login_hash", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", UtcTime, nullable=False),
    Index("ix_staff_sign_in_attempt_last_failed_at", "last_failed_at"),
)


def put(connection: Connection, staff_id: StaffId, hash_sealed: bytes) -> None:
    """Keep the sealed hash of a password in place of an earlier one."""
    remove(connection, staff_id)
    connection.execute(insert(staff_password).values(staff_id=staff_id, hash_sealed=hash_sealed))


def find(connection: Connection, staff_id: StaffId) -> bytes | None:
    """The sealed hash of an account's password, if it has one."""
    query = select(staff_password.c.hash_sealed).where(staff_password.c.staff_id == staff_id)
    return connection.scalar(query)


def remove(connection: Connection, staff_id: StaffId) -> None:
    """Delete an account's password."""
    connection.execute(delete(staff_password).where(staff_password.c.staff_id == staff_id))


def attempts_of(connection: Connection, login_hash: bytes) -> Attempts | None:
    """The failures in a row under an account name."""
    table = staff_sign_in_attempt
    query = select(table.c.failures, table.c.last_failed_at)
    row = connection.execute(query.where(table.c.login_hash == login_hash)).one_or_none()
    return None if row is None else Attempts(*row)


def put_attempts(connection: Connection, login_hash: bytes, attempts: Attempts) -> None:
    """Keep the failures in a row under an account name, and forget those of long ago."""
    table, now = staff_sign_in_attempt, attempts.last_failed_at
    forget_attempts(connection, login_hash)
    _forget_old(connection, now)
    connection.execute(
        insert(table).values(login_hash=login_hash, failures=attempts.failures, last_failed_at=now)
    )


def forget_attempts(connection: Connection, login_hash: bytes) -> None:
    """No failure counts any more under this account name."""
    table = staff_sign_in_attempt
    connection.execute(delete(table).where(table.c.login_hash == login_hash))


def _forget_old(connection: Connection, now: datetime) -> None:
    table = staff_sign_in_attempt
    connection.execute(delete(table).where(table.c.last_failed_at < now - FORGOTTEN_AFTER))
