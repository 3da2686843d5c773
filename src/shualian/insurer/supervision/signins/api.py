"""Doctors over HTTP: captures and sign-ins at terminals, registry and confirmations for staff.

A doctor types or picks their code, the terminal opens a capture for exactly that doctor, frames go
over the ordinary socket, and the matched capture signs the doctor in, once.
"""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import CommandId, InstitutionCode, SessionId
from shualian.insurer.supervision.api import of_institution, of_insurer
from shualian.insurer.supervision.captures.model import CapturePurpose
from shualian.insurer.supervision.signins.model import (
    ConfirmationReason,
    Doctor,
    DoctorCode,
    Practice,
    SignIn,
    SignInMeans,
)
from shualian.insurer.supervision.signins.service import Doctors, SignIns
from shualian.terminals import api as terminals_api
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.api import ActorOf
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.terminals.register.model import check_place
from shualian.terminals.service import TerminalServices
from shualian.verification.captures.model import BeginAnswer, CaptureLimits, LimitsBody
from shualian.verification.model import ConsentPurpose
from shualian.verification.sessions.model import OpenedSession

CAPTURE_PATH = "/terminal/v1/doctors/captures"
SIGN_IN_PATH = "/terminal/v1/doctors/sign-ins"
SIGN_OUT_PATH = "/terminal/v1/doctors/sign-outs"
_PREFIX = "/supervision/doctors"

