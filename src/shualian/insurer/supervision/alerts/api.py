"""Alerts over HTTP, for supervisors of the insurer."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict

from shualian.insurer.supervision.alerts.model import Alert, AlertId, AlertKind
from shualian.insurer.supervision.alerts.service import Alerts
from shualian.insurer.supervision.api import of_insurer
from shualian.terminals.api import ActorOf
from shualian.terminals.model import InsurerStaff

_PREFIX = "/supervision/alerts"
_AlertPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]


class AlertLine(BaseModel):
    """One alert."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    alert_id: str
    kind: AlertKind
    institution: str
    reference: str
    raised_at: datetime
    acknowledged_by: str | None
    acknowledged_at: datetime | None


def staff_routes(alerts: Alerts, caller: ActorOf) -> APIRouter:
    """What supervisors see and do.

    Args:
        alerts: Of the insurer.
        caller: Finds who asks and checks that the role allows it.
    """
    routes, insurer = APIRouter(prefix=_PREFIX, tags=["supervision"]), of_insurer(caller)

    @routes.get("")
    def listed(
        *, who: Annotated[InsurerStaff, Depends(insurer)], open_only: bool = True
    ) -> list[AlertLine]:
        """The newest alerts first."""
        return [_line(each) for each in alerts.listed(who, open_only=open_only)]

    @routes.post("/{alert_id}/acknowledgement")
    def acknowledge(
        alert_id: _AlertPath, who: Annotated[InsurerStaff, Depends(insurer)]
    ) -> AlertLine:
        """Take an alert on."""
        return _line(alerts.acknowledge(who, AlertId(alert_id)))

    return routes


def _line(alert: Alert) -> AlertLine:
    return AlertLine(
        alert_id=alert.alert_id,
        kind=alert.kind,
        institution=alert.institution,
        reference=alert.reference,
        raised_at=alert.raised_at,
        acknowledged_by=alert.acknowledged_by,
        acknowledged_at=alert.acknowledged_at,
    )
