"""How failures are counted and how pauses grow."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Finality, Refused
from shualian.verification.pauses.model import (
    CLAIM_PAUSED,
    CLAIMED_RULE,
    TERMINAL_PAUSED,
    TERMINAL_RULE,
    Failures,
    PauseRule,
    check_pauses,
    counted,
    failures_possible,
    is_forgotten,
    pause_length,
    paused_claim,
    paused_until,
)
from shualian.verification.sessions.model import Sought, SoughtBy

NOW = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
ZHANG = PersonNo("990000001")
RULES = [CLAIMED_RULE, TERMINAL_RULE]


def failed(times: int, rule: PauseRule, *, now: datetime = NOW) -> Failures | None:
    found: Failures | None = None
    for _ in range(times):
        found = counted(found, rule=rule, now=now)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_one_failure_less_than_the_limit_begins_no_pause(rule: PauseRule) -> None:
    assert paused_until(failed(rule.failures_max - 1, rule), now=NOW) is None


@pytest.mark.parametrize("rule", RULES)
def test_the_last_failure_of_a_window_begins_the_first_pause(rule: PauseRule) -> None:
    found = failed(rule.failures_max, rule)

    assert paused_until(found, now=NOW) == NOW + rule.first
    assert paused_until(found, now=NOW + rule.first) is None


def test_failures_spread_over_more_than_a_window_begin_no_pause() -> None:
    found = failed(CLAIMED_RULE.failures_max - 1, CLAIMED_RULE)

    later = NOW + CLAIMED_RULE.window
    found = counted(found, rule=CLAIMED_RULE, now=later)

    assert paused_until(found, now=later) is None
    assert found.failures == 1


def test_pauses_double_up_to_the_longest() -> None:
    minutes = [pause_length(CLAIMED_RULE, n) // timedelta(minutes=1) for n in range(1, 10)]
    assert minutes == [2, 4, 8, 16, 32, 64, 128, 240, 240]
    seconds = [pause_length(TERMINAL_RULE, n) // timedelta(seconds=1) for n in range(1, 8)]
    assert seconds == [30, 60, 120, 240, 480, 600, 600]


def test_after_a_day_without_a_pause_the_next_one_is_a_first_one() -> None:
    found = failed(2 * CLAIMED_RULE.failures_max, CLAIMED_RULE)
    assert found is not None
    assert found.pauses == 2
    assert found.paused_until is not None
    rested = found.paused_until + CLAIMED_RULE.forgotten_after

    assert is_forgotten(found, rule=CLAIMED_RULE, now=rested)
    assert counted(found, rule=CLAIMED_RULE, now=rested) == Failures(rested, 1)


def test_one_identity_can_be_tried_72_times_a_day_however_many_terminals_there_are() -> None:
    assert failures_possible(CLAIMED_RULE, within=timedelta(days=1)) == 72


@given(st.integers(1, 10_000))
def test_no_pause_is_longer_than_the_longest(pauses: int) -> None:
    for rule in RULES:
        assert rule.first <= pause_length(rule, pauses) <= rule.longest


@pytest.mark.parametrize("by", [each for each in SoughtBy if each is not SoughtBy.NUMBER])
def test_a_claim_that_a_stranger_cannot_make_is_never_paused(by: SoughtBy) -> None:
    assert paused_claim(Sought(by, claimed=ZHANG)) is None


def test_a_typed_number_is_paused_if_somebody_has_it() -> None:
    assert paused_claim(Sought(SoughtBy.NUMBER, claimed=ZHANG)) == ZHANG
    assert paused_claim(Sought(SoughtBy.NUMBER)) is None


def test_a_refusal_says_until_when_and_which_ways_are_open_and_never_of_whom() -> None:
    found = failed(CLAIMED_RULE.failures_max, CLAIMED_RULE)

    with pytest.raises(Refused) as refused:
        check_pauses(terminal=None, claimed=found, now=NOW + timedelta(seconds=0.5))

    assert refused.value.kind is CLAIM_PAUSED
    assert refused.value.details == {"until": "2026-01-05T01:02:00+00:00", "seconds": 120}
    for kind in (CLAIM_PAUSED, TERMINAL_PAUSED):
        assert kind.finality is Finality.TEMPORARY
        for way in ("医保卡", "医保码", "身份证", "窗口"):
            assert way in kind.next_zh


@pytest.mark.parametrize(
    ("failures_max", "first_s", "longest_s"), [(0, 30, 60), (1, 0, 60), (1, 60, 30)]
)
def test_a_rule_without_sense_is_refused(failures_max: int, first_s: int, longest_s: int) -> None:
    with pytest.raises(ValueError, match="a pause needs"):
        PauseRule(
            failures_max=failures_max,
            window=timedelta(minutes=1),
            first=timedelta(seconds=first_s),
            longest=timedelta(seconds=longest_s),
            forgotten_after=timedelta(hours=1),
        )
