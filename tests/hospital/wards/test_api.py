"""Wards over HTTP: what each role may do, and a stay from the desk to its settlement at the bed."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from hospital.wards.ward import BED_DAY, DIALYSIS, NURSE, NURSING_DAY, Wards
from hospital.world import DOCTOR, HOSPITAL, KIOSK, ZHANG, command
from shualian.core.identifiers import IntentId
from shualian.hospital.model import AtTerminal, FaceEvidence
from shualian.hospital.wards.api import PREFIX, TERMINAL_PREFIX, staff_routes, terminal_routes
from shualian.staff.model import Caller, Employer, Role
from shualian.verification.model import Scene
from shualian.web.problems import answer_refusals

DOCTOR_BODY = {"dr_code": DOCTOR.dr_code, "dr_name": DOCTOR.dr_name}


class Desk:
    """Both listeners' routes over one ward, and who asks."""

    def __init__(self, wards: Wards) -> None:
        self.wards = wards
        self.roles = frozenset((Role.NURSE,))
        application = FastAPI()
        answer_refusals(application)
        routes = staff_routes(wards.services, self._caller, clock=wards.world.clock)
        application.include_router(routes)
        application.include_router(terminal_routes(APIRouter(), wards.services, self._at))
        self.client = TestClient(application)

    def ask(self, role: Role, method: str, path: str, **body: Any) -> Any:
        self.roles = frozenset((role,))
        return self.client.request(method, PREFIX + path, json=body or None)

    def at_bed(self, path: str, **body: Any) -> Any:
        return self.client.post(TERMINAL_PREFIX + path, json=body)

    def admit(self, **changed: Any) -> Any:
        body = {
            "command_id": command(),
            "record_no": self.wards.world.record().record_no,
            "ward": "W1",
            "bed_no": "1",
            "nursing": "two",
            "doctor": DOCTOR_BODY,
            "evidence": face(self.wards.world.scan(scene=Scene.ADMISSION), at_window=True),
        }
        return self.ask(Role.CLERK, "POST", "/stays", **(body | changed))

    def _caller(self, _request: Request) -> Caller:
        return Caller(NURSE, Employer(HOSPITAL), self.roles)

    def _at(self, _request: Request) -> AtTerminal:
        return AtTerminal(KIOSK, HOSPITAL, "东病区 1 床")


def face(evidence: FaceEvidence, *, at_window: bool = False) -> dict[str, str]:
    body = {
        "kind": "face",
        "auth_no": evidence.auth_no,
        "intent_id": evidence.intent_id,
        "scene": evidence.scene.value,
        "first_frame_at": evidence.first_frame_at.isoformat(),
    }
    return body | ({"terminal_id": evidence.terminal_id} if at_window else {})


@pytest.fixture
def desk(wards: Wards) -> Desk:
    return Desk(wards)


def test_from_the_admission_desk_to_a_settlement_by_face_at_the_bed(desk: Desk) -> None:
    stay = desk.admit().json()
    ordered = desk.ask(
        Role.DOCTOR,
        "POST",
        f"/stays/{stay['stay_no']}/orders",
        command_id=command(),
        doctor=DOCTOR_BODY,
        lines=[{"medins_list_codg": "JC002", "cnt": "1"}],
    )
    bill = desk.at_bed("/payments", command_id=command(), stay_no=stay["stay_no"])
    shown = bill.json()
    scan = desk.wards.world.scan(scene=Scene.SETTLEMENT, intent_id=IntentId(shown["intent_id"]))
    settled = desk.at_bed("/settlements", command_id=shown["command_id"], evidence=face(scan))

    assert (stay["state"], stay["masked_name"]) == ("admitted", "张*国")
    assert ordered.status_code == 201
    assert (bill.status_code, shown["medfee_sumamt"]) == (201, 220_00)
    assert settled.json()["state"] == "settled"
    open_items = desk.ask(Role.NURSE, "GET", f"/stays/{stay['stay_no']}/open-items")
    assert open_items.json() == []


def test_a_nurse_settles_by_wristband_and_the_patient_leaves(desk: Desk) -> None:
    stay_no = desk.admit().json()["stay_no"]
    band = desk.ask(Role.NURSE, "POST", f"/stays/{stay_no}/wristband").json()["wristband"]
    desk.wards.pass_days(1)
    charged = desk.ask(Role.NURSE, "POST", "/day-charges").json()
    bill = desk.ask(Role.NURSE, "POST", f"/stays/{stay_no}/payments", command_id=command()).json()
    path = f"/payments/{bill['command_id']}/wristband-settlement"

    by_clerk = desk.ask(Role.CLERK, "POST", path, wristband=band, reason="asleep")
    by_nurse = desk.ask(Role.NURSE, "POST", path, wristband=band, reason="asleep")
    left = desk.ask(Role.NURSE, "POST", f"/stays/{stay_no}/discharge")

    assert [each["stay_no"] for each in charged] == [stay_no]
    assert by_clerk.json()["code"] == "staff.role_missing"
    assert by_nurse.json()["state"] == "settled"
    assert left.json()["state"] == "closed"
    assert desk.ask(Role.NURSE, "GET", "/stays").json() == []


