"""The insurer's services on both engines, and on SQLite alone."""

from pathlib import Path

import pytest

from insurer.office import Office
from shualian.core.database import Database


@pytest.fixture
def office(sqlite_database: Database, tmp_path: Path) -> Office:
    return Office(sqlite_database, tmp_path)


@pytest.fixture
def any_office(any_database: Database, tmp_path: Path) -> Office:
    return Office(any_database, tmp_path)
