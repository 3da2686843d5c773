"""What a password must be, what hashing it costs, and how long to wait after failures; pure."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shualian.core.refusals import Finality, Helper, Refused
from shualian.staff.model import kind

PASSWORD_MIN = 15
"""Characters of a password that stands alone (NIST SP 800-63B-4, 3.1.1.2)."""
PASSWORD_MAX = 128
_DIFFERENT_MIN = 6

FREE_FAILURES = 4
_PAUSE_FIRST = timedelta(seconds=30)
PAUSE_MAX = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(days=1)
"""Failures are forgotten so long after the last one; longer than every pause."""


@dataclass(frozen=True, slots=True)
class HashCost:
    """Parameters of argon2id (RFC 9106).

    The default is the second recommended option of RFC 9106, section 4 (memory-constrained):
    one guess costs an attacker 64 MiB and 0.15 s of a core (measured), while two at once still
    fit a small server.

    Attributes:
        passes: t.
        memory_kib: m, KiB.
        lanes: p.
    """

    passes: int = 3
    memory_kib: int = 65536
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class Password:
    """A password as it is hashed: Unicode form NFKC (SP 800-63B, 5.1.1.2); never prints itself.

    Attributes:
        text: At most :data:`PASSWORD_MAX` characters; longer input never matches anything.
    """

    text: str = field(repr=False)

    @staticmethod
    def typed(text: str) -> "Password":
        """A password as a person typed it."""
        return Password(unicodedata.normalize("NFKC", text[: PASSWORD_MAX + 1]))

    def __str__(self) -> str:
        return repr(self)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failures in a row under one account name, whether or not there is such an account.

    Attributes:
        failures: Counted before the password is looked at, so that guesses sent at once do not
            share one count.
        last_failed_at: When the last one was counted.
    """

    failures: int
    last_failed_at: datetime


PASSWORD_WEAK = kind(
    "password_weak",
    "密码太短或太简单",
    "The password is too short or too simple",
    "用 15 个字符以上的一句话，不要包含账号名，不要重复同几个字符",
    "Use a phrase of 15 characters or more, without the account name, not the same few again",
    Helper.SELF,
)
SIGN_IN_PAUSED = kind(
    "sign_in_paused",
    "失败次数太多，请稍等",
    "Too many failures; there is a pause",
    "请等到提示的时间再试；有通行密钥的可直接用",
    "Try again after the time shown; a passkey works meanwhile",
    Helper.SELF,
    Finality.TEMPORARY,
)

REFUSALS = (PASSWORD_WEAK, SIGN_IN_PAUSED)


def check_password(password: Password, *, login: str) -> None:
    """Let a new password pass that is long and not trivial.

    15 to 128 characters, six of them different, not containing the account name.

    Raises:
        Refused: ``staff.password_weak``.
    """
    text = password.text
    if not PASSWORD_MIN <= len(text) <= PASSWORD_MAX:
        raise Refused(PASSWORD_WEAK, characters_min=PASSWORD_MIN, characters_max=PASSWORD_MAX)
    if len(set(text)) < _DIFFERENT_MIN or login in text.lower():
        raise Refused(PASSWORD_WEAK)


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row.

    Nothing for the first four, then 30 seconds, doubled each time up to an hour: the growing wait
    that SP 800-63B (5.2.2) names, and never for good, because that would let anybody lock a doctor
    out. So a guesser gets 24 tries a day. Whoever knows an account name can still make its owner
    wait up to an hour, unless the owner has a passkey.
    """
    if failures <= FREE_FAILURES:
        return timedelta()
    pause = _PAUSE_FIRST
    for _ in range(failures - FREE_FAILURES - 1):
        if pause >= PAUSE_MAX:
            break
        pause *= 2
    return min(pause, PAUSE_MAX)


def check_pause(attempts: Attempts | None, now: datetime) -> None:
    """Let an attempt pass when no pause is on.

    Raises:
        Refused: ``staff.sign_in_paused`` with the ``seconds`` to wait.
    """
    if attempts is None:
        return
    left = attempts.last_failed_at + pause_after(attempts.failures) - now
    if left > timedelta():
        raise Refused(SIGN_IN_PAUSED, seconds=-(-left // timedelta(seconds=1)))


def counted(attempts: Attempts | None, now: datetime) -> Attempts:
    """One failure more; those of long ago are forgotten."""
    old = attempts is None or now - attempts.last_failed_at > FORGOTTEN_AFTER
    return Attempts(1 if old or attempts is None else attempts.failures + 1, now)
