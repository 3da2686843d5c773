import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from shualian.cli.main import REFUSED_EXIT_CODE, run

HOSPITAL = "H99000000001"
SHUALIAN = Path(sys.executable).with_name("shualian")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _new_environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "SHUALIAN_DATA_DIR": str(tmp_path / "data"),
        "SHUALIAN_TERMINAL_ORIGIN": f"http://localhost:{_free_port()}",
        "SHUALIAN_STAFF_ORIGIN": f"http://localhost:{_free_port()}",
        "SHUALIAN_CHANNEL_ORIGIN": f"http://localhost:{_free_port()}",
        "SHUALIAN_REGISTRY_STAND_IN_PORT": "0",
        "SHUALIAN_EWALLET_STAND_IN_PORT": "0",
    }


def _with_hospital(environment: dict[str, str]) -> dict[str, str]:
    hospital = {
        "code": HOSPITAL,
        "name": "示例市第一医院",
        "terminal_origin": f"http://localhost:{_free_port()}",
        "staff_origin": f"http://localhost:{_free_port()}",
        "wallet_news_origin": f"http://127.0.0.1:{_free_port()}",
    }
    return environment | {"SHUALIAN_HOSPITALS": json.dumps([hospital])}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return _new_environment(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of the running server."""
    return _with_hospital(_new_environment(tmp_path_factory.mktemp("served")))


@pytest.fixture(scope="module")
def server(served: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [str(SHUALIAN), "serve"]
    with subprocess.Popen(command, env=served, stderr=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def _health(origin: str) -> dict[str, object]:
    # Waits for a state, not for a time: the connection is tried until somebody listens.
    transport = httpx.HTTPTransport(retries=12)
    with httpx.Client(transport=transport, timeout=30) as client:
        answer: dict[str, object] = client.get(f"{origin}/health").json()
        return answer


def test_a_second_server_on_the_same_database_is_refused(
    server: subprocess.Popen[str], served: dict[str, str]
) -> None:
    _health(served["SHUALIAN_TERMINAL_ORIGIN"].replace("localhost", "127.0.0.1"))

    second = subprocess.run(
        [SHUALIAN, "serve"],
        env=served,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert server.poll() is None
    assert second.returncode == 3
    assert "core.database_in_use" in second.stderr


@pytest.fixture
def bootstrap(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `shualian bootstrap` in this process: status, what it printed, what it complained of."""

    def command(settings: dict[str, str], *arguments: str) -> tuple[int, str, str]:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["shualian", "bootstrap", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        shown = capsys.readouterr()
        code = ended.value.code
        return int(code or 0), shown.out, shown.err

    return command


def test_the_first_supervisor_gets_a_code_and_the_command_is_closed_after_two(
    environment: dict[str, str], bootstrap: Callable[..., tuple[int, str, str]]
) -> None:
    (first, code, _), (second, other, _), (third, _, complaint) = (
        bootstrap(environment, "--login", login, "--name", "王监管")
        for login in ("wang", "zhao", "qian")
    )

    assert first == second == 0
    assert len(code.strip()) > 20
    assert code != other
    assert third == REFUSED_EXIT_CODE
    assert "staff.bootstrap_closed" in complaint


def test_a_hospitals_first_administrator_gets_a_code_for_the_hospital_that_is_set(
    environment: dict[str, str], bootstrap: Callable[..., tuple[int, str, str]]
) -> None:
    who = ("--hospital", HOSPITAL, "--login", "sun", "--name", "孙管理")

    assert bootstrap(environment, *who)[0] == 2
    made, code, complaint = bootstrap(_with_hospital(environment), *who)
    assert made == 0, complaint
    assert len(code.strip()) > 20


def test_a_served_hospital_has_listeners_of_its_own_for_staff_and_terminals(
    served: dict[str, str], server: subprocess.Popen[str]
) -> None:
    hospital = json.loads(served["SHUALIAN_HOSPITALS"])[0]
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
    served: dict[str, str], server: subprocess.Popen[str]
) -> None:
    origin = served["SHUALIAN_STAFF_ORIGIN"].replace("localhost", "127.0.0.1")
    _health(origin)

    with httpx.Client(timeout=30) as client:
        paths = client.get(f"{origin}/openapi.json").json()["paths"]

    assert any(path.startswith("/insurer/staff") for path in paths)
    assert any(path.startswith(f"/hospitals/{HOSPITAL}/staff/accounts") for path in paths)


def test_a_served_hospital_hears_the_news_of_a_stand_in_wallet(
    served: dict[str, str], server: subprocess.Popen[str]
) -> None:
    news = _health(json.loads(served["SHUALIAN_HOSPITALS"])[0]["wallet_news_origin"])

    assert server.poll() is None
    assert news["listener"] == "wallet news"
    assert "e_wallet" in str(news["stand_ins"])


def test_both_listeners_run_and_end_when_they_are_told_to(tmp_path: Path) -> None:
    environment = _new_environment(tmp_path)
    command = [str(SHUALIAN), "serve"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        terminal, staff = (
            _health(environment[name].replace("localhost", "127.0.0.1"))
            for name in ("SHUALIAN_TERMINAL_ORIGIN", "SHUALIAN_STAFF_ORIGIN")
        )
        running.send_signal(signal.SIGTERM)
        _, log = running.communicate(timeout=60)

    assert (terminal["listener"], staff["listener"]) == ("terminal", "staff")
    assert terminal["mode"] == "sandbox"
    assert running.returncode == 0
    assert '"route": "/health"' in log
    assert "Traceback" not in log
