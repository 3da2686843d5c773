"""The closed set of failures: words that can be acted on, one clip for each sentence."""

import re
from collections import defaultdict

import pytest

from shualian.core.refusals import Finality
from shualian.verification.failures import model
from shualian.verification.failures.model import FAILURES, Cause, ScanFailure, Spoken

EVERY = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())

WAYS = ("卡", "码", "身份证", "窗口", "机器", "换")
NEVER_SAID = (
    *("脸不对", "不是本人", "不是您本人", "冒", "假", "骗", "攻击", "照片攻击", "可疑", "您的脸"),
    *("wrong face", "not you", "impostor", "fake", "fraud", "attack", "spoof", "suspicio"),
)
MECHANISM = (
    "阈值",
    "模型",
    "分数",
    "随机数",
    "签名",
    "活体",
    "threshold",
    "score",
    "nonce",
    "token",
)
MONEY = ("元", "扣", "付款", "钱", "自费", "差额", "pay", "paid")


def words(failure: ScanFailure) -> str:
    return " ".join(
        (failure.zh, failure.en, failure.spoken.zh, failure.next_zh, failure.next_en)
    ).lower()


def test_the_set_holds_every_failure_that_is_declared() -> None:
    declared = [each for each in vars(model).values() if isinstance(each, ScanFailure)]

    assert sorted(each.code for each in declared) == sorted(FAILURES)
    assert all(FAILURES[each.code] == each for each in declared)


@EVERY
def test_a_failure_says_in_both_languages_what_is_and_what_to_do(failure: ScanFailure) -> None:
    for chinese in (failure.zh, failure.spoken.zh, failure.next_zh):
        assert re.search(r"[一-鿿]", chinese)
    for english in (failure.en, failure.next_en):
        assert english.isascii()
        assert english
    assert failure.zh != failure.next_zh
    assert re.fullmatch(r"[a-z][a-z0-9_]{1,30}", failure.code)


@EVERY
def test_the_words_are_few(failure: ScanFailure) -> None:
    """Read from a screen at arm's length, and spoken without a second breath."""
    assert len(failure.zh) <= 34
    assert len(failure.next_zh) <= 34
    assert len(failure.spoken.zh) <= 24


@EVERY
def test_nobody_is_told_that_the_face_is_wrong_or_suspected(failure: ScanFailure) -> None:
    assert not [word for word in NEVER_SAID if word in words(failure)]


@EVERY
def test_nobody_is_told_the_mechanism(failure: ScanFailure) -> None:
    assert not [word for word in MECHANISM if word in words(failure)]


@EVERY
def test_money_is_mentioned_only_where_an_insurance_or_a_payment_is_the_matter(
    failure: ScanFailure,
) -> None:
    if failure.cause is Cause.INSURANCE or failure == model.PAYMENT_HELD:
        return
    assert not [word for word in MONEY if word in words(failure)]


@EVERY
def test_what_cannot_be_mended_by_trying_again_names_a_way_that_is_open(
    failure: ScanFailure,
) -> None:
    if failure.finality is Finality.TEMPORARY:
        return
    told = failure.zh + failure.next_zh
    assert [way for way in WAYS if way in told]


@EVERY
def test_nothing_of_a_person_is_spoken(failure: ScanFailure) -> None:
    assert not re.search(r"[0-9{}%]", failure.spoken.zh)


def test_one_sentence_has_one_clip_and_one_clip_one_sentence() -> None:
    sentences: defaultdict[str, set[str]] = defaultdict(set)
    clips: defaultdict[str, set[str]] = defaultdict(set)
    for failure in FAILURES.values():
        sentences[failure.clip].add(failure.spoken.zh)
        clips[failure.spoken.zh].add(failure.clip)

    assert {clip: found for clip, found in sentences.items() if len(found) > 1} == {}
    assert {spoken: found for spoken, found in clips.items() if len(found) > 1} == {}


def test_the_clip_of_a_sentence_does_not_change() -> None:
    """Recordings are made ahead under these names."""
    assert model.NO_FACE.spoken == Spoken("scan.no_face", "请站到屏幕前，脸对准框")
    assert model.NOT_LIVE.clip == model.PICTURE_POOR.clip == "scan.again"


def test_every_row_of_the_field_study_is_counted_by_a_failure() -> None:
    assert {failure.cause for failure in FAILURES.values()} == set(Cause)


def test_an_unknown_outcome_is_never_told_as_a_failure_that_may_be_repeated() -> None:
    unknown = [each for each in FAILURES.values() if each.finality is Finality.UNKNOWN]

    assert unknown == [model.NOT_KNOWN]
    assert "不要" in model.NOT_KNOWN.zh + model.NOT_KNOWN.next_zh or "别" in model.NOT_KNOWN.zh


def test_a_failure_travels_in_the_form_of_a_refusal_with_its_clip() -> None:
    assert model.TOO_FAR.as_json() == {
        "code": "too_far",
        "message": {"zh": "请再靠近一点", "en": "Come a little closer"},
        "next": {
            "zh": "走近一步，让脸把框填满",
            "en": "One step closer, until the face fills the oval",
        },
        "spoken": {"clip": "scan.too_far", "zh": "请再靠近一点"},
        "helper": "self",
        "finality": "temporary",
    }
