"""`shualian audit verify`: read-only, beside a running server, and loud when a chain is broken."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlalchemy import Connection, text
from typer.testing import CliRunner, Result

from shualian.cli.audit import BROKEN_EXIT_CODE, verify
from shualian.core.database import Database, SqliteDatabase, open_database
from shualian.core.database.identity import metadata as identity_tables
from shualian.core.database.identity import write_identity
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused
from trust.audit.world import World

app = typer.Typer()
app.command("verify")(verify)


@app.callback()
def audit() -> None:
    """With a second command the first keeps its name, as in `shualian audit verify`."""


@pytest.fixture
def url(any_url: str) -> str:
    return any_url


@pytest.fixture
def world(url: str, tmp_path: Path) -> Iterator[World]:
    """Ten linked records and a checkpoint; the server is still running."""
    database = open_database(url, side=Side.INSURER, mode=Mode.SANDBOX)
    yield World(database, tmp_path).filled(10, checkpoint_at=(4, 10))
    database.close()


def run(world: World, *arguments: str | Path, url: str | None = None) -> Result:
    given = [] if url is None else ["--database", url]
    return CliRunner().invoke(app, ["verify", *given, *map(str, arguments)])


def second_place(world: World) -> tuple[str | Path, ...]:
    return ("--checkpoints", world.folder, "--keys", world.folder.parent / "keys")


def answer(done: Result) -> dict[str, object]:
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def refusal_of(done: Result) -> str:
    assert isinstance(done.exception, Refused)
    return done.exception.kind.code


def test_a_whole_chain_ends_with_status_0_beside_a_running_server(world: World, url: str) -> None:
    done = run(world, *second_place(world), "--json", url=url)
    assert done.exit_code == 0, done.output
    found = answer(done)
    assert found.pop("last_hash")
    assert found == {
        "intact": True,
        "chain": "insurer",
        "records": 10,
        "unlinked": 0,
        "checkpoints": 2,
        "checked_until": 10,
        "first_broken": None,
        "breaks": [],
    }


def test_a_broken_chain_ends_with_status_1_and_names_the_first_broken_record(
    world: World, url: str
) -> None:
    world.alter_payload(7)
    world.alter_payload(9)
    done = run(world, *second_place(world), "--json", url=url)
    assert done.exit_code == BROKEN_EXIT_CODE
    expected = {"kind": "altered", "sequence": 7, "event_id": 7, "line": None}
    assert answer(done)["first_broken"] == expected
    shown = run(world, *second_place(world), url=url)
    assert shown.exit_code == BROKEN_EXIT_CODE
    assert "第 7 条：记录被改动。Record 7 was altered." in shown.stdout


def test_without_a_second_place_it_says_what_cannot_be_noticed(world: World, url: str) -> None:
    world.remove(9, 10)
    done = run(world, url=url)
    assert done.exit_code == 0
    assert "a cut tail or a chain made anew cannot be noticed" in done.stdout
    with_place = run(world, *second_place(world), url=url)
    assert with_place.exit_code == BROKEN_EXIT_CODE
    assert "Record 9 and all after it were cut off." in with_place.stdout


def test_a_forged_checkpoint_is_named_by_its_line(world: World, url: str) -> None:
    world.place.append("insurer", b"forged")
    done = run(world, *second_place(world), url=url)
    assert done.exit_code == BROKEN_EXIT_CODE
    assert "Line 3 of the checkpoints: a checkpoint is forged or damaged." in done.stdout


def test_a_database_whose_audit_was_taken_away_is_found(world: World, url: str) -> None:
    world.remove(*range(1, 11))
    world.tamper(lambda connection: connection.execute(text("DELETE FROM audit_chain")))
    done = run(world, *second_place(world), "--json", url=url)
    assert done.exit_code == BROKEN_EXIT_CODE
    assert answer(done)["breaks"] == [
        {"kind": "other_chain", "sequence": None, "event_id": None, "line": None}
    ]
    done = run(world, *second_place(world), "--json", "--chain", "insurer", url=url)
    assert answer(done)["first_broken"] == {
        "kind": "cut_tail",
        "sequence": 1,
        "event_id": None,
        "line": None,
    }


def test_a_database_without_an_audit_is_refused(url: str) -> None:
    open_database(url, side=Side.INSURER, mode=Mode.SANDBOX).close()
    drop_audit(url)
    done = CliRunner().invoke(app, ["verify", "--database", url])
    assert done.exit_code != 0
    assert refusal_of(done) == "trust.audit_unreadable"


def drop_audit(url: str) -> None:
    database = open_database(url, side=Side.INSURER, mode=Mode.SANDBOX)

    def drop(connection: Connection) -> None:
        for table in ("audit_event", "audit_link", "audit_chain"):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))

    database.change_schema(drop)
    database.close()


# SQLite files


@pytest.fixture
def sqlite_world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    database = open_database(sqlite_url, side=Side.INSURER, mode=Mode.SANDBOX)
    yield World(database, tmp_path).filled(10, checkpoint_at=(4, 10))
    database.close()


def test_a_stopped_server_s_file_is_verified_and_left_as_it_was(
    sqlite_world: World, sqlite_url: str, tmp_path: Path
) -> None:
    sqlite_world.database.close()
    before = (tmp_path / "test.db").read_bytes()
    done = run(sqlite_world, *second_place(sqlite_world), url=sqlite_url)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "test.db").read_bytes() == before


def test_text_that_is_none_ends_no_walk(sqlite_world: World, sqlite_url: str) -> None:
    sql = "UPDATE audit_event SET payload = CAST(X'ff' AS TEXT) WHERE event_id = 4"
    sqlite_world.tamper(lambda connection: connection.execute(text(sql)))
    done = run(sqlite_world, *second_place(sqlite_world), "--json", url=sqlite_url)
    assert done.exit_code == BROKEN_EXIT_CODE
    first = answer(done)["first_broken"]
    assert isinstance(first, dict)
    assert (first["kind"], first["sequence"]) == ("altered", 4)


def test_a_file_that_is_missing_damaged_or_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"not a database" * 500)
    (tmp_path / "empty.db").touch()
    for name in ("missing.db", "damaged.db", "empty.db"):
        done = CliRunner().invoke(app, ["verify", "--database", f"sqlite:///{tmp_path}/{name}"])
        assert refusal_of(done) == "trust.audit_unreadable"
    assert not (tmp_path / "missing.db").exists()
    for address in ("nonsense", "mysql://host/name"):
        done = CliRunner().invoke(app, ["verify", "--database", address])
        assert refusal_of(done) == "core.database_url_invalid"


def test_a_place_or_keys_that_are_not_there_are_refused(
    sqlite_world: World, sqlite_url: str, tmp_path: Path
) -> None:
    missing = ("--checkpoints", tmp_path / "missing")
    assert (
        refusal_of(run(sqlite_world, *missing, url=sqlite_url)) == "trust.audit_place_unavailable"
    )
    no_keys = ("--checkpoints", sqlite_world.folder, "--keys", tmp_path / "missing")
    assert refusal_of(run(sqlite_world, *no_keys, url=sqlite_url)) == "trust.key_missing"


def test_a_production_database_believes_no_checkpoint_of_sandbox_keys(tmp_path: Path) -> None:
    database: Database = SqliteDatabase(f"sqlite:///{tmp_path}/test.db")
    database.create_tables(identity_tables)
    database.write(lambda c: write_identity(c, side=Side.INSURER, mode=Mode.PRODUCTION))
    world = World(database, tmp_path).filled(2, checkpoint_at=(2,))
    done = run(world, *second_place(world), url=f"sqlite:///{tmp_path}/test.db")
    database.close()
    assert refusal_of(done) == "trust.key_mode_differs"


def test_by_default_the_insurer_s_database_keys_and_checkpoints_of_the_data_folder_are_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHUALIAN_DATA_DIR", str(tmp_path))
    url = f"sqlite:///{tmp_path}/insurer.sqlite"
    database = open_database(url, side=Side.INSURER, mode=Mode.SANDBOX)
    world = World(database, tmp_path).filled(3, checkpoint_at=(3,))
    world.folder.rename(tmp_path / "audit-checkpoints")
    (tmp_path / "keys").rename(tmp_path / "insurer-keys")
    found = answer(run(world, "--json"))
    database.close()
    assert (found["intact"], found["records"], found["checkpoints"]) == (True, 3, 1)
