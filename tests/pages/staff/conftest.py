"""One server for the session; a browser for each test."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pages.staff.house import TABLET, Browser, DeskTerminal, House, at_desk, browser


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The hospital, its insurer and its stand-ins, served by a process of their own."""
    with ExitStack() as opened:
        yield House(tmp_path_factory.mktemp("house"), opened)


@pytest.fixture
def desk(house: House) -> Iterator[Browser]:
    """A browser at the hospital's staff pages."""
    yield from browser(house.hospital.staff_origin)


@pytest.fixture
def colleague(house: House) -> Iterator[Browser]:
    """Another browser at the same hospital's staff pages."""
    yield from browser(house.hospital.staff_origin)


@pytest.fixture
def tablet(house: House) -> Iterator[Browser]:
    """The same on a tablet, upright."""
    yield from browser(house.hospital.staff_origin, TABLET)


@pytest.fixture
def kiosk_page(house: House) -> Iterator[Browser]:
    """A browser that is to be a terminal."""
    yield from browser(house.hospital.terminal_origin, path="kiosk")


@pytest.fixture
def cashier_terminal(house: House) -> Iterator[DeskTerminal]:
    """The terminal at a cashier's window."""
    yield from at_desk(house, "收费窗口")


@pytest.fixture
def next_terminal(house: House) -> Iterator[DeskTerminal]:
    """The terminal at the window beside."""
    yield from at_desk(house, "收费窗口")


@pytest.fixture
def pharmacy_terminal(house: House) -> Iterator[DeskTerminal]:
    """The terminal where medicine is handed out."""
    yield from at_desk(house, "药房窗口")


@pytest.fixture
def examination_terminal(house: House) -> Iterator[DeskTerminal]:
    """The terminal where people arrive for what was ordered."""
    yield from at_desk(house, "检查登记台")


@pytest.fixture
def bedside_terminal(house: House) -> Iterator[DeskTerminal]:
    """The device that a nurse takes to a bed."""
    yield from at_desk(house, "病区平板")


@pytest.fixture
def insurer(house: House) -> Iterator[Browser]:
    """A browser at the insurer's staff pages."""
    yield from browser(house.settings.staff_origin)
