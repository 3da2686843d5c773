"""SQLite: WAL, full durability, one process, one writer thread that commits in groups.

One sync of the disk makes a whole group durable, so writes per second grow with the number of
callers instead of ending at the disk's sync rate.
"""

import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, MetaData, QueuePool, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from shualian.core.database.process_lock import ProcessLock
from shualian.core.database.protocol import (
    Gate,
    TransactionMark,
    connected,
    forbid_in_transaction,
    forbid_own_commit,
    inside_transaction,
)
from shualian.core.database.refusals import (
    DATABASE_UNAVAILABLE,
    DATABASE_URL_INVALID,
    WRITE_UNCONFIRMED,
)
from shualian.core.refusals import Refused

T = TypeVar("T")

_GROUP_MAX = 32
_READERS_MAX = 16
_READER_WAIT_S = 30
_CACHE_KIB = 65_536
_CHECKPOINT_PAGES = 4_000
_MACHINE_FAILURES = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
    )
)
# The write of the commit record itself failed; SQLite takes such a log's tail for absent.
_SURELY_NOT_COMMITTED = frozenset(
    (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
)


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Connection], Any]
    outcome: "Future[Any]"


class SqliteDatabase:
    """One SQLite file, held by one process."""

    writes_at_once = 1

    def __init__(self, url: str, *, lock_wait_ms: int = 5_000) -> None:
        """Open ``sqlite:///path``; the file is made, readable by its owner only, when missing.

        Args:
            url: With a path; a database in memory is refused, because it cannot be durable.
            lock_wait_ms: How long to wait for another program's hold on the file, e.g. a backup.

        Raises:
            Refused: ``core.database_url_invalid``, ``core.database_in_use`` or
                ``core.database_unavailable``.
        """
        path = _path_of(url)
        self._gate = Gate()
        self._closing = threading.Lock()
        self._closed = False
        self._lock = _prepare_file(path)
        self._writing = _engine(path, lock_wait_ms, read_only=False)
        self._reading = _engine(path, lock_wait_ms, read_only=True)
        try:
            with connected(self._writing):
                pass
        except BaseException:
            self._lock.release()
            raise
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # A daemon, so that a program that forgot to close still ends; a commit is atomic anyway.
        self._writer = threading.Thread(
            target=self._write_groups, name="database-writer", daemon=True
        )
        self._writer.start()

    def read(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.read`."""
        forbid_in_transaction("a second transaction")
        with self._gate.passing(), connected(self._reading) as connection:
            _begin(connection, "BEGIN")  # the pool rolls back
            with inside_transaction(TransactionMark()):
                return work(connection)

    def write(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.write`."""
        forbid_in_transaction("a second transaction")
        outcome: Future[T] = Future()
        with self._gate.passing():
            try:
                self._jobs.put(_Job(work, outcome))
                return outcome.result()
            except BaseException:
                outcome.cancel()
                raise

    def change_schema(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.change_schema`."""
        forbid_in_transaction("a change of the schema")
        with self._gate.passing(), connected(self._writing) as connection:
            try:
                return _without_foreign_keys(connection, work)
            except DBAPIError as failure:
                if _is_machine_failure(failure):
                    raise _unavailable(failure) from failure
                raise
            finally:
                # The next user of the connection must find foreign keys enforced.
                connection.invalidate()

    def create_tables(self, metadata: MetaData) -> None:
        """See :meth:`Database.create_tables`."""
        self.change_schema(metadata.create_all)

    def close(self) -> None:
        """See :meth:`Database.close`."""
        forbid_in_transaction("closing the database")
        with self._closing:
            if self._closed:
                return
            self._gate.shut()
            self._jobs.put(None)
            self._writer.join()
            self._reading.dispose()
            self._writing.dispose()
            self._lock.release()
            self._closed = True

    def _write_groups(self) -> None:
        open_for_work = True
        while open_for_work:
            group, open_for_work = self._next_group()
            self._settle([job for job in group if job.outcome.set_running_or_notify_cancel()])

    def _next_group(self) -> tuple[list[_Job], bool]:
        job = self._jobs.get()
        group: list[_Job] = []
        while job is not None:
            group.append(job)
            if len(group) == _GROUP_MAX or self._jobs.empty():
                return group, True
            job = self._jobs.get()
        return group, False

    def _settle(self, group: list[_Job]) -> None:
        if not group:
            return
        try:
            done = self._run_group(group)
        except IntegrityError as failure:
            self._settle_one_by_one(group, failure)
        except BaseException as failure:  # noqa: BLE001 - the writer must outlive every failure
            for job in group:
                job.outcome.set_exception(_lost(failure))
        else:
            for job, (result, failed) in zip(group, done, strict=True):
                if failed is None:
                    job.outcome.set_result(result)
                else:
                    job.outcome.set_exception(failed)

    def _settle_one_by_one(self, group: list[_Job], failure: IntegrityError) -> None:
        """A deferred constraint fails at COMMIT and does not say whose row it was."""
        if len(group) == 1:
            group[0].outcome.set_exception(failure)
            return
        for job in group:
            self._settle([job])

    def _run_group(self, group: list[_Job]) -> list[tuple[Any, BaseException | None]]:
        with connected(self._writing) as connection:
            try:
                _begin(connection, "BEGIN IMMEDIATE")
                done = [_run_alone(connection, job.work) for job in group]
                commit(connection)
            except BaseException:
                # Closing the connection is the one rollback that cannot fail.
                connection.invalidate()
                raise
        return done


def _run_alone(
    connection: Connection, work: Callable[[Connection], Any]
) -> tuple[Any, BaseException | None]:
    driver = _driver(connection)
    driver.execute("SAVEPOINT job")
    try:
        with inside_transaction(TransactionMark()):
            result = work(connection)
    except BaseException as failure:
        if not driver.in_transaction:
            raise  # SQLite has undone the whole group by itself (disk full, I/O error)
        _forget_ended_transaction(connection)
        driver.execute("ROLLBACK TO job")
        driver.execute("RELEASE job")
        return None, _lost(failure) if _is_machine_failure(failure) else failure
    driver.execute("RELEASE job")
    return result, None


def _forget_ended_transaction(connection: Connection) -> None:
    """Let SQLAlchemy go on after work tried to commit, which was refused before the engine."""
    ended = connection.get_transaction()
    if ended is not None and not ended.is_active:
        ended.rollback()


def commit(connection: Connection) -> None:
    """Make the open transaction durable.

    Raises:
        IntegrityError: If a deferred constraint is broken.
        Refused: ``core.database_unavailable`` (nothing was written) or
            ``core.write_unconfirmed`` (it cannot be told).
    """
    try:
        _driver(connection).execute("COMMIT")
    except sqlite3.IntegrityError as failure:
        raise IntegrityError("COMMIT", None, failure) from failure
    except sqlite3.Error as failure:
        if _code(failure) in _SURELY_NOT_COMMITTED:
            raise _unavailable(failure) from failure
        # After a failed sync the commit may yet be found in the log by a later start.
        raise Refused(WRITE_UNCONFIRMED, found=str(failure)) from failure


def _without_foreign_keys(connection: Connection, work: Callable[[Connection], T]) -> T:
    # No effect inside a transaction, so it stands before BEGIN (sqlite.org/pragma.html).
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    with inside_transaction(TransactionMark()):
        result = work(connection)
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise sqlite3.IntegrityError(f"a foreign key of table {broken[0]} is broken")
    commit(connection)
    return result


def _begin(connection: Connection, word: str) -> None:
    """Open a transaction past SQLAlchemy, which takes many times as long for it, and tell it."""
    connection.begin()
    _driver(connection).execute(word)


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def _code(failure: BaseException) -> int:
    orig = failure.orig if isinstance(failure, DBAPIError) else failure
    return getattr(orig, "sqlite_errorcode", None) or sqlite3.SQLITE_OK


def _is_machine_failure(failure: BaseException) -> bool:
    return _code(failure) & 0xFF in _MACHINE_FAILURES


def _unavailable(failure: BaseException) -> Refused:
    orig = failure.orig if isinstance(failure, DBAPIError) else failure
    found = str(orig) if isinstance(orig, sqlite3.Error) else type(orig).__name__
    return Refused(DATABASE_UNAVAILABLE, found=found)


def _lost(failure: BaseException) -> BaseException:
    """A refusal of its own for each waiting caller: a raised exception must not be shared."""
    if isinstance(failure, Refused):
        return Refused(failure.kind, **failure.details)
    refusal = _unavailable(failure)
    refusal.__cause__ = failure
    return refusal


def _path_of(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise Refused(DATABASE_URL_INVALID) from None
    name = parsed.database or ""
    if parsed.drivername != "sqlite" or parsed.query or name in {"", ":memory:"}:
        raise Refused(DATABASE_URL_INVALID, found="not a path to a SQLite file")
    return Path(name).resolve()


def _prepare_file(path: Path) -> ProcessLock:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = ProcessLock(path.with_name(path.name + ".lock"))
        # SQLite gives its -wal and -shm files the permissions of the database.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as failure:
        raise Refused(DATABASE_UNAVAILABLE, found=failure.strerror or "") from failure
    return lock


def _engine(path: Path, lock_wait_ms: int, *, read_only: bool) -> Engine:
    address = path.as_uri() + ("?mode=ro" if read_only else "?mode=rw")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            address,
            uri=True,
            timeout=lock_wait_ms / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        if not read_only:
            _make_durable(connection)
        return connection

    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=_READERS_MAX if read_only else 1,
        max_overflow=0,
        pool_timeout=_READER_WAIT_S,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
    )
    forbid_own_commit(engine)
    return engine


def _make_durable(connection: sqlite3.Connection) -> None:
    (journal,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if journal != "wal":
        raise sqlite3.OperationalError("the file system cannot hold a write-ahead log")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    # What is deleted is overwritten with zeros, so that a deleted template leaves no free page.
    connection.execute("PRAGMA secure_delete=ON")
    # The inner pages of the indexes stay at hand (KiB), and the log is copied back less often
    # (pages of 4 KiB): neither changes what a commit makes durable.
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
