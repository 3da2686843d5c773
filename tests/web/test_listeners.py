"""The listeners as somebody on the network meets them."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import Message, Scope

from shualian.core.identifiers import StaffId
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.sandbox.authenticator import ORIGIN as STAFF_ORIGIN
from shualian.staff import api as staff_api
from shualian.staff.model import INSURER, Caller, Employer, Role
from shualian.terminals.agent.model import (
    ENROLMENT_PATH,
    HEARTBEAT_PATH,
    ROTATION_PATH,
    EnrolmentBody,
    HeartbeatBody,
)
from shualian.terminals.agent.service import TerminalAgent
from shualian.terminals.agent.store import AgentFolder
from shualian.terminals.api import TERMINAL_BODY_BYTES_MAX, WHO_AM_I_PATH
from shualian.terminals.enrolment.model import EnrolmentCode, key_id_of, parse_code
from shualian.terminals.heartbeat.model import HeartbeatReport
from shualian.terminals.model import TerminalClass
from shualian.terminals.register.model import Coordinates, Position
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.failures.api import FAILURES_PATH
from shualian.verification.failures.model import FAILURES
from shualian.web.listeners import build_staff_listener
from shualian.web.observability import configure_logging
from terminals.district import (
    CERTIFICATES,
    HALL,
    HOSPITAL,
    ORIGIN,
    SOFTWARE,
    SUPERVISOR,
    Device,
    place_spec,
)
from web.insurer import (
    HOSPITAL_COOKIE,
    SETTINGS,
    Listeners,
    Sent,
    Through,
    browser,
    sign_in_administrator,
    sign_in_supervisor,
    signed_call,
    terminal_client,
)

PERSON = "张建国 110101196203140018"
PLACE = {
    "name": "二层 3 号窗口",
    "department": "收费处",
    "latitude": HALL.latitude,
    "longitude": HALL.longitude,
    "fence_m": 100,
    "terminal_class": "III",
    "scenes": ["01101"],
}


@pytest.fixture
def device(listeners: Listeners) -> Device:
    return listeners.district.active()


@pytest.fixture
def client(listeners: Listeners) -> Iterator[TestClient]:
    with terminal_client(listeners) as client:
        yield client


@pytest.fixture
def staff(listeners: Listeners) -> Iterator[TestClient]:
    with browser(listeners.staff) as client:
        yield client


@pytest.fixture
def ward(listeners: Listeners) -> Iterator[TestClient]:
    with browser(listeners.hospital) as client:
        yield client


def test_a_signed_call_is_answered(
    listeners: Listeners, device: Device, client: TestClient
) -> None:
    answer = signed_call(listeners, device, position=Position(HALL, 5.0)).over(client)

    assert answer.status_code == 200
    assert answer.json()["terminal_id"] == device.terminal_id
    assert answer.json()["scenes"] == ["01101", "01301"]


def _without(name: str) -> Callable[[Sent], Sent]:
    def forge(sent: Sent) -> Sent:
        return replace(sent, headers={k: v for k, v in sent.headers.items() if k != name})

    return forge


def _other_body(sent: Sent) -> Sent:
    return replace(sent, body=sent.body.replace(b"01101", b"01301"))


def _other_path(sent: Sent) -> Sent:
    return replace(sent, path=sent.path + "?a=b")


@pytest.mark.parametrize(
    ("forge", "code"),
    [
        (_without("signature"), "terminals.signature_malformed"),
        (_without("signature-input"), "terminals.signature_malformed"),
        (_without("content-digest"), "terminals.signature_malformed"),
        (_other_body, "terminals.body_altered"),
        (_other_path, "terminals.signature_wrong"),
    ],
)
def test_a_changed_request_is_refused(
    listeners: Listeners,
    device: Device,
    client: TestClient,
    forge: Callable[[Sent], Sent],
    code: str,
) -> None:
    answer = forge(signed_call(listeners, device)).over(client)

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("late_s", "code", "skew"),
    [(120, "terminals.signature_stale", -120), (-60, "terminals.signature_future", 60)],
)
def test_a_late_or_early_request_is_told_how_far_its_clock_is_off(
    listeners: Listeners, device: Device, client: TestClient, late_s: int, code: str, skew: int
) -> None:
    problem = signed_call(listeners, device, late_s=late_s).over(client).json()

    assert problem["code"] == code
    assert problem["details"]["skew_s"] == skew


def test_a_replay_is_refused(listeners: Listeners, device: Device, client: TestClient) -> None:
    call = signed_call(listeners, device)

    assert call.over(client).status_code == 200
    assert call.over(client).json()["code"] == "terminals.nonce_replayed"


def test_an_unknown_key_is_refused(
    listeners: Listeners, device: Device, client: TestClient
) -> None:
    stranger = SigningKey.generate(Algorithm.SM2_SM3)

    answer = signed_call(listeners, device, key=stranger).over(client)

    assert answer.json()["code"] == "terminals.key_unknown"


def test_another_scene_and_another_place_are_refused(
    listeners: Listeners, device: Device, client: TestClient
) -> None:
    scene = signed_call(listeners, device, scene="01202").over(client)
    far = Position(Coordinates(HALL.latitude + 1, HALL.longitude), 5.0)
    place = signed_call(listeners, device, position=far).over(client)

    assert scene.json()["code"] == "terminals.scene_not_allowed"
    assert place.json()["code"] == "terminals.place_disagrees"


def _suspend(listeners: Listeners, device: Device) -> None:
    listeners.district.enrolments.suspend(actor=SUPERVISOR, terminal_id=device.terminal_id)


def _revoke(listeners: Listeners, device: Device) -> None:
    listeners.district.enrolments.revoke(actor=SUPERVISOR, terminal_id=device.terminal_id)


def _withdraw(listeners: Listeners, device: Device) -> None:
    register = listeners.district.register
    register.withdraw_model(actor=SUPERVISOR, certificate=device.certificate)


def _expire(listeners: Listeners, device: Device) -> None:
    listeners.district.wait(timedelta(days=365))


def _demand(listeners: Listeners, device: Device) -> None:
    listeners.district.register.require_software(
        actor=SUPERVISOR,
        certificate=device.certificate,
        software_min=(3,),
        software_current=(3,),
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_suspend, "terminals.terminal_suspended"),
        (_revoke, "terminals.terminal_revoked"),
        (_withdraw, "terminals.model_withdrawn"),
        (_expire, "terminals.model_expired"),
        (_demand, "terminals.software_outdated"),
    ],
)
def test_a_decision_holds_from_the_next_request(
    listeners: Listeners,
    device: Device,
    client: TestClient,
    change: Callable[[Listeners, Device], None],
    code: str,
) -> None:
    assert signed_call(listeners, device).over(client).status_code == 200

    change(listeners, device)

    assert signed_call(listeners, device).over(client).json()["code"] == code


def test_a_pending_terminal_is_refused(listeners: Listeners, client: TestClient) -> None:
    pending = listeners.district.enrolled(place_spec("另一台"))

    answer = signed_call(listeners, pending).over(client)

    assert answer.json()["code"] == "terminals.terminal_pending"


def _scope(path: str, address: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-length", b"10")],
        "client": (address, 5000),
        "server": ("terminals.insurer.example", 443),
    }


@pytest.mark.parametrize(
    "path", [WHO_AM_I_PATH, ENROLMENT_PATH, ROTATION_PATH, HEARTBEAT_PATH, "/nowhere"]
)
def test_another_network_is_refused_before_the_body_is_read(
    listeners: Listeners, path: str
) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(listeners.terminal(_scope(path, "192.0.2.1"), receive, send))

    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["code"] == "terminals.network_not_allowed"


def test_a_socket_from_another_network_is_closed_before_it_opens(listeners: Listeners) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("something was read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {**_scope("/frames", "192.0.2.1"), "type": "websocket", "subprotocols": []}
    asyncio.run(listeners.terminal(scope, receive, send))

    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("path", ["/health", "/metrics", "/openapi.json"])
def test_the_terminal_listener_tells_other_networks_nothing(
    listeners: Listeners, path: str
) -> None:
    with terminal_client(listeners, "192.0.2.1") as stranger, terminal_client(listeners) as known:
        assert stranger.get(path).json()["code"] == "terminals.network_not_allowed"
        assert known.get(path).status_code == 200


def test_a_forwarded_address_is_not_believed(listeners: Listeners, device: Device) -> None:
    call = signed_call(listeners, device)
    claimed = replace(call, headers={**call.headers, "x-forwarded-for": "10.20.0.7"})

    with terminal_client(listeners, "192.0.2.1") as stranger:
        assert claimed.over(stranger).json()["code"] == "terminals.network_not_allowed"


def test_the_host_header_decides_nothing(
    listeners: Listeners, device: Device, client: TestClient
) -> None:
    call = signed_call(listeners, device)
    elsewhere = replace(call, headers={**call.headers, "host": "other.example"})

    assert elsewhere.over(client).status_code == 200


def test_a_signature_is_verified_before_its_body_is_parsed(
    listeners: Listeners, device: Device, client: TestClient
) -> None:
    unsigned = client.post(WHO_AM_I_PATH, content=b"{not json")
    signed = signed_call(listeners, device, body=b"{not json").over(client)

    assert unsigned.json()["code"] == "terminals.signature_malformed"
    assert signed.json()["code"] == "web.request_invalid"


def test_a_body_that_is_longer_than_announced_is_refused(listeners: Listeners) -> None:
    sent: list[Message] = []
    chunks = [b"x" * TERMINAL_BODY_BYTES_MAX, b"x"]

    async def receive() -> Message:
        return {"type": "http.request", "body": chunks.pop(), "more_body": bool(chunks)}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(listeners.terminal(_scope(ENROLMENT_PATH, "10.20.0.7"), receive, send))

    assert sent[0]["status"] == 413


def test_a_refusal_has_its_own_counter(
    listeners: Listeners, device: Device, client: TestClient
) -> None:
    call = signed_call(listeners, device)
    call.over(client)
    call.over(client)

    assert listeners.district.counters.counted["terminals_nonce_replayed_total"] == 1


def test_health_names_the_stand_ins(client: TestClient) -> None:
    parts = [one["part"] for one in client.get("/health").json()["stand_ins"]]

    assert parts == ["terminal", "keys", "police_registry", "audit_second_place"]


def _report(device: Device) -> HeartbeatReport:
    return HeartbeatReport(
        software=SOFTWARE,
        camera_ok=True,
        disk_free_percent=50,
        tampered=False,
        claim=device.claim(),
    )


def test_a_heartbeat_is_judged(listeners: Listeners, device: Device, client: TestClient) -> None:
    body = HeartbeatBody.made(_report(device)).model_dump_json().encode()

    answer = signed_call(listeners, device, path=HEARTBEAT_PATH, body=body).over(client)

    assert answer.json() == {"state": "online", "reasons": []}


def test_a_hospital_and_the_insurer_bring_a_terminal_to_life_over_http(
    listeners: Listeners, client: TestClient, ward: TestClient, staff: TestClient, tmp_path: Path
) -> None:
    sign_in_administrator(listeners, ward)
    made = ward.post("/terminals/places", json=PLACE)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    agent = TerminalAgent(
        http=httpx.Client(transport=Through(client), base_url=ORIGIN),
        origin=ORIGIN,
        folder=AgentFolder(tmp_path / "agent", mode=Mode.SANDBOX),
        algorithm=Algorithm.SM2_SM3,
        clock=listeners.district.clock,
    )
    certificate = CERTIFICATES[TerminalClass.SCAN_FACE_PAY]
    code = parse_code(made.json()["code"])
    answer = agent.enrol(code=code, certificate=certificate, software=SOFTWARE)
    approval = f"/terminals/enrolments/{answer.terminal_id}/approval"
    by_administrator = ward.post(approval, json={"key_id": agent.fingerprint()})
    sign_in_supervisor(listeners, staff)
    by_supervisor = staff.post(approval, json={"key_id": agent.fingerprint()})

    assert by_administrator.json()["code"] == "terminals.wrong_side"
    assert by_supervisor.status_code == 204
    device = Device(
        made.json()["terminal_id"], made.json()["place_id"], SigningKey.generate(Algorithm.SM2_SM3)
    )
    report = replace(_report(device), claim=device.claim())
    assert agent.heartbeat(report).state == "online"
    assert agent.rotate_key().state == "active"
    assert agent.heartbeat(report).state == "online"
    listed = staff.get("/terminals/enrolments").json()
    assert [(one["state"], one["key_id"]) for one in listed] == [("active", agent.fingerprint())]
    assert staff.get("/terminals/health").json()[0]["state"] == "online"


def test_places_come_from_a_list_too(listeners: Listeners, ward: TestClient) -> None:
    sign_in_administrator(listeners, ward)
    header = "name,department,latitude,longitude,fence_m,terminal_class,scenes,mobile,networks"
    lines = [f"{n} 号机,门诊大厅,39.9,116.4,100,III,01101 01301,no," for n in range(1, 36)]
    content = "\n".join((header, *lines)).encode()

    made = ward.post(
        "/terminals/places/list", content=content, headers={"content-type": "text/csv"}
    )

    assert len({one["code"] for one in made.json()}) == 35
    assert len(ward.get("/terminals/places").json()) == 35


def test_nobody_who_is_not_signed_in_learns_or_changes_anything(
    listeners: Listeners, staff: TestClient
) -> None:
    for path, methods in listeners.staff.openapi()["paths"].items():
        if not path.startswith("/terminals"):
            continue
        filled = path.format(terminal_id="0" * 26, place_id="0" * 26, certificate="A")
        for method in methods:
            body = PLACE if path == "/terminals/places" else None
            answer = staff.request(method.upper(), filled, json=body)
            assert answer.json()["code"] in {"staff.signed_out", "web.request_invalid"}, path
            assert answer.status_code >= 400


def test_another_site_cannot_use_a_session(listeners: Listeners, ward: TestClient) -> None:
    sign_in_administrator(listeners, ward)

    answer = ward.post("/terminals/places", json=PLACE, headers={"origin": "https://evil.example"})

    assert answer.json()["code"] == "staff.cross_site"


def test_a_doctor_sees_which_terminals_stand_there_and_decides_about_none(
    listeners: Listeners, ward: TestClient
) -> None:
    signed_in = listeners.ward.by_password("doctor")
    assert signed_in.caller.roles == {Role.DOCTOR}
    ward.cookies.set(HOSPITAL_COOKIE, signed_in.token)

    assert ward.get("/terminals/places").status_code == 200
    assert ward.post("/terminals/places", json=PLACE).json()["code"] == "staff.role_missing"


_RECEIVING = {Role.CLERK, Role.DOCTOR, Role.NURSE, Role.TECHNICIAN, Role.ADMINISTRATOR}
_WINDOW = {Role.CLERK, Role.ADMINISTRATOR, Role.OPERATOR, Role.SUPERVISOR}
_GOVERNING = {Role.ADMINISTRATOR, Role.SUPERVISOR}
_LOOKING = _GOVERNING | {Role.TECHNICIAN, Role.OPERATOR}
_WARD = {Role.NURSE, Role.DOCTOR, Role.ADMINISTRATOR}
_ADMITTED: dict[str, set[Role]] = {
    "GET /terminals": _LOOKING | {Role.CLERK, Role.DOCTOR, Role.NURSE, Role.PHARMACIST},
    "/terminals": _GOVERNING,
    "/consents": _WINDOW,
    "/templates": _WINDOW,
    "/vouchers": _WINDOW,
    "/family": _WINDOW,
    "/accesses": _WINDOW,
    "/emergencies": {Role.DOCTOR, Role.NURSE, Role.SUPERVISOR},
    "/expectations": _RECEIVING,
    "/calls": _RECEIVING,
    "/channels": {Role.SUPERVISOR},
    "/assessments": {Role.SUPERVISOR},
    "GET /supervision/doctors": _LOOKING,
    "/supervision/doctors": _GOVERNING,
    "GET /supervision/alerts": _LOOKING,
    "/supervision/alerts": _GOVERNING,
    "/supervision/ward-checks": _WINDOW,
    "/supervision/ward-checks/open": _WARD,
    "POST /supervision/ward-checks": _WARD,
}
"""Who gets past the door of a staff route, by how its path begins; nobody else does."""


def _admitted(method: str, path: str) -> set[Role]:
    """Of the whole path, else of what it begins with, the longest first."""
    words = path.split("/")
    for end in range(len(words), 1, -1):
        start = "/".join(words[:end])
        found = _ADMITTED.get(f"{method} {start}") or _ADMITTED.get(start)
        if found:
            return found
    raise KeyError(path)


@pytest.mark.parametrize("role", Role)
def test_every_desk_lets_in_its_own_roles_and_no_others(
    listeners: Listeners, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = INSURER if role in INSURER.roles else Employer(HOSPITAL)
    caller = Caller(StaffId("STAFF-1"), at, frozenset({role}))
    monkeypatch.setattr(staff_api, "session_caller", lambda *_: lambda _request: caller)
    desks = build_staff_listener(listeners.side, SETTINGS)
    own = {"origin": STAFF_ORIGIN, "sec-fetch-site": "same-origin"}
    with TestClient(desks, base_url=STAFF_ORIGIN, headers=own) as client:
        for path, methods in desks.openapi()["paths"].items():
            first = "/" + path.split("/")[1]
            if first in {"/insurer", "/health"}:
                continue
            for method in map(str.upper, methods):
                admitted = _admitted(method, path)
                filled = re.sub(r"{[a-z_]+}", "0" * 26, path)
                answer = client.request(method, filled, json={})
                refused = answer.json()["code"] if answer.status_code >= 400 else ""
                assert (refused != "staff.role_missing") == (role in admitted), (method, path)


def test_the_words_of_every_failure_are_there_for_a_screen(client: TestClient) -> None:
    answer = client.get(FAILURES_PATH).json()

    told = {each["code"]: each for each in answer["failures"]}
    assert set(told) == set(FAILURES)
    assert all(each["zh"] and each["clip"] and each["next_zh"] for each in told.values())
    meant = {**answer["of_hint"], **answer["of_standing"]}
    assert set(meant.values()) <= set(told)
    assert answer["of_standing"]["arrears"] == "arrears"
    assert {"payment_held", "guardian_missing", "consent_outdated", "frozen"} <= set(meant)


def test_an_administrator_meets_another_hospitals_terminal_as_not_there(
    listeners: Listeners, ward: TestClient
) -> None:
    from terminals.district import OTHER_ADMINISTRATOR

    made = listeners.district.enrolments.create_place(
        actor=OTHER_ADMINISTRATOR, spec=place_spec("别家的机器")
    )
    sign_in_administrator(listeners, ward)

    for method, path in (
        ("GET", f"/terminals/enrolments/{made.terminal_id}"),
        ("POST", f"/terminals/enrolments/{made.terminal_id}/suspension"),
        ("POST", f"/terminals/enrolments/{made.terminal_id}/revocation"),
        ("GET", f"/terminals/health/{made.terminal_id}"),
        ("POST", f"/terminals/places/{made.place_id}/code"),
    ):
        answer = ward.request(method, path)
        assert answer.status_code == 404, path
    assert ward.get("/terminals/enrolments").json() == []


def test_models_are_kept_by_supervisors_alone(
    listeners: Listeners, ward: TestClient, staff: TestClient
) -> None:
    model = {
        "certificate": "YB-III-0002",
        "maker": "示例终端厂",
        "model": "T-9",
        "terminal_class": "III",
        "valid_until": "2027-01-01",
        "software_min": "2.0",
        "software_current": "2.1",
    }
    sign_in_administrator(listeners, ward)
    by_administrator = ward.post("/terminals/models", json=model)
    sign_in_supervisor(listeners, staff)
    by_supervisor = staff.post("/terminals/models", json=model)
    place = "/terminals/models/YB-III-0002"

    assert by_administrator.json()["code"] == "terminals.wrong_side"
    assert by_supervisor.status_code == 201
    assert staff.put(f"{place}/validity", json={"valid_until": "2028-01-01"}).status_code == 204
    software = {"software_min": "2.1", "software_current": "2.2"}
    assert staff.put(f"{place}/software", json=software).status_code == 204
    assert staff.post(f"{place}/withdrawal").status_code == 204
    found = {one["certificate"]: one for one in staff.get("/terminals/models").json()}
    assert found["YB-III-0002"]["withdrawn_at"] is not None
    assert found["YB-III-0002"]["software_min"] == "2.1"


_HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300)
_FIELDS = st.sampled_from(
    ["signature", "signature-input", "content-digest", "content-type", "x-request-id", "host"]
)
_PATHS = st.sampled_from([WHO_AM_I_PATH, HEARTBEAT_PATH, ENROLMENT_PATH, ROTATION_PATH])
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
_BODIES = st.binary(max_size=300) | _JSON.map(lambda value: json.dumps(value).encode())
_TRIES = settings(max_examples=120, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def sturdy(lasting_listeners: Listeners) -> Iterator[TestClient]:
    with terminal_client(lasting_listeners) as client:
        yield client


@_TRIES
@given(
    path=_PATHS,
    body=_BODIES,
    headers=st.dictionaries(_FIELDS, _HEADER_TEXT, max_size=4),
)
def test_whatever_is_sent_unsigned_is_refused_without_a_fault(
    sturdy: TestClient, path: str, body: bytes, headers: dict[str, str]
) -> None:
    answer = sturdy.post(path, content=body, headers=headers)

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] != "web.fault"
    assert answer.status_code in {400, 409, 413, 422, 503}


@_TRIES
@given(body=_BODIES)
def test_whatever_an_approved_terminal_signs_makes_no_fault(
    lasting_listeners: Listeners, sturdy: TestClient, body: bytes
) -> None:
    device = _lasting_device(lasting_listeners)

    for path in (WHO_AM_I_PATH, HEARTBEAT_PATH):
        answer = signed_call(lasting_listeners, device, path=path, body=body).over(sturdy)
        assert answer.json()["code"] == "web.request_invalid"


_DEVICES: dict[int, Device] = {}


def _lasting_device(listeners: Listeners) -> Device:
    if id(listeners) not in _DEVICES:
        spec = place_spec("试验机", terminal_class=TerminalClass.BROWSER)
        _DEVICES[id(listeners)] = listeners.district.active(spec)
    return _DEVICES[id(listeners)]


@pytest.mark.parametrize("depth", [1_000, 30_000])
def test_deeply_nested_json_is_refused(client: TestClient, depth: int) -> None:
    answer = client.post(
        ENROLMENT_PATH, content=b"[" * depth, headers={"content-type": "application/json"}
    )

    assert answer.json()["code"] == "web.request_invalid"


@pytest.mark.parametrize("place", ["code", "certificate", "software", "extra"])
def test_what_was_sent_stands_neither_in_answers_nor_in_the_log(
    client: TestClient, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    configure_logging()
    body = EnrolmentBody.made(
        SigningKey.generate(Algorithm.ECDSA_P256_SHA256),
        code=EnrolmentCode("000000", "0000000000"),
        certificate="YB-III-0001",
        software=(2,),
    ).model_dump(mode="json")

    answer = client.post(
        f"{ENROLMENT_PATH}?name={PERSON}",
        json={**body, place: PERSON},
        headers={"x-person": "Zhang Jianguo 110101196203140018"},
    )

    assert answer.status_code in {409, 422}
    shown = answer.text + capsys.readouterr().err
    assert '"route": "/terminal/v1/enrolment"' in shown
    for part in PERSON.split():
        assert part not in shown
    assert "Jianguo" not in shown


def test_a_code_cannot_be_guessed_over_http(listeners: Listeners, client: TestClient) -> None:
    invitation = listeners.district.invite(place_spec("猜码"))
    key = SigningKey.generate(Algorithm.SM2_SM3)

    def attempt(code: EnrolmentCode) -> str:
        body = EnrolmentBody.made(
            key,
            code=code,
            certificate=CERTIFICATES[TerminalClass.SCAN_FACE_PAY],
            software=SOFTWARE,
        )
        answer = client.post(ENROLMENT_PATH, json=body.model_dump(mode="json"))
        return str(answer.json().get("code", answer.status_code))

    guesses = {attempt(EnrolmentCode(invitation.code.handle, "0" * 10)) for _ in range(5)}

    assert guesses == {"terminals.code_wrong"}
    assert attempt(invitation.code) == "terminals.code_locked"


def test_the_gate_stands_without_any_network(listeners: Listeners) -> None:
    with pytest.raises(Refused):
        listeners.district.requests.check_network("")
    with terminal_client(listeners, "") as nowhere:
        assert nowhere.get("/health").json()["code"] == "terminals.network_not_allowed"


def test_a_key_id_is_the_fingerprint_that_staff_see(listeners: Listeners, device: Device) -> None:
    with browser(listeners.staff) as staff:
        sign_in_supervisor(listeners, staff)
        seen = staff.get(f"/terminals/enrolments/{device.terminal_id}").json()

    assert seen["key_id"] == key_id_of(device.key.public_key)
