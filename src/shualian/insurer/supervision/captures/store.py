"""Table of captures of known people."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, SessionId, TerminalId
from shualian.core.refusals import Refused
from shualian.face.liveness.decision import LivenessLevel
from shualian.insurer.supervision.captures.model import CapturePurpose, KnownCapture, Matched
from shualian.verification.model import (
    SESSION_NOT_FOUND,
    Basis,
    ConsentPurpose,
    SessionState,
    UnknownReason,
)
from shualian.verification.registry.model import RegistryVerdict

metadata = MetaData()

_IDENTIFIER = String(30)

captures = Table(
    "supervision_capture",
    metadata,
    Column("session_id", _IDENTIFIER, primary_key=True),
    Column("purpose", String(20), nullable=False),
    Column("subject", _IDENTIFIER, nullable=False),
    Column("reference", _IDENTIFIER, nullable=False),
    Column("terminal_id", _IDENTIFIER, nullable=False),
    Column("institution", String(12), nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("notice_version", _IDENTIFIER, nullable=False),
    Column("consents", String(60), nullable=False),
    Column("liveness", String(10), nullable=False),
    Column("nonce_digest", String(64), nullable=False),
    Column("ticket_digest", String(64)),
    Column("opened_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempting", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("mismatches", Integer, nullable=False),
    Column("unknown", String(20)),
    Column("basis", String(10)),
    Column("score", Float),
    Column("fmr_upper95", Float),
    Column("registry", String(30)),
    Column("decided_at", UtcTime),
    Column("refused_because", String(48)),
    Column("used_at", UtcTime),
    Index("ix_supervision_capture_reference", "purpose", "reference"),
    Index("ix_supervision_capture_subject", "purpose", "subject"),
    Index("ix_supervision_capture_opened", "opened_at"),
)


def add(connection: Connection, capture: KnownCapture) -> None:
    """Insert a capture."""
    connection.execute(insert(captures).values(_row(capture)))


def change(connection: Connection, capture: KnownCapture) -> None:
    """Store where a capture stands."""
    connection.execute(
        update(captures).where(captures.c.session_id == capture.session_id).values(_row(capture))
    )


def get(connection: Connection, session_id: SessionId) -> KnownCapture:
    """The capture with this number.

    Raises:
        Refused: ``verification.session_not_found``.
    """
    row = connection.execute(select(captures).filter_by(session_id=session_id)).one_or_none()
    if row is None:
        raise Refused(SESSION_NOT_FOUND)
    return _capture(row)


def of_reference(
    connection: Connection, purpose: CapturePurpose, reference: str
) -> Sequence[KnownCapture]:
    """All captures that were made for one record, the oldest first."""
    query = (
        select(captures)
        .filter_by(purpose=purpose.value, reference=reference)
        .order_by(captures.c.opened_at)
    )
    return [_capture(row) for row in connection.execute(query)]


def of_subject(
    connection: Connection, purpose: CapturePurpose, subject: str
) -> Sequence[KnownCapture]:
    """All captures of one kind of somebody, the oldest first."""
    query = (
        select(captures)
        .filter_by(purpose=purpose.value, subject=subject)
        .order_by(captures.c.opened_at)
    )
    return [_capture(row) for row in connection.execute(query)]


def forget_before(connection: Connection, before: datetime) -> int:
    """Delete the captures opened before a moment; how many."""
    return connection.execute(delete(captures).where(captures.c.opened_at < before)).rowcount


def _row(capture: KnownCapture) -> dict[str, Any]:
    matched = capture.matched
    registry = matched.registry if matched else None
    return {
        "session_id": capture.session_id,
        "purpose": capture.purpose.value,
        "subject": capture.subject,
        "reference": capture.reference,
        "terminal_id": capture.terminal_id,
        "institution": capture.institution,
        "key_id": capture.key_id,
        "notice_version": capture.notice_version,
        "consents": " ".join(each.value for each in capture.consents),
        "liveness": capture.liveness.value,
        "nonce_digest": capture.nonce_digest,
        "ticket_digest": capture.ticket_digest,
        "opened_at": capture.opened_at,
        "expires_at": capture.expires_at,
        "state": capture.state.value,
        "attempting": capture.attempting,
        "attempts": capture.attempts,
        "mismatches": capture.mismatches,
        "unknown": capture.unknown.value if capture.unknown else None,
        "basis": matched.basis.value if matched else None,
        "score": matched.score if matched else None,
        "fmr_upper95": matched.fmr_upper95 if matched else None,
        "registry": registry.value if registry else None,
        "decided_at": capture.decided_at,
        "refused_because": capture.refused_because,
        "used_at": capture.used_at,
    }


def _capture(row: Row[Any]) -> KnownCapture:
    return KnownCapture(
        session_id=SessionId(row.session_id),
        purpose=CapturePurpose(row.purpose),
        subject=row.subject,
        reference=row.reference,
        terminal_id=TerminalId(row.terminal_id),
        institution=InstitutionCode(row.institution),
        key_id=row.key_id,
        notice_version=row.notice_version,
        consents=tuple(ConsentPurpose(each) for each in row.consents.split()),
        liveness=LivenessLevel(row.liveness),
        nonce_digest=row.nonce_digest,
        ticket_digest=row.ticket_digest,
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        state=SessionState(row.state),
        attempting=row.attempting,
        attempts=row.attempts,
        mismatches=row.mismatches,
        unknown=UnknownReason(row.unknown) if row.unknown else None,
        matched=_matched(row),
        decided_at=row.decided_at,
        refused_because=row.refused_because,
        used_at=row.used_at,
    )


def _matched(row: Row[Any]) -> Matched | None:
    if row.basis is None:
        return None
    registry = RegistryVerdict(row.registry) if row.registry else None
    return Matched(Basis(row.basis), row.score, row.fmr_upper95, registry)
