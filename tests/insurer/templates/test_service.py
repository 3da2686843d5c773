from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insurer.face_world import (
    CHILD,
    CLERK,
    COMPARISON,
    NOW,
    PARENT,
    PERSON,
    SECOND,
    SEEN_PARENT,
    TEMPLATE,
    FaceWorld,
    PowerCutError,
    Scanned,
    Told,
    new_template,
    refused,
    scanned,
)
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, PersonNo, StaffId
from shualian.gallery.model import GALLERY_FULL, QUALITY_INVALID
from shualian.insurer.consents.model import CONSENT_NOT_IN_FORCE, DocumentKind
from shualian.insurer.erasures.model import ERASURE_UNFINISHED, ErasureReason
from shualian.insurer.templates.model import (
    ENROLMENT_NOT_ACTIVE,
    ENROLMENT_NOT_CLAIMED,
    ENROLMENT_NOT_MATCHED,
    REPLACEMENT_DECIDED,
    REPLACEMENT_DOCUMENT,
    REPLACEMENT_NOT_FOUND,
    REPLACEMENT_SAME_PERSON,
    REPLACEMENT_TOO_LATE,
    REPLACEMENT_WAITING,
    TEMPLATE_EXISTS,
    TEMPLATE_MISSING,
    FilingDuty,
    HeldTemplate,
    ProposalId,
    Replacement,
    months_after,
)
from shualian.terminals.model import InstitutionStaff, InsurerStaff
from shualian.verification.model import Basis
from shualian.verification.registry.model import RegistryVerdict

OTHER_HOSPITAL = InstitutionCode("H99000000002")


@pytest.fixture
def world(sqlite_database: Database, tmp_path: Path) -> FaceWorld:
    return FaceWorld(sqlite_database, tmp_path)


@pytest.fixture
def any_world(any_database: Database, tmp_path: Path) -> FaceWorld:
    return FaceWorld(any_database, tmp_path)


def enrolled(world: FaceWorld) -> FaceWorld:
    world.give()
    world.enrol()
    return world


def propose(world: FaceWorld) -> Replacement:
    return world.templates.propose_replacement(PERSON, actor=CLERK, document=DocumentKind.ID_CARD)


def replaced(world: FaceWorld) -> None:
    """A template that failed is deleted with the consent of two."""
    made = propose(enrolled(world))
    world.templates.approve_replacement(made.proposal_id, actor=SECOND)


def test_a_template_is_kept_with_consent_active_liveness_and_a_match_of_the_registry(
    any_world: FaceWorld,
) -> None:
    any_world.give()

    assert any_world.enrol()

    assert any_world.reachable()
    assert any_world.templates.about(PERSON).unused_until == date(2028, 12, 1)
    any_world.restart()
    assert any_world.reachable()
    assert any_world.templates.finish_waiting() == 0
    assert any_world.reachable()


def test_without_consent_nothing_is_kept(any_world: FaceWorld) -> None:
    with refused(CONSENT_NOT_IN_FORCE):
        any_world.enrol()
    any_world.give()
    any_world.withdraw()
    with refused(CONSENT_NOT_IN_FORCE):
        any_world.enrol()

    assert any_world.left() == 0


@pytest.mark.parametrize(
    ("session", "kind"),
    [
        (scanned(active=False), ENROLMENT_NOT_ACTIVE),
        (scanned(basis=Basis.TEMPLATE), ENROLMENT_NOT_CLAIMED),
        (scanned(CHILD), ENROLMENT_NOT_CLAIMED),
        (replace(scanned(), person=None), ENROLMENT_NOT_CLAIMED),
        (scanned(registry=None), ENROLMENT_NOT_MATCHED),
        *(
            (scanned(registry=verdict), ENROLMENT_NOT_MATCHED)
            for verdict in RegistryVerdict
            if verdict is not RegistryVerdict.MATCH
        ),
    ],
)
def test_neither_a_search_nor_a_passive_nor_an_unconfirmed_capture_becomes_a_template(
    world: FaceWorld, session: Scanned, kind: Any
) -> None:
    world.give()

    with refused(kind):
        world.enrol(session=session)
    assert world.left() == 0


def test_the_same_session_again_keeps_one_template(any_world: FaceWorld) -> None:
    any_world.give()
    session = scanned()

    assert any_world.enrol(session=session)
    assert not any_world.enrol(session=session)
    assert any_world.records.count(PERSON) == 1


def test_a_session_from_before_a_withdrawal_brings_no_template_back(world: FaceWorld) -> None:
    world.give()
    session = scanned()
    world.enrol(session=session)
    world.withdraw()
    world.give()

    with refused(TEMPLATE_EXISTS):
        world.enrol(session=session)
    assert not world.reachable()
    assert world.enrol()


def test_a_template_is_never_refreshed_by_another_scan(world: FaceWorld) -> None:
    enrolled(world)

    with refused(TEMPLATE_EXISTS):
        world.enrol()
    assert world.records.count(PERSON) == 1


