"""What all rooms of a hospital share: evidence, the messages of the insurer's platform, amounts.

Fields of messages carry the national names (transactions 1101, 2201, 2204, 2206, 2207 of the
interface for institutions). Money is integer fen, quantities and prices are exact decimals.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias, TypeGuard

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    AuthNo,
    ChargeItemNo,
    CommandId,
    EncounterNo,
    InstitutionCode,
    IntentId,
    PersonNo,
    SettlementId,
    StaffId,
    TerminalId,
    VisitId,
)
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Finality, Helper, KindsOf, RefusalKind, Refused
from shualian.verification.model import FaceProof, Relation, Scene


class CertificateType(StrEnum):
    """``mdtrt_cert_type`` 就诊凭证类型: with what the insurer finds a person; 3.1."""

    E_VOUCHER = "01"
    ID_CARD = "02"
    SOCIAL_SECURITY_CARD = "03"


class Channel(StrEnum):
    """By what a person showed who they are; every visit and payment records it."""

    FACE = "face"
    CODE = "code"
    CARD = "card"
    DOCUMENT = "document"


class PersonalSettlement(StrEnum):
    """``psn_setlway`` 个人结算方式; 3.11."""

    BY_ITEM = "01"


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """A confirmed face, as far as a hospital may know it.

    Attributes:
        auth_no: Number of the face proof; sealed at rest, never printed.
        intent_id: What the person confirmed.
        scene: What the person was asked for at the terminal.
        terminal_id: Where.
        first_frame_at: When the first frame was taken, UTC; for the time from start to paid.
        subject: Who scanned, where it is not the patient; known once the proof was looked at.
        relation: Of that person to the patient; as the terminal says, then as the proof has it.
    """

    auth_no: AuthNo = field(repr=False)
    intent_id: IntentId
    scene: Scene
    terminal_id: TerminalId
    first_frame_at: datetime
    subject: PersonNo | None = None
    relation: Relation = Relation.SELF

    @property
    def channel(self) -> Channel:
        """By what the person showed who they are."""
        return Channel.FACE


@dataclass(frozen=True, slots=True)
class DocumentEvidence:
    """An ID document that a named clerk saw at a window.

    Attributes:
        id_number: On the document; sealed at rest, never printed.
        seen_by: The clerk who answers for it.
        intent_id: What the person confirmed.
    """

    id_number: IdNumber = field(repr=False)
    seen_by: StaffId
    intent_id: IntentId

    @property
    def channel(self) -> Channel:
        """By what the person showed who they are."""
        return Channel.DOCUMENT


@dataclass(frozen=True, slots=True)
class CodeEvidence:
    """The code of the person's own e-voucher, as it was scanned.

    Attributes:
        token: Single use, of some seconds; sealed at rest, never printed.
        intent_id: What the person confirmed.
    """

    token: str = field(repr=False)
    intent_id: IntentId

    @property
    def channel(self) -> Channel:
        """By what the person showed who they are."""
        return Channel.CODE


@dataclass(frozen=True, slots=True)
class CardEvidence:
    """The person's card, read at a window, with the PIN that the person typed.

    Attributes:
        card_no: As the reader gave it; sealed at rest, never printed.
        pin: Six digits; sealed until the outcome is known, never printed.
        intent_id: What the person confirmed.
    """

    card_no: str = field(repr=False)
    pin: str = field(repr=False)
    intent_id: IntentId

    @property
    def channel(self) -> Channel:
        """By what the person showed who they are."""
        return Channel.CARD


@dataclass(frozen=True, slots=True)
class NumberClaim:
    """An ID number that staff have on record, with nobody shown; it only opens a claim.

    Attributes:
        id_number: Of whom the staff speak.
        claimed_by: Who of the staff, and so who answers for it.
    """

    id_number: IdNumber = field(repr=False)
    claimed_by: StaffId


Evidence: TypeAlias = FaceEvidence | CodeEvidence | CardEvidence | DocumentEvidence
"""What a settlement may rest on; a typed number is not among them."""


@dataclass(frozen=True, slots=True)
class AtTerminal:
    """The enrolled terminal whose signed request is answered.

    Attributes:
        terminal_id: Which.
        institution: Whose.
        place: As people call its place, such as ``一层大厅 1 号机``.
    """

    terminal_id: TerminalId
    institution: InstitutionCode
    place: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """就诊凭证: by which the insurer finds the person in messages that move money.

    There is no national value for a face; after a face the ID number is sent (3.1).
    """

    mdtrt_cert_type: CertificateType
    mdtrt_cert_no: str = field(repr=False)


SELF_PAID = ""
"""As ``insutype`` of a visit: under no insurance."""


@dataclass(frozen=True, slots=True)
class Insurance:
    """One row of ``insuinfo`` (1101).

    Attributes:
        insutype: 险种类型.
        psn_type: 人员类别, opaque text.
        insuplc_admdvs: 参保地医保区划.
        in_force: Whether ``psn_insu_stas`` is 1.
    """

    insutype: str
    psn_type: str
    insuplc_admdvs: str
    in_force: bool


@dataclass(frozen=True, slots=True)
class InsuredPerson:
    """The answer of 1101: who it is and how insured.

    Attributes:
        psn_no: 人员编号.
        psn_name: 人员姓名.
        certno: 证件号码, an ID number.
        insuinfo: Insurances, in the order of the insurer.
    """

    psn_no: PersonNo
    psn_name: str = field(repr=False)
    certno: IdNumber = field(repr=False)
    insuinfo: tuple[Insurance, ...]


@dataclass(frozen=True, slots=True)
class PersonQuery:
    """1101, asked with what the person showed.

    Attributes:
        fixmedins_code: Of the hospital.
        psn_no: Whom the hospital believes it has before it; none while only the evidence says it.
        evidence: Read and not used up: the same face or code can go on to register. A claim
            proves nobody; what rests on it brings evidence of its own.
        uses_up: Whether a shown code is used up by it, once it is known to be of ``psn_no``: where
            nothing else that uses it up follows, such as handing out what is paid already.
    """

    fixmedins_code: InstitutionCode
    psn_no: PersonNo | None
    evidence: Evidence | NumberClaim
    uses_up: bool = False


@dataclass(frozen=True, slots=True)
class VisitOpening:
    """2201: register an outpatient visit.

    Attributes:
        command_id: The same on every repeat; the insurer answers a repeat as the first time.
        fixmedins_code: Of the hospital.
        psn_no: 人员编号.
        insutype: 险种类型.
        begntime: Time of the registration, UTC.
        certificate: 就诊凭证.
        ipt_otp_no: 住院/门诊号.
        atddr_no: 医师编码.
        dr_name: 医师姓名.
        dept_code: 科室编码.
        dept_name: 科室名称.
        caty: 科别.
        evidence: Used up by it. Without it, and with a card or a document, the visit is a claim:
            its settlement brings evidence of its own.
    """

    command_id: CommandId
    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    insutype: str
    begntime: datetime
    certificate: Certificate
    ipt_otp_no: EncounterNo
    atddr_no: str
    dr_name: str
    dept_code: str
    dept_name: str
    caty: str
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class OpenedVisit:
    """The answer of 2201."""

    mdtrt_id: VisitId
    psn_no: PersonNo
    ipt_otp_no: EncounterNo


WHOLE_STAY = ""
"""As ``chrg_bchno`` of an in-patient's bill: 2303 and 2304 have none, all that is open of the stay
is settled."""


@dataclass(frozen=True, slots=True)
class Admission:
    """2401: admit an in-patient.

    Attributes:
        command_id: The same on every repeat; the insurer answers a repeat as the first time.
        fixmedins_code: Of the hospital.
        psn_no: 人员编号.
        insutype: 险种类型.
        begntime: Time of the admission, UTC.
        certificate: 就诊凭证.
        ipt_otp_no: 住院号.
        atddr_no: 医师编码.
        dr_name: 主诊医师姓名.
        dept_code: 入院科室编码.
        dept_name: 入院科室名称.
        caty: 科别.
        adm_bed: 入院床位.
        evidence: What proves that the person is here; without it the admission is a claim, and
            every settlement brings evidence of its own.
    """

    command_id: CommandId
    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    insutype: str
    begntime: datetime
    certificate: Certificate
    ipt_otp_no: EncounterNo
    atddr_no: str
    dr_name: str
    dept_code: str
    dept_name: str
    caty: str
    adm_bed: str
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class StayMessage:
    """What 2402, 2404 and 2405 say of a stay.

    Attributes:
        fixmedins_code: Of the hospital.
        psn_no: 人员编号.
        mdtrt_id: 就诊ID.
        ipt_otp_no: 住院号.
        endtime: 出院时间, UTC; of a discharge.
    """

    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    ipt_otp_no: EncounterNo
    endtime: datetime | None = None


@dataclass(frozen=True, slots=True)
class VisitCancellation:
    """2202: take a registration back; a repeat is known by the visit."""

    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    ipt_otp_no: EncounterNo


NOTHING_SAID, FUND_REFUSED = "0", "2"
"""``hosp_appr_flag``: nothing is said of the fund; it is not to pay for the line."""


@dataclass(frozen=True, slots=True)
class FeeDetail:
    """One row of ``feedetail`` (2204).

    Attributes:
        feedetl_sn: 费用明细流水号, unique inside the visit.
        fee_ocur_time: 费用发生时间, UTC.
        med_list_codg: 医疗目录编码.
        medins_list_codg: 医药机构目录编码.
        det_item_fee_sumamt: The line's amount.
        cnt: Quantity, at most 4 decimals.
        pric: Unit price in yuan, at most 6 decimals.
        bilg_dept_codg: 开单科室编码.
        bilg_dept_name: 开单科室名称.
        bilg_dr_codg: 开单医生编码.
        bilg_dr_name: 开单医师姓名.
        hosp_appr_flag: 医院审批标志: ``0`` nothing said, ``2`` the fund is not to pay for it.
    """

    feedetl_sn: ChargeItemNo
    fee_ocur_time: datetime
    med_list_codg: str
    medins_list_codg: str
    det_item_fee_sumamt: Fen
    cnt: Decimal
    pric: Decimal
    bilg_dept_codg: str
    bilg_dept_name: str
    bilg_dr_codg: str
    bilg_dr_name: str
    hosp_appr_flag: str = NOTHING_SAID


@dataclass(frozen=True, slots=True)
class ChargeUpload:
    """2204: charge items of one batch (``chrg_bchno``) of a visit."""

    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    chrg_bchno: str
    feedetail: tuple[FeeDetail, ...]


@dataclass(frozen=True, slots=True)
class ChargeRecall:
    """2205: forget the open charge items of one batch of a visit."""

    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    chrg_bchno: str


@dataclass(frozen=True, slots=True)
class DiagnosisRow:
    """One row of ``diseinfo`` (2203).

    Attributes:
        diag_type: 诊断类别: 1 西医诊断, 2 中医主病诊断, 3 中医主证诊断.
        diag_srt_no: 诊断排序号, from 1; the first is the main one.
        diag_code: 诊断代码, ICD-10.
        diag_name: 诊断名称.
        diag_dept: 诊断科室.
        dise_dor_no: 诊断医生编码.
        dise_dor_name: 诊断医生姓名.
        diag_time: 诊断时间, UTC.
    """

    diag_type: str
    diag_srt_no: int
    diag_code: str
    diag_name: str
    diag_dept: str
    dise_dor_no: str
    dise_dor_name: str
    diag_time: datetime


@dataclass(frozen=True, slots=True)
class VisitInformation:
    """2203: what is said of the illness; takes the place of what was said before.

    Attributes:
        fixmedins_code: Of the hospital.
        psn_no: 人员编号.
        mdtrt_id: 就诊ID.
        med_type: 医疗类别.
        begntime: Of the visit, UTC.
        main_cond_dscr: 主要病情描述; or empty.
        diseinfo: The diagnoses.
    """

    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    med_type: str
    begntime: datetime
    main_cond_dscr: str = field(repr=False)
    diseinfo: tuple[DiagnosisRow, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FeeSplit:
    """One row of ``result`` (2204): how the insurer classes a line.

    Attributes:
        feedetl_sn: Which line.
        det_item_fee_sumamt: Its amount, the sum of the next four.
        fulamt_ownpay_amt: Wholly self-paid.
        overlmt_amt: Above the price ceiling.
        preselfpay_amt: Paid first by the person.
        inscp_scp_amt: Inside the policy's scope.
        chrgitm_lv: 收费项目等级: 01 甲, 02 乙, 03 丙.
        med_chrgitm_type: 医疗收费项目类别.
        selfpay_prop: Share that is paid first, 0..1.
        pric_uplmt_amt: Highest unit price in yuan inside the scope, or none.
    """

    feedetl_sn: ChargeItemNo
    det_item_fee_sumamt: Fen
    fulamt_ownpay_amt: Fen
    overlmt_amt: Fen
    preselfpay_amt: Fen
    inscp_scp_amt: Fen
    chrgitm_lv: str
    med_chrgitm_type: str
    selfpay_prop: Decimal
    pric_uplmt_amt: Decimal | None

    @property
    def adds_up(self) -> bool:
        """Whether the four parts are the line (2.12 of the interface)."""
        parts = (
            self.fulamt_ownpay_amt,
            self.overlmt_amt,
            self.preselfpay_amt,
            self.inscp_scp_amt,
        )
        return min(parts) >= 0 and sum(parts) == self.det_item_fee_sumamt


@dataclass(frozen=True, slots=True)
class Amounts:
    """The money of one settlement, by the names of ``setlinfo`` (2.11 of the interface).

    ``fund_pay_sumamt`` leaves the personal account out. ``balc`` is the balance of the personal
    account afterwards.
    """

    medfee_sumamt: Fen
    fulamt_ownpay_amt: Fen = ZERO
    overlmt_selfpay: Fen = ZERO
    preselfpay_amt: Fen = ZERO
    inscp_scp_amt: Fen = ZERO
    act_pay_dedc: Fen = ZERO
    hifp_pay: Fen = ZERO
    cvlserv_pay: Fen = ZERO
    hifes_pay: Fen = ZERO
    hifmi_pay: Fen = ZERO
    hifob_pay: Fen = ZERO
    maf_pay: Fen = ZERO
    hifdm_pay: Fen = ZERO
    oth_pay: Fen = ZERO
    fund_pay_sumamt: Fen = ZERO
    psn_part_amt: Fen = ZERO
    acct_pay: Fen = ZERO
    acct_mulaid_pay: Fen = ZERO
    psn_cash_pay: Fen = ZERO
    hosp_part_amt: Fen = ZERO
    balc: Fen = ZERO

    @property
    def by_fund(self) -> Mapping[str, Fen]:
        """What each fund pays, by the field that says so."""
        return MappingProxyType({name: getattr(self, name) for name in FUND_FIELDS})


FUND_FIELDS = (
    "hifp_pay",
    "cvlserv_pay",
    "hifes_pay",
    "hifmi_pay",
    "hifob_pay",
    "maf_pay",
    "hifdm_pay",
    "oth_pay",
)
"""The fields whose sum is ``fund_pay_sumamt`` (2.12 of the interface)."""


@dataclass(frozen=True, slots=True)
class FundDetail:
    """One row of ``setldetail``; it also lists the personal account."""

    fund_pay_type: str
    fund_pay_type_name: str
    inscp_scp_amt: Fen
    crt_payb_lmt_amt: Fen
    fund_payamt: Fen


@dataclass(frozen=True, slots=True)
class Reason:
    """One step by which the insurer came to its amounts, as data and as sentences.

    Attributes:
        rule: Which kind of rule.
        clause: Of the insurer's policy.
        subject: A ``feedetl_sn``, the field of a fund, or empty.
        before: The amount before the step.
        after: The amount after it.
        facts: What else the rule used: fen, and ratios in ten-thousandths.
        zh: The step in a sentence.
        en: The same in English.
    """

    rule: str
    clause: str
    subject: str
    before: Fen
    after: Fen
    facts: Mapping[str, int]
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class SettlementRequest:
    """2206: what would be paid by whom; moves nothing.

    Attributes:
        fixmedins_code: Of the hospital.
        psn_no: 人员编号.
        certificate: 就诊凭证.
        mdtrt_id: 就诊ID.
        chrg_bchno: The batch that is settled.
        med_type: 医疗类别.
        insutype: 险种类型.
        medfee_sumamt: The bill as the hospital counts it.
        psn_setlway: 个人结算方式.
        acct_used_flag: Whether the personal account may be used.
        mid_setl_flag: 中途结算标志: of a stay that goes on (2303, 2304).
    """

    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    certificate: Certificate
    mdtrt_id: VisitId
    chrg_bchno: str
    med_type: str
    insutype: str
    medfee_sumamt: Fen
    psn_setlway: PersonalSettlement
    acct_used_flag: bool
    mid_setl_flag: bool = False


@dataclass(frozen=True, slots=True)
class SettlementCommand:
    """2207: settle what was confirmed.

    Attributes:
        command_id: The same on every repeat; the insurer answers a repeat as the first time.
        request: As in 2206.
        confirmed: What the person confirmed; another result is a refusal.
        evidence: Redeemed for the use ``settle``.
    """

    command_id: CommandId
    request: SettlementRequest
    confirmed: Amounts
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class SettlementCancellation:
    """2208: take a settlement back whole.

    Attributes:
        command_id: The same on every repeat; the insurer answers a repeat as the first time.
        fixmedins_code: Of the hospital.
        psn_no: 人员编号.
        mdtrt_id: 就诊ID.
        setl_id: 结算ID of what is taken back.
    """

    command_id: CommandId
    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    setl_id: SettlementId


@dataclass(frozen=True, slots=True)
class SettlementReversal:
    """2601: end a settlement whose outcome is not known as never done.

    Attributes:
        command_id: Of the settlement (2207) that is ended; a repeat is answered as the first time.
        fixmedins_code: Of the hospital.
        psn_no: 人员编号.
        mdtrt_id: 就诊ID of the settlement.
    """

    command_id: CommandId
    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId


@dataclass(frozen=True, slots=True)
class EstimateRequest:
    """What would be paid by whom for lines that need not be uploaded; moves nothing.

    No national transaction: the insurer's calculation of 2206 over given lines.

    Attributes:
        request: As in 2206; ``medfee_sumamt`` is the sum of the lines.
        feedetail: The lines of the bill that is asked about, all of them.
    """

    request: SettlementRequest
    feedetail: tuple[FeeDetail, ...]


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give lines of a settlement back: cancel it and settle the rest, both or neither.

    On the wire 2208 and 2207 under the original evidence.

    Attributes:
        command_id: The same on every repeat; the insurer answers a repeat as the first time.
        fixmedins_code: Of the hospital.
        psn_no: 人员编号.
        mdtrt_id: 就诊ID.
        setl_id: 结算ID of what is refunded.
        give_back: Lines that are given back, at least one.
        chrg_bchno: The batch of the settlement.
        instead: The quantity that was kept of such lines, under new numbers.
    """

    command_id: CommandId
    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    setl_id: SettlementId
    give_back: tuple[ChargeItemNo, ...]
    chrg_bchno: str = ""
    instead: tuple[FeeDetail, ...] = ()


