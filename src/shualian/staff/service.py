"""Staff of one database, put together."""

from dataclasses import dataclass

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.staff.accounts.service import Accounts
from shualian.staff.credentials.service import Credentials
from shualian.staff.passkeys.model import RelyingParty
from shualian.staff.passwords.model import HashCost
from shualian.staff.passwords.service import Passwords
from shualian.staff.ports import StaffSealer
from shualian.staff.sessions.model import SessionPolicy
from shualian.staff.sessions.service import Sessions
from shualian.staff.signin.service import SignIn


@dataclass(frozen=True, slots=True)
class StaffServices:
    """The use cases of staff over one database: a hospital's, or the insurer's.

    Attributes:
        accounts: Who has an account.
        credentials: What people sign in with.
        sign_in: Signing in.
        sessions: What comes of it.
        party: Where people sign in.
    """

    accounts: Accounts
    credentials: Credentials
    sign_in: SignIn
    sessions: Sessions
    party: RelyingParty


def staff_services(
    *,
    database: Database,
    clock: Clock,
    sealer: StaffSealer,
    party: RelyingParty,
    cost: HashCost | None = None,
    policy: SessionPolicy | None = None,
) -> StaffServices:
    """All use cases of staff over one database.

    Args:
        database: Has the tables of ``staff.store.metadata`` and of the audit.
        clock: For expiry.
        sealer: For names and password hashes.
        party: The canonical origin (:func:`shualian.staff.passkeys.model.relying_party`).
        cost: Of hashing passwords; the default unless a test.
        policy: Of sessions; only shorter than the default.
    """
    policy = policy or SessionPolicy()
    hasher = Passwords(sealer=sealer, cost=cost)
    return StaffServices(
        accounts=Accounts(database=database, clock=clock, sealer=sealer),
        credentials=Credentials(
            database=database,
            clock=clock,
            sealer=sealer,
            hasher=hasher,
            party=party,
            policy=policy,
        ),
        sign_in=SignIn(
            database=database,
            clock=clock,
            sealer=sealer,
            hasher=hasher,
            party=party,
            policy=policy,
        ),
        sessions=Sessions(database=database, clock=clock, policy=policy),
        party=party,
    )
