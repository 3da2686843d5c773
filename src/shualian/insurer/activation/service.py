"""Use cases after a verified scan, and what verification asks of insured people before one."""

from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Finality, Refused
from shualian.insurer.activation import store
from shualian.insurer.activation.model import (
    ScanFollowed,
    TemplateStep,
    agreements,
    is_strong,
    may_enrol,
    may_follow,
)
from shualian.insurer.activation.ports import (
    ConsentBook,
    ConsentTerms,
    PaymentHolds,
    Register,
    TemplateBook,
    VoucherBook,
)
from shualian.insurer.consents import model as consents
from shualian.insurer.vouchers.model import VoucherState
from shualian.verification.model import (
    Basis,
    ConsentPurpose,
    Identity,
    Standing,
    VerifiedPerson,
    VoucherStanding,
)
from shualian.verification.ports import NewTemplate
from shualian.verification.sessions.model import CaptureSession

_Write = Callable[[Connection], object]


class Activation:
    """What follows from a verified scan; verification's port ``Aftermath``.

    Voucher and consents are written together or not at all. The template follows in a transaction
    of its own, because the index is not the database: when the process dies between, the session
    stays with a template that is wanted, and the same session or the person's next scan with that
    consent completes it.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        register: Register,
        vouchers: VoucherBook,
        book: ConsentBook,
        templates: TemplateBook,
    ) -> None:
        self._database = database
        self._clock = clock
        self._register = register
        self._vouchers = vouchers
        self._book = book
        self._templates = templates

    def verified(self, session: CaptureSession, new_template: NewTemplate | None) -> bool:
        """Do what follows; the same session again changes nothing more.

        A weak scan (passive, registry not reached, open search) only notes the use of an active
        voucher. Frozen and closed vouchers are left alone.

        Args:
            session: Verified.
            new_template: To be kept, where it may be.

        Returns:
            Whether this session activated or woke the voucher, in this call or an earlier one.

        Raises:
            Refused: When voucher or consents refuse; then nothing was written.
        """
        person = session.person
        if person is None:
            raise ValueError("the session is not verified")
        strong = is_strong(person)
        # Before the transaction: both read in transactions of their own.
        region = self._register.identity(person.subject).region
        agreed = self._agreed(session, person) if strong else []
        in_force = self._book.in_force(person.subject)
        wanted = strong and new_template is not None and may_enrol(session, in_force)
        followed = self._database.write(
            lambda connection: self._follow(connection, session, person, region, agreed, wanted)
        )
        if person.basis is Basis.TEMPLATE:
            self._templates.used(person.subject, followed.at)
        if wanted and new_template and followed.template is TemplateStep.WANTED:
            self._enrol(session, person.subject, new_template)
        return followed.activated

    def _follow(
        self,
        connection: Connection,
        session: CaptureSession,
        person: VerifiedPerson,
        region: str,
        agreed: Collection[_Write],
        wanted: bool,  # noqa: FBT001 - private, from one place
    ) -> ScanFollowed:
        earlier = store.find(connection, session.session_id)
        if earlier is not None:
            return earlier
        now = self._clock.now()
        before = self._vouchers.standing_in(connection, person.subject, now=now)
        follows = may_follow(before, person)
        if follows:
            self._vouchers.scanned_in(
                connection, person.subject, region=region, session_id=session.session_id, at=now
            )
            for write in agreed:
                _agree(write, connection)
        followed = ScanFollowed(
            session_id=session.session_id,
            psn_no=person.subject,
            before=before,
            activated=follows and before is not VoucherState.ACTIVE,
            template=TemplateStep.WANTED if follows and wanted else TemplateStep.NONE,
            at=now,
        )
        store.add(connection, followed)
        return followed

    def _agreed(self, session: CaptureSession, person: VerifiedPerson) -> list[_Write]:
        channel = consents.Channel(
            consents.ChannelKind.TERMINAL,
            institution=session.institution,
            terminal_id=session.terminal_id,
            session_id=session.session_id,
        )
        return [
            self._book.give_inside(
                person.subject,
                sorted(each.purposes),
                notice_version=each.notice_version,
                at=each.given_at,
                given_by=consents.ByPerson(),
                channel=channel,
            )
            for each in agreements(session)
        ]

    def _enrol(self, session: CaptureSession, subject: PersonNo, new_template: NewTemplate) -> None:
        try:
            self._templates.enrol(subject, new_template, session=session)
        except Refused as refused:
            # The person is known and activated; a template that cannot be kept undoes neither.
            if refused.kind.finality is not Finality.FINAL:
                return
            step = TemplateStep.REFUSED
        else:
            step = TemplateStep.ENROLLED
        self._database.write(
            lambda connection: store.put_template(connection, session.session_id, step)
        )


def _agree(write: _Write, connection: Connection) -> None:
    """Write down what was ticked; a child's own ticks count for nothing and refuse nothing."""
    try:
        write(connection)
    except Refused as refused:
        # A guardian agreed to the scan before, or verification had refused it.
        if refused.kind is not consents.GUARDIAN_MISSING:
            raise


class InsuredDesk:
    """What verification asks of insured people; its port ``InsuredPeople``."""

    def __init__(
        self,
        *,
        register: Register,
        vouchers: VoucherBook,
        terms: ConsentTerms,
        holds: PaymentHolds,
    ) -> None:
        self._register = register
        self._vouchers = vouchers
        self._terms = terms
        self._holds = holds

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        """Who has this ID number, if an insured person has."""
        return self._register.by_number(id_number)

    def by_last_digits(self, digits: str) -> Collection[PersonNo]:
        """Everybody in the register whose ID number ends so (four to eight characters)."""
        return self._register.by_last_digits(digits)

    def identity(self, subject: PersonNo) -> Identity:
        """Name, number and region of somebody in the register.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        return self._register.identity(subject)

    def standing(self, subject: PersonNo, *, now: datetime) -> Standing:
        """What decides what a face may do for this person, as it stands now.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        terms = self._terms.terms(subject)
        notice = self._register.insurance_note(subject)
        held_until = self._holds.payment_held_until(subject)
        return Standing(
            voucher=VoucherStanding(self._vouchers.standing(subject, now=now).value),
            template_consent=ConsentPurpose.TEMPLATE in terms.in_force,
            guardian_missing=terms.guardian_missing,
            payment_held_until=held_until,
            insurance_note=None if notice is None else notice.note.value,
            consent_outdated=bool(terms.ask_again),
        )
