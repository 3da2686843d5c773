"""What vouchers, codes and PINs need from outside."""

from typing import Protocol

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import AuthNo, IntentId, PersonNo
from shualian.insurer.persons.model import Insured
from shualian.terminals.model import Terminal
from shualian.verification.model import ConfirmedPerson


class VoucherSealer(Protocol):
    """Authenticated encryption at rest, and a keyed hash by which equal values are found."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: When the content, the purpose or the context is another.
        """
        ...

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """A value that only equal values share and that says nothing without the key."""
        ...


class People(Protocol):
    """The register of insured persons."""

    def get(self, psn_no: PersonNo) -> Insured:
        """The person with this number.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        ...

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        """The number of the person with this ID number, if insured here."""
        ...


class Confirmations(Protocol):
    """The proof that a person stands at a terminal and wants this, redeemed by the insurer."""

    def confirmed(
        self, auth_no: AuthNo, *, terminal: Terminal, intent_id: IntentId, use: str
    ) -> ConfirmedPerson:
        """Who confirmed this intent just now at this terminal, by a proof for insured services.

        Raises:
            Refused: When the proof is not exactly for that.
        """
        ...
