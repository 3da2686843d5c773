"""From a capture to a person, from a confirmation to a proof: values, rules and refusals.

Nothing here knows pixels or vectors: a decision sees scores only, with the error rate that belongs
to them. So the hospital, which must never see a face, may know these types.
"""

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from math import isfinite

from shualian.core.identifiers import (
    AuthNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    TerminalId,
)
from shualian.core.mode import Mode
from shualian.core.money import Fen, total
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.terminals.model import TerminalClass, check_settlement

CONFIRM_WITHIN_MAX = timedelta(seconds=120)
"""The longest time from a verified face to the confirmation that rests on it."""

PROOF_VALID_MAX = timedelta(minutes=10)
"""The longest life of a proof; the national interface states none for ``authNo``."""


class Scene(StrEnum):
    """用码业务类型 ``businessType`` (terminal interface, appendix A.1): place and act."""

    REGISTRATION = "01101"
    INPATIENT_RECORD = "01102"
    ADMISSION = "01103"
    PREPAYMENT = "01104"
    CONSULTATION = "01201"
    EXAMINATION_APPOINTMENT = "01202"
    EXAMINATION = "01203"
    TREATMENT = "01204"
    SETTLEMENT = "01301"
    DISPENSING = "01302"
    REPORT_COLLECTION = "01303"
    BILL_PRINTING = "01304"
    RECORD_COPY = "01305"
    PHARMACY_PURCHASE = "02121"
    PRESCRIPTION_DOWNLOAD = "02122"
    ONLINE_IDENTITY = "03131"
    ONLINE_SETTLEMENT = "03132"
    INSURED_SERVICES = "09001"
    """Our own, never on the national wire: a person's matters with the insurer (consent, PIN,
    family, the person's own voucher)."""


class ConsentPurpose(StrEnum):
    """What a person agrees to, each by a tick of its own."""

    COMPARISON = "comparison"
    TEMPLATE = "template"
    ONE_SCAN_PAYMENT = "one_scan_payment"


class Factor(StrEnum):
    """What speaks for a person being who the decision says."""

    FACE = "face"
    CALLED = "called"
    """Called by name for an appointment that is expected now."""
    DOCUMENT = "document"
    PIN = "pin"
    DIGITS = "digits"
    """Typed digits or a whole typed number: they tell people apart and prove nothing."""


class Relation(StrEnum):
    """What the person at the terminal is to the one for whom something is done."""

    SELF = "self"
    FAMILY = "family"
    PROXY = "proxy"


class SessionState(StrEnum):
    """Where a capture session stands; ``EXPIRED`` follows from the time and is never stored."""

    OPENED = "opened"
    CAPTURING = "capturing"
    VERIFIED = "verified"
    REFUSED = "refused"
    EXPIRED = "expired"


class UnknownReason(StrEnum):
    """Why a person stays unknown; a normal answer, not a fault."""

    NO_TEMPLATE = "no_template"
    BELOW_THRESHOLD = "below_threshold"
    NOT_CLEAR = "not_clear"


@dataclass(frozen=True, slots=True)
class Consent:
    """One tick of a person.

    Attributes:
        purpose: What was agreed to.
        notice_version: Of the notice that the person was shown.
        given_at: When, UTC.
    """

    purpose: ConsentPurpose
    notice_version: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and what is proven of it by one calibration (ISO/IEC 19795-1).

    Attributes:
        fmr: The false match rate that was asked for, per comparison.
        fmr_upper95: The upper 95 % bound of the false match rate at this threshold.
        threshold: The least score that counts as a match.
        path_id: The operational path that was calibrated.
        data: On what data, as the calibration names it.
        proven_for_population: Whether the bound is of a group of the population served.
    """

    fmr: float
    fmr_upper95: float
    threshold: float
    path_id: str
    data: str
    proven_for_population: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person that a search or a comparison came back with.

    Attributes:
        subject: Who.
        score: Similarity, higher is more alike; its range belongs to the operational path.
    """

    subject: PersonNo
    score: float


@dataclass(frozen=True, slots=True)
class Narrowed:
    """1:N: the person is one of these, or unknown."""

    subjects: frozenset[PersonNo]


