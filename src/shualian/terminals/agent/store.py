"""The agent's folder: its keys, readable by their owner only, and what it knows of itself."""

import json
import os
import secrets
from pathlib import Path

from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import TerminalId
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.terminals.agent.model import AGENT_FOLDER_WRONG, AGENT_NOT_ENROLLED, AgentIdentity
from shualian.terminals.register.model import PlaceId
from shualian.trust.keys import sync_folder
from shualian.trust.signatures import Algorithm, SigningKey

_IDENTITY = "terminal.json"
_IDENTITY_BYTES_MAX = 4_096


class AgentFolder:
    """A folder of mode 0700 with key files of mode 0600.

    A key that waits for its enrolment or rotation is kept as well, so that a lost answer can be
    asked for again with the same key.
    """

    def __init__(self, folder: Path, *, mode: Mode) -> None:
        """Use ``folder``, which is made when it is missing."""
        forbid_in_transaction("the agent's folder")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._mode = mode

    def new_key(self, algorithm: Algorithm) -> tuple[str, SigningKey]:
        """Make a key and keep it under a name of its own."""
        key = SigningKey.generate(algorithm)
        name = f"{secrets.token_hex(8)}.key"
        key.save(self._folder / name, mode=self._mode)
        return name, key

    def waiting_key(self, algorithm: Algorithm) -> tuple[str, SigningKey]:
        """The key that was made and not answered for yet; a new one when there is none.

        Raises:
            Refused: When a key file cannot be read.
        """
        present = self.identity().key_file if self.is_enrolled() else None
        for file in sorted(self._folder.glob("*.key")):
            if file.name != present:
                key = SigningKey.load(file, mode=self._mode)
                if key.public_key.algorithm is algorithm:
                    return file.name, key
        return self.new_key(algorithm)

    def is_enrolled(self) -> bool:
        """Whether an enrolment was answered."""
        return (self._folder / _IDENTITY).exists()

    def identity(self) -> AgentIdentity:
        """What the agent knows of itself.

        Raises:
            Refused: ``terminals.agent_not_enrolled``, ``terminals.agent_folder_wrong``.
        """
        if not self.is_enrolled():
            raise Refused(AGENT_NOT_ENROLLED)
        try:
            with (self._folder / _IDENTITY).open("rb") as file:
                known = json.loads(file.read(_IDENTITY_BYTES_MAX))
            return AgentIdentity(
                TerminalId(str(known["terminal_id"])),
                PlaceId(str(known["place_id"])),
                Path(str(known["key_file"])).name,
            )
        except (OSError, ValueError, KeyError, TypeError):
            raise Refused(AGENT_FOLDER_WRONG, item=_IDENTITY) from None

    def key(self) -> SigningKey:
        """The present key.

        Raises:
            Refused: As :meth:`identity`; and when the key file cannot be read.
        """
        return SigningKey.load(self._folder / self.identity().key_file, mode=self._mode)

    def keep(self, identity: AgentIdentity) -> None:
        """Note an answered enrolment or rotation, and destroy every other key."""
        unfinished = self._folder / f"{secrets.token_hex(8)}.tmp"
        known = {
            "terminal_id": identity.terminal_id,
            "place_id": identity.place_id,
            "key_file": identity.key_file,
        }
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(known, file)
            file.flush()
            os.fsync(descriptor)
        unfinished.rename(self._folder / _IDENTITY)
        sync_folder(self._folder)
        for key_file in self._folder.glob("*.key"):
            if key_file.name != identity.key_file:
                key_file.unlink()

    def drop_key(self, name: str) -> None:
        """Destroy a key that waits and will never be answered for."""
        (self._folder / name).unlink()
