"""`shualian privacy`: assessments of what is configured, and whose data was touched."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shualian.cli.main import app
from shualian.core.database import open_database
from shualian.core.identifiers import PersonNo
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused
from shualian.insurer.accesses import store as access_store
from shualian.insurer.accesses.model import AccessLogShown, Viewer
from shualian.insurer.assessment import store as assessment_store
from shualian.trust.audit.service import record

AT = datetime(2026, 12, 1, 0, 30, tzinfo=UTC)


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "var"
    folder.mkdir()
    monkeypatch.setenv("SHUALIAN_DATA_DIR", str(folder))
    monkeypatch.setenv("SHUALIAN_TEMPLATE_MONTHS", "17")
    return folder


@pytest.fixture
def lived_in(data_dir: Path) -> Path:
    """A database in which two people's logs were looked at."""
    url = f"sqlite:///{data_dir / 'insurer.sqlite'}"
    database = open_database(url, side=Side.INSURER, mode=Mode.SANDBOX)
    for metadata in (assessment_store.metadata, access_store.metadata):
        database.create_tables(metadata)
    for number in ("P0001", "P0002"):
        event = AccessLogShown(subject=PersonNo(number), viewer=Viewer.STAFF)
        database.write(partial(record, payload=event, at=AT))
    database.close()
    return data_dir


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["privacy", *arguments])


def test_an_assessment_is_printed_kept_listed_and_not_deleted(lived_in: Path) -> None:
    made = json.loads(run("assessment", "--json").output)
    assert "17 个月" in made["document"]
    assert made["facts"]["configuration"]["mode"] == "sandbox"

    (listed,) = json.loads(run("assessments", "--json").output)
    assert listed["digest"] == made["digest"]
    assert run("assessments", "--show", made["assessment_id"]).output == made["document"] + "\n"
    told = run("assessments").output
    assert made["assessment_id"] in told
    assert made["digest"] in told
    early = run("assessments", "--forget", made["assessment_id"])
    assert isinstance(early.exception, Refused)
    assert early.exception.kind.code == "insurer.assessment_kept"


def test_the_markdown_is_what_is_printed(lived_in: Path) -> None:
    printed = run("assessment").output
    assert printed.startswith("# 人脸信息个人信息保护影响评估")
    assert "演练环境" in printed


def test_the_people_of_a_span_are_listed_by_number(lived_in: Path) -> None:
    span = ("--from", "2026-12-01T08:30:00", "--to", "2026-12-01T08:31:00")

    listed = json.loads(run("affected", *span, "--json").output)
    earlier = run("affected", "--from", "2026-12-01T08:00:00", "--to", span[1], "--json")

    assert listed["count"] == 2
    assert [each["psn_no"] for each in listed["people"]] == ["P0001", "P0002"]
    assert listed["people"][0]["kinds"] == ["insurer.access_log_shown"]
    assert json.loads(earlier.output)["people"] == []
    assert "2 people" in run("affected", *span).output


def test_the_list_is_read_beside_a_running_server(lived_in: Path) -> None:
    url = f"sqlite:///{lived_in / 'insurer.sqlite'}"
    running = open_database(url, side=Side.INSURER, mode=Mode.SANDBOX)
    try:
        told = run("affected", "--from", "2026-12-01", "--to", "2026-12-02", "--json")
    finally:
        running.close()
    assert json.loads(told.output)["count"] == 2
