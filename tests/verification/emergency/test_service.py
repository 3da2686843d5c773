"""A search for an unknown patient: two people, one picture, three suggestions, one review."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from shualian.core.clock import CHINA
from shualian.core.database import Database, SqliteDatabase
from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.core.refusals import Refused
from shualian.face.model import NO_FACE, Profile
from shualian.staff.model import SAME_PERSON
from shualian.terminals.model import InstitutionStaff, InsurerStaff
from shualian.verification.emergency import store
from shualian.verification.emergency.model import (
    APPROVE_WITHIN,
    EMERGENCY_CLOSED,
    EMERGENCY_EXPIRED,
    EMERGENCY_LIMIT,
    EMERGENCY_NOT_FOUND,
    EMERGENCY_NOT_HERE,
    EMERGENCY_NOT_USED,
    EMERGENCY_REVIEWED,
    EMERGENCY_WORDS_INVALID,
    REVIEW_WITHIN,
    EmergencyAnswer,
    EmergencyId,
    EmergencyReason,
    ReviewFinding,
)
from verification.emergency.room import (
    DOCTOR,
    HOSPITAL,
    NAMES,
    NUMBERS,
    NURSE,
    PEOPLE,
    STRANGER,
    SUPERVISOR,
    THRESHOLD,
    EmergencyRoom,
    jpeg,
)


@pytest.fixture
def room(sqlite_database: SqliteDatabase) -> EmergencyRoom:
    return EmergencyRoom(sqlite_database)


@pytest.fixture
def any_room(any_database: Database) -> EmergencyRoom:
    return EmergencyRoom(any_database)


def test_two_people_get_three_masked_suggestions_the_most_alike_first(
    any_room: EmergencyRoom,
) -> None:
    answer = any_room.search()

    assert [(each.place, each.score) for each in answer.suggestions] == [
        (1, 0.8),
        (2, 0.6),
        (3, 0.55),
    ]
    assert answer.suggestions[0].masked_id_number == "99**************19"
    assert answer.suggestions[0].region == "990100"
    shown = repr(answer)
    assert not [secret for secret in (*NAMES, *NUMBERS, *PEOPLE) if secret in shown]
    assert answer.fmr_upper95 == pytest.approx(1.6e-3)


def test_nobody_who_scores_too_low_is_suggested(any_room: EmergencyRoom) -> None:
    any_room.gallery.scores = {PEOPLE[0]: THRESHOLD, PEOPLE[1]: THRESHOLD - 1e-6}
    assert len(any_room.search().suggestions) == 1

    any_room.gallery.scores = {PEOPLE[1]: 0.1}
    assert any_room.search().suggestions == ()


def test_closed_eyes_and_no_liveness_are_no_hindrance_and_the_patient_may_lie(
    room: EmergencyRoom,
) -> None:
    assert room.search().suggestions
    assert room.eye.seen == [Profile.BEDSIDE]


def test_who_left_the_register_is_no_suggestion(room: EmergencyRoom) -> None:
    room.register.left.add(PEOPLE[0])

    assert [each.score for each in room.search().suggestions] == [0.6, 0.55]


def test_one_person_alone_searches_nothing(any_room: EmergencyRoom) -> None:
    proposed = any_room.propose(NURSE)

    with pytest.raises(Refused) as refused:
        any_room.approve(proposed, NURSE)

    assert refused.value.kind is SAME_PERSON
    assert any_room.gallery.searches == 0
    assert any_room.eye.seen == []


@pytest.mark.parametrize("known", [True, False])
def test_another_institution_learns_not_even_that_there_is_a_search(
    room: EmergencyRoom, known: bool
) -> None:
    emergency_id = room.propose() if known else EmergencyId("01JH0000000000000000000000")

    with pytest.raises(Refused) as refused:
        room.approve(emergency_id, STRANGER)

    assert refused.value.kind is EMERGENCY_NOT_FOUND
    assert refused.value.details == {}
    assert room.gallery.searches == 0


def test_a_proposal_is_over_after_five_minutes(room: EmergencyRoom) -> None:
    proposed = room.propose()
    room.wait(APPROVE_WITHIN)

    with pytest.raises(Refused) as refused:
        room.approve(proposed)

    assert refused.value.kind is EMERGENCY_EXPIRED
    assert room.gallery.searches == 0


def test_one_proposal_is_one_search(any_room: EmergencyRoom) -> None:
    proposed = any_room.propose()
    any_room.approve(proposed)

    with pytest.raises(Refused) as refused:
        any_room.approve(proposed)

    assert refused.value.kind is EMERGENCY_CLOSED
    assert any_room.gallery.searches == 1


def test_of_many_approvals_at_once_one_searches(any_room: EmergencyRoom) -> None:
    proposed = any_room.propose()

    def approve(_: int) -> EmergencyAnswer | Refused:
        try:
            return any_room.approve(proposed)
        except Refused as refused:
            return refused

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(approve, range(4)))

    assert sum(isinstance(each, EmergencyAnswer) for each in results) == 1
    assert any_room.gallery.searches == 1


def test_a_picture_without_a_face_changes_nothing_and_another_one_may_follow(
    room: EmergencyRoom,
) -> None:
    proposed = room.propose()

    with pytest.raises(Refused) as refused:
        room.approve(proposed, picture=jpeg(0))

    assert refused.value.kind is NO_FACE
    assert room.service.open_reviews(SUPERVISOR) == []
    assert room.approve(proposed).suggestions


def test_a_file_that_is_no_picture_changes_nothing(room: EmergencyRoom) -> None:
    proposed = room.propose()

    with pytest.raises(Refused) as refused:
        room.approve(proposed, picture=b"no picture")

    assert refused.value.kind.code == "face.picture_unreadable"
    assert room.approve(proposed).suggestions


def test_a_pharmacy_searches_nobody(room: EmergencyRoom) -> None:
    pharmacist = InstitutionStaff(StaffId("S07"), InstitutionCode("P99000000001"))

    with pytest.raises(Refused) as refused:
        room.propose(pharmacist)

    assert refused.value.kind is EMERGENCY_NOT_HERE


@pytest.mark.parametrize("words", ["", "  ", "x" * 201, "a\x00b"])
def test_another_reason_needs_words_that_can_be_read(room: EmergencyRoom, words: str) -> None:
    with pytest.raises(Refused) as refused:
        room.service.propose(NURSE, reason=EmergencyReason.OTHER, words=words)

    assert refused.value.kind is EMERGENCY_WORDS_INVALID
    assert words not in str(refused.value) or not words.strip()


def test_an_institution_has_so_many_searches_a_day_and_new_ones_tomorrow(
    any_database: Database,
) -> None:
    room = EmergencyRoom(any_database, per_day_max=2)
    # After midnight in China, while it is still the day before in UTC.
    room.clock.set(datetime(2026, 1, 6, 4, 0, tzinfo=CHINA))
    waiting = room.propose()
    room.search()
    room.search()

    with pytest.raises(Refused) as refused:
        room.approve(waiting)
    assert refused.value.kind is EMERGENCY_LIMIT
    assert room.gallery.searches == 2

    room.clock.set(datetime(2026, 1, 7, 0, 0, tzinfo=CHINA))
    assert room.search().suggestions


def test_the_limit_of_a_day_holds_under_approvals_at_once(any_database: Database) -> None:
    room = EmergencyRoom(any_database, per_day_max=2)
    proposals = [room.propose() for _ in range(5)]

    def approve(emergency_id: EmergencyId) -> bool:
        try:
            room.approve(emergency_id)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        allowed = sum(pool.map(approve, proposals))

    assert allowed <= 2
    assert room.gallery.searches == allowed


@pytest.mark.parametrize("per_day_max", [0, 51])
def test_a_limit_outside_its_range_stops_the_start(
    sqlite_database: SqliteDatabase, per_day_max: int
) -> None:
    with pytest.raises(ValueError, match="searches a day"):
        EmergencyRoom(sqlite_database, per_day_max=per_day_max)


class TestReview:
    def test_every_search_waits_for_a_supervisor_with_its_words(
        self, any_room: EmergencyRoom
    ) -> None:
        answer = any_room.approve(any_room.propose(words="车祸，叫不醒"))

        (waiting,) = any_room.service.open_reviews(SUPERVISOR)

        assert waiting.words == "车祸，叫不醒"
        assert not waiting.overdue
        assert waiting.emergency.proposed_by == NURSE.staff
        assert waiting.emergency.approved_by == DOCTOR.staff
        assert waiting.emergency.suggestions == 3
        assert waiting.emergency.review_due_at == answer.review_due_at

    def test_after_a_day_it_is_overdue(self, room: EmergencyRoom) -> None:
        room.search()
        room.wait(REVIEW_WITHIN - timedelta(seconds=1))
        assert [each.overdue for each in room.service.open_reviews(SUPERVISOR)] == [False]

        room.wait(timedelta(seconds=1))

        assert [each.overdue for each in room.service.open_reviews(SUPERVISOR)] == [True]

    def test_a_review_closes_it_and_is_made_once(self, any_room: EmergencyRoom) -> None:
        answer = any_room.search()

        any_room.review(answer.emergency_id)

        assert any_room.service.open_reviews(SUPERVISOR) == []
        with pytest.raises(Refused) as refused:
            any_room.review(answer.emergency_id)
        assert refused.value.kind is EMERGENCY_REVIEWED

    @pytest.mark.parametrize("one_of_the_two", [NURSE, DOCTOR])
    def test_neither_of_the_two_reviews(
        self, room: EmergencyRoom, one_of_the_two: InstitutionStaff
    ) -> None:
        answer = room.search()

        with pytest.raises(Refused) as refused:
            room.review(answer.emergency_id, InsurerStaff(one_of_the_two.staff))

        assert refused.value.kind is SAME_PERSON

    def test_what_was_never_approved_needs_no_review(self, room: EmergencyRoom) -> None:
        proposed = room.propose()

        assert room.service.open_reviews(SUPERVISOR) == []
        with pytest.raises(Refused) as refused:
            room.review(proposed)
        assert refused.value.kind is EMERGENCY_NOT_USED

    def test_a_search_whose_answer_was_lost_waits_for_its_review_too(
        self, room: EmergencyRoom
    ) -> None:
        proposed = room.propose()
        room.gallery.scores = {}
        room.gallery.identify = None  # type: ignore[assignment, method-assign]
        with pytest.raises(TypeError):
            room.approve(proposed)

        (waiting,) = room.service.open_reviews(SUPERVISOR)

        assert waiting.emergency.suggestions is None


class TestAccessLog:
    def test_everybody_who_was_suggested_can_read_it(self, any_room: EmergencyRoom) -> None:
        first = any_room.search()
        any_room.wait(timedelta(hours=1))
        any_room.search()
        any_room.review(first.emergency_id)

        latest, earlier = any_room.service.accesses_of(PEOPLE[0])

        assert latest.at - earlier.at == timedelta(hours=1)
        assert earlier.institution == HOSPITAL
        assert earlier.reason is EmergencyReason.UNCONSCIOUS
        assert earlier.finding is ReviewFinding.JUSTIFIED
        assert latest.finding is None
        assert any_room.service.accesses_of(PEOPLE[3]) == []

    def test_the_log_has_the_line_before_anybody_is_shown(self, room: EmergencyRoom) -> None:
        """If the line cannot be written, nobody is shown."""
        proposed = room.propose()
        room.database.write(store.suggested.drop)

        with pytest.raises(Exception, match="no such table"):
            room.approve(proposed)

    def test_the_audit_has_every_step_with_both_people_and_everybody_shown(
        self, room: EmergencyRoom
    ) -> None:
        answer = room.approve(room.propose(words="车祸"))
        room.review(answer.emergency_id)

        events = room.audited()

        used = [each for each in events if each.kind == "verification.emergency"]
        steps = ("proposed", "approved", "answered", "reviewed")
        assert len(used) == len(steps)
        for event, step in zip(used, steps, strict=True):
            assert f'"step":"{step}"' in event.payload
        assert NURSE.staff in used[1].payload
        assert DOCTOR.staff in used[1].payload
        assert SUPERVISOR.staff in used[3].payload
        shown = [each.payload for each in events if each.kind == "verification.emergency_shown"]
        assert len(shown) == 3
        for person, payload in zip(PEOPLE, shown, strict=False):
            assert person in payload
        assert "车祸" not in "".join(each.payload for each in events)


def test_neither_picture_nor_words_are_stored_in_the_clear(room: EmergencyRoom) -> None:
    picture = jpeg(99)
    room.approve(room.propose(words="车祸，叫不醒"), picture=picture)

    rows = room.database.read(
        lambda connection: [
            row
            for table in store.metadata.sorted_tables
            for row in connection.execute(select(table)).all()
        ]
    )

    stored = b"".join(
        value if isinstance(value, bytes) else repr(value).encode() for row in rows for value in row
    )
    assert picture[:64] not in stored
    assert "车祸".encode() not in stored
    assert not [name for name in (*NAMES, *NUMBERS) if name.encode() in stored]


def test_proposals_that_nobody_approved_are_deleted_and_searches_are_kept(
    any_room: EmergencyRoom,
) -> None:
    any_room.search()
    any_room.propose()
    assert any_room.service.purge() == 0

    any_room.wait(APPROVE_WITHIN)

    assert any_room.service.purge() == 1
    assert len(any_room.service.open_reviews(SUPERVISOR)) == 1
