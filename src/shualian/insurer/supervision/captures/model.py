"""A capture that is compared with one known person, and what came of it; pure.

``opened -> capturing -> matched | refused``. Whom the camera should see is fixed when it is opened:
a doctor who signs in, a patient in a bed. It proves nothing but that, is used once, for that one
thing, and never moves money.
"""

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import InstitutionCode, PersonNo, SessionId, TerminalId
from shualian.core.refusals import Finality, Refused
from shualian.face.liveness.decision import LivenessLevel
from shualian.face.model import Profile
from shualian.insurer.supervision.model import supervision_kind
from shualian.trust.audit.model import Code, Payload, Reference
from shualian.verification.model import (
    CAPTURE_LOST,
    CAPTURE_NOT_OPENED,
    SESSION_BUSY,
    SESSION_CLOSED,
    SESSION_EXPIRED,
    SESSION_NONCE_WRONG,
    SESSION_OTHER_TERMINAL,
    TICKET_VALID,
    TICKET_WRONG,
    Basis,
    ConsentPurpose,
    SessionState,
    UnknownReason,
    digest,
)
from shualian.verification.registry.model import RegistryVerdict

ATTEMPTS_MAX = 3
SESSION_VALID = timedelta(seconds=90)
"""From the opening of a capture to its end."""
USE_WITHIN = timedelta(seconds=120)
"""From the matched face to the act that rests on it."""

_REASON = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
_REASON_CHARACTERS_MAX = 48


class CapturePurpose(StrEnum):
    """What a capture is for."""

    DOCTOR_ENROLMENT = "doctor_enrolment"
    DOCTOR_SIGN_IN = "doctor_sign_in"
    DOCTOR_SIGN_OUT = "doctor_sign_out"
    WARD_CHECK = "ward_check"


PROFILES = {CapturePurpose.WARD_CHECK: Profile.BEDSIDE}
"""How the person is in front of the camera; standing, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Whom a capture should see, as far as the comparison needs it.

    Attributes:
        subject: A doctor's code or a person's number; also in the gallery.
        name: For the police registry.
        id_number: For the police registry.
        keeps_template: Whether the person's consent to a template is in force.
    """

    subject: str
    name: str = field(repr=False)
    id_number: IdNumber = field(repr=False)
    keeps_template: bool


@dataclass(frozen=True, slots=True)
class Matched:
    """The face is the known person's.

    Attributes:
        basis: What it was compared with.
        score: Of the comparison with a template; none when the registry decided.
        fmr_upper95: Upper bound of the false match rate of that comparison; none likewise.
        registry: The registry's answer; none when it was not asked.
    """

    basis: Basis
    score: float | None
    fmr_upper95: float | None
    registry: RegistryVerdict | None = None


Finding = Matched | UnknownReason | Refused
"""What an attempt came to."""


@dataclass(frozen=True, slots=True)
class KnownCapture:
    """One capture.

    Attributes:
        session_id: Its number.
        purpose: What it is for.
        subject: Whom the camera should see.
        reference: The record that it is for, such as the ward check; empty when there is none.
        terminal_id: The only terminal that may use it.
        institution: Of the terminal.
        key_id: With which the terminal opened it and must sign its end.
        notice_version: Of the notice that was shown.
        consents: Ticked on it; the comparison is always among them.
        liveness: What it must pass.
        nonce_digest: Of the nonce that the terminal was given.
        ticket_digest: Of the stream's ticket; none once it was used.
        opened_at: UTC.
        expires_at: UTC.
        state: As stored.
        attempting: Whether an attempt is under way.
        attempts: Made so far.
        mismatches: How many of them saw another face.
        unknown: Why the last attempt matched nobody.
        matched: How the face was matched, once it was.
        decided_at: UTC.
        refused_because: Code of what refused it.
        used_at: When the act that rests on it was done, UTC.
    """

    session_id: SessionId
    purpose: CapturePurpose
    subject: str
    reference: str
    terminal_id: TerminalId
    institution: InstitutionCode
    key_id: str
    notice_version: str
    consents: tuple[ConsentPurpose, ...]
    liveness: LivenessLevel
    nonce_digest: str
    ticket_digest: str | None
    opened_at: datetime
    expires_at: datetime
    state: SessionState = SessionState.OPENED
    attempting: bool = False
    attempts: int = 0
    mismatches: int = 0
    unknown: UnknownReason | None = None
    matched: Matched | None = None
    decided_at: datetime | None = None
    refused_because: str | None = None
    used_at: datetime | None = None

    def state_at(self, now: datetime) -> SessionState:
        """Where it stands at ``now``."""
        undecided = self.state in {SessionState.OPENED, SessionState.CAPTURING}
        return SessionState.EXPIRED if undecided and now >= self.expires_at else self.state

    @property
    def profile(self) -> Profile:
        """How the person is in front of the camera."""
        return PROFILES.get(self.purpose, Profile.STANDING)

    def attempts_left(self, now: datetime) -> int:
        """How often it may still try."""
        if self.state_at(now) not in {SessionState.OPENED, SessionState.CAPTURING}:
            return 0
        return max(0, ATTEMPTS_MAX - self.attempts)


