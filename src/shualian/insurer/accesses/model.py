"""One log of every use of a person's identity, and who was touched in a span of time; pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from functools import cache
from typing import get_args

from shualian.core.clock import CHINA, business_date
from shualian.core.identifiers import InstitutionCode, PersonNo, StaffId, TerminalId
from shualian.insurer.templates.model import months_after
from shualian.terminals.model import Place
from shualian.trust.audit.model import Payload, payload_kinds
from shualian.verification.emergency.model import Access as EmergencyAccess
from shualian.verification.emergency.model import EmergencyReason, ReviewFinding
from shualian.verification.model import Access as FaceAccess
from shualian.verification.model import Scene

LINES_MAX = 1_000
"""Of one answer, the newest; a person with ten scans a week has as many in two years."""


class AccessCode(StrEnum):
    """What was done."""

    VERIFIED = "verified"
    PROOF_ISSUED = "proof_issued"
    PROOF_REDEEMED = "proof_redeemed"
    EMERGENCY_SHOWN = "emergency_shown"
    """Suggested to a hospital as who an unknown patient in danger may be."""
    LOG_SHOWN = "log_shown"
    """Somebody else looked at this log."""


WORDS: Mapping[AccessCode, tuple[str, str]] = {
    AccessCode.VERIFIED: ("刷脸核对了身份", "A face scan was verified"),
    AccessCode.PROOF_ISSUED: ("本人按下了确认", "It was confirmed"),
    AccessCode.PROOF_REDEEMED: ("刷脸授权被使用", "The confirmation was used"),
    AccessCode.EMERGENCY_SHOWN: (
        "抢救时作为可能的人之一给医院看过",
        "Suggested to a hospital in an emergency",
    ),
    AccessCode.LOG_SHOWN: ("别人看过这份记录", "Somebody else looked at this log"),
}


WORDS_BY_RELATIVE: Mapping[AccessCode, tuple[str, str]] = {
    **WORDS,
    AccessCode.PROOF_ISSUED: ("家人刷脸替您按下了确认", "A relative confirmed for you by face"),
    AccessCode.PROOF_REDEEMED: (
        "家人替您确认的刷脸授权被使用",
        "What a relative confirmed for you was used",
    ),
}


class Viewer(StrEnum):
    """Who looked at a log that is not their own."""

    STAFF = "staff"
    GUARDIAN = "guardian"


@dataclass(frozen=True, slots=True)
class LogView:
    """That somebody looked at a person's log.

    Attributes:
        psn_no: Whose.
        at: UTC.
        viewer: Who, in general; the audit has the member of staff.
        institution: Where; ``None``: at the insurer's own office.
    """

    psn_no: PersonNo
    at: datetime
    viewer: Viewer
    institution: InstitutionCode | None


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One line of a person's access log.

    Attributes:
        at: UTC.
        what: What was done.
        institution: Where; ``None``: at the insurer's own office.
        terminal_id: At which terminal.
        scene: What for.
        use: Which use of a confirmation.
        reason: Of an emergency.
        finding: Of an emergency's review; ``None`` while it is open.
        viewer: Who looked at the log.
        by_relative: Whether a relative acted for the person, by their own face.
    """

    at: datetime
    what: AccessCode
    institution: InstitutionCode | None
    terminal_id: TerminalId | None = None
    scene: Scene | None = None
    use: str | None = None
    reason: EmergencyReason | None = None
    finding: ReviewFinding | None = None
    viewer: Viewer | None = None
    by_relative: bool = False

    @property
    def words(self) -> tuple[str, str]:
        """What was done, in Chinese and English."""
        return (WORDS_BY_RELATIVE if self.by_relative else WORDS)[self.what]


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line with the names of where it was.

    Attributes:
        line: The line.
        institution_name: As people call it, when it is known.
        place: Where the terminal stands, when it is known.
    """

    line: AccessLine
    institution_name: str | None
    place: Place | None


@dataclass(frozen=True, slots=True)
class AccessLog:
    """A person's access log.

    Attributes:
        lines: The newest :data:`LINES_MAX`, oldest first.
        earlier: How many lines before them are kept and not shown.
        kept_from: Lines before this moment were deleted.
    """

    lines: Sequence[PlacedLine]
    earlier: int
    kept_from: datetime


class AccessLogShown(Payload, kind="insurer.access_log_shown"):
    """The audit's record that somebody else looked at a person's log.

    Attributes:
        subject: Whose log.
        viewer: Staff or a guardian.
        actor: Member of staff.
        guardian: Guardian.
        institution: Where; none at the insurer's own office.
    """

    subject: PersonNo
    viewer: Viewer
    actor: StaffId | None = None
    guardian: PersonNo | None = None
    institution: InstitutionCode | None = None


@dataclass(frozen=True, slots=True)
class AffectedPerson:
    """Somebody whose data was touched in a span of time, by the audit.

    Attributes:
        psn_no: Who, by number only.
        records: How many records name the person.
        first_at: The first, UTC text of the audit.
        last_at: The last.
        kinds: What they record.
    """

    psn_no: PersonNo
    records: int
    first_at: str
    last_at: str
    kinds: tuple[str, ...]


def kept_from(now: datetime, *, months: int) -> datetime:
    """Since when lines are kept: the beginning of the day in China so many months ago."""
    day: date = months_after(business_date(now), -months)
    return datetime.combine(day, time.min, CHINA)


def merged(
    faces: Iterable[FaceAccess], emergencies: Iterable[EmergencyAccess], views: Iterable[LogView]
) -> list[AccessLine]:
    """One log of everything, oldest first."""
    lines = [
        *(_of_face(each) for each in faces),
        *(_of_emergency(each) for each in emergencies),
        *(_of_view(each) for each in views),
    ]
    return sorted(lines, key=lambda line: line.at)


def person_fields(kind: str) -> frozenset[str] | None:
    """Which fields of an audit record name a person; ``None`` for a kind that is not known here."""
    return _person_fields().get(kind)


def affected(records: Iterable[tuple[str, str, str]]) -> list[AffectedPerson]:
    """Everybody whom audit records name, by number.

    Args:
        records: Kind, moment and payload of each, oldest first; of known kinds.
    """
    found: dict[PersonNo, list[tuple[str, str]]] = {}
    for kind, at, payload in records:
        members = json.loads(payload)
        named = {members.get(name) for name in person_fields(kind) or ()} - {None}
        for psn_no in named:
            found.setdefault(PersonNo(psn_no), []).append((at, kind))
    return [_affected(psn_no, found[psn_no]) for psn_no in sorted(found)]


def _affected(psn_no: PersonNo, named: Sequence[tuple[str, str]]) -> AffectedPerson:
    kinds = tuple(sorted({kind for _, kind in named}))
    return AffectedPerson(psn_no, len(named), named[0][0], named[-1][0], kinds)


@cache
def _person_fields() -> Mapping[str, frozenset[str]]:
    return {
        kind: frozenset(
            name
            for name, hint in payload.field_types.items()
            if hint is PersonNo or PersonNo in get_args(hint)
        )
        for kind, payload in payload_kinds().items()
    }


def _of_face(access: FaceAccess) -> AccessLine:
    return AccessLine(
        at=access.at,
        what=AccessCode(access.what.value),
        institution=access.institution,
        terminal_id=access.terminal_id,
        scene=access.scene,
        use=access.use,
        by_relative=access.by_relative,
    )


def _of_emergency(access: EmergencyAccess) -> AccessLine:
    return AccessLine(
        at=access.at,
        what=AccessCode.EMERGENCY_SHOWN,
        institution=access.institution,
        reason=access.reason,
        finding=access.finding,
    )


def _of_view(view: LogView) -> AccessLine:
    return AccessLine(
        at=view.at, what=AccessCode.LOG_SHOWN, institution=view.institution, viewer=view.viewer
    )
