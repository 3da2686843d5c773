"""Households on both engines, and on SQLite alone."""

import pytest

from insurer.family.household import Household
from shualian.core.database import Database, SqliteDatabase


@pytest.fixture
def any_household(any_database: Database) -> Household:
    return Household(any_database)


@pytest.fixture
def household(sqlite_database: SqliteDatabase) -> Household:
    return Household(sqlite_database)
