"""`shualian privacy`: the impact assessment, and whose data was touched in a span of time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shualian.cli.audit import insurer_url, read_beside
from shualian.core.clock import CHINA, SystemClock
from shualian.core.mode import Mode
from shualian.core.settings import load_settings

if TYPE_CHECKING:
    from shualian.insurer.accesses.model import AffectedPerson
    from shualian.insurer.assessment.model import Assessment
    from shualian.insurer.assessment.service import Assessments

Production = Annotated[
    bool, typer.Option("--production", help="Real people, money and keys; default is the sandbox")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON")]


def assessment(production: Production = False, as_json: Json = False) -> None:
    """Write the impact assessment of what is configured, as Markdown, and keep it three years.

    The server must be stopped: one process owns the database.
    """
    with _assessments(production=production) as assessments:
        made = assessments.make()
        if as_json:
            facts = assessments.facts().as_json()
            _print_json({**_members(made), "document": made.document, "facts": facts})
        else:
            print(made.document)


def assessments(
    production: Production = False,
    show: Annotated[str | None, typer.Option(help="Number of one to print")] = None,
    forget: Annotated[
        str | None, typer.Option(help="Number of one to delete; refused before three years")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the assessments that are kept, print one, or delete one after its term."""
    from shualian.insurer.assessment.model import AssessmentId

    with _assessments(production=production) as kept:
        if forget is not None:
            kept.forget(AssessmentId(forget))
        if show is not None:
            print(kept.get(AssessmentId(show)).document)
            return
        listed = kept.listed()
    if as_json:
        _print_json([_members(each) for each in listed])
        return
    for each in listed:
        print(f"{each.assessment_id}  {each.made_at:%Y-%m-%d}..{each.kept_until}  {each.digest}")


def affected(
    since: Annotated[
        datetime, typer.Option("--from", help="Begin, time in China: 2026-12-01T08:00:00")
    ],
    until: Annotated[datetime, typer.Option("--to", help="End, not part of the span")],
    database: Annotated[
        str | None, typer.Option(help="Address; by default the insurer's of the settings")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the numbers of all people whom the audit names in a span of time: after a breach.

    Reads only, beside a running server too. Numbers of persons, no names; who they are is looked
    up by those who may.
    """
    # Every kind of record must be known, or somebody could be left out.
    import shualian.assembly  # noqa: F401 - defines them all
    from shualian.insurer.accesses.service import affected_people

    begin, end = _moment(since), _moment(until)
    people = read_beside(
        database or insurer_url(load_settings()),
        lambda connection: affected_people(connection, since=begin, until=end),
    )
    if as_json:
        _print_json({"people": [asdict(each) for each in people], "count": len(people)})
    else:
        _print_people(people)


@contextmanager
def _assessments(*, production: bool) -> "Iterator[Assessments]":
    from shualian.assembly import open_insurer_side

    mode = Mode.PRODUCTION if production else Mode.SANDBOX
    insurer = open_insurer_side(load_settings(), mode=mode, clock=SystemClock())
    try:
        yield insurer.assessments
    finally:
        insurer.close()


def _moment(found: datetime) -> datetime:
    """A moment that was typed; without a zone it is the time in China."""
    return (found if found.tzinfo else found.replace(tzinfo=CHINA)).astimezone(UTC)


def _members(made: "Assessment") -> dict[str, str]:
    return {
        "assessment_id": made.assessment_id,
        "made_at": made.made_at.isoformat(),
        "kept_until": made.kept_until.isoformat(),
        "digest": made.digest,
        "configuration_digest": made.configuration_digest,
    }


def _print_json(members: object) -> None:
    print(json.dumps(members, ensure_ascii=False))


def _print_people(people: "list[AffectedPerson]") -> None:
    table = Table()
    for heading in ("psn_no", "records", "first", "last", "kinds"):
        # Folded, never cut: numbers are copied from here.
        table.add_column(heading, overflow="fold")
    for each in people:
        table.add_row(
            each.psn_no, str(each.records), each.first_at, each.last_at, ", ".join(each.kinds)
        )
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"{len(people)} 人。{len(people)} people.")
