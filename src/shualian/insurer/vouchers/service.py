"""Use cases of vouchers, of the codes that are shown of them, and of their PINs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database, forbid_in_transaction
from shualian.core.database.statements import own_locks
from shualian.core.identifiers import (
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    new_secret_token,
)
from shualian.core.refusals import Refused
from shualian.insurer.vouchers import store
from shualian.insurer.vouchers.model import (
    CODE_VALID,
    DORMANT_AFTER,
    PIN_BUSY,
    PIN_FAILURES_MAX,
    PIN_NOT_SET,
    PIN_SET_ALREADY,
    PIN_TOO_NEW,
    PIN_WRONG,
    SCAN_TOO_WEAK,
    VOUCHER_ELSEWHERE,
    VOUCHER_NOT_ACTIVATED,
    AtTerminal,
    ByChannel,
    CodeRedemption,
    Evidence,
    Freeze,
    FreezeReason,
    FrozenBy,
    QrCode,
    ShownCode,
    Voucher,
    VoucherChange,
    VoucherEvent,
    VoucherState,
    activated,
    check_insurer,
    check_new_pin,
    check_pin_attempts,
    check_pin_form,
    check_usable,
    closed,
    decide_code,
    frozen,
    institution_of,
    new_ec_token,
    pin_counted,
    read_code,
    role_of,
    state_of,
    unfrozen,
    used,
)
from shualian.insurer.vouchers.ports import People, VoucherSealer
from shualian.insurer.vouchers.store import KeptPin, KeptToken
from shualian.staff.passwords.model import HashCost
from shualian.terminals.model import Actor
from shualian.trust.audit.model import Code, Digest
from shualian.trust.audit.service import record
from shualian.verification.model import ConfirmedPerson, Factor
from shualian.verification.registry.model import RegistryVerdict

_TOKEN = "insurer.voucher.ec_token"  # noqa: S105 - the name of a purpose
_CODE = "insurer.voucher.code"
_PIN = "insurer.voucher.pin"
_AT_ONCE_MAX = 2
_WAIT_MAX_S = 10.0


class Vouchers:
    """The life of every voucher and of the codes that are shown of it.

    Proven: a code gives one answer to one institution and one intent, whoever redeems it first; a
    token at rest opens nothing without the key. Not proven: that the phone which shows a code is
    held by its owner.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sealer: VoucherSealer,
        dormant_after: timedelta = DORMANT_AFTER,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._dormant_after = dormant_after

    def standing(self, psn_no: PersonNo, *, now: datetime | None = None) -> VoucherState:
        """Where a person's voucher stands, now or at ``now``."""
        found = self._database.read(lambda connection: store.find(connection, psn_no))
        return self._state(found, now or self._clock.now())

    def standing_in(
        self, connection: Connection, psn_no: PersonNo, *, now: datetime
    ) -> VoucherState:
        """As :meth:`standing`, in the caller's transaction."""
        return self._state(store.find(connection, psn_no), now)

    def activate_at_terminal(
        self, psn_no: PersonNo, *, region: str, session_id: SessionId, at: datetime
    ) -> VoucherState:
        """See :meth:`scanned_in`, in a transaction of its own."""
        return self._database.write(
            lambda connection: self.scanned_in(
                connection, psn_no, region=region, session_id=session_id, at=at
            )
        )

    def wake(self, psn_no: PersonNo, *, session_id: SessionId) -> None:
        """A dormant voucher is good again; one that is active stays so.

        Raises:
            Refused: ``insurer.voucher_not_activated``, ``voucher_frozen``, ``voucher_closed``.
        """
        now = self._clock.now()

        def work(connection: Connection) -> None:
            found = store.find(connection, psn_no)
            if found is None:
                raise Refused(VOUCHER_NOT_ACTIVATED)
            self._use(connection, found, session_id, now)

        self._database.write(work)

    def scanned_in(
        self,
        connection: Connection,
        psn_no: PersonNo,
        *,
        region: str,
        session_id: SessionId,
        at: datetime,
    ) -> VoucherState:
        """What a verified scan does, in the caller's transaction: activates, wakes or notes a use.

        Args:
            connection: Of the caller.
            psn_no: Who was verified, by active liveness and the registry where the voucher was
                not active.
            region: 参保地, 6 digits; begins the token.
            session_id: Of the scan.
            at: UTC.

        Returns:
            Where the voucher stood before.

        Raises:
            Refused: ``insurer.voucher_frozen``, ``insurer.voucher_closed``.
        """
        found = store.find(connection, psn_no)
        if found is None:
            self._activate(connection, None, psn_no, AtTerminal(session_id), region, at)
            return VoucherState.NOT_ACTIVATED
        return self._use(connection, found, session_id, at)

    def activate_by_channel(
        self, psn_no: PersonNo, *, region: str, evidence: ByChannel, at: datetime
    ) -> str:
        """See :meth:`channel_activates_in`, in a transaction of its own."""
        return self._database.write(
            lambda connection: self.channel_activates_in(
                connection, psn_no, region=region, evidence=evidence, at=at
            )
        )

    def channel_activates_in(
        self,
        connection: Connection,
        psn_no: PersonNo,
        *,
        region: str,
        evidence: ByChannel,
        at: datetime,
    ) -> str:
        """Activate by a channel's face check, in the caller's transaction; wakes a dormant one.

        Returns:
            The ``ec_token``; the same one for a voucher that was activated before.

        Raises:
            Refused: ``insurer.voucher_frozen``, ``insurer.voucher_closed``.
        """
        found = store.find(connection, psn_no)
        self._activate(connection, found, psn_no, evidence, region, at)
        return self.token_in(connection, psn_no)

    def token_in(self, connection: Connection, psn_no: PersonNo) -> str:
        """The ``ec_token`` that a voucher has, whatever its state, in the caller's transaction.

        Raises:
            Refused: ``insurer.voucher_not_activated``.
        """
        sealed = store.token_of(connection, psn_no)
        if sealed is None:
            raise Refused(VOUCHER_NOT_ACTIVATED)
        return self._sealer.open(sealed, purpose=_TOKEN, context=psn_no.encode()).decode()

    def ec_token(self, psn_no: PersonNo) -> str:
        """令牌 ``ecToken`` of a person's voucher; a secret of person and insurer.

        Raises:
            Refused: Those of :func:`check_usable`.
        """
        now = self._clock.now()

        def work(connection: Connection) -> str:
            check_usable(self._state(store.find(connection, psn_no), now))
            return self.token_in(connection, psn_no)

        return self._database.read(work)

    def by_ec_token(self, ec_token: str) -> PersonNo:
        """Whose token this is; the voucher is active.

        Raises:
            Refused: Those of :func:`check_usable`; ``voucher_not_activated`` for no such token.
        """
        digest, now = self._digest(ec_token, _TOKEN), self._clock.now()
        found = self._database.read(lambda connection: store.by_token(connection, digest))
        check_usable(self._state(found, now))
        if found is None:
            raise Refused(VOUCHER_NOT_ACTIVATED)
        return found.psn_no

    def freeze(self, psn_no: PersonNo, *, reason: FreezeReason, actor: Actor) -> None:
        """Freeze somebody's voucher at a window or at the insurer; again changes nothing.

        Raises:
            Refused: ``insurer.voucher_not_activated``, ``insurer.voucher_closed``.
        """
        freeze = Freeze(role_of(actor), reason, self._clock.now())
        event = VoucherEvent(
            change=VoucherChange.FROZEN,
            subject=psn_no,
            actor=actor.staff,
            reason=reason,
            institution=institution_of(actor),
        )
        self._change(lambda found: frozen(found, freeze), event)

    def freeze_own(self, person: ConfirmedPerson, *, reason: FreezeReason) -> None:
        """Freeze one's own voucher at a terminal.

        Raises:
            Refused: ``insurer.voucher_not_activated``, ``insurer.voucher_closed``.
        """
        freeze = Freeze(FrozenBy.PERSON, reason, self._clock.now())
        event = VoucherEvent(
            change=VoucherChange.FROZEN,
            subject=person.subject,
            session_id=person.session_id,
            reason=reason,
        )
        self._change(lambda found: frozen(found, freeze), event)

    def unfreeze(self, psn_no: PersonNo, *, actor: Actor) -> None:
        """Undo a freeze; the insurer's staff only.

        Raises:
            Refused: Those of :func:`unfrozen`.
        """
        event = VoucherEvent(change=VoucherChange.UNFROZEN, subject=psn_no, actor=actor.staff)
        self._change(lambda found: unfrozen(found, by=role_of(actor)), event)

    def unfreeze_own(self, person: ConfirmedPerson) -> None:
        """Undo a freeze by the person's own proof, unless the insurer froze it.

        Raises:
            Refused: ``insurer.scan_too_weak`` and those of :func:`unfrozen`.
        """
        check_strong(person)
        event = VoucherEvent(
            change=VoucherChange.UNFROZEN, subject=person.subject, session_id=person.session_id
        )
        self._change(lambda found: unfrozen(found, by=FrozenBy.PERSON), event)

    def close(self, psn_no: PersonNo, *, actor: Actor) -> None:
        """End a voucher for good; the insurer's staff only; again changes nothing.

        Raises:
            Refused: ``insurer.insurer_only``, ``insurer.voucher_not_activated``.
        """
        check_insurer(actor)
        now = self._clock.now()
        event = VoucherEvent(change=VoucherChange.CLOSED, subject=psn_no, actor=actor.staff)
        self._change(lambda found: closed(found, at=now), event)

    def show_code(self, psn_no: PersonNo) -> QrCode:
        """A new code of a person's voucher; an earlier one that was not used is void.

        Raises:
            Refused: Those of :func:`check_usable`.
        """
        token, now = new_secret_token(), self._clock.now()
        digest, expires_at = self._digest(token, _CODE), now + CODE_VALID

        def work(connection: Connection) -> None:
            check_usable(self._state(store.find(connection, psn_no), now))
            shown = ShownCode(psn_no, expires_at)
            store.show_code(connection, digest, shown, ended_before=now)

        self._database.write(work)
        return QrCode(token, expires_at)

    def redeem_code(
        self, token: str, *, institution: InstitutionCode, intent_id: IntentId, use: str
    ) -> CodeRedemption:
        """Use a shown code up; the same institution, intent and use get the same answer again.

        Raises:
            Refused: Those of :func:`decide_code`.
        """
        digest = self.code_digest(token)

        def work(connection: Connection) -> CodeRedemption | Refused:
            own_locks(connection)
            return self.redeem_code_in(
                connection, digest, institution=institution, intent_id=intent_id, use=use
            )

        answer = self._database.write(work)
        if isinstance(answer, Refused):
            raise answer
        return answer

    def read_code(self, token: str, *, institution: InstitutionCode) -> PersonNo:
        """Whose shown code it is; it stays good for its one use.

        Raises:
            Refused: Those of :func:`shualian.insurer.vouchers.model.read_code`.
        """
        digest, now = self.code_digest(token), self._clock.now()

        def work(connection: Connection) -> PersonNo:
            code = store.code_of(connection, digest)
            owner = None if code is None else store.find(connection, code.psn_no)
            state = self._state(owner, now)
            return read_code(code, state=state, institution=institution, now=now)

        return self._database.read(work)

    def code_digest(self, token: str) -> bytes:
        """By which a shown code is kept; computed outside transactions."""
        return self._digest(token, _CODE)

    def redeem_code_in(
        self,
        connection: Connection,
        digest: bytes,
        *,
        institution: InstitutionCode,
        intent_id: IntentId,
        use: str,
    ) -> CodeRedemption | Refused:
        """As :meth:`redeem_code`, in the caller's transaction, which has :func:`own_locks`.

        Returns:
            The redemption; or ``insurer.voucher_in_use_elsewhere`` as a value, because what was
            recorded of it must be committed.

        Raises:
            Refused: The others of :func:`decide_code`.
        """
        now = self._clock.now()
        code = store.code_of(connection, digest, locked=True)
        owner = None if code is None else store.find(connection, code.psn_no, locked=True)
        latest = None if code is None else store.latest_redemption(connection, code.psn_no)
        try:
            made = decide_code(
                code,
                latest=latest,
                state=self._state(owner, now),
                institution=institution,
                intent_id=intent_id,
                use=use,
                now=now,
            )
        except Refused as refused:
            # Somebody else holds this code or another of the same person: that is recorded.
            if refused.kind is not VOUCHER_ELSEWHERE or code is None:
                raise
            change = VoucherChange.CODE_ELSEWHERE
            self._record_code(connection, change, code.psn_no, institution, intent_id, now)
            return refused
        if code is None or owner is None or code.redemption is not None:
            return made
        store.put_redemption(connection, digest, made)
        store.put(connection, used(owner, at=now))
        change = VoucherChange.CODE_REDEEMED
        self._record_code(connection, change, made.psn_no, institution, intent_id, now)
        return made

    def _state(self, found: Voucher | None, now: datetime) -> VoucherState:
        return state_of(found, now=now, dormant_after=self._dormant_after)

    def _use(
        self, connection: Connection, found: Voucher, session_id: SessionId, at: datetime
    ) -> VoucherState:
        before = self._state(found, at)
        store.put(connection, used(found, at=at))
        if before is VoucherState.DORMANT:
            event = VoucherEvent(
                change=VoucherChange.WOKEN, subject=found.psn_no, session_id=session_id
            )
            record(connection, event, at=at)
        return before

    def _activate(
        self,
        connection: Connection,
        found: Voucher | None,
        psn_no: PersonNo,
        evidence: Evidence,
        region: str,
        at: datetime,
    ) -> None:
        made = activated(found, psn_no=psn_no, evidence=evidence, at=at)
        if found is None:
            store.add(connection, made, self._new_token(psn_no, region))
        else:
            store.put(connection, made)
        before = self._state(found, at)
        if before is not VoucherState.ACTIVE:
            record(connection, _activation_event(before, psn_no, evidence), at=at)

    def _change(self, decide: Callable[[Voucher | None], Voucher], event: VoucherEvent) -> None:
        now = self._clock.now()

        def work(connection: Connection) -> None:
            found = store.find(connection, event.subject)
            changed = decide(found)
            if changed != found:
                store.put(connection, changed)
                record(connection, event, at=now)

        self._database.write(work)

    def _record_code(
        self,
        connection: Connection,
        change: VoucherChange,
        psn_no: PersonNo,
        institution: InstitutionCode,
        intent_id: IntentId,
        at: datetime,
    ) -> None:
        event = VoucherEvent(
            change=change, subject=psn_no, institution=institution, intent_id=intent_id
        )
        record(connection, event, at=at)

    def _new_token(self, psn_no: PersonNo, region: str) -> KeptToken:
        token = new_ec_token(region)
        sealed = self._sealer.seal(token.encode(), purpose=_TOKEN, context=psn_no.encode())
        return KeptToken(self._digest(token, _TOKEN), sealed)

    def _digest(self, token: str, purpose: str) -> bytes:
        return self._sealer.keyed_hash(token.encode(), purpose=purpose)


