"""Double entry: postings that add up to zero and are never changed.

An amount above zero is money that the account's owner has to get, below zero what it has given.
So a settlement takes from funds and personal account, and the institution has to get the bill.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import InstitutionCode, PersonNo
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Finality, Helper, RefusalKind

PostingId = NewType("PostingId", str)


class AccountKind(StrEnum):
    """What an account stands for."""

    FUND = "fund"
    """A fund of a region; owner ``region/fund_pay_type``."""
    PERSONAL = "personal"
    """A person's account, the only kind with a balance row; owner ``psn_no``."""
    CONTRIBUTIONS = "contributions"
    """Where money of personal accounts comes from; owner the region."""
    PAYABLE = "payable"
    """The bills that an institution has to get; owner ``fixmedins_code``."""
    CASH_CLEARING = "cash_clearing"
    """What an institution took from people itself, set off against its bills; the same owner."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the ledger."""

    kind: AccountKind
    owner: str


def fund(region: str, fund_pay_type: str) -> Account:
    """The account of a fund in a region."""
    return Account(AccountKind.FUND, f"{region}/{fund_pay_type}")


def personal(psn_no: PersonNo) -> Account:
    """The personal account of a person."""
    return Account(AccountKind.PERSONAL, psn_no)


def contributions(region: str) -> Account:
    """Where personal accounts of a region are filled from."""
    return Account(AccountKind.CONTRIBUTIONS, region)


def payable(institution: InstitutionCode) -> Account:
    """What an institution has to get for its bills."""
    return Account(AccountKind.PAYABLE, institution)


def cash_clearing(institution: InstitutionCode) -> Account:
    """What an institution took from people itself."""
    return Account(AccountKind.CASH_CLEARING, institution)


class Phase(StrEnum):
    """Whether a posting counts."""

    POSTED = "posted"
    """It counts: at once, or because it takes the place of a pending one."""
    PENDING = "pending"
    """Its outcome is not known; it counts for nothing until another posting resolves it."""
    VOIDED = "voided"
    """It ends a pending one that did not come; it has no entries."""


class Cause(StrEnum):
    """Why money moved."""

    CONTRIBUTION = "contribution"
    SETTLEMENT = "settlement"
    CANCELLATION = "cancellation"
    TRANSFER = "transfer"
    """A transfer of contributions that is announced, and then arrives or does not."""
    RESOLUTION = "resolution"
    """A pending posting was posted or voided."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One movement of money, whole and unchangeable.

    Attributes:
        posting_id: Its identifier.
        cause: Why.
        cause_id: Identifier of what caused it; a cause moves money once.
        entries: Amount for each account that it touches, none zero; they add up to zero.
        undoes: The posting of which this is the mirror; a posting is undone at most once.
        phase: Whether it counts.
        resolves: The pending posting that this one posts or voids; each is resolved once.
    """

    posting_id: PostingId
    cause: Cause
    cause_id: str
    entries: Mapping[Account, Fen]
    undoes: PostingId | None = None
    phase: Phase = Phase.POSTED
    resolves: PostingId | None = None

    def __post_init__(self) -> None:
        if self.phase is Phase.VOIDED and (self.entries or self.resolves is None):
            raise ValueError("a voiding posting moves nothing and names what it ends")
        if sum(self.entries.values()) != 0:
            raise ValueError("the entries of a posting add up to zero")
        if ZERO in self.entries.values():
            raise ValueError("an entry moves money")


def mirror(posting: Posting, *, posting_id: PostingId, cause: Cause, cause_id: str) -> Posting:
    """The posting that undoes another: the same accounts, every amount negated."""
    entries = {account: Fen(-amount) for account, amount in posting.entries.items()}
    return Posting(posting_id, cause, cause_id, entries, undoes=posting.posting_id)


def resolution(pending: Posting, *, posting_id: PostingId, arrived: bool) -> Posting:
    """The posting that ends a pending one: with the same entries if it arrived, else with none.

    Raises:
        ValueError: If the posting is not pending.
    """
    if pending.phase is not Phase.PENDING:
        raise ValueError("only a pending posting is resolved")
    return Posting(
        posting_id=posting_id,
        cause=Cause.RESOLUTION,
        cause_id=pending.posting_id,
        entries=pending.entries if arrived else {},
        phase=Phase.POSTED if arrived else Phase.VOIDED,
        resolves=pending.posting_id,
    )


def balances(postings: Iterable[Posting]) -> dict[Account, Fen]:
    """What each account holds after all postings: the sum of its entries, pending ones apart."""
    held: dict[Account, Fen] = {}
    for posting in postings:
        if posting.phase is Phase.PENDING:
            continue
        for account, amount in posting.entries.items():
            held[account] = Fen(held.get(account, ZERO) + amount)
    return held


@dataclass(frozen=True, slots=True)
class BooksCheck:
    """Whether the books are coherent.

    Attributes:
        sum_of_entries: Over all accounts; 0 in right books.
        postings_unbalanced: How many postings do not add up to zero.
        accounts_differing: How many personal balances differ from the sum of their entries.
    """

    sum_of_entries: Fen
    postings_unbalanced: int
    accounts_differing: int

    @property
    def coherent(self) -> bool:
        """Whether nothing is wrong."""
        return self == BooksCheck(ZERO, 0, 0)


ACCOUNT_TOO_LOW = RefusalKind(
    code="insurer.account_too_low",
    zh="个人账户余额不够",
    en="The personal account does not hold enough",
    next_zh="请重新预结算，按新的金额确认",
    next_en="Pre-settle again and confirm the new amounts",
    helper=Helper.SELF,
    finality=Finality.FINAL,
)
AMOUNT_NOT_POSITIVE = RefusalKind(
    code="insurer.amount_not_positive",
    zh="金额必须大于零",
    en="The amount must be above zero",
    next_zh="请核对金额",
    next_en="Check the amount",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
COMMAND_DIFFERS = RefusalKind(
    code="insurer.command_differs",
    zh="同一个请求编号用在了不同的内容上",
    en="This command identifier was used for something else",
    next_zh="请用新的请求编号重新发送",
    next_en="Send it again under a new command identifier",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)

TRANSFER_NOT_FOUND = RefusalKind(
    code="insurer.transfer_not_found",
    zh="没有这笔划拨",
    en="There is no such transfer",
    next_zh="请核对划拨编号",
    next_en="Check the number of the transfer",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)

REFUSALS = (ACCOUNT_TOO_LOW, AMOUNT_NOT_POSITIVE, COMMAND_DIFFERS, TRANSFER_NOT_FOUND)
