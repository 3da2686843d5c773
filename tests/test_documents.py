"""What the pages promise with a name must exist under that name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = (
    "privacy.md",
    "the-right-person.md",
    "one-story.md",
    "nothing-left-behind.md",
    "anyone.md",
    "pages.md",
)
TEST = re.compile(r"`(?:tests/)?([a-z_/]*test_[a-z_]+\.py)(?:::(test_[a-z0-9_]+))?`")
CODE = re.compile(
    r"`((?:insurer|hospital|verification|face|gallery|gateway|sandbox|trust)/(?![a-z_/]*test_)[a-z_/]+(?:\.py)?)`"
)
LINK = re.compile(r"\]\(([a-z-]+\.md)\)")


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    for file, name in TEST.findall(text_of(page)):
        source = (ROOT / "tests" / file).read_text("utf-8")
        assert not name or f"def {name}(" in source, f"{file}::{name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_part_and_page_that_a_page_names_exists(page: str) -> None:
    text = text_of(page)
    for part in CODE.findall(text):
        place = ROOT / "src" / "shualian" / part
        assert place.exists() or place.with_suffix(".py").exists(), part
    for link in LINK.findall(text):
        assert (ROOT / "docs" / link).exists(), link


def test_a_page_that_names_no_test_would_be_noticed() -> None:
    assert len(TEST.findall(text_of("privacy.md"))) > 40
    assert len(CODE.findall(text_of("the-right-person.md"))) > 5
