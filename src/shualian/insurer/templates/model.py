"""Templates of insured people: when one may be enrolled, replaced, paid with and kept; pure."""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NewType

from shualian.core.clock import business_date
from shualian.core.identifiers import InstitutionCode, PersonNo, SessionId, StaffId
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.insurer.consents.model import PHOTO_DOCUMENTS, DocumentKind
from shualian.terminals.model import Actor, InstitutionStaff
from shualian.trust.audit.model import Payload, Reference
from shualian.verification.model import Basis, VerifiedPerson
from shualian.verification.registry.model import RegistryVerdict

ProposalId = NewType("ProposalId", str)

PAYMENT_HELD = timedelta(hours=24)
"""How long a replaced face pays nothing: time for the person to object."""
APPROVE_WITHIN = timedelta(hours=2)
"""How long a proposal waits for the second person; the insured person is at the window."""
FILING_PEOPLE = 100_000
"""Face data of so many people must be filed with the province's internet regulator within 30
working days (人脸识别技术应用安全管理办法, in force since 2025-06-01)."""
FILING_WORKING_DAYS = 30


class EnrolmentState(StrEnum):
    """Where an enrolment stands; what was begun and not finished is undone."""

    BEGUN = "begun"
    KEPT = "kept"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class HeldTemplate:
    """That a person has a template; never the vector.

    Attributes:
        psn_no: Whose.
        enrolled_at: UTC.
        last_used_at: UTC.
        months_max: How long it may be kept unused, as the person agreed.
    """

    psn_no: PersonNo
    enrolled_at: datetime
    last_used_at: datetime
    months_max: int

    def unused_until(self, months: int) -> date:
        """The first day on which it is deleted unless it is used before.

        Args:
            months: As the operator set; the person's own agreement may be shorter.
        """
        return months_after(business_date(self.last_used_at), min(months, self.months_max))


@dataclass(frozen=True, slots=True)
class Replacement:
    """A request to put a new template in the place of one that fails.

    Attributes:
        proposal_id: Named by who approves.
        psn_no: Whose template.
        institution: Of the window; ``None``: the insurer's own.
        document: What the clerk saw.
        proposed_by: The clerk.
        proposed_at: UTC.
        approved_by: The second person.
    """

    proposal_id: ProposalId
    psn_no: PersonNo
    institution: InstitutionCode | None
    document: DocumentKind
    proposed_by: StaffId
    proposed_at: datetime
    approved_by: StaffId | None = None


@dataclass(frozen=True, slots=True)
class TemplateMatters:
    """What is known of a person's template, for the person.

    Attributes:
        held: The template, if there is one.
        unused_until: First day on which it is deleted unless it is used before.
        payment_held_until: Until when the face pays nothing.
    """

    held: HeldTemplate | None
    unused_until: date | None
    payment_held_until: datetime | None


@dataclass(frozen=True, slots=True)
class FilingDuty:
    """Whether the law's number of people is reached.

    Attributes:
        people: With a template now.
        limit: From which filing is a duty.
    """

    people: int
    limit: int

    @property
    def due(self) -> bool:
        """Whether filing is a duty."""
        return self.people >= self.limit


class Told(StrEnum):
    """What a person is told by a channel that they had before."""

    TEMPLATE_REPLACED = "template_replaced"
    TEMPLATE_EXPIRED = "template_expired"


class TemplateChange(StrEnum):
    """What happened to a template."""

    ENROLLED = "enrolled"
    UNDONE = "undone"
    REPLACEMENT_PROPOSED = "replacement_proposed"
    REPLACEMENT_APPROVED = "replacement_approved"
    EXPIRED = "expired"


class TemplateEvent(Payload, kind="insurer.template"):
    """The audit's record of a change.

    Attributes:
        change: What happened.
        subject: Whose.
        session: Capture session of an enrolment.
        actor: Who decided.
        proposal: Of a replacement.
    """

    change: TemplateChange
    subject: PersonNo
    session: SessionId | None = None
    actor: StaffId | None = None
    proposal: Reference | None = None


