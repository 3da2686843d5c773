"""Simulated people before a camera, who see the prompts and follow them, or do not.

Their faces are pictures in small motion (:mod:`shualian.sandbox.player`), so what they show is
plumbing and no error rate.
"""

from collections.abc import Callable, Iterator

from shualian.face.liveness.challenge import Turn
from shualian.face.model import Picture
from shualian.sandbox.player import Actor, FaceVideo, encode_frame
from shualian.verification.captures.model import SeenMessage

TURNED = 32.0
"""Degrees to which a head is turned that was asked to turn."""
DEGREES_A_FRAME = 16.0
"""As fast as a head turns at a terminal's frame rate."""
_YAW = {Turn.LEFT: TURNED, Turn.RIGHT: -TURNED, Turn.BACK: 0.0}
_OPPOSITE = {Turn.LEFT: Turn.RIGHT, Turn.RIGHT: Turn.LEFT, Turn.BACK: Turn.BACK}
_FRAMES = 1000
_JPEG_QUALITY = 90

Habit = Callable[[Turn | None], Turn | None]
"""What somebody does who is asked to turn."""


def obeys(asked: Turn | None) -> Turn | None:
    """Does what is asked."""
    return asked


def turns_the_wrong_way(asked: Turn | None) -> Turn | None:
    """Mistakes left for right."""
    return None if asked is None else _OPPOSITE[asked]


def does_nothing(_: Turn | None) -> Turn | None:
    """Looks at the screen."""
    return None


class Person:
    """Somebody before the camera: called with the last answer, gives the next frame.

    Attributes:
        shown: Every frame that was given, to be played again.
    """

    def __init__(
        self,
        actor: Actor,
        habit: Habit = obeys,
        *,
        held: Callable[[Picture], Picture] = lambda frame: frame,
        each: Callable[[], None] = lambda: None,
        seed: int = 7,
        degrees_a_frame: Callable[[], float] = lambda: DEGREES_A_FRAME,
    ) -> None:
        """Stand there.

        Args:
            actor: Whose face.
            habit: How prompts are answered.
            held: What is between the face and the camera.
            each: Done before each frame: the time that goes by.
            seed: Of motion and noise.
            degrees_a_frame: How far the head turns at most until the next frame.
        """
        self.shown: list[bytes] = []
        self._habit = habit
        self._held = held
        self._each = each
        self._seed = seed
        self._degrees_a_frame = degrees_a_frame
        self._wanted = 0.0
        self._yaw = 0.0
        self._frames = self._video(actor)

    def becomes(self, actor: Actor) -> None:
        """Somebody else steps into the same place."""
        self._frames = self._video(actor)

    def __call__(self, seen: SeenMessage | None) -> bytes:
        """The next frame as JPEG."""
        self._each()
        asked = self._habit(seen.prompt if seen is not None else None)
        self._wanted = _YAW[asked or Turn.BACK]
        self.shown.append(encode_frame(self._held(next(self._frames)), _JPEG_QUALITY))
        return self.shown[-1]

    def _video(self, actor: Actor) -> Iterator[Picture]:
        return FaceVideo(actor, seed=self._seed, yaw_at=self._turn).frames(_FRAMES)

    def _turn(self, _seconds: float) -> float:
        most = self._degrees_a_frame()
        step = max(-most, min(most, self._wanted - self._yaw))
        self._yaw += step
        return self._yaw
