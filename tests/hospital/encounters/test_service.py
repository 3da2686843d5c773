from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hospital.world import (
    DOCTOR,
    INTERNAL,
    LI,
    NOT_KNOWN,
    OTHER_HOSPITAL,
    SURGERY,
    UNINSURED,
    ZHANG,
    Fault,
    PowerCutError,
    World,
    command,
    in_parallel,
    sample_number,
)
from shualian.core.identifiers import CommandId, EncounterNo, PersonNo, RecordNo, TerminalId
from shualian.core.refusals import Refused
from shualian.hospital.encounters import store
from shualian.hospital.encounters.model import (
    ENCOUNTER_CHARGED,
    ENCOUNTER_NOT_FOUND,
    ENCOUNTER_STEP,
    EVIDENCE_MISSING,
    INTENT_USED,
    NO_INSURANCE,
    OTHER_PERSON,
    Encounter,
    EncounterState,
)
from shualian.hospital.encounters.service import Called
from shualian.hospital.model import (
    ANSWER_INVALID,
    COMMAND_DIFFERS,
    OUTCOME_UNKNOWN,
    PROOF_NOT_FITTING,
    SCENE_NOT_ALLOWED,
    CardEvidence,
    Channel,
    Evidence,
    OpenedVisit,
    VisitOpening,
)
from shualian.verification.model import PROOF_EXPIRED, Scene

Register = Callable[[], Encounter]


def registration(
    world: World, evidence: Evidence, record_no: RecordNo, command_id: CommandId
) -> Register:
    return lambda: world.encounters.register(
        command_id=command_id,
        record_no=record_no,
        department=INTERNAL,
        doctor=DOCTOR,
        evidence=evidence,
    )


def new_registration(world: World) -> Register:
    record = world.record()
    return registration(world, world.scan(), record.record_no, command())


def test_a_face_registers_a_visit_with_the_insurer(any_world: World) -> None:
    encounter = any_world.registered()
    opening, visit = any_world.insurer.visits[encounter.encounter_no]
    assert encounter.state is EncounterState.REGISTERED
    assert encounter.mdtrt_id == visit.mdtrt_id
    assert encounter.queue_no == "A001"
    assert (opening.psn_no, opening.insutype) == (ZHANG.psn_no, "310")
    assert opening.certificate.mdtrt_cert_no == ZHANG.certno.value
    assert opening.begntime == any_world.clock.now()
    assert any_world.encounters.get(encounter_no=encounter.encounter_no) == encounter


def test_a_visit_records_channel_terminal_first_frame_and_age(world: World) -> None:
    encounter = world.registered()
    assert encounter.channel is Channel.FACE
    assert encounter.terminal_id == "K02"
    assert encounter.first_frame_at == world.clock.now()
    assert encounter.age_band == "60-69"


def test_the_insurance_in_force_is_taken(world: World) -> None:
    assert world.registered(LI).insutype == "390"
    with pytest.raises(Refused) as refused:
        world.registered(UNINSURED)
    assert refused.value.kind is NO_INSURANCE


def test_places_in_the_queue_are_counted_by_department_and_day(world: World) -> None:
    numbers = [
        world.registered(person, department).queue_no
        for person, department in ((ZHANG, INTERNAL), (LI, INTERNAL), (ZHANG, SURGERY))
    ]
    assert numbers == ["A001", "A002", "B001"]
    world.wait(timedelta(hours=15))
    assert world.registered().queue_no == "A001"


def test_many_at_once_get_a_place_each(any_world: World) -> None:
    works = [new_registration(any_world) for _ in range(5)]
    numbers = {found.queue_no for found in in_parallel(works) if isinstance(found, Encounter)}
    assert numbers == {f"A00{place}" for place in range(1, 6)}


def test_one_command_sent_many_times_at_once_registers_once(any_world: World) -> None:
    results = in_parallel([new_registration(any_world)] * 4)
    assert results == [results[0]] * 4
    assert len(any_world.insurer.visits) == 1


def test_a_repeated_command_is_answered_before_its_proof_is_looked_at(world: World) -> None:
    register = new_registration(world)
    first = register()
    world.wait(timedelta(hours=1))
    seen = world.proofs.looked_at, len(world.insurer.messages)
    assert register() == first
    assert (world.proofs.looked_at, len(world.insurer.messages)) == seen


