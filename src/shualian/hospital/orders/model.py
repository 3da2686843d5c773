"""Orders as charge items: a price list, lines with exact amounts, and the batches they settle in.

A hospital's list carries codes and prices only; class, upfront share and price ceiling of a line
are the insurer's answer to its upload (2204).
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shualian.core.identifiers import ChargeItemNo, CommandId, EncounterNo, InstitutionCode
from shualian.core.money import Fen, total
from shualian.core.refusals import Helper, Refused
from shualian.hospital.model import (
    ANSWER_INVALID,
    COMMAND_DIFFERS,
    NOTHING_SAID,
    FeeDetail,
    FeeSplit,
    hospital_kind,
)

COUNT_MAX = Decimal(10_000)
"""The most of one item in one line."""
LINES_MAX = 100
"""The most lines of one command."""

_Code = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[0-9A-Za-z_.-]+$")]
_Name = Annotated[str, Field(min_length=1, max_length=100)]
_Note = Annotated[str, Field(max_length=100)]


class ItemCategory(StrEnum):
    """What kind of thing an item is; decides on what order it may stand."""

    MEDICINE = "medicine"
    EXAM = "exam"
    LAB = "lab"
    TREATMENT = "treatment"
    MATERIAL = "material"
    SERVICE = "service"


class PricedItem(BaseModel):
    """One row of a price list.

    Attributes:
        medins_list_codg: 医药机构目录编码, the hospital's own code.
        med_list_codg: 医疗目录编码, of the insurer's catalogue.
        name_zh: For people.
        name_en: For people.
        pric_yuan: Unit price in yuan, at most 6 decimals.
        category: What kind of thing it is.
        spec: 规格, of a medicine or a material; or empty.
        unit: 计价单位; or empty.
        pinyin: First letters of the name's syllables, lower case, for search; or empty.
        ingredients: Of a medicine, separated by ``;``; or empty.
        groups: Of substances that act alike, such as ``penicillins``, separated by ``;``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    medins_list_codg: _Code
    med_list_codg: _Code
    name_zh: _Name
    name_en: _Name
    pric_yuan: Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
    category: ItemCategory = ItemCategory.SERVICE
    spec: _Note = ""
    unit: Annotated[str, Field(max_length=20)] = ""
    pinyin: Annotated[str, Field(max_length=50, pattern=r"^[0-9a-z]*$")] = ""
    ingredients: _Note = ""
    groups: _Note = ""

    @property
    def substances(self) -> frozenset[str]:
        """What it contains and to what it belongs: the words by which two medicines are alike."""
        return frozenset(word for word in f"{self.ingredients};{self.groups}".split(";") if word)

    def match(self, asked: str) -> int | None:
        """How well ``asked`` (lower case) fits: 0 best; none when it does not."""
        name, code = self.name_zh.lower(), self.medins_list_codg.lower()
        if asked in {code, name, self.pinyin}:
            return 0
        if code.startswith(asked) or name.startswith(asked) or self.pinyin.startswith(asked):
            return 1
        found = asked in name or asked in self.pinyin or asked in self.name_en.lower()
        return 2 if found else None


@dataclass(frozen=True, slots=True)
class PriceList:
    """What a hospital charges for what.

    Attributes:
        items: By ``medins_list_codg``.
    """

    items: Mapping[str, PricedItem]

    def priced(self, medins_list_codg: str) -> PricedItem:
        """The item with the hospital's code.

        Raises:
            Refused: ``hospital.item_not_priced``.
        """
        found = self.items.get(medins_list_codg)
        if found is None:
            raise Refused(ITEM_NOT_PRICED, medins_list_codg=medins_list_codg)
        return found

    def search(
        self, text: str, *, categories: Collection[ItemCategory] = (), limit: int = 20
    ) -> Sequence[PricedItem]:
        """Items by code, name in either language or first letters of the pinyin; best first.

        Args:
            text: What the doctor typed; blank finds nothing.
            categories: Only of these; empty for all.
            limit: The most that are given.
        """
        asked = text.strip().lower()
        if not asked:
            return []
        ranked = [
            (rank, len(item.name_zh), item.medins_list_codg, item)
            for item in self.items.values()
            if not categories or item.category in categories
            if (rank := item.match(asked)) is not None
        ]
        return [item for *_, item in sorted(ranked, key=lambda found: found[:3])[:limit]]

    def on(self, _day: date) -> "PriceList":
        """The list itself: one that stands for every day."""
        return self


@dataclass(frozen=True, slots=True)
class OrderLine:
    """What is ordered.

    Attributes:
        medins_list_codg: The hospital's code.
        cnt: Quantity, above 0, at most 4 decimals.
    """

    medins_list_codg: str
    cnt: Decimal


