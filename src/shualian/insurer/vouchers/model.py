"""E-vouchers (医保电子凭证), the codes that are shown of them, and their PINs: rules; pure.

A voucher is ``not activated -> active <-> dormant | frozen -> closed``. Dormant is never stored: it
follows from the last use. Nothing leads out of closed.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    StaffId,
)
from shualian.core.refusals import Finality, Helper, KindsOf, RefusalKind, Refused
from shualian.terminals.model import Actor, InsurerStaff
from shualian.trust.audit.model import Code, Digest, Payload

DORMANT_AFTER = timedelta(days=365)
"""Unused for so long, a voucher must be verified again on the spot; our own choice."""

CODE_VALID = timedelta(seconds=30)
"""A shown code is good for so long."""
ELSEWHERE_WITHIN = timedelta(seconds=30)
"""One voucher at two institutions within this time is two people with one voucher."""

EC_TOKEN_CHARACTERS = 32
"""Region (6) and 130 random bits in 26 characters; ``ecToken`` is S40 (table A.1)."""
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

PIN_DIGITS = 6
PIN_FREE_FAILURES = 2
PIN_FAILURES_MAX = 6
"""After so many wrong PINs in a row the PIN is locked until it is set anew."""
_PIN_PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_PIN = re.compile(r"[0-9]{6}")


class VoucherState(StrEnum):
    """Where a voucher stands."""

    NOT_ACTIVATED = "not_activated"
    ACTIVE = "active"
    DORMANT = "dormant"
    FROZEN = "frozen"
    CLOSED = "closed"


class FrozenBy(StrEnum):
    """Who froze a voucher; it decides who may undo it."""

    PERSON = "person"
    STAFF = "staff"
    INSURER = "insurer"


class FreezeReason(StrEnum):
    """Why a voucher is frozen."""

    LOST_PHONE = "lost_phone"
    PERSON_ASKED = "person_asked"
    SUSPECTED_MISUSE = "suspected_misuse"
    INVESTIGATION = "investigation"


@dataclass(frozen=True, slots=True)
class Freeze:
    """That a voucher is frozen.

    Attributes:
        by: Who did it.
        reason: Why.
        at: When, UTC.
    """

    by: FrozenBy
    reason: FreezeReason
    at: datetime


@dataclass(frozen=True, slots=True)
class AtTerminal:
    """The person's own face at a terminal.

    Attributes:
        session_id: Of the capture that verified it.
    """

    session_id: SessionId


@dataclass(frozen=True, slots=True)
class ByChannel:
    """A certified channel, which made its own face check.

    Attributes:
        channel: Its code, such as ``alipay``.
        reference: Of that face check, at the channel.
    """

    channel: str
    reference: str


Evidence = AtTerminal | ByChannel
"""On what an activation or a person's own act rests."""


@dataclass(frozen=True, slots=True)
class Voucher:
    """A voucher as it is kept; its token is kept apart, as digest and sealed.

    Attributes:
        psn_no: Whose; one per person.
        evidence: Of the activation.
        activated_at: UTC.
        last_used_at: UTC; verified or redeemed.
        freeze: ``None``: not frozen.
        closed_at: UTC; ``None``: not closed.
    """

    psn_no: PersonNo
    evidence: Evidence
    activated_at: datetime
    last_used_at: datetime
    freeze: Freeze | None = None
    closed_at: datetime | None = None


class VoucherChange(StrEnum):
    """What happened to a voucher or its PIN."""

    ACTIVATED = "activated"
    WOKEN = "woken"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    CLOSED = "closed"
    CODE_REDEEMED = "code_redeemed"
    CODE_ELSEWHERE = "code_elsewhere"
    PIN_SET = "pin_set"
    PIN_RESET = "pin_reset"
    PIN_LOCKED = "pin_locked"


