"""`shualian stats`: how faces, codes, cards and documents are used at a hospital."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from shualian.cli.audit import read_beside
from shualian.core.identifiers import InstitutionCode
from shualian.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from shualian.hospital.statistics.model import Seconds, Share, Statistics

Key = TypeVar("Key")

_FIRST, _LAST = date(2000, 1, 1), date(2999, 12, 31)
HIDDEN = "<5"
"""Stands for a group of fewer people than may be shown."""


def stats(
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="When face care began: before and after it"),
    ] = None,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First business day; all by default"),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last business day; all by default"),
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Address; by default the hospital's of the settings")
    ] = None,
    institution: Annotated[
        str | None, typer.Option(help="Code, where the database holds several")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Print uses, share by face, patients paying with insurance, seconds to paid, overrides.

    Reads only, beside a running server too. Numbers only; groups of fewer than five people are
    not shown.
    """
    from shualian.hospital.statistics.service import statistics_of

    found = read_beside(
        database or hospital_url(load_settings(), institution),
        lambda connection: statistics_of(
            connection,
            institution=None if institution is None else InstitutionCode(institution),
            first=first.date() if first else _FIRST,
            last=last.date() if last else _LAST,
            since=since.date() if since else None,
        ),
    )
    if as_json:
        print(json.dumps(members(found), ensure_ascii=False))
    else:
        _print(found)


def hospital_url(settings: Settings, institution: str | None) -> str:
    """Address of the database of a hospital in the settings; of the first one unless named."""
    for hospital in settings.hospitals:
        if institution in {None, hospital.code}:
            usual = hospital.folder(settings.data_dir) / "hospital.sqlite"
            return hospital.database_url or f"sqlite:///{usual}"
    raise typer.BadParameter("no such hospital in the settings", param_hint="--institution")


def members(found: "Statistics") -> dict[str, object]:
    """The statistics as JSON; ``null`` stands for what is not shown."""
    return {
        "uses": [
            {"day": day.isoformat(), "channel": channel.value, "count": count}
            for (day, channel), count in found.uses.items()
        ],
        "by_face": _share(found.by_face),
        "insured_before": None if found.insured_before is None else _share(found.insured_before),
        "insured_after": _share(found.insured_after),
        "seconds_first_frame_to_paid": _seconds(found.frame_to_paid),
        "seconds_shown_to_paid": _seconds(found.shown_to_paid),
        "seconds_shown_to_paid_by_age": _seconds(found.by_age),
        "overrides": _share(found.overrides),
    }


def _share(share: "Share") -> dict[str, float | None]:
    return {"part": share.part, "whole": share.whole, "ratio": share.ratio}


def _seconds(groups: "Mapping[Key, Seconds | None]") -> dict[str, object]:
    return {
        str(name): None if seconds is None else asdict(seconds) for name, seconds in groups.items()
    }


def _print(found: "Statistics") -> None:
    console = Console(soft_wrap=True)
    uses = Table("日期 day", "方式 channel", "次数 uses")
    for (day, channel), count in found.uses.items():
        uses.add_row(day.isoformat(), channel.value, HIDDEN if count is None else str(count))
    console.print(uses)
    shares = Table("指标 share", "人次 part / whole", "比例 ratio")
    for name, share in _shares(found):
        shares.add_row(name, *_cells(share))
    console.print(shares)
    times = Table("秒 seconds", "组 group", "数 count", "中位 median", "p90")
    for name, groups in (
        ("首帧到付清 first frame to paid", found.frame_to_paid),
        ("出账单到付清 bill shown to paid", found.shown_to_paid),
        ("按年龄 by age", found.by_age),
    ):
        for group, seconds in groups.items():
            times.add_row(name, str(group), *_times(seconds))
    console.print(times)


def _shares(found: "Statistics") -> "list[tuple[str, Share]]":
    before = [] if found.insured_before is None else [found.insured_before]
    return [
        ("刷脸占比 by face", found.by_face),
        *[("此前用医保付费的病人 insured before", share) for share in before],
        ("用医保付费的病人 insured", found.insured_after),
        ("特批率 overrides", found.overrides),
    ]


def _cells(share: "Share") -> tuple[str, str]:
    if share.part is None:
        return HIDDEN, HIDDEN
    ratio = share.ratio
    return f"{share.part} / {share.whole}", "-" if ratio is None else f"{ratio:.1%}"


def _times(seconds: "Seconds | None") -> tuple[str, str, str]:
    if seconds is None:
        return HIDDEN, HIDDEN, HIDDEN
    return str(seconds.count), f"{seconds.median:.1f}", f"{seconds.p90:.1f}"
