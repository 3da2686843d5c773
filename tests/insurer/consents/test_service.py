from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from insurer.face_world import (
    CHILD,
    CLERK,
    COMPARISON,
    NOW,
    PARENT,
    PAYMENT,
    PERSON,
    SEEN_PARENT,
    TEMPLATE,
    FaceWorld,
    at_terminal,
    later_notice,
    refused,
)
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo
from shualian.insurer.consents import store
from shualian.insurer.consents.model import (
    CLERK_MISSING,
    CONSENT_NOT_OFFERED,
    CONSENT_TIME_INVALID,
    CONSENT_WITHDRAWN,
    DOCUMENT_NOT_ENOUGH,
    GUARDIAN_MISSING,
    GUARDIAN_NOT_PROVEN,
    ByGuardian,
    ByPerson,
    Channel,
    ChannelKind,
    ConsentChange,
    DocumentKind,
    GuardianRelation,
)
from shualian.insurer.erasures.model import ERASURE_UNFINISHED
from shualian.insurer.notices.model import NOTICE_OUTDATED, Notices
from shualian.insurer.notices.store import load_notices, packaged_notices
from shualian.insurer.persons.model import PERSON_NOT_FOUND
from shualian.trust.audit import store as audit_store
from shualian.verification.model import ConsentPurpose

NOTICE = load_notices(packaged_notices()).current


@pytest.fixture
def world(sqlite_database: Database, tmp_path: Path) -> FaceWorld:
    return FaceWorld(sqlite_database, tmp_path)


@pytest.fixture
def any_world(any_database: Database, tmp_path: Path) -> FaceWorld:
    return FaceWorld(any_database, tmp_path)


def published(world: FaceWorld, *, material: bool, **facts: object) -> None:
    """A newer notice, and the process started anew with it."""
    later = later_notice(NOTICE, "2027-01-01", material=material, **facts)
    world.notices = Notices([NOTICE, later])
    world.restart()


def audited(world: FaceWorld, kind: str = "insurer.consent") -> int:
    query = select(func.count()).select_from(audit_store.events)
    of_kind = query.where(audit_store.events.c.kind == kind)
    return world.database.read(lambda each: each.scalar(of_kind) or 0)


def test_each_purpose_is_agreed_to_by_its_own_tick(any_world: FaceWorld) -> None:
    assert any_world.give(PERSON, TEMPLATE) == (TEMPLATE,)
    assert any_world.consents.in_force(PERSON) == {TEMPLATE}
    assert any_world.give(PERSON, PAYMENT) == (PAYMENT,)
    assert any_world.consents.in_force(PERSON) == {TEMPLATE, PAYMENT}


def test_who_when_where_and_under_which_wording_is_kept(any_world: FaceWorld) -> None:
    channel = at_terminal("S1")
    any_world.consents.give(
        PERSON,
        [TEMPLATE],
        notice_version=any_world.version,
        at=NOW,
        given_by=ByPerson(DocumentKind.ID_CARD, CLERK.staff),
        channel=channel,
    )

    (event,) = any_world.consents.export(PERSON).events
    assert (event.change, event.purpose) == (ConsentChange.GIVEN, TEMPLATE)
    assert (event.notice_version, event.at) == (any_world.version, NOW)
    assert event.by == ByPerson(DocumentKind.ID_CARD, CLERK.staff)
    assert event.channel == channel
    assert audited(any_world) == 1


def test_an_adults_own_comparison_is_left_to_the_session(world: FaceWorld) -> None:
    assert world.give(PERSON, COMPARISON, TEMPLATE) == (TEMPLATE,)
    assert world.consents.in_force(PERSON) == {TEMPLATE}


def test_agreeing_again_under_the_same_wording_adds_nothing(world: FaceWorld) -> None:
    world.give()

    assert world.give() == ()
    assert len(world.consents.export(PERSON).events) == 1


def test_only_the_wording_in_force_can_be_agreed_to(world: FaceWorld) -> None:
    published(world, material=False)

    with refused(NOTICE_OUTDATED):
        world.give(version=NOTICE.version)
    assert world.consents.in_force(PERSON) == frozenset()


