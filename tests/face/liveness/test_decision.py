import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.face.liveness.challenge import ChallengeFailure, ChallengeResult
from shualian.face.liveness.decision import (
    FRAMES_MIN,
    PASSIVE_SCORE_MIN,
    AttackDetectionErrorRates,
    LivenessDecision,
    LivenessLevel,
    LivenessReason,
    decide_liveness,
)

RATES = AttackDetectionErrorRates(
    apcer={"print": 0.7, "screen": 0.2},
    bpcer=0.1,
    attacks={"print": 10, "screen": 10},
    bona_fide=20,
    simulated=("print",),
    frames=1,
)
PASSED = ChallengeResult(3, None)
MISSED = ChallengeResult(1, ChallengeFailure.WRONG_WAY)

scores = st.lists(st.floats(0, 1), min_size=FRAMES_MIN, max_size=20)


def _decide(
    values: list[float],
    challenge: ChallengeResult | None = None,
    level: LivenessLevel = LivenessLevel.PASSIVE,
) -> LivenessDecision:
    return decide_liveness(values, challenge, level=level, error_rates=RATES)


@given(st.lists(st.floats(PASSIVE_SCORE_MIN, 1), min_size=FRAMES_MIN, max_size=20))
def test_a_capture_with_high_scores_is_live(values: list[float]) -> None:
    assert _decide(values).reason is LivenessReason.LIVE
    assert _decide(values, PASSED, LivenessLevel.ACTIVE).live


@given(st.lists(st.floats(0, 1), max_size=FRAMES_MIN - 1))
def test_few_frames_never_suffice(values: list[float]) -> None:
    assert _decide(values, PASSED).reason is LivenessReason.TOO_FEW_FRAMES


@given(scores)
def test_a_missed_challenge_never_passes_whatever_the_scores(values: list[float]) -> None:
    assert not _decide(values, MISSED).live
    assert not _decide(values, MISSED, LivenessLevel.ACTIVE).live


@given(scores)
def test_an_active_level_without_a_challenge_never_passes(values: list[float]) -> None:
    assert not _decide(values, None, LivenessLevel.ACTIVE).live


@given(scores)
def test_a_higher_score_never_turns_live_into_not_live(values: list[float]) -> None:
    raised = [min(1.0, value + 0.1) for value in values]

    assert _decide(raised).live >= _decide(values).live


def test_one_good_frame_among_bad_ones_does_not_pass() -> None:
    assert _decide([1.0, 0.1, 0.1, 0.1, 0.1]).reason is LivenessReason.PASSIVE_SCORE_LOW


def test_a_score_that_is_not_a_number_does_not_pass() -> None:
    assert not _decide([math.nan] * FRAMES_MIN).live


def test_the_decision_states_the_worst_attack_type() -> None:
    decision = _decide([0.9] * FRAMES_MIN)

    assert decision.error_rates.apcer_max == 0.7
    assert decision.error_rates.bpcer == 0.1
    assert decision.passive_score == pytest.approx(0.9)
