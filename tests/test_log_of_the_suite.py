"""Runs last: nothing that any test logged may name a person."""

import re
from datetime import date

import pytest

from shualian.core.id_number import parse_id_number
from shualian.core.refusals import Refused
from shualian.sandbox import city

_WHOLE_SUITE = 1_000
_NUMBER = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9A-Za-z])")


def test_no_line_of_the_log_has_a_name_or_an_id_number(
    log_of_the_suite: list[str], request: pytest.FixtureRequest
) -> None:
    if request.session.testscollected > _WHOLE_SUITE:
        assert log_of_the_suite
    for person in (city.PATIENT, *city.OTHERS):
        assert [line for line in log_of_the_suite if person.name in line] == []
    assert [
        line for line in log_of_the_suite if any(map(_is_a_person, _NUMBER.findall(line)))
    ] == []


def test_the_reader_of_the_log_knows_an_id_number_when_it_sees_one() -> None:
    line = f"opened for {city.PATIENT.id_number} at the desk"

    assert list(map(_is_a_person, _NUMBER.findall(line))) == [True]
    assert not any(map(_is_a_person, _NUMBER.findall("20261121213000123456 123456789012345678")))


def _is_a_person(number: str) -> bool:
    try:
        parse_id_number(number, today=date(2100, 1, 1))
    except Refused:
        return False
    return True
