"""An insurer in small for the tests: services over one database, a clock, a desk for proofs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.database.statements import own_locks
from shualian.core.id_number import IdNumber, check_character
from shualian.core.identifiers import (
    AuthNo,
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    TerminalId,
    VisitId,
    new_identifier,
)
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.insurer.benefits.model import LineSplit, Settlement
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)
from shualian.insurer.funds import store as ledger
from shualian.insurer.funds.service import Funds
from shualian.insurer.institutions import store as institutions_store
from shualian.insurer.institutions.model import Institution
from shualian.insurer.institutions.service import Institutions
from shualian.insurer.persons import store as persons_store
from shualian.insurer.persons.model import Insurance, Insured
from shualian.insurer.persons.service import Persons
from shualian.insurer.settlement import store as settlement_store
from shualian.insurer.settlement.evidence import store as evidence_store
from shualian.insurer.settlement.evidence.model import HIGHEST, Evidence
from shualian.insurer.settlement.evidence.service import Cards, PersonalLimits
from shualian.insurer.settlement.model import (
    Bill,
    ChargeItem,
    Confirmed,
    FaceEvidence,
    Refund,
    Registration,
    Reversal,
    SettlementRecord,
    Visit,
)
from shualian.insurer.settlement.service import Settlements
from shualian.insurer.vouchers import store as vouchers_store
from shualian.insurer.vouchers.service import VoucherPins, Vouchers
from shualian.sandbox import known_proofs
from shualian.sandbox.known_proofs import KnownProof
from shualian.staff.passwords.model import HashCost
from shualian.trust.audit import store as audit_store
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer
from shualian.verification import store as verification_store
from shualian.verification.model import Relation, Scene
from shualian.verification.proofs.model import Claim
from shualian.verification.proofs.within import redeem_within
from shualian.verification.registry.model import RegistryVerdict
from tables import make_tables

NOW = datetime(2026, 5, 4, 2, 0, tzinfo=UTC)
CLINIC = InstitutionCode("H99000000001")
HOSPITAL = InstitutionCode("H99000000003")
PHARMACY = InstitutionCode("P99000000001")

ANTIBIOTIC, CONSULTATION, FOLDER, BLOOD_COUNT = (
    "XA00000000000000000000",
    "002000000010000",
    "002000000020000",
    "002000000030000",
)


class ProofDesk:
    """Issues proofs as verification keeps them, and redeems them as it does."""

    def __init__(self, database: Database, clock: SettableClock) -> None:
        self.database = database
        self.clock = clock

    def issue(
        self,
        psn_no: PersonNo,
        scene: Scene,
        institution: InstitutionCode,
        amount: Fen,
        *,
        subject: PersonNo | None = None,
        relation: Relation = Relation.SELF,
        pin: bool = False,
        active: bool = True,
        registry: RegistryVerdict | None = RegistryVerdict.MATCH,
        uses: int = 1,
    ) -> FaceEvidence:
        """A proof that a person acts for themselves or another, good for this amount."""
        known = KnownProof(
            institution=institution,
            beneficiary=psn_no,
            subject=subject or psn_no,
            scene=scene,
            amount_max_fen=amount,
            relation=relation,
            pin=pin,
            active=active,
            registry=registry,
            uses=uses,
        )
        now = self.clock.now()
        proof = self.database.write(
            lambda connection: known_proofs.issue(connection, known, now=now)
        )
        return FaceEvidence(
            auth_no=proof.auth_no,
            intent_id=proof.intent_id,
            terminal_id=proof.terminal_id,
            scene=scene,
            subject=proof.subject,
            relation=relation,
        )

    def redeem(
        self,
        auth_no: AuthNo,
        *,
        intent_id: IntentId,
        use: str,
        amount_fen: Fen,
        expected_institution: InstitutionCode,
        expected_terminal: TerminalId,
        expected_scene: Scene,
        expected_subject: PersonNo,
        expected_beneficiary: PersonNo,
        expected_relation: Relation,
    ) -> object:
        claim = Claim(
            auth_no,
            intent_id,
            use,
            amount_fen,
            expected_institution,
            expected_terminal,
            expected_scene,
            expected_subject,
            expected_beneficiary,
            expected_relation,
        )

        def work(connection: Connection) -> object:
            own_locks(connection)
            return redeem_within(connection, claim, now=self.clock.now())

        return self.database.write(work)

    def redemptions(self) -> list[tuple[str, str]]:
        """Every redemption: intent and use."""
        table = verification_store.redemptions
        rows = self.database.read(
            lambda connection: connection.execute(select(table.c.intent_id, table.c.use)).all()
        )
        return [(row.intent_id, row.use) for row in rows]


def id_number(serial: int = 1) -> IdNumber:
    digits = f"99000019900101{serial:03d}"
    return IdNumber(digits + check_character(digits))


def charge(
    number: str,
    amount: int,
    code: str = BLOOD_COUNT,
    *,
    batch: str = "B1",
    cnt: str = "1",
) -> ChargeItem:
    return ChargeItem(
        feedetl_sn=ChargeItemNo(number),
        chrg_bchno=batch,
        fee_ocur_time=NOW,
        med_list_codg=code,
        medins_list_codg="LOCAL-1",
        det_item_fee_sumamt=Fen(amount),
        cnt=Decimal(cnt),
        pric=round(Decimal(amount) / 100 / Decimal(cnt), 6),
        bilg_dept_codg="A03",
        bilg_dr_codg="D990000000001",
    )


WORKED_BILL = (
    charge("1", 50_00, ANTIBIOTIC, cnt="2"),
    charge("2", 30_00, CONSULTATION),
    charge("3", 12_00, FOLDER),
)
"""The bill of 92 yuan of the national interface's example."""


