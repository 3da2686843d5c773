import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, MetaData, func, select, update

from shualian.core.database import Database, SqliteDatabase
from shualian.core.identifiers import TemplateId
from shualian.core.refusals import RefusalKind, Refused
from shualian.face.model import Embedding
from shualian.gallery import service, store
from shualian.gallery.model import (
    EMBEDDING_INVALID,
    GALLERY_FULL,
    NOT_ENROLLED,
    NOT_READY,
    PATH_UNKNOWN,
    QUALITY_INVALID,
    TEMPLATE_UNKNOWN,
    TEMPLATE_UNREADABLE,
    TEMPLATES_PER_PERSON_MAX,
    TOO_MANY_TEMPLATES,
    Candidate,
    EmbeddingPath,
    Probe,
    TemplateRecord,
)
from shualian.gallery.ports import ProtectionKeys
from shualian.gallery.protection import new_protection
from shualian.gallery.service import Gallery
from shualian.trust.model import KEY_MISSING

T = TypeVar("T")
Vectors = Callable[[int, int, int], Embedding]

HALF_PRECISION = 2**-11 + 1e-6


class NewGallery(Protocol):
    """See conftest."""

    keys: ProtectionKeys

    def add_key(self) -> None: ...
    def lose_key(self, number: int, purpose: str = ...) -> None: ...
    def __call__(self, database: Database, **changes: Any) -> Gallery: ...


class CrashError(Exception):
    """The program died here."""


class CrashingDatabase:
    """Passes on to a database until write number ``at``, where the program dies."""

    writes_at_once = 1

    def __init__(self, database: Database, at: int, *, committed: bool) -> None:
        self._database, self._left, self._committed = database, at, committed

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._database.read(work)

    def write(self, work: Callable[[Connection], T]) -> T:
        self._left -= 1
        if self._left == 0 and not self._committed:
            raise CrashError
        result = self._database.write(work)
        if self._left == 0:
            raise CrashError
        return result

    def change_schema(self, work: Callable[[Connection], T]) -> T:
        return self._database.change_schema(work)

    def create_tables(self, metadata: MetaData) -> None:
        self._database.create_tables(metadata)

    def close(self) -> None:
        self._database.close()


class NoSealer:
    def seal(self, plain: bytes, **_bound: object) -> bytes:
        return plain

    def open(self, sealed: bytes, **_bound: object) -> bytes:
        return sealed


def small(vector: Embedding) -> Probe:
    return Probe(vector, "small")


def refusal(work: Callable[[], object]) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.kind


def rows(database: Database) -> list[TemplateRecord]:
    def work(connection: Connection) -> list[TemplateRecord]:
        columns = [c for c in store.templates.c if c.name != "gallery"]
        return [TemplateRecord(**row._mapping) for row in connection.execute(select(*columns))]

    return database.read(work)


def keys_in_use(database: Database) -> set[int]:
    return {int(row.key_id[:4]) for row in rows(database)}


def enrol_people(gallery: Gallery, vectors: Embedding) -> None:
    for number, vector in enumerate(vectors):
        gallery.enrol(f"s{number}", vector, "small", 90)


def assert_coherent(gallery: Gallery, probes: Embedding) -> None:
    """What the index answers is what the database holds."""
    before = [gallery.identify(small(probe), None, 100) for probe in probes]
    gallery.rebuild()
    assert [gallery.identify(small(probe), None, 100) for probe in probes] == before


# Enrolment and comparison


def test_an_enrolled_person_is_found_and_compared(gallery: Gallery, unit_vectors: Vectors) -> None:
    people = unit_vectors(5, 16, 1)
    enrol_people(gallery, people)
    (best,) = gallery.identify(small(people[3]), None, 1)
    assert best.subject == "s3"
    assert best.score == pytest.approx(1, abs=HALF_PRECISION)
    assert gallery.compare("s3", small(people[3])) == best
    other = gallery.compare("s2", small(people[3]))
    assert other.score == pytest.approx(float(people[2] @ people[3]), abs=HALF_PRECISION)
    assert_coherent(gallery, people)


def test_a_record_says_what_was_enrolled(
    gallery: Gallery, any_database: Database, unit_vectors: Vectors
) -> None:
    record = gallery.enrol("s", unit_vectors(1, 16, 1)[0], "small", 77)
    assert rows(any_database) == [record]
    assert (record.subject, record.path_id, record.quality) == ("s", "small", 77)
    assert (record.version, record.key_id[:5]) == (1, "0001-")
    assert record.enrolled_at.isoformat() == "2026-03-01T08:30:00+00:00"


