"""How many one-scan payments a second a hospital makes: the whole saga, in one process.

A payment is everything between the bill on the screen and the receipt: trial (2206) and its hold
at the hospital, the stored confirmation, the hold at the e-wallet, the settlement at the insurer
(2207) with its face proof, the capture, and the hospital's own record of each answer, every one of
them durable before the next step. Hospital, insurer and e-wallet have a database each; the two
halves meet in :class:`LocalInsurerPlatform`.

The e-wallet is the stand-in over its real books, called in this process (``direct``) or over
signed HTTP on loopback (``http``): then its own server, two signatures and two verifications for
each call are in this process too, and the figure is mostly theirs. The person's scan lies between
trial and confirmation; it is made up between the measured rounds and is not in the time.
"""

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, create_engine, make_url

from shualian.assembly.insurer_platform import LocalInsurerPlatform
from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.database.opening import connect_database
from shualian.core.identifiers import (
    AuthNo,
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    RecordNo,
    TerminalId,
    VisitId,
    new_identifier,
)
from shualian.core.memory import keep_what_was_loaded
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.gateway.ewallet.service import open_ewallet
from shualian.hospital import model as at_hospital
from shualian.hospital.cashier import store as cashier_store
from shualian.hospital.encounters import store as encounter_store
from shualian.hospital.encounters.model import Encounter, EncounterState
from shualian.hospital.encounters.store import StoredEncounter
from shualian.hospital.model import Channel
from shualian.hospital.orders import store as order_store
from shualian.hospital.orders.model import Batch, BatchState, ChargeItem, with_splits
from shualian.hospital.payments import store as payment_store
from shualian.hospital.payments.model import Payment
from shualian.hospital.payments.service import Payments
from shualian.hospital.records import store as record_store
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.model import Department, Doctor
from shualian.hospital.wallet import store as wallet_store
from shualian.hospital.wallet.model import PayerRef
from shualian.hospital.wallet.ports import EWallet
from shualian.hospital.wallet.service import Agreements
from shualian.sandbox import known_proofs
from shualian.sandbox.ewallet.model import Terms
from shualian.sandbox.ewallet.server import open_wallet, running_wallet
from shualian.sandbox.ewallet.service import DirectWallet, StandInWallet
from shualian.sandbox.known_proofs import KnownProof
from shualian.sandbox.rounds import Job, Rounds
from shualian.sandbox.settlement_bench import BENCH_INCOHERENT, CLINIC, Office, engine_of
from shualian.trust.audit import store as audit_store
from shualian.trust.keys import DevelopmentKeys
from shualian.verification.model import FaceProof, Relation, Scene

TARGET_PER_S = 400
_PEOPLE = 800
_OF_EACH_CLIENT = 20
_BALANCE = Fen(10_000_000_00)
_CARE = Department("A03", "内科", "A03", "A")
_DOCTOR = Doctor("D1", "示例医生")
_TERMINAL = TerminalId("T1")
_LINES = (
    ("YP001", "XA00000000000000000000", "50"),
    ("ZC001", "002000000010000", "30"),
    ("QT001", "002000000020000", "12"),
)
_STORES = (
    record_store,
    encounter_store,
    order_store,
    payment_store,
    cashier_store,
    wallet_store,
    audit_store,
)


class WalletBy(StrEnum):
    """How the stand-in of the e-wallet is asked."""

    DIRECT = "direct"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class PaymentRate:
    """What was measured.

    Attributes:
        engine: Of the hospital's and the insurer's database; the e-wallet's is SQLite.
        wallet: How the stand-in was asked.
        clients: Threads that pay at once.
        seconds: Measured time, of trials and of settlements.
        payments: How many ended with their share taken from the e-wallet.
        payments_per_s: Rate.
        cpu_s_per_1000: Processor time of this process for 1,000 payments, user and system, seconds.
        prepare_p50_ms: Half of the trials took at most so long.
        settle_p50_ms: Half of the confirmations took at most so long, until all was done.
        settle_p99_ms: 99 % did.
        of_target: ``payments_per_s`` of :data:`TARGET_PER_S`.
    """

    engine: str
    wallet: str
    clients: int
    seconds: float
    payments: int
    payments_per_s: int
    cpu_s_per_1000: float
    prepare_p50_ms: float
    settle_p50_ms: float
    settle_p99_ms: float
    of_target: float


