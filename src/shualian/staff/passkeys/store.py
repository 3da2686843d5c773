"""Tables of passkeys and of open challenges, of which only a SHA-256 is kept."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import StaffId
from shualian.staff.accounts.store import staff_account
from shualian.staff.passkeys.model import Ceremony, Passkey
from shualian.staff.store import metadata

staff_passkey = Table(
    "staff_passkey",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("staff_id", ForeignKey(staff_account.c.staff_id), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("added_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    Index("ix_staff_passkey_staff_id", "staff_id"),
)

staff_challenge = Table(
    "staff_challenge",
    metadata,
    Column("challenge_hash", LargeBinary, primary_key=True),
    Column("ceremony", String(10), nullable=False),
    Column("staff_id", String(30)),  # NULL: signing in, nobody is known yet
    Column("expires_at", UtcTime, nullable=False),
    Index("ix_staff_challenge_expires_at", "expires_at"),
)


def add(connection: Connection, passkey: Passkey) -> None:
    """Insert a passkey."""
    connection.execute(insert(staff_passkey).values(**asdict(passkey)))


def find(connection: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey with this credential id, whoever's it is."""
    query = select(staff_passkey).where(staff_passkey.c.credential_id == credential_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _passkey(row)


def of(connection: Connection, staff_id: StaffId) -> list[Passkey]:
    """The passkeys of an account, the oldest first."""
    query = select(staff_passkey).where(staff_passkey.c.staff_id == staff_id)
    rows = connection.execute(query.order_by(staff_passkey.c.added_at))
    return [_passkey(row) for row in rows]


def used(connection: Connection, credential_id: bytes, sign_count: int, at: datetime) -> None:
    """A passkey signed in and showed this count."""
    chosen = staff_passkey.c.credential_id == credential_id
    change = update(staff_passkey).where(chosen).values(sign_count=sign_count, used_at=at)
    connection.execute(change)


def remove(connection: Connection, credential_id: bytes) -> None:
    """Delete a passkey."""
    chosen = staff_passkey.c.credential_id == credential_id
    connection.execute(delete(staff_passkey).where(chosen))


def remove_all(connection: Connection, staff_id: StaffId) -> None:
    """Delete every passkey of an account."""
    connection.execute(delete(staff_passkey).where(staff_passkey.c.staff_id == staff_id))


def put_challenge(
    connection: Connection,
    challenge_hash: bytes,
    ceremony: Ceremony,
    staff_id: StaffId | None,
    expires_at: datetime,
) -> None:
    """Keep a challenge that was given out."""
    connection.execute(
        insert(staff_challenge).values(
            challenge_hash=challenge_hash,
            ceremony=ceremony.value,
            staff_id=staff_id,
            expires_at=expires_at,
        )
    )


def take_challenge(
    connection: Connection,
    challenge_hash: bytes,
    ceremony: Ceremony,
    staff_id: StaffId | None,
    now: datetime,
) -> bool:
    """Use a challenge up; whether it was open for this ceremony and this person."""
    table = staff_challenge
    chosen = table.c.challenge_hash == challenge_hash
    row = connection.execute(select(table).where(chosen)).one_or_none()
    connection.execute(delete(table).where(chosen))
    return (
        row is not None
        and row.ceremony == ceremony.value
        and row.staff_id == staff_id
        and row.expires_at > now
    )


def open_challenges(connection: Connection, now: datetime) -> int:
    """How many challenges are open; expired ones are deleted."""
    connection.execute(delete(staff_challenge).where(staff_challenge.c.expires_at <= now))
    return connection.scalar(select(func.count()).select_from(staff_challenge)) or 0


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        credential_id=row.credential_id,
        staff_id=StaffId(row.staff_id),
        public_key=row.public_key,
        sign_count=row.sign_count,
        added_at=row.added_at,
        used_at=row.used_at,
    )
