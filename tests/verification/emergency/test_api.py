"""The emergency search over HTTP: who may call what, and what travels."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from shualian.core.database import SqliteDatabase
from shualian.core.refusals import Refused
from shualian.terminals.model import Actor
from shualian.verification.emergency.api import staff_routes
from verification.emergency.room import (
    DOCTOR,
    NAMES,
    NUMBERS,
    NURSE,
    PEOPLE,
    SUPERVISOR,
    EmergencyRoom,
    jpeg,
)

STAFF: dict[str, Actor] = {"nurse": NURSE, "doctor": DOCTOR, "supervisor": SUPERVISOR}


class Ward:
    """A client whose every call is by somebody who is signed in."""

    def __init__(self, room: EmergencyRoom) -> None:
        app = FastAPI()

        @app.exception_handler(Refused)
        def refused(_request: Request, failure: Refused) -> JSONResponse:
            return JSONResponse(failure.as_json(), status_code=409)

        def caller(request: Request) -> Actor:
            return STAFF[request.headers["x-staff"]]

        app.include_router(staff_routes(room.service, caller))
        self.client = TestClient(app)

    def __call__(self, who: str, method: str, path: str, **content: Any) -> Any:
        headers = {"x-staff": who, **content.pop("headers", {})}
        self.response = self.client.request(
            method, f"/emergencies{path}", headers=headers, **content
        )
        return self.response.json() if self.response.content else None

    def propose(self, who: str = "nurse", **body: Any) -> Any:
        return self(who, "POST", "", json={"reason": "unconscious", **body})

    def approve(self, emergency_id: str, who: str = "doctor") -> Any:
        return self(
            who,
            "POST",
            f"/{emergency_id}/approval",
            content=jpeg(),
            headers={"content-type": "image/jpeg"},
        )


@pytest.fixture
def ward(sqlite_database: SqliteDatabase) -> Iterator[Ward]:
    made = Ward(EmergencyRoom(sqlite_database))
    yield made
    made.client.close()


def test_a_nurse_proposes_a_doctor_approves_with_the_picture_and_a_supervisor_reviews(
    ward: Ward,
) -> None:
    proposed = ward.propose(words="车祸，叫不醒")
    answer = ward.approve(proposed["emergency_id"])

    assert [each["place"] for each in answer["suggestions"]] == [1, 2, 3]
    assert answer["for_care_only"] is True
    assert ward.response.headers["cache-control"] == "no-store"
    (waiting,) = ward("supervisor", "GET", "/reviews")
    assert waiting["words"] == "车祸，叫不醒"
    path = f"/{proposed['emergency_id']}/review"
    ward("supervisor", "POST", path, json={"finding": "justified"})
    assert ward.response.status_code == 204
    assert ward("supervisor", "GET", "/reviews") == []


def test_nothing_of_a_person_leaves_unmasked(ward: Ward) -> None:
    ward.approve(ward.propose()["emergency_id"])

    text = ward.response.text
    assert not [secret for secret in (*NAMES, *NUMBERS, *PEOPLE) if secret in text]


def test_the_same_person_cannot_approve(ward: Ward) -> None:
    answer = ward.approve(ward.propose()["emergency_id"], "nurse")

    assert answer["code"] == "staff.same_person"


def test_each_side_has_its_own_part(ward: Ward) -> None:
    emergency_id = ward.propose()["emergency_id"]
    path = f"/{emergency_id}/review"

    for answer in (
        ward.propose("supervisor"),
        ward.approve(emergency_id, "supervisor"),
        ward("doctor", "GET", "/reviews"),
        ward("doctor", "POST", path, json={"finding": "justified"}),
    ):
        assert answer["code"] == "verification.emergency_other_side"


@pytest.mark.parametrize(
    "body", [{"reason": "curiosity"}, {"words": "x" * 201}, {"name": "张建国"}, {"reason": None}]
)
def test_a_body_of_another_form_is_refused(ward: Ward, body: dict[str, Any]) -> None:
    ward.propose(**body)

    assert ward.response.status_code == 422