@dataclass(frozen=True, slots=True)
class ChargeItem:
    """One line of a bill, with the price of the day on which it was ordered.

    Attributes:
        feedetl_sn: 费用明细流水号.
        institution: Whose.
        encounter_no: Of which visit.
        chrg_bchno: In which batch it is settled.
        command_id: Which command ordered it.
        line_no: Which line of that command, from 0; from :data:`LINES_MAX` on what was kept of
            a line when the other part was given back.
        medins_list_codg: The hospital's code.
        med_list_codg: The catalogue's code.
        name_zh: For people.
        name_en: For people.
        pric: Unit price in yuan.
        cnt: Quantity.
        det_item_fee_sumamt: The line's amount.
        fee_ocur_time: When, UTC.
        bilg_dept_codg: 开单科室编码.
        bilg_dept_name: 开单科室名称.
        bilg_dr_codg: 开单医生编码.
        bilg_dr_name: 开单医师姓名.
        hosp_appr_flag: 医院审批标志; ``2`` since its boxes were told without all codes.
        split: The insurer's answer to its upload; none before.
        withdrawn_at: Since when it is on no bill any more, UTC; none while it is.
    """

    feedetl_sn: ChargeItemNo
    institution: InstitutionCode
    encounter_no: EncounterNo
    chrg_bchno: str
    command_id: CommandId
    line_no: int
    medins_list_codg: str
    med_list_codg: str
    name_zh: str
    name_en: str
    pric: Decimal
    cnt: Decimal
    det_item_fee_sumamt: Fen
    fee_ocur_time: datetime
    bilg_dept_codg: str
    bilg_dept_name: str
    bilg_dr_codg: str
    bilg_dr_name: str
    hosp_appr_flag: str = NOTHING_SAID
    split: FeeSplit | None = None
    withdrawn_at: datetime | None = None

    @property
    def detail(self) -> FeeDetail:
        """The line as it is uploaded."""
        return FeeDetail(
            feedetl_sn=self.feedetl_sn,
            fee_ocur_time=self.fee_ocur_time,
            med_list_codg=self.med_list_codg,
            medins_list_codg=self.medins_list_codg,
            det_item_fee_sumamt=self.det_item_fee_sumamt,
            cnt=self.cnt,
            pric=self.pric,
            bilg_dept_codg=self.bilg_dept_codg,
            bilg_dept_name=self.bilg_dept_name,
            bilg_dr_codg=self.bilg_dr_codg,
            bilg_dr_name=self.bilg_dr_name,
            hosp_appr_flag=self.hosp_appr_flag,
        )


class BatchState(StrEnum):
    """Whether a batch still takes lines."""

    OPEN = "open"
    HELD = "held"
    """A payment was shown to the person; the bill must not change under it."""
    SETTLED = "settled"
    RECALLED = "recalled"
    """Its lines were withdrawn or moved; the insurer is to forget it (2205)."""
    WITHDRAWN = "withdrawn"
    """Nothing of it stands anywhere."""


UNSETTLED = frozenset((BatchState.OPEN, BatchState.HELD))
"""In which something is still to be paid."""


@dataclass(frozen=True, slots=True)
class Batch:
    """收费批次: the lines that are settled together.

    Attributes:
        chrg_bchno: Its number.
        institution: Whose.
        encounter_no: Of which visit.
        state: Whether it still takes lines.
        held_by: The payment that holds or has settled it.
    """

    chrg_bchno: str
    institution: InstitutionCode
    encounter_no: EncounterNo
    state: BatchState = BatchState.OPEN
    held_by: CommandId | None = None


PRICE_LIST_INVALID = hospital_kind(
    "price_list_invalid",
    "价目表有错误",
    "The price list is not valid",
    "按提示的行改正文件，再重新启动",
    "Correct the file at the row named and start again",
    Helper.TECHNICIAN,
)
ITEM_NOT_PRICED = hospital_kind(
    "item_not_priced",
    "价目表里没有这个项目",
    "The price list has no such item",
    "请核对项目编码",
    "Check the code of the item",
)
ORDER_INVALID = hospital_kind(
    "order_invalid",
    "数量不对",
    "The quantity or the number of lines is not valid",
    "请核对数量",
    "Check the quantity",
)
CHARGE_NOT_OPEN = hospital_kind(
    "charge_not_open",
    "这些费用已经结算，不能直接撤销",
    "These charges are settled or withdrawn already",
    "已经付过的请办退费",
    "What is paid is given back by a refund",
)
DOCTOR_NOT_SIGNED_IN = hospital_kind(
    "doctor_not_signed_in",
    "医生还没有签到，医嘱不能生效",
    "The doctor is not signed in, so the order cannot be signed",
    "请在诊室终端刷脸签到，或由医保主管确认签到",
    "Sign in at the terminal of the room, or have the sign-in confirmed by a supervisor",
    Helper.SELF,
)

