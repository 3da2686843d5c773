"""Vouchers over HTTP: a person's own acts at a terminal, and those of staff at a window."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import AuthNo, IntentId, PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.persons.model import PERSON_NOT_FOUND
from shualian.insurer.vouchers.model import FreezeReason, VoucherState
from shualian.insurer.vouchers.ports import Confirmations, People
from shualian.insurer.vouchers.service import VoucherPins, Vouchers
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.model import Actor
from shualian.terminals.requests.model import VerifiedRequest
from shualian.terminals.service import TerminalServices
from shualian.verification.model import ConfirmedPerson, Scene

PIN_PATH = "/terminal/v1/vouchers/pin"
PIN_RESET_PATH = "/terminal/v1/vouchers/pin/reset"
FREEZE_PATH = "/terminal/v1/vouchers/freeze"
UNFREEZE_PATH = "/terminal/v1/vouchers/unfreeze"

PIN_USE = "pin.set"
PIN_RESET_USE = "pin.reset"
FREEZE_USE = "voucher.freeze"
UNFREEZE_USE = "voucher.unfreeze"

_Pin = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
_Secret = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_IntentText = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_IdText = Annotated[str, StringConstraints(min_length=15, max_length=20)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class OwnActBody(_Body):
    """A person's own act: the claim of the place, and the proof of the scan that confirmed it."""

    claim: ClaimBody
    auth_no: _Secret = Field(repr=False)
    intent_id: _IntentText


class PinBody(OwnActBody):
    """A new PIN, typed on the terminal."""

    pin: _Pin = Field(repr=False)


class OwnFreezeBody(OwnActBody):
    """Why the person freezes the own voucher."""

    reason: FreezeReason = FreezeReason.PERSON_ASKED


class PersonBody(_Body):
    """Whose voucher; the member of staff has seen the document."""

    certno: _IdText = Field(repr=False)


class FreezeBody(PersonBody):
    """Why a voucher is frozen."""

    reason: FreezeReason


class WindowPinBody(PersonBody):
    """A new PIN that the person typed at the window."""

    pin: _Pin = Field(repr=False)


class VoucherAnswer(_Body):
    """How a voucher stands after what was asked."""

    state: VoucherState
    at: datetime


def terminal_routes(
    services: TerminalServices,
    *,
    vouchers: Vouchers,
    pins: VoucherPins,
    confirmations: Confirmations,
    clock: Clock,
    origin: str,
) -> APIRouter:
    """What a person does with the own voucher at a terminal, each by a scan of its own.

    Args:
        services: Of terminals.
        vouchers: Their life.
        pins: Their PINs.
        confirmations: Redeems the proof of the scan.
        clock: For the answers.
        origin: Canonical origin of the terminal listener.
    """
    routes = terminals_api.signed_routes(services, origin=origin)

    def person(sender: VerifiedRequest, body: OwnActBody, use: str) -> ConfirmedPerson:
        scene = Scene.INSURED_SERVICES.value
        services.requests.check_business(sender, scene=scene, claim=body.claim.claim())
        return confirmations.confirmed(
            AuthNo(body.auth_no),
            terminal=sender.terminal,
            intent_id=IntentId(body.intent_id),
            use=use,
        )

    def answer(subject: PersonNo) -> VoucherAnswer:
        now = clock.now()
        return VoucherAnswer(state=vouchers.standing(subject, now=now), at=now)

    @routes.post(PIN_PATH)
    def set_pin(body: PinBody, sender: terminals_api.Verified) -> VoucherAnswer:
        """Set the first PIN."""
        who = person(sender, body, PIN_USE)
        pins.set(who, body.pin)
        return answer(who.subject)

    @routes.post(PIN_RESET_PATH)
    def reset_pin(body: PinBody, sender: terminals_api.Verified) -> VoucherAnswer:
        """Put a new PIN in the place of a forgotten or locked one."""
        who = person(sender, body, PIN_RESET_USE)
        pins.reset(who, body.pin)
        return answer(who.subject)

    @routes.post(FREEZE_PATH)
    def freeze(body: OwnFreezeBody, sender: terminals_api.Verified) -> VoucherAnswer:
        """Freeze the own voucher."""
        who = person(sender, body, FREEZE_USE)
        vouchers.freeze_own(who, reason=body.reason)
        return answer(who.subject)

    @routes.post(UNFREEZE_PATH)
    def unfreeze(body: OwnActBody, sender: terminals_api.Verified) -> VoucherAnswer:
        """Undo the freeze of the own voucher, unless the insurer froze it."""
        who = person(sender, body, UNFREEZE_USE)
        vouchers.unfreeze_own(who)
        return answer(who.subject)

    return routes


def staff_routes(
    vouchers: Vouchers,
    pins: VoucherPins,
    people: People,
    caller: terminals_api.ActorOf,
    *,
    clock: Clock,
) -> APIRouter:
    """What staff do at a window with a document, and what only the insurer's staff do.

    Args:
        vouchers: Their life.
        pins: Their PINs.
        people: Finds whose document it is.
        caller: Who asks, signed in and allowed.
        clock: For the age of ID numbers and the answers.
    """
    routes = APIRouter(prefix="/vouchers", tags=["vouchers"])
    subject_of, answer = _finder(people, clock), _answerer(vouchers, clock)

    @routes.post("/freeze")
    def freeze(body: FreezeBody, who: Annotated[Actor, Depends(caller)]) -> VoucherAnswer:
        """Freeze a voucher; the insurer's freeze is undone by the insurer only."""
        subject = subject_of(body)
        vouchers.freeze(subject, reason=body.reason, actor=who)
        return answer(subject)

    @routes.post("/unfreeze")
    def unfreeze(body: PersonBody, who: Annotated[Actor, Depends(caller)]) -> VoucherAnswer:
        """Undo a freeze; the insurer only."""
        subject = subject_of(body)
        vouchers.unfreeze(subject, actor=who)
        return answer(subject)

    @routes.post("/close")
    def close(body: PersonBody, who: Annotated[Actor, Depends(caller)]) -> VoucherAnswer:
        """End a voucher for good; the insurer only."""
        subject = subject_of(body)
        vouchers.close(subject, actor=who)
        return answer(subject)

    @routes.post("/pin")
    def reset_pin(body: WindowPinBody, who: Annotated[Actor, Depends(caller)]) -> VoucherAnswer:
        """Set or reset a PIN at a window."""
        subject = subject_of(body)
        pins.reset_at_window(subject, body.pin, actor=who)
        return answer(subject)

    return routes


def _finder(people: People, clock: Clock) -> Callable[[PersonBody], PersonNo]:
    def find(body: PersonBody) -> PersonNo:
        number = parse_id_number(body.certno, today=business_date(clock.now()))
        found = people.by_number(number)
        if found is None:
            raise Refused(PERSON_NOT_FOUND)
        return found

    return find


def _answerer(vouchers: Vouchers, clock: Clock) -> Callable[[PersonNo], VoucherAnswer]:
    def answer(subject: PersonNo) -> VoucherAnswer:
        now = clock.now()
        return VoucherAnswer(state=vouchers.standing(subject, now=now), at=now)

    return answer
