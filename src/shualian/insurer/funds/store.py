"""The ledger's tables: postings and entries only grow; personal accounts carry a balance row."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import PersonNo
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.insurer.funds.model import (
    ACCOUNT_TOO_LOW,
    Account,
    AccountKind,
    BooksCheck,
    Cause,
    Posting,
    PostingId,
)

metadata = MetaData()

ledger_posting = Table(
    "ledger_posting",
    metadata,
    Column("posting_id", String(30), primary_key=True),
    Column("cause", String(20), nullable=False),
    Column("cause_id", String(60), nullable=False),
    Column("undoes", String(30), ForeignKey("ledger_posting.posting_id"), unique=True),
    Column("booked_at", UtcTime, nullable=False),
    UniqueConstraint("cause", "cause_id"),
)
ledger_entry = Table(
    "ledger_entry",
    metadata,
    Column("posting_id", String(30), ForeignKey("ledger_posting.posting_id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("account_kind", String(20), nullable=False),
    Column("account_owner", String(60), nullable=False, index=True),
    Column("amount_fen", BigInteger, CheckConstraint("amount_fen <> 0"), nullable=False),
)
personal_account = Table(
    "personal_account",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("balance_fen", BigInteger, CheckConstraint("balance_fen >= 0"), nullable=False),
)


def book(connection: Connection, posting: Posting, *, booked_at: datetime) -> None:
    """Write a posting and move the personal balances that it touches.

    Raises:
        Refused: ``insurer.account_too_low`` when a personal account would fall below zero.
    """
    connection.execute(
        insert(ledger_posting).values(
            posting_id=posting.posting_id,
            cause=posting.cause.value,
            cause_id=posting.cause_id,
            undoes=posting.undoes,
            booked_at=booked_at,
        )
    )
    if posting.entries:
        connection.execute(insert(ledger_entry), _entry_rows(posting))
    for account, amount in posting.entries.items():
        if account.kind is AccountKind.PERSONAL:
            _move_balance(connection, PersonNo(account.owner), amount)


def _entry_rows(posting: Posting) -> list[dict[str, object]]:
    return [
        {
            "posting_id": posting.posting_id,
            "line": line,
            "account_kind": account.kind.value,
            "account_owner": account.owner,
            "amount_fen": amount,
        }
        for line, (account, amount) in enumerate(posting.entries.items(), start=1)
    ]


def _move_balance(connection: Connection, psn_no: PersonNo, amount: Fen) -> None:
    table = personal_account
    after = table.c.balance_fen + amount
    change = update(table).where(table.c.psn_no == psn_no, after >= 0).values(balance_fen=after)
    if connection.execute(change).rowcount == 1:
        return
    held = balance_row(connection, psn_no)
    if held is not None or amount < 0:
        raise Refused(ACCOUNT_TOO_LOW, found_fen=held or 0, expected_fen=-amount)
    connection.execute(insert(table).values(psn_no=psn_no, balance_fen=amount))


def balance_row(connection: Connection, psn_no: PersonNo) -> Fen | None:
    """The balance of a personal account; none when it never held money."""
    table = personal_account
    query = select(table.c.balance_fen).where(table.c.psn_no == psn_no)
    return connection.execute(query).scalar_one_or_none()


def balance(connection: Connection, psn_no: PersonNo) -> Fen:
    """The balance of a personal account; 0 when it never held money."""
    return balance_row(connection, psn_no) or ZERO


def posting_of(connection: Connection, cause: Cause, cause_id: str) -> Posting | None:
    """The posting that a cause made."""
    table = ledger_posting
    query = select(table).where(table.c.cause == cause.value, table.c.cause_id == cause_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _posting(row, _entries(connection, row.posting_id))


def all_postings(connection: Connection) -> list[Posting]:
    """Every posting, in the order of their identifiers."""
    rows = connection.execute(select(ledger_posting).order_by(ledger_posting.c.posting_id))
    return [_posting(row, _entries(connection, row.posting_id)) for row in rows.all()]


def _entries(connection: Connection, posting_id: str) -> Sequence[Row[tuple[object, ...]]]:
    table = ledger_entry
    query = select(table).where(table.c.posting_id == posting_id).order_by(table.c.line)
    return connection.execute(query).all()


def _posting(row: Row[tuple[object, ...]], entries: Sequence[Row[tuple[object, ...]]]) -> Posting:
    return Posting(
        posting_id=PostingId(row.posting_id),
        cause=Cause(row.cause),
        cause_id=row.cause_id,
        entries={
            Account(AccountKind(entry.account_kind), entry.account_owner): Fen(entry.amount_fen)
            for entry in entries
        },
        undoes=None if row.undoes is None else PostingId(row.undoes),
    )


def account_sum(connection: Connection, account: Account) -> Fen:
    """The sum of an account's entries."""
    table = ledger_entry
    query = select(func.sum(table.c.amount_fen)).where(
        table.c.account_kind == account.kind.value, table.c.account_owner == account.owner
    )
    return Fen(int(connection.execute(query).scalar_one() or 0))


def check_books(connection: Connection) -> BooksCheck:
    """Whether entries add up and personal balances equal the sum of their entries."""
    amount = func.sum(ledger_entry.c.amount_fen)
    whole = connection.execute(select(amount)).scalar_one() or 0
    by_posting = select(ledger_entry.c.posting_id).group_by(ledger_entry.c.posting_id)
    unbalanced = connection.execute(by_posting.having(amount != 0)).all()
    by_person = (
        select(ledger_entry.c.account_owner, amount)
        .where(ledger_entry.c.account_kind == AccountKind.PERSONAL.value)
        .group_by(ledger_entry.c.account_owner)
    )
    booked = {owner: int(held) for owner, held in connection.execute(by_person)}
    rows = connection.execute(select(personal_account))
    held = {row.psn_no: row.balance_fen for row in rows}
    people = booked.keys() | held.keys()
    differing = [who for who in people if booked.get(who, 0) != held.get(who, 0)]
    return BooksCheck(Fen(int(whole)), len(unbalanced), len(differing))
