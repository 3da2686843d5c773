"""Vouchers on both engines, and on SQLite alone."""

from pathlib import Path

import pytest

from insurer.vouchers.wallet import Wallet
from shualian.core.database import Database


@pytest.fixture
def wallet(sqlite_database: Database, tmp_path: Path) -> Wallet:
    return Wallet(sqlite_database, tmp_path)


@pytest.fixture
def any_wallet(any_database: Database, tmp_path: Path) -> Wallet:
    return Wallet(any_database, tmp_path)
