"""Statements by hand mean the same on both engines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from psycopg import DataError
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError

from shualian.core.database import (
    Database,
    PostgresDatabase,
    UtcTime,
    WorkInTransactionError,
)
from shualian.core.database.statements import (
    Filled,
    Statement,
    ask,
    insert_rows,
    moment,
    own_locks,
    run,
    tell,
    tell_together,
)

metadata = MetaData()
thing = Table(
    "thing",
    metadata,
    Column("name", String(10), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("at", UtcTime),
    Column("content", LargeBinary),
)
COLUMNS = ("name", "amount", "at", "content")
ALL = Statement("SELECT name, amount, at, content FROM thing WHERE amount > ? ORDER BY name")
ONE = Statement("SELECT amount FROM thing WHERE name = ?", locks=True)
ADD = Statement("UPDATE thing SET amount = amount + ? WHERE name = ?")
SET = Statement("UPDATE thing SET amount = ? WHERE name = ?")
NOW = datetime(2026, 5, 4, 2, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def things(any_database: Database) -> Database:
    any_database.create_tables(metadata)
    return any_database


def put(connection: Connection, *rows: tuple[str, int]) -> list[int]:
    values = [value for name, amount in rows for value in (name, amount, NOW, b"\x00x")]
    return tell(connection, [Filled(insert_rows("thing", COLUMNS, len(rows)), values)])


def test_what_is_told_is_found_by_questions_and_by_the_mapper(things: Database) -> None:
    assert things.write(lambda c: put(c, ("a", 1), ("b", 2**40), ("c", -3))) == [3]

    found, nothing = things.read(lambda c: ask(c, [Filled(ALL, (0,)), Filled(ALL, (2**50,))]))

    assert [tuple(row[:2]) for row in found] == [("a", 1), ("b", 2**40)]
    assert [moment(row[2]) for row in found] == [NOW, NOW]
    assert [bytes(row[3]) for row in found] == [b"\x00x", b"\x00x"]
    assert nothing == []
    assert [row.at for row in things.read(lambda c: c.execute(thing.select()).all())] == [NOW] * 3


def test_a_moment_of_another_zone_is_the_same_moment(things: Database) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=8)))
    row = Filled(insert_rows("thing", COLUMNS, 1), ("z", 1, there, None))

    things.write(lambda c: tell(c, [row]))

    ((found,),) = things.read(lambda c: ask(c, [Filled(ALL, (0,))]))
    assert moment(found[2]) == NOW
    assert found[3] is None


def test_each_command_says_how_many_rows_it_changed(things: Database) -> None:
    things.write(lambda c: put(c, ("a", 1)))
    two = Filled(insert_rows("thing", COLUMNS, 2), ("b", 1, None, None, "c", 1, None, None))

    changed = things.write(lambda c: tell(c, [two, Filled(ADD, (5, "a")), Filled(ADD, (5, "-"))]))

    assert changed == [2, 1, 0]


def test_a_taken_key_is_an_integrity_error_and_undoes_all(things: Database) -> None:
    things.write(lambda c: put(c, ("a", 1)))

    with pytest.raises(IntegrityError) as failure:
        things.write(lambda c: (put(c, ("b", 1)), put(c, ("a", 77))))

    assert "77" not in str(failure.value.orig)
    (found,) = things.read(lambda c: ask(c, [Filled(ALL, (0,))]))
    assert [row[0] for row in found] == ["a"]


def test_what_a_lock_guards_is_read_as_it_is_after_the_wait(things: Database) -> None:
    things.write(lambda c: put(c, ("a", 0)))

    def grow(connection: Connection) -> None:
        own_locks(connection)
        _, rows = ask(connection, [Filled(ONE, ("a",)), Filled(ALL, (-1,))])
        tell(connection, [Filled(SET, (rows[0][1] + 1, "a"))])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: things.write(grow), range(80)))

    (found,) = things.read(lambda c: ask(c, [Filled(ALL, (-1,))]))
    assert found[0][1] == 80


def test_own_locks_come_before_everything_else(postgres_database: Database) -> None:
    postgres_database.create_tables(metadata)

    def late(connection: Connection) -> None:
        ask(connection, [Filled(ONE, ("a",))])
        own_locks(connection)

    with pytest.raises(WorkInTransactionError):
        postgres_database.write(late)


def test_commands_that_are_run_see_what_those_before_them_wrote(things: Database) -> None:
    one = [Filled(insert_rows("thing", COLUMNS, 1), ("a", 1, None, None))]
    things.write(lambda c: run(c, [*one, Filled(ADD, (5, "a")), Filled(ADD, (2, "a"))]))
    things.write(lambda c: run(c, []))

    assert things.write(lambda c: ask(c, [Filled(ONE, ("a",))])) == [[(8,)]]


def test_a_command_that_fails_among_others_leaves_nothing_of_them(things: Database) -> None:
    one = Filled(insert_rows("thing", COLUMNS, 1), ("a", 1, None, None))

    with pytest.raises(IntegrityError):
        things.write(lambda c: run(c, [one, one, Filled(ADD, (5, "a"))]))

    assert things.read(lambda c: ask(c, [Filled(ALL, (0,))])) == [[]]


def test_more_is_sent_and_answered_than_a_socket_holds(things: Database) -> None:
    """Who only sent would wait for a server that waits for its answers to be read."""
    content = b"x" * 100_000
    row = insert_rows("thing", COLUMNS, 1)
    told = [Filled(row, (str(number), number, None, content)) for number in range(60)]
    things.write(lambda c: run(c, told))

    answers = things.read(lambda c: ask(c, [Filled(ALL, (-1,))] * 3))

    assert [sum(len(each[3]) for each in rows) for rows in answers] == [6_000_000] * 3


def mapped_often(connection: Connection) -> None:
    """As often as makes the driver prepare the mapper's statement for itself."""
    for _ in range(7):
        connection.execute(select(func.count()).select_from(thing)).scalar_one()


