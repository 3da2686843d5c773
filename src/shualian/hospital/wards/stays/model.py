"""Wards, beds and stays: states, rules and refusals; pure.

``admitting -> admitted -> discharging -> discharged -> closed``; from ``admitting`` also to
``refused``. ``discharged -> reinstating -> admitted`` takes a discharge back, ``admitted ->
cancelling -> cancelled`` an admission without charges. The states that end in ``-ing`` are stored
before the insurer is asked and left by its answer; where it refuses, the step is not made.
"""

import secrets
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
    StaffId,
    TerminalId,
    VisitId,
)
from shualian.core.refusals import Finality, Helper, Refused
from shualian.hospital.model import COMMAND_DIFFERS, Channel, hospital_kind
from shualian.hospital.scheduling.model import Department, Doctor
from shualian.verification.model import Scene

ADMISSION_SCENES = frozenset((Scene.ADMISSION,))
"""For which scenes a face may admit."""
ORDINARY_INPATIENT = "21"
"""``med_type`` 普通住院."""
WRISTBAND_BYTES = 12
"""Random bytes of a wristband's code: 96 bits, which nobody guesses."""


class NursingClass(StrEnum):
    """护理级别."""

    SPECIAL = "special"
    ONE = "one"
    TWO = "two"
    THREE = "three"


class CheckReason(StrEnum):
    """Why staff admit somebody without a face."""

    DOCUMENT = "document"
    CODE = "code"
    CARD = "card"
    NO_CONSENT = "no_consent"
    FACE_FAILED = "face_failed"
    UNCONSCIOUS = "unconscious"
    NEW_BORN = "new_born"
    UNKNOWN = "unknown"
    """Brought in without anything; the record says who it is by now."""


class StayState(StrEnum):
    """Where a stay stands."""

    ADMITTING = "admitting"
    ADMITTED = "admitted"
    REFUSED = "refused"
    DISCHARGING = "discharging"
    DISCHARGED = "discharged"
    """The person has left; something may be open."""
    REINSTATING = "reinstating"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    """The person has left and nothing is open."""


_NEXT: Mapping[StayState, frozenset[StayState]] = MappingProxyType(
    {
        StayState.ADMITTING: frozenset((StayState.ADMITTED, StayState.REFUSED)),
        StayState.ADMITTED: frozenset((StayState.DISCHARGING, StayState.CANCELLING)),
        StayState.REFUSED: frozenset(),
        StayState.DISCHARGING: frozenset((StayState.DISCHARGED, StayState.ADMITTED)),
        StayState.DISCHARGED: frozenset((StayState.REINSTATING, StayState.CLOSED)),
        StayState.REINSTATING: frozenset((StayState.ADMITTED, StayState.DISCHARGED)),
        StayState.CANCELLING: frozenset((StayState.CANCELLED, StayState.ADMITTED)),
        StayState.CANCELLED: frozenset(),
        # A settlement that is taken back opens its lines again.
        StayState.CLOSED: frozenset((StayState.DISCHARGED,)),
    }
)
UNDER_WAY = frozenset(
    (
        StayState.ADMITTING,
        StayState.DISCHARGING,
        StayState.REINSTATING,
        StayState.CANCELLING,
    )
)
"""In which the insurer was asked, or is about to be, and has not answered."""
IN_BED = UNDER_WAY | {StayState.ADMITTED}
"""In which a stay holds a bed."""
LIVE = IN_BED | {StayState.DISCHARGED}
"""In which a person has this stay and may have no other."""
GOES_ON = frozenset((StayState.ADMITTED, StayState.CANCELLING))
"""In which a settlement is one in the middle of the stay."""


@dataclass(frozen=True, slots=True)
class Ward:
    """A ward.

    Attributes:
        department: Whose beds they are; its code is the ward's.
        nursing: What the price list calls a day of each class, by its ``medins_list_codg``.
    """

    department: Department
    nursing: Mapping[NursingClass, str]

    @property
    def code(self) -> str:
        """Of the ward."""
        return self.department.dept_code