class _Desk:
    """Where records are opened for the benchmark: every number is a scan of that person."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def check(self, auth_no: AuthNo, *, expected_institution: InstitutionCode) -> FaceProof:
        """A registration's proof whose number is the person's."""
        who, now = PersonNo(auth_no), self._office.clock.now()
        return FaceProof(
            auth_no=auth_no,
            subject=who,
            beneficiary=who,
            relation=Relation.SELF,
            intent_id=IntentId(auth_no),
            scene=Scene.REGISTRATION,
            terminal_id=_TERMINAL,
            institution=expected_institution,
            amount_max_fen=Fen(0),
            uses=1,
            expires_at=now + timedelta(minutes=5),
        )

    def side(self) -> Any:
        """What :class:`LocalInsurerPlatform` asks of an insurer's side for these payments."""
        return SimpleNamespace(
            settlements=self._office.settlements,
            verification=self,
            insured=SimpleNamespace(persons=self._office.register),
        )


class _Hospital:
    """A hospital in small, beside an insurer and an e-wallet in small."""

    def __init__(self, database: Database, office: Office, wallet: EWallet) -> None:
        for each in _STORES:
            database.create_tables(each.metadata)
        self.database = database
        self.office = office
        desk = _Desk(office)
        insurer = LocalInsurerPlatform(desk.side(), office.clock)
        parts: dict[str, Any] = {
            "institution": CLINIC,
            "database": database,
            "clock": office.clock,
            "sealer": office.sealer,
        }
        self.records = Records(**parts, proofs=desk, insurer=insurer)
        self.agreements = Agreements(**parts, wallet=wallet)
        self.payments = Payments(
            **parts, records=self.records, insurer=insurer, agreements=self.agreements
        )
        self._insurer = insurer
        with ThreadPoolExecutor(8) as pool:
            self.record_of = dict(
                zip(office.people, pool.map(self._known, office.people), strict=True)
            )
        self._splits = self._classed()

    def _known(self, psn_no: PersonNo) -> RecordNo:
        evidence = at_hospital.FaceEvidence(
            auth_no=AuthNo(psn_no),
            intent_id=IntentId(psn_no),
            scene=Scene.REGISTRATION,
            terminal_id=_TERMINAL,
            first_frame_at=self.office.clock.now(),
        )
        record = self.records.open_record(command_id=CommandId(new_identifier()), evidence=evidence)
        self.agreements.link(psn_no=psn_no, payer=_payer(psn_no))
        return record.record_no

    def _classed(self) -> tuple[at_hospital.FeeSplit, ...]:
        """How the insurer classes the lines, asked once: they are the same on every bill."""
        psn_no = self.office.people[0]
        encounter_no = EncounterNo(new_identifier())
        visit = self.office.database.write(
            lambda connection: self.office.visited(connection, psn_no, encounter_no)
        )
        items = self._items(encounter_no, "B0")
        return self._insurer.upload_charge_items(
            at_hospital.ChargeUpload(
                fixmedins_code=CLINIC,
                psn_no=psn_no,
                mdtrt_id=visit.mdtrt_id,
                chrg_bchno="B0",
                feedetail=tuple(item.detail for item in items),
            )
        )

    def bills(self, people: list[PersonNo]) -> list[EncounterNo]:
        """An open bill of an encounter of its own for each, at both halves."""
        numbers = [EncounterNo(new_identifier()) for _ in people]
        bills = [self._items(number, new_identifier()) for number in numbers]

        def at_insurer(connection: Connection) -> list[VisitId]:
            visits = []
            for psn_no, items in zip(people, bills, strict=True):
                visit = self.office.visited(connection, psn_no, items[0].encounter_no)
                self.office.charge(connection, visit, items)
                visits.append(visit.mdtrt_id)
            return visits

        visits = self.office.database.write(at_insurer)

        def at_home(connection: Connection) -> None:
            for psn_no, items, mdtrt_id in zip(people, bills, visits, strict=True):
                encounter_store.add(connection, self._encounter(psn_no, items[0], mdtrt_id))
                order_store.add_batch(connection, _batch(items[0]))
                order_store.add_items(connection, items)
                order_store.add_splits(connection, self._uploaded(items))

        self.database.write(at_home)
        return numbers

    def _items(self, encounter_no: EncounterNo, batch: str) -> list[ChargeItem]:
        command_id, now = CommandId(new_identifier()), self.office.clock.now()
        return [
            ChargeItem(
                feedetl_sn=ChargeItemNo(new_identifier()),
                institution=CLINIC,
                encounter_no=encounter_no,
                chrg_bchno=batch,
                command_id=command_id,
                line_no=place,
                medins_list_codg=own,
                med_list_codg=national,
                name_zh="示例项目",
                name_en="Sample item",
                pric=Decimal(price),
                cnt=Decimal(1),
                det_item_fee_sumamt=Fen(int(price) * 100),
                fee_ocur_time=now,
                bilg_dept_codg=_CARE.dept_code,
                bilg_dept_name=_CARE.dept_name,
                bilg_dr_codg=_DOCTOR.dr_code,
                bilg_dr_name=_DOCTOR.dr_name,
            )
            for place, (own, national, price) in enumerate(_LINES)
        ]

    def _uploaded(self, items: list[ChargeItem]) -> tuple[ChargeItem, ...]:
        answers = zip(items, self._splits, strict=True)
        return with_splits(
            items, [replace(split, feedetl_sn=item.feedetl_sn) for item, split in answers]
        )

    def _encounter(self, psn_no: PersonNo, item: ChargeItem, mdtrt_id: VisitId) -> StoredEncounter:
        encounter = Encounter(
            encounter_no=item.encounter_no,
            institution=CLINIC,
            command_id=item.command_id,
            record_no=self.record_of[psn_no],
            psn_no=psn_no,
            department=_CARE,
            doctor=_DOCTOR,
            insutype="310",
            med_type="11",
            intent_id=IntentId(new_identifier()),
            channel=Channel.FACE,
            terminal_id=_TERMINAL,
            first_frame_at=item.fee_ocur_time,
            age_band="60-69",
            begntime=item.fee_ocur_time,
            day=business_date(item.fee_ocur_time),
            state=EncounterState.REGISTERED,
            mdtrt_id=mdtrt_id,
        )
        return StoredEncounter(encounter, b"")

    def scans(self, payments: list[Payment]) -> list[at_hospital.FaceEvidence]:
        """The person's confirmation of each, as the insurer's verification keeps it."""

        def work(connection: Connection) -> list[FaceProof]:
            now = self.office.clock.now()
            return [
                known_proofs.issue(connection, _scanned(payment), now=now) for payment in payments
            ]

        return [
            at_hospital.FaceEvidence(
                auth_no=proof.auth_no,
                intent_id=proof.intent_id,
                scene=proof.scene,
                terminal_id=proof.terminal_id,
                first_frame_at=self.office.clock.now(),
            )
            for proof in self.office.database.write(work)
        ]


