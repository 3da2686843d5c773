"""Diagnoses, and clinical orders with their states; pure.

An order: ``draft -> signed -> performed``; a draft may be ``discarded``. A signed order that is not
paid is ``withdrawn`` at once; a paid one goes through ``refunding``, from which a refusal of the
insurer leads back to ``signed``. Whether a signed order is uploaded, is being paid or is paid
follows from its charge items and is stored nowhere else (:func:`standing`).
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode, StaffId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Helper, Refused
from shualian.hospital.model import COMMAND_DIFFERS, SettlementAnswer, hospital_kind
from shualian.hospital.orders.model import (
    Batch,
    BatchState,
    ChargeItem,
    ItemCategory,
    OrderLine,
    PriceList,
    check_lines,
)
from shualian.hospital.scheduling.model import Doctor

OrderNo = NewType("OrderNo", str)
"""医嘱号: of a clinical order; also the command under which its charge items stand."""

DIAGNOSES_MAX = 20
"""The most diagnoses of one visit."""
DAYS_MAX = 84
"""The longest prescription: 12 weeks, as for chronic diseases (长期处方)."""
_ICD10 = re.compile(r"[A-Z][0-9]{2}(\.[0-9A-Za-z+]{1,8})?")
_TEXT_MAX = 100


class DiagnosisType(StrEnum):
    """``diag_type`` 诊断类别."""

    WESTERN = "1"
    CHINESE_DISEASE = "2"
    CHINESE_SYNDROME = "3"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One diagnosis; the first of a list is the main one.

    Attributes:
        code: ICD-10, such as ``J06.900``.
        name: As the doctor wrote it.
        kind: 诊断类别.
    """

    code: str
    name: str
    kind: DiagnosisType = DiagnosisType.WESTERN


@dataclass(frozen=True, slots=True)
class DiagnosisEntry:
    """One row of a list from which doctors choose.

    Attributes:
        code: ICD-10.
        name_zh: For people.
        name_en: For people.
        pinyin: First letters of the name's syllables, lower case.
    """

    code: str
    name_zh: str
    name_en: str
    pinyin: str


def parse_diagnosis_list(text: str) -> tuple[DiagnosisEntry, ...]:
    """Read a list of diagnoses: CSV with the fields of :class:`DiagnosisEntry` in its first row.

    Raises:
        Refused: ``hospital.diagnosis_invalid``; ``line`` counts from 0 with the first entry.
    """
    entries: list[DiagnosisEntry] = []
    for place, row in enumerate(csv.DictReader(text.splitlines())):
        values = [row.get(name) for name in ("code", "name_zh", "name_en", "pinyin")]
        if None in values or not _ICD10.fullmatch(row["code"]):
            raise Refused(DIAGNOSIS_INVALID, line=place)
        entries.append(DiagnosisEntry(*[value or "" for value in values]))
    return tuple(entries)


