"""Table and queries of failures; one row for each terminal and each claimed identity."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    or_,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import PersonNo, TerminalId
from shualian.verification.pauses.model import Failures, PauseRule, TerminalAlarm

metadata = MetaData()


class Counted(StrEnum):
    """Whose failures a row counts."""

    TERMINAL = "terminal"
    CLAIMED = "claimed"


failures = Table(
    "verification_failure",
    metadata,
    Column("counted", String(10), primary_key=True),
    Column("identifier", String(30), primary_key=True),
    Column("counted_since", UtcTime, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("pauses", Integer, nullable=False),
    Column("paused_until", UtcTime),
)


def find(
    connection: Connection, counted: Counted, identifier: TerminalId | PersonNo
) -> Failures | None:
    """What is remembered of a terminal or a claimed identity."""
    query = select(
        failures.c.counted_since, failures.c.failures, failures.c.pauses, failures.c.paused_until
    ).where(failures.c.counted == counted.value, failures.c.identifier == identifier)
    row = connection.execute(query).one_or_none()
    return None if row is None else Failures(*row)


def put(
    connection: Connection,
    counted: Counted,
    identifier: TerminalId | PersonNo,
    found: Failures,
) -> None:
    """Remember it in the place of what was remembered before."""
    values = {
        "counted_since": found.counted_since,
        "failures": found.failures,
        "pauses": found.pauses,
        "paused_until": found.paused_until,
    }
    own = (failures.c.counted == counted.value) & (failures.c.identifier == identifier)
    if connection.execute(update(failures).where(own).values(**values)).rowcount == 0:
        row = {"counted": counted.value, "identifier": identifier, **values}
        connection.execute(insert(failures).values(**row))


def remove(connection: Connection, counted: Counted, identifier: TerminalId | PersonNo) -> None:
    """Remember nothing of it."""
    own = (failures.c.counted == counted.value) & (failures.c.identifier == identifier)
    connection.execute(delete(failures).where(own))


def remove_forgotten(
    connection: Connection, counted: Counted, *, rule: PauseRule, now: datetime
) -> int:
    """Delete the rows of which nothing matters any more; how many."""
    rested = or_(
        failures.c.paused_until.is_(None),
        failures.c.paused_until <= now - rule.forgotten_after,
    )
    old = (failures.c.counted == counted.value) & (failures.c.counted_since <= now - rule.window)
    return connection.execute(delete(failures).where(old, rested)).rowcount


def alarms(connection: Connection) -> Sequence[TerminalAlarm]:
    """The terminals with a pause that is not forgotten, the latest first."""
    query = (
        select(failures)
        .where(failures.c.counted == Counted.TERMINAL.value, failures.c.pauses > 0)
        .order_by(failures.c.paused_until.desc(), failures.c.identifier)
    )
    return [
        TerminalAlarm(TerminalId(row.identifier), row.pauses, row.paused_until)
        for row in connection.execute(query)
    ]
