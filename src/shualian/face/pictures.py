"""Input safety: bytes from outside become a picture, or are refused with a reason.

What a file is, is told by its content and never by its name. Its headers are read here, in Python,
before any decoder sees a byte: kind, size, number of scans, animation. Then only the parts that
carry pixels are put together anew and given to the decoder, so that colour profiles, comments,
thumbnails, metadata and whatever was hung on behind the picture never reach it. What the decoder
gives back must have exactly the size that the header promised.

Layouts: JPEG ITU-T T.81 annex B; PNG W3C PNG (Third Edition) 5 and 11; WebP RFC 9649 2; the
orientation of a camera Exif 2.32 4.6.5 (tag 0x0112).

A picture that a person cannot see as the machine does is refused as well: transparent pixels,
animations. JPEG in CMYK, with 12 bits or in the rare codings, and PNG with 16 bits are refused
because no camera of a terminal makes them.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np

from shualian.core.database import forbid_in_transaction
from shualian.core.refusals import Refused
from shualian.face.model import (
    PICTURE_TOO_LARGE,
    PICTURE_TOO_SMALL,
    PICTURE_UNREADABLE,
    Picture,
)

BYTES_MAX: Final = 32 * 2**20
"""Of a file: a 50-megapixel JPEG of a phone has up to about 25 MB."""
PIXELS_MAX: Final = 8192 * 6144
"""Of a file: phones of "50 megapixels" write up to 8160 x 6144."""
FRAME_BYTES_MAX: Final = 2 * 2**20
"""Of one frame of a terminal."""
FRAME_PIXELS_MAX: Final = 1920 * 1080
"""Of one frame of a terminal."""
TURNED_QUALITY: Final = 95
"""Of a JPEG that is encoded again after it was turned."""
SIDE_MIN: Final = 64
"""Shorter side in pixels; below, no face of a comparable size fits in."""

_PARTS_MAX = 100_000
_SCANS_MAX = 32  # encoders write about 10; each one costs a pass over the whole picture


@dataclass(frozen=True, slots=True)
class _Container:
    """What the headers promise, and the encoded parts that carry pixels."""

    width: int
    height: int
    orientation: int
    parts: Sequence[bytes]


def decode_picture(
    data: bytes,
    *,
    bytes_max: int = BYTES_MAX,
    pixels_max: int = PIXELS_MAX,
    side_min: int = SIDE_MIN,
) -> Picture:
    """Decode a still JPEG, PNG or WebP and turn it upright.

    Needs at most about 15 bytes of memory per pixel (a progressive JPEG) beside the data.

    Args:
        data: The encoded picture; bytes behind its end are ignored.
        bytes_max: Most bytes of ``data``.
        pixels_max: Most pixels, by the header, before anything is decoded.
        side_min: Fewest pixels of the shorter side.

    Returns:
        Height x width x 3, BGR, 0..255, contiguous.

    Raises:
        Refused: ``face.picture_unreadable``, ``face.picture_too_large`` or
            ``face.picture_too_small``; ``found`` says what was met.
    """
    if len(data) > bytes_max:
        raise Refused(PICTURE_TOO_LARGE, found=f"{len(data)} bytes", bytes_max=bytes_max)
    container = _open_container(data)
    _check_size(container, pixels_max, side_min)
    return _upright(_decode(container), container.orientation)


def turned_upright(data: bytes, rotation: int) -> bytes:
    """A frame of a lying head as JPEG with the head upright; as it is when ``rotation`` is 0.

    For whoever compares it elsewhere and expects people who stand. It is encoded once more, at
    quality :data:`TURNED_QUALITY`.

    Args:
        data: A frame of a terminal.
        rotation: Degrees counter-clockwise, 0, 90, 180 or 270, see ``DetectedFace``.

    Raises:
        Refused: As :func:`decode_picture`.
    """
    if rotation == 0:
        return data
    picture = decode_picture(data, bytes_max=FRAME_BYTES_MAX, pixels_max=FRAME_PIXELS_MAX)
    turned = np.ascontiguousarray(np.rot90(picture, rotation // 90))
    _, encoded = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, TURNED_QUALITY])
    return encoded.tobytes()


def read_picture(
    path: Path, *, bytes_max: int = BYTES_MAX, pixels_max: int = PIXELS_MAX
) -> Picture:
    """Read and decode a picture file; never reads more than ``bytes_max`` bytes.

    Raises:
        Refused: As :func:`decode_picture`; the refusal does not carry the path, which may name a
            person.
    """
    forbid_in_transaction("file I/O")
    try:
        if not path.is_file():
            raise _unreadable("no such file")
        size = path.stat().st_size
        if size > bytes_max:
            raise Refused(PICTURE_TOO_LARGE, found=f"{size} bytes", bytes_max=bytes_max)
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError:
        raise _unreadable("a file that cannot be opened") from None
    return decode_picture(data, bytes_max=bytes_max, pixels_max=pixels_max)


def _unreadable(found: str) -> Refused:
    return Refused(PICTURE_UNREADABLE, found=found)


def _open_container(data: bytes) -> _Container:
    if data.startswith(b"\xff\xd8\xff"):
        return _open_jpeg(data)
    if data.startswith(_PNG_SIGNATURE):
        return _open_png(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _open_webp(data)
    raise _unreadable("neither JPEG nor PNG nor WebP" if data else "no data")


def _check_size(container: _Container, pixels_max: int, side_min: int) -> None:
    width, height = container.width, container.height
    if width == 0 or height == 0:
        raise _unreadable("a side of no length")
    if width * height > pixels_max:
        raise Refused(PICTURE_TOO_LARGE, found=f"{width} x {height}", pixels_max=pixels_max)
    if min(width, height) < side_min:
        raise Refused(PICTURE_TOO_SMALL, found=f"{width} x {height}", side_min=side_min)


def _decode(container: _Container) -> Picture:
    encoded = np.frombuffer(b"".join(container.parts), np.uint8)
    try:
        # cv2 types the result as never None, but None is how it says "not decodable".
        raw = cast("np.ndarray | None", cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED))
    except cv2.error:
        raw = None
    if raw is None or raw.dtype != np.uint8:
        raise _unreadable("damaged content")
    if raw.shape[:2] != (container.height, container.width):
        raise _unreadable("content of another size than its header says")
    return _as_bgr(raw)


def _as_bgr(raw: np.ndarray) -> Picture:
    if raw.ndim == 2:
        return cast("Picture", cv2.cvtColor(raw, cv2.COLOR_GRAY2BGR))
    if raw.shape[2] == 4:
        if raw[:, :, 3].min() < 255:
            raise _unreadable("transparent pixels")
        return cast("Picture", cv2.cvtColor(raw, cv2.COLOR_BGRA2BGR))
    if raw.shape[2] != 3:
        raise _unreadable(f"{raw.shape[2]} channels")
    return cast("Picture", raw)


def _take(data: bytes, start: int, count: int) -> bytes:
    if start + count > len(data):
        raise _unreadable("a file that is cut off")
    return data[start : start + count]


# --- orientation ---------------------------------------------------------------------------------

_UPRIGHT = 1
_ENTRIES_MAX = 1000


def _upright(picture: Picture, orientation: int) -> Picture:
    """Undo the camera's orientation; values 5..8 swap the sides, even mirrored ones are rare."""
    if orientation in {5, 6, 7, 8}:
        picture = picture.transpose(1, 0, 2)
    if orientation in {2, 3, 6, 7}:
        picture = picture[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _exif_orientation(tiff: bytes) -> int:
    """The orientation in a TIFF block, 1..8; upright when absent or damaged.

    Damaged metadata is no reason to refuse a person's picture: the detector will tell.
    """
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return _UPRIGHT
    try:
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, at)
        for index in range(min(entries, _ENTRIES_MAX)):
            tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, at + 2 + 12 * index)
            if (tag, kind, count) == (0x0112, 3, 1):
                return value if 1 <= value <= 8 else _UPRIGHT
    except struct.error:
        return _UPRIGHT
    return _UPRIGHT


