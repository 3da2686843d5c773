"""Visits, charge items and settlements: values and rules, pure.

The numbers in brackets are transactions of the national interface.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from hashlib import sha256

from pydantic import TypeAdapter

from shualian.core.identifiers import (
    AuthNo,
    ChargeItemNo,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    TerminalId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.insurer.benefits.model import CHARGE_INVALID, Amounts, Policy, Settlement
from shualian.insurer.funds.model import Account, cash_clearing, fund, payable, personal
from shualian.verification.model import Relation, Scene

BEGIN_AHEAD_MAX = timedelta(minutes=10)
"""How far the institution's clock may run before ours."""
BEGIN_BEHIND_MAX = timedelta(days=7)
"""How late a visit may be opened; its begin decides the year and the policy."""
LINE_FEN_MAX = Fen(1_000_000_000)
"""Ten million yuan: no single charge is larger."""
SETTLING_SCENES = frozenset((Scene.SETTLEMENT, Scene.DISPENSING))
"""For which scenes a proof may pay: at the desk, and where drugs are paid and given in one scan."""
REGISTERING_SCENES = frozenset((Scene.REGISTRATION,))
"""For which scenes a proof may open a visit."""
REGISTER_USE = "register"
"""The use of a face proof that the opening of a visit redeems."""
SETTLE_USE = "settle"
"""The use of a face proof that a settlement redeems."""


class SettlementKind(StrEnum):
    """What a record of the settlement table is."""

    SETTLEMENT = "settlement"
    CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class Registration:
    """What an institution says when it opens a visit (2201); names stay with the institution.

    Attributes:
        psn_no: Who is treated.
        insutype: Under which insurance.
        begntime: Begin, UTC; decides the year of the counters and the policy.
        mdtrt_cert_type: 就诊凭证类型: ``01`` e-voucher, ``02`` ID card, ``03`` card.
        ipt_otp_no: The institution's own number of the visit.
        atddr_no: Doctor's code.
        dept_code: Department's code.
        caty: Category of the department.
    """

    psn_no: PersonNo
    insutype: str
    begntime: datetime
    mdtrt_cert_type: str
    ipt_otp_no: EncounterNo
    atddr_no: str
    dept_code: str
    caty: str


@dataclass(frozen=True, slots=True)
class Visit:
    """An open visit.

    Attributes:
        mdtrt_id: The insurer's number of it.
        institution: Where.
        registration: As it was opened.
        intent_id: What the person confirmed by face; none for a visit opened on a claim only.
    """

    mdtrt_id: VisitId
    institution: InstitutionCode
    registration: Registration
    intent_id: IntentId | None = None


