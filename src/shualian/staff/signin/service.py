"""Signing in, by password or by passkey."""

from dataclasses import dataclass

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.staff.accounts import store as accounts
from shualian.staff.accounts.model import Account, check_usable
from shualian.staff.accounts.service import Names
from shualian.staff.model import StaffChange, StaffEvent
from shualian.staff.passkeys import service as ceremonies
from shualian.staff.passkeys import store as passkeys
from shualian.staff.passkeys.model import (
    CHALLENGE_EXPIRED,
    PASSKEY_COPIED,
    PASSKEY_REFUSED,
    Ceremony,
    Passkey,
    RelyingParty,
    counter_advances,
)
from shualian.staff.passkeys.service import Options, Presented, Response
from shualian.staff.passwords import store as passwords
from shualian.staff.passwords.model import Password, check_pause, counted, pause_after
from shualian.staff.passwords.service import Passwords
from shualian.staff.ports import StaffSealer
from shualian.staff.sessions.model import Method, SessionPolicy, SignedIn
from shualian.staff.sessions.service import begin_session
from shualian.staff.signin.model import SIGN_IN_FAILED
from shualian.trust.audit.service import record

_NOBODY = StaffId("nobody")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known under an account name before the password is looked at."""

    account: Account | None
    kept: bytes | None

    @property
    def staff_id(self) -> StaffId:
        return _NOBODY if self.account is None else self.account.staff_id


class SignIn:
    """From a password or a passkey to a session.

    Unknown account, wrong password and an account without a password get the same refusal after
    the same work: one argon2 check, the same reads and writes, the same pauses.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sealer: StaffSealer,
        hasher: Passwords,
        party: RelyingParty,
        policy: SessionPolicy,
    ) -> None:
        self._database = database
        self._clock = clock
        self._names = Names(sealer)
        self._hasher = hasher
        self._party = party
        self._policy = policy

    def by_password(
        self, *, login: str, password: Password, replaces: str | None = None
    ) -> SignedIn:
        """Sign in who knows the password; administrators and supervisors have none.

        Args:
            login: Account name.
            password: As it was typed.
            replaces: The token that the browser had before.

        Raises:
            Refused: ``staff.sign_in_paused``, ``staff.sign_in_failed``; to who knows the
                password also ``staff.not_approved``, ``staff.account_suspended``.
        """
        login_hash = self._names.login_hash(login)
        known = self._database.write(lambda connection: self._count(connection, login_hash))
        right = self._hasher.matches(known.staff_id, known.kept, password)
        again = self._renewed(known, password) if right else None

        def work(connection: Connection) -> SignedIn | None:
            account = self._still(connection, known) if right else None
            if account is None:
                self._failed(connection, known, login_hash)
                return None
            passwords.forget_attempts(connection, login_hash)
            if again is not None:
                passwords.put(connection, account.staff_id, again)
            return self._open(connection, account, Method.PASSWORD, replaces)

        signed_in = self._database.write(work)
        if signed_in is None:
            raise Refused(SIGN_IN_FAILED)
        return signed_in

    def passkey_options(self) -> Options:
        """What a browser needs to sign in by passkey; asks for no account name.

        Raises:
            Refused: ``staff.service_busy``.
        """
        now = self._clock.now()
        challenge = self._database.write(
            lambda connection: ceremonies.give_challenge(
                connection, Ceremony.SIGN_IN, None, now=now
            )
        )
        return ceremonies.authentication_options(self._party, challenge=challenge)

    def by_passkey(self, response: Response, *, replaces: str | None = None) -> SignedIn:
        """Sign in whose passkey has signed our challenge.

        Raises:
            Refused: ``staff.challenge_expired``, ``staff.passkey_refused``,
                ``staff.passkey_copied``, ``staff.not_approved``, ``staff.account_suspended``.
        """
        shown = ceremonies.presented(response)
        passkey = self._challenged(shown)
        count = ceremonies.verify_authentication(
            response,
            expected_party=self._party,
            expected_challenge=shown.challenge,
            passkey=passkey,
        )

        def work(connection: Connection) -> SignedIn | None:
            kept = passkeys.find(connection, passkey.credential_id)
            account = accounts.find(connection, passkey.staff_id)
            if kept is None or account is None:
                raise Refused(PASSKEY_REFUSED)
            if not counter_advances(kept.sign_count, count):
                self._record(connection, StaffChange.PASSKEY_COUNTER_BACK, account)
                return None
            passkeys.used(connection, kept.credential_id, count, self._clock.now())
            return self._open(connection, account, Method.PASSKEY, replaces)

        signed_in = self._database.write(work)
        if signed_in is None:
            raise Refused(PASSKEY_COPIED)
        return signed_in

    def _challenged(self, shown: Presented) -> Passkey:
        """The passkey that a response names; its challenge is used up, whatever comes of it."""
        now = self._clock.now()

        def take(connection: Connection) -> tuple[bool, Passkey | None]:
            taken = ceremonies.take_challenge(
                connection, shown.challenge, Ceremony.SIGN_IN, None, now=now
            )
            return taken, passkeys.find(connection, shown.credential_id)

        taken, passkey = self._database.write(take)
        if not taken:
            raise Refused(CHALLENGE_EXPIRED)
        # A discoverable passkey names its account (Level 3, 7.2, step 6).
        if passkey is None or shown.user_handle != passkey.staff_id.encode():
            raise Refused(PASSKEY_REFUSED)
        return passkey

    def _count(self, connection: Connection, login_hash: bytes) -> _Known:
        """Count the attempt as a failure before the password is looked at."""
        now = self._clock.now()
        attempts = passwords.attempts_of(connection, login_hash)
        check_pause(attempts, now)
        passwords.put_attempts(connection, login_hash, counted(attempts, now))
        account = accounts.by_login(connection, login_hash)
        staff_id = _NOBODY if account is None else account.staff_id
        return _Known(account, passwords.find(connection, staff_id))

    def _renewed(self, known: _Known, password: Password) -> bytes | None:
        if known.kept is None or not self._hasher.outdated(known.staff_id, known.kept):
            return None
        return self._hasher.sealed(known.staff_id, password)

    def _still(self, connection: Connection, known: _Known) -> Account | None:
        """The account, if its password is the one that was checked and may sign in alone."""
        account = accounts.find(connection, known.staff_id)
        if passwords.find(connection, known.staff_id) != known.kept:
            return None
        return None if account is None or account.privileged else account

    def _failed(self, connection: Connection, known: _Known, login_hash: bytes) -> None:
        attempts = passwords.attempts_of(connection, login_hash)
        failures = 0 if attempts is None else attempts.failures
        change = StaffChange.PAUSED if pause_after(failures) else StaffChange.SIGN_IN_FAILED
        self._record(connection, change, known.account, failures)

    def _open(
        self, connection: Connection, account: Account, method: Method, replaces: str | None
    ) -> SignedIn:
        check_usable(account)
        self._record(connection, StaffChange.SIGNED_IN, account)
        now = self._clock.now()
        return begin_session(
            connection, account, method, now=now, policy=self._policy, replaces=replaces
        )

    def _record(
        self, connection: Connection, change: StaffChange, account: Account | None, count: int = 0
    ) -> None:
        event = StaffEvent(
            change=change,
            subject=None if account is None else account.staff_id,
            actor=None,
            institution=None if account is None else account.employer.institution,
            count=count,
        )
        record(connection, event, at=self._clock.now())