def test_statements_go_on_after_what_makes_the_driver_deallocate_them(things: Database) -> None:
    def failing(connection: Connection) -> None:
        ask(connection, [Filled(ONE, ("a",))])
        mapped_often(connection)
        raise ZeroDivisionError

    def undone_in_part(connection: Connection) -> list[list[tuple[object, ...]]]:
        ask(connection, [Filled(ALL, (0,))])
        mapped_often(connection)
        nested = connection.begin_nested()
        put(connection, ("b", 2))
        nested.rollback()
        return ask(connection, [Filled(ALL, (0,)), Filled(ONE, ("a",))])

    things.write(lambda c: put(c, ("a", 1)))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            things.write(failing)
        all_rows, one = things.write(undone_in_part)
        assert ([row[:2] for row in all_rows], one) == ([("a", 1)], [(1,)])


def test_a_table_that_was_dropped_and_made_anew_is_asked_anew(things: Database) -> None:
    things.write(lambda c: put(c, ("a", 1)))
    things.write(mapped_often)

    things.change_schema(metadata.drop_all)
    things.change_schema(metadata.create_all)
    things.write(lambda c: put(c, ("b", 2)))

    assert [row[0] for row in things.read(lambda c: ask(c, [Filled(ALL, (0,))]))[0]] == ["b"]


def test_a_text_that_postgresql_cannot_hold_is_refused_and_never_cut(
    postgres_url: str,
) -> None:
    database = PostgresDatabase(postgres_url)
    database.create_tables(metadata)

    with pytest.raises(DataError):
        database.write(lambda c: put(c, ("a\0b", 1)))

    assert database.read(lambda c: ask(c, [Filled(ALL, (0,))])) == [[]]
    database.close()


def test_commands_of_several_go_together_and_are_counted_one_by_one(things: Database) -> None:
    def row(name: str) -> Filled:
        return Filled(insert_rows("thing", COLUMNS, 1), (name, 1, NOW, b"\0"))

    two = Filled(insert_rows("thing", COLUMNS, 2), ("x", 5, None, None, "y", 6, NOW, b"xy"))
    told = [row("a"), Filled(ADD, (10, "a")), row("b"), Filled(ADD, (20, "z")), two, row("c")]

    counts = things.write(lambda connection: tell_together(connection, told))

    assert counts == [1, 1, 1, 0, 2, 1]
    found = things.read(lambda connection: ask(connection, [Filled(ALL, (0,))]))[0]
    assert [(each[0], each[1], each[3]) for each in found] == [
        ("a", 11, b"\0"),
        ("b", 1, b"\0"),
        ("c", 1, b"\0"),
        ("x", 5, None),
        ("y", 6, b"xy"),
    ]


@pytest.mark.parametrize("number", [1, 2, 3, 7, 16, 37])
def test_any_number_of_rows_goes_together(things: Database, number: int) -> None:
    told = [
        Filled(insert_rows("thing", COLUMNS, 1), (f"{place:03}", place + 1, NOW, b""))
        for place in range(number)
    ]

    assert things.write(lambda connection: tell_together(connection, told)) == [1] * number

    found = things.read(lambda connection: ask(connection, [Filled(ALL, (0,))]))[0]
    assert [each[1] for each in found] == list(range(1, number + 1))


def test_of_several_that_go_together_all_or_none_are_written(things: Database) -> None:
    row = Filled(insert_rows("thing", COLUMNS, 1), ("a", 1, NOW, b""))

    with pytest.raises(IntegrityError):
        things.write(lambda connection: tell_together(connection, [row, row]))

    assert things.read(lambda connection: ask(connection, [Filled(ALL, (0,))])) == [[]]
