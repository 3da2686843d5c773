"""How old somebody is: one rule for consents, bindings and channels."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.insurer.persons.model import age_on, first_day_of_age

BIRTHS = st.dates(date(1900, 1, 1), date(2026, 1, 1))


@pytest.mark.parametrize(
    ("birth", "day", "age"),
    [
        (date(2012, 6, 1), date(2026, 6, 1), 13),
        (date(2012, 6, 1), date(2026, 6, 2), 14),
        (date(2012, 2, 29), date(2026, 2, 28), 13),
        (date(2012, 2, 29), date(2026, 3, 1), 14),
        (date(2012, 12, 31), date(2026, 12, 31), 13),
        (date(2012, 12, 31), date(2027, 1, 1), 14),
    ],
)
def test_an_age_is_reached_on_the_day_after_the_birthday(birth: date, day: date, age: int) -> None:
    assert age_on(birth, day) == age


@given(st.dates(date(1900, 1, 1), date(2026, 1, 1)), st.integers(1, 40_000))
def test_nobody_grows_younger(birth: date, days: int) -> None:
    day = date.fromordinal(min(birth.toordinal() + days, date(2099, 12, 30).toordinal()))

    assert age_on(birth, day) <= age_on(birth, date.fromordinal(day.toordinal() + 1))


@given(BIRTHS, st.integers(0, 110), st.integers(-400, 400))
def test_an_age_is_reached_on_its_first_day_and_not_before(
    birth: date, years: int, days: int
) -> None:
    first = first_day_of_age(birth, years)
    day = date.fromordinal(first.toordinal() + days)

    assert (age_on(birth, day) >= years) == (day >= first)


def test_somebody_of_a_leap_day_is_a_year_older_on_the_first_of_march() -> None:
    assert first_day_of_age(date(2012, 2, 29), 14) == date(2026, 3, 1)
    assert first_day_of_age(date(2012, 2, 29), 16) == date(2028, 3, 1)
