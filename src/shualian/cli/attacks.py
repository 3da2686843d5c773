"""`shualian face simulate-attacks`: presentation attacks for `face evaluate --pad`."""

from pathlib import Path
from typing import Annotated

import typer

from shualian.sandbox.presentation_attacks import write_attack_set


def simulate_attacks(
    manifest: Annotated[Path, typer.Argument(help="People: CSV with the header identity,file")],
    out: Annotated[Path, typer.Argument(help="Folder for the pictures and their manifest.csv")],
    seed: Annotated[int, typer.Option(min=0, help="Of everything random")] = 20,
) -> None:
    """Write a simulated print and screen attack and a live capture of every person."""
    typer.echo(str(write_attack_set(manifest, out, seed)))
