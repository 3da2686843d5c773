import json
from pathlib import Path

import pytest

from shualian.core.clock import SystemClock
from shualian.core.settings import Settings
from shualian.sandbox import city
from shualian.sandbox.first_visit import FirstVisit, Step

SEED = 7


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> tuple[FirstVisit, list[Step], Path]:
    folder = tmp_path_factory.mktemp("first-visit")
    visit = FirstVisit(Settings(data_dir=folder), clock=SystemClock(), seed=SEED)
    return visit, list(visit.play()), folder


def test_every_step_holds(visit: tuple[FirstVisit, list[Step], Path]) -> None:
    _, steps, _ = visit

    assert [step.detail for step in steps if not step.ok] == []
    assert [step.step for step in steps][-1] == "stranger_is_unknown"


def test_every_line_says_that_the_terminal_is_simulated(
    visit: tuple[FirstVisit, list[Step], Path],
) -> None:
    played, steps, _ = visit
    lines = [*(step.detail for step in steps), *played.receipt]

    assert len(played.receipt) > 10
    assert all(line.startswith("【模拟终端】") for line in lines)


def test_no_line_shows_a_whole_name_or_number(
    visit: tuple[FirstVisit, list[Step], Path],
) -> None:
    played, steps, _ = visit
    shown = json.dumps([step.detail for step in steps], ensure_ascii=False) + "".join(
        played.receipt
    )

    for person in (city.PATIENT, *city.OTHERS):
        assert person.name not in shown
        assert person.id_number not in shown


def test_the_databases_hold_no_plain_name_or_number(
    visit: tuple[FirstVisit, list[Step], Path],
) -> None:
    _, _, folder = visit
    stored = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())

    assert len(stored) > 100_000
    for person in (city.PATIENT, *city.OTHERS):
        assert person.name.encode() not in stored
        assert person.id_number.encode() not in stored


def test_the_receipt_shows_a_fund_an_account_and_cash_that_pay(
    visit: tuple[FirstVisit, list[Step], Path],
) -> None:
    played, _, _ = visit
    text = "\n".join(played.receipt)

    for payer in ("基本医疗保险统筹基金", "本人个人账户", "本人现金", "起付线"):
        assert payer in text


def test_a_step_that_does_not_hold_ends_the_visit(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, weights_dir=tmp_path)
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"altered")

    steps = list(FirstVisit(settings, clock=SystemClock(), seed=SEED).play())

    assert [step.ok for step in steps] == [False]
    assert "face.weights_altered" in steps[0].detail
