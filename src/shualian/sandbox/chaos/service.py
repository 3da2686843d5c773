"""Many runs of the simulation, each held against every check."""

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from shualian.sandbox.chaos.checks import check
from shualian.sandbox.chaos.network import TROUBLES
from shualian.sandbox.chaos.run import Run
from shualian.sandbox.chaos.stage import Stage, stage

ACTS = 40
"""Of one run; a walk-in at the desk is one of them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended.

    Attributes:
        seed: Which; with the same number of acts it happens again.
        incoherent: What does not agree; empty for a coherent run.
        states: How many payments ended in which state.
        acts: How many acts ended how.
        kills: Processes that were killed, or killed themselves, in the middle of something.
        log: Every act in its order.
    """

    seed: int
    incoherent: Sequence[str]
    states: Counter[str]
    acts: Counter[str]
    kills: int
    log: Sequence[str]


@dataclass
class Total:
    """What many runs come to."""

    runs: int = 0
    payments: int = 0
    kills: int = 0
    messages: int = 0
    troubled: int = 0
    seconds: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    failed: list[int] = field(default_factory=list)

    @property
    def coherent(self) -> bool:
        """Whether every run ended as one story."""
        return not self.failed

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self.runs += 1
        self.payments += outcome.states.total()
        self.kills += outcome.kills
        self.states += outcome.states
        if outcome.incoherent:
            self.failed.append(outcome.seed)


def outcomes(
    folder: Path,
    *,
    first_seed: int,
    runs: int,
    acts: int = ACTS,
    server: str | None = None,
    total: Total | None = None,
) -> Generator[Outcome, None, None]:
    """Run seed after seed, in a folder that is kept for the last one.

    Args:
        folder: For all data; the last run's lie in its ``run``.
        first_seed: The others follow.
        runs: How many.
        acts: Of each.
        server: Of PostgreSQL; see :func:`stage`.
        total: Is counted up.
    """
    counted = Total() if total is None else total
    began = perf_counter()
    with stage(folder, server=server) as whole:
        for seed in range(first_seed, first_seed + runs):
            outcome = _outcome(whole, seed, acts)
            counted.add(outcome)
            counted.seconds = perf_counter() - began
            counted.messages = whole.network.fates.total()
            counted.troubled = sum(whole.network.fates[fate] for fate in TROUBLES)
            yield outcome


def _outcome(whole: Stage, seed: int, acts: int) -> Outcome:
    kills = whole.kills
    run = Run(whole, seed, acts=acts)
    came_to_rest = run.go()
    found = check(run.place, run.now, whole.people, run.encounters)
    unrest = [] if came_to_rest else ["rest: the resolver did not come to an end"]
    return Outcome(
        seed=seed,
        incoherent=[*unrest, *run.faults, *found.broken],
        states=Counter(found.states),
        acts=run.course.acts,
        kills=whole.kills - kills,
        log=run.course.log,
    )
