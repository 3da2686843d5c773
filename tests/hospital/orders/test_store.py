from collections.abc import Callable

from sqlalchemy import Connection

from hospital.world import HOSPITAL, OTHER_HOSPITAL, World
from shualian.core.identifiers import CommandId, EncounterNo
from shualian.hospital.orders.model import Batch, BatchState
from shualian.hospital.orders.store import (
    add_batch,
    batches_of,
    hold_batch,
    release_batch,
    settle_batch,
)

ENCOUNTER = EncounterNo("E1")
FIRST, SECOND = CommandId("C1"), CommandId("C2")


def test_only_the_payment_that_holds_a_batch_releases_it(world: World) -> None:
    def work(connection: Connection) -> list[BatchState]:
        states = []
        add_batch(connection, Batch("B1", HOSPITAL, ENCOUNTER))
        steps: list[Callable[[Connection], None]] = [
            lambda c: hold_batch(c, HOSPITAL, "B1", by=FIRST),
            lambda c: hold_batch(c, HOSPITAL, "B1", by=SECOND),
            lambda c: release_batch(c, HOSPITAL, "B1", by=FIRST),
            lambda c: release_batch(c, OTHER_HOSPITAL, "B1", by=SECOND),
            lambda c: release_batch(c, HOSPITAL, "B1", by=SECOND),
        ]
        for step in steps:
            step(connection)
            (batch,) = batches_of(connection, HOSPITAL, ENCOUNTER)
            states.append(batch.state)
        return states

    held, opened = BatchState.HELD, BatchState.OPEN
    assert world.database.write(work) == [held, held, held, held, opened]


def test_a_settled_batch_is_neither_held_nor_released(world: World) -> None:
    def work(connection: Connection) -> Batch:
        add_batch(connection, Batch("B1", HOSPITAL, ENCOUNTER))
        settle_batch(connection, HOSPITAL, "B1", by=FIRST)
        hold_batch(connection, HOSPITAL, "B1", by=SECOND)
        release_batch(connection, HOSPITAL, "B1", by=FIRST)
        (batch,) = batches_of(connection, HOSPITAL, ENCOUNTER)
        return batch

    assert world.database.write(work) == Batch("B1", HOSPITAL, ENCOUNTER, BatchState.SETTLED, FIRST)
