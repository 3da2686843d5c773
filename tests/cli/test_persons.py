"""`shualian persons import`: a list is taken in whole, or every wrong line is said."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from insurer.office import id_number
from shualian.cli.persons import WRONG_EXIT_CODE, import_list

HEADING = "certno,psn_name,insutype,psn_type,insuplc_admdvs,psn_insu_stas,note"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("SHUALIAN_DATA_DIR", str(tmp_path / "var"))
    made = typer.Typer()
    made.command()(import_list)
    return made


def list_of(folder: Path, *lines: str) -> str:
    file = folder / "list.csv"
    file.write_text("\n".join((HEADING, *lines)), encoding="gb18030")
    return str(file)


def line(serial: int, status: str = "1") -> str:
    return f"{id_number(serial).value},测试甲,310,1101,990000,{status},"


def test_a_list_is_taken_in_and_its_repeat_changes_nothing(
    app: typer.Typer, tmp_path: Path
) -> None:
    file = list_of(tmp_path, line(1), line(2))
    first = CliRunner().invoke(app, [file, "--json"])
    again = CliRunner().invoke(app, [file, "--json"])
    assert first.exit_code == again.exit_code == 0
    assert json.loads(first.output)["added"] == 2
    assert json.loads(again.output)["unchanged"] == 2
    assert "2 unchanged" in CliRunner().invoke(app, [file]).output


def test_wrong_lines_are_said_without_their_content(app: typer.Typer, tmp_path: Path) -> None:
    file = list_of(tmp_path, line(1), line(2, status="7"))
    told = CliRunner().invoke(app, [file])
    assert told.exit_code == WRONG_EXIT_CODE
    assert "psn_insu_stas" in told.output
    assert "Nothing was written" in told.output
    assert id_number(2).value not in told.output
    report = json.loads(CliRunner().invoke(app, [file, "--json"]).output)
    assert report["accepted"] is False
    assert report["wrong"][0]["line"] == 3
