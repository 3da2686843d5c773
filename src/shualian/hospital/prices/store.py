"""Table of price lists: each with its whole text, insert-only."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.hospital.prices.model import PriceListVersion

metadata = MetaData()

_IDENTIFIER = String(30)

price_lists = Table(
    "price_list",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("imported_at", UtcTime, nullable=False),
    Column("imported_by", _IDENTIFIER),
    Column("digest", LargeBinary, nullable=False),
    Column("item_count", Integer, nullable=False),
    Column("content", Text, nullable=False),
)


def add(connection: Connection, version: PriceListVersion, content: str) -> None:
    """Insert a new list; a second one from the same day is impossible by its key."""
    row = {name: getattr(version, name) for name in version.__slots__}
    connection.execute(insert(price_lists).values(row | {"content": content}))


def versions(connection: Connection, institution: InstitutionCode) -> Sequence[PriceListVersion]:
    """All lists, the oldest first."""
    columns = [price_lists.c[name] for name in PriceListVersion.__slots__]
    query = (
        select(*columns)
        .where(price_lists.c.institution == institution)
        .order_by(price_lists.c.valid_from)
    )
    return [_version(row) for row in connection.execute(query)]


def content_on(
    connection: Connection, institution: InstitutionCode, day: date
) -> tuple[date, str] | None:
    """First day and text of the list that holds on ``day``."""
    query = (
        select(price_lists.c.valid_from, price_lists.c.content)
        .where(price_lists.c.institution == institution, price_lists.c.valid_from <= day)
        .order_by(price_lists.c.valid_from.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.valid_from, row.content)


def _version(row: Row[Any]) -> PriceListVersion:
    return PriceListVersion(
        institution=InstitutionCode(row.institution),
        valid_from=row.valid_from,
        imported_at=row.imported_at,
        imported_by=None if row.imported_by is None else StaffId(row.imported_by),
        digest=row.digest,
        item_count=row.item_count,
    )
