"""The stand-in's own database: payers, agreements, payments, commands, books, notifications."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.database.rows import changed_rows, find, new_row, sought, write
from shualian.core.database.statements import Filled, Statement, tell
from shualian.core.identifiers import CommandId, InstitutionCode, new_identifier
from shualian.core.money import ZERO, Fen
from shualian.gateway.ewallet.model import CommandAnswer
from shualian.hospital.wallet.model import (
    Declined,
    Done,
    Movement,
    MovementKind,
    NotificationId,
    PayerRef,
    PaymentState,
    PaymentStatus,
    WalletNo,
)
from shualian.sandbox.ewallet.model import (
    Account,
    BooksCheck,
    HeldPayment,
    Payer,
    Terms,
    clearing,
    held_money,
)
from shualian.terminals.enrolment.model import KeyId
from shualian.trust.signatures import Algorithm, PublicKey

metadata = MetaData()

_IDENTIFIER = String(64)

merchants = Table(
    "wallet_merchant",
    metadata,
    Column("merchant", String(30), primary_key=True),
    Column("notify_url", String(200)),
)
callers = Table(
    "wallet_caller",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("merchant", String(30), nullable=False),
    Column("algorithm", String(24), nullable=False),
    Column("public_key", LargeBinary(65), nullable=False),
)
nonces = Table(
    "wallet_nonce",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("nonce", String(64), primary_key=True),
    Column("created_at", UtcTime, nullable=False, index=True),
)
payers = Table(
    "wallet_payer",
    metadata,
    Column("payer", _IDENTIFIER, primary_key=True),
    Column("last_four", String(4), nullable=False),
    Column("closed", Boolean, nullable=False),
)
agreements = Table(
    "wallet_agreement",
    metadata,
    Column("payer", _IDENTIFIER, primary_key=True),
    Column("transaction_max_fen", BigInteger, nullable=False),
    Column("day_max_fen", BigInteger, nullable=False),
    Column("valid_from", UtcTime, nullable=False),
    Column("valid_until", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
)
payments = Table(
    "wallet_payment",
    metadata,
    Column("merchant", String(30), primary_key=True),
    Column("payment", _IDENTIFIER, primary_key=True),
    Column("payer", _IDENTIFIER),
    Column("day", Date, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("captured_fen", BigInteger, nullable=False),
    Column("refunded_fen", BigInteger, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    CheckConstraint("refunded_fen >= 0 AND refunded_fen <= captured_fen"),
    CheckConstraint("captured_fen <= amount_fen"),
    Index("ix_wallet_payment_payer", "payer", "day"),
    Index("ix_wallet_payment_due", "state", "expires_at"),
)
commands = Table(
    "wallet_command",
    metadata,
    Column("merchant", String(30), primary_key=True),
    Column("command_id", _IDENTIFIER, primary_key=True),
    Column("payment", _IDENTIFIER, nullable=False),
    Column("digest", LargeBinary(32)),
    Column("answer", Text, nullable=False),
)
movements = Table(
    "wallet_movement",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("wallet_no", String(30), nullable=False, unique=True),
    Column("merchant", String(30), nullable=False),
    Column("day", Date, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("command_id", _IDENTIFIER, nullable=False),
    Column("payment", _IDENTIFIER, nullable=False),
    Column("amount_fen", BigInteger, CheckConstraint("amount_fen > 0"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_wallet_movement_day", "merchant", "day"),
)
entries = Table(
    "wallet_entry",
    metadata,
    Column("posting_id", String(30), primary_key=True),
    Column("account", String(80), primary_key=True),
    Column("amount_fen", BigInteger, CheckConstraint("amount_fen <> 0"), nullable=False),
)
balances = Table(
    "wallet_balance",
    metadata,
    Column("account", String(80), primary_key=True),
    Column("balance_fen", BigInteger, nullable=False),
    CheckConstraint("balance_fen >= 0 OR account = 'bank'"),
)
notifications = Table(
    "wallet_news",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("notification_id", String(30), nullable=False, unique=True),
    Column("merchant", String(30), nullable=False),
    Column("content", Text, nullable=False),
    Column("due_at", UtcTime),
    Column("tries", Integer, nullable=False),
    Column("delivered", Boolean, nullable=False),
    Index("ix_wallet_news_due", "due_at"),
)


_MOVED = Statement("UPDATE wallet_balance SET balance_fen = balance_fen + ? WHERE account = ?")


@dataclass(frozen=True, slots=True)
class KnownCommand:
    """A command that was answered.

    Attributes:
        digest: Of its content; none for one that was ruled out before it arrived.
        outcome: As it was answered.
        payment: Which it was about.
    """

    digest: bytes | None
    outcome: Done | Declined
    payment: CommandId


@dataclass(frozen=True, slots=True)
class DueNews:
    """A notification that waits to be sent.

    Attributes:
        notification_id: Its identifier.
        url: Where to; none: nowhere.
        content: JSON.
        tries: How often it was sent in vain.
    """

    notification_id: NotificationId
    url: str | None
    content: str = field(repr=False)
    tries: int


def put_merchant(
    connection: Connection,
    merchant: InstitutionCode,
    *,
    key_id: KeyId,
    key: PublicKey,
    notify_url: str | None,
) -> None:
    """Know a hospital by a key; again is no change but of where notifications go."""
    connection.execute(delete(merchants).where(merchants.c.merchant == merchant))
    connection.execute(insert(merchants).values(merchant=merchant, notify_url=notify_url))
    connection.execute(delete(callers).where(callers.c.key_id == key_id))
    connection.execute(
        insert(callers).values(
            key_id=key_id,
            merchant=merchant,
            algorithm=key.algorithm.value,
            public_key=key.raw,
        )
    )


def caller(connection: Connection, key_id: KeyId) -> tuple[InstitutionCode, PublicKey] | None:
    """Whose key it is."""
    row = connection.execute(select(callers).where(callers.c.key_id == key_id)).first()
    if row is None:
        return None
    return InstitutionCode(row.merchant), PublicKey(Algorithm(row.algorithm), row.public_key)


def use_nonce(connection: Connection, key_id: KeyId, nonce: str, *, created: datetime) -> bool:
    """Use a nonce up; whether it was new. Writers stand in line, so nobody comes between."""
    used = select(nonces.c.nonce).where(nonces.c.key_id == key_id, nonces.c.nonce == nonce)
    if connection.execute(used).first() is not None:
        return False
    connection.execute(insert(nonces).values(key_id=key_id, nonce=nonce, created_at=created))
    return True


def forget_nonces(connection: Connection, *, before: datetime) -> None:
    """Forget nonces that nobody would believe any more."""
    connection.execute(delete(nonces).where(nonces.c.created_at < before))


def add_payer(connection: Connection, payer: Payer) -> None:
    """Open an account."""
    connection.execute(
        insert(payers).values(payer=payer.payer, last_four=payer.last_four, closed=payer.closed)
    )


def close_payer(connection: Connection, payer: PayerRef) -> None:
    """Close an account; what is held or captured goes on."""
    connection.execute(update(payers).where(payers.c.payer == payer).values(closed=True))


def payer_of(connection: Connection, payer: PayerRef) -> Payer | None:
    """An account."""
    (rows,) = find(connection, sought(payers, payer=payer))
    return Payer(PayerRef(rows[0].payer), rows[0].last_four, rows[0].closed) if rows else None


def all_payers(connection: Connection) -> list[Payer]:
    """Every account, by reference."""
    rows = connection.execute(select(payers).order_by(payers.c.payer))
    return [Payer(PayerRef(row.payer), row.last_four, row.closed) for row in rows]


def put_terms(connection: Connection, payer: PayerRef, terms: Terms) -> None:
    """Put an agreement in the place of an earlier one."""
    connection.execute(delete(agreements).where(agreements.c.payer == payer))
    values = {name: getattr(terms, name) for name in Terms.__slots__}
    connection.execute(insert(agreements).values(payer=payer, **values))


def terms_of(connection: Connection, payer: PayerRef) -> Terms | None:
    """What a payer authorised."""
    (rows,) = find(connection, sought(agreements, payer=payer))
    if not rows:
        return None
    row = rows[0]
    return Terms(
        transaction_max_fen=Fen(row.transaction_max_fen),
        day_max_fen=Fen(row.day_max_fen),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        revoked_at=row.revoked_at,
    )


def put_payment(connection: Connection, payment: HeldPayment) -> None:
    """Write a payment, new or changed."""
    status = payment.status
    values = {name: getattr(status, name) for name in PaymentStatus.__slots__}
    values["state"] = status.state.value
    key = {"merchant": payment.merchant, "payment": status.payment}
    if status.version == 1:
        whole = values | key | {"payer": payment.payer, "day": payment.day}
        write(connection, [new_row(payments, whole)])
        return
    write(connection, [changed_rows(payments, values, **key)])


def payment_of(
    connection: Connection, merchant: InstitutionCode, payment: CommandId
) -> HeldPayment | None:
    """A payment of a hospital."""
    (rows,) = find(connection, sought(payments, merchant=merchant, payment=payment))
    return _payment(rows[0]) if rows else None


def payments_of_day(connection: Connection, payer: PayerRef, day: date) -> Sequence[HeldPayment]:
    """A payer's payments of one business day, at all hospitals."""
    (rows,) = find(connection, sought(payments, "payment", payer=payer, day=day))
    return [_payment(row) for row in rows]


