"""A face at a desk, with both screens: the page of staff, and the terminal beside it."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from pages.audit import audit
from pages.pace import SLOW_PERSON_PAYS_S, Pace, written_in
from pages.staff.house import Browser, House
from pages.staff.test_roles import audit_desk

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

    def found(self, anew: Callable[[], object] | None = None) -> None:
        """Do what the screen says until somebody is recognised."""
        del anew
        ended = self.page.locator("[data-testid=person], [data-code=challenge_missed]")
        for _ in range(TRIES):
            expect(ended).to_be_visible(timeout=120_000)
            if self.part("person").is_visible():
                return
            self.touch("again", "tick-comparison", "agree")


def test_a_bill_is_confirmed_at_the_terminal_beside_the_window(
    house: House, desk: Browser, cashier_terminal: Browser
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
    page.get_by_label("旁边的终端").select_option("收费 9 号窗口")
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
    house: House, desk: Browser, next_terminal: Browser
) -> None:
    person = house.next_person()
    encounter = house.registered(person)
    page, beside = desk.sign_in("clerk2"), next_terminal.page
    page.fill("#find", encounter)
    page.keyboard.press("Enter")
    window = page.locator("[data-page=cashier]")
    expect(window).to_have_attribute("data-step", "settle")
    page.keyboard.press("F8")
    page.get_by_label("旁边的终端").select_option("收费 8 号窗口")
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
