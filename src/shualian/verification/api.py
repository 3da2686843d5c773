"""Verification over HTTP: what terminals call, and the WebSocket over which frames come.

The only asynchronous code of this part. It carries messages between a socket and a
:class:`~shualian.verification.captures.service.Conversation`, whose every step runs in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import anyio
from anyio import CapacityLimiter
from fastapi import APIRouter, Response, WebSocket, WebSocketDisconnect
from starlette.types import Message

from shualian.core.clock import business_date
from shualian.core.identifiers import SessionId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.terminals import api as terminals_api
from shualian.terminals.service import TerminalServices
from shualian.verification.captures.model import (
    CAPTURES_PATH,
    MESSAGE_TOO_EARLY,
    PROOF_PATH,
    RESULT_PATH,
    STREAM_PATH,
    BeginAnswer,
    BeginBody,
    LimitsBody,
    ProofAnswer,
    ProofBody,
    RefusedMessage,
    ResultBody,
    SessionBody,
    StreamMessages,
)
from shualian.verification.captures.service import Answer, Captures, Conversation
from shualian.verification.failures.rules import of_refusal
from shualian.verification.model import NOT_VERIFIED, SESSION_EXPIRED

T = TypeVar("T")

TURNING_BY_CORE = 4
"""Captures in their challenge at once; with a core for four each is seen ten times a second."""

CLOSE_DONE = 1000
CLOSE_POLICY = 1008
CLOSE_TOO_LARGE = 1009
CLOSE_FAULT = 1011
CLOSE_BUSY = 1013
"""Codes with which a socket is closed (RFC 6455, 7.4.1; 1013 of IANA's registry)."""


def terminal_routes(
    captures: Captures, terminal_services: TerminalServices, *, origin: str
) -> APIRouter:
    """Everything that a terminal calls to capture a face and to have a confirmation proven.

    Args:
        captures: Of the insurer.
        terminal_services: Verify the requests.
        origin: The listener's canonical origin, which terminals sign.
    """
    routes = APIRouter()
    routes.include_router(_signed_routes(captures, terminal_services, origin))
    routes.include_router(_stream_routes(captures, terminal_services))
    return routes


def _signed_routes(
    captures: Captures, terminal_services: TerminalServices, origin: str
) -> APIRouter:
    routes = terminals_api.signed_routes(terminal_services, origin=origin)
    requests = terminal_services.requests

    @routes.post(CAPTURES_PATH, status_code=201)
    def begin(body: BeginBody, sender: terminals_api.Verified, response: Response) -> BeginAnswer:
        """Open a capture after the touch and the notice, before the camera."""
        requests.check_business(sender, scene=body.scene.value, claim=body.claim.claim())
        response.headers["Cache-Control"] = "no-store"
        today = business_date(captures.clock.now())
        opened = captures.begin(
            sender,
            scene=body.scene,
            notice_version=body.notice_version,
            consents=body.consents,
            look_for=body.look_for.look_for(today=today),
            amount_max_fen=Fen(body.amount_max_fen),
        )
        return BeginAnswer(
            session_id=opened.session_id,
            nonce=opened.nonce,
            ticket=opened.ticket,
            liveness=opened.liveness,
            expires_at=opened.expires_at,
            limits=LimitsBody.made(captures.limits),
        )

    @routes.post(RESULT_PATH)
    def result(body: SessionBody, sender: terminals_api.Verified) -> ResultBody:
        """How a capture of this terminal stands; for a terminal whose socket was cut."""
        session_id, terminal_id = SessionId(body.session_id), sender.terminal.terminal_id
        return ResultBody.made(captures.sessions.result(session_id, terminal_id=terminal_id))

    @routes.post(PROOF_PATH, status_code=201)
    def proof(body: ProofBody, sender: terminals_api.Verified, response: Response) -> ProofAnswer:
        """Prove what the person has just confirmed on the screen."""
        requests.check_business(sender, scene=body.intent.scene.value, claim=body.claim.claim())
        response.headers["Cache-Control"] = "no-store"
        session_id, terminal_id = SessionId(body.session_id), sender.terminal.terminal_id
        person = captures.sessions.result(session_id, terminal_id=terminal_id).person
        if person is None:
            raise Refused(NOT_VERIFIED)
        issued = captures.sessions.issue_proof(
            session_id,
            terminal_id=terminal_id,
            intent=body.intent.intent(subject=person.subject),
            pin=body.pin,
        )
        return ProofAnswer(
            auth_no=issued.auth_no,
            psn_no=issued.subject,
            beneficiary=issued.beneficiary,
            expires_at=issued.expires_at,
        )

    return routes


def _stream_routes(captures: Captures, terminal_services: TerminalServices) -> APIRouter:
    routes = APIRouter(tags=["terminal"])
    threads = _Threads(
        turns=Turns(
            frames_max=captures.inference_max,
            turning_max=TURNING_BY_CORE * captures.inference_max,
        ),
        # One more than may look at frames: a thread that is just done is not yet given back.
        frames=CapacityLimiter(captures.inference_max + 1),
        other=CapacityLimiter(captures.captures_max),
    )

    @routes.get(
        STREAM_PATH, status_code=426, response_description="Come again as a WebSocket (RFC 6455)"
    )
    def describe(response: Response) -> StreamMessages:
        """The stream is a WebSocket; its texts are the two members of this answer's schema.

        The terminal begins with ``open``. Then it sends frames, binary: 4 bytes number, big-endian,
        from 1; 32 bytes chain; the JPEG. With ``chain_0 = SHA-256("shualian capture v1" || nonce)``
        it is ``chain_n = SHA-256(chain_(n-1) || number || SHA-256(jpeg))``. Each frame is answered
        by ``seen``, the last one by ``enough``; the next one may not come before. After ``enough``
        the terminal sends ``end``, which is answered by ``result`` or ``refused``.
        """
        response.headers["Upgrade"] = "websocket"
        return StreamMessages()

    @routes.websocket(STREAM_PATH)
    async def stream(socket: WebSocket) -> None:
        try:
            terminal_services.requests.check_network(terminals_api.address_of(socket.scope))
        except Refused:
            await socket.close(CLOSE_POLICY)
            return
        await socket.accept()
        with ExitStack() as places:
            try:
                places.enter_context(captures.place())
            except Refused as busy:
                told = of_refusal(busy).code
                refused = RefusedMessage.made(busy, told=told, result=None)
                await _close_saying(socket, refused, CLOSE_BUSY)
                return
            await _Stream(socket, captures, threads).run()

    return routes


@dataclass(frozen=True, slots=True)
class _Threads:
    """Where work is done: frames share the cores, decisions may wait for the police registry.

    Both are apart from the threads of the other routes, which captures must not use up.
    """

    turns: "Turns"
    frames: CapacityLimiter
    other: CapacityLimiter


class Hurry(Protocol):
    """How a capture stands, as far as its next frame may have to wait."""

    @property
    def turning(self) -> bool:
        """Whether somebody was asked to turn."""
        ...

    @property
    def about_to_turn(self) -> bool:
        """Whether the next frame may be the last one before that."""
        ...


class Turns:
    """Whose frame is looked at next, when more wait than there are cores; for one event loop.

    Somebody who was asked to turn and is not seen again within a second has failed. Were everybody
    served in the order of arrival, then under too many captures nobody would pass. So frames of
    turning heads go first, and only so many are asked to turn at the same time: the others look
    straight a little longer.
    """

    def __init__(self, *, frames_max: int, turning_max: int) -> None:
        """Begin with nobody.

        Args:
            frames_max: Frames that are looked at at the same moment.
            turning_max: Captures in which somebody turns at the same time.
        """
        self._free = frames_max
        self._turning_max = turning_max
        self._turning: set[Hurry] = set()
        self._waiting: list[tuple[Hurry, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, capture: Hurry) -> AsyncIterator[None]:
        """Wait until a capture's frame may be looked at; it is, for the time of a block."""
        given = asyncio.get_running_loop().create_future()
        self._waiting.append((capture, given))
        self._give()
        try:
            await given
            yield
        finally:
            if given.cancelled():
                self._waiting.remove((capture, given))
            else:
                self._free += 1
            if not capture.turning:
                self._turning.discard(capture)
            self._give()

    def forget(self, capture: Hurry) -> None:
        """A capture is over."""
        self._turning.discard(capture)
        self._give()

    def _give(self) -> None:
        while self._free and (chosen := self._chosen()) is not None:
            self._waiting.remove(chosen)
            capture, given = chosen
            if capture.turning or capture.about_to_turn:
                self._turning.add(capture)
            self._free -= 1
            given.set_result(None)

    def _chosen(self) -> tuple[Hurry, asyncio.Future[None]] | None:
        waiting = [each for each in self._waiting if not each[1].cancelled()]
        hurried = next((each for each in waiting if each[0].turning), None)
        full = len(self._turning) >= self._turning_max
        allowed = (each for each in waiting if not (full and each[0].about_to_turn))
        return hurried or next(allowed, None)


class _Stream:
    """One accepted socket: one message at a time into the conversation, one answer back."""

    def __init__(self, socket: WebSocket, captures: Captures, threads: _Threads) -> None:
        self._socket = socket
        self._limits = captures.limits
        self._clock = captures.clock
        self._threads = threads
        self._conversation: Conversation = captures.conversation()
        self._listening: asyncio.Task[Message] | None = None

    async def run(self) -> None:
        """Talk until one side is done; whatever happens, the conversation is over afterwards."""
        try:
            await self._talk()
        except WebSocketDisconnect:
            pass
        except Exception:
            with suppress(RuntimeError, WebSocketDisconnect):
                await self._socket.close(CLOSE_FAULT)
            raise
        finally:
            if self._listening is not None:
                self._listening.cancel()
            with anyio.CancelScope(shield=True):
                await self._in_thread(self._conversation.lose)
            self._threads.turns.forget(self._conversation)

    async def _talk(self) -> None:
        self._listen()
        seconds_max = self._limits.open_seconds_max
        over = False
        while not over:
            answer = await self._answer(seconds_max)
            over = self._conversation.over
            if over:
                await _close_saying(self._socket, answer, self._close_code())
            else:
                await self._socket.send_text(answer.model_dump_json())
            seconds_max = self._limits.silence_seconds_max

    async def _answer(self, seconds_max: float) -> Answer:
        """The answer to the next message, to its absence, or to a message that came too early."""
        message = await self._heard(seconds_max)
        if message is None:
            return await self._in_thread(self._conversation.refuse, Refused(SESSION_EXPIRED))
        arrived_at = self._clock.now()
        listening = self._listen()
        answer = await self._taken(message, arrived_at)
        if listening.done() and not self._conversation.over:
            _content(listening.result())
            return await self._in_thread(self._conversation.refuse, Refused(MESSAGE_TOO_EARLY))
        return answer

    async def _heard(self, seconds_max: float) -> bytes | str | None:
        """The next message; None when none came in time."""
        assert self._listening is not None  # noqa: S101 - always listening
        done, _ = await asyncio.wait({self._listening}, timeout=seconds_max)
        return _content(self._listening.result()) if done else None

    def _listen(self) -> asyncio.Task[Message]:
        self._listening = asyncio.ensure_future(self._socket.receive())
        return self._listening

    async def _taken(self, message: bytes | str, arrived_at: datetime) -> Answer:
        take = self._conversation.answer
        if isinstance(message, str):
            return await self._in_thread(take, message, arrived_at)
        async with self._threads.turns.turn(self._conversation):
            return await anyio.to_thread.run_sync(
                take, message, arrived_at, limiter=self._threads.frames
            )

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._threads.other)

    def _close_code(self) -> int:
        if self._conversation.decided:
            return CLOSE_DONE
        return CLOSE_TOO_LARGE if self._conversation.too_large else CLOSE_POLICY


def _content(message: Message) -> bytes | str:
    """What a message holds.

    Raises:
        WebSocketDisconnect: When it is the news that the terminal is gone.
    """
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", CLOSE_DONE))
    content = message.get("bytes")
    return message.get("text") or "" if content is None else content


async def _close_saying(socket: WebSocket, answer: Answer, code: int) -> None:
    await socket.send_text(answer.model_dump_json())
    await socket.close(code)