class VoucherEvent(Payload, kind="insurer.voucher"):
    """The audit's record of a change.

    Attributes:
        change: What.
        subject: Whose.
        session_id: The person's own scan that decided it.
        channel: The channel that did it.
        reference: SHA-256 of the reference of that channel's face check.
        actor: The member of staff who did it.
        reason: Why it was frozen.
        institution: Where a code was redeemed, or where the member of staff works.
        intent_id: For what a code was redeemed.
    """

    change: VoucherChange
    subject: PersonNo
    session_id: SessionId | None = None
    channel: Code | None = None
    reference: Digest | None = None
    actor: StaffId | None = None
    reason: FreezeReason | None = None
    institution: InstitutionCode | None = None
    intent_id: IntentId | None = None


@dataclass(frozen=True, slots=True)
class QrCode:
    """A code as a phone shows it.

    Attributes:
        token: Single use; never stored, never printed.
        expires_at: UTC.
    """

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CodeRedemption:
    """What a shown code was used for; the first redemption binds it for good.

    Attributes:
        psn_no: Whose voucher.
        institution: The only one that gets this answer.
        intent_id: The only intent.
        use: What for: ``register``, ``settle``.
        redeemed_at: UTC.
    """

    psn_no: PersonNo
    institution: InstitutionCode
    intent_id: IntentId
    use: str
    redeemed_at: datetime


@dataclass(frozen=True, slots=True)
class ShownCode:
    """A code as it is kept, by the digest of its token.

    Attributes:
        psn_no: Whose.
        expires_at: UTC.
        redemption: ``None``: not used yet.
    """

    psn_no: PersonNo
    expires_at: datetime
    redemption: CodeRedemption | None = None


@dataclass(frozen=True, slots=True)
class PinAttempts:
    """Wrong PINs in a row.

    Attributes:
        failures: Counted before the PIN is looked at, so that guesses sent at once do not share
            one count.
        last_failed_at: When the last one was counted, UTC.
    """

    failures: int
    last_failed_at: datetime


_kind = KindsOf("insurer", helper=Helper.SELF).kind

_ANOTHER_WAY = ("请用医保卡或身份证办理", "Use the card or the ID card")
_TO_INSURER = (
    "请到医保经办窗口解冻；现在可用医保卡或身份证办理",
    "Ask the insurer's office; the card or the ID card can be used meanwhile",
)

