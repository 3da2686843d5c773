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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
    "tell_together",
)

_POSTGRES = "postgresql"
_UNIQUE_VIOLATION = "23505"
_CONFLICTS = frozenset(("40001", "40P01"))  # serialization_failure, deadlock_detected
_DEALLOCATED = "26000"  # invalid_sql_statement_name: prepared before, gone meanwhile
_LOCK = " FOR NO KEY UPDATE"
_ROWS_MAX = 16
_COUNT = "(SELECT count(*) FROM ?)"


class Insertion(NamedTuple):
    """Rows of a kind that one statement may insert many of."""

    table: str
    columns: tuple[str, ...]
    then: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with ``?`` for values; no other question mark or dollar sign stands in it.

    Attributes:
        text: As SQLite reads it.
        locks: A question that locks the rows it finds until the transaction ends, against others
            that lock them so. SQLite has one writer and needs no lock.
        waits: Whether it waits for rows that are locked already; else it leaves them out.
        inserts: What it inserts rows of, if that is all that it does.
    """

    text: str
    locks: bool = False
    waits: bool = True
    inserts: Insertion | None = field(default=None, compare=False)


class Filled(NamedTuple):
    """A statement with its values."""

    statement: Statement
    values: Sequence[Value]


@lru_cache(maxsize=512)
def _postgres(statement: Statement) -> str:
    lock = _LOCK if statement.waits else _LOCK + " SKIP LOCKED"
    return _numbered(statement.text + lock if statement.locks else statement.text)


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
    return Statement(text.strip(), inserts=Insertion(table, columns, then))


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
    mark = current_transaction()
    if mark is not None and mark.on_own_locks is not None:
        mark.on_own_locks()


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


def tell_together(connection: Connection, commands: Sequence[Filled]) -> list[int]:
    """Run the commands of several that have nothing to do with each other, in one round trip.

    Equal ones go together, in the order in which each is first met, and rows of one kind go out
    as few insertions; no two may insert or change the same row. How many rows each changed.
    """
    gathered: dict[Statement | Insertion, list[int]] = {}
    for place, (statement, _) in enumerate(commands):
        gathered.setdefault(statement.inserts or statement, []).append(place)
    sent: list[Filled] = []
    of: list[int] = []
    for kind, places in gathered.items():
        alike = [commands[place] for place in places]
        if isinstance(kind, Insertion):
            sent += _insertions(kind, alike)
        else:
            of += range(len(sent), len(sent) + len(alike))
            sent += alike
    changed = _changed_by(connection, sent)
    others = iter([changed[place] for place in of])
    return _by_place(commands, gathered, others)


def _by_place(
    commands: Sequence[Filled],
    gathered: dict[Statement | Insertion, list[int]],
    others: Iterator[int],
) -> list[int]:
    """An insertion inserts all of its rows or fails; what others changed was counted."""
    counts = [0] * len(commands)
    for kind, places in gathered.items():
        for place in places:
            if isinstance(kind, Insertion):
                counts[place] = len(commands[place].values) // len(kind.columns)
            else:
                counts[place] = next(others)
    return counts


def _insertions(kind: Insertion, commands: Sequence[Filled]) -> list[Filled]:
    """Their rows, in statements of 1, 2, 4 ... rows: so few texts that all are soon prepared."""
    values = [value for _, those in commands for value in those]
    width = len(kind.columns)
    rows, done = len(values) // width, 0
    made: list[Filled] = []
    while done < rows:
        here = min(_ROWS_MAX, 1 << (rows - done).bit_length() - 1)
        statement = insert_rows(kind.table, kind.columns, here, then=kind.then)
        made.append(Filled(statement, values[done * width : (done + here) * width]))
        done += here
    return made


def _changed_by(connection: Connection, commands: Sequence[Filled]) -> list[int]:
    if connection.dialect.name != _POSTGRES:
        return tell(connection, commands)
    answers = _exchange(connection, [(_postgres(each), values) for each, values in commands])
    return [rows[0][0] for rows in answers]


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
