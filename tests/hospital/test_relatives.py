"""What a parent does with a child: the record and the books are the child's, the face the parent's.

Everything closes where the binding has ended, another one was proved than the one that is meant,
or the terminal says one thing and the proof another.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hospital.scheduling.clinic import sessions, set_up
from hospital.world import (
    CHEST_CT,
    CONSULTATION,
    INTERNAL,
    LI,
    NOT_BOUND,
    ZHANG,
    World,
    command,
    sample_number,
)
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.encounters.api import encounter_answer
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.model import (
    PROOF_NOT_FITTING,
    SELF_PAID,
    Channel,
    FaceEvidence,
    Insurance,
    InsuredPerson,
)
from shualian.hospital.payments.model import Payment, PaymentState
from shualian.hospital.records.model import RECORD_NOT_FOUND
from shualian.hospital.scheduling.model import APPOINTMENT_NOT_FOUND, AppointmentState
from shualian.verification.model import Relation, Scene

PARENT = ZHANG
CHILD = InsuredPerson(
    PersonNo("990000000077"),
    "张小示",
    sample_number(77, "20180314"),
    (Insurance("390", "16", "990000", in_force=True),),
)


@pytest.fixture
def home(world: World) -> World:
    """A hospital of today, and a parent who is bound to a child."""
    set_up(world)
    world.insurer.people[CHILD.psn_no] = CHILD
    world.insurer.balances.setdefault(CHILD.psn_no, world.insurer.balances[LI.psn_no])
    world.insurer.bound.add((PARENT.psn_no, CHILD.psn_no))
    return world


def registered(world: World, evidence: FaceEvidence, *, self_paid: bool = False) -> Encounter:
    return world.appointments.register(
        command_id=command(),
        session_no=sessions(world)[-1].session_no,
        evidence=evidence,
        self_paid=self_paid,
    )


def billed(world: World) -> Payment:
    """A visit of the child with something to pay."""
    visit = registered(world, world.scan_for(PARENT, CHILD))
    world.ordered(visit, CONSULTATION, CHEST_CT)
    return world.prepared(visit)


def confirmed(world: World, payment: Payment, **changed: object) -> FaceEvidence:
    """The parent confirms what a payment shows."""
    asked = {
        "scene": Scene.SETTLEMENT,
        "intent_id": payment.intent_id,
        "amount_max_fen": payment.amount_max_fen,
    }
    return world.scan_for(PARENT, CHILD, **(asked | changed))


def kind_of(work: Callable[[], object]) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.kind


def test_a_parent_registers_a_child_whose_record_and_visit_it_is(home: World) -> None:
    visit = registered(home, home.scan_for(PARENT, CHILD))

    assert visit.psn_no == CHILD.psn_no
    assert visit.acted_by == PARENT.psn_no
    assert visit.channel is Channel.FACE
    record = home.records.find_by_person(psn_no=CHILD.psn_no)
    assert record is not None
    assert record.record_no == visit.record_no
    assert home.records.find_by_person(psn_no=PARENT.psn_no) is None
    opening, _ = home.insurer.visits[visit.encounter_no]
    assert opening.psn_no == CHILD.psn_no
    assert isinstance(opening.evidence, FaceEvidence)
    assert (opening.evidence.subject, opening.evidence.relation) == (
        PARENT.psn_no,
        Relation.FAMILY,
    )
    assert home.encounters.get(encounter_no=visit.encounter_no) == visit


def test_the_child_was_not_seen_by_it_and_the_parents_face_sits_down_for_nobody(
    home: World,
) -> None:
    visit = registered(home, home.scan_for(PARENT, CHILD))
    assert (visit.identity_verified_at, visit.identity_channel) == (None, None)

    home.encounters.call(encounter_no=visit.encounter_no)
    sits = home.scan_for(PARENT, CHILD, scene=Scene.CONSULTATION)
    assert (
        kind_of(
            lambda: home.encounters.verify_identity(encounter_no=visit.encounter_no, evidence=sits)
        )
        is PROOF_NOT_FITTING
    )


def test_staff_are_told_that_a_relative_registered_and_not_who(home: World) -> None:
    visit = registered(home, home.scan_for(PARENT, CHILD))

    told = encounter_answer(visit, home.records)

    assert (told.by_relative, told.identity_verified_at) == (True, None)
    assert PARENT.psn_no not in told.model_dump_json()


def test_who_registers_alone_has_acted_for_nobody(home: World) -> None:
    visit = registered(home, home.scan(PARENT))

    assert visit.acted_by is None
    assert visit.identity_channel is Channel.FACE


def test_a_child_without_insurance_this_time_is_registered_by_the_parent_too(home: World) -> None:
    visit = registered(home, home.scan_for(PARENT, CHILD), self_paid=True)

    assert (visit.insutype, visit.psn_no, visit.acted_by) == (
        SELF_PAID,
        CHILD.psn_no,
        PARENT.psn_no,
    )


def test_a_parent_books_moves_and_cancels_for_a_child(home: World) -> None:
    first, other = sessions(home)[0].session_no, sessions(home)[1].session_no
    booked = home.appointments.book(
        command_id=command(), session_no=first, evidence=home.scan_for(PARENT, CHILD)
    )
    assert booked.psn_no == CHILD.psn_no

    (own,) = home.appointments.own(evidence=home.scan_for(PARENT, CHILD))
    assert own.appointment == booked
    moved = home.appointments.move(
        command_id=command(),
        appointment_no=booked.appointment_no,
        session_no=other,
        evidence=home.scan_for(PARENT, CHILD),
    )
    assert moved.session_no == other
    cancelled = home.appointments.cancel(
        command_id=command(),
        appointment_no=booked.appointment_no,
        evidence=home.scan_for(PARENT, CHILD),
    )
    assert cancelled.state is AppointmentState.CANCELLED


def test_a_childs_booking_is_not_among_the_parents_own(home: World) -> None:
    home.record(PARENT)
    booked = home.appointments.book(
        command_id=command(),
        session_no=sessions(home)[0].session_no,
        evidence=home.scan_for(PARENT, CHILD),
    )

    assert home.appointments.own(evidence=home.scan(PARENT)) == []
    own = home.scan(PARENT)
    assert (
        kind_of(
            lambda: home.appointments.cancel(
                command_id=command(), appointment_no=booked.appointment_no, evidence=own
            )
        )
        is APPOINTMENT_NOT_FOUND
    )


def test_who_looked_at_a_childs_record_is_told_to_nobody_elses_face(home: World) -> None:
    home.record(CHILD)
    shown = home.scan_for(PARENT, CHILD, scene=Scene.RECORD_COPY)

    assert kind_of(lambda: home.records.looks(evidence=shown)) is PROOF_NOT_FITTING


def test_a_parent_pays_the_bill_of_a_child_whose_books_it_stays_in(home: World) -> None:
    payment = billed(home)

    paid = home.payments.settle(command_id=payment.command_id, evidence=confirmed(home, payment))

    assert paid.state is PaymentState.SETTLED
    assert (paid.psn_no, paid.acted_by) == (CHILD.psn_no, PARENT.psn_no)
    told, _ = home.insurer.settlements[payment.command_id]
    assert told.request.psn_no == CHILD.psn_no
    assert isinstance(told.evidence, FaceEvidence)
    assert (told.evidence.subject, told.evidence.relation) == (PARENT.psn_no, Relation.FAMILY)
    assert home.payments.get(command_id=payment.command_id) == paid


def test_a_payment_for_a_child_that_is_asked_again_has_its_answer_without_a_look_at_the_proof(
    home: World,
) -> None:
    payment = billed(home)
    evidence = confirmed(home, payment)
    paid = home.payments.settle(command_id=payment.command_id, evidence=evidence)
    home.insurer.bound.clear()
    looked_at = home.proofs.looked_at

    assert home.payments.settle(command_id=payment.command_id, evidence=evidence) == paid
    assert home.proofs.looked_at == looked_at


def test_a_binding_that_ended_after_the_scan_registers_and_pays_nothing(home: World) -> None:
    payment = billed(home)
    pays, registers = confirmed(home, payment), home.scan_for(PARENT, CHILD)
    visits = len(home.insurer.visits)
    home.insurer.bound.clear()

    assert kind_of(lambda: registered(home, registers)) is NOT_BOUND
    settle = lambda: home.payments.settle(command_id=payment.command_id, evidence=pays)  # noqa: E731
    assert kind_of(settle) is NOT_BOUND
    assert len(home.insurer.visits) == visits
    assert home.insurer.settlements == {}
    assert home.payments.get(command_id=payment.command_id).state is PaymentState.PREPARED


def test_a_proof_for_one_child_pays_nothing_of_another(home: World) -> None:
    payment = billed(home)
    home.insurer.bound.add((PARENT.psn_no, LI.psn_no))
    other = confirmed(home, payment, beneficiary=LI.psn_no)

    assert (
        kind_of(lambda: home.payments.settle(command_id=payment.command_id, evidence=other))
        is PROOF_NOT_FITTING
    )
    assert home.insurer.settlements == {}


def test_a_stranger_pays_and_registers_nothing_of_a_child(home: World) -> None:
    payment = billed(home)
    asked = {
        "scene": Scene.SETTLEMENT,
        "intent_id": payment.intent_id,
        "amount_max_fen": payment.amount_max_fen,
    }
    for evidence in (
        home.scan_for(LI, CHILD, **asked),
        home.scan(LI, **asked),  # type: ignore[arg-type]
    ):
        with pytest.raises(Refused):
            home.payments.settle(command_id=payment.command_id, evidence=evidence)
    assert home.payments.get(command_id=payment.command_id).state is not PaymentState.SETTLED
    assert home.insurer.settlements == {}
    assert kind_of(lambda: registered(home, home.scan_for(LI, CHILD))) is NOT_BOUND


@pytest.mark.parametrize("relation", [Relation.SELF, Relation.FAMILY])
def test_what_the_terminal_says_and_what_was_proved_must_be_the_same(
    home: World, relation: Relation
) -> None:
    proved = home.scan_for(PARENT, CHILD) if relation is Relation.SELF else home.scan(PARENT)

    found = kind_of(lambda: registered(home, replace(proved, relation=relation)))

    assert found is PROOF_NOT_FITTING
    assert home.records.find_by_person(psn_no=CHILD.psn_no) is None


def test_a_proxy_without_a_binding_acts_for_nobody(home: World) -> None:
    proxy = home.scan_for(PARENT, CHILD, relation=Relation.PROXY)

    for claimed in Relation:
        evidence = replace(proxy, relation=claimed)
        assert kind_of(lambda shown=evidence: registered(home, shown)) is PROOF_NOT_FITTING  # type: ignore[misc]


def test_somebody_elses_record_is_not_used_for_the_child(home: World) -> None:
    record = home.record(LI)
    evidence = home.scan_for(PARENT, CHILD)
    department, doctor = INTERNAL, home.registered(LI).doctor

    with pytest.raises(Refused):
        home.encounters.register(
            command_id=command(),
            record_no=record.record_no,
            department=department,
            doctor=doctor,
            evidence=evidence,
        )


def test_a_child_without_a_record_has_no_appointments(home: World) -> None:
    evidence = home.scan_for(PARENT, CHILD)

    assert kind_of(lambda: home.appointments.own(evidence=evidence)) is RECORD_NOT_FOUND
