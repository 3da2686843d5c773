"""`shualian contract`: write what the pages are built against."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from shualian.cli.demo import temporary_or_kept
from shualian.core.clock import SystemClock
from shualian.core.mode import Mode
from shualian.core.settings import HospitalSettings, load_settings

_UNREACHED = "http://localhost:1"
"""A registry that nobody asks; without one the notice would not be true."""
_HOSPITAL = HospitalSettings(
    code="H99000000001",
    name="示例市第一医院",
    terminal_origin=_UNREACHED,
    staff_origin=_UNREACHED,
)


def contract(
    folder: Annotated[Path, typer.Argument(help="Where to write, `web/contract` of the sources")],
) -> None:
    """Write the OpenAPI documents and the spoken sentences; nothing of a running server."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contract_files().items():
        (folder / name).write_text(text, encoding="utf-8")
        typer.echo(folder / name)


def contract_files() -> Mapping[str, str]:
    """The files by their names: of listeners as they are assembled, with one hospital beside."""
    from shualian.assembly import open_house
    from shualian.insurer.notices.store import load_notices, packaged_notices
    from shualian.verification.failures.model import FAILURES
    from shualian.web.contract import openapi_text, spoken_text, vectors_text
    from shualian.web.listeners import (
        build_hospital_listener,
        build_staff_listener,
        build_terminal_listener,
    )

    notices = [load_notices(packaged_notices()).current]
    with ExitStack() as opened:
        data_dir = opened.enter_context(temporary_or_kept(None))
        settings = load_settings().model_copy(
            update={
                "data_dir": data_dir,
                "insurer_database_url": None,
                "registry_url": _UNREACHED,
                "hospitals": (_HOSPITAL,),
            }
        )
        house = open_house(opened, settings, mode=Mode.SANDBOX, clock=SystemClock())
        insurer, (hospital,) = house.insurer, house.hospitals
        at_terminals = build_terminal_listener(insurer, settings, hospital=hospital)
        return {
            "terminal.json": openapi_text(at_terminals),
            "insurer.json": openapi_text(build_staff_listener(insurer, settings)),
            "hospital.json": openapi_text(build_hospital_listener(hospital, insurer, settings)),
            "spoken.json": spoken_text(FAILURES.values(), notices),
            "vectors.json": vectors_text(),
        }
