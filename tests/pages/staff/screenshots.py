"""Pictures of the staff pages and of the terminal at a desk, to be looked at: ``make screenshots``.

A house is served and each role's page is opened with something to do on it, in Chinese and in
English. All people and numbers are made up.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, expect

from pages.chromium import driver
from pages.staff.house import (
    DOCTOR,
    LABORATORY,
    MEDICINE,
    TABLET,
    Browser,
    House,
    at_desk,
    browser,
    command,
)

LANGUAGES = ("zh", "en")
_WAIT_MS = 60_000
_SETTLED_MS = 500
"""After what was asked for by a page that has just been opened."""


class Album:
    """Where the pictures go; every page is taken in both languages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def take(self, page: Page, name: str) -> None:
        """One picture in the language of the page."""
        language = "en" if page.evaluate("document.documentElement.lang") == "en" else "zh"
        place = self.folder / language
        place.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=place / f"{name}.png")
        self.count += 1

    def both(self, page: Page, name: str) -> None:
        """In both languages; the page stays in Chinese."""
        self.take(page, name)
        for language in ("English", "中文"):
            # Pressed by itself: a warning that fills the page lies over it, and nothing moves.
            page.locator("button", has_text=language).first.evaluate("each => each.click()")
            if language == "English":
                self.take(page, name)


@contextmanager
def _at(origin: str, size: tuple[int, int] = (1600, 1000)) -> Iterator[Browser]:
    for made in browser(origin, size):
        made.page.set_default_timeout(_WAIT_MS)
        yield made
        made.said.clear()


def _go(page: Page, name: str) -> None:
    """To another page, with what it asked for."""
    page.evaluate("name => { location.hash = name }", name)
    shown = page.locator("[data-page]").first
    expect(shown).to_have_attribute("data-page", name)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(_SETTLED_MS)


def take(folder: Path) -> int:
    """Write the pictures; gives how many."""
    album = Album(folder)
    with TemporaryDirectory() as place, ExitStack() as opened:
        house = House(Path(place), opened)
        examined = _prepare(house)
        for walk in (_sign_in, _window, _clinic, _pharmacy, _ward, _house, _insurer):
            walk(house, album)
        _technician(house, album, examined)
        _desk(house, album)
    return album.count


def _prepare(house: House) -> str:
    """Gives whose laboratory test is paid."""
    for orders in ((("prescription", MEDICINE),), (("laboratory", LABORATORY),)):
        person = house.next_person()
        encounter = house.registered(person)
        house.seen(encounter, *orders)
        house.paid(encounter, person)
    for _ in range(3):
        house.registered(house.next_person())
    return person


def _sign_in(house: House, album: Album) -> None:
    with _at(house.hospital.staff_origin) as at:
        page = at.open()
        album.both(page, "00-sign-in")
        page.get_by_role("button", name="第一次登录，有一次性代码").click()
        album.both(page, "01-first-sign-in")


def _window(house: House, album: Album) -> None:
    person = house.next_person(poor=True)
    encounter = house.registered(person)
    scan = {"code": "JC002", "count": 3}
    house.seen(encounter, ("examination", scan), ("prescription", MEDICINE))
    with _at(house.hospital.staff_origin) as at:
        page = at.sign_in("clerk1")
        album.both(page, "10-window-find")
        with page.expect_popup() as opening:
            page.get_by_role("button", name="打开病人屏").click()
        second = opening.value
        second.set_viewport_size({"width": 1024, "height": 768})
        page.fill("#find", encounter)
        page.keyboard.press("Enter")
        expect(page.locator("[data-step=settle]")).to_be_visible()
        album.both(page, "11-window-bill")
        expect(second.locator("[data-prompt=check]")).to_be_visible()
        album.take(second, "12-patients-screen")
        page.keyboard.press("F8")
        expect(page.get_by_test_id("slip")).to_be_visible()
        album.both(page, "13-window-face")
        page.keyboard.press("F4")
        page.keyboard.type(person)
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("F9")
        expect(page.locator("[data-step=take]")).to_be_visible()
        page.keyboard.type("1000")
        album.both(page, "14-window-cash")
        page.keyboard.press("F9")
        expect(page.get_by_test_id("receipt")).to_be_visible()
        album.both(page, "15-window-done")
        page.keyboard.press("Escape")
        page.keyboard.press("F6")
        album.both(page, "16-window-by-card")
        for name in ("register", "refunds", "shift"):
            _go(page, name)
            album.both(page, f"17-{name}")
        page.keyboard.press("Alt+2")
        expect(page.locator("[data-page=register]")).to_be_visible()
        expect(page.get_by_role("button", name="选", exact=True).first).to_be_visible()
        page.keyboard.press("F3")
        page.keyboard.press("F8")
        album.both(page, "18-register-self-paid")


