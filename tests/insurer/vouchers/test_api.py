"""Vouchers over HTTP: a person's own acts at a terminal, and those of staff."""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from insurer.office import id_number
from insurer.vouchers.wallet import CLERK, OPERATOR, OTHER_PIN, PIN, Wallet, scanned
from shualian.core.clock import SettableClock
from shualian.core.database import Database
from shualian.core.identifiers import AuthNo, IntentId, TerminalId
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.vouchers.api import (
    FREEZE_PATH,
    FREEZE_USE,
    PIN_PATH,
    PIN_RESET_PATH,
    PIN_RESET_USE,
    PIN_USE,
    UNFREEZE_PATH,
    UNFREEZE_USE,
    staff_routes,
    terminal_routes,
)
from shualian.insurer.vouchers.model import VoucherState
from shualian.terminals.agent.model import ClaimBody, sign_request
from shualian.terminals.model import Actor, Place, Terminal, TerminalClass
from shualian.terminals.register.model import PlaceSpec
from shualian.terminals.service import TerminalServices
from shualian.verification.model import PROOF_NOT_FOUND, ConfirmedPerson
from shualian.web.application import build_listener
from terminals.district import ADDRESS, HALL, ORIGIN, Device, District

AUTH = AuthNo("proof-of-this-person-0001")
INTENT = IntentId("INTENT-1")
ALLOWED = PlaceSpec(
    place=Place(name="一层医保服务台", department="门诊大厅"),
    coordinates=HALL,
    fence_m=100,
    terminal_class=TerminalClass.SCAN_FACE_PAY,
    scenes=frozenset(("01101", "09001")),
    mobile=False,
    networks=(),
)


@dataclass
class Proofs:
    """Confirms as verification does: for one proof, terminal, intent and use."""

    good: dict[tuple[AuthNo, TerminalId, IntentId, str], ConfirmedPerson] = field(
        default_factory=dict
    )

    def confirmed(
        self, auth_no: AuthNo, *, terminal: Terminal, intent_id: IntentId, use: str
    ) -> ConfirmedPerson:
        found = self.good.get((auth_no, terminal.terminal_id, intent_id, use))
        if found is None:
            raise Refused(PROOF_NOT_FOUND)
        return found


