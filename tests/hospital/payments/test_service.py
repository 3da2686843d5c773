from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from hospital.world import (
    CHEST_CT,
    CONSULTATION,
    LI,
    OTHER_HOSPITAL,
    VITAMINS,
    ZHANG,
    Fault,
    PowerCutError,
    World,
    command,
    in_parallel,
)
from shualian.core.identifiers import CommandId, EncounterNo, IntentId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.hospital.model import (
    ANSWER_INVALID,
    COMMAND_DIFFERS,
    INSURER_UNREACHABLE,
    INTENT_DIFFERS,
    OUTCOME_UNKNOWN,
    SCENE_NOT_ALLOWED,
    Channel,
    SettlementAnswer,
)
from shualian.hospital.orders.model import BatchState, OrderLine
from shualian.hospital.orders.store import batches_of
from shualian.hospital.payments import store
from shualian.hospital.payments.model import (
    BILL_CHANGED,
    CHARGES_NOT_UPLOADED,
    NOTHING_TO_SETTLE,
    PAYMENT_IN_PROGRESS,
    PAYMENT_NOT_FOUND,
    PAYMENT_STEP,
    PAYMENT_WITHDRAWN,
    Payment,
    PaymentState,
)
from shualian.verification.model import PROOF_EXPIRED, PROOF_OTHER_SUBJECT, Scene


def charged(world: World, *codes: str) -> Encounter:
    encounter = world.registered()
    world.ordered(encounter, *codes)
    return encounter


def paying(world: World, payment: Payment) -> Callable[[], Payment]:
    evidence = world.confirmed(payment)
    return lambda: world.payments.settle(command_id=payment.command_id, evidence=evidence)


def preparing(world: World, encounter: Encounter) -> Callable[[], Payment]:
    command_id = command()
    return lambda: world.payments.prepare(
        command_id=command_id, encounter_no=encounter.encounter_no
    )


def unknown_payment(world: World, fault: Fault = Fault.REPLY_LOST) -> tuple[Encounter, Payment]:
    encounter = charged(world)
    payment = world.prepared(encounter)
    world.insurer.break_next("2207", fault)
    with pytest.raises(Refused) as refused:
        paying(world, payment)()
    assert refused.value.kind is OUTCOME_UNKNOWN
    return encounter, world.payments.get(command_id=payment.command_id)


def batch_states(world: World, encounter: Encounter) -> list[BatchState]:
    found = world.database.read(
        lambda connection: batches_of(connection, encounter.institution, encounter.encounter_no)
    )
    return [batch.state for batch in found]


def test_what_the_person_will_pay_is_shown_before_anything_moves(any_world: World) -> None:
    encounter = charged(any_world)
    payment = any_world.prepared(encounter)
    amounts = payment.confirmed.amounts
    # 25 + 220 yuan; 40 over the ceiling, 18 upfront; of 187 in scope 20 deductible, 60 % of 167.
    assert amounts.medfee_sumamt == 245_00
    assert (amounts.overlmt_selfpay, amounts.preselfpay_amt) == (40_00, 18_00)
    assert (amounts.act_pay_dedc, amounts.hifp_pay) == (20_00, 100_20)
    assert (amounts.acct_pay, amounts.psn_cash_pay) == (30_00, 114_80)
    assert payment.amount_max_fen == 245_00
    assert payment.state is PaymentState.PREPARED
    assert not any_world.insurer.settlements
    assert any_world.payments.get(command_id=payment.command_id) == payment


def test_a_confirmed_bill_is_settled_as_it_was_shown(any_world: World) -> None:
    encounter = charged(any_world)
    payment = any_world.prepared(encounter)
    any_world.wait(timedelta(seconds=20))
    settled = paying(any_world, payment)()
    assert settled.state is PaymentState.SETTLED
    assert settled.answer.amounts == payment.confirmed.amounts
    assert settled.answer.reasons == payment.confirmed.reasons
    assert (settled.channel, settled.terminal_id) == (Channel.FACE, "K02")
    assert settled.first_frame_at == settled.sent_at == settled.decided_at
    assert any_world.payments.get(command_id=payment.command_id) == settled
    assert any_world.payments.of_encounter(encounter_no=encounter.encounter_no) == [settled]
    assert any_world.insurer.balances[ZHANG.psn_no] == 0


