"""Presentation attacks made by simulation: prints and screens held before a camera.

Each species follows the light: from the source picture through the attack instrument (inks on
paper, or pixels that shine), across the room it is held in, through lens, sensor and JPEG. The
bona fide counterpart goes through the same camera, so that a detector cannot tell the two by the
camera alone. Everything is drawn at random from a seed.

These are simulations. No print was printed and no screen was photographed; they may be easier or
harder to detect than real ones, and the direction is unknown. An error rate on them must be
published as one on simulated attacks (ISO/IEC 30107-3 asks for real instruments), and it says
nothing about masks, about videos that move, or about injection behind the camera.
"""

import csv
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from shualian.core.database import forbid_in_transaction
from shualian.face.evaluation.manifest import (
    ATTACK,
    BONA_FIDE,
    RECOGNITION_COLUMNS,
    ManifestRow,
    read_manifest,
)
from shualian.face.model import Picture
from shualian.face.pictures import decode_picture, read_picture

FRAME_SIDE_MIN: Final = 480
"""Shorter side of a captured frame in pixels; smaller source pictures are enlarged first."""


class AttackKind(StrEnum):
    """Species of presentation attack instrument, and how it is held."""

    PRINT_SHEET_VISIBLE = "print_sheet_visible"
    PRINT_EDGES_HIDDEN = "print_edges_hidden"
    SCREEN_BEZEL_VISIBLE = "screen_bezel_visible"
    SCREEN_EDGES_HIDDEN = "screen_edges_hidden"


def simulate(picture: Picture, kind: AttackKind, seed: int) -> Picture:
    """The frame that a camera takes of a print or a screen that shows ``picture``.

    Args:
        picture: Of the person who is to be impersonated, upright, BGR.
        kind: The instrument and how it is held.
        seed: Together with picture and kind it determines the result.

    Returns:
        A frame with the proportions of ``picture``, shorter side at least 480 pixels.
    """
    return decode_picture(_attack_jpeg(picture, kind, seed))


def simulate_bona_fide(picture: Picture, seed: int) -> Picture:
    """The untouched picture through the same simulated camera."""
    return decode_picture(_bona_fide_jpeg(picture, seed))


def write_attack_set(manifest: Path, out_dir: Path, seed: int) -> Path:
    """Write one capture of each species, and one bona fide, for every person of a manifest.

    One picture per person, the first that is listed, so that captures are independent.

    Args:
        manifest: Of people, header ``identity,file[,...]``.
        out_dir: Made when missing; files of the same names are replaced. Not inside a repository:
            the pictures show real people.
        seed: Of the whole set.

    Returns:
        The PAD manifest written, header ``file,kind,attack``: kind ``live`` or ``attack``, and the
        species of each attack.

    Raises:
        Refused: ``face.manifest_invalid``, or as :func:`read_picture` for a picture.
    """
    forbid_in_transaction("file I/O")
    people: dict[str, ManifestRow] = {}
    for row in read_manifest(manifest, RECOGNITION_COLUMNS).rows:
        people.setdefault(row.values["identity"], row)
    out_dir.mkdir(parents=True, exist_ok=True)
    written = out_dir / "manifest.csv"
    with written.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("file", "kind", "attack"))
        for number, row in enumerate(people.values()):
            picture = read_picture(row.path)
            for name, kind, species, jpeg in _captures(picture, number, seed):
                (out_dir / name).write_bytes(jpeg)
                lines.writerow((name, kind, species))
    return written


def _captures(picture: Picture, number: int, seed: int) -> Iterator[tuple[str, str, str, bytes]]:
    """File name (of no person), kind, species and JPEG of each capture."""
    yield f"{number:04d}_live.jpg", BONA_FIDE, "", _bona_fide_jpeg(picture, seed)
    for kind in AttackKind:
        jpeg = _attack_jpeg(picture, kind, seed)
        yield f"{number:04d}_{kind.value}.jpg", ATTACK, kind.value, jpeg


# --- light: linear, 0..1, float32, BGR -----------------------------------------------------------

_Light = NDArray[np.float32]
_LINEAR: Final[_Light] = ((np.arange(256) / 255) ** 2.2).astype(np.float32)


def _attack_jpeg(picture: Picture, kind: AttackKind, seed: int) -> bytes:
    random = _random(picture, list(AttackKind).index(kind) + 1, seed)
    light = _linear(_large_enough(picture))
    instrument = _instrument(kind, light, random)
    return _camera(_held(instrument, (light.shape[1], light.shape[0]), random), random)


def _bona_fide_jpeg(picture: Picture, seed: int) -> bytes:
    return _camera(_linear(_large_enough(picture)), _random(picture, 0, seed))


def _random(picture: Picture, stream: int, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream, zlib.crc32(picture.tobytes())])