# --- JPEG ----------------------------------------------------------------------------------------

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_APP1 = 0xE1
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # C4 DHT, C8 JPG, CC DAC
_JPEG_COMMON_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive; Huffman
# Tables, scans, and the two segments that tell the colour space: JFIF and Adobe.
_JPEG_KEPT = _JPEG_COMMON_FRAMES | {0xC4, 0xDB, 0xDD, _SOS, 0xE0, 0xEE}
_JPEG_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_JPEG_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

_Segment = tuple[int, bytes]
"""Marker and what follows it; of a scan with its entropy-coded data."""


def _open_jpeg(data: bytes) -> _Container:
    segments = list(_jpeg_segments(data))
    width, height = _jpeg_size(segments)
    if sum(marker == _SOS for marker, _ in segments) > _SCANS_MAX:
        raise _unreadable("a JPEG with too many scans")
    parts = [bytes((0xFF, marker)) + body for marker, body in segments if marker in _JPEG_KEPT]
    return _Container(
        width, height, _jpeg_orientation(segments), [b"\xff\xd8", *parts, b"\xff\xd9"]
    )


def _jpeg_segments(data: bytes) -> Iterator[_Segment]:
    """Segments up to the end marker, which must be there."""
    at = 2
    for _ in range(_PARTS_MAX):
        marker, at = _jpeg_marker(data, at)
        if marker == _EOI:
            return
        length = int.from_bytes(_take(data, at, 2), "big")
        if marker in {_SOI, 0x01} or 0xD0 <= marker <= 0xD7 or length < 2:
            raise _unreadable("a damaged JPEG")
        end = at + length
        if marker == _SOS:
            end = _jpeg_scan_end(data, end)
        yield marker, _take(data, at, end - at)
        at = end
    raise _unreadable("a JPEG of too many parts")


