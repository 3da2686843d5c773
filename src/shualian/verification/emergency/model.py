"""The rules of a search for an unknown patient in danger; pure.

The only search of the whole gallery there is. It is allowed because a life may depend on it, and
is bound on every side instead: two people of one hospital, a reason, at most three suggestions, a
limit a day, a review by the insurer within a day, and a line in the access log of everybody who
was suggested. Liveness is not asked: the eyes may be closed, the patient lies.

What it is not: an identification. No session, no proof and no person number comes out of it; the
answer holds masked words and scores, which open nothing. Whoever treats by it still has to find
out who the patient is.

What is not proven: the error rates were measured on people who looked at a camera, upright, eyes
open. And among many people some strangers are alike by chance: with ``fmr_upper95`` 0.001 and
50,000 people as many as fifty score above the threshold.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import InstitutionCode, PersonNo, StaffId
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.staff.model import check_two_people
from shualian.trust.audit.model import Payload, Reference

EmergencyId = NewType("EmergencyId", str)
"""One use, from its proposal to its review."""

SUGGESTIONS_MAX = 3
APPROVE_WITHIN = timedelta(minutes=5)
REVIEW_WITHIN = timedelta(hours=24)
PER_DAY_DEFAULT = 10
PER_DAY_MAX = 50
"""Uses of one institution on one business day; a setting, never above this."""
WORDS_MAX = 200


class EmergencyReason(StrEnum):
    """Why nobody can be asked who the patient is; a closed set."""

    UNCONSCIOUS = "unconscious"
    SEVERE_INJURY = "severe_injury"
    CANNOT_SPEAK = "cannot_speak"
    CONFUSED = "confused"
    OTHER = "other"
    """Only with words."""


class ReviewFinding(StrEnum):
    """What a supervisor found about a use."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not_justified"


class EmergencyStep(StrEnum):
    """What happened to a use."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    ANSWERED = "answered"
    REVIEWED = "reviewed"


class EmergencyUse(Payload, kind="verification.emergency"):
    """The audit's record of a step.

    Attributes:
        step: What happened.
        emergency: Number of the use.
        institution: Where.
        actor: Who did it.
        proposed_by: Who began it.
        reason: Why.
        suggestions: How many people were suggested; ``None`` before the answer.
        finding: Of the review.
    """

    step: EmergencyStep
    emergency: Reference
    institution: InstitutionCode
    actor: StaffId
    proposed_by: StaffId
    reason: EmergencyReason
    suggestions: int | None
    finding: ReviewFinding | None


class EmergencyShown(Payload, kind="verification.emergency_shown"):
    """The audit's record that somebody was suggested.

    Attributes:
        emergency: Number of the use.
        institution: To whom.
        subject: Who was suggested.
    """

    emergency: Reference
    institution: InstitutionCode
    subject: PersonNo


@dataclass(frozen=True, slots=True)
class Emergency:
    """One use as it is stored; holds no picture and no vector.

    Attributes:
        emergency_id: Its number.
        institution: Where.
        reason: Why.
        proposed_by: First of the two.
        proposed_at: UTC.
        approved_by: Second of the two; never the first.
        approved_at: When the search was allowed, UTC.
        suggestions: How many people were suggested; ``None`` before the answer.
        reviewed_by: Of the insurer; neither of the two.
        reviewed_at: UTC.
        finding: Of the review.
        words_sealed: What was written beside the reason, encrypted; empty for nothing.
    """

    emergency_id: EmergencyId
    institution: InstitutionCode
    reason: EmergencyReason
    proposed_by: StaffId
    proposed_at: datetime
    approved_by: StaffId | None = None
    approved_at: datetime | None = None
    suggestions: int | None = None
    reviewed_by: StaffId | None = None
    reviewed_at: datetime | None = None
    finding: ReviewFinding | None = None
    words_sealed: bytes = field(default=b"", repr=False)

    @property
    def review_due_at(self) -> datetime | None:
        """Until when a supervisor has to look at it; ``None`` when it was never approved."""
        return None if self.approved_at is None else self.approved_at + REVIEW_WITHIN

    def overdue(self, now: datetime) -> bool:
        """Whether the review should have been made by now."""
        due = self.review_due_at
        return due is not None and self.reviewed_at is None and now >= due


@dataclass(frozen=True, slots=True)
class ProposedEmergency:
    """What the first of the two is given.

    Attributes:
        emergency_id: To tell the second one.
        expires_at: Until when it can be approved, UTC.
    """

    emergency_id: EmergencyId
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Somebody who may be the patient, masked: enough to ask and compare, too little to act.

    Attributes:
        place: 1 is the most alike.
        score: Similarity, higher is more alike.
        masked_name: ``张*国``.
        masked_id_number: First two and last two characters.
        region: 参保地, six digits.
    """

    place: int
    score: float
    masked_name: str
    masked_id_number: str
    region: str


