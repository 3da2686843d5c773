from decimal import Decimal

import pytest

from hospital.world import (
    CHEST_CT,
    CLERK,
    CONSULTATION,
    DOCTOR,
    HOSPITAL,
    INTERNAL,
    LI,
    VITAMINS,
    Fault,
    World,
    command,
    staff,
)
from shualian.core.clock import business_date
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.closing.model import HospitalDay, differences
from shualian.hospital.cashier.closing.store import hospital_day
from shualian.hospital.cashier.tenders.model import Offer, TenderKind
from shualian.hospital.encounters.model import EVIDENCE_MISSING, Encounter, Override, OverrideReason
from shualian.hospital.model import (
    PROOF_NOT_FITTING,
    SELF_PAID,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    FaceEvidence,
)
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.payments.model import Payment, PaymentState
from shualian.hospital.selfpaid.model import is_self_paid
from shualian.hospital.statistics.store import uses
from shualian.staff.model import Role
from shualian.verification.model import Scene


def charged(world: World, *codes: str) -> Encounter:
    encounter = world.registered(self_paid=True)
    world.ordered(encounter, *codes)
    return encounter


def own_day(world: World) -> HospitalDay:
    today = business_date(world.clock.now())
    return world.database.read(lambda connection: hospital_day(connection, HOSPITAL, today))


def test_a_visit_without_insurance_is_registered_and_the_insurer_never_hears_of_it(
    world: World,
) -> None:
    encounter = world.registered(self_paid=True)

    assert encounter.insutype == SELF_PAID
    assert is_self_paid(encounter.visit_id)
    assert encounter.queue_place == 1
    assert not world.insurer.visits


def test_the_whole_bill_is_the_persons_own_whatever_the_policy_would_pay(world: World) -> None:
    encounter = charged(world, CONSULTATION, CHEST_CT)
    payment = world.paid(encounter)

    assert payment.state is PaymentState.SETTLED
    amounts = payment.answer.amounts
    assert amounts.psn_cash_pay == amounts.medfee_sumamt > 0
    assert not world.insurer.settlements


@pytest.mark.parametrize("by", ["face", "code", "card", "document"])
def test_it_is_paid_by_whatever_the_person_shows(world: World, by: str) -> None:
    payment = world.prepared(charged(world))
    ways: dict[str, Evidence] = {
        "face": world.confirmed(payment),
        "code": world.code(intent_id=payment.intent_id),
        "card": world.card(intent_id=payment.intent_id),
        "document": world.shown(payment),
    }

    settled = world.payments.settle(command_id=payment.command_id, evidence=ways[by])

    assert settled.channel == by
    assert settled.cash_due_fen == payment.confirmed.amounts.medfee_sumamt


def _face(world: World, payment: Payment) -> FaceEvidence:
    return world.confirmed(payment, LI)


def _small(world: World, payment: Payment) -> FaceEvidence:
    return world.scan(scene=Scene.SETTLEMENT, intent_id=payment.intent_id, amount_max_fen=Fen(1))


def _document(world: World, payment: Payment) -> DocumentEvidence:
    return world.shown(payment, LI)


def _code(world: World, payment: Payment) -> CodeEvidence:
    return world.code(LI, payment.intent_id)


@pytest.mark.parametrize("of_another", [_face, _small, _document, _code])
def test_what_another_person_shows_pays_nothing(world: World, of_another: object) -> None:
    payment = world.prepared(charged(world))
    assert callable(of_another)

    with pytest.raises(Refused):
        world.payments.settle(command_id=payment.command_id, evidence=of_another(world, payment))

    after = world.payments.get(command_id=payment.command_id)
    assert after.state is PaymentState.REFUSED


def test_an_insurer_that_is_away_keeps_nobody_from_paying_alone(world: World) -> None:
    record = world.record()
    for infno in ("1101", "2201", "2204", "2206", "2207"):
        world.insurer.break_next(infno, Fault.REQUEST_LOST)

    encounter = world.encounters.register(
        command_id=command(),
        record_no=record.record_no,
        department=INTERNAL,
        doctor=DOCTOR,
        evidence=world.document(),
        self_paid=True,
    )
    world.ordered(encounter)
    payment = world.prepared(encounter)
    settled = world.payments.settle(command_id=payment.command_id, evidence=world.shown(payment))

    assert settled.state is PaymentState.SETTLED


