import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import typer.main
from typer.core import TyperCommand, TyperGroup

from shualian.cli.main import app


def _every(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = typer.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert isinstance(found, TyperCommand | TyperGroup), (*path, name)
        yield (*path, name)
        if isinstance(found, TyperGroup):
            yield from _every(found, (*path, name))


def test_every_command_that_is_named_is_there() -> None:
    names = set(_every(cast(TyperGroup, typer.main.get_command(app))))

    assert {("demo",), ("demo", "verify"), ("face", "simulate-attacks"), ("serve",)} <= names
    assert {("persons", "import"), ("chaos", "settlement"), ("settings",)} <= names


def test_every_command_says_what_it_does() -> None:
    context = typer.Context(typer.main.get_command(app))
    root = cast(TyperGroup, context.command)
    for name in root.list_commands(context):
        found = root.get_command(context, name)
        assert found is not None
        assert found.help, name


def test_a_command_imports_only_the_part_that_it_needs() -> None:
    program = (
        "import sys; from shualian.cli.main import run\n"
        "sys.argv = ['shualian', 'policy', '--help']\n"
        "try: run()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert done.returncode == 0
    loaded = set(done.stderr.split())
    assert "shualian.insurer.benefits.policy" in loaded
    assert not {"shualian.assembly", "fastapi", "cv2"} & loaded
