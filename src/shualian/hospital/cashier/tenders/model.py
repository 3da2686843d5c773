"""How the cash share of one payment is paid at the window: several tenders, to the fen; pure.

``psn_cash_pay`` is called cash by the insurer, however it is paid: in cash, by bank card, by an
e-payment code, or waived by the hospital. What came from an agreed account in the one scan is no
tender: the saga takes it, and only the rest is due here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Finality, Refused
from shualian.hospital.cashier.shifts.model import ShiftId
from shualian.hospital.model import COMMAND_DIFFERS, hospital_kind

TENDERED_FEN_MAX = Fen(10_000_000)
"""100,000 yuan: more is not counted at a window. Our own choice."""
TENDERS_MAX = 6
"""The most tenders of one payment. Our own choice."""


class TenderKind(StrEnum):
    """By what the cash share is paid."""

    CASH = "cash"
    CARD = "card"
    """A bank card at the bank's terminal, under its reference number (检索参考号)."""
    EPAY = "epay"
    """A payment code that the person showed, under the payment institution's order number."""
    WAIVER = "waiver"
    """The hospital does without; under the number of the override that allowed it."""


_REFERENCES = {
    # No longer than 12: a card's own number has 13 at least and must not get in here.
    TenderKind.CARD: re.compile(r"[0-9A-Z]{6,12}"),
    # No shorter than 20: the 18 digits of a payment code are a secret and no order number.
    TenderKind.EPAY: re.compile(r"[0-9A-Za-z]{20,40}"),
    TenderKind.WAIVER: re.compile(r"[0-9A-Z]{26}"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a person gives, as the clerk enters it.

    Attributes:
        kind: By what.
        given_fen: Above 0; of cash what was laid down, change is given back.
        reference: Of the card terminal, the order or the override; empty for cash.
    """

    kind: TenderKind
    given_fen: Fen
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Tender:
    """What one tender pays of a payment.

    Attributes:
        kind: By what.
        amount_fen: What it pays.
        tendered_fen: What was given; more than ``amount_fen`` for cash only.
        reference: Of the card terminal, the order or the override; empty for cash.
    """

    kind: TenderKind
    amount_fen: Fen
    tendered_fen: Fen
    reference: str = ""

    @property
    def change_fen(self) -> Fen:
        """What was given back."""
        return Fen(self.tendered_fen - self.amount_fen)

    @property
    def offer(self) -> Offer:
        """What the clerk entered for it."""
        return Offer(self.kind, self.tendered_fen, self.reference)


@dataclass(frozen=True, slots=True)
class Taking:
    """What was taken at the window for one payment, once: its cash share to the fen.

    Attributes:
        command_id: Of the caller.
        institution: Whose.
        payment: Command of the payment.
        tenders: By what it was paid, in the order in which the clerk entered it.
        taken_by: Who took it.
        taken_at: UTC.
        shift_id: In which shift; none for what was taken before there were shifts.
    """

    command_id: CommandId
    institution: InstitutionCode
    payment: CommandId
    tenders: tuple[Tender, ...]
    taken_by: StaffId
    taken_at: datetime
    shift_id: ShiftId | None = None

    @property
    def due_fen(self) -> Fen:
        """What was to be paid."""
        return total([tender.amount_fen for tender in self.tenders])

    @property
    def tendered_fen(self) -> Fen:
        """What was given."""
        return total([tender.tendered_fen for tender in self.tenders])

    @property
    def change_fen(self) -> Fen:
        """What was given back, in cash."""
        return Fen(self.tendered_fen - self.due_fen)

    @property
    def cash_fen(self) -> Fen:
        """What went into the drawer and stayed there."""
        return self.paid_by(TenderKind.CASH)

    def paid_by(self, kind: TenderKind) -> Fen:
        """What one kind of tender paid."""
        return total([tender.amount_fen for tender in self.tenders if tender.kind is kind])


CASH_TOO_LITTLE = hospital_kind(
    "cash_too_little",
    "收到的钱不够",
    "What was given is not enough",
    "请补足差额",
    "Ask for the rest",
    finality=Finality.TEMPORARY,
)
CASH_INVALID = hospital_kind(
    "cash_invalid",
    "收款金额不对",
    "The amount is not valid",
    "请重新输入收到的金额",
    "Enter the amount again",
)
NO_CASH_DUE = hospital_kind(
    "no_cash_due",
    "这笔费用不用付现金",
    "No cash is due for this payment",
    "不要收钱，可以打印票据",
    "Take no money; the receipt can be printed",
)
CASH_TAKEN = hospital_kind(
    "cash_taken",
    "这笔费用的现金部分已经收过",
    "The cash share of this payment was taken already",
    "不要再收，打印原来的票据",
    "Take no more; print the receipt",
)
TENDER_OVER = hospital_kind(
    "tender_over",
    "刷卡或扫码付的比应付的多，只有现金能找零",
    "Card or code paid more than is due; change is given from cash only",
    "请按应付金额刷卡或扫码，多刷的在刷卡机上撤销",
    "Charge what is due; undo at the terminal what was charged too much",
)
TENDER_REFERENCE = hospital_kind(
    "tender_reference",
    "参考号不对",
    "The reference number is not valid",
    "请照刷卡凭条或付款记录上的号码输入，不要输卡号或付款码",
    "Enter the number on the slip; never the card's number or the payment code",
)
TENDER_USED = hospital_kind(
    "tender_used",
    "这张刷卡凭条或付款记录已经用过",
    "This reference number has paid something else",
    "请核对凭条，一张凭条只能付一笔",
    "Check the slip; each pays one payment",
)
TENDERS_INVALID = hospital_kind(
    "tenders_invalid",
    "付款方式的组合不对",
    "The tenders do not go together",
    "现金合成一笔输入，最多六种付款",
    "Enter cash as one amount, and six tenders at most",
)

REFUSALS = (
    CASH_TOO_LITTLE,
    CASH_INVALID,
    NO_CASH_DUE,
    CASH_TAKEN,
    TENDER_OVER,
    TENDER_REFERENCE,
    TENDER_USED,
    TENDERS_INVALID,
)


def tenders_for(due_fen: Fen, offers: Sequence[Offer]) -> tuple[Tender, ...]:
    """What each offer pays of what is due: together exactly that; cash takes what is left.

    Raises:
        Refused: ``hospital.no_cash_due``, ``tenders_invalid``, ``cash_invalid``,
            ``tender_reference``, ``tender_over``, ``cash_too_little``.
    """
    if due_fen == 0:
        raise Refused(NO_CASH_DUE)
    _check_offers(offers)
    others = total([each.given_fen for each in offers if each.kind is not TenderKind.CASH])
    given = total([each.given_fen for each in offers])
    if others > due_fen:
        raise Refused(TENDER_OVER, found_fen=others, limit_fen=due_fen)
    if given < due_fen:
        raise Refused(CASH_TOO_LITTLE, found_fen=given, expected_fen=due_fen)
    left = Fen(due_fen - others)
    if left == ZERO and given > others:
        raise Refused(CASH_INVALID, found_fen=Fen(given - others), limit_fen=0)
    return tuple(
        Tender(
            each.kind,
            left if each.kind is TenderKind.CASH else each.given_fen,
            each.given_fen,
            each.reference,
        )
        for each in offers
    )


def _check_offers(offers: Sequence[Offer]) -> None:
    keys = [(each.kind, each.reference) for each in offers]
    # Cash has no reference, so that it can stand there once only.
    if not 0 < len(offers) <= TENDERS_MAX or len(set(keys)) < len(keys):
        raise Refused(TENDERS_INVALID, found=len(offers), limit=TENDERS_MAX)
    for each in offers:
        if not 0 < each.given_fen <= TENDERED_FEN_MAX:
            raise Refused(CASH_INVALID, found_fen=each.given_fen, limit_fen=TENDERED_FEN_MAX)
        check_reference(each.kind, each.reference)


def check_reference(kind: TenderKind, reference: str) -> None:
    """Check the number under which a card terminal, an order or an override is known.

    Raises:
        Refused: ``hospital.tender_reference``.
    """
    form = _REFERENCES.get(kind)
    fits = reference == "" if form is None else form.fullmatch(reference) is not None
    if not fits:
        raise Refused(TENDER_REFERENCE, tender=kind.value)


def check_same_taking(found: Taking, *, payment: CommandId, offers: Sequence[Offer]) -> None:
    """Check that a repeated command takes what it took the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if (found.payment, [tender.offer for tender in found.tenders]) != (payment, list(offers)):
        raise Refused(COMMAND_DIFFERS)