def test_the_personal_account_can_be_left_alone(world: World) -> None:
    encounter = charged(world)
    payment = world.payments.prepare(
        command_id=command(), encounter_no=encounter.encounter_no, acct_used_flag=False
    )
    assert payment.confirmed.amounts.acct_pay == 0
    paying(world, payment)()
    (sent, _), *_ = world.insurer.settlements.values()
    assert not sent.request.acct_used_flag


def test_a_repeated_command_is_answered_before_any_proof_is_looked_at(world: World) -> None:
    payment = world.prepared(charged(world))
    pay = paying(world, payment)
    settled = pay()
    world.wait(timedelta(hours=1))
    seen = world.proofs.looked_at, len(world.insurer.messages)
    assert pay() == settled
    stranger = world.scan(LI, scene=Scene.REPORT_COLLECTION)
    again = world.payments.settle(command_id=payment.command_id, evidence=stranger)
    assert again == settled
    prepared = world.payments.prepare(
        command_id=payment.command_id, encounter_no=payment.encounter_no
    )
    assert prepared == settled
    assert (world.proofs.looked_at, len(world.insurer.messages)) == seen


def test_one_command_sent_many_times_at_once_settles_once(any_world: World) -> None:
    pay = paying(any_world, any_world.prepared(charged(any_world)))
    results = in_parallel([pay] * 5)
    assert [result for result in results if not isinstance(result, Payment)] == []
    assert len(any_world.insurer.settlements) == 1


def test_many_bills_prepared_at_once_leave_one_to_confirm(any_world: World) -> None:
    encounter = charged(any_world)
    works = [preparing(any_world, encounter) for _ in range(4)]
    assert len(in_parallel(works)) == 4
    found = any_world.payments.of_encounter(encounter_no=encounter.encounter_no)
    states = sorted(payment.state for payment in found)
    assert states == [PaymentState.PREPARED, *[PaymentState.WITHDRAWN] * 3]
    assert batch_states(any_world, encounter) == [BatchState.HELD]


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.BUSY])
def test_an_unknown_outcome_is_resolved_by_asking_again(world: World, fault: Fault) -> None:
    encounter, payment = unknown_payment(world, fault)
    assert payment.state is PaymentState.UNKNOWN
    assert payment.unknown_since == world.clock.now()
    assert not payment.resolved
    resolved = world.payments.resolve(command_id=payment.command_id)
    assert resolved.state is PaymentState.SETTLED
    assert resolved.resolved
    assert batch_states(world, encounter) == [BatchState.SETTLED]
    assert len(world.insurer.settlements) == 1


def test_an_outcome_stays_unknown_as_long_as_nobody_answers(world: World) -> None:
    _, payment = unknown_payment(world)
    since = payment.unknown_since
    world.wait(timedelta(minutes=1))
    world.insurer.break_next("2207", Fault.REPLY_LOST)
    assert world.payments.resolve_all() == [payment.command_id]
    assert world.payments.get(command_id=payment.command_id).unknown_since == since
    assert world.payments.resolve_all() == []


def test_a_command_that_never_arrived_is_refused_once_its_proof_expired(world: World) -> None:
    encounter, payment = unknown_payment(world, Fault.REQUEST_LOST)
    world.wait(timedelta(minutes=6))
    said = []
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            world.payments.resolve(command_id=payment.command_id)
        said.append(refused.value.as_json())
    assert said[0] == said[1]
    assert said[0]["code"] == PROOF_EXPIRED.code
    found = world.payments.get(command_id=payment.command_id)
    assert found.state is PaymentState.REFUSED
    assert found.resolved
    assert batch_states(world, encounter) == [BatchState.OPEN]
    assert world.insurer.settlements == {}
    again = world.prepared(encounter)
    assert paying(world, again)().state is PaymentState.SETTLED