@dataclass(frozen=True, slots=True)
class RefundAnswer:
    """What came of a refund.

    Attributes:
        cancellation: The insurer's number of the cancellation.
        rest: What is settled instead; none when nothing was kept.
        splits: How the insurer classes the lines that were kept in part.
    """

    cancellation: SettlementId
    rest: "SettlementAnswer | None"
    splits: tuple[FeeSplit, ...] = ()


@dataclass(frozen=True, slots=True)
class SettlementAnswer:
    """The answer of 2206 and 2207.

    Attributes:
        setl_id: 结算ID; none for a trial.
        setl_time: 结算时间, UTC.
        amounts: ``setlinfo``.
        setldetail: One row for each payer that the insurer names.
        reasons: Why, in the order in which the rules were applied.
    """

    setl_id: SettlementId | None
    setl_time: datetime
    amounts: Amounts
    setldetail: tuple[FundDetail, ...]
    reasons: tuple[Reason, ...]


class TraceException(StrEnum):
    """Why a line of medicine has no trace code of its own and is paid all the same."""

    DECOCTION_PIECES = "decoction_pieces"
    """中药饮片: weighed out, there is no box."""
    SPLIT_PACK = "split_pack"
    """拆零: given out of an opened box, whose code is told with a reason."""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """What of one line is about to go out.

    Attributes:
        feedetl_sn: Which line.
        codes: 药品追溯码 ``drug_trac_codg`` of its boxes; those told earlier may be left out.
        missing: How many boxes go out without a code.
        exception: Why there is no code.
        reason: In words, of a split pack.
        mother_code: Of the opened box.
    """

    feedetl_sn: ChargeItemNo
    codes: tuple[str, ...] = ()
    missing: int = 0
    exception: TraceException | None = None
    reason: str = ""
    mother_code: str | None = None


