"""An evaluation as JSON, as a Markdown page and as a DET plot; rates only, no picture, no name."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from shualian.face.evaluation.attack_detection import AttackDetection
from shualian.face.evaluation.identification import Identification
from shualian.face.evaluation.recognition import GroupRates, OperatingPoint, Recognition
from shualian.face.evaluation.service import (
    GROUP_FMR,
    AttackEvaluation,
    Evaluation,
    PeopleEvaluation,
)
from shualian.face.evaluation.statistics import CONFIDENCE, Estimate, Proportion

if TYPE_CHECKING:
    from matplotlib.axes import Axes

JSON_NAME = "evaluation.json"
MARKDOWN_NAME = "evaluation.md"
PLOT_NAME = "det.png"

INTERVALS_NOTE = (
    "95 % intervals by identity bootstrap: people are drawn with replacement, the threshold is "
    "chosen anew in each replicate."
)
DRAWS_NOTE = (
    "Low and high hold the central 95 % of the random galleries, all drawn from the same people: "
    "no confidence interval."
)
GROUPS_NOTE = (
    "At the threshold set over all pictures; both pictures of a pair are in the group. upper95 is "
    "the one-sided Clopper-Pearson bound as if pairs were independent: they share people, so it "
    "is optimistic."
)
ATTACKS_NOTE = (
    "One picture is one presentation of one frame. Non-responses are left out of APCER and BPCER. "
    "upper95 is the one-sided Clopper-Pearson bound; with few presentations only the bound says "
    "something. This is no claim of conformity with ISO/IEC 30107-3."
)

_TICKS = (1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.4)

Json = dict[str, object]


def limit_key(limit: float) -> str:
    """A rate as the reports name it: ``1e-2``."""
    return f"{limit:.0e}".replace("e-0", "e-")


def as_json(evaluation: Evaluation) -> Json:
    """All figures as a JSON-ready mapping; rates are fractions, null where nothing can be said."""
    people = evaluation.people
    return {
        "path_id": evaluation.path_id,
        "manifest": _manifest_json(people),
        "images": people.images,
        "identities": people.identities,
        "failure_to_acquire": people.failure_to_acquire,
        "failures": dict(people.failures),
        **_recognition_json(people),
        "identification": _identification_json(people.identification),
        "groups": _groups_json(people),
        "pad": None if evaluation.attacks is None else _attacks_json(evaluation.attacks),
    }


def _manifest_json(people: PeopleEvaluation) -> Json:
    conditions = people.question.conditions
    return {
        "sha256": people.manifest_sha256,
        "rows": people.manifest_rows,
        "chosen": people.images,
        "where": [{"column": asked.column, "value": asked.value} for asked in conditions],
    }


def _recognition_json(people: PeopleEvaluation) -> Json:
    found = people.recognition

    def by_limit(figure: Callable[[OperatingPoint], object]) -> Json:
        return {limit_key(point.fmr_limit): figure(point) for point in found.operating_points}

    return {
        "genuine_pairs": found.genuine_pairs,
        "impostor_pairs": found.impostor_pairs,
        "genuine_pairs_lost": people.genuine_pairs_lost,
        "eer": found.eer.value,
        "eer_interval": {"low": _number(found.eer.low), "high": _number(found.eer.high)},
        "fnmr_at_fmr": by_limit(lambda point: _estimate(point.fnmr)),
        "frr_at_fmr": by_limit(people.false_rejection_rate),
        "threshold_at_fmr": by_limit(lambda point: _estimate(point.threshold)),
        "false_matches_at_fmr": by_limit(lambda point: point.false_matches),
        "det": [{"fmr": point.fmr, "fnmr": _estimate(point.fnmr)} for point in found.det],
        "intervals": {
            "confidence": CONFIDENCE,
            "replicates": found.replicates,
            "seed": people.question.seed,
            "note": INTERVALS_NOTE,
        },
    }


def _identification_json(found: Identification | None) -> Json | None:
    if found is None:
        return None
    return {
        "gallery": found.gallery,
        "draws": found.draws,
        "mated_searches": found.mated_searches,
        "non_mated_searches": found.non_mated_searches,
        "fnir_at_fpir": {limit_key(found.fpir_limit): _estimate(found.fnir)},
        "rank_1": _estimate(found.rank_1),
        "note": DRAWS_NOTE,
    }


def _groups_json(people: PeopleEvaluation) -> Json:
    return {
        "at_fmr": GROUP_FMR,
        "note": GROUPS_NOTE,
        "columns": {
            column: {label: _group_json(rates) for label, rates in groups.items()}
            for column, groups in people.groups.items()
        },
    }


def _group_json(rates: GroupRates) -> Json:
    return {
        "pictures": rates.pictures,
        "identities": rates.identities,
        "genuine_pairs": rates.fnmr.trials,
        "impostor_pairs": rates.fmr.trials,
        "fnmr": _proportion(rates.fnmr),
        "fmr": _proportion(rates.fmr),
    }


def _attacks_json(attacks: AttackEvaluation) -> Json:
    rates = attacks.rates
    return {
        "manifest_sha256": attacks.manifest_sha256,
        "threshold": rates.threshold,
        "apcer_max": _number(rates.apcer_max),
        "attack_types": {
            name: {"apcer": _proportion(found.apcer), "apnrr": _proportion(found.apnrr)}
            for name, found in rates.attack_types.items()
        },
        "bpcer": _proportion(rates.bpcer),
        "bpnrr": _proportion(rates.bpnrr),
        "left_out": dict(attacks.left_out),
        "note": ATTACKS_NOTE,
    }


def _estimate(estimate: Estimate) -> Json:
    return {
        "value": _number(estimate.value),
        "low": _number(estimate.low),
        "high": _number(estimate.high),
    }


def _proportion(proportion: Proportion) -> Json:
    return {
        "value": _number(proportion.rate),
        "upper95": proportion.upper95,
        "errors": proportion.errors,
        "trials": proportion.trials,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_markdown(evaluation: Evaluation) -> str:
    """All figures as a page for people; rates in percent."""
    parts = [_people_lines(evaluation), _identification_lines(evaluation.people.identification)]
    parts += [_group_lines(*item) for item in evaluation.people.groups.items()]
    if evaluation.attacks is not None:
        parts.append(_attack_lines(evaluation.attacks))
    return "\n".join(line for part in parts for line in part)


def _people_lines(evaluation: Evaluation) -> Iterator[str]:
    people = evaluation.people
    found, question = people.recognition, people.question
    chosen = ", ".join(f"{asked.column}={asked.value}" for asked in question.conditions) or "all"
    yield from ("# Evaluation of the face engine", "")
    yield f"- Operational path: `{evaluation.path_id}`"
    yield f"- Manifest: {people.manifest_rows} rows, SHA-256 `{people.manifest_sha256}`"
    yield f"- Rows chosen: {chosen}: {people.images} pictures of {people.identities} identities"
    failures = _counts(people.failures) or "none"
    yield f"- Failure to acquire: {_percent(people.failure_to_acquire)} % ({failures})"
    yield f"- Genuine pairs {found.genuine_pairs}, impostor pairs {found.impostor_pairs}"
    yield f"- EER: {_percent_interval(found.eer)} %"
    yield f"- {INTERVALS_NOTE} {found.replicates} replicates, seed {question.seed}."
    yield from ("", "## Verification (ISO/IEC 19795-1)", "")
    yield from _table(
        "FMR at most|FNMR % (95 %)|FRR % with failures to acquire|threshold (95 %)|false matches",
        [_point_cells(people, point) for point in found.operating_points],
    )


def _point_cells(people: PeopleEvaluation, point: OperatingPoint) -> Sequence[str]:
    threshold = point.threshold
    return (
        limit_key(point.fmr_limit),
        _percent_interval(point.fnmr),
        _percent(people.false_rejection_rate(point)),
        f"{threshold.value:.4f} ({threshold.low:.4f} to {threshold.high:.4f})",
        str(point.false_matches),
    )


def _identification_lines(found: Identification | None) -> Iterator[str]:
    yield from ("## Open-set identification (1:N)", "")
    if found is None:
        yield from ("Too few pictures.", "")
        return
    yield f"- Gallery {found.gallery}, {found.draws} random galleries; per gallery on average"
    yield f"  {found.mated_searches:.0f} mated, {found.non_mated_searches:.0f} non-mated searches"
    yield f"- FNIR at FPIR {limit_key(found.fpir_limit)}: {_percent_interval(found.fnir)} %"
    yield f"- Rank 1: {_percent_interval(found.rank_1)} %"
    yield from (f"- {DRAWS_NOTE}", "")


def _group_lines(column: str, groups: Mapping[str, GroupRates]) -> Iterator[str]:
    yield from (f"## By `{column}` at FMR {limit_key(GROUP_FMR)}", "", GROUPS_NOTE, "")
    yield from _table(
        "group|pictures|identities|FNMR % (upper95)|genuine pairs|FMR % (upper95)|impostor pairs",
        [
            (
                label,
                str(rates.pictures),
                str(rates.identities),
                _percent_upper(rates.fnmr),
                str(rates.fnmr.trials),
                _percent_upper(rates.fmr),
                str(rates.fmr.trials),
            )
            for label, rates in groups.items()
        ],
    )


def _attack_lines(attacks: AttackEvaluation) -> Iterator[str]:
    rates: AttackDetection = attacks.rates
    yield from ("## Presentation attack detection (ISO/IEC 30107-3)", "", ATTACKS_NOTE, "")
    yield f"- Passive liveness at or above {rates.threshold} passes as bona fide"
    yield f"- APCER, worst attack type: {_percent(rates.apcer_max)} %"
    yield f"- BPCER: {_percent_upper(rates.bpcer)} % of {rates.bpcer.trials}"
    yield f"- BPNRR: {_percent(rates.bpnrr.rate)} % of {rates.bpnrr.trials}"
    yield f"- Rows left out by kind: {_counts(attacks.left_out) or 'none'}"
    yield ""
    yield from _table(
        "attack type|presentations|APCER % (upper95)|APNRR %",
        [
            (
                name,
                str(found.apnrr.trials),
                _percent_upper(found.apcer),
                _percent(found.apnrr.rate),
            )
            for name, found in rates.attack_types.items()
        ],
    )


def _table(header: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    names = header.split("|")
    yield f"| {' | '.join(names)} |"
    yield "|---" * len(names) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
    yield ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))


def _percent(rate: float) -> str:
    return f"{100 * rate:.2f}" if math.isfinite(rate) else "-"


def _percent_interval(estimate: Estimate) -> str:
    low, high = _percent(estimate.low), _percent(estimate.high)
    return f"{_percent(estimate.value)} ({low} to {high})"


def _percent_upper(proportion: Proportion) -> str:
    return f"{_percent(proportion.rate)} ({_percent(proportion.upper95)})"


def save_report(evaluation: Evaluation, folder: Path) -> None:
    """Write ``evaluation.json``, ``evaluation.md`` and ``det.png`` into a folder, made if need be.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_json(evaluation), ensure_ascii=False, indent=2, allow_nan=False)
    (folder / JSON_NAME).write_text(text + "\n", encoding="utf-8")
    (folder / MARKDOWN_NAME).write_text(as_markdown(evaluation), encoding="utf-8")
    draw_det(evaluation.people.recognition, folder / PLOT_NAME)