@dataclass(frozen=True, slots=True)
class EmergencyAnswer:
    """What the two are shown, once; it can be for nobody.

    Attributes:
        emergency_id: Number of the use.
        suggestions: At most three, the most alike first; none below ``threshold``.
        threshold: The least score that is shown.
        fmr_upper95: Upper 95 % bound of the chance that one stranger scores so high, under the
            conditions of the calibration.
        review_due_at: Until when a supervisor looks at it, UTC.
    """

    emergency_id: EmergencyId
    suggestions: tuple[Suggestion, ...]
    threshold: float
    fmr_upper95: float
    review_due_at: datetime


@dataclass(frozen=True, slots=True)
class OpenReview:
    """A use that waits for a supervisor.

    Attributes:
        emergency: The use.
        words: What was written beside the reason.
        overdue: Whether it has waited too long.
    """

    emergency: Emergency
    words: str = field(repr=False)
    overdue: bool


@dataclass(frozen=True, slots=True)
class Access:
    """One line of a person's access log: that the person was suggested.

    Attributes:
        at: When, UTC.
        institution: To whom.
        reason: Why.
        finding: Of the review; ``None`` while it is open.
    """

    at: datetime
    institution: InstitutionCode
    reason: EmergencyReason
    finding: ReviewFinding | None


_kind = KindsOf("verification", helper=Helper.CLERK).kind

EMERGENCY_NOT_HERE = _kind(
    "emergency_not_here",
    "只有医院可以为抢救辨认病人",
    "Only hospitals may look for who an unknown patient is",
    "请拨打 120，或把病人送到医院",
    "Call 120, or bring the patient to a hospital",
)
EMERGENCY_OTHER_SIDE = _kind(
    "emergency_other_side",
    "抢救辨认由医院人员办理，复核由医保局人员办理",
    "Hospital staff search for a patient in danger; the insurer's staff review it",
    "请由另一方的人员办理",
    "Ask somebody of the other side",
)
EMERGENCY_NOT_FOUND = _kind(
    "emergency_not_found",
    "没有这次抢救辨认",
    "There is no such emergency search",
    "请核对编号，或重新提出",
    "Compare the number, or propose it anew",
)
EMERGENCY_EXPIRED = _kind(
    "emergency_expired",
    "超过五分钟没有第二人确认，已经作废",
    "No second person approved it within five minutes",
    "请重新提出，第二人马上确认",
    "Propose it anew and approve it at once",
)
EMERGENCY_CLOSED = _kind(
    "emergency_closed",
    "这次抢救辨认已经用过",
    "This emergency search was made already",
    "还需要时请重新提出",
    "Propose a new one if it is still needed",
)
EMERGENCY_LIMIT = _kind(
    "emergency_limit",
    "今天的抢救辨认次数用完了",
    "The emergency searches of this institution are used up for today",
    "请马上抢救，不用等身份；需要再查请打医保局电话",
    "Treat the patient; no identity is needed for that. Telephone the insurer for more",
    Helper.INSURER,
    Finality.TEMPORARY,
)
EMERGENCY_WORDS_INVALID = _kind(
    "emergency_words_invalid",
    "原因没有写清楚，或太长",
    "The reason needs words, at most 200 characters",
    "请用一句话写明原因，不用写名字",
    "Write one sentence without a name",
)
EMERGENCY_REVIEWED = _kind(
    "emergency_reviewed",
    "这次抢救辨认已经复核过",
    "This emergency search was reviewed already",
    "请查看原来的复核结论",
    "Look up the earlier finding",
    Helper.INSURER,
)
EMERGENCY_NOT_USED = _kind(
    "emergency_not_used",
    "这次提出后没有人确认，不用复核",
    "This was proposed and never approved, so nothing is to review",
    "请复核列表里的其他几次",
    "Review the others of the list",
    Helper.INSURER,
)

