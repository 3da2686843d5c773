"""Totals and details of a day (3201, 3202), and a comparison of three books; pure.

The comparison takes three lists of movements and asks nobody: the insurer's settlements, what the
hospital's own books say of the same commands, and what the e-wallet says of the payments. Movements
meet by the command's identifier, which the sender made before it sent anything. Each difference has
one cause of a closed set, and each cause one proposed repair; who proposes does not repair.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from shualian.core.identifiers import CommandId, PersonNo, SettlementId, VisitId
from shualian.core.money import Fen, total
from shualian.core.refusals import Helper, KindsOf, Refused


class State(StrEnum):
    """What a book says of a movement in the end."""

    DONE = "done"
    UNDONE = "undone"
    UNKNOWN = "unknown"
    """Asked and not answered; only the other book knows."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One bill as one book has it.

    Attributes:
        command_id: Of the settling command; the same in every book.
        state: How it ended there.
        setl_id: The insurer's number, where the book knows it.
        medfee_fen: The whole bill; of the e-wallet, what it moved.
        fund_fen: By the funds; 0 of the e-wallet.
        account_fen: From the personal account; 0 of the e-wallet.
        cash_fen: By the person: cash, card or e-wallet.
        wallet: Whether the person's part was to go through the e-wallet.
        wallet_fen: Of the hospital: what of ``cash_fen`` was to, when it was only a part (mixed
            tender); none: all of it.
    """

    command_id: CommandId
    state: State
    setl_id: SettlementId | None
    medfee_fen: Fen
    fund_fen: Fen
    account_fen: Fen
    cash_fen: Fen
    wallet: bool = False
    wallet_fen: Fen | None = None


class Cause(StrEnum):
    """Why two books differ; a closed set."""

    ONLY_AT_INSURER = "only_at_insurer"
    """The answer was lost: settled, and the hospital does not know it."""
    ONLY_AT_HOSPITAL = "only_at_hospital"
    """The hospital takes it for settled and the insurer has nothing."""
    UNKNOWN_AND_DONE = "unknown_and_done"
    """The hospital never learnt the outcome; the insurer settled."""
    UNKNOWN_AND_NOT_DONE = "unknown_and_not_done"
    """The hospital never learnt the outcome; the insurer settled nothing, or undid it."""
    CANCELLED_AT_INSURER_ONLY = "cancelled_at_insurer_only"
    CANCELLED_AT_HOSPITAL_ONLY = "cancelled_at_hospital_only"
    AMOUNTS_DIFFER = "amounts_differ"
    PAID_NOT_SETTLED = "paid_not_settled"
    """The e-wallet has the person's money for a bill that is not settled."""
    SETTLED_NOT_PAID = "settled_not_paid"
    """The bill is settled and the e-wallet has not taken the person's part."""
    PAID_OTHER_AMOUNT = "paid_other_amount"
    WALLET_UNKNOWN = "wallet_unknown"
    """The e-wallet's outcome is open."""
    PAID_TWICE = "paid_twice"


class Repair(StrEnum):
    """What mends a difference; a closed set, one for each cause."""

    TELL_HOSPITAL = "tell_hospital"
    """The hospital asks again under the same command and books the answer."""
    VOID_AT_HOSPITAL = "void_at_hospital"
    """The hospital marks the bill as not settled and settles it anew with the person."""
    REVERSE = "reverse"
    """2601 for the command: it ends as never done."""
    CANCEL_AT_HOSPITAL = "cancel_at_hospital"
    CANCEL_AT_INSURER = "cancel_at_insurer"
    """2208 or 2305 for the settlement."""
    ASK_PEOPLE = "ask_people"
    """The same identifier with other amounts is no accident of the network: people look."""
    REFUND_WALLET = "refund_wallet"
    CAPTURE_OR_CANCEL = "capture_or_cancel"
    """Take the person's part if it is still held, else cancel the settlement."""
    ASK_WALLET = "ask_wallet"


