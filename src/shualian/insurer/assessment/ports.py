"""What an assessment needs from outside: how many people, and how wide a search may be."""

from typing import Protocol

from shualian.insurer.templates.model import FilingDuty


class FilingCounter(Protocol):
    """Counts people with a template; ``Templates`` is one."""

    def filing_due(self) -> FilingDuty:
        """How many people have a template, and from how many on filing is a duty."""
        ...


class Searches(Protocol):
    """How wide a search may be; ``Verification`` is one."""

    @property
    def people_max(self) -> int:
        """How many enrolled people one attempt may search without a claim."""
        ...
