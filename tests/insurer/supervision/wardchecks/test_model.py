"""Draws: secret before, repeatable after; every ward is met, risky ones more often."""

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.clock import CHINA, business_date
from shualian.core.identifiers import EncounterNo, InstitutionCode, PersonNo, VisitId
from shualian.insurer.supervision.wardchecks.model import (
    FIRST_HOUR,
    LAST_HOUR,
    RISK_MAX,
    DrawPolicy,
    PublishedDraw,
    Rates,
    Stay,
    commitment_of,
    drawn,
    moments,
    repeats,
    weight_of,
)

DAY = date(2026, 5, 4)
SEEDS = st.binary(min_size=32, max_size=32)
STAYS = st.lists(
    st.tuples(st.integers(1, 999), st.sampled_from(("W1", "W2", "W3"))),
    unique_by=lambda each: each[0],
    max_size=60,
).map(
    lambda found: [
        Stay(VisitId(f"V{number}"), PersonNo(f"P{number}"), ward, EncounterNo(f"E{number}"))
        for number, ward in found
    ]
)
POLICIES = st.builds(
    DrawPolicy,
    per_day=st.integers(1, 6),
    share=st.floats(0.01, 1),
    least=st.integers(1, 3),
)


@given(SEEDS, STAYS, POLICIES, st.randoms(use_true_random=False))
def test_a_draw_depends_on_the_seed_and_not_on_the_order_of_the_list(
    seed: bytes, stays: list[Stay], policy: DrawPolicy, random: object
) -> None:
    shuffled = list(stays)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert drawn(stays, seed, 0, policy=policy) == drawn(shuffled, seed, 0, policy=policy)


@given(SEEDS, STAYS, POLICIES)
def test_every_ward_that_has_anybody_is_drawn_and_nobody_twice(
    seed: bytes, stays: list[Stay], policy: DrawPolicy
) -> None:
    picked = drawn(stays, seed, 1, policy=policy)

    assert len(set(picked)) == len(picked)
    assert {stay.ward for stay in picked} == {stay.ward for stay in stays}
    assert set(picked) <= set(stays)


@given(SEEDS, STAYS, POLICIES, st.sampled_from(("W1", "W2")), st.integers(2, RISK_MAX))
def test_a_risky_ward_is_drawn_more_and_the_others_as_before(
    seed: bytes, stays: list[Stay], policy: DrawPolicy, risky: str, weight: int
) -> None:
    usual = drawn(stays, seed, 0, policy=policy)
    more = drawn(stays, seed, 0, policy=policy, weights={risky: weight})

    assert set(usual) <= set(more)
    assert {stay.ward for stay in set(more) - set(usual)} <= {risky}


@given(SEEDS, st.integers(1, 6))
def test_moments_lie_in_waking_hours_of_the_day_one_in_each_span(seed: bytes, count: int) -> None:
    found = moments(seed, DAY, count)

    assert sorted(set(found)) == list(found)
    assert len(found) == count
    for moment in found:
        assert business_date(moment) == DAY
        assert FIRST_HOUR <= moment.astimezone(CHINA).hour < LAST_HOUR


def test_another_seed_draws_other_people_at_another_moment() -> None:
    stays = [
        Stay(VisitId(f"V{n}"), PersonNo(f"P{n}"), "W1", EncounterNo(f"E{n}")) for n in range(100)
    ]
    policy = DrawPolicy()
    one, other = b"1" * 32, b"2" * 32

    assert drawn(stays, one, 0, policy=policy) != drawn(stays, other, 0, policy=policy)
    assert drawn(stays, one, 0, policy=policy) != drawn(stays, one, 1, policy=policy)
    assert moments(one, DAY, 2) != moments(other, DAY, 2)
    assert datetime.combine(DAY, time(FIRST_HOUR), CHINA) <= moments(one, DAY, 1)[0]


@given(SEEDS, STAYS, POLICIES)
def test_a_published_draw_can_be_repeated_and_a_changed_one_is_found_out(
    seed: bytes, stays: list[Stay], policy: DrawPolicy
) -> None:
    picked = tuple(stay.mdtrt_id for stay in drawn(stays, seed, 0, policy=policy))
    population = tuple((stay.mdtrt_id, stay.ward) for stay in stays)
    here = InstitutionCode("H99000000001")

    def published(commitment: str, chosen: tuple[VisitId, ...]) -> PublishedDraw:
        return PublishedDraw(here, DAY, 0, commitment, seed.hex(), population, {}, chosen)

    right = commitment_of(seed)
    assert repeats(published(right, picked), policy=policy)
    assert not repeats(published(right, (*picked, VisitId("V0"))), policy=policy)
    assert not repeats(published(commitment_of(b"0" + seed[1:] + b"!"), picked), policy=policy)


@pytest.mark.parametrize(
    ("rates", "weight"),
    [
        (Rates(), 1),
        (Rates(passed=20), 1),
        (Rates(passed=19, missed=1), 2),
        (Rates(passed=10, another_face=10), RISK_MAX),
        (Rates(passed=10, excepted=9), 1),
        (Rates(passed=1, excepted=19), 3),
    ],
)
def test_a_ward_weighs_by_what_came_of_its_checks(rates: Rates, weight: int) -> None:
    assert weight_of(rates) == weight
