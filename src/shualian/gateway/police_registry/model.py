"""What the platform and the police registry say, and when an answer is believed; pure.

The request is signed as a terminal's is (:mod:`shualian.terminals.requests.model`). The answer is
signed by the registry (RFC 9421, 2.4): its status and its content, and of the request that it
answers the method, the target, the content and the signature. So an answer holds for one request
as it was sent once, and for nothing else. Times and the pause after failures stand here as well.

What is proven: the holder of the registry's key gave this verdict on exactly this request. What is
not: how well the registry compares; its error rate is not known to us.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.refusals import Finality, KindsOf, Refused
from shualian.terminals.enrolment.model import key_id_of
from shualian.terminals.requests.model import (
    FreshnessLimits,
    check_freshness,
    content_digest_of,
    signature_fields,
)
from shualian.trust.signatures import Algorithm, PublicKey, SigningKey, verify
from shualian.verification.registry.model import RegistryQuery, RegistryVerdict

COMPARISON_PATH = "/registry/v1/comparisons"
"""POST :class:`ComparisonBody`, signed by the platform; answers :class:`ComparisonAnswer`."""
INTRODUCTION_PATH = "/sandbox/v1/introduction"
"""Of the stand-in only: POST :class:`Introduction`, two public keys are exchanged."""
PICTURE_BYTES_MAX = 2 * 2**20
"""One frame of a terminal is no larger."""
REQUEST_BYTES_MAX = 3 * 2**20
"""A frame in base64 and the words around it."""
ANSWER_BYTES_MAX = 16 * 2**10
FRESHNESS = FreshnessLimits()
"""Of requests and of answers."""
SIGNING_PURPOSE = "gateway.police_registry"
"""The platform's key for requests is derived from its provider's keys of this purpose."""

_PICTURE_CHARS_MAX = (PICTURE_BYTES_MAX + 2) // 3 * 4
_COVERED = (
    '("@status" "content-digest" "@method";req "@target-uri";req "content-digest";req '
    '"signature";req)'
)
_SIGNATURE_INPUT = re.compile(
    re.escape(f"sig={_COVERED}") + r';created=(0|[1-9][0-9]{0,10});keyid="([0-9a-f]{64})"'
)
_SIGNATURE = re.compile(r"sig=:([A-Za-z0-9+/]{86}==):")
_KEY_TEXT = re.compile(r"(ecdsa-p256-sha256|sm2-sm3):(04[0-9a-f]{128})")

_kind = KindsOf("gateway").kind

REGISTRY_ANSWER_NOT_BELIEVED = _kind(
    "registry_answer_not_believed",
    "公安库的回答不能采信",
    "The police registry's answer cannot be believed",
    "请核对公安库的公钥和双方时钟，并报告安全负责人",
    "Compare the registry's public key and both clocks, and tell the security officer",
)
REGISTRY_KEY_MISSING = _kind(
    "registry_key_missing",
    "没有设置公安库的公钥",
    "The police registry's public key is not set",
    "请向公安库索取公钥，设置 SHUALIAN_REGISTRY_PUBLIC_KEY",
    "Get the key from the registry's office and set SHUALIAN_REGISTRY_PUBLIC_KEY",
)
REGISTRY_KEY_INVALID = _kind(
    "registry_key_invalid",
    "公安库的公钥格式不对",
    "The police registry's public key does not have its form",
    "格式是“算法:十六进制公钥”，例如 sm2-sm3:04……",
    "It is written as algorithm:hexadecimal point, beginning with sm2-sm3:04",
)
REGISTRY_KEY_CHANGED = _kind(
    "registry_key_changed",
    "公安库替身的公钥和第一次见到的不同",
    "The stand-in's public key is not the one that was seen first",
    "如果是重新建立的替身，请删除记下的公钥文件",
    "If the stand-in was made anew, delete the file with the key that was noted",
)
REGISTRY_UNREACHABLE = _kind(
    "registry_unreachable",
    "连不上公安库",
    "The police registry cannot be reached",
    "请检查专网；恢复前按降级方式办理",
    "Check the private network; until then the degraded mode holds",
    finality=Finality.TEMPORARY,
)
REGISTRY_NOT_ENCRYPTED = _kind(
    "registry_not_encrypted",
    "公安库的地址没有加密（不是 https）",
    "The police registry's address is not encrypted (not https)",
    "正式环境请使用 https 地址",
    "Use an https address in production",
)

REFUSALS = (
    REGISTRY_ANSWER_NOT_BELIEVED,
    REGISTRY_KEY_MISSING,
    REGISTRY_KEY_INVALID,
    REGISTRY_KEY_CHANGED,
    REGISTRY_UNREACHABLE,
    REGISTRY_NOT_ENCRYPTED,
)


class Verdict(StrEnum):
    """What the registry answers on the wire."""

    MATCH = "match"
    NO_MATCH = "no_match"
    NAME_NUMBER_MISMATCH = "name_number_mismatch"
    NO_USABLE_PHOTO = "no_usable_photo"
    NOT_FOUND = "not_found"
    BUSY = "busy"


class Failure(StrEnum):
    """Why nothing was learnt from the registry; the name of a counter."""

    BUSY = "busy"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    """No connection, or one that was cut."""
    REFUSED = "refused"
    """The registry answered that it does not take the request."""
    NOT_BELIEVED = "not_believed"
    """Another signature, another request, another form."""
    STAND_IN = "stand_in"
    """A stand-in answered in production."""
    NOT_SENT = "not_sent"
    """The question does not fit the wire, or there is no key."""
    PAUSED = "paused"
    """Not asked, because it failed several times just before."""


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


RequestId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{8,64}$")]
_Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{17}[0-9X]$")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_Picture = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=_PICTURE_CHARS_MAX)
]
_KeyText = Annotated[str, StringConstraints(pattern=rf"^{_KEY_TEXT.pattern}$")]


class ComparisonBody(_Wire):
    """Is the person in the picture the one with this number and name?"""

    request_id: RequestId = Field(description="Of the platform; the same again: the same answer")
    id_number: _Number = Field(repr=False)
    name: _Name = Field(repr=False)
    picture: _Picture = Field(repr=False, description="One frame, JPEG, in base64")

    @classmethod
    def made(cls, query: RegistryQuery) -> "ComparisonBody":
        """A query on the wire; raises ``ValueError`` when it does not fit."""
        return cls(
            request_id=query.request_id,
            id_number=query.id_number.value,
            name=query.name,
            picture=base64.b64encode(query.picture).decode("ascii"),
        )

    def picture_bytes(self) -> bytes:
        """The encoded picture, see :func:`picture_bytes`."""
        return picture_bytes(self.picture)


class ComparisonAnswer(_Wire):
    """The registry's verdict on one request."""

    request_id: RequestId
    verdict: Verdict
    stand_in: bool = Field(
        default=False,
        description="Whether a stand-in answered; refused in production",
    )


