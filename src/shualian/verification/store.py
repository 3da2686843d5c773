"""Tables and queries of capture sessions, face proofs and their redemptions.

Nonces, tickets and proof numbers are stored as digests only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    delete,
    func,
    insert,
    or_,
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
from shualian.core.refusals import Refused
from shualian.face.liveness.decision import LivenessLevel
from shualian.terminals.model import TerminalClass
from shualian.verification.model import (
    SESSION_NOT_FOUND,
    Access,
    AccessKind,
    Basis,
    Consent,
    ConsentPurpose,
    FaceProof,
    Factor,
    OperatingPoint,
    Redemption,
    Relation,
    Scene,
    SessionState,
    UnknownReason,
    VerifiedPerson,
    digest,
)
from shualian.verification.proofs.model import StoredProof
from shualian.verification.registry.model import RegistryVerdict
from shualian.verification.sessions.model import CaptureSession, Sought, SoughtBy

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
    Column("key_id", String(64), nullable=False),
    Column("scene", String(5), nullable=False),
    Column("amount_max_fen", BigInteger, nullable=False),
    Column("liveness", String(10), nullable=False),
    Column("sought_by", String(10), nullable=False),
    Column("digits", String(8)),
    Column("claimed", _IDENTIFIER),
    Column("nonce_digest", _DIGEST, nullable=False),
    Column("ticket_digest", _DIGEST),
    Column("opened_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempting", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("comparisons", Integer, nullable=False),
    Column("error_upper95", Float(53), nullable=False),
    Column("unknown", String(20)),
    Column("decided_at", UtcTime),
    Column("refused_because", String(60)),
    Column("activated", Boolean, nullable=False),
    Column("proof_issued_at", UtcTime),
    Index("verification_session_decided", "terminal_id", "decided_at"),
    # By which sessions are forgotten, decided ones and abandoned ones.
    Index("verification_session_over", "decided_at", "expires_at"),
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
    Column("subject", _IDENTIFIER, nullable=False, index=True),
    Column("score", Float(53)),
    Column("fmr", Float(53)),
    Column("fmr_upper95", Float(53)),
    Column("threshold", Float(53)),
    Column("path_id", String(200)),
    Column("data", String(200)),
    Column("proven_for_population", Boolean, nullable=False),
    Column("comparisons", Integer, nullable=False),
    Column("error_upper95", Float(53)),
    Column("factors", String(60), nullable=False),
    Column("basis", String(10), nullable=False),
    Column("registry", String(24)),
    Column("active", Boolean, nullable=False),
)

proofs = Table(
    "verification_proof",
    metadata,
    Column("auth_digest", _DIGEST, primary_key=True),
    Column("session_id", ForeignKey(sessions.c.session_id), nullable=False, unique=True),
    Column("subject", _IDENTIFIER, nullable=False, index=True),
    Column("beneficiary", _IDENTIFIER, nullable=False, index=True),
    Column("relation", String(10), nullable=False),
    Column("factors", String(60), nullable=False),
    Column("intent_id", _IDENTIFIER, nullable=False),
    Column("scene", String(5), nullable=False),
    Column("terminal_id", _IDENTIFIER, nullable=False),
    Column("institution", _IDENTIFIER, nullable=False),
    Column("amount_max_fen", BigInteger, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("issued_at", UtcTime, nullable=False),
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
        key_id=row.key_id,
        scene=Scene(row.scene),
        consents=_consents_of(connection, session_id),
        amount_max_fen=Fen(row.amount_max_fen),
        liveness=LivenessLevel(row.liveness),
        sought=Sought(SoughtBy(row.sought_by), row.digits, _person_no(row.claimed)),
        nonce_digest=row.nonce_digest,
        ticket_digest=row.ticket_digest,
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        state=SessionState(row.state),
        attempting=row.attempting,
        attempts=row.attempts,
        comparisons=row.comparisons,
        error_upper95=row.error_upper95,
        unknown=UnknownReason(row.unknown) if row.unknown else None,
        person=_person_of(connection, session_id),
        decided_at=row.decided_at,
        refused_because=row.refused_because,
        activated=row.activated,
        proof_issued_at=row.proof_issued_at,
    )


def get_session(connection: Connection, session_id: SessionId) -> CaptureSession:
    """The session, which must be there.

    Raises:
        Refused: ``verification.session_not_found``.
    """
    # An identifier from the wire that no engine could store is nobody's.
    session = find_session(connection, session_id) if session_id.isprintable() else None
    if session is None:
        raise Refused(SESSION_NOT_FOUND)
    return session


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


def refused_since(connection: Connection, terminal_id: TerminalId, since: datetime) -> int:
    """How many captures at a terminal were refused since then."""
    query = (
        select(func.count())
        .select_from(sessions)
        .where(
            sessions.c.terminal_id == terminal_id,
            sessions.c.decided_at >= since,
            sessions.c.state == SessionState.REFUSED.value,
        )
    )
    return connection.scalar(query) or 0


def insert_proof(connection: Connection, stored: StoredProof) -> None:
    """Store a new proof, its number as a digest."""
    proof = stored.proof
    connection.execute(
        insert(proofs).values(
            auth_digest=stored.auth_digest,
            session_id=stored.session_id,
            subject=proof.subject,
            beneficiary=proof.beneficiary,
            relation=proof.relation.value,
            factors=",".join(sorted(stored.factors)),
            intent_id=proof.intent_id,
            scene=proof.scene.value,
            terminal_id=proof.terminal_id,
            institution=proof.institution,
            amount_max_fen=proof.amount_max_fen,
            uses=proof.uses,
            issued_at=stored.issued_at,
            expires_at=proof.expires_at,
        )
    )


def find_proof(connection: Connection, auth_no: AuthNo) -> StoredProof | None:
    """The proof with this number."""
    row = connection.execute(
        select(proofs).where(proofs.c.auth_digest == digest(auth_no))
    ).one_or_none()
    return None if row is None else _stored_proof(row, auth_no)


def open_proofs(
    connection: Connection,
    *,
    subject: PersonNo,
    institution: InstitutionCode,
    scene: Scene,
    now: datetime,
) -> Sequence[StoredProof]:
    """Proofs of a person for themselves that are in time and not used up, without numbers."""
    made = (
        select(func.count())
        .select_from(redemptions)
        .where(redemptions.c.auth_digest == proofs.c.auth_digest)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(proofs).where(
            proofs.c.subject == subject,
            proofs.c.beneficiary == subject,
            proofs.c.institution == institution,
            proofs.c.scene == scene.value,
            proofs.c.expires_at > now,
            proofs.c.uses > made,
        )
    )
    return [_stored_proof(row, AuthNo("")) for row in rows]


def lock_proof(connection: Connection, auth_digest: str) -> None:
    """Let nobody else redeem a proof until this transaction ends."""
    row = select(proofs.c.auth_digest).where(proofs.c.auth_digest == auth_digest)
    connection.execute(row.with_for_update(key_share=True))


def redemptions_of(connection: Connection, auth_digest: str) -> Sequence[Redemption]:
    """All redemptions of a proof."""
    rows = connection.execute(select(redemptions).where(redemptions.c.auth_digest == auth_digest))
    return [_redemption(row) for row in rows]


def redeemed_by_another(connection: Connection, stored: StoredProof, use: str) -> bool:
    """Whether this use of the proof's intent was redeemed by another proof."""
    row = connection.execute(
        select(redemptions.c.auth_digest).where(
            redemptions.c.intent_id == stored.proof.intent_id, redemptions.c.use == use
        )
    ).one_or_none()
    return row is not None and row.auth_digest != stored.auth_digest


