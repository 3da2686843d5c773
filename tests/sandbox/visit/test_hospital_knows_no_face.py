"""After a whole visit the hospital's files are searched raw: nothing about a face is in them.

Everything about the faces of this visit is written down while it is played (frames, vectors,
scores, sessions, proofs) and looked for afterwards, in every column of every table by SQL, and in
the bytes of every file, in which rows that were deleted would still be.
"""

import base64
import re
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sandbox.visit.played import PlayedVisit
from shualian.core.refusals import Refused
from shualian.face.engine import FaceEngine
from shualian.face.model import Embedding, Profile
from shualian.face.pictures import decode_picture
from shualian.face.weights.source import WeightSource
from shualian.hospital.model import FaceEvidence, any_evidence_from_bytes
from shualian.sandbox import city
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.sealing import Sealer

_FACE_WORDS = frozenset(
    "face facial template embedding vector feature biometric picture photo image jpeg pixels "
    "liveness pad similarity score fmr threshold gallery probe".split()
)
_MEASURED = 6
"""Frames of each capture whose vectors are looked for."""
_CHUNK = 32
"""Bytes; a value that a file keeps in several pieces is found by any of its chunks."""
_PICTURE = re.compile(
    rb"\xff\xd8\xff[\xc0\xdb\xe0\xe1\xee]|JFIF\x00|Exif\x00\x00|\x89PNG\r\n|RIFF....WEBPVP8",
    re.DOTALL,
)


@dataclass
class Faces:
    """All that was known about faces during the visit."""

    vectors: list[Embedding] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    auth_nos: set[str] = field(default_factory=set)
    sealed_templates: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Played:
    """The visit's folder and what was known."""

    folder: Path
    faces: Faces


@pytest.fixture(scope="module")
def played(played_visit: PlayedVisit) -> Played:
    visit = played_visit
    assert [step.detail for step in visit.steps if not step.ok] == []
    faces = Faces(
        frames=[frame for shown in visit.shown for frame in shown.frames],
        sessions={shown.session_id for shown in visit.shown},
        auth_nos=set(visit.auth_nos),
    )
    # A capture measures its first good frames, and the frontal ones of the challenge.
    engine = FaceEngine(WeightSource(None))
    for frame in (each for shown in visit.shown for each in shown.frames[:_MEASURED]):
        with suppress(Refused):
            picture = decode_picture(frame)
            measured = engine.measure(picture, profile=Profile.BEDSIDE)
            faces.vectors.append(measured.embedding)
    with closing(sqlite3.connect(visit.folder / "insurer.sqlite")) as insurer:
        faces.sealed_templates = _column(insurer, "sealed", "gallery_template")
        faces.scores = _column(insurer, "score", "verification_person")
    return Played(visit.folder, faces)


def _column(database: sqlite3.Connection, column: str, table: str) -> list[Any]:
    rows = database.execute(f"SELECT {column} FROM {table}")  # noqa: S608 - names of this file
    return [value for (value,) in rows if value is not None]


# --- the search ----------------------------------------------------------------------------------


def _own(folder: Path) -> Path:
    """Where the hospital's own database and keys lie."""
    return folder / "hospitals" / city.HOSPITAL.fixmedins_code


def _cells(database: Path) -> Iterator[tuple[str, str, object]]:
    """Table, column and value of every cell of every table."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            # A table's name cannot be a parameter; it comes from the database itself.
            rows = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            columns = [each[0] for each in rows.description]
            for row in rows:
                yield from (
                    (table, column, value) for column, value in zip(columns, row, strict=True)
                )


def _names(database: Path) -> Iterator[str]:
    """Every table, column and index by name, whether or not anything is in it."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for name, kind in connection.execute("SELECT name, type FROM sqlite_master").fetchall():
            yield name
            if kind == "table":
                columns = connection.execute(f'PRAGMA table_info("{name}")')
                yield from (f"{name}.{column[1]}" for column in columns)


def _face_words(name: str) -> frozenset[str]:
    words = re.split(r"[^a-z]+", name.lower())
    return _FACE_WORDS & {*words, *(word.removesuffix("s") for word in words)}


