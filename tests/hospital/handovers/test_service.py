"""What a desk asks for is scanned by its terminal, of this person, and used by who asked."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from hospital.dispensing.pharmacy import RELEASER, Pharmacy
from hospital.dispensing.pharmacy import caller as staff_of
from hospital.wards.ward import EAST, Wards
from hospital.world import CHEST_CT, DOCTOR, HOSPITAL, KIOSK, LI, ZHANG, World, command
from shualian.core.identifiers import CommandId, InstitutionCode, TerminalId
from shualian.core.refusals import Refused
from shualian.hospital.handovers.model import ASKED_FOR, Asked, AskedState, Desk
from shualian.hospital.handovers.service import FacesAtDesks
from shualian.hospital.model import AtTerminal, Channel, Evidence, InsuredPerson
from shualian.hospital.payments.model import Payment, PaymentState
from shualian.hospital.records.model import Estimate, Sex
from shualian.hospital.wards.stays.model import NursingClass, Stay
from shualian.staff.model import Role
from shualian.verification.model import Scene

AT = AtTerminal(KIOSK, HOSPITAL, "收费 1 号窗口")
ELSEWHERE = AtTerminal(TerminalId("K77"), InstitutionCode("H99000000002"), "别处")
CLERK = staff_of("clerk", Role.CLERK)
NURSE = staff_of("nurse", Role.NURSE)
TECHNICIAN = staff_of("technician", Role.TECHNICIAN)
COLLEAGUE = staff_of("colleague", Role.CLERK)


class Window:
    """A desk with a terminal beside it, and a bill."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faces = FacesAtDesks(
            institution=HOSPITAL,
            clock=world.clock,
            calls=world.expected,
            proofs=world.proofs,
            records=world.records,
            payments=world.payments,
            dispensing=world.dispensing,
            examinations=world.examinations,
        )

    def bill(self) -> Payment:
        encounter = self.world.registered()
        self.world.ordered(encounter)
        return self.world.prepared(encounter)

    def asked(self, bill: Payment, *, from_wallet: bool = False) -> Asked:
        return self.faces.ask_to_pay(
            CLERK,
            desk=Desk.CASHIER,
            terminal_id=KIOSK,
            payment=bill.command_id,
            from_wallet=from_wallet,
        )

    def settle(self, bill: Payment, evidence: Evidence, **changed: object) -> Payment:
        return self.world.payments.settle(
            command_id=bill.command_id,
            evidence=evidence,
            **changed,  # type: ignore[arg-type]
        )


@pytest.fixture
def window(world: World) -> Window:
    return Window(world)


