import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shualian.core.clock import SystemClock
from shualian.core.settings import Settings
from shualian.sandbox import city
from shualian.sandbox.verification_demo import THREADS, VerificationDemo, search_files

PEOPLE = 60
REFUSED = """
verification.registry_no_match verification.proof_other_institution
verification.proof_other_intent verification.proof_amount_exceeded verification.proof_used_up
verification.not_live verification.session_closed verification.ticket_wrong
verification.frame_chain_broken terminals.signature_wrong verification.proof_expired
""".split()


@pytest.fixture(scope="module")
def played() -> dict[str, Any]:
    """The whole demo over real sockets, once, with a small city; standard output is the JSON."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from shualian.cli.main import run; run()"),
            *("demo", "verify", "--headless", "--json", "--people", str(PEOPLE)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def details(played: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["detail"] for step in played["steps"]}


def test_every_step_holds(played: dict[str, Any]) -> None:
    assert played["ok"]
    assert played["steps"][-1]["step"] == "nothing_in_the_clear"


def test_every_line_says_that_the_terminal_is_simulated(details: dict[str, str]) -> None:
    assert all(detail.startswith("【模拟终端】") for detail in details.values())


def test_synthetic_templates_and_simulated_attacks_are_called_so(details: dict[str, str]) -> None:
    assert "不是人脸" in details["settle_in"]
    attacks = [detail for step, detail in details.items() if "print" in step or "screen" in step]
    assert len(attacks) == 4
    assert all("模拟的攻击" in detail for detail in attacks)


def test_no_line_shows_a_name_or_an_id_number(details: dict[str, str]) -> None:
    told = "".join(details.values())
    for person in (city.PATIENT, *city.OTHERS):
        assert person.name not in told
        assert person.id_number not in told


def test_the_number_of_people_searched_and_the_error_bound_are_told(
    details: dict[str, str],
) -> None:
    assert "13 人里认出" in details["found_among_expected"]
    assert "误认上限 0.31%" in details["found_among_expected"]
    assert "too_many_people" in details["too_many_then_digits"]
    assert f"{PEOPLE} 人里后四位相同的有 4 人" in details["by_last_four_digits"]


@pytest.mark.parametrize("code", REFUSED)
def test_each_refusal_is_told_by_its_code(details: dict[str, str], code: str) -> None:
    assert code in "".join(details.values())


def test_one_of_many_threads_redeems_a_proof(details: dict[str, str]) -> None:
    told = details["one_of_many_threads_wins"]
    assert f"成 1 个，{THREADS - 1} 个被拒绝" in told


def test_the_receipt_lists_every_store_and_the_deadline_for_backups(
    details: dict[str, str],
) -> None:
    told = details["consent_withdrawn"]
    for store in ("人脸特征库：查到 1 条，删除 1 条", "内存检索库", "特征登记簿", "今日候诊名单"):
        assert store in told
    assert "备份最迟" in told
    assert "没有认出" in details["face_no_longer_found"]


def test_a_step_that_does_not_hold_ends_the_demo(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, weights_dir=tmp_path)
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"altered")

    steps = list(VerificationDemo(settings, clock=SystemClock(), seed=1, people=PEOPLE).play())

    assert [step.ok for step in steps] == [False]


def test_the_raw_search_finds_pictures_numbers_and_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    jpeg = cv2.imencode(".jpg", np.zeros((32, 32, 3), np.uint8))[1].tobytes()
    (tmp_path / "sub" / "picture.db").write_bytes(b"before" + jpeg)
    (tmp_path / "number.db").write_bytes(b"x" + city.PATIENT.id_number.encode() + b"y")
    (tmp_path / "name.db").write_bytes(city.PATIENT.name.encode())
    (tmp_path / "sealed.db").write_bytes(bytes(range(256)))

    found = search_files(tmp_path, [city.PATIENT.name.encode()])

    assert set(found.found_in) == {"picture.db", "number.db", "name.db"}
    assert found.files == 4
    assert found.size_bytes > len(jpeg) + 256
