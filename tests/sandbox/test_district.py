from datetime import UTC, datetime, timedelta

import pytest

from shualian.core.clock import SettableClock
from shualian.sandbox.district import AheadClock

NOON = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)


def test_a_clock_ahead_goes_on_with_its_own_and_keeps_its_lead() -> None:
    own = SettableClock(NOON)
    ahead = AheadClock(own)
    assert ahead.now() == NOON

    ahead.wait(timedelta(minutes=5))
    own.set(NOON + timedelta(seconds=1))

    assert ahead.now() == NOON + timedelta(minutes=5, seconds=1)


def test_no_clock_goes_back() -> None:
    with pytest.raises(ValueError, match="back"):
        AheadClock(SettableClock(NOON)).wait(timedelta(seconds=-1))
