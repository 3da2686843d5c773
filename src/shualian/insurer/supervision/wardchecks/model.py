"""Ward checks: how they are drawn, what ends one, and the patterns that many of them show; pure.

The insurer draws from the in-patients of an institution at moments that nobody there knows before.
Moments and people follow from a seed of the day by HMAC-SHA256. The seed's SHA-256 is fixed when
the day is planned and the seed is shown when the day is over: whoever holds both and the list of
that moment can repeat the draw and see that nobody was picked by hand.

Proven by a passed check: that this person's face was, alive, before a terminal that claims to
stand in the institution. Not proven: that the person lies in the bed for good.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256
from math import ceil
from typing import NewType

from shualian.core.clock import CHINA
from shualian.core.identifiers import (
    EncounterNo,
    InstitutionCode,
    PersonNo,
    StaffId,
    TerminalId,
    VisitId,
)
from shualian.core.refusals import Helper, Refused
from shualian.insurer.supervision.model import supervision_kind
from shualian.trust.audit.model import Digest, Payload, Reference

CheckId = NewType("CheckId", str)

SEED_BYTES = 32
ANSWER_WITHIN = timedelta(minutes=30)
"""From the moment an institution is told to the deadline of a check."""
FIRST_HOUR, LAST_HOUR = 8, 20
"""Checks are drawn in waking hours of China, from the first to before the last."""
MET_NEVER_MAX = 2
"""So many checks of one stay in a row without a face or a countersigned reason: 挂床."""
RISK_MAX = 4
"""How many times the usual number a risky ward is drawn."""


@dataclass(frozen=True, slots=True)
class DrawPolicy:
    """What the operator decided.

    Attributes:
        per_day: Draws of an institution on one day, 1..6.
        share: Of a ward's in-patients that one draw picks, 0..1.
        least: The least that one draw picks of a ward that has anybody.
    """

    per_day: int = 2
    share: float = 0.1
    least: int = 1

    def __post_init__(self) -> None:
        if not (1 <= self.per_day <= 6 and 0 < self.share <= 1 and self.least >= 1):
            raise ValueError("one to six draws a day, a share in 0..1, at least one of a ward")


@dataclass(frozen=True, slots=True)
class Stay:
    """An in-patient, as the insurer knows one.

    Attributes:
        mdtrt_id: The stay.
        psn_no: Whose.
        ward: Department's code, as it was admitted.
        ipt_otp_no: The institution's own number.
    """

    mdtrt_id: VisitId
    psn_no: PersonNo
    ward: str
    ipt_otp_no: EncounterNo


class CheckState(StrEnum):
    """Where a check stands. A missed check is a result, not a gap."""

    OPEN = "open"
    PASSED = "passed"
    EXCEPTED = "excepted"
    """Two people of the institution gave a reason."""
    ANOTHER_FACE = "another_face"
    MISSED = "missed"


class ExceptionReason(StrEnum):
    """Why a patient is not met by face."""

    INTENSIVE_CARE = "intensive_care"
    NEW_BORN = "new_born"
    IN_THEATRE = "in_theatre"
    OUT_FOR_EXAMINATION = "out_for_examination"
    ISOLATION = "isolation"
    ASLEEP = "asleep"
    FACE_COVERED = "face_covered"
    DECLINED = "declined"
    """The patient does not agree to the comparison; a nurse looked at the document."""


NOT_AT_BED = frozenset((ExceptionReason.IN_THEATRE, ExceptionReason.OUT_FOR_EXAMINATION))
"""Reasons for which nobody was met in the bed."""


@dataclass(frozen=True, slots=True)
class WardCheck:
    """One patient to be met.

    Attributes:
        check_id: Its number.
        institution: Where.
        day: Business day of the draw.
        draw: Which draw of that day, from 0.
        stay: Who.
        told_at: When the institution was told, UTC.
        deadline: UTC.
        state: Where it stands.
        terminal_id: Where the face was taken.
        reason: Why not by face.
        proposed_by: Who gave the reason.
        countersigned_by: The nurse who answers for it too.
        ended_at: UTC.
    """

    check_id: CheckId
    institution: InstitutionCode
    day: date
    draw: int
    stay: Stay
    told_at: datetime
    deadline: datetime
    state: CheckState = CheckState.OPEN
    terminal_id: TerminalId | None = None
    reason: ExceptionReason | None = None
    proposed_by: StaffId | None = None
    countersigned_by: StaffId | None = None
    ended_at: datetime | None = None

    @property
    def met(self) -> bool:
        """Whether the patient was met, or a reason stands for being met later."""
        excused = self.state is CheckState.EXCEPTED and self.reason not in NOT_AT_BED
        return excused or self.state is CheckState.PASSED


@dataclass(frozen=True, slots=True)
class Rates:
    """What came of the ended checks of a ward.

    Attributes:
        passed: By face.
        excepted: With a countersigned reason.
        another_face: Somebody else was seen.
        missed: Not answered in time.
    """

    passed: int = 0
    excepted: int = 0
    another_face: int = 0
    missed: int = 0

    @property
    def ended(self) -> int:
        """How many checks."""
        return self.passed + self.excepted + self.another_face + self.missed


@dataclass(frozen=True, slots=True)
class PublishedDraw:
    """One draw of a day that is over, with all that repeats it.

    Attributes:
        institution: Where.
        day: When.
        draw: Which of the day.
        commitment: Fixed before the first draw.
        seed: Hexadecimal.
        population: Who could have been drawn, as (stay, ward).
        weights: How many times the usual number each ward was drawn.
        picked: Who was.
    """

    institution: InstitutionCode
    day: date
    draw: int
    commitment: str
    seed: str
    population: tuple[tuple[VisitId, str], ...]
    weights: Mapping[str, int]
    picked: tuple[VisitId, ...]


class CheckStep(StrEnum):
    """What happened to a draw or a check."""

    PLANNED = "planned"
    DRAWN = "drawn"
    PUBLISHED = "published"
    PASSED = "passed"
    REASON_PROPOSED = "reason_proposed"
    EXCEPTED = "excepted"
    ANOTHER_FACE = "another_face"
    MISSED = "missed"


class WardCheckEvent(Payload, kind="insurer.ward_check"):
    """The audit's record of a draw or a check.

    Attributes:
        step: What happened.
        institution: Where.
        check: Which, of a check.
        commitment: Of the day's seed, of a plan.
        terminal: Where the face was taken.
        actor: Who gave or countersigned a reason.
        reason: Why not by face.
        drawn: How many were picked.
    """

    step: CheckStep
    institution: InstitutionCode
    check: Reference | None = None
    commitment: Digest | None = None
    terminal: TerminalId | None = None
    actor: StaffId | None = None
    reason: ExceptionReason | None = None
    drawn: int = 0


CHECK_NOT_FOUND = supervision_kind(
    "ward_check_not_found",
    "没有这次抽查",
    "There is no such ward check here",
    "请刷新抽查列表",
    "Look at the list of ward checks again",
)
CHECK_ENDED = supervision_kind(
    "ward_check_ended",
    "这次抽查已经结束，或者过了时间",
    "This ward check has ended or its time is over",
    "不用再办；有异议请联系医保监管人员",
    "Nothing more is to be done; ask the insurer's supervisor if that is wrong",
    Helper.INSURER,
)
REASON_MISSING = supervision_kind(
    "ward_check_no_reason",
    "还没有人登记不能刷脸的原因",
    "Nobody has given a reason yet",
    "请先登记原因，再由护士核对签字",
    "Give the reason first, then let a nurse countersign it",
)
REFUSALS = (CHECK_NOT_FOUND, CHECK_ENDED, REASON_MISSING)


def commitment_of(seed: bytes) -> str:
    """What is fixed of a day's seed before anything is drawn: SHA-256, hexadecimal."""
    return sha256(b"shualian ward draw v1" + seed).hexdigest()


