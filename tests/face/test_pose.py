import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.face.alignment import TEMPLATE
from shualian.face.detection import FaceDetector
from shualian.face.liveness.challenge import TURNED_YAW
from shualian.face.model import Picture
from shualian.face.pose import estimate_pose
from shualian.sandbox.player import Actor, FaceVideo


@given(st.floats(-80, 80))
def test_roll_follows_the_head_clockwise_in_the_picture(degrees: float) -> None:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upright = estimate_pose(TEMPLATE.astype(np.float32)).roll

    pose = estimate_pose((TEMPLATE @ rotation.T).astype(np.float32))

    assert pose.roll - upright == pytest.approx(degrees, abs=0.1)


@given(st.floats(0.5, 30), st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_scale_and_place_do_not_matter(scale: float, x: float, y: float) -> None:
    here = estimate_pose(TEMPLATE.astype(np.float32))
    there = estimate_pose((TEMPLATE * scale + [x, y]).astype(np.float32))

    assert there.yaw == pytest.approx(here.yaw, abs=0.5)


@given(st.floats(-60, 60))
def test_a_flat_picture_that_is_turned_never_counts_as_a_turned_head(degrees: float) -> None:
    # Seen from afar, turning a sheet about its vertical axis only makes it narrower.
    narrow = TEMPLATE * [np.cos(np.radians(degrees)), 1.0]

    assert abs(estimate_pose(narrow.astype(np.float32)).yaw) < TURNED_YAW


def test_the_mirror_image_has_the_opposite_yaw(detector: FaceDetector, portrait: Picture) -> None:
    mirrored = np.ascontiguousarray(portrait[:, ::-1])

    left, right = (
        estimate_pose(detector.refine_landmarks(p, detector.detect(p)[0]).landmarks)
        for p in (portrait, mirrored)
    )

    assert left.yaw == pytest.approx(-right.yaw, abs=3)


@pytest.mark.parametrize("asked", [-35.0, 35.0])
def test_a_turned_head_is_seen_as_turned_to_that_side(
    detector: FaceDetector, portrait_actor: Actor, asked: float
) -> None:
    frame = next(iter(FaceVideo(portrait_actor, yaw_at=lambda _: asked).frames(1)))

    pose = estimate_pose(detector.detect(frame)[0].landmarks)

    assert pose.yaw * asked > 0
    assert abs(pose.yaw) >= TURNED_YAW
