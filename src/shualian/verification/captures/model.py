"""What a terminal and the insurer say to each other during a capture, and what is refused; pure.

One socket is one capture. The terminal opens it with a ticket that is good once and for seconds,
sends frames that are numbered and chained from the session's nonce, each answered before the next
one, and signs the end of the chain. So nothing older can be put in, and nothing left out, swapped
or repeated on the way.

What the chain proves: the frames that were looked at are those that the holder of the terminal's
key signed, in this session and this order. What it does not prove: that they came from a camera;
whoever holds the key can chain any pictures (ISO/IEC 30107-1 calls it injection behind the
sensor). Against recordings stands the challenge, which is drawn anew and shown turn by turn.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from shualian.core.id_number import parse_id_number
from shualian.core.identifiers import IntentId, PersonNo, SessionId
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.face.liveness.challenge import Turn
from shualian.face.liveness.decision import LivenessLevel
from shualian.face.model import Box, Hint, Profile
from shualian.terminals.agent.model import ClaimBody
from shualian.trust.signatures import SigningKey
from shualian.verification.failures.rules import of_unknown
from shualian.verification.model import (
    SESSION_EXPIRED,
    Basis,
    Called,
    ConsentPurpose,
    Document,
    Expected,
    Intent,
    LastDigits,
    LookFor,
    Relation,
    Relative,
    Scene,
    SessionResult,
    SessionState,
    TypedNumber,
    UnknownReason,
    VerifiedPerson,
)
from shualian.verification.registry.model import RegistryVerdict

CAPTURES_PATH = "/terminal/v1/captures"
STREAM_PATH = f"{CAPTURES_PATH}/stream"
RESULT_PATH = f"{CAPTURES_PATH}/result"
PROOF_PATH = f"{CAPTURES_PATH}/proof"

_JPEG = b"\xff\xd8\xff"

CHAIN_CONTEXT = b"shualian capture v1"
"""Hashed before the nonce, so that a chain value is never the hash of anything else."""
END_CONTEXT = "shualian capture end v1"
"""First line of what the terminal signs; no signed request begins with it."""

NUMBER_BYTES = 4
CHAIN_BYTES = 32
FRAME_HEAD_BYTES = NUMBER_BYTES + CHAIN_BYTES
"""Before the JPEG: the frame's number, big-endian, from 1, and the chain's value with it."""


class CaptureLimits(BaseModel):
    """How much one capture may send; an operator can only narrow it.

    The whole is bounded by the session's own time too, whichever ends first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames_max: int = Field(default=400, ge=10, le=400, description="Frames of a capture")
    frame_bytes_max: int = Field(
        default=512 * 1024, ge=16 * 1024, le=512 * 1024, description="Bytes of one JPEG"
    )
    bytes_max: int = Field(
        default=48 * 2**20, ge=2**20, le=48 * 2**20, description="Bytes of all frames together"
    )
    frames_per_second_max: int = Field(default=20, ge=2, le=20, description="Frames in any second")
    seconds_max: int = Field(default=90, ge=10, le=90, description="From the opening to the end")
    silence_seconds_max: float = Field(
        default=30, gt=0, le=30, description="Without a message of the terminal"
    )
    open_seconds_max: float = Field(
        default=10, gt=0, le=10, description="From the connection to its first message"
    )
    text_bytes_max: int = Field(default=4096, ge=1024, le=4096, description="Bytes of a text")


_kind = KindsOf("verification").kind

_BEGIN_AGAIN = ("请重新开始刷脸", "Begin a new capture")
_UPDATE = ("请升级终端软件", "Update the terminal's software")
_INSPECT = (
    "请重新开始；反复出现时报告安全负责人",
    "Begin again; tell the security officer if it happens again",
)

