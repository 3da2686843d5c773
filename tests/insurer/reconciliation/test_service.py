from datetime import UTC, date, datetime

import pytest

from insurer.office import CLINIC, HOSPITAL, Office, charge
from shualian.core.money import Fen
from shualian.insurer.reconciliation.model import Cause, State, Totals
from shualian.insurer.reconciliation.service import Reconciliation

DAY = date(2026, 5, 4)


@pytest.fixture
def reconciliation(any_office: Office) -> Reconciliation:
    return Reconciliation(database=any_office.database)


def test_totals_and_details_of_a_day_are_those_of_its_records(
    any_office: Office, reconciliation: Reconciliation
) -> None:
    psn_no = any_office.insured(balance=100_00).psn_no
    first = any_office.charged(psn_no, charge("1", 30_00))
    second = any_office.charged(psn_no, charge("1", 600_00))
    any_office.charged(psn_no, institution=HOSPITAL).settle()
    cancelled = first.settle()
    standing = second.settle()
    first.cancel(cancelled)

    details = reconciliation.details(institution=CLINIC, first=DAY, last=DAY)
    totals = reconciliation.totals(institution=CLINIC, first=DAY, last=DAY)

    assert [(each.medfee_sumamt, each.refunded) for each in details] == [
        (30_00, True),
        (600_00, False),
        (-30_00, True),
    ]
    amounts = standing.settlement.amounts
    assert totals == Totals(
        3, Fen(600_00), amounts.fund_pay_sumamt, amounts.acct_pay, amounts.psn_cash_pay
    )


def test_a_day_ends_at_midnight_in_china(
    any_office: Office, reconciliation: Reconciliation
) -> None:
    psn_no = any_office.insured().psn_no
    any_office.clock.set(datetime(2026, 5, 4, 15, 59, tzinfo=UTC))
    any_office.charged(psn_no, charge("1", 1_00)).settle()
    any_office.clock.set(datetime(2026, 5, 4, 16, 1, tzinfo=UTC))
    any_office.charged(psn_no, charge("1", 2_00)).settle()

    found = [
        reconciliation.totals(institution=CLINIC, first=day, last=day).medfee_sumamt
        for day in (DAY, date(2026, 5, 5))
    ]

    assert found == [1_00, 2_00]
    both = reconciliation.totals(institution=CLINIC, first=DAY, last=date(2026, 5, 5))
    assert both.settlements == 2
    none = reconciliation.totals(institution=CLINIC, first=DAY, last=DAY, insutype="390")
    assert none.settlements == 0


def test_the_insurers_movements_agree_with_themselves_and_show_what_is_missing(
    any_office: Office, reconciliation: Reconciliation
) -> None:
    psn_no = any_office.insured(balance=100_00).psn_no
    one, other = any_office.charged(psn_no), any_office.charged(psn_no)
    refunded = one.refund(one.settle("K1"), "1", command="R1")
    other.cancel(other.settle("K2"))

    ours = reconciliation.movements(institution=CLINIC, day=DAY)

    assert [(each.command_id, each.state) for each in ours] == [
        ("K1", State.UNDONE),
        ("R1", State.DONE),
        ("K2", State.UNDONE),
    ]
    assert refunded.rest
    assert reconciliation.compare(institution=CLINIC, day=DAY, hospital=ours, wallet=[]) == ()
    (found,) = reconciliation.compare(institution=CLINIC, day=DAY, hospital=[], wallet=[])
    assert (found.command_id, found.cause) == ("R1", Cause.ONLY_AT_INSURER)
