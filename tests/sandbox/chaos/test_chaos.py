"""Short runs of the simulation, and that its checks notice what they are for."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from typer.testing import CliRunner

from shualian.cli.main import app
from shualian.core.clock import SettableClock
from shualian.core.database.opening import connect_database
from shualian.core.identifiers import CommandId, new_identifier
from shualian.core.mode import Side
from shualian.core.money import Fen
from shualian.hospital.wallet.model import CaptureCommand, HoldCommand
from shualian.sandbox.chaos.checks import check
from shualian.sandbox.chaos.parts import HOSPITAL
from shualian.sandbox.chaos.run import Run
from shualian.sandbox.chaos.service import outcomes
from shualian.sandbox.chaos.stage import Place, Stage, stage
from shualian.sandbox.ewallet.server import open_wallet

ACTS = 12
SEED = 21


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("chaos")) as whole:
        yield whole


@pytest.fixture(scope="module")
def ended(set_up: Stage) -> Run:
    """A run, at rest; what it left is copied beside, because the next run begins afresh."""
    run = Run(set_up, SEED, acts=ACTS)
    assert run.go()
    shutil.copytree(run.place.folder, set_up.folder / "left")
    return run


def test_a_short_run_on_postgresql_is_one_story(tmp_path: Path, postgres_url: str) -> None:
    for outcome in outcomes(tmp_path, first_seed=3, runs=1, acts=ACTS, server=postgres_url):
        assert outcome.incoherent == [], (outcome.seed, outcome.log)


def test_a_seed_happens_again_as_it_happened(set_up: Stage, ended: Run) -> None:
    again = Run(set_up, SEED, acts=ACTS)
    assert again.go()
    assert again.course.log == ended.course.log


def test_short_runs_on_files_are_one_story_and_end_with_a_summary(tmp_path: Path) -> None:
    arguments = ["chaos", "settlement", "--seed", "5", "--runs", "2", "--acts", str(ACTS)]
    result = CliRunner().invoke(app, [*arguments, "--keep", str(tmp_path / "kept")])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].startswith("2 runs, all coherent")
    assert (tmp_path / "kept" / "run").is_dir()


class TestWhatTheChecksNotice:
    """Each alters what a coherent run left; an altered book is never passed over."""

    @pytest.fixture
    def place(self, set_up: Stage, ended: Run, tmp_path: Path) -> Place:
        self.run, self.stage = ended, set_up
        folder = shutil.copytree(set_up.folder / "left", tmp_path / "left")
        return Place(folder, {side: f"sqlite:///{folder / side.value}.db" for side in Side})

    def broken(self, place: Place) -> str:
        found = check(place, self.run.now, self.stage.people, self.run.encounters)
        return "; ".join(found.broken)

    def altered(self, place: Place, side: Side, statement: str) -> None:
        database = connect_database(place.urls[side])
        try:
            changed = database.write(
                lambda connection: connection.execute(text(statement)).rowcount
            )
        finally:
            database.close()
        assert changed, statement

    def test_nothing_in_what_was_not_altered(self, place: Place) -> None:
        assert self.broken(place) == ""

    def test_a_settlement_that_the_hospital_does_not_know(self, place: Place) -> None:
        self.altered(
            place,
            Side.HOSPITAL,
            "UPDATE payment SET state = 'refused' WHERE state = 'settled'",
        )
        found = self.broken(place)
        assert "bills: " in found
        assert "three books: cancelled_at_hospital_only" in found
        assert "batches: " in found

    def test_a_personal_account_that_is_not_what_was_posted(self, place: Place) -> None:
        self.altered(
            place, Side.INSURER, "UPDATE personal_account SET balance_fen = balance_fen + 1"
        )
        assert "insurer's books" in self.broken(place)

    def test_a_counter_that_is_not_its_replay(self, place: Place) -> None:
        self.altered(place, Side.INSURER, "UPDATE year_counter SET amount_fen = amount_fen + 1")
        assert "accumulators" in self.broken(place)

    def test_money_that_the_wallet_took_on_its_own(self, place: Place) -> None:
        clock = SettableClock(self.run.now)
        payer = self.stage.people[0].payer
        hold = HoldCommand(
            CommandId(new_identifier()), payer, Fen(100), clock.now().replace(hour=23)
        )
        with open_wallet(place.folder / "wallet", clock=clock, origin="http://x") as wallet:
            wallet.carry_out(HOSPITAL, hold)
            wallet.carry_out(
                HOSPITAL,
                CaptureCommand(CommandId(new_identifier()), hold.command_id, Fen(100)),
            )
        assert "three books: paid_not_settled: 100 for 0 fen" in self.broken(place)

    def test_a_slip_that_outlived_closing_time(self, place: Place) -> None:
        self.altered(
            place,
            Side.HOSPITAL,
            "UPDATE payment SET state = 'reserved' WHERE state = 'settled'",
        )
        assert "a slip outlived closing time" in self.broken(place)

    def test_an_audit_that_lacks_a_decision(self, place: Place) -> None:
        database = connect_database(place.urls[Side.HOSPITAL])
        try:
            database.write(cut_audit)
        finally:
            database.close()
        assert "audits: " in self.broken(place)


def cut_audit(connection: Connection) -> None:
    connection.execute(text("DROP TRIGGER audit_event_no_delete"))
    connection.execute(text("DELETE FROM audit_event WHERE kind = 'hospital.payment'"))
