"""Use cases of captures of known people, over the same socket as every capture.

:class:`KnownCaptures` is a :class:`~shualian.verification.captures.ports.Sessions` for captures
that :meth:`KnownCaptures.open` opened: frames, liveness and the conversation are verification's
own; only whom to compare with, and what follows, is decided here. :class:`EitherSessions` lets one
socket serve both.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NoReturn, Protocol

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import (
    PersonNo,
    SessionId,
    TerminalId,
    new_identifier,
    new_secret_token,
)
from shualian.core.mode import Mode
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.face.liveness.decision import LivenessLevel
from shualian.insurer.accesses.ports import FaceAccesses
from shualian.insurer.supervision.captures import store
from shualian.insurer.supervision.captures.model import (
    CAPTURE_NO_PROOF,
    SESSION_VALID,
    CapturePurpose,
    Finding,
    KnownCapture,
    KnownPerson,
    Matched,
    attempted,
    check_terminal,
    concluded,
    event_of,
    given_up,
    level_of,
    streaming,
    ticked,
    used,
)
from shualian.insurer.supervision.captures.ports import Subjects
from shualian.terminals.model import Terminal, check_face_capture
from shualian.terminals.requests.model import VerifiedRequest
from shualian.trust.audit.service import record
from shualian.verification.captures.ports import Health, Sessions
from shualian.verification.identification.model import Candidate, decide_verification
from shualian.verification.model import (
    ACTIVE_NEEDED,
    NOT_LIVE,
    PATH_DIFFERS,
    SESSION_NOT_FOUND,
    Access,
    AccessKind,
    Basis,
    Consent,
    ConsentPurpose,
    FaceProof,
    IdentificationOutcome,
    Intent,
    LookFor,
    Scene,
    SessionResult,
    SessionState,
    UnknownReason,
    check_text,
    digest,
)
from shualian.verification.ports import Captured, ErrorRates, NewTemplate
from shualian.verification.registry.model import (
    REFUSAL_OF,
    REGISTRY_UNAVAILABLE,
    RegistryQuery,
    RegistryVerdict,
)
from shualian.verification.registry.ports import PoliceRegistry
from shualian.verification.sessions.model import OpenedSession, RunningCapture, check_consents


class KnownCaptures:
    """Captures of doctors who sign in and of patients in their beds."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        mode: Mode,
        health: Health,
        error_rates: ErrorRates,
        fmr: float,
        registry: PoliceRegistry,
        subjects: Mapping[CapturePurpose, Subjects],
    ) -> None:
        """Fix the threshold, so that an unproven error rate stops the start-up.

        Args:
            database: Of the insurer.
            clock: Asked for the time.
            mode: Simulated terminals exist in the sandbox only.
            health: Of the terminals.
            error_rates: What the calibration has proven.
            fmr: False match rate of the comparison, 0..1.
            registry: Compares where there is no template.
            subjects: Whom each purpose is about.

        Raises:
            Refused: By ``error_rates`` when ``fmr`` is not proven.
        """
        self._database = database
        self._clock = clock
        self._mode = mode
        self._health = health
        self._point = error_rates.at(fmr, population=None)
        self._registry = registry
        self._subjects = subjects

    def open(
        self,
        sender: VerifiedRequest,
        *,
        purpose: CapturePurpose,
        subject: str,
        reference: str = "",
        notice_version: str,
        consents: Collection[ConsentPurpose],
    ) -> OpenedSession:
        """Open a capture after the touch and the notice, at a terminal that is fit for it.

        The caller has checked that the terminal is at its place.

        Raises:
            Refused: ``terminals.terminal_at_risk``, ``heartbeat_stale``, ``camera_failed``,
                ``face_not_allowed``, ``verification.consent_missing``, ``text_invalid``; when
                there is no such subject.
        """
        self._health.check_capture(sender)
        terminal = sender.terminal
        check_face_capture(terminal.terminal_class, mode=self._mode)
        now, nonce, ticket = self._clock.now(), new_secret_token(), new_secret_token()
        check_consents([Consent(each, notice_version, now) for each in set(consents)])
        check_text("key_id", sender.key_id, characters_max=64)
        person = self._subjects[purpose].known(subject)
        capture = KnownCapture(
            session_id=SessionId(new_identifier()),
            purpose=purpose,
            subject=subject,
            reference=reference,
            terminal_id=terminal.terminal_id,
            institution=terminal.institution,
            key_id=sender.key_id,
            notice_version=notice_version,
            consents=ticked(consents),
            liveness=level_of(purpose, person),
            nonce_digest=digest(nonce),
            ticket_digest=digest(ticket),
            opened_at=now,
            expires_at=now + SESSION_VALID,
        )
        self._database.write(lambda connection: store.add(connection, capture))
        return OpenedSession(
            capture.session_id, nonce, ticket, capture.liveness, capture.expires_at
        )

    def open_capture(self, session_id: SessionId, *, ticket: str, nonce: str) -> RunningCapture:
        """Claim a capture for one stream of frames; the ticket is used up.

        Raises:
            Refused: As :func:`~shualian.insurer.supervision.captures.model.streaming`;
                ``verification.session_not_found``.
        """
        capture = self._change(
            session_id,
            lambda found: streaming(found, ticket=ticket, nonce=nonce, now=self._clock.now()),
        )
        return RunningCapture(
            capture.session_id,
            capture.terminal_id,
            capture.key_id,
            capture.liveness,
            capture.expires_at,
            capture.profile,
        )

    def verify(
        self,
        session_id: SessionId,
        *,
        nonce: str,
        captured: Captured,
        look_for: LookFor | None = None,  # noqa: ARG002 - whom to see is fixed from the opening
    ) -> IdentificationOutcome:
        """Make one attempt to see whether it is the known person.

        Raises:
            Refused: ``verification.session_...``: the attempt was not made. Everything else: it
                was and is counted.
        """
        capture = self._change(
            session_id, lambda found: attempted(found, nonce=nonce, now=self._clock.now())
        )
        finding, new_template = self._found(capture, captured), captured.enrolment
        # The picture ends here, whatever is raised or returned below.
        del captured
        if isinstance(finding, Matched):
            finding = self._followed(capture, finding, new_template)
        mismatch = _is_mismatch(finding)
        capture = self._change(
            session_id,
            lambda found: concluded(found, finding, mismatch=mismatch, now=self._clock.now()),
        )
        if isinstance(finding, Refused):
            raise finding
        return IdentificationOutcome(
            person=None,
            unknown=finding if isinstance(finding, UnknownReason) else None,
            attempts_left=capture.attempts_left(self._clock.now()),
        )

    def abandon(self, session_id: SessionId, *, reason: str) -> None:
        """Give a capture up whose stream was lost; a decided one stays as it is.

        Raises:
            Refused: ``verification.session_not_found``.
        """
        self._change(session_id, lambda found: given_up(found, reason, now=self._clock.now()))

    def result(self, session_id: SessionId, *, terminal_id: TerminalId) -> SessionResult:
        """How a capture stands, for its terminal; never says who was seen.

        Raises:
            Refused: ``verification.session_not_found``, ``session_other_terminal``.
        """
        capture, now = self.get(session_id), self._clock.now()
        check_terminal(capture, terminal_id)
        return SessionResult(
            state=capture.state_at(now),
            person=None,
            unknown=capture.unknown,
            refused=capture.refused_because,
            attempts_left=capture.attempts_left(now),
            claimed=True,
        )

    def get(self, session_id: SessionId) -> KnownCapture:
        """The capture with this number.

        Raises:
            Refused: ``verification.session_not_found``.
        """
        return self._database.read(lambda connection: store.get(connection, session_id))

    def accesses_of(self, psn_no: PersonNo) -> Sequence[Access]:
        """When an insured person was met at a ward check: for the person's access log."""
        found = self._database.read(
            lambda connection: store.of_subject(connection, CapturePurpose.WARD_CHECK, psn_no)
        )
        return [
            Access(
                at=capture.decided_at,
                institution=capture.institution,
                terminal_id=capture.terminal_id,
                scene=Scene.INPATIENT_RECORD,
                what=AccessKind.VERIFIED,
                use=CapturePurpose.WARD_CHECK.value,
            )
            for capture in found
            if capture.matched is not None and capture.decided_at is not None
        ]

    def forget_before(self, before: datetime) -> int:
        """Delete captures opened before a moment; how many. The audit stays."""
        return self._database.write(lambda connection: store.forget_before(connection, before))

    def _found(self, capture: KnownCapture, captured: Captured) -> Finding:
        try:
            _check_live(captured, capture.liveness)
            person = self._subjects[capture.purpose].known(capture.subject)
            return self._compared(capture, captured, person)
        except Refused as refused:
            # Its traceback would keep the picture alive.
            return refused.with_traceback(None)

    def _compared(self, capture: KnownCapture, captured: Captured, person: KnownPerson) -> Finding:
        enrols = capture.purpose is CapturePurpose.DOCTOR_ENROLMENT
        if not enrols and person.keeps_template:
            decided = self._by_template(capture, captured)
            if decided is not UnknownReason.NO_TEMPLATE:
                return decided
        if not enrols and capture.purpose is not CapturePurpose.WARD_CHECK:
            return UnknownReason.NO_TEMPLATE
        return self._by_registry(captured, person)

    def _by_template(self, capture: KnownCapture, captured: Captured) -> Matched | UnknownReason:
        # A threshold means nothing for vectors of another path.
        if captured.probe.path_id != self._point.path_id:
            raise Refused(PATH_DIFFERS, found=captured.probe.path_id, expected=self._point.path_id)
        templates, subject = self._subjects[capture.purpose].templates, capture.subject
        nearest = templates.identify(captured.probe, [subject], 1)
        decided = decide_verification(
            [Candidate(PersonNo(each.subject), float(each.score)) for each in nearest],
            PersonNo(subject),
            threshold=self._point.threshold,
        )
        if isinstance(decided, UnknownReason):
            return decided
        return Matched(Basis.TEMPLATE, decided.score, self._point.fmr_upper95)

    def _by_registry(self, captured: Captured, person: KnownPerson) -> Finding:
        # Only the registry knows whose face belongs to a number; a passive capture may be of a
        # picture.
        if not captured.active:
            raise Refused(ACTIVE_NEEDED)
        if captured.picture is None:
            raise Refused(REGISTRY_UNAVAILABLE)
        verdict = self._registry.compare(
            RegistryQuery(new_identifier(), person.id_number, person.name, captured.picture)
        )
        if verdict is RegistryVerdict.UNAVAILABLE:
            raise Refused(REGISTRY_UNAVAILABLE)
        if verdict in REFUSAL_OF:
            raise Refused(REFUSAL_OF[verdict])
        return Matched(Basis.REGISTRY, None, None, verdict)

    def _followed(
        self, capture: KnownCapture, finding: Matched, new_template: NewTemplate | None
    ) -> Finding:
        try:
            self._subjects[capture.purpose].matched(capture, new_template)
        except Refused as refused:
            return refused.with_traceback(None)
        return finding

    def _change(
        self, session_id: SessionId, change: Callable[[KnownCapture], KnownCapture]
    ) -> KnownCapture:
        def work(connection: Connection) -> KnownCapture:
            before = store.get(connection, session_id)
            after = change(before)
            if after != before:
                store.change(connection, after)
            if after.decided_at is not None and before.decided_at is None:
                record(connection, event_of(after), at=self._clock.now())
                if after.state is SessionState.REFUSED and after.mismatches:
                    self._subjects[after.purpose].differed(connection, after)
            return after

        return self._database.write(work)


