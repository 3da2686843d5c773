"""An encounter: its states, what leads from one to the next, and its place in the queue.

``registering -> registered -> called -> in_consultation -> closed``; from ``registering`` also to
``refused``, from ``registered`` and ``called`` also to ``cancelled``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    RecordNo,
    TerminalId,
    VisitId,
)
from shualian.core.refusals import Helper, Refused
from shualian.hospital.model import COMMAND_DIFFERS, Channel, InsuredPerson, hospital_kind
from shualian.hospital.scheduling.model import Department, Doctor
from shualian.verification.model import Scene

REGISTRATION_SCENES = frozenset((Scene.REGISTRATION,))
"""For which scenes a face may register."""


class EncounterState(StrEnum):
    """Where an encounter stands."""

    REGISTERING = "registering"
    """Stored here, asked of the insurer, not known to be done."""
    REGISTERED = "registered"
    REFUSED = "refused"
    CALLED = "called"
    IN_CONSULTATION = "in_consultation"
    CLOSED = "closed"
    CANCELLED = "cancelled"


_NEXT: Mapping[EncounterState, frozenset[EncounterState]] = MappingProxyType(
    {
        EncounterState.REGISTERING: frozenset((EncounterState.REGISTERED, EncounterState.REFUSED)),
        EncounterState.REGISTERED: frozenset((EncounterState.CALLED, EncounterState.CANCELLED)),
        EncounterState.REFUSED: frozenset(),
        EncounterState.CALLED: frozenset(
            (EncounterState.IN_CONSULTATION, EncounterState.CANCELLED)
        ),
        EncounterState.IN_CONSULTATION: frozenset((EncounterState.CLOSED,)),
        EncounterState.CLOSED: frozenset(),
        EncounterState.CANCELLED: frozenset(),
    }
)

OPEN_STATES = frozenset(
    (EncounterState.REGISTERED, EncounterState.CALLED, EncounterState.IN_CONSULTATION)
)
"""In which something may be ordered."""


@dataclass(frozen=True, slots=True)
class Encounter:
    """One visit of a patient.

    Attributes:
        encounter_no: ``ipt_otp_no``, the hospital's own number.
        institution: Whose.
        command_id: Of the registration; the same on every message about it.
        record_no: Whose visit.
        psn_no: The insurer's number of the person.
        department: Where.
        doctor: By whom.
        insutype: Under which insurance.
        med_type: 医疗类别.
        intent_id: What the person confirmed when registering; good for one registration. None
            without evidence.
        channel: By what the person showed who they are; none without evidence.
        terminal_id: Where; none at a window.
        first_frame_at: Of the capture, UTC; none without a face.
        age_band: For statistics.
        begntime: When it was registered, UTC.
        day: The business day of that.
        state: Where it stands.
        mdtrt_id: The insurer's number, once registered.
        queue_place: Place in the department's queue of that day from 1, once registered.
    """

    encounter_no: EncounterNo
    institution: InstitutionCode
    command_id: CommandId
    record_no: RecordNo
    psn_no: PersonNo
    department: Department
    doctor: Doctor
    insutype: str
    med_type: str
    intent_id: IntentId | None
    channel: Channel | None
    terminal_id: TerminalId | None
    first_frame_at: datetime | None
    age_band: str
    begntime: datetime
    day: date
    state: EncounterState = EncounterState.REGISTERING
    mdtrt_id: VisitId | None = None
    queue_place: int | None = None

    @property
    def queue_no(self) -> str:
        """What is called and shown, such as ``A036``; empty before it is registered."""
        if self.queue_place is None:
            return ""
        return f"{self.department.queue_letter}{self.queue_place:03d}"

    @property
    def visit_id(self) -> VisitId:
        """The insurer's number of the visit; an ended visit can still be settled.

        Raises:
            Refused: ``hospital.encounter_not_open`` when it is not registered or was cancelled.
        """
        if self.mdtrt_id is None or self.state is EncounterState.CANCELLED:
            raise Refused(ENCOUNTER_NOT_OPEN, found=self.state.value)
        return self.mdtrt_id


ENCOUNTER_NOT_FOUND = hospital_kind(
    "encounter_not_found",
    "没有这次就诊",
    "There is no such encounter",
    "请核对就诊号",
    "Check the number of the encounter",
)
ENCOUNTER_STEP = hospital_kind(
    "encounter_step",
    "这次就诊现在不能做这一步",
    "The encounter cannot take this step now",
    "请看就诊状态再办理",
    "Look at the state of the encounter first",
)
ENCOUNTER_NOT_OPEN = hospital_kind(
    "encounter_not_open",
    "这次就诊还没有挂上号，或者已经结束",
    "The encounter is not registered or has ended",
    "请先挂号",
    "Register first",
)
ENCOUNTER_CHARGED = hospital_kind(
    "encounter_charged",
    "这次就诊已经有费用，不能直接取消",
    "The encounter has charges and cannot be cancelled",
    "请先退掉费用",
    "Take back the charges first",
)
INTENT_USED = hospital_kind(
    "intent_used",
    "这次确认已经挂过一个号",
    "What the person confirmed has registered another encounter",
    "再挂一个号请本人重新确认",
    "Another registration needs a confirmation of its own",
    Helper.SELF,
)
NO_INSURANCE = hospital_kind(
    "no_insurance",
    "现在没有正常参保的险种",
    "No insurance is in force",
    "可以先自费就诊；参保问题请问医保经办机构",
    "The visit can be self-paid meanwhile; ask the insurer about the insurance",
    Helper.INSURER,
)
REFUSALS = (
    ENCOUNTER_NOT_FOUND,
    ENCOUNTER_STEP,
    ENCOUNTER_NOT_OPEN,
    ENCOUNTER_CHARGED,
    INTENT_USED,
    NO_INSURANCE,
)


def moved(encounter: Encounter, to: EncounterState) -> Encounter:
    """The encounter one step further; a step that was made already changes nothing.

    Raises:
        Refused: ``hospital.encounter_step`` when no such step leads on from where it stands.
    """
    if encounter.state is to:
        return encounter
    if to not in _NEXT[encounter.state]:
        raise Refused(ENCOUNTER_STEP, found=encounter.state.value, asked=to.value)
    return replace(encounter, state=to)


def registered(encounter: Encounter, *, mdtrt_id: VisitId, queue_place: int) -> Encounter:
    """The encounter once the insurer has it; ``queue_place`` counts from 1."""
    after = moved(encounter, EncounterState.REGISTERED)
    return replace(after, mdtrt_id=mdtrt_id, queue_place=queue_place)


def check_open(encounter: Encounter) -> None:
    """Check that something may be ordered.

    Raises:
        Refused: ``hospital.encounter_not_open``.
    """
    if encounter.state not in OPEN_STATES:
        raise Refused(ENCOUNTER_NOT_OPEN, found=encounter.state.value)


def check_same_registration(
    found: Encounter,
    *,
    record_no: RecordNo,
    department: Department,
    doctor: Doctor,
    med_type: str,
) -> None:
    """Check that a repeated command asks for what it asked for the first time.

    The proof is not compared: a repeat is answered from its stored outcome whatever it carries.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    for name, same in (
        ("record_no", found.record_no == record_no),
        ("department", found.department == department),
        ("doctor", found.doctor == doctor),
        ("med_type", found.med_type == med_type),
    ):
        if not same:
            raise Refused(COMMAND_DIFFERS, differs=name)


def insurance_in_force(person: InsuredPerson) -> str:
    """``insutype`` of the first insurance that is in force, in the insurer's order.

    Raises:
        Refused: ``hospital.no_insurance``.
    """
    for insurance in person.insuinfo:
        if insurance.in_force:
            return insurance.insutype
    raise Refused(NO_INSURANCE)
