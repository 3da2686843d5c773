"""HTTP Message Signatures (RFC 9421) of terminals, and what is refused about them; pure.

One profile and nothing beside it: one signature over ``"@method" "@target-uri" "content-digest"``
with ``created``, ``nonce`` and ``keyid``; Content-Digest (RFC 9530) with SHA-256; the algorithm is
the one of the key's record, so the request cannot choose it (RFC 9421, 7.3.6). Verification is a
ceremony of two functions: :func:`parse_signature_headers` reads the three fields under strict
limits, :func:`verify_request` compares them with what is trusted.

What is proven: the holder of the key signed this method, this target and this body at that moment.
What is not: where the terminal is, nor that nobody else holds the key.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import http_sf
from pydantic import BaseModel, ConfigDict, Field

from shualian.core.mode import Mode
from shualian.core.refusals import Finality, RefusalKind, Refused
from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.model import (
    Terminal,
    TerminalState,
    check_mode,
    terminal_refusal,
)
from shualian.terminals.register.model import (
    CertifiedModel,
    RegisteredPlace,
    SoftwareVersion,
)
from shualian.trust.signatures import PublicKey, verify

COVERED = ("@method", "@target-uri", "content-digest")
"""What every signature covers, in this order."""
SIGNATURE_INPUT_CHARS_MAX = 512
SIGNATURE_CHARS_MAX = 160
CONTENT_DIGEST_CHARS_MAX = 80
TARGET_CHARS_MAX = 2_048

_LABEL = "sig"
_COVERED: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in COVERED]
_METHOD = re.compile(r"[A-Z]{3,10}")
_KEY_ID = re.compile(r"[0-9a-f]{64}")
_NONCE = re.compile(r"[0-9A-Za-z_-]{22,64}")
_PARAMETERS = {"created", "nonce", "keyid"}
_CREATED_MAX = 253_402_300_799  # the last second that a date can hold
_DIGEST_BYTES = 32

SIGNATURE_MALFORMED = terminal_refusal(
    "signature_malformed",
    "请求的签名格式不对",
    "The signature of the request does not have the agreed form",
    "请升级终端软件",
    "Update the terminal's software",
)
KEY_UNKNOWN = terminal_refusal(
    "key_unknown",
    "没有登记过这把终端密钥",
    "No terminal is enrolled with this key",
    "请重新登记这台终端",
    "Enrol this terminal",
)
KEY_RETIRED = terminal_refusal(
    "key_retired",
    "这把终端密钥已经更换",
    "This key was replaced by a newer one",
    "请用新密钥；丢失时重新登记",
    "Use the newer key; if it is lost, enrol anew",
)
SIGNATURE_STALE = terminal_refusal(
    "signature_stale",
    "请求太旧了，终端的时钟可能慢了",
    "The request is too old; the terminal's clock may be slow",
    "请校准终端时钟后再试",
    "Set the terminal's clock and try again",
    finality=Finality.TEMPORARY,
)
SIGNATURE_FUTURE = terminal_refusal(
    "signature_future",
    "请求的时间还没到，终端的时钟快了",
    "The request is from the future; the terminal's clock is fast",
    "请校准终端时钟后再试",
    "Set the terminal's clock and try again",
    finality=Finality.TEMPORARY,
)
SIGNED_BEFORE_START = terminal_refusal(
    "signed_before_start",
    "服务刚刚启动，启动前签名的请求不再接受",
    "The service has just started and does not believe what was signed before",
    "请过几秒重新发送",
    "Sign and send it again in a few seconds",
    finality=Finality.TEMPORARY,
)
BODY_ALTERED = terminal_refusal(
    "body_altered",
    "请求内容与签名的不一致",
    "The body of the request is not the one that was signed",
    "请检查终端到医保专网之间的设备，并报告安全负责人",
    "Look at what stands between the terminal and the service, and tell the security officer",
)
SIGNATURE_WRONG = terminal_refusal(
    "signature_wrong",
    "请求的签名不对",
    "The signature of the request is not right",
    "请检查终端；反复出现时报告安全负责人",
    "Look at the terminal; tell the security officer if it happens again",
)
NONCE_REPLAYED = terminal_refusal(
    "nonce_replayed",
    "这个请求已经收到过",
    "This request was received before",
    "重发时请重新签名；不是重发时报告安全负责人",
    "Sign again to repeat it; if nobody repeated it, tell the security officer",
)
TOO_MANY_REQUESTS = terminal_refusal(
    "too_many_requests",
    "请求太多",
    "There are too many requests",
    "请稍等再试",
    "Wait a little and try again",
    finality=Finality.TEMPORARY,
)
TERMINAL_PENDING = terminal_refusal(
    "terminal_pending",
    "这台终端还在等医保局审核",
    "This terminal is still waiting for the insurer's approval",
    "审核通过后就能使用",
    "It can be used once it is approved",
    finality=Finality.TEMPORARY,
)
TERMINAL_SUSPENDED = terminal_refusal(
    "terminal_suspended",
    "这台终端已被暂停使用",
    "This terminal is suspended",
    "请用旁边的终端或到窗口，并联系医保局",
    "Use another terminal or a window, and ask the insurer",
    finality=Finality.TEMPORARY,
)
TERMINAL_REVOKED = terminal_refusal(
    "terminal_revoked",
    "这台终端已被注销",
    "This terminal is revoked",
    "请用旁边的终端或到窗口；需要时重新登记",
    "Use another terminal or a window; it can only be enrolled anew",
)

REFUSALS: tuple[RefusalKind, ...] = (
    SIGNATURE_MALFORMED,
    KEY_UNKNOWN,
    KEY_RETIRED,
    SIGNATURE_STALE,
    SIGNATURE_FUTURE,
    SIGNED_BEFORE_START,
    BODY_ALTERED,
    SIGNATURE_WRONG,
    NONCE_REPLAYED,
    TOO_MANY_REQUESTS,
    TERMINAL_PENDING,
    TERMINAL_SUSPENDED,
    TERMINAL_REVOKED,
)


class FreshnessLimits(BaseModel):
    """How old and how early a signature may be; an operator can only narrow it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    age_max_s: int = Field(default=60, ge=5, le=60, description="Oldest signature, seconds")
    ahead_max_s: int = Field(default=5, ge=1, le=5, description="Fastest clock, seconds")


