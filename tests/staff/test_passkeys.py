from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shualian.core.identifiers import StaffId
from shualian.sandbox.authenticator import AT, ORIGIN, UP, UV, Authenticator, b64, unb64
from shualian.staff.passkeys import service as ceremonies
from shualian.staff.passkeys.model import (
    CHALLENGE_VALID,
    Passkey,
    counter_advances,
    relying_party,
)
from staff.house import HOSPITAL, NAME, START, House, Ward, code_of, supervisor_elsewhere

PARTY = relying_party(ORIGIN)


def test_an_administrator_registers_a_passkey_and_signs_in_with_it(ward: Ward) -> None:
    signed_in = ward.by_passkey(ward.chief.staff_id)

    assert signed_in.caller.staff_id == ward.chief.staff_id
    assert ward.services.sessions.resolve(signed_in.token) == signed_in.caller


def test_options_ask_for_a_verified_user_and_a_discoverable_passkey(house: House) -> None:
    code = house.services.accounts.bootstrap(employer=HOSPITAL, login="chief", name=NAME)

    options = house.services.credentials.enrolment_options(code=code.code)

    assert options["rp"]["id"] == "localhost"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert NAME not in str(options)


def test_options_for_sign_in_tell_nothing_about_any_account(ward: Ward) -> None:
    options = ward.services.sign_in.passkey_options()

    assert options["userVerification"] == "required"
    assert options.get("allowCredentials", []) == []
    assert set(options) <= {
        "challenge", "timeout", "rpId", "allowCredentials", "userVerification"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("origin", "http://localhost:9000"),
        ("origin", "https://localhost:8000"),
        ("origin", "http://127.0.0.1:8000"),
        ("rp_id", "example.org"),
        ("flags", UP),
        ("flags", UV),
    ],
)
def test_a_wrong_origin_party_or_an_unverified_user_is_refused(
    quick_ward: Ward, field: str, value: object
) -> None:
    key = quick_ward.passkeys[quick_ward.chief.staff_id]
    setattr(key, field, value)

    code = code_of(lambda: quick_ward.by_passkey(quick_ward.chief.staff_id))

    assert code == "staff.passkey_refused"


@pytest.mark.parametrize(("field", "value"), [("origin", "http://localhost:1"), ("flags", UP)])
def test_the_same_holds_when_a_passkey_is_registered(
    quick_ward: Ward, field: str, value: object
) -> None:
    key = Authenticator()
    setattr(key, field, value)
    credentials = quick_ward.services.credentials
    options = credentials.registration_options(quick_ward.doctor)

    code = code_of(lambda: credentials.add_passkey(quick_ward.doctor, key.create(options)))

    assert code == "staff.passkey_refused"
    assert credentials.passkeys(quick_ward.doctor) == []


def test_a_challenge_is_good_once(ward: Ward) -> None:
    key = ward.passkeys[ward.chief.staff_id]
    answer = key.get(ward.services.sign_in.passkey_options())
    ward.services.sign_in.by_passkey(answer)

    assert code_of(lambda: ward.services.sign_in.by_passkey(answer)) == "staff.challenge_expired"


def test_a_challenge_is_used_up_by_a_refused_answer_too(ward: Ward) -> None:
    options = ward.services.sign_in.passkey_options()
    stranger = Authenticator(user_handle=ward.chief.staff_id.encode())
    refused = code_of(lambda: ward.services.sign_in.by_passkey(stranger.get(options)))
    right = ward.passkeys[ward.chief.staff_id].get(options)

    assert refused == "staff.passkey_refused"
    assert code_of(lambda: ward.services.sign_in.by_passkey(right)) == "staff.challenge_expired"


def test_a_challenge_expires(ward: Ward) -> None:
    answer = ward.passkeys[ward.chief.staff_id].get(ward.services.sign_in.passkey_options())
    ward.wait(CHALLENGE_VALID)

    assert code_of(lambda: ward.services.sign_in.by_passkey(answer)) == "staff.challenge_expired"


def test_a_challenge_that_was_never_given_is_refused(ward: Ward) -> None:
    answer = ward.passkeys[ward.chief.staff_id].get({"challenge": b64(bytes(32))})

    assert code_of(lambda: ward.services.sign_in.by_passkey(answer)) == "staff.challenge_expired"