def test_the_ward_list_shows_beds_and_masked_names_and_is_not_kept(desk: Desk) -> None:
    desk.admit()

    answer = desk.ask(Role.DOCTOR, "GET", "/beds/W1")

    assert answer.headers["cache-control"] == "no-store"
    lying = {line["bed_no"]: line["stay"] for line in answer.json()}
    assert lying["2"] is None
    assert lying["1"]["masked_name"] == "张*国"
    assert ZHANG.psn_name not in answer.text
    assert ZHANG.certno.value not in answer.text
    assert [each["code"] for each in desk.ask(Role.CLERK, "GET", "").json()] == ["W1", "W2"]


def test_a_patient_is_moved_reinstated_and_an_admission_taken_back(desk: Desk) -> None:
    stay_no = desk.admit().json()["stay_no"]
    moved = desk.ask(
        Role.NURSE,
        "POST",
        f"/stays/{stay_no}/transfer",
        ward="W2",
        bed_no="2",
        nursing="two",
    ).json()
    desk.ask(Role.DOCTOR, "POST", f"/stays/{stay_no}/discharge")
    back = desk.ask(
        Role.CLERK, "POST", f"/stays/{stay_no}/reinstatement", ward="W1", bed_no="2"
    ).json()
    charged = desk.ask(Role.CLERK, "POST", f"/stays/{stay_no}/cancellation")

    assert (moved["ward"], moved["bed_no"]) == ("W2", "2")
    assert (back["state"], back["ward"], back["bed_no"]) == ("admitted", "W1", "2")
    assert charged.json()["code"] == "hospital.stay_charged"


def test_staff_admit_without_a_face_only_with_a_reason(desk: Desk) -> None:
    without = desk.admit(evidence=None)
    with_reason = desk.admit(evidence=None, reason="unconscious", insutype="310")

    assert without.json()["code"] == "hospital.no_staff_check"
    assert with_reason.json()["admitted_by"] == "unconscious"


def test_an_administrator_sets_wards_up_and_nobody_else(desk: Desk) -> None:
    ward = {
        "code": "W3",
        "name": "透析室",
        "caty": "A03",
        "nursing": {"two": NURSING_DAY},
        "beds": [{"bed_no": "1", "item": BED_DAY}],
    }
    by_nurse = desk.ask(Role.NURSE, "PUT", "", **ward)
    by_administrator = desk.ask(Role.ADMINISTRATOR, "PUT", "", **ward)

    assert by_nurse.json()["code"] == "staff.role_missing"
    assert by_administrator.status_code == 204
    assert [each["bed_no"] for each in desk.ask(Role.NURSE, "GET", "/beds/W3").json()] == ["1"]


def test_the_list_of_who_has_not_settled_the_dialysis(desk: Desk) -> None:
    stay = desk.admit().json()
    desk.ask(
        Role.DOCTOR,
        "PUT",
        "/dialysis/standing-orders",
        record_no=stay["record_no"],
        doctor=DOCTOR_BODY,
        lines=[{"medins_list_codg": DIALYSIS, "cnt": "1"}],
    )
    session = desk.ask(
        Role.NURSE,
        "POST",
        "/dialysis/sessions",
        command_id=command(),
        encounter_no=stay["stay_no"],
    ).json()
    (waiting,) = desk.ask(Role.NURSE, "GET", "/dialysis/unsettled").json()
    ended = desk.ask(Role.NURSE, "POST", f"/dialysis/sessions/{session['session_no']}/end")

    assert (waiting["open_fen"], waiting["masked_name"]) == (400_00, "张*国")
    assert ended.json()["ended_at"] is not None


def test_a_bill_is_settled_at_the_window_and_taken_back(desk: Desk) -> None:
    stay_no = desk.admit().json()["stay_no"]
    desk.wards.pass_days(1)
    desk.ask(Role.NURSE, "POST", "/day-charges")
    bill = desk.ask(Role.CLERK, "POST", f"/stays/{stay_no}/payments", command_id=command()).json()
    number = bill["command_id"]
    evidence = {
        "kind": "document",
        "id_number": ZHANG.certno.value,
        "intent_id": bill["intent_id"],
    }

    settled = desk.ask(Role.CLERK, "POST", f"/payments/{number}/settlement", evidence=evidence)
    cancelled = desk.ask(Role.CLERK, "POST", f"/payments/{number}/cancellation")

    assert settled.json()["state"] == "settled", settled.text
    assert cancelled.json()["state"] == "cancelled"
    assert desk.wards.charges.open_items(stay_no)


def test_a_body_that_is_not_right_is_refused_without_quoting_it(desk: Desk) -> None:
    answer = desk.admit(evidence={"kind": "document", "id_number": "1" * 18, "x": "y"})

    assert answer.status_code == 422
    assert "1" * 18 not in answer.text
