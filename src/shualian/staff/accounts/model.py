"""Accounts of staff and the changes to them that need two people; pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from shualian.core.identifiers import StaffId
from shualian.core.refusals import Finality, Helper, Refused
from shualian.staff.model import (
    ACCOUNT_NOT_FOUND,
    INSURER,
    PRIVILEGED,
    Caller,
    Employer,
    Role,
    check_role,
    check_two_people,
    kind,
)

CODE_VALID = timedelta(days=7)
"""How long a one-time code waits for its person; a code lives through a weekend and a shift."""

BOOTSTRAP_MAX = MappingProxyType({Role.ADMINISTRATOR: 1, Role.SUPERVISOR: 2})
"""How many the command line may make: a hospital's second administrator is approved by the
insurer, the insurer's second supervisor by nobody else."""

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{2,31}")
_NAME_MAX = 50


class AccountState(StrEnum):
    """Whether an account may be used."""

    WAITING = "waiting"
    """Made by one person, approved by none."""
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that waits for a second person.

    Attributes:
        proposal_id: Named by who approves, so that nobody approves another change than was seen.
        roles: That the account has once it is approved.
        new_credentials: Whether approval deletes password and passkeys and lets the one-time
            code count.
        proposed_by: The first person.
        proposed_at: When.
    """

    proposal_id: str
    roles: frozenset[Role]
    new_credentials: bool
    proposed_by: StaffId
    proposed_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account at one employer; holds nothing personal.

    Attributes:
        staff_id: Its identifier.
        employer: Where the person works.
        roles: In force; none before the first approval.
        state: Whether it may be used.
        version: Rises with every change of what the account may do or signs in with; a session
            of an older version is over.
        proposal: A change that waits.
    """

    staff_id: StaffId
    employer: Employer
    roles: frozenset[Role]
    state: AccountState
    version: int
    proposal: Proposal | None = None

    @property
    def privileged(self) -> bool:
        """Whether a passkey is required."""
        return is_privileged(self.roles)


@dataclass(frozen=True, slots=True)
class Person:
    """An account with the words that people know it by; never prints them.

    Attributes:
        account: The account.
        login: The account name, such as a staff number.
        name: Of the person.
    """

    account: Account
    login: str = field(repr=False)
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewCode:
    """A one-time code, given out once; the database keeps its hash only.

    Attributes:
        staff_id: Whose it is.
        code: 160 random bits, for the person; it counts once the account is approved.
        expires_at: Afterwards it opens nothing.
    """

    staff_id: StaffId
    code: str = field(repr=False)
    expires_at: datetime


LOGIN_INVALID = kind(
    "login_invalid",
    "账号名不对",
    "This account name is not valid",
    "用 3 到 32 位小写字母、数字、点、横线，例如工号",
    "Use 3 to 32 lower-case letters, digits, dots or dashes, such as a staff number",
    Helper.SELF,
)
LOGIN_TAKEN = kind(
    "login_taken",
    "这个账号名已经有人用了",
    "This account name is taken",
    "请换一个账号名",
    "Choose another one",
    Helper.SELF,
)
NAME_INVALID = kind(
    "name_invalid",
    "姓名不对",
    "This name is not valid",
    "请填 1 到 50 个字的姓名",
    "Give a name of 1 to 50 characters",
    Helper.SELF,
)
ROLES_INVALID = kind(
    "roles_invalid",
    "岗位和单位不相符",
    "These roles do not exist at this employer",
    "医院选医院的岗位，医保选监督员或操作员，至少一个",
    "Choose at least one role: those of a hospital there, supervisor or operator at the insurer",
    Helper.SELF,
)
NOTHING_PROPOSED = kind(
    "nothing_proposed",
    "没有等待批准的更改",
    "No change waits for approval",
    "请刷新列表",
    "Load the list again",
    Helper.SELF,
)
CHANGE_WAITING = kind(
    "change_waiting",
    "这个账号已有一项更改在等待批准",
    "Another change to this account waits for approval",
    "请先批准或驳回那一项",
    "Approve or reject that one first",
    Helper.SELF,
)
APPROVER_INSIDE = kind(
    "approver_inside",
    "该机构还有别的管理员可以批准",
    "The institution has another administrator who can approve this",
    "请由该机构的另一位管理员批准",
    "Ask the other administrator of that institution",
)
PASSKEY_MISSING = kind(
    "passkey_missing",
    "管理员和监督员要先有通行密钥",
    "An administrator or supervisor needs a passkey first",
    "请本人登录后先添加通行密钥，再批准",
    "The person signs in and adds a passkey, then approve",
    Helper.SELF,
)
BOOTSTRAP_CLOSED = kind(
    "bootstrap_closed",
    "已经有管理员或监督员，不能再用命令行建立",
    "There is an administrator or supervisor already; the command line makes only the first",
    "请由他们建立账号；都不能登录时用恢复方式，原有管理账号会被停用",
    "They create accounts; if none can sign in, use recovery, which suspends all of them",
)
CODE_INVALID = kind(
    "code_invalid",
    "一次性代码不对、用过或过期了",
    "The one-time code is wrong, used or expired",
    "请管理员重新发一个",
    "Ask an administrator for a new one",
)
NOT_APPROVED = kind(
    "not_approved",
    "账号还没有批准",
    "The account is not approved yet",
    "请等另一位管理员批准后再试",
    "Try again when another administrator has approved it",
    finality=Finality.TEMPORARY,
)
ACCOUNT_SUSPENDED = kind(
    "account_suspended",
    "账号已停用",
    "The account is suspended",
    "请联系本单位管理员",
    "Ask an administrator of your institution",
)

