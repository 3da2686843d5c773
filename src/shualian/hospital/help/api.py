"""Calls for help over HTTP: rung at terminals, heard and answered on the pages of staff."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from shualian.core.identifiers import InstitutionCode
from shualian.hospital.api import (
    Body,
    CallerOf,
    Identifier,
    IdentifierPath,
    Words,
    own_staff,
    words,
)
from shualian.hospital.help.model import ROLE_WORDS, RUNG, HelpCall, HelpCallNo, HelpState
from shualian.hospital.help.service import HelpCalls
from shualian.hospital.model import AtTerminal
from shualian.staff.model import Caller

RING_PATH = "/terminal/v1/hospital/help"
LOOK_PATH = "/terminal/v1/hospital/help/look"
END_PATH = "/terminal/v1/hospital/help/end"


class RingBody(Body):
    """Somebody rings; whom that is nobody knows."""


class CallBody(Body):
    """Which call."""

    call_no: Identifier


class HelpAnswer(Body):
    """How a call stands, for the screen of its terminal: who heard it, or comes."""

    call_no: str
    state: HelpState
    helper: Words | None


class RingingAnswer(Body):
    """A call on the page of staff: where, since when, and whether somebody goes."""

    call_no: str
    place: str
    asked_at: datetime
    state: HelpState
    helper: Words | None


def terminal_routes(
    signed: APIRouter, calls: HelpCalls, at: Callable[[Request], AtTerminal]
) -> APIRouter:
    """Add the bell of a terminal.

    Args:
        signed: An empty router whose requests are verified before their bodies are read.
        calls: Of the hospital.
        at: The terminal of the verified request.
    """
    here = Annotated[AtTerminal, Depends(at)]

    @signed.post(RING_PATH)
    def ring(_: RingBody, where: here) -> HelpAnswer:
        """Ring; while it rings already, the same call."""
        return _told(calls, calls.ring(terminal_id=where.terminal_id, place=where.place))

    @signed.post(LOOK_PATH)
    def look(body: CallBody, where: here) -> HelpAnswer:
        """Whether anybody has heard it, or comes."""
        number = HelpCallNo(body.call_no)
        return _told(calls, calls.look(terminal_id=where.terminal_id, call_no=number))

    @signed.post(END_PATH)
    def end(body: CallBody, where: here) -> HelpAnswer:
        """Nobody is to come any more."""
        number = HelpCallNo(body.call_no)
        return _told(calls, calls.end(terminal_id=where.terminal_id, call_no=number))

    return signed


def staff_routes(calls: HelpCalls, caller: CallerOf, *, institution: InstitutionCode) -> APIRouter:
    """What rings on the pages of those who help.

    Args:
        calls: Of the hospital.
        caller: Finds who is signed in.
        institution: Whose staff.
    """
    routes = APIRouter(prefix="/hospital/v1/help", tags=["help"])
    helping = own_staff(institution, caller, RUNG)

    @routes.post("/hear")
    def hear(who: Annotated[Caller, helping]) -> list[RingingAnswer]:
        """What rings now; it is heard by whoever asks."""
        return [_ringing(calls, each) for each in calls.hear(caller=who)]

    @routes.post("/{call_no}/coming")
    def coming(call_no: IdentifierPath, who: Annotated[Caller, helping]) -> RingingAnswer:
        """Say that one comes."""
        return _ringing(calls, calls.come(caller=who, call_no=HelpCallNo(call_no)))

    @routes.post("/{call_no}/done", dependencies=[helping])
    def done(call_no: IdentifierPath) -> RingingAnswer:
        """It is over."""
        return _ringing(calls, calls.finish(call_no=HelpCallNo(call_no)))

    return routes


def _told(calls: HelpCalls, call: HelpCall) -> HelpAnswer:
    return HelpAnswer(call_no=call.call_no, state=calls.state(call), helper=_helper(call))


def _ringing(calls: HelpCalls, call: HelpCall) -> RingingAnswer:
    return RingingAnswer(
        call_no=call.call_no,
        place=call.place,
        asked_at=call.asked_at,
        state=calls.state(call),
        helper=_helper(call),
    )


def _helper(call: HelpCall) -> Words | None:
    if call.helper is None:
        return None
    zh, en = ROLE_WORDS[call.helper.role]
    return words(f"{zh} {call.helper.name}", f"{en} {call.helper.name}")
