import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.face.liveness.challenge import (
    FRONTAL_YAW,
    TURN_SECONDS_MAX,
    TURNED_YAW,
    Challenge,
    ChallengeFailure,
    ChallengeJudge,
    Observation,
    Turn,
    judge_challenge,
    new_challenge,
    overlap,
)
from shualian.face.model import Box, Embedding

FACE = np.eye(8, dtype=np.float32)[0]
STRANGER = np.eye(8, dtype=np.float32)[1]
PLACE = Box(200, 100, 200, 240)
YAW = {Turn.LEFT: 35.0, Turn.RIGHT: -35.0, Turn.BACK: 0.0}

challenges = st.builds(new_challenge, st.randoms(use_true_random=False))


def _seen(
    seconds: float, yaw: float | None, face: Embedding | None = FACE, box: Box = PLACE
) -> Observation:
    frontal = yaw is not None and abs(yaw) <= FRONTAL_YAW
    return Observation(seconds, yaw, box if yaw is not None else None, face if frontal else None)


def _performance(yaws: Sequence[float], seconds_each: float = 1.0) -> list[Observation]:
    """A head that goes evenly from one yaw to the next and stays there, 10 frames a second."""
    frames = int(seconds_each * 10)
    path = []
    for start, end in pairwise(yaws):
        path += [start + (end - start) * step / frames for step in range(1, frames + 1)]
        path += [end] * 5
    return [_seen(i / 10, yaw) for i, yaw in enumerate([yaws[0], *path])]


def _answer(challenge: Challenge) -> list[float]:
    return [0.0, *(YAW[turn] for turn in challenge.turns)]


@given(challenges)
def test_a_person_who_does_what_is_asked_passes(challenge: Challenge) -> None:
    result = judge_challenge(challenge, _performance(_answer(challenge)))

    assert result.passed
    assert result.completed == 3


@given(challenges, challenges)
def test_the_answer_to_another_challenge_does_not_pass(asked: Challenge, shown: Challenge) -> None:
    result = judge_challenge(asked, _performance(_answer(shown)))

    assert result.passed == (asked == shown)


@given(challenges)
def test_somebody_who_stands_still_does_not_pass(challenge: Challenge) -> None:
    result = judge_challenge(challenge, [_seen(i / 10, 1.0) for i in range(300)])

    assert result.failure is ChallengeFailure.TOO_LATE


@given(challenges, st.integers(0, 2))
def test_another_face_at_any_frontal_moment_fails(challenge: Challenge, at: int) -> None:
    frames = _performance(_answer(challenge))
    frontal = [i for i, seen in enumerate(frames) if seen.embedding is not None][1:]
    index = frontal[at % len(frontal)]
    frames[index] = _seen(frames[index].seconds, frames[index].yaw, STRANGER)

    result = judge_challenge(challenge, frames)

    assert result.failure is ChallengeFailure.ANOTHER_FACE


@given(challenges)
def test_a_face_that_jumps_to_another_place_fails(challenge: Challenge) -> None:
    frames = _performance(_answer(challenge))
    moved = Box(PLACE.x + 400, PLACE.y, PLACE.width, PLACE.height)
    frames[4] = Observation(frames[4].seconds, frames[4].yaw, moved)

    assert judge_challenge(challenge, frames).failure is ChallengeFailure.FACE_JUMPED


@given(challenges)
def test_two_pictures_exchanged_in_an_instant_fail(challenge: Challenge) -> None:
    frames = [
        _seen(0.0, 0.0),
        *(_seen((i + 1) / 10, YAW[t]) for i, t in enumerate(challenge.turns)),
    ]

    assert judge_challenge(challenge, frames).failure is ChallengeFailure.FACE_JUMPED


@given(challenges)
def test_a_face_that_leaves_for_long_fails_and_for_a_moment_does_not(challenge: Challenge) -> None:
    frames = _performance(_answer(challenge))
    momentary = [_seen(f.seconds, None) if 3 <= i <= 7 else f for i, f in enumerate(frames)]
    long = [*frames[:3], _seen(3.0, None)]

    assert judge_challenge(challenge, momentary).passed
    assert judge_challenge(challenge, long).failure is ChallengeFailure.FACE_LOST


