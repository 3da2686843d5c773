"""How `shualian demo` tells a visit; that the visit itself holds is tests/sandbox/visit."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from shualian.cli.demo import FAILED_EXIT_CODE
from shualian.cli.main import app
from shualian.sandbox.visit import service
from shualian.sandbox.visit.story import Paid, VisitStep

PAID = Paid(total_fen=295_00, fund_fen=0, account_fen=120_00, wallet_fen=175_00, cash_fen=0)
SERVED = VisitStep("served", ok=True, detail="【模拟终端】 served", ms=900)
SETTLED = VisitStep(
    "one_scan_payment", ok=True, detail="【模拟终端】 paid", ms=4_000, paid=PAID, own=True
)
WRONG = VisitStep("audit_holds", ok=False, detail="【模拟终端】 cut", ms=10)


class Told:
    """A visit that has been played before."""

    def __init__(self, *steps: VisitStep) -> None:
        self.receipt = ["【模拟终端】 receipt"]
        self.addresses: Mapping[str, str] = {}
        self._steps = steps

    def play(self) -> Iterator[VisitStep]:
        yield from self._steps


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """The demo silences the log of its process; here that is the suite's."""
    before = structlog.get_config() if structlog.is_configured() else None
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def tells(monkeypatch: pytest.MonkeyPatch, *steps: VisitStep) -> list[Path]:
    folders: list[Path] = []

    @contextmanager
    def played(folder: Path, **_: object) -> Iterator[Told]:
        folders.append(folder)
        yield Told(*steps)

    monkeypatch.setattr(service, "whole_visit", played)
    return folders


def test_json_tells_every_step_with_who_paid_and_whose_time_it_was(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tells(monkeypatch, SERVED, SETTLED)

    done = runner.invoke(app, ["demo", "--headless", "--json", "--seed", "3"])

    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert (answer["ok"], answer["seed"]) == (True, 3)
    served, settled = answer["steps"]
    assert served["paid"] is None
    assert settled["paid"] == {
        "total_fen": 295_00,
        "fund_fen": 0,
        "account_fen": 120_00,
        "wallet_fen": 175_00,
        "cash_fen": 0,
    }
    assert {"step", "ok", "detail", "ms", "own", "paid"} == settled.keys()


def test_a_step_that_does_not_hold_ends_with_status_1(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tells(monkeypatch, SERVED, WRONG)

    done = runner.invoke(app, ["demo", "--json"])

    assert done.exit_code == FAILED_EXIT_CODE
    assert json.loads(done.stdout)["ok"] is False


def test_plain_lines_end_with_the_persons_time_before_machines(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    tells(monkeypatch, SERVED, SETTLED)

    done = runner.invoke(app, ["demo", "--headless"])

    assert done.exit_code == 0
    assert "✓ one_scan_payment (4000 ms)" in done.stdout
    assert "receipt" in done.stdout
    assert "患者本人在机器前一共 4.0 秒：不到一分钟" in done.stdout


def test_the_folder_is_kept_only_when_asked_for(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders = tells(monkeypatch, SERVED)
    kept = tmp_path / "kept"

    runner.invoke(app, ["demo", "--headless"])
    runner.invoke(app, ["demo", "--headless", "--keep", str(kept)])

    gone, found = folders
    assert not gone.exists()
    assert found == kept
    assert kept.is_dir()
