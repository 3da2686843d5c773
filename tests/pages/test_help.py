"""A bell at the kiosk that rings on the open page of a named member of staff, and nowhere else."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from pages.audit import audit
from pages.chromium import launched
from pages.house import GUIDE, House
from pages.kiosk import Kiosk, first_page, kiosk_in
from pages.world import PLACE
from shualian.sandbox.province.hospital import PASSPHRASE


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as opened:
        made = House(tmp_path_factory.mktemp("house"), opened)
        made.open_accounts()
        yield made


@pytest.fixture
def kiosk(house: House) -> Iterator[Kiosk]:
    with kiosk_in(house) as made:
        yield made.enrolled()


@pytest.fixture
def guide(house: House) -> Iterator[Page]:
    """Signed in, with the pages of staff open."""
    with launched(width=1600, height=1000) as context:
        page = first_page(context)
        page.goto(f"{house.staff_origin}/staff/")
        page.fill("#login", GUIDE)
        page.fill("#password", PASSPHRASE)
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("who")).to_be_visible()
        yield page


def _rung(kiosk: Kiosk) -> Kiosk:
    kiosk.touch("start").at("home")
    return kiosk.touch("help").at("help")


def test_a_named_person_hears_it_and_comes(kiosk: Kiosk, guide: Page) -> None:
    _rung(kiosk)
    expect(guide.get_by_test_id("ringing")).to_contain_text(PLACE)
    expect(kiosk.part("help-words")).to_contain_text("已经通知导医 李示例")
    expect(kiosk.part("help-words")).not_to_contain_text("马上过来")
    audit(kiosk.page)
    audit(guide, text_px=14, target_px=24)

    guide.get_by_test_id("coming").click()
    expect(kiosk.part("help-words")).to_contain_text("导医 李示例马上过来")
    audit(kiosk.page)
    guide.get_by_test_id("helped").click()
    expect(guide.get_by_test_id("ringing")).not_to_contain_text(PLACE)
    kiosk.touch("back").at("home")
    assert kiosk.errors == []


def test_who_goes_on_alone_is_looked_for_by_nobody(kiosk: Kiosk, guide: Page) -> None:
    _rung(kiosk)
    expect(guide.get_by_test_id("ringing")).to_contain_text(PLACE)
    kiosk.touch("back").at("home")

    expect(guide.get_by_test_id("ringing")).not_to_contain_text(PLACE)


def test_where_no_page_of_staff_is_open_the_screen_sends_people_to_the_desk(kiosk: Kiosk) -> None:
    _rung(kiosk)

    expect(kiosk.part("help-words")).to_contain_text("没有通知到工作人员")
    audit(kiosk.page)
