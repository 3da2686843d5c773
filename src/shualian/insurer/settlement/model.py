"""Visits, charge items and settlements: values and rules, pure.

The numbers in brackets are transactions of the national interface.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from pydantic import TypeAdapter

from shualian.core.identifiers import (
    ChargeItemNo,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    StaffId,
    VisitId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.insurer.benefits.model import CHARGE_INVALID, Amounts, Policy, Settlement
from shualian.insurer.funds.model import Account, cash_clearing, fund, payable, personal
from shualian.insurer.persons.model import Insurance
from shualian.insurer.settlement.evidence import model as evidences
from shualian.insurer.settlement.evidence.model import (
    Evidence,
    EvidenceKind,
    SecondFactor,
    without_secrets,
)
from shualian.trust.audit.model import Payload
from shualian.verification.model import Scene

FaceEvidence = evidences.FaceEvidence

BEGIN_AHEAD_MAX = timedelta(minutes=10)
"""How far the institution's clock may run before ours."""
BEGIN_BEHIND_MAX = timedelta(days=7)
"""How late a visit may be opened; its begin decides the year and the policy."""
LINE_FEN_MAX = Fen(1_000_000_000)
"""Ten million yuan: no single charge is larger."""
SETTLING_SCENES = frozenset((Scene.SETTLEMENT, Scene.DISPENSING, Scene.PHARMACY_PURCHASE))
"""For which scenes a proof may pay: at the desk, and where drugs are paid and given in one scan."""
REGISTERING_SCENES = frozenset((Scene.REGISTRATION, Scene.ADMISSION))
"""For which scenes a proof may open a visit."""
REGISTER_USE = "register"
"""The use of a face proof that the opening of a visit redeems."""
SETTLE_USE = "settle"
"""The use of a face proof that a settlement redeems."""


class VisitKind(StrEnum):
    """What a visit is."""

    OUTPATIENT = "outpatient"
    INPATIENT = "inpatient"
    """All its open charge items are settled together, in mid-stay or at discharge (2303, 2304)."""
    PHARMACY = "pharmacy"
    """Opened and settled in one step (2102)."""


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
        kind: What the visit is.
    """

    psn_no: PersonNo
    insutype: str
    begntime: datetime
    mdtrt_cert_type: str
    ipt_otp_no: EncounterNo
    atddr_no: str
    dept_code: str
    caty: str
    kind: VisitKind = VisitKind.OUTPATIENT


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit.

    Attributes:
        mdtrt_id: The insurer's number of it.
        institution: Where.
        registration: As it was opened.
        intent_id: What the person confirmed by face; none for a visit opened on a claim only.
        cancelled: Whether its registration was cancelled (2202, 2404).
        discharged_at: When an inpatient left, UTC (2402); none while the stay goes on.
    """

    mdtrt_id: VisitId
    institution: InstitutionCode
    registration: Registration
    intent_id: IntentId | None = None
    cancelled: bool = False
    discharged_at: datetime | None = None


class OpenItem(NamedTuple):
    """An open charge item, as far as a settlement needs it."""

    feedetl_sn: ChargeItemNo
    med_list_codg: str
    det_item_fee_sumamt: Fen
    cnt: Decimal
    pric: Decimal
    hosp_appr_flag: str
    dise_codg: str


@dataclass(frozen=True, slots=True)
class Found:
    """A visit with everything that its settlement depends on.

    Attributes:
        institution: Where.
        psn_no: Who is treated.
        insutype: Under which insurance.
        begntime: When it began, UTC.
        year: Whose counters it moves.
        kind: What the visit is.
        cancelled: Whether its registration was cancelled.
        discharged: Whether an inpatient has left.
        level: Of the institution; none when it has no contract.
        region: Care region.
        insurance: None when the person has no such insurance.
        balance: Of the personal account.
        items: Open charge items of the bill.
        counters: Of the year.
        so_far: What earlier settlements of this visit added to the counters.
    """

    institution: InstitutionCode
    psn_no: PersonNo
    insutype: str
    begntime: datetime
    year: int
    kind: VisitKind
    cancelled: bool
    discharged: bool
    level: str | None
    region: str
    insurance: Insurance | None
    balance: Fen
    items: tuple[OpenItem, ...]
    counters: Mapping[str, Fen]
    so_far: Mapping[str, Fen]


