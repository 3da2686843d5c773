"""Review, collecting what is paid, part delivery, proxies."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from hospital.dispensing.pharmacy import DOCTOR, RELEASER, REVIEWER, Pharmacy
from hospital.world import (
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    KIOSK,
    LI,
    OTHER_HOSPITAL,
    VITAMINS,
    ZHANG,
    Fault,
    World,
    command,
    in_parallel,
)
from shualian.core.identifiers import TerminalId
from shualian.core.refusals import Refused
from shualian.hospital.dispensing import store
from shualian.hospital.dispensing.model import (
    CollectorKind,
    DispenseRequest,
    Handover,
    HandoverState,
    Kinship,
    Picked,
    Proxy,
    RequestState,
)
from shualian.hospital.model import TraceException
from shualian.staff.model import Caller
from shualian.verification.model import Relation, Scene


@pytest.fixture
def pharmacy(any_world: World) -> Pharmacy:
    pharmacy = Pharmacy(any_world)
    pharmacy.receive()
    return pharmacy


def refusal(do: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value.kind.code


def paid_and_ready(pharmacy: Pharmacy, **how: str) -> Handover:
    """A prescription that was paid at the cashier, and waits at the window."""
    request = pharmacy.reviewed(**how)
    pharmacy.paid(request)
    pharmacy.prepared(request)
    return pharmacy.billed(request.request_no)


def handovers(pharmacy: Pharmacy, handover: Handover) -> list[Handover]:
    return list(
        pharmacy.world.database.read(
            lambda connection: store.handovers_of(
                connection, handover.institution, handover.request_no
            )
        )
    )


def test_a_prescription_gets_a_number_in_the_queue_of_the_day(pharmacy: Pharmacy) -> None:
    first, second = pharmacy.prescribed(), pharmacy.prescribed(person=LI)

    assert (first.queue_no, second.queue_no) == ("P001", "P002")
    assert [each.request_no for each in pharmacy.world.dispensing.waiting(REVIEWER)] == [
        first.request_no,
        second.request_no,
    ]
    pharmacy.world.wait(timedelta(days=1))
    assert pharmacy.prescribed().queue_no == "P001"


def test_a_line_is_on_one_request_however_often_it_is_asked_for(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    encounter = world.registered()
    world.ordered(encounter, BLOOD_PRESSURE_TABLETS, VITAMINS, CHEST_CT)
    commands = [command() for _ in range(4)]

    outcomes = in_parallel(
        [
            lambda each=each: world.dispensing.open(  # type: ignore[misc]
                command_id=each, encounter_no=encounter.encounter_no
            )
            for each in commands
        ]
    )

    opened = [each for each in outcomes if isinstance(each, DispenseRequest)]
    assert len(opened) == 1
    assert len(opened[0].lines) == 2
    again = world.dispensing.open(
        command_id=opened[0].command_id, encounter_no=encounter.encounter_no
    )
    assert again == opened[0]


def test_only_medicine_makes_a_request(pharmacy: Pharmacy) -> None:
    encounter = pharmacy.world.registered()
    pharmacy.world.ordered(encounter, CHEST_CT)

    found = refusal(
        lambda: pharmacy.world.dispensing.open(
            command_id=command(), encounter_no=encounter.encounter_no
        )
    )

    assert found == "hospital.dispense_no_medicine"


def test_a_refused_review_goes_back_to_the_doctor_who_amends_or_stands_by_it(
    pharmacy: Pharmacy,
) -> None:
    dispensing = pharmacy.world.dispensing
    number = pharmacy.prescribed().request_no

    refused = dispensing.review(REVIEWER, request_no=number, refused_because="剂量偏大")
    assert (refused.state, refused.note) == (RequestState.REFUSED, "剂量偏大")
    assert refusal(lambda: pharmacy.prepared(refused)) == "hospital.dispense_step"

    again = dispensing.stand_by(DOCTOR, request_no=number, note="已核对，体重 90 公斤")
    assert again.state is RequestState.WAITING
    assert dispensing.review(REVIEWER, request_no=number).note == "已核对，体重 90 公斤"


def test_only_a_pharmacist_reviews_and_only_a_doctor_answers(pharmacy: Pharmacy) -> None:
    dispensing, number = pharmacy.world.dispensing, pharmacy.prescribed().request_no

    assert refusal(lambda: dispensing.review(DOCTOR, request_no=number)) == "staff.role_missing"
    assert refusal(lambda: dispensing.waiting(DOCTOR)) == "staff.role_missing"
    assert (
        refusal(lambda: dispensing.stand_by(REVIEWER, request_no=number, note="x"))
        == "staff.role_missing"
    )


def test_nothing_is_prepared_before_it_is_reviewed(pharmacy: Pharmacy) -> None:
    assert refusal(lambda: pharmacy.prepared(pharmacy.prescribed())) == "hospital.dispense_step"


def test_a_withdrawn_request_lets_go_what_was_set_aside(pharmacy: Pharmacy) -> None:
    request = pharmacy.reviewed()
    pharmacy.prepared(request)
    assert pharmacy.set_aside() == 2

    for _ in range(2):
        after = pharmacy.world.dispensing.withdraw(request_no=request.request_no)

    assert after.state is RequestState.WITHDRAWN
    assert pharmacy.set_aside() == 0


def test_paid_medicine_is_collected_with_a_scan_that_moves_nothing(pharmacy: Pharmacy) -> None:
    handover = paid_and_ready(pharmacy)
    settled = len(pharmacy.world.insurer.standing)

    assert not handover.pays
    assert pharmacy.release(handover, pharmacy.face(handover)).state is RequestState.RELEASED
    assert len(pharmacy.world.insurer.standing) == settled


@pytest.mark.parametrize("way", ["document", "code", "card"])
def test_paid_medicine_is_collected_without_a_face_too(pharmacy: Pharmacy, way: str) -> None:
    handover = paid_and_ready(pharmacy)
    intent_id = pharmacy.intent(handover)

    evidence = {
        "document": pharmacy.document(handover),
        "code": pharmacy.world.code(ZHANG, intent_id),
        "card": pharmacy.world.card(ZHANG, intent_id=intent_id),
    }[way]

    assert pharmacy.release(handover, evidence).state is RequestState.RELEASED  # type: ignore[arg-type]


def test_a_code_that_collects_paid_medicine_is_used_up_by_it(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    first, second = paid_and_ready(pharmacy), paid_and_ready(pharmacy)
    code = world.code(ZHANG, pharmacy.intent(first))
    # The answer is lost: the same code for the same thing is answered again.
    world.insurer.break_next("1101", Fault.REPLY_LOST)
    assert refusal(lambda: pharmacy.release(first, code)) == "hospital.insurer_unreachable"
    assert pharmacy.release(first, code).state is RequestState.RELEASED
    assert world.insurer.codes.used == {code.token: code.intent_id}

    seen_again = replace(code, intent_id=pharmacy.intent(second))

    assert refusal(lambda: pharmacy.release(second, seen_again)) == "insurer.proof_wrong"
    assert pharmacy.shelf() == 8


def test_a_code_of_somebody_else_stays_good_for_its_owner(pharmacy: Pharmacy) -> None:
    handover = paid_and_ready(pharmacy)
    code = pharmacy.world.code(LI, pharmacy.intent(handover))

    assert refusal(lambda: pharmacy.release(handover, code)) == "hospital.dispense_other_person"

    assert pharmacy.world.insurer.codes.used == {}


@pytest.mark.parametrize("way", ["face", "document", "code", "card"])
def test_somebody_else_collects_nothing(pharmacy: Pharmacy, way: str) -> None:
    handover = paid_and_ready(pharmacy)
    intent_id = pharmacy.intent(handover)

    evidence = {
        "face": pharmacy.face(handover, LI),
        "document": pharmacy.document(handover, LI),
        "code": pharmacy.world.code(LI, intent_id),
        "card": pharmacy.world.card(LI, intent_id=intent_id),
    }[way]

    found = refusal(lambda: pharmacy.release(handover, evidence))  # type: ignore[arg-type]
    assert found == "hospital.dispense_other_person"
    assert pharmacy.shelf() == 10


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"terminal_id": TerminalId("K09")}, "hospital.proof_not_fitting"),
        ({"scene": Scene.SETTLEMENT}, "hospital.scene_not_allowed"),
    ],
)
def test_a_scan_taken_elsewhere_or_for_something_else_collects_nothing(
    pharmacy: Pharmacy, changed: dict[str, object], code: str
) -> None:
    handover = paid_and_ready(pharmacy)
    evidence = replace(pharmacy.face(handover), **changed)  # type: ignore[arg-type]

    assert evidence.terminal_id in {KIOSK, TerminalId("K09")}
    assert refusal(lambda: pharmacy.release(handover, evidence)) == code


def test_nobody_shown_is_nobody(pharmacy: Pharmacy) -> None:
    handover = paid_and_ready(pharmacy)

    assert refusal(lambda: pharmacy.release(handover)) == "hospital.dispense_evidence_missing"


@pytest.mark.parametrize("by_face", [True, False])
def test_a_proxy_collects_what_is_paid_and_is_recorded(pharmacy: Pharmacy, by_face: bool) -> None:
    handover = paid_and_ready(pharmacy)
    shown = (
        pharmacy.face(handover, LI, beneficiary=ZHANG.psn_no, relation=Relation.PROXY)
        if by_face
        else pharmacy.document(handover, LI)
    )

    pharmacy.world.dispensing.release(
        RELEASER,
        command_id=pharmacy.command_of(handover),
        proxy=Proxy(shown, Kinship.CHILD),
    )

    (gone,) = handovers(pharmacy, handover)
    assert gone.collector is not None
    assert (gone.collector.kind, gone.collector.kinship) == (CollectorKind.PROXY, Kinship.CHILD)
    assert gone.collector.psn_no == (LI.psn_no if by_face else None)
    assert (gone.collector.id_number_hash is None) is by_face


def test_a_proxy_may_bring_the_patients_code_to_pay(pharmacy: Pharmacy) -> None:
    pharmacy.world.agreed()
    handover = pharmacy.ready()
    due = pharmacy.world.payments.get(command_id=pharmacy.command_of(handover))

    request = pharmacy.world.dispensing.release(
        RELEASER,
        command_id=pharmacy.command_of(handover),
        evidence=pharmacy.world.code(ZHANG, pharmacy.intent(handover)),
        proxy=Proxy(pharmacy.document(handover, LI), Kinship.SPOUSE),
        from_wallet_fen=due.confirmed.amounts.psn_cash_pay,
    )

    assert request.state is RequestState.RELEASED
    (gone,) = handovers(pharmacy, handover)
    assert gone.collector is not None
    assert gone.collector.kind is CollectorKind.PROXY


def test_a_proof_collects_once(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    first = paid_and_ready(pharmacy)
    evidence = pharmacy.face(first)
    pharmacy.release(first, evidence)
    second = paid_and_ready(pharmacy)

    def same_intent(connection: object) -> None:
        # As if a terminal gave the same intent to two things.
        stored = store.open_handover(connection, second.institution, second.request_no)  # type: ignore[arg-type]
        assert stored is not None
        store.put_handover(connection, replace_intent(stored, first))  # type: ignore[arg-type]

    world.database.write(same_intent)

    assert refusal(lambda: pharmacy.release(second, evidence)) == "hospital.dispense_proof_used"


def replace_intent(handover: Handover, other: Handover) -> Handover:
    return replace(handover, intent_id=other.intent_id)


def test_unpaid_cash_keeps_the_medicine_at_the_window(pharmacy: Pharmacy) -> None:
    request = pharmacy.reviewed()
    payment = pharmacy.paid(request, cash=False)
    pharmacy.prepared(request)

    found = refusal(lambda: pharmacy.billed(request.request_no))
    assert found == "hospital.dispense_cash_open"

    pharmacy.take_cash(payment)
    handover = pharmacy.billed(request.request_no)
    assert pharmacy.release(handover, pharmacy.face(handover)).state is RequestState.RELEASED


def test_what_the_fund_has_paid_goes_out_with_its_codes_only(pharmacy: Pharmacy) -> None:
    request = pharmacy.reviewed()
    pharmacy.paid(request)
    pharmacy.prepared(request, coded=False)

    found = refusal(lambda: pharmacy.billed(request.request_no))
    assert found == "hospital.dispense_trace_missing"

    pharmacy.prepared(request)
    handover = pharmacy.billed(request.request_no)
    assert pharmacy.release(handover, pharmacy.face(handover)).state is RequestState.RELEASED


def test_a_split_pack_goes_out_with_a_reason_and_its_mother_code(pharmacy: Pharmacy) -> None:
    request = pharmacy.reviewed(cnt="0.5")
    pharmacy.paid(request)
    half = Picked(0, Decimal("0.5"), (), TraceException.SPLIT_PACK, "拆零半盒", "8123456000000M")
    pharmacy.world.dispensing.prepare(REVIEWER, request_no=request.request_no, taken=[half])
    handover = pharmacy.billed(request.request_no)

    assert pharmacy.release(handover, pharmacy.face(handover)).state is RequestState.RELEASED
    assert pharmacy.shelf() == Decimal("9.5")


@pytest.mark.parametrize(
    "taken",
    [
        [],
        [Picked(0, Decimal(0))],
        [Picked(0, Decimal(3))],
        [Picked(7, Decimal(1))],
        [Picked(0, Decimal(1)), Picked(0, Decimal(1))],
        [Picked(0, Decimal(1), ("A1", "A2"))],
        [Picked(0, Decimal(2), ("A1", "A1"))],
        [Picked(0, Decimal("0.5"))],
        [Picked(0, Decimal(1), (), TraceException.SPLIT_PACK, "", "8123456000000M")],
        [Picked(0, Decimal(1), (), TraceException.SPLIT_PACK, "拆零", None)],
        [Picked(0, Decimal(1), (), TraceException.DECOCTION_PIECES)],
        [Picked(0, Decimal(1), ("A1",), TraceException.SPLIT_PACK, "拆零", "8123456000000M")],
    ],
)
def test_what_does_not_fit_the_prescription_is_not_prepared(
    pharmacy: Pharmacy, taken: list[Picked]
) -> None:
    request = pharmacy.reviewed()

    found = refusal(
        lambda: pharmacy.world.dispensing.prepare(
            REVIEWER, request_no=request.request_no, taken=taken
        )
    )

    assert found == "hospital.dispense_lines"
    assert pharmacy.set_aside() == 0


def test_short_stock_gives_a_part_now_and_a_slip_for_the_rest(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    request = pharmacy.reviewed(cnt="12")
    pharmacy.paid(request)
    assert refusal(lambda: pharmacy.prepared(request)) == "hospital.stock_short"

    pharmacy.prepared(request, "10")
    first = pharmacy.billed(request.request_no)
    part = pharmacy.release(first, pharmacy.face(first))
    assert part.state is RequestState.PART_RELEASED
    assert [line.owed for line in part.owed] == [2]
    assert part.slip_no is not None

    pharmacy.receive("5", days=400)
    found = world.dispensing.by_slip(RELEASER, slip_no=part.slip_no.lower())
    pharmacy.prepared(found)
    second = pharmacy.billed(found.request_no)
    whole = pharmacy.release(second, pharmacy.face(second))

    assert whole.state is RequestState.RELEASED
    assert whole.slip_no == part.slip_no
    assert pharmacy.shelf() == 3
    assert refusal(lambda: pharmacy.prepared(whole, "1")) == "hospital.dispense_step"


def test_pay_and_release_of_a_part_owes_the_rest_already_paid(pharmacy: Pharmacy) -> None:
    part = pharmacy.collected(cnt="3", quantity="1")
    assert part.state is RequestState.PART_RELEASED

    pharmacy.prepared(part)
    rest = pharmacy.billed(part.request_no)

    assert not rest.pays
    assert pharmacy.release(rest, pharmacy.face(rest)).state is RequestState.RELEASED


def test_what_expires_first_goes_out_first_and_what_has_expired_never(pharmacy: Pharmacy) -> None:
    early = pharmacy.receive("1", days=30)
    pharmacy.world.wait(timedelta(days=1))
    pharmacy.collected(cnt="2")
    batches = {each.batch_id: each.on_shelf for each in pharmacy.world.stock.of_medicine("YP003")}
    assert batches[early.batch_id] == 0
    assert sum(batches.values()) == 9

    late = pharmacy.receive("1", days=400)
    pharmacy.world.wait(timedelta(days=350))
    request = pharmacy.reviewed(cnt="2")
    assert refusal(lambda: pharmacy.prepared(request)) == "hospital.stock_short"
    handover = pharmacy.prepared(request, "1")
    assert [pick.batch_id for pick in handover.picks] == [late.batch_id]


def test_prepared_anew_takes_the_place_of_what_was_prepared(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    request = pharmacy.reviewed()
    first = pharmacy.prepared(request)
    pharmacy.billed(request.request_no)
    second = pharmacy.prepared(request)

    assert pharmacy.set_aside() == 2
    states = {each.handover_no: each.state for each in handovers(pharmacy, first)}
    assert states == {
        first.handover_no: HandoverState.DROPPED,
        second.handover_no: HandoverState.PREPARED,
    }
    assert world.dispensing.tell_endings() == 0
    live = [code for code, (_, _, state) in world.insurer.boxes.items() if state == "live"]
    assert live == []


def test_a_box_is_on_one_live_line_of_the_house(pharmacy: Pharmacy) -> None:
    first, second = pharmacy.reviewed(cnt="1"), pharmacy.reviewed(cnt="1")
    handover = pharmacy.prepared(first)
    same = [Picked(0, Decimal(1), handover.codes)]

    found = refusal(
        lambda: pharmacy.world.dispensing.prepare(
            REVIEWER, request_no=second.request_no, taken=same
        )
    )

    assert found == "hospital.dispense_code_used"
    again = pharmacy.world.dispensing.prepare(REVIEWER, request_no=first.request_no, taken=same)
    assert again.codes == handover.codes


def test_what_the_insurer_could_not_be_told_is_told_later(pharmacy: Pharmacy) -> None:
    world = pharmacy.world
    request = pharmacy.reviewed()
    pharmacy.prepared(request)
    pharmacy.billed(request.request_no)
    world.dispensing.withdraw(request_no=request.request_no)
    world.insurer.break_next("3506", Fault.REQUEST_LOST)

    assert world.dispensing.tell_endings() == 2
    assert world.dispensing.tell_endings() == 0
    assert {state for _, _, state in world.insurer.boxes.values()} == {"free"}


def test_a_command_of_one_request_bills_no_other(pharmacy: Pharmacy) -> None:
    handover, other = pharmacy.ready(), pharmacy.reviewed()

    found = refusal(lambda: pharmacy.billed(other.request_no, pharmacy.command_of(handover)))

    assert found == "hospital.command_differs"


def test_another_hospital_sees_nothing(pharmacy: Pharmacy) -> None:
    handover = pharmacy.ready()
    elsewhere = pharmacy.world.hospital_of(OTHER_HOSPITAL)

    assert elsewhere.dispensing.waiting(REVIEWER) == []
    assert elsewhere.stock.of_medicine(BLOOD_PRESSURE_TABLETS) == []
    found = refusal(lambda: elsewhere.dispensing.get(request_no=handover.request_no))
    assert found == "hospital.dispense_not_found"


def test_a_called_number_arms_the_windows_terminal_for_this_patient(pharmacy: Pharmacy) -> None:
    request, world = pharmacy.prescribed(), pharmacy.world

    found = world.dispensing.call(RELEASER, request_no=request.request_no, terminal_id=KIOSK)

    assert found == request
    assert world.expected.calls == {KIOSK: ZHANG.psn_no}


def test_only_a_pharmacist_calls_and_only_what_waits(pharmacy: Pharmacy) -> None:
    request, world = pharmacy.prescribed(), pharmacy.world

    def call(by: Caller) -> object:
        return world.dispensing.call(by, request_no=request.request_no, terminal_id=KIOSK)

    assert refusal(lambda: call(DOCTOR)) == "staff.role_missing"
    world.dispensing.withdraw(request_no=request.request_no)
    assert refusal(lambda: call(RELEASER)) == "hospital.dispense_step"
    assert world.expected.calls == {}
