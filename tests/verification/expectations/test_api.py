"""Expectations and calls over HTTP: a hospital speaks for itself only."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.verification.expectations.api import staff_routes
from verification.expectations.test_service import (
    ELSEWHERE,
    FOREIGN,
    HOSPITAL,
    ROOM_1,
    TODAY,
    ZHANG,
    Hospital,
)

DOCTOR = InstitutionStaff(StaffId("DOCTOR-1"), HOSPITAL)
STRANGER = InstitutionStaff(StaffId("DOCTOR-2"), ELSEWHERE)
SUPERVISOR = InsurerStaff(StaffId("SUPERVISOR-1"))
COMING = {"psn_no": ZHANG, "day": TODAY.isoformat(), "why": "appointment"}
CALLED = {"terminal_id": ROOM_1, "psn_no": ZHANG}

As = Callable[[Actor], TestClient]


@pytest.fixture
def hospital(sqlite_database: SqliteDatabase) -> Hospital:
    return Hospital(sqlite_database)


@pytest.fixture
def signed_in(hospital: Hospital) -> As:
    def client(who: Actor) -> TestClient:
        app = FastAPI()

        @app.exception_handler(Refused)
        def refused(_request: Request, failure: Refused) -> JSONResponse:
            return JSONResponse(failure.as_json(), status_code=409)

        def caller(_request: Request) -> Actor:
            return who

        app.include_router(staff_routes(hospital.people, caller))
        return TestClient(app)

    return client


def expected(hospital: Hospital) -> set[str]:
    return set(hospital.people.expected(HOSPITAL, now=hospital.clock.now()))


def test_a_hospital_tells_who_comes_and_who_does_not(hospital: Hospital, signed_in: As) -> None:
    doctor = signed_in(DOCTOR)
    assert doctor.post("/expectations", json=COMING).status_code == 204
    assert expected(hospital) == {ZHANG}
    assert doctor.post("/expectations/removals", json=COMING).status_code == 204
    assert expected(hospital) == set()


def test_a_doctor_calls_a_patient_to_the_room_and_ends_the_call(
    hospital: Hospital, signed_in: As
) -> None:
    doctor = signed_in(DOCTOR)
    answer = doctor.post("/calls", json=CALLED)
    assert answer.status_code == 201
    assert answer.json()["until"] > hospital.clock.now().isoformat()[:19]
    assert hospital.people.called(ROOM_1, now=hospital.clock.now()) == ZHANG
    assert doctor.post("/calls/end", json={"terminal_id": ROOM_1}).status_code == 204
    assert hospital.people.called(ROOM_1, now=hospital.clock.now()) is None


def test_nobody_arms_a_terminal_of_another_hospital(hospital: Hospital, signed_in: As) -> None:
    refused = signed_in(DOCTOR).post("/calls", json=CALLED | {"terminal_id": FOREIGN})
    assert refused.json()["code"] == "terminals.terminal_not_found"
    signed_in(DOCTOR).post("/calls", json=CALLED)
    signed_in(STRANGER).post("/calls/end", json={"terminal_id": ROOM_1})
    assert hospital.people.called(ROOM_1, now=hospital.clock.now()) == ZHANG


def test_a_hospital_speaks_for_itself_only(hospital: Hospital, signed_in: As) -> None:
    signed_in(STRANGER).post("/expectations", json=COMING)
    assert expected(hospital) == set()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/expectations", COMING),
        ("/expectations/removals", COMING),
        ("/calls", CALLED),
        ("/calls/end", {"terminal_id": ROOM_1}),
    ],
)
def test_the_insurers_staff_do_not_speak_for_a_hospital(
    path: str, body: dict[str, str], signed_in: As
) -> None:
    assert signed_in(SUPERVISOR).post(path, json=body).json()["code"] == "terminals.wrong_side"
