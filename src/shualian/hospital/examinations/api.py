"""Examinations over HTTP: the desk's worklist and reports, and machines where they are collected.

What identifies a person travels in bodies, never in addresses; numbers of ours may stand there.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import CommandId
from shualian.hospital.api import Body
from shualian.hospital.clinical.api import DoctorOf
from shualian.hospital.clinical.model import OrderKind, OrderNo
from shualian.hospital.evidence_body import (
    EvidenceAtTerminal,
    EvidenceAtWindow,
    HandedOver,
    evidence_at_terminal,
    evidence_at_window,
    no_desk,
)
from shualian.hospital.examinations.model import (
    EXAMINED,
    TEXT_MAX,
    VALUES_MAX,
    Collection,
    Examination,
    ExamState,
    Findings,
    Flag,
    LabValue,
    Report,
    ResultReady,
    WorkItem,
)
from shualian.hospital.examinations.service import Examinations
from shualian.hospital.model import AtTerminal, Channel
from shualian.staff.model import Caller, Role, check_role

PREFIX = "/hospital/v1/examinations"
ARRIVAL_PATH = "/terminal/v1/hospital/examinations/arrive"
REPORTS_PATH = "/terminal/v1/hospital/reports/list"
COLLECTION_PATH = "/terminal/v1/hospital/reports/collect"

PERFORMING = frozenset((Role.TECHNICIAN, Role.DOCTOR, Role.NURSE))
"""Who works at the desk of an examination."""
REPORTING = frozenset((Role.TECHNICIAN, Role.DOCTOR))
"""Who enters and signs a report."""
HANDING_OUT = frozenset((Role.CLERK, Role.TECHNICIAN, Role.NURSE))
"""Who hands reports out at a window."""
ORDERING = frozenset((Role.DOCTOR,))

_Command = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{1,30}$")]
_NumberPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{1,30}$")]
_Version = Annotated[int, Path(ge=1, le=1_000)]
_Short = Annotated[str, StringConstraints(max_length=100)]
_Long = Annotated[str, StringConstraints(max_length=TEXT_MAX)]
_Value = Annotated[Decimal, Field(max_digits=20, decimal_places=8, allow_inf_nan=False)]
_Caller = Callable[[Request], Caller]


class ArriveBody(Body):
    """The patient has come to the desk."""

    command_id: _Command
    order_no: _Number
    evidence: EvidenceAtWindow


class ArriveAtTerminalBody(Body):
    """The patient has come to the terminal at the desk."""

    command_id: _Command
    order_no: _Number
    evidence: EvidenceAtTerminal


class ValueBody(Body):
    """One measured value with its ranges."""

    name: _Short
    value: _Value
    unit: _Short
    low: _Value | None = None
    high: _Value | None = None
    critical_low: _Value | None = None
    critical_high: _Value | None = None


class ReportBody(Body):
    """What was found."""

    command_id: _Command
    values: Annotated[list[ValueBody], Field(max_length=VALUES_MAX)] = Field(default=[], repr=False)
    finding: _Long = Field(default="", repr=False)
    conclusion: _Long = Field(default="", repr=False)
    is_critical: bool = False


class OwnReportsBody(Body):
    """Who asks what can be collected."""

    evidence: EvidenceAtTerminal


class CollectBody(Body):
    """Take a report away at a machine."""

    command_id: _Command
    order_no: _Number
    evidence: EvidenceAtTerminal


class HandOutBody(Body):
    """Hand a report out at a window, to the patient or to a proxy with an own document."""

    command_id: _Command
    order_no: _Number
    evidence: EvidenceAtWindow
    is_proxy: bool = False


class WorkAnswer(BaseModel):
    """One line of the worklist."""

    order_no: str
    encounter_no: str
    kind: OrderKind
    queue_no: str
    masked_name: str
    names_zh: list[str]
    names_en: list[str]
    state: ExamState | None


class ExaminationAnswer(BaseModel):
    """Where an examination stands."""

    order_no: str
    encounter_no: str
    kind: OrderKind
    state: ExamState
    channel: Channel
    arrived_at: datetime
    performed_at: datetime | None


class ValueAnswer(ValueBody):
    """One measured value with where it lies."""

    flag: Flag


class ReportAnswer(BaseModel):
    """One version of a report."""

    order_no: str
    encounter_no: str
    version: int
    values: list[ValueAnswer]
    finding: str
    conclusion: str
    critical: bool
    entered_by: str
    entered_at: datetime
    signed_by: str | None
    signed_at: datetime | None


class ReadyAnswer(BaseModel):
    """A report that can be collected."""

    order_no: str
    version: int
    signed_at: datetime
    names_zh: list[str]
    names_en: list[str]


class CollectedAnswer(BaseModel):
    """A report in hand, and how that was recorded."""

    report: ReportAnswer
    collected_at: datetime
    channel: Channel
    is_proxy: bool


def staff_routes(
    examinations: Examinations,
    caller: _Caller,
    *,
    doctor_of: DoctorOf,
    clock: Clock,
    handed_over: HandedOver = no_desk,
) -> APIRouter:
    """What staff do at the desks of examinations, at windows, and with critical results.

    Args:
        examinations: Everything.
        caller: Who is signed in.
        doctor_of: Which doctor that is.
        clock: For the check of ID numbers.
        handed_over: Finds what the terminal beside a desk handed over.
    """
    routes = APIRouter(prefix=PREFIX, tags=["examinations"])
    _add_desk(routes, examinations, _having(caller, PERFORMING), clock, handed_over)
    _add_reports(routes, examinations, _having(caller, REPORTING))
    _add_critical(routes, examinations, _having(caller, ORDERING), doctor_of)
    _add_window(routes, examinations, _having(caller, HANDING_OUT), clock)
    return routes


def terminal_routes(
    signed: APIRouter, examinations: Examinations, at: Callable[[Request], AtTerminal]
) -> APIRouter:
    """What patients do at terminals: report at the desk, list and collect their reports.

    Args:
        signed: An empty router whose requests are verified before.
        examinations: Everything.
        at: Which terminal that is.
    """

    @signed.post(ARRIVAL_PATH)
    def arrive(
        body: ArriveAtTerminalBody, where: Annotated[AtTerminal, Depends(at)]
    ) -> ExaminationAnswer:
        """The patient of a paid order has come."""
        found = examinations.arrive(
            command_id=CommandId(body.command_id),
            order_no=OrderNo(body.order_no),
            evidence=evidence_at_terminal(body.evidence, where),
            terminal_id=where.terminal_id,
        )
        return _examination_answer(found)

    @signed.post(REPORTS_PATH)
    def reports(
        body: OwnReportsBody, where: Annotated[AtTerminal, Depends(at)]
    ) -> list[ReadyAnswer]:
        """What the person who shows this can collect."""
        evidence = evidence_at_terminal(body.evidence, where)
        return [_ready_answer(each) for each in examinations.own_reports(evidence=evidence)]

    @signed.post(COLLECTION_PATH)
    def collect(body: CollectBody, where: Annotated[AtTerminal, Depends(at)]) -> CollectedAnswer:
        """Take a report away, to print it; who did is recorded."""
        report, collection = examinations.collect(
            command_id=CommandId(body.command_id),
            order_no=OrderNo(body.order_no),
            evidence=evidence_at_terminal(body.evidence, where),
            terminal_id=where.terminal_id,
        )
        return _collected_answer(report, collection)

    return signed


def _having(caller: _Caller, roles: frozenset[Role]) -> _Caller:
    def found(request: Request) -> Caller:
        who = caller(request)
        check_role(who, roles)
        return who

    return found


def _add_desk(
    routes: APIRouter,
    examinations: Examinations,
    caller: _Caller,
    clock: Clock,
    handed_over: HandedOver,
) -> None:
    @routes.get("", dependencies=[Depends(caller)])
    def worklist(
        kind: Annotated[list[OrderKind], Query(max_length=2)] = [],  # noqa: B006
    ) -> list[WorkAnswer]:
        """What is paid and not reported; what is begun first."""
        kinds = EXAMINED & set(kind) if kind else EXAMINED
        return [_work_answer(item) for item in examinations.worklist(kinds=kinds)]

    @routes.post("/arrivals", status_code=201)
    def arrive(body: ArriveBody, who: Annotated[Caller, Depends(caller)]) -> ExaminationAnswer:
        """The patient of a paid order has come to the desk."""
        today = business_date(clock.now())
        found = examinations.arrive(
            command_id=CommandId(body.command_id),
            order_no=OrderNo(body.order_no),
            evidence=evidence_at_window(
                body.evidence, seen_by=who.staff_id, today=today, handed_over=handed_over
            ),
            received_by=who.staff_id,
        )
        return _examination_answer(found)

    @routes.post("/{order_no}/perform")
    def perform(
        order_no: _NumberPath, who: Annotated[Caller, Depends(caller)]
    ) -> ExaminationAnswer:
        """It was performed."""
        found = examinations.perform(order_no=OrderNo(order_no), by=who.staff_id)
        return _examination_answer(found)


def _add_reports(routes: APIRouter, examinations: Examinations, caller: _Caller) -> None:
    @routes.post("/{order_no}/reports", status_code=201)
    def enter(
        order_no: _NumberPath, body: ReportBody, who: Annotated[Caller, Depends(caller)]
    ) -> ReportAnswer:
        """Enter what was found: the first version, or one that amends the last."""
        report = examinations.enter(
            command_id=CommandId(body.command_id),
            order_no=OrderNo(order_no),
            findings=_findings(body),
            entered_by=who.staff_id,
        )
        return report_answer(report)

    @routes.post("/{order_no}/reports/{version}/sign")
    def sign(
        order_no: _NumberPath, version: _Version, who: Annotated[Caller, Depends(caller)]
    ) -> ReportAnswer:
        """Answer for a version; an amended one needs another person than who entered it."""
        return report_answer(
            examinations.sign(order_no=OrderNo(order_no), version=version, by=who.staff_id)
        )

    @routes.get("/{order_no}/reports", dependencies=[Depends(caller)])
    def versions(order_no: _NumberPath) -> list[ReportAnswer]:
        """All versions, the oldest first."""
        found = examinations.versions(order_no=OrderNo(order_no))
        return [report_answer(report) for report in found]


def _add_critical(
    routes: APIRouter, examinations: Examinations, caller: _Caller, doctor_of: DoctorOf
) -> None:
    @routes.get("/critical")
    def critical(who: Annotated[Caller, Depends(caller)]) -> list[ReportAnswer]:
        """Critical results of the doctor's own orders of which nobody took note."""
        found = examinations.critical(dr_code=doctor_of(who).dr_code)
        return [report_answer(report) for report in found]

    @routes.post("/{order_no}/reports/{version}/noted")
    def noted(
        order_no: _NumberPath, version: _Version, who: Annotated[Caller, Depends(caller)]
    ) -> ReportAnswer:
        """The doctor has taken note of a critical result."""
        return report_answer(
            examinations.take_note(order_no=OrderNo(order_no), version=version, by=who.staff_id)
        )


