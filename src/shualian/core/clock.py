"""Time: stored in UTC, counted in business days of China."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")


class Clock(Protocol):
    """Where a use case asks for the time."""

    def now(self) -> datetime:
        """The current moment, timezone-aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current moment, UTC."""
        return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until it is set: for simulations and replays."""

    def __init__(self, moment: datetime) -> None:
        self.set(moment)

    def now(self) -> datetime:
        """The moment it was set to, UTC."""
        return self._moment

    def set(self, moment: datetime) -> None:
        """Move to ``moment``, which must be timezone-aware."""
        if moment.utcoffset() is None:
            raise ValueError("a moment needs a time zone")
        self._moment = moment.astimezone(UTC)


def business_date(moment: datetime) -> date:
    """The calendar day in China on which ``moment`` falls; accumulators and "today" use it."""
    if moment.utcoffset() is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(CHINA).date()


def last_time_of_day(at: time, *, now: datetime) -> datetime:
    """The latest moment, UTC, not after ``now``, at which the clocks of China showed ``at``."""
    today = datetime.combine(business_date(now), at, tzinfo=CHINA)
    passed = today if today <= now else today - timedelta(days=1)
    return passed.astimezone(UTC)
