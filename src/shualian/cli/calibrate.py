"""`shualian face calibrate`: prove thresholds on an operator's own people."""

from pathlib import Path
from typing import Annotated

import typer

from shualian.cli.evaluate import progress_bar, read_condition
from shualian.core.settings import load_settings
from shualian.face.calibration import (
    Sample,
    attack_detection_error_rates,
    calibration_as_json,
    calibration_from_samples,
)
from shualian.face.comparison import COMPARATOR_ID
from shualian.face.evaluation.attack_detection import AttackDetection
from shualian.face.evaluation.manifest import (
    ATTACK_COLUMNS,
    RECOGNITION_COLUMNS,
    choose_rows,
    read_manifest,
    require_column,
)
from shualian.face.evaluation.service import Evaluator
from shualian.face.liveness.decision import PASSIVE_SCORE_MIN
from shualian.face.pictures import read_picture


def calibrate(
    manifest: Annotated[Path, typer.Argument(help="CSV with the header identity,file[,...]")],
    data: Annotated[str, typer.Option(help="What data these are, in words")],
    out: Annotated[Path, typer.Option(help="Folder to write <path id>.json into")],
    where: Annotated[list[str] | None, typer.Option(help="column=value; repeatable")] = None,
    group_by: Annotated[str | None, typer.Option(help="Column that names groups")] = None,
    pad: Annotated[Path | None, typer.Option(help="Recorded: CSV file,kind[,...]")] = None,
    pad_simulated: Annotated[Path | None, typer.Option(help="Simulated: CSV file,kind")] = None,
) -> None:
    """Count errors of the operational path on your own people and write the calibration."""
    from shualian.face.engine import load_engine

    engine = load_engine(load_settings())
    people = read_manifest(manifest, RECOGNITION_COLUMNS)
    if group_by is not None:
        require_column(people, group_by)
    rows = choose_rows(people, [read_condition(text) for text in where or ()])
    with progress_bar() as progress:
        evaluator = Evaluator(engine, read_picture, progress)
        answers = zip(rows, evaluator.measure_all(rows, "pictures"), strict=True)
        recorded, simulated = (_attacks(evaluator, path) for path in (pad, pad_simulated))
    calibration = calibration_from_samples(
        engine.path,
        [
            Sample(row.values["identity"], row.values.get(group_by or "", ""), answer.embedding)
            for row, answer in answers
            if not isinstance(answer, str)
        ],
        comparator=COMPARATOR_ID,
        data=data,
        data_sha256=people.sha256,
        attack_detection=attack_detection_error_rates(recorded, simulated),
    )
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{engine.path_id}.json"
    file.write_text(calibration_as_json(calibration), "utf-8")
    typer.echo(str(file))


def _attacks(evaluator: Evaluator, manifest: Path | None) -> AttackDetection | None:
    if manifest is None:
        return None
    presentations = read_manifest(manifest, ATTACK_COLUMNS)
    return evaluator.evaluate_attacks(presentations, threshold=PASSIVE_SCORE_MIN).rates
