"""Manifests: which pictures are measured, and what is known of each."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Never

from shualian.core.refusals import Refused
from shualian.face.model import MANIFEST_INVALID

RECOGNITION_COLUMNS = ("identity", "file")
"""Must be in the header of a manifest of people."""

ATTACK_COLUMNS = ("file", "kind")
"""Must be in the header of a manifest of presentations."""

MANIFEST_BYTES_MAX = 16 * 1024 * 1024
"""Of a manifest file."""

ROWS_MAX = 4_000
"""Of a manifest: eight million pairs, as many as fit the memory of a small machine."""

BONA_FIDE = "live"
"""Value of ``kind`` for a bona fide presentation."""

ATTACK = "attack"
"""Value of ``kind`` for an attack presentation."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One picture; its texts stay out of ``repr`` because they may name a person.

    Attributes:
        line: Of the manifest, from 1.
        path: Of the picture, an existing file.
        values: Text by column, without surrounding blanks.
    """

    line: int
    path: Path = field(repr=False)
    values: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was read without fault.

    Attributes:
        columns: Of the header.
        rows: At least one.
        sha256: Of the file, so that a report can be matched to its data.
    """

    columns: tuple[str, ...]
    rows: tuple[ManifestRow, ...] = field(repr=False)
    sha256: str


@dataclass(frozen=True, slots=True)
class Condition:
    """``column=value`` of the command line."""

    column: str
    value: str


def read_manifest(path: Path, required: Sequence[str]) -> Manifest:
    """Read and check a manifest: UTF-8 CSV whose pictures stand relative to it.

    Args:
        path: Of the CSV file.
        required: Columns that each row must fill.

    Raises:
        Refused: ``face.manifest_invalid`` with the line, the column where there is one, and the
            problem; never with a text of the file.
    """
    content = _content(path)
    records = _records(content)
    if not records:
        _refuse(1, "the file is empty")
    columns = _header(records[0][1], required)
    rows = tuple(_row(path.parent, columns, required, line, cells) for line, cells in records[1:])
    if not rows:
        _refuse(1, "there is no row under the header")
    if len(rows) > ROWS_MAX:
        _refuse(rows[ROWS_MAX].line, f"more than {ROWS_MAX} rows")
    _check_distinct(rows)
    return Manifest(columns, rows, hashlib.sha256(content).hexdigest())


def choose_rows(manifest: Manifest, conditions: Sequence[Condition]) -> tuple[ManifestRow, ...]:
    """The rows that hold one of the values asked for, in every column that is asked about.

    Raises:
        Refused: ``face.manifest_invalid`` if a column is not in the header or no row is left.
    """
    wanted: dict[str, set[str]] = {}
    for condition in conditions:
        require_column(manifest, condition.column)
        wanted.setdefault(condition.column, set()).add(condition.value)
    chosen = tuple(
        row
        for row in manifest.rows
        if all(row.values[column] in values for column, values in wanted.items())
    )
    if not chosen:
        raise Refused(MANIFEST_INVALID, problem="no row is left by the conditions")
    return chosen


def require_column(manifest: Manifest, column: str) -> None:
    """Check that the header has a column.

    Raises:
        Refused: ``face.manifest_invalid``.
    """
    if column not in manifest.columns:
        _refuse(1, "the header has no such column", column=column)


def attack_type(row: ManifestRow) -> str:
    """PAI species of an attack row: column ``attack``, else ``what``, else the word "attack"."""
    return row.values.get("attack") or row.values.get("what") or ATTACK


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MANIFEST_BYTES_MAX + 1)
    except OSError:
        raise Refused(MANIFEST_INVALID, problem="the manifest cannot be opened") from None
    if len(content) > MANIFEST_BYTES_MAX:
        raise Refused(MANIFEST_INVALID, problem=f"larger than {MANIFEST_BYTES_MAX} bytes")
    return content


def _records(content: bytes) -> list[tuple[int, list[str]]]:
    """Line number and cells of each line that is not blank."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        _refuse(content.count(b"\n", 0, fault.start) + 1, "not UTF-8")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except csv.Error:
        _refuse(reader.line_num, "not CSV")


def _header(cells: Sequence[str], required: Sequence[str]) -> tuple[str, ...]:
    for column in required:
        if column not in cells:
            _refuse(1, "the header lacks a column", column=column)
    for column in cells:
        if cells.count(column) > 1:
            _refuse(1, "the header names a column twice", column=column)
    return tuple(cells)


def _row(
    folder: Path, columns: Sequence[str], required: Sequence[str], line: int, cells: Sequence[str]
) -> ManifestRow:
    if len(cells) < len(columns):
        _refuse(line, "the row is too short", column=columns[len(cells)])
    if len(cells) > len(columns):
        _refuse(line, f"the row has {len(cells)} cells, the header {len(columns)}")
    values = dict(zip(columns, cells, strict=True))
    for column in required:
        if not values[column]:
            _refuse(line, "the cell is empty", column=column)
    path = folder / values["file"]
    if not _is_file(path):
        _refuse(line, "there is no such file", column="file")
    return ManifestRow(line, path, values)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def _check_distinct(rows: Sequence[ManifestRow]) -> None:
    """A picture that is listed twice would be compared with itself."""
    seen: set[Path] = set()
    for row in rows:
        place = row.path.resolve()
        if place in seen:
            _refuse(row.line, "the file is listed twice", column="file")
        seen.add(place)


def _refuse(line: int, problem: str, *, column: str | None = None) -> Never:
    if column is None:
        raise Refused(MANIFEST_INVALID, line=line, problem=problem)
    raise Refused(MANIFEST_INVALID, line=line, column=column, problem=problem)
