"""Expected and called people: why somebody is expected, and how long a call holds; pure.

An expectation narrows a search (1:N) and proves nothing. A call arms one terminal for one patient
(1:1) and is a factor for money beside the face, because a doctor named the patient and a stranger
cannot; so it is short, ends by itself, and is in the audit.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from shualian.core.clock import business_date
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.trust.audit.model import Payload

AHEAD_MAX = timedelta(days=31)
"""How far ahead somebody may be expected: what lies later is told later, and kept by nobody here
until then."""

CALL_MINUTES = 10
CALL_MINUTES_MAX = 30
"""How long a call may hold: the patient comes from the waiting room; a consultation is longer, but
then the person sits there and is called by nobody."""


class ExpectedFor(StrEnum):
    """Why somebody is expected; a person may be expected for several things."""

    APPOINTMENT = "appointment"
    REGISTRATION = "registration"
    TREATMENT_SERIES = "treatment_series"
    WARD = "ward"
    COLLECTION = "collection"
    """Medicine or a report waits."""


@dataclass(frozen=True, slots=True)
class Call:
    """One patient called at one terminal.

    Attributes:
        terminal_id: Which is armed; a newer call there takes its place.
        institution: Of the terminal and of the doctor.
        subject: Who was called.
        called_at: UTC.
        until: From then on it holds no more, UTC.
    """

    terminal_id: TerminalId
    institution: InstitutionCode
    subject: PersonNo
    called_at: datetime
    until: datetime

    def holds(self, now: datetime) -> bool:
        """Whether the terminal is armed at ``now``."""
        return self.called_at <= now < self.until


class PatientCalled(Payload, kind="verification.called"):
    """The audit's record of a call.

    Attributes:
        terminal_id: Armed.
        institution: Which called.
        subject: Who was called.
        until: When it ends by itself.
    """

    terminal_id: TerminalId
    institution: InstitutionCode
    subject: PersonNo
    until: datetime


_kind = KindsOf("verification", helper=Helper.TECHNICIAN).kind

EXPECTED_DAY_INVALID = _kind(
    "expected_day_invalid",
    "预约的日子已过，或太远",
    "The day is over, or too far ahead",
    "请在就诊前一个月内报送当天或以后的预约",
    "Tell of today or of a later day, at most a month ahead",
)
CALL_TIME_INVALID = _kind(
    "call_time_invalid",
    "叫号有效的时间不对",
    "A call cannot hold so long",
    "请设为 1 到 30 分钟",
    "Let it hold for 1 to 30 minutes",
)

REFUSALS = (EXPECTED_DAY_INVALID, CALL_TIME_INVALID)


def check_day(day: date, *, now: datetime) -> None:
    """Let pass today (business day of China) and the days of the next month.

    Raises:
        Refused: ``verification.expected_day_invalid``.
    """
    today = business_date(now)
    if not today <= day <= today + AHEAD_MAX:
        raise Refused(EXPECTED_DAY_INVALID, found=day.isoformat(), today=today.isoformat())


def new_call(
    terminal_id: TerminalId,
    institution: InstitutionCode,
    subject: PersonNo,
    *,
    minutes: int,
    now: datetime,
) -> Call:
    """A call that holds for ``minutes`` from now.

    Raises:
        Refused: ``verification.call_time_invalid`` outside 1..30 minutes.
    """
    if not 1 <= minutes <= CALL_MINUTES_MAX:
        raise Refused(CALL_TIME_INVALID, found=minutes, limit=CALL_MINUTES_MAX)
    return Call(terminal_id, institution, subject, now, now + timedelta(minutes=minutes))
