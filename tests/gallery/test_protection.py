import hmac
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shualian.face.model import Embedding
from shualian.gallery.model import DIMENSION_MAX, EmbeddingPath
from shualian.gallery.protection import (
    Protection,
    new_protection,
    template_bytes,
    template_from_bytes,
)

Vectors = Callable[[int, int, int], Embedding]

KEY = bytes(range(32))
PINNED_FIRST_COLUMN = [
    *(0.619258564092493, -0.179897410744508, -0.423534616021867, -0.553504423057438),
    *(0.065267754286215, -0.273653245176361, -0.024476415651287, -0.136608791167826),
]
"""Of the transform for KEY, gallery ``insured``, path ``example``, 8 dimensions."""


def protection(
    dimension: int, secret: bytes = KEY, gallery: str = "insured", path_id: str = "example"
) -> Protection:
    path = EmbeddingPath(path_id, dimension)
    return new_protection(secret, key_id="k", gallery=gallery, path=path)


def number_key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, sections 2.2 and 2.3, by hand."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    block, result = b"", b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes([number]), "sha256")
        result += block
    return result[:length]


def by_the_documented_layout(vector: list[float], secret: bytes) -> list[float]:
    """The five steps of the module's docstring in plain Python, applied from the right."""
    d = len(vector)
    result = list(vector)
    for m in range(1, d + 1):
        info = b"shualian.gallery.protection.v1\0insured\0example\0"
        info += d.to_bytes(2, "big") + m.to_bytes(2, "big")
        content = hkdf(secret, info, 16 * math.ceil(m / 2))
        x: list[float] = []
        for at in range(0, len(content), 16):
            k1, k2 = (
                int.from_bytes(content[begin : begin + 8], "big") >> 11 for begin in (at, at + 8)
            )
            radius = math.sqrt(-2 * math.log((k1 + 1) / 2**53))
            angle = 2 * math.pi * (k2 / 2**53)
            x += [radius * math.cos(angle), radius * math.sin(angle)]
        v = x[:m]
        sign = 1 if v[0] >= 0 else -1
        v[0] += sign * math.sqrt(math.fsum(value * value for value in v))
        tail = result[d - m :]
        scale = 2 * math.fsum(map(math.prod, zip(v, tail, strict=True)))
        scale /= math.fsum(value * value for value in v)
        result[d - m :] = [-sign * (e - scale * w) for e, w in zip(tail, v, strict=True)]
    return result


def test_the_pinned_vector_has_not_moved() -> None:
    first = protection(8).matrix[:, 0]
    assert first == pytest.approx(PINNED_FIRST_COLUMN, abs=1e-12)


@pytest.mark.parametrize("dimension", [2, 3, 8, 129])
def test_another_implementation_of_the_layout_gives_the_same_values(
    dimension: int, unit_vectors: Vectors
) -> None:
    vector = unit_vectors(1, dimension, 5)[0].astype(np.float64)
    expected = by_the_documented_layout(vector.tolist(), KEY)
    assert protection(dimension).matrix @ vector == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=64), st.integers(2, 96), st.integers(0, 2**32))
def test_inner_products_stay_under_one_key(secret: bytes, dimension: int, seed: int) -> None:
    one, other = np.random.default_rng(seed).standard_normal((2, dimension))
    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
    keyed = protection(dimension, secret)
    after = keyed.protect(one.astype(np.float32)) @ keyed.protect(other.astype(np.float32))
    assert abs(float(after) - float(one @ other)) < 1e-5


