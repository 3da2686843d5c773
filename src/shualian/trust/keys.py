"""Where keys come from: files of one folder, one folder in it per purpose, newest key current.

A file holds one key, is named after it and says what it is for, so that a key that was damaged,
renamed, put under another purpose or carried from the sandbox into production is refused when it
is read. Nothing is proven about who could read the disk: keys at rest are as safe as the folder
(file mode 0600). An HSM or a key service stands behind :class:`KeyProvider` later.
"""

import fcntl
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.trust.model import (
    KEY_BYTES,
    KEY_DAMAGED,
    KEY_EXPOSED,
    KEY_MISSING,
    KEY_MODE_DIFFERS,
    Key,
    KeyId,
    is_purpose,
)

_SUFFIX = ".key"
_FILE_BYTES_MAX = 1024


class KeyProvider(Protocol):
    """Keys by purpose. Once a key was given out it stays in memory: no file is read again."""

    def current(self, purpose: str) -> Key:
        """The key under which new content is sealed.

        Raises:
            Refused: ``trust.key_missing``.
        """
        ...

    def first(self, purpose: str) -> Key:
        """The key number 1, which stays the same when newer keys are added.

        Raises:
            Refused: ``trust.key_missing``.
        """
        ...

    def key(self, purpose: str, key_id: KeyId) -> Key:
        """The key of this name, current or older.

        Raises:
            Refused: ``trust.key_missing``.
        """
        ...


class FileKeys:
    """Keys that an operator has put in place; read once, when this is made, and never written."""

    def __init__(self, folder: Path, *, mode: Mode = Mode.PRODUCTION) -> None:
        """Read every key of ``folder``.

        Args:
            folder: Holds ``purpose/0001-1f0e9a77.key`` and so on (:func:`new_key` makes them).
            mode: Keys of the other mode are refused.

        Raises:
            Refused: ``trust.key_missing`` (no such folder), ``trust.key_exposed``,
                ``trust.key_damaged`` or ``trust.key_mode_differs``.
        """
        self._mode = mode
        self._keys = {purpose.name: _read_purpose(purpose, mode) for purpose in _folders_in(folder)}

    def current(self, purpose: str) -> Key:
        """See :meth:`KeyProvider.current`."""
        keys = self._of(purpose)
        return keys[max(keys, key=lambda key_id: keys[key_id].number)]

    def first(self, purpose: str) -> Key:
        """See :meth:`KeyProvider.first`."""
        for key in self._of(purpose).values():
            if key.number == 1:
                return key
        raise Refused(KEY_MISSING, purpose=purpose, number=1)

    def key(self, purpose: str, key_id: KeyId) -> Key:
        """See :meth:`KeyProvider.key`."""
        found = self._of(purpose).get(key_id)
        if found is None:
            raise Refused(KEY_MISSING, purpose=purpose, key=key_id)
        return found

    def _of(self, purpose: str) -> dict[KeyId, Key]:
        keys = self._keys.get(purpose)
        if not keys:
            raise Refused(KEY_MISSING, purpose=purpose)
        return keys


