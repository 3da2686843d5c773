"""The ceremony at a terminal: begin, verify, issue a proof; then redeem or check it."""

from collections.abc import Callable, Collection
from dataclasses import replace

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
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.terminals.model import Terminal, check_face_capture
from shualian.verification import store
from shualian.verification.model import (
    INTENT_REDEEMED,
    NOT_LIVE,
    PATH_DIFFERS,
    PICTURE_POOR,
    PROOF_NOT_FOUND,
    PROOF_OTHER_INSTITUTION,
    SESSION_NOT_FOUND,
    Candidate,
    CaptureSession,
    Claimed,
    Consent,
    ConsentPurpose,
    FaceProof,
    Finding,
    IdentificationOutcome,
    Intent,
    Narrowed,
    OpenedSession,
    OperatingPoint,
    Policy,
    Redemption,
    Relation,
    Scene,
    Search,
    UnknownReason,
    attempts_left,
    check_consents,
    check_in_time,
    check_redeem,
    claim,
    conclude,
    confirm,
    decide_identification,
    decide_redemption,
    decide_verification,
    digest,
    people_limit,
    plan_search,
)
from shualian.verification.ports import Captured, ErrorRates, Gallery

_NEAREST = 2
"""The best person, and the second for the margin."""


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
    ) -> None:
        """Fix the operating points, so that an unproven error rate stops the start-up.

        Raises:
            Refused: By ``error_rates`` when the policy asks for more than is proven.
        """
        self._database = database
        self._clock = clock
        self._gallery = gallery
        self._policy = policy
        self._mode = mode
        self._identification = _proven(error_rates, policy.identification_fmr, policy)
        self._verification = _proven(error_rates, policy.verification_fmr, policy)

    @property
    def people_max(self) -> int:
        """How many people one session may search without a claim; the rest must be narrowed."""
        return people_limit(self._identification, self._policy)

    def begin(
        self,
        terminal: Terminal,
        *,
        scene: Scene,
        notice_version: str,
        consents: Collection[ConsentPurpose],
    ) -> OpenedSession:
        """Open a session after the touch and the notice, before the first frame.

        Args:
            terminal: The terminal that asks, as it is registered.
            scene: What the person came for.
            notice_version: Of the notice that was shown.
            consents: What the person ticked.

        Raises:
            Refused: ``verification.consent_missing``, ``terminals.face_not_allowed``,
                ``terminals.simulated_outside_sandbox``.
        """
        check_face_capture(terminal.terminal_class, mode=self._mode)
        now, nonce = self._clock.now(), new_secret_token()
        given = tuple(Consent(each, notice_version, now) for each in sorted(set(consents)))
        check_consents(given)
        session = CaptureSession(
            session_id=SessionId(new_identifier()),
            terminal_id=terminal.terminal_id,
            institution=terminal.institution,
            terminal_class=terminal.terminal_class,
            scene=scene,
            consents=given,
            nonce_digest=digest(nonce),
            opened_at=now,
            expires_at=now + self._policy.session_valid,
        )
        self._database.write(lambda connection: store.insert_session(connection, session))
        return OpenedSession(session.session_id, nonce, session.expires_at)

    def verify(
        self,
        session_id: SessionId,
        *,
        terminal_id: TerminalId,
        nonce: str,
        captured: Captured,
        who: Narrowed | Claimed,
    ) -> IdentificationOutcome:
        """Decide who was captured: 1:N among narrowed people or 1:1 with a claimed one.

        Nothing is compared before the session is claimed, and only one caller can claim it; an
        attempt that was claimed and never concluded ends with the session's time.

        Raises:
            Refused: ``verification.too_many_candidates``, ``path_differs``, ``session_...``: the
                attempt was not made. ``not_live``, ``picture_poor``: it was and is counted.
        """
        search = plan_search(
            who,
            identification=self._identification,
            verification=self._verification,
            policy=self._policy,
        )
        _check_path(captured, search.point)
        self._change_session(
            session_id,
            lambda session: claim(
                session, search, terminal_id=terminal_id, nonce=nonce, now=self._clock.now()
            ),
        )
        finding = self._find(captured, who, search)
        session = self._change_session(
            session_id,
            lambda session: conclude(
                session, finding, search=search, policy=self._policy, now=self._clock.now()
            ),
        )
        if isinstance(finding, Refused):
            raise finding
        return IdentificationOutcome(
            person=session.person,
            unknown=finding if isinstance(finding, UnknownReason) else None,
            attempts_left=attempts_left(session, self._policy),
        )

    def issue_proof(
        self,
        session_id: SessionId,
        *,
        terminal_id: TerminalId,
        subject: PersonNo,
        intent: Intent,
    ) -> FaceProof:
        """Issue the session's one proof; called when the person presses *confirm*, never before.

        Its ``auth_no`` is given here once and cannot be read again.

        Raises:
            Refused: As :func:`~shualian.verification.model.confirm`, or
                ``verification.session_not_found``.
        """
        auth_no = AuthNo(new_secret_token())

        def work(connection: Connection) -> FaceProof:
            session, now = _session(connection, session_id), self._clock.now()
            proof = confirm(
                session,
                intent,
                auth_no=auth_no,
                subject=subject,
                terminal_id=terminal_id,
                policy=self._policy,
                mode=self._mode,
                now=now,
            )
            store.update_session(connection, session, replace(session, proof_issued_at=now))
            store.insert_proof(connection, session_id, proof)
            return proof

        return self._database.write(work)

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
            Refused: ``verification.proof_not_found``, ``intent_redeemed``, and as
                :func:`~shualian.verification.model.check_redeem` and
                :func:`~shualian.verification.model.decide_redemption`.
        """

        def work(connection: Connection) -> Redemption:
            proof = _found(store.find_proof(connection, auth_no))
            check_redeem(
                proof,
                expected_institution=expected_institution,
                expected_terminal=expected_terminal,
                expected_intent_id=intent_id,
                expected_scene=expected_scene,
                expected_subject=expected_subject,
                expected_beneficiary=expected_beneficiary,
                expected_relation=expected_relation,
            )
            return self._redeem_checked(connection, proof, use=use, amount_fen=amount_fen)

        return self._database.write(work)

    def check(self, auth_no: AuthNo, *, expected_institution: InstitutionCode) -> FaceProof:
        """Read a proof that is in time, for the institution that it is for; redeems nothing.

        Raises:
            Refused: ``verification.proof_not_found``, ``proof_other_institution``,
                ``proof_expired``.
        """
        proof = _found(
            self._database.read(lambda connection: store.find_proof(connection, auth_no))
        )
        # The number is a secret of the terminal and its institution; others learn nothing by it.
        if proof.institution != expected_institution:
            raise Refused(PROOF_OTHER_INSTITUTION, expected=expected_institution)
        check_in_time(proof, now=self._clock.now())
        return proof

    def _redeem_checked(
        self, connection: Connection, proof: FaceProof, *, use: str, amount_fen: Fen
    ) -> Redemption:
        # Another scan for the same step must not do it twice.
        if store.redeemed_by_another(connection, proof, use):
            raise Refused(INTENT_REDEEMED, use=use)
        made = store.redemptions_of(connection, proof)
        redemption = decide_redemption(
            proof, made, use=use, amount_fen=amount_fen, now=self._clock.now()
        )
        if redemption not in made:
            store.insert_redemption(connection, proof, redemption)
        return redemption

    def _find(self, captured: Captured, who: Narrowed | Claimed, search: Search) -> Finding:
        if not captured.liveness.live:
            return Refused(NOT_LIVE)
        if not captured.qualities or not all(seen.acceptable for seen in captured.qualities):
            return Refused(PICTURE_POOR)
        try:
            nearest = self._gallery.identify(captured.probe, search.subjects, _NEAREST)
        except Refused as refused:
            return refused
        candidates = [Candidate(PersonNo(found.subject), float(found.score)) for found in nearest]
        threshold = search.point.threshold
        if isinstance(who, Claimed):
            return decide_verification(candidates, who.subject, threshold=threshold)
        return decide_identification(candidates, threshold=threshold, margin=self._policy.margin)

    def _change_session(
        self, session_id: SessionId, change: Callable[[CaptureSession], CaptureSession]
    ) -> CaptureSession:
        def work(connection: Connection) -> CaptureSession:
            before = _session(connection, session_id)
            after = change(before)
            store.update_session(connection, before, after)
            return after

        return self._database.write(work)


def _proven(error_rates: ErrorRates, fmr: float, policy: Policy) -> OperatingPoint:
    point = error_rates.at(fmr, population=policy.population)
    return OperatingPoint(
        fmr=point.fmr,
        fmr_upper95=point.fmr_upper95,
        threshold=point.threshold,
        path_id=point.path_id,
        data=point.data,
        proven_for_population=point.proven_for_population,
    )


def _session(connection: Connection, session_id: SessionId) -> CaptureSession:
    session = store.find_session(connection, session_id)
    if session is None:
        raise Refused(SESSION_NOT_FOUND)
    return session


def _found(proof: FaceProof | None) -> FaceProof:
    if proof is None:
        raise Refused(PROOF_NOT_FOUND)
    return proof


def _check_path(captured: Captured, point: OperatingPoint) -> None:
    # A threshold means nothing for vectors of another path.
    if captured.probe.path_id != point.path_id:
        raise Refused(PATH_DIFFERS, found=captured.probe.path_id, expected=point.path_id)