def confirmed(settlement: Settlement) -> Confirmed:
    amounts = settlement.amounts
    return Confirmed(
        fulamt_ownpay_amt=amounts.fulamt_ownpay_amt,
        overlmt_selfpay=amounts.overlmt_selfpay,
        preselfpay_amt=amounts.preselfpay_amt,
        inscp_scp_amt=amounts.inscp_scp_amt,
        fund_pay_sumamt=amounts.fund_pay_sumamt,
        acct_pay=amounts.acct_pay,
        psn_cash_pay=amounts.psn_cash_pay,
    )


class Office:
    """All services of the insurer's money over one database."""

    def __init__(self, database: Database, folder: Path) -> None:
        stores = (
            audit_store,
            verification_store,
            vouchers_store,
            persons_store,
            institutions_store,
            settlement_store,
            evidence_store,
            ledger,
        )
        make_tables(database, [store.metadata for store in stores])
        self.database = database
        self.clock = SettableClock(NOW)
        self.proofs = ProofDesk(database, self.clock)
        self.sealer = sealer = Sealer(DevelopmentKeys(folder / "keys"))
        self.persons = Persons(database=database, sealer=sealer, mode=Mode.SANDBOX)
        self.vouchers = Vouchers(database=database, clock=self.clock, sealer=sealer)
        self.pins = VoucherPins(
            database=database,
            clock=self.clock,
            sealer=sealer,
            people=self.persons,
            cost=HashCost(passes=1, memory_kib=8, lanes=1),
        )
        self.institutions = Institutions(database=database)
        self.funds = Funds(database=database, clock=self.clock)
        self.settlements = Settlements(
            database=database,
            clock=self.clock,
            policies=load_policies(packaged_policies()),
            catalogues=load_catalogues(packaged_catalogues()),
            proofs=self.proofs,
            sealer=sealer,
            pins=self.pins,
            codes=self.vouchers,
            people=self.persons,
        )
        self.cards = Cards(database=database, clock=self.clock, hasher=sealer)
        self.personal_limits = PersonalLimits(database=database, clock=self.clock, region=HIGHEST)
        self.institutions.contract(Institution(CLINIC, "示例社区", "1", "990000"))
        self.institutions.contract(Institution(PHARMACY, "示例药店", "0", "990000"))
        self.institutions.contract(Institution(HOSPITAL, "示例医院", "3", "990000"))

    def insured(self, serial: int = 1, *, balance: int = 0, psn_type: str = "1101") -> Insured:
        insurance = Insurance("310", psn_type, "990000")
        person = self.persons.register_insured(
            id_number=id_number(serial), name="测试甲", insurances=[insurance]
        )
        if balance:
            self.credit(person.psn_no, balance)
        return person

    def credit(self, psn_no: PersonNo, amount: int) -> Fen:
        return self.funds.credit_personal_account(
            command_id=CommandId(new_identifier()),
            psn_no=psn_no,
            region="990000",
            amount=Fen(amount),
        )

    def registration(self, psn_no: PersonNo, encounter: str | None = None) -> Registration:
        return Registration(
            psn_no=psn_no,
            insutype="310",
            begntime=self.clock.now(),
            mdtrt_cert_type="02",
            ipt_otp_no=EncounterNo(encounter or new_identifier()),
            atddr_no="D990000000001",
            dept_code="A03",
            caty="A03",
        )

    def visit(self, psn_no: PersonNo, *, institution: InstitutionCode = CLINIC) -> Visit:
        return self.settlements.open_visit(
            institution=institution, registration=self.registration(psn_no)
        )

    def upload(self, visit: Visit, *items: ChargeItem) -> tuple[LineSplit, ...]:
        return self.settlements.upload_charge_items(
            institution=visit.institution,
            mdtrt_id=visit.mdtrt_id,
            psn_no=visit.registration.psn_no,
            items=items,
        )

    def charged(
        self, psn_no: PersonNo, *items: ChargeItem, institution: InstitutionCode = CLINIC
    ) -> "Charged":
        visit = self.visit(psn_no, institution=institution)
        items = items or WORKED_BILL
        self.upload(visit, *items)
        return Charged(self, visit, bill(visit, *items))


