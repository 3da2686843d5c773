"""Signatures of terminals and of audit checkpoints: ECDSA P-256 with SHA-256, SM2 with SM3.

ECDSA (FIPS 186-5) is OpenSSL's through ``cryptography``, SM2 (GB/T 32918.2) is GmSSL's through
``gmssl-pyx``; no curve arithmetic is ours. Every value has one form on the wire:

- public key: 65 bytes, ``04 || X || Y`` (SEC 1, 2.3.3, uncompressed; GB/T 35276 likewise);
- signature: 64 bytes, ``r || s``, both big-endian (RFC 9421, 3.3.4, for P-256). The same form is
  used for SM2, where GB/T 35276 has DER, because DER lets one signature be written in many ways;
- signer identity of SM2: the 16 bytes ``1234567812345678`` (GM/T 0009, 10).

What is not promised: that a signed message has only one signature. To ``(r, s)`` of ECDSA belongs
``(r, n - s)``, and browsers make either (RFC 9421 asks for nothing else), so a signature must not
serve as a name or as a mark against replay; nonces do. Constant time is left to the two libraries
and was not measured.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import gmssl_pyx  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256, SM3, Hash, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.trust.keys import read_private_file, write_private_file
from shualian.trust.model import KEY_DAMAGED, KEY_MODE_DIFFERS, PUBLIC_KEY_INVALID, Key
from shualian.trust.sealing import derive_key

SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 65

_COORDINATE_BYTES = 32
_UNCOMPRESSED = b"\x04"
_ECDSA = ec.ECDSA(SHA256())
_CURVE = ec.SECP256R1()
_JWK_MEMBERS = {"kty": "EC", "crv": "P-256"}
_JWK_BASE64URL_CHARACTERS = 43


class Algorithm(StrEnum):
    """How a key signs; the key's record fixes it, never the message.

    The first is a name of the HTTP Signature Algorithms registry (RFC 9421, 6.2.2), the second
    ours, because the registry has none for SM2.
    """

    ECDSA_P256_SHA256 = "ecdsa-p256-sha256"
    SM2_SM3 = "sm2-sm3"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A point that was checked to lie on the curve of its algorithm.

    Attributes:
        algorithm: What it verifies.
        raw: 65 bytes, ``04 || X || Y``.
    """

    algorithm: Algorithm
    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != PUBLIC_KEY_BYTES or self.raw[:1] != _UNCOMPRESSED:
            raise Refused(PUBLIC_KEY_INVALID, found="not 65 bytes that begin with 04")
        try:
            _check_on_curve(self.algorithm, self.raw)
        except (ValueError, gmssl_pyx.GmsslInnerError):
            raise Refused(PUBLIC_KEY_INVALID, found="not a point of the curve") from None

    @classmethod
    def from_spki(cls, der: bytes) -> "PublicKey":
        """A P-256 key from its SubjectPublicKeyInfo (RFC 5480), as WebCrypto's ``spki`` gives it.

        Raises:
            Refused: ``trust.public_key_invalid``.
        """
        try:
            key = load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm):
            raise Refused(PUBLIC_KEY_INVALID, found="not a SubjectPublicKeyInfo") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE.name:
            raise Refused(PUBLIC_KEY_INVALID, found="not a key on P-256")
        return cls(Algorithm.ECDSA_P256_SHA256, _uncompressed(key))

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object]) -> "PublicKey":
        """A P-256 key from its JSON Web Key (RFC 7518, 6.2.1), as WebCrypto's ``jwk`` gives it.

        Raises:
            Refused: ``trust.public_key_invalid``; also when the private part was sent along.
        """
        if "d" in jwk:
            raise Refused(PUBLIC_KEY_INVALID, found="a private key")
        if any(jwk.get(name) != value for name, value in _JWK_MEMBERS.items()):
            raise Refused(PUBLIC_KEY_INVALID, found="not a JWK on P-256")
        point = _UNCOMPRESSED + _coordinate(jwk.get("x")) + _coordinate(jwk.get("y"))
        return cls(Algorithm.ECDSA_P256_SHA256, point)

    @property
    def fingerprint(self) -> str:
        """What two people compare: hash of ``raw``, 64 hexadecimal digits in groups of four.

        SHA-256 for P-256 and SM3 (GB/T 32905) for SM2.
        """
        algorithm = SHA256() if self.algorithm is Algorithm.ECDSA_P256_SHA256 else SM3()
        digits = _digest(algorithm, self.raw).hex()
        return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A private key with its public key; never prints itself.

    Attributes:
        public_key: What verifies its signatures.
        secret: 32 bytes, big-endian.
    """

    public_key: PublicKey
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _COORDINATE_BYTES:
            raise ValueError("a private key has 32 bytes")

    @classmethod
    def generate(cls, algorithm: Algorithm) -> "SigningKey":
        """A new key from the operating system's randomness."""
        if algorithm is Algorithm.SM2_SM3:
            public, secret = gmssl_pyx.sm2_key_generate()
            return cls(PublicKey(algorithm, _UNCOMPRESSED + public), secret)
        return _p256_signing_key(ec.generate_private_key(_CURVE))

    @classmethod
    def derive(cls, key: Key, *, info: bytes) -> "SigningKey":
        """The P-256 key that belongs to a key of a provider and to ``info``, always the same.

        Candidates of 256 bits are tried until one is in range (FIPS 186-5, A.2.2); the first one
        is not in 1 of 2^32 cases.
        """
        for number in range(256):
            candidate = derive_key(key, info=b"shualian p256 1\0" + bytes((number,)) + info)
            try:
                return _p256_signing_key(_p256_private(candidate))
            except ValueError:
                continue
        raise AssertionError("256 candidates out of range")

    def sign(self, message: bytes) -> bytes:
        """64 bytes ``r || s`` over any message."""
        if self.public_key.algorithm is Algorithm.SM2_SM3:
            der = gmssl_pyx.sm2_sign(self.secret, self.public_key.raw[1:], message)
        else:
            der = _p256_private(self.secret).sign(message, _ECDSA)
        parts = decode_dss_signature(der)
        return b"".join(part.to_bytes(_COORDINATE_BYTES, "big") for part in parts)

    def save(self, file: Path, *, mode: Mode) -> None:
        """Write the key to a new file that only its owner can read; all of it or nothing.

        Raises:
            FileExistsError: A key is never overwritten.
        """
        write_private_file(file, _content(self, mode))

    @classmethod
    def load(cls, file: Path, *, mode: Mode) -> "SigningKey":
        """Read what :meth:`save` wrote.

        Raises:
            Refused: ``trust.key_missing``, ``trust.key_exposed``, ``trust.key_damaged`` or
                ``trust.key_mode_differs``.
        """
        content = read_private_file(file)
        try:
            key = _parse(content)
        except (ValueError, IndexError, Refused, gmssl_pyx.GmsslInnerError):
            raise Refused(KEY_DAMAGED, file=str(file)) from None
        found = next((kind for kind in Mode if content == _content(key, kind)), None)
        if found is None or not _belong_together(key):
            raise Refused(KEY_DAMAGED, file=str(file))
        if found is not mode:
            raise Refused(KEY_MODE_DIFFERS, file=str(file), found=found.value)
        return key


