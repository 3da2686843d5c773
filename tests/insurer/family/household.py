"""A household for the tests of family bindings: people of every age, two desks, a clock."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.id_number import IdNumber, check_character
from shualian.core.identifiers import (
    InstitutionCode,
    PersonNo,
    SessionId,
    StaffId,
    new_identifier,
)
from shualian.insurer.family import store
from shualian.insurer.family.model import (
    Binding,
    Document,
    Kinship,
    ProposalId,
    WindowReason,
)
from shualian.insurer.family.service import FamilyBindings, FamilyWindow
from shualian.insurer.persons.model import Insurance, Insured
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.trust.audit import store as audit
from shualian.verification.model import ConfirmedPerson, Factor, Relation
from shualian.verification.registry.model import RegistryVerdict
from staff.house import code_of
from tables import make_tables

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
HOSPITAL = InstitutionCode("H99000000001")
OTHER_HOSPITAL = InstitutionCode("H99000000002")
CLERK = InstitutionStaff(StaffId("CLERK-1"), HOSPITAL)
SECOND_CLERK = InstitutionStaff(StaffId("CLERK-2"), HOSPITAL)
ELSEWHERE = InstitutionStaff(StaffId("CLERK-3"), OTHER_HOSPITAL)
SUPERVISOR = InsurerStaff(StaffId("SUPERVISOR-1"))

CHILD_PAPERS = frozenset((Document.ID_DOCUMENT, Document.BIRTH_CERTIFICATE))
ADULT_PAPERS = frozenset(
    (Document.ID_DOCUMENT, Document.HOUSEHOLD_REGISTER, Document.MEDICAL_CERTIFICATE)
)
OWN_PAPER = frozenset((Document.ID_DOCUMENT,))


def insured(serial: int, born: date) -> Insured:
    digits = f"990000{born:%Y%m%d}{serial:03d}"
    number = IdNumber(digits + check_character(digits))
    return Insured(
        PersonNo(f"P{serial:04d}"), number, f"张示例{serial}", (Insurance("310", "12", "990000"),)
    )


class Register:
    """The register of insured persons, in memory."""

    def __init__(self, people: Sequence[Insured]) -> None:
        self._people = {each.psn_no: each for each in people}

    def get(self, psn_no: PersonNo) -> Insured:
        return self._people[psn_no]

    def find_by_id_number(self, id_number: IdNumber) -> Insured | None:
        found = [each for each in self._people.values() if each.id_number == id_number]
        return found[0] if found else None


class Household:
    """Services over one database and the usual ways to them."""

    def __init__(self, database: Database, *, adults: int = 10, children: int = 7) -> None:
        make_tables(database, [store.metadata, audit.metadata])
        self.database = database
        self.clock = SettableClock(START)
        self.adults = [insured(n, date(1950 + n, 5, 20)) for n in range(1, adults + 1)]
        self.children = [insured(100 + n, date(2015, 3, n)) for n in range(1, children + 1)]
        register = Register([*self.adults, *self.children])
        self.family = FamilyBindings(database=database, clock=self.clock, people=register)
        self.window = FamilyWindow(database=database, clock=self.clock, people=register)

    def now(self) -> datetime:
        return self.clock.now()

    def wait(self, span: timedelta) -> None:
        self.clock.set(self.now() + span)

    def confirmed(
        self,
        person: Insured,
        *,
        active: bool = True,
        registry: RegistryVerdict | None = RegistryVerdict.MATCH,
    ) -> ConfirmedPerson:
        """What verification gives for a redeemed proof of the scene 09001."""
        return ConfirmedPerson(
            subject=person.psn_no,
            session_id=SessionId(new_identifier()),
            factors=frozenset((Factor.FACE, Factor.DIGITS)),
            active=active,
            registry=registry,
            confirmed_at=self.now(),
        )

    def propose(
        self, holder: Insured, relative: Insured, kinship: Kinship = Kinship.MOTHER
    ) -> ProposalId:
        made = self.family.propose(
            self.confirmed(holder),
            proposal_id=ProposalId(new_identifier()),
            relative=relative.id_number,
            kinship=kinship,
        )
        return made.proposal_id

    def agree(self, relative: Insured, proposal_id: ProposalId) -> Binding:
        return self.family.agree(self.confirmed(relative), proposal_id=proposal_id)

    def bound(
        self, holder: Insured, relative: Insured, kinship: Kinship = Kinship.MOTHER
    ) -> Binding:
        return self.agree(relative, self.propose(holder, relative, kinship))

    def bind_child(
        self, guardian: Insured, child: Insured, *, other: Insured | None = None
    ) -> Binding:
        return self.window.bind_child(
            actor=CLERK,
            guardian=guardian.id_number,
            child=child.id_number,
            kinship=Kinship.CHILD,
            documents=CHILD_PAPERS,
            other_guardian=None if other is None else other.id_number,
        )

    def enter(
        self,
        holder: Insured,
        relative: Insured,
        *,
        actor: Actor = CLERK,
        reason: WindowReason = WindowReason.DEMENTIA,
        documents: frozenset[Document] = ADULT_PAPERS,
    ) -> ProposalId:
        made = self.window.propose(
            actor=actor,
            holder=holder.id_number,
            relative=relative.id_number,
            kinship=Kinship.FATHER,
            reason=reason,
            documents=documents,
        )
        return made.proposal_id

    def on_documents(self, holder: Insured, relative: Insured) -> Binding:
        proposal_id = self.enter(holder, relative)
        return self.window.approve(actor=SECOND_CLERK, proposal_id=proposal_id)

    def may_act(self, holder: Insured, relative: Insured) -> str:
        """The code by which acting is refused; empty when it is allowed."""
        return code_of(
            lambda: self.family.check(
                subject=holder.psn_no,
                beneficiary=relative.psn_no,
                relation=Relation.FAMILY,
                at=self.now(),
            )
        )

    def told(self) -> list[tuple[str, str]]:
        """Who is to be told what, in order."""
        waiting = self.database.read(lambda connection: store.notices(connection, 100))
        return [(each.psn_no, each.what.value) for each in waiting]

    def events(self) -> list[dict[str, Any]]:
        """What the audit says, in order."""
        query = select(audit.events.c.payload).order_by(audit.events.c.event_id)
        payloads = self.database.read(lambda connection: connection.scalars(query).all())
        return [json.loads(payload) for payload in payloads]
