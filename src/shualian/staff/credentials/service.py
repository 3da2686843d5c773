"""How a person gets a first password or passkey by one-time code, and changes them later."""

from dataclasses import replace

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.refusals import Refused
from shualian.staff.accounts import store as accounts
from shualian.staff.accounts.model import CODE_INVALID, Account, Person, check_code_counts
from shualian.staff.accounts.service import Names, code_digest
from shualian.staff.credentials.model import PASSKEY_REQUIRED
from shualian.staff.model import (
    ACCOUNT_NOT_FOUND,
    Caller,
    StaffChange,
    StaffEvent,
    check_role,
)
from shualian.staff.passkeys import service as ceremonies
from shualian.staff.passkeys import store as passkeys
from shualian.staff.passkeys.model import (
    CHALLENGE_EXPIRED,
    PASSKEY_KNOWN,
    PASSKEY_LAST,
    PASSKEY_NOT_FOUND,
    PASSKEYS_MAX,
    PASSKEYS_TOO_MANY,
    Ceremony,
    Passkey,
    RelyingParty,
)
from shualian.staff.passkeys.service import Options, Response
from shualian.staff.passwords import store as passwords
from shualian.staff.passwords.model import Password, check_password
from shualian.staff.passwords.service import Passwords
from shualian.staff.ports import StaffSealer
from shualian.staff.sessions import store as sessions
from shualian.staff.sessions.model import Method, Session, SessionPolicy, SignedIn
from shualian.staff.sessions.service import begin_session, fresh_account
from shualian.trust.audit.service import record