def due_holds(connection: Connection, *, now: datetime) -> Sequence[HeldPayment]:
    """Holds whose time is over."""
    (rows,) = find(connection, sought(payments, state=PaymentState.HELD.value))
    return [_payment(row) for row in rows if row.expires_at <= now]


def add_command(
    connection: Connection,
    merchant: InstitutionCode,
    command: KnownCommand,
) -> None:
    """Keep the answer of a command."""
    answer = CommandAnswer.made(command.outcome, stand_in=True)
    values = {
        "merchant": merchant,
        "command_id": command.outcome.command_id,
        "payment": command.payment,
        "digest": command.digest,
        "answer": answer.model_dump_json(),
    }
    write(connection, [new_row(commands, values)])


def command_of(
    connection: Connection, merchant: InstitutionCode, command_id: CommandId
) -> KnownCommand | None:
    """A command that was answered before."""
    (rows,) = find(connection, sought(commands, merchant=merchant, command_id=command_id))
    if not rows:
        return None
    row = rows[0]
    outcome = CommandAnswer.model_validate_json(row.answer).outcome.outcome()
    return KnownCommand(row.digest, outcome, CommandId(row.payment))


def add_movement(
    connection: Connection, merchant: InstitutionCode, movement: Movement, *, day: date
) -> None:
    """Write a line of the hospital's statement."""
    values = {name: getattr(movement, name) for name in Movement.__slots__}
    values |= {"kind": movement.kind.value, "merchant": merchant, "day": day}
    write(connection, [new_row(movements, values)])


