"""How many settlements a second the insurer makes, beside the raw limit of the same writes.

Every settlement is a whole one: a bill of three lines, a face proof redeemed in the same
transaction, sealed answer, ledger, counters, audit, balance and command rows. The clients are
threads of one process, as those of a server are.

**The raw limit** is what is left without any decision. In the same run, in rounds that alternate
with those of the settlements (so that whatever else the machine does meets both alike), as many
clients send exactly the rows that such settlements write, to the same tables with the same
indexes, foreign keys and triggers, with the same durability (each waits for its commit on the
disk). The rows are made by the settlement's own code before the round, sealed answers and all, and
go out as prepared statements in one round trip, one transaction for each settlement. It contains
the database layer (its transactions, on SQLite its one writer and its groups); it reads nothing,
locks no person and no proof, computes, checks and seals nothing. What is between the two is what
reading and deciding cost.

**Raw together** are the same rows joined as settlements join: those that wait share a transaction,
and rows of one kind go out as few statements. It says what deciding costs beside the cheapest way
that these rows could be written, and is the stricter of the two.

Bills and proofs are made ready between the rounds. Each round goes on to other people, so that
nobody settles more often in a day than a few times.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.database.opening import connect_database
from shualian.core.database.statements import Filled, own_locks, tell, tell_together
from shualian.core.database.together import Together
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
from shualian.core.memory import keep_what_was_loaded
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import KindsOf, Refused
from shualian.hospital.orders import model as at_hospital
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
from shualian.sandbox.rounds import Job, Rounds
from shualian.trust.audit import store as audit
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer
from shualian.verification import store as verification
from shualian.verification.model import Redemption, Scene

TARGET_PER_S = 1_000
TARGET_RATIO = 0.6
CLINIC = InstitutionCode("H99000000001")
REGION = "990000"
_PEOPLE = 2_000
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
        raw_together_per_s: Rate of the same writes, joined as settlements are.
        ratio_to_raw_together: ``settlements_per_s`` of ``raw_together_per_s``.
        cpu_s_per_1000: Processor time of this process for 1,000 settlements, user and system,
            seconds; a PostgreSQL server's own is not in it.
        raw_cpu_s_per_1000: The same for the writes alone, each in a transaction of its own.
        raw_together_cpu_s_per_1000: The same for the writes alone, joined.
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
    raw_together_per_s: int
    ratio_to_raw_together: float
    cpu_s_per_1000: float
    raw_cpu_s_per_1000: float
    raw_together_cpu_s_per_1000: float
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


class Office:
    """An insurer in small over the measured database.

    Attributes:
        database: Its own.
        clock: The machine's.
        sealer: Of everything.
        settlements: Its use cases.
        funds: Accounts and books.
        register: Of the people.
        people: Who are insured, each with money in the personal account.
    """

    def __init__(self, database: Database, folder: Path, clock: Clock, *, people: int) -> None:
        for each in _STORES:
            database.create_tables(each.metadata)
        self.database = database
        self.clock = clock
        self.sealer = sealer = Sealer(DevelopmentKeys(folder))
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
        Institutions(database=database).contract(Institution(CLINIC, "示例社区", "1", REGION))
        self.register = Persons(database=database, sealer=sealer, mode=Mode.SANDBOX)
        with ThreadPoolExecutor(8) as pool:
            self.people = list(pool.map(self._insured, range(1, people + 1)))

    def _insured(self, serial: int) -> PersonNo:
        register = self.register
        found = register.find_by_id_number(id_number(serial))
        if found is None:
            insurance = Insurance("310", "1101", REGION)
            found = register.register_insured(
                id_number=id_number(serial), name="测试甲", insurances=[insurance]
            )
            self.funds.credit_personal_account(
                command_id=CommandId(new_identifier()),
                psn_no=found.psn_no,
                region=REGION,
                amount=_BALANCE,
            )
        return found.psn_no

    def ready(self, psn_nos: Sequence[PersonNo]) -> list[_Ready]:
        """A bill with its proof for each of these people, in one transaction."""
        return self.database.write(
            lambda connection: [self._ready(connection, psn_no) for psn_no in psn_nos]
        )

    def visited(self, connection: Connection, psn_no: PersonNo, encounter_no: EncounterNo) -> Visit:
        """A visit that begins now, as an institution opens it without a scan."""
        registration = Registration(
            psn_no, "310", self.clock.now(), "02", encounter_no, "D1", "A03", "A03"
        )
        visit = Visit(VisitId(new_identifier()), CLINIC, registration)
        add_visit(connection, visit)
        return visit

    def charge(
        self, connection: Connection, visit: Visit, items: Sequence[at_hospital.ChargeItem]
    ) -> None:
        """The lines of a hospital's bill, as they are found once it has uploaded them."""
        lines = [
            ChargeItem(
                feedetl_sn=item.feedetl_sn,
                chrg_bchno=item.chrg_bchno,
                fee_ocur_time=item.fee_ocur_time,
                med_list_codg=item.med_list_codg,
                medins_list_codg=item.medins_list_codg,
                det_item_fee_sumamt=item.det_item_fee_sumamt,
                cnt=item.cnt,
                pric=item.pric,
                bilg_dept_codg=item.bilg_dept_codg,
                bilg_dr_codg=item.bilg_dr_codg,
            )
            for item in items
        ]
        settlements_store.add_charge_items(connection, visit.mdtrt_id, lines)

    def _ready(self, connection: Connection, psn_no: PersonNo) -> _Ready:
        now = self.clock.now()
        visit = self.visited(connection, psn_no, EncounterNo(new_identifier()))
        items = [_item(number, amount, code, visit) for number, (amount, code) in enumerate(_LINES)]
        settlements_store.add_charge_items(connection, visit.mdtrt_id, items)
        whole = Fen(sum(amount for amount, _ in _LINES))
        known = KnownProof(CLINIC, psn_no, psn_no, Scene.SETTLEMENT, whole, pin=True)
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