CAPTURES_BUSY = _kind(
    "captures_busy",
    "系统正忙，请稍等",
    "Too many captures are running at this moment",
    "请稍等再试，或用医保卡、医保码、身份证办理",
    "Wait a little and try again, or use the card, the e-voucher code or the ID card",
    Helper.SELF,
    Finality.TEMPORARY,
)
MESSAGE_INVALID = _kind(
    "capture_message_invalid",
    "终端发来的消息格式不对",
    "A message of the terminal does not have the agreed form",
    *_UPDATE,
)
MESSAGE_UNEXPECTED = _kind(
    "capture_message_unexpected",
    "终端发来的消息次序不对",
    "A message of the terminal came when none of its kind may come",
    *_UPDATE,
)
MESSAGE_TOO_EARLY = _kind(
    "capture_message_too_early",
    "上一帧还没有答复，又发来了一帧",
    "A message came before the one before it was answered",
    *_UPDATE,
)
FRAME_OUT_OF_ORDER = _kind(
    "frame_out_of_order",
    "画面的编号不连续",
    "A frame does not carry the number that comes next",
    *_INSPECT,
)
FRAME_CHAIN_BROKEN = _kind(
    "frame_chain_broken",
    "画面在传输中被换过",
    "A frame does not belong to the chain of this capture",
    *_INSPECT,
)
MESSAGE_TOO_LARGE = _kind(
    "capture_message_too_large",
    "终端发来的消息太长",
    "A text of the terminal is longer than it may be",
    *_UPDATE,
)
FRAME_TOO_LARGE = _kind(
    "frame_too_large",
    "一帧画面太大",
    "A frame is larger than a terminal may send",
    *_UPDATE,
)
FRAMES_TOO_MANY = _kind(
    "frames_too_many",
    "这次发来的画面太多",
    "The capture has sent more than it may",
    *_BEGIN_AGAIN,
    Helper.SELF,
)
FRAMES_TOO_FAST = _kind(
    "frames_too_fast",
    "画面发得太快",
    "Frames come faster than a terminal may send them",
    *_UPDATE,
)
END_DIFFERS = _kind(
    "capture_end_differs",
    "终端报的画面数和收到的不一致",
    "The terminal ends another capture than the one that was received",
    *_INSPECT,
)

REFUSALS = (
    CAPTURES_BUSY,
    MESSAGE_INVALID,
    MESSAGE_UNEXPECTED,
    MESSAGE_TOO_EARLY,
    FRAME_OUT_OF_ORDER,
    FRAME_CHAIN_BROKEN,
    MESSAGE_TOO_LARGE,
    FRAME_TOO_LARGE,
    FRAMES_TOO_MANY,
    FRAMES_TOO_FAST,
    END_DIFFERS,
)


@dataclass(frozen=True, slots=True)
class Chain:
    """How far a capture's frames have come.

    Attributes:
        count: Frames so far.
        value: 32 bytes that only these frames in this order lead to.
    """

    count: int
    value: bytes

    @classmethod
    def begun(cls, nonce: str) -> "Chain":
        """Before the first frame: SHA-256 over the context and the session's nonce."""
        return cls(0, hashlib.sha256(CHAIN_CONTEXT + nonce.encode()).digest())

    def with_frame(self, jpeg: bytes) -> "Chain":
        """After one more frame: SHA-256 over the value before, the number and the JPEG's hash."""
        number = self.count + 1
        link = self.value + _number(number) + hashlib.sha256(jpeg).digest()
        return Chain(number, hashlib.sha256(link).digest())


def pack_frame(chain: Chain, jpeg: bytes) -> tuple[Chain, bytes]:
    """The chain with the next frame, and the binary message that carries it."""
    grown = chain.with_frame(jpeg)
    return grown, _number(grown.count) + grown.value + jpeg


def unpack_frame(chain: Chain, message: bytes) -> tuple[Chain, bytes]:
    """The chain with the frame of a binary message, and its JPEG.

    Raises:
        Refused: ``verification.capture_message_invalid``, ``frame_out_of_order``,
            ``frame_chain_broken``.
    """
    if len(message) <= FRAME_HEAD_BYTES:
        raise Refused(MESSAGE_INVALID, found="a frame without a picture")
    number = int.from_bytes(message[:NUMBER_BYTES], "big")
    # Before the hash, so that a lost frame is not taken for an attack.
    if number != chain.count + 1:
        raise Refused(FRAME_OUT_OF_ORDER, found=number, expected=chain.count + 1)
    jpeg = message[FRAME_HEAD_BYTES:]
    if not jpeg.startswith(_JPEG):
        raise Refused(MESSAGE_INVALID, found="a frame that is no JPEG")
    grown = chain.with_frame(jpeg)
    if not hmac.compare_digest(grown.value, message[NUMBER_BYTES:FRAME_HEAD_BYTES]):
        raise Refused(FRAME_CHAIN_BROKEN, number=number)
    return grown, jpeg


