from datetime import timedelta

import pytest

from shualian.core.identifiers import StaffId
from shualian.sandbox.authenticator import Authenticator
from shualian.staff.accounts.model import AccountState
from shualian.staff.model import INSURER, Caller, Role
from shualian.staff.passwords.model import Password
from staff.house import HOSPITAL, NAME, PHRASE, House, Ward, refused, supervisor_elsewhere

ADMINISTRATOR = frozenset((Role.ADMINISTRATOR,))


def second_administrator(ward: Ward) -> Caller:
    code = ward.create(ward.chief, "second", ADMINISTRATOR)
    ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)
    return ward.enrol_passkey(code).caller


def test_the_command_line_makes_the_first_administrator_and_no_second(house: House) -> None:
    chief = house.first()

    assert chief.caller.roles == ADMINISTRATOR
    with refused("staff.bootstrap_closed"):
        house.first(login="intruder")


def test_the_command_line_makes_two_supervisors_so_that_one_can_approve_the_other(
    house: House,
) -> None:
    one, two = (house.first(INSURER, login).caller for login in ("one", "two"))

    code = house.create(one, "operator", (Role.OPERATOR,))
    house.approve(one, two, code.staff_id)

    assert house.enrol_password(code).caller.roles == {Role.OPERATOR}
    with refused("staff.bootstrap_closed"):
        house.first(INSURER, "three")


def test_recovery_by_the_command_line_stops_all_who_govern(ward: Ward) -> None:
    token = ward.by_passkey(ward.chief.staff_id).token

    code = ward.services.accounts.bootstrap(
        employer=HOSPITAL, login="rescuer", name=NAME, recover=True
    )

    rescuer = ward.enrol_passkey(code).caller
    assert ward.person(rescuer, ward.chief.staff_id).account.state is AccountState.SUSPENDED
    assert ward.person(rescuer, ward.doctor.staff_id).account.state is AccountState.ACTIVE
    with refused("staff.signed_out"):
        ward.services.sessions.resolve(token)
    with refused("staff.account_suspended"):
        ward.by_passkey(ward.chief.staff_id)


def test_an_account_can_be_used_only_when_a_second_person_has_approved(ward: Ward) -> None:
    second = second_administrator(ward)
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))

    with refused("staff.not_approved"):
        ward.enrol_password(code)
    ward.approve(ward.chief, second, code.staff_id)

    assert ward.enrol_password(code).caller.roles == {Role.NURSE}


def test_nobody_approves_what_they_proposed_or_what_is_about_themselves(ward: Ward) -> None:
    second = second_administrator(ward)
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))
    ward.services.accounts.propose_roles(
        ward.chief, staff_id=second.staff_id, roles=(Role.ADMINISTRATOR, Role.DOCTOR)
    )

    with refused("staff.same_person"):
        ward.approve(ward.chief, ward.chief, code.staff_id)
    with refused("staff.same_person"):
        ward.approve(ward.chief, second, second.staff_id)


def test_a_supervisor_approves_where_a_hospital_has_nobody_else(ward: Ward) -> None:
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))

    waiting = ward.services.accounts.waiting_outside(supervisor_elsewhere())
    ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)

    assert [each.account.staff_id for each in waiting] == [code.staff_id]
    assert ward.person(ward.chief, code.staff_id).account.state is AccountState.ACTIVE


def test_a_supervisor_leaves_it_to_the_hospital_when_it_has_a_second_administrator(
    ward: Ward,
) -> None:
    second_administrator(ward)
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))

    with refused("staff.approver_inside"):
        ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)


def test_a_second_administrator_who_cannot_sign_in_yet_does_not_block_the_supervisor(
    ward: Ward,
) -> None:
    second = ward.create(ward.chief, "second", ADMINISTRATOR)
    ward.approve(ward.chief, supervisor_elsewhere(), second.staff_id)
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))

    ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)

    assert ward.person(ward.chief, code.staff_id).account.state is AccountState.ACTIVE


