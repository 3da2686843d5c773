"""What family bindings need from outside: who people are, own proofs, a way to tell people."""

from typing import Protocol

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import AuthNo, IntentId, PersonNo
from shualian.insurer.family.model import FamilyNews
from shualian.insurer.persons.model import Insured
from shualian.terminals.model import Terminal
from shualian.verification.model import ConfirmedPerson


class InsuredPersons(Protocol):
    """The register of insured persons."""

    def get(self, psn_no: PersonNo) -> Insured:
        """The person with this number.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        ...

    def find_by_id_number(self, id_number: IdNumber) -> Insured | None:
        """The person with this ID number, if insured here."""
        ...


class Confirmations(Protocol):
    """Where a person's own proof is redeemed."""

    def confirmed(
        self, auth_no: AuthNo, *, terminal: Terminal, intent_id: IntentId, use: str
    ) -> ConfirmedPerson:
        """Who confirmed exactly this, at this terminal, just now; the same when repeated.

        Raises:
            Refused: When the proof is another's, over, used up or for something else.
        """
        ...


class Notices(Protocol):
    """A way to tell a person something: a message, a letter."""

    def tell(self, psn_no: PersonNo, what: FamilyNews) -> None:
        """Tell it; may be told twice.

        Raises:
            Refused: When nothing can be told now.
        """
        ...
