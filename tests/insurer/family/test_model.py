from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import PersonNo, StaffId
from shualian.core.refusals import RefusalKind
from shualian.insurer.family import model
from shualian.insurer.family.model import (
    GUARDED,
    OWN_ACT_AGE,
    REFUSALS,
    Binding,
    BindingId,
    Document,
    Ground,
    Kinship,
    Party,
    ProposalId,
    Terms,
    WindowReason,
    bind,
    check_documents,
    check_parties,
    check_second,
    propose,
)
from staff.house import code_of

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
TODAY = date(2026, 3, 2)
HOLDER = Party(PersonNo("P1"), date(1980, 1, 1))
PARENT = Party(PersonNo("P2"), date(1950, 1, 1))
TERMS = Terms(HOLDER.psn_no, PARENT.psn_no, Kinship.MOTHER)
DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2060, 12, 31))


def child_terms(child: Party, kinship: Kinship = Kinship.CHILD) -> Terms:
    return Terms(HOLDER.psn_no, child.psn_no, kinship, Ground.GUARDIAN)


def test_every_refusal_is_in_the_closed_set_and_speaks_two_languages() -> None:
    declared = {value for value in vars(model).values() if isinstance(value, RefusalKind)}

    assert declared == set(REFUSALS)
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    for kind in REFUSALS:
        assert kind.code.startswith("insurer.")
        assert len(kind.code) <= 48
        assert kind.en.isascii()
        assert kind.next_en.isascii()
        assert not kind.zh.isascii()
        assert not kind.next_zh.isascii()


def test_every_kinship_has_its_words() -> None:
    assert len({each.zh for each in Kinship}) == len(Kinship)
    assert all(each.en.isascii() for each in Kinship)
    assert Kinship.MOTHER.zh == "母亲"


@given(born=DAYS, kinship=st.sampled_from(Kinship))
def test_a_person_is_bound_as_a_child_or_by_their_own_act_and_never_by_both(
    born: date, kinship: Kinship
) -> None:
    relative = Party(PersonNo("P2"), born)
    own = replace(TERMS, kinship=kinship)
    is_child = relative.age_on(TODAY) < OWN_ACT_AGE

    by_own_act = code_of(lambda: check_parties(HOLDER, relative, own, today=TODAY))
    as_child = code_of(
        lambda: check_parties(HOLDER, relative, child_terms(relative, kinship), today=TODAY)
    )

    assert (by_own_act == "") is not is_child
    assert (as_child == "") is (is_child and kinship in GUARDED)


def test_nobody_is_bound_to_themselves() -> None:
    terms = replace(TERMS, relative=HOLDER.psn_no)

    code = code_of(lambda: check_parties(HOLDER, HOLDER, terms, today=TODAY))

    assert code == "insurer.family_with_oneself"


@pytest.mark.parametrize(("days", "code"), [(0, "insurer.family_holder_too_young"), (1, "")])
def test_a_holder_is_sixteen_at_least(days: int, code: str) -> None:
    birthday = TODAY.replace(year=TODAY.year - 16)
    holder = Party(HOLDER.psn_no, birthday - timedelta(days=days))

    assert code_of(lambda: check_parties(holder, PARENT, TERMS, today=TODAY)) == code


@pytest.mark.parametrize(("days", "code"), [(0, "insurer.family_holder_too_young"), (1, "")])
def test_a_guardian_is_eighteen_at_least(days: int, code: str) -> None:
    birthday = TODAY.replace(year=TODAY.year - 18)
    guardian = Party(HOLDER.psn_no, birthday - timedelta(days=days))
    child = Party(PersonNo("P3"), date(2020, 1, 1))

    found = code_of(lambda: check_parties(guardian, child, child_terms(child), today=TODAY))

    assert found == code


ID, REGISTER, BIRTH, MARRIAGE, GUARDIANSHIP, MEDICAL = Document


@pytest.mark.parametrize(
    ("ground", "reason", "documents", "enough"),
    [
        (Ground.GUARDIAN, None, {ID, BIRTH}, True),
        (Ground.GUARDIAN, None, {BIRTH}, False),
        (Ground.GUARDIAN, None, {ID, MARRIAGE}, False),
        (Ground.WINDOW, WindowReason.BURNS, {ID, MARRIAGE, MEDICAL}, True),
        (Ground.WINDOW, WindowReason.BURNS, {ID, MARRIAGE}, False),
        (Ground.WINDOW, WindowReason.BURNS, {ID, MEDICAL}, False),
        (Ground.WINDOW, WindowReason.IN_PERSON, {ID}, True),
        (Ground.WINDOW, WindowReason.IN_PERSON, {REGISTER}, False),
    ],
)
def test_each_ground_needs_its_documents(
    ground: Ground, reason: WindowReason | None, documents: set[Document], enough: bool
) -> None:
    terms = replace(TERMS, ground=ground, reason=reason, documents=frozenset(documents))

    code = code_of(lambda: check_documents(terms))

    assert code == ("" if enough else "insurer.family_documents_missing")


def test_a_child_is_bound_through_the_sixteenth_birthday_in_china() -> None:
    child = Party(PersonNo("P3"), date(2015, 3, 5))
    made = bind(BindingId("B1"), child_terms(child), child, now=NOW)
    # Midnight in China is 16:00 the day before in UTC.
    midnight = datetime(2031, 3, 5, 16, 0, tzinfo=UTC)

    assert made.ends_on == date(2031, 3, 6)
    assert made.in_force(midnight - timedelta(microseconds=1))
    assert not made.in_force(midnight)


def test_a_binding_on_documents_holds_through_the_day_on_which_its_review_is_due() -> None:
    terms = replace(TERMS, ground=Ground.WINDOW, reason=WindowReason.PALSY)
    made = bind(BindingId("B1"), terms, PARENT, now=NOW)
    over = datetime(2027, 3, 2, 16, 0, tzinfo=UTC)

    assert made.review_due_on == date(2027, 3, 2)
    assert made.in_force(over - timedelta(microseconds=1))
    assert not made.in_force(over)
    assert made.stands(date(2027, 3, 3)), "a late review may still take it up again"


def test_whoever_agreed_in_person_without_a_face_is_not_reviewed() -> None:
    terms = replace(TERMS, ground=Ground.WINDOW, reason=WindowReason.IN_PERSON)

    assert bind(BindingId("B1"), terms, PARENT, now=NOW).review_due_on is None


@given(hours=st.integers(-50, 50), ended=st.none() | st.integers(0, 40))
def test_a_binding_holds_from_its_beginning_to_its_end(hours: int, ended: int | None) -> None:
    end = None if ended is None else NOW + timedelta(hours=ended)
    made = Binding(BindingId("B1"), TERMS, NOW, ended_at=end)
    at = NOW + timedelta(hours=hours)

    assert made.in_force(at) is (hours >= 0 and (ended is None or hours < ended))


def test_one_member_of_staff_is_not_two() -> None:
    terms = replace(TERMS, ground=Ground.WINDOW, reason=WindowReason.PALSY)
    entered = propose(ProposalId("A1"), terms, by=StaffId("CLERK-1"), now=NOW)

    assert code_of(lambda: check_second(entered, StaffId("CLERK-1"))) == (
        "insurer.family_second_person"
    )
    assert code_of(lambda: check_second(entered, StaffId("CLERK-2"))) == ""


def test_staff_cannot_confirm_what_waits_for_the_relatives_own_act() -> None:
    own = propose(ProposalId("A1"), TERMS, by=None, now=NOW)

    code = code_of(lambda: check_second(own, StaffId("CLERK-2")))

    assert code == "insurer.family_proposal_not_found"
