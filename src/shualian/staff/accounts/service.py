"""Use cases of accounts: whoever proposes a change is not the one who approves it."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import StaffId, new_identifier, new_secret_token
from shualian.core.refusals import Refused
from shualian.staff.accounts import store
from shualian.staff.accounts.model import (
    BOOTSTRAP_CLOSED,
    BOOTSTRAP_MAX,
    CHANGE_WAITING,
    CODE_VALID,
    LOGIN_TAKEN,
    NOTHING_PROPOSED,
    PASSKEY_MISSING,
    Account,
    AccountState,
    NewCode,
    Person,
    Proposal,
    check_approval,
    check_governs,
    checked_login,
    checked_name,
    checked_roles,
    is_privileged,
    plain_login,
)
from shualian.staff.accounts.store import SealedNames
from shualian.staff.model import (
    ACCOUNT_NOT_FOUND,
    INSURER,
    PRIVILEGED,
    Caller,
    Employer,
    Role,
    StaffChange,
    StaffEvent,
    check_role,
)
from shualian.staff.passkeys import store as passkeys
from shualian.staff.passwords import store as passwords
from shualian.staff.ports import StaffSealer
from shualian.staff.sessions import store as sessions
from shualian.trust.audit.service import record

_LOGIN = "staff.login"
_NAME = "staff.name"


class Names:
    """Seals and opens what is personal of an account."""

    def __init__(self, sealer: StaffSealer) -> None:
        self._sealer = sealer

    def login_hash(self, login: str) -> bytes:
        """By which an account name, as it was typed, is found."""
        return self._sealer.keyed_hash(plain_login(login).encode(), purpose=_LOGIN)

    def seal(self, staff_id: StaffId, *, login: str, name: str) -> SealedNames:
        """Checked names, encrypted and bound to the account.

        Raises:
            Refused: ``staff.login_invalid``, ``staff.name_invalid``.
        """
        login, name, context = checked_login(login), checked_name(name), staff_id.encode()
        return SealedNames(
            self.login_hash(login),
            self._sealer.seal(login.encode(), purpose=_LOGIN, context=context),
            self._sealer.seal(name.encode(), purpose=_NAME, context=context),
        )

    def open(self, account: Account, names: SealedNames) -> Person:
        """The account with its names in the clear."""
        context = account.staff_id.encode()
        login = self._sealer.open(names.login_sealed, purpose=_LOGIN, context=context)
        name = self._sealer.open(names.name_sealed, purpose=_NAME, context=context)
        return Person(account, login.decode(), name.decode())


class Accounts:
    """Who has an account, with which roles, decided by two people."""

    def __init__(self, *, database: Database, clock: Clock, sealer: StaffSealer) -> None:
        self._database = database
        self._clock = clock
        self._names = Names(sealer)

    def own(self, caller: Caller) -> Person:
        """The caller's own account.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``.
        """
        check_role(caller)

        def work(connection: Connection) -> tuple[Account, SealedNames]:
            account = _found(store.find_at(connection, caller.staff_id, caller.employer))
            return account, store.names_of(connection, caller.staff_id)

        return self._names.open(*self._database.read(work))

    def listed(self, caller: Caller, *, employer: Employer) -> list[Person]:
        """All accounts of the caller's employer, for who governs it.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``.
        """
        check_governs(caller, employer)
        rows = self._database.read(lambda connection: store.at_employer(connection, employer))
        return [self._names.open(account, names) for account, names in rows]

    def waiting_outside(self, caller: Caller) -> list[Person]:
        """Waiting changes at hospitals, for a supervisor of the insurer.

        Raises:
            Refused: ``staff.role_missing``.
        """
        check_role(caller, (Role.SUPERVISOR,))
        rows = self._database.read(lambda connection: store.proposed_outside(connection, INSURER))
        return [self._names.open(account, names) for account, names in rows]

    def create(
        self, caller: Caller, *, employer: Employer, login: str, name: str, roles: Iterable[Role]
    ) -> NewCode:
        """Make an account that waits for a second person; its code counts from then on.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found`` (another employer),
                ``staff.roles_invalid``, ``staff.login_invalid``, ``staff.login_taken``,
                ``staff.name_invalid``.
        """
        check_governs(caller, employer)
        now, staff_id = self._clock.now(), StaffId(new_identifier())
        proposal = _proposal(caller, checked_roles(roles, employer), now, new_credentials=True)
        account = Account(staff_id, employer, frozenset(), AccountState.WAITING, 1)
        names = self._names.seal(staff_id, login=login, name=name)
        code, code_hash = _new_code(staff_id, now)

        def work(connection: Connection) -> None:
            _refuse_taken(connection, names)
            store.add(connection, account, names, created_by=caller.staff_id, created_at=now)
            store.propose(connection, staff_id, proposal)
            store.put_code(connection, staff_id, code_hash, code.expires_at)
            self._record(connection, StaffChange.PROPOSED, account, caller)

        self._database.write(work)
        return code

    def propose_roles(self, caller: Caller, *, staff_id: StaffId, roles: Iterable[Role]) -> None:
        """Ask a second person for other roles, or for a suspended account to be active again.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``,
                ``staff.roles_invalid``, ``staff.change_waiting``.
        """
        check_role(caller, PRIVILEGED)
        now = self._clock.now()

        def work(connection: Connection) -> None:
            account = self._governed(connection, caller, staff_id)
            wanted = checked_roles(roles, account.employer)
            proposal = _proposal(caller, wanted, now, new_credentials=False)
            self._propose(connection, caller, account, proposal)

        self._database.write(work)

    def propose_reset(self, caller: Caller, *, staff_id: StaffId) -> NewCode:
        """Ask a second person to delete password and passkeys; the new code counts from then on.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``,
                ``staff.change_waiting``, ``staff.roles_invalid`` (never approved).
        """
        check_role(caller, PRIVILEGED)
        now = self._clock.now()
        code, code_hash = _new_code(staff_id, now)

        def work(connection: Connection) -> None:
            account = self._governed(connection, caller, staff_id)
            roles = checked_roles(account.roles, account.employer)
            proposal = _proposal(caller, roles, now, new_credentials=True)
            self._propose(connection, caller, account, proposal)
            store.put_code(connection, staff_id, code_hash, code.expires_at)

        self._database.write(work)
        return code

    def approve(self, caller: Caller, *, staff_id: StaffId, proposal_id: str) -> None:
        """Put a waiting change in force; every session of the account is over.

        Raises:
            Refused: As :func:`check_approval`, and ``staff.passkey_missing``.
        """
        check_role(caller, PRIVILEGED)

        def work(connection: Connection) -> None:
            account, proposal = self._decidable(connection, caller, staff_id, proposal_id)
            if proposal.new_credentials:
                passkeys.remove_all(connection, staff_id)
            elif is_privileged(proposal.roles) and not passkeys.of(connection, staff_id):
                raise Refused(PASSKEY_MISSING)
            if proposal.new_credentials or is_privileged(proposal.roles):
                passwords.remove(connection, staff_id)
            store.approve(connection, staff_id, proposal.roles, caller.staff_id)
            sessions.end_all(connection, staff_id)
            self._record(connection, StaffChange.APPROVED, account, caller)

        self._database.write(work)

    def reject(self, caller: Caller, *, staff_id: StaffId, proposal_id: str) -> None:
        """Take a waiting change away: by who could approve it, or by who proposed it.

        An account that was never approved is deleted.

        Raises:
            Refused: As :func:`check_approval`.
        """
        check_role(caller, PRIVILEGED)

        def work(connection: Connection) -> None:
            account = _found(store.find(connection, staff_id))
            if not _own_proposal(account, caller, proposal_id):
                self._decidable(connection, caller, staff_id, proposal_id)
            _drop(connection, account)
            self._record(connection, StaffChange.REJECTED, account, caller)

        self._database.write(work)

    def suspend(self, caller: Caller, *, staff_id: StaffId) -> None:
        """Stop an account at once; one person suffices to stop and two are needed to go on.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``.
        """
        check_role(caller, PRIVILEGED)

        def work(connection: Connection) -> None:
            account = self._governed(connection, caller, staff_id)
            self._suspend(connection, account, by=caller.staff_id)

        self._database.write(work)

    def revoke_sessions(self, caller: Caller, *, staff_id: StaffId) -> int:
        """End every session of an account of the caller's employer; how many there were.

        Raises:
            Refused: ``staff.role_missing``, ``staff.account_not_found``.
        """
        check_role(caller, PRIVILEGED)

        def work(connection: Connection) -> int:
            account = self._governed(connection, caller, staff_id)
            ended = sessions.end_all(connection, staff_id)
            self._record(connection, StaffChange.SESSIONS_REVOKED, account, caller, count=ended)
            return ended

        return self._database.write(work)

    def bootstrap(
        self, *, employer: Employer, login: str, name: str, recover: bool = False
    ) -> NewCode:
        """Make the first administrator or supervisor; for the command line only.

        Args:
            employer: Whose.
            login: Account name.
            name: Of the person.
            recover: Suspend all who govern there, so that nobody can do it unnoticed, and begin
                again.

        Raises:
            Refused: ``staff.bootstrap_closed``, ``staff.login_invalid``, ``staff.login_taken``,
                ``staff.name_invalid``.
        """
        now, staff_id, role = self._clock.now(), StaffId(new_identifier()), employer.governing_role
        account = Account(staff_id, employer, frozenset((role,)), AccountState.ACTIVE, 1)
        names = self._names.seal(staff_id, login=login, name=name)
        code, code_hash = _new_code(staff_id, now)

        def work(connection: Connection) -> None:
            governing = store.active_with(connection, employer, role)
            if recover:
                for each in governing:
                    self._suspend(connection, each, by=None)
            elif len(governing) >= BOOTSTRAP_MAX[role]:
                raise Refused(BOOTSTRAP_CLOSED)
            _refuse_taken(connection, names)
            store.add(connection, account, names, created_by=None, created_at=now)
            store.put_code(connection, staff_id, code_hash, code.expires_at)
            self._write_down(connection, StaffChange.BOOTSTRAPPED, account, None)

        self._database.write(work)
        return code

    def _propose(
        self, connection: Connection, caller: Caller, account: Account, proposal: Proposal
    ) -> None:
        if account.proposal is not None:
            raise Refused(CHANGE_WAITING)
        store.propose(connection, account.staff_id, proposal)
        self._record(connection, StaffChange.PROPOSED, account, caller)

    def _governed(self, connection: Connection, caller: Caller, staff_id: StaffId) -> Account:
        check_governs(caller, caller.employer)
        return _found(store.find_at(connection, staff_id, caller.employer))

    def _decidable(
        self, connection: Connection, caller: Caller, staff_id: StaffId, proposal_id: str
    ) -> tuple[Account, Proposal]:
        account = _found(store.find(connection, staff_id))
        inside = _approvers_inside(connection, account)
        proposal = check_approval(account, caller, proposal_id=proposal_id, approvers_inside=inside)
        return account, proposal

    def _suspend(self, connection: Connection, account: Account, *, by: StaffId | None) -> None:
        store.take_code(connection, account.staff_id)
        store.suspend(connection, account.staff_id)
        sessions.end_all(connection, account.staff_id)
        self._write_down(connection, StaffChange.SUSPENDED, account, by)

    def _record(
        self,
        connection: Connection,
        change: StaffChange,
        account: Account,
        caller: Caller,
        count: int = 0,
    ) -> None:
        self._write_down(connection, change, account, caller.staff_id, count)

    def _write_down(
        self,
        connection: Connection,
        change: StaffChange,
        account: Account,
        actor: StaffId | None,
        count: int = 0,
    ) -> None:
        event = StaffEvent(
            change=change,
            subject=account.staff_id,
            actor=actor,
            institution=account.employer.institution,
            count=count,
        )
        record(connection, event, at=self._clock.now())


def code_digest(code: str) -> bytes:
    """What the database keeps of a one-time code: SHA-256."""
    return sha256(b"staff code\0" + code.encode()).digest()


def _new_code(staff_id: StaffId, now: datetime) -> tuple[NewCode, bytes]:
    code = new_secret_token()
    return NewCode(staff_id, code, now + CODE_VALID), code_digest(code)


def _proposal(
    caller: Caller, roles: frozenset[Role], now: datetime, *, new_credentials: bool
) -> Proposal:
    return Proposal(new_identifier(), roles, new_credentials, caller.staff_id, now)


def _found(account: Account | None) -> Account:
    if account is None:
        raise Refused(ACCOUNT_NOT_FOUND)
    return account


def _refuse_taken(connection: Connection, names: SealedNames) -> None:
    if store.by_login(connection, names.login_hash) is not None:
        raise Refused(LOGIN_TAKEN)


def _approvers_inside(connection: Connection, account: Account) -> int:
    """Who could approve at the account's own employer: able to sign in, neither of the two."""
    if account.proposal is None:
        return 0
    governing = store.active_with(connection, account.employer, account.employer.governing_role)
    concerned = {account.staff_id, account.proposal.proposed_by}
    others = {each.staff_id for each in governing} - concerned
    return sum(1 for staff_id in others if passkeys.of(connection, staff_id))


def _own_proposal(account: Account, caller: Caller, proposal_id: str) -> bool:
    check_governs(caller, caller.employer)
    proposal = account.proposal
    return (
        account.employer == caller.employer
        and proposal is not None
        and proposal.proposal_id == proposal_id
        and proposal.proposed_by == caller.staff_id
    )


def _drop(connection: Connection, account: Account) -> None:
    if account.proposal is None:
        raise Refused(NOTHING_PROPOSED)
    if account.state is AccountState.WAITING:
        store.remove(connection, account.staff_id)
        return
    store.drop_proposal(connection, account.staff_id)
    if account.proposal.new_credentials:
        store.take_code(connection, account.staff_id)
