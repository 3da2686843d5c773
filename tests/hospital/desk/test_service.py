"""The doctor's desk: everything about a visit at one look, which is logged."""

from datetime import timedelta

import pytest

from hospital.world import (
    CHEST_CT,
    CONSULTATION,
    DOCTOR,
    DOCTOR_STAFF,
    HOSPITAL,
    LI,
    World,
    command,
)
from shualian.core.identifiers import EncounterNo
from shualian.core.refusals import Refused
from shualian.hospital.clinical.model import Diagnosis, Standing
from shualian.hospital.encounters.model import ENCOUNTER_NOT_FOUND, Encounter
from shualian.staff.model import ROLE_MISSING, Caller, Employer, Role
from shualian.verification.model import Scene

CALLER = Caller(DOCTOR_STAFF, Employer(HOSPITAL), frozenset((Role.DOCTOR,)))
COLD = Diagnosis("J06.900", "急性上呼吸道感染")


def stated(world: World, encounter: Encounter) -> None:
    world.diagnoses.state(
        command_id=command(),
        encounter_no=encounter.encounter_no,
        doctor=DOCTOR,
        stated_by=DOCTOR_STAFF,
        diagnoses=[COLD],
    )


def test_the_doctor_sees_who_it_is_masked_what_was_and_what_is_paid(any_world: World) -> None:
    earlier = any_world.registered()
    stated(any_world, earlier)
    any_world.wait(timedelta(days=1))
    encounter = any_world.registered()
    any_world.signed(encounter, CONSULTATION)
    any_world.paid(encounter)
    any_world.signed(encounter, CHEST_CT)

    view = any_world.doctor_desk.view(caller=CALLER, encounter_no=encounter.encounter_no)

    assert view.chart.record.masked_name == "张*国"
    assert [order.standing for order in view.orders] == [Standing.PAID, Standing.UPLOADED]
    assert (view.paid_fen, view.open_fen) == (25_00, 220_00)
    assert view.statement is None
    (visit,) = view.earlier
    assert visit.encounter_no == earlier.encounter_no
    assert visit.statement is not None
    assert visit.statement.diagnoses == (COLD,)


def test_other_peoples_visits_are_not_among_the_earlier_ones(world: World) -> None:
    world.registered(LI)
    encounter = world.registered()
    assert world.doctor_desk.view(caller=CALLER, encounter_no=encounter.encounter_no).earlier == ()


def test_every_look_is_logged(world: World) -> None:
    encounter = world.registered()
    for _ in range(2):
        world.doctor_desk.view(caller=CALLER, encounter_no=encounter.encounter_no)
    looks = world.records.looks(evidence=world.scan(scene=Scene.RECORD_COPY))
    assert [(look.by, look.encounter_no) for look in looks] == [
        (DOCTOR_STAFF, encounter.encounter_no)
    ] * 2


def test_nobody_but_a_doctor_looks(world: World) -> None:
    encounter = world.registered()
    clerk = Caller(DOCTOR_STAFF, Employer(HOSPITAL), frozenset((Role.CLERK,)))
    with pytest.raises(Refused) as refused:
        world.doctor_desk.view(caller=clerk, encounter_no=encounter.encounter_no)
    assert refused.value.kind is ROLE_MISSING
    assert world.records.looks(evidence=world.scan(scene=Scene.RECORD_COPY)) == []


def test_a_visit_that_is_not_has_no_view(world: World) -> None:
    with pytest.raises(Refused) as refused:
        world.doctor_desk.view(caller=CALLER, encounter_no=EncounterNo("E1"))
    assert refused.value.kind is ENCOUNTER_NOT_FOUND
