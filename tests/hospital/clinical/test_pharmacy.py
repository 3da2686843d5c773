"""A signed prescription reaches the pharmacy, whatever is interrupted between."""

import pytest

from hospital.dispensing.pharmacy import REVIEWER
from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    DOCTOR,
    DOCTOR_STAFF,
    HOSPITAL,
    VITAMINS,
    World,
)
from shualian.core.identifiers import CommandId, EncounterNo
from shualian.hospital.clinical.model import OrderNo
from shualian.hospital.clinical.service import ClinicalOrders
from shualian.hospital.dispensing.model import DispenseRequest


class Line:
    """To the pharmacy of a world; may be cut."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cut = False

    def prescribed(self, *, command_id: CommandId, encounter_no: EncounterNo) -> None:
        if self.cut:
            raise ConnectionError
        self.world.dispensing.prescribed(command_id=command_id, encounter_no=encounter_no)


class Doctors:
    """Who write prescriptions for a pharmacy."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.line = Line(world)
        self.orders = ClinicalOrders(
            institution=HOSPITAL,
            database=world.database,
            clock=world.clock,
            records=world.records,
            orders=world.orders,
            payments=world.payments,
            insurer=world.insurer,
            sign_ins=world.sign_ins,
            pharmacy=self.line,
        )
        self.encounter = world.registered()

    def sign(self, *codes: str) -> OrderNo:
        order_no = self.world.drafted(self.encounter, *codes).order_no
        self.sign_again(order_no)
        return order_no

    def sign_again(self, order_no: OrderNo) -> None:
        self.orders.sign(order_no=order_no, doctor=DOCTOR, by=DOCTOR_STAFF)

    @property
    def waiting(self) -> list[DispenseRequest]:
        return list(self.world.dispensing.waiting(REVIEWER))


@pytest.fixture
def doctors(any_world: World) -> Doctors:
    return Doctors(any_world)


def test_a_signed_prescription_waits_at_the_pharmacy_with_its_dose(doctors: Doctors) -> None:
    doctors.sign(BLOOD_PRESSURE_TABLETS)

    (request,) = doctors.waiting
    (line,) = request.lines
    assert request.encounter_no == doctors.encounter.encounter_no
    assert line.medins_list_codg == BLOOD_PRESSURE_TABLETS
    assert line.dose_zh == "1片，每日三次，口服，7 天"


def test_an_examination_is_no_matter_of_the_pharmacy(doctors: Doctors) -> None:
    doctors.sign(CHEST_CT)

    assert doctors.waiting == []


def test_signing_again_prescribes_nothing_twice(doctors: Doctors) -> None:
    order_no = doctors.sign(BLOOD_PRESSURE_TABLETS)

    doctors.sign_again(order_no)
    doctors.orders.resume_all()

    assert len(doctors.waiting) == 1


def test_what_the_pharmacy_has_not_heard_it_is_told_later(doctors: Doctors) -> None:
    doctors.line.cut = True
    with pytest.raises(ConnectionError):
        doctors.sign(BLOOD_PRESSURE_TABLETS)
    assert doctors.waiting == []

    doctors.line.cut = False
    doctors.orders.resume_all()

    assert len(doctors.waiting) == 1


def test_each_prescription_of_a_visit_is_a_request_of_its_own(doctors: Doctors) -> None:
    doctors.sign(BLOOD_PRESSURE_TABLETS)
    doctors.sign(VITAMINS)

    assert [len(request.lines) for request in doctors.waiting] == [1, 1]