@dataclass(frozen=True, slots=True)
class TraceTelling:
    """Boxes that are about to go out, told before their lines are settled (as ``drugtracinfo``)."""

    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    lines: tuple[TraceLine, ...]


@dataclass(frozen=True, slots=True)
class TraceEnding:
    """Boxes that came back from the person, or never went out."""

    fixmedins_code: InstitutionCode
    psn_no: PersonNo
    mdtrt_id: VisitId
    codes: tuple[str, ...]
    handed_out: bool


@dataclass(frozen=True, slots=True)
class Label:
    """Words that must stand on every printed line, such as that a terminal is simulated."""

    zh: str
    en: str


hospital_kind = KindsOf("hospital", helper=Helper.CLERK).kind
"""Declares a kind of refusal of the hospital; a clerk helps unless said otherwise."""


COMMAND_DIFFERS = hospital_kind(
    "command_differs",
    "这个编号已经用来办过另一件事",
    "This command identifier was used for something else",
    "请用新的编号办理",
    "Use a new identifier for another command",
    Helper.TECHNICIAN,
)
OUTCOME_UNKNOWN = hospital_kind(
    "outcome_unknown",
    "还不知道医保有没有办成，正在核对",
    "It is not known yet whether the insurer has done this",
    "请稍等，不要重新交费；系统会用同一个编号再问一次",
    "Wait and do not pay again; the same command is asked for again",
    finality=Finality.UNKNOWN,
)
INSURER_UNREACHABLE = hospital_kind(
    "insurer_unreachable",
    "医保系统暂时没有回应",
    "The insurer's system does not answer",
    "请稍等再试；急的可以先自费办理，之后再报销",
    "Try again in a moment; if it is urgent, pay in full and claim it later",
    finality=Finality.TEMPORARY,
)
SCENE_NOT_ALLOWED = hospital_kind(
    "scene_not_allowed",
    "刷脸时选的业务和现在办的不一样",
    "The face was taken for another business",
    "请重新选择业务并刷脸",
    "Choose the business again and take the face again",
    Helper.SELF,
)
INTENT_DIFFERS = hospital_kind(
    "intent_differs",
    "本人确认的不是这一件事",
    "The person confirmed something else",
    "请让本人对着这张账单重新确认",
    "Let the person confirm this one",
    Helper.SELF,
)
HANDOVER_GONE = hospital_kind(
    "handover_gone",
    "刷脸结果已经过时，或不是您请的",
    "What was scanned is over, or another member of staff asked for it",
    "请让终端再刷一次脸",
    "Ask the terminal for another scan",
)
PROOF_NOT_FITTING = hospital_kind(
    "proof_not_fitting",
    "刷脸确认的不是这个人或这件事",
    "The face proof is of another person or for something else",
    "请本人重新刷脸",
    "Let the person scan again",
    Helper.SELF,
)
ANSWER_INVALID = hospital_kind(
    "answer_invalid",
    "医保返回的内容对不上",
    "The insurer's answer does not fit what was asked or does not add up",
    "请不要收费，通知技术人员和医保经办机构核对",
    "Take no money; tell the technicians and the insurer",
    Helper.TECHNICIAN,
)
TERMINAL_ELSEWHERE = hospital_kind(
    "terminal_elsewhere",
    "这台机器不是本院的",
    "This terminal belongs to another institution",
    "请用本院的机器，或到窗口办理",
    "Use a terminal of this hospital, or go to a window",
    Helper.TECHNICIAN,
)

