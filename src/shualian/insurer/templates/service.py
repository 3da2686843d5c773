"""Use cases of templates: enrol, note a use, replace by two people, expire, tell, count."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo, SessionId, StaffId, new_identifier
from shualian.core.refusals import Refused
from shualian.insurer.consents.model import CONSENT_NOT_IN_FORCE, ConsentTerms, DocumentKind
from shualian.insurer.consents.service import Consents
from shualian.insurer.erasures.model import DeletionReceipt, ErasureReason, ReceiptNo
from shualian.insurer.erasures.service import Erasures
from shualian.insurer.templates import store
from shualian.insurer.templates.model import (
    FILING_PEOPLE,
    PAYMENT_HELD,
    REPLACEMENT_NOT_FOUND,
    REPLACEMENT_WAITING,
    TEMPLATE_EXISTS,
    TEMPLATE_MISSING,
    EnrolmentState,
    FilingDuty,
    HeldTemplate,
    ProposalId,
    Replacement,
    TemplateChange,
    TemplateEvent,
    TemplateMatters,
    Told,
    check_approval,
    check_document,
    check_grounds,
    institution_of,
)
from shualian.insurer.templates.ports import EnrolmentSession, Notices, TemplateGallery
from shualian.terminals.model import Actor
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record
from shualian.verification.model import ConsentPurpose
from shualian.verification.ports import NewTemplate

_PAGE = 500
_CLAIMED_FOR = timedelta(minutes=5)


class Templates:
    """Which insured people have a template, and why.

    An enrolment is written down, the gallery adds the template, and the consent is looked at once
    more before it counts; what is not finished is taken back. With :meth:`Erasures.exclusive` a
    withdrawal waits for an enrolment of the same person under way in this process, and an
    enrolment begun before a withdrawal of another process takes its template back itself.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        gallery: TemplateGallery,
        consents: Consents,
        erasures: Erasures,
        template_months: int,
        filing_people: int = FILING_PEOPLE,
    ) -> None:
        """Keep templates in ``gallery``.

        Args:
            database: Has ``store.metadata``'s tables, the gallery's, those of consents and
                erasures, and the audit's.
            clock: For every moment.
            gallery: Of insured people.
            consents: What people agreed to.
            erasures: Of everything about a face; its stores include those of ``store``.
            template_months: Until an unused template is deleted, at most.
            filing_people: From how many people filing is a duty; can only be lowered.
        """
        self._database = database
        self._clock = clock
        self._gallery = gallery
        self._consents = consents
        self._erasures = erasures
        self._template_months = template_months
        self._filing_people = min(filing_people, FILING_PEOPLE)

    def enrol(
        self, psn_no: PersonNo, new_template: NewTemplate, *, session: EnrolmentSession
    ) -> bool:
        """Keep a template of a person; whether it is new, so the same session again is harmless.

        Args:
            psn_no: Whose.
            new_template: From the capture of ``session``.
            session: In which the person was verified by the registry, with active liveness.

        Raises:
            Refused: As :func:`check_grounds`; ``insurer.consent_not_in_force``,
                ``template_exists``, ``erasure_unfinished``; what the gallery refuses. Then
                nothing was kept.
        """
        check_grounds(psn_no, session.person)
        with self._erasures.exclusive(psn_no):
            self._take_back(psn_no)
            if not self._begin(psn_no, session.session_id):
                return False
            try:
                self._gallery.enrol(
                    psn_no, new_template.embedding, new_template.path_id, new_template.quality
                )
                self._keep(psn_no, session.session_id)
            except Refused:
                self._undo(psn_no)
                raise
        return True

    def finish_waiting(self) -> int:
        """Take back what a crash left between gallery and register; run on start. How many."""
        waiting = self._database.read(store.people_waiting)
        for psn_no in waiting:
            with self._erasures.exclusive(psn_no):
                self._take_back(psn_no)
        return len(waiting)

    def used(self, psn_no: PersonNo, at: datetime) -> None:
        """Note that a template decided, so that it is not deleted as unused."""
        self._database.write(lambda connection: store.use(connection, psn_no, at))

    def with_template(self, people: Collection[PersonNo]) -> Collection[PersonNo]:
        """Those of ``people`` whose template is kept, which takes a consent in force."""
        return self._database.read(lambda connection: store.held_among(connection, people))

    def payment_held_until(self, psn_no: PersonNo) -> datetime | None:
        """Until when the face pays nothing, after a replacement; ``None``: it may."""
        until = self._database.read(lambda connection: store.payment_hold(connection, psn_no))
        return until if until is not None and until > self._clock.now() else None

    def about(self, psn_no: PersonNo) -> TemplateMatters:
        """What is known of a person's template, for the person."""
        held = self._database.read(lambda connection: store.held(connection, psn_no))
        return TemplateMatters(
            held=held,
            unused_until=None if held is None else held.unused_until(self._template_months),
            payment_held_until=self.payment_held_until(psn_no),
        )

    def propose_replacement(
        self, psn_no: PersonNo, *, actor: Actor, document: DocumentKind
    ) -> Replacement:
        """Ask a second person to let a failing template be replaced.

        Args:
            psn_no: Whose template.
            actor: The clerk who saw the document and the person.
            document: With a photo.

        Raises:
            Refused: ``insurer.replacement_document``, ``template_missing``,
                ``replacement_waiting``.
        """
        check_document(document)
        made = Replacement(
            proposal_id=ProposalId(new_identifier()),
            psn_no=psn_no,
            institution=institution_of(actor),
            document=document,
            proposed_by=actor.staff,
            proposed_at=self._clock.now(),
        )

        def work(connection: Connection) -> None:
            if store.held(connection, psn_no) is None:
                raise Refused(TEMPLATE_MISSING)
            if store.waiting_replacements(connection, now=made.proposed_at, psn_no=psn_no):
                raise Refused(REPLACEMENT_WAITING)
            store.add_replacement(connection, made)
            change = TemplateChange.REPLACEMENT_PROPOSED
            self._record(connection, change, psn_no, actor=actor.staff, proposal=made.proposal_id)

        self._database.write(work)
        return made

    def waiting_replacements(self, *, actor: Actor) -> list[Replacement]:
        """What waits for a second person where ``actor`` works."""
        now = self._clock.now()
        waiting = self._database.read(
            lambda connection: store.waiting_replacements(connection, now=now)
        )
        return [each for each in waiting if each.institution == institution_of(actor)]

    def approve_replacement(self, proposal_id: ProposalId, *, actor: Actor) -> DeletionReceipt:
        """Delete the failing template, so that the person may enrol anew by number or document.

        The new face pays nothing for 24 hours, from now and again from its enrolment, and the
        person is told by the channel that they had before.

        Raises:
            Refused: ``insurer.replacement_not_found``, ``replacement_decided``,
                ``replacement_same_person``, ``replacement_too_late``; ``erasure_unfinished``: it
                is approved and the deletion goes on.
        """
        psn_no = self._database.read(lambda each: _found(each, proposal_id)).psn_no
        with self._erasures.exclusive(psn_no):
            number = self._database.write(lambda each: self._approve(each, proposal_id, actor))
            return self._erasures.finish(number)

    def expire(self, now: datetime) -> tuple[DeletionReceipt, ...]:
        """Delete every template that was not used for long, or has no consent any more.

        Consents end by themselves too: a guardian's when the child becomes 14, any when more is
        done than the agreed wording said. For a daily run.
        """
        receipts = (self._expire(held, now) for held in self._held())
        return tuple(receipt for receipt in receipts if receipt is not None)

    def filing_due(self) -> FilingDuty:
        """How many people have a template, and whether filing with the regulator is a duty."""
        return FilingDuty(self._database.read(store.count_held), self._filing_people)

    def tell_waiting(self, notices: Notices, *, notes_max: int = 100) -> int:
        """Tell people what waits to be told, at least once each; for a worker. How many.

        Raises:
            Refused: What ``notices`` refuses; the note is taken again after five minutes.
        """
        for told in range(notes_max):
            if not self._tell_next(notices):
                return told
        return notes_max

    def _tell_next(self, notices: Notices) -> bool:
        now = self._clock.now()
        note = self._database.write(
            lambda connection: store.claim_note(connection, now=now, claimed_for=_CLAIMED_FOR)
        )
        if note is None:
            return False
        note_id, psn_no, what = note
        notices.tell(psn_no, what)
        self._database.write(lambda connection: store.close_note(connection, note_id, now))
        return True

    def _begin(self, psn_no: PersonNo, session_id: SessionId) -> bool:
        """Whether the enrolment is to go on; one that was kept is not repeated."""
        terms_inside, now = self._consents.terms_inside(psn_no), self._clock.now()

        def work(connection: Connection) -> bool:
            state = store.enrolment_state(connection, session_id)
            held = store.held(connection, psn_no)
            if state is EnrolmentState.KEPT and held is not None:
                return False
            _check_consent(terms_inside(connection))
            self._erasures.check_none_open(connection, psn_no)
            # A session is good for one template, also when that one was deleted since.
            if held is not None or state is EnrolmentState.KEPT:
                raise Refused(TEMPLATE_EXISTS)
            store.begin_enrolment(connection, session_id, psn_no, now)
            return True

        return self._database.write(work)

    def _keep(self, psn_no: PersonNo, session_id: SessionId) -> None:
        terms_inside, now = self._consents.terms_inside(psn_no), self._clock.now()

        def work(connection: Connection) -> None:
            terms = terms_inside(connection)
            _check_consent(terms)
            if not store.keep_enrolment(connection, session_id):
                raise Refused(CONSENT_NOT_IN_FORCE)
            store.put_held(connection, HeldTemplate(psn_no, now, now, terms.template_months))
            if store.enrolled_anew(connection, psn_no, session_id):
                store.hold_payment(connection, psn_no, now + PAYMENT_HELD)
            self._record(connection, TemplateChange.ENROLLED, psn_no, session=session_id)

        self._database.write(work)

    def _take_back(self, psn_no: PersonNo) -> None:
        """Undo an enrolment that a fault broke off."""
        if self._database.read(lambda connection: store.count_waiting(connection, psn_no)):
            self._undo(psn_no)

    def _undo(self, psn_no: PersonNo) -> None:
        """Undo an enrolment, gallery first; there is no other template beside it."""
        self._gallery.delete_subject(psn_no)

        def work(connection: Connection) -> None:
            store.undo_enrolments(connection, psn_no)
            self._record(connection, TemplateChange.UNDONE, psn_no)

        self._database.write(work)

    def _approve(self, connection: Connection, proposal_id: ProposalId, actor: Actor) -> ReceiptNo:
        now = self._clock.now()
        replacement = _found(connection, proposal_id)
        check_approval(replacement, actor, now=now)
        psn_no = replacement.psn_no
        store.approve_replacement(connection, proposal_id, actor.staff)
        store.hold_payment(connection, psn_no, now + PAYMENT_HELD)
        store.add_note(connection, psn_no, Told.TEMPLATE_REPLACED)
        change = TemplateChange.REPLACEMENT_APPROVED
        self._record(connection, change, psn_no, actor=actor.staff, proposal=proposal_id)
        return self._erasures.begin(connection, psn_no, reason=ErasureReason.REPLACED, at=now)

    def _held(self) -> Iterator[HeldTemplate]:
        last = ""
        while page := self._database.read(partial(store.held_after, after=last, count=_PAGE)):
            yield from page
            last = page[-1].psn_no

    def _expire(self, held: HeldTemplate, now: datetime) -> DeletionReceipt | None:
        if self._reason(held, self._consents.terms(held.psn_no), now) is None:
            return None
        psn_no = held.psn_no
        terms_inside = self._consents.terms_inside(psn_no)

        def work(connection: Connection) -> ReceiptNo | None:
            # It may have been used, or deleted, since it was looked at.
            found = store.held(connection, psn_no)
            reason = self._reason(found, terms_inside(connection), now) if found else None
            if reason is None:
                return None
            store.add_note(connection, psn_no, Told.TEMPLATE_EXPIRED)
            self._record(connection, TemplateChange.EXPIRED, psn_no)
            return self._erasures.begin(connection, psn_no, reason=reason, at=self._clock.now())

        with self._erasures.exclusive(psn_no):
            number = self._database.write(work)
            return None if number is None else self._erasures.finish(number)

    def _reason(
        self, held: HeldTemplate, terms: ConsentTerms, now: datetime
    ) -> ErasureReason | None:
        if ConsentPurpose.TEMPLATE not in terms.in_force:
            return ErasureReason.NO_CONSENT
        is_unused = business_date(now) >= held.unused_until(self._template_months)
        return ErasureReason.UNUSED if is_unused else None

    def _record(
        self,
        connection: Connection,
        change: TemplateChange,
        psn_no: PersonNo,
        *,
        session: SessionId | None = None,
        actor: StaffId | None = None,
        proposal: ProposalId | None = None,
    ) -> None:
        event = TemplateEvent(
            change=change,
            subject=psn_no,
            session=session,
            actor=actor,
            proposal=None if proposal is None else Reference(proposal),
        )
        record(connection, event, at=self._clock.now())


def _check_consent(terms: ConsentTerms) -> None:
    if ConsentPurpose.TEMPLATE not in terms.in_force:
        raise Refused(CONSENT_NOT_IN_FORCE)


def _found(connection: Connection, proposal_id: ProposalId) -> Replacement:
    found = store.replacement(connection, proposal_id)
    if found is None:
        raise Refused(REPLACEMENT_NOT_FOUND)
    return found