@pytest.mark.parametrize("dimension", [128, 512, 640, DIMENSION_MAX])
def test_the_transform_is_orthogonal_in_every_dimension_in_use(dimension: int) -> None:
    matrix = protection(dimension).matrix
    assert np.abs(matrix @ matrix.T - np.eye(dimension)).max() < 1e-13


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(2, 96), st.integers(0, 2**32))
def test_the_key_recovers_what_half_precision_kept(
    secret: bytes, dimension: int, seed: int
) -> None:
    drawn = np.random.default_rng(seed).standard_normal(dimension)
    vector = (drawn / np.linalg.norm(drawn)).astype(np.float32)
    keyed = protection(dimension, secret)
    recovered = keyed.recover(keyed.protect_template(vector))
    assert np.linalg.norm(recovered - vector) < 1e-3
    assert abs(np.linalg.norm(recovered.astype(np.float64)) - 1) < 1e-6


@pytest.mark.parametrize("dimension", [128, 512])
def test_half_precision_moves_a_score_less_than_a_thousandth(
    dimension: int, unit_vectors: Vectors
) -> None:
    keyed = protection(dimension)
    people = unit_vectors(200, dimension, 1)
    probes = np.concatenate([people, unit_vectors(200, dimension, 2)])
    stored = np.stack([keyed.protect_template(person) for person in people]).astype(np.float64)
    protected = np.stack([keyed.protect(probe) for probe in probes]).astype(np.float64)
    plain = people.astype(np.float64) @ probes.astype(np.float64).T
    assert np.abs(stored @ protected.T - plain).max() < 2**-11 + 1e-6


@pytest.mark.parametrize("kind", ["random", "axis", "flat"])
def test_one_vector_under_two_keys_is_like_two_strangers(kind: str, unit_vectors: Vectors) -> None:
    d = 32
    vector = {
        "random": unit_vectors(1, d, 3)[0],
        "axis": np.eye(d, dtype=np.float32)[0],
        "flat": np.full(d, d**-0.5, np.float32),
    }[kind]
    keys = [protection(d, number_key(number)) for number in range(600)]
    moved = np.stack([keyed.protect(vector) for keyed in keys]).astype(np.float64)
    cosines = np.einsum("ij,ij->i", moved[0::2], moved[1::2])
    # Between independent uniform directions (1 + cos) / 2 is Beta((d-1)/2, (d-1)/2).
    strangers = stats.beta((d - 1) / 2, (d - 1) / 2, loc=-1, scale=2)
    assert stats.kstest(cosines, strangers.cdf).pvalue > 0.01


def test_many_people_under_two_keys_cannot_be_linked(unit_vectors: Vectors) -> None:
    people = unit_vectors(500, 128, 4)
    one, other = (protection(128, number_key(number)) for number in (1, 2))
    here = np.stack([one.protect(person) for person in people])
    there = np.stack([other.protect(person) for person in people])
    same = np.einsum("ij,ij->i", here, there)
    different = np.einsum("ij,ij->i", here, np.roll(there, 1, axis=0))
    assert np.abs(same).max() < 6 / 128**0.5
    assert stats.ks_2samp(same, different).pvalue > 0.01


@pytest.mark.parametrize(
    "other",
    [{"gallery": "doctors"}, {"path_id": "other"}, {"secret": number_key(9)}],
    ids=["gallery", "path", "key"],
)
def test_gallery_path_and_key_each_give_another_transform(other: dict[str, str]) -> None:
    one, changed = protection(64).matrix, protection(64, **other).matrix  # type: ignore[arg-type]
    assert abs(np.trace(one.T @ changed)) < 6, "the trace of a random rotation has variance 1"


def test_the_same_key_gives_the_same_transform() -> None:
    assert np.array_equal(protection(64).matrix, protection(64).matrix)


def test_a_short_key_is_not_taken() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        protection(8, KEY[:31])


def test_a_stored_vector_comes_back_as_it_was(unit_vectors: Vectors) -> None:
    stored = protection(16).protect_template(unit_vectors(1, 16, 6)[0])
    content = template_bytes(stored)
    assert len(content) == 32
    assert content[:2] == stored.astype("<f2").tobytes()[:2]
    assert np.array_equal(template_from_bytes(content), stored)


def test_a_protection_does_not_show_its_matrix() -> None:
    assert "matrix" not in repr(protection(8))
