"""What a desk asks its terminal for, and what the terminal hands over; pure.

The number of a face proof is a secret by which it is redeemed, and it never reaches a page of
staff. It goes from the terminal to its own hospital, waits there in memory for minutes, and is
used by the act for which the desk asked; the page knows only the number of the asking.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shualian.core.identifiers import IntentId, PersonNo, StaffId, TerminalId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import (
    PROOF_NOT_FITTING,
    Amounts,
    FaceEvidence,
    hospital_kind,
)
from shualian.verification.model import Scene

ASKED_FOR = timedelta(minutes=5)
"""How long a terminal scans for what a desk asked; the person stands there already."""
AskedNo = str
"""An opaque number: it tells nothing and is good for nothing without who asked."""


class Desk(StrEnum):
    """For what a desk asks."""

    CASHIER = "cashier"
    PHARMACY = "pharmacy"
    BEDSIDE = "bedside"
    ADMISSION = "admission"
    EXAMINATION = "examination"
    """Somebody arrives for what was ordered and paid."""


SCENES = {
    Desk.CASHIER: Scene.SETTLEMENT,
    Desk.PHARMACY: Scene.DISPENSING,
    Desk.BEDSIDE: Scene.SETTLEMENT,
    Desk.ADMISSION: Scene.ADMISSION,
    Desk.EXAMINATION: Scene.EXAMINATION,
}


class AskedState(StrEnum):
    """Where an asking stands."""

    WAITING = "waiting"
    REFUSED = "refused"
    """The terminal says why; it may try again while it is asked."""
    HANDED_OVER = "handed_over"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What exactly is to be confirmed, as the hospital itself knows it.

    Attributes:
        psn_no: Who was called, and nobody else.
        masked_name: How the screens name them.
        intent_id: The only intent.
        amount_max_fen: The most that it may move.
        amounts: Who pays what; none where nothing is to be paid.
    """

    psn_no: PersonNo
    masked_name: str = field(repr=False)
    intent_id: IntentId
    amount_max_fen: Fen = ZERO
    amounts: Amounts | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One asking of a desk.

    Attributes:
        asked_no: Its number.
        desk: For what.
        terminal_id: Beside the desk.
        by: Who asked; only they use what is handed over.
        wanted: What is to be confirmed.
        from_wallet_fen: What of the own share is to come from the agreed account.
        expires_at: UTC; from then on nothing of it is known any more.
        refused: Code of what the terminal was refused last.
        evidence: What was handed over; a secret.
    """

    asked_no: AskedNo
    desk: Desk
    terminal_id: TerminalId
    by: StaffId
    wanted: Wanted
    from_wallet_fen: Fen
    expires_at: datetime
    refused: str = ""
    evidence: FaceEvidence | None = field(default=None, repr=False)

    @property
    def scene(self) -> Scene:
        """What the person is asked for at the terminal."""
        return SCENES[self.desk]

    def state(self, now: datetime) -> AskedState:
        """Where it stands at ``now``."""
        if now >= self.expires_at:
            return AskedState.EXPIRED
        if self.evidence is not None:
            return AskedState.HANDED_OVER
        return AskedState.REFUSED if self.refused else AskedState.WAITING


def handed_over(
    asked: Asked, evidence: FaceEvidence, *, shown_by: PersonNo, until: datetime
) -> Asked:
    """The asking with what the terminal hands over; the same again changes nothing.

    Args:
        asked: Of that terminal.
        evidence: As the terminal says it.
        shown_by: Whose proof it is, by the insurer.
        until: When the proof ends.

    Raises:
        Refused: ``hospital.proof_not_fitting`` for another person, ``handover_not_asked`` for
            another intent or once something else was handed over.
    """
    if shown_by != asked.wanted.psn_no:
        raise Refused(PROOF_NOT_FITTING, differs="person")
    if evidence.intent_id != asked.wanted.intent_id:
        raise Refused(HANDOVER_NOT_ASKED)
    if asked.evidence is not None and asked.evidence.auth_no != evidence.auth_no:
        raise Refused(HANDOVER_NOT_ASKED)
    return replace(asked, evidence=evidence, refused="", expires_at=min(asked.expires_at, until))


HANDOVER_NOT_ASKED = hospital_kind(
    "handover_not_asked",
    "工作人员没有请这台终端刷脸，或已经过时",
    "Nobody asked this terminal for a scan, or it is over",
    "请工作人员再请一次",
    "Let the member of staff ask again",
)

REFUSALS = (HANDOVER_NOT_ASKED,)
