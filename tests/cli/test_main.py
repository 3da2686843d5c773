import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shualian.cli.main import REFUSED_EXIT_CODE
from shualian.sandbox.samples import sample_pictures


def _run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("shualian")
    return subprocess.run(
        [command, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def _answer(*arguments: str | Path) -> dict[str, object]:
    done = _run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name, sample in sample_pictures().items():
        (folder / name).write_bytes(sample.encoded)
    return folder


def test_settings_are_printed_with_meaning_and_origin() -> None:
    done = _run("settings", "--json", SHUALIAN_VERIFICATION_FMR="0.0005")
    lines = {line["name"]: line for line in json.loads(done.stdout)}

    assert lines["verification_fmr"]["value"] == "0.0005"
    assert lines["verification_fmr"]["origin"] == "environment SHUALIAN_VERIFICATION_FMR"
    assert lines["identification_fmr"]["origin"] == "default"
    assert all(line["meaning"] for line in lines.values())


def test_a_loosened_setting_is_refused_with_its_name_and_a_status_of_its_own() -> None:
    done = _run("settings", "--json", SHUALIAN_VERIFICATION_FMR="0.5")

    assert done.returncode == REFUSED_EXIT_CODE
    refused = json.loads(done.stdout)["refused"]
    assert refused["code"] == "core.settings_invalid"
    assert refused["details"]["setting"] == "verification_fmr"


def test_weights_prints_the_checked_table() -> None:
    done = _run("face", "weights", "--json")
    rows = json.loads(done.stdout)

    assert {row["role"] for row in rows} >= {"detection", "embedding"}
    assert all(row["sha256"] and row["licence"] and row["origin"] for row in rows)


def test_missing_weights_are_refused_in_two_languages(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"another file")

    done = _run("face", "inspect", pictures / "minister_a_1", SHUALIAN_WEIGHTS_DIR=str(tmp_path))

    assert done.returncode == REFUSED_EXIT_CODE
    assert "人脸模型文件和登记的不一致" in done.stderr
    assert "face.weights_altered" in done.stderr
    assert "Traceback" not in done.stderr


def test_inspect_says_what_is_in_a_picture(pictures: Path) -> None:
    answer = _answer("face", "inspect", pictures / "minister_a_1")

    assert {"box", "pose", "hint", "quality", "measures", "passive_liveness"} <= answer.keys()


def test_verify_matches_one_person_and_not_two(pictures: Path) -> None:
    same = _answer("face", "verify", pictures / "minister_a_1", pictures / "minister_a_2")
    other = _answer("face", "verify", pictures / "minister_a_1", pictures / "astronaut_1")

    assert same["match"] is True
    assert other["match"] is False
    assert same["proven_for_population"] is False
    assert float(str(same["fmr_upper95"])) <= 1e-3


def test_verify_refuses_an_error_rate_that_is_not_proven(pictures: Path) -> None:
    done = _run(
        "face",
        "verify",
        pictures / "minister_a_1",
        pictures / "minister_a_2",
        "--fmr",
        "1e-6",
        "--json",
    )

    assert done.returncode == REFUSED_EXIT_CODE
    assert json.loads(done.stdout)["refused"]["code"] == "face.error_rate_not_proven"


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("no picture")

    done = _run("face", "inspect", tmp_path / "letter.jpg")

    assert done.returncode == REFUSED_EXIT_CODE
    assert "face.picture_unreadable" in done.stderr


def test_bench_prints_times_and_their_share_of_the_limits() -> None:
    answer = _answer("face", "bench")

    assert {"hint_ms", "decision_ms", "first_call_ms", "tenth_call_ms"} <= answer.keys()
    assert answer["hint_share_of_30_ms"] == pytest.approx(float(str(answer["hint_ms"])) / 30, abs=1)


def test_a_wrong_use_is_told_with_status_2() -> None:
    assert _run("face", "verify", "one-picture-only").returncode == 2
