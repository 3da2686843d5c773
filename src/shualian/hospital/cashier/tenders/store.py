"""Tables of what was taken at the window: once for a payment, in one or more tenders."""

from collections.abc import Sequence
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
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import Fen
from shualian.hospital.cashier.shifts.model import ShiftId
from shualian.hospital.cashier.store import metadata
from shualian.hospital.cashier.tenders.model import Taking, Tender, TenderKind

_IDENTIFIER = String(30)

takings = Table(
    "cash_taking",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("payment", _IDENTIFIER, nullable=False),
    Column("taken_by", _IDENTIFIER, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    Column("shift_id", _IDENTIFIER),
    UniqueConstraint("institution", "payment", name="uq_cash_taking_payment"),
    Index("ix_cash_taking_time", "institution", "taken_at"),
)

tenders = Table(
    "tender",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("tendered_fen", BigInteger, nullable=False),
    Column("reference", String(40), nullable=False),
    Index("ix_tender_reference", "institution", "kind", "reference"),
    ForeignKeyConstraint(
        ["institution", "command_id"], [takings.c.institution, takings.c.command_id]
    ),
)


def add(connection: Connection, taking: Taking) -> None:
    """Insert what was taken; a second taking for the payment is impossible by its key."""
    key: dict[str, Any] = {
        "institution": taking.institution,
        "command_id": taking.command_id,
    }
    connection.execute(
        insert(takings).values(
            key
            | {
                "payment": taking.payment,
                "taken_by": taking.taken_by,
                "taken_at": taking.taken_at,
                "shift_id": taking.shift_id,
            }
        )
    )
    rows = [
        key
        | {
            "place": place,
            "kind": tender.kind.value,
            "amount_fen": tender.amount_fen,
            "tendered_fen": tender.tendered_fen,
            "reference": tender.reference,
        }
        for place, tender in enumerate(taking.tenders)
    ]
    connection.execute(insert(tenders), rows)


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> Taking | None:
    """What a command took."""
    return _one(connection, institution, takings.c.command_id == command_id)


def by_payment(
    connection: Connection, institution: InstitutionCode, payment: CommandId
) -> Taking | None:
    """What was taken for a payment."""
    return _one(connection, institution, takings.c.payment == payment)


def between(
    connection: Connection, institution: InstitutionCode, since: datetime, until: datetime
) -> Sequence[Taking]:
    """What was taken from one moment to before another, in time."""
    inside = (takings.c.taken_at >= since) & (takings.c.taken_at < until)
    return _takings(connection, institution, inside)


def of_shift(
    connection: Connection, institution: InstitutionCode, shift_id: ShiftId
) -> Sequence[Taking]:
    """What was taken in a shift, in time."""
    return _takings(connection, institution, takings.c.shift_id == shift_id)


def reference_used(
    connection: Connection, institution: InstitutionCode, kind: TenderKind, reference: str
) -> bool:
    """Whether a slip or an order has paid something."""
    query = select(tenders.c.command_id).filter_by(
        institution=institution, kind=kind.value, reference=reference
    )
    return connection.execute(query).first() is not None


def _one(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Taking | None:
    found = _takings(connection, institution, condition)
    return found[0] if found else None


def _takings(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> list[Taking]:
    query = (
        select(takings, tenders)
        .join_from(takings, tenders)
        .where(takings.c.institution == institution, condition)
        .order_by(takings.c.taken_at, takings.c.command_id, tenders.c.place)
    )
    by_command: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query):
        by_command.setdefault(row.command_id, []).append(row)
    return [_taking(rows) for rows in by_command.values()]


def _taking(rows: Sequence[Row[Any]]) -> Taking:
    first = rows[0]
    return Taking(
        command_id=CommandId(first.command_id),
        institution=InstitutionCode(first.institution),
        payment=CommandId(first.payment),
        tenders=tuple(
            Tender(TenderKind(row.kind), Fen(row.amount_fen), Fen(row.tendered_fen), row.reference)
            for row in rows
        ),
        taken_by=StaffId(first.taken_by),
        taken_at=first.taken_at,
        shift_id=None if first.shift_id is None else ShiftId(first.shift_id),
    )
