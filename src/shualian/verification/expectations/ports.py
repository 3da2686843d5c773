"""What expectations need from outside."""

from collections.abc import Collection
from typing import Protocol

from shualian.core.identifiers import PersonNo


class TemplateConsents(Protocol):
    """Who agreed that a template of theirs is kept."""

    def with_template(self, people: Collection[PersonNo]) -> Collection[PersonNo]:
        """Those of ``people`` whose consent to a kept template is in force now, nobody else."""
        ...
