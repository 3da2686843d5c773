"""Use cases of consents: give, ask what is in force, withdraw and erase, show what is held."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.consents import store
from shualian.insurer.consents.model import (
    CONSENT_TIME_INVALID,
    ByGuardian,
    Channel,
    ChannelKind,
    ConsentChange,
    ConsentEvent,
    ConsentRecorded,
    ConsentTerms,
    FaceMatters,
    FaceMattersShown,
    GivenBy,
    Withdrawal,
    check_adult,
    check_giver,
    check_withdrawer,
    erases,
    guardian_relation,
    purposes_to_give,
    same_withdrawal,
    terms_of,
    withdrawn_with,
)
from shualian.insurer.consents.ports import People
from shualian.insurer.erasures.model import DeletionReceipt, ErasureReason, ReceiptNo
from shualian.insurer.erasures.service import Erasures
from shualian.insurer.notices.model import Notices
from shualian.insurer.persons.model import age_on
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record
from shualian.verification.model import ConsentPurpose


@dataclass(frozen=True, slots=True)
class _Act:
    """Somebody acts for a person."""

    psn_no: PersonNo
    age: int
    by: GivenBy
    channel: Channel
    at: datetime


class Consents:
    """What insured people agreed to.

    A withdrawal is written down before anything is erased: from then on the consent is not in
    force and nobody is compared, whatever happens to the erasing, which is repeated until done.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        notices: Notices,
        people: People,
        erasures: Erasures,
    ) -> None:
        self._database = database
        self._clock = clock
        self._notices = notices
        self._people = people
        self._erasures = erasures

    def give(
        self,
        psn_no: PersonNo,
        purposes: Collection[ConsentPurpose],
        *,
        notice_version: str,
        at: datetime,
        given_by: GivenBy,
        channel: Channel,
    ) -> tuple[ConsentPurpose, ...]:
        """Write down what was agreed to; gives what is new, and a repeat gives nothing.

        See :meth:`give_inside`, which it runs in a transaction of its own.
        """
        return self._database.write(
            self.give_inside(
                psn_no,
                purposes,
                notice_version=notice_version,
                at=at,
                given_by=given_by,
                channel=channel,
            )
        )

    def give_inside(
        self,
        psn_no: PersonNo,
        purposes: Collection[ConsentPurpose],
        *,
        notice_version: str,
        at: datetime,
        given_by: GivenBy,
        channel: Channel,
    ) -> Callable[[Connection], tuple[ConsentPurpose, ...]]:
        """What writes an agreement down inside a transaction of the caller.

        Reads what it needs first, in a transaction of its own.

        An adult's own comparison is agreed to in each capture session and not written here.

        Args:
            psn_no: Whose consent.
            purposes: The ticks that were set.
            notice_version: Of the wording that was shown.
            at: When, UTC, not in the future.
            given_by: The person or a guardian.
            channel: Where.

        Raises:
            Refused: ``insurer.notice_outdated``, ``consent_not_offered``, ``consent_withdrawn``,
                ``guardian_missing``, ``guardian_not_proven``, ``document_not_enough``,
                ``clerk_missing``, ``consent_time_invalid``, ``erasure_unfinished``.
        """
        if at > self._clock.now():
            raise Refused(CONSENT_TIME_INVALID)
        act = self._act(psn_no, given_by, channel, at)

        def work(connection: Connection) -> tuple[ConsentPurpose, ...]:
            events = store.events_of(connection, psn_no)
            check_giver(given_by, events, age=act.age)
            new = purposes_to_give(
                purposes,
                events,
                notices=self._notices,
                notice_version=notice_version,
                at=at,
                by=given_by,
            )
            if ConsentPurpose.TEMPLATE in new:
                self._erasures.check_none_open(connection, psn_no)
            given = _events(
                act, new, ConsentChange.GIVEN, after=len(events), notice_version=notice_version
            )
            self._write(connection, act, given)
            return new

        return work

    def withdraw(
        self, psn_no: PersonNo, purpose: ConsentPurpose, *, by: GivenBy, channel: Channel
    ) -> Withdrawal:
        """Withdraw a consent; when the answer is given, nothing of it can be reached any more.

        Withdrawing what was never given searches and answers as well. Without the comparison
        nothing else stands, so it withdraws all.

        Args:
            psn_no: Whose consent.
            purpose: Which.
            by: The person or a guardian.
            channel: Where; a repeat with the same ``session_id`` has the same receipt.

        Raises:
            Refused: ``insurer.erasure_unfinished``: the withdrawal stands and nobody is compared,
                and the erasing goes on; or that ``by`` may not act for the person.
        """
        act = self._act(psn_no, by, channel, self._clock.now())
        with self._erasures.exclusive(psn_no):
            at, number = self._database.write(
                lambda connection: self._withdraw(connection, act, purpose)
            )
            receipt = None if number is None else self._erasures.finish(number)
        return Withdrawal(withdrawn_with(purpose), at, receipt)

    def finish_open_withdrawals(self) -> tuple[DeletionReceipt, ...]:
        """Go on with every erasure that was begun; run on start, before any comparison.

        Raises:
            Refused: ``insurer.erasure_unfinished`` when one cannot be finished; all were tried.
        """
        return self._erasures.finish_open()

    def terms(self, psn_no: PersonNo) -> ConsentTerms:
        """What the consents of a person come to now.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        return self._database.read(self.terms_inside(psn_no))

    def terms_inside(self, psn_no: PersonNo) -> Callable[[Connection], ConsentTerms]:
        """As :meth:`terms`, to be asked inside a transaction of the caller.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        return self._terms_on(psn_no, business_date(self._clock.now()))

    def in_force(self, psn_no: PersonNo) -> frozenset[ConsentPurpose]:
        """What a person agrees to now, beyond what is ticked in a session.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        return self.terms(psn_no).in_force

    def guardian_missing(self, psn_no: PersonNo, *, today: date) -> bool:
        """Whether a child under 14 has no guardian's consent to comparisons.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        return self._database.read(self._terms_on(psn_no, today)).guardian_missing

    def as_guardian(self, psn_no: PersonNo, guardian: PersonNo) -> ByGuardian:
        """Somebody who acts as a guardian by a proof of their own, after documents were seen.

        Raises:
            Refused: ``insurer.guardian_not_proven``.
        """
        events = self._database.read(lambda connection: store.events_of(connection, psn_no))
        return ByGuardian(guardian_relation(events, guardian), guardian)

    def check_may_see(self, psn_no: PersonNo, *, by: GivenBy) -> None:
        """Check that who asks at a window may see the matters of a person.

        Raises:
            Refused: As :meth:`withdraw` does about ``by``.
        """
        now = self._clock.now()
        act = self._act(psn_no, by, Channel(ChannelKind.WINDOW), now)
        events = self._database.read(lambda connection: store.events_of(connection, psn_no))
        check_withdrawer(by, events, age=act.age)

    def receipt(self, number: ReceiptNo) -> DeletionReceipt:
        """A deletion receipt by its number, which whoever holds the print may ask for.

        Raises:
            Refused: ``insurer.receipt_not_found``.
        """
        return self._erasures.receipt(number)

    def export(self, psn_no: PersonNo) -> FaceMatters:
        """A copy of what is held about a person's face: dates, wordings, counts, receipts.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        return FaceMatters(
            events=self._database.read(lambda connection: store.events_of(connection, psn_no)),
            terms=self.terms(psn_no),
            holdings=self._erasures.holdings(psn_no),
            receipts=self._erasures.receipts_of(psn_no),
        )

    def show(self, psn_no: PersonNo, *, by: GivenBy, channel: Channel) -> FaceMatters:
        """The copy for somebody whose face did not ask for it; that it was shown is recorded.

        Args:
            psn_no: Whose.
            by: The person with a document before a clerk, or a guardian.
            channel: Where.

        Raises:
            Refused: As :meth:`withdraw` does about ``by``.
        """
        act = self._act(psn_no, by, channel, self._clock.now())

        def work(connection: Connection) -> None:
            check_withdrawer(by, store.events_of(connection, psn_no), age=act.age)
            record(connection, _shown(act), at=act.at)

        self._database.write(work)
        return self.export(psn_no)

    def _act(self, psn_no: PersonNo, by: GivenBy, channel: Channel, at: datetime) -> _Act:
        today = business_date(self._clock.now())
        if isinstance(by, ByGuardian) and by.guardian is not None:
            check_adult(self._people.birth_date(by.guardian), today)
        age = age_on(self._people.birth_date(psn_no), today)
        return _Act(psn_no, age, by, channel, at)

    def _terms_on(self, psn_no: PersonNo, today: date) -> Callable[[Connection], ConsentTerms]:
        # Looked up first: it has a transaction of its own.
        birth_date = self._people.birth_date(psn_no)

        def work(connection: Connection) -> ConsentTerms:
            events = store.events_of(connection, psn_no)
            return terms_of(events, self._notices, birth_date=birth_date, today=today)

        return work

    def _withdraw(
        self, connection: Connection, act: _Act, purpose: ConsentPurpose
    ) -> tuple[datetime, ReceiptNo | None]:
        events = store.events_of(connection, act.psn_no)
        check_withdrawer(act.by, events, age=act.age)
        earlier = same_withdrawal(events, purpose, act.channel)
        if earlier is not None:
            return earlier.at, earlier.receipt_no
        purposes = withdrawn_with(purpose)
        number = None
        if erases(purposes):
            reason = ErasureReason.WITHDRAWN
            number = self._erasures.begin(connection, act.psn_no, reason=reason, at=act.at)
        withdrawn = _events(
            act, purposes, ConsentChange.WITHDRAWN, after=len(events), receipt_no=number
        )
        self._write(connection, act, withdrawn)
        return act.at, number

    def _write(self, connection: Connection, act: _Act, events: tuple[ConsentEvent, ...]) -> None:
        store.add(connection, act.psn_no, events)
        for event in events:
            record(connection, _audited(act, event), at=self._clock.now())


def _events(
    act: _Act,
    purposes: Collection[ConsentPurpose],
    change: ConsentChange,
    *,
    after: int,
    notice_version: str | None = None,
    receipt_no: ReceiptNo | None = None,
) -> tuple[ConsentEvent, ...]:
    return tuple(
        ConsentEvent(
            number=number,
            change=change,
            purpose=purpose,
            notice_version=notice_version,
            at=act.at,
            by=act.by,
            channel=act.channel,
            receipt_no=receipt_no,
        )
        for number, purpose in enumerate(purposes, after + 1)
    )


def _shown(act: _Act) -> FaceMattersShown:
    return FaceMattersShown(
        subject=act.psn_no,
        channel=act.channel.kind,
        guardian=isinstance(act.by, ByGuardian),
        checked_by=act.by.checked_by,
        institution=act.channel.institution,
        session=act.channel.session_id,
    )


def _audited(act: _Act, event: ConsentEvent) -> ConsentRecorded:
    version, receipt_no = event.notice_version, event.receipt_no
    return ConsentRecorded(
        subject=act.psn_no,
        change=event.change,
        purpose=event.purpose,
        notice=None if version is None else Reference(version),
        channel=act.channel.kind,
        terminal=act.channel.terminal_id,
        guardian=isinstance(act.by, ByGuardian),
        checked_by=act.by.checked_by,
        receipt=None if receipt_no is None else Reference(receipt_no),
    )