VOUCHER_NOT_ACTIVATED = _kind(
    "voucher_not_activated",
    "医保码还没有激活",
    "The e-voucher is not activated",
    "可以在终端输入身份证号、刷脸，当场激活",
    "Type the ID number at a terminal and scan: it is activated on the spot",
)
VOUCHER_DORMANT = _kind(
    "voucher_dormant",
    "医保码很久没用，需要重新核验",
    "The e-voucher was not used for long and must be verified again",
    "在终端刷一次脸就能恢复",
    "One scan at a terminal makes it good again",
)
VOUCHER_FROZEN = _kind(
    "voucher_frozen",
    "医保码已冻结",
    "The e-voucher is frozen",
    "本人冻结的可在终端刷脸解冻；其他请到医保经办窗口，现在可用医保卡办理",
    "Unfreeze your own at a terminal; otherwise ask the insurer. The card can be used meanwhile",
    Helper.INSURER,
)
VOUCHER_CLOSED = _kind(
    "voucher_closed",
    "医保码已注销",
    "The e-voucher is closed",
    *_ANOTHER_WAY,
    Helper.INSURER,
)
VOUCHER_NOT_FROZEN = _kind(
    "voucher_not_frozen",
    "医保码没有被冻结",
    "The e-voucher is not frozen",
    "不用解冻，可以直接使用",
    "There is nothing to undo; use it",
)
FROZEN_BY_INSURER = _kind(
    "frozen_by_insurer",
    "医保码是医保部门冻结的",
    "The insurer froze the e-voucher",
    *_TO_INSURER,
    Helper.INSURER,
)
INSURER_ONLY = _kind(
    "insurer_only",
    "这项操作只能由医保经办人员办理",
    "Only the insurer's staff may do this",
    "请联系医保经办机构",
    "Ask the insurer's office",
    Helper.INSURER,
)
VOUCHER_ELSEWHERE = _kind(
    "voucher_in_use_elsewhere",
    "医保码正在别处使用",
    "The e-voucher is in use elsewhere at this moment",
    "如果不是您本人，请立即冻结；是您本人请稍等再出示",
    "If that is not you, freeze it at once; if it is, wait a moment and show a new code",
    Helper.CLERK,
    Finality.TEMPORARY,
)
CODE_NOT_FOUND = _kind(
    "code_not_found",
    "没有这个二维码，或已经换了新码",
    "There is no such code, or a newer one took its place",
    "请刷新二维码再扫",
    "Show a new code and scan it",
)
CODE_EXPIRED = _kind(
    "code_expired",
    "二维码过期了",
    "The code has expired",
    "请刷新二维码再扫",
    "Show a new code and scan it",
)
CODE_USED = _kind(
    "code_used",
    "这个二维码已经用过",
    "The code was used already",
    "请刷新二维码再扫",
    "Show a new code and scan it",
)
PIN_MALFORMED = _kind(
    "pin_malformed",
    "密码是 6 位数字",
    "A PIN has six digits",
    "请输入 6 位数字",
    "Type six digits",
)
PIN_WEAK = _kind(
    "pin_weak",
    "密码太容易猜到",
    "The PIN is too easy to guess",
    "不要用相同或连续的数字、生日、身份证号里的数字",
    "Do not use the same digits, runs, a birth date or digits of the ID number",
)
PIN_NOT_SET = _kind(
    "pin_not_set",
    "还没有设置密码",
    "No PIN is set",
    "可以在终端刷脸设置，或到窗口办理",
    "Set one at a terminal by a scan, or at a window",
)
PIN_SET_ALREADY = _kind(
    "pin_set_already",
    "已经设置过密码",
    "A PIN is set already",
    "忘记了可以在终端刷脸重置",
    "If it is forgotten, reset it at a terminal by a scan",
)
PIN_WRONG = _kind(
    "pin_wrong",
    "密码不对",
    "The PIN is wrong",
    "请再试；忘记了可以在终端刷脸重置",
    "Try again; if it is forgotten, reset it at a terminal by a scan",
)
PIN_PAUSED = _kind(
    "pin_paused",
    "密码错误次数多，请稍等",
    "There were wrong PINs; there is a pause",
    "请等到提示的时间再试，或在终端刷脸重置",
    "Try again after the time shown, or reset the PIN at a terminal by a scan",
    finality=Finality.TEMPORARY,
)
PIN_LOCKED = _kind(
    "pin_locked",
    "密码已锁定",
    "The PIN is locked",
    "请在终端刷脸重置，或带证件到窗口办理",
    "Reset it at a terminal by a scan, or bring a document to a window",
    Helper.CLERK,
)
PIN_TOO_NEW = _kind(
    "pin_too_new",
    "密码是刚刷脸设的，一天以后才能和刷脸一起付钱",
    "The PIN was set by a face alone; together with a face it pays after a day",
    "现在请用身份证、医保卡或到窗口办理",
    "For now show the ID document or the card, or go to a window",
    Helper.CLERK,
    Finality.TEMPORARY,
)
PIN_BUSY = _kind(
    "pin_busy",
    "现在人多，请稍等",
    "Too many PINs are looked at right now",
    "请过几秒再试",
    "Try again in a few seconds",
    finality=Finality.TEMPORARY,
)
SCAN_TOO_WEAK = _kind(
    "scan_too_weak",
    "这次刷脸不足以办理这项业务",
    "This scan does not suffice for this",
    "请按提示做动作重新刷脸，或带证件到窗口办理",
    "Scan again and do the actions shown, or bring a document to a window",
    Helper.CLERK,
)