@dataclass(frozen=True, slots=True)
class VisitInformation:
    """What the institution says of the illness (2203, 2401); sealed at rest.

    Attributes:
        med_type: 医疗类别.
        dise_codg: 病种编码 or empty.
        main_cond_dscr: 主要病情描述 or empty.
        diagnoses: ``diag_code`` in the order of ``diag_srt_no``.
    """

    med_type: str
    dise_codg: str = ""
    main_cond_dscr: str = ""
    diagnoses: tuple[str, ...] = ()


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
        hosp_appr_flag: 医院审批标志: ``0`` nothing said, ``1`` approved, ``2`` refused.
        dise_codg: 病种编码 or empty; one per charge batch.
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
    hosp_appr_flag: str = "0"
    dise_codg: str = ""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A charge item, as far as it matters who ordered it.

    Attributes:
        feedetl_sn: Which.
        doctor: ``bilg_dr_codg``.
        at: ``fee_ocur_time``, UTC.
        med_chrgitm_type: 医疗收费项目类别, by the catalogue.
    """

    feedetl_sn: ChargeItemNo
    doctor: str
    at: datetime
    med_chrgitm_type: str


@dataclass(frozen=True, slots=True)
class Bill:
    """What is to be settled (2206 and 2207).

    Attributes:
        mdtrt_id: The visit.
        psn_no: Who is treated.
        insutype: Under which insurance.
        chrg_bchno: Charge batch: all its lines that are not settled; of an inpatient all lines
            of the visit are settled, whatever their batch.
        med_type: 医疗类别.
        acct_used: ``acct_used_flag``: whether the personal account is to be used.
        medfee_sumamt: Total as the institution has it.
        mid_setl: ``mid_setl_flag``: in the middle of a stay, which goes on.
    """

    mdtrt_id: VisitId
    psn_no: PersonNo
    insutype: str
    chrg_bchno: str
    med_type: str
    acct_used: bool
    medfee_sumamt: Fen
    mid_setl: bool = False


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
class SettleCommand:
    """Everything that a settlement command says; a repeat must say the same."""

    institution: InstitutionCode
    bill: Bill
    confirmed: Confirmed
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a pharmacy sells (2101, 2102): visit, lines and bill in one.

    Attributes:
        registration: Of kind ``PHARMACY``; ``ipt_otp_no`` is the pharmacy's number of the sale.
        med_type: 医疗类别, such as ``41``.
        items: What is sold.
        acct_used: ``acct_used_flag``.
        medfee_sumamt: Total as the pharmacy has it.
    """

    registration: Registration
    med_type: str
    items: tuple[ChargeItem, ...]
    acct_used: bool
    medfee_sumamt: Fen


@dataclass(frozen=True, slots=True)
class PurchaseCommand:
    """Everything that a pharmacy's settlement says; a repeat must say the same."""

    institution: InstitutionCode
    purchase: Purchase
    confirmed: Confirmed
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class CancelCommand:
    """Everything that a cancellation command says; a repeat must say the same."""

    institution: InstitutionCode
    setl_id: SettlementId
    mdtrt_id: VisitId
    psn_no: PersonNo


@dataclass(frozen=True, slots=True)
class RefundCommand:
    """Everything that a refund in part says; a repeat must say the same.

    Attributes:
        institution: Whose.
        setl_id: What is refunded.
        mdtrt_id: Of which visit.
        psn_no: Of whom.
        give_back: Lines that are given back.
        instead: Lines that take the place of given-back ones: the quantity that was kept, under
            numbers of their own.
    """

    institution: InstitutionCode
    setl_id: SettlementId
    mdtrt_id: VisitId
    psn_no: PersonNo
    give_back: tuple[ChargeItemNo, ...]
    instead: tuple[ChargeItem, ...] = ()


Command = SettleCommand | PurchaseCommand | CancelCommand | RefundCommand


class ReversalOutcome(StrEnum):
    """How a command whose outcome the sender did not know has ended (2601)."""

    UNDONE = "undone"
    """It was done, and what it did is undone."""
    NEVER_DONE = "never_done"
    """It was not done and never will be: a late copy is refused."""


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
        evidence: On what it rests; of a cancellation, what the cancelled one rested on.
        rests_on: The settlement whose rest this one is, after a part was given back.
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
    evidence: EvidenceKind = EvidenceKind.FACE
    rests_on: SettlementId | None = None


@dataclass(frozen=True, slots=True)
class Refund:
    """A part of a settlement was given back.

    Attributes:
        cancellation: Of the whole settlement.
        rest: The settlement of what was kept, on the original evidence; none when nothing was.
    """

    cancellation: SettlementRecord
    rest: SettlementRecord | None


@dataclass(frozen=True, slots=True)
class Reversal:
    """The end of a command whose outcome was not known.

    Attributes:
        outcome: How it ended.
        cancellation: What undid it, if it was done.
    """

    outcome: ReversalOutcome
    cancellation: SettlementRecord | None = None


