"""Which days of a stay are charged, where the patient lay on each, and until when; pure.

The day of the admission is charged and the day of the discharge is not (计入不计出), so that a
stay of one day has one. What a day costs follows from where the patient lay when it ended.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta

from shualian.core.clock import CHINA, business_date
from shualian.core.refusals import Refused
from shualian.hospital.wards.stays.model import STAY_NOT_FOUND, Placement

_ONE_DAY = timedelta(days=1)


def days_due(
    *,
    admitted_at: datetime,
    discharged_at: datetime | None,
    now: datetime,
    charged: Collection[date],
) -> list[date]:
    """The business days that are to be charged now and are not, the earliest first.

    Args:
        admitted_at: UTC.
        discharged_at: UTC; none while the stay goes on: then only days that are over are due.
        now: UTC.
        charged: Days that are charged already.
    """
    first = business_date(admitted_at)
    end = business_date(discharged_at or now)
    # Who comes and goes on one day has that day.
    if discharged_at is not None and end == first:
        end = first + _ONE_DAY
    days = [first + _ONE_DAY * place for place in range((end - first).days)]
    return [day for day in days if day not in charged]


def placement_on(placements: Sequence[Placement], day: date) -> Placement:
    """Where a patient lay when a day ended.

    Args:
        placements: Of the stay, the earliest first, at least one.
        day: Business day, not before the first of them.

    Raises:
        Refused: ``hospital.stay_not_found`` when the patient was not there yet.
    """
    there = [each for each in placements if business_date(each.since) <= day]
    if not there:
        raise Refused(STAY_NOT_FOUND)
    return there[-1]


def charged_at(day: date, *, admitted_at: datetime, now: datetime) -> datetime:
    """``fee_ocur_time`` of a day's charges, UTC: its end, never before the stay or after now."""
    last = datetime.combine(day, time(23, 59), CHINA).astimezone(now.tzinfo)
    return max(min(last, now), admitted_at)