class RequestPurpose(StrEnum):
    """What a request is for.

    ``UPKEEP`` (heartbeat, new key) is open to software that is too old for business, because a
    terminal tells its new version by a heartbeat.
    """

    BUSINESS = "business"
    UPKEEP = "upkeep"


class NonceUse(StrEnum):
    """What a store of nonces says about one."""

    NEW = "new"
    REPLAYED = "replayed"
    BEFORE_START = "before_start"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it came, nothing of it trusted.

    Attributes:
        method: ``POST`` and so on.
        target_uri: As the server was addressed: its own configured origin, then path and query
            as received. Never from the Host header, or a request to one service would hold at
            another.
        signature_input: Lines of the field ``Signature-Input``.
        signature: Lines of the field ``Signature``.
        content_digest: Lines of the field ``Content-Digest``.
        address: Where the connection came from.
        body: The whole content.
    """

    method: str
    target_uri: str
    signature_input: Sequence[str]
    signature: Sequence[str]
    content_digest: Sequence[str]
    address: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClaimedSignature:
    """What the three fields say, read but not believed.

    Attributes:
        key_id: Whose key.
        created: When it was signed, to the second, UTC.
        nonce: 22 to 64 letters of base64url: 128 random bits or more.
        signature: 64 bytes.
        digest: SHA-256 of the body.
        content_digest: The field as it was signed.
        parameters: ``@signature-params`` as it was signed.
    """

    key_id: KeyId
    created: datetime
    nonce: str = field(repr=False)
    signature: bytes = field(repr=False)
    digest: bytes
    content_digest: str
    parameters: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What the register says about a key.

    Attributes:
        key_id: Its name.
        public_key: With its algorithm.
        made_at: When it was enrolled.
        retired: Whether a newer one took over.
        state: Of the terminal.
        terminal: For the parts above this one.
        place: Where it is registered.
        model: Of the terminal.
        software: The version that it named last.
    """

    key_id: KeyId
    public_key: PublicKey
    made_at: datetime
    retired: bool
    state: TerminalState
    terminal: Terminal
    place: RegisteredPlace
    model: CertifiedModel
    software: SoftwareVersion


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """A request that a terminal may make.

    Attributes:
        terminal: Who sent it.
        place: Where it is registered.
        model: What it is.
        key_id: Which key signed.
        created: When it was signed.
    """

    terminal: Terminal
    place: RegisteredPlace
    model: CertifiedModel
    key_id: KeyId
    created: datetime


