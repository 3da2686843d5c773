"""What a person confirmed, and how often and for what it may be used; pure rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shualian.core.identifiers import (
    AuthNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SessionId,
    TerminalId,
)
from shualian.core.money import Fen, total
from shualian.core.refusals import Refused
from shualian.trust.audit.model import Digest, Payload
from shualian.verification.model import (
    AMOUNT_INVALID,
    AMOUNT_OVER_BEGUN,
    CLAIM_SCENE_DIFFERS,
    CLAIM_SUBJECT_DIFFERS,
    CONFIRM_TOO_LATE,
    NOT_VERIFIED,
    PROOF_ALREADY_ISSUED,
    PROOF_AMOUNT_EXCEEDED,
    PROOF_EXPIRED,
    PROOF_NOT_OPEN,
    PROOF_OTHER_BENEFICIARY,
    PROOF_OTHER_INSTITUTION,
    PROOF_OTHER_INTENT,
    PROOF_OTHER_RELATION,
    PROOF_OTHER_SCENE,
    PROOF_OTHER_SUBJECT,
    PROOF_OTHER_TERMINAL,
    PROOF_USED_UP,
    PROOFS_OPEN,
    REDEMPTION_DIFFERS,
    RELATION_NOT_PROVEN,
    USES_INVALID,
    FaceProof,
    Factor,
    Intent,
    Policy,
    Redemption,
    Relation,
    Scene,
    SessionState,
    Standing,
    VerifiedPerson,
    check_text,
    digest,
)
from shualian.verification.registry.model import RegistryVerdict
from shualian.verification.requirements.model import MoneyRules, check_money
from shualian.verification.sessions.model import CaptureSession, check_terminal


class ProofIssued(Payload, kind="verification.proof_issued"):
    """The audit's record of a proof.

    Attributes:
        proof: Digest of its number.
        session: Of which capture.
        subject: Who stood there.
        beneficiary: For whom.
        relation: Of the subject to the beneficiary.
        scene: What for.
        institution: The only one that may redeem it.
        terminal: Where.
        amount_max_fen: The most that it moves.
        uses: How often.
        pin: Whether the PIN joined the face.
    """

    proof: Digest
    session: SessionId
    subject: PersonNo
    beneficiary: PersonNo
    relation: Relation
    scene: Scene
    institution: InstitutionCode
    terminal: TerminalId
    amount_max_fen: Fen
    uses: int
    pin: bool


class ProofRedeemed(Payload, kind="verification.proof_redeemed"):
    """The audit's record of one use of a proof.

    Attributes:
        proof: Digest of its number.
        subject: Who stood there.
        beneficiary: For whom.
        institution: Which redeemed it.
        amount_fen: What this use moves.
        use_digest: SHA-256 of intent and use, which the redeemer named.
    """

    proof: Digest
    subject: PersonNo
    beneficiary: PersonNo
    institution: InstitutionCode
    amount_fen: Fen
    use_digest: Digest


@dataclass(frozen=True, slots=True)
class StoredProof:
    """A proof as it is kept.

    Attributes:
        auth_digest: :func:`digest` of its number.
        session_id: Of which capture.
        factors: What spoke for the person, a PIN among them if it was asked.
        issued_at: When the person confirmed, UTC.
        proof: The proof; its number is blank unless it was found by it.
    """

    auth_digest: str
    session_id: SessionId
    factors: frozenset[Factor]
    issued_at: datetime
    proof: FaceProof


class Claim(NamedTuple):
    """What the one who redeems a proof knows from its own records.

    Attributes:
        auth_no: The proof's number; a secret.
        intent_id: What is about to be done.
        use: Name of the use.
        amount_fen: What it moves.
        institution: Where.
        terminal: Where the person was captured.
        scene: What for.
        subject: Who is believed to have stood there.
        beneficiary: For whom.
        relation: Of the subject to the beneficiary.
    """

    auth_no: AuthNo
    intent_id: IntentId
    use: str
    amount_fen: Fen
    institution: InstitutionCode
    terminal: TerminalId
    scene: Scene
    subject: PersonNo
    beneficiary: PersonNo
    relation: Relation


@dataclass(frozen=True, slots=True)
class UsedProof:
    """A use of a proof and what it rested on.

    Attributes:
        auth_digest: By which the proof is known at rest.
        redemption: The use.
        factors: What spoke for the person, a PIN among them if it was asked.
        active: Whether active liveness was passed.
        registry: The police registry's answer; ``None`` when it was not asked.
    """

    auth_digest: str
    redemption: Redemption
    factors: frozenset[Factor]
    active: bool
    registry: RegistryVerdict | None


def issued_event(stored: StoredProof) -> ProofIssued:
    """What the audit is told of a proof."""
    proof = stored.proof
    return ProofIssued(
        proof=Digest(stored.auth_digest),
        session=stored.session_id,
        subject=proof.subject,
        beneficiary=proof.beneficiary,
        relation=proof.relation,
        scene=proof.scene,
        institution=proof.institution,
        terminal=proof.terminal_id,
        amount_max_fen=proof.amount_max_fen,
        uses=proof.uses,
        pin=Factor.PIN in stored.factors,
    )


def redeemed_event(stored: StoredProof, made: Redemption) -> ProofRedeemed:
    """What the audit is told of a redemption."""
    proof = stored.proof
    return ProofRedeemed(
        proof=Digest(stored.auth_digest),
        subject=proof.subject,
        beneficiary=proof.beneficiary,
        institution=proof.institution,
        amount_fen=made.amount_fen,
        use_digest=Digest(digest(f"{made.intent_id}\n{made.use}")),
    )


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What is known when the person presses *confirm*.

    Attributes:
        intent: What the screen shows.
        terminal_id: Where it is pressed.
        standing: Of the person, as it is now.
        joined: Factors that join those of the capture: the PIN, once it was right.
        at: UTC.
    """

    intent: Intent
    terminal_id: TerminalId
    standing: Standing
    joined: frozenset[Factor]
    at: datetime