def _large_enough(picture: Picture) -> Picture:
    scale = FRAME_SIDE_MIN / min(picture.shape[:2])
    if scale <= 1:
        return picture
    enlarged = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return cast("Picture", enlarged)


def _linear(picture: Picture) -> _Light:
    """Undo the sRGB transfer function, approximated by a power of 2.2."""
    return _LINEAR[picture]


def _like(values: Any) -> _Light:
    """What OpenCV returns, as light."""
    return cast("_Light", np.asarray(values, np.float32))


def _blurred(light: _Light, sigma: float) -> _Light:
    return _like(cv2.GaussianBlur(light, (0, 0), sigma))


def _tint(random: np.random.Generator, spread: float) -> _Light:
    return random.normal(1, spread, 3).astype(np.float32)


# --- the instruments -----------------------------------------------------------------------------

_Texture = Callable[[_Light, _Light, _Light], _Light]
"""Fine structure of an instrument: the light without it, and the place of every sensor pixel on
the instrument (x, y, in sensor pixels), to the light with it."""


@dataclass(frozen=True, slots=True)
class _Instrument:
    """A flat thing that shows a face.

    Attributes:
        face: What it shows.
        texture: Dots of ink or display pixels.
        share: Of the frame's sides that it covers, from and to; above 1 its edges are out of view.
        shine: Strength of reflections from its surface.
        surroundings: Brightness of the room behind it, from and to; exposure follows the light.
    """

    face: _Light
    texture: _Texture
    share: tuple[float, float]
    shine: float
    surroundings: tuple[float, float]


_IN_VIEW = (0.62, 0.82)
_OUT_OF_VIEW = (1.15, 1.3)


def _instrument(kind: AttackKind, light: _Light, random: np.random.Generator) -> _Instrument:
    match kind:
        case AttackKind.PRINT_SHEET_VISIBLE:
            sheet = _on_paper(_printed(light, random), random)
            return _Instrument(sheet, _halftone(random), _IN_VIEW, 0.05, (0.8, 1.2))
        case AttackKind.PRINT_EDGES_HIDDEN:
            sheet = _printed(light, random)
            return _Instrument(sheet, _halftone(random), _OUT_OF_VIEW, 0.05, (0.8, 1.2))
        case AttackKind.SCREEN_BEZEL_VISIBLE:
            device = _with_bezel(_shining(light, random), random)
            return _Instrument(device, _sub_pixels(random), _IN_VIEW, 0.12, (0.35, 0.7))
        case AttackKind.SCREEN_EDGES_HIDDEN:
            display = _shining(light, random)
            return _Instrument(display, _sub_pixels(random), _OUT_OF_VIEW, 0.12, (0.35, 0.7))


def _printed(light: _Light, random: np.random.Generator) -> _Light:
    """Inks on paper: less saturation, black that is grey, the paper's white and its fibres.

    Reflectances after common densities of office prints: black 1.2 to 1.5 (0.03 to 0.06), paper
    0.75 to 0.9.
    """
    grey = _like(cv2.cvtColor(light, cv2.COLOR_BGR2GRAY))[..., None]
    muted = grey + (light - grey) * random.uniform(0.68, 0.88)
    spread = _blurred(_like(muted), random.uniform(0.5, 0.9))  # ink runs into the paper
    black, paper = random.uniform(0.03, 0.06), random.uniform(0.75, 0.9) * _tint(random, 0.02)
    fibres = _blurred(random.standard_normal(light.shape[:2], np.float32), 0.8)[..., None]
    return _like((black + (paper - black) * spread) * (1 + 0.025 * fibres))


def _on_paper(print_: _Light, random: np.random.Generator) -> _Light:
    """The print with the unprinted margin of its sheet."""
    margin = round(random.uniform(0.04, 0.09) * min(print_.shape[:2]))
    white = print_.reshape(-1, 3).max(axis=0).tolist()
    sheet = cv2.copyMakeBorder(
        print_, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=white
    )
    return _like(sheet)


_SCREEN_ANGLES = (0.0, 75.0, 15.0)  # degrees of the yellow, magenta and cyan screens, in BGR order


def _halftone(random: np.random.Generator) -> _Texture:
    """Amplitude-modulated dots of each ink, partly resolved by the camera.

    A screen of 133 to 175 lines per inch seen at about 200 to 350 pixels per inch lies near or
    beyond the sensor's limit, so only a faint and aliased pattern is left, strongest in mid-tones.
    """
    lines = random.uniform(0.45, 0.7)  # per sensor pixel
    depth = random.uniform(0.1, 0.35)
    angles = [math.radians(degrees + random.uniform(-3, 3)) for degrees in _SCREEN_ANGLES]

    def texture(light: _Light, x: _Light, y: _Light) -> _Light:
        dots = np.empty_like(light)
        for channel, angle in enumerate(angles):
            u = x * math.cos(angle) + y * math.sin(angle)
            v = y * math.cos(angle) - x * math.sin(angle)
            dots[..., channel] = np.cos(2 * math.pi * lines * u) * np.cos(2 * math.pi * lines * v)
        tone = np.clip(light, 0, 1)
        return _like(light + depth * np.sinc(lines) ** 2 * dots * tone * (1 - tone))

    return texture


