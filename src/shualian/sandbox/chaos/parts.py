"""The three parties of the simulation over their databases: insurer, hospital, e-wallet.

Insurer and hospital are made of the same services as in the running system; only the face engine
and what stands before a proof are left out. A database can be told to kill its own process.
"""

import os
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import Connection, MetaData

from shualian.assembly import HospitalSide, InsurerPorts, LocalInsurerPlatform
from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, PersonNo, SessionId, StaffId, TerminalId
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.core.settings import HospitalSettings, Settings
from shualian.hospital.cashier.closing.model import InsurerDay
from shualian.hospital.model import INSURER_UNREACHABLE
from shualian.hospital.orders.model import PriceList
from shualian.hospital.orders.store import load_price_list, packaged_price_lists
from shualian.hospital.ports import FaceProofs, InsurerPlatform
from shualian.insurer.benefits.catalogue import CatalogueBook
from shualian.insurer.benefits.policy import PolicyBook
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)
from shualian.insurer.family.service import FamilyBindings
from shualian.insurer.funds.service import Funds
from shualian.insurer.institutions.service import Institutions
from shualian.insurer.persons.service import Persons
from shualian.insurer.settlement.evidence.service import Cards
from shualian.insurer.settlement.service import Settlements
from shualian.insurer.traces.service import Traces
from shualian.insurer.vouchers.service import VoucherPins, Vouchers
from shualian.trust.audit.checkpoints import CheckpointFolder
from shualian.trust.audit.service import AuditChain
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer
from shualian.verification.model import Policy
from shualian.verification.proofs.service import Proofs
from shualian.verification.requirements.model import MoneyRules

