"""Face videos made from one still picture by small motion: simulated, they prove plumbing only.

A person in front of a terminal breathes, sways and blinks, and light plays on a head that has
depth. Here a flat picture is moved, turned by a rough model of a head's depth, and given a camera's
noise. That is enough to run detection, hints, liveness, comparison and transport from end to end,
and no evidence at all about how well any of them works on people.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from shualian.face.model import Box, Picture
from shualian.sandbox.samples import SamplePicture

WIDTH: Final = 640
HEIGHT: Final = 480
FRAMES_PER_SECOND: Final = 15
FACE_SHARE: Final = 0.375
"""Height of the face by the height of the frame: at most 0.4, so that passive liveness sees what
is around the face."""

_MARGIN = 80
_CANVAS = (WIDTH + 2 * _MARGIN, HEIGHT + 2 * _MARGIN)
_TURNED_DEGREES = 32.0


class Scene(StrEnum):
    """What the camera sees."""

    GOOD = "good"
    DARK = "dark"
    BACK_LIT = "back_lit"
    FAR = "far"
    CLOSE = "close"
    OFF_CENTRE = "off_centre"
    MOVING = "moving"
    TURNED = "turned"
    TWO_PEOPLE = "two_people"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Actor:
    """A picture of a person and where the face is in it, in pixels."""

    picture: Picture
    face: Box

    @classmethod
    def of(cls, sample: SamplePicture) -> "Actor":
        """The person of a sample picture."""
        return cls(sample.picture(), sample.sample.face)


YawAt = Callable[[float], float]
"""Degrees that the head is turned (sign as in ``Pose``) at a time in seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceVideo:
    """A simulated video of 640 x 480 at 15 frames a second; the same seed gives the same frames.

    Attributes:
        actor: Who is seen.
        scene: How; ``TWO_PEOPLE`` needs a ``bystander``.
        seed: Of motion and noise; ``str()`` names it, and whoever plays the video prints that.
        yaw_at: How the head turns, see :func:`turning`.
        bystander: The second person.
    """

    actor: Actor
    scene: Scene = Scene.GOOD
    seed: int = 0
    yaw_at: YawAt | None = None
    bystander: Actor | None = None

    def __str__(self) -> str:
        return f"simulated face video, scene {self.scene.value}, seed {self.seed}"

    def frames(self, count: int) -> Iterator[Picture]:
        """The first ``count`` frames.

        Raises:
            ValueError: If the scene needs a second person and there is none.
        """
        random = np.random.default_rng(self.seed)
        canvas, head = _stage(self)
        light = _LIGHT.get(self.scene, _daylight)(canvas, head)
        motion = _Motion.drawn(random, restless=self.scene is Scene.MOVING)
        yaw_at = self.yaw_at or _steady(_TURNED_DEGREES if self.scene is Scene.TURNED else 0.0)
        noise = _noise_tile(random)
        for index in range(count):
            seconds = index / FRAMES_PER_SECOND
            turned = turn_head(light, head, yaw_at(seconds))
            seen = motion.seen(turned, head.centre, seconds)
            yield _sensor(seen, noise, random, motion.gain(seconds))

    def encoded_frames(self, count: int) -> Iterator[bytes]:
        """The first ``count`` frames as JPEG, as a terminal sends them."""
        return (encode_frame(frame) for frame in self.frames(count))


def encode_frame(frame: Picture, quality: int = 80) -> bytes:
    """A frame as JPEG of ``quality`` 0..100."""
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def turning(angles: Sequence[float], seconds_each: float = 1.5) -> YawAt:
    """A head that looks straight for a while and then turns to each of ``angles`` in turn.

    Each takes ``seconds_each``: the first 60 % to turn there evenly, the rest to stay; after the
    last one the head stays as it is.
    """
    stops = (0.0, *angles)

    def yaw_at(seconds: float) -> float:
        steps = max(0.0, seconds / seconds_each - 0.5)
        before = min(int(steps), len(stops) - 1)
        after = min(before + 1, len(stops) - 1)
        done = min(1.0, (steps - before) / 0.6) if before < len(stops) - 1 else 0.0
        eased = (1 - math.cos(math.pi * done)) / 2
        return stops[before] + (stops[after] - stops[before]) * eased

    return yaw_at


