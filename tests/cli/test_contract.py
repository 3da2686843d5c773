"""The committed contract of the pages is what the assembled listeners answer."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from shualian.cli.contract import contract_files

CONTRACT = Path(__file__).parents[2] / "web" / "contract"
STALE = "stale: run `shualian contract web/contract` and `npm run types` in web/"


@pytest.fixture(scope="module")
def written() -> Mapping[str, str]:
    return contract_files()


def test_every_committed_file_is_written_and_every_written_one_is_committed(
    written: Mapping[str, str],
) -> None:
    assert {file.name for file in CONTRACT.iterdir()} == written.keys()


@pytest.mark.parametrize(
    "name", ["terminal.json", "insurer.json", "hospital.json", "spoken.json", "vectors.json"]
)
def test_the_committed_file_is_the_present_one(written: Mapping[str, str], name: str) -> None:
    # Compared as a truth value: the difference of two long documents is read by nobody.
    assert ((CONTRACT / name).read_text("utf-8") == written[name]) is True, STALE


def test_the_messages_of_the_capture_socket_are_in_the_document(
    written: Mapping[str, str],
) -> None:
    schemas = json.loads(written["terminal.json"])["components"]["schemas"]

    assert {"OpenMessage", "EndMessage", "SeenMessage", "ResultMessage"} <= schemas.keys()


def test_types_are_written_for_every_document(written: Mapping[str, str]) -> None:
    types = CONTRACT.parent / "src" / "contract"
    documents = {Path(name).stem for name, text in written.items() if "openapi" in json.loads(text)}

    assert {file.stem for file in types.iterdir()} == documents
