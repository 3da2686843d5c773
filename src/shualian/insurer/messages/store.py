"""Table of messages: codes and moments, no words and no names."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
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
from shualian.core.identifiers import PersonNo
from shualian.insurer.messages.model import Message, MessageCode, MessageId

metadata = MetaData()

_IDENTIFIER = String(30)

person_message = Table(
    "person_message",
    metadata,
    Column("message_id", _IDENTIFIER, primary_key=True),
    Column("psn_no", _IDENTIFIER, nullable=False),
    Column("code", String(40), nullable=False),
    Column("told_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime),
    Index("ix_person_message_person", "psn_no"),
    # By which messages are forgotten, seen ones and unseen ones.
    Index("ix_person_message_age", "seen_at", "told_at"),
)


def renew(connection: Connection, message: Message) -> bool:
    """Give an unseen message of the same person and code the new moment; whether there is one."""
    table = person_message
    same = (table.c.psn_no == message.psn_no) & (table.c.code == message.code.value)
    found = connection.execute(
        update(table).where(same, table.c.seen_at.is_(None)).values(told_at=message.told_at)
    )
    return found.rowcount > 0


def add(connection: Connection, message: Message) -> None:
    """Insert a message."""
    connection.execute(
        insert(person_message).values(
            message_id=message.message_id,
            psn_no=message.psn_no,
            code=message.code.value,
            told_at=message.told_at,
            seen_at=message.seen_at,
        )
    )


def of_person(connection: Connection, psn_no: PersonNo) -> Sequence[Message]:
    """Every message of a person, the newest first."""
    table = person_message
    query = (
        select(table)
        .where(table.c.psn_no == psn_no)
        .order_by(table.c.told_at.desc(), table.c.message_id.desc())
    )
    return [_message(row) for row in connection.execute(query)]


def mark_seen(
    connection: Connection, psn_no: PersonNo, messages: Collection[MessageId], at: datetime
) -> None:
    """Note that a person saw messages of their own; those seen before keep their moment."""
    table = person_message
    own = (table.c.psn_no == psn_no) & table.c.message_id.in_(list(messages))
    unseen = own & table.c.seen_at.is_(None)
    connection.execute(update(table).where(unseen).values(seen_at=at))


def forget(connection: Connection, *, seen_before: datetime, told_before: datetime) -> int:
    """Delete what was seen long ago, and what nobody looked at for longer; how many."""
    table = person_message
    seen = table.c.seen_at < seen_before
    unseen = table.c.seen_at.is_(None) & (table.c.told_at < told_before)
    return sum(connection.execute(delete(table).where(old)).rowcount for old in (seen, unseen))


def _message(row: Row[Any]) -> Message:
    return Message(
        MessageId(row.message_id),
        PersonNo(row.psn_no),
        MessageCode(row.code),
        row.told_at,
        row.seen_at,
    )
