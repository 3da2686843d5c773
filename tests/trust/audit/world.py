"""A database with an audit chain, its keys and its second place; and an attacker's tools."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo, SettlementId
from shualian.core.money import Fen
from shualian.trust.audit import store
from shualian.trust.audit.checkpoints import CheckpointFolder
from shualian.trust.audit.model import Code, Event, Head, Payload, record_hash
from shualian.trust.audit.service import (
    AuditChain,
    ChainReport,
    public_keys_of,
    record,
    verify_chain,
)
from shualian.trust.keys import DevelopmentKeys

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


class Channel(StrEnum):
    FACE = "face"
    CARD = "card"


class Paid(Payload, kind="test.paid"):
    settlement_id: SettlementId
    psn_no: PersonNo
    amount_fen: Fen
    channel: Channel
    refused: Code | None = None


def paid(number: int) -> Paid:
    return Paid(
        settlement_id=SettlementId(f"S{number}"),
        psn_no=PersonNo(f"P{number}"),
        amount_fen=Fen(number * 100),
        channel=Channel.FACE,
    )


class World:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.clock = SettableClock(START)
        self.keys = DevelopmentKeys(folder / "keys")
        self.folder = folder / "second-place"
        self.folder.mkdir()
        self.place = CheckpointFolder(self.folder)
        self.chain = self.new_chain()
        database.create_tables(store.metadata)  # what a migration made stays

    def new_chain(self, name: str = "insurer") -> AuditChain:
        """A linker that has just been started."""
        return AuditChain(
            name, database=self.database, keys=self.keys, place=self.place, clock=self.clock
        )

    def record(self, *numbers: int) -> None:
        """Each number in a transaction of its own."""
        for number in numbers:
            self.database.write(
                lambda connection, number=number: record(  # type: ignore[misc]
                    connection, paid(number), at=self.clock.now()
                )
            )

    def link(self) -> int:
        linked = 0
        while count := self.chain.link():
            linked += count
        return linked

    def filled(self, records: int, *, checkpoint_at: tuple[int, ...] = ()) -> "World":
        """With linked records 1..n and checkpoints after some of them."""
        for number in range(1, records + 1):
            self.record(number)
            if number in checkpoint_at:
                self.link()
                self.chain.export_checkpoint()
        self.link()
        return self

    def pass_time(self, time: timedelta) -> None:
        self.clock.set(self.clock.now() + time)

    def report(self, *, second_place: bool = True, chain: str | None = None) -> ChainReport:
        lines = self.place.everything() if second_place else None
        return self.database.read(
            lambda connection: verify_chain(
                connection, chain=chain, checkpoints=lines, public_keys=public_keys_of(self.keys)
            )
        )

    def broken(self, *, second_place: bool = True) -> tuple[str, int | None] | None:
        """Kind and record of the first break."""
        breaks = self.report(second_place=second_place).breaks
        return (breaks[0].kind.value, breaks[0].sequence) if breaks else None

    # What somebody does who can write the database

    def tamper(self, work: Callable[[Connection], Any]) -> None:
        """Without the triggers, as whoever owns the database can."""

        def drop_guards_and_work(connection: Connection) -> None:
            drop_guards(connection)
            work(connection)

        self.database.change_schema(drop_guards_and_work)

    def alter(self, table: Table, number: int, **values: object) -> None:
        key = next(iter(table.primary_key))
        self.tamper(lambda c: c.execute(update(table).where(key == number).values(values)))

    def alter_payload(self, number: int) -> None:
        self.alter(store.events, number, payload="{}")

    def remove(self, *numbers: int, events: bool = True, links: bool = True) -> None:
        """Remove records; event and link have the same number here."""
        if events:
            chosen = store.events.c.event_id.in_(numbers)
            self.tamper(lambda c: c.execute(delete(store.events).where(chosen)))
        if links:
            places = store.links.c.sequence.in_(numbers)
            self.tamper(lambda c: c.execute(delete(store.links).where(places)))

    def move(self, places: dict[int, int]) -> None:
        """Give records other places."""

        def renumber(connection: Connection) -> None:
            table = store.links
            rows = connection.execute(select(table).where(table.c.sequence.in_(places))).all()
            connection.execute(delete(table).where(table.c.sequence.in_(places)))
            moved = [{**row._mapping, "sequence": places[row.sequence]} for row in rows]
            connection.execute(insert(table), moved)

        self.tamper(renumber)

    def forge_link(self, sequence: int, event_id: int, *, previous: str | None = None) -> None:
        """Put in a record whose hash is right for its place, over what its event says now."""

        def forge(connection: Connection) -> None:
            links, events = store.links, store.events
            before = store.hash_of(connection, sequence - 1) or Head().hash
            row = connection.execute(select(events).where(events.c.event_id == event_id)).one()
            event = Event(row.event_id, row.kind, row.at, row.payload)
            linked_to = previous or before
            made = record_hash("insurer", sequence, linked_to, event)
            connection.execute(delete(links).where(links.c.sequence == sequence))
            connection.execute(
                insert(links).values(
                    sequence=sequence, event_id=event_id, previous_hash=linked_to, hash=made
                )
            )

        self.tamper(forge)

    def checkpoint_file(self) -> Path:
        (file,) = self.folder.glob("*.jsonl")
        return file


def drop_guards(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS audit_only_grows() CASCADE")
        return
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for (name,) in names.all():
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
