"""What the failures need from outside."""

from typing import Protocol


class FailureCounter(Protocol):
    """Where failures that people were told are counted: the metrics."""

    def count(self, name: str) -> None:
        """Add one to the counter of this name; must not fail and must not wait.

        Args:
            name: One of :class:`~shualian.verification.failures.model.Cause`, a closed set.
        """
        ...
