from dataclasses import replace

import pytest

from insurer.office import CLINIC, Office
from shualian.core.identifiers import InstitutionCode
from shualian.core.refusals import Refused


def test_what_is_known_of_an_institution_can_be_changed(any_office: Office) -> None:
    clinic = any_office.institutions.get(CLINIC)
    raised = replace(clinic, level="2")

    any_office.institutions.contract(raised)

    assert any_office.institutions.get(CLINIC) == raised


def test_an_institution_without_contract_is_refused(office: Office) -> None:
    with pytest.raises(Refused) as refused:
        office.institutions.get(InstitutionCode("H00000000000"))

    assert refused.value.kind.code == "insurer.institution_not_contracted"