REFUSALS = (
    TERMINAL_ELSEWHERE,
    COMMAND_DIFFERS,
    OUTCOME_UNKNOWN,
    INSURER_UNREACHABLE,
    SCENE_NOT_ALLOWED,
    INTENT_DIFFERS,
    PROOF_NOT_FITTING,
    HANDOVER_GONE,
    ANSWER_INVALID,
)


def check_scene(evidence: FaceEvidence, allowed: frozenset[Scene]) -> None:
    """Check that the face was taken for one of the scenes that an act belongs to.

    Raises:
        Refused: ``hospital.scene_not_allowed``.
    """
    if evidence.scene not in allowed:
        expected = ",".join(sorted(allowed))
        raise Refused(SCENE_NOT_ALLOWED, found=evidence.scene.value, expected=expected)


def check_proof(evidence: FaceEvidence, proof: FaceProof, allowed: frozenset[Scene]) -> PersonNo:
    """Check that a proof is what the evidence says, and tell whose it is.

    Only for people who act for themselves.

    Raises:
        Refused: ``hospital.scene_not_allowed``, ``hospital.proof_not_fitting``.
    """
    _check_fits(evidence, proof, allowed)
    own = evidence.relation is Relation.SELF and proof.subject == proof.beneficiary
    if not own or proof.relation is not Relation.SELF:
        raise Refused(PROOF_NOT_FITTING, differs="relation")
    return proof.subject


