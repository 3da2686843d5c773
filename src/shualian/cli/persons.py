"""`shualian persons import`: take a list of insured persons into the register."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shualian.core.clock import SystemClock
from shualian.core.database import open_database
from shualian.core.mode import Mode, Side
from shualian.core.settings import Settings, load_settings
from shualian.trust.keys import DevelopmentKeys, FileKeys
from shualian.trust.sealing import Sealer

if TYPE_CHECKING:
    from shualian.insurer.persons.model import ImportReport
    from shualian.insurer.persons.service import Persons

WRONG_EXIT_CODE = 1
"""Exit status when a line is wrong and nothing was written."""


def import_list(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV in UTF-8 or GB18030")
    ],
    production: Annotated[
        bool, typer.Option("--production", help="Real people; default is the sandbox")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Take a list in whole, or say every wrong line and change nothing.

    The server must be stopped: one process owns the database.
    """
    mode = Mode.PRODUCTION if production else Mode.SANDBOX
    with _register(load_settings(), mode) as persons:
        report = persons.import_csv(file)
    if as_json:
        print(json.dumps({"accepted": report.accepted, **asdict(report)}, ensure_ascii=False))
    else:
        _print_report(report)
    if not report.accepted:
        raise typer.Exit(WRONG_EXIT_CODE)


@contextmanager
def _register(settings: Settings, mode: Mode) -> "Iterator[Persons]":
    """The register alone: no model of faces is loaded for a list."""
    from shualian.insurer.persons.service import Persons

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    usual = f"sqlite:///{settings.data_dir / 'insurer.sqlite'}"
    folder = settings.data_dir / "insurer-keys"
    database = open_database(settings.insurer_database_url or usual, side=Side.INSURER, mode=mode)
    try:
        keys = DevelopmentKeys(folder) if mode is Mode.SANDBOX else FileKeys(folder)
        yield Persons(database=database, sealer=Sealer(keys), mode=mode, clock=SystemClock())
    finally:
        database.close()


def _print_report(report: "ImportReport") -> None:
    console = Console(soft_wrap=True)
    if not report.accepted:
        table = Table("行 line", "列 column", "问题 what is wrong")
        for wrong in report.wrong:
            table.add_row(str(wrong.line), wrong.column, wrong.found)
        console.print(table)
        console.print("[red]✗[/red] 没有写入任何内容。Nothing was written.")
        return
    console.print(
        f"[green]✓[/green] {report.lines} 行：新增 {report.added} 人，更新 {report.updated} 条，"
        f"未变 {report.unchanged} 条。{report.lines} lines: {report.added} people added, "
        f"{report.updated} insurances updated, {report.unchanged} unchanged."
    )
