"""What settlement needs from outside."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from shualian.core.identifiers import AuthNo, InstitutionCode, IntentId, PersonNo, TerminalId
from shualian.core.money import Fen
from shualian.insurer.settlement.model import Ordered
from shualian.verification.model import Relation, Scene


class FaceProofs(Protocol):
    """Where face proofs are redeemed."""

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
    ) -> object:
        """Redeem one use of a proof, durably; the same use of the same intent is answered again.

        It opens a transaction of its own, so it is called outside of ours: for the opening of a
        visit, which moves no money (``amount_fen`` is 0). A settlement redeems inside its own.

        Raises:
            Refused: When the proof is not good for exactly this.
        """
        ...


class AnswerSealer(Protocol):
    """Authenticated encryption at rest."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: When the content, the purpose or the context is another.
        """
        ...

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """A value that only equal values share and that says nothing without the key."""
        ...


class OrderingDoctors(Protocol):
    """Whether doctors were at work when they ordered something; supervision knows."""

    def check(
        self,
        connection: Connection,
        *,
        institution: InstitutionCode,
        region: str,
        ordered: Sequence[Ordered],
    ) -> None:
        """Check that each order's doctor was signed in at the institution then.

        Args:
            connection: Of the transaction that takes the charge items; it reads only.
            institution: Where.
            region: Care region.
            ordered: What was not uploaded before.

        Raises:
            Refused: ``insurer.doctor_not_signed_in``.
        """
        ...
