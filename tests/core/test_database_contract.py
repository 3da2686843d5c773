"""What every engine must keep; each test runs on SQLite and on PostgreSQL."""

import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from shualian.core.database import (
    Database,
    UtcTime,
    WorkInTransactionError,
    forbid_in_transaction,
)
from shualian.core.database.opening import connect_database
from shualian.core.refusals import Refused

metadata = MetaData()
counter = Table(
    "counter",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
owner = Table("owner", metadata, Column("id", Integer, primary_key=True))
thing = Table(
    "thing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner_id", ForeignKey("owner.id"), nullable=False),
)
late_thing = Table(
    "late_thing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "owner_id", ForeignKey("owner.id", deferrable=True, initially="DEFERRED"), nullable=False
    ),
)
moment = Table("moment", metadata, Column("id", Integer, primary_key=True), Column("at", UtcTime()))


@pytest.fixture
def database(any_database: Database) -> Database:
    any_database.create_tables(metadata)
    return any_database


def add(name: str, value: int = 0) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(insert(counter).values(name=name, value=value))

    return work


def value_of(name: str) -> Callable[[Connection], int | None]:
    return lambda connection: connection.execute(
        select(counter.c.value).where(counter.c.name == name)
    ).scalar()


def names(connection: Connection) -> set[str]:
    return set(connection.execute(select(counter.c.name)).scalars())


def increment(name: str) -> Callable[[Connection], None]:
    """Reads, decides in Python, writes: loses updates unless transactions are serial."""

    def work(connection: Connection) -> None:
        value = connection.execute(
            select(counter.c.value).where(counter.c.name == name)
        ).scalar_one()
        connection.execute(update(counter).where(counter.c.name == name).values(value=value + 1))

    return work


def in_another_thread(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as other:
        other.submit(work).result()


def test_what_was_written_is_read_and_the_result_of_work_is_given(database: Database) -> None:
    def work(connection: Connection) -> str:
        add("a", 2**62)(connection)
        return f"read its own write: {value_of('a')(connection)}"

    assert database.write(work) == f"read its own write: {2**62}"
    assert database.read(value_of("a")) == 2**62


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_whatever_work_raises_undoes_it_reaches_its_caller_and_stops_nobody_else(
    database: Database, failure: type[BaseException]
) -> None:
    def work(connection: Connection) -> None:
        add("a")(connection)
        raise failure("by work")

    with pytest.raises(failure, match="by work"):
        database.write(work)
    database.write(add("b"))
    assert database.read(names) == {"b"}


def test_of_many_writes_at_once_the_failing_ones_undo_only_themselves(database: Database) -> None:
    def work(number: int) -> bool:
        def one(connection: Connection) -> None:
            add(f"n{number}")(connection)
            if number % 3 == 0:
                raise LookupError

        try:
            database.write(one)
        except LookupError:
            return False
        return True

    with ThreadPoolExecutor(8) as callers:
        kept = {f"n{number}" for number, ok in enumerate(callers.map(work, range(60))) if ok}
    assert kept == {f"n{number}" for number in range(60) if number % 3}
    assert database.read(names) == kept


def test_parallel_increments_lose_nothing(database: Database) -> None:
    for name in ("a", "b"):
        database.write(add(name))
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda i: database.write(increment("ab"[i % 2])), range(120)))
    assert database.read(value_of("a")) == 60
    assert database.read(value_of("b")) == 60


def test_two_decisions_on_the_same_rows_cannot_both_be_taken(database: Database) -> None:
    """Write skew: each sees no row of the other and adds its own."""

    def only_one(name: str) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            if connection.execute(select(func.count()).select_from(counter)).scalar_one() == 0:
                add(name)(connection)

        return work

    start = threading.Barrier(4)

    def caller(number: int) -> None:
        start.wait()
        database.write(only_one(f"n{number}"))

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(caller, range(4)))
    assert len(database.read(names)) == 1


def test_a_reader_sees_one_moment_however_long_it_looks(database: Database) -> None:
    database.write(add("before"))

    def look_twice(connection: Connection) -> tuple[set[str], set[str]]:
        first = names(connection)
        in_another_thread(lambda: database.write(add("meanwhile")))
        return first, names(connection)

    assert database.read(look_twice) == ({"before"}, {"before"})
    assert database.read(names) == {"before", "meanwhile"}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO counter (name, value) VALUES ('x', 1)",
        "DELETE FROM counter",
        "DROP TABLE counter",
        "CREATE TABLE other (id INTEGER)",
    ],
)
def test_a_reader_cannot_write(database: Database, statement: str) -> None:
    database.write(add("a"))
    with pytest.raises(DBAPIError):
        database.read(lambda connection: connection.exec_driver_sql(statement))
    assert database.read(names) == {"a"}
    database.write(add("b"))


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_work_cannot_end_its_own_transaction(database: Database, ending: str) -> None:
    def work(connection: Connection) -> None:
        add("a")(connection)
        getattr(connection, ending)()

    with pytest.raises(WorkInTransactionError):
        database.write(work)
    assert database.read(names) == set()


def test_an_expected_failure_in_a_savepoint_leaves_the_rest(database: Database) -> None:
    database.write(add("a", 1))

    def work(connection: Connection) -> None:
        add("b")(connection)
        with pytest.raises(IntegrityError), connection.begin_nested():
            add("a", 2)(connection)
        add("c")(connection)

    database.write(work)
    assert database.read(names) == {"a", "b", "c"}


