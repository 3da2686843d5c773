"""A test double measures pictures whose bytes are the vector: real arithmetic, no network."""

from pathlib import Path

import numpy as np
import pytest

from shualian.core.refusals import Refused
from shualian.face.evaluation.manifest import (
    ATTACK_COLUMNS,
    RECOGNITION_COLUMNS,
    Condition,
    Manifest,
    read_manifest,
)
from shualian.face.evaluation.service import (
    NOT_STATED,
    Evaluator,
    PeopleEvaluation,
    Question,
    check_presentations,
    check_question,
)
from shualian.face.model import (
    MANIFEST_INVALID,
    NO_FACE,
    PICTURE_UNREADABLE,
    WEIGHTS_MISSING,
    Box,
    DetectedFace,
    Hint,
    Measurement,
    Picture,
    Pose,
    Quality,
)

PEOPLE = 8
PICTURES_EACH = 3


class ByteEngine:
    """The picture's bytes are the vector, the first one the liveness; a black picture: no face."""

    path_id = "bytes"

    def measure(self, picture: Picture) -> Measurement:
        vector = picture.ravel().astype(np.float32) - 128
        if not picture.any():
            raise Refused(NO_FACE)
        return Measurement(
            face=DetectedFace(Box(0, 0, 1, 1), np.zeros((5, 2), np.float32), 1.0),
            quality=Quality({}, Hint.HOLD_STILL, 100),
            pose=Pose(0, 0),
            passive_liveness=float(picture[0, 0, 0]) / 255,
            embedding=vector / np.linalg.norm(vector),
            path_id=self.path_id,
        )


def read_bytes(path: Path) -> Picture:
    content = path.read_bytes()
    if content == b"torn":
        raise Refused(PICTURE_UNREADABLE)
    return np.frombuffer(content, np.uint8).reshape(1, -1, 3)


class Steps:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.stages: list[list[object]] = []

    def begin(self, stage: str, steps: int) -> None:
        self.stages.append([stage, steps, 0])

    def advance(self) -> None:
        self.stages[-1][2] += 1  # type: ignore[operator]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(8)
    lines = ["identity,file,ward"]
    for person in range(PEOPLE):
        centre = generator.integers(60, 196, size=24)
        for picture in range(PICTURES_EACH):
            name = f"{person}-{picture}"
            noisy = centre + generator.integers(-25, 26, size=24)
            (tmp_path / name).write_bytes(noisy.astype(np.uint8).tobytes())
            lines.append(f"p{person},{name},{'east' if person < 3 else ''}")
    (tmp_path / "people.csv").write_text("\n".join(lines))
    return tmp_path


def people(folder: Path) -> Manifest:
    return read_manifest(folder / "people.csv", RECOGNITION_COLUMNS)


def evaluate(folder: Path, **asked: object) -> PeopleEvaluation:
    question = Question(replicates=30, **asked)  # type: ignore[arg-type]
    return Evaluator(ByteEngine(), read_bytes, Steps()).evaluate_people(people(folder), question)


def test_every_picture_is_compared_with_every_other_once(folder: Path) -> None:
    found = evaluate(folder)
    assert (found.manifest_rows, found.images, found.identities) == (24, 24, 8)
    assert found.recognition.genuine_pairs == 8 * 3
    assert found.recognition.impostor_pairs == 24 * 23 // 2 - 24
    assert found.failure_to_acquire == 0.0
    assert found.recognition.eer.value < 0.2
    assert found.identification is not None
    assert found.identification.gallery == 4


def test_pictures_without_a_measurement_are_failures_and_cost_their_pairs(folder: Path) -> None:
    (folder / "0-0").write_bytes(bytes(24))
    (folder / "1-2").write_bytes(b"torn")
    found = evaluate(folder)
    assert dict(found.failures) == {"face.no_face": 1, "face.picture_unreadable": 1}
    assert found.failure_to_acquire == pytest.approx(2 / 24)
    assert found.images == 24
    assert found.genuine_pairs_lost == 4
    assert found.recognition.genuine_pairs == 20
    point = found.recognition.operating_points[0]
    assert found.false_rejection_rate(point) == (point.false_non_matches + 4) / 24