PIN_JOINS_AFTER = timedelta(hours=24)
"""As long as no payment by a face follows on a replaced template."""


class JoiningPins:
    """PINs as verification asks for them: joined to a face; its port ``Pins``."""

    def __init__(self, pins: "VoucherPins") -> None:
        self._pins = pins

    def check(self, subject: PersonNo, pin: str) -> None:
        """See :meth:`VoucherPins.check_joining`."""
        self._pins.check_joining(subject, pin)


class VoucherPins:
    """PINs of six digits: argon2id hashes, sealed; hashed outside transactions.

    Proven: a guesser gets six tries in all between two right entries, whatever is sent at once,
    because a try is counted before the PIN is looked at. Not proven: that nobody watched it being
    typed.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sealer: VoucherSealer,
        people: People,
        cost: HashCost | None = None,
    ) -> None:
        cost = cost or HashCost()
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._people = people
        self._hasher = PasswordHasher(cost.passes, cost.memory_kib, cost.lanes)
        self._turns = threading.BoundedSemaphore(_AT_ONCE_MAX)

    def set(self, person: ConfirmedPerson, pin: str) -> None:
        """Set the first PIN by the person's own scan.

        Raises:
            Refused: ``insurer.scan_too_weak``, ``insurer.pin_set_already``, those of
                :func:`check_new_pin`, ``insurer.person_not_found``, ``insurer.pin_busy``.
        """
        check_strong(person)
        event = VoucherEvent(
            change=VoucherChange.PIN_SET, subject=person.subject, session_id=person.session_id
        )
        self._keep(event, pin, first=True, joins_from=self._joins_from(person))

    def reset(self, person: ConfirmedPerson, pin: str) -> None:
        """Put a new PIN in the place of a forgotten or locked one by the person's own scan.

        Raises:
            Refused: As :meth:`set`, but never ``insurer.pin_set_already``.
        """
        check_strong(person)
        event = VoucherEvent(
            change=VoucherChange.PIN_RESET, subject=person.subject, session_id=person.session_id
        )
        self._keep(event, pin, first=False, joins_from=self._joins_from(person))

    def reset_at_window(self, psn_no: PersonNo, pin: str, *, actor: Actor) -> None:
        """Set or reset a PIN that the person typed at a window after showing the document.

        Raises:
            Refused: Those of :func:`check_new_pin`, ``insurer.person_not_found``,
                ``insurer.pin_busy``.
        """
        event = VoucherEvent(
            change=VoucherChange.PIN_RESET,
            subject=psn_no,
            actor=actor.staff,
            institution=institution_of(actor),
        )
        self._keep(event, pin, first=False, joins_from=None)

    def check_joining(self, subject: PersonNo, pin: str) -> None:
        """Let the right PIN join a face; one that rests on a face alone joins none for a day.

        Otherwise two scans, one that sets the PIN and one that pays with it, would be the face
        alone.

        Raises:
            Refused: ``insurer.pin_too_new``, and as :meth:`check`.
        """
        kept = self._database.read(lambda connection: store.pin_of(connection, subject))
        joins_from = None if kept is None else kept.joins_from
        if joins_from is not None and self._clock.now() < joins_from:
            raise Refused(PIN_TOO_NEW)
        self.check(subject, pin)

    def check(self, subject: PersonNo, pin: str) -> None:
        """Let the right PIN pass; a wrong one counts, and so many lock the PIN.

        Raises:
            Refused: ``insurer.pin_malformed`` (does not count), ``pin_not_set``, ``pin_paused``,
                ``pin_locked``, ``pin_wrong`` with the tries that are ``left``, ``pin_busy``.
        """
        check_pin_form(pin)
        with self._turn():
            kept = self._database.write(lambda connection: self._admitted(connection, subject))
            right = self._matches(subject, kept, pin)
        if not right:
            left = _tries_left(kept)
            if left == 0:
                self._record_lock(subject)
            raise Refused(PIN_WRONG, left=left)
        self._database.write(lambda connection: _forgive(connection, subject, kept))

    def _joins_from(self, person: ConfirmedPerson) -> datetime | None:
        vouched = not person.factors.isdisjoint({Factor.DOCUMENT, Factor.CALLED})
        return None if vouched else self._clock.now() + PIN_JOINS_AFTER

    def _record_lock(self, subject: PersonNo) -> None:
        event = VoucherEvent(change=VoucherChange.PIN_LOCKED, subject=subject)
        now = self._clock.now()
        self._database.write(lambda connection: record(connection, event, at=now))

    def _admitted(self, connection: Connection, subject: PersonNo) -> KeptPin:
        """The PIN with this try counted already."""
        now = self._clock.now()
        kept = store.pin_of(connection, subject)
        if kept is None:
            raise Refused(PIN_NOT_SET)
        check_pin_attempts(kept.attempts, now=now)
        counted = pin_counted(kept.attempts, now=now)
        store.put_attempts(connection, subject, counted)
        return KeptPin(kept.hash_sealed, counted)

    def _keep(
        self, event: VoucherEvent, pin: str, *, first: bool, joins_from: datetime | None
    ) -> None:
        subject = event.subject
        check_new_pin(pin, id_number=self._people.get(subject).id_number)
        with self._turn():
            encoded = self._hasher.hash(pin)
        sealed = self._sealer.seal(encoded.encode(), purpose=_PIN, context=subject.encode())
        now = self._clock.now()

        def work(connection: Connection) -> None:
            if first and store.pin_of(connection, subject) is not None:
                raise Refused(PIN_SET_ALREADY)
            store.put_pin(connection, subject, sealed, joins_from=joins_from)
            record(connection, event, at=now)

        self._database.write(work)

    def _matches(self, subject: PersonNo, kept: KeptPin, pin: str) -> bool:
        encoded = self._sealer.open(kept.hash_sealed, purpose=_PIN, context=subject.encode())
        try:
            return self._hasher.verify(encoded.decode(), pin)
        except (VerificationError, InvalidHashError):
            return False

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Few hash at once: each takes 64 MiB and a core."""
        forbid_in_transaction("hashing a PIN")
        if not self._turns.acquire(timeout=_WAIT_MAX_S):
            raise Refused(PIN_BUSY)
        try:
            yield
        finally:
            self._turns.release()


