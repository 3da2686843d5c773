"""Dialysis: a standing order set for a patient, and the sessions that it charges; pure."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NewType

from shualian.core.identifiers import CommandId, EncounterNo, RecordNo, StaffId
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import COMMAND_DIFFERS, hospital_kind
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.scheduling.model import Doctor

DialysisNo = NewType("DialysisNo", str)


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """What every session of a patient is charged, until the doctor orders otherwise.

    Attributes:
        record_no: Whose.
        lines: What.
        doctor: Who ordered it.
        since: UTC.
    """

    record_no: RecordNo
    lines: tuple[OrderLine, ...]
    doctor: Doctor
    since: datetime


@dataclass(frozen=True, slots=True)
class DialysisSession:
    """One session; a patient has at most one a day.

    Attributes:
        session_no: Its number.
        command_id: That began it, and under which its lines are ordered.
        record_no: Whose.
        encounter_no: The visit or stay that is charged.
        day: Business day.
        nurse: Who began it.
        started_at: UTC.
        ended_at: UTC, once ended.
    """

    session_no: DialysisNo
    command_id: CommandId
    record_no: RecordNo
    encounter_no: EncounterNo
    day: date
    nurse: StaffId
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A session whose charges are open.

    Attributes:
        session: Which.
        open_fen: How much of it.
    """

    session: DialysisSession
    open_fen: Fen


NO_STANDING_ORDER = hospital_kind(
    "no_standing_order",
    "这位病人没有透析长期医嘱",
    "The patient has no standing order for dialysis",
    "请医生先开长期医嘱",
    "Let the doctor write the standing order first",
)
DIALYSIS_TODAY = hospital_kind(
    "dialysis_today",
    "这位病人今天已经有一次透析",
    "The patient has a session today already",
    "请核对；确实要做第二次，请医生另开医嘱",
    "Compare; a second one needs an order of its own",
)
DIALYSIS_NOT_FOUND = hospital_kind(
    "dialysis_not_found",
    "没有这次透析",
    "There is no such session",
    "请核对编号",
    "Check the number",
)
REFUSALS = (NO_STANDING_ORDER, DIALYSIS_TODAY, DIALYSIS_NOT_FOUND)


def check_same_session(found: DialysisSession, *, encounter_no: EncounterNo) -> None:
    """Check that a repeated command begins what it began the first time.

    Raises:
        Refused: ``hospital.command_differs``.
    """
    if found.encounter_no != encounter_no:
        raise Refused(COMMAND_DIFFERS)