def test_only_the_rows_asked_about_are_measured(folder: Path) -> None:
    found = evaluate(folder, conditions=(Condition("ward", "east"),))
    assert (found.manifest_rows, found.images, found.identities) == (24, 9, 3)


def test_groups_are_told_apart_and_an_empty_cell_is_a_group(folder: Path) -> None:
    groups = evaluate(folder, group_by=("ward",)).groups["ward"]
    assert list(groups) == [NOT_STATED, "east"]
    assert (groups["east"].pictures, groups["east"].identities) == (9, 3)
    assert groups["east"].fmr.trials == 27
    assert groups[NOT_STATED].fnmr.trials == 15


def test_the_work_is_told_step_by_step(folder: Path) -> None:
    steps = Steps()
    evaluator = Evaluator(ByteEngine(), read_bytes, steps)
    evaluator.evaluate_people(people(folder), Question(replicates=7))
    assert steps.stages == [["pictures", 24, 24], ["intervals", 7, 7]]


def test_the_same_seed_gives_the_same_figures(folder: Path) -> None:
    assert evaluate(folder, seed=4) == evaluate(folder, seed=4)
    assert evaluate(folder, seed=4).recognition != evaluate(folder, seed=5).recognition


def test_a_refusal_that_is_no_fault_of_the_picture_ends_the_evaluation(folder: Path) -> None:
    def refuse(path: Path) -> Picture:
        raise Refused(WEIGHTS_MISSING)

    with pytest.raises(Refused) as caught:
        Evaluator(ByteEngine(), refuse, Steps()).evaluate_people(people(folder), Question())
    assert caught.value.kind is WEIGHTS_MISSING


def test_rows_without_both_kinds_of_pairs_are_refused_before_a_picture_is_read(
    folder: Path,
) -> None:
    only_one = Question(conditions=(Condition("identity", "p1"),))
    one_each = Question(conditions=(Condition("file", "1-0"), Condition("file", "2-0")))
    for question in (only_one, one_each):
        with pytest.raises(Refused) as caught:
            check_question(people(folder), question)
        assert caught.value.kind is MANIFEST_INVALID
    with pytest.raises(Refused) as caught:
        check_question(people(folder), Question(group_by=("floor",)))
    assert caught.value.details["column"] == "floor"


def test_pictures_that_all_fail_are_refused_with_their_number(folder: Path) -> None:
    for file in folder.glob("*-*"):
        file.write_bytes(bytes(24))
    with pytest.raises(Refused) as caught:
        evaluate(folder)
    assert caught.value.details["pictures"] == 0


def presentations(folder: Path, text: str) -> Manifest:
    (folder / "pad.csv").write_text(text)
    return read_manifest(folder / "pad.csv", ATTACK_COLUMNS)


def test_presentations_are_scored_by_kind_and_other_kinds_are_listed(folder: Path) -> None:
    for name, liveness in (("live", 255), ("print", 200), ("screen", 10), ("blank", 0)):
        (folder / name).write_bytes(bytes([liveness] * 24 if liveness else 24))
    manifest = presentations(
        folder,
        "file,kind,what\nlive,live,\nprint,attack,print\nscreen,attack,screen\n"
        "blank,attack,screen\n0-0,mask,face mask\n0-1,mask,\n",
    )
    evaluator = Evaluator(ByteEngine(), read_bytes, Steps())
    found = evaluator.evaluate_attacks(manifest, threshold=0.5)
    assert dict(found.left_out) == {"mask": 2}
    rates = found.rates
    assert rates.bpcer.trials == 1
    assert rates.attack_types["print"].apcer.rate == 1.0
    assert (rates.attack_types["screen"].apcer.trials, rates.apcer_max) == (1, 1.0)
    assert rates.attack_types["screen"].apnrr.rate == 0.5


def test_a_manifest_without_live_and_attack_rows_is_refused(folder: Path) -> None:
    with pytest.raises(Refused) as caught:
        check_presentations(presentations(folder, "file,kind\n0-0,mask\n"))
    assert caught.value.details["column"] == "kind"
