"""Vouchers for tests: a register, a clock, quick hashing, and scans as they are confirmed."""

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from insurer.office import NOW, id_number
from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, IntentId, PersonNo, SessionId, StaffId
from shualian.core.mode import Mode
from shualian.insurer.persons import store as persons_store
from shualian.insurer.persons.model import Insurance
from shualian.insurer.persons.service import Persons
from shualian.insurer.vouchers import store
from shualian.insurer.vouchers.model import CodeRedemption
from shualian.insurer.vouchers.service import VoucherPins, Vouchers
from shualian.staff.passwords.model import HashCost
from shualian.terminals.model import InstitutionStaff, InsurerStaff
from shualian.trust.audit import store as audit_store
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer
from shualian.verification.model import ConfirmedPerson, Factor
from shualian.verification.registry.model import RegistryVerdict
from tables import make_tables

HERE = InstitutionCode("H99000000001")
ELSEWHERE = InstitutionCode("H99000000002")
BILL, OTHER_BILL = IntentId("BILL-1"), IntentId("BILL-2")
CLERK = InstitutionStaff(StaffId("CLERK-1"), HERE)
OPERATOR = InsurerStaff(StaffId("OPERATOR-1"))
SCAN = SessionId("SCAN-1")
REGION = "990000"
PIN, OTHER_PIN = "580271", "940316"


class Wallet:
    """Vouchers, codes and PINs over one database."""

    def __init__(self, database: Database, folder: Path) -> None:
        make_tables(database, [persons_store.metadata, store.metadata, audit_store.metadata])
        self.database = database
        self.clock = SettableClock(NOW)
        self.sealer = Sealer(DevelopmentKeys(folder / "keys"))
        self.persons = Persons(
            database=database, sealer=self.sealer, mode=Mode.SANDBOX, clock=self.clock
        )
        self.vouchers = Vouchers(database=database, clock=self.clock, sealer=self.sealer)
        self.pins = VoucherPins(
            database=database,
            clock=self.clock,
            sealer=self.sealer,
            people=self.persons,
            cost=HashCost(1, 8, 1),
        )

    def now(self) -> datetime:
        return self.clock.now()

    def wait(self, span: timedelta) -> None:
        self.clock.set(self.now() + span)

    def person(self, serial: int = 1) -> PersonNo:
        return self.persons.register_insured(
            id_number=id_number(serial),
            name="测试甲",
            insurances=[Insurance("310", "1101", REGION)],
        ).psn_no

    def activated(self, serial: int = 1) -> PersonNo:
        psn_no = self.person(serial)
        self.vouchers.activate_at_terminal(psn_no, region=REGION, session_id=SCAN, at=self.now())
        return psn_no

    def redeem(
        self,
        token: str,
        institution: InstitutionCode = HERE,
        intent_id: IntentId = BILL,
        use: str = "settle",
    ) -> CodeRedemption:
        return self.vouchers.redeem_code(
            token, institution=institution, intent_id=intent_id, use=use
        )

    def changes(self) -> list[str]:
        """The audit's payloads, in order."""
        query = select(audit_store.events.c.payload).order_by(audit_store.events.c.event_id)
        return self.database.read(lambda connection: list(connection.scalars(query)))


def scanned(
    psn_no: PersonNo,
    *,
    active: bool = True,
    registry: RegistryVerdict | None = RegistryVerdict.MATCH,
) -> ConfirmedPerson:
    return ConfirmedPerson(
        subject=psn_no,
        session_id=SessionId("SCAN-9"),
        factors=frozenset((Factor.FACE, Factor.DIGITS)),
        active=active,
        registry=registry,
        confirmed_at=NOW,
    )