def test_a_repeated_command_that_asks_for_something_else_is_refused(world: World) -> None:
    record, evidence, command_id = world.record(), world.scan(), command()
    registration(world, evidence, record.record_no, command_id)()
    other = {"record_no": world.record(LI).record_no}, {"department": SURGERY}, {"med_type": "13"}
    same = {"record_no": record.record_no, "department": INTERNAL, "doctor": DOCTOR}
    for changed in other:
        asked: dict[str, object] = {**same, **changed}
        with pytest.raises(Refused) as refused:
            world.encounters.register(
                command_id=command_id,
                evidence=evidence,
                **asked,  # type: ignore[arg-type]
            )
        assert refused.value.kind is COMMAND_DIFFERS


def test_one_confirmation_registers_once(world: World) -> None:
    record, evidence = world.record(), world.scan()
    registration(world, evidence, record.record_no, command())()
    with pytest.raises(Refused) as refused:
        registration(world, evidence, record.record_no, command())()
    assert refused.value.kind is INTENT_USED
    assert len(world.insurer.visits) == 1


def test_the_scan_that_opened_the_record_can_go_on_to_register(world: World) -> None:
    evidence = world.scan()
    record = world.records.open_record(command_id=command(), evidence=evidence)
    encounter = registration(world, evidence, record.record_no, command())()
    assert encounter.state is EncounterState.REGISTERED


def test_a_face_registers_nobody_else(world: World) -> None:
    record = world.record(LI)
    with pytest.raises(Refused) as refused:
        registration(world, world.scan(ZHANG), record.record_no, command())()
    assert refused.value.kind is PROOF_NOT_FITTING
    assert not world.insurer.visits


def test_a_face_taken_for_a_payment_registers_nothing(world: World) -> None:
    record = world.record()
    with pytest.raises(Refused) as refused:
        registration(world, world.scan(scene=Scene.SETTLEMENT), record.record_no, command())()
    assert refused.value.kind is SCENE_NOT_ALLOWED


@settings(max_examples=50)
@given(steps=st.integers(0, 8), fault=st.sampled_from([None, *Fault]))
def test_a_registration_cut_anywhere_is_one_visit_after_it_is_resumed(
    make_world: Callable[[], World], steps: int, fault: Fault | None
) -> None:
    world = make_world()
    register = new_registration(world)
    world.insurer.fault = fault
    world.breaker.steps_left = steps
    with suppress(PowerCutError, Refused):
        register()
    world.start()
    world.insurer.fault = None
    world.insurer.deliver_late()
    assert world.encounters.resume_all() == []
    encounter = registered_once(world, register)
    assert encounter.queue_no == "A001"


def registered_once(world: World, register: Register) -> Encounter:
    encounter = register()
    assert encounter.state is EncounterState.REGISTERED
    assert [visit.mdtrt_id for _, visit in world.insurer.visits.values()] == [encounter.mdtrt_id]
    return encounter


@pytest.mark.parametrize("fault", Fault)
def test_an_unknown_outcome_is_said_and_carried_on_with_the_same_proof(
    world: World, fault: Fault
) -> None:
    record, command_id = world.record(), command()
    register = registration(world, world.scan(), record.record_no, command_id)
    world.insurer.break_next("2201", fault)
    with pytest.raises(Refused) as refused:
        register()
    assert refused.value.kind is OUTCOME_UNKNOWN
    assert world.encounters.resume(command_id=command_id).state is EncounterState.REGISTERED
    assert len(world.insurer.visits) == 1


def test_what_is_still_without_an_answer_is_told(world: World) -> None:
    record, command_id = world.record(), command()
    register = registration(world, world.scan(), record.record_no, command_id)
    world.insurer.break_next("2201", Fault.REQUEST_LOST)
    with pytest.raises(Refused):
        register()
    world.insurer.break_next("2201", Fault.BUSY)
    assert world.encounters.resume_all() == [command_id]
    assert world.encounters.resume_all() == []


def test_a_refusal_of_the_insurer_is_given_again_in_the_same_words(world: World) -> None:
    record, command_id = world.record(), command()
    register = registration(world, world.scan(), record.record_no, command_id)
    world.insurer.break_next("2201", Fault.REQUEST_LOST)
    with pytest.raises(Refused):
        register()
    world.wait(timedelta(hours=1))
    refusals = []
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            register()
        refusals.append(refused.value.as_json())
    assert refusals[0] == refusals[1]
    assert refusals[0]["code"] == PROOF_EXPIRED.code
    assert world.encounters.resume_all() == []


