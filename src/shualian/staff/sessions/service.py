"""Use cases of sessions: from a token to a caller, and their end."""

import secrets
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import new_identifier
from shualian.core.refusals import Refused
from shualian.staff.accounts import store as accounts
from shualian.staff.accounts.model import Account
from shualian.staff.model import (
    ACCOUNT_NOT_FOUND,
    Caller,
    StaffChange,
    StaffEvent,
    StaffSessionId,
    check_role,
)
from shualian.staff.sessions import store
from shualian.staff.sessions.model import (
    SEEN_STEP,
    SESSION_NOT_FOUND,
    SIGNED_OUT,
    TOKEN_BYTES,
    Method,
    Session,
    SessionPolicy,
    SignedIn,
    check_fresh,
    check_live,
)
from shualian.trust.audit.service import record


class Sessions:
    """Which token stands for whom, and for how long."""

    def __init__(self, *, database: Database, clock: Clock, policy: SessionPolicy) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy

    def resolve(self, token: str) -> Caller:
        """The caller for whom a token stands; counts as use of the session.

        Raises:
            Refused: ``staff.signed_out``.
        """
        now, digest = self._clock.now(), token_digest(token)
        session, caller = self._database.read(lambda connection: self._live(connection, digest))
        if now - session.seen_at >= SEEN_STEP:
            self._database.write(lambda connection: store.seen(connection, session.session_id, now))
        return caller

    def listed(self, caller: Caller) -> list[Session]:
        """The caller's own sessions, the newest first.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``.
        """
        check_role(caller)

        def work(connection: Connection) -> list[Session]:
            _own(connection, caller)
            return store.of(connection, caller.staff_id)

        return self._database.read(work)

    def sign_out(self, caller: Caller) -> None:
        """End the session through which the caller came.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``,
                ``staff.session_not_found``.
        """
        self.revoke(caller, session_id=caller.session)

    def revoke(self, caller: Caller, *, session_id: StaffSessionId | None) -> None:
        """End one of the caller's own sessions.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``,
                ``staff.session_not_found``.
        """
        check_role(caller)

        def work(connection: Connection) -> None:
            _own(connection, caller)
            if not store.end(connection, session_id, caller.staff_id):
                raise Refused(SESSION_NOT_FOUND)
            self._record(connection, StaffChange.SIGNED_OUT, caller, 1)

        self._database.write(work)

    def revoke_all(self, caller: Caller) -> int:
        """End all of the caller's own sessions; how many there were.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``.
        """
        check_role(caller)

        def work(connection: Connection) -> int:
            _own(connection, caller)
            ended = store.end_all(connection, caller.staff_id)
            self._record(connection, StaffChange.SESSIONS_REVOKED, caller, ended)
            return ended

        return self._database.write(work)

    def _live(self, connection: Connection, digest: bytes) -> tuple[Session, Caller]:
        session = store.by_token(connection, digest)
        account = None if session is None else accounts.find(connection, session.staff_id)
        if session is None or account is None:
            raise Refused(SIGNED_OUT)
        check_live(session, account, self._clock.now(), self._policy)
        return session, _caller(account, session.session_id)

    def _record(
        self, connection: Connection, change: StaffChange, caller: Caller, count: int
    ) -> None:
        event = StaffEvent(
            change=change,
            subject=caller.staff_id,
            actor=caller.staff_id,
            institution=caller.employer.institution,
            count=count,
        )
        record(connection, event, at=self._clock.now())


def token_digest(token: str) -> bytes:
    """What the database keeps of a session's token: SHA-256."""
    return sha256(b"staff session\0" + token.encode("utf-8", "replace")).digest()


def begin_session(
    connection: Connection,
    account: Account,
    method: Method,
    *,
    now: datetime,
    policy: SessionPolicy,
    replaces: str | None = None,
) -> SignedIn:
    """Open a session inside the transaction that found its person.

    Args:
        connection: Of that transaction.
        account: Whose session.
        method: How the person was known.
        now: Sign-in.
        policy: How long it lasts.
        replaces: The token that the browser had before; its session ends.
    """
    if replaces is not None:
        store.end_token(connection, token_digest(replaces))
    token, session_id = secrets.token_urlsafe(TOKEN_BYTES), StaffSessionId(new_identifier())
    expires_at = now + policy.absolute
    session = Session(session_id, account.staff_id, account.version, method, now, now, expires_at)
    store.add(connection, session, token_digest(token))
    return SignedIn(_caller(account, session_id), token, expires_at)


def fresh_account(
    connection: Connection, caller: Caller, *, now: datetime, policy: SessionPolicy
) -> tuple[Account, Session]:
    """The caller's own account and session, when the caller signed in just now.

    Raises:
        Refused: ``staff.account_not_found``, ``staff.signed_out``, ``staff.sign_in_again``.
    """
    account = _own(connection, caller)
    session = store.find(connection, caller.session, caller.staff_id)
    if session is None:
        raise Refused(SIGNED_OUT)
    check_live(session, account, now, policy)
    check_fresh(session, now, policy)
    return account, session


def _own(connection: Connection, caller: Caller) -> Account:
    account = accounts.find_at(connection, caller.staff_id, caller.employer)
    if account is None:
        raise Refused(ACCOUNT_NOT_FOUND)
    return account


def _caller(account: Account, session_id: StaffSessionId) -> Caller:
    return Caller(account.staff_id, account.employer, account.roles, session_id)