def test_what_the_notice_does_not_offer_cannot_be_agreed_to(
    sqlite_database: Database, tmp_path: Path
) -> None:
    facts = {"payment_consent": False}
    changed = {**NOTICE.model_dump(), "facts": {**NOTICE.model_dump()["facts"], **facts}}
    changed["tick"] = [each for each in changed["tick"] if each["purpose"] != PAYMENT]
    world = FaceWorld(
        sqlite_database, tmp_path, notices=Notices([type(NOTICE).model_validate(changed)])
    )

    with refused(CONSENT_NOT_OFFERED):
        world.give(PERSON, PAYMENT)


def test_a_consent_under_an_older_wording_stays_valid_for_what_that_said(
    world: FaceWorld,
) -> None:
    world.give()
    published(world, material=True, template_months=36)

    terms = world.consents.terms(PERSON)
    assert terms.in_force == {TEMPLATE}
    assert terms.template_months == NOTICE.facts.template_months
    assert terms.ask_again == {TEMPLATE}

    assert world.give() == (TEMPLATE,)
    assert world.consents.terms(PERSON).ask_again == frozenset()
    assert world.consents.terms(PERSON).template_months == 36


def test_a_plain_new_wording_asks_nobody_again(world: FaceWorld) -> None:
    world.give()
    published(world, material=False)

    assert world.consents.terms(PERSON).ask_again == frozenset()


def test_a_consent_does_not_cover_more_than_it_said(world: FaceWorld) -> None:
    world.give()
    published(world, material=True, frames_stored=True)

    assert world.consents.in_force(PERSON) == frozenset()
    assert world.consents.terms(PERSON).ask_again == {TEMPLATE}


def test_a_consent_that_was_under_way_does_not_undo_a_later_withdrawal(world: FaceWorld) -> None:
    agreed_at = world.wait()
    world.give(at=agreed_at)
    world.withdraw()

    with refused(CONSENT_WITHDRAWN):
        world.give(at=agreed_at)
    assert world.consents.in_force(PERSON) == frozenset()
    assert world.give() == (TEMPLATE,)


def test_nobody_agrees_in_the_future(world: FaceWorld) -> None:
    with refused(CONSENT_TIME_INVALID):
        world.give(at=world.clock.now() + timedelta(seconds=1))


def test_a_stranger_to_the_insurer_has_no_consents(world: FaceWorld) -> None:
    with refused(PERSON_NOT_FOUND):
        world.give(PersonNo("P9999"))


def test_withdrawing_is_one_act_and_everything_is_gone_before_the_answer(
    any_world: FaceWorld,
) -> None:
    any_world.give()
    any_world.enrol()
    assert any_world.reachable()

    withdrawal = any_world.withdraw()

    assert withdrawal.purposes == (TEMPLATE,)
    assert withdrawal.receipt
    assert any_world.left() == 0
    assert any_world.consents.in_force(PERSON) == frozenset()
    any_world.restart()
    assert not any_world.reachable()


@pytest.mark.parametrize("kind", ChannelKind)
@pytest.mark.parametrize("by", [ByPerson(), ByPerson(DocumentKind.HOUSEHOLD_REGISTER, CLERK.staff)])
def test_withdrawing_is_possible_by_every_way(
    world: FaceWorld, kind: ChannelKind, by: ByPerson
) -> None:
    world.give()

    withdrawal = world.withdraw(by=by, channel=Channel(kind))

    assert withdrawal.receipt
    assert world.consents.in_force(PERSON) == frozenset()


def test_withdrawing_one_scan_payment_leaves_the_template(world: FaceWorld) -> None:
    world.give(PERSON, TEMPLATE, PAYMENT)
    world.enrol()

    assert world.withdraw(PERSON, PAYMENT).receipt is None

    assert world.consents.in_force(PERSON) == {TEMPLATE}
    assert world.reachable()


