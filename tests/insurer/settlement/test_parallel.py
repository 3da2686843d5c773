"""Settlements at the same time: one answer for one command, no account overdrawn."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from insurer.office import Office, charge, confirmed
from shualian.core.refusals import Refused
from shualian.insurer.settlement.model import SettlementRecord

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
