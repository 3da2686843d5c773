"""Money as integer fen (分), never as a float."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NewType

Fen = NewType("Fen", int)
"""An amount in fen, 1/100 yuan. May be negative in a correction."""

ZERO = Fen(0)

_YUAN = re.compile(r"([+-]?)([0-9]{1,14})(?:\.([0-9]{1,2})0*)?")


def total(amounts: Sequence[Fen]) -> Fen:
    """The sum of amounts; zero for none."""
    return Fen(sum(amounts))


def share(amount: Fen, ratio: Decimal) -> Fen:
    """``amount * ratio`` rounded half up (away from zero) to whole fen, exact for any amount.

    Args:
        amount: In fen.
        ratio: A fraction in 0..1.

    Raises:
        ValueError: If the ratio is outside 0..1.
    """
    if not 0 <= ratio <= 1:
        raise ValueError("a ratio lies in 0..1")
    numerator, denominator = ratio.as_integer_ratio()
    rounded = (2 * abs(amount) * numerator + denominator) // (2 * denominator)
    return Fen(rounded if amount >= 0 else -rounded)


def allocate(amount: Fen, weights: Sequence[int]) -> list[Fen]:
    """Split ``amount`` in proportion to ``weights`` so that the parts add up exactly.

    Largest remainder method; equal remainders go to the earlier part, so the order of ``weights``
    decides ties and the result is the same on every run. A negative amount is split as its
    opposite, so that a correction mirrors what it corrects.

    Raises:
        ValueError: If a weight is negative, or all are zero while the amount is not.
    """
    whole = sum(weights)
    if any(weight < 0 for weight in weights) or (whole == 0 and amount != 0):
        raise ValueError("weights must be non-negative and not all zero")
    if whole == 0:
        return [ZERO for _ in weights]
    parts, remainders = zip(*(divmod(abs(amount) * w, whole) for w in weights), strict=True)
    left_over = abs(amount) - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
    raised = frozenset(by_remainder[:left_over])
    sign = 1 if amount >= 0 else -1
    return [Fen(sign * (part + (i in raised))) for i, part in enumerate(parts)]


def format_yuan(amount: Fen) -> str:
    """``Fen(12345)`` as ``"123.45"``; negative amounts keep their sign."""
    sign = "-" if amount < 0 else ""
    yuan, fen = divmod(abs(amount), 100)
    return f"{sign}{yuan}.{fen:02d}"


def parse_yuan(text: str) -> Fen:
    """``"123.45"`` as ``Fen(12345)``.

    Digits of ASCII with an optional sign and point, at most 14 before the point (the national
    interface's amounts have 16 digits, two of them fen), zeros only after the second decimal.

    Raises:
        ValueError: If the text is anything else.
    """
    found = _YUAN.fullmatch(text)
    if found is None:
        raise ValueError("not an amount of money in whole fen")
    sign, yuan, fen = found.groups()
    amount = int(yuan) * 100 + int((fen or "").ljust(2, "0"))
    return Fen(-amount if sign == "-" else amount)
