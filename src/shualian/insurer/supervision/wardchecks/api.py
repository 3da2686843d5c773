"""Ward checks over HTTP: answers at the bed, reasons by staff, results for both sides."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.identifiers import InstitutionCode, SessionId
from shualian.insurer.supervision.api import of_institution
from shualian.insurer.supervision.signins.api import begin_answer
from shualian.insurer.supervision.wardchecks.model import (
    CheckId,
    CheckState,
    ExceptionReason,
    PublishedDraw,
    Rates,
    WardCheck,
)
from shualian.insurer.supervision.wardchecks.service import WardChecks
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.api import ActorOf
from shualian.terminals.model import Actor, InstitutionStaff
from shualian.terminals.register.model import check_place
from shualian.terminals.service import TerminalServices
from shualian.verification.captures.model import BeginAnswer, CaptureLimits
from shualian.verification.model import ConsentPurpose

LIST_PATH = "/terminal/v1/ward-checks/open"
CAPTURE_PATH = "/terminal/v1/ward-checks/captures"
ANSWER_PATH = "/terminal/v1/ward-checks/answers"
_PREFIX = "/supervision/ward-checks"

_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_IdentifierPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]
_InstitutionQuery = Annotated[str, Query(pattern=r"^[HP][0-9]{11}$")]
_Notice = Annotated[str, StringConstraints(min_length=1, max_length=30)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ListBody(_Body):
    """What is to be answered here."""

    claim: ClaimBody


class CaptureBody(_Body):
    """Open a capture of the patient who was drawn, after the touch and the notice."""

    claim: ClaimBody
    check_id: _Identifier
    notice_version: _Notice
    consents: Annotated[list[ConsentPurpose], Field(max_length=3)]


class AnswerBody(_Body):
    """Answer a check with the capture that was just matched here."""

    claim: ClaimBody
    check_id: _Identifier
    session_id: _Identifier


class ReasonBody(_Body):
    """Why a patient is not met by face."""

    reason: ExceptionReason


class CheckLine(_Body):
    """One check; the institution knows the patient by its own number."""

    check_id: str
    institution: str
    ward: str
    ipt_otp_no: str
    told_at: datetime
    deadline: datetime
    state: CheckState
    reason: ExceptionReason | None
    proposed_by: str | None
    countersigned_by: str | None
    ended_at: datetime | None


class RatesLine(_Body):
    """What came of a ward's checks."""

    ward: str
    passed: int
    excepted: int
    another_face: int
    missed: int


class DrawLine(_Body):
    """A draw of a day that is over; repeating it needs nothing else."""

    draw: int
    commitment: str
    seed: str
    population: list[tuple[str, str]]
    weights: dict[str, int]
    picked: list[str]


def terminal_routes(
    terminals: TerminalServices, checks: WardChecks, *, origin: str, limits: CaptureLimits
) -> APIRouter:
    """What a nurse's device at the bed calls.

    Args:
        terminals: Verify the request.
        checks: Decides.
        origin: The listener's canonical origin.
        limits: Of the captures.
    """
    routes = terminals_api.signed_routes(terminals, origin=origin)

    @routes.post(LIST_PATH)
    def listed(body: ListBody, sender: terminals_api.Verified) -> list[CheckLine]:
        """What the institution has to answer, the most urgent first."""
        check_place(sender.place, body.claim.claim())
        return _lines(checks.open_at_terminal(sender))

    @routes.post(CAPTURE_PATH, status_code=201)
    def capture(
        body: CaptureBody, sender: terminals_api.Verified, response: Response
    ) -> BeginAnswer:
        """Open a capture at the bed; frames follow over the ordinary socket."""
        check_place(sender.place, body.claim.claim())
        response.headers["Cache-Control"] = "no-store"
        opened = checks.open_capture(
            sender,
            check_id=CheckId(body.check_id),
            notice_version=body.notice_version,
            consents=body.consents,
        )
        return begin_answer(opened, limits)

    @routes.post(ANSWER_PATH)
    def answer(body: AnswerBody, sender: terminals_api.Verified) -> CheckLine:
        """The patient was met."""
        check_place(sender.place, body.claim.claim())
        return _line(
            checks.answer(
                sender, check_id=CheckId(body.check_id), session_id=SessionId(body.session_id)
            )
        )

    return routes


