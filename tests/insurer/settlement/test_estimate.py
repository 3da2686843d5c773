"""What lines would cost before they are uploaded: the same calculation, and no trace of it."""

from dataclasses import replace

import pytest

from insurer.office import HOSPITAL, WORKED_BILL, Office, bill, charge
from shualian.core.identifiers import PersonNo
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.settlement.model import NOTHING_TO_SETTLE, VISIT_NOT_FOUND


def test_an_estimate_is_what_the_settlement_will_be(any_office: Office) -> None:
    person = any_office.insured(balance=10_00)
    visit = any_office.visit(person.psn_no)
    estimated = any_office.settlements.estimate(
        institution=visit.institution, bill=bill(visit, *WORKED_BILL), items=WORKED_BILL
    )

    any_office.upload(visit, *WORKED_BILL)
    settled = any_office.settlements.pre_settle(
        institution=visit.institution, bill=bill(visit, *WORKED_BILL)
    )

    assert estimated == settled


def test_an_estimate_uploads_nothing_and_counts_only_the_lines_it_is_given(office: Office) -> None:
    person = office.insured()
    visit = office.visit(person.psn_no)
    office.upload(visit, *WORKED_BILL)
    other = charge("9", 20_00)

    estimated = office.settlements.estimate(
        institution=visit.institution, bill=bill(visit, other), items=[other]
    )

    assert estimated.amounts.medfee_sumamt == 20_00
    after = office.settlements.pre_settle(
        institution=visit.institution, bill=bill(visit, *WORKED_BILL)
    )
    assert after.amounts.medfee_sumamt == 92_00


def test_an_estimate_of_nothing_is_refused(office: Office) -> None:
    visit = office.visit(office.insured().psn_no)
    empty = replace(bill(visit, *WORKED_BILL), medfee_sumamt=Fen(0))
    with pytest.raises(Refused) as refused:
        office.settlements.estimate(institution=visit.institution, bill=empty, items=[])
    assert refused.value.kind is NOTHING_TO_SETTLE


def test_nobody_estimates_in_anothers_visit(office: Office) -> None:
    visit = office.visit(office.insured().psn_no)
    asked = bill(visit, *WORKED_BILL)
    for institution, of in (
        (HOSPITAL, asked),
        (visit.institution, replace(asked, psn_no=PersonNo("P0"))),
    ):
        with pytest.raises(Refused) as refused:
            office.settlements.estimate(institution=institution, bill=of, items=WORKED_BILL)
        assert refused.value.kind is VISIT_NOT_FOUND
