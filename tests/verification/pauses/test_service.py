"""Pauses over a database: what is kept, what a success clears, and counting at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from shualian.core.clock import SettableClock
from shualian.core.database import Database, SqliteDatabase
from shualian.core.identifiers import PersonNo, TerminalId
from shualian.core.refusals import Refused
from shualian.trust.audit import store as audit_store
from shualian.verification.pauses import store
from shualian.verification.pauses.model import (
    CLAIM_PAUSED,
    CLAIMED_RULE,
    TERMINAL_PAUSED,
    TERMINAL_RULE,
)
from shualian.verification.pauses.service import FacePauses

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
K01, K02 = TerminalId("K01"), TerminalId("K02")
ZHANG, LI = PersonNo("990000001"), PersonNo("990000002")


class Machines:
    """Pauses with a clock that a test moves."""

    def __init__(self, database: Database) -> None:
        database.create_tables(store.metadata)
        database.create_tables(audit_store.metadata)
        self.database = database
        self.clock = SettableClock(START)
        self.pauses = FacePauses(database=database, clock=self.clock)

    def fail(self, times: int, *, at: TerminalId = K01, claimed: PersonNo | None = None) -> None:
        for _ in range(times):
            self.pauses.failed(terminal_id=at, claimed=claimed)

    def refusal(self, *, at: TerminalId = K01, claimed: PersonNo | None = None) -> str | None:
        try:
            self.pauses.check(terminal_id=at, claimed=claimed)
        except Refused as refused:
            return refused.kind.code
        return None

    def wait(self, time: timedelta) -> None:
        self.clock.set(self.clock.now() + time)


@pytest.fixture
def machines(sqlite_database: SqliteDatabase) -> Machines:
    return Machines(sqlite_database)


@pytest.fixture
def any_machines(any_database: Database) -> Machines:
    return Machines(any_database)


def test_a_claimed_identity_is_paused_at_every_terminal(any_machines: Machines) -> None:
    any_machines.fail(CLAIMED_RULE.failures_max, claimed=ZHANG)

    assert any_machines.refusal(claimed=ZHANG) == CLAIM_PAUSED.code
    assert any_machines.refusal(at=K02, claimed=ZHANG) == CLAIM_PAUSED.code


def test_others_at_the_same_terminal_and_the_true_person_with_a_document_are_not_paused(
    machines: Machines,
) -> None:
    machines.fail(CLAIMED_RULE.failures_max, claimed=ZHANG)

    assert machines.refusal(claimed=LI) is None
    # A document is no claim that a stranger can make, so it comes without one.
    assert machines.refusal(claimed=None) is None


def test_a_pause_ends_by_itself(machines: Machines) -> None:
    machines.fail(CLAIMED_RULE.failures_max, claimed=ZHANG)

    machines.wait(CLAIMED_RULE.first)

    assert machines.refusal(claimed=ZHANG) is None


def test_pauses_survive_a_restart(any_machines: Machines) -> None:
    any_machines.fail(CLAIMED_RULE.failures_max, claimed=ZHANG)

    again = FacePauses(database=any_machines.database, clock=any_machines.clock)

    with pytest.raises(Refused) as refused:
        again.check(terminal_id=K02, claimed=ZHANG)
    assert refused.value.kind is CLAIM_PAUSED


def test_success_forgets_the_failures_of_the_person(machines: Machines) -> None:
    machines.fail(CLAIMED_RULE.failures_max - 1, claimed=ZHANG)

    machines.pauses.succeeded(terminal_id=K01, claimed=ZHANG)
    machines.fail(1, claimed=ZHANG)

    assert machines.refusal(claimed=ZHANG) is None


def test_success_does_not_clear_what_was_counted_at_the_terminal(machines: Machines) -> None:
    machines.fail(TERMINAL_RULE.failures_max - 1)
    machines.pauses.succeeded(terminal_id=K01, claimed=ZHANG)
    machines.pauses.succeeded(terminal_id=K01, claimed=None)

    machines.fail(1)

    assert machines.refusal() == TERMINAL_PAUSED.code
    assert machines.refusal(at=K02) is None
    machines.pauses.succeeded(terminal_id=K01, claimed=ZHANG)
    assert [each.terminal_id for each in machines.pauses.alarms()] == [K01]


def test_failures_at_many_people_pause_the_terminal(machines: Machines) -> None:
    for number in range(TERMINAL_RULE.failures_max):
        machines.fail(1, claimed=PersonNo(f"99000{number}"))

    assert machines.refusal() == TERMINAL_PAUSED.code


def test_failures_counted_at_once_are_all_counted(any_machines: Machines) -> None:
    def fail() -> None:
        any_machines.pauses.failed(terminal_id=K01, claimed=ZHANG)

    with ThreadPoolExecutor(5) as pool:
        for counted in [pool.submit(fail) for _ in range(5)]:
            counted.result()

    assert any_machines.refusal(claimed=ZHANG) is None
    any_machines.fail(1, claimed=ZHANG)
    assert any_machines.refusal(claimed=ZHANG) == CLAIM_PAUSED.code


def test_the_audit_says_who_was_paused_until_when(machines: Machines) -> None:
    machines.fail(CLAIMED_RULE.failures_max, claimed=ZHANG)

    events = machines.database.read(
        lambda connection: connection.execute(select(audit_store.events)).all()
    )
    assert [each.kind for each in events] == ["verification.paused"]
    assert ZHANG in events[0].payload


def test_the_forgotten_is_deleted_and_the_rest_is_kept(any_machines: Machines) -> None:
    any_machines.fail(1, claimed=ZHANG)
    any_machines.fail(CLAIMED_RULE.failures_max, at=K02, claimed=LI)

    any_machines.wait(CLAIMED_RULE.window)

    # Both terminals and one identity; the pause of the other one still counts.
    assert any_machines.pauses.purge() == 3
    any_machines.wait(CLAIMED_RULE.first + CLAIMED_RULE.forgotten_after)
    assert any_machines.pauses.purge() == 1
    assert any_machines.pauses.purge() == 0
