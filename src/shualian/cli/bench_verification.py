"""`shualian bench verification`: many terminals capture at once."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shualian.cli.demo import temporary_or_kept
from shualian.core.clock import SystemClock
from shualian.core.settings import load_settings

if TYPE_CHECKING:
    from shualian.sandbox.verification_bench import VerificationRates

TERMINALS_MAX = 200
SHARED = (
    "Terminals are simulated; they, the insurer and the police registry's stand-in share the cores"
)
MIX = "passive (among those expected) and active (three turns, by document) in turn"


def bench(
    terminals: Annotated[
        int, typer.Option(min=1, max=TERMINALS_MAX, help="That capture at the same time")
    ] = 35,
    captures: Annotated[int, typer.Option(min=1, max=100, help="Of each terminal")] = 4,
    pace: Annotated[
        float, typer.Option(min=1, max=15, help="Frames a second of a terminal's camera, at most")
    ] = 15,
    registry: Annotated[
        bool, typer.Option(help="Whether the police registry's stand-in answers")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Measure captures a second and the time of hints and decisions, beside one terminal."""
    import structlog

    from shualian.sandbox.verification_bench import measure

    # What is measured is the listener, not a terminal that scrolls.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with temporary_or_kept(None) as folder:
        replaced = {"data_dir": folder, "insurer_database_url": None, "audit_checkpoints_dir": None}
        rates = measure(
            load_settings().model_copy(update=replaced),
            clock=SystemClock(),
            terminals=terminals,
            captures=captures,
            pace=pace,
            with_registry=registry,
        )
    if as_json:
        print(json.dumps({"shared": SHARED, "mix": MIX, **asdict(rates)}))
        return
    _print(rates)


def _print(rates: "VerificationRates") -> None:
    one, many = _flat(asdict(rates.one)), _flat(asdict(rates.many))
    table = Table("", "1", str(rates.many.terminals))
    for name, value in one.items():
        table.add_row(name, value, many[name])
    console = Console()
    console.print(table)
    bare = ", ".join(f"{name} {value}" for name, value in asdict(rates.bare).items())
    console.print(f"bare engine: {bare}", highlight=False)
    console.print(
        f"{SHARED} ({rates.cores}; load before {rates.load_average}). Captures: {MIX}.",
        highlight=False,
    )


def _flat(load: Mapping[str, object]) -> dict[str, str]:
    """A row a number; the three of a latency in one row."""
    return {
        name: " / ".join(map(str, value.values()))
        if isinstance(value, dict) and name != "refused"
        else str(value)
        for name, value in load.items()
    }
