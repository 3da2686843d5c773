"""Table of closed days, and the hospital's own books of a day as the other rooms have them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import CommandId, InstitutionCode, SettlementId, StaffId
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.closing.model import (
    DAY_CLOSED,
    Cause,
    Closing,
    Difference,
    DrawerLine,
    HospitalDay,
    Line,
    WalletLine,
    bounds_of,
)
from shualian.hospital.cashier.refunds import store as refunds
from shualian.hospital.cashier.shifts import store as shifts
from shualian.hospital.cashier.store import metadata
from shualian.hospital.cashier.tenders import store as tenders
from shualian.hospital.cashier.tenders.model import TenderKind
from shualian.hospital.model import FUND_FIELDS, Amounts
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import ItemRefund, Payment
from shualian.hospital.wallet.model import MovementKind, WalletPayment

_IDENTIFIER = String(30)

closings = Table(
    "day_closing",
    metadata,
    Column("institution", _IDENTIFIER, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("closed_by", _IDENTIFIER, nullable=False),
    Column("closed_at", UtcTime, nullable=False),
    Column("books", Text, nullable=False),
    Column("differences", Text, nullable=False),
    Column("reason", String(200), nullable=False),
    UniqueConstraint("institution", "command_id", name="uq_day_closing_command"),
)
"""Only added to."""


def add(connection: Connection, closing: Closing) -> None:
    """Insert a closed day; a second closing of it is impossible by its key."""
    connection.execute(
        insert(closings).values(
            institution=closing.institution,
            day=closing.day,
            command_id=closing.command_id,
            closed_by=closing.closed_by,
            closed_at=closing.closed_at,
            books=books_to_text(closing.hospital),
            differences=_differences_to_text(closing.differences),
            reason=closing.reason,
        )
    )


def by_day(connection: Connection, institution: InstitutionCode, day: date) -> Closing | None:
    """The closing of a day."""
    return _one(connection, institution, closings.c.day == day)


def by_command(
    connection: Connection, institution: InstitutionCode, command_id: CommandId
) -> Closing | None:
    """The day that a command closed."""
    return _one(connection, institution, closings.c.command_id == command_id)


def check_day_open(connection: Connection, institution: InstitutionCode, day: date) -> None:
    """Check before money is taken or given that its day is not closed.

    Raises:
        Refused: ``hospital.day_closed``.
    """
    query = select(closings.c.day).filter_by(institution=institution, day=day)
    if connection.execute(query).first() is not None:
        raise Refused(DAY_CLOSED, found=day.isoformat())


def hospital_day(connection: Connection, institution: InstitutionCode, day: date) -> HospitalDay:
    """The hospital's own books of a business day, as they stand now."""
    begin, end = bounds_of(day)
    settled = payments.settled_between(connection, institution, begin, end)
    taken_back = payments.cancelled_between(connection, institution, begin, end)
    taken = tenders.between(connection, institution, begin, end)
    back = refunds.given_between(connection, institution, begin, end)
    partial = payments.refunds_between(connection, institution, begin, end)
    entries = [
        *map(_settled, settled),
        *map(_cancelled, taken_back),
        *(entry for refund in partial for entry in _exchanged(refund)),
    ]
    lines = [entry.line for entry in entries]
    return HospitalDay(
        lines=tuple(sorted(lines, key=lambda line: line.key)),
        by_fund=_by_fund(entries),
        wallet=(
            *_captured(settled),
            *_back_at_wallet(connection, institution, taken_back, partial),
        ),
        taken=_summed([(each.kind, each.amount_fen) for one in taken for each in one.tenders]),
        given_back=_summed([(each.way, each.amount_fen) for each in back]),
        unpaid=tuple(_unpaid(connection, institution, settled)),
        undecided=tuple(payments.undecided_between(connection, institution, begin, end)),
        drawers=tuple(
            DrawerLine(shift.shift_id, shift.handover.expected_fen, shift.handover.counted_fen)
            for shift in shifts.opened_between(connection, institution, begin, end)
            if shift.handover is not None
        ),
    )


