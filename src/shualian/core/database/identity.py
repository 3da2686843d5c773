"""What a database is for, written into it when it is made."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
)

from shualian.core.database.refusals import (
    DATABASE_FOREIGN,
    DATABASE_MODE_DIFFERS,
    DATABASE_SIDE_DIFFERS,
)
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused

metadata = MetaData()

database_identity = Table(
    "database_identity",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("side", String(20), nullable=False),
    Column("mode", String(20), nullable=False),
    CheckConstraint("id = 1", name="ck_database_identity_one_row"),
)
"""One row; triggers of revision 0001 refuse to change or delete it."""


def is_new(connection: Connection, *, side: Side, mode: Mode) -> bool:
    """Whether the database is still empty; one with content must be of this side and mode.

    Raises:
        Refused: ``core.database_foreign``, ``core.database_side_differs`` or
            ``core.database_mode_differs``.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return True
    if database_identity.name not in tables:
        raise Refused(DATABASE_FOREIGN)
    found = connection.execute(
        select(database_identity.c.side, database_identity.c.mode)
    ).one_or_none()
    if found is None:
        raise Refused(DATABASE_FOREIGN)
    if found.side != side:
        raise Refused(DATABASE_SIDE_DIFFERS, found=found.side, expected=side.value)
    if found.mode != mode:
        raise Refused(DATABASE_MODE_DIFFERS, found=found.mode, expected=mode.value)
    return False


def write_identity(connection: Connection, *, side: Side, mode: Mode) -> None:
    """Write side and mode into a new database, once and for all."""
    connection.execute(insert(database_identity).values(id=1, side=side.value, mode=mode.value))
