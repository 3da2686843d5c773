"""Who works here: roles, employers, the caller of a use case, and the two-person rule."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.core.mode import Side
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.trust.audit.model import Payload

StaffSessionId = NewType("StaffSessionId", str)
"""Names a session of a member of staff; says nothing about its token."""


class Role(StrEnum):
    """What a member of staff may do; one person may have several roles of one employer."""

    CLERK = "clerk"
    DOCTOR = "doctor"
    TECHNICIAN = "technician"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    VOLUNTEER = "volunteer"
    ADMINISTRATOR = "administrator"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"


INSURER_ROLES = frozenset((Role.SUPERVISOR, Role.OPERATOR))
HOSPITAL_ROLES = frozenset(Role) - INSURER_ROLES
PRIVILEGED = frozenset((Role.ADMINISTRATOR, Role.SUPERVISOR))
"""Roles that decide about others; they sign in with a passkey and never with a password."""


@dataclass(frozen=True, slots=True)
class Employer:
    """Where somebody works.

    Attributes:
        institution: The institution; ``None`` for the insurer.
    """

    institution: InstitutionCode | None

    @property
    def side(self) -> Side:
        """Which half of the house it is."""
        return Side.INSURER if self.institution is None else Side.HOSPITAL

    @property
    def code(self) -> str:
        """The institution's code, or ``insurer``."""
        return self.institution or Side.INSURER.value

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that exist there."""
        return INSURER_ROLES if self.institution is None else HOSPITAL_ROLES

    @property
    def governing_role(self) -> Role:
        """The role that decides about the accounts there."""
        return Role.SUPERVISOR if self.institution is None else Role.ADMINISTRATOR


INSURER = Employer(None)


def employer_of_code(code: str) -> Employer:
    """The employer whose :attr:`Employer.code` this is."""
    return INSURER if code == INSURER.code else Employer(InstitutionCode(code))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a use case; every use case of staff takes one and checks it.

    Attributes:
        staff_id: The person.
        employer: Where the person works; what is not there does not exist for the caller.
        roles: In force when the caller was found.
        session: Through which the caller came; ``None`` outside a session.
    """

    staff_id: StaffId
    employer: Employer
    roles: frozenset[Role]
    session: StaffSessionId | None = None


class StaffChange(StrEnum):
    """What is recorded about staff."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    BOOTSTRAPPED = "bootstrapped"
    ENROLLED = "enrolled"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    PAUSED = "paused"
    SIGNED_OUT = "signed_out"
    SESSIONS_REVOKED = "sessions_revoked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an event
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_COUNTER_BACK = "passkey_counter_back"


class StaffEvent(Payload, kind="staff.change"):
    """The audit's record of a change; cannot hold a name, an account name or a secret.

    Attributes:
        change: What happened.
        subject: Whose account; ``None`` when an unknown account was tried.
        actor: Who did it; ``None`` for the command line and for somebody not signed in.
        institution: Of the subject; ``None`` for the insurer and when unknown.
        count: Consecutive failures, sessions ended; 0 where nothing is counted.
    """

    change: StaffChange
    subject: StaffId | None
    actor: StaffId | None
    institution: InstitutionCode | None
    count: int


kind = KindsOf("staff").kind
"""Declares a refusal of the part ``staff``."""


ROLE_MISSING = kind(
    "role_missing",
    "您的岗位不能办理这项操作",
    "Your role does not allow this",
    "请由有权限的同事办理，或请管理员调整岗位",
    "Ask a colleague who may do it, or an administrator to change your role",
)
ACCOUNT_NOT_FOUND = kind(
    "account_not_found",
    "没有这个账号",
    "There is no such account",
    "请在本机构的账号列表里核对",
    "Look it up in the list of accounts of your institution",
)
SAME_PERSON = kind(
    "same_person",
    "提出的人和批准的人不能是同一个人",
    "Whoever proposes something, or is its subject, cannot approve it",
    "请由另一位有权限的同事批准",
    "Ask another person with the right to approve it",
)
SERVICE_BUSY = kind(
    "service_busy",
    "登录的人太多",
    "Too many people are signing in at once",
    "请稍等几秒再试",
    "Wait some seconds and try again",
    Helper.SELF,
    Finality.TEMPORARY,
)
CROSS_SITE = kind(
    "cross_site",
    "请求不是从本系统的页面发出的",
    "The request does not come from a page of this system",
    "请从本系统的网址打开页面再操作",
    "Open the page at the system's own address and try again",
    Helper.SELF,
)

REFUSALS = (ROLE_MISSING, ACCOUNT_NOT_FOUND, SAME_PERSON, SERVICE_BUSY, CROSS_SITE)


def check_role(caller: Caller, allowed: Collection[Role] = frozenset(Role)) -> None:
    """Let pass who has one of the allowed roles, and has it at an employer where it exists.

    Raises:
        Refused: ``staff.role_missing``.
    """
    if not caller.roles & caller.employer.roles & frozenset(allowed):
        raise Refused(ROLE_MISSING)


def check_two_people(approver: StaffId, *others: StaffId | None) -> None:
    """The two-person rule: who approves is none of the others (creator, proposer, subject).

    Raises:
        Refused: ``staff.same_person``.
    """
    if approver in others:
        raise Refused(SAME_PERSON)