class DevelopmentKeys(FileKeys):
    """Keys of the sandbox, made by themselves on first use; production refuses them."""

    def __init__(self, folder: Path) -> None:
        """Read the keys of ``folder``, which is made, for its owner only, when it is missing.

        Raises:
            Refused: As :class:`FileKeys`.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._making = threading.Lock()
        super().__init__(folder, mode=Mode.SANDBOX)

    def rotate(self, purpose: str) -> KeyId:
        """Make a new current key; what is sealed under older ones still opens."""
        with self._making:
            made = new_key(self._folder, purpose, mode=self._mode)
            self._read_again(purpose)
        return made

    def _of(self, purpose: str) -> dict[KeyId, Key]:
        if not self._keys.get(purpose):
            with self._making:
                _make_first_key(self._folder, purpose, self._mode)
                self._read_again(purpose)
        return super()._of(purpose)

    def _read_again(self, purpose: str) -> None:
        self._keys[purpose] = _read_purpose(self._folder / purpose, self._mode)


def new_key(folder: Path, purpose: str, *, mode: Mode) -> KeyId:
    """Make a new current key for ``purpose`` in ``folder``; all of its file or nothing.

    Raises:
        Refused: When the keys that are there already cannot be read.
        ValueError: If ``purpose`` is no name of a purpose.
    """
    with _alone_in(folder, purpose) as place:
        return _add_key(place, mode)


def write_private_file(file: Path, content: bytes) -> None:
    """Write a secret to a new file of mode 600, durably; all of it or nothing.

    Raises:
        FileExistsError: What is there is never overwritten.
    """
    unfinished = file.with_name(f"{secrets.token_hex(8)}.tmp")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        # Unlike a rename, a link fails when the name is taken.
        file.hardlink_to(unfinished)
    finally:
        unfinished.unlink()
    sync_folder(file.parent)


def read_private_file(file: Path) -> bytes:
    """Read a secret of at most 1,024 bytes.

    Raises:
        Refused: ``trust.key_missing`` or ``trust.key_exposed``.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as failure:
        raise Refused(KEY_MISSING, file=str(file), found=failure.strerror or "") from None
    with os.fdopen(descriptor, "rb") as opened:
        _refuse_exposed(os.fstat(descriptor), file, writing=False)
        return opened.read(_FILE_BYTES_MAX)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable (fsync(2): syncing a file does not sync its name)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_first_key(folder: Path, purpose: str, mode: Mode) -> None:
    with _alone_in(folder, purpose) as place:
        if not _read_purpose(place, mode):
            _add_key(place, mode)


@contextmanager
def _alone_in(folder: Path, purpose: str) -> Iterator[Path]:
    """The folder of a purpose while no other process makes keys in it."""
    if not is_purpose(purpose):
        raise ValueError("not the name of a purpose")
    place = folder / purpose
    place.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield place
    finally:
        os.close(descriptor)


def _add_key(place: Path, mode: Mode) -> KeyId:
    numbers = [key.number for key in _read_purpose(place, mode).values()]
    key = Key(place.name, max(numbers, default=0) + 1, secrets.token_bytes(KEY_BYTES))
    write_private_file(place / f"{key.id}{_SUFFIX}", _content(key, mode))
    return key.id


def _content(key: Key, mode: Mode) -> bytes:
    lines = (f"shualian key 1 {mode.value}", key.purpose, key.id, key.secret.hex(), "")
    return "\n".join(lines).encode("ascii")


def _folders_in(folder: Path) -> list[Path]:
    try:
        _refuse_exposed(folder.stat(), folder, writing=True)
        return [path for path in folder.iterdir() if is_purpose(path.name) and path.is_dir()]
    except OSError as failure:
        raise Refused(KEY_MISSING, file=str(folder), found=failure.strerror or "") from None


def _read_purpose(place: Path, mode: Mode) -> dict[KeyId, Key]:
    _refuse_exposed(place.stat(), place, writing=True)
    keys = [_read_key(file, mode) for file in place.glob(f"*{_SUFFIX}")]
    if len({key.number for key in keys}) < len(keys):
        raise Refused(KEY_DAMAGED, file=str(place), found="two keys of one number")
    return {key.id: key for key in keys}


def _read_key(file: Path, mode: Mode) -> Key:
    return _parse(read_private_file(file), file, mode)


def _parse(content: bytes, file: Path, mode: Mode) -> Key:
    """The key of a file whose content is exactly what :func:`_content` writes for it."""
    lines = content.decode("ascii", "replace").split("\n")
    try:
        key = Key(file.parent.name, int(lines[2].partition("-")[0]), bytes.fromhex(lines[3]))
    except (ValueError, IndexError):
        raise Refused(KEY_DAMAGED, file=str(file)) from None
    found = next((kind for kind in Mode if content == _content(key, kind)), None)
    if found is None or file.name != f"{key.id}{_SUFFIX}":
        raise Refused(KEY_DAMAGED, file=str(file))
    if found is not mode:
        raise Refused(KEY_MODE_DIFFERS, file=str(file), found=found.value)
    return key


def _refuse_exposed(seen: os.stat_result, path: Path, *, writing: bool) -> None:
    """Others may not read a key, nor put another one in its place."""
    forbidden = stat.S_IWGRP | stat.S_IWOTH if writing else stat.S_IRWXG | stat.S_IRWXO
    if seen.st_mode & forbidden or seen.st_uid not in {0, os.geteuid()}:
        mode = oct(stat.S_IMODE(seen.st_mode))
        raise Refused(KEY_EXPOSED, file=str(path), mode=mode)
