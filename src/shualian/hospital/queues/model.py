"""In which order the waiting are called; pure.

Emergencies come first, by triage; then those who come back with results, by the time at which they
came back; then everybody else by number, the old a few numbers ahead of their own. What decides is
kept with each patient and follows from no list, so an order that is computed again after every
call stays the same order: an old patient overtakes at most ``aged_ahead`` others, and nobody is
overtaken by more than so many of the old.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from shualian.core.identifiers import EncounterNo

_STEP = 1_000
"""Between the ranks of two numbers: room for those who missed their call."""


class Turn(IntEnum):
    """Who comes before whom."""

    EMERGENCY = 0
    RETURNING = 1
    ORDINARY = 2


@dataclass(frozen=True, slots=True, order=True)
class Standing:
    """Where a patient stands; the smaller one is called first.

    Attributes:
        turn: Which comes first.
        rank: Inside the turn.
        place: The number on the slip; tells equal ranks apart.
    """

    turn: Turn
    rank: int
    place: int


@dataclass(frozen=True, slots=True)
class Queued:
    """A patient who waits."""

    encounter_no: EncounterNo
    standing: Standing


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """What a hospital decides about its queues.

    Attributes:
        aged_from: From which age somebody counts as old, years.
        aged_ahead: How many others an old patient overtakes at most.
        missed_back: Behind how many waiting patients somebody goes for each call they missed.
    """

    aged_from: int = 80
    aged_ahead: int = 3
    missed_back: int = 3


def first_standing(place: int, *, aged: bool, triage: int | None, policy: QueuePolicy) -> Standing:
    """Where somebody stands who was just registered.

    Args:
        place: The number on the slip, from 1.
        aged: Whether they are of the policy's age.
        triage: Of an emergency, 1 the most urgent; none otherwise.
        policy: Of the hospital.
    """
    if triage is not None:
        return Standing(Turn.EMERGENCY, triage, place)
    rank = place * _STEP
    if aged:
        # Just before the number that is ``aged_ahead`` smaller, and behind the one before it.
        rank -= policy.aged_ahead * _STEP + _STEP // 2
    return Standing(Turn.ORDINARY, rank, place)


def returned_standing(before: Standing, *, at: datetime) -> Standing:
    """Where somebody stands who came back with results."""
    if before.turn is Turn.EMERGENCY:
        return before
    return Standing(Turn.RETURNING, int(at.timestamp()), before.place)


def calling_order(waiting: Iterable[Queued]) -> tuple[Queued, ...]:
    """The waiting in the order in which they are called."""
    return tuple(sorted(waiting, key=lambda each: (each.standing, each.encounter_no)))


def missed_standing(
    before: Standing, others: Sequence[Queued], *, misses: int, policy: QueuePolicy
) -> Standing:
    """Where somebody goes who was called and did not come: behind the next few who wait.

    Each further miss goes further back, so that those who do not come never keep those who wait
    from their turn. Never further ahead than before; an emergency keeps its turn, because who does
    not answer then may be unable to.

    Args:
        before: Where they stood.
        others: Who waits in the same queue, in any order.
        misses: How many calls they have missed with this one, from 1.
        policy: Of the hospital.
    """
    ahead = calling_order(others)[: policy.missed_back * misses]
    if before.turn is Turn.EMERGENCY or not ahead:
        return before
    last = ahead[-1].standing
    return max(before, Standing(last.turn, last.rank + 1, before.place))
