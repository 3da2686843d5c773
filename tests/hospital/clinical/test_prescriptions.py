"""A signed prescription stands in the pharmacy's queue, whatever is cut off on the way."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from hospital.dispensing.pharmacy import REVIEWER, Pharmacy, box
from hospital.world import (
    AMOXICILLIN,
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    DOCTOR,
    DOCTOR_STAFF,
    PRICES,
    VITAMINS,
    Fault,
    PowerCutError,
    World,
    command,
)
from shualian.core.refusals import Refused
from shualian.hospital.clinical.model import ClinicalLine, OrderKind, OrderView, Use
from shualian.hospital.dispensing.model import DispenseRequest, Picked, RequestState
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.model import INSURER_UNREACHABLE


def requests(world: World, encounter: Encounter) -> Sequence[DispenseRequest]:
    return world.dispensing.of_encounter(encounter_no=encounter.encounter_no)


def withdrawn(world: World, view: OrderView) -> None:
    world.clinical.withdraw(order_no=view.order.order_no, by=DOCTOR_STAFF, reason="开错了")


def test_a_signed_prescription_is_queued_as_its_doctor_wrote_it(any_world: World) -> None:
    encounter = any_world.registered()
    order = any_world.clinical.draft(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        kind=OrderKind.PRESCRIPTION,
        lines=[
            ClinicalLine(BLOOD_PRESSURE_TABLETS, Decimal(2), Use("1片", "每日一次", "口服", 28)),
            ClinicalLine(VITAMINS, Decimal(1), Use("2片", "每日三次", "嚼服", 7)),
        ],
        doctor=DOCTOR,
        drafted_by=DOCTOR_STAFF,
    )
    assert requests(any_world, encounter) == []
    sign = any_world.clinical.sign

    first = sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)
    assert sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF) == first

    (request,) = requests(any_world, encounter)
    assert request.state is RequestState.WAITING
    assert [(line.medins_list_codg, line.ordered) for line in request.lines] == [
        (BLOOD_PRESSURE_TABLETS, Decimal(2)),
        (VITAMINS, Decimal(1)),
    ]
    assert [line.dose_zh for line in request.lines] == [
        "每次1片，每日一次，口服，28天",
        "每次2片，每日三次，嚼服，7天",
    ]
    units = [PRICES.priced(line.medins_list_codg).unit for line in request.lines]
    assert [line.unit for line in request.lines] == units
    assert any_world.clinical.resume_all() == []
    assert requests(any_world, encounter) == [request]


def test_each_prescription_has_a_request_of_its_own_and_an_examination_none(world: World) -> None:
    encounter = world.registered()
    world.signed(encounter, CHEST_CT)
    world.signed(encounter, AMOXICILLIN)
    world.signed(encounter, VITAMINS)

    codes = [
        [line.medins_list_codg for line in request.lines] for request in requests(world, encounter)
    ]

    assert codes == [[AMOXICILLIN], [VITAMINS]]


def test_what_could_not_be_uploaded_is_queued_by_the_resolver(world: World) -> None:
    encounter = world.registered()
    order = world.drafted(encounter, AMOXICILLIN)
    world.insurer.break_next("2204", Fault.REQUEST_LOST)

    with pytest.raises(Refused) as refused:
        world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)
    assert refused.value.kind is INSURER_UNREACHABLE
    assert requests(world, encounter) == []

    world.insurer.break_next("2204", Fault.REQUEST_LOST)
    assert world.clinical.resume_all() == [order.order_no]
    assert world.clinical.resume_all() == []
    assert len(requests(world, encounter)) == 1


def test_power_lost_at_any_step_of_a_signature_queues_it_once(world: World) -> None:
    for step in range(100):
        encounter = world.registered()
        order = world.drafted(encounter, AMOXICILLIN)
        world.breaker.steps_left = step
        try:
            world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)
        except PowerCutError:
            world.start()
            assert world.clinical.resume_all() == []
            world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)
            assert len(requests(world, encounter)) == 1
            continue
        break
    assert step > 6
    assert len(requests(world, encounter)) == 1


@pytest.mark.parametrize("paid", [False, True])
def test_a_withdrawn_prescription_leaves_the_queue(any_world: World, paid: bool) -> None:
    encounter = any_world.registered()
    view = any_world.signed(encounter, AMOXICILLIN)
    if paid:
        any_world.paid(encounter)

    withdrawn(any_world, view)

    (request,) = requests(any_world, encounter)
    assert request.state is RequestState.WITHDRAWN
    assert any_world.dispensing.waiting(REVIEWER) == []


def test_a_prescription_whose_refund_has_no_answer_leaves_the_queue_with_its_outcome(
    world: World,
) -> None:
    encounter = world.registered()
    view = world.signed(encounter, AMOXICILLIN)
    world.paid(encounter)
    world.insurer.break_next("refund", Fault.REPLY_LOST)
    with pytest.raises(Refused):
        withdrawn(world, view)
    assert requests(world, encounter)[0].state is RequestState.WAITING

    world.payments.resolve_all()
    world.clinical.resume_all()

    assert requests(world, encounter)[0].state is RequestState.WITHDRAWN


def test_what_was_set_aside_for_a_withdrawn_prescription_is_free_again(world: World) -> None:
    pharmacy = Pharmacy(world)
    pharmacy.receive()
    encounter = world.registered()
    view = world.signed(encounter, BLOOD_PRESSURE_TABLETS)
    (request,) = requests(world, encounter)
    world.dispensing.review(REVIEWER, request_no=request.request_no)
    world.dispensing.prepare(
        REVIEWER, request_no=request.request_no, taken=[Picked(0, Decimal(1), (box(1),))]
    )
    pharmacy.billed(request.request_no)
    assert pharmacy.set_aside() == 1
    assert world.insurer.boxes[box(1)][2] == "live"

    withdrawn(world, view)

    assert pharmacy.set_aside() == 0
    assert world.dispensing.tell_endings() == 0
    assert world.insurer.boxes[box(1)][2] == "free"


def test_an_amended_prescription_takes_the_place_of_the_one_before(world: World) -> None:
    encounter = world.registered()
    old = world.signed(encounter, AMOXICILLIN)
    new = world.clinical.draft(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        kind=OrderKind.PRESCRIPTION,
        lines=[ClinicalLine(VITAMINS, Decimal(1), Use("1片", "每日一次", "口服", 7))],
        doctor=DOCTOR,
        drafted_by=DOCTOR_STAFF,
        amends=old.order.order_no,
    )

    world.clinical.sign(order_no=new.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)

    states = {
        request.lines[0].medins_list_codg: request.state for request in requests(world, encounter)
    }
    assert states == {AMOXICILLIN: RequestState.WITHDRAWN, VITAMINS: RequestState.WAITING}