def parse_signature_headers(
    *, signature_input: Sequence[str], signature: Sequence[str], content_digest: Sequence[str]
) -> ClaimedSignature:
    """Read the three fields of a signed request; each must come in exactly one line.

    Raises:
        Refused: ``terminals.signature_malformed`` with the field, for whatever is not exactly
            this profile.
    """
    label, covered, parameters = _signature_input(signature_input)
    # A Token equals the String of its letters in the library, but not in the signature.
    if covered != _COVERED or any(type(name) is not str for name, _ in covered):
        raise _malformed("signature-input", "other components")
    values = _signature_parameters(parameters)
    return ClaimedSignature(
        key_id=KeyId(values["keyid"]),
        created=datetime.fromtimestamp(values["created"], UTC),
        nonce=values["nonce"],
        signature=_signature(signature, label),
        digest=_digest(content_digest),
        content_digest=content_digest[0].strip(" "),
        parameters=_serialized(covered, parameters),
    )


def signature_base(*, method: str, target_uri: str, content_digest: str, parameters: str) -> bytes:
    """The bytes that are signed (RFC 9421, 2.5).

    Raises:
        Refused: ``terminals.signature_malformed`` when method or target hold what could be taken
            for another line.
    """
    if _METHOD.fullmatch(method) is None:
        raise _malformed("@method", "not a method")
    if not _is_target(target_uri):
        raise _malformed("@target-uri", "not a target")
    lines = (
        f'"@method": {method}',
        f'"@target-uri": {target_uri}',
        f'"content-digest": {content_digest}',
        f'"@signature-params": {parameters}',
    )
    return "\n".join(lines).encode("ascii")


def signature_parameters(*, key_id: KeyId, created: datetime, nonce: str) -> str:
    """``@signature-params`` of a new signature, which is also the value of Signature-Input."""
    values = {"created": int(created.timestamp()), "nonce": nonce, "keyid": key_id}
    return _serialized(_COVERED, values)


def content_digest_of(body: bytes) -> str:
    """The field Content-Digest of a body, which may be empty (RFC 9530, 2)."""
    return str(http_sf.ser({"sha-256": (hashlib.sha256(body).digest(), {})}))


def signature_fields(parameters: str, signature: bytes) -> tuple[str, str]:
    """The fields Signature-Input and Signature."""
    return f"{_LABEL}={parameters}", str(http_sf.ser({_LABEL: (signature, {})}))


def verify_request(
    claimed: ClaimedSignature,
    *,
    method: str,
    target_uri: str,
    body: bytes,
    expected_key: PublicKey,
    now: datetime,
    limits: FreshnessLimits,
) -> None:
    """Check that the key signed exactly this request, just now.

    Args:
        claimed: From :func:`parse_signature_headers`.
        method: Of the request.
        target_uri: Of the request, see :class:`SignedRequest`.
        body: Of the request.
        expected_key: From the register, with its algorithm.
        now: UTC.
        limits: How old and how early.

    Raises:
        Refused: ``terminals.signature_stale`` or ``terminals.signature_future`` with the skew in
            seconds, ``terminals.body_altered``, ``terminals.signature_wrong``,
            ``terminals.signature_malformed``.
    """
    # The cheap checks stand first; each would be refused by the last one too, but as "wrong".
    check_freshness(claimed.created, now=now, limits=limits)
    if not hmac.compare_digest(hashlib.sha256(body).digest(), claimed.digest):
        raise Refused(BODY_ALTERED)
    base = signature_base(
        method=method,
        target_uri=target_uri,
        content_digest=claimed.content_digest,
        parameters=claimed.parameters,
    )
    if not verify(expected_key, base, claimed.signature):
        raise Refused(SIGNATURE_WRONG)


def check_freshness(created: datetime, *, now: datetime, limits: FreshnessLimits) -> None:
    """Check the moment of signing.

    Raises:
        Refused: ``terminals.signature_stale`` or ``terminals.signature_future`` with ``skew_s``,
            the terminal's clock minus ours.
    """
    skew_s = round((created - now).total_seconds())
    if created < now - timedelta(seconds=limits.age_max_s):
        raise Refused(SIGNATURE_STALE, skew_s=skew_s, age_max_s=limits.age_max_s)
    if created > now + timedelta(seconds=limits.ahead_max_s):
        raise Refused(SIGNATURE_FUTURE, skew_s=skew_s, ahead_max_s=limits.ahead_max_s)


def check_not_ended(known: KnownKey) -> None:
    """Check that neither the terminal nor the key has come to its end.

    Raises:
        Refused: ``terminals.terminal_revoked``, ``terminals.key_retired``.
    """
    if known.state is TerminalState.REVOKED:
        raise Refused(TERMINAL_REVOKED)
    if known.retired:
        raise Refused(KEY_RETIRED)


