"""What captures need from beside and below: sessions, the terminal's key, the terminal's health."""

from collections.abc import Collection
from typing import Protocol

from shualian.core.identifiers import SessionId, TerminalId
from shualian.core.money import ZERO, Fen
from shualian.terminals.enrolment.model import KeyId
from shualian.terminals.heartbeat.model import CaptureOutcome
from shualian.terminals.model import Terminal
from shualian.terminals.requests.model import VerifiedRequest
from shualian.verification.model import (
    ConsentPurpose,
    FaceProof,
    IdentificationOutcome,
    Intent,
    LookFor,
    Scene,
    SessionResult,
)
from shualian.verification.ports import Captured
from shualian.verification.sessions.model import OpenedSession, RunningCapture


class Sessions(Protocol):
    """The ceremony: verification, as a capture uses it."""

    def begin(
        self,
        terminal: Terminal,
        *,
        key_id: str,
        scene: Scene,
        notice_version: str,
        consents: Collection[ConsentPurpose],
        look_for: LookFor,
        amount_max_fen: Fen = ZERO,
    ) -> OpenedSession:
        """Open a session after the touch and the notice, before the first frame."""
        ...

    def open_capture(self, session_id: SessionId, *, ticket: str, nonce: str) -> RunningCapture:
        """Claim a session for one socket; its ticket is used up."""
        ...

    def verify(
        self,
        session_id: SessionId,
        *,
        nonce: str,
        captured: Captured,
        look_for: LookFor | None = None,
    ) -> IdentificationOutcome:
        """Decide who was captured."""
        ...

    def abandon(self, session_id: SessionId, *, reason: str) -> None:
        """End a session that has no result yet; a decided one stays as it is."""
        ...

    def result(self, session_id: SessionId, *, terminal_id: TerminalId) -> SessionResult:
        """How a session stands."""
        ...

    def issue_proof(
        self,
        session_id: SessionId,
        *,
        terminal_id: TerminalId,
        intent: Intent,
        pin: str | None = None,
    ) -> FaceProof:
        """Issue the session's one proof."""
        ...


class SignedMessages(Protocol):
    """Whose key signed something that is no request."""

    def verify_message(self, key_id: KeyId, message: bytes, signature: bytes) -> Terminal:
        """The terminal, believed at this moment, whose key signed the message."""
        ...


class Health(Protocol):
    """How terminals fare."""

    def check_capture(self, verified: VerifiedRequest) -> None:
        """Accept a terminal that is fit to take a face now."""
        ...

    def count_capture(self, *, terminal_id: TerminalId, outcome: CaptureOutcome) -> None:
        """Count a capture that has ended."""
        ...
