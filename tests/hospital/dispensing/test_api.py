"""The window over HTTP: review, scan, pay and release, return; the own number at a terminal."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from hospital.dispensing.pharmacy import DOCTOR, RELEASER, REVIEWER, Pharmacy, box
from hospital.world import HOSPITAL, KIOSK, LI, ZHANG, World, command
from shualian.hospital.dispensing.api import (
    MINE_PATH,
    staff_routes,
    stock_routes,
    terminal_routes,
)
from shualian.hospital.model import AtTerminal, InsuredPerson
from shualian.staff.model import Caller
from shualian.verification.model import Scene
from shualian.web.problems import answer_refusals

BASE = "/hospital/v1/dispensing"


class Window:
    """The listener of one pharmacy; who is signed in is set by the test."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pharmacy = Pharmacy(world)
        self.caller: Caller = REVIEWER

        def signed_in(request: Request) -> Caller:
            assert request.url.path.startswith("/hospital/v1/")
            return self.caller

        def at(request: Request) -> AtTerminal:
            assert request.url.path == MINE_PATH
            return AtTerminal(KIOSK, HOSPITAL, "一层大厅 1 号机")

        application = FastAPI()
        answer_refusals(application)
        application.include_router(
            staff_routes(
                world.dispensing,
                world.returns,
                world.payments,
                world.records,
                signed_in,
                clock=world.clock,
            )
        )
        application.include_router(stock_routes(world.stock, signed_in))
        application.include_router(
            terminal_routes(
                APIRouter(),
                world.dispensing,
                at,
                institution=HOSPITAL,
            )
        )
        self.client = TestClient(application)

    def post(self, path: str, body: dict[str, Any], *, status: int = 200) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def face(self, intent_id: str, person: InsuredPerson = ZHANG) -> dict[str, Any]:
        evidence = self.world.scan(person, scene=Scene.DISPENSING, intent_id=intent_id)  # type: ignore[arg-type]
        return {
            "kind": "face",
            "auth_no": evidence.auth_no,
            "intent_id": intent_id,
            "scene": evidence.scene.value,
            "first_frame_at": evidence.first_frame_at.isoformat(),
            "terminal_id": evidence.terminal_id,
        }

    def billed(self) -> tuple[str, Any]:
        """A prescription from its review to its bill; the number of the request and the bill."""
        self.post(
            "/hospital/v1/stock/deliveries",
            {
                "command_id": command(),
                "medins_list_codg": "YP003",
                "lot_no": "L1",
                "expires_on": (self.pharmacy.today + timedelta(days=90)).isoformat(),
                "quantity": "10",
            },
        )
        number = self.pharmacy.prescribed().request_no
        assert self.post(f"{BASE}/requests/{number}/review", {})["state"] == "reviewed"
        taken = [{"line_no": 0, "quantity": "2", "codes": [box(1), box(2)]}]
        self.post(f"{BASE}/requests/{number}/prepare", {"taken": taken})
        bill = self.post(f"{BASE}/requests/{number}/bill", {"command_id": command()})
        self.caller = RELEASER
        return number, bill


@pytest.fixture
def window(world: World) -> Window:
    return Window(world)


def test_from_review_to_the_hand_and_back(window: Window) -> None:
    window.world.agreed()
    number, ready = window.billed()
    assert ready["pays"]
    assert ready["bill"]["medfee_sumamt"] == 64_00
    listed = window.client.get(f"{BASE}/waiting").json()
    assert [(each["queue_no"], each["masked_name"]) for each in listed] == [("P001", "张*国")]

    released = window.post(
        f"{BASE}/handovers/{ready['command_id']}/release",
        {
            "evidence": window.face(ready["intent_id"]),
            "from_wallet_fen": ready["bill"]["psn_cash_pay"],
        },
    )
    assert released["state"] == "released"
    (lot,) = window.client.get("/hospital/v1/stock/medicines/YP003").json()
    assert float(lot["on_shelf"]) == 8

    back = window.post(
        f"{BASE}/requests/{number}/returns",
        {
            "command_id": command(),
            "parts": [{"line_no": 0, "quantity": "1", "codes": [box(1)]}],
            "unopened": True,
            "reason": "医生换药",
        },
    )
    assert (back["state"], back["refunded_fen"]) == ("done", 100)


