"""What is booked already, at the kiosk: another time, and giving it back."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from pages.audit import audit
from pages.house import House
from pages.kiosk import Kiosk, kiosk_in
from shualian.core.identifiers import PersonNo
from shualian.hospital.scheduling.model import AppointmentState
from shualian.sandbox import city

DOCTOR = "王示例"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as opened:
        yield House(tmp_path_factory.mktemp("house"), opened)


@pytest.fixture(scope="module")
def patient(house: House) -> PersonNo:
    """Comes often: a template is kept."""
    return house.regular(city.PATIENT)


def _sees_what_is_booked(house: House, patient: PersonNo, kiosk: Kiosk) -> None:
    # Whoever moved what was for today is expected no more; here for something else, too.
    house.expect_today(patient)

    def walk() -> None:
        kiosk.touch("task-book").at("department")
        audit(kiosk.page)
        kiosk.touch("own-bookings").at("way")
        kiosk.touch("way-face").at("notice")
        kiosk.touch("tick-comparison", "agree")

    kiosk.touch("start").at("home")
    walk()
    kiosk.found(walk).touch("yes")


def test_a_booking_gets_another_time_and_another_is_given_back(
    house: House, patient: PersonNo
) -> None:
    moved = house.booked(city.PATIENT, "0403")
    with kiosk_in(house) as kiosk:
        kiosk.enrolled()
        _sees_what_is_booked(house, patient, kiosk)
        expect(kiosk.part("booked")).to_have_count(1)
        audit(kiosk.page)
        kiosk.touch("move").at("department")
        kiosk.part("department").first.click()
        kiosk.part("day").nth(1).click()
        kiosk.part("slot").filter(has_text=DOCTOR).first.click()
        kiosk.part("time").nth(2).click()
        expect(kiosk.page.locator("h1")).to_contain_text("时间改好了")
        expect(kiosk.part("when")).to_contain_text("明天")
        audit(kiosk.page)
        (own,) = house.appointments(city.PATIENT)
        assert own.appointment.appointment_no == moved.appointment_no
        assert own.appointment.session_no != moved.session_no
        assert own.practitioner.doctor.dr_name == DOCTOR
        kiosk.touch("done").at("asleep")

        _sees_what_is_booked(house, patient, kiosk)
        kiosk.touch("cancel")
        expect(kiosk.part("sure")).to_contain_text(DOCTOR)
        audit(kiosk.page)
        kiosk.touch("keep")
        (kept,) = house.appointments(city.PATIENT)
        assert kept.appointment.state is AppointmentState.BOOKED
        kiosk.touch("cancel", "give-back")
        expect(kiosk.part("cancelled")).to_contain_text(DOCTOR)
        audit(kiosk.page)
        (given,) = house.appointments(city.PATIENT)
        assert given.appointment.state is AppointmentState.CANCELLED
        kiosk.touch("done").at("asleep")

        _sees_what_is_booked(house, patient, kiosk)
        expect(kiosk.part("nothing")).to_be_attached()
        audit(kiosk.page)
        assert kiosk.errors == []
        assert kiosk.outside == []