def test_a_challenge_for_one_ceremony_or_person_is_good_for_no_other(ward: Ward) -> None:
    credentials = ward.services.credentials
    chief = ward.by_passkey(ward.chief.staff_id).caller
    key = ward.passkeys[ward.chief.staff_id]
    for_registration = credentials.registration_options(chief)
    for_sign_in = {
        **for_registration,
        "challenge": ward.services.sign_in.passkey_options()["challenge"],
    }

    def sign_in() -> object:
        return ward.services.sign_in.by_passkey(key.get(for_registration))

    def register_by_other() -> object:
        options = credentials.registration_options(chief)
        return credentials.add_passkey(ward.doctor, Authenticator().create(options))

    def register_by_sign_in() -> object:
        return credentials.add_passkey(chief, Authenticator().create(for_sign_in))

    for work in (sign_in, register_by_other, register_by_sign_in):
        assert code_of(work) == "staff.challenge_expired"


def test_a_challenge_for_a_first_passkey_adds_no_second_one(ward: Ward) -> None:
    reset = ward.services.accounts.propose_reset(ward.chief, staff_id=ward.doctor.staff_id)
    ward.approve(ward.chief, supervisor_elsewhere(), ward.doctor.staff_id)
    credentials = ward.services.credentials
    for_first = credentials.enrolment_options(code=reset.code)
    caller = ward.enrol_password(reset).caller

    code = code_of(lambda: credentials.add_passkey(caller, Authenticator().create(for_first)))

    assert code == "staff.challenge_expired"


def test_a_counter_that_goes_back_or_stands_is_refused_and_recorded(ward: Ward) -> None:
    key, staff_id = ward.passkeys[ward.chief.staff_id], ward.chief.staff_id
    key.count = 10
    ward.by_passkey(staff_id)
    for shown in (5, 11):
        key.count = shown - 1
        assert code_of(lambda: ward.by_passkey(staff_id)) == "staff.passkey_copied"

    assert ward.events()[-2:] == ["passkey_counter_back"] * 2
    key.count = 11
    ward.by_passkey(staff_id)


def test_nobody_raises_the_alarm_about_a_copy_without_the_key(ward: Ward) -> None:
    mine = ward.passkeys[ward.chief.staff_id]
    ward.by_passkey(ward.chief.staff_id)
    forger = Authenticator(credential_id=mine.credential_id, user_handle=mine.user_handle, step=0)
    answer = forger.get(ward.services.sign_in.passkey_options())

    assert code_of(lambda: ward.services.sign_in.by_passkey(answer)) == "staff.passkey_refused"
    assert "passkey_counter_back" not in ward.events()


def test_an_authenticator_that_does_not_count_is_accepted(ward: Ward) -> None:
    key = ward.passkeys[ward.chief.staff_id]
    key.step = 0

    for _ in range(2):
        ward.by_passkey(ward.chief.staff_id)


def test_the_passkey_must_name_its_own_account(ward: Ward) -> None:
    key = ward.passkeys[ward.chief.staff_id]
    key.user_handle = ward.doctor.staff_id.encode()

    assert code_of(lambda: ward.by_passkey(ward.chief.staff_id)) == "staff.passkey_refused"


def test_a_passkey_belongs_to_one_account_for_good(ward: Ward) -> None:
    credentials, key = ward.services.credentials, ward.passkeys[ward.chief.staff_id]

    def register_again() -> object:
        options = credentials.registration_options(ward.doctor)
        return credentials.add_passkey(ward.doctor, key.create(options))

    assert code_of(register_again) == "staff.passkey_known"


def test_adding_or_removing_a_passkey_needs_a_fresh_sign_in(ward: Ward) -> None:
    ward.wait(timedelta(minutes=11))
    credentials = ward.services.credentials

    assert code_of(lambda: credentials.registration_options(ward.chief)) == "staff.sign_in_again"
    (only,) = credentials.passkeys(ward.chief)
    assert (
        code_of(lambda: credentials.remove_passkey(ward.chief, passkey_id=only.passkey_id))
        == "staff.sign_in_again"
    )


