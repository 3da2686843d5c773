"""Staff over HTTP, with a browser's headers and cookies."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from shualian.core.database import SqliteDatabase
from shualian.core.refusals import Refused
from shualian.sandbox.authenticator import ORIGIN, Authenticator
from shualian.staff.api import account_router, cookie_name, router, session_caller
from shualian.staff.model import INSURER, Role
from shualian.staff.passkeys.model import relying_party
from staff.house import HOSPITAL, NAME, PHRASE, House, Ward, supervisor_elsewhere

COOKIE = "shualian_staff_hospital"
BROWSER = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


def application(house: House, cookie: str = COOKIE) -> FastAPI:
    app = FastAPI()

    @app.exception_handler(Refused)
    def problem(_request: Request, refused: Refused) -> JSONResponse:
        return JSONResponse(refused.as_json(), status_code=403)

    caller = session_caller(house.services, cookie)
    app.include_router(router(house.services, caller, cookie=cookie), prefix="/staff")
    return app


class Browser:
    """A client with its own cookies."""

    def __init__(self, app: FastAPI) -> None:
        self.client = TestClient(app, base_url=ORIGIN, headers=BROWSER)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = self.client.request(method, f"/staff{path}", json=body, headers=headers)
        self.response = response
        return response.json() if response.content else None

    def sign_in(self, login: str = "doctor", password: str = PHRASE) -> Any:
        return self("POST", "/sign-in/password", {"login": login, "password": password})

    def by_passkey(self, key: Authenticator) -> Any:
        answer = key.get(self("POST", "/sign-in/passkey/options"))
        return self("POST", "/sign-in/passkey", {"credential": answer})


@pytest.fixture
def app(quick_ward: Ward) -> FastAPI:
    return application(quick_ward)


@pytest.fixture
def browser(app: FastAPI) -> Iterator[Browser]:
    made = Browser(app)
    yield made
    made.client.close()


def test_a_cookie_that_no_script_can_read_carries_the_session(browser: Browser) -> None:
    answer = browser.sign_in()

    cookie = browser.response.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert not {"Domain", "expires", "Max-Age"} & {
        each.split("=")[0] for each in cookie.split("; ")
    }
    assert browser.response.headers["cache-control"] == "no-store"
    token = browser.client.cookies[COOKIE]
    assert token not in str(answer)
    assert browser("GET", "/me")["name"] == NAME


def test_over_https_the_cookie_is_pinned_to_the_host() -> None:
    assert cookie_name(relying_party("https://h.example"), "hospital") == f"__Host-{COOKIE}"
    assert cookie_name(relying_party(ORIGIN), "hospital") == COOKIE


def test_signing_out_ends_the_session_and_takes_the_cookie(browser: Browser) -> None:
    browser.sign_in()
    token = browser.client.cookies[COOKIE]

    browser("POST", "/sign-out")

    assert browser.response.status_code == 204
    assert COOKIE not in browser.client.cookies
    browser.client.cookies.set(COOKIE, token)
    assert browser("GET", "/me")["code"] == "staff.signed_out"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:9000", "sec-fetch-site": "same-site"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": ORIGIN, "sec-fetch-site": "same-site"},
        {"origin": "", "sec-fetch-site": "same-origin"},
        {"origin": ORIGIN + ".evil.example", "sec-fetch-site": "same-origin"},
        {"origin": ORIGIN, "sec-fetch-site": "none"},
    ],
)
def test_what_another_site_or_port_makes_a_browser_send_is_refused(
    browser: Browser, headers: dict[str, str]
) -> None:
    browser.sign_in()

    answer = browser("POST", "/me/passkeys/options", **headers)

    assert answer["code"] == "staff.cross_site"


def test_every_route_that_changes_something_refuses_a_foreign_origin(
    app: FastAPI, browser: Browser
) -> None:
    browser.sign_in()
    tried = 0
    for path, methods in app.openapi()["paths"].items():
        for method in set(methods) - {"get"}:
            for origin in ("http://localhost:9000", ""):
                place = path.removeprefix("/staff").replace("{", "").replace("}", "")
                answer = browser(method.upper(), place, origin=origin)
                assert answer["code"] == "staff.cross_site", (method, path)
                tried += 1
    assert tried >= 30
    assert browser("GET", "/me")["roles"] == ["doctor"]


def test_every_route_but_sign_in_and_enrolment_needs_a_session(
    app: FastAPI, browser: Browser
) -> None:
    open_routes = {
        path
        for path in app.openapi()["paths"]
        if path.startswith(("/staff/sign-in", "/staff/enrolment"))
    }
    bodies = {
        "NewAccount": {"login": "nurse", "name": NAME, "roles": ["nurse"]},
        "NewRoles": {"roles": ["nurse"]},
        "Decision": {"proposal_id": "P"},
        "NewPassword": {"password": PHRASE},
        "PasskeyAnswer": {
            "credential": {"id": "A", "rawId": "A", "type": "public-key", "response": {}}
        },
    }
    for path, methods in app.openapi()["paths"].items():
        for method, described in methods.items():
            if path in open_routes:
                continue
            body = None
            if "requestBody" in described:
                schema = described["requestBody"]["content"]["application/json"]["schema"]
                body = bodies[schema["$ref"].rsplit("/", 1)[1]]
            answer = browser(method.upper(), path.removeprefix("/staff"), body)
            assert answer["code"] == "staff.signed_out", (method, path)
    assert len(open_routes) == 6


def test_a_reader_of_a_page_may_come_from_the_address_bar_but_not_from_another_page(
    browser: Browser,
) -> None:
    browser.sign_in()
    typed = TestClient(browser.client.app, base_url=ORIGIN, cookies=browser.client.cookies)

    for site, expected in (("none", 200), ("same-origin", 200), ("same-site", 403)):
        answer = typed.get("/staff/me", headers={"sec-fetch-site": site})
        assert answer.status_code == expected
    foreign = typed.get("/staff/me", headers={"origin": "http://localhost:9000"})
    assert foreign.json()["code"] == "staff.cross_site"


def test_an_administrator_enrols_signs_in_and_brings_in_a_nurse(
    sqlite_database: SqliteDatabase, tmp_path: Path
) -> None:
    house = House(sqlite_database, tmp_path / "keys")
    code = house.services.accounts.bootstrap(employer=HOSPITAL, login="chief", name=NAME).code
    chief, key = Browser(application(house)), Authenticator()
    options = chief("POST", "/enrolment/passkey/options", {"code": code})
    chief("POST", "/enrolment/passkey", {"code": code, "credential": key.create(options)})
    chief.by_passkey(key)
    made = chief("POST", "/accounts", {"login": "nurse", "name": NAME, "roles": ["nurse"]})
    listed = {each["login"]: each for each in chief("GET", "/accounts")}
    decision = {"proposal_id": listed["nurse"]["proposal"]["proposal_id"]}

    own = chief("POST", f"/accounts/{made['staff_id']}/approval", decision)
    house.services.accounts.approve(supervisor_elsewhere(), staff_id=made["staff_id"], **decision)
    nurse = Browser(chief.client.app)  # type: ignore[arg-type]
    nurse("POST", "/enrolment/password", {"code": made["code"], "password": PHRASE})

    assert own["code"] == "staff.same_person"
    assert nurse("GET", "/me")["roles"] == ["nurse"]
    assert nurse("GET", "/accounts")["code"] == "staff.role_missing"
    assert chief("POST", f"/accounts/{made['staff_id']}/suspension") is None
    assert nurse("GET", "/me")["code"] == "staff.signed_out"


def test_a_supervisor_decides_about_a_hospitals_accounts_on_the_insurers_pages(
    quick_ward: Ward, tmp_path: Path
) -> None:
    database = SqliteDatabase(f"sqlite:///{tmp_path}/insurer.db")
    office = House(database, tmp_path / "office-keys")
    supervisor = office.first(INSURER, "supervisor")
    code = quick_ward.create(quick_ward.chief, "nurse", (Role.NURSE,))
    app = FastAPI()
    caller = session_caller(office.services, "insurer")
    party = office.services.party
    app.include_router(account_router(quick_ward.services, caller, party=party), prefix="/staff")
    browser = Browser(app)
    browser.client.cookies.set("insurer", supervisor.token)

    (waiting,) = browser("GET", "/accounts/waiting-outside")
    decision = {"proposal_id": waiting["proposal"]["proposal_id"]}
    browser("POST", f"/accounts/{waiting['staff_id']}/approval", decision)

    assert browser.response.status_code == 204
    assert quick_ward.enrol_password(code).caller.roles == {Role.NURSE}
    database.close()


def test_own_passkeys_password_and_sessions_are_managed_over_http(
    quick_ward: Ward, browser: Browser
) -> None:
    browser.sign_in()
    before = browser.client.cookies[COOKIE]
    key = Authenticator()
    options = browser("POST", "/me/passkeys/options")
    added = browser("POST", "/me/passkeys", {"credential": key.create(options)})
    assert browser.by_passkey(key)["roles"] == ["doctor"]
    assert browser.client.cookies[COOKIE] != before
    sessions = browser("GET", "/me/sessions")
    other = next(each for each in sessions if not each["current"])
    browser("DELETE", f"/me/sessions/{other['session_id']}")
    browser("PUT", "/me/password", {"password": "quite another phrase"})
    browser("DELETE", f"/me/passkeys/{added['passkey_id']}")

    assert browser("GET", "/me/passkeys") == []
    assert browser("DELETE", "/me/sessions") == {"sessions": 1}
    assert browser("GET", "/me")["code"] == "staff.signed_out"
    quick_ward.wait(timedelta(seconds=1))
    assert browser.sign_in(password="quite another phrase")["roles"] == ["doctor"]  # noqa: S106


def test_the_representation_of_a_request_holds_no_secret() -> None:
    from shualian.staff.api import CodeAndPassword, NewAccount, PasswordSignIn

    bodies = [
        PasswordSignIn(login="ouyang.ruolan", password=PHRASE),  # type: ignore[arg-type]
        CodeAndPassword(code="one-time-code", password=PHRASE),  # type: ignore[arg-type]
        NewAccount(login="ouyang.ruolan", name=NAME, roles=frozenset((Role.NURSE,))),
    ]

    said = repr(bodies) + str(bodies)
    for secret in (PHRASE, NAME, "ouyang.ruolan", "one-time-code"):
        assert secret not in said


@pytest.mark.parametrize(
    "credential",
    [
        {"id": "A", "rawId": "A", "type": "public-key", "response": {}},
        {"id": "A", "rawId": "\u0000", "type": "x", "response": {"clientDataJSON": 7}},
        {"id": "A", "rawId": "A", "type": "public-key", "response": {"clientDataJSON": "e30"}},
    ],
)
def test_a_hostile_credential_is_a_refusal_and_no_fault(
    browser: Browser, credential: dict[str, Any]
) -> None:
    answer = browser("POST", "/sign-in/passkey", {"credential": credential})

    assert answer["code"] == "staff.passkey_refused"
