"""What the room needs from outside: who stands at a terminal."""

from typing import Protocol

from shualian.core.identifiers import PersonNo, SessionId, TerminalId


class PeopleAtTerminals(Protocol):
    """Who was verified at a terminal and may still confirm something there."""

    def person_at(self, terminal_id: TerminalId, *, session_id: SessionId) -> PersonNo:
        """Whose face the capture of this terminal was; uses nothing up.

        Raises:
            Refused: When there is no such capture of this terminal, or nobody was verified in it,
                or it is so long ago that somebody else may stand there.
        """
        ...
