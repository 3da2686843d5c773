"""A clerk finds an open bill by what the person shows, and settles with the same; by keys alone."""

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.staff.house import CARD, PIN, Browser, House
from pages.staff.test_roles import audit_desk


def at_window(desk: Browser) -> tuple[Page, Locator]:
    """A clerk at the window, and the window."""
    page = desk.sign_in("clerk1")
    window = page.locator("[data-page=cashier]")
    expect(window).to_be_visible()
    return page, window


def type_card(page: Page) -> None:
    page.keyboard.type(CARD)
    page.keyboard.press("Tab")
    page.keyboard.type(PIN)


def test_a_clerk_finds_a_bill_by_card_and_settles_with_it_after_the_pin(
    house: House, desk: Browser
) -> None:
    house.registered(house.card_holder)
    page, window = at_window(desk)
    page.keyboard.press("F6")
    expect(page.get_by_label("卡号")).to_be_focused()
    type_card(page)
    audit_desk(page)
    page.keyboard.press("Enter")

    expect(window).to_have_attribute("data-step", "settle")
    expect(page.get_by_label("卡号")).to_have_value(CARD)
    page.keyboard.press("F9")
    expect(window).not_to_have_attribute("data-step", "settle")
    expect(page.get_by_test_id("told")).to_have_count(0)


def test_a_wrong_pin_finds_nobody_and_stands_on_no_screen(house: House, desk: Browser) -> None:
    page, window = at_window(desk)
    page.keyboard.press("F6")
    expect(page.get_by_label("卡号")).to_be_focused()
    page.keyboard.type(CARD)
    page.keyboard.press("Tab")
    page.keyboard.type("000000")
    page.keyboard.press("Enter")

    expect(page.get_by_test_id("told")).to_contain_text("可以这样办")
    expect(window).to_have_attribute("data-step", "find")
    assert "000000" not in page.locator("body").inner_text()


def test_a_clerk_finds_a_bill_by_code_and_settles_with_the_next_one(
    house: House, desk: Browser
) -> None:
    person = house.next_person()
    house.registered(person)
    page, window = at_window(desk)
    page.keyboard.press("F7")
    expect(page.get_by_label("医保码", exact=True)).to_be_focused()
    page.keyboard.type(house.shows_code(person))
    audit_desk(page)
    page.keyboard.press("Enter")

    expect(window).to_have_attribute("data-step", "settle")
    page.keyboard.press("F7")
    expect(page.get_by_label("医保码", exact=True)).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type(house.shows_code(person))
    page.keyboard.press("F9")
    expect(window).not_to_have_attribute("data-step", "settle")
    expect(page.get_by_test_id("told")).to_have_count(0)


@pytest.mark.parametrize("key", ["F6", "F7"])
def test_what_was_typed_is_gone_for_the_next_person(desk: Browser, key: str) -> None:
    page, _ = at_window(desk)
    page.keyboard.press(key)
    field = page.locator(".who-fields input").first
    expect(field).to_be_focused()
    page.keyboard.type(CARD)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press(key)
    expect(field).to_have_value("")
