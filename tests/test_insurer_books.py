"""The insurer's books of a day as a hospital in the same process sees them."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from insurer.office import CLINIC, HOSPITAL, Office, charge
from shualian.assembly.insurer_books import LocalInsurerBooks
from shualian.core.database import Database, WorkInTransactionError
from shualian.hospital.cashier.closing.model import totals_of
from shualian.insurer.reconciliation.service import Reconciliation

DAY = date(2026, 5, 4)


@pytest.fixture
def office(sqlite_database: Database, tmp_path: Path) -> Office:
    return Office(sqlite_database, tmp_path)


@pytest.fixture
def books(office: Office) -> LocalInsurerBooks:
    insurer = SimpleNamespace(reconciliation=Reconciliation(database=office.database))
    return LocalInsurerBooks(insurer, CLINIC)  # type: ignore[arg-type]


def test_settlements_and_cancellations_are_lines_whose_totals_and_funds_add_up(
    office: Office, books: LocalInsurerBooks
) -> None:
    psn_no = office.insured(balance=100_00).psn_no
    first = office.charged(psn_no, charge("1", 30_00))
    second = office.charged(psn_no, charge("1", 600_00))
    office.charged(psn_no, institution=HOSPITAL).settle()
    cancelled = first.settle("K1")
    standing = second.settle("K2")
    first.cancel(cancelled)

    day = books.of_day(DAY)

    assert [(line.command_id, line.cancels, line.medfee_fen) for line in day.lines] == [
        ("K1", False, 30_00),
        ("K2", False, 600_00),
        (None, True, -30_00),
    ]
    assert day.lines[2].setl_id == cancelled.setl_id == day.lines[0].setl_id
    assert day.totals == totals_of(day.lines)
    amounts = standing.settlement.amounts
    assert sum(day.by_fund.values()) == amounts.fund_pay_sumamt == day.totals.fund_fen
    assert day.by_fund.get("hifp_pay", 0) == amounts.hifp_pay
    assert 0 not in day.by_fund.values()


def test_they_are_not_asked_inside_a_transaction(office: Office, books: LocalInsurerBooks) -> None:
    with pytest.raises(WorkInTransactionError):
        office.database.read(lambda _: books.of_day(DAY))
