import numpy as np
import pytest

from shualian.face.evaluation.identification import measure_identification
from shualian.face.evaluation.recognition import number_identities


def of_people(pictures: int, people: int) -> np.ndarray:
    return np.repeat(np.arange(people), pictures).astype(np.int32)


def test_people_who_stand_far_apart_are_always_found() -> None:
    identities = of_people(3, 10)
    similarities = (identities[:, None] == identities[None]).astype(np.float64)
    found = measure_identification(
        similarities, identities, generator=np.random.default_rng(1), draws=20
    )
    assert found is not None
    assert (found.gallery, found.draws) == (5, 20)
    assert (found.mated_searches, found.non_mated_searches) == (10, 15)
    assert found.fnir.value == found.fnir.high == 0.0
    assert found.rank_1.value == found.rank_1.low == 1.0


def test_people_who_resemble_somebody_else_more_are_never_found() -> None:
    identities = of_people(2, 8)
    similarities = (identities[:, None] != identities[None]).astype(np.float64)
    found = measure_identification(
        similarities, identities, generator=np.random.default_rng(1), draws=20
    )
    assert found is not None
    assert found.fnir.value == 1.0
    assert found.rank_1.value == 0.0


def test_a_stranger_above_the_right_person_costs_the_identification_but_not_the_rank() -> None:
    # With a0 enrolled the stranger scores 0.5 and a1 0.6; with a1 enrolled the stranger 0.7.
    # With b enrolled nobody has a mate: such a draw says nothing.
    identities = number_identities(["a", "a", "b"])
    similarities = np.array([[1, 0.6, 0.5], [0.6, 1, 0.7], [0.5, 0.7, 1]])
    found = measure_identification(
        similarities, identities, generator=np.random.default_rng(2), draws=400
    )
    assert found is not None
    assert found.gallery == 1
    assert 150 < found.draws < 250
    assert (found.mated_searches, found.non_mated_searches) == (1, 1)
    assert found.fnir.value == pytest.approx(0.5, abs=0.1)
    assert (found.fnir.low, found.fnir.high) == (0, 1)
    assert found.rank_1.value == 1.0


def test_a_looser_limit_on_strangers_finds_more_people() -> None:
    generator = np.random.default_rng(3)
    identities = of_people(4, 30)
    same = identities[:, None] == identities[None]
    noise = generator.normal(size=same.shape)
    similarities = same * 2.0 + (noise + noise.T) / 2
    strict, loose = (
        measure_identification(
            similarities, identities, generator=np.random.default_rng(4), fpir_limit=limit
        )
        for limit in (0.01, 0.5)
    )
    assert strict is not None
    assert loose is not None
    assert 0 < loose.fnir.value < strict.fnir.value < 1
    assert strict.rank_1 == loose.rank_1
    assert loose.fnir.value >= 1 - loose.rank_1.value


def test_the_same_seed_draws_the_same_galleries() -> None:
    identities = of_people(3, 6)
    similarities = np.random.default_rng(1).random((18, 18))
    first, second = (
        measure_identification(similarities, identities, generator=np.random.default_rng(9))
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", "b", "c"]])
def test_too_few_pictures_for_both_kinds_of_searches_give_no_figures(names: list[str]) -> None:
    identities = number_identities(names)
    similarities = np.eye(len(names))
    assert (
        measure_identification(similarities, identities, generator=np.random.default_rng(1)) is None
    )
