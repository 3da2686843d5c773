"""Health: each fact brings its reason, the gravest decides, limits only tighten."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shualian.core.refusals import RefusalKind
from shualian.terminals.heartbeat.model import (
    CAMERA_FAILED,
    HEARTBEAT_STALE,
    STATE_OF,
    TERMINAL_AT_RISK,
    Beat,
    Health,
    HealthFacts,
    HealthState,
    HealthThresholds,
    Reason,
    Tally,
    check_fit_for_capture,
    judge,
)
from terminals.district import START, answer_of

THRESHOLDS = HealthThresholds()
BEAT = Beat(START, camera_ok=True, disk_free_percent=50, in_place=True, tampered_at=None)
SOUND = HealthFacts(
    enrolled_at=START - timedelta(days=30),
    beat=BEAT,
    software=(2, 1),
    software_current=(2, 1),
    key_made_at=START - timedelta(days=30),
    recent=Tally(captures=40, failures=4),
    before=Tally(captures=400, failures=40),
)
SECOND = timedelta(seconds=1)
ORDER = list(HealthState)


def health(facts: HealthFacts, seconds: float = 0) -> Health:
    return judge(facts, now=START + seconds * SECOND, thresholds=THRESHOLDS)


def test_a_sound_terminal_is_online_without_a_reason() -> None:
    assert health(SOUND) == Health(HealthState.ONLINE, ())


@pytest.mark.parametrize(
    ("facts", "reason", "state"),
    [
        (replace(SOUND, beat=replace(BEAT, camera_ok=False)), "camera_failed", "degraded"),
        (replace(SOUND, beat=replace(BEAT, disk_free_percent=9)), "disk_low", "degraded"),
        (replace(SOUND, beat=replace(BEAT, in_place=False)), "moved", "at_risk"),
        (replace(SOUND, beat=replace(BEAT, tampered_at=START)), "tampered", "at_risk"),
        (replace(SOUND, software=(2, 0, 9)), "version_behind", "at_risk"),
        (replace(SOUND, key_made_at=START - timedelta(days=366)), "key_overdue", "at_risk"),
        (replace(SOUND, recent=Tally(40, 21)), "failures_rising", "at_risk"),
        (replace(SOUND, recent=Tally(40, 9)), "failures_rising", "at_risk"),
        (replace(SOUND, recent=Tally(40, 3, 3)), "pad_alarms", "at_risk"),
        (replace(SOUND, enrolled_at=START - 10 * SECOND, beat=None), "missed_beats", "degraded"),
        (replace(SOUND, beat=None), "silent", "offline"),
    ],
)
def test_a_fact_brings_its_reason_and_state(facts: HealthFacts, reason: str, state: str) -> None:
    assert health(facts) == Health(HealthState(state), (Reason(reason),))


@pytest.mark.parametrize(
    "facts",
    [
        replace(SOUND, beat=replace(BEAT, disk_free_percent=10)),
        replace(SOUND, key_made_at=START - timedelta(days=365)),
        replace(SOUND, recent=Tally(40, 8)),
        replace(SOUND, recent=Tally(19, 19)),
        replace(SOUND, recent=Tally(40, 20), before=Tally(19, 1)),
        replace(SOUND, recent=Tally(40, 20), before=Tally(400, 0)),
        replace(SOUND, recent=Tally(40, 2, 2)),
        replace(SOUND, software=(3,)),
    ],
)
def test_a_fact_at_its_limit_brings_none(facts: HealthFacts) -> None:
    assert health(facts).state is HealthState.ONLINE


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(150, "online"), (151, "degraded"), (300, "degraded"), (301, "offline"), (10**6, "offline")],
)
def test_silence_degrades_and_then_takes_offline(seconds: int, state: str) -> None:
    assert health(SOUND, seconds).state is HealthState(state)


def test_every_reason_is_told_and_the_gravest_decides() -> None:
    facts = replace(SOUND, beat=replace(BEAT, camera_ok=False, tampered_at=START))
    found = health(facts, 400)
    assert found.state is HealthState.AT_RISK
    assert found.reasons == (Reason.SILENT, Reason.CAMERA_FAILED, Reason.TAMPERED)


FACTS = st.builds(
    HealthFacts,
    enrolled_at=st.just(START - timedelta(days=1)),
    beat=st.none()
    | st.builds(
        Beat,
        at=st.integers(0, 600).map(lambda seconds: START - seconds * SECOND),
        camera_ok=st.booleans(),
        disk_free_percent=st.integers(0, 100),
        in_place=st.booleans(),
        tampered_at=st.sampled_from([None, START]),
    ),
    software=st.sampled_from([(2, 0), (2, 1)]),
    software_current=st.just((2, 1)),
    key_made_at=st.integers(0, 800).map(lambda days: START - timedelta(days=days)),
    recent=st.builds(Tally, st.integers(50, 99), st.integers(0, 50), st.integers(0, 9)),
    before=st.builds(Tally, st.integers(0, 99), st.just(0), st.just(0)),
)
TIGHTER = st.builds(
    HealthThresholds,
    missed_after_s=st.integers(60, 150),
    offline_after_s=st.integers(60, 300),
    disk_free_percent_min=st.integers(10, 90),
    captures_min=st.integers(5, 20),
    failure_share_max=st.floats(0.01, 0.5),
    failure_rise_max=st.floats(1, 2),
    pad_alarms_max=st.integers(1, 3),
    key_days_max=st.integers(1, 365),
)


@given(facts=FACTS, thresholds=TIGHTER)
def test_tighter_thresholds_never_make_a_terminal_look_better(
    facts: HealthFacts, thresholds: HealthThresholds
) -> None:
    usual = judge(facts, now=START, thresholds=THRESHOLDS)
    tighter = judge(facts, now=START, thresholds=thresholds)
    assert ORDER.index(tighter.state) >= ORDER.index(usual.state)
    # Missed beats may have become silence; nothing else may go.
    assert set(usual.reasons) - {Reason.MISSED_BEATS} <= set(tighter.reasons)


@given(facts=FACTS)
def test_the_state_is_the_gravest_of_its_reasons(facts: HealthFacts) -> None:
    found = judge(facts, now=START, thresholds=THRESHOLDS)
    grades = [ORDER.index(STATE_OF[reason]) for reason in found.reasons]
    assert ORDER.index(found.state) == max(grades, default=0)


@pytest.mark.parametrize(
    ("name", "looser"),
    [
        ("missed_after_s", 151),
        ("offline_after_s", 301),
        ("disk_free_percent_min", 9),
        ("captures_min", 21),
        ("failure_share_max", 0.51),
        ("failure_rise_max", 2.1),
        ("pad_alarms_max", 4),
        ("key_days_max", 366),
        ("unknown", 1),
    ],
)
def test_a_threshold_cannot_be_loosened(name: str, looser: float) -> None:
    with pytest.raises(ValidationError):
        HealthThresholds.model_validate({name: looser})


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        (Reason.MISSED_BEATS, None),
        (Reason.DISK_LOW, None),
        (Reason.VERSION_BEHIND, None),
        (Reason.KEY_OVERDUE, None),
        (Reason.FAILURES_RISING, None),
        (Reason.PAD_ALARMS, None),
        (Reason.SILENT, HEARTBEAT_STALE),
        (Reason.CAMERA_FAILED, CAMERA_FAILED),
        (Reason.MOVED, TERMINAL_AT_RISK),
        (Reason.TAMPERED, TERMINAL_AT_RISK),
    ],
)
def test_what_bystanders_can_cause_stops_no_terminal_and_what_is_dangerous_does(
    reason: Reason, refusal: RefusalKind | None
) -> None:
    found = Health(STATE_OF[reason], (reason,))
    assert answer_of(lambda: check_fit_for_capture(found)) is refusal