def confirm(
    session: CaptureSession,
    asked: Confirmation,
    *,
    auth_no: AuthNo,
    policy: Policy,
    rules: MoneyRules,
) -> FaceProof:
    """The proof that the person of a verified session confirmed an intent.

    Raises:
        Refused: When session, scene, relation, amount, standing, factors or uses do not carry it.
    """
    person = confirming_person(session, terminal_id=asked.terminal_id, policy=policy, now=asked.at)
    intent = asked.intent
    check_text("intent_id", intent.intent_id)
    check_text("beneficiary", intent.beneficiary)
    # The consent was asked for one scene.
    if intent.scene is not session.scene:
        raise Refused(CLAIM_SCENE_DIFFERS, found=intent.scene.value, expected=session.scene.value)
    check_relation(intent, subject=person.subject)
    check_uses(intent, policy=policy)
    if intent.amount_max_fen < 0:
        raise Refused(AMOUNT_INVALID, found_fen=intent.amount_max_fen)
    # Liveness and the registry were chosen for the amount that was named at the beginning.
    if intent.amount_max_fen > session.amount_max_fen:
        raise Refused(
            AMOUNT_OVER_BEGUN, found_fen=intent.amount_max_fen, limit_fen=session.amount_max_fen
        )
    check_money(
        intent.amount_max_fen,
        person,
        factors=person.factors | asked.joined,
        terminal_class=session.terminal_class,
        standing=asked.standing,
        rules=rules,
        now=asked.at,
    )
    return FaceProof(
        auth_no=auth_no,
        subject=person.subject,
        beneficiary=intent.beneficiary,
        relation=intent.relation,
        intent_id=intent.intent_id,
        scene=intent.scene,
        terminal_id=session.terminal_id,
        institution=session.institution,
        amount_max_fen=intent.amount_max_fen,
        uses=intent.uses,
        expires_at=asked.at + policy.proof_valid,
    )


def may_confirm(session: CaptureSession, *, policy: Policy, now: datetime) -> bool:
    """Whether the verified person of a session may be taken to stand there still."""
    if session.state is not SessionState.VERIFIED or session.decided_at is None:
        return False
    return now - session.decided_at <= policy.confirm_within


def confirming_person(
    session: CaptureSession, *, terminal_id: TerminalId, policy: Policy, now: datetime
) -> VerifiedPerson:
    """Who may confirm now, once, at this terminal.

    Raises:
        Refused: ``verification.session_other_terminal``, ``not_verified``,
            ``proof_already_issued``, ``confirm_too_late``.
    """
    check_terminal(session, terminal_id)
    verified = session.state is SessionState.VERIFIED
    if not verified or session.person is None or session.decided_at is None:
        raise Refused(NOT_VERIFIED, found=session.state_at(now).value)
    # One scan confirms one thing: the second thing needs a second scan.
    if session.proof_issued_at is not None:
        raise Refused(PROOF_ALREADY_ISSUED)
    # After this time somebody else may stand there.
    elapsed = now - session.decided_at
    if elapsed > policy.confirm_within:
        raise Refused(
            CONFIRM_TOO_LATE,
            found_s=elapsed.total_seconds(),
            limit_s=policy.confirm_within.total_seconds(),
        )
    return session.person


def check_relation(intent: Intent, *, subject: PersonNo) -> None:
    """Check that who acts for themselves names themselves, and who acts for another does not.

    That the relation to another is proven is asked of its register.

    Raises:
        Refused: ``verification.claim_subject_differs``, ``verification.relation_not_proven``.
    """
    same = intent.beneficiary == subject
    if intent.relation is Relation.SELF:
        # The screen showed a person; the confirmation must mean the one whose face was compared.
        if not same:
            raise Refused(CLAIM_SUBJECT_DIFFERS)
    elif same:
        raise Refused(RELATION_NOT_PROVEN, relation=intent.relation.value)


