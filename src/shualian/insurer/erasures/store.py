"""Tables of erasures: the receipt, whose it is (apart from it), and what each store held."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import (
    Column,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import PersonNo
from shualian.insurer.erasures.model import (
    DeletionReceipt,
    ErasureReason,
    ReceiptNo,
    SearchedStore,
    StoreName,
)

metadata = MetaData()

erasures = Table(
    "face_erasure",
    metadata,
    Column("receipt_no", String(30), primary_key=True),
    Column("reason", String(20), nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("completed_at", UtcTime),  # NULL: it must go on
    Column("backups_until", Date),
    Index("ix_face_erasure_completed", "completed_at"),
)
people = Table(
    "face_erasure_person",
    metadata,
    Column("receipt_no", ForeignKey(erasures.c.receipt_no), primary_key=True),
    Column("psn_no", String(30), nullable=False),
    Index("ix_face_erasure_person", "psn_no"),
)
searched = Table(
    "face_erasure_store",
    metadata,
    Column("receipt_no", ForeignKey(erasures.c.receipt_no), primary_key=True),
    Column("name", String(30), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("found", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
)


def begin(
    connection: Connection, number: ReceiptNo, psn_no: PersonNo, reason: ErasureReason, at: datetime
) -> None:
    """Write down that everything of a person's face must go."""
    connection.execute(insert(erasures).values(receipt_no=number, reason=reason.value, begun_at=at))
    connection.execute(insert(people).values(receipt_no=number, psn_no=psn_no))


def open_of(connection: Connection, psn_no: PersonNo) -> ReceiptNo | None:
    """The erasure of a person that is not finished; there is at most one."""
    query = _of(psn_no).where(erasures.c.completed_at.is_(None))
    found = connection.scalar(query)
    return None if found is None else ReceiptNo(found)


def numbers_of(connection: Connection, psn_no: PersonNo) -> list[ReceiptNo]:
    """The finished receipts of a person, oldest first."""
    query = _of(psn_no).where(erasures.c.completed_at.is_not(None))
    ordered = query.order_by(erasures.c.begun_at, erasures.c.receipt_no)
    return [ReceiptNo(number) for number in connection.scalars(ordered)]


def all_open(connection: Connection) -> list[tuple[ReceiptNo, PersonNo]]:
    """Every erasure that is not finished, with its person, oldest first."""
    query = (
        select(people.c.receipt_no, people.c.psn_no)
        .join(erasures, erasures.c.receipt_no == people.c.receipt_no)
        .where(erasures.c.completed_at.is_(None))
        .order_by(erasures.c.begun_at, people.c.receipt_no)
    )
    rows = connection.execute(query)
    return [(ReceiptNo(number), PersonNo(psn_no)) for number, psn_no in rows]


def put_lines(
    connection: Connection, number: ReceiptNo, lines: Sequence[SearchedStore]
) -> tuple[SearchedStore, ...]:
    """Keep what was found and deleted; a repeat adds to a line and never takes from it."""
    known = {line.name: line for line in lines_of(connection, number)}
    for line in lines:
        earlier = known.get(line.name)
        if earlier is None:
            row = {"receipt_no": number, "position": len(known), "name": line.name.value}
            values = {**row, "found": line.found, "deleted": line.deleted}
            connection.execute(insert(searched).values(values))
            known[line.name] = line
            continue
        this = (searched.c.receipt_no == number) & (searched.c.name == line.name.value)
        more = {
            "found": max(line.found, earlier.found),
            "deleted": max(line.deleted, earlier.deleted),
        }
        connection.execute(update(searched).where(this).values(more))
    return lines_of(connection, number)


def lines_of(connection: Connection, number: ReceiptNo) -> tuple[SearchedStore, ...]:
    """What is known of each store, in order."""
    query = select(searched).where(searched.c.receipt_no == number).order_by(searched.c.position)
    return tuple(
        SearchedStore(StoreName(row.name), row.found, row.deleted)
        for row in connection.execute(query)
    )


def complete(
    connection: Connection, number: ReceiptNo, *, at: datetime, backups_until: date
) -> bool:
    """Finish an erasure; whether it was open until now."""
    this = (erasures.c.receipt_no == number) & erasures.c.completed_at.is_(None)
    values = {"completed_at": at, "backups_until": backups_until}
    return connection.execute(update(erasures).where(this).values(values)).rowcount == 1


def receipt(connection: Connection, number: ReceiptNo) -> DeletionReceipt | None:
    """A finished receipt."""
    query = select(erasures).where(erasures.c.receipt_no == number)
    row = connection.execute(query).one_or_none()
    if row is None or row.completed_at is None:
        return None
    return DeletionReceipt(
        number=number,
        reason=ErasureReason(row.reason),
        completed_at=row.completed_at,
        stores=lines_of(connection, number),
        backups_until=row.backups_until,
    )


def person_of(connection: Connection, number: ReceiptNo) -> PersonNo | None:
    """Whose erasure it is."""
    found = connection.scalar(select(people.c.psn_no).where(people.c.receipt_no == number))
    return None if found is None else PersonNo(found)


def _of(psn_no: PersonNo) -> Select[str]:
    joined = erasures.join(people, erasures.c.receipt_no == people.c.receipt_no)
    return select(erasures.c.receipt_no).select_from(joined).where(people.c.psn_no == psn_no)
