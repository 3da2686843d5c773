"""What a visit without insurance comes to: every fen is the person's own."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from shualian.core.identifiers import CommandId, EncounterNo, SettlementId, VisitId
from shualian.core.money import ZERO, Fen
from shualian.hospital.model import Amounts, FeeDetail, FeeSplit, Reason, SettlementAnswer
from shualian.hospital.orders.model import ItemCategory, PriceList

_PREFIX = "ZF-"
_OUTSIDE = "03"
"""``chrgitm_lv`` 丙: no fund has a share."""
_OTHER_FEE = "14"
_FEE_TYPES: Mapping[ItemCategory, str] = MappingProxyType(
    {
        ItemCategory.EXAM: "03",
        ItemCategory.LAB: "04",
        ItemCategory.TREATMENT: "05",
        ItemCategory.MATERIAL: "08",
        ItemCategory.MEDICINE: "09",
    }
)
"""``med_chrgitm_type`` by what an item is (3.7 of the interface); any other is 14, 其他费."""
_DRUG_TYPES: Mapping[str, str] = MappingProxyType({"X": "09", "T": "10", "Z": "11"})
"""西药, 中药饮片 and 中成药, by the first letter of the national code of a drug."""


def visit_number(encounter_no: EncounterNo) -> VisitId:
    """``mdtrt_id`` of a visit that no insurance pays; fits S30."""
    return VisitId(f"{_PREFIX}{encounter_no}")


def is_self_paid(number: VisitId | SettlementId) -> bool:
    """Whether a visit or a settlement is one that no insurance pays: no insurer knows of it."""
    return number.startswith(_PREFIX)


def settlement_number(command_id: CommandId) -> SettlementId:
    """``setl_id`` of what a command did: the same for each repeat, 29 characters."""
    digest = hashlib.blake2b(command_id.encode(), digest_size=16).digest()
    return SettlementId(_PREFIX + base64.b32encode(digest).decode().rstrip("="))


def own_split(detail: FeeDetail, prices: PriceList) -> FeeSplit:
    """A line that is wholly self-paid, under the kind of fee that the price list makes it."""
    return FeeSplit(
        feedetl_sn=detail.feedetl_sn,
        det_item_fee_sumamt=detail.det_item_fee_sumamt,
        fulamt_ownpay_amt=detail.det_item_fee_sumamt,
        overlmt_amt=ZERO,
        preselfpay_amt=ZERO,
        inscp_scp_amt=ZERO,
        chrgitm_lv=_OUTSIDE,
        med_chrgitm_type=_fee_type(detail, prices),
        selfpay_prop=Decimal(1),
        pric_uplmt_amt=None,
    )


def own_answer(
    medfee_sumamt: Fen, *, setl_id: SettlementId | None, now: datetime
) -> SettlementAnswer:
    """What a bill comes to without insurance; a trial has no ``setl_id``."""
    reason = Reason(
        rule="self_paid",
        clause="",
        subject="",
        before=medfee_sumamt,
        after=medfee_sumamt,
        facts=MappingProxyType({}),
        zh="这次不用医保，费用全部自己付",
        en="Without insurance this time: the whole bill is yours to pay",
    )
    return SettlementAnswer(
        setl_id=setl_id,
        setl_time=now,
        amounts=Amounts(
            medfee_sumamt=medfee_sumamt,
            fulamt_ownpay_amt=medfee_sumamt,
            psn_part_amt=medfee_sumamt,
            psn_cash_pay=medfee_sumamt,
        ),
        setldetail=(),
        reasons=(reason,),
    )


def _fee_type(detail: FeeDetail, prices: PriceList) -> str:
    item = prices.items.get(detail.medins_list_codg)
    if item is None:
        return _OTHER_FEE
    known = _FEE_TYPES.get(item.category, _OTHER_FEE)
    if item.category is ItemCategory.MEDICINE:
        return _DRUG_TYPES.get(detail.med_list_codg[:1], known)
    return known
