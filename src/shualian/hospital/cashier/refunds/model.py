"""What is due back of a payment, by where it came from, and how it is given; pure.

Each part goes back the way it came: from the drawer what came in cash, to the card or to the
payment code what came from there. What came from an agreed account goes back by the saga and has
no row here. A part that must take another way needs an override in two keys.

``due -> paid`` for cash; ``due -> asked -> paid`` for card and code, whose terminal is another
machine: asked is stored before the clerk goes there, and ``asked -> due`` when it says no.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import CommandId, InstitutionCode, StaffId
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Refused
from shualian.hospital.cashier.overrides.model import OverrideId
from shualian.hospital.cashier.shifts.model import ShiftId
from shualian.hospital.cashier.tenders.model import Taking, Tender, TenderKind
from shualian.hospital.model import COMMAND_DIFFERS, hospital_kind

RefundId = NewType("RefundId", str)


class RefundCause(StrEnum):
    """Why money is due back."""

    CANCELLED = "cancelled"
    """The settlement was taken back whole."""
    PARTIAL = "partial"
    """A part of what was settled was taken back."""


class RefundState(StrEnum):
    """Where a part stands."""

    DUE = "due"
    ASKED = "asked"
    """The card's bank or the payment institution was asked, or is about to be."""
    PAID = "paid"


BACK_FIRST = (TenderKind.CARD, TenderKind.EPAY, TenderKind.CASH)
"""Which tender a partial refund uses up first; so no card is turned into cash."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of a refund goes back to one tender."""

    source: TenderKind
    reference: str
    amount_fen: Fen


@dataclass(frozen=True, slots=True)
class RefundDue:
    """What is due back to one tender of a payment.

    Attributes:
        refund_id: Its number.
        institution: Whose.
        payment: Command of the payment.
        cause: Why.
        cause_id: The command that caused it; one refund each.
        source: Where it came from.
        reference: Of that tender; empty for cash.
        amount_fen: Above 0.
        due_at: UTC.
        way: Where it goes; another than ``source`` by an override only.
        state: Where it stands.
        override_id: What allowed another way.
        command_id: The command that gives it, or has.
        given_by: Who.
        given_at: When it was paid, UTC.
        shift_id: Out of which shift's drawer, for cash.
        given_reference: Under which number the bank or institution gave it back.
    """

    refund_id: RefundId
    institution: InstitutionCode
    payment: CommandId
    cause: RefundCause
    cause_id: CommandId
    source: TenderKind
    reference: str
    amount_fen: Fen
    due_at: datetime
    way: TenderKind
    state: RefundState = RefundState.DUE
    override_id: OverrideId | None = None
    command_id: CommandId | None = None
    given_by: StaffId | None = None
    given_at: datetime | None = None
    shift_id: ShiftId | None = None
    given_reference: str = ""


REFUND_NOT_FOUND = hospital_kind(
    "refund_not_found",
    "没有这笔退款",
    "There is no such refund",
    "请核对退款单",
    "Look it up under the payment",
)
REFUND_STEP = hospital_kind(
    "refund_step",
    "这笔退款现在不能做这一步",
    "The refund cannot take this step now",
    "请看退款状态；退过的不能再退",
    "Look at its state; what was given back is not given again",
)
REFUND_OTHER_WAY = hospital_kind(
    "refund_other_way",
    "这笔钱要退回原来的付款方式",
    "This goes back by the way it was paid",
    "请按原路退；退不回去的要两人特批",
    "Give it back that way; where that cannot be, two people must agree to another",
)
REFUND_TOO_MUCH = hospital_kind(
    "refund_too_much",
    "要退的比付过的多",
    "More is to be given back than was paid",
    "请核对退费金额",
    "Check the amount",
)

REFUSALS = (REFUND_NOT_FOUND, REFUND_STEP, REFUND_OTHER_WAY, REFUND_TOO_MUCH)


