"""Use cases of alerts: raise, list, take on."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, StaffId, new_identifier
from shualian.insurer.supervision.alerts import store
from shualian.insurer.supervision.alerts.model import (
    Alert,
    AlertEvent,
    AlertId,
    AlertKind,
    AlertStep,
    acknowledged,
    found,
)
from shualian.terminals.model import InsurerStaff
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record


def raise_within(
    connection: Connection,
    kind: AlertKind,
    *,
    institution: InstitutionCode,
    reference: str,
    at: datetime,
) -> Alert:
    """Raise an alert in the caller's transaction, with what it is about; again changes nothing.

    Args:
        connection: Of the insurer's database.
        kind: What happened.
        institution: Where.
        reference: Identifier of the record that it is about, at most 64 characters; no name.
        at: UTC.
    """
    earlier = store.about(connection, kind, institution, reference)
    if earlier is not None:
        return earlier
    alert = Alert(AlertId(new_identifier()), kind, institution, reference, at)
    store.add(connection, alert)
    _record(connection, AlertStep.RAISED, alert, None, at)
    return alert


class Alerts:
    """Alerts of every institution, for supervisors of the insurer."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def raised(self, kind: AlertKind, *, institution: InstitutionCode, reference: str) -> Alert:
        """Raise an alert in a transaction of its own; again changes nothing."""
        now = self._clock.now()
        return self._database.write(
            lambda connection: raise_within(
                connection, kind, institution=institution, reference=reference, at=now
            )
        )

    def listed(self, actor: InsurerStaff, *, open_only: bool = True) -> Sequence[Alert]:  # noqa: ARG002 - the type is the right to ask
        """The newest alerts first, at most 500."""
        return self._database.read(lambda connection: store.listed(connection, open_only=open_only))

    def acknowledge(self, actor: InsurerStaff, alert_id: AlertId) -> Alert:
        """Take an alert on; who did first stays.

        Raises:
            Refused: ``insurer.alert_not_found``.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Alert:
            before = found(store.find(connection, alert_id))
            after = acknowledged(before, by=actor.staff, now=now)
            if after != before:
                store.put_acknowledgement(connection, after)
                _record(connection, AlertStep.ACKNOWLEDGED, after, actor.staff, now)
            return after

        return self._database.write(work)


def _record(
    connection: Connection, step: AlertStep, alert: Alert, actor: StaffId | None, at: datetime
) -> None:
    event = AlertEvent(
        step=step,
        alert=Reference(alert.alert_id),
        what=alert.kind,
        institution=alert.institution,
        about=Reference(alert.reference),
        actor=actor,
    )
    record(connection, event, at=at)