REFUSALS = (
    VOUCHER_NOT_ACTIVATED,
    VOUCHER_DORMANT,
    VOUCHER_FROZEN,
    VOUCHER_CLOSED,
    VOUCHER_NOT_FROZEN,
    FROZEN_BY_INSURER,
    INSURER_ONLY,
    VOUCHER_ELSEWHERE,
    CODE_NOT_FOUND,
    CODE_EXPIRED,
    CODE_USED,
    PIN_MALFORMED,
    PIN_WEAK,
    PIN_NOT_SET,
    PIN_SET_ALREADY,
    PIN_WRONG,
    PIN_PAUSED,
    PIN_LOCKED,
    PIN_BUSY,
    PIN_TOO_NEW,
    SCAN_TOO_WEAK,
)

_NOT_USABLE: Mapping[VoucherState, RefusalKind] = MappingProxyType(
    {
        VoucherState.NOT_ACTIVATED: VOUCHER_NOT_ACTIVATED,
        VoucherState.DORMANT: VOUCHER_DORMANT,
        VoucherState.FROZEN: VOUCHER_FROZEN,
        VoucherState.CLOSED: VOUCHER_CLOSED,
    }
)


def state_of(
    voucher: Voucher | None, *, now: datetime, dormant_after: timedelta = DORMANT_AFTER
) -> VoucherState:
    """Where a voucher stands at ``now``; closed before frozen before dormant."""
    if voucher is None:
        return VoucherState.NOT_ACTIVATED
    if voucher.closed_at is not None:
        return VoucherState.CLOSED
    if voucher.freeze is not None:
        return VoucherState.FROZEN
    dormant = now - voucher.last_used_at >= dormant_after
    return VoucherState.DORMANT if dormant else VoucherState.ACTIVE


def check_usable(state: VoucherState) -> None:
    """Let only an active voucher pass.

    Raises:
        Refused: ``insurer.voucher_not_activated``, ``voucher_dormant``, ``voucher_frozen``,
            ``voucher_closed``.
    """
    if state is not VoucherState.ACTIVE:
        raise Refused(_NOT_USABLE[state])


def activated(
    voucher: Voucher | None, *, psn_no: PersonNo, evidence: Evidence, at: datetime
) -> Voucher:
    """The voucher after an activation; the one that is there when it is activated already.

    Raises:
        Refused: ``insurer.voucher_frozen``, ``insurer.voucher_closed``.
    """
    if voucher is None:
        return Voucher(psn_no, evidence, activated_at=at, last_used_at=at)
    return used(voucher, at=at)


def used(voucher: Voucher, *, at: datetime) -> Voucher:
    """The voucher after a use on a verified face, which also wakes it.

    Raises:
        Refused: ``insurer.voucher_frozen``, ``insurer.voucher_closed``.
    """
    _check_not_ended(voucher)
    if voucher.freeze is not None:
        raise Refused(VOUCHER_FROZEN, by=voucher.freeze.by.value)
    return replace(voucher, last_used_at=max(at, voucher.last_used_at))


def frozen(voucher: Voucher | None, freeze: Freeze) -> Voucher:
    """The voucher after somebody froze it.

    A freeze by the insurer takes the place of another one; any other keeps the first.

    Raises:
        Refused: ``insurer.voucher_not_activated``, ``insurer.voucher_closed``.
    """
    found = _existing(voucher)
    if found.freeze is not None and freeze.by is not FrozenBy.INSURER:
        return found
    return replace(found, freeze=freeze)


def unfrozen(voucher: Voucher | None, *, by: FrozenBy) -> Voucher:
    """The voucher after somebody undid the freeze.

    The insurer may undo every freeze, the person's own proof all but the insurer's, a member of
    an institution's staff none.

    Raises:
        Refused: ``insurer.voucher_not_frozen``, ``insurer.frozen_by_insurer``,
            ``insurer.insurer_only``, ``insurer.voucher_not_activated``,
            ``insurer.voucher_closed``.
    """
    found = _existing(voucher)
    if found.freeze is None:
        raise Refused(VOUCHER_NOT_FROZEN)
    if by is FrozenBy.STAFF:
        raise Refused(INSURER_ONLY)
    if found.freeze.by is FrozenBy.INSURER and by is not FrozenBy.INSURER:
        raise Refused(FROZEN_BY_INSURER)
    return replace(found, freeze=None)