def measure(
    url: str,
    *,
    clients: int,
    seconds: float,
    clock: Clock,
    by: WalletBy = WalletBy.DIRECT,
    people: int = _PEOPLE,
) -> PaymentRate:
    """Pay with ``clients`` threads until ``seconds`` of measured time, then check all books.

    Args:
        url: Of a database for this only; the hospital's is made beside it.
        clients: Threads that pay at once.
        seconds: Measured time.
        clock: The machine's.
        by: How the e-wallet's stand-in is asked.
        people: Who are insured, at the least; each client has people of its own, as counters have.

    Raises:
        Refused: What a database refuses; ``sandbox.bench_incoherent``.
    """
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        database = opened.enter_context(closing(connect_database(url)))
        beside = opened.enter_context(_beside(url))
        hospital_database = opened.enter_context(closing(connect_database(beside)))
        # A person has one open bill at a time, or the second trial would not hold after the first.
        enough = max(people, clients * _OF_EACH_CLIENT)
        office = Office(database, folder / "keys", clock, people=enough)
        books, wallet = opened.enter_context(_wallet(folder, clock, by))
        for psn_no in office.people:
            _open_account(books, psn_no, clock)
        hospital = _Hospital(hospital_database, office, wallet)
        rate = _measured(hospital, engine_of(url), clients, seconds, by)
        if not (office.funds.check_books().coherent and books.check_books().coherent):
            raise Refused(BENCH_INCOHERENT)
    return rate


