"""`shualian bench settlement`: settlements a second beside the raw limit of the same writes."""

import json
import tempfile
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shualian.core.clock import SystemClock


def bench(
    clients: Annotated[int, typer.Option(min=1, max=64, help="Threads that settle at once")] = 8,
    seconds: Annotated[float, typer.Option(min=0.1, max=3_600, help="Measured time")] = 20,
    db: Annotated[
        str | None, typer.Option(help="URL of a database for this only; default: a SQLite file")
    ] = None,
    print_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Measure whole settlements a second, and the same writes alone in the same run."""
    from shualian.sandbox.settlement_bench import TARGET_PER_S, TARGET_RATIO, measure

    with tempfile.TemporaryDirectory() as folder:
        url = db or f"sqlite:///{folder}/settlements.db"
        rate = measure(url, clients=clients, seconds=seconds, clock=SystemClock())
    if print_json:
        print(json.dumps(asdict(rate)))
        return
    table = Table("measured", "value", "target")
    targets = {"settlements_per_s": TARGET_PER_S, "ratio_to_raw_limit": TARGET_RATIO}
    for name, value in asdict(rate).items():
        table.add_row(name, str(value), str(targets.get(name, "")))
    Console().print(table)