def test_what_the_gallery_refuses_leaves_nothing_and_may_be_tried_again(
    world: FaceWorld,
) -> None:
    world.give()
    session = scanned()
    poor = replace(new_template(PERSON), quality=101)

    with refused(QUALITY_INVALID):
        world.templates.enrol(PERSON, poor, session=session)

    assert world.left() == 0
    assert world.enrol(session=session)


def cut_before_gallery(world: FaceWorld) -> None:
    def enrol(*_: object) -> None:
        raise PowerCutError

    world.gallery.enrol = enrol  # type: ignore[assignment, method-assign]


def cut_after_gallery(world: FaceWorld) -> None:
    original = world.gallery.enrol

    def enrol(*given: Any) -> None:
        original(*given)
        raise PowerCutError

    world.gallery.enrol = enrol  # type: ignore[assignment, method-assign]


@pytest.mark.parametrize("cut", [cut_before_gallery, cut_after_gallery])
def test_a_power_cut_during_an_enrolment_leaves_nothing_after_the_next_start(
    any_world: FaceWorld, cut: Callable[[FaceWorld], None]
) -> None:
    any_world.give()
    cut(any_world)
    with pytest.raises(PowerCutError):
        any_world.enrol()

    any_world.restart()
    assert any_world.templates.finish_waiting() == 1

    assert any_world.left() == 0
    assert any_world.enrol()
    assert any_world.records.count(PERSON) == 1


def test_a_withdrawal_after_a_power_cut_takes_the_half_enrolled_template_too(
    world: FaceWorld,
) -> None:
    world.give()
    cut_after_gallery(world)
    with pytest.raises(PowerCutError):
        world.enrol()
    world.restart()
    assert world.reachable()

    receipt = world.withdraw().receipt

    assert receipt
    assert [each.deleted for each in receipt.stores] == [1, 1, 0, 1, 0]
    assert world.left() == 0


def test_an_enrolment_that_another_process_overtook_with_a_withdrawal_takes_its_template_back(
    any_world: FaceWorld,
) -> None:
    any_world.give()
    original = any_world.gallery.enrol

    def overtaken(*given: Any) -> Any:
        any_world.withdraw()
        return original(*given)

    any_world.gallery.enrol = overtaken  # type: ignore[assignment, method-assign]
    with refused(CONSENT_NOT_IN_FORCE):
        any_world.enrol()

    assert any_world.left() == 0


def test_an_unused_template_is_deleted_with_a_receipt_and_the_person_is_told(
    any_world: FaceWorld,
) -> None:
    enrolled(any_world)
    enrolled_at = any_world.clock.now()
    any_world.clock.set(enrolled_at.replace(year=2028) - timedelta(days=1))
    assert any_world.templates.expire(any_world.clock.now()) == ()
    assert any_world.reachable()

    any_world.wait(timedelta(days=1))
    (receipt,) = any_world.templates.expire(any_world.clock.now())

    assert receipt.reason is ErasureReason.UNUSED
    assert receipt.stores[0].deleted == 1
    assert any_world.left() == 0
    assert any_world.erasures.receipts_of(PERSON) == (receipt,)
    told = Told()
    assert any_world.templates.tell_waiting(told) == 1
    assert told.told == [(PERSON, "template_expired")]


def test_a_use_prolongs_and_an_older_one_does_not_shorten(world: FaceWorld) -> None:
    enrolled(world)
    world.templates.used(PERSON, NOW.replace(year=2027))
    world.templates.used(PERSON, NOW)

    assert world.templates.about(PERSON).unused_until == date(2029, 12, 1)


def test_a_template_is_kept_no_longer_than_the_person_agreed(world: FaceWorld) -> None:
    held = HeldTemplate(PERSON, NOW, NOW, months_max=6)

    assert held.unused_until(24) == date(2027, 6, 1)
    assert held.unused_until(3) == date(2027, 3, 1)


def test_a_template_whose_consent_ended_by_itself_is_deleted(world: FaceWorld) -> None:
    world.give(CHILD, COMPARISON, TEMPLATE, by=SEEN_PARENT)
    world.enrol(CHILD)
    enrolled(world)
    world.clock.set(NOW.replace(year=2030, month=3, day=10))
    world.templates.used(PERSON, world.clock.now())
    world.templates.used(CHILD, world.clock.now())

    (receipt,) = world.templates.expire(world.clock.now())

    assert receipt.reason is ErasureReason.NO_CONSENT
    assert world.left(CHILD) == 0
    assert world.reachable(PERSON)


def test_two_people_let_a_failing_template_be_replaced(any_world: FaceWorld) -> None:
    made = propose(enrolled(any_world))
    assert any_world.templates.waiting_replacements(actor=SECOND) == [made]
    assert any_world.reachable()

    receipt = any_world.templates.approve_replacement(made.proposal_id, actor=SECOND)

    assert receipt.reason is ErasureReason.REPLACED
    assert not any_world.reachable()
    assert any_world.consents.in_force(PERSON) == {TEMPLATE}
    assert any_world.enrol()
    assert any_world.templates.waiting_replacements(actor=SECOND) == []


