"""Opening a database: the right engine, the right side and mode, the newest tables."""

import threading
from pathlib import Path

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from shualian.core.database.identity import is_new, write_identity
from shualian.core.database.postgres import DRIVER, PostgresDatabase
from shualian.core.database.protocol import Database
from shualian.core.database.refusals import DATABASE_NEWER, DATABASE_URL_INVALID
from shualian.core.database.sqlite import SqliteDatabase
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused

MIGRATIONS = Path(__file__).parents[2] / "migrations"
"""Holds a script folder per side."""

# Alembic hands its context to the scripts through global names.
_alembic = threading.Lock()


def open_database(url: str, *, side: Side, mode: Mode) -> Database:
    """Open a database and bring its tables up to this version; an empty one is made ready.

    Side and mode are written into an empty database and cannot be changed afterwards. All of it
    is one transaction: a database is ready or as it was.

    Args:
        url: ``sqlite:///path`` or ``postgresql+psycopg://user:password@host/name``.
        side: Whose tables it has.
        mode: Sandbox or production.

    Raises:
        Refused: ``core.database_url_invalid``, ``core.database_in_use``,
            ``core.database_unavailable``, ``core.database_foreign``,
            ``core.database_side_differs``, ``core.database_mode_differs`` or
            ``core.database_newer``; the database is unchanged.
    """
    database = connect_database(url)
    try:
        database.change_schema(lambda connection: _prepare(connection, side, mode))
    except BaseException:
        database.close()
        raise
    return database


def upgrade(connection: Connection, scripts: Path) -> None:
    """Run the revisions of a script folder that the database lacks, in the open transaction.

    Raises:
        Refused: ``core.database_newer`` if the database has a revision that the folder lacks.
    """
    config = alembic.config.Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise Refused(DATABASE_NEWER, revision=min(unknown))
    config.attributes["connection"] = connection
    with _alembic:
        alembic.command.upgrade(config, "head")


def connect_database(url: str) -> Database:
    """Reach a database of either engine as it is, without a look at its side, mode or tables.

    Raises:
        Refused: ``core.database_url_invalid``, ``core.database_in_use`` or
            ``core.database_unavailable``.
    """
    try:
        driver = make_url(url).drivername
    except ArgumentError:
        raise Refused(DATABASE_URL_INVALID) from None
    if driver == "sqlite":
        return SqliteDatabase(url)
    if driver == DRIVER:
        return PostgresDatabase(url)
    raise Refused(DATABASE_URL_INVALID, found=driver)


def _prepare(connection: Connection, side: Side, mode: Mode) -> None:
    new = is_new(connection, side=side, mode=mode)
    upgrade(connection, MIGRATIONS / side.value)
    if new:
        write_identity(connection, side=side, mode=mode)
