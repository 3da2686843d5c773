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
from itertools import count
from typing import Any, NamedTuple, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shualian.core.database.pipeline import Row, Value, exchange, prepared_on
from shualian.core.database.protocol import WorkInTransactionError, current_transaction

__all__ = (
    "Filled",
    "Row",
    "Statement",
    "Value",
    "ask",
    "insert_rows",
    "moment",
    "own_locks",
    "run",
    "tell",
)

_POSTGRES = "postgresql"
_UNIQUE_VIOLATION = "23505"
_CONFLICTS = frozenset(("40001", "40P01"))  # serialization_failure, deadlock_detected
_DEALLOCATED = "26000"  # invalid_sql_statement_name: prepared before, gone meanwhile
_LOCK = " FOR NO KEY UPDATE"
_COUNT = "(SELECT count(*) FROM ?)"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with ``?`` for values; no other question mark or dollar sign stands in it.

    Attributes:
        text: As SQLite reads it.
        locks: A question that locks the rows it finds until the transaction ends, against others
            that lock them so. SQLite has one writer and needs no lock.
    """

    text: str
    locks: bool = False


class Filled(NamedTuple):
    """A statement with its values."""

    statement: Statement
    values: Sequence[Value]


@lru_cache(maxsize=512)
def _postgres(statement: Statement) -> str:
    return _numbered(statement.text + _LOCK if statement.locks else statement.text)


def _numbered(text: str) -> str:
    """``$1``, ``$2`` ... in the places of ``?``."""
    first, *others = text.split("?")
    return first + "".join([f"${number}{part}" for number, part in zip(count(1), others)])


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
    return _exchange(connection, [(_postgres(each), values) for each, values in questions])


def tell(connection: Connection, commands: Sequence[Filled]) -> list[int]:
    """Run commands that do not look at each other's rows; how many rows each changed."""
    if connection.dialect.name != _POSTGRES:
        execute = _driver(connection).execute
        try:
            return [execute(each.text, _for_sqlite(values)).rowcount for each, values in commands]
        except sqlite3.IntegrityError as failure:
            raise IntegrityError("", None, failure) from None
    together = _together(tuple([each for each, _ in commands]))
    values = [value for _, those in commands for value in those]
    ((row,),) = _exchange(connection, [(together, values)])
    return list(row)


def _exchange(
    connection: Connection, sent: Sequence[tuple[str, Sequence[Value]]]
) -> list[list[Row]]:
    driver = _driver(connection)
    prepared = prepared_on(connection)
    try:
        return exchange(driver, prepared, sent)
    except psycopg.Error as failure:
        prepared.doubtful = True
        raise _told(failure, driver) from None


def run(connection: Connection, commands: Sequence[Filled]) -> None:
    """Run commands one after another, each seeing the rows of those before, in one round trip."""
    if not commands:
        return
    if connection.dialect.name != _POSTGRES:
        tell(connection, commands)
        return
    _exchange(connection, [(_postgres(each), values) for each, values in commands])


@lru_cache(maxsize=512)
def _together(commands: tuple[Statement, ...]) -> str:
    parts = [f"c{place} AS ({each.text} RETURNING 1)" for place, each in enumerate(commands)]
    counts = [_COUNT.replace("?", f"c{place}") for place in range(len(commands))]
    return _numbered(" ".join(("WITH", ", ".join(parts), "SELECT", ", ".join(counts))))


def moment(value: str | datetime) -> datetime:
    """A moment as a question found it, UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def _for_sqlite(values: Sequence[Value]) -> Sequence[Value]:
    if datetime not in map(type, values):
        return values
    return [_sqlite_moment(value) if type(value) is datetime else value for value in values]


def _sqlite_moment(value: datetime) -> str:
    """As SQLAlchemy writes it, so that both find each other's rows."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _driver(connection: Connection) -> Any:
    return cast(Any, connection.connection.driver_connection)


def _told(failure: psycopg.Error, driver: "psycopg.Connection[Any]") -> Exception:
    """The failure as :class:`Database` knows it, without a word of the values."""
    state = failure.sqlstate or ""
    mark = current_transaction()
    if mark is not None and (driver.closed or state in {_DEALLOCATED, *_CONFLICTS}):
        mark.conflict = True
    failure.args = (f"SQLSTATE {state} {failure.diag.constraint_name or ''}".strip(),)
    return IntegrityError("", None, failure) if state == _UNIQUE_VIOLATION else failure
