import sys
import threading
from collections.abc import Callable, Collection, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shualian.core.identifiers import TemplateId
from shualian.core.refusals import Refused
from shualian.face.model import Embedding
from shualian.gallery.index import IndexEntry, TemplateIndex
from shualian.gallery.model import (
    EMBEDDING_INVALID,
    NOT_READY,
    PATH_UNKNOWN,
    Candidate,
    EmbeddingPath,
    Probe,
)
from shualian.gallery.protection import Protection, new_protection

Vectors = Callable[[int, int, int], Embedding]
Owned = list[tuple[str, Embedding]]

DIMENSION = 16
PATH = EmbeddingPath("p", DIMENSION)
KEY = new_protection(bytes(range(32)), key_id="k", gallery="g", path=PATH)
HALF_PRECISION = 2**-11 + 1e-6


def entry(
    template_id: str, subject: str, vector: Embedding, protection: Protection = KEY
) -> IndexEntry:
    stored = protection.protect_template(vector)
    return IndexEntry(TemplateId(template_id), subject, protection.key_id, stored)


def index_of(owned: Owned, protection: Protection = KEY) -> TemplateIndex:
    index = TemplateIndex(protection.path)
    entries = [
        entry(f"t{number}", subject, vector, protection)
        for number, (subject, vector) in enumerate(owned)
    ]
    index.rebuild(protection, entries)
    return index


def by_hand(
    owned: Owned, probe: Embedding, among: Collection[str] | None = None
) -> dict[str, float]:
    """The best score of each subject, in double precision on unprotected vectors."""
    best: dict[str, float] = {}
    for subject, vector in owned:
        if among is None or subject in among:
            score = float(vector.astype(np.float64) @ probe.astype(np.float64))
            best[subject] = max(score, best.get(subject, -2.0))
    return best


def assert_exact(found: list[Candidate], expected: dict[str, float], k: int) -> None:
    """The same ranking as by hand, as far as half precision can tell scores apart."""
    assert len(found) == min(k, len(expected))
    assert len({candidate.subject for candidate in found}) == len(found)
    by_rank = sorted(expected.values(), reverse=True)
    for candidate, score in zip(found, by_rank, strict=False):
        assert candidate.score == pytest.approx(score, abs=HALF_PRECISION)
        assert candidate.score == pytest.approx(expected[candidate.subject], abs=HALF_PRECISION)
    scores = [candidate.score for candidate in found]
    assert scores == sorted(scores, reverse=True)


def memory_of(index: TemplateIndex) -> NDArray[np.float16]:
    content = index._content
    assert content is not None
    return content.rows._matrix


