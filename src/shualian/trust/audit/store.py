"""Tables of the audit: events as use cases insert them, links as the linker adds them.

Both tables only ever grow: nothing updates or deletes a row, and triggers refuse it. They stop a
fault of the program and a careless hand; who may alter tables can drop them, and then the chain
and its checkpoints tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    and_,
    event,
    func,
    insert,
    select,
)

from shualian.core.database.statements import Filled, insert_rows, run
from shualian.trust.audit.model import PAYLOAD_CHARACTERS_MAX, Event, Head, Link, Record

metadata = MetaData()

_PAGE = 2_000

events = Table(
    "audit_event",
    metadata,
    # Rising numbers that are never given twice (SQLite: AUTOINCREMENT; PostgreSQL: a sequence).
    Column("event_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("kind", String(64), nullable=False),
    # Text, so that what is hashed is what is stored, on every engine to the last digit.
    Column("at", String(27), nullable=False),
    Column("payload", String(PAYLOAD_CHARACTERS_MAX), nullable=False),
    sqlite_autoincrement=True,
)

links = Table(
    "audit_link",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    # No foreign key: on PostgreSQL its check would put the linker among the readers of the newest
    # events and have use cases broken off for it.
    Column("event_id", BigInteger, nullable=False, unique=True),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

chains = Table(
    "audit_chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False),
    CheckConstraint("id = 1", name="ck_audit_chain_one_row"),
)
"""One row: the name of the database's chain."""

_EVENT = insert_rows("audit_event", ("kind", "at", "payload"), 1)
_TABLES = (events, links, chains)

GUARDS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "sqlite": [
            f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name}"
            " BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END"
            for table in _TABLES
            for verb in ("UPDATE", "DELETE")
        ],
        "postgresql": [
            "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE EXCEPTION 'the audit only grows'; END $$",
            *(
                f"CREATE TRIGGER {table.name}_only_grows"
                f" BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name}"
                " FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
                for table in _TABLES
            ),
        ],
    }
)
"""Statements per engine that make the triggers, once all tables are there."""


@event.listens_for(metadata, "after_create")
def _guard(
    _target: MetaData, connection: Connection, tables: Sequence[Table] = (), **_: object
) -> None:
    if chains in tables:
        for statement in GUARDS[connection.dialect.name]:
            connection.exec_driver_sql(statement)


def insert_events(connection: Connection, rows: Sequence[Mapping[str, str]]) -> None:
    """Add events that are not linked yet."""
    told = [Filled(_EVENT, (row["kind"], row["at"], row["payload"])) for row in rows]
    run(connection, told)


def chain_name(connection: Connection) -> str | None:
    """The name of the chain in this database; None before its first link."""
    return connection.scalar(select(chains.c.name))


def write_chain_name(connection: Connection, name: str) -> None:
    """Name the chain of this database, once."""
    connection.execute(insert(chains).values(id=1, name=name))


def head(connection: Connection) -> Head:
    """The last record; the place before the first when there is none."""
    newest = select(links.c.sequence, links.c.hash).order_by(links.c.sequence.desc()).limit(1)
    found = connection.execute(newest).one_or_none()
    return Head() if found is None else Head(found.sequence, found.hash)


def hash_of(connection: Connection, sequence: int) -> str | None:
    """The hash that a record has."""
    return connection.scalar(select(links.c.hash).where(links.c.sequence == sequence))


def count_after(connection: Connection, after: int, until: int) -> int:
    """How many records have a number above ``after`` and up to ``until``."""
    counted = select(func.count()).where(links.c.sequence > after, links.c.sequence <= until)
    return connection.scalar(counted) or 0


def unlinked_after(connection: Connection, event_id: int, limit: int) -> list[Event]:
    """The next events without a link, by rising number."""
    rows = connection.execute(
        select(events)
        .outerjoin(links, and_(links.c.event_id == events.c.event_id, links.c.event_id > event_id))
        .where(links.c.event_id.is_(None), events.c.event_id > event_id)
        .order_by(events.c.event_id)
        .limit(limit)
    )
    return [Event(row.event_id, row.kind, row.at, row.payload) for row in rows]


def count_unlinked(connection: Connection) -> int:
    """How many events have no link."""
    counted = (
        select(func.count())
        .select_from(events.outerjoin(links, links.c.event_id == events.c.event_id))
        .where(links.c.event_id.is_(None))
    )
    return connection.scalar(counted) or 0


def newest_event_id(connection: Connection) -> int:
    """The highest number of an event; 0 for none."""
    return connection.scalar(select(func.max(events.c.event_id))) or 0


def insert_links(connection: Connection, made: Sequence[Link]) -> None:
    """Add records to the chain."""
    connection.execute(insert(links), [asdict(link) for link in made])


def all_records(connection: Connection) -> Iterator[Record]:
    """Every record by rising sequence, read in pages."""
    page = _records().order_by(links.c.sequence).limit(_PAGE)
    rows = connection.execute(page).all()
    while rows:
        yield from map(_record, rows)
        rows = connection.execute(page.where(links.c.sequence > rows[-1].sequence)).all()


def records_behind(connection: Connection, previous_hash: str) -> list[Record]:
    """Every record that names this hash as its predecessor's; reads the whole table."""
    rows = connection.execute(_records().where(links.c.previous_hash == previous_hash))
    return [_record(row) for row in rows]


def _records() -> Select[Any]:
    columns = (events.c.event_id.label("found_id"), events.c.kind, events.c.at, events.c.payload)
    return select(links, *columns).outerjoin(events, events.c.event_id == links.c.event_id)


def _record(row: Row[Any]) -> Record:
    values: tuple[Any, ...] = tuple(row)
    sequence, event_id, previous_hash, hash_, found_id, kind, at, payload = values
    link = Link(sequence, event_id, previous_hash, hash_)
    return Record(link, None if found_id is None else Event(found_id, kind, at, payload))
