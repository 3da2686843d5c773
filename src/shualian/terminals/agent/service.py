"""The reference terminal agent: enrol, report, call, rotate, over an httpx client."""

import re
import secrets
from collections.abc import Generator
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from shualian.core.clock import Clock
from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import TerminalId
from shualian.core.refusals import Refused
from shualian.terminals.agent.model import (
    ENROLMENT_PATH,
    HEARTBEAT_PATH,
    INSURER_REFUSED,
    INSURER_UNREACHABLE,
    ROTATION_PATH,
    AgentIdentity,
    EnrolmentAnswer,
    EnrolmentBody,
    HeartbeatAnswer,
    HeartbeatBody,
    RotationBody,
    sign_request,
)
from shualian.terminals.agent.store import AgentFolder
from shualian.terminals.enrolment.model import KEY_TAKEN, EnrolmentCode, KeyId, key_id_of
from shualian.terminals.heartbeat.model import HeartbeatReport
from shualian.terminals.register.model import PlaceId, SoftwareVersion
from shualian.trust.signatures import Algorithm, SigningKey

Answer = TypeVar("Answer", bound=BaseModel)

_CODE = re.compile(r"[a-z]+\.[a-z0-9_]{1,60}")


class RequestSigner(httpx.Auth):
    """Signs each request of an httpx client with a terminal's key."""

    requires_request_body = True

    def __init__(self, key: SigningKey, *, origin: str, clock: Clock) -> None:
        """Describe the signer.

        Args:
            key: The terminal's.
            origin: The listener's canonical origin, ``https://name:port``, whatever address the
                connection is made to.
            clock: For ``created``.
        """
        self._key = key
        self._origin = origin.rstrip("/")
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the three fields and send it once."""
        request.headers.update(
            sign_request(
                self._key,
                method=request.method,
                target_uri=self._origin + request.url.raw_path.decode("ascii"),
                body=request.content,
                created=self._clock.now(),
                nonce=secrets.token_urlsafe(16),
            )
        )
        yield request


class TerminalAgent:
    """One terminal as software: what a native terminal does around its camera.

    What it does not have is a certified security module: its key lies in a file, and whoever can
    read that file is this terminal.
    """

    def __init__(
        self,
        *,
        http: httpx.Client,
        origin: str,
        folder: AgentFolder,
        algorithm: Algorithm,
        clock: Clock,
    ) -> None:
        """Describe the agent.

        Args:
            http: Reaches the listener; its ``base_url`` is set.
            origin: The listener's canonical origin, which is signed.
            folder: Keeps the key.
            algorithm: SM2 for native terminals.
            clock: For ``created``.
        """
        self._http = http
        self._origin = origin
        self._folder = folder
        self._algorithm = algorithm
        self._clock = clock

    def enrol(
        self, *, code: EnrolmentCode, certificate: str, software: SoftwareVersion
    ) -> EnrolmentAnswer:
        """Make a key and enrol it; the fingerprint is then shown for the supervisor to compare.

        Again with the same code after a lost answer: the same key is used.

        Raises:
            Refused: ``terminals.insurer_refused`` with the insurer's code,
                ``terminals.insurer_unreachable``.
        """
        name, key = self._folder.waiting_key(self._algorithm)
        body = EnrolmentBody.made(key, code=code, certificate=certificate, software=software)
        try:
            answer = self._post(ENROLMENT_PATH, body, EnrolmentAnswer)
        except Refused as refused:
            # Answered long ago, for a terminal that was revoked since: this key is spent.
            if refused.details.get("reason") == KEY_TAKEN.code:
                self._folder.drop_key(name)
            raise
        self._keep(answer, name)
        return answer

    def fingerprint(self) -> KeyId:
        """Name of the present key, to be compared on two screens.

        Raises:
            Refused: ``terminals.agent_not_enrolled``.
        """
        return key_id_of(self._folder.key().public_key)

    def identity(self) -> AgentIdentity:
        """What the agent knows of itself.

        Raises:
            Refused: ``terminals.agent_not_enrolled``.
        """
        return self._folder.identity()

    def signer(self) -> RequestSigner:
        """What signs requests with the present key: ``http.post(..., auth=agent.signer())``.

        Raises:
            Refused: ``terminals.agent_not_enrolled``.
        """
        return RequestSigner(self._folder.key(), origin=self._origin, clock=self._clock)

    def heartbeat(self, report: HeartbeatReport) -> HeartbeatAnswer:
        """Report and learn the insurer's judgement.

        Raises:
            Refused: As :meth:`enrol`, and ``terminals.agent_not_enrolled``.
        """
        body = HeartbeatBody.made(report)
        return self._post(HEARTBEAT_PATH, body, HeartbeatAnswer, signer=self.signer())

    def rotate_key(self) -> EnrolmentAnswer:
        """Put a new key in the place of the present one, which is destroyed when it is answered.

        Raises:
            Refused: As :meth:`heartbeat`; the present key then stays.
        """
        present = self._folder.key()
        name, new = self._folder.waiting_key(self._algorithm)
        answer = self._post(ROTATION_PATH, RotationBody.made(present, new), EnrolmentAnswer)
        self._keep(answer, name)
        return answer

    def _keep(self, answer: EnrolmentAnswer, key_file: str) -> None:
        terminal_id, place_id = TerminalId(answer.terminal_id), PlaceId(answer.place_id)
        self._folder.keep(AgentIdentity(terminal_id, place_id, key_file))

    def _post(
        self,
        path: str,
        body: BaseModel,
        expected: type[Answer],
        *,
        signer: RequestSigner | None = None,
    ) -> Answer:
        forbid_in_transaction("a call to the insurer")
        content = body.model_dump_json().encode("utf-8")
        headers = {"content-type": "application/json"}
        auth = signer or httpx.USE_CLIENT_DEFAULT
        try:
            response = self._http.post(path, content=content, headers=headers, auth=auth)
        except httpx.TransportError as failure:
            raise Refused(INSURER_UNREACHABLE, found=type(failure).__name__) from None
        if not response.is_success:
            raise Refused(INSURER_REFUSED, status=response.status_code, reason=_code_of(response))
        try:
            return expected.model_validate_json(response.content)
        except ValidationError:
            raise Refused(INSURER_REFUSED, reason="an answer of another form") from None


def _code_of(response: httpx.Response) -> str:
    """The code of a refusal, never other words of an answer that nobody checked."""
    try:
        code = response.json().get("code", "")
    except (ValueError, AttributeError):
        return ""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
