"""Withdrawing on the phone, over real HTTP: signed by the channel that activated the voucher."""

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from insurer.face_world import PERSON, FaceWorld
from insurer.vouchers.wallet import OPERATOR
from shualian.core.database import SqliteDatabase
from shualian.core.identifiers import PersonNo
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.channels import store as channels_store
from shualian.insurer.channels.model import Channel
from shualian.insurer.channels.service import Channels
from shualian.insurer.consents import api as consents_api
from shualian.insurer.consents.api import CHANNEL_WITHDRAWAL_PATH
from shualian.insurer.vouchers.model import VOUCHER_NOT_ACTIVATED
from shualian.terminals.agent.model import sign_request
from shualian.terminals.requests.model import FreshnessLimits
from shualian.terminals.requests.store import MemoryNonces
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.web.application import build_listener

ORIGIN = "https://channels.insurer.example"
TOKEN = "990000" + "0" * 26
OWN, OTHER = "alipay", "wechat"


class Vouchers:
    """One voucher, activated through one channel."""

    def by_ec_token(self, ec_token: str) -> PersonNo:
        if ec_token != TOKEN:
            raise Refused(VOUCHER_NOT_ACTIVATED)
        return PERSON

    def activated(self, channel: Channel, psn_no: PersonNo) -> bool:
        return (channel.code, psn_no) == (OWN, PERSON)


class Phone:
    """Two certified channels before the listener."""

    def __init__(self, folder: Path) -> None:
        self.database = SqliteDatabase(f"sqlite:///{folder}/phone.db")
        self.world = world = FaceWorld(self.database, folder)
        self.database.create_tables(channels_store.metadata)
        limits = FreshnessLimits()
        begun = world.clock.now() - timedelta(minutes=5)
        channels = Channels(
            database=self.database,
            clock=world.clock,
            nonces=MemoryNonces(started_at=begun, limits=limits),
            limits=limits,
        )
        self.keys = {each: SigningKey.generate(Algorithm.SM2_SM3) for each in (OWN, OTHER)}
        for name, key in self.keys.items():
            channels.certify(actor=OPERATOR, code=name, name="示例渠道", public_key=key.public_key)
        vouchers = Vouchers()
        routes = consents_api.channel_routes(
            channels, world.consents, vouchers, vouchers, origin=ORIGIN
        )
        self.listener = build_listener("channel", routers=[routes], mode=Mode.SANDBOX)

    def withdraw(self, token: str = TOKEN, *, channel: str = OWN) -> tuple[int, dict[str, Any]]:
        body = json.dumps({"ec_token": token, "purpose": "template"}).encode()
        headers = sign_request(
            self.keys[channel],
            method="POST",
            target_uri=ORIGIN + CHANNEL_WITHDRAWAL_PATH,
            body=body,
            created=self.world.wait(),
            nonce=secrets.token_urlsafe(16),
        )
        headers = {**headers, "content-type": "application/json"}
        with TestClient(self.listener, base_url=ORIGIN) as client:
            answer = client.post(CHANNEL_WITHDRAWAL_PATH, content=body, headers=headers)
        return answer.status_code, answer.json()


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Phone]:
    made = Phone(tmp_path)
    made.world.give(PERSON)
    made.world.enrol()
    yield made
    made.database.close()


def test_a_person_withdraws_on_the_phone_and_nothing_is_left(phone: Phone) -> None:
    status, answer = phone.withdraw()

    assert status == 200
    assert answer["purposes"] == ["template"]
    assert answer["receipt"]["stores"][0]["deleted"] == 1
    assert phone.world.left() == 0
    assert phone.world.consents.in_force(PERSON) == frozenset()
    given, withdrawn = phone.world.consents.export(PERSON).events
    assert (withdrawn.channel.kind.value, withdrawn.channel.partner) == ("partner", "ALIPAY")
    assert given.channel != withdrawn.channel


@pytest.mark.parametrize(("token", "channel"), [(TOKEN, OTHER), ("0" * 32, OWN)])
def test_no_other_channel_and_no_guessed_token_withdraws_anything(
    phone: Phone, token: str, channel: str
) -> None:
    status, answer = phone.withdraw(token, channel=channel)

    assert status == 409
    assert answer["code"] == "insurer.voucher_not_activated"
    assert phone.world.left() > 0
