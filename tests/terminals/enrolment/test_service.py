"""Enrolment: who may come, who may approve, and what is refused on the way."""

from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest

from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import StaffId, TerminalId
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.terminals.agent.model import RotationBody
from shualian.terminals.enrolment.model import (
    ALGORITHM_NOT_ALLOWED,
    CLASS_DIFFERS,
    CODE_ATTEMPTS_MAX,
    CODE_EXPIRED,
    CODE_LIFE,
    CODE_LOCKED,
    CODE_USED,
    CODE_WRONG,
    CREATOR_IS_APPROVER,
    FINGERPRINT_DIFFERS,
    KEY_TAKEN,
    PLACE_TAKEN,
    POSSESSION_UNPROVEN,
    ROTATION_UNPROVEN,
    STATE_DIFFERS,
    EnrolmentCode,
    key_id_of,
    new_code,
)
from shualian.terminals.model import (
    SIMULATED_OUTSIDE_SANDBOX,
    TERMINAL_NOT_FOUND,
    InstitutionStaff,
    InsurerStaff,
    TerminalClass,
    TerminalState,
)
from shualian.terminals.register.model import (
    MODEL_EXPIRED,
    MODEL_UNKNOWN,
    MODEL_WITHDRAWN,
    PLACE_INVALID,
    PLACE_NOT_FOUND,
    SOFTWARE_OUTDATED,
    PlaceId,
)
from shualian.trust.signatures import Algorithm, SigningKey
from terminals.district import (
    ADMINISTRATOR,
    CERTIFICATES,
    HOSPITAL,
    OTHER_ADMINISTRATOR,
    SUPERVISOR,
    Device,
    District,
    all_text,
    answer_of,
    place_spec,
)

HEADER = "name,department,latitude,longitude,fence_m,terminal_class,scenes,mobile,networks"


def state(district: District, terminal_id: TerminalId) -> TerminalState:
    return district.enrolments.enrolment(actor=SUPERVISOR, terminal_id=terminal_id).state


def test_a_terminal_is_invited_enrols_and_is_approved(any_district: District) -> None:
    district = any_district
    invitation = district.invite()
    assert state(district, invitation.terminal_id) is TerminalState.INVITED
    device = district.device(invitation)
    enrolment = district.enrolments.enrol(device.enrolment(invitation.code))
    assert enrolment.state is TerminalState.PENDING
    assert enrolment.key_id == key_id_of(device.key.public_key)
    assert enrolment.institution == HOSPITAL
    district.approve(device)
    assert state(district, invitation.terminal_id) is TerminalState.ACTIVE


def test_every_decision_stands_in_the_audit_and_no_code_or_name_does(district: District) -> None:
    device = district.active()
    district.enrolments.suspend(actor=ADMINISTRATOR, terminal_id=device.terminal_id)
    district.enrolments.resume(actor=SUPERVISOR, terminal_id=device.terminal_id)
    district.enrolments.revoke(actor=SUPERVISOR, terminal_id=device.terminal_id)
    changes = district.changes()[len(TerminalClass) :]
    words = "place_created invited enrolled approved suspended resumed revoked".split()
    assert [word for word in words for change in changes if f'"{word}"' in change] == words
    assert len(changes) == len(words)
    assert "大厅" not in "".join(changes)


def test_a_code_is_stored_hashed(district: District) -> None:
    invitation = district.invite()
    stored = all_text(district.database)
    assert invitation.code.handle in stored
    assert invitation.code.secret not in stored
    assert invitation.code.secret not in repr(invitation)


def test_a_code_serves_one_key_only(district: District) -> None:
    invitation = district.invite()
    device = district.device(invitation)
    first = district.enrolments.enrol(device.enrolment(invitation.code))
    # A lost answer is given again to the same key, and to nobody else.
    assert district.enrolments.enrol(device.enrolment(invitation.code)) == first
    thief = district.device(invitation)
    assert (
        answer_of(lambda: district.enrolments.enrol(thief.enrolment(invitation.code))) is CODE_USED
    )
    district.approve(device)
    assert (
        answer_of(lambda: district.enrolments.enrol(device.enrolment(invitation.code))) is CODE_USED
    )


