"""`shualian serve` and `shualian bootstrap`: the insurer's listeners, and its first supervisors."""

import asyncio
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn
from fastapi import FastAPI

from shualian.core.clock import SystemClock
from shualian.core.mode import Mode
from shualian.core.settings import load_settings

Production = Annotated[
    bool, typer.Option("--production", help="Real people, money and keys; default is the sandbox")
]


def serve(
    production: Production = False,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
) -> None:
    """Run the terminal and the staff listener and link the audit, until it is stopped.

    The ports are those of the canonical origins. TLS and other networks are a proxy's matter;
    forwarded addresses are not believed.
    """
    from shualian.assembly import open_insurer_side
    from shualian.trust.audit.service import Linker
    from shualian.web.listeners import build_staff_listener, build_terminal_listener
    from shualian.web.observability import configure_logging

    configure_logging()
    settings, clock = load_settings(), SystemClock()
    insurer = open_insurer_side(settings, mode=_mode(production=production), clock=clock)
    linker = Linker(insurer.audit, clock=clock)
    linker.start()
    try:
        asyncio.run(
            _run(
                _server(build_terminal_listener(insurer, settings), host, settings.terminal_origin),
                _server(build_staff_listener(insurer, settings), host, settings.staff_origin),
            )
        )
    finally:
        linker.stop()
        insurer.close()


def bootstrap(
    login: Annotated[str, typer.Option(prompt=True, help="Account name of the first supervisor")],
    name: Annotated[str, typer.Option(prompt=True, help="Name of the person")],
    production: Production = False,
    recover: Annotated[
        bool, typer.Option("--recover", help="Suspend all who govern and begin again")
    ] = False,
) -> None:
    """Make the first supervisors of the insurer; prints a one-time code, once. Server stopped."""
    from shualian.assembly import open_insurer_side
    from shualian.staff.model import INSURER

    insurer = open_insurer_side(
        load_settings(), mode=_mode(production=production), clock=SystemClock()
    )
    try:
        made = insurer.staff.accounts.bootstrap(
            employer=INSURER, login=login, name=name, recover=recover
        )
    finally:
        insurer.close()
    typer.echo(made.code)


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
    )
    return uvicorn.Server(config)


async def _run(*servers: uvicorn.Server) -> None:
    """Serve until one of them is told to stop, then stop all."""
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)
