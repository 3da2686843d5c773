"""What requests are compared with: the register's keys, and two stores of nonces."""

import threading
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from shualian.core.database import Database
from shualian.core.identifiers import TerminalId
from shualian.core.refusals import Refused
from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.enrolment.store import public_key_of
from shualian.terminals.model import Terminal, TerminalState
from shualian.terminals.register.model import parse_version
from shualian.terminals.register.store import model_of, place_of
from shualian.terminals.requests.model import FreshnessLimits, KnownKey, NonceUse
from shualian.terminals.store import keys, models, nonce_floors, nonces, places, terminals

NONCES_MAX = 200_000
NONCES_PER_KEY_MAX = 4_000
"""60 requests a second of one terminal, all its time: far above business, far below harm."""

_KNOWN_KEY = (
    select(keys, terminals, places, models)
    .join(terminals, terminals.c.terminal_id == keys.c.terminal_id)
    .join(places, places.c.place_id == terminals.c.place_id)
    .join(models, models.c.certificate == terminals.c.certificate)
    .where(keys.c.key_id == bindparam("wanted"))
)


def known_key(connection: Connection, key_id: KeyId) -> KnownKey | None:
    """All that the register says about a key, in one query."""
    row = connection.execute(_KNOWN_KEY, {"wanted": key_id}).first()
    return None if row is None else _known_key(row)


def _known_key(row: Row[Any]) -> KnownKey:
    column = row._mapping
    place = place_of(row)
    return KnownKey(
        key_id=KeyId(column[keys.c.key_id]),
        public_key=public_key_of(column[keys.c.algorithm], column[keys.c.public_key]),
        made_at=column[keys.c.made_at],
        retired=column[keys.c.retired_at] is not None,
        state=TerminalState(column[terminals.c.state]),
        terminal=Terminal(
            terminal_id=TerminalId(column[terminals.c.terminal_id]),
            institution=place.institution,
            terminal_class=place.spec.terminal_class,
            place=place.spec.place,
        ),
        place=place,
        model=model_of(row),
        software=parse_version(column[terminals.c.software]),
    )


class MemoryNonces:
    """Nonces of one process; bounded, and full means refused."""

    def __init__(
        self,
        *,
        started_at: datetime,
        limits: FreshnessLimits,
        nonces_max: int = NONCES_MAX,
        nonces_per_key_max: int = NONCES_PER_KEY_MAX,
    ) -> None:
        self._limits = limits
        self._nonces_max = nonces_max
        self._nonces_per_key_max = nonces_per_key_max
        self._floor = started_at + timedelta(seconds=limits.ahead_max_s)
        self._used: defaultdict[datetime, set[tuple[KeyId, str]]] = defaultdict(set)
        self._of_key: Counter[KeyId] = Counter()
        self._count = 0
        self._lock = threading.Lock()

    def use(self, key_id: KeyId, nonce: str, *, created: datetime, now: datetime) -> NonceUse:
        """See :meth:`Nonces.use`."""
        with self._lock:
            self._raise_floor(now - timedelta(seconds=self._limits.age_max_s))
            if created < self._floor:
                return NonceUse.BEFORE_START
            if (key_id, nonce) in self._used[created]:
                return NonceUse.REPLAYED
            if not self._has_room(key_id):
                return NonceUse.TOO_MANY
            self._used[created].add((key_id, nonce))
            self._of_key[key_id] += 1
            self._count += 1
            return NonceUse.NEW

    def _has_room(self, key_id: KeyId) -> bool:
        return self._count < self._nonces_max and self._of_key[key_id] < self._nonces_per_key_max

    def _raise_floor(self, floor: datetime) -> None:
        if floor <= self._floor:
            return
        self._floor = floor
        for created in [moment for moment in self._used if moment < floor]:
            forgotten = self._used.pop(created)
            self._of_key -= Counter(key_id for key_id, _ in forgotten)
            self._count -= len(forgotten)


class SharedNonces:
    """Nonces of several processes in the insurer's PostgreSQL database.

    Not bounded by itself: rows live for a minute, so the table is as large as the requests of a
    minute. A crash of the server empties both tables; then the floor is set anew and whatever was
    signed before is refused.
    """

    def __init__(self, *, database: Database, limits: FreshnessLimits) -> None:
        self._database = database
        self._limits = limits
        self._cleaned_at: datetime | None = None
        self._cleaning = threading.Lock()

    def use(self, key_id: KeyId, nonce: str, *, created: datetime, now: datetime) -> NonceUse:
        """See :meth:`Nonces.use`; one round trip beside the transaction's own."""
        self._clean_sometimes(now)
        try:
            is_new = self._database.write(lambda each: _insert(each, key_id, nonce, created))
        except _ReplayedError:
            return NonceUse.REPLAYED
        if is_new:
            return NonceUse.NEW
        self._database.write(lambda each: _set_floor(each, now + self._ahead_max))
        return NonceUse.BEFORE_START

    @property
    def _ahead_max(self) -> timedelta:
        return timedelta(seconds=self._limits.ahead_max_s)

    def _clean_sometimes(self, now: datetime) -> None:
        age_max = timedelta(seconds=self._limits.age_max_s)
        if not self._cleaning.acquire(blocking=False):
            return
        try:
            if self._cleaned_at is None or now - self._cleaned_at >= age_max:
                self._cleaned_at = now
                # Cleaning can wait; a request must not fail because two workers clean at once.
                with suppress(Refused):
                    self._database.write(lambda each: _raise_floor(each, now - age_max))
        finally:
            self._cleaning.release()


class _ReplayedError(Exception):
    """The row is there already. Not an IntegrityError, which the database would try again."""


def _insert(connection: Connection, key_id: KeyId, nonce: str, created: datetime) -> bool:
    """Whether there is a floor and it lies below; raises when the nonce was used."""
    row = select(literal(key_id), literal(nonce), literal(created, nonces.c.created_at.type)).where(
        nonce_floors.c.floor <= created
    )
    addition = insert(nonces).from_select(["key_id", "nonce", "created_at"], row)
    counted = addition.execution_options(preserve_rowcount=True)
    try:
        return connection.execute(counted).rowcount == 1
    except IntegrityError:
        raise _ReplayedError from None


def _set_floor(connection: Connection, floor: datetime) -> None:
    """Make the floor when there is none: the store has just started."""
    if connection.scalar(select(nonce_floors.c.id)) is None:
        connection.execute(insert(nonce_floors).values(id=1, floor=floor))


def _raise_floor(connection: Connection, floor: datetime) -> None:
    """Forget what lies below a higher floor; both in one transaction."""
    higher = update(nonce_floors).where(nonce_floors.c.floor < floor).values(floor=floor)
    connection.execute(higher)
    connection.execute(delete(nonces).where(nonces.c.created_at < floor))
