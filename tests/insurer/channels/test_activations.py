"""Channels: signed, fresh, certified; voucher and consents together; the same answer again."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from insurer.channels.book import NOTICE, Book
from insurer.office import id_number
from insurer.vouchers.wallet import OPERATOR, REGION, Wallet
from shualian.core.database import Database
from shualian.core.id_number import IdNumber, check_character
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.channels import store
from shualian.insurer.channels.api import (
    ACTIVATIONS_PATH,
    CHANNEL_BODY_BYTES_MAX,
    CODES_PATH,
    channel_routes,
    staff_routes,
)
from shualian.insurer.channels.model import (
    ActivationAnswer,
    ActivationRequest,
    Channel,
    FaceCheck,
    FaceCheckMethod,
)
from shualian.insurer.channels.service import ChannelActivations, Channels
from shualian.insurer.persons.model import Insurance
from shualian.insurer.vouchers.model import FreezeReason, VoucherState
from shualian.terminals.agent.model import sign_request
from shualian.terminals.model import Actor
from shualian.terminals.requests.model import FreshnessLimits
from shualian.terminals.requests.store import MemoryNonces
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.model import ConsentPurpose
from shualian.web.application import build_listener
from terminals.district import ADMINISTRATOR

ORIGIN = "https://channels.insurer.example"
LIMITS = FreshnessLimits()
TEMPLATE = frozenset((ConsentPurpose.TEMPLATE, ConsentPurpose.COMPARISON))


class Desk:
    """A channel, the insurer's door for it, and one insured person."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.wallet = Wallet(database, folder)
        database.create_tables(store.metadata)
        self.book = Book(database)
        before = self.wallet.now() - timedelta(minutes=5)
        self.channels = Channels(
            database=database,
            clock=self.wallet.clock,
            nonces=MemoryNonces(started_at=before, limits=LIMITS),
            limits=LIMITS,
        )
        self.activations = ChannelActivations(
            database=database,
            clock=self.wallet.clock,
            sealer=self.wallet.sealer,
            register=self.wallet.persons,
            vouchers=self.wallet.vouchers,
            book=self.book,
        )
        self.key = SigningKey.generate(Algorithm.SM2_SM3)
        self.channel = self.certify("alipay", self.key)
        self.psn_no = self.wallet.person()

    def certify(self, code: str, key: SigningKey) -> Channel:
        return self.channels.certify(
            actor=OPERATOR, code=code, name="示例渠道", public_key=key.public_key
        )

    def request(
        self,
        number: str = "REQUEST-0001",
        *,
        age: timedelta = timedelta(minutes=1),
        consents: frozenset[ConsentPurpose] = TEMPLATE,
        notice: str = NOTICE,
        name: str = "测试甲",
        who: IdNumber | None = None,
    ) -> ActivationRequest:
        return ActivationRequest(
            request_no=number,
            id_number=who or id_number(1),
            name=name,
            face_check=FaceCheck(
                FaceCheckMethod.LIVE_WITH_REGISTRY, self.wallet.now() - age, "2026050422001234567"
            ),
            consents=consents,
            notice_version=notice,
        )

    def activate(self, request: ActivationRequest) -> ActivationAnswer:
        return self.activations.activate(self.channel, request)

    def refusal(self, request: ActivationRequest) -> str:
        with pytest.raises(Refused) as refused:
            self.activate(request)
        assert request.id_number.value not in str(refused.value)
        return refused.value.kind.code

    def state(self) -> VoucherState:
        return self.wallet.vouchers.standing(self.psn_no)


@pytest.fixture
def desk(sqlite_database: Database, tmp_path: Path) -> Desk:
    return Desk(sqlite_database, tmp_path)


@pytest.fixture
def any_desk(any_database: Database, tmp_path: Path) -> Desk:
    return Desk(any_database, tmp_path)


def test_an_activation_gives_token_and_consents(any_desk: Desk) -> None:
    desk = any_desk
    answer = desk.activate(desk.request())
    assert desk.wallet.vouchers.by_ec_token(answer.ec_token) == desk.psn_no
    assert desk.book.of(desk.psn_no) == ["template"]
    assert answer.ec_token not in repr(answer)


def test_without_a_tick_nothing_is_kept(desk: Desk) -> None:
    desk.activate(desk.request(consents=frozenset()))
    assert desk.state() is VoucherState.ACTIVE
    assert desk.book.of(desk.psn_no) == []


def test_a_consent_that_cannot_be_given_undoes_the_activation(any_desk: Desk) -> None:
    desk = any_desk
    assert desk.refusal(desk.request(notice="2020-01")) == "test.notice_outdated"
    assert desk.state() is VoucherState.NOT_ACTIVATED
    assert desk.book.of(desk.psn_no) == []
    desk.activate(desk.request())
    assert desk.state() is VoucherState.ACTIVE