def test_a_replaced_face_pays_nothing_for_24_hours_from_its_enrolment(
    any_world: FaceWorld,
) -> None:
    replaced(any_world)
    approved_at = any_world.clock.now()
    assert any_world.templates.payment_held_until(PERSON) == approved_at + timedelta(hours=24)

    enrolled_at = any_world.wait(timedelta(hours=23))
    any_world.enrol()
    assert any_world.templates.payment_held_until(PERSON) == enrolled_at + timedelta(hours=24)

    any_world.wait(timedelta(hours=24))
    assert any_world.templates.payment_held_until(PERSON) is None


def test_a_withdrawal_and_a_new_enrolment_do_not_end_the_hold(world: FaceWorld) -> None:
    replaced(world)
    world.withdraw()
    world.give()
    enrolled_at = world.clock.now()
    world.enrol()

    assert world.templates.payment_held_until(PERSON) == enrolled_at + timedelta(hours=24)


def test_a_first_template_may_pay_at_once(world: FaceWorld) -> None:
    assert enrolled(world).templates.payment_held_until(PERSON) is None


def test_the_old_channel_is_told_of_a_replacement_until_it_worked(any_world: FaceWorld) -> None:
    replaced(any_world)
    told = Told(failing=True)
    with refused(ERASURE_UNFINISHED):
        any_world.templates.tell_waiting(told)
    told.failing = False
    assert any_world.templates.tell_waiting(told) == 0

    any_world.wait(timedelta(minutes=5))
    assert any_world.templates.tell_waiting(told) == 1
    assert told.told == [(PERSON, "template_replaced")]
    any_world.wait(timedelta(minutes=5))
    assert any_world.templates.tell_waiting(told) == 0


@pytest.mark.parametrize(
    ("actor", "kind"),
    [
        (CLERK, REPLACEMENT_SAME_PERSON),
        (InstitutionStaff(StaffId("CLERK-2"), OTHER_HOSPITAL), REPLACEMENT_NOT_FOUND),
        (InsurerStaff(StaffId("OPERATOR-1")), REPLACEMENT_NOT_FOUND),
    ],
)
def test_the_second_person_is_another_one_of_the_same_institution(
    world: FaceWorld, actor: Any, kind: Any
) -> None:
    made = propose(enrolled(world))

    with refused(kind):
        world.templates.approve_replacement(made.proposal_id, actor=actor)
    assert world.reachable()
    assert world.templates.payment_held_until(PERSON) is None


def test_a_replacement_is_approved_once_in_time(world: FaceWorld) -> None:
    made = propose(enrolled(world))
    with refused(REPLACEMENT_WAITING):
        propose(world)
    world.wait(timedelta(hours=2, seconds=1))
    with refused(REPLACEMENT_TOO_LATE):
        world.templates.approve_replacement(made.proposal_id, actor=SECOND)

    again = propose(world)
    world.templates.approve_replacement(again.proposal_id, actor=SECOND)
    with refused(REPLACEMENT_DECIDED):
        world.templates.approve_replacement(again.proposal_id, actor=SECOND)
    with refused(REPLACEMENT_NOT_FOUND):
        world.templates.approve_replacement(ProposalId("NONE"), actor=SECOND)


def test_a_replacement_needs_a_template_and_a_document_with_a_photo(world: FaceWorld) -> None:
    with refused(TEMPLATE_MISSING):
        propose(world)
    enrolled(world)
    for document in set(DocumentKind) - {DocumentKind.ID_CARD, DocumentKind.TEMPORARY_ID_CARD}:
        with refused(REPLACEMENT_DOCUMENT):
            world.templates.propose_replacement(PERSON, actor=CLERK, document=document)


def test_filing_is_a_duty_from_the_laws_number_of_people_on(world: FaceWorld) -> None:
    assert world.templates.filing_due() == FilingDuty(0, 100_000)
    enrolled(world)
    world.give(PARENT)
    world.enrol(PARENT)

    assert world.templates.filing_due() == FilingDuty(2, 100_000)
    assert not FilingDuty(99_999, 100_000).due
    assert FilingDuty(100_000, 100_000).due


def test_a_full_gallery_keeps_nothing_half(world: FaceWorld) -> None:
    world.gallery._people_max = 0
    world.give()

    with refused(GALLERY_FULL):
        world.enrol()
    assert world.left() == 0
    assert world.templates.filing_due().people == 0


def test_nothing_is_known_of_who_has_no_template(world: FaceWorld) -> None:
    about = world.templates.about(PersonNo("P9999"))

    assert about.held is None
    assert about.unused_until is None


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 36))
def test_months_end_on_the_same_day_or_the_last_of_the_month(day: date, months: int) -> None:
    later = months_after(day, months)

    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later + timedelta(days=1)).day == 1
    assert later.day <= day.day
