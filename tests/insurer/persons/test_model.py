import pytest

from insurer.office import id_number
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Refused
from shualian.insurer.persons.model import Insurance, InsuranceStatus, Insured, checked_name


def test_a_person_never_prints_name_or_number() -> None:
    person = Insured(PersonNo("P1"), id_number(), "张建国", (Insurance("310", "12", "990000"),))

    assert "张" not in repr(person)
    assert id_number().value not in repr(person)
    assert person.masked_name == "张*国"


@pytest.mark.parametrize("status", [s for s in InsuranceStatus if s != "1"])
def test_only_an_insurance_in_force_gives_benefits(status: InsuranceStatus) -> None:
    Insurance("310", "12", "990000").check_in_force()

    with pytest.raises(Refused) as refused:
        Insurance("310", "12", "990000", status).check_in_force()

    assert refused.value.kind.code == "insurer.not_insured"


def test_a_name_loses_the_spaces_around_it() -> None:
    assert checked_name(" 阿依古丽·买买提 ") == "阿依古丽·买买提"


@pytest.mark.parametrize("name", ["", "  ", "甲" * 51, "甲\n乙", "甲\x00"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        checked_name(name)

    assert refused.value.kind.code == "insurer.name_invalid"