def test_slow_work_inside_a_transaction_fails_it(database: Database) -> None:
    def work(connection: Connection) -> None:
        add("a")(connection)
        forbid_in_transaction("a call over the network")

    with pytest.raises(WorkInTransactionError, match="a call over the network"):
        database.write(work)
    with pytest.raises(WorkInTransactionError):
        database.read(lambda _: forbid_in_transaction("a file"))
    assert database.read(names) == set()
    forbid_in_transaction("outside is allowed")


def test_slow_work_fails_the_transaction_even_when_the_exception_is_swallowed(
    database: Database,
) -> None:
    def work(connection: Connection) -> None:
        add("a")(connection)
        with pytest.raises(WorkInTransactionError):
            forbid_in_transaction("an inference")

    with pytest.raises(WorkInTransactionError, match="an inference"):
        database.write(work)
    assert database.read(names) == set()


@pytest.mark.parametrize("inner", ["read", "write", "change_schema"])
@pytest.mark.parametrize("outer", ["read", "write"])
def test_a_transaction_inside_another_is_refused(
    database: Database, outer: str, inner: str
) -> None:
    with pytest.raises(WorkInTransactionError):
        getattr(database, outer)(lambda _: getattr(database, inner)(names))


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError):
        database.write(lambda connection: connection.execute(insert(thing).values(owner_id=7)))


def test_a_constraint_checked_at_the_commit_fails_only_the_one_who_broke_it(
    database: Database,
) -> None:
    database.write(lambda connection: connection.execute(insert(owner).values(id=1)))

    def one(number: int) -> bool:
        try:
            database.write(
                lambda connection: connection.execute(
                    insert(late_thing).values(id=number, owner_id=number % 2)
                )
            )
        except IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(one, range(1, 33))) == [n % 2 == 1 for n in range(1, 33)]
    kept = database.read(lambda c: set(c.execute(select(late_thing.c.id)).scalars()))
    assert kept == set(range(1, 33, 2))


def told_by(failure: BaseException) -> str:
    return "".join(traceback.format_exception(failure)) + repr(failure)


def test_a_failing_statement_says_nothing_of_the_values(database: Database) -> None:
    number = "110101198001010010"
    database.write(add(number))
    with pytest.raises(IntegrityError) as failure:
        database.write(add(number, 5))
    assert number not in told_by(failure.value)


def test_moments_are_kept_in_utc(database: Database) -> None:
    at = datetime(2025, 3, 1, 0, 30, 15, 123456, tzinfo=timezone(timedelta(hours=8)))
    database.write(
        lambda c: c.execute(insert(moment), [{"id": 1, "at": at}, {"id": 2, "at": None}])
    )
    found = database.read(lambda c: c.execute(select(moment.c.at).order_by(moment.c.id)).all())
    assert [row.at for row in found] == [at, None]
    assert found[0].at.tzinfo is UTC
    later = at.astimezone(UTC) + timedelta(microseconds=1)
    assert database.read(
        lambda c: c.execute(select(moment.c.id).where(moment.c.at < later)).scalars().all()
    ) == [1]


def test_a_moment_without_a_zone_is_not_stored(database: Database) -> None:
    naive = datetime(2025, 3, 1)  # noqa: DTZ001
    with pytest.raises(StatementError, match="time zone"):
        database.write(lambda c: c.execute(insert(moment).values(id=1, at=naive)))


def test_creating_tables_again_changes_nothing(database: Database) -> None:
    database.write(add("a"))
    database.create_tables(metadata)
    assert database.read(names) == {"a"}


def test_a_change_of_the_schema_is_all_or_nothing(database: Database) -> None:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE half (id INTEGER)")
        raise LookupError

    with pytest.raises(LookupError):
        database.change_schema(work)
    with pytest.raises(DBAPIError):
        database.read(lambda c: c.exec_driver_sql("SELECT * FROM half"))
    with pytest.raises(IntegrityError):
        database.write(lambda connection: connection.execute(insert(thing).values(owner_id=7)))


def test_after_closing_calls_are_refused_and_closing_again_is_allowed(database: Database) -> None:
    database.close()
    database.close()
    for call in (database.read, database.write, database.change_schema):
        with pytest.raises(Refused) as refused:
            call(names)
        assert refused.value.kind.code == "core.database_closed"


@pytest.mark.parametrize("kind", ["read", "write"])
def test_closing_waits_for_what_was_begun(database: Database, kind: str) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> str:
        begun.set()
        go_on.wait()
        return f"saw {len(names(connection))}"

    with ThreadPoolExecutor(2) as others:
        result = others.submit(getattr(database, kind), slow)
        begun.wait()
        closed = others.submit(database.close)
        assert not closed.done()
        go_on.set()
        assert result.result() == "saw 0"
        closed.result()


_WRITER = """
import itertools, sys
from sqlalchemy import text
from shualian.core.database.opening import connect_database
database = connect_database(sys.stdin.readline().strip())
for number in itertools.count():
    database.write(lambda c: c.execute(
        text("INSERT INTO counter (name, value) VALUES (:name, 0)"), {"name": f"n{number}"}))
    print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_that_was_acknowledged(any_url: str) -> None:
    database = connect_database(any_url)
    database.create_tables(metadata)
    database.close()
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin
        assert writer.stdout
        writer.stdin.write(any_url + "\n")
        writer.stdin.flush()
        while int(writer.stdout.readline()) < 40:
            pass
        writer.kill()
        acknowledged = 41 + len(writer.stdout.readlines())
    database = connect_database(any_url)
    kept = database.read(names)
    database.close()
    assert kept >= {f"n{number}" for number in range(acknowledged)}
    assert len(kept) - acknowledged in {0, 1}