def test_the_answer_to_another_message_is_not_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.insurer.open_visit

    def another(opening: VisitOpening) -> OpenedVisit:
        return replace(answer(opening), ipt_otp_no=EncounterNo("another"))

    monkeypatch.setattr(world.insurer, "open_visit", another)
    with pytest.raises(Refused) as refused:
        world.registered()
    assert refused.value.kind is ANSWER_INVALID


def test_a_doctor_finds_everybody_again_until_done_with_them(any_world: World) -> None:
    encounters, number = any_world.encounters, any_world.registered().encounter_no

    def found() -> list[EncounterState]:
        return [each.state for each in encounters.called(department=INTERNAL)]

    assert found() == []
    encounters.call(encounter_no=number)
    assert found() == [EncounterState.CALLED]
    encounters.begin_consultation(encounter_no=number)
    assert found() == [EncounterState.IN_CONSULTATION]
    encounters.await_results(encounter_no=number)
    assert found() == [EncounterState.WAITING_RESULTS]
    encounters.close(encounter_no=number)
    assert found() == []


def test_a_patient_is_called_sits_down_and_leaves(world: World) -> None:
    first, second = world.registered(ZHANG), world.registered(LI)
    assert world.encounters.waiting(department=INTERNAL) == [first, second]
    called = world.encounters.call(encounter_no=first.encounter_no)
    assert world.encounters.waiting(department=INTERNAL) == [second]
    assert world.encounters.called(department=INTERNAL) == [called]
    assert world.encounters.call(encounter_no=first.encounter_no) == called
    sitting = world.encounters.begin_consultation(encounter_no=first.encounter_no)
    assert sitting.state is EncounterState.IN_CONSULTATION
    assert world.encounters.called(department=INTERNAL) == [sitting]
    closed = world.encounters.close(encounter_no=first.encounter_no)
    assert closed.state is EncounterState.CLOSED


def test_nobody_sits_down_uncalled(world: World) -> None:
    encounter = world.registered()
    with pytest.raises(Refused) as refused:
        world.encounters.begin_consultation(encounter_no=encounter.encounter_no)
    assert refused.value.kind is ENCOUNTER_STEP


def test_a_visit_without_charges_can_be_cancelled(world: World) -> None:
    encounter = world.registered()
    cancelled = world.encounters.cancel(encounter_no=encounter.encounter_no)
    assert cancelled.state is EncounterState.CANCELLED
    assert world.encounters.cancel(encounter_no=encounter.encounter_no) == cancelled


def test_a_visit_with_charges_is_not_cancelled(world: World) -> None:
    encounter = world.registered()
    world.ordered(encounter)
    with pytest.raises(Refused) as refused:
        world.encounters.cancel(encounter_no=encounter.encounter_no)
    assert refused.value.kind is ENCOUNTER_CHARGED


def test_a_hospital_sees_its_own_encounters_only(world: World) -> None:
    encounter = world.registered()
    other = world.hospital_of(OTHER_HOSPITAL).encounters
    assert other.waiting(department=INTERNAL) == []
    for look in (other.get, other.call, other.cancel):
        with pytest.raises(Refused) as refused:
            look(encounter_no=encounter.encounter_no)
        assert refused.value.kind is ENCOUNTER_NOT_FOUND
    with pytest.raises(Refused) as not_found:
        other.resume(command_id=encounter.command_id)
    assert not_found.value.kind is ENCOUNTER_NOT_FOUND


def test_the_authorisation_number_is_in_no_column_of_the_database(world: World) -> None:
    record, evidence = world.record(), world.scan()
    registration(world, evidence, record.record_no, command())()
    rows = world.database.read(
        lambda connection: connection.execute(select(store.encounters)).all()
    )
    for value in rows[0]:
        content = value if isinstance(value, bytes) else str(value).encode()
        assert evidence.auth_no.encode() not in content


# --- evidence of every kind ----------------------------------------------------------------------