def test_the_last_way_to_sign_in_stays_and_a_removed_passkey_signs_nobody_in(ward: Ward) -> None:
    credentials, chief, old = (
        ward.services.credentials,
        ward.chief,
        ward.passkeys[ward.chief.staff_id],
    )
    (only,) = credentials.passkeys(chief)
    assert (
        code_of(lambda: credentials.remove_passkey(chief, passkey_id=only.passkey_id))
        == "staff.passkey_last"
    )
    spare = Authenticator()
    credentials.add_passkey(chief, spare.create(credentials.registration_options(chief)))

    rotated = credentials.remove_passkey(chief, passkey_id=only.passkey_id)

    assert ward.services.sessions.resolve(rotated.token) == rotated.caller
    answer = old.get(ward.services.sign_in.passkey_options())
    assert code_of(lambda: ward.services.sign_in.by_passkey(answer)) == "staff.passkey_refused"
    ward.passkeys[chief.staff_id] = spare
    ward.by_passkey(chief.staff_id)


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8000", "https://192.0.2.7", "https://[::1]:8000", "http://example.org",
        "https://example.org/", "https://example.org/staff", "localhost:8000", "", "https://",
        "https://user@example.org", "http://localhost:port", "HTTPS://example.org",
    ],
)  # fmt: skip
def test_an_origin_that_cannot_hold_passkeys_is_refused_at_start_up(origin: str) -> None:
    assert code_of(lambda: relying_party(origin)) == "staff.origin_invalid"


@pytest.mark.parametrize(
    ("origin", "rp_id", "secure"),
    [
        ("http://localhost:8000", "localhost", False),
        ("https://staff.hospital.example", "staff.hospital.example", True),
    ],
)
def test_the_relying_party_is_the_host_of_the_origin(
    origin: str, rp_id: str, *, secure: bool
) -> None:
    party = relying_party(origin)

    assert (party.rp_id, party.secure) == (rp_id, secure)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_counter_rises_or_is_not_kept_at_all(kept: int, shown: int) -> None:
    assert counter_advances(kept, shown) == (shown > kept or (kept, shown) == (0, 0))


REGISTERED = Authenticator()
OPTIONS = {"challenge": b64(bytes(32)), "user": {"id": b64(b"S")}}
GIVEN = REGISTERED.create(OPTIONS)
# Signed once: signatures are random, and hypothesis must meet the same bytes again.
SHOWN = REGISTERED.get(OPTIONS)


def kept_passkey() -> Passkey:
    return ceremonies.verify_registration(
        GIVEN,
        expected_party=PARTY,
        expected_challenge=bytes(32),
        staff_id=StaffId("S"),
        now=START,
    )


@settings(deadline=None)
@given(st.data())
def test_an_answer_with_any_byte_altered_is_refused_and_never_a_fault(data: st.DataObject) -> None:
    passkey = kept_passkey()
    answer = {**SHOWN, "response": dict(SHOWN["response"])}
    # The handle is not signed; its check stands in the sign-in itself.
    name = data.draw(st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]))
    raw = bytearray(unb64(answer["response"][name]))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    answer["response"][name] = b64(bytes(raw))

    code = code_of(
        lambda: ceremonies.verify_authentication(
            answer, expected_party=PARTY, expected_challenge=bytes(32), passkey=passkey
        )
    )

    assert code == "staff.passkey_refused"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["id", "rawId", "type", "response"]), JSON), st.binary())
def test_what_is_no_answer_at_all_is_refused_and_never_a_fault(
    answer: dict[str, Any], authdata: bytes
) -> None:
    shaped = {**GIVEN, "response": {**GIVEN["response"], "attestationObject": b64(authdata)}}

    for hostile in (answer, shaped):
        assert code_of_registration(hostile) == "staff.passkey_refused"
    assert code_of(lambda: ceremonies.presented(answer)) == "staff.passkey_refused"


def code_of_registration(answer: dict[str, Any]) -> str:
    return code_of(
        lambda: ceremonies.verify_registration(
            answer,
            expected_party=PARTY,
            expected_challenge=bytes(32),
            staff_id=StaffId("S"),
            now=START,
        )
    )


def test_a_registration_under_another_name_than_the_attested_one_is_refused() -> None:
    other = b64(bytes(32))

    assert code_of_registration({**GIVEN, "id": other, "rawId": other}) == "staff.passkey_refused"


def test_a_name_longer_than_the_standard_allows_is_refused() -> None:
    assert code_of_registration(Authenticator(credential_id=bytes(1023)).create(OPTIONS)) == ""
    longer = Authenticator(credential_id=bytes(1024)).create(OPTIONS)
    assert code_of_registration(longer) == "staff.passkey_refused"


def test_a_registration_without_a_key_is_refused() -> None:
    assert GIVEN["response"]["attestationObject"]
    bare = Authenticator(flags=UP | UV | AT)
    answer = bare.create(OPTIONS)
    answer["response"]["attestationObject"] = bare.get(OPTIONS)["response"]["authenticatorData"]

    assert code_of_registration(answer) == "staff.passkey_refused"