def end_statement(session_id: SessionId, *, nonce: str, chain: Chain) -> bytes:
    """What the terminal signs at the end: context, session, nonce, count and chain, a line each."""
    lines = (END_CONTEXT, session_id, nonce, str(chain.count), chain.value.hex())
    return "\n".join(lines).encode()


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a capture has sent so far.

    Attributes:
        opened_at: When the socket was opened, UTC.
        frames: How many.
        size_bytes: Of all frames.
        recent: When the frames of the last second came.
    """

    opened_at: datetime
    frames: int = 0
    size_bytes: int = 0
    recent: tuple[datetime, ...] = ()

    def with_frame(self, size_bytes: int, *, now: datetime, limits: CaptureLimits) -> "Traffic":
        """With one more frame, within the limits.

        Raises:
            Refused: ``verification.frame_too_large``, ``frames_too_many``, ``frames_too_fast``.
        """
        if size_bytes > limits.frame_bytes_max + FRAME_HEAD_BYTES:
            raise Refused(FRAME_TOO_LARGE, found=size_bytes, limit=limits.frame_bytes_max)
        grown = Traffic(
            opened_at=self.opened_at,
            frames=self.frames + 1,
            size_bytes=self.size_bytes + size_bytes,
            recent=(*(at for at in self.recent if now - at < _SECOND), now),
        )
        if grown.frames > limits.frames_max or grown.size_bytes > limits.bytes_max:
            raise Refused(FRAMES_TOO_MANY, frames=grown.frames, size_bytes=grown.size_bytes)
        if len(grown.recent) > limits.frames_per_second_max:
            raise Refused(FRAMES_TOO_FAST, limit_per_second=limits.frames_per_second_max)
        return grown


def check_in_time(
    opened_at: datetime, *, expires_at: datetime, now: datetime, limits: CaptureLimits
) -> None:
    """Check that neither the session nor the socket has used up its time.

    Raises:
        Refused: ``verification.session_expired``.
    """
    if now >= min(expires_at, opened_at + timedelta(seconds=limits.seconds_max)):
        raise Refused(SESSION_EXPIRED)


_SECOND = timedelta(seconds=1)


def _number(number: int) -> bytes:
    return number.to_bytes(NUMBER_BYTES, "big")


# --- what goes over the socket as text -----------------------------------------------------------


class Wire(BaseModel):
    """Whatever travels: unchangeable, nothing unknown, and an error never quotes what was sent."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_Secret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
_Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_IdNumberText = Annotated[str, StringConstraints(min_length=18, max_length=18)]


class ExpectedBody(Wire):
    """Among the people who are expected here today."""

    kind: Literal["expected"]

    def look_for(self, *, today: date) -> LookFor:  # noqa: ARG002 - the same verb for each kind
        """What is looked for."""
        return Expected()


class CalledBody(Wire):
    """The patient who was called to this terminal."""

    kind: Literal["called"]

    def look_for(self, *, today: date) -> LookFor:  # noqa: ARG002
        """What is looked for."""
        return Called()


class LastDigitsBody(Wire):
    """Among the people whose ID number ends so."""

    kind: Literal["last_digits"]
    digits: Annotated[str, StringConstraints(pattern=r"^[0-9]{3,7}[0-9Xx]$")] = Field(repr=False)

    def look_for(self, *, today: date) -> LookFor:  # noqa: ARG002
        """What is looked for."""
        return LastDigits(self.digits.upper())


class TypedNumberBody(Wire):
    """The person whose whole ID number was typed."""

    kind: Literal["typed_number"]
    id_number: _IdNumberText = Field(repr=False)

    def look_for(self, *, today: date) -> LookFor:
        """What is looked for.

        Raises:
            Refused: ``core.id_number_invalid``.
        """
        return TypedNumber(parse_id_number(self.id_number, today=today))


