"""An encounter: its states, what leads from one to the next, and its place in the queue.

``registering -> registered -> called -> in_consultation -> closed``; from ``registering`` also to
``refused``. Who is sent to an examination goes on ``in_consultation -> waiting_results -> returned
-> called``; who misses a call goes back to where they were called from. From ``registered`` and
``called`` a visit that has not begun can be given up: ``cancelling -> cancelled``, and back to
``registered`` when the insurer does not let it go.

Whom nobody knows is ``registered`` here and not at the insurer: there is no ``mdtrt_id``, and so
nothing can be settled by the insurance, until the identity is attached.
"""

from collections.abc import Mapping, Sequence
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
    StaffId,
    TerminalId,
    VisitId,
)
from shualian.core.refusals import Helper, Refused
from shualian.hospital.model import COMMAND_DIFFERS, Channel, InsuredPerson, hospital_kind
from shualian.hospital.queues.model import (
    Queued,
    QueuePolicy,
    Standing,
    first_standing,
    missed_standing,
    returned_standing,
)
from shualian.hospital.records.model import NOBODY, PATIENT_UNKNOWN
from shualian.hospital.scheduling.model import ClinicSessionNo, Department, Doctor
from shualian.verification.model import Scene

REGISTRATION_SCENES = frozenset((Scene.REGISTRATION,))
"""For which scenes a face may register."""
CONSULTATION_SCENES = frozenset((Scene.CONSULTATION, Scene.TREATMENT))
"""For which scenes a face tells the doctor who sits there."""


class EncounterState(StrEnum):
    """Where an encounter stands."""

    REGISTERING = "registering"
    """Stored here, asked of the insurer, not known to be done."""
    REGISTERED = "registered"
    REFUSED = "refused"
    CALLED = "called"
    IN_CONSULTATION = "in_consultation"
    WAITING_RESULTS = "waiting_results"
    """At an examination, or at home until the results come."""
    RETURNED = "returned"
    """Back with results, waiting to be called again."""
    CLOSED = "closed"
    CANCELLING = "cancelling"
    """Given up here, asked of the insurer, not known to be cancelled there."""
    CANCELLED = "cancelled"


_NEXT: Mapping[EncounterState, frozenset[EncounterState]] = MappingProxyType(
    {
        EncounterState.REGISTERING: frozenset((EncounterState.REGISTERED, EncounterState.REFUSED)),
        EncounterState.REGISTERED: frozenset((EncounterState.CALLED, EncounterState.CANCELLING)),
        EncounterState.REFUSED: frozenset(),
        EncounterState.CALLED: frozenset(
            (
                EncounterState.IN_CONSULTATION,
                EncounterState.REGISTERED,
                EncounterState.RETURNED,
                EncounterState.CANCELLING,
            )
        ),
        EncounterState.IN_CONSULTATION: frozenset(
            (EncounterState.WAITING_RESULTS, EncounterState.CLOSED)
        ),
        EncounterState.WAITING_RESULTS: frozenset((EncounterState.RETURNED, EncounterState.CLOSED)),
        EncounterState.RETURNED: frozenset((EncounterState.CALLED, EncounterState.CLOSED)),
        EncounterState.CLOSED: frozenset(),
        EncounterState.CANCELLING: frozenset((EncounterState.CANCELLED, EncounterState.REGISTERED)),
        EncounterState.CANCELLED: frozenset(),
    }
)

OPEN_STATES = frozenset(
    (
        EncounterState.REGISTERED,
        EncounterState.CALLED,
        EncounterState.IN_CONSULTATION,
        EncounterState.WAITING_RESULTS,
        EncounterState.RETURNED,
    )
)
"""In which something may be ordered."""
WAITING_STATES = frozenset((EncounterState.REGISTERED, EncounterState.RETURNED))
"""In which somebody waits to be called."""
ATTENDED_STATES = frozenset(
    (
        EncounterState.CALLED,
        EncounterState.IN_CONSULTATION,
        EncounterState.WAITING_RESULTS,
    )
)
"""In which a doctor has called somebody and is not done with them."""


class OverrideReason(StrEnum):
    """Why staff registered somebody who showed nothing; a closed list names nobody."""

    UNCONSCIOUS = "unconscious"
    CONFUSED = "confused"
    NEWBORN = "newborn"
    DOCUMENT_LOST = "document_lost"
    DEVICES_DOWN = "devices_down"
    CAME_BY_AMBULANCE = "came_by_ambulance"


@dataclass(frozen=True, slots=True)
class Override:
    """That staff registered somebody without evidence; the visit is a claim.

    Attributes:
        by: Who answers for it.
        reason: Why.
    """

    by: StaffId
    reason: OverrideReason