@contextmanager
def _beside(url: str) -> Iterator[str]:
    """The URL of a hospital's database beside an insurer's: a file, or a database of the server."""
    parsed = make_url(url)
    name = f"{parsed.database}_hospital_{new_identifier().lower()}"
    beside = parsed.set(database=name).render_as_string(hide_password=False)
    if engine_of(url) == "sqlite":
        yield beside
        return
    server = create_engine(parsed, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield beside
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        server.dispose()


@contextmanager
def _wallet(folder: Path, clock: Clock, by: WalletBy) -> Iterator[tuple[StandInWallet, EWallet]]:
    if by is WalletBy.DIRECT:
        with open_wallet(folder / "wallet", clock=clock, origin="http://127.0.0.1") as books:
            yield books, DirectWallet(books, CLINIC)
        return
    with running_wallet(folder / "wallet", clock=clock) as running:
        client = open_ewallet(
            origin=running.origin,
            public_key=None,
            merchant=CLINIC,
            notify_url=None,
            keys=DevelopmentKeys(folder / "hospital-keys"),
            first_use_file=folder / "wallet.pub",
            clock=clock,
            mode=Mode.SANDBOX,
            counter=_Uncounted(),
        )
        with closing(client):
            yield running.wallet, client


class _Uncounted:
    def count(self, name: str) -> None:
        """A failure shows as a payment that is not done."""


def _payer(psn_no: PersonNo) -> PayerRef:
    return PayerRef(f"payer-{psn_no}")


def _open_account(books: StandInWallet, psn_no: PersonNo, clock: Clock) -> None:
    books.open_account(_payer(psn_no), last_four="0000", balance=_BALANCE)
    now = clock.now()
    year = timedelta(days=365)
    books.agree(_payer(psn_no), Terms(_BALANCE, _BALANCE, now - year, now + year))


def _batch(item: ChargeItem) -> Batch:
    return Batch(item.chrg_bchno, item.institution, item.encounter_no, BatchState.OPEN)


def _scanned(payment: Payment) -> KnownProof:
    return KnownProof(
        institution=payment.institution,
        beneficiary=payment.psn_no,
        subject=payment.psn_no,
        scene=Scene.SETTLEMENT,
        amount_max_fen=payment.amount_max_fen,
        terminal_id=_TERMINAL,
        pin=True,
        intent_id=payment.intent_id,
    )


def _measured(
    hospital: _Hospital, engine: str, clients: int, seconds: float, by: WalletBy
) -> PaymentRate:
    trials, confirmations = Rounds(), Rounds()
    people = hospital.office.people
    queues = [itertools.cycle(people[client::clients]) for client in range(clients)]
    _pay(hospital, queues, Rounds(), Rounds())  # prepares statements, fills caches
    keep_what_was_loaded()  # as a server does
    while trials.seconds + confirmations.seconds < seconds:
        _pay(hospital, queues, trials, confirmations)
    spent = trials.seconds + confirmations.seconds
    per_s = len(confirmations.took_s) / spent
    return PaymentRate(
        engine=engine,
        wallet=by.value,
        clients=clients,
        seconds=round(spent, 1),
        payments=len(confirmations.took_s),
        payments_per_s=round(per_s),
        cpu_s_per_1000=round(trials.cpu_s_per_1000 + confirmations.cpu_s_per_1000, 2),
        prepare_p50_ms=round(trials.quantile_ms(50), 1),
        settle_p50_ms=round(confirmations.quantile_ms(50), 1),
        settle_p99_ms=round(confirmations.quantile_ms(99), 1),
        of_target=round(per_s / TARGET_PER_S, 2),
    )


def _pay(
    hospital: _Hospital,
    queues: Sequence[Iterator[PersonNo]],
    trials: Rounds,
    confirmations: Rounds,
) -> None:
    """One round: everybody's trial, their scans outside of the time, everybody's payment."""
    shares = [hospital.bills(list(itertools.islice(queue, _OF_EACH_CLIENT))) for queue in queues]
    prepared: list[list[Payment]] = [[] for _ in shares]
    trials.run(
        [
            [_trial(hospital, number, into) for number in share]
            for share, into in zip(shares, prepared, strict=True)
        ]
    )
    jobs = [
        [
            _confirmation(hospital, payment, evidence)
            for payment, evidence in zip(share, hospital.scans(share), strict=True)
        ]
        for share in prepared
    ]
    confirmations.run(jobs)


def _trial(hospital: _Hospital, number: EncounterNo, into: list[Payment]) -> Job:
    command_id = CommandId(new_identifier())
    return lambda: into.append(
        hospital.payments.prepare(command_id=command_id, encounter_no=number)
    )


def _confirmation(hospital: _Hospital, payment: Payment, evidence: at_hospital.FaceEvidence) -> Job:
    def job() -> None:
        share = payment.confirmed.amounts.psn_cash_pay
        paid = hospital.payments.settle(
            command_id=payment.command_id, evidence=evidence, from_wallet_fen=share
        )
        if not share or not paid.done or paid.cash_due_fen:
            raise Refused(BENCH_INCOHERENT)

    return job
