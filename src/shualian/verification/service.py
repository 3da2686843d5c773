"""The ceremony at a terminal: begin, capture, verify, issue a proof; then redeem or check it."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import (
    AuthNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    TerminalId,
    new_identifier,
    new_secret_token,
)
from shualian.core.mode import Mode
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.core.settings import RegistryCheck
from shualian.face.liveness.decision import LivenessLevel
from shualian.terminals.model import Terminal, check_face_capture, check_settlement
from shualian.trust.audit.service import record
from shualian.verification import store
from shualian.verification.identification.service import Identification
from shualian.verification.model import (
    AMOUNT_INVALID,
    NOT_LIVE,
    PERSON_NOT_FOUND,
    PROOF_EXPIRED,
    Access,
    ConfirmedPerson,
    Consent,
    ConsentPurpose,
    FaceProof,
    IdentificationOutcome,
    Intent,
    LookFor,
    Policy,
    Redemption,
    Relation,
    Scene,
    SessionResult,
    SessionState,
    UnknownReason,
    VerifiedPerson,
    VoucherStanding,
    check_text,
    digest,
)
from shualian.verification.pauses.model import paused_claim
from shualian.verification.ports import (
    Aftermath,
    Captured,
    ErrorRates,
    Expectations,
    Gallery,
    InsuredPeople,
    NewTemplate,
    Pauses,
    Pins,
    Relations,
)
from shualian.verification.proofs.model import may_confirm
from shualian.verification.proofs.service import Proofs
from shualian.verification.registry.model import REFUSAL_OF
from shualian.verification.registry.ports import PoliceRegistry
from shualian.verification.requirements.model import (
    RISK_MINUTES,
    Circumstances,
    MoneyRules,
    check_own_face,
    check_reads_documents,
    liveness_level,
    may_enrol,
    standing_codes,
)
from shualian.verification.sessions.model import (
    SEARCHES,
    CaptureSession,
    Finding,
    OpenedSession,
    RunningCapture,
    Sought,
    SoughtBy,
    attempts_left,
    begin_attempt,
    check_consents,
    check_terminal,
    conclude,
    events_of,
    open_stream,
    refuse,
)

_KEY_ID_MAX = 64
_FAILURES = frozenset({NOT_LIVE, PERSON_NOT_FOUND, *REFUSAL_OF.values()})
"""Refusals that count towards a pause: somebody who is not who they say."""
_UNDECIDED_KEPT = timedelta(days=1)
_FORGOTTEN_AT_ONCE = 500
_TOLD_EARLY = frozenset({SoughtBy.CALLED, SoughtBy.DOCUMENT})
"""Claims that tell at once that a voucher is frozen; a typed number tells a stranger nothing."""


class Verification:
    """Use cases of verification over one insurer database."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        gallery: Gallery,
        error_rates: ErrorRates,
        policy: Policy,
        mode: Mode,
        people: InsuredPeople,
        expectations: Expectations,
        pins: Pins,
        relations: Relations,
        pauses: Pauses,
        registry: PoliceRegistry,
        aftermath: Aftermath,
        registry_check: RegistryCheck = RegistryCheck.ALWAYS,
        degraded_max_fen: Fen = ZERO,
    ) -> None:
        """Fix the operating points, so that an unproven error rate stops the start-up.

        Raises:
            Refused: By ``error_rates`` when the policy asks for more than is proven.
        """
        self._database = database
        self._clock = clock
        self._policy = policy
        self._mode = mode
        self._people = people
        self._pauses = pauses
        self._relations = relations
        self._aftermath = aftermath
        self._identification = Identification(
            clock=clock,
            gallery=gallery,
            error_rates=error_rates,
            policy=policy,
            people=people,
            expectations=expectations,
            registry=registry,
            registry_check=registry_check,
        )
        self._proofs = Proofs(
            database=database,
            clock=clock,
            policy=policy,
            rules=MoneyRules(mode, degraded_max_fen),
            people=people,
            pins=pins,
            relations=relations,
        )

    @property
    def people_max(self) -> int:
        """How many enrolled people one attempt may search without a claim."""
        return self._identification.people_max

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
        """Open a session after the touch and the notice, before the first frame.

        Args:
            terminal: The terminal that asks, as it is registered.
            key_id: With which it signed; the same key must sign the capture's end.
            scene: What the person came for.
            notice_version: Of the notice that was shown.
            consents: What the person ticked.
            look_for: Among whom, or for whom.
            amount_max_fen: The most that this capture's proof may move.

        Raises:
            Refused: ``verification.consent_missing``, ``text_invalid``, ``amount_invalid``,
                ``digits_invalid``, ``nobody_called``, ``voucher_frozen`` or ``voucher_closed`` or
                ``guardian_missing`` (called or with a document), a pause,
                ``terminals.face_not_allowed``, ``terminals.simulated_outside_sandbox``,
                ``terminals.amount_over_limit``.
        """
        self._check_terminal(terminal, amount_max_fen)
        check_text("key_id", key_id, characters_max=_KEY_ID_MAX)
        now, nonce, ticket = self._clock.now(), new_secret_token(), new_secret_token()
        given = tuple(Consent(each, notice_version, now) for each in sorted(set(consents)))
        check_consents(given)
        check_reads_documents(look_for, terminal.terminal_class)
        sought = self._identification.sought(look_for, terminal.terminal_id)
        self._pauses.check(terminal_id=terminal.terminal_id, claimed=paused_claim(sought))
        session = CaptureSession(
            session_id=SessionId(new_identifier()),
            terminal_id=terminal.terminal_id,
            institution=terminal.institution,
            terminal_class=terminal.terminal_class,
            key_id=key_id,
            scene=scene,
            consents=given,
            amount_max_fen=amount_max_fen,
            liveness=self._level(terminal, scene, amount_max_fen, sought),
            sought=sought,
            nonce_digest=digest(nonce),
            ticket_digest=digest(ticket),
            opened_at=now,
            expires_at=now + self._policy.session_valid,
        )
        self._database.write(lambda connection: store.insert_session(connection, session))
        return OpenedSession(
            session.session_id, nonce, ticket, session.liveness, session.expires_at
        )

    def open_capture(self, session_id: SessionId, *, ticket: str, nonce: str) -> RunningCapture:
        """Claim a session for one stream of frames; the ticket is used up.

        Raises:
            Refused: ``verification.session_not_found``, ``session_nonce_wrong``,
                ``ticket_wrong``, ``session_expired``, ``session_busy``, ``session_closed``.
        """
        session = self._change_session(
            session_id,
            lambda session: open_stream(session, ticket=ticket, nonce=nonce, now=self._clock.now()),
        )
        return RunningCapture(
            session.session_id,
            session.terminal_id,
            session.key_id,
            session.liveness,
            session.expires_at,
        )

    def verify(
        self,
        session_id: SessionId,
        *,
        nonce: str,
        captured: Captured,
        look_for: LookFor | None = None,
    ) -> IdentificationOutcome:
        """Make one attempt to decide who was captured, inside the claimed capture.

        Nothing is compared before the attempt is stored, and only one runs at a time; one that
        was begun and never concluded ends with the session's time.

        Args:
            session_id: The session.
            nonce: Of the session.
            captured: What the engine made of the frames.
            look_for: Narrower than at the beginning, after an unknown person.

        Raises:
            Refused: ``verification.session_...``, ``capture_not_opened``, ``digits_invalid``,
                ``nobody_called``, a pause: the attempt was not made. Everything else: it was and
                is counted; a temporary refusal leaves the capture running while attempts are
                left, any other ends the session.
        """
        sought = self._sought(session_id, nonce, look_for)
        session = self._change_session(
            session_id,
            lambda session: replace(
                begin_attempt(session, nonce=nonce, now=self._clock.now()), sought=sought
            ),
        )
        finding, used = self._identification.find(session, captured, sought)
        enrolment = captured.enrolment
        # The picture ends here, whatever is raised or returned below.
        del captured
        self._tell_failure(session, finding)
        session = self._change_session(
            session_id,
            lambda session: conclude(
                session, finding, used, policy=self._policy, now=self._clock.now()
            ),
        )
        if isinstance(finding, Refused):
            raise finding
        if session.state is SessionState.VERIFIED:
            session = self._follow_up(session, enrolment)
        return IdentificationOutcome(
            person=session.person,
            unknown=finding if isinstance(finding, UnknownReason) else None,
            attempts_left=attempts_left(session, self._policy, now=self._clock.now()),
        )

    def abandon(self, session_id: SessionId, *, reason: str) -> None:
        """Refuse a session whose stream was lost before the result; an ended one stays as it is.

        Args:
            session_id: The session.
            reason: A code such as that of a refusal; anything else becomes
                ``verification.capture_lost``.

        Raises:
            Refused: ``verification.session_not_found``.
        """

        def change(session: CaptureSession) -> CaptureSession:
            now = self._clock.now()
            running = session.state_at(now) in {SessionState.OPENED, SessionState.CAPTURING}
            return refuse(session, reason, now=now) if running else session

        self._change_session(session_id, change)

    def result(self, session_id: SessionId, *, terminal_id: TerminalId) -> SessionResult:
        """How a session stands, for its terminal; may be asked again after a lost connection.

        Raises:
            Refused: ``verification.session_not_found``, ``session_other_terminal``.
        """
        session, now = self._session(session_id), self._clock.now()
        check_terminal(session, terminal_id)
        told = SessionResult(
            state=session.state_at(now),
            person=None,
            unknown=session.unknown,
            refused=session.refused_because,
            attempts_left=attempts_left(session, self._policy, now=now),
            activated=session.activated,
            claimed=session.sought.by not in SEARCHES,
        )
        # Who it was is told while that person may still confirm; afterwards somebody else asks.
        if session.person is None or not may_confirm(session, policy=self._policy, now=now):
            return told
        identity = self._people.identity(session.person.subject)
        standing = self._people.standing(session.person.subject, now=now)
        return replace(
            told,
            person=session.person,
            masked_name=identity.masked_name,
            masked_id_number=identity.id_number.masked,
            region=identity.region,
            standing=standing_codes(standing, now=now),
            relatives=tuple(self._relations.relatives(session.person.subject, at=now)),
        )

    def issue_proof(
        self,
        session_id: SessionId,
        *,
        terminal_id: TerminalId,
        intent: Intent,
        pin: str | None = None,
    ) -> FaceProof:
        """Issue the session's one proof; called when the person presses *confirm*, never before.

        Its ``auth_no`` is given here once and cannot be read again. A right PIN joins the face.

        Raises:
            Refused: As :func:`~shualian.verification.proofs.model.confirm`,
                ``verification.session_not_found``, by the voucher's standing, by the register of
                relations, by the PIN.
        """
        return self._proofs.issue(session_id, terminal_id=terminal_id, intent=intent, pin=pin)

    def confirmed(
        self, auth_no: AuthNo, *, terminal: Terminal, intent_id: IntentId, use: str
    ) -> ConfirmedPerson:
        """Who confirmed an act of their own with the insurer; redeems that use of the proof.

        The same use again gives the same answer, while the proof is in time: a PIN is set or a log
        shown anew with every repeat, so an old number must not be good for it.

        Raises:
            Refused: As :meth:`redeem`; the proof must be of scene ``INSURED_SERVICES``; also for a
                repeat ``verification.proof_expired``.
        """
        person = self._proofs.confirmed(auth_no, terminal=terminal, intent_id=intent_id, use=use)
        if self._clock.now() >= person.confirmed_at + self._policy.proof_valid:
            raise Refused(PROOF_EXPIRED)
        return person

    def redeem(
        self,
        auth_no: AuthNo,
        *,
        intent_id: IntentId,
        use: str,
        amount_fen: Fen,
        expected_institution: InstitutionCode,
        expected_terminal: TerminalId,
        expected_scene: Scene,
        expected_subject: PersonNo,
        expected_beneficiary: PersonNo,
        expected_relation: Relation,
    ) -> Redemption:
        """Redeem one use of a proof; the same use again gives the same answer.

        Args:
            auth_no: Number of the proof.
            intent_id: What is being done.
            use: Which step of it, such as ``register`` or ``settle``; up to 30 characters.
            amount_fen: What this step moves, at least 0.
            expected_institution: The caller's own.
            expected_terminal: Where the caller had the person captured.
            expected_scene: What the caller had the person asked for.
            expected_subject: Who the caller believes stood there.
            expected_beneficiary: For whom the caller acts.
            expected_relation: Of subject to beneficiary.

        Raises:
            Refused: ``verification.proof_not_found``, ``intent_redeemed``, ``text_invalid``, and
                as :func:`~shualian.verification.proofs.model.check_redeem` and
                :func:`~shualian.verification.proofs.model.decide_redemption`.
        """
        return self._proofs.redeem(
            auth_no,
            intent_id=intent_id,
            use=use,
            amount_fen=amount_fen,
            expected_institution=expected_institution,
            expected_terminal=expected_terminal,
            expected_scene=expected_scene,
            expected_subject=expected_subject,
            expected_beneficiary=expected_beneficiary,
            expected_relation=expected_relation,
        )

    def redeem_open(
        self,
        *,
        expected_institution: InstitutionCode,
        expected_subject: PersonNo,
        expected_scene: Scene,
        use: str,
        amount_fen: Fen,
    ) -> Redemption:
        """Redeem the one open proof of a person for themselves, where no number is sent.

        A foreign hospital system sends no ``authNo`` with 1101 and 2207 (terminal interface); so
        person, institution and scene must single one proof out. No use is answered twice: with no
        number a second request could be for something else.

        Raises:
            Refused: ``verification.proof_not_open`` (none in time), ``proofs_open`` (several),
                ``intent_redeemed``, and as
                :func:`~shualian.verification.proofs.model.decide_redemption`.
        """
        return self._proofs.redeem_open(
            expected_institution=expected_institution,
            expected_subject=expected_subject,
            expected_scene=expected_scene,
            use=use,
            amount_fen=amount_fen,
        )

    def check(self, auth_no: AuthNo, *, expected_institution: InstitutionCode) -> FaceProof:
        """Read a proof that is in time, for the institution that it is for; redeems nothing.

        Raises:
            Refused: ``verification.proof_not_found``, ``proof_other_institution``,
                ``proof_expired``.
        """
        return self._proofs.check(auth_no, expected_institution=expected_institution)

    def accesses_of(self, psn_no: PersonNo) -> list[Access]:
        """The person's own access log: verified, confirmed, redeemed; oldest first."""
        return self._database.read(lambda connection: store.accesses_of(connection, psn_no))

    def forget_before(self, before: datetime) -> int:
        """Delete sessions decided before a moment with all that came of them; how many.

        Sessions that nobody brought to a decision go after a day, and nothing goes earlier. The
        audit stays.
        """
        kept = self._clock.now() - _UNDECIDED_KEPT

        def work(connection: Connection) -> int:
            return store.forget_sessions(
                connection,
                decided_before=min(before, kept),
                expired_before=kept,
                sessions_max=_FORGOTTEN_AT_ONCE,
            )

        forgotten = 0
        while gone := self._database.write(work):
            forgotten += gone
        return forgotten

    def _check_terminal(self, terminal: Terminal, amount_max_fen: Fen) -> None:
        check_face_capture(terminal.terminal_class, mode=self._mode)
        if amount_max_fen < 0:
            raise Refused(AMOUNT_INVALID, found_fen=amount_max_fen)
        if amount_max_fen > 0:
            check_settlement(terminal.terminal_class, amount_max_fen, mode=self._mode)

    def _level(
        self, terminal: Terminal, scene: Scene, amount_max_fen: Fen, sought: Sought
    ) -> LivenessLevel:
        since = self._clock.now() - timedelta(minutes=RISK_MINUTES)
        return liveness_level(
            Circumstances(
                scene=scene,
                amount_max_fen=amount_max_fen,
                terminal_class=terminal.terminal_class,
                sought_by=sought.by,
                voucher=self._voucher(sought, scene),
                failures=self._database.read(
                    lambda connection: store.refused_since(connection, terminal.terminal_id, since)
                ),
            )
        )

    def _voucher(self, sought: Sought, scene: Scene) -> VoucherStanding | None:
        if sought.claimed is None:
            return None
        standing = self._people.standing(sought.claimed, now=self._clock.now())
        if sought.by in _TOLD_EARLY:
            check_own_face(standing, scene=scene)
        return standing.voucher

    def _sought(self, session_id: SessionId, nonce: str, look_for: LookFor | None) -> Sought:
        session = self._session(session_id)
        # Before anybody is looked up; decided again, with the attempt, in the writing transaction.
        begin_attempt(session, nonce=nonce, now=self._clock.now())
        if look_for is None:
            sought = self._identification.sought_now(session.sought, session.terminal_id)
        else:
            check_reads_documents(look_for, session.terminal_class)
            sought = self._identification.sought(look_for, session.terminal_id)
        self._pauses.check(terminal_id=session.terminal_id, claimed=paused_claim(sought))
        return sought

    def _tell_failure(self, session: CaptureSession, finding: Finding) -> None:
        refused = isinstance(finding, Refused) and finding.kind in _FAILURES
        if refused or finding is UnknownReason.BELOW_THRESHOLD:
            claimed = session.sought.claimed
            self._pauses.failed(terminal_id=session.terminal_id, claimed=claimed)

    def _follow_up(self, session: CaptureSession, enrolment: NewTemplate | None) -> CaptureSession:
        person = session.person
        claimed = session.sought.claimed
        self._pauses.succeeded(terminal_id=session.terminal_id, claimed=claimed)
        enrols = person is not None and may_enrol(
            person, sought_by=session.sought.by, agreed=self._keeps_template(session, person)
        )
        try:
            activated = self._aftermath.verified(session, enrolment if enrols else None)
        except Refused as refused:
            code = refused.kind.code
            self._change_session(
                session.session_id, lambda found: refuse(found, code, now=self._clock.now())
            )
            raise
        if not activated:
            return session
        return self._change_session(
            session.session_id, lambda found: replace(found, activated=True)
        )

    def _keeps_template(self, session: CaptureSession, person: VerifiedPerson) -> bool:
        """Agreed to now, or earlier: then an enrolment that a crash cut short is completed."""
        if session.agreed(ConsentPurpose.TEMPLATE):
            return True
        return self._people.standing(person.subject, now=self._clock.now()).template_consent

    def _session(self, session_id: SessionId) -> CaptureSession:
        return self._database.read(lambda connection: store.get_session(connection, session_id))

    def _change_session(
        self, session_id: SessionId, change: Callable[[CaptureSession], CaptureSession]
    ) -> CaptureSession:
        def work(connection: Connection) -> CaptureSession:
            before = store.get_session(connection, session_id)
            after = change(before)
            if after != before:
                store.update_session(connection, before, after)
            if after.state is not before.state:
                for event in events_of(after):
                    record(connection, event, at=self._clock.now())
            return after

        return self._database.write(work)
