"""Clinical orders: from the draft to the patient, and back where they can still go back."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from hospital.world import (
    AMOXICILLIN,
    BLOOD_PRESSURE_TABLETS,
    CHEST_CT,
    CLERK,
    CONSULTATION,
    DOCTOR,
    DOCTOR_STAFF,
    KINDS,
    URINALYSIS,
    VITAMINS,
    Fault,
    World,
    command,
)
from shualian.core.identifiers import ChargeItemNo
from shualian.core.money import Fen
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.clinical.model import (
    ORDER_LINES_INVALID,
    ORDER_NOT_FOUND,
    ORDER_NOT_PAID,
    ORDER_OF_ANOTHER_DOCTOR,
    ORDER_PERFORMED,
    ORDER_STEP,
    WARNINGS_OPEN,
    ClinicalLine,
    OrderKind,
    OrderNo,
    OrderState,
    OrderView,
    Standing,
    Use,
)
from shualian.hospital.encounters.model import ENCOUNTER_NOT_OPEN, Encounter
from shualian.hospital.model import COMMAND_DIFFERS, INSURER_UNREACHABLE, OUTCOME_UNKNOWN
from shualian.hospital.orders.model import DOCTOR_NOT_SIGNED_IN
from shualian.hospital.payments.model import PAYMENT_IN_PROGRESS, PaymentState
from shualian.hospital.scheduling.model import Doctor

USE = Use("0.5g", "每日三次", "口服", 7)
OTHER_DOCTOR = Doctor("D990000000002", "另一位示例医生")


def withdrawn(world: World, view: OrderView) -> OrderView:
    return world.clinical.withdraw(order_no=view.order.order_no, by=DOCTOR_STAFF, reason="开错了")


def standing(world: World, view: OrderView) -> Standing:
    return world.clinical.get(order_no=view.order.order_no).standing


def numbers_at_insurer(world: World) -> set[ChargeItemNo]:
    return set(world.insurer.lines)


# Drafting


def test_a_draft_costs_nothing_and_the_insurer_does_not_hear_of_it(world: World) -> None:
    encounter = world.registered()
    asked = list(world.insurer.messages)

    order = world.drafted(encounter, CHEST_CT)

    assert world.orders.items(encounter_no=encounter.encounter_no) == []
    assert world.insurer.messages == asked
    assert world.clinical.get(order_no=order.order_no).amount_fen == 220_00


def test_a_repeated_draft_is_one_draft_and_another_under_its_command_is_refused(
    any_world: World,
) -> None:
    encounter, command_id = any_world.registered(), command()

    def draft(cnt: int) -> OrderNo:
        return any_world.clinical.draft(
            command_id=command_id,
            encounter_no=encounter.encounter_no,
            kind=OrderKind.PRESCRIPTION,
            lines=[ClinicalLine(AMOXICILLIN, Decimal(cnt), USE)],
            doctor=DOCTOR,
            drafted_by=DOCTOR_STAFF,
        ).order_no

    assert draft(2) == draft(2)
    with pytest.raises(Refused) as refused:
        draft(3)
    assert refused.value.kind is COMMAND_DIFFERS


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (OrderKind.PRESCRIPTION, ClinicalLine(AMOXICILLIN, Decimal(1))),
        (OrderKind.PRESCRIPTION, ClinicalLine(CHEST_CT, Decimal(1), USE)),
        (OrderKind.PRESCRIPTION, ClinicalLine(AMOXICILLIN, Decimal(1), Use("", "a", "b", 1))),
        (OrderKind.PRESCRIPTION, ClinicalLine(AMOXICILLIN, Decimal(1), Use("a", "a", "b", 85))),
        (OrderKind.PRESCRIPTION, ClinicalLine(AMOXICILLIN, Decimal(1), Use("a", "a", "b", 0))),
        (OrderKind.EXAMINATION, ClinicalLine(CHEST_CT, Decimal(1), USE)),
        (OrderKind.EXAMINATION, ClinicalLine(URINALYSIS, Decimal(1))),
        (OrderKind.LABORATORY, ClinicalLine(CHEST_CT, Decimal(1))),
        (OrderKind.TREATMENT, ClinicalLine(AMOXICILLIN, Decimal(1))),
    ],
)
def test_an_order_has_items_of_its_kind_and_a_medicine_says_how_it_is_taken(
    world: World, kind: OrderKind, line: ClinicalLine
) -> None:
    encounter = world.registered()
    with pytest.raises(Refused) as refused:
        world.clinical.draft(
            command_id=command(),
            encounter_no=encounter.encounter_no,
            kind=kind,
            lines=[line],
            doctor=DOCTOR,
            drafted_by=DOCTOR_STAFF,
        )
    assert refused.value.kind is ORDER_LINES_INVALID


def test_nothing_is_ordered_in_a_visit_that_has_ended(world: World) -> None:
    encounter = world.registered()
    world.encounters.cancel(encounter_no=encounter.encounter_no)
    with pytest.raises(Refused) as refused:
        world.drafted(encounter, CHEST_CT)
    assert refused.value.kind is ENCOUNTER_NOT_OPEN


def test_a_draft_that_was_thrown_away_is_signed_no_more(world: World) -> None:
    order = world.drafted(world.registered(), CHEST_CT)
    for _ in range(2):
        world.clinical.discard(order_no=order.order_no, by=DOCTOR_STAFF)
    with pytest.raises(Refused) as refused:
        world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)
    assert refused.value.kind is ORDER_STEP


# The preview


def test_the_doctor_sees_before_signing_what_the_patient_will_pay(world: World) -> None:
    encounter = world.registered()
    order = world.drafted(encounter, CHEST_CT)

    shown = world.clinical.preview(order_no=order.order_no)
    world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)

    assert world.prepared(encounter).confirmed.amounts == shown.with_order.amounts
    assert shown.without is None
    assert shown.adds_fen == shown.with_order.amounts.psn_part_amt


def test_the_preview_says_what_the_order_adds_to_the_open_bill(world: World) -> None:
    encounter = world.registered()
    world.signed(encounter, CONSULTATION)
    order = world.drafted(encounter, CHEST_CT)

    shown = world.clinical.preview(order_no=order.order_no)

    assert shown.without is not None
    before, after = shown.without.amounts, shown.with_order.amounts
    assert after.medfee_sumamt - before.medfee_sumamt == 220_00
    assert shown.adds_fen == after.psn_part_amt - before.psn_part_amt > 0
    assert shown.adds_cash_fen == after.psn_cash_pay - before.psn_cash_pay


def test_a_preview_changes_nothing_anywhere(world: World) -> None:
    encounter = world.registered()
    world.signed(encounter, CONSULTATION)
    order = world.drafted(encounter, CHEST_CT)
    books = (numbers_at_insurer(world), dict(world.insurer.balances))
    items = world.orders.items(encounter_no=encounter.encounter_no)

    for _ in range(3):
        world.clinical.preview(order_no=order.order_no)

    assert (numbers_at_insurer(world), dict(world.insurer.balances)) == books
    assert world.orders.items(encounter_no=encounter.encounter_no) == items


def test_what_is_signed_is_not_previewed_again(world: World) -> None:
    view = world.signed(world.registered(), CHEST_CT)
    with pytest.raises(Refused) as refused:
        world.clinical.preview(order_no=view.order.order_no)
    assert refused.value.kind is ORDER_STEP


# Signing


def test_a_signed_order_is_on_the_bill_under_the_name_of_its_doctor(any_world: World) -> None:
    encounter = any_world.registered()

    view = any_world.signed(encounter, AMOXICILLIN, VITAMINS)

    assert view.standing is Standing.UPLOADED
    assert (view.amount_fen, view.open_fen, view.paid_fen) == (27_60, 27_60, 0)
    assert {item.bilg_dr_codg for item in view.items} == {DOCTOR.dr_code}
    assert {item.feedetl_sn for item in view.items} == numbers_at_insurer(any_world)


def test_an_order_of_a_doctor_who_is_not_signed_in_is_not_signed(world: World) -> None:
    encounter = world.registered()
    order = world.drafted(encounter, CHEST_CT)
    world.sign_ins.absent.add(DOCTOR.dr_code)

    with pytest.raises(Refused) as refused:
        world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)

    assert refused.value.kind is DOCTOR_NOT_SIGNED_IN
    assert world.orders.items(encounter_no=encounter.encounter_no) == []
    world.sign_ins.absent.clear()
    assert world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)


def test_only_the_doctor_who_drafted_signs(world: World) -> None:
    order = world.drafted(world.registered(), CHEST_CT)
    with pytest.raises(Refused) as refused:
        world.clinical.sign(order_no=order.order_no, doctor=OTHER_DOCTOR, by=CLERK)
    assert refused.value.kind is ORDER_OF_ANOTHER_DOCTOR


def test_signing_twice_charges_once(any_world: World) -> None:
    encounter = any_world.registered()
    view = any_world.signed(encounter, CHEST_CT)

    again = any_world.clinical.sign(order_no=view.order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)

    assert again == view
    assert len(any_world.orders.items(encounter_no=encounter.encounter_no)) == 1


def test_an_order_whose_upload_got_lost_is_signed_and_uploaded_by_the_next(world: World) -> None:
    encounter = world.registered()
    order = world.drafted(encounter, CHEST_CT)
    world.insurer.break_next("2204", Fault.REQUEST_LOST)

    with pytest.raises(Refused) as refused:
        world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)

    assert refused.value.kind is INSURER_UNREACHABLE
    assert world.clinical.get(order_no=order.order_no).standing is Standing.SIGNED
    world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)
    assert world.clinical.get(order_no=order.order_no).standing is Standing.UPLOADED


def test_a_medicine_like_one_that_is_ordered_is_signed_only_when_the_doctor_has_seen_it(
    world: World,
) -> None:
    encounter = world.registered()
    world.signed(encounter, AMOXICILLIN)
    order = world.drafted(encounter, AMOXICILLIN)
    (warning,) = world.clinical.preview(order_no=order.order_no).warnings

    with pytest.raises(Refused) as refused:
        world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)
    view = world.clinical.sign(
        order_no=order.order_no,
        doctor=DOCTOR,
        by=DOCTOR_STAFF,
        acknowledged=frozenset((warning.code,)),
    )

    assert refused.value.kind is WARNINGS_OPEN
    assert warning.code == "duplicate:YP009+YP009"
    assert view.order.acknowledged == {warning.code}


def test_a_medicine_of_a_group_the_patient_is_allergic_to_warns(world: World) -> None:
    world.allergies.known = frozenset(("penicillins",))
    order = world.drafted(world.registered(), AMOXICILLIN, VITAMINS)

    warnings = world.clinical.preview(order_no=order.order_no).warnings

    assert [warning.code for warning in warnings] == ["allergy:YP009"]


# Withdrawing what is not paid


def test_a_withdrawn_order_is_off_the_bill_here_and_at_the_insurer(any_world: World) -> None:
    encounter = any_world.registered()
    kept, gone = any_world.signed(encounter, CONSULTATION), any_world.signed(encounter, CHEST_CT)

    after = withdrawn(any_world, gone)

    assert after.standing is Standing.WITHDRAWN
    assert after.order.reason == "开错了"
    assert numbers_at_insurer(any_world) == {item.feedetl_sn for item in kept.items}
    assert any_world.prepared(encounter).confirmed.amounts.medfee_sumamt == 25_00


def test_withdrawing_again_changes_nothing(world: World) -> None:
    view = world.signed(world.registered(), CHEST_CT)
    assert withdrawn(world, view) == withdrawn(world, view)


def test_a_bill_that_was_shown_is_withdrawn_with_the_order(world: World) -> None:
    encounter = world.registered()
    world.signed(encounter, CONSULTATION)
    gone = world.signed(encounter, CHEST_CT)
    shown = world.prepared(encounter)
    assert standing(world, gone) is Standing.PAYING

    withdrawn(world, gone)

    assert world.payments.get(command_id=shown.command_id).state is PaymentState.WITHDRAWN
    assert world.paid(encounter).answer.amounts.medfee_sumamt == 25_00


def test_while_a_payment_is_not_decided_its_orders_stay(world: World) -> None:
    encounter = world.registered()
    view = world.signed(encounter, CHEST_CT)
    payment = world.prepared(encounter)
    world.insurer.break_next("2207", Fault.REPLY_LOST)
    with pytest.raises(Refused):
        world.payments.settle(command_id=payment.command_id, evidence=world.confirmed(payment))

    with pytest.raises(Refused) as refused:
        withdrawn(world, view)

    assert refused.value.kind is PAYMENT_IN_PROGRESS


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("message", ["2205", "2204"])
def test_a_withdrawal_whose_message_got_lost_is_told_to_the_insurer_by_the_next_upload(
    world: World, fault: Fault, message: str
) -> None:
    encounter = world.registered()
    world.signed(encounter, CONSULTATION)
    gone = world.signed(encounter, CHEST_CT)
    world.insurer.break_next(message, fault)

    with pytest.raises(Refused):
        withdrawn(world, gone)
    assert standing(world, gone) is Standing.WITHDRAWN
    world.orders.upload(encounter_no=encounter.encounter_no)
    world.insurer.deliver_late()

    assert world.paid(encounter).answer.amounts.medfee_sumamt == 25_00


@pytest.mark.parametrize("remembers", [True, False])
def test_an_upload_under_way_for_long_does_not_bring_a_withdrawn_order_back(
    world: World, remembers: bool
) -> None:
    world.insurer.remembers_withdrawals = remembers
    encounter = world.registered()
    world.signed(encounter, CONSULTATION)
    world.insurer.break_next("2204", Fault.LATE)
    order = world.drafted(encounter, CHEST_CT)
    with pytest.raises(Refused):
        world.clinical.sign(order_no=order.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)
    world.insurer.break_next("2204", Fault.REQUEST_LOST)
    with pytest.raises(Refused):
        world.clinical.withdraw(order_no=order.order_no, by=DOCTOR_STAFF, reason="late")
    # The old batch comes alive again at an insurer that forgot that it was withdrawn.
    world.insurer.deliver_late()

    world.orders.upload(encounter_no=encounter.encounter_no)

    assert world.paid(encounter).answer.amounts.medfee_sumamt == 25_00


def test_orders_of_a_withdrawn_visit_bill_do_not_keep_it_from_being_cancelled(
    world: World,
) -> None:
    encounter = world.registered()
    withdrawn(world, world.signed(encounter, CHEST_CT))
    assert world.encounters.cancel(encounter_no=encounter.encounter_no)


# Withdrawing what is paid


def test_a_paid_order_is_withdrawn_with_its_refund_and_the_rest_stays_paid(
    any_world: World,
) -> None:
    encounter = any_world.registered()
    kept, gone = any_world.signed(encounter, CONSULTATION), any_world.signed(encounter, CHEST_CT)
    payment = any_world.paid(encounter)

    after = withdrawn(any_world, gone)

    assert after.standing is Standing.WITHDRAWN
    assert standing(any_world, kept) is Standing.PAID
    rest = any_world.payments.get(command_id=payment.command_id)
    assert rest.answer.amounts.medfee_sumamt == 25_00
    assert any_world.insurer.standing == {payment.command_id: rest.answer}


def test_when_every_order_of_a_payment_is_withdrawn_nothing_is_settled(world: World) -> None:
    encounter = world.registered()
    view = world.signed(encounter, CHEST_CT)
    payment = world.paid(encounter)

    withdrawn(world, view)

    assert world.payments.get(command_id=payment.command_id).undone
    assert world.insurer.standing == {}
    assert world.insurer.balances[encounter.psn_no] == 30_00


def test_a_refund_without_an_answer_is_led_to_its_end(world: World) -> None:
    encounter = world.registered()
    world.signed(encounter, CONSULTATION)
    gone = world.signed(encounter, CHEST_CT)
    world.paid(encounter)
    world.insurer.break_next("refund", Fault.REPLY_LOST)

    with pytest.raises(Refused) as refused:
        withdrawn(world, gone)
    assert refused.value.kind is OUTCOME_UNKNOWN
    assert standing(world, gone) is Standing.REFUNDING

    assert world.clinical.resume_all() == []
    assert standing(world, gone) is Standing.WITHDRAWN
    assert len(world.insurer.refunded) == 1


def test_a_refund_that_the_payments_resolver_ended_is_taken_note_of(world: World) -> None:
    encounter = world.registered()
    gone = world.signed(encounter, CHEST_CT)
    world.paid(encounter)
    world.insurer.break_next("refund", Fault.REQUEST_LOST)
    with pytest.raises(Refused):
        withdrawn(world, gone)

    assert world.payments.resolve_all() == []
    assert world.clinical.resume_all() == []

    assert standing(world, gone) is Standing.WITHDRAWN


def test_what_was_performed_is_not_withdrawn(any_world: World) -> None:
    encounter = any_world.registered()
    view = any_world.signed(encounter, CHEST_CT)
    any_world.paid(encounter)
    done = any_world.clinical.perform(order_no=view.order.order_no, by=CLERK)
    assert any_world.clinical.perform(order_no=view.order.order_no, by=CLERK) == done

    with pytest.raises(Refused) as refused:
        withdrawn(any_world, view)

    assert refused.value.kind is ORDER_PERFORMED
    assert done.standing is Standing.PERFORMED


def refused_by(act: Callable[[], object]) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.kind


def test_a_bill_of_which_something_was_performed_is_not_taken_back(any_world: World) -> None:
    encounter = any_world.registered()
    done, open_one = any_world.signed(encounter, CHEST_CT), any_world.signed(encounter, URINALYSIS)
    payment = any_world.paid(encounter)
    number, payments = payment.command_id, any_world.payments
    any_world.clinical.perform(order_no=done.order.order_no, by=CLERK)
    (line,) = any_world.clinical.get(order_no=done.order.order_no).items

    assert refused_by(lambda: payments.cancel(command_id=number)) is ORDER_PERFORMED
    kind = refused_by(
        lambda: payments.refund_items(command_id=command(), payment=number, items=[line.feedetl_sn])
    )
    assert kind is ORDER_PERFORMED
    assert payments.get(command_id=number) == payment

    withdrawn(any_world, open_one)
    assert standing(any_world, open_one) is Standing.WITHDRAWN
    assert standing(any_world, done) is Standing.PERFORMED


def test_nothing_is_performed_while_its_bill_is_being_taken_back(world: World) -> None:
    encounter = world.registered()
    view = world.signed(encounter, CHEST_CT)
    payment = world.paid(encounter)
    world.insurer.break_next("2208", Fault.REPLY_LOST)
    cancel = partial(world.payments.cancel, command_id=payment.command_id)
    assert refused_by(cancel) is OUTCOME_UNKNOWN

    kind = refused_by(lambda: world.clinical.perform(order_no=view.order.order_no, by=CLERK))

    assert kind is ORDER_NOT_PAID
    assert standing(world, view) is Standing.PAYING
    world.payments.resolve_all()
    assert standing(world, view) is Standing.UPLOADED


def test_what_is_not_paid_is_not_performed(world: World) -> None:
    view = world.signed(world.registered(), CHEST_CT)
    with pytest.raises(Refused) as refused:
        world.clinical.perform(order_no=view.order.order_no, by=CLERK)
    assert refused.value.kind is ORDER_NOT_PAID


# Amending


def amended(world: World, encounter: Encounter, view: OrderView, code: str) -> OrderView:
    kind = KINDS.get(code, OrderKind.PRESCRIPTION)
    new = world.clinical.draft(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        kind=kind,
        lines=[ClinicalLine(code, Decimal(1), USE if kind is OrderKind.PRESCRIPTION else None)],
        doctor=DOCTOR,
        drafted_by=DOCTOR_STAFF,
        amends=view.order.order_no,
    )
    return world.clinical.sign(order_no=new.order_no, doctor=DOCTOR, by=DOCTOR_STAFF)


def test_a_paid_order_is_amended_with_its_refund_and_the_new_one_is_to_be_paid(
    world: World,
) -> None:
    encounter = world.registered()
    old = world.signed(encounter, AMOXICILLIN)
    world.paid(encounter)

    new = amended(world, encounter, old, BLOOD_PRESSURE_TABLETS)

    assert standing(world, old) is Standing.WITHDRAWN
    assert new.standing is Standing.UPLOADED
    assert world.paid(encounter).answer.amounts.medfee_sumamt == 32_00


def test_an_amendment_whose_old_order_was_performed_is_not_signed(world: World) -> None:
    encounter = world.registered()
    old = world.signed(encounter, AMOXICILLIN)
    world.paid(encounter)
    world.clinical.perform(order_no=old.order.order_no, by=CLERK)

    with pytest.raises(Refused) as refused:
        amended(world, encounter, old, BLOOD_PRESSURE_TABLETS)

    assert refused.value.kind is ORDER_PERFORMED
    states = {
        view.order.state
        for view in world.clinical.of_encounter(encounter_no=encounter.encounter_no)
    }
    assert states == {OrderState.PERFORMED, OrderState.DRAFT}


def test_an_order_amends_one_of_its_own_visit_only(world: World) -> None:
    other = world.signed(world.registered(), AMOXICILLIN)
    encounter = world.registered()
    with pytest.raises(Refused) as refused:
        amended(world, encounter, other, BLOOD_PRESSURE_TABLETS)
    assert refused.value.kind is ORDER_NOT_FOUND


def test_pay_treat_and_pay_again_in_one_visit(world: World) -> None:
    encounter = world.registered()
    world.signed(encounter, CONSULTATION)
    first = world.paid(encounter)
    world.wait(timedelta(minutes=20))
    world.signed(encounter, CHEST_CT)
    second = world.paid(encounter)

    views = world.clinical.of_encounter(encounter_no=encounter.encounter_no)

    assert [view.standing for view in views] == [Standing.PAID, Standing.PAID]
    bills = [payment.answer.amounts.medfee_sumamt for payment in (first, second)]
    assert bills == [Fen(25_00), Fen(220_00)]
