"""Expected people and calls over HTTP, for the staff of a hospital: who comes, who is called."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.identifiers import PersonNo, TerminalId
from shualian.core.refusals import Refused
from shualian.terminals.api import WRONG_SIDE, ActorOf
from shualian.terminals.model import Actor, InstitutionStaff
from shualian.verification.expectations.model import CALL_MINUTES, ExpectedFor
from shualian.verification.expectations.service import ExpectedPeople

_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,30}$")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ExpectationBody(_Body):
    """Somebody who comes on a day."""

    psn_no: _Identifier
    day: date
    why: ExpectedFor


class CallBody(_Body):
    """The patient whom a doctor calls to a terminal of the hospital."""

    terminal_id: _Identifier
    psn_no: _Identifier
    minutes: Annotated[int, Field(ge=1, le=30)] = CALL_MINUTES


class CallAnswer(_Body):
    """Until when the terminal is armed for the patient."""

    until: datetime


class CallEndBody(_Body):
    """The terminal whose call is over."""

    terminal_id: _Identifier


def staff_routes(service: ExpectedPeople, caller: ActorOf) -> APIRouter:
    """Everything that a hospital's staff tell of who comes and who is called.

    Args:
        service: Of the insurer.
        caller: Finds who asks and checks that the role allows it: who receives or treats people.
    """
    routes, institution = APIRouter(tags=["expected people"]), _of_institution(caller)

    @routes.post("/expectations", status_code=204)
    def expect(
        body: ExpectationBody, who: Annotated[InstitutionStaff, Depends(institution)]
    ) -> None:
        """Expect somebody at one's own hospital on a day."""
        service.expect(who.institution, PersonNo(body.psn_no), day=body.day, why=body.why)

    @routes.post("/expectations/removals", status_code=204)
    def forget(
        body: ExpectationBody, who: Annotated[InstitutionStaff, Depends(institution)]
    ) -> None:
        """Expect somebody for this no more."""
        service.forget(who.institution, PersonNo(body.psn_no), day=body.day, why=body.why)

    @routes.post("/calls", status_code=201)
    def call(body: CallBody, who: Annotated[InstitutionStaff, Depends(institution)]) -> CallAnswer:
        """Arm a terminal of one's own hospital for the called patient."""
        called = service.call(
            TerminalId(body.terminal_id),
            who.institution,
            PersonNo(body.psn_no),
            valid_minutes=body.minutes,
        )
        return CallAnswer(until=called.until)

    @routes.post("/calls/end", status_code=204)
    def end_call(body: CallEndBody, who: Annotated[InstitutionStaff, Depends(institution)]) -> None:
        """Disarm a terminal of one's own hospital."""
        service.end_call(TerminalId(body.terminal_id), who.institution)

    return routes


def _of_institution(caller: ActorOf) -> Callable[[Actor], InstitutionStaff]:
    def institution(who: Annotated[Actor, Depends(caller)]) -> InstitutionStaff:
        if not isinstance(who, InstitutionStaff):
            raise Refused(WRONG_SIDE)
        return who

    return institution
