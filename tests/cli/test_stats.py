"""`shualian stats`: numbers of a hospital's database, read beside a running server."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hospital.world import LI, START, ZHANG, World, sample_number
from shualian.cli.main import app
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import PersonNo
from shualian.core.money import Fen


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'hospital.sqlite'}"


@pytest.fixture
def city(url: str) -> Iterator[World]:
    """Eight people: six pay by face in a minute, two register only; the server keeps running."""
    database = SqliteDatabase(url)
    world = World(database)
    for serial in range(8):
        number = sample_number(100 + serial)
        person = replace(ZHANG, psn_no=PersonNo(f"99000000010{serial}"), certno=number)
        world.insurer.people[person.psn_no] = person
        world.insurer.balances[person.psn_no] = Fen(500_00)
        encounter = world.registered(person)
        if serial < 6:
            world.ordered(encounter)
            payment = world.prepared(encounter)
            face = world.confirmed(payment, person)
            world.wait(timedelta(seconds=60))
            world.payments.settle(command_id=payment.command_id, evidence=face)
    world.registered(LI)
    yield world
    database.close()


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["stats", "--database", url, *arguments])


@pytest.mark.usefixtures("city")
def test_the_numbers_of_a_day_are_printed_as_json(url: str) -> None:
    done = run(url, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    day = START.date().isoformat()
    assert found["uses"] == [{"day": day, "channel": "face", "count": 15}]
    assert found["by_face"] == {"part": 15, "whole": 15, "ratio": 1.0}
    assert found["seconds_first_frame_to_paid"] == {
        "face": {"count": 6, "median": 60.0, "p90": 60.0}
    }
    # Six of nine paid: the three who did not are too few to be told apart.
    assert found["insured_after"] == {"part": None, "whole": None, "ratio": None}
    assert found["insured_before"] is None
    assert ZHANG.psn_no not in done.output


@pytest.mark.usefixtures("city")
def test_a_date_cuts_the_time_in_two(url: str) -> None:
    later = (START + timedelta(days=1)).date().isoformat()
    found = json.loads(run(url, "--since", later, "--json").output)
    assert found["uses"] == []
    assert found["insured_after"]["whole"] == 0
    assert found["insured_before"]["whole"] is None


@pytest.mark.usefixtures("city")
def test_a_table_is_for_people_and_hides_what_json_hides(url: str) -> None:
    told = run(url).output
    assert "刷脸占比" in told
    assert "15 / 15" in told
    assert "<5" in told
    assert "60.0" in told
