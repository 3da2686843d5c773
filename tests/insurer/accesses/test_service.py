"""The access log: everything of a person in one, who looked at it, and its end."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from shualian.core.clock import SettableClock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, PersonNo, StaffId, TerminalId
from shualian.core.refusals import Refused
from shualian.insurer.accesses import store
from shualian.insurer.accesses.model import (
    LINES_MAX,
    WORDS,
    AccessCode,
    Viewer,
    kept_from,
    merged,
    person_fields,
)
from shualian.insurer.accesses.service import Accesses, affected_people
from shualian.insurer.consents.model import (
    GUARDIAN_NOT_PROVEN,
    ByGuardian,
    ByPerson,
    DocumentKind,
    GivenBy,
    GuardianRelation,
)
from shualian.terminals.model import InstitutionStaff, InsurerStaff, Place, Terminal, TerminalClass
from shualian.trust.audit import store as audit_store
from shualian.trust.audit.model import AUDIT_UNREADABLE
from shualian.verification.emergency.model import Access as EmergencyAccess
from shualian.verification.emergency.model import EmergencyReason, ReviewFinding
from shualian.verification.model import Access as FaceAccess
from shualian.verification.model import AccessKind, Scene
from terminals.district import District
from verification.emergency.room import PEOPLE, EmergencyRoom
from verification.world import LI, ZHANG, World

T = TypeVar("T")

PERSON, CHILD, PARENT = PersonNo("P0001"), PersonNo("P0002"), PersonNo("P0003")
HOSPITAL = InstitutionCode("H99000000001")
CLERK = InstitutionStaff(StaffId("CLERK-1"), HOSPITAL)
SUPERVISOR = InsurerStaff(StaffId("SUPERVISOR-1"))
SHOWN = ByPerson(DocumentKind.ID_CARD, CLERK.staff)
NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
MONTHS = 36


class Names:
    """The names of institutions."""

    def name(self, institution: InstitutionCode) -> str | None:
        return {HOSPITAL: "示例医院"}.get(institution)


class Guardians:
    """One parent of one child, as documents said."""

    def as_guardian(self, psn_no: PersonNo, guardian: PersonNo) -> ByGuardian:
        if (psn_no, guardian) != (CHILD, PARENT):
            raise Refused(GUARDIAN_NOT_PROVEN)
        return ByGuardian(GuardianRelation.PARENT, guardian)

    def check_may_see(self, psn_no: PersonNo, *, by: GivenBy) -> None:
        if isinstance(by, ByGuardian) and by.guardian is not None:
            self.as_guardian(psn_no, by.guardian)


class Log(Generic[T]):
    """The log of one part, with lines known beforehand."""

    def __init__(self) -> None:
        self.lines: list[tuple[PersonNo, T]] = []
        self.forgotten: list[datetime] = []

    def accesses_of(self, psn_no: PersonNo) -> Sequence[T]:
        return [line for who, line in self.lines if who == psn_no]

    def forget_before(self, before: datetime) -> int:
        self.forgotten.append(before)
        return 7


class Desk:
    """The access log over one database, with known logs of the parts."""

    def __init__(self, database: Database) -> None:
        self.district = District(database)
        database.create_tables(store.metadata)
        self.database = database
        self.clock = SettableClock(NOW)
        self.faces, self.emergencies = Log[FaceAccess](), Log[EmergencyAccess]()
        self.accesses = Accesses(
            database=database,
            clock=self.clock,
            faces=self.faces,
            emergencies=self.emergencies,
            institutions=Names(),
            guardians=Guardians(),
            months=MONTHS,
        )

    def face(self, ago: timedelta, terminal_id: str = "K02", who: PersonNo = PERSON) -> None:
        line = FaceAccess(
            NOW - ago, HOSPITAL, TerminalId(terminal_id), Scene.SETTLEMENT, AccessKind.VERIFIED
        )
        self.faces.lines.append((who, line))

    def emergency(self, ago: timedelta) -> None:
        line = EmergencyAccess(
            NOW - ago, HOSPITAL, EmergencyReason.UNCONSCIOUS, ReviewFinding.JUSTIFIED
        )
        self.emergencies.lines.append((PERSON, line))

    def audited(self) -> list[dict[str, str]]:
        query = select(audit_store.events.c.payload).order_by(audit_store.events.c.event_id)
        return [
            json.loads(each)
            for each in self.database.read(lambda connection: connection.scalars(query).all())
        ]


@pytest.fixture
def desk(sqlite_database: Database) -> Desk:
    return Desk(sqlite_database)


@pytest.fixture
def any_desk(any_database: Database) -> Desk:
    return Desk(any_database)


def test_all_logs_are_one_oldest_first_with_names_where_known(any_desk: Desk) -> None:
    any_desk.district.register_models()
    device = any_desk.district.active()
    any_desk.face(timedelta(hours=3), device.terminal_id)
    any_desk.emergency(timedelta(hours=2))
    any_desk.face(timedelta(hours=1), "GONE")
    any_desk.face(timedelta(hours=1), who=CHILD)

    log = any_desk.accesses.of(PERSON)

    assert [each.line.what for each in log.lines] == [
        AccessCode.VERIFIED,
        AccessCode.EMERGENCY_SHOWN,
        AccessCode.VERIFIED,
    ]
    assert {each.institution_name for each in log.lines} == {"示例医院"}
    first, emergency, last = log.lines
    assert first.place == Place(name="一层大厅 1 号机", department="门诊大厅")
    assert emergency.line.reason is EmergencyReason.UNCONSCIOUS
    assert emergency.line.finding is ReviewFinding.JUSTIFIED
    assert last.place is None
    assert log.earlier == 0


def test_a_look_by_staff_is_recorded_in_the_log_and_in_the_audit(any_desk: Desk) -> None:
    any_desk.accesses.at_window(PERSON, by=SHOWN, actor=CLERK)
    any_desk.accesses.at_window(PERSON, by=SHOWN, actor=SUPERVISOR)

    (first, second) = any_desk.accesses.of(PERSON).lines
    assert first.line.what is second.line.what is AccessCode.LOG_SHOWN
    assert first.line.viewer is Viewer.STAFF
    assert (first.line.institution, second.line.institution) == (HOSPITAL, None)
    told = any_desk.audited()[-2:]
    assert [each["actor"] for each in told] == [CLERK.staff, SUPERVISOR.staff]
    assert {each["subject"] for each in told} == {PERSON}


def test_looking_at_the_own_log_leaves_no_line_of_somebody_else(desk: Desk) -> None:
    desk.accesses.of(PERSON)
    assert desk.accesses.of(PERSON).lines == ()


def test_a_guardian_sees_the_childs_log_and_stands_in_it(desk: Desk) -> None:
    terminal = Terminal(
        TerminalId("K02"), HOSPITAL, TerminalClass.SCAN_FACE, Place(name="1", department="2")
    )
    desk.face(timedelta(hours=1), who=CHILD)

    log = desk.accesses.to_guardian(CHILD, PARENT, terminal=terminal)

    assert [each.line.what for each in log.lines] == [AccessCode.VERIFIED, AccessCode.LOG_SHOWN]
    assert log.lines[-1].line.viewer is Viewer.GUARDIAN
    with pytest.raises(Refused) as refused:
        desk.accesses.to_guardian(CHILD, PERSON, terminal=terminal)
    assert refused.value.kind is GUARDIAN_NOT_PROVEN
    assert len(desk.accesses.of(CHILD).lines) == 2


def test_who_may_not_see_is_refused_before_anything_is_noted(desk: Desk) -> None:
    stranger = ByGuardian(
        GuardianRelation.PARENT, PERSON, DocumentKind.HOUSEHOLD_REGISTER, CLERK.staff
    )
    with pytest.raises(Refused):
        desk.accesses.at_window(CHILD, by=stranger, actor=CLERK)
    assert desk.accesses.of(CHILD).lines == ()


def test_lines_end_with_their_term_in_every_log(any_desk: Desk) -> None:
    any_desk.accesses.at_window(PERSON, by=SHOWN, actor=CLERK)
    any_desk.face(timedelta())
    any_desk.clock.set(NOW + timedelta(days=36 * 31))

    assert any_desk.accesses.of(PERSON).lines == ()
    assert any_desk.accesses.purge() == 1 + 7 + 7
    assert any_desk.accesses.purge() == 0 + 7 + 7
    before = kept_from(any_desk.clock.now(), months=MONTHS)
    assert any_desk.faces.forgotten == any_desk.emergencies.forgotten == [before, before]


def test_a_long_log_shows_its_newest_lines_and_counts_the_rest(desk: Desk) -> None:
    for minute in range(LINES_MAX + 5):
        desk.face(timedelta(minutes=minute))

    log = desk.accesses.of(PERSON)

    assert len(log.lines) == LINES_MAX
    assert log.lines[-1].line.at == NOW
    assert log.earlier == 5


@given(
    now=st.integers(0, 100 * 365 * 24).map(lambda hours: NOW + timedelta(hours=hours)),
    months=st.integers(6, 36),
)
def test_the_term_is_whole_months_and_begins_with_a_day_in_china(
    now: datetime, months: int
) -> None:
    since = kept_from(now, months=months)
    then, today = business_date(since), business_date(now)

    assert (today.year - then.year) * 12 + today.month - then.month == months
    assert then.day <= today.day
    assert business_date(since - timedelta(microseconds=1)) < then


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=20))
def test_no_line_is_lost_and_the_order_is_that_of_time(found: list[tuple[int, bool]]) -> None:
    desk_faces, desk_emergencies = [], []
    for hours, is_emergency in found:
        at = NOW - timedelta(hours=hours)
        if is_emergency:
            desk_emergencies.append(
                EmergencyAccess(at, HOSPITAL, EmergencyReason.UNCONSCIOUS, None)
            )
        else:
            desk_faces.append(
                FaceAccess(at, HOSPITAL, TerminalId("K"), Scene.SETTLEMENT, AccessKind.PROOF_ISSUED)
            )

    lines = merged(desk_faces, desk_emergencies, [])

    moments = [line.at for line in lines]
    assert moments == sorted(NOW - timedelta(hours=hours) for hours, _ in found)


def test_every_line_has_words_in_both_languages() -> None:
    assert set(WORDS) == set(AccessCode)
    assert set(AccessKind) <= {each.value for each in AccessCode}
    assert all(zh and en.isascii() for zh, en in WORDS.values())


class TestAffected:
    """Whose data was touched in a span of time: for the notice of a breach."""

    def test_everybody_is_named_by_number_and_nobody_outside_the_span(
        self, any_database: Database
    ) -> None:
        world = World(database=any_database)
        world.redeem(world.proof())
        begin = world.clock.now()
        world.wait(3600)
        end = world.clock.now()

        touched = any_database.read(
            lambda connection: affected_people(connection, since=begin, until=end)
        )
        nobody = any_database.read(
            lambda connection: affected_people(
                connection, since=end, until=end + timedelta(hours=1)
            )
        )

        (person,) = touched
        assert person.psn_no == ZHANG
        assert person.records >= 3
        assert "verification.proof_redeemed" in person.kinds
        assert person.first_at <= person.last_at
        assert nobody == []
        assert LI not in {each.psn_no for each in touched}

    def test_who_was_shown_in_an_emergency_is_among_them(self, sqlite_database: Database) -> None:
        room = EmergencyRoom(sqlite_database)
        room.search()
        now = room.clock.now()

        touched = sqlite_database.read(
            lambda connection: affected_people(
                connection, since=now, until=now + timedelta(seconds=1)
            )
        )

        assert [each.psn_no for each in touched] == PEOPLE[:3]

    def test_a_record_that_is_not_understood_stops_the_list(
        self, sqlite_database: Database
    ) -> None:
        sqlite_database.create_tables(audit_store.metadata)
        row = {"kind": "other.program", "at": "2026-12-01T02:00:00.000000Z", "payload": "{}"}
        sqlite_database.write(lambda each: audit_store.insert_events(each, [row]))

        with pytest.raises(Refused) as refused:
            sqlite_database.read(
                lambda connection: affected_people(
                    connection, since=NOW, until=NOW + timedelta(days=1)
                )
            )
        assert refused.value.kind is AUDIT_UNREADABLE

    def test_fields_that_name_a_person_are_known_by_their_type(self) -> None:
        assert person_fields("verification.session") == frozenset(("subject",))
        assert person_fields("verification.proof_issued") == frozenset(
            (
                "subject",
                "beneficiary",
            )
        )
        assert person_fields("insurer.access_log_shown") == frozenset(
            (
                "subject",
                "guardian",
            )
        )


def test_a_term_from_the_end_of_february_stays_in_february() -> None:
    assert business_date(kept_from(datetime(2028, 2, 29, 4, tzinfo=UTC), months=12)) == date(
        2027, 2, 28
    )
