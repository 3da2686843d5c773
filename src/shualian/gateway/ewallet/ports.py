"""What the client of the e-wallet needs from outside."""

from typing import Protocol

from shualian.trust.signatures import PublicKey


class WalletKey(Protocol):
    """Where the wallet's public key comes from."""

    def public_key(self) -> PublicKey:
        """The key that signs its answers and notifications.

        Raises:
            Refused: When it is not known; then nothing is believed.
        """
        ...


class FailureCounter(Protocol):
    """Where messages without an outcome are counted: the metrics."""

    def count(self, name: str) -> None:
        """Add one to the counter of this name; must not fail and must not wait."""
        ...
