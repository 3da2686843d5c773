"""What PostgreSQL alone must keep: conflicts are repeated, lost connections are told apart."""

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from shualian.core.database import PostgresDatabase, WorkInTransactionError
from shualian.core.refusals import Refused

_END_THE_SESSION_AT_COMMIT = """
CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hang_up AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION hang_up();
"""
_FAIL_AT_COMMIT = """
CREATE FUNCTION run_out() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$;
CREATE CONSTRAINT TRIGGER run_out AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION run_out();
"""

NAME = "张建国"


def write_row(connection: Connection) -> None:
    connection.execute(text("INSERT INTO note (body) VALUES ('x')"))


def rows(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM note")).scalar_one())


def run(statement: str) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return work


@pytest.fixture
def database(postgres_database: PostgresDatabase) -> PostgresDatabase:
    postgres_database.change_schema(run("CREATE TABLE note (id SERIAL PRIMARY KEY, body TEXT)"))
    return postgres_database


def test_a_write_that_meets_another_is_repeated_and_sees_what_the_other_wrote(
    database: PostgresDatabase,
) -> None:
    both_have_looked = threading.Barrier(2)
    seen: list[int] = []

    def work(connection: Connection) -> None:
        seen.append(rows(connection))
        if len(seen) <= 2:
            both_have_looked.wait()
        write_row(connection)

    with ThreadPoolExecutor(2) as callers:
        for write in [callers.submit(database.write, work) for _ in range(2)]:
            write.result()
    assert seen[:2] == [0, 0]
    assert seen[-1] == 1
    assert database.read(rows) == 2


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_write_that_always_meets_another_is_refused_in_the_end(
    database: PostgresDatabase, state: str
) -> None:
    attempts = 0

    def work(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        write_row(connection)
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")

    with pytest.raises(Refused) as refused:
        database.write(work)
    assert refused.value.kind.code == "core.database_busy"
    assert refused.value.details["attempts"] == attempts == 12
    assert database.read(rows) == 0
    database.write(write_row)


def test_a_conflict_that_work_swallows_is_repeated_all_the_same(
    database: PostgresDatabase,
) -> None:
    attempts = 0

    def work(connection: Connection) -> str:
        nonlocal attempts
        attempts += 1
        write_row(connection)
        if attempts == 1:
            with pytest.raises(DBAPIError):
                connection.exec_driver_sql(
                    "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"
                )
            return "lost"
        return "kept"

    assert database.write(work) == "kept"
    assert database.read(rows) == 1


def test_a_swallowed_failure_cannot_pass_for_a_commit(database: PostgresDatabase) -> None:
    """The server answers COMMIT of a failed transaction with ROLLBACK and no error."""

    def work(connection: Connection) -> None:
        write_row(connection)
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql("SELECT 1/0")

    with pytest.raises(WorkInTransactionError, match="failed statement"):
        database.write(work)
    assert database.read(rows) == 0


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_connection_lost_before_the_commit_is_replaced(
    database: PostgresDatabase, kind: str
) -> None:
    attempts = 0

    def work(connection: Connection) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        return rows(connection)

    assert getattr(database, kind)(work) == 0
    assert attempts == 2


def test_a_connection_lost_while_committing_leaves_the_outcome_open(
    database: PostgresDatabase,
) -> None:
    database.change_schema(run(_END_THE_SESSION_AT_COMMIT))
    with pytest.raises(Refused) as refused:
        database.write(write_row)
    assert refused.value.kind.code == "core.write_unconfirmed"
    database.change_schema(run("DROP FUNCTION hang_up CASCADE"))
    database.write(write_row)


def test_a_commit_that_the_server_refuses_wrote_nothing(database: PostgresDatabase) -> None:
    database.change_schema(run(_FAIL_AT_COMMIT))
    with pytest.raises(Refused) as refused:
        database.write(write_row)
    assert refused.value.kind.code == "core.database_unavailable"
    assert refused.value.details == {"sqlstate": "53100"}
    assert database.read(rows) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT CAST(:value AS integer)",
        "SELECT CAST(:value AS date)",
        "INSERT INTO short (body) VALUES (:value)",
    ],
)
def test_a_value_of_the_wrong_kind_is_not_quoted(
    database: PostgresDatabase, statement: str
) -> None:
    database.change_schema(run("CREATE TABLE short (body VARCHAR(2))"))
    with pytest.raises(DBAPIError) as failure:
        database.write(lambda c: c.execute(text(statement), {"value": NAME}))
    told = "".join(traceback.format_exception(failure.value)) + repr(failure.value)
    assert NAME not in told
    assert "SQLSTATE 22" in told


def test_a_fault_of_the_program_is_told_in_full(database: PostgresDatabase) -> None:
    with pytest.raises(DBAPIError, match='relation "nowhere" does not exist'):
        database.read(run("SELECT * FROM nowhere"))


def test_moments_come_back_in_utc(database: PostgresDatabase) -> None:
    now = database.read(lambda c: c.execute(text("SELECT now()")).scalar_one())
    assert isinstance(now, datetime)
    assert now.utcoffset() == datetime.now(UTC).utcoffset()


@pytest.mark.parametrize(("part", "value"), [("password", "wrong-one"), ("database", "absent")])
def test_a_server_that_does_not_let_us_in_is_refused_without_a_word_of_the_password(
    postgres_url: str, part: str, value: str
) -> None:
    url = make_url(postgres_url)
    changed = url.set(password=value) if part == "password" else url.set(database=value)
    with pytest.raises(Refused) as refused:
        PostgresDatabase(changed.render_as_string(hide_password=False))
    assert refused.value.kind.code == "core.database_unavailable"
    told = "".join(traceback.format_exception(refused.value))
    assert "wrong-one" not in told
    assert str(url.password) not in told


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h/d",
        "postgresql+psycopg2://u:p@h/d",
        "postgresql+psycopg://u:p@h",
        "nonsense",
    ],
)
def test_only_the_driver_that_was_tested_is_used(url: str) -> None:
    with pytest.raises(Refused) as refused:
        PostgresDatabase(url)
    assert refused.value.kind.code == "core.database_url_invalid"
    assert "u:p" not in str(refused.value)


def test_a_key_that_another_inserted_meanwhile_is_found_by_running_again(
    database: PostgresDatabase,
) -> None:
    database.change_schema(run("CREATE TABLE taken (name TEXT PRIMARY KEY)"))
    runs: list[int] = []

    def insert_once(connection: Connection) -> int:
        runs.append(len(runs))
        found = connection.execute(text("SELECT count(*) FROM taken")).scalar_one()
        if len(runs) == 1:
            # Stands for a row that the look could not see.
            connection.execute(text("INSERT INTO taken VALUES ('a')"))
        if len(runs) == 1 or not found:
            connection.execute(text("INSERT INTO taken VALUES ('a')"))
        return len(runs)

    assert database.write(insert_once) == 2


def test_work_that_inserts_a_key_twice_fails_after_some_runs(database: PostgresDatabase) -> None:
    database.change_schema(run("CREATE TABLE taken (name TEXT PRIMARY KEY)"))
    runs: list[int] = []

    def insert_twice(connection: Connection) -> None:
        runs.append(len(runs))
        connection.execute(text("INSERT INTO taken VALUES ('a'), ('a')"))

    with pytest.raises(IntegrityError):
        database.write(insert_twice)
    assert 1 < len(runs) <= 5