def movements_of(
    connection: Connection, merchant: InstitutionCode, day: date
) -> tuple[Movement, ...]:
    """The lines of a hospital's statement, the oldest first."""
    key = {"merchant": merchant, "day": day}
    lines = select(movements).filter_by(**key).order_by(movements.c.number)
    rows = connection.execute(lines)
    return tuple(
        Movement(
            wallet_no=WalletNo(row.wallet_no),
            kind=MovementKind(row.kind),
            command_id=CommandId(row.command_id),
            payment=CommandId(row.payment),
            amount_fen=Fen(row.amount_fen),
            at=row.at,
        )
        for row in rows
    )


def book(connection: Connection, posting: Mapping[Account, Fen]) -> None:
    """Write a posting and move its balances.

    Raises:
        ValueError: When it does not add up to zero.
        IntegrityError: When an account but the bank's would fall below zero.
    """
    if sum(posting.values()) != 0:
        raise ValueError("the entries of a posting add up to zero")
    posting_id = new_identifier()
    rows = [
        {"posting_id": posting_id, "account": account, "amount_fen": amount}
        for account, amount in posting.items()
    ]
    write(connection, [new_row(entries, row) for row in rows])
    for account, amount in posting.items():
        _move(connection, account, amount)


def balance(connection: Connection, account: Account) -> Fen:
    """What an account holds."""
    (rows,) = find(connection, sought(balances, account=account))
    return Fen(rows[0].balance_fen) if rows else ZERO