@pytest.mark.parametrize("channel", Channel)
def test_evidence_of_every_kind_registers_the_same_visit(world: World, channel: Channel) -> None:
    record = world.record()
    shown: dict[Channel, Callable[[], Evidence]] = {
        Channel.FACE: world.scan,
        Channel.CODE: world.code,
        Channel.CARD: world.card,
        Channel.DOCUMENT: world.document,
    }
    encounter = world.encounters.register(
        command_id=command(),
        record_no=record.record_no,
        department=INTERNAL,
        doctor=DOCTOR,
        evidence=shown[channel](),
    )
    assert (encounter.channel, encounter.identity_channel) == (channel, channel)
    assert (encounter.queue_no, encounter.insutype) == ("A001", "310")
    assert encounter.identity_verified_at == world.clock.now()
    assert world.encounters.get(encounter_no=encounter.encounter_no) == encounter


def test_a_code_is_used_up_by_the_registration_and_carried_on_with(world: World) -> None:
    record, code, command_id = world.record(), world.code(), command()
    register = registration(world, code, record.record_no, command_id)
    world.insurer.break_next("2201", Fault.REPLY_LOST)
    with pytest.raises(Refused):
        register()
    world.wait(timedelta(minutes=5))
    assert register().state is EncounterState.REGISTERED
    assert world.insurer.codes.used == {code.token: code.intent_id}


def test_a_pin_is_never_kept(world: World) -> None:
    record, card = world.record(), world.card()
    registration(world, card, record.record_no, command())()
    ((opening, _),) = world.insurer.visits.values()
    assert isinstance(opening.evidence, CardEvidence)
    assert opening.evidence.pin == ""


def test_a_card_of_somebody_else_registers_nothing(world: World) -> None:
    record = world.record()
    with pytest.raises(Refused) as refused:
        registration(world, world.card(LI), record.record_no, command())()
    assert refused.value.kind is PROOF_NOT_FITTING


def test_nothing_shown_and_no_reason_registers_nothing(world: World) -> None:
    record = world.record()
    with pytest.raises(Refused) as refused:
        world.encounters.register(
            command_id=command(),
            record_no=record.record_no,
            department=INTERNAL,
            doctor=DOCTOR,
            evidence=None,
        )
    assert refused.value.kind is EVIDENCE_MISSING


# --- the queue -----------------------------------------------------------------------------------

OLD = replace(ZHANG, psn_no=PersonNo("990000000080"), certno=sample_number(80, born="19400101"))


def crowd(world: World, count: int) -> list[Encounter]:
    return [world.registered(ZHANG) for _ in range(count)]


def numbers(world: World) -> list[str]:
    return [each.queue_no for each in world.encounters.waiting(department=INTERNAL)]


def test_an_old_patient_is_called_a_few_numbers_earlier(any_world: World) -> None:
    any_world.insurer.people[OLD.psn_no] = OLD
    crowd(any_world, 4)
    old = any_world.registered(OLD)
    assert old.aged
    assert numbers(any_world) == ["A001", "A005", "A002", "A003", "A004"]
    assert any_world.encounters.ahead(encounter_no=old.encounter_no) == 1


def test_who_misses_a_call_goes_back_a_few_places(any_world: World) -> None:
    first, *_ = crowd(any_world, 5)
    any_world.encounters.call(encounter_no=first.encounter_no)
    missed = any_world.encounters.missed(encounter_no=first.encounter_no)
    assert (missed.state, missed.misses) == (EncounterState.REGISTERED, 1)
    assert numbers(any_world) == ["A002", "A003", "A004", "A001", "A005"]


def test_who_was_not_called_misses_no_call(world: World) -> None:
    encounter = world.registered()
    with pytest.raises(Refused) as refused:
        world.encounters.missed(encounter_no=encounter.encounter_no)
    assert refused.value.kind is ENCOUNTER_STEP


def test_who_comes_back_with_results_is_called_before_the_others(any_world: World) -> None:
    first, *_ = crowd(any_world, 3)
    number = first.encounter_no
    any_world.encounters.call(encounter_no=number)
    any_world.encounters.begin_consultation(encounter_no=number)
    away = any_world.encounters.await_results(encounter_no=number)
    assert (away.state, any_world.encounters.ahead(encounter_no=number)) == (
        EncounterState.WAITING_RESULTS,
        None,
    )
    back = any_world.encounters.return_with_results(encounter_no=number)
    assert back.state is EncounterState.RETURNED
    assert numbers(any_world) == ["A001", "A002", "A003"]
    assert any_world.encounters.call(encounter_no=number).state is EncounterState.CALLED
    again = any_world.encounters.missed(encounter_no=number)
    assert again.state is EncounterState.RETURNED


