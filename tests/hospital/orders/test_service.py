from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from sqlalchemy import select

from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    CONSULTATION,
    OTHER_HOSPITAL,
    VITAMINS,
    Fault,
    PowerCutError,
    World,
    classed,
    command,
    in_parallel,
)
from shualian.core.identifiers import CommandId, EncounterNo
from shualian.core.refusals import Refused
from shualian.hospital.encounters.model import (
    ENCOUNTER_NOT_FOUND,
    ENCOUNTER_NOT_OPEN,
    Encounter,
)
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    INSURER_UNREACHABLE,
    ChargeUpload,
    FeeSplit,
)
from shualian.hospital.orders import store
from shualian.hospital.orders.model import ITEM_NOT_PRICED, ChargeItem, OrderLine, bill_amount

LINES = [
    OrderLine(CONSULTATION, Decimal(1)),
    OrderLine(CHEST_CT, Decimal(1)),
    OrderLine(BLOOD_PRESSURE_TABLETS, Decimal("2.5")),
    OrderLine(VITAMINS, Decimal(3)),
]


def ordering(
    world: World, encounter: Encounter, command_id: CommandId, lines: Sequence[OrderLine] = LINES
) -> Callable[[], Sequence[ChargeItem]]:
    return lambda: world.orders.order(
        command_id=command_id, encounter_no=encounter.encounter_no, lines=lines
    )


def test_orders_become_charge_items_at_the_prices_of_the_list(any_world: World) -> None:
    encounter = any_world.registered()
    items = ordering(any_world, encounter, command())()
    assert [item.medins_list_codg for item in items] == [line.medins_list_codg for line in LINES]
    assert [item.det_item_fee_sumamt for item in items] == [25_00, 220_00, 80_00, 54_00]
    assert bill_amount(items) == 379_00
    assert {item.bilg_dr_codg for item in items} == {encounter.doctor.dr_code}
    assert any_world.orders.items(encounter_no=encounter.encounter_no) == items


def test_the_insurer_classes_what_is_uploaded(any_world: World) -> None:
    encounter = any_world.registered()
    ordering(any_world, encounter, command())()
    items = any_world.orders.upload(encounter_no=encounter.encounter_no)
    assert [item.split for item in items] == [classed(item.detail) for item in items]
    ct, tablets, vitamins = [item.split for item in items[1:]]
    assert ct is not None
    assert tablets is not None
    assert vitamins is not None
    assert (ct.overlmt_amt, ct.preselfpay_amt, ct.inscp_scp_amt) == (40_00, 18_00, 162_00)
    assert tablets.overlmt_amt == 8_75
    assert vitamins.fulamt_ownpay_amt == 54_00
    assert any_world.orders.items(encounter_no=encounter.encounter_no) == items


def test_what_is_uploaded_already_is_not_sent_again(world: World) -> None:
    encounter = world.registered()
    items = world.ordered(encounter)
    sent = len(world.insurer.messages)
    assert world.orders.upload(encounter_no=encounter.encounter_no) == items
    assert len(world.insurer.messages) == sent


@pytest.mark.parametrize("fault", Fault)
def test_an_upload_without_an_answer_is_made_again_under_the_same_numbers(
    world: World, fault: Fault
) -> None:
    encounter = world.registered()
    items = ordering(world, encounter, command())()
    world.insurer.fault = fault
    with pytest.raises(Refused) as refused:
        world.orders.upload(encounter_no=encounter.encounter_no)
    assert refused.value.kind is INSURER_UNREACHABLE or fault is Fault.BUSY
    world.orders.upload(encounter_no=encounter.encounter_no)
    world.insurer.deliver_late()
    assert set(world.insurer.lines) == {item.feedetl_sn for item in items}


@pytest.mark.parametrize("steps", range(4))
def test_an_upload_can_be_cut_anywhere(world: World, steps: int) -> None:
    encounter = world.registered()
    ordering(world, encounter, command())()
    world.breaker.steps_left = steps
    with pytest.raises(PowerCutError):
        world.orders.upload(encounter_no=encounter.encounter_no)
    world.start()
    items = world.orders.upload(encounter_no=encounter.encounter_no)
    assert set(world.insurer.lines) == {item.feedetl_sn for item in items}
    assert all(item.split is not None for item in items)


