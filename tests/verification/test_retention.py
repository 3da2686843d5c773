"""Sessions, proofs and redemptions end after a time; what nobody brought to an end, after a day."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shualian.core.database import Database
from shualian.trust.audit import store as audit_store
from shualian.verification import store
from shualian.verification.model import AccessKind
from verification.emergency.room import PEOPLE, EmergencyRoom
from verification.world import ZHANG, World

TABLES = (store.sessions, store.consents, store.persons, store.proofs, store.redemptions)


@pytest.fixture
def any_world(any_database: Database) -> World:
    return World(database=any_database)


@pytest.fixture
def any_room(any_database: Database) -> EmergencyRoom:
    return EmergencyRoom(any_database)


def test_an_old_session_goes_with_all_that_came_of_it_and_the_audit_stays(any_world: World) -> None:
    any_world.redeem(any_world.proof())
    audited = any_world.rows(audit_store.events)
    any_world.wait(timedelta(days=400).total_seconds())

    assert any_world.service.forget_before(any_world.clock.now() - timedelta(days=30)) == 1

    assert [any_world.rows(table) for table in TABLES] == [0] * len(TABLES)
    assert any_world.service.accesses_of(ZHANG) == []
    assert any_world.rows(audit_store.events) == audited


def test_what_is_younger_stays_whole(any_world: World) -> None:
    any_world.redeem(any_world.proof())
    before = [any_world.rows(table) for table in TABLES]
    any_world.wait(timedelta(days=29).total_seconds())

    assert any_world.service.forget_before(any_world.clock.now() - timedelta(days=30)) == 0
    assert [any_world.rows(table) for table in TABLES] == before
    assert any_world.service.accesses_of(ZHANG)[-1].what is AccessKind.PROOF_REDEEMED


def test_a_session_that_nobody_brought_to_a_decision_goes_after_a_day(any_world: World) -> None:
    any_world.begin()
    opened = any_world.open()
    long_ago = any_world.clock.now() - timedelta(days=365)
    any_world.wait(timedelta(hours=23).total_seconds())
    assert any_world.service.forget_before(long_ago) == 0
    assert any_world.session(opened.session_id)

    any_world.wait(timedelta(hours=2).total_seconds())
    assert any_world.service.forget_before(long_ago) == 2
    assert any_world.rows(store.sessions) == any_world.rows(store.consents) == 0


def test_a_proof_that_may_still_be_redeemed_is_never_forgotten(any_world: World) -> None:
    proof = any_world.proof()

    assert any_world.service.forget_before(any_world.clock.now() + timedelta(days=1)) == 0
    assert any_world.redeem(proof)


@settings(max_examples=15)
@given(hours=st.lists(st.integers(0, 100), max_size=8), kept_h=st.integers(24, 100))
def test_exactly_the_older_ones_go(hours: list[int], kept_h: int) -> None:
    with TemporaryDirectory() as folder, closing(World(Path(folder))) as world:
        _older_ones_go(world, hours, kept_h)


def _older_ones_go(world: World, hours: list[int], kept_h: int) -> None:
    start = world.clock.now()
    for hour in sorted(hours):
        world.clock.set(start + timedelta(hours=hour))
        world.called()
    world.clock.set(start + timedelta(hours=200))

    forgotten = world.service.forget_before(start + timedelta(hours=kept_h))

    assert forgotten == sum(hour < kept_h for hour in hours)
    assert world.rows(store.persons) == len(hours) - forgotten


def test_reviewed_emergency_searches_end_and_unreviewed_ones_wait(any_room: EmergencyRoom) -> None:
    first, _second = any_room.search(), any_room.search()
    any_room.review(first.emergency_id)
    any_room.wait(timedelta(days=40))
    before = any_room.clock.now() - timedelta(days=30)

    assert any_room.service.forget_before(before - timedelta(days=30)) == 0
    assert any_room.service.forget_before(before) == 1
    (left,) = any_room.service.accesses_of(PEOPLE[0])
    assert left.finding is None
