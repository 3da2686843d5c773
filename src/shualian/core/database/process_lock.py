"""A lock file that one process holds for as long as it lives."""

import fcntl
import os
from pathlib import Path

from shualian.core.database.refusals import DATABASE_IN_USE
from shualian.core.refusals import Refused


class ProcessLock:
    """Holds ``path`` locked until :meth:`release` or the end of the process, however it ends.

    The kernel frees the lock with the process (flock(2)), so a file left behind locks nobody out;
    it is never deleted, because a deleted lock file can be held twice.
    """

    def __init__(self, path: Path) -> None:
        """Lock ``path``, made when it is missing.

        Raises:
            Refused: ``core.database_in_use`` with the number of the process that holds it.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip()
            os.close(self._file)
            raise Refused(DATABASE_IN_USE, lock=str(path), process=holder) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Free the lock."""
        os.close(self._file)
