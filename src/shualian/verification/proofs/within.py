"""Redeeming a proof inside the transaction that does what the person confirmed.

The questions go out with the caller's own, the decision is pure, and the rows are written with the
caller's: no proof is used for something that did not happen, and nothing happens without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.database.statements import Filled, Row, Statement, ask, insert_rows, moment, tell
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
from shualian.trust.audit.model import event_row
from shualian.verification.model import (
    INTENT_REDEEMED,
    PROOF_NOT_FOUND,
    FaceProof,
    Factor,
    Redemption,
    Relation,
    Scene,
    digest,
)
from shualian.verification.proofs.model import (
    Claim,
    StoredProof,
    UsedProof,
    check_redeem,
    decide_redemption,
    redeemed_event,
)
from shualian.verification.registry.model import RegistryVerdict

_PROOF = Statement(
    "SELECT p.auth_digest, p.session_id, p.subject, p.beneficiary, p.relation, p.factors,"
    " p.intent_id, p.scene, p.terminal_id, p.institution, p.amount_max_fen, p.uses,"
    " p.issued_at, p.expires_at, w.active, w.registry"
    " FROM verification_proof p JOIN verification_person w ON w.session_id = p.session_id"
    " WHERE p.auth_digest = ?",
    locks=True,
)
_MADE = Statement(
    "SELECT auth_digest, intent_id, use, amount_fen, redeemed_at"
    " FROM verification_redemption WHERE auth_digest = ? OR (intent_id = ? AND use = ?)"
)
_REDEMPTION = insert_rows(
    "verification_redemption", ("intent_id", "use", "auth_digest", "amount_fen", "redeemed_at"), 1
)
_EVENT = insert_rows("audit_event", ("kind", "at", "payload"), 1)


def questions(claim: Claim) -> tuple[Filled, Filled]:
    """What :func:`redeemed` must be told; the first locks the proof against another use of it.

    The transaction has :func:`own_locks` or is serializable.
    """
    auth_digest = digest(claim.auth_no)
    made = (auth_digest, claim.intent_id, claim.use)
    return Filled(_PROOF, (auth_digest,)), Filled(_MADE, made)


@dataclass(frozen=True, slots=True)
class RedeemedProof(UsedProof):
    """A use of a proof, decided and not yet written.

    Attributes:
        writes: What makes the redemption durable; nothing for a repeat.
    """

    writes: tuple[Filled, ...] = field(repr=False)


def redeemed(claim: Claim, answers: Sequence[Sequence[Row]], *, now: datetime) -> RedeemedProof:
    """One use of a proof; the same use of the same intent is decided as before.

    Args:
        claim: What is expected of the proof.
        answers: To :func:`questions`, in their order.
        now: UTC.

    Raises:
        Refused: As :meth:`Verification.redeem`.
    """
    found, made = answers
    if not found:
        raise Refused(PROOF_NOT_FOUND)
    stored = _stored(found[0], claim.auth_no)
    check_redeem(
        stored.proof,
        expected_institution=claim.institution,
        expected_terminal=claim.terminal,
        expected_intent_id=claim.intent_id,
        expected_scene=claim.scene,
        expected_subject=claim.subject,
        expected_beneficiary=claim.beneficiary,
        expected_relation=claim.relation,
    )
    # Another scan for the same step must not do it twice.
    if any(row[0] != stored.auth_digest for row in made):
        raise Refused(INTENT_REDEEMED, use=claim.use)
    earlier = [_redemption(row) for row in made]
    redemption = decide_redemption(
        stored.proof, earlier, use=claim.use, amount_fen=claim.amount_fen, now=now
    )
    repeated = any(each.use == claim.use for each in earlier)
    *_, active, registry = found[0]
    return RedeemedProof(
        auth_digest=stored.auth_digest,
        redemption=redemption,
        factors=stored.factors,
        active=bool(active),
        registry=RegistryVerdict(registry) if registry else None,
        writes=() if repeated else _writes(stored, redemption),
    )


def redeem_within(connection: Connection, claim: Claim, *, now: datetime) -> RedeemedProof:
    """Redeem one use of a proof in the caller's transaction.

    Raises:
        Refused: As :meth:`Verification.redeem`.
    """
    decided = redeemed(claim, ask(connection, questions(claim)), now=now)
    if decided.writes:
        tell(connection, decided.writes)
    return decided


def _stored(row: Row, auth_no: AuthNo) -> StoredProof:
    return StoredProof(
        auth_digest=row[0],
        session_id=SessionId(row[1]),
        factors=frozenset(Factor(name) for name in row[5].split(",")),
        issued_at=moment(row[12]),
        proof=FaceProof(
            auth_no=auth_no,
            subject=PersonNo(row[2]),
            beneficiary=PersonNo(row[3]),
            relation=Relation(row[4]),
            intent_id=IntentId(row[6]),
            scene=Scene(row[7]),
            terminal_id=TerminalId(row[8]),
            institution=InstitutionCode(row[9]),
            amount_max_fen=Fen(row[10]),
            uses=row[11],
            expires_at=moment(row[13]),
        ),
    )


def _redemption(row: Row) -> Redemption:
    return Redemption(IntentId(row[1]), row[2], Fen(row[3]), moment(row[4]))


def _writes(stored: StoredProof, made: Redemption) -> tuple[Filled, ...]:
    row = (made.intent_id, made.use, stored.auth_digest, made.amount_fen, made.redeemed_at)
    event = event_row(redeemed_event(stored, made), made.redeemed_at)
    return (
        Filled(_REDEMPTION, row),
        Filled(_EVENT, (event["kind"], event["at"], event["payload"])),
    )
