"""`shualian serve` and `shualian bootstrap`: the listeners, and who governs them first."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import structlog
import typer
import uvicorn
from fastapi import FastAPI

from shualian.core.clock import Clock, SystemClock
from shualian.core.identifiers import InstitutionCode
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from shualian.assembly import HospitalSide, InsurerSide

MESSAGE_BYTES_MAX = 600 * 1024
"""Of one WebSocket message, read by the server before the capture's own limits see it."""
_HOUSE_EVERY_S = 600.0
_DAY_S = 86_400.0

Production = Annotated[
    bool, typer.Option("--production", help="Real people, money and keys; default is the sandbox")
]


def serve(
    production: Production = False,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Run the listeners of terminals, staff and channels and link the audits, until it is stopped.

    The ports are those of the canonical origins. TLS and other networks are a proxy's matter;
    forwarded addresses are not believed. In the sandbox, without a police registry in the
    settings, its stand-in runs beside, with its page.
    """
    from shualian.trust.audit.service import Linker
    from shualian.web.listeners import (
        build_channel_listener,
        build_staff_listener,
        build_terminal_listener,
    )
    from shualian.web.observability import configure_logging

    configure_logging()
    mode = _mode(production=production)
    with ExitStack() as opened:
        settings, clock = _with_registry(opened, load_settings(), mode), SystemClock()
        insurer, hospital = open_sides(opened, settings, clock, mode)
        opened.enter_context(repeated(insurer.housekeeping(), every_s=_HOUSE_EVERY_S))
        opened.enter_context(repeated(insurer.daily_housekeeping(), every_s=_DAY_S))
        for side in (insurer, hospital):
            if side is not None:
                linker = Linker(side.audit, clock=clock)
                linker.start()
                opened.callback(linker.stop)
        asyncio.run(
            _run(
                _server(build_terminal_listener(insurer, settings), host, settings.terminal_origin),
                _server(build_channel_listener(insurer, settings), host, settings.channel_origin),
                _server(
                    build_staff_listener(insurer, settings, hospital=hospital),
                    host,
                    settings.staff_origin,
                ),
            )
        )


def bootstrap(
    login: Annotated[str, typer.Option(prompt=True, help="Account name")],
    name: Annotated[str, typer.Option(prompt=True, help="Name of the person")],
    production: Production = False,
    hospital: Annotated[
        bool, typer.Option("--hospital", help="Of the hospital in SHUALIAN_HOSPITAL_CODE")
    ] = False,
    recover: Annotated[
        bool, typer.Option("--recover", help="Suspend all who govern and begin again")
    ] = False,
) -> None:
    """Make the first supervisor, or a hospital's first administrator; prints a one-time code.

    The server must be stopped: one process owns the databases.
    """
    from shualian.staff.model import INSURER, Employer

    with ExitStack() as opened:
        insurer, own_hospital = open_sides(
            opened, load_settings(), SystemClock(), _mode(production=production)
        )
        if not hospital:
            staff, employer = insurer.staff, INSURER
        elif own_hospital is None:
            raise typer.BadParameter("set SHUALIAN_HOSPITAL_CODE", param_hint="--hospital")
        else:
            staff, employer = own_hospital.staff, Employer(own_hospital.institution)
        made = staff.accounts.bootstrap(employer=employer, login=login, name=name, recover=recover)
    typer.echo(made.code)


def open_sides(
    opened: ExitStack, settings: Settings, clock: Clock, mode: Mode
) -> "tuple[InsurerSide, HospitalSide | None]":
    """The insurer's side, and the hospital's when its code is set; closed with the stack."""
    from shualian.assembly import LocalInsurerPlatform, open_hospital_side, open_insurer_side
    from shualian.hospital.orders.store import load_price_list, packaged_price_lists

    insurer = open_insurer_side(settings, mode=mode, clock=clock)
    opened.callback(insurer.close)
    if settings.hospital_code is None:
        return insurer, None
    hospital = open_hospital_side(
        settings,
        institution=InstitutionCode(settings.hospital_code),
        institution_name=settings.hospital_name,
        prices=load_price_list(packaged_price_lists() / "990000-illustrative.csv"),
        insurer=LocalInsurerPlatform(insurer, clock),
        proofs=insurer.verification,
        mode=mode,
        clock=clock,
    )
    opened.callback(hospital.close)
    return insurer, hospital


def _with_registry(opened: ExitStack, settings: Settings, mode: Mode) -> Settings:
    """The settings with a police registry: in the sandbox its stand-in, where none is set."""
    if mode is Mode.PRODUCTION or settings.registry_url is not None:
        return settings
    from shualian.sandbox.police_registry.server import running_registry

    running = opened.enter_context(
        running_registry(
            settings.data_dir / "police-registry",
            port=settings.registry_stand_in_port,
            weights_dir=settings.weights_dir,
        )
    )
    structlog.get_logger().info("police-registry stand-in", page=running.origin)
    return settings.model_copy(update={"registry_url": running.origin})


@contextmanager
def repeated(
    works: "Sequence[tuple[str, Callable[[], object]]]", *, every_s: float
) -> Iterator[None]:
    """Do each of ``works`` now and again, in a thread, until the end of the block.

    Whatever one of them raises is logged by its name, and the others go on.
    """
    ended = threading.Event()

    def run() -> None:
        while True:
            for name, work in works:
                _tried(name, work)
            if ended.wait(every_s):
                return

    thread = threading.Thread(target=run, name="housekeeping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tried(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except Refused as refused:
        structlog.get_logger().warning("housekeeping", work=name, code=refused.kind.code)
    except Exception as failure:  # noqa: BLE001 - a fault in one must not end the others
        structlog.get_logger().error("housekeeping", work=name, kind=type(failure).__name__)


def _mode(*, production: bool) -> Mode:
    return Mode.PRODUCTION if production else Mode.SANDBOX


def _server(listener: FastAPI, host: str, origin: str) -> uvicorn.Server:
    parts = urlsplit(origin)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    config = uvicorn.Config(
        listener,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        lifespan="off",
        ws_max_size=MESSAGE_BYTES_MAX,
        ws_max_queue=2,
        ws_per_message_deflate=False,
    )
    return uvicorn.Server(config)


async def _run(*servers: uvicorn.Server) -> None:
    """Serve until one of them is told to stop, then stop all."""
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)