def check_proof_for_relative(
    evidence: FaceEvidence, proof: FaceProof, allowed: frozenset[Scene]
) -> tuple[PersonNo, FaceEvidence]:
    """Check the proof of somebody who acts for a bound relative.

    Gives whose matter it is, and the evidence with who acted.

    Raises:
        Refused: ``hospital.scene_not_allowed``, ``hospital.proof_not_fitting``.
    """
    _check_fits(evidence, proof, allowed)
    # A proxy without a binding, and whoever says one thing and proved another, acts for nobody.
    bound = proof.relation is Relation.FAMILY and proof.subject != proof.beneficiary
    if not bound or evidence.relation is not Relation.FAMILY:
        raise Refused(PROOF_NOT_FITTING, differs="relation")
    return proof.beneficiary, replace(evidence, subject=proof.subject)


def _check_fits(evidence: FaceEvidence, proof: FaceProof, allowed: frozenset[Scene]) -> None:
    check_scene(evidence, allowed)
    # A proof taken elsewhere, for something else or for another person is good for nothing here.
    for name, fits in (
        ("terminal", proof.terminal_id == evidence.terminal_id),
        ("intent", proof.intent_id == evidence.intent_id),
        ("scene", proof.scene is evidence.scene),
    ):
        if not fits:
            raise Refused(PROOF_NOT_FITTING, differs=name)


