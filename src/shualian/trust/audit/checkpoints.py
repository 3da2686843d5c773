"""The second place as a folder: one file of JSON lines per chain, written by appending only.

On the same disk as the database it only guards against whoever reaches the database alone. Put it
on another machine's share that this account can only append to, or copy it there continually.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shualian.core.database import forbid_in_transaction
from shualian.core.refusals import Refused
from shualian.trust.audit.model import AUDIT_PLACE_UNAVAILABLE, is_chain_name
from shualian.trust.keys import sync_folder

CHECKPOINTS_FOLDER = "audit-checkpoints"
"""Where checkpoints lie in the data folder as long as no second place is set."""

_SUFFIX = ".jsonl"


class CheckpointFolder:
    """A :class:`CheckpointPlace` over a folder that exists."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``, which the operator has made: a missing mount must not pass for it."""
        self._folder = folder

    def append(self, chain: str, line: bytes) -> None:
        """See :meth:`CheckpointPlace.append`; processes take turns by a lock on the file."""
        forbid_in_transaction("writing a checkpoint")
        with self._available():
            descriptor = os.open(
                self._file(chain), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _drop_unfinished(descriptor)
                _write_all(descriptor, line + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(self._folder)

    def lines(self, chain: str) -> list[bytes]:
        """See :meth:`CheckpointPlace.lines`; a line without its line feed was never finished."""
        forbid_in_transaction("reading checkpoints")
        file = self._file(chain)
        with self._available():
            content = file.read_bytes() if file in self._folder.iterdir() else b""
        return content.split(b"\n")[:-1]

    def everything(self) -> dict[str, list[bytes]]:
        """See :meth:`CheckpointPlace.everything`."""
        with self._available():
            # Not glob(), to which a folder that is not there is an empty one.
            files = [file for file in self._folder.iterdir() if file.suffix == _SUFFIX]
        return {file.stem: self.lines(file.stem) for file in files if is_chain_name(file.stem)}

    def _file(self, chain: str) -> Path:
        if not is_chain_name(chain):
            raise ValueError("not the name of a chain")
        return self._folder / f"{chain}{_SUFFIX}"

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except OSError as failure:
            reason = failure.strerror or type(failure).__name__
            raise Refused(AUDIT_PLACE_UNAVAILABLE, found=reason) from failure


def _drop_unfinished(descriptor: int) -> None:
    """Cut what a power failure left of a line, so that the next one stands alone."""
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finished = content.rfind(b"\n") + 1
    if finished < len(content):
        os.ftruncate(descriptor, finished)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
