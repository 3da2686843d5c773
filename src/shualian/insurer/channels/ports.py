"""What activations by channels need from outside."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import PersonNo
from shualian.insurer.consents.model import Channel, GivenBy
from shualian.insurer.persons.model import Insured
from shualian.insurer.vouchers.model import ByChannel, QrCode
from shualian.verification.model import ConsentPurpose


class Register(Protocol):
    """The register of insured persons."""

    def find_by_id_number(self, id_number: IdNumber) -> Insured | None:
        """The person with this ID number, if insured here."""
        ...


class VoucherBook(Protocol):
    """Vouchers, inside a transaction of the caller."""

    def channel_activates_in(
        self,
        connection: Connection,
        psn_no: PersonNo,
        *,
        region: str,
        evidence: ByChannel,
        at: datetime,
    ) -> str:
        """Activate; gives the ``ec_token``.

        Raises:
            Refused: ``insurer.voucher_frozen``, ``insurer.voucher_closed``.
        """
        ...

    def token_in(self, connection: Connection, psn_no: PersonNo) -> str:
        """The ``ec_token`` that a voucher has, whatever its state."""
        ...


class CodeBook(Protocol):
    """Codes that a channel's application shows."""

    def by_ec_token(self, ec_token: str) -> PersonNo:
        """Whose token this is.

        Raises:
            Refused: When it is nobody's, or the voucher is not active.
        """
        ...

    def show_code(self, psn_no: PersonNo) -> QrCode:
        """A new code, single use, 30 seconds.

        Raises:
            Refused: When the voucher is not active.
        """
        ...


class ConsentBook(Protocol):
    """Consents, to be written inside a transaction of the caller."""

    def give_inside(
        self,
        psn_no: PersonNo,
        purposes: Collection[ConsentPurpose],
        *,
        notice_version: str,
        at: datetime,
        given_by: GivenBy,
        channel: Channel,
    ) -> Callable[[Connection], object]:
        """What writes down an agreement; reads what it needs first, in a transaction of its own.

        Raises:
            Refused: Here or inside, when it cannot be given.
        """
        ...


class PersonSealer(Protocol):
    """A keyed hash, by which a repeated request is told from another one."""

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """A value that only equal values share and that says nothing without the key."""
        ...
