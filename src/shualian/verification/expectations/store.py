"""Tables and queries of expected people and of calls."""

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import (
    Column,
    Connection,
    Date,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    or_,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId
from shualian.terminals.model import TerminalState
from shualian.terminals.store import places, terminals
from shualian.verification.expectations.model import Call, ExpectedFor

metadata = MetaData()

expected = Table(
    "verification_expected",
    metadata,
    Column("institution", String(30), primary_key=True),
    Column("day", Date, primary_key=True, index=True),
    Column("psn_no", String(30), primary_key=True),
    Column("why", String(20), primary_key=True),
)

calls = Table(
    "verification_call",
    metadata,
    Column("terminal_id", String(30), primary_key=True),
    Column("institution", String(30), nullable=False),
    Column("psn_no", String(30), nullable=False, index=True),
    Column("called_at", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
)


def put_expected(
    connection: Connection,
    institution: InstitutionCode,
    psn_no: PersonNo,
    *,
    day: date,
    why: ExpectedFor,
) -> None:
    """Expect somebody; the same again changes nothing."""
    remove_expected(connection, institution, psn_no, day=day, why=why)
    row = {"institution": institution, "day": day, "psn_no": psn_no, "why": why.value}
    connection.execute(insert(expected).values(**row))


def remove_expected(
    connection: Connection,
    institution: InstitutionCode,
    psn_no: PersonNo,
    *,
    day: date,
    why: ExpectedFor,
) -> None:
    """Expect somebody for this no more; other reasons stay."""
    connection.execute(
        delete(expected).where(
            expected.c.institution == institution,
            expected.c.day == day,
            expected.c.psn_no == psn_no,
            expected.c.why == why.value,
        )
    )


def expected_at(
    connection: Connection, institution: InstitutionCode, day: date
) -> Collection[PersonNo]:
    """Everybody expected at an institution on a day, for whatever."""
    query = select(expected.c.psn_no).where(
        expected.c.institution == institution, expected.c.day == day
    )
    return frozenset(PersonNo(each) for each in connection.scalars(query))


def institution_of(connection: Connection, terminal_id: TerminalId) -> InstitutionCode | None:
    """Where an active terminal belongs."""
    query = (
        select(places.c.institution)
        .join(terminals, terminals.c.place_id == places.c.place_id)
        .where(
            terminals.c.terminal_id == terminal_id,
            terminals.c.state == TerminalState.ACTIVE.value,
        )
    )
    found = connection.scalar(query)
    return None if found is None else InstitutionCode(found)


def put_call(connection: Connection, call: Call) -> None:
    """Arm a terminal: earlier calls there, and of this person elsewhere, are over."""
    earlier = or_(calls.c.terminal_id == call.terminal_id, calls.c.psn_no == call.subject)
    connection.execute(delete(calls).where(earlier))
    connection.execute(
        insert(calls).values(
            terminal_id=call.terminal_id,
            institution=call.institution,
            psn_no=call.subject,
            called_at=call.called_at,
            until=call.until,
        )
    )


def call_at(connection: Connection, terminal_id: TerminalId) -> Call | None:
    """The last call at a terminal, whether or not it holds."""
    row = connection.execute(select(calls).where(calls.c.terminal_id == terminal_id)).one_or_none()
    if row is None:
        return None
    return Call(
        TerminalId(row.terminal_id),
        InstitutionCode(row.institution),
        PersonNo(row.psn_no),
        row.called_at,
        row.until,
    )


def remove_call(
    connection: Connection, terminal_id: TerminalId, institution: InstitutionCode
) -> None:
    """End the call of this institution at a terminal, if there is one."""
    connection.execute(
        delete(calls).where(calls.c.terminal_id == terminal_id, calls.c.institution == institution)
    )


def count_of(connection: Connection, psn_no: PersonNo) -> int:
    """How many rows speak of a person."""
    rows = (
        connection.scalar(select(func.count()).select_from(table).where(table.c.psn_no == psn_no))
        for table in (expected, calls)
    )
    return sum(each or 0 for each in rows)


def remove_person(connection: Connection, psn_no: PersonNo) -> int:
    """Delete every row that speaks of a person; how many rows."""
    return sum(
        connection.execute(delete(table).where(table.c.psn_no == psn_no)).rowcount
        for table in (expected, calls)
    )


def remove_old(connection: Connection, *, today: date, now: datetime) -> int:
    """Delete the days that are over and the calls that hold no more; how many rows."""
    days = connection.execute(delete(expected).where(expected.c.day < today))
    ended = connection.execute(delete(calls).where(calls.c.until <= now))
    return days.rowcount + ended.rowcount
