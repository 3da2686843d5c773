"""The states of requests and handovers, and what is picked first; pure."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital.world import HOSPITAL, START
from shualian.core.identifiers import (
    ChargeItemNo,
    CommandId,
    EncounterNo,
    PersonNo,
    RecordNo,
    VisitId,
)
from shualian.core.refusals import Refused
from shualian.hospital.dispensing.model import (
    DispenseLine,
    DispenseRequest,
    HandoverPart,
    Picked,
    RequestNo,
    RequestState,
    ReturnPart,
    moved,
    released,
    returned,
    returning,
    taken_back,
)
from shualian.hospital.stock.model import BatchId, Pick, StockBatch, free_of, picked

TODAY = date(2026, 1, 5)
ZERO = Decimal(0)


def request_of(*ordered: int, state: RequestState = RequestState.PREPARED) -> DispenseRequest:
    lines = tuple(
        DispenseLine(
            line_no=place,
            feedetl_sn=ChargeItemNo(f"F{place}"),
            medins_list_codg="YP003",
            name_zh="示例降压片",
            name_en="Sample",
            unit="盒",
            dose_zh="",
            med_chrgitm_type="09",
            ordered=Decimal(many),
        )
        for place, many in enumerate(ordered)
    )
    return DispenseRequest(
        request_no=RequestNo("R1"),
        institution=HOSPITAL,
        command_id=CommandId("C1"),
        encounter_no=EncounterNo("E1"),
        record_no=RecordNo("P1"),
        psn_no=PersonNo("990000000001"),
        mdtrt_id=VisitId("M1"),
        dr_code="D1",
        dr_name="示例医生",
        day=TODAY,
        queue_place=1,
        opened_at=START,
        lines=lines,
        state=state,
    )


def part(line_no: int, many: int) -> HandoverPart:
    return HandoverPart(Picked(line_no, Decimal(many)), 0, ())


def batch(number: int, free: int, days: int) -> StockBatch:
    expires_on = TODAY + timedelta(days=days)
    return StockBatch(
        BatchId(f"B{number}"), HOSPITAL, "YP003", "L", expires_on, Decimal(free), ZERO, ZERO
    )


@pytest.mark.parametrize(
    ("found", "asked"),
    [
        (RequestState.WAITING, RequestState.PREPARED),
        (RequestState.REFUSED, RequestState.REVIEWED),
        (RequestState.RELEASED, RequestState.WITHDRAWN),
        (RequestState.PART_RELEASED, RequestState.WITHDRAWN),
        (RequestState.WITHDRAWN, RequestState.WAITING),
        (RequestState.RETURNED, RequestState.RELEASED),
    ],
)
def test_no_step_is_left_out_or_undone(found: RequestState, asked: RequestState) -> None:
    with pytest.raises(Refused) as refused:
        moved(request_of(1, state=found), asked)
    assert refused.value.details == {"found": found.value, "asked": asked.value}


def test_the_state_follows_from_what_went_out_and_came_back() -> None:
    request = request_of(2, 1)

    some = released(request, [part(0, 1)], now=START)
    assert some.state is RequestState.PART_RELEASED
    rest = released(some, [part(0, 1), part(1, 1)], now=START)
    assert rest.state is RequestState.RELEASED
    back = [ReturnPart(0, Decimal(2))]
    one = returned(returning(rest, back), back, instead={ChargeItemNo("F0"): ChargeItemNo("F9")})
    assert one.state is RequestState.PART_RETURNED
    assert one.lines[0].feedetl_sn == "F9"
    other = [ReturnPart(1, Decimal(1))]
    assert returned(returning(one, other), other, instead={}).state is RequestState.RETURNED


def test_more_than_was_ordered_does_not_go_out() -> None:
    with pytest.raises(Refused):
        released(request_of(1), [part(0, 2)], now=START)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-3, 9)), max_size=6), st.integers(1, 40))
def test_what_expires_first_is_picked_first_and_nothing_that_has_expired(
    lots: list[tuple[int, int]], wanted: int
) -> None:
    batches = [batch(number, free, days) for number, (free, days) in enumerate(lots)]
    there = free_of(batches, today=TODAY)
    assert there == sum(free for free, days in lots if days >= 0)
    if there < wanted:
        with pytest.raises(Refused):
            picked(batches, Decimal(wanted), today=TODAY)
        return

    picks = picked(batches, Decimal(wanted), today=TODAY)

    assert sum(pick.quantity for pick in picks) == wanted
    by_id = {each.batch_id: each for each in batches}
    last = max(by_id[pick.batch_id].expires_on for pick in picks)
    taken = {pick.batch_id: pick.quantity for pick in picks}
    for each in batches:
        assert taken.get(each.batch_id, ZERO) <= each.free
        if not each.usable_on(TODAY):
            assert each.batch_id not in taken
        elif each.expires_on < last:
            assert taken.get(each.batch_id, ZERO) == each.free


def test_what_comes_back_goes_where_it_came_from_and_is_no_more() -> None:
    given_out = [Pick(BatchId("B1"), Decimal(1)), Pick(BatchId("B2"), Decimal(3))]

    assert taken_back(given_out, Decimal(2)) == (
        Pick(BatchId("B1"), Decimal(1)),
        Pick(BatchId("B2"), Decimal(1)),
    )
    with pytest.raises(Refused):
        taken_back(given_out, Decimal(5))
