"""`shualian face quality-report`: how reliable the hints are on an operator's own pictures."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shualian.cli.evaluate import progress_bar, read_condition
from shualian.core.settings import load_settings
from shualian.face.evaluation.manifest import (
    ManifestRow,
    choose_rows,
    read_manifest,
    require_column,
)
from shualian.face.liveness.decision import PASSIVE_SCORE_MIN
from shualian.face.pictures import read_picture
from shualian.sandbox.degradations import Defect
from shualian.sandbox.reliability import (
    STRENGTHS,
    DefectRates,
    FalseAlarms,
    Subject,
    Thresholds,
    defect_rates,
    false_alarms,
    look_at,
)

if TYPE_CHECKING:
    from shualian.face.engine import FaceEngine

_FMR = 1e-3
_EVERYBODY = "all"


def quality_report(
    manifest: Annotated[
        Path, typer.Argument(help="CSV with the header file[,identity,...]; files relative to it")
    ],
    where: Annotated[
        list[str] | None, typer.Option("--where", help="column=value: only these rows; repeatable")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option("--group-by", help="Column whose groups are counted apart")
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, help="Most pictures of each group, drawn with the seed")
    ] = 20,
    defect: Annotated[
        list[Defect] | None, typer.Option("--defect", help="Only these defects; repeatable")
    ] = None,
    clean: Annotated[
        bool, typer.Option("--clean", help="Only false alarms, without simulated defects")
    ] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Do not put the pictures into a terminal's frame")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Degrade pictures on purpose and count what the hints notice, and what each defect costs.

    All defects are drawn or simulated. About 5 seconds a picture with all defects.
    """
    subjects = _subjects(manifest, where or (), group_by, sample, seed)
    engine = _engine()
    with progress_bar() as progress:
        looks = look_at(
            engine,
            subjects,
            progress,
            defects=() if clean else tuple(defect or Defect),
            strengths=STRENGTHS,
            framed=not as_is,
            seed=seed,
        )
    thresholds = _thresholds(engine)
    alarms, rates = false_alarms(looks, thresholds), defect_rates(looks, thresholds)
    if as_json:
        print(_as_json(alarms, rates, thresholds, seed))
    else:
        _print_tables(alarms, rates, thresholds, seed)


def _subjects(
    manifest: Path, where: Sequence[str], group_by: str | None, sample: int, seed: int
) -> list[Subject]:
    people = read_manifest(manifest, ("file",))
    if group_by is not None:
        require_column(people, group_by)
    rows = choose_rows(people, [read_condition(text) for text in where])
    groups: dict[str, list[ManifestRow]] = {}
    for row in rows:
        groups.setdefault(row.values[group_by] if group_by else _EVERYBODY, []).append(row)
    draw = random.Random(seed)  # noqa: S311 - a repeatable sample, no secret
    return [
        Subject(group, row.values.get("identity"), partial(read_picture, row.path))
        for group, members in sorted(groups.items())
        for row in draw.sample(members, min(sample, len(members)))
    ]


def _engine() -> "FaceEngine":
    from shualian.face.engine import load_engine

    return load_engine(load_settings())


def _thresholds(engine: "FaceEngine") -> Thresholds:
    from shualian.face.calibration import load_calibration

    point = load_calibration(engine.path).at(_FMR)
    return Thresholds(similarity=point.threshold, liveness=PASSIVE_SCORE_MIN)


def _as_json(
    alarms: Sequence[FalseAlarms],
    rates: Sequence[DefectRates],
    thresholds: Thresholds,
    seed: int,
) -> str:
    answer = {
        "simulated": True,
        "seed": seed,
        "fmr": _FMR,
        "thresholds": asdict(thresholds),
        "false_alarms": [asdict(group) for group in alarms],
        "defects": [asdict(rate) for rate in rates],
    }
    return json.dumps(answer, ensure_ascii=False, indent=2)


def _print_tables(
    alarms: Sequence[FalseAlarms],
    rates: Sequence[DefectRates],
    thresholds: Thresholds,
    seed: int,
) -> None:
    console = Console()
    console.print(_alarm_table(alarms))
    if rates:
        console.print(_rate_table(rates))
    console.print(
        f"Defects are drawn or simulated, seed {seed}. FNMR at a similarity of "
        f"{thresholds.similarity} (FMR {_FMR}), live at a passive score of {thresholds.liveness}."
    )


def _alarm_table(alarms: Sequence[FalseAlarms]) -> Table:
    table = Table("group", "pictures", "stopped %", "in the live loop %", "hints %", "measures %")
    for group in alarms:
        table.add_row(
            group.group,
            str(group.pictures),
            _percent(group.stopped),
            _percent(group.live_stopped),
            _named({hint.value: share for hint, share in group.hints.items()}),
            _named({measure.value: share for measure, share in group.measures.items() if share}),
        )
    return table


def _rate_table(rates: Sequence[DefectRates]) -> Table:
    shares = ("lost", "noticed", "hinted", "live_hinted", "stopped")
    effects = ("fnmr", "fnmr_accepted", "live")
    table = Table("group")
    table.add_column("defect", no_wrap=True)
    for name in ("at", "n", *shares, "similarity", *effects):
        table.add_column(name)
    for rate in rates:
        table.add_row(
            rate.group,
            rate.defect.value,
            f"{rate.native:g} {rate.unit}",
            str(rate.pictures),
            *(_percent(getattr(rate, name)) for name in shares),
            "-" if rate.similarity is None else f"{rate.similarity:.2f}",
            *(_percent(getattr(rate, name)) for name in effects),
        )
    return table


def _named(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {_percent(share)}" for name, share in shares.items())


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
