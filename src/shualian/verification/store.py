"""Tables and queries of capture sessions, face proofs and their redemptions.

Nonces and proof numbers are stored as digests only.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import (
    AuthNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    TerminalId,
)
from shualian.core.money import Fen
from shualian.terminals.model import TerminalClass
from shualian.verification.model import (
    CaptureSession,
    Consent,
    ConsentPurpose,
    FaceProof,
    Factor,
    OperatingPoint,
    Redemption,
    Relation,
    Scene,
    SessionState,
    VerifiedPerson,
    digest,
)

metadata = MetaData()


_DIGEST = String(64)
_IDENTIFIER = String(30)

sessions = Table(
    "verification_session",
    metadata,
    Column("session_id", _IDENTIFIER, primary_key=True),
    Column("terminal_id", _IDENTIFIER, nullable=False),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("terminal_class", String(10), nullable=False),
    Column("scene", String(5), nullable=False),
    Column("nonce_digest", _DIGEST, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("comparisons", Integer, nullable=False),
    Column("error_upper95", Float(53), nullable=False),
    Column("decided_at", UtcTime),
    Column("refused_because", String(60)),
    Column("proof_issued_at", UtcTime),
)

consents = Table(
    "verification_consent",
    metadata,
    Column("session_id", ForeignKey(sessions.c.session_id), primary_key=True),
    Column("purpose", String(20), primary_key=True),
    Column("notice_version", String(30), nullable=False),
    Column("given_at", UtcTime, nullable=False),
)

persons = Table(
    "verification_person",
    metadata,
    Column("session_id", ForeignKey(sessions.c.session_id), primary_key=True),
    Column("subject", _IDENTIFIER, nullable=False),
    Column("score", Float(53), nullable=False),
    Column("fmr", Float(53), nullable=False),
    Column("fmr_upper95", Float(53), nullable=False),
    Column("threshold", Float(53), nullable=False),
    Column("path_id", String(200), nullable=False),
    Column("data", String(200), nullable=False),
    Column("proven_for_population", Boolean, nullable=False),
    Column("comparisons", Integer, nullable=False),
    Column("error_upper95", Float(53), nullable=False),
    Column("factors", String(60), nullable=False),
)

proofs = Table(
    "verification_proof",
    metadata,
    Column("auth_digest", _DIGEST, primary_key=True),
    Column("session_id", ForeignKey(sessions.c.session_id), nullable=False, unique=True),
    Column("subject", _IDENTIFIER, nullable=False),
    Column("beneficiary", _IDENTIFIER, nullable=False),
    Column("relation", String(10), nullable=False),
    Column("intent_id", _IDENTIFIER, nullable=False),
    Column("scene", String(5), nullable=False),
    Column("terminal_id", _IDENTIFIER, nullable=False),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("amount_max_fen", BigInteger, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

redemptions = Table(
    "verification_redemption",
    metadata,
    Column("intent_id", _IDENTIFIER, primary_key=True),
    Column("use", _IDENTIFIER, primary_key=True),
    Column("auth_digest", ForeignKey(proofs.c.auth_digest), nullable=False, index=True),
    Column("amount_fen", BigInteger, nullable=False),
    Column("redeemed_at", UtcTime, nullable=False),
)
"""One row for each use of each intent, whichever proof redeemed it."""


def insert_session(connection: Connection, session: CaptureSession) -> None:
    """Store a new session with its consents."""
    connection.execute(insert(sessions).values(_session_row(session)))
    connection.execute(
        insert(consents),
        [
            {
                "session_id": session.session_id,
                "purpose": given.purpose.value,
                "notice_version": given.notice_version,
                "given_at": given.given_at,
            }
            for given in session.consents
        ],
    )


def find_session(connection: Connection, session_id: SessionId) -> CaptureSession | None:
    """The session with its consents and, once verified, its person."""
    row = connection.execute(
        select(sessions).where(sessions.c.session_id == session_id)
    ).one_or_none()
    if row is None:
        return None
    return CaptureSession(
        session_id=session_id,
        terminal_id=TerminalId(row.terminal_id),
        institution=InstitutionCode(row.institution),
        terminal_class=TerminalClass(row.terminal_class),
        scene=Scene(row.scene),
        consents=_consents_of(connection, session_id),
        nonce_digest=row.nonce_digest,
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        state=SessionState(row.state),
        attempts=row.attempts,
        comparisons=row.comparisons,
        error_upper95=row.error_upper95,
        person=_person_of(connection, session_id),
        decided_at=row.decided_at,
        refused_because=row.refused_because,
        proof_issued_at=row.proof_issued_at,
    )


def update_session(connection: Connection, before: CaptureSession, after: CaptureSession) -> None:
    """Store what changed of a session, and the person when it was just verified."""
    connection.execute(
        update(sessions)
        .where(sessions.c.session_id == after.session_id)
        .values(_session_row(after))
    )
    if before.person is None and after.person is not None:
        row = _person_row(after.session_id, after.person)
        connection.execute(insert(persons).values(row))


def insert_proof(connection: Connection, session_id: SessionId, proof: FaceProof) -> None:
    """Store a new proof, its number as a digest."""
    connection.execute(
        insert(proofs).values(
            auth_digest=digest(proof.auth_no),
            session_id=session_id,
            subject=proof.subject,
            beneficiary=proof.beneficiary,
            relation=proof.relation.value,
            intent_id=proof.intent_id,
            scene=proof.scene.value,
            terminal_id=proof.terminal_id,
            institution=proof.institution,
            amount_max_fen=proof.amount_max_fen,
            uses=proof.uses,
            expires_at=proof.expires_at,
        )
    )


def find_proof(connection: Connection, auth_no: AuthNo) -> FaceProof | None:
    """The proof with this number."""
    row = connection.execute(
        select(proofs).where(proofs.c.auth_digest == digest(auth_no))
    ).one_or_none()
    if row is None:
        return None
    return FaceProof(
        auth_no=auth_no,
        subject=PersonNo(row.subject),
        beneficiary=PersonNo(row.beneficiary),
        relation=Relation(row.relation),
        intent_id=IntentId(row.intent_id),
        scene=Scene(row.scene),
        terminal_id=TerminalId(row.terminal_id),
        institution=InstitutionCode(row.institution),
        amount_max_fen=Fen(row.amount_max_fen),
        uses=row.uses,
        expires_at=row.expires_at,
    )


def redemptions_of(connection: Connection, proof: FaceProof) -> Sequence[Redemption]:
    """All redemptions of a proof."""
    rows = connection.execute(
        select(redemptions).where(redemptions.c.auth_digest == digest(proof.auth_no))
    )
    return [_redemption(row) for row in rows]


def redeemed_by_another(connection: Connection, proof: FaceProof, use: str) -> bool:
    """Whether this use of the proof's intent was redeemed by another proof."""
    row = connection.execute(
        select(redemptions.c.auth_digest).where(
            redemptions.c.intent_id == proof.intent_id, redemptions.c.use == use
        )
    ).one_or_none()
    return row is not None and row.auth_digest != digest(proof.auth_no)