def _hospital_files(folder: Path) -> dict[str, bytes]:
    """Databases, journals, locks and keys of the hospital."""
    files = [file for file in _own(folder).rglob("*") if file.is_file()]
    return {str(file.relative_to(_own(folder))): file.read_bytes() for file in files}


def _encodings(vector: Embedding) -> Iterator[bytes]:
    """A vector as somebody might store it."""
    for kind in ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8"):
        raw = vector.astype(kind).tobytes()
        yield raw
        yield raw.hex().encode()
        yield base64.b64encode(raw)
    scaled = np.clip(np.round(vector * 127), -128, 127).astype(np.int8)
    yield scaled.tobytes()
    yield ",".join(f"{value:.4f}" for value in vector[:8]).encode()


class Needles:
    """Byte strings to look for: long ones by any of their chunks, in one pass; short ones whole."""

    def __init__(self, faces: Faces) -> None:
        # Headers and tables of a JPEG are the same in all of them and tell nothing.
        secrets = [frame[1024:] for frame in faces.frames] + faces.sealed_templates
        for vector in faces.vectors:
            secrets.extend(_encodings(vector))
        self._chunks = {
            secret[at : at + _CHUNK]
            for secret in secrets
            for at in range(0, len(secret) - _CHUNK + 1, _CHUNK)
        }
        self._short = [each.encode() for each in faces.sessions]

    def found_in(self, content: bytes) -> bool:
        """Whether any of them, or a chunk of one, is there."""
        ends = range(_CHUNK, len(content) + 1)
        return any(content[end - _CHUNK : end] in self._chunks for end in ends) or any(
            each in content for each in self._short
        )


def _found_by_sql(database: Path, faces: Faces) -> list[str]:
    """Cells with a picture, a vector, a sealed template, a session or a score."""
    needles, found = Needles(faces), []
    for table, column, value in _cells(database):
        content = value if isinstance(value, bytes) else str(value).encode()
        holds = _PICTURE.search(content) or needles.found_in(content)
        if holds or any(str(score)[:6].encode() in content for score in faces.scores):
            found.append(f"{table}.{column}")
    return found


def _found_in_bytes(content: bytes, faces: Faces) -> list[str]:
    """What a file holds, also where no row points to any more."""
    found = [f"picture at {each.start()}" for each in _PICTURE.finditer(content)]
    if Needles(faces).found_in(content):
        found.append("a vector, a frame, a template or a session")
    scores = [struct.pack(kind, each) for each in faces.scores for kind in ("<d", ">d")]
    return found + ["a score" for each in scores if each in content]


# --- what is found -------------------------------------------------------------------------------


def test_the_visit_had_faces_to_be_found(played: Played) -> None:
    faces = played.faces

    assert len(faces.vectors) > 20
    assert len(faces.frames) > 100
    assert len(faces.sessions) > 10
    assert len(faces.auth_nos) > 5
    assert len(faces.scores) > 3
    assert len(faces.sealed_templates) > 5
    assert all(frame.startswith(b"\xff\xd8\xff") for frame in faces.frames)


def test_no_cell_of_the_hospitals_database_holds_anything_of_a_face(played: Played) -> None:
    assert _found_by_sql(_own(played.folder) / "hospital.sqlite", played.faces) == []


def test_no_byte_of_the_hospitals_files_belongs_to_a_face(played: Played) -> None:
    files = _hospital_files(played.folder)

    assert {name: _found_in_bytes(content, played.faces) for name, content in files.items()} == {
        name: [] for name in files
    }
    assert len(files["hospital.sqlite"]) > 100_000


def test_no_table_and_no_column_of_the_hospital_speaks_of_faces(played: Played) -> None:
    names = list(_names(_own(played.folder) / "hospital.sqlite"))

    assert len(names) > 100
    assert [name for name in names if _face_words(name)] == []


def test_no_key_of_the_hospital_is_for_faces(played: Played) -> None:
    purposes = [folder.name for folder in (_own(played.folder) / "hospital-keys").iterdir()]
    insurers = {file.read_bytes() for file in played.folder.glob("insurer-keys/**/*.key")}

    assert purposes
    assert [purpose for purpose in purposes if _face_words(purpose)] == []
    assert insurers.isdisjoint(_hospital_files(played.folder).values())


