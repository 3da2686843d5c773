from collections.abc import Iterator
from pathlib import Path

import pytest

from web.insurer import Listeners


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[Listeners]:
    made = Listeners(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def lasting_listeners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    """For tests that only try to break in: nothing that they do may change anything."""
    made = Listeners(tmp_path_factory.mktemp("listeners"))
    yield made
    made.close()
