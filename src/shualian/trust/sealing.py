"""Sealed fields, keyed hashes and derived secrets, each under a key of its own.

**Sealed content**: ``0x01``, length of the key id (1 byte), key id (ASCII), nonce (12 bytes),
AES-256-GCM ciphertext with its tag of 16 bytes (NIST SP 800-38D). Associated data is the purpose,
the key id and the caller's context (which record and which column), each with its length before
it, so content that is altered or moved to another place does not open. The nonce is random:
at most 2^32 seals under one key (SP 800-38D, 8.3), then :meth:`DevelopmentKeys.rotate`.

What is proven: nobody without the key can read or alter content unnoticed. What is not: that the
content is the newest (an old sealed value put back into its own place opens), nor its length.
"""

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shualian.core.refusals import Refused
from shualian.trust.keys import KeyProvider
from shualian.trust.model import KEY_BYTES, SEAL_BROKEN, Key, KeyId, is_key_id

_VERSION = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER_BYTES = 2
_DERIVED_MAX = 64
"""How many keys' derived parts are kept ready; a purpose has a few keys."""

T = TypeVar("T")


class _Derived(dict[Key, T]):
    """What depends on a key alone, made once for each key that the provider holds.

    A key is known by its object, so one that was read anew is derived anew.
    """

    def __init__(self, derive: Callable[[Key], T]) -> None:
        super().__init__()
        self._derive = derive

    def __missing__(self, key: Key) -> T:
        if len(self) >= _DERIVED_MAX:
            self.clear()
        made = self[key] = self._derive(key)
        return made


class Sealer:
    """Encrypts fields at rest and makes values by which equal fields are found."""

    def __init__(self, keys: KeyProvider) -> None:
        self._keys = keys
        self._ciphers = _Derived(_cipher)
        self._hash_keys = _Derived(_hash_key)

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``.

        Args:
            plain: Any bytes; the sealed value is 44 bytes or so longer.
            purpose: Which keys are used, e.g. ``gallery.template``.
            context: Which record and column it is for; needed again to open it.

        Raises:
            Refused: ``trust.key_missing``.
        """
        key = self._keys.current(purpose)
        name, cipher = self._ciphers[key]
        nonce = os.urandom(_NONCE_BYTES)
        sealed = cipher.encrypt(nonce, plain, _associated(purpose, name, context))
        return bytes((_VERSION, len(name))) + name + nonce + sealed

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: ``trust.seal_broken`` for whatever is not exactly that; one code for altered,
                moved, wrong key and no such key, because they cannot be told apart for sure.
        """
        name, nonce, ciphertext = _parse(sealed)
        _, cipher = self._ciphers[self._key_named(purpose, name)]
        try:
            return cipher.decrypt(nonce, ciphertext, _associated(purpose, name, context))
        except InvalidTag:
            raise Refused(SEAL_BROKEN, purpose=purpose) from None

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """32 bytes that only equal values share and that say nothing without the key.

        HMAC-SHA256 (RFC 2104) under the purpose's first key, so that equal values are still found
        after newer keys were added for sealing.

        Raises:
            Refused: ``trust.key_missing``.
        """
        return hmac.digest(self._hash_keys[self._keys.first(purpose)], value, "sha256")

    def _key_named(self, purpose: str, name: bytes) -> Key:
        key_id = name.decode("ascii", "replace")
        if not is_key_id(key_id):
            raise Refused(SEAL_BROKEN, purpose=purpose)
        try:
            return self._keys.key(purpose, KeyId(key_id))
        except Refused:
            raise Refused(SEAL_BROKEN, purpose=purpose, unknown_key=key_id) from None


@dataclass(frozen=True, slots=True)
class DerivedSecrets:
    """Secrets for one use, derived from the keys of a purpose and named like them.

    Attributes:
        keys: Where the keys come from.
        purpose: Whose keys.
        info: What the secrets are for; other ``info``, unrelated secrets.
        length: Of a secret, bytes, at most 8,160.
    """

    keys: KeyProvider
    purpose: str
    info: bytes
    length: int = KEY_BYTES

    def current_key_id(self) -> str:
        """The name of the current key.

        Raises:
            Refused: ``trust.key_missing``.
        """
        return self.keys.current(self.purpose).id

    def secret(self, key_id: str) -> bytes:
        """The secret under a key, the current or an older one.

        Raises:
            Refused: ``trust.key_missing``.
        """
        key = self.keys.key(self.purpose, KeyId(key_id))
        return derive_key(key, info=self.info, length=self.length)


def derive_key(key: Key, *, info: bytes, length: int = KEY_BYTES) -> bytes:
    """``length`` bytes (at most 8,160) that depend on the key and on ``info``; HKDF-SHA256."""
    return hkdf_sha256(_subkey(key, "derive"), info=info, length=length)


def hkdf_sha256(secret: bytes, *, info: bytes, length: int, salt: bytes | None = None) -> bytes:
    """HKDF with SHA-256 (RFC 5869): ``length`` bytes, at most 8,160."""
    return HKDF(SHA256(), length, salt, info).derive(secret)


def _cipher(key: Key) -> tuple[bytes, AESGCM]:
    """The key's name as sealed content carries it, and what seals under it."""
    return key.id.encode("ascii"), AESGCM(_subkey(key, "seal"))


def _hash_key(key: Key) -> bytes:
    return _subkey(key, "hash")


def _subkey(key: Key, use: str) -> bytes:
    """A key per use, so that sealing, hashing and deriving never share one."""
    info = f"shualian {use} 1\0{key.purpose}".encode("ascii")
    return hkdf_sha256(key.secret, info=info, length=KEY_BYTES)


def _associated(purpose: str, name: bytes, context: bytes) -> bytes:
    parts = (bytes((_VERSION,)), purpose.encode("ascii"), name, context)
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _parse(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    """Key id, nonce, and ciphertext with tag."""
    if len(sealed) < _HEADER_BYTES or sealed[0] != _VERSION:
        raise Refused(SEAL_BROKEN)
    name_end = _HEADER_BYTES + sealed[1]
    nonce_end = name_end + _NONCE_BYTES
    if len(sealed) < nonce_end + _TAG_BYTES:
        raise Refused(SEAL_BROKEN)
    return sealed[_HEADER_BYTES:name_end], sealed[name_end:nonce_end], sealed[nonce_end:]
