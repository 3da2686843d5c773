"""Table of alerts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)

from shualian.core.database import UtcTime
from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.insurer.supervision.alerts.model import Alert, AlertId, AlertKind

metadata = MetaData()

_LISTED_MAX = 500

alerts = Table(
    "supervision_alert",
    metadata,
    Column("alert_id", String(30), primary_key=True),
    Column("kind", String(30), nullable=False),
    Column("institution", String(12), nullable=False),
    Column("reference", String(64), nullable=False),
    Column("raised_at", UtcTime, nullable=False),
    Column("acknowledged_by", String(30)),
    Column("acknowledged_at", UtcTime),
    UniqueConstraint("kind", "institution", "reference", name="uq_supervision_alert_about"),
    Index("ix_supervision_alert_raised", "raised_at"),
)


def add(connection: Connection, alert: Alert) -> None:
    """Insert an alert."""
    connection.execute(
        insert(alerts).values(
            alert_id=alert.alert_id,
            kind=alert.kind.value,
            institution=alert.institution,
            reference=alert.reference,
            raised_at=alert.raised_at,
        )
    )


def about(
    connection: Connection, kind: AlertKind, institution: InstitutionCode, reference: str
) -> Alert | None:
    """The alert of this kind about one record."""
    query = select(alerts).filter_by(kind=kind.value, institution=institution, reference=reference)
    return _alert(connection.execute(query).one_or_none())


def find(connection: Connection, alert_id: AlertId) -> Alert | None:
    """The alert with this number."""
    return _alert(connection.execute(select(alerts).filter_by(alert_id=alert_id)).one_or_none())


def put_acknowledgement(connection: Connection, alert: Alert) -> None:
    """Store who took an alert on."""
    connection.execute(
        update(alerts)
        .where(alerts.c.alert_id == alert.alert_id)
        .values(acknowledged_by=alert.acknowledged_by, acknowledged_at=alert.acknowledged_at)
    )


def listed(connection: Connection, *, open_only: bool) -> Sequence[Alert]:
    """The newest alerts first, at most 500; those that nobody took on, or all."""
    query = select(alerts).order_by(alerts.c.raised_at.desc(), alerts.c.alert_id.desc())
    if open_only:
        query = query.where(alerts.c.acknowledged_by.is_(None))
    rows = connection.execute(query.limit(_LISTED_MAX)).all()
    return [alert for alert in map(_alert, rows) if alert is not None]


def _alert(row: Row[Any] | None) -> Alert | None:
    if row is None:
        return None
    return Alert(
        alert_id=AlertId(row.alert_id),
        kind=AlertKind(row.kind),
        institution=InstitutionCode(row.institution),
        reference=row.reference,
        raised_at=row.raised_at,
        acknowledged_by=None if row.acknowledged_by is None else StaffId(row.acknowledged_by),
        acknowledged_at=row.acknowledged_at,
    )