class Introduction(_Wire):
    """A public key that is made known to the other side, as ``algorithm:hexadecimal point``."""

    public_key: _KeyText
    stand_in: Literal[True] = True


@dataclass(frozen=True, slots=True)
class SentRequest:
    """What an answer is bound to, as it was sent.

    Attributes:
        method: ``POST``.
        target_uri: Origin and path.
        content_digest: Field.
        signature: Field.
    """

    method: str
    target_uri: str
    content_digest: str
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReceivedAnswer:
    """A response as it came, nothing of it trusted.

    Attributes:
        status: Of HTTP.
        headers: With names in lower case.
        content: The whole body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long one question may take.

    Attributes:
        connect_s: Until there is a connection, seconds.
        read_s: Between any two pieces of the answer, and of the request, seconds.
        total_s: All of it, a second try after a cut connection included, seconds.
        calls_max: Questions on their way at once; a further one waits, within its own time.
    """

    connect_s: float = 1.0
    read_s: float = 3.0
    total_s: float = 4.0
    calls_max: int = 32


FAILURES_MAX = 3
"""So many failures one after the other begin a pause."""
PAUSE_S = 5.0
PAUSE_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Whether the registry is asked, so that a dead one does not cost every scan its time.

    A verdict ends it: then begin anew with ``Backoff()``.

    After :data:`FAILURES_MAX` failures in a row nobody asks for :data:`PAUSE_S`; then one scan
    tries, and each further failure doubles the pause up to :data:`PAUSE_MAX_S`.

    Attributes:
        failures: In a row.
        paused_until: Seconds of a clock that never goes back.
        trying: Whether one scan is on its way after a pause.
    """

    failures: int = 0
    paused_until: float = 0.0
    trying: bool = False


def ask(backoff: Backoff, *, now_s: float) -> tuple[bool, Backoff]:
    """Whether to ask now, and what to remember of it."""
    if backoff.failures < FAILURES_MAX:
        return True, backoff
    if backoff.trying or now_s < backoff.paused_until:
        return False, backoff
    return True, replace(backoff, trying=True)


def failed(backoff: Backoff, *, now_s: float) -> Backoff:
    """After a failure; those that were on their way when a pause began do not lengthen it."""
    if now_s < backoff.paused_until:
        return backoff
    failures = backoff.failures + 1
    # 2 ** 4 pauses reach the longest; the exponent stays small however long it lasts.
    pause_s = min(PAUSE_MAX_S, PAUSE_S * 2 ** min(4, max(0, failures - FAILURES_MAX)))
    until = now_s + pause_s if failures >= FAILURES_MAX else 0.0
    return Backoff(failures=failures, paused_until=until)


def public_key_text(key: PublicKey) -> str:
    """A public key as operators exchange it: ``sm2-sm3:04...``."""
    return f"{key.algorithm.value}:{key.raw.hex()}"


def parse_public_key(text: str) -> PublicKey:
    """The reverse of :func:`public_key_text`.

    Raises:
        Refused: ``gateway.registry_key_invalid``, ``trust.public_key_invalid``.
    """
    found = _KEY_TEXT.fullmatch(text.strip())
    if found is None:
        raise Refused(REGISTRY_KEY_INVALID)
    return PublicKey(Algorithm(found[1]), bytes.fromhex(found[2]))


def answer_base(sent: SentRequest, *, status: int, content_digest: str, parameters: str) -> bytes:
    """The bytes that the registry signs (RFC 9421, 2.4 and 2.5)."""
    lines = (
        f'"@status": {status}',
        f'"content-digest": {content_digest}',
        f'"@method";req: {sent.method}',
        f'"@target-uri";req: {sent.target_uri}',
        f'"content-digest";req: {sent.content_digest}',
        f'"signature";req: {sent.signature}',
        f'"@signature-params": {parameters}',
    )
    return "\n".join(lines).encode("ascii")


def sign_answer(
    key: SigningKey, sent: SentRequest, *, status: int, content: bytes, created: datetime
) -> Mapping[str, str]:
    """The three fields of a signed answer.

    Args:
        key: The registry's.
        sent: The request that is answered; its fields were verified.
        status: Of HTTP.
        content: The whole body.
        created: Now, UTC.
    """
    digest = content_digest_of(content)
    moment = int(created.timestamp())
    parameters = f'{_COVERED};created={moment};keyid="{key_id_of(key.public_key)}"'
    base = answer_base(sent, status=status, content_digest=digest, parameters=parameters)
    signature_input, signature = signature_fields(parameters, key.sign(base))
    return {
        "content-digest": digest,
        "signature-input": signature_input,
        "signature": signature,
    }


def believed_answer(
    received: ReceivedAnswer,
    *,
    sent: SentRequest,
    expected_request_id: str,
    expected_key: PublicKey,
    now: datetime,
    limits: FreshnessLimits = FRESHNESS,
) -> ComparisonAnswer:
    """The answer, when it is the registry's, to exactly this request, and just given.

    Raises:
        Refused: ``gateway.registry_answer_not_believed`` with what was found,
            ``terminals.signature_stale``, ``terminals.signature_future``.
    """
    claimed = _SIGNATURE_INPUT.fullmatch(received.headers.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(received.headers.get("signature", ""))
    # One form and nothing beside it, so that nothing signed can be read in two ways.
    if claimed is None or signature is None:
        raise _not_believed("no signature of the agreed form")
    if claimed[2] != key_id_of(expected_key):
        raise _not_believed("another key")
    check_freshness(_moment(claimed[1]), now=now, limits=limits)
    digest = received.headers.get("content-digest", "")
    if not hmac.compare_digest(digest.encode(), content_digest_of(received.content).encode()):
        raise _not_believed("another content")
    parameters = received.headers["signature-input"].removeprefix("sig=")
    base = answer_base(sent, status=received.status, content_digest=digest, parameters=parameters)
    if not verify(expected_key, base, base64.b64decode(signature[1])):
        raise _not_believed("a wrong signature, or the answer to another request")
    return _parsed(received.content, expected_request_id)


def learnt(answer: ComparisonAnswer) -> RegistryVerdict | Failure:
    """What verification is told; being busy is no verdict."""
    if answer.verdict is Verdict.BUSY:
        return Failure.BUSY
    return RegistryVerdict(answer.verdict.value)


def picture_bytes(text: str) -> bytes:
    """A picture in base64; empty, which nothing decodes, when the text is not that to its end."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _parsed(content: bytes, expected_request_id: str) -> ComparisonAnswer:
    try:
        answer = ComparisonAnswer.model_validate_json(content)
    except ValueError:
        raise _not_believed("another form") from None
    # The signature binds the answer to the request; the body must name the same one.
    if answer.request_id != expected_request_id:
        raise _not_believed("the answer to another request")
    return answer


def _moment(digits: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(digits), UTC)
    except (ValueError, OverflowError, OSError):
        raise _not_believed("no such moment") from None


def _not_believed(found: str) -> Refused:
    return Refused(REGISTRY_ANSWER_NOT_BELIEVED, found=found)