def test_many_uploads_at_once_store_one_answer(any_world: World) -> None:
    encounter = any_world.registered()
    ordering(any_world, encounter, command())()
    found = in_parallel([lambda: any_world.orders.upload(encounter_no=encounter.encounter_no)] * 4)
    assert found == [found[0]] * 4
    rows = any_world.database.read(
        lambda connection: connection.execute(select(store.splits)).all()
    )
    assert len(rows) == len(LINES)


def test_an_upload_whose_batch_is_recalled_meanwhile_uploads_what_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    encounter = world.registered()
    number = encounter.encounter_no
    items = ordering(world, encounter, command())()
    send = world.insurer.upload_charge_items

    def overtaken(upload: ChargeUpload) -> Sequence[FeeSplit]:
        monkeypatch.setattr(world.insurer, "upload_charge_items", send)
        world.database.write(
            lambda connection: world.orders.withdraw_within(
                connection, items[:1], at=world.clock.now()
            )
        )
        world.orders.upload(encounter_no=number)
        return send(upload)

    monkeypatch.setattr(world.insurer, "upload_charge_items", overtaken)
    stay = world.orders.upload(encounter_no=number)

    assert {item.feedetl_sn for item in stay} == {item.feedetl_sn for item in items[1:]}
    assert set(world.insurer.lines) == {item.feedetl_sn for item in items[1:]}
    assert all(item.split is not None for item in stay)


def test_a_repeated_command_orders_nothing_more(any_world: World) -> None:
    order = ordering(any_world, any_world.registered(), command())
    results = in_parallel([order] * 4)
    assert results == [results[0]] * 4
    assert order() == results[0]


def test_a_repeated_command_with_other_lines_is_refused(world: World) -> None:
    encounter, command_id = world.registered(), command()
    ordering(world, encounter, command_id)()
    for lines in (LINES[:1], [*LINES[:-1], OrderLine(VITAMINS, Decimal(4))]):
        with pytest.raises(Refused) as refused:
            ordering(world, encounter, command_id, lines)()
        assert refused.value.kind is COMMAND_DIFFERS
    with pytest.raises(Refused) as other:
        ordering(world, world.registered(), command_id)()
    assert other.value.kind is COMMAND_DIFFERS


def test_an_order_with_one_unknown_item_orders_nothing(world: World) -> None:
    encounter = world.registered()
    lines = [*LINES, OrderLine("nothing", Decimal(1))]
    with pytest.raises(Refused) as refused:
        ordering(world, encounter, command(), lines)()
    assert refused.value.kind is ITEM_NOT_PRICED
    assert world.orders.items(encounter_no=encounter.encounter_no) == []


def test_what_the_insurer_refuses_stays_not_uploaded(world: World) -> None:
    encounter = world.registered()
    ordering(world, encounter, command(), [OrderLine("CL001", Decimal(1))])()
    with pytest.raises(Refused, match="item_unknown"):
        world.orders.upload(encounter_no=encounter.encounter_no)
    (item,) = world.orders.items(encounter_no=encounter.encounter_no)
    assert item.split is None


def test_nothing_is_ordered_in_a_visit_that_has_ended(world: World) -> None:
    encounter = world.registered()
    world.encounters.call(encounter_no=encounter.encounter_no)
    world.encounters.begin_consultation(encounter_no=encounter.encounter_no)
    world.encounters.close(encounter_no=encounter.encounter_no)
    with pytest.raises(Refused) as refused:
        ordering(world, encounter, command())()
    assert refused.value.kind is ENCOUNTER_NOT_OPEN


def test_items_join_the_open_batch_until_its_bill_is_shown(world: World) -> None:
    encounter = world.registered()
    first = world.ordered(encounter, CONSULTATION)
    both = world.ordered(encounter, VITAMINS)
    assert {item.chrg_bchno for item in both} == {first[0].chrg_bchno}
    world.prepared(encounter)
    more = world.ordered(encounter, CHEST_CT)
    assert more[2].chrg_bchno != first[0].chrg_bchno


def test_a_hospital_sees_its_own_items_only(world: World) -> None:
    encounter = world.registered()
    world.ordered(encounter)
    other = world.hospital_of(OTHER_HOSPITAL).orders
    assert other.items(encounter_no=encounter.encounter_no) == []
    with pytest.raises(Refused) as refused:
        other.upload(encounter_no=encounter.encounter_no)
    assert refused.value.kind is ENCOUNTER_NOT_FOUND
    with pytest.raises(Refused) as not_found:
        other.order(command_id=command(), encounter_no=EncounterNo("E"), lines=LINES)
    assert not_found.value.kind is ENCOUNTER_NOT_FOUND