HOSPITAL = InstitutionCode("H99000000001")
NAME = "示例市第一医院"
REGION = "990000"
CLERK = StaffId("S001")
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: loopback is plain, and reading certificates takes long at every start."""
INSURER_CHAIN = "insurer"
_NOBODY = "http://localhost:9"
"""As origin of the listeners that the simulation does without."""

T = TypeVar("T")


class DyingDatabase:
    """A database whose process can be told to die at one of its next writes."""

    def __init__(self, database: Database) -> None:
        """Wrap ``database``."""
        self._database = database
        self.writes_at_once = database.writes_at_once
        self._left: int | None = None
        self._inside = False

    def die_at(self, write: int | None, *, inside: bool) -> None:
        """Die at a write from now on, 0 being the next; none: live.

        Args:
            write: Which.
            inside: In its transaction, before the commit; else after the commit.
        """
        self._left, self._inside = write, inside

    def read(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.read`."""
        return self._database.read(work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.write`."""
        dies = self._left == 0
        self._left = None if self._left is None else self._left - 1

        def inside(connection: Connection) -> T:
            result = work(connection)
            if dies and self._inside:
                die()
            return result

        result = self._database.write(inside)
        if dies:
            die()
        return result

    def change_schema(self, work: Callable[[Connection], T]) -> T:
        """See :meth:`Database.change_schema`."""
        return self._database.change_schema(work)

    def create_tables(self, metadata: MetaData) -> None:
        """See :meth:`Database.create_tables`."""
        self._database.create_tables(metadata)

    def close(self) -> None:
        """See :meth:`Database.close`."""
        self._database.close()


def die() -> None:
    """End this process as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class _Insured:
    persons: Persons
    vouchers: Vouchers
    pins: VoucherPins
    family: FamilyBindings


@dataclass(frozen=True, slots=True)
class Insurer:
    """The insurer's money over one database."""

    database: Database
    settlements: Settlements
    verification: Proofs
    insured: _Insured
    cards: Cards
    traces: Traces
    funds: Funds
    institutions: Institutions
    audit: AuditChain


def insurer_over(database: Database, folder: Path, clock: Clock) -> Insurer:
    """The insurer with the keys of ``folder``."""
    keys = DevelopmentKeys(folder / "insurer-keys")
    sealer = Sealer(keys)
    persons = Persons(database=database, sealer=sealer, mode=Mode.SANDBOX, clock=clock)
    proofs = _proofs(database, clock)
    settlements = Settlements(
        database=database,
        clock=clock,
        policies=_policies(),
        catalogues=_catalogues(),
        proofs=proofs,
        sealer=sealer,
        people=persons,
    )
    return Insurer(
        database=database,
        settlements=settlements,
        verification=proofs,
        insured=_Insured(
            persons,
            Vouchers(database=database, clock=clock, sealer=sealer),
            VoucherPins(database=database, clock=clock, sealer=sealer, people=persons),
            FamilyBindings(database=database, clock=clock, people=persons),
        ),
        cards=Cards(database=database, clock=clock, hasher=sealer),
        traces=Traces(database=database, clock=clock, visits=settlements.visits),
        funds=Funds(database=database, clock=clock),
        institutions=Institutions(database=database),
        audit=AuditChain(
            INSURER_CHAIN,
            database=database,
            keys=keys,
            place=CheckpointFolder(checkpoints_in(folder)),
            clock=clock,
        ),
    )


def platform_of(insurer: Insurer, clock: Clock) -> LocalInsurerPlatform:
    """The insurer as hospitals ask it."""
    return LocalInsurerPlatform(insurer, clock)


def hospital_over(
    database: Database,
    folder: Path,
    clock: Clock,
    *,
    insurer: InsurerPlatform,
    proofs: FaceProofs,
    wallet: tuple[str, str] | None = None,
    news_origin: str = "http://127.0.0.1",
) -> HospitalSide:
    """The hospital with the keys of ``folder``.

    Args:
        database: Its own.
        folder: Its data.
        clock: Of the simulation.
        insurer: Its platform.
        proofs: Where proofs are looked at.
        wallet: Origin and public key of the e-wallet.
        news_origin: Where the e-wallet sends its news.
    """
    origin, key = wallet or (None, None)
    settings = Settings(
        data_dir=folder,
        ewallet_url=origin,
        ewallet_public_key=key,
        audit_checkpoints_dir=checkpoints_in(folder),
    )
    return HospitalSide(
        settings,
        hospital=HospitalSettings(
            code=HOSPITAL,
            name=NAME,
            terminal_origin=_NOBODY,
            staff_origin=_NOBODY,
            wallet_news_origin=news_origin,
        ),
        prices=_prices(),
        insurer=InsurerPorts(
            platform=insurer,
            proofs=proofs,
            books=_NOT_HERE,
            sign_ins=_NOT_HERE,
            expectations=_NOT_HERE,
            people=_NOT_HERE,
        ),
        mode=Mode.SANDBOX,
        clock=clock,
        database=database,
    )


class _NotHere:
    """What the simulation does without: whoever asks is refused."""

    def of_day(self, day: date) -> InsurerDay:
        """See :class:`InsurerBooks`."""
        raise Refused(INSURER_UNREACHABLE, day=day.isoformat())

    def valid(self, dr_code: str, *, institution: InstitutionCode, at: datetime) -> bool:
        """See :class:`DoctorSignIns`."""
        raise Refused(INSURER_UNREACHABLE, doctor=dr_code, at=at.isoformat(), where=institution)

    def at_work(self, dr_code: str, *, institution: InstitutionCode, at: datetime) -> None:
        """See :class:`DoctorSignIns`."""
        raise Refused(INSURER_UNREACHABLE, doctor=dr_code, at=at.isoformat(), where=institution)

    def expect(self, psn_no: PersonNo, day: date) -> None:
        """See :class:`Expectations`."""
        raise Refused(INSURER_UNREACHABLE, person=psn_no, day=day.isoformat())

    def forget(self, psn_no: PersonNo, day: date) -> None:
        """See :class:`Expectations`."""
        raise Refused(INSURER_UNREACHABLE, person=psn_no, day=day.isoformat())

    def call(self, terminal_id: TerminalId, psn_no: PersonNo) -> None:
        """See :class:`Expectations`."""
        raise Refused(INSURER_UNREACHABLE, person=psn_no, terminal=terminal_id)

    def end_call(self, terminal_id: TerminalId) -> None:
        """See :class:`Expectations`."""
        raise Refused(INSURER_UNREACHABLE, terminal=terminal_id)

    def person_at(
        self,
        terminal_id: TerminalId,
        *,
        session_id: SessionId,
        relative: PersonNo | None = None,
    ) -> PersonNo:
        """See :class:`PeopleAtTerminals`."""
        raise Refused(
            INSURER_UNREACHABLE,
            terminal=terminal_id,
            session=session_id,
            relative=relative is not None,
        )


_NOT_HERE = _NotHere()


def keys_of_hospital(folder: Path) -> Path:
    """Where the hospital's keys lie."""
    return folder / "hospitals" / HOSPITAL / "hospital-keys"


def read_once() -> None:
    """Read what every process reads at its start, before any is forked."""
    _policies()
    _catalogues()
    _prices()
    to("http://127.0.0.1").close()


@cache
def _policies() -> PolicyBook:
    return load_policies(packaged_policies())


@cache
def _catalogues() -> CatalogueBook:
    return load_catalogues(packaged_catalogues())


@cache
def _prices() -> PriceList:
    return load_price_list(packaged_price_lists() / "990000-illustrative.csv")


def checkpoints_in(folder: Path) -> Path:
    """The second place of the audits of a run."""
    place = folder / "checkpoints"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def to(origin: str) -> httpx.Client:
    """A client of one process: no proxy of the environment, no connection that is kept."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(
        base_url=origin, timeout=60.0, trust_env=False, limits=limits, verify=_NO_TLS
    )


def _proofs(database: Database, clock: Clock) -> Proofs:
    # Proofs are made by the simulation; nobody is asked for one here.
    nobody: Any = object()
    return Proofs(
        database=database,
        clock=clock,
        policy=Policy(
            fpir_max=0.01,
            identification_fmr=2.5e-4,
            verification_fmr=1e-3,
            margin=0.05,
            templates_per_person_max=1,
        ),
        rules=MoneyRules(Mode.SANDBOX, Fen(0)),
        people=nobody,
        pins=nobody,
        relations=nobody,
    )
