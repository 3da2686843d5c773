"""Messages over real HTTP: by the person's own proof at a terminal, signed by a channel."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from insurer.channels.test_activations import ORIGIN, Desk
from insurer.consents.test_api import CHILD_NUMBER, Hall, code, content
from insurer.face_world import CHILD, PARENT, PERSON, SEEN_PARENT
from shualian.core.database import Database
from shualian.core.mode import Mode
from shualian.insurer.family.model import FamilyNews
from shualian.insurer.messages import api as messages_api
from shualian.insurer.messages import store
from shualian.insurer.messages.api import CHANNEL_PATH, TERMINAL_PATH
from shualian.insurer.messages.service import Messages
from shualian.insurer.templates.model import Told
from shualian.terminals.agent.model import sign_request
from shualian.terminals.service import TerminalServices
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.web.application import build_listener
from terminals.district import ORIGIN as TERMINAL_ORIGIN

PHONE = "0990-12393"


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    made.database.create_tables(store.metadata)
    yield made
    made.database.close()


@pytest.fixture
def inbox(hall: Hall) -> Messages:
    messages = Messages(database=hall.database, clock=hall.world.clock, phone=PHONE)
    district = hall.district
    terminals = TerminalServices(
        register=district.register,
        enrolments=district.enrolments,
        requests=district.requests,
        heartbeats=district.heartbeats,
    )
    routes = messages_api.terminal_routes(
        terminals,
        messages,
        hall.proofs,
        guardians=hall.world.consents,
        people=hall.world.register,
        clock=hall.world.clock,
        origin=TERMINAL_ORIGIN,
    )
    hall.application.include_router(routes)
    return messages


def test_a_person_reads_the_own_messages_at_a_terminal(hall: Hall, inbox: Messages) -> None:
    inbox.tell(PERSON, Told.TEMPLATE_REPLACED)

    answer = hall.act(TERMINAL_PATH, PERSON)

    (message,) = content(answer)["messages"]
    assert message["code"] == "template_replaced"
    assert PHONE in message["zh"]
    assert message["seen_at"] is None
    assert answer.headers["cache-control"] == "no-store"
    assert [each.seen_at for each in inbox.pulled(PERSON)] != [None]


def test_a_guardian_reads_what_a_child_is_told_until_the_child_is_fourteen(
    hall: Hall, inbox: Messages
) -> None:
    hall.world.give(CHILD, by=SEEN_PARENT)
    inbox.tell(CHILD, Told.TEMPLATE_EXPIRED)
    asked = {"child_number": CHILD_NUMBER}

    assert code(hall.act(TERMINAL_PATH, PERSON, **asked)) == "insurer.guardian_not_proven"
    (message,) = content(hall.act(TERMINAL_PATH, PARENT, **asked))["messages"]
    assert message["code"] == "template_expired"

    # Born on 9 March 2016.
    hall.world.clock.set(datetime(2030, 3, 10, 4, tzinfo=UTC))
    assert code(hall.act(TERMINAL_PATH, PARENT, **asked)) == "insurer.guardian_not_proven"


def test_without_a_proof_or_a_signature_nobody_reads(hall: Hall, inbox: Messages) -> None:
    inbox.tell(PERSON, Told.TEMPLATE_REPLACED)
    proof = hall.proofs.issue(PERSON, "INTENT-1")

    wrong = hall.send(TERMINAL_PATH, auth_no="invented", intent_id="INTENT-1")
    altered = hall.send(TERMINAL_PATH, signed=False, auth_no=proof, intent_id="INTENT-1")

    assert code(wrong) == "test.wrong_proof"
    assert altered.status_code >= 400
    assert [each.seen_at for each in inbox.pulled(PERSON)] == [None]


class Application:
    """A channel's application, with the listener that channels reach."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.desk = desk = Desk(database, folder)
        database.create_tables(store.metadata)
        self.inbox = Messages(database=database, clock=desk.wallet.clock, phone=PHONE)
        self.listener = build_listener(
            "channel",
            routers=[
                messages_api.channel_routes(
                    desk.channels,
                    self.inbox,
                    desk.wallet.vouchers,
                    desk.activations,
                    origin=ORIGIN,
                )
            ],
            mode=Mode.SANDBOX,
        )

    def pull(self, token: str, *, key: SigningKey | None = None, **fields: Any) -> tuple[int, Any]:
        body = json.dumps({"ec_token": token, **fields}).encode()
        headers = sign_request(
            key or self.desk.key,
            method="POST",
            target_uri=ORIGIN + CHANNEL_PATH,
            body=body,
            created=self.desk.wallet.now(),
            nonce=secrets.token_urlsafe(16),
        )
        headers = {**headers, "content-type": "application/json"}
        with TestClient(self.listener, base_url=ORIGIN, raise_server_exceptions=False) as client:
            answer = client.post(CHANNEL_PATH, content=body, headers=headers)
        return answer.status_code, answer.json()


@pytest.fixture
def application(sqlite_database: Database, tmp_path: Path) -> Application:
    return Application(sqlite_database, tmp_path)


def test_the_channel_of_the_person_pulls_and_marks_what_was_opened(
    application: Application,
) -> None:
    desk = application.desk
    token = desk.activate(desk.request()).ec_token
    application.inbox.tell(desk.psn_no, FamilyNews.UNBOUND)

    status, first = application.pull(token)
    assert status == 200
    (message,) = first["messages"]
    assert (message["code"], message["seen_at"]) == ("family_unbound", None)

    _, again = application.pull(token, seen=[message["message_id"]])
    assert again["messages"][0]["seen_at"] is not None


def test_another_channel_learns_nothing_even_with_the_token(application: Application) -> None:
    desk = application.desk
    token = desk.activate(desk.request()).ec_token
    application.inbox.tell(desk.psn_no, FamilyNews.UNBOUND)
    other = SigningKey.generate(Algorithm.SM2_SM3)
    desk.certify("wechat", other)

    refused = application.pull(token, key=other)
    unknown = application.pull("nobody's", key=other)

    assert refused[0] == unknown[0] >= 400
    assert refused[1]["code"] == unknown[1]["code"] == "insurer.voucher_not_activated"
    assert desk.psn_no not in json.dumps(refused[1])


def test_a_channel_that_is_not_certified_is_not_heard(application: Application) -> None:
    status, answer = application.pull("token", key=SigningKey.generate(Algorithm.SM2_SM3))
    assert status >= 400
    assert answer["code"] == "insurer.channel_not_certified"