def bill(visit: Visit, *items: ChargeItem, acct_used: bool = True) -> Bill:
    return Bill(
        mdtrt_id=visit.mdtrt_id,
        psn_no=visit.registration.psn_no,
        insutype="310",
        chrg_bchno=items[0].chrg_bchno,
        med_type="11",
        acct_used=acct_used,
        medfee_sumamt=Fen(sum(item.det_item_fee_sumamt for item in items)),
    )


@dataclass
class Charged:
    """A visit with an uploaded bill."""

    office: Office
    visit: Visit
    bill: Bill

    @property
    def mdtrt_id(self) -> VisitId:
        return self.visit.mdtrt_id

    def pre_settle(self) -> Settlement:
        return self.office.settlements.pre_settle(
            institution=self.visit.institution, bill=self.bill
        )

    def proof(self, **shown: Any) -> FaceEvidence:
        """A proof that is good for this bill."""
        return self.office.proofs.issue(
            self.bill.psn_no,
            Scene.SETTLEMENT,
            self.visit.institution,
            self.bill.medfee_sumamt,
            **shown,
        )

    def settle(
        self,
        command: str | None = None,
        *,
        evidence: Evidence | None = None,
        agreed: Confirmed | None = None,
        of: Bill | None = None,
    ) -> SettlementRecord:
        return self.office.settlements.settle(
            institution=self.visit.institution,
            command_id=CommandId(command or new_identifier()),
            bill=of or self.bill,
            confirmed=agreed or confirmed(self.pre_settle()),
            evidence=evidence or self.proof(),
        )

    def refund(
        self,
        record: SettlementRecord,
        *give_back: str,
        instead: Sequence[ChargeItem] = (),
        command: str | None = None,
    ) -> Refund:
        return self.office.settlements.refund(
            institution=self.visit.institution,
            command_id=CommandId(command or new_identifier()),
            setl_id=record.setl_id,
            mdtrt_id=record.mdtrt_id,
            psn_no=record.psn_no,
            give_back=[ChargeItemNo(number) for number in give_back],
            instead=instead,
        )

    def reverse(self, command: str) -> Reversal:
        return self.office.settlements.reverse(
            institution=self.visit.institution,
            command_id=CommandId(command),
            psn_no=self.bill.psn_no,
        )

    def cancel(self, record: SettlementRecord, command: str | None = None) -> SettlementRecord:
        return self.office.settlements.cancel_settlement(
            institution=self.visit.institution,
            command_id=CommandId(command or new_identifier()),
            setl_id=record.setl_id,
            mdtrt_id=record.mdtrt_id,
            psn_no=record.psn_no,
        )