@dataclass(frozen=True, slots=True)
class Claimed:
    """1:1: the person is said to be this one.

    Attributes:
        subject: Who.
        by: What says so; a face cannot.
    """

    subject: PersonNo
    by: Factor

    def __post_init__(self) -> None:
        if self.by is Factor.FACE:
            raise ValueError("a face does not claim an identity")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided; safety limits it and it may only be tighter.

    Attributes:
        fpir_max: Highest chance per session to name a wrong person by search (FPIR), 0..1.
        identification_fmr: False match rate per comparison of a search, 0..1.
        verification_fmr: False match rate of a comparison with a claimed person, 0..1.
        margin: Least lead over the second person, in score units of the operational path.
        templates_per_person_max: How many templates a person may have.
        population: Group of the calibration's data that stands for the people served.
        attempts_max: How many attempts one session may make.
        session_valid: From the opening of a session to its end.
        confirm_within: From the verified face to the confirmation; at most 120 s.
        proof_valid: Life of a proof; at most 10 minutes.
        uses_max: The most uses that one proof may be good for.
    """

    fpir_max: float
    identification_fmr: float
    verification_fmr: float
    margin: float
    templates_per_person_max: int
    population: str | None = None
    attempts_max: int = 3
    session_valid: timedelta = timedelta(seconds=90)
    confirm_within: timedelta = CONFIRM_WITHIN_MAX
    proof_valid: timedelta = timedelta(minutes=5)
    uses_max: int = 4

    def __post_init__(self) -> None:
        for name, found, limit in (
            ("confirm_within", self.confirm_within, CONFIRM_WITHIN_MAX),
            ("proof_valid", self.proof_valid, PROOF_VALID_MAX),
        ):
            if found > limit:
                raise Refused(
                    POLICY_LOOSENED,
                    setting=name,
                    found_s=found.total_seconds(),
                    limit_s=limit.total_seconds(),
                )


@dataclass(frozen=True, slots=True)
class Search:
    """What one attempt will compare with, and at which error rate.

    Attributes:
        subjects: The people compared with.
        point: Threshold and error rates of each comparison.
        comparisons: The most comparisons that the attempt makes.
        factors: What speaks for the person if the attempt finds one.
    """

    subjects: frozenset[PersonNo]
    point: OperatingPoint
    comparisons: int
    factors: frozenset[Factor]

    @property
    def error_upper95(self) -> float:
        """Upper bound of the chance that the attempt names a wrong person (Boole's inequality)."""
        return self.comparisons * self.point.fmr_upper95


@dataclass(frozen=True, slots=True)
class VerifiedPerson:
    """Who stands at the terminal, and how sure that is.

    Attributes:
        subject: Who.
        score: Of the comparison that decided.
        point: Threshold, error rates and calibration by which it was decided.
        comparisons: The most comparisons that the session made until then.
        error_upper95: Upper bound of the chance that the session named a wrong person: the sum
            over all its comparisons (Boole's inequality), so never too small, perhaps above 1.
        factors: What speaks for it.
    """

    subject: PersonNo
    score: float
    point: OperatingPoint
    comparisons: int
    error_upper95: float
    factors: frozenset[Factor]

    @property
    def fmr(self) -> float:
        """The false match rate per comparison at which it was decided."""
        return self.point.fmr

    @property
    def proven_for_population(self) -> bool:
        """Whether that rate is proven for the population served."""
        return self.point.proven_for_population


@dataclass(frozen=True, slots=True)
class IdentificationOutcome:
    """The answer to one attempt: a person, or why nobody was named.

    Attributes:
        person: Who it is; ``None`` when unknown.
        unknown: Why nobody was named; ``None`` when somebody was.
        attempts_left: How often the same session may try again.
    """

    person: VerifiedPerson | None
    unknown: UnknownReason | None
    attempts_left: int


@dataclass(frozen=True, slots=True)
class CaptureSession:
    """One person in front of one terminal, from the touch to the confirmation.

    ``opened -> capturing -> verified | refused``; an unknown person or a poor picture leads back
    to ``opened`` while attempts are left; time leads to ``expired``.

    Attributes:
        session_id: Its identifier.
        terminal_id: The only terminal that may use it.
        institution: Of the terminal.
        terminal_class: Of the terminal.
        scene: What the person came for.
        consents: Given before the camera; the comparison is always among them.
        nonce_digest: :func:`digest` of the nonce that the terminal was given.
        opened_at: UTC.
        expires_at: UTC; from then on it is expired unless it is decided.
        state: As stored, see :meth:`state_at`.
        attempts: Made so far.
        comparisons: The most comparisons made so far.
        error_upper95: Sum of the error bounds of the attempts so far.
        person: Who it is, once verified.
        decided_at: When it was verified or refused, UTC.
        refused_because: Code of what refused it.
        proof_issued_at: When its one proof was issued, UTC.
    """

    session_id: SessionId
    terminal_id: TerminalId
    institution: InstitutionCode
    terminal_class: TerminalClass
    scene: Scene
    consents: tuple[Consent, ...]
    nonce_digest: str
    opened_at: datetime
    expires_at: datetime
    state: SessionState = SessionState.OPENED
    attempts: int = 0
    comparisons: int = 0
    error_upper95: float = 0.0
    person: VerifiedPerson | None = None
    decided_at: datetime | None = None
    refused_because: str | None = None
    proof_issued_at: datetime | None = None

    def state_at(self, now: datetime) -> SessionState:
        """Where it stands at ``now``."""
        undecided = self.state in {SessionState.OPENED, SessionState.CAPTURING}
        return SessionState.EXPIRED if undecided and now >= self.expires_at else self.state


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """What the terminal is given at the opening.

    Attributes:
        session_id: The session.
        nonce: Of this session only; the terminal returns it with what it captured.
        expires_at: UTC.
    """

    session_id: SessionId
    nonce: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """What the person sees on the screen and confirms, no more.

    Attributes:
        intent_id: One registration, one settlement.
        scene: What for.
        beneficiary: For whom; the person themselves with ``Relation.SELF``.
        relation: Of the person at the terminal to the beneficiary.
        amount_max_fen: The most that may be moved by all uses together; 0 moves no money.
        uses: How many uses, such as register and settle, it takes.
    """

    intent_id: IntentId
    scene: Scene
    beneficiary: PersonNo
    relation: Relation
    amount_max_fen: Fen
    uses: int = 1


@dataclass(frozen=True, slots=True)
class FaceProof:
    """刷脸授权号: that this person confirmed this intent, at this terminal, just now.

    Attributes:
        auth_no: The secret by which it is redeemed; never stored, never printed.
        subject: Who stood at the terminal.
        beneficiary: For whom.
        relation: Of the subject to the beneficiary.
        intent_id: The only intent for which it is good.
        scene: The only scene.
        terminal_id: Where it was captured.
        institution: The only one that may redeem it.
        amount_max_fen: The most that all uses together may move.
        uses: How many uses it is good for.
        expires_at: UTC; from then on it is good for nothing new.
    """

    auth_no: AuthNo = field(repr=False)
    subject: PersonNo
    beneficiary: PersonNo
    relation: Relation
    intent_id: IntentId
    scene: Scene
    terminal_id: TerminalId
    institution: InstitutionCode
    amount_max_fen: Fen
    uses: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Redemption:
    """One use of a proof.

    Attributes:
        intent_id: For which intent.
        use: Which use of it, named by the one who redeems: ``register``, ``settle``.
        amount_fen: What this use moves.
        redeemed_at: UTC.
    """

    intent_id: IntentId
    use: str
    amount_fen: Fen
    redeemed_at: datetime


_kind = KindsOf("verification", helper=Helper.SELF).kind


_ANOTHER_WAY = ("请用医保卡、医保码或身份证办理", "Use the card, the e-voucher code or the ID card")
_BEGIN_AGAIN = ("请重新开始刷脸", "Begin a new capture")
_SCAN_AGAIN = ("请本人重新刷脸确认", "Let the person scan and confirm again")
_TO_TECHNICIAN = ("请通知技术人员检查", "Tell the technicians to look at it")

CONSENT_MISSING = _kind(
    "consent_missing",
    "还没有同意人脸比对，不会打开摄像头",
    "Without consent to the comparison no picture is looked at",
    "请先看说明再选择同意，或用医保卡、医保码、身份证办理",
    "Read the notice and agree, or use the card, the e-voucher code or the ID card",
)
SESSION_NOT_FOUND = _kind(
    "session_not_found", "找不到这次刷脸", "There is no such capture", *_BEGIN_AGAIN
)
SESSION_OTHER_TERMINAL = _kind(
    "session_other_terminal",
    "这次刷脸不是在这台机器上开始的",
    "The capture was begun at another terminal",
    *_BEGIN_AGAIN,
)
SESSION_NONCE_WRONG = _kind(
    "session_nonce_wrong",
    "这次刷脸的随机数不对",
    "The capture does not carry the nonce of its session",
    *_TO_TECHNICIAN,
    Helper.TECHNICIAN,
)
SESSION_EXPIRED = _kind(
    "session_expired", "刚才没来得及，时间到了", "The time for this capture is over", *_BEGIN_AGAIN
)
SESSION_BUSY = _kind(
    "session_busy",
    "正在识别，请稍等",
    "The capture is being looked at already",
    "请等结果",
    "Wait for the result",
    finality=Finality.TEMPORARY,
)
SESSION_CLOSED = _kind(
    "session_closed", "这次刷脸已经结束", "The capture is decided already", *_BEGIN_AGAIN
)
NOT_LIVE = _kind(
    "not_live",
    "这次没拍好",
    "That did not work",
    "请您本人站到屏幕前，再试一次",
    "Please stand before the screen yourself and try again",
    Helper.CLERK,
)
PICTURE_POOR = _kind(
    "picture_poor",
    "照片不够清楚",
    "The pictures are not good enough to compare",
    "请按屏幕上的提示再试一次",
    "Follow the hint on the screen and try again",
    finality=Finality.TEMPORARY,
)
TOO_MANY_CANDIDATES = _kind(
    "too_many_candidates",
    "在这么多人里只凭人脸认不准",
    "Among so many people the face alone is not sure enough",
    "请输入身份证号最后四位，或用医保卡、医保码办理",
    "Type the last four digits of the ID number, or use the card or the e-voucher code",
)
PATH_DIFFERS = _kind(
    "path_differs",
    "采集用的模型和标定的不一致",
    "The capture was measured by another operational path than the calibrated one",
    *_TO_TECHNICIAN,
    Helper.TECHNICIAN,
)
POLICY_LOOSENED = _kind(
    "policy_loosened",
    "这项设置比安全上限更宽",
    "A setting is looser than safety allows",
    "请改到上限以内；设置只能更严",
    "Set it within the limit; settings may only be tighter",
    Helper.TECHNICIAN,
)
NOT_VERIFIED = _kind(
    "not_verified", "还没有确认是谁", "Nobody was verified in this capture", *_BEGIN_AGAIN
)
CONFIRM_TOO_LATE = _kind(
    "confirm_too_late",
    "确认得太晚了，需要再刷一次",
    "The confirmation came too long after the capture",
    *_BEGIN_AGAIN,
)
PROOF_ALREADY_ISSUED = _kind(
    "proof_already_issued",
    "这次刷脸已经确认过一件事",
    "The capture has confirmed something already",
    *_BEGIN_AGAIN,
)
CLAIM_SUBJECT_DIFFERS = _kind(
    "claim_subject_differs",
    "要确认的人和刷脸的人不一致",
    "The person to confirm is not the one who was verified",
    *_BEGIN_AGAIN,
)
CLAIM_SCENE_DIFFERS = _kind(
    "claim_scene_differs",
    "要确认的业务和刷脸时选的不一致",
    "The scene to confirm is not the one of the capture",
    *_BEGIN_AGAIN,
)
RELATION_NOT_PROVEN = _kind(
    "relation_not_proven",
    "没有查到和办理对象的关系",
    "The relation to the beneficiary is not proven",
    "请本人刷脸，或到窗口带证件办理",
    "Let the beneficiary scan, or bring documents to a window",
    Helper.CLERK,
)
FACE_ALONE = _kind(
    "face_alone",
    "只刷脸不能付钱",
    "A face alone moves no money",
    "请等叫到名字，或出示身份证，或输入密码",
    "Wait to be called by name, show an ID document, or enter the PIN",
    Helper.CLERK,
)
AMOUNT_INVALID = _kind(
    "amount_invalid",
    "金额不对",
    "The amount is not valid",
    *_TO_TECHNICIAN,
    Helper.TECHNICIAN,
)
USES_INVALID = _kind(
    "uses_invalid",
    "使用次数不对",
    "The number of uses is not valid",
    *_TO_TECHNICIAN,
    Helper.TECHNICIAN,
)
PROOF_NOT_FOUND = _kind(
    "proof_not_found", "没有这个刷脸授权号", "There is no such face proof", *_SCAN_AGAIN
)
PROOF_EXPIRED = _kind("proof_expired", "刷脸授权已过期", "The face proof has expired", *_SCAN_AGAIN)
PROOF_USED_UP = _kind(
    "proof_used_up", "刷脸授权已经用完", "The face proof is used up", *_SCAN_AGAIN
)
PROOF_OTHER_INSTITUTION = _kind(
    "proof_other_institution",
    "刷脸授权不是给这家机构的",
    "The face proof is for another institution",
    *_SCAN_AGAIN,
)
PROOF_OTHER_TERMINAL = _kind(
    "proof_other_terminal",
    "刷脸授权不是这台机器上的",
    "The face proof is from another terminal",
    *_SCAN_AGAIN,
)
PROOF_OTHER_INTENT = _kind(
    "proof_other_intent",
    "刷脸授权不是为这件事的",
    "The face proof is for another intent",
    *_SCAN_AGAIN,
)
PROOF_OTHER_SCENE = _kind(
    "proof_other_scene",
    "刷脸授权不是为这项业务的",
    "The face proof is for another scene",
    *_SCAN_AGAIN,
)
PROOF_OTHER_SUBJECT = _kind(
    "proof_other_subject",
    "刷脸的不是这个人",
    "The face proof is of another person",
    *_SCAN_AGAIN,
)
PROOF_OTHER_BENEFICIARY = _kind(
    "proof_other_beneficiary",
    "刷脸授权不是为这个人办的",
    "The face proof is for another beneficiary",
    *_SCAN_AGAIN,
)
PROOF_OTHER_RELATION = _kind(
    "proof_other_relation",
    "刷脸授权里的关系不一致",
    "The face proof states another relation",
    *_SCAN_AGAIN,
)
PROOF_AMOUNT_EXCEEDED = _kind(
    "proof_amount_exceeded",
    "金额超过了本人确认的数",
    "The amount is above what the person confirmed",
    *_SCAN_AGAIN,
)
REDEMPTION_DIFFERS = _kind(
    "redemption_differs",
    "这一步已经用别的金额办过",
    "This use was redeemed with another amount",
    "请查询原来的结果，不要重复提交",
    "Look up the earlier result; do not send it again",
    Helper.CLERK,
)
INTENT_REDEEMED = _kind(
    "intent_redeemed",
    "这件事已经用另一次刷脸办过",
    "This use of the intent was redeemed by another face proof",
    "请查询原来的结果，不要重复提交",
    "Look up the earlier result; do not send it again",
    Helper.CLERK,
)

REFUSALS = (
    CONSENT_MISSING,
    SESSION_NOT_FOUND,
    SESSION_OTHER_TERMINAL,
    SESSION_NONCE_WRONG,
    SESSION_EXPIRED,
    SESSION_BUSY,
    SESSION_CLOSED,
    NOT_LIVE,
    PICTURE_POOR,
    TOO_MANY_CANDIDATES,
    PATH_DIFFERS,
    POLICY_LOOSENED,
    NOT_VERIFIED,
    CONFIRM_TOO_LATE,
    PROOF_ALREADY_ISSUED,
    CLAIM_SUBJECT_DIFFERS,
    CLAIM_SCENE_DIFFERS,
    RELATION_NOT_PROVEN,
    FACE_ALONE,
    AMOUNT_INVALID,
    USES_INVALID,
    PROOF_NOT_FOUND,
    PROOF_EXPIRED,
    PROOF_USED_UP,
    PROOF_OTHER_INSTITUTION,
    PROOF_OTHER_TERMINAL,
    PROOF_OTHER_INTENT,
    PROOF_OTHER_SCENE,
    PROOF_OTHER_SUBJECT,
    PROOF_OTHER_BENEFICIARY,
    PROOF_OTHER_RELATION,
    PROOF_AMOUNT_EXCEEDED,
    REDEMPTION_DIFFERS,
    INTENT_REDEEMED,
)

Finding = Candidate | UnknownReason | Refused
"""What an attempt came to: somebody, nobody, or a capture that could not be compared."""


def digest(secret: str) -> str:
    """SHA-256 of a nonce or proof number, 64 hex digits; all that is ever stored of it.

    Enough without a key, because both are random with at least 160 bits and cannot be guessed.
    """
    return sha256(secret.encode()).hexdigest()


def candidate_limit(
    *,
    fpir_max: float,
    fmr_upper95: float,
    templates_per_person: int,
    frames: int,
    attempts: int,
) -> int:
    """How many people a session may search so that a wrong name stays as rare as promised.

    The chance to name a wrong person is at most the sum over all comparisons (Boole's inequality),
    so ``fpir_max / fmr_upper95`` comparisons are allowed per session, and every person costs
    ``templates_per_person * frames * attempts`` of them. Counted in decimals, as the rates are
    written.

    Args:
        fpir_max: Highest false positive identification rate (ISO/IEC 19795-1), 0..1.
        fmr_upper95: Proven upper bound of the false match rate of one comparison, above 0.
        templates_per_person: The most that a person has, at least 1.
        frames: Probes compared separately; 1 when the frames are fused into one probe.
        attempts: How often the session may search, at least 1.

    Returns:
        At least 0; 0 means that nobody may be searched without a claim.
    """
    if fmr_upper95 <= 0 or min(templates_per_person, frames, attempts) < 1:
        raise ValueError("an error bound is above 0 and every count at least 1")
    comparisons = Decimal(repr(float(fpir_max))) // Decimal(repr(float(fmr_upper95)))
    return int(comparisons) // (templates_per_person * frames * attempts)


def people_limit(identification: OperatingPoint, policy: Policy) -> int:
    """How many people a session may search under a policy: :func:`candidate_limit` of one probe."""
    return candidate_limit(
        fpir_max=policy.fpir_max,
        fmr_upper95=identification.fmr_upper95,
        templates_per_person=policy.templates_per_person_max,
        frames=1,
        attempts=policy.attempts_max,
    )


def plan_search(
    who: Narrowed | Claimed,
    *,
    identification: OperatingPoint,
    verification: OperatingPoint,
    policy: Policy,
) -> Search:
    """What to compare with, at which error rate.

    Raises:
        Refused: ``verification.too_many_candidates`` when the proven error rate does not carry
            so many people.
    """
    templates = policy.templates_per_person_max
    if isinstance(who, Claimed):
        claimed = frozenset({who.subject})
        return Search(claimed, verification, templates, frozenset({Factor.FACE, who.by}))
    limit = people_limit(identification, policy)
    found = len(who.subjects)
    if found > limit:
        raise Refused(TOO_MANY_CANDIDATES, found=found, limit=limit)
    return Search(who.subjects, identification, found * templates, frozenset({Factor.FACE}))


def decide_identification(
    candidates: Collection[Candidate], *, threshold: float, margin: float
) -> Candidate | UnknownReason:
    """Who of the candidates it is, or why that stays unknown (1:N).

    Several scores of one person count as one, the best. A score that is no number matches nobody.

    Args:
        candidates: What the search came back with, in any order.
        threshold: The least score that counts.
        margin: The least lead over the second person, in score units.
    """
    best: dict[PersonNo, Candidate] = {}
    for candidate in sorted(filter(_has_score, candidates), key=lambda found: found.score):
        best[candidate.subject] = candidate
    ranked = sorted(best.values(), key=lambda found: found.score, reverse=True)
    if not ranked:
        return UnknownReason.NO_TEMPLATE
    if not ranked[0].score >= threshold:
        return UnknownReason.BELOW_THRESHOLD
    if len(ranked) > 1 and not ranked[0].score - ranked[1].score >= margin:
        return UnknownReason.NOT_CLEAR
    return ranked[0]


def decide_verification(
    candidates: Collection[Candidate], claimed: PersonNo, *, threshold: float
) -> Candidate | UnknownReason:
    """Whether it is the claimed person (1:1).

    Args:
        candidates: What the comparison came back with; others than the claimed do not count.
        claimed: Who it is said to be.
        threshold: The least score that counts.
    """
    of_claimed = [candidate for candidate in candidates if candidate.subject == claimed]
    return decide_identification(of_claimed, threshold=threshold, margin=0)


def _has_score(candidate: Candidate) -> bool:
    return isfinite(candidate.score)


def may_move_money(factors: Collection[Factor]) -> bool:
    """Whether these factors together may move money.

    The face must be joined by a claimed identity (called by name, document) or a PIN: the error
    rates that the default weights prove do not carry money on the face alone. Typed digits tell
    people apart and never count.
    """
    joined = {Factor.CALLED, Factor.DOCUMENT, Factor.PIN}
    return Factor.FACE in factors and not joined.isdisjoint(factors)


def check_consents(consents: Collection[Consent]) -> None:
    """Check that the comparison was agreed to on a notice, before the first frame.

    Raises:
        Refused: ``verification.consent_missing``.
    """
    agreed = (given for given in consents if given.purpose is ConsentPurpose.COMPARISON)
    if not any(given.notice_version for given in agreed):
        raise Refused(CONSENT_MISSING)


def claim(
    session: CaptureSession, search: Search, *, terminal_id: TerminalId, nonce: str, now: datetime
) -> CaptureSession:
    """The session with one more attempt under way, which counts whatever comes of it.

    Raises:
        Refused: ``verification.session_other_terminal``, ``session_nonce_wrong``,
            ``session_expired``, ``session_busy``, ``session_closed``.
    """
    # A session is of one terminal: another one cannot finish what it began.
    if session.terminal_id != terminal_id:
        raise Refused(SESSION_OTHER_TERMINAL)
    # The nonce ties what was captured to this session, so that nothing older can be replayed.
    if not hmac.compare_digest(session.nonce_digest, digest(nonce)):
        raise Refused(SESSION_NONCE_WRONG)
    _check_state(session, SessionState.OPENED, now=now)
    return replace(
        session,
        state=SessionState.CAPTURING,
        attempts=session.attempts + 1,
        comparisons=session.comparisons + search.comparisons,
        error_upper95=session.error_upper95 + search.error_upper95,
    )


def conclude(
    session: CaptureSession, finding: Finding, *, search: Search, policy: Policy, now: datetime
) -> CaptureSession:
    """The session after an attempt: verified, refused, or open for another one.

    Raises:
        Refused: ``verification.session_expired`` when the time ran out meanwhile.
    """
    _check_state(session, SessionState.CAPTURING, now=now)
    if isinstance(finding, Candidate):
        person = VerifiedPerson(
            subject=finding.subject,
            score=finding.score,
            point=search.point,
            comparisons=session.comparisons,
            error_upper95=session.error_upper95,
            factors=search.factors,
        )
        return replace(session, state=SessionState.VERIFIED, person=person, decided_at=now)
    reason = finding.kind.code if isinstance(finding, Refused) else finding.value
    # An attack is not given another try in the same session.
    if reason != NOT_LIVE.code and attempts_left(session, policy) > 0:
        return replace(session, state=SessionState.OPENED)
    return replace(session, state=SessionState.REFUSED, refused_because=reason, decided_at=now)


def attempts_left(session: CaptureSession, policy: Policy) -> int:
    """How often the session may still try, unless it is decided."""
    return max(0, policy.attempts_max - session.attempts)


def _check_state(session: CaptureSession, expected: SessionState, *, now: datetime) -> None:
    found = session.state_at(now)
    if found is expected:
        return
    kinds = {SessionState.EXPIRED: SESSION_EXPIRED, SessionState.CAPTURING: SESSION_BUSY}
    raise Refused(kinds.get(found, SESSION_CLOSED), found=found.value, expected=expected.value)


def confirm(
    session: CaptureSession,
    intent: Intent,
    *,
    auth_no: AuthNo,
    subject: PersonNo,
    terminal_id: TerminalId,
    policy: Policy,
    mode: Mode,
    now: datetime,
) -> FaceProof:
    """The proof that the person of a verified session confirmed ``intent`` at ``now``.

    Raises:
        Refused: When session, person, scene, relation, amount, factors or uses do not carry it.
    """
    person = _confirming_person(session, terminal_id=terminal_id, policy=policy, now=now)
    # The screen showed a person; the confirmation must mean the one whose face was compared.
    if subject != person.subject:
        raise Refused(CLAIM_SUBJECT_DIFFERS)
    # The consent was asked for one scene.
    if intent.scene is not session.scene:
        raise Refused(CLAIM_SCENE_DIFFERS, found=intent.scene.value, expected=session.scene.value)
    check_relation(intent, subject=subject)
    check_uses(intent, policy=policy)
    check_money(intent, person, terminal_class=session.terminal_class, mode=mode)
    return FaceProof(
        auth_no=auth_no,
        subject=subject,
        beneficiary=intent.beneficiary,
        relation=intent.relation,
        intent_id=intent.intent_id,
        scene=intent.scene,
        terminal_id=session.terminal_id,
        institution=session.institution,
        amount_max_fen=intent.amount_max_fen,
        uses=intent.uses,
        expires_at=now + policy.proof_valid,
    )


def _confirming_person(
    session: CaptureSession, *, terminal_id: TerminalId, policy: Policy, now: datetime
) -> VerifiedPerson:
    if session.terminal_id != terminal_id:
        raise Refused(SESSION_OTHER_TERMINAL)
    if session.person is None or session.decided_at is None:
        raise Refused(NOT_VERIFIED, found=session.state_at(now).value)
    # One scan confirms one thing: the second thing needs a second scan.
    if session.proof_issued_at is not None:
        raise Refused(PROOF_ALREADY_ISSUED)
    # After this time somebody else may stand there.
    elapsed = now - session.decided_at
    if elapsed > policy.confirm_within:
        raise Refused(
            CONFIRM_TOO_LATE,
            found_s=elapsed.total_seconds(),
            limit_s=policy.confirm_within.total_seconds(),
        )
    return session.person


def check_relation(intent: Intent, *, subject: PersonNo) -> None:
    """Check the relation to the beneficiary: people act for themselves; others are not proven.

    Raises:
        Refused: ``verification.relation_not_proven``.
    """
    for_self = intent.relation is Relation.SELF and intent.beneficiary == subject
    if not for_self:
        raise Refused(RELATION_NOT_PROVEN, relation=intent.relation.value)


def check_uses(intent: Intent, *, policy: Policy) -> None:
    """Check that the intent asks for one to ``policy.uses_max`` uses.

    Raises:
        Refused: ``verification.uses_invalid``.
    """
    if not 1 <= intent.uses <= policy.uses_max:
        raise Refused(USES_INVALID, found=intent.uses, limit=policy.uses_max)


def check_money(
    intent: Intent, person: VerifiedPerson, *, terminal_class: TerminalClass, mode: Mode
) -> None:
    """Check that factors and terminal carry the amount of the intent; 0 moves no money.

    Raises:
        Refused: ``verification.amount_invalid``, ``verification.face_alone``,
            ``terminals.amount_over_limit``.
    """
    if intent.amount_max_fen < 0:
        raise Refused(AMOUNT_INVALID, found_fen=intent.amount_max_fen)
    if intent.amount_max_fen == 0:
        return
    if not may_move_money(person.factors):
        raise Refused(FACE_ALONE, found=",".join(sorted(person.factors)))
    check_settlement(terminal_class, intent.amount_max_fen, mode=mode)


def check_redeem(
    proof: FaceProof,
    *,
    expected_institution: InstitutionCode,
    expected_terminal: TerminalId,
    expected_intent_id: IntentId,
    expected_scene: Scene,
    expected_subject: PersonNo,
    expected_beneficiary: PersonNo,
    expected_relation: Relation,
) -> None:
    """Check that a proof is for what is about to be done with it.

    Every ``expected_`` value is what the one who redeems knows from its own records. Refusals say
    what was found and what was expected, except for people and for another institution: neither
    may learn by a wrong guess who was where.

    Raises:
        Refused: ``verification.proof_other_institution``, ``..._terminal``, ``..._intent``,
            ``..._scene``, ``..._subject``, ``..._beneficiary``, ``..._relation``.
    """
    # First, so that whoever holds a strange proof number learns nothing else about it.
    if proof.institution != expected_institution:
        raise Refused(PROOF_OTHER_INSTITUTION, expected=expected_institution)
    # A proof taken at one desk and used at another is how a bystander would pay.
    if proof.terminal_id != expected_terminal:
        raise Refused(PROOF_OTHER_TERMINAL, found=proof.terminal_id, expected=expected_terminal)
    # The person confirmed this one bill; the next one needs a confirmation of its own.
    if proof.intent_id != expected_intent_id:
        raise Refused(PROOF_OTHER_INTENT, found=proof.intent_id, expected=expected_intent_id)
    # Agreeing to a registration is not agreeing to a settlement.
    if proof.scene is not expected_scene:
        raise Refused(PROOF_OTHER_SCENE, found=proof.scene.value, expected=expected_scene.value)
    # The record must be of the person who stood there, or somebody treats under a strange name.
    if proof.subject != expected_subject:
        raise Refused(PROOF_OTHER_SUBJECT)
    # The money comes from the beneficiary's benefits; no one else's may be touched.
    if proof.beneficiary != expected_beneficiary:
        raise Refused(PROOF_OTHER_BENEFICIARY)
    # The right to act for somebody was checked for the relation that the proof states.
    if proof.relation is not expected_relation:
        raise Refused(
            PROOF_OTHER_RELATION, found=proof.relation.value, expected=expected_relation.value
        )


def decide_redemption(
    proof: FaceProof, made: Sequence[Redemption], *, use: str, amount_fen: Fen, now: datetime
) -> Redemption:
    """The redemption of a use: the earlier one when it was redeemed before, else a new one.

    A repeat is answered even after the proof expired, because the answer may have been lost.

    Args:
        proof: Checked by :func:`check_redeem`.
        made: All earlier redemptions of this proof.
        use: Name of the use.
        amount_fen: What the use moves, at least 0.
        now: UTC.

    Raises:
        Refused: ``verification.redemption_differs``, ``amount_invalid``, ``proof_expired``,
            ``proof_used_up``, ``proof_amount_exceeded``.
    """
    for earlier in made:
        if earlier.use == use:
            return _repeated(earlier, amount_fen=amount_fen)
    if amount_fen < 0:
        raise Refused(AMOUNT_INVALID, found_fen=amount_fen)
    check_in_time(proof, now=now)
    if len(made) >= proof.uses:
        raise Refused(PROOF_USED_UP, found=len(made), limit=proof.uses)
    # The amounts of all uses together stay within what the person saw.
    moved_fen = total([earlier.amount_fen for earlier in made])
    if moved_fen + amount_fen > proof.amount_max_fen:
        raise Refused(
            PROOF_AMOUNT_EXCEEDED,
            found_fen=moved_fen + amount_fen,
            limit_fen=proof.amount_max_fen,
        )
    return Redemption(proof.intent_id, use, amount_fen, now)


def _repeated(earlier: Redemption, *, amount_fen: Fen) -> Redemption:
    if earlier.amount_fen != amount_fen:
        raise Refused(REDEMPTION_DIFFERS, found_fen=amount_fen, expected_fen=earlier.amount_fen)
    return earlier


def check_in_time(proof: FaceProof, *, now: datetime) -> None:
    """Check that a proof has not expired.

    Raises:
        Refused: ``verification.proof_expired``.
    """
    if now >= proof.expires_at:
        raise Refused(
            PROOF_EXPIRED, found=now.isoformat(), expected_before=proof.expires_at.isoformat()
        )
