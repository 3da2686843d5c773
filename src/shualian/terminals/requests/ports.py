"""What the verification of requests needs from outside."""

from datetime import datetime
from typing import Protocol

from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.requests.model import NonceUse


class Nonces(Protocol):
    """Remembers every nonce for as long as its signature would be believed.

    A store has a floor: whatever was signed before it is refused, because its nonce may have been
    forgotten. The floor begins at the store's start plus the fastest clock that is tolerated, and
    only rises, whatever the machine's clock does.
    """

    def use(self, key_id: KeyId, nonce: str, *, created: datetime, now: datetime) -> NonceUse:
        """Use a nonce up, in one step with the question whether it is new.

        Args:
            key_id: Whose; the signature was verified before.
            nonce: Well formed.
            created: When it was signed; fresh.
            now: UTC.

        Raises:
            Refused: When the store cannot answer; then the request is refused.
        """
        ...
