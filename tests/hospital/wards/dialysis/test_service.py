"""Dialysis: what stands is charged once a day, and who has not settled is on the list."""

from decimal import Decimal

import pytest

from hospital.wards.ward import DIALYSIS, NURSE, Wards
from hospital.world import DOCTOR, LI, START, command
from shualian.core.clock import business_date
from shualian.core.refusals import Refused
from shualian.hospital.model import COMMAND_DIFFERS
from shualian.hospital.orders.model import ITEM_NOT_PRICED, OrderLine
from shualian.hospital.scheduling.model import Doctor
from shualian.hospital.wards.dialysis.model import (
    DIALYSIS_NOT_FOUND,
    DIALYSIS_TODAY,
    NO_STANDING_ORDER,
    DialysisNo,
)

TODAY = business_date(START)
OTHER_DOCTOR = Doctor("D990000000002", "透析医生")
LINES = [OrderLine(DIALYSIS, Decimal(1)), OrderLine("YP003", Decimal(2))]
FEN = 400_00 + 2 * 32_00


def test_a_session_charges_what_stands_and_is_listed_until_it_is_settled(
    any_wards: Wards,
) -> None:
    encounter = any_wards.world.registered()
    any_wards.dialysis.order(record_no=encounter.record_no, lines=LINES, doctor=OTHER_DOCTOR)

    session = any_wards.dialysis.begin(
        command_id=command(), encounter_no=encounter.encounter_no, nurse=NURSE
    )

    (waiting,) = any_wards.dialysis.unsettled(since=TODAY)
    assert (waiting.session, waiting.open_fen) == (session, FEN)
    items = any_wards.charges.open_items(encounter.encounter_no)
    assert {item.bilg_dr_codg for item in items} == {OTHER_DOCTOR.dr_code}
    any_wards.world.orders.upload(encounter_no=encounter.encounter_no)
    payment = any_wards.payments.prepare(command_id=command(), encounter_no=encounter.encounter_no)
    any_wards.payments.settle(command_id=payment.command_id, evidence=any_wards.confirmed(payment))
    assert any_wards.dialysis.unsettled(since=TODAY) == []
    assert any_wards.dialysis.sessions(since=TODAY) == [session]


def test_an_in_patient_is_charged_on_the_stay(wards: Wards) -> None:
    stay = wards.admitted()
    wards.dialysis.order(record_no=stay.record_no, lines=LINES, doctor=DOCTOR)

    wards.dialysis.begin(command_id=command(), encounter_no=stay.stay_no, nurse=NURSE)

    assert wards.charged_fen(stay.stay_no) == FEN
    wards.settled(stay)
    assert wards.dialysis.unsettled(since=TODAY) == []


def test_the_doctor_on_duty_answers_for_the_session_of_the_day(wards: Wards) -> None:
    stay = wards.admitted()
    wards.dialysis.order(record_no=stay.record_no, lines=LINES, doctor=DOCTOR)

    wards.dialysis.begin(
        command_id=command(), encounter_no=stay.stay_no, nurse=NURSE, doctor=OTHER_DOCTOR
    )

    items = wards.charges.open_items(stay.stay_no)
    assert {item.bilg_dr_codg for item in items} == {OTHER_DOCTOR.dr_code}


def test_a_patient_has_one_session_a_day_and_a_repeat_is_answered(any_wards: Wards) -> None:
    encounter, other = any_wards.world.registered(), any_wards.world.registered(LI)
    any_wards.dialysis.order(record_no=encounter.record_no, lines=LINES, doctor=DOCTOR)
    asked = {"command_id": command(), "encounter_no": encounter.encounter_no, "nurse": NURSE}
    first = any_wards.dialysis.begin(**asked)  # type: ignore[arg-type]

    assert any_wards.dialysis.begin(**asked) == first  # type: ignore[arg-type]
    for changed, kind in (
        ({"command_id": command()}, DIALYSIS_TODAY),
        ({"encounter_no": other.encounter_no}, COMMAND_DIFFERS),
        ({"command_id": command(), "encounter_no": other.encounter_no}, NO_STANDING_ORDER),
    ):
        with pytest.raises(Refused) as refused:
            any_wards.dialysis.begin(**(asked | changed))  # type: ignore[arg-type]
        assert refused.value.kind is kind
    assert len(any_wards.charges.open_items(encounter.encounter_no)) == 2
    any_wards.pass_days(1)
    again = any_wards.dialysis.begin(**(asked | {"command_id": command()}))  # type: ignore[arg-type]
    assert again.day != first.day


def test_a_session_ends_once(wards: Wards) -> None:
    stay = wards.admitted()
    wards.dialysis.order(record_no=stay.record_no, lines=LINES, doctor=DOCTOR)
    session = wards.dialysis.begin(command_id=command(), encounter_no=stay.stay_no, nurse=NURSE)
    ended = wards.dialysis.end(session_no=session.session_no)
    wards.pass_days(1)

    assert wards.dialysis.end(session_no=session.session_no) == ended
    with pytest.raises(Refused) as refused:
        wards.dialysis.end(session_no=DialysisNo("0" * 26))
    assert refused.value.kind is DIALYSIS_NOT_FOUND


def test_a_standing_order_names_what_the_price_list_knows(wards: Wards) -> None:
    with pytest.raises(Refused) as refused:
        wards.dialysis.order(
            record_no=wards.world.record().record_no,
            lines=[OrderLine("NOTHING", Decimal(1))],
            doctor=DOCTOR,
        )

    assert refused.value.kind is ITEM_NOT_PRICED