class MoneySettled(Payload, kind="insurer.settlement"):
    """The audit's record of a settlement or a cancellation.

    Attributes:
        change: Which.
        setl_id: Of the record.
        of: The settlement that it cancels, or whose rest it is.
        subject: Who is treated.
        institution: Where.
        bill_fen: ``medfee_sumamt``; never negative, like the others.
        fund_fen: ``fund_pay_sumamt``.
        account_fen: ``acct_pay``.
        cash_fen: ``psn_cash_pay``.
        evidence: On what it rests.
        second: What joined the evidence.
        seen_by: The clerk who answers for it.
    """

    change: SettlementKind
    setl_id: SettlementId
    of: SettlementId | None
    subject: PersonNo
    institution: InstitutionCode
    bill_fen: Fen
    fund_fen: Fen
    account_fen: Fen
    cash_fen: Fen
    evidence: EvidenceKind
    second: SecondFactor
    seen_by: StaffId | None


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
BATCH_WITHDRAWN = _kind(
    "batch_withdrawn",
    "这个收费批次已经撤销，不能再上传",
    "This charge batch was withdrawn and takes no more charge items",
    "请用新的收费批次号上传",
    "Upload the items under a new batch number",
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

COMMAND_REFUSED = _kind(
    "command_refused",
    "这个请求已经被拒绝过",
    "This command was refused before",
    "请用新的请求编号重新办理",
    "Do it again under a new command identifier",
    Helper.CLERK,
)
COMMAND_REVERSED = _kind(
    "command_reversed",
    "这个请求已经冲正，不能再办",
    "This command was reversed and will not be done",
    "要结算请用新的请求编号",
    "Settle under a new command identifier",
    Helper.CLERK,
)
NOT_REVERSIBLE = _kind(
    "not_reversible",
    "这个请求已经办成，不能用冲正退回",
    "What this command did is not undone by a reversal",
    "撤销已经生效；需要时请重新结算",
    "The cancellation stands; settle the bill again if it is needed",
    Helper.CLERK,
)
VISIT_CANCELLED = _kind(
    "visit_cancelled",
    "这次就诊登记已经撤销",
    "The registration of this visit was cancelled",
    "请重新登记就诊",
    "Register the visit anew",
    Helper.CLERK,
)
VISIT_HAS_CHARGES = _kind(
    "visit_has_charges",
    "这次就诊还有费用，不能撤销登记",
    "The visit still has charge items",
    "请先撤销结算和费用明细",
    "Cancel its settlements and withdraw its charge items first",
    Helper.CLERK,
)
VISIT_ENDED = _kind(
    "visit_ended",
    "这次就诊已经结清，不能再记费用",
    "The visit is settled to its end",
    "需要改费用时先撤销结算",
    "Cancel the settlement before the charges are changed",
    Helper.CLERK,
)
STAY_STATE = _kind(
    "stay_state",
    "住院状态不对，不能办这一步",
    "The stay does not allow this now",
    "请核对入院、出院和中途结算",
    "Check admission, discharge and whether this settles in mid-stay",
    Helper.CLERK,
)
DISEASE_DIFFERS = _kind(
    "disease_differs",
    "一个收费批次只能有一个病种",
    "A charge batch has one disease code",
    "请按病种分批上传费用",
    "Upload one batch for each disease",
    Helper.TECHNICIAN,
)
REFUND_INVALID = _kind(
    "refund_invalid",
    "退费的明细不对",
    "These lines cannot be given back",
    "只能退这笔结算里的明细；留下的数量要用新的流水号，总额不能变多",
    "Give back lines of this settlement; what is kept has new numbers and costs no more",
    Helper.CLERK,
)
REFUND_DEARER = _kind(
    "refund_dearer",
    "退掉这些以后个人反而要多付，没有办理",
    "After this refund the person would pay more; it was not done",
    "可以整笔撤销后重新结算，由本人确认新的金额",
    "Cancel the whole and settle again with the person's own confirmation",
    Helper.CLERK,
)

REFUSALS = (
    COMMAND_REFUSED,
    COMMAND_REVERSED,
    NOT_REVERSIBLE,
    VISIT_CANCELLED,
    VISIT_HAS_CHARGES,
    VISIT_ENDED,
    STAY_STATE,
    DISEASE_DIFFERS,
    REFUND_INVALID,
    REFUND_DEARER,
    VISIT_NOT_FOUND,
    VISIT_DIFFERS,
    VISIT_TIME_INVALID,
    INSURANCE_DIFFERS,
    BATCH_WITHDRAWN,
    CHARGE_DIFFERS,
    NOTHING_TO_SETTLE,
    AMOUNTS_DIFFER,
    INTENT_USED,
    SETTLEMENT_NOT_FOUND,
    ALREADY_CANCELLED,
)

_COMMANDS: Mapping[type, TypeAdapter[Command]] = {
    kind: TypeAdapter(kind)
    for kind in (SettleCommand, PurchaseCommand, CancelCommand, RefundCommand)
}


def command_digest(command: Command) -> bytes:
    """SHA-256 of everything that a command says, without a PIN.

    It lets whoever knows the rest guess the number of a card or document: the digest of such a
    command is stored as a keyed hash only.
    """
    if isinstance(command, SettleCommand | PurchaseCommand):
        command = replace(command, evidence=without_secrets(command.evidence))
    kind = type(command)
    return sha256(kind.__name__.encode() + _COMMANDS[kind].dump_json(command)).digest()


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