def test_turning_to_the_other_side_first_fails() -> None:
    challenge = Challenge((Turn.LEFT, Turn.BACK, Turn.RIGHT))

    result = judge_challenge(challenge, _performance([0.0, -35.0, 35.0, 0.0, -35.0]))

    assert result.failure is ChallengeFailure.WRONG_WAY
    assert result.completed == 0


def test_nothing_counts_before_the_face_was_seen_from_the_front() -> None:
    challenge = Challenge((Turn.LEFT, Turn.BACK, Turn.LEFT))

    result = judge_challenge(challenge, [_seen(i / 10, 35.0) for i in range(20)])

    assert result.failure is ChallengeFailure.NO_FRONTAL_START


def test_the_turn_back_needs_a_frame_whose_face_was_compared() -> None:
    challenge = Challenge((Turn.LEFT, Turn.BACK, Turn.RIGHT))
    frames = [
        Observation(f.seconds, f.yaw, f.box, f.embedding if f.seconds < 0.5 else None)
        for f in _performance([0.0, 35.0, 0.0])
    ]

    assert judge_challenge(challenge, frames).completed == 1


def test_no_observations_are_no_pass() -> None:
    assert not judge_challenge(Challenge((Turn.LEFT, Turn.BACK, Turn.LEFT)), []).passed


def test_slow_necks_have_time() -> None:
    challenge = Challenge((Turn.LEFT, Turn.BACK, Turn.RIGHT))

    assert judge_challenge(
        challenge, _performance(_answer(challenge), seconds_each=TURN_SECONDS_MAX * 0.7)
    ).passed


def test_all_eight_sequences_are_drawn_about_equally_often() -> None:
    randomness = random.Random(20261121)  # noqa: S311 - a seeded one, to count
    drawn = Counter(new_challenge(randomness).turns for _ in range(8000))

    assert len(drawn) == 8
    assert min(drawn.values()) > 850
    for turns in drawn:
        assert turns[0] is not Turn.BACK
        assert all(a is not b for a, b in pairwise(turns))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (PLACE, 1.0),
        (Box(300, 100, 200, 240), 1 / 3),
        (Box(400, 100, 200, 240), 0.0),
        (Box(0, 900, 5, 5), 0.0),
    ],
)
def test_overlap_of_boxes(other: Box, expected: float) -> None:
    assert overlap(PLACE, other) == pytest.approx(expected)
    assert overlap(other, PLACE) == pytest.approx(expected)


def test_a_yaw_between_the_zones_is_no_direction() -> None:
    between = (FRONTAL_YAW + TURNED_YAW) / 2
    challenge = Challenge((Turn.LEFT, Turn.BACK, Turn.LEFT))

    assert judge_challenge(challenge, _performance([0.0, between])).completed == 0


@given(challenges)
def test_the_turns_are_asked_one_at_a_time_each_when_the_one_before_was_done(
    challenge: Challenge,
) -> None:
    judge = ChallengeJudge(challenge)
    asked = [judge.asked]
    for frame in _performance(_answer(challenge)):
        judge.take(frame)
        asked.append(judge.asked)

    changes = [turn for i, turn in enumerate(asked) if i == 0 or turn is not asked[i - 1]]
    assert changes == [None, *challenge.turns, None]
    assert judge.decided == judge.result
    assert judge.result.passed


@given(challenges)
def test_the_face_that_performs_must_be_the_one_that_is_expected(challenge: Challenge) -> None:
    frames = _performance(_answer(challenge))
    expected, other = (ChallengeJudge(challenge, expected_face=face) for face in (FACE, STRANGER))
    for frame in frames:
        expected.take(frame)
        other.take(frame)

    assert expected.result.passed
    assert other.result.failure is ChallengeFailure.ANOTHER_FACE
    assert other.completed == 0


@given(challenges)
def test_what_was_decided_stays_whatever_comes_later(challenge: Challenge) -> None:
    judge = ChallengeJudge(challenge)
    for frame in _performance(_answer(challenge)):
        judge.take(frame)
    judge.take(_seen(99.0, 0.0, STRANGER))

    assert judge.result.passed
    assert judge.asked is None


@given(challenges, st.integers(1, 30))
def test_frame_by_frame_is_the_same_as_all_at_once(challenge: Challenge, frames: int) -> None:
    performance = _performance(_answer(challenge))[:frames]
    judge = ChallengeJudge(challenge)
    for frame in performance:
        judge.take(frame)

    assert judge.result == judge_challenge(challenge, performance)
