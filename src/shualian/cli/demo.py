"""`shualian demo`: the whole visit in one command."""

import json
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shualian.cli.later import imported_when_used
from shualian.core.clock import SystemClock

if TYPE_CHECKING:
    from shualian.sandbox.steps import Step
    from shualian.sandbox.visit.service import WholeVisit
    from shualian.sandbox.visit.story import VisitStep

FAILED_EXIT_CODE = 1

app = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    cls=imported_when_used(
        {
            "terminal": "shualian.cli.terminal:demo",
            "verify": "shualian.cli.verification:demo",
        }
    ),
)

Played = TypeVar("Played", bound="Step")


@app.callback()
def demo(
    context: typer.Context,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines, for scripts; ends when it was played")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; ends as --headless")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of people and simulated video")] = 20261121,
    people: Annotated[
        int, typer.Option(min=0, max=200_000, help="Made-up insured persons beside the players")
    ] = 300,
    keep: Annotated[
        Path | None, typer.Option(help="Keep databases, keys and log in this new folder")
    ] = None,
) -> None:
    """Load a sample province, serve it, play a whole visit over HTTP and WebSocket.

    From a first touch to medicine in hand, with who pays what; then a bed, a person from
    elsewhere, strangers refused, the same visit by document, and whether the books agree. The
    server stays until Ctrl-C, so that its pages can be opened.
    """
    if context.invoked_subcommand is not None:
        return
    import structlog

    from shualian.sandbox.visit.service import whole_visit

    # What is shown are the steps; the requests to stand-ins while loading are not among them.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    console = _console(headless=headless)
    with (
        temporary_or_kept(keep) as folder,
        whole_visit(folder, clock=SystemClock(), seed=seed, people=people) as visit,
    ):
        steps = shown(visit.play(), console, as_json=as_json)
        if not as_json:
            _print_summary(console, visit, steps, seed=seed)
        if not (headless or as_json) and all(step.ok for step in steps):
            _until_stopped(console, visit)
    conclude(steps, as_json=as_json, seed=seed)


def _print_summary(
    console: Console, visit: "WholeVisit", steps: "Sequence[VisitStep]", *, seed: int
) -> None:
    """The receipt, and who paid what in how much time of machines."""
    from shualian.sandbox.visit.story import MINUTE_MS

    console.print("\n".join(("", *visit.receipt, "")), markup=False)
    table = Table("步骤", "成", "谁付多少", "机器用时", box=None)
    for step in steps:
        paid = "" if step.paid is None else str(step.paid)
        time = f"{step.ms / 1000:.1f} 秒{' *' if step.own else ''}"
        table.add_row(step.step, "✓" if step.ok else "✗", paid, time)
    console.print(table)
    own_ms = sum(step.ms for step in steps if step.own)
    held = "不到一分钟" if own_ms < MINUTE_MS else "超过一分钟（这台机器现在太忙或太慢）"
    console.print(
        f"* 患者本人在机器前一共 {own_ms / 1000:.1f} 秒：{held}。模拟的摄像头每秒 15 帧，"
        "排队、走路、看病的时间不算；误认率和活体检测的错误率见 docs/biometrics.md",
        markup=False,
    )
    console.print(f"seed {seed}", markup=False)


def _until_stopped(console: Console, visit: "WholeVisit") -> None:
    from shualian.sandbox.province.hospital import PASSPHRASE

    console.print("\n服务还在运行（只在本机，演练用的示例数据），按 Ctrl-C 结束：", markup=False)
    for what, address in visit.addresses.items():
        console.print(f"  {what}  {address}", markup=False)
    console.print(f"  样例账号 clerk1、doctor01、nurse1 …… 口令：{PASSPHRASE}", markup=False)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("结束", markup=False)


def play(steps: "Iterable[Step]", *, headless: bool, as_json: bool) -> None:
    """Play a demo to its end: a line a step, or one JSON object; ends with status 1 if it fails."""
    conclude(shown(steps, _console(headless=headless), as_json=as_json), as_json=as_json)


def shown(steps: Iterable[Played], console: Console, *, as_json: bool) -> list[Played]:
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
