"""What evidence needs from outside: PINs, shown codes, a keyed hash."""

from typing import Protocol

from sqlalchemy import Connection

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import InstitutionCode, IntentId, PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.vouchers.model import CodeRedemption


class Pins(Protocol):
    """People's PINs."""

    def check(self, subject: PersonNo, pin: str) -> None:
        """Accept the right PIN; failures are counted and lock.

        Raises:
            Refused: When it is wrong, not set or locked.
        """
        ...


class Codes(Protocol):
    """Codes that phones show."""

    def code_digest(self, token: str) -> bytes:
        """By which a shown code is kept; computed outside transactions."""
        ...

    def redeem_code_in(
        self,
        connection: Connection,
        digest: bytes,
        *,
        institution: InstitutionCode,
        intent_id: IntentId,
        use: str,
    ) -> CodeRedemption | Refused:
        """Use a code up in the caller's transaction; a refusal as a value is to be committed.

        Raises:
            Refused: When the code is not good for exactly this.
        """
        ...


class People(Protocol):
    """The register of insured persons."""

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        """Who has this ID number, if an insured person has."""
        ...


class Hasher(Protocol):
    """A keyed hash by which equal values are found."""

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """A value that only equal values share and that says nothing without the key."""
        ...
