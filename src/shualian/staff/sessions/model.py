"""Sessions of signed-in staff: how long they last; pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from shualian.core.identifiers import StaffId
from shualian.core.refusals import Helper, Refused
from shualian.staff.accounts.model import Account, AccountState
from shualian.staff.model import Caller, StaffSessionId, kind

TOKEN_BYTES = 32
SEEN_STEP = timedelta(minutes=1)
"""Use is written down at most so often; a session may end so much early for being idle."""


class Method(StrEnum):
    """How the session's person was known."""

    PASSWORD = "password"  # noqa: S105 - the name of a method
    PASSKEY = "passkey"


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long a session lasts; shorter than the default is allowed, longer is not.

    SP 800-63B-4, 2.2.3: at AAL2 at most 24 hours and an hour without use. A shift is 12 hours,
    and workplaces in a hospital are shared.

    Attributes:
        absolute: From sign-in.
        idle: From the last use.
        idle_privileged: The same for administrators and supervisors.
        fresh: How long after sign-in keys may be added or removed.
    """

    absolute: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(minutes=30)
    idle_privileged: timedelta = timedelta(minutes=15)
    fresh: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        limits = (12 * 60, 30, 15, 10)
        asked = (self.absolute, self.idle, self.idle_privileged, self.fresh)
        for value, minutes_max in zip(asked, limits, strict=True):
            if not SEEN_STEP < value <= timedelta(minutes=minutes_max):
                raise ValueError("a session may only be made shorter")


@dataclass(frozen=True, slots=True)
class Session:
    """One session as it is kept.

    Attributes:
        session_id: Names it; no secret.
        staff_id: Whose.
        account_version: Of the account when it was opened.
        method: How the person was known.
        opened_at: Sign-in.
        seen_at: Last use that was written down.
        expires_at: At the latest.
    """

    session_id: StaffSessionId
    staff_id: StaffId
    account_version: int
    method: Method
    opened_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session with its token, which is given out once and never shown again.

    Attributes:
        caller: Who signed in.
        token: 256 random bits, for a cookie.
        expires_at: At the latest.
    """

    caller: Caller
    token: str = field(repr=False)
    expires_at: datetime


SIGNED_OUT = kind(
    "signed_out",
    "您还没有登录，或登录已过期",
    "You are not signed in, or no longer",
    "请重新登录",
    "Sign in again",
    Helper.SELF,
)
SIGN_IN_AGAIN = kind(
    "sign_in_again",
    "更改登录方式前要重新登录",
    "Sign in again before changing how you sign in",
    "请退出后重新登录，十分钟内再操作",
    "Sign out, sign in and do it within ten minutes",
    Helper.SELF,
)
SESSION_NOT_FOUND = kind(
    "session_not_found",
    "没有这个登录",
    "There is no such session",
    "请刷新列表",
    "Load the list again",
    Helper.SELF,
)

REFUSALS = (SIGNED_OUT, SIGN_IN_AGAIN, SESSION_NOT_FOUND)


def check_live(session: Session, account: Account, now: datetime, policy: SessionPolicy) -> None:
    """Let a session pass that still counts.

    Raises:
        Refused: ``staff.signed_out`` for every reason alike: idle, too old, account suspended or
            changed since.
    """
    idle = policy.idle_privileged if account.privileged else policy.idle
    live = (
        account.state is AccountState.ACTIVE
        and account.version == session.account_version
        and now < session.expires_at
        and now - session.seen_at < idle
    )
    if not live:
        raise Refused(SIGNED_OUT)


def check_fresh(session: Session, now: datetime, policy: SessionPolicy) -> None:
    """Let a session pass that was opened just now: a workplace left alone must not change keys.

    Raises:
        Refused: ``staff.sign_in_again``.
    """
    if now - session.opened_at > policy.fresh:
        raise Refused(SIGN_IN_AGAIN)
