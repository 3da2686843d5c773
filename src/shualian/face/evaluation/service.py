"""Measure the pictures of a manifest with an engine and turn them into error rates."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from shualian.core.refusals import Refused
from shualian.face.evaluation.attack_detection import (
    AttackDetection,
    Presentation,
    measure_attack_detection,
)
from shualian.face.evaluation.identification import Identification, measure_identification
from shualian.face.evaluation.manifest import (
    ATTACK,
    BONA_FIDE,
    Condition,
    Manifest,
    ManifestRow,
    attack_type,
    choose_rows,
    require_column,
)
from shualian.face.evaluation.ports import Measurer, PictureReader, Progress
from shualian.face.evaluation.recognition import (
    REPLICATES,
    Comparisons,
    GroupRates,
    Indices,
    OperatingPoint,
    Recognition,
    Scores,
    cosine_similarities,
    measure_groups,
    measure_recognition,
    number_identities,
    pair_up,
)
from shualian.face.model import (
    MANIFEST_INVALID,
    NO_FACE,
    PICTURE_TOO_LARGE,
    PICTURE_TOO_SMALL,
    PICTURE_UNREADABLE,
    Measurement,
)

GROUP_FMR = 1e-3
"""Groups are compared at the threshold that gives this FMR over all pictures."""

THREADS = 2
"""Pictures measured at the same time."""

NOT_STATED = "(not stated)"
"""Label of the pictures whose group cell is empty."""

SEED = 19795
"""Of the bootstrap and the random galleries when nothing else is asked."""

_FAILURES = (NO_FACE, PICTURE_UNREADABLE, PICTURE_TOO_LARGE, PICTURE_TOO_SMALL)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a manifest of people.

    Attributes:
        conditions: Which rows count.
        group_by: Columns whose values are compared with one another.
        seed: Of everything random.
        replicates: Of the bootstrap.
    """

    conditions: tuple[Condition, ...] = ()
    group_by: tuple[str, ...] = ()
    seed: int = SEED
    replicates: int = REPLICATES


@dataclass(frozen=True, slots=True)
class PeopleEvaluation:
    """Error rates of recognition on a manifest of people.

    Attributes:
        question: What was asked.
        manifest_sha256: Of the manifest.
        manifest_rows: In the manifest, chosen or not.
        images: Rows chosen, one picture each.
        identities: Among them.
        failures: Pictures without a measurement, by refusal code.
        genuine_pairs_lost: Genuine pairs not compared, because a picture had no measurement.
        recognition: Over the pairs that were compared.
        identification: None where the pictures are too few.
        groups: By column, then by value.
    """

    question: Question
    manifest_sha256: str
    manifest_rows: int
    images: int
    identities: int
    failures: Mapping[str, int]
    genuine_pairs_lost: int
    recognition: Recognition
    identification: Identification | None
    groups: Mapping[str, Mapping[str, GroupRates]]

    @property
    def failure_to_acquire(self) -> float:
        """FTA: share of the pictures without a measurement, 0..1."""
        return sum(self.failures.values()) / self.images

    def false_rejection_rate(self, point: OperatingPoint) -> float:
        """Share of all genuine pairs that do not match or lack a measurement, 0..1.

        An engine that measures only easy pictures gains nothing by it here.
        """
        lost = point.false_non_matches + self.genuine_pairs_lost
        return lost / (self.recognition.genuine_pairs + self.genuine_pairs_lost)


