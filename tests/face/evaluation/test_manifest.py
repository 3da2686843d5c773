from pathlib import Path

import pytest

from shualian.core.refusals import Refused
from shualian.face.evaluation.manifest import (
    ATTACK_COLUMNS,
    RECOGNITION_COLUMNS,
    ROWS_MAX,
    Condition,
    Manifest,
    attack_type,
    choose_rows,
    read_manifest,
    require_column,
)
from shualian.face.model import MANIFEST_INVALID


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "zhang").mkdir()
    for name in ("zhang/1.jpg", "zhang/2.jpg", "li.jpg"):
        (tmp_path / name).write_bytes(b"picture")
    return tmp_path


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def people(folder: Path, text: str | bytes) -> Manifest:
    return read_manifest(written(folder, text), RECOGNITION_COLUMNS)


def test_rows_know_their_picture_and_their_columns(folder: Path) -> None:
    manifest = people(folder, "identity,file,group\nzhang,zhang/1.jpg,ward\nli, li.jpg ,\n")
    assert manifest.columns == ("identity", "file", "group")
    assert [row.path for row in manifest.rows] == [folder / "zhang/1.jpg", folder / "li.jpg"]
    assert [row.line for row in manifest.rows] == [2, 3]
    assert manifest.rows[0].values == {"identity": "zhang", "file": "zhang/1.jpg", "group": "ward"}


def test_spreadsheet_habits_are_read(folder: Path) -> None:
    text = '\ufefffile,identity,note\r\nzhang/1.jpg,"张, 三","one\nnote"\r\n\r\nli.jpg,李,\r\n'
    manifest = people(folder, text)
    assert [row.values["identity"] for row in manifest.rows] == ["张, 三", "李"]
    assert [row.line for row in manifest.rows] == [3, 5]


def test_the_digest_is_that_of_the_file(folder: Path) -> None:
    one = people(folder, "identity,file\na,li.jpg\n")
    other = people(folder, "identity,file\nb,li.jpg\n")
    assert len(one.sha256) == 64
    assert one.sha256 != other.sha256


def test_what_may_name_a_person_stays_out_of_repr(folder: Path) -> None:
    manifest = people(folder, "identity,file\nzhang,zhang/1.jpg\n")
    assert "zhang" not in repr(manifest)
    assert "zhang" not in repr(manifest.rows)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (b"", 1, None),
        ("\n\n", 1, None),
        ("identity,file\n", 1, None),
        ("identity\nzhang\n", 1, "file"),
        ("zhang,zhang/1.jpg\n", 1, "identity"),
        ("identity,file,note,note\nzhang,li.jpg,,\n", 1, "note"),
        ("identity,file\nzhang,zhang/1.jpg\nzhang\n", 3, "file"),
        ("identity,file\nzhang,zhang/1.jpg,zhang\n", 2, None),
        ("identity,file\n,zhang/1.jpg\n", 2, "identity"),
        ("identity,file\nzhang,  \n", 2, "file"),
        ("identity,file\nzhang,zhang/1.jpg\n\nzhang,zhang/9.jpg\n", 4, "file"),
        ("identity,file\nzhang,zhang\n", 2, "file"),
        ("identity,file\nzhang,zhang\x00\n", 2, "file"),
        ("identity,file\nzhang," + "z" * 5000 + "\n", 2, "file"),
        ("identity,file\nzhang,zhang/1.jpg\nzhang,zhang/../zhang/1.jpg\n", 3, "file"),
        (b"identity,file\nzhang,zhang/1.jpg\nzh\xff,zhang/2.jpg\n", 3, None),
        ('identity,file\nzhang,"zhang/1.jpg\n', 2, None),
        ('identity,file\nzhang,"zhang/1.jpg"zhang\n', 2, None),
        ("identity,file\nzhang," + "z" * 200_000 + "\n", 2, None),
    ],
)
def test_a_fault_is_told_by_line_and_column_and_never_by_a_name(
    folder: Path, text: str | bytes, line: int, column: str | None
) -> None:
    with pytest.raises(Refused) as caught:
        people(folder, text)
    assert caught.value.kind is MANIFEST_INVALID
    assert caught.value.details["line"] == line
    assert caught.value.details.get("column") == column
    assert "zhang" not in str(caught.value)


def test_a_manifest_that_cannot_be_opened_is_refused_without_its_path(folder: Path) -> None:
    for path in (folder / "zhang.csv", folder / "zhang"):
        with pytest.raises(Refused) as caught:
            read_manifest(path, RECOGNITION_COLUMNS)
        assert caught.value.kind is MANIFEST_INVALID
        assert "zhang" not in str(caught.value)


def test_more_rows_than_memory_holds_are_refused(folder: Path) -> None:
    names = [f"{number}.png" for number in range(ROWS_MAX + 1)]
    for name in names:
        (folder / name).touch()
    text = "identity,file\n" + "".join(f"a,{name}\n" for name in names)
    with pytest.raises(Refused) as caught:
        people(folder, text)
    assert caught.value.details["line"] == ROWS_MAX + 2


def test_a_presentation_needs_file_and_kind(folder: Path) -> None:
    with pytest.raises(Refused) as caught:
        read_manifest(written(folder, "identity,file\nli,li.jpg\n"), ATTACK_COLUMNS)
    assert caught.value.details["column"] == "kind"


def test_conditions_on_several_columns_must_all_hold(folder: Path) -> None:
    manifest = people(
        folder,
        "identity,file,ward,lit\na,zhang/1.jpg,1,y\nb,zhang/2.jpg,1,n\nc,li.jpg,2,y\n",
    )

    def chosen(*conditions: tuple[str, str]) -> list[str]:
        rows = choose_rows(manifest, [Condition(*condition) for condition in conditions])
        return [row.values["identity"] for row in rows]

    assert chosen() == ["a", "b", "c"]
    assert chosen(("ward", "1")) == ["a", "b"]
    assert chosen(("ward", "1"), ("lit", "y")) == ["a"]
    assert chosen(("ward", "1"), ("ward", "2"), ("lit", "y")) == ["a", "c"]


def test_a_condition_that_leaves_nothing_or_asks_for_no_column_is_refused(folder: Path) -> None:
    manifest = people(folder, "identity,file\na,li.jpg\n")
    with pytest.raises(Refused) as caught:
        choose_rows(manifest, [Condition("identity", "b")])
    assert caught.value.kind is MANIFEST_INVALID
    with pytest.raises(Refused) as caught:
        choose_rows(manifest, [Condition("ward", "1")])
    assert caught.value.details["column"] == "ward"
    with pytest.raises(Refused):
        require_column(manifest, "ward")


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("attack,what", "print,a photo of a print", "print"),
        ("attack,what", ",a photo of a print", "a photo of a print"),
        ("what", "a tablet", "a tablet"),
        ("what", "", "attack"),
        ("note", "x", "attack"),
    ],
)
def test_the_attack_type_comes_from_the_column_that_says_it_best(
    folder: Path, header: str, cells: str, expected: str
) -> None:
    path = written(folder, f"file,kind,{header}\nli.jpg,attack,{cells}\n")
    assert attack_type(read_manifest(path, ATTACK_COLUMNS).rows[0]) == expected
