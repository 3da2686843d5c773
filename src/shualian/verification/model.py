"""From a capture to a person, from a confirmation to a proof: values, rules and refusals.

Nothing here knows pixels or vectors: a decision sees scores only, with the error rate that belongs
to them. So the hospital, which must never see a face, may know these types. Rules stand in the
folders of their subjects: ``identification``, ``requirements``, ``sessions``, ``proofs``.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    AuthNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    StaffId,
    TerminalId,
)
from shualian.core.money import Fen
from shualian.core.names import mask_name
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.verification.registry.model import (
    REGISTRY_REFUSALS,
    RegistryVerdict,
)

CONFIRM_WITHIN_MAX = timedelta(seconds=120)
"""The longest time from a verified face to the confirmation that rests on it."""

PROOF_VALID_MAX = timedelta(minutes=10)
"""The longest life of a proof; the national interface states none for ``authNo``."""

TICKET_VALID = timedelta(seconds=10)
"""From the signed opening of a session to the opening of its stream; once."""

TEXT_MAX = 30
"""Characters of an identifier or name on the wire (S30 of the national interface)."""


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
    """Why a person stays unknown; a normal answer, not a fault: digits or a number may help."""

    NO_TEMPLATE = "no_template"
    BELOW_THRESHOLD = "below_threshold"
    NOT_CLEAR = "not_clear"
    TOO_MANY_PEOPLE = "too_many_people"
    """More than the proven error rate carries; nothing was decided."""


class Basis(StrEnum):
    """What the live face was compared with."""

    TEMPLATE = "template"
    REGISTRY = "registry"
    """The police registry alone, for who keeps no template: its error rate is not known to us."""


class VoucherStanding(StrEnum):
    """Where a person's e-voucher stands."""

    NOT_ACTIVATED = "not_activated"
    ACTIVE = "active"
    DORMANT = "dormant"
    FROZEN = "frozen"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the insurer holds on a person that decides what a face may do for them.

    Attributes:
        voucher: Of the e-voucher.
        template_consent: Whether the person agreed to a template being kept.
        guardian_missing: Under 14 and no guardian has agreed.
        payment_held_until: Until when no face may pay, after a template was replaced; UTC.
        insurance_note: Code of an insured status that needs a word: ``not_insured``, ``paused``,
            ``arrears``, ``not_synchronised``; refuses nothing here.
        consent_outdated: Something was agreed to under a wording that a newer material one
            replaced: the person is asked again, and what was agreed to stands until then.
    """

    voucher: VoucherStanding
    template_consent: bool
    guardian_missing: bool = False
    payment_held_until: datetime | None = None
    insurance_note: str | None = None
    consent_outdated: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is, for the registry's question and for the masked line on a screen.

    Attributes:
        subject: The insurer's number of the person.
        name: As the insurer holds it.
        id_number: The ID number.
        region: 参保地 ``insuplc_admdvs``, six digits.
        birth_date: Date of birth.
    """

    subject: PersonNo
    name: str = field(repr=False)
    id_number: IdNumber = field(repr=False)
    region: str
    birth_date: date

    @property
    def masked_name(self) -> str:
        """The name as screens show it."""
        return mask_name(self.name)


@dataclass(frozen=True, slots=True)
class Expected:
    """Look among the people who are expected at this institution today (1:N)."""


@dataclass(frozen=True, slots=True)
class LastDigits:
    """Look among the enrolled people whose ID number ends so (1:N).

    Attributes:
        digits: The last four to eight characters of the ID number, as typed.
    """

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Called:
    """The patient whom the doctor has called at this terminal (1:1)."""


@dataclass(frozen=True, slots=True)
class TypedNumber:
    """Who says to have this ID number (1:1); the number opens a claim and proves nothing.

    Attributes:
        id_number: As typed.
    """

    id_number: IdNumber = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """Whose ID document was read by the terminal or seen by a clerk (1:1).

    Attributes:
        id_number: On the document.
        seen_by: The clerk; ``None`` when a reader read it.
    """

    id_number: IdNumber = field(repr=False)
    seen_by: StaffId | None = None


LookFor = Expected | LastDigits | Called | TypedNumber | Document
"""Among whom, or for whom, the terminal looks."""


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
class VerifiedPerson:
    """Who stands at the terminal, and how sure that is.

    Attributes:
        subject: Who.
        score: Of the comparison that decided; ``None`` when the registry alone did.
        point: Threshold, error rates and calibration by which it was decided; ``None`` likewise.
        comparisons: The most comparisons with templates that the session made until then.
        error_upper95: Upper bound of the chance that the session named a wrong person: the sum
            over all its comparisons (Boole's inequality), so never too small, perhaps above 1.
            ``None`` when the registry alone decided: its error rate is not known to us.
        factors: What speaks for it.
        basis: What the live face was compared with.
        registry: The police registry's answer; ``None`` when it was not asked.
        active: Whether a challenge was passed (active presentation attack detection).
    """

    subject: PersonNo
    score: float | None
    point: OperatingPoint | None
    comparisons: int
    error_upper95: float | None
    factors: frozenset[Factor]
    basis: Basis = Basis.TEMPLATE
    registry: RegistryVerdict | None = None
    active: bool = False

    @property
    def fmr(self) -> float | None:
        """The false match rate per comparison at which it was decided, where it is known."""
        return self.point.fmr if self.point else None

    @property
    def proven_for_population(self) -> bool:
        """Whether that rate is proven for the population served."""
        return self.point is not None and self.point.proven_for_population

    @property
    def degraded(self) -> bool:
        """Whether the registry could not be reached, so that less is allowed."""
        return self.registry is RegistryVerdict.UNAVAILABLE


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
class Relative:
    """Somebody for whom the person at the terminal may act.

    Attributes:
        subject: The beneficiary of an intent with ``Relation.FAMILY``.
        masked_name: As the screen shows it.
        kinship: Code of what the relative is to the person: ``mother``, ``child``.
    """

    subject: PersonNo
    masked_name: str
    kinship: str


