"""The receipt that says who pays each fen and why, and what the audit keeps of the window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    SettlementId,
    StaffId,
    VisitId,
)
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Finality, Helper, Refused
from shualian.hospital.cashier.tenders.model import Taking
from shualian.hospital.model import (
    ANSWER_INVALID,
    Amounts,
    FeeSplit,
    FundDetail,
    Label,
    Reason,
    broken_identities,
    hospital_kind,
)
from shualian.hospital.orders.model import ChargeItem
from shualian.trust.audit.model import Code, Payload, Reference


class MoneyAct(StrEnum):
    """What was decided about money at the window."""

    TAKEN = "taken"
    CANCELLED = "cancelled"
    REFUND_PAID = "refund_paid"
    REFUND_ASKED = "refund_asked"
    REFUND_GIVEN = "refund_given"
    REFUND_NOT_GIVEN = "refund_not_given"
    REFUND_DIVERTED = "refund_diverted"
    SETTLED_WITHOUT_FACE = "settled_without_face"
    OVERRIDE_PROPOSED = "override_proposed"
    OVERRIDE_APPROVED = "override_approved"
    OVERRIDE_REJECTED = "override_rejected"
    SHIFT_OPENED = "shift_opened"
    SHIFT_COUNTED = "shift_counted"
    SHIFT_CONFIRMED = "shift_confirmed"
    SHIFT_DISPUTED = "shift_disputed"
    DAY_CLOSED = "day_closed"


class MoneyEvent(Payload, kind="hospital.cashier"):
    """The audit's record of a decision about money at the window.

    Attributes:
        act: What was decided.
        subject: Number of the taking, the refund, the override, the shift or the closed day.
        staff: Who decided.
        second: Who else had a hand in it, where two are needed.
        payment: Of which payment.
        amount_fen: How much.
        detail: Kind of tender or override.
        reason: Why, where the rules ask for it.
    """

    act: MoneyAct
    subject: Reference
    staff: StaffId
    second: StaffId | None = None
    payment: CommandId | None = None
    amount_fen: Fen = ZERO
    detail: Code | None = None
    reason: Code | None = None


@dataclass(frozen=True, slots=True)
class Burden:
    """What the person bears (``psn_part_amt``), by why.

    Own share inside the insurance (自付) and self-payment outside of it (自费) are kept apart, as
    on the medical receipt of the Ministry of Finance.

    Attributes:
        preselfpay_amt: Inside: the upfront share of class B.
        act_pay_dedc: Inside: the deductible.
        scope_share: Inside: what the funds leave of the rest.
        fulamt_ownpay_amt: Outside: items that the insurance does not cover.
        overlmt_selfpay: Outside: above the price ceiling.
    """

    preselfpay_amt: Fen
    act_pay_dedc: Fen
    scope_share: Fen
    fulamt_ownpay_amt: Fen
    overlmt_selfpay: Fen

    @property
    def own_share(self) -> Fen:
        """自付: inside the insurance."""
        return total([self.preselfpay_amt, self.act_pay_dedc, self.scope_share])

    @property
    def self_paid(self) -> Fen:
        """自费: outside the insurance."""
        return total([self.fulamt_ownpay_amt, self.overlmt_selfpay])


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One charge item on a receipt.

    Attributes:
        name_zh: For people.
        name_en: For people.
        pric: Unit price in yuan.
        cnt: Quantity.
        split: Amount and class, as the insurer has them.
    """

    name_zh: str
    name_en: str
    pric: Decimal
    cnt: Decimal
    split: FeeSplit


@dataclass(frozen=True, slots=True)
class Receipt:
    """Who pays each fen of a bill and why.

    Attributes:
        institution_name: Of the hospital.
        setl_id: The insurer's number of the settlement.
        mdtrt_id: The insurer's number of the visit.
        encounter_no: The hospital's number of the visit.
        masked_name: Of the patient.
        masked_id_number: Of the patient.
        dept_name: Where.
        dr_name: By whom.
        settled_at: UTC.
        lines: What is paid for.
        amounts: The insurer's settlement.
        setldetail: Its rows by payer.
        burden: What the person bears, by why.
        cash: How the cash share was paid at the window; none when none was due there.
        reasons: The insurer's explanation.
        label: Stands on every printed line when given.
        wallet_fen: What of the cash share came from an e-payment account.
        back_fen: What of that goes or went back because lines were given back.
    """

    institution_name: str
    setl_id: SettlementId
    mdtrt_id: VisitId
    encounter_no: EncounterNo
    masked_name: str
    masked_id_number: str
    dept_name: str
    dr_name: str
    settled_at: datetime
    lines: tuple[ReceiptLine, ...]
    amounts: Amounts
    setldetail: tuple[FundDetail, ...]
    burden: Burden
    cash: Taking | None
    reasons: tuple[Reason, ...]
    label: Label | None
    wallet_fen: Fen = ZERO
    back_fen: Fen = ZERO


