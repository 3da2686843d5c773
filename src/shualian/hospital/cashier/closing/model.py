"""A business day's books at the hospital beside those of the insurer and of the wallet; pure.

A day is over at midnight in China and can be closed from then on, once every shift that was
opened in it is handed over. What is compared:

- each settlement and each cancellation with the insurer's details (3202), by the insurer's number
  of the settlement, then the totals (3201) and what each fund pays; of self-paid visits the insurer
  knows nothing;
- what came from agreed accounts and went back there with the wallet's statement;
- what people owed at the window with what was taken there, and each drawer with its count.

A cancellation is a line of its own on the day on which it was made, so that a closed day never
changes. A refund of some lines is two lines: what stood is cancelled, what is left is settled
instead. Each difference has one cause of a closed set, and each cause one proposed repair; who
proposes does not repair.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType

from shualian.core.clock import CHINA
from shualian.core.identifiers import CommandId, InstitutionCode, SettlementId, StaffId
from shualian.core.money import ZERO, Fen, total
from shualian.core.refusals import Finality, Refused
from shualian.hospital.cashier.tenders.model import TenderKind
from shualian.hospital.model import COMMAND_DIFFERS, hospital_kind
from shualian.hospital.selfpaid.model import is_self_paid
from shualian.hospital.wallet.model import Movement, MovementKind


@dataclass(frozen=True, slots=True)
class Line:
    """A settlement or a cancellation as one book has it; a cancellation's amounts are negative.

    Attributes:
        setl_id: The insurer's number of the settlement, also in its cancellation.
        command_id: Of the settling command; none where the book does not say.
        cancels: Whether it takes the settlement back.
        medfee_fen: The whole bill.
        fund_fen: By the funds.
        account_fen: From personal accounts.
        cash_fen: By the person otherwise (``psn_cash_pay``).
    """

    setl_id: SettlementId
    command_id: CommandId | None
    cancels: bool
    medfee_fen: Fen
    fund_fen: Fen
    account_fen: Fen
    cash_fen: Fen

    @property
    def key(self) -> tuple[SettlementId, bool]:
        """By what two books mean the same."""
        return self.setl_id, self.cancels

    @property
    def money(self) -> tuple[Fen, ...]:
        """What must be the same in both."""
        return self.medfee_fen, self.fund_fen, self.account_fen, self.cash_fen


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of lines (3201)."""

    lines: int
    medfee_fen: Fen
    fund_fen: Fen
    account_fen: Fen
    cash_fen: Fen


@dataclass(frozen=True, slots=True)
class InsurerDay:
    """What the insurer says of a day of this hospital.

    Attributes:
        lines: Settlements and cancellations (3202).
        totals: As the insurer adds them up (3201).
        by_fund: What each fund pays, by the field of ``setlinfo``; empty where it does not say.
    """

    lines: tuple[Line, ...]
    totals: Totals
    by_fund: Mapping[str, Fen]


@dataclass(frozen=True, slots=True)
class WalletLine:
    """What of one payment came from an agreed account or went back there.

    Attributes:
        hold_id: By what the wallet knows the payment.
        payment: Command of the payment.
        kind: Taken or given back.
        amount_fen: Above 0.
    """

    hold_id: CommandId
    payment: CommandId
    kind: MovementKind
    amount_fen: Fen


@dataclass(frozen=True, slots=True)
class DrawerLine:
    """What a shift's drawer held at its end."""

    shift_id: str
    expected_fen: Fen
    counted_fen: Fen


@dataclass(frozen=True, slots=True)
class HospitalDay:
    """What the hospital's own books say of a day.

    Attributes:
        lines: Settlements and cancellations.
        by_fund: What each fund pays, by the field of ``setlinfo``.
        wallet: What came from agreed accounts and went back there.
        taken: What was taken at the windows, by tender.
        given_back: What was given back at the windows, by the way it took.
        unpaid: Settlements of the day whose cash share is not paid, and how much is open.
        undecided: Payments sent that day of which it is not known what came of them.
        drawers: Shifts that were opened that day.
    """

    lines: tuple[Line, ...]
    by_fund: Mapping[str, Fen]
    wallet: tuple[WalletLine, ...] = ()
    taken: Mapping[TenderKind, Fen] = field(default_factory=dict)
    given_back: Mapping[TenderKind, Fen] = field(default_factory=dict)
    unpaid: tuple[tuple[CommandId, Fen], ...] = ()
    undecided: tuple[CommandId, ...] = ()
    drawers: tuple[DrawerLine, ...] = ()

    @property
    def totals(self) -> Totals:
        """The sums of its lines."""
        return totals_of(self.lines)

    @property
    def insured_lines(self) -> tuple[Line, ...]:
        """What an insurer must know of; of self-paid visits it knows nothing."""
        return tuple(line for line in self.lines if not is_self_paid(line.setl_id))

    @property
    def wallet_fen(self) -> Fen:
        """From agreed accounts, less what went back there."""
        signs = {MovementKind.CAPTURE: 1, MovementKind.REFUND: -1}
        return Fen(sum(signs[each.kind] * each.amount_fen for each in self.wallet))


