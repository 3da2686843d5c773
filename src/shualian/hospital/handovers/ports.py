"""What handing over needs from outside."""

from typing import Protocol

from shualian.core.identifiers import PersonNo, TerminalId


class Calls(Protocol):
    """The insurer's side, whose terminals compare with the one person who is called to them.

    An implementation never runs inside a database transaction.
    """

    def call(self, terminal_id: TerminalId, psn_no: PersonNo) -> None:
        """Arm a terminal of the hospital for the patient who is called to it.

        Raises:
            Refused: When it is not the hospital's, or nobody can be told now.
        """
        ...

    def end_call(self, terminal_id: TerminalId) -> None:
        """Disarm a terminal.

        Raises:
            Refused: When nobody can be told now.
        """
        ...