@dataclass(frozen=True, slots=True)
class ChargeItem:
    """One line as the institution uploads it (2204).

    Attributes:
        feedetl_sn: Unique inside the visit.
        chrg_bchno: Charge batch; a batch is settled together.
        fee_ocur_time: When, UTC.
        med_list_codg: Code of the catalogue.
        medins_list_codg: The institution's own code.
        det_item_fee_sumamt: The line's amount.
        cnt: Quantity, at most 4 decimals.
        pric: Unit price in yuan, at most 6 decimals.
        bilg_dept_codg: Department that ordered it.
        bilg_dr_codg: Doctor who ordered it.
        rxno: Prescription number or empty.
    """

    feedetl_sn: ChargeItemNo
    chrg_bchno: str
    fee_ocur_time: datetime
    med_list_codg: str
    medins_list_codg: str
    det_item_fee_sumamt: Fen
    cnt: Decimal
    pric: Decimal
    bilg_dept_codg: str
    bilg_dr_codg: str
    rxno: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """What is to be settled (2206 and 2207).

    Attributes:
        mdtrt_id: The visit.
        psn_no: Who is treated.
        insutype: Under which insurance.
        chrg_bchno: Charge batch: all its lines that are not settled.
        med_type: 医疗类别.
        acct_used: ``acct_used_flag``: whether the personal account is to be used.
        medfee_sumamt: Total as the institution has it.
    """

    mdtrt_id: VisitId
    psn_no: PersonNo
    insutype: str
    chrg_bchno: str
    med_type: str
    acct_used: bool
    medfee_sumamt: Fen


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the institution sends back of the split (2207), and what the person saw and confirmed.

    The last three are not part of 2207: an institution that does not send them is not protected
    from a split that changed after its pre-settlement.
    """

    fulamt_ownpay_amt: Fen
    overlmt_selfpay: Fen
    preselfpay_amt: Fen
    inscp_scp_amt: Fen
    fund_pay_sumamt: Fen | None = None
    acct_pay: Fen | None = None
    psn_cash_pay: Fen | None = None


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """That the opening of a visit or a settlement rests on a face proof.

    Attributes:
        auth_no: The proof; a secret, never stored here.
        intent_id: What the person confirmed; good for one visit or one settlement.
        terminal_id: Where the institution had the person captured.
        scene: What the person was asked for.
        subject: Who the institution believes stood there.
        relation: Of the subject to the one who is treated.
    """

    auth_no: AuthNo = field(repr=False)
    intent_id: IntentId
    terminal_id: TerminalId
    scene: Scene
    subject: PersonNo
    relation: Relation = Relation.SELF


@dataclass(frozen=True, slots=True)
class SettleCommand:
    """Everything that a settlement command says; a repeat must say the same."""

    institution: InstitutionCode
    bill: Bill
    confirmed: Confirmed
    evidence: FaceEvidence


@dataclass(frozen=True, slots=True)
class CancelCommand:
    """Everything that a cancellation command says; a repeat must say the same."""

    institution: InstitutionCode
    setl_id: SettlementId
    mdtrt_id: VisitId
    psn_no: PersonNo


@dataclass(frozen=True, slots=True)
class SettlementRecord:
    """One settlement or cancellation as it stands in the books, and the answer to its command.

    Attributes:
        setl_id: Of this record; a cancellation has its own.
        kind: What it is.
        cancels: The settlement that a cancellation undoes.
        mdtrt_id: The visit.
        psn_no: Who is treated.
        institution: Where.
        insutype: Under which insurance.
        insuplc_admdvs: Insured region, which clears it.
        psn_type: At that time.
        med_type: Kind of visit.
        chrg_bchno: Charge batch.
        setl_time: When, UTC.
        year: Whose counters it moved.
        settlement: Amounts, lines, trace; negative in a cancellation.
    """

    setl_id: SettlementId
    kind: SettlementKind
    cancels: SettlementId | None
    mdtrt_id: VisitId
    psn_no: PersonNo
    institution: InstitutionCode
    insutype: str
    insuplc_admdvs: str
    psn_type: str
    med_type: str
    chrg_bchno: str
    setl_time: datetime
    year: int
    settlement: Settlement


_kind = KindsOf("insurer").kind


VISIT_NOT_FOUND = _kind(
    "visit_not_found",
    "就诊信息不存在，或者不是这家机构、这个人的",
    "There is no such visit of this person at this institution",
    "请先登记就诊",
    "Register the visit first",
    Helper.CLERK,
)
VISIT_DIFFERS = _kind(
    "visit_differs",
    "这个门诊号已经用在另一次就诊上",
    "This visit number of the institution is used for another visit",
    "请换一个门诊号",
    "Use another visit number",
    Helper.TECHNICIAN,
)
VISIT_TIME_INVALID = _kind(
    "visit_time_invalid",
    "就诊开始时间太早或太晚",
    "The begin of the visit is too far from now",
    "请核对挂号时间和电脑时间",
    "Check the time of the registration and the clock",
    Helper.CLERK,
)
INSURANCE_DIFFERS = _kind(
    "insurance_differs",
    "险种和就诊登记的不一样",
    "The insurance is not the one with which the visit was opened",
    "请按登记的险种结算",
    "Settle under the insurance of the visit",
    Helper.CLERK,
)
CHARGE_DIFFERS = _kind(
    "charge_differs",
    "这个费用明细流水号已经上传过不同的内容",
    "This charge item number was uploaded with other content",
    "请用新的流水号，或先撤销原来的明细",
    "Use a new number, or withdraw the first one",
    Helper.TECHNICIAN,
)
NOTHING_TO_SETTLE = _kind(
    "nothing_to_settle",
    "这个收费批次没有待结算的费用",
    "This charge batch has nothing left to settle",
    "请核对收费批次；可能已经结算过",
    "Check the batch; it may be settled already",
    Helper.CLERK,
)
AMOUNTS_DIFFER = _kind(
    "amounts_differ",
    "金额和医保计算的不一致",
    "The amounts are not those of the insurer",
    "请重新预结算，按新的金额确认",
    "Pre-settle again and confirm the new amounts",
    Helper.CLERK,
)
EVIDENCE_INVALID = _kind(
    "evidence_invalid",
    "这次刷脸不是为办这件事",
    "The proof is of a scene that does not allow this",
    "请本人为这件事重新刷脸确认",
    "Let the person scan and confirm for this",
    Helper.CLERK,
)
INTENT_USED = _kind(
    "intent_used",
    "这次确认已经用过",
    "What the person confirmed is done already",
    "另一次就诊或另一笔费用请本人重新确认",
    "Another visit or bill needs a confirmation of its own",
    Helper.SELF,
)
SETTLEMENT_NOT_FOUND = _kind(
    "settlement_not_found",
    "没有这笔结算",
    "There is no such settlement of this person at this institution",
    "请核对结算编号",
    "Check the settlement's number",
    Helper.CLERK,
)
ALREADY_CANCELLED = _kind(
    "already_cancelled",
    "这笔结算已经撤销过",
    "This settlement is cancelled already",
    "不用再撤销",
    "Nothing more is to be done",
    Helper.CLERK,
)

REFUSALS = (
    VISIT_NOT_FOUND,
    VISIT_DIFFERS,
    VISIT_TIME_INVALID,
    INSURANCE_DIFFERS,
    CHARGE_DIFFERS,
    NOTHING_TO_SETTLE,
    AMOUNTS_DIFFER,
    EVIDENCE_INVALID,
    INTENT_USED,
    SETTLEMENT_NOT_FOUND,
    ALREADY_CANCELLED,
)

_SETTLE = TypeAdapter(SettleCommand)
_CANCEL = TypeAdapter(CancelCommand)


def command_digest(command: SettleCommand | CancelCommand) -> bytes:
    """SHA-256 of everything that a command says."""
    if isinstance(command, SettleCommand):
        return sha256(_SETTLE.dump_json(command)).digest()
    return sha256(_CANCEL.dump_json(command)).digest()


def check_begin(begntime: datetime, *, now: datetime) -> None:
    """Check that a visit begins about now: its begin chooses year and policy.

    Raises:
        Refused: ``insurer.visit_time_invalid``.
    """
    if not now - BEGIN_BEHIND_MAX <= begntime <= now + BEGIN_AHEAD_MAX:
        raise Refused(VISIT_TIME_INVALID, found=begntime.isoformat(), now=now.isoformat())


def check_charge_item(item: ChargeItem) -> None:
    """Check that amount, quantity and price are in range and agree within one fen.

    Raises:
        Refused: ``insurer.charge_invalid``.
    """
    in_range = (
        0 <= item.det_item_fee_sumamt <= LINE_FEN_MAX
        and _is_exact(item.cnt, places=4)
        and _is_exact(item.pric, places=6)
        and 0 < item.cnt <= 100_000_000
        and 0 <= item.pric <= 10_000_000
    )
    if not in_range:
        raise Refused(CHARGE_INVALID, feedetl_sn=item.feedetl_sn, found="out of range")
    expected = int((item.cnt * item.pric * 100).to_integral_value(ROUND_HALF_UP))
    # One fen for institutions that round otherwise; more is another price or quantity.
    if abs(item.det_item_fee_sumamt - expected) > 1:
        raise Refused(
            CHARGE_INVALID,
            feedetl_sn=item.feedetl_sn,
            found_fen=item.det_item_fee_sumamt,
            expected_fen=expected,
        )


def _is_exact(number: Decimal, *, places: int) -> bool:
    return number.is_finite() and number == round(number, places)


def check_total(bill: Bill, amounts: Amounts) -> None:
    """Check the institution's total against the computed one.

    Raises:
        Refused: ``insurer.amounts_differ`` with found and expected.
    """
    _check_equal("medfee_sumamt", bill.medfee_sumamt, amounts.medfee_sumamt)


def check_confirmed(confirmed: Confirmed, amounts: Amounts) -> None:
    """Check every amount that was sent back against the computed one.

    Raises:
        Refused: ``insurer.amounts_differ`` with the first field that differs.
    """
    for each in fields(confirmed):
        found = getattr(confirmed, each.name)
        if found is not None:
            _check_equal(each.name, found, getattr(amounts, each.name))


def _check_equal(name: str, found: Fen, expected: Fen) -> None:
    if found != expected:
        raise Refused(AMOUNTS_DIFFER, field=name, found_fen=found, expected_fen=expected)


def entries_of(record: SettlementRecord, policy: Policy) -> Mapping[Account, Fen]:
    """Who gives and who gets money by a settlement; adds up to zero.

    Each fund and the personal account give what they pay; the institution gets the bill less
    its own share, and has taken the person's cash already.
    """
    amounts, institution = record.settlement.amounts, record.institution
    moved = {
        fund(record.insuplc_admdvs, name.fund_pay_type): Fen(-amounts.paid_by(kind))
        for kind, name in policy.funds.items()
    }
    moved[personal(record.psn_no)] = Fen(-amounts.acct_pay)
    moved[cash_clearing(institution)] = Fen(-amounts.psn_cash_pay)
    moved[payable(institution)] = Fen(amounts.medfee_sumamt - amounts.hosp_part_amt)
    return {account: amount for account, amount in moved.items() if amount}
