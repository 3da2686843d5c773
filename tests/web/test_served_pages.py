"""Pages as a browser fetches them, and what a terminal is told about itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from shualian.core.mode import Mode
from shualian.insurer.institutions.model import Institution
from shualian.terminals.agent.model import ClaimBody
from shualian.web.application import build_listener
from shualian.web.served_pages import WELCOME_PATH, WelcomeAnswer, load_pages, page_routes
from terminals.district import ADDRESS, HOSPITAL
from web.insurer import Listeners, signed_call, terminal_client

ORIGIN = "https://terminal.example:8443"
SCRIPT = b"export {}"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built entry: one page and one file whose name holds the hash of its content."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>刷脸就医</title>", "utf-8")
    (tmp_path / "assets" / "index-abc123.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "said-abc123.opus").write_bytes(b"OggS")
    return tmp_path


def _client(folder: Path) -> TestClient:
    routes = page_routes("/kiosk", load_pages(folder), origin=ORIGIN, camera=True)
    return TestClient(build_listener("test", routers=[routes], mode=Mode.SANDBOX))


@pytest.fixture
def client(built: Path) -> Iterator[TestClient]:
    with _client(built) as client:
        yield client


def test_the_page_is_asked_for_again_and_what_is_named_by_its_hash_never(
    client: TestClient,
) -> None:
    page = client.get("/kiosk/")
    script = client.get("/kiosk/assets/index-abc123.js")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert "刷脸就医" in page.text
    assert script.content == SCRIPT
    assert "immutable" in script.headers["cache-control"]


def test_a_page_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/kiosk/").headers["etag"]
    again = client.get("/kiosk/", headers={"if-none-match": tag})

    assert again.status_code == 304
    assert again.content == b""


def test_a_clip_is_audio(client: TestClient) -> None:
    assert client.get("/kiosk/assets/said-abc123.opus").headers["content-type"] == "audio/ogg"


def test_the_policy_lets_in_nothing_from_outside(client: TestClient) -> None:
    headers = client.get("/kiosk/").headers
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["connect-src"] == "'self' wss://terminal.example:8443"
    assert rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["permissions-policy"].startswith("camera=(self), microphone=()")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_pages_without_a_camera_may_not_ask_for_one(built: Path) -> None:
    routes = page_routes("/staff", load_pages(built), origin=ORIGIN)
    with TestClient(build_listener("test", routers=[routes], mode=Mode.SANDBOX)) as client:
        assert client.get("/staff/").headers["permissions-policy"].startswith("camera=()")


def test_the_address_without_its_slash_leads_to_the_page(client: TestClient) -> None:
    answer = client.get("/kiosk", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (308, "/kiosk/")


def test_the_page_learns_what_terminals_sign(client: TestClient) -> None:
    assert client.get("/kiosk/settings.json").json() == {"origin": ORIGIN}


@pytest.mark.parametrize(
    "path", ["nothing.js", "../index.html", "assets/", "%2e%2e/secret", ".stamp"]
)
def test_what_is_no_page_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(f"/kiosk/{path}")

    assert answer.status_code == 404
    assert answer.json()["code"] in {"web.page_not_found", "web.not_found"}


def test_pages_that_were_not_built_say_how_to_build_them(tmp_path: Path) -> None:
    with _client(tmp_path / "absent") as client:
        answer = client.get("/kiosk/")

    assert answer.json()["code"] == "web.pages_missing"
    assert "make pages" in answer.json()["next"]["en"]


def test_a_terminal_is_told_its_place_and_what_is_offered_there(listeners: Listeners) -> None:
    listeners.side.institutions.contract(Institution(HOSPITAL, "示例市第一医院", "3", "990000"))
    device = listeners.district.active()
    body = ClaimBody.made(device.claim()).model_dump_json().encode()
    with terminal_client(listeners, ADDRESS) as client:
        sent = signed_call(listeners, device, path=WELCOME_PATH, body=body)
        answer = WelcomeAnswer.model_validate_json(sent.over(client).content)

    assert answer.institution_name == "示例市第一医院"
    assert answer.terminal_id == device.terminal_id
    assert answer.place
    assert answer.scenes == sorted(answer.scenes)
    assert answer.subjects == []


def test_who_did_not_sign_is_told_nothing(listeners: Listeners) -> None:
    with terminal_client(listeners, ADDRESS) as client:
        answer = client.post(WELCOME_PATH, json={"place_id": "x"})

    assert answer.json()["code"] == "terminals.signature_malformed"
