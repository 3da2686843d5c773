"""Money is whole fen and never lost or made by rounding."""

import decimal
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.money import Fen, allocate, format_yuan, parse_yuan, share, total

amounts = st.integers(-(10**15), 10**15).map(Fen)
weight_lists = st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any)
ratios = st.decimals(0, 1, places=4) | st.fractions(0, 1).map(
    lambda f: Decimal(f.numerator) / Decimal(f.denominator)
)


@given(amounts)
def test_an_amount_survives_being_written_and_read(amount: Fen) -> None:
    assert parse_yuan(format_yuan(amount)) == amount


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("0", 0),
        ("123.45", 12345),
        ("-0.01", -1),
        ("+7.5", 750),
        ("1.5000", 150),
        ("007", 700),
        ("99999999999999.99", 9999999999999999),
    ],
)
def test_amounts_as_people_and_the_national_interface_write_them(text: str, fen: int) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "1.", ".5", "1.234", "0.001", "1e2", "1_000", "1,000", " 1", "1\n", "--1"),
        *("NaN", "Infinity", "1E+999999999", "１２", "¥1", "0x10", "100000000000000"),
    ],
)
def test_what_is_not_an_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        parse_yuan(text)


@given(st.text())
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    try:
        amount = parse_yuan(text)
    except ValueError:
        return
    assert Decimal(format_yuan(amount)) == Decimal(text)


@given(amounts, weight_lists)
def test_parts_add_up_and_lie_within_a_fen_of_their_share(amount: Fen, weights: list[int]) -> None:
    parts = allocate(amount, weights)
    assert total(parts) == amount
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * whole - amount * weight) < whole
        assert weight or part == 0


@given(amounts, weight_lists)
def test_a_correction_mirrors_what_it_corrects(amount: Fen, weights: list[int]) -> None:
    assert allocate(Fen(-amount), weights) == [-part for part in allocate(amount, weights)]


@given(amounts, weight_lists)
def test_a_larger_weight_never_gets_less(amount: Fen, weights: list[int]) -> None:
    parts = allocate(Fen(abs(amount)), weights)
    pairs = sorted(zip(weights, parts, strict=True))
    for (low, low_part), (high, high_part) in pairwise(pairs):
        assert low == high or low_part <= high_part


def test_equal_remainders_go_to_the_earlier_part() -> None:
    assert allocate(Fen(100), [1, 1, 1]) == [34, 33, 33]
    assert allocate(Fen(5), [1, 1]) == [3, 2]
    assert allocate(Fen(0), [0, 0]) == [0, 0]
    assert allocate(Fen(0), []) == []


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [3, -1]])
def test_weights_that_cannot_carry_the_amount_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        allocate(Fen(1), weights)


@given(amounts, ratios)
def test_a_share_is_rounded_half_up_from_the_exact_product(amount: Fen, ratio: Decimal) -> None:
    with decimal.localcontext(prec=100):
        exact = Decimal(amount) * ratio
        assert share(amount, ratio) == int(exact.to_integral_value(ROUND_HALF_UP))


def test_a_share_does_not_depend_on_the_precision_of_the_thread() -> None:
    with decimal.localcontext(prec=3):
        assert share(Fen(123456789), Decimal("0.5")) == 61728395
        assert share(Fen(1), Decimal("0.49999999999999999999999999999999")) == 0


@pytest.mark.parametrize("ratio", ["-0.01", "1.01", "80"])
def test_a_ratio_outside_0_to_1_is_refused(ratio: str) -> None:
    with pytest.raises(ValueError, match="ratio"):
        share(Fen(100), Decimal(ratio))
