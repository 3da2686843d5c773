"""Stock of medicine: batches with an expiry, movements, and which batch is picked first; pure.

Stock is the sum of its movements, which are inserted only; a balance row beside them is guarded
by the database never to fall below zero, nor below what is set aside for somebody. What comes
back from a patient goes into quarantine, never onto the shelf.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.refusals import Refused
from shualian.hospital.model import COMMAND_DIFFERS, hospital_kind

BatchId = NewType("BatchId", str)

PLACES = 4
"""Decimals of a quantity, as ``cnt`` of the interface."""
QUANTITY_MAX = Decimal(10_000_000)


class Place(StrEnum):
    """Where stock lies."""

    SHELF = "shelf"
    QUARANTINE = "quarantine"
    """Came back; waits to be destroyed or sent back, and is given to nobody."""


class MovementKind(StrEnum):
    """Why stock moved."""

    RECEIVED = "received"
    DISPENSED = "dispensed"
    RETURNED = "returned"
    ADJUSTED = "adjusted"
    """Counted, broken, destroyed: with a reason."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived from a supplier.

    Attributes:
        medins_list_codg: The hospital's code of the medicine.
        lot_no: 批号.
        expires_on: The last day on which it may be given out.
        quantity: In the unit in which it is ordered, above 0, at most 4 decimals.
    """

    medins_list_codg: str
    lot_no: str
    expires_on: date
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class StockBatch:
    """One lot of a medicine and what there is of it.

    Attributes:
        batch_id: Its number.
        institution: Whose.
        medins_list_codg: Of which medicine.
        lot_no: 批号.
        expires_on: The last day on which it may be given out.
        on_shelf: What lies there.
        set_aside: What of that waits for somebody.
        in_quarantine: What came back.
    """

    batch_id: BatchId
    institution: InstitutionCode
    medins_list_codg: str
    lot_no: str
    expires_on: date
    on_shelf: Decimal
    set_aside: Decimal
    in_quarantine: Decimal

    @property
    def free(self) -> Decimal:
        """What may be promised to somebody."""
        return self.on_shelf - self.set_aside

    def usable_on(self, day: date) -> bool:
        """Whether it may be given out on a day: not after its expiry."""
        return day <= self.expires_on


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of stock.

    Attributes:
        institution: Whose.
        cause: The command, handover or return that moved it; a batch moves once for it.
        batch_id: Of which batch.
        place: Where.
        kind: Why.
        quantity: Above 0 when it came, below 0 when it went.
        by: Who.
        at: UTC.
        reason: In words, of an adjustment.
    """

    institution: InstitutionCode
    cause: str
    batch_id: BatchId
    place: Place
    kind: MovementKind
    quantity: Decimal
    by: StaffId
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pick:
    """So much of one batch."""

    batch_id: BatchId
    quantity: Decimal


STOCK_INVALID = hospital_kind(
    "stock_invalid",
    "药品数量、批号或有效期不对",
    "The quantity, lot or expiry is not valid",
    "请核对后再登记",
    "Check it and enter it again",
)
STOCK_SHORT = hospital_kind(
    "stock_short",
    "库存不够",
    "There is not enough in stock",
    "可以先发一部分，余下的到货后再取",
    "Hand out a part now; the rest is collected when it has arrived",
)
STOCK_UNKNOWN = hospital_kind(
    "stock_unknown",
    "没有这个批号的库存",
    "There is no such batch in stock",
    "请核对批号",
    "Check the lot",
)

REFUSALS = (STOCK_INVALID, STOCK_SHORT, STOCK_UNKNOWN)


def is_quantity(quantity: Decimal) -> bool:
    """Whether it is a quantity above 0 with at most 4 decimals."""
    exact = quantity.is_finite() and quantity == round(quantity, PLACES)
    return exact and 0 < quantity <= QUANTITY_MAX


def check_delivery(delivery: Delivery, *, today: date) -> None:
    """Check what arrived before it is stored; what has expired is not taken in.

    Raises:
        Refused: ``hospital.stock_invalid``.
    """
    for rule, holds in {
        "quantity": is_quantity(delivery.quantity),
        "lot": 0 < len(delivery.lot_no.strip()) <= 50,
        "expired": delivery.expires_on >= today,
    }.items():
        if not holds:
            raise Refused(STOCK_INVALID, broken=rule)


def check_adjustment(change: Decimal, reason: str) -> None:
    """Check a correction of stock: some quantity, and why.

    Raises:
        Refused: ``hospital.stock_invalid``.
    """
    if not (is_quantity(abs(change)) and 0 < len(reason.strip()) <= 100):
        raise Refused(STOCK_INVALID, broken="quantity or reason")


def check_same_movement(found: Movement, wanted: Movement) -> None:
    """Check that a repeated command moves what it moved the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    for name in ("batch_id", "place", "kind", "quantity"):
        if getattr(found, name) != getattr(wanted, name):
            raise Refused(COMMAND_DIFFERS, differs=name)


def picked(batches: Sequence[StockBatch], quantity: Decimal, *, today: date) -> tuple[Pick, ...]:
    """Which batches a quantity comes from: first what expires first (FEFO), never what has expired.

    Args:
        batches: Of one medicine.
        quantity: Above 0.
        today: The business day.

    Raises:
        Refused: ``hospital.stock_short``.
    """
    picks, left = [], quantity
    for batch in sorted(batches, key=lambda each: (each.expires_on, each.batch_id)):
        taken = min(left, batch.free)
        if batch.usable_on(today) and taken > 0:
            picks.append(Pick(batch.batch_id, taken))
            left -= taken
    if left > 0:
        code = batches[0].medins_list_codg if batches else ""
        free = format((quantity - left).normalize(), "f")
        raise Refused(STOCK_SHORT, medins_list_codg=code, available=free)
    return tuple(picks)


def free_of(batches: Sequence[StockBatch], *, today: date) -> Decimal:
    """What may be promised of one medicine on a day."""
    return sum((each.free for each in batches if each.usable_on(today)), Decimal(0))


def movement_of(
    command_id: CommandId,
    institution: InstitutionCode,
    batch_id: BatchId,
    *,
    kind: MovementKind,
    quantity: Decimal,
    by: StaffId,
    at: datetime,
    place: Place = Place.SHELF,
    reason: str = "",
) -> Movement:
    """One change of stock that a command of staff makes."""
    return Movement(institution, command_id, batch_id, place, kind, quantity, by, at, reason)
