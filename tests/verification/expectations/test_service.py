"""Who is expected and who is called: by whom, where, and for how long."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select, update

from shualian.core.clock import SettableClock
from shualian.core.database import Database, SqliteDatabase
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId
from shualian.core.refusals import Refused
from shualian.terminals import store as terminal_store
from shualian.terminals.model import TERMINAL_NOT_FOUND, TerminalState
from shualian.trust.audit import store as audit_store
from shualian.verification.expectations import store
from shualian.verification.expectations.model import (
    CALL_MINUTES_MAX,
    CALL_TIME_INVALID,
    EXPECTED_DAY_INVALID,
    Call,
    ExpectedFor,
    new_call,
)
from shualian.verification.expectations.service import ExpectedPeople

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
TODAY = date(2026, 1, 5)
HOSPITAL, ELSEWHERE = InstitutionCode("H99000000001"), InstitutionCode("H99000000002")
ZHANG, LI, WANG = (PersonNo(f"99000000{n}") for n in (1, 2, 3))
ROOM_1, ROOM_2, FOREIGN = (TerminalId(f"K0{n}") for n in (1, 2, 3))


class Templates:
    """Consents to a kept template that are known beforehand."""

    def __init__(self) -> None:
        self.of = {ZHANG, LI}

    def with_template(self, people: Collection[PersonNo]) -> Collection[PersonNo]:
        # Somebody who was not asked for must not slip in.
        return (set(people) & self.of) | {PersonNo("990000099")}


class Hospital:
    """Expectations over one database with three terminals."""

    def __init__(self, database: Database) -> None:
        for metadata in (store.metadata, terminal_store.metadata, audit_store.metadata):
            database.create_tables(metadata)
        self.database = database
        self.clock = SettableClock(START)
        self.templates = Templates()
        self.people = ExpectedPeople(database=database, clock=self.clock, consents=self.templates)
        for terminal_id, institution in (
            (ROOM_1, HOSPITAL),
            (ROOM_2, HOSPITAL),
            (FOREIGN, ELSEWHERE),
        ):
            self.put_terminal(terminal_id, institution)

    def put_terminal(self, terminal_id: TerminalId, institution: InstitutionCode) -> None:
        place = {
            "place_id": f"P{terminal_id}",
            "institution": institution,
            "created_by": "S1",
            "name": "诊室",
            "department": "内科",
            "latitude": 30.0,
            "longitude": 120.0,
            "fence_m": 100,
            "terminal_class": "III",
            "scenes": "01201",
            "mobile": False,
            "networks": "",
        }
        terminal = {
            "terminal_id": terminal_id,
            "place_id": f"P{terminal_id}",
            "state": TerminalState.ACTIVE.value,
            "state_at": START,
            "invited_by": "S1",
        }

        def work(connection: Connection) -> None:
            connection.execute(insert(terminal_store.places).values(**place))
            connection.execute(insert(terminal_store.terminals).values(**terminal))

        self.database.write(work)

    def expected(self, institution: InstitutionCode = HOSPITAL) -> Collection[PersonNo]:
        return self.people.expected(institution, now=self.clock.now())

    def called(self, terminal_id: TerminalId = ROOM_1) -> PersonNo | None:
        return self.people.called(terminal_id, now=self.clock.now())

    def wait(self, time: timedelta) -> None:
        self.clock.set(self.clock.now() + time)


@pytest.fixture
def hospital(sqlite_database: SqliteDatabase) -> Hospital:
    return Hospital(sqlite_database)


@pytest.fixture
def any_hospital(any_database: Database) -> Hospital:
    return Hospital(any_database)


def test_who_has_an_appointment_today_is_expected_there_and_nowhere_else(
    any_hospital: Hospital,
) -> None:
    for _ in range(2):
        any_hospital.people.expect(HOSPITAL, ZHANG, day=TODAY, why=ExpectedFor.APPOINTMENT)
    tomorrow = TODAY + timedelta(days=1)
    any_hospital.people.expect(HOSPITAL, LI, day=tomorrow, why=ExpectedFor.APPOINTMENT)

    assert any_hospital.expected() == {ZHANG}
    assert any_hospital.expected(ELSEWHERE) == set()
    any_hospital.wait(timedelta(days=1))
    assert any_hospital.expected() == {LI}


def test_who_keeps_no_template_is_not_among_those_who_are_searched(hospital: Hospital) -> None:
    for person in (ZHANG, WANG):
        hospital.people.expect(HOSPITAL, person, day=TODAY, why=ExpectedFor.REGISTRATION)
    assert hospital.expected() == {ZHANG}

    hospital.templates.of.clear()

    assert hospital.expected() == set()


def test_a_cancelled_appointment_leaves_the_other_reasons(any_hospital: Hospital) -> None:
    reasons = (ExpectedFor.APPOINTMENT, ExpectedFor.COLLECTION)
    for why in reasons:
        any_hospital.people.expect(HOSPITAL, ZHANG, day=TODAY, why=why)

    any_hospital.people.forget(HOSPITAL, ZHANG, day=TODAY, why=reasons[0])
    assert any_hospital.expected() == {ZHANG}
    any_hospital.people.forget(HOSPITAL, ZHANG, day=TODAY, why=reasons[1])
    assert any_hospital.expected() == set()


def test_the_day_begins_at_midnight_in_china(hospital: Hospital) -> None:
    tomorrow = TODAY + timedelta(days=1)
    hospital.people.expect(HOSPITAL, ZHANG, day=tomorrow, why=ExpectedFor.WARD)

    hospital.clock.set(datetime(2026, 1, 5, 15, 59, 59, tzinfo=UTC))
    assert hospital.expected() == set()
    hospital.wait(timedelta(seconds=1))
    assert hospital.expected() == {ZHANG}


@pytest.mark.parametrize("days", [-1, 32])
def test_nobody_is_expected_in_the_past_or_in_far_future(hospital: Hospital, days: int) -> None:
    day = TODAY + timedelta(days=days)

    with pytest.raises(Refused) as refused:
        hospital.people.expect(HOSPITAL, ZHANG, day=day, why=ExpectedFor.APPOINTMENT)

    assert refused.value.kind is EXPECTED_DAY_INVALID


def test_a_call_arms_one_terminal_until_its_time_is_over(any_hospital: Hospital) -> None:
    any_hospital.people.call(ROOM_1, HOSPITAL, ZHANG, valid_minutes=5)

    assert any_hospital.called() == ZHANG
    assert any_hospital.called(ROOM_2) is None
    any_hospital.wait(timedelta(minutes=5))
    assert any_hospital.called() is None


def test_the_next_patient_takes_the_place_of_the_one_before(any_hospital: Hospital) -> None:
    any_hospital.people.call(ROOM_1, HOSPITAL, ZHANG)
    any_hospital.people.call(ROOM_1, HOSPITAL, LI)

    assert any_hospital.called() == LI


def test_who_is_called_into_another_room_is_called_there_only(hospital: Hospital) -> None:
    hospital.people.call(ROOM_1, HOSPITAL, ZHANG)
    hospital.people.call(ROOM_2, HOSPITAL, ZHANG)

    assert hospital.called(ROOM_1) is None
    assert hospital.called(ROOM_2) == ZHANG


@pytest.mark.parametrize("terminal_id", [FOREIGN, TerminalId("K99")])
def test_a_terminal_of_another_institution_cannot_be_armed(
    any_hospital: Hospital, terminal_id: TerminalId
) -> None:
    with pytest.raises(Refused) as refused:
        any_hospital.people.call(terminal_id, HOSPITAL, ZHANG)

    assert refused.value.kind is TERMINAL_NOT_FOUND
    assert refused.value.details == {}
    assert any_hospital.called(terminal_id) is None


def test_a_terminal_that_is_not_active_cannot_be_armed(hospital: Hospital) -> None:
    suspended = update(terminal_store.terminals).values(state=TerminalState.SUSPENDED.value)
    hospital.database.write(lambda connection: connection.execute(suspended) and None)

    with pytest.raises(Refused) as refused:
        hospital.people.call(ROOM_1, HOSPITAL, ZHANG)
    assert refused.value.kind is TERMINAL_NOT_FOUND


def test_a_call_is_ended_by_its_own_institution_only(any_hospital: Hospital) -> None:
    any_hospital.people.call(ROOM_1, HOSPITAL, ZHANG)

    any_hospital.people.end_call(ROOM_1, ELSEWHERE)
    assert any_hospital.called() == ZHANG
    any_hospital.people.end_call(ROOM_1, HOSPITAL)
    assert any_hospital.called() is None


@pytest.mark.parametrize("minutes", [0, -5, CALL_MINUTES_MAX + 1])
def test_a_call_for_too_long_arms_nothing(hospital: Hospital, minutes: int) -> None:
    with pytest.raises(Refused) as refused:
        hospital.people.call(ROOM_1, HOSPITAL, ZHANG, valid_minutes=minutes)

    assert refused.value.kind is CALL_TIME_INVALID
    assert hospital.called() is None


def test_the_audit_says_who_was_called_where_and_until_when(hospital: Hospital) -> None:
    hospital.people.call(ROOM_1, HOSPITAL, ZHANG)

    events = hospital.database.read(
        lambda connection: connection.execute(select(audit_store.events)).all()
    )
    assert [each.kind for each in events] == ["verification.called"]
    assert all(fact in events[0].payload for fact in (ROOM_1, HOSPITAL, ZHANG))


def test_after_the_day_nothing_is_left(any_hospital: Hospital) -> None:
    any_hospital.people.expect(HOSPITAL, ZHANG, day=TODAY, why=ExpectedFor.APPOINTMENT)
    tomorrow = TODAY + timedelta(days=1)
    any_hospital.people.expect(HOSPITAL, LI, day=tomorrow, why=ExpectedFor.APPOINTMENT)
    any_hospital.people.call(ROOM_1, HOSPITAL, ZHANG)
    assert any_hospital.people.purge() == 0

    any_hospital.wait(timedelta(days=1))

    assert any_hospital.people.purge() == 2
    left = any_hospital.database.read(
        lambda connection: connection.scalar(select(func.count()).select_from(store.expected))
    )
    assert left == 1
    assert any_hospital.expected() == {LI}


@given(minutes=st.integers(1, CALL_MINUTES_MAX), seconds=st.integers(-3600, 7200))
def test_a_call_holds_in_its_time_and_never_beyond(minutes: int, seconds: int) -> None:
    call: Call = new_call(ROOM_1, HOSPITAL, ZHANG, minutes=minutes, now=START)

    assert call.holds(START + timedelta(seconds=seconds)) == (0 <= seconds < minutes * 60)
