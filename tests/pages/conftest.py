"""Browser tests: skipped, and said so aloud, where Chromium or the built pages are missing."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pages.chromium import CHROMIUM, driver
from pages.world import World
from shualian.web.served_pages import load_pages, packaged_pages

_WHY_NOT = (
    "Chromium is not installed (apt-get install chromium fonts-noto-cjk)"
    if CHROMIUM is None
    else ""
    if load_pages(packaged_pages() / "kiosk")
    else "the pages were not built (make pages)"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if _WHY_NOT and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=_WHY_NOT))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _WHY_NOT:
        terminalreporter.write_sep("!", f"BROWSER TESTS DID NOT RUN: {_WHY_NOT}", red=True)


@pytest.fixture(scope="session", autouse=True)
def _driver_stopped() -> Iterator[None]:
    yield
    if driver.cache_info().currsize:
        driver().stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One insurer for a module; each test has a browser and a terminal of its own."""
    with ExitStack() as opened:
        yield World(tmp_path_factory.mktemp("world"), opened)