class DocumentBody(Wire):
    """The person whose ID document the terminal's reader has read.

    A document that a clerk has seen is not claimed here: a terminal cannot say which clerk.
    """

    kind: Literal["document"]
    id_number: _IdNumberText = Field(repr=False)

    def look_for(self, *, today: date) -> LookFor:
        """What is looked for.

        Raises:
            Refused: ``core.id_number_invalid``.
        """
        return Document(parse_id_number(self.id_number, today=today), None)


LookForBody = Annotated[
    ExpectedBody | CalledBody | LastDigitsBody | TypedNumberBody | DocumentBody,
    Field(discriminator="kind"),
]
"""For whom the terminal looks."""


class OpenMessage(Wire):
    """The first message of a socket.

    ``profile`` says how the person is in front of the camera: ``bedside`` lets a head lie and the
    light be dim. It changes what a good frame is, never what a match is.
    """

    type: Literal["open"]
    session_id: _Identifier
    ticket: _Secret = Field(repr=False)
    nonce: _Secret = Field(repr=False)
    profile: Profile = Profile.STANDING


class EndMessage(Wire):
    """The end of the frames: how many, the chain after the last, and the terminal's signature.

    ``signature`` is in base64, 64 bytes ``r || s`` by the key that signed the begin, over the
    lines: ``shualian capture end v1``, session, nonce, count in decimals, chain in lower-case
    hexadecimal, joined by a line feed.
    """

    type: Literal["end"]
    count: Annotated[int, Field(strict=True, ge=1, le=2**31)]
    chain: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class AgainMessage(Wire):
    """One more attempt on the same socket; numbers and chain go on."""

    type: Literal["again"]
    look_for: LookForBody


FromTerminal = Annotated[OpenMessage | EndMessage | AgainMessage, Field(discriminator="type")]
"""Every text that a terminal may send."""


class LimitsBody(Wire):
    """What a capture may send: whoever sends more is refused."""

    frames_max: int
    frame_bytes_max: int
    bytes_max: int
    frames_per_second_max: int
    seconds_max: int

    @classmethod
    def made(cls, limits: CaptureLimits) -> "LimitsBody":
        """The limits on the wire."""
        return cls(**{name: getattr(limits, name) for name in cls.model_fields})


