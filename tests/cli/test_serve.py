import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

HOSPITAL = "H99000000001"
SHUALIAN = Path(sys.executable).with_name("shualian")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SHUALIAN_DATA_DIR": str(tmp_path / "data"),
        "SHUALIAN_TERMINAL_ORIGIN": f"http://localhost:{_free_port()}",
        "SHUALIAN_STAFF_ORIGIN": f"http://localhost:{_free_port()}",
        "SHUALIAN_CHANNEL_ORIGIN": f"http://localhost:{_free_port()}",
        "SHUALIAN_REGISTRY_STAND_IN_PORT": "0",
        "SHUALIAN_EWALLET_STAND_IN_PORT": "0",
    }


@pytest.fixture
def with_hospital(environment: dict[str, str]) -> dict[str, str]:
    hospital = {
        "code": HOSPITAL,
        "name": "示例市第一医院",
        "terminal_origin": f"http://localhost:{_free_port()}",
        "staff_origin": f"http://localhost:{_free_port()}",
        "wallet_news_origin": f"http://127.0.0.1:{_free_port()}",
    }
    return environment | {"SHUALIAN_HOSPITALS": json.dumps([hospital])}


@pytest.fixture
def server(with_hospital: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [str(SHUALIAN), "serve"]
    with subprocess.Popen(command, env=with_hospital, stderr=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def _health(origin: str) -> dict[str, object]:
    # Waits for a state, not for a time: the connection is tried until somebody listens.
    transport = httpx.HTTPTransport(retries=12)
    with httpx.Client(transport=transport, timeout=30) as client:
        answer: dict[str, object] = client.get(f"{origin}/health").json()
        return answer


def test_both_listeners_run_and_end_when_they_are_told_to(
    server: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    terminal = _health(environment["SHUALIAN_TERMINAL_ORIGIN"].replace("localhost", "127.0.0.1"))
    staff = _health(environment["SHUALIAN_STAFF_ORIGIN"].replace("localhost", "127.0.0.1"))

    assert (terminal["listener"], staff["listener"]) == ("terminal", "staff")
    assert terminal["mode"] == "sandbox"
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=30)
    assert '"route": "/health"' in log
    assert "Traceback" not in log


def test_a_second_server_on_the_same_database_is_refused(
    server: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    _health(environment["SHUALIAN_TERMINAL_ORIGIN"].replace("localhost", "127.0.0.1"))

    second = subprocess.run(
        [SHUALIAN, "serve"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert server.poll() is None
    assert second.returncode == 3
    assert "core.database_in_use" in second.stderr


def test_the_first_supervisor_gets_a_code_and_the_command_is_closed_after_two(
    environment: dict[str, str],
) -> None:
    def bootstrap(login: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SHUALIAN, "bootstrap", "--login", login, "--name", "王监管"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    first, second, third = (bootstrap(login) for login in ("wang", "zhao", "qian"))

    assert first.returncode == second.returncode == 0
    assert len(first.stdout.strip()) > 20
    assert first.stdout != second.stdout
    assert third.returncode == 3
    assert "staff.bootstrap_closed" in third.stderr


def test_a_hospitals_first_administrator_gets_a_code_for_the_hospital_that_is_set(
    environment: dict[str, str], with_hospital: dict[str, str]
) -> None:
    command = [
        str(SHUALIAN),
        "bootstrap",
        "--hospital",
        HOSPITAL,
        "--login",
        "sun",
        "--name",
        "孙管理",
    ]

    def run(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert run(environment).returncode == 2
    made = run(with_hospital)
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.strip()) > 20


def test_a_served_hospital_has_listeners_of_its_own_for_staff_and_terminals(
    with_hospital: dict[str, str], server: subprocess.Popen[str]
) -> None:
    hospital = json.loads(with_hospital["SHUALIAN_HOSPITALS"])[0]
    terminals, staff = (
        hospital[name].replace("localhost", "127.0.0.1")
        for name in ("terminal_origin", "staff_origin")
    )

    assert _health(terminals)["listener"] == "terminal"
    assert _health(staff)["listener"] == "hospital-h99000000001"
    with httpx.Client(timeout=30) as client:
        paths = client.get(f"{staff}/openapi.json").json()["paths"]
    assert any(path.startswith("/hospital/staff") for path in paths)
    assert not any(path.startswith("/insurer/staff") for path in paths)


def test_a_supervisor_reaches_the_accounts_of_a_served_hospital(
    environment: dict[str, str], server: subprocess.Popen[str]
) -> None:
    origin = environment["SHUALIAN_STAFF_ORIGIN"].replace("localhost", "127.0.0.1")
    _health(origin)

    with httpx.Client(timeout=30) as client:
        paths = client.get(f"{origin}/openapi.json").json()["paths"]

    assert any(path.startswith("/insurer/staff") for path in paths)
    assert any(path.startswith(f"/hospitals/{HOSPITAL}/staff/accounts") for path in paths)


def test_a_served_hospital_hears_the_news_of_a_stand_in_wallet(
    with_hospital: dict[str, str], server: subprocess.Popen[str]
) -> None:
    news = _health(json.loads(with_hospital["SHUALIAN_HOSPITALS"])[0]["wallet_news_origin"])

    assert server.poll() is None
    assert news["listener"] == "wallet news"
    assert "e_wallet" in str(news["stand_ins"])
