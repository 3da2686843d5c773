"""Identifiers are unique, sort by time and fit the national interface."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shualian.core import identifiers
from shualian.core.identifiers import new_identifier, new_secret_token

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def value_of(identifier: str) -> int:
    value = 0
    for character in identifier:
        value = value * 32 + CROCKFORD.index(character)
    return value


def test_an_identifier_holds_the_millisecond_and_80_random_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_999_999)
    made = [value_of(new_identifier()) for _ in range(200)]
    assert {value >> 80 for value in made} == {1_700_000_000_123}
    union = 0
    for value in made:
        union |= value
    assert union & ((1 << 80) - 1) == (1 << 80) - 1  # every random bit is set sometimes


def test_identifiers_have_26_characters_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for millisecond in (0, 1, 31, 32, 10**12, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda ms=millisecond: ms * 1_000_000)
        made.append(new_identifier())
    assert made == sorted(made)
    assert {len(identifier) for identifier in made} == {26}


def test_identifiers_made_at_once_differ() -> None:
    with ThreadPoolExecutor(8) as makers:
        made = list(makers.map(lambda _: identifiers.new_identifier(), range(2000)))
    assert len(set(made)) == 2000


def test_a_secret_token_has_160_bits_and_fits_30_characters() -> None:
    tokens = {new_secret_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert max(map(len, tokens)) <= 30
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {20}
