"""The two listeners over a real database, without the face engine, which they do not touch."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient

from shualian.assembly import HOSPITAL_TABLES, INSURER_TABLES, HospitalSide, InsurerSide
from shualian.assembly.house import ports_of
from shualian.assembly.insurer_side import assemble_insurer
from shualian.core.database import SqliteDatabase
from shualian.core.mode import Mode
from shualian.core.settings import HospitalSettings, Settings
from shualian.face.calibration import calibration_from_json
from shualian.face.engine import FaceEngine
from shualian.hospital.orders.store import load_price_list, packaged_price_lists
from shualian.sandbox.authenticator import ORIGIN as STAFF_ORIGIN
from shualian.staff.model import INSURER, Caller
from shualian.terminals.agent.model import ClaimBody, sign_request
from shualian.terminals.api import WHO_AM_I_PATH, WhoAmIBody
from shualian.terminals.register.model import Position
from shualian.terminals.service import TerminalServices
from shualian.trust.signatures import SigningKey
from shualian.web.listeners import (
    build_hospital_listener,
    build_staff_listener,
    build_terminal_listener,
)
from staff.house import House as StaffHouse
from staff.house import Ward
from tables import make_tables
from terminals.district import ADDRESS, HOSPITAL, ORIGIN, Device, District

SETTINGS = Settings(
    terminal_origin=ORIGIN, staff_origin=STAFF_ORIGIN, registry_url="http://localhost:1"
)
OWN = HospitalSettings(
    code=HOSPITAL, name="示例市第一医院", terminal_origin=ORIGIN, staff_origin=STAFF_ORIGIN
)
SCENE = "01101"
HOSPITAL_COOKIE = f"shualian_staff_hospital_{HOSPITAL}"
CALIBRATION = calibration_from_json(
    next((files("shualian.face") / "calibrations").iterdir()).read_text("utf-8")
)
"""The shipped one, which says what of liveness and comparison is proven."""
JSON = {"content-type": "application/json"}


class Blind:
    """An engine that is asked for nothing: no test here sends a frame."""

    path_id = CALIBRATION.path.path_id
    dimension = 8


class Listeners:
    """Both listeners; terminals and clock as in the tests of terminals."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.insurer_database = SqliteDatabase(f"sqlite:///{folder}/insurer.db")
        self.hospital_database = SqliteDatabase(f"sqlite:///{folder}/hospital.db")
        self.district = District(self.insurer_database)
        self.district.register_models()
        self.office = StaffHouse(self.insurer_database, folder / "insurer-keys")
        self.ward = Ward(self.hospital_database, folder / "hospital-keys")
        self.ward.clock.set(self.office.clock.now())
        self.side = self._side()
        named = SimpleNamespace(staff=self.ward.services, institution=HOSPITAL, settings=OWN)
        known = cast("HospitalSide", named)
        self.terminal: FastAPI = build_terminal_listener(self.side, SETTINGS)
        self.staff: FastAPI = build_staff_listener(self.side, SETTINGS, hospitals=[known])

    @cached_property
    def hospital(self) -> FastAPI:
        """The listener of the whole hospital; slow to make, so made when it is asked for."""
        return build_hospital_listener(self._hospital(), self.side, SETTINGS)

    def _side(self) -> InsurerSide:
        services = TerminalServices(
            register=self.district.register,
            enrolments=self.district.enrolments,
            requests=self.district.requests,
            heartbeats=self.district.heartbeats,
        )
        make_tables(self.insurer_database, INSURER_TABLES)
        side = assemble_insurer(
            SETTINGS.model_copy(update={"data_dir": self._folder}),
            mode=Mode.SANDBOX,
            clock=self.district.clock,
            database=self.insurer_database,
            engine=cast("FaceEngine", Blind()),
            calibration=CALIBRATION,
        )
        return replace(side, terminals=services, staff=self.office.services)

    def _hospital(self) -> HospitalSide:
        """A real hospital over its database; its staff are those of the ward."""
        make_tables(self.hospital_database, HOSPITAL_TABLES)
        hospital = HospitalSide(
            SETTINGS.model_copy(update={"data_dir": self._folder}),
            hospital=OWN,
            prices=load_price_list(packaged_price_lists() / "990000-illustrative.csv"),
            insurer=ports_of(self.side, HOSPITAL, self.district.clock),
            mode=Mode.SANDBOX,
            clock=self.ward.clock,
            database=self.hospital_database,
        )
        hospital.staff = self.ward.services
        return hospital

    def close(self) -> None:
        self.insurer_database.close()
        self.hospital_database.close()


@contextmanager
def terminal_client(listeners: Listeners, address: str = ADDRESS) -> Iterator[TestClient]:
    with TestClient(
        listeners.terminal, base_url=ORIGIN, client=(address, 5000), raise_server_exceptions=False
    ) as client:
        yield client


@contextmanager
def browser(listener: FastAPI) -> Iterator[TestClient]:
    headers = {"origin": STAFF_ORIGIN, "sec-fetch-site": "same-origin"}
    with TestClient(
        listener, base_url=STAFF_ORIGIN, headers=headers, raise_server_exceptions=False
    ) as client:
        yield client


class Through(httpx.BaseTransport):
    """An agent's requests, handed to a test client."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._client.request(
            request.method,
            request.url.raw_path.decode(),
            content=request.read(),
            headers=dict(request.headers),
        )
        return httpx.Response(answer.status_code, content=answer.content)


@dataclass(frozen=True)
class Sent:
    """A request of a terminal, to be changed before it is sent."""

    body: bytes
    headers: dict[str, str]
    path: str = WHO_AM_I_PATH

    def over(self, client: TestClient) -> httpx.Response:
        return cast(
            "httpx.Response", client.post(self.path, content=self.body, headers=self.headers)
        )


def signed_call(
    listeners: Listeners,
    device: Device,
    *,
    key: SigningKey | None = None,
    scene: str = SCENE,
    position: Position | None = None,
    path: str = WHO_AM_I_PATH,
    body: bytes | None = None,
    late_s: int = 0,
) -> Sent:
    """A business request that a device signs."""
    claim = ClaimBody.made(device.claim(position))
    content = body
    if content is None:
        content = WhoAmIBody(scene=scene, claim=claim).model_dump_json().encode()
    headers = sign_request(
        key or device.key,
        method="POST",
        target_uri=ORIGIN + path,
        body=content,
        created=shifted(listeners, late_s),
        nonce=secrets.token_urlsafe(16),
    )
    return Sent(content, {**headers, **JSON}, path)


def shifted(listeners: Listeners, late_s: int) -> datetime:
    return listeners.district.now() - timedelta(seconds=late_s)


def sign_in_supervisor(listeners: Listeners, client: TestClient) -> Caller:
    """The first supervisor, in the browser's cookies."""
    signed_in = listeners.office.first(INSURER, "supervisor")
    client.cookies.set("shualian_staff_insurer", signed_in.token)
    return signed_in.caller


def sign_in_administrator(listeners: Listeners, client: TestClient) -> Caller:
    """The hospital's administrator, in the browser's cookies."""
    signed_in = listeners.ward.by_passkey(listeners.ward.chief.staff_id)
    client.cookies.set(HOSPITAL_COOKIE, signed_in.token)
    return signed_in.caller
