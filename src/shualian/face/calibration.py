"""Calibration: which threshold carries which error rate, on what data, and how sure that is.

A calibration belongs to one operational path (weights, detection, alignment, flip), to the number
of frames enrolled and probed, to the comparator and to its data. A threshold is never set by hand:
an error rate is asked for and the calibration answers with the threshold that its data prove, or
refuses.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from shualian.core.refusals import Refused
from shualian.face.evaluation.attack_detection import AttackDetection
from shualian.face.evaluation.statistics import clopper_pearson_upper
from shualian.face.liveness.decision import AttackDetectionErrorRates
from shualian.face.model import ERROR_RATE_NOT_PROVEN, NOT_CALIBRATED, Embedding

THRESHOLDS: tuple[float, ...] = tuple(round(0.2 + 0.005 * i, 3) for i in range(101))
"""Scores at which a calibration counts errors."""

ALL_PEOPLE = "all"
"""Name of the group of everybody in the data."""


@dataclass(frozen=True, slots=True)
class OperationalPath:
    """Everything between pixels and a feature vector; two vectors compare only within one path."""

    weights: tuple[str, ...]
    detection: str
    alignment: str
    flip: bool

    @property
    def path_id(self) -> str:
        """16 hexadecimal digits that name the path."""
        described = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """What was counted in one group of people; pairs are of two people of the same group.

    Attributes:
        pictures: Pictures with a face.
        identities: People.
        genuine_pairs: Pairs of pictures of one person.
        impostor_pairs: Pairs of pictures of two people.
        identity_pairs: Pairs of two people.
        false_matches: For each threshold, impostor pairs at or above it.
        falsely_matched_identity_pairs: For each threshold, pairs of people of whom any two
            pictures are at or above it.
        false_non_matches: For each threshold, genuine pairs below it.
    """

    pictures: int
    identities: int
    genuine_pairs: int
    impostor_pairs: int
    identity_pairs: int
    false_matches: tuple[int, ...]
    falsely_matched_identity_pairs: tuple[int, ...]
    false_non_matches: tuple[int, ...]

    def fmr(self, index: int) -> float:
        """Share of impostor pairs at or above the threshold; NaN without pairs."""
        return self.false_matches[index] / self.impostor_pairs if self.impostor_pairs else math.nan

    def fmr_upper95(self, index: int) -> float:
        """One-sided 95 % upper bound of the false match rate.

        Clopper-Pearson, counted once over pairs of pictures and once over pairs of people, and
        the worse taken: pictures of the same two people are no independent trials.
        """
        return max(
            clopper_pearson_upper(self.false_matches[index], self.impostor_pairs),
            clopper_pearson_upper(self.falsely_matched_identity_pairs[index], self.identity_pairs),
        )

    def fmr_lower95(self, index: int) -> float:
        """One-sided 95 % lower bound of the false match rate, over pairs of people."""
        matched = self.falsely_matched_identity_pairs[index]
        return 1.0 - clopper_pearson_upper(self.identity_pairs - matched, self.identity_pairs)

    def fnmr(self, index: int) -> float:
        """Share of genuine pairs below the threshold; NaN without pairs."""
        return (
            self.false_non_matches[index] / self.genuine_pairs if self.genuine_pairs else math.nan
        )


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and what is proven of it by one calibration (ISO/IEC 19795-1).

    Attributes:
        fmr: The false match rate that was asked for, per comparison.
        fmr_upper95: The proven upper 95 % bound at this threshold.
        fnmr: Share of right people refused, as measured.
        threshold: The least score that counts as a match.
        path_id: The operational path that was calibrated.
        data: On what data.
        proven_for_population: Whether the bound is of a group of the population served.
    """

    fmr: float
    fmr_upper95: float
    fnmr: float
    threshold: float
    path_id: str
    data: str
    proven_for_population: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """The counts of one operational path on one set of data.

    Attributes:
        path: What was calibrated.
        comparator: How scores were made.
        frames_enrolled: Pictures per template.
        frames_probed: Pictures per probe.
        data: What data, in words.
        data_sha256: Digest of the manifest.
        thresholds: Ascending scores at which was counted.
        groups: By name; always with :data:`ALL_PEOPLE`.
        attack_detection: Error rates of passive liveness, where measured.
    """

    path: OperationalPath
    comparator: str
    frames_enrolled: int
    frames_probed: int
    data: str
    data_sha256: str
    thresholds: tuple[float, ...]
    groups: Mapping[str, GroupCounts]
    attack_detection: AttackDetectionErrorRates | None = None

    def proven_attack_detection(self) -> AttackDetectionErrorRates:
        """The error rates of passive liveness.

        Raises:
            Refused: ``face.not_calibrated`` when they were not measured: then no face is taken.
        """
        if self.attack_detection is None:
            raise Refused(NOT_CALIBRATED, lacking="attack_detection")
        return self.attack_detection

    def at(self, fmr: float, *, population: str | None = None) -> OperatingPoint:
        """The lowest threshold that is proven to keep the false match rate at ``fmr``.

        Proven: the upper 95 % bound over everybody (and over ``population``, where that group has
        enough pairs of people to carry the rate) is at most ``fmr``, and no group is shown to be
        worse by its lower 95 % bound. Groups differ in their error rates; a small group cannot
        prove a rate, but it can disprove one.

        Raises:
            Refused: ``face.error_rate_not_proven`` when the data carry no such rate.
        """
        everybody = self.groups[ALL_PEOPLE]
        judges = [everybody]
        own = self.groups.get(population) if population else None
        proven = own is not None and clopper_pearson_upper(0, own.identity_pairs) <= fmr
        if own is not None and proven:
            judges.append(own)
        for index, threshold in enumerate(self.thresholds):
            upper = max(group.fmr_upper95(index) for group in judges)
            disproven = any(group.fmr_lower95(index) > fmr for group in self.groups.values())
            if upper <= fmr and not disproven:
                return OperatingPoint(
                    fmr=fmr,
                    fmr_upper95=upper,
                    fnmr=everybody.fnmr(index),
                    threshold=threshold,
                    path_id=self.path.path_id,
                    data=self.data,
                    proven_for_population=proven,
                )
        lowest = clopper_pearson_upper(0, everybody.identity_pairs)
        raise Refused(ERROR_RATE_NOT_PROVEN, asked=fmr, lowest_proven=round(lowest, 6))


