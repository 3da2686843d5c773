"""Tables of accounts, waiting changes and one-time codes.

Account name and person's name are sealed; equal account names are found by keyed hash; of a
one-time code the SHA-256 is kept, which suffices for 160 random bits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import StaffId
from shualian.staff.accounts.model import Account, AccountState, Proposal
from shualian.staff.model import Employer, Role, employer_of_code
from shualian.staff.store import metadata

_IDENTIFIER = String(30)
_ROLES = String(120)

staff_account = Table(
    "staff_account",
    metadata,
    Column("staff_id", _IDENTIFIER, primary_key=True),
    Column("employer", String(20), nullable=False),
    Column("login_hash", LargeBinary, nullable=False, unique=True),
    Column("login_sealed", LargeBinary, nullable=False),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("roles", _ROLES, nullable=False),
    Column("state", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_by", _IDENTIFIER),  # NULL: the command line
    Column("created_at", UtcTime, nullable=False),
    Column("approved_by", _IDENTIFIER),
    Index("ix_staff_account_employer", "employer"),
)

staff_proposal = Table(
    "staff_proposal",
    metadata,
    Column("staff_id", ForeignKey(staff_account.c.staff_id), primary_key=True),
    Column("proposal_id", _IDENTIFIER, nullable=False),
    Column("roles", _ROLES, nullable=False),
    Column("new_credentials", Boolean, nullable=False),
    Column("proposed_by", _IDENTIFIER, nullable=False),
    Column("proposed_at", UtcTime, nullable=False),
)

staff_enrolment_code = Table(
    "staff_enrolment_code",
    metadata,
    Column("staff_id", ForeignKey(staff_account.c.staff_id), primary_key=True),
    Column("code_hash", LargeBinary, nullable=False, unique=True),
    Column("expires_at", UtcTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SealedNames:
    """What is personal of an account, encrypted.

    Attributes:
        login_hash: Keyed hash of the account name.
        login_sealed: The account name.
        name_sealed: The person's name.
    """

    login_hash: bytes
    login_sealed: bytes
    name_sealed: bytes


def add(
    connection: Connection,
    account: Account,
    names: SealedNames,
    *,
    created_by: StaffId | None,
    created_at: datetime,
) -> None:
    """Insert an account without its proposal."""
    connection.execute(
        insert(staff_account).values(
            staff_id=account.staff_id,
            employer=account.employer.code,
            login_hash=names.login_hash,
            login_sealed=names.login_sealed,
            name_sealed=names.name_sealed,
            roles=_text(account.roles),
            state=account.state.value,
            version=account.version,
            created_by=created_by,
            created_at=created_at,
        )
    )


def remove(connection: Connection, staff_id: StaffId) -> None:
    """Delete an account that was never approved, with its proposal and code."""
    for table in (staff_proposal, staff_enrolment_code, staff_account):
        connection.execute(delete(table).where(table.c.staff_id == staff_id))


def find(connection: Connection, staff_id: StaffId) -> Account | None:
    """The account, at whatever employer: the caller's right to see it is checked by a rule."""
    row = connection.execute(_query().where(staff_account.c.staff_id == staff_id)).one_or_none()
    return None if row is None else _account(row)


def find_at(connection: Connection, staff_id: StaffId, employer: Employer) -> Account | None:
    """The account, if it is at this employer."""
    found = find(connection, staff_id)
    return found if found is not None and found.employer == employer else None


def by_login(connection: Connection, login_hash: bytes) -> Account | None:
    """The account whose name has this keyed hash."""
    query = _query().where(staff_account.c.login_hash == login_hash)
    row = connection.execute(query).one_or_none()
    return None if row is None else _account(row)


def names_of(connection: Connection, staff_id: StaffId) -> SealedNames:
    """The sealed names of an account that exists."""
    query = select(*_NAMES).where(staff_account.c.staff_id == staff_id)
    return SealedNames(*connection.execute(query).one())


def at_employer(connection: Connection, employer: Employer) -> list[tuple[Account, SealedNames]]:
    """All accounts of an employer, the oldest first."""
    query = _query(*_NAMES).where(staff_account.c.employer == employer.code)
    return [_with_names(row) for row in connection.execute(query)]


def proposed_outside(
    connection: Connection, employer: Employer
) -> list[tuple[Account, SealedNames]]:
    """All accounts of other employers with a waiting change, the oldest first."""
    query = _query(*_NAMES).where(
        staff_account.c.employer != employer.code, staff_proposal.c.staff_id.is_not(None)
    )
    return [_with_names(row) for row in connection.execute(query)]


