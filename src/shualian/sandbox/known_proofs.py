"""Face proofs as verification keeps them, made without a capture: for benchmarks and simulations.

Each has its session and its verified person, so that whoever redeems one cannot tell.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

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
from shualian.core.money import Fen
from shualian.face.liveness.decision import LivenessLevel
from shualian.terminals.model import TerminalClass
from shualian.verification import store
from shualian.verification.model import (
    Basis,
    Consent,
    ConsentPurpose,
    FaceProof,
    Factor,
    Relation,
    Scene,
    SessionState,
    VerifiedPerson,
    digest,
)
from shualian.verification.proofs.model import StoredProof
from shualian.verification.registry.model import RegistryVerdict
from shualian.verification.sessions.model import CaptureSession, Sought, SoughtBy

_VALID = timedelta(minutes=5)
_TERMINAL = TerminalId("T1")


@dataclass(frozen=True, slots=True)
class KnownProof:
    """What a made-up scan has shown.

    Attributes:
        institution: Where.
        beneficiary: For whom.
        subject: Who stood there.
        scene: What for.
        amount_max_fen: The most that it moves.
        relation: Of the subject to the beneficiary.
        terminal_id: Where.
        pin: Whether the PIN joined the face.
        active: Whether active liveness was passed.
        registry: The police registry's answer.
        uses: How often it is good.
        intent_id: What the person confirmed; a new one by default.
    """

    institution: InstitutionCode
    beneficiary: PersonNo
    subject: PersonNo
    scene: Scene
    amount_max_fen: Fen
    relation: Relation = Relation.SELF
    terminal_id: TerminalId = _TERMINAL
    pin: bool = False
    active: bool = True
    registry: RegistryVerdict | None = RegistryVerdict.MATCH
    uses: int = 1
    intent_id: IntentId | None = None


def issue(connection: Connection, known: KnownProof, *, now: datetime) -> FaceProof:
    """Keep session, person and proof; gives the proof with its number."""
    session = _session(known, now)
    proof = FaceProof(
        auth_no=AuthNo(new_secret_token()),
        subject=known.subject,
        beneficiary=known.beneficiary,
        relation=known.relation,
        intent_id=known.intent_id or IntentId(new_identifier()),
        scene=known.scene,
        terminal_id=known.terminal_id,
        institution=known.institution,
        amount_max_fen=known.amount_max_fen,
        uses=known.uses,
        expires_at=now + _VALID,
    )
    person = session.person
    factors = person.factors if person else frozenset()
    joined = factors | {Factor.PIN} if known.pin else factors
    stored = StoredProof(digest(proof.auth_no), session.session_id, joined, now, proof)
    opened = replace(session, person=None)
    store.insert_session(connection, opened)
    store.update_session(connection, opened, session)
    store.insert_proof(connection, stored)
    return proof


def _session(known: KnownProof, now: datetime) -> CaptureSession:
    person = VerifiedPerson(
        subject=known.subject,
        score=None,
        point=None,
        comparisons=0,
        error_upper95=None,
        factors=frozenset({Factor.FACE, Factor.CALLED}),
        basis=Basis.REGISTRY,
        registry=known.registry,
        active=known.active,
    )
    return CaptureSession(
        session_id=SessionId(new_identifier()),
        terminal_id=known.terminal_id,
        institution=known.institution,
        terminal_class=TerminalClass.SIMULATED,
        key_id="ab" * 32,
        scene=known.scene,
        consents=(Consent(ConsentPurpose.COMPARISON, "none", now),),
        amount_max_fen=known.amount_max_fen,
        liveness=LivenessLevel.ACTIVE,
        sought=Sought(SoughtBy.CALLED, None, known.subject),
        nonce_digest="cd" * 32,
        ticket_digest=None,
        opened_at=now,
        expires_at=now + _VALID,
        state=SessionState.VERIFIED,
        person=person,
        decided_at=now,
        proof_issued_at=now,
    )
