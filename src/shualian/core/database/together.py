"""Calls of several threads in one transaction: for the few paths where a commit costs most.

Whoever calls while others are being served waits, and is then served with all who wait: one
transaction, one round trip for each phase and one sync of the disk for all of them. A lone caller
waits for nobody. The transaction is whole or nothing for all in it; when it fails, each of them is
served alone, as if nobody else had called, so that nobody fails by a fault of another.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from sqlalchemy import Connection

from shualian.core.database.protocol import Database, forbid_in_transaction
from shualian.core.database.refusals import REFUSALS, WRITE_UNCONFIRMED
from shualian.core.refusals import Refused

Q = TypeVar("Q")
A = TypeVar("A")

_TOGETHER_MAX = 16


@dataclass(frozen=True, slots=True)
class Raised:
    """What a call ends with instead of an answer."""

    failure: Exception


class Alone(Enum):
    """What a call has instead of an answer that the others must not wait for."""

    ALONE = auto()
    """Nothing was done for it; it is served again, by its own caller and by itself."""


def _unset() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Call(Generic[Q, A]):
    """One caller, who waits until ``woken`` can be had: with an outcome, or to lead."""

    asked: Q
    apart: Hashable
    woken: threading.Lock = field(default_factory=_unset)
    leads: bool = False
    outcome: "A | Raised | Alone | None" = None


class Together(Generic[Q, A]):
    """Work on one database that several callers do together."""

    def __init__(
        self,
        database: Database,
        *,
        alone: Callable[[Connection, Q], A],
        together: Callable[[Connection, Sequence[Q]], Sequence[A | Raised | Alone]],
        apart: Callable[[Q], Hashable],
    ) -> None:
        """Describe it; work is as :meth:`Database.write` wants it.

        Args:
            database: Where.
            alone: The work for one caller.
            together: The same for several, with the effect of ``alone`` for one after another;
                an outcome for each, never none. Whatever it raises undoes all, and each is then
                served by ``alone``.
            apart: Two calls for which this is equal are never in work at the same time.
        """
        self._database = database
        self._alone = alone
        self._together = together
        self._apart = apart
        self._turn = threading.Lock()
        self._waiting: list[_Call[Q, A]] = []
        self._in_work: set[Hashable] = set()
        self._leaders = 0

    def write(self, asked: Q) -> A:
        """Do the work for one caller; as :meth:`Database.write`."""
        forbid_in_transaction("a second transaction")
        call = _Call[Q, A](asked, self._apart(asked))
        with self._turn:
            self._waiting.append(call)
            leads = self._leaders < self._database.writes_at_once
            self._leaders += leads
        try:
            while True:
                if leads:
                    self._lead(call)
                if call.outcome is not None:
                    break
                call.woken.acquire()
                with self._turn:
                    leads, call.leads = call.leads, False
        except BaseException:
            self._leave(call)
            raise
        if isinstance(call.outcome, Alone):
            return self._database.write(lambda connection: self._alone(connection, asked))
        if isinstance(call.outcome, Raised):
            raise call.outcome.failure
        return call.outcome

    def _lead(self, call: _Call[Q, A]) -> None:
        """Serve those who wait, until the leader's own call is done or nobody can be served."""
        while True:
            with self._turn:
                group = self._next_group()
                if not group:
                    self._leaders -= 1
                    return
            try:
                self._serve(group)
            finally:
                with self._turn:
                    self._in_work -= {each.apart for each in group}
                    if call.outcome is not None:
                        self._hand_over()
                    _wake([each for each in group if each is not call])
            if call.outcome is not None:
                return

    def _next_group(self) -> list[_Call[Q, A]]:
        group: list[_Call[Q, A]] = []
        left: list[_Call[Q, A]] = []
        for each in self._waiting:
            if len(group) < _TOGETHER_MAX and each.apart not in self._in_work:
                self._in_work.add(each.apart)
                group.append(each)
            else:
                left.append(each)
        self._waiting = left
        return group

    def _hand_over(self) -> None:
        """Let somebody who waits lead now."""
        for each in self._waiting:
            if not each.leads and each.apart not in self._in_work:
                each.leads = True
                each.woken.release()
                return
        self._leaders -= 1

    def _leave(self, call: _Call[Q, A]) -> None:
        """A caller was interrupted while waiting or leading."""
        with self._turn:
            if call in self._waiting:
                self._waiting.remove(call)
            if call.leads:
                self._hand_over()

    def _serve(self, group: Sequence[_Call[Q, A]]) -> None:
        try:
            if len(group) == 1:
                group[0].outcome = self._served_alone(group[0].asked)
            else:
                self._serve_together(group)
        finally:
            # The leader was interrupted.
            for each in group:
                if each.outcome is None:
                    each.outcome = Raised(Refused(WRITE_UNCONFIRMED))

    def _serve_together(self, group: Sequence[_Call[Q, A]]) -> None:
        asked = [each.asked for each in group]
        try:
            outcomes = self._database.write(lambda connection: self._together(connection, asked))
        except Exception as failure:  # noqa: BLE001 - whose fault it was shows when each is alone
            for each in group:
                each.outcome = _of_database(failure) or Alone.ALONE
        else:
            for each, outcome in zip(group, outcomes, strict=True):
                each.outcome = outcome

    def _served_alone(self, asked: Q) -> A | Raised:
        try:
            return self._database.write(lambda connection: self._alone(connection, asked))
        except Exception as failure:  # noqa: BLE001 - raised where the caller waits
            return Raised(failure)


def _of_database(failure: Exception) -> Raised | None:
    """What the database refused all, anew for one of them: an exception must not be shared."""
    if isinstance(failure, Refused) and failure.kind in REFUSALS:
        return Raised(Refused(failure.kind, **failure.details))
    return None


def _wake(calls: "Sequence[_Call[Q, A]]") -> None:
    for each in calls:
        # Who was woken to lead is on the way, and looks at the outcome next.
        if not each.leads:
            each.woken.release()
