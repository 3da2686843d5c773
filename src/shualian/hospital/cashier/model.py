"""Cash for the own share, and the receipt that says who pays each fen and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shualian.core.identifiers import (
    CommandId,
    EncounterNo,
    InstitutionCode,
    SettlementId,
    StaffId,
    VisitId,
)
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Finality, Helper, Refused
from shualian.hospital.model import (
    ANSWER_INVALID,
    COMMAND_DIFFERS,
    Amounts,
    FeeSplit,
    FundDetail,
    Label,
    Reason,
    broken_identities,
    hospital_kind,
)
from shualian.hospital.orders.model import ChargeItem

TENDERED_FEN_MAX = Fen(10_000_000)
"""100,000 yuan: more is not counted at a window. Our own choice."""


@dataclass(frozen=True, slots=True)
class CashTaking:
    """Cash that was taken for one payment, once.

    Attributes:
        command_id: Of the caller.
        institution: Whose.
        payment: Command of the payment.
        due_fen: What was to be paid.
        tendered_fen: What was given.
        taken_by: Who took it.
        taken_at: UTC.
    """

    command_id: CommandId
    institution: InstitutionCode
    payment: CommandId
    due_fen: Fen
    tendered_fen: Fen
    taken_by: StaffId
    taken_at: datetime

    @property
    def change_fen(self) -> Fen:
        """What was given back."""
        return Fen(self.tendered_fen - self.due_fen)


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
        cash: How the cash was paid; none when none was due.
        reasons: The insurer's explanation.
        label: Stands on every printed line when given.
        wallet_fen: What of the cash share came from an e-payment account.
        cash_back_fen: What of the cash goes or went back because lines were given back.
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
    cash: CashTaking | None
    reasons: tuple[Reason, ...]
    label: Label | None
    wallet_fen: Fen = ZERO
    cash_back_fen: Fen = ZERO


CASH_TOO_LITTLE = hospital_kind(
    "cash_too_little",
    "收到的现金不够",
    "The cash is not enough",
    "请补足差额",
    "Ask for the rest",
    finality=Finality.TEMPORARY,
)
CASH_INVALID = hospital_kind(
    "cash_invalid",
    "收款金额不对",
    "The amount of cash is not valid",
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
    "这笔费用的现金已经收过",
    "The cash for this payment was taken already",
    "不要再收，打印原来的票据",
    "Take no more; print the receipt",
)
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

REFUSALS = (CASH_TOO_LITTLE, CASH_INVALID, NO_CASH_DUE, CASH_TAKEN, CASH_OPEN, RECEIPT_WRONG)


def check_cash(tendered_fen: Fen, *, due_fen: Fen) -> None:
    """Check cash that is given for what is due.

    Raises:
        Refused: ``hospital.no_cash_due``, ``cash_invalid``, ``cash_too_little``.
    """
    if due_fen == 0:
        raise Refused(NO_CASH_DUE)
    if not 0 < tendered_fen <= TENDERED_FEN_MAX:
        raise Refused(CASH_INVALID, found_fen=tendered_fen, limit_fen=TENDERED_FEN_MAX)
    if tendered_fen < due_fen:
        raise Refused(CASH_TOO_LITTLE, found_fen=tendered_fen, expected_fen=due_fen)


def check_same_taking(found: CashTaking, *, payment: CommandId, tendered_fen: Fen) -> None:
    """Check that a repeated command takes what it took the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if (found.payment, found.tendered_fen) != (payment, tendered_fen):
        raise Refused(COMMAND_DIFFERS)


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
    paid_cash = cash + receipt.wallet_fen - receipt.cash_back_fen
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