def check_document(evidence: Evidence | None, id_number: IdNumber) -> None:
    """Check that a document, where one was shown, is that of the person.

    Raises:
        Refused: ``hospital.proof_not_fitting``.
    """
    if isinstance(evidence, DocumentEvidence) and evidence.id_number != id_number:
        raise Refused(PROOF_NOT_FITTING, differs="document")


def acted_by(evidence: Evidence | None) -> PersonNo | None:
    """Who acted for the patient by their own face; none where the patient did."""
    return evidence.subject if isinstance(evidence, FaceEvidence) else None


def is_final(failure: Exception) -> TypeGuard[Refused]:
    """Whether a failure of the insurer's platform means that nothing was done."""
    return isinstance(failure, Refused) and failure.kind.finality is Finality.FINAL


def age_band(birth_date: date, day: date) -> str:
    """The age in decades at ``day``, such as ``60-69``; ``90+`` at the end.

    Coarse on purpose: it serves statistics and must point at nobody.
    """
    decade = years_old(birth_date, day) // 10 * 10
    return "90+" if decade >= 90 else f"{decade}-{decade + 9}"


def broken_identities(amounts: Amounts) -> tuple[str, ...]:
    """The identities of 2.12 of the interface that do not hold; empty for right amounts."""
    a = amounts
    scopes = a.fulamt_ownpay_amt + a.overlmt_selfpay + a.preselfpay_amt + a.inscp_scp_amt
    person = a.acct_pay + a.acct_mulaid_pay + a.psn_cash_pay
    rules = {
        "medfee_sumamt is the sum of its four scopes": a.medfee_sumamt == scopes,
        "fund_pay_sumamt is the sum of the funds": a.fund_pay_sumamt == sum(a.by_fund.values()),
        "psn_part_amt is accounts and cash": a.psn_part_amt == person,
        "medfee_sumamt is funds, person and hospital": a.medfee_sumamt
        == a.fund_pay_sumamt + a.psn_part_amt + a.hosp_part_amt,
        "the funds pay at most what is above the deductible": a.fund_pay_sumamt
        <= a.inscp_scp_amt - a.act_pay_dedc,
        "no amount is negative": all(getattr(a, each.name) >= 0 for each in fields(Amounts)),
    }
    return tuple(rule for rule, holds in rules.items() if not holds)


