"""Sample faces; without them the tests stop and say `make samples`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from shualian.face.detection import FaceDetector
from shualian.face.model import Picture
from shualian.face.weights.source import WeightSource
from shualian.face.weights.table import YUNET
from shualian.sandbox.player import Actor
from shualian.sandbox.samples import SamplePicture, sample_pictures

if TYPE_CHECKING:
    from shualian.face.engine import FaceEngine


@pytest.fixture(scope="session")
def samples() -> Mapping[str, SamplePicture]:
    return sample_pictures()


@pytest.fixture(scope="session")
def source() -> WeightSource:
    return WeightSource(None)


@pytest.fixture(scope="session")
def detector(source: WeightSource) -> FaceDetector:
    return FaceDetector(source.read(YUNET))


@pytest.fixture(scope="session")
def engine(source: WeightSource) -> "FaceEngine":
    from shualian.face.engine import FaceEngine

    return FaceEngine(source)


@pytest.fixture(scope="session")
def portrait(samples: Mapping[str, SamplePicture]) -> Picture:
    return samples["minister_a_1"].picture()


@pytest.fixture(scope="session")
def portrait_actor(samples: Mapping[str, SamplePicture]) -> Actor:
    return Actor.of(samples["minister_a_1"])


@pytest.fixture(scope="session")
def astronaut_actor(samples: Mapping[str, SamplePicture]) -> Actor:
    return Actor.of(samples["astronaut_1"])
