"""A clerk's day over HTTP: shift, look-up, settlement, tenders, receipt, refund, closing."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from hospital.cashier.desk import (
    ADMINISTRATOR_CALLS,
    CLERK_CALLS,
    DUE,
    ORDER,
    OTHER_CALLS,
    SLIP,
    caller,
    handed_over,
    next_day,
)
from hospital.world import KIOSK, ZHANG, World, command
from shualian.core.clock import business_date
from shualian.core.identifiers import StaffId
from shualian.core.mode import Mode
from shualian.hospital.cashier.api import PREFIX, staff_routes
from shualian.hospital.model import Label
from shualian.staff.model import Caller, Role
from shualian.verification.model import Scene
from shualian.web.application import build_listener

Window = Callable[[Caller], "Desk"]


class Desk:
    """Somebody signed in at a window; asks and tells what was answered."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def get(self, path: str, expected: int = 200) -> Any:
        answer = self._client.get(PREFIX + path)
        assert answer.status_code == expected, answer.text
        return answer.json()

    def post(self, path: str, **body: object) -> Any:
        answer = self._client.post(PREFIX + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, **body: object) -> str:
        answer = self._client.post(PREFIX + path, json=body)
        assert answer.status_code >= 400
        assert ZHANG.certno.value not in answer.text
        return str(answer.json()["code"])


@pytest.fixture
def window(world: World) -> Window:
    def as_(who: Caller) -> Desk:
        def signed_in(_request: Request) -> Caller:
            return who

        routes = staff_routes(
            world.desk,
            world.payments,
            signed_in,
            clock=world.clock,
            label=Label("【演练】", "[SANDBOX]"),
        )
        return Desk(TestClient(build_listener("staff", routers=[routes], mode=Mode.SANDBOX)))

    return as_


def document(intent_id: object) -> dict[str, object]:
    return {"kind": "document", "id_number": ZHANG.certno.value, "intent_id": intent_id}


def prepared(world: World, desk: Desk) -> Any:
    encounter = world.registered()
    world.ordered(encounter)
    return desk.post("/payments", command_id=command(), encounter_no=encounter.encounter_no)


def test_a_bill_is_found_settled_on_a_document_paid_in_three_ways_and_printed(
    world: World, window: Window
) -> None:
    desk = window(CLERK_CALLS)
    bill = prepared(world, desk)
    number = bill["payment"]
    assert bill["amounts"]["psn_cash_pay"] == DUE
    settled = desk.post(f"/payments/{number}/settlement", evidence=document(bill["intent_id"]))
    assert (settled["state"], settled["channel"]) == ("settled", "document")
    (found,) = desk.post("/people", evidence=document("lookup"))
    assert found["payments"][0]["due_fen"] == DUE
    tenders = [
        {"kind": "card", "given_fen": 50_00, "reference": SLIP},
        {"kind": "epay", "given_fen": 30_00, "reference": ORDER},
        {"kind": "cash", "given_fen": 40_00},
    ]
    taken = desk.post(f"/payments/{number}/taking", command_id=command(), tenders=tenders)
    assert taken["change_fen"] == 5_20
    receipt = desk.get(f"/payments/{number}/receipt")
    lines = receipt["lines"]
    assert isinstance(lines, list)
    assert all(line.startswith("【演练】") for line in lines)
    english = desk.get(f"/payments/{number}/receipt?language=en")
    assert str(english["lines"]).count("[SANDBOX]") == len(lines)
    assert receipt["taking"] == taken
    encounter = desk.get(f"/encounters/{bill['encounter_no']}")
    assert encounter["payments"][0]["taking"] == taken


def test_the_window_shows_each_line_and_what_of_it_the_insurance_leaves_out(
    world: World, window: Window
) -> None:
    desk = window(CLERK_CALLS)
    bill = prepared(world, desk)

    (batch,) = desk.get(f"/encounters/{bill['encounter_no']}")["batches"]

    lines = batch["lines"]
    assert len(lines) == batch["items"]
    assert sum(line["amount_fen"] for line in lines) == batch["amount_fen"]
    outside = bill["amounts"]["fulamt_ownpay_amt"] + bill["amounts"]["overlmt_selfpay"]
    assert sum(line["self_paid_fen"] for line in lines) == outside
    assert sum(line["upfront_fen"] for line in lines) == bill["amounts"]["preselfpay_amt"]


def test_a_slip_is_paid_at_the_window_by_the_persons_face(world: World, window: Window) -> None:
    desk = window(CLERK_CALLS)
    bill = prepared(world, desk)
    reserved = world.payments.reserve(command_id=bill["payment"])
    assert reserved.slip_no is not None
    found = desk.get(f"/slips/{reserved.slip_no}")
    shown = found["payments"][0]["payment"]
    assert shown["state"] == "reserved"
    face = world.scan(scene=Scene.SETTLEMENT, intent_id=reserved.intent_id)
    settled = desk.post(
        f"/payments/{bill['payment']}/settlement",
        evidence={
            "kind": "face",
            "auth_no": face.auth_no,
            "intent_id": face.intent_id,
            "scene": face.scene.value,
            "first_frame_at": face.first_frame_at.isoformat(),
            "terminal_id": KIOSK,
        },
    )
    assert (settled["state"], settled["channel"]) == ("settled", "face")


