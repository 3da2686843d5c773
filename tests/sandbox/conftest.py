"""Sample faces; without them the tests stop and say `make samples`."""

from collections.abc import Mapping

import pytest

from shualian.sandbox.player import Actor
from shualian.sandbox.samples import SamplePicture, sample_pictures


@pytest.fixture(scope="session")
def samples() -> Mapping[str, SamplePicture]:
    return sample_pictures()


@pytest.fixture(scope="session")
def actor(samples: Mapping[str, SamplePicture]) -> Actor:
    return Actor.of(samples["minister_a_1"])
