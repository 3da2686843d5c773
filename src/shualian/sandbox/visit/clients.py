"""Who acts in a visit: terminals that sign their requests, and staff who are signed in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from shualian.core.clock import Clock
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.sandbox.authenticator import Authenticator
from shualian.sandbox.city import TERMINAL_SOFTWARE
from shualian.sandbox.visit.server import on_loopback
from shualian.terminals.agent.model import ClaimBody
from shualian.terminals.agent.service import TerminalAgent
from shualian.terminals.agent.store import AgentFolder
from shualian.terminals.heartbeat.model import HeartbeatReport
from shualian.terminals.register.model import PlaceClaim
from shualian.trust.signatures import Algorithm
from shualian.verification.captures.client import CaptureClient

_JSON = {"content-type": "application/json"}
_TIMEOUT_S = 60

Found = TypeVar("Found", bound=BaseModel)


class AnsweredNo(Exception):  # noqa: N818 - what a server answered is no error of ours
    """A server refused.

    Attributes:
        code: Of the refusal.
        words: What the person is told, in Chinese.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = words


class TerminalAtPlace:
    """A simulated terminal of the province: its key lies in its folder."""

    def __init__(self, folder: Path, *, origin: str, clock: Clock) -> None:
        base = on_loopback(origin)
        self._folder = AgentFolder(folder, mode=Mode.SANDBOX)
        self.http = httpx.Client(base_url=base, timeout=_TIMEOUT_S, trust_env=False)
        self.agent = TerminalAgent(
            http=self.http,
            origin=origin,
            folder=self._folder,
            algorithm=Algorithm.SM2_SM3,
            clock=clock,
        )
        self.captures = CaptureClient(
            http=self.http,
            signer=self.agent.signer(),
            key=self._folder.key(),
            claim=self.claim(),
            stream_origin=base.replace("http", "ws", 1),
        )

    @property
    def terminal_id(self) -> str:
        """Its number."""
        return self.agent.identity().terminal_id

    def claim(self) -> ClaimBody:
        """That it stands at its place."""
        return ClaimBody.made(PlaceClaim(self.agent.identity().place_id))

    def beat(self) -> None:
        """A heartbeat of a terminal that fares well."""
        claim = PlaceClaim(self.agent.identity().place_id)
        self.agent.heartbeat(
            HeartbeatReport(
                software=TERMINAL_SOFTWARE,
                camera_ok=True,
                disk_free_percent=60,
                tampered=False,
                claim=claim,
            )
        )

    def post(self, path: str, body: Mapping[str, Any] | BaseModel) -> Any:
        """A signed request; gives the JSON of the answer.

        Raises:
            AnsweredNo: When it is refused.
        """
        content = _content(body)
        answer = self.http.post(path, content=content, headers=_JSON, auth=self.agent.signer())
        return _json_of(answer)

    def close(self) -> None:
        """Close its connections."""
        self.http.close()


class StaffAtDesk:
    """A member of staff whose browser carries the session's cookie."""

    def __init__(self, origin: str) -> None:
        self.http = httpx.Client(
            base_url=on_loopback(origin),
            timeout=_TIMEOUT_S,
            trust_env=False,
            headers={"origin": origin, "sec-fetch-site": "same-origin"},
        )

    def sign_in(self, side: str, *, login: str, password: str) -> None:
        """Sign in with a password at ``/hospital`` or ``/insurer``.

        Raises:
            AnsweredNo: When it is refused.
        """
        body = {"login": login, "password": password}
        self.post(f"/{side}/staff/sign-in/password", body)

    def sign_in_with_passkey(self, side: str, passkey: Authenticator) -> None:
        """Sign in with a passkey, as those who govern must.

        Raises:
            AnsweredNo: When it is refused.
        """
        options = self.post(f"/{side}/staff/sign-in/passkey/options")
        self.post(f"/{side}/staff/sign-in/passkey", {"credential": passkey.get(options)})

    def post(self, path: str, body: Mapping[str, Any] | BaseModel | None = None) -> Any:
        """A request that changes something; gives the JSON of the answer.

        Raises:
            AnsweredNo: When it is refused.
        """
        content = None if body is None else _content(body)
        return _json_of(self.http.post(path, content=content, headers=_JSON))

    def put(self, path: str, body: Mapping[str, Any] | BaseModel) -> Any:
        """As :meth:`post`, with PUT."""
        return _json_of(self.http.put(path, content=_content(body), headers=_JSON))

    def get(self, path: str, **asked: str) -> Any:
        """A request that only reads.

        Raises:
            AnsweredNo: When it is refused.
        """
        return _json_of(self.http.get(path, params=asked))

    def close(self) -> None:
        """Close its connections."""
        self.http.close()


def code_of(refused: Refused | AnsweredNo) -> str:
    """The stable code of a refusal, from wherever it came."""
    return refused.code if isinstance(refused, AnsweredNo) else refused.kind.code


def _content(body: Mapping[str, Any] | BaseModel) -> bytes:
    if isinstance(body, BaseModel):
        return body.model_dump_json().encode()
    return httpx.Request("POST", "http://localhost", json=body).content


def _json_of(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    problem = answer.json()
    raise AnsweredNo(str(problem.get("code", "")), str(problem.get("message", {}).get("zh", "")))
