"""Recording events, linking them, exporting checkpoints, verifying a chain.

A use case calls :func:`record` inside its own transaction, so an event is there exactly when what
it tells of is. :meth:`AuditChain.link` puts events into the chain afterwards, so no use case waits
for another one's.

**Commit order.** SQLite: transactions run one after another, an event's number is given in that
order, and the chain has exactly the order of commits. PostgreSQL: numbers are drawn from a
sequence while transactions overlap. If one transaction had committed before another began, its
event has the lower number and is visible whenever the other one is, so it stands first in the
chain; between transactions that overlapped the order says nothing, and no later moment could tell
it either. An event whose transaction commits late is linked late; nothing waits for it.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.refusals import Refused
from shualian.trust.audit import store
from shualian.trust.audit.model import (
    AUDIT_BROKEN,
    Break,
    BreakKind,
    Checkpoint,
    Event,
    Head,
    Link,
    Payload,
    chain_events,
    event_row,
    is_chain_name,
    moment_text,
    parse_checkpoint,
    walk,
)
from shualian.trust.audit.ports import CheckpointPlace
from shualian.trust.keys import KeyProvider
from shualian.trust.model import KeyId
from shualian.trust.signatures import PublicKey, SigningKey, verify

CHECKPOINT_PURPOSE = "audit.checkpoint"
"""Keys of the provider from which checkpoints are signed."""

LINK_LIMIT = 10_000
"""Events per look at the database; a look costs most when many were recorded lately."""
_TRANSACTION_MAX = 500
"""Links per writing transaction, so that no use case waits long behind the linker."""
SETTLED_AFTER = timedelta(minutes=2)
"""No transaction runs this long (PostgreSQL sessions end after 60 s of idling in one)."""
CHECKPOINT_EVERY = timedelta(seconds=10)


def record(connection: Connection, payload: Payload, *, at: datetime) -> None:
    """Insert an event, unlinked, in the caller's transaction.

    Raises:
        TypeError: If the payload is of no registered type.
        ValueError: If ``at`` has no time zone.
    """
    store.insert_events(connection, [event_row(payload, at)])


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at the database."""

    name: str | None
    head: Head
    known_hash: str | None
    unlinked: list[Event]
    newest_id: int


