"""Simulated face videos: the promised scenes, repeatable from their seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shualian.face.model import Box, Picture
from shualian.face.pictures import FRAME_BYTES_MAX, decode_picture
from shualian.sandbox.player import (
    FACE_SHARE,
    HEIGHT,
    WIDTH,
    Actor,
    FaceVideo,
    Scene,
    encode_frame,
    turn_head,
    turning,
)

FACE = Box(80, 90, 60, 80)


def painted_actor() -> Actor:
    """A green picture with a red rectangle for a face and a blue dot for the tip of its nose."""
    picture = np.full((300, 240, 3), (60, 160, 60), np.uint8)
    picture[90:170, 80:140] = (40, 40, 220)
    picture[133:141, 106:114] = (230, 60, 40)
    return Actor(picture, FACE)


def first(video: FaceVideo) -> Picture:
    return next(video.frames(1))


def red(frame: Picture) -> np.ndarray[tuple[int, int], np.dtype[np.bool]]:
    """Where red clearly prevails, in any light."""
    blue, green, red_ = (frame[..., channel].astype(int) for channel in range(3))
    return (red_ > 2 * green) & (red_ > 2 * blue) & (red_ > 10)


def middle_of(mask: np.ndarray[tuple[int, int], np.dtype[np.bool]]) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(np.median(columns)), float(np.median(rows))


class TestFrames:
    @pytest.mark.parametrize("scene", Scene)
    def test_every_scene_gives_frames_of_the_camera(self, scene: Scene) -> None:
        video = FaceVideo(painted_actor(), scene, bystander=painted_actor())
        frames = list(video.frames(3))
        assert [(frame.shape, frame.dtype.name) for frame in frames] == [
            ((HEIGHT, WIDTH, 3), "uint8")
        ] * 3

    @pytest.mark.parametrize("scene", [Scene.GOOD, Scene.MOVING, Scene.NOBODY])
    def test_a_seed_gives_the_same_frames_again_and_another_seed_others(self, scene: Scene) -> None:
        one, same, other = (
            np.stack(list(FaceVideo(painted_actor(), scene, seed=seed).frames(2)))
            for seed in (7, 7, 8)
        )
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)

    def test_no_frame_is_the_one_before(self) -> None:
        frames = list(FaceVideo(painted_actor()).frames(2))
        assert not np.array_equal(frames[0], frames[1])

    def test_the_video_says_that_it_is_simulated_and_names_its_seed(self) -> None:
        text = str(FaceVideo(painted_actor(), Scene.DARK, seed=42))
        assert "simulated" in text
        assert "42" in text

    def test_frames_are_sent_as_jpeg_that_a_terminal_may_send(self, actor: Actor) -> None:
        video = FaceVideo(actor, seed=3)
        sent = list(video.encoded_frames(2))
        assert all(data.startswith(b"\xff\xd8\xff") for data in sent)
        assert all(len(data) < FRAME_BYTES_MAX / 10 for data in sent)
        received = decode_picture(sent[0]).astype(int)
        assert np.abs(received - first(video).astype(int)).mean() < 4

    def test_quality_costs_bytes(self, actor: Actor) -> None:
        frame = first(FaceVideo(actor))
        assert len(encode_frame(frame, 95)) > len(encode_frame(frame, 50))


class TestScenes:
    def test_the_face_has_the_promised_height_and_stands_in_the_middle(self) -> None:
        mask = red(first(FaceVideo(painted_actor())))
        assert mask.any(axis=1).sum() == pytest.approx(FACE_SHARE * HEIGHT, rel=0.05)
        assert FACE_SHARE <= 0.4
        assert middle_of(mask) == pytest.approx((WIDTH / 2, 0.48 * HEIGHT), abs=12)

    def test_far_close_and_off_centre_are_what_they_say(self) -> None:
        masks = {
            scene: red(first(FaceVideo(painted_actor(), scene)))
            for scene in (Scene.GOOD, Scene.FAR, Scene.CLOSE, Scene.OFF_CENTRE)
        }
        assert masks[Scene.FAR].sum() < 0.3 * masks[Scene.GOOD].sum()
        assert masks[Scene.CLOSE].sum() > 3 * masks[Scene.GOOD].sum()
        assert middle_of(masks[Scene.OFF_CENTRE])[0] > 0.75 * WIDTH

    def test_dark_and_back_lit_are_what_they_say(self) -> None:
        good, dark, lit = (
            first(FaceVideo(painted_actor(), scene)).astype(float)
            for scene in (Scene.GOOD, Scene.DARK, Scene.BACK_LIT)
        )
        face = red(good.astype(np.uint8))
        assert dark.mean() < 0.25 * good.mean()
        assert lit[face].mean() < 80
        assert lit[:100, :100].mean() > 2.2 * lit[face].mean()

    def test_two_people_are_beside_each_other(self) -> None:
        video = FaceVideo(painted_actor(), Scene.TWO_PEOPLE, bystander=painted_actor())
        mask = red(first(video))
        assert mask[:, : WIDTH // 2].sum() > 2000
        assert mask[:, WIDTH // 2 :].sum() > 2000
        assert mask[:, WIDTH // 2 - 20 : WIDTH // 2 + 20].sum() == 0

    def test_two_people_need_a_second_one(self) -> None:
        with pytest.raises(ValueError, match="bystander"):
            first(FaceVideo(painted_actor(), Scene.TWO_PEOPLE))

    def test_nobody_is_in_an_empty_room(self) -> None:
        assert not red(first(FaceVideo(painted_actor(), Scene.NOBODY))).any()

    def test_a_moving_person_moves_further_than_one_who_stands(self) -> None:
        def path(scene: Scene) -> float:
            frames = FaceVideo(painted_actor(), scene, seed=4).frames(8)
            places = [middle_of(red(frame))[0] for frame in frames]
            return float(np.abs(np.diff(places)).sum())

        assert path(Scene.MOVING) > 5 * path(Scene.GOOD)


class TestTurning:
    @pytest.mark.parametrize("yaw", [-30.0, -15.0, 15.0, 30.0])
    def test_the_nose_goes_to_the_side_of_the_sign_and_further_than_the_face(
        self, yaw: float
    ) -> None:
        actor = painted_actor()
        turned = turn_head(actor.picture, actor.face, yaw)
        nose, face = (middle_of(mask)[0] for mask in (turned[..., 0] > 150, red(turned)))
        assert np.sign(nose - FACE.centre[0]) == np.sign(yaw)
        assert abs(nose - FACE.centre[0]) > abs(face - FACE.centre[0])

    def test_what_is_far_from_the_head_stays(self) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (300, 240, 3), np.uint8)
        turned = turn_head(noise, FACE, 25)
        assert np.array_equal(turned[:40], noise[:40])
        assert np.array_equal(turned[-40:], noise[-40:])
        assert not np.array_equal(turned[90:170, 80:140], noise[90:170, 80:140])

    def test_a_head_that_looks_straight_is_not_touched(self) -> None:
        actor = painted_actor()
        assert turn_head(actor.picture, actor.face, 0.0) is actor.picture

    def test_the_turns_follow_each_other_and_are_held(self) -> None:
        yaw_at = turning((30, -30, 0), seconds_each=1.0)
        assert yaw_at(0.4) == 0
        assert yaw_at(1.2) == pytest.approx(30)
        assert yaw_at(1.45) == pytest.approx(30)
        assert yaw_at(2.3) == pytest.approx(-30)
        assert yaw_at(99) == pytest.approx(0)

    @given(
        angles=st.lists(st.floats(-35, 35), max_size=4),
        seconds=st.floats(0, 20),
        each=st.floats(0.5, 3),
    )
    @settings(deadline=None)
    def test_a_turn_is_smooth_and_stays_between_its_angles(
        self, angles: list[float], seconds: float, each: float
    ) -> None:
        yaw_at = turning(angles, each)
        reached = [0.0, *angles]
        assert min(reached) - 1e-9 <= yaw_at(seconds) <= max(reached) + 1e-9
        assert abs(yaw_at(seconds + 0.001) - yaw_at(seconds)) < 70 * 0.001 * 2.7 / each

    def test_a_video_can_be_told_how_the_head_turns(self) -> None:
        actor = painted_actor()
        frames = list(FaceVideo(actor, seed=1, yaw_at=lambda seconds: 300 * seconds).frames(3))
        straight = list(FaceVideo(actor, seed=1).frames(3))
        assert np.array_equal(frames[0], straight[0])
        moved = [middle_of(frame[..., 0] > 150)[0] for frame in (frames[1], straight[1])]
        assert moved[0] > moved[1] + 5