def closed(voucher: Voucher | None, *, at: datetime) -> Voucher:
    """The voucher after its end; again changes nothing.

    Raises:
        Refused: ``insurer.voucher_not_activated``.
    """
    if voucher is None:
        raise Refused(VOUCHER_NOT_ACTIVATED)
    return voucher if voucher.closed_at is not None else replace(voucher, closed_at=at)


def role_of(actor: Actor) -> FrozenBy:
    """As whom a member of staff freezes."""
    return FrozenBy.INSURER if isinstance(actor, InsurerStaff) else FrozenBy.STAFF


def institution_of(actor: Actor) -> InstitutionCode | None:
    """Where a member of staff works; ``None``: at the insurer."""
    return None if isinstance(actor, InsurerStaff) else actor.institution


def check_insurer(actor: Actor) -> None:
    """Let only the insurer's staff pass.

    Raises:
        Refused: ``insurer.insurer_only``.
    """
    if not isinstance(actor, InsurerStaff):
        raise Refused(INSURER_ONLY)


def _existing(voucher: Voucher | None) -> Voucher:
    if voucher is None:
        raise Refused(VOUCHER_NOT_ACTIVATED)
    _check_not_ended(voucher)
    return voucher


def _check_not_ended(voucher: Voucher) -> None:
    if voucher.closed_at is not None:
        raise Refused(VOUCHER_CLOSED)


def new_ec_token(region: str) -> str:
    """A new opaque token ``ecToken``: region code and 130 random bits, 32 characters."""
    count = EC_TOKEN_CHARACTERS - len(region)
    return region + "".join(secrets.choice(_LETTERS) for _ in range(count))


def decide_code(
    code: ShownCode | None,
    *,
    latest: CodeRedemption | None,
    state: VoucherState,
    institution: InstitutionCode,
    intent_id: IntentId,
    use: str,
    now: datetime,
) -> CodeRedemption:
    """The redemption of a shown code: the earlier one for a repeat, else a new one.

    A repeat is answered even after the code expired, because the answer may have been lost.

    Args:
        code: By the digest of the token that was shown.
        latest: The person's latest redemption of any code.
        state: Of the voucher, at ``now``.
        institution: Who redeems.
        intent_id: For what.
        use: Name of the use.
        now: UTC.

    Raises:
        Refused: ``insurer.code_not_found``, ``code_expired``, ``code_used``,
            ``voucher_in_use_elsewhere``, and those of :func:`check_usable`.
    """
    if code is None:
        raise Refused(CODE_NOT_FOUND)
    if code.redemption is not None:
        return _repeated(code.redemption, institution, intent_id, use)
    if now >= code.expires_at:
        raise Refused(CODE_EXPIRED)
    # Frozen since it was shown: then it must not be good any more.
    check_usable(state)
    # One person cannot stand at two counters; one of the two phones is not theirs.
    elsewhere = latest is not None and latest.institution != institution
    if elsewhere and latest and now - latest.redeemed_at < ELSEWHERE_WITHIN:
        raise Refused(VOUCHER_ELSEWHERE)
    return CodeRedemption(code.psn_no, institution, intent_id, use, now)