def test_a_code_ends_with_its_time(district: District) -> None:
    invitation = district.invite()
    request = district.device(invitation).enrolment(invitation.code)
    district.wait(CODE_LIFE)
    assert answer_of(lambda: district.enrolments.enrol(request)) is CODE_EXPIRED
    district.wait(timedelta(seconds=-1))
    assert district.enrolments.enrol(request).state is TerminalState.PENDING


def test_a_code_that_is_guessed_wrongly_too_often_is_locked_even_for_the_right_one(
    district: District,
) -> None:
    invitation = district.invite()
    device = district.device(invitation)
    wrong = EnrolmentCode(invitation.code.handle, new_code().secret)
    kinds = [
        answer_of(lambda: district.enrolments.enrol(device.enrolment(wrong)))
        for _ in range(CODE_ATTEMPTS_MAX + 1)
    ]
    assert kinds == [CODE_WRONG] * CODE_ATTEMPTS_MAX + [CODE_LOCKED]
    right = device.enrolment(invitation.code)
    assert answer_of(lambda: district.enrolments.enrol(right)) is CODE_LOCKED
    again = district.enrolments.invite(actor=ADMINISTRATOR, place_id=invitation.place_id)
    assert again.terminal_id == invitation.terminal_id
    assert district.enrolments.enrol(device.enrolment(again.code)).state is TerminalState.PENDING


def test_a_code_that_nobody_gave_out_is_wrong(district: District) -> None:
    invitation = district.invite()
    request = district.device(invitation).enrolment(new_code())
    assert answer_of(lambda: district.enrolments.enrol(request)) is CODE_WRONG


def test_a_new_code_ends_the_one_before(district: District) -> None:
    first = district.invite()
    second = district.enrolments.invite(actor=ADMINISTRATOR, place_id=first.place_id)
    device = district.device(second)
    assert answer_of(lambda: district.enrolments.enrol(device.enrolment(first.code))) is CODE_WRONG
    district.enrolments.enrol(device.enrolment(second.code))


def test_the_key_must_be_held_by_the_one_who_enrols(district: District) -> None:
    invitation = district.invite()
    device = district.device(invitation)
    request = device.enrolment(invitation.code)
    victim = SigningKey.generate(Algorithm.SM2_SM3)
    others = [
        replace(request, public_key=victim.public_key),
        replace(request, proof=bytes(64)),
        replace(request, proof=device.enrolment(new_code()).proof),
    ]
    for other in others:
        assert answer_of(partial(district.enrolments.enrol, other)) is POSSESSION_UNPROVEN
    assert state(district, invitation.terminal_id) is TerminalState.INVITED


def test_a_model_must_be_certified_valid_and_new_enough_to_enrol(district: District) -> None:
    invitation = district.invite()
    device = district.device(invitation)
    request = device.enrolment(invitation.code)

    def enrol(changed: object = request) -> object:
        return answer_of(lambda: district.enrolments.enrol(changed))  # type: ignore[arg-type]

    assert enrol(replace(request, certificate="YB-III-9999")) is MODEL_UNKNOWN
    assert enrol(device.enrolment(invitation.code, software=(1, 9))) is SOFTWARE_OUTDATED
    assert enrol(replace(request, certificate=CERTIFICATES[TerminalClass.SCAN])) is CLASS_DIFFERS
    # None of these used the code up.
    district.register.withdraw_model(actor=SUPERVISOR, certificate=device.certificate)
    assert enrol() is MODEL_WITHDRAWN


