"""PostgreSQL's pipeline, spoken through libpq itself: many prepared statements, one round trip.

The driver's own pipeline makes a cursor for every statement, waits several times for one answer,
and reads a text of more than 4,096 characters anew each time to find its placeholders; for the
statements of the hot path that costs more than their decision. Here a text is prepared once on a
connection and afterwards only its values travel.

The connection stays the driver's: a transaction is opened as the driver would open it and its
``commit``, errors and types are the driver's own, so both ways may be mixed in one transaction.
The driver may deallocate every prepared statement, ours with its own, when something is rolled
back or dropped. So :func:`watch` notes when that may have happened, and the server is asked then.
"""

import select
from collections.abc import Callable, Container, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import abc
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Connection, Engine, event

Value: TypeAlias = str | int | bytes | datetime | None
Row: TypeAlias = tuple[Any, ...]

_PREPARED = "shualian.prepared"
_TEXT: Final = 0
_BINARY: Final = 1
_FAILED = frozenset((ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE))


class Prepared:
    """Which texts a connection has prepared, and under which names; kept as long as it lives."""

    def __init__(self) -> None:
        self.doubtful = False
        self._names: dict[str, bytes] = {}
        self._made = 0

    def name(self, text: str) -> bytes | None:
        """The name of a text; none when it must be prepared first."""
        return self._names.get(text)

    def add(self, text: str) -> bytes:
        """A new name, under which the caller prepares the text."""
        self._made += 1
        self._names[text] = name = b"shualian_%d" % self._made
        return name

    def keep(self, left: Container[bytes]) -> None:
        """These names are left; there is no doubt any more."""
        self._names = {text: name for text, name in self._names.items() if name in left}
        self.doubtful = False

    def forget(self, texts: Sequence[str]) -> None:
        """Whether these were prepared is not known; they will be, under other names."""
        for text in texts:
            del self._names[text]


def prepared_on(connection: Connection) -> Prepared:
    """What a connection has prepared."""
    found: Prepared | None = connection.info.get(_PREPARED)
    if found is None:
        found = connection.info[_PREPARED] = Prepared()
    return found


def watch(engine: Engine) -> None:
    """Note on each connection when the driver may have deallocated what it had prepared."""

    @event.listens_for(engine, "rollback")
    @event.listens_for(engine, "rollback_savepoint")
    def doubt(connection: Connection, *_: object) -> None:
        # One that is given up takes its prepared statements with it.
        if not (connection.closed or connection.invalidated):
            prepared_on(connection).doubtful = True


def exchange(
    driver: "psycopg.Connection[Any]",
    prepared: Prepared,
    sent: Sequence[tuple[str, Sequence[Value]]],
) -> list[list[Row]]:
    """Run statements in this order and give the rows of each, or how many it changed.

    Args:
        driver: In its transaction, or idle: then the first statement opens one.
        prepared: Of this connection.
        sent: Texts with ``$1``, ``$2`` ... and their values.

    Raises:
        psycopg.Error: Of the first statement that fails; none after it was run.
    """
    if prepared.doubtful:
        prepared.keep(_left(driver))
    line = driver.pgconn
    told = [(text, *_encoded(values)) for text, values in sent]
    new: list[str] = []
    line.enter_pipeline_mode()
    try:
        wanted = _begin(driver, line)
        for text, values, formats in told:
            name = prepared.name(text)
            if name is None:
                name = prepared.add(text)
                new.append(text)
                line.send_prepare(name, text.encode())
                wanted.append(False)
            line.send_query_prepared(name, values, formats)
            wanted.append(True)
        line.pipeline_sync()
        results = _received(line)
    except BaseException:
        # Half a pipeline is left on the line; nobody can go on from there.
        driver.close()
        raise
    line.exit_pipeline_mode()
    failed = next((each for each in results if each.status in _FAILED), None)
    if failed is not None:
        prepared.forget(new)
        raise error_from_result(failed)
    reading = Transformer(driver)
    return [_rows(reading, each) for each, rows in zip(results, wanted, strict=True) if rows]


def _left(driver: "psycopg.Connection[Any]") -> set[bytes]:
    found = driver.execute("SELECT name FROM pg_prepared_statements", prepare=False)
    return {name.encode() for (name,) in found}


def _begin(driver: "psycopg.Connection[Any]", line: PGconn) -> list[bool]:
    """Open a transaction as the driver does it before its first statement; none in an open one."""
    if driver.autocommit or line.transaction_status != TransactionStatus.IDLE:
        return []
    text = "BEGIN"
    if driver.isolation_level is not None:
        text += f" ISOLATION LEVEL {driver.isolation_level.name.replace('_', ' ')}"
    if driver.read_only is not None:
        text += " READ ONLY" if driver.read_only else " READ WRITE"
    line.send_query_params(text.encode(), None)
    return [False]


def _encoded(values: Sequence[Value]) -> tuple[list[bytes | None], list[int]]:
    sent = [_SENT[type(value)](value) for value in values]
    return sent, [_BINARY if type(value) is bytes else _TEXT for value in values]


def _text(value: str) -> bytes:
    # libpq ends a text there, and the rest would be lost unseen.
    if "\0" in value:
        raise psycopg.DataError("a text with a NUL character")
    return value.encode()


class _Sent(dict[type, Callable[[Any], bytes | None]]):
    """How a value travels, by its type; a subclass travels as what it is."""

    def __missing__(self, kind: type) -> Callable[[Any], bytes | None]:
        for base in kind.__mro__[1:]:
            if base in self:
                return self.setdefault(kind, self[base])
        raise TypeError(f"no value of a statement: {kind.__name__}")


_SENT = _Sent(
    {
        str: lambda value: _text(str(value)),
        int: lambda value: b"%d" % value,
        bytes: bytes,
        datetime: lambda value: value.isoformat().encode(),
        type(None): lambda _: None,
    }
)


def _received(line: PGconn) -> list[PGresult]:
    """One result for each message that was sent, up to the end of the pipeline."""
    results: list[PGresult] = []
    ready = select.poll()
    ready.register(line.socket, select.POLLIN | select.POLLOUT)
    # Who only sends could wait for a server that waits for its answers to be read.
    while line.flush():
        if any(event & select.POLLIN for _, event in ready.poll()):
            line.consume_input()
    ready.modify(line.socket, select.POLLIN)
    while True:
        while line.is_busy():
            ready.poll()
            line.consume_input()
        result = line.get_result()
        if result is None:
            if line.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the connection is lost")
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)


def _rows(reading: abc.Transformer, result: PGresult) -> list[Row]:
    """What a question found; one row with the count of rows for what only changed some."""
    if result.status == ExecStatus.COMMAND_OK:
        return [(result.command_tuples or 0,)]
    reading.set_pgresult(result)
    return reading.load_rows(0, result.ntuples, tuple)
