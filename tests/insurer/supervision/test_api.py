"""Supervision over the real listener: signed requests, frames over the ordinary socket, staff."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from insurer.office import NOW
from insurer.supervision.house import (
    CHEN,
    HEAD,
    NURSE,
    SUPERVISOR,
    House,
    vector,
)
from shualian.core.clock import business_date
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import new_identifier
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.supervision.alerts import api as alerts_api
from shualian.insurer.supervision.alerts.model import AlertKind
from shualian.insurer.supervision.captures.service import EitherSessions
from shualian.insurer.supervision.signins import api as signins_api
from shualian.insurer.supervision.signins.api import CAPTURE_PATH, SIGN_IN_PATH, SignInAnswer
from shualian.insurer.supervision.signins.model import SignInMeans
from shualian.insurer.supervision.signins.service import Doctors, SignIns
from shualian.insurer.supervision.wardchecks import api as wardchecks_api
from shualian.insurer.supervision.wardchecks.model import moments
from shualian.terminals.model import Actor
from shualian.verification.api import terminal_routes
from shualian.verification.captures.model import BeginAnswer, RefusedMessage, ResultMessage
from shualian.verification.model import SessionState
from shualian.web.application import build_listener
from shualian.web.problems import answer_refusals
from terminals.district import HOSPITAL, ORIGIN
from verification.captures.hall import Hall, Visitor, visiting
from verification.captures.stage import ME, SOMEBODY_ELSE

SEED = bytes(range(32))


class SignInHall(Hall):
    """A hall whose terminal also signs doctors in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.house = House(self.database, folder, health=self.health, clock=self.clock)
        self.captures.sessions = EitherSessions(self.verification, self.house.captures)
        routers = [
            terminal_routes(self.captures, self.services, origin=ORIGIN),
            signins_api.terminal_routes(
                self.services, self.house.sign_ins, origin=ORIGIN, limits=self.captures.limits
            ),
        ]
        self.listener = build_listener("terminal", routers=routers, mode=Mode.SANDBOX)


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    hall = SignInHall(tmp_path)
    institution = HOSPITAL
    hall.house.registered(CHEN, (institution, "A03"))
    hall.house.doctor_gallery.enrol(CHEN, vector(ME), "painted", 80)
    hall.house.agree(CHEN)
    with visiting(hall) as visitor:
        yield visitor
    hall.close()


def _post(visitor: Visitor, path: str, expected: type[BaseModel], **fields: Any) -> Any:
    class Body(BaseModel):
        model_config = {"extra": "allow"}

    claim = visitor.client._claim
    body = Body(claim=claim.model_dump(mode="json"), **fields)  # type: ignore[call-arg]
    return visitor.client._post(path, body, expected)


def _captured(visitor: Visitor, who: int) -> tuple[BeginAnswer, ResultMessage | RefusedMessage]:
    begun = _post(
        visitor,
        CAPTURE_PATH,
        BeginAnswer,
        doctor=CHEN,
        purpose="doctor_sign_in",
        notice_version="2026-01",
        consents=["comparison"],
    )
    return begun, visitor.client.capture(begun, visitor.camera(who=who))


def _sign_in(visitor: Visitor, begun: BeginAnswer) -> SignInAnswer:
    answer: SignInAnswer = _post(
        visitor,
        SIGN_IN_PATH,
        SignInAnswer,
        command_id=new_identifier(),
        doctor=CHEN,
        dept_code="A03",
        session_id=begun.session_id,
    )
    return answer


def test_a_doctor_signs_in_at_a_terminal_from_the_touch_to_the_answer(visitor: Visitor) -> None:
    begun, result = _captured(visitor, ME)
    assert isinstance(result, ResultMessage), result

    answer = _sign_in(visitor, begun)

    assert result.state is SessionState.VERIFIED
    assert result.person is None
    assert answer.means is SignInMeans.FACE
    assert answer.institution == HOSPITAL


def test_somebody_else_is_refused_and_such_a_capture_proves_nothing(visitor: Visitor) -> None:
    begun, result = _captured(visitor, SOMEBODY_ELSE)

    assert isinstance(result, ResultMessage), result
    assert result.state is not SessionState.VERIFIED
    with pytest.raises(Refused) as refused:
        _sign_in(visitor, begun)
    assert refused.value.details["reason"] == "insurer.capture_not_fitting"


def test_a_capture_of_a_doctor_is_refused_without_consent_to_the_comparison(
    visitor: Visitor,
) -> None:
    with pytest.raises(Refused) as refused:
        _post(
            visitor,
            CAPTURE_PATH,
            BeginAnswer,
            doctor=CHEN,
            purpose="doctor_sign_in",
            notice_version="2026-01",
            consents=[],
        )

    assert refused.value.details["reason"] == "verification.consent_missing"


