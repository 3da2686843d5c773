import json
from pathlib import Path

from typer.testing import CliRunner

from shualian.cli.main import app

TINY = ("bench", "settlement", "--clients", "1", "--seconds", "0.1", "--people", "20")


def test_settlements_and_payments_are_told_with_the_lowest_of_all_engines_first(
    tmp_path: Path,
) -> None:
    told = CliRunner().invoke(app, [*TINY, "--db", f"sqlite:///{tmp_path}/b.db", "--json"])

    found = json.loads(told.stdout)
    settlements, payments = found["engines"]
    assert settlements["engine"] == payments["engine"] == "sqlite"
    assert payments["wallet"] == "direct"
    assert found["ratio_to_raw_limit"] == settlements["ratio_to_raw_limit"] > 0
    assert found["payments_per_s"] == payments["payments_per_s"] > 0


def test_the_table_names_the_targets_and_payments_may_be_left_out(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/b.db"

    told = CliRunner().invoke(app, [*TINY, "--db", url, "--wallet", "none"])

    assert told.exit_code == 0
    assert "ratio_to_raw_limit" in told.stdout
    assert "0.6" in told.stdout
    assert "payments_per_s" not in told.stdout


def test_a_wallet_that_there_is_not_is_refused() -> None:
    assert CliRunner().invoke(app, [*TINY, "--wallet", "gold"]).exit_code == 2
