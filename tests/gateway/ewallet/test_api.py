"""Notifications over HTTP: the believed ones reach the payments, the others change nothing."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from gateway.ewallet.exchange import (
    MERCHANT,
    NEWS,
    START,
    STRANGER,
    WALLET,
    notification,
)
from shualian.core.clock import SettableClock
from shualian.core.database import SqliteDatabase
from shualian.core.mode import Mode
from shualian.gateway.ewallet.api import notification_routes
from shualian.gateway.ewallet.model import NOTIFICATION_PATH
from shualian.gateway.police_registry.service import PinnedKey
from shualian.hospital.wallet import store
from shualian.hospital.wallet.model import News
from shualian.terminals.requests.model import SignedRequest
from shualian.web.application import build_listener


class Payments:
    """Takes each notification once, in its own transaction."""

    def __init__(self, database: SqliteDatabase) -> None:
        database.create_tables(store.metadata)
        self._database = database
        self.taken: list[News] = []
        self.fails = False

    def heard(self, news: News) -> None:
        if self.fails:
            raise LookupError
        use = store.use_notification
        if self._database.write(lambda each: use(each, MERCHANT, news.notification_id, now=START)):
            self.taken.append(news)


@pytest.fixture
def payments(sqlite_database: SqliteDatabase) -> Payments:
    return Payments(sqlite_database)


@pytest.fixture
def http(payments: Payments) -> Iterator[TestClient]:
    routes = notification_routes(
        payments,
        key=PinnedKey(WALLET.public_key),
        merchant=MERCHANT,
        origin="http://localhost:8000/",
        clock=SettableClock(START),
        mode=Mode.SANDBOX,
    )
    listener = build_listener("hospital", routers=[routes], mode=Mode.SANDBOX)
    with TestClient(listener, raise_server_exceptions=False) as opened:
        yield opened


def post(http: TestClient, told: SignedRequest, path: str = NOTIFICATION_PATH) -> int:
    headers = {
        "signature-input": told.signature_input[0],
        "signature": told.signature[0],
        "content-digest": told.content_digest[0],
        "content-type": "application/json",
    }
    return http.post(path, content=told.body, headers=headers).status_code


def test_a_believed_one_is_heard_and_taken(http: TestClient, payments: Payments) -> None:
    assert post(http, notification()) == 204
    assert payments.taken == [NEWS]


def test_the_same_again_is_taken_and_counts_once(http: TestClient, payments: Payments) -> None:
    assert [post(http, notification()) for _ in range(3)] == [204] * 3
    assert payments.taken == [NEWS]


@pytest.mark.parametrize(
    "told",
    [
        notification(key=STRANGER),
        notification(target="http://localhost:9999/wallet/v1/notifications"),
        notification(content=b"{}"),
    ],
)
def test_one_that_is_not_believed_is_refused_and_not_heard(
    http: TestClient, payments: Payments, told: SignedRequest
) -> None:
    assert post(http, told) == 409
    assert payments.taken == []


def test_one_with_anything_in_its_query_is_refused(http: TestClient, payments: Payments) -> None:
    assert post(http, notification(), NOTIFICATION_PATH + "?x=1") == 409
    assert payments.taken == []


def test_one_that_could_not_be_acted_on_comes_again(http: TestClient, payments: Payments) -> None:
    payments.fails = True
    assert post(http, notification()) == 500
    payments.fails = False
    assert post(http, notification()) == 204
    assert payments.taken == [NEWS]


def test_its_description_holds_together(http: TestClient) -> None:
    operation = http.get("/openapi.json").json()["paths"][NOTIFICATION_PATH]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert "$ref" not in str(schema)
    assert schema["properties"]["status"]["properties"]["version"]["minimum"] == 1
