"""What the access log needs from outside: the logs of the parts, names, proofs, guardians."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import AuthNo, InstitutionCode, IntentId, PersonNo
from shualian.insurer.consents.model import ByGuardian, GivenBy
from shualian.terminals.model import Terminal
from shualian.verification.emergency.model import Access as EmergencyAccess
from shualian.verification.model import Access as FaceAccess
from shualian.verification.model import ConfirmedPerson


class FaceAccesses(Protocol):
    """Verifications, confirmations and their uses; ``Verification`` is one."""

    def accesses_of(self, psn_no: PersonNo) -> Sequence[FaceAccess]:
        """Of a person, in any order."""
        ...

    def forget_before(self, before: datetime) -> int:
        """Delete what is older; how many sessions."""
        ...


class EmergencyAccesses(Protocol):
    """Emergency searches that suggested somebody; ``EmergencySearch`` is one."""

    def accesses_of(self, psn_no: PersonNo) -> Sequence[EmergencyAccess]:
        """Of a person, in any order."""
        ...

    def forget_before(self, before: datetime) -> int:
        """Delete what is older and was reviewed; how many searches."""
        ...


class InstitutionNames(Protocol):
    """What people call an institution."""

    def name(self, institution: InstitutionCode) -> str | None:
        """Its name, when it is known."""
        ...


class Guardians(Protocol):
    """Who may see the matters of whom; consents know it."""

    def as_guardian(self, psn_no: PersonNo, guardian: PersonNo) -> ByGuardian:
        """Somebody who acts as a guardian by a proof of their own.

        Raises:
            Refused: ``insurer.guardian_not_proven``.
        """
        ...

    def check_may_see(self, psn_no: PersonNo, *, by: GivenBy) -> None:
        """Check that who asks at a window may see the matters of a person.

        Raises:
            Refused: When the document is not enough, or nothing says that it is the guardian.
        """
        ...


class People(Protocol):
    """The register of insured persons."""

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        """The person with this ID number."""
        ...


class Confirmations(Protocol):
    """Proofs of a person's own act (scene 09001, no money), redeemed by the insurer itself."""

    def confirmed(
        self, auth_no: AuthNo, *, terminal: Terminal, intent_id: IntentId, use: str
    ) -> ConfirmedPerson:
        """The person behind a proof; the same answer for the same proof, intent and use.

        Raises:
            Refused: When the proof is not good for this, here and now.
        """
        ...