def moments(seed: bytes, day: date, count: int) -> tuple[datetime, ...]:
    """When the draws of a day are made, ascending, UTC; one in each of ``count`` equal spans.

    Args:
        seed: Of the day, secret until it is over.
        day: Business day.
        count: How many, at least 1.
    """
    minutes = (LAST_HOUR - FIRST_HOUR) * 60
    begin = datetime.combine(day, time(FIRST_HOUR), CHINA)
    span = minutes // count
    return tuple(
        (begin + timedelta(minutes=span * place + _number(seed, f"moment {place}") % span))
        for place in range(count)
    )


def drawn(
    stays: Iterable[Stay],
    seed: bytes,
    draw: int,
    *,
    policy: DrawPolicy,
    weights: Mapping[str, int] | None = None,
) -> tuple[Stay, ...]:
    """Whom one draw picks: of each ward a share, more of a risky one, in the seed's order.

    The order of ``stays`` does not matter.

    Args:
        stays: All who could be picked.
        seed: Of the day.
        draw: Which of the day, from 0.
        policy: How many.
        weights: How many times the usual number, by ward; 1 where none is given.
    """
    by_ward: dict[str, list[Stay]] = {}
    for stay in stays:
        by_ward.setdefault(stay.ward, []).append(stay)
    picked: list[Stay] = []
    for ward in sorted(by_ward):
        inside = sorted(by_ward[ward], key=lambda stay: _number(seed, f"{draw} {stay.mdtrt_id}"))
        weight = (weights or {}).get(ward, 1)
        picked += inside[: max(policy.least, ceil(len(inside) * policy.share)) * weight]
    return tuple(picked)


