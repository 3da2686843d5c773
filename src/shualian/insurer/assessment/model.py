"""What an impact assessment states, how long it is kept, and until when to file; pure.

个人信息保护影响评估: before face data is handled, and again when it is handled otherwise (个人信息
保护法 55, 56; 人脸识别技术应用安全管理办法 9). Every number in it is measured, set or counted.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, NewType

from shualian.core.clock import business_date
from shualian.core.identifiers import StaffId
from shualian.core.mode import Mode
from shualian.core.refusals import Helper, KindsOf, Refused
from shualian.face.calibration import Calibration
from shualian.face.evaluation.statistics import clopper_pearson_upper
from shualian.face.liveness.decision import AttackDetectionErrorRates
from shualian.insurer.notices.model import RunningFacts
from shualian.insurer.templates.model import FILING_WORKING_DAYS, months_after
from shualian.trust.audit.model import Digest, Payload, Reference

AssessmentId = NewType("AssessmentId", str)

KEPT_MONTHS = 36
"""At least three years (个人信息保护法 56)."""


@dataclass(frozen=True, slots=True)
class ComparisonRates:
    """One operating point, as the calibration proves it.

    Attributes:
        what: ``verification`` (a claimed person) or ``identification`` (each of a search).
        fmr_max: False match rate that the settings allow, per comparison.
        fmr_upper95: Proven upper 95 % bound.
        fnmr: Share of right people refused, as measured.
        threshold: Least score that counts as a match.
        proven_for_population: Whether the bound is of the population served.
    """

    what: str
    fmr_max: float
    fmr_upper95: float
    fnmr: float
    threshold: float
    proven_for_population: bool


@dataclass(frozen=True, slots=True)
class GroupRates:
    """False matches of two people of one group at the threshold of a claimed person.

    Attributes:
        group: As the calibration's data name it.
        people: In the data.
        impostor_pairs: Pairs of pictures of two people.
        fmr: Measured; ``None`` without pairs.
        fmr_upper95: Upper 95 % bound.
    """

    group: str
    people: int
    impostor_pairs: int
    fmr: float | None
    fmr_upper95: float


@dataclass(frozen=True, slots=True)
class AttackRates:
    """Attacks of one kind that passed the passive liveness score (APCER, ISO/IEC 30107-3).

    Attributes:
        attack: Kind of attack (PAI species).
        presentations: How many were measured.
        apcer: Share that passed.
        apcer_upper95: One-sided upper 95 % bound (Clopper-Pearson); 0.95 for one that failed.
        simulated: Whether they were computed and not recorded.
    """

    attack: str
    presentations: int
    apcer: float
    apcer_upper95: float
    simulated: bool


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What is known of errors.

    Attributes:
        path_id: The operational path that runs.
        data: On what data it was calibrated, in words.
        frames_enrolled: Pictures per template in the calibration.
        frames_probed: Pictures per probe in the calibration.
        comparisons: Operating points in force.
        people_max: How many people one search may compare without a claim.
        fpir_max: Highest chance of a search to name a wrong person.
        groups: Group by group, without everybody together.
        attacks: Kind by kind.
        bpcer: Share of live people taken for an attack.
        bona_fide: Live presentations measured.
        frames_judged: Frames of each presentation.
    """

    path_id: str
    data: str
    frames_enrolled: int
    frames_probed: int
    comparisons: Sequence[ComparisonRates]
    people_max: int
    fpir_max: float
    groups: Sequence[GroupRates]
    attacks: Sequence[AttackRates]
    bpcer: float
    bona_fide: int
    frames_judged: int

    @property
    def worst_attack(self) -> AttackRates | None:
        """The kind that passes most often, which is the one to quote."""
        return max(self.attacks, key=lambda each: each.apcer, default=None)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What runs.

    Attributes:
        mode: Sandbox or production.
        handler: Who handles the data.
        phone: Of that office.
        notice_version: Of the notice in force.
        facts: What the program does, as the notice must say it.
        scenes: What a face is compared for: code and name.
        purposes: What people agree to, each on its own.
        degraded_max_fen: Most that a face settles without the registry.
        emergency_searches_max: Of one hospital on one day.
        access_log_months: How long lines of the access log are kept.
        message_days: How long a message stays after it was seen.
        payment_held_hours: How long a replaced face pays nothing.
        terminal_limits_fen: Most that one face proof may settle, by class of terminal.
        stores_searched: Stores that a deletion searches.
        second_place: Whether the audit's checkpoints lie in a place of their own.
    """

    mode: Mode
    handler: str
    phone: str
    notice_version: str
    facts: RunningFacts
    scenes: Sequence[str]
    purposes: Sequence[str]
    degraded_max_fen: int
    emergency_searches_max: int
    access_log_months: int
    message_days: int
    payment_held_hours: int
    terminal_limits_fen: Mapping[str, int]
    stores_searched: Sequence[str]
    second_place: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many people it is about.

    Attributes:
        with_template: Whose template is kept now.
        compared: Who was verified within the term of the access log.
        filing_people: From how many on filing is a duty.
        reached_on: On which day that number was first reached.
        file_by: The last day to file.
    """

    with_template: int
    compared: int
    filing_people: int
    reached_on: date | None
    file_by: date | None


@dataclass(frozen=True, slots=True)
class AssessedFacts:
    """Everything that an assessment states."""

    configuration: Configuration
    accuracy: Accuracy
    counts: Counts

    def as_json(self) -> dict[str, Any]:
        """JSON-ready members."""
        members: dict[str, Any] = json.loads(_canonical(asdict(self)))
        return members

    @property
    def configuration_digest(self) -> Digest:
        """SHA-256 over what runs and its error rates, without counts: other means a new one."""
        return _sha256(_canonical([asdict(self.configuration), asdict(self.accuracy)]))