def active_with(connection: Connection, employer: Employer, role: Role) -> list[Account]:
    """The active accounts of an employer that have a role."""
    query = _query().where(
        staff_account.c.employer == employer.code,
        staff_account.c.state == AccountState.ACTIVE.value,
    )
    accounts = (_account(row) for row in connection.execute(query))
    return [account for account in accounts if role in account.roles]


def propose(connection: Connection, staff_id: StaffId, proposal: Proposal) -> None:
    """Put a change in waiting."""
    connection.execute(
        insert(staff_proposal).values(
            staff_id=staff_id,
            proposal_id=proposal.proposal_id,
            roles=_text(proposal.roles),
            new_credentials=proposal.new_credentials,
            proposed_by=proposal.proposed_by,
            proposed_at=proposal.proposed_at,
        )
    )


def drop_proposal(connection: Connection, staff_id: StaffId) -> None:
    """Take a waiting change away."""
    connection.execute(delete(staff_proposal).where(staff_proposal.c.staff_id == staff_id))


def approve(
    connection: Connection, staff_id: StaffId, roles: Iterable[Role], approver: StaffId
) -> None:
    """Put roles in force, make the account active, end its sessions, take the proposal away."""
    drop_proposal(connection, staff_id)
    _change(
        connection,
        staff_id,
        roles=_text(roles),
        state=AccountState.ACTIVE.value,
        approved_by=approver,
        version=staff_account.c.version + 1,
    )


def suspend(connection: Connection, staff_id: StaffId) -> None:
    """Make an account unusable, end its sessions, take its proposal away."""
    drop_proposal(connection, staff_id)
    state = AccountState.SUSPENDED.value
    _change(connection, staff_id, state=state, version=staff_account.c.version + 1)


def raise_version(connection: Connection, staff_id: StaffId) -> None:
    """End every session of an account."""
    _change(connection, staff_id, version=staff_account.c.version + 1)


def put_code(
    connection: Connection, staff_id: StaffId, code_hash: bytes, expires_at: datetime
) -> None:
    """Keep the hash of a one-time code in place of an earlier one."""
    take_code(connection, staff_id)
    connection.execute(
        insert(staff_enrolment_code).values(
            staff_id=staff_id, code_hash=code_hash, expires_at=expires_at
        )
    )


def by_code(connection: Connection, code_hash: bytes, now: datetime) -> Account | None:
    """The account for which this code was given out, unless it is used or expired."""
    table = staff_enrolment_code
    query = select(table.c.staff_id).where(table.c.code_hash == code_hash, table.c.expires_at > now)
    staff_id = connection.scalar(query)
    return None if staff_id is None else find(connection, StaffId(staff_id))


def take_code(connection: Connection, staff_id: StaffId) -> None:
    """A code of this account, if any, was used or is withdrawn."""
    table = staff_enrolment_code
    connection.execute(delete(table).where(table.c.staff_id == staff_id))


_NAMES = (staff_account.c.login_hash, staff_account.c.login_sealed, staff_account.c.name_sealed)


def _query(*more: Column[Any]) -> Select[Any]:
    account, proposal = staff_account, staff_proposal
    return (
        select(
            account.c.staff_id,
            account.c.employer,
            account.c.roles,
            account.c.state,
            account.c.version,
            proposal.c.proposal_id,
            proposal.c.roles.label("proposed_roles"),
            proposal.c.new_credentials,
            proposal.c.proposed_by,
            proposal.c.proposed_at,
            *more,
        )
        .select_from(account.outerjoin(proposal))
        .order_by(account.c.created_at, account.c.staff_id)
    )


def _account(row: Row[Any]) -> Account:
    return Account(
        staff_id=StaffId(row.staff_id),
        employer=employer_of_code(row.employer),
        roles=_roles(row.roles),
        state=AccountState(row.state),
        version=row.version,
        proposal=_proposal(row),
    )


def _proposal(row: Row[Any]) -> Proposal | None:
    if row.proposal_id is None:
        return None
    return Proposal(
        proposal_id=row.proposal_id,
        roles=_roles(row.proposed_roles),
        new_credentials=row.new_credentials,
        proposed_by=StaffId(row.proposed_by),
        proposed_at=row.proposed_at,
    )


def _with_names(row: Row[Any]) -> tuple[Account, SealedNames]:
    return _account(row), SealedNames(row.login_hash, row.login_sealed, row.name_sealed)


def _change(connection: Connection, staff_id: StaffId, **values: Any) -> None:
    chosen = staff_account.c.staff_id == staff_id
    connection.execute(update(staff_account).where(chosen).values(**values))


def _text(roles: Iterable[Role]) -> str:
    return " ".join(sorted(roles))


def _roles(text: str) -> frozenset[Role]:
    return frozenset(Role(each) for each in text.split())
