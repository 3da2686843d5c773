"""The whole visit for tests: played once, then looked at from several sides."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from shualian.core.clock import SystemClock
from shualian.core.refusals import Refused
from shualian.sandbox.samples import sample_pictures
from shualian.sandbox.visit.faces import Shown
from shualian.sandbox.visit.service import WholeVisit, whole_visit
from shualian.sandbox.visit.story import VisitStep

SEED, PEOPLE = 7, 60


@dataclass(frozen=True)
class PlayedVisit:
    """What is left of it.

    Attributes:
        folder: Databases, keys and log; its server has ended.
        visit: What it knows of its patients, and the receipt.
        steps: As they went.
        shown: Every frame that was sent.
        auth_nos: Numbers of all proofs.
    """

    folder: Path
    visit: WholeVisit
    steps: list[VisitStep]
    shown: list[Shown]
    auth_nos: list[str]

    def step(self, name: str) -> VisitStep:
        """The step with this name.

        Raises:
            LookupError: When the visit ended before.
        """
        for step in self.steps:
            if step.step == name:
                return step
        raise LookupError(f"{name} was not reached: {self.steps[-1]}")


def play_whole_visit(folder: Path) -> PlayedVisit:
    """Play it in a new folder."""
    try:
        sample_pictures()
    except Refused as refused:
        pytest.skip(refused.kind.en)
    with whole_visit(folder, clock=SystemClock(), seed=SEED, people=PEOPLE) as visit:
        steps = list(visit.play())
    return PlayedVisit(folder, visit, steps, visit.faces.shown, visit.faces.auth_nos)
