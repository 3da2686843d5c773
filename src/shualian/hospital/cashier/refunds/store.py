"""Table of what is due back, and how a part of a payment becomes due."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId, new_identifier
from shualian.core.money import Fen, total
from shualian.hospital.cashier.overrides.model import OverrideId
from shualian.hospital.cashier.refunds.model import (
    RefundCause,
    RefundDue,
    RefundId,
    RefundState,
    parts_due,
)
from shualian.hospital.cashier.shifts.model import ShiftId
from shualian.hospital.cashier.store import metadata
from shualian.hospital.cashier.tenders import store as tenders
from shualian.hospital.cashier.tenders.model import TenderKind

_IDENTIFIER = String(30)

refunds = Table(
    "refund_due",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("refund_id", _IDENTIFIER, primary_key=True),
    Column("payment", _IDENTIFIER, nullable=False),
    Column("cause", String(10), nullable=False),
    Column("cause_id", _IDENTIFIER, nullable=False),
    Column("place", Integer, nullable=False),
    Column("source", String(10), nullable=False),
    Column("reference", String(40), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("way", String(10), nullable=False),
    Column("state", String(10), nullable=False),
    Column("override_id", _IDENTIFIER),
    Column("command_id", _IDENTIFIER),
    Column("given_by", _IDENTIFIER),
    Column("given_at", UtcTime),
    Column("shift_id", _IDENTIFIER),
    Column("given_reference", String(40), nullable=False),
    UniqueConstraint("institution", "cause_id", "place", name="uq_refund_due_cause"),
    UniqueConstraint("institution", "command_id", name="uq_refund_due_command"),
    Index("ix_refund_due_payment", "institution", "payment"),
    Index("ix_refund_due_state", "institution", "state"),
    Index("ix_refund_due_given", "institution", "given_at"),
)


def make_due(
    connection: Connection,
    institution: InstitutionCode,
    payment: CommandId,
    *,
    cause: RefundCause,
    cause_id: CommandId,
    amount_fen: Fen | None = None,
    now: datetime,
) -> Sequence[RefundDue]:
    """Note that money taken at the window is due back, in the transaction in which it becomes so.

    Again for the same cause gives what was noted the first time. What came from an agreed
    account is not meant: the saga gives it back.

    Args:
        connection: Of the transaction.
        institution: Whose.
        payment: Command of the payment.
        cause: Why.
        cause_id: The command that causes it, such as that of the cancellation.
        amount_fen: How much of what was taken at the window; everything that is left when none.
        now: UTC.

    Raises:
        Refused: ``hospital.refund_too_much``.
    """
    earlier = of_payment(connection, institution, payment)
    noted = [due for due in earlier if due.cause_id == cause_id]
    if noted:
        return noted
    taking = tenders.by_payment(connection, institution, payment)
    dues = [
        RefundDue(
            refund_id=RefundId(new_identifier()),
            institution=institution,
            payment=payment,
            cause=cause,
            cause_id=cause_id,
            source=part.source,
            reference=part.reference,
            amount_fen=part.amount_fen,
            due_at=now,
            way=part.source,
        )
        for part in parts_due(taking, earlier, amount_fen=amount_fen)
    ]
    for place, due in enumerate(dues):
        connection.execute(insert(refunds).values(_row(due) | {"place": place}))
    return dues


def left_of(connection: Connection, institution: InstitutionCode, payment: CommandId) -> Fen:
    """What was taken at the window for a payment and is not due back yet."""
    taking = tenders.by_payment(connection, institution, payment)
    earlier = of_payment(connection, institution, payment)
    return total([part.amount_fen for part in parts_due(taking, earlier)])


def change(connection: Connection, due: RefundDue) -> None:
    """Store where a part stands now."""
    key = {"institution": due.institution, "refund_id": due.refund_id}
    connection.execute(update(refunds).filter_by(**key).values(_row(due)))


def by_id(
    connection: Connection, institution: InstitutionCode, refund_id: RefundId
) -> RefundDue | None:
    """The part with this number."""
    return _one(connection, institution, refunds.c.refund_id == refund_id)


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> RefundDue | None:
    """The part that a command gave or asked for."""
    return _one(connection, institution, refunds.c.command_id == command_id)


def of_payment(
    connection: Connection, institution: InstitutionCode, payment: CommandId
) -> Sequence[RefundDue]:
    """All parts of a payment, the oldest first."""
    return _dues(connection, institution, refunds.c.payment == payment)


def not_paid(connection: Connection, institution: InstitutionCode) -> Sequence[RefundDue]:
    """What is still to be given, the oldest first."""
    return _dues(connection, institution, refunds.c.state != RefundState.PAID.value)


def given_between(
    connection: Connection, institution: InstitutionCode, since: datetime, until: datetime
) -> Sequence[RefundDue]:
    """What was given back from one moment to before another."""
    inside = (refunds.c.given_at >= since) & (refunds.c.given_at < until)
    return _dues(connection, institution, inside)


def _one(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> RefundDue | None:
    found = _dues(connection, institution, condition)
    return found[0] if found else None


def _dues(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> list[RefundDue]:
    query = (
        select(refunds)
        .where(refunds.c.institution == institution, condition)
        .order_by(refunds.c.due_at, refunds.c.cause_id, refunds.c.place)
    )
    return [_due(row) for row in connection.execute(query)]


def _due(row: Row[Any]) -> RefundDue:
    return RefundDue(
        refund_id=RefundId(row.refund_id),
        institution=InstitutionCode(row.institution),
        payment=CommandId(row.payment),
        cause=RefundCause(row.cause),
        cause_id=CommandId(row.cause_id),
        source=TenderKind(row.source),
        reference=row.reference,
        amount_fen=Fen(row.amount_fen),
        due_at=row.due_at,
        way=TenderKind(row.way),
        state=RefundState(row.state),
        override_id=None if row.override_id is None else OverrideId(row.override_id),
        command_id=None if row.command_id is None else CommandId(row.command_id),
        given_by=None if row.given_by is None else StaffId(row.given_by),
        given_at=row.given_at,
        shift_id=None if row.shift_id is None else ShiftId(row.shift_id),
        given_reference=row.given_reference,
    )


def _row(due: RefundDue) -> dict[str, Any]:
    row: dict[str, Any] = {each.name: getattr(due, each.name) for each in fields(due)}
    return row | {name: row[name].value for name in ("cause", "source", "way", "state")}