def measure(
    url: str, *, clients: int, seconds: float, clock: Clock, people: int = _PEOPLE
) -> SettlementRate:
    """Settle with ``clients`` threads until ``seconds`` of measured time, then check the books.

    Args:
        url: Of a database for this only.
        clients: Threads that settle at once.
        seconds: Measured time of the settlements.
        clock: The machine's.
        people: Who are insured; each client has people of its own, as counters have.

    Raises:
        Refused: What the database refuses; ``sandbox.bench_incoherent``.
    """
    with tempfile.TemporaryDirectory() as folder:
        database = connect_database(url)
        try:
            office = Office(database, Path(folder) / "keys", clock, people=people)
            rate = _measured(office, engine_of(url), clients, seconds)
            if not office.funds.check_books().coherent:
                raise Refused(BENCH_INCOHERENT)
        finally:
            database.close()
    return rate


def engine_of(url: str) -> str:
    """``sqlite`` or ``postgresql``."""
    return url.split(":", maxsplit=1)[0].split("+", maxsplit=1)[0]


def _measured(office: Office, engine: str, clients: int, seconds: float) -> SettlementRate:
    whole, raw, together = Rounds(), Rounds(), Rounds()
    kinds = (
        (whole, _settling(office)),
        (raw, _sending(office)),
        (together, _sending_together(office)),
    )
    shares = _shares(office, clients)
    for _, make in kinds:  # prepares statements, fills caches
        Rounds().run(_jobs(next(shares), make))
    keep_what_was_loaded()  # as a server does
    while whole.seconds < seconds:
        for rounds, make in kinds:
            rounds.run(_jobs(next(shares), make))
    return SettlementRate(
        engine=engine,
        clients=clients,
        seconds=round(whole.seconds, 1),
        settlements=len(whole.took_s),
        settlements_per_s=round(whole.per_s),
        raw_per_s=round(raw.per_s),
        ratio_to_raw_limit=round(whole.per_s / raw.per_s, 2),
        raw_together_per_s=round(together.per_s),
        ratio_to_raw_together=round(whole.per_s / together.per_s, 2),
        cpu_s_per_1000=round(whole.cpu_s_per_1000, 2),
        raw_cpu_s_per_1000=round(raw.cpu_s_per_1000, 2),
        raw_together_cpu_s_per_1000=round(together.cpu_s_per_1000, 2),
        p50_ms=round(whole.quantile_ms(50), 1),
        p99_ms=round(whole.quantile_ms(99), 1),
        of_target=round(whole.per_s / TARGET_PER_S, 2),
    )


def _settling(office: Office) -> Callable[[_Ready], Job]:
    def job(ready: _Ready) -> Job:
        return lambda: office.settlements.settle(
            institution=CLINIC,
            command_id=ready.command_id,
            bill=ready.bill,
            confirmed=ready.confirmed,
            evidence=ready.evidence,
        )

    return job


def _sending(office: Office) -> Callable[[_Ready], Job]:
    def job(ready: _Ready) -> Job:
        told = _told(office, ready)
        return lambda: office.database.write(lambda connection: _send(connection, told))

    return job


def _sending_together(office: Office) -> Callable[[_Ready], Job]:
    sending = Together(office.database, alone=_send, together=_send_together, apart=id)

    def job(ready: _Ready) -> Job:
        told = _told(office, ready)
        return lambda: sending.write(told)

    return job


def _told(office: Office, ready: _Ready) -> Sequence[Filled]:
    """The rows that a settlement would write."""
    try:
        office.capturing.settle(
            institution=CLINIC,
            command_id=ready.command_id,
            bill=ready.bill,
            confirmed=ready.confirmed,
            evidence=ready.evidence,
        )
    except _CapturedError as captured:
        return captured.told
    raise AssertionError("a settlement that wrote nothing")


def _send(connection: Connection, told: Sequence[Filled]) -> bool:
    own_locks(connection)
    tell(connection, told)
    return True


def _send_together(connection: Connection, those: Sequence[Sequence[Filled]]) -> list[bool]:
    own_locks(connection)
    tell_together(connection, [row for told in those for row in told])
    return [True] * len(those)


def _jobs(shares: list[list[_Ready]], make: Callable[[_Ready], Job]) -> list[list[Job]]:
    return [[make(ready) for ready in share] for share in shares]


def _shares(office: Office, clients: int) -> Iterator[list[list[_Ready]]]:
    """Round for round, bills of people of its own for each client, as at counters."""
    queues = [itertools.cycle(office.people[client::clients]) for client in range(clients)]
    while True:
        yield [office.ready(list(itertools.islice(each, _OF_EACH_CLIENT))) for each in queues]


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


def id_number(serial: int) -> IdNumber:
    """A sample ID number."""
    digits = f"990000{1950 + serial // 900}0101{serial % 900 + 1:03d}"
    return IdNumber(digits + check_character(digits))
