"""Evidence is looked at in two steps: what takes long before the transaction, the rest inside it.

Inside it every kind is decided by the answers to its questions alone, and a redeemed proof's rows
go out with the settlement's. Only a shown code has a write of its own: it is used up by its own
part's statements, in the same transaction, after everything else was decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.database.statements import Filled, Row
from shualian.core.identifiers import InstitutionCode, PersonNo
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.insurer.settlement.evidence import store
from shualian.insurer.settlement.evidence.model import (
    EVIDENCE_NOT_TAKEN,
    EVIDENCE_OF_ANOTHER,
    CardEvidence,
    CodeEvidence,
    DocumentEvidence,
    Evidence,
    EvidenceKind,
    FaceEvidence,
    Limits,
    Proven,
    SecondFactor,
    check_limits,
    face_proven,
)
from shualian.insurer.settlement.evidence.ports import Codes, Hasher, People, Pins
from shualian.verification.proofs.model import Claim
from shualian.verification.proofs.within import questions, redeemed

_CARD = "insurer.card"


@dataclass(frozen=True, slots=True)
class Readied:
    """Evidence after what takes long was done: hashed, its PIN checked.

    Attributes:
        evidence: As it came.
        digest: Of a shown code or a card; empty for the others.
    """

    evidence: Evidence
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Asking:
    """For what evidence is looked at.

    Attributes:
        institution: Where.
        psn_no: Who is treated.
        amount: The whole bill.
        use: Name of the use.
        now: UTC.
    """

    institution: InstitutionCode
    psn_no: PersonNo
    amount: Fen
    use: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """Evidence that carries a bill.

    Attributes:
        proven: As it is kept.
        strong: Whether it carries more than the limits without a PIN.
        writes: What makes its use durable.
    """

    proven: Proven
    strong: bool
    writes: tuple[Filled, ...] = ()


class Evidences:
    """Looks at evidence of every kind."""

    def __init__(
        self, *, hasher: Hasher, pins: Pins | None, codes: Codes | None, people: People | None
    ) -> None:
        """Without ``pins`` no card, without ``codes`` no code, without ``people`` no document."""
        self._hasher = hasher
        self._pins = pins
        self._codes = codes
        self._people = people

    def ready(self, evidence: Evidence, psn_no: PersonNo) -> Readied:
        """Do what takes long, outside of a transaction.

        Raises:
            Refused: ``insurer.evidence_not_taken``; what refuses the PIN.
        """
        if isinstance(evidence, FaceEvidence):
            return Readied(evidence)
        if isinstance(evidence, CodeEvidence):
            if self._codes is None:
                raise Refused(EVIDENCE_NOT_TAKEN, found=EvidenceKind.CODE.value)
            return Readied(evidence, self._codes.code_digest(evidence.token))
        if isinstance(evidence, CardEvidence):
            if self._pins is None:
                raise Refused(EVIDENCE_NOT_TAKEN, found=EvidenceKind.CARD.value)
            self._pins.check(psn_no, evidence.pin)
            return Readied(evidence, card_hash(self._hasher, evidence.card_no))
        self._check_document(evidence, psn_no)
        return Readied(evidence)

    def _check_document(self, evidence: DocumentEvidence, psn_no: PersonNo) -> None:
        # A document that nobody answers for is a typed number.
        if self._people is None or not evidence.seen_by:
            raise Refused(EVIDENCE_NOT_TAKEN, found=EvidenceKind.DOCUMENT.value)
        if self._people.by_number(evidence.id_number) != psn_no:
            raise Refused(EVIDENCE_OF_ANOTHER)

    def questions(self, readied: Readied, asking: Asking) -> tuple[Filled, ...]:
        """What :meth:`accept` must be told."""
        evidence = readied.evidence
        if isinstance(evidence, FaceEvidence):
            return questions(_claim(evidence, asking))
        return (store.ask_holder(readied.digest),) if isinstance(evidence, CardEvidence) else ()

    def accept(
        self, readied: Readied, answers: Sequence[Sequence[Row]], asking: Asking
    ) -> Accepted:
        """Decide on evidence by the answers to :meth:`questions`; a code is not used up yet.

        Raises:
            Refused: ``insurer.evidence_of_another``; what refuses a proof.
        """
        evidence = readied.evidence
        if isinstance(evidence, FaceEvidence):
            proof = redeemed(_claim(evidence, asking), answers, now=asking.now)
            return Accepted(*face_proven(evidence, proof), proof.writes)
        if isinstance(evidence, CodeEvidence):
            proven = Proven(EvidenceKind.CODE, readied.digest.hex(), asking.psn_no)
            return Accepted(proven, strong=False)
        if isinstance(evidence, DocumentEvidence):
            return Accepted(_by_document(evidence, asking.psn_no), strong=True)
        if store.holder(answers[0]) != asking.psn_no:
            raise Refused(EVIDENCE_OF_ANOTHER)
        proven = Proven(
            EvidenceKind.CARD, readied.digest.hex(), asking.psn_no, second=SecondFactor.PIN
        )
        return Accepted(proven, strong=True)

    def use_up(self, connection: Connection, readied: Readied, asking: Asking) -> Refused | None:
        """Use a code up; a refusal as a value left a record that is to be committed.

        Raises:
            Refused: ``insurer.evidence_of_another``; what refuses the code.
        """
        evidence = readied.evidence
        if not isinstance(evidence, CodeEvidence) or self._codes is None:
            return None
        made = self._codes.redeem_code_in(
            connection,
            readied.digest,
            institution=asking.institution,
            intent_id=evidence.intent_id,
            use=asking.use,
        )
        if isinstance(made, Refused):
            return made
        if made.psn_no != asking.psn_no:
            raise Refused(EVIDENCE_OF_ANOTHER)
        return None


def _claim(evidence: FaceEvidence, asking: Asking) -> Claim:
    return Claim(
        auth_no=evidence.auth_no,
        intent_id=evidence.intent_id,
        use=asking.use,
        # The whole bill: fund, account and cash all move by it.
        amount_fen=asking.amount,
        institution=asking.institution,
        terminal=evidence.terminal_id,
        scene=evidence.scene,
        subject=evidence.subject,
        beneficiary=asking.psn_no,
        relation=evidence.relation,
    )


def _by_document(evidence: DocumentEvidence, psn_no: PersonNo) -> Proven:
    return Proven(
        kind=EvidenceKind.DOCUMENT,
        reference="",
        subject=psn_no,
        second=SecondFactor.CLERK,
        seen_by=evidence.seen_by,
    )


def card_hash(hasher: Hasher, card_no: str) -> bytes:
    """By which a card is kept."""
    return hasher.keyed_hash(card_no.strip().upper().encode(), purpose=_CARD)


class Cards:
    """Which card belongs to whom (社会保障卡); numbers are kept as keyed hashes."""

    def __init__(self, *, database: Database, clock: Clock, hasher: Hasher) -> None:
        self._database = database
        self._clock = clock
        self._hasher = hasher

    def issue(self, psn_no: PersonNo, card_no: str) -> None:
        """Note whose card this is; a person may have several, a card one holder.

        Raises:
            Refused: ``insurer.evidence_of_another`` when it is somebody else's.
        """
        digest, now = card_hash(self._hasher, card_no), self._clock.now()

        def work(connection: Connection) -> None:
            holder = store.holder_of(connection, digest)
            if holder not in {None, psn_no}:
                raise Refused(EVIDENCE_OF_ANOTHER)
            if holder is None:
                store.add_card(connection, digest, psn_no, at=now)

        self._database.write(work)

    def holder(self, card_no: str) -> PersonNo:
        """Whose card this is.

        Raises:
            Refused: ``insurer.evidence_of_another`` for a card that is unknown or blocked.
        """
        digest = card_hash(self._hasher, card_no)
        holder = self._database.read(lambda connection: store.holder_of(connection, digest))
        if holder is None:
            raise Refused(EVIDENCE_OF_ANOTHER)
        return holder

    def block(self, psn_no: PersonNo) -> int:
        """Block every card of a person (挂失); how many there were."""
        now = self._clock.now()
        return self._database.write(
            lambda connection: store.block_cards(connection, psn_no, at=now)
        )


class PersonalLimits:
    """What people set for themselves; a region's limits can only be tightened."""

    def __init__(self, *, database: Database, clock: Clock, region: Limits) -> None:
        self._database = database
        self._clock = clock
        self._region = region

    def set(self, psn_no: PersonNo, limits: Limits | None) -> None:
        """Keep a person's own limits without a PIN; ``None``: the region's.

        Raises:
            Refused: ``insurer.limit_loosened``.
        """
        if limits is not None:
            check_limits(limits, at_most=self._region)
        now = self._clock.now()
        self._database.write(
            lambda connection: store.put_limits(connection, psn_no, limits, at=now)
        )

    def of(self, psn_no: PersonNo) -> Limits:
        """The limits that hold for a person."""
        own = self._database.read(lambda connection: store.limits_of(connection, psn_no))
        return self._region.tightened(own)