def keys_of(
    payment: Payment, refunds_of_it: Sequence[ItemRefund]
) -> frozenset[tuple[SettlementId, bool]]:
    """The lines that a payment has in the hospital's books, on whatever day."""
    entries = [entry for refund in refunds_of_it for entry in _exchanged(refund)]
    if payment.settled is not None:
        entries.append(_settled(payment))
    if payment.cancelled_at is not None:
        entries.append(_cancelled(payment))
    return frozenset(entry.line.key for entry in entries)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A settlement, or with the sign -1 its cancellation, with all that it is made of."""

    setl_id: SettlementId | None
    command_id: CommandId
    amounts: Amounts
    sign: int = 1

    @property
    def line(self) -> Line:
        """What of it is compared with the insurer's."""
        sign, amounts = self.sign, self.amounts
        return Line(
            setl_id=SettlementId("") if self.setl_id is None else self.setl_id,
            command_id=self.command_id,
            cancels=sign < 0,
            medfee_fen=Fen(sign * amounts.medfee_sumamt),
            fund_fen=Fen(sign * amounts.fund_pay_sumamt),
            account_fen=Fen(sign * (amounts.acct_pay + amounts.acct_mulaid_pay)),
            cash_fen=Fen(sign * amounts.psn_cash_pay),
        )


def _settled(payment: Payment) -> _Entry:
    """The first settlement of a payment, also when lines of it were given back since."""
    answer = payment.settled or payment.confirmed
    return _Entry(answer.setl_id, payment.command_id, answer.amounts)


def _cancelled(payment: Payment) -> _Entry:
    """What stood of a payment when it was taken back whole."""
    answer = payment.standing or payment.confirmed
    return _Entry(answer.setl_id, payment.command_id, answer.amounts, -1)


def _exchanged(refund: ItemRefund) -> Sequence[_Entry]:
    """What a refund of some lines put in the place of what; nothing where none were left."""
    if refund.undone is None or refund.rest is None:
        return ()
    return (
        _Entry(refund.undone.setl_id, refund.command_id, refund.undone.amounts, -1),
        _Entry(refund.rest.setl_id, refund.command_id, refund.rest.amounts),
    )


def _by_fund(entries: Sequence[_Entry]) -> Mapping[str, Fen]:
    sums = {
        name: Fen(sum(each.sign * getattr(each.amounts, name) for each in entries))
        for name in FUND_FIELDS
    }
    return {name: amount for name, amount in sums.items() if amount}


def _captured(settled: Sequence[Payment]) -> Sequence[WalletLine]:
    return [
        WalletLine(held.command_id, each.command_id, MovementKind.CAPTURE, held.captured_fen)
        for each in settled
        if each.wallet is not None and (held := each.wallet.held).captured_fen
    ]


def _back_at_wallet(
    connection: Connection,
    institution: InstitutionCode,
    taken_back: Sequence[Payment],
    partial: Sequence[ItemRefund],
) -> Sequence[WalletLine]:
    """What went back to accounts by the day's cancellations and refunds of lines."""
    cancelled = {each.command_id: each for each in taken_back}
    of_refunds = {each.command_id for each in partial}
    lines = []
    for number in sorted({*cancelled, *(each.payment for each in partial)}):
        stored = payments.by_command(connection, institution, number)
        if stored is None or stored.payment.wallet is None:
            continue
        held = stored.payment.wallet.held
        parts, left = _parts(payments.refunds_of(connection, institution, number), held)
        amount = sum(part for command_id, part in parts.items() if command_id in of_refunds)
        amount += left if number in cancelled else 0
        if amount:
            kind = MovementKind.REFUND
            lines.append(WalletLine(held.command_id, number, kind, Fen(amount)))
    return lines


