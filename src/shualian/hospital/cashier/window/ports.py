"""What a window needs from outside: whose code or card was read."""

from typing import Protocol

from shualian.core.identifiers import PersonNo
from shualian.hospital.model import CardEvidence, CodeEvidence


class CodeOwners(Protocol):
    """Who finds the owner of a code or a card at the insurer's, for looking up."""

    def owner(self, evidence: CodeEvidence | CardEvidence) -> PersonNo:
        """The insurer's number of the person.

        Raises:
            Refused: What the insurer refuses.
        """
        ...
