"""Sample faces: read out of archives, checked one by one, refused with a way on."""

import gzip
import io
import tarfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from shualian.core.database import SqliteDatabase, WorkInTransactionError
from shualian.core.refusals import RefusalKind, Refused
from shualian.sandbox import samples as module
from shualian.sandbox.samples import (
    SAMPLE_ALTERED,
    SAMPLES,
    SAMPLES_MISSING,
    Sample,
    SamplePicture,
    sample_pictures,
)

HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
"""SHA-256 of b"hello"."""


def a_sample(archive: str, member: str) -> Sample:
    return replace(SAMPLES[0], name=member, archive=archive, member=member, sha256=HELLO)


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small archives, each with one registered member and others around it."""
    registered = (a_sample("a-1.0-*.whl", "a/face.png"), a_sample("b-1.0.tar.gz", "b/face.jpg"))
    monkeypatch.setattr(module, "SAMPLES", registered)
    with zipfile.ZipFile(tmp_path / "a-1.0-py3.whl", "w") as wheel:
        wheel.writestr("a/other.png", b"other")
        wheel.writestr("a/face.png", b"hello")
    write_tar(tmp_path, {"b/other.jpg": b"other", "b/face.jpg": b"hello"})
    return tmp_path


def write_tar(folder: Path, members: Mapping[str, bytes]) -> None:
    with tarfile.open(folder / "b-1.0.tar.gz", "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def refusal(folder: Path) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        sample_pictures(folder)
    assert "make samples" in refused.value.kind.next_en
    return refused.value.kind


class TestTheRegisteredPictures:
    def test_every_picture_is_there_and_its_face_lies_inside(
        self, samples: Mapping[str, SamplePicture]
    ) -> None:
        assert list(samples) == [sample.name for sample in SAMPLES]
        for sample in samples.values():
            height, width = sample.picture().shape[:2]
            face = sample.sample.face
            assert face.x >= 0
            assert face.y >= 0
            assert face.x + face.width <= width
            assert face.y + face.height <= height

    def test_two_people_have_several_pictures_and_there_are_strangers(self) -> None:
        pictures = Counter(sample.identity for sample in SAMPLES)
        assert len([count for count in pictures.values() if count >= 2]) >= 2
        assert 1 in pictures.values()

    def test_names_and_pictures_are_registered_once(self) -> None:
        assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)
        assert len({sample.sha256 for sample in SAMPLES}) == len(SAMPLES)

    def test_a_picture_says_nothing_of_itself_in_a_log(
        self, samples: Mapping[str, SamplePicture]
    ) -> None:
        assert all(len(repr(sample)) < 100 for sample in samples.values())


class TestArchives:
    def test_registered_members_are_read_without_unpacking(self, archives: Path) -> None:
        before = sorted(archives.iterdir())
        found = sample_pictures(archives)
        assert {sample.encoded for sample in found.values()} == {b"hello"}
        assert sorted(archives.iterdir()) == before

    def test_no_archives_say_what_to_run(self, tmp_path: Path) -> None:
        assert refusal(tmp_path / "nowhere") is SAMPLES_MISSING

    @pytest.mark.parametrize("name", ["a-1.0-py3.whl", "b-1.0.tar.gz"])
    def test_one_missing_archive_is_missing(self, archives: Path, name: str) -> None:
        (archives / name).unlink()
        assert refusal(archives) is SAMPLES_MISSING

    @pytest.mark.parametrize(
        "members",
        [
            {"b/other.jpg": b"hello"},
            {"b/face.jpg": b"jello"},
            {"b/face.jpg": b"hello" + bytes(3 * 2**20)},
            {"b/face.jpg": b""},
            {},
        ],
        ids=["another name", "another content", "too large", "empty", "no members"],
    )
    def test_another_content_is_refused(self, archives: Path, members: dict[str, bytes]) -> None:
        write_tar(archives, members)
        assert refusal(archives) is SAMPLE_ALTERED

    def test_a_link_in_place_of_a_picture_is_not_followed(self, archives: Path) -> None:
        (archives / "secret").write_bytes(b"hello")
        with tarfile.open(archives / "b-1.0.tar.gz", "w:gz") as archive:
            link = tarfile.TarInfo("b/face.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, str(archives / "secret")
            archive.addfile(link)
        assert refusal(archives) is SAMPLE_ALTERED

    @pytest.mark.parametrize("name", ["a-1.0-py3.whl", "b-1.0.tar.gz"])
    def test_a_damaged_archive_is_refused(self, archives: Path, name: str) -> None:
        whole = (archives / name).read_bytes()
        for damaged in (b"", b"nothing", whole[: len(whole) // 2], whole[:40] + bytes(len(whole))):
            (archives / name).write_bytes(damaged)
            assert refusal(archives) is SAMPLE_ALTERED

    def test_an_archive_that_inflates_to_noise_is_refused(self, archives: Path) -> None:
        (archives / "b-1.0.tar.gz").write_bytes(gzip.compress(bytes(range(256)) * 4000))
        assert refusal(archives) is SAMPLE_ALTERED

    def test_no_archive_is_read_inside_a_database_transaction(
        self, archives: Path, tmp_path: Path
    ) -> None:
        def read(_: Connection) -> object:
            return sample_pictures(archives)

        database = SqliteDatabase(f"sqlite:///{tmp_path / 'test.db'}")
        try:
            with pytest.raises(WorkInTransactionError):
                database.write(read)
        finally:
            database.close()
