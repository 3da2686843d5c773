"""Callers at the same time share a transaction, and nobody fails by a fault of another."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select
from sqlalchemy.exc import IntegrityError

from shualian.core.database import Database
from shualian.core.database.refusals import DATABASE_CLOSED
from shualian.core.database.together import Alone, Raised, Together
from shualian.core.refusals import Refused

metadata = MetaData()
note = Table(
    "note",
    metadata,
    Column("body", String(20), primary_key=True),
    Column("transaction", Integer, nullable=False),
)
BLOCKER = "blocker"


@dataclass
class Notes:
    """Notes that several write together; a blocker is under way until it is let go."""

    database: Database
    groups: list[list[str]] = field(default_factory=list)
    singles: list[str] = field(default_factory=list)
    outcomes: dict[str, str | Raised | Alone] = field(default_factory=dict)
    inside: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    free: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.database.create_tables(metadata)
        self.shared = Together(
            self.database,
            alone=self.alone,
            together=self.together,
            apart=lambda body: body.split("/")[0],
        )

    def alone(self, connection: Connection, body: str) -> str:
        if body.startswith(BLOCKER):
            self.inside.release()
            assert self.free.wait(30)
            return body
        self.singles.append(body)
        connection.execute(insert(note).values(body=body, transaction=0))
        return f"alone {body}"

    def together(
        self, connection: Connection, bodies: Sequence[str]
    ) -> Sequence[str | Raised | Alone]:
        self.groups.append(list(bodies))
        told = [self.outcomes.get(body, f"together {body}") for body in bodies]
        for body, outcome in zip(bodies, told, strict=True):
            if isinstance(outcome, str):
                row = insert(note).values(body=body, transaction=len(self.groups))
                connection.execute(row)
        return told

    def kept(self) -> dict[str, int]:
        """Each note with the number of the group that wrote it, 0 for one that was alone."""
        return self.database.read(lambda c: {row[0]: row[1] for row in c.execute(select(note))})

    def at_once(self, *bodies: str, meanwhile: Callable[[], None] | None = None) -> list[object]:
        """The outcome of each; all came while blockers were under way."""
        blockers = self.database.writes_at_once
        with ThreadPoolExecutor(blockers + len(bodies)) as pool:
            for number in range(blockers):
                pool.submit(self.shared.write, f"{BLOCKER}{number}")
            for _ in range(blockers):
                assert self.inside.acquire(timeout=30)
            asked = [pool.submit(self.shared.write, body) for body in bodies]
            until = time.monotonic() + 30
            while len(self.shared._waiting) < len(bodies):
                assert time.monotonic() < until
                time.sleep(0.001)
            if meanwhile is not None:
                meanwhile()
            self.free.set()
            return [_outcome(each) for each in asked]


def _outcome(asked: "Future[str]") -> object:
    failure = asked.exception(timeout=30)
    return asked.result() if failure is None else failure


@pytest.fixture
def notes(any_database: Database) -> Notes:
    return Notes(any_database)


def test_a_lone_caller_waits_for_nobody(notes: Notes) -> None:
    assert notes.shared.write("a") == "alone a"

    assert notes.groups == []
    assert notes.kept() == {"a": 0}


def test_who_comes_meanwhile_is_served_in_one_transaction(notes: Notes) -> None:
    outcomes = notes.at_once("a", "b", "c")

    assert outcomes == ["together a", "together b", "together c"]
    assert [sorted(group) for group in notes.groups] == [["a", "b", "c"]]
    assert notes.kept() == {"a": 1, "b": 1, "c": 1}


def test_calls_that_are_to_be_apart_are_never_in_one_transaction(notes: Notes) -> None:
    outcomes = notes.at_once("a/1", "a/2", "a/3", "b/1")

    assert {str(each).split(" ")[1] for each in outcomes} == {"a/1", "a/2", "a/3", "b/1"}
    for group in notes.groups:
        assert len({body.split("/")[0] for body in group}) == len(group)
    assert notes.kept().keys() == {"a/1", "a/2", "a/3", "b/1"}


def test_one_who_is_refused_changes_nothing_for_the_others(notes: Notes) -> None:
    notes.outcomes["b"] = Raised(ValueError("only b"))

    outcomes = notes.at_once("a", "b", "c")

    assert [str(each) for each in outcomes] == ["together a", "only b", "together c"]
    assert notes.kept() == {"a": 1, "c": 1}


def test_one_whom_nobody_can_wait_for_is_served_alone(notes: Notes) -> None:
    notes.outcomes["b"] = Alone.ALONE

    assert notes.at_once("a", "b") == ["together a", "alone b"]

    assert notes.kept() == {"a": 1, "b": 0}


def test_when_the_shared_transaction_fails_each_is_served_alone(notes: Notes) -> None:
    notes.shared.write("b")

    outcomes = notes.at_once("a", "b", "c")

    assert [outcomes[0], outcomes[2]] == ["alone a", "alone c"]
    assert isinstance(outcomes[1], IntegrityError)
    assert notes.kept() == {"a": 0, "b": 0, "c": 0}


def test_what_the_database_refuses_is_told_to_each(notes: Notes) -> None:
    closing = threading.Thread(target=notes.database.close)

    def close() -> None:
        closing.start()
        time.sleep(0.1)

    outcomes = notes.at_once("a", "b", meanwhile=close)
    closing.join()

    assert [each.kind for each in outcomes if isinstance(each, Refused)] == [DATABASE_CLOSED] * 2
    assert outcomes[0] is not outcomes[1]


def test_an_interrupted_caller_keeps_nobody_from_being_served(notes: Notes) -> None:
    class InterruptionError(BaseException):
        """Ends a thread, as Ctrl-C ends a program."""

    def interrupted(connection: Connection, body: str) -> str:
        raise InterruptionError

    def interrupted_together(connection: Connection, bodies: Sequence[str]) -> Sequence[str]:
        raise InterruptionError

    shared = Together[str, str](
        notes.database, alone=interrupted, together=interrupted_together, apart=str
    )
    for _ in range(3):
        with pytest.raises(InterruptionError):
            shared.write("a")


def test_many_callers_of_few_kinds_are_all_served_once(notes: Notes) -> None:
    bodies = [f"{number % 5}/{number}" for number in range(60)]

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(notes.shared.write, bodies))

    assert sorted(each.split(" ")[1] for each in outcomes) == sorted(bodies)
    assert notes.kept().keys() == set(bodies)
