"""Rows of declared tables are found and written alike on both engines, and as the mapper does."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    insert,
    select,
)

from shualian.core.database import Database, UtcTime
from shualian.core.database.rows import changed_rows, find, new_row, sought, write

metadata = MetaData()
note = Table(
    "note",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Words of SQL, as columns of ours are sometimes called.
    Column("before", BigInteger, nullable=False),
    Column("order", String(10), nullable=False),
    Column("text", Text),
    Column("open", Boolean, nullable=False),
    Column("day", Date, nullable=False),
    Column("at", UtcTime),
    Column("content", LargeBinary),
)
odd = Table("odd", MetaData(), Column("share", Numeric(5, 4)))
AT = datetime(2026, 5, 4, 10, 0, 0, 5, tzinfo=timezone(timedelta(hours=8)))
WHOLE: dict[str, Any] = {
    "number": 1,
    "before": 2**40,
    "order": "b",
    "text": "示例 ?$1",
    "open": True,
    "day": date(2026, 5, 4),
    "at": AT,
    "content": b"\x00\xff",
}
BARE: dict[str, Any] = {
    "number": 2,
    "before": -1,
    "order": "a",
    "text": None,
    "open": False,
    "day": date(2026, 5, 5),
    "at": None,
    "content": None,
}


@pytest.fixture
def notes(any_database: Database) -> Database:
    any_database.create_tables(metadata)
    return any_database


def found(notes: Database, *order_by: str, **equal: object) -> list[dict[str, object]]:
    (rows,) = notes.read(lambda each: find(each, sought(note, *order_by, **equal)))
    return [row._asdict() for row in rows]


def test_a_row_is_found_as_it_was_written_with_every_kind_of_column(notes: Database) -> None:
    notes.write(lambda each: write(each, [new_row(note, WHOLE), new_row(note, BARE)]))

    assert found(notes, number=1) == [{**WHOLE, "at": AT.astimezone(UTC)}]
    assert found(notes, number=2) == [BARE]
    assert found(notes, number=3) == []


def test_the_mapper_and_rows_by_hand_find_what_the_other_wrote(notes: Database) -> None:
    notes.write(lambda each: write(each, [new_row(note, WHOLE)]))
    notes.write(lambda each: each.execute(insert(note).values(BARE)))

    mapped = notes.read(lambda each: each.execute(select(note).order_by(note.c.number)).all())

    assert [dict(row._mapping) for row in mapped] == [*found(notes, number=1), BARE]
    assert found(notes, open=False, day=date(2026, 5, 5)) == [BARE]


def test_rows_come_in_the_order_that_was_asked_for(notes: Database) -> None:
    third = {**BARE, "number": 3, "order": "c"}
    rows = [{**each, "open": True} for each in (third, WHOLE, BARE)]
    notes.write(lambda each: write(each, [new_row(note, row) for row in rows]))

    assert [row["order"] for row in found(notes, "order", open=True)] == ["a", "b", "c"]


def test_a_change_meets_the_rows_that_equal_and_sees_those_written_before_it(
    notes: Database,
) -> None:
    commands = [
        new_row(note, WHOLE),
        new_row(note, BARE),
        changed_rows(note, {"text": "new", "at": None}, number=1, order="b"),
    ]
    notes.write(lambda each: write(each, commands))

    assert [(row["text"], row["at"]) for row in found(notes, number=1)] == [("new", None)]
    assert found(notes, number=2) == [BARE]


def test_a_column_that_the_table_does_not_have_never_gets_into_a_statement() -> None:
    with pytest.raises(KeyError):
        sought(note, name="x")
    with pytest.raises(KeyError):
        new_row(note, {"name; DROP TABLE note": 1})


def test_a_table_with_a_type_that_engines_give_differently_is_refused(notes: Database) -> None:
    notes.create_tables(odd.metadata)

    with pytest.raises(TypeError, match="another type"):
        notes.read(lambda each: find(each, sought(odd, share=1)))
