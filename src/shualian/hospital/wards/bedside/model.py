"""Settlement at the bed: by what a patient who sleeps or wears a mask is identified; pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shualian.core.identifiers import CommandId, EncounterNo, StaffId
from shualian.core.refusals import Refused
from shualian.hospital.model import COMMAND_DIFFERS, hospital_kind


class BedsideReason(StrEnum):
    """Why a nurse settles by the wristband."""

    ASLEEP = "asleep"
    MASKED = "masked"
    UNCONSCIOUS = "unconscious"
    ISOLATION = "isolation"
    NEW_BORN = "new_born"
    NO_CONSENT = "no_consent"


@dataclass(frozen=True, slots=True)
class WristbandSettlement:
    """That a named nurse settled a bill by the wristband, and why.

    Attributes:
        command_id: Of the payment.
        stay_no: Whose wristband it was.
        nurse: Who answers for it.
        reason: Why without a face.
        at: UTC.
    """

    command_id: CommandId
    stay_no: EncounterNo
    nurse: StaffId
    reason: BedsideReason
    at: datetime


WRISTBAND_OTHER = hospital_kind(
    "wristband_other",
    "这个腕带不是这张账单的病人的",
    "The wristband is not of the patient whose bill this is",
    "请核对床号、腕带和账单",
    "Compare the bed, the wristband and the bill",
)
REFUSALS = (WRISTBAND_OTHER,)


def check_same_wristband(
    found: WristbandSettlement, *, nurse: StaffId, reason: BedsideReason
) -> None:
    """Check that a repeat says what was said the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if (found.nurse, found.reason) != (nurse, reason):
        raise Refused(COMMAND_DIFFERS)