def test_a_cancelled_bill_is_given_back_by_its_ways(world: World, window: Window) -> None:
    desk = window(CLERK_CALLS)
    bill = prepared(world, desk)
    number = bill["payment"]
    desk.post(f"/payments/{number}/settlement", evidence=document(bill["intent_id"]))
    tenders = [
        {"kind": "card", "given_fen": 50_00, "reference": SLIP},
        {"kind": "cash", "given_fen": 64_80},
    ]
    desk.post(f"/payments/{number}/taking", command_id=command(), tenders=tenders)
    taken_back = desk.post(f"/payments/{number}/cancellation")
    card, cash = taken_back["refunds"]
    assert desk.get("/refunds") == [card, cash]
    paid = desk.post(f"/refunds/{cash['refund_id']}/cash", command_id=command())
    assert paid["state"] == "paid"
    path = f"/refunds/{card['refund_id']}"
    assert desk.refused(f"{path}/cash", command_id=command()) == "hospital.refund_other_way"
    desk.post(f"{path}/reversal", command_id=command())
    assert desk.post(f"{path}/not-given")["state"] == "due"
    override = desk.post(
        "/overrides",
        command_id=command(),
        kind="refund_other_source",
        payment=number,
        amount_fen=50_00,
        reason="card_closed",
        text="银行卡已注销",
    )
    chief = window(ADMINISTRATOR_CALLS)
    assert chief.get("/overrides") == [override]
    decision = f"/overrides/{override['override_id']}/decision"
    assert desk.refused(decision, approves=True) == "staff.role_missing"
    assert chief.post(decision, approves=True)["state"] == "approved"
    turned = desk.post(f"{path}/way", way="epay", override_id=override["override_id"])
    assert turned["way"] == "epay"
    desk.post(f"{path}/reversal", command_id=command())
    assert desk.post(f"{path}/given", reference=ORDER)["state"] == "paid"
    assert desk.get("/refunds") == []


def test_a_shift_is_opened_counted_disputed_confirmed_and_its_day_closed(
    world: World, window: Window
) -> None:
    handed_over(world, world.shift)
    desk, other, chief = window(CLERK_CALLS), window(OTHER_CALLS), window(ADMINISTRATOR_CALLS)
    shift = desk.post("/shifts", command_id=command(), drawer="2", count={"10000": 2})
    assert desk.get("/shifts/own")["expected_fen"] == 200_00
    assert [each["shift"] for each in desk.get("/shifts")] == [shift]
    path = f"/shifts/{shift['shift_id']}"
    assert desk.refused(f"{path}/handover", count={"300": 1}, left_fen=0) == (
        "hospital.count_invalid"
    )
    desk.post(f"{path}/handover", count={"10000": 2}, left_fen=100_00)
    assert desk.refused(f"{path}/confirmation") == "staff.same_person"
    other.post(f"{path}/dispute")
    desk.post(f"{path}/handover", count={"10000": 1}, left_fen=0, reason="lost")
    closed = other.post(f"{path}/confirmation")
    assert (closed["difference_fen"], closed["state"]) == (-100_00, "closed")
    day = business_date(world.clock.now())
    assert desk.refused(f"/days/{day}/closing", command_id=command()) == "staff.role_missing"
    next_day(world)
    report = chief.get(f"/days/{day}")
    (difference,) = report["differences"]
    assert (difference["cause"], difference["repair"]) == ("drawer", "count_again")
    body = {"command_id": command(), "reason": "丢失已报案"}
    ended = chief.post(f"/days/{day}/closing", **body)
    assert chief.get(f"/days/{day}/closing") == ended
    assert chief.get(f"/days/{day}")["closed"] is True


@pytest.mark.parametrize("role", [Role.VOLUNTEER, Role.DOCTOR, Role.PHARMACIST])
def test_only_clerks_and_administrators_serve_at_a_window(
    world: World, window: Window, role: Role
) -> None:
    desk = window(caller(StaffId("S555"), role))
    encounter = world.registered()
    shown = desk.get(f"/encounters/{encounter.encounter_no}", expected=409)
    assert shown["code"] == "staff.role_missing"
    assert desk.refused("/shifts", command_id=command(), drawer="5", count={}) == (
        "staff.role_missing"
    )


def test_a_body_that_is_wrong_is_not_repeated_in_the_answer(window: Window) -> None:
    desk = window(CLERK_CALLS)
    body = {"kind": "document", "id_number": ZHANG.certno.value, "intent_id": "X", "more": 1}
    assert desk.refused("/people", evidence=body)