def test_a_command_that_arrived_is_settled_though_its_proof_expired_since(world: World) -> None:
    _, payment = unknown_payment(world, Fault.REPLY_LOST)
    world.wait(timedelta(hours=1))
    assert world.payments.resolve(command_id=payment.command_id).state is PaymentState.SETTLED


def test_a_copy_that_arrives_late_settles_nothing_twice(world: World) -> None:
    _, payment = unknown_payment(world, Fault.LATE)
    settled = world.payments.resolve(command_id=payment.command_id)
    world.insurer.deliver_late()
    ((_, answer),) = world.insurer.settlements.values()
    assert answer == settled.answer


def test_an_answer_outweighs_a_refusal_that_another_copy_got(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    encounter, payment = unknown_payment(world, Fault.REQUEST_LOST)
    settle = world.insurer.settle

    def refused_to_another_copy(sent: object) -> SettlementAnswer:
        monkeypatch.setattr(world.insurer, "settle", _refusing)
        with pytest.raises(Refused):
            world.payments.resolve(command_id=payment.command_id)
        world.prepared(encounter)
        return settle(sent)  # type: ignore[arg-type]

    monkeypatch.setattr(world.insurer, "settle", refused_to_another_copy)
    found = world.payments.resolve(command_id=payment.command_id)
    assert found.state is PaymentState.SETTLED
    assert world.payments.get(command_id=payment.command_id) == found
    states = [
        each.state for each in world.payments.of_encounter(encounter_no=encounter.encounter_no)
    ]
    assert states == [PaymentState.SETTLED, PaymentState.WITHDRAWN]
    assert batch_states(world, encounter) == [BatchState.SETTLED]


def _refusing(_sent: object) -> SettlementAnswer:
    raise Refused(PROOF_EXPIRED)


def test_an_answer_without_a_number_decides_nothing(world: World) -> None:
    payment = world.prepared(charged(world))
    world.insurer.altered = lambda answer: replace(answer, setl_id=None)
    with pytest.raises(Refused) as refused:
        paying(world, payment)()
    assert refused.value.kind is ANSWER_INVALID
    found = world.payments.get(command_id=payment.command_id)
    assert found.state is PaymentState.UNKNOWN


def test_a_quote_that_does_not_add_up_is_shown_to_nobody(world: World) -> None:
    encounter = charged(world)
    right = world.insurer.altered

    def one_fen_too_much(answer: SettlementAnswer) -> SettlementAnswer:
        more = Fen(answer.amounts.psn_cash_pay + 1)
        return replace(answer, amounts=replace(answer.amounts, psn_cash_pay=more))

    world.insurer.altered = one_fen_too_much
    with pytest.raises(Refused) as refused:
        world.prepared(encounter)
    assert refused.value.kind is ANSWER_INVALID
    world.insurer.altered = right
    assert batch_states(world, encounter) == [BatchState.OPEN]


def test_a_quote_of_another_bill_is_shown_to_nobody(world: World) -> None:
    encounter = charged(world)
    other = world.prepared(charged(world, VITAMINS)).confirmed
    world.insurer.altered = lambda _answer: other
    with pytest.raises(Refused) as refused:
        world.prepared(encounter)
    assert refused.value.kind is ANSWER_INVALID


def test_a_bill_that_would_be_paid_otherwise_than_confirmed_is_refused(world: World) -> None:
    encounter = charged(world)
    payment = world.prepared(encounter)
    world.insurer.balances[ZHANG.psn_no] = Fen(1_00)
    with pytest.raises(Refused, match="amounts_differ"):
        paying(world, payment)()
    assert world.payments.get(command_id=payment.command_id).state is PaymentState.REFUSED
    new = world.prepared(encounter)
    assert new.confirmed.amounts.acct_pay == 1_00
    assert paying(world, new)().state is PaymentState.SETTLED


def test_a_confirmation_pays_for_its_own_bill_only(world: World) -> None:
    payment, other = world.prepared(charged(world)), world.prepared(charged(world))
    with pytest.raises(Refused) as refused:
        world.payments.settle(command_id=payment.command_id, evidence=world.confirmed(other))
    assert refused.value.kind is INTENT_DIFFERS
    assert world.payments.get(command_id=payment.command_id) == payment


def test_a_face_taken_for_something_else_pays_nothing(world: World) -> None:
    payment = world.prepared(charged(world))
    evidence = world.scan(scene=Scene.REPORT_COLLECTION, intent_id=payment.intent_id)
    with pytest.raises(Refused) as refused:
        world.payments.settle(command_id=payment.command_id, evidence=evidence)
    assert refused.value.kind is SCENE_NOT_ALLOWED
    assert world.payments.get(command_id=payment.command_id) == payment


def test_another_persons_face_pays_nothing(world: World) -> None:
    payment = world.prepared(charged(world))
    with pytest.raises(Refused) as refused:
        world.payments.settle(command_id=payment.command_id, evidence=world.confirmed(payment, LI))
    assert refused.value.kind.code == PROOF_OTHER_SUBJECT.code
    assert not world.insurer.settlements


def test_a_new_bill_takes_the_place_of_one_that_was_not_confirmed(world: World) -> None:
    encounter = charged(world)
    old = world.prepared(encounter)
    new = world.prepared(encounter)
    with pytest.raises(Refused) as refused:
        paying(world, old)()
    assert refused.value.kind is PAYMENT_WITHDRAWN
    assert paying(world, new)().state is PaymentState.SETTLED


def test_a_withdrawn_bill_leaves_its_items_open(world: World) -> None:
    encounter = charged(world)
    payment = world.prepared(encounter)
    withdrawn = world.payments.withdraw(command_id=payment.command_id)
    assert withdrawn.state is PaymentState.WITHDRAWN
    assert world.payments.withdraw(command_id=payment.command_id) == withdrawn
    assert batch_states(world, encounter) == [BatchState.OPEN]
    assert paying(world, world.prepared(encounter))().state is PaymentState.SETTLED


def test_a_bill_that_was_confirmed_cannot_be_withdrawn(world: World) -> None:
    _, payment = unknown_payment(world)
    with pytest.raises(Refused) as refused:
        world.payments.withdraw(command_id=payment.command_id)
    assert refused.value.kind is PAYMENT_STEP


def test_no_bill_is_prepared_while_one_is_undecided(world: World) -> None:
    encounter, _ = unknown_payment(world)
    world.ordered(encounter, VITAMINS)
    with pytest.raises(Refused) as refused:
        world.prepared(encounter)
    assert refused.value.kind is PAYMENT_IN_PROGRESS


def test_what_is_ordered_after_the_bill_was_shown_is_the_next_bill(world: World) -> None:
    encounter = charged(world, CONSULTATION)
    first = world.prepared(encounter)
    world.ordered(encounter, VITAMINS)
    assert paying(world, first)().answer.amounts.medfee_sumamt == 25_00
    second = paying(world, world.prepared(encounter))()
    assert second.answer.amounts.medfee_sumamt == 18_00
    with pytest.raises(Refused) as refused:
        world.prepared(encounter)
    assert refused.value.kind is NOTHING_TO_SETTLE


def test_an_ended_visit_can_still_be_paid(world: World) -> None:
    encounter = charged(world)
    world.encounters.call(encounter_no=encounter.encounter_no)
    world.encounters.begin_consultation(encounter_no=encounter.encounter_no)
    world.encounters.close(encounter_no=encounter.encounter_no)
    assert paying(world, world.prepared(encounter))().state is PaymentState.SETTLED


def test_what_the_insurer_has_not_heard_of_is_told_before_it_is_on_a_bill(
    any_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    encounter = any_world.registered()
    any_world.orders.order(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        lines=[OrderLine(CHEST_CT, Decimal(1))],
    )
    with monkeypatch.context() as patch:
        # An insurer whose answer classes nothing: then no bill is shown.
        patch.setattr(any_world.orders, "upload", lambda **_: ())
        with pytest.raises(Refused) as refused:
            any_world.prepared(encounter)
        assert refused.value.kind is CHARGES_NOT_UPLOADED

    payment = any_world.prepared(encounter)

    assert payment.confirmed.amounts.medfee_sumamt == 220_00
    assert all(item.split for item in any_world.orders.items(encounter_no=encounter.encounter_no))


def test_a_bill_that_grew_while_it_was_counted_is_not_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    encounter = charged(world)
    pre_settle = world.insurer.pre_settle

    def meanwhile(request: object) -> SettlementAnswer:
        answer = pre_settle(request)  # type: ignore[arg-type]
        world.ordered(encounter, VITAMINS)
        return answer

    monkeypatch.setattr(world.insurer, "pre_settle", meanwhile)
    with pytest.raises(Refused) as refused:
        world.prepared(encounter)
    assert refused.value.kind is BILL_CHANGED


def test_a_silent_insurer_is_said_to_be_silent_before_money_moves(world: World) -> None:
    encounter = charged(world)
    world.insurer.fault = Fault.REPLY_LOST
    with pytest.raises(Refused) as refused:
        world.prepared(encounter)
    assert refused.value.kind is INSURER_UNREACHABLE


def test_a_command_prepares_one_bill_only(world: World) -> None:
    encounter, other = charged(world), charged(world)
    payment = world.prepared(encounter)
    for number, used in ((other.encounter_no, True), (encounter.encounter_no, False)):
        with pytest.raises(Refused) as refused:
            world.payments.prepare(
                command_id=payment.command_id, encounter_no=number, acct_used_flag=used
            )
        assert refused.value.kind is COMMAND_DIFFERS


@pytest.mark.parametrize("steps", range(6))
def test_a_payment_cut_anywhere_is_settled_once(world: World, steps: int) -> None:
    payment = world.prepared(charged(world))
    pay = paying(world, payment)
    world.breaker.steps_left = steps
    with pytest.raises(PowerCutError):
        pay()
    world.start()
    assert world.payments.resolve_all() == []
    settled = pay()
    ((command_id, (_, answer)),) = world.insurer.settlements.items()
    assert (command_id, answer) == (payment.command_id, settled.answer)


def test_a_bill_that_was_never_sent_is_left_as_it_is_by_the_resolver(world: World) -> None:
    payment = world.prepared(charged(world))
    assert world.payments.resolve_all() == []
    assert world.payments.resolve(command_id=payment.command_id) == payment


def test_a_hospital_sees_its_own_payments_only(world: World) -> None:
    payment = world.prepared(charged(world))
    other = world.hospital_of(OTHER_HOSPITAL).payments
    assert other.of_encounter(encounter_no=payment.encounter_no) == []
    assert other.resolve_all() == []
    for look in (other.get, other.resolve, other.withdraw):
        with pytest.raises(Refused) as refused:
            look(command_id=payment.command_id)
        assert refused.value.kind is PAYMENT_NOT_FOUND
    with pytest.raises(Refused) as not_found:
        other.prepare(command_id=command(), encounter_no=payment.encounter_no)
    assert not_found.value.kind is ENCOUNTER_NOT_FOUND


def test_unknown_numbers_are_refused(world: World) -> None:
    nothing = CommandId("nothing")
    with pytest.raises(Refused) as refused:
        world.payments.settle(command_id=nothing, evidence=world.scan(scene=Scene.SETTLEMENT))
    assert refused.value.kind is PAYMENT_NOT_FOUND
    with pytest.raises(Refused) as not_found:
        world.payments.prepare(command_id=nothing, encounter_no=EncounterNo("nothing"))
    assert not_found.value.kind is ENCOUNTER_NOT_FOUND


def test_the_authorisation_number_is_in_no_column_of_the_database(world: World) -> None:
    payment = world.prepared(charged(world))
    evidence = world.confirmed(payment)
    world.payments.settle(command_id=payment.command_id, evidence=evidence)
    rows = world.database.read(lambda connection: connection.execute(select(store.payments)).all())
    for value in rows[0]:
        content = value if isinstance(value, bytes) else str(value).encode()
        assert evidence.auth_no.encode() not in content


def test_each_bill_asks_for_a_confirmation_of_its_own(world: World) -> None:
    encounter = charged(world)
    intents: set[IntentId] = {world.prepared(encounter).intent_id for _ in range(3)}
    assert len(intents) == 3
