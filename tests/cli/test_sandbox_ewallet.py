"""`shualian sandbox ewallet`: a server that says that it is a stand-in, and stops."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

COMMAND = "import typer; from shualian.cli.sandbox_ewallet import ewallet; typer.run(ewallet)"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    arguments = ["--port", "0", "--folder", str(tmp_path / "wallet")]
    started = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield started
    started.kill()
    started.communicate()


def test_the_stand_in_says_what_it_is_and_where_and_ends_when_told(
    server: subprocess.Popen[str],
) -> None:
    assert server.stdout is not None
    said, origin, key = (server.stdout.readline().strip() for _ in range(3))
    assert said.startswith("演练用替身")
    assert origin.startswith("http://127.0.0.1:")
    assert key.startswith("sm2-sm3:04")
    books = httpx.get(f"{origin}/desk/v1/books", trust_env=False).json()
    assert books["coherent"]

    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
