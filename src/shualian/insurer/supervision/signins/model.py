"""Doctors, and where each is signed in: what a sign-in is, how long it holds, what it covers; pure.

A doctor signs in by face at an enrolled terminal of an institution where the registry lists them,
or a named person of that institution confirms in person that they are there. Proven by the first:
that this face was at a terminal that claims to stand there. Proven by the second: who said so.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import NewType

from shualian.core.clock import CHINA, business_date
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    CommandId,
    InstitutionCode,
    StaffId,
    TerminalId,
)
from shualian.core.names import mask_name
from shualian.core.refusals import Helper, Refused
from shualian.insurer.settlement.model import Ordered
from shualian.insurer.supervision.model import supervision_kind
from shualian.trust.audit.model import Payload, Reference

DoctorCode = NewType("DoctorCode", str)
"""医师编码 ``atddr_no``, ``bilg_dr_codg``: at most 30 characters."""
SignInId = NewType("SignInId", str)

VALID_MAX = timedelta(hours=12)
"""The longest time that any policy may let a sign-in hold."""
WITHOUT_ORDER = frozenset(("01", "02", "07", "12", "13"))
"""``med_chrgitm_type`` of what follows from the stay or the registration and no doctor orders.

Beds (床位费) and nursing (护理费) are charged for each day, whoever is on duty. Consultation fees
(诊察费, 一般诊疗费, 挂号费) are due when somebody registers, which is hours before a morning's
doctor comes and signs in."""


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """What the operator decided; ``valid_for`` may only be shorter than :data:`VALID_MAX`.

    Attributes:
        valid_for: How long a sign-in holds; never past the end of the business day.
        regions: Care regions in which an order needs a doctor who was signed in; none: wherever
            the registry lists a doctor.
    """

    valid_for: timedelta = timedelta(hours=10)
    regions: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not timedelta(0) < self.valid_for <= VALID_MAX:
            raise ValueError(f"a sign-in holds for at most {VALID_MAX}")

    def valid_until(self, now: datetime) -> datetime:
        """Until when a sign-in of ``now`` holds."""
        tomorrow = business_date(now) + timedelta(days=1)
        end_of_day = datetime.combine(tomorrow, time(0), CHINA)
        return min(now + self.valid_for, end_of_day.astimezone(now.tzinfo))


@dataclass(frozen=True, slots=True)
class Practice:
    """Where a doctor may work: 多点执业 means several of these, never at the same time.

    Attributes:
        institution: Where.
        dept_code: In which department.
    """

    institution: InstitutionCode
    dept_code: str


@dataclass(frozen=True, slots=True)
class Doctor:
    """A doctor in the registry.

    Attributes:
        code: Of the doctor.
        name: Sealed at rest, never printed.
        id_number: Sealed at rest, never printed; for the police registry at the enrolment.
        practices: Where the doctor may work.
        suspended: Whether the doctor may not sign in.
    """

    code: DoctorCode
    name: str = field(repr=False)
    id_number: IdNumber = field(repr=False)
    practices: frozenset[Practice]
    suspended: bool = False

    @property
    def masked_name(self) -> str:
        """As screens show it."""
        return mask_name(self.name)


@dataclass(frozen=True, slots=True)
class DoctorConsent:
    """That a doctor agreed to a template, on which wording, and whether it still holds.

    Attributes:
        code: Of the doctor.
        notice_version: Of the notice that was shown.
        given_at: UTC.
        withdrawn_at: UTC.
    """

    code: DoctorCode
    notice_version: str
    given_at: datetime
    withdrawn_at: datetime | None = None


class SignInMeans(StrEnum):
    """On what a sign-in rests."""

    FACE = "face"
    CONFIRMED = "confirmed"
    """A named person of the institution confirmed in person that the doctor is there."""


class ConfirmationReason(StrEnum):
    """Why a doctor signs in without the face."""

    NO_CONSENT = "no_consent"
    """The doctor keeps no template: the way without a face, as good as the other."""
    FACE_FAILED = "face_failed"
    TERMINAL_DOWN = "terminal_down"
    STERILE = "sterile"
    """In theatre or in protective clothing."""
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class SignIn:
    """A doctor is at work at one institution.

    Attributes:
        sign_in_id: Its number.
        command_id: Made by the caller; a repeat is answered as the first time.
        doctor: Who.
        institution: Where.
        dept_code: In which department.
        means: On what it rests.
        terminal_id: Where the face was taken; none for a confirmed one.
        confirmed_by: Who confirmed it; none for a face.
        reason: Why without the face.
        signed_in_at: UTC.
        valid_until: UTC; from then on it covers nothing.
        signed_out_at: UTC, once signed out.
    """

    sign_in_id: SignInId
    command_id: CommandId
    doctor: DoctorCode
    institution: InstitutionCode
    dept_code: str
    means: SignInMeans
    terminal_id: TerminalId | None
    confirmed_by: StaffId | None
    reason: ConfirmationReason | None
    signed_in_at: datetime
    valid_until: datetime
    signed_out_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """From when it covers nothing any more, UTC."""
        return self.valid_until if self.signed_out_at is None else self.signed_out_at

    @property
    def confirmed(self) -> bool:
        """Whether a colleague confirmed it, in place of the doctor's face."""
        return self.means is SignInMeans.CONFIRMED

    def covers(self, moment: datetime) -> bool:
        """Whether the doctor was signed in at ``moment``."""
        return self.signed_in_at <= moment < self.ends_at