def turn_head(canvas: Picture, head: Box, yaw: float) -> Picture:
    """The picture with the head turned by ``yaw`` degrees (-35..35 look right), the rest as it is.

    The head is a paraboloid with a nose; a point at (x, depth) goes to ``x cos + depth sin``. The
    far cheek is squeezed and the near one stretched; nothing that was hidden comes into sight. Pose
    estimation sees about 0.8 of the angle, more or less by picture.
    """
    if yaw == 0:
        return canvas
    reach = 1.4
    radius_x, radius_y = head.width * 0.72, head.height * 0.72
    centre_x, centre_y = head.centre
    left, right = _span(centre_x, radius_x * reach, canvas.shape[1])
    top, bottom = _span(centre_y, radius_y * reach, canvas.shape[0])
    u, v = np.meshgrid(
        (np.arange(left, right, dtype=np.float32) - centre_x) / radius_x,
        (np.arange(top, bottom, dtype=np.float32) - centre_y) / radius_y,
    )
    source = _before_turn(u, v, math.radians(yaw), reach) * radius_x + centre_x
    rows = v * radius_y + centre_y
    turned = canvas.copy()
    turned[top:bottom, left:right] = cv2.remap(
        canvas, source, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return turned


_Grid = NDArray[np.float32]
_Pixels = NDArray[Any]
"""Any picture or mask as OpenCV types it."""


def _span(centre: float, reach: float, end: int) -> tuple[int, int]:
    return max(0, math.floor(centre - reach)), min(end, math.ceil(centre + reach))


def _before_turn(u: _Grid, v: _Grid, angle: float, reach: float) -> _Grid:
    """Where the points seen at (u, v) were before the turn, by damped fixed-point iteration."""
    source = u
    for _ in range(12):
        distance = np.sqrt(source**2 + v**2)
        fade = np.clip((reach - distance) / (reach - 1.0), 0, 1)
        fade = fade * fade * (3 - 2 * fade)
        depth = _depth(source, v) * math.sin(angle)
        wanted = u - fade * (depth + source * (math.cos(angle) - 1))
        source = (0.5 * (source + wanted)).astype(np.float32)
    return source


def _depth(u: _Grid, v: _Grid) -> _Grid:
    """Depth of a head by its half width; the nose tip lies a little below the middle."""
    skull = 0.75 * np.maximum(0, 1 - u**2 - v**2)
    nose = 0.22 * np.exp(-(u**2 + (0.7 * (v - 0.12)) ** 2) / (2 * 0.18**2))
    return cast("_Grid", skull + nose)


# --- the stage: one canvas a little larger than the frame ----------------------------------------


def _stage(video: FaceVideo) -> tuple[Picture, Box]:
    """The canvas and where the first person's head is on it."""
    if video.scene is Scene.NOBODY:
        return _waiting_room(), _face_box(0.5, FACE_SHARE)
    if video.scene is Scene.TWO_PEOPLE:
        if video.bystander is None:
            raise ValueError("two people need a bystander")
        return _side_by_side(video.actor, video.bystander)
    across, share = {
        Scene.FAR: (0.5, 0.16),
        Scene.CLOSE: (0.5, 0.8),
        Scene.OFF_CENTRE: (0.83, FACE_SHARE),
    }.get(video.scene, (0.5, FACE_SHARE))
    head = _face_box(across, share)
    return _placed(video.actor, head), _fitted(video.actor, head)


def _face_box(across: float, share: float) -> Box:
    """A face of ``share`` of the frame's height at ``across`` of its width, on the canvas."""
    height = share * HEIGHT
    width = height * 0.75
    x = _MARGIN + across * WIDTH - width / 2
    return Box(x, _MARGIN + 0.48 * HEIGHT - height / 2, width, height)


def _fitted(actor: Actor, head: Box) -> Box:
    """``head`` with the proportions of the actor's face."""
    width = head.height * actor.face.width / actor.face.height
    return Box(head.centre[0] - width / 2, head.y, width, head.height)


def _placed(actor: Actor, head: Box) -> Picture:
    """The actor's picture scaled and shifted so that the face lies on ``head``.

    Where the picture ends, its edge is carried on and blurred: a sharp edge would be the edge of
    a sheet, and passive liveness looks for that.
    """
    scale = head.height / actor.face.height
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(actor.picture, None, fx=scale, fy=scale, interpolation=interpolation)
    shift_x = head.centre[0] - actor.face.centre[0] * scale
    shift_y = head.centre[1] - actor.face.centre[1] * scale
    matrix = np.array([[1, 0, shift_x], [0, 1, shift_y]])
    canvas = cv2.warpAffine(scaled, matrix, _CANVAS, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(scaled.shape[:2], np.float32), matrix, _CANVAS)
    feather = 2 * round(head.width / 4) + 1
    inside = np.clip(2 * cv2.blur(inside, (feather, feather)) - 1, 0, 1)
    return _blend(canvas, cv2.GaussianBlur(canvas, (0, 0), 25), inside)


def _side_by_side(left: Actor, right: Actor) -> tuple[Picture, Box]:
    """Two people, the second a little further away, joined where neither of them is."""
    head, other = _face_box(0.3, 0.3), _face_box(0.72, 0.27)
    x = np.arange(_CANVAS[0], dtype=np.float32)
    share = np.clip((_MARGIN + 0.51 * WIDTH - x) / 60 + 0.5, 0, 1)
    mask = np.broadcast_to(share, _CANVAS[::-1])
    return _blend(_placed(left, head), _placed(right, other), mask), _fitted(left, head)


def _waiting_room() -> Picture:
    """A wall, a door and a row of chairs, out of focus."""
    width, height = _CANVAS
    room = np.full((height, width, 3), (196, 204, 206), np.uint8)
    cv2.rectangle(room, (0, int(0.8 * height)), (width, height), (128, 138, 146), -1)
    cv2.rectangle(
        room,
        (int(0.62 * width), int(0.22 * height)),
        (int(0.8 * width), height),
        (96, 122, 150),
        -1,
    )
    for chair in range(3):
        x = int((0.06 + 0.17 * chair) * width)
        cv2.rectangle(room, (x, int(0.6 * height)), (x + 90, int(0.84 * height)), (140, 92, 60), -1)
    return cast("Picture", cv2.GaussianBlur(room, (0, 0), 6))


def _blend(front: _Pixels, back: _Pixels, mask: _Pixels) -> Picture:
    """``front`` where the mask is 1, ``back`` where it is 0."""
    weight = mask[..., None]
    blended = front * weight + back * (1 - weight)
    return cast("Picture", blended.round().astype(np.uint8))


# --- light, motion, camera -----------------------------------------------------------------------


def _daylight(canvas: Picture, _head: Box) -> Picture:
    return canvas


def _darkness(canvas: Picture, _head: Box) -> Picture:
    return (canvas * 0.17).astype(np.uint8)


def _window_behind(canvas: Picture, head: Box) -> Picture:
    """Everything but a head and shoulders drowned in light, the person in shadow."""
    person: _Pixels = np.zeros(canvas.shape[:2], np.float32)
    x, y = (round(value) for value in head.centre)
    axes = (round(head.width * 0.75), round(head.height * 0.8))
    cv2.ellipse(person, (x, y - axes[1] // 10), axes, 0, 0, 360, 1.0, -1)
    shoulders = (round(head.width * 1.7), round(head.height * 1.2))
    cv2.ellipse(person, (x, y + round(head.height * 1.75)), shoulders, 0, 0, 360, 1.0, -1)
    person = cv2.GaussianBlur(person, (0, 0), 6)
    shadow = (canvas * 0.2).astype(np.uint8)
    window = np.clip(canvas * 0.25 + 190, 0, 255).astype(np.uint8)
    return _blend(shadow, window, person)


_LIGHT: Final[dict[Scene, Callable[[Picture, Box], Picture]]] = {
    Scene.DARK: _darkness,
    Scene.BACK_LIT: _window_behind,
}


def _steady(yaw: float) -> YawAt:
    return lambda _seconds: yaw


@dataclass(frozen=True, slots=True)
class _Motion:
    """Slow swaying: of each movement amplitude, frequency in Hz and phase."""

    sway_x: tuple[float, float, float]
    sway_y: tuple[float, float, float]
    roll: tuple[float, float, float]
    size: tuple[float, float, float]
    light: tuple[float, float, float]
    exposure_steps: int

    @classmethod
    def drawn(cls, random: np.random.Generator, *, restless: bool) -> "_Motion":
        def wave(amplitude: float, hertz: float) -> tuple[float, float, float]:
            return amplitude, hertz * random.uniform(0.8, 1.2), random.uniform(0, 2 * math.pi)

        return cls(
            sway_x=wave(60.0, 1.2) if restless else wave(5.0, 0.25),
            sway_y=wave(3.0, 0.3),
            roll=wave(1.2, 0.2),
            size=wave(0.015, 0.3),
            light=wave(0.02, 0.1),
            exposure_steps=6 if restless else 1,
        )

    def seen(self, canvas: Picture, centre: tuple[float, float], seconds: float) -> Picture:
        """What falls on the sensor while the shutter is open (1/25 s when motion matters)."""
        moments = seconds + np.linspace(0, 0.04, self.exposure_steps)
        views = [self._view(canvas, centre, moment) for moment in moments]
        if len(views) == 1:
            return views[0]
        return cast("Picture", np.mean(views, axis=0).astype(np.uint8))

    def gain(self, seconds: float) -> float:
        """Brightness at a moment, around 1."""
        return 1 + _wave(self.light, seconds)

    def _view(self, canvas: Picture, centre: tuple[float, float], seconds: float) -> Picture:
        matrix = cv2.getRotationMatrix2D(
            centre, _wave(self.roll, seconds), 1 + _wave(self.size, seconds)
        )
        matrix[0, 2] += _wave(self.sway_x, seconds) - _MARGIN
        matrix[1, 2] += _wave(self.sway_y, seconds) - _MARGIN
        view = cv2.warpAffine(
            canvas, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return cast("Picture", view)


def _wave(wave: tuple[float, float, float], seconds: float) -> float:
    amplitude, hertz, phase = wave
    return amplitude * math.sin(2 * math.pi * hertz * seconds + phase)


def _noise_tile(random: np.random.Generator) -> _Grid:
    """Sensor noise of 2 grey levels, larger than a frame, of which each frame takes a piece."""
    shape = (HEIGHT + 2 * _MARGIN, WIDTH + 2 * _MARGIN, 3)
    return 2 * random.standard_normal(shape, np.float32)


def _sensor(seen: Picture, noise: _Grid, random: np.random.Generator, gain: float) -> Picture:
    x, y = random.integers(0, 2 * _MARGIN, 2)
    noisy = seen * np.float32(gain) + noise[y : y + HEIGHT, x : x + WIDTH]
    return cast("Picture", np.clip(noisy, 0, 255).round().astype(np.uint8))
