"""How reliable the quality hints are: pictures made worse on purpose, and what is noticed of it.

Every picture is put into a terminal's frame, looked at as it is (a hint then is a false alarm),
and looked at again with each defect at each strength (the hint that belongs to the defect should
come). The same run tells what the defect costs: the similarity to the picture without it, the
false non-match rate against other pictures of the same person, and passive liveness.
All defects are simulated, see :mod:`shualian.sandbox.degradations`.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shualian.core.refusals import Refused
from shualian.face.comparison import similarity
from shualian.face.evaluation.ports import Progress
from shualian.face.model import (
    NO_FACE,
    DetectedFace,
    Embedding,
    Hint,
    Inspection,
    Measurement,
    Picture,
    Purpose,
    QualityMeasure,
)
from shualian.face.quality.rules import LIMITS
from shualian.sandbox.degradations import (
    DEFECTS,
    Defect,
    degrade,
    terminal_frame,
    with_sensor_noise,
)

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
"""At which each defect is tried."""
SCORE_LIMIT = LIMITS[Purpose.PROBE]
"""A measure below it has noticed something."""

_STEADY_NOISE = 3.0


class Engine(Protocol):
    """The face engine as far as this study uses it."""

    def inspect(self, frame: Picture, *, previous: Inspection | None = None) -> Inspection:
        """The live loop's look at a frame."""
        ...

    def measure(self, frame: Picture, /) -> Measurement:
        """The decision's look at a frame; refuses with ``face.no_face``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One picture of the study.

    Attributes:
        group: In which its rates are counted.
        identity: Of the person, if known; pictures of one identity are genuine pairs.
        read: Gives the picture.
    """

    group: str
    identity: str | None
    read: Callable[[], Picture]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one picture with one defect or none.

    Attributes:
        group: Of the picture.
        defect: If any.
        strength: Of the defect.
        live_hint: Of the live loop.
        live_scores: Of the live loop.
        hint: Of the decision; ``NO_FACE`` where no face was found.
        scores: Of the decision.
        similarity: To the picture without the defect, if a face was found in both.
        genuine: Similarities to the other pictures of the person, without defect.
        genuine_pairs: How many other pictures there are, whether a face was found or not.
        passive_liveness: If a face was found.
    """

    group: str
    defect: Defect | None
    strength: float
    live_hint: Hint
    live_scores: Mapping[QualityMeasure, int]
    hint: Hint
    scores: Mapping[QualityMeasure, int]
    similarity: float | None
    genuine: tuple[float, ...]
    genuine_pairs: int
    passive_liveness: float | None


@dataclass(frozen=True, slots=True)
class DefectRates:
    """Rates of one defect at one strength; shares are 0..1, of all pictures of the group.

    Attributes:
        group: Of the pictures.
        defect: Tried.
        strength: Of it.
        native: The strength in the defect's own ``unit``.
        unit: Of ``native``.
        pictures: How many.
        lost: Share in which no face was found.
        noticed: Share in which the measure that belongs to the defect was below its limit.
        hinted: Share in which the decision's hint was the one that belongs to the defect.
        live_hinted: The same of the live loop.
        stopped: Share that was not accepted, whatever the hint, no face included.
        similarity: Median to the same picture without the defect.
        fnmr: False non-match rate at the threshold; no face counts as a non-match.
        fnmr_accepted: The same among the pictures that were accepted.
        live: Share whose passive liveness is at or above its threshold, of those with a face.
    """

    group: str
    defect: Defect
    strength: float
    native: float
    unit: str
    pictures: int
    lost: float
    noticed: float
    hinted: float
    live_hinted: float
    stopped: float
    similarity: float | None
    fnmr: float | None
    fnmr_accepted: float | None
    live: float | None


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """What was said of pictures without a defect; shares are 0..1.

    Attributes:
        group: Of the pictures.
        pictures: How many.
        stopped: Share not accepted by the decision.
        live_stopped: Share not accepted by the live loop.
        hints: Share by hint of the decision.
        measures: Share by measure below its limit, in the live loop or in the decision.
        fnmr: Against the other pictures of the person.
        live: Share whose passive liveness is at or above its threshold.
    """

    group: str
    pictures: int
    stopped: float
    live_stopped: float
    hints: Mapping[Hint, float]
    measures: Mapping[QualityMeasure, float]
    fnmr: float | None
    live: float | None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the decision draws its lines.

    Attributes:
        similarity: Least similarity of a match.
        liveness: Least passive liveness of a bona fide presentation.
    """

    similarity: float
    liveness: float


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    subject: Subject
    frame: Picture
    clean: Measurement