def _add_window(
    routes: APIRouter, examinations: Examinations, caller: _Caller, clock: Clock
) -> None:
    @routes.post("/handed-out", status_code=201)
    def hand_out(body: HandOutBody, who: Annotated[Caller, Depends(caller)]) -> CollectedAnswer:
        """Hand a report out at a window; a proxy is recorded by name of the own document."""
        today = business_date(clock.now())
        report, collection = examinations.collect(
            command_id=CommandId(body.command_id),
            order_no=OrderNo(body.order_no),
            evidence=evidence_at_window(body.evidence, seen_by=who.staff_id, today=today),
            given_by=who.staff_id,
            is_proxy=body.is_proxy,
        )
        return _collected_answer(report, collection)


def _findings(body: ReportBody) -> Findings:
    values = tuple(LabValue(**dict(value)) for value in body.values)
    return Findings(values, body.finding, body.conclusion, body.is_critical)


def report_answer(report: Report) -> ReportAnswer:
    """A report as it is shown and printed."""
    findings = report.findings
    return ReportAnswer(
        order_no=report.order_no,
        encounter_no=report.encounter_no,
        version=report.version,
        values=_values(findings.values),
        finding=findings.finding,
        conclusion=findings.conclusion,
        critical=findings.critical,
        entered_by=report.entered_by,
        entered_at=report.entered_at,
        signed_by=report.signed_by,
        signed_at=report.signed_at,
    )