REPAIR_OF: Mapping[Cause, Repair] = MappingProxyType(
    {
        Cause.ONLY_AT_INSURER: Repair.TELL_HOSPITAL,
        Cause.ONLY_AT_HOSPITAL: Repair.VOID_AT_HOSPITAL,
        Cause.UNKNOWN_AND_DONE: Repair.TELL_HOSPITAL,
        Cause.UNKNOWN_AND_NOT_DONE: Repair.REVERSE,
        Cause.CANCELLED_AT_INSURER_ONLY: Repair.CANCEL_AT_HOSPITAL,
        Cause.CANCELLED_AT_HOSPITAL_ONLY: Repair.CANCEL_AT_INSURER,
        Cause.AMOUNTS_DIFFER: Repair.ASK_PEOPLE,
        Cause.PAID_NOT_SETTLED: Repair.REFUND_WALLET,
        Cause.SETTLED_NOT_PAID: Repair.CAPTURE_OR_CANCEL,
        Cause.PAID_OTHER_AMOUNT: Repair.ASK_PEOPLE,
        Cause.WALLET_UNKNOWN: Repair.ASK_WALLET,
        Cause.PAID_TWICE: Repair.REFUND_WALLET,
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two books.

    Attributes:
        command_id: Of which bill.
        cause: Why.
        found_fen: What the later book says of what differs.
        expected_fen: What the insurer, or against the e-wallet the bill, says.
    """

    command_id: CommandId
    cause: Cause
    found_fen: Fen
    expected_fen: Fen

    @property
    def repair(self) -> Repair:
        """What mends it."""
        return REPAIR_OF[self.cause]


def differences(
    insurer: Iterable[Movement], hospital: Iterable[Movement], wallet: Iterable[Movement]
) -> tuple[Difference, ...]:
    """Every difference of three books, by command and cause; empty when they agree.

    The insurer decides what is settled. Against it the hospital is compared, and what the e-wallet
    did against the bill as the insurer has it. A bill that both books undid, or that one does not
    know and the other undid, is no difference.
    """
    insurer_by = _by_command(insurer)
    hospital_by = _by_command(hospital)
    wallet_by: dict[CommandId, list[Movement]] = {}
    for each in wallet:
        wallet_by.setdefault(each.command_id, []).append(each)
    found: list[Difference] = []
    for command_id in sorted(insurer_by.keys() | hospital_by.keys() | wallet_by.keys()):
        ours, theirs = insurer_by.get(command_id), hospital_by.get(command_id)
        found += _against_hospital(command_id, ours, theirs)
        found += _against_wallet(command_id, ours, theirs, wallet_by.get(command_id, []))
    return tuple(found)


def _by_command(movements: Iterable[Movement]) -> dict[CommandId, Movement]:
    by_command: dict[CommandId, Movement] = {}
    for each in movements:
        if by_command.setdefault(each.command_id, each) != each:
            raise Refused(BOOK_AMBIGUOUS)
    return by_command


def _against_hospital(
    command_id: CommandId, ours: Movement | None, theirs: Movement | None
) -> list[Difference]:
    done = ours is not None and ours.state is State.DONE
    expected = ours.medfee_fen if ours and done else Fen(0)
    state = None if theirs is None else theirs.state
    found = theirs.medfee_fen if theirs else Fen(0)
    cause = _cause(ours, state, done=done)
    if cause is None and ours and theirs and done and _money(ours) != _money(theirs):
        cause = Cause.AMOUNTS_DIFFER
    return [] if cause is None else [Difference(command_id, cause, found, expected)]


def _cause(ours: Movement | None, state: State | None, *, done: bool) -> Cause | None:
    if state is State.UNKNOWN:
        return Cause.UNKNOWN_AND_DONE if done else Cause.UNKNOWN_AND_NOT_DONE
    if state is None:
        return Cause.ONLY_AT_INSURER if done else None
    if state is State.DONE and not done:
        return Cause.ONLY_AT_HOSPITAL if ours is None else Cause.CANCELLED_AT_INSURER_ONLY
    if state is State.UNDONE and done:
        return Cause.CANCELLED_AT_HOSPITAL_ONLY
    return None


def _money(movement: Movement) -> tuple[Fen, ...]:
    return movement.medfee_fen, movement.fund_fen, movement.account_fen, movement.cash_fen


def _against_wallet(
    command_id: CommandId,
    ours: Movement | None,
    theirs: Movement | None,
    payments: Sequence[Movement],
) -> list[Difference]:
    done = ours is not None and ours.state is State.DONE
    by_wallet = bool(payments) or (theirs is not None and theirs.wallet)
    due = _due_by_wallet(ours, theirs) if ours and done and by_wallet else Fen(0)
    taken = [each for each in payments if each.state is State.DONE]
    paid = total([each.cash_fen for each in taken])
    cause: Cause | None = None
    if any(each.state is State.UNKNOWN for each in payments):
        cause = Cause.WALLET_UNKNOWN
    elif len(taken) > 1:
        cause = Cause.PAID_TWICE
    elif paid and not done:
        cause = Cause.PAID_NOT_SETTLED
    elif due and not paid:
        cause = Cause.SETTLED_NOT_PAID
    elif paid != due:
        cause = Cause.PAID_OTHER_AMOUNT
    return [] if cause is None else [Difference(command_id, cause, paid, due)]


def _due_by_wallet(ours: Movement, theirs: Movement | None) -> Fen:
    """What of the person's part was to go through the e-wallet; the insurer knows no tenders."""
    part = None if theirs is None else theirs.wallet_fen
    return ours.cash_fen if part is None else part


@dataclass(frozen=True, slots=True)
class Detail:
    """One line of a day's details (3202), settlement or cancellation.

    Attributes:
        setl_id: 结算ID.
        mdtrt_id: 就诊ID.
        psn_no: 人员编号.
        command_id: The sender's identifier of the command (``msgid``).
        medfee_sumamt: Negative in a cancellation, like the others.
        fund_pay_sumamt: By the funds.
        acct_pay: From the personal account.
        psn_cash_pay: By the person.
        cancels: The settlement that a cancellation undoes.
        refunded: ``refd_setl_flag``: a cancellation, or cancelled.
    """

    setl_id: SettlementId
    mdtrt_id: VisitId
    psn_no: PersonNo
    command_id: CommandId
    medfee_sumamt: Fen
    fund_pay_sumamt: Fen
    acct_pay: Fen
    psn_cash_pay: Fen
    cancels: SettlementId | None
    refunded: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of a span of days of an institution (3201).

    Attributes:
        settlements: ``fixmedins_setl_cnt``: settlements and cancellations.
        medfee_sumamt: Bills.
        fund_pay_sumamt: By the funds.
        acct_pay: From personal accounts.
        psn_cash_pay: By people.
    """

    settlements: int
    medfee_sumamt: Fen
    fund_pay_sumamt: Fen
    acct_pay: Fen
    psn_cash_pay: Fen


def totals_of(details: Sequence[Detail]) -> Totals:
    """The sums of details; a cancelled settlement and its cancellation add up to nothing."""
    return Totals(
        settlements=len(details),
        medfee_sumamt=total([each.medfee_sumamt for each in details]),
        fund_pay_sumamt=total([each.fund_pay_sumamt for each in details]),
        acct_pay=total([each.acct_pay for each in details]),
        psn_cash_pay=total([each.psn_cash_pay for each in details]),
    )


BOOK_AMBIGUOUS = KindsOf("insurer").kind(
    "book_ambiguous",
    "同一个请求编号在一本账里出现了不同的内容",
    "One book has a command identifier twice with other content",
    "请先在那一边查清，再对账",
    "Clear it up on that side before the books are compared",
    Helper.TECHNICIAN,
)

REFUSALS = (BOOK_AMBIGUOUS,)
