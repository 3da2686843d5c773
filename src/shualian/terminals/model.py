"""Terminals: the class of each, what a class may do, where it stands and who decides about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from shualian.core.identifiers import InstitutionCode, StaffId, TerminalId
from shualian.core.mode import Mode
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.trust.audit.model import Payload, Reference


class TerminalClass(StrEnum):
    """Class of a terminal: I to III of the national terminal specification, and two of our own.

    I scans codes, II adds the face, III adds payment. ``BROWSER`` is a browser with a camera,
    of lower assurance; ``SIMULATED`` has no camera at all and exists in sandbox mode only.
    """

    SCAN = "I"
    SCAN_FACE = "II"
    SCAN_FACE_PAY = "III"
    BROWSER = "browser"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a terminal is registered.

    Attributes:
        name: As staff call it, such as ``一层 3 号窗口``.
        department: Of the institution, such as ``收费处``.
    """

    name: str
    department: str


@dataclass(frozen=True, slots=True)
class Terminal:
    """One terminal as it is registered.

    Attributes:
        terminal_id: Its identifier.
        institution: Where it belongs; what it captures is good for this institution only.
        terminal_class: What it may do.
        place: Where it stands.
    """

    terminal_id: TerminalId
    institution: InstitutionCode
    terminal_class: TerminalClass
    place: Place


class TerminalState(StrEnum):
    """Where an enrolment stands; only an active terminal is believed.

    ``INVITED``: a place waits for its terminal. ``PENDING``: the terminal has shown its key and
    waits for the supervisor. ``REVOKED`` is the end: nothing leads out of it.
    """

    INVITED = "invited"
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class InstitutionStaff:
    """Somebody at an institution who was signed in and allowed to do what is asked.

    Attributes:
        staff: Who.
        institution: Where; nothing of another institution is seen or changed.
    """

    staff: StaffId
    institution: InstitutionCode


@dataclass(frozen=True, slots=True)
class InsurerStaff:
    """Somebody at the insurer who was signed in and allowed to do what is asked.

    Attributes:
        staff: Who.
    """

    staff: StaffId


Actor = InstitutionStaff | InsurerStaff
"""Who asks. Sign-in and roles are the matter of ``staff``; scope and creator ≠ approver of here."""


class TerminalChange(StrEnum):
    """What was decided or reported about a terminal, a place or a model."""

    MODEL_REGISTERED = "model_registered"
    MODEL_RENEWED = "model_renewed"
    MODEL_WITHDRAWN = "model_withdrawn"
    SOFTWARE_REQUIRED = "software_required"
    PLACE_CREATED = "place_created"
    INVITED = "invited"
    ENROLLED = "enrolled"
    APPROVED = "approved"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    REVOKED = "revoked"
    KEY_ROTATED = "key_rotated"
    TAMPERED = "tampered"
    TAMPER_CLEARED = "tamper_cleared"


class TerminalEvent(Payload, kind="terminals.change"):
    """The audit's record of a change.

    Attributes:
        change: What happened.
        subject: Number of the terminal or the place, or the certificate of the model.
        actor: Who decided; ``None``: the terminal itself.
    """

    change: TerminalChange
    subject: Reference
    actor: StaffId | None


@dataclass(frozen=True, slots=True)
class Label:
    """Words that must stand on every line about a terminal."""

    zh: str
    en: str


SETTLEMENT_MAX_FEN: Mapping[TerminalClass, Fen] = MappingProxyType(
    {
        TerminalClass.SCAN: ZERO,
        TerminalClass.SCAN_FACE: Fen(5_000_00),
        TerminalClass.SCAN_FACE_PAY: Fen(50_000_00),
        TerminalClass.BROWSER: Fen(1_000_00),
        TerminalClass.SIMULATED: Fen(50_000_00),
    }
)
"""The most that one face proof of a terminal of this class may settle, in fen.

5,000 and 50,000 yuan are one city's published limits for settling without a password (Hengshui,
2024, for pharmacies and for institutions). That the plainer camera of class II gets the lower one,
and 1,000 yuan for a browser, is our own choice; none of them is in a national specification. A
simulated terminal stands in for class III.
"""

_SIMULATED_LABEL = Label(zh="【模拟终端】", en="[SIMULATED TERMINAL]")


terminal_refusal = KindsOf("terminals").kind
"""Declares a refusal of this part."""


FACE_NOT_ALLOWED = terminal_refusal(
    "face_not_allowed",
    "这台机器只能扫码，不能刷脸",
    "This terminal scans codes only; it cannot take a face",
    "请用医保码，或到能刷脸的机器",
    "Show the e-voucher code, or use a terminal that takes faces",
    Helper.CLERK,
)
SIMULATED_OUTSIDE_SANDBOX = terminal_refusal(
    "simulated_outside_sandbox",
    "模拟终端只能在演练环境使用",
    "A simulated terminal exists in sandbox mode only",
    "请用登记过的终端",
    "Use a registered terminal",
)
AMOUNT_OVER_LIMIT = terminal_refusal(
    "amount_over_limit",
    "金额超过了这台机器刷脸可以结算的上限",
    "The amount is above what a face may settle at this terminal",
    "请用医保卡加密码，或到人工窗口办理",
    "Use the card with its PIN, or go to a window",
    Helper.CLERK,
)
TERMINAL_NOT_FOUND = terminal_refusal(
    "terminal_not_found",
    "没有这台终端，或它不属于本机构",
    "There is no such terminal, or it belongs to another institution",
    "请核对终端编号",
    "Compare the terminal's number",
)

REFUSALS = (FACE_NOT_ALLOWED, SIMULATED_OUTSIDE_SANDBOX, AMOUNT_OVER_LIMIT, TERMINAL_NOT_FOUND)


def label(terminal_class: TerminalClass) -> Label | None:
    """What must be printed on every line about a terminal of this class; ``None``: nothing."""
    return _SIMULATED_LABEL if terminal_class is TerminalClass.SIMULATED else None


def check_mode(terminal_class: TerminalClass, *, mode: Mode) -> None:
    """Let a simulated terminal pass in sandbox mode only.

    Raises:
        Refused: ``terminals.simulated_outside_sandbox``.
    """
    if terminal_class is TerminalClass.SIMULATED and mode is not Mode.SANDBOX:
        raise Refused(SIMULATED_OUTSIDE_SANDBOX)


def check_face_capture(terminal_class: TerminalClass, *, mode: Mode) -> None:
    """Check that a terminal of this class may open a face capture.

    Raises:
        Refused: ``terminals.face_not_allowed`` for class I,
            ``terminals.simulated_outside_sandbox``.
    """
    check_mode(terminal_class, mode=mode)
    if terminal_class is TerminalClass.SCAN:
        raise Refused(FACE_NOT_ALLOWED, terminal_class=terminal_class.value)


def check_settlement(terminal_class: TerminalClass, amount_fen: Fen, *, mode: Mode) -> None:
    """Check that a face proof of a terminal of this class may settle ``amount_fen``.

    Raises:
        Refused: ``terminals.amount_over_limit``, ``terminals.simulated_outside_sandbox``.
    """
    check_mode(terminal_class, mode=mode)
    limit_fen = SETTLEMENT_MAX_FEN[terminal_class]
    if amount_fen > limit_fen:
        raise Refused(AMOUNT_OVER_LIMIT, found_fen=amount_fen, limit_fen=limit_fen)


def sees(actor: Actor, institution: InstitutionCode) -> bool:
    """Whether what belongs to ``institution`` exists for ``actor``: the insurer sees all."""
    return isinstance(actor, InsurerStaff) or actor.institution == institution
