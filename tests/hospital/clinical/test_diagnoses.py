"""Diagnoses: sealed here, told to the insurer, the newest holds."""

import pytest
from sqlalchemy import select

from hospital.world import DOCTOR, DOCTOR_STAFF, Fault, World, command
from shualian.core.identifiers import EncounterNo
from shualian.core.refusals import Refused
from shualian.hospital.clinical.model import (
    DIAGNOSES_MAX,
    DIAGNOSIS_INVALID,
    Diagnosis,
    Statement,
)
from shualian.hospital.clinical.store import statements
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.model import COMMAND_DIFFERS

COLD, HYPERTENSION = Diagnosis("J06.900", "急性上呼吸道感染"), Diagnosis("I10", "原发性高血压")


def stated(world: World, encounter: Encounter, *diagnoses: Diagnosis) -> Statement:
    return world.diagnoses.state(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        doctor=DOCTOR,
        stated_by=DOCTOR_STAFF,
        diagnoses=diagnoses,
        complaint="咳嗽三天",
    )


def told(world: World, encounter: Encounter) -> list[str]:
    information = world.insurer.information[encounter.visit_id]
    return [row.diag_code for row in information.diseinfo]


def test_the_insurer_is_told_with_the_main_diagnosis_first(any_world: World) -> None:
    encounter = any_world.registered()

    statement = stated(any_world, encounter, HYPERTENSION, COLD)

    information = any_world.insurer.information[encounter.visit_id]
    assert [row.diag_srt_no for row in information.diseinfo] == [1, 2]
    assert told(any_world, encounter) == ["I10", "J06.900"]
    assert information.diseinfo[0].dise_dor_no == DOCTOR.dr_code
    assert statement.told_at is not None


def test_a_new_list_takes_the_place_of_the_last_one(any_world: World) -> None:
    encounter = any_world.registered()
    stated(any_world, encounter, COLD)
    stated(any_world, encounter, HYPERTENSION)

    number = encounter.encounter_no
    assert any_world.diagnoses.of_encounters([number])[number].diagnoses == (HYPERTENSION,)
    assert told(any_world, encounter) == ["I10"]


def test_the_same_command_says_it_once_and_nothing_else(world: World) -> None:
    encounter, command_id = world.registered(), command()

    def state(*diagnoses: Diagnosis) -> Statement:
        return world.diagnoses.state(
            command_id=command_id,
            encounter_no=encounter.encounter_no,
            doctor=DOCTOR,
            stated_by=DOCTOR_STAFF,
            diagnoses=diagnoses,
        )

    assert state(COLD) == state(COLD)
    with pytest.raises(Refused) as refused:
        state(HYPERTENSION)
    assert refused.value.kind is COMMAND_DIFFERS


def test_what_the_insurer_did_not_hear_is_told_later(world: World) -> None:
    encounter = world.registered()
    world.insurer.break_next("2203", Fault.REQUEST_LOST)
    statement = stated(world, encounter, COLD)
    assert statement.told_at is None

    assert world.diagnoses.tell_all() == []

    assert told(world, encounter) == ["J06.900"]
    messages = len(world.insurer.messages)
    assert world.diagnoses.tell_all() == []
    assert len(world.insurer.messages) == messages


@pytest.mark.parametrize(
    "diagnoses",
    [
        (),
        (COLD, COLD),
        (Diagnosis("j06", "感冒"),),
        (Diagnosis("J6", "感冒"),),
        (Diagnosis("J06.900", ""),),
        tuple(Diagnosis(f"A{n:02d}", "甲") for n in range(DIAGNOSES_MAX + 1)),
    ],
)
def test_what_is_no_list_of_diagnoses_is_refused(
    world: World, diagnoses: tuple[Diagnosis, ...]
) -> None:
    encounter = world.registered()
    with pytest.raises(Refused) as refused:
        stated(world, encounter, *diagnoses)
    assert refused.value.kind is DIAGNOSIS_INVALID


def test_what_is_said_of_an_illness_is_not_readable_in_the_database(world: World) -> None:
    encounter = world.registered()
    stated(world, encounter, COLD)
    rows = world.database.read(lambda c: c.execute(select(statements)).all())
    assert "J06" not in str(rows)
    assert "咳嗽" not in str(rows)


def test_of_a_visit_of_which_nothing_was_said_there_is_nothing(world: World) -> None:
    assert world.diagnoses.of_encounters([EncounterNo("E1")]) == {}