def check_adds_up(amounts: Amounts) -> None:
    """Check the identities of a settlement before anybody relies on it.

    Raises:
        Refused: ``hospital.answer_invalid`` with the first rule that is broken.
    """
    for rule in broken_identities(amounts):
        raise Refused(ANSWER_INVALID, broken=rule)


def refusal_to_text(refused: Refused) -> str:
    """A refusal whole, so that a repeat is refused in the same words."""
    return json.dumps(refused.as_json(), ensure_ascii=False, sort_keys=True)


def refusal_from_text(text: str) -> Refused:
    """What :func:`refusal_to_text` wrote."""
    stored = json.loads(text)
    kind = RefusalKind(
        code=stored["code"],
        zh=stored["message"]["zh"],
        en=stored["message"]["en"],
        next_zh=stored["next"]["zh"],
        next_en=stored["next"]["en"],
        helper=Helper(stored["helper"]),
        finality=Finality(stored["finality"]),
    )
    return Refused(kind, **stored["details"])


def evidence_to_bytes(evidence: Evidence) -> bytes:
    """Evidence as it is sealed at rest."""
    return json.dumps({"channel": evidence.channel.value, **_fields_of(evidence)}).encode()


def _fields_of(evidence: Evidence) -> Mapping[str, str]:
    match evidence:
        case FaceEvidence():
            return {
                "auth_no": evidence.auth_no,
                "intent_id": evidence.intent_id,
                "scene": evidence.scene.value,
                "terminal_id": evidence.terminal_id,
                "first_frame_at": evidence.first_frame_at.isoformat(),
                "subject": evidence.subject or "",
                "relation": evidence.relation.value,
            }
        case CodeEvidence():
            return {"token": evidence.token, "intent_id": evidence.intent_id}
        case CardEvidence():
            return {
                "card_no": evidence.card_no,
                "pin": evidence.pin,
                "intent_id": evidence.intent_id,
            }
        case DocumentEvidence():
            return {
                "id_number": evidence.id_number.value,
                "seen_by": evidence.seen_by,
                "intent_id": evidence.intent_id,
            }


