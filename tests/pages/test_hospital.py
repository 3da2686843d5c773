"""What somebody does alone at the kiosk with the hospital: all of it real, money's books compared."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from pages.audit import audit
from pages.house import PIN, ROOM, WALLET_MONEY, House
from pages.kiosk import Kiosk, kiosk_in
from shualian.core.identifiers import PersonNo
from shualian.hospital.payments.model import PaymentState
from shualian.sandbox import city

CONSULTATION, CHEST_CT = "ZC001", "JC002"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as opened:
        yield House(tmp_path_factory.mktemp("house"), opened)


@pytest.fixture(scope="module")
def patient(house: House) -> PersonNo:
    """Comes often: a template is kept, a PIN set at a window, an account authorised."""
    psn_no = house.regular(city.PATIENT)
    house.agrees(psn_no)
    return psn_no


def _scanned(kiosk: Kiosk) -> Kiosk:
    """Notice, consent, and the scan; the simulated person does what the screen says."""
    kiosk.touch("way-face").at("notice")
    kiosk.touch("tick-comparison", "agree")
    return kiosk.found().touch("yes")


def test_one_scan_pays_insurance_and_own_share_together(house: House, patient: PersonNo) -> None:
    encounter = house.visit(city.PATIENT)
    house.ordered(encounter, CHEST_CT)
    with kiosk_in(house) as kiosk:
        kiosk.enrolled()
        kiosk.touch("start").at("home")
        kiosk.touch("task-pay").at("way")
        _scanned(kiosk)
        expect(kiosk.part("split")).to_be_visible()
        expect(kiosk.part("wallet")).to_contain_text("1234")
        audit(kiosk.page)
        kiosk.touch("confirm").types(PIN)
        audit(kiosk.page)
        kiosk.touch("ok")
        expect(kiosk.page.locator("h1")).to_contain_text("缴费成功")
        audit(kiosk.page)

        (payment,) = house.payments(encounter.encounter_no)
        assert payment.state is PaymentState.SETTLED
        own = payment.confirmed.amounts.psn_cash_pay
        assert own > 0
        assert house.wallet_balance(patient) == WALLET_MONEY - own
        kiosk.touch("done").at("asleep")
        assert kiosk.errors == []
        assert kiosk.outside == []
