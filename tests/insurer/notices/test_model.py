from dataclasses import fields, replace
from datetime import date

import pytest

from insurer.face_world import later_notice
from shualian.core.refusals import Refused
from shualian.core.settings import RegistryCheck, Settings
from shualian.insurer.notices.model import (
    NOTICE_DIFFERS,
    NOTICE_INVALID,
    NOTICE_OUTDATED,
    Notices,
    RegistryUse,
    RunningFacts,
    SafetyTopic,
    check_notice,
    covers,
    parse_notice,
    running_facts,
)
from shualian.insurer.notices.store import load_notices, packaged_notices
from shualian.verification.model import ConsentPurpose

NOTICE = load_notices(packaged_notices()).current
SETTINGS = Settings(registry_url="https://registry.example", insurer_name="示例医保局")
TOML = (packaged_notices() / f"{NOTICE.version}.toml").read_text("utf-8")


def running(settings: Settings = SETTINGS) -> RunningFacts:
    return running_facts(settings, frames_stored=False, templates_kept=True, payment_consent=True)


def test_the_packaged_notice_says_what_the_default_settings_do() -> None:
    check_notice(NOTICE, running())


OTHERWISE: dict[str, object] = {
    "handler_named": False,
    "registry": RegistryUse.RISK,
    "frames_stored": True,
    "degraded_mode": False,
    "templates_kept": False,
    "template_months": 25,
    "payment_consent": False,
    "backup_days": 31,
}


def test_every_fact_is_tried() -> None:
    assert set(OTHERWISE) == {fact.name for fact in fields(RunningFacts)}


@pytest.mark.parametrize("fact", OTHERWISE)
def test_start_up_is_refused_for_each_fact_that_differs_and_names_it(fact: str) -> None:
    with pytest.raises(Refused) as caught:
        check_notice(NOTICE, replace(running(), **{fact: OTHERWISE[fact]}))  # type: ignore[arg-type]

    assert caught.value.kind is NOTICE_DIFFERS
    assert caught.value.details["fact"] == fact


@pytest.mark.parametrize(
    ("changed", "fact"),
    [
        ({"template_months": 36}, "template_months"),
        ({"backup_days": 90}, "backup_days"),
        ({"registry_check": RegistryCheck.RISK}, "registry"),
        ({"registry_url": None}, "registry"),
        ({"registry_degraded_max_fen": 0}, "degraded_mode"),
        ({"insurer_name": " "}, "handler_named"),
        ({"insurer_phone": ""}, "handler_named"),
    ],
)
def test_a_setting_that_the_notice_does_not_say_is_refused(
    changed: dict[str, object], fact: str
) -> None:
    settings = SETTINGS.model_copy(update=changed)

    with pytest.raises(Refused) as caught:
        check_notice(NOTICE, running(settings))

    assert caught.value.details["fact"] == fact


def test_the_text_names_who_handles_the_data_and_the_numbers_in_both_languages() -> None:
    text = NOTICE.text(SETTINGS, institution="示例医院")

    for words in (text.zh, text.en):
        assert "示例医保局" in words
        assert "示例医院" in words
        assert SETTINGS.insurer_phone in words
        assert "24" in words
        assert "30" in words
        assert "{" not in words


def test_a_name_with_braces_is_not_filled_in_again() -> None:
    text = NOTICE.text(SETTINGS, institution="{insurer_phone}")

    assert "{insurer_phone}" in text.zh


def test_three_ticks_are_offered_and_four_sentences_answer_whether_it_is_safe() -> None:
    assert [each.purpose for each in NOTICE.tick] == list(ConsentPurpose)
    assert [each.topic for each in NOTICE.safety] == list(SafetyTopic)
    assert all("{" not in each.zh + each.en for each in NOTICE.safety_text(SETTINGS))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('states = ["degraded_mode"]', "states = []"),
        ("连续 {template_months} 个月", "连续 12 个月"),
        ("{insurer_phone}", "{telephone}"),
        ('purpose = "template"', 'purpose = "comparison"'),
        ('topic = "deletion"', 'topic = "protection"'),
        ("payment_consent = true", "payment_consent = false"),
        ("backup_days = 30", "backup_days = 30\nmore = 1"),
        ('version = "2026-11-22"', 'version = "today"'),
        ("[spoken]", "[spoken"),
    ],
)
def test_a_notice_whose_words_leave_something_unsaid_is_refused(before: str, after: str) -> None:
    assert before in TOML
    with pytest.raises(Refused) as caught:
        parse_notice(TOML.replace(before, after))

    assert caught.value.kind is NOTICE_INVALID


def test_only_the_current_version_can_be_agreed_to() -> None:
    notices = Notices([later_notice(NOTICE, "2027-01-01", material=False), NOTICE])

    assert notices.check_current("2027-01-01").published == date(2027, 1, 1)
    for version in (NOTICE.version, "2030-01-01", ""):
        with pytest.raises(Refused) as caught:
            notices.check_current(version)
        assert caught.value.kind is NOTICE_OUTDATED


def test_only_a_material_version_asks_again() -> None:
    plain = later_notice(NOTICE, "2027-01-01", material=False)
    material = later_notice(NOTICE, "2027-02-01", material=True)

    assert not Notices([NOTICE, plain]).asks_again(NOTICE.version)
    assert Notices([NOTICE, plain, material]).asks_again(NOTICE.version)
    assert Notices([NOTICE, plain, material]).asks_again(plain.version)
    assert not Notices([NOTICE, plain, material]).asks_again(material.version)
    assert Notices([NOTICE]).asks_again("1999-01-01")


@pytest.mark.parametrize(
    ("more", "is_covered"),
    [
        ({"registry": RegistryUse.RISK}, True),
        ({"backup_days": 31}, False),
        ({"backup_days": 7}, True),
        ({"frames_stored": True}, False),
        ({"degraded_mode": False}, True),
        ({"template_months": 36}, True),
    ],
)
def test_an_agreement_covers_less_than_was_said_and_never_more(
    more: dict[str, object], *, is_covered: bool
) -> None:
    assert covers(running(), replace(running(), **more)) is is_covered  # type: ignore[arg-type]


def test_an_agreement_to_checks_by_risk_does_not_cover_a_check_at_every_scan() -> None:
    assert not covers(replace(running(), registry=RegistryUse.RISK), running())


def test_two_versions_of_one_name_and_no_version_at_all_are_refused() -> None:
    for wrong in ([], [NOTICE, NOTICE]):
        with pytest.raises(Refused) as caught:
            Notices(wrong)
        assert caught.value.kind is NOTICE_INVALID