def without_pin(evidence: Evidence) -> Evidence:
    """The evidence as it may be kept for longer than the person stands there."""
    return replace(evidence, pin="") if isinstance(evidence, CardEvidence) else evidence


def years_old(birth_date: date, day: date) -> int:
    """Completed years at ``day``."""
    had_birthday = (day.month, day.day) >= (birth_date.month, birth_date.day)
    return day.year - birth_date.year - (not had_birthday)


def evidence_from_bytes(content: bytes) -> FaceEvidence:
    """The face that :func:`evidence_to_bytes` wrote."""
    return _face_from(json.loads(content))


def any_evidence_from_bytes(content: bytes) -> Evidence:
    """What :func:`evidence_to_bytes` wrote."""
    stored = json.loads(content)
    intent_id = IntentId(stored["intent_id"])
    match Channel(stored["channel"]):
        case Channel.FACE:
            return _face_from(stored)
        case Channel.CODE:
            return CodeEvidence(stored["token"], intent_id)
        case Channel.CARD:
            return CardEvidence(stored["card_no"], stored["pin"], intent_id)
        case Channel.DOCUMENT:
            number, seen_by = IdNumber(stored["id_number"]), StaffId(stored["seen_by"])
            return DocumentEvidence(id_number=number, seen_by=seen_by, intent_id=intent_id)


def _face_from(stored: Mapping[str, Any]) -> FaceEvidence:
    return FaceEvidence(
        auth_no=AuthNo(stored["auth_no"]),
        intent_id=IntentId(stored["intent_id"]),
        scene=Scene(stored["scene"]),
        terminal_id=TerminalId(stored["terminal_id"]),
        first_frame_at=datetime.fromisoformat(stored["first_frame_at"]),
        # Absent in what was sealed before relatives could pay.
        subject=PersonNo(stored["subject"]) if stored.get("subject") else None,
        relation=Relation(stored.get("relation", Relation.SELF.value)),
    )