class AuditChain:
    """Links the events of one database and exports checkpoints; one per database and process.

    Several processes may link at once on PostgreSQL: the first to commit wins, the others look
    again. It is enough, and cheaper, when one does.
    """

    def __init__(
        self,
        name: str,
        *,
        database: Database,
        keys: KeyProvider,
        place: CheckpointPlace,
        clock: Clock,
    ) -> None:
        """Work on the chain called ``name``, e.g. ``insurer`` or ``hospital-h33010600001``.

        Raises:
            ValueError: If it is no name of a chain.
        """
        if not is_chain_name(name):
            raise ValueError("not the name of a chain")
        self._name = name
        self._database = database
        self._keys = keys
        self._place = place
        self._clock = clock
        self._working = threading.Lock()
        self._exported: Checkpoint | None = None
        self._known: Head | None = None
        # Every event up to this number is linked or will never appear.
        self._settled_id = 0
        self._candidate: tuple[datetime, int] | None = None

    def link(self, limit: int = LINK_LIMIT) -> int:
        """Put the next events into the chain and give how many; 0 when there are none.

        Hashing is done outside the transaction. On PostgreSQL the writing transaction reads no
        event, so no use case is broken off for it.

        Raises:
            Refused: ``trust.audit_broken`` when the chain no longer holds what was linked or
                exported before: it is not continued. Whatever the database or the place refuses.
        """
        with self._working:
            now = self._clock.now()
            seen = self._look(limit)
            linked = self._append(seen)
            if len(seen.unlinked) < limit and linked == len(seen.unlinked):
                self._settle(now, seen.newest_id)
            return linked

    def export_checkpoint(self) -> Checkpoint | None:
        """Sign the last record and append it in the second place; None when nothing is new.

        Raises:
            Refused: ``trust.audit_broken``, ``trust.audit_place_unavailable`` or
                ``trust.key_missing``.
        """
        with self._working:
            seen = self._look(1)
            since = self._exported.sequence if self._exported else 0
            if seen.head.sequence == since:
                return None
            count = self._database.read(
                lambda connection: store.count_after(connection, since, seen.head.sequence)
            )
            if count != seen.head.sequence - since:
                raise Refused(AUDIT_BROKEN, chain=self._name, after=since)
            return self._export(seen.head, count)

    def _export(self, head: Head, count: int) -> Checkpoint:
        key = self._keys.current(CHECKPOINT_PURPOSE)
        checkpoint = Checkpoint(
            chain=self._name,
            sequence=head.sequence,
            hash=head.hash,
            count=count,
            at=moment_text(self._clock.now()),
            key_id=key.id,
        )
        signature = SigningKey.derive(key, info=b"").sign(checkpoint.signed_part())
        self._place.append(self._name, checkpoint.line(signature))
        self._exported = checkpoint
        self._known = head
        return checkpoint

    def _look(self, limit: int) -> _Seen:
        known = self._known_head()

        def look(connection: Connection) -> _Seen:
            return _Seen(
                name=store.chain_name(connection),
                head=store.head(connection),
                known_hash=store.hash_of(connection, known.sequence),
                unlinked=store.unlinked_after(connection, self._settled_id, limit),
                newest_id=store.newest_event_id(connection),
            )

        seen = self._database.read(look)
        if seen.name not in {None, self._name}:
            raise Refused(AUDIT_BROKEN, chain=self._name, found="a chain of another name")
        if known.sequence and seen.known_hash != known.hash:
            raise Refused(AUDIT_BROKEN, chain=self._name, sequence=known.sequence)
        return seen

    def _known_head(self) -> Head:
        """What the chain must still hold; at first, what the second place says."""
        if self._known is None:
            lines = self._place.lines(self._name)
            self._exported = self._last_exported(lines) if lines else None
            last = self._exported
            self._known = Head(last.sequence, last.hash) if last else Head()
        return self._known

    def _last_exported(self, lines: list[bytes]) -> Checkpoint:
        checkpoint = genuine_checkpoint(lines[-1], self._name, public_keys_of(self._keys))
        if checkpoint is None:
            raise Refused(AUDIT_BROKEN, chain=self._name, checkpoint_line=len(lines))
        return checkpoint

    def _append(self, seen: _Seen) -> int:
        """How many were linked: all of one look, unless another process came between."""
        head, linked = seen.head, 0
        for start in range(0, len(seen.unlinked), _TRANSACTION_MAX):
            made = chain_events(self._name, head, seen.unlinked[start : start + _TRANSACTION_MAX])
            if not self._add(head, made):
                break
            linked += len(made)
            head = self._known = Head(made[-1].sequence, made[-1].hash)
        return linked

    def _add(self, head: Head, made: list[Link]) -> bool:
        return self._database.write(lambda connection: self._insert(connection, head, made))

    def _insert(self, connection: Connection, head: Head, made: list[Link]) -> bool:
        """Whether the links were added; another process may have been first."""
        if store.head(connection) != head:
            return False
        if store.chain_name(connection) is None:
            store.write_chain_name(connection, self._name)
        store.insert_links(connection, made)
        return True

    def _settle(self, now: datetime, newest_id: int) -> None:
        """Spare later looks the events of transactions that are certainly over."""
        if self._candidate is None:
            self._candidate = (now, newest_id)
        elif now - self._candidate[0] >= SETTLED_AFTER:
            self._settled_id = self._candidate[1]
            self._candidate = (now, newest_id)


@dataclass(frozen=True, slots=True)
class LinkerState:
    """How the linker is doing, for health and metrics.

    Attributes:
        linked: Events linked since the start.
        last_pass_at: When a pass last ended well.
        failure: Code of the refusal, or type of the fault, that the last pass ended with.
    """

    linked: int = 0
    last_pass_at: datetime | None = None
    failure: str | None = None


class Linker:
    """Links and exports in the background until it is stopped."""

    def __init__(
        self,
        chain: AuditChain,
        *,
        clock: Clock,
        pause_s: float = 1.0,
        checkpoint_every: timedelta = CHECKPOINT_EVERY,
    ) -> None:
        self._chain = chain
        self._clock = clock
        self._pause_s = pause_s
        self._checkpoint_every = checkpoint_every
        self._exported_at: datetime | None = None
        self._state = LinkerState()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-linker", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self) -> None:
        """Link what is there, export a last checkpoint and end; before the database is closed."""
        self._stopping.set()
        self._thread.join()

    def state(self) -> LinkerState:
        """How it is doing."""
        return self._state

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_s):
            self._pass(last=False)
        self._pass(last=True)

    def _pass(self, *, last: bool) -> None:
        """A fault is kept for the health report and tried again: an audit must not just end."""
        linked, failure = self._state.linked, None
        try:
            while count := self._chain.link():
                linked += count
            self._export_when_due(last=last)
        except Refused as refused:
            failure = refused.kind.code
        except Exception as fault:  # noqa: BLE001
            failure = type(fault).__name__
        passed_at = self._state.last_pass_at if failure else self._clock.now()
        self._state = LinkerState(linked, passed_at, failure)

    def _export_when_due(self, *, last: bool) -> None:
        now = self._clock.now()
        if last or self._exported_at is None or now - self._exported_at >= self._checkpoint_every:
            self._chain.export_checkpoint()
            self._exported_at = now


PublicKeys = Callable[[str], PublicKey | None]
"""The public key of a checkpoint's key id, or None when it is not known."""


