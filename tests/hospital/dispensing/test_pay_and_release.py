"""One scan at the dispensing window pays and releases; crashes, doubts and wrong people."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from hospital.dispensing.pharmacy import RELEASER, REVIEWER, Pharmacy, box
from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    DOCTOR_STAFF,
    LI,
    VITAMINS,
    ZHANG,
    Fault,
    PowerCutError,
    World,
    command,
    in_parallel,
)
from shualian.core.refusals import Refused
from shualian.hospital.dispensing import store
from shualian.hospital.dispensing.model import (
    CollectorKind,
    HandoverState,
    Picked,
    RequestState,
)
from shualian.hospital.model import Evidence
from shualian.hospital.payments.model import PaymentState
from shualian.verification.model import Relation


@pytest.fixture
def pharmacy(any_world: World) -> Pharmacy:
    pharmacy = Pharmacy(any_world)
    pharmacy.receive()
    return pharmacy


def refusal(do: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value.kind.code


def test_one_scan_pays_and_takes_the_medicine(pharmacy: Pharmacy) -> None:
    request = pharmacy.collected()

    assert request.state is RequestState.RELEASED
    assert request.slip_no is None
    assert pharmacy.shelf() == 8
    assert pharmacy.set_aside() == 0
    (payment,) = pharmacy.world.payments.of_encounter(encounter_no=request.encounter_no)
    assert payment.done
    assert payment.cash_due_fen == 0
    assert {state for _, _, state in pharmacy.world.insurer.boxes.values()} == {"live"}


def test_medicine_without_insurance_is_paid_at_the_cashier_and_handed_out(
    pharmacy: Pharmacy,
) -> None:
    world = pharmacy.world
    request = pharmacy.prescribed(encounter=world.registered(self_paid=True))
    world.dispensing.review(REVIEWER, request_no=request.request_no)
    payment = world.payments.get(command_id=pharmacy.paid(request))
    pharmacy.prepared(request)
    handover = pharmacy.billed(request.request_no)

    out = pharmacy.release(handover, pharmacy.face(handover))

    assert out.state is RequestState.RELEASED
    assert payment.answer.amounts.psn_cash_pay == payment.answer.amounts.medfee_sumamt > 0


def test_the_same_command_again_gives_the_same_and_looks_at_no_proof(pharmacy: Pharmacy) -> None:
    pharmacy.world.agreed()
    handover = pharmacy.ready()
    first = pharmacy.release(handover, pharmacy.face(handover))
    seen = pharmacy.world.proofs.looked_at

    assert pharmacy.release(handover, pharmacy.face(handover, LI)) == first
    assert pharmacy.world.proofs.looked_at == seen
    assert pharmacy.shelf() == 8


def test_nothing_goes_out_while_the_outcome_of_the_payment_is_unknown(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    world.agreed()
    handover = pharmacy.ready()
    world.insurer.break_next("2207", Fault.REPLY_LOST)

    unknown = refusal(lambda: pharmacy.release(handover, pharmacy.face(handover)))
    assert unknown == "hospital.outcome_unknown"
    assert pharmacy.shelf() == 10
    (waiting,) = world.dispensing.unreleased(RELEASER)
    assert not waiting.settled

    assert world.payments.resolve_all() == []
    (waiting,) = world.dispensing.unreleased(RELEASER)
    assert waiting.settled
    # The same command goes on, and nobody has to scan again.
    request = world.dispensing.release(RELEASER, command_id=pharmacy.command_of(handover))
    assert request.state is RequestState.RELEASED
    assert world.dispensing.unreleased(RELEASER) == []


def test_the_power_may_be_cut_anywhere_and_the_same_command_ends_it_once(
    pharmacy: Pharmacy,
) -> None:
    world = pharmacy.world
    world.agreed()
    handover = pharmacy.ready()
    evidence = pharmacy.face(handover)
    cuts = 0

    def released_after(steps: int) -> bool:
        world.breaker.steps_left = steps
        try:
            pharmacy.release(handover, evidence)
        except PowerCutError:
            world.start()
            return False
        world.breaker.steps_left = None
        return True

    # Each run comes one step further than the last one.
    while not released_after(cuts % 7):
        cuts += 1
        stands = len(world.insurer.standing)
        assert stands <= 1
        # Nothing is out of the house that the insurer has not settled.
        assert pharmacy.shelf() == 10 or stands == 1
        assert cuts < 100

    assert cuts > 5
    assert pharmacy.shelf() == 8
    assert pharmacy.set_aside() == 0
    assert len(world.insurer.standing) == 1


def test_the_power_may_be_cut_while_the_bill_is_made(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    world.agreed()
    request = pharmacy.reviewed()
    pharmacy.prepared(request)
    command_id, steps = command(), 0
    while True:
        world.breaker.steps_left = steps
        try:
            handover = pharmacy.billed(request.request_no, command_id)
            break
        except PowerCutError:
            steps += 1
            world.start()
    world.breaker.steps_left = None

    assert steps > 3
    assert handover.command_id == command_id
    assert pharmacy.release(handover, pharmacy.face(handover)).state is RequestState.RELEASED


def test_a_refused_payment_gives_nothing_out_and_the_window_can_try_again(
    pharmacy: Pharmacy,
) -> None:
    world = pharmacy.world
    world.agreed()
    handover = pharmacy.ready()
    world.wallet.terms.clear()

    refused = refusal(lambda: pharmacy.release(handover, pharmacy.face(handover)))
    assert refused.startswith("hospital.wallet_")
    # The same command is refused in the same words.
    assert refusal(lambda: pharmacy.release(handover)) == refused

    assert pharmacy.shelf() == 10
    again = pharmacy.billed(handover.request_no)
    code = refusal(lambda: pharmacy.release(again, pharmacy.face(again), wallet=False))
    assert code == "hospital.dispense_cash_open"
    assert pharmacy.shelf() == 10

    pharmacy.take_cash(pharmacy.command_of(again))
    # Paid now: the same command, and no other scan.
    assert pharmacy.release(again).state is RequestState.RELEASED


def test_another_person_at_the_window_gets_nothing_and_pays_nothing(pharmacy: Pharmacy) -> None:
    handover = pharmacy.ready()

    shown: list[Evidence] = [
        pharmacy.face(handover, LI),
        pharmacy.document(handover, LI),
        # Only the settlement knows whose code it is, and refuses it.
        pharmacy.world.code(LI, pharmacy.intent(handover)),
    ]
    for evidence in shown:
        found = refusal(partial(pharmacy.release, handover, evidence))
        assert found == "hospital.dispense_other_person"

    assert pharmacy.shelf() == 10
    assert pharmacy.world.insurer.standing == {}
    again = pharmacy.billed(handover.request_no)
    code = pharmacy.world.code(ZHANG, pharmacy.intent(again))
    assert refusal(lambda: pharmacy.release(again, code)) == "hospital.dispense_cash_open"


def test_a_relative_pays_through_the_insurer_where_a_binding_allows_it(pharmacy: Pharmacy) -> None:
    pharmacy.world.agreed()
    handover = pharmacy.ready()
    bound = pharmacy.face(handover, LI, beneficiary=ZHANG.psn_no, relation=Relation.FAMILY)

    assert pharmacy.release(handover, bound).state is RequestState.RELEASED
    stored = pharmacy.world.dispensing
    assert stored.handover(REVIEWER, request_no=handover.request_no) is None


def test_a_proxys_face_moves_no_money(pharmacy: Pharmacy) -> None:
    handover = pharmacy.ready()
    proxy = pharmacy.face(handover, LI, beneficiary=ZHANG.psn_no, relation=Relation.PROXY)

    found = refusal(lambda: pharmacy.release(handover, proxy))

    assert found == "hospital.dispense_proxy_cannot_pay"
    assert pharmacy.world.insurer.standing == {}


def test_a_scan_for_another_bill_pays_nothing(pharmacy: Pharmacy) -> None:
    handover, other = pharmacy.ready(), pharmacy.ready()

    found = refusal(lambda: pharmacy.release(handover, pharmacy.face(other)))

    assert found == "hospital.intent_differs"


def test_who_reviewed_does_not_hand_out(pharmacy: Pharmacy) -> None:
    handover = pharmacy.ready()

    found = refusal(
        lambda: pharmacy.world.dispensing.release(
            REVIEWER,
            command_id=pharmacy.command_of(handover),
            evidence=pharmacy.face(handover),
        )
    )

    assert found == "staff.same_person"


def test_a_line_without_codes_is_self_paid_and_then_goes_out(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    world.agreed()
    request = pharmacy.reviewed()
    pharmacy.prepared(request, coded=False)
    handover = pharmacy.billed(request.request_no)

    amounts = world.payments.get(command_id=pharmacy.command_of(handover)).confirmed.amounts
    assert amounts.fulamt_ownpay_amt == amounts.medfee_sumamt == 64_00
    assert amounts.fund_pay_sumamt == 0
    (item,) = world.orders.items(encounter_no=request.encounter_no)
    assert item.split is not None
    assert item.split.fulamt_ownpay_amt == 64_00
    assert pharmacy.release(handover, pharmacy.face(handover)).state is RequestState.RELEASED


def test_scanned_after_all_it_is_paid_by_the_fund_again(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    request = pharmacy.reviewed()
    pharmacy.prepared(request, coded=False)
    pharmacy.billed(request.request_no)

    pharmacy.prepared(request)
    handover = pharmacy.billed(request.request_no)

    payment = world.payments.get(command_id=pharmacy.command_of(handover))
    assert payment.confirmed.amounts.fulamt_ownpay_amt == 0
    assert not world.dispensing.get(request_no=request.request_no).lines[0].untraced


def test_a_box_that_was_sold_elsewhere_stops_the_bill(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    world.insurer.boxes[box(1)] = ("elsewhere", LI.psn_no, "live")  # type: ignore[assignment]
    request = pharmacy.reviewed(cnt="1")
    pharmacy.prepared(request)

    assert refusal(lambda: pharmacy.billed(request.request_no)) == "insurer.trace_used"

    pharmacy.prepared(request)
    assert pharmacy.billed(request.request_no).state is HandoverState.READY
    # What was told and never went out is told to be free; the code of another stays.
    assert world.insurer.boxes[box(1)][2] == "live"


def test_a_bill_of_other_things_too_is_paid_whole_and_only_medicine_goes_out(
    pharmacy: Pharmacy,
) -> None:
    pharmacy.receive(code=VITAMINS)
    request = pharmacy.collected(CHEST_CT, BLOOD_PRESSURE_TABLETS, VITAMINS, cnt="1")

    assert [line.medins_list_codg for line in request.lines] == [BLOOD_PRESSURE_TABLETS, VITAMINS]
    (payment,) = pharmacy.world.payments.of_encounter(encounter_no=request.encounter_no)
    assert payment.answer.amounts.medfee_sumamt == 220_00 + 32_00 + 18_00


def test_lines_that_move_to_another_bill_stay_as_unpaid_by_the_fund_as_they_were_told(
    pharmacy: Pharmacy,
) -> None:
    world = pharmacy.world
    encounter = world.registered()
    examined = world.signed(encounter, CHEST_CT)
    request = pharmacy.prescribed(encounter=encounter)
    world.dispensing.review(REVIEWER, request_no=request.request_no)
    pharmacy.prepared(request, coded=False)
    pharmacy.billed(request.request_no)

    world.clinical.withdraw(order_no=examined.order.order_no, by=DOCTOR_STAFF, reason="x")

    (item,) = world.orders.items(encounter_no=encounter.encounter_no)
    (line,) = world.insurer.lines.values()
    assert line.chrg_bchno == item.chrg_bchno
    assert item.split is not None
    assert item.split.fulamt_ownpay_amt == line.split.fulamt_ownpay_amt == 64_00

    pharmacy.prepared(request)
    pharmacy.billed(request.request_no)
    (item,) = world.orders.items(encounter_no=encounter.encounter_no)
    assert item.split is not None
    assert item.split.fulamt_ownpay_amt == 0


def test_an_earlier_bill_comes_first(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    encounter = world.registered()
    world.ordered(encounter, CHEST_CT)
    first = world.prepared(encounter)
    request = pharmacy.prescribed(encounter=encounter)
    world.dispensing.review(REVIEWER, request_no=request.request_no)
    pharmacy.prepared(request)

    found = refusal(lambda: pharmacy.billed(request.request_no))

    assert found == "hospital.dispense_other_bill"
    assert world.payments.get(command_id=first.command_id).state is PaymentState.WITHDRAWN


def test_settled_medicine_in_the_hand_keeps_its_settlement(pharmacy: Pharmacy) -> None:
    pharmacy.world.agreed()
    handover = pharmacy.ready()
    pharmacy.release(handover, pharmacy.face(handover))

    found = refusal(
        lambda: pharmacy.world.payments.cancel(command_id=pharmacy.command_of(handover))
    )

    assert found == "hospital.dispense_not_returned"


def test_a_settlement_taken_back_before_the_release_gives_nothing_out(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    handover = pharmacy.ready()
    command_id = pharmacy.command_of(handover)
    evidence = pharmacy.face(handover)
    refusal(lambda: pharmacy.release(handover, evidence, wallet=False))
    world.payments.cancel(command_id=command_id)

    assert refusal(lambda: pharmacy.release(handover)) == "hospital.payment_cancelled"
    assert pharmacy.shelf() == 10
    world.agreed()
    again = pharmacy.billed(handover.request_no)
    assert pharmacy.release(again, pharmacy.face(again)).state is RequestState.RELEASED


def test_what_expires_between_payment_and_release_stays_and_is_picked_anew(
    pharmacy: Pharmacy,
) -> None:
    world = pharmacy.world
    pharmacy.receive("2", days=0)
    handover = pharmacy.ready()
    refusal(lambda: pharmacy.release(handover, pharmacy.face(handover), wallet=False))
    pharmacy.take_cash(pharmacy.command_of(handover))
    world.wait(timedelta(days=1))

    assert refusal(lambda: pharmacy.release(handover)) == "hospital.dispense_expired"
    assert pharmacy.set_aside() == 0

    request = world.dispensing.get(request_no=handover.request_no)
    pharmacy.prepared(request)
    again = pharmacy.billed(request.request_no)
    assert not again.pays
    assert pharmacy.release(again, pharmacy.face(again)).state is RequestState.RELEASED
    assert pharmacy.shelf() == 10


def test_of_two_windows_at_once_one_gives_out(pharmacy: Pharmacy) -> None:
    pharmacy.world.agreed()
    handover = pharmacy.ready()
    evidence = pharmacy.face(handover)

    outcomes = in_parallel([lambda: pharmacy.release(handover, evidence)] * 4)

    assert pharmacy.release(handover).state is RequestState.RELEASED
    assert all(isinstance(each, Refused) or each.lines[0].released == 2 for each in outcomes)
    assert pharmacy.shelf() == 8
    assert len(pharmacy.world.insurer.standing) == 1


def test_who_collected_is_kept_without_a_number(pharmacy: Pharmacy) -> None:
    pharmacy.world.agreed()
    handover = pharmacy.ready()
    evidence = pharmacy.document(handover)
    pharmacy.release(handover, evidence)

    (gone,) = pharmacy.world.database.read(
        lambda connection: store.handovers_of(connection, handover.institution, handover.request_no)
    )
    assert gone.collector is not None
    assert gone.collector.kind is CollectorKind.PATIENT
    assert gone.collector.seen_by == RELEASER.staff_id
    assert ZHANG.certno.value not in repr(gone)


def test_a_quantity_is_never_more_than_was_ordered(pharmacy: Pharmacy) -> None:
    request = pharmacy.reviewed(cnt="1")

    found = refusal(
        lambda: pharmacy.world.dispensing.prepare(
            REVIEWER, request_no=request.request_no, taken=[Picked(0, Decimal(2))]
        )
    )

    assert found == "hospital.dispense_lines"
