"""Tables of stock. Quantities are whole ten-thousandths, so that the database can guard them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    Date,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    and_,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.types import TypeDecorator

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.hospital.stock.model import (
    PLACES,
    BatchId,
    Movement,
    MovementKind,
    Pick,
    Place,
    StockBatch,
)

metadata = MetaData()

_IDENTIFIER = String(30)


class Quantity(TypeDecorator[Decimal]):
    """A decimal with 4 places, kept as a whole number: exact on every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else int(value.scaleb(PLACES))

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else Decimal(value).scaleb(-PLACES)


batches = Table(
    "stock_batch",
    metadata,
    Column("batch_id", _IDENTIFIER, primary_key=True),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("medins_list_codg", String(150), nullable=False),
    Column("lot_no", String(50), nullable=False),
    Column("expires_on", Date, nullable=False),
    UniqueConstraint(
        "institution", "medins_list_codg", "lot_no", "expires_on", name="uq_stock_batch_lot"
    ),
)
movements = Table(
    "stock_movement",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("cause", _IDENTIFIER, primary_key=True),
    Column("batch_id", ForeignKey(batches.c.batch_id), primary_key=True),
    Column("place", String(10), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("quantity", Quantity, nullable=False),
    Column("by", _IDENTIFIER, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("reason", String(100), nullable=False),
    Index("ix_stock_movement_batch", "batch_id", "place"),
)
"""Rows are inserted only; their sum is the stock."""
balances = Table(
    "stock_balance",
    metadata,
    Column("batch_id", ForeignKey(batches.c.batch_id), primary_key=True),
    Column("place", String(10), primary_key=True),
    Column("quantity", Quantity, nullable=False),
    Column("set_aside", Quantity, nullable=False),
    CheckConstraint("set_aside >= 0", name="ck_stock_balance_set_aside"),
    CheckConstraint("quantity >= set_aside", name="ck_stock_balance_quantity"),
)


def put_batch(connection: Connection, batch: StockBatch) -> BatchId:
    """The number of a lot, which is inserted with empty places when it is new."""
    key = {
        "institution": batch.institution,
        "medins_list_codg": batch.medins_list_codg,
        "lot_no": batch.lot_no,
        "expires_on": batch.expires_on,
    }
    known = connection.scalar(select(batches.c.batch_id).filter_by(**key))
    if known is not None:
        return BatchId(known)
    connection.execute(insert(batches).values(batch_id=batch.batch_id, **key))
    nothing = {"quantity": Decimal(0), "set_aside": Decimal(0)}
    rows = [{"batch_id": batch.batch_id, "place": place.value, **nothing} for place in Place]
    connection.execute(insert(balances), rows)
    return batch.batch_id


def move(connection: Connection, movement: Movement) -> None:
    """Insert a movement and change the balance with it; a second one for its cause is impossible.

    Raises:
        IntegrityError: When less would be there than nothing, or than is set aside.
    """
    connection.execute(
        insert(movements).values(
            institution=movement.institution,
            cause=movement.cause,
            batch_id=movement.batch_id,
            place=movement.place.value,
            kind=movement.kind.value,
            quantity=movement.quantity,
            by=movement.by,
            at=movement.at,
            reason=movement.reason,
        )
    )
    _change(connection, movement.batch_id, movement.place, quantity=movement.quantity)


def set_aside(connection: Connection, picks: Sequence[Pick]) -> None:
    """Keep so much of these batches for somebody."""
    for pick in picks:
        _change(connection, pick.batch_id, Place.SHELF, set_aside=pick.quantity)


def let_go(connection: Connection, picks: Sequence[Pick]) -> None:
    """The reverse of :func:`set_aside`."""
    for pick in picks:
        _change(connection, pick.batch_id, Place.SHELF, set_aside=-pick.quantity)


def of_medicine(
    connection: Connection, institution: InstitutionCode, medins_list_codg: str
) -> Sequence[StockBatch]:
    """The batches of a medicine, what expires first first."""
    return _batches(connection, institution, batches.c.medins_list_codg == medins_list_codg)


def all_batches(connection: Connection, institution: InstitutionCode) -> Sequence[StockBatch]:
    """Every batch of an institution."""
    return _batches(connection, institution, batches.c.batch_id.is_not(None))


def by_id(
    connection: Connection, institution: InstitutionCode, batch_id: BatchId
) -> StockBatch | None:
    """The batch with this number."""
    found = _batches(connection, institution, batches.c.batch_id == batch_id)
    return found[0] if found else None


def moved_by(
    connection: Connection, institution: InstitutionCode, cause: str
) -> Sequence[Movement]:
    """What a cause moved."""
    query = (
        select(movements)
        .where(movements.c.institution == institution, movements.c.cause == cause)
        .order_by(movements.c.batch_id, movements.c.place)
    )
    return [_movement(row) for row in connection.execute(query)]


def moved_of(connection: Connection, batch_id: BatchId) -> Sequence[Movement]:
    """Every movement of a batch, the oldest first."""
    query = select(movements).where(movements.c.batch_id == batch_id).order_by(movements.c.at)
    return [_movement(row) for row in connection.execute(query)]


def sum_of_movements(connection: Connection, batch_id: BatchId, place: Place) -> Decimal:
    """What the movements of a batch add up to."""
    query = select(func.sum(movements.c.quantity, type_=Quantity)).where(
        movements.c.batch_id == batch_id, movements.c.place == place.value
    )
    return connection.scalar(query) or Decimal(0)


def _change(
    connection: Connection,
    batch_id: BatchId,
    place: Place,
    *,
    quantity: Decimal = Decimal(0),
    set_aside: Decimal = Decimal(0),
) -> None:
    row = balances.c
    connection.execute(
        update(balances)
        .where(row.batch_id == batch_id, row.place == place.value)
        .values(quantity=row.quantity + quantity, set_aside=row.set_aside + set_aside)
    )


def _batches(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Sequence[StockBatch]:
    shelf, quarantine = balances.alias(), balances.alias()
    query = (
        select(batches, shelf.c.quantity, shelf.c.set_aside, quarantine.c.quantity.label("back"))
        .join(shelf, _at(shelf, Place.SHELF))
        .join(quarantine, _at(quarantine, Place.QUARANTINE))
        .where(batches.c.institution == institution, condition)
        .order_by(batches.c.expires_on, batches.c.batch_id)
    )
    return [_batch(row) for row in connection.execute(query)]


def _at(balance: Any, place: Place) -> ColumnElement[bool]:
    return and_(balance.c.batch_id == batches.c.batch_id, balance.c.place == place.value)


def _batch(row: Row[Any]) -> StockBatch:
    expires_on: date = row.expires_on
    return StockBatch(
        batch_id=BatchId(row.batch_id),
        institution=InstitutionCode(row.institution),
        medins_list_codg=row.medins_list_codg,
        lot_no=row.lot_no,
        expires_on=expires_on,
        on_shelf=row.quantity,
        set_aside=row.set_aside,
        in_quarantine=row.back,
    )


def _movement(row: Row[Any]) -> Movement:
    return Movement(
        institution=InstitutionCode(row.institution),
        cause=row.cause,
        batch_id=BatchId(row.batch_id),
        place=Place(row.place),
        kind=MovementKind(row.kind),
        quantity=row.quantity,
        by=StaffId(row.by),
        at=row.at,
        reason=row.reason,
    )
