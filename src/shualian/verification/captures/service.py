"""Captures: begin, open a socket's conversation, take its frames, decide, and forget."""

import os
import random
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import SessionId
from shualian.core.money import Fen
from shualian.core.refusals import RefusalKind, Refused
from shualian.face.liveness.challenge import Challenge, ChallengeFailure, new_challenge
from shualian.face.liveness.decision import (
    AttackDetectionErrorRates,
    LivenessDecision,
    LivenessLevel,
    LivenessReason,
)
from shualian.face.model import Profile
from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.heartbeat.model import CaptureOutcome
from shualian.terminals.ports import RefusalCounter
from shualian.terminals.requests.model import VerifiedRequest, counter_name
from shualian.verification.captures.capture import Engine, LiveCapture
from shualian.verification.captures.model import (
    CAPTURES_BUSY,
    FRAME_TOO_LARGE,
    MESSAGE_TOO_LARGE,
    MESSAGE_UNEXPECTED,
    AgainMessage,
    BoxBody,
    CaptureLimits,
    Chain,
    EndMessage,
    EnoughMessage,
    OpenedMessage,
    OpenMessage,
    RefusedMessage,
    ResultMessage,
    SeenMessage,
    Traffic,
    check_end,
    check_in_time,
    end_statement,
    may_go_on,
    parse_text,
    result_message,
    signature_of,
    unpack_frame,
)
from shualian.verification.captures.ports import Health, Sessions, SignedMessages
from shualian.verification.failures.model import FAILURES
from shualian.verification.failures.rules import of_liveness, of_refusal
from shualian.verification.failures.service import ScanFailures
from shualian.verification.model import (
    CAPTURE_LOST,
    NOT_LIVE,
    ConsentPurpose,
    LookFor,
    Scene,
    SessionResult,
    SessionState,
)
from shualian.verification.ports import Captured
from shualian.verification.sessions.model import OpenedSession, RunningCapture

CAPTURES_MAX = 64
"""Captures that one process runs at once; one more is asked to wait (starting value)."""

Answer = OpenedMessage | SeenMessage | EnoughMessage | ResultMessage | RefusedMessage
"""What a conversation says back."""

NewChallenge = Callable[[], Challenge]


class Captures:
    """Use cases of captures over one insurer's sessions."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        engine: Engine,
        error_rates: AttackDetectionErrorRates,
        messages: SignedMessages,
        health: Health,
        counter: RefusalCounter,
        failures: ScanFailures,
        clock: Clock,
        limits: CaptureLimits | None = None,
        captures_max: int = CAPTURES_MAX,
        inference_max: int | None = None,
        new_challenge: NewChallenge | None = None,
    ) -> None:
        """Describe what captures run on.

        Args:
            sessions: Verification.
            engine: Of this process, shared by all captures.
            error_rates: Of the passive liveness score.
            messages: Whose key signed the end.
            health: Of the terminals.
            counter: Metrics.
            failures: Counts by cause what people are told.
            clock: For limits, for the challenge and for what is expired.
            limits: What one capture may send.
            captures_max: How many run at once.
            inference_max: How many frames are looked at at the same moment; as many as there are
                cores by default, because more would only make each other late.
            new_challenge: Draws one; from the operating system's randomness by default.
        """
        self.sessions = sessions
        self.engine = engine
        self.error_rates = error_rates
        self.messages = messages
        self.health = health
        self.counter = counter
        self.failures = failures
        self.clock = clock
        self.limits = limits or CaptureLimits()
        self.captures_max = captures_max
        self.inference_max = inference_max or os.cpu_count() or 1
        self.new_challenge = new_challenge or _drawn
        self._places = threading.BoundedSemaphore(captures_max)

    def begin(
        self,
        sender: VerifiedRequest,
        *,
        scene: Scene,
        notice_version: str,
        consents: Collection[ConsentPurpose],
        look_for: LookFor,
        amount_max_fen: Fen,
    ) -> OpenedSession:
        """Open a session for a terminal that is fit to take a face now.

        Raises:
            Refused: ``terminals.terminal_at_risk``, ``terminals.heartbeat_stale``,
                ``terminals.camera_failed``, and as :meth:`Sessions.begin`.
        """
        self.health.check_capture(sender)
        return self.sessions.begin(
            sender.terminal,
            key_id=sender.key_id,
            scene=scene,
            notice_version=notice_version,
            consents=consents,
            look_for=look_for,
            amount_max_fen=amount_max_fen,
        )

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places for running captures, for the time of a block; never waits.

        Raises:
            Refused: ``verification.captures_busy``.
        """
        if not self._places.acquire(blocking=False):
            self.counter.count(counter_name(CAPTURES_BUSY))
            raise Refused(CAPTURES_BUSY, limit=self.captures_max)
        try:
            yield
        finally:
            self._places.release()

    def conversation(self) -> "Conversation":
        """What one socket says and hears, from its first message."""
        return Conversation(self)