def test_withdrawing_the_comparison_withdraws_all(world: FaceWorld) -> None:
    world.give(PERSON, TEMPLATE, PAYMENT)
    world.enrol()

    withdrawal = world.withdraw(PERSON, COMPARISON)

    assert withdrawal.purposes == tuple(ConsentPurpose)
    assert world.consents.in_force(PERSON) == frozenset()
    assert world.left() == 0


def test_withdrawing_what_was_never_given_searches_all_the_same(world: FaceWorld) -> None:
    receipt = world.withdraw().receipt

    assert receipt
    assert len(receipt.stores) == 5
    assert sum(each.found for each in receipt.stores) == 0


def test_the_same_proof_again_has_the_same_receipt(world: FaceWorld) -> None:
    world.give()
    world.enrol()
    channel = at_terminal("S1")

    first, again = world.withdraw(channel=channel), world.withdraw(channel=channel)

    assert first == again
    assert audited(world, "insurer.face_erased") == 1


def test_from_the_withdrawal_on_the_consent_is_gone_even_when_a_store_fails(
    world: FaceWorld,
) -> None:
    world.give()
    world.enrol()
    world.memory.failing = True
    channel = at_terminal("S1")

    with refused(ERASURE_UNFINISHED):
        world.withdraw(channel=channel)
    assert world.consents.in_force(PERSON) == frozenset()
    assert not world.reachable()

    world.memory.failing = False
    receipt = world.withdraw(channel=channel).receipt
    assert receipt
    assert receipt.stores[0].deleted == 1


def test_rows_are_added_and_never_changed(world: FaceWorld) -> None:
    def rows() -> list[object]:
        query = select(store.consent_events).order_by(store.consent_events.c.number)
        return world.database.read(lambda each: [tuple(row) for row in each.execute(query)])

    seen: list[object] = []
    for act in (world.give, world.withdraw, world.give, world.withdraw):
        act()
        found = rows()
        assert found[: len(seen)] == seen
        assert len(found) == len(seen) + 1
        seen = found


def test_a_child_under_14_needs_a_guardian(world: FaceWorld) -> None:
    today = date(2026, 12, 1)

    with refused(GUARDIAN_MISSING):
        world.give(CHILD, COMPARISON, TEMPLATE)
    assert world.consents.guardian_missing(CHILD, today=today)

    world.give(CHILD, COMPARISON, TEMPLATE, by=SEEN_PARENT)
    assert not world.consents.guardian_missing(CHILD, today=today)
    assert world.consents.in_force(CHILD) == {COMPARISON, TEMPLATE}
    assert not world.consents.guardian_missing(PERSON, today=today)


def test_without_a_guardians_consent_to_the_comparison_nothing_of_a_child_is_in_force(
    world: FaceWorld,
) -> None:
    world.give(CHILD, TEMPLATE, by=SEEN_PARENT)

    assert world.consents.in_force(CHILD) == frozenset()


def test_a_guardians_consent_ends_when_the_child_becomes_14(world: FaceWorld) -> None:
    world.give(CHILD, COMPARISON, TEMPLATE, by=SEEN_PARENT)

    # Born 9 March 2016: 14 years of age from the day after the birthday.
    world.clock.set(NOW.replace(year=2030, month=3, day=9))
    assert world.consents.in_force(CHILD) == {COMPARISON, TEMPLATE}
    world.clock.set(NOW.replace(year=2030, month=3, day=10))
    assert world.consents.in_force(CHILD) == frozenset()
    assert not world.consents.guardian_missing(CHILD, today=date(2030, 3, 10))
    assert world.give(CHILD, TEMPLATE) == (TEMPLATE,)


