"""Enrolment: one-time codes, what a terminal must sign, and the states it passes; pure.

A ceremony of three: an administrator of the institution makes a place and gets a code, the
terminal makes its key and enrols with the code, a supervisor of the insurer compares the key's
fingerprint with the one on the terminal's screen and approves. What is proven: the approved key
is held by whoever typed the code at the time. What is not: that this is the certified device; a
key that can be copied can be enrolled anywhere, so only a certified security module binds the two.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NewType

from shualian.core.identifiers import InstitutionCode, StaffId, TerminalId
from shualian.core.mode import Mode
from shualian.core.refusals import Helper, RefusalKind, Refused
from shualian.terminals.model import TerminalClass, TerminalState, check_mode, terminal_refusal
from shualian.terminals.register.model import PlaceId, SoftwareVersion
from shualian.trust.signatures import Algorithm, PublicKey, verify

KeyId = NewType("KeyId", str)
"""``keyid`` of signed requests: ``PublicKey.fingerprint`` without its blanks."""

CODE_LIFE = timedelta(hours=24)
CODE_ATTEMPTS_MAX = 5

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_HANDLE_LETTERS = 6
_CODE_LETTERS = 16
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})

_SM2_ONLY = frozenset((Algorithm.SM2_SM3,))
_P256_ONLY = frozenset((Algorithm.ECDSA_P256_SHA256,))
ALGORITHMS: Mapping[TerminalClass, frozenset[Algorithm]] = MappingProxyType(
    {
        TerminalClass.SCAN: _SM2_ONLY,
        TerminalClass.SCAN_FACE: _SM2_ONLY,
        TerminalClass.SCAN_FACE_PAY: _SM2_ONLY,
        TerminalClass.BROWSER: _P256_ONLY,
        TerminalClass.SIMULATED: _SM2_ONLY | _P256_ONLY,
    }
)
"""SM2 for native terminals, P-256 for browsers, whose key store (WebCrypto) has no SM2."""

MOVES: Mapping[TerminalState, frozenset[TerminalState]] = MappingProxyType(
    {
        TerminalState.INVITED: frozenset((TerminalState.PENDING, TerminalState.REVOKED)),
        TerminalState.PENDING: frozenset((TerminalState.ACTIVE, TerminalState.REVOKED)),
        TerminalState.ACTIVE: frozenset((TerminalState.SUSPENDED, TerminalState.REVOKED)),
        TerminalState.SUSPENDED: frozenset((TerminalState.ACTIVE, TerminalState.REVOKED)),
        TerminalState.REVOKED: frozenset(),
    }
)
"""Which state may follow which."""

CODE_WRONG = terminal_refusal(
    "code_wrong",
    "登记码不对",
    "The enrolment code is not right",
    "请核对登记码再输一次；多次输错后需要重新领取",
    "Compare the code and type it again; after several wrong ones a new code is needed",
)
CODE_LOCKED = terminal_refusal(
    "code_locked",
    "登记码输错次数太多，已经作废",
    "The enrolment code was typed wrongly too often and no longer works",
    "请医院管理员重新生成登记码",
    "Ask the institution's administrator for a new code",
)
CODE_EXPIRED = terminal_refusal(
    "code_expired",
    "登记码已经过期",
    "The enrolment code has expired",
    "请医院管理员重新生成登记码",
    "Ask the institution's administrator for a new code",
)
CODE_USED = terminal_refusal(
    "code_used",
    "登记码已经用过",
    "The enrolment code was used already",
    "如果不是您用的，请立即告诉医院管理员",
    "If it was not you who used it, tell the institution's administrator at once",
)
POSSESSION_UNPROVEN = terminal_refusal(
    "possession_unproven",
    "终端没有证明它持有这把密钥",
    "The terminal did not prove that it holds the key",
    "请重启终端后再登记",
    "Restart the terminal and enrol again",
)
ALGORITHM_NOT_ALLOWED = terminal_refusal(
    "algorithm_not_allowed",
    "这类终端不能使用这种签名算法",
    "This class of terminal may not use this signature algorithm",
    "专用终端用国密 SM2，浏览器终端用 P-256",
    "Native terminals use SM2, browser terminals P-256",
)
CLASS_DIFFERS = terminal_refusal(
    "class_differs",
    "终端型号的类别与这个位置登记的类别不同",
    "The class of the model is not the class that the place is registered for",
    "请换用对应类别的终端，或重新登记位置",
    "Use a terminal of that class, or register the place anew",
)
KEY_TAKEN = terminal_refusal(
    "key_taken",
    "这把密钥已经登记过",
    "This key was enrolled before",
    "请在终端上生成新的密钥",
    "Make a new key on the terminal",
)
PLACE_TAKEN = terminal_refusal(
    "place_taken",
    "这个位置已经有终端",
    "There is a terminal at this place already",
    "请先注销原来的终端",
    "Revoke that terminal first",
)
STATE_DIFFERS = terminal_refusal(
    "state_differs",
    "终端现在的状态不能这样操作",
    "The terminal's present state does not allow this",
    "请刷新后查看终端状态",
    "Look at the terminal's state again",
)
CREATOR_IS_APPROVER = terminal_refusal(
    "creator_is_approver",
    "登记位置或发码的人不能自己审核",
    "Whoever made the place or the code may not approve the terminal",
    "请由另一位监管人员审核",
    "Let another supervisor approve it",
    Helper.INSURER,
)
FINGERPRINT_DIFFERS = terminal_refusal(
    "fingerprint_differs",
    "密钥指纹与终端登记的不一致",
    "The fingerprint is not the one of the terminal's key",
    "请与终端屏幕上的指纹逐字核对；不一致时不要通过",
    "Compare it with the one on the terminal's screen; do not approve while they differ",
    Helper.INSURER,
)
ROTATION_UNPROVEN = terminal_refusal(
    "rotation_unproven",
    "新密钥没有得到旧密钥的签名",
    "The new key is not signed by the present one",
    "请重启终端后再试；旧密钥丢失时需要重新登记",
    "Restart the terminal and try again; if the old key is lost, enrol anew",
)

REFUSALS: tuple[RefusalKind, ...] = (
    CODE_WRONG,
    CODE_LOCKED,
    CODE_EXPIRED,
    CODE_USED,
    POSSESSION_UNPROVEN,
    ALGORITHM_NOT_ALLOWED,
    CLASS_DIFFERS,
    KEY_TAKEN,
    PLACE_TAKEN,
    STATE_DIFFERS,
    CREATOR_IS_APPROVER,
    FINGERPRINT_DIFFERS,
    ROTATION_UNPROVEN,
)


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """A one-time code: 16 letters that are hard to misread, never printed by itself.

    Attributes:
        handle: The first 6 letters; they find the invitation and are no secret.
        secret: The other 10 letters, 50 random bits.
    """

    handle: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """As it is shown and typed: ``7K2M-9QXV-0H4T-C6PA``."""
        letters = self.handle + self.secret
        return "-".join(letters[start : start + 4] for start in range(0, _CODE_LETTERS, 4))


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the administrator takes to the terminal; the code is given this once.

    Attributes:
        terminal_id: Number of the terminal to come.
        place_id: Where it will stand.
        code: To be typed there.
        expires_at: When the code ends.
    """

    terminal_id: TerminalId
    place_id: PlaceId
    code: EnrolmentCode
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """What a terminal sends to enrol.

    Attributes:
        code: As typed.
        certificate: Of its model.
        software: Its version.
        public_key: Its new key.
        proof: Signature by that key over :func:`possession_message`.
    """

    code: EnrolmentCode
    certificate: str
    software: SoftwareVersion
    public_key: PublicKey
    proof: bytes