class SignInChange(StrEnum):
    """What happened to a doctor's entry or sign-in."""

    REGISTERED = "registered"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    CONSENT_GIVEN = "consent_given"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"


class DoctorEvent(Payload, kind="insurer.doctor"):
    """The audit's record of a change.

    Attributes:
        change: What happened.
        doctor: Whose.
        institution: Where, of a sign-in.
        terminal: Where, of a sign-in by face.
        means: On what a sign-in rests.
        actor: Who did it, where it was not the doctor.
        reason: Why without the face.
    """

    change: SignInChange
    doctor: Reference
    institution: InstitutionCode | None = None
    terminal: TerminalId | None = None
    means: SignInMeans | None = None
    actor: StaffId | None = None
    reason: ConfirmationReason | None = None


DOCTOR_UNKNOWN = supervision_kind(
    "doctor_unknown",
    "医师登记库里没有这位医师，或者不在这家机构执业",
    "The registry lists no such doctor at this institution",
    "请核对医师编码；新来或多点执业的，请医院向医保经办机构登记",
    "Compare the doctor's code; the hospital registers new doctors and further places with the "
    "insurer",
    Helper.INSURER,
)
DOCTOR_SUSPENDED = supervision_kind(
    "doctor_suspended",
    "这位医师的医保服务资格已暂停",
    "The doctor may not treat insured patients at present",
    "请联系医保经办机构",
    "Ask the insurer",
    Helper.INSURER,
)
DOCTOR_IN_REGISTRY = supervision_kind(
    "doctor_differs",
    "这个医师编码已经登记了另一个人",
    "This doctor's code belongs to another person",
    "请核对医师编码和身份证号",
    "Compare the code and the ID number",
    Helper.INSURER,
)
SIGNED_IN_ELSEWHERE = supervision_kind(
    "signed_in_elsewhere",
    "这位医师正在另一家机构签到，不能同时在两处",
    "The doctor is signed in at another institution and cannot be at two at once",
    "请先在那家机构签退，或等签到到期",
    "Sign out there first, or wait until it ends",
    Helper.SELF,
)
NOT_SIGNED_IN = supervision_kind(
    "not_signed_in",
    "这位医师现在没有在这家机构签到",
    "The doctor is not signed in at this institution",
    "不用签退",
    "There is nothing to sign out of",
    Helper.SELF,
)
SIGN_IN_DIFFERS = supervision_kind(
    "sign_in_differs",
    "这个编号已经用来签过另一次到",
    "This command identifier was used for another sign-in",
    "请用新的编号办理",
    "Use a new identifier",
    Helper.TECHNICIAN,
)
DOCTOR_NO_TEMPLATE_CONSENT = supervision_kind(
    "doctor_no_template_consent",
    "医师没有同意保存人脸模板",
    "The doctor has not agreed to a template being kept",
    "可以由科室负责人当面确认签到",
    "Somebody in charge can confirm the sign-in in person",
    Helper.SELF,
)
DOCTOR_NOT_SIGNED_IN = supervision_kind(
    "doctor_not_signed_in",
    "开单医师当时没有在本机构签到，这项费用不能医保结算",
    "The ordering doctor was not signed in at this institution at that time; this charge cannot "
    "be settled",
    "请医师签到后重新开单；确有急诊等原因的，由负责人当面确认签到后再开",
    "Let the doctor sign in and order again; where the face does not work, somebody in charge "
    "confirms the sign-in in person",
)
REFUSALS = (
    DOCTOR_UNKNOWN,
    DOCTOR_SUSPENDED,
    DOCTOR_IN_REGISTRY,
    SIGNED_IN_ELSEWHERE,
    NOT_SIGNED_IN,
    SIGN_IN_DIFFERS,
    DOCTOR_NO_TEMPLATE_CONSENT,
    DOCTOR_NOT_SIGNED_IN,
)


