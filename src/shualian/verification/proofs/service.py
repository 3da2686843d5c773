"""Face proofs: issued when the person confirms, then redeemed or checked."""

from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.database.statements import own_locks
from shualian.core.identifiers import (
    AuthNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    TerminalId,
    new_secret_token,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.terminals.model import Terminal
from shualian.trust.audit.service import record
from shualian.verification import store
from shualian.verification.model import (
    INTENT_REDEEMED,
    NOT_VERIFIED,
    PROOF_NOT_FOUND,
    PROOF_OTHER_INSTITUTION,
    ConfirmedPerson,
    FaceProof,
    Factor,
    Intent,
    Policy,
    Redemption,
    Relation,
    Scene,
    check_text,
    digest,
)
from shualian.verification.ports import InsuredPeople, Pins, Relations
from shualian.verification.proofs.model import (
    Claim,
    Confirmation,
    StoredProof,
    check_in_time,
    check_redeem,
    check_relation,
    confirm,
    confirming_person,
    decide_redemption,
    issued_event,
    redeemed_event,
    the_open_one,
)
from shualian.verification.proofs.within import redeem_within
from shualian.verification.requirements.model import (
    MoneyRules,
    check_active,
    check_not_barred,
)
from shualian.verification.sessions.model import CaptureSession

_NO_PIN: frozenset[Factor] = frozenset()


class Proofs:
    """Issues, redeems and checks face proofs over one insurer database."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        policy: Policy,
        rules: MoneyRules,
        people: InsuredPeople,
        pins: Pins,
        relations: Relations,
    ) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy
        self._rules = rules
        self._people = people
        self._pins = pins
        self._relations = relations

    def issue(
        self,
        session_id: SessionId,
        *,
        terminal_id: TerminalId,
        intent: Intent,
        pin: str | None = None,
    ) -> FaceProof:
        """Issue the session's one proof; see :meth:`Verification.issue_proof`."""
        asked = self._confirmation(session_id, terminal_id, intent, pin)
        auth_no = AuthNo(new_secret_token())

        def work(connection: Connection) -> FaceProof:
            session = store.get_session(connection, session_id)
            now = self._clock.now()
            proof = self._confirmed(session, replace(asked, at=now), auth_no)
            confirmed = replace(session, proof_issued_at=now)
            store.update_session(connection, session, confirmed)
            stored = _stored(confirmed, proof, asked.joined)
            store.insert_proof(connection, stored)
            record(connection, issued_event(stored), at=now)
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
        """Redeem one use of a proof; see :meth:`Verification.redeem`."""
        check_text("use", use)

        claim = Claim(
            auth_no=auth_no,
            intent_id=intent_id,
            use=use,
            amount_fen=amount_fen,
            institution=expected_institution,
            terminal=expected_terminal,
            scene=expected_scene,
            subject=expected_subject,
            beneficiary=expected_beneficiary,
            relation=expected_relation,
        )

        def work(connection: Connection) -> Redemption:
            own_locks(connection)
            return redeem_within(connection, claim, now=self._clock.now()).redemption

        return self._database.write(work)

    def redeem_open(
        self,
        *,
        expected_institution: InstitutionCode,
        expected_subject: PersonNo,
        expected_scene: Scene,
        use: str,
        amount_fen: Fen,
    ) -> Redemption:
        """Redeem the one open proof of a person; see :meth:`Verification.redeem_open`."""
        check_text("use", use)

        def work(connection: Connection) -> Redemption:
            own_locks(connection)
            look = partial(
                store.open_proofs,
                connection,
                subject=expected_subject,
                institution=expected_institution,
                scene=expected_scene,
                now=self._clock.now(),
            )
            for stored in look():
                store.lock_proof(connection, stored.auth_digest)
            # Looked at again: what another request has just used is open no more.
            return self._redeem_checked(
                connection, the_open_one(look()), use=use, amount_fen=amount_fen, repeatable=False
            )

        return self._database.write(work)

    def confirmed(
        self, auth_no: AuthNo, *, terminal: Terminal, intent_id: IntentId, use: str
    ) -> ConfirmedPerson:
        """Redeem a person's own act; see :meth:`Verification.confirmed`."""
        check_text("use", use)

        def work(connection: Connection) -> ConfirmedPerson:
            own_locks(connection)
            stored = _found(store.find_proof(connection, auth_no))
            proof = stored.proof
            check_redeem(
                proof,
                expected_institution=terminal.institution,
                expected_terminal=terminal.terminal_id,
                expected_intent_id=intent_id,
                expected_scene=Scene.INSURED_SERVICES,
                # Nobody is expected: the answer says who it is, and it is for themselves.
                expected_subject=proof.subject,
                expected_beneficiary=proof.subject,
                expected_relation=Relation.SELF,
            )
            self._redeem_checked(connection, stored, use=use, amount_fen=ZERO)
            return _confirmed_person(store.get_session(connection, stored.session_id), stored)

        return self._database.write(work)

    def check(self, auth_no: AuthNo, *, expected_institution: InstitutionCode) -> FaceProof:
        """Read a proof that is in time; see :meth:`Verification.check`."""
        proof = _found(
            self._database.read(lambda connection: store.find_proof(connection, auth_no))
        ).proof
        # The number is a secret of the terminal and its institution; others learn nothing by it.
        if proof.institution != expected_institution:
            raise Refused(PROOF_OTHER_INSTITUTION, expected=expected_institution)
        check_in_time(proof, now=self._clock.now())
        return proof

    def _confirmation(
        self, session_id: SessionId, terminal_id: TerminalId, intent: Intent, pin: str | None
    ) -> Confirmation:
        now = self._clock.now()
        session = self._database.read(lambda connection: store.get_session(connection, session_id))
        person = confirming_person(session, terminal_id=terminal_id, policy=self._policy, now=now)
        standing = self._people.standing(person.subject, now=now)
        # It may have been frozen since, or the activation failed.
        check_active(standing, scene=session.scene)
        joined = _NO_PIN if pin is None else frozenset({Factor.PIN})
        asked = Confirmation(intent, terminal_id, standing, joined, now)
        # Everything else first, so that a wrong amount costs nobody a try at the PIN.
        self._confirmed(session, asked, AuthNo(""))
        self._check_relation(intent, person.subject)
        if pin is not None:
            self._pins.check(person.subject, pin)
        return asked

    def _confirmed(
        self, session: CaptureSession, asked: Confirmation, auth_no: AuthNo
    ) -> FaceProof:
        return confirm(session, asked, auth_no=auth_no, policy=self._policy, rules=self._rules)

    def _check_relation(self, intent: Intent, subject: PersonNo) -> None:
        check_relation(intent, subject=subject)
        if intent.relation is Relation.SELF:
            return
        now = self._clock.now()
        self._relations.check(
            subject=subject, beneficiary=intent.beneficiary, relation=intent.relation, at=now
        )
        # A frozen voucher is frozen for whoever acts for its owner, too.
        beneficiary = self._people.standing(intent.beneficiary, now=now)
        check_not_barred(beneficiary, scene=intent.scene)

    def _redeem_checked(
        self,
        connection: Connection,
        stored: StoredProof,
        *,
        use: str,
        amount_fen: Fen,
        repeatable: bool = True,
    ) -> Redemption:
        # Settlements redeem in transactions of their own; the proof's row is what all lock.
        store.lock_proof(connection, stored.auth_digest)
        made = store.redemptions_of(connection, stored.auth_digest)
        earlier = [each for each in made if each.use == use]
        # Another scan for the same step must not do it twice; nor may a second step without a
        # number pass for the first one.
        if store.redeemed_by_another(connection, stored, use) or (earlier and not repeatable):
            raise Refused(INTENT_REDEEMED, use=use)
        now = self._clock.now()
        redemption = decide_redemption(stored.proof, made, use=use, amount_fen=amount_fen, now=now)
        if not earlier:
            store.insert_redemption(connection, stored, redemption)
            record(connection, redeemed_event(stored, redemption), at=now)
        return redemption


def _stored(session: CaptureSession, proof: FaceProof, joined: frozenset[Factor]) -> StoredProof:
    if session.person is None or session.proof_issued_at is None:
        raise Refused(NOT_VERIFIED, found=session.state.value)
    return StoredProof(
        auth_digest=digest(proof.auth_no),
        session_id=session.session_id,
        factors=session.person.factors | joined,
        issued_at=session.proof_issued_at,
        proof=proof,
    )


def _confirmed_person(session: CaptureSession, stored: StoredProof) -> ConfirmedPerson:
    if session.person is None:
        raise Refused(NOT_VERIFIED, found=session.state.value)
    return ConfirmedPerson(
        subject=stored.proof.subject,
        session_id=session.session_id,
        factors=stored.factors,
        active=session.person.active,
        registry=session.person.registry,
        confirmed_at=stored.issued_at,
    )


def _found(stored: StoredProof | None) -> StoredProof:
    if stored is None:
        raise Refused(PROOF_NOT_FOUND)
    return stored