def public_keys_of(keys: KeyProvider) -> PublicKeys:
    """The checkpoint keys of a provider."""

    def public_key(key_id: str) -> PublicKey | None:
        try:
            key = keys.key(CHECKPOINT_PURPOSE, KeyId(key_id))
        except Refused:
            return None
        return SigningKey.derive(key, info=b"").public_key

    return public_key


def genuine_checkpoint(line: bytes, chain: str, public_keys: PublicKeys) -> Checkpoint | None:
    """The checkpoint that a line holds, if it is about ``chain`` and its signature holds."""
    parsed = parse_checkpoint(line)
    if parsed is None:
        return None
    checkpoint, signature = parsed
    key = public_keys(checkpoint.key_id)
    if checkpoint.chain != chain or key is None:
        return None
    return checkpoint if verify(key, checkpoint.signed_part(), signature) else None


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What verifying a chain found.

    Attributes:
        chain: Its name; None when the database names none.
        records: Good records from the first on; all of them when nothing is broken.
        last_hash: Hash of the last good record.
        unlinked: Events that wait for their link.
        checkpoints: Lines in the second place whose signature holds; None when no place was
            given, and then a cut tail or a chain made anew cannot be noticed.
        checked_until: Number of the last record that a good checkpoint names; 0 for none.
        breaks: What is broken, the first broken record first; empty when nothing is.
    """

    chain: str | None
    records: int
    last_hash: str
    unlinked: int
    checkpoints: int | None
    checked_until: int
    breaks: tuple[Break, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is broken, as far as the given checkpoints can prove it."""
        return not self.breaks


def verify_chain(
    connection: Connection,
    *,
    chain: str | None = None,
    checkpoints: Mapping[str, Sequence[bytes]] | None = None,
    public_keys: PublicKeys | None = None,
) -> ChainReport:
    """Walk the chain of a database from its first record and compare it with its checkpoints.

    Args:
        connection: On one consistent snapshot; only read from.
        chain: Name that the chain must have; by default the one that the database names.
        checkpoints: Lines by chain, read from the second place *before* the snapshot was taken,
            because the linker goes on meanwhile; None when there is no second place.
        public_keys: Whose checkpoints are believed; none are without it.
    """
    named = store.chain_name(connection)
    name = chain or named
    if name is None:
        return _report_of_nameless(connection, checkpoints)
    lines = checkpoints.get(name, ()) if checkpoints else ()
    told = [genuine_checkpoint(line, name, public_keys or _believe_nobody) for line in lines]
    good = [checkpoint for checkpoint in told if checkpoint]
    stated, contradictions = _stated(good)
    walked = walk(
        name,
        store.all_records(connection),
        stated,
        lambda previous: store.records_behind(connection, previous),
    )
    breaks = [walked.broken] if walked.broken else []
    if named != name and (named or walked.last.sequence):
        breaks.insert(0, Break(BreakKind.OTHER_CHAIN))
    forged = [number for number, checkpoint in enumerate(told, 1) if checkpoint is None]
    breaks += [Break(BreakKind.FORGED_CHECKPOINT, line=number) for number in forged]
    breaks += [Break(BreakKind.FORGED_CHECKPOINT, sequence) for sequence in contradictions]
    if checkpoints is not None and not good and walked.last.sequence and not walked.broken:
        breaks.append(Break(BreakKind.NO_CHECKPOINT))
    return ChainReport(
        chain=name,
        records=walked.last.sequence,
        last_hash=walked.last.hash,
        unlinked=store.count_unlinked(connection),
        checkpoints=None if checkpoints is None else len(good),
        checked_until=max((n for n in stated if n <= walked.last.sequence), default=0),
        breaks=tuple(breaks),
    )


def _stated(checkpoints: Iterable[Checkpoint]) -> tuple[dict[int, str], list[int]]:
    """Hash by sequence, and the sequences for which two hashes were signed."""
    stated: dict[int, str] = {}
    contradictions = [
        checkpoint.sequence
        for checkpoint in checkpoints
        if stated.setdefault(checkpoint.sequence, checkpoint.hash) != checkpoint.hash
    ]
    return stated, contradictions


def _report_of_nameless(
    connection: Connection, checkpoints: Mapping[str, Sequence[bytes]] | None
) -> ChainReport:
    """A database that was never linked, or whose whole chain was taken away."""
    head = store.head(connection)
    broken = bool(head.sequence or any((checkpoints or {}).values()))
    return ChainReport(
        chain=None,
        records=0,
        last_hash=Head().hash,
        unlinked=store.count_unlinked(connection),
        checkpoints=None if checkpoints is None else 0,
        checked_until=0,
        breaks=(Break(BreakKind.OTHER_CHAIN),) if broken else (),
    )


def _believe_nobody(_key_id: str) -> None:
    return None
