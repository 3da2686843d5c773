"""Time is UTC inside and a day of China where days are counted."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.clock import SettableClock, SystemClock, business_date, last_time_of_day

moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)


def test_the_system_clock_says_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC), date(2025, 12, 31)),
        (datetime(2025, 12, 31, 16, 0, 0, tzinfo=UTC), date(2026, 1, 1)),
        (datetime(2026, 1, 1, 7, 0, tzinfo=timezone(timedelta(hours=8))), date(2026, 1, 1)),
    ],
)
def test_a_business_day_begins_at_midnight_in_china(moment: datetime, day: date) -> None:
    assert business_date(moment) == day


@given(moments)
def test_the_day_does_not_depend_on_the_zone_a_moment_is_written_in(moment: datetime) -> None:
    utc = moment.astimezone(UTC)
    assert business_date(moment) == business_date(utc) == (utc + timedelta(hours=8)).date()


@given(moments)
def test_a_set_clock_stands_still_in_utc(moment: datetime) -> None:
    clock = SettableClock(moment)
    assert clock.now() == clock.now() == moment
    assert clock.now().tzinfo is UTC
    clock.set(moment + timedelta(days=1))
    assert clock.now() - moment == timedelta(days=1)


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = datetime(2025, 1, 1)  # noqa: DTZ001
    for use in (business_date, SettableClock):
        with pytest.raises(ValueError, match="time zone"):
            use(naive)


def test_a_time_of_day_is_the_last_one_that_passed_in_china() -> None:
    closing = time(22, 0)
    before, after = datetime(2026, 1, 5, 13, 59, tzinfo=UTC), datetime(2026, 1, 5, 14, tzinfo=UTC)
    assert last_time_of_day(closing, now=before) == after - timedelta(days=1)
    assert last_time_of_day(closing, now=after) == after