def _parts(
    refunds_of_it: Sequence[ItemRefund], held: WalletPayment
) -> tuple[Mapping[CommandId, int], int]:
    """What the wallet says went back, by the refunds of lines in their order, and the rest."""
    parts: dict[CommandId, int] = {}
    left: int = held.refunded_fen
    for refund in refunds_of_it:
        if refund.back is not None and refund.rest is not None:
            parts[refund.command_id] = min(left, refund.back.wallet_fen)
            left -= parts[refund.command_id]
    return parts, left


def _summed(parts: Sequence[tuple[TenderKind, Fen]]) -> Mapping[TenderKind, Fen]:
    sums: dict[TenderKind, Fen] = {}
    for kind, amount in parts:
        sums[kind] = Fen(sums.get(kind, ZERO) + amount)
    return sums


def _unpaid(
    connection: Connection, institution: InstitutionCode, settled: Sequence[Payment]
) -> Sequence[tuple[CommandId, Fen]]:
    return [
        (each.command_id, each.cash_due_fen)
        for each in settled
        if each.done
        and each.cash_due_fen
        and tenders.by_payment(connection, institution, each.command_id) is None
    ]


def books_to_text(day: HospitalDay) -> str:
    """A day's books as they are kept: canonical JSON, whole fen."""
    totals = day.totals
    members = {
        "lines": [
            [
                line.setl_id,
                line.command_id,
                line.cancels,
                *line.money,
            ]
            for line in day.lines
        ],
        "totals": {name: getattr(totals, name) for name in totals.__slots__},
        "by_fund": dict(day.by_fund),
        "wallet": [
            [each.hold_id, each.payment, each.kind.value, each.amount_fen] for each in day.wallet
        ],
        "taken": {kind.value: amount for kind, amount in day.taken.items()},
        "given_back": {kind.value: amount for kind, amount in day.given_back.items()},
        "unpaid": [list(each) for each in day.unpaid],
        "undecided": list(day.undecided),
        "drawers": [[each.shift_id, each.expected_fen, each.counted_fen] for each in day.drawers],
    }
    return json.dumps(members, sort_keys=True)


def _books(text: str) -> HospitalDay:
    found = json.loads(text)
    return HospitalDay(
        lines=tuple(Line(*each) for each in found["lines"]),
        by_fund=found["by_fund"],
        wallet=tuple(
            WalletLine(hold, payment, MovementKind(kind), amount)
            for hold, payment, kind, amount in found["wallet"]
        ),
        taken={TenderKind(kind): Fen(amount) for kind, amount in found["taken"].items()},
        given_back={TenderKind(kind): Fen(amount) for kind, amount in found["given_back"].items()},
        unpaid=tuple((CommandId(name), Fen(amount)) for name, amount in found["unpaid"]),
        undecided=tuple(found["undecided"]),
        drawers=tuple(DrawerLine(*each) for each in found["drawers"]),
    )


def _differences_to_text(found: Sequence[Difference]) -> str:
    rows = [[each.cause.value, each.subject, each.found_fen, each.expected_fen] for each in found]
    return json.dumps(rows)


def _one(
    connection: Connection, institution: InstitutionCode, condition: ColumnElement[bool]
) -> Closing | None:
    query = select(closings).where(closings.c.institution == institution, condition)
    row = connection.execute(query).one_or_none()
    return None if row is None else _closing(row)


def _closing(row: Row[Any]) -> Closing:
    return Closing(
        institution=InstitutionCode(row.institution),
        day=row.day,
        command_id=CommandId(row.command_id),
        closed_by=StaffId(row.closed_by),
        closed_at=row.closed_at,
        hospital=_books(row.books),
        differences=tuple(
            Difference(Cause(cause), subject, Fen(found), Fen(expected))
            for cause, subject, found, expected in json.loads(row.differences)
        ),
        reason=row.reason,
    )
