"""Table of overrides."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Row,
    String,
    Table,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode, StaffId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.overrides.model import (
    OVERRIDE_NOT_FOUND,
    TEXT_CHARACTERS_MAX,
    Override,
    OverrideId,
    OverrideKind,
    OverrideState,
    ReasonCode,
    used,
)
from shualian.hospital.cashier.store import metadata

_IDENTIFIER = String(30)

overrides = Table(
    "override",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("override_id", _IDENTIFIER, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("payment", _IDENTIFIER, nullable=False),
    Column("encounter_no", _IDENTIFIER, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("text", String(TEXT_CHARACTERS_MAX), nullable=False),
    Column("proposed_by", _IDENTIFIER, nullable=False),
    Column("proposed_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("decided_by", _IDENTIFIER),
    Column("decided_at", UtcTime),
    Column("used_at", UtcTime),
    Index("ix_override_payment", "institution", "payment"),
    Index("ix_override_state", "institution", "state"),
)


def add(connection: Connection, override: Override) -> None:
    """Insert what was proposed."""
    connection.execute(insert(overrides).values(_row(override)))


def change(connection: Connection, override: Override) -> None:
    """Store where an override stands now."""
    key = {"institution": override.institution, "override_id": override.override_id}
    connection.execute(update(overrides).filter_by(**key).values(_row(override)))


def by_id(
    connection: Connection, institution: InstitutionCode, override_id: OverrideId
) -> Override | None:
    """The override with this number."""
    found = _overrides(connection, institution, overrides.c.override_id == override_id)
    return found[0] if found else None


def of_payment(
    connection: Connection, institution: InstitutionCode, payment: CommandId
) -> Sequence[Override]:
    """All overrides of a payment, the oldest first."""
    return _overrides(connection, institution, overrides.c.payment == payment)


def waiting(connection: Connection, institution: InstitutionCode) -> Sequence[Override]:
    """What waits for its second key, the oldest first."""
    return _overrides(connection, institution, overrides.c.state == OverrideState.PROPOSED.value)


def use(
    connection: Connection,
    institution: InstitutionCode,
    override_id: OverrideId,
    kind: OverrideKind,
    *,
    payment: CommandId,
    amount_fen: Fen = ZERO,
    now: datetime,
) -> Override:
    """Use an override up in the transaction that does what it allows.

    Raises:
        Refused: ``hospital.override_not_found``, ``override_differs``, ``override_step``.
    """
    found = by_id(connection, institution, override_id)
    if found is None:
        raise Refused(OVERRIDE_NOT_FOUND)
    after = used(found, kind, payment=payment, amount_fen=amount_fen, now=now)
    change(connection, after)
    return after


def _overrides(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> list[Override]:
    query = (
        select(overrides)
        .where(overrides.c.institution == institution, condition)
        .order_by(overrides.c.proposed_at, overrides.c.override_id)
    )
    return [_override(row) for row in connection.execute(query)]


def _override(row: Row[Any]) -> Override:
    return Override(
        override_id=OverrideId(row.override_id),
        institution=InstitutionCode(row.institution),
        kind=OverrideKind(row.kind),
        payment=CommandId(row.payment),
        encounter_no=EncounterNo(row.encounter_no),
        amount_fen=Fen(row.amount_fen),
        reason=ReasonCode(row.reason),
        text=row.text,
        proposed_by=StaffId(row.proposed_by),
        proposed_at=row.proposed_at,
        state=OverrideState(row.state),
        decided_by=None if row.decided_by is None else StaffId(row.decided_by),
        decided_at=row.decided_at,
        used_at=row.used_at,
    )


def _row(override: Override) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(override, name) for name in override.__slots__}
    return row | {
        "kind": override.kind.value,
        "reason": override.reason.value,
        "state": override.state.value,
    }