def draw_det(found: Recognition, path: Path) -> None:
    """The DET curve on normal-deviate axes (Martin and others, Eurospeech 1997) as PNG.

    A rate of zero has no place on such axes and is drawn at half a pair.
    """
    # Half a second and 60 MB that only a report needs; no pyplot, so no global state.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6.4, 6.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    _draw_curve(axes, found)
    _scale_axes(axes, found)
    figure.savefig(path, format="png")


def _draw_curve(axes: "Axes", found: Recognition) -> None:
    floor = 0.5 / found.genuine_pairs

    def deviate(rates: Sequence[float]) -> Sequence[float]:
        deviates: list[float] = ndtri(np.clip(rates, floor, 1 - floor)).tolist()
        return deviates

    fmr = ndtri([point.fmr for point in found.det])
    bands = [point.fnmr for point in found.det]
    low, high = deviate([each.low for each in bands]), deviate([each.high for each in bands])
    axes.fill_between(fmr, low, high, alpha=0.2, linewidth=0, label="95 %, identity bootstrap")
    axes.plot(fmr, deviate([each.value for each in bands]), label="DET")
    resolved = [point for point in found.operating_points if point.false_matches]
    axes.plot(
        ndtri([point.fmr_limit for point in resolved]),
        deviate([point.fnmr.value for point in resolved]),
        "o",
        label="FNMR at FMR " + ", ".join(limit_key(point.fmr_limit) for point in resolved),
    )
    eer = deviate([found.eer.value])
    axes.plot(eer, eer, "s", label=f"EER {_percent(found.eer.value)} %")


def _scale_axes(axes: "Axes", found: Recognition) -> None:
    ends = {"x": 0.5 / found.impostor_pairs, "y": 0.4 / found.genuine_pairs}
    ticks = [float(ndtri(tick)) for tick in _TICKS]
    names = [f"{100 * tick:g}" for tick in _TICKS]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names)
    axes.set_xlim(ndtri(ends["x"]), ndtri(0.5))
    axes.set_ylim(ndtri(ends["y"]), ndtri(0.5))
    axes.axline((0, 0), slope=1, color="grey", linewidth=0.8, linestyle=":")
    axes.grid(visible=True, linewidth=0.3)
    axes.set_xlabel("False match rate, %")
    axes.set_ylabel("False non-match rate, %")
    axes.set_title(
        f"{found.genuine_pairs} genuine, {found.impostor_pairs} impostor pairs", fontsize=10
    )
    axes.legend(loc="upper right", fontsize=8)
