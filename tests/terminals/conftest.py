import pytest

from shualian.core.database import Database, SqliteDatabase
from terminals.district import District


@pytest.fixture
def district(sqlite_database: SqliteDatabase) -> District:
    made = District(sqlite_database)
    made.register_models()
    return made


@pytest.fixture
def any_district(any_database: Database) -> District:
    made = District(any_database)
    made.register_models()
    return made