class BoxBody(Wire):
    """Where the face is, in whole pixels of the frame; may reach past its edges."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def made(cls, box: Box) -> "BoxBody":
        """The box on the wire."""
        return cls(x=round(box.x), y=round(box.y), width=round(box.width), height=round(box.height))


class OpenedMessage(Wire):
    """The capture runs; the answer to ``open`` and to ``again``."""

    type: Literal["opened"] = "opened"
    session_id: str
    liveness: LivenessLevel
    next_number: int
    expires_at: datetime


class SeenMessage(Wire):
    """The answer to a frame: send the next one.

    ``hint`` is the one thing to tell the person now; ``prompt`` where the head is to go, and then
    ``hint`` is null while there is nothing graver to say. ``progress`` is 0..1.
    """

    type: Literal["seen"] = "seen"
    number: int
    hint: Hint | None
    progress: float
    box: BoxBody | None
    prompt: Turn | None


class EnoughMessage(Wire):
    """The answer to the last frame: send ``end``."""

    type: Literal["enough"] = "enough"
    number: int
    box: BoxBody | None


class PersonBody(Wire):
    """The person on the screen: masked, enough to say "that is me"."""

    masked_name: str
    masked_id_number: str
    region: str


class CertaintyBody(Wire):
    """At which error rate it was decided, and on what data that rate was proven.

    Null where the police registry alone decided: its error rate is not known to us.
    """

    fmr: float | None
    error_upper95: float | None
    comparisons: int
    data: str | None
    proven_for_population: bool

    @classmethod
    def made(cls, person: VerifiedPerson) -> "CertaintyBody":
        """What is known of a decision."""
        return cls(
            fmr=person.fmr,
            error_upper95=person.error_upper95,
            comparisons=person.comparisons,
            data=person.point.data if person.point else None,
            proven_for_population=person.proven_for_population,
        )


class RelativeBody(Wire):
    """For whom else the person may act: the screen "今天给谁办？"."""

    psn_no: str
    masked_name: str
    kinship: str

    @classmethod
    def made(cls, relative: Relative) -> Self:
        """The relative on the wire."""
        return cls(
            psn_no=relative.subject, masked_name=relative.masked_name, kinship=relative.kinship
        )


class ResultBody(Wire):
    """How a session stands; may be read again after a lost connection.

    ``registry`` is ``unavailable`` in degraded mode, where less is allowed.
    """

    state: SessionState
    unknown: UnknownReason | None
    refused: str | None
    attempts_left: int
    person: PersonBody | None
    certainty: CertaintyBody | None
    basis: Basis | None
    registry: RegistryVerdict | None
    standing: list[str]
    activated: bool
    relatives: list[RelativeBody]

    @classmethod
    def made(cls, result: SessionResult) -> Self:
        """The result on the wire."""
        return cls(
            state=result.state,
            unknown=result.unknown,
            refused=result.refused,
            attempts_left=result.attempts_left,
            person=_person(result),
            certainty=CertaintyBody.made(result.person) if result.person else None,
            basis=result.basis,
            registry=result.registry,
            standing=list(result.standing),
            activated=result.activated,
            relatives=[RelativeBody.made(each) for each in result.relatives],
        )


class ResultMessage(ResultBody):
    """The answer to ``end``; with ``may_go_on``, ``again`` may follow, else the socket is closed.

    ``told`` is the scan failure of an unknown person, whose words and clip the person gets.
    """

    type: Literal["result"] = "result"
    told: str | None = None
    may_go_on: bool = False


def result_message(result: SessionResult) -> ResultMessage:
    """The answer to an attempt that was made."""
    told = None
    if result.unknown is not None:
        told = of_unknown(
            result.unknown, attempts_left=result.attempts_left, claimed=result.claimed
        ).code
    body = ResultBody.made(result).model_dump()
    return ResultMessage(**body, told=told, may_go_on=may_go_on(result))


def may_go_on(result: SessionResult) -> bool:
    """Whether the same socket may make one more attempt."""
    return result.state is SessionState.CAPTURING and result.attempts_left > 0


def _person(result: SessionResult) -> PersonBody | None:
    if result.masked_name is None or result.masked_id_number is None:
        return None
    return PersonBody(
        masked_name=result.masked_name,
        masked_id_number=result.masked_id_number,
        region=result.region or "",
    )


class WordsBody(Wire):
    """The same words in Chinese and English."""

    zh: str
    en: str


class RefusedMessage(Wire):
    """The capture, or one attempt of it, is refused; the same data as every refusal.

    ``told`` is the scan failure whose words and clip the person gets. With ``may_go_on`` the
    terminal may send ``again`` on this socket; else the socket is closed.
    """

    type: Literal["refused"] = "refused"
    code: str
    told: str
    message: WordsBody
    next: WordsBody
    helper: Helper
    finality: Finality
    details: dict[str, str | int | float]
    may_go_on: bool
    attempts_left: int

    @classmethod
    def made(cls, refused: Refused, *, told: str, result: SessionResult | None) -> Self:
        """The refusal on the wire.

        Args:
            refused: The refusal.
            told: Code of the scan failure.
            result: How the session stands after a refused attempt; None: the capture is over.
        """
        return cls.model_validate(
            {
                **refused.as_json(),
                "told": told,
                "may_go_on": result is not None and may_go_on(result),
                "attempts_left": result.attempts_left if result else 0,
            }
        )


FromServer = Annotated[
    OpenedMessage | SeenMessage | EnoughMessage | ResultMessage | RefusedMessage,
    Field(discriminator="type"),
]
"""Every text that the insurer may send."""

_FROM_TERMINAL: TypeAdapter[OpenMessage | EndMessage | AgainMessage] = TypeAdapter(FromTerminal)


def parse_text(text: str, *, limits: CaptureLimits) -> OpenMessage | EndMessage | AgainMessage:
    """A text message of the terminal.

    Raises:
        Refused: ``verification.capture_message_too_large``, ``capture_message_invalid`` with the
            place and the kind of the first error, never with what was sent.
    """
    size_bytes = len(text.encode(errors="replace"))
    if size_bytes > limits.text_bytes_max:
        raise Refused(MESSAGE_TOO_LARGE, found=size_bytes, limit=limits.text_bytes_max)
    try:
        return _FROM_TERMINAL.validate_json(text)
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        raise Refused(MESSAGE_INVALID, found=first["type"]) from None


def signature_of(message: EndMessage) -> bytes:
    """The 64 bytes of an end's signature."""
    return base64.b64decode(message.signature, validate=True)


