"""Reads the tensors of a PyTorch legacy checkpoint without PyTorch and without trusting it.

The format (``torch.save`` before 1.6) is five pickles and then raw storages. A pickle can name any
callable, so only the four names that a checkpoint of plain tensors needs are allowed, and each is
answered by a stand-in of ours; every other name is refused.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shualian.core.refusals import Refused
from shualian.face.model import WEIGHTS_ALTERED

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}


class _Storage:
    """A storage announced by the pickle; its numbers follow after all pickles."""

    def __init__(self, dtype: np.dtype[Any], length: int) -> None:
        self.dtype = dtype
        self.length = length
        self.values: NDArray[Any] = np.empty(0, dtype)


class _Tensor:
    """A view of a storage, resolved once the storage has been read."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...]) -> None:
        self.storage, self.offset, self.shape = storage, offset, shape

    def array(self) -> NDArray[Any]:
        count = int(np.prod(self.shape))
        return self.storage.values[self.offset : self.offset + count].reshape(self.shape)


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> _Tensor:
    contiguous = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    if stride != contiguous:
        raise pickle.UnpicklingError("a tensor is not contiguous")
    return _Tensor(storage, offset, shape)


_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): "FloatStorage",
    ("torch", "LongStorage"): "LongStorage",
}


class _WhitelistUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError("a name outside the whitelist") from None

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _location, length, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError("not a plain storage")
        return self.storages.setdefault(key, _Storage(_DTYPES[storage_type], length))


def read_checkpoint(content: bytes, *, name: str) -> dict[str, NDArray[Any]]:
    """The tensors of a legacy checkpoint by name, a leading ``module.`` removed.

    Args:
        content: The whole file.
        name: Of the file, for the refusal.

    Raises:
        Refused: ``face.weights_altered`` when the content is not such a checkpoint.
    """
    try:
        return _read(io.BytesIO(content))
    except Exception as cause:  # a pickle may raise anything (manual of pickle)
        raise Refused(WEIGHTS_ALTERED, file=name, found="not a plain checkpoint") from cause


def _read(file: io.BytesIO) -> dict[str, NDArray[Any]]:
    if _WhitelistUnpickler(file).load() != _MAGIC_NUMBER:
        raise ValueError("not a legacy checkpoint")
    for _ in ("protocol version", "system information"):
        _WhitelistUnpickler(file).load()
    unpickler = _WhitelistUnpickler(file)
    state = unpickler.load()
    for key in _WhitelistUnpickler(file).load():
        _fill(unpickler.storages[key], file)
    return {name.removeprefix("module."): tensor.array() for name, tensor in state.items()}


def _fill(storage: _Storage, file: io.BytesIO) -> None:
    length = int.from_bytes(file.read(8), "little")
    if length != storage.length:
        raise ValueError("a storage has another length than announced")
    storage.values = np.frombuffer(file.read(length * storage.dtype.itemsize), storage.dtype)
    if len(storage.values) != length:
        raise ValueError("a storage is cut off")