def test_a_repeat_gets_the_same_answer_even_when_the_face_check_is_old(any_desk: Desk) -> None:
    desk = any_desk
    request = desk.request()
    first = desk.activate(request)
    desk.wallet.wait(timedelta(hours=2))
    assert desk.activate(request) == first
    assert desk.book.of(desk.psn_no) == ["template"]


def test_the_same_number_with_another_body_is_refused(desk: Desk) -> None:
    request = desk.request()
    desk.activate(request)
    for other in (desk.request(consents=frozenset()), desk.request(name="测试乙")):
        assert desk.refusal(other) == "insurer.channel_request_differs"


def test_two_channels_may_use_the_same_number(desk: Desk) -> None:
    first = desk.activate(desk.request())
    other = desk.certify("wechat", SigningKey.generate(Algorithm.SM2_SM3))
    second = desk.activations.activate(other, desk.request(consents=frozenset()))
    assert second.ec_token == first.ec_token


def test_many_repeats_at_once_activate_once(any_desk: Desk) -> None:
    desk = any_desk
    request = desk.request()

    def ask(_number: int) -> str:
        try:
            return desk.activate(request).ec_token
        except Refused as refused:
            return refused.kind.code

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(8)))
    assert len(answers - {"core.database_busy"}) == 1
    assert desk.book.of(desk.psn_no) == ["template"]


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(minutes=10), True),
        (timedelta(minutes=10, seconds=1), False),
        (timedelta(seconds=-5), True),
        (timedelta(seconds=-6), False),
    ],
)
def test_the_face_check_is_at_most_ten_minutes_old(
    desk: Desk, age: timedelta, *, fresh: bool
) -> None:
    if fresh:
        assert desk.activate(desk.request(age=age)).ec_token
    else:
        assert desk.refusal(desk.request(age=age)) == "insurer.face_check_stale"
        assert desk.state() is VoucherState.NOT_ACTIVATED


def test_another_name_or_an_unknown_number_is_refused(desk: Desk) -> None:
    assert desk.refusal(desk.request(name="测试乙")) == "insurer.activation_name_differs"
    assert desk.refusal(desk.request(who=id_number(7))) == "insurer.person_not_found"
    assert desk.state() is VoucherState.NOT_ACTIVATED


def test_a_child_is_not_activated_by_a_channel(desk: Desk) -> None:
    digits = "99000020150101001"
    child = IdNumber(digits + check_character(digits))
    desk.wallet.persons.register_insured(
        id_number=child, name="测试甲", insurances=[Insurance("390", "14", REGION)]
    )
    assert desk.refusal(desk.request(who=child)) == "insurer.channel_under_age"


def test_a_channel_does_not_open_what_is_frozen(desk: Desk) -> None:
    desk.activate(desk.request())
    desk.wallet.vouchers.freeze(desk.psn_no, reason=FreezeReason.INVESTIGATION, actor=OPERATOR)
    assert desk.refusal(desk.request("REQUEST-0002")) == "insurer.voucher_frozen"


def test_a_channel_is_certified_once(desk: Desk) -> None:
    other = SigningKey.generate(Algorithm.SM2_SM3)
    for code, key in (("alipay", other), ("bank", desk.key)):
        with pytest.raises(Refused) as refused:
            desk.certify(code, key)
        assert refused.value.kind.code == "insurer.channel_exists"
    for code in ("", "Alipay", "a", "x" * 31):
        with pytest.raises(Refused) as refused:
            desk.certify(code, other)
        assert refused.value.kind.code == "insurer.channel_invalid"


# Over HTTP.


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    def caller(_request: Request) -> Actor:
        return OPERATOR

    routers = [
        channel_routes(
            desk.channels,
            desk.activations,
            desk.wallet.vouchers,
            clock=desk.wallet.clock,
            origin=ORIGIN,
        ),
        staff_routes(desk.channels, caller),
    ]
    listener = build_listener("channel", routers=routers, mode=Mode.SANDBOX)
    with TestClient(listener, base_url=ORIGIN, raise_server_exceptions=False) as made:
        yield made


def body_of(desk: Desk, **changes: object) -> bytes:
    body = {
        "request_no": "REQUEST-0001",
        "certno": id_number(1).value,
        "psn_name": "测试甲",
        "face_check": {
            "method": "live_with_registry",
            "checked_at": desk.wallet.now().isoformat(),
            "reference": "2026050422001234567",
        },
        "consents": ["comparison", "template"],
        "notice_version": NOTICE,
        **changes,
    }
    return json.dumps(body).encode()


def headers_of(
    desk: Desk, body: bytes, *, key: SigningKey | None = None, path: str = ACTIVATIONS_PATH
) -> dict[str, str]:
    signed = sign_request(
        key or desk.key,
        method="POST",
        target_uri=ORIGIN + path,
        body=body,
        created=desk.wallet.now(),
        nonce=secrets.token_urlsafe(16),
    )
    return {**signed, "content-type": "application/json"}


