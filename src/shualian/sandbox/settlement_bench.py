"""How many settlements a second the insurer makes, beside the raw limit of the same writes.

Every settlement is a whole one: a bill of three lines, a face proof redeemed in the same
transaction, sealed answer, ledger, counters, audit. The raw limit sends exactly the rows that such
settlements write, made ready before, with as many clients in the same run: what is between the two
is what the decisions cost. Bills and proofs are made ready between the measured rounds.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.database.opening import connect_database
from shualian.core.database.statements import Filled, own_locks, tell
from shualian.core.id_number import IdNumber, check_character
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    VisitId,
    new_identifier,
)
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import KindsOf, Refused
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)
from shualian.insurer.funds import store as ledger
from shualian.insurer.funds.service import Funds
from shualian.insurer.institutions import store as institutions
from shualian.insurer.institutions.model import Institution
from shualian.insurer.institutions.service import Institutions
from shualian.insurer.persons import store as persons
from shualian.insurer.persons.model import Insurance
from shualian.insurer.persons.service import Persons
from shualian.insurer.settlement import store as settlements_store
from shualian.insurer.settlement.evidence import store as evidence
from shualian.insurer.settlement.evidence.model import FaceEvidence
from shualian.insurer.settlement.model import (
    Bill,
    ChargeItem,
    Confirmed,
    Registration,
    Visit,
)
from shualian.insurer.settlement.service import Settlements
from shualian.insurer.settlement.visits.service import add_visit
from shualian.sandbox import known_proofs
from shualian.sandbox.known_proofs import KnownProof
from shualian.trust.audit import store as audit
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer
from shualian.verification import store as verification
from shualian.verification.model import Redemption, Scene

TARGET_PER_S = 1_000
TARGET_RATIO = 0.6
_CLINIC = InstitutionCode("H99000000001")
_REGION = "990000"
_PEOPLE = 400
_OF_EACH_CLIENT = 40
_BALANCE = Fen(10_000_000_00)
_LINES = ((50_00, "XA00000000000000000000"), (30_00, "002000000010000"), (12_00, "002000000020000"))
_STORES = (
    audit,
    verification,
    persons,
    institutions,
    settlements_store,
    evidence,
    ledger,
)

BENCH_INCOHERENT = KindsOf("sandbox").kind(
    "bench_incoherent",
    "测完以后账不平",
    "After the measurement the books are not coherent",
    "请把这个数据库留下来，报告这个问题",
    "Keep the database and report this",
)
REFUSALS = (BENCH_INCOHERENT,)


@dataclass(frozen=True, slots=True)
class SettlementRate:
    """What was measured.

    Attributes:
        engine: Of the database.
        clients: Threads that settle at once.
        seconds: Measured time of the settlements.
        settlements: How many.
        settlements_per_s: Rate.
        raw_per_s: Rate of the same writes alone.
        ratio_to_raw_limit: ``settlements_per_s`` of ``raw_per_s``.
        p50_ms: Half of the settlements took at most so long.
        p99_ms: 99 % did.
        of_target: ``settlements_per_s`` of :data:`TARGET_PER_S`.
    """

    engine: str
    clients: int
    seconds: float
    settlements: int
    settlements_per_s: int
    raw_per_s: int
    ratio_to_raw_limit: float
    p50_ms: float
    p99_ms: float
    of_target: float


class _CapturedError(Exception):
    def __init__(self, told: Sequence[Filled]) -> None:
        super().__init__("captured")
        self.told = told


class _Capturing(Settlements):
    """Decides as always and writes nothing: the rows come out instead."""

    def _send(self, connection: Connection, told: Sequence[Filled]) -> list[int]:  # noqa: ARG002
        raise _CapturedError(told)


class _NoProofs:
    """Visits of the benchmark are claims; nothing is redeemed for them."""

    def redeem(self, *_: object, **__: object) -> Redemption:
        raise AssertionError("a visit of the benchmark brings no proof")


@dataclass(frozen=True, slots=True)
class _Ready:
    """One settlement, ready to be asked for."""

    bill: Bill
    confirmed: Confirmed
    evidence: FaceEvidence
    command_id: CommandId


class _Office:
    """An insurer in small over the measured database."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        for each in _STORES:
            database.create_tables(each.metadata)
        self.database = database
        self.clock = clock
        sealer = Sealer(DevelopmentKeys(folder))
        parts: dict[str, Any] = {
            "database": database,
            "clock": clock,
            "policies": load_policies(packaged_policies()),
            "catalogues": load_catalogues(packaged_catalogues()),
            "proofs": _NoProofs(),
            "sealer": sealer,
        }
        self.settlements = Settlements(**parts)
        self.capturing = _Capturing(**parts)
        self.funds = Funds(database=database, clock=clock)
        Institutions(database=database).contract(Institution(_CLINIC, "示例社区", "1", _REGION))
        self.people = self._insured(Persons(database=database, sealer=sealer, mode=Mode.SANDBOX))

    def _insured(self, register: Persons) -> list[PersonNo]:
        people: list[PersonNo] = []
        for serial in range(1, _PEOPLE + 1):
            found = register.find_by_id_number(_id_number(serial))
            if found is None:
                insurance = Insurance("310", "1101", _REGION)
                found = register.register_insured(
                    id_number=_id_number(serial), name="测试甲", insurances=[insurance]
                )
                self.funds.credit_personal_account(
                    command_id=CommandId(new_identifier()),
                    psn_no=found.psn_no,
                    region=_REGION,
                    amount=_BALANCE,
                )
            people.append(found.psn_no)
        return people

    def ready(self, psn_nos: Sequence[PersonNo]) -> list[_Ready]:
        """A bill with its proof for each of these people, in one transaction."""
        return self.database.write(
            lambda connection: [self._ready(connection, psn_no) for psn_no in psn_nos]
        )

    def _ready(self, connection: Connection, psn_no: PersonNo) -> _Ready:
        now = self.clock.now()
        registration = Registration(
            psn_no, "310", now, "02", EncounterNo(new_identifier()), "D1", "A03", "A03"
        )
        visit = Visit(VisitId(new_identifier()), _CLINIC, registration)
        add_visit(connection, visit)
        items = [_item(number, amount, code, visit) for number, (amount, code) in enumerate(_LINES)]
        settlements_store.add_charge_items(connection, visit.mdtrt_id, items)
        whole = Fen(sum(amount for amount, _ in _LINES))
        known = KnownProof(_CLINIC, psn_no, psn_no, Scene.SETTLEMENT, whole, pin=True)
        proof = known_proofs.issue(connection, known, now=now)
        return _Ready(
            bill=Bill(
                visit.mdtrt_id, psn_no, "310", "B1", "11", acct_used=True, medfee_sumamt=whole
            ),
            # The split of the lines, which no other settlement of the year changes.
            confirmed=Confirmed(Fen(12_00), Fen(0), Fen(2_50), Fen(77_50)),
            evidence=FaceEvidence(
                proof.auth_no, proof.intent_id, proof.terminal_id, proof.scene, psn_no
            ),
            command_id=CommandId(new_identifier()),
        )


