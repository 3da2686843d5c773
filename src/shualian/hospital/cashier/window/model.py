"""What a window is shown of somebody, and when a large bill needs a second pair of eyes; pure."""

from dataclasses import dataclass

from shualian.core.identifiers import EncounterNo
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.overrides.model import OVERRIDE_NEEDED, OverrideKind
from shualian.hospital.cashier.refunds.model import RefundDue
from shualian.hospital.cashier.tenders.model import Taking
from shualian.hospital.model import Amounts, Channel, Evidence, hospital_kind
from shualian.hospital.orders.model import BatchState, ChargeItem
from shualian.hospital.payments.model import Payment

DOCUMENT_FEN_MAX = Fen(3_000_00)
"""3,000 yuan: our own choice."""


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """What this hospital asks for at its windows; the insurer's limits come on top.

    Attributes:
        document_fen_max: The most that a person may bear (``psn_part_amt``) on a document that
            one clerk has seen; above it a second member of staff looks too, or the person shows a
            face, a code or a card. Price and claim are the same.
    """

    document_fen_max: Fen = DOCUMENT_FEN_MAX


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """Charge items that are not settled.

    Attributes:
        chrg_bchno: Their batch.
        state: Whether a bill holds them.
        items: How many.
        amount_fen: What they cost.
        uploaded: Whether the insurer has classed all of them; else they cannot be settled yet.
        lines: They.
    """

    chrg_bchno: str
    state: BatchState
    items: int
    amount_fen: Fen
    uploaded: bool
    lines: tuple[ChargeItem, ...] = ()


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment with what was taken for it and what is due back of it.

    Attributes:
        payment: Where it stands with insurer and wallet.
        due_fen: Of the cash share, what is to be taken at the window now.
        taking: What was taken there.
        dues: What is or was due back of that.
    """

    payment: Payment
    due_fen: Fen
    taking: Taking | None
    dues: tuple[RefundDue, ...]


@dataclass(frozen=True, slots=True)
class OpenItems:
    """What is open of one encounter, everything first that is to be done at the window.

    Attributes:
        encounter_no: Which.
        masked_name: Whose.
        dept_name: Where.
        dept_name_en: The same for people who read English; empty where nobody gave one.
        batches: Charge items that are not settled.
        payments: All its payments, the oldest first.
    """

    encounter_no: EncounterNo
    masked_name: str
    dept_name: str
    dept_name_en: str
    batches: tuple[OpenBatch, ...]
    payments: tuple[PaymentView, ...]

    @property
    def anything(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.batches) or any(
            view.due_fen or any(due.given_at is None for due in view.dues) for view in self.payments
        )


NOBODY_FOUND = hospital_kind(
    "nobody_found",
    "这个人在本院没有病历",
    "This person has no record here",
    "请先建档挂号",
    "Open a record and register first",
)

REFUSALS = (NOBODY_FOUND,)


def needs_second(amounts: Amounts, evidence: Evidence, policy: WindowPolicy) -> bool:
    """Whether a second member of staff must have seen the document."""
    by_document = evidence.channel is Channel.DOCUMENT
    return by_document and amounts.psn_part_amt > policy.document_fen_max


def override_needed() -> Refused:
    """The refusal of a large bill on a document that one clerk has seen."""
    return Refused(OVERRIDE_NEEDED, override=OverrideKind.SETTLE_WITHOUT_FACE.value)
