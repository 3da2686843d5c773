"""`shualian chaos settlement`: random payments while processes are killed and messages get lost."""

import json
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shualian.sandbox.chaos.service import Outcome, Total

INCOHERENT_EXIT_CODE = 1


def settlement(
    seed: Annotated[int, typer.Option(min=0, help="Of the first run; the others follow")] = 1,
    runs: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many")] = 200,
    acts: Annotated[int, typer.Option(min=1, max=10_000, help="Acts of each run")] = 40,
    db: Annotated[
        str | None,
        typer.Option(
            help="URL of a PostgreSQL database from which others can be made; default: SQLite files"
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for the data of the last run; must be empty")
    ] = None,
    trace: Annotated[bool, typer.Option(help="Print every act of each run")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a run")] = False,
) -> None:
    """Run insurer, hospital and e-wallet as processes, kill them, and ask whether all agrees.

    The last line is a summary. Status 1 when a run was not coherent: `--seed N --runs 1` with the
    same `--acts` shows it again.
    """
    from shualian.sandbox.chaos.service import Total, outcomes

    total = Total()
    with tempfile.TemporaryDirectory() as temporary:
        made = outcomes(
            keep or Path(temporary),
            first_seed=seed,
            runs=runs,
            acts=acts,
            server=db,
            total=total,
        )
        with closing(made):
            for outcome in made:
                _print(outcome, trace=trace, as_json=as_json)
    print(json.dumps(_members(total)) if as_json else _summary(total))
    if not total.coherent:
        raise typer.Exit(INCOHERENT_EXIT_CODE)


def _print(outcome: "Outcome", *, trace: bool, as_json: bool) -> None:
    if as_json:
        line = {
            "seed": outcome.seed,
            "incoherent": list(outcome.incoherent),
            "states": dict(outcome.states),
            "kills": outcome.kills,
            "acts": dict(outcome.acts),
        }
        print(json.dumps(line | ({"log": list(outcome.log)} if trace else {})), flush=True)
        return
    if trace:
        print("\n".join(outcome.log))
    for sentence in outcome.incoherent:
        print(f"seed {outcome.seed}: {sentence}", flush=True)


def _members(total: "Total") -> dict[str, object]:
    return {
        "runs": total.runs,
        "coherent": total.runs - len(total.failed),
        "failed_seeds": total.failed,
        "payments": total.payments,
        "states": dict(total.states),
        "kills": total.kills,
        "messages": total.messages,
        "messages_troubled": total.troubled,
        "seconds": round(total.seconds, 1),
    }


def _summary(total: "Total") -> str:
    verdict = "all coherent" if total.coherent else f"INCOHERENT seeds {total.failed}"
    states = ", ".join(f"{count} {state}" for state, count in sorted(total.states.items()))
    return (
        f"{total.runs} runs, {verdict}: {total.payments} payments ({states}), {total.kills} kills, "
        f"{total.troubled} of {total.messages} messages lost, late, doubled or turned away, "
        f"{total.seconds:.0f} s"
    )