def _jpeg_marker(data: bytes, at: int) -> tuple[int, int]:
    found = _JPEG_NEXT_MARKER.match(data, at)
    if found is None:
        raise _unreadable("a damaged JPEG" if at + 1 < len(data) else "a file that is cut off")
    return found[1][0], found.end()


def _jpeg_scan_end(data: bytes, at: int) -> int:
    found = _JPEG_SCAN_END.search(data, at)
    if found is None:
        raise _unreadable("a file that is cut off")
    return found.start()


def _jpeg_size(segments: Sequence[_Segment]) -> tuple[int, int]:
    frames = [segment for segment in segments if segment[0] in _JPEG_FRAMES]
    if len(frames) != 1:
        raise _unreadable(f"a JPEG with {len(frames)} frame headers")
    marker, body = frames[0]
    precision, height, width, components = struct.unpack(">BHHB", _take(body, 2, 6))
    if marker not in _JPEG_COMMON_FRAMES or precision != 8:
        raise _unreadable("a JPEG coding that cameras do not use")
    if components not in {1, 3}:
        raise _unreadable(f"a JPEG with {components} colour components")
    return width, height


def _jpeg_orientation(segments: Sequence[_Segment]) -> int:
    for marker, body in segments:
        if marker == _APP1 and body[2:8] == b"Exif\x00\x00":
            return _exif_orientation(body[8:])
    return _UPRIGHT


