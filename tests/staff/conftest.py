"""A hospital's staff on each engine."""

from pathlib import Path

import pytest

from shualian.core.database import Database, SqliteDatabase
from staff.house import House, Ward


@pytest.fixture
def house(any_database: Database, tmp_path: Path) -> House:
    """Nobody has an account yet."""
    return House(any_database, tmp_path / "keys")


@pytest.fixture
def ward(any_database: Database, tmp_path: Path) -> Ward:
    """One administrator, one doctor."""
    return Ward(any_database, tmp_path / "keys")


@pytest.fixture
def quick_ward(sqlite_database: SqliteDatabase, tmp_path: Path) -> Ward:
    """The same where the engine makes no difference."""
    return Ward(sqlite_database, tmp_path / "keys")
