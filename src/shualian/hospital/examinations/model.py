"""An examination or laboratory test from the desk to the report in hand; pure.

A paid order waits (nothing is stored of that) ``-> arrived -> performed -> reported``. A report has
versions: entered by one, signed by one; from the second version on by two different people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    RecordNo,
    StaffId,
    TerminalId,
)
from shualian.core.refusals import Helper, Refused
from shualian.hospital.clinical.model import OrderKind, OrderNo
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    PROOF_NOT_FITTING,
    Channel,
    FaceEvidence,
    check_scene,
    hospital_kind,
)
from shualian.verification.model import FaceProof, Scene

EXAMINED = frozenset((OrderKind.EXAMINATION, OrderKind.LABORATORY))
"""The kinds of order that are performed here."""
ARRIVAL_SCENES = frozenset((Scene.EXAMINATION, Scene.CONSULTATION, Scene.SETTLEMENT))
"""For which scenes a face may report at the desk; who has just paid there goes on in that scan."""
COLLECTION_SCENES = frozenset((Scene.REPORT_COLLECTION,))
"""For which scenes a face may take a report away."""

VALUES_MAX = 200
"""The most values of one report."""
TEXT_MAX = 8_000
"""The most characters of a finding or a conclusion."""


class ExamState(StrEnum):
    """Where an examination stands."""

    ARRIVED = "arrived"
    PERFORMED = "performed"
    REPORTED = "reported"


_NEXT: Mapping[ExamState, frozenset[ExamState]] = MappingProxyType(
    {
        ExamState.ARRIVED: frozenset((ExamState.PERFORMED,)),
        ExamState.PERFORMED: frozenset((ExamState.REPORTED,)),
        ExamState.REPORTED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class Examination:
    """One paid order whose patient has come.

    Attributes:
        order_no: Which order.
        institution: Whose.
        encounter_no: In which visit.
        record_no: Of which record.
        psn_no: Of whom.
        kind: Examination or laboratory.
        command_id: By which command the patient arrived.
        channel: By what the patient showed who they are.
        arrived_at: UTC.
        terminal_id: Where; none at a window.
        received_by: Who received the patient; none at a terminal.
        state: Where it stands.
        performed_at: UTC.
        performed_by: Who performed it.
    """

    order_no: OrderNo
    institution: InstitutionCode
    encounter_no: EncounterNo
    record_no: RecordNo
    psn_no: PersonNo
    kind: OrderKind
    command_id: CommandId
    channel: Channel
    arrived_at: datetime
    terminal_id: TerminalId | None
    received_by: StaffId | None
    state: ExamState = ExamState.ARRIVED
    performed_at: datetime | None = None
    performed_by: StaffId | None = None


class Flag(StrEnum):
    """Where a value lies against its ranges."""

    NORMAL = "normal"
    LOW = "low"
    HIGH = "high"
    CRITICAL_LOW = "critical_low"
    CRITICAL_HIGH = "critical_high"
    NO_RANGE = "no_range"


@dataclass(frozen=True, slots=True)
class LabValue:
    """One measured value with its ranges; a bound that is absent does not hold.

    Attributes:
        name: What was measured.
        value: How much.
        unit: Such as ``mmol/L``.
        low: Lower end of the reference range.
        high: Upper end.
        critical_low: Below this a doctor is told at once.
        critical_high: Above this, too.
    """

    name: str
    value: Decimal
    unit: str
    low: Decimal | None = None
    high: Decimal | None = None
    critical_low: Decimal | None = None
    critical_high: Decimal | None = None

    @property
    def flag(self) -> Flag:
        """Where it lies."""
        if self.critical_low is not None and self.value < self.critical_low:
            return Flag.CRITICAL_LOW
        if self.critical_high is not None and self.value > self.critical_high:
            return Flag.CRITICAL_HIGH
        if self.low is not None and self.value < self.low:
            return Flag.LOW
        if self.high is not None and self.value > self.high:
            return Flag.HIGH
        return Flag.NO_RANGE if self.low is self.high is None else Flag.NORMAL


@dataclass(frozen=True, slots=True)
class Findings:
    """What a report says.

    Attributes:
        values: Of the laboratory.
        finding: What was seen, in words.
        conclusion: What it means, in words.
        is_critical: That a doctor must know at once, by who wrote it.
    """

    values: tuple[LabValue, ...] = field(default=(), repr=False)
    finding: str = field(default="", repr=False)
    conclusion: str = field(default="", repr=False)
    is_critical: bool = False

    @property
    def critical(self) -> bool:
        """Whether a doctor must know at once: said so, or by a value."""
        flags = {value.flag for value in self.values}
        return self.is_critical or bool(flags & {Flag.CRITICAL_LOW, Flag.CRITICAL_HIGH})


@dataclass(frozen=True, slots=True)
class Report:
    """One version of a report; it never changes once it is signed.

    Attributes:
        order_no: Of which order.
        encounter_no: Of which visit.
        version: From 1; the newest signed one holds.
        command_id: Which command entered it.
        findings: What it says.
        entered_by: Who entered it.
        entered_at: UTC.
        signed_by: Who answers for it; none before.
        signed_at: UTC; from then on it can be collected.
        seen_by: The doctor who took note of a critical one.
        seen_at: UTC.
    """

    order_no: OrderNo
    encounter_no: EncounterNo
    version: int
    command_id: CommandId
    findings: Findings
    entered_by: StaffId
    entered_at: datetime
    signed_by: StaffId | None = None
    signed_at: datetime | None = None
    seen_by: StaffId | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResultReady:
    """That a report can be collected; says nothing of what is in it.

    Attributes:
        order_no: Of which order.
        encounter_no: Of which visit.
        version: Which version.
        signed_at: Since when, UTC.
        critical: Whether a doctor must know at once.
        names_zh: What was examined.
        names_en: The same in English.
    """

    order_no: OrderNo
    encounter_no: EncounterNo
    version: int
    signed_at: datetime
    critical: bool
    names_zh: tuple[str, ...]
    names_en: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One line of a desk's worklist.

    Attributes:
        order_no: Which order.
        encounter_no: Of which visit.
        kind: Examination or laboratory.
        queue_no: Under which number the patient is known today.
        masked_name: Of the patient.
        names_zh: What is to be done.
        names_en: The same in English.
        state: Where it stands; none while the patient has not come.
    """

    order_no: OrderNo
    encounter_no: EncounterNo
    kind: OrderKind
    queue_no: str
    masked_name: str
    names_zh: tuple[str, ...]
    names_en: tuple[str, ...]
    state: ExamState | None


