"""A passkey authenticator in software: real ES256 keys, real signatures, no browser.

Stands in for the security key in a person's hand (W3C Web Authentication, 6), so that demos and
tests sign staff in over HTTP. What it cannot show: that a person touched anything.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from webauthn.helpers import encode_cbor

UP, UV, AT = 0x01, 0x04, 0x40
"""Flags of the authenticator data: user present, user verified, attested key follows."""
ORIGIN = "http://localhost:8000"
"""The canonical origin of the staff listener as it is set by default."""


def b64(data: bytes) -> str:
    """Base64url without padding, as WebAuthn writes bytes in JSON."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The reverse of :func:`b64`."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """Holds one discoverable passkey.

    Attributes:
        origin: Of the page that asks; can be set to what a phishing page would give.
        rp_id: Of the relying party.
        flags: As a careless device would set them.
        count: Signatures so far, as shown; grows by ``step``.
        step: Zero for a device that was copied, or that does not count.
        key: P-256.
        credential_id: 32 random bytes.
        user_handle: Of the account that the passkey belongs to.
    """

    origin: str = ORIGIN
    rp_id: str = "localhost"
    flags: int = UP | UV
    count: int = 0
    step: int = 1
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""

    def saved(self) -> Mapping[str, str]:
        """What is needed to sign in again: of sample accounts only, for the key is in the clear."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return {
            "origin": self.origin,
            "rp_id": self.rp_id,
            "key": pem.decode(),
            "credential_id": b64(self.credential_id),
            "user_handle": b64(self.user_handle),
        }

    @classmethod
    def loaded(cls, saved: Mapping[str, str]) -> "Authenticator":
        """A device that does not count, with the passkey that was :meth:`saved`.

        Raises:
            ValueError: For another kind of key.
        """
        key = load_pem_private_key(saved["key"].encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("a passkey on P-256 is needed")  # noqa: TRY004 - of a file's content
        return cls(
            origin=saved["origin"],
            rp_id=saved["rp_id"],
            step=0,
            key=key,
            credential_id=unb64(saved["credential_id"]),
            user_handle=unb64(saved["user_handle"]),
        )

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """``navigator.credentials.create()``: the new credential, as JSON."""
        self.user_handle = unb64(options["user"]["id"])
        client = self._client_data("webauthn.create", options["challenge"])
        data = self._data(AT) + bytes(16)
        data += len(self.credential_id).to_bytes(2, "big") + self.credential_id + self._cose()
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        return self._credential(
            {"clientDataJSON": b64(client), "attestationObject": b64(attestation)}
        )

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """``navigator.credentials.get()``: the assertion, as JSON."""
        self.count += self.step
        client = self._client_data("webauthn.get", options["challenge"])
        data = self._data(0)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(self.user_handle),
            }
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        content = {"type": kind, "challenge": challenge, "origin": self.origin}
        return json.dumps({**content, "crossOrigin": False}).encode()

    def _data(self, more: int) -> bytes:
        head = sha256(self.rp_id.encode()).digest()
        return head + bytes((self.flags | more,)) + self.count.to_bytes(4, "big")

    def _cose(self) -> bytes:
        point = self.key.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        return encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _credential(self, response: dict[str, str]) -> dict[str, Any]:
        name = b64(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response}
