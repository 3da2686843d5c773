"""Models, versions, fences: the rules without a database."""

import math
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.refusals import Refused
from shualian.terminals.model import TerminalClass
from shualian.terminals.register.model import (
    MODEL_EXPIRED,
    MODEL_INVALID,
    MODEL_REGISTERED,
    MODEL_UNKNOWN,
    MODEL_WITHDRAWN,
    CertifiedModel,
    Coordinates,
    check_model,
    check_new_model,
    distance_m,
    parse_place_list,
    parse_version,
    version_text,
)
from terminals.district import START, SUPERVISOR, District, answer_of, model_of_class

MODEL = model_of_class(TerminalClass.SCAN_FACE_PAY)
POINTS = st.builds(Coordinates, st.floats(-90, 90), st.floats(-180, 180))


def test_a_model_holds_to_the_last_day_of_its_certificate() -> None:
    check_model(MODEL, on=date(2026, 12, 31))
    assert answer_of(lambda: check_model(MODEL, on=date(2027, 1, 1))) is MODEL_EXPIRED


def test_a_withdrawal_is_told_before_an_end_of_term() -> None:
    withdrawn = replace(MODEL, withdrawn_at=START)
    assert answer_of(lambda: check_model(withdrawn, on=date(2030, 1, 1))) is MODEL_WITHDRAWN


@pytest.mark.parametrize(
    "model",
    [
        replace(MODEL, certificate=""),
        replace(MODEL, certificate="yb-1"),
        replace(MODEL, certificate="13800000000"),
        replace(MODEL, certificate="Y" * 65),
        replace(MODEL, maker=" "),
        replace(MODEL, maker="a\nb"),
        replace(MODEL, model="x" * 61),
        replace(MODEL, software_current=(1,)),
        replace(MODEL, withdrawn_at=START),
    ],
)
def test_a_model_with_wrong_data_is_not_registered(model: CertifiedModel) -> None:
    assert answer_of(lambda: check_new_model(model)) is MODEL_INVALID


def test_a_model_is_registered_once_renewed_forward_and_withdrawn_for_good(
    any_district: District,
) -> None:
    register, certificate = any_district.register, MODEL.certificate

    def renew(until: date) -> object:
        return answer_of(
            lambda: register.renew_model(
                actor=SUPERVISOR, certificate=certificate, valid_until=until
            )
        )

    assert answer_of(lambda: register.register_model(actor=SUPERVISOR, model=MODEL)) is (
        MODEL_REGISTERED
    )
    assert renew(date(2026, 12, 30)) is MODEL_INVALID
    assert renew(date(2027, 12, 31)) is None
    register.withdraw_model(actor=SUPERVISOR, certificate=certificate)
    any_district.clock.set(START.replace(year=2027))
    register.withdraw_model(actor=SUPERVISOR, certificate=certificate)
    assert renew(date(2028, 12, 31)) is MODEL_INVALID
    found = next(each for each in register.models() if each.certificate == certificate)
    assert found == replace(MODEL, valid_until=date(2027, 12, 31), withdrawn_at=START)
    assert (
        answer_of(lambda: register.withdraw_model(actor=SUPERVISOR, certificate="NONE"))
        is MODEL_UNKNOWN
    )


@pytest.mark.parametrize(("least", "current"), [((1,), (2, 1)), ((2,), (2,)), ((3,), (2, 5))])
def test_the_software_that_is_required_only_rises(
    district: District, least: tuple[int, ...], current: tuple[int, ...]
) -> None:
    def require() -> None:
        district.register.require_software(
            actor=SUPERVISOR,
            certificate=MODEL.certificate,
            software_min=least,
            software_current=current,
        )

    assert answer_of(require) is MODEL_INVALID


@pytest.mark.parametrize(
    "ordered", [["1", "1.0.1", "1.2", "1.10", "2", "2.0.0.1"], ["0", "0.9", "1"]]
)
def test_versions_are_ordered_by_number(ordered: list[str]) -> None:
    versions = [parse_version(text) for text in ordered]
    assert sorted(versions) == versions
    assert len(set(versions)) == len(versions)


def test_zeros_at_the_end_of_a_version_do_not_matter() -> None:
    assert parse_version("2.0.0") == parse_version("2") == (2,)
    assert version_text(parse_version("2.1.0")) == "2.1"


@given(st.text(max_size=12))
def test_whatever_stands_for_a_version_is_read_or_refused(text: str) -> None:
    found = answer_of(lambda: parse_version(text))
    assert found is MODEL_INVALID or parse_version(version_text(found)) == found  # type: ignore[arg-type]


def test_a_degree_of_latitude_is_111_kilometres() -> None:
    assert distance_m(Coordinates(39, 116), Coordinates(40, 116)) == pytest.approx(111_195, abs=1)
    assert distance_m(Coordinates(0, 0), Coordinates(0, 180)) == pytest.approx(
        math.pi * 6_371_008.8
    )


@given(one=POINTS, other=POINTS)
def test_distance_is_symmetric_never_negative_and_at_most_half_the_earth(
    one: Coordinates, other: Coordinates
) -> None:
    there = distance_m(one, other)
    assert 0 <= there <= math.pi * 6_371_009
    assert there == pytest.approx(distance_m(other, one))
    assert distance_m(one, one) == 0


@given(st.binary(max_size=200))
def test_whatever_is_given_as_a_list_is_read_or_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        parse_place_list(content)