class Credentials:
    """Use cases about a person's own password and passkeys.

    Nobody but the person ever knows them: an administrator hands over a one-time code, which
    counts once a second person has approved.
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

    def enrol_password(
        self, *, code: str, password: Password, replaces: str | None = None
    ) -> SignedIn:
        """Use a one-time code up for a first password and a first session.

        Raises:
            Refused: ``staff.code_invalid``, ``staff.not_approved``,
                ``staff.account_suspended``, ``staff.passkey_required``, ``staff.password_weak``.
        """
        person = self._database.read(lambda connection: self._by_code(connection, code))
        _refuse_privileged(person.account)
        check_password(password, login=person.login)
        sealed = self._hasher.sealed(person.account.staff_id, password)

        def work(connection: Connection) -> SignedIn:
            account = self._by_code(connection, code).account
            _refuse_privileged(account)
            passwords.put(connection, account.staff_id, sealed)
            return self._enrolled(connection, account, Method.PASSWORD, replaces)

        return self._database.write(work)

    def enrolment_options(self, *, code: str) -> Options:
        """What a browser needs to make a first passkey; the code is used up only by the passkey.

        Raises:
            Refused: ``staff.code_invalid``, ``staff.not_approved``,
                ``staff.account_suspended``, ``staff.service_busy``.
        """

        def work(connection: Connection) -> Options:
            person = self._by_code(connection, code)
            return self._registration(connection, person, Ceremony.ENROL)

        return self._database.write(work)

    def enrol_passkey(
        self, response: Response, *, code: str, replaces: str | None = None
    ) -> SignedIn:
        """Use a one-time code up for a first passkey and a first session.

        Raises:
            Refused: ``staff.code_invalid``, ``staff.not_approved``,
                ``staff.account_suspended``, ``staff.challenge_expired``,
                ``staff.passkey_refused``, ``staff.passkey_known``.
        """
        person = self._database.read(lambda connection: self._by_code(connection, code))
        passkey = self._verified(response, person.account, Ceremony.ENROL)

        def work(connection: Connection) -> SignedIn:
            account = self._by_code(connection, code).account
            _add_passkey(connection, passkey)
            return self._enrolled(connection, account, Method.PASSKEY, replaces)

        return self._database.write(work)

    def set_password(self, caller: Caller, *, password: Password) -> SignedIn:
        """Set or replace the caller's password; every session ends and a new one begins.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``, ``staff.signed_out``,
                ``staff.sign_in_again``, ``staff.passkey_required``, ``staff.password_weak``.
        """
        check_role(caller)
        person = self._database.read(lambda connection: self._fresh(connection, caller)[0])
        _refuse_privileged(person.account)
        check_password(password, login=person.login)
        sealed = self._hasher.sealed(caller.staff_id, password)

        def work(connection: Connection) -> SignedIn:
            fresh, session = self._fresh(connection, caller)
            _refuse_privileged(fresh.account)
            passwords.put(connection, caller.staff_id, sealed)
            self._record(connection, StaffChange.PASSWORD_CHANGED, fresh.account)
            return self._rotated(connection, fresh.account, session.method)

        return self._database.write(work)

    def passkeys(self, caller: Caller) -> list[Passkey]:
        """The caller's own passkeys, the oldest first.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``.
        """
        check_role(caller)

        def work(connection: Connection) -> list[Passkey]:
            if accounts.find_at(connection, caller.staff_id, caller.employer) is None:
                raise Refused(ACCOUNT_NOT_FOUND)
            return passkeys.of(connection, caller.staff_id)

        return self._database.read(work)

    def registration_options(self, caller: Caller) -> Options:
        """What a browser needs to make one more passkey for the caller.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``, ``staff.signed_out``,
                ``staff.sign_in_again``, ``staff.passkeys_too_many``, ``staff.service_busy``.
        """
        check_role(caller)

        def work(connection: Connection) -> Options:
            person, _ = self._fresh(connection, caller)
            return self._registration(connection, person, Ceremony.REGISTER)

        return self._database.write(work)

    def add_passkey(self, caller: Caller, response: Response) -> Passkey:
        """Keep one more passkey of the caller.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``, ``staff.signed_out``,
                ``staff.sign_in_again``, ``staff.challenge_expired``, ``staff.passkey_refused``,
                ``staff.passkey_known``, ``staff.passkeys_too_many``.
        """
        check_role(caller)
        person = self._database.read(lambda connection: self._fresh(connection, caller)[0])
        passkey = self._verified(response, person.account, Ceremony.REGISTER)

        def work(connection: Connection) -> Passkey:
            fresh, _ = self._fresh(connection, caller)
            _add_passkey(connection, passkey)
            self._record(connection, StaffChange.PASSKEY_ADDED, fresh.account)
            return passkey

        return self._database.write(work)

    def remove_passkey(self, caller: Caller, *, passkey_id: str) -> SignedIn:
        """Delete one of the caller's passkeys; every session ends and a new one begins.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``, ``staff.signed_out``,
                ``staff.sign_in_again``, ``staff.passkey_not_found``, ``staff.passkey_last``.
        """
        check_role(caller)

        def work(connection: Connection) -> SignedIn:
            fresh, session = self._fresh(connection, caller)
            known = passkeys.of(connection, caller.staff_id)
            chosen = [each for each in known if each.passkey_id == passkey_id]
            if not chosen:
                raise Refused(PASSKEY_NOT_FOUND)
            if len(known) == 1 and passwords.find(connection, caller.staff_id) is None:
                raise Refused(PASSKEY_LAST)
            passkeys.remove(connection, chosen[0].credential_id)
            self._record(connection, StaffChange.PASSKEY_REMOVED, fresh.account)
            return self._rotated(connection, fresh.account, session.method)

        return self._database.write(work)

    def _by_code(self, connection: Connection, code: str) -> Person:
        account = accounts.by_code(connection, code_digest(code), self._clock.now())
        if account is None:
            raise Refused(CODE_INVALID)
        check_code_counts(account)
        return self._names.open(account, accounts.names_of(connection, account.staff_id))

    def _fresh(self, connection: Connection, caller: Caller) -> tuple[Person, Session]:
        now = self._clock.now()
        account, session = fresh_account(connection, caller, now=now, policy=self._policy)
        names = accounts.names_of(connection, caller.staff_id)
        return self._names.open(account, names), session

    def _registration(self, connection: Connection, person: Person, ceremony: Ceremony) -> Options:
        staff_id, now = person.account.staff_id, self._clock.now()
        known = passkeys.of(connection, staff_id)
        if len(known) >= PASSKEYS_MAX:
            raise Refused(PASSKEYS_TOO_MANY)
        challenge = ceremonies.give_challenge(connection, ceremony, staff_id, now=now)
        return ceremonies.registration_options(
            self._party, staff_id=staff_id, login=person.login, known=known, challenge=challenge
        )

    def _verified(self, response: Response, account: Account, ceremony: Ceremony) -> Passkey:
        shown, now = ceremonies.presented(response), self._clock.now()
        taken = self._database.write(
            lambda connection: ceremonies.take_challenge(
                connection, shown.challenge, ceremony, account.staff_id, now=now
            )
        )
        if not taken:
            raise Refused(CHALLENGE_EXPIRED)
        return ceremonies.verify_registration(
            response,
            expected_party=self._party,
            expected_challenge=shown.challenge,
            staff_id=account.staff_id,
            now=now,
        )

    def _enrolled(
        self, connection: Connection, account: Account, method: Method, replaces: str | None
    ) -> SignedIn:
        accounts.take_code(connection, account.staff_id)
        self._record(connection, StaffChange.ENROLLED, account)
        now = self._clock.now()
        return begin_session(
            connection, account, method, now=now, policy=self._policy, replaces=replaces
        )

    def _rotated(self, connection: Connection, account: Account, method: Method) -> SignedIn:
        accounts.raise_version(connection, account.staff_id)
        sessions.end_all(connection, account.staff_id)
        raised = replace(account, version=account.version + 1)
        now = self._clock.now()
        return begin_session(connection, raised, method, now=now, policy=self._policy)

    def _record(self, connection: Connection, change: StaffChange, account: Account) -> None:
        event = StaffEvent(
            change=change,
            subject=account.staff_id,
            actor=account.staff_id,
            institution=account.employer.institution,
            count=0,
        )
        record(connection, event, at=self._clock.now())


def _refuse_privileged(account: Account) -> None:
    if account.privileged:
        raise Refused(PASSKEY_REQUIRED)


def _add_passkey(connection: Connection, passkey: Passkey) -> None:
    if passkeys.find(connection, passkey.credential_id) is not None:
        raise Refused(PASSKEY_KNOWN)
    if len(passkeys.of(connection, passkey.staff_id)) >= PASSKEYS_MAX:
        raise Refused(PASSKEYS_TOO_MANY)
    passkeys.add(connection, passkey)
