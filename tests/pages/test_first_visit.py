"""The whole visit at the kiosk: a woman of 75 who comes for the first time, alone.

She sets the face scan up, registers, pays, books and checks in, and takes her report. What is done
at the doctor's and at the laboratory meanwhile is done by the hospital's use cases. Taps and
sentences are counted and become seconds by a model of a slow person (:mod:`pages.pace`); how long
machines take is measured nowhere here.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from playwright.sync_api import expect

from pages.audit import audit
from pages.house import PIN, ROOM, House
from pages.kiosk import Kiosk, kiosk_in
from pages.pace import SLOW_PERSON_PAYS_S, Pace, written_in
from shualian.hospital.clinical.model import OrderNo
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.scheduling.model import AppointmentState
from shualian.sandbox.city import SamplePerson

WOMAN = SamplePerson("孙示例", "19510408", "026", "12", "860.00", "astronaut_1")
SEEN = "astronaut_1"
DOCTOR = "王示例"
PAYMENT = "payment by one scan"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as opened:
        yield House(tmp_path_factory.mktemp("house"), opened)


class Visitor:
    """She at the kiosk."""

    def __init__(self, house: House, kiosk: Kiosk) -> None:
        self.house = house
        self.kiosk = kiosk
        self.pace = Pace(kiosk)
        self.psn_no = house.insure(WOMAN)

    def comes_for(self, task: str) -> None:
        """Touch the sleeping screen and choose."""
        self.pace.touch("start")
        self.kiosk.at("home")
        self.pace.touch(f"task-{task}")

    def is_scanned(self) -> None:
        """The way, the notice, the camera, and "that is me"."""
        self.pace.touch("way-face")
        self.kiosk.at("notice")
        self.pace.touch("tick-comparison", "agree")
        self.pace.scans()
        self.pace.touch("yes")

    def goes(self) -> None:
        """What is on the screen holds; then everything is cleared."""
        audit(self.kiosk.page)
        self.pace.touch("done")
        self.kiosk.at("asleep")

    def has_nothing_to_pay(self) -> None:
        """Not a part of the visit: everything is paid."""
        kiosk = self.kiosk
        walk = partial(kiosk.touch, "task-pay", "way-face", "tick-comparison", "agree")
        kiosk.touch("start")
        walk().found(walk).touch("yes")
        expect(kiosk.part("nothing")).to_be_attached()
        audit(kiosk.page)
        kiosk.touch("done").at("asleep")

    def registers(self) -> Encounter:
        """The number is typed this once; face scan and record are set up on the way."""
        self.comes_for("register")
        self.kiosk.at("department")
        expect(self.kiosk.part("department").first).to_be_visible()
        audit(self.kiosk.page)
        self.pace.touch_nth("department", 0)
        self.kiosk.at("session")
        expect(self.kiosk.part("slot").first).to_be_visible()
        audit(self.kiosk.page)
        self.pace.touch_nth("slot", 0, DOCTOR)
        self.kiosk.at("way")
        self.pace.touch("way-number")
        self.kiosk.at("number")
        self.pace.types(WOMAN.id_number)
        self.pace.touch("ok")
        self.kiosk.at("notice")
        self.pace.touch("tick-comparison", "tick-template", "agree")
        self.pace.scans()
        self.pace.touch("yes")
        expect(self.kiosk.part("ticket")).to_be_visible()
        visit = self.house.last_visit(self.psn_no)
        expect(self.kiosk.part("ticket")).to_contain_text(visit.queue_no)
        expect(self.kiosk.part("go-there")).to_contain_text(ROOM)
        expect(self.kiosk.part("go-there")).to_contain_text("马上到您")
        self.goes()
        return visit

    def pays(self, visit: Encounter) -> None:
        """Insurance, personal account and own share by one scan."""
        self.comes_for("pay")
        self.is_scanned()
        self.pace.touch("confirm")
        self.pace.types(PIN)
        self.pace.touch("ok")
        expect(self.kiosk.page.locator("h1")).to_contain_text("缴费成功")
        assert self.house.payments(visit.encounter_no)[-1].done
        self.goes()

    def takes_her_report(self, order_no: OrderNo) -> None:
        """The only one there is opens by itself."""
        self.comes_for("report")
        self.is_scanned()
        expect(self.kiosk.part("report")).to_contain_text("支气管炎改变")
        (taken,) = self.house.hospital.examinations.collections(order_no=order_no)
        assert taken.collector == self.psn_no
        self.goes()

    def books(self) -> None:
        """Tomorrow, the third time that is offered."""
        self.comes_for("book")
        self.pace.touch_nth("department", 0)
        self.kiosk.at("session")
        self.pace.touch_nth("day", 1)
        self.pace.touch_nth("slot", 0, DOCTOR)
        self.kiosk.at("slot")
        expect(self.kiosk.part("time").first).to_be_visible()
        audit(self.kiosk.page)
        self.pace.touch_nth("time", 2)
        self.kiosk.at("way")
        self.is_scanned()
        expect(self.kiosk.part("when")).to_contain_text("明天")
        booked = self.house.appointments(WOMAN)[0].appointment
        assert (booked.state, booked.slot_no) == (AppointmentState.BOOKED, 3)
        self.goes()

    def checks_in(self) -> None:
        """For what was booked at the window for today."""
        self.comes_for("checkin")
        self.is_scanned()
        expect(self.kiosk.page.locator("h1")).to_contain_text("取号成功")
        visit = self.house.last_visit(self.psn_no)
        expect(self.kiosk.part("ticket")).to_contain_text(visit.queue_no)
        self.goes()


def test_a_woman_of_75_does_her_whole_visit_alone(house: House) -> None:
    house.stands_there(SEEN)
    with kiosk_in(house) as kiosk:
        kiosk.enrolled()
        she = Visitor(house, kiosk)
        she.pace.begins("first activation and registration in one")
        visit = she.registers()
        order_no = house.examination_ordered(visit)
        house.agrees(she.psn_no)
        house.pin_from_window(she.psn_no)
        she.pace.begins(PAYMENT)
        she.pays(visit)
        she.has_nothing_to_pay()
        house.reported(WOMAN, order_no)
        she.pace.begins("report")
        she.takes_her_report(order_no)
        she.pace.begins("booking")
        she.books()
        house.booked(WOMAN, "0403")
        she.pace.begins("check-in")
        she.checks_in()

        assert WOMAN.id_number not in kiosk.page.content()
        assert kiosk.errors == []
        assert kiosk.outside == []
        assert she.pace.seconds(PAYMENT) <= SLOW_PERSON_PAYS_S
        assert she.pace.table().items() <= written_in("docs/pages.md").items()