def ward_routes(checks: WardChecks, caller: ActorOf, nurse: ActorOf) -> APIRouter:
    """What staff of an institution do about its checks.

    Args:
        checks: Decides.
        caller: Finds who gives a reason: who treats there.
        nurse: Finds who countersigns: nurses only.
    """
    routes = APIRouter(prefix=_PREFIX, tags=["supervision"])
    treating, nursing = of_institution(caller), of_institution(nurse)

    @routes.get("/open")
    def listed(who: Annotated[InstitutionStaff, Depends(treating)]) -> list[CheckLine]:
        """What the institution has to answer, the most urgent first."""
        return _lines(checks.open_checks(who))

    @routes.post("/{check_id}/reason")
    def reason(
        check_id: _IdentifierPath,
        body: ReasonBody,
        who: Annotated[InstitutionStaff, Depends(treating)],
    ) -> CheckLine:
        """Say why a patient is not met by face."""
        return _line(checks.propose_exception(who, CheckId(check_id), reason=body.reason))

    @routes.post("/{check_id}/countersignature")
    def countersign(
        check_id: _IdentifierPath, who: Annotated[InstitutionStaff, Depends(nursing)]
    ) -> CheckLine:
        """A nurse, not the one who gave the reason, answers for it too."""
        return _line(checks.countersign(who, CheckId(check_id)))

    return routes


def result_routes(checks: WardChecks, caller: ActorOf) -> APIRouter:
    """What supervisors, and an institution about itself, look at.

    Args:
        checks: Decides.
        caller: Finds who asks and checks that the role allows it.
    """
    routes = APIRouter(prefix=_PREFIX, tags=["supervision"])

    @routes.get("/results")
    def results(
        who: Annotated[Actor, Depends(caller)],
        since: date,
        institution: _InstitutionQuery | None = None,
    ) -> list[CheckLine]:
        """All checks drawn since a day."""
        return _lines(checks.results(who, since=since, institution=_code(institution)))

    @routes.get("/rates")
    def rates(
        who: Annotated[Actor, Depends(caller)],
        since: date,
        institution: _InstitutionQuery | None = None,
    ) -> list[RatesLine]:
        """What came of the ended checks since a day, by ward."""
        found = checks.rates(who, since=since, institution=_code(institution))
        return [_rates(ward, found[ward]) for ward in sorted(found)]

    @routes.get("/draws")
    def draws(
        who: Annotated[Actor, Depends(caller)], day: date, institution: _InstitutionQuery
    ) -> list[DrawLine]:
        """The draws of a day that is over, with all that repeats them."""
        where = InstitutionCode(institution)
        return [_draw(each) for each in checks.published(who, day=day, institution=where)]

    @routes.get("/commitments")
    def commitments(who: Annotated[Actor, Depends(caller)], day: date) -> dict[str, str]:
        """What was fixed of each seed before the day's first draw."""
        found = checks.commitments(who, day=day)
        return {institution: found[institution] for institution in sorted(found)}

    return routes


def _code(institution: str | None) -> InstitutionCode | None:
    return None if institution is None else InstitutionCode(institution)


def _lines(checks: Sequence[WardCheck]) -> list[CheckLine]:
    return [_line(check) for check in checks]


def _line(check: WardCheck) -> CheckLine:
    return CheckLine(
        check_id=check.check_id,
        institution=check.institution,
        ward=check.stay.ward,
        ipt_otp_no=check.stay.ipt_otp_no,
        told_at=check.told_at,
        deadline=check.deadline,
        state=check.state,
        reason=check.reason,
        proposed_by=check.proposed_by,
        countersigned_by=check.countersigned_by,
        ended_at=check.ended_at,
    )


def _rates(ward: str, rates: Rates) -> RatesLine:
    return RatesLine(
        ward=ward,
        passed=rates.passed,
        excepted=rates.excepted,
        another_face=rates.another_face,
        missed=rates.missed,
    )


def _draw(draw: PublishedDraw) -> DrawLine:
    return DrawLine(
        draw=draw.draw,
        commitment=draw.commitment,
        seed=draw.seed,
        population=[(stay, ward) for stay, ward in draw.population],
        weights=dict(draw.weights),
        picked=list(draw.picked),
    )
