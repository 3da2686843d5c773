"""The state of a terminal as a pure function of facts and thresholds.

Facts come from the terminal itself (a stolen device can lie about its camera and its place) and
from what the insurer counts (beats, captures, alarms, which it cannot lie about).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field

from shualian.core.identifiers import InstitutionCode, TerminalId
from shualian.core.refusals import Finality, Helper, Refused
from shualian.terminals.model import TerminalState, terminal_refusal
from shualian.terminals.register.model import PlaceClaim, PlaceId, SoftwareVersion

HEARTBEAT_INTERVAL_S = 60
"""How often a terminal reports."""
RECENT = timedelta(hours=1)
"""What counts as now when captures are compared with before: this hour and the one before it."""
BEFORE = timedelta(hours=24)

REPORT_INVALID = terminal_refusal(
    "report_invalid",
    "终端状态报告有误",
    "The report of the terminal is wrong",
    "请升级终端软件",
    "Update the terminal's software",
)
HEARTBEAT_STALE = terminal_refusal(
    "heartbeat_stale",
    "这台终端太久没有报告状态",
    "This terminal has not reported for too long",
    "请稍等再试，或用旁边的终端",
    "Wait a little and try again, or use another terminal",
    finality=Finality.TEMPORARY,
)
TERMINAL_AT_RISK = terminal_refusal(
    "terminal_at_risk",
    "这台终端可能被拆动或挪动过，暂停刷脸",
    "This terminal may have been opened or moved and takes no face for now",
    "请用旁边的终端或到窗口；技术人员检查后恢复",
    "Use another terminal or a window; it works again once it was inspected",
)
CAMERA_FAILED = terminal_refusal(
    "camera_failed",
    "摄像头打不开",
    "The camera did not start",
    "请用医保卡、医保码，或用旁边的终端",
    "Use the card or the code, or another terminal",
    Helper.TECHNICIAN,
    Finality.TEMPORARY,
)

REFUSALS = (REPORT_INVALID, HEARTBEAT_STALE, TERMINAL_AT_RISK, CAMERA_FAILED)


class HealthThresholds(BaseModel):
    """When a fact becomes a reason; an operator can only tighten each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missed_after_s: int = Field(
        default=150, ge=HEARTBEAT_INTERVAL_S, le=150, description="No beat so long: missed beats"
    )
    offline_after_s: int = Field(
        default=300, ge=HEARTBEAT_INTERVAL_S, le=300, description="No beat so long: offline"
    )
    disk_free_percent_min: int = Field(
        default=10, ge=10, le=90, description="Less free disk: disk low"
    )
    captures_min: int = Field(
        default=20, ge=5, le=20, description="Fewer recent captures say nothing about failures"
    )
    failure_share_max: float = Field(
        default=0.5, gt=0, le=0.5, description="More of the recent captures failing: rising"
    )
    failure_rise_max: float = Field(
        default=2.0, ge=1, le=2, description="This many times the share of the day before: rising"
    )
    pad_alarms_max: int = Field(
        default=3, ge=1, le=3, description="As many recent presentation attacks: alarm"
    )
    key_days_max: int = Field(default=365, ge=1, le=365, description="Older key: over its term")


class Reason(StrEnum):
    """Why a terminal is not simply online."""

    MISSED_BEATS = "missed_beats"
    SILENT = "silent"
    CAMERA_FAILED = "camera_failed"
    DISK_LOW = "disk_low"
    VERSION_BEHIND = "version_behind"
    KEY_OVERDUE = "key_overdue"
    FAILURES_RISING = "failures_rising"
    PAD_ALARMS = "pad_alarms"
    MOVED = "moved"
    TAMPERED = "tampered"


class HealthState(StrEnum):
    """How a terminal fares, the best first."""

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    AT_RISK = "at_risk"


STATE_OF: Mapping[Reason, HealthState] = MappingProxyType(
    {
        Reason.MISSED_BEATS: HealthState.DEGRADED,
        Reason.CAMERA_FAILED: HealthState.DEGRADED,
        Reason.DISK_LOW: HealthState.DEGRADED,
        Reason.SILENT: HealthState.OFFLINE,
        Reason.VERSION_BEHIND: HealthState.AT_RISK,
        Reason.KEY_OVERDUE: HealthState.AT_RISK,
        Reason.FAILURES_RISING: HealthState.AT_RISK,
        Reason.PAD_ALARMS: HealthState.AT_RISK,
        Reason.MOVED: HealthState.AT_RISK,
        Reason.TAMPERED: HealthState.AT_RISK,
    }
)
"""The state that each reason brings; the gravest decides."""

_ORDER = list(HealthState)
_BLOCKING_RISKS = frozenset((Reason.MOVED, Reason.TAMPERED))


@dataclass(frozen=True, slots=True)
class HeartbeatReport:
    """What a terminal says about itself.

    Attributes:
        software: Its version.
        camera_ok: Whether its camera gives frames.
        disk_free_percent: 0..100.
        tampered: Whether its case or its security module reports an opening.
        claim: Where it believes to be.
    """

    software: SoftwareVersion
    camera_ok: bool
    disk_free_percent: int
    tampered: bool
    claim: PlaceClaim


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat, as it is kept.

    Attributes:
        at: When it came, by the insurer's clock.
        camera_ok: As reported.
        disk_free_percent: As reported.
        in_place: Whether its claim agreed with the register.
        tampered_at: First report of tampering that nobody has cleared yet.
    """

    at: datetime
    camera_ok: bool
    disk_free_percent: int
    in_place: bool
    tampered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How captures at a terminal went.

    Attributes:
        captures: Ended ones.
        failures: Those that ended without a person, whatever the cause.
        pad_alarms: Those with a presentation attack.
    """

    captures: int = 0
    failures: int = 0
    pad_alarms: int = 0

    @property
    def failure_share(self) -> float:
        """Failures of all captures, 0..1."""
        return self.failures / self.captures if self.captures else 0.0


