"""What the room needs from outside: how a member of staff is called."""

from typing import Protocol

from shualian.staff.model import Caller


class Named(Protocol):
    """An account with its name."""

    @property
    def name(self) -> str:
        """As it stands on the badge."""
        ...


class OwnNames(Protocol):
    """Where somebody who is signed in has a name."""

    def own(self, caller: Caller) -> Named:
        """The caller's own account."""
        ...