_AS_JSON = TypeAdapter(Calibration)


def count_errors(embeddings: NDArray[np.float32], identities: Sequence[str]) -> GroupCounts:
    """Count errors at every threshold over all pairs of n x d unit vectors."""
    people = np.unique(np.asarray(identities), return_inverse=True)[1].ravel()
    first, second = np.triu_indices(len(embeddings), 1)
    scores = np.einsum("ij,ij->i", embeddings[first], embeddings[second])
    same = people[first] == people[second]
    genuine, impostor = np.sort(scores[same]), np.sort(scores[~same])
    of_people = np.sort(_best_per_identity_pair(scores[~same], people[first], people[second], same))
    grid = np.asarray(THRESHOLDS)
    return GroupCounts(
        pictures=len(embeddings),
        identities=int(people.max(initial=-1)) + 1,
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
        identity_pairs=len(of_people),
        false_matches=_at_or_above(impostor, grid),
        falsely_matched_identity_pairs=_at_or_above(of_people, grid),
        false_non_matches=tuple(np.searchsorted(genuine, grid).tolist()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture's vector, whose it is and in which group; an empty group is no group."""

    identity: str
    group: str
    embedding: Embedding


def calibration_from_samples(
    path: OperationalPath,
    samples: Sequence[Sample],
    *,
    comparator: str,
    data: str,
    data_sha256: str,
    attack_detection: AttackDetectionErrorRates | None = None,
) -> Calibration:
    """A calibration from single pictures, one enrolled and one probed.

    A group of one person has no pair of people and is left out.
    """
    groups = {ALL_PEOPLE: _count(samples)}
    for name in sorted({sample.group for sample in samples if sample.group}):
        members = [sample for sample in samples if sample.group == name]
        if len({sample.identity for sample in members}) > 1:
            groups[name] = _count(members)
    return Calibration(
        path=path,
        comparator=comparator,
        frames_enrolled=1,
        frames_probed=1,
        data=data,
        data_sha256=data_sha256,
        thresholds=THRESHOLDS,
        groups=groups,
        attack_detection=attack_detection,
    )


def load_calibration(path: OperationalPath) -> Calibration:
    """The calibration that the package ships for an operational path.

    Raises:
        Refused: ``face.not_calibrated``.
    """
    file = resources.files("shualian.face") / "calibrations" / f"{path.path_id}.json"
    if not file.is_file():
        raise Refused(NOT_CALIBRATED, path=path.path_id)
    return calibration_from_json(file.read_text("utf-8"))


def calibration_as_json(calibration: Calibration) -> str:
    """As committed."""
    return _AS_JSON.dump_json(calibration).decode() + "\n"


def calibration_from_json(text: str) -> Calibration:
    """The reverse of :func:`calibration_as_json`; raises ``ValueError`` on anything else."""
    return _AS_JSON.validate_json(text)


def attack_detection_error_rates(
    recorded: AttackDetection | None, simulated: AttackDetection | None
) -> AttackDetectionErrorRates | None:
    """Error rates of passive liveness from recorded and from simulated presentations together.

    Attack types keep the source they come from; bona fide presentations are counted together.
    """
    sources = [found for found in (recorded, simulated) if found is not None]
    if not sources:
        return None
    types = {name: rates.apcer for found in sources for name, rates in found.attack_types.items()}
    bona_fide = sum(found.bpcer.trials for found in sources)
    return AttackDetectionErrorRates(
        apcer={name: apcer.rate for name, apcer in types.items() if apcer.trials},
        bpcer=sum(found.bpcer.errors for found in sources) / bona_fide if bona_fide else 1.0,
        attacks={name: apcer.trials for name, apcer in types.items()},
        bona_fide=bona_fide,
        simulated=tuple(simulated.attack_types) if simulated else (),
        frames=1,
    )


def _count(samples: Sequence[Sample]) -> GroupCounts:
    vectors = np.stack([sample.embedding for sample in samples])
    return count_errors(vectors, [sample.identity for sample in samples])


def _at_or_above(ascending: NDArray[np.floating], grid: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple((len(ascending) - np.searchsorted(ascending, grid)).tolist())


def _best_per_identity_pair(
    scores: NDArray[np.floating],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    same: NDArray[np.bool_],
) -> NDArray[np.floating]:
    low = np.minimum(first, second)[~same].astype(np.int64)
    high = np.maximum(first, second)[~same].astype(np.int64)
    key = low * (int(high.max(initial=0)) + 1) + high
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    if not len(starts):
        return np.empty(0)
    return np.maximum.reduceat(scores[order], starts)
