"""What a person is told about an insurance that is not in force."""

import pytest

from insurer.office import Office
from shualian.core.refusals import Refused
from shualian.insurer.persons.model import (
    Insurance,
    InsuranceNote,
    InsuranceStatus,
    insurance_note,
)

ACTIVE = Insurance("310", "1101", "990000")
PAUSED = Insurance("390", "15", "990000", InsuranceStatus.PAUSED)
ENDED = Insurance("510", "15", "990000", InsuranceStatus.ENDED)
ARREARS = Insurance("390", "15", "990000", InsuranceStatus.PAUSED, InsuranceNote.ARREARS)
NEW = Insurance("390", "15", "990000", InsuranceStatus.NOT_INSURED, InsuranceNote.NOT_SYNCHRONISED)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ((ACTIVE,), None),
        ((ARREARS, ACTIVE), None),
        ((), InsuranceNote.NOT_INSURED),
        ((ENDED,), InsuranceNote.NOT_INSURED),
        ((ENDED, PAUSED), InsuranceNote.PAUSED),
        ((PAUSED, NEW), InsuranceNote.NOT_SYNCHRONISED),
        ((PAUSED, NEW, ARREARS), InsuranceNote.ARREARS),
    ],
)
def test_each_cause_is_told_apart(
    held: tuple[Insurance, ...], expected: InsuranceNote | None
) -> None:
    notice = insurance_note(held)
    assert (notice.note if notice else None) == expected


def test_synchronising_takes_longer_across_provinces() -> None:
    near = insurance_note([NEW], care_region="990300")
    far = insurance_note([NEW], care_region="350100")
    assert near is not None
    assert far is not None
    assert "1 到 3 个工作日" in near.next_zh
    assert "跨省" in far.next_zh
    assert "1 到 7 个工作日" in far.next_zh
    assert "7 working days across provinces" in far.next_en


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (PAUSED, "insurer.not_insured"),
        (ARREARS, "insurer.in_arrears"),
        (NEW, "insurer.not_synchronised"),
    ],
)
def test_no_benefits_are_given_and_the_cause_is_said(held: Insurance, code: str) -> None:
    with pytest.raises(Refused) as refused:
        held.check_in_force()
    assert refused.value.kind.code == code


@pytest.mark.parametrize(
    ("status", "note"),
    [
        (InsuranceStatus.INSURED, InsuranceNote.ARREARS),
        (InsuranceStatus.PAUSED, InsuranceNote.PAUSED),
    ],
)
def test_a_note_never_contradicts_the_national_code(
    status: InsuranceStatus, note: InsuranceNote
) -> None:
    with pytest.raises(ValueError, match="a note is"):
        Insurance("310", "12", "990000", status, note)


def test_a_renewed_insurance_has_no_note_any_more(any_office: Office) -> None:
    person = any_office.insured(1)
    any_office.persons.set_insurance_status(
        psn_no=person.psn_no,
        insutype="310",
        status=InsuranceStatus.PAUSED,
        note=InsuranceNote.ARREARS,
    )
    notice = any_office.persons.insurance_note(person.psn_no)
    assert notice is not None
    assert notice.note is InsuranceNote.ARREARS
    any_office.persons.set_insurance_status(
        psn_no=person.psn_no, insutype="310", status=InsuranceStatus.INSURED
    )
    assert any_office.persons.insurance_note(person.psn_no) is None
