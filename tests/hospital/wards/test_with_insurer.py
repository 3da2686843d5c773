"""A whole stay against the insurer's real books, with doctors who must be at work."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hospital.wards.ward import EAST, NURSE, Wards
from hospital.world import DOCTOR, HOSPITAL, ZHANG, World, command
from insurer.office import NOW
from insurer.supervision.house import CHEN, HEAD, House
from shualian.assembly.insurer_platform import LocalInsurerPlatform
from shualian.assembly.insurer_side import InsurerSide
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import CommandId, EncounterNo, PersonNo, RecordNo
from shualian.core.refusals import Refused
from shualian.hospital.model import DocumentEvidence
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.payments.model import PaymentState
from shualian.hospital.records.model import Identity
from shualian.hospital.records.service import Records
from shualian.hospital.wards.stays.model import CheckReason, NursingClass, StaffCheck, StayState
from shualian.insurer.institutions.model import Institution
from shualian.insurer.persons.model import Insurance
from shualian.insurer.supervision.signins.model import ConfirmationReason


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(SqliteDatabase(f"sqlite:///{tmp_path}/insurer.db"), tmp_path)
    house.office.institutions.contract(Institution(HOSPITAL, "示例医院", "3", "990000"))
    return house


@pytest.fixture
def wards(world: World, house: House) -> Wards:
    """The wards of a hospital whose insurer is the real one."""
    world.clock.set(NOW)
    at_insurer: tuple[Any, ...] = (
        house.office.settlements,
        house.office.settlements.visits,
        house.sign_ins,
        house.doctors,
    )
    for service in at_insurer:
        service._clock = world.clock
    person = house.office.persons.register_insured(
        id_number=ZHANG.certno, name=ZHANG.psn_name, insurances=[Insurance("310", "11", "990000")]
    )
    world.insurer.people[ZHANG.psn_no] = ZHANG
    made = Wards(world)
    record = world.record()
    platform = LocalInsurerPlatform(
        cast("InsurerSide", SimpleNamespace(settlements=house.office.settlements)), world.clock
    )
    at_hospital: tuple[Any, ...] = (made.stays, made.payments, world.orders)
    for service in at_hospital:
        service._insurer = platform
    assert record.psn_no == ZHANG.psn_no
    records: Any = world.records
    records.identity = _known_as(world.records, person.psn_no)
    return made


def _known_as(records: Records, psn_no: PersonNo) -> Callable[..., Identity]:
    """The person under the number that the real register gave."""
    identity = records.identity

    def known(*, record_no: RecordNo) -> Identity:
        return replace(identity(record_no=record_no), psn_no=psn_no)

    return known


def _sign_in(house: House) -> None:
    house.registered(CHEN, (HOSPITAL, "W1"))
    house.sign_ins.confirm(
        replace(HEAD, institution=HOSPITAL),
        command_id=command(),
        doctor=CHEN,
        dept_code="W1",
        reason=ConfirmationReason.TERMINAL_DOWN,
    )


def _settle(wards: Wards, number: CommandId, stay_no: EncounterNo) -> int:
    payment = wards.bedside.prepare(command_id=number, stay_no=stay_no)
    evidence = DocumentEvidence(ZHANG.certno, NURSE, payment.intent_id)
    done = wards.bedside.settle(command_id=number, evidence=evidence)
    assert done.state is PaymentState.SETTLED
    return done.answer.amounts.medfee_sumamt


def test_a_stay_is_settled_in_its_middle_and_at_its_end_in_the_insurers_books(
    wards: Wards, house: House
) -> None:
    assert DOCTOR.dr_code == CHEN
    stay = wards.stays.admit(
        command_id=command(),
        record_no=wards.world.record().record_no,
        ward=EAST.code,
        bed_no="1",
        nursing=NursingClass.TWO,
        doctor=DOCTOR,
        check=StaffCheck(NURSE, CheckReason.NO_CONSENT),
        insutype="310",
    )
    _sign_in(house)
    lines = [OrderLine("HY001", Decimal(1))]
    wards.charges.order(command_id=command(), encounter_no=stay.stay_no, lines=lines)
    middle = _settle(wards, command(), stay.stay_no)
    wards.pass_days(2)
    wards.stays.discharge(stay_no=stay.stay_no)

    end = _settle(wards, command(), stay.stay_no)

    assert (middle, end) == (20_00, 2 * 63_00)
    assert wards.stays.get(stay_no=stay.stay_no).state is StayState.CLOSED
    assert middle + end == wards.charged_fen(stay.stay_no)


def test_an_order_of_a_doctor_who_is_not_at_work_is_not_settled_and_bed_days_are(
    wards: Wards, house: House
) -> None:
    house.registered(CHEN, (HOSPITAL, "W1"))
    stay = wards.stays.admit(
        command_id=command(),
        record_no=wards.world.record().record_no,
        ward=EAST.code,
        bed_no="1",
        nursing=NursingClass.TWO,
        doctor=DOCTOR,
        check=StaffCheck(NURSE, CheckReason.NO_CONSENT),
        insutype="310",
    )
    wards.pass_days(1)
    wards.charges.charge_days()
    assert _settle(wards, command(), stay.stay_no) == 63_00
    (item,) = wards.charges.order(
        command_id=command(),
        encounter_no=stay.stay_no,
        lines=[OrderLine("HY001", Decimal(1))],
    )

    with pytest.raises(Refused) as refused:
        wards.bedside.prepare(command_id=command(), stay_no=stay.stay_no)

    assert refused.value.kind.code == "insurer.doctor_not_signed_in"
    assert refused.value.details["feedetl_sn"] == item.feedetl_sn
