"""Use cases of family bindings: what people do by their own proof, and what staff do at a window.

Whoever is asked about is looked up before the transaction; birth dates and ID numbers do not
change. The limits are checked and the row is written in one transaction, so that two acts at the
same moment cannot both take the last place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import InstitutionCode, PersonNo, new_identifier
from shualian.core.refusals import Refused
from shualian.insurer.family import store
from shualian.insurer.family.model import (
    FAMILY_BINDING_NOT_FOUND,
    FAMILY_NO_REVIEW,
    FAMILY_NOT_BOUND,
    FAMILY_PROPOSAL_DIFFERS,
    FAMILY_PROPOSAL_NOT_FOUND,
    PROPOSAL_KEPT,
    PROXY_NOT_OFFERED,
    Binding,
    BindingId,
    Document,
    FamilyChange,
    FamilyEvent,
    FamilyNews,
    Ground,
    Kinship,
    Member,
    Offer,
    Party,
    Proposal,
    ProposalId,
    Terms,
    WindowReason,
    bind,
    check_binding_proof,
    check_documents,
    check_parties,
    check_proposals,
    check_room,
    check_second,
    check_waits,
    next_review,
    propose,
)
from shualian.insurer.family.ports import InsuredPersons, Notices
from shualian.insurer.persons.model import PERSON_NOT_FOUND, Insured
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff, sees
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record
from shualian.verification.model import ConfirmedPerson, Relation, Relative


@dataclass(frozen=True, slots=True)
class FamilyView:
    """Everything that a person may know about their own bindings.

    Attributes:
        relatives: For whom the person may act, late reviews among them.
        holders: Who may act for the person.
        offers: What waits for the person's own act.
    """

    relatives: Sequence[Member]
    holders: Sequence[Member]
    offers: Sequence[Offer]


@dataclass(frozen=True, slots=True)
class DueReview:
    """A binding on documents that somebody must look at again.

    Attributes:
        binding: Which.
        holder: Masked name of who may act.
        relative: Masked name of the one for whom.
        suspended: Whether it was not reviewed in time and does not hold.
    """

    binding: Binding
    holder: str
    relative: str
    suspended: bool


@dataclass(frozen=True, slots=True)
class WaitingForSecond:
    """A window binding that waits for a second member of staff.

    Attributes:
        proposal: Which.
        holder: Masked name of who would act.
        relative: Masked name of the one for whom.
    """

    proposal: Proposal
    holder: str
    relative: str


class FamilyBindings:
    """Who may act for whom, and what people decide about it by their own proof.

    Implements the port ``Relations`` of verification. Every ``person`` comes from a face proof of
    the scene 09001 that was redeemed for exactly this act.
    """

    def __init__(self, *, database: Database, clock: Clock, people: InsuredPersons) -> None:
        self._database = database
        self._clock = clock
        self._people = _People(people)

    def check(
        self, *, subject: PersonNo, beneficiary: PersonNo, relation: Relation, at: datetime
    ) -> None:
        """Check that ``subject`` may act for ``beneficiary`` under this relation at ``at``.

        Raises:
            Refused: ``insurer.family_not_bound``, ``insurer.proxy_not_offered``.
        """
        if relation is Relation.PROXY:
            raise Refused(PROXY_NOT_OFFERED)
        if relation is Relation.SELF and subject == beneficiary:
            return
        # Only a binding speaks for another person, and nobody is bound to themselves.
        if relation is not Relation.FAMILY or subject == beneficiary:
            raise Refused(FAMILY_NOT_BOUND)
        pair = self._database.read(
            lambda connection: store.of_pair(connection, subject, beneficiary)
        )
        if not any(each.in_force(at) for each in pair):
            raise Refused(FAMILY_NOT_BOUND)

    def members(self, psn_no: PersonNo, at: datetime) -> list[Member]:
        """For whom the person may act at ``at``, besides themselves: "今天给谁办？"."""
        held = self._database.read(lambda connection: store.of_holder(connection, psn_no))
        shown = [self._people.member(each, each.terms.relative, at) for each in held]
        return [each for each in shown if each.in_force]

    def relatives(self, subject: PersonNo, *, at: datetime) -> list[Relative]:
        """See :meth:`~shualian.verification.ports.Relations.relatives`."""
        return [
            Relative(each.psn_no, each.masked_name, each.kinship.value)
            for each in self.members(subject, at)
        ]

    def view(self, psn_no: PersonNo) -> FamilyView:
        """Everything that the person may know: both sides, and what waits for their own act."""
        now = self._clock.now()
        today = business_date(now)

        def work(
            connection: Connection,
        ) -> tuple[Sequence[Binding], Sequence[Binding], Sequence[Proposal]]:
            return (
                store.of_holder(connection, psn_no),
                store.of_relative(connection, psn_no),
                store.proposed_to_relative(connection, psn_no, now),
            )

        held, bound, offered = self._database.read(work)
        people = self._people
        return FamilyView(
            [people.member(each, each.terms.relative, now) for each in held if each.stands(today)],
            [people.member(each, each.terms.holder, now) for each in bound if each.stands(today)],
            [people.offer(each) for each in offered],
        )

    def propose(
        self,
        person: ConfirmedPerson,
        *,
        proposal_id: ProposalId,
        relative: IdNumber,
        kinship: Kinship,
    ) -> Proposal:
        """Ask an adult relative to agree; the same proposal again gives the same answer.

        Args:
            person: The holder.
            proposal_id: Made by the terminal before; the holder's proof was for it.
            relative: As typed.
            kinship: What the relative is to the holder.

        Raises:
            Refused: ``insurer.family_proof_weak``, ``person_not_found``, those of
                :func:`check_parties`, :func:`check_room` for the holder's side and
                :func:`check_proposals`, ``family_proposal_differs``.
        """
        check_binding_proof(person)
        now = self._clock.now()
        today = business_date(now)
        holder, other = self._people.party(person.subject), self._people.numbered(relative)
        terms = Terms(holder.psn_no, other.psn_no, kinship)
        check_parties(holder, other, terms, today=today)

        def work(connection: Connection) -> Proposal:
            earlier = store.proposal(connection, proposal_id)
            if earlier is not None:
                return _same(earlier, terms)
            held = store.of_holder(connection, holder.psn_no)
            waiting = store.proposed_by_holder(connection, holder.psn_no, now)
            # Whether the relative still has room is found out when the relative agrees.
            check_room(terms, of_holder=held, of_relative=(), today=today)
            check_proposals(terms, waiting=waiting, of_holder=held, today=today)
            made = propose(proposal_id, terms, by=None, now=now)
            store.add_proposal(connection, made)
            store.add_notice(connection, other.psn_no, FamilyNews.PROPOSED, now)
            _record(connection, _event(FamilyChange.PROPOSED, made, person=person), now)
            return made

        return self._database.write(work)

    def agree(self, person: ConfirmedPerson, *, proposal_id: ProposalId) -> Binding:
        """Agree to a proposal, as the relative; agreeing again gives the same binding.

        Raises:
            Refused: ``insurer.family_proof_weak``, ``family_proposal_not_found`` (also for
                somebody else's), ``family_proposal_over``, those of :func:`check_parties` and
                :func:`check_room`.
        """
        check_binding_proof(person)
        now = self._clock.now()
        proposal = self._offered(person.subject, proposal_id)
        holder, relative = self._people.parties(proposal.terms)

        def work(connection: Connection) -> Binding:
            present = _proposal(connection, proposal_id)
            if present.binding_id is not None:
                return _binding(connection, present.binding_id)
            check_waits(present, now=now)
            made = _put(connection, present.terms, holder, relative, now)
            store.accept(connection, proposal_id, made.binding_id)
            event = _event(FamilyChange.BOUND, made, person=person, proposal=present)
            _record(connection, event, now)
            return made

        return self._database.write(work)

    def drop(self, person: ConfirmedPerson, *, proposal_id: ProposalId) -> None:
        """Take a proposal back, as the holder, or say no to it, as the relative.

        Raises:
            Refused: ``insurer.family_proposal_not_found``, ``family_proposal_over`` when it is a
                binding already.
        """
        now = self._clock.now()

        def work(connection: Connection) -> None:
            found = _proposal(connection, proposal_id)
            if person.subject not in {found.terms.holder, found.terms.relative}:
                raise Refused(FAMILY_PROPOSAL_NOT_FOUND)
            if found.dropped_at is not None:
                return
            check_waits(found, now=now)
            store.drop(connection, proposal_id, now)
            _record(connection, _event(FamilyChange.DROPPED, found, person=person), now)

        self._database.write(work)

    def unbind(self, person: ConfirmedPerson, *, binding_id: BindingId) -> None:
        """Undo a binding at once, as either side; undoing again changes nothing.

        Raises:
            Refused: ``insurer.family_binding_not_found``, also for somebody else's.
        """
        now = self._clock.now()

        def work(connection: Connection) -> None:
            found = _binding(connection, binding_id)
            if person.subject not in {found.terms.holder, found.terms.relative}:
                raise Refused(FAMILY_BINDING_NOT_FOUND)
            if _end(connection, found, asked_by=person.subject, now=now):
                _record(connection, _event(FamilyChange.UNBOUND, found, person=person), now)

        self._database.write(work)

    def tell_waiting(self, notices: Notices, *, limit: int = 100) -> int:
        """Tell what is still to be told, outside any transaction, at least once; how many.

        Raises:
            Refused: Whatever the port refuses; what was told before stays told.
        """
        waiting = self._database.read(lambda connection: store.notices(connection, limit))
        for each in waiting:
            notices.tell(each.psn_no, each.what)
            self._told(each.notice_id)
        return len(waiting)

    def forget_proposals(self) -> int:
        """Delete the proposals that are over for 30 days; how many there were."""
        before = self._clock.now() - PROPOSAL_KEPT
        return self._database.write(lambda connection: store.forget_proposals(connection, before))

    def _told(self, notice_id: str) -> None:
        self._database.write(lambda connection: store.told(connection, (notice_id,)))

    def _offered(self, psn_no: PersonNo, proposal_id: ProposalId) -> Proposal:
        found = self._database.read(lambda connection: _proposal(connection, proposal_id))
        # A window binding waits for a member of staff and not for the relative.
        if found.terms.relative != psn_no or found.proposed_by is not None:
            raise Refused(FAMILY_PROPOSAL_NOT_FOUND)
        return found


class FamilyWindow:
    """What staff do about family bindings, with the documents before them.

    Proven: who did it, when, on which kinds of documents they say. Not proven: that the documents
    were there; for adults two members of staff say so.
    """

    def __init__(self, *, database: Database, clock: Clock, people: InsuredPersons) -> None:
        self._database = database
        self._clock = clock
        self._people = _People(people)
        self._family = FamilyBindings(database=database, clock=clock, people=people)

    def view(self, *, actor: Actor, person: IdNumber) -> FamilyView:
        """The bindings of a person who stands at the window; the look is recorded.

        Raises:
            Refused: ``insurer.person_not_found``.
        """
        psn_no = self._people.numbered(person).psn_no
        event = FamilyEvent(change=FamilyChange.SHOWN, holder=psn_no, actor=actor.staff)
        now = self._clock.now()
        self._database.write(lambda connection: _record(connection, event, now))
        return self._family.view(psn_no)

    def bind_child(
        self,
        *,
        actor: Actor,
        guardian: IdNumber,
        child: IdNumber,
        kinship: Kinship,
        documents: Iterable[Document],
        other_guardian: IdNumber | None = None,
    ) -> Binding:
        """Bind a child under 16 to a guardian; the other guardian is told, when known.

        Known is whoever is a guardian of this child here already, and whom the clerk reads in the
        documents. A binding made this way ends by itself with the 16th birthday.

        Raises:
            Refused: ``insurer.person_not_found``, those of :func:`check_documents`,
                :func:`check_parties` and :func:`check_room`.
        """
        now = self._clock.now()
        holder, relative = self._people.numbered(guardian), self._people.numbered(child)
        named = self._people.known(other_guardian)
        terms = Terms(
            holder.psn_no,
            relative.psn_no,
            kinship,
            Ground.GUARDIAN,
            documents=frozenset(documents),
            institution=_institution(actor),
        )
        check_documents(terms)

        def work(connection: Connection) -> Binding:
            others = _guardians(connection, relative.psn_no, business_date(now)) | named
            made = _put(connection, terms, holder, relative, now)
            for each in sorted(others - {holder.psn_no, relative.psn_no}):
                store.add_notice(connection, each, FamilyNews.CHILD_BOUND, now)
            _record(connection, _event(FamilyChange.BOUND, made, actor=actor), now)
            return made

        return self._database.write(work)

    def propose(
        self,
        *,
        actor: Actor,
        holder: IdNumber,
        relative: IdNumber,
        kinship: Kinship,
        reason: WindowReason,
        documents: Iterable[Document],
    ) -> Proposal:
        """Enter the binding of an adult who does not scan; another member of staff confirms it.

        Raises:
            Refused: ``insurer.person_not_found``, those of :func:`check_documents`,
                :func:`check_parties`, :func:`check_room` and :func:`check_proposals`.
        """
        now = self._clock.now()
        today = business_date(now)
        one, other = self._people.numbered(holder), self._people.numbered(relative)
        terms = Terms(
            one.psn_no,
            other.psn_no,
            kinship,
            Ground.WINDOW,
            reason,
            frozenset(documents),
            _institution(actor),
        )
        check_documents(terms)
        check_parties(one, other, terms, today=today)
        made = propose(ProposalId(new_identifier()), terms, by=actor.staff, now=now)

        def work(connection: Connection) -> Proposal:
            held = store.of_holder(connection, one.psn_no)
            bound = store.of_relative(connection, other.psn_no)
            waiting = store.proposed_by_holder(connection, one.psn_no, now)
            check_room(terms, of_holder=held, of_relative=bound, today=today)
            check_proposals(terms, waiting=waiting, of_holder=held, today=today)
            store.add_proposal(connection, made)
            _record(connection, _event(FamilyChange.PROPOSED, made, actor=actor), now)
            return made

        return self._database.write(work)

    def waiting(self, *, actor: Actor) -> list[WaitingForSecond]:
        """The window bindings that wait for a second member of staff, as far as ``actor`` sees."""
        now = self._clock.now()
        found = self._database.read(lambda connection: store.proposed_at_windows(connection, now))
        people = self._people
        return [
            WaitingForSecond(
                each, people.masked(each.terms.holder), people.masked(each.terms.relative)
            )
            for each in found
            if _sees(actor, each.terms.institution)
        ]

    def approve(self, *, actor: Actor, proposal_id: ProposalId) -> Binding:
        """Confirm a window binding, as another than who entered it; the relative is told.

        Raises:
            Refused: ``insurer.family_proposal_not_found``, ``family_second_person``,
                ``family_proposal_over``, those of :func:`check_parties` and :func:`check_room`.
        """
        now = self._clock.now()
        seen = self._database.read(lambda connection: _proposal(connection, proposal_id))
        if not _sees(actor, seen.terms.institution):
            raise Refused(FAMILY_PROPOSAL_NOT_FOUND)
        check_second(seen, actor.staff)
        holder, relative = self._people.parties(seen.terms)

        def work(connection: Connection) -> Binding:
            present = _proposal(connection, proposal_id)
            check_waits(present, now=now)
            made = _put(connection, present.terms, holder, relative, now)
            store.accept(connection, proposal_id, made.binding_id)
            store.add_notice(connection, relative.psn_no, FamilyNews.BOUND_ON_DOCUMENTS, now)
            event = _event(FamilyChange.BOUND, made, actor=actor, proposal=present)
            _record(connection, event, now)
            return made

        return self._database.write(work)

    def due_reviews(self, *, actor: Actor, until: date) -> list[DueReview]:
        """The bindings whose review is due on or before ``until``, the longest due first."""
        today = business_date(self._clock.now())
        found = self._database.read(lambda connection: store.reviewed_until(connection, until))
        seen = [each for each in found if _sees(actor, each.terms.institution)]
        return [
            DueReview(
                each,
                self._people.masked(each.terms.holder),
                self._people.masked(each.terms.relative),
                each.suspended(today),
            )
            for each in sorted(seen, key=lambda binding: binding.review_due_on or until)
        ]

    def review(
        self, *, actor: Actor, binding_id: BindingId, documents: Iterable[Document]
    ) -> Binding:
        """Let a binding on documents hold for another year; a late review takes it up again.

        Raises:
            Refused: ``insurer.family_binding_not_found``, ``family_no_review``,
                ``family_documents_missing``.
        """
        now, shown = self._clock.now(), frozenset(documents)
        due_on = next_review(business_date(now))

        def work(connection: Connection) -> Binding:
            found = _binding(connection, binding_id)
            if found.ended_at is not None or not _sees(actor, found.terms.institution):
                raise Refused(FAMILY_BINDING_NOT_FOUND)
            if found.review_due_on is None:
                raise Refused(FAMILY_NO_REVIEW)
            check_documents(replace(found.terms, documents=shown))
            store.set_review(connection, binding_id, due_on)
            _record(connection, _event(FamilyChange.REVIEWED, found, actor=actor), now)
            return _binding(connection, binding_id)

        return self._database.write(work)

    def unbind(self, *, actor: Actor, binding_id: BindingId, asked_by: IdNumber) -> None:
        """Undo a binding at once for either side, or for a guardian of the child, at any window.

        Args:
            actor: Who saw the document of the person who asks.
            binding_id: Which binding.
            asked_by: The person who asks.

        Raises:
            Refused: ``insurer.person_not_found``, ``family_binding_not_found``.
        """
        now = self._clock.now()
        psn_no = self._people.numbered(asked_by).psn_no

        def work(connection: Connection) -> None:
            found = _binding(connection, binding_id)
            terms = found.terms
            guardians = _guardians(connection, terms.relative, business_date(now))
            if psn_no not in {terms.holder, terms.relative} | guardians:
                raise Refused(FAMILY_BINDING_NOT_FOUND)
            if _end(connection, found, asked_by=psn_no, now=now):
                event = _event(FamilyChange.UNBOUND, found, actor=actor, asked_by=psn_no)
                _record(connection, event, now)

        self._database.write(work)


class _People:
    """Who the two sides are, looked up outside transactions."""

    def __init__(self, people: InsuredPersons) -> None:
        self._people = people

    def party(self, psn_no: PersonNo) -> Party:
        return _party(self._people.get(psn_no))

    def parties(self, terms: Terms) -> tuple[Party, Party]:
        return self.party(terms.holder), self.party(terms.relative)

    def numbered(self, id_number: IdNumber) -> Party:
        found = self._people.find_by_id_number(id_number)
        if found is None:
            raise Refused(PERSON_NOT_FOUND)
        return _party(found)

    def known(self, id_number: IdNumber | None) -> frozenset[PersonNo]:
        """The person as a set; empty for none, and for somebody who is not insured here."""
        found = None if id_number is None else self._people.find_by_id_number(id_number)
        return frozenset() if found is None else frozenset((found.psn_no,))

    def masked(self, psn_no: PersonNo) -> str:
        return self._people.get(psn_no).masked_name

    def member(self, binding: Binding, other: PersonNo, at: datetime) -> Member:
        return Member(
            binding_id=binding.binding_id,
            psn_no=other,
            masked_name=self.masked(other),
            kinship=binding.terms.kinship,
            ground=binding.terms.ground,
            since=binding.since,
            ends_on=binding.ends_on,
            review_due_on=binding.review_due_on,
            in_force=binding.in_force(at),
        )

    def offer(self, proposal: Proposal) -> Offer:
        return Offer(
            proposal.proposal_id,
            self.masked(proposal.terms.holder),
            proposal.terms.kinship,
            proposal.expires_at,
        )


def _party(person: Insured) -> Party:
    return Party(person.psn_no, person.id_number.birth_date)


def _put(
    connection: Connection, terms: Terms, holder: Party, relative: Party, now: datetime
) -> Binding:
    """Check everything that can have changed and insert the binding."""
    today = business_date(now)
    check_parties(holder, relative, terms, today=today)
    held = store.of_holder(connection, terms.holder)
    bound = store.of_relative(connection, terms.relative)
    check_room(terms, of_holder=held, of_relative=bound, today=today)
    made = bind(BindingId(new_identifier()), terms, relative, now=now)
    store.add_binding(connection, made)
    return made


def _end(connection: Connection, found: Binding, *, asked_by: PersonNo, now: datetime) -> bool:
    """Whether a binding was undone now; the side that did not ask is told."""
    if found.ended_at is not None:
        return False
    store.end(connection, found.binding_id, now)
    for each in sorted({found.terms.holder, found.terms.relative} - {asked_by}):
        store.add_notice(connection, each, FamilyNews.UNBOUND, now)
    return True


def _guardians(connection: Connection, child: PersonNo, today: date) -> frozenset[PersonNo]:
    bound = store.of_relative(connection, child)
    return frozenset(
        each.terms.holder
        for each in bound
        if each.terms.ground is Ground.GUARDIAN and each.stands(today)
    )


def _same(earlier: Proposal, terms: Terms) -> Proposal:
    if earlier.terms != terms or earlier.proposed_by is not None:
        raise Refused(FAMILY_PROPOSAL_DIFFERS)
    return earlier


def _proposal(connection: Connection, proposal_id: ProposalId) -> Proposal:
    found = store.proposal(connection, proposal_id)
    if found is None:
        raise Refused(FAMILY_PROPOSAL_NOT_FOUND)
    return found


def _binding(connection: Connection, binding_id: BindingId) -> Binding:
    found = store.binding(connection, binding_id)
    if found is None:
        raise Refused(FAMILY_BINDING_NOT_FOUND)
    return found


def _institution(actor: Actor) -> InstitutionCode | None:
    return actor.institution if isinstance(actor, InstitutionStaff) else None


def _sees(actor: Actor, institution: InstitutionCode | None) -> bool:
    """What belongs to no institution is the insurer's own."""
    if institution is None:
        return isinstance(actor, InsurerStaff)
    return sees(actor, institution)


def _event(
    change: FamilyChange,
    subject: Binding | Proposal,
    *,
    person: ConfirmedPerson | None = None,
    actor: Actor | None = None,
    asked_by: PersonNo | None = None,
    proposal: Proposal | None = None,
) -> FamilyEvent:
    about = subject if isinstance(subject, Proposal) else proposal
    made = subject if isinstance(subject, Binding) else None
    terms = subject.terms
    return FamilyEvent(
        change=change,
        binding=None if made is None else Reference(made.binding_id),
        proposal=None if about is None else Reference(about.proposal_id),
        holder=terms.holder,
        relative=terms.relative,
        kinship=terms.kinship,
        ground=terms.ground,
        reason=terms.reason,
        actor=None if actor is None else actor.staff,
        asked_by=asked_by if person is None else person.subject,
        session=None if person is None else person.session_id,
    )


def _record(connection: Connection, event: FamilyEvent, at: datetime) -> None:
    record(connection, event, at=at)
