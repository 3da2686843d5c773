"""`shualian demo`: the first visit."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shualian.core.clock import SystemClock
from shualian.core.settings import Settings, load_settings

FAILED_EXIT_CODE = 1


def demo(
    context: typer.Context,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines, for scripts; no colours")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated video")] = 20261121,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the databases and keys in this new folder")
    ] = None,
) -> None:
    """Play a first visit: a face, a name, a registration, a settled bill, a stranger refused."""
    if context.invoked_subcommand is not None:
        return
    from shualian.sandbox.first_visit import FirstVisit

    with temporary_or_kept(keep) as folder:
        settings = load_settings().model_copy(
            update={
                "data_dir": folder,
                "insurer_database_url": None,
                "hospital_database_url": None,
                "audit_checkpoints_dir": None,
            }
        )
        visit = FirstVisit(Settings.model_validate(settings), clock=SystemClock(), seed=seed)
        steps = []
        console = Console(no_color=headless, highlight=False, soft_wrap=True)
        for step in visit.play():
            steps.append(step)
            if not as_json:
                mark = "[green]✓[/green]" if step.ok else "[red]✗[/red]"
                console.print(f"{mark} {step.step} ({step.ms} ms)  {step.detail}")
        ok = all(step.ok for step in steps)
    if as_json:
        rows = [asdict(step) for step in steps]
        print(json.dumps({"ok": ok, "seed": seed, "steps": rows}, ensure_ascii=False))
    else:
        console.print("\n".join(("", *visit.receipt)), markup=False)
        console.print(f"\nseed {seed}")
    if not ok:
        raise typer.Exit(FAILED_EXIT_CODE)


@contextmanager
def temporary_or_kept(keep: Path | None) -> Iterator[Path]:
    """A new folder: the one to keep, or one that is gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="shualian-demo-") as folder:
        yield Path(folder)
