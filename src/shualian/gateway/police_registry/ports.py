"""What the client of the police registry needs from outside."""

from typing import Protocol

from shualian.trust.signatures import PublicKey


class RegistryKey(Protocol):
    """Where the registry's public key comes from."""

    def public_key(self) -> PublicKey:
        """The key that signs its answers.

        Raises:
            Refused: When it is not known; then no answer is believed.
        """
        ...


class FailureCounter(Protocol):
    """Where questions without a verdict are counted: the metrics."""

    def count(self, name: str) -> None:
        """Add one to the counter of this name; must not fail and must not wait."""
        ...