@dataclass(frozen=True, slots=True)
class Bed:
    """A bed of a ward.

    Attributes:
        ward: Code of its ward.
        bed_no: As it is written on the bed.
        item: What the price list calls a day in it, by its ``medins_list_codg``.
        stay: Who lies in it; nobody when none.
    """

    ward: str
    bed_no: str
    item: str
    stay: EncounterNo | None = None


@dataclass(frozen=True, slots=True)
class StaffCheck:
    """That a named member of staff admits somebody without a face.

    Attributes:
        by: Who answers for it.
        reason: Why.
    """

    by: StaffId
    reason: CheckReason


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a patient lies from a moment on, and how they are nursed.

    Attributes:
        since: UTC.
        ward: Code of the ward.
        bed_no: Of the bed.
        bed_item: What a day in it is called by the price list.
        nursing: How they are nursed.
        nursing_item: What a day of that is called by the price list.
    """

    since: datetime
    ward: str
    bed_no: str
    bed_item: str
    nursing: NursingClass
    nursing_item: str


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a patient; also an encounter, under the same number, once admitted.

    Attributes:
        stay_no: ``ipt_otp_no``, the hospital's own number.
        institution: Whose.
        command_id: Of the admission.
        record_no: Whose stay.
        psn_no: The insurer's number of the person.
        department: Of the ward at the admission, and of the insurer's messages.
        doctor: In charge.
        insutype: Under which insurance.
        med_type: 医疗类别.
        placement: Where the patient lies now, or lay last.
        intent_id: What the person confirmed; none without evidence.
        channel: By what the person showed who they are; none without evidence.
        terminal_id: Where; none without a face.
        first_frame_at: Of the capture, UTC; none without a face.
        check: Who admitted without a face, and why.
        age_band: For statistics.
        admitted_at: UTC.
        day: The business day of that.
        state: Where it stands.
        mdtrt_id: The insurer's number, once admitted.
        discharged_at: UTC, once the discharge was begun.
    """

    stay_no: EncounterNo
    institution: InstitutionCode
    command_id: CommandId
    record_no: RecordNo
    psn_no: PersonNo
    department: Department
    doctor: Doctor
    insutype: str
    med_type: str
    placement: Placement
    intent_id: IntentId | None
    channel: Channel | None
    terminal_id: TerminalId | None
    first_frame_at: datetime | None
    check: StaffCheck | None
    age_band: str
    admitted_at: datetime
    day: date
    state: StayState = StayState.ADMITTING
    mdtrt_id: VisitId | None = None
    discharged_at: datetime | None = None

    @property
    def goes_on(self) -> bool:
        """Whether a settlement now is one in the middle of the stay."""
        return self.state in GOES_ON

    @property
    def visit_id(self) -> VisitId:
        """The insurer's number of the stay.

        Raises:
            Refused: ``hospital.stay_step`` before it is admitted.
        """
        if self.mdtrt_id is None:
            raise Refused(STAY_STEP, found=self.state.value, asked="the insurer's number")
        return self.mdtrt_id


