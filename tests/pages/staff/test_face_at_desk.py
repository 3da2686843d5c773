"""A face at a desk, with both screens: the page of staff, and the terminal beside it."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from pages.audit import audit
from pages.pace import SLOW_PERSON_PAYS_S, Pace, written_in
from pages.staff.house import LABORATORY, MEDICINE, Browser, DeskTerminal, House
from pages.staff.test_roles import STAFF_TEXT_PX, audit_desk
from shualian.sandbox.province.cast import INPATIENT, VISITOR

TRIES = 8
"""A turn of the head that a busy machine was too slow to see is made again, as people do."""
PAYMENT = "payment by face at a clerk's window"
CLERK_KEYS = 4
"""The reader types the number of the slip and ends it; F8, the terminal that stands there, F9."""


class PatientsScreen:
    """The terminal beside a desk, as the patient touches it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def part(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def touch(self, *names: str) -> None:
        for name in names:
            self.part(name).click()

    def agrees(self, *, pays: bool = False) -> None:
        """With ``pays`` the own share comes from the person's account."""
        self.touch("tick-comparison", *(["tick-one_scan_payment"] if pays else []), "agree")

    def found(self, anew: Callable[[], object] | None = None, *, pays: bool = False) -> None:
        """Do what the screen says until somebody is recognised."""
        del anew
        ended = self.page.locator("[data-testid=person], [data-code=challenge_missed]")
        for _ in range(TRIES):
            expect(ended).to_be_visible(timeout=120_000)
            if self.part("person").is_visible():
                return
            self.touch("again")
            self.agrees(pays=pays)

    def scanned(self, *, pays: bool = False) -> None:
        """Agree, and be recognised."""
        self.agrees(pays=pays)
        self.found(pays=pays)

    def refused(self) -> str:
        """Agree, and be refused for another reason than a turn not seen; gives its code."""
        reason = self.part("reason")
        for _ in range(TRIES):
            self.agrees()
            expect(reason).to_be_visible(timeout=120_000)
            code = reason.get_attribute("data-code") or ""
            if code != "challenge_missed":
                return code
            self.touch("again")
        raise AssertionError("no turn of the head was ever seen")


def test_a_bill_is_confirmed_at_the_terminal_beside_the_window(
    house: House, desk: Browser, cashier_terminal: DeskTerminal
) -> None:
    visit = house.visitor()
    page, beside = desk.sign_in("clerk1"), cashier_terminal.page
    she = Pace(PatientsScreen(beside))
    she.begins(PAYMENT)
    she.reads("desk-waiting")
    she.clerk_presses(CLERK_KEYS)
    page.fill("#find", visit.encounter_no)
    page.keyboard.press("Enter")
    window = page.locator("[data-page=cashier]")
    expect(window).to_have_attribute("data-step", "settle")
    page.keyboard.press("F8")
    page.get_by_label("旁边的终端").select_option(cashier_terminal.name)
    audit_desk(page)
    page.keyboard.press("F9")
    expect(page.get_by_test_id("at-desk")).to_have_attribute("data-asked", "waiting")

    expect(beside.get_by_test_id("desk-bill")).to_contain_text("30.00")
    audit(beside)
    she.touch("desk-scan")
    # Only whom the notice was read to has a face scan: it was, when hers was set up.
    she.knows("tick-comparison")
    she.touch("tick-comparison", "agree")
    she.scans()
    expect(beside.locator("html")).to_have_attribute("data-cameras", "0")
    audit(beside)
    she.touch("yes")

    she.reads("desk-done")
    audit(beside)
    expect(page.get_by_test_id("done")).to_be_visible()
    expect(page.get_by_test_id("receipt")).to_contain_text("示例市第一医院")
    expect(beside.locator("[data-at=waiting]")).to_be_visible()
    assert she.seconds(PAYMENT) <= SLOW_PERSON_PAYS_S
    assert she.table()[PAYMENT] == written_in("docs/pages.md")[PAYMENT]


def test_whoever_declines_at_the_terminal_pays_by_document_with_the_same_bill(
    house: House, desk: Browser, next_terminal: DeskTerminal
) -> None:
    person = house.next_person()
    encounter = house.registered(person)
    page, beside = desk.sign_in("clerk2"), next_terminal.page
    page.fill("#find", encounter)
    page.keyboard.press("Enter")
    window = page.locator("[data-page=cashier]")
    expect(window).to_have_attribute("data-step", "settle")
    page.keyboard.press("F8")
    page.get_by_label("旁边的终端").select_option(next_terminal.name)
    page.keyboard.press("F9")
    expect(beside.get_by_test_id("desk-bill")).to_be_visible()
    beside.get_by_test_id("desk-decline").click()

    expect(page.get_by_test_id("at-desk")).to_contain_text("病人不刷脸")
    page.keyboard.press("F4")
    page.keyboard.type(person)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("F9")
    expect(window).not_to_have_attribute("data-step", "settle")
    expect(beside.locator("[data-at=waiting]")).to_be_visible()


def ask(page: Page, terminal: str) -> None:
    """Staff ask the terminal beside them for one scan."""
    page.get_by_label("旁边的终端").select_option(terminal)
    page.get_by_role("button", name="请终端刷脸").click()
    expect(page.get_by_test_id("at-desk")).to_have_attribute("data-asked", "waiting")


def test_at_the_pharmacy_the_wrong_face_gets_nothing_and_the_right_one_pays_and_takes_it(
    house: House, desk: Browser, pharmacy_terminal: DeskTerminal
) -> None:
    visit = house.visitor()
    house.seen(visit.encounter_no, ("prescription", MEDICINE))
    beside = pharmacy_terminal.page
    page = desk.sign_in("pharmacist1")
    page.locator(".person").last.click()
    page.get_by_role("button", name="审方通过").click()
    for _ in range(2):
        page.get_by_label("扫追溯码").fill(house.next_box())
        page.keyboard.press("Enter")
    page.keyboard.press("F9")
    expect(page.get_by_role("region", name="付款和发药")).to_be_visible()
    page.get_by_role("button", name="退出").click()

    page = desk.sign_in("pharmacist2")
    page.locator(".person").last.click()
    ask(page, pharmacy_terminal.name)
    expect(beside.get_by_role("heading", name="请核对您的取药")).to_be_visible()
    audit(beside)
    pharmacy_terminal.stands_before(INPATIENT.seen)
    beside.get_by_test_id("desk-scan").click()
    assert PatientsScreen(beside).refused() == "not_matched"
    expect(page.get_by_test_id("at-desk")).to_contain_text("没有认出是这位病人")
    expect(page.get_by_test_id("released")).to_have_count(0)
    audit_desk(page)

    pharmacy_terminal.stands_before(VISITOR.seen)
    beside.get_by_test_id("again").click()
    PatientsScreen(beside).scanned(pays=True)
    beside.get_by_test_id("yes").click()
    expect(beside.locator("[data-at=done]")).to_be_visible()
    expect(page.get_by_test_id("released")).to_be_visible()
    audit_desk(page)


def test_at_the_bed_a_stay_is_settled_by_the_face_at_the_nurses_device(
    house: House, tablet: Browser, bedside_terminal: DeskTerminal
) -> None:
    house.in_bed("09")
    bedside_terminal.stands_before(INPATIENT.seen)
    beside = bedside_terminal.page
    page = tablet.sign_in("nurse1")
    page.get_by_role("button", name="09 床").click()
    page.get_by_role("button", name="床旁结算").click()
    page.get_by_role("button", name="看谁付多少").click()
    ask(page, bedside_terminal.name)
    audit(page, text_px=STAFF_TEXT_PX)
    beside.get_by_test_id("desk-scan").click()
    PatientsScreen(beside).scanned()
    beside.get_by_test_id("yes").click()

    expect(page.get_by_test_id("settled")).to_contain_text("已结算")
    expect(beside.locator("[data-at=waiting]")).to_be_visible()


def test_somebody_is_admitted_by_the_face_at_the_device_after_the_document_opened_the_record(
    house: House, tablet: Browser, bedside_terminal: DeskTerminal
) -> None:
    visit = house.visitor()
    beside = bedside_terminal.page
    page = tablet.sign_in("nurse2")
    page.get_by_role("button", name="08 床").click()
    page.get_by_label("证件号码").fill(visit.id_number)
    page.get_by_text("我看过证件原件").click()
    page.get_by_role("button", name="证件和刷脸").click()
    page.get_by_label("旁边的终端").select_option(bedside_terminal.name)
    page.get_by_role("button", name="请终端刷脸").click()
    expect(page.get_by_test_id("at-desk")).to_have_attribute("data-asked", "waiting")
    audit(page, text_px=STAFF_TEXT_PX)

    expect(beside.get_by_role("heading", name="请确认办理入院")).to_be_visible()
    audit(beside)
    beside.get_by_test_id("desk-scan").click()
    PatientsScreen(beside).scanned()
    beside.get_by_test_id("yes").click()
    expect(page.get_by_role("button", name="08 床")).to_contain_text("张*")
    stays = house.staff("nurse1").get("/hospital/v1/wards/stays")
    (stay,) = [each for each in stays if each["bed_no"] == "08"]
    # No reason stands there: nobody had to answer for it.
    assert stay["admitted_by"] is None


def test_somebody_arrives_for_an_examination_by_the_face_at_the_desk(
    house: House, desk: Browser, examination_terminal: DeskTerminal
) -> None:
    visit = house.visitor()
    house.seen(visit.encounter_no, ("laboratory", LABORATORY))
    house.paid(visit.encounter_no, visit.id_number)
    beside = examination_terminal.page
    page = desk.sign_in("technician1")
    page.locator(".person").filter(has_text="张*").last.click()
    page.get_by_role("button", name="刷脸").click()
    ask(page, examination_terminal.name)
    audit_desk(page)
    expect(beside.get_by_role("heading", name="请确认来做检查")).to_be_visible()
    audit(beside)
    beside.get_by_test_id("desk-scan").click()
    PatientsScreen(beside).scanned()
    beside.get_by_test_id("yes").click()

    expect(page.get_by_role("button", name="做好了")).to_be_visible()
    expect(beside.locator("[data-at=waiting]")).to_be_visible()