def end_message(session_id: SessionId, *, nonce: str, chain: Chain, key: SigningKey) -> EndMessage:
    """The end of a capture, signed by the terminal."""
    signature = key.sign(end_statement(session_id, nonce=nonce, chain=chain))
    return EndMessage(
        type="end",
        count=chain.count,
        chain=chain.value.hex(),
        signature=base64.b64encode(signature).decode("ascii"),
    )


def check_end(message: EndMessage, chain: Chain) -> None:
    """Check that the terminal ends the capture that was received.

    Raises:
        Refused: ``verification.capture_end_differs``.
    """
    if message.count != chain.count:
        raise Refused(END_DIFFERS, found=message.count, expected=chain.count)
    if not hmac.compare_digest(bytes.fromhex(message.chain), chain.value):
        raise Refused(END_DIFFERS, count=chain.count)


# --- what goes as a signed request ---------------------------------------------------------------

_PersonText = Annotated[str, StringConstraints(min_length=1, max_length=30)]


class BeginBody(Wire):
    """What a terminal asks for after the touch and the notice: POST :data:`CAPTURES_PATH`."""

    scene: Scene
    claim: ClaimBody
    notice_version: Annotated[str, StringConstraints(min_length=1, max_length=30)]
    consents: Annotated[list[ConsentPurpose], Field(max_length=3)]
    look_for: LookForBody
    amount_max_fen: Annotated[int, Field(ge=0, le=10**9)] = 0


class BeginAnswer(Wire):
    """The capture that was opened; nonce and ticket are given this once."""

    session_id: str
    nonce: str = Field(repr=False)
    ticket: str = Field(repr=False)
    liveness: LivenessLevel
    expires_at: datetime
    limits: LimitsBody


class SessionBody(Wire):
    """Which capture: POST :data:`RESULT_PATH`."""

    session_id: _Identifier


class IntentBody(Wire):
    """What the person saw on the screen and confirmed; without a beneficiary: for themselves."""

    intent_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._-]{1,30}$")]
    scene: Scene
    amount_max_fen: Annotated[int, Field(ge=0, le=10**9)] = 0
    uses: Annotated[int, Field(ge=1, le=100)] = 1
    beneficiary: _PersonText | None = None
    relation: Relation = Relation.SELF

    def intent(self, *, subject: PersonNo) -> Intent:
        """The intent of the person who was verified."""
        return Intent(
            intent_id=IntentId(self.intent_id),
            scene=self.scene,
            beneficiary=subject if self.beneficiary is None else PersonNo(self.beneficiary),
            relation=self.relation,
            amount_max_fen=Fen(self.amount_max_fen),
            uses=self.uses,
        )


class ProofBody(Wire):
    """A confirmation to be proven: POST :data:`PROOF_PATH`."""

    session_id: _Identifier
    claim: ClaimBody
    intent: IntentBody
    pin: Annotated[str, StringConstraints(pattern=r"^[0-9]{4,12}$")] | None = Field(
        default=None, repr=False
    )


class ProofAnswer(Wire):
    """The proof's number, given this once, and for whom it is."""

    auth_no: str = Field(repr=False)
    psn_no: str
    beneficiary: str
    expires_at: datetime


class StreamMessages(Wire):
    """What goes over the socket at :data:`STREAM_PATH`; here for its schema, always empty."""

    from_terminal: FromTerminal | None = None
    from_server: FromServer | None = None
