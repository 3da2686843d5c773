"""Names on screens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.names import mask_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("张建国", "张*国"),
        ("李梅", "李*"),
        ("欧阳建国", "欧**国"),
        ("阿卜杜拉·买买提", "阿******提"),
        ("  王小明 ", "王*明"),
        ("王", "*"),
        ("", "*"),
    ],
)
def test_names_as_screens_show_them(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@given(st.text(st.characters(categories=["Lo"]), min_size=2))
def test_a_shown_name_keeps_its_length_and_hides_at_least_one_character(name: str) -> None:
    shown = mask_name(name)
    assert len(shown) == len(name)
    assert shown.count("*") >= max(1, len(name) - 2)
