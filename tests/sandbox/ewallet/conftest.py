"""A stand-in of the e-wallet with a payer who authorised one-scan payment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.ewallet.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path / "wallet") as made:
        yield made
        assert made.wallet.check_books().coherent
