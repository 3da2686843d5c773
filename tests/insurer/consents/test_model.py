from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.refusals import RefusalKind
from shualian.insurer.consents import model as consents
from shualian.insurer.consents.model import age_on
from shualian.insurer.erasures import model as erasures
from shualian.insurer.notices import model as notices
from shualian.insurer.templates import model as templates

SUBJECTS = (consents, erasures, notices, templates)
KINDS = [kind for subject in SUBJECTS for kind in subject.REFUSALS]


def test_every_refusal_kind_is_in_the_closed_set_of_its_subject() -> None:
    declared = {
        value
        for subject in SUBJECTS
        for value in vars(subject).values()
        if isinstance(value, RefusalKind)
    }

    assert declared == set(KINDS)
    assert len(KINDS) == len({kind.code for kind in KINDS})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_refusal_says_in_both_languages_what_happened_and_what_to_do(kind: RefusalKind) -> None:
    assert kind.code.startswith("insurer.")
    assert len(kind.code) <= 48
    assert all(text.strip() for text in (kind.zh, kind.en, kind.next_zh, kind.next_en))
    assert (kind.en + kind.next_en).isascii()
    assert not kind.zh.isascii()


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
