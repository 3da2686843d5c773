"""`shualian sandbox ewallet`: the stand-in of the e-wallet, as a server of its own."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from shualian.core.settings import load_settings


def ewallet(
    folder: Annotated[
        Path | None, typer.Option(help="Its own state; ewallet in data_dir by default")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="On 127.0.0.1; 0: any")] = 8619,
) -> None:
    """Run the stand-in of the e-wallet on loopback until it is stopped; no real money.

    Accounts, agreements, faults and the check of its books are calls under /desk/v1 of the
    address that is printed.
    """
    from shualian.gateway.police_registry.model import public_key_text
    from shualian.sandbox.ewallet.model import STAND_IN_EN, STAND_IN_ZH
    from shualian.sandbox.ewallet.server import running_wallet
    from shualian.web.observability import configure_logging

    configure_logging()
    place = folder or load_settings().data_dir / "ewallet"
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with running_wallet(place, port=port) as running:
        typer.echo(f"{STAND_IN_ZH} / {STAND_IN_EN}")
        typer.echo(running.origin)
        typer.echo(public_key_text(running.wallet.public_key))
        stopped.wait()
