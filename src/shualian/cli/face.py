"""`shualian face …`: what an operator asks of the face engine."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shualian.core.settings import load_settings
from shualian.face.model import Picture, Profile, Quality
from shualian.face.pictures import read_picture

if TYPE_CHECKING:
    from shualian.face.engine import FaceEngine

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON")]
_CALLS = 40


def weights(as_json: JsonFlag = False) -> None:
    """Print the table of weight files: where they lie, SHA-256, licence, origin; check each."""
    from shualian.face.weights.source import WeightSource
    from shualian.face.weights.table import WEIGHT_FILES

    source = WeightSource(load_settings().weights_dir)
    rows = []
    for file in WEIGHT_FILES:
        source.read(file)
        found = source.find(file)
        place = "operator's folder" if found.operators_own else "package"
        rows.append({**asdict(file), "found": place, "file": str(found.path)})
    columns = ("role", "name", "package", "found", "sha256", "licence", "origin")
    _print_rows(rows, columns, as_json=as_json)


def inspect(
    picture: Annotated[Path, typer.Argument(help="JPEG, PNG or WebP")],
    profile: Annotated[Profile, typer.Option(help="How the person is before the camera")] = (
        Profile.STANDING
    ),
    as_json: JsonFlag = False,
) -> None:
    """Say what the engine sees in one picture: face, quality, hint, pose, passive liveness."""
    seen = _engine().measure(read_picture(picture), profile=profile)
    box = asdict(seen.face.box)
    answer: dict[str, object] = {
        "box": {name: round(value, 1) for name, value in box.items()},
        "detector_score": round(seen.face.score, 4),
        "rotation": seen.face.rotation,
        "pose": {"yaw": round(seen.pose.yaw, 1), "roll": round(seen.pose.roll, 1)},
        **_quality(seen.quality),
        "passive_liveness": round(seen.passive_liveness, 4),
        "path_id": seen.path_id,
    }
    _print_answer(answer, as_json=as_json)


def verify(
    first: Annotated[Path, typer.Argument(help="JPEG, PNG or WebP")],
    second: Annotated[Path, typer.Argument(help="JPEG, PNG or WebP")],
    fmr: Annotated[
        float, typer.Option(min=1e-9, max=0.5, help="False match rate to hold, per comparison")
    ] = 1e-3,
    as_json: JsonFlag = False,
) -> None:
    """Compare two pictures 1:1 at a proven false match rate."""
    from shualian.face.calibration import load_calibration
    from shualian.face.comparison import similarity

    engine = _engine()
    point = load_calibration(engine.path).at(fmr)
    a, b = (engine.measure(read_picture(path)) for path in (first, second))
    score = similarity(a.embedding, b.embedding)
    answer: dict[str, object] = {
        "match": score >= point.threshold,
        "score": round(score, 4),
        **asdict(point),
        "quality": [_quality(measured.quality) for measured in (a, b)],
    }
    _print_answer(answer, as_json=as_json)


def bench(as_json: JsonFlag = False) -> None:
    """Time the engine on 640 x 480 frames of a sample face, one thread; prints shares of limits."""
    from shualian.sandbox.player import Actor, FaceVideo
    from shualian.sandbox.samples import sample_pictures

    video = FaceVideo(Actor.of(sample_pictures()["astronaut_1"]))
    frames = list(video.frames(_CALLS))
    began = time.perf_counter()
    engine = _engine()
    load_ms = (time.perf_counter() - began) * 1000
    decisions = _times(engine.measure, frames)
    hints = _times(engine.inspect, frames)
    answer: dict[str, object] = {
        "hint_ms": _median(hints),
        "hint_ms_p95": _p95(hints),
        "hint_share_of_30_ms": round(_median(hints) / 30, 2),
        "decision_ms": _median(decisions),
        "decision_ms_p95": _p95(decisions),
        "decision_share_of_60_ms": round(_median(decisions) / 60, 2),
        "first_call_ms": round(decisions[0], 1),
        "tenth_call_ms": round(decisions[9], 1),
        "first_to_tenth": round(decisions[0] / decisions[9], 2),
        "load_ms": round(load_ms),
        "frames": len(frames),
    }
    _print_answer(answer, as_json=as_json)


def _engine() -> "FaceEngine":
    from shualian.face.engine import load_engine

    return load_engine(load_settings())


def _times(call: Callable[[Picture], object], frames: list[Picture]) -> list[float]:
    times = []
    for frame in frames:
        began = time.perf_counter()
        call(frame)
        times.append((time.perf_counter() - began) * 1000)
    return times


def _median(times: list[float]) -> float:
    return round(statistics.median(times), 1)


def _p95(times: list[float]) -> float:
    return round(statistics.quantiles(times, n=20)[-1], 1)


def _quality(quality: Quality) -> dict[str, object]:
    measures = {measure.value: value for measure, value in quality.measures.items()}
    return {"hint": quality.hint.value, "quality": quality.score, "measures": measures}


def _print_answer(answer: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
        return
    table = Table(show_header=False)
    for name, value in answer.items():
        table.add_row(name, str(value))
    Console().print(table)


def _print_rows(rows: list[dict[str, str]], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    Console().print(table)
