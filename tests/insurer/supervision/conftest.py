"""Supervision on both engines, and on SQLite alone."""

from pathlib import Path

import pytest

from insurer.supervision.house import House
from shualian.core.database import Database, SqliteDatabase


@pytest.fixture
def house(sqlite_database: SqliteDatabase, tmp_path: Path) -> House:
    return House(sqlite_database, tmp_path)


@pytest.fixture
def any_house(any_database: Database, tmp_path: Path) -> House:
    return House(any_database, tmp_path)