def insert_redemption(connection: Connection, stored: StoredProof, made: Redemption) -> None:
    """Store a new redemption; its key makes a second one of the same use impossible."""
    connection.execute(
        insert(redemptions).values(
            intent_id=made.intent_id,
            use=made.use,
            auth_digest=stored.auth_digest,
            amount_fen=made.amount_fen,
            redeemed_at=made.redeemed_at,
        )
    )


def accesses_of(connection: Connection, psn_no: PersonNo) -> list[Access]:
    """What was done with a person's identity, also by others who act for them; oldest first."""
    verified = (
        select(sessions.c.decided_at.label("at"), *_where_of(sessions))
        .join(persons, persons.c.session_id == sessions.c.session_id)
        .where(persons.c.subject == psn_no)
    )
    touched = or_(proofs.c.subject == psn_no, proofs.c.beneficiary == psn_no)
    of_proof = (*_where_of(proofs), (proofs.c.subject != psn_no).label("by_relative"))
    issued = select(proofs.c.issued_at.label("at"), *of_proof).where(touched)
    redeemed = (
        select(redemptions.c.redeemed_at.label("at"), *of_proof, redemptions.c.use)
        .join(proofs, proofs.c.auth_digest == redemptions.c.auth_digest)
        .where(touched)
    )
    found = [
        *_accesses(connection, verified, AccessKind.VERIFIED),
        *_accesses(connection, issued, AccessKind.PROOF_ISSUED),
        *_accesses(connection, redeemed, AccessKind.PROOF_REDEEMED),
    ]
    return sorted(found, key=lambda access: access.at)


