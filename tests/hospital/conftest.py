from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hospital.world import World
from shualian.core.database import Database, SqliteDatabase


@pytest.fixture
def world(sqlite_database: SqliteDatabase) -> World:
    return World(sqlite_database)


@pytest.fixture
def any_world(any_database: Database) -> World:
    """A world on each engine."""
    return World(any_database)


@pytest.fixture(scope="session")
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], World]]:
    """Makes fresh worlds for the examples of a property; one is open at a time."""
    opened = ExitStack()

    def make() -> World:
        opened.close()
        folder: Path = tmp_path_factory.mktemp("world")
        database = SqliteDatabase(f"sqlite:///{folder / 'hospital.db'}")
        opened.callback(database.close)
        return World(database)

    yield make
    opened.close()
