"""The emergency search over HTTP, for staff: propose, approve with a picture, review."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.refusals import Refused
from shualian.terminals.api import ActorOf
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.verification.emergency.model import (
    EMERGENCY_OTHER_SIDE,
    WORDS_MAX,
    EmergencyAnswer,
    EmergencyId,
    EmergencyReason,
    OpenReview,
    ReviewFinding,
    Suggestion,
)
from shualian.verification.emergency.service import EmergencySearch

_PREFIX = "/emergencies"
_EmergencyPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]
_Words = Annotated[str, StringConstraints(max_length=WORDS_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ProposalBody(_Body):
    """Why the patient cannot be asked; words without a name."""

    reason: EmergencyReason
    words: _Words = Field(default="", repr=False)


class ProposalAnswer(_Body):
    """The number to tell a colleague, who approves it in time."""

    emergency_id: str
    expires_at: datetime


class SuggestionLine(_Body):
    """Somebody who may be the patient, masked."""

    place: int
    score: float
    masked_name: str = Field(repr=False)
    masked_id_number: str = Field(repr=False)
    region: str


class SearchAnswer(_Body):
    """At most three suggestions, for care only; shown this once."""

    emergency_id: str
    suggestions: list[SuggestionLine]
    threshold: float
    fmr_upper95: float
    review_due_at: datetime
    for_care_only: bool = True


class ReviewLine(_Body):
    """A search that waits for a supervisor."""

    emergency_id: str
    institution: str
    reason: EmergencyReason
    words: str = Field(repr=False)
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    suggestions: int | None
    review_due_at: datetime | None
    overdue: bool


class ReviewBody(_Body):
    """What the supervisor found."""

    finding: ReviewFinding


def staff_routes(service: EmergencySearch, caller: ActorOf) -> APIRouter:
    """Everything that staff call about emergency searches.

    Args:
        service: Of the insurer.
        caller: Finds who asks and checks that the role allows it: who treats at a hospital, who
            supervises at the insurer.
    """
    routes = APIRouter(tags=["emergency search"])
    routes.include_router(_hospital_routes(service, caller))
    routes.include_router(_review_routes(service, caller))
    return routes


def _hospital_routes(service: EmergencySearch, caller: ActorOf) -> APIRouter:
    routes, institution = APIRouter(prefix=_PREFIX), _of_institution(caller)

    @routes.post("", status_code=201)
    def propose(
        body: ProposalBody, who: Annotated[InstitutionStaff, Depends(institution)]
    ) -> ProposalAnswer:
        """Ask for a search; a second person of the institution approves it in five minutes."""
        made = service.propose(who, reason=body.reason, words=body.words)
        return ProposalAnswer(emergency_id=made.emergency_id, expires_at=made.expires_at)

    @routes.post("/{emergency_id}/approval")
    def approve(
        emergency_id: _EmergencyPath,
        picture: Annotated[bytes, Body(media_type="image/jpeg")],
        response: Response,
        who: Annotated[InstitutionStaff, Depends(institution)],
    ) -> SearchAnswer:
        """Approve a colleague's search, with the one picture that is searched and forgotten."""
        response.headers["Cache-Control"] = "no-store"
        return _answer(service.approve(who, EmergencyId(emergency_id), picture=picture))

    return routes


def _review_routes(service: EmergencySearch, caller: ActorOf) -> APIRouter:
    routes, insurer = APIRouter(prefix=_PREFIX), _of_insurer(caller)

    @routes.get("/reviews")
    def open_reviews(
        response: Response, who: Annotated[InsurerStaff, Depends(insurer)]
    ) -> list[ReviewLine]:
        """The searches that wait for a review, the oldest first."""
        response.headers["Cache-Control"] = "no-store"
        return [_line(each) for each in service.open_reviews(who)]

    @routes.post("/{emergency_id}/review", status_code=204)
    def review(
        emergency_id: _EmergencyPath,
        body: ReviewBody,
        who: Annotated[InsurerStaff, Depends(insurer)],
    ) -> None:
        """Say whether a search was justified."""
        service.review(who, EmergencyId(emergency_id), finding=body.finding)

    return routes


def _of_institution(caller: ActorOf) -> Callable[[Actor], InstitutionStaff]:
    def institution(who: Annotated[Actor, Depends(caller)]) -> InstitutionStaff:
        if not isinstance(who, InstitutionStaff):
            raise Refused(EMERGENCY_OTHER_SIDE)
        return who

    return institution


def _of_insurer(caller: ActorOf) -> Callable[[Actor], InsurerStaff]:
    def insurer(who: Annotated[Actor, Depends(caller)]) -> InsurerStaff:
        if not isinstance(who, InsurerStaff):
            raise Refused(EMERGENCY_OTHER_SIDE)
        return who

    return insurer


def _answer(answer: EmergencyAnswer) -> SearchAnswer:
    return SearchAnswer(
        emergency_id=answer.emergency_id,
        suggestions=[_suggestion(each) for each in answer.suggestions],
        threshold=answer.threshold,
        fmr_upper95=answer.fmr_upper95,
        review_due_at=answer.review_due_at,
    )


def _suggestion(suggestion: Suggestion) -> SuggestionLine:
    return SuggestionLine(
        place=suggestion.place,
        score=suggestion.score,
        masked_name=suggestion.masked_name,
        masked_id_number=suggestion.masked_id_number,
        region=suggestion.region,
    )


def _line(waiting: OpenReview) -> ReviewLine:
    found = waiting.emergency
    return ReviewLine(
        emergency_id=found.emergency_id,
        institution=found.institution,
        reason=found.reason,
        words=waiting.words,
        proposed_by=found.proposed_by,
        proposed_at=found.proposed_at,
        approved_by=found.approved_by,
        approved_at=found.approved_at,
        suggestions=found.suggestions,
        review_due_at=found.review_due_at,
        overdue=waiting.overdue,
    )