def _clinic(house: House, album: Album) -> None:
    with _at(house.hospital.staff_origin) as at:
        page = at.sign_in(DOCTOR)
        expect(page.locator(".people li").first).to_be_visible()
        album.both(page, "20-clinic-queue")
        page.keyboard.press("F2")
        expect(page.get_by_test_id("identity")).to_be_visible()
        page.keyboard.press("F4")
        finder = page.get_by_role("combobox", name="找诊断")
        finder.fill("I10")
        expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible()
        album.both(page, "21-clinic-diagnosis")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="写下诊断").click()
        expect(page.get_by_text("已上传医保")).to_be_visible()
        page.get_by_role("combobox", name="找项目").fill("slkss")
        expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible()
        page.keyboard.press("Enter")
        page.get_by_label("每次用量").fill("2 粒")
        page.get_by_role("button", name="看费用，再签").click()
        expect(page.get_by_test_id("preview")).to_contain_text("病人多付")
        page.get_by_test_id("preview").scroll_into_view_if_needed()
        album.both(page, "22-clinic-cost")
        _go(page, "critical")
        album.both(page, "23-critical")


def _pharmacy(house: House, album: Album) -> None:
    with _at(house.hospital.staff_origin) as at:
        page = at.sign_in("pharmacist1")
        page.locator(".person").last.click()
        album.both(page, "30-pharmacy-review")
        page.get_by_role("button", name="审方通过").click()
        for _ in range(2):
            page.get_by_label("扫追溯码").fill(house.next_box())
            page.keyboard.press("Enter")
        album.both(page, "31-pharmacy-boxes")
        page.keyboard.press("F9")
        expect(page.get_by_role("region", name="付款和发药")).to_be_visible()
        page.get_by_role("button", name="退出").click()
        page = at.sign_in("pharmacist2")
        page.locator(".person").last.click()
        expect(page.get_by_role("region", name="付款和发药")).to_be_visible()
        album.both(page, "32-pharmacy-release")
        page.get_by_role("button", name="证件").click()
        page.get_by_label("证件号码").fill(house.next_person())
        page.get_by_text("我看过证件原件").click()
        page.keyboard.press("F9")
        expect(page.get_by_test_id("wrong-person")).to_be_visible()
        album.both(page, "33-pharmacy-wrong-person")
        page.get_by_test_id("wrong-person").get_by_role("button").click()
        _go(page, "stock")
        album.both(page, "34-stock")


def _technician(house: House, album: Album, person: str) -> None:
    with _at(house.hospital.staff_origin) as at:
        page = at.sign_in("technician1")
        page.locator(".person").first.click()
        album.both(page, "40-examination-desk")
        page.get_by_role("button", name="刷脸").click()
        album.both(page, "41-examination-face")
        page.get_by_role("button", name="证件").click()
        page.get_by_label("证件号码").fill(person)
        page.get_by_text("我看过证件原件").click()
        page.get_by_role("button", name="登记到达").click()
        page.get_by_role("button", name="做好了").click()
        page.get_by_label("项目").fill("白细胞")
        page.get_by_label("结果").fill("12.1")
        page.get_by_label("单位").fill("10^9/L")
        page.get_by_label("上限").fill("9.5")
        page.get_by_label("结论").fill("白细胞升高")
        album.both(page, "42-examination-entering")
        page.get_by_role("button", name="保存报告").click()
        expect(page.get_by_role("button", name="签发报告")).to_be_visible()
        album.both(page, "43-examination-report")


