"""Templates over HTTP: what is known of one's own, and the replacement by two people."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import AuthNo, IntentId
from shualian.core.refusals import Refused
from shualian.insurer.consents.api import ReceiptAnswer, receipt_answer
from shualian.insurer.consents.model import DocumentKind
from shualian.insurer.consents.ports import Confirmations, People
from shualian.insurer.persons.model import PERSON_NOT_FOUND
from shualian.insurer.templates.model import (
    FILING_WORKING_DAYS,
    ProposalId,
    Replacement,
    TemplateMatters,
)
from shualian.insurer.templates.service import Templates
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.model import Actor
from shualian.terminals.service import TerminalServices
from shualian.verification.model import Scene

OWN_PATH = "/terminal/v1/templates/own"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{17}[0-9Xx]$")]
_ProposalPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class OwnBody(_Body):
    """Show what is known of the template of the person who scanned."""

    claim: ClaimBody
    auth_no: _Text = Field(repr=False)
    intent_id: _Text


class ReplacementBody(_Body):
    """Whose template fails, as read in the document."""

    id_number: _Number = Field(repr=False)
    document: DocumentKind


class OwnAnswer(BaseModel):
    """Dates only; never a vector."""

    enrolled_at: datetime | None
    last_used_at: datetime | None
    deleted_unless_used_before: date | None
    payment_held_until: datetime | None


class ReplacementAnswer(BaseModel):
    """A proposal that waits for a second person."""

    proposal_id: str
    document: DocumentKind
    proposed_by: str
    proposed_at: datetime


class FilingAnswer(BaseModel):
    """How many people have a template, and from how many on filing is a duty."""

    people: int
    limit: int
    due: bool
    working_days: int


def terminal_routes(
    terminals: TerminalServices, templates: Templates, confirmations: Confirmations, *, origin: str
) -> APIRouter:
    """What a person asks at a terminal about the own template.

    Args:
        terminals: Verify the request.
        templates: Know.
        confirmations: Redeems the person's proof.
        origin: The listener's canonical origin.
    """
    routes = terminals_api.signed_routes(terminals, origin=origin)

    @routes.post(OWN_PATH)
    def own(body: OwnBody, sender: terminals_api.Verified) -> OwnAnswer:
        """Since when there is a template, when it was used, when it goes."""
        scene = Scene.INSURED_SERVICES.value
        terminals.requests.check_business(sender, scene=scene, claim=body.claim.claim())
        person = confirmations.confirmed(
            AuthNo(body.auth_no),
            terminal=sender.terminal,
            intent_id=IntentId(body.intent_id),
            use="template.own",
        )
        return _own_answer(templates.about(person.subject))

    return routes


def staff_routes(
    templates: Templates, people: People, caller: terminals_api.ActorOf, *, clock: Clock
) -> APIRouter:
    """What clerks do about a failing template, and the count for the regulator.

    Args:
        templates: Decides.
        people: Finds whose document it is.
        caller: Finds who asks and checks that the role allows it.
        clock: For the check of ID numbers.
    """
    routes = APIRouter(prefix="/templates", tags=["templates"])

    @routes.get("/filing", dependencies=[Depends(caller)])
    def filing() -> FilingAnswer:
        """Whether filing with the province's internet regulator is a duty."""
        duty = templates.filing_due()
        return FilingAnswer(
            people=duty.people, limit=duty.limit, due=duty.due, working_days=FILING_WORKING_DAYS
        )

    @routes.get("/replacements")
    def waiting(who: Annotated[Actor, Depends(caller)]) -> list[ReplacementAnswer]:
        """What waits for a second person here."""
        return [_replacement_answer(each) for each in templates.waiting_replacements(actor=who)]

    @routes.post("/replacements", status_code=201)
    def propose(body: ReplacementBody, who: Annotated[Actor, Depends(caller)]) -> ReplacementAnswer:
        """Ask a second person to let a failing template be replaced."""
        number = parse_id_number(body.id_number, today=business_date(clock.now()))
        psn_no = people.by_number(number)
        if psn_no is None:
            raise Refused(PERSON_NOT_FOUND)
        made = templates.propose_replacement(psn_no, actor=who, document=body.document)
        return _replacement_answer(made)

    @routes.post("/replacements/{proposal_id}/approval")
    def approve(
        proposal_id: _ProposalPath, who: Annotated[Actor, Depends(caller)]
    ) -> ReceiptAnswer:
        """Delete the failing template; the person then enrols anew by number or document."""
        receipt = templates.approve_replacement(ProposalId(proposal_id), actor=who)
        return receipt_answer(receipt)

    return routes


def _own_answer(matters: TemplateMatters) -> OwnAnswer:
    held = matters.held
    return OwnAnswer(
        enrolled_at=held.enrolled_at if held else None,
        last_used_at=held.last_used_at if held else None,
        deleted_unless_used_before=matters.unused_until,
        payment_held_until=matters.payment_held_until,
    )


def _replacement_answer(made: Replacement) -> ReplacementAnswer:
    return ReplacementAnswer(
        proposal_id=made.proposal_id,
        document=made.document,
        proposed_by=made.proposed_by,
        proposed_at=made.proposed_at,
    )