REFUSALS = (
    PRICE_LIST_INVALID,
    ITEM_NOT_PRICED,
    ORDER_INVALID,
    CHARGE_NOT_OPEN,
    DOCTOR_NOT_SIGNED_IN,
)


def parse_price_list(text: str) -> PriceList:
    """Read a price list: CSV with the fields of :class:`PricedItem` in its first row.

    Raises:
        Refused: ``hospital.price_list_invalid``; ``row`` counts from 1 with the first item.
    """
    items: dict[str, PricedItem] = {}
    for row, fields in enumerate(_rows(text), start=1):
        item = _priced_item(fields, row)
        if items.setdefault(item.medins_list_codg, item) is not item:
            raise Refused(PRICE_LIST_INVALID, row=row, found="a code twice")
    if not items:
        raise Refused(PRICE_LIST_INVALID, row=0, found="no item")
    return PriceList(MappingProxyType(items))


def _rows(text: str) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(text.splitlines(), strict=True))
    except csv.Error as invalid:
        raise Refused(PRICE_LIST_INVALID, row=0, found=str(invalid)) from None


def _priced_item(fields: Mapping[str, str], row: int) -> PricedItem:
    try:
        return PricedItem.model_validate(fields)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused(PRICE_LIST_INVALID, row=row, at=place, found=first["msg"]) from None


def line_amount(pric: Decimal, cnt: Decimal) -> Fen:
    """``pric * cnt`` in fen, rounded half up.

    Args:
        pric: Unit price in yuan, at least 0.
        cnt: Quantity, above 0.
    """
    return Fen(int((pric * cnt * 100).to_integral_value(ROUND_HALF_UP)))


def check_lines(lines: Sequence[OrderLine]) -> None:
    """Check number of lines and quantities.

    Raises:
        Refused: ``hospital.order_invalid``.
    """
    if not 1 <= len(lines) <= LINES_MAX:
        raise Refused(ORDER_INVALID, lines=len(lines), limit=LINES_MAX)
    for place, line in enumerate(lines):
        exact = line.cnt.is_finite() and line.cnt == round(line.cnt, 4)
        if not (exact and 0 < line.cnt <= COUNT_MAX):
            raise Refused(ORDER_INVALID, line=place, limit=int(COUNT_MAX))


def check_same_order(
    found: Sequence[ChargeItem], *, encounter_no: EncounterNo, lines: Sequence[OrderLine]
) -> None:
    """Check that a repeated command orders what it ordered the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    ordered = [
        OrderLine(item.medins_list_codg, item.cnt) for item in found if item.line_no < LINES_MAX
    ]
    if ordered != list(lines) or found[0].encounter_no != encounter_no:
        raise Refused(COMMAND_DIFFERS)


def kept_of(item: ChargeItem, *, cnt: Decimal, number: ChargeItemNo, line_no: int) -> ChargeItem:
    """What stays of a line when the other part of it is given back, not classed yet.

    Raises:
        Refused: ``hospital.order_invalid`` when it is not a part of the line.
    """
    if not (cnt.is_finite() and cnt == round(cnt, 4) and 0 < cnt < item.cnt):
        raise Refused(ORDER_INVALID, line=item.line_no)
    return replace(
        item,
        feedetl_sn=number,
        line_no=line_no,
        cnt=cnt,
        det_item_fee_sumamt=line_amount(item.pric, cnt),
        split=None,
    )


def bill_amount(items: Sequence[ChargeItem]) -> Fen:
    """``medfee_sumamt``: the sum of the lines."""
    return total([item.det_item_fee_sumamt for item in items])


def with_splits(items: Sequence[ChargeItem], answer: Sequence[FeeSplit]) -> tuple[ChargeItem, ...]:
    """The lines with the insurer's answer, which must fit them one to one.

    Raises:
        Refused: ``hospital.answer_invalid``.
    """
    splits = {split.feedetl_sn: split for split in answer}
    if len(answer) != len(items) or set(splits) != {item.feedetl_sn for item in items}:
        raise Refused(ANSWER_INVALID, infno="2204", broken="one row for each line")
    classed = tuple(replace(item, split=splits[item.feedetl_sn]) for item in items)
    for item in classed:
        split = splits[item.feedetl_sn]
        if not (split.adds_up and split.det_item_fee_sumamt == item.det_item_fee_sumamt):
            raise Refused(ANSWER_INVALID, infno="2204", feedetl_sn=item.feedetl_sn)
    return classed
