"""The build of wheel and sdist brings the built pages along, so that users need no node."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "web"))

import build_pages


class PagesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the pages before the package; an editable install leaves that to `make pages`."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node from PyPI, only where npm is missing and something must be built."""
        return [build_pages.NODE_PACKAGE] if build_pages.needs_node_package() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is not fresh."""
        del build_data
        if version != "editable":
            build_pages.build()
