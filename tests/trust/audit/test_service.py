"""The audit over a database: nothing is lost, parallel writers are chained, tampering is named."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, text, update
from sqlalchemy.exc import DatabaseError

from shualian.core.clock import SettableClock
from shualian.core.database import PostgresDatabase, SqliteDatabase
from shualian.core.refusals import Refused
from shualian.sandbox.city import OTHERS, PATIENT
from shualian.trust.audit import store
from shualian.trust.audit.model import AUDIT_BROKEN, Checkpoint, event_row, moment_text
from shualian.trust.audit.service import (
    CHECKPOINT_PURPOSE,
    SETTLED_AFTER,
    AuditChain,
    Linker,
    public_keys_of,
    record,
    verify_chain,
)
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.signatures import SigningKey
from trust.audit.world import START, World, paid

# Recording and linking


def order_of(world: World) -> list[int]:
    """The amounts in the order of the chain, which tell the events apart."""
    found = world.database.read(lambda connection: list(store.all_records(connection)))
    assert [r.link.sequence for r in found] == list(range(1, len(found) + 1))
    return [json.loads(r.event.payload)["amount_fen"] // 100 for r in found if r.event]


def test_an_event_is_there_exactly_when_its_use_case_is(any_world: World) -> None:
    def fails(connection: Connection) -> None:
        record(connection, paid(2), at=START)
        raise Refused(AUDIT_BROKEN)

    any_world.record(1)
    with pytest.raises(Refused):
        any_world.database.write(fails)
    any_world.record(3)
    assert any_world.link() == 2
    assert order_of(any_world) == [1, 3]


def test_events_are_linked_once_in_the_order_of_their_commits(any_world: World) -> None:
    any_world.record(3, 1, 2)
    assert [any_world.chain.link(2), any_world.chain.link(2), any_world.chain.link(2)] == [2, 1, 0]
    any_world.record(5, 4)
    assert any_world.new_chain().link() == 2
    assert order_of(any_world) == [3, 1, 2, 5, 4]
    assert any_world.report().intact is False
    any_world.chain.export_checkpoint()
    assert any_world.report().intact


def test_many_events_are_linked_in_several_transactions(any_world: World) -> None:
    rows = [event_row(paid(number), START) for number in range(1, 1_202)]
    any_world.database.write(lambda connection: store.insert_events(connection, rows))
    assert [any_world.chain.link(), any_world.chain.link()] == [1_201, 0]
    any_world.chain.export_checkpoint()
    assert order_of(any_world) == list(range(1, 1_202))
    assert any_world.report().intact


def test_an_empty_audit_holds_and_exports_nothing(any_world: World) -> None:
    assert any_world.link() == 0
    assert any_world.chain.export_checkpoint() is None
    report = any_world.report()
    assert report.intact
    assert (report.chain, report.records, report.checkpoints) == (None, 0, 0)


def test_events_that_wait_for_their_link_are_counted(any_world: World) -> None:
    any_world.filled(3).record(4, 5)
    assert any_world.report().unlinked == 2


def run_at_once(*works: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - given to the test
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_parallel_writers_and_linkers_end_in_one_whole_chain(any_world: World) -> None:
    """Each writer's own events stand in its order; two linkers race on the same database."""
    writers, each = 4, 15
    done = threading.Event()

    def link(chain: AuditChain) -> None:
        while not done.is_set():
            chain.link(7)

    def write_all() -> None:
        run_at_once(
            *(
                lambda first=first: any_world.record(*range(first, first + each))
                for first in range(100, 100 * writers + 1, 100)
            )
        )
        done.set()

    run_at_once(write_all, lambda: link(any_world.new_chain()), lambda: link(any_world.new_chain()))
    any_world.link()
    any_world.chain.export_checkpoint()
    order = order_of(any_world)
    assert len(order) == len(set(order)) == writers * each
    for writer in range(1, writers + 1):
        own = [number for number in order if number // 100 == writer]
        assert own == sorted(own)
    assert any_world.report().intact


def test_processes_link_one_chain_on_postgres(
    postgres_world: World, postgres_url: str, tmp_path: Path
) -> None:
    """A second database object has its own connections, as another worker would."""
    other = PostgresDatabase(postgres_url)
    second = AuditChain(
        "insurer",
        database=other,
        keys=postgres_world.keys,
        place=postgres_world.place,
        clock=postgres_world.clock,
    )
    postgres_world.record(*range(1, 41))
    counts: list[int] = []
    run_at_once(
        *(
            lambda chain=chain: counts.extend(chain.link(5) for _ in range(12))
            for chain in (postgres_world.chain, second)
        )
    )
    other.close()
    assert sum(counts) + postgres_world.link() == 40
    assert order_of(postgres_world) == list(range(1, 41))


def test_an_event_whose_transaction_commits_late_is_linked_late(postgres_world: World) -> None:
    """Its number is lower than that of an event which is linked already."""
    inserted, may_commit = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        record(connection, paid(1), at=START)
        inserted.set()
        assert may_commit.wait(30)

    def rest() -> None:
        assert inserted.wait(30)
        postgres_world.record(2)
        assert postgres_world.link() == 1
        may_commit.set()

    run_at_once(lambda: postgres_world.database.write(slow), rest)
    assert postgres_world.link() == 1
    postgres_world.chain.export_checkpoint()
    assert order_of(postgres_world) == [2, 1]
    assert postgres_world.report().intact


def insert_with_number(world: World, event_id: int) -> None:
    row = {"event_id": event_id, **event_row(paid(event_id), START)}
    world.database.write(lambda connection: connection.execute(insert(store.events).values(row)))


def test_events_seen_together_are_linked_by_rising_number(any_world: World) -> None:
    for event_id in (50, 10, 30):
        insert_with_number(any_world, event_id)
    assert any_world.link() == 3
    assert order_of(any_world) == [10, 30, 50]


def test_late_events_are_looked_for_until_no_transaction_can_be_that_old(any_world: World) -> None:
    insert_with_number(any_world, 50)
    assert any_world.link() == 1
    any_world.pass_time(SETTLED_AFTER - timedelta(seconds=1))
    assert any_world.link() == 0
    insert_with_number(any_world, 10)
    assert any_world.link() == 1
    any_world.pass_time(timedelta(seconds=1))
    assert any_world.link() == 0
    insert_with_number(any_world, 60)
    assert any_world.link() == 1
    insert_with_number(any_world, 11)
    assert any_world.link() == 0, "not looked for any more"
    assert any_world.report().unlinked == 1
    assert any_world.new_chain().link() == 1, "found by the next start"


def test_events_beyond_the_limit_of_a_pass_are_never_passed_over(any_world: World) -> None:
    any_world.record(*range(1, 8))
    linked = []
    for _ in range(5):
        linked.append(any_world.chain.link(2))
        any_world.pass_time(SETTLED_AFTER)
    assert linked == [2, 2, 2, 1, 0]


# Verifying


Tampering = Callable[[World], None]


def swap_links(one: int, other: int) -> Tampering:
    return lambda world: world.move({one: other, other: one})


def insert_event(world: World, sequence: int) -> None:
    """Put in a well-made record and shift all later ones."""
    world.move({place: place + 1 for place in range(sequence, 11)})
    insert_with_number(world, 999)
    world.forge_link(sequence, 999)


def delete_and_close_gap(world: World) -> None:
    world.remove(4)
    world.move({place: place - 1 for place in range(5, 11)})


def alter_and_hash_again(world: World) -> None:
    world.alter(store.events, 4, payload='{"amount_fen":1}')
    world.forge_link(4, 4)


def make_anew_from_four(world: World) -> None:
    world.alter(store.events, 4, payload='{"amount_fen":1}')
    for number in range(4, 11):
        world.forge_link(number, number)


def take_all_away(world: World) -> None:
    world.remove(*range(1, 11))
    world.tamper(lambda connection: connection.execute(delete(store.chains)))


TAMPERINGS: dict[str, tuple[Tampering, str, int | None]] = {
    "payload": (lambda w: w.alter(store.events, 4, payload='{"amount_fen":1}'), "altered", 4),
    "blank": (
        lambda w: w.tamper(
            lambda c: c.execute(
                update(store.events)
                .where(store.events.c.event_id == 4)
                .values(payload=store.events.c.payload + " ")
            )
        ),
        "altered",
        4,
    ),
    "kind": (lambda w: w.alter(store.events, 4, kind="test.other"), "altered", 4),
    "moment": (lambda w: w.alter(store.events, 4, at=moment_text(START)[:-1]), "altered", 4),
    "hash": (lambda w: w.alter(store.links, 4, hash="0" * 64), "altered", 4),
    "previous hash": (lambda w: w.alter(store.links, 4, previous_hash="0" * 64), "altered", 4),
    "hashed again": (alter_and_hash_again, "altered", 4),
    "last record": (lambda w: w.alter(store.events, 10, payload="{}"), "altered", 10),
    "first record": (lambda w: w.alter(store.events, 1, payload="{}"), "altered", 1),
    "event deleted": (lambda w: w.remove(4, links=False), "deleted", 4),
    "link deleted": (lambda w: w.remove(4, events=False), "deleted", 4),
    "record deleted": (lambda w: w.remove(4), "deleted", 4),
    "first deleted": (lambda w: w.remove(1), "deleted", 1),
    "several deleted": (lambda w: w.remove(4, 5, 6), "deleted", 4),
    "gap closed": (delete_and_close_gap, "deleted", 4),
    "neighbours swapped": (swap_links(4, 5), "reordered", 4),
    "swapped far apart": (swap_links(4, 9), "reordered", 4),
    "moved to the end": (lambda w: w.move({4: 11}), "reordered", 4),
    "inserted": (lambda w: insert_event(w, 4), "inserted", 4),
    "before the first": (lambda w: w.move({4: 0}), "inserted", 0),
    "tail cut": (lambda w: w.remove(9, 10), "cut_tail", 9),
    "links of the tail cut": (lambda w: w.remove(9, 10, events=False), "cut_tail", 9),
    "made anew": (make_anew_from_four, "rewritten", 4),
    "all deleted": (lambda w: w.remove(*range(1, 11)), "cut_tail", 1),
    "all taken away": (take_all_away, "other_chain", None),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_the_first_broken_record_is_named(any_world: World, name: str) -> None:
    tampering, kind, sequence = TAMPERINGS[name]
    any_world.filled(10, checkpoint_at=(3, 10))
    assert any_world.broken() is None
    tampering(any_world)
    assert any_world.broken() == (kind, sequence)


NEEDS_CHECKPOINTS = {"tail cut", "links of the tail cut", "made anew", "all deleted"}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_without_checkpoints_all_but_a_cut_tail_and_a_chain_made_anew_is_found(
    world: World, name: str
) -> None:
    tampering, kind, sequence = TAMPERINGS[name]
    world.filled(10, checkpoint_at=(3, 10))
    tampering(world)
    unnoticed = NEEDS_CHECKPOINTS | {"all taken away"}
    expected = None if name in unnoticed else (kind, sequence)
    assert world.broken(second_place=False) == expected


@pytest.mark.parametrize("column", ["kind", "at", "payload", "hash", "previous_hash", "event_id"])
@pytest.mark.parametrize("value", ["X'ff'", "5", "5.5", "10000000000000", "'张'", "''"])
def test_what_sqlite_lets_somebody_put_into_a_column_ends_no_walk(
    world: World, column: str, value: str
) -> None:
    world.filled(6, checkpoint_at=(6,))
    table, key = (
        ("audit_event", "event_id")
        if column in {"kind", "at", "payload"}
        else ("audit_link", "sequence")
    )
    if (column, value) == ("event_id", "5"):
        value = "50"  # number 5 is taken
    sql = f"UPDATE {table} SET {column} = {value} WHERE {key} = 4"  # noqa: S608
    world.tamper(lambda connection: connection.execute(text(sql)))
    kind = "deleted" if column == "event_id" else "altered"
    assert world.broken() == (kind, 4)


def test_a_cut_tail_with_its_checkpoint_cannot_be_noticed(world: World) -> None:
    """Documents the limit that the module's text states."""
    world.filled(10, checkpoint_at=(3, 10))
    world.remove(9, 10)
    first, _second = world.checkpoint_file().read_text().splitlines()
    world.checkpoint_file().write_text(first + "\n")
    report = world.report()
    assert report.intact
    assert (report.records, report.checked_until) == (8, 3)


def test_the_report_says_how_far_checkpoints_prove_the_chain(any_world: World) -> None:
    any_world.filled(10, checkpoint_at=(3, 7)).record(11)
    report = any_world.report()
    assert (report.records, report.unlinked) == (10, 1)
    assert (report.checkpoints, report.checked_until, report.breaks) == (2, 7, ())
    assert any_world.report(second_place=False).checkpoints is None


# Checkpoints


def forged_line(world: World, *, keys: DevelopmentKeys, **changes: object) -> bytes:
    """A checkpoint over a shorter chain, signed with keys of the attacker."""
    key = keys.current(CHECKPOINT_PURPOSE)
    head = world.database.read(store.head)
    members = {"count": 1, "at": moment_text(START), "key_id": key.id, **changes}
    checkpoint = Checkpoint(
        chain="insurer",
        sequence=head.sequence,
        hash=head.hash,
        **members,  # type: ignore[arg-type]
    )
    signature = SigningKey.derive(key, info=b"").sign(checkpoint.signed_part())
    return checkpoint.line(signature)


def test_a_forged_checkpoint_is_named_by_its_line(world: World, tmp_path: Path) -> None:
    world.filled(5, checkpoint_at=(2, 5))
    stranger = DevelopmentKeys(tmp_path / "stranger")
    own_id = world.keys.current(CHECKPOINT_PURPOSE).id
    genuine = world.checkpoint_file().read_bytes().splitlines()
    for forged in (
        forged_line(world, keys=stranger),
        forged_line(world, keys=stranger, key_id=own_id),
        genuine[1].replace(b'"count":3', b'"count":4'),
        genuine[1].replace(b'"sequence":5', b'"sequence":4'),
        genuine[0].replace(b"insurer", b"insurex"),
        genuine[0][:-2],
        b"",
        b"\xff",
    ):
        world.checkpoint_file().write_bytes(b"\n".join((genuine[0], forged, genuine[1], b"")))
        (broken,) = world.report().breaks
        assert (broken.kind.value, broken.line) == ("forged_checkpoint", 2), forged


def test_a_record_that_is_broken_is_named_before_a_forged_checkpoint(world: World) -> None:
    world.filled(5, checkpoint_at=(2, 5))
    world.checkpoint_file().write_bytes(world.checkpoint_file().read_bytes() + b"forged\n")
    world.remove(3)
    kinds = [broken.kind.value for broken in world.report().breaks]
    assert kinds == ["deleted", "forged_checkpoint"]


def test_a_chain_without_any_checkpoint_is_not_believed(world: World) -> None:
    world.filled(5, checkpoint_at=(5,))
    world.checkpoint_file().unlink()
    assert world.broken() == ("no_checkpoint", None)


def test_checkpoints_of_another_chain_do_not_count(world: World) -> None:
    world.filled(5, checkpoint_at=(5,))
    world.checkpoint_file().rename(world.folder / "hospital.jsonl")
    assert world.broken() == ("no_checkpoint", None)
    (world.folder / "hospital.jsonl").rename(world.folder / "insurer.jsonl")
    assert world.report(chain="insurer").intact
    (world.folder / "insurer.jsonl").rename(world.folder / "hospital.jsonl")
    breaks = world.report(chain="hospital").breaks
    assert [broken.kind.value for broken in breaks] == [
        "other_chain",
        "altered",
        "forged_checkpoint",
    ]


def test_a_database_with_another_chain_than_the_expected_is_refused(world: World) -> None:
    """Somebody put a fresh database in place of the old one and named its chain otherwise."""
    other = world.new_chain("insurer-2")
    world.record(1)
    other.link()
    assert world.report(chain="insurer", second_place=False).breaks[0].kind.value == "other_chain"


def test_two_signed_checkpoints_that_contradict_each_other_are_named(world: World) -> None:
    world.filled(5, checkpoint_at=(5,))
    line = forged_line(world, keys=world.keys)
    key = world.keys.current(CHECKPOINT_PURPOSE)
    signed = Checkpoint("insurer", 5, "1" * 64, 5, moment_text(START), key.id)
    signature = SigningKey.derive(key, info=b"").sign(signed.signed_part())
    world.place.append("insurer", line)
    assert world.report().intact
    world.place.append("insurer", signed.line(signature))
    assert world.broken() == ("forged_checkpoint", 5)


def test_checkpoints_of_an_older_key_still_hold_after_rotation(world: World) -> None:
    world.filled(3, checkpoint_at=(3,))
    world.keys.rotate(CHECKPOINT_PURPOSE)
    world.record(4)
    world.link()
    second = world.chain.export_checkpoint()
    assert second
    assert (second.sequence, second.count) == (4, 1)
    report = world.report()
    assert report.intact
    assert report.checkpoints == 2


def test_without_keys_no_checkpoint_is_believed(world: World) -> None:
    world.filled(3, checkpoint_at=(3,))
    lines = world.place.everything()
    report = world.database.read(lambda c: verify_chain(c, checkpoints=lines))
    kinds = [broken.kind.value for broken in report.breaks]
    assert kinds == ["forged_checkpoint", "no_checkpoint"]


def test_an_unchanged_chain_is_exported_once(any_world: World) -> None:
    any_world.filled(3)
    first = any_world.chain.export_checkpoint()
    assert first
    assert (first.sequence, first.count, first.at) == (3, 3, "2026-11-21T06:00:00.000000Z")
    assert any_world.chain.export_checkpoint() is None
    assert any_world.new_chain().export_checkpoint() is None
    assert len(any_world.place.lines("insurer")) == 1


# The linker does not go on with what is broken


def refusal_of(work: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.kind.code


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("name", ["tail cut", "made anew", "all taken away"])
def test_a_chain_that_lost_what_was_exported_is_not_continued(
    any_world: World, name: str, restarted: bool
) -> None:
    any_world.filled(10, checkpoint_at=(10,))
    TAMPERINGS[name][0](any_world)
    chain = any_world.new_chain() if restarted else any_world.chain
    any_world.record(11)
    assert refusal_of(chain.link) == "trust.audit_broken"
    assert refusal_of(chain.export_checkpoint) == "trust.audit_broken"
    assert any_world.report().records < 11
    assert len(any_world.place.lines("insurer")) == 1


def test_a_running_linker_notices_a_tail_that_was_cut_before_its_export(world: World) -> None:
    world.filled(5)
    world.remove(4, 5)
    assert refusal_of(world.chain.export_checkpoint) == "trust.audit_broken"


def test_a_gap_is_not_signed(world: World) -> None:
    world.filled(5)
    world.remove(3)
    assert refusal_of(world.chain.export_checkpoint) == "trust.audit_broken"
    assert world.place.lines("insurer") == []


def test_a_forged_last_checkpoint_stops_a_linker_that_starts(world: World) -> None:
    world.filled(5, checkpoint_at=(5,))
    world.place.append("insurer", b"forged")
    assert refusal_of(world.new_chain().link) == "trust.audit_broken"


def test_one_database_has_one_chain(world: World) -> None:
    world.filled(3)
    assert refusal_of(world.new_chain("other").link) == "trust.audit_broken"
    for name in ("", "../x", "Upper"):
        with pytest.raises(ValueError, match="name of a chain"):
            world.new_chain(name)


def test_without_its_second_place_a_linker_does_not_start_and_loses_nothing(world: World) -> None:
    world.record(1)
    world.folder.rmdir()
    assert refusal_of(world.chain.link) == "trust.audit_place_unavailable"
    world.folder.mkdir()
    assert world.link() == 1


def test_several_databases_have_chains_of_their_own_in_one_second_place(
    world: World, tmp_path: Path
) -> None:
    world.filled(3, checkpoint_at=(3,))
    hospital = SqliteDatabase(f"sqlite:///{tmp_path}/hospital.db")
    hospital.create_tables(store.metadata)
    chain = AuditChain(
        "hospital", database=hospital, keys=world.keys, place=world.place, clock=world.clock
    )
    hospital.write(lambda connection: record(connection, paid(1), at=START))
    assert chain.link() == 1
    chain.export_checkpoint()
    lines = world.place.everything()
    for database, name in ((world.database, "insurer"), (hospital, "hospital")):
        report = database.read(
            lambda c: verify_chain(c, checkpoints=lines, public_keys=public_keys_of(world.keys))
        )
        assert (report.chain, report.intact) == (name, True)
    hospital.close()


# Triggers


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET payload = '{}'",
        "DELETE FROM audit_event",
        "UPDATE audit_link SET hash = ''",
        "DELETE FROM audit_link WHERE sequence = 1",
        "UPDATE audit_chain SET name = 'other'",
        "DELETE FROM audit_chain",
    ],
)
def test_the_database_refuses_to_change_what_is_there(any_world: World, statement: str) -> None:
    any_world.filled(2, checkpoint_at=(2,))
    with pytest.raises(DatabaseError, match="the audit only grows"):
        any_world.database.write(lambda connection: connection.execute(text(statement)))
    assert any_world.report().intact


def test_postgres_refuses_to_empty_the_audit(postgres_world: World) -> None:
    postgres_world.filled(2)
    with pytest.raises(DatabaseError, match="the audit only grows"):
        postgres_world.database.write(lambda c: c.execute(text("TRUNCATE audit_event")))


# In the background


def test_the_linker_links_and_exports_before_it_stops(any_world: World) -> None:
    linker = Linker(any_world.chain, clock=any_world.clock, pause_s=0.001)
    linker.start()
    any_world.record(*range(1, 8))
    linker.stop()
    state = linker.state()
    assert (state.linked, state.last_pass_at, state.failure) == (7, START, None)
    report = any_world.report()
    assert report.intact
    assert (report.unlinked, report.checked_until) == (0, 7)


def test_the_linker_tells_what_failed_and_goes_on(world: World) -> None:
    world.record(1)
    world.folder.rmdir()
    failing = threading.Event()
    told = threading.Event()

    class Place:
        """Tells the test that it was asked."""

        def append(self, chain: str, line: bytes) -> None:
            world.place.append(chain, line)

        def lines(self, chain: str) -> list[bytes]:
            if failing.is_set():
                told.set()
            return world.place.lines(chain)

        def everything(self) -> dict[str, list[bytes]]:
            return world.place.everything()

    chain = AuditChain(
        "insurer", database=world.database, keys=world.keys, place=Place(), clock=world.clock
    )
    linker = Linker(chain, clock=world.clock, pause_s=0.001)
    failing.set()
    linker.start()
    assert told.wait(30)
    told.clear()
    assert told.wait(30), "it tries again"
    assert linker.state().failure == "trust.audit_place_unavailable"
    assert linker.state().last_pass_at is None
    world.folder.mkdir()
    linker.stop()
    assert linker.state().failure is None
    assert world.report().records == 1


def test_checkpoints_are_exported_when_they_are_due(world: World) -> None:
    clock = SettableClock(START)
    linker = Linker(world.chain, clock=clock, checkpoint_every=timedelta(seconds=10))
    counts = []
    for number, second in enumerate((0, 5, 9, 10, 15, 20), 1):
        clock.set(START + timedelta(seconds=second))
        world.record(number)
        linker._pass(last=False)
        counts.append(len(world.place.lines("insurer")))
    assert counts == [1, 1, 1, 2, 2, 3]


# What lies on the disk


def test_neither_database_nor_log_nor_second_place_shows_a_person(tmp_path: Path) -> None:
    """The control: what may be there is found by the same search."""
    database = SqliteDatabase(f"sqlite:///{tmp_path}/audit.db")
    world = World(database, tmp_path)
    people = (PATIENT, *OTHERS)
    for number, _person in enumerate(people, 1):
        world.record(number)
    world.link()
    world.chain.export_checkpoint()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"audit.db", "audit.db-wal", "insurer.jsonl"} <= names
    content = b"".join(path.read_bytes() for path in files)
    database.close()
    content += (tmp_path / "audit.db").read_bytes()
    assert all(f'"psn_no":"P{number}"'.encode() in content for number in range(1, 6))
    for person in people:
        for value in (person.name, person.id_number, person.born):
            for encoding in ("utf-8", "utf-16-le", "gb18030"):
                assert value.encode(encoding) not in content
