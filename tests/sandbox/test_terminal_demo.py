import json
from pathlib import Path

import pytest

from shualian.core.clock import SystemClock
from shualian.core.settings import Settings
from shualian.sandbox.steps import Step
from shualian.sandbox.terminal_bench import measure
from shualian.sandbox.terminal_demo import TerminalDemo
from shualian.trust.signatures import Algorithm

REFUSED = """
signed_before_start terminal_pending creator_is_approver fingerprint_differs nonce_replayed
body_altered signature_wrong key_unknown signature_malformed signature_stale signature_future
network_not_allowed scene_not_allowed place_disagrees key_retired software_outdated
terminal_suspended terminal_revoked model_withdrawn
""".split()


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("terminal-demo"))
    return list(TerminalDemo(settings, clock=SystemClock()).play())


def test_every_step_holds(steps: list[Step]) -> None:
    assert [step.detail for step in steps if not step.ok] == []
    assert steps[-1].step == "cut_tail_found"


def test_every_line_says_that_the_terminal_is_simulated(steps: list[Step]) -> None:
    assert all(step.detail.startswith("【模拟终端】") for step in steps)


@pytest.mark.parametrize("code", REFUSED)
def test_each_refusal_is_told_by_its_code(steps: list[Step], code: str) -> None:
    assert f"terminals.{code}" in json.dumps([step.detail for step in steps])


def test_both_algorithms_are_believed(steps: list[Step]) -> None:
    told = " ".join(step.detail for step in steps)

    assert "SM2 签名的请求通过" in told
    assert "P-256 签名的请求通过" in told


def test_a_step_that_does_not_hold_ends_the_demo(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, weights_dir=tmp_path)
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"altered")

    steps = list(TerminalDemo(settings, clock=SystemClock()).play())

    assert [step.ok for step in steps] == [False]


def test_the_benchmark_gives_every_rate_beside_its_bound(tmp_path: Path) -> None:
    rates = list(measure(Settings(data_dir=tmp_path), clock=SystemClock(), requests=10))

    assert {one.algorithm for one in rates} == set(Algorithm)
    for one in rates:
        assert min(one.signed_per_s, one.door_per_s, one.http_per_s) > 0
        assert one.http_share == pytest.approx(one.http_per_s / one.unsigned_http_per_s, abs=0.01)
