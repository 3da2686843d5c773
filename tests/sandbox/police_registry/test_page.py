"""The page in a real Chromium: put a photo in, be told what is wrong, delete, in two languages."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from sandbox.police_registry.browser import CHROMIUM, Page, browser
from sandbox.police_registry.world import NAME, NUMBER
from shualian.face.engine import FaceEngine
from shualian.sandbox.police_registry.server import RunningRegistry, running_registry
from shualian.sandbox.samples import SamplePicture

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium: the stand-in's page was NOT tried (install chromium)"
)


@pytest.fixture
def running(engine: FaceEngine, tmp_path: Path) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path / "state", engine=engine) as made:
        yield made


@pytest.fixture
def page(running: RunningRegistry, tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "profile") as opened:
        opened.open(f"{running.origin}/")
        opened.until("document.body.dataset.ready === 'yes'")
        yield opened


def text(page: Page, selector: str) -> str:
    return str(page.run(f"document.querySelector('{selector}').textContent"))


def complaints(page: Page) -> list[str]:
    """What the browser refused or stumbled over; answers of 409 are the page's own matter."""
    found = []
    for event in page.events:
        if event["method"] == "Runtime.exceptionThrown":
            found.append(str(event["params"]["exceptionDetails"]["text"]))
        if event["method"] == "Log.entryAdded" and "409" not in event["params"]["entry"]["text"]:
            found.append(str(event["params"]["entry"]["text"]))
    return found


def test_a_photo_is_put_in_after_the_page_told_what_was_wrong_with_the_first(
    page: Page,
    running: RunningRegistry,
    samples: Mapping[str, SamplePicture],
    tmp_path: Path,
) -> None:
    good, dark = tmp_path / "good.jpg", tmp_path / "dark.jpg"
    good.write_bytes(samples["minister_a_2"].encoded)
    picture = samples["minister_a_2"].picture()
    cv2.imwrite(str(dark), np.asarray(picture * 0.1, np.uint8))
    page.run(
        f"document.querySelector('#number').value = '{NUMBER}';"
        f"document.querySelector('#name').value = '{NAME}'"
    )

    page.choose_file("#file", dark)
    page.until("document.querySelector('#seen').classList.contains('bad')")
    assert "光线太暗" in text(page, "#seen")
    page.run("document.querySelector('#put').requestSubmit()")
    page.until("document.querySelector('#result').classList.contains('bad')")
    assert "光线太暗" in text(page, "#result")
    assert running.registry.people() == []

    page.choose_file("#file", good)
    page.until("document.querySelector('#seen').classList.contains('good')")
    page.run("document.querySelector('#put').requestSubmit()")
    page.until("document.querySelectorAll('#people li').length === 1")
    assert [one.usable for one in running.registry.people()] == [True]
    shown = text(page, "#people")
    assert "张*例" in shown
    assert "还剩 24 小时" in shown
    assert NUMBER not in text(page, "body")

    page.run("document.querySelector('#people button').click()")
    page.until("document.querySelectorAll('#people li').length === 0")
    assert running.registry.people() == []
    assert complaints(page) == []


def test_the_camera_gives_hints_while_it_runs(page: Page) -> None:
    page.run("document.querySelector('#camera').click()")
    page.until("document.querySelector('#seen').classList.contains('bad')")
    assert "没有看到脸" in text(page, "#seen")
    page.run("document.querySelector('#shoot').click()")
    page.until("document.querySelector('#video').hidden")
    assert page.run("document.querySelector('#video').srcObject === null")
    assert complaints(page) == []


def test_it_is_marked_as_a_stand_in_in_two_languages(page: Page) -> None:
    assert "演练用替身" in text(page, "header")
    page.run("document.querySelector('#language').click()")
    assert "Stand-in for exercises" in text(page, "header")
    assert page.run("document.documentElement.lang") == "en"
    visible = page.run("document.body.innerText.replace('中文', '')")
    assert [letter for letter in visible if "\u4e00" <= letter <= "\u9fff"] == []
    untranslated = page.run(
        "[...document.querySelectorAll('[data-words]')]"
        ".filter(e => !e.textContent || e.textContent === 'undefined').length"
    )
    assert untranslated == 0


def test_everything_that_it_asks_for_is_its_own(page: Page, running: RunningRegistry) -> None:
    asked = [
        event["params"]["request"]["url"]
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert len(asked) >= 6
    own = (running.origin, "data:,")
    assert [address for address in asked if not address.startswith(own)] == []


@pytest.mark.parametrize("width", [1280, 500])
def test_nothing_is_cut_off_and_everything_can_be_pressed(
    running: RunningRegistry, tmp_path: Path, width: int
) -> None:
    running.registry.put_person(NUMBER, "欧阳示例示例示例")
    with browser(tmp_path / "narrow", width=width) as page:
        for language in ("zh", "en"):
            page.open(f"{running.origin}/?lang={language}")
            page.until("document.body.dataset.ready === 'yes'")
            assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
            small = page.run(
                "[...document.querySelectorAll('button, select, input:not([type=checkbox])')]"
                ".map(e => e.getBoundingClientRect()).filter(r => r.height)"
                ".filter(r => r.height < 44 || r.width < 44).length"
            )
            assert small == 0
            tiny = page.run(
                "[...document.querySelectorAll('main *, footer *')].filter(e => e.innerText &&"
                " parseFloat(getComputedStyle(e).fontSize) < 18).length"
            )
            assert tiny == 0
