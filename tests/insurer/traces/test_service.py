"""Trace codes over one region: told before the money, once for a box, reported when twice."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from insurer.office import (
    ANTIBIOTIC,
    CLINIC,
    CONSULTATION,
    HOSPITAL,
    Charged,
    Office,
    bill,
    charge,
)
from shualian.core.database import Database
from shualian.core.identifiers import ChargeItemNo, InstitutionCode, PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.traces import store as trace_store
from shualian.insurer.traces.model import (
    BoxState,
    LineTraces,
    TraceCode,
    TraceException,
    TracePolicy,
)
from shualian.insurer.traces.service import Traces
from shualian.trust.audit import store as audit_store

BOX, OTHER_BOX = TraceCode("81234560000000000001"), TraceCode("81234560000000000002")


class Region:
    """An office with its trace codes."""

    def __init__(self, office: Office, *, reuse_returned: bool = False) -> None:
        self.office = office
        office.database.create_tables(trace_store.metadata)
        self.traces = Traces(
            database=office.database,
            clock=office.clock,
            visits=office.settlements.visits,
            policy=TracePolicy(reuse_returned),
        )

    def charged(
        self,
        serial: int = 1,
        *,
        institution: InstitutionCode = CLINIC,
        cnt: str = "1",
        person: PersonNo | None = None,
    ) -> Charged:
        psn_no = person or self.office.insured(serial).psn_no
        items = charge("1", 50_00, ANTIBIOTIC, cnt=cnt), charge("2", 30_00, CONSULTATION)
        return self.office.charged(psn_no, *items, institution=institution)

    def tell(self, charged: Charged, *codes: str, **told: object) -> int:
        """Tell codes of the medicine line; gives what of it is wholly self-paid, in fen."""
        line = LineTraces(ChargeItemNo("1"), tuple(map(TraceCode, codes)), **told)  # type: ignore[arg-type]
        (split,) = self.traces.tell(
            institution=charged.visit.institution,
            mdtrt_id=charged.mdtrt_id,
            psn_no=charged.visit.registration.psn_no,
            lines=[line],
        )
        return split.fulamt_ownpay_amt

    def end(self, charged: Charged, *codes: TraceCode, handed_out: bool) -> None:
        self.traces.end(
            institution=charged.visit.institution,
            mdtrt_id=charged.mdtrt_id,
            psn_no=charged.visit.registration.psn_no,
            codes=codes,
            handed_out=handed_out,
        )

    def state(self, code: TraceCode) -> BoxState:
        found = self.traces.find(code)
        assert found is not None
        return found.state


@pytest.fixture
def region(any_database: Database, tmp_path: Path) -> Region:
    return Region(Office(any_database, tmp_path))


def refusal(do: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value.kind.code


def test_a_line_that_misses_a_code_is_wholly_self_paid_until_the_code_is_told(
    region: Region,
) -> None:
    charged = region.charged()
    before = charged.pre_settle().amounts

    assert region.tell(charged, missing=1) == 50_00
    without = charged.pre_settle().amounts
    assert without.fulamt_ownpay_amt == before.fulamt_ownpay_amt + 50_00
    assert without.fund_pay_sumamt <= before.fund_pay_sumamt

    assert region.tell(charged, BOX) == 0
    assert charged.pre_settle().amounts == before


def test_a_code_told_again_for_its_own_line_changes_nothing(region: Region) -> None:
    charged = region.charged()

    assert region.tell(charged, BOX) == region.tell(charged, BOX) == 0
    assert region.traces.alerts() == []


def test_a_code_told_at_a_second_institution_is_refused_and_both_are_reported(
    region: Region,
) -> None:
    first, second = region.charged(1), region.charged(2, institution=HOSPITAL, cnt="2")
    region.tell(first, BOX)

    for _ in range(2):
        assert refusal(lambda: region.tell(second, OTHER_BOX, BOX)) == "insurer.trace_used"

    (alert,) = region.traces.alerts()
    assert (alert.first, alert.second, alert.code) == (CLINIC, HOSPITAL, BOX)
    # Nothing of the refused message stands.
    assert region.traces.find(OTHER_BOX) is None
    kinds = region.office.database.read(
        lambda connection: connection.scalar(
            select(func.count())
            .select_from(audit_store.events)
            .where(audit_store.events.c.kind == "insurer.trace_used_twice")
        )
    )
    assert kinds == 1


def test_a_box_that_came_back_goes_to_nobody_else_and_one_that_never_went_out_does(
    region: Region,
) -> None:
    first, second = region.charged(1), region.charged(2)
    region.tell(first, BOX)
    region.end(first, BOX, handed_out=False)
    assert region.state(BOX) is BoxState.FREE

    region.tell(second, BOX)
    for _ in range(2):
        region.end(second, BOX, handed_out=True)
    assert region.state(BOX) is BoxState.RETURNED
    assert refusal(lambda: region.tell(first, BOX)) == "insurer.trace_used"
    region.tell(second, BOX)
    assert region.state(BOX) is BoxState.LIVE


def test_a_region_may_let_a_box_that_came_back_go_to_another_person(
    any_database: Database, tmp_path: Path
) -> None:
    region = Region(Office(any_database, tmp_path), reuse_returned=True)
    first, second = region.charged(1), region.charged(2)
    region.tell(first, BOX)
    region.end(first, BOX, handed_out=True)

    assert region.tell(second, BOX) == 0


def test_another_visit_cannot_end_a_code(region: Region) -> None:
    first, second = region.charged(1), region.charged(2)
    region.tell(first, BOX)

    region.end(second, BOX, handed_out=False)

    assert region.state(BOX) is BoxState.LIVE


def test_a_settled_line_takes_its_codes_later_but_misses_none(region: Region) -> None:
    charged = region.charged(cnt="2")
    charged.settle()

    assert refusal(lambda: region.tell(charged, missing=1)) == "insurer.trace_missing"
    assert region.tell(charged, BOX) == region.tell(charged, OTHER_BOX) == 0
    assert region.state(OTHER_BOX) is BoxState.LIVE


def test_a_line_settled_without_codes_stays_self_paid(region: Region) -> None:
    charged = region.charged(cnt="2")
    region.tell(charged, missing=2)
    record = charged.settle()

    assert record.settlement.amounts.fulamt_ownpay_amt == 50_00
    assert region.tell(charged, BOX, missing=1) == 50_00


def test_pieces_out_of_one_opened_box_are_excepted_with_a_reason_at_one_institution(
    region: Region,
) -> None:
    first, second, third = region.charged(1), region.charged(2), region.charged(3)
    split = {
        "exception": TraceException.SPLIT_PACK,
        "reason": "拆零 6 片",
        "mother_code": BOX,
    }

    assert region.tell(first, **split) == region.tell(second, **split) == 0
    assert refusal(lambda: region.tell(third, BOX)) == "insurer.trace_used"
    elsewhere = region.charged(4, institution=HOSPITAL)
    assert refusal(lambda: region.tell(elsewhere, **split)) == "insurer.trace_used"
    nothing_said = {**split, "reason": " "}
    assert refusal(lambda: region.tell(third, **nothing_said)) == "insurer.trace_invalid"


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ((BOX, OTHER_BOX), {}),
        ((BOX,), {"missing": 1}),
        ((), {"missing": -1}),
        ((), {"exception": TraceException.DECOCTION_PIECES}),
        (("not a code",), {}),
        ((BOX, BOX), {}),
    ],
)
def test_what_does_not_fit_the_line_is_refused(
    region: Region, codes: tuple[str, ...], told: dict[str, object]
) -> None:
    charged = region.charged()

    assert refusal(lambda: region.tell(charged, *codes, **told)) == "insurer.trace_invalid"
    assert region.traces.find(BOX) is None


def test_only_medicine_of_the_visit_has_codes(region: Region) -> None:
    charged = region.charged()

    def told(number: str) -> Callable[[], object]:
        return lambda: region.traces.tell(
            institution=CLINIC,
            mdtrt_id=charged.mdtrt_id,
            psn_no=charged.visit.registration.psn_no,
            lines=[LineTraces(ChargeItemNo(number), (BOX,))],
        )

    assert refusal(told("2")) == "insurer.trace_invalid"
    assert refusal(told("9")) == "insurer.trace_line_unknown"


def test_the_approval_that_the_institution_gave_comes_back_with_the_code(region: Region) -> None:
    visit = region.office.visit(region.office.insured().psn_no)
    item = replace(charge("1", 50_00, ANTIBIOTIC), hosp_appr_flag="1")
    region.office.upload(visit, item)
    charged = Charged(region.office, visit, bill(visit, item))

    region.tell(charged, missing=1)
    region.tell(charged, BOX)

    # Uploaded again it is the same item, so it carries the flag with which it came.
    region.office.upload(visit, item)
    assert charged.settle().settlement.amounts.fulamt_ownpay_amt == 0


def test_of_two_that_tell_one_code_at_once_one_is_refused(region: Region) -> None:
    visits = [region.charged(serial) for serial in range(1, 5)]
    start = threading.Barrier(len(visits))
    outcomes: list[str] = []

    def tell(charged: Charged) -> None:
        start.wait()
        try:
            region.tell(charged, BOX)
            outcomes.append("taken")
        except Refused as refused:
            outcomes.append(refused.kind.code)

    threads = [threading.Thread(target=tell, args=(charged,)) for charged in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["insurer.trace_used"] * 3 + ["taken"]
    assert len(region.traces.alerts()) == 3
