"""Tables of shifts, of what moved in their drawers, and of what was counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKeyConstraint,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.shifts.model import (
    NO_OPEN_SHIFT,
    Count,
    DifferenceReason,
    DrawerNo,
    Entry,
    EntryKind,
    Handover,
    Shift,
    ShiftId,
    ShiftState,
    check_drawer,
)
from shualian.hospital.cashier.store import metadata

_IDENTIFIER = String(30)

shifts = Table(
    "cash_shift",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("shift_id", _IDENTIFIER, primary_key=True),
    Column("drawer", _IDENTIFIER, nullable=False),
    Column("clerk", _IDENTIFIER, nullable=False),
    Column("float_fen", BigInteger, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("counted_fen", BigInteger),
    Column("expected_fen", BigInteger),
    Column("left_fen", BigInteger),
    Column("reason", String(15)),
    Column("counted_at", UtcTime),
    Column("confirmed_by", _IDENTIFIER),
    Column("confirmed_at", UtcTime),
    Index("ix_cash_shift_drawer", "institution", "drawer", "opened_at"),
    Index("ix_cash_shift_state", "institution", "state"),
)

entries = Table(
    "drawer_entry",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("shift_id", _IDENTIFIER, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("cause", _IDENTIFIER, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("institution", "kind", "cause", name="uq_drawer_entry_cause"),
    ForeignKeyConstraint(["institution", "shift_id"], [shifts.c.institution, shifts.c.shift_id]),
)
"""Only added to."""

counts = Table(
    "drawer_count",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("shift_id", _IDENTIFIER, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("denomination_fen", Integer, primary_key=True, autoincrement=False),
    Column("pieces", Integer, nullable=False),
    ForeignKeyConstraint(["institution", "shift_id"], [shifts.c.institution, shifts.c.shift_id]),
)
"""Each count by denomination, the opening one first (attempt 0)."""


@dataclass(frozen=True, slots=True)
class DrawerBook:
    """What moved in a drawer during one shift."""

    entries: tuple[Entry, ...]

    @property
    def balance_fen(self) -> Fen:
        """What must be in the drawer."""
        return Fen(sum(entry.amount_fen for entry in self.entries))


def add(connection: Connection, shift: Shift, count: Count) -> None:
    """Insert a shift that was opened, with its float."""
    connection.execute(insert(shifts).values(_row(shift)))
    add_count(connection, shift, count)
    first = Entry(EntryKind.FLOAT, CommandId(shift.shift_id), shift.float_fen, shift.opened_at)
    _add_entry(connection, shift, 0, first)


def change(connection: Connection, shift: Shift) -> None:
    """Store where a shift stands now."""
    key = {"institution": shift.institution, "shift_id": shift.shift_id}
    connection.execute(update(shifts).filter_by(**key).values(_row(shift)))


def add_count(connection: Connection, shift: Shift, count: Count) -> None:
    """Insert what was counted; empty denominations are left out."""
    key = {"institution": shift.institution, "shift_id": shift.shift_id}
    before = connection.scalar(select(func.max(counts.c.attempt)).filter_by(**key))
    attempt = 0 if before is None else before + 1
    rows = [
        key | {"attempt": attempt, "denomination_fen": denomination, "pieces": pieces}
        for denomination, pieces in count.items()
        if pieces
    ]
    if rows:
        connection.execute(insert(counts), rows)


def move(connection: Connection, shift: Shift, entry: Entry) -> None:
    """Move money into a drawer or out of it; the drawer never goes below zero.

    Raises:
        Refused: ``hospital.drawer_short``.
    """
    book = book_of(connection, shift.institution, shift.shift_id)
    check_drawer(book.balance_fen, out_fen=Fen(-entry.amount_fen))
    _add_entry(connection, shift, len(book.entries), entry)


def book_of(connection: Connection, institution: InstitutionCode, shift_id: ShiftId) -> DrawerBook:
    """What moved in the drawer of a shift, in order."""
    query = (
        select(entries)
        .filter_by(institution=institution, shift_id=shift_id)
        .order_by(entries.c.place)
    )
    return DrawerBook(
        tuple(
            Entry(EntryKind(row.kind), CommandId(row.cause), Fen(row.amount_fen), row.at)
            for row in connection.execute(query)
        )
    )


def by_id(connection: Connection, institution: InstitutionCode, shift_id: ShiftId) -> Shift | None:
    """The shift with this number."""
    found = _shifts(connection, institution, shifts.c.shift_id == shift_id)
    return found[0] if found else None


def open_of(connection: Connection, institution: InstitutionCode, clerk: StaffId) -> Shift:
    """The shift in which a clerk may take and give money.

    Raises:
        Refused: ``hospital.no_open_shift``.
    """
    is_open = (shifts.c.clerk == clerk) & (shifts.c.state == ShiftState.OPEN.value)
    found = _shifts(connection, institution, is_open)
    if not found:
        raise Refused(NO_OPEN_SHIFT)
    return found[0]


def not_closed(connection: Connection, institution: InstitutionCode) -> Sequence[Shift]:
    """Shifts that are not handed over and confirmed, the oldest first."""
    return _shifts(connection, institution, shifts.c.state != ShiftState.CLOSED.value)


def last_of_drawer(
    connection: Connection, institution: InstitutionCode, drawer: DrawerNo
) -> Shift | None:
    """The newest shift at a drawer."""
    found = _shifts(connection, institution, shifts.c.drawer == drawer)
    return found[-1] if found else None


def opened_between(
    connection: Connection, institution: InstitutionCode, since: datetime, until: datetime
) -> Sequence[Shift]:
    """Shifts that were opened from one moment to before another."""
    inside = (shifts.c.opened_at >= since) & (shifts.c.opened_at < until)
    return _shifts(connection, institution, inside)


def entries_between(
    connection: Connection, institution: InstitutionCode, since: datetime, until: datetime
) -> Sequence[Entry]:
    """What moved in all drawers from one moment to before another, floats left out."""
    query = (
        select(entries)
        .where(
            entries.c.institution == institution,
            entries.c.at >= since,
            entries.c.at < until,
            entries.c.kind != EntryKind.FLOAT.value,
        )
        .order_by(entries.c.at, entries.c.cause)
    )
    return [
        Entry(EntryKind(row.kind), CommandId(row.cause), Fen(row.amount_fen), row.at)
        for row in connection.execute(query)
    ]


def _add_entry(connection: Connection, shift: Shift, place: int, entry: Entry) -> None:
    connection.execute(
        insert(entries).values(
            institution=shift.institution,
            shift_id=shift.shift_id,
            place=place,
            kind=entry.kind.value,
            cause=entry.cause,
            amount_fen=entry.amount_fen,
            at=entry.at,
        )
    )


def _shifts(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> list[Shift]:
    query = (
        select(shifts)
        .where(shifts.c.institution == institution, condition)
        .order_by(shifts.c.opened_at, shifts.c.shift_id)
    )
    return [_shift(row) for row in connection.execute(query)]


def _shift(row: Row[Any]) -> Shift:
    return Shift(
        shift_id=ShiftId(row.shift_id),
        institution=InstitutionCode(row.institution),
        drawer=DrawerNo(row.drawer),
        clerk=StaffId(row.clerk),
        float_fen=Fen(row.float_fen),
        opened_at=row.opened_at,
        state=ShiftState(row.state),
        handover=None if row.counted_at is None else _handover(row),
        confirmed_by=None if row.confirmed_by is None else StaffId(row.confirmed_by),
        confirmed_at=row.confirmed_at,
    )


def _handover(row: Row[Any]) -> Handover:
    return Handover(
        counted_fen=Fen(row.counted_fen),
        expected_fen=Fen(row.expected_fen),
        left_fen=Fen(row.left_fen),
        reason=DifferenceReason(row.reason),
        at=row.counted_at,
    )


def _row(shift: Shift) -> dict[str, Any]:
    handover = shift.handover
    return {
        "institution": shift.institution,
        "shift_id": shift.shift_id,
        "drawer": shift.drawer,
        "clerk": shift.clerk,
        "float_fen": shift.float_fen,
        "opened_at": shift.opened_at,
        "state": shift.state.value,
        "counted_fen": None if handover is None else handover.counted_fen,
        "expected_fen": None if handover is None else handover.expected_fen,
        "left_fen": None if handover is None else handover.left_fen,
        "reason": None if handover is None else handover.reason.value,
        "counted_at": None if handover is None else handover.at,
        "confirmed_by": shift.confirmed_by,
        "confirmed_at": shift.confirmed_at,
    }
