"""A ward check: two nurses answer it; the supervisor sees what came of it, and what did not."""

from playwright.sync_api import Page, expect

from pages.audit import audit
from pages.staff.house import Browser, House
from pages.staff.test_roles import STAFF_TEXT_PX, audit_desk, shows


def checks_of(nurse: Browser, login: str) -> Page:
    page = nurse.sign_in(login)
    page.get_by_role("link", name="查房核验").click()
    shows(page, "checks")
    return page


def test_two_nurses_answer_a_ward_check_and_the_supervisor_sees_it_and_the_missed_one(
    house: House, tablet: Browser, colleague: Browser, insurer: Browser
) -> None:
    stay = house.bedridden.open
    page = checks_of(tablet, "nurse1")
    check = page.get_by_role("listitem").filter(has_text=stay)
    expect(check).to_contain_text("待核验")
    check.get_by_label("不能刷脸的原因").select_option("外出检查")
    audit(page, text_px=STAFF_TEXT_PX)
    check.get_by_role("button", name="写明原因").click()
    expect(check).to_contain_text("等另一位护士签名")
    expect(check.get_by_role("button")).to_have_count(0)

    other = checks_of(colleague, "nurse2")
    same = other.get_by_role("listitem").filter(has_text=stay)
    expect(same).to_contain_text("已写原因：外出检查")
    same.get_by_role("button", name="我也去看过，签名").click()
    expect(same).to_have_count(0)
    expect(check).to_have_count(0)

    page = insurer.open()
    insurer.hold_passkey(house.supervisor)
    page.get_by_role("button", name="用通行密钥登录").click()
    page.get_by_role("link", name="查房结果").click()
    results = page.get_by_role("region", name="每一次").get_by_role("listitem")
    expect(results.filter(has_text="有理由未刷")).to_contain_text("外出检查")
    expect(results.filter(has_text="超时未核")).to_have_count(1)
    rates = page.get_by_role("region", name="各病区").get_by_role("row").last
    expect(rates).to_contain_text("0.0 %")
    audit_desk(page)
    page.get_by_role("link", name="预警").click()
    shows(page, "alerts")
    alert = page.get_by_role("listitem").filter(has_text="查房超时未核")
    audit_desk(page)
    alert.get_by_role("button", name="我来处理").click()
    expect(alert).to_have_count(0)
    page.get_by_text("只看没处理的").click()
    expect(alert).to_contain_text("已处理")
