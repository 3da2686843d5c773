"""What the aftermath of a scan needs from the subjects beside it."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import PersonNo, SessionId
from shualian.insurer.consents.model import Channel, GivenBy
from shualian.insurer.persons.model import InsuranceNotice
from shualian.insurer.vouchers.model import VoucherState
from shualian.verification.model import ConsentPurpose, Identity
from shualian.verification.ports import NewTemplate
from shualian.verification.sessions.model import CaptureSession


class Register(Protocol):
    """The register of insured persons."""

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        """The number of the person with this ID number, if insured here."""
        ...

    def by_last_digits(self, digits: str) -> Collection[PersonNo]:
        """The people whose ID numbers end so."""
        ...

    def identity(self, subject: PersonNo) -> Identity:
        """Who a person is.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        ...

    def insurance_note(
        self, psn_no: PersonNo, *, care_region: str | None = None
    ) -> InsuranceNotice | None:
        """What to tell a person about an insurance that is not in force."""
        ...


class VoucherBook(Protocol):
    """Vouchers."""

    def standing(self, psn_no: PersonNo, *, now: datetime | None = None) -> VoucherState:
        """Where a person's voucher stands."""
        ...

    def standing_in(
        self, connection: Connection, psn_no: PersonNo, *, now: datetime
    ) -> VoucherState:
        """The same, inside a transaction of the caller."""
        ...

    def scanned_in(
        self,
        connection: Connection,
        psn_no: PersonNo,
        *,
        region: str,
        session_id: SessionId,
        at: datetime,
    ) -> VoucherState:
        """Activate, wake or note a use, inside a transaction of the caller; the state before.

        Raises:
            Refused: ``insurer.voucher_frozen``, ``insurer.voucher_closed``.
        """
        ...


class ConsentBook(Protocol):
    """Consents, to be written inside a transaction of the caller."""

    def in_force(self, psn_no: PersonNo) -> frozenset[ConsentPurpose]:
        """What a person agrees to now."""
        ...

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


class Terms(Protocol):
    """What a person's consents come to."""

    @property
    def in_force(self) -> frozenset[ConsentPurpose]:
        """What the person agrees to."""
        ...

    @property
    def guardian_missing(self) -> bool:
        """Whether a child has no guardian's consent."""
        ...

    @property
    def ask_again(self) -> frozenset[ConsentPurpose]:
        """What was agreed to under a wording that a newer material one replaced."""
        ...


class ConsentTerms(Protocol):
    """What consents come to now."""

    def terms(self, psn_no: PersonNo) -> Terms:
        """Of a person.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        ...


class PaymentHolds(Protocol):
    """Holds on payments by face after a template was replaced."""

    def payment_held_until(self, psn_no: PersonNo) -> datetime | None:
        """Until when no face of this person pays; UTC."""
        ...


class TemplateBook(Protocol):
    """Templates of insured people."""

    def enrol(
        self, psn_no: PersonNo, new_template: NewTemplate, *, session: CaptureSession
    ) -> object:
        """Keep a first template; the same session again changes nothing.

        Raises:
            Refused: When it cannot be kept, as when there is one already.
        """
        ...

    def used(self, psn_no: PersonNo, at: datetime) -> None:
        """Note that a person's template decided, so that it is not deleted as unused."""
        ...
