"""Who is called before whom."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import EncounterNo
from shualian.hospital.queues.model import (
    Queued,
    QueuePolicy,
    Standing,
    Turn,
    calling_order,
    first_standing,
    missed_standing,
    returned_standing,
)

POLICY = QueuePolicy()
NOON = datetime(2026, 1, 5, 4, tzinfo=UTC)
ages = st.lists(st.booleans(), min_size=1, max_size=30)


def number(place: int) -> EncounterNo:
    return EncounterNo(f"E{place:03d}")


def queue(aged: list[bool]) -> list[Queued]:
    """Ordinary patients in the order of their numbers; which of them are old."""
    return [
        Queued(number(place), first_standing(place, aged=old, triage=None, policy=POLICY))
        for place, old in enumerate(aged, start=1)
    ]


def places(order: tuple[Queued, ...]) -> list[int]:
    return [each.standing.place for each in order]


def test_without_anybody_old_or_urgent_numbers_are_called_in_their_order() -> None:
    assert places(calling_order(queue([False] * 12))) == list(range(1, 13))


def test_an_old_patient_goes_a_few_numbers_ahead() -> None:
    assert places(calling_order(queue([False] * 5 + [True]))) == [1, 2, 6, 3, 4, 5]


@given(ages)
def test_an_old_patient_is_never_called_later_than_by_number_among_the_others(
    aged: list[bool],
) -> None:
    order = places(calling_order(queue(aged)))
    for place, old in enumerate(aged, start=1):
        ahead = [each for each in order[: order.index(place)] if not aged[each - 1]]
        if old:
            assert all(each < place for each in ahead)


@given(ages)
def test_nobody_is_overtaken_by_more_than_a_few_of_the_old(aged: list[bool]) -> None:
    order = places(calling_order(queue(aged)))
    for place in order:
        overtaking = [each for each in order[: order.index(place)] if each > place]
        assert len(overtaking) <= POLICY.aged_ahead
        assert all(aged[each - 1] for each in overtaking)


@given(ages)
def test_patients_alike_are_called_by_number(aged: list[bool]) -> None:
    order = places(calling_order(queue(aged)))
    for kind in (True, False):
        alike = [place for place in order if aged[place - 1] is kind]
        assert alike == sorted(alike)


@given(ages)
def test_calling_one_after_the_other_is_the_same_order_as_all_at_once(aged: list[bool]) -> None:
    waiting, called = queue(aged), []
    while waiting:
        first = calling_order(waiting)[0]
        called.append(first)
        waiting.remove(first)
    assert tuple(called) == calling_order(queue(aged))


@given(st.permutations(range(1, 8)))
def test_the_order_does_not_depend_on_the_order_in_which_patients_are_listed(
    listed: list[int],
) -> None:
    patients = queue([False, True, False, False, True, False, False])
    assert calling_order([patients[place - 1] for place in listed]) == calling_order(patients)


@given(st.lists(st.integers(1, 4), max_size=5), ages)
def test_emergencies_come_first_and_the_most_urgent_first_of_all(
    levels: list[int], aged: list[bool]
) -> None:
    urgent = [
        Queued(number(100 + at), first_standing(100 + at, aged=False, triage=level, policy=POLICY))
        for at, level in enumerate(levels)
    ]
    order = calling_order([*queue(aged), *urgent])
    first = order[: len(urgent)]
    assert {each.encounter_no for each in first} == {each.encounter_no for each in urgent}
    assert all(a.standing <= b.standing for a, b in pairwise(first))
    assert [each.standing.rank for each in first] == sorted(levels)


def test_who_comes_back_with_results_is_called_before_who_was_not_seen() -> None:
    seen, later, *others = queue([False, False, False, True])
    back = [
        Queued(each.encounter_no, returned_standing(each.standing, at=NOON + timedelta(minutes=at)))
        for each, at in ((seen, 5), (later, 1))
    ]
    assert places(calling_order([*others, *back]))[:2] == [2, 1]


def test_an_emergency_that_comes_back_stays_one() -> None:
    standing = first_standing(1, aged=False, triage=2, policy=POLICY)
    assert returned_standing(standing, at=NOON) == standing


@given(ages)
def test_who_misses_a_call_goes_behind_the_next_few(aged: list[bool]) -> None:
    order = calling_order(queue(aged))
    first, others = order[0], order[1:]
    standing = missed_standing(first.standing, others, misses=1, policy=POLICY)
    again = calling_order([*others, Queued(first.encounter_no, standing)])
    behind = [each.encounter_no for each in again].index(first.encounter_no)
    assert behind == min(POLICY.missed_back, len(others))


@given(ages, st.integers(0, 29))
def test_missing_a_call_never_helps(aged: list[bool], which: int) -> None:
    order = calling_order(queue(aged))
    missing = order[which % len(order)]
    others = [each for each in order if each is not missing]
    assert missed_standing(missing.standing, others, misses=1, policy=POLICY) >= missing.standing


@given(st.lists(st.booleans(), min_size=2, max_size=10), st.data())
def test_those_who_never_come_keep_nobody_from_their_turn(
    aged: list[bool], data: st.DataObject
) -> None:
    waiting, misses = list(queue(aged)), dict.fromkeys(range(1, len(aged) + 1), 0)
    patient = data.draw(st.integers(1, len(aged)))
    for _ in range(len(aged) ** 2):
        first = calling_order(waiting)[0]
        if first.standing.place == patient:
            return
        misses[first.standing.place] += 1
        waiting.remove(first)
        count = misses[first.standing.place]
        standing = missed_standing(first.standing, waiting, misses=count, policy=POLICY)
        waiting.append(Queued(first.encounter_no, standing))
    raise AssertionError(patient)


def test_an_emergency_that_does_not_answer_keeps_its_turn() -> None:
    standing = Standing(Turn.EMERGENCY, 1, 4)
    assert missed_standing(standing, queue([False] * 5), misses=1, policy=POLICY) == standing


def test_who_waits_alone_is_called_again() -> None:
    (alone,) = queue([False])
    assert missed_standing(alone.standing, [], misses=1, policy=POLICY) == alone.standing