# --- PNG -----------------------------------------------------------------------------------------

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def _open_png(data: bytes) -> _Container:
    chunks = list(_png_chunks(data))
    kinds = [kind for kind, _ in chunks]
    if kinds[0] != b"IHDR" or kinds.count(b"IHDR") != 1:
        raise _unreadable("a PNG without one header in front")
    if b"acTL" in kinds or b"fcTL" in kinds:
        raise _unreadable("an animated PNG")
    width, height, depth = struct.unpack(">IIB", _take(chunks[0][1], 8, 9))
    if depth > 8:
        raise _unreadable("a PNG with 16 bits per sample")
    parts = [chunk for kind, chunk in chunks if kind in _PNG_KEPT]
    return _Container(width, height, _png_orientation(chunks), [_PNG_SIGNATURE, *parts])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and whole chunk (length, kind, content, checksum) up to the end chunk."""
    at = len(_PNG_SIGNATURE)
    for _ in range(_PARTS_MAX):
        length, kind = struct.unpack(">I4s", _take(data, at, 8))
        chunk = _take(data, at, length + 12)
        if kind in _PNG_KEPT and zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise _unreadable("a damaged PNG")
        yield kind, chunk
        if kind == b"IEND":
            return
        at += len(chunk)
    raise _unreadable("a PNG of too many parts")


def _png_orientation(chunks: Sequence[tuple[bytes, bytes]]) -> int:
    tiff = next((chunk[8:-4] for kind, chunk in chunks if kind == b"eXIf"), b"")
    return _exif_orientation(tiff)


# --- WebP ----------------------------------------------------------------------------------------

_ANIMATION, _ALPHA = 0x02, 0x10


def _open_webp(data: bytes) -> _Container:
    chunks = dict(_webp_chunks(data))
    extended = chunks.get(b"VP8X")
    if extended is not None and len(extended) != 10:
        raise _unreadable("a damaged WebP")
    if {b"ANIM", b"ANMF"} & chunks.keys() or (extended and extended[0] & _ANIMATION):
        raise _unreadable("an animated WebP")
    width, height = _webp_size(chunks)
    if extended is not None and _webp_canvas(extended) != (width, height):
        raise _unreadable("a WebP of another size than its canvas")
    return _Container(width, height, _webp_orientation(chunks), [_webp_pixels_only(chunks)])


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk inside the RIFF length, which must be there whole."""
    end = 8 + int.from_bytes(data[4:8], "little")
    _take(data, 0, end)
    at, seen = 12, set[bytes]()
    for _ in range(_PARTS_MAX):
        if at >= end:
            return
        kind, length = struct.unpack("<4sI", _take(data, at, 8))
        if kind in seen and kind != b"ANMF":
            raise _unreadable("a WebP that says a thing twice")
        seen.add(kind)
        yield kind, _take(data, at + 8, length)
        at += 8 + length + length % 2
    raise _unreadable("a WebP of too many parts")


def _webp_size(chunks: dict[bytes, bytes]) -> tuple[int, int]:
    lossy, lossless = chunks.get(b"VP8 "), chunks.get(b"VP8L")
    if (lossy is None) == (lossless is None):
        raise _unreadable("a WebP without one picture")
    return _vp8_size(lossy) if lossy is not None else _vp8l_size(lossless or b"")


def _vp8_size(content: bytes) -> tuple[int, int]:
    """RFC 6386 9.1: a key frame, the start code, then two times 14 bits."""
    head = _take(content, 0, 10)
    if head[0] & 1 or head[3:6] != b"\x9d\x01\x2a":
        raise _unreadable("a damaged WebP")
    width, height = struct.unpack("<HH", head[6:])
    return width & 0x3FFF, height & 0x3FFF


def _vp8l_size(content: bytes) -> tuple[int, int]:
    """RFC 9649 3.4: signature 0x2f, then two times 14 bits, each one less than the length."""
    head = _take(content, 0, 5)
    if head[0] != 0x2F:
        raise _unreadable("a damaged WebP")
    bits = int.from_bytes(head[1:], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _webp_canvas(extended: bytes) -> tuple[int, int]:
    width, height = (int.from_bytes(extended[at : at + 3], "little") + 1 for at in (4, 7))
    return width, height


def _webp_orientation(chunks: dict[bytes, bytes]) -> int:
    return _exif_orientation(chunks.get(b"EXIF", b"").removeprefix(b"Exif\x00\x00"))


def _webp_pixels_only(chunks: dict[bytes, bytes]) -> bytes:
    wanted: tuple[bytes, ...] = (b"VP8 ", b"VP8L")
    kept = [(kind, chunks[kind]) for kind in wanted if kind in chunks]
    if b"ALPH" in chunks and b"VP8X" in chunks:
        head = bytes((_ALPHA, 0, 0, 0)) + chunks[b"VP8X"][4:]
        kept = [(b"VP8X", head), (b"ALPH", chunks[b"ALPH"]), *kept]
    body = b"WEBP" + b"".join(_riff_chunk(kind, content) for kind, content in kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)
