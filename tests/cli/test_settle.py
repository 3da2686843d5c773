import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from shualian.cli.settle import bench, explain, schema
from shualian.core.refusals import Refused
from shualian.insurer.benefits.store import packaged_policies

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
OUTPATIENT = str(EXAMPLES / "outpatient-310.json")

app = typer.Typer()
app.command()(explain)
app.command()(schema)
app.command()(bench)


def shown(*arguments: str) -> str:
    runner = CliRunner()
    result = runner.invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "120"})
    assert result.exit_code == 0
    return result.stdout


def test_a_bill_is_explained_in_both_languages() -> None:
    said = shown("explain", OUTPATIENT)

    assert "起付线 500 元，今年已经累计 320 元，这次先由个人承担 180 元 · Deductible 500" in said
    assert "个人一共承担 · You bear in all" in said
    assert "398.73" in said
    assert "大病保险" not in said


def test_a_bill_is_explained_in_one_language() -> None:
    zh, en = (shown("explain", OUTPATIENT, "--lang", language) for language in ("zh", "en"))

    assert "Deductible" not in zh
    assert "起付线" in zh
    assert "起付线" not in en
    assert "Deductible 500 yuan" in en


def test_json_has_the_names_of_the_interface_and_the_identities_hold() -> None:
    found = json.loads(shown("explain", OUTPATIENT, "--json"))

    amounts = {name: round(float(text) * 100) for name, text in found["setlinfo"].items()}
    assert amounts["medfee_sumamt"] == (
        amounts["fund_pay_sumamt"] + amounts["psn_part_amt"] + amounts["hosp_part_amt"]
    )
    assert found["setldetail"][0]["fund_pay_type"] == "310100"
    assert found["policy"]["illustrative"] is True
    assert found["trace"][-1]["clause"] == "7.3"


def test_what_if_the_institution_had_another_level() -> None:
    said = shown("explain", OUTPATIENT, "--at-level", "3")
    found = json.loads(shown("explain", OUTPATIENT, "--at-level", "3", "--json"))

    bears = found["at_level"]["setlinfo"]["psn_part_amt"]
    assert f"如果在 3 级机构：个人承担 {bears} 元，多 26.75 元" in said
    assert found["at_level"]["institution_level"] == "3"


def test_an_operators_own_policies_are_asked_when_they_are_named(tmp_path: Path) -> None:
    text = (packaged_policies() / "990000-310.toml").read_text("utf-8")
    (tmp_path / "own.toml").write_text(text.replace("ratio = 0.70", "ratio = 0.75"), "utf-8")

    found = json.loads(shown("explain", OUTPATIENT, "--policies", str(tmp_path), "--json"))

    assert found["setlinfo"]["hifp_pay"] == "200.65"


def test_a_bill_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bill.json"
    file.write_text("[]", "utf-8")

    with pytest.raises(Refused) as refused:
        shown("explain", str(file))

    assert refused.value.kind.code == "insurer.bill_invalid"


def test_the_schema_is_json_schema() -> None:
    found = json.loads(shown("schema"))

    assert found["title"] == "Question"
    assert "ItemOfBill" in found["$defs"]


def test_the_benchmark_says_rates_and_what_they_are_to_be_compared_with() -> None:
    (found,) = json.loads(shown("bench", "--lines", "20", "--settlements", "100", "--json"))

    assert found["lines"] == 20
    assert found["settlements_per_s"] > 0
    assert found["ratio"] > 0
    assert found["of_target"] == pytest.approx(found["settlements_per_s"] / 10_000, abs=0.01)
