"""What every engine keeps: short transactions, nothing slow inside, an orderly end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine, MetaData, event
from sqlalchemy.exc import DBAPIError, TimeoutError  # noqa: A004 - the pool's own

from shualian.core.database.refusals import DATABASE_CLOSED, DATABASE_UNAVAILABLE
from shualian.core.refusals import Refused

T = TypeVar("T")


class WorkInTransactionError(RuntimeError):
    """Work did what a transaction does not allow: a fault of the program, never of a user."""


@dataclass(slots=True)
class TransactionMark:
    """What happened to the transaction that the calling thread is in.

    Attributes:
        fault: The first thing that work did and must not do; raised even when work swallows it.
        conflict: Whether the engine broke the transaction off in favour of another one.
        on_own_locks: Called when the transaction guards what it reads by locks of its own.
    """

    fault: WorkInTransactionError | None = None
    conflict: bool = False
    on_own_locks: Callable[[], None] | None = None


class _Inside(threading.local):
    mark: TransactionMark | None = None


_inside = _Inside()


def current_transaction() -> TransactionMark | None:
    """The mark of the transaction that the calling thread is in, if it is in one."""
    return _inside.mark


def forbid_in_transaction(work: str) -> None:
    """Fail when the calling thread is inside a database transaction.

    Stands at every door to the network, to a face model and to files. The transaction fails even
    when the exception is swallowed on its way.

    Raises:
        WorkInTransactionError: Naming ``work``.
    """
    mark = _inside.mark
    if mark is None:
        return
    fault = WorkInTransactionError(f"{work} inside a database transaction")
    mark.fault = mark.fault or fault
    raise fault


@contextmanager
def inside_transaction(mark: TransactionMark) -> Iterator[None]:
    """Mark the calling thread as inside a transaction while the block runs.

    Raises:
        WorkInTransactionError: When work did something that is forbidden inside, whatever became
            of the exception then.
    """
    _inside.mark = mark
    try:
        yield
    except BaseException as failure:
        if mark.fault is None or failure is mark.fault:
            raise
        raise mark.fault from failure
    finally:
        _inside.mark = None
    if mark.fault is not None:
        raise mark.fault


def forbid_own_commit(engine: Engine) -> None:
    """Make ``commit()`` and ``rollback()`` fail inside work; nested savepoints stay allowed."""

    @event.listens_for(engine, "commit")
    @event.listens_for(engine, "rollback")
    def refuse(_connection: Connection) -> None:
        forbid_in_transaction("commit or rollback by work")


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """A connection from the pool of ``engine``, given back at the end.

    Raises:
        Refused: ``core.database_unavailable`` when none can be had.
    """
    try:
        connection = engine.connect()
    except (DBAPIError, TimeoutError) as failure:
        found = failure.orig if isinstance(failure, DBAPIError) else failure
        raise Refused(DATABASE_UNAVAILABLE, found=type(found).__name__) from failure
    with connection:
        yield connection


class Gate:
    """Counts the calls that are inside and, once shut, lets no more in."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._open = True

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Be inside while the block runs.

        Raises:
            Refused: ``core.database_closed`` once the gate is shut.
        """
        with self._changed:
            if not self._open:
                raise Refused(DATABASE_CLOSED)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def shut(self) -> None:
        """Let nobody in from now on and wait until everybody is out."""
        with self._changed:
            self._open = False
            self._changed.wait_for(lambda: self._inside == 0)


class Database(Protocol):
    """One database: the insurer's or a hospital's.

    Work may be run more than once before its result counts (a group or a serialization conflict
    is repeated), so it must have no effect but on its connection. A statement that is expected to
    fail belongs into ``connection.begin_nested()``: PostgreSQL ends the transaction otherwise.
    """

    writes_at_once: int
    """How many writes are best under way where callers can share one."""

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a consistent snapshot and give its result; it cannot write."""
        ...

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction; its result is given once the commit is durable.

        Transactions have the effect of running one after another. An exception from ``work``
        undoes all that it wrote and is raised here.

        Raises:
            Refused: ``core.database_unavailable`` or ``core.database_busy`` (nothing was
                written), ``core.write_unconfirmed`` (it cannot be told), ``core.database_closed``.
        """
        ...

    def change_schema(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` that creates or alters tables: alone, all or nothing.

        Foreign keys are not enforced meanwhile where the engine must copy tables (SQLite) and
        are checked before the commit.
        """
        ...

    def create_tables(self, metadata: MetaData) -> None:
        """Create the tables of ``metadata`` that are missing."""
        ...

    def close(self) -> None:
        """Finish what was begun and close; again is allowed, later work is refused."""
        ...
