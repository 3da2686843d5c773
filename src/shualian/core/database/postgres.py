"""PostgreSQL: several processes, serializable writes that are repeated after a conflict.

SERIALIZABLE gives work the promise that SQLite's single writer gives, so a use case that is right
there is right here without row locks of its own (PostgreSQL manual, 13.2.3); the price is that a
transaction may be broken off and must be run again.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, ExceptionContext, MetaData, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from shualian.core.database.abreast import Abreast
from shualian.core.database.pipeline import prepared_on, watch
from shualian.core.database.protocol import (
    Gate,
    TransactionMark,
    WorkInTransactionError,
    connected,
    current_transaction,
    forbid_in_transaction,
    forbid_own_commit,
    inside_transaction,
)
from shualian.core.database.refusals import (
    DATABASE_BUSY,
    DATABASE_UNAVAILABLE,
    DATABASE_URL_INVALID,
    WRITE_UNCONFIRMED,
)
from shualian.core.refusals import Refused

T = TypeVar("T")

DRIVER = "postgresql+psycopg"

_ATTEMPTS_MAX = 12
_PATIENT_ATTEMPTS = 2
_PAUSE_MAX_S = 0.1
_CONNECTIONS_MAX = 32
_CONNECTION_WAIT_S = 30
_CONFLICTS = frozenset(("40001", "40P01"))  # serialization_failure, deadlock_detected
_UNIQUE_VIOLATION = "23505"
_DUPLICATE_ATTEMPTS_MAX = 5
_CLASSES_WITH_VALUES = frozenset(("22", "23"))  # data exception, constraint violation
_SCHEMA_LOCK = 0x5348_5541_4C49_414E  # "SHUALIAN", any number that only this program uses
_SESSION = (
    "-c TimeZone=UTC -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    " -c client_min_messages=warning"
)


class _ConflictError(Exception):
    """The transaction was broken off before its commit; running it again may succeed."""


class PostgresDatabase:
    """A PostgreSQL database, reached through psycopg 3."""

    # One is decided while the server is busy with others, and who waits for a row that somebody
    # else holds for long does not hold up all.
    writes_at_once = 3

    def __init__(self, url: str) -> None:
        """Reach ``postgresql+psycopg://user:password@host/name``.

        Raises:
            Refused: ``core.database_url_invalid`` or ``core.database_unavailable``.
        """
        engine = _engine(url)
        self._engine = engine
        self._writing = engine.execution_options(isolation_level="SERIALIZABLE")
        self._altering = engine.execution_options(isolation_level="READ COMMITTED")
        self._reading = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._gate = Gate()
        self._turn = threading.Lock()
        self._abreast = Abreast(_CONNECTIONS_MAX)
        with connected(engine):
            pass

    def read(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.read`."""
        return self._run(self._reading, work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.write`; repeated up to 12 times on SQLSTATE 40001 and 40P01.

        A key that another transaction inserted meanwhile may be reported as 23505 instead, namely
        when looking for it was a sequential scan (manual, 13.2.3 and 13.5). Run again, work that
        looks before it inserts finds it; after some runs it was no race and is raised.
        """
        for _ in range(_DUPLICATE_ATTEMPTS_MAX - 1):
            try:
                return self._write(work)
            except IntegrityError as failure:
                if _sqlstate(failure.orig) != _UNIQUE_VIOLATION:
                    raise
        return self._write(work)

    def _write(self, work: Callable[[Connection], T]) -> T:
        forbid_in_transaction("a second transaction")
        leave = self._abreast.enter()
        try:
            return self._run(self._writing, work, leave)
        finally:
            leave()

    def change_schema(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.change_schema`; one process at a time by an advisory lock."""

        def alone(connection: Connection) -> T:
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
            prepared_on(connection).doubtful = True
            return work(connection)

        # READ COMMITTED: what the holder before us made must be seen after the wait.
        return self._run(self._altering, alone)

    def create_tables(self, metadata: MetaData) -> None:
        """See :meth:`Database.create_tables`."""
        self.change_schema(metadata.create_all)

    def close(self) -> None:
        """See :meth:`Database.close`."""
        forbid_in_transaction("closing the database")
        self._gate.shut()
        self._engine.dispose()

    def _run(
        self,
        engine: Engine,
        work: Callable[[Connection], T],
        on_own_locks: Callable[[], None] | None = None,
    ) -> T:
        forbid_in_transaction("a second transaction")
        with self._gate.passing():
            try:
                result = _attempt(engine, work, on_own_locks)
            except _ConflictError:
                self._abreast.met()
                # Repeats of this process queue up, so that they do not meet each other again.
                with self._turn:
                    return self._repeat(engine, work, on_own_locks)
            if on_own_locks is not None:
                self._abreast.passed()
            return result

    def _repeat(
        self,
        engine: Engine,
        work: Callable[[Connection], T],
        on_own_locks: Callable[[], None] | None,
    ) -> T:
        try:
            for number in range(1, _ATTEMPTS_MAX):
                if number == _PATIENT_ATTEMPTS:
                    self._abreast.close()  # newcomers of this process wait until we are through
                pause_s = min(_PAUSE_MAX_S, 0.001 * 2**number)
                time.sleep(random.uniform(0, pause_s))  # noqa: S311 - spreads load, no secret
                with suppress(_ConflictError):
                    return _attempt(engine, work, on_own_locks)
        finally:
            self._abreast.open()
        raise Refused(DATABASE_BUSY, attempts=_ATTEMPTS_MAX)


def _attempt(
    engine: Engine, work: Callable[[Connection], T], on_own_locks: Callable[[], None] | None
) -> T:
    with connected(engine) as connection:
        connection.begin()
        mark = TransactionMark(on_own_locks=on_own_locks)
        try:
            with inside_transaction(mark):
                result = work(connection)
        except WorkInTransactionError:
            # Work may have tried to commit, which leaves the connection in no clear state.
            connection.invalidate()
            raise
        except BaseException as failure:
            if mark.conflict:
                raise _ConflictError from failure
            raise
        if mark.conflict:
            raise _ConflictError
        _commit(connection)
    return result


def _commit(connection: Connection) -> None:
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    if driver.info.transaction_status is TransactionStatus.INERROR:
        # The server would answer COMMIT with ROLLBACK and without an error.
        raise WorkInTransactionError("work went on after a failed statement")
    try:
        connection.commit()
    except IntegrityError:
        raise
    except DBAPIError as failure:
        if _sqlstate(failure.orig) in _CONFLICTS:
            raise _ConflictError from failure
        kind = WRITE_UNCONFIRMED if driver.closed else DATABASE_UNAVAILABLE
        raise Refused(kind, sqlstate=_sqlstate(failure.orig)) from failure


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise Refused(DATABASE_URL_INVALID) from None
    if parsed.drivername != DRIVER or not parsed.database:
        raise Refused(DATABASE_URL_INVALID, found="not postgresql+psycopg:// with a database")
    engine = create_engine(
        parsed,
        connect_args={"connect_timeout": 10, "options": _SESSION},
        pool_size=_CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=_CONNECTION_WAIT_S,
        hide_parameters=True,
    )
    forbid_own_commit(engine)
    watch(engine)
    event.listen(engine, "handle_error", _note_failure)
    return engine


def _note_failure(context: ExceptionContext) -> None:
    """Mark a transaction that may be repeated, and keep column values out of error messages."""
    orig = context.original_exception
    mark = current_transaction()
    if mark is not None and (context.is_disconnect or _sqlstate(orig) in _CONFLICTS):
        mark.conflict = True
    if isinstance(orig, psycopg.Error):
        _keep_out_values(orig, context.sqlalchemy_exception)


def _keep_out_values(orig: psycopg.Error, wrapped: BaseException | None) -> None:
    """Shorten the message: ``DETAIL`` quotes the row, e.g. ``Key (id_number)=(...)``."""
    state, seen = _sqlstate(orig), orig.diag
    if not state:
        return
    message = seen.message_primary if state[:2] not in _CLASSES_WITH_VALUES else "refused a value"
    place = (seen.table_name, seen.column_name, seen.constraint_name)
    text = f"SQLSTATE {state}: {message} {'.'.join(part for part in place if part)}".strip()
    orig.args = (text,)
    if wrapped is not None and wrapped.args:
        wrapped.args = (f"({type(orig).__name__}) {text}", *wrapped.args[1:])


def _sqlstate(failure: BaseException | None) -> str:
    return getattr(failure, "sqlstate", None) or ""
