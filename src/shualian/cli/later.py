"""Commands that are imported when they are asked for; most need a small part of the program."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup


def imported_when_used(places: Mapping[str, str]) -> type[TyperGroup]:
    """A kind of group whose commands stand at ``places``.

    Args:
        places: By the command's name, ``module:attribute`` of a function or of a group.
    """

    class Later(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return [*super().list_commands(ctx), *places]

        def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
            place = places.get(cmd_name)
            found = super().get_command(ctx, cmd_name) if place is None else _at(place, cmd_name)
            return cast(TyperCommand | TyperGroup | None, found)

    return Later


def group(places: Mapping[str, str], *, about: str) -> typer.Typer:
    """A group of commands that are imported when they are asked for."""
    made = typer.Typer(no_args_is_help=True, cls=imported_when_used(places), help=about)
    made.callback()(lambda: None)
    return made


def _at(place: str, name: str) -> object:
    module, _, attribute = place.partition(":")
    target = getattr(import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return typer.main.get_command(target)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(target)
    return typer.main.get_command(alone)
