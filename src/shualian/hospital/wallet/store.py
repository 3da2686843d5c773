"""Table of the notifications that were heard, each of which counts once."""

from datetime import datetime

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, select

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode
from shualian.hospital.wallet.model import NotificationId

metadata = MetaData()

notifications = Table(
    "wallet_notification",
    metadata,
    Column("institution", String(30), primary_key=True),
    Column("notification_id", String(64), primary_key=True),
    Column("heard_at", UtcTime, nullable=False, index=True),
)


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
