"""Family bindings over HTTP: what people do at terminals by their own proof, and what staff do.

A proof is good for exactly one thing: its intent is a digest of the very act (``intent_of``), so
that no terminal can use one scan for two agreements.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import IdNumber, parse_id_number
from shualian.core.identifiers import AuthNo
from shualian.insurer.family.model import (
    Binding,
    BindingId,
    Document,
    FamilyAct,
    Ground,
    Kinship,
    Member,
    Offer,
    Proposal,
    ProposalId,
    WindowReason,
    intent_of,
)
from shualian.insurer.family.ports import Confirmations
from shualian.insurer.family.service import (
    DueReview,
    FamilyBindings,
    FamilyView,
    FamilyWindow,
    WaitingForSecond,
)
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.model import Actor
from shualian.terminals.requests.model import VerifiedRequest
from shualian.terminals.service import TerminalServices
from shualian.verification.model import ConfirmedPerson, Scene

LIST_PATH = "/terminal/v1/family/list"
PROPOSAL_PATH = "/terminal/v1/family/proposals"
AGREEMENT_PATH = "/terminal/v1/family/agreements"
REFUSAL_PATH = "/terminal/v1/family/refusals"
ENDING_PATH = "/terminal/v1/family/endings"

REVIEW_AHEAD_DAYS = 60
"""How many days before a review is due it is listed, unless asked otherwise."""

_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_IdentifierPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]
_Number = Annotated[
    str, StringConstraints(min_length=18, max_length=18, pattern=r"^[0-9]{17}[0-9Xx]$")
]
_AuthNo = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{16,64}$")]
_Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{22,64}$")]
_Documents = Annotated[list[Document], Field(min_length=1, max_length=len(Document))]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _OwnAct(_Body):
    """What a person does by their own proof of scene 09001."""

    claim: ClaimBody
    auth_no: _AuthNo = Field(repr=False)
    nonce: _Nonce = Field(repr=False)


class ListBody(_OwnAct):
    """Show the bindings of the person who scanned; said in the intent: nothing more."""


class ProposalBody(_OwnAct):
    """Ask a relative to agree; said in the intent: the three fields in this order."""

    proposal_id: _Identifier
    relative_number: _Number = Field(repr=False)
    kinship: Kinship


class ProposalAct(_OwnAct):
    """Agree to a proposal, refuse it or take it back; said in the intent: ``proposal_id``."""

    proposal_id: _Identifier


class EndingBody(_OwnAct):
    """Undo a binding; said in the intent: ``binding_id``."""

    binding_id: _Identifier


class ChildBody(_Body):
    """A child under 16 and its guardian, as read in documents."""

    guardian_number: _Number = Field(repr=False)
    child_number: _Number = Field(repr=False)
    kinship: Kinship
    documents: _Documents
    other_guardian_number: _Number | None = Field(default=None, repr=False)


class WindowProposalBody(_Body):
    """An adult who does not scan and the holder, as read in documents."""

    holder_number: _Number = Field(repr=False)
    relative_number: _Number = Field(repr=False)
    kinship: Kinship
    reason: WindowReason
    documents: _Documents


class ReviewBody(_Body):
    """What was seen at a review."""

    documents: _Documents


class PersonBody(_Body):
    """A person who stands at the window, as read in the document."""

    id_number: _Number = Field(repr=False)


class BindingAnswer(BaseModel):
    """A binding."""

    binding_id: str
    kinship: Kinship
    ground: Ground
    since: datetime
    ends_on: date | None
    review_due_on: date | None


class ProposalAnswer(BaseModel):
    """A proposal that waits."""

    proposal_id: str
    kinship: Kinship
    reason: WindowReason | None
    documents: list[Document]
    proposed_at: datetime
    expires_at: datetime


class WaitingAnswer(ProposalAnswer):
    """A window binding that waits for a second member of staff."""

    holder: str
    relative: str


class MemberAnswer(BaseModel):
    """The other side of a binding."""

    binding_id: str
    psn_no: str
    masked_name: str
    kinship: Kinship
    kinship_zh: str
    kinship_en: str
    ground: Ground
    since: datetime
    ends_on: date | None
    review_due_on: date | None
    in_force: bool


class OfferAnswer(BaseModel):
    """A proposal that waits for the person's own act."""

    proposal_id: str
    masked_name: str
    kinship: Kinship
    kinship_zh: str
    kinship_en: str
    expires_at: datetime


class ViewAnswer(BaseModel):
    """Everything that a person may know about their own bindings."""

    relatives: list[MemberAnswer]
    holders: list[MemberAnswer]
    offers: list[OfferAnswer]


class DueReviewAnswer(BaseModel):
    """A binding that somebody must look at again."""

    binding_id: str
    holder: str
    relative: str
    kinship: Kinship
    reason: WindowReason | None
    review_due_on: date | None
    suspended: bool


