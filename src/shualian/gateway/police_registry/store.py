"""The key of a stand-in as it was seen first: one small file, in the sandbox only."""

from pathlib import Path

from shualian.core.database import forbid_in_transaction
from shualian.core.refusals import Refused
from shualian.gateway.police_registry.model import (
    REGISTRY_KEY_CHANGED,
    parse_public_key,
    public_key_text,
)
from shualian.trust.keys import read_private_file, write_private_file
from shualian.trust.signatures import PublicKey


class NotedKey:
    """A file of one line, ``algorithm:hexadecimal point``, that is written once."""

    def __init__(self, file: Path) -> None:
        """Use ``file``; its folder exists."""
        self._file = file

    def read(self) -> PublicKey | None:
        """The key that was noted; none before the first use.

        Raises:
            Refused: ``gateway.registry_key_invalid``, ``trust.key_exposed``.
        """
        forbid_in_transaction("the file of the registry's key")
        if not self._file.exists():
            return None
        return parse_public_key(read_private_file(self._file).decode("ascii", "replace"))

    def keep(self, key: PublicKey) -> PublicKey:
        """Note the key, or compare it with the one that is noted.

        Raises:
            Refused: ``gateway.registry_key_changed``, and as :meth:`read`.
        """
        noted = self.read()
        if noted is None:
            write_private_file(self._file, (public_key_text(key) + "\n").encode("ascii"))
        elif noted != key:
            raise Refused(REGISTRY_KEY_CHANGED)
        return key
