"""Which side asks: supervision's routes are for the insurer's staff or for an institution's."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from shualian.core.refusals import Refused
from shualian.insurer.supervision.model import SUPERVISION_OTHER_SIDE
from shualian.terminals.api import ActorOf
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff


def of_insurer(caller: ActorOf) -> Callable[[Actor], InsurerStaff]:
    """Lets staff of the insurer pass; ``insurer.supervision_other_side`` for everybody else."""

    def insurer(who: Annotated[Actor, Depends(caller)]) -> InsurerStaff:
        if not isinstance(who, InsurerStaff):
            raise Refused(SUPERVISION_OTHER_SIDE)
        return who

    return insurer


def of_institution(caller: ActorOf) -> Callable[[Actor], InstitutionStaff]:
    """Lets staff of an institution pass; ``insurer.supervision_other_side`` for everybody else."""

    def institution(who: Annotated[Actor, Depends(caller)]) -> InstitutionStaff:
        if not isinstance(who, InstitutionStaff):
            raise Refused(SUPERVISION_OTHER_SIDE)
        return who

    return institution