@dataclass(frozen=True, slots=True)
class Collector:
    """Who stands before the machine or the window, and for whom.

    Attributes:
        subject: Who came.
        beneficiary: Whose matter it is.
        channel: By what they showed it.
    """

    subject: PersonNo
    beneficiary: PersonNo
    channel: Channel


@dataclass(frozen=True, slots=True)
class Collection:
    """That somebody took a report away.

    Attributes:
        command_id: Of the caller.
        order_no: Which report.
        version: Which version of it.
        collected_at: UTC.
        channel: By what the person showed who they are.
        collector: Who took it.
        is_proxy: Whether that is not the patient.
        terminal_id: Where; none at a window.
        given_by: Who handed it out; none at a terminal.
    """

    command_id: CommandId
    order_no: OrderNo
    version: int
    collected_at: datetime
    channel: Channel
    collector: PersonNo
    is_proxy: bool
    terminal_id: TerminalId | None
    given_by: StaffId | None


EXAMINATION_NOT_FOUND = hospital_kind(
    "examination_not_found",
    "没有这项检查，或者病人还没有报到",
    "There is no such examination, or the patient has not come to the desk",
    "请先在检查台报到",
    "Let the patient report at the desk first",
)
EXAMINATION_STEP = hospital_kind(
    "examination_step",
    "这项检查现在不能做这一步",
    "The examination cannot take this step now",
    "请看检查状态再办理",
    "Look at the state of the examination first",
)
NOT_EXAMINED_HERE = hospital_kind(
    "not_examined_here",
    "这条医嘱不是检查或化验",
    "The order is no examination and no laboratory test",
    "请按医嘱到相应的地方办理",
    "Go where the order says",
)
ORDER_OF_ANOTHER_PERSON = hospital_kind(
    "order_of_another_person",
    "来的人不是这条医嘱的病人",
    "The person is not the patient of this order",
    "请本人办理；代领请到窗口登记",
    "Let the patient come; somebody else collects at the window",
)
REPORT_NOT_READY = hospital_kind(
    "report_not_ready",
    "报告还没有出来",
    "The report is not ready",
    "请稍后再来，出来后屏幕会提示",
    "Come again later; the screen tells when it is ready",
    Helper.SELF,
)
REPORT_INVALID = hospital_kind(
    "report_invalid",
    "报告内容不完整或太长",
    "The report says nothing, or too much",
    "请核对报告内容",
    "Check what the report says",
    Helper.SELF,
)
REPORT_NEEDS_SECOND = hospital_kind(
    "report_needs_second",
    "修改过的报告要由另一个人签名",
    "A report that was amended is signed by another person",
    "请由另一位同事签名",
    "Let a colleague sign it",
)
REFUSALS = (
    EXAMINATION_NOT_FOUND,
    EXAMINATION_STEP,
    NOT_EXAMINED_HERE,
    ORDER_OF_ANOTHER_PERSON,
    REPORT_NOT_READY,
    REPORT_INVALID,
    REPORT_NEEDS_SECOND,
)


