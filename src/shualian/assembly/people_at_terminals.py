"""Who stands at a terminal of a hospital, answered by the insurer in the same process."""

from typing import Protocol

from shualian.core.identifiers import PersonNo, SessionId, TerminalId
from shualian.core.refusals import Refused
from shualian.verification.model import NOT_VERIFIED, RELATION_NOT_PROVEN, Relation, SessionResult


class Captures(Protocol):
    """Where a capture's result is."""

    def result(self, session_id: SessionId, *, terminal_id: TerminalId) -> SessionResult:
        """How it stands, for its own terminal."""
        ...


class LocalPeopleAtTerminals:
    """The port of a hospital's own bills.

    The hospital asks for a capture of its own terminal, whose signed request it has just verified,
    and only while that person may still confirm: what it learns is what the terminal's screen
    shows at that moment.
    """

    def __init__(self, captures: Captures) -> None:
        self._captures = captures

    def person_at(
        self,
        terminal_id: TerminalId,
        *,
        session_id: SessionId,
        relative: PersonNo | None = None,
    ) -> PersonNo:
        """Whose face it was, or the relative for whom that person may act now.

        Raises:
            Refused: ``verification.session_not_found``, ``session_other_terminal``,
                ``not_verified``, ``relation_not_proven``.
        """
        found = self._captures.result(session_id, terminal_id=terminal_id)
        if found.person is None:
            raise Refused(NOT_VERIFIED, found=found.state.value)
        if relative is None:
            return found.person.subject
        if relative not in {each.subject for each in found.relatives}:
            raise Refused(RELATION_NOT_PROVEN, relation=Relation.FAMILY.value)
        return relative