def _ward(house: House, album: Album) -> None:
    person = house.next_person()
    with _at(house.hospital.staff_origin, TABLET) as at:
        page = at.sign_in("nurse1")
        page.get_by_role("button", name="01 床").click()
        page.get_by_label("证件号码").fill(person)
        page.get_by_text("我看过证件原件").click()
        page.get_by_text("自费，这次住院不用医保").click()
        album.both(page, "50-ward-admit")
        page.get_by_text("自费，这次住院不用医保").click()
        page.get_by_role("button", name="证件和刷脸").click()
        album.both(page, "50-ward-admit-by-face")
        page.get_by_role("button", name="凭证件").click()
        page.locator(".bedside .big-button").click()
        expect(page.get_by_role("button", name="01 床")).to_have_class(re.compile("taken"))
        house.ordered_in_bed("01")
        page.get_by_role("button", name="床旁结算").click()
        page.get_by_role("button", name="看谁付多少").click()
        expect(page.get_by_test_id("at-desk")).to_be_visible()
        album.both(page, "51-ward-settle")
        page.get_by_role("button", name="腕带", exact=True).click()
        album.both(page, "51-ward-wristband")
        page.get_by_role("button", name="转床").first.click()
        album.both(page, "51-ward-move")
        for name in ("checks", "dialysis"):
            _go(page, name)
            album.both(page, f"52-{name}")


def _house(house: House, album: Album) -> None:
    pages = "closing overrides terminals accounts doctors ward_results knobs".split()
    with _at(house.hospital.staff_origin) as at:
        page = at.open()
        at.hold_passkey(house.passkey)
        page.get_by_role("button", name="用通行密钥登录").click()
        expect(page.get_by_test_id("who")).to_be_visible()
        for name in pages:
            _go(page, name)
            album.both(page, f"60-{name}")
        _go(page, "terminals")
        page.get_by_role("button", name="新点位").click()
        album.both(page, "61-new-place")
        _go(page, "accounts")
        page.get_by_role("button", name="新账号").click()
        album.both(page, "62-new-account")


def _insurer(house: House, album: Album) -> None:
    house.at_insurer()
    with _at(house.settings.staff_origin) as at:
        page = at.open()
        at.hold_passkey(house.supervisor)
        page.get_by_role("button", name="用通行密钥登录").click()
        expect(page.locator("[data-page=terminals]")).to_be_visible()
        page.wait_for_load_state("networkidle")
        album.both(page, "70-supervisor-terminals")
        _go(page, "alerts")
        album.both(page, "71-supervisor-alerts")
        _go(page, "ward_results")
        album.both(page, "72-supervisor-ward-results")


def _desk(house: House, album: Album) -> None:
    person = house.next_person("310")
    encounter = house.registered(person)
    clerk = house.staff("clerk1")
    for at in at_desk(house, "收费窗口"):
        page = at.page
        album.both(page, "80-desk-waiting")
        bill = clerk.post(
            "/hospital/v1/cashier/payments",
            {"command_id": command(), "encounter_no": encounter},
        )
        terminals = house.staff("administrator").get("/terminals/enrolments")
        certificate = house.model_for_browsers()
        beside = next(each for each in terminals if each["certificate"] == certificate)
        clerk.post(
            "/hospital/v1/handovers",
            {
                "desk": "cashier",
                "terminal_id": beside["terminal_id"],
                "subject": bill["payment"],
            },
        )
        expect(page.get_by_test_id("desk-bill")).to_be_visible()
        album.both(page, "81-desk-bill")
        page.get_by_test_id("desk-scan").click()
        expect(page.get_by_test_id("notice-text")).to_be_visible()
        album.both(page, "82-desk-notice")
        page.get_by_test_id("tick-comparison").click()
        page.get_by_test_id("agree").click()
        page.wait_for_timeout(1_500)
        album.both(page, "83-desk-scan")
        at.said.clear()


if __name__ == "__main__":
    made = take(Path(sys.argv[1]))
    driver().stop()
    print(f"{made} pictures in {sys.argv[1]}")  # noqa: T201