class Cause(StrEnum):
    """Why two books differ; a closed set."""

    ONLY_AT_INSURER = "only_at_insurer"
    """Settled there; the hospital knows no such settlement."""
    UNKNOWN_HERE = "unknown_here"
    """Settled there; the hospital has asked and got no answer."""
    ONLY_AT_HOSPITAL = "only_at_hospital"
    CANCELLED_AT_INSURER_ONLY = "cancelled_at_insurer_only"
    CANCELLED_AT_HOSPITAL_ONLY = "cancelled_at_hospital_only"
    AMOUNTS_DIFFER = "amounts_differ"
    OTHER_DAY = "other_day"
    """Both have it; one of them on the day before or after."""
    UNDECIDED = "undecided"
    """Sent, and neither side has an outcome."""
    TOTALS_DIFFER = "totals_differ"
    """The insurer's totals are not the sum of its own lines."""
    FUND_DIFFERS = "fund_differs"
    """The sum is the same, and the funds that pay it are others."""
    WALLET_ONLY = "wallet_only"
    """Money moved at the wallet for a payment of which the hospital has no such thing."""
    WALLET_MISSING = "wallet_missing"
    WALLET_AMOUNT = "wallet_amount"
    CASH_UNPAID = "cash_unpaid"
    """Settled, and the cash share was not paid."""
    DRAWER = "drawer"
    """A drawer held something else than its entries add up to."""


class Repair(StrEnum):
    """What mends a difference; a closed set, one for each cause."""

    RESOLVE = "resolve"
    """Ask again under the same command and book the answer."""
    REVERSE = "reverse"
    """2601 for the command: it ends as never done."""
    SETTLE_ANEW = "settle_anew"
    """Mark it as not settled and settle it anew with the person."""
    CANCEL_HERE = "cancel_here"
    CANCEL_THERE = "cancel_there"
    """2208 for the settlement."""
    ASK_PEOPLE = "ask_people"
    NOTHING = "nothing"
    """It evens out with the neighbouring day."""
    REFUND_WALLET = "refund_wallet"
    ASK_WALLET = "ask_wallet"
    COLLECT_OR_CANCEL = "collect_or_cancel"
    COUNT_AGAIN = "count_again"


