"""What was searched and deleted of a person's face, and the receipt for it; pure.

A receipt speaks of the live stores that this program owns. Backups that were made before hold the
sealed form and end with their own deadline, which the receipt names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from shualian.core.clock import business_date
from shualian.core.identifiers import PersonNo
from shualian.core.refusals import Finality, Helper, KindsOf
from shualian.trust.audit.model import Payload, Reference

ReceiptNo = NewType("ReceiptNo", str)
"""Number of a deletion receipt; says nothing about the person."""


class StoreName(StrEnum):
    """Every kind of place where something about a face can be; a closed set."""

    GALLERY_RECORDS = "gallery_records"
    SEARCH_INDEX = "search_index"
    TEMPLATE_REGISTER = "template_register"
    WAITING_ENROLMENTS = "waiting_enrolments"
    EXPECTATIONS = "expectations"


class ErasureReason(StrEnum):
    """Why everything about a face is erased."""

    WITHDRAWN = "withdrawn"
    UNUSED = "unused"
    NO_CONSENT = "no_consent"
    REPLACED = "replaced"


STORE_WORDS: Mapping[StoreName, tuple[str, str]] = MappingProxyType(
    {
        StoreName.GALLERY_RECORDS: ("人脸特征库", "Face templates"),
        StoreName.SEARCH_INDEX: ("内存检索库", "Search index in memory"),
        StoreName.TEMPLATE_REGISTER: ("特征登记簿", "Register of templates"),
        StoreName.WAITING_ENROLMENTS: ("等待登记的特征", "Enrolments under way"),
        StoreName.EXPECTATIONS: ("今日候诊名单", "People expected today"),
    }
)
REASON_WORDS: Mapping[ErasureReason, tuple[str, str]] = MappingProxyType(
    {
        ErasureReason.WITHDRAWN: ("您撤回了同意", "You withdrew your consent"),
        ErasureReason.UNUSED: ("长期没有使用", "It was not used for a long time"),
        ErasureReason.NO_CONSENT: ("同意已不再有效", "The consent is no longer valid"),
        ErasureReason.REPLACED: ("更换人脸特征", "The template is being replaced"),
    }
)


@dataclass(frozen=True, slots=True)
class SearchedStore:
    """One store that was searched.

    Attributes:
        name: Which.
        found: How many entries of the person were in it.
        deleted: How many were deleted; equal to ``found`` on a finished receipt.
    """

    name: StoreName
    found: int
    deleted: int


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """Proof to the person of what was searched and deleted; holds nothing personal.

    Attributes:
        number: For asking again.
        reason: Why it was erased.
        completed_at: From then on nothing is left in any of the stores, UTC.
        stores: All that were searched, in order, also where nothing was found.
        backups_until: The last day on which a backup may still hold the sealed form.
    """

    number: ReceiptNo
    reason: ErasureReason
    completed_at: datetime
    stores: tuple[SearchedStore, ...]
    backups_until: date

    def lines_zh(self) -> tuple[str, ...]:
        """As it is printed, in Chinese."""
        searched = (
            f"{STORE_WORDS[each.name][0]}：查到 {each.found} 条，删除 {each.deleted} 条"
            for each in self.stores
        )
        return (
            "人脸信息删除凭条",
            f"编号 {self.number}",
            f"{business_date(self.completed_at).isoformat()} {REASON_WORDS[self.reason][0]}",
            *searched,
            f"备份最迟 {self.backups_until.isoformat()} 清除",
            "凭编号可以再次查询",
        )

    def lines_en(self) -> tuple[str, ...]:
        """As it is printed, in English."""
        searched = (
            f"{STORE_WORDS[each.name][1]}: {each.found} found, {each.deleted} deleted"
            for each in self.stores
        )
        return (
            "Receipt for the deletion of face data",
            f"Number {self.number}",
            f"{business_date(self.completed_at).isoformat()} {REASON_WORDS[self.reason][1]}",
            *searched,
            f"Gone from backups by {self.backups_until.isoformat()}",
            "Ask for it again by its number",
        )


class FaceErased(Payload, kind="insurer.face_erased"):
    """The audit's record of a finished erasure.

    Attributes:
        subject: Whose face.
        receipt: Number of the receipt.
        reason: Why.
        stores: How many were searched.
        deleted: Entries deleted, in all of them together.
    """

    subject: PersonNo
    receipt: Reference
    reason: ErasureReason
    stores: int
    deleted: int


_kind = KindsOf("insurer").kind


ERASURE_UNFINISHED = _kind(
    "erasure_unfinished",
    "已经停止比对，删除还没有全部完成",
    "Comparisons have stopped; the deletion is not finished yet",
    "请稍后再查，系统会自动继续删除",
    "Ask again later; it goes on by itself",
    Helper.INSURER,
    Finality.TEMPORARY,
)
RECEIPT_NOT_FOUND = _kind(
    "receipt_not_found",
    "没有这个编号的删除凭条",
    "There is no deletion receipt with this number",
    "请核对编号，或刷脸、凭证件查询",
    "Compare the number, or ask with your face or your document",
    Helper.CLERK,
)

REFUSALS = (ERASURE_UNFINISHED, RECEIPT_NOT_FOUND)