def test_an_expired_model_cannot_enrol(district: District) -> None:
    district.clock.set(district.now().replace(year=2027))
    invitation = district.invite()
    request = district.device(invitation).enrolment(invitation.code)
    assert answer_of(lambda: district.enrolments.enrol(request)) is MODEL_EXPIRED
    district.register.renew_model(
        actor=SUPERVISOR, certificate=request.certificate, valid_until=date(2027, 12, 31)
    )
    assert district.enrolments.enrol(request).state is TerminalState.PENDING


@pytest.mark.parametrize("terminal_class", [*TerminalClass])
def test_native_terminals_use_sm2_and_browsers_p_256(
    sqlite_database: SqliteDatabase, terminal_class: TerminalClass
) -> None:
    district = District(sqlite_database, mode=Mode.SANDBOX)
    district.register_models()
    accepted = set()
    for algorithm in Algorithm:
        spec = place_spec(f"{algorithm.value} 号机", terminal_class=terminal_class)
        invitation = district.invite(spec)
        device = Device(
            invitation.terminal_id,
            invitation.place_id,
            SigningKey.generate(algorithm),
            CERTIFICATES[terminal_class],
        )
        request = device.enrolment(invitation.code)
        found = answer_of(partial(district.enrolments.enrol, request))
        if found is not ALGORITHM_NOT_ALLOWED:
            accepted.add(algorithm)
    expected = {
        TerminalClass.BROWSER: {Algorithm.ECDSA_P256_SHA256},
        TerminalClass.SIMULATED: set(Algorithm),
    }
    assert accepted == expected.get(terminal_class, {Algorithm.SM2_SM3})


def test_a_simulated_terminal_gets_no_place_outside_the_sandbox(district: District) -> None:
    spec = place_spec(terminal_class=TerminalClass.SIMULATED)
    assert answer_of(lambda: district.invite(spec)) is SIMULATED_OUTSIDE_SANDBOX


def test_the_supervisor_approves_exactly_the_key_that_was_seen(district: District) -> None:
    device = district.enrolled()
    other = key_id_of(SigningKey.generate(Algorithm.SM2_SM3).public_key)

    def approve() -> None:
        district.enrolments.approve(
            actor=SUPERVISOR, terminal_id=device.terminal_id, expected_key_id=other
        )

    assert answer_of(approve) is FINGERPRINT_DIFFERS
    assert state(district, device.terminal_id) is TerminalState.PENDING


@pytest.mark.parametrize("hand", ["place", "code"])
def test_who_made_the_place_or_the_code_cannot_approve_or_resume(
    district: District, hand: str
) -> None:
    invitation = district.invite()
    creator = ADMINISTRATOR.staff
    if hand == "code":
        creator = StaffId("ADMIN-3")
        invitation = district.enrolments.invite(
            actor=InstitutionStaff(creator, HOSPITAL), place_id=invitation.place_id
        )
    device = district.device(invitation)
    district.enrolments.enrol(device.enrolment(invitation.code))
    # The same person under a second hat, at the insurer.
    same_person = InsurerStaff(creator)

    def approve() -> None:
        district.enrolments.approve(
            actor=same_person,
            terminal_id=device.terminal_id,
            expected_key_id=key_id_of(device.key.public_key),
        )

    def resume() -> None:
        district.enrolments.resume(actor=same_person, terminal_id=device.terminal_id)

    assert answer_of(approve) is CREATOR_IS_APPROVER
    district.approve(device)
    district.enrolments.suspend(actor=same_person, terminal_id=device.terminal_id)
    assert answer_of(resume) is CREATOR_IS_APPROVER
    assert state(district, device.terminal_id) is TerminalState.SUSPENDED


def test_a_model_withdrawn_meanwhile_is_not_approved(district: District) -> None:
    device = district.enrolled()
    district.register.withdraw_model(actor=SUPERVISOR, certificate=device.certificate)
    assert answer_of(lambda: district.approve(device)) is MODEL_WITHDRAWN


