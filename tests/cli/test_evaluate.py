"""The command from end to end, with real picture files and a test double for the engine."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from shualian.cli import evaluate as command
from shualian.core.refusals import Refused
from shualian.face.model import (
    MANIFEST_INVALID,
    NO_FACE,
    Box,
    DetectedFace,
    Hint,
    Measurement,
    Picture,
    Pose,
    Quality,
)

PEOPLE = 6
SIDE = 64


class TileEngine:
    """Mean brightness of 8 x 8 tiles is the vector, blue is life, a black picture has no face."""

    path_id = "tiles"

    def measure(self, picture: Picture) -> Measurement:
        if not picture.any():
            raise Refused(NO_FACE)
        grey = picture[:, :, 1].astype(np.float32)
        tiles = grey.reshape(8, SIDE // 8, 8, SIDE // 8).mean(axis=(1, 3)).ravel() - 128
        return Measurement(
            face=DetectedFace(Box(0, 0, SIDE, SIDE), np.zeros((5, 2), np.float32), 1.0),
            quality=Quality({}, Hint.HOLD_STILL, 100),
            pose=Pose(0, 0),
            passive_liveness=float(picture[:, :, 0].mean()) / 255,
            embedding=tiles / np.linalg.norm(tiles),
            path_id=self.path_id,
        )


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_load_measurer", TileEngine)


def save(path: Path, tiles: np.ndarray, *, life: int = 200) -> None:
    picture = np.kron(tiles, np.ones((8, 8)))[:, :, None].repeat(3, axis=2)
    picture[:, :, 0] = life
    assert cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(11)
    lines = ["identity,file,ward"]
    for person in range(PEOPLE):
        centre = generator.integers(40, 216, size=(8, 8))
        for picture in range(3):
            name = f"person{person}-{picture}.png"
            save(tmp_path / name, centre + generator.integers(-20, 21, size=(8, 8)))
            lines.append(f"person{person},{name},{person % 2}")
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    lines.append("person0,black.png,0")
    (tmp_path / "people.csv").write_text("\n".join(lines))
    tiles = np.full((8, 8), 100.0)
    save(tmp_path / "live.png", tiles, life=220)
    save(tmp_path / "print.png", tiles, life=150)
    save(tmp_path / "screen.png", tiles, life=20)
    (tmp_path / "pad.csv").write_text(
        "file,kind,what\nlive.png,live,\nprint.png,attack,print\nscreen.png,attack,screen\n"
        "black.png,attack,screen\nperson0-0.png,pose,turned\n"
    )
    return tmp_path


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(command.evaluate)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def figures(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json", "--replicates", 40)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_json_holds_the_promised_keys_as_fractions(folder: Path) -> None:
    found = figures(folder / "people.csv")
    assert found["images"] == 19
    assert found["identities"] == PEOPLE
    assert found["genuine_pairs"] == PEOPLE * 3
    assert found["impostor_pairs"] == 18 * 17 // 2 - PEOPLE * 3
    assert found["failure_to_acquire"] == pytest.approx(1 / 19)
    assert found["eer"] == 0.0
    assert list(found["fnmr_at_fmr"]) == ["1e-2", "1e-3", "1e-4"]
    for rate in found["fnmr_at_fmr"].values():
        assert rate == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["path_id"] == "tiles"
    assert found["pad"] is None


def test_the_result_alone_is_on_standard_output(folder: Path) -> None:
    result = run(folder / "people.csv", "--replicates", 3)
    assert result.stdout.startswith("# Evaluation of the face engine")
    assert "pictures" in result.stderr
    assert "intervals" in result.stderr


def test_conditions_and_groups_choose_what_is_counted(folder: Path) -> None:
    found = figures(folder / "people.csv", "--where", "ward=1", "--group-by", "ward")
    assert found["images"] == 9
    assert found["manifest"]["chosen"] == 9
    assert found["manifest"]["rows"] == 19
    both = figures(folder / "people.csv", "--group-by", "ward")["groups"]["columns"]
    assert sorted(both["ward"]) == ["0", "1"]


def test_presentation_attacks_are_scored_at_the_threshold_asked_for(folder: Path) -> None:
    loose = figures(folder / "people.csv", "--pad", folder / "pad.csv")["pad"]
    assert loose["apcer_max"] == 1.0
    assert loose["left_out"] == {"pose": 1}
    strict = figures(folder / "people.csv", "--pad", folder / "pad.csv", "--pad-threshold", "0.7")[
        "pad"
    ]
    assert strict["apcer_max"] == 0.0


def test_a_report_is_written_where_asked(folder: Path) -> None:
    result = run(folder / "people.csv", "--report", folder / "out", "--replicates", 5)
    assert result.exit_code == 0
    assert {file.name for file in (folder / "out").iterdir()} == {
        "det.png",
        "evaluation.json",
        "evaluation.md",
    }
    assert (folder / "out" / "evaluation.md").read_text("utf-8").strip() == result.stdout.strip()


def test_the_same_seed_prints_the_same_figures(folder: Path) -> None:
    arguments = (folder / "people.csv", "--seed", 5)
    assert figures(*arguments) == figures(*arguments)


def test_a_wrong_manifest_is_refused_before_the_engine_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        raise AssertionError("loaded for nothing")

    monkeypatch.setattr(command, "_load_measurer", load)
    (folder / "wrong.csv").write_text("identity,file\nperson0,person0-9.png\n")
    (folder / "poses.csv").write_text("file,kind\nlive.png,pose\n")
    for arguments in (
        (folder / "wrong.csv",),
        (folder / "people.csv", "--where", "floor=1"),
        (folder / "people.csv", "--where", "identity=person1"),
        (folder / "people.csv", "--group-by", "floor"),
        (folder / "people.csv", "--pad", folder / "people.csv"),
        (folder / "people.csv", "--pad", folder / "poses.csv"),
    ):
        result = run(*arguments, "--report", folder / "out")
        assert isinstance(result.exception, Refused)
        assert result.exception.kind is MANIFEST_INVALID
        assert "person" not in str(result.exception)
        assert not (folder / "out").exists()


def test_a_condition_without_a_value_is_a_usage_error(folder: Path) -> None:
    for text in ("ward", "=1"):
        result = run(folder / "people.csv", "--where", text)
        assert result.exit_code == 2
        assert "column=value" in result.output


def test_a_report_folder_that_cannot_be_made_is_a_usage_error(folder: Path) -> None:
    result = run(folder / "people.csv", "--report", folder / "people.csv" / "out")
    assert result.exit_code == 2
    assert "--report" in result.output
