import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shualian.face.alignment import TEMPLATE, align, similarity_transform
from shualian.face.detection import FaceDetector
from shualian.face.model import Picture


@given(
    st.floats(-180, 180),
    st.floats(0.1, 20),
    st.floats(-500, 500),
    st.floats(-500, 500),
)
def test_a_moved_turned_and_scaled_template_is_brought_back_exactly(
    degrees: float, scale: float, x: float, y: float
) -> None:
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = TEMPLATE @ (scale * rotation).T + [x, y]

    transform = similarity_transform(moved, TEMPLATE)

    np.testing.assert_allclose(moved @ transform[:, :2].T + transform[:, 2], TEMPLATE, atol=1e-6)


def test_the_transform_never_mirrors() -> None:
    mirrored = TEMPLATE * [-1, 1]

    transform = similarity_transform(mirrored, TEMPLATE)

    assert np.linalg.det(transform[:, :2]) > 0


def test_the_face_in_the_crop_lies_on_the_template(
    detector: FaceDetector, portrait: Picture
) -> None:
    face = detector.refine_landmarks(portrait, detector.detect(portrait)[0])
    crop = align(portrait, face.landmarks)

    canvas = np.zeros((224, 224, 3), np.uint8)
    canvas[56:168, 56:168] = crop
    seen = detector.detect(canvas)[0].landmarks - 56

    assert crop.shape == (112, 112, 3)
    assert np.abs(seen - TEMPLATE).max() < 6
