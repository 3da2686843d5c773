"""`shualian demo`: the first visit."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from shualian.core.clock import SystemClock
from shualian.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from shualian.sandbox.first_visit import Step

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
    import structlog

    from shualian.sandbox.first_visit import FirstVisit

    # What is shown are the steps; the requests to the registry's stand-in are not among them.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with temporary_or_kept(keep) as folder:
        settings = load_settings().model_copy(
            update={
                "data_dir": folder,
                "insurer_database_url": None,
                "hospitals": (),
                "audit_checkpoints_dir": None,
            }
        )
        visit = FirstVisit(Settings.model_validate(settings), clock=SystemClock(), seed=seed)
        console = _console(headless=headless)
        steps = shown(visit.play(), console, as_json=as_json)
    if not as_json:
        console.print("\n".join(("", *visit.receipt, "", f"seed {seed}")), markup=False)
    conclude(steps, as_json=as_json, seed=seed)


def play(steps: "Iterable[Step]", *, headless: bool, as_json: bool) -> None:
    """Play a demo to its end: a line a step, or one JSON object; ends with status 1 if it fails."""
    conclude(shown(steps, _console(headless=headless), as_json=as_json), as_json=as_json)


def shown(steps: "Iterable[Step]", console: Console, *, as_json: bool) -> "list[Step]":
    """The steps, each printed when it is done unless JSON is asked for."""
    played = []
    for step in steps:
        played.append(step)
        if not as_json:
            mark = "[green]✓[/green]" if step.ok else "[red]✗[/red]"
            console.print(f"{mark} {step.step} ({step.ms} ms)  {escape(step.detail)}")
    return played


def conclude(steps: "Sequence[Step]", *, as_json: bool, **facts: int) -> None:
    """Print what JSON was asked for, and end with status 1 unless every step held."""
    ok = all(step.ok for step in steps)
    if as_json:
        rows = [asdict(step) for step in steps]
        print(json.dumps({"ok": ok, **facts, "steps": rows}, ensure_ascii=False))
    if not ok:
        raise typer.Exit(FAILED_EXIT_CODE)


def _console(*, headless: bool) -> Console:
    return Console(no_color=headless, highlight=False, soft_wrap=True)


@contextmanager
def temporary_or_kept(keep: Path | None) -> Iterator[Path]:
    """A new folder: the one to keep, or one that is gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="shualian-demo-") as folder:
        yield Path(folder)
