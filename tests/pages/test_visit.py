"""From an unknown browser to somebody who is activated, and who takes it back; all of it real."""

import pytest
from playwright.sync_api import expect

from pages.audit import audit
from pages.kiosk import Kiosk, kiosk_in
from pages.world import PLACE, World
from shualian.core.clock import business_date
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import PersonNo
from shualian.sandbox import city
from shualian.verification.model import ConsentPurpose


@pytest.fixture(scope="module")
def patient(world: World) -> str:
    """Insured, known to the registry, never scanned; gives the ID number."""
    world.insure(city.PATIENT)
    return city.PATIENT.id_number


def _person(world: World, number: str) -> PersonNo:
    today = business_date(world.clock.now())
    found = world.side.insured.persons.by_number(parse_id_number(number, today=today))
    assert found is not None
    return found


def _scanned(kiosk: Kiosk) -> None:
    """Wait through the scan; the simulated person does what the screen says."""
    kiosk.found()


def test_a_woman_without_a_phone_sets_it_up_uses_it_and_takes_it_back(
    world: World, patient: str
) -> None:
    with kiosk_in(world) as kiosk:
        kiosk.enrolled()
        expect(kiosk.page.locator(".where")).to_contain_text(city.HOSPITAL.name)
        expect(kiosk.page.locator(".foot")).to_contain_text(PLACE)
        audit(kiosk.page)

        kiosk.touch("start").at("home")
        audit(kiosk.page)
        kiosk.touch("task-activate").at("number").types(patient)
        audit(kiosk.page)
        kiosk.touch("ok").at("notice")
        audit(kiosk.page)
        kiosk.touch("tick-comparison", "tick-template", "agree")
        _scanned(kiosk)
        expect(kiosk.part("person")).to_contain_text("张*例")
        assert patient not in kiosk.text()
        kiosk.cameras(0)
        audit(kiosk.page)
        kiosk.touch("yes")
        expect(kiosk.part("activated")).to_be_visible()
        audit(kiosk.page)

        kiosk.touch("on").at("home")
        psn_no = _person(world, patient)
        assert ConsentPurpose.TEMPLATE in world.side.insured.consents.in_force(psn_no)
        world.expect_today(psn_no)

        kiosk.touch("task-matters", "tick-comparison", "agree")
        _scanned(kiosk)
        kiosk.touch("yes")
        expect(kiosk.part("held-template")).to_contain_text("已同意")
        audit(kiosk.page)
        kiosk.touch("withdraw-template", "sure")
        expect(kiosk.part("withdrawn")).to_contain_text("凭条号码")
        assert ConsentPurpose.TEMPLATE not in world.side.insured.consents.in_force(psn_no)
        kiosk.touch("done").at("asleep")

        assert kiosk.errors == []
        assert kiosk.outside == []
