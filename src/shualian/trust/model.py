"""Keys and what is refused about them; pure."""

import hmac
import re
from dataclasses import dataclass, field
from typing import NewType

from shualian.core.refusals import KindsOf

KeyId = NewType("KeyId", str)
"""Four digits or more and eight hexadecimal digits that depend on the key: ``0001-1f0e9a77``."""

KEY_BYTES = 32

_PURPOSE = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_KEY_ID = re.compile(r"([0-9]{4,9})-([0-9a-f]{8})")


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A secret of 256 bits for one purpose; never prints itself.

    Attributes:
        purpose: What it may be used for, e.g. ``gallery.template``.
        number: 1, 2, 3 ... in the order in which the keys of a purpose were made.
        secret: 32 bytes.
    """

    purpose: str
    number: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not is_purpose(self.purpose) or self.number < 1 or len(self.secret) != KEY_BYTES:
            raise ValueError("a key has a purpose, a positive number and 32 bytes")

    @property
    def id(self) -> KeyId:
        """The key's name; its second half tells a damaged or misplaced key from the right one."""
        subject = f"shualian key 1\0{self.purpose}\0{self.number}".encode()
        check = hmac.digest(self.secret, subject, "sha256")[:4]
        return KeyId(f"{self.number:04d}-{check.hex()}")


def is_purpose(text: str) -> bool:
    """Whether the text may name a purpose: it becomes the name of a folder."""
    return _PURPOSE.fullmatch(text) is not None


def is_key_id(text: str) -> bool:
    """Whether the text has the form of a key's name."""
    return _KEY_ID.fullmatch(text) is not None


_kind = KindsOf("trust").kind


KEY_MISSING = _kind(
    "key_missing",
    "缺少密钥",
    "A key is missing",
    "从密钥备份恢复密钥文件夹；没有密钥，加密的内容打不开",
    "Restore the folder of keys from its backup; without the key the content stays sealed",
)
KEY_EXPOSED = _kind(
    "key_exposed",
    "密钥文件别的用户也能读",
    "A key can be read or replaced by other users",
    "把文件权限改为 600、文件夹改为 700，属主为本服务，并更换这把密钥",
    "Set the file to mode 600 and the folder to 700, owned by the service, and rotate the key",
)
KEY_DAMAGED = _kind(
    "key_damaged",
    "密钥文件损坏或放错了位置",
    "A key file is damaged or in the wrong place",
    "从密钥备份恢复这个文件",
    "Restore the file from its backup",
)
KEY_MODE_DIFFERS = _kind(
    "key_mode_differs",
    "密钥属于另一种运行方式（沙盒或正式）",
    "The key belongs to the other mode (sandbox or production)",
    "正式环境不能使用沙盒密钥，沙盒也不能使用正式密钥；请换一个密钥文件夹",
    "Production takes no sandbox key and the sandbox no production key; name another folder",
)
SEAL_BROKEN = _kind(
    "seal_broken",
    "加密的内容被改动过、挪过位置，或不是用这把密钥加密的",
    "Sealed content was altered, moved to another place or sealed under another key",
    "不要使用这条内容；检查备份和密钥文件夹，并报告安全负责人",
    "Do not use it; check the backup and the folder of keys, and tell the security officer",
)
PUBLIC_KEY_INVALID = _kind(
    "public_key_invalid",
    "公钥无效",
    "This is no public key that can be used",
    "在终端上重新生成密钥，再登记新的公钥",
    "Make a new key on the terminal and enrol its public key",
)

REFUSALS = (
    KEY_MISSING,
    KEY_EXPOSED,
    KEY_DAMAGED,
    KEY_MODE_DIFFERS,
    SEAL_BROKEN,
    PUBLIC_KEY_INVALID,
)