def forget_sessions(
    connection: Connection, *, decided_before: datetime, expired_before: datetime, sessions_max: int
) -> int:
    """Delete old sessions with person, consents, proof and redemptions; how many sessions.

    Args:
        connection: Of a write transaction.
        decided_before: Decided sessions go before this.
        expired_before: Sessions that nobody brought to a decision go when they expired before this.
        sessions_max: How many at once, so that the transaction is short.
    """
    decided = sessions.c.decided_at < decided_before
    abandoned = sessions.c.decided_at.is_(None) & (sessions.c.expires_at < expired_before)
    gone: list[str] = []
    for over in (decided, abandoned):
        ids = select(sessions.c.session_id).where(over).limit(sessions_max - len(gone))
        gone += connection.scalars(ids)
    of_session = proofs.c.session_id.in_(gone)
    used = redemptions.c.auth_digest.in_(select(proofs.c.auth_digest).where(of_session))
    connection.execute(delete(redemptions).where(used))
    connection.execute(delete(proofs).where(of_session))
    for table in (persons, consents, sessions):
        connection.execute(delete(table).where(table.c.session_id.in_(gone)))
    return len(gone)


def _where_of(table: Table) -> tuple[Column[Any], ...]:
    return table.c.institution, table.c.terminal_id, table.c.scene


def _accesses(connection: Connection, query: Select[Any], what: AccessKind) -> list[Access]:
    return [
        Access(
            at=row.at,
            institution=InstitutionCode(row.institution),
            terminal_id=TerminalId(row.terminal_id),
            scene=Scene(row.scene),
            what=what,
            use=row.use if what is AccessKind.PROOF_REDEEMED else None,
            by_relative=what is not AccessKind.VERIFIED and bool(row.by_relative),
        )
        for row in connection.execute(query)
    ]


def _person_no(value: str | None) -> PersonNo | None:
    return None if value is None else PersonNo(value)


def _factors(text: str) -> frozenset[Factor]:
    return frozenset(Factor(name) for name in text.split(","))


def _stored_proof(row: Row[Any], auth_no: AuthNo) -> StoredProof:
    return StoredProof(
        auth_digest=row.auth_digest,
        session_id=SessionId(row.session_id),
        factors=_factors(row.factors),
        issued_at=row.issued_at,
        proof=FaceProof(
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
        ),
    )


def _session_row(session: CaptureSession) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "terminal_id": session.terminal_id,
        "institution": session.institution,
        "terminal_class": session.terminal_class.value,
        "key_id": session.key_id,
        "scene": session.scene.value,
        "amount_max_fen": session.amount_max_fen,
        "liveness": session.liveness.value,
        "sought_by": session.sought.by.value,
        "digits": session.sought.digits,
        "claimed": session.sought.claimed,
        "nonce_digest": session.nonce_digest,
        "ticket_digest": session.ticket_digest,
        "opened_at": session.opened_at,
        "expires_at": session.expires_at,
        "state": session.state.value,
        "attempting": session.attempting,
        "attempts": session.attempts,
        "comparisons": session.comparisons,
        "error_upper95": session.error_upper95,
        "unknown": session.unknown.value if session.unknown else None,
        "decided_at": session.decided_at,
        "refused_because": session.refused_because,
        "activated": session.activated,
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
    return VerifiedPerson(
        subject=PersonNo(row.subject),
        score=row.score,
        point=_point(row),
        comparisons=row.comparisons,
        error_upper95=row.error_upper95,
        factors=_factors(row.factors),
        basis=Basis(row.basis),
        registry=RegistryVerdict(row.registry) if row.registry else None,
        active=row.active,
    )


def _point(row: Row[Any]) -> OperatingPoint | None:
    if row.path_id is None:
        return None
    return OperatingPoint(
        fmr=row.fmr,
        fmr_upper95=row.fmr_upper95,
        threshold=row.threshold,
        path_id=row.path_id,
        data=row.data,
        proven_for_population=row.proven_for_population,
    )


def _person_row(session_id: SessionId, person: VerifiedPerson) -> dict[str, Any]:
    point = person.point
    return {
        "session_id": session_id,
        "subject": person.subject,
        "score": person.score,
        "fmr": person.fmr,
        "fmr_upper95": point.fmr_upper95 if point else None,
        "threshold": point.threshold if point else None,
        "path_id": point.path_id if point else None,
        "data": point.data if point else None,
        "proven_for_population": person.proven_for_population,
        "comparisons": person.comparisons,
        "error_upper95": person.error_upper95,
        "factors": ",".join(sorted(person.factors)),
        "basis": person.basis.value,
        "registry": person.registry.value if person.registry else None,
        "active": person.active,
    }


def _redemption(row: Row[Any]) -> Redemption:
    return Redemption(IntentId(row.intent_id), row.use, Fen(row.amount_fen), row.redeemed_at)