class Desk:
    """Staff routes, and who asks."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.actor: Actor = SUPERVISOR
        application = FastAPI()
        answer_refusals(application)

        def caller() -> Actor:
            return self.actor

        doctors: Doctors = house.doctors
        sign_ins: SignIns = house.sign_ins
        for routes in (
            alerts_api.staff_routes(house.alerts, caller),  # type: ignore[arg-type]
            signins_api.staff_routes(doctors, sign_ins, caller, clock=house.clock),  # type: ignore[arg-type]
            signins_api.registry_routes(doctors, caller, clock=house.clock),  # type: ignore[arg-type]
            wardchecks_api.ward_routes(house.ward_checks, caller, caller),  # type: ignore[arg-type]
            wardchecks_api.result_routes(house.ward_checks, caller),  # type: ignore[arg-type]
        ):
            application.include_router(routes)
        self.client = TestClient(application)

    def ask(self, actor: Actor, method: str, path: str, **body: Any) -> Any:
        self.actor = actor
        return self.client.request(method, path, json=body or None)


@pytest.fixture
def desk(sqlite_database: SqliteDatabase, tmp_path: Path) -> Desk:
    return Desk(House(sqlite_database, tmp_path))


def test_the_hospital_confirms_a_sign_in_and_both_sides_see_it(desk: Desk) -> None:
    desk.house.registered()
    asked = {
        "command_id": new_identifier(),
        "doctor": CHEN,
        "dept_code": "A03",
        "reason": "sterile",
    }
    wrong = desk.ask(SUPERVISOR, "POST", "/supervision/doctors/confirmed-sign-ins", **asked)
    right = desk.ask(HEAD, "POST", "/supervision/doctors/confirmed-sign-ins", **asked)

    assert wrong.json()["code"] == "insurer.supervision_other_side"
    assert right.status_code == 201
    assert right.json()["confirmed_by"] == HEAD.staff
    listed = desk.ask(SUPERVISOR, "GET", "/supervision/doctors/sign-ins").json()
    assert [each["reason"] for each in listed] == ["sterile"]
    (line,) = desk.ask(HEAD, "GET", "/supervision/doctors").json()
    assert (line["doctor"], line["masked_name"]) == (CHEN, "陈*生")
    out = desk.ask(HEAD, "POST", f"/supervision/doctors/{CHEN}/sign-out")
    assert out.json()["signed_out_at"] is not None


def test_a_supervisor_lists_a_doctor_and_a_withdrawal_tells_what_was_deleted(desk: Desk) -> None:
    number = desk.house.office.insured(55).id_number.value
    asked = {
        "doctor": "D1",
        "name": "新医生",
        "id_number": number,
        "practices": [{"institution": "H99000000003", "dept_code": "A03"}],
    }
    listed = desk.ask(SUPERVISOR, "POST", "/supervision/doctors", **asked)
    assert listed.status_code == 201, listed.text
    suspended = desk.ask(SUPERVISOR, "POST", "/supervision/doctors/D1/suspension", suspended=True)
    withdrawn = desk.ask(SUPERVISOR, "POST", "/supervision/doctors/D1/withdrawal")

    assert suspended.status_code == 204
    assert withdrawn.json()["templates"] == 0
    refused = desk.ask(SUPERVISOR, "POST", "/supervision/doctors", **(asked | {"doctor": "d-1"}))
    assert refused.status_code == 422
    assert number not in refused.text


def test_a_ward_check_over_http_from_the_list_to_the_result(desk: Desk) -> None:
    house = desk.house
    house.admitted()
    day = business_date(NOW)
    house.clock.set(moments(SEED, day, 2)[0])
    house.ward_checks.tick()
    (line,) = desk.ask(NURSE, "GET", "/supervision/ward-checks/open").json()
    path = f"/supervision/ward-checks/{line['check_id']}"

    desk.ask(HEAD, "POST", f"{path}/reason", reason="in_theatre")
    ended = desk.ask(NURSE, "POST", f"{path}/countersignature").json()

    assert ended["state"] == "excepted"
    since = {"since": day.isoformat()}
    desk.actor = SUPERVISOR
    rates = desk.client.get("/supervision/ward-checks/rates", params=since).json()
    assert rates == [{"ward": "W1", "passed": 0, "excepted": 1, "another_face": 0, "missed": 0}]
    results = desk.client.get("/supervision/ward-checks/results", params=since).json()
    assert [each["reason"] for each in results] == ["in_theatre"]
    fixed = desk.client.get(
        "/supervision/ward-checks/commitments", params={"day": day.isoformat()}
    ).json()
    draws = desk.client.get(
        "/supervision/ward-checks/draws",
        params={"day": day.isoformat(), "institution": "H99000000003"},
    ).json()
    assert list(fixed) == ["H99000000003"]
    assert draws == []


def test_alerts_are_for_supervisors_only(desk: Desk) -> None:
    alert = desk.house.alerts.raised(
        AlertKind.DOCTOR_FACE_DIFFERS, institution=HEAD.institution, reference="S1"
    )

    refused = desk.ask(HEAD, "GET", "/supervision/alerts")
    (line,) = desk.ask(SUPERVISOR, "GET", "/supervision/alerts").json()
    taken = desk.ask(SUPERVISOR, "POST", f"/supervision/alerts/{alert.alert_id}/acknowledgement")

    assert refused.json()["code"] == "insurer.supervision_other_side"
    assert line["kind"] == "doctor_face_differs"
    assert taken.json()["acknowledged_by"] == SUPERVISOR.staff