def test_an_approval_names_the_change_that_was_seen(ward: Ward) -> None:
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))
    ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)
    accounts, staff_id = ward.services.accounts, code.staff_id
    accounts.propose_roles(ward.chief, staff_id=staff_id, roles=(Role.CLERK,))
    seen = ward.proposal_id(ward.chief, staff_id)
    accounts.reject(ward.chief, staff_id=staff_id, proposal_id=seen)
    accounts.propose_roles(ward.chief, staff_id=staff_id, roles=(Role.PHARMACIST,))

    with refused("staff.nothing_proposed"):
        accounts.approve(supervisor_elsewhere(), staff_id=staff_id, proposal_id=seen)

    assert ward.person(ward.chief, staff_id).account.roles == {Role.NURSE}


def test_a_rejected_new_account_is_gone_and_its_code_with_it(ward: Ward) -> None:
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))
    seen = ward.proposal_id(ward.chief, code.staff_id)

    ward.services.accounts.reject(ward.chief, staff_id=code.staff_id, proposal_id=seen)

    with refused("staff.code_invalid"):
        ward.enrol_password(code)
    ward.create(ward.chief, "nurse", (Role.NURSE,))


def test_a_change_of_roles_ends_every_session_and_takes_effect_at_the_next_sign_in(
    ward: Ward,
) -> None:
    token = ward.by_password("doctor").token
    ward.services.accounts.propose_roles(
        ward.chief, staff_id=ward.doctor.staff_id, roles=(Role.NURSE,)
    )
    assert ward.services.sessions.resolve(token).roles == {Role.DOCTOR}

    ward.approve(ward.chief, supervisor_elsewhere(), ward.doctor.staff_id)

    with refused("staff.signed_out"):
        ward.services.sessions.resolve(token)
    assert ward.by_password("doctor").caller.roles == {Role.NURSE}


def test_nobody_becomes_administrator_without_a_passkey_or_keeps_a_password(ward: Ward) -> None:
    doctor = ward.doctor
    ward.services.accounts.propose_roles(
        ward.chief, staff_id=doctor.staff_id, roles=(Role.DOCTOR, Role.ADMINISTRATOR)
    )
    with refused("staff.passkey_missing"):
        ward.approve(ward.chief, supervisor_elsewhere(), doctor.staff_id)
    add_passkey(ward, doctor)

    ward.approve(ward.chief, supervisor_elsewhere(), doctor.staff_id)

    assert Role.ADMINISTRATOR in ward.by_passkey(doctor.staff_id).caller.roles
    with refused("staff.sign_in_failed"):
        ward.by_password("doctor")


def add_passkey(ward: Ward, caller: Caller) -> None:
    key = ward.passkeys[caller.staff_id] = Authenticator()
    options = ward.services.credentials.registration_options(caller)
    ward.services.credentials.add_passkey(caller, key.create(options))


def test_a_reset_takes_away_what_the_person_signed_in_with_once_it_is_approved(ward: Ward) -> None:
    code = ward.services.accounts.propose_reset(ward.chief, staff_id=ward.doctor.staff_id)
    ward.by_password("doctor")
    with refused("staff.not_approved"):
        ward.enrol_password(code, "another phrase, longer")

    ward.approve(ward.chief, supervisor_elsewhere(), ward.doctor.staff_id)

    with refused("staff.sign_in_failed"):
        ward.by_password("doctor")
    ward.enrol_password(code, "another phrase, longer")
    ward.by_password("doctor", "another phrase, longer")


def test_a_reset_takes_away_every_passkey_and_every_session(ward: Ward) -> None:
    add_passkey(ward, ward.doctor)
    ward.by_passkey(ward.doctor.staff_id)
    ward.services.accounts.propose_reset(ward.chief, staff_id=ward.doctor.staff_id)

    ward.approve(ward.chief, supervisor_elsewhere(), ward.doctor.staff_id)

    with refused("staff.passkey_refused"):
        ward.by_passkey(ward.doctor.staff_id)
    assert ward.services.sessions.listed(ward.doctor) == []


