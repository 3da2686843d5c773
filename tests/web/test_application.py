import json
from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from pydantic import BaseModel

from shualian.core.mode import Mode
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.web.application import StandIn, build_listener
from shualian.web.observability import REQUEST_ID_HEADER, configure_logging

PERSON = "张建国 110101196203140018"
KIND = RefusalKind(
    "test.closed", "关门了", "Closed", "明天来", "Come tomorrow", Helper.CLERK, Finality.FINAL
)
BUSY = RefusalKind("test.busy", "忙", "Busy", "等", "Wait", Helper.SELF, Finality.TEMPORARY)
ABSENT = RefusalKind(
    "test.bed_not_found", "没有", "None", "查", "Look", Helper.CLERK, Finality.FINAL
)


class Registration(BaseModel):
    number: int


def _router() -> APIRouter:
    router = APIRouter()

    @router.get("/refused/{kind}")
    def refuse(kind: str) -> None:
        raise Refused({"closed": KIND, "busy": BUSY, "absent": ABSENT}[kind], door=3)

    @router.get("/fault")
    def fault() -> None:
        raise RuntimeError(PERSON)

    @router.post("/people")
    def people(person: Registration) -> Registration:
        return person

    return router


@pytest.fixture
def client(capsys: pytest.CaptureFixture[str]) -> Iterator[TestClient]:
    configure_logging()
    listener = build_listener(
        "test",
        routers=[_router()],
        mode=Mode.SANDBOX,
        stand_ins=[StandIn("police_registry", "公安库（替身）", "police registry (stand-in)")],
        body_bytes_max=1000,
    )
    with TestClient(listener, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(("path", "status"), [("closed", 409), ("busy", 503), ("absent", 404)])
def test_a_refusal_is_a_problem_with_words_in_both_languages(
    client: TestClient, path: str, status: int
) -> None:
    answer = client.get(f"/refused/{path}")

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["message"].keys() == body["next"].keys() == {"zh", "en"}
    assert body["details"] == {"door": 3}
    assert body["request_id"] == answer.headers[REQUEST_ID_HEADER]


def test_a_fault_tells_nothing_of_what_failed(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = client.get("/fault")

    assert answer.status_code == 500
    assert answer.json()["code"] == "web.fault"
    assert PERSON not in answer.text
    assert PERSON not in capsys.readouterr().err


def test_a_wrong_body_is_told_where_and_never_quoted(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = client.post("/people", json={"number": PERSON})

    assert answer.status_code == 422
    assert answer.json()["details"]["at"] == "body.number"
    assert "建国" not in answer.text
    assert "110101" not in capsys.readouterr().err


def test_a_body_over_the_limit_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/people", content=b"x" * 1001)

    assert answer.status_code == 413
    assert answer.json()["code"] == "web.body_too_large"


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", "٣", ""])
def test_a_length_that_is_no_small_number_is_refused(client: TestClient, length: str) -> None:
    headers = {b"content-length": length.encode()}

    answer = client.request("POST", "/people", content=b"{}", headers=headers)

    assert answer.status_code == 413


def test_a_body_of_unknown_length_is_refused(client: TestClient) -> None:
    answer = client.post("/people", content=iter([b"{}"]))

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nowhere", "web.not_found"),
        ("DELETE", "/people", "web.method_not_allowed"),
    ],
)
def test_wrong_addresses_are_problems_too(
    client: TestClient, method: str, path: str, code: str
) -> None:
    assert client.request(method, path).json()["code"] == code


def test_the_log_has_route_templates_and_no_values(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.get("/refused/closed?name=张建国", headers={"x-person": "Zhang Jianguo"})

    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert line["route"] == "/refused/{kind}"
    assert line["status"] == 409
    assert "建国" not in json.dumps(line, ensure_ascii=False)
    assert "Jianguo" not in json.dumps(line)


def test_health_names_every_stand_in(client: TestClient) -> None:
    health = client.get("/health").json()

    assert health["mode"] == "sandbox"
    assert health["stand_ins"][0]["part"] == "police_registry"


def test_refusals_are_counted_by_code(client: TestClient) -> None:
    client.get("/refused/closed")

    assert 'shualian_refusals_total{code="test.closed"}' in client.get("/metrics").text
