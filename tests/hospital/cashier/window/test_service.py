from collections.abc import Callable, Mapping

import pytest

from hospital.cashier.desk import DUE, approved, in_cash, refusal
from hospital.world import (
    CLERK,
    LI,
    UNINSURED,
    World,
)
from shualian.core.identifiers import EncounterNo, IntentId, new_identifier
from shualian.core.money import Fen
from shualian.hospital.cashier.overrides.model import (
    OVERRIDE_DIFFERS,
    OVERRIDE_NEEDED,
    OverrideId,
    OverrideKind,
)
from shualian.hospital.cashier.service import cashier_services
from shualian.hospital.cashier.window.model import (
    NOBODY_FOUND,
    WindowPolicy,
)
from shualian.hospital.cashier.window.service import Window
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND
from shualian.hospital.model import Channel, DocumentEvidence, Evidence
from shualian.hospital.orders.model import BatchState
from shualian.hospital.payments.model import SLIP_NOT_FOUND, Payment, PaymentState
from shualian.verification.model import Scene


def intent() -> IntentId:
    return IntentId(new_identifier())


def test_an_encounter_shows_what_is_open_prepared_and_unpaid(any_world: World) -> None:
    encounter = any_world.registered()
    window, number = any_world.desk.window, encounter.encounter_no
    assert not window.of_encounter(encounter_no=number).anything
    any_world.ordered(encounter)
    items = window.of_encounter(encounter_no=number)
    (batch,) = items.batches
    assert (batch.state, batch.items, batch.amount_fen) == (BatchState.OPEN, 2, 245_00)
    assert (batch.uploaded, items.masked_name) == (True, "张*国")
    payment = any_world.prepared(encounter)
    items = window.of_encounter(encounter_no=number)
    assert items.batches[0].state is BatchState.HELD
    assert [view.payment.state for view in items.payments] == [PaymentState.PREPARED]
    payment = any_world.payments.settle(
        command_id=payment.command_id, evidence=any_world.confirmed(payment)
    )
    items = window.of_encounter(encounter_no=number)
    assert (items.batches, items.payments[0].due_fen) == ((), DUE)
    taking = in_cash(any_world, payment)
    items = window.of_encounter(encounter_no=number)
    assert (items.payments[0].due_fen, items.payments[0].taking) == (0, taking)
    assert not items.anything


def test_what_is_due_back_is_open_until_it_is_given(world: World) -> None:
    payment = world.settled()
    in_cash(world, payment)
    (due,) = world.desk.refunds.cancel(payment=payment.command_id, by=CLERK).dues
    items = world.desk.window.of_encounter(encounter_no=payment.encounter_no)
    assert items.payments[0].dues == (due,)
    assert items.anything


def test_a_slip_leads_to_its_encounter(world: World) -> None:
    encounter = world.registered()
    world.ordered(encounter)
    reserved = world.payments.reserve(command_id=world.prepared(encounter).command_id)
    assert reserved.slip_no is not None
    found = world.desk.window.of_slip(slip_no=reserved.slip_no.lower())
    assert found.encounter_no == encounter.encounter_no
    assert refusal(lambda: world.desk.window.of_slip(slip_no="00000000")) is SLIP_NOT_FOUND


@pytest.mark.parametrize("channel", Channel)
def test_a_person_is_found_by_whatever_they_show_and_it_stays_good(
    world: World, channel: Channel
) -> None:
    encounter = world.registered()
    world.ordered(encounter)
    world.ordered(world.registered(LI))
    shown: Mapping[Channel, Callable[[], Evidence]] = {
        Channel.FACE: lambda: world.scan(scene=Scene.SETTLEMENT),
        Channel.CODE: world.code,
        Channel.CARD: world.card,
        Channel.DOCUMENT: world.document,
    }
    found = world.desk.window.of_person(evidence=shown[channel]())
    assert [each.encounter_no for each in found] == [encounter.encounter_no]
    assert world.insurer.codes.used == {}


def test_a_wrong_pin_finds_nobody(world: World) -> None:
    world.ordered(world.registered())
    guessed = world.card(pin="000000")
    assert refusal(lambda: world.desk.window.of_person(evidence=guessed)).code == (
        "insurer.not_known"
    )


def test_who_has_no_record_and_what_is_not_there_is_not_found(world: World) -> None:
    document = DocumentEvidence(UNINSURED.certno, CLERK, intent())
    kinds = [
        refusal(lambda: world.desk.window.of_person(evidence=document)),
        refusal(lambda: world.desk.window.of_encounter(encounter_no=EncounterNo("X"))),
    ]
    assert kinds == [NOBODY_FOUND, ENCOUNTER_NOT_FOUND]


def window_with(world: World, **changed: object) -> Window:
    return cashier_services(
        cashier=world.cashier,
        institution=world.shift.institution,
        database=world.database,
        clock=world.clock,
        records=world.records,
        payments=world.payments,
        proofs=world.proofs,
        books=world.insurer,
        **changed,  # type: ignore[arg-type]
    ).window


def billed(world: World) -> Payment:
    encounter = world.registered()
    world.ordered(encounter)
    return world.prepared(encounter)


def settle(
    window: Window, payment: Payment, evidence: Evidence, override: OverrideId | None = None
) -> Payment:
    return window.settle(
        payment=payment.command_id, evidence=evidence, by=CLERK, override_id=override
    )


def test_a_large_bill_on_a_document_needs_a_second_person_and_costs_the_same(
    any_world: World,
) -> None:
    window = window_with(any_world, policy=WindowPolicy(document_fen_max=Fen(100_00)))
    payment = billed(any_world)
    document = any_world.shown(payment)
    assert refusal(lambda: settle(window, payment, document)) is OVERRIDE_NEEDED
    other = approved(any_world, OverrideKind.LATE_CANCELLATION, payment)
    kind = refusal(lambda: settle(window, payment, document, other.override_id))
    assert kind is OVERRIDE_DIFFERS
    override = approved(any_world, OverrideKind.SETTLE_WITHOUT_FACE, payment)
    settled = settle(window, payment, document, override.override_id)
    assert settled.answer.amounts == payment.confirmed.amounts
    assert settle(window, payment, document, override.override_id) == settled


def test_a_small_bill_on_a_document_and_any_bill_on_a_face_need_nobody_else(
    world: World,
) -> None:
    by_document = billed(world)
    shown = world.shown(by_document)
    assert settle(world.desk.window, by_document, shown).state is PaymentState.SETTLED
    strict = window_with(world, policy=WindowPolicy(document_fen_max=Fen(0)))
    by_face = billed(world)
    assert settle(strict, by_face, world.confirmed(by_face)).state is PaymentState.SETTLED
