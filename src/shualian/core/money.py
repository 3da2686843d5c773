"""Money as integer fen (分), never as a float."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from typing import NewType

Fen = NewType("Fen", int)
"""An amount in fen, 1/100 yuan. May be negative in a correction."""

ZERO = Fen(0)


def total(amounts: Sequence[Fen]) -> Fen:
    """The sum of amounts; zero for none."""
    return Fen(sum(amounts))


def share(amount: Fen, ratio: Decimal) -> Fen:
    """``amount * ratio`` rounded half up (away from zero) to whole fen.

    Args:
        amount: In fen.
        ratio: A fraction in 0..1.
    """
    return Fen(int((Decimal(amount) * ratio).to_integral_value(ROUND_HALF_UP)))


def allocate(amount: Fen, weights: Sequence[int]) -> list[Fen]:
    """Split ``amount`` in proportion to ``weights`` so that the parts add up exactly.

    Largest remainder method; equal remainders go to the earlier part, so the order of ``weights``
    decides ties and the result is the same on every run.

    Raises:
        ValueError: If a weight is negative, or all are zero while the amount is not.
    """
    whole = sum(weights)
    if any(weight < 0 for weight in weights) or (whole == 0 and amount != 0):
        raise ValueError("weights must be non-negative and not all zero")
    if whole == 0:
        return [ZERO for _ in weights]
    exact = [Fraction(amount * weight, whole) for weight in weights]
    parts = [part.numerator // part.denominator for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: amount - sum(parts)]:
        parts[i] += 1
    return [Fen(part) for part in parts]


def format_yuan(amount: Fen) -> str:
    """``Fen(12345)`` as ``"123.45"``; negative amounts keep their sign."""
    sign = "-" if amount < 0 else ""
    yuan, fen = divmod(abs(amount), 100)
    return f"{sign}{yuan}.{fen:02d}"


def parse_yuan(text: str) -> Fen:
    """``"123.45"`` as ``Fen(12345)``.

    Raises:
        ValueError: If the text is not a decimal number or has a fraction of a fen.
    """
    try:
        fen = Decimal(text) * 100
    except InvalidOperation:
        raise ValueError("not an amount of money") from None
    if not fen.is_finite() or fen != fen.to_integral_value():
        raise ValueError("not a whole number of fen")
    return Fen(int(fen))
