from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.clock import SystemClock
from shualian.core.database import SqliteDatabase
from shualian.core.id_number import SANDBOX_REGION, parse_id_number
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.gallery import store as gallery_store
from shualian.gallery.model import EmbeddingPath, Probe
from shualian.gallery.service import Gallery
from shualian.insurer.persons import store as persons_store
from shualian.insurer.persons.model import parse_list
from shualian.insurer.persons.service import Persons
from shualian.sandbox.insured_city import (
    FIRST_BIRTH,
    LAST_BIRTH,
    PEOPLE,
    people_csv,
    sample_people,
    seen_again,
    settle_city,
    synthetic_vectors,
)
from shualian.trust.audit import store as audit_store
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import DerivedSecrets, Sealer

TODAY = date(2026, 3, 2)
PATH = EmbeddingPath("synthetic", 128)


def test_a_city_has_two_thousand_people_with_valid_numbers_that_exist_nowhere() -> None:
    people = sample_people()

    assert len({each.id_number for each in people}) == PEOPLE == 2_000
    for each in people:
        assert parse_id_number(each.id_number.value, today=TODAY) == each.id_number
        assert each.id_number.value.startswith(SANDBOX_REGION)
        assert FIRST_BIRTH <= each.id_number.birth_date <= LAST_BIRTH
    decades = Counter(each.id_number.birth_date.year // 10 for each in people)
    assert set(decades) == set(range(193, 203))
    assert min(decades[decade] for decade in range(193, 202)) > 150


@given(seed=st.integers(0, 2**32), few=st.integers(0, 30), more=st.integers(0, 30))
def test_the_same_seed_gives_the_same_people_and_fewer_are_the_first_of_more(
    seed: int, few: int, more: int
) -> None:
    assert sample_people(few, seed=seed) == sample_people(few + more, seed=seed)[:few]


def test_another_seed_gives_other_people() -> None:
    one, other = ({each.id_number for each in sample_people(200, seed=seed)} for seed in (1, 2))

    assert len(one & other) < 5


def test_nobody_is_printed_by_name_or_number() -> None:
    (person,) = sample_people(1)

    assert person.name not in repr(person)
    assert person.id_number.value not in repr(person)


def test_the_list_of_a_city_is_one_that_the_register_imports() -> None:
    people = sample_people(300)

    parsed = parse_list(people_csv(people), today=TODAY, mode=Mode.SANDBOX)

    assert parsed.wrong == ()
    assert [(each.id_number, each.name) for each in parsed.people] == [
        (each.id_number, each.name) for each in people
    ]
    assert [each.insurances for each in parsed.people] == [(each.insurance,) for each in people]


def test_production_takes_nobody_of_a_city() -> None:
    parsed = parse_list(people_csv(sample_people(3)), today=TODAY, mode=Mode.PRODUCTION)

    assert len(parsed.wrong) == 3


@given(seed=st.integers(0, 2**32), dimension=st.integers(2, 512))
def test_synthetic_vectors_have_length_one_and_follow_from_the_seed(
    seed: int, dimension: int
) -> None:
    vectors = synthetic_vectors(5, dimension, seed=seed)

    assert vectors.shape == (5, dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors, synthetic_vectors(5, dimension, seed=seed))


def test_synthetic_people_are_as_unlike_as_chance_has_it() -> None:
    vectors = synthetic_vectors(500, 128)
    similarities = (vectors @ vectors.T)[np.triu_indices(500, k=1)]

    # Cosines of random directions have mean 0 and variance 1 / dimension.
    assert abs(similarities.mean()) < 0.005
    assert similarities.std() == pytest.approx(128**-0.5, rel=0.02)


@given(similarity=st.floats(-1, 1), seed=st.integers(0, 1_000))
def test_a_probe_has_exactly_the_similarity_that_was_asked_for(
    similarity: float, seed: int
) -> None:
    vectors = synthetic_vectors(4, 64, seed=seed)

    probes = seen_again(vectors, similarity=similarity, seed=seed)

    assert np.allclose((probes * vectors).sum(axis=1), similarity, atol=1e-5)
    assert np.allclose(np.linalg.norm(probes, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("count", [-1, 200_001])
def test_a_city_has_a_size(count: int) -> None:
    with pytest.raises(ValueError, match="people"):
        sample_people(count)


def test_a_settled_city_finds_each_of_its_people_by_their_vector(tmp_path: Path) -> None:
    database = SqliteDatabase(f"sqlite:///{tmp_path}/city.db")
    for tables in (persons_store.metadata, gallery_store.metadata, audit_store.metadata):
        database.create_tables(tables)
    provider = DevelopmentKeys(tmp_path / "keys")
    persons = Persons(database=database, sealer=Sealer(provider), mode=Mode.SANDBOX)
    gallery = Gallery(
        "insured",
        (PATH,),
        database=database,
        keys=DerivedSecrets(provider, "gallery.protection", b"template transform"),
        sealer=Sealer(provider),
        clock=SystemClock(),
    )
    gallery.rebuild()
    people, vectors = sample_people(20), synthetic_vectors(20, PATH.dimension)

    numbers = settle_city(persons, gallery, people, vectors, path_id=PATH.path_id)

    assert [persons.get(number).id_number for number in numbers] == [
        each.id_number for each in people
    ]
    for number, probe in zip(numbers, seen_again(vectors, similarity=0.8), strict=True):
        (best,) = gallery.identify(Probe(probe, PATH.path_id), numbers, 1)
        assert best.subject == number
        assert best.score == pytest.approx(0.8, abs=0.01)
    with pytest.raises(Refused):
        gallery.identify(Probe(vectors[0][:64], PATH.path_id), numbers, 1)
    database.close()