def use_within(
    connection: Connection,
    session_id: SessionId,
    *,
    expected_purpose: CapturePurpose,
    expected_subject: str,
    expected_terminal: TerminalId,
    expected_reference: str = "",
    now: datetime,
) -> KnownCapture:
    """Use a matched capture up, in the transaction of the act that rests on it.

    Raises:
        Refused: ``insurer.capture_not_fitting``, ``verification.session_not_found``.
    """
    after = used(
        store.get(connection, session_id),
        expected_purpose=expected_purpose,
        expected_subject=expected_subject,
        expected_terminal=expected_terminal,
        expected_reference=expected_reference,
        now=now,
    )
    store.change(connection, after)
    return after


class EitherAccesses:
    """Uses of a person's face at verification and at ward checks, in one log."""

    def __init__(self, people: FaceAccesses, known: KnownCaptures) -> None:
        self._people = people
        self._known = known

    def accesses_of(self, psn_no: PersonNo) -> Sequence[Access]:
        """Of a person, in any order."""
        return [*self._people.accesses_of(psn_no), *self._known.accesses_of(psn_no)]

    def forget_before(self, before: datetime) -> int:
        """Delete what is older; how many sessions and captures."""
        return self._people.forget_before(before) + self._known.forget_before(before)


class SocketSessions(Protocol):
    """What a socket and its terminal ask of captures that are open already."""

    def open_capture(self, session_id: SessionId, *, ticket: str, nonce: str) -> RunningCapture:
        """Claim a session for one socket."""
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
        """End a session that has no result yet."""
        ...

    def result(self, session_id: SessionId, *, terminal_id: TerminalId) -> SessionResult:
        """How a session stands."""
        ...