STAY_NOT_FOUND = hospital_kind(
    "stay_not_found",
    "没有这次住院",
    "There is no such stay",
    "请核对住院号",
    "Check the number of the stay",
)
STAY_STEP = hospital_kind(
    "stay_step",
    "这次住院现在不能做这一步",
    "The stay cannot take this step now",
    "请看住院状态再办理",
    "Look at the state of the stay first",
)
STAY_OPEN = hospital_kind(
    "stay_open",
    "这位病人已经在住院，或者上次出院还没有结清",
    "The patient is in hospital already, or the last stay is not settled to its end",
    "请先办完那一次住院",
    "Finish that stay first",
)
STAY_CHARGED = hospital_kind(
    "stay_charged",
    "这次住院已经有费用，不能撤销入院",
    "The stay has charges; the admission cannot be taken back",
    "请办出院",
    "Discharge the patient instead",
)
STAY_NOT_SETTLED = hospital_kind(
    "stay_not_settled",
    "还有费用没有结清",
    "Something of the stay is still open",
    "请先结算",
    "Settle it first",
)
BED_NOT_FOUND = hospital_kind(
    "bed_not_found",
    "没有这张床",
    "There is no such bed",
    "请核对病区和床号",
    "Check the ward and the number of the bed",
)
BED_TAKEN = hospital_kind(
    "bed_taken",
    "这张床已经有病人",
    "Somebody lies in this bed",
    "请换一张床",
    "Choose another bed",
)
BEDS_IN_USE = hospital_kind(
    "beds_in_use",
    "有病人的床不能去掉",
    "A bed in which somebody lies cannot be taken away",
    "请先转床",
    "Move the patient first",
    Helper.TECHNICIAN,
)
NURSING_NOT_PRICED = hospital_kind(
    "nursing_not_priced",
    "这个病区没有这一级护理的价格",
    "The ward has no price for this class of nursing",
    "请核对护理级别",
    "Check the class of nursing",
)
NO_STAFF_CHECK = hospital_kind(
    "no_staff_check",
    "没有刷脸，也没有工作人员核对的原因",
    "There is neither a face nor a reason of a member of staff",
    "请刷脸，或由工作人员核对身份并登记原因",
    "Take a face, or let a member of staff check who it is and give the reason",
)
INSURANCE_NOT_NAMED = hospital_kind(
    "insurance_not_named",
    "什么都没有出示时要选定险种",
    "Where nothing was shown the insurance must be named",
    "请在入院登记里选择险种",
    "Choose the insurance in the admission",
)
WRISTBAND_INVALID = hospital_kind(
    "wristband_invalid",
    "这个腕带不对，或者已经失效",
    "This wristband is not right or not valid any more",
    "请核对病人身份，重新打印腕带",
    "Check who the patient is and print a new wristband",
)
PAYMENT_OPEN = hospital_kind(
    "stay_payment_open",
    "这次住院有一笔结算还没有结果",
    "A settlement of this stay has no outcome yet",
    "请稍等，等那一笔有结果再办",
    "Wait until that one is decided",
    finality=Finality.TEMPORARY,
)
REFUSALS = (
    STAY_NOT_FOUND,
    STAY_STEP,
    STAY_OPEN,
    STAY_CHARGED,
    STAY_NOT_SETTLED,
    BED_NOT_FOUND,
    BED_TAKEN,
    BEDS_IN_USE,
    NURSING_NOT_PRICED,
    NO_STAFF_CHECK,
    INSURANCE_NOT_NAMED,
    WRISTBAND_INVALID,
    PAYMENT_OPEN,
)


def moved(stay: Stay, to: StayState) -> Stay:
    """The stay one step further; a step that was made already changes nothing.

    Raises:
        Refused: ``hospital.stay_step`` when no such step leads on from where it stands.
    """
    if stay.state is to:
        return stay
    if to not in _NEXT[stay.state]:
        raise Refused(STAY_STEP, found=stay.state.value, asked=to.value)
    return replace(stay, state=to)


def check_admitted(stay: Stay) -> None:
    """Check that a patient is in hospital.

    Raises:
        Refused: ``hospital.stay_step``.
    """
    if stay.state is not StayState.ADMITTED:
        raise Refused(STAY_STEP, found=stay.state.value, asked=StayState.ADMITTED.value)


def check_same_admission(
    found: Stay, *, record_no: RecordNo, ward: str, doctor: Doctor, med_type: str
) -> None:
    """Check that a repeated command admits whom it admitted the first time.

    Bed and nursing may have changed since; the proof is not compared.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    for name, same in (
        ("record_no", found.record_no == record_no),
        ("ward", found.department.dept_code == ward),
        ("doctor", found.doctor == doctor),
        ("med_type", found.med_type == med_type),
    ):
        if not same:
            raise Refused(COMMAND_DIFFERS, differs=name)


def placed(ward: Ward, bed: Bed, nursing: NursingClass, *, since: datetime) -> Placement:
    """Where a patient lies from now on.

    Raises:
        Refused: ``hospital.nursing_not_priced``.
    """
    item = ward.nursing.get(nursing)
    if item is None:
        raise Refused(NURSING_NOT_PRICED, nursing=nursing.value)
    return Placement(since, bed.ward, bed.bed_no, bed.item, nursing, item)


def new_wristband() -> str:
    """A new code for a wristband; says nothing about whose it is."""
    return secrets.token_urlsafe(WRISTBAND_BYTES)
