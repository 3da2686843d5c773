import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from insurer.face_world import PERSON, TEMPLATE, FaceWorld, at_terminal
from shualian.core.database import Database
from shualian.core.refusals import Refused
from shualian.insurer.consents.model import CONSENT_NOT_IN_FORCE, ByPerson
from shualian.insurer.consents.service import Consents
from shualian.insurer.erasures.model import ERASURE_UNFINISHED, StoreName
from shualian.insurer.erasures.service import Erasures

ROUNDS = 8


@pytest.fixture
def world(any_database: Database, tmp_path: Path) -> FaceWorld:
    return FaceWorld(any_database, tmp_path)


def together(*works: Callable[[], object]) -> list[object]:
    """Run all at once; the results, or the kinds of refusal."""
    outcomes: list[object] = [None] * len(works)
    barrier = threading.Barrier(len(works))

    def run(place: int, work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            outcomes[place] = work()
        except Refused as refusal:
            outcomes[place] = refusal.kind

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def withdrawing(world: FaceWorld, consents: Consents) -> Callable[[], object]:
    channel = at_terminal()
    return lambda: consents.withdraw(PERSON, TEMPLATE, by=ByPerson(), channel=channel).receipt


def test_a_withdrawal_that_races_with_an_enrolment_never_leaves_a_template(
    world: FaceWorld,
) -> None:
    enrolments = 0
    for _ in range(ROUNDS):
        world.give()
        world.wait()
        enrolled, receipt = together(world.enrol, withdrawing(world, world.consents))

        assert enrolled in {True, CONSENT_NOT_IN_FORCE}
        enrolments += enrolled is True
        assert world.erasures.receipts_of(PERSON)[-1] == receipt
        assert world.left() == 0
        assert world.consents.in_force(PERSON) == frozenset()
    found = [
        each.deleted
        for receipt in world.erasures.receipts_of(PERSON)
        for each in receipt.stores
        if each.name is StoreName.TEMPLATE_REGISTER
    ]
    assert sum(found) == enrolments


def test_without_the_lock_of_one_process_the_enrolment_takes_its_template_back(
    world: FaceWorld,
) -> None:
    other = Erasures(
        database=world.database,
        clock=world.clock,
        stores=world.erasures._stores,
        backup_days=30,
    )
    elsewhere = Consents(
        database=world.database,
        clock=world.clock,
        notices=world.notices,
        people=world.register,
        erasures=other,
    )
    for _ in range(ROUNDS):
        world.give()
        world.wait()
        _, receipt = together(world.enrol, withdrawing(world, elsewhere))
        if receipt is ERASURE_UNFINISHED:
            world.consents.finish_open_withdrawals()

        assert world.left() == 0
        assert world.consents.in_force(PERSON) == frozenset()


def test_many_withdrawals_at_once_delete_once_and_all_have_a_receipt(world: FaceWorld) -> None:
    world.give()
    world.enrol()
    world.wait()

    outcomes = together(*(withdrawing(world, world.consents) for _ in range(6)))

    receipts = world.erasures.receipts_of(PERSON)
    assert all(each in receipts for each in outcomes)
    assert sum(each.stores[0].deleted for each in receipts) == 1
    assert world.left() == 0


def test_many_enrolments_at_once_keep_one_template(world: FaceWorld) -> None:
    world.give()
    world.wait()

    outcomes = together(*(world.enrol for _ in range(6)))

    assert outcomes.count(True) == 1
    assert world.records.count(PERSON) == 1
