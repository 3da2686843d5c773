"""Evidence that a person agreed to a bill, and how much it carries without a PIN; pure.

The kinds are a closed set with the same rights: the same visit has the same breakdown by each.
They differ only in how much they may move without a PIN or a clerk: a face and a shown code can
be had without the person knowing, so both have limits per transaction and per day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import AuthNo, IntentId, PersonNo, StaffId, TerminalId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.verification.model import Factor, Relation, Scene
from shualian.verification.proofs.model import UsedProof
from shualian.verification.registry.model import RegistryVerdict


class EvidenceKind(StrEnum):
    """What a settlement rests on."""

    FACE = "face"
    CODE = "code"
    CARD = "card"
    DOCUMENT = "document"
    ORIGINAL = "original"
    """The evidence of the settlement whose rest this one is, after a part was given back."""


class SecondFactor(StrEnum):
    """What joined the evidence."""

    NONE = "none"
    PIN = "pin"
    CLERK = "clerk"


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """That the opening of a visit or a settlement rests on a face proof.

    Attributes:
        auth_no: The proof; a secret, never stored here.
        intent_id: What the person confirmed; good for one visit or one settlement.
        terminal_id: Where the institution had the person captured.
        scene: What the person was asked for.
        subject: Who the institution believes stood there.
        relation: Of the subject to the one who is treated.
        attended_by: The clerk who stood by and answers for it, if one did.
    """

    auth_no: AuthNo = field(repr=False)
    intent_id: IntentId
    terminal_id: TerminalId
    scene: Scene
    subject: PersonNo
    relation: Relation = Relation.SELF
    attended_by: StaffId | None = None


@dataclass(frozen=True, slots=True)
class CodeEvidence:
    """That a person showed the code of their own e-voucher.

    Attributes:
        token: As it was scanned; a secret, single use.
        intent_id: What is settled.
    """

    token: str = field(repr=False)
    intent_id: IntentId


@dataclass(frozen=True, slots=True)
class CardEvidence:
    """That a person's card was read and their PIN typed.

    Attributes:
        card_no: As the reader gave it.
        pin: Six digits; no part of what makes a command the same.
        intent_id: What is settled.
    """

    card_no: str = field(repr=False)
    pin: str = field(repr=False)
    intent_id: IntentId


@dataclass(frozen=True, slots=True)
class DocumentEvidence:
    """That a named clerk saw the person and their ID document.

    Attributes:
        id_number: On the document.
        seen_by: The clerk, who answers for it.
        intent_id: What is settled.
    """

    id_number: IdNumber = field(repr=False)
    seen_by: StaffId
    intent_id: IntentId


Evidence = FaceEvidence | CodeEvidence | CardEvidence | DocumentEvidence
"""On what a settlement may rest. A typed number is not among them: it only opens a claim."""


@dataclass(frozen=True, slots=True)
class Proven:
    """Evidence that was accepted, as it is kept with what rests on it.

    Attributes:
        kind: Of the evidence.
        reference: Digest by which proof or code is known at rest; empty for the others.
        subject: Who agreed.
        relation: Of the subject to the one who is treated.
        second: What joined it.
        terminal_id: Where a face was captured; empty for the others.
        seen_by: The clerk, or empty.
    """

    kind: EvidenceKind
    reference: str
    subject: PersonNo
    relation: Relation = Relation.SELF
    second: SecondFactor = SecondFactor.NONE
    terminal_id: str = ""
    seen_by: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a person may pay without a PIN or a clerk (免密限额).

    Counted is what the person bears (``psn_part_amt``): accounts and cash, not the funds.

    Attributes:
        transaction_fen: Of one bill.
        day_fen: Of a business day in China, all bills together.
    """

    transaction_fen: Fen
    day_fen: Fen

    def tightened(self, by: "Limits | None") -> "Limits":
        """The lower of both, each on its own: a setting below another can only tighten it."""
        if by is None:
            return self
        return Limits(min(self.transaction_fen, by.transaction_fen), min(self.day_fen, by.day_fen))


HIGHEST = Limits(Fen(5_000_00), Fen(10_000_00))
"""Above every region's; a terminal of class II may settle no more than that at once."""

_kind = KindsOf("insurer").kind