def search_diagnoses(
    entries: Sequence[DiagnosisEntry], text: str, *, limit: int = 20
) -> Sequence[DiagnosisEntry]:
    """Entries by code, name in either language or first letters; blank finds nothing."""
    asked = text.strip().lower()
    if not asked:
        return []
    starts = [
        entry
        for entry in entries
        if entry.code.lower().startswith(asked)
        or entry.pinyin.startswith(asked)
        or entry.name_zh.lower().startswith(asked)
    ]
    others = [
        entry
        for entry in entries
        if entry not in starts
        and (asked in entry.name_zh.lower() or asked in entry.name_en.lower())
    ]
    return [*starts, *others][:limit]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a doctor says of the illness; each new one takes the place of the one before.

    Attributes:
        command_id: Of the caller.
        encounter_no: Of which visit.
        doctor: Who says it.
        stated_by: The same as a member of staff.
        stated_at: UTC.
        complaint: 主要病情描述; or empty.
        diagnoses: The main one first.
        told_at: When the insurer had it (2203), UTC; none before.
    """

    command_id: CommandId
    encounter_no: EncounterNo
    doctor: Doctor
    stated_by: StaffId
    stated_at: datetime
    complaint: str = field(repr=False)
    diagnoses: tuple[Diagnosis, ...] = field(repr=False)
    told_at: datetime | None = None


class OrderKind(StrEnum):
    """What is ordered, which decides who performs it."""

    PRESCRIPTION = "prescription"
    EXAMINATION = "examination"
    LABORATORY = "laboratory"
    TREATMENT = "treatment"


CATEGORIES: Mapping[OrderKind, frozenset[ItemCategory]] = MappingProxyType(
    {
        OrderKind.PRESCRIPTION: frozenset((ItemCategory.MEDICINE,)),
        OrderKind.EXAMINATION: frozenset((ItemCategory.EXAM,)),
        OrderKind.LABORATORY: frozenset((ItemCategory.LAB,)),
        OrderKind.TREATMENT: frozenset(
            (ItemCategory.TREATMENT, ItemCategory.MATERIAL, ItemCategory.SERVICE)
        ),
    }
)
"""Which items may stand on which order."""


@dataclass(frozen=True, slots=True)
class Use:
    """How a medicine is taken.

    Attributes:
        dose: 单次剂量, such as ``0.5g``.
        frequency: 使用频次, such as ``每日三次``.
        route: 用药途径, such as ``口服``.
        days: 用药天数, 1 to :data:`DAYS_MAX`.
    """

    dose: str
    frequency: str
    route: str
    days: int

    @property
    def text_zh(self) -> str:
        """In words, as it stands on a label."""
        return f"每次{self.dose}，{self.frequency}，{self.route}，{self.days}天"


@dataclass(frozen=True, slots=True)
class ClinicalLine:
    """One line of an order.

    Attributes:
        medins_list_codg: The hospital's code of the item.
        cnt: Quantity, above 0, at most 4 decimals.
        use: How it is taken; on a prescription only, and there always.
    """

    medins_list_codg: str
    cnt: Decimal
    use: Use | None = None

    @property
    def line(self) -> OrderLine:
        """As it is charged."""
        return OrderLine(self.medins_list_codg, self.cnt)


class OrderState(StrEnum):
    """Where an order stands."""

    DRAFT = "draft"
    DISCARDED = "discarded"
    SIGNED = "signed"
    PERFORMED = "performed"
    """Examined, treated or given out; from here on nothing is withdrawn."""
    REFUNDING = "refunding"
    """Paid, and to be given back; the insurer is asked or about to be."""
    WITHDRAWN = "withdrawn"


_NEXT: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {
        OrderState.DRAFT: frozenset((OrderState.SIGNED, OrderState.DISCARDED)),
        OrderState.DISCARDED: frozenset(),
        OrderState.SIGNED: frozenset(
            (OrderState.PERFORMED, OrderState.REFUNDING, OrderState.WITHDRAWN)
        ),
        OrderState.PERFORMED: frozenset(),
        OrderState.REFUNDING: frozenset((OrderState.WITHDRAWN, OrderState.SIGNED)),
        OrderState.WITHDRAWN: frozenset(),
    }
)


class Standing(StrEnum):
    """Where an order stands for people: its state with where its money stands."""

    DRAFT = "draft"
    DISCARDED = "discarded"
    SIGNED = "signed"
    """The insurer does not have its lines yet."""
    UPLOADED = "uploaded"
    PAYING = "paying"
    """A bill with it was shown."""
    PAID = "paid"
    PERFORMED = "performed"
    REFUNDING = "refunding"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ClinicalOrder:
    """What a doctor orders for a patient.

    Attributes:
        order_no: Its number.
        institution: Whose.
        encounter_no: In which visit.
        command_id: Which command drafted it.
        kind: What is ordered.
        doctor: Who orders.
        drafted_by: The same as a member of staff.
        drafted_at: UTC.
        lines: What.
        state: Where it stands.
        amends: The order that this one takes the place of, which is withdrawn as it is signed.
        signed_at: UTC, once signed.
        acknowledged: Warnings that the doctor saw and signed nevertheless.
        ended_at: When it was performed, withdrawn or discarded, UTC.
        ended_by: Who did that.
        reason: Why it was withdrawn.
        refund_id: Command of its refund, when it was paid.
        at_pharmacy_at: Since when a prescription is in the pharmacy's queue, UTC.
    """

    order_no: OrderNo
    institution: InstitutionCode
    encounter_no: EncounterNo
    command_id: CommandId
    kind: OrderKind
    doctor: Doctor
    drafted_by: StaffId
    drafted_at: datetime
    lines: tuple[ClinicalLine, ...]
    state: OrderState = OrderState.DRAFT
    amends: OrderNo | None = None
    signed_at: datetime | None = None
    acknowledged: frozenset[str] = frozenset()
    ended_at: datetime | None = None
    ended_by: StaffId | None = None
    reason: str = ""
    refund_id: CommandId | None = None
    at_pharmacy_at: datetime | None = None

    @property
    def charged_by(self) -> CommandId:
        """The command of its charge items."""
        return CommandId(self.order_no)


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with where its money stands.

    Attributes:
        order: The order.
        standing: Where it stands for people.
        amount_fen: Of all its lines; at today's prices while it is a draft.
        open_fen: What of that is still to be paid, by whomever.
        paid_fen: What of that is settled.
        items: Its charge items that stand; none of a draft.
    """

    order: ClinicalOrder
    standing: Standing
    amount_fen: Fen
    open_fen: Fen
    paid_fen: Fen
    items: tuple[ChargeItem, ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """What a doctor should see before signing.

    Attributes:
        code: Stable: what is wrong and with which item, to be acknowledged by.
        zh: In words.
        en: The same in English.
    """

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class CostPreview:
    """What the patient would pay if a draft were signed now.

    Attributes:
        with_order: The open bill with the draft, as the insurer would settle it now.
        without: The open bill as it is; none when nothing is open.
        warnings: What the doctor should see first.
    """

    with_order: SettlementAnswer
    without: SettlementAnswer | None
    warnings: tuple[Warned, ...] = ()

    @property
    def adds_fen(self) -> Fen:
        """What the order adds to what the person bears (accounts and cash)."""
        before = ZERO if self.without is None else self.without.amounts.psn_part_amt
        return Fen(self.with_order.amounts.psn_part_amt - before)

    @property
    def adds_cash_fen(self) -> Fen:
        """What of that is cash, or comes from an e-payment account."""
        before = ZERO if self.without is None else self.without.amounts.psn_cash_pay
        return Fen(self.with_order.amounts.psn_cash_pay - before)


DIAGNOSIS_INVALID = hospital_kind(
    "diagnosis_invalid",
    "诊断代码或名称不对",
    "A code or a name of the diagnoses is not valid",
    "请从诊断目录里选择",
    "Choose from the list of diagnoses",
    Helper.SELF,
)
ORDER_NOT_FOUND = hospital_kind(
    "order_not_found",
    "没有这条医嘱",
    "There is no such order",
    "请核对医嘱号",
    "Check the number of the order",
)
ORDER_STEP = hospital_kind(
    "order_step",
    "这条医嘱现在不能做这一步",
    "The order cannot take this step now",
    "请看医嘱状态再办理",
    "Look at the state of the order first",
)
ORDER_LINES_INVALID = hospital_kind(
    "order_lines_invalid",
    "医嘱的项目或用法不完整",
    "The items of the order or the way of use are not valid",
    "请核对项目、用法和天数",
    "Check the items, how they are used and for how many days",
    Helper.SELF,
)
ORDER_OF_ANOTHER_DOCTOR = hospital_kind(
    "order_of_another_doctor",
    "这条医嘱是另一位医生开的",
    "Another doctor drafted this order",
    "请由开单医生签名",
    "Let the doctor who drafted it sign",
)
ORDER_PERFORMED = hospital_kind(
    "order_performed",
    "已经做过检查、治疗或发过药，不能撤销医嘱",
    "The order was performed or the medicine given out, so it cannot be withdrawn",
    "退药请到药房办理；做过的检查不能退",
    "Return medicine at the pharmacy; what was examined cannot be given back",
)
ORDER_NOT_PAID = hospital_kind(
    "order_not_paid",
    "这条医嘱还没有付费",
    "The order is not paid",
    "请先付费",
    "Pay first",
    Helper.SELF,
)
WARNINGS_OPEN = hospital_kind(
    "warnings_open",
    "有用药提醒还没有确认",
    "There are warnings that are not acknowledged",
    "请看提醒，确认后再签名，或修改医嘱",
    "Read the warnings, acknowledge them and sign, or change the order",
    Helper.SELF,
)
REFUSALS = (
    DIAGNOSIS_INVALID,
    ORDER_NOT_FOUND,
    ORDER_STEP,
    ORDER_LINES_INVALID,
    ORDER_OF_ANOTHER_DOCTOR,
    ORDER_PERFORMED,
    ORDER_NOT_PAID,
    WARNINGS_OPEN,
)


def check_diagnoses(diagnoses: Sequence[Diagnosis]) -> None:
    """Check number, codes and names of diagnoses.

    Raises:
        Refused: ``hospital.diagnosis_invalid``.
    """
    codes = [diagnosis.code for diagnosis in diagnoses]
    if not 1 <= len(codes) <= DIAGNOSES_MAX or len(set(codes)) != len(codes):
        raise Refused(DIAGNOSIS_INVALID, count=len(codes), limit=DIAGNOSES_MAX)
    for place, diagnosis in enumerate(diagnoses):
        good = _ICD10.fullmatch(diagnosis.code) and 1 <= len(diagnosis.name) <= _TEXT_MAX
        if not good:
            raise Refused(DIAGNOSIS_INVALID, line=place)


def check_same_statement(
    found: Statement, *, encounter_no: EncounterNo, complaint: str, diagnoses: Sequence[Diagnosis]
) -> None:
    """Check that a repeated command says what it said the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    said = (found.encounter_no, found.complaint, found.diagnoses)
    if said != (encounter_no, complaint, tuple(diagnoses)):
        raise Refused(COMMAND_DIFFERS)


def check_clinical_lines(kind: OrderKind, lines: Sequence[ClinicalLine], prices: PriceList) -> None:
    """Check that the items fit the kind of order and every medicine says how it is taken.

    Raises:
        Refused: ``hospital.order_invalid``, ``item_not_priced``, ``order_lines_invalid``.
    """
    check_lines([line.line for line in lines])
    for place, line in enumerate(lines):
        priced = prices.priced(line.medins_list_codg)
        if priced.category not in CATEGORIES[kind]:
            found = priced.category.value
            raise Refused(ORDER_LINES_INVALID, line=place, found=found, order=kind.value)
        if (line.use is not None) is not (kind is OrderKind.PRESCRIPTION):
            raise Refused(ORDER_LINES_INVALID, line=place, found="how it is taken")
        if line.use is not None:
            _check_use(line.use, place)


def _check_use(use: Use, place: int) -> None:
    texts = (use.dose, use.frequency, use.route)
    if not all(1 <= len(text) <= _TEXT_MAX for text in texts) or not 1 <= use.days <= DAYS_MAX:
        raise Refused(ORDER_LINES_INVALID, line=place, limit_days=DAYS_MAX)


def check_same_draft(
    found: ClinicalOrder,
    *,
    encounter_no: EncounterNo,
    kind: OrderKind,
    lines: Sequence[ClinicalLine],
    amends: OrderNo | None,
) -> None:
    """Check that a repeated command drafts what it drafted the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    drafted = (found.encounter_no, found.kind, found.lines, found.amends)
    if drafted != (encounter_no, kind, tuple(lines), amends):
        raise Refused(COMMAND_DIFFERS)


def signed(
    order: ClinicalOrder, *, doctor: Doctor, acknowledged: frozenset[str], now: datetime
) -> ClinicalOrder:
    """The order once its doctor has signed it.

    Raises:
        Refused: ``hospital.order_of_another_doctor``, ``order_step``.
    """
    if order.doctor.dr_code != doctor.dr_code:
        raise Refused(ORDER_OF_ANOTHER_DOCTOR)
    after = _moved(order, OrderState.SIGNED)
    return replace(after, signed_at=now, acknowledged=acknowledged)


def discarded(order: ClinicalOrder, *, by: StaffId, now: datetime) -> ClinicalOrder:
    """The draft once it was thrown away.

    Raises:
        Refused: ``hospital.order_step``.
    """
    return replace(_moved(order, OrderState.DISCARDED), ended_at=now, ended_by=by)


def performed(order: ClinicalOrder, *, is_paid: bool, by: StaffId, now: datetime) -> ClinicalOrder:
    """The order once it was carried out; only when it is paid.

    Raises:
        Refused: ``hospital.order_step``, ``hospital.order_not_paid``.
    """
    after = _moved(order, OrderState.PERFORMED)
    if not is_paid:
        raise Refused(ORDER_NOT_PAID)
    return replace(after, ended_at=now, ended_by=by)


def withdrawn(order: ClinicalOrder, *, by: StaffId, reason: str, now: datetime) -> ClinicalOrder:
    """The unpaid order once it was withdrawn.

    Raises:
        Refused: ``hospital.order_performed``, ``order_step``.
    """
    after = _moved(order, OrderState.WITHDRAWN)
    return replace(after, ended_at=now, ended_by=by, reason=reason)


def to_refund(
    order: ClinicalOrder, refund_id: CommandId, *, by: StaffId, reason: str
) -> ClinicalOrder:
    """The paid order once it is to be given back.

    Raises:
        Refused: ``hospital.order_performed``, ``order_step``.
    """
    after = _moved(order, OrderState.REFUNDING)
    return replace(after, refund_id=refund_id, ended_by=by, reason=reason)


def refund_decided(order: ClinicalOrder, *, is_done: bool, now: datetime) -> ClinicalOrder:
    """The order once its refund was done, or was refused and it stands as before.

    Raises:
        Refused: ``hospital.order_step``.
    """
    if is_done:
        return replace(_moved(order, OrderState.WITHDRAWN), ended_at=now)
    after = _moved(order, OrderState.SIGNED)
    return replace(after, refund_id=None, ended_by=None, reason="")


def _moved(order: ClinicalOrder, to: OrderState) -> ClinicalOrder:
    if order.state is OrderState.PERFORMED:
        raise Refused(ORDER_PERFORMED)
    if to not in _NEXT[order.state]:
        raise Refused(ORDER_STEP, found=order.state.value, asked=to.value)
    return replace(order, state=to)


_STATE_ALONE = MappingProxyType(
    {state: Standing(state.value) for state in OrderState if state is not OrderState.SIGNED}
)


def standing(
    order: ClinicalOrder, items: Sequence[ChargeItem], batches: Mapping[str, Batch]
) -> Standing:
    """Where an order stands for people.

    Args:
        order: Which.
        items: Its charge items that stand.
        batches: Of its visit, by number.
    """
    if order.state is not OrderState.SIGNED:
        return _STATE_ALONE[order.state]
    states = {batches[item.chrg_bchno].state for item in items}
    if states == {BatchState.SETTLED}:
        return Standing.PAID
    if BatchState.HELD in states:
        return Standing.PAYING
    uploaded = bool(items) and all(item.split is not None for item in items)
    return Standing.UPLOADED if uploaded else Standing.SIGNED


def alike(
    asked: Sequence[ClinicalLine], standing_codes: Sequence[str], prices: PriceList
) -> tuple[Warned, ...]:
    """Medicines of a draft that are like one another or like one that is ordered already."""
    warnings: dict[str, Warned] = {}
    others = [code for code in standing_codes if code in prices.items]
    for line in asked:
        item = prices.priced(line.medins_list_codg)
        for code in others:
            other = prices.items[code]
            if item.substances & other.substances:
                pair = "+".join(sorted((item.medins_list_codg, code)))
                warnings[pair] = Warned(
                    f"duplicate:{pair}",
                    f"{item.name_zh}和{other.name_zh}成分相同或作用相近",
                    f"{item.name_en} and {other.name_en} are the same or act alike",
                )
        others.append(line.medins_list_codg)
    return tuple(warnings.values())


def against_allergies(
    asked: Sequence[ClinicalLine], allergies: frozenset[str], prices: PriceList
) -> tuple[Warned, ...]:
    """Medicines of a draft that contain or belong to what the patient is allergic to."""
    return tuple(
        Warned(
            f"allergy:{item.medins_list_codg}",
            f"病人对{item.name_zh}或同类药过敏",
            f"The patient is allergic to {item.name_en} or medicines like it",
        )
        for item in (prices.priced(line.medins_list_codg) for line in asked)
        if item.substances & allergies
    )


def check_acknowledged(warnings: Sequence[Warned], acknowledged: frozenset[str]) -> None:
    """Check that the doctor has seen every warning.

    Raises:
        Refused: ``hospital.warnings_open``; ``codes`` names what is open.
    """
    open_codes = [warning.code for warning in warnings if warning.code not in acknowledged]
    if open_codes:
        raise Refused(WARNINGS_OPEN, codes=",".join(open_codes))