def months_after(day: date, months: int) -> date:
    """The same day some months later, or the last day of that month."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def check_grounds(psn_no: PersonNo, person: VerifiedPerson | None) -> None:
    """Check that who was verified in a capture may be enrolled from it.

    Raises:
        Refused: ``insurer.enrolment_not_claimed``, ``enrolment_not_active``,
            ``enrolment_not_matched``.
    """
    # A search that names the wrong person must not make that person's next scan match. Only who
    # was claimed by number or document is decided by the registry alone.
    if person is None or person.subject != psn_no or person.basis is not Basis.REGISTRY:
        raise Refused(ENROLMENT_NOT_CLAIMED)
    # A passive capture may be of a picture; a template outlives the moment.
    if not person.active:
        raise Refused(ENROLMENT_NOT_ACTIVE)
    # Only the registry knows whose face belongs to the number.
    if person.registry is not RegistryVerdict.MATCH:
        found = "none" if person.registry is None else person.registry.value
        raise Refused(ENROLMENT_NOT_MATCHED, found=found)


def institution_of(actor: Actor) -> InstitutionCode | None:
    """Where somebody works; ``None``: at the insurer."""
    return actor.institution if isinstance(actor, InstitutionStaff) else None


def check_document(document: DocumentKind) -> None:
    """Check that a document shows whose face it is.

    Raises:
        Refused: ``insurer.replacement_document``.
    """
    if document not in PHOTO_DOCUMENTS:
        raise Refused(REPLACEMENT_DOCUMENT, found=document.value)


def check_approval(replacement: Replacement, actor: Actor, *, now: datetime) -> None:
    """Check that ``actor`` may be the second person.

    Raises:
        Refused: ``insurer.replacement_not_found`` (also at another institution),
            ``replacement_decided``, ``replacement_same_person``, ``replacement_too_late``.
    """
    if institution_of(actor) != replacement.institution:
        raise Refused(REPLACEMENT_NOT_FOUND)
    if replacement.approved_by is not None:
        raise Refused(REPLACEMENT_DECIDED)
    if actor.staff == replacement.proposed_by:
        raise Refused(REPLACEMENT_SAME_PERSON)
    if now - replacement.proposed_at > APPROVE_WITHIN:
        raise Refused(REPLACEMENT_TOO_LATE, limit_s=APPROVE_WITHIN.total_seconds())


_kind = KindsOf("insurer", helper=Helper.CLERK).kind

_ANOTHER_WAY = ("请用医保卡、医保码或身份证办理", "Use the card, the e-voucher code or the ID card")
_AGAIN_WITH_NUMBER = (
    "请输入身份证号或刷身份证，再按提示刷脸",
    "Type the ID number or lay the card on the reader, then follow the prompts",
)

ENROLMENT_NOT_ACTIVE = _kind(
    "enrolment_not_active",
    "登记人脸需要做一次动作验证",
    "A template needs a capture with active liveness",
    *_AGAIN_WITH_NUMBER,
    Helper.SELF,
)
ENROLMENT_NOT_CLAIMED = _kind(
    "enrolment_not_claimed",
    "登记人脸需要本人的身份证号或证件",
    "A template needs the person's number or document, never a search",
    *_AGAIN_WITH_NUMBER,
    Helper.SELF,
)
ENROLMENT_NOT_MATCHED = _kind(
    "enrolment_not_matched",
    "没有得到公安人口信息的比对一致",
    "The police registry did not confirm the face",
    *_ANOTHER_WAY,
)
TEMPLATE_EXISTS = _kind(
    "template_exists",
    "已经登记过人脸",
    "There is a template already",
    "刷不上请带身份证到人工窗口更换",
    "If scans fail, go to a window with the ID card to have it replaced",
)
TEMPLATE_MISSING = _kind(
    "template_missing",
    "这个人没有登记人脸，不用更换",
    "There is no template to replace",
    "请本人直接刷脸登记",
    "Let the person enrol at a terminal",
)
REPLACEMENT_DOCUMENT = _kind(
    "replacement_document",
    "更换人脸要看本人身份证",
    "A replacement needs the person's ID card",
    "请出示身份证或临时身份证",
    "Show the ID card or the temporary one",
)
REPLACEMENT_WAITING = _kind(
    "replacement_waiting",
    "已有一个更换申请在等审批",
    "A replacement waits for approval already",
    "请另一名工作人员审批",
    "Ask the second person to decide",
    finality=Finality.TEMPORARY,
)
REPLACEMENT_NOT_FOUND = _kind(
    "replacement_not_found",
    "没有这个更换申请，或不是本机构的",
    "There is no such replacement here",
    "请核对后再试",
    "Look again",
)
REPLACEMENT_DECIDED = _kind(
    "replacement_decided",
    "这个更换申请已经审批",
    "This replacement was approved already",
    "请本人刷脸重新登记",
    "Let the person enrol anew",
)
REPLACEMENT_SAME_PERSON = _kind(
    "replacement_same_person",
    "申请人不能自己审批",
    "Whoever proposed it cannot approve it",
    "请另一名工作人员审批",
    "Ask another member of the staff",
)
REPLACEMENT_TOO_LATE = _kind(
    "replacement_too_late",
    "更换申请超过时间没有审批",
    "The replacement waited too long",
    "请重新申请",
    "Propose it again",
)

REFUSALS = (
    ENROLMENT_NOT_ACTIVE,
    ENROLMENT_NOT_CLAIMED,
    ENROLMENT_NOT_MATCHED,
    TEMPLATE_EXISTS,
    TEMPLATE_MISSING,
    REPLACEMENT_DOCUMENT,
    REPLACEMENT_WAITING,
    REPLACEMENT_NOT_FOUND,
    REPLACEMENT_DECIDED,
    REPLACEMENT_SAME_PERSON,
    REPLACEMENT_TOO_LATE,
)