def verify(public_key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes ``r || s``) is the key's over ``message``; never raises."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    parts = (signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:])
    der = encode_dss_signature(*(int.from_bytes(part, "big") for part in parts))
    try:
        if public_key.algorithm is Algorithm.SM2_SM3:
            return bool(gmssl_pyx.sm2_verify(public_key.raw[1:], message, der))
        _p256_public(public_key.raw).verify(der, message, _ECDSA)
    except (InvalidSignature, gmssl_pyx.GmsslInnerError):
        return False
    return True


def sm3(content: bytes) -> bytes:
    """32 bytes, SM3 (GB/T 32905)."""
    return _digest(SM3(), content)


def _check_on_curve(algorithm: Algorithm, raw: bytes) -> None:
    if algorithm is Algorithm.SM2_SM3:
        gmssl_pyx.normalize_sm2_public_key(raw)
    else:
        _p256_public(raw)


def _p256_public(raw: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, raw)


def _p256_private(secret: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(secret, "big"), _CURVE)


def _p256_signing_key(private: ec.EllipticCurvePrivateKey) -> SigningKey:
    public = PublicKey(Algorithm.ECDSA_P256_SHA256, _uncompressed(private.public_key()))
    secret = private.private_numbers().private_value.to_bytes(_COORDINATE_BYTES, "big")
    return SigningKey(public, secret)


def _uncompressed(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _coordinate(text: object) -> bytes:
    """32 bytes from base64url without padding (RFC 7518, 6.2.1.2: always the full size)."""
    if not isinstance(text, str) or len(text) != _JWK_BASE64URL_CHARACTERS:
        raise Refused(PUBLIC_KEY_INVALID, found="a coordinate that is not 32 bytes")
    try:
        coordinate = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refused(PUBLIC_KEY_INVALID, found="a coordinate that is not base64url") from None
    if base64.urlsafe_b64encode(coordinate).decode("ascii") != text + "=":
        raise Refused(PUBLIC_KEY_INVALID, found="a coordinate that is not base64url")
    return coordinate


def _digest(algorithm: HashAlgorithm, content: bytes) -> bytes:
    digest = Hash(algorithm)
    digest.update(content)
    return digest.finalize()


def _content(key: SigningKey, mode: Mode) -> bytes:
    public = key.public_key
    title = f"shualian signing key 1 {mode.value}"
    lines = (title, public.algorithm.value, public.raw.hex(), key.secret.hex(), "")
    return "\n".join(lines).encode("ascii")


def _parse(content: bytes) -> SigningKey:
    lines = content.decode("ascii").split("\n")
    public = PublicKey(Algorithm(lines[1]), bytes.fromhex(lines[2]))
    return SigningKey(public, bytes.fromhex(lines[3]))


def _belong_together(key: SigningKey) -> bool:
    probe = os.urandom(_COORDINATE_BYTES)
    try:
        return verify(key.public_key, probe, key.sign(probe))
    except (ValueError, gmssl_pyx.GmsslInnerError):
        return False