REFUSALS = (
    EMERGENCY_NOT_HERE,
    EMERGENCY_OTHER_SIDE,
    EMERGENCY_NOT_FOUND,
    EMERGENCY_EXPIRED,
    EMERGENCY_CLOSED,
    EMERGENCY_LIMIT,
    EMERGENCY_WORDS_INVALID,
    EMERGENCY_REVIEWED,
    EMERGENCY_NOT_USED,
)


def check_hospital(institution: InstitutionCode) -> None:
    """Let hospitals pass and pharmacies (codes that begin with P) not.

    Raises:
        Refused: ``verification.emergency_not_here``.
    """
    if not institution.startswith("H"):
        raise Refused(EMERGENCY_NOT_HERE)


def check_words(words: str, *, reason: EmergencyReason) -> str:
    """The words beside the reason, without blanks around them.

    Raises:
        Refused: ``verification.emergency_words_invalid`` when they are too long, not printable, or
            missing where the reason is another one.
    """
    trimmed = words.strip()
    missing = reason is EmergencyReason.OTHER and not trimmed
    if missing or len(trimmed) > WORDS_MAX or not trimmed.isprintable():
        raise Refused(EMERGENCY_WORDS_INVALID, characters=len(trimmed), limit=WORDS_MAX)
    return trimmed


def check_approval(
    found: Emergency | None, *, institution: InstitutionCode, staff: StaffId, now: datetime
) -> Emergency:
    """The use that ``staff`` may approve now.

    Raises:
        Refused: ``verification.emergency_not_found`` also for one of another institution,
            ``staff.same_person``, ``verification.emergency_closed``, ``emergency_expired``.
    """
    if found is None or found.institution != institution:
        raise Refused(EMERGENCY_NOT_FOUND)
    check_two_people(staff, found.proposed_by)
    if found.approved_at is not None:
        raise Refused(EMERGENCY_CLOSED)
    if now >= found.proposed_at + APPROVE_WITHIN:
        raise Refused(EMERGENCY_EXPIRED)
    return found


def check_daily_limit(used: int, *, per_day_max: int) -> None:
    """Let pass while fewer than ``per_day_max`` searches were made today.

    Raises:
        Refused: ``verification.emergency_limit``.
    """
    if used >= per_day_max:
        raise Refused(EMERGENCY_LIMIT, found=used, limit=per_day_max)


def reviewed(
    found: Emergency | None, *, staff: StaffId, finding: ReviewFinding, now: datetime
) -> Emergency:
    """The use after its review.

    Raises:
        Refused: ``verification.emergency_not_found``, ``emergency_not_used``,
            ``emergency_reviewed``, ``staff.same_person`` for one of the two.
    """
    if found is None:
        raise Refused(EMERGENCY_NOT_FOUND)
    if found.approved_at is None:
        raise Refused(EMERGENCY_NOT_USED)
    if found.reviewed_at is not None:
        raise Refused(EMERGENCY_REVIEWED)
    check_two_people(staff, found.proposed_by, found.approved_by)
    return replace(found, reviewed_by=staff, reviewed_at=now, finding=finding)