class EitherSessions:
    """Sessions of verification and captures of known people behind one socket.

    A number belongs to one of the two; verification is asked first. What begins a session of a
    person, or proves what the person confirms, is verification's alone.
    """

    def __init__(self, people: Sessions, known: SocketSessions) -> None:
        self._people = people
        self._known = known

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
        """Open a session of a person."""
        return self._people.begin(
            terminal,
            key_id=key_id,
            scene=scene,
            notice_version=notice_version,
            consents=consents,
            look_for=look_for,
            amount_max_fen=amount_max_fen,
        )

    def open_capture(self, session_id: SessionId, *, ticket: str, nonce: str) -> RunningCapture:
        """Claim a session for one socket."""
        try:
            return self._people.open_capture(session_id, ticket=ticket, nonce=nonce)
        except Refused as refused:
            _raise_unless_absent(refused)
        return self._known.open_capture(session_id, ticket=ticket, nonce=nonce)

    def verify(
        self,
        session_id: SessionId,
        *,
        nonce: str,
        captured: Captured,
        look_for: LookFor | None = None,
    ) -> IdentificationOutcome:
        """Decide who was captured."""
        try:
            return self._people.verify(
                session_id, nonce=nonce, captured=captured, look_for=look_for
            )
        except Refused as refused:
            _raise_unless_absent(refused)
        return self._known.verify(session_id, nonce=nonce, captured=captured, look_for=look_for)

    def abandon(self, session_id: SessionId, *, reason: str) -> None:
        """End a session that has no result yet."""
        try:
            return self._people.abandon(session_id, reason=reason)
        except Refused as refused:
            _raise_unless_absent(refused)
        return self._known.abandon(session_id, reason=reason)

    def result(self, session_id: SessionId, *, terminal_id: TerminalId) -> SessionResult:
        """How a session stands."""
        try:
            return self._people.result(session_id, terminal_id=terminal_id)
        except Refused as refused:
            _raise_unless_absent(refused)
        return self._known.result(session_id, terminal_id=terminal_id)

    def issue_proof(
        self,
        session_id: SessionId,
        *,
        terminal_id: TerminalId,
        intent: Intent,
        pin: str | None = None,
    ) -> FaceProof:
        """Issue the proof of a person's session; captures of known people have none.

        Raises:
            Refused: ``insurer.capture_no_proof``; else what verification refuses.
        """
        try:
            return self._people.issue_proof(
                session_id, terminal_id=terminal_id, intent=intent, pin=pin
            )
        except Refused as refused:
            _raise_unless_absent(refused)
        return _no_proof()


def _raise_unless_absent(refused: Refused) -> None:
    if refused.kind is not SESSION_NOT_FOUND:
        raise refused


def _no_proof() -> NoReturn:
    raise Refused(CAPTURE_NO_PROOF)


def _check_live(captured: Captured, level: LivenessLevel) -> None:
    # Without the challenge that was asked for, nobody was shown to be live.
    lacking = level is LivenessLevel.ACTIVE and not captured.active
    if lacking or not captured.liveness.live:
        raise Refused(NOT_LIVE)


def _is_mismatch(finding: Finding) -> bool:
    """Whether a live face was compared with the known person's and is another's."""
    if isinstance(finding, Refused):
        return finding.kind is REFUSAL_OF[RegistryVerdict.NO_MATCH]
    return finding is UnknownReason.BELOW_THRESHOLD