@pytest.mark.parametrize(
    ("relation", "document", "is_enough"),
    [
        (GuardianRelation.PARENT, DocumentKind.HOUSEHOLD_REGISTER, True),
        (GuardianRelation.PARENT, DocumentKind.BIRTH_CERTIFICATE, True),
        (GuardianRelation.PARENT, DocumentKind.ID_CARD, False),
        (GuardianRelation.GRANDPARENT, DocumentKind.BIRTH_CERTIFICATE, False),
        (GuardianRelation.APPOINTED, DocumentKind.GUARDIANSHIP_PAPER, True),
        (GuardianRelation.APPOINTED, DocumentKind.HOUSEHOLD_REGISTER, False),
    ],
)
def test_the_document_must_prove_the_relation(
    world: FaceWorld, relation: GuardianRelation, document: DocumentKind, *, is_enough: bool
) -> None:
    by = ByGuardian(relation, PARENT, document, CLERK.staff)
    if is_enough:
        assert world.give(CHILD, COMPARISON, by=by) == (COMPARISON,)
        return
    with refused(DOCUMENT_NOT_ENOUGH):
        world.give(CHILD, COMPARISON, by=by)


def test_a_document_without_a_clerk_proves_nothing(world: FaceWorld) -> None:
    by = ByGuardian(GuardianRelation.PARENT, PARENT, DocumentKind.BIRTH_CERTIFICATE)
    with refused(CLERK_MISSING):
        world.give(CHILD, COMPARISON, by=by)
    with refused(CLERK_MISSING):
        world.withdraw(by=ByPerson(DocumentKind.ID_CARD))


def test_a_guardian_acts_by_own_proof_once_a_clerk_has_seen_the_documents(
    world: FaceWorld,
) -> None:
    with refused(GUARDIAN_NOT_PROVEN):
        world.consents.as_guardian(CHILD, PARENT)
    with refused(GUARDIAN_NOT_PROVEN):
        world.give(CHILD, COMPARISON, by=ByGuardian(GuardianRelation.PARENT, PARENT))

    world.give(CHILD, COMPARISON, by=SEEN_PARENT)
    parent = world.consents.as_guardian(CHILD, PARENT)
    assert world.give(CHILD, TEMPLATE, by=parent) == (TEMPLATE,)
    assert world.withdraw(CHILD, by=parent).receipt
    with refused(GUARDIAN_NOT_PROVEN):
        world.consents.as_guardian(CHILD, PERSON)


def test_a_minor_is_nobodys_guardian(world: FaceWorld) -> None:
    by = ByGuardian(GuardianRelation.PARENT, CHILD, DocumentKind.HOUSEHOLD_REGISTER, CLERK.staff)
    with refused(GUARDIAN_NOT_PROVEN):
        world.give(PersonNo("P0002"), COMPARISON, by=by)


def test_nobody_speaks_for_an_adult_but_an_appointed_guardian(world: FaceWorld) -> None:
    with refused(GUARDIAN_NOT_PROVEN):
        world.give(PERSON, TEMPLATE, by=SEEN_PARENT)
    with refused(GUARDIAN_NOT_PROVEN):
        world.withdraw(PERSON, by=SEEN_PARENT)

    appointed = ByGuardian(
        GuardianRelation.APPOINTED, PARENT, DocumentKind.GUARDIANSHIP_PAPER, CLERK.staff
    )
    world.give(PERSON, COMPARISON, TEMPLATE, by=appointed)
    assert world.consents.in_force(PERSON) == {COMPARISON, TEMPLATE}


def test_a_child_may_withdraw_alone(world: FaceWorld) -> None:
    world.give(CHILD, COMPARISON, TEMPLATE, by=SEEN_PARENT)

    assert world.withdraw(CHILD, COMPARISON).receipt
    assert world.consents.guardian_missing(CHILD, today=date(2026, 12, 2))


def test_the_copy_says_dates_wordings_counts_and_receipts(world: FaceWorld) -> None:
    world.give()
    world.enrol()
    held = world.consents.export(PERSON)
    assert sum(held.holdings.values()) == 3
    assert held.terms.in_force == {TEMPLATE}

    receipt = world.withdraw().receipt
    matters = world.consents.export(PERSON)

    assert [each.change for each in matters.events] == ["given", "withdrawn"]
    assert set(matters.holdings.values()) == {0}
    assert matters.receipts == (receipt,)
    assert matters.events[1].receipt_no == matters.receipts[0].number
