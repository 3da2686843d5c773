"""`shualian terminal`: the reference agent; and the demo and the benchmark of terminals."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from shualian.cli.demo import play, temporary_or_kept
from shualian.core.clock import SystemClock
from shualian.core.mode import Mode
from shualian.core.settings import Settings, load_settings
from shualian.terminals.agent.service import TerminalAgent

Folder = Annotated[Path, typer.Option(file_okay=False, help="The terminal's own folder of keys")]
Listener = Annotated[str, typer.Option(help="Canonical origin of the insurer's terminal listener")]
Address = Annotated[
    str | None, typer.Option(help="Where to connect to, when it is not the origin itself")
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Keys of sandbox mode")]
_TIMEOUT_S = 10


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines, for scripts; no colours")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Play a terminal's life: enrolled, approved, believed; then every forgery refused."""
    from shualian.sandbox.terminal_demo import TerminalDemo
    from shualian.web.observability import configure_logging

    configure_logging()
    with temporary_or_kept(None) as folder:
        steps = TerminalDemo(_embedded(folder), clock=SystemClock()).play()
        play(steps, headless=headless, as_json=as_json)


def bench(
    requests: Annotated[int, typer.Option(min=10, max=1_500, help="Of each measurement")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Measure signed requests a second for SM2 and P-256, beside what bounds each rate."""
    import structlog

    from shualian.sandbox.terminal_bench import measure
    from shualian.trust.signatures import Algorithm

    # What is measured is the listener, not a terminal that scrolls.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with temporary_or_kept(None) as folder:
        found = list(measure(_embedded(folder), clock=SystemClock(), requests=requests))
    by_name = {rates.algorithm: rates for rates in found}
    sm2, p256 = by_name[Algorithm.SM2_SM3], by_name[Algorithm.ECDSA_P256_SHA256]
    ratios = {
        f"sm2_of_p256_{name}": round(getattr(sm2, name) / getattr(p256, name), 2)
        for name in ("verified_per_s", "door_per_s", "http_per_s")
    }
    if as_json:
        rows = [asdict(rates) for rates in found]
        print(json.dumps({"requests": requests, "rates": rows, **ratios}))
        return
    table = Table("", *(rates.algorithm for rates in found))
    for name in list(asdict(sm2))[1:]:
        table.add_row(name, *(str(getattr(rates, name)) for rates in found))
    Console().print(table)
    for name, ratio in ratios.items():
        print(f"{name}: {ratio}")


def enrol(
    folder: Folder,
    listener: Listener,
    certificate: Annotated[str, typer.Option(help="Certificate number of the model")],
    software: Annotated[str, typer.Option(help="Version of the terminal's software")],
    code: Annotated[
        str, typer.Option(prompt="登记码 Enrolment code", help="One-time code; asked for")
    ],
    address: Address = None,
    sandbox: Sandbox = False,
) -> None:
    """Make a key and enrol with a one-time code; then compare the fingerprint and wait."""
    from shualian.terminals.enrolment.model import parse_code
    from shualian.terminals.register.model import parse_version

    with _agent(folder, listener, address, sandbox) as agent:
        answer = agent.enrol(
            code=parse_code(code), certificate=certificate, software=parse_version(software)
        )
        print(json.dumps({**_json(answer), "fingerprint": agent.fingerprint()}))


def fingerprint(folder: Folder, sandbox: Sandbox = False) -> None:
    """Show the present key's fingerprint, which the supervisor compares."""
    with _agent(folder, "https://unused.invalid", None, sandbox) as agent:
        print(agent.fingerprint())


def rotate(
    folder: Folder, listener: Listener, address: Address = None, sandbox: Sandbox = False
) -> None:
    """Put a new key in the place of the present one."""
    with _agent(folder, listener, address, sandbox) as agent:
        answer = agent.rotate_key()
        print(json.dumps({**_json(answer), "fingerprint": agent.fingerprint()}))


def heartbeat(
    folder: Folder,
    listener: Listener,
    software: Annotated[str, typer.Option(help="Version of the terminal's software")],
    camera_ok: Annotated[bool, typer.Option(help="Whether the camera gives frames")] = True,
    tampered: Annotated[bool, typer.Option(help="Whether the case was opened")] = False,
    address: Address = None,
    sandbox: Sandbox = False,
) -> None:
    """Report the terminal's state once and print the insurer's judgement."""
    import shutil

    from shualian.terminals.heartbeat.model import HeartbeatReport
    from shualian.terminals.register.model import PlaceClaim, parse_version

    disk = shutil.disk_usage(folder)
    with _agent(folder, listener, address, sandbox) as agent:
        report = HeartbeatReport(
            software=parse_version(software),
            camera_ok=camera_ok,
            disk_free_percent=disk.free * 100 // disk.total,
            tampered=tampered,
            claim=PlaceClaim(agent.identity().place_id),
        )
        print(json.dumps(_json(agent.heartbeat(report))))


@contextmanager
def _agent(
    folder: Path, listener: str, address: str | None, sandbox: bool
) -> Iterator[TerminalAgent]:
    from shualian.terminals.agent.store import AgentFolder
    from shualian.trust.signatures import Algorithm

    mode = Mode.SANDBOX if sandbox else Mode.PRODUCTION
    with httpx.Client(base_url=address or listener, timeout=_TIMEOUT_S) as http:
        yield TerminalAgent(
            http=http,
            origin=listener,
            folder=AgentFolder(folder, mode=mode),
            algorithm=Algorithm.SM2_SM3,
            clock=SystemClock(),
        )


def _json(answer: BaseModel) -> dict[str, object]:
    return answer.model_dump(mode="json")


def _embedded(folder: Path) -> Settings:
    """The operator's settings, over an embedded database in ``folder``."""
    replaced = {"data_dir": folder, "insurer_database_url": None, "audit_checkpoints_dir": None}
    return load_settings().model_copy(update=replaced)