CASH_OPEN = hospital_kind(
    "cash_open",
    "现金还没有付",
    "The cash is not paid yet",
    "请先到收费处付现金",
    "Pay the cash at the cashier first",
    Helper.SELF,
    Finality.TEMPORARY,
)
RECEIPT_WRONG = hospital_kind(
    "receipt_wrong",
    "票据上的金额对不上，不能打印",
    "The amounts of the receipt do not add up",
    "请不要交给病人，通知技术人员核对",
    "Do not hand it out; tell the technicians",
    Helper.TECHNICIAN,
)

REFUSALS = (CASH_OPEN, RECEIPT_WRONG)


def burden_of(amounts: Amounts) -> Burden:
    """What the person bears, by why; the funds' rest of the scope is what nothing else explains."""
    explained = (
        amounts.fulamt_ownpay_amt
        + amounts.overlmt_selfpay
        + amounts.preselfpay_amt
        + amounts.act_pay_dedc
    )
    return Burden(
        preselfpay_amt=amounts.preselfpay_amt,
        act_pay_dedc=amounts.act_pay_dedc,
        scope_share=Fen(amounts.psn_part_amt - explained),
        fulamt_ownpay_amt=amounts.fulamt_ownpay_amt,
        overlmt_selfpay=amounts.overlmt_selfpay,
    )


def receipt_line(item: ChargeItem) -> ReceiptLine:
    """A charge item as a receipt shows it.

    Raises:
        Refused: ``hospital.answer_invalid`` when the insurer never classed it.
    """
    if item.split is None:
        raise Refused(ANSWER_INVALID, feedetl_sn=item.feedetl_sn, broken="no split")
    return ReceiptLine(item.name_zh, item.name_en, item.pric, item.cnt, item.split)


def check_receipt(receipt: Receipt) -> None:
    """Check that every total of a receipt is the sum of its parts.

    Raises:
        Refused: ``hospital.receipt_wrong`` with the first rule that is broken.
    """
    for rule in (*broken_identities(receipt.amounts), *_broken_sums(receipt)):
        raise Refused(RECEIPT_WRONG, broken=rule)


def _broken_sums(receipt: Receipt) -> Sequence[str]:
    amounts, burden = receipt.amounts, receipt.burden
    splits = [line.split for line in receipt.lines]
    cash = ZERO if receipt.cash is None else receipt.cash.due_fen
    paid_cash = cash + receipt.wallet_fen - receipt.back_fen
    accounts = amounts.acct_pay + amounts.acct_mulaid_pay
    rules = {
        "medfee_sumamt is the sum of the lines": amounts.medfee_sumamt
        == sum(split.det_item_fee_sumamt for split in splits),
        "fulamt_ownpay_amt is that of the lines": amounts.fulamt_ownpay_amt
        == sum(split.fulamt_ownpay_amt for split in splits),
        "overlmt_selfpay is that of the lines": amounts.overlmt_selfpay
        == sum(split.overlmt_amt for split in splits),
        "preselfpay_amt is that of the lines": amounts.preselfpay_amt
        == sum(split.preselfpay_amt for split in splits),
        "inscp_scp_amt is that of the lines": amounts.inscp_scp_amt
        == sum(split.inscp_scp_amt for split in splits),
        "psn_part_amt is own share and self-payment": amounts.psn_part_amt
        == burden.own_share + burden.self_paid,
        "the own share of the scope is not negative": burden.scope_share >= 0,
        "psn_cash_pay is the cash and what came from an account": amounts.psn_cash_pay == paid_cash,
        "funds, accounts, cash and hospital are the bill": amounts.medfee_sumamt
        == amounts.fund_pay_sumamt + accounts + paid_cash + amounts.hosp_part_amt,
    }
    return [rule for rule, holds in rules.items() if not holds]
