"""Tables of cards and of people's own limits without a PIN."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.database.statements import Filled, Row, Statement, ask
from shualian.core.identifiers import PersonNo
from shualian.core.money import Fen
from shualian.insurer.settlement.evidence.model import Limits

metadata = MetaData()

card = Table(
    "insured_card",
    metadata,
    Column("card_hash", LargeBinary, primary_key=True),
    Column("psn_no", String(30), nullable=False, index=True),
    Column("issued_at", UtcTime, nullable=False),
    Column("blocked_at", UtcTime),
)
limit = Table(
    "payment_limit",
    metadata,
    Column("psn_no", String(30), primary_key=True),
    Column("transaction_fen", BigInteger, nullable=False),
    Column("day_fen", BigInteger, nullable=False),
    Column("set_at", UtcTime, nullable=False),
)


_HOLDER = Statement("SELECT psn_no FROM insured_card WHERE card_hash = ? AND blocked_at IS NULL")


def add_card(connection: Connection, card_hash: bytes, psn_no: PersonNo, *, at: datetime) -> None:
    """Insert a card."""
    connection.execute(insert(card).values(card_hash=card_hash, psn_no=psn_no, issued_at=at))


def ask_holder(card_hash: bytes) -> Filled:
    """Whose card this is; :func:`holder` reads the answer."""
    return Filled(_HOLDER, (card_hash,))


def holder(rows: Sequence[Row]) -> PersonNo | None:
    """The answer to :func:`ask_holder`: nobody when it is blocked."""
    return PersonNo(rows[0][0]) if rows else None


def holder_of(connection: Connection, card_hash: bytes) -> PersonNo | None:
    """Whose card this is, unless it is blocked."""
    (rows,) = ask(connection, [ask_holder(card_hash)])
    return holder(rows)


def block_cards(connection: Connection, psn_no: PersonNo, *, at: datetime) -> int:
    """Block every card of a person; how many there were."""
    change = update(card).where(card.c.psn_no == psn_no, card.c.blocked_at.is_(None))
    return connection.execute(change.values(blocked_at=at)).rowcount


def put_limits(
    connection: Connection, psn_no: PersonNo, limits: Limits | None, *, at: datetime
) -> None:
    """Keep a person's own limits, or none."""
    connection.execute(delete(limit).where(limit.c.psn_no == psn_no))
    if limits is not None:
        connection.execute(
            insert(limit).values(
                psn_no=psn_no,
                transaction_fen=limits.transaction_fen,
                day_fen=limits.day_fen,
                set_at=at,
            )
        )


def limits_of(connection: Connection, psn_no: PersonNo) -> Limits | None:
    """A person's own limits."""
    row = connection.execute(select(limit).where(limit.c.psn_no == psn_no)).one_or_none()
    return None if row is None else Limits(Fen(row.transaction_fen), Fen(row.day_fen))