def check_active(known: KnownKey, *, mode: Mode) -> None:
    """Check that the terminal is believed at present.

    Raises:
        Refused: ``terminals.terminal_pending``, ``terminals.terminal_suspended``,
            ``terminals.terminal_revoked``, ``terminals.simulated_outside_sandbox``.
    """
    check_not_ended(known)
    if known.state is TerminalState.SUSPENDED:
        raise Refused(TERMINAL_SUSPENDED)
    if known.state is not TerminalState.ACTIVE:
        raise Refused(TERMINAL_PENDING)
    check_mode(known.terminal.terminal_class, mode=mode)


def check_nonce(use: NonceUse) -> None:
    """Refuse unless the nonce is new.

    Raises:
        Refused: ``terminals.nonce_replayed``, ``terminals.signed_before_start``,
            ``terminals.too_many_requests``.
    """
    if use is not NonceUse.NEW:
        raise Refused(_NONCE_REFUSALS[use])


def counter_name(kind: RefusalKind) -> str:
    """The counter of a refusal: ``terminals_nonce_replayed_total``."""
    return kind.code.replace(".", "_") + "_total"


_NONCE_REFUSALS = {
    NonceUse.REPLAYED: NONCE_REPLAYED,
    NonceUse.BEFORE_START: SIGNED_BEFORE_START,
    NonceUse.TOO_MANY: TOO_MANY_REQUESTS,
}


def _signature_input(lines: Sequence[str]) -> tuple[str, Any, dict[str, Any]]:
    label, member = _only_member("signature-input", lines, SIGNATURE_INPUT_CHARS_MAX)
    covered, parameters = member
    return label, covered, parameters


def _signature_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """The three parameters, each of exactly its type: an Integer, two Strings."""
    if parameters.keys() != _PARAMETERS:
        raise _malformed("signature-input", "other parameters")
    created, nonce, key_id = (parameters[name] for name in ("created", "nonce", "keyid"))
    if type(created) is not int or not 0 <= created <= _CREATED_MAX:
        raise _malformed("signature-input", "created")
    if type(nonce) is not str or _NONCE.fullmatch(nonce) is None:
        raise _malformed("signature-input", "nonce")
    if type(key_id) is not str or _KEY_ID.fullmatch(key_id) is None:
        raise _malformed("signature-input", "keyid")
    return parameters


def _signature(lines: Sequence[str], label: str) -> bytes:
    found_label, member = _only_member("signature", lines, SIGNATURE_CHARS_MAX)
    if found_label != label:
        raise _malformed("signature", "another label")
    return _bytes("signature", member)


def _digest(lines: Sequence[str]) -> bytes:
    algorithm, member = _only_member("content-digest", lines, CONTENT_DIGEST_CHARS_MAX)
    if algorithm != "sha-256":
        raise _malformed("content-digest", "not sha-256")
    digest = _bytes("content-digest", member)
    if len(digest) != _DIGEST_BYTES:
        raise _malformed("content-digest", "not 32 bytes")
    return digest


def _bytes(name: str, member: Any) -> bytes:
    value, parameters = member
    if not isinstance(value, bytes) or parameters:
        raise _malformed(name, "not bytes alone")
    return value


def _only_member(name: str, lines: Sequence[str], chars_max: int) -> tuple[str, Any]:
    """The one member of a dictionary field (RFC 9651, 3.2)."""
    if len(lines) != 1:
        raise _malformed(name, "missing" if not lines else "more than one line")
    line = lines[0]
    if len(line) > chars_max or not line.isascii() or not line.isprintable():
        raise _malformed(name, "too long or not plain")
    members = _dictionary(name, line)
    if len(members) != 1:
        raise _malformed(name, "not one member")
    return next(iter(members.items()))


def _dictionary(name: str, line: str) -> dict[str, Any]:
    def refuse_twice(key: str, where: str) -> None:  # noqa: ARG001 - signature of the library
        raise _malformed(name, "a key twice")

    try:
        parsed = http_sf.parse(
            line.encode("ascii"), tltype="dictionary", on_duplicate_key=refuse_twice
        )
    except (ValueError, OverflowError, OSError):
        # A Date far away overflows in the library; nothing of ours is a Date.
        raise _malformed(name, "not a structured field") from None
    return parsed if isinstance(parsed, dict) else {}


def _serialized(covered: Any, parameters: dict[str, Any]) -> str:
    """The canonical form of an inner list with parameters (RFC 9421, 2.5; RFC 9651, 4.1.1.1)."""
    return str(http_sf.ser([(covered, parameters)]))


def _is_target(target_uri: str) -> bool:
    plain = target_uri.isascii() and target_uri.isprintable() and " " not in target_uri
    return plain and 0 < len(target_uri) <= TARGET_CHARS_MAX


def _malformed(name: str, found: str) -> Refused:
    return Refused(SIGNATURE_MALFORMED, field=name, found=found)
