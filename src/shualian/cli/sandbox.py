"""`shualian sandbox`: stand-ins of the outside world, as servers of their own."""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shualian.core.clock import SystemClock
from shualian.core.settings import load_settings

if TYPE_CHECKING:
    from shualian.sandbox.police_registry.service import StandInRegistry


def police_registry(
    folder: Annotated[
        Path | None, typer.Option(help="Its own state; police-registry in data_dir by default")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="On 127.0.0.1; 0: any")] = 8609,
    sample_city: Annotated[
        bool, typer.Option("--sample-city", help="Put the sample people in (`make samples`)")
    ] = False,
    caller: Annotated[
        str | None, typer.Option(help="Public key of a platform, algorithm:hexadecimal point")
    ] = None,
) -> None:
    """Run the stand-in of the police registry with its page, on loopback, until it is stopped.

    Set SHUALIAN_REGISTRY_URL of the platform to the address that is printed.
    """
    from shualian.gateway.police_registry.model import parse_public_key, public_key_text
    from shualian.sandbox.police_registry.model import STAND_IN_EN, STAND_IN_ZH
    from shualian.sandbox.police_registry.server import running_registry
    from shualian.web.observability import configure_logging

    configure_logging()
    settings = load_settings()
    place = folder or settings.data_dir / "police-registry"
    with running_registry(place, port=port, weights_dir=settings.weights_dir) as running:
        if caller is not None:
            running.registry.admit(parse_public_key(caller))
        if sample_city:
            _put_sample_city(running.registry)
        typer.echo(f"{STAND_IN_ZH} / {STAND_IN_EN}")
        typer.echo(running.origin)
        typer.echo(public_key_text(running.registry.public_key))
        _wait_until_stopped()


def _put_sample_city(registry: "StandInRegistry") -> None:
    from shualian.sandbox import city
    from shualian.sandbox.police_registry.server import put_people
    from shualian.sandbox.samples import sample_pictures

    put_people(registry, (city.PATIENT, *city.OTHERS), sample_pictures())


def load(
    seed: Annotated[int, typer.Option(min=0, help="Of names, numbers and money")] = 7,
    people: Annotated[int, typer.Option(min=0, max=200_000, help="Insured persons")] = 2_000,
    history: Annotated[int, typer.Option(min=0, max=60, help="Past days on which people came")] = 7,
    folder: Annotated[
        Path | None, typer.Option(help="New folder; the data folder of the settings by default")
    ] = None,
    port: Annotated[int, typer.Option(min=1024, max=65_000, help="First of the ports")] = 8443,
) -> None:
    """Load the sample province: two regions, two hospitals, a community centre, a week of visits.

    The same for the same seed, made up and marked as sample data everywhere.
    """
    from shualian.sandbox.province.service import Ports, load_province

    loaded = load_province(
        folder or load_settings().data_dir,
        seed=seed,
        clock=SystemClock(),
        people=people,
        history_days=history,
        ports=Ports(port),
        tell=typer.echo,
    )
    typer.echo(f"SHUALIAN_SETTINGS_FILE={loaded.settings_file} shualian serve")


def _wait_until_stopped() -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
