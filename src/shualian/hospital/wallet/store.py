"""Tables of the notifications that were heard, each of which counts once, and of payers."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
)

from shualian.core.database import UtcTime
from shualian.core.database.rows import find, sought
from shualian.core.identifiers import InstitutionCode, PersonNo
from shualian.hospital.wallet.model import NotificationId

metadata = MetaData()

notifications = Table(
    "wallet_notification",
    metadata,
    Column("institution", String(30), primary_key=True),
    Column("notification_id", String(64), primary_key=True),
    Column("heard_at", UtcTime, nullable=False, index=True),
)

payers = Table(
    "wallet_payer",
    metadata,
    Column("institution", String(30), primary_key=True),
    Column("psn_no", String(30), primary_key=True),
    Column("payer_sealed", LargeBinary, nullable=False),
    Column("consented_at", UtcTime, nullable=False),
)
"""Who agreed to one-scan payment at this hospital, and from which account."""


def put_payer(
    connection: Connection,
    institution: InstitutionCode,
    psn_no: PersonNo,
    payer_sealed: bytes,
    *,
    consented_at: datetime,
) -> None:
    """Keep a person's account; it takes the place of an earlier one."""
    remove_payer(connection, institution, psn_no)
    connection.execute(
        insert(payers).values(
            institution=institution,
            psn_no=psn_no,
            payer_sealed=payer_sealed,
            consented_at=consented_at,
        )
    )


def remove_payer(connection: Connection, institution: InstitutionCode, psn_no: PersonNo) -> None:
    """Forget a person's account."""
    connection.execute(delete(payers).filter_by(institution=institution, psn_no=psn_no))


def payer_of(
    connection: Connection, institution: InstitutionCode, psn_no: PersonNo
) -> bytes | None:
    """A person's account, sealed; none without consent."""
    (rows,) = find(connection, sought(payers, institution=institution, psn_no=psn_no))
    return rows[0].payer_sealed if rows else None


def all_payers(
    connection: Connection, institution: InstitutionCode
) -> Sequence[tuple[PersonNo, bytes]]:
    """Everybody's account, sealed."""
    query = select(payers.c.psn_no, payers.c.payer_sealed).filter_by(institution=institution)
    return [(PersonNo(row.psn_no), row.payer_sealed) for row in connection.execute(query)]


def forget_payer(
    connection: Connection, institution: InstitutionCode, psn_no: PersonNo, payer_sealed: bytes
) -> bool:
    """Forget this account of a person, not one that took its place; whether it was there."""
    gone = delete(payers).filter_by(institution=institution, psn_no=psn_no)
    found = connection.execute(gone.where(payers.c.payer_sealed == payer_sealed))
    return found.rowcount > 0


def use_notification(
    connection: Connection,
    institution: InstitutionCode,
    notification_id: NotificationId,
    *,
    now: datetime,
) -> bool:
    """Use a notification up in the transaction that acts on it; whether it was new."""
    key = {"institution": institution, "notification_id": notification_id}
    known = select(notifications.c.heard_at).filter_by(**key)
    if connection.execute(known).first() is not None:
        return False
    connection.execute(insert(notifications).values(**key, heard_at=now))
    return True


def forget_notifications(connection: Connection, *, before: datetime) -> None:
    """Forget what was heard long ago; heard again, it would still be older than what is known."""
    connection.execute(delete(notifications).where(notifications.c.heard_at < before))