def look_at(
    engine: Engine,
    subjects: Sequence[Subject],
    progress: Progress,
    *,
    defects: Sequence[Defect] = tuple(Defect),
    strengths: Sequence[float] = STRENGTHS,
    framed: bool = True,
    seed: int = 0,
) -> list[Look]:
    """Look at every picture without and with every defect.

    Args:
        engine: That looks.
        subjects: Pictures; one without a face only counts as such.
        progress: Is told of every picture.
        defects: To try; none gives the false alarms alone.
        strengths: Of the defects.
        framed: Whether pictures are put into a terminal's frame first.
        seed: Of noise and of the defects; each picture gets its own from it.
    """
    looks: list[Look] = []
    seen: list[_Seen] = []
    progress.begin("without defects", len(subjects))
    for subject in subjects:
        found = _prepare(engine, subject, framed=framed)
        if found is None:
            looks.append(_nobody(subject))
        else:
            seen.append(found)
        progress.advance()
    known = _Known(seen)
    looks += [_clean_look(engine, person, known, seed) for person in seen]
    progress.begin("with defects", len(seen) * bool(defects))
    for index, person in enumerate(seen):
        for defect in defects:
            for strength in strengths:
                looks.append(_look(engine, person, known, defect, strength, seed + index))
        progress.advance()
    return looks


def defect_rates(looks: Iterable[Look], thresholds: Thresholds) -> list[DefectRates]:
    """The rates by group, defect and strength, in the order of the looks."""
    cells: dict[tuple[str, Defect, float], list[Look]] = {}
    for look in looks:
        if look.defect is not None:
            cells.setdefault((look.group, look.defect, look.strength), []).append(look)
    return [_rates(cell, *key, thresholds) for key, cell in cells.items()]


def false_alarms(looks: Iterable[Look], thresholds: Thresholds) -> list[FalseAlarms]:
    """What was said of pictures without a defect, by group."""
    groups: dict[str, list[Look]] = {}
    for look in looks:
        if look.defect is None:
            groups.setdefault(look.group, []).append(look)
    return [_alarms(group, members, thresholds) for group, members in groups.items()]


class _Known:
    """Pictures without defect, by identity."""

    def __init__(self, seen: Sequence[_Seen]) -> None:
        self._by_identity: dict[str, list[_Seen]] = {}
        for person in seen:
            if person.subject.identity is not None:
                self._by_identity.setdefault(person.subject.identity, []).append(person)

    def others(self, person: _Seen) -> list[Embedding]:
        """Feature vectors of the other pictures of a person."""
        pictures = self._by_identity.get(person.subject.identity or "", [])
        return [other.clean.embedding for other in pictures if other is not person]


def _prepare(engine: Engine, subject: Subject, *, framed: bool) -> _Seen | None:
    picture = subject.read()
    measured = _measured(engine, picture)
    if measured is None or not framed:
        return None if measured is None else _Seen(subject, picture, measured)
    frame, _ = terminal_frame(picture, measured.face)
    clean = _measured(engine, frame)
    return None if clean is None else _Seen(subject, frame, clean)


def _clean_look(engine: Engine, person: _Seen, known: _Known, seed: int) -> Look:
    """With the noise of the frame before, so that motion is measured on a still scene."""
    before = with_sensor_noise(person.frame, _STEADY_NOISE, seed=seed)
    live = engine.inspect(person.frame, previous=engine.inspect(before))
    return _as_look(person, None, 0.0, live, person.clean, known)


def _look(
    engine: Engine, person: _Seen, known: _Known, defect: Defect, strength: float, seed: int
) -> Look:
    face: DetectedFace = person.clean.face
    worse = degrade(person.frame, face, defect, strength, seed=seed)
    before = engine.inspect(person.frame) if defect is Defect.MOVED else None
    live = engine.inspect(worse, previous=before)
    return _as_look(person, defect, strength, live, _measured(engine, worse), known)


