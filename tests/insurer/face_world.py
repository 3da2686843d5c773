"""Consents, templates and erasures over one database and a real gallery, without a camera."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    InstitutionCode,
    PersonNo,
    SessionId,
    StaffId,
    TerminalId,
    new_identifier,
)
from shualian.core.refusals import RefusalKind, Refused
from shualian.core.settings import Settings
from shualian.gallery import store as gallery_store
from shualian.gallery.model import EmbeddingPath
from shualian.gallery.service import Gallery
from shualian.insurer.consents import store as consent_store
from shualian.insurer.consents.model import (
    ByGuardian,
    ByPerson,
    Channel,
    ChannelKind,
    DocumentKind,
    GivenBy,
    GuardianRelation,
    Withdrawal,
)
from shualian.insurer.consents.service import Consents
from shualian.insurer.erasures import store as erasure_store
from shualian.insurer.erasures.model import ERASURE_UNFINISHED, StoreName
from shualian.insurer.erasures.service import Erasures
from shualian.insurer.notices.model import Notice, Notices
from shualian.insurer.notices.store import load_notices, packaged_notices
from shualian.insurer.persons.model import PERSON_NOT_FOUND
from shualian.insurer.templates import store as template_store
from shualian.insurer.templates.service import Templates
from shualian.insurer.templates.store import (
    GalleryRecords,
    SearchIndex,
    TemplateRegister,
    WaitingEnrolments,
)
from shualian.terminals.model import InstitutionStaff
from shualian.trust.audit import store as audit_store
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import DerivedSecrets, Sealer
from shualian.verification.model import Basis, ConsentPurpose, Factor, VerifiedPerson
from shualian.verification.ports import NewTemplate
from shualian.verification.registry.model import RegistryVerdict
from tables import make_tables

NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
HOSPITAL = InstitutionCode("H99000000001")
PATH = EmbeddingPath("small", 8)
CLERK = InstitutionStaff(StaffId("CLERK-1"), HOSPITAL)
SECOND = InstitutionStaff(StaffId("CLERK-2"), HOSPITAL)
PERSON = PersonNo("P0001")
CHILD = PersonNo("P0002")
PARENT = PersonNo("P0003")
TEMPLATE = ConsentPurpose.TEMPLATE
PAYMENT = ConsentPurpose.ONE_SCAN_PAYMENT
COMPARISON = ConsentPurpose.COMPARISON

BIRTHS = {
    PERSON: date(1958, 5, 4),
    CHILD: date(2016, 3, 9),
    PARENT: date(1988, 7, 21),
}
SEEN_PARENT = ByGuardian(
    GuardianRelation.PARENT, PARENT, DocumentKind.HOUSEHOLD_REGISTER, CLERK.staff
)


class Register:
    """Who is insured."""

    def __init__(self) -> None:
        self.births = dict(BIRTHS)
        self.numbers: dict[str, PersonNo] = {}

    def birth_date(self, psn_no: PersonNo) -> date:
        if psn_no not in self.births:
            raise Refused(PERSON_NOT_FOUND)
        return self.births[psn_no]

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        return self.numbers.get(id_number.value)


class Memory:
    """A cache of faces, such as captures under way, that can refuse for a while."""

    def __init__(self, name: StoreName) -> None:
        self.name = name
        self.entries: defaultdict[PersonNo, int] = defaultdict(int)
        self.failing = False

    def count(self, psn_no: PersonNo) -> int:
        return self.entries[psn_no]

    def erase(self, psn_no: PersonNo) -> int:
        if self.failing:
            raise Refused(ERASURE_UNFINISHED)
        return self.entries.pop(psn_no, 0)


@dataclass(frozen=True)
class Scanned:
    """A capture session that is over."""

    session_id: SessionId
    person: VerifiedPerson | None


@dataclass
class Told:
    """The person's old channel."""

    told: list[tuple[PersonNo, str]] = field(default_factory=list)
    failing: bool = False

    def tell(self, psn_no: PersonNo, what: str) -> None:
        if self.failing:
            raise Refused(ERASURE_UNFINISHED)
        self.told.append((psn_no, what))


class PowerCutError(Exception):
    """The process dies here."""


