from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from hospital.world import (
    HOSPITAL,
    KIOSK,
    LI,
    OTHER_HOSPITAL,
    ZHANG,
    Fault,
    PowerCutError,
    World,
    command,
    in_parallel,
)
from shualian.core.identifiers import AuthNo, IntentId, PersonNo, RecordNo, TerminalId
from shualian.core.refusals import Refused
from shualian.hospital.model import (
    COMMAND_DIFFERS,
    INSURER_UNREACHABLE,
    PROOF_NOT_FITTING,
    SCENE_NOT_ALLOWED,
    FaceEvidence,
)
from shualian.hospital.records import store
from shualian.hospital.records.model import RECORD_CONFLICT, RECORD_NOT_FOUND, PatientRecord
from shualian.verification.model import PROOF_EXPIRED, PROOF_NOT_FOUND, Relation, Scene


def records_in(world: World) -> int:
    query = select(func.count()).select_from(store.patient_record)
    return world.database.read(lambda connection: connection.execute(query).scalar_one())


def test_a_record_is_opened_by_a_face_and_shown_masked(any_world: World) -> None:
    record = any_world.records.open_record(command_id=command(), evidence=any_world.scan())
    assert record.psn_no == ZHANG.psn_no
    assert record.institution == HOSPITAL
    assert record.masked_name == "张*国"
    assert record.masked_id_number == ZHANG.certno.masked
    assert any_world.records.get(record_no=record.record_no) == record
    assert any_world.records.find_by_person(psn_no=ZHANG.psn_no) == record


def test_nothing_that_is_printed_shows_name_or_number(world: World) -> None:
    record = world.record()
    identity = world.records.identity(record_no=record.record_no)
    assert (identity.name, identity.id_number) == (ZHANG.psn_name, ZHANG.certno)
    for shown in (repr(record), repr(identity)):
        assert ZHANG.psn_name not in shown
        assert ZHANG.certno.value not in shown


def test_name_and_number_are_in_no_column_of_the_database(world: World) -> None:
    world.record()
    rows = world.database.read(
        lambda connection: connection.execute(select(store.patient_record)).all()
    )
    for value in rows[0]:
        content = value if isinstance(value, bytes) else str(value).encode()
        assert ZHANG.psn_name.encode() not in content
        assert ZHANG.certno.value.encode() not in content


def test_the_same_person_comes_again_to_the_same_record(world: World) -> None:
    first = world.record()
    world.wait(timedelta(days=1))
    assert world.record() == first
    assert world.record(LI).record_no != first.record_no
    assert records_in(world) == 2


def test_many_terminals_at_once_open_one_record(any_world: World) -> None:
    scans = [any_world.scan() for _ in range(6)]

    def opening(evidence: FaceEvidence) -> Callable[[], PatientRecord]:
        return lambda: any_world.records.open_record(command_id=command(), evidence=evidence)

    opened = in_parallel([opening(evidence) for evidence in scans])
    assert len(opened) == 6
    assert len({record.record_no for record in opened if isinstance(record, PatientRecord)}) == 1
    assert records_in(any_world) == 1


def test_one_command_sent_many_times_at_once_opens_one_record(any_world: World) -> None:
    evidence, command_id = any_world.scan(), command()
    opened = in_parallel(
        [lambda: any_world.records.open_record(command_id=command_id, evidence=evidence)] * 4
    )
    assert len(opened) == 4
    assert opened == [opened[0]] * 4
    openings = any_world.database.read(
        lambda connection: connection.execute(select(store.record_opening)).all()
    )
    assert len(openings) == 1


def test_a_repeated_command_is_answered_when_its_proof_has_long_expired(world: World) -> None:
    evidence, command_id = world.scan(), command()
    first = world.records.open_record(command_id=command_id, evidence=evidence)
    world.wait(timedelta(hours=1))
    looked_at = world.proofs.looked_at
    assert world.records.open_record(command_id=command_id, evidence=evidence) == first
    assert world.proofs.looked_at == looked_at


def test_a_command_is_good_for_one_confirmation_only(world: World) -> None:
    command_id = command()
    world.records.open_record(command_id=command_id, evidence=world.scan())
    with pytest.raises(Refused) as refused:
        world.records.open_record(command_id=command_id, evidence=world.scan(LI))
    assert refused.value.kind is COMMAND_DIFFERS