def read_code(
    code: ShownCode | None, *, state: VoucherState, institution: InstitutionCode, now: datetime
) -> PersonNo:
    """Whose code it is, for the question who somebody is (1101); uses nothing up.

    A code that an institution has used up tells that institution for the rest of its time whose it
    was, and no other.

    Raises:
        Refused: ``insurer.code_not_found``, ``code_expired``, ``voucher_in_use_elsewhere``, and
            those of :func:`check_usable`.
    """
    if code is None:
        raise Refused(CODE_NOT_FOUND)
    if code.redemption is not None and code.redemption.institution != institution:
        raise Refused(VOUCHER_ELSEWHERE)
    if now >= code.expires_at:
        raise Refused(CODE_EXPIRED)
    check_usable(state)
    return code.psn_no


def _repeated(
    earlier: CodeRedemption, institution: InstitutionCode, intent_id: IntentId, use: str
) -> CodeRedemption:
    if earlier.institution != institution:
        raise Refused(VOUCHER_ELSEWHERE)
    if (earlier.intent_id, earlier.use) != (intent_id, use):
        raise Refused(CODE_USED)
    return earlier


def check_pin_form(pin: str) -> None:
    """Let six digits pass.

    Raises:
        Refused: ``insurer.pin_malformed``.
    """
    if _PIN.fullmatch(pin) is None:
        raise Refused(PIN_MALFORMED)


def check_new_pin(pin: str, *, id_number: IdNumber) -> None:
    """Let a PIN pass that is not among the first that somebody would try.

    Refused are the same digit, two or three digits repeated, pairs (112233), runs up or down (also
    over 9 to 0), the birth date in any common order, and six digits of the ID number's end.

    Raises:
        Refused: ``insurer.pin_malformed``, ``insurer.pin_weak``.
    """
    check_pin_form(pin)
    if _is_pattern(pin) or pin in _birth_pins(id_number) or pin in _number_pins(id_number):
        raise Refused(PIN_WEAK)


def _is_pattern(pin: str) -> bool:
    digits = [int(digit) for digit in pin]
    steps = {(after - before) % 10 for before, after in pairwise(digits)}
    repeated = any(pin == pin[:length] * (PIN_DIGITS // length) for length in (1, 2, 3))
    pairs = all(pin[at] == pin[at + 1] for at in (0, 2, 4))
    return repeated or pairs or steps in ({1}, {9})


def _birth_pins(id_number: IdNumber) -> frozenset[str]:
    birth = id_number.birth_date
    orders = ("%y%m%d", "%d%m%y", "%m%d%y", "%y%d%m", "%Y%m", "%m%Y")
    return frozenset(birth.strftime(order) for order in orders) | {
        f"{birth.year}{birth.day:02d}",
        f"{birth.year}{birth.month}{birth.day}"[:PIN_DIGITS],
    }


def _number_pins(id_number: IdNumber) -> frozenset[str]:
    """The last six characters, with and without the check character."""
    value = id_number.value
    return frozenset((value[-6:], value[-7:-1], value[:6]))


def pin_pause(failures: int) -> timedelta:
    """How long to wait after so many wrong PINs in a row: 0, 0, 1, 5, 15 minutes."""
    step = failures - PIN_FREE_FAILURES - 1
    if step < 0:
        return timedelta()
    return _PIN_PAUSES[min(step, len(_PIN_PAUSES) - 1)]


def check_pin_attempts(attempts: PinAttempts | None, *, now: datetime) -> None:
    """Let an attempt pass when the PIN is not locked and no pause is on.

    Raises:
        Refused: ``insurer.pin_locked``, ``insurer.pin_paused`` with the ``seconds`` to wait.
    """
    if attempts is None:
        return
    if attempts.failures >= PIN_FAILURES_MAX:
        raise Refused(PIN_LOCKED)
    left = attempts.last_failed_at + pin_pause(attempts.failures) - now
    if left > timedelta():
        raise Refused(PIN_PAUSED, seconds=-(-left // timedelta(seconds=1)))


def pin_counted(attempts: PinAttempts | None, *, now: datetime) -> PinAttempts:
    """One failure more; they are forgotten by the right PIN or a new one only."""
    return PinAttempts(1 if attempts is None else attempts.failures + 1, now)