class CaptureEvent(Payload, kind="insurer.known_capture"):
    """The audit's record of how such a capture was decided.

    Attributes:
        session: Which.
        purpose: What for.
        doctor: Which doctor the camera should have seen.
        patient: Which insured person the camera should have seen.
        terminal: Where.
        institution: Where.
        state: Matched (``verified``) or refused.
        basis: What the face was compared with.
        mismatches: Attempts that saw another face.
        refused: Code of what refused it.
    """

    session: SessionId
    purpose: CapturePurpose
    doctor: Reference | None
    patient: PersonNo | None
    terminal: TerminalId
    institution: InstitutionCode
    state: SessionState
    basis: Basis | None
    mismatches: int
    refused: Code | None


CAPTURE_NOT_FITTING = supervision_kind(
    "capture_not_fitting",
    "这次刷脸不是为这件事做的，或者已经用过、时间过了",
    "This capture was not made for this, was used already, or is too old",
    "请本人重新刷脸",
    "Let the person scan again",
)
CAPTURE_NO_PROOF = supervision_kind(
    "capture_no_proof",
    "这种刷脸只用于监管，不能用来结算",
    "Such a capture serves supervision and proves nothing else",
    "结算请本人重新刷脸",
    "Let the person scan anew to settle",
)
REFUSALS = (CAPTURE_NOT_FITTING, CAPTURE_NO_PROOF)


def streaming(capture: KnownCapture, *, ticket: str, nonce: str, now: datetime) -> KnownCapture:
    """The capture, claimed by the stream that shows its ticket.

    Raises:
        Refused: ``verification.session_nonce_wrong``, ``ticket_wrong``, ``session_expired``,
            ``session_busy``, ``session_closed``.
    """
    _check_state(capture, SessionState.OPENED, now=now)
    _check_nonce(capture, nonce)
    right = hmac.compare_digest(capture.ticket_digest or "", digest(ticket))
    if not right or now >= capture.opened_at + TICKET_VALID:
        raise Refused(TICKET_WRONG)
    return replace(capture, state=SessionState.CAPTURING, ticket_digest=None)


def attempted(capture: KnownCapture, *, nonce: str, now: datetime) -> KnownCapture:
    """The capture with one more attempt under way, which counts whatever comes of it.

    Raises:
        Refused: ``verification.session_nonce_wrong``, ``capture_not_opened``,
            ``session_expired``, ``session_busy``, ``session_closed``.
    """
    _check_nonce(capture, nonce)
    _check_state(capture, SessionState.CAPTURING, now=now)
    if capture.attempting:
        raise Refused(SESSION_BUSY, found=capture.state.value)
    return replace(capture, attempting=True, attempts=capture.attempts + 1, unknown=None)


def concluded(
    capture: KnownCapture, finding: Finding, *, mismatch: bool, now: datetime
) -> KnownCapture:
    """The capture after an attempt: matched, refused, or capturing for another one.

    Args:
        capture: With an attempt under way.
        finding: What it came to.
        mismatch: Whether a live face was compared and is another's.
        now: UTC.

    Raises:
        Refused: ``verification.session_expired``, ``session_closed``.
    """
    _check_state(capture, SessionState.CAPTURING, now=now)
    after = replace(capture, attempting=False, mismatches=capture.mismatches + mismatch)
    if isinstance(finding, Matched):
        return replace(after, matched=finding, state=SessionState.VERIFIED, decided_at=now)
    unknown = finding if isinstance(finding, UnknownReason) else None
    after = replace(after, unknown=unknown)
    again = isinstance(finding, UnknownReason) or finding.kind.finality is Finality.TEMPORARY
    if again and after.attempts_left(now) > 0:
        return after
    reason = finding.value if isinstance(finding, UnknownReason) else finding.kind.code
    return given_up(after, reason, now=now)