def insert_redemption(connection: Connection, proof: FaceProof, made: Redemption) -> None:
    """Store a new redemption; its key makes a second one of the same use impossible."""
    connection.execute(
        insert(redemptions).values(
            intent_id=made.intent_id,
            use=made.use,
            auth_digest=digest(proof.auth_no),
            amount_fen=made.amount_fen,
            redeemed_at=made.redeemed_at,
        )
    )


def _session_row(session: CaptureSession) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "terminal_id": session.terminal_id,
        "institution": session.institution,
        "terminal_class": session.terminal_class.value,
        "scene": session.scene.value,
        "nonce_digest": session.nonce_digest,
        "opened_at": session.opened_at,
        "expires_at": session.expires_at,
        "state": session.state.value,
        "attempts": session.attempts,
        "comparisons": session.comparisons,
        "error_upper95": session.error_upper95,
        "decided_at": session.decided_at,
        "refused_because": session.refused_because,
        "proof_issued_at": session.proof_issued_at,
    }


def _consents_of(connection: Connection, session_id: SessionId) -> tuple[Consent, ...]:
    rows = connection.execute(
        select(consents).where(consents.c.session_id == session_id).order_by(consents.c.purpose)
    )
    return tuple(
        Consent(ConsentPurpose(row.purpose), row.notice_version, row.given_at) for row in rows
    )


def _person_of(connection: Connection, session_id: SessionId) -> VerifiedPerson | None:
    row = connection.execute(
        select(persons).where(persons.c.session_id == session_id)
    ).one_or_none()
    if row is None:
        return None
    point = OperatingPoint(
        fmr=row.fmr,
        fmr_upper95=row.fmr_upper95,
        threshold=row.threshold,
        path_id=row.path_id,
        data=row.data,
        proven_for_population=row.proven_for_population,
    )
    return VerifiedPerson(
        subject=PersonNo(row.subject),
        score=row.score,
        point=point,
        comparisons=row.comparisons,
        error_upper95=row.error_upper95,
        factors=frozenset(Factor(name) for name in row.factors.split(",")),
    )


def _person_row(session_id: SessionId, person: VerifiedPerson) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "subject": person.subject,
        "score": person.score,
        "fmr": person.point.fmr,
        "fmr_upper95": person.point.fmr_upper95,
        "threshold": person.point.threshold,
        "path_id": person.point.path_id,
        "data": person.point.data,
        "proven_for_population": person.point.proven_for_population,
        "comparisons": person.comparisons,
        "error_upper95": person.error_upper95,
        "factors": ",".join(sorted(person.factors)),
    }


def _redemption(row: Row[Any]) -> Redemption:
    return Redemption(IntentId(row.intent_id), row.use, Fen(row.amount_fen), row.redeemed_at)
