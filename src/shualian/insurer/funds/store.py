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
    select,
)

from shualian.core.database import UtcTime
from shualian.core.database.statements import Filled, Statement, insert_rows, tell
from shualian.core.identifiers import PersonNo
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.insurer.funds.model import (
    ACCOUNT_TOO_LOW,
    Account,
    AccountKind,
    BooksCheck,
    Cause,
    Phase,
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
    Column("phase", String(10), nullable=False),
    Column("resolves", String(30), ForeignKey("ledger_posting.posting_id"), unique=True),
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
    # 1: it counts for nothing yet, whoever looks at the entry alone sees that.
    Column("pending", Integer, nullable=False),
)
personal_account = Table(
    "personal_account",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("balance_fen", BigInteger, CheckConstraint("balance_fen >= 0"), nullable=False),
)


_POSTING = (
    "posting_id",
    "cause",
    "cause_id",
    "undoes",
    "phase",
    "resolves",
    "booked_at",
)
_ENTRY = ("posting_id", "line", "account_kind", "account_owner", "amount_fen", "pending")
_CREDIT = insert_rows(
    "personal_account",
    ("psn_no", "balance_fen"),
    1,
    then="ON CONFLICT (psn_no) DO UPDATE"
    " SET balance_fen = personal_account.balance_fen + excluded.balance_fen",
)
_DEBIT = Statement(
    "UPDATE personal_account SET balance_fen = balance_fen + ?"
    " WHERE psn_no = ? AND balance_fen >= ?"
)


def booked(posting: Posting, *, booked_at: datetime) -> list[Filled]:
    """What writes a posting and moves the personal balances that it touches, for one round trip.

    Each of them changes one row for each row that it names; a debit that changes none would let
    its account fall below zero (:func:`check_booked`).
    """
    number, entries = posting.posting_id, posting.entries
    head = (
        number,
        posting.cause.value,
        posting.cause_id,
        posting.undoes,
        posting.phase.value,
        posting.resolves,
        booked_at,
    )
    told = [Filled(insert_rows("ledger_posting", _POSTING, 1), head)]
    if not entries:
        return told
    pending = int(posting.phase is Phase.PENDING)
    rows: list[str | int | None] = []
    for line, (account, amount) in enumerate(entries.items(), start=1):
        rows += (number, line, account.kind.value, account.owner, amount, pending)
    told.append(Filled(insert_rows("ledger_entry", _ENTRY, len(entries)), tuple(rows)))
    if not pending:
        told += _moved(posting)
    return told


def _moved(posting: Posting) -> list[Filled]:
    return [
        Filled(_CREDIT, (account.owner, amount))
        if amount > 0
        else Filled(_DEBIT, (amount, account.owner, -amount))
        for account, amount in posting.entries.items()
        if account.kind is AccountKind.PERSONAL
    ]


def check_booked(told: Sequence[Filled], changed: Sequence[int]) -> None:
    """Check that every debit of :func:`booked` found its money.

    Raises:
        Refused: ``insurer.account_too_low``; the caller's transaction must end.
    """
    for each, rows in zip(told, changed, strict=True):
        if each.statement is _DEBIT and rows != 1:
            raise Refused(ACCOUNT_TOO_LOW)


def book(connection: Connection, posting: Posting, *, booked_at: datetime) -> None:
    """Write a posting and move the personal balances that it touches.

    Raises:
        Refused: ``insurer.account_too_low`` when a personal account would fall below zero.
    """
    told = booked(posting, booked_at=booked_at)
    check_booked(told, tell(connection, told))


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


def resolution_of(connection: Connection, posting_id: PostingId) -> Posting | None:
    """The posting that posted or voided a pending one."""
    table = ledger_posting
    row = connection.execute(select(table).where(table.c.resolves == posting_id)).one_or_none()
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
        phase=Phase(row.phase),
        resolves=None if row.resolves is None else PostingId(row.resolves),
    )


def account_sum(connection: Connection, account: Account, *, pending: bool = False) -> Fen:
    """The sum of an account's entries; with ``pending``, of those whose outcome is open."""
    table = ledger_entry
    query = select(func.sum(table.c.amount_fen)).where(
        table.c.account_kind == account.kind.value,
        table.c.account_owner == account.owner,
        table.c.pending == int(pending),
    )
    if pending:
        resolved = select(ledger_posting.c.resolves).where(ledger_posting.c.resolves.is_not(None))
        query = query.where(table.c.posting_id.not_in(resolved))
    return Fen(int(connection.execute(query).scalar_one() or 0))


def check_books(connection: Connection) -> BooksCheck:
    """Whether entries add up and personal balances equal the sum of their entries."""
    amount = func.sum(ledger_entry.c.amount_fen)
    whole = connection.execute(select(amount)).scalar_one() or 0
    by_posting = select(ledger_entry.c.posting_id).group_by(ledger_entry.c.posting_id)
    unbalanced = connection.execute(by_posting.having(amount != 0)).all()
    by_person = (
        select(ledger_entry.c.account_owner, amount)
        .where(
            ledger_entry.c.account_kind == AccountKind.PERSONAL.value,
            ledger_entry.c.pending == 0,
        )
        .group_by(ledger_entry.c.account_owner)
    )
    booked = {owner: int(held) for owner, held in connection.execute(by_person)}
    rows = connection.execute(select(personal_account))
    held = {row.psn_no: row.balance_fen for row in rows}
    people = booked.keys() | held.keys()
    differing = [who for who in people if booked.get(who, 0) != held.get(who, 0)]
    return BooksCheck(Fen(int(whole)), len(unbalanced), len(differing))
