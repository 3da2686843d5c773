import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from shualian.cli.quality import quality_report
from shualian.core.refusals import Refused
from shualian.face.model import MANIFEST_INVALID
from shualian.sandbox.samples import sample_pictures

PICTURES = {"minister_a_1": "a", "minister_a_2": "a", "minister_b_1": "b"}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    samples = sample_pictures()
    lines = ["identity,file,ward"]
    for name, identity in PICTURES.items():
        (folder / name).write_bytes(samples[name].encoded)
        lines.append(f"{identity},{name},{'west' if identity == 'b' else 'east'}")
    path = folder / "people.csv"
    path.write_text("\n".join(lines))
    return path


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(quality_report)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def figures(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_report_says_what_was_noticed_and_that_it_is_simulated(manifest: Path) -> None:
    found = figures(manifest, "--defect", "sunglasses", "--seed", 3)

    strongest = found["defects"][-1]
    assert found["simulated"] is True
    assert found["seed"] == 3
    assert strongest["defect"] == "sunglasses"
    assert strongest["pictures"] == 3
    assert strongest["hinted"] == 1
    assert strongest["fnmr_accepted"] is None
    assert [group["pictures"] for group in found["false_alarms"]] == [3]
    assert found["false_alarms"][0]["hints"] == {"hold_still": 1}


def test_the_same_seed_gives_the_same_report(manifest: Path) -> None:
    first, second = (
        figures(manifest, "--defect", "glare", "--sample", 1, "--seed", 5) for _ in range(2)
    )

    assert first == second


def test_groups_are_counted_apart_and_sampled_alike(manifest: Path) -> None:
    found = figures(manifest, "--clean", "--group-by", "ward", "--sample", 1)

    assert {group["group"]: group["pictures"] for group in found["false_alarms"]} == {
        "east": 1,
        "west": 1,
    }
    assert found["defects"] == []


def test_a_table_names_the_defect_and_the_hint(manifest: Path) -> None:
    result = run(manifest, "--defect", "mask", "--where", "identity=b")

    assert result.exit_code == 0
    assert "mask" in result.stdout
    assert "simulated" in result.stdout


def test_a_manifest_without_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("identity,picture\na,b\n")

    result = run(path)

    assert isinstance(result.exception, Refused)
    assert result.exception.kind is MANIFEST_INVALID