@dataclass(frozen=True, slots=True)
class AttackEvaluation:
    """Error rates of presentation attack detection on a manifest of presentations.

    Attributes:
        manifest_sha256: Of the manifest.
        left_out: Rows of another kind than live or attack, by kind.
        rates: One picture taken as one presentation.
    """

    manifest_sha256: str
    left_out: Mapping[str, int]
    rates: AttackDetection


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that one run of the command found.

    Attributes:
        path_id: Operational path that was measured.
        people: Recognition.
        attacks: Presentation attack detection, if it was asked for.
    """

    path_id: str
    people: PeopleEvaluation
    attacks: AttackEvaluation | None = None


class Evaluator:
    """Runs manifests through one engine."""

    def __init__(self, measurer: Measurer, read: PictureReader, progress: Progress) -> None:
        self._measurer = measurer
        self._read = read
        self._progress = progress

    def evaluate_people(self, manifest: Manifest, question: Question) -> PeopleEvaluation:
        """Failure to acquire, comparison errors, open-set identification and groups.

        Raises:
            Refused: ``face.manifest_invalid`` if no error rate can be had from the rows: before
                any picture is read, or because too few pictures could be measured.
        """
        rows = check_question(manifest, question)
        answers = self.measure_all(rows, "pictures")
        acquired = _Acquired.of(rows, answers)
        comparisons = pair_up(acquired.similarities, acquired.identities)
        recognition = self._recognise(comparisons, question)
        return PeopleEvaluation(
            question=question,
            manifest_sha256=manifest.sha256,
            manifest_rows=len(manifest.rows),
            images=len(rows),
            identities=len({row.values["identity"] for row in rows}),
            failures=Counter(answer for answer in answers if isinstance(answer, str)),
            genuine_pairs_lost=_genuine_pairs(rows) - recognition.genuine_pairs,
            recognition=recognition,
            identification=measure_identification(
                acquired.similarities,
                acquired.identities,
                generator=np.random.default_rng([question.seed, 1]),
            ),
            groups=_groups(acquired.rows, comparisons, recognition, question.group_by),
        )

    def evaluate_attacks(self, manifest: Manifest, *, threshold: float) -> AttackEvaluation:
        """APCER, BPCER and non-responses, each picture taken as one presentation.

        Args:
            manifest: With the columns ``file`` and ``kind``.
            threshold: Passive liveness at or above it passes as bona fide, 0..1.

        Raises:
            Refused: ``face.manifest_invalid`` if no row is of either kind.
        """
        rows = check_presentations(manifest)
        presentations = [
            Presentation(
                attack_type(row) if row.values["kind"] == ATTACK else None,
                None if isinstance(answer, str) else answer.passive_liveness,
            )
            for row, answer in zip(rows, self.measure_all(rows, "presentations"), strict=True)
        ]
        kinds = Counter(row.values["kind"] for row in manifest.rows)
        return AttackEvaluation(
            manifest_sha256=manifest.sha256,
            left_out={kind: kinds[kind] for kind in sorted(kinds.keys() - {BONA_FIDE, ATTACK})},
            rates=measure_attack_detection(presentations, threshold=threshold),
        )

    def _recognise(self, comparisons: Comparisons, question: Question) -> Recognition:
        self._progress.begin("intervals", question.replicates)
        return measure_recognition(
            comparisons,
            generator=np.random.default_rng([question.seed, 0]),
            replicates=question.replicates,
            on_replicate=self._progress.advance,
        )

    def measure_all(self, rows: Sequence[ManifestRow], stage: str) -> list[Measurement | str]:
        """A measurement of each row's picture, in order, or the code of its refusal.

        Args:
            rows: Of a manifest.
            stage: What the progress bar says.
        """
        self._progress.begin(stage, len(rows))
        answers: list[Measurement | str] = []
        with ThreadPoolExecutor(THREADS) as pool:
            for answer in pool.map(self._measure, rows):
                answers.append(answer)
                self._progress.advance()
        return answers

    def _measure(self, row: ManifestRow) -> Measurement | str:
        try:
            return self._measurer.measure(self._read(row.path))
        except Refused as refused:
            if refused.kind in _FAILURES:
                return refused.kind.code
            raise


@dataclass(frozen=True, slots=True, eq=False)
class _Acquired:
    """The rows with a measurement, in the order of the manifest; they hold both kinds of pairs."""

    rows: Sequence[ManifestRow]
    identities: Indices
    similarities: Scores

    @classmethod
    def of(cls, rows: Sequence[ManifestRow], answers: Sequence[Measurement | str]) -> "_Acquired":
        both = zip(rows, answers, strict=True)
        kept = [(row, answer.embedding) for row, answer in both if not isinstance(answer, str)]
        acquired = [row for row, _ in kept]
        _check_pairs(acquired)
        return cls(
            rows=acquired,
            identities=number_identities([row.values["identity"] for row, _ in kept]),
            similarities=cosine_similarities(np.stack([vector for _, vector in kept])),
        )


def check_question(manifest: Manifest, question: Question) -> tuple[ManifestRow, ...]:
    """The rows that are asked about, if error rates can be had from them.

    Raises:
        Refused: ``face.manifest_invalid`` for an unknown column, for no row, or for rows without
            a genuine or without an impostor pair.
    """
    for column in question.group_by:
        require_column(manifest, column)
    rows = choose_rows(manifest, question.conditions)
    _check_pairs(rows)
    return rows


def check_presentations(manifest: Manifest) -> tuple[ManifestRow, ...]:
    """The rows that are a bona fide or an attack presentation.

    Raises:
        Refused: ``face.manifest_invalid`` if there is none.
    """
    rows = tuple(row for row in manifest.rows if row.values["kind"] in {BONA_FIDE, ATTACK})
    if not rows:
        raise Refused(MANIFEST_INVALID, column="kind", problem=f"no row is {BONA_FIDE} or {ATTACK}")
    return rows


def _check_pairs(rows: Sequence[ManifestRow]) -> None:
    genuine = _genuine_pairs(rows)
    impostor = len(rows) * (len(rows) - 1) // 2 - genuine
    if not genuine or not impostor:
        raise Refused(
            MANIFEST_INVALID,
            problem="error rates need pairs of one identity and of two identities",
            pictures=len(rows),
            genuine_pairs=genuine,
            impostor_pairs=impostor,
        )


def _genuine_pairs(rows: Sequence[ManifestRow]) -> int:
    pictures = Counter(row.values["identity"] for row in rows)
    return sum(count * (count - 1) // 2 for count in pictures.values())


def _groups(
    rows: Sequence[ManifestRow],
    comparisons: Comparisons,
    recognition: Recognition,
    columns: Sequence[str],
) -> dict[str, dict[str, GroupRates]]:
    points = {point.fmr_limit: point for point in recognition.operating_points}
    threshold = points[GROUP_FMR].threshold.value
    return {
        column: measure_groups(
            comparisons, [row.values[column] or NOT_STATED for row in rows], threshold
        )
        for column in columns
    }
