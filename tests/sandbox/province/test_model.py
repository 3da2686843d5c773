"""The sample province as data: the same for a seed, and recognisable as a sample."""

from hypothesis import given
from hypothesis import strategies as st

from shualian.core.id_number import SANDBOX_REGION
from shualian.sandbox.province.cast import PHYSICIAN, PLAYERS
from shualian.sandbox.province.model import (
    OTHER_REGION,
    PHYSICIAN_CODE,
    Province,
    sample_province,
)
from shualian.terminals.model import TerminalClass

SEEDS = st.integers(0, 2**32)


def _by_code(province: Province) -> dict[str, str]:
    return {doctor.code: doctor.name for doctor in province.doctors}


@given(SEEDS)
def test_a_seed_gives_the_same_province(seed: int) -> None:
    assert sample_province(seed, people=30) == sample_province(seed, people=30)


def test_another_seed_gives_other_people() -> None:
    numbers = [
        {each.person.id_number for each in sample_province(seed, people=50).residents}
        for seed in (7, 8)
    ]

    assert numbers[0] != numbers[1]


@given(SEEDS)
def test_everybody_is_of_a_region_that_exists_nowhere(seed: int) -> None:
    province = sample_province(seed, people=40)

    numbers = [each.person.id_number.value for each in province.residents]
    numbers += [player.person.id_number for player in PLAYERS]
    assert all(number.startswith(SANDBOX_REGION) for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_two_regions_insure_and_three_institutions_treat() -> None:
    province = sample_province(7, people=200)

    insured = {each.person.insurance.insuplc_admdvs for each in province.residents}
    assert insured == {SANDBOX_REGION, OTHER_REGION}
    assert {each.institution.region for each in province.hospitals} == insured
    assert len(province.doctors) == 40
    assert len({doctor.code for doctor in province.doctors}) == 40


def test_every_terminal_is_of_the_simulated_class_at_a_place_of_its_own() -> None:
    for hospital in sample_province(7, people=0).hospitals:
        names = [spec.place.name for spec in hospital.places]
        assert len(set(names)) == len(names)
        assert {spec.terminal_class for spec in hospital.places} == {TerminalClass.SIMULATED}
        assert {doctor.room for doctor in hospital.doctors} <= set(names)


def test_the_doctor_with_a_face_is_listed_under_the_name_that_the_registry_knows() -> None:
    assert _by_code(sample_province(7, people=0))[PHYSICIAN_CODE] == PHYSICIAN.person.name
