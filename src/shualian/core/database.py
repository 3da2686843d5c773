"""Databases: short transactions, one writer with group commit on SQLite.

A use case reads, decides and writes inside one call of :meth:`Database.write`. Work inside a
transaction must be quick and local: :func:`forbid_in_transaction` stands at every door to the
network, to a face model and to files, and fails when it is passed inside one.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import make_url

T = TypeVar("T")

_GROUP_MAX = 32
_inside = threading.local()


class WorkInTransactionError(RuntimeError):
    """Slow or outside work was begun inside a database transaction: a fault of the program."""


def forbid_in_transaction(work: str) -> None:
    """Fail when the calling thread is inside a database transaction.

    Raises:
        WorkInTransactionError: Naming ``work``.
    """
    if getattr(_inside, "transaction", False):
        raise WorkInTransactionError(f"{work} inside a database transaction")


@contextmanager
def _transaction_mark() -> Iterator[None]:
    _inside.transaction = True
    try:
        yield
    finally:
        _inside.transaction = False


class Database(Protocol):
    """One database: the insurer's or a hospital's."""

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a consistent snapshot and give its result; it must not write."""
        ...

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction; its result is given once the commit is durable.

        An exception from ``work`` undoes all that it wrote and is raised here.
        """
        ...

    def create_tables(self, metadata: MetaData) -> None:
        """Create the tables of ``metadata`` that are missing."""
        ...

    def close(self) -> None:
        """Finish what was begun and close."""
        ...


_Job = tuple[Callable[[Connection], Any], "Future[Any]"]


class SqliteDatabase:
    """SQLite in WAL mode with full durability and one writer thread that commits in groups."""

    def __init__(self, url: str) -> None:
        """Open ``sqlite:///path``; the file is created when it is missing."""
        self._engine = _sqlite_engine(url)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_groups, name="database-writer")
        self._writer.start()

    def read(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.read`."""
        with self._engine.connect() as connection, _transaction_mark():
            connection.exec_driver_sql("BEGIN")
            try:
                return work(connection)
            finally:
                connection.exec_driver_sql("ROLLBACK")

    def write(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.write`."""
        forbid_in_transaction("a second transaction")
        outcome: Future[T] = Future()
        self._jobs.put((work, outcome))
        return outcome.result()

    def create_tables(self, metadata: MetaData) -> None:
        """See :meth:`Database.create_tables`."""
        self.write(metadata.create_all)

    def close(self) -> None:
        """See :meth:`Database.close`."""
        self._jobs.put(None)
        self._writer.join()
        self._engine.dispose()

    def _write_groups(self) -> None:
        open_for_work = True
        with self._engine.connect() as connection:
            while open_for_work:
                group, open_for_work = self._next_group()
                _commit_group(connection, group)

    def _next_group(self) -> tuple[list[_Job], bool]:
        job = self._jobs.get()
        group: list[_Job] = []
        while job is not None:
            group.append(job)
            if len(group) == _GROUP_MAX or self._jobs.empty():
                return group, True
            job = self._jobs.get()
        return group, False


def _commit_group(connection: Connection, group: list[_Job]) -> None:
    if not group:
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    done = [(outcome, *_run_alone(connection, work)) for work, outcome in group]
    connection.exec_driver_sql("COMMIT")
    for outcome, result, failure in done:
        if failure is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(failure)


def _run_alone(
    connection: Connection, work: Callable[[Connection], Any]
) -> tuple[Any, BaseException | None]:
    connection.exec_driver_sql("SAVEPOINT job")
    try:
        with _transaction_mark():
            result = work(connection)
    except BaseException as failure:  # noqa: BLE001 - handed to the caller who asked
        connection.exec_driver_sql("ROLLBACK TO job")
        connection.exec_driver_sql("RELEASE job")
        return None, failure
    connection.exec_driver_sql("RELEASE job")
    return result, None


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(make_url(url), isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