def test_the_best_of_several_templates_counts(gallery: Gallery, unit_vectors: Vectors) -> None:
    one, other, stranger = unit_vectors(3, 16, 2)
    gallery.enrol("s", one, "small", 90)
    second = gallery.enrol("s", other, "small", 90)
    gallery.enrol("t", stranger, "small", 90)
    found = gallery.identify(small(other), None, 5)
    assert [candidate.subject for candidate in found] == ["s", "t"]
    assert found[0].template_id == second.template_id


def test_a_narrowed_search_sees_the_narrowed_people_only(
    gallery: Gallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(6, 16, 3)
    enrol_people(gallery, people)
    found = gallery.identify(small(people[0]), ["s4", "s2", "nobody"], 10)
    assert {candidate.subject for candidate in found} == {"s2", "s4"}


def test_paths_are_searched_apart(gallery: Gallery, unit_vectors: Vectors) -> None:
    one, other = unit_vectors(1, 16, 4)[0], unit_vectors(1, 24, 4)[0]
    gallery.enrol("s", one, "small", 90)
    gallery.enrol("t", other, "large", 90)
    assert [c.subject for c in gallery.identify(small(one), None, 5)] == ["s"]
    assert [c.subject for c in gallery.identify(Probe(other, "large"), None, 5)] == ["t"]
    assert refusal(lambda: gallery.compare("t", small(one))) is NOT_ENROLLED


def test_galleries_in_one_database_do_not_see_each_other(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    one, other = unit_vectors(2, 16, 5)
    insured = new_gallery(any_database, name="insured", people_max=1)
    doctors = new_gallery(any_database, name="doctors", people_max=1)
    insured.rebuild()
    doctors.rebuild()
    insured.enrol("s", one, "small", 90)
    doctors.enrol("d", other, "small", 90)
    new_gallery.add_key()
    assert insured.rotate_key().templates == 1
    assert insured.rebuild().templates == doctors.rebuild().templates == 1
    assert [c.subject for c in insured.identify(small(one), None, 5)] == ["s"]
    insured.delete_subject("d")
    assert doctors.rebuild().templates == 1
    assert doctors.compare("d", small(other)).score == pytest.approx(1, abs=HALF_PRECISION)


# Refusals


def test_a_vector_that_does_not_belong_is_refused_and_changes_nothing(
    gallery: Gallery, any_database: Database, unit_vectors: Vectors
) -> None:
    vector = unit_vectors(1, 16, 6)[0]
    wrong: list[tuple[Embedding, str, int, RefusalKind]] = [
        (vector, "unknown", 90, PATH_UNKNOWN),
        (vector, "large", 90, EMBEDDING_INVALID),
        (vector * 2, "small", 90, EMBEDDING_INVALID),
        (vector * np.float32("nan"), "small", 90, EMBEDDING_INVALID),
        (vector, "small", 101, QUALITY_INVALID),
    ]
    for embedding, path_id, quality, kind in wrong:
        assert refusal(partial(gallery.enrol, "s", embedding, path_id, quality)) is kind
    gallery.enrol("s", vector, "small", 90)
    before = rows(any_database)
    for embedding, path_id, quality, kind in wrong:
        assert refusal(partial(gallery.replace, "s", embedding, path_id, quality)) is kind
    assert refusal(lambda: gallery.identify(Probe(vector, "unknown"), None, 1)) is PATH_UNKNOWN
    assert refusal(lambda: gallery.compare("s", Probe(vector, "large"))) is EMBEDDING_INVALID
    assert rows(any_database) == before


def test_a_full_gallery_refuses_new_people_and_serves_the_others(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(3, 16, 7)
    gallery = new_gallery(any_database, people_max=2)
    gallery.rebuild()
    enrol_people(gallery, people[:2])
    assert refusal(lambda: gallery.enrol("s2", people[2], "small", 90)) is GALLERY_FULL
    gallery.enrol("s1", people[2], "small", 90)
    assert len(rows(any_database)) == 3
    gallery.delete_subject("s0")
    gallery.enrol("s2", people[2], "small", 90)
    assert_coherent(gallery, people)


def test_the_limit_of_people_cannot_be_raised(
    sqlite_database: Database, new_gallery: NewGallery
) -> None:
    assert new_gallery(sqlite_database, people_max=10**6)._people_max == 50_000


def test_a_person_cannot_fill_the_gallery_alone(
    gallery: Gallery, any_database: Database, unit_vectors: Vectors
) -> None:
    vectors = unit_vectors(TEMPLATES_PER_PERSON_MAX + 1, 16, 8)
    for vector in vectors[:-1]:
        gallery.enrol("s", vector, "small", 90)
    assert refusal(lambda: gallery.enrol("s", vectors[-1], "small", 90)) is TOO_MANY_TEMPLATES
    assert len(rows(any_database)) == TEMPLATES_PER_PERSON_MAX


def test_a_gallery_that_was_not_rebuilt_refuses_instead_of_knowing_nobody(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    vector = unit_vectors(1, 16, 9)[0]
    gallery = new_gallery(any_database)
    assert refusal(lambda: gallery.identify(small(vector), None, 1)) is NOT_READY
    assert refusal(lambda: gallery.compare("s", small(vector))) is NOT_READY
    assert refusal(lambda: gallery.enrol("s", vector, "small", 90)) is NOT_READY
    assert gallery.delete_subject("s").templates == 0


# Replacement


def test_a_replacement_leaves_the_new_template_only(
    gallery: Gallery, any_database: Database, unit_vectors: Vectors
) -> None:
    one, other, new = unit_vectors(3, 16, 10)
    gallery.enrol("s", one, "small", 90)
    gallery.enrol("s", other, "small", 90)
    kept = gallery.enrol("s", unit_vectors(1, 24, 10)[0], "large", 90)
    record = gallery.replace("s", new, "small", 95)
    assert {row.template_id for row in rows(any_database)} == {
        record.template_id,
        kept.template_id,
    }
    assert gallery.compare("s", small(new)).template_id == record.template_id
    assert gallery.compare("s", small(one)).score < 0.9
    assert_coherent(gallery, np.stack([one, other, new]))


def test_one_chosen_template_can_be_replaced(gallery: Gallery, unit_vectors: Vectors) -> None:
    one, other, new = unit_vectors(3, 16, 11)
    gallery.enrol("s", one, "small", 90)
    chosen = gallery.enrol("s", other, "small", 90)
    gallery.replace("s", new, "small", 95, replaced=[chosen.template_id])
    scores = [gallery.compare("s", small(vector)).score for vector in (one, other, new)]
    assert scores[0] > 0.99
    assert scores[1] < 0.9
    assert scores[2] > 0.99


def test_only_a_template_of_the_same_person_and_path_can_be_replaced(
    gallery: Gallery, any_database: Database, unit_vectors: Vectors
) -> None:
    one, other = unit_vectors(2, 16, 12)
    assert refusal(lambda: gallery.replace("s", one, "small", 90)) is NOT_ENROLLED
    gallery.enrol("s", one, "small", 90)
    strange = gallery.enrol("t", other, "small", 90).template_id
    elsewhere = gallery.enrol("s", unit_vectors(1, 24, 12)[0], "large", 90).template_id
    before = rows(any_database)
    for replaced in ([strange], [elsewhere], [TemplateId("none")], []):
        kind = refusal(partial(gallery.replace, "s", one, "small", 90, replaced=replaced))
        assert kind is TEMPLATE_UNKNOWN
    assert rows(any_database) == before


# Deletion


def test_a_deleted_person_is_gone_from_every_store(
    gallery: Gallery, any_database: Database, unit_vectors: Vectors
) -> None:
    people = unit_vectors(3, 16, 13)
    enrol_people(gallery, people)
    gallery.enrol("s1", unit_vectors(1, 24, 13)[0], "large", 90)
    receipt = gallery.delete_subject("s1")
    assert (receipt.subject, receipt.templates) == ("s1", 2)
    assert receipt.stores == ("database", "search index")
    assert "s1" not in {row.subject for row in rows(any_database)}
    assert refusal(lambda: gallery.compare("s1", small(people[1]))) is NOT_ENROLLED
    found = gallery.identify(small(people[1]), None, 10)
    assert {candidate.subject for candidate in found} == {"s0", "s2"}
    assert gallery.identify(small(people[1]), ["s1"], 10) == []
    assert gallery.delete_subject("s1").templates == 0
    assert_coherent(gallery, people)


def test_a_deletion_that_is_repeated_after_a_crash_cleans_the_index_too(
    sqlite_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    vector = unit_vectors(1, 16, 14)[0]
    gallery = new_gallery(CrashingDatabase(sqlite_database, 3, committed=True))
    gallery.rebuild()
    gallery.enrol("s", vector, "small", 90)
    with pytest.raises(CrashError):
        gallery.delete_subject("s")
    gallery.delete_subject("s")
    assert gallery.identify(small(vector), None, 1) == []


# Restart


def test_a_restart_finds_everybody_again(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(8, 16, 15)
    first = new_gallery(any_database)
    first.rebuild()
    enrol_people(first, people)
    first.enrol("s0", people[7], "small", 90)
    answers = [first.identify(small(person), None, 10) for person in people]
    second = new_gallery(any_database)
    rebuilt = second.rebuild()
    assert (rebuilt.people, rebuilt.templates, rebuilt.unreadable) == (8, 9, ())
    assert [second.identify(small(person), None, 10) for person in people] == answers


def test_a_crash_between_commit_and_index_is_healed_by_the_restart(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    one, other = unit_vectors(2, 16, 16)
    gallery = new_gallery(CrashingDatabase(any_database, 3, committed=True))
    gallery.rebuild()
    gallery.enrol("s", one, "small", 90)
    with pytest.raises(CrashError):
        gallery.replace("s", other, "small", 90)
    gallery.rebuild()
    assert gallery.compare("s", small(other)).score > 0.99
    assert gallery.compare("s", small(one)).score < 0.9


def test_templates_of_a_retired_path_are_counted_and_left_out(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    gallery = new_gallery(any_database)
    gallery.rebuild()
    gallery.enrol("s", unit_vectors(1, 16, 17)[0], "small", 90)
    gallery.enrol("s", unit_vectors(1, 24, 17)[0], "large", 90)
    narrower = new_gallery(any_database, paths=[EmbeddingPath("large", 24)])
    rebuilt = narrower.rebuild()
    assert (rebuilt.templates, rebuilt.other_paths) == (1, 1)
    assert narrower.delete_subject("s").templates == 2


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "t"},
        {"quality": 100},
        {"path_id": "other"},
        {"version": 2},
        {"sealed": b"x" * 60},
    ],
)
def test_an_altered_record_is_reported_and_never_matches(
    any_database: Database,
    new_gallery: NewGallery,
    unit_vectors: Vectors,
    change: dict[str, object],
) -> None:
    one, other = unit_vectors(2, 16, 18)
    gallery = new_gallery(any_database)
    gallery.rebuild()
    altered = gallery.enrol("s", one, "small", 90)
    gallery.enrol("u", other, "small", 90)
    of_record = store.templates.c.template_id == altered.template_id
    any_database.write(lambda c: c.execute(update(store.templates).where(of_record).values(change)))
    rebuilt = gallery.rebuild()
    assert [record.template_id for record in rebuilt.unreadable] == [altered.template_id]
    assert (rebuilt.people, rebuilt.templates) == (1, 1)
    assert [c.subject for c in gallery.identify(small(one), None, 5)] == ["u"]
    new_gallery.add_key()
    assert refusal(gallery.rotate_key) is TEMPLATE_UNREADABLE
    assert gallery.delete_subject(rebuilt.unreadable[0].subject).templates == 1
    assert gallery.rotate_key().templates == 1


def test_a_record_of_a_layout_of_the_future_is_left_out(
    gallery: Gallery, unit_vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "RECORD_VERSION", 2)
    record = gallery.enrol("s", unit_vectors(1, 16, 18)[0], "small", 90)
    monkeypatch.undo()
    assert gallery.rebuild().unreadable == (record,)


def test_sealed_vectors_swapped_between_people_do_not_open(
    gallery: Gallery, any_database: Database, unit_vectors: Vectors
) -> None:
    enrol_people(gallery, unit_vectors(2, 16, 19))
    one, other = rows(any_database)

    def swap(connection: Connection) -> None:
        for target, source in ((one, other), (other, one)):
            of_record = store.templates.c.template_id == target.template_id
            connection.execute(
                update(store.templates).where(of_record).values(sealed=source.sealed)
            )

    any_database.write(swap)
    assert len(gallery.rebuild().unreadable) == 2


def test_without_its_protection_key_a_gallery_does_not_start(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    gallery = new_gallery(any_database)
    gallery.rebuild()
    gallery.enrol("s", unit_vectors(1, 16, 20)[0], "small", 90)
    new_gallery.lose_key(1)
    restarted = new_gallery(any_database)
    with pytest.raises(Refused, match="key_missing"):
        restarted.rebuild()
    with pytest.raises(Refused, match="not_ready"):
        restarted.identify(small(unit_vectors(1, 16, 20)[0]), None, 1)


def test_without_its_sealing_key_a_gallery_knows_nobody_and_says_so(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(3, 16, 36)
    gallery = new_gallery(any_database)
    gallery.rebuild()
    enrol_people(gallery, people)
    new_gallery.lose_key(1, "gallery.insured.template")
    restarted = new_gallery(any_database)
    rebuilt = restarted.rebuild()
    assert (rebuilt.people, len(rebuilt.unreadable)) == (0, 3)
    assert restarted.identify(small(people[0]), None, 5) == []


class SealerWithoutItsModule(NoSealer):
    def open(self, *_sealed: bytes, **_bound: object) -> bytes:
        raise Refused(KEY_MISSING)


def test_a_sealer_that_cannot_work_stops_the_start_instead_of_losing_everybody(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    gallery = new_gallery(any_database)
    gallery.rebuild()
    gallery.enrol("s", unit_vectors(1, 16, 37)[0], "small", 90)
    restarted = new_gallery(any_database, sealer=SealerWithoutItsModule())
    assert refusal(restarted.rebuild) is KEY_MISSING


# Rotation


@pytest.fixture
def _pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_PAGE", 2)


@pytest.mark.usefixtures("_pages_of_two")
def test_a_rotation_moves_every_template_and_keeps_every_answer(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(5, 16, 21)
    gallery = new_gallery(any_database)
    gallery.rebuild()
    enrol_people(gallery, people)
    large = unit_vectors(1, 24, 21)[0]
    gallery.enrol("s0", large, "large", 90)
    before = rows(any_database)
    new_gallery.add_key()
    rotation = gallery.rotate_key()
    assert (rotation.old_key_id[:4], rotation.new_key_id[:4]) == ("0001", "0002")
    assert rotation.templates == 6
    after = rows(any_database)
    assert keys_in_use(any_database) == {2}
    moved = {replace(row, key_id=before[0].key_id, sealed=b"") for row in after}
    assert moved == {replace(row, sealed=b"") for row in before}
    new_gallery.lose_key(1)
    for number, person in enumerate(people):
        (best,) = gallery.identify(small(person), None, 1)
        assert best.subject == f"s{number}"
        assert best.score == pytest.approx(1, abs=1e-3)
    assert gallery.compare("s0", Probe(large, "large")).score == pytest.approx(1, abs=1e-3)
    assert_coherent(gallery, people)


def test_a_rotation_without_a_new_key_does_nothing(
    gallery: Gallery, any_database: Database, unit_vectors: Vectors
) -> None:
    enrol_people(gallery, unit_vectors(2, 16, 22))
    before = rows(any_database)
    assert gallery.rotate_key().templates == 0
    assert rows(any_database) == before


def test_twenty_rotations_move_a_score_less_than_a_thousandth(
    sqlite_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(10, 128, 23)
    gallery = new_gallery(sqlite_database, paths=[EmbeddingPath("small", 128)])
    gallery.rebuild()
    enrol_people(gallery, people)
    for _ in range(20):
        new_gallery.add_key()
        gallery.rotate_key()
    for probe in people:
        for candidate in gallery.identify(small(probe), None, 10):
            right = float(people[int(candidate.subject[1:])] @ probe)
            assert candidate.score == pytest.approx(right, abs=1e-3)


@pytest.mark.usefixtures("_pages_of_two")
@pytest.mark.parametrize("committed", [False, True])
def test_a_crash_anywhere_in_a_rotation_leaves_one_key_in_force(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors, committed: bool
) -> None:
    people = unit_vectors(5, 16, 24)
    first = new_gallery(any_database)
    first.rebuild()
    enrol_people(first, people)
    crashes = 0
    for at in range(2, 9):
        new_gallery.add_key()
        crashing = new_gallery(CrashingDatabase(any_database, at, committed=committed))
        crashing.rebuild()
        try:
            crashing.rotate_key()
        except CrashError:
            crashes += 1
            # The running program goes on, the restarted one agrees with it.
            for number, person in enumerate(people):
                assert crashing.compare(f"s{number}", small(person)).score > 0.99
        restarted = new_gallery(any_database)
        assert restarted.rebuild().templates == 5
        assert len(keys_in_use(any_database)) == 1
        assert len(rows(any_database)) == 5
        for number, person in enumerate(people):
            assert restarted.compare(f"s{number}", small(person)).score > 0.99
    assert crashes == 6, "one per write: clean, three pages, switch, rebuild"


def test_the_switch_of_a_rotation_deletes_the_old_rows_in_its_own_transaction(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    first = new_gallery(any_database)
    first.rebuild()
    enrol_people(first, unit_vectors(3, 16, 32))
    new_gallery.add_key()
    gallery = new_gallery(CrashingDatabase(any_database, 4, committed=True))
    gallery.rebuild()
    with pytest.raises(CrashError):
        gallery.rotate_key()
    assert [row.key_id[:4] for row in rows(any_database)] == ["0002"] * 3


@pytest.mark.usefixtures("_pages_of_two")
def test_a_deletion_after_a_crashed_rotation_reaches_the_rows_of_both_keys(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(5, 16, 25)
    gallery = new_gallery(CrashingDatabase(any_database, 9, committed=True))
    gallery.rebuild()
    enrol_people(gallery, people)
    new_gallery.add_key()
    with pytest.raises(CrashError):
        gallery.rotate_key()
    assert keys_in_use(any_database) == {1, 2}
    assert gallery.delete_subject("s0").templates == 1
    assert "s0" not in {row.subject for row in rows(any_database)}


def test_a_gallery_whose_key_another_process_rotated_refuses_to_mix(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    one, other = unit_vectors(2, 16, 26)
    behind = new_gallery(any_database)
    behind.rebuild()
    behind.enrol("s", one, "small", 90)
    new_gallery.add_key()
    ahead = new_gallery(any_database)
    ahead.rebuild()
    ahead.rotate_key()
    assert refusal(lambda: behind.enrol("t", other, "small", 90)) is NOT_READY
    behind.rebuild()
    behind.enrol("t", other, "small", 90)
    assert keys_in_use(any_database) == {2}


def test_a_change_by_another_process_stops_a_rotation_before_the_switch(
    sqlite_database: Database,
    new_gallery: NewGallery,
    unit_vectors: Vectors,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = unit_vectors(2, 16, 27)
    rotating, intruder = new_gallery(sqlite_database), new_gallery(sqlite_database)
    rotating.rebuild()
    intruder.rebuild()
    rotating.enrol("s", one, "small", 90)
    new_gallery.add_key()
    switch = rotating._switch

    def intrude_then_switch(old_key_id: str, new_key_id: str) -> int:
        intruder.enrol("t", other, "small", 90)
        return switch(old_key_id, new_key_id)

    monkeypatch.setattr(rotating, "_switch", intrude_then_switch)
    assert refusal(rotating.rotate_key) is NOT_READY
    monkeypatch.undo()
    assert rotating.rotate_key().templates == 2
    assert rotating.compare("t", small(other)).score > 0.99


class BusyDatabase(CrashingDatabase):
    """After each read something of ``changes`` happens before the reader goes on."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, 0, committed=False)
        self.changes: list[Callable[[], object]] = []

    def read(self, work: Callable[[Connection], T]) -> T:
        result = super().read(work)
        if self.changes:
            self.changes.pop(0)()
        return result


@pytest.mark.usefixtures("_pages_of_two")
def test_changes_while_a_rotation_goes_on_are_neither_lost_nor_undone(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(8, 16, 34)
    database = BusyDatabase(any_database)
    gallery = new_gallery(database)
    gallery.rebuild()
    enrol_people(gallery, people[:6])
    new_gallery.add_key()
    database.changes = [
        partial(gallery.delete_subject, "s0"),
        partial(gallery.replace, "s3", people[6], "small", 90),
        partial(gallery.enrol, "s7", people[7], "small", 90),
        partial(gallery.delete_subject, "s1"),
    ]
    assert gallery.rotate_key().templates == 5
    assert database.changes == []
    assert keys_in_use(any_database) == {2}
    assert {row.subject for row in rows(any_database)} == {"s2", "s3", "s4", "s5", "s7"}
    for subject, vector in (("s2", 2), ("s3", 6), ("s4", 4), ("s5", 5), ("s7", 7)):
        assert gallery.compare(subject, small(people[vector])).score > 0.99
    assert_coherent(gallery, people)


@pytest.mark.usefixtures("_pages_of_two")
def test_a_rebuild_while_a_rotation_goes_on_does_not_harm_it(
    any_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    people = unit_vectors(6, 16, 35)
    database = BusyDatabase(any_database)
    gallery = new_gallery(database)
    gallery.rebuild()
    enrol_people(gallery, people)
    new_gallery.add_key()
    database.changes = [lambda: None, lambda: None, gallery.rebuild]
    assert gallery.rotate_key().templates == 6
    for number, person in enumerate(people):
        assert gallery.compare(f"s{number}", small(person)).score > 0.99
    assert keys_in_use(any_database) == {2}


# At rest


def forms_of(vector: Embedding, new_gallery: NewGallery) -> list[bytes]:
    """Every way in which a template might stand in a file: plain, protected, any precision."""
    key = new_protection(
        new_gallery.keys.secret(new_gallery.keys.current_key_id()),
        key_id="",
        gallery="insured",
        path=EmbeddingPath("small", 16),
    )
    protected = key.matrix @ vector.astype(np.float64)
    return [
        form.astype(kind).tobytes()
        for form in (vector, protected)
        for kind in ("<f2", "<f4", "<f8", ">f2", ">f4", ">f8")
    ]


def shows(content: bytes, forms: list[bytes]) -> bool:
    """Whether any 8 bytes of a form stand in the content."""
    return any(form[at : at + 8] in content for form in forms for at in range(0, len(form), 8))


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "control without a seal"])
def test_neither_the_database_file_nor_its_log_shows_a_template(
    tmp_path: Path, new_gallery: NewGallery, unit_vectors: Vectors, sealed: bool
) -> None:
    database = SqliteDatabase(f"sqlite:///{tmp_path}/gallery.db")
    gallery = new_gallery(database, sealer=None if sealed else NoSealer())
    gallery.rebuild()
    people = unit_vectors(20, 16, 28)
    enrol_people(gallery, people)
    gallery.replace("s0", people[1], "small", 90)
    gallery.delete_subject("s2")
    files = [path for path in tmp_path.glob("gallery.db*") if path.stat().st_size]
    assert {"gallery.db", "gallery.db-wal"} <= {path.name for path in files}
    content = b"".join(path.read_bytes() for path in files)
    database.close()
    content += (tmp_path / "gallery.db").read_bytes()
    assert all(row in content for row in (b"small", b"s19"))
    shown = [shows(content, forms_of(person, new_gallery)) for person in people]
    assert shown == [not sealed] * len(people)


# Together


def run_at_once(works: Sequence[Callable[[], None]]) -> list[BaseException]:
    """Run each in a thread of its own and give what failed."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - given to the test
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_changes_and_searches_at_once_end_coherent(
    sqlite_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    gallery = new_gallery(sqlite_database)
    gallery.rebuild()
    people = unit_vectors(8, 16, 29)
    gallery.enrol("held", people[0], "small", 90)

    def change(subject: str, vector: Embedding) -> None:
        for _ in range(10):
            gallery.enrol(subject, vector, "small", 90)
            gallery.replace(subject, -vector, "small", 90)
            gallery.delete_subject(subject)
        gallery.enrol(subject, vector, "small", 90)

    def rotate() -> None:
        for _ in range(5):
            new_gallery.add_key()
            gallery.rotate_key()

    def look() -> None:
        for _ in range(300):
            assert gallery.compare("held", small(people[0])).score > 0.99

    changes = [partial(change, f"s{number}", people[number]) for number in range(1, 5)]
    assert run_at_once([*changes, rotate, look, look]) == []
    found = gallery.identify(small(people[0]), None, 10)
    assert {c.subject for c in found} == {"held", "s1", "s2", "s3", "s4"}
    assert_coherent(gallery, people)


class MeanwhileDatabase(CrashingDatabase):
    """After write number ``at`` is durable, somebody else does something and may finish it."""

    meanwhile: threading.Thread

    def write(self, work: Callable[[Connection], T]) -> T:
        try:
            return super().write(work)
        except CrashError:
            self.meanwhile.start()
            self.meanwhile.join(timeout=0.2)
            return None  # type: ignore[return-value]


def test_a_deletion_that_meets_an_unfinished_enrolment_still_wins(
    sqlite_database: Database, new_gallery: NewGallery, unit_vectors: Vectors
) -> None:
    vector = unit_vectors(1, 16, 33)[0]
    database = MeanwhileDatabase(sqlite_database, 2, committed=True)
    gallery = new_gallery(database)
    gallery.rebuild()
    database.meanwhile = threading.Thread(target=gallery.delete_subject, args=("s",))
    gallery.enrol("s", vector, "small", 90)
    database.meanwhile.join()
    assert gallery.identify(small(vector), None, 1) == []
    assert rows(sqlite_database) == []


class GalleryMachine(RuleBasedStateMachine):
    """The gallery does what a dictionary of double precision vectors does."""

    SUBJECTS = st.sampled_from([f"s{number}" for number in range(6)])
    VECTORS = st.integers(0, 9)
    SMALL_OR_LARGE = st.sampled_from(["small", "large"])

    def __init__(
        self, new_gallery: NewGallery, new_database: Callable[[], Database], vectors: Vectors
    ) -> None:
        super().__init__()
        self.new_gallery = new_gallery
        self.database = new_database()
        self.pool = {"small": vectors(10, 16, 30), "large": vectors(10, 24, 31)}
        self.model: dict[TemplateId, tuple[str, str, Embedding]] = {}

    @initialize()
    def start(self) -> None:
        self.gallery = self.new_gallery(self.database, people_max=4)
        self.gallery.rebuild()

    def of(self, subject: str, path_id: str) -> list[TemplateId]:
        owned = (subject, path_id)
        return [template_id for template_id, one in self.model.items() if one[:2] == owned]

    def people(self) -> set[str]:
        return {subject for subject, _, _ in self.model.values()}

    def best(self, probe: Embedding, path_id: str) -> dict[str, float]:
        best: dict[str, float] = {}
        for subject, path, vector in self.model.values():
            if path == path_id:
                score = float(vector.astype(np.float64) @ probe.astype(np.float64))
                best[subject] = max(score, best.get(subject, -2))
        return best

    @rule(subject=SUBJECTS, number=VECTORS, path_id=SMALL_OR_LARGE)
    def enrol(self, subject: str, number: int, path_id: str) -> None:
        vector = self.pool[path_id][number]
        work = partial(self.gallery.enrol, subject, vector, path_id, 90)
        if len(self.people() - {subject}) >= 4:
            assert refusal(work) is GALLERY_FULL
        elif len(self.of(subject, path_id)) >= TEMPLATES_PER_PERSON_MAX:
            assert refusal(work) is TOO_MANY_TEMPLATES
        else:
            self.model[work().template_id] = (subject, path_id, vector)

    @rule(subject=SUBJECTS, number=VECTORS, path_id=SMALL_OR_LARGE)
    def replace_all(self, subject: str, number: int, path_id: str) -> None:
        vector = self.pool[path_id][number]
        work = partial(self.gallery.replace, subject, vector, path_id, 90)
        owned = self.of(subject, path_id)
        if not owned:
            assert refusal(work) is NOT_ENROLLED
            return
        self.model[work().template_id] = (subject, path_id, vector)
        for template_id in owned:
            del self.model[template_id]

    @rule(subject=SUBJECTS, number=VECTORS, path_id=SMALL_OR_LARGE)
    def replace_first(self, subject: str, number: int, path_id: str) -> None:
        owned = self.of(subject, path_id)[:1]
        if owned:
            vector = self.pool[path_id][number]
            record = self.gallery.replace(subject, vector, path_id, 90, replaced=owned)
            self.model[record.template_id] = (subject, path_id, vector)
            del self.model[owned[0]]

    @rule(subject=SUBJECTS)
    def delete(self, subject: str) -> None:
        owned = [*self.of(subject, "small"), *self.of(subject, "large")]
        assert self.gallery.delete_subject(subject).templates == len(owned)
        for template_id in owned:
            del self.model[template_id]

    @rule()
    def rebuild(self) -> None:
        assert self.gallery.rebuild().templates == len(self.model)

    @rule()
    def restart(self) -> None:
        self.start()

    @rule()
    def rotate(self) -> None:
        self.new_gallery.add_key()
        assert self.gallery.rotate_key().templates == len(self.model)

    @rule(
        number=VECTORS,
        path_id=SMALL_OR_LARGE,
        limit=st.integers(0, 6),
        among=st.none() | st.sets(SUBJECTS),
    )
    def identify(self, number: int, path_id: str, limit: int, among: set[str] | None) -> None:
        vector = self.pool[path_id][number]
        expected = self.best(vector, path_id)
        if among is not None:
            expected = {subject: expected[subject] for subject in among & expected.keys()}
        found = self.gallery.identify(Probe(vector, path_id), among, limit)
        self.compare_ranking(found, expected, limit)

    def compare_ranking(
        self, found: list[Candidate], expected: dict[str, float], limit: int
    ) -> None:
        # Rotations add rounding; vectors of the pool are further apart or equal.
        assert len(found) == min(limit, len(expected))
        by_rank = sorted(expected.values(), reverse=True)
        for candidate, score in zip(found, by_rank, strict=False):
            assert candidate.score == pytest.approx(score, abs=2e-3)
            assert candidate.score == pytest.approx(expected[candidate.subject], abs=2e-3)
            subject = self.model[candidate.template_id][0]
            assert subject == candidate.subject

    @invariant()
    def the_database_holds_the_model(self) -> None:
        def count(connection: Connection) -> int:
            return connection.scalar(select(func.count()).select_from(store.templates)) or 0

        if hasattr(self, "gallery"):
            assert self.database.read(count) == len(self.model)

    def teardown(self) -> None:
        self.database.close()


@pytest.fixture
def fresh_database(tmp_path: Path) -> Callable[[], Database]:
    numbers = iter(range(10_000))
    return lambda: SqliteDatabase(f"sqlite:///{tmp_path}/{next(numbers)}.db")


def test_the_gallery_does_what_a_dictionary_does(
    new_gallery: NewGallery, fresh_database: Callable[[], Database], unit_vectors: Vectors
) -> None:
    class Machine(GalleryMachine):
        def __init__(self) -> None:
            super().__init__(new_gallery, fresh_database, unit_vectors)

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=20, stateful_step_count=25, deadline=None)
    )
