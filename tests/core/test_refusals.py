"""Refusals are data: a closed set per part, words in two languages, a way on."""

import importlib
import json
import pickle
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from types import ModuleType

import pytest

import shualian
from shualian.core.id_number import ID_NUMBER_INVALID
from shualian.core.refusals import RefusalKind, Refused


def modules() -> Iterator[ModuleType]:
    """Every module of the package but the scripts that only Alembic can run."""
    for found in pkgutil.walk_packages(shualian.__path__, "shualian."):
        if not found.name.startswith("shualian.migrations."):
            yield importlib.import_module(found.name)


def part_of(module: ModuleType) -> str:
    return module.__name__.split(".")[1]


@pytest.fixture(scope="module")
def declared() -> list[tuple[str, RefusalKind]]:
    """Every kind in a ``REFUSALS`` tuple with the part that declares it, a re-export once."""
    tuples = {
        id(kinds): (part_of(module), kinds)
        for module in modules()
        if (kinds := getattr(module, "REFUSALS", None)) is not None
    }
    return [(part, kind) for part, kinds in tuples.values() for kind in kinds]


def faults_of(part: str, kind: RefusalKind) -> Iterator[str]:
    if not re.fullmatch(rf"{part}\.[a-z][a-z0-9_]*", kind.code):
        yield "the code does not begin with the part"
    for chinese in (kind.zh, kind.next_zh):
        if not re.search(r"[\u4e00-\u9fff]", chinese) or chinese.endswith("。"):
            yield f"not a Chinese sentence without its full stop: {chinese!r}"
    for english in (kind.en, kind.next_en):
        if not re.match(r"[A-Z]", english) or english.endswith("."):
            yield f"not an English sentence without its full stop: {english!r}"
        if re.search(r"[\u4e00-\u9fff]", english):
            yield f"Chinese among the English words: {english!r}"


def test_codes_are_unique(declared: list[tuple[str, RefusalKind]]) -> None:
    counts = Counter(kind.code for _, kind in declared)
    assert len(counts) >= 12
    assert [code for code, count in counts.items() if count > 1] == []


def test_every_kind_has_a_code_of_its_part_and_words_in_both_languages(
    declared: list[tuple[str, RefusalKind]],
) -> None:
    faults = [f"{kind.code}: {fault}" for part, kind in declared for fault in faults_of(part, kind)]
    assert faults == []


def test_every_kind_stands_in_the_closed_set_of_its_part(
    declared: list[tuple[str, RefusalKind]],
) -> None:
    codes = {kind.code for _, kind in declared}
    strays = {
        f"{module.__name__}.{name}"
        for module in modules()
        for name, value in vars(module).items()
        if isinstance(value, RefusalKind) and value.code not in codes
    }
    assert strays == set()


def test_a_refusal_says_what_happened_what_was_found_and_what_to_do() -> None:
    refusal = Refused(ID_NUMBER_INVALID, found="nothing", length=0)
    assert str(refusal) == (
        "[core.id_number_invalid] This ID number is not right found=nothing length=0."
        " Compare it with the card and type it again"
    )


def test_a_refusal_as_json_is_plain_and_whole() -> None:
    shown = json.loads(json.dumps(Refused(ID_NUMBER_INVALID, found="nothing").as_json()))
    assert shown == {
        "code": "core.id_number_invalid",
        "message": {"zh": ID_NUMBER_INVALID.zh, "en": ID_NUMBER_INVALID.en},
        "next": {"zh": ID_NUMBER_INVALID.next_zh, "en": ID_NUMBER_INVALID.next_en},
        "helper": "clerk",
        "finality": "final",
        "details": {"found": "nothing"},
    }


def test_a_refusal_travels_between_processes() -> None:
    refusal = Refused(ID_NUMBER_INVALID, found="nothing", length=0)
    again = pickle.loads(pickle.dumps(refusal))  # noqa: S301 - our own bytes
    assert again.as_json() == refusal.as_json()
    assert str(again) == str(refusal)