def test_one_person_suspends_and_two_bring_back(ward: Ward) -> None:
    token = ward.by_password("doctor").token

    ward.services.accounts.suspend(ward.chief, staff_id=ward.doctor.staff_id)

    with refused("staff.signed_out"):
        ward.services.sessions.resolve(token)
    with refused("staff.account_suspended"):
        ward.by_password("doctor")
    ward.services.accounts.propose_roles(
        ward.chief, staff_id=ward.doctor.staff_id, roles=(Role.DOCTOR,)
    )
    ward.approve(ward.chief, supervisor_elsewhere(), ward.doctor.staff_id)
    assert ward.by_password("doctor").caller.roles == {Role.DOCTOR}


def test_a_code_is_good_once_and_for_a_week(ward: Ward) -> None:
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))
    ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)
    late = ward.create(ward.chief, "clerk", (Role.CLERK,))
    ward.approve(ward.chief, supervisor_elsewhere(), late.staff_id)

    ward.enrol_password(code)
    with refused("staff.code_invalid"):
        ward.enrol_password(code)
    ward.wait(timedelta(days=7))
    with refused("staff.code_invalid"):
        ward.enrol_password(late)


def test_a_weak_password_does_not_use_the_code_up(ward: Ward) -> None:
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))
    ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)

    for weak in ("short", "a" * 20, "nurse nurse nurse", "x" * 129):
        with refused("staff.password_weak"):
            ward.enrol_password(code, weak)

    ward.enrol_password(code)


def test_an_administrator_gets_no_password(house: House) -> None:
    code = house.services.accounts.bootstrap(employer=HOSPITAL, login="chief", name=NAME)

    with refused("staff.passkey_required"):
        house.enrol_password(code)


@pytest.mark.parametrize(
    ("login", "name", "roles", "expected"),
    [
        ("no", NAME, (Role.NURSE,), "login_invalid"),
        ("with blank", NAME, (Role.NURSE,), "login_invalid"),
        ("Doctor ", NAME, (Role.NURSE,), "login_taken"),
        ("nurse", "  ", (Role.NURSE,), "name_invalid"),
        ("nurse", "a\nb", (Role.NURSE,), "name_invalid"),
        ("nurse", NAME, (), "roles_invalid"),
        ("nurse", NAME, (Role.OPERATOR,), "roles_invalid"),
    ],
)
def test_what_is_no_account_is_refused(
    quick_ward: Ward, login: str, name: str, roles: tuple[Role, ...], expected: str
) -> None:
    with refused(f"staff.{expected}"):
        quick_ward.services.accounts.create(
            quick_ward.chief, employer=HOSPITAL, login=login, name=name, roles=roles
        )


def test_only_one_change_of_an_account_waits_at_a_time(ward: Ward) -> None:
    accounts, staff_id = ward.services.accounts, ward.doctor.staff_id
    accounts.propose_roles(ward.chief, staff_id=staff_id, roles=(Role.NURSE,))

    with refused("staff.change_waiting"):
        accounts.propose_roles(ward.chief, staff_id=staff_id, roles=(Role.CLERK,))
    with refused("staff.change_waiting"):
        accounts.propose_reset(ward.chief, staff_id=staff_id)


def test_every_change_is_recorded_with_who_did_it(ward: Ward) -> None:
    code = ward.create(ward.chief, "nurse", (Role.NURSE,))
    ward.approve(ward.chief, supervisor_elsewhere(), code.staff_id)
    ward.enrol_password(code)
    ward.services.accounts.suspend(ward.chief, staff_id=code.staff_id)

    assert ward.events()[:2] == ["bootstrapped", "enrolled"]
    assert ward.events()[-4:] == ["proposed", "approved", "enrolled", "suspended"]


def test_an_unknown_account_is_not_found(ward: Ward) -> None:
    with refused("staff.account_not_found"):
        ward.services.accounts.suspend(ward.chief, staff_id=StaffId("NOBODY"))


def test_the_own_account_shows_the_name_and_its_repr_does_not(ward: Ward) -> None:
    person = ward.services.accounts.own(ward.doctor)

    assert (person.name, person.login) == (NAME, "doctor")
    assert NAME not in repr(person)
    assert "login" not in repr(person)
    assert PHRASE not in repr(Password.typed(PHRASE)) + str(Password.typed(PHRASE))