class _Acts:
    """Turns a signed request with a proof into the person who did it."""

    def __init__(self, terminals: TerminalServices, confirmations: Confirmations) -> None:
        self._terminals = terminals
        self._confirmations = confirmations

    def person(
        self, sender: VerifiedRequest, body: _OwnAct, act: FamilyAct, *said: str
    ) -> ConfirmedPerson:
        """Check terminal, scene and place, then redeem the proof for this act alone."""
        scene = Scene.INSURED_SERVICES.value
        self._terminals.requests.check_business(sender, scene=scene, claim=body.claim.claim())
        return self._confirmations.confirmed(
            AuthNo(body.auth_no),
            terminal=sender.terminal,
            intent_id=intent_of(act, *said, nonce=body.nonce),
            use=act.value,
        )


def terminal_routes(
    terminals: TerminalServices,
    family: FamilyBindings,
    confirmations: Confirmations,
    *,
    clock: Clock,
    origin: str,
) -> APIRouter:
    """What a person does at a terminal, each act with a proof of its own.

    Args:
        terminals: Verify the request.
        family: Decides.
        confirmations: Redeems the person's proof.
        clock: For the check of a typed ID number.
        origin: The listener's canonical origin.
    """
    routes = terminals_api.signed_routes(terminals, origin=origin)
    acts = _Acts(terminals, confirmations)
    _add_list(routes, acts, family)
    _add_decisions(routes, acts, family, clock)
    return routes


def _add_list(routes: APIRouter, acts: _Acts, family: FamilyBindings) -> None:
    @routes.post(LIST_PATH)
    def bindings(body: ListBody, sender: terminals_api.Verified) -> ViewAnswer:
        """For whom the person may act, who may act for the person, what waits for their word."""
        return _view_answer(family.view(acts.person(sender, body, FamilyAct.LIST).subject))


def _add_decisions(routes: APIRouter, acts: _Acts, family: FamilyBindings, clock: Clock) -> None:
    @routes.post(PROPOSAL_PATH)
    def propose(body: ProposalBody, sender: terminals_api.Verified) -> ProposalAnswer:
        """Ask a relative to agree."""
        relative = _number(body.relative_number, clock)
        said = (body.proposal_id, body.relative_number, body.kinship.value)
        person = acts.person(sender, body, FamilyAct.PROPOSE, *said)
        proposal_id = ProposalId(body.proposal_id)
        made = family.propose(
            person, proposal_id=proposal_id, relative=relative, kinship=body.kinship
        )
        return _proposal_answer(made)

    @routes.post(AGREEMENT_PATH)
    def agree(body: ProposalAct, sender: terminals_api.Verified) -> BindingAnswer:
        """Agree to what somebody proposed."""
        person = acts.person(sender, body, FamilyAct.AGREE, body.proposal_id)
        return _binding_answer(family.agree(person, proposal_id=ProposalId(body.proposal_id)))

    @routes.post(REFUSAL_PATH, status_code=204)
    def drop(body: ProposalAct, sender: terminals_api.Verified) -> None:
        """Say no to a proposal, or take the own one back."""
        person = acts.person(sender, body, FamilyAct.DROP, body.proposal_id)
        family.drop(person, proposal_id=ProposalId(body.proposal_id))

    @routes.post(ENDING_PATH, status_code=204)
    def unbind(body: EndingBody, sender: terminals_api.Verified) -> None:
        """Undo a binding at once."""
        person = acts.person(sender, body, FamilyAct.UNBIND, body.binding_id)
        family.unbind(person, binding_id=BindingId(body.binding_id))


def staff_routes(window: FamilyWindow, caller: terminals_api.ActorOf, *, clock: Clock) -> APIRouter:
    """What staff do at a window, with the documents before them.

    Args:
        window: Decides.
        caller: Finds who asks and checks that the role allows it.
        clock: For the check of ID numbers and the list of reviews.
    """
    routes = APIRouter(prefix="/family", tags=["family"])
    _add_window_bindings(routes, window, caller, clock)
    _add_reviews(routes, window, caller, clock)
    return routes


