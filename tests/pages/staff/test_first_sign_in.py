"""A new member of staff: made by one, let in by another, and their own from the first sign-in."""

from playwright.sync_api import Page, expect

from pages.staff.house import Browser, House
from pages.staff.test_roles import audit_desk

PASSWORD = "lantern gravel tuesday orchard"  # noqa: S105 - of an account that this test makes


def signed_in(browser: Browser, house: House, *, insurer: bool = False) -> Page:
    """Somebody who governs, by their passkey, at the accounts."""
    page = browser.open()
    browser.hold_passkey(house.supervisor if insurer else house.passkey)
    page.get_by_role("button", name="用通行密钥登录").click()
    expect(page.get_by_test_id("who")).to_be_visible()
    page.get_by_role("link", name="账号").click()
    return page


def make_account(page: Page, login: str, name: str, role: str) -> str:
    """A new account; gives the one-time code."""
    page.get_by_role("button", name="新账号").click()
    page.get_by_role("textbox", name="账号").fill(login)
    page.get_by_role("textbox", name="姓名").fill(name)
    page.get_by_role("group", name="角色").get_by_text(role, exact=True).click()
    audit_desk(page)
    page.get_by_role("button", name="建账号，出代码").click()
    code = page.get_by_test_id("code").inner_text()
    page.get_by_role("button", name="记好了，收起").click()
    return code


def let_in(page: Page, name: str) -> None:
    """Somebody else than who made the account approves it."""
    row = page.get_by_role("row", name=name)
    expect(row).to_contain_text("待批准")
    row.get_by_role("button", name="批准", exact=True).click()
    expect(row.get_by_role("button", name="批准", exact=True)).to_have_count(0)
    expect(page.get_by_test_id("told")).to_have_count(0)


def first_time(page: Page, code: str) -> None:
    """Open the form for a one-time code, and type it."""
    page.get_by_role("button", name="第一次登录，有一次性代码").click()
    page.get_by_label("一次性代码").fill(code)


def test_new_staff_are_let_in_by_another_and_make_their_passkey_or_password_with_the_code(
    house: House, desk: Browser, insurer: Browser, colleague: Browser, tablet: Browser
) -> None:
    governing = signed_in(desk, house)
    code = make_account(governing, "administrator9", "示例新管理员", "管理员")
    page = colleague.open()
    colleague.hold_passkey()
    first_time(page, code)
    audit_desk(page)
    page.get_by_role("button", name="设通行密钥并登录").click()
    expect(page.get_by_test_id("told")).to_contain_text("staff.")

    # The first hospital has one administrator so far: nobody inside can be the second person.
    let_in(signed_in(insurer, house, insurer=True), "示例新管理员")
    page.get_by_role("button", name="设通行密钥并登录").click()
    expect(page.get_by_test_id("who")).to_contain_text("示例新管理员")
    page.get_by_role("button", name="退出").click()
    first_time(page, code)
    page.get_by_role("button", name="设通行密钥并登录").click()
    expect(page.get_by_test_id("told")).to_contain_text("staff.")
    page.get_by_role("button", name="已有密码或通行密钥").click()
    page.get_by_role("button", name="用通行密钥登录").click()
    expect(page.get_by_test_id("who")).to_contain_text("示例新管理员")

    code = make_account(governing, "clerk9", "示例新收费员", "收费员")
    page.get_by_role("link", name="账号").click()
    let_in(page, "示例新收费员")
    clerk = tablet.open()
    first_time(clerk, code)
    clerk.get_by_label("设一个密码").fill("12345678")
    clerk.keyboard.press("Enter")
    expect(clerk.get_by_test_id("told")).to_contain_text("staff.")
    clerk.get_by_label("设一个密码").fill(PASSWORD)
    clerk.keyboard.press("Enter")
    expect(clerk.get_by_test_id("who")).to_contain_text("收费员")
    clerk.get_by_role("button", name="退出").click()
    clerk.fill("#login", "clerk9")
    clerk.fill("#password", PASSWORD)
    clerk.keyboard.press("Enter")
    expect(clerk.locator("[data-page=cashier]")).to_be_visible()
    # What the server refuses is written down by Chromium itself.
    colleague.said.clear()
    tablet.said.clear()
