"""Doctors sign in by face or on somebody's word, at one institution at a time."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from insurer.office import BLOOD_COUNT, HOSPITAL, NOW, charge, id_number
from insurer.supervision.house import (
    BOTH,
    CHEN,
    CHEN_FACE,
    DEPARTMENT,
    HEAD,
    OTHER_HOSPITAL,
    STRANGER,
    SUPERVISOR,
    WU,
    House,
    command,
    stored_text,
    terminal,
    vector,
)
from shualian.core.clock import business_date
from shualian.core.identifiers import ChargeItemNo
from shualian.core.refusals import RefusalKind, Refused
from shualian.gallery.model import Probe
from shualian.insurer.supervision.alerts.model import AlertKind
from shualian.insurer.supervision.captures.model import CAPTURE_NOT_FITTING, CapturePurpose
from shualian.insurer.supervision.signins.model import (
    DOCTOR_IN_REGISTRY,
    DOCTOR_NO_TEMPLATE_CONSENT,
    DOCTOR_NOT_SIGNED_IN,
    DOCTOR_SUSPENDED,
    DOCTOR_UNKNOWN,
    NOT_SIGNED_IN,
    SIGN_IN_DIFFERS,
    SIGNED_IN_ELSEWHERE,
    ConfirmationReason,
    SignIn,
    SignInMeans,
)
from shualian.verification.model import ConsentPurpose, UnknownReason
from shualian.verification.registry.model import REGISTRY_NO_MATCH

BED = "002000000070000"
CONSULTATION = "002000000010000"


def _kind(refused: "pytest.ExceptionInfo[Refused]") -> RefusalKind:
    return refused.value.kind


def _confirmed(house: House, **changed: object) -> SignIn:
    asked = {
        "command_id": command(),
        "doctor": CHEN,
        "dept_code": DEPARTMENT,
        "reason": ConfirmationReason.TERMINAL_DOWN,
    }
    return house.sign_ins.confirm(HEAD, **(asked | changed))  # type: ignore[arg-type]


def test_a_doctor_whose_face_the_police_registry_knows_enrols_and_signs_in_by_face(
    any_house: House,
) -> None:
    any_house.enrolled()

    sign_in = any_house.signed_in()

    assert sign_in.means is SignInMeans.FACE
    assert sign_in.terminal_id == terminal().terminal.terminal_id
    assert any_house.sign_ins.current(CHEN) == sign_in


def test_nobody_enrols_whose_face_the_police_registry_does_not_know(house: House) -> None:
    house.registered()
    opened = house.open(CapturePurpose.DOCTOR_ENROLMENT)

    with pytest.raises(Refused) as refused:
        house.show(opened, STRANGER)

    assert _kind(refused) is REGISTRY_NO_MATCH
    assert house.doctors.known(CHEN).keeps_template is False


def test_without_the_tick_no_template_is_kept(house: House) -> None:
    house.registered()
    opened = house.open(CapturePurpose.DOCTOR_ENROLMENT, consents=(ConsentPurpose.COMPARISON,))

    with pytest.raises(Refused) as refused:
        house.show(opened, CHEN_FACE)

    assert _kind(refused) is DOCTOR_NO_TEMPLATE_CONSENT
    probe = Probe(vector(CHEN_FACE), "painted")
    assert house.doctor_gallery.identify(probe, [CHEN], 1) == []


def test_another_face_signs_nobody_in_and_the_supervisor_is_told(house: House) -> None:
    house.enrolled()
    opened = house.open(CapturePurpose.DOCTOR_SIGN_IN)
    for _ in range(3):
        house.show(opened, STRANGER)

    with pytest.raises(Refused) as refused:
        house.sign_ins.sign_in(
            terminal(),
            command_id=command(),
            doctor=CHEN,
            dept_code=DEPARTMENT,
            session_id=opened.session_id,
        )

    assert _kind(refused) is CAPTURE_NOT_FITTING
    assert house.raised() == [AlertKind.DOCTOR_FACE_DIFFERS]
    assert house.sign_ins.current(CHEN) is None


def test_one_capture_signs_in_once_and_only_at_its_terminal(house: House) -> None:
    house.enrolled()
    session_id = house.face()
    asked = {"doctor": CHEN, "dept_code": DEPARTMENT, "session_id": session_id}

    with pytest.raises(Refused) as elsewhere:
        house.sign_ins.sign_in(terminal(number="K03"), command_id=command(), **asked)  # type: ignore[arg-type]
    house.sign_ins.sign_in(terminal(), command_id=command(), **asked)  # type: ignore[arg-type]
    with pytest.raises(Refused) as again:
        house.sign_ins.sign_in(terminal(), command_id=command(), **asked)  # type: ignore[arg-type]

    assert elsewhere.value.details["differs"] == "terminal"
    assert again.value.details["differs"] == "use"


def test_a_repeated_command_is_answered_as_the_first_time_and_another_is_refused(
    house: House,
) -> None:
    house.enrolled()
    house.registered(WU)
    number, session_id = command(), house.face()
    asked = {"command_id": number, "dept_code": DEPARTMENT, "session_id": session_id}
    first = house.sign_ins.sign_in(terminal(), doctor=CHEN, **asked)  # type: ignore[arg-type]
    house.doctors.suspend(SUPERVISOR, CHEN)

    again = house.sign_ins.sign_in(terminal(), doctor=CHEN, **asked)  # type: ignore[arg-type]
    with pytest.raises(Refused) as other:
        house.sign_ins.sign_in(terminal(), doctor=WU, **asked)  # type: ignore[arg-type]

    assert again.sign_in_id == first.sign_in_id
    assert _kind(other) is SIGN_IN_DIFFERS


def test_a_doctor_is_at_one_institution_at_a_time_and_is_told_where(house: House) -> None:
    house.enrolled()
    house.signed_in()
    there = terminal(OTHER_HOSPITAL, "K09")

    with pytest.raises(Refused) as refused:
        house.signed_in(sender=there)
    house.sign_ins.sign_out(
        terminal(),
        doctor=CHEN,
        session_id=house.face(purpose=CapturePurpose.DOCTOR_SIGN_OUT),
    )
    moved = house.signed_in(sender=there)

    assert _kind(refused) is SIGNED_IN_ELSEWHERE
    assert refused.value.details["fixmedins_code"] == HOSPITAL
    assert moved.institution == OTHER_HOSPITAL


def test_two_institutions_at_the_same_moment_get_one_doctor(any_house: House) -> None:
    any_house.enrolled()
    heads = [HEAD, replace(HEAD, institution=OTHER_HOSPITAL)]
    start, made, refused = threading.Barrier(2), list[SignIn](), list[Refused]()

    def confirm(place: int) -> None:
        start.wait()
        try:
            made.append(
                any_house.sign_ins.confirm(
                    heads[place],
                    command_id=command(),
                    doctor=CHEN,
                    dept_code=DEPARTMENT,
                    reason=ConfirmationReason.EMERGENCY,
                )
            )
        except Refused as no:
            refused.append(no)

    threads = [threading.Thread(target=confirm, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
    assert [each.kind for each in refused] == [SIGNED_IN_ELSEWHERE]


def test_a_confirmed_sign_in_is_valid_and_says_who_confirmed_it_and_why(house: House) -> None:
    house.registered()

    sign_in = _confirmed(house, reason=ConfirmationReason.NO_CONSENT)

    assert sign_in.covers(NOW)
    assert (sign_in.means, sign_in.confirmed_by) == (SignInMeans.CONFIRMED, HEAD.staff)
    assert sign_in.reason is ConfirmationReason.NO_CONSENT


def test_a_sign_in_ends_with_its_time_and_with_the_business_day(house: House) -> None:
    house.registered()
    morning = _confirmed(house)
    house.wait(timedelta(hours=10))
    evening = _confirmed(house)

    assert morning.valid_until == NOW + timedelta(hours=10)
    assert house.sign_ins.current(CHEN) == evening
    last = evening.valid_until - timedelta(microseconds=1)
    assert business_date(last) == business_date(NOW) != business_date(evening.valid_until)
    house.clock.set(evening.valid_until)
    assert house.sign_ins.current(CHEN) is None


def test_who_signs_in_again_at_the_same_place_is_signed_in_anew(house: House) -> None:
    house.registered()
    first = _confirmed(house)
    house.wait(timedelta(hours=3))

    second = _confirmed(house)

    assert second.valid_until > first.valid_until
    day = business_date(NOW)
    listed = house.sign_ins.listed(HEAD, day=day)
    assert [each.sign_in_id for each in listed] == [second.sign_in_id, first.sign_in_id]
    assert listed[1].ends_at == second.signed_in_at
    elsewhere = replace(HEAD, institution=OTHER_HOSPITAL)
    assert house.sign_ins.listed(elsewhere, day=day) == []
    assert len(house.sign_ins.listed(SUPERVISOR, day=day)) == 2


def test_who_is_not_signed_in_cannot_sign_out(house: House) -> None:
    house.registered()
    with pytest.raises(Refused) as refused:
        house.sign_ins.confirm_sign_out(HEAD, doctor=CHEN)

    assert _kind(refused) is NOT_SIGNED_IN


def test_only_doctors_whom_the_registry_lists_there_sign_in(house: House) -> None:
    house.registered(CHEN, (OTHER_HOSPITAL, DEPARTMENT))

    for asked in ({"doctor": CHEN}, {"doctor": WU}):
        with pytest.raises(Refused) as refused:
            _confirmed(house, **asked)
        assert _kind(refused) is DOCTOR_UNKNOWN


def test_a_suspended_doctor_is_signed_out_and_signs_in_no_more_until_resumed(
    house: House,
) -> None:
    house.registered()
    _confirmed(house)

    house.doctors.suspend(SUPERVISOR, CHEN)
    assert house.sign_ins.current(CHEN) is None
    with pytest.raises(Refused) as refused:
        _confirmed(house)
    assert _kind(refused) is DOCTOR_SUSPENDED
    house.doctors.suspend(SUPERVISOR, CHEN, suspended=False)
    assert _confirmed(house).covers(NOW)


def test_a_code_belongs_to_one_person(house: House) -> None:
    doctor = house.registered()

    with pytest.raises(Refused) as refused:
        house.doctors.register(SUPERVISOR, replace(doctor, id_number=id_number(900)))

    assert _kind(refused) is DOCTOR_IN_REGISTRY


def test_a_withdrawal_deletes_the_template_and_leaves_the_other_way(any_house: House) -> None:
    any_house.enrolled()

    receipt = any_house.doctors.withdraw(CHEN)

    assert receipt.templates == 1
    opened = any_house.open(CapturePurpose.DOCTOR_SIGN_IN)
    outcome = any_house.show(opened, CHEN_FACE)
    assert getattr(outcome, "unknown", None) is UnknownReason.NO_TEMPLATE
    assert _confirmed(any_house, reason=ConfirmationReason.NO_CONSENT).covers(NOW)


def test_doctors_templates_are_not_among_those_of_the_insured(house: House) -> None:
    house.enrolled()
    probe = Probe(vector(CHEN_FACE), "painted")

    assert house.insured_gallery.identify(probe, None, 5) == []
    assert [each.subject for each in house.doctor_gallery.identify(probe, None, 5)] == [CHEN]


def test_an_order_of_a_doctor_who_was_not_signed_in_is_not_taken(any_house: House) -> None:
    any_house.registered()
    visit = any_house.office.visit(any_house.office.insured().psn_no, institution=HOSPITAL)

    with pytest.raises(Refused) as refused:
        any_house.office.upload(visit, charge("1", 20_00, BLOOD_COUNT))
    _confirmed(any_house)
    taken = any_house.office.upload(visit, charge("1", 20_00, BLOOD_COUNT))

    assert _kind(refused) is DOCTOR_NOT_SIGNED_IN
    assert refused.value.details["feedetl_sn"] == "1"
    assert len(taken) == 1


def test_an_order_of_a_doctor_signed_in_elsewhere_is_not_taken(house: House) -> None:
    house.registered()
    house.sign_ins.confirm(
        replace(HEAD, institution=OTHER_HOSPITAL),
        command_id=command(),
        doctor=CHEN,
        dept_code=DEPARTMENT,
        reason=ConfirmationReason.EMERGENCY,
    )
    visit = house.office.visit(house.office.insured().psn_no, institution=HOSPITAL)

    with pytest.raises(Refused) as refused:
        house.office.upload(visit, charge("1", 20_00, BLOOD_COUNT))

    assert _kind(refused) is DOCTOR_NOT_SIGNED_IN


def test_one_line_without_a_signed_in_doctor_holds_all_of_its_upload_back(house: House) -> None:
    house.registered()
    _confirmed(house)
    visit = house.office.visit(house.office.insured().psn_no, institution=HOSPITAL)
    other = replace(charge("2", 20_00, BLOOD_COUNT), bilg_dr_codg="D999")

    with pytest.raises(Refused) as refused:
        house.office.upload(visit, charge("1", 20_00, BLOOD_COUNT), other)

    assert refused.value.details["feedetl_sn"] == "2"
    taken = house.office.upload(visit, charge("1", 20_00, BLOOD_COUNT))
    assert len(taken) == 1


@pytest.mark.parametrize("code", [BED, CONSULTATION])
def test_a_bed_and_a_registration_need_no_doctor_at_work(house: House, code: str) -> None:
    house.registered()
    visit = house.office.visit(house.office.insured().psn_no, institution=HOSPITAL)

    assert len(house.office.upload(visit, charge("1", 40_00, code))) == 1


def test_what_was_taken_is_answered_again_after_the_doctor_has_left(house: House) -> None:
    house.registered()
    _confirmed(house)
    visit = house.office.visit(house.office.insured().psn_no, institution=HOSPITAL)
    item = charge("1", 20_00, BLOOD_COUNT)
    first = house.office.upload(visit, item)
    house.wait(timedelta(hours=2))
    house.sign_ins.confirm_sign_out(HEAD, doctor=CHEN)

    assert house.office.upload(visit, item) == first
    # What was ordered while the doctor was there may also come later.
    assert house.office.upload(visit, replace(item, feedetl_sn=ChargeItemNo("2"))) is not None


def test_where_no_region_keeps_a_registry_nothing_is_asked(house: House) -> None:
    visit = house.office.visit(house.office.insured().psn_no, institution=HOSPITAL)

    assert len(house.office.upload(visit, charge("1", 20_00, BLOOD_COUNT))) == 1


def test_nothing_of_a_doctor_is_stored_in_the_clear(house: House) -> None:
    doctor = house.enrolled()
    text = stored_text(house)

    assert CHEN in text
    assert doctor.name not in text
    assert doctor.id_number.value not in text


def test_every_consent_names_its_notice(house: House) -> None:
    house.enrolled()
    opened = house.open(CapturePurpose.DOCTOR_SIGN_IN, consents=BOTH)

    assert house.captures.get(opened.session_id).notice_version == "2026-01"
    assert house.doctors.known(CHEN).keeps_template