class Hall:
    """A terminal at a hospital, before it an insured person with a voucher."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.district = District(database)
        self.district.register_models()
        self.wallet = Wallet(database, folder)
        self.wallet.clock = self.district.clock
        self.psn_no = self.wallet.activated()
        self.device = self.district.active(ALLOWED)
        self.proofs = Proofs()
        services = TerminalServices(
            register=self.district.register,
            enrolments=self.district.enrolments,
            requests=self.district.requests,
            heartbeats=self.district.heartbeats,
        )
        routes = terminal_routes(
            services,
            vouchers=self.wallet.vouchers,
            pins=self.wallet.pins,
            confirmations=self.proofs,
            clock=SettableClock(self.wallet.now()),
            origin=ORIGIN,
        )
        self.listener = build_listener("terminal", routers=[routes], mode=Mode.SANDBOX)

    def scan_for(self, use: str, person: ConfirmedPerson | None = None) -> None:
        key = (AUTH, self.device.terminal_id, INTENT, use)
        self.proofs.good[key] = person or scanned(self.psn_no)

    def state(self) -> VoucherState:
        return self.wallet.vouchers.standing(self.psn_no)

    def post(self, client: TestClient, path: str, **more: object) -> tuple[int, dict[str, object]]:
        return self.post_from(self.device, client, path, **more)

    def post_from(
        self, device: Device, client: TestClient, path: str, **more: object
    ) -> tuple[int, dict[str, object]]:
        claim = json.loads(ClaimBody.made(device.claim()).model_dump_json())
        asked = {"claim": claim, "auth_no": AUTH, "intent_id": INTENT, **more}
        body = json.dumps(asked).encode()
        headers = sign_request(
            device.key,
            method="POST",
            target_uri=ORIGIN + path,
            body=body,
            created=self.district.now(),
            nonce=secrets.token_urlsafe(16),
        )
        sent = {**headers, "content-type": "application/json"}
        answer = client.post(path, content=body, headers=sent)
        return answer.status_code, answer.json()


@pytest.fixture
def hall(sqlite_database: Database, tmp_path: Path) -> Hall:
    return Hall(sqlite_database, tmp_path)


@pytest.fixture
def client(hall: Hall) -> Iterator[TestClient]:
    with TestClient(hall.listener, base_url=ORIGIN, client=(ADDRESS, 5000)) as made:
        yield made


def test_a_person_sets_a_pin_and_resets_it(hall: Hall, client: TestClient) -> None:
    hall.scan_for(PIN_USE)
    assert hall.post(client, PIN_PATH, pin=PIN)[0] == 200
    hall.wallet.pins.check(hall.psn_no, PIN)
    hall.scan_for(PIN_RESET_USE)
    status, answer = hall.post(client, PIN_RESET_PATH, pin=OTHER_PIN)
    assert (status, answer["state"]) == (200, "active")
    hall.wallet.pins.check(hall.psn_no, OTHER_PIN)


def test_a_person_freezes_and_unfreezes_the_own_voucher(hall: Hall, client: TestClient) -> None:
    hall.scan_for(FREEZE_USE)
    assert hall.post(client, FREEZE_PATH, reason="lost_phone")[1]["state"] == "frozen"
    hall.scan_for(UNFREEZE_USE, scanned(hall.psn_no, active=False))
    assert hall.post(client, UNFREEZE_PATH)[1]["code"] == "insurer.scan_too_weak"
    hall.scan_for(UNFREEZE_USE)
    assert hall.post(client, UNFREEZE_PATH)[1]["state"] == "active"


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (PIN_PATH, {"pin": PIN}),
        (PIN_RESET_PATH, {"pin": PIN}),
        (FREEZE_PATH, {}),
        (UNFREEZE_PATH, {}),
    ],
)
def test_a_proof_for_another_act_or_terminal_does_nothing(
    hall: Hall, client: TestClient, path: str, more: dict[str, object]
) -> None:
    hall.scan_for("consent.withdraw")
    assert hall.post(client, path, **more)[1]["code"] == PROOF_NOT_FOUND.code
    beside = replace(ALLOWED, place=Place(name="二层医保服务台", department="门诊大厅"))
    other = hall.district.active(beside)
    for use in (PIN_USE, PIN_RESET_USE, FREEZE_USE, UNFREEZE_USE):
        hall.scan_for(use)
    assert hall.post_from(other, client, path, **more)[1]["code"] == PROOF_NOT_FOUND.code
    assert hall.state() is VoucherState.ACTIVE


def test_a_place_without_insured_services_does_not_offer_them(
    hall: Hall, client: TestClient
) -> None:
    plain = hall.district.active()
    answer = hall.post_from(plain, client, FREEZE_PATH)[1]
    assert answer["code"] == "terminals.scene_not_allowed"


def test_a_pin_is_never_said_back(hall: Hall, client: TestClient) -> None:
    hall.scan_for(PIN_USE)
    for pin in ("123456", "12345", "58027a"):
        status, answer = hall.post(client, PIN_PATH, pin=pin)
        assert status in {409, 422}
        assert pin not in json.dumps(answer)
        assert AUTH not in json.dumps(answer)


# Staff.


@pytest.fixture
def window(hall: Hall) -> Callable[[Actor], TestClient]:
    def as_(actor: Actor) -> TestClient:
        def caller(_request: Request) -> Actor:
            return actor

        routes = staff_routes(
            hall.wallet.vouchers,
            hall.wallet.pins,
            hall.wallet.persons,
            caller,
            clock=hall.wallet.clock,
        )
        return TestClient(build_listener("staff", routers=[routes], mode=Mode.SANDBOX))

    return as_


def test_staff_freeze_and_only_the_insurer_undoes_and_closes(
    hall: Hall, window: Callable[[Actor], TestClient]
) -> None:
    whose = {"certno": id_number(1).value}
    clerk, operator = window(CLERK), window(OPERATOR)
    frozen = clerk.post("/vouchers/freeze", json={**whose, "reason": "suspected_misuse"})
    assert frozen.json()["state"] == "frozen"
    assert clerk.post("/vouchers/unfreeze", json=whose).json()["code"] == "insurer.insurer_only"
    assert operator.post("/vouchers/unfreeze", json=whose).json()["state"] == "active"
    assert clerk.post("/vouchers/close", json=whose).json()["code"] == "insurer.insurer_only"
    assert operator.post("/vouchers/close", json=whose).json()["state"] == "closed"


def test_a_window_resets_a_locked_pin(hall: Hall, window: Callable[[Actor], TestClient]) -> None:
    body = {"certno": id_number(1).value, "pin": PIN}
    assert window(CLERK).post("/vouchers/pin", json=body).status_code == 200
    hall.wallet.pins.check(hall.psn_no, PIN)


def test_an_unknown_person_is_refused_without_the_number(
    window: Callable[[Actor], TestClient],
) -> None:
    body = {"certno": id_number(8).value}
    answer = window(OPERATOR).post("/vouchers/close", json=body)
    assert answer.status_code == 404
    assert id_number(8).value not in answer.text
