"""The reference terminal's side of a capture: begin, stream, end, result, proof.

What it does not have is a camera or a security module: frames come from whoever calls it, and the
key lies in memory.
"""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import SessionId
from shualian.core.refusals import Refused
from shualian.face.model import Profile
from shualian.terminals.agent.model import INSURER_REFUSED, INSURER_UNREACHABLE, ClaimBody
from shualian.trust.signatures import SigningKey
from shualian.verification.captures.model import (
    CAPTURES_PATH,
    PROOF_PATH,
    RESULT_PATH,
    STREAM_PATH,
    AgainMessage,
    BeginAnswer,
    BeginBody,
    Chain,
    EnoughMessage,
    FromServer,
    IntentBody,
    LookForBody,
    OpenedMessage,
    OpenMessage,
    ProofAnswer,
    ProofBody,
    RefusedMessage,
    ResultBody,
    ResultMessage,
    SeenMessage,
    SessionBody,
    end_message,
    pack_frame,
)
from shualian.verification.model import ConsentPurpose, Scene

Answer = TypeVar("Answer", bound=BaseModel)
Heard = OpenedMessage | SeenMessage | EnoughMessage | ResultMessage | RefusedMessage

Camera = Callable[[SeenMessage | None], bytes]
"""Gives the next frame as JPEG, of a person who was shown the last answer; None at first."""

TEXT_BYTES_MAX = 64 * 1024
"""No answer of the insurer is longer."""

_SECONDS_MAX = 30.0
_CODE = re.compile(r"[a-z]+\.[a-z0-9_]{1,60}")
_FROM_SERVER: TypeAdapter[Heard] = TypeAdapter(FromServer)


class CaptureStream:
    """An open socket of one capture; the chain goes on until it is closed."""

    def __init__(self, connection: ClientConnection, key: SigningKey, begun: BeginAnswer) -> None:
        """Describe the stream; :meth:`open` is said first."""
        self.connection = connection
        self.chain = Chain.begun(begun.nonce)
        self._key = key
        self._begun = begun

    def open(self, profile: Profile = Profile.STANDING) -> OpenedMessage | RefusedMessage:
        """Show the ticket, and say how the person is in front of the camera.

        Raises:
            Refused: As :meth:`hear`.
        """
        begun = self._begun
        self.say(
            OpenMessage(
                type="open",
                session_id=begun.session_id,
                ticket=begun.ticket,
                nonce=begun.nonce,
                profile=profile,
            )
        )
        return self._expect(OpenedMessage)

    def show(self, jpeg: bytes) -> SeenMessage | EnoughMessage | RefusedMessage:
        """Send one frame and hear what it came to.

        Raises:
            Refused: As :meth:`hear`.
        """
        self.chain, message = pack_frame(self.chain, jpeg)
        self.send(message)
        heard = self.hear()
        return heard if isinstance(heard, SeenMessage) else self._one_of(heard, EnoughMessage)

    def watch(self, camera: Camera) -> EnoughMessage | RefusedMessage:
        """Send frames of a camera until there are enough, or the capture is refused.

        Raises:
            Refused: As :meth:`hear`.
        """
        seen: SeenMessage | None = None
        while True:
            answer = self.show(camera(seen))
            if not isinstance(answer, SeenMessage):
                return answer
            seen = answer

    def end(self, key: SigningKey | None = None) -> ResultMessage | RefusedMessage:
        """Sign the end and hear the decision.

        Args:
            key: Signs instead of the terminal's own.

        Raises:
            Refused: As :meth:`hear`.
        """
        session_id, nonce = SessionId(self._begun.session_id), self._begun.nonce
        self.say(end_message(session_id, nonce=nonce, chain=self.chain, key=key or self._key))
        return self._expect(ResultMessage)

    def again(self, look_for: LookForBody) -> OpenedMessage | RefusedMessage:
        """Make one more attempt, with a narrower look-for.

        Raises:
            Refused: As :meth:`hear`.
        """
        self.say(AgainMessage(type="again", look_for=look_for))
        return self._expect(OpenedMessage)

    def capture(self, camera: Camera) -> ResultMessage | RefusedMessage:
        """Watch and end.

        Raises:
            Refused: As :meth:`hear`.
        """
        answer = self.watch(camera)
        return answer if isinstance(answer, RefusedMessage) else self.end()

    def say(self, message: BaseModel) -> None:
        """Send a text.

        Raises:
            Refused: ``terminals.insurer_unreachable``.
        """
        self.send(message.model_dump_json())

    def send(self, message: str | bytes) -> None:
        """Send anything.

        Raises:
            Refused: ``terminals.insurer_unreachable``.
        """
        try:
            self.connection.send(message)
        except ConnectionClosed as closed:
            raise _unreachable(closed) from None

    def hear(self) -> Heard:
        """The next answer.

        Raises:
            Refused: ``terminals.insurer_unreachable``, or ``terminals.insurer_refused`` for an
                answer that cannot be read.
        """
        try:
            text = self.connection.recv(timeout=_SECONDS_MAX)
        except (ConnectionClosed, TimeoutError) as failure:
            raise _unreachable(failure) from None
        try:
            return _FROM_SERVER.validate_json(text)
        except ValidationError:
            raise Refused(INSURER_REFUSED, reason="an answer of another form") from None

    def _expect(self, kind: type[Answer]) -> Answer | RefusedMessage:
        return self._one_of(self.hear(), kind)

    @staticmethod
    def _one_of(heard: Heard, kind: type[Answer]) -> Answer | RefusedMessage:
        if isinstance(heard, kind | RefusedMessage):
            return heard
        raise Refused(INSURER_REFUSED, reason="an answer to something else")


