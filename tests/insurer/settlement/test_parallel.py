"""Settlements at the same time: one answer for one command, no account overdrawn."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from insurer.office import Charged, Office, charge, confirmed
from shualian.core.database import Database
from shualian.core.identifiers import IntentId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.settlement import store
from shualian.insurer.settlement.model import FaceEvidence, SettlementRecord

T = TypeVar("T")


def together(jobs: Sequence[Callable[[], T]]) -> list[T | Refused]:
    """The outcome of each job, all begun at once."""
    outcomes: list[T | Refused | None] = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def run(place: int) -> None:
        start.wait()
        try:
            outcomes[place] = jobs[place]()
        except Refused as refused:
            outcomes[place] = refused

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcome for outcome in outcomes if outcome is not None]


def test_the_same_command_at_once_is_one_settlement(any_office: Office) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    agreed, evidence = confirmed(charged.pre_settle()), charged.proof()

    outcomes = together(
        [lambda: charged.settle("K1", agreed=agreed, evidence=evidence) for _ in range(6)]
    )

    records = [outcome for outcome in outcomes if isinstance(outcome, SettlementRecord)]
    assert len(records) == 6
    assert len({record.setl_id for record in records}) == 1
    assert any_office.funds.balance(person.psn_no) == 0
    assert any_office.funds.check_books().coherent


def test_a_batch_settled_by_different_commands_at_once_is_settled_once(
    any_office: Office,
) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no, charge("1", 30_00))
    agreed = confirmed(charged.pre_settle())
    proofs = [charged.proof() for _ in range(4)]

    outcomes = together(
        [lambda e=proof: charged.settle(agreed=agreed, evidence=e) for proof in proofs]  # type: ignore[misc]
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert {refusal.kind.code for refusal in refused} == {"insurer.nothing_to_settle"}
    assert len(refused) == 3
    assert any_office.funds.balance(person.psn_no) == 20_00


@pytest.mark.parametrize("confirmed_split", [True, False])
def test_bills_of_one_person_at_once_never_overdraw_the_account(
    any_office: Office, *, confirmed_split: bool
) -> None:
    person = any_office.insured(balance=50_00)
    bills = [any_office.charged(person.psn_no, charge("1", 30_00)) for _ in range(5)]
    agreed = confirmed(bills[0].pre_settle())
    if not confirmed_split:
        agreed = type(agreed)(*(getattr(agreed, name) for name in list_of_national_amounts()))
    proofs = [each.proof() for each in bills]

    outcomes = together(
        [
            lambda b=each, e=proof: b.settle(agreed=agreed, evidence=e)  # type: ignore[misc]
            for each, proof in zip(bills, proofs, strict=True)
        ]
    )

    settled = [outcome for outcome in outcomes if isinstance(outcome, SettlementRecord)]
    paid = sum(record.settlement.amounts.acct_pay for record in settled)
    assert len(settled) == (1 if confirmed_split else 5)
    assert paid == (30_00 if confirmed_split else 50_00)
    assert any_office.funds.balance(person.psn_no) == 50_00 - paid
    counters = any_office.settlements.year_counters(psn_no=person.psn_no, insutype="310", year=2026)
    assert counters["otp_dedc"] == 30_00 * len(settled)
    assert any_office.funds.check_books().coherent


def list_of_national_amounts() -> tuple[str, ...]:
    return ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")


def test_a_settlement_cancelled_by_many_at_once_is_cancelled_once(any_office: Office) -> None:
    person = any_office.insured(balance=50_00)
    charged = any_office.charged(person.psn_no)
    record = charged.settle()

    outcomes = together([lambda: charged.cancel(record) for _ in range(4)])

    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert {refusal.kind.code for refusal in refused} == {"insurer.already_cancelled"}
    assert len(refused) == 3
    assert any_office.funds.balance(person.psn_no) == 50_00
    assert any_office.funds.check_books().coherent


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


class Queue:
    """Settlements that all wait behind some whose person is being changed by somebody else."""

    def __init__(self, office: Office) -> None:
        self.office = office
        ahead = range(901, 901 + office.database.writes_at_once)
        self._first = [office.charged(office.insured(number).psn_no) for number in ahead]
        self._ready = [(each, confirmed(each.pre_settle()), each.proof()) for each in self._first]

    def settle(
        self,
        jobs: Sequence[Callable[[], SettlementRecord]],
    ) -> list[SettlementRecord | Refused]:
        """The outcome of each job; they are begun in this order and wait together."""
        office, holding, done = self.office, threading.Event(), threading.Event()
        people = [each.bill.psn_no for each in self._first]

        def hold(connection: Connection) -> None:
            for psn_no in people:
                store.lock_person(connection, psn_no)
            holding.set()
            assert done.wait(30)

        shared = office.settlements._settling
        with ThreadPoolExecutor(len(jobs) + 4) as pool:
            held = pool.submit(office.database.write, hold)
            assert holding.wait(30)
            for charged, agreed, proof in self._ready:
                pool.submit(charged.settle, agreed=agreed, evidence=proof)
            wait_for(lambda: shared._leaders == len(people) and not shared._waiting)
            asked = []
            for number, job in enumerate(jobs, start=1):
                asked.append(pool.submit(job))
                wait_for(lambda n=number: len(shared._waiting) == n)  # type: ignore[misc]
            done.set()
            held.result(timeout=30)
            return [_outcome(each) for each in asked]


def _outcome(asked: "Future[SettlementRecord]") -> SettlementRecord | Refused:
    try:
        return asked.result(timeout=30)
    except Refused as refused:
        return refused


def test_settlements_of_different_people_share_a_transaction_and_each_has_its_own_outcome(
    any_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = any_office
    queue = Queue(office)
    shared: list[int] = []
    settle_together = office.settlements._settle_together

    def counted(connection: Connection, those: Sequence[Any]) -> Sequence[Any]:
        shared.append(len(those))
        return settle_together(connection, those)

    monkeypatch.setattr(office.settlements._settling, "_together", counted)
    people = [office.insured(number, balance=50_00) for number in range(1, 7)]
    fine, done, otherwise, dearer, used, other = [office.charged(each.psn_no) for each in people]
    agreed = confirmed(fine.pre_settle())
    earlier = done.settle("K-done", agreed=agreed, evidence=(proof_of_done := done.proof()))
    spent = used.proof()
    cheaper = replace(dearer.bill, medfee_sumamt=Fen(1))
    proofs = [each.proof() for each in (fine, otherwise, dearer, other)]
    jobs: list[Callable[[], SettlementRecord]] = [
        lambda: fine.settle("K-fine", agreed=agreed, evidence=proofs[0]),
        lambda: done.settle("K-done", agreed=agreed, evidence=proof_of_done),
        # Another command under a number that is taken: refused, and remembered by nobody.
        lambda: otherwise.settle("K-done", agreed=agreed, evidence=proofs[1]),
        lambda: dearer.settle("K-dearer", agreed=agreed, evidence=proofs[2], of=cheaper),
        lambda: used.settle(
            "K-used", agreed=agreed, evidence=replace(spent, intent_id=IntentId("other"))
        ),
        lambda: other.settle("K-other", agreed=agreed, evidence=proofs[3]),
    ]

    outcomes = queue.settle(jobs)

    assert max(shared) >= len(jobs)
    assert [each.kind.code if isinstance(each, Refused) else each.psn_no for each in outcomes] == [
        people[0].psn_no,
        people[1].psn_no,
        "insurer.command_differs",
        "insurer.amounts_differ",
        "verification.proof_other_intent",
        people[5].psn_no,
    ]
    assert outcomes[1] == earlier
    balances = [office.funds.balance(each.psn_no) for each in people]
    assert [balance == 50_00 for balance in balances] == [False, False, True, True, True, False]
    assert office.funds.check_books().coherent
    # What was refused for good is refused again, and what was not can be asked for again.
    with pytest.raises(Refused, match="amounts_differ"):
        jobs[3]()
    assert otherwise.settle("K-new", agreed=agreed, evidence=proofs[1]).psn_no == people[2].psn_no


def test_a_proof_that_two_settle_on_at_the_same_time_pays_one_bill(any_office: Office) -> None:
    office = any_office
    queue = Queue(office)
    mine, theirs = [office.charged(office.insured(number).psn_no) for number in (1, 2)]
    third = office.charged(office.insured(3).psn_no)
    agreed, proof = confirmed(mine.pre_settle()), mine.proof()
    own = third.proof()

    outcomes = queue.settle(
        [
            lambda: mine.settle("K1", agreed=agreed, evidence=proof),
            lambda: theirs.settle("K2", agreed=agreed, evidence=proof),
            lambda: third.settle("K3", agreed=agreed, evidence=own),
        ]
    )

    assert [isinstance(each, Refused) for each in outcomes] == [False, True, False]
    assert office.funds.check_books().coherent


def test_a_command_identifier_that_two_people_use_at_once_is_the_first_ones(
    any_office: Office,
) -> None:
    office = any_office
    queue = Queue(office)
    one, two, three = [office.charged(office.insured(number).psn_no) for number in (1, 2, 3)]
    agreed = confirmed(one.pre_settle())
    proofs = [each.proof() for each in (one, two, three)]

    outcomes = queue.settle(
        [
            lambda: one.settle("K", agreed=agreed, evidence=proofs[0]),
            lambda: two.settle("K", agreed=agreed, evidence=proofs[1]),
            lambda: three.settle("K3", agreed=agreed, evidence=proofs[2]),
        ]
    )

    refused = [each for each in outcomes[:2] if isinstance(each, Refused)]
    assert [each.kind.code for each in refused] == ["insurer.command_differs"]
    assert isinstance(outcomes[2], SettlementRecord)
    assert office.funds.check_books().coherent


def test_somebody_whose_money_is_being_changed_holds_nobody_up(
    postgres_database: Database, tmp_path: Path
) -> None:
    office = Office(postgres_database, tmp_path)
    queue = Queue(office)
    one, locked, two = [office.charged(office.insured(number).psn_no) for number in (1, 2, 3)]
    agreed = confirmed(one.pre_settle())
    proofs = [each.proof() for each in (one, locked, two)]
    holding, done = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        store.lock_person(connection, locked.bill.psn_no)
        holding.set()
        assert done.wait(30)

    settled: list[str] = []

    def settle(command: str, charged: Charged, proof: FaceEvidence) -> SettlementRecord:
        record = charged.settle(command, agreed=agreed, evidence=proof)
        settled.append(command)
        if len(settled) == 2:
            done.set()
        return record

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(postgres_database.write, hold)
        assert holding.wait(30)
        outcomes = queue.settle(
            [
                lambda: settle("K1", one, proofs[0]),
                lambda: settle("K2", locked, proofs[1]),
                lambda: settle("K3", two, proofs[2]),
            ]
        )
        held.result(timeout=30)

    assert all(isinstance(each, SettlementRecord) for each in outcomes)
    assert settled[-1] == "K2"
    assert office.funds.check_books().coherent