def _shining(light: _Light, random: np.random.Generator) -> _Light:
    """A display: its own gamma, a bluish white, backlight in the blacks, faint bands.

    The bands come where the refresh of the display beats with the shutter.
    """
    white = np.array([random.uniform(1.0, 1.15), 1.0, random.uniform(0.86, 0.97)], np.float32)
    leak = random.uniform(0.008, 0.03)
    lit = leak + (1 - leak) * light ** random.uniform(0.9, 1.15)
    rows = np.arange(light.shape[0], dtype=np.float32)[:, None, None]
    period, phase = random.uniform(0.15, 0.6) * light.shape[0], random.uniform(0, 2 * math.pi)
    bands = 1 + random.uniform(0, 0.05) * np.sin(2 * math.pi * rows / period + phase)
    return _like(lit * white * bands * random.uniform(0.85, 1.1))


def _with_bezel(content: _Light, random: np.random.Generator) -> _Light:
    """The dark frame of a phone or tablet; wider above and below."""
    side = round(random.uniform(0.02, 0.06) * content.shape[1])
    end = round(random.uniform(0.04, 0.14) * content.shape[0])
    glass = [random.uniform(0.004, 0.02)] * 3
    framed = cv2.copyMakeBorder(content, end, end, side, side, cv2.BORDER_CONSTANT, value=glass)
    return _like(framed)


def _sub_pixels(random: np.random.Generator) -> _Texture:
    """Red, green and blue stripes and rows, averaged over each sensor pixel and sampled.

    The stripes of colour c are ``1 + m cos(2 pi (f x - c/3))``; a sensor pixel's square aperture
    leaves ``sinc(f)`` of ``m``. Taken at whole pixels, frequencies beyond half a cycle fold back by
    themselves: the coloured bands of moire.
    """
    pixels = random.uniform(0.55, 1.15)  # of the display per sensor pixel
    depth = 0.85 * abs(float(np.sinc(pixels)))

    def texture(light: _Light, x: _Light, y: _Light) -> _Light:
        rows = 1 + 0.35 * depth * np.cos(2 * math.pi * pixels * y)
        stripes = [
            1 + depth * np.cos(2 * math.pi * (pixels * x - channel / 3)) for channel in range(3)
        ]
        return _like(light * np.stack(stripes, axis=-1) * rows[..., None])

    return texture


# --- held in a room ------------------------------------------------------------------------------


def _held(instrument: _Instrument, frame: tuple[int, int], random: np.random.Generator) -> _Light:
    """The instrument in perspective before a room, with its shadow, slope and reflections.

    Args:
        instrument: What is held.
        frame: Width and height of what the camera sees.
        random: Where it is held.
    """
    face = _to_scale(instrument, frame, random)
    matrix = cv2.getPerspectiveTransform(_outline(face), _corners(face, frame, random))
    room = _room(frame, random) * random.uniform(*instrument.surroundings)
    shade = np.ones(face.shape[:2], np.float32)
    cover = _like(cv2.warpPerspective(shade, matrix, frame))[..., None]
    seen = _like(cv2.warpPerspective(face * _slope(face.shape, random), matrix, frame))
    seen = instrument.texture(seen, *_places(matrix, frame))
    seen += cover * _reflections(frame, instrument.shine, random)
    shadow = _blurred(_like(np.roll(cover[..., 0], (9, 6), (0, 1))), 9)[..., None]
    return _like(seen + room * (1 - 0.35 * shadow) * (1 - cover))


def _to_scale(
    instrument: _Instrument, frame: tuple[int, int], random: np.random.Generator
) -> _Light:
    """The face of the instrument at the size at which the camera sees it."""
    height, width = instrument.face.shape[:2]
    ratios = frame[0] / width, frame[1] / height
    fits = min(ratios) if instrument.share[1] < 1 else max(ratios)
    scale = random.uniform(*instrument.share) * fits
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return _like(cv2.resize(instrument.face, None, fx=scale, fy=scale, interpolation=method))


def _outline(face: _Light) -> _Light:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return square * np.array([face.shape[1] - 1, face.shape[0] - 1], np.float32)


def _corners(face: _Light, frame: tuple[int, int], random: np.random.Generator) -> _Light:
    """Where the four corners come to lie: a little tilted, rolled and off the middle."""
    size = np.array([face.shape[1], face.shape[0]], np.float64)
    spare = np.abs(np.array(frame) - size)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    in_view = size[0] < frame[0]
    depth = 1 + square @ random.uniform(-1, 1, 2) * (0.05 if in_view else 0.03)
    roll = math.radians(random.uniform(-1, 1) * (4.0 if in_view else 1.0))
    turn = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
    middle = np.array(frame) / 2 + random.uniform(-0.2, 0.2, 2) * spare
    return _like(square * size / 2 @ turn / depth[:, None] + middle)


