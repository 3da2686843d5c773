"""How many serializable writes of a process are under way at once.

Those that touch the same pages of an index break each other off, and running one again costs more
than waiting for the other. So each conflict halves the number, and each calm stretch adds one
(additive increase, multiplicative decrease: Chiu and Jain, Computer Networks and ISDN Systems 17,
1989).
"""

import threading
from collections.abc import Callable

CALM_WRITES = 200
"""So many writes without a conflict before one more goes abreast. Our own choice."""


class Abreast:
    """Places for serializable writes of one process."""

    def __init__(self, most: int) -> None:
        """At first so many may be under way at once."""
        self._most = most
        self._allowed = most
        self._under_way = 0
        self._open = True
        self._calm = 0
        self._changed = threading.Condition()

    def enter(self) -> Callable[[], None]:
        """Wait for a place; gives what leaves it, once, however often it is called."""
        with self._changed:
            self._changed.wait_for(lambda: self._open and self._under_way < self._allowed)
            self._under_way += 1
        left = False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                with self._changed:
                    self._under_way -= 1
                    self._changed.notify_all()

        return leave

    def close(self) -> None:
        """Let nobody in: somebody inside has met others again and again."""
        with self._changed:
            self._open = False

    def open(self) -> None:
        """Let people in again."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def met(self) -> None:
        """Two have met: fewer from now on."""
        with self._changed:
            self._allowed = max(1, self._allowed // 2)
            self._calm = 0

    def passed(self) -> None:
        """One has met nobody."""
        with self._changed:
            self._calm += 1
            if self._calm >= CALM_WRITES and self._allowed < self._most:
                self._allowed += 1
                self._calm = 0
                self._changed.notify_all()
