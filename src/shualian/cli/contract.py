"""`shualian contract`: write what the pages are built against."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from shualian.cli.demo import temporary_or_kept
from shualian.cli.serve import open_sides
from shualian.core.clock import SystemClock
from shualian.core.mode import Mode
from shualian.core.settings import load_settings

_UNREACHED = "http://localhost:1"
"""A registry that nobody asks; without one the notice would not be true."""


def contract(
    folder: Annotated[Path, typer.Argument(help="Where to write, `web/contract` of the sources")],
) -> None:
    """Write the OpenAPI documents and the spoken sentences; nothing of a running server."""
    from shualian.insurer.notices.store import load_notices, packaged_notices
    from shualian.verification.failures.model import FAILURES
    from shualian.web.contract import openapi_text, spoken_text, vectors_text
    from shualian.web.listeners import build_staff_listener, build_terminal_listener

    folder.mkdir(parents=True, exist_ok=True)
    notices = [load_notices(packaged_notices()).current]
    with ExitStack() as opened:
        data_dir = opened.enter_context(temporary_or_kept(None))
        settings = load_settings().model_copy(
            update={
                "data_dir": data_dir,
                "insurer_database_url": None,
                "hospital_database_url": None,
                "registry_url": _UNREACHED,
                "hospital_code": "H99000000001",
            }
        )
        insurer, hospital = open_sides(opened, settings, SystemClock(), Mode.SANDBOX)
        written = {
            "terminal.json": openapi_text(build_terminal_listener(insurer, settings)),
            "staff.json": openapi_text(build_staff_listener(insurer, settings, hospital=hospital)),
            "spoken.json": spoken_text(FAILURES.values(), notices),
            "vectors.json": vectors_text(),
        }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
        typer.echo(folder / name)
