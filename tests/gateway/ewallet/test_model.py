"""What a wallet's answers and notifications must be to be believed."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ewallet.exchange import (
    AGREED,
    COMMANDS,
    HELD,
    HOLD,
    HOSPITAL,
    MERCHANT,
    NEWS,
    ORIGIN,
    PAYER,
    PAYMENT,
    START,
    STRANGER,
    WALLET,
    command_answer,
    done,
    notification,
)
from shualian.core.identifiers import CommandId, InstitutionCode
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.gateway.ewallet.model import (
    COMMANDS as COMMAND_CALLS,
)
from shualian.gateway.ewallet.model import (
    REFUSALS,
    AgreementAnswer,
    Answer,
    Call,
    CommandAnswer,
    Form,
    Introduction,
    NotificationBody,
    QueryAnswer,
    StatementAnswer,
    StatusBody,
    believed_answer,
    believed_notification,
    command_body,
    payment_of,
)
from shualian.gateway.police_registry.model import (
    ReceivedAnswer,
    SentRequest,
    parse_public_key,
    sign_answer,
)
from shualian.hospital.wallet.model import (
    Command,
    CommandReport,
    Declined,
    DeclineReason,
    Movement,
    MovementKind,
    News,
    PaymentState,
    Statement,
    WalletNo,
)
from shualian.terminals.agent.model import sign_request
from shualian.terminals.requests.model import (
    FreshnessLimits,
    SignedRequest,
    content_digest_of,
    parse_signature_headers,
    verify_request,
)
from shualian.trust.signatures import Algorithm, SigningKey

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text("utf-8"))


def a_command(nonce: str = "n" * 22) -> SentRequest:
    call, body = command_body(HOLD)
    target = ORIGIN + call.path
    fields = sign_request(
        HOSPITAL,
        method="POST",
        target_uri=target,
        body=body.model_dump_json().encode(),
        created=START,
        nonce=nonce,
    )
    return SentRequest("POST", target, fields["content-digest"], fields["signature"])


SENT = a_command()
RIGHT = command_answer(done(HOLD))


def an_answer(answer: Answer = RIGHT, *, key: SigningKey = WALLET) -> ReceivedAnswer:
    content = answer.model_dump_json().encode()
    fields = sign_answer(key, SENT, status=200, content=content, created=START)
    return ReceivedAnswer(200, dict(fields), content)


def believe(
    received: ReceivedAnswer, *, sent: SentRequest = SENT, now: datetime = START
) -> CommandAnswer:
    return believed_answer(
        received, CommandAnswer, sent=sent, expected_key=WALLET.public_key, now=now
    )


def found(received: ReceivedAnswer, **trusted: Any) -> str:
    with pytest.raises(Refused) as refused:
        believe(received, **trusted)
    assert refused.value.kind.code == "gateway.wallet_not_believed"
    return str(refused.value.details["found"])


class TestAnAnswer:
    @pytest.mark.parametrize("algorithm", Algorithm)
    def test_of_the_wallet_to_this_request_is_believed(self, algorithm: Algorithm) -> None:
        key = SigningKey.generate(algorithm)
        answer = believed_answer(
            an_answer(key=key), CommandAnswer, sent=SENT, expected_key=key.public_key, now=START
        )
        assert answer.outcome.outcome() == done(HOLD)

    @pytest.mark.parametrize(
        "other",
        [
            a_command(nonce="m" * 22),
            replace(SENT, method="PUT"),
            replace(SENT, target_uri=ORIGIN + Call.CAPTURE.path),
            replace(SENT, content_digest=content_digest_of(b"other")),
        ],
    )
    def test_to_another_request_is_not(self, other: SentRequest) -> None:
        assert "another request" in found(an_answer(), sent=other)

    def test_of_another_key_is_not_also_under_the_wallets_name(self) -> None:
        stranger = an_answer(key=STRANGER)
        assert found(stranger) == "another key"
        name = an_answer().headers["signature-input"]
        forged = replace(stranger, headers={**stranger.headers, "signature-input": name})
        assert "a wrong signature" in found(forged)

    def test_whose_content_or_status_was_changed_is_not(self) -> None:
        right = an_answer()
        content = right.content.replace(b"1200", b"1300")
        assert found(replace(right, content=content)) == "another content"
        headers = {**right.headers, "content-digest": content_digest_of(content)}
        assert "wrong" in found(replace(right, content=content, headers=headers))
        assert "wrong" in found(replace(right, status=201))

    @given(st.sampled_from(["signature", "signature-input", "content-digest"]), st.text())
    def test_with_any_other_text_in_a_field_is_not(self, name: str, text: str) -> None:
        right = an_answer()
        if text != right.headers[name]:
            assert found(replace(right, headers={**right.headers, name: text}))

    @pytest.mark.parametrize("name", ["signature", "signature-input", "content-digest"])
    def test_that_lacks_a_field_is_not(self, name: str) -> None:
        right = an_answer()
        left = {key: value for key, value in right.headers.items() if key != name}
        assert found(replace(right, headers=left))

    @pytest.mark.parametrize(
        ("skew_s", "expected"),
        [(61, "terminals.signature_stale"), (-6, "terminals.signature_future")],
    )
    def test_is_believed_for_a_minute(self, skew_s: int, expected: str) -> None:
        assert believe(an_answer(), now=START + timedelta(seconds=60)) == RIGHT
        assert found(an_answer(), now=START + timedelta(seconds=skew_s)) == expected

    def test_of_another_form_is_not(self) -> None:
        other = AgreementAnswer.made(AGREED, stand_in=True)
        assert found(an_answer(other)) == "another form"

    def test_that_contradicts_itself_is_not_a_message(self) -> None:
        said = StatusBody.made(HELD).model_dump() | {"captured_fen": 1}
        with pytest.raises(ValueError, match="wallet_answer_invalid"):
            StatusBody.model_validate(said)


class TestOnTheWire:
    def through(self, answer: Form) -> Form:
        return type(answer).model_validate_json(answer.model_dump_json())

    @pytest.mark.parametrize("command", COMMANDS, ids=lambda each: type(each).__name__)
    def test_a_command_arrives_as_it_was_sent(self, command: Command) -> None:
        call, body = command_body(command)
        assert call in COMMAND_CALLS
        assert type(body).model_validate_json(body.model_dump_json()).command() == command
        assert payment_of(command) == PAYMENT

    def test_answers_arrive_as_they_were_sent(self) -> None:
        declined = Declined(PAYMENT, DeclineReason.CLOSED)
        for outcome in (done(HOLD), declined):
            assert self.through(command_answer(outcome)).outcome.outcome() == outcome
        for report in (
            CommandReport(PAYMENT, None, None),
            CommandReport(PAYMENT, declined, None),
            CommandReport(PAYMENT, done(HOLD), replace(HELD, version=2, state=PaymentState.VOIDED)),
        ):
            assert self.through(QueryAnswer.made(report, stand_in=True)).report() == report
        for agreement in (None, AGREED, replace(AGREED, revoked_at=START)):
            answer = AgreementAnswer.made(agreement, stand_in=True)
            assert self.through(answer).of(PAYER) == agreement
        line = Movement(
            WalletNo("wallet-0001"),
            MovementKind.REFUND,
            CommandId("refund-0001"),
            PAYMENT,
            Fen(1),
            START,
        )
        statement = Statement(date(2026, 11, 21), (line,))
        assert self.through(StatementAnswer.made(statement, stand_in=True)).statement() == statement

    def test_a_moment_of_another_zone_is_the_same_moment(self) -> None:
        body = command_body(HOLD)[1]
        text = body.model_dump_json().replace("T08:15:00Z", "T16:15:00+08:00")
        assert text != body.model_dump_json()
        assert type(body).model_validate_json(text).command() == HOLD

    def test_a_reference_is_not_printed(self) -> None:
        assert PAYER not in repr(command_body(HOLD))

    @pytest.mark.parametrize(
        "url", ["http://elsewhere.example/x", "https://127.0.0.1/x", "http://127.0.0.1@x.example/"]
    )
    def test_a_stand_in_is_told_of_addresses_on_this_machine_only(self, url: str) -> None:
        key = "sm2-sm3:04" + "0" * 128
        assert Introduction(merchant=MERCHANT, public_key=key, notify_url="http://localhost:1/x")
        with pytest.raises(ValueError, match="notify_url"):
            Introduction(merchant=MERCHANT, public_key=key, notify_url=url)


def hear(
    received: SignedRequest,
    *,
    now: datetime = START,
    merchant: InstitutionCode = MERCHANT,
    stand_in_allowed: bool = True,
) -> News:
    return believed_notification(
        received,
        expected_key=WALLET.public_key,
        expected_merchant=merchant,
        stand_in_allowed=stand_in_allowed,
        now=now,
    )


class TestANotification:
    def refusal(self, received: SignedRequest, **trusted: Any) -> str:
        with pytest.raises(Refused) as refused:
            hear(received, **trusted)
        assert refused.value.kind.code == "gateway.wallet_not_believed"
        return str(refused.value.details["found"])

    def test_of_the_wallet_to_this_hospital_is_believed(self) -> None:
        assert hear(notification()) == NEWS
        expired = replace(NEWS, cause=None, at=START - timedelta(days=1))
        assert hear(notification(expired)) == expired

    def test_of_another_key_is_not(self) -> None:
        assert self.refusal(notification(key=STRANGER)) == "another key"

    def test_under_the_wallets_name_by_another_key_is_not(self) -> None:
        right, forged = notification(), notification(key=STRANGER)
        named = replace(forged, signature_input=right.signature_input)
        assert self.refusal(named) == "terminals.signature_wrong"

    def test_for_another_address_or_hospital_is_not(self) -> None:
        elsewhere = notification(target="http://localhost:8001/wallet/v1/notifications")
        assert self.refusal(elsewhere) == "terminals.signature_wrong"
        other = InstitutionCode("H99000000002")
        assert self.refusal(notification(), merchant=other) == "news for another hospital"

    def test_that_was_signed_long_ago_is_not(self) -> None:
        late = START + timedelta(seconds=61)
        assert self.refusal(notification(), now=late) == "terminals.signature_stale"

    def test_whose_content_was_changed_is_not(self) -> None:
        right = notification()
        altered = replace(right, body=right.body.replace(b"1200", b"1300"))
        assert self.refusal(altered) == "terminals.body_altered"

    def test_without_a_signature_is_not(self) -> None:
        bare = replace(notification(), signature=[], signature_input=[])
        assert self.refusal(bare) == "terminals.signature_malformed"

    def test_of_another_form_is_not(self) -> None:
        assert self.refusal(notification(content=b"{}")) == "another form"

    def test_of_a_stand_in_is_believed_in_the_sandbox_only(self) -> None:
        assert self.refusal(notification(), stand_in_allowed=False) == "news of a stand-in"
        assert hear(notification(stand_in=False), stand_in_allowed=False) == NEWS

    @given(st.binary(max_size=40))
    def test_with_any_other_content_is_not(self, content: bytes) -> None:
        assert self.refusal(replace(notification(), body=content))


class TestRecordedMessages:
    """Taken once from the stand-in and its client, keys included."""

    def sent(self) -> SentRequest:
        asked = RECORDED["request"]
        headers = asked["headers"]
        return SentRequest(
            asked["method"], asked["target_uri"], headers["content-digest"], headers["signature"]
        )

    def test_the_recorded_request_still_verifies(self) -> None:
        asked = RECORDED["request"]
        claimed = parse_signature_headers(
            signature_input=[asked["headers"]["signature-input"]],
            signature=[asked["headers"]["signature"]],
            content_digest=[asked["headers"]["content-digest"]],
        )
        verify_request(
            claimed,
            method=asked["method"],
            target_uri=asked["target_uri"],
            body=asked["body"].encode(),
            expected_key=parse_public_key(RECORDED["hospital_key"]),
            now=claimed.created,
            limits=FreshnessLimits(),
        )
        assert command_body(HOLD)[1].model_dump_json() == asked["body"]

    @pytest.mark.parametrize("name", ["done", "declined"])
    def test_the_recorded_answers_are_still_believed(self, name: str) -> None:
        given_ = RECORDED["answers"][name]
        answer = believed_answer(
            ReceivedAnswer(200, given_["headers"], given_["body"].encode()),
            CommandAnswer,
            sent=self.sent(),
            expected_key=parse_public_key(RECORDED["wallet_key"]),
            now=datetime.fromisoformat(RECORDED["at"]).astimezone(UTC),
        )
        outcome = answer.outcome.outcome()
        assert outcome.command_id == PAYMENT
        assert isinstance(outcome, Declined) is (name == "declined")
        assert answer.stand_in

    def test_the_recorded_notification_is_still_believed(self) -> None:
        told = RECORDED["notification"]
        news = believed_notification(
            SignedRequest(
                method="POST",
                target_uri=told["url"],
                signature_input=[told["headers"]["signature-input"]],
                signature=[told["headers"]["signature"]],
                content_digest=[told["headers"]["content-digest"]],
                address="",
                body=told["body"].encode(),
            ),
            expected_key=parse_public_key(RECORDED["wallet_key"]),
            expected_merchant=MERCHANT,
            stand_in_allowed=True,
            now=datetime.fromisoformat(RECORDED["at"]).astimezone(UTC),
        )
        assert news.status == HELD
        assert NotificationBody.model_validate_json(told["body"]).stand_in


def test_every_refusal_is_of_this_part_and_named_once() -> None:
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    assert all(kind.code.startswith("gateway.wallet_") for kind in REFUSALS)
