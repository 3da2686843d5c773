"""Wards on both engines, and on SQLite alone."""

import pytest

from hospital.wards.ward import Wards
from hospital.world import World


@pytest.fixture
def wards(world: World) -> Wards:
    return Wards(world)


@pytest.fixture
def any_wards(any_world: World) -> Wards:
    return Wards(any_world)