def given_up(capture: KnownCapture, reason: str, *, now: datetime) -> KnownCapture:
    """The capture, refused because of ``reason``, a code; a decided one stays as it is."""
    if capture.state not in {SessionState.OPENED, SessionState.CAPTURING}:
        return capture
    known = len(reason) <= _REASON_CHARACTERS_MAX and _REASON.fullmatch(reason)
    return replace(
        capture,
        state=SessionState.REFUSED,
        refused_because=reason if known else CAPTURE_LOST.code,
        decided_at=now,
        attempting=False,
        ticket_digest=None,
    )


def used(
    capture: KnownCapture,
    *,
    expected_purpose: CapturePurpose,
    expected_subject: str,
    expected_terminal: TerminalId,
    expected_reference: str = "",
    now: datetime,
) -> KnownCapture:
    """The matched capture, used for the one act that it was made for.

    Raises:
        Refused: ``insurer.capture_not_fitting`` with what differs.
    """
    late = capture.decided_at is None or now >= capture.decided_at + USE_WITHIN
    for name, fits in (
        ("terminal", capture.terminal_id == expected_terminal),
        ("purpose", capture.purpose is expected_purpose),
        ("subject", capture.subject == expected_subject),
        ("reference", capture.reference == expected_reference),
        ("state", capture.state is SessionState.VERIFIED),
        ("time", not late),
        ("use", capture.used_at is None),
    ):
        if not fits:
            raise Refused(CAPTURE_NOT_FITTING, differs=name)
    return replace(capture, used_at=now)


def check_terminal(capture: KnownCapture, terminal_id: TerminalId) -> None:
    """Check that a capture is of this terminal.

    Raises:
        Refused: ``verification.session_other_terminal``.
    """
    if capture.terminal_id != terminal_id:
        raise Refused(SESSION_OTHER_TERMINAL)


def event_of(capture: KnownCapture) -> CaptureEvent:
    """What the audit is told of a decided capture."""
    because = capture.refused_because
    of_patient = capture.purpose is CapturePurpose.WARD_CHECK
    return CaptureEvent(
        session=capture.session_id,
        purpose=capture.purpose,
        doctor=None if of_patient else Reference(capture.subject),
        patient=PersonNo(capture.subject) if of_patient else None,
        terminal=capture.terminal_id,
        institution=capture.institution,
        state=capture.state,
        basis=capture.matched.basis if capture.matched else None,
        mismatches=capture.mismatches,
        refused=Code(because) if because else None,
    )


def level_of(purpose: CapturePurpose, person: KnownPerson) -> LivenessLevel:
    """How much liveness a capture asks for.

    A patient who lies in a bed is not asked to turn the head, if there is a template to compare
    with; where only the registry can compare, a passive capture could be of a picture.
    """
    lying = purpose is CapturePurpose.WARD_CHECK and person.keeps_template
    return LivenessLevel.PASSIVE if lying else LivenessLevel.ACTIVE


def ticked(consents: Collection[ConsentPurpose]) -> tuple[ConsentPurpose, ...]:
    """The ticks in a fixed order."""
    return tuple(sorted(set(consents)))


def _check_nonce(capture: KnownCapture, nonce: str) -> None:
    if not hmac.compare_digest(capture.nonce_digest, digest(nonce)):
        raise Refused(SESSION_NONCE_WRONG)


def _check_state(capture: KnownCapture, expected: SessionState, *, now: datetime) -> None:
    found = capture.state_at(now)
    if found is expected:
        return
    kinds = {
        SessionState.EXPIRED: SESSION_EXPIRED,
        SessionState.CAPTURING: SESSION_BUSY,
        SessionState.OPENED: CAPTURE_NOT_OPENED,
    }
    raise Refused(kinds.get(found, SESSION_CLOSED), found=found.value, expected=expected.value)