def test_a_document_of_somebody_else_registers_nobody(world: World) -> None:
    record = world.record()

    with pytest.raises(Refused) as caught:
        world.encounters.register(
            command_id=command(),
            record_no=record.record_no,
            department=INTERNAL,
            doctor=DOCTOR,
            evidence=world.document(LI),
            self_paid=True,
        )
    assert caught.value.kind is PROOF_NOT_FITTING


def test_without_evidence_a_member_of_staff_answers_for_it(world: World) -> None:
    record = world.record()
    register = {
        "command_id": command(),
        "record_no": record.record_no,
        "department": INTERNAL,
        "doctor": DOCTOR,
        "evidence": None,
        "self_paid": True,
    }

    with pytest.raises(Refused) as caught:
        world.encounters.register(**register)  # type: ignore[arg-type]
    assert caught.value.kind is EVIDENCE_MISSING
    by = Override(CLERK, OverrideReason.DEVICES_DOWN)
    assert world.encounters.register(**register, override=by).queue_place == 1  # type: ignore[arg-type]


def test_a_repeated_settlement_is_the_first_one(world: World) -> None:
    payment = world.prepared(charged(world))
    evidence = world.shown(payment)

    first = world.payments.settle(command_id=payment.command_id, evidence=evidence)
    again = world.payments.settle(command_id=payment.command_id, evidence=evidence)

    assert first == again


def test_it_is_taken_back_whole(world: World) -> None:
    payment = world.paid(charged(world))

    cancelled = world.payments.cancel(command_id=payment.command_id)

    assert cancelled.state is PaymentState.CANCELLED
    assert cancelled.cancellation is not None
    assert is_self_paid(cancelled.cancellation)


def test_a_part_of_it_is_given_back_and_the_rest_stays_due(world: World) -> None:
    encounter = charged(world, CONSULTATION, CHEST_CT)
    items = {
        item.medins_list_codg: item
        for item in world.orders.items(encounter_no=encounter.encounter_no)
    }
    payment = world.paid(encounter)

    world.payments.refund_items(
        command_id=command(),
        payment=payment.command_id,
        items=[items[CHEST_CT].feedetl_sn],
    )

    after = world.payments.get(command_id=payment.command_id)
    assert after.standing is not None
    assert after.standing.amounts.psn_cash_pay == items[CONSULTATION].det_item_fee_sumamt


def test_part_of_a_line_stays_at_its_part_of_the_price(world: World) -> None:
    encounter = world.registered(self_paid=True)
    world.orders.order(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        lines=[OrderLine(VITAMINS, Decimal(3))],
    )
    (item,) = world.orders.upload(encounter_no=encounter.encounter_no)
    payment = world.paid(encounter)

    world.payments.refund_items(
        command_id=command(),
        payment=payment.command_id,
        items=[item.feedetl_sn],
        keep={item.feedetl_sn: Decimal(1)},
    )

    after = world.payments.get(command_id=payment.command_id)
    assert after.standing is not None
    assert after.standing.amounts.psn_cash_pay * 3 == item.det_item_fee_sumamt


def test_the_daily_closing_does_not_look_for_it_at_the_insurer(world: World) -> None:
    insured = world.settled()
    alone = world.paid(charged(world))
    today = business_date(world.clock.now())
    clerk = staff(Role.CLERK)
    for number, payment in enumerate((insured, alone)):
        world.cashier.take(
            command_id=command(),
            payment=payment.command_id,
            offers=[Offer(TenderKind.CARD, payment.cash_due_fen, f"A0000{number}")],
            taken_by=clerk.staff_id,
        )

    day = own_day(world)

    assert len(day.lines) == len(day.insured_lines) + 1
    assert not differences(day, world.insurer.of_day(today), ())


def test_it_counts_as_a_use_and_not_as_paid_with_insurance(world: World) -> None:
    world.paid(charged(world))
    today = business_date(world.clock.now())

    found = world.database.read(lambda connection: uses(connection, HOSPITAL, today, today))

    assert [use.insured for use in found if use.done_at or use.shown_at] == [False]


def test_a_code_of_the_person_is_used_up_by_it(world: World) -> None:
    payment = world.prepared(charged(world))
    code = world.code(intent_id=payment.intent_id)
    world.payments.settle(command_id=payment.command_id, evidence=code)
    other = world.prepared(charged(world))

    again = CodeEvidence(code.token, other.intent_id)
    with pytest.raises(Refused):
        world.payments.settle(command_id=other.command_id, evidence=again)
