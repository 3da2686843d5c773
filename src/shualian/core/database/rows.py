"""Rows of declared tables, found and written by their columns without building a query each time.

For stores that every step of a long course reads and writes again: SQLAlchemy takes some ten times
as long to build a plain query and to look its text up as the engine takes to answer it. What is
not ``column = value`` and an order stays a query of SQLAlchemy; both may be mixed in a
transaction.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Date,
    Integer,
    LargeBinary,
    String,
    Table,
)

from shualian.core.database.columns import UtcTime
from shualian.core.database.statements import Filled, Row, Statement, Value, ask, moment, run

Reader = Callable[[Any], Any]


class Sought(NamedTuple):
    """Rows that are looked for; :func:`find` tells how."""

    table: Table
    question: Filled


def sought(table: Table, *order_by: str, **equal: object) -> Sought:
    """The rows whose columns ``equal`` these values, ordered by these columns."""
    statement = _question(table, tuple(equal), order_by)
    return Sought(table, Filled(statement, _values(equal.values())))


def find(connection: Connection, *looked_for: Sought) -> list[list[Any]]:
    """For each question, in one round trip: its rows, which name their columns as attributes."""
    answers = ask(connection, [each.question for each in looked_for])
    return [_shaped(each.table, rows) for each, rows in zip(looked_for, answers, strict=True)]


def new_row(table: Table, values: Mapping[str, object]) -> Filled:
    """Inserts a row; columns that are not named stay empty."""
    return Filled(_insertion(table, tuple(values)), _values(values.values()))


def changed_rows(table: Table, values: Mapping[str, object], **equal: object) -> Filled:
    """Changes the rows whose columns ``equal`` these values."""
    statement = _change(table, tuple(values), tuple(equal))
    return Filled(statement, _values([*values.values(), *equal.values()]))


def write(connection: Connection, commands: Sequence[Filled]) -> None:
    """Run :func:`new_row` and :func:`changed_rows` in this order, in one round trip."""
    run(connection, commands)


@lru_cache(maxsize=512)
def _question(table: Table, equal: tuple[str, ...], order_by: tuple[str, ...]) -> Statement:
    names = ", ".join(_named(table, [column.name for column in table.c]))
    order = f" ORDER BY {', '.join(_named(table, order_by))}" if order_by else ""
    return Statement(" ".join(("SELECT", names, "FROM", table.name, _where(table, equal))) + order)


@lru_cache(maxsize=512)
def _insertion(table: Table, columns: tuple[str, ...]) -> Statement:
    places = ", ".join("?" * len(columns))
    names = ", ".join(_named(table, columns))
    return Statement(" ".join(("INSERT INTO", table.name, f"({names}) VALUES ({places})")))


@lru_cache(maxsize=512)
def _change(table: Table, columns: tuple[str, ...], equal: tuple[str, ...]) -> Statement:
    settings = ", ".join([f"{name} = ?" for name in _named(table, columns)])
    return Statement(" ".join(("UPDATE", table.name, "SET", settings, _where(table, equal))))


def _where(table: Table, equal: Sequence[str]) -> str:
    return "WHERE " + " AND ".join([f"{name} = ?" for name in _named(table, equal)])


def _named(table: Table, columns: Sequence[str]) -> list[str]:
    """The columns in quotes, so that a name may be a word of SQL; only of the table's own."""
    return [f'"{table.c[name].name}"' for name in columns]


def _values(values: "Sequence[object] | Any") -> tuple[Value, ...]:
    return tuple([_value(value) for value in values])


def _value(value: Any) -> Any:
    # A moment is a date too, and goes out as it is.
    return value.isoformat() if type(value) is date else value


def _shaped(table: Table, rows: Sequence[Row]) -> list[Any]:
    make, readers = _shape(table)
    if not readers:
        return [make(*row) for row in rows]
    return [make(*_read(row, readers)) for row in rows]


def _read(row: Row, readers: Sequence[tuple[int, Reader]]) -> list[Any]:
    values = list(row)
    for place, reader in readers:
        if values[place] is not None:
            values[place] = reader(values[place])
    return values


@lru_cache(maxsize=512)
def _shape(table: Table) -> tuple[Callable[..., Any], tuple[tuple[int, Reader], ...]]:
    make = namedtuple(table.name, [column.name for column in table.c])  # type: ignore[misc]
    readers = [(place, _reader(column.type)) for place, column in enumerate(table.c)]
    return make, tuple([(place, reader) for place, reader in readers if reader is not None])


def _reader(kind: object) -> Reader | None:
    """What a column's value must become; none where the engines give it as it is."""
    if isinstance(kind, UtcTime):
        return moment
    if isinstance(kind, Boolean):
        return bool
    if isinstance(kind, Date):
        return _date
    if isinstance(kind, String | Integer | BigInteger | LargeBinary):
        return None
    raise TypeError(f"a column of another type: {type(kind).__name__}")


def _date(value: str | date) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value
