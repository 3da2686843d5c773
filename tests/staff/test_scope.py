"""Every use case that takes a caller is tried by callers who may not; new ones find no way past."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from sqlalchemy import select

from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.sandbox.authenticator import Authenticator
from shualian.staff.model import INSURER, Caller, Role
from shualian.staff.passwords.model import Password
from shualian.staff.service import StaffServices
from shualian.staff.store import metadata
from staff.house import HOSPITAL, NAME, OTHER, PHRASE, Ward

WITHOUT_CALLER = {
    "accounts.bootstrap",  # the command line
    "sign_in.by_password",
    "sign_in.passkey_options",
    "sign_in.by_passkey",
    "credentials.enrol_password",
    "credentials.enrolment_options",
    "credentials.enrol_passkey",
    "sessions.resolve",
}
"""What somebody must be able to do who is not signed in: a closed set."""

FOR_ALL_ROLES = {
    "accounts.own",
    "credentials.set_password",
    "credentials.passkeys",
    "credentials.registration_options",
    "credentials.add_passkey",
    "credentials.remove_passkey",
    "sessions.listed",
    "sessions.sign_out",
    "sessions.revoke",
    "sessions.revoke_all",
}
"""What everybody may do with their own account; all else needs a role that governs."""

NO = {"staff.role_missing", "staff.account_not_found"}


def use_cases() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Name and function of every public method of every service."""
    for part in fields(StaffServices):
        if part.name == "party":
            continue
        assert isinstance(part.type, type)
        for name, method in inspect.getmembers(part.type, inspect.isfunction):
            if not name.startswith("_"):
                yield f"{part.name}.{name}", method


WITH_CALLER = sorted({name for name, _ in use_cases()} - WITHOUT_CALLER)


def arguments(ward: Ward, name: str, caller: Caller, target: StaffId) -> dict[str, Any]:
    """Values with which the use case would go well for the right caller."""
    values: dict[str, Any] = {
        "caller": caller,
        "staff_id": target,
        "employer": HOSPITAL,
        "login": "newcomer",
        "name": NAME,
        "roles": (Role.NURSE,),
        "proposal_id": ward.proposal_id(ward.chief, target),
        "password": Password.typed(PHRASE),
        "passkey_id": "AAAA",
        "session_id": ward.doctor.session,
        "response": Authenticator().get(ward.services.sign_in.passkey_options()),
    }
    method = getattr(getattr(ward.services, name.split(".", maxsplit=1)[0]), name.split(".")[1])
    wanted = [each for each in inspect.signature(method).parameters if each in values]
    required = [
        each.name
        for each in inspect.signature(method).parameters.values()
        if each.default is inspect.Parameter.empty
    ]
    assert set(required) <= set(wanted), f"{name}: say what to try it with"
    return {each: values[each] for each in wanted}


def content(ward: Ward) -> list[Any]:
    """All rows of all tables of staff, but challenges, which the attempt itself is given."""
    tables = [t for t in metadata.sorted_tables if t.name != "staff_challenge"]
    return ward.database.read(
        lambda connection: [connection.execute(select(table)).all() for table in tables]
    )


def refused_code(ward: Ward, name: str, caller: Caller, target: StaffId) -> str:
    service, method = name.split(".")
    given = arguments(ward, name, caller, target)
    before = content(ward)
    with pytest.raises(Refused) as refused:
        getattr(getattr(ward.services, service), method)(**given)
    assert content(ward) == before
    return refused.value.kind.code


def waiting(ward: Ward) -> StaffId:
    """The doctor's account, with a change that waits."""
    ward.services.accounts.propose_roles(
        ward.chief, staff_id=ward.doctor.staff_id, roles=(Role.NURSE,)
    )
    return ward.doctor.staff_id


def test_every_use_case_takes_a_caller_or_is_on_the_closed_list() -> None:
    without = {
        name for name, method in use_cases() if "caller" not in inspect.signature(method).parameters
    }

    assert without == WITHOUT_CALLER


@pytest.mark.parametrize("name", WITH_CALLER)
def test_nobody_from_another_hospital_gets_in(quick_ward: Ward, name: str) -> None:
    target = waiting(quick_ward)
    for own in (quick_ward.chief, quick_ward.doctor):
        stranger = replace(own, employer=OTHER)
        if name == "accounts.waiting_outside" or own is quick_ward.doctor:
            assert refused_code(quick_ward, name, stranger, target) in NO
        else:
            assert refused_code(quick_ward, name, stranger, target) == "staff.account_not_found"


@pytest.mark.parametrize("name", WITH_CALLER)
def test_an_insurers_operator_gets_in_nowhere(quick_ward: Ward, name: str) -> None:
    operator = Caller(StaffId("OPERATOR"), INSURER, frozenset((Role.OPERATOR,)))

    assert refused_code(quick_ward, name, operator, waiting(quick_ward)) in NO


@pytest.mark.parametrize("name", sorted(set(WITH_CALLER) - {"accounts.approve", "accounts.reject"}))
def test_a_supervisor_sees_only_what_waits_at_a_hospital(quick_ward: Ward, name: str) -> None:
    if name == "accounts.waiting_outside":
        return
    supervisor = Caller(StaffId("SUPERVISOR"), INSURER, frozenset((Role.SUPERVISOR,)))

    assert refused_code(quick_ward, name, supervisor, waiting(quick_ward)) in NO


@pytest.mark.parametrize("name", sorted(set(WITH_CALLER) - FOR_ALL_ROLES))
def test_nobody_without_a_governing_role_gets_in(quick_ward: Ward, name: str) -> None:
    target = waiting(quick_ward)
    others = set(Role) - {Role.ADMINISTRATOR}
    for roles in [frozenset[Role](), *(frozenset((role,)) for role in others)]:
        caller = replace(quick_ward.chief, roles=roles)
        assert refused_code(quick_ward, name, caller, target) == "staff.role_missing"


@pytest.mark.parametrize("name", sorted(FOR_ALL_ROLES))
def test_nobody_without_any_role_gets_in(quick_ward: Ward, name: str) -> None:
    caller = replace(quick_ward.doctor, roles=frozenset())

    code = refused_code(quick_ward, name, caller, waiting(quick_ward))

    assert code == "staff.role_missing"


def test_an_administrator_reaches_no_account_of_another_hospital_in_the_same_database(
    ward: Ward,
) -> None:
    target = waiting(ward)
    other = ward.first(OTHER, "other-chief").caller

    for name in sorted(set(WITH_CALLER) - FOR_ALL_ROLES - {"accounts.waiting_outside"}):
        assert refused_code(ward, name, other, target) == "staff.account_not_found", name
    listed = ward.services.accounts.listed(other, employer=OTHER)
    assert [each.login for each in listed] == ["other-chief"]
