"""`shualian serve` and `shualian bootstrap`: the listeners, and who governs them first."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated
from urllib.parse import urlsplit

import structlog
import typer
import uvicorn
from fastapi import FastAPI

from shualian.core.clock import SystemClock
from shualian.core.memory import keep_what_was_loaded
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import Settings, load_settings

MESSAGE_BYTES_MAX = 600 * 1024
"""Of one WebSocket message, read by the server before the capture's own limits see it."""
_HOUSE_EVERY_S = 600.0
_RESOLVE_EVERY_S = 5.0
"""A person at the kiosk is told after 15 s that there is no result yet."""
_DAY_S = 86_400.0

Production = Annotated[
    bool, typer.Option("--production", help="Real people, money and keys; default is the sandbox")
]


def serve(
    production: Production = False,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Run the listeners of terminals, staff and channels and link the audits, until it is stopped.

    Each hospital in the settings has listeners of its own for its terminals and its staff.

    The ports are those of the canonical origins. TLS and other networks are a proxy's matter;
    forwarded addresses are not believed. In the sandbox, without a police registry in the
    settings, its stand-in runs beside, with its page; and beside a hospital the e-wallet's, when
    the settings name none.
    """
    from shualian.assembly import open_house
    from shualian.trust.audit.service import Linker
    from shualian.web.listeners import (
        build_channel_listener,
        build_hospital_listener,
        build_hospital_news_listener,
        build_staff_listener,
        build_terminal_listener,
    )
    from shualian.web.observability import configure_logging

    configure_logging()
    mode = _mode(production=production)
    with ExitStack() as opened:
        settings = _with_ewallet(opened, _with_registry(opened, load_settings(), mode), mode)
        clock = SystemClock()
        house = open_house(opened, settings, mode=mode, clock=clock)
        insurer, hospitals = house.insurer, house.hospitals
        opened.enter_context(repeated(insurer.housekeeping(), every_s=_HOUSE_EVERY_S))
        opened.enter_context(repeated(insurer.daily_housekeeping(), every_s=_DAY_S))
        for audit in (insurer.audit, *(hospital.audit for hospital in hospitals)):
            linker = Linker(audit, clock=clock)
            linker.start()
            opened.callback(linker.stop)
        staff = build_staff_listener(insurer, settings, hospitals=hospitals)
        listeners = [
            (build_terminal_listener(insurer, settings), settings.terminal_origin),
            (build_channel_listener(insurer, settings), settings.channel_origin),
            (staff, settings.staff_origin),
        ]
        for hospital in hospitals:
            at_terminals = build_terminal_listener(insurer, settings, hospital=hospital)
            own_staff = build_hospital_listener(hospital, insurer, settings)
            listeners.append((at_terminals, hospital.settings.terminal_origin))
            listeners.append((own_staff, hospital.settings.staff_origin))
            news = build_hospital_news_listener(hospital, settings)
            if news is not None and hospital.settings.wallet_news_origin is not None:
                listeners.append((news, hospital.settings.wallet_news_origin))
            opened.enter_context(repeated(hospital.housekeeping(), every_s=_RESOLVE_EVERY_S))
            opened.enter_context(repeated(hospital.daily_housekeeping(), every_s=_DAY_S))
        keep_what_was_loaded()
        asyncio.run(_run(*(_server(listener, host, origin) for listener, origin in listeners)))


def bootstrap(
    login: Annotated[str, typer.Option(prompt=True, help="Account name")],
    name: Annotated[str, typer.Option(prompt=True, help="Name of the person")],
    production: Production = False,
    hospital: Annotated[
        str | None, typer.Option(help="Code of a hospital in the settings, for its administrator")
    ] = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="Suspend all who govern and begin again")
    ] = False,
) -> None:
    """Make the first supervisor, or a hospital's first administrator; prints a one-time code.

    The server must be stopped: one process owns the databases.
    """
    from shualian.assembly import open_house
    from shualian.staff.model import INSURER, Employer

    with ExitStack() as opened:
        mode = _mode(production=production)
        house = open_house(opened, load_settings(), mode=mode, clock=SystemClock())
        if hospital is None:
            staff, employer = house.insurer.staff, INSURER
        else:
            own = [each for each in house.hospitals if each.institution == hospital]
            if not own:
                raise typer.BadParameter("no such hospital", param_hint="--hospital")
            staff, employer = own[0].staff, Employer(own[0].institution)
        made = staff.accounts.bootstrap(employer=employer, login=login, name=name, recover=recover)
    typer.echo(made.code)


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


def _with_ewallet(opened: ExitStack, settings: Settings, mode: Mode) -> Settings:
    """The settings with an e-wallet: in the sandbox its stand-in beside a hospital."""
    apart = settings.ewallet_url is not None or not settings.hospitals
    if mode is Mode.PRODUCTION or apart:
        return settings
    from shualian.sandbox.ewallet.server import running_wallet

    running = opened.enter_context(
        running_wallet(settings.data_dir / "e-wallet", port=settings.ewallet_stand_in_port)
    )
    structlog.get_logger().info("e-wallet stand-in", origin=running.origin)
    return settings.model_copy(update={"ewallet_url": running.origin})


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