def _as_look(
    person: _Seen,
    defect: Defect | None,
    strength: float,
    live: Inspection,
    measured: Measurement | None,
    known: _Known,
) -> Look:
    others = known.others(person)
    vector = None if measured is None else measured.embedding
    return Look(
        group=person.subject.group,
        defect=defect,
        strength=strength,
        live_hint=live.quality.hint,
        live_scores=live.quality.measures,
        hint=Hint.NO_FACE if measured is None else measured.quality.hint,
        scores={} if measured is None else measured.quality.measures,
        similarity=None if vector is None else similarity(vector, person.clean.embedding),
        genuine=() if vector is None else tuple(similarity(vector, other) for other in others),
        genuine_pairs=len(others),
        passive_liveness=None if measured is None else measured.passive_liveness,
    )


def _nobody(subject: Subject) -> Look:
    no_face = Hint.NO_FACE
    return Look(subject.group, None, 0.0, no_face, {}, no_face, {}, None, (), 0, None)


def _measured(engine: Engine, picture: Picture) -> Measurement | None:
    try:
        return engine.measure(picture)
    except Refused as refused:
        if refused.kind is not NO_FACE:
            raise
        return None


def _rates(
    looks: Sequence[Look], group: str, defect: Defect, strength: float, thresholds: Thresholds
) -> DefectRates:
    spec = DEFECTS[defect]
    # Motion is measured between two frames, which only the live loop sees.
    between_frames = spec.measure is QualityMeasure.MOTION
    accepted = [look for look in looks if look.hint is Hint.HOLD_STILL]
    return DefectRates(
        group=group,
        defect=defect,
        strength=strength,
        native=round(spec.native(strength), 4),
        unit=spec.unit,
        pictures=len(looks),
        lost=_share(look.hint is Hint.NO_FACE for look in looks),
        noticed=_share(
            _below(look.live_scores if between_frames else look.scores, spec.measure)
            for look in looks
        ),
        hinted=_share(look.hint is spec.hint for look in looks),
        live_hinted=_share(look.live_hint is spec.hint for look in looks),
        stopped=_share(look.hint is not Hint.HOLD_STILL for look in looks),
        similarity=_median(look.similarity for look in looks),
        fnmr=_fnmr(looks, thresholds),
        fnmr_accepted=_fnmr(accepted, thresholds),
        live=_live(looks, thresholds),
    )


def _alarms(group: str, looks: Sequence[Look], thresholds: Thresholds) -> FalseAlarms:
    hints = Counter(look.hint for look in looks)
    measures = {
        measure: _share(
            _below(look.scores, measure) or _below(look.live_scores, measure) for look in looks
        )
        for measure in QualityMeasure
    }
    return FalseAlarms(
        group=group,
        pictures=len(looks),
        stopped=_share(look.hint is not Hint.HOLD_STILL for look in looks),
        live_stopped=_share(look.live_hint is not Hint.HOLD_STILL for look in looks),
        hints={hint: hints[hint] / len(looks) for hint in Hint if hints[hint]},
        measures=measures,
        fnmr=_fnmr(looks, thresholds),
        live=_live(looks, thresholds),
    )


def _below(scores: Mapping[QualityMeasure, int], measure: QualityMeasure) -> bool:
    return scores.get(measure, SCORE_LIMIT) < SCORE_LIMIT


def _fnmr(looks: Sequence[Look], thresholds: Thresholds) -> float | None:
    pairs = sum(look.genuine_pairs for look in looks)
    matches = sum(score >= thresholds.similarity for look in looks for score in look.genuine)
    return 1 - matches / pairs if pairs else None


def _live(looks: Sequence[Look], thresholds: Thresholds) -> float | None:
    scores = [look.passive_liveness for look in looks if look.passive_liveness is not None]
    return _share(score >= thresholds.liveness for score in scores) if scores else None


def _share(answers: Iterable[bool]) -> float:
    told = list(answers)
    return sum(told) / len(told) if told else 0.0


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