def test_a_command_goes_on_without_evidence(window: Window) -> None:
    _, ready = window.billed()
    path = f"{BASE}/handovers/{ready['command_id']}/release"
    open_cash = window.post(path, {"evidence": window.face(ready["intent_id"])}, status=503)
    assert open_cash["code"] == "hospital.dispense_cash_open"
    (waiting,) = window.client.get(f"{BASE}/unreleased").json()
    assert waiting["settled"]
    assert waiting["handover"]["command_id"] == ready["command_id"]

    window.pharmacy.take_cash(ready["command_id"])

    assert window.post(path, {})["state"] == "released"


def test_another_person_is_told_apart(window: Window) -> None:
    _, ready = window.billed()

    answer = window.client.post(
        f"{BASE}/handovers/{ready['command_id']}/release",
        json={"evidence": window.face(ready["intent_id"], LI)},
    )

    assert answer.json()["code"] == "hospital.dispense_other_person"
    assert "不要发药" in answer.text


def test_a_document_is_never_said_back(window: Window) -> None:
    _, ready = window.billed()
    document = {
        "kind": "document",
        "id_number": LI.certno.value,
        "intent_id": ready["intent_id"],
    }

    answer = window.client.post(
        f"{BASE}/handovers/{ready['command_id']}/release",
        json={"proxy": {"evidence": document, "kinship": "child"}},
    )

    assert answer.json()["code"] == "hospital.dispense_proxy_cannot_pay"
    assert LI.certno.value not in answer.text


def test_a_refused_review_and_the_doctors_answer(window: Window) -> None:
    number = window.pharmacy.prescribed().request_no
    refused = window.post(f"{BASE}/requests/{number}/review", {"refused_because": "剂量偏大"})
    assert refused["state"] == "refused"

    window.caller = DOCTOR
    again = window.post(f"{BASE}/requests/{number}/stand-by", {"note": "已核对"})
    assert again["state"] == "waiting"


def test_without_the_role_there_is_nothing(window: Window) -> None:
    window.caller = DOCTOR

    assert window.client.get(f"{BASE}/waiting").json()["code"] == "staff.role_missing"
    slip = window.client.post(f"{BASE}/slips", json={"slip_no": "7K3M09XQ"})
    assert slip.json()["code"] == "staff.role_missing"


def test_what_is_owed_is_found_by_its_slip(window: Window) -> None:
    window.pharmacy.receive()
    part = window.pharmacy.collected(cnt="3", quantity="1")

    found = window.post(f"{BASE}/slips", {"slip_no": part.slip_no})

    assert found["request_no"] == part.request_no
    assert float(found["lines"][0]["owed"]) == 2
    none = window.client.get(f"{BASE}/requests/{part.request_no}/handover")
    assert none.json()["code"] == "hospital.dispense_not_found"


def test_a_person_sees_the_own_number_and_nobody_elses_name(window: Window) -> None:
    window.pharmacy.prescribed(person=LI)
    mine = window.pharmacy.prescribed()

    answer = window.post(MINE_PATH, {"encounter_no": mine.encounter_no})

    assert answer == [{"queue_no": "P002", "state": "waiting", "ahead": 1}]


def test_a_count_is_corrected(window: Window) -> None:
    batch = window.pharmacy.receive("5")

    after = window.post(
        "/hospital/v1/stock/adjustments",
        {
            "command_id": command(),
            "batch_id": batch.batch_id,
            "change": "-1",
            "reason": "破损",
        },
    )

    assert float(after["on_shelf"]) == 4
