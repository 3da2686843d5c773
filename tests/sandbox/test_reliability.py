from dataclasses import dataclass, replace

import numpy as np
import pytest

from shualian.core.refusals import Refused
from shualian.face.alignment import TEMPLATE
from shualian.face.model import (
    NO_FACE,
    PICTURE_UNREADABLE,
    Box,
    DetectedFace,
    Hint,
    Inspection,
    Measurement,
    Picture,
    Pose,
    Quality,
    QualityMeasure,
)
from shualian.sandbox.degradations import DEFECTS, Defect
from shualian.sandbox.reliability import (
    Look,
    Subject,
    Thresholds,
    defect_rates,
    false_alarms,
    look_at,
)

THRESHOLDS = Thresholds(similarity=0.5, liveness=0.5)
FACE = DetectedFace(
    box=Box(260.0, 160.0, 120.0, 160.0),
    landmarks=(TEMPLATE * 1.3 + [247.0, 165.0]).astype(np.float32),
    score=0.95,
)
NORTH, EAST = np.eye(2, dtype=np.float32)


class Silent:
    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps = 0

    def begin(self, stage: str, steps: int) -> None:
        self.stages.append((stage, steps))

    def advance(self) -> None:
        self.steps += 1


@dataclass
class LightMeter:
    """An engine that only knows light: dark below 60, nobody below 20; light is who one is."""

    compared_with_before: int = 0

    def _quality(self, frame: Picture) -> Quality:
        dark = frame.mean() < 60
        score = 20 if dark else 90
        hint = Hint.TOO_DARK if dark else Hint.HOLD_STILL
        return Quality({QualityMeasure.UNDER_EXPOSURE: score}, hint, score)

    def inspect(self, frame: Picture, *, previous: Inspection | None = None) -> Inspection:
        self.compared_with_before += previous is not None
        if frame.mean() < 20:
            return Inspection(None, 0, Quality({}, Hint.NO_FACE, 0), None)
        return Inspection(FACE, 1, self._quality(frame), Pose(0, 0))

    def measure(self, frame: Picture, /) -> Measurement:
        if frame.mean() < 20:
            raise Refused(NO_FACE)
        return Measurement(
            face=FACE,
            quality=self._quality(frame),
            pose=Pose(0, 0),
            passive_liveness=float(frame.mean()) / 255,
            embedding=NORTH if frame.mean() >= 60 else EAST,
            path_id="light",
        )


def _subject(level: int, group: str = "all", identity: str | None = "somebody") -> Subject:
    return Subject(group, identity, lambda: np.full((480, 640, 3), level, np.uint8))


def _look_at(*subjects: Subject, defects: tuple[Defect, ...] = (Defect.DARK,)) -> list[Look]:
    return look_at(LightMeter(), subjects, Silent(), defects=defects, strengths=(0.5, 0.75, 1.0))


def test_a_defect_is_noticed_from_the_strength_at_which_the_engine_sees_it() -> None:
    rates = defect_rates(_look_at(_subject(150), _subject(160)), THRESHOLDS)

    # Gains 0.54, 0.31 and 0.08: still bright enough, dark, nobody to be seen.
    assert [rate.native for rate in rates] == [0.54, 0.31, 0.08]
    assert [rate.noticed for rate in rates] == [0, 1, 0]
    assert [rate.hinted for rate in rates] == [0, 1, 0]
    assert [rate.live_hinted for rate in rates] == [0, 1, 0]
    assert [rate.lost for rate in rates] == [0, 0, 1]
    assert [rate.stopped for rate in rates] == [0, 1, 1]
    assert all(rate.unit == DEFECTS[Defect.DARK].unit for rate in rates)


def test_what_a_defect_costs_is_counted_with_lost_faces_as_non_matches() -> None:
    rates = defect_rates(_look_at(_subject(150), _subject(160)), THRESHOLDS)

    assert [rate.similarity for rate in rates] == [1.0, 0.0, None]
    assert [rate.fnmr for rate in rates] == [0, 1, 1]
    assert [rate.fnmr_accepted for rate in rates] == [0, None, None]
    assert [rate.live for rate in rates] == [0, 0, None]


def test_without_another_picture_of_the_person_there_is_no_error_rate() -> None:
    rates = defect_rates(_look_at(_subject(150, identity=None), _subject(160)), THRESHOLDS)

    assert [rate.fnmr for rate in rates] == [None, None, None]


def test_groups_are_counted_apart() -> None:
    looks = _look_at(_subject(150, "light"), _subject(100, "dim"))

    first = {rate.group: rate for rate in reversed(defect_rates(looks, THRESHOLDS))}

    assert first["light"].stopped == 0
    assert first["dim"].stopped == 1
    assert {alarm.group for alarm in false_alarms(looks, THRESHOLDS)} == {"light", "dim"}


def test_what_is_said_of_good_pictures_is_a_false_alarm() -> None:
    looks = _look_at(_subject(150), _subject(40), _subject(5), _subject(200), defects=())

    (alarms,) = false_alarms(looks, THRESHOLDS)

    assert alarms.pictures == 4
    assert alarms.stopped == alarms.live_stopped == pytest.approx(0.5)
    assert alarms.hints == {Hint.NO_FACE: 0.25, Hint.TOO_DARK: 0.25, Hint.HOLD_STILL: 0.5}
    assert alarms.measures[QualityMeasure.UNDER_EXPOSURE] == pytest.approx(0.25)
    assert alarms.measures[QualityMeasure.SHARPNESS] == 0
    assert defect_rates(looks, THRESHOLDS) == []


def test_a_picture_without_a_face_is_not_degraded() -> None:
    looks = _look_at(_subject(5))

    assert [look.defect for look in looks] == [None]


def test_motion_is_looked_at_against_the_frame_before() -> None:
    engine = LightMeter()

    look_at(engine, [_subject(150)], Silent(), defects=(Defect.MOVED,), strengths=(0.5, 1.0))

    # Once for the still scene and once for each strength.
    assert engine.compared_with_before == 3


def test_the_motion_of_the_live_loop_is_what_notices_a_movement() -> None:
    looks = _look_at(_subject(150), defects=(Defect.MOVED,))
    moving = [replace(look, live_scores={QualityMeasure.MOTION: 10}) for look in looks]

    assert all(rate.noticed == 1 for rate in defect_rates(moving, THRESHOLDS))


def test_progress_is_told_of_every_picture() -> None:
    silent = Silent()

    look_at(LightMeter(), [_subject(150), _subject(5)], silent, strengths=(1.0,))

    assert silent.stages == [("without defects", 2), ("with defects", 1)]
    assert silent.steps == 3


def test_another_refusal_than_no_face_ends_the_study() -> None:
    class Broken(LightMeter):
        def measure(self, frame: Picture, /) -> Measurement:  # noqa: ARG002
            raise Refused(PICTURE_UNREADABLE)

    with pytest.raises(Refused) as refused:
        look_at(Broken(), [_subject(150)], Silent())

    assert refused.value.kind is PICTURE_UNREADABLE
