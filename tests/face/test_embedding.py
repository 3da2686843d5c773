from collections.abc import Mapping

import numpy as np
import pytest

from shualian.face.alignment import align
from shualian.face.comparison import similarity
from shualian.face.detection import FaceDetector
from shualian.face.embedding import FaceEmbedder, unit
from shualian.face.model import Embedding, Picture
from shualian.face.weights.source import WeightSource
from shualian.face.weights.table import SFACE
from shualian.sandbox.samples import SamplePicture


@pytest.fixture(scope="module")
def embedder(source: WeightSource) -> FaceEmbedder:
    return FaceEmbedder(source.read(SFACE))


def _embed(
    detector: FaceDetector, embedder: FaceEmbedder, picture: Picture, *, flip: bool = True
) -> Embedding:
    face = detector.refine_landmarks(picture, detector.detect(picture)[0])
    return embedder.embed(align(picture, face.landmarks), flip=flip)


def test_two_pictures_of_one_person_are_more_alike_than_any_two_of_different_people(
    detector: FaceDetector, embedder: FaceEmbedder, samples: Mapping[str, SamplePicture]
) -> None:
    vectors = {
        name: _embed(detector, embedder, sample.picture()) for name, sample in samples.items()
    }
    people = {name: sample.sample.identity for name, sample in samples.items()}
    pairs = [(a, b) for a in vectors for b in vectors if a < b]
    same = [similarity(vectors[a], vectors[b]) for a, b in pairs if people[a] == people[b]]
    other = [similarity(vectors[a], vectors[b]) for a, b in pairs if people[a] != people[b]]

    assert len(same) >= 4
    assert min(same) > max(other)


def test_with_flip_a_face_and_its_mirror_image_have_the_same_vector(
    detector: FaceDetector, embedder: FaceEmbedder, portrait: Picture
) -> None:
    face = detector.refine_landmarks(portrait, detector.detect(portrait)[0])
    crop = align(portrait, face.landmarks)
    mirrored = np.ascontiguousarray(crop[:, ::-1])

    assert similarity(
        embedder.embed(crop, flip=True), embedder.embed(mirrored, flip=True)
    ) == pytest.approx(1.0, abs=1e-5)


def test_embeddings_have_the_stated_length(
    detector: FaceDetector, embedder: FaceEmbedder, portrait: Picture
) -> None:
    vector = _embed(detector, embedder, portrait, flip=False)

    assert vector.shape == (embedder.dimension,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("vector", [np.zeros(4), np.full(4, np.nan), np.full(4, np.inf)])
def test_a_vector_without_direction_is_an_error(vector: Embedding) -> None:
    with pytest.raises(ValueError, match="direction"):
        unit(vector.astype(np.float32))


def test_vectors_of_different_length_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different paths"):
        similarity(np.ones(4, np.float32), np.ones(5, np.float32))