def presence(evidence: FaceEvidence, proof: FaceProof, allowed: frozenset[Scene]) -> Collector:
    """Who stands there by a face, and for whom; a proxy is recorded with the own face.

    Raises:
        Refused: ``hospital.scene_not_allowed``, ``hospital.proof_not_fitting``.
    """
    check_scene(evidence, allowed)
    # A proof taken elsewhere or for something else is good for nothing here.
    for name, fits in (
        ("terminal", proof.terminal_id == evidence.terminal_id),
        ("intent", proof.intent_id == evidence.intent_id),
        ("scene", proof.scene is evidence.scene),
    ):
        if not fits:
            raise Refused(PROOF_NOT_FITTING, differs=name)
    return Collector(proof.subject, proof.beneficiary, Channel.FACE)


def check_patient(found: PersonNo, *, expected: PersonNo) -> None:
    """Check that it is the patient of the order.

    Raises:
        Refused: ``hospital.order_of_another_person``.
    """
    if found != expected:
        raise Refused(ORDER_OF_ANOTHER_PERSON)


def moved(examination: Examination, to: ExamState) -> Examination:
    """The examination one step further.

    Raises:
        Refused: ``hospital.examination_step``.
    """
    if to not in _NEXT[examination.state]:
        raise Refused(EXAMINATION_STEP, found=examination.state.value, asked=to.value)
    return replace(examination, state=to)


def performed(examination: Examination, *, by: StaffId, now: datetime) -> Examination:
    """The examination once it was performed.

    Raises:
        Refused: ``hospital.examination_step``.
    """
    after = moved(examination, ExamState.PERFORMED)
    return replace(after, performed_at=now, performed_by=by)


def check_findings(findings: Findings) -> None:
    """Check that a report says something, and not too much.

    Raises:
        Refused: ``hospital.report_invalid``.
    """
    says = bool(findings.values or findings.conclusion.strip())
    short = max(len(findings.finding), len(findings.conclusion)) <= TEXT_MAX
    exact = all(value.value.is_finite() for value in findings.values)
    if not (says and short and exact and len(findings.values) <= VALUES_MAX):
        raise Refused(REPORT_INVALID, values=len(findings.values), limit=TEXT_MAX)


def check_same_report(found: Report, *, order_no: OrderNo, findings: Findings) -> None:
    """Check that a repeated command enters what it entered the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if (found.order_no, found.findings) != (order_no, findings):
        raise Refused(COMMAND_DIFFERS)


def signed(report: Report, *, by: StaffId, now: datetime) -> Report:
    """The report once somebody answers for it; a signed one stays as it is.

    Raises:
        Refused: ``hospital.report_needs_second`` when one person amends and signs.
    """
    if report.signed_at is not None:
        return report
    if report.version > 1 and report.entered_by == by:
        raise Refused(REPORT_NEEDS_SECOND)
    return replace(report, signed_by=by, signed_at=now)


def holding(reports: Sequence[Report]) -> Report:
    """The newest signed version.

    Raises:
        Refused: ``hospital.report_not_ready``.
    """
    found = [report for report in reports if report.signed_at is not None]
    if not found:
        raise Refused(REPORT_NOT_READY)
    return max(found, key=lambda report: report.version)
