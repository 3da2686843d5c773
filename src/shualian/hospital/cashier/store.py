"""Table of cash taken."""

from dataclasses import fields

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import Fen
from shualian.hospital.cashier.model import CashTaking

metadata = MetaData()

_IDENTIFIER = String(30)

cash_takings = Table(
    "cash_taking",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("payment", _IDENTIFIER, nullable=False),
    Column("due_fen", BigInteger, nullable=False),
    Column("tendered_fen", BigInteger, nullable=False),
    Column("taken_by", _IDENTIFIER, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    UniqueConstraint("institution", "payment", name="uq_cash_taking_payment"),
)


def add(connection: Connection, taking: CashTaking) -> None:
    """Insert cash that was taken; a second taking for the payment is impossible by its key."""
    row = {each.name: getattr(taking, each.name) for each in fields(taking)}
    connection.execute(insert(cash_takings).values(row))


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> CashTaking | None:
    """What a command took."""
    return _one(connection, institution, cash_takings.c.command_id == command_id)


def by_payment(
    connection: Connection, institution: InstitutionCode, payment: CommandId
) -> CashTaking | None:
    """What was taken for a payment."""
    return _one(connection, institution, cash_takings.c.payment == payment)


def _one(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> CashTaking | None:
    query = select(cash_takings).where(cash_takings.c.institution == institution, condition)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return CashTaking(
        command_id=CommandId(row.command_id),
        institution=InstitutionCode(row.institution),
        payment=CommandId(row.payment),
        due_fen=Fen(row.due_fen),
        tendered_fen=Fen(row.tendered_fen),
        taken_by=StaffId(row.taken_by),
        taken_at=row.taken_at,
    )
