import pytest

from verification.captures.stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
