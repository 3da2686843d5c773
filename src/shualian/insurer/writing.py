"""Writing where two callers may insert the same row at once."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shualian.core.database import Database

T = TypeVar("T")


def write_once(database: Database, work: Callable[[Connection], T]) -> T:
    """:meth:`Database.write`, run once more when a row was already there.

    ``work`` looks for the row before it inserts it. PostgreSQL may still report the row of a
    parallel transaction as a unique violation instead of a serialization failure, namely when
    the look was a sequential scan (manual, 13.2.3); the second run finds the row. A violation
    that is no race comes again and is raised.
    """
    try:
        return database.write(work)
    except IntegrityError:
        return database.write(work)
