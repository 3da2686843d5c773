"""The one place where a failure is counted when a person is told of it."""

from shualian.verification.failures.model import ScanFailure
from shualian.verification.failures.ports import FailureCounter


class ScanFailures:
    """Tells failures on, and counts each by its cause: never who, never where."""

    def __init__(self, counter: FailureCounter) -> None:
        self._counter = counter

    def told(self, failure: ScanFailure) -> ScanFailure:
        """The same failure, counted."""
        self._counter.count(failure.counter)
        return failure
