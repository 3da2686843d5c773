"""What is open, as the person who has to pay it sees it; pure."""

from dataclasses import dataclass
from datetime import datetime

from shualian.core.identifiers import EncounterNo
from shualian.core.money import Fen, total
from shualian.hospital.cashier.window.model import OpenItems
from shualian.hospital.encounters.model import Encounter
from shualian.hospital.payments.model import UNDER_WAY, PaymentState, SlipNo
from shualian.hospital.scheduling.model import Department


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a bill.

    Attributes:
        name_zh: For people.
        name_en: For people.
        amount_fen: What it costs, whoever pays.
    """

    name_zh: str
    name_en: str
    amount_fen: Fen


@dataclass(frozen=True, slots=True)
class OwnBill:
    """What is open of one visit.

    Attributes:
        encounter_no: Of which visit.
        department: Where.
        visited_at: When the visit began, UTC.
        lines: In the order of ordering.
        amount_fen: Of all lines.
        payable: Whether the insurer has classed every line; else it cannot be paid yet.
        under_way: Whether a payment of it was confirmed and has no outcome yet.
        slip_no: Under which it waits at the window, if it does.
    """

    encounter_no: EncounterNo
    department: Department
    visited_at: datetime
    lines: tuple[BillLine, ...]
    amount_fen: Fen
    payable: bool
    under_way: bool
    slip_no: SlipNo | None


def own_bill(encounter: Encounter, items: OpenItems) -> OwnBill | None:
    """The bill of a visit of which something is open; none where only cash is due at a window."""
    states = {view.payment.state for view in items.payments}
    lines = tuple(
        BillLine(line.name_zh, line.name_en, line.det_item_fee_sumamt)
        for batch in items.batches
        for line in batch.lines
        if line.withdrawn_at is None
    )
    under_way = bool(states & UNDER_WAY)
    if not lines and not under_way:
        return None
    reserved = [view for view in items.payments if view.payment.state is PaymentState.RESERVED]
    return OwnBill(
        encounter_no=encounter.encounter_no,
        department=encounter.department,
        visited_at=encounter.begntime,
        lines=lines,
        amount_fen=total([line.amount_fen for line in lines]),
        payable=all(batch.uploaded for batch in items.batches),
        under_way=under_way,
        slip_no=reserved[0].payment.slip_no if reserved else None,
    )
