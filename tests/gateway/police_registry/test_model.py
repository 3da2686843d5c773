"""What a registry's answer must be to be believed, and when a dead registry is left alone."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.police_registry.exchange import ORIGIN, PLATFORM, REGISTRY, START, query
from shualian.core.refusals import Refused
from shualian.gateway.police_registry.model import (
    COMPARISON_PATH,
    FAILURES_MAX,
    PAUSE_MAX_S,
    PAUSE_S,
    REFUSALS,
    Backoff,
    ComparisonAnswer,
    ComparisonBody,
    ReceivedAnswer,
    SentRequest,
    Verdict,
    answer_base,
    ask,
    believed_answer,
    failed,
    parse_public_key,
    public_key_text,
    sign_answer,
)
from shualian.terminals.agent.model import sign_request
from shualian.terminals.requests.model import (
    FreshnessLimits,
    content_digest_of,
    parse_signature_headers,
    verify_request,
)
from shualian.trust.signatures import Algorithm, SigningKey, verify

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text("utf-8"))
REQUEST_ID = "01K00000000000000000000001"


def a_question(nonce: str = "n" * 22) -> SentRequest:
    content = ComparisonBody.made(query(REQUEST_ID)).model_dump_json().encode()
    fields = sign_request(
        PLATFORM,
        method="POST",
        target_uri=ORIGIN + COMPARISON_PATH,
        body=content,
        created=START,
        nonce=nonce,
    )
    return SentRequest(
        "POST", ORIGIN + COMPARISON_PATH, fields["content-digest"], fields["signature"]
    )


QUESTION = a_question()


def an_answer(
    question: SentRequest = QUESTION, *, request_id: str = REQUEST_ID, key: SigningKey = REGISTRY
) -> ReceivedAnswer:
    content = ComparisonAnswer(request_id=request_id, verdict=Verdict.MATCH).model_dump_json()
    fields = sign_answer(key, question, status=200, content=content.encode(), created=START)
    return ReceivedAnswer(200, dict(fields), content.encode())


def believe(
    received: ReceivedAnswer, *, question: SentRequest = QUESTION, now: datetime = START
) -> ComparisonAnswer:
    return believed_answer(
        received,
        sent=question,
        expected_request_id=REQUEST_ID,
        expected_key=REGISTRY.public_key,
        now=now,
    )


def refusal(received: ReceivedAnswer, **trusted: Any) -> str:
    with pytest.raises(Refused) as refused:
        believe(received, **trusted)
    return refused.value.kind.code.partition(".")[2]


def with_header(received: ReceivedAnswer, **changed: str) -> ReceivedAnswer:
    headers = {name.replace("_", "-"): value for name, value in changed.items()}
    return replace(received, headers={**received.headers, **headers})


class TestAnAnswer:
    @pytest.mark.parametrize("algorithm", Algorithm)
    def test_of_the_registry_to_this_question_is_believed(self, algorithm: Algorithm) -> None:
        key = SigningKey.generate(algorithm)
        found = believed_answer(
            an_answer(key=key),
            sent=QUESTION,
            expected_request_id=REQUEST_ID,
            expected_key=key.public_key,
            now=START,
        )
        assert found.verdict is Verdict.MATCH

    def test_to_the_same_question_sent_another_time_is_not(self) -> None:
        again = a_question(nonce="m" * 22)
        assert refusal(an_answer(), question=again) == "registry_answer_not_believed"

    @pytest.mark.parametrize(
        "change",
        [
            {"method": "PUT"},
            {"target_uri": "http://127.0.0.1:9999" + COMPARISON_PATH},
            {"content_digest": content_digest_of(b"other")},
            {"signature": QUESTION.signature.replace("sig=:", "sig=:A", 1)},
        ],
    )
    def test_to_another_question_is_not(self, change: Mapping[str, str]) -> None:
        other = replace(QUESTION, **change)
        assert refusal(an_answer(), question=other) == "registry_answer_not_believed"

    def test_that_names_another_question_is_not(self) -> None:
        other = an_answer(request_id="01K00000000000000000000002")
        assert refusal(other) == "registry_answer_not_believed"

    def test_of_another_key_is_not(self) -> None:
        stranger = SigningKey.generate(Algorithm.SM2_SM3)
        assert refusal(an_answer(key=stranger)) == "registry_answer_not_believed"

    def test_of_another_key_under_the_registrys_name_is_not(self) -> None:
        stranger, right = an_answer(key=SigningKey.generate(Algorithm.SM2_SM3)), an_answer()
        forged = with_header(stranger, signature_input=right.headers["signature-input"])
        assert refusal(forged) == "registry_answer_not_believed"

    def test_whose_content_or_status_was_changed_is_not(self) -> None:
        right = an_answer()
        content = right.content.replace(b"match", b"no_match")
        assert refusal(replace(right, content=content)) == "registry_answer_not_believed"
        both = with_header(
            replace(right, content=content), content_digest=content_digest_of(content)
        )
        assert refusal(both) == "registry_answer_not_believed"
        assert refusal(replace(right, status=201)) == "registry_answer_not_believed"

    @pytest.mark.parametrize("name", ["signature", "signature-input", "content-digest"])
    def test_that_lacks_a_field_is_not(self, name: str) -> None:
        right = an_answer()
        left = {key: value for key, value in right.headers.items() if key != name}
        assert refusal(replace(right, headers=left)) == "registry_answer_not_believed"

    @pytest.mark.parametrize(
        ("skew_s", "expected"),
        [(60, ""), (61, "signature_stale"), (-5, ""), (-6, "signature_future")],
    )
    def test_is_believed_for_a_minute(self, skew_s: int, expected: str) -> None:
        now = START + timedelta(seconds=skew_s)
        if expected:
            assert refusal(an_answer(), now=now) == expected
        else:
            assert believe(an_answer(), now=now).verdict is Verdict.MATCH

    @given(st.sampled_from(["signature", "signature-input", "content-digest"]), st.text())
    def test_with_any_other_text_in_a_field_is_not(self, name: str, text: str) -> None:
        right = an_answer()
        if text == right.headers[name]:
            return
        changed = replace(right, headers={**right.headers, name: text})
        assert refusal(changed) == "registry_answer_not_believed"

    def test_signs_a_structured_field_as_the_standard_writes_it(self) -> None:
        field = an_answer().headers["signature-input"]
        parsed: Any = http_sf.parse(field.encode(), tltype="dictionary")
        components, parameters = parsed["sig"]
        assert [name for name, _ in components] == [
            "@status",
            "content-digest",
            "@method",
            "@target-uri",
            "content-digest",
            "signature",
        ]
        assert ["req" in flags for _, flags in components] == [False] * 2 + [True] * 4
        assert set(parameters) == {"created", "keyid"}
        assert http_sf.ser(parsed) == field


class TestRecordedMessages:
    """Taken once from the stand-in and its client, keys included; the picture shows no face."""

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
            expected_key=parse_public_key(RECORDED["platform_key"]),
            now=claimed.created,
            limits=FreshnessLimits(),
        )
        assert ComparisonBody.model_validate_json(asked["body"]).name == "张示例"

    @pytest.mark.parametrize("name", ["name_number_mismatch", "no_match", "not_found", "busy"])
    def test_the_recorded_answers_are_still_believed(self, name: str) -> None:
        asked, given_ = RECORDED["request"], RECORDED["answers"][name]
        found = believed_answer(
            ReceivedAnswer(200, given_["headers"], given_["body"].encode()),
            sent=SentRequest(
                asked["method"],
                asked["target_uri"],
                asked["headers"]["content-digest"],
                asked["headers"]["signature"],
            ),
            expected_request_id=REQUEST_ID,
            expected_key=parse_public_key(RECORDED["registry_key"]),
            now=datetime.fromisoformat(RECORDED["at"]).astimezone(UTC),
        )
        assert found.verdict == name
        assert found.stand_in

    def test_the_bytes_that_are_signed_are_those_recorded(self) -> None:
        asked, given_ = RECORDED["request"], RECORDED["answers"]["busy"]
        question = SentRequest(
            asked["method"],
            asked["target_uri"],
            asked["headers"]["content-digest"],
            asked["headers"]["signature"],
        )
        parameters = given_["headers"]["signature-input"].removeprefix("sig=")
        base = answer_base(
            question,
            status=200,
            content_digest=given_["headers"]["content-digest"],
            parameters=parameters,
        )
        assert base.decode() == RECORDED["base_of_busy"]
        signature: Any = http_sf.parse(given_["headers"]["signature"].encode(), tltype="dictionary")
        key = parse_public_key(RECORDED["registry_key"])
        assert verify(key, base, signature["sig"][0])


class TestThePause:
    def test_begins_with_the_third_failure_in_a_row_and_lets_one_try_after_it(self) -> None:
        backoff = Backoff()
        for _ in range(FAILURES_MAX):
            allowed, backoff = ask(backoff, now_s=100)
            assert allowed
            backoff = failed(backoff, now_s=100)
        assert not ask(backoff, now_s=100 + PAUSE_S - 0.1)[0]
        allowed, trying = ask(backoff, now_s=100 + PAUSE_S)
        assert allowed
        assert not ask(trying, now_s=100 + PAUSE_S)[0]

    def test_is_not_made_longer_by_those_on_their_way_when_it_began(self) -> None:
        backoff = Backoff()
        for _ in range(50):
            backoff = failed(backoff, now_s=100)
        assert backoff.paused_until == 100 + PAUSE_S

    @given(st.lists(st.floats(0, 200), min_size=1, max_size=40))
    def test_never_lasts_longer_than_its_limit_and_always_ends(self, waits: list[float]) -> None:
        backoff, now = Backoff(), 0.0
        for wait in waits:
            now += wait
            allowed, backoff = ask(backoff, now_s=now)
            if allowed:
                backoff = failed(backoff, now_s=now)
            assert backoff.paused_until <= now + PAUSE_MAX_S
            assert ask(backoff, now_s=now + PAUSE_MAX_S)[0]


def test_a_public_key_reads_as_it_was_written() -> None:
    for algorithm in Algorithm:
        key = SigningKey.generate(algorithm).public_key
        assert parse_public_key(public_key_text(key)) == key


@pytest.mark.parametrize("text", ["", "sm2-sm3:", "rsa:04" + "0" * 128, "sm2-sm3:04" + "0" * 127])
def test_another_text_is_no_public_key(text: str) -> None:
    with pytest.raises(Refused, match="registry_key_invalid"):
        parse_public_key(text)


def test_a_question_never_prints_whom_it_is_about() -> None:
    printed = repr(ComparisonBody.made(query()))
    assert query().id_number.value not in printed
    assert "张示例" not in printed
    assert "picture" not in printed


def test_every_refusal_is_of_this_part_and_named_once() -> None:
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    assert all(kind.code.startswith("gateway.") and len(kind.code) <= 48 for kind in REFUSALS)
