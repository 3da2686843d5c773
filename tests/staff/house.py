"""Staff over a database, with real sealing, cheap hashing and a clock that stands still."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.core.refusals import Refused
from shualian.sandbox.authenticator import ORIGIN, Authenticator
from shualian.staff.accounts.model import NewCode, Person
from shualian.staff.model import INSURER, Caller, Employer, Role
from shualian.staff.passkeys.model import relying_party
from shualian.staff.passwords.model import HashCost, Password
from shualian.staff.service import StaffServices, staff_services
from shualian.staff.sessions.model import SignedIn
from shualian.staff.store import metadata
from shualian.trust.audit import store as audit
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer
from tables import make_tables

START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
HOSPITAL = Employer(InstitutionCode("H99000000001"))
OTHER = Employer(InstitutionCode("H99000000002"))
CHEAP = HashCost(passes=1, memory_kib=8, lanes=1)
PHRASE = "four words on a sheet"
NAME = "欧阳若兰"


class House:
    """Everything that a test of staff needs, and the usual ways to it."""

    def __init__(self, database: Database, keys: Path, *, cost: HashCost = CHEAP) -> None:
        make_tables(database, [metadata, audit.metadata])
        self.database = database
        self.clock = SettableClock(START)
        self.sealer = Sealer(DevelopmentKeys(keys))
        self.services = self.with_cost(cost)
        self.passkeys: dict[StaffId, Authenticator] = {}

    def with_cost(self, cost: HashCost) -> StaffServices:
        return staff_services(
            database=self.database,
            clock=self.clock,
            sealer=self.sealer,
            party=relying_party(ORIGIN),
            cost=cost,
        )

    def wait(self, time: timedelta) -> None:
        self.clock.set(self.clock.now() + time)

    def events(self) -> list[str]:
        """What the audit says, in order."""
        query = select(audit.events.c.payload).order_by(audit.events.c.event_id)
        payloads = self.database.read(lambda connection: connection.scalars(query).all())
        return [json.loads(payload)["change"] for payload in payloads]

    def first(self, employer: Employer = HOSPITAL, login: str = "chief") -> SignedIn:
        """The first administrator or supervisor, enrolled with a passkey."""
        code = self.services.accounts.bootstrap(employer=employer, login=login, name=NAME)
        return self.enrol_passkey(code)

    def enrol_passkey(self, code: NewCode) -> SignedIn:
        key = self.passkeys[code.staff_id] = Authenticator()
        options = self.services.credentials.enrolment_options(code=code.code)
        return self.services.credentials.enrol_passkey(key.create(options), code=code.code)

    def enrol_password(self, code: NewCode, phrase: str = PHRASE) -> SignedIn:
        return self.services.credentials.enrol_password(
            code=code.code, password=Password.typed(phrase)
        )

    def by_passkey(self, staff_id: StaffId, replaces: str | None = None) -> SignedIn:
        options = self.services.sign_in.passkey_options()
        answer = self.passkeys[staff_id].get(options)
        return self.services.sign_in.by_passkey(answer, replaces=replaces)

    def by_password(self, login: str, phrase: str = PHRASE) -> SignedIn:
        return self.services.sign_in.by_password(login=login, password=Password.typed(phrase))

    def person(self, caller: Caller, staff_id: StaffId) -> Person:
        listed = self.services.accounts.listed(caller, employer=caller.employer)
        return next(each for each in listed if each.account.staff_id == staff_id)

    def proposal_id(self, caller: Caller, staff_id: StaffId) -> str:
        proposal = self.person(caller, staff_id).account.proposal
        assert proposal is not None
        return proposal.proposal_id

    def approve(self, proposer: Caller, approver: Caller, staff_id: StaffId) -> None:
        seen = self.proposal_id(proposer, staff_id)
        self.services.accounts.approve(approver, staff_id=staff_id, proposal_id=seen)

    def create(
        self, caller: Caller, login: str, roles: Collection[Role] = (Role.DOCTOR,)
    ) -> NewCode:
        return self.services.accounts.create(
            caller, employer=caller.employer, login=login, name=NAME, roles=roles
        )


@contextmanager
def refused(code: str) -> Iterator[None]:
    """Inside, exactly this refusal is expected."""
    with pytest.raises(Refused) as found:
        yield
    assert found.value.kind.code == code


def code_of(work: Callable[[], object]) -> str:
    """The code with which ``work`` is refused, or nothing when it is not."""
    try:
        work()
    except Refused as found:
        return found.kind.code
    return ""


def supervisor_elsewhere() -> Caller:
    """A supervisor whose account is in the insurer's own database."""
    return Caller(StaffId("SUPERVISOR-ELSEWHERE"), INSURER, frozenset((Role.SUPERVISOR,)))


class Ward(House):
    """A hospital with one administrator and one doctor who has a password."""

    def __init__(self, database: Database, keys: Path, *, cost: HashCost = CHEAP) -> None:
        super().__init__(database, keys, cost=cost)
        self.chief = self.first().caller
        code = self.create(self.chief, "doctor")
        self.approve(self.chief, supervisor_elsewhere(), code.staff_id)
        self.doctor = self.enrol_password(code).caller
