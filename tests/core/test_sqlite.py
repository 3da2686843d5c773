"""What SQLite alone must keep: one process, full durability, a writer that outlives failures."""

import os
import queue
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, QueuePool, create_engine, text

from shualian.core.database import SqliteDatabase
from shualian.core.database.protocol import connected
from shualian.core.database.sqlite import commit
from shualian.core.refusals import Refused


def write_row(connection: Connection) -> None:
    connection.execute(text("INSERT INTO note (body) VALUES ('x')"))


def rows(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM note")).scalar_one())


@pytest.fixture
def database(sqlite_database: SqliteDatabase) -> SqliteDatabase:
    sqlite_database.change_schema(
        lambda c: c.exec_driver_sql("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)")
    )
    return sqlite_database


@contextmanager
def another_process(program: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
def test_writes_are_durable_and_checked(
    database: SqliteDatabase, pragma: str, value: str | int
) -> None:
    assert database.write(lambda c: c.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()) == value


def test_the_pragmas_stand_again_after_a_change_of_the_schema(database: SqliteDatabase) -> None:
    database.change_schema(lambda c: c.exec_driver_sql("CREATE TABLE other (id INTEGER)"))
    assert database.write(lambda c: c.exec_driver_sql("PRAGMA foreign_keys").scalar_one()) == 1


def test_the_lock_file_names_only_its_present_holder(tmp_path: Path) -> None:
    (tmp_path / "test.db.lock").write_text("123456789012345\n")
    database = SqliteDatabase(f"sqlite:///{tmp_path}/test.db")
    with pytest.raises(Refused) as refused:
        SqliteDatabase(f"sqlite:///{tmp_path}/test.db")
    assert refused.value.details["process"] == str(os.getpid())
    database.close()


_HOLD = """
import sys
from shualian.core.database import SqliteDatabase
SqliteDatabase(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_dead(sqlite_url: str) -> None:
    with another_process(_HOLD, sqlite_url) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(Refused) as refused:
            SqliteDatabase(sqlite_url)
        assert refused.value.kind.code == "core.database_in_use"
        assert refused.value.details["process"] == str(holder.pid)
        holder.kill()
        holder.wait()
        SqliteDatabase(sqlite_url).close()


def test_the_same_file_under_another_name_is_the_same_database(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "test.db")
    with pytest.raises(Refused, match="database_in_use"):
        SqliteDatabase(f"sqlite:///{tmp_path}/link.db")
    database.write(write_row)


def test_the_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    database = SqliteDatabase(f"sqlite:///{tmp_path}/new/test.db")
    database.change_schema(lambda c: c.exec_driver_sql("CREATE TABLE note (body TEXT)"))
    database.write(write_row)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()}
    database.close()
    assert modes == dict.fromkeys(("test.db", "test.db-wal", "test.db-shm", "test.db.lock"), 0o600)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "nonsense", "mysql://a/b"]
)
def test_only_a_path_to_a_file_is_opened(url: str) -> None:
    with pytest.raises(Refused, match="database_url_invalid"):
        SqliteDatabase(url)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, " * 100)
    for _ in range(2):
        with pytest.raises(Refused, match="database_unavailable"):
            SqliteDatabase(f"sqlite:///{file}")
    assert file.read_text() == "Dear reader, " * 100


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="database_unavailable"):
        SqliteDatabase(f"sqlite:///{tmp_path}/file/test.db")


def test_while_another_program_holds_the_file_writes_are_refused_and_come_back(
    tmp_path: Path,
) -> None:
    database = SqliteDatabase(f"sqlite:///{tmp_path}/test.db", lock_wait_ms=1)
    database.change_schema(lambda c: c.exec_driver_sql("CREATE TABLE note (body TEXT)"))
    with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(4) as callers:
            refused = [callers.submit(database.write, write_row).exception() for _ in range(8)]
        with pytest.raises(Refused, match="database is locked"):
            database.change_schema(lambda c: c.exec_driver_sql("CREATE TABLE x (id INTEGER)"))
        assert database.read(rows) == 0
        other.execute("ROLLBACK")
    assert [str(refusal).split("]")[0] for refusal in refused] == ["[core.database_unavailable"] * 8
    database.write(write_row)
    assert database.read(rows) == 1
    database.close()


_FULL_DISK = """
import os, resource, sys, threading
from concurrent.futures import ThreadPoolExecutor
from sqlalchemy import text
from shualian.core.database import SqliteDatabase
from shualian.core.refusals import Refused

def note(connection):
    connection.execute(text("INSERT INTO note (body) VALUES (:body)"), {"body": "x" * 20000})

def rows(connection):
    return connection.execute(text("SELECT count(*) FROM note")).scalar_one()

database = SqliteDatabase("sqlite:///" + sys.argv[1])
database.change_schema(lambda c: c.exec_driver_sql("CREATE TABLE note (body TEXT)"))
database.write(note)
log_bytes = os.path.getsize(sys.argv[1] + "-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (log_bytes + 8192, resource.RLIM_INFINITY))
with ThreadPoolExecutor(6) as callers:
    answers = [callers.submit(database.write, note).exception() for _ in range(12)]
assert all(isinstance(answer, Refused) for answer in answers), answers
print(sorted({answer.kind.code for answer in answers}), database.read(rows))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
database.write(note)
print(database.read(rows))
database.close()
print(SqliteDatabase("sqlite:///" + sys.argv[1]).read(rows))
"""


def test_when_the_log_cannot_grow_every_waiting_caller_is_told_and_the_writer_lives(
    tmp_path: Path,
) -> None:
    """A file size limit stands for a full disk: the failure comes at COMMIT, as it would."""
    with another_process(_FULL_DISK, str(tmp_path / "test.db")) as process:
        assert process.stdout
        told = process.stdout.read().splitlines()
    assert told == ["['core.database_unavailable'] 1", "2", "2"]


def test_a_full_database_refuses_what_does_not_fit_and_goes_on(database: SqliteDatabase) -> None:
    def limit(pages: int) -> None:
        database.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}").all())

    def large(connection: Connection) -> None:
        connection.execute(
            text("INSERT INTO note (body) VALUES (:body)"), {"body": "x" * 1_000_000}
        )

    limit(5)
    with pytest.raises(Refused, match="database_unavailable"):
        database.write(large)
    limit(100_000)
    database.write(large)
    assert database.read(rows) == 1


def test_a_failure_of_the_machine_inside_work_is_a_refusal(database: SqliteDatabase) -> None:
    def work(connection: Connection) -> None:
        write_row(connection)
        failure = sqlite3.OperationalError("disk I/O error")
        failure.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise failure

    with pytest.raises(Refused, match="database_unavailable"):
        database.write(work)
    assert database.read(rows) == 0


def test_who_finds_every_connection_taken_is_refused_in_the_end() -> None:
    engine = create_engine(
        "sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0
    )
    with (
        connected(engine),
        pytest.raises(Refused, match="database_unavailable"),
        connected(engine),
    ):
        pass
    engine.dispose()


def test_a_group_is_undone_and_told_when_work_ends_it_behind_our_back(
    database: SqliteDatabase,
) -> None:
    def end_it(connection: Connection) -> None:
        write_row(connection)
        connection.exec_driver_sql("ROLLBACK")

    with pytest.raises(Refused, match="database_unavailable"):
        database.write(end_it)
    database.write(write_row)
    assert database.read(rows) == 1


class WatchedQueue(queue.SimpleQueue[Any]):
    """Tells when a given number of jobs wait."""

    def __init__(self, awaited: int) -> None:
        super().__init__()
        self._arrivals = threading.Barrier(awaited + 1)

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        if item is not None:
            self._arrivals.wait()

    def wait_for_all(self) -> None:
        self._arrivals.wait()


def test_waiting_writes_are_committed_together(database: SqliteDatabase, tmp_path: Path) -> None:
    held, go_on = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        write_row(connection)
        held.set()
        go_on.wait()

    def committed_so_far(connection: Connection) -> int:
        write_row(connection)
        with closing(sqlite3.connect(tmp_path / "test.db")) as outside:
            return int(outside.execute("SELECT count(*) FROM note").fetchone()[0])

    with ThreadPoolExecutor(11) as callers:
        first = callers.submit(database.write, hold)
        held.wait()
        waiting = database._jobs = WatchedQueue(10)
        others = [callers.submit(database.write, committed_so_far) for _ in range(10)]
        waiting.wait_for_all()
        go_on.set()
        first.result()
        assert [other.result() for other in others] == [1] * 10
    assert database.read(rows) == 11


def test_a_foreign_key_broken_by_a_change_of_the_schema_undoes_it(
    database: SqliteDatabase,
) -> None:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE part (note INTEGER REFERENCES note (id))")
        connection.exec_driver_sql("INSERT INTO part VALUES (99)")

    with pytest.raises(sqlite3.IntegrityError, match="part"):
        database.change_schema(work)
    with pytest.raises(Exception, match="no such table"):
        database.read(lambda c: c.exec_driver_sql("SELECT * FROM part"))


class InterruptedQueue(queue.SimpleQueue[Any]):
    """Interrupts the caller as Control-C would, right after its job was queued."""

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        if item is not None:
            raise KeyboardInterrupt


def test_a_caller_interrupted_before_its_turn_writes_nothing(
    database: SqliteDatabase, sqlite_url: str
) -> None:
    held, go_on = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        write_row(connection)
        held.set()
        go_on.wait()

    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(database.write, hold)
        held.wait()
        database._jobs = InterruptedQueue()
        with pytest.raises(KeyboardInterrupt):
            database.write(write_row)
        go_on.set()
        first.result()
    database.close()
    with closing(SqliteDatabase(sqlite_url)) as again:
        assert again.read(rows) == 1


class FailingCommit:
    """Stands for a connection whose disk fails while the commit is made durable."""

    def __init__(self, code: int) -> None:
        self._code = code

    @property
    def connection(self) -> "FailingCommit":
        return self

    @property
    def driver_connection(self) -> "FailingCommit":
        return self

    def execute(self, _: str) -> None:
        failure = sqlite3.OperationalError("disk I/O error")
        failure.sqlite_errorcode = self._code
        raise failure


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (sqlite3.SQLITE_FULL, "database_unavailable"),
        (sqlite3.SQLITE_IOERR_WRITE, "database_unavailable"),
        (sqlite3.SQLITE_IOERR_FSYNC, "write_unconfirmed"),
    ],
)
def test_only_a_failed_sync_leaves_open_whether_it_was_written(code: int, refusal: str) -> None:
    with pytest.raises(Refused, match=refusal):
        commit(cast(Connection, FailingCommit(code)))