def _add_window_bindings(
    routes: APIRouter, window: FamilyWindow, caller: terminals_api.ActorOf, clock: Clock
) -> None:
    @routes.post("/of")
    def view(body: PersonBody, who: Annotated[Actor, Depends(caller)]) -> ViewAnswer:
        """The bindings of a person who stands at the window."""
        return _view_answer(window.view(actor=who, person=_number(body.id_number, clock)))

    @routes.post("/children", status_code=201)
    def bind_child(body: ChildBody, who: Annotated[Actor, Depends(caller)]) -> BindingAnswer:
        """Bind a child under 16 to a guardian."""
        other = body.other_guardian_number
        made = window.bind_child(
            actor=who,
            guardian=_number(body.guardian_number, clock),
            child=_number(body.child_number, clock),
            kinship=body.kinship,
            documents=body.documents,
            other_guardian=None if other is None else _number(other, clock),
        )
        return _binding_answer(made)

    @routes.get("/proposals")
    def waiting(who: Annotated[Actor, Depends(caller)]) -> list[WaitingAnswer]:
        """The window bindings that wait for a second member of staff."""
        return [_waiting_answer(each) for each in window.waiting(actor=who)]

    @routes.post("/proposals", status_code=201)
    def propose(body: WindowProposalBody, who: Annotated[Actor, Depends(caller)]) -> ProposalAnswer:
        """Enter the binding of an adult who does not scan."""
        made = window.propose(
            actor=who,
            holder=_number(body.holder_number, clock),
            relative=_number(body.relative_number, clock),
            kinship=body.kinship,
            reason=body.reason,
            documents=body.documents,
        )
        return _proposal_answer(made)

    @routes.post("/proposals/{proposal_id}/approval", status_code=201)
    def approve(
        proposal_id: _IdentifierPath, who: Annotated[Actor, Depends(caller)]
    ) -> BindingAnswer:
        """Confirm it, as another member of staff."""
        return _binding_answer(window.approve(actor=who, proposal_id=ProposalId(proposal_id)))

    @routes.post("/bindings/{binding_id}/ending", status_code=204)
    def unbind(
        binding_id: _IdentifierPath, body: PersonBody, who: Annotated[Actor, Depends(caller)]
    ) -> None:
        """Undo a binding at once, for the person who asks with a document."""
        asked_by = _number(body.id_number, clock)
        window.unbind(actor=who, binding_id=BindingId(binding_id), asked_by=asked_by)


def _add_reviews(
    routes: APIRouter, window: FamilyWindow, caller: terminals_api.ActorOf, clock: Clock
) -> None:
    @routes.get("/reviews")
    def due(
        who: Annotated[Actor, Depends(caller)],
        days: Annotated[int, Query(ge=0, le=366)] = REVIEW_AHEAD_DAYS,
    ) -> list[DueReviewAnswer]:
        """The bindings whose review is due within so many days, late ones first."""
        until = business_date(clock.now()) + timedelta(days=days)
        return [_due_answer(each) for each in window.due_reviews(actor=who, until=until)]

    @routes.post("/bindings/{binding_id}/review")
    def review(
        binding_id: _IdentifierPath, body: ReviewBody, who: Annotated[Actor, Depends(caller)]
    ) -> BindingAnswer:
        """Let a binding on documents hold for another year."""
        kept = window.review(actor=who, binding_id=BindingId(binding_id), documents=body.documents)
        return _binding_answer(kept)


def _number(text: str, clock: Clock) -> IdNumber:
    return parse_id_number(text, today=business_date(clock.now()))


def _binding_answer(binding: Binding) -> BindingAnswer:
    return BindingAnswer(
        binding_id=binding.binding_id,
        kinship=binding.terms.kinship,
        ground=binding.terms.ground,
        since=binding.since,
        ends_on=binding.ends_on,
        review_due_on=binding.review_due_on,
    )


def _proposal_answer(proposal: Proposal) -> ProposalAnswer:
    return ProposalAnswer(
        proposal_id=proposal.proposal_id,
        kinship=proposal.terms.kinship,
        reason=proposal.terms.reason,
        documents=sorted(proposal.terms.documents),
        proposed_at=proposal.proposed_at,
        expires_at=proposal.expires_at,
    )


def _waiting_answer(waiting: WaitingForSecond) -> WaitingAnswer:
    shown = _proposal_answer(waiting.proposal).model_dump()
    return WaitingAnswer(holder=waiting.holder, relative=waiting.relative, **shown)


def _view_answer(view: FamilyView) -> ViewAnswer:
    return ViewAnswer(
        relatives=_members(view.relatives),
        holders=_members(view.holders),
        offers=[_offer_answer(each) for each in view.offers],
    )


def _members(members: Sequence[Member]) -> list[MemberAnswer]:
    return [
        MemberAnswer(
            binding_id=each.binding_id,
            psn_no=each.psn_no,
            masked_name=each.masked_name,
            kinship=each.kinship,
            kinship_zh=each.kinship.zh,
            kinship_en=each.kinship.en,
            ground=each.ground,
            since=each.since,
            ends_on=each.ends_on,
            review_due_on=each.review_due_on,
            in_force=each.in_force,
        )
        for each in members
    ]


def _offer_answer(offer: Offer) -> OfferAnswer:
    return OfferAnswer(
        proposal_id=offer.proposal_id,
        masked_name=offer.masked_name,
        kinship=offer.kinship,
        kinship_zh=offer.kinship.zh,
        kinship_en=offer.kinship.en,
        expires_at=offer.expires_at,
    )


def _due_answer(review: DueReview) -> DueReviewAnswer:
    terms = review.binding.terms
    return DueReviewAnswer(
        binding_id=review.binding.binding_id,
        holder=review.holder,
        relative=review.relative,
        kinship=terms.kinship,
        reason=terms.reason,
        review_due_on=review.binding.review_due_on,
        suspended=review.suspended,
    )