def test_nothing_of_another_institution_exists(district: District) -> None:
    device = district.active()
    stranger = OTHER_ADMINISTRATOR
    enrolments = district.enrolments
    number = device.terminal_id
    for attempt in (
        lambda: enrolments.enrolment(actor=stranger, terminal_id=number),
        lambda: enrolments.suspend(actor=stranger, terminal_id=number),
        lambda: enrolments.revoke(actor=stranger, terminal_id=number),
        lambda: enrolments.revoke(actor=stranger, terminal_id=TerminalId("none")),
    ):
        assert answer_of(attempt) is TERMINAL_NOT_FOUND
    for place in (device.place_id, PlaceId("none")):
        invite = partial(enrolments.invite, actor=stranger, place_id=place)
        assert answer_of(invite) is PLACE_NOT_FOUND
    assert enrolments.enrolments(actor=stranger) == []
    assert district.register.places(actor=stranger) == []
    assert [each.terminal_id for each in enrolments.enrolments(actor=ADMINISTRATOR)] == [number]
    assert [each.terminal_id for each in enrolments.enrolments(actor=SUPERVISOR)] == [number]
    assert state(district, number) is TerminalState.ACTIVE


def test_a_place_takes_one_terminal_and_a_spare_one_after_it(district: District) -> None:
    device = district.active()

    def invite() -> object:
        return district.enrolments.invite(actor=ADMINISTRATOR, place_id=device.place_id)

    assert answer_of(invite) is PLACE_TAKEN
    district.enrolments.suspend(actor=SUPERVISOR, terminal_id=device.terminal_id)
    assert answer_of(invite) is PLACE_TAKEN
    district.enrolments.revoke(actor=SUPERVISOR, terminal_id=device.terminal_id)
    spare = district.enrolments.invite(actor=ADMINISTRATOR, place_id=device.place_id)
    assert spare.terminal_id != device.terminal_id
    # The broken terminal's key does not come back under another number.
    assert answer_of(lambda: district.enrolments.enrol(device.enrolment(spare.code))) is KEY_TAKEN
    district.enrolments.enrol(district.device(spare).enrolment(spare.code))


def rows(count: int, **changed: str) -> str:
    fields = {
        "latitude": "39.9042",
        "longitude": "116.4074",
        "fence_m": "80",
        "terminal_class": "III",
        "scenes": "01101 01301",
        "mobile": "no",
        "networks": "10.20.0.0/16",
    } | changed
    rest = ",".join(fields.values())
    return "\r\n".join(
        [HEADER, *(f"{number} 号机,门诊大厅,{rest}" for number in range(1, count + 1))]
    )


def test_a_list_of_35_terminals_makes_35_places_with_35_codes(any_district: District) -> None:
    content = rows(35).encode("utf-8-sig")
    invitations = any_district.enrolments.create_places_from_list(
        actor=ADMINISTRATOR, content=content
    )
    assert len({invitation.code.text for invitation in invitations}) == 35
    places = any_district.register.places(actor=ADMINISTRATOR)
    names = {place.place_id: place.spec.place.name for place in places}
    assert [names[each.place_id] for each in invitations] == [f"{n} 号机" for n in range(1, 36)]
    device = any_district.device(invitations[-1])
    any_district.enrolments.enrol(device.enrolment(invitations[-1].code))