def check_books(connection: Connection) -> BooksCheck:
    """Whether entries add up, and balances equal entries, open holds and hospitals' movements."""
    amount = func.sum(entries.c.amount_fen)
    whole = connection.execute(select(amount)).scalar_one() or 0
    by_posting = select(entries.c.posting_id).group_by(entries.c.posting_id)
    unbalanced = connection.execute(by_posting.having(amount != 0)).all()
    by_account = select(entries.c.account, amount).group_by(entries.c.account)
    booked = {account: Fen(int(held)) for account, held in connection.execute(by_account)}
    rows = connection.execute(select(balances))
    held = {Account(row.account): Fen(row.balance_fen) for row in rows}
    expected = _expected(connection)
    return BooksCheck(
        sum_of_entries=Fen(int(whole)),
        postings_unbalanced=len(unbalanced),
        accounts_differing=_differing(booked, held),
        held_differing=_differing(expected, held, "held/"),
        merchants_differing=_differing(expected, held, "merchant/"),
    )


def add_news(
    connection: Connection,
    notification_id: NotificationId,
    merchant: InstitutionCode,
    content: str,
    *,
    due_at: datetime,
) -> None:
    """Let a notification wait to be sent."""
    values = {
        "notification_id": notification_id,
        "merchant": merchant,
        "content": content,
        "due_at": due_at,
        "tries": 0,
        "delivered": False,
    }
    write(connection, [new_row(notifications, values)])


def due_news(connection: Connection, *, now: datetime, most: int) -> list[DueNews]:
    """Notifications that are due, the oldest first."""
    joined = notifications.outerjoin(merchants, notifications.c.merchant == merchants.c.merchant)
    query = (
        select(notifications, merchants.c.notify_url)
        .select_from(joined)
        .where(notifications.c.due_at <= now)
        .order_by(notifications.c.number)
        .limit(most)
    )
    return [
        DueNews(NotificationId(row.notification_id), row.notify_url, row.content, row.tries)
        for row in connection.execute(query)
    ]


def note_sending(
    connection: Connection,
    notification_id: NotificationId,
    *,
    tries: int,
    delivered: bool,
    due_at: datetime | None,
) -> None:
    """Note what came of sending a notification; without ``due_at`` it is not sent again."""
    connection.execute(
        update(notifications)
        .where(notifications.c.notification_id == notification_id)
        .values(tries=tries, delivered=delivered, due_at=due_at)
    )


def waiting_news(connection: Connection) -> int:
    """How many notifications will still be sent."""
    query = select(func.count()).select_from(notifications)
    return connection.execute(query.where(notifications.c.due_at.is_not(None))).scalar_one()


def _move(connection: Connection, account: Account, amount: Fen) -> None:
    (moved,) = tell(connection, [Filled(_MOVED, (amount, account))])
    if moved == 0:
        write(connection, [new_row(balances, {"account": account, "balance_fen": amount})])


def _expected(connection: Connection) -> dict[Account, Fen]:
    """What held and hospitals' accounts must hold, from the payments alone."""
    sums: dict[Account, Fen] = defaultdict(lambda: ZERO)
    for payment in map(_payment, connection.execute(select(payments))):
        status = payment.status
        if status.state is PaymentState.HELD and payment.payer is not None:
            account = held_money(payment.payer)
            sums[account] = Fen(sums[account] + status.amount_fen)
        account = clearing(payment.merchant)
        sums[account] = Fen(sums[account] + status.refundable_fen)
    return sums


def _differing(
    expected: Mapping[Account, Fen], found: Mapping[Account, Fen], prefix: str = ""
) -> int:
    accounts = [each for each in expected.keys() | found.keys() if each.startswith(prefix)]
    return sum(expected.get(each, ZERO) != found.get(each, ZERO) for each in accounts)


def _payment(row: Any) -> HeldPayment:
    return HeldPayment(
        merchant=InstitutionCode(row.merchant),
        payer=None if row.payer is None else PayerRef(row.payer),
        day=row.day,
        status=PaymentStatus(
            payment=CommandId(row.payment),
            version=row.version,
            state=PaymentState(row.state),
            amount_fen=Fen(row.amount_fen),
            captured_fen=Fen(row.captured_fen),
            refunded_fen=Fen(row.refunded_fen),
            expires_at=row.expires_at,
        ),
    )