@st.composite
def galleries(draw: st.DrawFn) -> tuple[Owned, Embedding]:
    """Few directions and small steps between them: many near and exact ties."""
    seed = draw(st.integers(0, 2**32))
    random = np.random.default_rng(seed)
    count = draw(st.integers(0, 120))
    directions = random.standard_normal((draw(st.integers(1, 8)), DIMENSION))
    vectors = directions[random.integers(len(directions), size=count + 1)]
    vectors += random.choice([0, 1e-4, 0.5]) * random.standard_normal(vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = random.integers(draw(st.integers(1, 60)), size=count)
    singles = vectors.astype(np.float32)
    owned = [(f"s{person}", vector) for person, vector in zip(people, singles[1:], strict=True)]
    return owned, singles[0]


@settings(deadline=None)
@given(galleries(), st.integers(1, 70))
def test_a_search_ranks_as_double_precision_does(gallery: tuple[Owned, Embedding], k: int) -> None:
    owned, probe = gallery
    assert_exact(index_of(owned).search(Probe(probe, "p"), k), by_hand(owned, probe), k)


@settings(deadline=None)
@given(galleries(), st.integers(1, 70), st.sets(st.integers(0, 70)))
def test_a_search_among_people_sees_them_and_nobody_else(
    gallery: tuple[Owned, Embedding], k: int, numbers: set[int]
) -> None:
    owned, probe = gallery
    among = {f"s{number}" for number in numbers}
    found = index_of(owned).search(Probe(probe, "p"), k, among)
    assert_exact(found, by_hand(owned, probe, among), k)


@settings(deadline=None)
@given(galleries(), st.integers(0, 2**32))
def test_order_and_scores_depend_neither_on_the_others_nor_on_where_a_row_stands(
    gallery: tuple[Owned, Embedding], seed: int
) -> None:
    owned, vector = gallery
    probe = Probe(vector, "p")
    everybody = index_of(owned).search(probe, 200)
    moved = TemplateIndex(PATH)
    entries = [entry(f"t{number}", *one) for number, one in enumerate(owned)]
    moved.rebuild(KEY, [entries[at] for at in np.random.default_rng(seed).permutation(len(owned))])
    assert moved.search(probe, 200) == everybody
    assert moved.search(probe, 200, {subject for subject, _ in owned}) == everybody
    assert [
        candidate for one in everybody for candidate in moved.search(probe, 1, [one.subject])
    ] == everybody


def test_the_exact_ranking_holds_at_a_real_size(unit_vectors: Vectors) -> None:
    path = EmbeddingPath("p", 128)
    protection = new_protection(bytes(32), key_id="k", gallery="g", path=path)
    people = unit_vectors(3000, 128, 1)
    owned = [(f"s{number // 2}", person) for number, person in enumerate(people)]
    index = index_of(owned, protection)
    for probe in unit_vectors(20, 128, 2):
        assert_exact(index.search(Probe(probe, "p"), 10), by_hand(owned, probe), 10)


def test_a_person_with_many_near_templates_does_not_crowd_out_the_next(
    unit_vectors: Vectors,
) -> None:
    near, far = unit_vectors(2, DIMENSION, 3)
    owned = [("crowd", near)] * 500 + [("next", far)]
    found = index_of(owned).search(Probe(near, "p"), 2)
    assert [candidate.subject for candidate in found] == ["crowd", "next"]


def test_equal_scores_are_ordered_by_subject(unit_vectors: Vectors) -> None:
    same = unit_vectors(1, DIMENSION, 4)[0]
    found = index_of([(f"s{number:02}", same) for number in (7, 3, 9, 1)]).search(
        Probe(same, "p"), 3
    )
    assert [candidate.subject for candidate in found] == ["s01", "s03", "s07"]


def test_asking_for_nobody_gives_nobody(unit_vectors: Vectors) -> None:
    one = unit_vectors(1, DIMENSION, 5)[0]
    index, probe = index_of([("s", one)]), Probe(one, "p")
    assert index.search(probe, 0) == []
    assert index.search(probe, -1) == []
    assert index.search(probe, 1, []) == []
    assert index.search(probe, 1, ["stranger"]) == []
    assert index_of([]).search(probe, 1) == []


def test_a_probe_of_another_path_is_refused(unit_vectors: Vectors) -> None:
    one = unit_vectors(1, DIMENSION, 5)[0]
    with pytest.raises(Refused) as refused:
        index_of([("s", one)]).search(Probe(one, "q"), 1)
    assert refused.value.kind is PATH_UNKNOWN


def test_a_probe_that_is_no_unit_vector_is_refused(unit_vectors: Vectors) -> None:
    one = unit_vectors(1, DIMENSION, 5)[0]
    with pytest.raises(Refused) as refused:
        index_of([("s", one)]).search(Probe(one * 2, "p"), 1)
    assert refused.value.kind is EMBEDDING_INVALID


def test_an_index_that_was_never_built_refuses_instead_of_answering_unknown(
    unit_vectors: Vectors,
) -> None:
    one = unit_vectors(1, DIMENSION, 5)[0]
    with pytest.raises(Refused) as refused:
        TemplateIndex(PATH).search(Probe(one, "p"), 1)
    assert refused.value.kind is NOT_READY


def test_vectors_of_two_keys_never_mix(unit_vectors: Vectors) -> None:
    one, other = unit_vectors(2, DIMENSION, 6)
    index = index_of([("s", one)])
    second = new_protection(bytes(32), key_id="k2", gallery="g", path=PATH)
    with pytest.raises(ValueError, match="one key"):
        index.insert(entry("new", "s", other, second))
    assert index.templates == 1


def test_a_template_stands_once(unit_vectors: Vectors) -> None:
    one, other = unit_vectors(2, DIMENSION, 6)
    index = index_of([("s", one)])
    with pytest.raises(ValueError, match="once"):
        index.insert(entry("t0", "other", other))
    assert index.people == 1


def test_a_replaced_template_answers_for_the_new_vector_only(unit_vectors: Vectors) -> None:
    old, new, other = unit_vectors(3, DIMENSION, 7)
    index = index_of([("s", old), ("other", other)])
    index.replace([TemplateId("t0")], entry("t9", "s", new))
    (found,) = index.search(Probe(new, "p"), 1, ["s"])
    assert found.template_id == "t9"
    assert found.score == pytest.approx(1, abs=HALF_PRECISION)
    assert (index.people, index.templates) == (2, 2)


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(0, 2**32))
def test_a_removed_vector_is_nowhere_in_the_memory_of_the_index(count: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    index = index_of([(f"s{number}", vector) for number, vector in enumerate(vectors)])
    memory = memory_of(index)
    gone = np.random.default_rng(seed).permutation(count)
    for number in gone[: count // 2 + 1]:
        stored = KEY.protect_template(vectors[number]).tobytes()
        assert stored in memory.tobytes()
        index.remove_subject(f"s{number}")
        assert stored not in memory.tobytes()
    assert not memory[index.templates :].any()


def test_memory_that_the_index_outgrows_or_rebuilds_is_overwritten(
    unit_vectors: Vectors,
) -> None:
    index = index_of([])
    content = index._content
    assert content is not None
    outgrown = []
    for number, vector in enumerate(unit_vectors(300, DIMENSION, 8)):
        # The scanner owns the memory, so it is kept alive to look at it afterwards.
        outgrown.append((content.rows._scanner, content.rows._matrix))
        index.insert(entry(f"t{number}", "s", vector))
    for _, matrix in outgrown:
        assert matrix is content.rows._matrix or not matrix.any()
    last = content.rows._matrix
    index.rebuild(KEY, [])
    assert not last.any()


def test_removing_somebody_who_is_not_there_changes_nothing(unit_vectors: Vectors) -> None:
    index = index_of([("s", unit_vectors(1, DIMENSION, 9)[0])])
    index.remove_subject("stranger")
    assert index.templates == 1
    TemplateIndex(PATH).remove_subject("stranger")


def change_around_one_person(index: TemplateIndex, one: Embedding, other: Embedding) -> None:
    """Insert, replace, remove and rebuild around a person who is always enrolled once."""
    crowd = [entry(f"c{number}", f"c{number}", -one) for number in range(100)]
    held = entry("held", "held", one)
    for turn in range(40):
        for number in range(40):
            old, held = held, entry(f"h{turn}-{number}", "held", (one, other)[number % 2])
            index.replace([old.template_id], held)
            index.insert(crowd[number])
        for number in range(40):
            index.remove_subject(crowd[number].subject)
        key = new_protection(bytes([turn]) * 32, key_id=str(turn), gallery="g", path=PATH)
        index.rebuild(key, [entry("other-key", "held", other, key)])
        index.rebuild(KEY, [held, *crowd])
        index.rebuild(KEY, [held])


@pytest.fixture
def _threads_change_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_threads_change_often")
def test_readers_never_see_half_a_change(unit_vectors: Vectors) -> None:
    one = unit_vectors(1, DIMENSION, 10)[0]
    other = np.roll(one, 1)
    index = index_of([])
    index.insert(entry("held", "held", one))
    allowed = (1.0, float(one @ other))
    writing = threading.Event()
    writing.set()
    seen: list[set[float]] = [set() for _ in range(3)]
    failures: list[object] = []

    def read(number: int, among: list[str] | None) -> None:
        try:
            while writing.is_set() or not seen[number]:
                (found,) = index.search(Probe(one, "p"), 1, among)
                assert found.subject == "held"
                seen[number].add(found.score)
        except BaseException as failure:  # noqa: BLE001 - looked at below
            failures.append(failure)

    readers = [
        threading.Thread(target=read, args=(number, among))
        for number, among in enumerate((None, ["held"], ["held", "c1"]))
    ]
    for reader in readers:
        reader.start()
    change_around_one_person(index, one, other)
    writing.clear()
    for reader in readers:
        reader.join()
    assert failures == []
    for score in set().union(*seen):
        assert min(abs(score - right) for right in allowed) < HALF_PRECISION
