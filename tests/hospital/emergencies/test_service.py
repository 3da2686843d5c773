"""Treated at once, known later."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from hospital.world import (
    CHEST_CT,
    CLERK,
    DOCTOR,
    INTERNAL,
    LI,
    UNINSURED,
    ZHANG,
    Fault,
    World,
    command,
    in_parallel,
    staff,
)
from shualian.core.identifiers import CommandId
from shualian.core.refusals import RefusalKind, Refused
from shualian.hospital.emergencies.model import TRIAGE_INVALID, ToldBy
from shualian.hospital.encounters.model import Encounter, EncounterState
from shualian.hospital.model import OUTCOME_UNKNOWN, SELF_PAID, Channel, Evidence, VisitOpening
from shualian.hospital.records.model import (
    PATIENT_KNOWN,
    PATIENT_UNKNOWN,
    EntryKind,
    Estimate,
    LookReason,
    Sex,
)
from shualian.hospital.selfpaid.model import is_self_paid
from shualian.insurer.persons.model import IN_ARREARS
from shualian.staff.model import ROLE_MISSING, Role

NURSE = staff(Role.NURSE)
SEEN = Estimate(Sex.MALE, "60-69")


def received(world: World, triage: int = 1, command_id: CommandId | None = None) -> Encounter:
    return world.emergencies.receive(
        caller=NURSE,
        command_id=command_id or command(),
        department=INTERNAL,
        doctor=DOCTOR,
        triage=triage,
        estimate=SEEN,
    )


def identified(
    world: World,
    encounter: Encounter,
    evidence: Evidence | None = None,
    command_id: CommandId | None = None,
    told_by: ToldBy = ToldBy.PATIENT,
) -> Encounter:
    return world.emergencies.identify(
        caller=NURSE,
        command_id=command_id or command(),
        encounter_no=encounter.encounter_no,
        evidence=evidence or world.scan(),
        told_by=told_by,
    )


def refusal(work: Callable[[], object]) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.kind


def test_somebody_whom_nobody_knows_is_in_the_queue_at_once_and_first(any_world: World) -> None:
    any_world.registered(ZHANG)
    urgent, dying = received(any_world, 2), received(any_world, 1)
    assert [each.encounter_no for each in any_world.encounters.waiting(department=INTERNAL)][
        :2
    ] == [dying.encounter_no, urgent.encounter_no]
    assert (dying.state, dying.person_known) == (EncounterState.REGISTERED, False)
    assert any_world.insurer.messages.count("2201") == 1


def test_two_of_a_day_have_labels_that_differ(any_world: World) -> None:
    works = [partial(received, any_world) for _ in range(4)]
    found = [each for each in in_parallel(works) if isinstance(each, Encounter)]
    names = {any_world.records.get(record_no=each.record_no).masked_name for each in found}
    assert names == {f"无名氏0105-{count}" for count in range(1, 5)}


def test_a_repeated_reception_is_one_visit(world: World) -> None:
    command_id = command()
    assert received(world, 1, command_id) == received(world, 1, command_id)
    assert len(world.encounters.waiting(department=INTERNAL)) == 1


def test_what_is_ordered_waits_and_cannot_be_settled_by_the_insurance(world: World) -> None:
    encounter = received(world)
    assert refusal(lambda: world.ordered(encounter)) is PATIENT_UNKNOWN
    assert len(world.orders.items(encounter_no=encounter.encounter_no)) == 2
    assert "2204" not in world.insurer.messages


@pytest.mark.parametrize("channel", Channel)
def test_an_identity_by_any_evidence_brings_visit_and_charges_to_the_insurer(
    world: World, channel: Channel
) -> None:
    shown: dict[Channel, Callable[[], Evidence]] = {
        Channel.FACE: world.scan,
        Channel.CODE: world.code,
        Channel.CARD: world.card,
        Channel.DOCUMENT: world.document,
    }
    encounter = received(world)
    with pytest.raises(Refused):
        world.ordered(encounter)
    arrival = world.clock.now()
    world.wait(timedelta(hours=2))
    known = identified(world, encounter, shown[channel]())
    opening, visit = world.insurer.visits[encounter.encounter_no]
    assert (known.psn_no, known.mdtrt_id) == (ZHANG.psn_no, visit.mdtrt_id)
    assert (known.channel, known.identity_channel) == (channel, channel)
    assert opening.begntime == arrival
    items = world.orders.items(encounter_no=encounter.encounter_no)
    assert all(item.split is not None for item in items)
    payment = world.prepared(known)
    settled = world.payments.settle(
        command_id=payment.command_id, evidence=world.confirmed(payment)
    )
    assert settled.settled is not None


def test_the_record_under_the_label_goes_on_in_the_persons_own(any_world: World) -> None:
    own = any_world.record()
    encounter = received(any_world)
    doctor = staff(Role.DOCTOR)
    any_world.records.add_entry(
        caller=doctor,
        command_id=command(),
        record_no=encounter.record_no,
        kind=EntryKind.ALLERGY,
        text="青霉素",
    )
    known = identified(any_world, encounter)
    assert known.record_no == own.record_no
    assert any_world.records.get(record_no=encounter.record_no) == own
    chart = any_world.records.look(
        caller=doctor, record_no=own.record_no, why=LookReason.CONSULTATION
    )
    assert [entry.text for entry in chart.standing] == ["青霉素"]
    assert chart.name == ZHANG.psn_name


def test_relatives_bring_the_document_and_the_clerk_answers_for_it(world: World) -> None:
    encounter = received(world)
    known = identified(world, encounter, world.document(), told_by=ToldBy.KIN)
    assert (known.seen_by, known.channel) == (CLERK, Channel.DOCUMENT)


def test_an_identity_is_attached_once(any_world: World) -> None:
    encounter = received(any_world)
    works = [
        partial(identified, any_world, encounter, any_world.scan(each)) for each in (ZHANG, LI)
    ]
    results = in_parallel(works)
    assert len([each for each in results if isinstance(each, Encounter)]) == 1
    assert {each.kind for each in results if isinstance(each, Refused)} == {PATIENT_KNOWN}
    assert len(any_world.insurer.visits) == 1


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REPLY_LOST])
def test_an_insurer_that_does_not_answer_keeps_nobody_from_being_known(
    world: World, fault: Fault
) -> None:
    encounter, command_id, scan = received(world), command(), world.scan()
    world.insurer.break_next("2201", fault)
    work = partial(identified, world, encounter, scan, command_id)
    assert refusal(work) is OUTCOME_UNKNOWN
    assert world.encounters.get(encounter_no=encounter.encounter_no).psn_no == ZHANG.psn_no
    world.encounters.resume_all()
    known = work()
    assert known.mdtrt_id is not None
    assert len(world.insurer.visits) == 1


def test_who_is_not_insured_is_known_and_self_paid(world: World) -> None:
    encounter = received(world)
    known = identified(world, encounter, world.scan(UNINSURED))
    assert (known.psn_no, known.insutype) == (UNINSURED.psn_no, SELF_PAID)
    assert is_self_paid(known.visit_id)
    assert not world.insurer.visits
    (line,) = world.ordered(known, CHEST_CT)
    payment = world.prepared(known)
    settled = world.payments.settle(
        command_id=payment.command_id, evidence=world.shown(payment, UNINSURED)
    )
    assert settled.cash_due_fen == line.det_item_fee_sumamt


def test_a_visit_that_the_insurer_refuses_afterwards_is_self_paid(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(opening: VisitOpening) -> None:
        raise Refused(IN_ARREARS, insutype=opening.insutype)

    monkeypatch.setattr(world.insurer, "open_visit", refused)
    known = identified(world, received(world), world.scan(ZHANG))

    assert known.insutype == SELF_PAID
    assert is_self_paid(known.visit_id)


def test_only_staff_who_treat_or_receive_do_this(world: World) -> None:
    pharmacist = staff(Role.PHARMACIST)
    encounter = received(world)
    for work in (
        lambda: world.emergencies.receive(
            caller=pharmacist,
            command_id=command(),
            department=INTERNAL,
            doctor=DOCTOR,
            triage=1,
            estimate=SEEN,
        ),
        lambda: world.emergencies.identify(
            caller=pharmacist,
            command_id=command(),
            encounter_no=encounter.encounter_no,
            evidence=world.scan(),
        ),
    ):
        assert refusal(work) is ROLE_MISSING


@pytest.mark.parametrize("level", [0, 5])
def test_a_level_of_triage_that_does_not_exist_is_refused(world: World, level: int) -> None:
    assert refusal(lambda: received(world, level)) is TRIAGE_INVALID