def parts_due(
    taking: Taking | None, earlier: Sequence[RefundDue], *, amount_fen: Fen | None = None
) -> tuple[Part, ...]:
    """To which tenders an amount goes back: never more to one than it paid.

    Args:
        taking: What was taken for the payment.
        earlier: What was due back of it before, given or not.
        amount_fen: How much; everything that is left when none. What was waived is no money.

    Raises:
        Refused: ``hospital.refund_too_much``.
    """
    rests = [] if taking is None else _rests(taking, earlier)
    left = total([rest.amount_fen for rest in rests])
    wanted = left if amount_fen is None else amount_fen
    if not 0 <= wanted <= left:
        raise Refused(REFUND_TOO_MUCH, found_fen=wanted, limit_fen=left)
    parts = []
    for rest in rests:
        amount = Fen(min(rest.amount_fen, wanted))
        wanted = Fen(wanted - amount)
        parts.append(replace(rest, amount_fen=amount))
    return tuple(part for part in parts if part.amount_fen)


def _rests(taking: Taking, earlier: Sequence[RefundDue]) -> list[Part]:
    """What each tender can still give back, in the order in which they are used up."""
    tenders = [each for kind in BACK_FIRST for each in taking.tenders if each.kind is kind]
    return [
        Part(each.kind, each.reference, Fen(each.amount_fen - _back(each, earlier)))
        for each in tenders
    ]


def _back(tender: Tender, earlier: Sequence[RefundDue]) -> Fen:
    key = tender.kind, tender.reference
    return total([each.amount_fen for each in earlier if (each.source, each.reference) == key])


def paid_out(
    due: RefundDue, command_id: CommandId, by: StaffId, shift_id: ShiftId, *, now: datetime
) -> RefundDue:
    """The part once it was given in cash.

    Raises:
        Refused: ``hospital.refund_step``, ``hospital.refund_other_way``.
    """
    _check(due, RefundState.DUE, cash=True)
    return replace(
        due,
        state=RefundState.PAID,
        command_id=command_id,
        given_by=by,
        given_at=now,
        shift_id=shift_id,
    )


def asked(due: RefundDue, command_id: CommandId, by: StaffId) -> RefundDue:
    """The part once the clerk is about to have it given back at the terminal.

    Raises:
        Refused: ``hospital.refund_step``, ``hospital.refund_other_way``.
    """
    _check(due, RefundState.DUE, cash=False)
    return replace(due, state=RefundState.ASKED, command_id=command_id, given_by=by)


def given(due: RefundDue, reference: str, *, now: datetime) -> RefundDue:
    """The part once the terminal has given it back.

    Raises:
        Refused: ``hospital.refund_step``, ``hospital.refund_other_way``.
    """
    _check(due, RefundState.ASKED, cash=False)
    return replace(due, state=RefundState.PAID, given_reference=reference, given_at=now)


def not_given(due: RefundDue) -> RefundDue:
    """The part once the terminal has refused: it is due as before.

    Raises:
        Refused: ``hospital.refund_step``, ``hospital.refund_other_way``.
    """
    _check(due, RefundState.ASKED, cash=False)
    return replace(due, state=RefundState.DUE, command_id=None, given_by=None)


def diverted(due: RefundDue, way: TenderKind, override_id: OverrideId) -> RefundDue:
    """The part once two people have agreed to another way.

    Raises:
        Refused: ``hospital.refund_step``; ``hospital.refund_other_way`` for a way that is none.
    """
    if way is TenderKind.WAIVER or way is due.source:
        raise Refused(REFUND_OTHER_WAY, way=way.value)
    _check(due, RefundState.DUE, cash=due.way is TenderKind.CASH)
    return replace(due, way=way, override_id=override_id)


def check_same_giving(due: RefundDue, command_id: CommandId) -> None:
    """Check that what was given or asked for was so by this very command.

    Raises:
        Refused: ``hospital.refund_step``.
    """
    if due.command_id != command_id:
        raise Refused(REFUND_STEP, found=due.state.value)


def check_same_refund(found: RefundDue | None, refund_id: RefundId) -> None:
    """Check that a command that gave something before gave this.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if found is not None and found.refund_id != refund_id:
        raise Refused(COMMAND_DIFFERS)


def open_fen(dues: Sequence[RefundDue]) -> Fen:
    """What is still to be given."""
    return total([each.amount_fen for each in dues if each.state is not RefundState.PAID]) or ZERO


def _check(due: RefundDue, expected: RefundState, *, cash: bool) -> None:
    if due.state is not expected:
        raise Refused(REFUND_STEP, found=due.state.value, expected=expected.value)
    if (due.way is TenderKind.CASH) != cash:
        raise Refused(REFUND_OTHER_WAY, way=due.way.value)