class FaceWorld:
    """Every service over one database; :meth:`restart` begins a new process over it."""

    def __init__(self, database: Database, folder: Path, *, notices: Notices | None = None) -> None:
        stores = (gallery_store, consent_store, erasure_store, template_store, audit_store)
        make_tables(database, [store.metadata for store in stores])
        self.database = database
        self.clock = SettableClock(NOW)
        self.register = Register()
        self.notices = notices or load_notices(packaged_notices())
        self.settings = Settings(registry_url="http://127.0.0.1:9000")
        self.keys = DevelopmentKeys(folder / "keys")
        self.memory = Memory(StoreName.EXPECTATIONS)
        self.restart()

    def restart(self) -> None:
        self.gallery = Gallery(
            "insured",
            [PATH],
            database=self.database,
            keys=DerivedSecrets(self.keys, "gallery.insured.protection", b"protection"),
            sealer=Sealer(self.keys),
            clock=self.clock,
        )
        self.gallery.rebuild()
        database = self.database
        self.records = GalleryRecords(
            database=database, gallery=self.gallery, gallery_name="insured"
        )
        self.index = SearchIndex(gallery=self.gallery, paths=(PATH,))
        stores = (
            self.records,
            self.index,
            TemplateRegister(database=database),
            WaitingEnrolments(database=database),
            self.memory,
        )
        self.erasures = Erasures(database=database, clock=self.clock, stores=stores, backup_days=30)
        self.consents = Consents(
            database=database,
            clock=self.clock,
            notices=self.notices,
            people=self.register,
            erasures=self.erasures,
        )
        self.templates = Templates(
            database=database,
            clock=self.clock,
            gallery=self.gallery,
            consents=self.consents,
            erasures=self.erasures,
            template_months=24,
        )

    @property
    def version(self) -> str:
        return self.notices.current.version

    def wait(self, span: timedelta = timedelta(minutes=1)) -> datetime:
        self.clock.set(self.clock.now() + span)
        return self.clock.now()

    def give(
        self,
        psn_no: PersonNo = PERSON,
        *purposes: ConsentPurpose,
        by: GivenBy | None = None,
        version: str | None = None,
        at: datetime | None = None,
    ) -> tuple[ConsentPurpose, ...]:
        return self.consents.give(
            psn_no,
            purposes or (TEMPLATE,),
            notice_version=version or self.version,
            at=at or self.wait(),
            given_by=by or ByPerson(),
            channel=at_terminal(),
        )

    def withdraw(
        self,
        psn_no: PersonNo = PERSON,
        purpose: ConsentPurpose = TEMPLATE,
        *,
        by: GivenBy | None = None,
        channel: Channel | None = None,
    ) -> Withdrawal:
        self.wait()
        return self.consents.withdraw(
            psn_no, purpose, by=by or ByPerson(), channel=channel or at_terminal()
        )

    def enrol(self, psn_no: PersonNo = PERSON, *, session: Scanned | None = None) -> bool:
        return self.templates.enrol(
            psn_no, new_template(psn_no), session=session or scanned(psn_no)
        )

    def reachable(self, psn_no: PersonNo = PERSON) -> bool:
        return self.records.count(psn_no) + self.index.count(psn_no) > 0

    def left(self, psn_no: PersonNo = PERSON) -> int:
        return sum(self.erasures.holdings(psn_no).values())


def at_terminal(session: str | None = None) -> Channel:
    return Channel(
        ChannelKind.TERMINAL,
        institution=HOSPITAL,
        terminal_id=TerminalId("T1"),
        session_id=SessionId(session or new_identifier()),
    )


def scanned(
    psn_no: PersonNo = PERSON,
    *,
    active: bool = True,
    basis: Basis = Basis.REGISTRY,
    registry: RegistryVerdict | None = RegistryVerdict.MATCH,
) -> Scanned:
    """Somebody who typed the whole number and whom the registry confirmed."""
    person = VerifiedPerson(
        subject=psn_no,
        score=None,
        point=None,
        comparisons=0,
        error_upper95=None,
        factors=frozenset((Factor.FACE, Factor.DIGITS)),
        basis=basis,
        registry=registry,
        active=active,
    )
    return Scanned(SessionId(new_identifier()), person)


def new_template(psn_no: PersonNo) -> NewTemplate:
    vector = np.random.default_rng(sum(psn_no.encode())).standard_normal(PATH.dimension)
    vector /= np.linalg.norm(vector)
    return NewTemplate(vector.astype(np.float32), PATH.path_id, 80)


def later_notice(notice: Notice, version: str, *, material: bool, **facts: object) -> Notice:
    """The notice with other facts, published later."""
    changed = {**notice.model_dump(), "version": version, "material": material}
    changed["published"] = date.fromisoformat(version)
    changed["facts"] = {**changed["facts"], **facts}
    return Notice.model_validate(changed)


@contextmanager
def refused(kind: RefusalKind) -> Iterator[None]:
    """The block must be refused, for this reason."""
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.kind is kind, caught.value
