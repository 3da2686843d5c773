from pathlib import Path

import pytest

from shualian.core.database import Database, PostgresDatabase, SqliteDatabase
from trust.audit.world import World


@pytest.fixture
def world(sqlite_database: SqliteDatabase, tmp_path: Path) -> World:
    return World(sqlite_database, tmp_path)


@pytest.fixture
def postgres_world(postgres_database: PostgresDatabase, tmp_path: Path) -> World:
    return World(postgres_database, tmp_path)


@pytest.fixture
def any_world(any_database: Database, tmp_path: Path) -> World:
    """A world on each engine."""
    return World(any_database, tmp_path)
