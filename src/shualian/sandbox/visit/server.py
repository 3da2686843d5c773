"""`shualian serve` as a process of its own, over a loaded sample province."""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from shualian.core.settings import ENVIRONMENT_PREFIX, SETTINGS_FILE_VARIABLE
from shualian.sandbox.steps import VisitWentWrong

START_S = 400
"""A cold start on a busy machine; a quiet one takes a few seconds."""
_LOOK_EVERY_S = 0.2
_STOP_S = 20
_ROWS_TRIED = 50
_PORTS = (20_000, 32_000)
"""Below the ports that Linux gives to clients: a client that knocks on one of those before the
server listens may be connected to itself."""
_SERVE = "import sys; from shualian.cli.main import run; sys.argv = ['shualian', 'serve']; run()"


@contextmanager
def serving(settings_file: Path, *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server until the end of the block; what it logs goes to ``log``."""
    with log.open("ab") as lines:
        command = [sys.executable, "-c", _SERVE]
        server = subprocess.Popen(  # noqa: S603 - our own command
            command, env=_environment(os.environ, settings_file), stdout=lines, stderr=lines
        )
        try:
            yield server
        finally:
            server.terminate()
            try:
                server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_until_healthy(origin: str, server: subprocess.Popen[bytes]) -> Mapping[str, object]:
    """The health report of a listener, once it listens.

    Raises:
        VisitWentWrong: When the server ended, or does not listen in :data:`START_S` seconds.
    """
    base, give_up_at = on_loopback(origin), time.monotonic() + START_S
    with httpx.Client(timeout=30, trust_env=False) as client:
        while server.poll() is None and time.monotonic() < give_up_at:
            try:
                answer: Mapping[str, object] = client.get(f"{base}/health").json()
            except httpx.TransportError:
                time.sleep(_LOOK_EVERY_S)
            else:
                return answer
    raise VisitWentWrong(f"expected a server that listens, found {server.poll()}")


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on at this moment, on loopback.

    Raises:
        VisitWentWrong: When there are none.
    """
    for first in random.SystemRandom().sample(range(*_PORTS, count), _ROWS_TRIED):
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise VisitWentWrong(f"expected {count} free ports in a row, found none")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def on_loopback(origin: str) -> str:
    """Where an origin of this machine is reached without a name being looked up."""
    return origin.replace("//localhost:", "//127.0.0.1:")


def _environment(present: Mapping[str, str], settings_file: Path) -> dict[str, str]:
    """Nothing of the caller's own settings reaches the sample province."""
    kept = {name: value for name, value in present.items() if not _is_setting(name)}
    return {**kept, SETTINGS_FILE_VARIABLE: str(settings_file)}


def _is_setting(name: str) -> bool:
    return name.upper().startswith(ENVIRONMENT_PREFIX)
