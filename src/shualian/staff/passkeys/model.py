"""What is kept of a passkey, and who we are to it; pure."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

from shualian.core.identifiers import StaffId
from shualian.core.refusals import Finality, Helper, Refused
from shualian.staff.model import kind

CHALLENGE_BYTES = 32
CHALLENGE_VALID = timedelta(minutes=5)
"""W3C Web Authentication Level 3, 15.1: 5 to 10 minutes where the person is verified."""
CHALLENGES_MAX = 10_000
"""Open at once; they are made for people who are not signed in yet."""
PASSKEYS_MAX = 10
CREDENTIAL_ID_MAX = 1023
"""Bytes (Web Authentication Level 3, 7.1)."""


class Ceremony(StrEnum):
    """What a challenge was given out for."""

    SIGN_IN = "sign_in"
    REGISTER = "register"
    ENROL = "enrol"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who we are to a browser and its passkeys (W3C Web Authentication, 4).

    Attributes:
        origin: The one canonical origin, ``http://localhost:8000``.
        rp_id: Its host; passkeys belong to it for ever.
        name: Shown by the browser.
    """

    origin: str
    rp_id: str
    name: str = "刷脸就医"

    @property
    def secure(self) -> bool:
        """Whether cookies can be bound to an encrypted connection."""
        return self.origin.startswith("https://")


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey of an account.

    Attributes:
        credential_id: Chosen by the authenticator.
        staff_id: Whose.
        public_key: COSE key (RFC 9052).
        sign_count: The highest that was seen; 0 where the authenticator does not count.
        added_at: When it was registered.
        used_at: When it last signed in.
    """

    credential_id: bytes = field(repr=False)
    staff_id: StaffId
    public_key: bytes = field(repr=False)
    sign_count: int
    added_at: datetime
    used_at: datetime | None = None

    @property
    def passkey_id(self) -> str:
        """The credential's name as text, base64url without padding."""
        return urlsafe_b64encode(self.credential_id).rstrip(b"=").decode()


ORIGIN_INVALID = kind(
    "origin_invalid",
    "登录网址不能用于通行密钥",
    "This origin cannot hold passkeys",
    "写成 https://域名，或本机的 http://localhost:端口；不能用 IP 地址",
    "Write https://name, or http://localhost:port on this machine; no IP address",
)
PASSKEY_REFUSED = kind(
    "passkey_refused",
    "通行密钥没有通过",
    "The passkey was not accepted",
    "请再试一次，并用指纹、面容或 PIN 解锁通行密钥",
    "Try again and unlock the passkey by fingerprint, face or PIN",
    Helper.SELF,
    Finality.TEMPORARY,
)
CHALLENGE_EXPIRED = kind(
    "challenge_expired",
    "这次登录已过期或已经用过",
    "This attempt has expired or was used",
    "请重新开始",
    "Begin again",
    Helper.SELF,
    Finality.TEMPORARY,
)
PASSKEY_COPIED = kind(
    "passkey_copied",
    "通行密钥的计数倒退，可能被复制",
    "The passkey's counter went back; it may have been copied",
    "不要再用它；请管理员重置账号，并报告安全负责人",
    "Stop using it; ask an administrator for a reset and tell the security officer",
)
PASSKEY_KNOWN = kind(
    "passkey_known",
    "这个通行密钥已经登记过",
    "This passkey is registered already",
    "请换一个通行密钥",
    "Use another one",
    Helper.SELF,
)
PASSKEY_NOT_FOUND = kind(
    "passkey_not_found",
    "没有这个通行密钥",
    "There is no such passkey",
    "请刷新列表",
    "Load the list again",
    Helper.SELF,
)
PASSKEY_LAST = kind(
    "passkey_last",
    "这是最后一种登录方式，不能删除",
    "This is the last way to sign in; it cannot be removed",
    "请先添加另一个通行密钥",
    "Add another passkey first",
    Helper.SELF,
)
PASSKEYS_TOO_MANY = kind(
    "passkeys_too_many",
    "通行密钥太多了",
    "There are too many passkeys",
    "请先删除不用的",
    "Remove one that is no longer used first",
    Helper.SELF,
)

REFUSALS = (
    ORIGIN_INVALID,
    PASSKEY_REFUSED,
    CHALLENGE_EXPIRED,
    PASSKEY_COPIED,
    PASSKEY_KNOWN,
    PASSKEY_NOT_FOUND,
    PASSKEY_LAST,
    PASSKEYS_TOO_MANY,
)


def relying_party(origin: str) -> RelyingParty:
    """Who we are at a canonical origin: scheme, host and port, nothing after.

    Plain HTTP is for ``localhost`` only, which browsers trust; an address is no relying party
    (W3C Web Authentication, 5.1.2: the RP ID is a domain).

    Raises:
        Refused: ``staff.origin_invalid``.
    """
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused(ORIGIN_INVALID) from None
    canonical = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")
    if origin != canonical or not encrypted or not host or _is_address(host):
        raise Refused(ORIGIN_INVALID)
    return RelyingParty(origin, host)


def counter_advances(kept: int, shown: int) -> bool:
    """Whether a signature counter is plausible (W3C Web Authentication Level 3, 7.2, step 22).

    Both zero: the authenticator does not count. Otherwise it must have risen; if it has not,
    there are two authenticators with one key.
    """
    return shown > kept or shown == kept == 0


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
