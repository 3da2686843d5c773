"""What erasing needs from outside: the stores."""

from typing import Protocol

from shualian.core.identifiers import PersonNo
from shualian.insurer.erasures.model import StoreName


class FaceStore(Protocol):
    """One place where something about a person's face may be: rows, an index, a cache."""

    @property
    def name(self) -> StoreName:
        """Which place it is."""
        ...

    def count(self, psn_no: PersonNo) -> int:
        """How many entries of the person are in it now."""
        ...

    def erase(self, psn_no: PersonNo) -> int:
        """Delete every entry of the person and give how many; repeating it is harmless.

        When it returns, nothing of the person can be reached in this store. It has its own
        transaction and is called outside any.

        Raises:
            Refused: When it could not be done; it will be tried again.
        """
        ...