@dataclass(frozen=True, slots=True)
class SessionResult:
    """How a session stands, for its terminal; may be read again after a lost connection.

    Attributes:
        state: Where it stands now.
        person: Who it is, once verified.
        unknown: Why the last attempt named nobody.
        refused: Code of what refused the session.
        attempts_left: How often it may still try.
        masked_name: Of the verified person.
        masked_id_number: Of the verified person.
        region: 参保地 of the verified person.
        standing: Codes to be told: ``dormant``, ``arrears``, ``payment_held``,
            ``consent_outdated`` and the like.
        activated: Whether this session activated or woke the e-voucher.
        claimed: Whether one person was looked for, not one among several.
        relatives: For whom else the verified person may act.
    """

    state: SessionState
    person: VerifiedPerson | None
    unknown: UnknownReason | None
    refused: str | None
    attempts_left: int
    masked_name: str | None = None
    masked_id_number: str | None = None
    region: str | None = None
    standing: tuple[str, ...] = ()
    activated: bool = False
    claimed: bool = False
    relatives: tuple[Relative, ...] = ()

    @property
    def basis(self) -> Basis | None:
        """What the face was compared with, once verified."""
        return self.person.basis if self.person else None

    @property
    def registry(self) -> RegistryVerdict | None:
        """What the police registry answered, once verified."""
        return self.person.registry if self.person else None


@dataclass(frozen=True, slots=True)
class ConfirmedPerson:
    """Who confirmed an act of their own with the insurer, at a terminal, by face.

    Attributes:
        subject: Who.
        session_id: The capture.
        factors: What speaks for the person, a PIN among them if it was asked.
        active: Whether active liveness was passed.
        registry: The police registry's answer; ``None`` when it was not asked.
        confirmed_at: When the person pressed *confirm*, UTC.
    """

    subject: PersonNo
    session_id: SessionId
    factors: frozenset[Factor]
    active: bool
    registry: RegistryVerdict | None
    confirmed_at: datetime


class AccessKind(StrEnum):
    """What was done with a person's identity."""

    VERIFIED = "verified"
    PROOF_ISSUED = "proof_issued"
    PROOF_REDEEMED = "proof_redeemed"