class CaptureClient:
    """One terminal that captures faces: signed requests, and one socket for each capture."""

    def __init__(
        self,
        *,
        http: httpx.Client,
        signer: httpx.Auth,
        key: SigningKey,
        claim: ClaimBody,
        stream_origin: str,
    ) -> None:
        """Describe the client.

        Args:
            http: Reaches the listener; its ``base_url`` is set.
            signer: Signs requests with the terminal's key.
            key: The same key, for the end of a capture.
            claim: Where the terminal stands.
            stream_origin: ``ws://host:port`` or ``wss://…`` of the same listener.
        """
        self._http = http
        self._signer = signer
        self._key = key
        self._claim = claim
        self._stream_uri = stream_origin.rstrip("/") + STREAM_PATH

    def begin(
        self,
        *,
        scene: Scene,
        notice_version: str,
        consents: Collection[ConsentPurpose],
        look_for: LookForBody,
        amount_max_fen: int = 0,
    ) -> BeginAnswer:
        """Open a capture after the touch and the notice.

        Raises:
            Refused: ``terminals.insurer_refused`` with the insurer's code,
                ``terminals.insurer_unreachable``.
        """
        body = BeginBody(
            scene=scene,
            claim=self._claim,
            notice_version=notice_version,
            consents=list(consents),
            look_for=look_for,
            amount_max_fen=amount_max_fen,
        )
        return self._post(CAPTURES_PATH, body, BeginAnswer)

    @contextmanager
    def stream(self, begun: BeginAnswer) -> Iterator[CaptureStream]:
        """A connected socket for a capture, on which nothing was said yet.

        Raises:
            Refused: ``terminals.insurer_unreachable``.
        """
        forbid_in_transaction("a call to the insurer")
        try:
            connection = connect(
                self._stream_uri, compression=None, max_size=TEXT_BYTES_MAX, proxy=None
            )
        except (OSError, WebSocketException) as failure:
            raise _unreachable(failure) from None
        with connection:
            yield CaptureStream(connection, self._key, begun)

    def capture(self, begun: BeginAnswer, camera: Camera) -> ResultMessage | RefusedMessage:
        """The whole of a capture with one attempt.

        Raises:
            Refused: As :meth:`stream` and :meth:`CaptureStream.hear`.
        """
        with self.stream(begun) as stream:
            opened = stream.open()
            return opened if isinstance(opened, RefusedMessage) else stream.capture(camera)

    def result(self, session_id: str) -> ResultBody:
        """How a capture stands, for a terminal whose socket was cut.

        Raises:
            Refused: As :meth:`begin`.
        """
        return self._post(RESULT_PATH, SessionBody(session_id=session_id), ResultBody)

    def prove(self, session_id: str, intent: IntentBody, *, pin: str | None = None) -> ProofAnswer:
        """Have proven what the person has just confirmed on the screen.

        Raises:
            Refused: As :meth:`begin`.
        """
        body = ProofBody(session_id=session_id, claim=self._claim, intent=intent, pin=pin)
        return self._post(PROOF_PATH, body, ProofAnswer)

    def _post(self, path: str, body: BaseModel, expected: type[Answer]) -> Answer:
        forbid_in_transaction("a call to the insurer")
        content = body.model_dump_json().encode("utf-8")
        headers = {"content-type": "application/json"}
        try:
            response = self._http.post(path, content=content, headers=headers, auth=self._signer)
        except httpx.TransportError as failure:
            raise _unreachable(failure) from None
        if not response.is_success:
            raise Refused(INSURER_REFUSED, status=response.status_code, reason=_code_of(response))
        try:
            return expected.model_validate_json(response.content)
        except ValidationError:
            raise Refused(INSURER_REFUSED, reason="an answer of another form") from None


def _unreachable(failure: Exception) -> Refused:
    return Refused(INSURER_UNREACHABLE, found=type(failure).__name__)


def _code_of(response: httpx.Response) -> str:
    """The code of a refusal, never other words of an answer that nobody checked."""
    try:
        code = response.json().get("code", "")
    except (ValueError, AttributeError):
        return ""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
