from datetime import timedelta

import pytest

from shualian.staff.accounts import store as accounts
from shualian.staff.passwords.model import Password
from shualian.staff.sessions.model import SessionPolicy
from staff.house import PHRASE, Ward, code_of, refused


def is_live(ward: Ward, token: str) -> bool:
    code = code_of(lambda: ward.services.sessions.resolve(token))
    assert code in {"", "staff.signed_out"}
    return code == ""


def test_a_token_is_new_each_time_and_has_256_bits(ward: Ward) -> None:
    tokens = {ward.by_password("doctor").token for _ in range(3)}

    assert len(tokens) == 3
    assert {len(token) for token in tokens} == {43}


def test_a_session_ends_when_it_is_idle(ward: Ward) -> None:
    token = ward.by_password("doctor").token

    for _ in range(5):
        ward.wait(timedelta(minutes=29))
        assert is_live(ward, token)
    ward.wait(timedelta(minutes=30))

    assert not is_live(ward, token)


def test_an_administrators_session_ends_sooner(ward: Ward) -> None:
    token = ward.by_passkey(ward.chief.staff_id).token
    ward.wait(timedelta(minutes=14))
    assert is_live(ward, token)
    ward.wait(timedelta(minutes=15))

    assert not is_live(ward, token)


def test_a_session_ends_after_a_shift_however_busy(ward: Ward) -> None:
    token = ward.by_password("doctor").token
    for _ in range(35):
        ward.wait(timedelta(minutes=20))
        assert is_live(ward, token)
    ward.wait(timedelta(minutes=20))

    assert not is_live(ward, token)


def test_signing_in_again_ends_the_session_that_the_browser_had(ward: Ward) -> None:
    old = ward.by_password("doctor").token

    new = ward.services.sign_in.by_password(
        login="doctor", password=Password.typed(PHRASE), replaces=old
    ).token

    assert not is_live(ward, old)
    assert is_live(ward, new)


def test_a_failed_sign_in_leaves_the_session_as_it_was(ward: Ward) -> None:
    old = ward.by_password("doctor").token

    with refused("staff.sign_in_failed"):
        ward.services.sign_in.by_password(
            login="doctor", password=Password.typed("something else"), replaces=old
        )

    assert is_live(ward, old)


def test_one_session_or_all_can_be_ended(ward: Ward) -> None:
    one, two, three = (ward.by_password("doctor") for _ in range(3))
    sessions = ward.services.sessions

    sessions.sign_out(one.caller)
    assert [is_live(ward, each.token) for each in (one, two, three)] == [False, True, True]
    sessions.revoke(three.caller, session_id=two.caller.session)
    assert [is_live(ward, each.token) for each in (two, three)] == [False, True]
    # The session of the enrolment is the second.
    assert sessions.revoke_all(three.caller) == 2
    assert not is_live(ward, three.token)


def test_nobody_ends_the_session_of_somebody_else(ward: Ward) -> None:
    chief = ward.by_passkey(ward.chief.staff_id)

    with refused("staff.session_not_found"):
        ward.services.sessions.revoke(ward.doctor, session_id=chief.caller.session)

    assert is_live(ward, chief.token)


def test_an_administrator_signs_somebody_out_everywhere(ward: Ward) -> None:
    tokens = [ward.by_password("doctor").token for _ in range(2)]

    ended = ward.services.accounts.revoke_sessions(ward.chief, staff_id=ward.doctor.staff_id)

    assert ended == 3
    assert not any(is_live(ward, token) for token in tokens)


def test_a_new_password_ends_every_session_and_gives_a_new_one(ward: Ward) -> None:
    old = [ward.by_password("doctor") for _ in range(2)]

    new = ward.services.credentials.set_password(
        old[0].caller, password=Password.typed("quite another phrase")
    )

    assert not any(is_live(ward, each.token) for each in old)
    assert is_live(ward, new.token)
    with refused("staff.sign_in_failed"):
        ward.by_password("doctor")


def test_a_session_is_bound_to_the_version_of_its_account(ward: Ward) -> None:
    token = ward.by_password("doctor").token
    staff_id = ward.doctor.staff_id

    ward.database.write(lambda connection: accounts.raise_version(connection, staff_id))

    assert not is_live(ward, token)


def test_the_list_of_sessions_holds_no_token(ward: Ward) -> None:
    signed_in = ward.by_password("doctor")

    listed = ward.services.sessions.listed(signed_in.caller)

    assert signed_in.caller.session in {each.session_id for each in listed}
    assert signed_in.token not in repr(listed) + repr(signed_in)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "0" * 43, "令牌"])
def test_what_is_no_token_signs_nobody_in(quick_ward: Ward, token: str) -> None:
    assert not is_live(quick_ward, token)


@pytest.mark.parametrize("field", ["absolute", "idle", "idle_privileged", "fresh"])
def test_a_session_may_only_be_made_shorter(field: str) -> None:
    SessionPolicy(**{field: timedelta(minutes=5)})

    for value in (timedelta(days=1), timedelta(), timedelta(minutes=-1)):
        with pytest.raises(ValueError, match="shorter"):
            SessionPolicy(**{field: value})
