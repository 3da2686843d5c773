"""What the demos print and log, as somebody sees it who runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shualian.sandbox import city

PEOPLE = (city.PATIENT, *city.OTHERS)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from shualian.cli.main import run; run()", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def terminal_demo() -> subprocess.CompletedProcess[str]:
    return _run("demo", "terminal", "--headless", "--json")


def test_the_terminal_demo_ends_well_and_says_so_in_json(
    terminal_demo: subprocess.CompletedProcess[str],
) -> None:
    answer = json.loads(terminal_demo.stdout)

    assert terminal_demo.returncode == 0
    assert answer["ok"] is True
    assert all({"step", "ok", "detail", "ms"} == step.keys() for step in answer["steps"])


def test_every_log_line_of_the_listener_is_json_without_values(
    terminal_demo: subprocess.CompletedProcess[str],
) -> None:
    lines = [line for line in terminal_demo.stderr.splitlines() if line.startswith("{")]

    assert len(lines) >= 20
    assert {tuple(sorted(json.loads(line))) for line in lines} == {
        ("event", "level", "listener", "method", "ms", "request_id", "route", "status", "timestamp")
    }


def test_the_terminal_demo_prints_and_logs_no_name_and_no_number(
    terminal_demo: subprocess.CompletedProcess[str],
) -> None:
    shown = terminal_demo.stdout + terminal_demo.stderr

    for person in PEOPLE:
        assert person.name not in shown
        assert person.id_number not in shown


def test_the_agent_needs_an_enrolment_before_it_has_a_fingerprint(tmp_path: Path) -> None:
    done = _run("terminal", "fingerprint", "--folder", str(tmp_path / "agent"))

    assert done.returncode == 3
    assert "terminals.agent_not_enrolled" in done.stderr


def test_the_agent_tells_that_nobody_listens(tmp_path: Path) -> None:
    done = _run(
        "terminal",
        "enrol",
        *("--folder", str(tmp_path / "agent"), "--listener", "http://localhost:9"),
        *("--certificate", "YB-III-0001", "--software", "1.0", "--code", "7K2M-9QXV-0H4T-C6PA"),
        "--sandbox",
    )

    assert done.returncode == 3
    assert "terminals.insurer_unreachable" in done.stderr
    assert "7K2M" not in done.stdout + done.stderr


def test_the_audit_can_be_verified_from_the_command_line() -> None:
    assert "verify" in _run("audit", "--help").stdout