def test_the_number_of_a_proof_is_in_no_file_in_plain(played: Played) -> None:
    stored = b"".join(_hospital_files(played.folder).values())

    assert [number for number in played.faces.auth_nos if number.encode() in stored] == []


def test_the_hospital_finds_the_number_of_the_proof_under_its_seal_and_nothing_more(
    played: Played,
) -> None:
    evidence = list(_opened_evidence(played.folder))

    assert {each.auth_no for each in evidence} <= played.faces.auth_nos
    assert len(evidence) > 3
    assert set(FaceEvidence.__dataclass_fields__) == {
        "auth_no",
        "intent_id",
        "scene",
        "terminal_id",
        "first_frame_at",
        # Who scanned, where a relative pays: the insurer's number of a person, and what they are.
        "subject",
        "relation",
    }


def _opened_evidence(folder: Path) -> Iterator[FaceEvidence]:
    sealer = Sealer(DevelopmentKeys(_own(folder) / "hospital-keys"))
    with closing(sqlite3.connect(_own(folder) / "hospital.sqlite")) as hospital:
        rows = hospital.execute(
            "SELECT 'hospital.encounter.evidence', encounter_no, evidence_sealed FROM encounter"
            " UNION ALL SELECT 'hospital.payment.evidence', institution || '/' || command_id,"
            " evidence_sealed FROM payment"
        ).fetchall()
    for purpose, context, sealed in rows:
        # A stay is kept with its evidence elsewhere.
        if not sealed:
            continue
        plain = sealer.open(sealed, purpose=purpose, context=context.encode())
        evidence = any_evidence_from_bytes(plain)
        if isinstance(evidence, FaceEvidence):
            yield evidence


# --- the search finds what is there --------------------------------------------------------------


@pytest.fixture
def spoilt(played: Played, tmp_path: Path) -> Path:
    """A copy of the hospital's database."""
    return Path(shutil.copy(_own(played.folder) / "hospital.sqlite", tmp_path / "hospital.sqlite"))


_Planted = Callable[[Faces], object]
_PLANTED: dict[str, _Planted] = {
    "a vector of half precision": lambda faces: faces.vectors[0].astype("<f2").tobytes(),
    "a vector of single precision": lambda faces: faces.vectors[-1].astype("<f4").tobytes(),
    "a vector in base64": lambda faces: base64.b64encode(faces.vectors[0].tobytes()).decode(),
    "a frame": lambda faces: faces.frames[0],
    "a frame without its head": lambda faces: faces.frames[0][2048:],
    "another picture": lambda _: b"..\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "a sealed template": lambda faces: faces.sealed_templates[0],
    "a session": lambda faces: f"of {sorted(faces.sessions)[0]}",
    "a score": lambda faces: faces.scores[0],
}


@pytest.mark.parametrize("what", _PLANTED)
def test_the_search_finds_what_was_planted(played: Played, spoilt: Path, what: str) -> None:
    planted = _PLANTED[what](played.faces)
    with closing(sqlite3.connect(spoilt)) as database, database:
        database.execute("CREATE TABLE note (anything)")
        database.execute("INSERT INTO note VALUES (?)", (planted,))

    assert _found_by_sql(spoilt, played.faces) == ["note.anything"]
    assert _found_in_bytes(spoilt.read_bytes(), played.faces)


def test_the_search_finds_what_was_deleted(played: Played, spoilt: Path) -> None:
    with closing(sqlite3.connect(spoilt)) as database, database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE note (anything)")
        database.execute("INSERT INTO note VALUES (?)", (played.faces.vectors[0].tobytes(),))
        database.execute("DELETE FROM note")

    assert _found_by_sql(spoilt, played.faces) == []
    assert _found_in_bytes(spoilt.read_bytes(), played.faces)


@pytest.mark.parametrize("name", ["face_template", "faces", "best_picture", "match_score"])
def test_the_search_finds_a_name_that_speaks_of_faces(spoilt: Path, name: str) -> None:
    with closing(sqlite3.connect(spoilt)) as database, database:
        database.execute(f"CREATE TABLE note (anything, {name})")

    assert [each for each in _names(spoilt) if _face_words(each)] == [f"note.{name}"]
