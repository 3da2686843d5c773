from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from insurer.face_world import CHILD, PERSON, SEEN_PARENT, FaceWorld, refused
from shualian.core.database import Database
from shualian.core.identifiers import PersonNo
from shualian.insurer.erasures import store
from shualian.insurer.erasures.model import (
    ERASURE_UNFINISHED,
    REASON_WORDS,
    RECEIPT_NOT_FOUND,
    STORE_WORDS,
    ErasureReason,
    ReceiptNo,
    StoreName,
)


@pytest.fixture
def world(any_database: Database, tmp_path: Path) -> FaceWorld:
    return FaceWorld(any_database, tmp_path)


def enrolled(world: FaceWorld) -> FaceWorld:
    world.give()
    world.enrol()
    world.memory.entries[PERSON] = 2
    return world


def test_a_receipt_lists_every_store_also_where_nothing_was_found(world: FaceWorld) -> None:
    receipt = enrolled(world).withdraw().receipt

    assert receipt
    assert [(each.name, each.found, each.deleted) for each in receipt.stores] == [
        (StoreName.GALLERY_RECORDS, 1, 1),
        (StoreName.SEARCH_INDEX, 1, 1),
        (StoreName.TEMPLATE_REGISTER, 1, 1),
        (StoreName.WAITING_ENROLMENTS, 0, 0),
        (StoreName.EXPECTATIONS, 2, 2),
    ]
    assert world.left() == 0


def test_a_receipt_is_printed_in_both_languages_with_number_deadline_and_stores(
    world: FaceWorld,
) -> None:
    receipt = enrolled(world).withdraw().receipt

    assert receipt
    assert receipt.backups_until == date(2026, 12, 31)
    for lines in (receipt.lines_zh(), receipt.lines_en()):
        assert any(receipt.number in line for line in lines)
        assert any("2026-12-31" in line for line in lines)
        assert len(lines) == 5 + len(receipt.stores)
    assert all(line.isascii() for line in receipt.lines_en())
    assert set(STORE_WORDS) == set(StoreName)
    assert set(REASON_WORDS) == set(ErasureReason)


def test_a_receipt_holds_nothing_about_the_person_and_is_found_by_number_and_by_person(
    world: FaceWorld,
) -> None:
    receipt = enrolled(world).withdraw().receipt

    def rows_of(connection: Connection) -> list[object]:
        tables = (store.erasures, store.searched)
        return [row for table in tables for row in connection.execute(select(table))]

    rows = world.database.read(rows_of)

    assert receipt
    assert PERSON not in repr(rows)
    assert PERSON not in repr(receipt)
    assert world.erasures.receipt(receipt.number) == receipt
    assert world.erasures.receipts_of(PERSON) == (receipt,)
    assert world.erasures.receipts_of(PersonNo("P9999")) == ()
    with refused(RECEIPT_NOT_FOUND):
        world.erasures.receipt(ReceiptNo("NONE"))


def test_a_store_that_refuses_leaves_the_erasure_open_and_the_others_erased(
    world: FaceWorld,
) -> None:
    enrolled(world).memory.failing = True

    with refused(ERASURE_UNFINISHED):
        world.withdraw()

    assert world.consents.in_force(PERSON) == frozenset()
    assert not world.reachable()
    assert world.erasures.receipts_of(PERSON) == ()
    with refused(ERASURE_UNFINISHED):
        world.erasures.finish_open()


def test_an_erasure_that_broke_off_is_finished_at_the_next_start_and_loses_no_count(
    world: FaceWorld,
) -> None:
    enrolled(world).memory.failing = True
    with refused(ERASURE_UNFINISHED):
        world.withdraw()

    world.memory.failing = False
    world.restart()
    (receipt,) = world.consents.finish_open_withdrawals()

    found = {each.name: (each.found, each.deleted) for each in receipt.stores}
    assert found[StoreName.GALLERY_RECORDS] == (1, 1)
    assert found[StoreName.EXPECTATIONS] == (2, 2)
    assert world.consents.finish_open_withdrawals() == ()
    assert world.erasures.receipts_of(PERSON) == (receipt,)


def test_one_erasure_that_cannot_be_finished_does_not_stop_the_others(world: FaceWorld) -> None:
    enrolled(world).memory.failing = True
    for psn_no, by in ((PERSON, None), (CHILD, SEEN_PARENT)):
        with refused(ERASURE_UNFINISHED):
            world.withdraw(psn_no, by=by)
    world.memory.failing = False
    world.memory.entries[CHILD] = 1
    original = world.memory.erase
    world.memory.erase = lambda psn_no: original(psn_no) if psn_no == CHILD else 0  # type: ignore[method-assign]

    world.memory.entries[PERSON] = 1
    with refused(ERASURE_UNFINISHED):
        world.erasures.finish_open()

    assert len(world.erasures.receipts_of(CHILD)) == 1
    assert world.erasures.receipts_of(PERSON) == ()


def test_nothing_is_agreed_to_again_while_the_old_is_being_erased(world: FaceWorld) -> None:
    enrolled(world).memory.failing = True
    with refused(ERASURE_UNFINISHED):
        world.withdraw()

    with refused(ERASURE_UNFINISHED):
        world.give()

    world.memory.failing = False
    receipt = world.withdraw().receipt
    assert receipt
    world.give()
    assert world.enrol()
    assert len(world.erasures.receipts_of(PERSON)) == 1