@dataclass(frozen=True, slots=True)
class Encounter:
    """One visit of a patient.

    Attributes:
        encounter_no: ``ipt_otp_no``, the hospital's own number.
        institution: Whose.
        command_id: Of the registration; the same on every message about it.
        record_no: Whose visit.
        psn_no: The insurer's number of the person; ``NOBODY`` while nobody knows who it is.
        department: Where.
        doctor: By whom.
        insutype: Under which insurance; empty without one.
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
        standing: When it is called, compared with the others; once registered.
        session_no: Of which session; none for a visit without one.
        aged: Whether the patient is of the age at which the queue lets them go ahead.
        triage: Of an emergency, 1 the most urgent; none otherwise.
        seen_by: The clerk who saw a document.
        override: Why it has no evidence.
        identity_verified_at: When the patient last showed who they are, UTC.
        identity_channel: By what.
        called_at: Of the latest call, UTC.
        called_to: The terminal that the call armed.
        returned_at: When the patient last came back with results, UTC.
        misses: How many calls the patient missed.
        acted_by: Who registered by their own face, where that is not the patient but a relative.
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
    standing: Standing | None = None
    session_no: ClinicSessionNo | None = None
    aged: bool = False
    triage: int | None = None
    seen_by: StaffId | None = None
    override: Override | None = None
    identity_verified_at: datetime | None = None
    identity_channel: Channel | None = None
    called_at: datetime | None = None
    called_to: TerminalId | None = None
    returned_at: datetime | None = None
    misses: int = 0
    acted_by: PersonNo | None = None

    @property
    def person_known(self) -> bool:
        """Whether it is known whose visit it is."""
        return self.psn_no != NOBODY

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
            Refused: ``hospital.patient_unknown`` while nobody knows whose visit it is;
                ``hospital.encounter_not_open`` when it is not registered or was cancelled.
        """
        if not self.person_known:
            raise Refused(PATIENT_UNKNOWN)
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
EVIDENCE_MISSING = hospital_kind(
    "evidence_missing",
    "没有出示凭证，也没有写明原因",
    "Nothing was shown, and no reason is given",
    "请刷脸、出示医保码、社保卡或身份证；确实没有的，由工作人员写明原因代办",
    "Show a face, a code, a card or a document; else a member of staff registers with a reason",
)
OTHER_PERSON = hospital_kind(
    "other_person",
    "坐下的人不是这次就诊的病人",
    "The person who sits here is not the patient of this visit",
    "请核对姓名和挂号；不是本人的，不要开始看病",
    "Compare the name and the registration; do not begin with somebody else",
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
    EVIDENCE_MISSING,
    OTHER_PERSON,
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


def registered(
    encounter: Encounter,
    *,
    mdtrt_id: VisitId | None,
    queue_place: int,
    policy: QueuePolicy | None = None,
) -> Encounter:
    """The encounter once it is in the queue.

    Args:
        encounter: As it was asked for.
        mdtrt_id: The insurer's number; none of somebody whom nobody knows.
        queue_place: From 1.
        policy: Of the queue; the usual one by default.
    """
    after = moved(encounter, EncounterState.REGISTERED)
    standing = first_standing(
        queue_place,
        aged=encounter.aged,
        triage=encounter.triage,
        policy=policy or QueuePolicy(),
    )
    return replace(after, mdtrt_id=mdtrt_id, queue_place=queue_place, standing=standing)


def called(encounter: Encounter, *, at: datetime, to: TerminalId | None) -> Encounter:
    """The encounter once its patient is called, to a terminal if there is one there."""
    if encounter.state is EncounterState.CALLED:
        return encounter
    return replace(moved(encounter, EncounterState.CALLED), called_at=at, called_to=to)


def returned(encounter: Encounter, *, at: datetime) -> Encounter:
    """The encounter once its patient is back with results."""
    if encounter.state is EncounterState.RETURNED:
        return encounter
    after = moved(encounter, EncounterState.RETURNED)
    standing = None if after.standing is None else returned_standing(after.standing, at=at)
    return replace(after, returned_at=at, standing=standing)


def missed(encounter: Encounter, others: Sequence[Queued], *, policy: QueuePolicy) -> Encounter:
    """The encounter once its patient was called and did not come.

    Args:
        encounter: A called one.
        others: Who waits in the same queue.
        policy: Of the queue.

    Raises:
        Refused: ``hospital.encounter_step``.
    """
    if encounter.state is not EncounterState.CALLED:
        raise Refused(ENCOUNTER_STEP, found=encounter.state.value, asked="missed")
    back = EncounterState.REGISTERED if encounter.returned_at is None else EncounterState.RETURNED
    after = replace(moved(encounter, back), misses=encounter.misses + 1)
    if after.standing is None:
        return after
    standing = missed_standing(after.standing, others, misses=after.misses, policy=policy)
    return replace(after, standing=standing)


def verified(encounter: Encounter, *, channel: Channel, at: datetime) -> Encounter:
    """The encounter once its patient has shown again who they are."""
    return replace(encounter, identity_verified_at=at, identity_channel=channel)


def check_cancellable(encounter: Encounter) -> None:
    """Check that a visit has not begun.

    Raises:
        Refused: ``hospital.encounter_step``.
    """
    if encounter.returned_at is not None:
        raise Refused(ENCOUNTER_STEP, found=encounter.state.value, asked="cancelling")


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
