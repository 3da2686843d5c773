"""Desks, windows and machines over HTTP, from the worklist to the report in hand."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from hospital.doors import Door, at
from hospital.world import (
    CHEST_CT,
    CLERK,
    LI,
    OTHER_TECHNICIAN,
    TECHNICIAN,
    URINALYSIS,
    ZHANG,
    World,
    command,
)
from shualian.core.identifiers import IntentId, new_identifier
from shualian.hospital.examinations.api import (
    ARRIVAL_PATH,
    COLLECTION_PATH,
    REPORTS_PATH,
    staff_routes,
    terminal_routes,
)
from shualian.hospital.model import FaceEvidence, InsuredPerson
from shualian.staff.model import Role
from shualian.verification.model import Scene

PREFIX = "/hospital/v1/examinations"
POTASSIUM = {
    "name": "钾",
    "value": "6.8",
    "unit": "mmol/L",
    "low": "3.5",
    "high": "5.3",
    "critical_low": "2.5",
    "critical_high": "6.5",
}


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def client(world: World, door: Door) -> TestClient:
    desk = staff_routes(world.examinations, door.who, doctor_of=door.doctor_of, clock=world.clock)
    return door.client([desk, terminal_routes(APIRouter(), world.examinations, at)])


def face(evidence: FaceEvidence) -> dict[str, Any]:
    return {
        "kind": "face",
        "auth_no": evidence.auth_no,
        "intent_id": evidence.intent_id,
        "scene": evidence.scene.value,
        "first_frame_at": evidence.first_frame_at.isoformat(),
    }


def document(number: str) -> dict[str, Any]:
    return {"kind": "document", "id_number": number, "intent_id": IntentId(new_identifier())}


def code(world: World, person: InsuredPerson = ZHANG) -> dict[str, Any]:
    shown = world.code(person)
    return {"kind": "code", "token": shown.token, "intent_id": shown.intent_id}


def paid(world: World, item: str = CHEST_CT) -> str:
    encounter = world.registered()
    order_no = world.signed(encounter, item).order.order_no
    world.paid(encounter)
    return order_no


def reported(
    client: TestClient, door: Door, world: World, item: str = CHEST_CT, **report: Any
) -> str:
    order_no = paid(world, item)
    door.of(Role.TECHNICIAN, TECHNICIAN)
    arrival = {"command_id": command(), "order_no": order_no, "evidence": code(world)}
    assert client.post(f"{PREFIX}/arrivals", json=arrival).status_code == 201
    client.post(f"{PREFIX}/{order_no}/perform")
    body = {"command_id": command(), "conclusion": "未见异常"} | report
    entered = client.post(f"{PREFIX}/{order_no}/reports", json=body)
    assert entered.status_code == 201, entered.text
    signed = client.post(f"{PREFIX}/{order_no}/reports/1/sign").json()
    assert signed["signed_by"] == TECHNICIAN
    return order_no


def test_the_desk_sees_its_work_and_the_patient_arrives_by_face_at_its_terminal(
    client: TestClient, door: Door, world: World
) -> None:
    order_no = paid(world)
    door.of(Role.TECHNICIAN, TECHNICIAN)
    (waits,) = client.get(PREFIX).json()

    body = {
        "command_id": command(),
        "order_no": order_no,
        "evidence": face(world.scan(scene=Scene.EXAMINATION)),
    }
    came = client.post(ARRIVAL_PATH, json=body).json()

    assert (waits["order_no"], waits["state"], waits["masked_name"]) == (order_no, None, "张*国")
    assert (came["state"], came["channel"]) == ("arrived", "face")
    assert client.get(PREFIX, params={"kind": "laboratory"}).json() == []


def test_the_patient_lists_and_collects_at_a_machine_and_it_is_recorded(
    client: TestClient, door: Door, world: World
) -> None:
    order_no = reported(client, door, world)
    evidence = face(world.scan(scene=Scene.REPORT_COLLECTION))

    (ready,) = client.post(REPORTS_PATH, json={"evidence": evidence}).json()
    body = {"command_id": command(), "order_no": ready["order_no"], "evidence": evidence}
    taken = client.post(COLLECTION_PATH, json=body).json()

    assert taken["report"]["conclusion"] == "未见异常"
    assert (taken["channel"], taken["is_proxy"]) == ("face", False)
    assert "conclusion" not in ready
    (logged,) = world.examinations.collections(order_no=order_no)  # type: ignore[arg-type]
    assert logged.collector == ZHANG.psn_no


def test_a_stranger_gets_nothing_at_a_machine(client: TestClient, door: Door, world: World) -> None:
    order_no = reported(client, door, world)
    evidence = code(world, LI)
    assert client.post(REPORTS_PATH, json={"evidence": evidence}).json() == []
    body = {"command_id": command(), "order_no": order_no, "evidence": evidence}
    refused = client.post(COLLECTION_PATH, json=body)
    assert refused.json()["code"] == "hospital.order_of_another_person"
    assert client.post(COLLECTION_PATH, json=body | {"is_proxy": True}).status_code == 422


def test_a_clerk_hands_out_to_a_proxy_with_an_own_document(
    client: TestClient, door: Door, world: World
) -> None:
    order_no = reported(client, door, world)
    door.of(Role.CLERK, CLERK)
    body = {
        "command_id": command(),
        "order_no": order_no,
        "evidence": document(LI.certno.value),
        "is_proxy": True,
    }

    taken = client.post(f"{PREFIX}/handed-out", json=body)

    assert taken.status_code == 201
    assert (taken.json()["channel"], taken.json()["is_proxy"]) == ("document", True)


def test_values_come_back_flagged_and_a_critical_one_reaches_the_doctor(
    client: TestClient, door: Door, world: World
) -> None:
    order_no = reported(client, door, world, URINALYSIS, values=[POTASSIUM])
    door.of(Role.DOCTOR)

    (critical,) = client.get(f"{PREFIX}/critical").json()
    client.post(f"{PREFIX}/{order_no}/reports/1/noted")

    assert critical["values"][0]["flag"] == "critical_high"
    assert client.get(f"{PREFIX}/critical").json() == []


def test_an_amended_report_needs_a_second_person(
    client: TestClient, door: Door, world: World
) -> None:
    order_no = reported(client, door, world)
    body = {"command_id": command(), "conclusion": "右肺结节"}
    client.post(f"{PREFIX}/{order_no}/reports", json=body)

    refused = client.post(f"{PREFIX}/{order_no}/reports/2/sign")
    door.of(Role.TECHNICIAN, OTHER_TECHNICIAN)
    client.post(f"{PREFIX}/{order_no}/reports/2/sign")

    assert refused.json()["code"] == "hospital.report_needs_second"
    versions = client.get(f"{PREFIX}/{order_no}/reports").json()
    assert [each["conclusion"] for each in versions] == ["未见异常", "右肺结节"]


def test_each_act_is_for_its_own_roles(client: TestClient, door: Door, world: World) -> None:
    order_no = reported(client, door, world)
    report = {"command_id": command(), "conclusion": "甲"}
    hand_out = {"command_id": command(), "order_no": order_no, "evidence": code(world)}
    acts: list[tuple[Role, Callable[[], Any]]] = [
        (Role.CLERK, lambda: client.get(PREFIX)),
        (Role.CLERK, lambda: client.post(f"{PREFIX}/{order_no}/perform")),
        (Role.NURSE, lambda: client.post(f"{PREFIX}/{order_no}/reports", json=report)),
        (Role.NURSE, lambda: client.post(f"{PREFIX}/{order_no}/reports/1/sign")),
        (Role.TECHNICIAN, lambda: client.get(f"{PREFIX}/critical")),
        (Role.PHARMACIST, lambda: client.post(f"{PREFIX}/handed-out", json=hand_out)),
    ]
    for role, answer in acts:
        door.of(role)
        assert answer().json()["code"] == "staff.role_missing"