def post(
    client: TestClient, body: bytes, headers: dict[str, str], path: str = ACTIVATIONS_PATH
) -> tuple[int, dict[str, object]]:
    answer = client.post(path, content=body, headers=headers)
    return answer.status_code, answer.json()


def test_a_signed_activation_is_answered_and_its_repeat_the_same(
    desk: Desk, client: TestClient
) -> None:
    body = body_of(desk)
    first = post(client, body, headers_of(desk, body))
    again = post(client, body, headers_of(desk, body))
    assert first[0] == 200
    assert first == again
    assert desk.wallet.vouchers.by_ec_token(str(first[1]["ec_token"])) == desk.psn_no


def test_what_is_not_signed_so_is_refused_before_it_is_read(desk: Desk, client: TestClient) -> None:
    body = body_of(desk)
    stranger = SigningKey.generate(Algorithm.SM2_SM3)
    good = headers_of(desk, body)
    cases = {
        "terminals.signature_malformed": (b"not json", {"content-type": "application/json"}),
        "insurer.channel_not_certified": (body, headers_of(desk, body, key=stranger)),
        "terminals.body_altered": (body_of(desk, psn_name="测试乙"), good),
    }
    for code, (sent, headers) in cases.items():
        status, answer = post(client, sent, headers)
        assert status == 409
        assert answer["code"] == code
    assert desk.state() is VoucherState.NOT_ACTIVATED


def test_a_request_is_believed_once_and_for_a_minute(desk: Desk, client: TestClient) -> None:
    body = body_of(desk)
    headers = headers_of(desk, body)
    assert post(client, body, headers)[0] == 200
    assert post(client, body, headers)[1]["code"] == "terminals.nonce_replayed"
    late = headers_of(desk, body)
    desk.wallet.wait(timedelta(seconds=61))
    assert post(client, body, late)[1]["code"] == "terminals.signature_stale"


def test_an_application_shows_a_code_that_a_counter_redeems(desk: Desk, client: TestClient) -> None:
    token = desk.activate(desk.request()).ec_token
    body = json.dumps({"ec_token": token}).encode()
    status, shown = post(client, body, headers_of(desk, body, path=CODES_PATH), CODES_PATH)
    assert status == 200
    assert desk.wallet.redeem(str(shown["token"])).psn_no == desk.psn_no
    other = SigningKey.generate(Algorithm.SM2_SM3)
    desk.certify("wechat", other)
    stolen = post(client, body, headers_of(desk, body, path=CODES_PATH, key=other), CODES_PATH)
    assert stolen[1]["code"] == "insurer.voucher_not_activated"
    guessed = json.dumps({"ec_token": "0" * 32}).encode()
    told = post(client, guessed, headers_of(desk, guessed, path=CODES_PATH), CODES_PATH)[1]
    assert told["code"] == "insurer.voucher_not_activated"
    # A signature for another path opens nothing.
    assert post(client, body, headers_of(desk, body), CODES_PATH)[0] == 409


def test_a_withdrawn_channel_is_believed_no_longer(desk: Desk, client: TestClient) -> None:
    assert client.post("/channels/alipay/withdrawal").status_code == 204
    body = body_of(desk)
    assert post(client, body, headers_of(desk, body))[1]["code"] == "insurer.channel_not_certified"
    (listed,) = client.get("/channels").json()
    assert listed["withdrawn_at"] is not None


def test_a_body_that_is_too_long_is_not_read(desk: Desk, client: TestClient) -> None:
    body = body_of(desk) + b" " * CHANNEL_BODY_BYTES_MAX
    answer = client.post(ACTIVATIONS_PATH, content=body, headers=headers_of(desk, body))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "changes",
    [
        {"template": "AAAA"},
        {"consents": ["everything"]},
        {"face_check": {"method": "none", "checked_at": "2026-05-04T02:00:00Z", "reference": "x"}},
        {"certno": "1"},
    ],
)
def test_a_body_of_another_form_is_refused_without_its_content(
    desk: Desk, client: TestClient, changes: dict[str, object]
) -> None:
    body = body_of(desk, **changes)
    status, answer = post(client, body, headers_of(desk, body))
    assert status == 422
    assert "测试甲" not in json.dumps(answer, ensure_ascii=False)
    assert id_number(1).value not in json.dumps(answer)


def test_only_the_insurer_certifies(desk: Desk) -> None:
    def caller(_request: Request) -> Actor:
        return ADMINISTRATOR

    routes = staff_routes(desk.channels, caller)
    listener = build_listener("staff", routers=[routes], mode=Mode.SANDBOX)
    with TestClient(listener, base_url=ORIGIN) as client:
        assert client.get("/channels").json()["code"] == "terminals.wrong_side"
        assert client.post("/channels/alipay/withdrawal").json()["code"] == "terminals.wrong_side"
