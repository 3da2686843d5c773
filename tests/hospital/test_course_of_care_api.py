"""Records, scheduling, encounters and the emergency desk over HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import APIRouter, Request
from starlette.testclient import TestClient

from hospital.scheduling.clinic import CHIEF, HEAD, ROOM, TODAY, row, set_up
from hospital.world import (
    DOCTOR,
    HOSPITAL,
    INTERNAL,
    KIOSK,
    LI,
    OTHER_HOSPITAL,
    PIN,
    ZHANG,
    World,
    command,
    staff,
)
from shualian.core.identifiers import StaffId
from shualian.core.mode import Mode
from shualian.hospital.emergencies import api as emergencies_api
from shualian.hospital.encounters import api as encounters_api
from shualian.hospital.model import AtTerminal, CodeEvidence, Evidence, FaceEvidence, InsuredPerson
from shualian.hospital.records import api as records_api
from shualian.hospital.scheduling import api as scheduling_api
from shualian.staff.model import Caller, Employer, Role
from shualian.verification.model import Scene
from shualian.web.application import build_listener

STAFF = "/hospital/v1"


@dataclass
class Desk:
    """The routes over a world, and who asks at the moment."""

    world: World
    client: TestClient
    caller: Caller

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.client.post(path, json={} if body is None else body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str, **query: str) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, body: Any) -> str:
        answer = self.client.post(path, json=body)
        assert answer.status_code >= 400
        return str(answer.json()["code"])

    def as_(self, *roles: Role) -> "Desk":
        self.caller = staff(*roles)
        return self

    def face(self, person: InsuredPerson = ZHANG, scene: Scene = Scene.REGISTRATION) -> Any:
        return body_of(self.world.scan(person, scene=scene))

    def session_no(self) -> str:
        return str(self.post(scheduling_api.SESSIONS_PATH)[0]["session_no"])

    def register(self, person: InsuredPerson = ZHANG) -> Any:
        taken = {"command_id": command(), "session_no": self.session_no()}
        return self.post(scheduling_api.REGISTER_PATH, taken | {"evidence": self.face(person)})


def body_of(evidence: Evidence) -> Any:
    assert isinstance(evidence, FaceEvidence | CodeEvidence)
    if isinstance(evidence, CodeEvidence):
        return {"kind": "code", "token": evidence.token, "intent_id": evidence.intent_id}
    return {
        "kind": "face",
        "auth_no": evidence.auth_no,
        "intent_id": evidence.intent_id,
        "scene": evidence.scene.value,
        "first_frame_at": evidence.first_frame_at.isoformat(),
    }


def document(person: InsuredPerson = ZHANG) -> Any:
    return {"kind": "document", "id_number": person.certno.value, "intent_id": command()}


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    set_up(world)
    signed = APIRouter()
    here = AtTerminal(KIOSK, HOSPITAL, "一层大厅 2 号机")

    def at(_: Request) -> AtTerminal:
        return here

    def caller(_: Request) -> Caller:
        return found.caller

    records_api.terminal_routes(signed, world.records, at)
    scheduling_api.terminal_routes(
        signed, world.schedule, world.appointments, world.encounters, at, clock=world.clock
    )
    encounters_api.terminal_routes(signed, world.encounters, at)
    routers = (
        signed,
        records_api.staff_routes(world.records, caller, institution=HOSPITAL, clock=world.clock),
        scheduling_api.staff_routes(
            world.schedule,
            world.appointments,
            world.encounters,
            caller,
            institution=HOSPITAL,
            clock=world.clock,
        ),
        encounters_api.staff_routes(
            world.encounters,
            world.records,
            lambda code: world.schedule.department(dept_code=code),
            caller,
            institution=HOSPITAL,
            clock=world.clock,
        ),
        emergencies_api.staff_routes(
            world.emergencies,
            world.records,
            world.schedule,
            caller,
            institution=HOSPITAL,
            clock=world.clock,
        ),
    )
    app = build_listener("staff", routers=routers, mode=Mode.SANDBOX)
    with TestClient(app) as client:
        found = Desk(world, client, staff(Role.CLERK))
        yield found


def test_a_person_opens_a_record_books_takes_a_number_and_sees_the_place(desk: Desk) -> None:
    scan = desk.face()
    record = desk.post(records_api.OPEN_PATH, {"command_id": command(), "evidence": scan})
    assert (record["masked_name"], record["person_known"]) == ("张*国", True)
    slots = desk.post(scheduling_api.SLOTS_PATH, {"session_no": desk.session_no()})
    assert [slot["free"] for slot in slots] == [True] * 4
    taken = {"command_id": command(), "session_no": desk.session_no(), "slot_no": 2}
    booked = desk.post(scheduling_api.BOOK_PATH, taken | {"evidence": scan})
    assert (booked["slot_no"], booked["state"]) == (2, "booked")
    (own,) = desk.post(scheduling_api.OWN_PATH, {"evidence": scan})
    assert own == booked
    number = desk.post(
        scheduling_api.CHECK_IN_PATH,
        {
            "command_id": command(),
            "appointment_no": booked["appointment_no"],
            "evidence": desk.face(),
        },
    )
    assert (number["queue_no"], number["ahead"]) == ("A001", 0)
    position = desk.post(encounters_api.POSITION_PATH, {"encounter_no": number["encounter_no"]})
    assert (position["queue_no"], position["ahead"]) == ("A001", 0)
    assert "张" not in str(position)


def test_lists_speak_chinese_and_english(desk: Desk) -> None:
    desk.as_(Role.ADMINISTRATOR)
    departments = [
        {
            "dept_code": "A05",
            "dept_name": "儿科",
            "name_en": "Paediatrics",
            "caty": "A05",
            "queue_letter": "C",
        }
    ]
    desk.post(f"{STAFF}/scheduling/departments", {"departments": departments}, 204)
    doctors = [
        {
            "dr_code": "D990000000009",
            "dr_name": "示例儿科医生",
            "name_en": "Dr Sample Child",
            "dept_code": "A05",
            "title": "associate_chief",
        }
    ]
    desk.post(f"{STAFF}/scheduling/doctors", {"doctors": doctors}, 204)
    names = [each["name"] for each in desk.post(scheduling_api.DEPARTMENTS_PATH)]
    assert {"zh": "儿科", "en": "Paediatrics"} in names
    (doctor,) = desk.post(scheduling_api.DOCTORS_PATH, {"dept_code": "A05"})
    assert doctor["title_words"] == {"zh": "副主任医师", "en": "Associate chief physician"}
    (first, *_) = desk.get(f"{STAFF}/scheduling/sessions")
    assert first["period_words"] == {"zh": "上午", "en": "Morning"}
    assert (first["room"]["en"], first["fee_fen"], first["left"]) == ("Room 203", 2500, 4)
    assert len(desk.get(f"{STAFF}/scheduling/doctors", dept_code="A05")) == 1
    assert len(desk.get(f"{STAFF}/scheduling/departments")) == 3


def test_sessions_are_imported_by_an_administrator_only(desk: Desk) -> None:
    body = {"csv": HEAD + row(CHIEF, TODAY)}
    assert desk.refused(f"{STAFF}/scheduling/sessions", body) == "staff.role_missing"
    added = desk.as_(Role.ADMINISTRATOR).post(f"{STAFF}/scheduling/sessions", body)
    assert added == {"added": 1}
    assert len(desk.post(scheduling_api.SESSIONS_PATH, {"dr_code": CHIEF.dr_code})) == 1


def test_a_booking_is_moved_and_cancelled_at_a_terminal_by_its_person(desk: Desk) -> None:
    first, second = (each["session_no"] for each in desk.post(scheduling_api.SESSIONS_PATH))
    code = body_of(desk.world.code())
    booked = desk.post(
        scheduling_api.BOOK_PATH,
        {"command_id": command(), "session_no": first, "evidence": code},
    )
    number = {"appointment_no": booked["appointment_no"]}
    moved = desk.post(
        scheduling_api.MOVE_PATH,
        number | {"command_id": command(), "session_no": second, "evidence": code},
    )
    assert moved["session_no"] == second
    desk.world.record(LI)
    theirs = number | {"command_id": command(), "evidence": desk.face(LI)}
    assert desk.refused(scheduling_api.CANCEL_PATH, theirs) == "hospital.appointment_not_found"
    own = number | {"command_id": command(), "evidence": code}
    assert desk.post(scheduling_api.CANCEL_PATH, own)["state"] == "cancelled"


def test_a_clerk_does_everything_at_the_window_with_a_document(desk: Desk) -> None:
    record = desk.post(f"{STAFF}/records/open", {"command_id": command(), "evidence": document()})
    assert record["masked_name"] == "张*国"
    first, second = (each["session_no"] for each in desk.get(f"{STAFF}/scheduling/sessions"))
    booked = desk.post(
        f"{STAFF}/scheduling/book",
        {"command_id": command(), "session_no": first, "evidence": document()},
    )
    number = {"appointment_no": booked["appointment_no"], "evidence": document()}
    desk.post(f"{STAFF}/scheduling/move", number | {"command_id": command(), "session_no": second})
    assert len(desk.post(f"{STAFF}/scheduling/own", {"evidence": document()})) == 1
    visit = desk.post(f"{STAFF}/scheduling/check-in", number | {"command_id": command()})
    assert visit["queue_no"] == "A001"
    card = desk.world.card()
    shown = {"kind": "card", "card_no": card.card_no, "pin": PIN, "intent_id": command()}
    registered = desk.post(
        f"{STAFF}/scheduling/register",
        {"command_id": command(), "session_no": first, "evidence": shown},
    )
    assert registered["queue_no"] == "A002"
    cancelled = desk.post(f"{STAFF}/scheduling/cancel", number | {"command_id": command()})
    assert cancelled["state"] == "cancelled"


def test_a_clerk_registers_who_shows_nothing_with_a_reason(desk: Desk) -> None:
    record_no = desk.world.record().record_no
    body = {"command_id": command(), "session_no": desk.session_no()}
    override = {"record_no": record_no, "reason": "confused"}
    visit = desk.post(f"{STAFF}/scheduling/register", body | {"override": override})
    found = desk.get(f"{STAFF}/encounters/{visit['encounter_no']}")
    assert (found["override_reason"], found["identity_verified_at"]) == ("confused", None)
    for wrong in (body, body | {"override": override, "evidence": document()}):
        answer = desk.client.post(f"{STAFF}/scheduling/register", json=wrong)
        assert answer.status_code == 422
        assert ZHANG.certno.value not in answer.text


def test_a_doctor_calls_sees_who_it_is_and_goes_through_the_visit(desk: Desk) -> None:
    desk.register(ZHANG)
    desk.register(LI)
    desk.as_(Role.DOCTOR)
    queue = f"{STAFF}/encounters/queue"
    waiting = desk.get(queue, dept_code=INTERNAL.dept_code)["waiting"]
    assert [each["queue_no"] for each in waiting] == ["A001", "A002"]
    assert [each["masked_name"] for each in waiting] == ["张*国", "李*"]
    called = desk.post(f"{STAFF}/encounters/call-next", {"dept_code": INTERNAL.dept_code})
    assert called["armed"]
    assert desk.world.expected.calls == {ROOM: ZHANG.psn_no}
    number = called["encounter"]["encounter_no"]
    scan = desk.face(scene=Scene.CONSULTATION) | {"terminal_id": str(KIOSK)}
    bar = desk.post(f"{STAFF}/encounters/{number}/begin", {"evidence": scan})
    assert (bar["state"], bar["identity_channel"]) == ("in_consultation", "face")
    for path, state in (
        ("awaiting-results", "waiting_results"),
        ("returned", "returned"),
        ("call", "called"),
        ("missed", "returned"),
        ("call", "called"),
        ("begin", "in_consultation"),
        ("close", "closed"),
    ):
        answer = desk.post(f"{STAFF}/encounters/{number}/{path}")
        assert (answer.get("encounter") or answer)["state"] == state
    left = desk.get(queue, dept_code=INTERNAL.dept_code)
    assert [each["queue_no"] for each in left["waiting"]] == ["A002"]


def test_a_look_is_logged_and_the_patient_reads_it_at_a_terminal(desk: Desk) -> None:
    visit = desk.register()
    desk.as_(Role.DOCTOR)
    record = f"{STAFF}/records/{visit['record_no']}"
    entry = {"command_id": command(), "kind": "allergy", "text": "青霉素"}
    added = desk.post(f"{record}/entries", entry, 201)
    chart = desk.post(f"{record}/looks", {"why": "consultation"})
    assert (chart["name"], chart["entries"][0]["text"]) == (ZHANG.psn_name, "青霉素")
    removal = {"reason": "皮试阴性"}
    removed = desk.post(f"{STAFF}/records/entries/{added['entry_no']}/removal", removal)
    assert removed["removal_reason"] == "皮试阴性"
    (look,) = desk.post(records_api.LOOKS_PATH, {"evidence": desk.face()})
    assert (look["role"]["zh"], look["why"]["en"]) == ("医生", "During your consultation")
    desk.world.record(LI)
    assert desk.post(records_api.LOOKS_PATH, {"evidence": desk.face(LI)}) == []


def test_somebody_whom_nobody_knows_is_received_and_named_later(desk: Desk) -> None:
    desk.as_(Role.NURSE)
    body = {
        "command_id": command(),
        "dept_code": INTERNAL.dept_code,
        "dr_code": DOCTOR.dr_code,
        "triage": 1,
        "sex": "1",
        "age_band": "60-69",
    }
    received = desk.post(f"{STAFF}/emergencies", body, 201)
    assert (received["masked_name"], received["insured"]) == ("无名氏0105-1", False)
    identity = {"command_id": command(), "evidence": document(), "told_by": "kin"}
    path = f"{STAFF}/emergencies/{received['encounter_no']}/identity"
    known = desk.post(path, identity)
    assert (known["masked_name"], known["insured"]) == ("张*国", True)


@pytest.mark.parametrize(
    "caller",
    [
        staff(Role.VOLUNTEER),
        Caller(StaffId("S9"), Employer(OTHER_HOSPITAL), frozenset(Role)),
        Caller(StaffId("S8"), Employer(None), frozenset((Role.SUPERVISOR, Role.OPERATOR))),
    ],
)
def test_whoever_has_no_business_here_gets_nowhere(desk: Desk, caller: Caller) -> None:
    visit = desk.register()
    desk.caller = caller
    number, record_no = visit["encounter_no"], visit["record_no"]
    shown = {"command_id": command(), "evidence": document()}
    look = {"why": "emergency", "note": "why"}
    for path, body in (
        (f"{STAFF}/records/open", shown),
        (f"{STAFF}/records/{record_no}/looks", look),
        (f"{STAFF}/encounters/{number}/call", {}),
        (f"{STAFF}/encounters/{number}/close", {}),
        (f"{STAFF}/scheduling/book", shown | {"session_no": desk.session_no()}),
    ):
        assert desk.refused(path, body) == "staff.role_missing"
    assert desk.client.get(f"{STAFF}/encounters/{number}").json()["code"] == "staff.role_missing"


def test_no_input_comes_back_in_an_error(desk: Desk) -> None:
    body = {"command_id": "no such identifier!", "evidence": document()}
    for path in (f"{STAFF}/records/open", records_api.OPEN_PATH):
        answer = desk.client.post(path, json=body)
        assert answer.status_code == 422
        assert ZHANG.certno.value not in answer.text
