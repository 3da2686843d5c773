from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital.world import START
from shualian.core.identifiers import PersonNo
from shualian.hospital.model import Channel
from shualian.hospital.statistics.model import (
    GROUP_MIN,
    Act,
    Seconds,
    Seen,
    Share,
    Use,
    hidden_groups,
    people_of,
    seconds_of,
    share_of,
    shown_counts,
    statistics,
)

DAY = date(2026, 1, 5)


def paid(person: int, channel: Channel = Channel.FACE, day: date = DAY, took: int = 60) -> Use:
    return Use(
        act=Act.PAYMENT,
        psn_no=PersonNo(f"P{person}"),
        channel=channel,
        day=day,
        age_band="60-69",
        first_frame_at=START if channel is Channel.FACE else None,
        shown_at=START,
        done_at=START + timedelta(seconds=took),
    )


def many(count: int, channel: Channel = Channel.FACE, first: int = 0, **more: object) -> list[Use]:
    return [paid(first + number, channel, **more) for number in range(count)]  # type: ignore[arg-type]


def test_shares_and_seconds_are_those_of_what_was_recorded() -> None:
    uses = [*many(30), *many(10, Channel.CARD, 100, took=90)]
    uses = [replace(use, overridden=number < 8) for number, use in enumerate(uses)]
    found = statistics(uses, [Seen(use.psn_no, DAY) for use in uses])
    assert found.by_face == Share(30, 40)
    assert found.by_face.ratio == 0.75
    assert found.uses == {(DAY, Channel.CARD): 10, (DAY, Channel.FACE): 30}
    assert found.frame_to_paid == {Channel.FACE: Seconds(30, 60.0, 60.0)}
    assert found.shown_to_paid[Channel.CARD] == Seconds(10, 90.0, 90.0)
    assert found.by_age["60-69"] == Seconds(40, 60.0, 90.0)
    assert found.overrides == Share(8, 40)
    assert found.insured_before is None
    assert found.insured_after == Share(40, 40)


def test_patients_paying_with_insurance_are_compared_before_and_after_a_date() -> None:
    before, after = DAY - timedelta(days=1), DAY
    seen = [Seen(PersonNo(f"P{number}"), day) for number in range(100) for day in (before, after)]
    seen += seen
    uses = [*many(26, day=before), *many(40, day=after), *many(40, day=after)]
    found = statistics(uses, seen, since=after)
    assert (found.insured_before, found.insured_after) == (Share(26, 100), Share(40, 100))
    assert found.by_face == Share(80, 80)


def test_a_person_who_paid_but_was_not_here_in_the_span_is_not_counted() -> None:
    found = statistics(many(20), [Seen(PersonNo(f"P{number}"), DAY) for number in range(10, 30)])
    assert found.insured_after == Share(10, 20)


def test_what_is_still_open_has_no_seconds() -> None:
    uses = [replace(use, done_at=None) for use in many(10)]
    assert statistics(uses, []).frame_to_paid == {}


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=60))
def test_median_and_ninetieth_are_values_with_enough_on_both_sides(values: list[float]) -> None:
    found = seconds_of(values)
    assert found.count == len(values)
    for quantile, value in ((0.5, found.median), (0.9, found.p90)):
        assert value in values
        assert sum(each <= value for each in values) >= quantile * len(values)
        assert sum(each >= value for each in values) > (1 - quantile) * len(values) - 1


GROUPS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 20), max_size=8)


@given(GROUPS)
def test_no_small_group_is_shown_and_none_can_be_subtracted(people: dict[str, int]) -> None:
    hidden = hidden_groups(people)
    assert all(key in hidden for key, count in people.items() if count < GROUP_MIN)
    assert len(hidden) != 1 or len(people) == 1
    if all(count >= GROUP_MIN for count in people.values()):
        assert not hidden


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_share_that_points_at_few_people_is_not_shown(part: int, rest: int) -> None:
    uses = [*many(part), *many(rest, Channel.CODE, 100)]
    found = share_of(uses, lambda use: use.channel is Channel.FACE)
    if any(0 < people < GROUP_MIN for people in (part, rest)):
        assert found == Share(None, None)
        assert found.ratio is None
    else:
        assert found == Share(part, part + rest)


def test_people_are_counted_and_not_their_uses() -> None:
    twenty_uses_of_one = [paid(1) for _ in range(20)]
    assert people_of(twenty_uses_of_one) == 1
    assert shown_counts({"a": twenty_uses_of_one}) == {"a": None}


@pytest.mark.parametrize("whole", [None, 0])
def test_a_share_of_nothing_has_no_ratio(whole: int | None) -> None:
    assert Share(0 if whole == 0 else None, whole).ratio is None
