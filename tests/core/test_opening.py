"""Side and mode are fixed when a database is made; tables come up to this version at start."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from shualian.core.database import Database, SqliteDatabase, open_database
from shualian.core.database.opening import MIGRATIONS, connect_database, upgrade
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused


def identity(connection: Connection) -> tuple[str, str]:
    row = connection.execute(text("SELECT side, mode FROM database_identity")).one()
    return row.side, row.mode


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


@pytest.fixture
def raw_database(any_url: str) -> Iterator[Database]:
    with closing(connect_database(any_url)) as database:
        yield database


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("mode", Mode)
def test_an_empty_database_is_made_ready_and_opens_again(
    any_url: str, side: Side, mode: Mode
) -> None:
    for _ in range(2):
        with closing(open_database(any_url, side=side, mode=mode)) as database:
            assert database.read(identity) == (side, mode)
            assert database.read(tables) >= {"database_identity", "alembic_version"}


@pytest.mark.parametrize(
    ("side", "mode", "refusal"),
    [
        (Side.INSURER, Mode.SANDBOX, "database_mode_differs"),
        (Side.HOSPITAL, Mode.PRODUCTION, "database_side_differs"),
        (Side.HOSPITAL, Mode.SANDBOX, "database_side_differs"),
    ],
)
def test_a_database_of_another_side_or_mode_is_refused_and_not_held(
    any_url: str, side: Side, mode: Mode, refusal: str
) -> None:
    open_database(any_url, side=Side.INSURER, mode=Mode.PRODUCTION).close()
    with pytest.raises(Refused, match=refusal):
        open_database(any_url, side=side, mode=mode)
    with closing(open_database(any_url, side=Side.INSURER, mode=Mode.PRODUCTION)) as database:
        assert database.read(identity) == ("insurer", "production")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE database_identity SET mode = 'production'",
        "DELETE FROM database_identity",
        "INSERT INTO database_identity (id, side, mode) VALUES (2, 'insurer', 'production')",
        "INSERT INTO database_identity (id, side, mode) VALUES (1, 'insurer', 'production')",
    ],
)
def test_side_and_mode_cannot_be_changed(any_url: str, statement: str) -> None:
    with closing(open_database(any_url, side=Side.INSURER, mode=Mode.SANDBOX)) as database:
        with pytest.raises(DBAPIError):
            database.write(lambda c: c.exec_driver_sql(statement))
        assert database.read(identity) == ("insurer", "sandbox")


def test_a_database_with_other_content_is_refused_and_left_alone(
    raw_database: Database, any_url: str
) -> None:
    raw_database.change_schema(lambda c: c.exec_driver_sql("CREATE TABLE wallpaper (id INTEGER)"))
    raw_database.close()
    with pytest.raises(Refused, match="database_foreign"):
        open_database(any_url, side=Side.INSURER, mode=Mode.SANDBOX)
    with closing(connect_database(any_url)) as database:
        assert database.read(tables) == {"wallpaper"}


def test_a_database_that_lost_its_stamp_is_refused(raw_database: Database, any_url: str) -> None:
    raw_database.change_schema(lambda c: upgrade(c, MIGRATIONS / "insurer"))
    raw_database.close()
    with pytest.raises(Refused, match="database_foreign"):
        open_database(any_url, side=Side.INSURER, mode=Mode.SANDBOX)


def test_a_database_of_a_newer_version_is_refused(any_url: str) -> None:
    with closing(open_database(any_url, side=Side.INSURER, mode=Mode.SANDBOX)) as database:
        database.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num='9999'"))
    with pytest.raises(Refused, match="database_newer") as refused:
        open_database(any_url, side=Side.INSURER, mode=Mode.SANDBOX)
    assert refused.value.details == {"revision": "9999"}


@pytest.mark.parametrize("url", ["nonsense", "mysql://user:secret@host/name", "postgresql://h/d"])
def test_other_engines_are_refused_without_a_word_of_the_password(url: str) -> None:
    with pytest.raises(Refused, match="database_url_invalid") as refused:
        open_database(url, side=Side.INSURER, mode=Mode.SANDBOX)
    assert "secret" not in str(refused.value)


def test_several_processes_that_start_at_once_make_a_database_once(postgres_url: str) -> None:
    def start(_: int) -> tuple[str, str]:
        with closing(open_database(postgres_url, side=Side.INSURER, mode=Mode.SANDBOX)) as database:
            return database.read(identity)

    with ThreadPoolExecutor(4) as starters:
        assert list(starters.map(start, range(4))) == [("insurer", "sandbox")] * 4


_FIRST = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "a", None

def upgrade():
    op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(10)))
    op.create_table("child", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("parent_id", sa.Integer, sa.ForeignKey("parent.id", ondelete="CASCADE"),
            nullable=False))
"""
_REBUILDING = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "b", "a"

def upgrade():
    with op.batch_alter_table("parent") as parent:
        parent.alter_column("name", nullable=False, existing_type=sa.String(10))
"""
_FAILING = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "c", "b"

def upgrade():
    op.create_table("half", sa.Column("id", sa.Integer, primary_key=True))
    raise LookupError("in the middle")
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A script folder in a place whose name needs care."""
    folder = tmp_path / "100 % scripts"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text((MIGRATIONS / "insurer" / "env.py").read_text())
    (folder / "versions" / "a.py").write_text(_FIRST)
    return folder


def test_rebuilding_a_table_keeps_the_rows_that_point_at_it(
    raw_database: Database, scripts: Path
) -> None:
    """SQLite rebuilds by dropping the table, which would cascade if keys were enforced."""
    raw_database.change_schema(lambda c: upgrade(c, scripts))
    raw_database.write(lambda c: c.exec_driver_sql("INSERT INTO parent VALUES (1, 'p')"))
    raw_database.write(lambda c: c.exec_driver_sql("INSERT INTO child VALUES (5, 1)"))
    (scripts / "versions" / "b.py").write_text(_REBUILDING)
    raw_database.change_schema(lambda c: upgrade(c, scripts))
    assert raw_database.read(lambda c: c.exec_driver_sql("SELECT id FROM child").all()) == [(5,)]
    with pytest.raises(DBAPIError):
        raw_database.write(lambda c: c.exec_driver_sql("INSERT INTO parent VALUES (2, NULL)"))


def test_a_failing_revision_leaves_the_database_as_it_was(
    raw_database: Database, scripts: Path
) -> None:
    raw_database.change_schema(lambda c: upgrade(c, scripts))
    (scripts / "versions" / "b.py").write_text(_REBUILDING)
    (scripts / "versions" / "c.py").write_text(_FAILING)
    with pytest.raises(LookupError, match="in the middle"):
        raw_database.change_schema(lambda c: upgrade(c, scripts))
    assert raw_database.read(tables) == {"parent", "child", "alembic_version"}
    version = raw_database.read(
        lambda c: c.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    )
    assert version == "a"


def test_a_file_held_by_another_server_is_refused_before_anything_is_looked_at(
    sqlite_database: SqliteDatabase, sqlite_url: str
) -> None:
    with pytest.raises(Refused, match="database_in_use"):
        open_database(sqlite_url, side=Side.INSURER, mode=Mode.SANDBOX)
    assert sqlite_database.read(tables) == set()
