"""What consents need from outside: people's ages, and proofs of a person's own act."""

from datetime import date
from typing import Protocol

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import AuthNo, InstitutionCode, IntentId, PersonNo
from shualian.insurer.channels.model import Channel as Partner
from shualian.terminals.model import Terminal
from shualian.verification.model import ConfirmedPerson


class People(Protocol):
    """Who is insured."""

    def birth_date(self, psn_no: PersonNo) -> date:
        """Of a person.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        ...

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


class InstitutionNames(Protocol):
    """What people call an institution."""

    def name(self, institution: InstitutionCode) -> str | None:
        """Its name, when it is known."""
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

    def activated(self, channel: Partner, psn_no: PersonNo) -> bool:
        """Whether this channel activated the person's voucher."""
        ...