def check_may_sign_in(
    practices: Collection[Practice],
    *,
    suspended: bool,
    institution: InstitutionCode,
    dept_code: str | None = None,
) -> None:
    """Check that a doctor is registered at an institution and not suspended.

    Args:
        practices: Where the doctor may work; nowhere for an unknown one.
        suspended: Whether the doctor may not sign in.
        institution: Where.
        dept_code: In which department; in any when not given.

    Raises:
        Refused: ``insurer.doctor_unknown``, ``insurer.doctor_suspended``.
    """
    if not any(
        each.institution == institution and dept_code in {None, each.dept_code}
        for each in practices
    ):
        raise Refused(DOCTOR_UNKNOWN, fixmedins_code=institution)
    if suspended:
        raise Refused(DOCTOR_SUSPENDED)


def check_free(
    current: Iterable[SignIn], institution: InstitutionCode, *, now: datetime
) -> SignIn | None:
    """The doctor's sign-in at this institution that a new one takes the place of, if any.

    Raises:
        Refused: ``insurer.signed_in_elsewhere`` with where and until when.
    """
    here = None
    for sign_in in current:
        if not sign_in.covers(now):
            continue
        if sign_in.institution != institution:
            raise Refused(
                SIGNED_IN_ELSEWHERE,
                fixmedins_code=sign_in.institution,
                until=sign_in.ends_at.isoformat(timespec="minutes"),
            )
        here = sign_in
    return here


def check_same_sign_in(found: SignIn, *, doctor: DoctorCode, institution: InstitutionCode) -> None:
    """Check that a repeated command signs in whom it signed in the first time.

    Raises:
        Refused: ``insurer.sign_in_differs``.
    """
    if (found.doctor, found.institution) != (doctor, institution):
        raise Refused(SIGN_IN_DIFFERS)


def signed_out(sign_in: SignIn, *, now: datetime) -> SignIn:
    """The sign-in once the doctor has left; one that ended stays as it is."""
    return replace(sign_in, signed_out_at=now) if sign_in.covers(now) else sign_in


def needing_doctor(ordered: Iterable[Ordered]) -> list[Ordered]:
    """Those that a doctor ordered: all but :data:`WITHOUT_ORDER`."""
    return [each for each in ordered if each.med_chrgitm_type not in WITHOUT_ORDER]


def not_covered(ordered: Sequence[Ordered], sign_ins: Collection[SignIn]) -> list[Ordered]:
    """Those whose doctor was not signed in when they were ordered.

    Args:
        ordered: What a doctor must have ordered.
        sign_ins: At the institution of the bill.
    """
    of_doctor: dict[str, list[SignIn]] = {}
    for sign_in in sign_ins:
        of_doctor.setdefault(sign_in.doctor, []).append(sign_in)
    return [
        each
        for each in ordered
        if not any(found.covers(each.at) for found in of_doctor.get(each.doctor, ()))
    ]


def check_covered(ordered: Sequence[Ordered], sign_ins: Collection[SignIn]) -> None:
    """Check that every order was made by a doctor who was signed in then.

    Raises:
        Refused: ``insurer.doctor_not_signed_in`` with the first ``feedetl_sn`` and how many.
    """
    missing = not_covered(ordered, sign_ins)
    if missing:
        first = missing[0]
        raise Refused(
            DOCTOR_NOT_SIGNED_IN,
            feedetl_sn=first.feedetl_sn,
            bilg_dr_codg=first.doctor,
            items=len(missing),
        )
