"""A parent at the kiosk with a child: the parent's face, the child's record, visit and books."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from pages.audit import audit
from pages.house import PIN, House
from pages.kiosk import Kiosk, kiosk_in
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import PersonNo
from shualian.hospital.payments.model import PaymentState
from shualian.insurer.family.model import Document, Kinship
from shualian.sandbox import city
from shualian.sandbox.city import SamplePerson

PARENT = SamplePerson("孙示例", "19850408", "026", "11", "860.00", "astronaut_1")
CHILD = SamplePerson("孙小例", "20180314", "018", "11", "15.00", "president_b_1")
DOCTOR = "王示例"
CHEST_CT = "JC002"


@dataclass
class Family:
    """A house, and a parent who is bound to a child there and stands before the camera."""

    house: House
    parent: PersonNo
    child: PersonNo


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    with ExitStack() as opened:
        house = House(tmp_path_factory.mktemp("house"), opened)
        parent, child = house.regular(PARENT), house.insure(CHILD)
        house.agrees(child)
        today = house.today
        house.side.insured.family_window.bind_child(
            actor=city.ADMINISTRATOR,
            guardian=parse_id_number(PARENT.id_number, today=today),
            child=parse_id_number(CHILD.id_number, today=today),
            kinship=Kinship.CHILD,
            documents=(Document.ID_DOCUMENT, Document.HOUSEHOLD_REGISTER),
        )
        house.expect_today(parent)
        house.stands_there(PARENT.enrolled)
        yield Family(house, parent, child)


def _scanned_for_child(kiosk: Kiosk, task: str) -> None:
    """Up to the question for whom it is, and the answer."""

    def walk() -> None:
        kiosk.touch(task).at("way")
        kiosk.touch("way-face").at("notice")
        kiosk.touch("tick-comparison", "agree")

    walk()
    kiosk.found(walk).touch("yes").at("whom")
    expect(kiosk.part("relative")).to_contain_text("子女")
    audit(kiosk.page)
    kiosk.touch("relative")


def test_a_parent_registers_a_child_and_pays_for_it(family: Family) -> None:
    house = family.house
    with kiosk_in(house) as kiosk:
        kiosk.enrolled()
        kiosk.touch("start").at("home")
        _registers(kiosk)
        expect(kiosk.page.locator("header.page-head")).to_contain_text("给家人 孙*例 办的")
        audit(kiosk.page)
        visit = house.last_visit(family.child)
        expect(kiosk.part("ticket")).to_contain_text(visit.queue_no)
        assert (visit.psn_no, visit.acted_by) == (family.child, family.parent)
        assert house.hospital.records.find_by_person(psn_no=family.parent) is None
        kiosk.touch("done").at("asleep")

        house.ordered(visit, CHEST_CT)
        money = house.wallet_balance(family.child)
        kiosk.touch("start").at("home")
        _scanned_for_child(kiosk, "task-pay")
        expect(kiosk.part("split")).to_be_visible()
        expect(kiosk.page.locator("header.page-head")).to_contain_text("孙*例 的费用")
        audit(kiosk.page)
        kiosk.touch("confirm").types(PIN).touch("ok")
        expect(kiosk.page.locator("h1")).to_contain_text("缴费成功")
        audit(kiosk.page)

        paid = house.payments(visit.encounter_no)[-1]
        assert paid.state is PaymentState.SETTLED
        assert (paid.psn_no, paid.acted_by) == (family.child, family.parent)
        own = paid.confirmed.amounts.psn_cash_pay
        assert house.wallet_balance(family.child) == money - own
        kiosk.touch("done").at("asleep")
        assert "孙*例" not in kiosk.page.content()
        assert kiosk.errors == []
        assert kiosk.outside == []


def _registers(kiosk: Kiosk) -> None:
    def walk() -> None:
        kiosk.touch("task-register")
        kiosk.part("department").first.click()
        kiosk.part("slot").filter(has_text=DOCTOR).first.click()
        kiosk.touch("way-face").at("notice")
        kiosk.touch("tick-comparison", "agree")

    walk()
    kiosk.found(walk).touch("yes").at("whom").touch("relative")
    expect(kiosk.part("ticket")).to_be_visible()
