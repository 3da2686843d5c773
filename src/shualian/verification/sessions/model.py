"""Capture sessions: their states, who is looked for, and how an attempt ends; pure rules.

``opened -> capturing -> verified | refused``. A session is claimed once, with its ticket, by the
stream that carries its frames; attempts are made inside that one capture, one at a time. An
unknown person or a poor picture leaves it capturing while attempts are left; a lost stream refuses
it; time leads to ``expired``.
"""

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from shualian.core.identifiers import InstitutionCode, PersonNo, SessionId, TerminalId
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Refused
from shualian.face.liveness.decision import LivenessLevel
from shualian.face.model import Profile
from shualian.terminals.model import TerminalClass
from shualian.trust.audit.model import Code, Payload
from shualian.verification.model import (
    CAPTURE_LOST,
    CAPTURE_NOT_OPENED,
    CONSENT_MISSING,
    DIGITS_INVALID,
    SESSION_BUSY,
    SESSION_CLOSED,
    SESSION_EXPIRED,
    SESSION_NONCE_WRONG,
    SESSION_OTHER_TERMINAL,
    TICKET_VALID,
    TICKET_WRONG,
    Basis,
    Consent,
    ConsentPurpose,
    Factor,
    OperatingPoint,
    Policy,
    Scene,
    SessionState,
    UnknownReason,
    VerifiedPerson,
    check_text,
    digest,
)
from shualian.verification.registry.model import RegistryVerdict

_DIGITS = re.compile(r"[0-9]{3,7}[0-9X]")
_REASON = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
_REASON_CHARACTERS_MAX = 48


class SoughtBy(StrEnum):
    """How a terminal says whom it looks for."""

    EXPECTED = "expected"
    DIGITS = "digits"
    CALLED = "called"
    NUMBER = "number"
    DOCUMENT = "document"


SEARCHES = frozenset({SoughtBy.EXPECTED, SoughtBy.DIGITS})
"""Ways that look among several people (1:N)."""

NAMED_BY: dict[SoughtBy, Factor] = {
    SoughtBy.NUMBER: Factor.DIGITS,
    SoughtBy.DOCUMENT: Factor.DOCUMENT,
}
"""Claims by a whole number, and what each is worth."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Whom a session looks for, without the number by which that was said.

    Attributes:
        by: How it was said.
        digits: Typed last digits, upper case; forgotten when the session is decided.
        claimed: Who has the number; ``None`` when nobody has it, and for the other ways.
    """

    by: SoughtBy
    digits: str | None = field(default=None, repr=False)
    claimed: PersonNo | None = None


@dataclass(frozen=True, slots=True)
class CaptureSession:
    """One person in front of one terminal, from the touch to the confirmation.

    Attributes:
        session_id: Its identifier.
        terminal_id: The only terminal that may use it.
        institution: Of the terminal.
        terminal_class: Of the terminal.
        key_id: The key with which the terminal opened it and must sign its end.
        scene: What the person came for.
        consents: Given before the camera; the comparison is always among them.
        amount_max_fen: The most that a proof of this session may move.
        liveness: What the capture must pass.
        sought: Whom it looks for.
        nonce_digest: :func:`digest` of the nonce that the terminal was given.
        ticket_digest: Of the stream's ticket; ``None`` once it was used.
        opened_at: UTC.
        expires_at: UTC; from then on it is expired unless it is decided.
        state: As stored, see :meth:`state_at`.
        attempting: Whether an attempt is under way.
        attempts: Made so far.
        comparisons: The most comparisons made so far.
        error_upper95: Sum of the error bounds of the attempts so far.
        unknown: Why the last attempt named nobody.
        person: Who it is, once verified.
        decided_at: When it was verified or refused, UTC.
        refused_because: Code of what refused it.
        activated: Whether it activated or woke the person's e-voucher.
        proof_issued_at: When its one proof was issued, UTC.
    """

    session_id: SessionId
    terminal_id: TerminalId
    institution: InstitutionCode
    terminal_class: TerminalClass
    key_id: str
    scene: Scene
    consents: tuple[Consent, ...]
    amount_max_fen: Fen
    liveness: LivenessLevel
    sought: Sought
    nonce_digest: str
    ticket_digest: str | None
    opened_at: datetime
    expires_at: datetime
    state: SessionState = SessionState.OPENED
    attempting: bool = False
    attempts: int = 0
    comparisons: int = 0
    error_upper95: float = 0.0
    unknown: UnknownReason | None = None
    person: VerifiedPerson | None = None
    decided_at: datetime | None = None
    refused_because: str | None = None
    activated: bool = False
    proof_issued_at: datetime | None = None

    def state_at(self, now: datetime) -> SessionState:
        """Where it stands at ``now``."""
        undecided = self.state in {SessionState.OPENED, SessionState.CAPTURING}
        return SessionState.EXPIRED if undecided and now >= self.expires_at else self.state

    def agreed(self, purpose: ConsentPurpose) -> bool:
        """Whether the person ticked this in this session."""
        return any(given.purpose is purpose for given in self.consents)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """What the terminal is given at the opening.

    Attributes:
        session_id: The session.
        nonce: Of this session only; the terminal returns it with what it captured.
        ticket: Opens the stream, once, within 10 seconds.
        liveness: What the capture must pass.
        expires_at: UTC.
    """

    session_id: SessionId
    nonce: str = field(repr=False)
    ticket: str = field(repr=False)
    liveness: LivenessLevel
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RunningCapture:
    """A session that one stream has claimed.

    Attributes:
        session_id: The session.
        terminal_id: Its terminal.
        key_id: The key that must sign the last message.
        liveness: What the capture must pass.
        expires_at: UTC.
        profile: How the person is in front of the camera.
    """

    session_id: SessionId
    terminal_id: TerminalId
    key_id: str
    liveness: LivenessLevel
    expires_at: datetime
    profile: Profile = Profile.STANDING


