"""Statements written by hand, many in one round trip: for the few paths where every µs counts.

One text serves both engines: ``?`` stands for a value, and what both read is enough (SQL of
SQLite 3.24 and of PostgreSQL). SQLite runs them one by one on the writer's own connection, where
the driver keeps them prepared. PostgreSQL gets questions as one pipeline and commands as one
statement, whose parts all see the state before it and whose foreign keys are checked at its end.

:func:`own_locks` belongs to it: a transaction that guards what it reads by row locks does not need
PostgreSQL's SERIALIZABLE, whose predicate locks are as coarse as a page of an index and break off
transactions that have nothing to do with each other.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shualian.core.database.protocol import WorkInTransactionError, current_transaction

Value: TypeAlias = str | int | bytes | datetime | None
Row: TypeAlias = tuple[Any, ...]

_POSTGRES = "postgresql"
_UNIQUE_VIOLATION = "23505"
_CONFLICTS = frozenset(("40001", "40P01"))  # serialization_failure, deadlock_detected
_LOCK = " FOR NO KEY UPDATE"
_COUNT = "(SELECT count(*) FROM ?)"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with ``?`` for values; no other question mark or percent sign stands in it.

    Attributes:
        text: As SQLite reads it.
        locks: A question that locks the rows it finds until the transaction ends, against others
            that lock them so. SQLite has one writer and needs no lock.
    """

    text: str
    locks: bool = False

    @property
    def postgres(self) -> str:
        """As PostgreSQL's driver reads it."""
        return _postgres(self)


class Filled(NamedTuple):
    """A statement with its values."""

    statement: Statement
    values: Sequence[Value]


@lru_cache(maxsize=512)
def _postgres(statement: Statement) -> str:
    text = statement.text.replace("?", "%s")
    return text + _LOCK if statement.locks else text


@lru_cache(maxsize=512)
def insert_rows(table: str, columns: tuple[str, ...], rows: int, *, then: str = "") -> Statement:
    """An insertion of so many rows; ``then`` is what follows, such as ``ON CONFLICT ...``."""
    row = f"({', '.join('?' * len(columns))})"
    values = ", ".join([row] * rows)
    text = " ".join(("INSERT INTO", table, f"({', '.join(columns)})", "VALUES", values, then))
    return Statement(text.strip())


def own_locks(connection: Connection) -> None:
    """Let this transaction guard what it reads by locks of its own; the first thing that it does.

    On PostgreSQL each of its statements then sees what is committed when the statement begins
    (READ COMMITTED). The work must lock, before it reads, the rows that everybody who changes what
    it reads locks too.

    Raises:
        WorkInTransactionError: When a statement was run before.
    """
    if connection.dialect.name != _POSTGRES:
        return
    driver = _driver(connection)
    if driver.info.transaction_status is not TransactionStatus.IDLE:
        raise WorkInTransactionError("own locks after the first statement")
    driver.isolation_level = psycopg.IsolationLevel.READ_COMMITTED


def ask(connection: Connection, questions: Sequence[Filled]) -> list[list[Row]]:
    """The rows that each question finds, asked in this order."""
    if connection.dialect.name != _POSTGRES:
        execute = _driver(connection).execute
        return [execute(each.text, _for_sqlite(values)).fetchall() for each, values in questions]
    driver = _driver(connection)
    try:
        with driver.pipeline():
            cursors = [
                driver.cursor().execute(_postgres(each), _for_postgres(values), prepare=True)
                for each, values in questions
            ]
        return [cursor.fetchall() for cursor in cursors]
    except psycopg.Error as failure:
        raise _told(failure, driver) from None


def tell(connection: Connection, commands: Sequence[Filled]) -> list[int]:
    """Run commands that do not look at each other's rows; how many rows each changed."""
    if connection.dialect.name != _POSTGRES:
        execute = _driver(connection).execute
        try:
            return [execute(each.text, _for_sqlite(values)).rowcount for each, values in commands]
        except sqlite3.IntegrityError as failure:
            raise IntegrityError("", None, failure) from None
    driver = _driver(connection)
    together = _together(tuple([each for each, _ in commands]))
    values = [value for _, those in commands for value in _for_postgres(those)]
    try:
        row = driver.execute(together, values, prepare=True).fetchone()
    except psycopg.Error as failure:
        raise _told(failure, driver) from None
    return list(row or ())


@lru_cache(maxsize=512)
def _together(commands: tuple[Statement, ...]) -> str:
    parts = [f"c{place} AS ({_postgres(each)} RETURNING 1)" for place, each in enumerate(commands)]
    counts = [_COUNT.replace("?", f"c{place}") for place in range(len(commands))]
    return " ".join(("WITH", ", ".join(parts), "SELECT", ", ".join(counts)))


def moment(value: str | datetime) -> datetime:
    """A moment as a question found it, UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def _for_sqlite(values: Sequence[Value]) -> list[Value]:
    return [
        f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}" if type(value) is datetime else value
        for value in values
    ]


def _for_postgres(values: Sequence[Value]) -> list[Value]:
    # The driver would choose a type by the size of a number, and prepare the text for each choice.
    return [Int8(value) if type(value) is int else value for value in values]


def _driver(connection: Connection) -> Any:
    return cast(Any, connection.connection.driver_connection)


def _told(failure: psycopg.Error, driver: "psycopg.Connection[Any]") -> Exception:
    """The failure as :class:`Database` knows it, without a word of the values."""
    state = failure.sqlstate or ""
    mark = current_transaction()
    if mark is not None and (driver.closed or state in _CONFLICTS):
        mark.conflict = True
    failure.args = (f"SQLSTATE {state} {failure.diag.constraint_name or ''}".strip(),)
    return IntegrityError("", None, failure) if state == _UNIQUE_VIOLATION else failure
