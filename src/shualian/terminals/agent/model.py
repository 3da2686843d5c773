"""What an agent and the terminal listener say to each other, and how a request is signed; pure.

Enrolment and rotation carry their own signatures, because the listener does not know the key yet,
or no longer; everything else is a signed request.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shualian.core.identifiers import TerminalId
from shualian.core.refusals import Finality, Refused
from shualian.terminals.enrolment.model import (
    EnrolmentCode,
    EnrolmentRequest,
    KeyId,
    RotationRequest,
    key_id_of,
    parse_code,
    possession_message,
    rotation_message,
)
from shualian.terminals.heartbeat.model import REPORT_INVALID, HeartbeatReport
from shualian.terminals.model import terminal_refusal
from shualian.terminals.register.model import (
    Coordinates,
    PlaceClaim,
    PlaceId,
    Position,
    SoftwareVersion,
    parse_version,
    version_text,
)
from shualian.terminals.requests.model import (
    content_digest_of,
    signature_base,
    signature_fields,
    signature_parameters,
)
from shualian.trust.signatures import Algorithm, PublicKey, SigningKey

ENROLMENT_PATH = "/terminal/v1/enrolment"
"""POST :class:`EnrolmentBody`, not signed as a request; answers :class:`EnrolmentAnswer`."""
ROTATION_PATH = "/terminal/v1/key"
"""POST :class:`RotationBody`, not signed as a request; answers :class:`EnrolmentAnswer`."""
HEARTBEAT_PATH = "/terminal/v1/heartbeat"
"""POST :class:`HeartbeatBody`, signed, purpose upkeep; answers :class:`HeartbeatAnswer`."""

INSURER_REFUSED = terminal_refusal(
    "insurer_refused",
    "医保平台拒绝了这台终端的请求",
    "The insurer's listener refused the terminal's request",
    "请按代码查看原因",
    "Look up the code",
)
INSURER_UNREACHABLE = terminal_refusal(
    "insurer_unreachable",
    "连不上医保平台",
    "The insurer's listener cannot be reached",
    "请检查网络，稍后自动重试",
    "Check the network; it is tried again by itself",
    finality=Finality.TEMPORARY,
)
AGENT_NOT_ENROLLED = terminal_refusal(
    "agent_not_enrolled",
    "这台终端还没有登记",
    "This terminal has not enrolled",
    "请用登记码登记",
    "Enrol it with a code",
)
AGENT_FOLDER_WRONG = terminal_refusal(
    "agent_folder_wrong",
    "终端的密钥文件夹缺少内容或已损坏",
    "The folder of the terminal's key is incomplete or damaged",
    "请清空文件夹后重新登记",
    "Empty the folder and enrol anew",
)

REFUSALS = (INSURER_REFUSED, INSURER_UNREACHABLE, AGENT_NOT_ENROLLED, AGENT_FOLDER_WRONG)

_Base64 = Annotated[str, StringConstraints(max_length=120, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
_Certificate = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9A-Z._-]{0,63}$")]
_Text = Annotated[str, StringConstraints(max_length=64)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class EnrolmentBody(_Wire):
    """:class:`EnrolmentRequest` on the wire; keys and signatures in base64."""

    code: _Text = Field(repr=False)
    certificate: _Certificate
    software: _Text
    algorithm: Algorithm
    public_key: _Base64
    proof: _Base64

    @classmethod
    def made(
        cls, key: SigningKey, *, code: EnrolmentCode, certificate: str, software: SoftwareVersion
    ) -> "EnrolmentBody":
        """The body with which the holder of ``key`` enrols."""
        return cls(
            code=code.text,
            certificate=certificate,
            software=version_text(software),
            algorithm=key.public_key.algorithm,
            public_key=_text(key.public_key.raw),
            proof=_text(key.sign(possession_message(code, key.public_key))),
        )

    def request(self) -> EnrolmentRequest:
        """What the body asks for.

        Raises:
            Refused: ``terminals.code_wrong``, ``terminals.model_invalid``,
                ``trust.public_key_invalid``.
        """
        return EnrolmentRequest(
            code=parse_code(self.code),
            certificate=self.certificate,
            software=parse_version(self.software),
            public_key=PublicKey(self.algorithm, _bytes(self.public_key)),
            proof=_bytes(self.proof),
        )


class RotationBody(_Wire):
    """:class:`RotationRequest` on the wire."""

    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    algorithm: Algorithm
    public_key: _Base64
    endorsement: _Base64
    proof: _Base64

    @classmethod
    def made(cls, present: SigningKey, new: SigningKey) -> "RotationBody":
        """The body with which the holder of both keys replaces the present one."""
        key_id = key_id_of(present.public_key)
        message = rotation_message(key_id, new.public_key)
        return cls(
            key_id=key_id,
            algorithm=new.public_key.algorithm,
            public_key=_text(new.public_key.raw),
            endorsement=_text(present.sign(message)),
            proof=_text(new.sign(message)),
        )

    def request(self) -> RotationRequest:
        """What the body asks for.

        Raises:
            Refused: ``trust.public_key_invalid``.
        """
        return RotationRequest(
            key_id=KeyId(self.key_id),
            public_key=PublicKey(self.algorithm, _bytes(self.public_key)),
            endorsement=_bytes(self.endorsement),
            proof=_bytes(self.proof),
        )


class EnrolmentAnswer(_Wire):
    """How an enrolment stands: what an agent keeps."""

    terminal_id: _Text
    place_id: _Text
    state: _Text


class ClaimBody(_Wire):
    """:class:`PlaceClaim` on the wire: part of every business body, never of a URL."""

    place_id: _Text
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    accuracy_m: Annotated[float, Field(ge=0, le=1e6)] | None = None

    @classmethod
    def made(cls, claim: PlaceClaim) -> "ClaimBody":
        """The claim on the wire."""
        if claim.position is None:
            return cls(place_id=claim.place_id)
        point = claim.position.coordinates
        return cls(
            place_id=claim.place_id,
            latitude=point.latitude,
            longitude=point.longitude,
            accuracy_m=claim.position.accuracy_m,
        )

    def claim(self) -> PlaceClaim:
        """What is claimed.

        Raises:
            Refused: ``terminals.report_invalid`` for half a position.
        """
        given = (self.latitude, self.longitude, self.accuracy_m)
        if all(value is None for value in given):
            return PlaceClaim(PlaceId(self.place_id))
        if self.latitude is None or self.longitude is None or self.accuracy_m is None:
            raise Refused(REPORT_INVALID, item="position")
        point = Coordinates(self.latitude, self.longitude)
        return PlaceClaim(PlaceId(self.place_id), Position(point, self.accuracy_m))


class HeartbeatBody(_Wire):
    """:class:`HeartbeatReport` on the wire."""

    software: _Text
    camera_ok: bool
    disk_free_percent: int
    tampered: bool
    claim: ClaimBody

    @classmethod
    def made(cls, report: HeartbeatReport) -> "HeartbeatBody":
        """The report on the wire."""
        return cls(
            software=version_text(report.software),
            camera_ok=report.camera_ok,
            disk_free_percent=report.disk_free_percent,
            tampered=report.tampered,
            claim=ClaimBody.made(report.claim),
        )

    def report(self) -> HeartbeatReport:
        """What is reported.

        Raises:
            Refused: ``terminals.report_invalid``, ``terminals.model_invalid``.
        """
        return HeartbeatReport(
            software=parse_version(self.software),
            camera_ok=self.camera_ok,
            disk_free_percent=self.disk_free_percent,
            tampered=self.tampered,
            claim=self.claim.claim(),
        )


class HeartbeatAnswer(_Wire):
    """The insurer's judgement of the terminal."""

    state: _Text
    reasons: list[_Text]


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """What an enrolled agent knows of itself.

    Attributes:
        terminal_id: Its number.
        place_id: Where it was set up.
        key_file: Name of its present key's file.
    """

    terminal_id: TerminalId
    place_id: PlaceId
    key_file: str


def sign_request(
    key: SigningKey, *, method: str, target_uri: str, body: bytes, created: datetime, nonce: str
) -> Mapping[str, str]:
    """The three fields of a signed request.

    Args:
        key: The terminal's.
        method: In capitals.
        target_uri: The listener's canonical origin, path and query.
        body: The whole content, as it will be sent.
        created: Now, UTC.
        nonce: 22 to 64 letters of base64url, never used before.
    """
    digest = content_digest_of(body)
    parameters = signature_parameters(
        key_id=key_id_of(key.public_key), created=created, nonce=nonce
    )
    base = signature_base(
        method=method, target_uri=target_uri, content_digest=digest, parameters=parameters
    )
    signature_input, signature = signature_fields(parameters, key.sign(base))
    return {
        "content-digest": digest,
        "signature-input": signature_input,
        "signature": signature,
    }


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    """Of text that has the form of base64; bytes of no use when its length is wrong."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