@dataclass(frozen=True, slots=True)
class RotationRequest:
    """What a terminal sends to put a new key in the place of its present one.

    Attributes:
        key_id: Of the present key.
        public_key: The new key; of the same algorithm.
        endorsement: Signature by the present key over :func:`rotation_message`.
        proof: Signature by the new key over the same.
    """

    key_id: KeyId
    public_key: PublicKey
    endorsement: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How an enrolment stands.

    Attributes:
        terminal_id: The terminal.
        place_id: Where it stands.
        institution: Whose it is.
        state: Where it stands in its life.
        state_at: Since when.
        invited_by: Who made the present or last code.
        place_created_by: Who made the place.
        certificate: Of its model, once it has enrolled.
        software: Version that it named last.
        key_id: Of its key, which is the fingerprint that the supervisor compares.
        algorithm: Of its key.
    """

    terminal_id: TerminalId
    place_id: PlaceId
    institution: InstitutionCode
    state: TerminalState
    state_at: datetime
    invited_by: StaffId
    place_created_by: StaffId
    certificate: str | None = None
    software: SoftwareVersion | None = None
    key_id: KeyId | None = None
    algorithm: Algorithm | None = None


def new_code() -> EnrolmentCode:
    """A new code from the system's random source."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LETTERS))
    return EnrolmentCode(letters[:_HANDLE_LETTERS], letters[_HANDLE_LETTERS:])