def _places(matrix: NDArray[Any], frame: tuple[int, int]) -> tuple[_Light, _Light]:
    """The place on the instrument that each sensor pixel looks at."""
    x, y = _coordinates(frame)
    back = np.linalg.inv(matrix)
    depth = back[2, 0] * x + back[2, 1] * y + back[2, 2]
    across = (back[0, 0] * x + back[0, 1] * y + back[0, 2]) / depth
    down = (back[1, 0] * x + back[1, 1] * y + back[1, 2]) / depth
    return _like(across), _like(down)


def _slope(shape: tuple[int, ...], random: np.random.Generator) -> _Light:
    """Light that falls unevenly on a sheet or screen that is bent or tilted a little."""
    a, b, bend = random.uniform(-0.12, 0.12, 3)
    across = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)
    down = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None]
    return _like((1 + a * across + b * down + bend * (4 * across**2 - 0.33))[..., None])


_COARSE = 4  # soft things are drawn this much smaller and enlarged


def _reflections(frame: tuple[int, int], shine: float, random: np.random.Generator) -> _Light:
    """A lamp's soft highlight and a faint mirror image of the room in front."""
    width, height = frame[0] // _COARSE, frame[1] // _COARSE
    x, y = _coordinates((width, height))
    centre_x, centre_y = random.uniform(0, 1, 2)
    size_x, size_y = random.uniform(0.12, 0.4, 2)
    away = ((x / width - centre_x) / size_x) ** 2 + ((y / height - centre_y) / size_y) ** 2
    lamp = random.uniform(0, 2 * shine) * np.exp(-away)
    mirrored = random.uniform(0, 0.4 * shine) * _room(frame, random)
    return _like(cv2.resize(lamp, frame)[..., None] + mirrored)


def _room(frame: tuple[int, int], random: np.random.Generator) -> _Light:
    """A room out of focus: a wall that gets darker to one side, and things before it."""
    width, height = frame[0] // _COARSE, frame[1] // _COARSE
    wall = random.uniform(0.2, 0.6) * _tint(random, 0.05)
    fall = 1 + random.uniform(-0.4, 0.4) * np.linspace(-0.5, 0.5, width)
    room = _like(np.broadcast_to(fall[:, None] * wall, (height, width, 3)).copy())
    for _thing in range(int(random.integers(3, 7))):
        left, top = random.uniform(-0.2, 0.9, 2) * (width, height)
        across, down = random.uniform(0.1, 0.5, 2) * (width, height)
        colour = (random.uniform(0.03, 0.6) * _tint(random, 0.15)).clip(0, 1).tolist()
        corner = (round(left + across), round(top + down))
        cv2.rectangle(room, (round(left), round(top)), corner, colour, -1)
    soft = _blurred(room, random.uniform(3, 9) / _COARSE)
    return _like(cv2.resize(soft, frame, interpolation=cv2.INTER_LINEAR))


def _coordinates(frame: tuple[int, int]) -> tuple[_Light, _Light]:
    width, height = frame
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y


# --- the camera ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Camera:
    """One camera and its settings, drawn anew for each capture."""

    blur: float
    exposure: float
    white: _Light
    shot_noise: float
    read_noise: float
    sharpening: float
    quality: int

    @classmethod
    def drawn(cls, random: np.random.Generator) -> "_Camera":
        return cls(
            blur=random.uniform(0.45, 0.9),
            exposure=random.uniform(0.85, 1.1),
            white=_tint(random, 0.025),
            shot_noise=random.uniform(2e-4, 8e-4),
            read_noise=random.uniform(1e-3, 4e-3),
            sharpening=random.uniform(0.1, 0.5),
            quality=int(random.integers(72, 92)),
        )


def _camera(light: _Light, random: np.random.Generator) -> bytes:
    """Lens, sensor noise (its variance grows with the light), sharpening, sRGB and JPEG."""
    camera = _Camera.drawn(random)
    seen = np.clip(_blurred(light, camera.blur) * camera.exposure * camera.white, 0, 1.2)
    deviation = np.sqrt(camera.shot_noise * seen + camera.read_noise**2)
    noisy = seen + deviation * random.standard_normal(light.shape, np.float32)
    encoded = 255 * np.clip(noisy, 0, 1) ** (1 / 2.2)
    sharpened = encoded + camera.sharpening * (encoded - _blurred(_like(encoded), 1.2))
    frame = np.clip(sharpened, 0, 255).round().astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
    return jpeg.tobytes()
