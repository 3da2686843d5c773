"""Databases for every test, and how properties are tried: without a time limit, seed printed."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from shualian.core.database import Database, PostgresDatabase, SqliteDatabase
from shualian.sandbox.postgres_server import PostgresServer

# No test may fail because a machine is slow; a failing example prints how to repeat it.
settings.register_profile(
    "shualian",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("shualian")

_LOG_METHODS = ("msg", "log", "debug", "info", "warning", "error", "critical", "exception")


class _Keeper(logging.Handler):
    """Keeps what is logged by the standard library's loggers, formatted."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@pytest.fixture(scope="session", autouse=True)
def log_of_the_suite() -> Iterator[list[str]]:
    """Every line that any test logs in this process, for the test that runs last."""
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in _LOG_METHODS:
            patch.setattr(structlog.PrintLogger, name, _kept(name, lines))
        keeper = _Keeper(lines)
        logging.getLogger().addHandler(keeper)
        yield lines
        logging.getLogger().removeHandler(keeper)


def _kept(name: str, lines: list[str]) -> Callable[[structlog.PrintLogger, str], None]:
    original = getattr(structlog.PrintLogger, name)

    def keep(logger: structlog.PrintLogger, message: str) -> None:
        lines.append(message)
        original(logger, message)

    return keep


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The log of the suite is read when all else is done."""
    items.sort(key=lambda item: item.path.name == "test_log_of_the_suite.py")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer(durable=False)
    yield server
    server.stop()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    yield postgres_server.url
    postgres_server.empty()


@pytest.fixture(params=["sqlite", "postgres"])
def any_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[PostgresDatabase]:
    database = PostgresDatabase(postgres_url)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def any_database(request: pytest.FixtureRequest) -> Database:
    database: Database = request.getfixturevalue(f"{request.param}_database")
    return database
