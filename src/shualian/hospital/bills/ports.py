"""What the room needs from outside: who stands at a terminal."""

from typing import Protocol

from shualian.core.identifiers import PersonNo, SessionId, TerminalId


class PeopleAtTerminals(Protocol):
    """Who was verified at a terminal and may still confirm something there."""

    def person_at(
        self,
        terminal_id: TerminalId,
        *,
        session_id: SessionId,
        relative: PersonNo | None = None,
    ) -> PersonNo:
        """Whose matter the capture of this terminal may be about; uses nothing up.

        Args:
            terminal_id: Whose signed request it is.
            session_id: Of the capture.
            relative: For whom the captured person acts; none where for themselves.

        Raises:
            Refused: When there is no such capture of this terminal, or nobody was verified in it,
                or it is so long ago that somebody else may stand there; when the captured person
                may not act for the relative at this moment.
        """
        ...
