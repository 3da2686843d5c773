"""The doctor's view of a visit over HTTP; every look is logged."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from shualian.core.identifiers import EncounterNo
from shualian.hospital.api import Words, words
from shualian.hospital.clinical.api import (
    OrderAnswer,
    StatementAnswer,
    order_answer,
    statement_answer,
)
from shualian.hospital.clinical.model import Statement
from shualian.hospital.desk.model import DoctorView, EarlierVisit, OwnDesk
from shualian.hospital.desk.service import DoctorDesk
from shualian.hospital.encounters.model import EncounterState
from shualian.hospital.examinations.api import ReportAnswer, report_answer
from shualian.hospital.model import Channel
from shualian.hospital.orders.model import PriceList
from shualian.hospital.orders.service import Orders
from shualian.hospital.records.model import EntryKind
from shualian.hospital.scheduling.model import Offer
from shualian.staff.model import Caller

PREFIX = "/hospital/v1/desk"

_NumberPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{1,30}$")]


class IdentityAnswer(BaseModel):
    """Who it is, masked."""

    record_no: str
    masked_name: str
    masked_id_number: str
    age_band: str
    verified_at: datetime | None
    channel: Channel | None


class EntryAnswer(BaseModel):
    """An allergy, a past illness or a lasting medication."""

    kind: EntryKind
    text: str = Field(repr=False)
    code: str
    added_at: datetime


class EarlierAnswer(BaseModel):
    """A visit before this one."""

    encounter_no: str
    day: date
    dept_name: str
    dept_name_en: str
    dr_name: str
    statement: StatementAnswer | None
    reports: list[ReportAnswer]


class ViewAnswer(BaseModel):
    """Everything about a visit; amounts in fen."""

    identity: IdentityAnswer
    entries: list[EntryAnswer]
    encounter_no: str
    state: EncounterState
    queue_no: str
    dept_name: str
    statement: StatementAnswer | None
    orders: list[OrderAnswer]
    paid_fen: int
    open_fen: int
    reports: list[ReportAnswer]
    earlier: list[EarlierAnswer]


class DeskSessionAnswer(BaseModel):
    """A session of the doctor's own, of today; ``terminal_id`` stands in its room."""

    session_no: str
    dept_code: str
    department: Words
    period: Words
    room: Words
    starts_at: datetime
    ends_at: datetime
    terminal_id: str | None


class SignInStandingAnswer(BaseModel):
    """Until when the doctor is signed in at the insurer, and whether a colleague confirmed it."""

    until: datetime
    confirmed: bool


class OwnDeskAnswer(BaseModel):
    """What a doctor's screen begins with."""

    dr_code: str
    name: Words
    dept_code: str
    sessions: list[DeskSessionAnswer]
    sign_in: SignInStandingAnswer | None


def staff_routes(
    desk: DoctorDesk, orders: Orders, caller: Callable[[Request], Caller]
) -> APIRouter:
    """What stands on the doctor's screen.

    Args:
        desk: Puts the view together.
        orders: For the names of what is drafted.
        caller: Who is signed in.
    """
    routes = APIRouter(prefix=PREFIX, tags=["desk"])

    @routes.get("/own")
    def own(who: Annotated[Caller, Depends(caller)]) -> OwnDeskAnswer:
        """The doctor's sessions of today, and the sign-in at the insurer."""
        return _own(desk.own(caller=who))

    @routes.get("/encounters/{encounter_no}")
    def view(encounter_no: _NumberPath, who: Annotated[Caller, Depends(caller)]) -> ViewAnswer:
        """Everything about a visit, as its patient sits down."""
        found = desk.view(caller=who, encounter_no=EncounterNo(encounter_no))
        return _answer(found, orders.prices_today())

    return routes


def _answer(view: DoctorView, prices: PriceList) -> ViewAnswer:
    return ViewAnswer(
        identity=IdentityAnswer(
            record_no=view.chart.record.record_no,
            masked_name=view.chart.record.masked_name,
            masked_id_number=view.chart.record.masked_id_number,
            age_band=view.chart.age_band,
            verified_at=view.encounter.identity_verified_at,
            channel=view.encounter.identity_channel,
        ),
        entries=[
            EntryAnswer(kind=each.kind, text=each.text, code=each.code, added_at=each.added_at)
            for each in view.chart.standing
        ],
        encounter_no=view.encounter.encounter_no,
        state=view.encounter.state,
        queue_no=view.encounter.queue_no,
        dept_name=view.encounter.department.dept_name,
        statement=_statement(view.statement),
        orders=[order_answer(each, prices) for each in view.orders],
        paid_fen=view.paid_fen,
        open_fen=view.open_fen,
        reports=[report_answer(report) for report in view.reports],
        earlier=[_earlier(visit) for visit in view.earlier],
    )


def _own(own: OwnDesk) -> OwnDeskAnswer:
    doctor, sign_in = own.practitioner.doctor, own.sign_in
    return OwnDeskAnswer(
        dr_code=doctor.dr_code,
        name=words(doctor.dr_name, doctor.name_en),
        dept_code=own.practitioner.dept_code,
        sessions=[_session(offer) for offer in own.sessions],
        sign_in=None
        if sign_in is None
        else SignInStandingAnswer(until=sign_in.until, confirmed=sign_in.confirmed),
    )


def _session(offer: Offer) -> DeskSessionAnswer:
    session, department = offer.session, offer.department
    return DeskSessionAnswer(
        session_no=session.session_no,
        dept_code=session.dept_code,
        department=words(department.dept_name, department.name_en),
        period=words(session.period.zh, session.period.en),
        room=words(session.room, session.room_en),
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        terminal_id=session.terminal_id,
    )


def _earlier(visit: EarlierVisit) -> EarlierAnswer:
    return EarlierAnswer(
        encounter_no=visit.encounter_no,
        day=visit.day,
        dept_name=visit.dept_name,
        dept_name_en=visit.dept_name_en,
        dr_name=visit.dr_name,
        statement=_statement(visit.statement),
        reports=[report_answer(report) for report in visit.reports],
    )


def _statement(statement: Statement | None) -> StatementAnswer | None:
    return None if statement is None else statement_answer(statement)
