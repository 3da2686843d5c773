"""Stock is the sum of its movements and never falls below what is promised."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy.exc import IntegrityError

from hospital.dispensing.pharmacy import DOCTOR, REVIEWER, Pharmacy
from hospital.world import World, command, in_parallel
from shualian.core.refusals import Refused
from shualian.hospital.dispensing.model import Handover
from shualian.hospital.stock import store
from shualian.hospital.stock.model import Delivery, Pick, Place, StockBatch


@pytest.fixture
def pharmacy(any_world: World) -> Pharmacy:
    return Pharmacy(any_world)


def refusal(do: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value.kind.code


def adjust(pharmacy: Pharmacy, batch: StockBatch, change: str, reason: str = "盘点") -> StockBatch:
    return pharmacy.world.stock.adjust(
        REVIEWER,
        command_id=command(),
        batch_id=batch.batch_id,
        change=Decimal(change),
        reason=reason,
    )


def test_a_delivery_counts_once_for_its_command(pharmacy: Pharmacy) -> None:
    delivery = Delivery("YP003", "L1", pharmacy.today + timedelta(days=9), Decimal(5))
    command_id = command()

    for _ in range(2):
        batch = pharmacy.world.stock.receive(REVIEWER, command_id=command_id, delivery=delivery)
    assert batch.on_shelf == 5

    more = pharmacy.world.stock.receive(REVIEWER, command_id=command(), delivery=delivery)
    assert more.batch_id == batch.batch_id
    assert more.on_shelf == 10
    other = Delivery("YP003", "L1", delivery.expires_on, Decimal(6))
    found = refusal(
        lambda: pharmacy.world.stock.receive(REVIEWER, command_id=command_id, delivery=other)
    )
    assert found == "hospital.command_differs"


def test_what_cannot_be_is_not_taken_in(pharmacy: Pharmacy) -> None:
    tomorrow = pharmacy.today + timedelta(days=1)
    for delivery in (
        Delivery("YP003", "L1", pharmacy.today - timedelta(days=1), Decimal(1)),
        Delivery("YP003", " ", tomorrow, Decimal(1)),
        Delivery("YP003", "L1", tomorrow, Decimal(0)),
        Delivery("YP003", "L1", tomorrow, Decimal("0.00001")),
        Delivery("YP003", "L1", tomorrow, Decimal("NaN")),
    ):
        found = refusal(
            lambda delivery=delivery: pharmacy.world.stock.receive(  # type: ignore[misc]
                REVIEWER, command_id=command(), delivery=delivery
            )
        )
        assert found == "hospital.stock_invalid"


def test_a_count_corrects_with_a_reason_and_never_takes_what_is_promised(
    pharmacy: Pharmacy,
) -> None:
    batch = pharmacy.receive("5")
    pharmacy.prepared(pharmacy.reviewed(cnt="2"))

    assert adjust(pharmacy, batch, "-3").on_shelf == 2
    assert refusal(lambda: adjust(pharmacy, batch, "-1")) == "hospital.stock_short"
    assert refusal(lambda: adjust(pharmacy, batch, "1", " ")) == "hospital.stock_invalid"
    assert refusal(lambda: adjust(pharmacy, batch, "0")) == "hospital.stock_invalid"


def test_only_the_pharmacy_moves_stock(pharmacy: Pharmacy) -> None:
    delivery = Delivery("YP003", "L1", pharmacy.today, Decimal(5))

    found = refusal(
        lambda: pharmacy.world.stock.receive(DOCTOR, command_id=command(), delivery=delivery)
    )

    assert found == "staff.role_missing"


def test_the_database_itself_refuses_stock_below_nothing(pharmacy: Pharmacy) -> None:
    batch = pharmacy.receive("1")
    too_much = [Pick(batch.batch_id, Decimal(2))]

    with pytest.raises(IntegrityError):
        pharmacy.world.database.write(lambda connection: store.set_aside(connection, too_much))
    with pytest.raises(IntegrityError):
        pharmacy.world.database.write(lambda connection: store.let_go(connection, too_much))


def test_parallel_windows_promise_no_more_than_there_is(pharmacy: Pharmacy) -> None:
    batch = pharmacy.receive("5")
    requests = [pharmacy.reviewed(cnt="2") for _ in range(4)]
    taken = [pharmacy.taken(request) for request in requests]

    outcomes = in_parallel(
        [
            lambda request=request, boxes=boxes: pharmacy.world.dispensing.prepare(  # type: ignore[misc]
                REVIEWER, request_no=request.request_no, taken=boxes
            )
            for request, boxes in zip(requests, taken, strict=True)
        ]
    )

    assert sum(isinstance(each, Handover) for each in outcomes) == 2
    assert pharmacy.set_aside() == 4
    whole = pharmacy.world.database.read(
        lambda connection: store.sum_of_movements(connection, batch.batch_id, Place.SHELF)
    )
    assert whole == pharmacy.shelf() == 5
