"""An alert: what happened, where, when and to which record; never a name; pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType

from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.core.refusals import Helper, Refused
from shualian.insurer.supervision.model import supervision_kind
from shualian.trust.audit.model import Payload, Reference

AlertId = NewType("AlertId", str)

REFERENCE_CHARACTERS_MAX = 64


class AlertKind(StrEnum):
    """What happened."""

    IMPOSTOR_IN_BED = "impostor_in_bed"
    """冒名: the face at the bed is not the patient's. Reference: the ward check."""
    WARD_CHECK_MISSED = "ward_check_missed"
    """Nobody answered a ward check in time. Reference: the ward check."""
    PAPER_ADMISSION = "paper_admission"
    """挂床: a patient was not met several times in a row. Reference: the visit."""
    DOCTOR_FACE_DIFFERS = "doctor_face_differs"
    """Somebody else tried to sign in as a doctor. Reference: the capture."""
    TRACE_CODE_USED_TWICE = "trace_code_used_twice"
    """追溯码: a box of medicine was sold twice. Reference: what the finder chooses, no code of a
    box."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        alert_id: Its number.
        kind: What happened.
        institution: Where.
        reference: Which record it is about: an identifier, nothing that names a person.
        raised_at: UTC.
        acknowledged_by: The supervisor who took it on.
        acknowledged_at: UTC.
    """

    alert_id: AlertId
    kind: AlertKind
    institution: InstitutionCode
    reference: str
    raised_at: datetime
    acknowledged_by: StaffId | None = None
    acknowledged_at: datetime | None = None


class AlertStep(StrEnum):
    """What became of an alert."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"


class AlertEvent(Payload, kind="insurer.alert"):
    """The audit's record of an alert.

    Attributes:
        step: What became of it.
        alert: Which.
        what: Its kind.
        institution: Where.
        about: Its reference.
        actor: Who took it on; none when it was raised.
    """

    step: AlertStep
    alert: Reference
    what: AlertKind
    institution: InstitutionCode
    about: Reference
    actor: StaffId | None = None


ALERT_NOT_FOUND = supervision_kind(
    "alert_not_found",
    "没有这条预警",
    "There is no such alert",
    "请刷新预警列表",
    "Look at the list of alerts again",
    Helper.INSURER,
)
REFUSALS = (ALERT_NOT_FOUND,)


def acknowledged(alert: Alert, *, by: StaffId, now: datetime) -> Alert:
    """The alert once somebody took it on; who did first stays."""
    if alert.acknowledged_by is not None:
        return alert
    return replace(alert, acknowledged_by=by, acknowledged_at=now)


def found(alert: Alert | None) -> Alert:
    """The alert, if there is one.

    Raises:
        Refused: ``insurer.alert_not_found``.
    """
    if alert is None:
        raise Refused(ALERT_NOT_FOUND)
    return alert