def check_strong(person: ConfirmedPerson) -> None:
    """Let a scan pass with active liveness that the police registry matched.

    Raises:
        Refused: ``insurer.scan_too_weak``.
    """
    if not person.active or person.registry is not RegistryVerdict.MATCH:
        raise Refused(SCAN_TOO_WEAK)


def _forgive(connection: Connection, subject: PersonNo, kept: KeptPin) -> None:
    """Forget the wrong tries, unless the PIN was replaced while this one was looked at."""
    found = store.pin_of(connection, subject)
    if found is None or found.hash_sealed != kept.hash_sealed:
        raise Refused(PIN_WRONG, left=0)
    store.put_attempts(connection, subject, None)


def _tries_left(kept: KeptPin) -> int:
    counted = 0 if kept.attempts is None else kept.attempts.failures
    return PIN_FAILURES_MAX - counted


def _activation_event(before: VoucherState, psn_no: PersonNo, evidence: Evidence) -> VoucherEvent:
    first = before is VoucherState.NOT_ACTIVATED
    change = VoucherChange.ACTIVATED if first else VoucherChange.WOKEN
    if isinstance(evidence, AtTerminal):
        return VoucherEvent(change=change, subject=psn_no, session_id=evidence.session_id)
    return VoucherEvent(
        change=change,
        subject=psn_no,
        channel=Code(evidence.channel),
        reference=Digest(sha256(evidence.reference.encode()).hexdigest()),
    )
