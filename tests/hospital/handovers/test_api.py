"""The desk asks, the terminal hands over, the window settles, over HTTP; no page sees the proof."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from hospital import doors
from hospital.doors import Door
from hospital.handovers.test_service import Window
from hospital.world import CLERK, HOSPITAL, KIOSK, OTHER_HOSPITAL, World
from shualian.hospital.cashier import api as cashier_api
from shualian.hospital.handovers import api
from shualian.hospital.model import FaceEvidence
from shualian.hospital.payments.model import Payment
from shualian.staff.model import Role
from shualian.verification.model import Scene


class House:
    """A window and its terminal, and everything that a page of staff was ever answered."""

    def __init__(self, window: Window, door: Door, client: TestClient) -> None:
        self.window, self.door, self.client = window, door, client
        self.bill: Payment = window.bill()
        self.told: list[str] = []

    def ask(self, desk: str = "cashier") -> dict[str, Any]:
        answer = self.client.post(
            api.STAFF_PREFIX,
            json={
                "desk": desk,
                "terminal_id": KIOSK,
                "subject": self.bill.command_id,
                "from_wallet": True,
            },
        )
        return self._noted(answer)

    def look(self, asked_no: str) -> dict[str, Any]:
        return self._noted(self.client.get(f"{api.STAFF_PREFIX}/{asked_no}"))

    def at_terminal(self, path: str = "", **body: object) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.post(api.TERMINAL_PREFIX + path, json=body).json()
        return answer

    def settle(self, **evidence: object) -> dict[str, Any]:
        path = f"{cashier_api.PREFIX}/payments/{self.bill.command_id}/settlement"
        return self._noted(self.client.post(path, json={"evidence": evidence}))

    def _noted(self, answer: Any) -> dict[str, Any]:
        self.told.append(answer.text)
        found: dict[str, Any] = answer.json()
        return found


def evidence_of(scan: FaceEvidence) -> dict[str, str]:
    return {
        "kind": "face",
        "auth_no": scan.auth_no,
        "intent_id": scan.intent_id,
        "scene": scan.scene.value,
        "first_frame_at": scan.first_frame_at.isoformat(),
    }


@pytest.fixture(params=[HOSPITAL])
def house(world: World, request: pytest.FixtureRequest) -> Iterator[House]:
    window, door = Window(world), Door()
    door.of(Role.CLERK, CLERK)
    client = door.client(
        [
            api.terminal_routes(
                APIRouter(), window.faces, doors.at, institution=request.param, clock=world.clock
            ),
            api.staff_routes(window.faces, door.who, clock=world.clock),
            cashier_api.staff_routes(
                world.desk,
                world.payments,
                door.who,
                clock=world.clock,
                handed_over=window.faces.evidence,
            ),
        ]
    )
    with client:
        yield House(window, door, client)


def test_the_window_settles_on_a_number_and_is_never_told_the_proof(house: House) -> None:
    assert house.at_terminal("/next") == {"wanted": None}
    asked = house.ask()
    assert asked["state"] == "waiting"
    wanted = house.at_terminal("/next")["wanted"]
    assert wanted["amount_max_fen"] == wanted["amounts"]["medfee_sumamt"]
    assert wanted["intent_id"] == house.bill.intent_id
    scan = house.window.world.scan(scene=Scene.SETTLEMENT, intent_id=house.bill.intent_id)
    body = {"asked_no": asked["asked_no"], "evidence": evidence_of(scan)}
    assert house.at_terminal(**body) == {"state": "handed_over"}
    assert house.at_terminal(**body) == {"state": "handed_over"}

    assert house.look(asked["asked_no"])["state"] == "handed_over"
    settled = house.settle(kind="handed_over", asked_no=asked["asked_no"])
    assert (settled["state"], settled["channel"]) == ("settled", "face")
    assert scan.auth_no not in str(house.told)


def test_a_number_without_a_scan_or_of_another_clerk_settles_nothing(house: House) -> None:
    asked = house.ask()["asked_no"]
    assert house.settle(kind="handed_over", asked_no=asked)["code"] == "hospital.handover_gone"
    scan = house.window.world.scan(scene=Scene.SETTLEMENT, intent_id=house.bill.intent_id)
    house.at_terminal(asked_no=asked, evidence=evidence_of(scan))
    house.door.of(Role.CLERK)

    assert house.settle(kind="handed_over", asked_no=asked)["code"] == "hospital.handover_gone"
    assert house.look(asked)["code"] == "hospital.handover_gone"


def test_the_desk_hears_that_the_person_declined(house: House) -> None:
    asked = house.ask()["asked_no"]
    house.at_terminal("/refused", asked_no=asked, code="declined")
    told = house.look(asked)
    assert (told["state"], told["refused"]) == ("refused", "declined")
    assert house.client.delete(f"{api.STAFF_PREFIX}/{asked}").status_code == 204
    assert house.at_terminal("/next") == {"wanted": None}


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.TECHNICIAN])
def test_only_who_takes_money_asks_for_a_bill(house: House, role: Role) -> None:
    house.door.of(role)
    assert house.ask()["code"] == "staff.role_missing"


@pytest.mark.parametrize(
    ("desk", "role", "code"),
    [
        ("admission", Role.TECHNICIAN, "staff.role_missing"),
        ("admission", Role.NURSE, "hospital.record_not_found"),
        ("examination", Role.CLERK, "staff.role_missing"),
        ("examination", Role.TECHNICIAN, "hospital.order_not_found"),
    ],
)
def test_only_who_admits_or_receives_asks_for_it_and_a_bill_is_neither(
    house: House, desk: str, role: Role, code: str
) -> None:
    house.door.of(role)
    assert house.ask(desk)["code"] == code


@pytest.mark.parametrize("house", [OTHER_HOSPITAL], indirect=True)
def test_a_terminal_of_another_hospital_is_told_nothing(house: House) -> None:
    house.ask()
    assert house.at_terminal("/next")["code"] == "hospital.terminal_elsewhere"
