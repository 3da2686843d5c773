from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.identifiers import TemplateId
from shualian.core.refusals import Refused
from shualian.gallery.model import (
    DIMENSION_MAX,
    EMBEDDING_INVALID,
    GALLERY_FULL,
    PATH_UNKNOWN,
    QUALITY_INVALID,
    REFUSALS,
    TEMPLATES_PER_PERSON_MAX,
    TOO_MANY_TEMPLATES,
    EmbeddingPath,
    Probe,
    TemplateRecord,
    check_probe,
    check_quality,
    check_room,
    path_of,
)

PATH = EmbeddingPath("p", 4)
GOOD = np.array([0.5, 0.5, -0.5, 0.5], np.float32)
RECORD = TemplateRecord(
    TemplateId("T1"), "person", "p", "key", 1, 80, datetime(2026, 3, 1, tzinfo=UTC), b"sealed"
)


def test_a_unit_vector_of_the_path_is_accepted() -> None:
    check_probe(Probe(GOOD, "p"), PATH)


@pytest.mark.parametrize(
    "wrong",
    [
        GOOD[:3],
        GOOD.reshape(2, 2),
        GOOD * 1.01,
        GOOD * 0,
        np.array([np.nan, 0.5, 0.5, 0.5], np.float32),
        np.array([np.inf, 0.5, 0.5, 0.5], np.float32),
        np.empty(0, np.float32),
    ],
    ids=["short", "2-D", "long", "zero", "not a number", "infinite", "empty"],
)
def test_anything_but_a_unit_vector_of_the_dimension_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(Refused) as refused:
        check_probe(Probe(wrong, "p"), PATH)
    assert refused.value.kind is EMBEDDING_INVALID


def test_a_vector_of_another_path_is_refused_even_when_it_fits() -> None:
    with pytest.raises(Refused) as refused:
        check_probe(Probe(GOOD, "q"), PATH)
    assert refused.value.kind is PATH_UNKNOWN
    assert refused.value.details == {"found": "q", "expected": "p"}


def test_a_path_that_is_not_used_is_refused() -> None:
    assert path_of("p", {"p": PATH}) is PATH
    with pytest.raises(Refused) as refused:
        path_of("q", {"p": PATH})
    assert refused.value.kind is PATH_UNKNOWN


@pytest.mark.parametrize("dimension", [0, 1, DIMENSION_MAX + 1])
def test_a_path_has_a_dimension_that_the_transform_can_serve(dimension: int) -> None:
    with pytest.raises(ValueError, match=str(dimension)):
        EmbeddingPath("p", dimension)


@pytest.mark.parametrize("quality", [-1, 101])
def test_a_quality_outside_the_scale_is_refused(quality: int) -> None:
    with pytest.raises(Refused) as refused:
        check_quality(quality)
    assert refused.value.kind is QUALITY_INVALID


def test_the_ends_of_the_quality_scale_belong_to_it() -> None:
    check_quality(0)
    check_quality(100)


def test_the_last_place_can_be_taken_and_no_more() -> None:
    check_room(49_999, 0)
    with pytest.raises(Refused) as refused:
        check_room(50_000, 0)
    assert refused.value.kind is GALLERY_FULL


def test_a_person_has_a_limited_number_of_templates() -> None:
    check_room(0, TEMPLATES_PER_PERSON_MAX - 1)
    with pytest.raises(Refused) as refused:
        check_room(0, TEMPLATES_PER_PERSON_MAX)
    assert refused.value.kind is TOO_MANY_TEMPLATES


@pytest.mark.parametrize(
    "other",
    [
        replace(RECORD, template_id=TemplateId("T2")),
        replace(RECORD, subject="person2"),
        replace(RECORD, path_id="q"),
        replace(RECORD, key_id="key2"),
        replace(RECORD, version=2),
        replace(RECORD, quality=81),
        replace(RECORD, enrolled_at=RECORD.enrolled_at + timedelta(microseconds=1)),
    ],
)
def test_a_seal_is_bound_to_every_attribute_of_its_record(other: TemplateRecord) -> None:
    assert other.sealing_context("g") != RECORD.sealing_context("g")


def test_a_seal_is_bound_to_its_gallery_and_not_to_itself() -> None:
    assert RECORD.sealing_context("g") != RECORD.sealing_context("h")
    assert RECORD.sealing_context("g") == replace(RECORD, sealed=b"").sealing_context("g")
    assert len(fields(RECORD)) == 8, "a new attribute must be bound too, and tested above"


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_two_records_never_share_a_context_by_shifting_text(
    subject: str, path_id: str, other_subject: str, other_path_id: str
) -> None:
    one = replace(RECORD, subject=subject, path_id=path_id)
    other = replace(RECORD, subject=other_subject, path_id=other_path_id)
    same = one.sealing_context("g") == other.sealing_context("g")
    assert same == ((subject, path_id) == (other_subject, other_path_id))


def test_neither_probe_nor_record_shows_its_vector() -> None:
    assert "0.5" not in repr(Probe(GOOD, "p"))
    assert "sealed" not in repr(RECORD)


def test_every_refusal_has_its_own_code_and_speaks_two_languages() -> None:
    assert len({kind.code for kind in REFUSALS}) == len(REFUSALS)
    for kind in REFUSALS:
        assert kind.code.startswith("gallery.")
        assert all((kind.zh, kind.en, kind.next_zh, kind.next_en))