@pytest.mark.parametrize(
    ("wrong_row", "item"),
    [
        ("35 号机,门诊大厅,91,116,80,III,01101,no,", "coordinates"),
        ("35 号机,门诊大厅,nan,116,80,III,01101,no,", "coordinates"),
        ("35 号机,门诊大厅,x,116,80,III,01101,no,", "latitude"),
        ("35 号机,门诊大厅,39,116,9,III,01101,no,", "fence_m"),
        ("35 号机,门诊大厅,39,116,-80,III,01101,no,", "fence_m"),
        ("35 号机,门诊大厅,39,116,80,IV,01101,no,", "terminal_class"),
        ("35 号机,门诊大厅,39,116,80,III,,no,", "scenes"),
        ("35 号机,门诊大厅,39,116,80,III,0110A,no,", "scenes"),
        ("35 号机,门诊大厅,39,116,80,III,01101,perhaps,", "mobile"),
        ("35 号机,门诊大厅,39,116,80,III,01101,no,10.0.0.1/8", "networks"),
        (",门诊大厅,39,116,80,III,01101,no,", "name"),
        ("35 号机,门诊大厅,39,116,80,III,01101,no", "columns"),
        ("1 号机,门诊大厅,39,116,80,III,01101,no,", "name"),
    ],
)
def test_a_list_with_one_wrong_line_registers_nothing_and_names_the_line(
    district: District, wrong_row: str, item: str
) -> None:
    content = (rows(34) + "\r\n" + wrong_row).encode()
    with pytest.raises(Refused) as refused:
        district.enrolments.create_places_from_list(actor=ADMINISTRATOR, content=content)
    assert refused.value.kind is PLACE_INVALID
    assert refused.value.details["line"] == 36
    assert refused.value.details["item"] == item
    assert district.register.places(actor=ADMINISTRATOR) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        HEADER.encode(),
        b"\xff\xfe",
        b"name,department\r\n1,2",
        rows(501).encode(),
        b"x" * 300_000,
        (HEADER + '\r\n"').encode(),
    ],
)
def test_what_is_no_list_is_refused(district: District, content: bytes) -> None:
    with pytest.raises(Refused) as refused:
        district.enrolments.create_places_from_list(actor=ADMINISTRATOR, content=content)
    assert refused.value.kind is PLACE_INVALID


def test_a_list_with_a_place_that_is_registered_already_registers_nothing(
    district: District,
) -> None:
    district.enrolments.create_places_from_list(actor=ADMINISTRATOR, content=rows(1).encode())
    with pytest.raises(Refused):
        district.enrolments.create_places_from_list(actor=ADMINISTRATOR, content=rows(2).encode())
    assert len(district.register.places(actor=ADMINISTRATOR)) == 1


def test_the_old_key_signs_the_new_one_and_ends(district: District) -> None:
    device = district.active()
    new_key = SigningKey.generate(Algorithm.SM2_SM3)
    request = RotationBody.made(device.key, new_key).request()
    enrolment = district.enrolments.rotate_key(request)
    assert enrolment.key_id == key_id_of(new_key.public_key)
    # Again after a lost answer.
    assert district.enrolments.rotate_key(request) == enrolment
    # The ended key names no successor any more.
    late = RotationBody.made(device.key, SigningKey.generate(Algorithm.SM2_SM3)).request()
    assert answer_of(lambda: district.enrolments.rotate_key(late)) is ROTATION_UNPROVEN
    # A former key does not come back.
    back = RotationBody.made(new_key, device.key).request()
    assert answer_of(lambda: district.enrolments.rotate_key(back)) is KEY_TAKEN


def test_a_rotation_needs_both_signatures_and_the_same_algorithm(district: District) -> None:
    device = district.active()
    new_key, thief = (SigningKey.generate(Algorithm.SM2_SM3) for _ in range(2))
    right = RotationBody.made(device.key, new_key).request()
    by_thief = RotationBody.made(thief, new_key).request()

    def rotate(changed: object) -> object:
        return answer_of(lambda: district.enrolments.rotate_key(changed))  # type: ignore[arg-type]

    assert rotate(by_thief) is ROTATION_UNPROVEN
    assert rotate(replace(right, endorsement=by_thief.endorsement)) is ROTATION_UNPROVEN
    assert rotate(replace(right, proof=bytes(64))) is ROTATION_UNPROVEN
    assert rotate(replace(right, public_key=thief.public_key)) is ROTATION_UNPROVEN
    weaker = RotationBody.made(device.key, SigningKey.generate(Algorithm.ECDSA_P256_SHA256))
    assert rotate(weaker.request()) is ALGORITHM_NOT_ALLOWED
    district.enrolments.suspend(actor=SUPERVISOR, terminal_id=device.terminal_id)
    assert rotate(right) is STATE_DIFFERS
