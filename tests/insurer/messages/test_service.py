"""The inbox: told once, seen once, forgotten after a time; filled by those who have news."""

from datetime import date, timedelta

import pytest

from insurer.family.household import Household, insured
from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo
from shualian.insurer.family.model import FamilyNews
from shualian.insurer.messages import store
from shualian.insurer.messages.model import (
    SEEN_KEPT,
    UNSEEN_KEPT,
    MessageCode,
    MessageId,
    What,
    words_of,
)
from shualian.insurer.messages.ports import Told as Listener
from shualian.insurer.messages.service import Messages
from shualian.insurer.templates.model import Told

PERSON, OTHER = PersonNo("P0001"), PersonNo("P0002")
PHONE = "0990-12393"


class Inbox:
    """The inbox over a household's database and clock."""

    def __init__(self, database: Database) -> None:
        self.household = Household(database)
        database.create_tables(store.metadata)
        self.clock: SettableClock = self.household.clock
        self.messages = Messages(database=database, clock=self.clock, phone=PHONE)

    def codes(self, psn_no: PersonNo = PERSON) -> list[MessageCode]:
        return [each.code for each in self.messages.pulled(psn_no)]

    def wait(self, span: timedelta) -> None:
        self.clock.set(self.clock.now() + span)


@pytest.fixture
def inbox(sqlite_database: Database) -> Inbox:
    return Inbox(sqlite_database)


@pytest.fixture
def any_inbox(any_database: Database) -> Inbox:
    return Inbox(any_database)


def test_told_twice_is_one_message_with_the_newer_moment(any_inbox: Inbox) -> None:
    any_inbox.messages.tell(PERSON, FamilyNews.UNBOUND)
    any_inbox.wait(timedelta(minutes=5))
    any_inbox.messages.tell(PERSON, FamilyNews.UNBOUND)

    (message,) = any_inbox.messages.read(PERSON)

    assert message.code is MessageCode.FAMILY_UNBOUND
    assert message.told_at == any_inbox.clock.now()
    assert any_inbox.codes(OTHER) == []


def test_what_is_told_after_it_was_seen_is_a_message_of_its_own(inbox: Inbox) -> None:
    inbox.messages.tell(PERSON, Told.TEMPLATE_REPLACED)
    inbox.messages.read(PERSON)
    inbox.messages.tell(PERSON, Told.TEMPLATE_REPLACED)

    assert [each.seen_at is None for each in inbox.messages.read(PERSON)].count(True) == 1
    assert inbox.codes() == [MessageCode.TEMPLATE_REPLACED] * 2


def test_reading_marks_as_seen_once_and_shows_what_was_new(inbox: Inbox) -> None:
    inbox.messages.tell(PERSON, Told.TEMPLATE_EXPIRED)
    first_look = inbox.clock.now()

    assert [each.seen_at for each in inbox.messages.read(PERSON)] == [None]
    inbox.wait(timedelta(days=1))
    assert [each.seen_at for each in inbox.messages.read(PERSON)] == [first_look]


def test_an_application_that_fetches_has_not_shown_and_marks_only_the_own(inbox: Inbox) -> None:
    inbox.messages.tell(PERSON, Told.TEMPLATE_EXPIRED)
    inbox.messages.tell(OTHER, Told.TEMPLATE_EXPIRED)
    (own,) = inbox.messages.pulled(PERSON)
    (others,) = inbox.messages.pulled(OTHER)

    marked = inbox.messages.pulled(PERSON, seen=[own.message_id, others.message_id, MessageId("X")])

    assert own.seen_at is None
    assert [each.seen_at for each in marked] == [inbox.clock.now()]
    assert [each.seen_at for each in inbox.messages.pulled(OTHER)] == [None]


def test_messages_are_forgotten_some_time_after_they_were_seen(any_inbox: Inbox) -> None:
    any_inbox.messages.tell(PERSON, Told.TEMPLATE_EXPIRED)
    any_inbox.messages.read(PERSON)
    any_inbox.messages.tell(PERSON, FamilyNews.PROPOSED)
    any_inbox.wait(SEEN_KEPT)
    assert any_inbox.messages.purge() == 0

    any_inbox.wait(timedelta(seconds=1))
    assert any_inbox.messages.purge() == 1
    assert any_inbox.codes() == [MessageCode.FAMILY_PROPOSED]

    any_inbox.wait(UNSEEN_KEPT)
    assert any_inbox.messages.purge() == 1
    assert any_inbox.codes() == []


def test_a_worker_takes_in_what_the_family_has_to_tell_and_nothing_twice(inbox: Inbox) -> None:
    household = inbox.household
    holder, relative = household.adults[0], household.adults[1]
    household.propose(holder, relative)

    assert inbox.messages.deliver([household.family]) == 1
    assert inbox.messages.deliver([household.family]) == 0
    assert inbox.codes(relative.psn_no) == [MessageCode.FAMILY_PROPOSED]
    assert household.told() == []


def test_a_worker_that_died_between_telling_and_noting_tells_once(inbox: Inbox) -> None:
    class Dying:
        """Tells and dies before it notes that it did."""

        def __init__(self) -> None:
            self.passes = 0

        def tell_waiting(self, notices: Listener) -> int:
            self.passes += 1
            if self.passes > 2:
                return 0
            notices.tell(PERSON, Told.TEMPLATE_REPLACED)
            return 1

    assert inbox.messages.deliver([Dying()]) == 2
    assert inbox.codes() == [MessageCode.TEMPLATE_REPLACED]


@pytest.mark.parametrize("what", [*Told, *FamilyNews])
def test_everything_that_others_tell_has_words(what: What, inbox: Inbox) -> None:
    inbox.messages.tell(PERSON, what)
    (code,) = inbox.codes()
    words = inbox.messages.words(code)

    assert words.zh
    assert words.en
    assert "{" not in words.zh + words.en
    assert not words.zh.isascii()


def test_no_message_says_who_and_each_one_about_others_says_where_to_turn() -> None:
    somebody = insured(1, date(1958, 5, 4))
    for code in MessageCode:
        words = words_of(code, phone=PHONE)
        assert somebody.name not in words.zh
        assert PHONE in words.zh or "终端" in words.zh or "重新同意" in words.zh


def test_a_replaced_face_says_how_long_it_pays_nothing() -> None:
    assert "24" in words_of(MessageCode.TEMPLATE_REPLACED, phone=PHONE).zh