@dataclass(frozen=True, slots=True)
class FilingMark:
    """That the law's number of people was reached.

    Attributes:
        reached_on: Day in China on which it was first counted.
        people: How many then.
    """

    reached_on: date
    people: int

    @property
    def file_by(self) -> date:
        """The last day to file."""
        return working_days_after(self.reached_on, FILING_WORKING_DAYS)


@dataclass(frozen=True, slots=True)
class Assessment:
    """An assessment as it is kept.

    Attributes:
        assessment_id: Its number.
        made_at: UTC.
        document: Markdown.
        digest: SHA-256 of the document.
        configuration_digest: Of what it assessed.
    """

    assessment_id: AssessmentId
    made_at: datetime
    document: str
    digest: Digest
    configuration_digest: Digest

    @property
    def kept_until(self) -> date:
        """The first day on which it may be deleted."""
        return months_after(business_date(self.made_at), KEPT_MONTHS)


class AssessmentEvent(Payload, kind="insurer.assessment"):
    """The audit's record that an assessment was made or deleted.

    Attributes:
        assessment: Which.
        digest: Of its document.
        deleted: Whether it was deleted after its term.
        actor: Member of staff; none on the command line.
    """

    assessment: Reference
    digest: Digest
    deleted: bool
    actor: StaffId | None = None


class FilingReached(Payload, kind="insurer.filing_reached"):
    """The audit's record that the law's number of people was reached.

    Attributes:
        people: With a template then.
    """

    people: int


def document_digest(document: str) -> Digest:
    """SHA-256 of a document in UTF-8."""
    return _sha256(document)


def working_days_after(day: date, count: int) -> date:
    """The day that is ``count`` working days after ``day``: Mondays to Fridays.

    Public holidays are not left out, so that it is early and not late; a week-end that was made a
    working day can still make the true one some days earlier.
    """
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day


def check_term_over(assessment: Assessment, today: date) -> None:
    """Check that an assessment may be deleted.

    Raises:
        Refused: ``insurer.assessment_kept``.
    """
    if today < assessment.kept_until:
        raise Refused(ASSESSMENT_KEPT, kept_until=assessment.kept_until.isoformat())


def accuracy_of(
    calibration: Calibration,
    *,
    verification_fmr: float,
    identification_fmr: float,
    fpir_max: float,
    people_max: int,
) -> Accuracy:
    """What a calibration proves at the error rates in force.

    Raises:
        Refused: ``face.error_rate_not_proven``, ``face.not_calibrated``.
    """
    asked = {"verification": verification_fmr, "identification": identification_fmr}
    points = {what: calibration.at(fmr) for what, fmr in asked.items()}
    attacks = calibration.proven_attack_detection()
    return Accuracy(
        path_id=calibration.path.path_id,
        data=calibration.data,
        frames_enrolled=calibration.frames_enrolled,
        frames_probed=calibration.frames_probed,
        comparisons=tuple(
            ComparisonRates(
                what=what,
                fmr_max=point.fmr,
                fmr_upper95=point.fmr_upper95,
                fnmr=point.fnmr,
                threshold=point.threshold,
                proven_for_population=point.proven_for_population,
            )
            for what, point in points.items()
        ),
        people_max=people_max,
        fpir_max=fpir_max,
        groups=_groups(calibration, points["verification"].threshold),
        attacks=_attacks(attacks),
        bpcer=attacks.bpcer,
        bona_fide=attacks.bona_fide,
        frames_judged=attacks.frames,
    )


def _attacks(rates: AttackDetectionErrorRates) -> tuple[AttackRates, ...]:
    return tuple(
        AttackRates(
            attack=name,
            presentations=rates.attacks[name],
            apcer=apcer,
            apcer_upper95=clopper_pearson_upper(
                round(apcer * rates.attacks[name]), rates.attacks[name]
            ),
            simulated=name in rates.simulated,
        )
        for name, apcer in sorted(rates.apcer.items())
    )


def _groups(calibration: Calibration, threshold: float) -> tuple[GroupRates, ...]:
    index = calibration.thresholds.index(threshold)
    return tuple(
        GroupRates(
            group=name,
            people=counts.identities,
            impostor_pairs=counts.impostor_pairs,
            fmr=None if math.isnan(counts.fmr(index)) else counts.fmr(index),
            fmr_upper95=counts.fmr_upper95(index),
        )
        for name, counts in sorted(calibration.groups.items())
    )


def _canonical(members: object) -> str:
    return json.dumps(members, ensure_ascii=False, sort_keys=True, default=_day, allow_nan=False)


def _day(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _sha256(text: str) -> Digest:
    return Digest(hashlib.sha256(text.encode()).hexdigest())


_kind = KindsOf("insurer", helper=Helper.INSURER).kind

ASSESSMENT_NOT_FOUND = _kind(
    "assessment_not_found",
    "没有这份影响评估",
    "There is no such assessment",
    "用 shualian privacy assessments 查看有哪些",
    "See which there are with shualian privacy assessments",
)
ASSESSMENT_KEPT = _kind(
    "assessment_kept",
    "影响评估至少保存三年，还不能删除",
    "An assessment is kept for at least three years",
    "请到期后再删除",
    "Delete it after its term",
)
ASSESSMENT_MISSING = _kind(
    "assessment_missing",
    "现在的设置没有做过影响评估",
    "What runs was not assessed",
    "先运行 shualian privacy assessment，看过以后再启动",
    "Run shualian privacy assessment, read it, then start",
)

REFUSALS = (ASSESSMENT_NOT_FOUND, ASSESSMENT_KEPT, ASSESSMENT_MISSING)