@dataclass(frozen=True, slots=True)
class Spent:
    """What an attempt adds to the session's error bound.

    Attributes:
        comparisons: The most comparisons that it made.
        error_upper95: Upper bound of the chance that they named a wrong person.
    """

    comparisons: int = 0
    error_upper95: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody whom an attempt named.

    Attributes:
        subject: Who.
        score: Of the deciding comparison; ``None`` when the registry alone decided.
        point: By which it was decided; ``None`` likewise.
        factors: What speaks for it.
        registry: The registry's answer; ``None`` when it was not asked.
        active: Whether a challenge was passed.
    """

    subject: PersonNo
    score: float | None
    point: OperatingPoint | None
    factors: frozenset[Factor]
    registry: RegistryVerdict | None = None
    active: bool = False

    @property
    def basis(self) -> Basis:
        """What the live face was compared with."""
        return Basis.REGISTRY if self.point is None else Basis.TEMPLATE


Finding = Found | UnknownReason | Refused
"""What an attempt came to: somebody, nobody, or a reason to go no further."""


class SessionEvent(Payload, kind="verification.session"):
    """The audit's record of how a capture was decided.

    Attributes:
        session: The session.
        terminal: Where.
        institution: Where.
        scene: What for.
        state: Verified or refused.
        subject: Who, when verified.
        basis: What the face was compared with, when verified.
        registry: The registry's answer, when it was asked.
        comparisons: With templates, in the whole session.
        refused: Code of what refused it.
    """

    session: SessionId
    terminal: TerminalId
    institution: InstitutionCode
    scene: Scene
    state: SessionState
    subject: PersonNo | None
    basis: Basis | None
    registry: RegistryVerdict | None
    comparisons: int
    refused: Code | None


class DegradedEvent(Payload, kind="verification.degraded"):
    """The audit's record that a person was verified without the registry's answer.

    Attributes:
        session: The session.
        terminal: Where.
        scene: What for.
        subject: Who.
    """

    session: SessionId
    terminal: TerminalId
    scene: Scene
    subject: PersonNo


def events_of(session: CaptureSession) -> list[Payload]:
    """What the audit is told of a session that was just decided; nothing of an undecided one."""
    if session.decided_at is None:
        return []
    person, because = session.person, session.refused_because
    decided = SessionEvent(
        session=session.session_id,
        terminal=session.terminal_id,
        institution=session.institution,
        scene=session.scene,
        state=session.state,
        subject=person.subject if person else None,
        basis=person.basis if person else None,
        registry=person.registry if person else None,
        comparisons=session.comparisons,
        refused=Code(because) if because else None,
    )
    if person is None or not person.degraded or session.state is not SessionState.VERIFIED:
        return [decided]
    degraded = DegradedEvent(
        session=session.session_id,
        terminal=session.terminal_id,
        scene=session.scene,
        subject=person.subject,
    )
    return [decided, degraded]


def check_consents(consents: Collection[Consent]) -> None:
    """Check that the comparison was agreed to on a notice, before the first frame.

    Raises:
        Refused: ``verification.consent_missing``, ``verification.text_invalid``.
    """
    agreed = (given for given in consents if given.purpose is ConsentPurpose.COMPARISON)
    if not any(given.notice_version for given in agreed):
        raise Refused(CONSENT_MISSING)
    for given in consents:
        check_text("notice_version", given.notice_version)


def checked_digits(digits: str) -> str:
    """The last four to eight characters of an ID number, upper case.

    Raises:
        Refused: ``verification.digits_invalid``.
    """
    typed = digits.strip().upper()
    if not (typed.isascii() and _DIGITS.fullmatch(typed)):
        raise Refused(DIGITS_INVALID, found=len(digits))
    return typed


def open_stream(
    session: CaptureSession, *, ticket: str, nonce: str, now: datetime
) -> CaptureSession:
    """The session, claimed by the stream that shows its ticket.

    Raises:
        Refused: ``verification.session_nonce_wrong``, ``ticket_wrong``, ``session_expired``,
            ``session_busy``, ``session_closed``.
    """
    # The state first: of two that hold the right ticket the second hears that it is too late.
    _check_state(session, SessionState.OPENED, now=now)
    _check_nonce(session, nonce)
    # Compared in constant time; a ticket is good for one stream, within seconds.
    right = hmac.compare_digest(session.ticket_digest or "", digest(ticket))
    if not right or now >= session.opened_at + TICKET_VALID:
        raise Refused(TICKET_WRONG)
    return replace(session, state=SessionState.CAPTURING, ticket_digest=None)


def begin_attempt(session: CaptureSession, *, nonce: str, now: datetime) -> CaptureSession:
    """The session with one more attempt under way, which counts whatever comes of it.

    Raises:
        Refused: ``verification.session_nonce_wrong``, ``capture_not_opened``,
            ``session_expired``, ``session_busy``, ``session_closed``.
    """
    # The nonce ties what was captured to this session, so that nothing older can be replayed.
    _check_nonce(session, nonce)
    _check_state(session, SessionState.CAPTURING, now=now)
    if session.attempting:
        raise Refused(SESSION_BUSY, found=session.state.value)
    return replace(session, attempting=True, attempts=session.attempts + 1, unknown=None)


def conclude(
    session: CaptureSession, finding: Finding, spent: Spent, *, policy: Policy, now: datetime
) -> CaptureSession:
    """The session after an attempt: verified, refused, or capturing for another one.

    Raises:
        Refused: ``verification.session_expired`` when the time ran out meanwhile,
            ``session_closed`` when the stream was lost.
    """
    _check_state(session, SessionState.CAPTURING, now=now)
    after = replace(
        session,
        attempting=False,
        comparisons=session.comparisons + spent.comparisons,
        error_upper95=session.error_upper95 + spent.error_upper95,
    )
    if isinstance(finding, Found):
        person = _verified(after, finding)
        return _decided(replace(after, person=person), SessionState.VERIFIED, now=now)
    after = replace(after, unknown=finding if isinstance(finding, UnknownReason) else None)
    # What is final, such as an attack, is not given another try in the same session.
    again = isinstance(finding, UnknownReason) or finding.kind.finality is Finality.TEMPORARY
    if again and attempts_left(after, policy, now=now) > 0:
        return after
    reason = finding.value if isinstance(finding, UnknownReason) else finding.kind.code
    return refuse(after, reason, now=now)


def _verified(session: CaptureSession, found: Found) -> VerifiedPerson:
    return VerifiedPerson(
        subject=found.subject,
        score=found.score,
        point=found.point,
        comparisons=session.comparisons,
        error_upper95=None if found.basis is Basis.REGISTRY else session.error_upper95,
        factors=found.factors,
        basis=found.basis,
        registry=found.registry,
        active=found.active,
    )


def refuse(session: CaptureSession, reason: str, *, now: datetime) -> CaptureSession:
    """The session, refused because of ``reason``, a code."""
    known = len(reason) <= _REASON_CHARACTERS_MAX and _REASON.fullmatch(reason)
    because = reason if known else CAPTURE_LOST.code
    return _decided(replace(session, refused_because=because), SessionState.REFUSED, now=now)


def _decided(session: CaptureSession, state: SessionState, *, now: datetime) -> CaptureSession:
    # What was typed has served.
    return replace(
        session,
        state=state,
        decided_at=now,
        attempting=False,
        sought=replace(session.sought, digits=None),
        ticket_digest=None,
    )


def attempts_left(session: CaptureSession, policy: Policy, *, now: datetime) -> int:
    """How often the session may still try; never after it was decided or expired."""
    if session.state_at(now) not in {SessionState.OPENED, SessionState.CAPTURING}:
        return 0
    return max(0, policy.attempts_max - session.attempts)


def check_terminal(session: CaptureSession, terminal_id: TerminalId) -> None:
    """Check that a session is of this terminal: another one cannot finish what it began.

    Raises:
        Refused: ``verification.session_other_terminal``.
    """
    if session.terminal_id != terminal_id:
        raise Refused(SESSION_OTHER_TERMINAL)


def _check_nonce(session: CaptureSession, nonce: str) -> None:
    if not hmac.compare_digest(session.nonce_digest, digest(nonce)):
        raise Refused(SESSION_NONCE_WRONG)


def _check_state(session: CaptureSession, expected: SessionState, *, now: datetime) -> None:
    found = session.state_at(now)
    if found is expected:
        return
    kinds = {
        SessionState.EXPIRED: SESSION_EXPIRED,
        SessionState.CAPTURING: SESSION_BUSY,
        SessionState.OPENED: CAPTURE_NOT_OPENED,
    }
    raise Refused(kinds.get(found, SESSION_CLOSED), found=found.value, expected=expected.value)