_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,30}$")]
_CodePath = Annotated[str, Path(pattern=r"^[0-9A-Z]{1,30}$")]
_Department = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{1,30}$")]
_Institution = Annotated[str, StringConstraints(pattern=r"^[HP][0-9]{11}$")]
_Notice = Annotated[str, StringConstraints(min_length=1, max_length=30)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CaptureBody(_Body):
    """Open a capture of a doctor, after the touch and the notice."""

    claim: ClaimBody
    doctor: _Code
    purpose: Literal["doctor_enrolment", "doctor_sign_in", "doctor_sign_out"]
    notice_version: _Notice
    consents: Annotated[list[ConsentPurpose], Field(max_length=3)]


class SignInBody(_Body):
    """Sign in with the capture that was just matched here."""

    claim: ClaimBody
    command_id: _Identifier
    doctor: _Code
    dept_code: _Department
    session_id: _Identifier


class SignOutBody(_Body):
    """Sign out with the capture that was just matched here."""

    claim: ClaimBody
    doctor: _Code
    session_id: _Identifier


class PracticeBody(_Body):
    """Where a doctor may work."""

    institution: _Institution
    dept_code: _Department


class DoctorBody(_Body):
    """A doctor to be listed."""

    doctor: _Code
    name: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(repr=False)
    id_number: Annotated[str, StringConstraints(min_length=18, max_length=18)] = Field(repr=False)
    practices: Annotated[list[PracticeBody], Field(max_length=20)]


class SuspensionBody(_Body):
    """Whether a doctor may sign in."""

    suspended: bool


class ConfirmationBody(_Body):
    """Confirm in person that a doctor is there."""

    command_id: _Identifier
    doctor: _Code
    dept_code: _Department
    reason: ConfirmationReason


class DoctorLine(_Body):
    """A doctor, masked."""

    doctor: str
    masked_name: str = Field(repr=False)
    practices: list[PracticeBody]
    suspended: bool
    signed_in_at: str | None
    until: datetime | None


class SignInAnswer(_Body):
    """A sign-in; one that was confirmed is marked by its means, its reason and by whom."""

    sign_in_id: str
    doctor: str
    institution: str
    dept_code: str
    means: SignInMeans
    reason: ConfirmationReason | None
    confirmed_by: str | None
    signed_in_at: datetime
    valid_until: datetime
    signed_out_at: datetime | None


class DeletionAnswer(_Body):
    """What a withdrawal deleted."""

    templates: int
    stores: list[str]
    deleted_at: datetime


def terminal_routes(
    terminals: TerminalServices, sign_ins: SignIns, *, origin: str, limits: CaptureLimits
) -> APIRouter:
    """What doctors do at terminals.

    Args:
        terminals: Verify the request.
        sign_ins: Decides.
        origin: The listener's canonical origin.
        limits: Of the captures.
    """
    routes = terminals_api.signed_routes(terminals, origin=origin)

    @routes.post(CAPTURE_PATH, status_code=201)
    def capture(
        body: CaptureBody, sender: terminals_api.Verified, response: Response
    ) -> BeginAnswer:
        """Open a capture of the doctor; frames follow over the ordinary socket."""
        check_place(sender.place, body.claim.claim())
        response.headers["Cache-Control"] = "no-store"
        opened = sign_ins.open_capture(
            sender,
            doctor=DoctorCode(body.doctor),
            purpose=CapturePurpose(body.purpose),
            notice_version=body.notice_version,
            consents=body.consents,
        )
        return begin_answer(opened, limits)

    @routes.post(SIGN_IN_PATH, status_code=201)
    def sign_in(body: SignInBody, sender: terminals_api.Verified) -> SignInAnswer:
        """Sign in at this institution, until the answer's ``valid_until``."""
        check_place(sender.place, body.claim.claim())
        made = sign_ins.sign_in(
            sender,
            command_id=CommandId(body.command_id),
            doctor=DoctorCode(body.doctor),
            dept_code=body.dept_code,
            session_id=SessionId(body.session_id),
        )
        return _answer(made)

    @routes.post(SIGN_OUT_PATH)
    def sign_out(body: SignOutBody, sender: terminals_api.Verified) -> SignInAnswer:
        """Sign out of this institution."""
        check_place(sender.place, body.claim.claim())
        made = sign_ins.sign_out(
            sender, doctor=DoctorCode(body.doctor), session_id=SessionId(body.session_id)
        )
        return _answer(made)

    return routes


def registry_routes(doctors: Doctors, caller: ActorOf, *, clock: Clock) -> APIRouter:
    """The registry, for supervisors of the insurer.

    Args:
        doctors: Of the insurer.
        caller: Finds who asks and checks that the role allows it.
        clock: For the check of an ID number.
    """
    routes, insurer = APIRouter(prefix=_PREFIX, tags=["supervision"]), of_insurer(caller)

    @routes.post("", status_code=201)
    def register(
        body: DoctorBody, who: Annotated[InsurerStaff, Depends(insurer)]
    ) -> list[PracticeBody]:
        """List a doctor, or say anew where a listed one may work."""
        today = business_date(clock.now())
        doctor = Doctor(
            code=DoctorCode(body.doctor),
            name=body.name,
            id_number=parse_id_number(body.id_number, today=today),
            practices=frozenset(
                Practice(InstitutionCode(each.institution), each.dept_code)
                for each in body.practices
            ),
        )
        return _practices(doctors.register(who, doctor))

    @routes.post("/{doctor}/suspension", status_code=204)
    def suspend(
        doctor: _CodePath, body: SuspensionBody, who: Annotated[InsurerStaff, Depends(insurer)]
    ) -> None:
        """Let a doctor sign in no more, or again."""
        doctors.suspend(who, DoctorCode(doctor), suspended=body.suspended)

    @routes.post("/{doctor}/withdrawal")
    def withdraw(doctor: _CodePath, who: Annotated[Actor, Depends(caller)]) -> DeletionAnswer:
        """Delete a doctor's template on the doctor's word."""
        receipt = doctors.withdraw(DoctorCode(doctor), actor=who)
        return DeletionAnswer(
            templates=receipt.templates,
            stores=list(receipt.stores),
            deleted_at=receipt.deleted_at,
        )

    return routes


def staff_routes(
    doctors: Doctors, sign_ins: SignIns, caller: ActorOf, *, clock: Clock
) -> APIRouter:
    """What those in charge at an institution do, and what they and supervisors look at.

    Args:
        doctors: Of the insurer.
        sign_ins: Of the insurer.
        caller: Finds who asks and checks that the role allows it.
        clock: For today.
    """
    routes, charge = APIRouter(prefix=_PREFIX, tags=["supervision"]), of_institution(caller)

    @routes.get("")
    def listed(who: Annotated[InstitutionStaff, Depends(charge)]) -> list[DoctorLine]:
        """The institution's doctors, and where each is signed in now."""
        return [_line(each, sign_ins) for each in doctors.at(who.institution)]

    @routes.get("/sign-ins")
    def of_day(
        who: Annotated[Actor, Depends(caller)],
        day: Annotated[date | None, Query()] = None,
        institution: Annotated[str | None, Query(pattern=r"^[HP][0-9]{11}$")] = None,
    ) -> list[SignInAnswer]:
        """The sign-ins of a day; an institution sees its own."""
        asked = day or business_date(clock.now())
        where = None if institution is None else InstitutionCode(institution)
        return [_answer(each) for each in sign_ins.listed(who, day=asked, institution=where)]

    @routes.post("/confirmed-sign-ins", status_code=201)
    def confirm(
        body: ConfirmationBody, who: Annotated[InstitutionStaff, Depends(charge)]
    ) -> SignInAnswer:
        """Confirm in person that a doctor is there."""
        made = sign_ins.confirm(
            who,
            command_id=CommandId(body.command_id),
            doctor=DoctorCode(body.doctor),
            dept_code=body.dept_code,
            reason=body.reason,
        )
        return _answer(made)

    @routes.post("/{doctor}/sign-out")
    def sign_out(
        doctor: _CodePath, who: Annotated[InstitutionStaff, Depends(charge)]
    ) -> SignInAnswer:
        """Confirm that a doctor has left."""
        return _answer(sign_ins.confirm_sign_out(who, doctor=DoctorCode(doctor)))

    return routes


def begin_answer(opened: OpenedSession, limits: CaptureLimits) -> BeginAnswer:
    """An opened capture on the wire, as every capture is answered."""
    return BeginAnswer(
        session_id=opened.session_id,
        nonce=opened.nonce,
        ticket=opened.ticket,
        liveness=opened.liveness,
        expires_at=opened.expires_at,
        limits=LimitsBody.made(limits),
    )


def _practices(doctor: Doctor) -> list[PracticeBody]:
    found = [
        PracticeBody(institution=each.institution, dept_code=each.dept_code)
        for each in doctor.practices
    ]
    return sorted(found, key=lambda each: (each.institution, each.dept_code))


def _line(doctor: Doctor, sign_ins: SignIns) -> DoctorLine:
    current = sign_ins.current(doctor.code)
    return DoctorLine(
        doctor=doctor.code,
        masked_name=doctor.masked_name,
        practices=_practices(doctor),
        suspended=doctor.suspended,
        signed_in_at=None if current is None else current.institution,
        until=None if current is None else current.ends_at,
    )


def _answer(sign_in: SignIn) -> SignInAnswer:
    return SignInAnswer(
        sign_in_id=sign_in.sign_in_id,
        doctor=sign_in.doctor,
        institution=sign_in.institution,
        dept_code=sign_in.dept_code,
        means=sign_in.means,
        reason=sign_in.reason,
        confirmed_by=sign_in.confirmed_by,
        signed_in_at=sign_in.signed_in_at,
        valid_until=sign_in.valid_until,
        signed_out_at=sign_in.signed_out_at,
    )
