"""The doctor's screen over HTTP."""

import pytest
from fastapi.testclient import TestClient

from hospital.doors import Door
from hospital.scheduling.clinic import ADMINISTRATOR, ROOM, set_up
from hospital.world import CHEST_CT, CONSULTATION, DOCTOR, DOCTOR_STAFF, INTERNAL, World, command
from shualian.hospital.clinical.model import Diagnosis
from shualian.hospital.desk.api import PREFIX, staff_routes
from shualian.hospital.scheduling.model import Practitioner, Title
from shualian.staff.model import Role
from shualian.verification.model import Scene


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def client(world: World, door: Door) -> TestClient:
    return door.client([staff_routes(world.doctor_desk, world.orders, door.who)])


def test_the_doctor_sees_the_patient_masked_and_the_visit_whole(
    client: TestClient, world: World
) -> None:
    earlier = world.registered()
    world.diagnoses.state(
        command_id=command(),
        encounter_no=earlier.encounter_no,
        doctor=DOCTOR,
        stated_by=DOCTOR_STAFF,
        diagnoses=[Diagnosis("I10", "原发性高血压")],
    )
    encounter = world.registered()
    world.signed(encounter, CONSULTATION)
    world.paid(encounter)
    world.drafted(encounter, CHEST_CT)

    answer = client.get(f"{PREFIX}/encounters/{encounter.encounter_no}")

    view = answer.json()
    assert view["identity"]["masked_name"] == "张*国"
    assert "张建国" not in answer.text
    assert [order["standing"] for order in view["orders"]] == ["paid", "draft"]
    assert (view["paid_fen"], view["open_fen"]) == (25_00, 0)
    assert view["earlier"][0]["statement"]["diagnoses"][0]["code"] == "I10"
    assert len(world.records.looks(evidence=world.scan(scene=Scene.RECORD_COPY))) == 1


def open_clinic(world: World) -> None:
    """The usual clinic, with the doctor's account."""
    set_up(world)
    doctor = Practitioner(DOCTOR, INTERNAL.dept_code, Title.ORDINARY, DOCTOR_STAFF)
    world.schedule.put_practitioners(caller=ADMINISTRATOR, practitioners=[doctor])


def test_the_screen_begins_with_the_doctors_sessions_and_the_sign_in(
    client: TestClient, world: World
) -> None:
    open_clinic(world)

    own = client.get(f"{PREFIX}/own").json()

    assert own["dr_code"] == DOCTOR.dr_code
    assert {each["dept_code"] for each in own["sessions"]} == {own["dept_code"]}
    assert {each["terminal_id"] for each in own["sessions"]} == {ROOM}
    assert own["sign_in"]["confirmed"] is False
    assert own["sign_in"]["until"]


def test_a_doctor_who_is_not_signed_in_is_told_so(client: TestClient, world: World) -> None:
    open_clinic(world)
    world.sign_ins.absent.add(DOCTOR.dr_code)

    assert client.get(f"{PREFIX}/own").json()["sign_in"] is None


def test_nobody_but_a_doctor_sees_it(client: TestClient, door: Door, world: World) -> None:
    door.of(Role.CLERK)
    answer = client.get(f"{PREFIX}/encounters/{world.registered().encounter_no}")
    assert answer.json()["code"] == "staff.role_missing"