EVIDENCE_INVALID = _kind(
    "evidence_invalid",
    "这次刷脸不是为办这件事",
    "The proof is of a scene that does not allow this",
    "请本人为这件事重新刷脸确认",
    "Let the person scan and confirm for this",
    Helper.CLERK,
)
EVIDENCE_NOT_TAKEN = _kind(
    "evidence_not_taken",
    "这里不能用这种方式结算",
    "This kind of evidence is not taken here",
    "请刷脸、用医保卡加密码，或带身份证到窗口",
    "Use a scan, the card with its PIN, or the ID document at a window",
    Helper.CLERK,
)
EVIDENCE_OF_ANOTHER = _kind(
    "evidence_of_another",
    "出示的不是就诊人本人的凭证",
    "What was shown does not belong to the person who is treated",
    "请出示本人的医保码、医保卡或身份证",
    "Show the person's own code, card or ID document",
    Helper.CLERK,
)
LIMIT_WITHOUT_PIN = _kind(
    "limit_without_pin",
    "超过了免密支付的限额",
    "The amount is above the limit without a PIN",
    "请按提示做动作刷脸并输入密码，用医保卡加密码，或带身份证到窗口；也可以先自费结算",
    "Scan with the actions shown and type the PIN, use card and PIN, or bring the ID document to a "
    "window; the bill can be paid in full meanwhile",
    Helper.SELF,
)
LIMIT_LOOSENED = _kind(
    "limit_loosened",
    "限额只能调低，不能超过地区的限额",
    "A limit can only be lowered below the region's",
    "请填不高于地区限额、不低于零的数",
    "Give amounts from zero to the region's limits",
    Helper.SELF,
)

REFUSALS = (
    EVIDENCE_INVALID,
    EVIDENCE_NOT_TAKEN,
    EVIDENCE_OF_ANOTHER,
    LIMIT_WITHOUT_PIN,
    LIMIT_LOOSENED,
)


def without_secrets(evidence: Evidence) -> Evidence:
    """The evidence without the PIN, which a digest in a database would give away."""
    return replace(evidence, pin="") if isinstance(evidence, CardEvidence) else evidence


def check_limits(limits: Limits, *, at_most: Limits) -> None:
    """Check that limits are not below zero and not above others.

    Raises:
        Refused: ``insurer.limit_loosened``.
    """
    for name in ("transaction_fen", "day_fen"):
        found, highest = getattr(limits, name), getattr(at_most, name)
        if not 0 <= found <= highest:
            raise Refused(LIMIT_LOOSENED, field=name, found_fen=found, limit_fen=highest)


def face_proven(evidence: FaceEvidence, proof: UsedProof) -> tuple[Proven, bool]:
    """What a redeemed proof proves, and whether it carries an amount above the limits.

    Above them it takes active liveness, the police registry's match, and a PIN or a clerk.
    """
    second = SecondFactor.NONE
    if Factor.PIN in proof.factors:
        second = SecondFactor.PIN
    elif evidence.attended_by is not None:
        second = SecondFactor.CLERK
    proven = Proven(
        kind=EvidenceKind.FACE,
        reference=proof.auth_digest,
        subject=evidence.subject,
        relation=evidence.relation,
        second=second,
        terminal_id=evidence.terminal_id,
        seen_by=evidence.attended_by or "",
    )
    strong = proof.active and proof.registry is RegistryVerdict.MATCH
    return proven, strong and second is not SecondFactor.NONE


def check_limit(amount: Fen, *, strong: bool, limits: Limits, paid_today: Fen) -> Fen:
    """Check an amount without a PIN against its limits; gives what of it counts for the day.

    Args:
        amount: What the person bears.
        strong: Whether the evidence carries more than the limits; then nothing counts.
        limits: That hold for the person.
        paid_today: What counted of the day's earlier settlements, less cancelled ones.

    Raises:
        Refused: ``insurer.limit_without_pin``.
    """
    if strong:
        return ZERO
    found: Mapping[str, tuple[int, int]] = {
        "transaction": (amount, limits.transaction_fen),
        "day": (paid_today + amount, limits.day_fen),
    }
    for period, (sum_fen, limit_fen) in found.items():
        if amount and sum_fen > limit_fen:
            raise Refused(LIMIT_WITHOUT_PIN, period=period, found_fen=sum_fen, limit_fen=limit_fen)
    return amount