def check_uses(intent: Intent, *, policy: Policy) -> None:
    """Check that the intent asks for one to ``policy.uses_max`` uses.

    Raises:
        Refused: ``verification.uses_invalid``.
    """
    if not 1 <= intent.uses <= policy.uses_max:
        raise Refused(USES_INVALID, found=intent.uses, limit=policy.uses_max)


def check_redeem(
    proof: FaceProof,
    *,
    expected_institution: InstitutionCode,
    expected_terminal: TerminalId,
    expected_intent_id: IntentId,
    expected_scene: Scene,
    expected_subject: PersonNo,
    expected_beneficiary: PersonNo,
    expected_relation: Relation,
) -> None:
    """Check that a proof is for what is about to be done with it.

    Every ``expected_`` value is what the one who redeems knows from its own records. Refusals say
    what was found and what was expected, except for people and for another institution: neither
    may learn by a wrong guess who was where.

    Raises:
        Refused: ``verification.proof_other_institution``, ``..._terminal``, ``..._intent``,
            ``..._scene``, ``..._subject``, ``..._beneficiary``, ``..._relation``.
    """
    # First, so that whoever holds a strange proof number learns nothing else about it.
    if proof.institution != expected_institution:
        raise Refused(PROOF_OTHER_INSTITUTION, expected=expected_institution)
    # A proof taken at one desk and used at another is how a bystander would pay.
    if proof.terminal_id != expected_terminal:
        raise Refused(PROOF_OTHER_TERMINAL, found=proof.terminal_id, expected=expected_terminal)
    # The person confirmed this one bill; the next one needs a confirmation of its own.
    if proof.intent_id != expected_intent_id:
        raise Refused(PROOF_OTHER_INTENT, found=proof.intent_id, expected=expected_intent_id)
    # Agreeing to a registration is not agreeing to a settlement.
    if proof.scene is not expected_scene:
        raise Refused(PROOF_OTHER_SCENE, found=proof.scene.value, expected=expected_scene.value)
    # The record must be of the person who stood there, or somebody treats under a strange name.
    if proof.subject != expected_subject:
        raise Refused(PROOF_OTHER_SUBJECT)
    # The money comes from the beneficiary's benefits; no one else's may be touched.
    if proof.beneficiary != expected_beneficiary:
        raise Refused(PROOF_OTHER_BENEFICIARY)
    # The right to act for somebody was checked for the relation that the proof states.
    if proof.relation is not expected_relation:
        raise Refused(
            PROOF_OTHER_RELATION, found=proof.relation.value, expected=expected_relation.value
        )


def decide_redemption(
    proof: FaceProof, made: Sequence[Redemption], *, use: str, amount_fen: Fen, now: datetime
) -> Redemption:
    """The redemption of a use: the earlier one when it was redeemed before, else a new one.

    A repeat is answered even after the proof expired, because the answer may have been lost.

    Args:
        proof: Checked by :func:`check_redeem`.
        made: All earlier redemptions of this proof.
        use: Name of the use.
        amount_fen: What the use moves, at least 0.
        now: UTC.

    Raises:
        Refused: ``verification.redemption_differs``, ``amount_invalid``, ``proof_expired``,
            ``proof_used_up``, ``proof_amount_exceeded``.
    """
    for earlier in made:
        if earlier.use == use:
            return _repeated(earlier, amount_fen=amount_fen)
    if amount_fen < 0:
        raise Refused(AMOUNT_INVALID, found_fen=amount_fen)
    check_in_time(proof, now=now)
    if len(made) >= proof.uses:
        raise Refused(PROOF_USED_UP, found=len(made), limit=proof.uses)
    # The amounts of all uses together stay within what the person saw.
    moved_fen = total([earlier.amount_fen for earlier in made])
    if moved_fen + amount_fen > proof.amount_max_fen:
        raise Refused(
            PROOF_AMOUNT_EXCEEDED,
            found_fen=moved_fen + amount_fen,
            limit_fen=proof.amount_max_fen,
        )
    return Redemption(proof.intent_id, use, amount_fen, now)


def _repeated(earlier: Redemption, *, amount_fen: Fen) -> Redemption:
    if earlier.amount_fen != amount_fen:
        raise Refused(REDEMPTION_DIFFERS, found_fen=amount_fen, expected_fen=earlier.amount_fen)
    return earlier


def check_in_time(proof: FaceProof, *, now: datetime) -> None:
    """Check that a proof has not expired.

    Raises:
        Refused: ``verification.proof_expired``.
    """
    if now >= proof.expires_at:
        raise Refused(
            PROOF_EXPIRED, found=now.isoformat(), expected_before=proof.expires_at.isoformat()
        )


def the_open_one(open_proofs: Sequence[StoredProof]) -> StoredProof:
    """The only open proof; with none or several nobody can tell for what the person scanned.

    Raises:
        Refused: ``verification.proof_not_open``, ``verification.proofs_open``.
    """
    if not open_proofs:
        raise Refused(PROOF_NOT_OPEN)
    if len(open_proofs) > 1:
        raise Refused(PROOFS_OPEN, found=len(open_proofs))
    return open_proofs[0]