def parse_code(text: str) -> EnrolmentCode:
    """A typed code; case, hyphens, blanks and the usual misreadings (O, I, L) do not matter.

    Raises:
        Refused: ``terminals.code_wrong``.
    """
    letters = text.upper().translate(_MISREAD) if len(text) <= 4 * _CODE_LETTERS else ""
    if len(letters) != _CODE_LETTERS or not set(letters) <= set(_ALPHABET):
        raise Refused(CODE_WRONG)
    return EnrolmentCode(letters[:_HANDLE_LETTERS], letters[_HANDLE_LETTERS:])


def key_id_of(public_key: PublicKey) -> KeyId:
    """The name of a key: its fingerprint, 64 hexadecimal digits."""
    return KeyId(public_key.fingerprint.replace(" ", ""))


def possession_message(code: EnrolmentCode, public_key: PublicKey) -> bytes:
    """What a terminal signs to enrol; bound to the code, so that it is good for nothing else."""
    return b"shualian terminal enrolment 1\n" + _lines(code.text, key_id_of(public_key))


def rotation_message(present: KeyId, new_key: PublicKey) -> bytes:
    """What both keys sign when the new one takes over."""
    return b"shualian terminal key rotation 1\n" + _lines(present, key_id_of(new_key))


def verify_possession(request: EnrolmentRequest) -> None:
    """Check that whoever sends the request holds the key.

    Raises:
        Refused: ``terminals.possession_unproven``.
    """
    message = possession_message(request.code, request.public_key)
    if not verify(request.public_key, message, request.proof):
        raise Refused(POSSESSION_UNPROVEN)


def verify_rotation(request: RotationRequest, *, expected_present_key: PublicKey) -> None:
    """Check that both keys agree to the change and that the algorithm stays.

    Raises:
        Refused: ``terminals.rotation_unproven`` or ``terminals.algorithm_not_allowed``.
    """
    if request.public_key.algorithm is not expected_present_key.algorithm:
        raise Refused(ALGORITHM_NOT_ALLOWED)
    message = rotation_message(request.key_id, request.public_key)
    endorsed = verify(expected_present_key, message, request.endorsement)
    held = verify(request.public_key, message, request.proof)
    if not endorsed or not held:
        raise Refused(ROTATION_UNPROVEN)


def check_algorithm(
    terminal_class: TerminalClass, algorithm: Algorithm, *, model_class: TerminalClass, mode: Mode
) -> None:
    """Check that a device of ``model_class`` with this kind of key may stand at the place.

    Raises:
        Refused: ``terminals.class_differs``, ``terminals.algorithm_not_allowed``,
            ``terminals.simulated_outside_sandbox``.
    """
    check_mode(model_class, mode=mode)
    if model_class is not terminal_class:
        raise Refused(CLASS_DIFFERS, found=model_class.value, needed=terminal_class.value)
    if algorithm not in ALGORITHMS[terminal_class]:
        raise Refused(ALGORITHM_NOT_ALLOWED, found=algorithm.value)


def check_move(present: TerminalState, wanted: TerminalState) -> None:
    """Check that a state may follow the present one.

    Raises:
        Refused: ``terminals.state_differs``.
    """
    if wanted not in MOVES[present]:
        raise Refused(STATE_DIFFERS, found=present.value, wanted=wanted.value)


def check_approver(enrolment: Enrolment, approver: StaffId) -> None:
    """Check that the approver had no hand in what is approved.

    Raises:
        Refused: ``terminals.creator_is_approver``.
    """
    if approver in {enrolment.invited_by, enrolment.place_created_by}:
        raise Refused(CREATOR_IS_APPROVER)


def _lines(*values: str) -> bytes:
    return "\n".join(values).encode("ascii")