@pytest.mark.parametrize("steps", range(4))
def test_a_record_is_opened_once_wherever_the_power_is_cut(world: World, steps: int) -> None:
    evidence, command_id = world.scan(), command()
    world.breaker.steps_left = steps
    with pytest.raises(PowerCutError):
        world.records.open_record(command_id=command_id, evidence=evidence)
    world.start()
    record = world.records.open_record(command_id=command_id, evidence=evidence)
    assert record == world.records.find_by_person(psn_no=ZHANG.psn_no)
    assert records_in(world) == 1


ALTERED: list[Callable[[FaceEvidence], FaceEvidence]] = [
    lambda evidence: replace(evidence, terminal_id=TerminalId("K03")),
    lambda evidence: replace(evidence, intent_id=IntentId("another")),
    lambda evidence: replace(evidence, scene=Scene.INPATIENT_RECORD),
]


@pytest.mark.parametrize("altered", ALTERED)
def test_evidence_that_is_not_what_the_proof_says_opens_nothing(
    world: World, altered: Callable[[FaceEvidence], FaceEvidence]
) -> None:
    with pytest.raises(Refused) as refused:
        world.records.open_record(command_id=command(), evidence=altered(world.scan()))
    assert refused.value.kind is PROOF_NOT_FITTING
    assert records_in(world) == 0


def test_a_proof_for_somebody_else_opens_no_record(world: World) -> None:
    evidence = world.scan(relation=Relation.FAMILY, beneficiary=LI.psn_no)
    with pytest.raises(Refused) as refused:
        world.records.open_record(command_id=command(), evidence=evidence)
    assert refused.value.kind is PROOF_NOT_FITTING


def test_a_face_taken_for_a_payment_opens_no_record(world: World) -> None:
    with pytest.raises(Refused) as refused:
        world.records.open_record(command_id=command(), evidence=world.scan(scene=Scene.SETTLEMENT))
    assert refused.value.kind is SCENE_NOT_ALLOWED


def test_an_expired_or_unknown_proof_opens_no_record(world: World) -> None:
    evidence = world.scan()
    world.wait(timedelta(minutes=6))
    with pytest.raises(Refused) as expired:
        world.records.open_record(command_id=command(), evidence=evidence)
    assert expired.value.kind is PROOF_EXPIRED
    unknown = replace(evidence, auth_no=AuthNo("nothing"))
    with pytest.raises(Refused) as not_found:
        world.records.open_record(command_id=command(), evidence=unknown)
    assert not_found.value.kind is PROOF_NOT_FOUND
    assert records_in(world) == 0


def test_an_answer_about_another_person_opens_nothing(world: World) -> None:
    world.insurer.people[ZHANG.psn_no] = LI
    with pytest.raises(Refused) as refused:
        world.record()
    assert refused.value.kind is PROOF_NOT_FITTING
    assert records_in(world) == 0


def test_two_numbers_of_the_insurer_for_one_id_number_are_not_mixed(world: World) -> None:
    world.record()
    double = replace(ZHANG, psn_no=PersonNo("990000000009"))
    world.insurer.people[double.psn_no] = double
    with pytest.raises(Refused) as refused:
        world.record(double)
    assert refused.value.kind is RECORD_CONFLICT
    assert records_in(world) == 1


def test_a_silent_insurer_is_said_to_be_silent(world: World) -> None:
    world.insurer.fault = Fault.REQUEST_LOST
    with pytest.raises(Refused) as refused:
        world.record()
    assert refused.value.kind is INSURER_UNREACHABLE


def test_a_hospital_sees_its_own_records_only(world: World) -> None:
    record = world.record()
    other = world.hospital_of(OTHER_HOSPITAL)
    assert other.records.find_by_person(psn_no=ZHANG.psn_no) is None
    for look in (other.records.get, other.records.identity):
        with pytest.raises(Refused) as refused:
            look(record_no=record.record_no)
        assert refused.value.kind is RECORD_NOT_FOUND


def test_two_hospitals_have_a_record_each_of_the_same_person(world: World) -> None:
    record = world.record()
    proof = world.scan(institution=OTHER_HOSPITAL, terminal_id=KIOSK)
    other = world.hospital_of(OTHER_HOSPITAL)
    theirs = other.records.open_record(command_id=command(), evidence=proof)
    assert theirs.record_no != record.record_no


def test_there_is_no_record_of_an_unknown_number(world: World) -> None:
    with pytest.raises(Refused) as refused:
        world.records.get(record_no=RecordNo("nothing"))
    assert refused.value.kind is RECORD_NOT_FOUND