def repeats(published: PublishedDraw, *, policy: DrawPolicy) -> bool:
    """Whether a published draw follows from its seed, and the seed from what was fixed before."""
    seed = bytes.fromhex(published.seed)
    if commitment_of(seed) != published.commitment:
        return False
    stays = [
        Stay(mdtrt_id, PersonNo(""), ward, EncounterNo(""))
        for mdtrt_id, ward in published.population
    ]
    again = drawn(stays, seed, published.draw, policy=policy, weights=published.weights)
    return sorted(stay.mdtrt_id for stay in again) == sorted(published.picked)


def weight_of(rates: Rates) -> int:
    """How many times the usual number a ward is drawn, 1..4, by what came of its checks.

    Somebody else in a bed weighs like four missed checks; reasons weigh only where they are more
    than half of all.
    """
    if not rates.ended:
        return 1
    weighed = rates.missed + 4 * rates.another_face
    excuses = max(0, rates.excepted - rates.ended // 2)
    return min(RISK_MAX, 1 + ceil(4 * (weighed + excuses) / rates.ended))


def rates_of(checks: Iterable[WardCheck]) -> Mapping[str, Rates]:
    """What came of ended checks, by ward."""
    found: dict[str, Rates] = {}
    for check in checks:
        if check.state is CheckState.OPEN:
            continue
        before = found.get(check.stay.ward, Rates())
        name = check.state.value
        found[check.stay.ward] = replace(before, **{name: getattr(before, name) + 1})
    return found


def is_paper(checks: Sequence[WardCheck]) -> bool:
    """Whether the ended checks of one stay, the oldest first, look like 挂床.

    The patient was not met in the last ones.
    """
    last = [check for check in checks if check.state is not CheckState.OPEN][-MET_NEVER_MAX:]
    return len(last) == MET_NEVER_MAX and not any(check.met for check in last)


def check_open(check: WardCheck, *, now: datetime) -> None:
    """Check that a check may still be answered.

    Raises:
        Refused: ``insurer.ward_check_ended``.
    """
    if check.state is not CheckState.OPEN or now >= check.deadline:
        raise Refused(CHECK_ENDED, found=check.state.value)


def passed(check: WardCheck, terminal_id: TerminalId, *, now: datetime) -> WardCheck:
    """The check once the patient's face was met.

    Raises:
        Refused: ``insurer.ward_check_ended``.
    """
    check_open(check, now=now)
    return replace(check, state=CheckState.PASSED, terminal_id=terminal_id, ended_at=now)


def proposed(check: WardCheck, reason: ExceptionReason, *, by: StaffId, now: datetime) -> WardCheck:
    """The check with a reason that a nurse has not countersigned.

    Raises:
        Refused: ``insurer.ward_check_ended``.
    """
    check_open(check, now=now)
    return replace(check, reason=reason, proposed_by=by)


def countersigned(check: WardCheck, *, by: StaffId, now: datetime) -> WardCheck:
    """The check, ended by a reason that two people answer for.

    Raises:
        Refused: ``insurer.ward_check_ended``, ``insurer.ward_check_no_reason``.
    """
    check_open(check, now=now)
    if check.reason is None:
        raise Refused(REASON_MISSING)
    return replace(check, state=CheckState.EXCEPTED, countersigned_by=by, ended_at=now)


def overdue(check: WardCheck, *, another_face: bool, now: datetime) -> WardCheck:
    """The check once its deadline has passed; a reason that nobody countersigned is none.

    Args:
        check: Any; one that has ended or has time left stays as it is.
        another_face: Whether somebody else was seen at its captures.
        now: UTC.
    """
    if check.state is not CheckState.OPEN or now < check.deadline:
        return check
    state = CheckState.ANOTHER_FACE if another_face else CheckState.MISSED
    return replace(check, state=state, ended_at=now)


def _number(seed: bytes, what: str) -> int:
    return int.from_bytes(hmac.digest(seed, what.encode(), "sha256"))
