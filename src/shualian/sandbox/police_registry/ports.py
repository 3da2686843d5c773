"""What the stand-in of the police registry needs from outside."""

from typing import Protocol

from shualian.face.model import Measurement, Picture, Purpose


class Engine(Protocol):
    """The face engine as the stand-in uses it."""

    @property
    def path_id(self) -> str:
        """Names the operational path of its embeddings."""
        ...

    def measure(self, frame: Picture, purpose: Purpose = ...) -> Measurement:
        """All that a comparison needs of one picture.

        Raises:
            Refused: ``face.no_face``.
        """
        ...