def _values(values: Sequence[LabValue]) -> list[ValueAnswer]:
    names = ValueBody.model_fields
    return [
        ValueAnswer(**{name: getattr(value, name) for name in names}, flag=value.flag)
        for value in values
    ]


def _work_answer(item: WorkItem) -> WorkAnswer:
    return WorkAnswer(
        order_no=item.order_no,
        encounter_no=item.encounter_no,
        kind=item.kind,
        queue_no=item.queue_no,
        masked_name=item.masked_name,
        names_zh=list(item.names_zh),
        names_en=list(item.names_en),
        state=item.state,
    )


def _examination_answer(found: Examination) -> ExaminationAnswer:
    return ExaminationAnswer(
        order_no=found.order_no,
        encounter_no=found.encounter_no,
        kind=found.kind,
        state=found.state,
        channel=found.channel,
        arrived_at=found.arrived_at,
        performed_at=found.performed_at,
    )


def _ready_answer(ready: ResultReady) -> ReadyAnswer:
    return ReadyAnswer(
        order_no=ready.order_no,
        version=ready.version,
        signed_at=ready.signed_at,
        names_zh=list(ready.names_zh),
        names_en=list(ready.names_en),
    )


def _collected_answer(report: Report, collection: Collection) -> CollectedAnswer:
    return CollectedAnswer(
        report=report_answer(report),
        collected_at=collection.collected_at,
        channel=collection.channel,
        is_proxy=collection.is_proxy,
    )
