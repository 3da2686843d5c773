"""Input safety: what is decoded, what is refused and why, and that nothing else ever happens."""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from shualian.core.database import SqliteDatabase, WorkInTransactionError
from shualian.core.refusals import RefusalKind, Refused
from shualian.face import pictures
from shualian.face.model import (
    PICTURE_TOO_LARGE,
    PICTURE_TOO_SMALL,
    PICTURE_UNREADABLE,
    Picture,
)
from shualian.face.pictures import PIXELS_MAX, decode_picture, read_picture
from shualian.sandbox.samples import SamplePicture

WIDTH, HEIGHT = 96, 72


def scene(width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """Smooth, not symmetric in any way: red grows to the right, green downwards; blue corner."""
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    picture = np.stack([np.full_like(x, 40), y, x], axis=-1).astype(np.uint8)
    picture[: height // 4, : width // 4] = (255, 0, 0)
    return picture


def encode(extension: str, *options: int, picture: np.ndarray[Any, Any] | None = None) -> bytes:
    ok, data = cv2.imencode(extension, scene() if picture is None else picture, list(options))
    assert ok
    return data.tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(
    *, colour: int, depth: int = 8, sample: bytes, before: bytes = b"", side: int = 64
) -> bytes:
    """A PNG of one colour; ``sample`` is one row's repeating content."""
    bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * depth
    row = b"\0" + (sample * side * 4)[: side * bits // 8]
    header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(row * side))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for kind, content in chunks
    ]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8x(flags: int, width: int = WIDTH, height: int = HEIGHT) -> tuple[bytes, bytes]:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes((flags, 0, 0, 0)) + size


def vp8() -> tuple[bytes, bytes]:
    """The lossy picture chunk of an encoder's WebP, without its container."""
    data = encode(".webp", cv2.IMWRITE_WEBP_QUALITY, 90)
    at = data.index(b"VP8 ")
    (length,) = struct.unpack_from("<I", data, at + 4)
    return b"VP8 ", data[at + 8 : at + 8 + length]


def exif(orientation: int, order: str = "<") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def with_segment(jpeg: bytes, segment: bytes) -> bytes:
    return jpeg[:2] + segment + jpeg[2:]


def jpeg_frame_at(jpeg: bytes) -> int:
    """Where the frame header's marker is."""
    return min(at for at in (jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2")) if at > 0)


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def rotated_by_camera(orientation: int) -> Picture:
    """The scene as a sensor stores it so that ``orientation`` brings it upright (Exif 4.6.5)."""
    upright = scene()
    stored = {
        1: upright,
        2: cv2.flip(upright, 1),
        3: cv2.rotate(upright, cv2.ROTATE_180),
        4: cv2.flip(upright, 0),
        5: cv2.transpose(upright),
        6: cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE),
        7: cv2.rotate(cv2.transpose(upright), cv2.ROTATE_180),
        8: cv2.rotate(upright, cv2.ROTATE_90_CLOCKWISE),
    }
    return stored[orientation].astype(np.uint8)


def refusal(data: bytes, **limits: int) -> tuple[RefusalKind, str]:
    with pytest.raises(Refused) as refused:
        decode_picture(data, **limits)
    return refused.value.kind, str(refused.value.details["found"])


def unreadable(data: bytes) -> str:
    kind, found = refusal(data)
    assert kind is PICTURE_UNREADABLE
    return found


def close_to_scene(picture: Picture) -> bool:
    return picture.shape == (HEIGHT, WIDTH, 3) and float(cv2.absdiff(picture, scene()).mean()) < 4


JPEG = encode(".jpg", cv2.IMWRITE_JPEG_QUALITY, 95)
PROGRESSIVE = encode(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 95)
PNG = encode(".png")
WEBP = riff(vp8())
WEBP_LOSSLESS = encode(".webp", cv2.IMWRITE_WEBP_QUALITY, 101)
STILL = {
    "baseline JPEG": JPEG,
    "progressive JPEG": PROGRESSIVE,
    "JPEG with restart markers": encode(
        ".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 1, cv2.IMWRITE_JPEG_QUALITY, 95
    ),
    "PNG": PNG,
    "PNG with opaque alpha": encode(".png", picture=cv2.cvtColor(scene(), cv2.COLOR_BGR2BGRA)),
    "lossy WebP": WEBP,
    "lossless WebP": WEBP_LOSSLESS,
    "extended WebP": riff(vp8x(0x20), (b"ICCP", b"profile"), vp8(), (b"XMP ", b"<x/>")),
}


class TestWhatIsRead:
    @pytest.mark.parametrize("data", STILL.values(), ids=STILL)
    def test_a_still_picture_is_decoded_by_its_content(self, data: bytes) -> None:
        picture = decode_picture(data)
        assert close_to_scene(picture)
        assert picture.dtype == np.uint8
        assert picture.flags["C_CONTIGUOUS"]

    def test_pictures_of_real_cameras_and_editors_are_read_as_the_decoder_alone_reads_them(
        self, samples: Mapping[str, SamplePicture]
    ) -> None:
        for sample in samples.values():
            alone = cv2.imdecode(np.frombuffer(sample.encoded, np.uint8), cv2.IMREAD_COLOR)
            assert alone is not None
            assert np.array_equal(decode_picture(sample.encoded), alone)

    @pytest.mark.parametrize("extension", [".jpg", ".png"])
    def test_a_grey_picture_becomes_three_equal_channels(self, extension: str) -> None:
        grey = cv2.cvtColor(scene(), cv2.COLOR_BGR2GRAY)
        picture = decode_picture(encode(extension, picture=grey))
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert np.array_equal(picture[..., 0], picture[..., 2])

    def test_a_palette_and_one_bit_per_pixel_are_expanded(self) -> None:
        palette = chunk(b"PLTE", bytes([10, 20, 30, 200, 150, 100]))
        coloured = decode_picture(png(colour=3, depth=4, sample=b"\x11", before=palette))
        assert tuple(coloured[5, 5]) == (100, 150, 200)
        striped = decode_picture(png(colour=0, depth=1, sample=b"\xaa"))
        assert (striped[0, 0, 0], striped[0, 1, 0]) == (255, 0)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_cameras_orientation_is_applied_once(self, orientation: int) -> None:
        stored = rotated_by_camera(orientation)
        jpeg = encode(".jpg", cv2.IMWRITE_JPEG_QUALITY, 95, picture=stored)
        app1 = jpeg_segment(0xE1, b"Exif\0\0" + exif(orientation))
        assert close_to_scene(decode_picture(with_segment(jpeg, app1)))

        lossless = encode(".png", picture=stored)
        turned = lossless[:33] + chunk(b"eXIf", exif(orientation, ">")) + lossless[33:]
        assert np.array_equal(decode_picture(turned), scene())

        webp = encode(".webp", cv2.IMWRITE_WEBP_QUALITY, 101, picture=stored)
        content = webp[20 : 20 + struct.unpack_from("<I", webp, 16)[0]]
        head = vp8x(0x08, stored.shape[1], stored.shape[0])
        extended = riff(head, (webp[12:16], content), (b"EXIF", exif(orientation)))
        assert np.array_equal(decode_picture(extended), scene())

    @pytest.mark.parametrize(
        "tiff", [b"", b"II*\0", exif(0), exif(9), exif(65535), exif(6)[:12], b"XX" + exif(6)[2:]]
    )
    def test_damaged_orientation_is_ignored(self, tiff: bytes) -> None:
        data = with_segment(JPEG, jpeg_segment(0xE1, b"Exif\0\0" + tiff))
        assert close_to_scene(decode_picture(data))

    @pytest.mark.parametrize("data", [JPEG, PNG, WEBP], ids=["JPEG", "PNG", "WebP"])
    def test_what_hangs_behind_the_picture_is_ignored(self, data: bytes) -> None:
        archive = b"PK\x03\x04" + bytes(500)
        assert np.array_equal(decode_picture(data + archive), decode_picture(data))

    def test_only_parts_that_carry_pixels_reach_the_decoder(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        marker = b"payload that is none of the decoder's business"
        head, picture = vp8x(0x2C), vp8()
        files = [
            with_segment(JPEG, jpeg_segment(0xE2, marker) + jpeg_segment(0xFE, marker)) + marker,
            PNG[:33] + chunk(b"iCCP", marker) + chunk(b"zTXt", marker) + PNG[33:] + marker,
            riff(head, (b"ICCP", marker), picture, (b"EXIF", marker), (b"xxxx", marker)) + marker,
        ]
        decode = cv2.imdecode

        def watched(data: Any, flags: int) -> Any:
            assert marker not in data.tobytes()
            return decode(data, flags)

        monkeypatch.setattr(cv2, "imdecode", watched)
        assert all(close_to_scene(decode_picture(data)) for data in files)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "data",
        [b"", b"\xff\xd8", b"GIF89a" + bytes(60), b"<svg/>", b"BM" + bytes(60), bytes(1000)],
    )
    def test_other_kinds_of_file(self, data: bytes) -> None:
        assert unreadable(data) in {"no data", "neither JPEG nor PNG nor WebP"}

    @pytest.mark.parametrize("data", STILL.values(), ids=STILL)
    def test_every_file_that_is_cut_off(self, data: bytes) -> None:
        for end in range(12, len(data) - 1, max(1, len(data) // 60)):
            assert unreadable(data[:end])

    def test_pixels_missing_inside_a_whole_container(self) -> None:
        header = PNG[:33]
        half = chunk(b"IDAT", zlib.compress(bytes(WIDTH * HEIGHT)))
        assert unreadable(header + half + chunk(b"IEND", b"")) == "damaged content"
        kind, content = vp8()
        assert unreadable(riff((kind, content[: len(content) // 3])))

    def test_a_wrong_checksum(self) -> None:
        assert unreadable(patched(PNG, 60, bytes([PNG[60] ^ 1]))) == "a damaged PNG"

    @pytest.mark.parametrize("kind", [b"acTL", b"fcTL"])
    def test_an_animated_png(self, kind: bytes) -> None:
        data = PNG[:33] + chunk(kind, struct.pack(">II", 2, 0)) + PNG[33:]
        assert unreadable(data) == "an animated PNG"

    @pytest.mark.parametrize(
        "chunks",
        [
            [vp8x(0x02), vp8()],
            [vp8x(0x00), (b"ANIM", bytes(6)), vp8()],
            [vp8x(0x00), (b"ANMF", bytes(24)), (b"ANMF", bytes(24))],
        ],
    )
    def test_an_animated_webp(self, chunks: list[tuple[bytes, bytes]]) -> None:
        assert unreadable(riff(*chunks)) == "an animated WebP"

    def test_pixels_that_a_person_would_not_see(self) -> None:
        see_through = cv2.cvtColor(scene(), cv2.COLOR_BGR2BGRA)
        see_through[10, 10, 3] = 254
        for extension in (".png", ".webp"):
            data = encode(extension, picture=see_through)
            assert unreadable(data) == "transparent pixels"
        key = chunk(b"tRNS", struct.pack(">HHH", 200, 200, 200))
        assert unreadable(png(colour=2, sample=b"\xc8", before=key)) == "transparent pixels"

    def test_sixteen_bits_and_cmyk(self) -> None:
        deep = scene().astype(np.uint16) * 257
        assert unreadable(encode(".png", picture=deep)) == "a PNG with 16 bits per sample"
        four = patched(JPEG, jpeg_frame_at(JPEG) + 9, b"\x04")
        assert unreadable(four) == "a JPEG with 4 colour components"

    @pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
    def test_jpeg_codings_that_cameras_do_not_use(self, marker: int) -> None:
        data = patched(JPEG, jpeg_frame_at(JPEG) + 1, bytes([marker]))
        assert unreadable(data) == "a JPEG coding that cameras do not use"

    def test_a_jpeg_of_two_frames_or_none(self) -> None:
        at = jpeg_frame_at(JPEG)
        frame = JPEG[at : at + 19]
        assert unreadable(with_segment(JPEG, frame)) == "a JPEG with 2 frame headers"
        assert unreadable(JPEG.replace(frame, b"")) == "a JPEG with 0 frame headers"

    def test_a_progressive_jpeg_that_makes_the_decoder_pass_over_it_without_end(self) -> None:
        scan = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
        bomb = PROGRESSIVE[:-2] + scan * 100 + b"\xff\xd9"
        assert unreadable(bomb) == "a JPEG with too many scans"

    def test_files_of_endless_small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pictures, "_PARTS_MAX", 200)
        empty_webp_chunks = [(struct.pack(">I", number), b"") for number in range(300)]
        files = [
            with_segment(JPEG, jpeg_segment(0xFE, b"") * 300),
            PNG[:33] + chunk(b"tEXt", b"") * 300 + PNG[33:],
            riff(*empty_webp_chunks, vp8()),
        ]
        assert all("too many parts" in unreadable(data) for data in files)

    def test_a_webp_that_disagrees_with_itself(self) -> None:
        assert unreadable(riff(vp8x(0, WIDTH + 1, HEIGHT), vp8()))
        assert unreadable(riff(vp8(), vp8())) == "a WebP that says a thing twice"
        assert unreadable(riff(vp8(), (b"VP8L", b"\x2f" + bytes(9))))
        assert unreadable(riff(vp8x(0))) == "a WebP without one picture"
        assert unreadable(riff((b"VP8X", b"\0"), vp8())) == "a damaged WebP"
        assert unreadable(riff((b"VP8 ", b"\x01" + vp8()[1][1:]))) == "a damaged WebP"
        assert unreadable(riff((b"VP8L", bytes(10)))) == "a damaged WebP"

    def test_what_the_decoder_returns_in_another_size_than_the_header(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cv2, "imdecode", lambda *_: scene(WIDTH, HEIGHT - 1))
        assert unreadable(PNG) == "content of another size than its header says"


def header_says(width: int, height: int) -> dict[str, bytes]:
    """Small files of each kind whose headers promise ``width`` x ``height`` (at most 14 bits)."""
    jpeg = {
        name: patched(data, jpeg_frame_at(data) + 5, struct.pack(">HH", height, width))
        for name, data in (("JPEG", JPEG), ("progressive JPEG", PROGRESSIVE))
    }
    ihdr = chunk(b"IHDR", struct.pack(">II", width, height) + PNG[24:29])
    lossy = patched(vp8()[1], 6, struct.pack("<HH", width, height))
    bits = (max(width - 1, 0) | max(height - 1, 0) << 14).to_bytes(4, "little")
    return {
        **jpeg,
        "PNG": PNG[:8] + ihdr + PNG[33:],
        "lossy WebP": riff((b"VP8 ", lossy)),
        "lossless WebP": riff((b"VP8L", b"\x2f" + bits + bytes(20))),
    }


class TestSizes:
    @pytest.fixture(autouse=True)
    def decoder_must_not_be_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def reached(*_: object) -> None:
            raise AssertionError("the decoder was reached")

        monkeypatch.setattr(cv2, "imdecode", reached)

    @pytest.mark.parametrize("kind", header_says(64, 64))
    def test_too_many_pixels_are_refused_from_the_header(self, kind: str) -> None:
        kind_of_refusal, found = refusal(header_says(16383, 16383)[kind])
        assert (kind_of_refusal, found) == (PICTURE_TOO_LARGE, "16383 x 16383")

    @pytest.mark.parametrize("kind", header_says(64, 64))
    def test_one_pixel_over_the_limit_is_too_many(self, kind: str) -> None:
        data = header_says(100, 80)[kind]
        assert refusal(data, pixels_max=7999)[0] is PICTURE_TOO_LARGE
        with pytest.raises(AssertionError, match="reached"):
            decode_picture(data, pixels_max=8000)

    @pytest.mark.parametrize("kind", header_says(64, 64))
    def test_a_side_below_the_least_is_too_small(self, kind: str) -> None:
        assert refusal(header_says(640, 63)[kind])[0] is PICTURE_TOO_SMALL
        assert refusal(header_says(63, 640)[kind])[0] is PICTURE_TOO_SMALL
        assert refusal(header_says(1, 1)[kind])[0] is PICTURE_TOO_SMALL

    @pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "PNG", "lossy WebP"])
    def test_a_side_of_no_length_is_unreadable(self, kind: str) -> None:
        assert unreadable(header_says(0, 480)[kind]) == "a side of no length"
        assert unreadable(header_says(640, 0)[kind]) == "a side of no length"

    def test_too_many_bytes_are_refused_before_anything_is_looked_at(self) -> None:
        kind, found = refusal(bytes(1001), bytes_max=1000)
        assert (kind, found) == (PICTURE_TOO_LARGE, "1001 bytes")

    def test_phones_of_fifty_megapixels_are_within_the_limit(self) -> None:
        assert PIXELS_MAX >= 8160 * 6144


class TestFiles:
    def test_a_file_is_told_by_content_not_by_name(self, tmp_path: Path) -> None:
        file = tmp_path / "picture.txt"
        file.write_bytes(PNG)
        assert np.array_equal(read_picture(file), scene())

    def test_a_file_over_the_limit_is_not_read(self, tmp_path: Path) -> None:
        file = tmp_path / "large.jpg"
        with file.open("wb") as sparse:
            sparse.truncate(2**40)
        with pytest.raises(Refused) as refused:
            read_picture(file)
        assert refused.value.kind is PICTURE_TOO_LARGE

    @pytest.mark.parametrize("name", [".", "missing.jpg"])
    def test_a_folder_or_a_missing_file_is_refused_without_its_name(
        self, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(Refused) as refused:
            read_picture(tmp_path / name)
        assert refused.value.kind is PICTURE_UNREADABLE
        assert tmp_path.name not in str(refused.value)

    def test_no_file_is_read_inside_a_database_transaction(self, tmp_path: Path) -> None:
        file = tmp_path / "picture.png"
        file.write_bytes(PNG)

        def read(_: Connection) -> Picture:
            return read_picture(file)

        database = SqliteDatabase(f"sqlite:///{tmp_path / 'test.db'}")
        try:
            with pytest.raises(WorkInTransactionError):
                database.write(read)
        finally:
            database.close()


FUZZ_PIXELS_MAX = 2 * WIDTH * HEIGHT
_decode = cv2.imdecode


def _limited_decode(data: Any, flags: int) -> Any:
    """The decoder, failing the test when it makes more than the limit allows."""
    raw: Any = _decode(data, flags)
    assert raw is None or raw.nbytes <= 4 * FUZZ_PIXELS_MAX
    return raw


def survives(data: bytes) -> None:
    """Decoding gives a picture within the limits or a refusal of one of the three kinds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "imdecode", _limited_decode)
        outcome = picture_or_kind(data)
    if isinstance(outcome, RefusalKind):
        assert outcome in {PICTURE_UNREADABLE, PICTURE_TOO_LARGE, PICTURE_TOO_SMALL}
    else:
        assert outcome.dtype == np.uint8
        assert outcome.ndim == 3
        assert 64 * 64 <= outcome.shape[0] * outcome.shape[1] <= FUZZ_PIXELS_MAX


def picture_or_kind(data: bytes) -> Picture | RefusalKind:
    try:
        return decode_picture(data, pixels_max=FUZZ_PIXELS_MAX)
    except Refused as refused:
        return refused.kind


still = st.sampled_from(sorted(STILL.values()))


class TestHostileFiles:
    @given(data=still, changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=8))
    @settings(max_examples=400, deadline=None)
    def test_changed_bytes(self, data: bytes, changes: list[tuple[int, int]]) -> None:
        mutable = bytearray(data)
        for at, value in changes:
            mutable[at % len(data)] = value
        survives(bytes(mutable))

    @given(data=still, at=st.integers(8, 200), value=st.binary(min_size=1, max_size=8))
    @settings(max_examples=300, deadline=None)
    def test_changed_headers(self, data: bytes, at: int, value: bytes) -> None:
        survives(patched(data, at, value))

    @given(data=still, cut=st.integers(0), more=st.binary(max_size=40))
    @settings(max_examples=200, deadline=None)
    def test_cut_and_continued(self, data: bytes, cut: int, more: bytes) -> None:
        survives(data[: cut % len(data)] + more)

    @given(head=still, tail=still, at=st.integers(0, 700), to=st.integers(0, 700))
    @settings(max_examples=300, deadline=None)
    def test_the_head_of_one_on_the_tail_of_another(
        self, head: bytes, tail: bytes, at: int, to: int
    ) -> None:
        survives(head[:at] + tail[to:])

    @given(data=still, start=st.integers(0), length=st.integers(1, 400), times=st.integers(2, 30))
    @settings(max_examples=200, deadline=None)
    def test_repeated_parts(self, data: bytes, start: int, length: int, times: int) -> None:
        start %= len(data)
        part = data[start : start + length]
        survives(data[:start] + part * times + data[start + length :])

    @given(width=st.integers(0, 16383), height=st.integers(0, 16383))
    @settings(max_examples=100, deadline=None)
    def test_headers_that_lie_about_the_size(self, width: int, height: int) -> None:
        for data in header_says(width, height).values():
            survives(data)

    @given(body=st.binary(max_size=300), magic=still)
    @settings(max_examples=100, deadline=None)
    def test_noise_behind_a_right_beginning(self, body: bytes, magic: bytes) -> None:
        survives(magic[:12] + body)
