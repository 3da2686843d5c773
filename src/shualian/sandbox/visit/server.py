"""`shualian serve` as a process of its own, over a loaded sample province."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from shualian.core.settings import ENVIRONMENT_PREFIX, SETTINGS_FILE_VARIABLE

_TRIES = 12
"""Of a connection that is refused; httpx waits twice as long before each."""
_STOP_S = 20


@contextmanager
def serving(settings_file: Path, *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server until the end of the block; what it logs goes to ``log``."""
    with log.open("ab") as lines:
        command = [sys.executable, "-m", "shualian", "serve"]
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


def wait_until_healthy(origin: str) -> Mapping[str, object]:
    """The health report of a listener, once it listens.

    Raises:
        httpx.TransportError: When nobody listens.
    """
    base = on_loopback(origin)
    with httpx.Client(transport=httpx.HTTPTransport(retries=_TRIES), timeout=30) as client:
        answer: Mapping[str, object] = client.get(f"{base}/health").json()
        return answer


def on_loopback(origin: str) -> str:
    """Where an origin of this machine is reached without a name being looked up."""
    return origin.replace("//localhost:", "//127.0.0.1:")


def _environment(present: Mapping[str, str], settings_file: Path) -> dict[str, str]:
    """Nothing of the caller's own settings reaches the sample province."""
    kept = {name: value for name, value in present.items() if not _is_setting(name)}
    return {**kept, SETTINGS_FILE_VARIABLE: str(settings_file)}


def _is_setting(name: str) -> bool:
    return name.upper().startswith(ENVIRONMENT_PREFIX)