def measure(url: str, *, clients: int, seconds: float, clock: Clock) -> SettlementRate:
    """Settle with ``clients`` threads until ``seconds`` of measured time, then check the books.

    Raises:
        Refused: What the database refuses; ``sandbox.bench_incoherent``.
    """
    with tempfile.TemporaryDirectory() as folder:
        database = connect_database(url)
        try:
            office = _Office(database, Path(folder) / "keys", clock)
            rate = _measured(office, url.split(":", maxsplit=1)[0], clients, seconds)
            if not office.funds.check_books().coherent:
                raise Refused(BENCH_INCOHERENT)
        finally:
            database.close()
    return rate


def _measured(office: _Office, engine: str, clients: int, seconds: float) -> SettlementRate:
    whole, raw = _Rounds(), _Rounds()
    _round(office, clients, _settling(office), _Rounds())  # prepares statements, fills caches
    while whole.seconds < seconds:
        _round(office, clients, _settling(office), whole)
        _round(office, clients, _sending(office), raw)
    took = sorted(whole.took_s)
    per_s, raw_per_s = len(took) / whole.seconds, len(raw.took_s) / raw.seconds
    return SettlementRate(
        engine=engine,
        clients=clients,
        seconds=round(whole.seconds, 1),
        settlements=len(took),
        settlements_per_s=round(per_s),
        raw_per_s=round(raw_per_s),
        ratio_to_raw_limit=round(per_s / raw_per_s, 2),
        p50_ms=round(took[len(took) // 2] * 1000, 1),
        p99_ms=round(took[len(took) * 99 // 100] * 1000, 1),
        of_target=round(per_s / TARGET_PER_S, 2),
    )


class _Rounds:
    """What the measured rounds took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.took_s: list[float] = []


Job = Callable[[], object]


def _settling(office: _Office) -> Callable[[_Ready], Job]:
    def job(ready: _Ready) -> Job:
        return lambda: office.settlements.settle(
            institution=_CLINIC,
            command_id=ready.command_id,
            bill=ready.bill,
            confirmed=ready.confirmed,
            evidence=ready.evidence,
        )

    return job


def _sending(office: _Office) -> Callable[[_Ready], Job]:
    def job(ready: _Ready) -> Job:
        try:
            office.capturing.settle(
                institution=_CLINIC,
                command_id=ready.command_id,
                bill=ready.bill,
                confirmed=ready.confirmed,
                evidence=ready.evidence,
            )
        except _CapturedError as captured:
            told = captured.told
        return lambda: office.database.write(lambda connection: _send(connection, told))

    return job


def _send(connection: Connection, told: Sequence[Filled]) -> None:
    own_locks(connection)
    tell(connection, told)


def _round(office: _Office, clients: int, make: Callable[[_Ready], Job], rounds: _Rounds) -> None:
    shares = list(_shares(office, clients))
    jobs = [[make(ready) for ready in share] for share in shares]
    took: list[list[float]] = [[] for _ in jobs]
    start = threading.Barrier(clients + 1)
    threads = [
        threading.Thread(target=_run, args=(start, share, times))
        for share, times in zip(jobs, took, strict=True)
    ]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    rounds.seconds += time.perf_counter() - began
    for times in took:
        rounds.took_s += times


def _run(start: threading.Barrier, jobs: Sequence[Job], took: list[float]) -> None:
    start.wait()
    for job in jobs:
        began = time.perf_counter()
        job()
        took.append(time.perf_counter() - began)


def _shares(office: _Office, clients: int) -> Iterator[list[_Ready]]:
    """Bills of people of its own for each client, as at counters."""
    for client in range(clients):
        mine = office.people[client::clients]
        yield office.ready([mine[number % len(mine)] for number in range(_OF_EACH_CLIENT)])


def _item(number: int, amount: int, code: str, visit: Visit) -> ChargeItem:
    return ChargeItem(
        feedetl_sn=ChargeItemNo(str(number)),
        chrg_bchno="B1",
        fee_ocur_time=visit.registration.begntime,
        med_list_codg=code,
        medins_list_codg="LOCAL-1",
        det_item_fee_sumamt=Fen(amount),
        cnt=Decimal(1),
        pric=Decimal(amount) / 100,
        bilg_dept_codg="A03",
        bilg_dr_codg="D1",
    )


def _id_number(serial: int) -> IdNumber:
    digits = f"990000{1950 + serial // 900}0101{serial % 900 + 1:03d}"
    return IdNumber(digits + check_character(digits))