def test_a_visit_that_was_seen_is_not_cancelled_when_its_patient_is_called_again(
    world: World,
) -> None:
    number = world.registered().encounter_no
    for step in (
        world.encounters.call,
        world.encounters.begin_consultation,
        world.encounters.await_results,
        world.encounters.return_with_results,
        world.encounters.call,
    ):
        step(encounter_no=number)
    with pytest.raises(Refused) as refused:
        world.encounters.cancel(encounter_no=number)
    assert refused.value.kind is ENCOUNTER_STEP


def test_two_doctors_who_call_at_once_call_two_patients(any_world: World) -> None:
    crowd(any_world, 2)
    calls = [lambda: any_world.encounters.call_next(department=INTERNAL)] * 3
    called = [each for each in in_parallel(calls) if isinstance(each, Called)]
    assert {each.encounter.queue_no for each in called} == {"A001", "A002"}
    assert any_world.encounters.call_next(department=INTERNAL) is None


# --- the room ------------------------------------------------------------------------------------

ROOM = TerminalId("T203")


def test_a_call_arms_the_rooms_terminal_for_exactly_this_patient(world: World) -> None:
    encounter = world.registered()
    called = world.encounters.call_to(encounter_no=encounter.encounter_no, terminal_id=ROOM)
    assert called.armed
    assert world.expected.calls == {ROOM: ZHANG.psn_no}
    assert called.encounter.called_at == world.clock.now()


def test_a_call_that_arms_nothing_still_stands(world: World) -> None:
    encounter = world.registered()
    world.expected.silent = True
    called = world.encounters.call_to(encounter_no=encounter.encounter_no, terminal_id=ROOM)
    assert (called.armed, called.encounter.state) == (False, EncounterState.CALLED)


def test_a_missed_call_and_a_closed_visit_disarm_the_terminal(world: World) -> None:
    number = world.registered().encounter_no
    world.encounters.call(encounter_no=number, terminal_id=ROOM)
    world.encounters.missed(encounter_no=number)
    assert world.expected.calls == {}
    world.encounters.call(encounter_no=number, terminal_id=ROOM)
    world.encounters.begin_consultation(encounter_no=number)
    world.encounters.close(encounter_no=number)
    assert world.expected.calls == {}


def test_the_doctor_sees_when_and_by_what_the_patient_showed_who_they_are(world: World) -> None:
    number = world.registered().encounter_no
    world.wait(timedelta(minutes=40))
    world.encounters.call(encounter_no=number)
    scan = world.scan(scene=Scene.CONSULTATION)
    sitting = world.encounters.begin_consultation(encounter_no=number, evidence=scan)
    assert sitting.state is EncounterState.IN_CONSULTATION
    assert sitting.identity_verified_at == world.clock.now()
    assert sitting.identity_channel is Channel.FACE


def test_somebody_else_on_the_chair_does_not_begin(world: World) -> None:
    number = world.registered().encounter_no
    world.encounters.call(encounter_no=number)
    scan = world.scan(LI, scene=Scene.CONSULTATION)
    with pytest.raises(Refused) as refused:
        world.encounters.begin_consultation(encounter_no=number, evidence=scan)
    assert refused.value.kind is OTHER_PERSON
    assert world.encounters.get(encounter_no=number).state is EncounterState.CALLED


# --- cancelling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", Fault)
def test_a_cancellation_without_an_answer_is_asked_for_again(world: World, fault: Fault) -> None:
    encounter = world.registered()
    number = encounter.encounter_no
    world.insurer.break_next("2202", fault)
    with pytest.raises(Refused) as refused:
        world.encounters.cancel(encounter_no=number)
    assert refused.value.kind is OUTCOME_UNKNOWN
    assert world.encounters.get(encounter_no=number).state is EncounterState.CANCELLING
    world.encounters.resume_all()
    assert world.encounters.get(encounter_no=number).state is EncounterState.CANCELLED
    assert world.insurer.cancelled_visits == {encounter.mdtrt_id}


def test_a_visit_that_the_insurer_does_not_let_go_stands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = world.registered().encounter_no

    def refuse(_: object) -> None:
        raise Refused(NOT_KNOWN)

    monkeypatch.setattr(world.insurer, "cancel_visit", refuse)
    with pytest.raises(Refused) as refused:
        world.encounters.cancel(encounter_no=number)
    assert refused.value.kind is NOT_KNOWN
    assert world.encounters.get(encounter_no=number).state is EncounterState.REGISTERED
    assert numbers(world) == ["A001"]
