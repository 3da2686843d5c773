"""`shualian face evaluate`: error rates of the face engine on an operator's own pictures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from shualian.core.settings import load_settings
from shualian.face.evaluation.manifest import (
    ATTACK_COLUMNS,
    RECOGNITION_COLUMNS,
    Condition,
    Manifest,
    read_manifest,
)
from shualian.face.evaluation.ports import Measurer
from shualian.face.evaluation.recognition import REPLICATES
from shualian.face.evaluation.report import as_json, as_markdown, save_report
from shualian.face.evaluation.service import (
    SEED,
    Evaluation,
    Evaluator,
    Question,
    check_presentations,
    check_question,
)
from shualian.face.liveness.decision import PASSIVE_SCORE_MIN
from shualian.face.pictures import read_picture


def evaluate(
    manifest: Annotated[
        Path, typer.Argument(help="CSV with the header identity,file[,...]; files relative to it")
    ],
    pad: Annotated[
        Path | None,
        typer.Option("--pad", help="CSV with the header file,kind[,...]; kind is live or attack"),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="column=value: only these rows of the manifest; repeatable"),
    ] = None,
    group_by: Annotated[
        list[str] | None,
        typer.Option("--group-by", help="Column whose groups are compared; repeatable"),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", file_okay=False, help="Folder for JSON, Markdown and DET plot"),
    ] = None,
    machine: Annotated[bool, typer.Option("--json", help="Print JSON instead of Markdown")] = False,
    pad_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Passive liveness at or above it passes")
    ] = PASSIVE_SCORE_MIN,
    replicates: Annotated[
        int, typer.Option(min=1, max=100_000, help="Bootstrap replicates behind the intervals")
    ] = REPLICATES,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random")] = SEED,
) -> None:
    """Measure error rates after ISO/IEC 19795-1 and 30107-3 on your own pictures."""
    question = Question(
        conditions=tuple(read_condition(text) for text in where or ()),
        group_by=tuple(group_by or ()),
        seed=seed,
        replicates=replicates,
    )
    evaluation = _run(_checked(manifest, pad, question, report), question, pad_threshold)
    if report is not None:
        save_report(evaluation, report)
    typer.echo(_json_text(evaluation) if machine else as_markdown(evaluation))


@dataclass(frozen=True, slots=True)
class _Material:
    people: Manifest
    presentations: Manifest | None


def _checked(
    manifest: Path, pad: Path | None, question: Question, report: Path | None
) -> _Material:
    """A wrong manifest or folder is told at once, not after minutes of measuring."""
    material = _Material(
        people=read_manifest(manifest, RECOGNITION_COLUMNS),
        presentations=None if pad is None else read_manifest(pad, ATTACK_COLUMNS),
    )
    check_question(material.people, question)
    if material.presentations is not None:
        check_presentations(material.presentations)
    if report is not None:
        _make_folder(report)
    return material


def _make_folder(report: Path) -> None:
    try:
        report.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        reason = fault.strerror or "it cannot be made"
        raise typer.BadParameter(reason, param_hint="--report") from None


def _run(material: _Material, question: Question, pad_threshold: float) -> Evaluation:
    measurer = _load_measurer()
    with progress_bar() as progress:
        evaluator = Evaluator(measurer, read_picture, progress)
        people = evaluator.evaluate_people(material.people, question)
        attacks = None
        if material.presentations is not None:
            attacks = evaluator.evaluate_attacks(material.presentations, threshold=pad_threshold)
    return Evaluation(measurer.path_id, people, attacks)


def read_condition(text: str) -> Condition:
    """``column=value`` of the command line as a condition on rows."""
    column, separator, value = text.partition("=")
    if not separator or not column.strip():
        raise typer.BadParameter("write it as column=value", param_hint="--where")
    return Condition(column.strip(), value.strip())


def _json_text(evaluation: Evaluation) -> str:
    return json.dumps(as_json(evaluation), ensure_ascii=False, indent=2, allow_nan=False)


def _load_measurer() -> Measurer:
    # Loading the engine costs seconds that --help and a wrong manifest need not pay.
    from shualian.face.engine import load_engine

    return load_engine(load_settings())


class _Bar:
    """Shows one stage after the other."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def begin(self, stage: str, steps: int) -> None:
        self._task = self._bar.add_task(stage, total=steps)

    def advance(self) -> None:
        if self._task is not None:
            self._bar.advance(self._task)


@contextmanager
def progress_bar() -> Iterator[_Bar]:
    """A progress bar on standard error, so that standard output holds the result alone."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        yield _Bar(bar)
