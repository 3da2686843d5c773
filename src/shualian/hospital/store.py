"""Writing of all rooms: safe where two processes insert the same key at once."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shualian.core.database import Database

T = TypeVar("T")

_ATTEMPTS_MAX = 5


def write(database: Database, work: Callable[[Connection], T]) -> T:
    """``database.write(work)`` for work that looks before it inserts a unique key.

    Under SERIALIZABLE a key that another transaction inserted meanwhile may be reported as a
    unique violation instead of a serialization failure (PostgreSQL manual, 13.5: such work should
    be retried). Run again, the work finds what the other one inserted.

    Raises:
        Refused: As ``database.write``.
        IntegrityError: When it fails again and again: the work does not look first.
    """
    for _ in range(_ATTEMPTS_MAX - 1):
        try:
            return database.write(work)
        except IntegrityError:
            continue
    return database.write(work)
