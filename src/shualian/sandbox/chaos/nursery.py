"""Where the processes of the simulation are born: one that has imported everything and forks.

``python -m shualian.sandbox.chaos.nursery``: a line of JSON on standard input starts or ends a
process, a line on standard output answers. Each process opens its own database after its birth; a
start costs some hundredths of a second instead of the seconds of the imports.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from starlette.routing import Mount
from starlette.types import ASGIApp

from shualian.core.clock import SettableClock
from shualian.core.database.opening import connect_database
from shualian.gateway.ewallet.api import notification_routes
from shualian.gateway.ewallet.service import EWalletClient
from shualian.sandbox.chaos import desks, wire
from shualian.sandbox.chaos.network import Role
from shualian.sandbox.chaos.parts import (
    DyingDatabase,
    hospital_over,
    insurer_over,
    platform_of,
    read_once,
    to,
)
from shualian.sandbox.ewallet.api import build_stand_in
from shualian.sandbox.ewallet.server import open_wallet
from shualian.sandbox.loopback import free_socket, served
from shualian.web.application import build_listener


def main() -> None:
    """Start and end processes as standard input says, until it ends."""
    read_once()
    born: set[int] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        if "end" in asked:
            born.discard(asked["end"])
            _ended(asked["end"])
            answer: object = {}
        else:
            answer = _born(asked, born)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in born:
        _ended(pid)


def _ended(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _born(asked: Mapping[str, Any], born: set[int]) -> object:
    """Fork a process; answered once it listens, or with what kept it from it."""
    hears, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(hears)
        _live(asked, tells)
    os.close(tells)
    born.add(pid)
    with os.fdopen(hears) as heard:
        return {"pid": pid, **json.loads(heard.readline() or '{"failed": "it died"}')}


def _live(asked: Mapping[str, Any], tells: int) -> None:
    """Be the process; never returns."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    # What goes wrong inside is read there; what goes wrong on purpose is noise.
    os.dup2(os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    try:
        clock = SettableClock(datetime.fromisoformat(asked["now"]))
        app = _APPLICATIONS[Role(asked["role"])](asked, clock)
        listening = free_socket()
        with served(app, listening):
            os.write(tells, json.dumps({"port": listening.getsockname()[1]}).encode() + b"\n")
            Event().wait()
    except BaseException as failure:  # noqa: BLE001 - told to whoever asked
        said = {"failed": f"{type(failure).__name__}: {failure}"}
        os.write(tells, json.dumps(said).encode() + b"\n")
        os._exit(1)


def _insurer(asked: Mapping[str, Any], clock: SettableClock) -> ASGIApp:
    database = DyingDatabase(connect_database(asked["database"]))
    insurer = insurer_over(database, Path(asked["folder"]), clock)
    platform = platform_of(insurer, clock)
    acts = desks.insurer_acts(insurer, database, clock)
    return desks.application(acts, clock, *wire.insurer_routes(platform, insurer.verification))


def _hospital(asked: Mapping[str, Any], clock: SettableClock) -> ASGIApp:
    database = DyingDatabase(connect_database(asked["database"]))
    insurer = wire.Wire(to(asked["insurer"]))
    hospital = hospital_over(
        database,
        Path(asked["folder"]),
        clock,
        insurer=insurer.platform,
        proofs=insurer,
        wallet=(asked["wallet"], asked["wallet_key"]),
        news_origin=asked["news"],
    )
    acts = desks.hospital_acts(hospital, database, clock)
    if not isinstance(hospital.wallet, EWalletClient):
        raise TypeError("a hospital without its wallet")
    news = build_listener(
        "wallet news",
        routers=[
            notification_routes(
                hospital.payments,
                key=hospital.wallet.key,
                merchant=hospital.institution,
                origin=asked["news"],
                clock=clock,
                mode=hospital.mode,
            )
        ],
        mode=hospital.mode,
    )
    return desks.application(acts, clock, Mount("/", news))


def _wallet(asked: Mapping[str, Any], clock: SettableClock) -> ASGIApp:
    # Open until the process dies.
    opened = open_wallet(Path(asked["folder"]), clock=clock, origin=asked["wallet"])
    wallet = opened.__enter__()
    _KEPT.append(opened)
    return desks.application(desks.wallet_acts(wallet), clock, Mount("/", build_stand_in(wallet)))


_KEPT: list[object] = []
_APPLICATIONS = {Role.INSURER: _insurer, Role.HOSPITAL: _hospital, Role.WALLET: _wallet}


if __name__ == "__main__":
    main()