class CaptureOutcome(StrEnum):
    """How a capture ended, for the tally."""

    DONE = "done"
    FAILED = "failed"
    ATTACK = "attack"


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """All that a judgement needs.

    Attributes:
        enrolled_at: Since when the terminal is in its state: the first beat is awaited from here.
        beat: The last one, if any came.
        software: Version that it named last.
        software_current: Version that it should have.
        key_made_at: Since when it uses its key.
        recent: Captures of this hour and the one before.
        before: Captures of the 24 hours before that.
    """

    enrolled_at: datetime
    beat: Beat | None
    software: SoftwareVersion
    software_current: SoftwareVersion
    key_made_at: datetime
    recent: Tally
    before: Tally


@dataclass(frozen=True, slots=True)
class Health:
    """A judgement: the state and every reason for it.

    Attributes:
        state: The gravest that a reason brings.
        reasons: In the order of :class:`Reason`.
    """

    state: HealthState
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class TerminalHealth:
    """How one terminal fares, for a list.

    Attributes:
        terminal_id: The terminal.
        institution: Whose.
        place_id: Where.
        enrolment: Active or suspended; others do not beat.
        health: The judgement.
        last_beat_at: When it was heard last.
    """

    terminal_id: TerminalId
    institution: InstitutionCode
    place_id: PlaceId
    enrolment: TerminalState
    health: Health
    last_beat_at: datetime | None


def check_report(report: HeartbeatReport) -> None:
    """Check that a report can be true.

    Raises:
        Refused: ``terminals.report_invalid``.
    """
    if not 0 <= report.disk_free_percent <= 100:
        raise Refused(REPORT_INVALID, item="disk_free_percent")


def judge(facts: HealthFacts, *, now: datetime, thresholds: HealthThresholds) -> Health:
    """How a terminal fares at a moment."""
    reasons = (
        *_of_silence(facts, now, thresholds),
        *_of_beat(facts.beat, thresholds),
        *_of_age(facts, now, thresholds),
        *_of_captures(facts.recent, facts.before, thresholds),
    )
    states = [STATE_OF[reason] for reason in reasons]
    state = max(states, key=_ORDER.index, default=HealthState.ONLINE)
    return Health(state, tuple(sorted(reasons, key=list(Reason).index)))


def check_fit_for_capture(health: Health) -> None:
    """Check that a terminal in this state may take a face.

    Missed beats, low disk and counted risks do not stop it: anybody can hold a photo before a
    camera, and must not be able to switch terminals off by it. The insurer may suspend.

    Raises:
        Refused: ``terminals.terminal_at_risk``, ``terminals.heartbeat_stale``,
            ``terminals.camera_failed``.
    """
    reasons = set(health.reasons)
    if reasons & _BLOCKING_RISKS:
        raise Refused(TERMINAL_AT_RISK)
    if Reason.SILENT in reasons:
        raise Refused(HEARTBEAT_STALE)
    if Reason.CAMERA_FAILED in reasons:
        raise Refused(CAMERA_FAILED)


def hours_since(now: datetime, span: timedelta) -> datetime:
    """The full hour with which the tallies of the last ``span`` begin."""
    return hour_of(now - span)


def hour_of(moment: datetime) -> datetime:
    """The full hour in which a moment falls; tallies are kept by hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def total(tallies: Sequence[Tally]) -> Tally:
    """Several hours as one."""
    return Tally(
        captures=sum(each.captures for each in tallies),
        failures=sum(each.failures for each in tallies),
        pad_alarms=sum(each.pad_alarms for each in tallies),
    )


def _of_silence(
    facts: HealthFacts, now: datetime, thresholds: HealthThresholds
) -> Iterator[Reason]:
    heard_at = facts.beat.at if facts.beat else facts.enrolled_at
    silent_s = (now - heard_at).total_seconds()
    if silent_s > thresholds.offline_after_s:
        yield Reason.SILENT
    elif facts.beat is None or silent_s > thresholds.missed_after_s:
        yield Reason.MISSED_BEATS


def _of_beat(beat: Beat | None, thresholds: HealthThresholds) -> Iterator[Reason]:
    if beat is None:
        return
    if not beat.camera_ok:
        yield Reason.CAMERA_FAILED
    if beat.disk_free_percent < thresholds.disk_free_percent_min:
        yield Reason.DISK_LOW
    if not beat.in_place:
        yield Reason.MOVED
    if beat.tampered_at is not None:
        yield Reason.TAMPERED


def _of_age(facts: HealthFacts, now: datetime, thresholds: HealthThresholds) -> Iterator[Reason]:
    if facts.software < facts.software_current:
        yield Reason.VERSION_BEHIND
    if now - facts.key_made_at > timedelta(days=thresholds.key_days_max):
        yield Reason.KEY_OVERDUE


def _of_captures(recent: Tally, before: Tally, thresholds: HealthThresholds) -> Iterator[Reason]:
    if recent.pad_alarms >= thresholds.pad_alarms_max:
        yield Reason.PAD_ALARMS
    if recent.captures >= thresholds.captures_min and _is_rising(recent, before, thresholds):
        yield Reason.FAILURES_RISING


def _is_rising(recent: Tally, before: Tally, thresholds: HealthThresholds) -> bool:
    """Too high by itself, or too much higher than the day before, where that day says anything."""
    share = recent.failure_share
    if share > thresholds.failure_share_max:
        return True
    if before.captures < thresholds.captures_min or before.failures == 0:
        return False
    return share > thresholds.failure_rise_max * before.failure_share