def refusal(do: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        do()
    return refused.value.kind.code


def test_what_the_terminal_hands_over_settles_exactly_the_bill_that_the_desk_asked_for(
    window: Window,
) -> None:
    window.world.agreed()
    bill = window.bill()
    asked = window.asked(bill, from_wallet=True)
    assert window.world.expected.calls[KIOSK] == ZHANG.psn_no
    assert asked.from_wallet_fen == bill.confirmed.amounts.psn_cash_pay > 0
    wanted = window.faces.at(AT)
    assert wanted == asked
    scan = window.world.scan(scene=Scene.SETTLEMENT, intent_id=asked.wanted.intent_id)

    after = window.faces.hand_over(AT, asked_no=asked.asked_no, evidence=scan, from_wallet=True)

    assert after.state(window.world.clock.now()) is AskedState.HANDED_OVER
    assert after.from_wallet_fen == asked.from_wallet_fen
    assert window.faces.at(AT) is None
    evidence = window.faces.evidence(asked.asked_no, CLERK.staff_id)
    paid = window.settle(bill, evidence, from_wallet_fen=asked.from_wallet_fen)
    assert paid.state is PaymentState.SETTLED
    assert paid.cash_due_fen == 0


def test_nothing_comes_from_an_account_when_the_person_did_not_agree_at_this_scan(
    window: Window,
) -> None:
    window.world.agreed()
    bill = window.bill()
    asked = window.asked(bill, from_wallet=True)
    assert asked.from_wallet_fen > 0
    scan = window.world.scan(scene=Scene.SETTLEMENT, intent_id=asked.wanted.intent_id)

    after = window.faces.hand_over(AT, asked_no=asked.asked_no, evidence=scan)

    assert after.from_wallet_fen == 0


def test_the_proof_is_in_nothing_that_is_printed(window: Window) -> None:
    asked = window.asked(window.bill())
    scan = window.world.scan(scene=Scene.SETTLEMENT, intent_id=asked.wanted.intent_id)
    after = window.faces.hand_over(AT, asked_no=asked.asked_no, evidence=scan)
    assert scan.auth_no not in repr(after)
    assert asked.wanted.masked_name not in repr(after)


def test_nothing_is_taken_of_another_person_intent_scene_or_terminal(window: Window) -> None:
    asked = window.asked(window.bill())
    intent = asked.wanted.intent_id
    scan = window.world.scan

    def hand(evidence: Evidence, at: AtTerminal = AT) -> str:
        return refusal(
            lambda: window.faces.hand_over(
                at,
                asked_no=asked.asked_no,
                evidence=evidence,  # type: ignore[arg-type]
            )
        )

    assert hand(scan(LI, scene=Scene.SETTLEMENT, intent_id=intent)) == "hospital.proof_not_fitting"
    assert hand(scan(scene=Scene.SETTLEMENT)) == "hospital.handover_not_asked"
    assert hand(scan(scene=Scene.DISPENSING, intent_id=intent)) == "hospital.scene_not_allowed"
    good = scan(scene=Scene.SETTLEMENT, intent_id=intent)
    assert hand(good, ELSEWHERE) == "hospital.handover_not_asked"
    assert window.faces.get(CLERK, asked_no=asked.asked_no).evidence is None


def test_only_who_asked_sees_and_uses_it(window: Window) -> None:
    asked = window.asked(window.bill())
    scan = window.world.scan(scene=Scene.SETTLEMENT, intent_id=asked.wanted.intent_id)
    window.faces.hand_over(AT, asked_no=asked.asked_no, evidence=scan)
    gone = "hospital.handover_gone"

    assert refusal(lambda: window.faces.evidence(asked.asked_no, COLLEAGUE.staff_id)) == gone
    assert refusal(lambda: window.faces.get(COLLEAGUE, asked_no=asked.asked_no)) == gone
    window.faces.end(COLLEAGUE, asked_no=asked.asked_no)
    assert window.faces.evidence(asked.asked_no, CLERK.staff_id) == scan


def test_it_ends_with_the_proof_with_the_next_asking_and_when_the_desk_ends_it(
    window: Window,
) -> None:
    bill = window.bill()
    first = window.asked(bill)
    second = window.asked(bill)
    assert refusal(lambda: window.faces.get(CLERK, asked_no=first.asked_no))
    scan = window.world.scan(scene=Scene.SETTLEMENT, intent_id=second.wanted.intent_id)
    after = window.faces.hand_over(AT, asked_no=second.asked_no, evidence=scan)
    proof = window.world.proofs.check(scan.auth_no, expected_institution=HOSPITAL)
    assert after.expires_at == min(second.expires_at, proof.expires_at)
    window.world.wait(after.expires_at - window.world.clock.now())
    assert refusal(lambda: window.faces.evidence(second.asked_no, CLERK.staff_id))

    third = window.asked(bill)
    window.faces.end(CLERK, asked_no=third.asked_no)
    assert window.faces.at(AT) is None
    assert KIOSK not in window.world.expected.calls


def test_a_terminal_is_asked_for_five_minutes_and_says_why_nothing_came(window: Window) -> None:
    asked = window.asked(window.bill())
    window.faces.note_refused(AT, asked_no=asked.asked_no, code="not_matched")
    told = window.faces.get(CLERK, asked_no=asked.asked_no)
    assert told.state(window.world.clock.now()) is AskedState.REFUSED
    assert told.refused == "not_matched"
    assert window.faces.at(AT) == told

    window.world.wait(ASKED_FOR + timedelta(seconds=1))
    assert window.faces.at(AT) is None
    code = refusal(
        lambda: window.faces.note_refused(AT, asked_no=asked.asked_no, code="not_matched")
    )
    assert code == "hospital.handover_not_asked"


def test_nobody_is_asked_to_confirm_what_is_settled(window: Window) -> None:
    bill = window.bill()
    scan = window.world.scan(scene=Scene.SETTLEMENT, intent_id=bill.intent_id)
    window.settle(bill, scan)
    assert refusal(lambda: window.asked(bill)) == "hospital.handover_not_asked"


def test_medicine_that_is_ready_is_paid_and_released_on_what_was_handed_over(
    window: Window,
) -> None:
    pharmacy = Pharmacy(window.world)
    pharmacy.receive()
    window.world.agreed()
    ready = pharmacy.ready()
    asked = window.faces.ask_to_collect(
        RELEASER, terminal_id=KIOSK, request_no=ready.request_no, from_wallet=True
    )
    assert asked.wanted.amounts is not None
    scan = window.world.scan(scene=Scene.DISPENSING, intent_id=asked.wanted.intent_id)
    window.faces.hand_over(AT, asked_no=asked.asked_no, evidence=scan)

    evidence = window.faces.evidence(asked.asked_no, RELEASER.staff_id)
    assert ready.command_id is not None
    released = window.world.dispensing.release(
        RELEASER,
        command_id=ready.command_id,
        evidence=evidence,
        from_wallet_fen=asked.from_wallet_fen,
    )
    assert released.state.value == "released"


def test_somebody_is_admitted_on_the_face_that_was_handed_over_for_exactly_their_record(
    world: World,
) -> None:
    wards, window = Wards(world), Window(world)
    record = wards.world.record()
    asked = window.faces.ask_to_admit(NURSE, terminal_id=KIOSK, record_no=record.record_no)
    assert wards.world.expected.calls[KIOSK] == ZHANG.psn_no
    assert asked.scene is Scene.ADMISSION
    assert (asked.wanted.amounts, asked.wanted.amount_max_fen) == (None, 0)
    intent = asked.wanted.intent_id
    other = wards.world.scan(LI, scene=Scene.ADMISSION, intent_id=intent)
    code = refusal(lambda: window.faces.hand_over(AT, asked_no=asked.asked_no, evidence=other))
    assert code == "hospital.proof_not_fitting"
    scan = wards.world.scan(scene=Scene.ADMISSION, intent_id=intent)
    window.faces.hand_over(AT, asked_no=asked.asked_no, evidence=scan)

    def admit(evidence: Evidence, number: CommandId, person: InsuredPerson = ZHANG) -> Stay:
        return wards.stays.admit(
            command_id=number,
            record_no=wards.world.record(person).record_no,
            ward=EAST.code,
            bed_no="1",
            nursing=NursingClass.TWO,
            doctor=DOCTOR,
            evidence=evidence,
        )

    shown, number = window.faces.evidence(asked.asked_no, NURSE.staff_id), command()
    assert refusal(lambda: admit(shown, command(), LI)) == "hospital.proof_not_fitting"
    stay = admit(shown, number)
    assert (stay.channel, stay.check, stay.terminal_id) == (Channel.FACE, None, KIOSK)
    # An answer that was lost is asked for again; another act finds it used.
    assert admit(shown, number) == stay
    assert refusal(lambda: admit(shown, command())) == "hospital.intent_used"


def test_nobody_is_scanned_for_a_record_of_which_nobody_knows_whose_it_is(world: World) -> None:
    unknown = world.records.open_unknown(
        command_id=command(), estimate=Estimate(Sex.UNKNOWN, "60-69"), by=NURSE.staff_id
    )
    faces = Window(world).faces
    code = refusal(
        lambda: faces.ask_to_admit(NURSE, terminal_id=KIOSK, record_no=unknown.record_no)
    )
    assert code == "hospital.handover_not_asked"
    assert world.expected.calls == {}


def test_somebody_arrives_for_a_paid_order_on_the_face_that_was_handed_over(
    window: Window,
) -> None:
    world = window.world
    encounter = world.registered()
    order_no = world.signed(encounter, CHEST_CT).order.order_no

    def ask() -> Asked:
        return window.faces.ask_to_arrive(TECHNICIAN, terminal_id=KIOSK, order_no=order_no)

    assert refusal(ask) == "hospital.order_not_paid"
    world.paid(encounter)
    asked = ask()
    assert world.expected.calls[KIOSK] == ZHANG.psn_no
    scan = world.scan(scene=Scene.EXAMINATION, intent_id=asked.wanted.intent_id)
    window.faces.hand_over(AT, asked_no=asked.asked_no, evidence=scan)
    evidence = window.faces.evidence(asked.asked_no, TECHNICIAN.staff_id)
    came = world.examinations.arrive(
        command_id=command(),
        order_no=order_no,
        evidence=evidence,
        received_by=TECHNICIAN.staff_id,
    )
    assert (came.channel, came.received_by) == (Channel.FACE, TECHNICIAN.staff_id)
    assert refusal(ask) == "hospital.examination_step"


def test_medicine_that_is_not_ready_is_scanned_for_by_nobody(window: Window) -> None:
    pharmacy = Pharmacy(window.world)
    pharmacy.receive()
    request = pharmacy.reviewed()
    code = refusal(
        lambda: window.faces.ask_to_collect(
            RELEASER, terminal_id=KIOSK, request_no=request.request_no
        )
    )
    assert code == "hospital.dispense_step"