class _Stage(Enum):
    WAITING = auto()
    FRAMES = auto()
    ENOUGH = auto()
    BETWEEN = auto()
    OVER = auto()


@dataclass(slots=True)
class _Running:
    """What one opened socket holds; pixels live in ``live`` only."""

    capture: RunningCapture
    nonce: str
    chain: Chain
    traffic: Traffic
    live: LiveCapture
    look_for: LookFor | None = None


class Conversation:
    """One socket's talk without the socket: a message in, exactly one answer out.

    Every way out ends in the same place: pixels dropped, the session decided or abandoned, the
    terminal's tally counted once. Not for use by several threads at once.
    """

    def __init__(self, captures: Captures) -> None:
        """Wait for the first message."""
        self._all = captures
        self._stage = _Stage.WAITING
        self._running: _Running | None = None
        self._outcome = CaptureOutcome.FAILED
        self._refused: RefusalKind | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more may be said."""
        return self._stage is _Stage.OVER

    @property
    def too_large(self) -> bool:
        """Whether it is over because a message was too large."""
        return self._refused in {FRAME_TOO_LARGE, MESSAGE_TOO_LARGE}

    @property
    def decided(self) -> bool:
        """Whether it is over because a decision was made and told."""
        return self.over and self._refused is None

    @property
    def turning(self) -> bool:
        """Whether somebody was asked to turn, so that the next frame must not wait."""
        return self._running is not None and self._running.live.turning

    @property
    def about_to_turn(self) -> bool:
        """Whether the next frame may be the last one before somebody is asked to turn."""
        return self._running is not None and self._running.live.about_to_turn

    def answer(self, message: bytes | str, arrived_at: datetime | None = None) -> Answer:
        """Take the next message, binary or text; after a refusal the conversation is over.

        A refused *attempt* (an unknown person, a poor picture) is an answer like others and may
        be followed by ``again``; whatever else is refused ends the capture at once.

        Args:
            message: As it came.
            arrived_at: When it came, where it has waited since; now by default. How fast a head
                turns is told by when its frames came, not by when there was time to look at them.
        """
        try:
            if isinstance(message, bytes):
                return self._take_frame(message, arrived_at or self._all.clock.now())
            return self._take_text(message)
        except Refused as refused:
            return self.refuse(refused)
        except BaseException:
            self.lose()
            raise

    def refuse(self, refused: Refused) -> RefusedMessage:
        """End the capture by a refusal."""
        self._all.counter.count(counter_name(refused.kind))
        # The kind only: the refusal's traceback would keep the frame that it was about.
        self._refused = refused.kind
        self._end(reason=refused.kind.code)
        told = self._all.failures.told(of_refusal(refused))
        return RefusedMessage.made(refused, told=told.code, result=None)

    def lose(self) -> None:
        """End the capture because nobody is there to be told; a result that stands is kept."""
        self._end(reason=CAPTURE_LOST.code)

    def _take_frame(self, message: bytes, arrived_at: datetime) -> SeenMessage | EnoughMessage:
        running, limits = self._in_stage(_Stage.FRAMES), self._all.limits
        running.traffic = running.traffic.with_frame(len(message), now=arrived_at, limits=limits)
        running.chain, jpeg = unpack_frame(running.chain, message)
        seconds = (arrived_at - running.traffic.opened_at).total_seconds()
        sight = running.live.take(jpeg, seconds=seconds)
        box = BoxBody.made(sight.box) if sight.box else None
        if sight.enough:
            self._stage = _Stage.ENOUGH
            return EnoughMessage(number=running.chain.count, box=box)
        return SeenMessage(
            number=running.chain.count,
            hint=sight.hint,
            progress=round(sight.progress, 3),
            box=box,
            prompt=sight.prompt,
        )

    def _take_text(self, text: str) -> Answer:
        message = parse_text(text, limits=self._all.limits)
        match message:
            case OpenMessage():
                return self._open(message)
            case EndMessage():
                return self._decide(message)
            case AgainMessage():
                return self._go_on(message)

    def _open(self, message: OpenMessage) -> OpenedMessage:
        if self._stage is not _Stage.WAITING:
            raise Refused(MESSAGE_UNEXPECTED, found="open")
        capture = self._all.sessions.open_capture(
            SessionId(message.session_id), ticket=message.ticket, nonce=message.nonce
        )
        if message.profile is not Profile.STANDING:
            capture = replace(capture, profile=message.profile)
        self._running = _Running(
            capture=capture,
            nonce=message.nonce,
            chain=Chain.begun(message.nonce),
            traffic=Traffic(self._all.clock.now()),
            live=self._new_live(capture),
        )
        self._stage = _Stage.FRAMES
        return _opened(self._running)

    def _decide(self, message: EndMessage) -> ResultMessage | RefusedMessage:
        running = self._in_stage(_Stage.ENOUGH)
        check_end(message, running.chain)
        session_id = running.capture.session_id
        statement = end_statement(session_id, nonce=running.nonce, chain=running.chain)
        key_id = KeyId(running.capture.key_id)
        self._all.messages.verify_message(key_id, statement, signature_of(message))
        captured = running.live.finish()
        try:
            self._all.sessions.verify(
                session_id, nonce=running.nonce, captured=captured, look_for=running.look_for
            )
        except Refused as refused:
            return self._refused_attempt(refused, captured)
        result = self._result(running)
        self._after_attempt(result)
        answer = result_message(result)
        if answer.told is not None:
            self._all.failures.told(FAILURES[answer.told])
        return answer

    def _refused_attempt(self, refused: Refused, captured: Captured) -> RefusedMessage:
        assert self._running is not None  # noqa: S101 - an attempt was made
        self._all.counter.count(counter_name(refused.kind))
        told = of_refusal(refused)
        if isinstance(captured.liveness, LivenessDecision) and refused.kind is NOT_LIVE:
            decision = captured.liveness
            told = of_liveness(decision.reason, decision.challenge_failure) or told
            self._outcome = _outcome_of(decision)
        result = self._result(self._running)
        self._after_attempt(result)
        self._all.failures.told(told)
        return RefusedMessage.made(refused, told=told.code, result=result)

    def _after_attempt(self, result: SessionResult) -> None:
        if result.state is SessionState.VERIFIED:
            self._outcome = CaptureOutcome.DONE
        if may_go_on(result):
            self._stage = _Stage.BETWEEN
        else:
            self._end(reason=None)

    def _go_on(self, message: AgainMessage) -> OpenedMessage | RefusedMessage:
        running = self._in_stage(_Stage.BETWEEN)
        today = business_date(self._all.clock.now())
        try:
            running.look_for = message.look_for.look_for(today=today)
        except Refused as refused:
            # Somebody mistyped a number; that is no reason to begin from the start.
            self._all.counter.count(counter_name(refused.kind))
            told = self._all.failures.told(of_refusal(refused))
            return RefusedMessage.made(refused, told=told.code, result=self._result(running))
        running.live = self._new_live(running.capture)
        self._stage = _Stage.FRAMES
        return _opened(running)

    def _in_stage(self, expected: _Stage) -> _Running:
        """What runs, when this is the time for such a message and there is time left."""
        if self._running is None or self._stage is not expected:
            raise Refused(MESSAGE_UNEXPECTED, found=self._stage.name.lower())
        check_in_time(
            self._running.traffic.opened_at,
            expires_at=self._running.capture.expires_at,
            now=self._all.clock.now(),
            limits=self._all.limits,
        )
        return self._running

    def _new_live(self, capture: RunningCapture) -> LiveCapture:
        level = capture.liveness
        return LiveCapture(
            self._all.engine,
            level=level,
            profile=capture.profile,
            challenge=self._all.new_challenge() if level is LivenessLevel.ACTIVE else None,
            error_rates=self._all.error_rates,
        )

    def _result(self, running: _Running) -> SessionResult:
        capture = running.capture
        return self._all.sessions.result(capture.session_id, terminal_id=capture.terminal_id)

    def _end(self, *, reason: str | None) -> None:
        """Forget what was seen; without a decision give the session up; count once."""
        if self.over:
            return
        self._stage = _Stage.OVER
        running, self._running = self._running, None
        if running is None:
            return
        running.live.drop()
        capture = running.capture
        try:
            if reason is not None:
                self._all.sessions.abandon(capture.session_id, reason=reason)
        finally:
            self._all.health.count_capture(terminal_id=capture.terminal_id, outcome=self._outcome)


def _opened(running: _Running) -> OpenedMessage:
    return OpenedMessage(
        session_id=running.capture.session_id,
        liveness=running.capture.liveness,
        next_number=running.chain.count + 1,
        expires_at=running.capture.expires_at,
    )


def _outcome_of(decision: LivenessDecision) -> CaptureOutcome:
    """An alarm for what looks like an attack; a turn that was missed is only a failure."""
    exchanged = decision.challenge_failure in _EXCHANGED
    if decision.reason is LivenessReason.PASSIVE_SCORE_LOW or exchanged:
        return CaptureOutcome.ATTACK
    return CaptureOutcome.FAILED


_EXCHANGED = (ChallengeFailure.ANOTHER_FACE, ChallengeFailure.FACE_JUMPED)


def _drawn() -> Challenge:
    return new_challenge(random.SystemRandom())
