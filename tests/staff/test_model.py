import pytest

from shualian.core.identifiers import StaffId
from shualian.core.refusals import RefusalKind, Refused
from shualian.staff import model
from shualian.staff.accounts import model as accounts
from shualian.staff.credentials import model as credentials
from shualian.staff.model import (
    HOSPITAL_ROLES,
    INSURER,
    INSURER_ROLES,
    Caller,
    Role,
    check_role,
    check_two_people,
)
from shualian.staff.passkeys import model as passkeys
from shualian.staff.passwords import model as passwords
from shualian.staff.sessions import model as sessions
from shualian.staff.signin import model as signin
from staff.house import HOSPITAL

SUBJECTS = (model, accounts, credentials, passkeys, passwords, sessions, signin)
KINDS = [kind for subject in SUBJECTS for kind in subject.REFUSALS]


def test_every_refusal_kind_is_in_the_closed_set_of_its_subject() -> None:
    declared = {
        value.code
        for subject in SUBJECTS
        for value in vars(subject).values()
        if isinstance(value, RefusalKind)
    }

    assert declared == {kind.code for kind in KINDS}
    assert len(KINDS) == len({kind.code for kind in KINDS})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_refusal_says_in_both_languages_what_happened_and_what_to_do(kind: RefusalKind) -> None:
    assert kind.code.startswith("staff.")
    assert all(text.strip() for text in (kind.zh, kind.en, kind.next_zh, kind.next_en))
    assert kind.en.isascii()
    assert kind.next_en.isascii()
    assert not kind.zh.isascii()
    assert not kind.next_zh.isascii()


def test_each_role_belongs_to_one_kind_of_employer() -> None:
    assert INSURER.roles == INSURER_ROLES == {Role.SUPERVISOR, Role.OPERATOR}
    assert HOSPITAL.roles == HOSPITAL_ROLES
    assert set(Role) == HOSPITAL_ROLES | INSURER_ROLES
    assert not HOSPITAL_ROLES & INSURER_ROLES


def test_a_role_counts_only_at_an_employer_where_it_exists() -> None:
    stray = Caller(StaffId("S"), HOSPITAL, frozenset((Role.SUPERVISOR,)))

    with pytest.raises(Refused) as refused:
        check_role(stray, (Role.SUPERVISOR,))

    assert refused.value.kind is model.ROLE_MISSING


def test_the_two_person_rule_takes_anybody_but_the_first_person() -> None:
    check_two_people(StaffId("B"), StaffId("A"), None)

    with pytest.raises(Refused) as refused:
        check_two_people(StaffId("A"), None, StaffId("A"))

    assert refused.value.kind is model.SAME_PERSON
