"""The real face engine, loaded once for these tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.police_registry.browser import CHROMIUM
from sandbox.police_registry.world import World
from shualian.face.engine import FaceEngine
from shualian.face.weights.source import WeightSource


@pytest.fixture(scope="session")
def engine() -> FaceEngine:
    return FaceEngine(WeightSource(None))


@pytest.fixture
def world(engine: FaceEngine, tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "registry", engine) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it aloud: a skipped page is an untried page."""
    if CHROMIUM is None:
        words = (
            "NOT TRIED: the page of the police registry's stand-in (no chromium on this machine)"
        )
        terminalreporter.write_line(words, red=True, bold=True)
