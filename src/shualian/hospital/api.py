"""What the routes of every room of a hospital share: bodies, identifiers, who asks."""

from collections.abc import Callable, Collection
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from shualian.core.identifiers import InstitutionCode
from shualian.core.refusals import Refused
from shualian.staff.model import ROLE_MISSING, Caller, Role, check_role

CallerOf = Callable[[Request], Caller]
"""Finds who is signed in."""
Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,30}$")]
IdentifierPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,30}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_.-]{1,30}$")]


class Body(BaseModel):
    """Base of every body: nothing unknown, nothing changed, no input in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Words(Body):
    """The same in Chinese and in English."""

    zh: str
    en: str


def words(zh: str, en: str) -> Words:
    """The same in two languages; where there is no English, the Chinese stands for it."""
    return Words(zh=zh, en=en or zh)


def own_staff(institution: InstitutionCode, caller: CallerOf, allowed: Collection[Role]) -> Any:
    """A dependency: who asks, when it is somebody of this hospital with one of the roles.

    Args:
        institution: Whose staff.
        caller: Finds who is signed in.
        allowed: Roles, one of which is enough.
    """

    def found(request: Request) -> Caller:
        who = caller(request)
        # What is not the caller's own hospital's does not exist for the caller.
        if who.employer.institution != institution:
            raise Refused(ROLE_MISSING)
        check_role(who, allowed)
        return who

    return Depends(found)
