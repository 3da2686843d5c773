"""Pauses inside the ceremony: a stranger's failures leave the true person every sure way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shualian.core.refusals import Refused
from shualian.verification.model import Called, Document, LookFor, Scene, TypedNumber
from shualian.verification.pauses import store as pause_store
from shualian.verification.pauses.model import CLAIM_PAUSED, CLAIMED_RULE
from shualian.verification.pauses.service import FacePauses
from verification.world import ID_NUMBERS, ZHANG, World, terminal


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.database.create_tables(pause_store.metadata)
    pauses = FacePauses(database=made.database, clock=made.clock)
    made.service._pauses = pauses
    for _ in range(CLAIMED_RULE.failures_max):
        pauses.failed(terminal_id=terminal().terminal_id, claimed=ZHANG)
    yield made
    made.close()


def test_a_typed_number_is_paused(world: World) -> None:
    with pytest.raises(Refused) as refused:
        world.begin(scene=Scene.REGISTRATION, look_for=TypedNumber(ID_NUMBERS[ZHANG]))

    assert refused.value.kind is CLAIM_PAUSED


@pytest.mark.parametrize("look_for", [Document(ID_NUMBERS[ZHANG]), Called()])
def test_the_true_person_is_known_by_a_document_or_a_call_meanwhile(
    world: World, look_for: LookFor
) -> None:
    assert world.verify(world.open(look_for=look_for)).person is not None
