import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from shualian.cli.policy import check
from shualian.core.refusals import Refused
from shualian.insurer.benefits.store import packaged_policies

TEXT = (packaged_policies() / "990100-390.toml").read_text("utf-8")

app = typer.Typer()
app.command()(check)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "policy.toml"
    written.write_text(TEXT, "utf-8")
    return written


def test_a_sound_policy_is_shown_with_a_worked_example(file: Path) -> None:
    result = CliRunner().invoke(app, [str(file)], catch_exceptions=False, env={"COLUMNS": "140"})

    assert result.exit_code == 0
    assert "示例，不是任何地区的真实规定" in result.stdout
    assert "19 种情况" in result.stdout
    assert "11/resident/1" in result.stdout
    assert "自己还要付 1850 元。Left for you to pay: 1850 yuan." in result.stdout


def test_the_example_as_json_has_a_bill_for_every_kind_of_visit(file: Path) -> None:
    result = CliRunner().invoke(app, [str(file), "--json"], catch_exceptions=False)

    found = json.loads(result.stdout)
    assert (found["sound"], found["cases"], found["region"]) == (True, 19, "990100")
    kinds = [(each["case"]["med_type"], each["case"]["disease"]) for each in found["examples"]]
    assert kinds == [
        ("11", ""),
        ("13", ""),
        ("14", "chronic"),
        ("14", "special"),
        ("21", ""),
        ("24", ""),
        ("41", ""),
    ]
    outpatient = found["examples"][0]["setlinfo"]
    assert (outpatient["hifp_pay"], outpatient["psn_part_amt"]) == ("150.00", "1850.00")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("ratio = 0.50", "ratio = 0.75", "a dearer bill would cost the person less"),
        ("ratio = 0.65", "ratio = 1.65", "less than or equal to 10000"),
        ("above_yuan = 200", "above_yuan = 250", "a gap between"),
        ("above_yuan = 200", "above_yuan = 150", "overlap"),
        ("amount_yuan = 150000", "amount_yuan = 100", "unreachable"),
    ],
)
def test_a_policy_that_is_not_sound_is_refused(file: Path, old: str, new: str, found: str) -> None:
    file.write_text(TEXT.replace(old, new, 1), "utf-8")

    with pytest.raises(Refused) as refused:
        CliRunner().invoke(app, [str(file)], catch_exceptions=False)

    assert refused.value.kind.code == "insurer.policy_invalid"
    assert found in str(refused.value.details["found"])


def test_a_file_that_is_not_text_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(Refused) as refused:
        CliRunner().invoke(app, [str(file)], catch_exceptions=False)

    assert refused.value.details["found"] == "not UTF-8"
