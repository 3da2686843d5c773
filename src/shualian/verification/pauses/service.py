"""Use cases of pauses: ask before an attempt, tell after it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo, TerminalId
from shualian.trust.audit.service import record
from shualian.verification.pauses import store
from shualian.verification.pauses.model import (
    CLAIMED_RULE,
    TERMINAL_RULE,
    FacePaused,
    PauseRule,
    TerminalAlarm,
    check_pauses,
    counted,
)
from shualian.verification.pauses.store import Counted


class FacePauses:
    """Implements the port ``Pauses`` of verification.

    :meth:`check` is asked with what :func:`~shualian.verification.pauses.model.paused_claim` gives:
    ``None`` for a document, a call or a search, because a stranger's failures must not take the
    face from the true person. A failure may be told of whoever was claimed, in whatever way, and a
    success of whoever was verified.

    Counts are exact on one machine and on several, because each is read and written in one
    transaction; they survive a restart. Attempts that are under way at the same moment all pass
    :meth:`check` before the first of them is counted: as many as there are terminals, at most.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        claimed_rule: PauseRule = CLAIMED_RULE,
        terminal_rule: PauseRule = TERMINAL_RULE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._claimed_rule = claimed_rule
        self._terminal_rule = terminal_rule

    def check(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:
        """Ask whether the face may be tried here, for this claim, now.

        Raises:
            Refused: ``verification.claim_paused``, ``verification.terminal_paused``.
        """
        of_terminal, of_claimed = self._database.read(
            lambda connection: (
                store.find(connection, Counted.TERMINAL, terminal_id),
                None if claimed is None else store.find(connection, Counted.CLAIMED, claimed),
            )
        )
        check_pauses(terminal=of_terminal, claimed=of_claimed, now=self._clock.now())

    def failed(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:
        """Count an attempt that named nobody, of the terminal and of the claimed identity."""

        def work(connection: Connection) -> None:
            now = self._clock.now()
            self._count(connection, terminal_id, None, now)
            if claimed is not None:
                self._count(connection, terminal_id, claimed, now)

        self._database.write(work)

    def succeeded(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:  # noqa: ARG002 - the terminal's count stays
        """Forget the failures of the claimed identity, whose person has come.

        The terminal's failures stay: with a scan of their own now and then a stranger would
        otherwise have no limit.
        """
        if claimed is not None:
            self._database.write(
                lambda connection: store.remove(connection, Counted.CLAIMED, claimed)
            )

    def alarms(self) -> Sequence[TerminalAlarm]:
        """Terminals at which the face had to rest, for those who watch over terminals."""
        return self._database.read(store.alarms)

    def purge(self) -> int:
        """Delete what is forgotten; run it every hour or so. How many rows."""
        now = self._clock.now()

        def work(connection: Connection) -> int:
            return store.remove_forgotten(
                connection, Counted.TERMINAL, rule=self._terminal_rule, now=now
            ) + store.remove_forgotten(
                connection, Counted.CLAIMED, rule=self._claimed_rule, now=now
            )

        return self._database.write(work)

    def _count(
        self,
        connection: Connection,
        terminal_id: TerminalId,
        claimed: PersonNo | None,
        now: datetime,
    ) -> None:
        whose = Counted.TERMINAL if claimed is None else Counted.CLAIMED
        rule = self._terminal_rule if claimed is None else self._claimed_rule
        identifier = claimed or terminal_id
        before = store.find(connection, whose, identifier)
        after = counted(before, rule=rule, now=now)
        store.put(connection, whose, identifier, after)
        # Only the failure that begins a pause leaves the window empty.
        if after.failures == 0 and after.paused_until is not None:
            event = FacePaused(
                terminal_id=terminal_id,
                subject=claimed,
                pauses=after.pauses,
                until=after.paused_until,
            )
            record(connection, event, at=now)