REFUSALS = (
    LOGIN_INVALID,
    LOGIN_TAKEN,
    NAME_INVALID,
    ROLES_INVALID,
    NOTHING_PROPOSED,
    CHANGE_WAITING,
    APPROVER_INSIDE,
    PASSKEY_MISSING,
    BOOTSTRAP_CLOSED,
    CODE_INVALID,
    NOT_APPROVED,
    ACCOUNT_SUSPENDED,
)


def is_privileged(roles: Iterable[Role]) -> bool:
    """Whether one of the roles decides about others."""
    return not PRIVILEGED.isdisjoint(roles)


def plain_login(text: str) -> str:
    """An account name as it is compared: blanks trimmed, lower case."""
    return text.strip().lower()


def checked_login(text: str) -> str:
    """A new account name.

    Raises:
        Refused: ``staff.login_invalid``.
    """
    login = plain_login(text)
    if _LOGIN.fullmatch(login) is None:
        raise Refused(LOGIN_INVALID)
    return login


def checked_name(text: str) -> str:
    """A person's name, 1 to 50 printable characters, blanks trimmed.

    Raises:
        Refused: ``staff.name_invalid``.
    """
    name = text.strip()
    if not 1 <= len(name) <= _NAME_MAX or not name.isprintable():
        raise Refused(NAME_INVALID)
    return name


def checked_roles(roles: Iterable[Role], employer: Employer) -> frozenset[Role]:
    """At least one role, all of which exist at ``employer``.

    Raises:
        Refused: ``staff.roles_invalid``.
    """
    chosen = frozenset(roles)
    if not chosen or not chosen <= employer.roles:
        raise Refused(ROLES_INVALID)
    return chosen


def check_governs(caller: Caller, employer: Employer) -> None:
    """Let pass who decides about accounts at ``employer`` and works there.

    Raises:
        Refused: ``staff.role_missing``, ``staff.account_not_found``.
    """
    check_role(caller, PRIVILEGED)
    if caller.employer != employer or employer.governing_role not in caller.roles:
        raise Refused(ACCOUNT_NOT_FOUND)


def check_approval(
    account: Account, approver: Caller, *, proposal_id: str, approvers_inside: int
) -> Proposal:
    """The proposal that ``approver`` may decide.

    A colleague who governs the same employer approves; where a hospital has none, a supervisor
    of the insurer does. Nobody approves what they proposed or what is about themselves.

    Args:
        account: With its proposal.
        approver: Who asks.
        proposal_id: Of the change that the approver has seen.
        approvers_inside: How many others at the account's employer could approve this.

    Raises:
        Refused: ``staff.role_missing``, ``staff.account_not_found``, ``staff.nothing_proposed``,
            ``staff.same_person``, ``staff.approver_inside``.
    """
    from_insurer = approver.employer == INSURER and account.employer != INSURER
    check_governs(approver, INSURER if from_insurer else account.employer)
    if account.proposal is None or account.proposal.proposal_id != proposal_id:
        raise Refused(NOTHING_PROPOSED)
    check_two_people(approver.staff_id, account.proposal.proposed_by, account.staff_id)
    if from_insurer and approvers_inside:
        raise Refused(APPROVER_INSIDE)
    return account.proposal


def check_usable(account: Account) -> None:
    """Let an account pass that may be used now.

    Raises:
        Refused: ``staff.not_approved``, ``staff.account_suspended``.
    """
    if account.state is AccountState.WAITING:
        raise Refused(NOT_APPROVED)
    if account.state is AccountState.SUSPENDED:
        raise Refused(ACCOUNT_SUSPENDED)


def check_code_counts(account: Account) -> None:
    """Let a one-time code pass whose second person has approved.

    Raises:
        Refused: ``staff.not_approved``, ``staff.account_suspended``.
    """
    if account.proposal is not None and account.proposal.new_credentials:
        raise Refused(NOT_APPROVED)
    check_usable(account)
