"""What the inbox needs from outside: who has something to tell, proofs, and whose channel it is."""

from typing import Protocol

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import AuthNo, IntentId, PersonNo
from shualian.insurer.channels.model import Channel
from shualian.insurer.consents.model import ByGuardian, GivenBy
from shualian.insurer.messages.model import What
from shualian.terminals.model import Terminal
from shualian.verification.model import ConfirmedPerson


class Told(Protocol):
    """Whom the others give what they have to tell; the inbox is one."""

    def tell(self, psn_no: PersonNo, what: What) -> None:
        """Tell the person; told twice is told once."""
        ...


class Teller(Protocol):
    """A subject that has something to tell: templates, family bindings."""

    def tell_waiting(self, notices: Told) -> int:
        """Tell what waits, at least once each; how many.

        Raises:
            Refused: What ``notices`` refuses.
        """
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


class Guardians(Protocol):
    """Who may see the matters of whom; consents know it."""

    def as_guardian(self, psn_no: PersonNo, guardian: PersonNo) -> ByGuardian:
        """Somebody who acts as a guardian by a proof of their own.

        Raises:
            Refused: ``insurer.guardian_not_proven``.
        """
        ...

    def check_may_see(self, psn_no: PersonNo, *, by: GivenBy) -> None:
        """Check that the guardian still is one.

        Raises:
            Refused: ``insurer.guardian_not_proven``.
        """
        ...


class People(Protocol):
    """The register of insured persons."""

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        """The person with this ID number."""
        ...


class VoucherHolders(Protocol):
    """Whose voucher a channel's application shows."""

    def by_ec_token(self, ec_token: str) -> PersonNo:
        """Whose token this is.

        Raises:
            Refused: When it is nobody's, or the voucher is not active.
        """
        ...


class ChannelBook(Protocol):
    """Who activated through which channel."""

    def activated(self, channel: Channel, psn_no: PersonNo) -> bool:
        """Whether this channel activated the person's voucher."""
        ...
