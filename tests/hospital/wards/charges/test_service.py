"""Each day of a stay is charged once, whenever the run comes; all that is open is one bill."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hospital.wards.ward import BED_DAY, DAY_FEN, NURSING_DAY, WEST, Wards
from hospital.world import LI, START, command
from shualian.core.clock import CHINA, business_date
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.wards.charges.model import charged_at, days_due, placement_on
from shualian.hospital.wards.stays.model import NursingClass, Placement

ADMITTED = datetime(2026, 1, 5, 9, 0, tzinfo=CHINA)
MOMENTS = st.integers(0, 20 * 24).map(lambda hours: ADMITTED + timedelta(hours=hours))


def test_each_in_patient_is_charged_each_day_that_is_over_once(any_wards: Wards) -> None:
    first, second = any_wards.admitted(), any_wards.admitted(LI, bed_no="2")
    assert any_wards.charges.charge_days() == {}
    any_wards.pass_days(1)

    charged = any_wards.charges.charge_days()

    day = business_date(START)
    assert charged == {first.stay_no: [day], second.stay_no: [day]}
    assert any_wards.charges.charge_days() == {}
    items = any_wards.charges.open_items(first.stay_no)
    assert {item.medins_list_codg for item in items} == {BED_DAY, NURSING_DAY}
    assert any_wards.charged_fen(first.stay_no) == DAY_FEN


def test_days_without_a_run_are_made_up_for(wards: Wards) -> None:
    stay = wards.admitted()
    wards.pass_days(5)

    wards.charges.charge_days()

    days = wards.charges.charged(stay.stay_no)
    assert days == [business_date(START) + timedelta(days=each) for each in range(5)]
    moments = {item.fee_ocur_time for item in wards.charges.open_items(stay.stay_no)}
    assert {business_date(moment) for moment in moments} == set(days)


def test_a_day_is_charged_for_the_bed_in_which_it_ended(wards: Wards) -> None:
    stay = wards.admitted()
    wards.pass_days(1)
    wards.stays.transfer(stay_no=stay.stay_no, ward=WEST.code, bed_no="1", nursing=NursingClass.TWO)
    wards.pass_days(2)

    assert len(wards.charges.charge_stay(stay.stay_no)) == 3


def test_an_order_is_made_once_for_a_command(wards: Wards) -> None:
    stay, number = wards.admitted(), command()
    asked = {
        "command_id": number,
        "encounter_no": stay.stay_no,
        "lines": [OrderLine("JC002", Decimal(1))],
    }
    assert wards.charges.order(**asked) == wards.charges.order(**asked)  # type: ignore[arg-type]
    assert len(wards.charges.open_items(stay.stay_no)) == 1


def test_what_was_ordered_while_a_bill_was_shown_joins_the_next_bill(wards: Wards) -> None:
    stay = wards.admitted()
    wards.ordered(stay)
    first = wards.prepared(stay)
    wards.ordered(stay, "YP003")

    second = wards.prepared(stay)

    assert first.amount_max_fen == 220_00
    assert second.amount_max_fen == 220_00 + 32_00
    batches = {item.chrg_bchno for item in wards.charges.open_items(stay.stay_no)}
    assert len(batches) == 1


@given(MOMENTS, st.sets(st.integers(0, 20), max_size=5))
def test_days_due_are_over_not_charged_and_each_once(now: datetime, charged: set[int]) -> None:
    first = business_date(ADMITTED)
    done = {first + timedelta(days=each) for each in charged}

    due = days_due(admitted_at=ADMITTED, discharged_at=None, now=now, charged=done)

    assert sorted(set(due)) == due
    assert all(first <= day < business_date(now) for day in due)
    assert set(due) | {day for day in done if day < business_date(now)} == {
        first + timedelta(days=each) for each in range((business_date(now) - first).days)
    }


@given(MOMENTS)
def test_a_stay_has_at_least_one_day_and_the_last_one_is_free(left: datetime) -> None:
    due = days_due(admitted_at=ADMITTED, discharged_at=left, now=left, charged=())

    assert len(due) == max(1, (business_date(left) - business_date(ADMITTED)).days)


def test_a_charge_lies_on_its_day_within_the_stay_and_never_in_the_future() -> None:
    day, now = date(2026, 1, 5), datetime(2026, 1, 5, 10, 0, tzinfo=CHINA)

    assert charged_at(day, admitted_at=ADMITTED, now=now) == now
    later = charged_at(day, admitted_at=ADMITTED, now=now + timedelta(days=3))
    assert business_date(later) == day
    lay = [
        Placement(ADMITTED, "W1", "1", "A", NursingClass.TWO, "N"),
        Placement(ADMITTED + timedelta(days=1), "W2", "1", "B", NursingClass.TWO, "N"),
    ]
    assert placement_on(lay, day).bed_item == "A"
    assert placement_on(lay, day + timedelta(days=3)).bed_item == "B"
