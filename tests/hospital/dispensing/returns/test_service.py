"""Medicine comes back: the money once, the stock into quarantine, the codes to nobody else."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from hospital.dispensing.pharmacy import DOCTOR, REVIEWER, Pharmacy, box
from hospital.world import HOSPITAL, Fault, PowerCutError, World, command, in_parallel
from shualian.core.identifiers import CommandId
from shualian.core.refusals import Refused
from shualian.hospital.dispensing.model import (
    DispenseRequest,
    MedicineReturn,
    Picked,
    RequestState,
    ReturnPart,
    ReturnState,
)
from shualian.hospital.dispensing.returns.service import PaymentRefunds, Returns
from shualian.hospital.model import FUND_REFUSED


@pytest.fixture
def pharmacy(any_world: World) -> Pharmacy:
    pharmacy = Pharmacy(any_world)
    pharmacy.receive()
    return pharmacy


def refusal(do: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value.kind.code


def give_back(
    pharmacy: Pharmacy,
    request: DispenseRequest,
    many: int = 1,
    *,
    command_id: CommandId | None = None,
    codes: tuple[str, ...] | None = None,
    unopened: bool = True,
) -> MedicineReturn:
    """Give back so many boxes of the first line, of those that were scanned first."""
    codes = tuple(box(number) for number in range(1, many + 1)) if codes is None else codes
    return pharmacy.world.returns.give_back(
        REVIEWER,
        command_id=command_id or command(),
        request_no=request.request_no,
        parts=[ReturnPart(0, Decimal(many), codes)],
        unopened=unopened,
        reason="医生换药",
    )


def real_returns(world: World) -> Returns:
    """The counter whose refunds are those of the payments."""
    refunds = PaymentRefunds(institution=HOSPITAL, database=world.database, payments=world.payments)
    return Returns(
        institution=HOSPITAL, database=world.database, clock=world.clock, refunds=refunds
    )


def test_a_part_comes_back_into_quarantine_with_its_money_and_its_code(pharmacy: Pharmacy) -> None:
    request = pharmacy.collected()

    done = give_back(pharmacy, request)

    assert done.state is ReturnState.DONE
    assert done.refunded_fen == 100
    after = pharmacy.world.dispensing.get(request_no=request.request_no)
    assert after.state is RequestState.PART_RETURNED
    assert pharmacy.shelf() == 8
    assert pharmacy.quarantine() == 1
    assert pharmacy.world.dispensing.tell_endings() == 0
    assert pharmacy.world.insurer.boxes[box(1)][2] == "returned"


def test_money_of_medicine_in_the_hand_goes_back_with_the_medicine_only(
    pharmacy: Pharmacy,
) -> None:
    world, request = pharmacy.world, pharmacy.collected(cnt="3")
    payments, (payment,) = (
        world.payments,
        world.payments.of_encounter(encounter_no=request.encounter_no),
    )
    returns = real_returns(world)

    def at_the_counter(number: int) -> MedicineReturn:
        return returns.give_back(
            REVIEWER,
            command_id=command(),
            request_no=request.request_no,
            parts=[ReturnPart(0, Decimal(1), (box(number),))],
            unopened=True,
            reason="医生换药",
        )

    def money_alone(keep: int) -> str:
        (line,) = world.orders.items(encounter_no=request.encounter_no)
        return refusal(
            lambda: payments.refund_items(
                command_id=command(),
                payment=payment.command_id,
                items=[line.feedetl_sn],
                keep={line.feedetl_sn: Decimal(keep)} if keep else {},
            )
        )

    assert money_alone(0) == money_alone(2) == "hospital.dispense_not_returned"
    assert at_the_counter(1).state is ReturnState.DONE
    assert money_alone(0) == money_alone(1) == "hospital.dispense_not_returned"
    assert at_the_counter(2).state is at_the_counter(3).state is ReturnState.DONE
    assert world.insurer.standing == {}
    assert pharmacy.quarantine() == 3


def test_what_stays_of_a_line_without_codes_is_still_not_paid_by_the_fund(
    pharmacy: Pharmacy,
) -> None:
    world = pharmacy.world
    world.agreed()
    request = pharmacy.reviewed(cnt="3")
    pharmacy.prepared(request, coded=False)
    handover = pharmacy.billed(request.request_no)
    pharmacy.release(handover, pharmacy.face(handover))

    real_returns(world).give_back(
        REVIEWER,
        command_id=command(),
        request_no=request.request_no,
        parts=[ReturnPart(0, Decimal(1), ())],
        unopened=True,
        reason="医生换药",
    )

    (line,) = world.insurer.lines.values()
    assert line.detail.cnt == 2
    assert line.detail.hosp_appr_flag == FUND_REFUSED
    payment = world.payments.get(command_id=pharmacy.command_of(handover))
    assert payment.answer.amounts.fulamt_ownpay_amt == 64_00
    assert payment.answer.amounts.fund_pay_sumamt == 0


def test_everything_comes_back_and_no_more_than_that(pharmacy: Pharmacy) -> None:
    request = pharmacy.collected()

    give_back(pharmacy, request, 2)

    after = pharmacy.world.dispensing.get(request_no=request.request_no)
    assert after.state is RequestState.RETURNED
    assert refusal(lambda: give_back(pharmacy, request)) == "hospital.dispense_lines"


def test_the_settlement_can_be_taken_back_once_the_medicine_is_back(pharmacy: Pharmacy) -> None:
    pharmacy.world.agreed()
    handover = pharmacy.ready()
    request = pharmacy.release(handover, pharmacy.face(handover))
    give_back(pharmacy, request, 2)

    payment = pharmacy.world.payments.cancel(command_id=pharmacy.command_of(handover))

    assert payment.undone


def test_the_same_command_gives_back_once(pharmacy: Pharmacy) -> None:
    request, command_id = pharmacy.collected(), command()

    first = give_back(pharmacy, request, command_id=command_id)

    assert give_back(pharmacy, request, command_id=command_id) == first
    assert pharmacy.quarantine() == 1
    assert (
        refusal(lambda: give_back(pharmacy, request, 2, command_id=command_id))
        == "hospital.command_differs"
    )


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST])
def test_a_refund_without_an_answer_is_ended_by_the_resolver(
    pharmacy: Pharmacy, fault: Fault
) -> None:
    request = pharmacy.collected()
    pharmacy.world.refunds.fault = fault

    assert refusal(lambda: give_back(pharmacy, request)) == "hospital.outcome_unknown"
    # What is being given back is promised: it does not come back a second time.
    assert refusal(lambda: give_back(pharmacy, request, 2)) == "hospital.dispense_lines"
    assert pharmacy.quarantine() == 0

    assert pharmacy.world.returns.resolve_all() == []
    assert pharmacy.quarantine() == 1
    assert len(pharmacy.world.refunds.done) == 1


def test_a_refused_refund_leaves_the_medicine_with_the_patient(pharmacy: Pharmacy) -> None:
    request, command_id = pharmacy.collected(), command()
    pharmacy.world.refunds.refuse_next = True

    found = refusal(lambda: give_back(pharmacy, request, command_id=command_id))
    assert found == "insurer.refund_invalid"
    again = refusal(lambda: give_back(pharmacy, request, command_id=command_id))
    assert again == "hospital.dispense_lines"

    assert pharmacy.quarantine() == 0
    assert give_back(pharmacy, request).state is ReturnState.DONE


def test_the_power_may_be_cut_anywhere_in_a_return(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    request, command_id = pharmacy.collected(), command()
    steps = 0
    while True:
        world.breaker.steps_left = steps
        try:
            done = give_back(pharmacy, request, command_id=command_id)
            break
        except PowerCutError:
            steps += 1
            world.start()
    world.breaker.steps_left = None

    assert steps > 2
    assert done.state is ReturnState.DONE
    assert pharmacy.quarantine() == 1
    assert len(world.refunds.done) == 1


def test_of_returns_at_once_no_box_comes_back_twice(pharmacy: Pharmacy) -> None:
    request = pharmacy.collected()

    outcomes = in_parallel([lambda: give_back(pharmacy, request)] * 4)

    assert sum(isinstance(each, MedicineReturn) for each in outcomes) == 1
    assert pharmacy.quarantine() == 1


def test_opened_late_or_strange_medicine_does_not_come_back(pharmacy: Pharmacy) -> None:
    request = pharmacy.collected()

    opened = refusal(lambda: give_back(pharmacy, request, unopened=False))
    assert opened == "hospital.dispense_not_returnable"
    for codes in ((), (box(99),), (box(1), box(2))):
        found = refusal(lambda codes=codes: give_back(pharmacy, request, codes=codes))  # type: ignore[misc]
        assert found == "hospital.dispense_lines"
    pharmacy.world.wait(timedelta(days=8))
    late = refusal(lambda: give_back(pharmacy, request))
    assert late == "hospital.dispense_not_returnable"


def test_only_a_pharmacist_takes_medicine_back(pharmacy: Pharmacy) -> None:
    request = pharmacy.collected()

    found = refusal(
        lambda: pharmacy.world.returns.give_back(
            DOCTOR,
            command_id=command(),
            request_no=request.request_no,
            parts=[ReturnPart(0, Decimal(1), (box(1),))],
            unopened=True,
            reason="x",
        )
    )

    assert found == "staff.role_missing"


def test_a_box_that_came_back_goes_out_to_nobody(pharmacy: Pharmacy) -> None:
    request = pharmacy.collected()
    give_back(pharmacy, request)
    other = pharmacy.reviewed(cnt="1")

    found = refusal(
        lambda: pharmacy.world.dispensing.prepare(
            REVIEWER,
            request_no=other.request_no,
            taken=[Picked(0, Decimal(1), (box(1),))],
        )
    )

    assert found == "hospital.dispense_code_used"


def test_an_owed_rest_is_collected_after_a_part_came_back(pharmacy: Pharmacy) -> None:
    part = pharmacy.collected(cnt="3", quantity="1")
    give_back(pharmacy, part)
    request = pharmacy.world.dispensing.get(request_no=part.request_no)
    assert request.state is RequestState.RETURNED

    pharmacy.prepared(request)
    rest = pharmacy.billed(request.request_no)

    assert pharmacy.release(rest, pharmacy.face(rest)).state is RequestState.PART_RETURNED
