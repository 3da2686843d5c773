"""HTTP doors for tests: routes with a caller or a terminal that the test chooses."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse, Response

from hospital.world import DOCTOR, DOCTOR_STAFF, HOSPITAL, KIOSK
from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.hospital.model import AtTerminal
from shualian.hospital.scheduling.model import Doctor
from shualian.staff.model import Caller, Employer, Role


class Door:
    """A client, and who is signed in behind it."""

    def __init__(self) -> None:
        self.caller = self.of(Role.DOCTOR)

    def of(self, role: Role, staff_id: StaffId = DOCTOR_STAFF) -> Caller:
        self.caller = Caller(staff_id, Employer(HOSPITAL), frozenset((role,)))
        return self.caller

    def who(self, _request: Request) -> Caller:
        return self.caller

    def doctor_of(self, _caller: Caller) -> Doctor:
        return DOCTOR

    def client(self, routes: Sequence[APIRouter]) -> TestClient:
        app = FastAPI()
        app.add_exception_handler(Refused, _said)
        for router in routes:
            app.include_router(router)
        return TestClient(app)


def at(_request: Request) -> AtTerminal:
    """The kiosk in the hall, whose request was verified."""
    return AtTerminal(KIOSK, HOSPITAL, "一层大厅 1 号机")


def _said(_request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return JSONResponse(refused.as_json(), status_code=409)
