"""A call for help: rung at a terminal, heard on an open page of staff, answered by a name; pure."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import InstitutionCode, StaffId, TerminalId
from shualian.core.refusals import Refused
from shualian.hospital.model import hospital_kind
from shualian.staff.model import Role

HelpCallNo = NewType("HelpCallNo", str)

RINGS_FOR = timedelta(minutes=10)
"""Afterwards nobody is taken to wait there still."""
KEPT_FOR = timedelta(days=1)
"""Afterwards nothing is known of a call: it names who came, and serves nobody any more."""

RUNG = (
    Role.VOLUNTEER,
    Role.CLERK,
    Role.NURSE,
    Role.TECHNICIAN,
)
"""Whose pages ring, those first whose work it is to help."""

ROLE_WORDS = {
    Role.VOLUNTEER: ("导医", "Guide"),
    Role.CLERK: ("窗口", "Clerk"),
    Role.NURSE: ("护士", "Nurse"),
    Role.TECHNICIAN: ("技师", "Technician"),
}


class HelpState(StrEnum):
    """What may be said to the person who rang."""

    RINGING = "ringing"
    """No page of staff has heard it yet: nobody is told that somebody knows."""
    HEARD = "heard"
    """It stands on the open page of a named person."""
    COMING = "coming"
    """A named person said that they come."""
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Helper:
    """Who heard it, or comes.

    Attributes:
        staff_id: Of the account.
        name: As it stands on the badge; sealed at rest.
        role: In which they help.
    """

    staff_id: StaffId
    name: str = field(repr=False)
    role: Role


@dataclass(frozen=True, slots=True)
class HelpCall:
    """One call.

    Attributes:
        call_no: Its number.
        institution: Where.
        terminal_id: At which terminal.
        place: How its place is called.
        asked_at: When, UTC.
        helper: Who heard it first, or comes; none while it rings.
        coming_at: Since when somebody comes, UTC.
        ended_at: When it was over, UTC.
    """

    call_no: HelpCallNo
    institution: InstitutionCode
    terminal_id: TerminalId
    place: str
    asked_at: datetime
    helper: Helper | None = None
    coming_at: datetime | None = None
    ended_at: datetime | None = None

    def state(self, now: datetime) -> HelpState:
        """What may be said of it at a moment."""
        if self.ended_at is not None or now - self.asked_at > RINGS_FOR:
            return HelpState.OVER
        if self.helper is None:
            return HelpState.RINGING
        return HelpState.HEARD if self.coming_at is None else HelpState.COMING


HELP_CALL_NOT_FOUND = hospital_kind(
    "help_call_not_found",
    "没有这个求助",
    "There is no such call for help",
    "请再按一次“找人帮忙”",
    "Ring again",
)
HELP_CALL_OVER = hospital_kind(
    "help_call_over",
    "这个求助已经结束",
    "The call for help is over",
    "不用再去",
    "Nobody waits there any more",
)
REFUSALS = (HELP_CALL_NOT_FOUND, HELP_CALL_OVER)


def heard_by(call: HelpCall, helper: Helper) -> HelpCall:
    """The call once it stands on somebody's page; who heard it first stays named."""
    return call if call.helper is not None else replace(call, helper=helper)


def taken_by(call: HelpCall, helper: Helper, *, now: datetime) -> HelpCall:
    """The call once somebody comes; again, or by another one, changes nothing.

    Raises:
        Refused: ``hospital.help_call_over``.
    """
    if call.state(now) is HelpState.OVER:
        raise Refused(HELP_CALL_OVER)
    if call.coming_at is not None:
        return call
    return replace(call, helper=helper, coming_at=now)


def helping_role(roles: Collection[Role]) -> Role:
    """In which of the roles somebody helps."""
    return next(role for role in RUNG if role in roles)