@dataclass(frozen=True, slots=True)
class Access:
    """One line of a person's own access log.

    Attributes:
        at: UTC.
        institution: Where.
        terminal_id: At which terminal.
        scene: What for.
        what: What was done.
        use: Which use of a proof, for a redemption.
        by_relative: Whether somebody else acted for the person, by their own face.
    """

    at: datetime
    institution: InstitutionCode
    terminal_id: TerminalId
    scene: Scene
    what: AccessKind
    use: str | None = None
    by_relative: bool = False


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
TICKET_WRONG = _kind(
    "ticket_wrong",
    "刷脸通道的凭据不对或已过期",
    "The ticket of the capture's stream is wrong, used or too old",
    *_BEGIN_AGAIN,
)
CAPTURE_NOT_OPENED = _kind(
    "capture_not_opened",
    "这次刷脸还没有打开画面",
    "The stream of this capture was never opened",
    *_BEGIN_AGAIN,
)
CAPTURE_LOST = _kind(
    "capture_lost",
    "刷脸中断了",
    "The connection was lost before the result",
    *_BEGIN_AGAIN,
)
TEXT_INVALID = _kind(
    "text_invalid",
    "有一项内容太长或含有不能用的字符",
    "A value is empty, too long or holds a character that may not stand there",
    *_TO_TECHNICIAN,
    Helper.TECHNICIAN,
)
DIGITS_INVALID = _kind(
    "digits_invalid",
    "位数不对",
    "These are not the last digits of an ID number",
    "请输入身份证号最后四位，末位可以是 X",
    "Type the last four characters of the ID number; the last may be X",
)
NOBODY_CALLED = _kind(
    "nobody_called",
    "这里还没有叫号",
    "Nobody has been called at this terminal",
    "请等医生叫到您，或输入身份证号",
    "Wait until the doctor calls you, or type the ID number",
    finality=Finality.TEMPORARY,
)
PERSON_NOT_FOUND = _kind(
    "person_not_found",
    "没有查到这个证件号码的参保信息",
    "The register of insured people has no such number",
    "请核对号码；刚参保的需要 1 到 3 个工作日，也可以先自费，或到医保经办窗口查询",
    "Compare the number; a new enrolment takes 1 to 3 working days. Ask the insurer's office, "
    "or be treated as self-paid meanwhile",
    Helper.INSURER,
)
NO_DOCUMENT_READER = _kind(
    "no_document_reader",
    "这台机器不能读身份证",
    "This terminal does not read ID documents",
    "请输入身份证号，或到能读身份证的机器、窗口",
    "Type the ID number, or use a terminal or a window that reads the document",
)
ACTIVE_NEEDED = _kind(
    "active_needed",
    "这次需要做一个动作来确认是本人",
    "This needs a capture with an action to do",
    "请输入身份证号，重新刷脸并按提示做动作",
    "Type the ID number, begin a new capture and do the action shown",
)
VOUCHER_NOT_ACTIVATED = _kind(
    "voucher_not_activated",
    "医保码还没有激活",
    "The e-voucher is not activated",
    "请在这台机器上输入身份证号，刷脸激活",
    "Type the ID number at this terminal and activate it by face",
)
VOUCHER_FROZEN = _kind(
    "voucher_frozen",
    "医保码已经冻结",
    "The e-voucher is frozen",
    "自己冻结的，在终端刷脸就能解冻；别的请带身份证到医保经办窗口。看病可以先用医保卡或自费",
    "Release your own freeze by a scan at a terminal; for another one bring the ID card to the "
    "insurer's office. Use the card or pay meanwhile",
    Helper.INSURER,
)
VOUCHER_CLOSED = _kind(
    "voucher_closed",
    "医保码已经注销",
    "The e-voucher is closed",
    "请用医保卡或身份证办理；有疑问请到医保经办窗口",
    "Use the card or the ID card; for questions go to the insurer's office",
    Helper.INSURER,
)
GUARDIAN_MISSING = _kind(
    "guardian_missing",
    "不满 14 周岁，刷脸要监护人同意",
    "Under 14 a guardian must agree first",
    "请监护人到窗口办理同意，或用医保卡、医保码、身份证办理",
    "Let a guardian agree at a window, or use the card, the code or the ID card",
    Helper.CLERK,
)
AMOUNT_OVER_BEGUN = _kind(
    "amount_over_begun",
    "金额超过了刷脸前说明的数",
    "The amount is above what the capture was begun for",
    *_BEGIN_AGAIN,
)
PAYMENT_HELD = _kind(
    "payment_held",
    "人脸信息刚更换，暂时不能刷脸付款",
    "The template was replaced lately; no payment by face yet",
    "请用医保卡加密码，过了时间再刷脸付款",
    "Use the card with its PIN until then",
    Helper.CLERK,
)
DEGRADED_LIMIT = _kind(
    "degraded_limit",
    "公安核验暂时不通，这个金额不能刷脸付",
    "Without the police registry's answer a face moves less than this",
    "请稍后再试，或用医保卡加密码、医保码办理",
    "Try again later, or use the card with its PIN or the e-voucher code",
    Helper.CLERK,
    Finality.TEMPORARY,
)
PROOF_NOT_OPEN = _kind(
    "proof_not_open",
    "没有这位参保人在这里刚刷过脸的记录",
    "There is no open face proof of this person at this institution for this scene",
    *_SCAN_AGAIN,
)
PROOFS_OPEN = _kind(
    "proofs_open",
    "这位参保人在这里有几次没用掉的刷脸，分不清是哪一次",
    "Several face proofs of this person are open here; none can be told for the right one",
    "请带上刷脸授权号再办",
    "Send the number of the proof",
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
    TICKET_WRONG,
    CAPTURE_NOT_OPENED,
    CAPTURE_LOST,
    TEXT_INVALID,
    DIGITS_INVALID,
    NOBODY_CALLED,
    PERSON_NOT_FOUND,
    ACTIVE_NEEDED,
    NO_DOCUMENT_READER,
    VOUCHER_NOT_ACTIVATED,
    VOUCHER_FROZEN,
    VOUCHER_CLOSED,
    GUARDIAN_MISSING,
    AMOUNT_OVER_BEGUN,
    PAYMENT_HELD,
    DEGRADED_LIMIT,
    PROOF_NOT_OPEN,
    PROOFS_OPEN,
    *REGISTRY_REFUSALS,
)


def digest(secret: str) -> str:
    """SHA-256 of a nonce, ticket or proof number, 64 hex digits; all that is ever stored of it.

    Enough without a key, because all are random with at least 160 bits and cannot be guessed.
    """
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def check_text(name: str, value: str, *, characters_max: int = TEXT_MAX) -> None:
    """Accept 1..``characters_max`` printable characters from the wire.

    Raises:
        Refused: ``verification.text_invalid`` with the name of the value, never the value.
    """
    if not (0 < len(value) <= characters_max and value.isprintable()):
        raise Refused(TEXT_INVALID, name=name, found=len(value), limit=characters_max)
