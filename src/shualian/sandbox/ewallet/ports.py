"""What the stand-in of the e-wallet needs from outside."""

from collections.abc import Mapping
from typing import Protocol


class Post(Protocol):
    """How a notification leaves."""

    def send(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> bool:
        """Send it; whether it was taken (status 204). Never raises and never waits long."""
        ...
