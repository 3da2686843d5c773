"""Table of calls for help."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, StaffId, TerminalId
from shualian.hospital.help.model import HelpCallNo
from shualian.staff.model import Role

metadata = MetaData()

_IDENTIFIER = String(30)

help_calls = Table(
    "help_call",
    metadata,
    Column("call_no", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("terminal_id", _IDENTIFIER, nullable=False),
    Column("place", String(200), nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("helper_id", _IDENTIFIER),
    Column("helper_name_sealed", LargeBinary),
    Column("helper_role", _IDENTIFIER),
    Column("coming_at", UtcTime),
    Column("ended_at", UtcTime),
    Index("ix_help_call_open", "institution", "ended_at", "asked_at"),
)


class SealedCall(NamedTuple):
    """A call as it is kept: a name is sealed."""

    call_no: HelpCallNo
    institution: InstitutionCode
    terminal_id: TerminalId
    place: str
    asked_at: datetime
    helper_id: StaffId | None
    helper_name_sealed: bytes | None
    helper_role: Role | None
    coming_at: datetime | None
    ended_at: datetime | None


def add(connection: Connection, call: SealedCall) -> None:
    """Insert a call."""
    connection.execute(insert(help_calls).values(call._asdict()))


def change(connection: Connection, call: SealedCall) -> None:
    """Store a call as it is now."""
    query = update(help_calls).where(help_calls.c.call_no == call.call_no)
    connection.execute(query.values(call._asdict()))


def by_number(
    connection: Connection, institution: InstitutionCode, call_no: HelpCallNo, *, lock: bool
) -> SealedCall | None:
    """The call with this number; locked, nobody changes it until the transaction ends."""
    query = select(help_calls).where(
        help_calls.c.institution == institution, help_calls.c.call_no == call_no
    )
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _call(row)


def open_since(
    connection: Connection, institution: InstitutionCode, since: datetime
) -> Sequence[SealedCall]:
    """What was rung since a moment and is not over, the oldest first."""
    query = (
        select(help_calls)
        .where(
            help_calls.c.institution == institution,
            help_calls.c.ended_at.is_(None),
            help_calls.c.asked_at >= since,
        )
        .order_by(help_calls.c.asked_at, help_calls.c.call_no)
    )
    return [_call(row) for row in connection.execute(query)]


def forget(connection: Connection, institution: InstitutionCode, before: datetime) -> int:
    """Delete what was rung before a moment; how many."""
    query = delete(help_calls).where(
        help_calls.c.institution == institution, help_calls.c.asked_at < before
    )
    return connection.execute(query).rowcount


def _call(row: Row[Any]) -> SealedCall:
    role = row.helper_role
    return SealedCall(**row._mapping)._replace(helper_role=None if role is None else Role(role))
