import numpy as np
import pytest

from shualian.face.detection import FaceDetector
from shualian.face.model import Picture, Profile
from shualian.sandbox.player import Actor, FaceVideo, Scene


def _turn(points: np.ndarray, rotated: int, shape: tuple[int, ...]) -> np.ndarray:
    """Points of a picture turned counter-clockwise, in the picture before it was turned."""
    height, width = shape[:2]
    x, y = points[:, 0], points[:, 1]
    return {
        0: points,
        90: np.stack([width - 1 - y, x], axis=1),
        180: np.stack([width - 1 - x, height - 1 - y], axis=1),
        270: np.stack([y, height - 1 - x], axis=1),
    }[rotated]


def test_a_portrait_has_one_face_with_eyes_above_the_mouth(
    detector: FaceDetector, portrait: Picture
) -> None:
    (face,) = detector.detect(portrait)

    assert face.score > 0.8
    assert face.landmarks[:2, 1].max() < face.landmarks[2, 1] < face.landmarks[3:, 1].min()


def test_a_picture_without_anybody_has_no_face(detector: FaceDetector) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3)).astype(np.uint8)

    assert detector.detect(noise) == []


@pytest.mark.parametrize("shape", [(33, 47, 3), (1, 1, 3), (2000, 100, 3), (480, 640, 3)])
def test_any_size_of_picture_is_taken(detector: FaceDetector, shape: tuple[int, ...]) -> None:
    assert detector.detect(np.zeros(shape, np.uint8)) == []


def test_the_nearer_of_two_people_comes_first(
    detector: FaceDetector, portrait_actor: Actor, astronaut_actor: Actor
) -> None:
    video = FaceVideo(portrait_actor, scene=Scene.TWO_PEOPLE, bystander=astronaut_actor)
    faces = detector.detect(next(iter(video.frames(1))))

    assert len(faces) == 2
    areas = [face.box.width * face.box.height for face in faces]
    assert areas == sorted(areas, reverse=True)


def test_a_large_picture_gives_the_same_place_as_a_small_one(
    detector: FaceDetector, portrait: Picture
) -> None:
    large = np.repeat(np.repeat(portrait, 2, axis=0), 2, axis=1)

    small_face, large_face = detector.detect(portrait)[0], detector.detect(large)[0]

    assert large_face.box.width == pytest.approx(2 * small_face.box.width, rel=0.06)
    np.testing.assert_allclose(
        large_face.landmarks / 2, small_face.landmarks, atol=0.05 * small_face.box.width
    )


def test_refined_landmarks_scatter_less_when_the_picture_is_moved(
    detector: FaceDetector, portrait: Picture
) -> None:
    def scatter(*, refine: bool) -> float:
        seen = []
        for step in range(8):
            moved = np.roll(portrait, (step * 3, step * 5), axis=(0, 1))
            face = detector.detect(moved)[0]
            if refine:
                face = detector.refine_landmarks(moved, face)
            seen.append(face.landmarks - [step * 5, step * 3])
        return float(np.std(np.stack(seen), axis=0).mean())

    assert scatter(refine=True) < scatter(refine=False)


@pytest.mark.parametrize("rotated", [0, 90, 180, 270])
def test_a_lying_face_is_found_at_the_bedside_whichever_way_it_lies(
    detector: FaceDetector, portrait: Picture, rotated: int
) -> None:
    upright = detector.detect(portrait)[0]
    lying = np.ascontiguousarray(np.rot90(portrait, rotated // 90))

    face = detector.refine_landmarks(lying, detector.detect(lying, profile=Profile.BEDSIDE)[0])

    assert face.rotation == -rotated % 360
    stood_up = _turn(face.landmarks, rotated, portrait.shape)
    assert np.abs(stood_up - upright.landmarks).max() < 0.1 * upright.box.width


@pytest.mark.parametrize("rotated", [0, 90, 180, 270])
@pytest.mark.parametrize("off", [0, 90, 270])
def test_how_a_head_lay_before_changes_nothing_of_what_is_found(
    detector: FaceDetector, portrait: Picture, rotated: int, off: int
) -> None:
    lying = np.ascontiguousarray(np.rot90(portrait, rotated // 90))

    found = detector.detect(lying, profile=Profile.BEDSIDE)[0]
    before = (found.rotation + off) % 360
    again = detector.detect(lying, profile=Profile.BEDSIDE, expected_rotation=before)[0]

    assert (again.rotation, again.box, again.score) == (found.rotation, found.box, found.score)
    assert np.array_equal(again.landmarks, found.landmarks)


def test_a_face_at_the_edge_of_the_picture_is_refined_without_error(
    detector: FaceDetector, portrait: Picture
) -> None:
    face = detector.detect(portrait)[0]
    left = max(0, int(face.box.x + face.box.width * 0.2))
    cut = np.ascontiguousarray(portrait[:, left:])
    for found in detector.detect(cut):
        assert np.isfinite(detector.refine_landmarks(cut, found).landmarks).all()
