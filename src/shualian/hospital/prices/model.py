"""A price list that holds from a day on, until the next one does; pure."""

from dataclasses import dataclass
from datetime import date, datetime

from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.core.refusals import Helper, Refused
from shualian.hospital.model import hospital_kind


@dataclass(frozen=True, slots=True)
class PriceListVersion:
    """One list that was imported.

    Attributes:
        institution: Whose.
        valid_from: First business day on which it holds.
        imported_at: UTC.
        imported_by: Who answers for it; none for the list that came with the hospital.
        digest: SHA-256 of the text.
        item_count: How many items it has.
    """

    institution: InstitutionCode
    valid_from: date
    imported_at: datetime
    imported_by: StaffId | None
    digest: bytes
    item_count: int


PRICE_LIST_PAST = hospital_kind(
    "price_list_past",
    "价目表不能从已经过去的日子生效",
    "A price list cannot hold from a day that is over",
    "请选择今天或以后的日期",
    "Choose today or a later day",
)
PRICE_LIST_EXISTS = hospital_kind(
    "price_list_exists",
    "这一天已经有另一份价目表",
    "Another price list holds from that day",
    "请选择另一个生效日期",
    "Choose another day",
)
NO_PRICE_LIST = hospital_kind(
    "no_price_list",
    "这一天没有价目表",
    "There is no price list for that day",
    "请先导入价目表",
    "Import a price list first",
    Helper.TECHNICIAN,
)
REFUSALS = (PRICE_LIST_PAST, PRICE_LIST_EXISTS, NO_PRICE_LIST)


def check_not_past(valid_from: date, *, today: date) -> None:
    """Check that no price of a day that is over is changed.

    Raises:
        Refused: ``hospital.price_list_past``.
    """
    if valid_from < today:
        raise Refused(PRICE_LIST_PAST, found=valid_from.isoformat(), expected=today.isoformat())
