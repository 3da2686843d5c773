"""Nonces: used once, by whatever worker; forgotten only when nobody would believe them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from operator import methodcaller

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text

from shualian.core.database import Database, PostgresDatabase
from shualian.core.refusals import Refused
from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.model import TerminalClass
from shualian.terminals.requests.model import (
    NONCE_REPLAYED,
    SIGNED_BEFORE_START,
    NonceUse,
)
from shualian.terminals.requests.store import MemoryNonces, SharedNonces
from shualian.terminals.store import metadata, nonce_floors, nonces
from terminals.district import LIMITS, START, District, answer_of

KEY, OTHER_KEY = KeyId("a" * 64), KeyId("b" * 64)
SECOND = timedelta(seconds=1)
BEFORE = START - timedelta(minutes=5)


def memory(**limits: int) -> MemoryNonces:
    return MemoryNonces(started_at=BEFORE, limits=LIMITS, **limits)


def shared(database: Database) -> SharedNonces:
    """A store that has started five minutes ago."""
    database.create_tables(metadata)
    store = SharedNonces(database=database, limits=LIMITS)
    assert store.use(KEY, "first", created=BEFORE, now=BEFORE) is NonceUse.BEFORE_START
    return store


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> MemoryNonces | SharedNonces:
    if request.param == "memory":
        return memory()
    return shared(request.getfixturevalue(f"{request.param}_database"))


def test_a_nonce_is_new_once_for_each_key(store: MemoryNonces | SharedNonces) -> None:
    assert store.use(KEY, "n", created=START, now=START) is NonceUse.NEW
    assert store.use(KEY, "n", created=START, now=START) is NonceUse.REPLAYED
    assert store.use(OTHER_KEY, "n", created=START, now=START) is NonceUse.NEW
    assert store.use(KEY, "m", created=START, now=START) is NonceUse.NEW


def test_a_nonce_is_remembered_as_long_as_its_signature_is_fresh(
    store: MemoryNonces | SharedNonces,
) -> None:
    created = START + timedelta(seconds=LIMITS.ahead_max_s)
    assert store.use(KEY, "n", created=created, now=START) is NonceUse.NEW
    for seconds in (1, 30, 61, 65):
        now = START + timedelta(seconds=seconds)
        assert store.use(KEY, "n", created=created, now=now) is NonceUse.REPLAYED
    after = START + timedelta(seconds=66 + 60)
    assert store.use(KEY, "x", created=after, now=after) is NonceUse.NEW
    assert store.use(KEY, "n", created=created, now=after) is NonceUse.BEFORE_START


def test_a_clock_that_is_set_back_brings_no_forgotten_nonce_back(
    store: MemoryNonces | SharedNonces,
) -> None:
    assert store.use(KEY, "n", created=START, now=START) is NonceUse.NEW
    later = START + timedelta(minutes=3)
    assert store.use(KEY, "x", created=later, now=later) is NonceUse.NEW
    assert store.use(KEY, "n", created=START, now=START) is not NonceUse.NEW


def test_what_was_signed_before_the_start_is_not_new() -> None:
    fresh = MemoryNonces(started_at=START, limits=LIMITS)
    ahead = timedelta(seconds=LIMITS.ahead_max_s)
    now = START + ahead
    assert fresh.use(KEY, "n", created=START, now=now) is NonceUse.BEFORE_START
    assert fresh.use(KEY, "n", created=START + ahead - SECOND, now=now) is NonceUse.BEFORE_START
    assert fresh.use(KEY, "n", created=START + ahead, now=now) is NonceUse.NEW


def test_memory_is_bounded_by_key_and_in_all_and_full_means_refused() -> None:
    small = memory(nonces_max=3, nonces_per_key_max=2)
    uses = [small.use(KEY, f"n{number}", created=START, now=START) for number in range(3)]
    assert uses == [NonceUse.NEW, NonceUse.NEW, NonceUse.TOO_MANY]
    assert small.use(OTHER_KEY, "n", created=START, now=START) is NonceUse.NEW
    assert small.use(OTHER_KEY, "m", created=START, now=START) is NonceUse.TOO_MANY
    # A replay stays a replay, and room comes back with time.
    assert small.use(KEY, "n0", created=START, now=START) is NonceUse.REPLAYED
    later = START + timedelta(seconds=LIMITS.age_max_s + 1)
    assert small.use(KEY, "n9", created=later, now=later) is NonceUse.NEW


@given(
    uses=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(-60, 5), st.integers(0, 40)), max_size=30
    )
)
def test_no_pair_of_nonce_and_moment_is_ever_new_twice(
    uses: list[tuple[str, int, int]],
) -> None:
    checked = memory()
    accepted: set[tuple[str, object]] = set()
    now = START
    for nonce, skew_s, wait_s in uses:
        now += timedelta(seconds=wait_s)
        created = now + timedelta(seconds=skew_s)
        if checked.use(KEY, nonce, created=created, now=now) is NonceUse.NEW:
            assert (nonce, created) not in accepted
            accepted.add((nonce, created))


@pytest.fixture
def workers(postgres_url: str) -> Iterator[tuple[PostgresDatabase, PostgresDatabase]]:
    pair = PostgresDatabase(postgres_url), PostgresDatabase(postgres_url)
    yield pair
    for worker in pair:
        worker.close()


def test_a_request_taken_by_one_worker_is_a_replay_at_the_other(
    workers: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    one, other = workers
    first = District(one, nonces=shared(one))
    first.register_models(TerminalClass.SCAN_FACE_PAY)
    second = District(other, nonces=SharedNonces(database=other, limits=LIMITS))
    device = first.active()
    request = first.request(device)
    first.requests.verify(request)
    assert answer_of(lambda: second.requests.verify(request)) is NONCE_REPLAYED
    assert second.counters.counted == {"terminals_nonce_replayed_total": 1}
    second.requests.verify(second.request(device))


def test_of_many_workers_with_the_same_nonce_at_once_exactly_one_wins(
    workers: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    shared(workers[0])
    stores = [SharedNonces(database=worker, limits=LIMITS) for worker in workers]
    together = threading.Barrier(8)

    def use(number: int) -> NonceUse:
        together.wait()
        return stores[number % 2].use(KEY, "n", created=START, now=START)

    with ThreadPoolExecutor(8) as pool:
        uses = list(pool.map(use, range(8)))
    assert sorted(uses) == [NonceUse.NEW] + [NonceUse.REPLAYED] * 7


def test_the_tables_are_unlogged_and_both_empty_after_a_crash(
    postgres_database: PostgresDatabase,
) -> None:
    store = shared(postgres_database)
    persistence = text(
        "SELECT count(*) FROM pg_class WHERE relpersistence = 'u'"
        " AND relname IN ('terminal_nonce', 'terminal_nonce_floor')"
    )
    assert postgres_database.read(lambda each: each.scalar(persistence)) == 2
    assert store.use(KEY, "n", created=START, now=START) is NonceUse.NEW
    # What the server does to unlogged tables after a crash (manual, CREATE TABLE, UNLOGGED).
    for emptied in (delete(nonces), delete(nonce_floors)):
        postgres_database.write(methodcaller("execute", emptied))
    now = START + 2 * SECOND
    assert store.use(KEY, "n", created=START, now=now) is NonceUse.BEFORE_START
    assert store.use(KEY, "n", created=START, now=now) is NonceUse.BEFORE_START
    later = now + timedelta(seconds=LIMITS.ahead_max_s)
    assert store.use(KEY, "m", created=later, now=later) is NonceUse.NEW


def test_shared_nonces_do_not_pile_up(sqlite_database: Database) -> None:
    store = shared(sqlite_database)
    for minutes in range(5):
        now = START + timedelta(minutes=2 * minutes)
        store.use(KEY, f"n{minutes}", created=now, now=now)
    count = select(func.count()).select_from(nonces)
    assert sqlite_database.read(lambda each: each.scalar(count)) == 1


def test_a_shared_store_that_has_just_started_believes_nothing(
    postgres_database: PostgresDatabase,
) -> None:
    district = District(
        postgres_database, nonces=SharedNonces(database=postgres_database, limits=LIMITS)
    )
    district.register_models(TerminalClass.SCAN_FACE_PAY)
    device = district.active()
    assert answer_of(lambda: district.requests.verify(district.request(device))) is (
        SIGNED_BEFORE_START
    )
    district.wait(timedelta(seconds=LIMITS.ahead_max_s))
    district.requests.verify(district.request(device))


def test_a_database_that_is_gone_refuses_instead_of_letting_pass(
    postgres_database: PostgresDatabase,
) -> None:
    store = shared(postgres_database)
    postgres_database.close()
    with pytest.raises(Refused):
        store.use(KEY, "n", created=START, now=START)