REPAIR_OF: Mapping[Cause, Repair] = MappingProxyType(
    {
        Cause.ONLY_AT_INSURER: Repair.REVERSE,
        Cause.UNKNOWN_HERE: Repair.RESOLVE,
        Cause.ONLY_AT_HOSPITAL: Repair.SETTLE_ANEW,
        Cause.CANCELLED_AT_INSURER_ONLY: Repair.CANCEL_HERE,
        Cause.CANCELLED_AT_HOSPITAL_ONLY: Repair.CANCEL_THERE,
        Cause.AMOUNTS_DIFFER: Repair.ASK_PEOPLE,
        Cause.OTHER_DAY: Repair.NOTHING,
        Cause.UNDECIDED: Repair.RESOLVE,
        Cause.TOTALS_DIFFER: Repair.ASK_PEOPLE,
        Cause.FUND_DIFFERS: Repair.ASK_PEOPLE,
        Cause.WALLET_ONLY: Repair.REFUND_WALLET,
        Cause.WALLET_MISSING: Repair.ASK_WALLET,
        Cause.WALLET_AMOUNT: Repair.ASK_PEOPLE,
        Cause.CASH_UNPAID: Repair.COLLECT_OR_CANCEL,
        Cause.DRAWER: Repair.COUNT_AGAIN,
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two books.

    Attributes:
        cause: Why.
        subject: Of which settlement, payment, fund or shift; empty for a whole day.
        found_fen: What the hospital has.
        expected_fen: What the other book has.
    """

    cause: Cause
    subject: str
    found_fen: Fen
    expected_fen: Fen

    @property
    def repair(self) -> Repair:
        """What mends it."""
        return REPAIR_OF[self.cause]


@dataclass(frozen=True, slots=True)
class Near:
    """What is known beyond the day, to tell a missing line from one of the next day.

    Attributes:
        lines: Keys that the hospital has on any other day.
        undecided: Commands of payments whose outcome the hospital does not know.
        insurer: Keys that the insurer has on the day before or after.
        wallet: Movements of the wallet on the day before or after.
        holds: What the hospital has of any day with the wallet, by the wallet's identifier.
    """

    lines: frozenset[tuple[SettlementId, bool]] = frozenset()
    undecided: frozenset[CommandId] = frozenset()
    insurer: frozenset[tuple[SettlementId, bool]] = frozenset()
    wallet: tuple[Movement, ...] = ()
    holds: frozenset[tuple[CommandId, MovementKind]] = frozenset()


@dataclass(frozen=True, slots=True)
class Closing:
    """A closed day; its row is inserted once and never changed.

    Attributes:
        institution: Whose.
        day: Which business day.
        command_id: That closed it.
        closed_by: Who.
        closed_at: UTC.
        hospital: The hospital's books of the day.
        differences: What they differ in from the others'; accepted by who closed.
        reason: Why they were accepted; empty without any.
    """

    institution: InstitutionCode
    day: date
    command_id: CommandId
    closed_by: StaffId
    closed_at: datetime
    hospital: HospitalDay
    differences: tuple[Difference, ...]
    reason: str


DAY_NOT_OVER = hospital_kind(
    "day_not_over",
    "这一天还没有过完，不能日结",
    "The day is not over and cannot be closed",
    "过了零点再日结；现在可以先看对账",
    "Close it after midnight; the comparison can be looked at now",
    finality=Finality.TEMPORARY,
)
DAY_CLOSED = hospital_kind(
    "day_closed",
    "这一天已经日结",
    "The day is closed",
    "不能再改；更正记在今天",
    "It is not changed any more; corrections belong to today",
)
DAY_NOT_CLOSED = hospital_kind(
    "day_not_closed",
    "这一天还没有日结",
    "The day is not closed",
    "请先日结",
    "Close it first",
)
SHIFTS_NOT_CLOSED = hospital_kind(
    "shifts_not_closed",
    "这一天还有没交完的班",
    "A shift of the day is not handed over and confirmed",
    "请先交班，由接班人确认",
    "Hand it over and let the next clerk confirm",
    finality=Finality.TEMPORARY,
)
DIFFERENCES_OPEN = hospital_kind(
    "differences_open",
    "账对不上，要先处理或者写明原因",
    "The books differ; mend it or say why it is accepted",
    "请看对账差异和建议的处理办法",
    "Look at the differences and the repairs proposed",
    finality=Finality.TEMPORARY,
)

REFUSALS = (DAY_NOT_OVER, DAY_CLOSED, DAY_NOT_CLOSED, SHIFTS_NOT_CLOSED, DIFFERENCES_OPEN)


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """The first moment of a business day and the first one after it, UTC."""
    begin = datetime.combine(day, time(), tzinfo=CHINA).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), tzinfo=CHINA).astimezone(UTC)
    return begin, end


def totals_of(lines: Sequence[Line]) -> Totals:
    """The sums of lines; a settlement and its cancellation add up to nothing."""
    return Totals(
        lines=len(lines),
        medfee_fen=total([each.medfee_fen for each in lines]),
        fund_fen=total([each.fund_fen for each in lines]),
        account_fen=total([each.account_fen for each in lines]),
        cash_fen=total([each.cash_fen for each in lines]),
    )


def differences(
    hospital: HospitalDay,
    insurer: InsurerDay,
    wallet: Sequence[Movement],
    near: Near | None = None,
) -> tuple[Difference, ...]:
    """Every difference of a day, by book and subject; empty when all agree."""
    beside = near or Near()
    return (
        *_against_insurer(hospital, insurer, beside),
        *_against_totals(insurer),
        *_against_funds(hospital, insurer),
        *_against_wallet(hospital.wallet, wallet, beside),
        *_at_the_windows(hospital),
    )


def _against_insurer(
    hospital: HospitalDay, insurer: InsurerDay, near: Near
) -> Iterable[Difference]:
    ours = {line.key: line for line in hospital.insured_lines}
    theirs = {line.key: line for line in insurer.lines}
    known = {line.command_id for line in insurer.lines}
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        cause = _cause(mine, other, near)
        if cause is not None:
            found = ZERO if mine is None else mine.medfee_fen
            expected = ZERO if other is None else other.medfee_fen
            yield Difference(cause, key[0], found, expected)
    for command_id in hospital.undecided:
        if command_id not in known:
            yield Difference(Cause.UNDECIDED, command_id, ZERO, ZERO)


def _cause(mine: Line | None, other: Line | None, near: Near) -> Cause | None:
    if mine is not None and other is not None:
        return None if mine.money == other.money else Cause.AMOUNTS_DIFFER
    if mine is not None:
        if mine.key in near.insurer:
            return Cause.OTHER_DAY
        return Cause.CANCELLED_AT_HOSPITAL_ONLY if mine.cancels else Cause.ONLY_AT_HOSPITAL
    if other is None or other.key in near.lines:
        return None if other is None else Cause.OTHER_DAY
    if other.cancels:
        return Cause.CANCELLED_AT_INSURER_ONLY
    return Cause.UNKNOWN_HERE if other.command_id in near.undecided else Cause.ONLY_AT_INSURER


def _against_totals(insurer: InsurerDay) -> Iterable[Difference]:
    added = totals_of(insurer.lines)
    if added != insurer.totals:
        yield Difference(Cause.TOTALS_DIFFER, "", added.medfee_fen, insurer.totals.medfee_fen)


def _against_funds(hospital: HospitalDay, insurer: InsurerDay) -> Iterable[Difference]:
    # Where lines are missing, the funds differ for that reason.
    if not insurer.by_fund or {line.key: line.money for line in hospital.insured_lines} != {
        line.key: line.money for line in insurer.lines
    }:
        return
    for name in sorted(hospital.by_fund.keys() | insurer.by_fund.keys()):
        found, expected = hospital.by_fund.get(name, ZERO), insurer.by_fund.get(name, ZERO)
        if found != expected:
            yield Difference(Cause.FUND_DIFFERS, name, found, expected)


def _against_wallet(
    ours: Sequence[WalletLine], statement: Sequence[Movement], near: Near
) -> Iterable[Difference]:
    mine: dict[tuple[CommandId, MovementKind], Fen] = {}
    for each in ours:
        mine[each.hold_id, each.kind] = Fen(
            mine.get((each.hold_id, each.kind), ZERO) + each.amount_fen
        )
    theirs = _added(statement)
    beside = _added(near.wallet)
    for key in sorted(mine.keys() | theirs.keys()):
        found, expected = mine.get(key, ZERO), theirs.get(key, ZERO)
        if found == expected:
            continue
        yield Difference(_wallet_cause(key, found, expected, near, beside), key[0], found, expected)


def _wallet_cause(
    key: tuple[CommandId, MovementKind],
    found: Fen,
    expected: Fen,
    near: Near,
    beside: Mapping[tuple[CommandId, MovementKind], Fen],
) -> Cause:
    if not expected:
        return Cause.OTHER_DAY if beside.get(key) == found else Cause.WALLET_MISSING
    if not found:
        return Cause.OTHER_DAY if key in near.holds else Cause.WALLET_ONLY
    return Cause.WALLET_AMOUNT


def _added(movements: Sequence[Movement]) -> dict[tuple[CommandId, MovementKind], Fen]:
    added: dict[tuple[CommandId, MovementKind], Fen] = {}
    for each in movements:
        key = each.payment, each.kind
        added[key] = Fen(added.get(key, ZERO) + each.amount_fen)
    return added


def _at_the_windows(hospital: HospitalDay) -> Iterable[Difference]:
    for command_id, open_fen in hospital.unpaid:
        yield Difference(Cause.CASH_UNPAID, command_id, ZERO, open_fen)
    for drawer in hospital.drawers:
        if drawer.counted_fen != drawer.expected_fen:
            yield Difference(Cause.DRAWER, drawer.shift_id, drawer.counted_fen, drawer.expected_fen)


def check_over(day: date, *, today: date) -> None:
    """Check that a day is over.

    Raises:
        Refused: ``hospital.day_not_over``.
    """
    if day >= today:
        raise Refused(DAY_NOT_OVER, found=day.isoformat())


def check_accepted(found: Sequence[Difference], *, reason: str) -> None:
    """Check that differences, where there are any, are accepted with a reason.

    What evens out with the neighbouring day needs none.

    Raises:
        Refused: ``hospital.differences_open``.
    """
    open_ones = [each for each in found if each.repair is not Repair.NOTHING]
    if open_ones and not reason:
        raise Refused(DIFFERENCES_OPEN, count=len(open_ones))


def check_same_closing(found: Closing, *, command_id: CommandId) -> None:
    """Check that a day that is closed was closed by this very command.

    Raises:
        Refused: ``hospital.day_closed``; ``hospital.command_differs`` is for other days.
    """
    if found.command_id != command_id:
        raise Refused(DAY_CLOSED, found=found.day.isoformat())


def check_same_day(found: Closing | None, *, day: date) -> None:
    """Check that a command did not close another day before.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if found is not None and found.day != day:
        raise Refused(COMMAND_DIFFERS)
