import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from shualian.face.evaluation.attack_detection import Presentation, measure_attack_detection
from shualian.face.evaluation.identification import Identification
from shualian.face.evaluation.manifest import Condition
from shualian.face.evaluation.recognition import (
    DetPoint,
    GroupRates,
    OperatingPoint,
    Recognition,
)
from shualian.face.evaluation.report import (
    as_json,
    as_markdown,
    draw_det,
    limit_key,
    save_report,
)
from shualian.face.evaluation.service import (
    AttackEvaluation,
    Evaluation,
    PeopleEvaluation,
    Question,
)
from shualian.face.evaluation.statistics import Estimate, Proportion

NAN = float("nan")


@pytest.fixture
def evaluation() -> Evaluation:
    recognition = Recognition(
        genuine_pairs=200,
        impostor_pairs=5000,
        eer=Estimate(0.021, 0.01, 0.04),
        operating_points=(
            OperatingPoint(1e-2, Estimate(0.3, 0.28, 0.33), Estimate(0.03, 0.02, 0.05), 50, 6),
            OperatingPoint(1e-3, Estimate(0.4, 0.37, 0.45), Estimate(0.06, 0.03, 0.09), 5, 12),
            OperatingPoint(1e-4, Estimate(0.5, NAN, NAN), Estimate(0.08, NAN, NAN), 0, 16),
        ),
        det=tuple(
            DetPoint(fmr, Estimate(fnmr, fnmr / 2, fnmr * 2))
            for fmr, fnmr in ((2e-4, 0.08), (1e-3, 0.06), (1e-2, 0.03), (0.1, 0.0), (0.5, 0.0))
        ),
        replicates=100,
    )
    estimate = Estimate(0.05, 0.0, 0.1)
    groups = {"east": GroupRates(9, 3, Proportion(0, 9), Proportion(1, 27))}
    people = PeopleEvaluation(
        question=Question(conditions=(Condition("cooperative", "1"),), group_by=("ward",), seed=3),
        manifest_sha256="ab" * 32,
        manifest_rows=120,
        images=100,
        identities=40,
        failures={"face.no_face": 2},
        genuine_pairs_lost=8,
        recognition=recognition,
        identification=Identification(20, 20, 30.0, 50.0, 0.01, estimate, estimate),
        groups={"ward": groups},
    )
    shown = [Presentation("print|paper", 0.9), Presentation("mask", None), Presentation(None, 0.8)]
    attacks = AttackEvaluation(
        "cd" * 32, {"pose": 4}, measure_attack_detection(shown, threshold=0.5)
    )
    return Evaluation("path", people, attacks)


def test_limits_are_named_as_powers_of_ten() -> None:
    assert [limit_key(limit) for limit in (1e-2, 1e-3, 1e-4, 5e-2)] == [
        "1e-2",
        "1e-3",
        "1e-4",
        "5e-2",
    ]


def test_the_json_holds_fractions_and_no_number_that_json_lacks(evaluation: Evaluation) -> None:
    found = json.loads(json.dumps(as_json(evaluation), allow_nan=False))
    assert (found["images"], found["identities"]) == (100, 40)
    assert (found["genuine_pairs"], found["impostor_pairs"]) == (200, 5000)
    assert found["failure_to_acquire"] == 0.02
    assert (found["eer"], found["eer_interval"]) == (0.021, {"low": 0.01, "high": 0.04})
    assert found["fnmr_at_fmr"] == {
        "1e-2": {"value": 0.03, "low": 0.02, "high": 0.05},
        "1e-3": {"value": 0.06, "low": 0.03, "high": 0.09},
        "1e-4": {"value": 0.08, "low": None, "high": None},
    }
    assert found["frr_at_fmr"]["1e-3"] == (12 + 8) / 208
    assert found["manifest"]["where"] == [{"column": "cooperative", "value": "1"}]
    assert found["groups"]["columns"]["ward"]["east"]["fmr"]["trials"] == 27
    assert found["identification"]["fnir_at_fpir"]["1e-2"]["value"] == 0.05
    assert found["intervals"]["seed"] == 3


def test_the_json_states_each_attack_type_and_the_worst(evaluation: Evaluation) -> None:
    pad = json.loads(json.dumps(as_json(evaluation)["pad"], allow_nan=False))
    assert pad["apcer_max"] == 1.0
    assert pad["attack_types"]["mask"]["apcer"] == {
        "value": None,
        "upper95": 1.0,
        "errors": 0,
        "trials": 0,
    }
    assert pad["bpcer"]["value"] == 0.0
    assert pad["left_out"] == {"pose": 4}


def test_what_was_not_asked_is_null(evaluation: Evaluation) -> None:
    people = replace(evaluation.people, identification=None, groups={})
    found = as_json(Evaluation("path", people))
    assert found["pad"] is None
    assert found["identification"] is None


def test_the_page_shows_percent_and_keeps_its_tables_whole(evaluation: Evaluation) -> None:
    page = as_markdown(evaluation)
    assert "| 1e-3 | 6.00 (3.00 to 9.00) | 9.62 | 0.4000 (0.3700 to 0.4500) | 5 |" in page
    assert "| 1e-4 | 8.00 (- to -) |" in page
    assert "cooperative=1: 100 pictures of 40 identities" in page
    assert "| print/paper | 1 | 100.00 (100.00) | 0.00 |" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {5, 6, 8}


def test_a_page_without_identification_and_attacks_says_so(evaluation: Evaluation) -> None:
    page = as_markdown(Evaluation("path", replace(evaluation.people, identification=None)))
    assert "Too few pictures." in page
    assert "30107" not in page


def test_a_report_is_three_files(evaluation: Evaluation, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    save_report(evaluation, folder)
    assert sorted(file.name for file in folder.iterdir()) == [
        "det.png",
        "evaluation.json",
        "evaluation.md",
    ]
    assert json.loads((folder / "evaluation.json").read_text("utf-8")) == as_json(evaluation)
    assert (folder / "evaluation.md").read_text("utf-8") == as_markdown(evaluation)


def test_the_plot_is_a_picture_even_where_a_rate_is_zero_or_unknown(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    measured = evaluation.people.recognition
    unknown = [replace(point, fnmr=Estimate(0.0, NAN, NAN)) for point in measured.det]
    found = replace(measured, det=tuple(unknown), eer=Estimate(0.0, NAN, NAN))
    draw_det(found, tmp_path / "det.png")
    head = (tmp_path / "det.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", head[16:])
    assert width > 500
    assert height > 500
