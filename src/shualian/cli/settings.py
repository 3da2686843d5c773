"""`shualian settings`: every setting, and where its value came from."""

import json

import typer
from rich.console import Console
from rich.table import Table

from shualian.core.settings import describe_settings, load_settings


def settings(as_json: bool = typer.Option(False, "--json", help="Print JSON")) -> None:
    """Print every setting with its value, where it came from, and what it means."""
    lines = describe_settings(load_settings())
    if as_json:
        print(json.dumps([{f: getattr(line, f) for f in line.__slots__} for line in lines]))
        return
    table = Table("setting", "value", "origin", "meaning")
    for line in lines:
        table.add_row(line.name, line.value or "-", line.origin, line.meaning)
    Console().print(table)
